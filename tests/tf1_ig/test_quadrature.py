"""Rules: weights that sum to 1, nodes in [0, 1], and exactness to the degree that each promises."""

import numpy as np
import pytest

from tf1_ig import quadrature
from tf1_ig.errors import MethodError

DEGREES = {"gausslegendre": lambda n: 2 * n - 1, "midpoint": lambda n: 1, "trapezoid": lambda n: 1,
           "left": lambda n: 0, "right": lambda n: 0}


@pytest.mark.parametrize("method", sorted(quadrature.RULES))
@pytest.mark.parametrize("steps", [2, 3, 5, 8, 50])
def test_a_rule_is_exact_to_its_degree(method, steps):
    alphas, weights = quadrature.nodes_and_weights(method, steps)
    assert len(alphas) == len(weights) == steps
    assert np.all((alphas >= 0) & (alphas <= 1)) and np.all(np.diff(alphas) > 0)
    for degree in range(min(DEGREES[method](steps), 12) + 1):
        assert np.dot(weights, alphas ** degree) == pytest.approx(1.0 / (degree + 1), abs=1e-12)


@pytest.mark.parametrize("method,order", [("left", 1), ("right", 1), ("midpoint", 2), ("trapezoid", 2)])
def test_halving_the_interval_divides_the_error_by_two_to_the_order(method, order):
    def error(intervals):
        steps = intervals + 1 if method == "trapezoid" else intervals
        alphas, weights = quadrature.nodes_and_weights(method, steps)
        return abs(np.dot(weights, np.exp(alphas)) - (np.e - 1))

    assert error(64) / error(128) == pytest.approx(2 ** order, rel=0.02)


def test_every_rule_has_a_degree_in_this_test():
    assert set(DEGREES) == set(quadrature.RULES)


def test_one_node_where_the_rule_allows_it():
    for method in sorted(set(quadrature.RULES) - {"trapezoid"}):
        assert quadrature.nodes_and_weights(method, 1)[1].tolist() == [1.0]
    with pytest.raises(MethodError, match="steps >= 2"):
        quadrature.nodes_and_weights("trapezoid", 1)


@pytest.mark.parametrize("steps", [0, -1, 2.5, True, "50"])
def test_steps_must_be_a_positive_whole_number(steps):
    with pytest.raises(MethodError, match="whole number"):
        quadrature.nodes_and_weights("midpoint", steps)


def test_an_unknown_rule_lists_those_there_are():
    with pytest.raises(MethodError, match="'gausslegendre', 'midpoint'"):
        quadrature.nodes_and_weights("simpson", 3)
