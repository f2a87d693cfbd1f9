"""Constants that a freezing tool left being read as variables: finished at load; whole graphs are left alone."""

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from graph_tools import _tf
from tests.tf1_ig.brute_force import integrated_gradients

X = np.random.RandomState(0).normal(size=(2, 4)).astype(np.float32)


def in_a_loop(tf, x, weights):
    return tf.while_loop(lambda i, h: i < 3, lambda i, h: (i + 1, tf.tanh(tf.matmul(h, weights))), [0, x])[1]


def rows_in_a_loop(tf, x, weights):
    return tf.while_loop(lambda i, h: i < 3, lambda i, h: (i + 1, tf.tanh(h + tf.gather(weights, i))), [0, x])[1]


def in_a_branch(tf, x, weights):
    return tf.cond(tf.reduce_sum(x) > 100.0, lambda: x, lambda: tf.tanh(tf.matmul(x, weights)))


def plainly(tf, x, weights):
    return tf.tanh(tf.matmul(x, weights))


def built(use):
    """The graph with a resource variable, the variable's value, and its output at X."""
    tf = _tf.tf
    with tf.Graph().as_default() as graph, _tf.control_flow_v1():
        x = tf.placeholder(tf.float32, [None, 4], "x")
        weights = tf.get_variable("w", [4, 4], use_resource=True, initializer=tf.random_normal_initializer(seed=1))
        tf.identity(use(tf, x, weights), name="y")
        with tf.Session(graph=graph) as session:
            session.run(tf.global_variables_initializer())
            return graph.as_graph_def(), session.run(weights), session.run("y:0", {"x:0": X})


def half_frozen(tf, graph_def, values):
    """In place: variables made constants, and nothing behind it, as TensorFlow 1's tool did it."""
    for node in graph_def.node:
        if node.op == "VarHandleOp" and node.name in values:
            node.op = "Const"
            node.attr.clear()
            node.attr["dtype"].type = tf.float32.as_datatype_enum
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(values[node.name]))
    return graph_def


def saved(path, graph_def):
    path.write_bytes(_tf.tf.graph_util.extract_sub_graph(graph_def, ["y"]).SerializeToString())
    return str(path)


@pytest.mark.parametrize("use", [in_a_loop, rows_in_a_loop, in_a_branch, plainly])
def test_what_was_left_half_done_is_finished(use, tmp_path):
    tf = _tf.tf
    graph_def, value, expected = built(use)
    half_frozen(tf, graph_def, {"w": value})
    with pytest.raises(ValueError):
        with tf.Graph().as_default():
            tf.import_graph_def(graph_def, name="")
    model = gt.load(saved(tmp_path / "half.pb", graph_def))
    assert any("freezing tool left it half done" in warning for warning in model.warnings)
    with model.open_session() as session:
        np.testing.assert_allclose(session.run("y:0", {"x:0": X}), expected, rtol=1e-6)
    with tf1_ig.IntegratedGradients(model, "y:0") as explainer:
        found = explainer.explain({"x:0": X[:1]}, label=1)
    (wanted,), _, _ = integrated_gradients(model, ["x:0"], "y:0", (0, 1), {"x:0": X[:1]})
    np.testing.assert_allclose(found.values["x:0"], wanted, atol=0.01 * np.abs(wanted).sum())


def test_a_lookup_in_a_loop_gets_its_axis_inside_of_it(tmp_path):
    """TensorFlow 2's tool puts the axis outside, where no executor finds it."""
    graph_def, value, expected = built(rows_in_a_loop)
    frozen, _ = gt.freeze(gt.Model(_tf.tf.MetaGraphDef(graph_def=graph_def), "whole", {"w": value}), ["y:0"])
    broken = frozen.graph_def
    gather, = [node for node in broken.node if node.op == "GatherV2"]
    axis, = [node for node in broken.node if node.name == gather.input[2]]
    del axis.input[:]
    model = gt.load(saved(tmp_path / "outside.pb", broken))
    with model.open_session() as session:
        np.testing.assert_allclose(session.run("y:0", {"x:0": X}), expected, rtol=1e-6)
    assert any(repr(gather.name) in warning for warning in model.warnings)


def assigned(order):
    """A graph whose branch assigns to the variable: what it computes there is read before, or after, or of another."""
    def moved(tf, x, weights):
        other = tf.get_variable("other", [4, 4], use_resource=True, initializer=tf.ones_initializer())

        def branch():
            first = tf.matmul(x, weights.read_value())
            with tf.control_dependencies([first]):
                assign = tf.raw_ops.AssignVariableOp(resource=weights.handle, value=weights.read_value() * 0.9,
                                                     name="assign")
            with tf.control_dependencies([assign]):
                return tf.tanh({"before": lambda: tf.identity(first), "other": lambda: tf.matmul(x, other.read_value()),
                                "after": lambda: tf.matmul(x, weights.read_value())}[order]())
        return tf.cond(tf.reduce_sum(x) > -100.0, branch, lambda: x)
    return moved


@pytest.mark.parametrize("order", ["before", "other"])
def test_what_is_assigned_to_a_constant_and_read_by_nobody_is_dropped(order, tmp_path):
    graph_def, value, expected = built(assigned(order))
    half_frozen(_tf.tf, graph_def, {"w": value, "other": np.ones((4, 4), np.float32)})
    model = gt.load(saved(tmp_path / "assigned.pb", graph_def))
    with model.open_session() as session:
        np.testing.assert_allclose(session.run("y:0", {"x:0": X}), expected, rtol=1e-6)
    assert not [node.name for node in model.graph_def.node if node.op == "AssignVariableOp"]
    warning, = model.warnings
    assert warning.endswith("it was finished; what was assigned is dropped ('cond/assign')")


def test_a_constant_that_is_read_after_it_was_assigned_to_is_refused(tmp_path):
    graph_def, value, _ = built(assigned("after"))
    half_frozen(_tf.tf, graph_def, {"w": value, "other": np.ones((4, 4), np.float32)})
    model = gt.load(saved(tmp_path / "assigned.pb", graph_def))
    warning, = model.warnings
    assert "'cond/assign' assigns to a constant and 'cond/" in warning and "reads it after that" in warning
    with pytest.raises(gt.ModelFormatError, match="takes 'w:0' as resource, and that is float32"):
        model.new_graph()


@pytest.mark.parametrize("after", [False, True])
def test_initialisers_of_what_is_constant_now_are_dropped(after, tmp_path):
    """A variable of the old kind became a constant where it stood; with ``after`` its reader waits for the initialiser.
    """
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, 4], "x")
        weights = tf.get_variable("w", [4, 4], initializer=tf.ones_initializer(), use_resource=False)
        with tf.control_dependencies([weights.initializer] if after else []):
            tf.matmul(x, tf.identity(weights), name="y")
        tf.global_variables_initializer()
    graph_def = graph.as_graph_def()
    held, = [node for node in graph_def.node if node.op == "VariableV2"]
    value = np.random.RandomState(1).normal(size=(4, 4)).astype(np.float32)
    held.op = "Const"
    held.attr.clear()
    held.attr["dtype"].type = tf.float32.as_datatype_enum
    held.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    path = tmp_path / "left.pb"
    path.write_bytes(graph_def.SerializeToString())
    model = gt.load(str(path))
    warning, = model.warnings
    if after:
        assert "'w/Assign' assigns to a constant and" in warning and "reads it after that" in warning
        return
    assert warning.endswith("what was assigned is dropped ('w/Assign')")
    with model.open_session() as session:
        np.testing.assert_allclose(session.run("y:0", {"x:0": X}), X @ value, rtol=1e-5)


def test_a_variable_beside_the_constant_keeps_its_handle(tmp_path):
    graph_def, value, _ = built(lambda tf, x, weights: in_a_loop(tf, x, weights) + in_a_loop(
        tf, x, tf.get_variable("other", [4, 4], use_resource=True)))
    half_frozen(_tf.tf, graph_def, {"w": value})
    model = gt.load(saved(tmp_path / "beside.pb", graph_def))
    model.new_graph()
    assert model.missing == ("other",)
    enter, = [node for node in model.graph_def.node if node.op == "Enter" and "other" in node.input]
    assert enter.attr["T"].type == _tf.tf.resource.as_datatype_enum


def test_a_whole_graph_is_left_alone(tmp_path):
    tf = _tf.tf
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        x = tf.placeholder(tf.float32, [None, 4], "x")
        tf.identity(plainly(tf, x, tf.get_variable("w", [4, 4], use_resource=True)), name="y")
        session.run(tf.global_variables_initializer())
        live = gt.from_session(session)
    frozen, _ = gt.freeze(live, ["y:0"])
    frozen.save(str(tmp_path / "whole.pb"))
    again = gt.load(str(tmp_path / "whole.pb"))
    assert live.warnings == () and again.warnings == ()
    assert [(node.name, node.op, list(node.input)) for node in again.graph_def.node] == [
        (node.name, node.op, list(node.input)) for node in frozen.graph_def.node]
