"""Data of a graph's own: what it computes from where nothing is fed that leads to anything learned.

A generator that draws its own noise has no placeholder that leads to a layer; a first line through some points takes
single numbers, or holds the points as a constant. What is drawn (scaled as the graph scales it), the numbers and the
constants can be fed and attributed to as any input is. Beside data of other kinds none of them is an input: the noise
of a dropout is compared with a probability, a single number is a learning rate, a constant belongs to the model.
"""

from typing import List, Set, Tuple

from graph_tools.find.dataflow import CARRIED, COMPARISONS, FLOAT_TYPES, LAYERS, SOURCES, Dataflow
from graph_tools.find.inputs import switches
from graph_tools.graph import names, ops
from graph_tools.graph.walk import GraphIndex, reached

DRAWN = frozenset(("RandomUniform", "RandomStandardNormal", "TruncatedNormal", "StatelessRandomUniform",
                   "StatelessRandomNormal", "StatelessTruncatedNormal", "StatelessRandomUniformV2",
                   "StatelessRandomNormalV2", "StatelessTruncatedNormalV2"))
_CHANGES = SOURCES | ops.VARIABLES | DRAWN
_SCALES = frozenset(("Mul", "Add", "AddV2", "Sub"))
_NO_VALUE = COMPARISONS | ops.SETS | ops.SHAPE_READERS | {"Floor", "Cast"}


def flow_of(index: GraphIndex) -> Dataflow:
    """What the values of each node are made of, data of the graph's own included where there is no other; made once."""
    return index.once(_flow)


def _flow(index: GraphIndex) -> Dataflow:
    knobs = switches.knobs(index)
    flow = Dataflow(index, knobs)
    if any(flow.is_data(node.name) for node in index.of_ops(LAYERS)):
        return flow
    fed = switches.data(index)
    numbers = tuple(name for name in fed if not flow.is_data(name))
    own = drawn(index) or (numbers if len(numbers) == len(fed) else ()) or (() if fed else stored(index))
    return Dataflow(index, knobs, own) if own else flow


def drawn(index: GraphIndex) -> Tuple[str, ...]:
    """Nodes of the noise that leads to layers by its value, after what scales it."""
    noise = index.names_of(DRAWN)
    if not noise:
        return ()
    changing = index.descendants(index.names_of(_CHANGES), control=False)
    leading = index.ancestors(index.names_of(LAYERS), control=False, stop=lambda one: index.op(one) in _NO_VALUE)
    return tuple(name for name in (_scaled(index, one, changing) for one in noise) if name in leading)


def _scaled(index: GraphIndex, name: str, changing: Set[str]) -> str:
    """Onwards from noise, as long as it is only multiplied with constants, or constants are added."""
    while True:
        uses = index.consumers(name, control=False)
        beside = [ref for use in uses for ref in index.data_inputs(use.node) if ref != names.TensorRef(name, 0)]
        if len(uses) != 1 or index.op(uses[0].node) not in _SCALES or any(ref.node in changing for ref in beside):
            return name
        name = uses[0].node


def stored(index: GraphIndex) -> Tuple[str, ...]:
    """Constants whose values meet what is learned: points that a model is fitted to, and what it ought to say of them.

    Floats with an axis, and ids that rows are looked up by; none in a frozen graph, whose weights are constants, too.
    """
    learned = index.descendants(index.names_of(ops.VARIABLES), control=False,
                                stop=lambda name: index.op(name) in ops.ASSIGNS | ops.SHAPE_READERS)
    meeting = {is_float: _meeting(index, learned, is_float) for is_float in (False, True)}
    return tuple(node.name for node in index.of_ops(frozenset(("Const",)))
                 if node.name not in learned and node.attr["value"].tensor.tensor_shape.dim
                 and node.name in meeting[node.attr["dtype"].type in FLOAT_TYPES])


def _meeting(index: GraphIndex, learned: Set[str], is_float: bool) -> Set[str]:
    """Nodes whose values are computed with what is learned, or are ids of its rows."""
    def carried(name: str) -> List[Tuple[int, str]]:
        op = index.op(name)
        return [] if op in ops.ASSIGNS | ops.SHAPE_READERS else [
            (slot, ref.node) for slot, ref in enumerate(index.inputs(name))
            if not ref.is_control and slot in CARRIED.get(op, (slot,))]

    def meets(name: str, slot: int) -> bool:
        return slot == 1 if index.op(name) in ops.GATHERS else is_float

    starts = [other for name in learned for slot, other in carried(name) if meets(name, slot)]
    return set(reached(starts, lambda name: () if name in learned else [other for _, other in carried(name)]))
