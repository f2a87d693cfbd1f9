"""Integrated Hessians by token, from gradients alone (Janizek, Sturmfels, Lee, JMLR 22:104, 2021).

With ``t = αβ`` the double integrals of the paper become single ones, because the density of a product of two uniform
numbers is ``-ln t``:

    Γij = Δi Δj ∫ (-t ln t) ∂²F/∂xi∂xj dt        and on the diagonal also        Δi ∫ (-ln t) ∂F/∂xi dt,

all at ``baseline + t (input - baseline)``. Second derivatives along a whole token are central differences of
gradients, so that none is taken of a graph: loops work as they do for Integrated Gradients. On smooth models a Gauss
rule for the weight ``-ln t`` needs few points. Where gradients jump (a ReLU), a difference sees a jump only if it
spans it, and a pair gets its share of it by the number of points whose differences do: there many points are taken,
and the differences span several of them (half of them ``1 / (4 sqrt(points))``, so that both the smearing and the
counting error fall).

The sums of a row are known better than its entries: they are Integrated Gradients. So the matrix that is returned is
the one nearest to the measured one (each change weighed by the size of its entry) whose rows sum to them; how much
had to be changed is the error estimate.
"""

from typing import Any, Dict, List, NamedTuple, Tuple

import numpy as np

from tf1_ig.answer import progress, texts as row_texts
from tf1_ig.engine.at import FLOATS_AT_ONCE, At
from tf1_ig.errors import MethodError
from tf1_ig.result.interactions import STRONGEST, Interactions, Pair

GAUSS = (8, 16, 32)          # points of the Gauss rule, tried in turn
SPACING = 1.0 / 64           # half the distance of a central difference, as a share of the path
INTERVALS = (64, 256, 1024)   # equal intervals, tried after those


class Rule(NamedTuple):
    """Points of the path, half the distance of each point's differences, and weights of what is found there.

    ``second``: of the second derivatives (``-t ln t``); ``first``: of the gradients (``-ln t``); ``plain``: of the
    gradients again, for Integrated Gradients itself.
    """

    points: np.ndarray
    spacing: np.ndarray
    second: np.ndarray
    first: np.ndarray
    plain: np.ndarray


def gauss(count: int) -> Rule:
    """The Gauss rule for ``∫ -ln(t) f(t) dt``: exact for ``f`` of degree ``2 * count - 1``.

    Its recurrence follows from moments of shifted Legendre polynomials, ``1`` and ``(-1)^k / (k (k + 1))``, by the
    modified Chebyshev algorithm (Gautschi: On generating orthogonal polynomials, 1982, section 2.4).
    """
    size = 2 * count
    order = np.arange(size)
    moments = np.array([1.0] + [(-1.0) ** k / (k * (k + 1.0)) for k in order[1:]])
    # Monic shifted Legendre polynomials: p[k+1] = (t - 1/2) p[k] - b[k] p[k-1].
    b = np.array([0.0] + [k * k / (4.0 * (4.0 * k * k - 1.0)) for k in order[1:].astype(float)])
    leading = np.cumprod([1.0] + [k / (2.0 * (2.0 * k - 1.0)) for k in order[1:].astype(float)])
    moments = moments * leading
    alpha, beta = np.zeros(count), np.zeros(count)
    alpha[0], beta[0] = 0.5 + moments[1] / moments[0], moments[0]
    previous, current = np.zeros(size), moments
    for k in range(1, count):
        following = np.zeros(size)
        for j in range(k, size - k):
            following[j] = (current[j + 1] - (alpha[k - 1] - 0.5) * current[j] - beta[k - 1] * previous[j]
                            * (k > 1) + b[j] * current[j - 1])
        alpha[k] = 0.5 + following[k + 1] / following[k] - current[k] / current[k - 1]
        beta[k] = following[k] / current[k - 1]
        previous, current = current, following
    points, vectors = np.linalg.eigh(np.diag(alpha) + np.diag(np.sqrt(beta[1:]), 1) + np.diag(np.sqrt(beta[1:]), -1))
    first = beta[0] * vectors[0] ** 2
    # Weights of 1 on the same points: what integrates Legendre polynomials exactly.
    legendre = np.polynomial.legendre.legvander(2.0 * points - 1.0, count - 1)
    plain = np.linalg.solve(legendre.T, np.eye(count)[0])
    spacing = np.minimum(SPACING, np.minimum(points, 1.0 - points))
    return Rule(points, spacing, first * points, first, plain)


def intervals(count: int) -> Rule:
    """Equal intervals, each with its own integral of the weights."""
    edges = np.linspace(0.0, 1.0, count + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(edges > 0, np.log(np.where(edges > 0, edges, 1.0)), 0.0)
    first = -np.diff(edges * logs - edges)
    second = -np.diff(edges ** 2 * logs / 2.0 - edges ** 2 / 4.0)
    points = (edges[:-1] + edges[1:]) / 2.0
    spacing = np.minimum(0.25 / np.sqrt(count), np.minimum(points, 1.0 - points))
    return Rule(points, spacing, second, first, np.full(count, 1.0 / count))


def nearest(matrix: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """The symmetric matrix whose rows have these sums that is nearest to a symmetric one: ``Σ change² / |entry|`` is
    least, so that what is zero stays so."""
    weights = np.abs(matrix)
    lacking = sums - matrix.sum(axis=1)
    known = weights.sum(axis=1) > 0
    system = (np.diag(weights.sum(axis=1)) + weights)[np.ix_(known, known)]
    shift = np.zeros(len(matrix))
    shift[known] = np.linalg.lstsq(system, lacking[known], rcond=None)[0]
    return matrix + weights * (shift[:, None] + shift[None, :])


class _Sums(NamedTuple):
    """Of every row: the matrix before it is made symmetric, and Integrated Gradients by token."""

    matrices: List[np.ndarray]
    tokens: List[np.ndarray]


class Request(NamedTuple):
    """What is asked for, as ``IntegratedGradients.interactions`` takes it."""

    baseline: Any
    steps: Any
    tolerance: float
    max_steps: int


def answer(at: At, request: Request, output: str, tokens: Any, shown: bool, notes: Tuple[str, ...]) -> Interactions:
    """The ``Interactions`` at the feed of an evaluator, in as many points as were asked for or are needed.

    Raises:
      MethodError: steps, tolerance or max_steps out of range.
    """
    texts = row_texts(tokens, len(at))
    with progress(shown, None) as advance:
        fields = _interactions(at, request, advance)
    return Interactions(output=output, inputs=at.inputs, token_counts=at.token_counts, token_texts=texts,
                        notes=notes + at.notes, **fields)


def _interactions(at: At, request: Request, on_points: Any) -> Dict[str, Any]:
    baseline, tolerance = request.baseline, request.tolerance
    rules = _rules(request.steps, tolerance, request.max_steps)
    start = at.start(baseline)
    deltas = [_differences(at.entries, start, row) for row in range(len(at))]
    moving = [np.flatnonzero(at_row) for at_row in _moves(at, start)]
    ends = at.scores(at.mixed([np.stack([np.zeros(count), np.ones(count)]) for count in at.tokens], baseline))
    rise = ends[1] - ends[0]
    evaluations = np.zeros(len(at), int)
    for rule in rules:
        sums = _run(at, rule, baseline, deltas, moving, on_points)
        evaluations += np.array([len(rule.points) * (2 * len(each) + 1) for each in moving])
        measured = [(matrix + matrix.T) / 2.0 for matrix in sums.matrices]
        values = measured if not all(np.isfinite(matrix).all() for matrix in measured) else [
            nearest(matrix, tokens) for matrix, tokens in zip(measured, sums.tokens)]
        delta = np.array([matrix.sum() for matrix in values]) - rise
        error = np.array([np.abs(matrix - plain).sum() for matrix, plain in zip(values, measured)])
        size = np.array([np.abs(matrix).sum() for matrix in values])
        rounding = 1e-6 * np.maximum(np.abs(ends[0]), np.abs(ends[1]))
        good = (np.abs(delta) <= np.maximum(tolerance * np.abs(rise), rounding)) & (
            error <= np.maximum(tolerance * size, rounding))
        if good.all() or not np.isfinite(rise).all():
            break
    return dict(
        values=values, tokens=[matrix.sum(axis=1) for matrix in values], score=ends[1], baseline_score=ends[0],
        delta=delta, asymmetry=np.array([np.abs(matrix - matrix.T).max() if matrix.size else 0.0
                                         for matrix in sums.matrices]),
        error_estimate=error, converged=good, steps=np.full(len(at), len(rule.points)), evaluations=evaluations,
        label=at.label, tolerance=tolerance, pairs=tuple(_strongest(at, values, ends, baseline)))


def _rules(steps: Any, tolerance: float, max_steps: int) -> List[Rule]:
    if not isinstance(tolerance, (int, float, np.floating)) or not tolerance > 0:
        raise MethodError("tolerance must be a number above 0 such as 0.01 (one per cent), not %r" % (tolerance,))
    for name, value, least in (("steps", steps, 1), ("max_steps", max_steps, GAUSS[0])):
        if value is not None and (not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least):
            raise MethodError("%s must be a whole number of at least %d, not %r" % (name, least, value))
    if steps is not None:
        return [gauss(steps) if steps <= GAUSS[-1] else intervals(steps)]
    return [gauss(count) for count in GAUSS if count <= max_steps] + [
        intervals(count) for count in INTERVALS if count <= max_steps]


def _differences(entries: Dict[str, Any], start: Dict[str, Any], row: int) -> Dict[str, np.ndarray]:
    return {name: np.asarray(value[row], np.float64) - np.asarray(start[name][row], np.float64)
            for name, value in entries.items()}


def _moves(at: At, start: Dict[str, Any]) -> List[np.ndarray]:
    """For every row and token whether it differs from the baseline at all (padding does not)."""
    return at.by_token({name: value_of(lambda own, base: np.abs(np.asarray(own, np.float64) - base), value, start[name])
                        for name, value in at.entries.items()})


def value_of(function, first: Any, second: Any) -> Any:
    """A function of two arrays, or row by row of two lists of arrays."""
    if isinstance(first, list):
        return [function(own, other) for own, other in zip(first, second)]
    return function(first, second)


def _run(at: At, rule: Rule, baseline: Any, deltas, moving: List[np.ndarray], on_points) -> _Sums:
    counts = at.tokens
    most = max(1, max(len(each) for each in moving))
    sums = _Sums([np.zeros((count, count)) for count in counts], [np.zeros(count) for count in counts])
    floats = max(1, sum(np.size(part) for value in at.entries.values()
                        for part in (value if isinstance(value, list) else [value])))
    together = max(1, FLOATS_AT_ONCE // (floats * (2 * most + 1)))
    for first in range(0, len(rule.points), together):
        chunk = slice(first, first + together)
        shares = [_shares(rule.points[chunk], rule.spacing[chunk], count, own, most)
                  for count, own in zip(counts, moving)]
        _, gradients = at.gradients(at.mixed(shares, baseline))
        on_points(len(shares[0]) * len(at))
        _add(at, rule, chunk, gradients, deltas, moving, most, sums)
    return sums


def _shares(points: np.ndarray, spacing: np.ndarray, count: int, own: np.ndarray, most: int) -> np.ndarray:
    """``[points * (2 * most + 1), tokens]``: each point itself, then with one token ahead and behind in turn."""
    found = np.repeat(points[:, None], 2 * most + 1, axis=1)[:, :, None] * np.ones(count)
    for place, token in enumerate(own):
        found[:, 1 + 2 * place, token] += spacing
        found[:, 2 + 2 * place, token] -= spacing
    return found.reshape(-1, count)


def _add(at: At, rule: Rule, chunk: slice, gradients, deltas, moving, most: int, sums: _Sums) -> None:
    each = 2 * most + 1
    for number, place in enumerate(range(*chunk.indices(len(rule.points)))):
        # slopes[k][row]: by token, the gradient at the k-th of this point's entries times input minus baseline.
        slopes = [at.by_token({name: [np.asarray(value[number * each + k][row], np.float64) * deltas[row][name]
                                      for row in range(len(at))] for name, value in gradients.items()})
                  for k in range(each)]
        for row, own in enumerate(moving):
            here = slopes[0][row]
            sums.tokens[row] += rule.plain[place] * here
            matrix = sums.matrices[row]
            matrix[np.diag_indices(len(matrix))] += rule.first[place] * here
            for order, token in enumerate(own):
                ahead, behind = slopes[1 + 2 * order][row], slopes[2 + 2 * order][row]
                matrix[:, token] += rule.second[place] * (ahead - behind) / (2.0 * rule.spacing[place])


def _strongest(at: At, values: List[np.ndarray], ends: np.ndarray, baseline: Any) -> List[Tuple[Pair, ...]]:
    """The strongest pairs of each row, with what removing one, the other and both outright says."""
    chosen, shares = [], []
    for matrix in values:
        first, second = np.triu_indices(len(matrix), 1)
        order = np.argsort(-np.abs(matrix[first, second]), kind="stable")[:STRONGEST]
        chosen.append(list(zip(first[order], second[order])))
        points = np.ones((3 * STRONGEST, len(matrix)))
        for number, (one, other) in enumerate(chosen[-1]):
            points[3 * number, one] = points[3 * number + 1, other] = 0.0
            points[3 * number + 2, [one, other]] = 0.0
        shares.append(points)
    scores = at.scores(at.mixed(shares, baseline))
    return [tuple(Pair(int(one), int(other), float(2.0 * matrix[one, other]), float(
        ends[1][row] - scores[3 * number][row] - scores[3 * number + 1][row] + scores[3 * number + 2][row]))
        for number, (one, other) in enumerate(pairs)) for row, (matrix, pairs) in enumerate(zip(values, chosen))]
