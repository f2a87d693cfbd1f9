"""Conductance and internal influence: closed forms, sums, layers that do not cut every path, frozen loops."""

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from graph_tools import _tf
from tests.models import small
from tf1_ig import demo
from tf1_ig.errors import InputError, MethodError

X = np.array([[1.0, 2.0, 3.0], [0.5, -1.0, 2.0]], np.float32)
W = np.random.RandomState(1).normal(size=(3, 4)).astype(np.float32)
TOP = np.random.RandomState(2).normal(size=4).astype(np.float32)


def explainer_of(build):
    def graph():
        build(_tf.tf.placeholder(_tf.tf.float32, [None, 3], name="x"))

    return tf1_ig.IntegratedGradients(small.model_of(graph), "y", inputs="x")


def linear(x):
    tf = _tf.tf
    h = tf.matmul(x, tf.constant(W), name="h")
    tf.reduce_sum(h * tf.constant(TOP), 1, name="y")


def squares(x):
    tf = _tf.tf
    h = tf.matmul(x, tf.constant(W), name="h")
    tf.reduce_sum(h * h * tf.constant(TOP), 1, name="y")


def relu_pair(x):
    tf = _tf.tf
    h = tf.nn.relu(tf.stack([x[:, 0] - 0.25, x[:, 1] + x[:, 2]], 1), name="h")
    tf.reduce_sum(h * tf.constant([2.0, -1.0]), 1, name="y")


def with_a_bypass(x):
    tf = _tf.tf
    h = tf.tanh(tf.matmul(x, tf.constant(W)), name="h")
    tf.add(tf.reduce_sum(h * h, 1), 0.5 * x[:, 0], name="y")


def test_a_linear_layer_in_closed_form():
    with explainer_of(linear) as explainer:
        found = explainer.conductance({"x:0": X}, "h")
        fixed = explainer.conductance({"x:0": X}, "h:0", steps=7, method="midpoint")
    for result in (found, fixed):
        np.testing.assert_allclose(result.values["h:0"], (X @ W) * TOP, rtol=1e-6, atol=1e-6)
        assert np.abs(result.delta).max() < 1e-5 and result.converged.all() and result.notes == ()


def test_squares_in_closed_form():
    with explainer_of(squares) as explainer:
        found = explainer.conductance({"x:0": X}, "h")
        mean = explainer.conductance({"x:0": X}, "h", kind="internal_influence")
    h = X @ W
    np.testing.assert_allclose(found.values["h:0"], h * h * TOP, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(mean.values["h:0"], h * TOP, rtol=1e-6, atol=1e-6)  # the mean of 2 h α over the path
    assert mean.completeness == "none" and np.isnan(mean.delta).all() and np.isnan(mean.baseline_score).all()


def test_kinks_in_closed_form():
    with explainer_of(relu_pair) as explainer:
        found = explainer.conductance({"x:0": X}, "h")
    wanted = np.stack([2 * np.maximum(X[:, 0] - 0.25, 0), -np.maximum(X[:, 1] + X[:, 2], 0)], 1)
    np.testing.assert_allclose(found.values["h:0"], wanted, atol=1e-6)
    assert (found.evaluations == 3).all()  # what does not change needs no more


def test_what_passes_a_layer_by_is_the_delta():
    with explainer_of(with_a_bypass) as explainer:
        found, again = (explainer.conductance({"x:0": X}, "h", tolerance=1e-4) for _ in range(2))
    np.testing.assert_allclose(found.delta, -0.5 * X[:, 0], rtol=1e-3)
    np.testing.assert_allclose(found.values["h:0"], np.tanh(X @ W) ** 2, rtol=2e-3, atol=2e-3)
    assert found.converged.all() and "does not cut every path" in found.notes[0]
    assert found.completeness == "none" and not [one for one in tf1_ig.check(found) if one.name == "completeness"
                                                 and one.verdict == "ok" and one.value > 0.1]
    np.testing.assert_array_equal(found.values["h:0"], again.values["h:0"])


def test_units_against_a_dense_sum_of_their_own():
    """Conductance one point a run, by gradients of the plain graph: a fine Stieltjes sum."""
    with explainer_of(with_a_bypass) as explainer:
        found = explainer.conductance({"x:0": X}, "h", tolerance=1e-4)
        model = explainer.resolved.model
    alphas = np.linspace(0, 1, 801)
    tf = _tf.tf
    with model.new_graph().as_default() as graph:
        h, y = graph.get_tensor_by_name("h:0"), graph.get_tensor_by_name("y:0")
        by_h, = tf.gradients(y, h)
        with tf.Session(graph=graph) as session:
            runs = [session.run([h, by_h], {"x:0": alpha * X}) for alpha in alphas]
    total = sum((a[1].astype(float) + b[1]) / 2 * (b[0].astype(float) - a[0]) for a, b in zip(runs, runs[1:]))
    np.testing.assert_allclose(found.values["h:0"], total, rtol=1e-3, atol=1e-4)


def test_the_state_of_a_frozen_loop_cuts_every_path():
    words = [demo.tokenize(text) for text in ("A superb film.", "This film is bad and dull.")]
    ids, lengths = demo.encode(words, demo.load_vocabulary())
    feed = {"input/dequeue:0": ids, "input/dequeue:1": lengths}
    model = gt.load(demo.MODEL)
    with tf1_ig.IntegratedGradients(model, "class/probabilities:0") as explainer:
        plain = explainer.explain(feed, label=1)
        layer = layer_of(model, "class/probabilities")
        found = explainer.conductance(feed, layer, label=1)
    rise = found.score - found.baseline_score
    np.testing.assert_allclose(found.values[layer].reshape(2, -1).sum(axis=1), rise, atol=0.01 * np.abs(rise).max())
    np.testing.assert_allclose(rise, plain.score - plain.baseline_score, atol=1e-6)
    assert found.converged.all() and found.evaluations.max() <= plain.evaluations.max()


def layer_of(model, output):
    """What the last matrix product of a model reads."""
    name = output
    while model.index.op(name) != "MatMul":
        name = model.index.data_inputs(name)[0].node
    return "%s:%d" % (model.index.data_inputs(name)[0].node, model.index.data_inputs(name)[0].port)


def test_a_tensor_in_a_loop_is_refused_by_name():
    model = gt.load(demo.MODEL)
    inside = next(node.name for node in model.graph_def.node if node.op == "Switch" and "while" in node.name)
    with tf1_ig.IntegratedGradients(model, "class/probabilities:0") as explainer:
        ids, lengths = demo.encode([["film"]], demo.load_vocabulary())
        with pytest.raises(InputError, match="layer %s:1 is inside a loop" % inside):
            explainer.conductance({"input/dequeue:0": ids, "input/dequeue:1": lengths}, inside + ":1", label=1)


def test_wrong_arguments_are_named():
    with explainer_of(linear) as explainer:
        with pytest.raises(MethodError, match="kind 'both' is unknown"):
            explainer.conductance({"x:0": X}, "h", kind="both")
        with pytest.raises(MethodError, match="tolerance must be"):
            explainer.conductance({"x:0": X}, "h", tolerance=0)
        with pytest.raises(gt.TensorNotFoundError, match="nosuch"):
            explainer.conductance({"x:0": X}, "nosuch")


def test_a_layer_with_a_row_for_every_token():
    """As in BERT: ``[batch * tokens, units]``, whose rows belong to the examples in blocks."""
    random = np.random.RandomState(3)
    table, weights, top = (random.normal(size=shape).astype(np.float32) for shape in ((9, 4), (4, 5), (15, 2)))

    def build():
        tf = _tf.tf
        ids = tf.placeholder(tf.int32, [None, 3], name="ids")
        rows = tf.gather(tf.constant(table), ids, name="rows")
        layer = tf.tanh(tf.matmul(tf.reshape(rows, [-1, 4]), tf.constant(weights)), name="layer")
        tf.matmul(tf.reshape(layer, [-1, 15]), tf.constant(top), name="y")

    ids = np.array([[1, 2, 3], [4, 5, 6]])
    with tf1_ig.IntegratedGradients(small.model_of(build), "y", inputs="rows") as explainer:
        found = explainer.conductance({"ids:0": ids}, "layer", label=[1, 0])
    wanted = np.tanh(table[ids] @ weights) * np.stack([top[:, 1], top[:, 0]]).reshape(2, 3, 5)
    np.testing.assert_allclose(found.values["layer:0"].reshape(2, 3, 5), wanted, atol=5e-3)


def test_what_was_asked_is_kept():
    def build(x):
        tf = _tf.tf
        hidden = tf.tanh(tf.matmul(x, tf.constant(W)), name="h")
        tf.matmul(hidden, tf.constant(np.stack([TOP, -TOP, W[0]], 1)), name="y")

    with explainer_of(build) as explainer:
        found = explainer.conductance({"x:0": X}, "h", label=tf1_ig.contrast(0, 2))
        ones = [explainer.conductance({"x:0": X}, "h", label=label) for label in (0, 2)]
    assert "rather than" in found.label_text(0) and found.outputs.shape == (2, 3) and found.coupled is False
    np.testing.assert_allclose(found.values["h:0"], ones[0].values["h:0"] - ones[1].values["h:0"], atol=1e-3)


def test_the_conductance_of_an_input_itself_is_integrated_gradients():
    with explainer_of(relu_pair) as explainer:
        found = explainer.conductance({"x:0": X}, "x", tolerance=1e-3, max_steps=4096)
        plain = explainer.explain({"x:0": X}, tolerance=1e-4, max_steps=4096)
        mean = explainer.conductance({"x:0": X}, "x:0", kind="internal_influence", steps=400)
    np.testing.assert_allclose(found.values["x:0"], plain.values["x:0"], atol=5e-3)
    np.testing.assert_allclose(mean.values["x:0"] * X, plain.values["x:0"], atol=2e-2)
    assert found.notes == () and found.completeness == "exact" and np.isnan(mean.delta).all()


def beside(x):
    tf = _tf.tf
    z = tf.placeholder(tf.float32, [None, 2], name="z")
    h = tf.matmul(x, tf.constant(W), name="h")
    tf.multiply(tf.reduce_sum(h * tf.constant(TOP), 1), tf.reduce_sum(z, 1), name="y")


def test_an_input_that_the_layer_does_not_read_passes_it_by():
    """Wide beside deep: of a product of two paths from zero, each carries half."""
    def graph():
        beside(_tf.tf.placeholder(_tf.tf.float32, [None, 3], name="x"))

    z = np.array([[1.0, 2.0], [-1.0, 0.5]], np.float32)
    with tf1_ig.IntegratedGradients(small.model_of(graph), "y", inputs=["z", "x"]) as explainer:
        found = explainer.conductance({"x:0": X, "z:0": z}, "h")
    np.testing.assert_allclose(found.values["h:0"], (X @ W) * TOP * z.sum(1)[:, None] / 2, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.delta, -(X @ W @ TOP) * z.sum(1) / 2, rtol=1e-4, atol=1e-5)
    assert found.completeness == "none" and "passes it by" in found.notes[0]
    with tf1_ig.IntegratedGradients(small.model_of(graph), "y", inputs="z") as explainer:
        with pytest.raises(InputError, match="h:0 is computed from none of the inputs .*z:0"):
            explainer.conductance({"x:0": X, "z:0": z}, "h")


def test_one_of_two_inputs_carries_its_own_part_and_the_other_passes_it_by():
    def build():
        tf = _tf.tf
        a, b = (tf.placeholder(tf.float32, [None, 2], name) for name in "ab")
        tf.reduce_sum(a * a + 3.0 * b, 1, name="y")

    feed = {"a:0": X[:, :2], "b:0": X[:, 1:]}
    with tf1_ig.IntegratedGradients(small.model_of(build), "y", ["a", "b"]) as explainer:
        found = explainer.conductance(feed, "a")
    np.testing.assert_allclose(found.values["a:0"], X[:, :2] ** 2, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.delta, -3 * X[:, 1:].sum(axis=1), rtol=1e-4, atol=1e-5)
    assert found.completeness == "none" and "passes it by" in found.notes[0]


def test_a_sparse_input_is_no_layer_of_units():
    feed = {"bag/indices:0": np.array([[0, 0], [0, 1], [1, 0]]), "bag/values:0": np.array([1, 2, 7]),
            "bag/shape:0": np.array([2, 2])}
    with tf1_ig.IntegratedGradients(small.model_of(small.word_bags), "y") as explainer:
        name, = explainer.inputs
        with pytest.raises(InputError, match="input %s has as many entries" % name):
            explainer.conductance(feed, name, label=1)
