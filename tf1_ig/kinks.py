"""Integrated Hessians of one row where gradients jump (ReLU, maxima). Numpy only.

A score that is continuous has a gradient that jumps along the normal of the surface it jumps at. So of a single jump
``r`` (by token, times input minus baseline) the second derivatives are ``r rᵀ / Σ r``, whatever the angle at which the
path crosses: no difference along a token is needed, which would have to be smaller than that angle. Between jumps
second derivatives are differences of gradients, taken at a few points; what the gradient changes by over an interval
beyond them is its jump. Intervals are halved where that matters, until each holds one jump.

Each interval's matrix has the known change of the gradient as its row sums, so the rows of the whole sum to Integrated
Gradients exactly as the same points give them (summation by parts).
"""

import math
from typing import Dict, List, Tuple

import numpy as np

_JUMP = 0.1        # of what second derivatives explain of an interval's change: less beyond them is no jump
_STEEPEST = 200.0  # the absolute sum of a jump over its sum; beyond it several jumps cancel
_ROUNDING = 1e-5   # of a gradient


def calmer(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The mean of two measurements; of two that disagree, the smaller, because the larger one spans a jump."""
    sizes = np.abs(one), np.abs(other)
    with np.errstate(invalid="ignore"):  # what is not finite stays so
        return np.where(sizes[0] > 2.0 * sizes[1], other, np.where(sizes[1] > 2.0 * sizes[0], one, (one + other) / 2.0))


def second_derivatives(here: np.ndarray, ahead: np.ndarray, behind: np.ndarray, spacing: float) -> np.ndarray:
    """``[tokens, tokens]`` from slopes by token at a point, and with each token (first axis, then the last of
    what is returned) ahead and behind."""
    return calmer((ahead - here) / spacing, (here - behind) / spacing).T


class Jumps:
    """The path of one row.

    Args:
      nodes: ascending, the first and the last at the ends of the path or just inside.
      slopes: gradient times input minus baseline there, ``[nodes, tokens]``.
    """

    def __init__(self, nodes: np.ndarray, slopes: np.ndarray):
        self._slopes: Dict[float, np.ndarray] = dict(zip(nodes.tolist(), slopes))
        self._between: Dict[Tuple[float, float], float] = {}
        self.hessians = np.zeros((0, slopes.shape[1], slopes.shape[1]))

    def between(self, hessians: np.ndarray) -> None:
        """Takes second derivatives ``[points, tokens, tokens]`` at the middles of equal intervals."""
        self.hessians, nodes = hessians, sorted(self._slopes)
        self._between = {pair: float(np.abs(self._piece(*pair, hessians)).sum()) for pair in zip(nodes, nodes[1:])}

    def worst(self, count: int) -> List[float]:
        """The middles of so many intervals, those first whose halves may change most."""
        return [(first + last) / 2.0 for first, last in self._by_change()[:count]]

    def add(self, nodes: List[float], slopes: np.ndarray) -> None:
        """Slopes ``[nodes, tokens]`` at middles that ``worst`` named."""
        for pair, node, slope in zip(self._by_change(), nodes, slopes):
            whole = self._piece(*pair, self.hessians)
            self._slopes[node] = slope
            del self._between[pair]
            halves = (pair[0], node), (node, pair[1])
            parts = [self._piece(*half, self.hessians) for half in halves]
            sizes = [float(np.abs(part).sum()) for part in parts]
            change = float(np.abs(whole - parts[0] - parts[1]).sum()) / max(sum(sizes), 1e-300)
            self._between.update((half, change * size) for half, size in zip(halves, sizes))

    @staticmethod
    def asymmetry(hessians: np.ndarray) -> float:
        """How far entries of Γ are apart in both orders, of second derivatives as they were measured."""
        middles = (np.arange(len(hessians)) + 0.5) / len(hessians)
        found = np.tensordot(_weight(middles) / len(middles), hessians, axes=1)
        return float(np.abs(found - found.T).max()) if found.size else 0.0

    @property
    def unsettled(self) -> float:
        """What halving every interval once more may change, as far as the last halving tells."""
        return sum(self._between.values())

    def matrix(self) -> np.ndarray:
        """Γ of all tokens."""
        nodes, slopes, edges = self._cells()
        found = self._sum(self.hessians)
        found[np.diag_indices(len(found))] += np.diff(edges + _weight(edges)) @ slopes
        return found

    def tokens(self) -> np.ndarray:
        """Integrated Gradients by token."""
        _, slopes, edges = self._cells()
        return np.diff(edges) @ slopes

    def of_hessians(self) -> float:
        """How far half of the second derivatives lead from the other half: twice what all of them may be off."""
        return float(np.abs(self._sum(self.hessians[::2]) - self._sum(self.hessians[1::2])).sum()) / 2.0

    def _by_change(self) -> List[Tuple[float, float]]:
        return sorted(self._between, key=lambda one: -self._between[one])

    def _cells(self) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Nodes, their slopes, and the ends of the part of the path that each stands for."""
        nodes = np.array(sorted(self._slopes))
        edges = np.concatenate([[0.0], (nodes[1:] + nodes[:-1]) / 2.0, [1.0]])
        return nodes, np.stack([self._slopes[node] for node in nodes.tolist()]), edges

    def _sum(self, hessians: np.ndarray) -> np.ndarray:
        found = np.zeros(self.hessians.shape[1:])
        for pair in self._between:
            found += self._piece(*pair, hessians)
        return found

    def _piece(self, first: float, last: float, hessians: np.ndarray) -> np.ndarray:
        middle = (first + last) / 2.0
        smooth = (last - first) * hessians[min(int(middle * len(hessians)), len(hessians) - 1)]
        rest = self._slopes[last] - self._slopes[first] - smooth.sum(axis=1)
        size, total = np.abs(rest).sum(), rest.sum()
        jumps = size > max(_JUMP * np.abs(smooth).sum(), _ROUNDING * np.abs(self._slopes[first]).sum())
        beyond = np.outer(rest, rest) / total if jumps and _STEEPEST * abs(total) > size else np.diag(rest)
        return -middle * math.log(middle) * (smooth + beyond)


def _weight(points: np.ndarray) -> np.ndarray:
    """``-t ln t``, which is zero at both ends."""
    return -points * np.log(np.where(points > 0, points, 1.0))
