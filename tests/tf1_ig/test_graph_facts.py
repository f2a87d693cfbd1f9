"""Facts of the graph: each has a model where it is said and a twin where nothing is wrong and nothing is said."""

import functools
import re
import threading

import numpy as np
import pytest

import tf1_ig
from graph_tools import _tf
from tests.models import small

X = np.random.RandomState(5).normal(size=(3, 4)).astype(np.float32)


def findings(build, output, inputs):
    if isinstance(build, functools.partial):
        build.__name__ = build.func.__name__
    with tf1_ig.IntegratedGradients(small.model_of(build), output, inputs) as explainer:
        report = tf1_ig.check(explainer)
    return {finding.name: finding for finding in report}


def reparametrised():
    """Noise that a matrix mixes before it is added: no edit into inference mode takes it for left out."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 3], "x")
    mixed = tf.matmul(tf.random_normal([2, 3], name="noise"), tf.constant([[1.0, 0.2, 0.1]] * 3))
    tf.reduce_sum(tf.tanh(x + tf.reduce_sum(mixed, 0)), 1, name="y")


def distorted():
    """Levels of a picture that is distorted at random for training."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    tf.matmul(tf.round(3 * x + tf.random_uniform([4]), name="levels"), tf.constant(small.WEIGHTS), name="y")


TRAINING = functools.partial(small.fused_batch_norm, True)
INFERENCE = functools.partial(small.fused_batch_norm, False)


@pytest.mark.parametrize("build,output,inputs,name,verdict,words", [
    (small.live_dropout, "y", "x", "randomness", "warn", "inference mode"),
    (small.dropout_by_placeholder, "y", "x", "randomness", "warn", "keep:0"),
    (reparametrised, "y", "x", "randomness", "warn", r"feed what is drawn \(noise/RandomStandardNormal:0\) to hold it"),
    (small.columns_at_random, "y", "x", "randomness", "warn", r"feed what is drawn \(order:0\)"),
    (distorted, "y", "levels", "random data", "warn", r"\(levels:0\).*RandomUniform.*Feed levels:0 itself"),
    (TRAINING, "y", "x", "batch norm", "fail", "normed"),
    (small.partly_discrete, "y", "x", "differentiable", "warn", r"winner \(ArgMax\)"),
    (small.distance_from_a_stopped_mean, "y", "x", "differentiable", "warn", "stopped"),
    (small.ids_in_a_mask, "scores", "embedding", "side paths", "ok", "ids:0.*NotEqual")])
def test_what_is_wrong_is_said(build, output, inputs, name, verdict, words):
    found = findings(build, output, inputs)[name]
    assert found.verdict == verdict
    assert re.search(words, found.advice)


@pytest.mark.parametrize("build,output,inputs", [
    (small.linear, "y", "x"), (small.masked_text, "scores", "embedding"), (INFERENCE, "y", "x"),
    (small.two_lookups, "scores", ["word_rows", "character_rows"]), (small.one_hot_flat, "scores", "rows"),
    (small.token_tagger, "scores", "embedding"), (small.norm, "y", "x"), (small.layer_norm, "y", "x")])
def test_a_good_model_is_left_in_peace(build, output, inputs):
    found = findings(build, output, inputs)
    assert all(finding.verdict == "ok" and not finding.advice for finding in found.values()), found


def test_random_data_are_drawn_before_what_is_attributed():
    assert "random data" not in findings(small.live_dropout, "y", "x")


def test_a_keep_probability_of_one_makes_dropout_harmless():
    with tf1_ig.IntegratedGradients(small.model_of(small.dropout_by_placeholder), "y", "x") as explainer:
        off = explainer.explain({"x": X, "keep": 1.0}, label=0, steps=3)
        assert tf1_ig.check(explainer)["randomness"].verdict == "ok"
        live = explainer.explain({"x": X, "keep": 0.5}, label=0, steps=3)
        assert tf1_ig.check(explainer)["randomness"].verdict == "warn"
    np.testing.assert_allclose(off.values["x:0"], X * small.WEIGHTS[:, 0], atol=1e-6)
    assert not off.notes and any("random" in note for note in live.notes)


def test_findings_are_those_of_the_feed_that_the_thread_explained():
    """Sixteen threads on one explainer, half of them with live dropout; each asks after all have explained."""
    together, told = threading.Barrier(16), {}

    def work(number):
        result = explainer.explain({"x": X, "keep": 0.5 if number % 2 else 1.0}, label=0, steps=3)
        together.wait(60)
        for finding in list(result.graph_findings) + explainer.findings():
            if finding.name == "randomness":
                told.setdefault(number, []).append(finding.verdict)

    with tf1_ig.IntegratedGradients(small.model_of(small.dropout_by_placeholder), "y", "x") as explainer:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
    assert told == {number: ["warn" if number % 2 else "ok"] * 2 for number in range(16)}


def test_the_undifferentiable_part_is_the_delta():
    with tf1_ig.IntegratedGradients(small.model_of(small.partly_discrete), "y", "x") as explainer:
        found = explainer.explain({"x": X}, steps=10)
    np.testing.assert_allclose(found.values["x:0"], X, atol=1e-6)
    np.testing.assert_allclose(found.delta, -10.0 * X.argmax(1), atol=1e-4)
    assert not found.converged[X.argmax(1) > 0].any()


def test_ids_in_a_mask_keep_their_value_in_both_scores():
    """``F(x) - F(baseline rows, these ids)`` is what the attributions sum to; the rest is the mask's, to 1e-6."""
    model = small.model_of(small.ids_in_a_mask)
    ids = np.array([[3, 4, 0, 0], [5, 6, 7, 0]])
    with tf1_ig.IntegratedGradients(model, "scores", "embedding") as explainer:
        found = explainer.explain({"ids": ids}, label=1, baseline={"ids:0": 0}, steps=60)
    with model.open_session() as session:
        rows = session.run("embedding:0", {"ids:0": ids})
        here = session.run("scores:0", {"ids:0": ids, "embedding:0": np.broadcast_to(small.TABLE[0], rows.shape)})[:, 1]
        away = session.run("scores:0", {"ids:0": np.zeros_like(ids)})[:, 1]
        score = session.run("scores:0", {"ids:0": ids})[:, 1]
    np.testing.assert_allclose(found.baseline_score, here, atol=1e-6)
    np.testing.assert_allclose(found.tokens["embedding:0"].sum(1), score - here, atol=1e-6)
    gap = (score - away) - found.tokens["embedding:0"].sum(1)
    np.testing.assert_allclose(gap, here - away, atol=1e-6)
