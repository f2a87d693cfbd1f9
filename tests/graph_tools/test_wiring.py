"""A graph that TensorFlow refuses is one line that names the node, what is wrong with it, and what to do."""

import dataclasses

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from graph_tools import _tf
from graph_tools.errors import ControlFlowError, ModelFormatError, ReleaseError
from graph_tools.graph import wiring
from graph_tools.releases import kernels
from tests.models import good, small


def wired():
    """A product, a split, a loop and a branch: what there is to be miswired."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], name="x")
    weights = tf.constant(np.random.RandomState(0).randn(4, 3).astype(np.float32), name="w")
    left, right = tf.split(tf.matmul(x, weights, name="h"), [1, 2], 1, name="split")
    joined = tf.concat([tf.nn.relu(left, name="relu"), right], 1, name="joined")
    looped = tf.while_loop(lambda step, value: step < 3, lambda step, value: (step + 1, value * 2.0), [0, joined])
    tf.nn.softmax(tf.cond(tf.shape(x)[0] > 1, lambda: looped[1], lambda: joined), name="s")


def node(graph, name):
    return next(one for one in graph.node if one.name == name)


def _port(graph):
    node(graph, "relu").input[0] = "split:7"


def _circle(graph):
    node(graph, "h").input[0] = "relu"


def _own_reader(graph):
    node(graph, "s").input.append("^s")


def _dtype(graph):
    node(graph, "relu").attr["T"].type = _tf.tf.int64.as_datatype_enum


def _few(graph):
    del node(graph, "h").input[1]


def _many(graph):
    node(graph, "relu").input.append("h")


def _lacks(graph):
    node(graph, "relu").attr.pop("T")


def _kind(graph):
    node(graph, "h").attr["transpose_a"].i = 3


def _no_type(graph):
    node(graph, "relu").attr["T"].type = 2 ** 31 - 1


def _without_end(graph):
    node(graph, "split").attr["num_split"].i = 2 ** 31 - 1


def _more_than_there_are(graph):
    graph.node.add(name="packed", op="Pack", input=["h"]).attr["N"].i = 2 ** 31 - 1
    node(graph, "packed").attr["T"].type = 1


def _control_first(graph):
    node(graph, "h").input.insert(0, "^x")


@pytest.mark.parametrize("damage,words", (
    (_port, ("'relu' (Relu)", "'split:7'", "2 outputs")),
    (_circle, ("'h'", "'split'", "'relu'", "circle")),
    (_own_reader, ("'s' -> 's'", "circle")),
    (_dtype, ("'relu' (Relu)", "'split:0'", "int64", "float32")),
    (_few, ("'h' (MatMul)", "1 input ", "takes 2 (a, b)")),
    (_many, ("'relu' (Relu)", "2 inputs", "takes 1 (features)")),
    (_lacks, ("'relu' (Relu)", "attribute T")),
    (_kind, ("'h' (MatMul)", "transpose_a", "int", "bool")),
    (_no_type, ("'relu' (Relu)", "attribute T")), (_without_end, ("'split' (SplitV)", "outputs", "num_split")),
    (_more_than_there_are, ("'packed' (Pack)", "inputs", "attribute N")),
    (_control_first, ("'h' (MatMul)", "control input")),
), ids=lambda value: getattr(value, "__name__", ""))
def test_each_fault_is_named_with_its_node(tmp_path, damage, words):
    graph = small.model_of(wired).graph_def
    damage(graph)
    path = str(tmp_path / "broken.pb")
    with open(path, "wb") as file:
        file.write(graph.SerializeToString())
    with pytest.raises((ModelFormatError, ControlFlowError)) as caught:
        gt.load(path).new_graph()
    message = str(caught.value)
    assert "\n" not in message and ("export it again" in message or "freeze the model again" in message)
    for word in words:
        assert word in message, message


def test_a_constant_of_another_dtype_is_refused_before_it_runs(tmp_path):
    graph = small.model_of(wired).graph_def
    node(graph, "w").attr["value"].tensor.dtype = _tf.tf.int32.as_datatype_enum
    path = str(tmp_path / "broken.pb")
    with open(path, "wb") as file:
        file.write(graph.SerializeToString())
    with pytest.raises(ModelFormatError, match=r"node 'w' \(Const\) says another dtype"):
        gt.load(path)


def test_what_is_no_fault_of_the_nodes_keeps_the_words_of_tensorflow(tmp_path):
    graph = small.model_of(wired).graph_def
    node(graph, "h").attr["transpose_b"].b = True  # 4 and 3 do not fit
    path = str(tmp_path / "shapes.pb")
    with open(path, "wb") as file:
        file.write(graph.SerializeToString())
    with pytest.raises(ReleaseError, match="refuses the graph: Dimensions"):
        gt.load(path).new_graph()


def test_sound_graphs_have_no_fault():
    """Loops close no circle; arguments with defaults, lists and functions of the library are counted rightly."""
    known = _tf.registered_ops()
    assert wiring.fault(small.model_of(wired).graph_def, known) == ""
    for seed in range(14):
        assert wiring.fault(good.good_model(seed).model.graph_def, known) == "", seed


def test_a_producer_of_an_unknown_op_blames_nobody():
    graph = small.model_of(wired).graph_def
    known = {name: op for name, op in _tf.registered_ops().items() if name != "MatMul"}
    assert wiring.fault(graph, known) == ""
    _dtype(graph)  # behind it, a fault is found all the same
    assert "'relu' (Relu) takes 'split:0' as int64" in wiring.fault(graph, known)


@pytest.mark.parametrize("entry", ["gone", "gone:1", "^gone"])
def test_an_input_that_names_no_node_is_said_when_nothing_else_is(entry):
    graph, known = small.model_of(wired).graph_def, _tf.registered_ops()
    relu = node(graph, "relu")
    relu.input[:] = ["split", entry] if entry.startswith("^") else [entry]
    assert wiring.fault(graph, known) == "node 'relu' (Relu) takes %r, and there is no such node" % entry
    _few(graph)
    assert wiring.fault(graph, known).startswith("node 'h' (MatMul) has 1 input ")


def test_an_op_that_a_pass_replaces_needs_no_kernel():
    """AccumulateNV2 has none in any release, and runs."""
    def build():
        tf = _tf.tf
        x = tf.placeholder(tf.float32, [None, 2], name="x")
        tf.raw_ops.AccumulateNV2(inputs=[x * x, 3.0 * x], shape=[None, 2], name="s")

    model, row = small.model_of(build), np.array([[1.0, 2.0]], np.float32)
    assert not kernels.registered("AccumulateNV2")
    with model.open_session() as session:
        np.testing.assert_allclose(session.run("s:0", {"x:0": row}), [[4.0, 10.0]])
    with tf1_ig.IntegratedGradients(model, "s:0") as explainer:
        found = explainer.explain({"x:0": row}, label=1)
    np.testing.assert_allclose(found.values["x:0"], [[0.0, 10.0]], atol=0.1)


def without_kernels(monkeypatch, lacking):
    registered = kernels.registered
    monkeypatch.setattr(kernels, "registered", lambda op: () if op == lacking else registered(op))


def test_an_op_without_a_kernel_is_named_before_it_runs(monkeypatch):
    model = small.model_of(wired)
    model.require(["s:0"])
    without_kernels(monkeypatch, "MatMul")
    with pytest.raises(ReleaseError, match="'h' needs op MatMul, for which TensorFlow .* has no kernel here; "):
        model.require(["s:0"])
    model.require(["s:0"], ["h:0"])  # fed, it does not run


def test_an_op_without_a_kernel_beside_the_output_is_in_nobodys_way():
    """CudnnRNNParamsSize has one on GPUs alone."""
    def build():
        tf = _tf.tf
        x = tf.placeholder(tf.float32, [None, 2], name="x")
        weights = tf.get_variable("w", [2, 2], initializer=tf.ones_initializer(), use_resource=False)
        tf.matmul(x, weights, name="s")
        tf.raw_ops.CudnnRNNParamsSize(num_layers=1, num_units=2, input_size=2, T=tf.float32, S=tf.int32, name="beside")

    model = dataclasses.replace(small.model_of(build), variables={"w": np.array([[1, 2], [3, 4]], np.float32)})
    with tf1_ig.IntegratedGradients(model, "s:0") as explainer:
        found = explainer.explain({"x:0": np.array([[1.0, 2.0]], np.float32)}, label=1)
    np.testing.assert_allclose(found.values["x:0"], [[2.0, 8.0]], rtol=1e-5)
    with model.open_session() as session:
        np.testing.assert_allclose(session.run("s:0", {"x:0": [[1.0, 2.0]]}), [[7.0, 10.0]])
    with pytest.raises(ReleaseError, match="'beside' needs op CudnnRNNParamsSize"):
        model.require(["beside:0"])
    config = _tf.session_config()  # which a graph without such ops takes as it is
    assert kernels.config_for(small.model_of(wired).index, config) is config
    assert kernels.config_for(model.index, config) != config


def test_an_op_inside_a_function_needs_a_kernel_too(monkeypatch):
    def calling():
        tf = _tf.tf
        x = tf.placeholder(tf.float32, [2, 2], "x")
        tf.identity(tf.function(lambda one: tf.matmul(one, one))(x), name="s")
        tf.identity(x, name="beside")

    model = small.model_of(calling)
    model.require(["s:0"])
    without_kernels(monkeypatch, "MatMul")
    with pytest.raises(ReleaseError, match="needs op MatMul"):
        model.require(["s:0"])
    model.require(["beside:0"])  # which does not call it


def test_a_kernel_for_other_dtypes_is_none(monkeypatch):
    registered, int64 = kernels.registered, _tf.tf.int64.as_datatype_enum
    monkeypatch.setattr(kernels, "registered", lambda op: [
        kernel for kernel in registered(op) if op != "MatMul" or any(
            int64 in constraint.allowed_values.list.type for constraint in kernel.constraint)])
    with pytest.raises(ReleaseError, match="MatMul.* for float32"):
        small.model_of(wired).require(["s:0"])


def _lacking(graph_def):
    lacks = wiring.Lacks(_tf.registered_ops())
    return "".join(lacks.of(node, node.op, node.attr) for node in graph_def.node)


@pytest.mark.parametrize("dtypes, fine", [([1, 3], True), ([101], True), ([], True), ([1, 14771], False), ([0], False)])
def test_a_list_of_types_holds_types(dtypes, fine):
    """Of a restore op, say, which is cut out of the graph by its types."""
    graph_def = _tf.tf.GraphDef()
    for name in ("path", "names", "slices"):
        graph_def.node.add(name=name, op="Placeholder").attr["dtype"].type = 7
    restore = graph_def.node.add(name="restore", op="RestoreV2", input=["path", "names", "slices"])
    restore.attr["dtypes"].list.SetInParent()
    restore.attr["dtypes"].list.type.extend(dtypes)
    assert _lacking(graph_def) == (
        "" if fine else "node 'restore' (RestoreV2) says a type in its attribute dtypes that is none")


def test_a_number_of_inputs_that_is_not_said_is_lacking_and_not_added():
    graph_def = _tf.tf.GraphDef()
    node = graph_def.node.add(name="pack", op="Pack")
    node.attr["T"].type = 1
    assert _lacking(graph_def) == "node 'pack' (Pack) lacks its attribute N"
    assert list(node.attr) == ["T"]
