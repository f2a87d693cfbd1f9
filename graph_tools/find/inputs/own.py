"""What a graph computes from where no data is fed, noise that it draws or constants: see ``graph_tools.find.own``."""

import dataclasses
from typing import Any, Iterator

from graph_tools.errors import GraphToolsError
from graph_tools.find import own
from graph_tools.find.inputs.record import Component, Input, dtype_list, make_input
from graph_tools.graph.ops import PLACEHOLDERS
from graph_tools.graph.walk import GraphIndex

NOISE, CONSTANT = KINDS = "noise", "constant"
_WHY = {NOISE: "noise that the graph draws; no data is fed to it, and all it computes comes of this",
        CONSTANT: "numbers that the graph holds; no data is fed to it: feed rows of your own in their place"}


def inputs(index: GraphIndex) -> Iterator[Input]:
    """One input for each tensor of the graph's own that all else is computed from; placeholders are found elsewhere."""
    for name in sorted(own.flow_of(index).own):
        node = index.nodes[name]
        if node.op in PLACEHOLDERS:
            continue
        drawn = [one for one in index.ancestors([name], control=False) if index.op(one) in own.DRAWN]
        kind = NOISE if drawn else CONSTANT
        dtype = (dtype_list(node, "dtype", "T", "Tparams") or ["float32"])[0]
        yield make_input(index, kind, _WHY[kind], (name,), [
            Component(name + ":0", dtype, None, name.rpartition("/")[2])])


def shaped(model: Any, one: Input) -> Input:
    """The same input with the shape that TensorFlow infers where it can read the graph, and so many rows."""
    try:
        found = model.outline.get_tensor_by_name(one.tensor).shape
    except GraphToolsError:  # of another release: told where the graph is run
        return one
    shape = tuple(found.as_list()) if found.ndims is not None else None
    return dataclasses.replace(one, shape=shape, batch=shape[0] if shape else None,
                               components=(one.components[0]._replace(shape=shape),))
