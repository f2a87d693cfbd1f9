"""Lean gradients: the value that TensorFlow's own and finite differences give, where they are used and where not."""

import numpy as np
import pytest

import tf1_ig
from graph_tools import _tf, control_flow
from graph_tools.model import Model
from graph_tools.symbolic_shapes import symbolic_shapes
from graph_tools.walk import GraphIndex
from tests.models import control_flow as families, freezing, small
from tests.models.random_control_flow import random_kind
from tf1_ig import lean
from tf1_ig.engine import RunFailed

X = np.sin(np.arange(12.0).reshape(3, 4) * 1.7 + 0.3)
W = np.cos(np.arange(16.0).reshape(4, 4))
KINDS = families.BOTH + (families.TF1 if _tf.version[0] == 1 else ())


def frozen(build) -> Model:
    """``x`` [rows, 4] float64 to ``y``, frozen."""
    tf = _tf.tf
    with tf.Graph().as_default() as graph, _tf.control_flow_v1():
        tf.identity(build(tf.placeholder(tf.float64, [None, 4], "x")), "y")
    meta_graph = tf.MetaGraphDef()
    meta_graph.graph_def.CopyFrom(graph.as_graph_def())
    return Model(meta_graph, build.__name__)


def repeated(body, times=3):
    """A loop over a value that moves and keeps its shape."""
    def build(x):
        tf = _tf.tf
        return tf.while_loop(lambda i, _: i < times, lambda i, value: (i + 1, body(value, x)),
                             (tf.constant(0), tf.tanh(x)))[1]
    return build


def gradients(model):
    """The gradient of ``sum of y * weights`` by ``x``, and the types of its ops by those inside loops."""
    tf, graph = _tf.tf, model.new_graph()
    x, y = graph.get_tensor_by_name("x:0"), graph.get_tensor_by_name("y:0")
    count = lean.prepare(graph, model.index, y, [x])
    with graph.as_default(), _tf.control_flow_v1():
        flat = tf.reshape(y, [-1])
        score = tf.reduce_sum(flat * tf.cos(tf.cast(tf.range(tf.size(flat)), tf.float64)))
        before = set(graph.get_operations())
        found, = tf.gradients(score, [x])
    made = [op.type for op in graph.get_operations() if op not in before and _tf.in_loop(op)]
    with tf.Session(graph=graph, config=_tf.session_config()) as session:
        value = session.run(found, {x: X})
        ends = [[session.run(score, {x: X + sign * 1e-6 * (np.arange(12).reshape(3, 4) == one)}) for sign in (1, -1)]
                for one in range(12)]
    differences = np.array([(ahead - behind) / 2e-6 for ahead, behind in ends]).reshape(3, 4)
    return count, value, differences, made


def _const(value):
    return _tf.tf.constant(value)


def _tied(value):
    tf = _tf.tf
    return tf.concat([value, value[:, ::-1]], 1)   # every number twice: the largest is reached twice


LEAN = {
    "product": repeated(lambda v, x: v * _tf.tf.sin(v)),
    "square as a product": repeated(lambda v, x: v * v),
    "product with a number": repeated(lambda v, x: v * 0.7),
    "sum": repeated(lambda v, x: _tf.tf.tanh(v + v * v)),
    "sum with a row": repeated(lambda v, x: _tf.tf.tanh(v + _const(W[0]))),
    "difference": repeated(lambda v, x: _tf.tf.sin(v) - v),
    "difference from a number": repeated(lambda v, x: 1.0 - v * v),
    "matmul": repeated(lambda v, x: _tf.tf.tanh(_tf.tf.matmul(v, _const(W)))),
    "matmul, weights turned": repeated(lambda v, x: _tf.tf.tanh(_tf.tf.matmul(v, _const(W), transpose_b=True))),
    "matmul, moving turned": repeated(lambda v, x: _tf.tf.tanh(_tf.tf.matmul(
        _tf.tf.transpose(v), _const(W), transpose_a=True))),
    "matmul, both turned": repeated(lambda v, x: _tf.tf.tanh(_tf.tf.matmul(
        _tf.tf.transpose(v), _const(W), transpose_a=True, transpose_b=True))),
    "matmul, moving second": repeated(lambda v, x: _tf.tf.tanh(_tf.tf.transpose(
        _tf.tf.matmul(_const(W), _tf.tf.transpose(v))))),
    "matmul, moving second and turned": repeated(lambda v, x: _tf.tf.tanh(_tf.tf.transpose(
        _tf.tf.matmul(_const(W), v, transpose_b=True)))),
    "matmul, moving second, first turned": repeated(lambda v, x: _tf.tf.tanh(_tf.tf.transpose(
        _tf.tf.matmul(_const(W), _tf.tf.transpose(v), transpose_a=True)))),
    "matmul, moving second, all turned": repeated(lambda v, x: _tf.tf.tanh(_tf.tf.transpose(
        _tf.tf.matmul(_const(W), v, transpose_a=True, transpose_b=True)))),
    "concat": repeated(lambda v, x: _tf.tf.concat([_tf.tf.sin(v[:, :3]), v[:, 3:] * v[:, :1]], 1)),
    "concat, last axis": repeated(lambda v, x: _tf.tf.concat([_tf.tf.sin(v[:, 2:]), v[:, :2]], -1)),
    "select": repeated(lambda v, x: _tf.tf.raw_ops.Select(condition=v > 0.1, x=_tf.tf.sin(v), y=v * v)),
    "select, one side still": repeated(lambda v, x: _tf.tf.raw_ops.Select(
        condition=v > 0.1, x=_tf.tf.sin(v), y=_tf.tf.ones_like(v))),
    "max in a loop": repeated(lambda v, x: v * _tf.tf.reduce_max(_tf.tf.reshape(v, [-1, 4]), 1, keepdims=True)),
    "max": lambda x: _tf.tf.reduce_max(x, 1),
    "max, keepdims": lambda x: _tf.tf.reduce_max(x, 1, keepdims=True),
    "max, last axis of three": lambda x: _tf.tf.reduce_max(_tf.tf.reshape(x, [-1, 2, 2]), -1),
    "max, two axes": lambda x: _tf.tf.reduce_max(_tf.tf.reshape(x, [-1, 2, 2]), [2, -2]),
    "max over everything": lambda x: _tf.tf.reduce_max(x),
    "max of a relu": lambda x: _tf.tf.reduce_max(_tf.tf.nn.relu(x - 0.5), 1),
    "max of a relu over rows": lambda x: _tf.tf.sin(_tf.tf.reduce_max(_tf.tf.nn.relu(-x), 0)),
    "min of a relu": lambda x: _tf.tf.reduce_min(_tf.tf.nn.relu(x + 0.5), 1),
    "max of a relu in a loop": repeated(lambda v, x: v * _tf.tf.reduce_max(_tf.tf.nn.relu(
        _tf.tf.reshape(v, [-1, 4])), 1, keepdims=True)),
    "min": lambda x: _tf.tf.reduce_min(_tf.tf.sin(x), 0),
}
OWN = {
    "product with a column": repeated(lambda v, x: v * v[:, :1]),
    "sum with a column": repeated(lambda v, x: v + v[:, 1:2]),
    "sum with the sum of all": repeated(lambda v, x: v + _tf.tf.reduce_sum(v)),
    "matmul of two that move": repeated(lambda v, x: _tf.tf.tanh(_tf.tf.matmul(v, v, transpose_b=True) @ v)),
}


@pytest.mark.parametrize("name", LEAN)
def test_the_gradient_is_tensorflows_own_and_that_of_finite_differences(name, monkeypatch):
    model = frozen(LEAN[name])
    count, found, differences, _ = gradients(model)
    assert count > 0
    np.testing.assert_allclose(found, differences, rtol=1e-6, atol=1e-8)
    monkeypatch.setattr(lean, "LEAN", {})
    none, own, _, _ = gradients(model)
    assert none == 0
    np.testing.assert_allclose(found, own, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", OWN)
def test_what_is_broadcast_keeps_tensorflows_own(name):
    model = frozen(OWN[name])
    _, found, differences, made = gradients(model)
    np.testing.assert_allclose(found, differences, rtol=1e-6, atol=1e-8)


def test_those_that_share_the_maximum_share_its_gradient(monkeypatch):
    model = frozen(lambda x: _tf.tf.reduce_max(_tied(x), 1) * 2.0)
    count, found, _, _ = gradients(model)
    monkeypatch.setattr(lean, "LEAN", {})
    assert count == 1
    np.testing.assert_allclose(found, gradients(model)[1], rtol=1e-12)
    np.testing.assert_allclose(np.abs(found).max(1), 2 * np.abs(np.cos(np.arange(3.0))))


def _relu_for(more):
    """A relu of which a maximum is taken, in a graph where it has more to do."""
    tf = _tf.tf
    x = tf.placeholder(tf.float64, [None, 4], "x")
    relu = tf.nn.relu(x, "relu")
    return more(relu, tf.reduce_max(relu, 1, name="max"))


@pytest.mark.parametrize("more", [
    lambda relu, largest: _tf.tf.identity(relu * largest[:, None], "y"),   # used beside the maximum
    lambda relu, largest: _tf.tf.identity(relu, "y"),                      # the maximum does not matter
    lambda relu, largest: _tf.tf.concat([largest, _tf.tf.reduce_max(relu, 0)], 0, name="y"),
])
def test_a_relu_that_does_more_than_serve_a_maximum_keeps_its_gradient(more):
    model = frozen(lambda x: more(_tf.tf.nn.relu(x), _tf.tf.reduce_max(_tf.tf.nn.relu(x), 1)))
    shared = small.model_of(lambda: _relu_for(more))
    for one in (model, shared):
        _, found, differences, _ = gradients(one)
        np.testing.assert_allclose(found, differences, rtol=1e-6, atol=1e-8)


def test_a_relu_that_is_itself_explained_keeps_its_gradient():
    model = small.model_of(lambda: _relu_for(lambda relu, largest: None))
    with tf1_ig.IntegratedGradients(model, "relu", inputs="x") as explainer:
        found = explainer.explain_variant("gradient", {"x:0": X}, label=1)
    np.testing.assert_array_equal(found.values["x:0"], (X > 0) * (np.arange(4) == 1))


@pytest.mark.parametrize("name", ["product", "sum with a row", "matmul", "select"])
def test_a_loop_keeps_no_sizes(name, monkeypatch):
    """Each thing kept from an iteration is a push onto a stack."""
    model = frozen(LEAN[name])
    made = gradients(model)[3]
    assert "BroadcastGradientArgs" not in made
    monkeypatch.setattr(lean, "LEAN", {})
    own = gradients(model)[3]
    assert "BroadcastGradientArgs" in own or name in ("matmul", "select")
    assert made.count("StackPushV2") < own.count("StackPushV2")


def test_a_size_wrongly_taken_for_known_is_an_error_and_never_another_number(monkeypatch):
    model = frozen(lambda x: _tf.tf.reduce_sum(repeated(lambda v, _: v * v[:, :1] + v[:, 1:2])(x), 1))
    feed = {"x:0": X}
    with tf1_ig.IntegratedGradients(model, "y", inputs="x") as explainer:
        expected = explainer.explain(feed, steps=20)
    assert np.abs(expected.delta).max() < 1e-6
    monkeypatch.setattr(lean, "_same", lambda one, other: True)
    with tf1_ig.IntegratedGradients(model, "y", inputs="x") as explainer:
        try:
            found = explainer.explain(feed, steps=20)
        except RunFailed:
            return
    np.testing.assert_allclose(found.values["x:0"], expected.values["x:0"], rtol=1e-6)


def _assert_same(kind, graph_def, case):
    for leaner in (False, True):
        graph = freezing.imported(control_flow.normalize(graph_def))
        control_flow.restore_control_flow(graph)
        inputs = [graph.get_tensor_by_name(name) for name in case.inputs]
        output = graph.get_tensor_by_name(case.output)
        if leaner:
            lean.prepare(graph, GraphIndex(graph_def), output, inputs)
        with graph.as_default(), _tf.tf.Session(graph=graph, config=_tf.session_config()) as session:
            found = freezing.dense_gradients(output, inputs)
            values = [session.run(found, feed, options=_tf.tf.RunOptions(timeout_in_ms=60000)) for feed in case.feeds]
        if not leaner:
            expected = values
    tight = dict(rtol=1e-9, atol=1e-12) if kind.exact else dict(rtol=2e-4, atol=2e-6)
    for one, other in zip(values, expected):
        for gradient, own in zip(one, other):
            np.testing.assert_allclose(gradient, own, **tight)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_family_of_loops_and_branches_has_the_same_gradients(kind):
    case = freezing.freeze(kind)
    _assert_same(kind, case.graphs["frozen"], case)


@pytest.mark.parametrize("seed", range(4))
def test_random_programs_have_the_same_gradients(seed):
    kind = random_kind(seed)
    case = freezing.freeze(kind)
    _assert_same(kind, case.graphs["frozen"], case)


# -- symbolic shapes -------------------------------------------------------------------------------------------------


def test_sizes_that_agree_have_one_name():
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        x, other = tf.placeholder(tf.float32, [None, 4], "x"), tf.placeholder(tf.float32, [None, 4], "other")
        tf.tanh(x, name="of_x")
        tf.multiply(x, other, name="product")
        tf.matmul(x, tf.constant(np.zeros((4, 1000), np.float32)), name="wide")
        tf.placeholder(tf.float32, name="anything")
        tf.add_n([tf.reduce_sum(graph.get_tensor_by_name(name + ":0")) for name in (
            "of_x", "product", "wide", "anything")], name="all")
    found = symbolic_shapes(GraphIndex(graph.as_graph_def()), "all")
    assert found["of_x"] == found["x"] and found["x"][0][1] == 4 and found["x"][0][0] < -1
    assert found["other"][0][0] != found["x"][0][0]
    assert found["product"][0][0] not in (found["x"][0][0], found["other"][0][0])
    assert found["wide"] == [(found["x"][0][0], 1000)]
    assert found["anything"] == [None]


def test_a_graph_that_the_analyser_refuses_has_no_known_sizes():
    graph_def = _tf.tf.GraphDef()
    graph_def.node.add(name="strange", op="NoSuchOpAnywhere")
    assert symbolic_shapes(GraphIndex(graph_def), "strange") == {}
