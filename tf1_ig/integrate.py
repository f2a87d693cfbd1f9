"""The integral of the gradient along the path, by a fixed rule or adaptively. Plain numpy, no TensorFlow.

Whoever evaluates the model is an ``Evaluator``; here only nodes, weights and errors are decided. Gradients are flat
vectors, one per (example, alpha), so that dense and ragged inputs look alike.

The adaptive rule uses what every evaluation gives away for free: beside the gradient, the score ``F(alpha)`` and its
derivative along the path, ``f(alpha) = sum of gradient * (input - baseline)``. The true integral of ``f`` over any
interval is ``F(b) - F(a)``, so the error of the rule on *each half panel* is known, not estimated. Refinement goes
where it is largest. It stops when the net error is within the tolerance *and* what the single errors add up to is a
small share of how far the score travels along the path: errors of opposite sign cannot cancel into convergence.

What tokens gain and others lose does not show in the score, so the parts of the derivative are watched too: where two
rules disagree on them by more than the tolerance, refinement goes on (``_Parts.disagreement``).

Single errors are added up by runs of one sign: within a run they add plainly (a smooth stretch errs to one side), runs
add in squares (kinks err to either side, independently). Against dense references that sum follows the error of the
attributions closely, where the plain sum of absolute values overrates it several times on networks full of kinks.
"""

import abc
import itertools
import math
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

FIRST_NODES = (0.0, 0.25, 0.5, 0.75, 1.0)
# Scores are float32: a completeness error below this share of the score itself cannot be told from rounding.
ROUNDING = 1e-6
# Share of the tolerance that estimated errors along the path may use up. They are estimates: on eight sentences and a
# published network full of kinks, token attributions are then within 0.7 % of a dense reference at a tolerance of 1 %
# (with the whole tolerance, within 1.4 %).
HEADROOM = 0.5


class Rows(NamedTuple):
    """Points to evaluate: ``alpha[i]`` of the way from the baseline to the input of example ``example[i]``."""

    example: np.ndarray
    alpha: np.ndarray


class Evaluated(NamedTuple):
    """Score, derivative along the path and flat gradient at each row.

    ``parts`` splits the derivative: how much of it comes from each token (``gradient * (input - baseline)``, summed
    over the last axis of the input); the parts of a row sum to its slope.
    """

    score: np.ndarray
    slope: np.ndarray
    gradient: List[np.ndarray]
    parts: List[np.ndarray]


class Evaluator(abc.ABC):
    """What integration asks of a model; ``tf1_ig.engine`` answers with TensorFlow, the tests with closed forms."""

    count: int

    @property
    def magnitude(self) -> Optional[np.ndarray]:
        """What rounding of each example's scores is a share of, where that is more than the scores: float [count]."""
        return None

    @abc.abstractmethod
    def scores(self, rows: Rows) -> np.ndarray:
        """Scores only (no gradient is computed)."""

    @abc.abstractmethod
    def gradients(self, rows: Rows) -> Evaluated:
        """Score, slope and gradient at each row."""

    def example_done(self) -> None:
        """Told when an example needs no more rows, for who waits."""
        return None

    @abc.abstractmethod
    def weighted(self, rows: Rows, weights: np.ndarray) -> Tuple[np.ndarray, List[np.ndarray]]:
        """Scores by row, and for every example the weighted sum of its gradients (float64)."""


class Integral(NamedTuple):
    """The mean gradient along the path of each example, and what is known of it; arrays are ``[examples]``.

    ``path_errors`` holds the signed error of each interval of ``path`` where it is known.
    """

    gradient: List[np.ndarray]
    score: np.ndarray
    baseline_score: np.ndarray
    steps: np.ndarray
    evaluations: np.ndarray
    error_estimate: Optional[np.ndarray]
    path: Optional[List[Tuple[np.ndarray, np.ndarray]]]
    path_errors: Optional[List[np.ndarray]] = None


def joined(parts: Sequence[Integral]) -> Integral:
    """Integrals of slices of the examples as one."""
    if len(parts) == 1:
        return parts[0]
    together: List[Any] = [None if fields[0] is None else sum(fields, []) if isinstance(fields[0], list)
                           else np.concatenate(fields) for fields in zip(*parts)]
    return Integral(*together)


def by_rule(evaluator: Evaluator, alphas: np.ndarray, weights: np.ndarray,
            ends: Optional[np.ndarray] = None) -> Integral:
    """The integral by fixed nodes and weights (both ``[steps]``), the same for every example.

    ``ends`` are the scores at baseline and input, ``[examples, 2]``, where the caller knows them already.
    """
    count, steps = evaluator.count, len(alphas)
    rows = Rows(np.repeat(np.arange(count), steps), np.tile(alphas, count))
    node_scores, gradient = evaluator.weighted(rows, np.tile(weights, count))
    if ends is None:
        ends = evaluator.scores(Rows(np.repeat(np.arange(count), 2), np.tile([0.0, 1.0], count))).reshape(count, 2)
    path = [_sorted_path(np.concatenate([alphas, [0.0, 1.0]]), np.concatenate([inner, outer]))
            for inner, outer in zip(node_scores.reshape(count, steps), ends)]
    return Integral(gradient, ends[:, 1], ends[:, 0], np.full(count, steps), np.full(count, steps), None, path)


def _sorted_path(alphas: np.ndarray, scores: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    unique, first = np.unique(alphas, return_index=True)
    return unique, scores[first]


def adaptive(evaluator: Evaluator, tolerance: float, max_steps: int, together: int = 128,
             on_progress: Callable[[int], None] = lambda evaluations: None) -> Integral:
    """The integral with nodes where they are needed, every evaluation used.

    Args:
      evaluator: the model.
      tolerance: stop when the completeness error is at most this share of |score - baseline score|, and the errors
        along the path, added up by runs of one sign, at most this share of the score's total
        variation, and what the tokens' parts are likely off at most this share of their absolute sum.
      max_steps: most nodes per example; an example that has not converged by then is returned as it stands.
      together: examples that are refined at the same time (bounds memory). Their points share runs, and an example
        that is done makes room for the next, so that late rounds stay full.
      on_progress: called with the number of evaluations after each round.
    """
    results: Dict[int, Tuple] = {}
    first = list(FIRST_NODES if max_steps >= len(FIRST_NODES) else FIRST_NODES[::2])
    waiting = iter(range(evaluator.count))
    active: Dict[int, _Path] = {}
    wanted: Dict[int, List[float]] = {}
    while len(results) < evaluator.count:
        for example in itertools.islice(waiting, together - len(active)):
            size = 0.0 if evaluator.magnitude is None else float(evaluator.magnitude[example])
            active[example], wanted[example] = _Path(size), first
        rows = Rows(np.array([example for example, nodes in wanted.items() for _ in nodes], np.int64),
                    np.array([alpha for nodes in wanted.values() for alpha in nodes], np.float64))
        for example, alpha, *found in zip(rows.example, rows.alpha, *evaluator.gradients(rows)):
            active[example].add(alpha, *found)
        on_progress(len(rows.alpha))
        wanted = {example: path.refine(tolerance, max_steps) for example, path in active.items()}
        for example in [example for example, nodes in wanted.items() if not nodes]:
            del wanted[example]
            results[example] = active.pop(example).result()
            evaluator.example_done()
    gradient, score, baseline_score, taken, error, path, errors = zip(*(
        results[example] for example in range(evaluator.count)))
    steps = np.array(taken)
    return Integral(list(gradient), np.array(score), np.array(baseline_score), steps, steps.copy(), np.array(error),
                    list(path), list(errors))


class _Panel(NamedTuple):
    """An interval [a, b] with its midpoint m, the weights of its rule on (a, m, b) and its known errors.

    ``parts`` is the integral of each token's part, ``spread`` how far two rules (Simpson, midpoint) disagree on it.
    """

    a: float
    m: float
    b: float
    weights: Tuple[float, float, float]
    left: float    # error on [a, m], with its sign
    right: float   # error on [m, b]
    parts: np.ndarray
    spread: np.ndarray
    error: float          # of both halves, each by its absolute value
    disagreement: float   # of the two rules, over all tokens


def by_runs(errors: Sequence[float]) -> float:
    """What errors along the path add up to: sums over runs of one sign, and those as independent ones.

    >>> by_runs([1.0, 2.0, -4.0])
    5.0
    """
    squares, run = 0.0, 0.0
    for error in errors:
        if run * error < 0:
            squares, run = squares + run * run, 0.0
        run += error
    return math.sqrt(squares + run * run)


class _Parts(NamedTuple):
    """Sums over panels that tell how well each token's part is known."""

    integral: np.ndarray
    squared_spread: np.ndarray
    error: float
    spread: float

    def plus(self, panels: Sequence[_Panel]) -> "_Parts":
        if not panels:
            return self
        spreads = np.array([panel.spread for panel in panels])
        with np.errstate(over="ignore"):  # what has no size is told by the score
            squares = (spreads ** 2).sum(axis=0)
        return _Parts(self.integral + np.array([panel.parts for panel in panels]).sum(axis=0),
                      self.squared_spread + squares,
                      self.error + sum(panel.error for panel in panels),
                      self.spread + float(np.abs(spreads.sum(axis=1)).sum()))

    def disagreement(self) -> float:
        """What the tokens' parts are likely off, added up over tokens.

        Two rules disagree on each token's part by its spread; kinks err independently, so spreads add in squares. How
        much of a disagreement is error is seen on the score itself, where the error is known: nearly all of it on
        networks of kinks, next to nothing on smooth ones. As that share is measured on a single number, only its root
        is believed. (On networks with kinks and with loops, for most rows this is 1 to 3 times the distance from a
        dense reference; the errors of the score alone were a tenth of it.)
        """
        return float(np.sqrt(self.squared_spread).sum()) * self.believed

    @property
    def believed(self) -> float:
        """Root of the share of the disagreement that is error, above 0 and at most 1."""
        # Where the disagreements cancel in the score, the score says nothing about them: the share goes to 1.
        silent = 1e-3 * float(np.sqrt(self.squared_spread).sum()) + 1e-30
        return float(np.sqrt(min(1.0, (self.error + silent) / (self.spread + silent))))


class _Path:
    """Nodes and panels of one example. Gradients are kept only while a panel that may still be split needs them."""

    def __init__(self, size: float = 0.0):
        self.size = size
        self.score: Dict[float, float] = {}
        self.slope: Dict[float, float] = {}
        self.gradient: Dict[float, np.ndarray] = {}
        self.parts: Dict[float, np.ndarray] = {}
        self.open: List[_Panel] = []
        self.settled = np.zeros(0)
        # (start of the interval, signed error) of settled panels.
        self.settled_errors: List[Tuple[float, float]] = []
        # Of settled panels: integrals of the parts, squared spreads, known errors and spread of the sum.
        self.settled_parts = _Parts(np.zeros(()), np.zeros(()), 0.0, 0.0)

    def add(self, alpha: float, score: float, slope: float, gradient: np.ndarray, parts: np.ndarray) -> None:
        self.score[alpha], self.slope[alpha], self.gradient[alpha] = float(score), float(slope), gradient
        self.parts[alpha] = parts

    def refine(self, tolerance: float, max_steps: int) -> List[float]:
        """Makes panels of the new nodes; returns the nodes that are wanted next (none: finished)."""
        if not self.open and not self.settled_errors:  # the first nodes
            self.settled = np.zeros(self.gradient[0.0].shape, np.float64)
            first = sorted(self.score)
            self.open = self._panels(list(zip(first[0::2], first[1::2], first[2::2])))
        else:
            halves = [self._halves(panel) for panel in self.open]
            made = iter(self._panels(sum(halves, [])))
            self.open = [one for panel, two in zip(self.open, halves)
                         for one in ([next(made), next(made)] if two else [panel])]
        scores = [score for _, score in sorted(self.score.items())]
        rounding = ROUNDING * max(self.size, max(map(abs, scores)))
        travelled = sum(abs(b - a) for a, b in zip(scores, scores[1:]))
        allowed = max(HEADROOM * tolerance * travelled, rounding)
        allowed_net = max(tolerance * abs(scores[-1] - scores[0]), rounding)
        if not np.isfinite(allowed):
            return []
        known = self.settled_parts.plus(self.open)
        off = known.disagreement()
        allowed_off = max(HEADROOM * tolerance * np.abs(known.integral).sum(), rounding)
        self._settle(allowed, allowed_off / known.believed)
        errors = self._errors()
        if by_runs(errors) > allowed:
            return self._split_worst(allowed / 2.0, max_steps)
        if abs(sum(errors)) > allowed_net:
            return self._split_worst(math.sqrt(sum(error * error for error in errors)) / 2.0, max_steps)
        if off > allowed_off:
            until = math.sqrt(sum(panel.disagreement * panel.disagreement for panel in self.open)) * allowed_off / off
            return self._split_worst(until, max_steps, "disagreement")
        return []

    def _errors(self) -> List[float]:
        """Signed errors of all half panels, in the order of the path."""
        found = self.settled_errors + [half for panel in self.open
                                       for half in ((panel.a, panel.left), (panel.m, panel.right))]
        return [error for _, error in sorted(found)]

    def _split_worst(self, until: float, max_steps: int, by: str = "error") -> List[float]:
        """Nodes that halve the worst panels, so many that the root of the rest's squares is at most ``until``."""
        wanted: List[float] = []
        worst = sorted(((getattr(panel, by), -place) for place, panel in enumerate(self.open)), reverse=True)
        rest = sum(error * error for error, _ in worst)
        for error, place in worst:
            panel = self.open[-place]
            if (wanted and rest <= until * until) or len(self.score) + len(wanted) + 2 > max_steps or (
                    panel.b - panel.a < 1e-6):
                break
            wanted += [(panel.a + panel.m) / 2.0, (panel.m + panel.b) / 2.0]
            rest -= error * error
        return wanted

    def result(self) -> Tuple[Any, ...]:
        total = self.settled.copy()
        for panel in self.open:
            total += self._vector(panel)
        errors, (alphas, scores) = self._errors(), zip(*sorted(self.score.items()))
        return (total, self.score[1.0], self.score[0.0], len(self.score), max(by_runs(errors), abs(sum(errors))),
                (np.array(alphas), np.array(scores)), np.array(errors))

    def _halves(self, panel: _Panel) -> List[Tuple[float, float, float]]:
        """Ends and midpoints of a panel's halves, where both have been evaluated."""
        left, right = (panel.a + panel.m) / 2.0, (panel.m + panel.b) / 2.0
        return [(panel.a, left, panel.m), (panel.m, right, panel.b)] if left in self.score else []

    def _panels(self, ends: List[Tuple[float, float, float]]) -> List[_Panel]:
        """For each (a, m, b) the panel with whichever rule has the smaller error on both of its halves.

        Simpson for smooth stretches; the midpoint where a kink sits on an end, or where the gradient at an end does
        not exist (a norm at a zero baseline). The halves of Simpson's parabola are integrated separately, so that
        errors of opposite sign inside one panel are seen as well.
        """
        if not ends:
            return []
        width, dtype = np.array([[b - a] for a, _, b in ends]), self.parts[ends[0][0]].dtype
        of_a, of_m, of_b = (np.array([self.parts[three[place]] for three in ends]) for place in range(3))
        with np.errstate(invalid="ignore", over="ignore"):
            spread = width / 6.0 * (of_a - 2.0 * of_m + of_b)
            by_middle = width * of_m
            by_simpson = by_middle + spread
        spread = np.where(np.isfinite(spread), spread, 0.0)
        disagreement = np.abs(spread).sum(axis=1).tolist()
        found = []
        for place, (a, m, b) in enumerate(ends):
            # Numbers of Python's: numpy's would warn of what is not finite, which is told further on.
            h, fa, fm, fb = float(b - a), self.slope[a], self.slope[m], self.slope[b]
            rise_left, rise_right = self.score[m] - self.score[a], self.score[b] - self.score[m]
            simpson = (h / 24.0 * (5 * fa + 8 * fm - fb) - rise_left, h / 24.0 * (5 * fb + 8 * fm - fa) - rise_right)
            middle = (h / 2.0 * fm - rise_left, h / 2.0 * fm - rise_right)
            smooth, plain = abs(simpson[0]) + abs(simpson[1]), abs(middle[0]) + abs(middle[1])
            if math.isfinite(smooth) and not plain < smooth:
                weights, errors, parts = (h / 6.0, 4.0 * h / 6.0, h / 6.0), simpson, by_simpson[place]
                error = smooth
            else:
                error, errors = (plain, middle) if math.isfinite(plain) else (math.inf, (math.inf, math.inf))
                weights, parts = (0.0, h, 0.0), by_middle[place]
            # Copies: a view would keep all panels of the round in memory.
            found.append(_Panel(a, m, b, weights, *errors, parts.astype(dtype), spread[place].astype(dtype), error,
                                disagreement[place]))
        return found

    def _vector(self, panel: _Panel) -> np.ndarray:
        """The panel's share of the integral; a node of weight 0 is left out (its gradient may be NaN)."""
        total = np.zeros(self.settled.shape, np.float64)
        for alpha, weight in zip((panel.a, panel.m, panel.b), panel.weights):
            if weight:
                total += weight * self.gradient[alpha]
        return total

    def _settle(self, allowed: float, allowed_spread: float) -> None:
        """Adds up panels whose errors are far below their share, and forgets gradients nobody needs any more."""
        still_open: List[_Panel] = []
        settled: List[_Panel] = []
        for panel in self.open:
            width = panel.b - panel.a
            within = panel.error <= allowed * width / 16.0 and panel.disagreement <= allowed_spread * width / 4.0
            (settled if within else still_open).append(panel)
        for panel in settled:
            self.settled += self._vector(panel)
            self.settled_errors += [(panel.a, panel.left), (panel.m, panel.right)]
        self.settled_parts = self.settled_parts.plus(settled)
        self.open = still_open
        needed = {alpha for panel in still_open for alpha in (panel.a, panel.m, panel.b)}
        self.gradient = {alpha: vector for alpha, vector in self.gradient.items() if alpha in needed}
        self.parts = {alpha: vector for alpha, vector in self.parts.items() if alpha in needed}
