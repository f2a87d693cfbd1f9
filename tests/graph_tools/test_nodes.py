"""The maker of nodes: what it writes is what TensorFlow itself writes, and nobody else makes any."""

import pathlib
import re

import numpy as np
import pytest

from graph_tools import _tf
from graph_tools.graph import nodes

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def _graph():
    """A GraphDef as TensorFlow writes it."""
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        fed = tf.placeholder(tf.float32, [None, 3], "fed")
        tf.placeholder(tf.string, None, "anything")
        tf.constant([[1, 2]], tf.int64, name="held")
        tf.constant(np.array([b"a", b""], object), name="words")
        parts = tf.split(fed, 3, 1, name="parts")
        tf.identity(parts[1], "part")
        tf.identity_n([fed, tf.constant(1, name="one")], "both")
    return graph.as_graph_def(add_shapes=False)


def _made():
    tf = _tf.tf
    graph_def = tf.GraphDef()
    nodes.add(graph_def, "Placeholder", "fed", dtype="float32", shape=(None, 3))
    nodes.add(graph_def, "Placeholder", "anything", dtype=tf.string, shape=None)
    nodes.add(graph_def, "Const", "held", **nodes.constant([[1, 2]], "int64"))
    nodes.add(graph_def, "Const", "words", **nodes.constant(np.array([b"a", b""], object)))
    nodes.hand_on(nodes.add(graph_def, "NoOp", "part"), [nodes.TensorRef("parts", 1)], [1])
    nodes.add(graph_def, "Const", "one", **nodes.constant(1))
    nodes.hand_on(nodes.add(graph_def, "Placeholder", "both", dtype="bool"), ["fed", "one"], ["float32", "int32"])
    return {node.name: node for node in graph_def.node}


def test_nodes_are_those_that_tensorflow_writes():
    made = _made()
    assert len(made) == 7
    for node in _graph().node:
        if node.name in made:
            assert made.pop(node.name) == node
    assert not made


def test_a_node_becomes_another_under_its_name_and_on_its_device():
    node = nodes.new("MatMul", "product", ["a", "b:1", "^c"], "/cpu:0", T="float32", transpose_a=True)
    assert list(node.input) == ["a", "b:1", "^c"] and node.attr["transpose_a"].b
    nodes.become(node, "Identity", node.input[:1], T=node.attr["T"].type)
    assert node == nodes.new("Identity", "product", ["a"], "/cpu:0", T=1)
    nodes.hand_on(node, [], [], ["^a"])
    assert node == nodes.new("NoOp", "product", ["^a"], "/cpu:0")


def test_inputs_and_stale_attributes_go():
    graph_def = _tf.tf.GraphDef()
    first = nodes.add(graph_def, "Identity", "first", ["a", "^gone", "^kept"], T="half", _class=b"loc:@a")
    copy = nodes.copied(graph_def, first)
    assert "_class" in first.attr and "_class" not in copy.attr and list(copy.input) == list(first.input)
    assert nodes.without_control(copy, {"gone", "a"}) and list(copy.input) == ["a", "^kept"]
    assert not nodes.without_control(copy, {"a"}) and list(copy.input) == ["a", "^kept"]
    nodes.set_inputs(copy, [nodes.TensorRef("x", 0), nodes.TensorRef("x", 2), nodes.TensorRef("y", -1)])
    assert list(copy.input) == ["x", "x:2", "^y"]


@pytest.mark.parametrize("taken, name", [((), "a"), (("a",), "a_1"), (("a", "a_1", "a_3"), "a_2")])
def test_a_free_name(taken, name):
    assert nodes.free_name("a", taken) == name


def test_nodes_are_made_in_one_place():
    makers = [path.relative_to(ROOT).as_posix() for package in ("graph_tools", "tf1_ig")
              for path in sorted((ROOT / package).rglob("*.py"))
              if re.search(r"\.node\.add\((?!\)\.CopyFrom)|NodeDef\(", path.read_text(encoding="utf-8"))]
    assert makers == ["graph_tools/graph/nodes.py"]
