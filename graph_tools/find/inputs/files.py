"""Files that the graph reads by name: what is in them can be fed, where their names are no input of this machine's."""

from typing import Iterator

from graph_tools.find.inputs.record import Component, Input, make_input
from graph_tools.graph import ops
from graph_tools.graph.walk import GraphIndex


def inputs(index: GraphIndex) -> Iterator[Input]:
    """One input for each op that reads a whole file."""
    for node in index.of_ops(ops.FILE.takes):
        yield make_input(index, "file", "the bytes of the file that %r names" % str(index.data_inputs(node.name)[0]),
                         (node.name,), [Component(node.name + ":0", "string", (), "content")], producers=(node.name,))
