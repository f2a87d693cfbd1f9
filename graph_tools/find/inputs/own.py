"""What a graph computes from where no data is fed, noise that it draws or constants: see ``graph_tools.find.own``."""

from typing import Any, Iterator

import numpy as np

from graph_tools import _tf
from graph_tools.find import own
from graph_tools.find.inputs.record import Component, Input, Shape, dtype_list, make_input, shape_of
from graph_tools.graph.ops import PLACEHOLDERS, VARIABLES
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
        shape = _drawn_shape(index, drawn[0]) if drawn else _held_shape(index, name)
        dtype = (dtype_list(node, "dtype", "T") or ["float32"])[0]
        yield make_input(index, kind, _WHY[kind], (name,), [
            Component(name + ":0", dtype, shape, name.rpartition("/")[2])], batch=shape[0] if shape else None)


def _held_shape(index: GraphIndex, name: str) -> Shape:
    """The shape of a constant or of a variable that is read; of what is computed from several, that of the largest."""
    found = [node.attr["value"].tensor.tensor_shape if node.op == "Const" else node.attr["shape"].shape
             for node in (index.nodes[one] for one in index.ancestors([name], control=False))
             if node.op == "Const" or node.op in VARIABLES]
    return max(map(shape_of, found), key=lambda shape: int(np.prod([size or 0 for size in shape or ()])))


def _drawn_shape(index: GraphIndex, drawn: str) -> Shape:
    """The shape that noise is drawn in, where it is constant."""
    given: Any = index.nodes[index.data_inputs(drawn)[0].node]
    if given.op != "Const":
        return None
    return tuple(int(size) for size in _tf.make_ndarray(given.attr["value"].tensor).ravel())
