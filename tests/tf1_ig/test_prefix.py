"""Behind the affine beginning: the same numbers as through the whole model, and only where that is proven."""

import numpy as np
import pytest

import tf1_ig
from graph_tools import _tf
from tests.models import small
from tests.tf1_ig import brute_force
from tf1_ig.engine import prefix
from tf1_ig.question import tried

RANDOM = np.random.RandomState(5)
X = RANDOM.normal(size=(7, 6, 4)).astype(np.float32)
KERNEL = RANDOM.normal(size=(3, 4, 5)).astype(np.float32)
DENSE = RANDOM.normal(size=(5, 3)).astype(np.float32)


def both(monkeypatch, build, feed, output="y", inputs="x", used=True, **how):
    """Attributions through the whole model and behind its prefix; whether the prefix is used is checked."""
    found, made, slices = [], [], prefix.Prefix.slices
    monkeypatch.setattr(prefix.Prefix, "slices", lambda self, *more: made.append(1) or slices(self, *more))
    for worth in (1 << 60, 0):
        monkeypatch.setattr(prefix, "WORTH_BUILDING", worth)
        with tf1_ig.IntegratedGradients(small.model_of(build), output, inputs=inputs) as explainer:
            found.append(explainer.explain(feed, **dict({"steps": 20}, **how)))
            assert bool(made) == (used and not worth)
    return found


def assert_same(whole, behind, rtol=5e-6):
    for name, expected in whole.values.items():
        for row, other in zip(expected, behind.values[name]):
            np.testing.assert_allclose(other, row, rtol=0, atol=rtol * max(1e-12, np.abs(row).max()))
        assert max(np.abs(row).max() for row in expected) > 1e-4
    np.testing.assert_allclose(behind.delta, whole.delta, atol=2e-5)


def conv():
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, None, 4], "x")
    hidden = tf.tanh(tf.nn.conv1d(x, KERNEL, 1, "SAME") + np.float32(0.3))
    tf.nn.softmax(tf.matmul(tf.reduce_max(hidden, 1), DENSE), name="y")


def masked():
    """Lengths of the rows before the bend, and again behind it."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 6, 4], "x")
    lengths = tf.placeholder(tf.int32, [None], "lengths")
    mask = tf.expand_dims(tf.cast(tf.sequence_mask(lengths, 6), tf.float32), 2)
    hidden = tf.tensordot(tf.reduce_sum(x * mask, 1) / tf.reduce_sum(mask, 1), KERNEL[0], [[1], [0]])
    tf.nn.softmax(tf.matmul(tf.sigmoid(hidden), DENSE) * tf.cast(lengths, tf.float32)[:, None], name="y")


def residual():
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 6, 4], "x")
    hidden = tf.tensordot(x, KERNEL[1], [[2], [0]])
    hidden = tf.tanh(hidden) + tf.pad(x, [[0, 0], [0, 0], [0, 1]])
    tf.nn.softmax(tf.matmul(tf.reduce_mean(tf.square(hidden), 1), DENSE), name="y")


def time_major():
    """The rows' axis is moved away before the bend: not the frontier's first axis."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 6, 4], "x")
    hidden = tf.tanh(tf.tensordot(tf.transpose(x, [1, 0, 2]), KERNEL[1], [[2], [0]]))
    tf.nn.softmax(tf.matmul(tf.reduce_mean(hidden, 0), DENSE), name="y")


@pytest.mark.parametrize("build, feed", [(conv, {"x:0": X}), (masked, {"x:0": X, "lengths:0": [1, 2, 3, 4, 5, 6, 2]}),
                                         (residual, {"x:0": X})], ids=["conv", "masked", "residual"])
@pytest.mark.parametrize("baseline", ["zero", "mean"])
def test_a_fixed_rule_gives_the_same_numbers(monkeypatch, build, feed, baseline):
    assert_same(*both(monkeypatch, build, feed, label=[0, 1, 2, 0, 1, 2, 0], baseline=baseline))


def test_numbers_are_right_against_brute_force(monkeypatch):
    _, behind = both(monkeypatch, conv, {"x:0": X}, label=1, steps=200, method="midpoint")
    for row in range(len(X)):
        (expected,), *_ = brute_force.integrated_gradients(small.model_of(conv), ["x:0"], "y:0", (0, 1), {
            "x:0": X[row:row + 1]})
        np.testing.assert_allclose(behind.values["x:0"][row], expected[0], atol=2e-6)


def by_token():
    """Fewer numbers a token, each of its own token."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 6, 4], "x")
    hidden = tf.tanh(tf.tensordot(x, KERNEL[1][:, :3], [[2], [0]]))
    tf.nn.softmax(tf.matmul(tf.reduce_mean(hidden, 1), DENSE[:3]), name="y")


@pytest.mark.parametrize("build, used", [(by_token, True), (masked, False)])
def test_an_adaptive_rule_goes_behind_a_frontier_that_keeps_tokens_apart(monkeypatch, build, used):
    feed = {"x:0": X, "lengths:0": [1, 2, 3, 4, 5, 6, 2]}
    feed = feed if build is masked else {"x:0": X}
    whole, behind = both(monkeypatch, build, feed, label=0, steps=None, tolerance=1e-5, used=used)
    assert behind.converged.all()
    assert_same(whole, behind, rtol=1e-4)


def test_what_cancels_in_a_unit_is_as_well_known_as_what_does_not(monkeypatch):
    """What features bring to the first of two units cancels: its part of the derivative is nothing, whatever it is
    weighed by, and the score is a straight line. The features' own parts bend with the second unit."""
    random = np.random.RandomState(3)
    first = random.normal(size=(12, 2)).astype(np.float32)
    one, rows = first[:, 0], random.normal(size=(60, 12))
    rows -= np.outer(rows @ one, one) / (one @ one)
    rows *= (random.uniform(0.7, 1.5, 60) / (rows @ first[:, 1]))[:, None]
    rows = rows.astype(np.float32)

    def units():
        tf = _tf.tf
        hidden = tf.matmul(tf.placeholder(tf.float32, [None, 12], "x"), tf.constant(first))
        tf.add(hidden[:, :1] * tf.tanh(6.0 * hidden[:, 1:] - 3.0), hidden[:, 1:], name="y")

    monkeypatch.setattr(prefix, "WORTH_BUILDING", 0)
    with tf1_ig.IntegratedGradients(small.model_of(units), "y", inputs="x") as explainer:
        values = explainer.explain({"x:0": rows}, label=0).values["x:0"]
    second = rows.astype(np.float64) @ first[:, 1]
    weighed = np.tanh(6.0 * second * (np.arange(20000)[:, None] + 0.5) / 20000 - 3.0).mean(0)
    exact = rows * (weighed[:, None] * one + first[:, 1])
    off = np.abs(values - exact).sum(1) / np.abs(exact).sum(1)
    assert np.mean(off > 0.01) <= 0.05 and off.max() <= 0.02, off.max()


def test_words_of_several_lookups_of_unequal_length(monkeypatch):
    """Merged ids, combined rows and a dense layer lie before the bend; attributions are to single words."""
    def build():
        tf = _tf.tf
        words = tf.sparse_placeholder(tf.int64, [None, None], "words")
        deep = tf.nn.embedding_lookup_sparse(tf.constant(small.TABLE, name="table"), words, None, combiner="mean")
        tf.nn.softmax(tf.matmul(tf.tanh(tf.matmul(deep, KERNEL[0])), DENSE), name="y")

    owner = np.array([0, 0, 0, 1, 2, 2])
    indices = np.stack([owner, [0, 1, 2, 0, 0, 1]], 1).astype(np.int64)
    feed = {"words/indices:0": indices, "words/values:0": np.array([3, 3, 7, 3, 9, 7], np.int64),
            "words/shape:0": np.array([3, 3], np.int64)}
    whole, behind = both(monkeypatch, build, feed, inputs="auto", label=1)
    (values,) = behind.values.values()
    assert [len(row) for row in values] == [3, 1, 2]
    assert_same(whole, behind)


def test_a_frontier_without_rows_is_not_used(monkeypatch):
    for count in (1, 2, 6, 7):
        assert_same(*both(monkeypatch, time_major, {"x:0": X[:count]}, label=1, used=False))


def test_it_is_not_used_where_numbers_differ(monkeypatch):
    """Were a bending op taken for an affine one, the comparison with the whole model would show it."""
    monkeypatch.setitem(prefix.affine.AFFINE, "Tanh", prefix.affine.AFFINE["Neg"])
    assert_same(*both(monkeypatch, conv, {"x:0": X}, label=1, used=False))


def test_slices_of_a_large_batch_change_nothing(monkeypatch):
    monkeypatch.setattr(prefix, "EXAMPLES_PER_RUN", 3)
    monkeypatch.setattr(prefix, "FLOATS_HELD", 64)
    assert_same(*both(monkeypatch, conv, {"x:0": X}, label=[0, 1, 2, 0, 1, 2, 0]))


def test_a_little_work_builds_nothing():
    with tf1_ig.IntegratedGradients(small.model_of(conv), "y", inputs="x") as explainer:
        explainer.explain({"x:0": X[:1]}, label=0, steps=20)
        assert explainer._prefix._prefix is None


@pytest.mark.parametrize("explainer, built", [(tf1_ig.IntegratedGradients, True), (tried.Tried, False)])
def test_a_trial_builds_no_second_engine(monkeypatch, explainer, built):
    """After it nothing is explained any more, and to build one takes longer than the few points of a trial."""
    monkeypatch.setattr(prefix, "WORTH_BUILDING", 0)
    with explainer(small.model_of(conv), "y", inputs="x") as opened:
        opened.explain({"x:0": RANDOM.normal(size=(3, 6, 4)).astype(np.float32)}, label=0, steps=2)
        assert (opened._prefix._prefix is not None) == built
