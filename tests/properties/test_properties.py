"""What must hold for every model: the axioms of the paper, and what this package adds to them."""

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings, strategies as st

import graph_tools as gt
from tests.properties.families import CLASSES, FAMILIES, FEATURES, TIME, at, cases, explained, model, of_shape

CASES = int(os.environ.get("CASES", "5"))
# By default the same few cases every time; where CASES is set, new ones, whose seed pytest prints (--hypothesis-seed).
case = settings(max_examples=CASES, deadline=None, derandomize="CASES" not in os.environ, database=None,
                suppress_health_check=list(HealthCheck), print_blob=False)
SMALL, NEAR = 1e-5, 2e-3
pytestmark = [pytest.mark.timeout(0), pytest.mark.slow]


def total(result):
    """The sum of the attributions, by row."""
    return sum(np.asarray(values, np.float64).reshape(len(values), -1).sum(1) for values in result.values.values())


def size(result):
    return 1 + np.abs(result.score) + np.abs(result.baseline_score)


@case
@given(cases())
def test_completeness(drawn):
    """They sum to what the score differs from that of the baseline (Proposition 1), or it is said that they do not."""
    result = explained(*drawn, tolerance=0.01)
    error = np.abs(total(result) - (result.score - result.baseline_score))
    np.testing.assert_allclose(error, np.abs(result.delta), atol=SMALL * size(result).max())
    allowed = 0.01 * np.abs(result.score - result.baseline_score) + SMALL * size(result)
    assert np.all((error <= allowed) | ~result.converged)


@case
@given(cases(("linear",)))
def test_a_linear_model_is_its_weights(drawn):
    _, feed = drawn
    result = explained(*drawn, label=1, steps=3)
    np.testing.assert_allclose(result.values["x:0"], feed["x:0"] * feed["w:0"][:, 1], atol=SMALL)


@case
@given(cases(("smooth", "kinked")), st.integers(0, FEATURES - 1))
def test_sensitivity(drawn, feature):
    """One feature that differs from the baseline, and a score that does: it gets all of the difference."""
    name, feed = drawn
    feed = dict(feed, **{"x:0": feed["x:0"] * np.eye(FEATURES, dtype=np.float32)[feature]})
    result = explained(name, feed, steps=64)
    np.testing.assert_allclose(result.values["x:0"][:, feature], result.score - result.baseline_score, atol=0.05)
    assert not np.delete(result.values["x:0"], feature, 1).any()


@case
@given(cases(("smooth", "kinked", "recurrent")), st.integers(0, FEATURES - 1))
def test_dummy(drawn, feature):
    """A feature that the model does not read gets nothing."""
    name, feed = drawn
    weights = feed["w:0"].copy()
    weights[feature] = 0
    result = explained(name, dict(feed, **{"w:0": weights}), steps=5)
    assert not result.values["x:0"][..., feature].any()


@case
@given(cases(("kinked",)))
def test_implementation_invariance(drawn):
    """Two networks that compute the same by other ops get the same attributions."""
    _, feed = drawn
    before = feed["x:0"] @ feed["w:0"]
    assume(np.all((before != 0) | (feed["x:0"] == 0).all(1)[:, None]))  # at a kink any slope between will do
    one, other = (explained(name, feed, steps=9) for name in ("kinked", "kinked otherwise"))
    np.testing.assert_allclose(one.values["x:0"], other.values["x:0"], atol=SMALL * 100)


@case
@given(cases(), st.integers(-4, 4), st.integers(-4, 4))
def test_linearity(drawn, first, second):
    """Those of a weighted sum of outputs are the weighted sum of those of the outputs."""
    assume(first or second)
    parts = [explained(*drawn, label=label, steps=6) for label in range(CLASSES)]
    both = explained(*drawn, label={0: float(first), 1: float(second)}, steps=6)
    for name, values in both.values.items():
        wanted = first * parts[0].values[name] + second * parts[1].values[name]
        np.testing.assert_allclose(values, wanted, atol=SMALL * 100)


@case
@given(cases())
def test_a_contrast_is_a_difference(drawn):
    parts = [explained(*drawn, label=label, steps=6) for label in range(CLASSES)]
    contrast = explained(*drawn, label={0: 1.0, 1: -1.0}, steps=6)
    np.testing.assert_allclose(contrast.score, parts[0].score - parts[1].score, atol=SMALL * 10)
    np.testing.assert_allclose(total(contrast), total(parts[0]) - total(parts[1]), atol=SMALL * 100)


@case
@given(cases(("smooth", "kinked")))
def test_symmetry(drawn):
    """Two features that the model treats alike and that are alike get alike."""
    name, feed = drawn
    x, weights = feed["x:0"].copy(), feed["w:0"].copy()
    x[:, 1], weights[1] = x[:, 0], weights[0]
    result = explained(name, dict(feed, **{"x:0": x, "w:0": weights}), steps=7)
    np.testing.assert_allclose(result.values["x:0"][:, 0], result.values["x:0"][:, 1], atol=SMALL)


@case
@given(cases(), st.sampled_from([None, 4]))
def test_nothing_where_the_baseline_is_the_input(drawn, steps):
    name, feed = drawn
    baseline = {tensor: feed[tensor] for tensor in FAMILIES[name].inputs}
    result = explained(name, feed, baseline=baseline, steps=steps)
    assert not any(np.asarray(values).any() for values in result.values.values())
    assert np.all(result.score == result.baseline_score) and not result.delta.any()
    assert np.all(result.converged) and np.all(result.evaluations == (steps or 3))


@case
@given(cases(rows=5), st.integers(1, 7))
def test_packing_invariance(drawn, batch_size):
    """Rows together, rows alone, and runs of any size: the same."""
    name, feed = drawn
    together = explained(name, feed, steps=6)
    packed = explained(name, feed, steps=6, batch_size=batch_size)
    for tensor, values in together.values.items():
        np.testing.assert_allclose(packed.values[tensor], values, atol=SMALL * 10)
    row = len(together.score) - 1
    alone = explained(name, dict(feed, **{tensor: feed[tensor][row:] for tensor in FAMILIES[name].inputs}), steps=6)
    for tensor, values in together.values.items():
        np.testing.assert_allclose(alone.values[tensor][0], values[row], atol=SMALL * 10)


@case
@given(cases(("tagger",)))
def test_positions_are_those_of_each_alone(drawn):
    name, feed = drawn
    every = explained(name, feed, label=1, positions="all", steps=5)
    for position in range(TIME):
        one = explained(name, feed, label=(position, 1), steps=5)
        rows = np.flatnonzero(np.asarray(every.positions) == position)
        np.testing.assert_allclose(every.values["x:0"][rows], one.values["x:0"], atol=SMALL * 10)


@case
@given(cases(("smooth", "recurrent", "two inputs")))
def test_gradients_are_finite_differences(drawn):
    """Of scores alone, along a drawn direction; differences over two steps tell what curvature adds to either."""
    name, feed = drawn
    asked = at(name, feed)
    scores, gradients = asked.gradients(asked.entries)
    random, step = np.random.RandomState(0), 2e-3
    way = {tensor: random.normal(size=rows.shape).astype(np.float32) for tensor, rows in asked.entries.items()}
    one, two = (np.subtract(*(asked.scores({tensor: rows + sign * far * way[tensor] for tensor, rows in
                                            asked.entries.items()}) for sign in (1, -1))) / (2 * far)
                for far in (step, 2 * step))
    slope = sum((gradients[tensor] * way[tensor]).reshape(len(scores), -1).sum(1) for tensor in way)
    np.testing.assert_allclose(slope, (4 * one - two) / 3, atol=5e-4 * (1 + np.abs(slope).max()))


@case
@given(cases(), of_shape((2,)))
def test_the_evaluator_and_the_explanation_agree(drawn, ends):
    """At the ends of the path the scores are those of the result; so is the mean gradient, times the difference."""
    asked, result = at(*drawn), explained(*drawn, steps=24)
    np.testing.assert_allclose(asked.scores(asked.entries), result.score, atol=SMALL * 10)
    nought = {tensor: np.zeros_like(rows) for tensor, rows in asked.entries.items()}
    np.testing.assert_allclose(asked.scores(nought), result.baseline_score, atol=SMALL * 10)
    nodes, weights = np.polynomial.legendre.leggauss(24)
    points = {tensor: np.stack([np.float32((node + 1) / 2) * rows for node in nodes])
              for tensor, rows in asked.entries.items()}
    _, gradients = asked.gradients(points)
    for tensor, rows in asked.entries.items():
        mean = np.tensordot(weights / 2, gradients[tensor].astype(np.float64), 1)
        np.testing.assert_allclose(result.values[tensor], mean * rows, atol=NEAR)


@case
@given(cases())
def test_surgery_leaves_fetches_equal(drawn):
    name, feed = drawn
    for edited, _ in (gt.prune(model(name), ["y:0"]), gt.freeze(model(name), ["y:0"]), gt.swap_inputs(model(name)),
                      gt.inference_mode(model(name))):
        assert gt.verify(model(name), edited, feed, ["y:0"]).ok
