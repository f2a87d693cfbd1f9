"""What judging leaves to Python's collector and how often it looks at a node: counted, not timed.

A collection of all that TensorFlow's import left takes as long as judging a graph of thousands of nodes: one that
judging starts is the most that it can cost. It starts none that loading would not, when it makes next to no objects.
"""

import gc
import sys

import pytest

from graph_tools import _tf
from graph_tools.graph import scan, walk
from graph_tools.safety import disarm, judge


def training_graph(layers):
    """Eight nodes a layer: constants of numbers and text, what import folds of them, what it does not; with a saver."""
    meta_graph = _tf.tf.MetaGraphDef()
    graph_def, before = meta_graph.graph_def, "x"
    add(graph_def, "Placeholder", "x", dtype=1)
    for layer in range(layers):
        scope = "layer_%d/" % layer
        for name, value in (("size", 3), ("start", 0.5), ("text", "a name")):
            node = add(graph_def, "Const", scope + name)
            node.attr["value"].tensor.CopyFrom(_tf.tf.make_tensor_proto(value))
            node.attr["dtype"].type = node.attr["value"].tensor.dtype
        add(graph_def, "VariableV2", scope + "w", dtype=1, shape=None)
        add(graph_def, "Assign", scope + "assign", scope + "w", scope + "start", T=1)
        add(graph_def, "Identity", scope + "read", scope + "w", T=1)
        add(graph_def, "Mul", scope + "mul", before, scope + "read", T=1)
        add(graph_def, "Tanh", scope + "tanh", scope + "mul", T=1)
        before = scope + "tanh"
    add(graph_def, "SaveV2", "save", *["layer_0/text"] * 3 + [before]).attr["dtypes"].list.type.append(1)
    return meta_graph


def add(graph_def, op, name, *entries, **attributes):
    node = graph_def.node.add(op=op, name=name, input=entries)
    for key, value in attributes.items():
        if value is None:
            node.attr[key].shape.unknown_rank = True
        else:
            node.attr[key].type = value
    return node


def _outlook(meta_graph):
    index = walk.GraphIndex(meta_graph.graph_def)
    refused = judge.judge(meta_graph.graph_def)
    assert list(refused) == ["save"]
    return lambda: judge.outlook(meta_graph, index, refused)


# Stages of judging: what is made before it is looked at, and the Python functions that it may call for a node.
STAGES = {
    "whether it is whole and within bounds": (lambda meta: lambda: scan.check(meta.graph_def, "a file"), 9.0),
    "what is refused": (lambda meta: lambda: judge.judge(meta.graph_def), 0.1),
    "what that leaves": (_outlook, 0.5),
    "what is cut out": (lambda meta: lambda: disarm.disarm(meta.graph_def), 3.0),
}


@pytest.mark.parametrize("stage", STAGES)
def test_judging_makes_next_to_no_objects_that_stay(stage, collections):
    """Once what is the same for every file has been made."""
    STAGES[stage][0](training_graph(5))()
    meta_graph = training_graph(500)
    run = STAGES[stage][0](meta_graph)
    gc.collect()
    gc.set_threshold(100, 1 << 20, 1 << 20)  # one of the youngest for each hundred objects
    del collections[:]
    run()
    assert len(collections) <= 3, "%d00 objects for %d nodes" % (len(collections), len(meta_graph.graph_def.node))


@pytest.mark.parametrize("stage", STAGES)
def test_judging_calls_few_functions_for_a_node(stage):
    make, most = STAGES[stage]
    make(training_graph(5))()
    calls = {}
    for layers in (100, 200):
        run, called = make(training_graph(layers)), []
        sys.setprofile(lambda frame, event, arg, called=called: event == "call" and called.append(0))
        try:
            run()
        finally:
            sys.setprofile(None)
        calls[layers] = len(called)
    assert calls[200] - calls[100] <= 800 * most, calls
