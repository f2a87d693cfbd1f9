"""Where along one path the gradient is asked next, and when enough of it is known. Plain numpy, no TensorFlow.

A path begins with few nodes of high order: nested Gauss rules (``quadrature.nested``), which smooth models are done
with. How much of the change from one to the next is error still is told by how fast the known errors and the tokens'
own Legendre coefficients decay. Where they decay too slowly (a kink, a steep stretch) intervals are halved instead,
wherever the error is (``halves.py``). Nothing that was evaluated is given up.

It stops when the net error is within the tolerance *and* what the single errors add up to is a small share of how far
the score travels along the path (errors of opposite sign cannot cancel into convergence) *and* the tokens' parts are
known as well. What is known of a path is in ``paths.py``.
"""

import functools
import itertools
import math
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from tf1_ig import quadrature
from tf1_ig.halves import ORDERS, halve
from tf1_ig.paths import SILENT, Known, Path, known, told

# Share of the tolerance that estimated errors along the path may use up, with one polynomial and where intervals are
# halved. They are estimates, and at kinks more often too small.
HEADROOM, HEADROOM_OF_HALVES = 0.5, 0.4
FIRST_NODES = quadrature.nested(1).alphas.tolist()
_LAST_LEVEL = 4       # 31 nodes of one polynomial
# By level, share of the degrees that it is exact beyond the one before for which decays are believed; and what decays
# are slow: where a path may stop, and where it may go on to the next level.
_TRUST = {1: 0.6, 2: 0.85, 3: 0.85, 4: 0.85}
_SLOW = (0.2, 0.5)
# ``SILENT`` after three nodes, of which the tokens say little themselves.
_SILENT_FIRST = 0.05
# Of what the score is off by along the path and no token changed for, as polynomials cannot be: how much there may be
# of it at the tokens. By level, and of few nodes only: what more nodes leave of it is rounding, of half precision say.
_HIDDEN = {1: 20.0, 2: 20.0, 3: 0.0, 4: 0.0}
_SEEN = 0.3           # share of the score's way that one polynomial may be off, added up over intervals


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
        min(len(paths[number].nodes), ORDERS[-1] + 1), tokens(number)),
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

    silent = its.rounding + (_SILENT_FIRST if level == 1 else SILENT) * changes
    share, hope = left(level, parts, told(along, np.abs(before).sum(axis=1), its.rounding),
                       told(net, np.abs(before.sum(axis=1)), silent))
    off = np.maximum(changes * share, _HIDDEN[level] * (along - changes - its.rounding))
    allowed = its.of_parts(sizes)
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
