"""Infeeds: what the host sends to an accelerator."""

from typing import Iterator

from graph_tools.find.inputs.record import Input, dtype_list, free_batch, make_input, numbered, shape_list, shape_of
from graph_tools.graph import ops
from graph_tools.graph.walk import GraphIndex


def inputs(index: GraphIndex) -> Iterator[Input]:
    """One input for each op that takes an element from the infeed of an accelerator."""
    for node in index.of_ops(ops.INFEED.takes):
        dtypes = dtype_list(node, "dtypes", "dtype")
        shapes = [shape_of(node.attr["shape"].shape)] if "shape" in node.attr else (
            shape_list(node, len(dtypes), "shapes"))
        shapes, batch = free_batch(shapes)
        yield make_input(index, "infeed", "what the host sends to the device", (node.name,),
                         numbered(node.name, dtypes, shapes), batch=batch)
