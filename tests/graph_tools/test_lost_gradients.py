"""Custom gradients, of which a file keeps the name alone: what the ops compute is differentiated."""

import numpy as np

import graph_tools as gt
import tf1_ig
from graph_tools import _tf

X = np.random.RandomState(0).normal(size=(3, 4)).astype(np.float32)
WEIGHTS = np.random.RandomState(1).normal(size=(4, 2)).astype(np.float32)


def swish_like(name):
    """``x sigmoid(x)`` behind an IdentityN that names its gradient function, as ``tf.custom_gradient`` writes it."""
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, 4], "x")
        hidden = tf.identity_n([x * tf.sigmoid(x), x], name="swish")[0]
        tf.matmul(hidden, tf.constant(WEIGHTS), name="y")
    graph_def = graph.as_graph_def()
    node, = [node for node in graph_def.node if node.op == "IdentityN"]
    if name:
        node.attr["_gradient_op_type"].s = name.encode()
    return graph_def


def test_the_natural_gradient_is_taken_and_that_is_told(tmp_path):
    path = tmp_path / "swish.pb"
    path.write_bytes(swish_like("CustomGradient-987654").SerializeToString())
    model = gt.load(str(path))
    assert any("custom gradients of 'swish' are not in the file" in warning for warning in model.warnings)
    with tf1_ig.IntegratedGradients(model, "y:0", inputs="x") as explainer:
        found = explainer.explain({"x:0": X}, label=1, steps=64)
        scores, gradients = explainer.at({"x:0": X}, label=1).gradients({"x:0": X})
    s = 1 / (1 + np.exp(-X))
    np.testing.assert_allclose(gradients["x:0"], WEIGHTS[:, 1] * (s + X * s * (1 - s)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.values["x:0"], WEIGHTS[:, 1] * X * s, rtol=1e-3, atol=1e-4)


def test_gradients_that_are_there_stay(tmp_path):
    for name in ("", "IdentityN"):  # the second names a gradient function of TensorFlow's own
        path = tmp_path / "plain.pb"
        path.write_bytes(swish_like(name).SerializeToString())
        model = gt.load(str(path))
        assert model.warnings == ()
        node, = [node for node in model.graph_def.node if node.op == "IdentityN"]
        assert node.attr["_gradient_op_type"].s.decode() == name if name else "_gradient_op_type" not in node.attr


def test_a_numbered_function_of_this_process_is_not_the_file_s(tmp_path):
    """``CustomGradient-7`` is the seventh of whoever wrote the file; here that is another's function, or nobody's."""
    name, called = "CustomGradient-7000007", []
    path = tmp_path / "swish.pb"
    path.write_bytes(swish_like(name).SerializeToString())

    def ours(op, *grads):
        called.append(op.name)
        return [100.0 * grad for grad in grads]

    _tf.tf.RegisterGradient(name)(ours)
    for trusted in (False, True):  # the twin: who trusts the file has its names looked up
        model = gt.load(str(path), trusted=trusted)
        assert bool(model.warnings) != trusted
        with tf1_ig.IntegratedGradients(model, "y:0", inputs="x") as explainer:
            explainer.explain({"x:0": X}, label=1, steps=2)
        assert bool(called) == trusted
