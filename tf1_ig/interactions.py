"""Integrated Hessians by token, from gradients alone (Janizek, Sturmfels, Lee, JMLR 22:104, 2021).

With ``t = αβ`` the double integrals of the paper become single ones, because the density of a product of two uniform
numbers is ``-ln t``:

    Γij = Δi Δj ∫ (-t ln t) ∂²F/∂xi∂xj dt        and on the diagonal also        Δi ∫ (-ln t) ∂F/∂xi dt,

all at ``baseline + t (input - baseline)``. Second derivatives along a whole token are central differences of
gradients, so that none is taken of a graph: loops work as they do for Integrated Gradients. On smooth models a Gauss
rule for the weight ``-ln t`` needs few points. The sums of a row are known better than its entries: they are Integrated
Gradients. So the matrix that is returned is the one nearest to the measured one (each change weighed by the size of its
entry) whose rows sum to them; how much had to be changed, and how far the two orders of a pair are apart, is the error
estimate. Where gradients jump (a ReLU), a difference sees a jump only if it spans it: there ``kinks`` takes over.
"""

from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Tuple

import numpy as np

from tf1_ig.answer import progress, texts as row_texts
from tf1_ig.engine.at import FLOATS_AT_ONCE, At
from tf1_ig.errors import MethodError
from tf1_ig.kinks import Jumps, calmer, second_derivatives
from tf1_ig.result.interactions import STRONGEST, Interactions, Pair

GAUSS = (8, 16, 32)          # points of the Gauss rule, tried in turn
SPACING = 1.0 / 64           # half the distance of a central difference, as a share of the path
MIDDLES = (64, 256)          # where gradients jump: points of second derivatives, tried after those
CLOSE = 1.0 / 4096           # and the distance of their differences, less where points are closer than four of it
NEAR = 1.0 / 128             # and of a point's way from the baseline: at a zero baseline every maximum is a tie
NODES = 16                   # points without differences, for each of them


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
    # A quarter of the way to either end at most: at the very ends a root has no gradient, and close to them it bends.
    spacing = np.minimum(SPACING, np.minimum(points, 1.0 - points) / 4.0)
    return Rule(points, spacing, first * points, first, plain)


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


class Found(NamedTuple):
    """By row: the matrix, how far it was apart in both orders of a pair, and what its entries may be off together."""

    values: List[np.ndarray]
    asymmetry: np.ndarray
    error: np.ndarray


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
    texts = at.texts() if tokens is None else row_texts(tokens, len(at))
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
    slopes = Slopes(at, baseline, deltas, moving, on_points)
    rise, rounding = ends[1] - ends[0], 1e-6 * np.max(np.abs(ends), axis=0)
    kinked = Kinked(slopes, tolerance)
    for points in rules:
        found = by_gauss(slopes, gauss(points)) if points <= GAUSS[-1] else kinked.by_jumps(points)
        delta = np.array([matrix.sum() for matrix in found.values]) - rise
        size = np.array([np.abs(matrix).sum() for matrix in found.values])
        with np.errstate(invalid="ignore"):  # a row that is not finite is not converged
            good = (np.abs(delta) <= np.maximum(tolerance * np.abs(rise), rounding)) & (
                found.error <= np.maximum(tolerance * size, rounding))
        if (good | ~np.isfinite(rise)).all():
            break
    return dict(
        values=found.values, tokens=[matrix.sum(axis=1) for matrix in found.values], score=ends[1],
        baseline_score=ends[0], delta=delta, asymmetry=found.asymmetry, error_estimate=found.error, converged=good,
        steps=np.full(len(at), points), evaluations=slopes.evaluations, label=at.label, tolerance=tolerance,
        pairs=tuple(_strongest(at, found.values, ends, baseline)))


def _rules(steps: Any, tolerance: float, max_steps: int) -> List[int]:
    if not isinstance(tolerance, (int, float, np.floating)) or not tolerance > 0:
        raise MethodError("tolerance must be a number above 0 such as 0.01 (one per cent), not %r" % (tolerance,))
    for name, value, least in (("steps", steps, 1), ("max_steps", max_steps, GAUSS[0])):
        if value is not None and (not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least):
            raise MethodError("%s must be a whole number of at least %d, not %r" % (name, least, value))
    return [int(steps)] if steps is not None else [count for count in GAUSS + MIDDLES if count <= max_steps]


def _differences(entries: Dict[str, Any], start: Dict[str, Any], row: int) -> Dict[str, np.ndarray]:
    return {name: np.asarray(value[row], np.float64) - np.asarray(start[name][row], np.float64)
            for name, value in entries.items()}


def _moves(at: At, start: Dict[str, Any]) -> List[np.ndarray]:
    """For every row and token whether it differs from the baseline at all (padding does not)."""
    return at.by_token({name: value_of(lambda own, base: np.abs(np.asarray(own, np.float64) - base), value, start[name])
                        for name, value in at.entries.items()})


def value_of(function: Callable[..., Any], first: Any, second: Any) -> Any:
    """A function of two arrays, or row by row of two lists of arrays."""
    if isinstance(first, list):
        return [function(own, other) for own, other in zip(first, second)]
    return function(first, second)


class Slopes:
    """Gradient times input minus baseline, by token, at points of the path, of all rows; ``evaluations`` by row."""

    def __init__(self, at: At, baseline: Any, deltas: Any, moving: List[np.ndarray], on_points: Callable[..., Any]):
        self._at, self._baseline, self._deltas, self._on_points = at, baseline, deltas, on_points
        self.moving, self.counts, self.evaluations = moving, at.tokens, np.zeros(len(at), int)

    def on_path(self, points: List[np.ndarray]) -> List[np.ndarray]:
        """By row ``[points, tokens]``, at equally many points of each row's own."""
        self.evaluations += len(points[0])
        return self._of([np.repeat(own[:, None], count, axis=1) for own, count in zip(points, self.counts)])

    def around(self, points: np.ndarray, spacing: np.ndarray) -> Iterator[List[Tuple[np.ndarray, ...]]]:
        """Point after point, by row: ``[tokens]`` there, and with each moving token in turn (first axis) ahead and
        behind by the spacing."""
        most = max(1, max(len(each) for each in self.moving))
        self.evaluations += np.array([len(points) * (2 * len(each) + 1) for each in self.moving])
        floats = max(1, sum(np.size(value) for delta in self._deltas for value in delta.values()))
        together = max(1, FLOATS_AT_ONCE // (floats * (2 * most + 1)))
        for first in range(0, len(points), together):
            chunk = slice(first, first + together)
            found = self._of([_shares(points[chunk], spacing[chunk], count, own, most)
                              for count, own in zip(self.counts, self.moving)])
            for place in range(len(points[chunk])):
                own = slice(place * (2 * most + 1), (place + 1) * (2 * most + 1))
                yield [(slopes[own][0], slopes[own][1:2 * len(moves):2], slopes[own][2:2 * len(moves) + 1:2])
                       for slopes, moves in zip(found, self.moving)]

    def _of(self, shares: List[np.ndarray]) -> List[np.ndarray]:
        rows = range(len(shares))
        _, gradients = self._at.gradients(self._at.mixed(shares, self._baseline))
        self._on_points(len(shares[0]) * len(shares))
        found = [self._at.by_token({name: [np.asarray(value[point][row], np.float64) * self._deltas[row][name]
                                           for row in rows] for name, value in gradients.items()})
                 for point in range(len(shares[0]))]
        return [np.stack([each[row] for each in found]) for row in rows]


def _shares(points: np.ndarray, spacing: np.ndarray, count: int, own: np.ndarray, most: int) -> np.ndarray:
    """``[points * (2 * most + 1), tokens]``: each point itself, then with one token ahead and behind in turn."""
    found = np.repeat(points[:, None], 2 * most + 1, axis=1)[:, :, None] * np.ones(count)
    for place, token in enumerate(own):
        found[:, 1 + 2 * place, token] += spacing
        found[:, 2 + 2 * place, token] -= spacing
    return found.reshape(-1, count)


def by_gauss(slopes: Slopes, rule: Rule) -> Found:
    """By a Gauss rule for the weight, at the same points of all rows."""
    tokens = [np.zeros(count) for count in slopes.counts]
    matrices = [np.zeros((count, count)) for count in slopes.counts]
    for place, found in enumerate(slopes.around(rule.points, rule.spacing)):
        for row, (here, ahead, behind) in enumerate(found):
            tokens[row] += rule.plain[place] * here
            matrices[row][np.diag_indices(len(here))] += rule.first[place] * here
            matrices[row][:, slopes.moving[row]] += rule.second[place] / (2.0 * rule.spacing[place]) * (
                ahead - behind).T
    measured = [(matrix + matrix.T) / 2.0 for matrix in matrices]
    values = [nearest(matrix, sums) if np.isfinite(matrix).all() else matrix
              for matrix, sums in zip(measured, tokens)]
    apart = [np.abs(matrix - matrix.T) for matrix in matrices]
    error = np.array([np.abs(value - plain).sum() for value, plain in zip(values, measured)])
    return Found(values, np.array([each.max() if each.size else 0.0 for each in apart]),
                 np.maximum(error, [each.sum() / 2.0 for each in apart]))


class Kinked:
    """Rows whose gradients jump; points of the path are kept from one number of second derivatives to the next."""

    def __init__(self, slopes: Slopes, tolerance: float):
        self._slopes, self._share, self._nodes = slopes, 0.25 * tolerance, 0
        self._rows: List[Jumps] = []

    def by_jumps(self, count: int) -> Found:
        """With second derivatives at so many points."""
        middles, moving = (np.arange(count) + 0.5) / count, self._slopes.moving
        spacing = np.minimum(min(CLOSE, 0.25 / count), NEAR * middles)
        hessians = [np.zeros((count, len(own), len(own))) for own in moving]
        for place, found in enumerate(self._slopes.around(middles, spacing)):
            for row, (own, around) in enumerate(zip(moving, found)):
                here, ahead, behind = (part[..., own] for part in around)
                hessians[row][place] = second_derivatives(here, ahead, behind, spacing[place])
        if not self._rows:
            inside = 0.5 / count ** 2  # of the path: at its very ends a norm or a root may have no gradient
            self._nodes, nodes = count + 1, np.clip(np.linspace(0.0, 1.0, count + 1), inside, 1.0 - inside)
            self._rows = [Jumps(nodes, slopes[:, own]) for own, slopes in zip(
                moving, self._slopes.on_path([nodes] * len(moving)))]
        asymmetry = np.array([Jumps.asymmetry(each) for each in hessians])
        for jumps, each in zip(self._rows, hessians):
            jumps.between(calmer(each, each.transpose(0, 2, 1)))
        while self._nodes < NODES * count and any(
                jumps.unsettled > self._share * np.abs(jumps.matrix()).sum() for jumps in self._rows):
            new = [jumps.worst(max(16, self._nodes // 4)) for jumps in self._rows]
            self._nodes += len(new[0])
            for jumps, own, more, along in zip(self._rows, moving, new, self._slopes.on_path(
                    [np.array(each) for each in new])):
                jumps.add(more, along[:, own])
        values = [np.zeros((tokens, tokens)) for tokens in self._slopes.counts]
        for matrix, own, jumps in zip(values, moving, self._rows):
            matrix[np.ix_(own, own)] = jumps.matrix()
        return Found(values, asymmetry, np.array([jumps.unsettled + jumps.of_hessians() for jumps in self._rows]))


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
