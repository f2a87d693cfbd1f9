"""Initial values of states that a checkpoint does not hold, as a session has them after the initializers.

A program may keep the state of a recurrent cell in a variable that is not trained and that its saver leaves out: it
runs the initializers and restores what there is. Such a value is taken where it is known to be what that program had:
the variable is not trained, the saver of the graph does not restore it, and its initializer is made of constants. Nor
does anything accumulate in it (moving means and counts of steps are learned, too) or come from elsewhere (pretrained
embeddings that are fed). The value is computed here; nothing of the graph is run.
"""

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Set, Tuple

import numpy as np

from graph_tools import _tf, variables
from graph_tools.errors import ModelFormatError, some
from graph_tools.graph.names import TensorRef
from graph_tools.graph.ops import ASSIGNS, ENTERS, IDENTITIES, INITIALIZED, RESTORES, SAVES, SETS, SWITCHES, VARIABLES
from graph_tools.graph.walk import GraphIndex, reached

LARGEST = 1 << 26    # bytes that all of it may take, on the way to the values too
_MOST = 256          # variables that are looked at
_DEPTH = 32          # nodes behind one another
_AXES = 8
_SUMS = frozenset(("Add", "AddV2", "AddN", "Sub"))
_SCALES = frozenset(("Mul", "RealDiv", "Div"))
_READS = IDENTITIES | {"ReadVariableOp"}
# Handles and references of a variable go through these, and are still the variable.
_HANDLES = {"RefIdentity"} | ENTERS | SWITCHES
_CHANGES = ("Apply", "ResourceApply", "SparseApply", "ResourceSparseApply", "Scatter", "ResourceScatter",
            "StridedSliceAssign", "ResourceStridedSliceAssign", "CountUpTo", "ResourceCountUpTo")


class _Declared(NamedTuple):
    """What the collections say: initializers by variable, and the trained ones; ``None``: they do not say."""

    initializers: Dict[str, str]
    trained: Optional[Set[str]]


def states(meta_graph: Any, index: GraphIndex, held: Mapping[str, Any]) -> Dict[str, np.ndarray]:
    """Values by node of the variables that the checkpoint lacks, where their initial ones are what a session has."""
    lacking = [name for name in index.names_of(VARIABLES) if name not in held]
    if not lacking or not held:
        return {}
    read, declared = needed(index, held), _declared(meta_graph)
    restored = _restored(index, meta_graph.saver_def.restore_op_name)
    if declared is None or declared.trained is None and not restored:
        return {}
    constants, found = _Constants(index), {}
    for name in [name for name in lacking if name in read and name not in restored and (
            name not in (declared.trained or ()))][:_MOST]:
        start = _start(constants, name, declared.initializers.get(name, name + "/Assign"))
        value = None if start is None else constants.value(start)
        if value is not None and _fits(index.nodes[name], value):
            found[name] = value
    return found


def told(found: Mapping[str, np.ndarray]) -> Tuple[str, ...]:
    """The warning about values that were taken so."""
    if not found:
        return ()
    if len(found) == 1:
        (name, value), = found.items()
        return ("variable %r is not in the checkpoint; its initial value, %s, is taken, as a session has it after the "
                "initializers" % (name, _described(value)),)
    return ("variables %s are not in the checkpoint; their initial values are taken, as a session has them after the "
            "initializers" % some(["%r (%s)" % (name, _described(value)) for name, value in found.items()]),)


def needed(index: GraphIndex, held: Mapping[str, Any]) -> Set[str]:
    """The nodes that something is computed from which is no update: not the slots of an optimiser. Where that is none
    with a value, all of them."""
    ends = [name for name in index.nodes if not index.consumers(name, control=False) and not (
        _is_service(index.op(name)) or _is_read(index, name))]
    found = index.ancestors(ends, control=False, stop=lambda name: _is_service(index.op(name)))
    return found if any(name in found for name in held) else set(index.nodes)


def _is_read(index: GraphIndex, name: str) -> bool:
    """Whether a node only reads a variable: each has one, whoever needs it or not."""
    return index.op(name) in _READS and any(index.op(ref.node) in VARIABLES for ref in index.data_inputs(name))


def _is_service(op: str) -> bool:
    return op in ASSIGNS or op in SAVES or op in INITIALIZED or op.startswith(_CHANGES) or op.endswith("Summary")


def _described(value: np.ndarray) -> str:
    if not value.shape:
        return str(value.item())
    same = value.size and (value == value.flat[0]).all()
    kind = "empty" if not value.size else "constants" if not same else {0: "zeros", 1: "ones"}.get(
        value.flat[0].item(), "%s throughout" % value.flat[0].item())
    return "%s %s" % (kind, list(value.shape))


def _declared(meta_graph: Any) -> Optional[_Declared]:
    """What the collections of variables say; ``None`` where an entry is damaged."""
    keys, initializers = _tf.tf.GraphKeys, {}
    trained: Optional[Set[str]] = None
    for key in (keys.GLOBAL_VARIABLES, keys.LOCAL_VARIABLES, keys.TRAINABLE_VARIABLES):
        if key not in meta_graph.collection_def:
            continue
        of_key: Dict[str, str] = {}
        for entry in meta_graph.collection_def[key].bytes_list.value:
            try:
                variable = _tf.variable_pb2.VariableDef.FromString(entry)
            except _tf.DecodeError:
                return None
            of_key[variable.variable_name.partition(":")[0]] = variable.initializer_name
        initializers.update(of_key)
        trained = set(of_key) if key == keys.TRAINABLE_VARIABLES else trained
    return _Declared(initializers, trained)


def _restored(index: GraphIndex, restore_op: str) -> Set[str]:
    """The variables that the saver of the graph restores; without one that is named, any."""
    own = index.ancestors([restore_op]) if restore_op in index else index.nodes
    return {variables.root(index, index.data_inputs(name)[0]) for name in index.names_of(SETS)
            if name in own and _from_file(index, name)}


def _from_file(index: GraphIndex, assign: str) -> bool:
    inputs = index.data_inputs(assign)
    return len(inputs) > 1 and index.op(variables.root(index, inputs[1])) in RESTORES


def _start(constants: "_Constants", name: str, initializer: str) -> Optional[TensorRef]:
    """What a variable is set to at start; ``None``: nobody knows, or it is no state that later values follow from."""
    index = constants.index
    handles = _HANDLES | (IDENTITIES if index.op(name) == "VarHandleOp" else frozenset())
    start = None
    for copy in reached([name], lambda one: [use.node for use in index.consumers(one, control=False)
                                             if index.op(use.node) in handles]):
        for use in index.consumers(copy, control=False):
            op, inputs = index.op(use.node), index.data_inputs(use.node)
            if op in SETS and use.slot == 0 and len(inputs) > 1:
                if use.node == initializer:
                    start = inputs[1]
                elif not _from_file(index, use.node) and not _follows(constants, name, inputs[1]):
                    return None
            elif op in ASSIGNS or op.startswith(_CHANGES) or any(
                    value.HasField("func") for value in index.nodes[use.node].attr.values()):
                return None
    return start


def _follows(constants: "_Constants", name: str, ref: TensorRef) -> bool:
    """Whether what is assigned to a variable sets it back or is its next state. A sum of which a term is the variable
    itself, a constant times as large, accumulates; a value without it is a copy of something else."""
    index = constants.index
    if constants.value(ref) is not None:
        return True

    def terms(one: TensorRef) -> List[TensorRef]:
        op, inputs = index.op(one.node), index.data_inputs(one.node)
        if op in _SCALES:
            return [other for other in inputs if index.op(variables.root(index, other)) != "Const"] if any(
                index.op(variables.root(index, other)) == "Const" for other in inputs) else []
        return inputs if op in _SUMS else inputs[:1] if op in _READS or op == "Cast" else []

    return all(one.node != name for one in reached([ref], terms)) and name in index.ancestors([str(ref)], control=False)


def _fits(node: Any, value: np.ndarray) -> bool:
    shape = variables.shape(node)
    return (shape is None or shape == value.shape) and _tf.tf.as_dtype(node.attr["dtype"].type).base_dtype == (
        _tf.tf.as_dtype(value.dtype))


class _Constants:
    """Values of what is made of constants alone, as TensorFlow finds them."""

    def __init__(self, index: GraphIndex):
        self.index, self._left = index, LARGEST
        self._known: Dict[TensorRef, Optional[np.ndarray]] = {}

    def value(self, ref: TensorRef, depth: int = _DEPTH) -> Optional[np.ndarray]:
        """The value of a tensor; ``None``: it is made of something else, or of too much."""
        if ref not in self._known:
            self._known[ref] = self._computed(ref, depth)
        return self._known[ref]

    def _computed(self, ref: TensorRef, depth: int) -> Optional[np.ndarray]:
        node = self.index.nodes.get(ref.node)
        if node is None or ref.port or not depth or node.op != "Const" and node.op not in _RULES:
            return None
        try:
            with np.errstate(all="ignore"):
                value = self._constant(node) if node.op == "Const" else self._made(node, depth)
        except (ModelFormatError, ValueError, TypeError, IndexError, OverflowError):  # torn, or it makes no sense
            return None
        self._left -= 0 if value is None else value.nbytes
        return value

    def _made(self, node: Any, depth: int) -> Optional[np.ndarray]:
        inputs = [self.value(one, depth - 1) for one in self.index.data_inputs(node.name)]
        known = [one for one in inputs if one is not None]
        if len(known) < len(inputs) or not self._affords(node.op, known):
            return None
        return np.asarray(_RULES[node.op](node, *known))

    def _constant(self, node: Any) -> np.ndarray:
        tensor = node.attr["value"].tensor
        _number_type(tensor.dtype)
        if self._is_dear([dim.size for dim in tensor.tensor_shape.dim]):
            raise ValueError("too many numbers")
        return np.asarray(_tf.make_ndarray(tensor))

    def _affords(self, op: str, known: List[np.ndarray]) -> bool:
        if op == "Fill":
            return not self._is_dear(known[0].ravel().tolist())
        if op in ("Pack", "ConcatV2"):
            return not self._is_dear([sum(one.size for one in known)])
        return op not in _SPREAD or not self._is_dear(np.broadcast(*known).shape)

    def _is_dear(self, shape: Any) -> bool:
        size = 8
        for one in shape:
            size *= max(1, int(one))
        return len(shape) > _AXES or size > self._left


def _number_type(number: int) -> Any:
    """The type of an attribute, where arithmetic can be done with it as TensorFlow does."""
    dtype = _tf.tf.as_dtype(number)
    if not (dtype.is_floating or dtype.is_integer or dtype.is_bool):
        raise ValueError("no number")
    return dtype.as_numpy_dtype


def _axis(node: Any, name: str) -> int:
    return node.attr[name].i if name in node.attr else 0


_SPREAD = {"Add": np.add, "AddV2": np.add, "Sub": np.subtract, "Mul": np.multiply}
_RULES: Dict[str, Any] = {
    **dict.fromkeys(("Identity", "StopGradient", "Snapshot"), lambda node, x: x),
    **{op: lambda node, x, y, make=make: make(x, y) for op, make in _SPREAD.items()},
    "Fill": lambda node, shape, x: np.full(shape.tolist(), x.item(), x.dtype),
    "ZerosLike": lambda node, x: np.zeros_like(x), "OnesLike": lambda node, x: np.ones_like(x),
    "Neg": lambda node, x: -x, "Reshape": lambda node, x, shape: x.reshape(shape.tolist()),
    "ExpandDims": lambda node, x, axis: np.expand_dims(x, int(axis.item())),
    "Cast": lambda node, x: x.astype(_number_type(node.attr["DstT"].type)),
    "Pack": lambda node, *parts: np.stack(parts, _axis(node, "axis")),
    "ConcatV2": lambda node, *parts: np.concatenate(parts[:-1], int(parts[-1].item()))}
