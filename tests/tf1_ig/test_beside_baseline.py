"""A row right beside its baseline: entries are float32, so that the scores' difference says less than the gradient."""

import numpy as np
import pytest

import tf1_ig
from graph_tools import _tf
from tests.models import small

RANDOM = np.random.RandomState(11)
START = RANDOM.normal(size=(24, 4)).astype(np.float32)
X = (START * (1 + 1e-6 * RANDOM.normal(size=START.shape))).astype(np.float32)
MANY = 40  # times all rows: work that is worth an affine beginning of its own


def linear():
    """A score that is small beside what it is made of."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    tf.matmul(x - START[:1], tf.constant(small.WEIGHTS), name="y")


def smooth():
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    tf.subtract(tf.matmul(tf.tanh(x), tf.constant(small.WEIGHTS)), np.tanh(START[:1]) @ small.WEIGHTS, name="y")


def narrow():
    """An affine beginning, behind which paths run."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    tf.multiply(tf.tanh(tf.matmul(x, tf.constant(small.WEIGHTS[:, :1]))), tf.constant(small.WEIGHTS[:1]), name="y")


def slope(build, x):
    """The gradient of the first score, in float64."""
    weights = small.WEIGHTS.astype(np.float64)
    if build is linear:
        return np.tile(weights[:, 0], (len(x), 1))
    if build is smooth:
        return (1 - np.tanh(x) ** 2) * weights[:, 0]
    return (1 - np.tanh(x @ weights[:, :1]) ** 2) * weights[:, 0] * weights[0, 0]


@pytest.mark.parametrize("steps", [None, 4])
@pytest.mark.parametrize("build", [linear, smooth, narrow])
def test_the_gradient_is_right_and_nothing_is_refined(build, steps):
    x, start = np.concatenate([X] * MANY), np.concatenate([START] * MANY)
    with tf1_ig.IntegratedGradients(small.model_of(build), "y", "x") as explainer:
        found = explainer.explain({"x:0": x}, 0, baseline={"x:0": start}, steps=steps)
    exact = (x.astype(np.float64) - start) * slope(build, start.astype(np.float64))
    np.testing.assert_allclose(found.values["x:0"], exact, rtol=1e-3, atol=1e-12)
    off = np.abs(found.delta) > 0.01 * np.abs(found.score - found.baseline_score)
    assert off.mean() > 0.3  # by what float32 makes of the scores
    assert found.converged.all() and set(found.steps) == {steps or 3}


@pytest.mark.parametrize("height, seen", [(1e-3, True), (0.0, False)])
def test_a_jump_beside_the_baseline_is_none_of_rounding(height, seen):
    """A step that no gradient knows of, between the row and its baseline, and its twin without one."""
    def build():
        tf = _tf.tf
        x = tf.placeholder(tf.float32, [None, 4], "x")
        over = tf.cast(x[:, :1] > np.float32(1.0000005), tf.float32) * height
        tf.add(tf.matmul(x, tf.constant(small.WEIGHTS)), over, name="y")

    start = np.ones((1, 4), np.float32)
    with tf1_ig.IntegratedGradients(small.model_of(build), "y", "x") as explainer:
        found = explainer.explain({"x:0": start * np.float32(1.000001)}, 0, baseline={"x:0": start}, max_steps=40)
    assert found.converged.tolist() == [not seen]
