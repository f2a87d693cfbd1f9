"""Lean gradients: the value that TensorFlow's own and finite differences give, where they are used and where not."""

from types import SimpleNamespace

import numpy as np
import pytest

import tf1_ig
from graph_tools import _tf, control_flow
from graph_tools.graph.walk import GraphIndex
from graph_tools.model import Model
from graph_tools.symbolic_shapes import symbolic_shapes
from tests.models import control_flow as families, freezing, small
from tests.models.random_control_flow import random_kind
from tf1_ig.engine import lean

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
    count = len(lean.prepare(graph, model.index, y, {"x:0": x}).ops)
    with graph.as_default(), _tf.control_flow_v1():
        flat = tf.reshape(y, [-1])
        score = tf.reduce_sum(flat * tf.cos(tf.cast(tf.range(tf.size(flat)), tf.float64)))
        before = set(graph.get_operations())
        found, = tf.gradients(score, [x])
    made = [op.type for op in graph.get_operations() if op not in before and _tf.loop_of(op)]
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


def _heads(x, turned):
    heads = _tf.tf.reshape(x, [-1, 2, 2, 1])
    return _tf.tf.transpose(heads, [0, 1, 3, 2]) if turned else heads


def _layer_norm(x):
    mean, variance = _tf.tf.nn.moments(x, [1], keep_dims=True)
    return (x - mean) * _tf.tf.math.rsqrt(variance + 1e-6)


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
    "matmul of two that move": repeated(lambda v, x: _tf.tf.tanh(_tf.tf.matmul(v, v, transpose_b=True) @ v)),
    "matmul in no loop": lambda x: _tf.tf.tanh(_tf.tf.matmul(x, x, transpose_a=True) @ _tf.tf.transpose(x)),
    "matmuls side by side": lambda x: _heads(x, False) @ _heads(_tf.tf.sin(x), True),
    "matmuls side by side, turned": lambda x: _tf.tf.matmul(
        _heads(x, True), _heads(_tf.tf.sin(x), False), transpose_a=True, transpose_b=True),
    "sum with the sum of all": repeated(lambda v, x: v + _tf.tf.reduce_sum(v)),
    "sum with the mean of all, in no loop": lambda x: x * x + _tf.tf.reduce_mean(_tf.tf.reshape(x, [-1, 12]), 1)[0],
    "quotient": lambda x: x / (2.0 + _tf.tf.reshape(_tf.tf.sin(x), [-1, 4])),
    "quotient by a column": lambda x: x / (2.0 + _tf.tf.reduce_mean(x * x, 1, keepdims=True)),
    "column less a matrix": lambda x: _tf.tf.sin(_tf.tf.reduce_sum(_tf.tf.sin(x), 1, keepdims=True) - _tf.tf.sin(x)),
    "bias": lambda x: _tf.tf.nn.bias_add(_tf.tf.sin(x), _const(W[0])),
    "squared difference from a column": lambda x: _tf.tf.math.squared_difference(
        x, _tf.tf.reduce_sum(_tf.tf.sin(x), 1, keepdims=True)),
    "column's squared difference from a matrix": lambda x: _tf.tf.math.squared_difference(
        _tf.tf.reduce_mean(_tf.tf.sin(x), 1, keepdims=True), x),
    "squares with one row": lambda x: _tf.tf.reshape(x, [-1, 2, 2]) * _tf.tf.reshape(_tf.tf.reduce_mean(
        _tf.tf.reshape(x, [-1, 4])[:1], 0), [2, 2]),
    "sum of two axes": lambda x: _tf.tf.sin(_tf.tf.reduce_sum(_tf.tf.reshape(x, [-1, 2, 2]), [2, 1])),
    "mean of two axes, keepdims": lambda x: _tf.tf.sin(_tf.tf.reduce_mean(
        _tf.tf.reshape(x, [-1, 2, 2]), [-2, -1], keepdims=True)),
    "layer norm": lambda x: _layer_norm(x) * x,
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
}


@pytest.mark.dealt
@pytest.mark.parametrize("name", LEAN)
def test_the_gradient_is_tensorflows_own_and_that_of_finite_differences(name, monkeypatch):
    model = frozen(lambda x: LEAN[name](_tf.tf.identity(x)))  # of what is replaced itself no sizes are known
    count, found, differences, _ = gradients(model)
    assert count > 0
    np.testing.assert_allclose(found, differences, rtol=1e-6, atol=1e-8)
    monkeypatch.setattr(lean, "LEAN", {})
    none, own, _, _ = gradients(model)
    assert none == 0
    np.testing.assert_allclose(found, own, rtol=1e-12, atol=1e-14)


PLANNED = [
    (lambda tf, x: tf.reduce_max(tf.nn.relu(x), 1), ["Max", "Relu"]),
    (lambda tf, x: tf.reduce_min(tf.nn.relu(x), 1), ["Min", "Relu"]),
    (lambda tf, x: tf.nn.relu(x) * 2.0, ["Mul"]), (lambda tf, x: tf.reduce_sum(tf.nn.relu(x), 1), ["Sum"]),
    (lambda tf, x: tf.reduce_max(tf.nn.relu(x), tf.placeholder_with_default(1, [])), []),
    (lambda tf, x: tf.concat([x, tf.sin(x)], 1), ["ConcatV2"]), (lambda tf, x: tf.concat([x, x[1:]], 0), []),
    (lambda tf, x: tf.concat([x, _const(W)], 0), ["ConcatV2"]),
    (lambda tf, x: tf.nn.bias_add(x, _const(W[0])), ["BiasAdd"]),
    (lambda tf, x: tf.nn.bias_add(_const(W), x[0]), []), (lambda tf, x: tf.reduce_sum(x, 0), []),
    (lambda tf, x: tf.reduce_mean(x, 1), ["Mean"]), (lambda tf, x: _const(W[0]) - x, ["Sub"]),
    (lambda tf, x: x / tf.exp(x), ["RealDiv"]),
    (lambda tf, x: tf.math.squared_difference(x, 1.0), ["SquaredDifference"]),
    (lambda tf, x: tf.matmul(x, _const(W)), ["MatMul"]),
    (lambda tf, x: _heads(x, False) @ _heads(x, True), ["BatchMatMulV2"]),
    (lambda tf, x: _heads(x, False)[:, :1] @ _heads(x, True), []),
    (lambda tf, x: tf.raw_ops.Select(condition=x > 0, x=x, y=x), ["Select"]), (lambda tf, x: tf.sin(x), []),
]


@pytest.mark.parametrize("build, types", PLANNED)
def test_which_ops_have_a_lean_gradient(build, types):
    """A relu where a maximum alone takes it, which is planned itself; of unknown sizes along an axis only one."""
    model = frozen(lambda x: build(_tf.tf, _tf.tf.sin(x)))
    graph = model.new_graph()
    planned = lean.prepare(graph, model.index, graph.get_tensor_by_name("y:0"),
                           {"x:0": graph.get_tensor_by_name("x:0")}).ops
    assert sorted(graph.get_operation_by_name(name).type for name in planned) == types


@pytest.mark.parametrize("name", OWN)
def test_what_is_broadcast_keeps_tensorflows_own(name, monkeypatch):
    model = frozen(OWN[name])
    kind = {"sum": ("Add", "AddV2")}.get(name.split()[0], ("Mul",))
    graph = model.new_graph()
    planned = lean.prepare(graph, model.index, graph.get_tensor_by_name("y:0"),
                           {"x:0": graph.get_tensor_by_name("x:0")}).ops
    assert not [op for op in planned if graph.get_operation_by_name(op).type in kind and op != "while/add"]
    _, found, differences, _ = gradients(model)
    np.testing.assert_allclose(found, differences, rtol=1e-6, atol=1e-8)


def test_those_that_share_the_maximum_share_its_gradient(monkeypatch):
    model = frozen(lambda x: _tf.tf.reduce_max(_tied(x), 1) * 2.0)
    count, found, _, _ = gradients(model)
    monkeypatch.setattr(lean, "LEAN", {})
    assert count == 2  # and the product
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


X3 = np.sin(np.arange(24.0).reshape(2, 3, 4) * 1.7 + 0.3)


def _context(x, how):
    return getattr(_tf.tf, "reduce_" + how)(x, 1, keepdims=True)


def _joined(x):
    """Sound only where the second size is 1."""
    return _tf.tf.reduce_sum(_tf.tf.concat([x, _context(x, "max")], 2), [1, 2])


def _branch_not_taken(x):
    tf = _tf.tf
    return tf.cond(tf.equal(tf.shape(x)[1], 1), lambda: _joined(x), lambda: tf.reduce_sum(x, [1, 2]))


def _loop_that_never_runs(x):
    tf = _tf.tf
    return tf.while_loop(lambda i, _: i < 0, lambda i, a: (i + 1, a + _joined(x)),
                         (tf.constant(0), tf.zeros_like(x[:, 0, 0])))[1]


def _tied_by_hand(gate_constant):
    """The same in a branch without a Switch on its data: a control edge alone ties an op, or its constant, to it."""
    def build(x):
        tf = _tf.tf
        one = tf.equal(tf.shape(x)[1], 1)
        no, yes = tf.raw_ops.Switch(data=one, pred=one)
        no, yes = tf.identity(no), tf.identity(yes)
        still = tf.stop_gradient(x)
        both = [still, _context(still, "mean")]
        with tf.control_dependencies([yes]):
            axis = tf.constant(2)
            joined = None if gate_constant else tf.reduce_sum(tf.add_n(both))
        joined = tf.reduce_sum(tf.concat(both, axis)) if gate_constant else joined
        with tf.control_dependencies([no]):
            otherwise = tf.constant(0.7, tf.float64)
        return tf.raw_ops.Merge(inputs=[otherwise, joined])[0] * tf.ones_like(x[:, 0, 0])
    return build


def _beside(x, other, how, before=False):
    """A loop in which a tensor of each row's own size is multiplied by one of size 1; ``other`` may say they agree."""
    tf = _tf.tf
    context, said = _context(x, how), other(x)
    start = tf.tanh(x) + 0.0 * tf.reduce_sum(said) if before else tf.tanh(x)
    value = tf.while_loop(lambda i, _: i < 3, lambda i, v: (i + 1, tf.tanh(v * context)), (tf.constant(0), start))[1]
    return tf.reduce_sum(value, [1, 2]) + said


@pytest.mark.dealt
@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("how", ["max", "mean", "sum"])
@pytest.mark.parametrize("other", [_branch_not_taken, _loop_that_never_runs, _tied_by_hand(False),
                                   _tied_by_hand(True)])
def test_nothing_is_concluded_from_what_does_not_run(other, how, before, monkeypatch):
    tf = _tf.tf
    with _tf.control_flow_v1():
        model = small.model_of(lambda: tf.identity(_beside(tf.placeholder(tf.float64, [None, None, 4], "x"), other,
                                                           how, before), "y"))
    with tf1_ig.IntegratedGradients(model, "y", inputs="x") as explainer:
        found = explainer.explain({"x:0": X3}, steps=60)
    monkeypatch.setattr(lean, "LEAN", {})
    with tf1_ig.IntegratedGradients(model, "y", inputs="x") as explainer:
        own = explainer.explain({"x:0": X3}, steps=60)
    np.testing.assert_allclose(found.values["x:0"], own.values["x:0"], rtol=1e-9)
    assert (np.abs(own.delta) < 1e-3 * np.abs(own.score - own.baseline_score)).all()


def test_sizes_of_tensors_that_are_fed_are_not_taken_for_known():
    """``m`` is as wide as ``x`` where the graph computes it; a caller may feed a wider one."""
    def build():
        tf = _tf.tf
        x, z = (tf.placeholder(tf.float64, [None, None, 4], name) for name in "xz")
        start, m = tf.tanh(tf.add_n([z, x])), tf.identity(z * 0.5, "m")
        total = tf.while_loop(lambda i, *_: i < 3, lambda i, v, total: (
            i + 1, tf.tanh(v), total + tf.reduce_sum(tf.tanh(v * m), [1, 2])),
            (tf.constant(0), start, tf.zeros_like(x[:, 0, 0])))[2]
        tf.identity(total, "y")

    feed = {"x:0": X3[:, :1], "z:0": X3[:, 1:2]}
    with _tf.control_flow_v1():
        model = small.model_of(build)
    with tf1_ig.IntegratedGradients(model, "y", inputs="x") as explainer:
        narrow = explainer.explain(feed, steps=60)
        assert explainer._engine.leaner and explainer._engine._known_sizes
        wide = explainer.explain(dict(feed, **{"m:0": X3}), steps=60)
        assert not explainer._engine.leaner
        again = explainer.explain(feed, steps=60)
    for one in (narrow, wide):
        assert (np.abs(one.delta) < 1e-6 * np.abs(one.score - one.baseline_score).max()).all()
    np.testing.assert_allclose(again.values["x:0"], narrow.values["x:0"], rtol=1e-9)


def _named(graph_def, **attributes):
    for node in graph_def.node:
        for key, value in attributes.get(node.name, {}).items():
            node.attr[key].s = value
    meta_graph = _tf.tf.MetaGraphDef()
    meta_graph.graph_def.CopyFrom(graph_def)
    return Model(meta_graph, "with attributes")


def test_what_a_file_says_of_lean_gradients_is_not_believed():
    """A maximum along an axis that is fed keeps TensorFlow's gradient, so the relu before it must, too."""
    tf = _tf.tf

    def build(x):
        axis = tf.placeholder_with_default(1, [], "axis")
        return tf.reduce_max(tf.nn.relu(x - 0.5, name="relu"), axis, name="max")

    model = _named(frozen(build).graph_def, max={lean._PLAN: b"1"}, relu={lean._PLAN: b""})
    count, found, differences, _ = gradients(model)
    assert count == 0
    np.testing.assert_allclose(found, differences, rtol=1e-6, atol=1e-8)


def test_a_gradient_of_the_models_own_is_kept():
    tf = _tf.tf
    if "ElevenTimes" not in _REGISTERED:
        _REGISTERED.add("ElevenTimes")
        tf.RegisterGradient("ElevenTimes")(lambda op, grad: [11.0 * tf.ones_like(op.inputs[0]), None])
    model = _named(frozen(lambda x: tf.reduce_max(tf.nn.relu(x, name="relu"), 1, name="max")).graph_def,
                   max={"_gradient_op_type": b"ElevenTimes"})
    count, found, _, _ = gradients(model)
    assert count == 0
    np.testing.assert_array_equal(found, 11.0 * (X > 0))


_REGISTERED = set()


def test_integers_have_no_lean_gradient():
    tf = _tf.tf
    count, found, differences, _ = gradients(frozen(
        lambda x: tf.exp(x[:, 0]) + tf.cast(tf.reduce_max(tf.cast(tf.exp(x), tf.int32), 1), tf.float64)))
    assert count == 0
    np.testing.assert_allclose(found, differences, rtol=1e-6, atol=1e-8)


def _assert_same(kind, graph_def, case):
    for leaner in (False, True):
        graph = freezing.imported(control_flow.normalize(graph_def))
        control_flow.restore_control_flow(graph)
        inputs = [graph.get_tensor_by_name(name) for name in case.inputs]
        output = graph.get_tensor_by_name(case.output)
        if leaner:
            lean.prepare(graph, GraphIndex(graph_def), output, dict(zip(case.inputs, inputs)))
        with graph.as_default(), _tf.tf.Session(graph=graph, config=_tf.session_config()) as session:
            found = freezing.dense_gradients(output, inputs)
            values = [session.run(found, feed, options=_tf.tf.RunOptions(timeout_in_ms=60000)) for feed in case.feeds]
        if not leaner:
            expected = values
    tight = dict(rtol=1e-9, atol=1e-12) if kind.exact else dict(rtol=2e-4, atol=2e-6)
    for one, other in zip(values, expected):
        for gradient, own in zip(one, other):
            np.testing.assert_allclose(gradient, own, **tight)


@pytest.mark.dealt
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_family_of_loops_and_branches_has_the_same_gradients(kind):
    case = freezing.freeze(kind)
    _assert_same(kind, case.graphs["frozen"], case)


@pytest.mark.dealt
@pytest.mark.parametrize("seed", range(4))
def test_random_programs_have_the_same_gradients(seed):
    kind = random_kind(seed)
    case = freezing.freeze(kind)
    _assert_same(kind, case.graphs["frozen"], case)


# -- plans ------------------------------------------------------------------------------------------------------------


def place(inputs, output=None, moving=(True, True), op=None):
    return lean.Place(op, moving, list(inputs), output, set())


def _summed_into(grad, shape):
    """The adjoint of spreading ``shape`` over that of ``grad``, entry by entry."""
    found = np.zeros(int(np.prod(shape)))
    np.add.at(found, np.broadcast_to(np.arange(found.size).reshape(shape), grad.shape), grad)
    return found.reshape(shape)


@pytest.mark.parametrize("seed", range(30))
def test_plans_of_what_is_broadcast(seed):
    random = np.random.RandomState(seed)
    output = tuple(random.choice([1, 2, 3], size=random.randint(1, 4)).tolist())
    lacks = (0, random.randint(len(output))) if seed % 2 else (random.randint(len(output)), 0)
    shapes = [tuple(size if random.randint(2) else 1 for size in output[lack:]) for lack in lacks]
    moving = ((True, True), (True, False), (False, True))[seed % 3]
    plan, grad = lean._known_broadcast(place(shapes, output, moving)), random.normal(size=output)
    assert plan[:2] == [int(moves) for moves in moving]
    for which, shape in enumerate(shapes):
        axes = [code // 2 for code in plan[4:] if code % 2 == which]
        assert not [axis for axis in axes if output[axis] == 1] and (moving[which] or not axes)
        if moving[which]:
            assert plan[2 + which] == len(output) - len(shape)
            found = grad.sum(tuple(set(axes) | set(range(plan[2 + which]))), keepdims=True)
            np.testing.assert_allclose(found.reshape(shape), _summed_into(grad, shape))


@pytest.mark.parametrize("inputs, output, moving, plan", [
    (((-2, 4), (-2, 4)), (-2, 4), (True, True), [1, 1, 0, 0]),
    (((-2, 1), (-2, 4)), (-2, 4), (True, True), [1, 1, 0, 0, 2]),
    (((-2, 4), (4,)), (-2, 4), (True, True), [1, 1, 0, 1, 1]),
    (((-2, 4), (1, 2)), (-2, 2), (False, True), [0, 1, 0, 0, 1]), (((-2, 4), (-3, 4)), (-2, 4), (True, True), None),
    (((-2, 4), (-3, 4)), (-2, 4), (True, False), [1, 0, 0, 0]), (((-1, 4), (4,)), (-1, 4), (True, False), None),
    ((None, (4,)), (-2, 4), (True, False), None), ((None, (4,)), (4,), (False, True), [0, 1, 0, 0]),
    (((4,), (4,)), None, (True, False), None)])
def test_plans_of_sizes_that_have_names(inputs, output, moving, plan):
    assert lean._known_broadcast(place(inputs, output, moving)) == plan


@pytest.mark.parametrize("inputs, output, same", [
    (((2, 3, 4), (2, 4, 5)), (2, 3, 5), True), (((2, 3, 4), (1, 4, 5)), (2, 3, 5), False),
    (((1, 3, 4), (2, 4, 5)), (2, 3, 5), False), (((-2, -1, 4), (-2, 4, -1)), (-2, -1, -1), True),
    (((-1, 3, 4), (-1, 4, 5)), (-1, 3, 5), False), ((None, (2, 4, 5)), (2, 3, 5), False),
    (((2, 3, 4), (2, 4, 5)), None, False), (((-2, 7, 3, 4), (-2, 7, 4, 5)), (-2, 7, 3, 5), True)])
def test_plans_of_products_side_by_side(inputs, output, same):
    assert lean._in_one_batch(place(inputs, output, (True, False))) == ([1, 0] if same else None)


@pytest.mark.parametrize("parts, axis, plan", [
    (((-2, 3), (-2, 1)), 1, [1, 3, 1]), (((-2, 3), (-2, 1)), -1, [-1, 3, 1]), (((-2, 3), (-3, 3)), 0, None),
    (((5, 3), (-3, 3)), -2, [-2, 5, -1]), (((5, 3), (-1, 3), (0, 3)), 0, [0, 5, -1, 0]), (((5, 3), (5, 3)), 2, None),
    (((5, 3), (5, 3)), -3, None), (((5, 3), None), 0, None), (((5, 3), (5, 1)), None, None)])
def test_plans_of_what_is_joined(parts, axis, plan):
    tf = _tf.tf
    with tf.Graph().as_default():
        at = tf.placeholder(tf.int32, []) if axis is None else tf.constant(axis)
    found = lean._known_sizes(place(parts + ((),), op=SimpleNamespace(inputs=[at])))
    assert found == plan


@pytest.mark.parametrize("axes, shape, plan", [
    ([1], (-2, 4), [1, 4]), ([-1], (-2, 4), [1, 4]), ([1, -3], (3, -2, 0), None), ([2, 0], (3, -2, 0), [0, 3, 2, 0]),
    ([0], (-2, 4), None), ([1], None, None), (None, (-2, 4), None), ([[1]], (-2, 4), [1, 4])])
def test_plans_of_sums(axes, shape, plan):
    tf = _tf.tf
    with tf.Graph().as_default():
        over = tf.placeholder(tf.int32, []) if axes is None else tf.constant(axes)
        summed = tf.placeholder(tf.float32, [None] * (2 if shape is None else len(shape)))
        unknown = tf.placeholder(tf.float32)
    assert lean._known_counts(place([shape], op=SimpleNamespace(inputs=[summed, over]))) == plan
    assert lean._known_axes(place([shape], op=SimpleNamespace(inputs=[unknown, over]))) is None


# -- symbolic shapes -------------------------------------------------------------------------------------------------


def shapes_of(build, wanted, given=None, producer=None):
    tf = _tf.tf
    with tf.Graph().as_default() as graph, _tf.control_flow_v1():
        build()
    graph_def = graph.as_graph_def()
    if producer:
        graph_def.versions.producer = producer
    with tf.Graph().as_default():
        given = {name: tf.placeholder(dtype, shape) for name, (dtype, shape) in (given or {}).items()}
    return symbolic_shapes(GraphIndex(graph_def), [wanted], given)


def _several():
    tf = _tf.tf
    x, other = tf.placeholder(tf.float32, [None, 4], "x"), tf.placeholder(tf.float32, [None, 4], "other")
    parts = [tf.tanh(x, name="of_x"), tf.multiply(x, other, name="product"),
             tf.matmul(x, tf.constant(np.zeros((4, 1000), np.float32)), name="wide"),
             tf.placeholder(tf.float32, name="anything"), tf.placeholder(tf.float32, [], "number"),
             tf.placeholder_with_default(np.zeros((1, 4), np.float32), [None, 4], "defaulted")]
    tf.add_n([tf.reduce_sum(part) for part in parts], name="all")


def test_sizes_that_agree_have_one_name():
    known = shapes_of(_several, "all")
    of = {name: known.of(name, 0) for name in known.nodes}
    assert of["of_x"] == of["x"] and of["x"][1] == 4 and of["x"][0] < -1
    assert of["other"][0] != of["x"][0]
    assert of["product"][0] not in (of["x"][0], of["other"][0])
    assert of["wide"] == (of["x"][0], 1000)
    assert of["anything"] is None and known.of("x", 1) is None and known.of("absent", 0) is None
    assert of["defaulted"][0] < -1     # whoever feeds it may feed any number of rows


def test_sizes_of_a_tensor_that_is_replaced_are_those_of_what_takes_its_place():
    known = shapes_of(_several, "all", {"x:0": (_tf.tf.float32, [7, 4])})
    assert known.of("of_x", 0) == (7, 4) and known.of("wide", 0) == (7, 1000) and "x" not in known.nodes


def test_in_graphs_of_old_producers_no_sizes_mean_an_unknown_rank():
    assert shapes_of(_several, "all", producer=21).of("number", 0) is None


def test_names_that_are_taken_are_not_given_twice():
    """The analyser aborts the process when two nodes have one name."""
    def build():
        tf = _tf.tf
        x = tf.placeholder(tf.float32, [None, 4], "x")
        with tf.name_scope("x"):
            fed = tf.tanh(x, "fed")
        with tf.name_scope("x/0/"):
            tf.add(fed, 1.0, "fed")
        tf.cond(tf.reduce_sum(x) > 0, lambda: x + 1, lambda: x)
        tf.identity(fed + tf.get_default_graph().get_tensor_by_name("x/0/fed:0"), "y")

    assert shapes_of(build, "y").of("y", 0)[1] == 4
    assert shapes_of(build, "y", {"x:0": (_tf.tf.float32, [None, 4])}).of("y", 0)[1] == 4


def test_a_graph_that_the_analyser_refuses_has_no_known_sizes():
    graph_def = _tf.tf.GraphDef()
    graph_def.node.add(name="strange", op="NoSuchOpAnywhere")
    assert symbolic_shapes(GraphIndex(graph_def), ["strange"], {}).of("strange", 0) is None
