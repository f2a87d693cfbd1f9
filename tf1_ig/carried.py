"""What the units of a layer carry, ``∫ g dh`` along the path, with nodes where they are needed. Numpy only.

Nodes are asked for as ``refine`` asks for them, units in the place of tokens: few nodes and one polynomial through all
while that will do, then the middles of the worst intervals. Over an interval the units carry what the score changes by
there (less what passes the layer by), which is known; so is the error on each interval.
"""

import functools
import math
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

import numpy as np
from numpy.polynomial import legendre

from tf1_ig import quadrature, refine
from tf1_ig.halves import ORDERS, middles
from tf1_ig.paths import SILENT, Path, by_runs, known as known_of


class Known(NamedTuple):
    """What is known of a row's path, float64: the layer at both ends and the nodes, everything else at the nodes.

    ``layers`` are ``[nodes + 2, units]``, ``gradients`` of the score by the layer ``[nodes, units]``; slopes
    ``passing`` it by and ``scores`` are ``[nodes]``.
    """

    layers: np.ndarray
    gradients: np.ndarray
    passing: np.ndarray
    scores: np.ndarray


class Sums(NamedTuple):
    """By row: what each unit carries and its mean gradient ``[rows, units]``, what all carry, what passes them by, and
    whether the tolerance holds."""

    units: np.ndarray
    influence: np.ndarray
    carried: np.ndarray
    passed: np.ndarray
    good: np.ndarray


class Pieces(NamedTuple):
    """``∫ g dh`` over the intervals that 0, ascending nodes and 1 bound, for polynomials through some of the points.

    ``at_nodes`` ``[intervals, order + 1]`` are the nodes that ``g`` is read at, ``at_points`` (one more) those of
    ``h``, both ends counted; ``weights`` make the integral of their products, ``of_mean`` that of ``g`` alone.
    """

    at_nodes: np.ndarray
    at_points: np.ndarray
    weights: np.ndarray
    of_mean: np.ndarray

    def sums(self, products: np.ndarray) -> np.ndarray:
        """By interval, from what ``g`` at each node times ``h`` at each point sums to over the units."""
        return np.einsum("igh,igh->i", self.weights, products[self.at_nodes[:, :, None], self.at_points[:, None, :]])

    def units(self, g: np.ndarray, h: np.ndarray) -> np.ndarray:
        """What each unit carries over the path; ``g`` is ``[nodes, units]``, ``h`` has both ends too."""
        weights = np.zeros((len(g), len(h)))
        np.add.at(weights, (self.at_nodes[:, :, None], self.at_points[:, None, :]), self.weights)
        return (g * (weights @ h)).sum(axis=0)

    def by_interval(self, g: np.ndarray, h: np.ndarray) -> Iterator[np.ndarray]:
        """What each unit carries, interval after interval."""
        for nodes, points, weights in zip(self.at_nodes, self.at_points, self.weights):
            yield (g[nodes] * (weights @ h[points])).sum(axis=0)

    def integral(self, values: np.ndarray) -> np.ndarray:
        """Of what is known at the nodes, over each interval."""
        return (self.of_mean * values[self.at_nodes]).sum(axis=1)

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Of what is known at the nodes, ``[nodes, units]``, over the path."""
        weights = np.zeros(len(values))
        np.add.at(weights, self.at_nodes, self.of_mean)
        return weights @ values


def of_order(nodes: np.ndarray, order: int) -> Pieces:
    """Polynomials through the nearest points: ``g``, known at the nodes, is taken for one of this order, ``h``, known
    at both ends too, of one order more.

    So where ``g`` does not change, what is found for the whole path is what ``h`` changes by, however kinked.

    >>> of_order(np.array([0.25, 0.75]), 0).weights[1, 0]    # between the nodes: the step of h times the g on the left
    array([-1.,  1.])
    """
    count, points = len(nodes), np.concatenate([[0.0], nodes, [1.0]])
    at_nodes, of_mean = quadrature.between(nodes, order)
    at_points = np.clip(np.arange(count + 1) - order // 2, 0, count - order)[:, None] + np.arange(order + 2)
    vander, slopes = legendre.legvander, legendre.legder(np.eye(order + 2))
    share, weights = legendre.leggauss(order + 1)
    around, widths = points[at_points], np.diff(points)[:, None]
    middle, half = (around[:, :1] + around[:, -1:]) / 2.0, (around[:, -1:] - around[:, :1]) / 2.0
    inside = ((points[:-1] + points[1:])[:, None] / 2.0 + widths * share / 2.0 - middle) / half
    g = vander(inside, order) @ np.linalg.inv(vander((nodes[at_nodes] - middle) / half, order))
    h = vander(inside, order) @ slopes @ np.linalg.inv(vander((around - middle) / half, order + 1))
    return Pieces(at_nodes, at_points, np.einsum("ip,ipg,iph->igh", widths * weights / 2.0 / half, g, h), of_mean)


def _mixed(orders: List[Pieces], taken: np.ndarray) -> Pieces:
    """On each interval the order that is taken there; what lower ones do not read weighs nothing."""
    widest, every = orders[-1], np.arange(len(taken))
    return Pieces(*(np.stack([np.pad(part, [(0, most - own) for most, own in zip(wide.shape, part.shape)], "constant")
                              for part in parts])[taken, every] for wide, parts in zip(widest, zip(*orders))))


def adaptive(at: Callable[[Dict[int, np.ndarray]], Dict[int, Known]], ends: np.ndarray, tolerance: float,
             max_steps: int) -> Sums:
    """Nodes of nested Gauss rules while one polynomial through all will do, then the middles of the worst intervals.

    Each row has nodes of its own, whatever its company; a row whose score or gradients are not finite asks for no more.

    Args:
      at: what is known of some rows, each at its own ascending nodes.
      ends: scores at baseline and input, ``[2, rows]``.
      tolerance, max_steps: as for ``integrate.adaptive``.
    """
    found: Dict[int, Sums] = {}
    levels: Dict[int, Optional[int]] = dict.fromkeys(range(ends.shape[1]), 1)
    wanted = dict.fromkeys(levels, np.array(refine.FIRST_NODES))
    while wanted:
        following: Dict[int, np.ndarray] = {}
        for row, known in at(wanted).items():
            asked = _Asked(wanted[row], known, ends[:, row], tolerance, max_steps)
            level = levels[row]
            judged = _climbed(asked, level)
            if judged is None or len(judged.more):
                # Where units kink and slopes stay, the same nodes may be enough for polynomials between them.
                halved = _halved(asked)
                if judged is None or halved.sums.good or (level != 1 and halved.error < judged.error):
                    judged, level = halved, None
            found[row], more = judged.sums, judged.more
            levels[row] = level and level + 1
            if len(more):
                following[row] = more
        wanted = following
    return Sums(*(np.stack(part) for part in zip(*(found[row] for row in sorted(found)))))


class _Asked(NamedTuple):
    """One row, and what is known at its nodes."""

    nodes: np.ndarray
    known: Known
    ends: np.ndarray
    tolerance: float
    max_steps: int

    def path(self, parts: np.ndarray) -> Path:
        """As Integrated Gradients have it; units' parts of its slopes are ``[nodes, units]``."""
        path = Path(self.ends.tolist())
        slopes = parts.sum(axis=1) + self.known.passing
        for node, *there in zip(self.nodes.tolist(), self.known.scores, slopes, self.known.gradients, parts):
            path.add(node, *there)
        return path


class _Found(NamedTuple):
    """One row as it stands, all nodes of the next round (none: it is done), and what known errors add up to."""

    sums: Sums
    more: np.ndarray
    error: float


def _climbed(asked: _Asked, level: Optional[int]) -> Optional[_Found]:
    """One polynomial through all nodes, judged as the slopes of tokens are; ``None``: it will not do."""
    if level is None:
        return None
    known, rule = asked.known, quadrature.nested(level)
    parts = known.gradients * (_slopes(level) @ known.layers)
    path = asked.path(parts)
    if not path.known or len(path.nodes) < len(asked.nodes):
        return None
    path.level = level
    more, = refine.climb([path], known_of([path], asked.tolerance, refine.HEADROOM), asked.max_steps)
    if more is None:
        return None
    weights = rule.weights.sum(axis=0)
    units = weights @ parts
    sums = Sums(units, weights @ known.gradients, units.sum(), weights @ known.passing, np.array(not more))
    return _Found(sums, np.array(more), float(np.abs(path.errors).sum()))


@functools.lru_cache(maxsize=None)
def _slopes(level: int) -> np.ndarray:
    """What makes slopes at the nodes of a nested rule of values there and at both ends: ``[nodes, nodes + 2]``."""
    nodes = 2.0 * quadrature.nested(level).alphas - 1.0
    points, order = np.concatenate([[-1.0], nodes, [1.0]]), len(nodes) + 1
    return 2.0 * (legendre.legvander(nodes, order - 1) @ legendre.legder(np.eye(order + 1))
                  @ np.linalg.inv(legendre.legvander(points, order)))


def _halved(asked: _Asked) -> _Found:
    """On each interval polynomials of the order whose known errors are least thereabouts; where that will not do, the
    middles of the worst."""
    nodes, known = asked.nodes, asked.known
    g, h = known.gradients, known.layers
    its, products = known_of([asked.path(np.zeros((len(nodes), 1)))], asked.tolerance, refine.HEADROOM), g @ h.T
    orders = [of_order(nodes, order) for order in ORDERS if order < len(nodes)]
    errors = np.stack([one.sums(products) + one.integral(known.passing) - its.rises for one in orders])
    near, every = np.pad(np.abs(errors[1:]), ((0, 0), (1, 1)), "constant"), np.arange(len(its.rises))
    best = 1 + np.argmin(near[:, :-2] + 2.0 * near[:, 1:-1] + near[:, 2:], axis=0)
    own, lower = _mixed(orders, best), _mixed(orders, best - 1)
    units, passed, error = own.units(g, h), own.integral(known.passing).sum(), errors[best, every]
    sizes, until, good = np.abs(error), 0.0, False
    if by_runs(error.tolist()) > its.path[0]:
        until = float(its.path[0]) / 2.0
    elif abs(error.sum()) > its.net[0]:
        until = 0.5 * float(np.linalg.norm(sizes))
    elif np.isfinite(errors).all():
        sizes, off = _units_off(own, lower, g, h)
        silent = SILENT * off + 1e-30  # where disagreements cancel in the score, it says nothing about them
        off *= math.sqrt(min(1.0, (np.abs(error).sum() + silent) / (np.abs(errors[best - 1, every]).sum() + silent)))
        allowed = float(its.of_parts(np.abs(units).sum())[0])
        good, until = bool(off <= allowed), float(np.linalg.norm(sizes)) * allowed / max(off, 1e-300)
    more = [] if good or not np.isfinite(errors).all() else middles(
        nodes, sizes, until, asked.max_steps - len(nodes))
    return _Found(Sums(units, own.mean(g), units.sum(), passed, np.array(good)),
                  np.sort(np.concatenate([nodes, more])) if more else nodes[:0], float(np.abs(error).sum()))


def _units_off(own: Pieces, lower: Pieces, g: np.ndarray, h: np.ndarray) -> Tuple[np.ndarray, float]:
    """How far two polynomials disagree on units: by interval, and added up over intervals as independent ones."""
    squares, by_interval = np.zeros(g.shape[1]), []
    for one, other in zip(own.by_interval(g, h), lower.by_interval(g, h)):
        squares += (one - other) ** 2
        by_interval.append(np.abs(one - other).sum())
    return np.array(by_interval), float(np.sqrt(squares).sum())
