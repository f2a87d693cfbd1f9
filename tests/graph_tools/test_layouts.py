"""Channels before pixels are computed where there is no GPU; their twins, channels last, say what is right."""

import functools

import numpy as np
import pytest

from graph_tools import _tf
from graph_tools.releases import layouts
from tests.models import small

RANDOM = np.random.RandomState(11)
KERNEL = RANDOM.normal(size=(3, 3, 3, 4)).astype(np.float32)
WIDE = RANDOM.normal(size=(2, 2, 5, 4)).astype(np.float32)
SCALE, OFFSET, MEAN = (RANDOM.uniform(0.5, 1.5, 4).astype(np.float32) for _ in range(3))
X = RANDOM.normal(size=(2, 3, 8, 9)).astype(np.float32)


def ops(first):
    """One of each op that has a layout, in either, with the pixels of ``X`` as they come."""
    tf = _tf.tf
    how = {"data_format": "NCHW" if first else "NHWC"}

    def sizes(*pixels):
        return [1, 1] + list(pixels) if first else [1] + list(pixels) + [1]

    x = tf.placeholder(tf.float32, [None, 3, 8, 9], "x")
    x = x if first else tf.transpose(x, [0, 2, 3, 1])
    found = tf.nn.conv2d(x, tf.constant(KERNEL), sizes(1, 2), "SAME", **how)
    found = tf.nn.bias_add(found, tf.constant(MEAN), **how)
    normed = tf.raw_ops.FusedBatchNormV3(x=found, scale=tf.constant(SCALE), offset=tf.constant(OFFSET),
                                         mean=[], variance=[], is_training=True, **how)
    found = tf.tanh(normed[0]) + tf.reduce_mean(normed[1])  # whose other outputs are read, too
    pooled = tf.nn.max_pool(found, sizes(2, 1), sizes(2, 1), "VALID", **how) + 0.1 * tf.nn.avg_pool(
        found, sizes(2, 1), sizes(2, 1), "VALID", **how)
    shape = tf.stack([tf.shape(pooled)[0]] + ([5, 8, 5] if first else [8, 5, 5]))
    wide = tf.nn.conv2d_transpose(pooled, tf.constant(WIDE), shape, sizes(2, 1), "SAME", **how)
    deep = tf.nn.depthwise_conv2d(wide, tf.constant(KERNEL[:2, :2, :1].repeat(5, 2)), sizes(1, 1), "SAME", **how)
    tf.identity(deep if first else tf.transpose(deep, [0, 3, 1, 2]), name="y")


def looped(first):
    """Convolutions in a loop, where a constant must be made inside."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 3, 8, 9], "x")
    kernel = tf.constant(KERNEL[..., :3])

    def step(number, one):
        one = one if first else tf.transpose(one, [0, 2, 3, 1])
        one = tf.tanh(tf.nn.conv2d(one, kernel, [1, 1, 1, 1], "SAME", data_format="NCHW" if first else "NHWC"))
        return number + 1, one if first else tf.transpose(one, [0, 3, 1, 2])

    with _tf.control_flow_v1():
        tf.identity(tf.while_loop(lambda number, one: number < 3, step, [0, x])[1], name="y")


def model(build, first):
    made = functools.partial(build, first)
    made.__name__ = build.__name__
    return small.model_of(made)


@pytest.mark.parametrize("build", [ops, looped])
def test_channels_before_pixels_are_computed_and_differentiated(build):
    found = []
    for first in (True, False):
        one = model(build, first)
        assert bool(layouts.channels_first(one.graph_def)) == first
        graph = one.new_graph()
        with graph.as_default():
            x, y = graph.get_tensor_by_name("x:0"), graph.get_tensor_by_name("y:0")
            gradient, = _tf.tf.gradients(_tf.tf.reduce_sum(y * y), [x])
            with _tf.tf.Session(graph=graph) as session:
                found.append(session.run([y, gradient], {x: X}))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("pixels", [(5,), (5, 6), (5, 6, 4)])
def test_a_bias_behind_channels_has_pixels_of_any_number_of_axes(pixels):
    def biased():
        tf = _tf.tf
        x = tf.placeholder(tf.float32, (None, 4) + pixels, "x")
        tf.identity(tf.raw_ops.BiasAdd(value=x, bias=tf.constant(MEAN), data_format="NCHW"), name="y")

    x = RANDOM.normal(size=(2, 4) + pixels).astype(np.float32)
    with small.model_of(biased).open_session() as session:
        np.testing.assert_allclose(session.run("y:0", {"x:0": x}), x + MEAN.reshape((4,) + (1,) * len(pixels)),
                                   rtol=1e-6)


def test_with_a_gpu_a_graph_is_left_as_it_is(monkeypatch):
    from graph_tools.releases import kernels
    monkeypatch.setattr(kernels, "has_accelerator", lambda: True)
    one = model(ops, True)
    assert {op.name for op in one.new_graph().get_operations()} == set(one.index.nodes)


def test_channels_last_are_left_as_they_are():
    one = model(ops, False)
    assert {op.name for op in one.new_graph().get_operations()} == set(one.index.nodes)


def test_a_model_that_is_written_keeps_its_layout():
    one = model(ops, True)
    assert one.graph is not None and all(node.attr["data_format"].s == b"NCHW" for node in one.graph_def.node
                                         if "data_format" in node.attr)
