"""Noise that a graph generates from: the input of a graph that takes no other.

A generator that draws its own noise has no placeholder that leads to a layer. What is drawn, scaled as the graph scales
it, can be fed and attributed to as any input is. The noise of a dropout is compared with a probability, and its value
leads no further; beside data, noise is no input.
"""

from typing import Tuple

from graph_tools.find.dataflow import COMPARISONS, LAYERS, SOURCES, Dataflow
from graph_tools.find.inputs import switches
from graph_tools.graph import names, ops
from graph_tools.graph.walk import GraphIndex

DRAWN = frozenset(("RandomUniform", "RandomStandardNormal", "TruncatedNormal", "StatelessRandomUniform",
                   "StatelessRandomNormal", "StatelessTruncatedNormal", "StatelessRandomUniformV2",
                   "StatelessRandomNormalV2", "StatelessTruncatedNormalV2"))
_CHANGES = SOURCES | ops.VARIABLES | DRAWN
_SCALES = frozenset(("Mul", "Add", "AddV2", "Sub"))
_NO_VALUE = COMPARISONS | ops.SETS | ops.SHAPE_READERS | {"Floor", "Cast"}


def flow_of(index: GraphIndex) -> Dataflow:
    """What the values of each node are made of, noise included where nothing else leads to a layer; made once."""
    return index.once(_flow)


def _flow(index: GraphIndex) -> Dataflow:
    knobs = switches.knobs(index)
    flow = Dataflow(index, knobs)
    if any(flow.is_data(node.name) for node in index.of_ops(LAYERS)):
        return flow
    drawn = latents(index)
    return Dataflow(index, knobs, drawn) if drawn else flow


def latents(index: GraphIndex) -> Tuple[str, ...]:
    """Nodes of the noise that leads to layers by its value, after what scales it."""
    found = []
    for node in index.of_ops(DRAWN):
        name = _scaled(index, node.name)
        behind = index.descendants([name], control=False, stop=lambda one: index.op(one) in _NO_VALUE)
        if any(index.op(one) in LAYERS for one in behind):
            found.append(name)
    return tuple(found)


def _scaled(index: GraphIndex, name: str) -> str:
    """Onwards from noise, as long as it is only multiplied with constants, or constants are added."""
    while True:
        uses = index.consumers(name, control=False)
        beside = [ref for use in uses for ref in index.data_inputs(use.node) if ref != names.TensorRef(name, 0)]
        if len(uses) != 1 or index.op(uses[0].node) not in _SCALES or any(
                index.op(one) in _CHANGES for one in index.ancestors([ref.node for ref in beside], control=False)):
            return name
        name = uses[0].node
