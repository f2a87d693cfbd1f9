"""What the units of a layer carry, ``∫ g dh`` along the path, with nodes where they are needed. Numpy only.

Over an interval the units carry what the score changes by there (less what passes the layer by), which is known; so is
the error on each interval, as in ``refine``. The units' own errors are told by the next lower order.
"""

import functools
import math
from typing import Callable, Dict, Iterator, List, NamedTuple

import numpy as np

from tf1_ig import quadrature, refine

_LEVELS = 4         # of the nested rules: 3, 7, 15, 31 nodes
_ORDERS = (0, 1, 3, 5)


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


class Pieces:
    """``∫ g dh`` over the intervals that 0, ascending nodes and 1 bound, for polynomials through the nearest points.

    ``g`` is known at the nodes and taken for one of this order, ``h`` at both ends too and of one order more. So where
    ``g`` does not change, what is found for the whole path is what ``h`` changes by, however kinked.

    >>> Pieces(np.array([0.25, 0.75]), 0).weights[1, 0]    # between the nodes: the step of h times the g on the left
    array([-1.,  1.])
    """

    def __init__(self, nodes: np.ndarray, order: int):
        count, points = len(nodes), np.concatenate([[0.0], nodes, [1.0]])
        self.at_nodes, self.of_mean = quadrature.between(nodes, order)
        order = self.at_nodes.shape[1] - 1
        self.at_points = np.clip(np.arange(count + 1) - order // 2, 0, count - order)[:, None] + np.arange(order + 2)
        vander, slopes = np.polynomial.legendre.legvander, np.polynomial.legendre.legder(np.eye(order + 2))
        share, weights = np.polynomial.legendre.leggauss(order + 1)
        around, widths = points[self.at_points], np.diff(points)[:, None]
        middle, half = (around[:, :1] + around[:, -1:]) / 2.0, (around[:, -1:] - around[:, :1]) / 2.0
        inside = ((points[:-1] + points[1:])[:, None] / 2.0 + widths * share / 2.0 - middle) / half
        g = vander(inside, order) @ np.linalg.inv(vander((nodes[self.at_nodes] - middle) / half, order))
        h = vander(inside, order) @ slopes @ np.linalg.inv(vander((around - middle) / half, order + 1))
        self.weights = np.einsum("ip,ipg,iph->igh", widths * weights / 2.0 / half, g, h)

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


class Row(NamedTuple):
    """One row of ``Sums`` as it stands; ``lacking``: by interval what its error is a share of, where too large;
    ``smooth``: whether one polynomial through all nodes was best."""

    sums: Sums
    lacking: np.ndarray
    smooth: bool


def adaptive(at: Callable[[Dict[int, np.ndarray]], Dict[int, Known]], ends: np.ndarray, tolerance: float,
             max_steps: int) -> Sums:
    """Nodes of nested Gauss rules while one polynomial through all is best, then the middles of the worst intervals.

    Each row has nodes of its own, whatever its company; a row whose score or gradients are not finite asks for no more.

    Args:
      at: what is known of some rows, each at its own ascending nodes.
      ends: scores at baseline and input, ``[2, rows]``.
      tolerance, max_steps: as for ``integrate.adaptive``.
    """
    found: Dict[int, Sums] = {}
    levels = dict.fromkeys(range(ends.shape[1]), 1)
    wanted = {row: quadrature.nested(1).alphas for row in levels}
    while wanted:
        following: Dict[int, np.ndarray] = {}
        for row, known in at(wanted).items():
            nodes, level = wanted[row], levels[row]
            judged = _row(_of_level(level) if level else _between(nodes), known, ends[:, row], tolerance)
            found[row] = judged.sums
            if judged.sums.good or not np.isfinite(judged.lacking).all():
                continue
            if level and level < _LEVELS and (judged.smooth or level == 1) and 2 * len(nodes) + 1 <= max_steps:
                levels[row] += 1
                following[row] = quadrature.nested(levels[row]).alphas
                continue
            levels[row], new = 0, refine.middles(nodes, judged.lacking, 1.0, max_steps - len(nodes))
            if new:
                following[row] = np.sort(np.concatenate([nodes, new]))
        wanted = following
    return Sums(*(np.stack(part) for part in zip(*(found[row] for row in sorted(found)))))


@functools.lru_cache(maxsize=_LEVELS)
def _of_level(level: int) -> List[Pieces]:
    """Those of a nested rule, the one polynomial through all its nodes last."""
    nodes = quadrature.nested(level).alphas
    return _between(nodes) + [Pieces(nodes, len(nodes) - 1)]


def _between(nodes: np.ndarray) -> List[Pieces]:
    return [Pieces(nodes, order) for order in _ORDERS if order < len(nodes) - 1]


def _row(pieces: List[Pieces], known: Known, ends: np.ndarray, tolerance: float) -> Row:
    """By the order of least known errors, which are told apart from the units' own, told by the next lower order."""
    ways = np.concatenate([ends[:1], known.scores, ends[1:]])
    rises, products = np.diff(ways), known.gradients @ known.layers.T
    errors = np.stack([one.sums(products) + one.integral(known.passing) - rises for one in pieces])
    best = 1 + int(np.abs(errors[1:]).sum(axis=1).argmin())
    own, lower, error = pieces[best], pieces[best - 1], errors[best]
    units = own.units(known.gradients, known.layers)
    apart = float(np.abs(units - lower.units(known.gradients, known.layers)).sum())
    silent = 1e-3 * apart + 1e-30  # where disagreements cancel in the score, it says nothing about them
    off = apart * math.sqrt(min(1.0, (np.abs(error).sum() + silent) / (np.abs(errors[best - 1]).sum() + silent)))
    rounding = refine.ROUNDING * np.abs(ways).max()
    path, net, parts = (max(allowed, rounding) for allowed in (
        refine.HEADROOM * tolerance * np.abs(rises).sum(), tolerance * abs(ends[1] - ends[0]),
        refine.HEADROOM * tolerance * np.abs(units).sum()))
    lacking, good = np.zeros(len(error)), False
    if refine.by_runs(error.tolist()) > path:
        lacking = 2.0 * np.abs(error) / path
    elif abs(error.sum()) > net:
        lacking = 2.0 * np.abs(error) / np.linalg.norm(error)
    elif off > parts:
        lacking = np.array([np.abs(one - other).sum() for one, other in zip(
            *(each.by_interval(known.gradients, known.layers) for each in (own, lower)))])
        lacking *= off / parts / np.linalg.norm(lacking)
    else:
        good = bool(np.isfinite(error).all())
    sums = Sums(units, own.mean(known.gradients), units.sum(), own.integral(known.passing).sum(), np.array(good))
    return Row(sums, lacking if np.isfinite(error).all() else error, best == len(pieces) - 1)
