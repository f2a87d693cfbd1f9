"""Rules: weights that sum to 1, nodes in [0, 1], and exactness to the degree that each promises.

Grids of other libraries: the numbers that those libraries give, and exactly the error that each is documented to make.
"""

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


# Moments 0 and 1 of each grid with n nodes; a rule that is exact to degree 1 has (1, 1/2).
MOMENTS = {
    "captum_trapezoid": lambda n: (1 - 1 / n, (1 - 1 / n) / 2),
    "saliency_mean": lambda n: (1, 1 / 2),
    "lit_trapezoid": lambda n: (1, (1 - 1 / n) / 2),
}


def test_no_grid_of_another_library_passes_for_a_rule():
    assert not set(quadrature.GRIDS) & set(quadrature.RULES)
    assert set(MOMENTS) == set(quadrature.GRIDS) == set(LIBRARIES)


@pytest.mark.parametrize("method", sorted(quadrature.GRIDS))
@pytest.mark.parametrize("steps", [2, 5, 50])
def test_a_grid_errs_by_exactly_what_it_says(method, steps):
    alphas, weights = quadrature.nodes_and_weights(method, steps)
    assert [weights.sum(), np.dot(weights, alphas)] == pytest.approx(MOMENTS[method](steps), abs=1e-12)


@pytest.mark.parametrize("method", sorted(quadrature.GRIDS))
def test_a_grid_converges_with_one_over_n_only(method):
    def error(steps):
        alphas, weights = quadrature.nodes_and_weights(method, steps)
        return abs(np.dot(weights, np.exp(alphas)) - (np.e - 1))

    assert error(64) / error(128) == pytest.approx(2, rel=0.05)


# Integrated Gradients of ``tanh(w.x) + sum(w x^3) / 5`` at X from 0.25 in every feature, as computed once with captum
# 0.9.0 (torch 2.13.0), PAIR saliency 0.2.1 (which adds up in float32) and LIT 1.3.1 for 2, 5 and 20 steps; the first
# and the last feature are enough.
X, W = np.array([1.0, -2.0, 0.5, 3.0]), np.array([0.7, -1.1, 0.4, 0.9])
LIBRARIES = {
    "captum_trapezoid": {2: (0.20850014106118764, 3.952929236431313), 5: (0.17799845782421883, 4.2917606383337255),
                         20: (0.2009369188138105, 4.9489582976203454)},
    "saliency_mean": {2: (0.41700026392936707, 7.90585857629776), 5: (0.2613985240459442, 5.872932243347168),
                      20: (0.22178694605827332, 5.344251394271851)},
    "lit_trapezoid": {2: (0.3235402953506346, 3.195886392367277), 5: (0.20410710574753121, 3.8431193418173404),
                      20: (0.20663630124782037, 4.811011314242493)},
}
# What captum calls riemann_left, riemann_right, riemann_middle and gausslegendre.
SAME_AS_CAPTUM = {
    "left": {2: (0.3235402953506346, 3.195886392367277), 20: (0.21657530861738986, 4.935829047901076)},
    "right": {2: (0.22155926165963824, 8.655118662109723), 20: (0.20637720846657379, 5.481752453796089)},
    "midpoint": {2: (0.17244635942445147, 4.803898908715272), 20: (0.21097586123254852, 5.199935138479539)},
    "gausslegendre": {2: (0.19433972093107532, 5.123672970103643), 20: (0.2111432939544566, 5.2028898003052)},
}


def _gradient(x):
    return W / np.cosh(np.dot(x, W)) ** 2 + 3 * W * x ** 2 / 5


@pytest.mark.parametrize("method,numbers", sorted(LIBRARIES.items()) + sorted(SAME_AS_CAPTUM.items()))
def test_the_numbers_of_other_libraries_are_reproduced(method, numbers):
    for steps, expected in numbers.items():
        alphas, weights = quadrature.nodes_and_weights(method, steps)
        found = (X - 0.25) * sum(weight * _gradient(0.25 + alpha * (X - 0.25))
                                 for alpha, weight in zip(alphas, weights))
        # float32 nodes in captum and LIT, float32 sums in saliency
        assert (found[0], found[-1]) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("method", ["captum_trapezoid", "lit_trapezoid"])
def test_a_grid_with_half_weights_at_its_ends_needs_two_nodes(method):
    with pytest.raises(MethodError, match="%r needs steps >= 2" % method):
        quadrature.nodes_and_weights(method, 1)


@pytest.mark.parametrize("level", range(1, 5))
def test_nested_rules_hold_each_other_and_are_exact_as_far_as_patterson_says(level):
    rule = quadrature.nested(level)
    count = len(rule.alphas)
    assert count == 2 ** (level + 1) - 1 and np.all(rule.weights.sum(axis=0) > 0)
    assert np.isin(rule.alphas, quadrature.nested(level + 1).alphas).all()
    for degree in range((3 * count + 1) // 2 + 1):
        assert rule.weights.sum(axis=0) @ rule.alphas ** degree == pytest.approx(1.0 / (degree + 1), abs=1e-11)
    ends = np.concatenate([[0.0], rule.alphas, [1.0]])
    np.testing.assert_allclose(rule.weights @ rule.alphas ** (count - 1), np.diff(ends ** count) / count, atol=1e-10)


@pytest.mark.parametrize("order", [0, 1, 3, 5])
@pytest.mark.parametrize("count", [6, 7, 12])
def test_the_nearest_nodes_are_as_many_on_either_side(order, count):
    """As far as there are so many; of order 0 it is the node on the left."""
    used, _ = quadrature.between(np.arange(1.0, count + 1) / (count + 1), order)
    for place, nearest in enumerate(used.tolist()):
        def uneven(start, place=place):
            return abs((place - start) - (start + order + 1 - place))

        start = min(range(count - order), key=lambda one: (uneven(one), one))
        assert nearest == list(range(start, start + order + 1))


@pytest.mark.parametrize("order", [0, 1, 3, 5])
def test_polynomials_through_the_nearest_nodes_are_integrated_over_each_interval(order):
    nodes = np.sort(np.random.RandomState(order).uniform(size=12))
    ends = np.concatenate([[0.0], nodes, [1.0]])
    for degree in range(order + 1):
        used, weights = quadrature.between(nodes, order)
        assert used.shape == weights.shape == (13, order + 1)
        np.testing.assert_allclose((weights * nodes[used] ** degree).sum(axis=1),
                                   np.diff(ends ** (degree + 1)) / (degree + 1), atol=1e-10)
    assert quadrature.between(nodes[:2], order)[0].shape[1] == min(order, 1) + 1
    two = nodes[[5, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 6]]
    used, weights = quadrature.between(two, order, np.array([6, 6]))
    for number in range(2):
        path, its = slice(6 * number, 6 * number + 6), slice(7 * number, 7 * number + 7)
        expected = quadrature.between(two[path], order)
        np.testing.assert_array_equal(used[its], expected[0] + 6 * number)
        np.testing.assert_allclose(weights[its], expected[1], rtol=1e-12)
