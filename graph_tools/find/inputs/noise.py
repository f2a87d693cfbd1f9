"""Noise that the graph draws itself, where no data is fed: see ``graph_tools.find.latent``."""

from typing import Iterator

from graph_tools import _tf
from graph_tools.find import latent
from graph_tools.find.inputs.record import Component, Input, Shape, dtype_list, make_input
from graph_tools.graph.walk import GraphIndex

KIND = "noise"


def inputs(index: GraphIndex) -> Iterator[Input]:
    """One input for each tensor of noise that all else is computed from."""
    for name in sorted(latent.flow_of(index).drawn):
        shape = _drawn_shape(index, name)
        dtype = (dtype_list(index.nodes[name], "dtype", "T") or ["float32"])[0]
        yield make_input(index, KIND, "noise that the graph draws; no data is fed to it, and all it computes comes of "
                         "this", (name,), [Component(name + ":0", dtype, shape, name.rpartition("/")[2])],
                         batch=shape[0] if shape else None)


def _drawn_shape(index: GraphIndex, name: str) -> Shape:
    """The shape that noise is drawn in, where it is constant."""
    drawn = next(one for one in index.ancestors([name], control=False) if index.op(one) in latent.DRAWN)
    given = index.nodes[index.data_inputs(drawn)[0].node]
    if given.op != "Const":
        return None
    return tuple(int(size) for size in _tf.make_ndarray(given.attr["value"].tensor).ravel())
