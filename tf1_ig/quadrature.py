"""Quadrature rules on [0, 1]: where to evaluate the gradient along the path, and with which weight.

A rule is a function of the number of nodes; adding one is a function and a line in ``RULES``. The weights of every
rule sum to 1, so that a linear model is explained exactly whatever the rule.

Grids of other libraries, for those who must reproduce old numbers, are in ``GRIDS``: also a function and a line. They
converge to the same integral as the number of nodes grows, but slower than the rules with the same nodes, and the sum
of the attributions is off by what their docstrings say. What other libraries call ``riemann_left``, ``riemann_right``,
``riemann_middle`` and ``gausslegendre`` (captum 0.9.0, alibi 0.9.6) are ``left``, ``right``, ``midpoint`` and
``gausslegendre`` here.
"""

import functools
from typing import Callable, Dict, NamedTuple, Optional, Tuple

import numpy as np
from numpy.polynomial import legendre

from tf1_ig.errors import MethodError

Nodes = Tuple[np.ndarray, np.ndarray]


def gausslegendre(steps: int) -> Nodes:
    """Gauss-Legendre: exact for polynomials of degree ``2 * steps - 1``; never touches the ends of the path."""
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    return (nodes + 1.0) / 2.0, weights / 2.0


def midpoint(steps: int) -> Nodes:
    """Midpoints of equal intervals: exact for degree 1; as good as any rule across the kinks of a ReLU."""
    return (np.arange(steps) + 0.5) / steps, np.full(steps, 1.0 / steps)


def trapezoid(steps: int) -> Nodes:
    """Both ends and equal intervals between them; the two end nodes weigh half, and the weights sum to 1."""
    return np.linspace(0.0, 1.0, steps), _half_at_the_ends("trapezoid", steps) / (steps - 1)


def left(steps: int) -> Nodes:
    """Left ends of equal intervals: the baseline is a node, the input is not."""
    return np.arange(steps) / steps, np.full(steps, 1.0 / steps)


def right(steps: int) -> Nodes:
    """Right ends of equal intervals (the sum in the paper of Sundararajan, Taly and Yan, 2017, section 5)."""
    return (np.arange(steps) + 1.0) / steps, np.full(steps, 1.0 / steps)


RULES: Dict[str, Callable[[int], Nodes]] = {
    "gausslegendre": gausslegendre,
    "midpoint": midpoint,
    "trapezoid": trapezoid,
    "left": left,
    "right": right,
}


def captum_trapezoid(steps: int) -> Nodes:
    """The grid of ``riemann_trapezoid`` in captum 0.9.0 and alibi 0.9.6 (``approximation_methods.py`` of either).

    Equal intervals with both ends, as many as ``trapezoid`` has, but inner weights of ``1 / steps`` where ``steps - 1``
    intervals need ``1 / (steps - 1)``: the weights sum to ``1 - 1 / steps``, and so the attributions of *any* model sum
    to that share of what ``trapezoid`` finds.
    """
    return np.linspace(0.0, 1.0, steps), _half_at_the_ends("captum_trapezoid", steps) / steps


def saliency_mean(steps: int) -> Nodes:
    """The grid of PAIR saliency 0.2.1 (``core/integrated_gradients.py``): the plain mean over both ends and between.

    The ends weigh as much as inner nodes, twice what a trapezoid gives them: exact for degree 1, but the error falls
    with ``1 / steps`` only, and a steep end of the path pulls the sum.
    """
    return np.linspace(0.0, 1.0, steps), np.full(steps, 1.0 / steps)


def lit_trapezoid(steps: int) -> Nodes:
    """The grid of LIT 1.3.1 (``components/gradient_maps.py``): a trapezoid that stops short of the input.

    The path is cut into ``steps`` intervals and the last node, the input itself, is left out; the trapezoid over the
    others is taken for the mean of the whole path. What happens in the last ``1 / steps`` of the path is not seen.
    """
    return np.arange(steps) / steps, _half_at_the_ends("lit_trapezoid", steps) / (steps - 1)


GRIDS: Dict[str, Callable[[int], Nodes]] = {
    "captum_trapezoid": captum_trapezoid,
    "saliency_mean": saliency_mean,
    "lit_trapezoid": lit_trapezoid,
}


def _half_at_the_ends(method: str, steps: int) -> np.ndarray:
    if steps == 1:
        raise MethodError("method %r needs steps >= 2 (its two end nodes weigh half), not steps=1" % method)
    weights = np.ones(steps)
    weights[[0, -1]] = 0.5
    return weights


def nodes_and_weights(method: str, steps: int) -> Nodes:
    """The nodes in [0, 1] and the weights of a rule (or of a grid), both float64 of shape ``[steps]``.

    Raises:
      MethodError: no such rule or grid, or ``steps`` is not a positive whole number.

    >>> nodes_and_weights("midpoint", 2)
    (array([0.25, 0.75]), array([0.5, 0.5]))
    """
    found = RULES.get(method) or GRIDS.get(method)
    if found is None:
        raise MethodError("no method %r; choose one of %s, or to reproduce the numbers of another library %s" % (
            method, ", ".join(map(repr, RULES)), ", ".join(map(repr, GRIDS))))
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 1:
        raise MethodError("steps must be a whole number of at least 1, or None for as many as the tolerance needs, "
                          "not %r" % (steps,))
    return found(int(steps))


class Nested(NamedTuple):
    """Nodes in (0, 1), and how the integral over each interval between them is read off them.

    ``weights`` is ``[intervals, nodes]``: the integrals of the one polynomial through all nodes over the intervals that
    0, the nodes and 1 bound. Their sum over the intervals is the rule.
    """

    alphas: np.ndarray
    weights: np.ndarray


@functools.lru_cache(maxsize=None)
def nested(level: int) -> Nested:
    """The rules of Patterson (1968, Mathematics of Computation 22, 847-856): 1, 3, 7, 15, 31, ... nodes.

    Each holds the nodes of the one before. With ``n`` nodes, 3 or more, polynomials up to degree ``(3 * n + 1) / 2``
    are exact: 15 nodes do what 12 of Gauss-Legendre do, 31 what 24 do.

    >>> nested(1).weights.sum(axis=0) * 18                                # three nodes of Gauss-Legendre
    array([5., 8., 5.])
    """
    nodes = np.zeros(1)
    for _ in range(level):
        nodes = _extended(nodes)
    count, ends = len(nodes), np.concatenate([[-1.0], nodes, [1.0]])
    of_basis = np.stack([legendre.legval(ends, legendre.legint(one)) for one in np.eye(count)], axis=1)
    weights = np.diff(of_basis, axis=0) @ np.linalg.inv(legendre.legvander(nodes, count - 1)) / 2.0
    return Nested((nodes + 1.0) / 2.0, weights)


def _extended(nodes: np.ndarray) -> np.ndarray:
    """``n`` nodes in (-1, 1) and the ``n + 1`` that are best added to them.

    These are the roots of the polynomial that, times the one of the nodes, is orthogonal to all of degree up to ``n``.
    """
    count = len(nodes)
    points, weights = legendre.leggauss(2 * count + 2)
    held = weights * np.prod((points[:, None] - nodes) / 0.5, axis=1)
    basis = legendre.legvander(points, count + 1)
    moments = (basis[:, :-1] * held[:, None]).T @ basis
    series = np.append(np.linalg.solve(moments[:, :-1], -moments[:, -1]), 1.0)
    return np.sort(np.concatenate([nodes, legendre.legroots(series).real]))


def between(nodes: np.ndarray, order: int, counts: Optional[np.ndarray] = None) -> Tuple[np.ndarray, np.ndarray]:
    """Integrals over the intervals that 0, any ascending nodes and 1 bound, by polynomials through the nearest nodes.

    Args:
      nodes: of one path, or of several one after the other.
      order: of the polynomials; one that there are too few nodes for is lowered. Of order 0 is the node on the left.
      counts: how many nodes each of several paths has.

    Returns:
      For each interval the nodes that are used, ``[intervals, order + 1]``, and their weights.

    >>> between(np.array([0.0, 0.5, 1.0]), 1)[1][1]                       # a trapezoid between 0 and 0.5
    array([0.25, 0.25])
    """
    many = np.array([len(nodes)]) if counts is None else counts
    order, intervals = min(order, int(many.min()) - 1), many + 1
    # By interval: how many nodes its path has, the first of them, and how many lie before it.
    count, first = np.repeat(many, intervals), np.repeat(np.cumsum(many) - many, intervals)
    place = np.arange(len(count)) - np.repeat(np.cumsum(intervals) - intervals, intervals)
    low = np.where(place == 0, 0.0, nodes[first + np.maximum(place - 1, 0)])
    high = np.where(place == count, 1.0, nodes[first + np.minimum(place, count - 1)])
    widths = high - low
    # Intervals are the last axis: there are many of them.
    nearest = np.maximum(place - 1, 0) if order == 0 else np.clip(place - (order + 1) // 2, 0, count - 1 - order)
    used = first + nearest + np.arange(order + 1)[:, None]
    stencil = nodes[used]
    points, weights = _few(order // 2 + 1)
    away = (low + widths * points[:, None])[:, None] - stencil
    apart = stencil[:, None] - stencil + np.eye(order + 1)[:, :, None]
    # The product of all others is that of those before times that of those behind.
    others, behind = np.ones_like(away), np.ones_like(away[:, 0])
    for one in range(order):
        np.multiply(others[:, one], away[:, one], out=others[:, one + 1])
    for one in range(order, 0, -1):
        behind *= away[:, one]
        others[:, one - 1] *= behind
    return used.T, (widths * np.tensordot(weights, others, 1) / apart.prod(axis=1)).T


_few = functools.lru_cache(maxsize=None)(gausslegendre)
