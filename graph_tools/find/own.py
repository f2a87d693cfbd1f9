"""Data of a graph's own: what it computes from where nothing is fed that leads to anything learned.

A generator that draws its own noise has no placeholder that leads to a layer; a first line through some points takes
single numbers, or holds the points as a constant. What is drawn (scaled as the graph scales it), the numbers and the
constants can be fed and attributed to as any input is. Beside data of other kinds none of them is an input: the noise
of a dropout is compared with a probability, a single number is a learning rate, a constant belongs to the model.
"""

import re
from typing import Dict, FrozenSet, Iterable, List, NamedTuple, Sequence, Set, Tuple

from graph_tools.control_flow import where
from graph_tools.find import gradients
from graph_tools.find.dataflow import CARRIED, COMPARISONS, FLOAT_TYPES, LAYERS, SHAPE_OPS, SOURCES, Dataflow
from graph_tools.find.inputs import switches
from graph_tools.graph import ops
from graph_tools.graph.names import TensorRef
from graph_tools.graph.walk import GraphIndex, producers_first

DRAWN = frozenset(("RandomUniform", "RandomStandardNormal", "TruncatedNormal", "StatelessRandomUniform",
                   "StatelessRandomNormal", "StatelessTruncatedNormal", "StatelessRandomUniformV2",
                   "StatelessRandomNormalV2", "StatelessTruncatedNormalV2", "RandomUniformInt"))
_CHANGES = SOURCES | ops.VARIABLES | DRAWN
_SCALES = frozenset(("Mul", "Add", "AddV2", "Sub"))
# What a constant is to something learned that it is added to, or that is divided by it: part of the model.
_SHIFTS = frozenset(("Add", "AddV2", "AddN", "BiasAdd", "RealDiv", "Div"))
_NO_MEETING = _SHIFTS | ops.SAVES | ops.MERGES
# A constant filter is part of the model, too, whatever it is moved over.
_FILTERED = frozenset(("Conv1D", "Conv2D", "Conv3D", "DepthwiseConv2dNative", "Conv2DBackpropInput"))
# What weights are still weights behind.
_WEIGHTS = ops.COPIES | {"StridedSlice", "Slice", "Reshape", "Squeeze", "ExpandDims", "Transpose", "Unpack", "Exp",
                         "Softplus", "Neg", "Tile"}
_DIFFERENCES, _CHOICES = frozenset(("Sub", "SquaredDifference")), frozenset(("ArgMin", "ArgMax"))
_PARTS = frozenset(("Slice", "StridedSlice"))
_JOINS = frozenset(("Concat", "ConcatV2"))
_STEP, _SET = re.compile(r"(Resource)?(Sparse)?Apply"), re.compile(r"(Resource)?(Assign|Scatter)")
_NO_VALUE = COMPARISONS | ops.SETS | ops.SHAPE_READERS | {"Floor", "Cast"}


def flow_of(index: GraphIndex) -> Dataflow:
    """What the values of each node are made of, data of the graph's own included where there is no other; made once."""
    return index.once(_flow)


def _flow(index: GraphIndex) -> Dataflow:
    knobs = switches.knobs(index)
    flow = Dataflow(index, knobs)
    if any(flow.is_data(name) for name in set(index.names_of(LAYERS)) - gradients.nodes(index)):
        return flow
    fed = switches.data(index)
    own = stored(index, fed) or drawn(index) or _numbers(
        index, [name for name in fed if not flow.is_data(name)], fed) or painted(index)
    return Dataflow(index, knobs, own) if own else flow


def _numbers(index: GraphIndex, numbers: Sequence[str], fed: Sequence[str]) -> Tuple[str, ...]:
    """Single numbers that are fed, where nothing else is and what is learned takes them as data.

    One that only weighs what is computed of the learned (the share of a penalty in a loss) says how to train.
    """
    after = _of(index, numbers) if len(numbers) == len(fed) else set()
    met = [one for one in _met(index) if one.last in after]
    return tuple(numbers) if after and (not met or any(one.multiplied for one in met)) else ()


def drawn(index: GraphIndex) -> Tuple[str, ...]:
    """Nodes of the noise that leads to layers by its value, after what scales it."""
    noise = index.names_of(DRAWN)
    if not noise:
        return ()
    noise = [one for one in noise if one not in where.loop_nodes(index)]  # in each step another
    changing = index.descendants(index.names_of(_CHANGES), control=False)
    leading = index.ancestors(index.names_of(LAYERS), control=False, stop=lambda one: index.op(one) in _NO_VALUE)
    return tuple(name for name in (_scaled(index, one, changing) for one in noise) if name in leading)


def _scaled(index: GraphIndex, name: str, changing: Set[str]) -> str:
    """Onwards from noise, as long as it is only multiplied with constants, or constants are added."""
    while True:
        uses = index.consumers(name, control=False)
        beside = [ref for use in uses for ref in index.data_inputs(use.node) if ref != TensorRef(name, 0)]
        if len(uses) != 1 or index.op(uses[0].node) not in _SCALES or any(ref.node in changing for ref in beside):
            return name
        name = uses[0].node


def stored(index: GraphIndex, fed: Iterable[str] = ()) -> Tuple[str, ...]:
    """Numbers that the graph holds and that meet what is learned: points that a model is fitted to, and their labels.

    Constants, and variables that training leaves alone, with an axis: floats, and ids that rows are looked up by. Where
    several come together before they meet it (a mean that is taken off), or some are drawn (a batch of them), what is
    computed from them. None where what is ``fed``, or drawn alone, is multiplied with it, nor in a frozen graph, whose
    weights are constants, too.
    """
    variables, meetings = index.names_of(ops.VARIABLES), _met(index)
    trained, learned = index.once(_trained), index.once(_learned)
    held = {use.node for name in variables if trained and name not in trained
            for use in index.consumers(name, control=False) if index.op(use.node) in ops.COPIES}
    behind = _behind(index, {one.last for one in meetings}, learned, held)
    of_fed, noisy = _of(index, fed), _noisy(index)
    drawn_from = noisy | _of(index, index.names_of(switches.RANDOM))
    found: Dict[str, bool] = {}
    for one in meetings:
        sources = behind[one.last]
        if one.multiplied and (one.last in of_fed or not sources and one.last in noisy):
            return ()
        if sources and (one.multiplied or not held & sources) and (
                one.ids or len(sources) > 1 or _dtype(index, *sources) in FLOAT_TYPES):
            name = one.last if len(sources) > 1 or one.last in drawn_from else next(iter(sources))
            found[name] = found.get(name, False) or one.multiplied
    return tuple(found) if any(found.values()) else ()


def painted(index: GraphIndex) -> Tuple[str, ...]:
    """What training changes under filters that it leaves alone: a picture in the style of another, a dream."""
    learned = index.once(_learned)
    under = [refs[0].node for refs in map(index.data_inputs, index.names_of(_FILTERED))
             if refs[0].node in learned and refs[1].node not in learned]
    read = {name: index.data_inputs(name)[0].node for name in index.ancestors(under, control=False)
            if index.op(name) in ops.COPIES and index.data_inputs(name)}
    found = [name for name, behind in read.items() if behind in index.once(_trained)]
    return tuple(found) if len(found) == 1 else ()


class _Meeting(NamedTuple):
    """The last node before some numbers are computed with what is learned, and the node that does; whether that
    multiplies them as data (else it is compared with them: labels), and whether they are ids of its rows."""

    last: str
    node: str
    multiplied: bool
    ids: bool


def _of(index: GraphIndex, names: Iterable[str]) -> Set[str]:
    """What is computed from the values of some nodes."""
    return index.descendants(names, control=False, stop=lambda name: index.op(name) in ops.ASSIGNS | ops.SHAPE_READERS)


def _noisy(index: GraphIndex) -> Set[str]:
    return _of(index, index.names_of(DRAWN))


def _learned(index: GraphIndex) -> Set[str]:
    """What is computed of variables: of those that training changes, where it is told which."""
    return _of(index, index.once(_trained) or index.names_of(ops.VARIABLES))


def _met(index: GraphIndex) -> List[_Meeting]:
    """Where data first meet what is learned, and where others are compared with it; found once for an index."""
    return index.once(_first_meetings)


def _first_meetings(index: GraphIndex) -> List[_Meeting]:
    """All meetings but those that multiply what is made of data already: with who is whose neighbour, say."""
    found = _meetings(index, index.once(_learned))
    after = index.descendants([use.node for one in found if one.multiplied
                               for use in index.consumers(one.node, control=False)], control=False,
                              stop=lambda name: index.op(name) in ops.NEXTS)
    return [one for one in found if not (one.multiplied and one.node in after)]


def _trained(index: GraphIndex) -> Set[str]:
    """The variables that the steps of an optimizer change: by an op of its own, or by what gradients tell."""
    told = index.descendants(gradients.nodes(index), control=False)
    steps = [index.data_inputs(node.name) for node in index.nodes.values() if _STEP.match(node.op) or _SET.match(
        node.op) and any(ref.node in told for ref in index.data_inputs(node.name)[1:])]
    return {index.origin(refs[0], ops.IDENTITIES).node for refs in steps}.intersection(index.names_of(ops.VARIABLES))


def _carried(index: GraphIndex, name: str) -> List[Tuple[int, str]]:
    """The inputs of a node whose values reach its output, by slot; where a part begins is none."""
    op = index.op(name)
    slots = (0,) if op in _PARTS else CARRIED.get(op)
    return [] if op in ops.ASSIGNS | SHAPE_OPS | DRAWN else [
        (slot, ref.node) for slot, ref in enumerate(index.inputs(name))
        if not ref.is_control and (slots is None or slot in slots)]


def _meetings(index: GraphIndex, learned: Set[str]) -> List[_Meeting]:
    """Where what is not learned meets what is, in the order of the graph."""
    chosen, noisy = index.ancestors(index.names_of(_CHOICES), control=False), _noisy(index)
    found: Dict[_Meeting, None] = {}
    for name in (one for one in index.nodes if one in learned and one not in gradients.nodes(index)):
        op = index.op(name)
        for slot, other in _carried(index, name):
            if other not in learned and op not in _NO_MEETING and (op not in ops.GATHERS or slot == 1):
                multiplied = _multiplies(index, name, slot, chosen) and not (op == "Mul" and other in noisy)
                found[_Meeting(other, name, multiplied, op in ops.GATHERS)] = None  # a spread of weights is no data
    return list(found)


def _multiplies(index: GraphIndex, name: str, slot: int, chosen: Set[str]) -> bool:
    """Whether a node multiplies an input as data with what is learned, or looks it up, or chooses what is nearest."""
    op = index.op(name)
    if op in _JOINS:  # the input of a step, beside the state
        return any(index.op(use.node) in LAYERS for use in index.consumers(name, control=False))
    if op in LAYERS | ops.GATHERS:
        return op not in _FILTERED or slot != 1
    return (op == "Mul" or op in _DIFFERENCES and name in chosen) and any(
        index.op(index.origin(ref, _WEIGHTS).node) in ops.VARIABLES for ref in index.data_inputs(name))


def _behind(index: GraphIndex, ends: Set[str], learned: Set[str], held: Set[str]) -> Dict[str, FrozenSet[str]]:
    """The numbers with an axis that each node is computed from; of several, two."""
    found: Dict[str, FrozenSet[str]] = {}

    def sources(name: str) -> List[str]:
        return [] if name in held else [other for _, other in _carried(index, name) if other not in learned]

    for name in producers_first(sorted(ends), sources):
        node = index.nodes.get(name)
        own = name in held or node is not None and node.op == "Const" and bool(
            node.attr["value"].tensor.tensor_shape.dim)
        several = frozenset([name] if own else ()).union(*[found.get(one, frozenset()) for one in sources(name)])
        found[name] = frozenset(sorted(several)[:2])
    return found


def _dtype(index: GraphIndex, name: str) -> int:
    """The number of the dtype of a constant, or of a variable that is read."""
    return int(index.nodes[index.origin(TensorRef(name, 0), ops.COPIES).node].attr["dtype"].type)
