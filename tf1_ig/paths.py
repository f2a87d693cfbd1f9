"""Paths, their nodes, and what is known of the integrals between them. Plain numpy, no TensorFlow.

Every evaluation gives away two things for free: beside the gradient, the score ``F(alpha)`` and its derivative along
the path, ``f(alpha) = sum of gradient * (input - baseline)``. The true integral of ``f`` between any two nodes is
``F(b) - F(a)``, so the error of a rule on *each interval* is known, not estimated.

Single errors are added up by runs of one sign: within a run they add plainly (a smooth stretch errs to one side), runs
add in squares (kinks err to either side, independently).

Paths that stand at the same point are looked at together, as long arrays: paths, and their nodes or intervals, follow
one another.
"""

import bisect
import math
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

# Scores are float32: a completeness error below this share of the score itself cannot be told from rounding.
ROUNDING = 1e-6
AT_ONCE = 1 << 20     # numbers of parts or gradients that are looked at together
# Share of what changes at the tokens that may hide from the score, which says nothing about what cancels in it.
SILENT = 1e-3


def by_runs(errors: Sequence[float]) -> float:
    """What errors along the path add up to: sums over runs of one sign, and those as independent ones.

    >>> by_runs([1.0, 2.0, -4.0])
    5.0
    """
    return float(runs_of(np.asarray(errors, np.float64), np.zeros(1, int))[0]) if len(errors) else 0.0


def runs_of(errors: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The same of several paths, whose errors begin at ``starts``."""
    signs = np.sign(errors)
    told = np.where(signs == 0, 0, np.arange(len(errors)))
    told[starts] = starts
    signs = signs[np.maximum.accumulate(told)]  # one of nothing ends no run
    begins = np.append(True, signs[1:] != signs[:-1])
    begins[starts] = True
    runs = np.flatnonzero(begins)
    return np.sqrt(np.add.reduceat(np.add.reduceat(errors, runs) ** 2, np.searchsorted(runs, starts)))


class Path:
    """Nodes of one example, and what was found there.

    Args:
      ends: the scores at baseline and input, which are known without a gradient.
      size: what rounding of the scores is a share of, where that is more than the scores and what tokens gain and lose.
    """

    def __init__(self, ends: Sequence[float], size: float = 0.0):
        self.ends, self.size = (float(ends[0]), float(ends[1])), size
        self.score: Dict[float, float] = {}
        self.slope: Dict[float, float] = {}
        self.gradient: Dict[float, np.ndarray] = {}
        self.parts: Dict[float, np.ndarray] = {}
        self.nodes: List[float] = []          # ascending, those where the gradient is finite
        self.known = all(map(math.isfinite, ends))  # whether there are scores to go by
        self.level: Optional[int] = 1         # of the nested rule; None: intervals are halved
        self.mass = 0.0                       # what tokens gain and lose together
        self.beyond = math.inf                # the error over what is allowed, where it falls slowly
        # The integral as it stands: weights of ``nodes``, and the signed error of each interval.
        self.weights = np.zeros(0)
        self.errors: np.ndarray = np.full(1, np.inf)

    def add(self, alpha: float, score: float, slope: float, gradient: np.ndarray, parts: np.ndarray) -> None:
        self.score[alpha] = float(score)
        self.gradient[alpha], self.parts[alpha] = gradient, parts
        if math.isfinite(slope):
            self.slope[alpha], self.known = float(slope), self.known and math.isfinite(score)
            bisect.insort(self.nodes, alpha)

    def result(self) -> Tuple[Any, ...]:
        """Gradient, scores, number of nodes, estimated error, path and its errors (see ``integrate.Integral``)."""
        known = bool(len(self.weights))  # there are scores and gradients to go by
        nodes = self.nodes if known else sorted(self.score)
        total = np.full(self.gradient[nodes[0]].shape, 0.0 if known else np.nan)
        together = max(1, AT_ONCE // max(total.size, 1))
        for first in range(0, len(self.weights), together):
            its = slice(first, first + together)
            total += self.weights[its] @ np.stack([self.gradient[node] for node in nodes[its]])
        errors = self.errors.copy() if known else np.full(len(nodes) + 1, np.inf)
        alphas, scores = np.array([0.0] + nodes + [1.0]), [self.score[node] for node in nodes]
        estimate = max(by_runs(errors.tolist()), abs(float(errors.sum())))
        return (total, self.ends[1], self.ends[0], len(self.score), estimate,
                (alphas, np.array([self.ends[0]] + scores + [self.ends[1]])), errors)


def told(now: Any, then: Any, silent: Any) -> Any:
    """How much of earlier errors of the score is left; all of it where both are nothing beside what is ``silent``."""
    return np.minimum(1.0, (now + silent + 1e-300) / (then + silent + 1e-300))


class Known(NamedTuple):
    """What is known of some paths: their nodes, slopes there, and what the scores rise by over the intervals.

    ``firsts`` and ``starts`` are where each path's nodes and intervals begin. Errors may be: along the path ``path``,
    their sum ``net``, and those of the tokens' parts ``share`` of these; ``rounding`` in any case.
    """

    nodes: np.ndarray
    slopes: np.ndarray
    rises: np.ndarray
    counts: np.ndarray
    travelled: np.ndarray
    path: np.ndarray
    net: np.ndarray
    rounding: np.ndarray
    share: float

    @property
    def firsts(self) -> np.ndarray:
        return np.cumsum(self.counts) - self.counts

    @property
    def starts(self) -> np.ndarray:
        return np.cumsum(self.counts + 1) - self.counts - 1

    def of_parts(self, sizes: np.ndarray) -> np.ndarray:
        """What the parts may be off, where those of all tokens have these absolute sums."""
        return np.maximum(self.share * sizes, self.rounding)


def known(paths: Sequence[Path], tolerance: float, headroom: float) -> Known:
    """What is known of paths that have gradients; ``headroom``: share of the tolerance that estimates may use up."""
    counts = np.array([len(path.nodes) for path in paths])
    ways = np.array([score for path in paths for score in (
        path.ends[0], *map(path.score.__getitem__, path.nodes), path.ends[1])])
    slopes = np.array([path.slope[node] for path in paths for node in path.nodes])
    starts = np.cumsum(counts + 2) - counts - 2
    rises = np.delete(np.diff(ways), starts[1:] - 1)
    travelled = np.add.reduceat(np.abs(rises), starts - np.arange(len(paths)))
    rounding = ROUNDING * np.maximum([max(path.size, path.mass) for path in paths],
                                     np.maximum.reduceat(np.abs(ways), starts))
    net = tolerance * np.array([abs(path.ends[1] - path.ends[0]) for path in paths])
    return Known(np.array([node for path in paths for node in path.nodes]), slopes, rises, counts, travelled,
                 np.maximum(headroom * tolerance * travelled, rounding), np.maximum(net, rounding), rounding,
                 headroom * tolerance)
