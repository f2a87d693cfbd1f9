"""Quadrature rules on [0, 1]: where to evaluate the gradient along the path, and with which weight.

A rule is a function of the number of nodes; adding one is a function and a line in ``RULES``. The weights of every
rule sum to 1, so that a linear model is explained exactly whatever the rule.
"""

from typing import Callable, Dict, Tuple

import numpy as np

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
    if steps == 1:
        raise MethodError("method 'trapezoid' needs steps >= 2 (it uses both ends of the path), not steps=1")
    weights = np.full(steps, 1.0 / (steps - 1))
    weights[[0, -1]] /= 2.0
    return np.linspace(0.0, 1.0, steps), weights


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


def nodes_and_weights(method: str, steps: int) -> Nodes:
    """The nodes in [0, 1] and the weights of a rule, both float64 of shape ``[steps]``.

    Raises:
      MethodError: no such rule, or ``steps`` is not a positive whole number.

    >>> nodes_and_weights("midpoint", 2)
    (array([0.25, 0.75]), array([0.5, 0.5]))
    """
    if method not in RULES:
        raise MethodError("no method %r; choose one of %s" % (method, ", ".join(map(repr, RULES))))
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 1:
        raise MethodError("steps must be a whole number of at least 1, or None for as many as the tolerance needs, "
                          "not %r" % (steps,))
    return RULES[method](int(steps))
