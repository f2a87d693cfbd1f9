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
known errors are least (``quadrature.between``, for many paths at once). Nothing that was evaluated is given up.

It stops when the net error is within the tolerance *and* what the single errors add up to is a small share of how far
the score travels along the path (errors of opposite sign cannot cancel into convergence) *and* the tokens' parts are
known as well. Single errors are added up by runs of one sign: within a run they add plainly (a smooth stretch errs to
one side), runs add in squares (kinks err to either side, independently).
"""

import functools
import itertools
import math
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

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


class Known(NamedTuple):
    """What is known of a path: nodes, slopes there, what the score rises by between them, and what errors may be."""

    nodes: np.ndarray
    slopes: np.ndarray
    rises: np.ndarray
    bounds: _Bounds


class Laid(NamedTuple):
    """Polynomials through the nearest nodes, by interval: of the order of least known errors thereabouts, and of the
    one below it. ``used`` are nodes ``[intervals, order + 1]``, ``taken`` and ``lower`` their weights."""

    used: np.ndarray
    taken: np.ndarray
    lower: np.ndarray
    errors: np.ndarray      # signed
    of_lower: np.ndarray


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

    def climb(self, known: Known, max_steps: int) -> Optional[List[float]]:
        """One polynomial through all nodes: those of the next level, none where it will do; ``None``: give it up."""
        if self.level is None or self.without:
            return None
        level, bounds = _level(self.level), known.bounds
        parts = np.array([self.parts[node] for node in level.nodes], np.float64)
        size, change = np.abs(level.sums @ parts).sum(axis=1).tolist()
        self.errors = level.weights @ known.slopes - known.rises
        self.weights = dict(zip(level.nodes, level.sums[0].tolist()))
        of_before = level.before @ known.slopes[level.held] - np.add.reduceat(known.rises, level.joined)
        error, rounding = float(np.abs(self.errors).sum()), bounds.rounding + 1e-300
        decay = (error + rounding) / (float(np.abs(of_before).sum()) + rounding)
        # The score is a single number: later changes are compared with the change before, and of the first one the
        # tokens say themselves how fast they decay, from what is straight along the path to what bends.
        of_tokens = _bent(parts) ** 2 if self.change is None else change / (self.change + 1e-300)
        decay = min(1.0, max(decay, of_tokens))
        off, allowed = change * decay, bounds.parts(size)
        if off <= allowed and error <= _SEEN * float(np.abs(known.rises).sum()) + bounds.rounding and (
                abs(float(self.errors.sum())) <= bounds.net):
            return []
        promising = self.level == 1 or off * decay ** (1.0 if self.level < 3 else 1.5) <= _PROMISING * allowed
        if self.level == _LAST_LEVEL or not promising or 2 * len(level.nodes) + 1 > max_steps:
            self.level = None
            return None
        self.level, self.change = self.level + 1, change
        return [node for node in _level(self.level).nodes if node not in self.score]

    # -- many nodes, low order ---------------------------------------------------------------------------------------

    def halve(self, known: Known, laid: Laid, max_steps: int) -> List[float]:
        """Polynomials through the nearest nodes: the middles of the worst intervals, none where all will do."""
        nodes, bounds, room = known.nodes, known.bounds, max_steps - len(self.score)
        weights = np.bincount(laid.used.ravel(), laid.taken.ravel(), len(nodes))
        self.errors, self.weights = laid.errors, dict(zip(nodes.tolist(), weights.tolist()))
        errors = np.abs(self.errors)
        if by_runs(self.errors.tolist()) > bounds.path:
            return middles(nodes, errors, bounds.path / 2.0, room)
        if abs(float(self.errors.sum())) > bounds.net:
            return middles(nodes, errors, 0.5 * float(np.linalg.norm(errors)), room)
        of_nodes, apart = np.array([self.parts[node] for node in nodes.tolist()]), np.zeros((len(errors), len(nodes)))
        apart[np.arange(len(errors))[:, None], laid.used] = laid.taken - laid.lower
        with np.errstate(over="ignore"):  # what has no size is told by the score
            spread = apart @ of_nodes
            # Kinks err independently, so spreads add in squares.
            added = float(np.sqrt((spread ** 2).sum(axis=0)).sum())
        # How much of a disagreement is error is seen on the score, where errors are known; as that is a single number,
        # only its root is believed. Where disagreements cancel in the score, it says nothing about them.
        silent = 1e-3 * added + 1e-30
        believed = math.sqrt(min(1.0, float((errors.sum() + silent) / (np.abs(laid.of_lower).sum() + silent))))
        off, allowed = added * believed, bounds.parts(float(np.abs(weights @ of_nodes).sum()))
        if off <= allowed:
            return []
        by_tokens = np.abs(spread).sum(axis=1)
        return middles(nodes, by_tokens, float(np.linalg.norm(by_tokens)) * allowed / off, room)


def _bent(parts: np.ndarray) -> float:
    """What three nodes of Gauss say: the second Legendre coefficient of all tokens over the first; at most 1.

    >>> _bent(np.array([[1.0], [2.0], [3.0]]))
    0.0
    """
    first, middle, last = parts
    straight = math.sqrt(0.6) / 1.2 * float(np.abs(last - first).sum())
    bent = float(np.abs(first + last - 2.0 * middle).sum()) / 1.8
    return bent / max(bent, straight, 1e-300)


def wanted(paths: Sequence[Path], tolerance: float, max_steps: int) -> List[List[float]]:
    """The nodes that each path wants next (none: finished)."""
    found: List[List[float]] = []
    halved: List[Tuple[int, Known]] = []
    for number, (path, known) in enumerate(zip(paths, _known(paths, tolerance))):
        nodes = [] if known is None else path.climb(known, max_steps)
        if known is not None and nodes is None:
            halved.append((number, known))
        found.append(nodes or [])

    def count(one: Tuple[int, Known]) -> int:
        return min(len(one[1].nodes), _ORDERS[-1] + 1)  # those of too few nodes for an order are by themselves

    for _, some in itertools.groupby(sorted(halved, key=count), count):
        alike = list(some)
        for (number, known), one in zip(alike, lay([known for _, known in alike])):
            found[number] = paths[number].halve(known, one, max_steps)
    return found


def _known(paths: Sequence[Path], tolerance: float) -> Iterator[Optional[Known]]:
    """What is known of each path; ``None`` where there are neither scores nor gradients to go by."""
    nodes = [sorted(path.slope) for path in paths]
    counts = np.array([len(one) for one in nodes])
    ways = np.array([score for path, its in zip(paths, nodes)
                     for score in [path.ends[0], *map(path.score.__getitem__, its), path.ends[1]]])
    slopes = np.array([path.slope[node] for path, its in zip(paths, nodes) for node in its])
    starts = np.cumsum(counts + 2) - counts - 2
    first = starts - np.arange(len(paths))
    rises = np.delete(np.diff(ways), starts[1:] - 1)
    travelled = np.add.reduceat(np.abs(rises), first)
    rounding = ROUNDING * np.maximum([path.size for path in paths], np.maximum.reduceat(np.abs(ways), starts))
    net = np.maximum(tolerance * np.array([abs(path.ends[1] - path.ends[0]) for path in paths]), rounding)
    bounds = zip(np.maximum(HEADROOM * tolerance * travelled, rounding).tolist(), net.tolist(), rounding.tolist())
    for number, (path, its, start, allowed) in enumerate(zip(paths, nodes, first.tolist(), bounds)):
        if not math.isfinite(travelled[number]) or 2 * len(path.without) > len(path.score):
            yield None
            continue
        own = slice(start - number, start - number + len(its))
        yield Known(np.array(its), slopes[own], rises[start:start + len(its) + 1], _Bounds(tolerance, *allowed))


class _Level(NamedTuple):
    """One of the nested rules beside the one before.

    ``sums`` are the weights of the whole path ``[2, nodes]``: the rule's, and what it changes; ``held`` tells the nodes
    of the rule before, ``before`` its weights by interval, ``joined`` where its intervals begin.
    """

    nodes: List[float]
    weights: np.ndarray
    sums: np.ndarray
    held: np.ndarray
    before: np.ndarray
    joined: np.ndarray


@functools.lru_cache(maxsize=None)
def _level(level: int) -> _Level:
    rule, before = quadrature.nested(level), quadrature.nested(level - 1)
    held = np.isin(rule.alphas, before.alphas)
    whole = rule.weights.sum(axis=0)
    change = whole.copy()
    change[held] -= before.weights.sum(axis=0)
    return _Level(rule.alphas.tolist(), rule.weights, np.stack([whole, change]), held, before.weights,
                  np.concatenate([[0], np.flatnonzero(held) + 1]))


def lay(paths: Sequence[Known]) -> Iterator[Laid]:
    """For each path of more nodes than the highest order, or of the same few, its polynomials."""
    counts = np.array([len(one.nodes) for one in paths])
    nodes, slopes, rises = (np.concatenate([one[field] for one in paths]) for field in range(3))
    rules = [(used.T, weights.T) for used, weights in (quadrature.between(nodes, order, counts) for order in _ORDERS)]
    used, every = rules[-1][0], np.arange(len(rises))
    weights = np.zeros((len(rules),) + used.shape)  # the nodes of a lower order are among those of the highest
    for order, (nearest, of_nearest) in enumerate(rules):
        weights[order, nearest - used[0], every] = of_nearest
    errors = (weights * slopes[used]).sum(axis=1) - rises
    ends = np.cumsum(counts + 1)
    starts, near = ends - counts - 1, np.abs(errors[1:])
    before, behind = np.roll(near, 1, axis=1), np.roll(near, -1, axis=1)
    before[:, starts] = behind[:, ends - 1] = 0.0
    best = 1 + np.argmin(before + 2.0 * near + behind, axis=0)
    own = (used - np.repeat(np.cumsum(counts) - counts, counts + 1)).T
    whole = (own, weights[best, :, every], weights[best - 1, :, every], errors[best, every], errors[best - 1, every])
    return (Laid(*(field[start:end] for field in whole)) for start, end in zip(starts.tolist(), ends.tolist()))


def middles(nodes: np.ndarray, errors: np.ndarray, until: float, room: int) -> List[float]:
    """The middles of the worst intervals, so many that the root of the rest's squares is at most ``until``."""
    with np.errstate(over="ignore"):  # squares of what is too large for them are infinite
        squares = errors * errors
    ends, sizes, rest = [0.0, *nodes.tolist(), 1.0], squares.tolist(), float(squares.sum())
    wanted: List[float] = []
    for place in np.argsort(-errors, kind="stable").tolist():
        if (wanted and rest <= until * until) or len(wanted) >= room or ends[place + 1] - ends[place] < _LEAST_WIDTH:
            break
        wanted.append((ends[place] + ends[place + 1]) / 2.0)
        rest -= sizes[place]
    return wanted
