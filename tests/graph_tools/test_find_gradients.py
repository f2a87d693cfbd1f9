"""Which nodes differentiate others, by their names: those that TensorFlow gives, and those that a stranger may give."""

import re

import pytest

from graph_tools import _tf
from graph_tools.find import gradients
from graph_tools.graph.walk import GraphIndex

LONG = "gradients/" * 60000


@pytest.mark.parametrize("name, op", [
    ("gradients/dense/MatMul_grad/MatMul_1", "dense/MatMul"), ("gradients_3/a_grad/b_grad/c", "a"),
    ("tower/gradients_1/tower/dense/MatMul_grad/MatMul_1", "tower/dense/MatMul"), ("gradient/x_grad/y", "x"),
    ("a/gradients/b/c", ""), ("my_gradients/a_grad/b", ""), ("gradients/_grad/x_grad/y", "_grad/x"), ("a_grad/b", ""),
    ("gradient_tape/a_grad/gradients/b_grad/c", "b"), ("gradients/a_grad", "")])
def test_the_op_that_a_name_tells(name, op):
    assert gradients.differentiated_by(name) == op
    told = re.search(r"(?:^|/)gradients?(?:_\d+)?/(.+?)_grad/", name)  # the same said at once
    assert (told.group(1) if told else "") == op
    assert gradients.differentiated([name, "plain"]) == ({op} if op else set())


def test_a_name_of_scopes_without_end_takes_no_time_and_no_memory():
    """Looked at from each of its scopes it took hours, and every beginning of it 20 GB."""
    assert gradients.differentiated_by(LONG + "x") == "" and gradients.differentiated_by(LONG + "x_grad/y") == LONG[
        len("gradients/"):] + "x"
    graph_def = _tf.tf.GraphDef()
    for name in (LONG + "x", "a", "gradients/gradients/gradients/a_grad/b", "mine/gradients/c"):
        graph_def.node.add(name=name, op="NoOp")
    assert gradients.nodes(GraphIndex(graph_def)) >= {"gradients/gradients/gradients/a_grad/b"}
    assert "mine/gradients/c" not in gradients.nodes(GraphIndex(graph_def))
