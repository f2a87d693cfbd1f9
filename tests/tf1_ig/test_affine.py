"""Which tensors are the last affine ones: told from the ops, wrong in neither direction."""

import numpy as np
import pytest

from graph_tools import _tf
from tests.models import small
from tf1_ig.engine import affine


def frontier_of(build, inputs=("x:0",), output="y:0"):
    return affine.frontier(small.model_of(build).index, list(inputs), output)


def tensors_of(build, **more):
    found = frontier_of(build, **more)
    return None if found is None else [name[:-2] if name.endswith(":0") else name for name in found.tensors]


def placeholder(*sizes):
    return _tf.tf.placeholder(_tf.tf.float32, [None] + list(sizes), "x")


WEIGHTS = np.random.RandomState(0).normal(size=(4, 3)).astype(np.float32)


def test_a_dense_layer_ends_at_its_activation():
    def build():
        tf = _tf.tf
        hidden = tf.nn.bias_add(tf.matmul(placeholder(4), WEIGHTS), np.ones(3, np.float32), name="hidden")
        tf.reduce_sum(tf.nn.relu(hidden), 1, name="y")

    found = frontier_of(build)
    assert found.tensors == ["hidden:0"] and len(found.products) == 1


def test_what_is_used_twice_ends_in_both_places():
    def build():
        tf = _tf.tf
        x = placeholder(4)
        half = tf.multiply(x, 0.5, name="half")
        inner = tf.matmul(half, WEIGHTS, name="inner")
        tf.reduce_sum(tf.nn.relu(inner), 1) + tf.reduce_sum(tf.square(half), 1)
        tf.add(tf.reduce_sum(tf.nn.relu(inner), 1), tf.reduce_sum(tf.square(half), 1), name="y")

    assert tensors_of(build) == ["half", "inner"]


@pytest.mark.parametrize("bend", [
    lambda tf, x: x * x, lambda tf, x: tf.matmul(x, x, transpose_b=True), lambda tf, x: 1.0 / x,
    lambda tf, x: tf.stop_gradient(x), lambda tf, x: tf.where(x > 0, x, -x), lambda tf, x: tf.cast(x, tf.float16),
    lambda tf, x: tf.while_loop(lambda i, _: i < 2, lambda i, a: (i + 1, 2 * a), (tf.constant(0), x))[1],
    lambda tf, x: tf.cond(tf.reduce_sum(x) > 0, lambda: 2 * x, lambda: 3 * x),
    lambda tf, x: tf.nn.fused_batch_norm(x[:, None, None], np.ones(4, np.float32), np.ones(4, np.float32))[0]],
    ids=["square", "product", "quotient", "stop", "where", "cast", "loop", "cond", "batch norm"])
def test_what_bends_is_not_passed(bend):
    def build():
        tf = _tf.tf
        with _tf.control_flow_v1():
            twice = tf.multiply(placeholder(4), 2.0, name="twice")
            tf.reduce_sum(tf.cast(bend(tf, twice), tf.float32), -1, name="y")

    before = frontier_of(build).nodes
    bent = [name for name in before if name.split("/")[0] not in ("twice", "strided_slice", "ExpandDims", "Neg", "Sum")]
    assert "twice" in before and not bent


def test_ops_that_only_ask_for_the_shape_do_not_count():
    def build():
        tf = _tf.tf
        x = placeholder(4)
        hidden = tf.matmul(x, WEIGHTS, name="hidden")
        tf.reduce_sum(tf.nn.relu(tf.reshape(hidden, [tf.shape(x)[0], 3])), 1, name="y")

    assert tensors_of(build) == ["Reshape"]


def test_a_model_that_is_affine_throughout_ends_before_its_output():
    def build():
        _tf.tf.matmul(_tf.tf.nn.bias_add(placeholder(4), np.ones(4, np.float32), name="shifted"), WEIGHTS, name="y")

    assert tensors_of(build) == ["shifted"]
    assert frontier_of(small.linear) is None


def test_an_op_whose_gradient_is_overridden_ends_it():
    def build():
        tf, graph = _tf.tf, _tf.tf.get_default_graph()
        with graph.gradient_override_map({"Identity": "Neg"}):
            same = tf.identity(2 * placeholder(4), name="same")
        tf.reduce_sum(tf.square(same), 1, name="y")

    assert tensors_of(build) == ["mul"]
