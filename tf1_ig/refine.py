"""Where along one path the gradient is asked next, and when enough of it is known. Plain numpy, no TensorFlow.

Every evaluation gives away two things for free: beside the gradient, the score ``F(alpha)`` and its derivative along
the path, ``f(alpha) = sum of gradient * (input - baseline)``. The true integral of ``f`` between any two nodes is
``F(b) - F(a)``, so the error of a rule on *each interval* is known, not estimated.
What tokens gain and others lose does not show in the score, so the parts of the derivative are watched too, where two
rules disagree on them.

A path begins with few nodes of high order: nested Gauss rules (``quadrature.nested``), which smooth models are done
with. How much of the change from one to the next is error still is told by how fast the known errors and the changes
themselves decay. Where they decay too slowly (a kink, a steep stretch) intervals are halved instead, wherever the error
is, and between the nodes polynomials of low order are laid through the nearest ones: on each stretch the order whose
known errors are least (``quadrature.between``). Nothing that was evaluated is given up.

It stops when the net error is within the tolerance *and* what the single errors add up to is a small share of how far
the score travels along the path (errors of opposite sign cannot cancel into convergence) *and* the tokens' parts are
known as well. Single errors are added up by runs of one sign: within a run they add plainly (a smooth stretch errs to
one side), runs add in squares (kinks err to either side, independently).
"""

import math
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from tf1_ig import quadrature

# Scores are float32: a completeness error below this share of the score itself cannot be told from rounding.
ROUNDING = 1e-6
# Share of the tolerance that estimated errors along the path may use up. They are estimates.
HEADROOM = 0.5
FIRST_NODES = quadrature.nested(1).alphas.tolist()
_LAST_LEVEL = 4       # 31 nodes of one polynomial
_PROMISING = 2.0      # a next level is tried where it should come so near to what is allowed
_SEEN = 0.3           # share of the score's way that one polynomial may be off, added up over intervals
_ORDERS = (0, 1, 3, 5)
_LEAST_WIDTH = 1e-6


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


class _Bounds(NamedTuple):
    """What errors may add up to: single ones along the path, their sum, and those of the tokens' parts."""

    tolerance: float
    path: float
    net: float
    rounding: float

    def parts(self, size: float) -> float:
        """Where the parts of all tokens have this absolute sum."""
        return max(HEADROOM * self.tolerance * size, self.rounding)


class Path:
    """Nodes of one example, and what was found there.

    Args:
      ends: the scores at baseline and input, which are known without a gradient.
      size: what rounding of the scores is a share of, where that is more than the scores.
    """

    def __init__(self, ends: Sequence[float], size: float = 0.0):
        self.ends, self.size = (float(ends[0]), float(ends[1])), size
        self.score: Dict[float, float] = {}
        self.slope: Dict[float, float] = {}   # where the gradient is finite
        self.gradient: Dict[float, np.ndarray] = {}
        self.parts: Dict[float, np.ndarray] = {}
        self.without: List[float] = []        # nodes where there is no gradient
        self.level: Optional[int] = 1         # of the nested rule; None: intervals are halved
        self.change: Optional[float] = None   # of the tokens' parts, from the level before the last to the last
        # The integral as it stands: weights of the nodes, and the signed error of each interval.
        self.weights: Dict[float, float] = {}
        self.errors: np.ndarray = np.full(1, np.inf)

    def add(self, alpha: float, score: float, slope: float, gradient: np.ndarray, parts: np.ndarray) -> None:
        self.score[alpha] = float(score)
        self.gradient[alpha], self.parts[alpha] = gradient, parts
        if math.isfinite(slope):
            self.slope[alpha] = float(slope)
        else:
            self.without.append(alpha)

    def refine(self, tolerance: float, max_steps: int) -> List[float]:
        """The nodes that are wanted next (none: finished)."""
        nodes = sorted(self.slope)
        ways = np.array([self.ends[0]] + [self.score[node] for node in nodes] + [self.ends[1]])
        rises, rounding = np.diff(ways), ROUNDING * max(self.size, float(np.abs(ways).max()))
        travelled = float(np.abs(rises).sum())
        if not math.isfinite(travelled) or 2 * len(self.without) > len(self.score):
            return []
        bounds = _Bounds(tolerance, max(HEADROOM * tolerance * travelled, rounding),
                         max(tolerance * abs(self.ends[1] - self.ends[0]), rounding), rounding)
        slopes = np.array([self.slope[node] for node in nodes])
        if self.level is not None and not self.without:
            wanted = self._climb(slopes, rises, bounds, max_steps)
            if wanted is not None:
                return wanted
        self.level = None
        return self._halve(np.array(nodes), slopes, rises, bounds, max_steps)

    def result(self) -> Tuple[Any, ...]:
        """Gradient, scores, number of nodes, estimated error, path and its errors (see ``integrate.Integral``)."""
        if self.weights:
            total = np.zeros(self.gradient[next(iter(self.weights))].shape)
            for node, weight in self.weights.items():
                total += weight * self.gradient[node]
        else:  # neither scores nor gradients to go by
            total = np.full(next(iter(self.gradient.values())).shape, np.nan)
        nodes = sorted(self.slope if self.weights else self.score)
        errors = self.errors if self.weights else np.full(len(nodes) + 1, np.inf)
        alphas, scores = np.array([0.0] + nodes + [1.0]), [self.score[node] for node in nodes]
        return (total, self.ends[1], self.ends[0], len(self.score),
                max(by_runs(errors.tolist()), abs(float(errors.sum()))),
                (alphas, np.array([self.ends[0]] + scores + [self.ends[1]])), errors)

    # -- few nodes, high order ---------------------------------------------------------------------------------------

    def _climb(self, slopes: np.ndarray, rises: np.ndarray, bounds: _Bounds, max_steps: int) -> Optional[List[float]]:
        """One polynomial through all nodes: those of the next level, none where it will do; ``None``: give it up."""
        level = self.level or 0
        rule, before = quadrature.nested(level), quadrature.nested(level - 1)
        held = np.isin(rule.alphas, before.alphas)
        parts = np.stack([self.parts[alpha] for alpha in rule.alphas.tolist()]).astype(np.float64)
        size, change = (float(np.abs(weights @ parts).sum()) for weights in (
            rule.weights.sum(axis=0), rule.weights.sum(axis=0) - _spread_out(before.weights.sum(axis=0), held)))
        self.errors = rule.weights @ slopes - rises
        self.weights = dict(zip(rule.alphas.tolist(), rule.weights.sum(axis=0).tolist()))
        longer = np.add.reduceat(rises, np.concatenate([[0], np.flatnonzero(held) + 1]))
        error, of_before = (float(np.abs(one).sum()) for one in (self.errors, before.weights @ slopes[held] - longer))
        rounding = bounds.rounding + 1e-300
        decay = (error + rounding) / (of_before + rounding)
        # The score is a single number: of the first change only the root of what it tells is believed, later ones are
        # compared with the change before.
        decay = min(1.0, max(decay, change / self.change) if self.change else math.sqrt(decay))
        off, allowed = change * decay, bounds.parts(size)
        if off <= allowed and error <= _SEEN * float(np.abs(rises).sum()) + bounds.rounding and (
                abs(float(self.errors.sum())) <= bounds.net):
            return []
        promising = level == 1 or off * decay ** (1.0 if level < 3 else 1.5) <= _PROMISING * allowed
        if level == _LAST_LEVEL or not promising or 2 * len(slopes) + 1 > max_steps:
            return None
        self.level, self.change = level + 1, change
        following = quadrature.nested(level + 1).alphas
        return following[~np.isin(following, rule.alphas)].tolist()

    # -- many nodes, low order ---------------------------------------------------------------------------------------

    def _halve(self, nodes: np.ndarray, slopes: np.ndarray, rises: np.ndarray, bounds: _Bounds, max_steps: int
               ) -> List[float]:
        """Polynomials through the nearest nodes: the middles of the worst intervals, none where all will do."""
        taken, lower, self.errors, of_lower = _best_orders(nodes, slopes, rises)
        of_nodes = np.stack([self.parts[node] for node in nodes.tolist()])
        self.weights = dict(zip(nodes.tolist(), taken.sum(axis=0).tolist()))
        with np.errstate(over="ignore"):  # what has no size is told by the score
            spread = (taken - lower) @ of_nodes
            # Kinks err independently, so spreads add in squares.
            added = float(np.sqrt((spread ** 2).sum(axis=0)).sum())
        # How much of a disagreement is error is seen on the score, where errors are known; as that is a single number,
        # only its root is believed. Where disagreements cancel in the score, it says nothing about them.
        errors, silent = np.abs(self.errors), 1e-3 * added + 1e-30
        believed = math.sqrt(min(1.0, float((errors.sum() + silent) / (np.abs(of_lower).sum() + silent))))
        off, allowed = added * believed, bounds.parts(float(np.abs(taken.sum(axis=0) @ of_nodes).sum()))
        if by_runs(self.errors.tolist()) > bounds.path:
            return middles(nodes, errors, bounds.path / 2.0, max_steps - len(self.score))
        if abs(float(self.errors.sum())) > bounds.net:
            return middles(nodes, errors, 0.5 * float(np.linalg.norm(errors)), max_steps - len(self.score))
        if off > allowed:
            by_tokens = np.abs(spread).sum(axis=1)
            return middles(nodes, by_tokens, float(np.linalg.norm(by_tokens)) * allowed / off,
                            max_steps - len(self.score))
        return []


def _best_orders(nodes: np.ndarray, slopes: np.ndarray, rises: np.ndarray
                 ) -> Tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """For each interval the order of least known errors thereabouts, and the next lower one.

    Returns:
      Weights ``[intervals, nodes]`` of either, and the signed errors of either.
    """
    rules = [quadrature.between(nodes, order) for order in _ORDERS]
    errors = np.stack([(weights * slopes[used]).sum(axis=1) - rises for used, weights in rules])
    near = np.pad(np.abs(errors[1:]), ((0, 0), (1, 1)), "constant")
    best = 1 + np.argmin(near[:, :-2] + 2.0 * near[:, 1:-1] + near[:, 2:], axis=0)
    every = np.arange(len(rises))
    both = []
    for chosen in (best, best - 1):
        laid = np.zeros((len(rises), len(nodes)))
        for number, (used, weights) in enumerate(rules):
            here = np.flatnonzero(chosen == number)
            laid[here[:, None], used[here]] = weights[here]
        both.append(laid)
    return both[0], both[1], errors[best, every], errors[best - 1, every]


def middles(nodes: np.ndarray, errors: np.ndarray, until: float, room: int) -> List[float]:
    """The middles of the worst intervals, so many that the root of the rest's squares is at most ``until``."""
    ends = np.concatenate([[0.0], nodes, [1.0]])
    wanted: List[float] = []
    rest = float((errors * errors).sum())
    for place in np.argsort(-errors, kind="stable").tolist():
        if (wanted and rest <= until * until) or len(wanted) >= room or ends[place + 1] - ends[place] < _LEAST_WIDTH:
            break
        wanted.append(float(ends[place] + ends[place + 1]) / 2.0)
        rest -= float(errors[place]) ** 2
    return wanted


def _spread_out(weights: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Weights of some nodes among all."""
    found = np.zeros(len(held))
    found[held] = weights
    return found
