"""Noise is the input of a graph that takes no other, and of no graph that does."""

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from graph_tools import _tf
from graph_tools.find import latent
from tests.models import small

WEIGHTS = np.random.RandomState(5).normal(size=(3, 4)).astype(np.float32)


def generator(count=6):
    """Noise between -1 and 1, a layer, a picture; without its seed it is another at each run."""
    tf = _tf.tf
    z = tf.random_uniform([count, 3], -1.0, 1.0, name="z")
    tf.tanh(tf.matmul(z, tf.constant(WEIGHTS)), name="picture")


def with_data():
    """The twin: the noise is added to what is fed."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 3], "x")
    z = tf.random_uniform([6, 3], -1.0, 1.0, name="z")
    tf.tanh(tf.matmul(x, tf.constant(WEIGHTS)) + tf.matmul(z, tf.constant(WEIGHTS)), name="picture")


def dropped():
    """The twin: what the noise is compared with decides, and its value leads to no layer."""
    tf = _tf.tf
    weights = tf.constant(WEIGHTS)
    kept = tf.floor(0.5 + tf.random_uniform([3, 4]))
    tf.matmul(tf.constant(WEIGHTS), tf.transpose(weights * kept), name="picture")


def test_what_a_generator_draws_is_its_input():
    model = small.model_of(generator)
    found = gt.find_inputs(model).only(kind="noise")
    assert found.tensor == "z:0" and found.shape == (6, 3) and found.batch == 6
    assert gt.find_outputs(model).distinct()[0].tensor == "picture:0"
    fed = np.random.RandomState(1).normal(size=(6, 3)).astype(np.float32)
    with tf1_ig.IntegratedGradients(model, "picture:0") as explainer:
        assert explainer.inputs == ("z:0",)
        result = explainer.explain({"z:0": fed}, label=2, tolerance=1e-4)
    # tanh(w.z) is its whole along a straight line: each part is its share of w.z.
    parts = fed * WEIGHTS[:, 2]
    expected = parts / parts.sum(1, keepdims=True) * np.tanh(parts.sum(1, keepdims=True))
    np.testing.assert_allclose(result.values["z:0"], expected, rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize("build", [with_data, dropped])
def test_other_noise_is_none(build):
    model = small.model_of(build)
    assert not latent.flow_of(model.index).drawn
    assert not [one for one in gt.find_inputs(model) if one.kind == "noise"]
