"""Readers: records that a reader takes from the files whose names are in a queue."""

from typing import Iterator

from graph_tools.find.inputs.record import Component, Input, make_input, resource_behind
from graph_tools.graph import ops
from graph_tools.graph.walk import GraphIndex


def inputs(index: GraphIndex) -> Iterator[Input]:
    """One input for each op that reads a record, or several."""
    for node in index.of_ops(ops.READER.takes):
        shape = (None,) if "UpTo" in node.op else ()
        components = [Component(node.name + ":0", "string", shape, "key"),
                      Component(node.name + ":1", "string", shape, "value")]
        behind = resource_behind(index, node.name, ops.READER.holds)
        why = "a record from %s" % (" or ".join("%s %r" % (index.op(name), name) for name in behind) or "a reader")
        yield make_input(index, "reader", why, (node.name,), components, producers=behind)
