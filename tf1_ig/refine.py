"""Where along one path the gradient is asked next, and when enough of it is known. Plain numpy, no TensorFlow.

Every evaluation gives away two things for free: beside the gradient, the score ``F(alpha)`` and its derivative along
the path, ``f(alpha) = sum of gradient * (input - baseline)``. The true integral of ``f`` between any two nodes is
``F(b) - F(a)``, so the error of a rule on *each interval* is known, not estimated.
What tokens gain and others lose does not show in the score, so the parts of the derivative are watched too, where two
rules disagree on them.

A path begins with few nodes of high order: nested Gauss rules (``quadrature.nested``), which smooth models are done
with. How much of the change from one to the next is error still is told by how fast the known errors and the tokens'
own Legendre coefficients decay. Where they decay too slowly (a kink, a steep stretch) intervals are halved instead,
wherever the error is, and between the nodes polynomials of low order are laid through the nearest ones: on each stretch
the order whose known errors are least (``quadrature.between``). Nothing that was evaluated is given up.

It stops when the net error is within the tolerance *and* what the single errors add up to is a small share of how far
the score travels along the path (errors of opposite sign cannot cancel into convergence) *and* the tokens' parts are
known as well. Single errors are added up by runs of one sign: within a run they add plainly (a smooth stretch errs to
one side), runs add in squares (kinks err to either side, independently).

Paths that stand at the same point are looked at together, as long arrays: paths, and their nodes or intervals, follow
one another.
"""

import bisect
import functools
import itertools
import math
from typing import Any, Container, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from tf1_ig import quadrature

# Scores are float32: a completeness error below this share of the score itself cannot be told from rounding.
ROUNDING = 1e-6
# Share of the tolerance that estimated errors along the path may use up, with one polynomial and where intervals are
# halved. They are estimates, and at kinks more often too small.
HEADROOM, HEADROOM_OF_HALVES = 0.5, 0.35
FIRST_NODES = quadrature.nested(1).alphas.tolist()
_LAST_LEVEL = 4       # 31 nodes of one polynomial
# By level, share of the degrees that it is exact beyond the one before for which decays are believed; and what decays
# are slow: where a path may stop, and where it may go on to the next level.
_TRUST = {1: 0.6, 2: 0.85, 3: 0.85, 4: 0.85}
_SLOW = (0.2, 0.5)
# Share of what changes at the tokens that may hide from the score, which says nothing about what cancels in it: where
# intervals are halved and by later levels; after three nodes, of which the tokens say little themselves.
_SILENT, _SILENT_FIRST = 1e-3, 0.05
_SEEN = 0.3           # share of the score's way that one polynomial may be off, added up over intervals
_ORDERS = (0, 1, 3, 5)
LEAST_WIDTH = 1e-6    # of an interval that is cut
_CUTS = (0.5, 0.375, 0.625, 0.25, 0.75)  # where an interval is cut: the first where nothing was asked before
_AT_ONCE = 1 << 20    # numbers of parts or gradients that are looked at together


def by_runs(errors: Sequence[float]) -> float:
    """What errors along the path add up to: sums over runs of one sign, and those as independent ones.

    >>> by_runs([1.0, 2.0, -4.0])
    5.0
    """
    return float(_by_runs(np.asarray(errors, np.float64), np.zeros(1, int))[0]) if len(errors) else 0.0


def _by_runs(errors: np.ndarray, starts: np.ndarray) -> np.ndarray:
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
        together = max(1, _AT_ONCE // max(total.size, 1))
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


def known(paths: Sequence[Path], tolerance: float, headroom: float = HEADROOM) -> Known:
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


def wanted(paths: Sequence[Path], tolerance: float, max_steps: int) -> List[List[float]]:
    """The nodes that each path wants next (none: finished)."""
    found: Dict[int, List[float]] = {}

    def alike(ask: Any, headroom: float, kind: Any, some: Sequence[int]) -> None:
        """Asks of those paths together that are of one kind."""
        for _, group in itertools.groupby(sorted(some, key=kind), kind):
            numbers = list(group)
            its = [paths[number] for number in numbers]
            found.update(zip(numbers, ask(its, known(its, tolerance, headroom), max_steps)))

    def tokens(number: int) -> int:
        return len(next(iter(paths[number].parts.values())))

    every = [number for number, path in enumerate(paths) if path.known and 2 * len(path.nodes) >= len(path.score)]
    alike(climb, HEADROOM, lambda number: (paths[number].level, tokens(number)),
          [number for number in every if paths[number].level and len(paths[number].nodes) == len(paths[number].score)])
    # Where there are too few nodes for an order, paths of as few are by themselves.
    alike(halve, HEADROOM_OF_HALVES, lambda number: (
        min(len(paths[number].nodes), _ORDERS[-1] + 1), tokens(number)),
          [number for number in every if found.get(number) is None])
    return [[node for node in found.get(number) or () if node not in path.score] for number, path in enumerate(paths)]


# -- few nodes, high order -------------------------------------------------------------------------------------------


class _Level(NamedTuple):
    """One of the nested rules beside the one before.

    ``sums`` are the weights of the whole path ``[2, nodes]``: the rule's, and what it changes; ``held`` tells the nodes
    of the rule before, ``before`` its weights by interval, ``joined`` where its intervals begin. ``series`` tells
    Legendre coefficients, ``[2, some, nodes]``: those in the middle and the last. ``more`` is by how many degrees the
    rule is exact beyond the one before.
    """

    nodes: List[float]
    weights: np.ndarray
    sums: np.ndarray
    held: np.ndarray
    before: np.ndarray
    joined: np.ndarray
    series: np.ndarray
    more: int


@functools.lru_cache(maxsize=None)
def _level(level: int) -> _Level:
    rule, before = quadrature.nested(level), quadrature.nested(level - 1)
    held, count = np.isin(rule.alphas, before.alphas), len(rule.alphas)
    whole = rule.weights.sum(axis=0)
    change = whole.copy()
    change[held] -= before.weights.sum(axis=0)
    series = np.linalg.inv(np.polynomial.legendre.legvander(2.0 * rule.alphas - 1.0, count - 1))
    some, middle = (count + 1) // 4, (count + 1) // 2
    # With n nodes polynomials are exact up to a degree of (3 n + 1) / 2, with one up to 1.
    return _Level(rule.alphas.tolist(), rule.weights, np.stack([whole, change]), held, before.weights,
                  np.concatenate([[0], np.flatnonzero(held) + 1]),
                  np.stack([series[middle - some:middle], series[-some:]]),
                  4 if level == 1 else 3 * (count - len(before.alphas)) // 2)


def left(level: int, parts: np.ndarray, along: np.ndarray, net: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """How much of what this level changed is error still, of several paths: to stop by, and to hope by.

    What a level changes is the error of the one before. The net error of the score says how much of it is left, and so
    does how fast errors on intervals and the tokens' own Legendre coefficients decay by degree. The net error is right
    on the average but may be small by chance, so the geometric mean of both is taken, and never less than the net error
    says; on a path of slow decay, where chance has a part in everything, the slower of both.

    Args:
      level: of the nested rules, from 1.
      parts: by token at the nodes, ``[paths, nodes, tokens]``.
      along, net: of the score, what absolute errors of all intervals and the net error are since the level before;
        at most 1.
    """
    rule, count = _level(level), parts.shape[1]
    middle, last = np.abs(np.tensordot(rule.series, parts, (2, 1))).sum(axis=3).max(axis=1) + 1e-300
    by_degree = np.maximum(along ** (1.0 / (~rule.held).sum()), np.minimum(1.0, last / middle) ** (2.0 / (count - 1)))
    decay = by_degree ** (_TRUST[level] * rule.more)
    mean = np.maximum(net, np.sqrt(net * decay))
    to_stop, to_hope = (np.where(decay > slow, np.maximum(net, decay), mean) for slow in _SLOW)
    return to_stop, to_hope


def climb(paths: Sequence[Path], its: Known, max_steps: int) -> List[Optional[List[float]]]:
    """One polynomial through all nodes, which are the same of every path: those of the next level, none where it will
    do; ``None``: it is given up."""
    level = paths[0].level or 1
    rule = _level(level)
    count = len(rule.nodes)
    parts = np.concatenate([path.parts[node] for path in paths for node in rule.nodes]).astype(np.float64)
    parts = parts.reshape(len(paths), count, -1)
    sizes, changes = np.abs(np.tensordot(rule.sums, parts, (1, 1))).sum(axis=2)
    slopes, rises = its.slopes.reshape(-1, count), its.rises.reshape(-1, count + 1)
    errors = slopes @ rule.weights.T - rises
    before = slopes[:, rule.held] @ rule.before.T - np.add.reduceat(rises, rule.joined, axis=1)
    along, net = np.abs(errors).sum(axis=1), np.abs(errors.sum(axis=1))

    silent = its.rounding + (_SILENT_FIRST if level == 1 else _SILENT) * changes
    share, hope = left(level, parts, told(along, np.abs(before).sum(axis=1), its.rounding),
                       told(net, np.abs(before.sum(axis=1)), silent))
    off, allowed = changes * share, its.of_parts(sizes)
    good = (off <= allowed) & (along <= _SEEN * its.travelled + its.rounding) & (net <= its.net)
    further = np.zeros(len(paths), bool)
    if level < _LAST_LEVEL and 2 * count + 1 <= max_steps:
        power = 1.0 + _TRUST[level] * _level(level + 1).more / rule.more
        further |= (level == 1) | (changes * hope ** power <= allowed)
    for path, of_path, size, done, more in zip(paths, errors, sizes.tolist(), good.tolist(), further.tolist()):
        path.errors, path.weights, path.mass = of_path, rule.sums[0], size
        path.level, path.beyond = level if done else level + 1 if more else None, math.inf if level == 1 else 1.0
    return [[] if done else None if path.level is None else _level(path.level).nodes
            for path, done in zip(paths, good.tolist())]


# -- many nodes, low order -------------------------------------------------------------------------------------------


class Laid(NamedTuple):
    """Polynomials through the nearest nodes, by interval: of the order of least known errors thereabouts, and of the
    one below it. ``used`` are nodes ``[intervals, order + 1]``, ``taken`` and ``lower`` their weights."""

    used: np.ndarray
    taken: np.ndarray
    lower: np.ndarray
    errors: np.ndarray      # signed
    of_lower: np.ndarray


def lay(its: Known) -> Laid:
    """For each path its polynomials; paths have more nodes than the highest order, or all the same few."""
    rules = [quadrature.between(its.nodes, order, its.counts) for order in _ORDERS]
    used, every = rules[-1][0].T, np.arange(len(its.rises))
    weights = np.zeros((len(rules),) + used.shape)  # the nodes of a lower order are among those of the highest
    for order, (nearest, of_nearest) in enumerate(rules):
        weights[order, nearest.T - used[0], every] = of_nearest.T
    errors = (weights * its.slopes[used]).sum(axis=1) - its.rises
    starts, near = its.starts, np.abs(errors[1:])
    before, behind = np.roll(near, 1, axis=1), np.roll(near, -1, axis=1)
    before[:, starts] = behind[:, starts + its.counts] = 0.0
    best = 1 + np.argmin(before + 2.0 * near + behind, axis=0)
    return Laid(used.T, weights[best, :, every], weights[best - 1, :, every], errors[best, every],
                errors[best - 1, every])


def halve(paths: Sequence[Path], its: Known, max_steps: int) -> List[Optional[List[float]]]:
    """Polynomials through the nearest nodes: the middles of the worst intervals, none where all will do."""
    laid, starts = lay(its), its.starts
    errors = np.abs(laid.errors)
    weights = np.bincount(laid.used.ravel(), laid.taken.ravel(), len(its.nodes)).astype(np.float64)
    along, net = _by_runs(laid.errors, starts), np.abs(np.add.reduceat(laid.errors, starts))
    found: List[Optional[List[float]]] = []
    seen = []  # paths of which the score says nothing any more
    for number, (path, first, start, count) in enumerate(zip(
            paths, its.firsts.tolist(), starts.tolist(), its.counts.tolist())):
        own, room = slice(start, start + count + 1), max_steps - len(path.score)
        path.errors = laid.errors[own]
        path.weights, path.beyond = weights[first:first + count], float(along[number] / (its.path[number] + 1e-300))
        if along[number] > its.path[number]:
            found.append(middles(path.nodes, errors[own], its.path[number] / 2.0, room, path.score))
        elif net[number] > its.net[number]:
            found.append(middles(path.nodes, errors[own], 0.5 * float(np.linalg.norm(errors[own])), room, path.score))
        else:
            seen.append(number)
            found.append([])
    if seen:
        spread = _spread(paths, its, laid, weights, np.isin(np.arange(len(paths)), seen))
        for number, one in zip(seen, spread):
            path, start, count = paths[number], starts[number], its.counts[number]
            # How much of a disagreement is error is seen on the score, where errors are known; as that is a single
            # number, only its root is believed.
            own = slice(start, start + count + 1)
            believed = told(errors[own].sum(), np.abs(laid.of_lower[own]).sum(), _SILENT * one.added)
            off, allowed = one.added * math.sqrt(believed), max(its.share * one.size, its.rounding[number])
            if off > allowed:
                path.beyond, until = off / (allowed + 1e-300), float(np.linalg.norm(one.by_interval)) * allowed / off
                found[number] = middles(path.nodes, one.by_interval, until, max_steps - len(path.score), path.score)
    return found


class _Spread(NamedTuple):
    """How far two polynomials disagree on a path's tokens: added up over intervals as independent ones and over
    tokens, and by interval over tokens; and the absolute sum of the tokens' parts."""

    added: float
    by_interval: np.ndarray
    size: float


def _spread(paths: Sequence[Path], its: Known, laid: Laid, weights: np.ndarray, chosen: np.ndarray) -> List[_Spread]:
    of_nodes, of_intervals = np.repeat(chosen, its.counts), np.repeat(chosen, its.counts + 1)
    used = (np.cumsum(of_nodes) - 1)[laid.used[of_intervals]].T
    apart, counts = (laid.taken - laid.lower)[of_intervals].T[:, :, None], its.counts[chosen]
    firsts, starts, weights = np.cumsum(counts) - counts, np.cumsum(counts + 1) - counts - 1, weights[of_nodes, None]
    parts = [path.parts[node] for path, one in zip(paths, chosen) if one for node in path.nodes]
    added, sizes, by_interval = np.zeros(len(counts)), np.zeros(len(counts)), np.zeros(len(used[0]))
    tokens = max(1, _AT_ONCE // len(parts))
    with np.errstate(over="ignore"):  # what has no size is told by the score
        for token in range(0, len(parts[0]), tokens):
            some = np.concatenate([one[token:token + tokens] for one in parts]).reshape(len(parts), -1)
            spread = sum(share * some[nodes] for share, nodes in zip(apart, used))
            by_interval += np.abs(spread).sum(axis=1)
            # Kinks err independently, so spreads add in squares.
            added += np.sqrt(np.add.reduceat(spread ** 2, starts)).sum(axis=1)
            sizes += np.abs(np.add.reduceat(weights * some, firsts)).sum(axis=1)
    return [_Spread(*one) for one in zip(added.tolist(), np.split(by_interval, starts[1:]), sizes.tolist())]


def middles(nodes: Iterable[float], errors: np.ndarray, until: float, room: int, asked: Container[float] = ()
            ) -> List[float]:
    """The middles of the worst intervals, so many that the root of the rest's squares is at most ``until``.

    Where a middle was ``asked`` before and is no node, as there is no gradient, another point of the interval.
    """
    with np.errstate(over="ignore"):  # squares of what is too large for them are infinite
        squares = errors * errors
    ends, sizes, rest = [0.0, *nodes, 1.0], squares.tolist(), float(squares.sum())
    wanted: List[float] = []
    for count, place in enumerate(np.argsort(-errors, kind="stable").tolist()):
        low, high = ends[place], ends[place + 1]
        if (count and rest <= until * until) or len(wanted) >= room or high - low < LEAST_WIDTH:
            break
        cuts = ((1.0 - share) * low + share * high for share in _CUTS)
        wanted += itertools.islice((cut for cut in cuts if cut not in asked), 1)
        rest -= sizes[place]
    return wanted
