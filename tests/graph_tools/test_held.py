"""Large constants are held once: the graph that runs has variables for them, the numbers are the same."""

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from graph_tools import _tf, held
from tests.models import small
from tests.tf1_ig import brute_force

WIDE = 640  # 640 x 640 float32 are more than a MiB


def _weights(seed, *shape):
    return np.random.RandomState(seed).normal(size=shape, scale=0.1).astype(np.float32)


def _network():
    tf = _tf.tf
    table = tf.constant(_weights(0, 4000, 80), name="table")
    rows = tf.gather(table, tf.placeholder(tf.int32, [None, 3], "ids"), name="rows")
    first = tf.constant(_weights(1, 240, 1200), name="first")
    turned = tf.transpose(tf.identity(tf.constant(_weights(2, 2, 160000), name="folded"), "folded/read"))
    hidden = tf.tanh(tf.matmul(tf.reshape(rows, [-1, 240]), tf.identity(first, "first/read")))
    small_one = tf.constant(_weights(3, 1200, 4), name="small")
    tf.nn.softmax(tf.matmul(hidden, small_one) + tf.reduce_mean(turned), name="scores")


def _loop():
    """A large constant that enters a while loop, and is used in a branch."""
    tf = _tf.tf
    weights = tf.constant(_weights(4, WIDE, WIDE), name="weights")
    x = tf.placeholder(tf.float32, [None, WIDE], "x")
    with _tf.control_flow_v1():
        _, value = tf.while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, tf.tanh(tf.matmul(v, weights))), [0, x])
        value = tf.cond(tf.reduce_sum(x) > 1e9, lambda: value, lambda: tf.matmul(value, weights))
    tf.reduce_sum(value, 1, name="y")


def test_only_large_constants_are_held_of_which_nothing_is_folded():
    model = small.model_of(_network)
    assert model.held == {"table", "first"}
    assert "folded" in {node.name for node in held.large(model.meta_graph.graph_def)}
    assert small.model_of(small.quadratic).held == frozenset()


def test_the_graph_of_a_model_keeps_its_constants_and_its_outline_has_none_of_their_bytes():
    model = small.model_of(_network)
    assert model.graph.get_operation_by_name("table").type == "Const"
    assert model.new_graph().get_operation_by_name("first").type == "Const"
    outline = model.outline
    for name in ("table:0", "first:0", "scores:0"):
        ours, theirs = outline.get_tensor_by_name(name), model.graph.get_tensor_by_name(name)
        assert (ours.dtype, ours.shape.as_list()) == (theirs.dtype, theirs.shape.as_list())
    assert outline.as_graph_def().ByteSize() < 2 << 20 < model.graph.as_graph_def().ByteSize()


def test_searches_read_the_values_and_nothing_is_changed():
    model = small.model_of(_network)
    before = model.meta_graph.SerializeToString(deterministic=True)
    found = gt.find_embeddings(model).only()
    assert (found.tensor, found.vocab_size, found.dim) == ("rows:0", 4000, 80)
    assert not [name for name in model.index.nodes if "held" in name]
    np.testing.assert_array_equal(held.value(model.index.nodes["table"]), _weights(0, 4000, 80))
    assert model.meta_graph.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("build, output, inputs, feed", [
    (_network, "scores", "rows", {"ids:0": np.array([[1, 2, 3], [7, 7, 3999]], np.int32)}),
    (_loop, "y", "x", {"x:0": _weights(5, 2, WIDE)})])
def test_explanations_are_those_of_the_definition(build, output, inputs, feed):
    model = small.model_of(build)
    label = 1 if output == "scores" else None
    with tf1_ig.IntegratedGradients(model, output, inputs) as explainer:
        assert explainer._engine.graph.get_operation_by_name(sorted(model.held)[0]).type == "Identity"
        found = explainer.explain(feed, label=label, method="midpoint", steps=4).values[inputs + ":0"]
    (name, array), = feed.items()
    for row in range(len(array)):
        expected = brute_force.integrated_gradients(
            model, [inputs + ":0"], output + ":0", 0 if label is None else (0, label), {name: array[row:row + 1]},
            steps=4)[0][0]
        np.testing.assert_allclose(found[row:row + 1], expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max())


def test_weights_are_counted_in_constants_and_variables():
    model = small.model_of(_network)
    assert held.weights(model.index) == pytest.approx(4000 * 80 + 240 * 1200 + 2 * 160000 + 1200 * 4, abs=20)
