"""Methods that ask for scores and gradients themselves: against closed forms, enumeration and other implementations."""

import itertools
import math

import numpy as np
import pytest

import tf1_ig
from graph_tools import _tf
from tests.models import small
from tf1_ig import methods
from tf1_ig.errors import MethodError

RANDOM = np.random.RandomState(31)
A, B = RANDOM.normal(size=(6, 4)).astype(np.float32), RANDOM.normal(size=4).astype(np.float32)
X = RANDOM.normal(size=(2, 6)).astype(np.float32)
TEXT = {"ids:0": np.array([[3, 1, 4, 1], [9, 2, 6, 5]]), "lengths:0": np.array([4, 3]), "temperature:0": 1.0}
BAGS = {"bag/indices:0": np.array([[0, 0], [0, 1], [0, 2], [1, 0], [2, 0], [2, 1]]),
        "bag/values:0": np.array([1, 2, 1, 7, 4, 0]), "bag/shape:0": np.array([3, 3])}


def network():
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 6], "x")
    tf.reduce_sum(tf.tanh(tf.matmul(x, tf.constant(A))) * tf.constant(B), 1, name="y")


def score(x):
    return np.tanh(np.asarray(x, np.float64) @ A) @ B


def gradient(x):
    return A.astype(np.float64) @ ((1 - np.tanh(x @ A) ** 2) * B)


@pytest.fixture(scope="module")
def net():
    with tf1_ig.IntegratedGradients(small.model_of(network), "y", "x") as explainer:
        yield lambda name, x=X, **more: explainer.explain_variant(name, {"x:0": x}, **more)


def shapley_by_orders(value, count):
    """From the definition: the mean gain of each token over all orders of joining."""
    total = np.zeros(count)
    for order in itertools.permutations(range(count)):
        have = np.zeros(count)
        for token in order:
            before = value(have)
            have[token] = 1
            total[token] += value(have) - before
    return total / math.factorial(count)


# -- scores only -------------------------------------------------------------------------------------------------------

def test_occlusion_is_the_fall_of_the_score_without_each_feature(net):
    found = net("occlusion", baseline=0.25)
    for row, x in enumerate(X):
        for feature in range(6):
            without = x.copy()
            without[feature] = 0.25
            assert found.values["x:0"][row, feature] == pytest.approx(score(x) - score(without), abs=1e-5)
    assert found.completeness == "none" and np.isnan(found.delta).all() and (found.evaluations == 6).all()
    np.testing.assert_allclose(found.score, score(X), rtol=1e-5)


def test_occlusion_and_shapley_of_tokens_spread_each_number_over_its_row():
    def value(explainer, row, have):
        """Forward only, one point a run, through the model's own graph."""
        feed = dict(explainer.model_feed, **{"embedding:0": small.TABLE[TEXT["ids:0"]] * 1.0})
        feed["embedding:0"][row] *= have[:, None]
        return explainer.session.run("scores:0", feed)[row, 1]

    class Forward:
        model_feed = TEXT

    model = small.model_of(small.masked_text)
    with tf1_ig.IntegratedGradients(model, "scores", "embedding") as explainer, model.open_session() as session:
        Forward.session = session
        occluded = explainer.explain_variant("occlusion", TEXT, label=1)
        shapley = explainer.explain_variant("shapley", TEXT, label=1)
        for row in range(2):
            expected = [value(Forward, row, np.ones(4)) - value(Forward, row, 1 - np.eye(4)[token])
                        for token in range(4)]
            np.testing.assert_allclose(occluded.tokens["embedding:0"][row], expected, atol=1e-6)
            np.testing.assert_allclose(occluded.values["embedding:0"][row], np.tile(np.array(expected)[:, None] / 4, 4),
                                       atol=1e-6)
            np.testing.assert_allclose(shapley.tokens["embedding:0"][row], shapley_by_orders(
                lambda have, row=row: value(Forward, row, have), 4), atol=1e-6)
    assert np.abs(occluded.values["embedding:0"][1, 3]).max() < 1e-7, "a masked token makes no difference"
    assert np.abs(shapley.delta).max() < 1e-6 and shapley.converged.all() and shapley.token_standard_error is None
    np.testing.assert_allclose(shapley.baseline_output, explainer_baseline(model), atol=1e-6)


def explainer_baseline(model):
    with model.open_session() as session:
        return session.run("scores:0", dict(TEXT, **{"embedding:0": np.zeros((2, 4, 4), np.float32)}))


def test_shapley_values_of_features_are_those_of_all_orders_and_sum_to_the_difference(net):
    found = net("shapley", baseline=0.1)
    for row, x in enumerate(X):
        expected = shapley_by_orders(lambda have, x=x: score(np.where(have > 0, x, np.float32(0.1))), 6)
        np.testing.assert_allclose(found.values["x:0"][row], expected, atol=1e-5)
    np.testing.assert_allclose(found.values["x:0"].sum(1), found.score - found.baseline_score, atol=1e-6)


def long_network():
    """Fourteen features; the last two do the same, and one does nothing."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 14], "x")
    tf.reduce_sum(tf.tanh(tf.matmul(x, tf.constant(LONG))) * tf.constant(B), 1, name="y")


LONG = np.random.RandomState(8).normal(size=(14, 4)).astype(np.float32)
LONG[13], LONG[5] = LONG[12], 0


def test_samples_that_are_asked_for_are_drawn_of_short_rows_too(net):
    drawn, exact = net("shapley", baseline=0.1, samples=400, seed=3), net("shapley", baseline=0.1)
    error, away = drawn.standard_error["x:0"], np.abs(drawn.values["x:0"] - exact.values["x:0"])
    assert exact.standard_error is None and drawn.token_standard_error is not None
    assert (error > 0).any() and np.all(away <= 4.5 * error + 1e-5)
    assert np.abs(drawn.delta).max() < 1e-5


def test_beyond_twelve_tokens_orders_are_drawn_and_the_standard_errors_are_true():
    x = np.random.RandomState(9).normal(size=(2, 14)).astype(np.float32)
    x[:, 13] = x[:, 12]
    places = np.arange(1 << 14)
    bits = (places[:, None] >> np.arange(14)) & 1
    size = bits.sum(1)
    weights = np.array([1 / (14 * math.comb(13, k)) if hasattr(math, "comb") else math.factorial(k) * math.factorial(
        13 - k) / math.factorial(14) for k in range(14)])
    with tf1_ig.IntegratedGradients(small.model_of(long_network), "y", "x") as explainer:
        few, many = (explainer.explain_variant("shapley", {"x:0": x}, samples=samples, seed=1) for samples in (50, 450))
        again = explainer.explain_variant("shapley", {"x:0": x[1:]}, samples=50, seed=1)
    for row in range(2):
        values = np.tanh((bits * x[row].astype(np.float64)) @ LONG) @ B
        exact = np.zeros(14)
        for token in range(14):
            without = places[bits[:, token] == 0]
            exact[token] = ((values[without | (1 << token)] - values[without]) * weights[size[without]]).sum()
        for found in (few, many):
            error = found.standard_error["x:0"][row]
            away = np.abs(found.values["x:0"][row] - exact)
            assert np.all(away <= 4.5 * error + 1e-5) and np.median(away / np.maximum(error, 1e-6)) < 2
            assert away[5] < 1e-6 and error[5] < 1e-6
            assert found.delta[row] == pytest.approx(0, abs=1e-5)
    np.testing.assert_allclose(few.standard_error["x:0"].mean() / many.standard_error["x:0"].mean(), 3, rtol=0.25)
    np.testing.assert_allclose(again.values["x:0"][0], few.values["x:0"][1], atol=1e-6)
    assert few.token_standard_error["x:0"].shape == few.tokens["x:0"].shape


# -- step by step ------------------------------------------------------------------------------------------------------

# As PAIR saliency 0.2.1 (core/guided_ig.py) computed them once, in float64, with the gradient above.
PAIR = {(10, 0.25, 0.02): [[0.003688, -0.19869613, -0.08324789, -0.45963456, 0.52912721, 0.15499052],
                           [-0.01611914, -0.09782483, 0.00094072, 0.20237534, -0.24463827, 0.95993694]],
        (10, 0.5, 0.2): [[0.00670437, -0.1924554, -0.07788774, -0.46440822, 0.50148716, 0.15490234],
                         [-0.01431698, -0.07607782, 0.00113214, 0.32344397, -0.15064005, 0.7360262]],
        (50, 0.25, 0.02): [[0.00262754, -0.19614174, -0.08463752, -0.4612725, 0.51743849, 0.15407777],
                           [-0.01653844, -0.0917518, 0.00085353, 0.16583578, -0.21686641, 0.8995918]],
        (50, 0.5, 0.2): [[0.00504414, -0.19199153, -0.08198882, -0.46743024, 0.50854322, 0.15611776],
                         [-0.01463052, -0.06935107, 0.00104158, 0.28680605, -0.1273301, 0.66739242]]}


@pytest.mark.parametrize("steps, fraction, max_dist", sorted(PAIR))
def test_guided_ig_gives_the_numbers_of_pair_saliency(net, steps, fraction, max_dist):
    found = net("guided_ig", steps=steps, fraction=fraction, max_dist=max_dist)
    np.testing.assert_allclose(found.values["x:0"], PAIR[steps, fraction, max_dist], atol=2e-6)
    assert (found.steps == steps).all() and (found.evaluations == steps).all()


def test_guided_ig_is_complete_as_its_steps_grow_and_integrated_gradients_in_a_narrow_corridor(net):
    errors = [np.abs(net("guided_ig", steps=steps).delta).max() for steps in (25, 100, 400)]
    assert errors[2] < errors[1] < errors[0] and errors[2] < 2e-2
    narrow = net("guided_ig", steps=400, fraction=1.0, max_dist=1e-9)
    plain = net("integrated_gradients", steps=400, method="left")
    np.testing.assert_allclose(narrow.values["x:0"], plain.values["x:0"], atol=2e-3)
    nowhere = net("guided_ig", x=np.full((1, 6), 0.5, np.float32), baseline=0.5)
    assert not nowhere.values["x:0"].any()


def idgi_in_numpy(x, start, steps):
    """The authors' algorithm 1: the gain of every step in the direction of the gradient."""
    total = np.zeros(len(x))
    for step in range(steps):
        here, there = (start + (x - start) * share / steps for share in (step, step + 1))
        slope = gradient(here)
        total += slope * slope * (score(there) - score(here)) / (slope @ slope)
    return total


@pytest.mark.parametrize("steps", [1, 7, 40])
def test_idgi_is_its_authors_formula_and_sums_to_the_difference(net, steps):
    found = net("idgi", steps=steps, baseline=0.2)
    expected = [idgi_in_numpy(x.astype(np.float64), np.full(6, np.float32(0.2), np.float64), steps) for x in X]
    np.testing.assert_allclose(found.values["x:0"], expected, atol=5e-6)
    assert np.abs(found.delta).max() < 1e-5 and (found.evaluations == steps).all() and found.method == "idgi"


# -- wherever rows are -------------------------------------------------------------------------------------------------

@pytest.mark.dealt
@pytest.mark.parametrize("name", ["occlusion", "shapley", "guided_ig", "idgi"])
def test_ragged_rows_rows_in_company_and_several_inputs(name):
    with tf1_ig.IntegratedGradients(small.model_of(small.word_bags), "y") as explainer:
        together = explainer.explain_variant(name, BAGS, label=1)
        rows = together.values[explainer.inputs[0]]
        assert [row.shape for row in rows] == [(3, 4), (1, 4), (2, 4)] and all(np.abs(row).max() > 0 for row in rows)
        if name != "occlusion":
            assert np.abs(together.delta).max() < 0.05
        if name == "shapley":  # the same word twice: the same value
            tokens = together.tokens[explainer.inputs[0]][0]
            assert tokens[0] == pytest.approx(tokens[2], abs=1e-6)
    with tf1_ig.IntegratedGradients(small.model_of(small.batch_normed), "y", "x") as explainer:
        x = RANDOM.normal(size=(3, 4)).astype(np.float32)
        found = explainer.explain_variant(name, {"x:0": x}, label=0)
        assert found.running == "in company" and found.values["x:0"].shape == (3, 4)
        if name == "shapley":
            assert np.abs(found.delta).max() < 1e-5
    with tf1_ig.IntegratedGradients(small.model_of(small.two_lookups), "scores", [
            "word_rows", "character_rows"]) as explainer:
        found = explainer.explain_variant(name, {"words:0": [[1, 2, 3]], "characters:0": [[4, 5], [6, 7], [8, 9]]},
                                          label=2)
        assert {key: value.shape for key, value in found.values.items()} == {
            "word_rows:0": (1, 3, 4), "character_rows:0": (1, 3, 2, 4)}
        assert name == "occlusion" or np.abs(found.delta).max() < 0.1


def test_rows_that_turn_out_coupled_are_asked_again_in_company():
    x = (0.3 * RANDOM.normal(size=(3, 4))).astype(np.float32)
    with tf1_ig.IntegratedGradients(small.model_of(small.loudest_row), "y", "x") as explainer:
        found = explainer.explain_variant("shapley", {"x:0": x}, label=1, baseline=9.0)
        plain = explainer.explain({"x:0": x}, label=1, baseline=9.0, steps=30)
    assert found.running == plain.running == "in company" and found.coupled and plain.coupled
    np.testing.assert_allclose(found.baseline_score, plain.baseline_score, atol=1e-6)
    assert np.abs(found.delta).max() < 1e-5


@pytest.mark.parametrize("name, options, told", [
    ("occlusion", {"steps": 3}, "has no steps"), ("shapley", {"samples": 0}, "samples must be"),
    ("guided_ig", {"fraction": 0}, "shares above 0"), ("idgi", {"steps": 0}, "steps must be"),
    ("shapley", {"draws": 3}, "knows no draws"), ("occlusion", {"baselines": []}, "knows no baselines")])
def test_wrong_calls_say_what_is_right(net, name, options, told):
    with pytest.raises(MethodError, match=told):
        net(name, **options)


def test_the_explainer_lists_every_method():
    told = tf1_ig.IntegratedGradients.explain_variant.__doc__
    assert [name for name in methods.METHODS if '"%s"' % name not in told] == ["integrated_gradients"]


def test_every_method_has_a_paper_and_a_claim():
    for name, method in methods.METHODS.items():
        assert method.completeness in ("exact", "in expectation", "none") and method.title, name
        assert any(digit.isdigit() for digit in method.function.__doc__), "the year of a paper: %s" % name
