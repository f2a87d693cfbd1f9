"""Switches: what is fed to say how a graph computes, not what it computes from; told from data by what they do.

A keep probability gates a dropout, a training flag is the predicate of a branch, a learning rate feeds the optimiser,
a temperature scales what is computed from data. Names, defaults and declared shapes say little: most keep
probabilities are placeholders without a shape, and so are many batches of pictures.
"""

import itertools
from typing import Any, Container, Dict, FrozenSet, Iterable, Iterator, List, NamedTuple, Optional, Set, Tuple

from graph_tools.find import gradients
from graph_tools.find.dataflow import CARRIED, SOURCES
from graph_tools.find.decided import OF_THE_SIZE, Decided
from graph_tools.find.inputs.placeholders import placeholder_shape
from graph_tools.find.inputs.weighed import is_weighed
from graph_tools.find.settled import Deciding, Ends, Under, nothing_fed
from graph_tools.graph import functions, names
from graph_tools.graph.names import TensorRef
from graph_tools.graph.ops import IDENTITIES, IFS, PLACEHOLDERS, RESTORES, SAVES, SIZES, SWITCHES
from graph_tools.graph.walk import GraphIndex, Use, reached, spread

RANDOM = frozenset((
    "RandomUniform", "RandomUniformInt", "RandomStandardNormal", "TruncatedNormal", "Multinomial", "RandomShuffle",
    "RandomGamma", "RandomPoisson", "RandomPoissonV2", "ParameterizedTruncatedNormal", "StatefulUniform",
    "StatefulUniformInt", "StatefulUniformFullInt", "StatefulStandardNormal", "StatefulStandardNormalV2",
    "StatefulTruncatedNormal", "StatefulRandomBinomial"))
BATCH_NORMS = frozenset(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"))
_FLOATS, _BOOL, _INTS = (1, 2, 14, 19), 10, (3, 9)
# Element by element: what comes out has as much to do with a switch as what goes in.
_ELEMENTWISE = SWITCHES | {
    "Identity", "StopGradient", "Enter", "Exit", "NextIteration", "Cast", "Add", "AddV2", "Sub", "Mul", "RealDiv",
    "Div", "Pow", "Neg", "Maximum", "Minimum", "Reciprocal", "Inv", "Exp", "Log", "Log1p", "Sqrt", "Square", "Rsqrt",
    "Sigmoid", "Tanh", "Relu", "Floor", "LogicalNot", "LogicalAnd", "LogicalOr", "Equal", "NotEqual", "Less",
    "LessEqual", "Greater", "GreaterEqual", "ExpandDims", "Squeeze", "Merge",
    "PlaceholderWithDefault", "Snapshot", "CheckNumerics", "Print", "AddN", "DivNoNan", "ClipByValue"}
_FILES = SAVES | RESTORES
_NAMES = _FILES | PLACEHOLDERS | {"Identity"}  # what takes the name of a file, or hands it on
_ANYTHING = ()  # a fed value that nothing is known of
_COMPARISONS = frozenset(("Less", "LessEqual", "Greater", "GreaterEqual"))
_NOTED = frozenset(("ScalarSummary", "HistogramSummary", "TensorSummary", "TensorSummaryV2", "Assert", "PrintV2",
                    "WriteScalarSummary", "WriteSummary"))
# What a switch does.
GATE, NOISE, BRANCH, SCALE, OPTIMISER = "dropout", "noise", "branch", "scale", "optimiser"
NOTED = "noted"  # no role: what only looks


class Switch(NamedTuple):
    """A placeholder that says how a graph computes.

    Attributes:
      tensor: its name.
      role: ``"dropout"``, ``"noise"``, ``"branch"``, ``"scale"`` or ``"optimiser"``.
      value: what to feed for inference: nothing random, no statistics of the batch as far as it decides.
      why: one sentence.
      calms: nodes that count no more once it is fed (random ops, batch statistics).
    """

    tensor: str
    role: str
    value: Any
    why: str
    calms: Tuple[str, ...] = ()


class _Effect(NamedTuple):
    """What the values of a placeholder meet: a role, or ``""`` for what only data does."""

    role: str
    node: str


def find_switches(index: GraphIndex, outputs: Iterable[str] = ()) -> Dict[str, Switch]:
    """Switches by tensor name.

    Args:
      index: the graph.
      outputs: tensors to be made deterministic; none: all that a switch has a say in.
    """
    return dict(index.once(_switches, tuple(outputs)))


def _switches(index: GraphIndex, outputs: Tuple[str, ...]) -> Dict[str, Switch]:
    search = index.once(_Search)
    return {name + ":0": search.switch(index.nodes[name], role, search.effects(name), list(outputs))
            for name, role in search.roles.items()}


def knobs(index: GraphIndex) -> Tuple[str, ...]:
    """Names of the placeholders that are switches, without a look at what to feed them."""
    return tuple(index.once(_Search).roles)


def data(index: GraphIndex) -> Tuple[str, ...]:
    """Names of the sources that are no switches; what names the files of a saver is none of them."""
    search = index.once(_Search)
    return tuple(search.data(search.roles))


def of_data(switch: Switch, drawn: Container[str]) -> Switch:
    """The switch itself, or where the noise that it scales is drawn as data, one that scales data."""
    if switch.role != NOISE or not any(name in drawn for name in switch.calms):
        return switch
    return Switch(switch.tensor, SCALE, 1.0, "a switch, no data: it scales the noise that is this model's data")


def is_sized(index: GraphIndex, name: str) -> bool:
    """Whether the graph asks how large a value is: then it has one for each row (a length), and is no single number."""
    copies = reached([name], lambda one: [use.node for use in index.consumers(one, control=False)
                                          if index.op(use.node) in IDENTITIES])
    return any(index.op(use.node) in SIZES for one in copies for use in index.consumers(one, control=False))


def unsettled(decided: Decided, outputs: Iterable[str]) -> List[str]:
    """Nodes that decide about some tensors and make them random, or take the statistics of the batch."""
    index = decided.index
    return sorted(name for name in decided.deciding(outputs) if _is_unsettled(decided, name)
                  or any(_is_random(node) for node in _bodies(index, decided.functions(name))))


def _unsettled(index: GraphIndex, outputs: Tuple[str, ...]) -> FrozenSet[str]:
    return frozenset(unsettled(index.once(nothing_fed), outputs))


def _is_unsettled(decided: Decided, name: str) -> bool:
    node = decided.index.nodes[name]
    if _is_random(node):
        return True
    if node.op != "Mean" or len(decided.index.data_inputs(name)) < 2:
        return False
    axes = decided.value(decided.index.data_inputs(name)[1])
    return axes is not None and 0 in ([axes] if isinstance(axes, float) else list(axes))


def _is_random(node: Any) -> bool:
    return node.op in RANDOM or node.op in BATCH_NORMS and ("is_training" not in node.attr or (
        node.attr["is_training"].b))


def _bodies(index: GraphIndex, called: Iterable[str]) -> List[Any]:
    """The nodes of functions and of those that they call."""
    called = list(called)
    if not called:
        return []
    library = index.graph_def.library
    reached = functions.reach(called, functions.calls(library))
    return [node for function in library.function if function.signature.name in reached for node in function.node_def]


class _Search:
    """One graph, which sources reach each of its nodes by value, and the ``roles`` of placeholders that are no data."""

    def __init__(self, index: GraphIndex):
        self.index = index
        self._sources = {name: 1 << number for number, name in enumerate(index.names_of(SOURCES))}
        self._reach = self._flow(self._sources)
        self._ends_of = Ends(index)
        self._random = self._flow(dict.fromkeys(index.names_of(RANDOM), 1))
        self.roles = self._roles()

    def _flow(self, starts: Dict[str, int]) -> Dict[str, int]:
        """Which of the starts reach each node, as bits; sizes carry no values."""
        def carried(name: str) -> List[str]:
            op = self.index.op(name)
            slots = CARRIED.get(op)
            return [] if op in OF_THE_SIZE or op in RANDOM else [
                ref.node for slot, ref in enumerate(self.index.inputs(name))
                if ref.port >= 0 and (slots is None or slot in slots)]

        return spread(starts, self.index.producers_first(), carried) if starts else {}

    def _roles(self) -> Dict[str, str]:
        effects = {name: self.effects(name) for name in self.index.names_of(PLACEHOLDERS)}
        roles = {name: self.role(self.index.nodes[name], found) for name, found in effects.items()}
        # What only scales others may be data itself, where nothing else is, and is where weights are multiplied by it.
        shapes = {name: placeholder_shape(self.index, self.index.nodes[name]) for name, role in roles.items()
                  if role == SCALE}
        data = self.data(roles)
        scaling = {name for name, shape in shapes.items() if not shape and (not data or shape is None and (
            is_weighed(self.index, name, [effect.node for effect in effects[name]])))}
        return {name: role for name, role in roles.items() if role and name not in scaling}

    def data(self, roles: Dict[str, str]) -> List[str]:
        """The sources that have no role and are no names of a saver's files."""
        return [name for name in self._sources if not roles.get(name) and not self._names_files(name)]

    def _names_files(self, name: str) -> bool:
        """Whether a source only says where a saver writes and reads."""
        def ops() -> Iterator[str]:
            users = reached([name], lambda one: () if self.index.op(one) in _FILES else self.index.readers(one))
            return map(self.index.op, itertools.islice(users, 1, None))

        return all(op in _NAMES for op in ops()) and any(op in SAVES for op in ops())  # most lead to all of a model

    def effects(self, name: str) -> List[_Effect]:
        """What the values of a placeholder meet, behind arithmetic with constants and weights. What differentiating
        scales by it (of a single number: what it makes of it at all) tells where nothing else does."""
        training, found = gradients.nodes(self.index), self._effects(name, ())
        single = placeholder_shape(self.index, self.index.nodes[name]) == ()
        return single and self._effects(name, training) or [
            effect for effect in found if effect.role != SCALE or effect.node not in training] or found

    def _effects(self, name: str, without: Container[str]) -> List[_Effect]:
        found: List[_Effect] = []
        seen, todo = {name}, [TensorRef(name, 0)]
        own = self._sources.get(name, 0)
        while todo:
            for use in self.index.uses(todo.pop()):
                op = self.index.op(use.node)
                if op in OF_THE_SIZE or op in _NOTED or use.node in without:
                    continue
                role = self._role_of(use, own)
                if role == NOTED:
                    continue
                if role is not None:
                    found.append(_Effect(role, use.node))
                elif use.node not in seen:
                    seen.add(use.node)
                    todo += [TensorRef(use.node, port) for port in self.index.ports(use.node) if port >= 0]
        return found

    def _role_of(self, use: Use, own: int) -> Optional[str]:
        """What one use of a value does; ``None``: nothing but arithmetic with constants and weights, to be followed."""
        index, op = self.index, self.index.op(use.node)
        if op in SWITCHES and use.slot == 1 or op in IFS and use.slot == 0 or (
                op in ("Case", "StatelessCase") and use.slot == 0):
            return BRANCH
        if op in ("Select", "SelectV2") and use.slot == 0:
            return BRANCH
        if _updates(op):
            return OPTIMISER
        if op == "StridedSlice" and use.slot == 0 or op == "Reshape" and use.slot == 0 and self._to_scalar(use.node):
            return None
        if op == "Pack" and self.index.nodes[use.node].attr["T"].type == _BOOL:
            return NOTED  # a case checks that one of its predicates holds
        if op not in _ELEMENTWISE:
            return ""
        others = [ref for slot, ref in enumerate(index.data_inputs(use.node)) if slot != use.slot]
        if any(self._reach.get(ref.node, 0) & ~own for ref in others):
            return SCALE
        if any(ref.node in self._random and not self._reach.get(ref.node, 0) for ref in others):
            return self._meets_noise(use.node, op)
        return None

    def _to_scalar(self, name: str) -> bool:
        inputs = self.index.data_inputs(name)
        node = self.index.nodes.get(inputs[1].node) if len(inputs) > 1 else None
        return node is not None and node.op == "Const" and [
            dim.size for dim in node.attr["value"].tensor.tensor_shape.dim] == [0]

    def _meets_noise(self, name: str, op: str) -> str:
        """A gate where the sum is cut to whole numbers or compared; noise where it is scaled; data otherwise."""
        if op in _COMPARISONS:
            return GATE
        if op in ("Add", "AddV2"):
            users = {self.index.op(use.node) for use in self.index.consumers(name, control=False)}
            return GATE if users and users <= {"Floor"} else ""
        return NOISE if op == "Mul" else ""

    def role(self, node: Any, effects: List[_Effect]) -> str:
        """The role of a placeholder that is no data; ``""`` for data."""
        roles = {effect.role for effect in effects}
        shape = placeholder_shape(self.index, node)
        dtype = node.attr["dtype"].type
        if not roles or shape is not None and len(shape) > 1:
            return ""
        if GATE in roles and dtype in _FLOATS and (not shape or "" not in roles):
            return GATE
        if "" in roles:
            return ""
        if dtype == _BOOL:
            return _first(roles, (BRANCH, GATE, NOISE, SCALE)) if not shape else ""
        if dtype in _INTS:  # a count of steps, by which a learning rate falls, is an optimiser's
            single = not shape and (shape == () or not is_sized(self.index, node.name))
            return min(roles) if roles in ({BRANCH}, {OPTIMISER}) and single else ""
        if dtype not in _FLOATS or shape and shape[0] is None:
            return ""
        if roles <= {OPTIMISER}:
            return OPTIMISER
        if shape and not roles & {GATE, BRANCH}:
            return ""
        # Without a rank, noise might be added to data: then something else says that this is none.
        return _first(roles, (GATE, BRANCH, NOISE, SCALE))

    def switch(self, node: Any, role: str, effects: List[_Effect], outputs: List[str]) -> Switch:
        """The switch with the value that settles most of what is random or in training mode."""
        name = node.name + ":0"
        dtype, shape = node.attr["dtype"].type, placeholder_shape(self.index, node)
        values: Tuple[Any, ...] = (False, True) if dtype == _BOOL else (0, 1) if dtype in _INTS else (1.0, 0.0)
        if role == NOISE:
            values = values[::-1]
        if role == BRANCH and dtype != _BOOL:
            compared = self._compared(node.name)
            values = compared if len(compared) > 1 else values + tuple(one for one in compared if one not in values)
        outputs = outputs or self._ends(node.name)
        values = tuple([value] * (self._length(node.name) if shape[0] is None else shape[0]) if shape else value
                       for value in values)
        if role not in (GATE, NOISE, BRANCH):
            return Switch(name, role, values[0], self._why(role, values[0], effects, ()))
        gates = [gate for effect in effects if effect.role == GATE for gate in self._gate(effect.node)]
        fails = [self._fails(name, value, gates) for value in values]
        tried = [(*self._settles(name, value, tuple(sorted(outputs))), value)
                 for value, failed in zip(values, fails) if failed == min(fails)]
        _, settled, best = min(tried, key=lambda one: one[0])
        calmed = tuple(sorted(settled))
        return Switch(name, role, best, self._why(role, best, effects, calmed), calmed)

    def _under(self, name: str, value: Any) -> Decided:
        if self.index.op(names.parse(name).node) != "PlaceholderWithDefault":
            under = Under(self.index.once(nothing_fed), name, value)
            if under.whole:
                return under
        return Decided(self.index, {name: value})

    def _fails(self, name: str, value: Any, gates: List[str]) -> int:
        """How many gates a value does not keep open (a rate of 1 is steady, too), and how many checks it fails."""
        decided = self._under(name, value)
        return sum(decided.value(gate) != 1 for gate in gates) + self._refused(decided, name)

    def _settles(self, name: str, value: Any, outputs: Tuple[str, ...]) -> Tuple[int, Set[str]]:
        """How many nodes a value leaves unsettled, and those that it settles."""
        decided = self._under(name, value)
        settled = self.index.once(Deciding, outputs).settled(decided) if isinstance(decided, Under) else None
        if settled is not None:
            before = self.index.once(_unsettled, outputs)
            return len(before - settled), settled & before
        decided = Decided(self.index, {name: value})
        left = unsettled(decided, outputs)
        return len(left), set(unsettled(Decided(self.index, {name: _ANYTHING}), outputs)).difference(left)

    def _length(self, name: str) -> int:
        """How many numbers are picked from a vector one by one: a keep probability for each layer."""
        known = self.index.once(nothing_fed)
        begins = [known.value(self.index.data_inputs(use.node)[1]) for use in self.index.uses(name + ":0")
                  if self.index.op(use.node) == "StridedSlice" and use.slot == 0]
        return 1 + max([int(begin) for begin in begins if isinstance(begin, float)], default=0)

    def _compared(self, name: str) -> Tuple[Any, ...]:
        """The constants that a number is compared with for equality."""
        found: Dict[Any, None] = {}
        for use in self.index.consumers(name, control=False):
            refs = self.index.data_inputs(use.node)
            equal = self.index.op(use.node) == "Equal"
            value = self.index.once(nothing_fed).value(refs[1 - use.slot]) if equal else None
            if value is not None:
                found[value if self.index.nodes[name].attr["dtype"].type in _FLOATS else int(value)] = None
        return tuple(sorted(found))

    def _refused(self, decided: Decided, name: str) -> int:
        """How many checks a value fails: a case that knows no other number asserts that one of its own was fed."""
        conditions = [self.index.data_inputs(end)[0] for end in self._ends_of.behind(
            names.parse(name).node) if self.index.op(end) == "Assert"]
        return sum(decided.value(self._unguarded(one)) == 0 and self._runs(decided, one) for one in conditions)

    def _unguarded(self, ref: TensorRef) -> TensorRef:
        """What an assertion looks at, before the branch that it stands in."""
        return self.index.origin(ref, SWITCHES | {"Identity"})

    def _runs(self, decided: Decided, ref: TensorRef) -> bool:
        """Whether a tensor stands in no branch that is known not to be taken."""
        def before(one: TensorRef) -> List[TensorRef]:
            return [] if self.index.op(one.node) == "Merge" else self.index.data_inputs(one.node)

        switches = [one for one in reached([ref], before) if self.index.op(one.node) in SWITCHES]
        taken = [(decided.value(self.index.data_inputs(one.node)[1]), one.port) for one in switches]
        return all(value is None or bool(value) == bool(port) for value, port in taken)

    def _gate(self, name: str) -> List[str]:
        """The tensors that let everything pass where they are 1."""
        if self.index.op(name) in _COMPARISONS:
            return [name + ":0"]
        return [use.node + ":0" for use in self.index.consumers(name, control=False)]

    def _ends(self, name: str) -> List[str]:
        """What a placeholder has a say in, as far as nothing consumes it."""
        return [end for end in self._ends_of.behind(name) if not _updates(self.index.op(end)) and self.index.op(
            end) not in _NOTED] or sorted(self.index.descendants([name], control=False))

    def _why(self, role: str, value: Any, effects: List[_Effect], calmed: Tuple[str, ...]) -> str:
        at = next((effect.node for effect in effects if effect.role == role), "")
        off = " and settles %r (%s)" % (calmed[0], self.index.op(calmed[0])) if calmed else ""
        if role == GATE:
            return "a switch, no data: it gates the dropout at %r; %s keeps everything%s" % (at, value, off)
        if role == NOISE:
            return "a switch, no data: it scales the noise at %r; %s leaves none%s" % (at, value, off)
        if role == BRANCH:
            return "a switch, no data: it decides a branch at %r; %s is inference%s" % (at, value, off)
        if role == OPTIMISER:
            return "a switch, no data: only the optimiser reads it (%r)" % at
        return "a switch, no data: it scales what %r computes from data" % at


def _first(roles: Set[str], order: Tuple[str, ...]) -> str:
    return next((role for role in order if role in roles), "")


def _updates(op: str) -> bool:
    return op.startswith(("Apply", "ResourceApply", "SparseApply", "ResourceSparseApply", "Assign", "Scatter",
                          "ResourceScatter"))
