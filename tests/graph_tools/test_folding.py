"""What folding is believed to cost, against what TensorFlow finds; and sizes that are hidden behind small numbers."""

import numpy as np
import pytest

from graph_tools import _tf
from graph_tools.graph import wiring
from graph_tools.safety import folding
from tests.models import bombs

I32, I64, F32 = np.int32, np.int64, np.float32


def matrix(*rows):
    return np.array(rows, I32)


V, M = np.array([2, 3, 4], I32), matrix([1, 2, 3], [4, 5, 6])
# Ops of small constants, as ``tf.raw_ops`` takes them: value, shape and size must be those that TensorFlow finds.
VALUES = [
    ("Identity", dict(input=M)), ("Neg", dict(x=M)), ("Square", dict(x=M)), ("Add", dict(x=M, y=V)),
    ("AddV2", dict(x=M, y=I32(2))), ("Sub", dict(x=V, y=M)), ("Mul", dict(x=matrix([1], [2]), y=V)),
    ("Pow", dict(x=M, y=V)), ("Maximum", dict(x=M, y=V)), ("Minimum", dict(x=M, y=V)),
    ("FloorDiv", dict(x=-M, y=V)), ("FloorMod", dict(x=-M, y=V)), ("Prod", dict(input=M, axis=[0])),
    ("Sum", dict(input=M, axis=[0])), ("Sum", dict(input=M, axis=[1], keep_dims=True)),
    ("Sum", dict(input=M, axis=[0, -1])), ("Prod", dict(input=M, axis=-1)), ("Reshape", dict(tensor=M, shape=[3, -1])),
    ("ExpandDims", dict(input=M, axis=1)), ("ExpandDims", dict(input=M, axis=-1)),
    ("ExpandDims", dict(input=M, axis=0)), ("ExpandDims", dict(input=M, axis=-3)),
    ("Cast", dict(x=V, DstT=np.float64)), ("Cast", dict(x=V, DstT=I64)),
    ("Slice", dict(input=M, begin=[1, 0], size=[0, 2])), ("Identity", dict(input=np.arange(64, dtype=I32))),
    ("Identity", dict(input=I64(2 ** 31 - 1))), ("Neg", dict(x=I64(2 ** 31 - 1))),
    ("Squeeze", dict(input=matrix([1, 2]), axis=[0])), ("Squeeze", dict(input=matrix([7]))),
    ("Squeeze", dict(input=matrix([1, 2])[None], axis=[1])), ("Neg", dict(x=I32(1 - 2 ** 31))),
    ("Cast", dict(x=np.array([1.9, -1.9], F32), DstT=I32)), ("Cast", dict(x=V, DstT=F32)),
    ("Gather", dict(params=M, indices=[1])), ("GatherV2", dict(params=M, indices=[2, 0], axis=1)),
    ("GatherV2", dict(params=V, indices=1, axis=0)), ("Slice", dict(input=M, begin=[0, 1], size=[-1, 2])),
    ("StridedSlice", dict(input=V, begin=[1], end=[3], strides=[1])),
    ("StridedSlice", dict(input=V, begin=[1], end=[3], strides=[1], begin_mask=1)),
    ("StridedSlice", dict(input=V, begin=[1], end=[2], strides=[1], end_mask=1)),
    ("StridedSlice", dict(input=V, begin=[2], end=[0], strides=[-1])),
    ("StridedSlice", dict(input=V, begin=[1], end=[2], strides=[1], shrink_axis_mask=1)),
    ("ConcatV2", dict(values=[M, M[:1]], axis=0)), ("ConcatV2", dict(values=[M, M], axis=-1)),
    ("Pack", dict(values=[V, V])), ("Pack", dict(values=[V, V + 1], axis=1)), ("Shape", dict(input=M)),
]
# Ops of which the size matters, and what is not known is said to be unknown.
SIZES = VALUES + [
    ("StridedSlice", dict(input=M, begin=[1], end=[2], strides=[1], shrink_axis_mask=1)),
    ("StridedSlice", dict(input=V, begin=[0], end=[0], strides=[1], new_axis_mask=1)),
    ("Fill", dict(dims=V, value=1.0)), ("BroadcastTo", dict(input=F32(1), shape=[5, 2])),
    ("Tile", dict(input=M, multiples=[2, 3])), ("Range", dict(start=0, limit=7, delta=2)),
    ("Range", dict(start=7, limit=0, delta=-3)), ("Size", dict(input=M)), ("Rank", dict(input=M)),
    ("MatMul", dict(a=M, b=M, transpose_b=True)), ("MatMul", dict(a=M, b=M, transpose_a=True)),
    ("BatchMatMulV2", dict(x=np.ones((1, 5, 1), F32), y=np.ones((1, 1, 6), F32))),
    ("BatchMatMulV2", dict(x=np.ones((2, 5, 3), F32), y=np.ones((2, 3, 6), F32))),
    ("Add", dict(x=np.ones((50, 1), F32), y=np.ones((1, 70), F32))),
    ("SelectV2", dict(condition=np.ones((9, 1), bool), t=np.ones(8, F32), e=F32(0))),
    ("Select", dict(condition=np.ones(9, bool), x=np.ones((9, 3), F32), y=np.zeros((9, 3), F32))),
    ("GatherV2", dict(params=np.ones((1, 90), F32), indices=np.zeros(80, I32), axis=0)),
    ("Transpose", dict(x=np.ones((3, 40), F32), perm=[1, 0])),
    ("Reshape", dict(tensor=np.ones(60, F32), shape=[6, -1])),
    ("BiasAdd", dict(value=np.ones((4, 30), F32), bias=np.ones(30, F32))),
    ("Softmax", dict(logits=np.ones((9, 9), F32))),
    ("AddN", dict(inputs=[np.ones((9, 9), F32)] * 3)), ("Unpack", dict(value=np.ones((2, 80), F32), num=2)),
    ("AsString", dict(input=V)), ("AsString", dict(input=V, width=90)),
    ("AsString", dict(input=np.array([1e308, -1e308]), precision=40)),
    ("DynamicStitch", dict(indices=[[0, 2], [1]], data=[np.ones((2, 3), F32), np.ones((1, 3), F32)])),
    ("MatMul", dict(a=np.ones((9, 0), F32), b=np.ones((0, 8), F32))),
    ("Sum", dict(input=np.ones((9, 8, 0), F32), axis=2)), ("Fill", dict(dims=V, value="abc")),
    ("SquaredDifference", dict(x=np.ones((50, 1), F32), y=np.ones((1, 70), F32))),
    ("Add", dict(x="a" * 40, y=["b", "c", "d"])), ("Substr", dict(input="a" * 40, pos=[0] * 30, len=[40] * 30)),
    ("GatherV2", dict(params=["a" * 40], indices=[0] * 30, axis=0)),
    ("BroadcastTo", dict(input="a" * 40, shape=[30])), ("StringUpper", dict(input="a" * 40)),
    ("StringJoin", dict(inputs=[["b", "c", "d"], ["b", "c", "d"]], separator="a" * 40)),
    ("StringJoin", dict(inputs=["a" * 40, ["b", "c", "d"]])),
    ("StringJoin", dict(inputs=[["b", "c", "d"], ["b", "c", "d"]])), ("L2Loss", dict(t=np.ones(70, F32))),
]


def folded(op, args):
    """What is believed of an op, and what TensorFlow finds."""
    tf = _tf.tf
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        made = getattr(tf.raw_ops, op)(name="made", **args)
        made = made[0] if isinstance(made, (list, tuple)) else made
        return folding._fold(graph.as_graph_def())["made"], session.run(made)


def texts(found):
    return sum(map(len, np.ravel(found).tolist())) if found.dtype.kind in "OS" else 0


@pytest.mark.parametrize("op, args", VALUES, ids=lambda one: one if isinstance(one, str) else "")
def test_values_that_are_followed_are_those_of_tensorflow(op, args):
    believed, found = folded(op, args)
    np.testing.assert_array_equal(believed.value, found)
    assert np.shape(believed.value) == np.shape(found)


@pytest.mark.parametrize("op, args", SIZES, ids=lambda one: one if isinstance(one, str) else "")
def test_nothing_is_larger_than_is_believed(op, args):
    """Nor much smaller; a shape that is told is the right one."""
    believed, found = folded(op, args)
    found = np.asarray(found)
    assert max(found.size, texts(found)) <= believed.size
    assert believed.shape is None or believed.shape == found.shape
    assert believed.value is None or np.array_equal(believed.value, found)


@pytest.mark.parametrize("op, args, size, cost", [
    ("Add", dict(x=np.ones((50, 1), F32), y=np.ones((1, 70), F32)), 3500, 7000),
    ("Neg", dict(x=np.ones(70, F32)), 70, 70),
    ("MatMul", dict(a=np.ones((5, 7), F32), b=np.ones((7, 3), F32)), 15, 105),
    ("Fill", dict(dims=V, value=1.0), 24, 24),
    ("MatMul", dict(a=np.ones((7, 5), F32), b=np.ones((3, 7), F32), transpose_a=True, transpose_b=True), 15, 105),
    ("Tile", dict(input=M, multiples=[2, 3]), 36, 36), ("Range", dict(start=0, limit=8, delta=2), 5, 0),
    ("AddN", dict(inputs=[np.ones(70, F32)] * 3), 70, 210), ("AsString", dict(input=V), 960, 0),
    ("L2Loss", dict(t=np.ones(70, F32)), 70, 1120), ("ConcatV2", dict(values=[M, M], axis=0), 13, 13),
    ("StringJoin", dict(inputs=["a" * 40, ["b", "c", "d"]]), 43 * 40, 43 * 40),
    ("GatherV2", dict(params=np.ones((1, 90), F32), indices=np.zeros(80, I32), axis=0), 7200, 7200),
    ("GatherV2", dict(params=np.ones(90, F32), indices=np.zeros(80, I32), axis=0), 80, 80),
    ("Shape", dict(input=M), 8, 0), ("Rank", dict(input=M), 1, 0)], ids=lambda one: one if isinstance(one, str) else "")
def test_sizes_and_costs(op, args, size, cost):
    believed, _ = folded(op, args)
    assert (believed.size, believed.cost) == (size, cost)


@pytest.mark.parametrize("op, args", [
    ("Pad", dict(input=M, paddings=[[0, 1], [1, 0]])), ("OneHot", dict(indices=V, depth=5, on_value=1, off_value=0)),
    ("Cast", dict(x=V, DstT=np.uint8)), ("FloorMod", dict(x=V, y=matrix([2, 2, 2]))),
    ("Identity", dict(input=np.arange(65, dtype=I32))), ("Identity", dict(input=I64(2 ** 31))),
    ("Neg", dict(x=I64(2 ** 31))), ("AddV2", dict(x=I32(2 ** 31 - 1), y=I32(1))),
    ("ConcatV2", dict(values=[np.arange(64, dtype=I32), V], axis=0))],
    ids=lambda one: one if isinstance(one, str) else "")
def test_what_is_not_followed_has_no_value(op, args):
    believed, found = folded(op, args)
    assert believed.value is None or np.array_equal(believed.value, found)
    assert op not in ("Pad", "OneHot") or believed.size is None
    assert op != "Cast" or believed.value is None


@pytest.mark.parametrize("dtype, field", [(1, "float_val"), (3, "int_val"), (9, "int64_val")])
@pytest.mark.parametrize("shape, values", [((2, 2), [5, 6, 7, 8]), ((2, 2), [5, 6]), ((3,), [5]), ((), [5]),
                                           ((64,), [5, 6]), ((0,), [])])
def test_constants_that_hold_fewer_numbers_repeat_the_last(dtype, field, shape, values):
    """As TensorFlow reads them, whose reader is the oracle."""
    node = _tf.tf.NodeDef(name="made", op="Const")
    tensor = node.attr["value"].tensor
    tensor.dtype = dtype
    getattr(tensor, field).extend(values)
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    believed = folding._constant(node, [])
    expected = _tf.tf.make_ndarray(tensor)
    assert believed.size == max(1, expected.size) and believed.shape == shape and believed.cost == 0
    np.testing.assert_array_equal(believed.value, expected)
    assert believed.value.dtype == expected.dtype


def test_constants_of_other_types_have_a_size():
    """Of text that the file does not hold the last one is repeated."""
    for values, more, size in ((["a", "bcd"], 0, 4), (["", "", ""], 0, 3), (np.ones(7, np.float64), 0, 7),
                               (np.ones(7, bool), 0, 7), (["a", "bcd"], 5, 19)):
        node = _tf.tf.NodeDef(name="made", op="Const")
        node.attr["value"].tensor.CopyFrom(_tf.tf.make_tensor_proto(values))
        node.attr["value"].tensor.tensor_shape.dim[0].size += more
        assert folding._constant(node, []) == folding.Folded(size, (len(values) + more,))


@pytest.mark.parametrize("op, inputs, size, cost", [
    ("Add", [folding.Folded(5), folding.Folded(1), folding.Folded(3)], 45, 135),
    ("Add", [folding.Folded(6, (2, 3)), folding.Folded(3)], 36, 72),
    ("Neg", [folding.Folded(5, None, None, 99)], 5, 5),
    ("Range", [folding.Folded(1, (), np.float32(one)) for one in (0, 5, 0)], None, 0),
    ("Range", [folding.Folded(1, (), np.float32(0)), folding.Folded(1), folding.Folded(1, (), np.float32(1))], None, 0),
    ("Fill", [folding.Folded(2, (2,), np.array([0, 5])), folding.Folded(1, ())], 5, 5),
    ("Fill", [folding.Folded(2, (2,), np.array([4, 5])), folding.Folded(9, ())], 180, 180),
    ("BroadcastTo", [folding.Folded(9), folding.Folded(2, (2,), np.array([4, 5]))], 180, 180),
    ("Reshape", [folding.Folded(1, (0,)), folding.Folded(3)], None, 0),
    ("Reshape", [folding.Folded(6, (2, 3)), folding.Folded(3)], 6, 12),
    ("DynamicStitch", [folding.Folded(2, (2,), np.array([4, 1])), folding.Folded(6)], 30, 30),
    ("DynamicStitch", [folding.Folded(2), folding.Folded(6)], None, 0),
    ("DynamicStitch", [folding.Folded(2, (2,), np.array([4, 1])), folding.Folded(None)], None, 0),
    ("Tile", [folding.Folded(None), folding.Folded(1, (1,), np.array([2]))], None, 0),
    ("MatMul", [folding.Folded(6, (2, 3)), folding.Folded(3, (3,))], None, 0),
    ("MatMul", [folding.Folded(6, (2, 3)), folding.Folded(6)], None, 0),
    ("MatMul", [folding.Folded(2, (2, 0)), folding.Folded(5, (0, 5))], 10, 10),
    ("Identity", [folding.Folded(None, (2, 3))], None, 0), ("Add", [folding.Folded(None), folding.Folded(1)], None, 0),
    ("ConcatV2", [folding.Folded(None), folding.Folded(1)], None, 0), ("Pad", [folding.Folded(3)] * 2, None, 0),
    ("GatherV2", [folding.Folded(None), folding.Folded(3), folding.Folded(1)], None, 0),
    ("GatherV2", [folding.Folded(3), folding.Folded(None), folding.Folded(1)], None, 0),
    ("AsString", [folding.Folded(None)], None, 0), ("L2Loss", [folding.Folded(None)], None, 0), ("Add", [], None, 0),
    ("NoSuchOp", [folding.Folded(3)], None, 0)], ids=lambda one: one if isinstance(one, str) else "")
def test_what_is_not_known_of_inputs(op, inputs, size, cost):
    """Sizes without shapes multiply; without a size there is none; a node that lacks an input is not known."""
    found = folding._folded(_tf.tf.NodeDef(name="made", op=op), inputs)
    assert (found.size, found.cost) == (size, cost)


@pytest.mark.parametrize("more, gates", [(0, 0), (1, 1)])
def test_where_folding_ends(more, gates):
    """At 128 million steps of one node, or entries of it; what is dear to compute although it is small, too."""
    tf = _tf.tf
    for made in (lambda: tf.fill([(1 << 27) + more], 1.0),
                 lambda: tf.matmul(tf.ones([1, (1 << 27) + more]), tf.ones([(1 << 27) + more, 1]))):
        with tf.Graph().as_default() as graph:
            tf.identity(made(), "end")
        graph_def = graph.as_graph_def()
        folding.withhold(graph_def)
        found = [node.name for node in graph_def.node if node.op == "PlaceholderWithDefault"]
        assert bool(found) == bool(gates)


@pytest.mark.parametrize("name", sorted(bombs.BOMBS))
def test_sizes_that_small_numbers_hide(name):
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        made = bombs.BOMBS[name](tf, 1 << 14)
        tf.identity(made, "end")
    graph_def = graph.as_graph_def()
    assert made.op.name in folding.withhold(graph_def)
    gates = [node for node in graph_def.node if node.op == "PlaceholderWithDefault"]
    assert gates and all(node.attr["dtype"].type == made.dtype.as_datatype_enum for node in gates)


@pytest.mark.parametrize("size, followed", [(8, True), (1 << 18, False)])
def test_empty_values_of_large_axes_are_not_followed(size, followed):
    """A sum over the empty axis of such is as large as the others: it is not computed here either."""
    node = _tf.tf.NodeDef(name="made", op="Const")
    node.attr["value"].tensor.dtype = 1
    for one in (size, size, 0):
        node.attr["value"].tensor.tensor_shape.dim.add(size=one)
    empty = folding._constant(node, [])
    assert (empty.value is not None) == followed and empty.size == size * size
    total = folding._folded(_tf.tf.NodeDef(name="sum", op="Sum"), [empty, folding.Folded(1, (), np.int32(2))])
    assert total.size == size * size and (total.value is not None) == followed


def test_what_is_withheld_is_computed_all_the_same(monkeypatch):
    tf = _tf.tf
    monkeypatch.setattr(folding, "FOLDED", 10)
    with tf.Graph().as_default() as graph:
        parts = tf.split(tf.range(12), 2)
        tf.add(parts[1], parts[0], "end")
    graph_def = graph.as_graph_def()
    assert folding.withhold(graph_def) == ["range", "split"]
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        tf.import_graph_def(graph_def, name="")
        assert session.run("end:0").tolist() == [6, 8, 10, 12, 14, 16]
    monkeypatch.setattr(folding, "FOLDED", 10000)
    assert folding.withhold(graph_def) == []


def test_a_constant_whose_bytes_are_torn_is_not_known():
    node = _tf.tf.NodeDef(name="made", op="Const")
    node.attr["value"].tensor.CopyFrom(_tf.tf.make_tensor_proto(V))
    node.attr["value"].tensor.tensor_content = node.attr["value"].tensor.tensor_content[:-1] or b"abc"
    assert folding._fold(_tf.tf.GraphDef(node=[node]))["made"] == folding.Folded(None)


@pytest.mark.parametrize("dtype, name", [(1, "float32"), (101, "float32"), (0, "of no dtype"), (96, "of no dtype"),
                                         (-1, "of no dtype"), (2 ** 31 - 1, "of no dtype")])
def test_a_type_that_is_none_has_no_name(dtype, name):
    assert wiring._name(dtype) == name


def test_the_order_of_the_nodes_does_not_matter():
    """A file may name its nodes in any order; what waits for an input is looked at again when that is known."""
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None], "x")
        sizes = [tf.constant(number) for number in (2, 3, 4)]
        shape = tf.stack(sizes + [sizes[0] + sizes[1] + sizes[2]])
        with tf.control_dependencies([x]):
            made = tf.fill(shape, tf.constant(2.0) * 3.0)
        tf.add(made, x, "end")
    graph_def, random = graph.as_graph_def(), np.random.RandomState(0)
    first = folding._fold(graph_def)
    assert first[made.op.name].shape == (2, 3, 4, 9) and not {"x", "end"} & set(first)
    for _ in range(20):
        mixed = _tf.tf.GraphDef(node=[graph_def.node[place] for place in random.permutation(len(graph_def.node))])
        found = folding._fold(mixed)
        assert set(found) == set(first)
        assert all(str(found[name]) == str(first[name]) for name in first)


@pytest.mark.parametrize("count", (10, 3000))
def test_a_node_before_its_many_inputs_is_looked_at_once_for_each(count, monkeypatch):
    graph_def, asked = _tf.tf.GraphDef(), []
    graph_def.node.add(name="all", op="AddN").input.extend("k%d" % number for number in range(count))
    for number in range(count):
        graph_def.node.add(name="k%d" % number, op="Const").attr["value"].tensor.dtype = 1
    source, constant, read = folding._source, folding._RULES["Const"], []
    monkeypatch.setattr(folding, "_source", lambda entry: asked.append(entry) or source(entry))
    monkeypatch.setitem(folding._RULES, "Const", lambda *more: read.append(more) or constant(*more))
    assert "all" in folding._fold(graph_def) and len(asked) <= 6 * count and len(read) == count
