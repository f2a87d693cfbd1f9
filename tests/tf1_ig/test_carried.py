"""The integral of one thing by another along a path, against closed forms."""

import numpy as np
import pytest

from tf1_ig import carried, quadrature
from tf1_ig.carried import Known, adaptive, of_order


def known_of(g, h, score):
    """What an evaluator would say of units with these slopes and values, by node ``[nodes, units]``; any row."""
    def at(wanted):
        return {row: Known(h(np.concatenate([[0.0], nodes, [1.0]])), g(nodes), np.zeros(len(nodes)), score(nodes))
                for row, nodes in wanted.items()}

    return at


@pytest.mark.parametrize("order", [0, 1, 3, 5])
def test_polynomials_are_integrated_exactly(order):
    nodes = np.sort(np.random.RandomState(order).uniform(0.05, 0.95, 9))
    points, pieces = np.concatenate([[0.0], nodes, [1.0]]), of_order(nodes, order)
    g, h = nodes[:, None] ** order, points[:, None] ** (order + 1)
    # ∫ tⁿ (n + 1) tⁿ dt over each interval.
    wanted = (order + 1.0) / (2 * order + 1) * np.diff(points ** (2 * order + 1))
    np.testing.assert_allclose(pieces.sums(g @ h.T), wanted, atol=1e-9)
    np.testing.assert_allclose(pieces.units(g, h), [wanted.sum()], atol=1e-9)
    np.testing.assert_allclose(np.concatenate(list(pieces.by_interval(g, h))), wanted, atol=1e-9)
    np.testing.assert_allclose(pieces.mean(g), [1.0 / (order + 1)], atol=1e-9)


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_slopes_at_the_nodes_of_a_nested_rule(level):
    nodes = quadrature.nested(level).alphas
    points, degree = np.concatenate([[0.0], nodes, [1.0]]), len(nodes) + 1
    np.testing.assert_allclose(carried._slopes(level) @ points ** degree, degree * nodes ** (degree - 1), atol=1e-9)


def of_counted(g, h, score, ends, tolerance):
    """The sums of one row, and how many nodes they took."""
    asked, known = [], known_of(g, h, score)
    found = adaptive(lambda wanted: asked.append(len(wanted[0])) or known(wanted), np.array(ends)[:, None], tolerance,
                     500)
    return found, asked[-1]


@pytest.mark.parametrize("turns, few", [(0.5, True), (12.0, False)])
def test_units_that_the_score_does_not_show_ask_for_nodes_of_their_own(turns, few):
    """What one of two units gains the other loses, and the score is a straight line."""
    found, count = of_counted(lambda t: 1 + np.sin(turns * t)[:, None] * [1, -1], lambda t: np.stack([t, t], 1),
                              lambda t: 2 * t, (0.0, 2.0), 0.01)
    wave = (1 - np.cos(turns)) / turns
    np.testing.assert_allclose(found.units[0], [1 + wave, 1 - wave], atol=0.01)
    np.testing.assert_allclose(found.units.sum(), 2.0, atol=1e-9)
    assert found.good.all() and (count == 3) is few


def test_jumps_that_the_score_does_not_show_are_halved():
    """As before, and both units jump: known errors are nothing, what units disagree on is all there is."""
    found, count = of_counted(lambda t: 1 + (t > 0.37)[:, None] * [0.9, -0.9], lambda t: np.stack([t, t], 1),
                              lambda t: 2 * t, (0.0, 2.0), 0.01)
    np.testing.assert_allclose(found.units[0], [1 + 0.9 * 0.63, 1 - 0.9 * 0.63], atol=0.02)
    assert found.good.all() and 3 < count < 100


def test_where_slopes_stay_any_kink_is_carried_exactly():
    found = adaptive(known_of(lambda t: np.tile([2.0, -1.0], (len(t), 1)),
                              lambda t: np.stack([np.maximum(t - 0.3, 0), np.abs(t - 0.77)], 1),
                              lambda t: 2 * np.maximum(t - 0.3, 0) - np.abs(t - 0.77)),
                     np.array([[-0.77], [1.4 - 0.23]]), 0.01, 100)
    np.testing.assert_allclose(found.units, [[1.4, 0.54]], atol=1e-12)
    assert found.good.all()


@pytest.mark.parametrize("tolerance", [1e-2, 1e-3])
def test_units_whose_slopes_jump_are_within_tolerance(tolerance):
    """F = relu(h₁) h₂ with h₁ = t - 0.4 and h₂ = 1 + t²: jumps and curves at once."""
    def g(t):
        return np.stack([(t > 0.4) * (1 + t ** 2), np.maximum(t - 0.4, 0)], 1)

    asked = []
    known = known_of(g, lambda t: np.stack([t - 0.4, 1 + t ** 2], 1), lambda t: np.maximum(t - 0.4, 0) * (1 + t ** 2))
    found = adaptive(lambda wanted: asked.append(len(wanted[0])) or known(wanted), np.array([[0.0], [1.2]]), tolerance,
                     500)
    first = 0.6 + (1 - 0.4 ** 3) / 3
    assert found.good.all() and asked[-1] < 100
    np.testing.assert_allclose(found.units, [[first, 1.2 - first]], atol=2 * tolerance * 1.2)
    assert not adaptive(known, np.array([[0.0], [1.2]]), 1e-7, 31).good.any()  # and says so where steps end


@pytest.mark.parametrize("broken", ["score", "gradient"])
def test_a_row_that_is_no_number_leaves_the_nodes_of_the_others(broken):
    known = known_of(lambda t: np.stack([(t > 0.4) * (1 + t ** 2), np.maximum(t - 0.4, 0)], 1),
                     lambda t: np.stack([t - 0.4, 1 + t ** 2], 1), lambda t: np.maximum(t - 0.4, 0) * (1 + t ** 2))

    def both(wanted):
        found = known(wanted)
        if 1 in found:
            (found[1].scores if broken == "score" else found[1].gradients)[:] = np.nan
        return found

    ends = np.array([[0.0], [1.2]])
    alone, found = adaptive(known, ends, 1e-3, 500), adaptive(both, np.repeat(ends, 2, axis=1), 1e-3, 500)
    np.testing.assert_array_equal(found.units[0], alone.units[0])
    assert found.good.tolist() == [True, False]


def test_each_row_has_nodes_of_its_own():
    """A straight row is done with three nodes, whatever another asks for; that one's are those it takes alone."""
    def kinked(jump):
        return known_of(lambda t: np.stack([(t > jump) * (1 + t ** 2), np.maximum(t - jump, 0)], 1),
                        lambda t: np.stack([t - jump, 1 + t ** 2], 1), lambda t: np.maximum(t - jump, 0) * (1 + t ** 2))

    of_row = [kinked(0.4), known_of(lambda t: np.ones((len(t), 2)), lambda t: np.stack([t, 2 * t], 1), lambda t: 3 * t),
              kinked(0.71)]
    ends = np.array([[0.0, 0.0, 0.0], [1.2, 3.0, 0.58]])
    asked = []

    def at(wanted):
        asked.append({row: len(nodes) for row, nodes in wanted.items()})
        return {row: of_row[row]({row: nodes})[row] for row, nodes in wanted.items()}

    found = adaptive(at, ends, 1e-3, 500)
    assert asked[0] == {0: 3, 1: 3, 2: 3} and not any(1 in wanted for wanted in asked[1:])
    for row, one in enumerate(of_row):
        np.testing.assert_array_equal(found.units[row], adaptive(one, ends[:, [row]], 1e-3, 500).units[0])
