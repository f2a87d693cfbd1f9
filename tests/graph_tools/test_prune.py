"""Pruning keeps what the outputs need: loops, branches, functions, tables, versions, signatures."""

import numpy as np
import pytest

import graph_tools as gt
from graph_tools import _tf
from graph_tools.errors import EditError, TensorNotFoundError
from tests.models import queues


def _model(graph, **fields):
    return gt.Model(queues.Case(graph, None).model.meta_graph, "test graph", **fields)


def _loop(tf, x):
    """``x`` doubled three times, in a lowered while loop with a branch inside."""
    with _tf.control_flow_v1():
        return tf.while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, tf.cond(i < 1, lambda: v + v, lambda: 2. * v)),
                             [tf.constant(0), x])[1]


def test_it_drops_the_rest_and_keeps_order_names_and_numbers():
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, 2], name="x")
        tf.identity(_loop(tf, x), name="y")
        tf.identity(x * 5., name="other")
    model = _model(graph)
    small, edit = gt.prune(model, ["y"])
    assert "other" not in small.index and "other" in edit.removed and not edit.added and not edit.rewired
    kept = [node.name for node in model.index.graph_def.node if node.name in small.index]
    assert [node.name for node in small.index.graph_def.node] == kept
    assert small.graph_def.versions == model.graph_def.versions
    report = gt.verify(model, small, {"x": np.ones([3, 2], np.float32)}, "y")
    assert report.ok and report["y:0"].value == 0
    graph = small.new_graph()
    with graph.as_default(), _tf.control_flow_v1(), tf.Session(
            graph=graph, config=_tf.session_config()) as session:
        (gradient,) = tf.gradients(graph.get_tensor_by_name("y:0"), graph.get_tensor_by_name("x:0"))
        np.testing.assert_allclose(session.run(gradient, {"x:0": [[1, 2]]}), [[8, 8]])


def test_a_loop_of_which_one_variable_is_wanted_keeps_its_gradient():
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [], name="x")
        with _tf.control_flow_v1():
            _, total, product = tf.while_loop(
                lambda i, s, p: i < 3, lambda i, s, p: (i + 1, s + x * p, p * 2.), [tf.constant(0), x, x])
        tf.identity(total, name="total")
        tf.identity(product, name="product")
    small, _ = gt.prune(_model(graph), "total")
    graph = small.new_graph()
    with graph.as_default(), _tf.control_flow_v1(), tf.Session(
            graph=graph, config=_tf.session_config()) as session:
        (gradient,) = tf.gradients(graph.get_tensor_by_name("total:0"), graph.get_tensor_by_name("x:0"))
        value, slope = session.run(["total:0", gradient], {"x:0": 3.0})
    np.testing.assert_allclose([value, slope], [3 + 7 * 9, 1 + 2 * 7 * 3])  # x + 7x²


def test_variables_tables_and_signatures_follow():
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        words = tf.placeholder(tf.string, [None], name="words")
        table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(
            tf.constant(["good", "bad"]), tf.constant([1, 0], tf.int64)), -1)
        used = tf.Variable([[1.], [2.]], use_resource=False, name="used")
        tf.Variable([3.], use_resource=False, name="unused")
        y = tf.gather(used, tf.maximum(table.lookup(words), 0), name="y")
        signature = tf.saved_model.predict_signature_def({"words": words}, {"y": y})
        initializer = table.initializer.name
    model = _model(graph, variables={"used": np.array([[1.], [2.]], np.float32), "unused": np.array([3.], np.float32)},
                   initializers=(initializer,))
    model.meta_graph.signature_def["serve"].CopyFrom(signature)
    small, edit = gt.prune(model, "y")
    assert list(small.variables) == ["used"] and small.initializers == (initializer,)
    assert "unused" in edit.removed and list(small.signatures) == ["serve"]
    with small.open_session() as session:
        np.testing.assert_array_equal(session.run("y:0", {"words:0": ["good", "bad", "?"]}), [[2.], [1.], [1.]])
    without, edit = gt.prune(model, "used/read")
    assert not without.initializers and not without.signatures
    assert any("'serve' is dropped" in note for note in edit.notes)


def test_only_the_functions_that_can_be_called_stay():
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [2], name="x")
        data = tf.data.Dataset.from_tensor_slices([1., 2.]).map(lambda value: value + 1.)
        tf.identity(tf.data.make_initializable_iterator(data).get_next(), name="unwanted")
        tf.identity(x, name="y")
    small, _ = gt.prune(_model(graph), "y")
    assert _model(graph).graph_def.library.function and not small.graph_def.library.function


def test_what_it_is_asked_for_must_be_there():
    with _tf.tf.Graph().as_default() as graph:
        _tf.tf.identity(_tf.tf.placeholder(_tf.tf.float32, name="x"), name="logits")
    model = _model(graph)
    with pytest.raises(TensorNotFoundError, match="no tensor 'logit:0'.*did you mean 'logits:0'"):
        gt.prune(model, "logit")
    with pytest.raises(EditError, match="at least one output"):
        gt.prune(model, [])
    same, edit = gt.prune(model, "logits")
    assert same is model and "nothing to drop" in str(edit)


@pytest.mark.parametrize("edit", ["prune", "freeze"])
def test_a_gradient_of_its_own_follows_its_function(edit, tmp_path):
    """Pruned, frozen and written to a file: the gradient is still three, where the function's derivative is two."""
    from tensorflow.python.framework import function

    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        @function.Defun(tf.float32, tf.float32)
        def three(x, grad):
            return grad * 3.0

        @function.Defun(tf.float32, grad_func=three)
        def double(x):
            return x * 2.0

        weights = tf.get_variable("weights", initializer=np.ones([2, 2], np.float32), use_resource=False)
        tf.identity(double(tf.matmul(tf.placeholder(tf.float32, [None, 2], "x"), weights)), "y")
        tf.identity(weights, "unused")
        with tf.Session(graph=graph) as session:
            session.run(weights.initializer)
            model = gt.from_session(session)
    edited, _ = gt.prune(model, ["y"]) if edit == "prune" else gt.freeze(model, ["y"])
    edited.save(str(tmp_path / "edited.pb"))
    for one in (edited, gt.load(str(tmp_path / "edited.pb"))):
        graph = one.new_graph()
        restore = one.prepare_restore(graph)
        with graph.as_default():
            gradient, = tf.gradients(graph.get_tensor_by_name("y:0"), [graph.get_tensor_by_name("x:0")])
            with tf.Session(graph=graph) as session:
                restore(session)
                np.testing.assert_array_equal(session.run(gradient, {"x:0": [[1, 2]]}), [[6, 6]])
