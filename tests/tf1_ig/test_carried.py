"""The integral of one thing by another along a path, against closed forms."""

import numpy as np
import pytest

from tf1_ig.carried import Known, Pieces, adaptive


def known_of(g, h, score):
    """What an evaluator would say of units with these slopes and values, by node ``[nodes, units]``; one row."""
    def at(nodes):
        points = np.concatenate([[0.0], nodes, [1.0]])
        return Known(h(points)[:, None], g(nodes)[:, None], np.zeros((len(nodes), 1)), score(nodes)[:, None])

    return at


@pytest.mark.parametrize("order", [0, 1, 3, 5])
def test_polynomials_are_integrated_exactly(order):
    nodes = np.sort(np.random.RandomState(order).uniform(0.05, 0.95, 9))
    points, pieces = np.concatenate([[0.0], nodes, [1.0]]), Pieces(nodes, order)
    g, h = nodes[:, None] ** order, points[:, None] ** (order + 1)
    # ∫ tⁿ (n + 1) tⁿ dt over each interval.
    wanted = (order + 1.0) / (2 * order + 1) * np.diff(points ** (2 * order + 1))
    np.testing.assert_allclose(pieces.sums(g @ h.T), wanted, atol=1e-9)
    np.testing.assert_allclose(pieces.units(g, h), [wanted.sum()], atol=1e-9)
    np.testing.assert_allclose(np.concatenate(list(pieces.by_interval(g, h))), wanted, atol=1e-9)
    np.testing.assert_allclose(pieces.mean(g), [1.0 / (order + 1)], atol=1e-9)


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
    found = adaptive(lambda nodes: asked.append(len(nodes)) or known(nodes), np.array([[0.0], [1.2]]), tolerance, 500)
    first = 0.6 + (1 - 0.4 ** 3) / 3
    assert found.good.all() and asked[-1] < 100
    np.testing.assert_allclose(found.units, [[first, 1.2 - first]], atol=2 * tolerance * 1.2)
    assert not adaptive(known, np.array([[0.0], [1.2]]), 1e-7, 31).good.any()  # and says so where steps end


@pytest.mark.parametrize("broken", ["score", "gradient"])
def test_a_row_that_is_no_number_leaves_the_nodes_of_the_others(broken):
    known = known_of(lambda t: np.stack([(t > 0.4) * (1 + t ** 2), np.maximum(t - 0.4, 0)], 1),
                     lambda t: np.stack([t - 0.4, 1 + t ** 2], 1), lambda t: np.maximum(t - 0.4, 0) * (1 + t ** 2))

    def both(nodes):
        found = Known(*(np.repeat(part, 2, axis=1) for part in known(nodes)))
        (found.scores if broken == "score" else found.gradients)[:, 1] = np.nan
        return found

    ends = np.array([[0.0], [1.2]])
    alone, found = adaptive(known, ends, 1e-3, 500), adaptive(both, np.repeat(ends, 2, axis=1), 1e-3, 500)
    np.testing.assert_array_equal(found.units[0], alone.units[0])
    assert found.good.tolist() == [True, False]
