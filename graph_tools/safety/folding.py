"""Keeps import from computing what would cost too much.

``import_graph_def`` evaluates what depends on constants alone while it infers shapes. What that would take too long or
too much memory for is put behind a placeholder with that value as its default, which nothing folds: what a run computes
is the same.
"""

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from graph_tools.graph import names, nodes
from graph_tools.safety import bounds, computing, outputs

FOLDED = 1 << 27       # steps of arithmetic, or bytes, that one folded node may take
_SMALL = 64            # values of constants no longer than this are followed
_SCOPE = "graph_tools_gate"


class Folded(NamedTuple):
    """What is known of a tensor that depends on constants alone.

    Attributes:
      size: how many entries it has, or bytes of text; ``None``: nobody knows.
      shape: its shape, where that is known.
      value: its value, where it is short.
      cost: steps of arithmetic to compute it.
    """

    size: Optional[int]
    shape: Optional[Tuple[int, ...]] = None
    value: Optional[np.ndarray] = None
    cost: int = 0


def withhold(graph_def: Any) -> List[str]:
    """Keeps import from folding what would cost too much, in place; what a run computes is the same.

    Returns:
      The nodes whose consumers take them through a placeholder now.
    """
    dear = {name for name, folded in _fold(graph_def).items()
            if folded.size is None or max(folded.size, folded.cost) > FOLDED}
    if not dear:
        return []
    gates: Dict[names.TensorRef, str] = {}
    for node in list(graph_def.node):
        for slot, entry in enumerate(node.input):
            ref = names.parse(entry)
            if ref.node in dear and not ref.is_control:
                node.input[slot] = gates.setdefault(ref, "%s/%s_%d" % (ref.node, _SCOPE, ref.port))
    definitions = outputs.Definitions(graph_def)
    types = {node.name: definitions.types(node) for node in graph_def.node if node.name in dear}
    for ref, name in gates.items():
        nodes.add(graph_def, "PlaceholderWithDefault", name, [str(ref)], dtype=types[ref.node][ref.port], shape=None)
    return sorted({ref.node for ref in gates})


# Ops with an output as large as their largest input.
_SAME = frozenset((
    "Identity", "AddN", "Square", "Sqrt", "Rsqrt", "Exp", "Log", "Tanh", "Sigmoid", "Relu", "Neg", "Abs", "Sign",
    "Cast", "Reshape", "Transpose", "Squeeze", "ExpandDims", "StopGradient", "ZerosLike", "OnesLike", "Softmax",
    "Floor", "LogicalNot", "Select", "BiasAdd", "Reverse", "ReverseV2", "Sum", "Prod", "Mean", "Max", "Min", "Slice",
    "StridedSlice", "Snapshot", "PreventGradient", "StringUpper", "StringLower", "StringStrip", "Substr", "Unpack",
    "Split", "SplitV"))
_KEEP_SHAPE = frozenset(("Identity", "Cast", "Square", "Sqrt", "Rsqrt", "Exp", "Log", "Tanh", "Sigmoid", "Relu", "Neg",
                         "Abs", "Sign", "Floor", "StopGradient", "ZerosLike", "OnesLike", "LogicalNot", "Snapshot",
                         "PreventGradient", "Softmax"))
# Ops whose inputs are spread over one another.
_BROADCAST = frozenset(("Add", "AddV2", "Sub", "Mul", "Div", "RealDiv", "FloorDiv", "FloorMod", "Mod", "Maximum",
                        "Minimum", "Pow", "Greater", "Less", "Equal", "LogicalAnd", "LogicalOr", "SelectV2"))
_JOINS = frozenset(("ConcatV2", "Concat", "Pack", "StringJoin", "ReduceJoin", "StringFormat"))
_PRODUCTS = frozenset(("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"))


def _fold(graph_def: Any) -> Dict[str, Folded]:
    """Of each node that import could fold, what it would be: those that depend on constants alone."""
    library = {function.signature.name for function in graph_def.library.function}
    waits: Dict[str, int] = {}
    consumers: Dict[str, List[Any]] = {}
    ready = []
    for node in graph_def.node:
        if node.op != "Const" and not (node.op in computing.PURE or node.op in _CALLS or node.op in library):
            continue
        sources = {entry.partition(":")[0] for entry in node.input if not entry.startswith("^")}
        waits[node.name] = len(sources)
        for source in sources:
            consumers.setdefault(source, []).append(node)
        if not sources:
            ready.append(node)
    known: Dict[str, Folded] = {}
    while ready:
        node = ready.pop()
        known[node.name] = _folded(node, [known[entry.partition(":")[0]] for entry in node.input
                                          if not entry.startswith("^")])
        for consumer in consumers.get(node.name, ()):
            waits[consumer.name] -= 1
            if not waits[consumer.name]:
                ready.append(consumer)
    return known


def _folded(node: Any, inputs: List[Folded]) -> Folded:
    """What is known of one node: by the rule of its op, or as large as what goes in, unless its op makes more of it."""
    if node.op in _RULES:
        try:
            return _RULES[node.op](node, inputs)
        except (IndexError, ValueError, TypeError, OverflowError):  # it lacks an input, or says what makes no sense
            return Folded(None)
    if node.op not in computing.PURE or node.op.startswith(_MORE):
        return Folded(None)
    sizes = _sizes(inputs)
    if sizes is None:
        return Folded(None)
    return Folded(sum(sizes), None, None, _FACTOR * sum(sizes))


_CALLS = frozenset(("PartitionedCall", "StatelessIf", "StatelessCase", "StatelessWhile", "SymbolicGradient",
                    "MapDefun", "For"))
# Ops whose output may be larger than what goes in, by values or attributes that are not followed here.
_MORE = ("LinSpace", "OneHot", "Pad", "MirrorPad", "Stateless", "Bincount", "DenseBincount", "Sparse", "Scatter",
         "MatrixDiag", "Diag", "Empty", "Resize", "Extract", "SpaceToBatch", "BatchToSpace", "UnsortedSegment",
         "TensorList", "Ragged", "Decode", "Conv", "Depthwise", "Einsum", "Unicode", "StringNGrams", "Encode", "Ranges",
         "SobolSample", "Histogram", "Crop", "Scale", "Image", "Dilation", "Fractional", "BroadcastArgs", "Matrix",
         "BatchMatrix", "Parse", "Cross", "Uncompress", "Audio", "Nearest", "Kmeans", "KMC2")
_FACTOR = 16


def _constant(node: Any, inputs: List[Folded]) -> Folded:
    if "value" not in node.attr:
        return Folded(None)
    tensor = node.attr["value"].tensor
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    count = bounds.product(shape)
    text = sum(map(len, tensor.string_val)) if tensor.dtype == 7 else 0
    value = None
    if count <= _SMALL and tensor.dtype in (1, 3, 9):
        width = {1: np.float32, 3: np.int32, 9: np.int64}[tensor.dtype]
        held = tensor.float_val if tensor.dtype == 1 else tensor.int_val if tensor.dtype == 3 else tensor.int64_val
        flat = np.frombuffer(tensor.tensor_content, width) if tensor.tensor_content else np.array(held, width)
        if flat.size == count:
            value = flat.reshape(shape)
        elif flat.size:
            value = np.resize(np.concatenate([flat, np.repeat(flat[-1:], max(0, count - flat.size))])[:count], shape)
    return Folded(max(count, text), shape, value)


def _sizes(inputs: List[Folded]) -> Optional[List[int]]:
    """The sizes of all; ``None``: one of them is not known."""
    known = [one.size for one in inputs if one.size is not None]
    return known if len(known) == len(inputs) else None


def _same(node: Any, inputs: List[Folded]) -> Folded:
    sizes = _sizes(inputs)
    size, first = max(sizes) if sizes else None, inputs[0].shape
    shape = first if node.op in _KEEP_SHAPE else None
    if first is not None and node.op in _RESHAPES and inputs[-1].value is not None:
        shape = _reshaped(node.op, first, inputs[-1].value)
    return Folded(size, shape, _arithmetic(node, inputs), (size or 0) * len(inputs))


def _broadcast(node: Any, inputs: List[Folded]) -> Folded:
    """As large as all inputs spread over one another; where a shape is not known, none of them may overlap."""
    sizes, shapes = _sizes(inputs), [one.shape for one in inputs if one.shape is not None]
    if sizes is None:
        return Folded(None)
    shape = None
    if len(shapes) == len(inputs):
        rank = max(map(len, shapes))
        shape = tuple(max(axis) for axis in zip(*((1,) * (rank - len(one)) + one for one in shapes)))
    larger = [size for size in sizes if size != 1]
    size = bounds.product(larger) if shape is None else bounds.product(shape)
    return Folded(size, shape, _arithmetic(node, inputs), size * len(inputs))


def _gathered(node: Any, inputs: List[Folded]) -> Folded:
    """As many rows as there are indices, each at most all that they are taken from (of a vector: one entry)."""
    taken, indices = inputs[0], inputs[1].size
    row = 1 if taken.shape is not None and len(taken.shape) == 1 else taken.size
    size = None if row is None or indices is None else row * indices
    return Folded(size, None, _arithmetic(node, inputs), size or 0)


_RESHAPES = ("Reshape", "ExpandDims", "Transpose")


def _reshaped(op: str, shape: Tuple[int, ...], how: np.ndarray) -> Optional[Tuple[int, ...]]:
    """The shape of what is shaped anew; ``None`` where the numbers make no sense."""
    numbers = [int(one) for one in np.ravel(how)]
    if op == "Transpose":
        return tuple(shape[axis] for axis in numbers) if sorted(numbers) == list(range(len(shape))) else None
    if op == "ExpandDims":
        at = numbers[0] + (len(shape) + 1 if numbers[0] < 0 else 0)
        return shape[:at] + (1,) + shape[at:]
    known = bounds.product(one for one in numbers if one >= 0)
    return tuple(bounds.product(shape) // max(1, known) if one < 0 else one for one in numbers)


def _axes(node: Any, axis: np.ndarray) -> Dict[str, Any]:
    return {"axis": tuple(np.ravel(axis).astype(int)), "keepdims": bool(_number(node, "keep_dims"))}


def _cast(node: Any, x: np.ndarray) -> np.ndarray:
    kind = node.attr["DstT"].type if "DstT" in node.attr else 0
    if kind not in (1, 2, 3, 9):
        raise ValueError("numbers of a type that does not hold them all")
    return np.trunc(x) if kind in (3, 9) else x


def _squeezed(node: Any, x: np.ndarray) -> np.ndarray:
    axes = tuple(node.attr["squeeze_dims"].list.i) if "squeeze_dims" in node.attr else ()
    return np.squeeze(x, axes or None)


_ARITHMETIC: Dict[str, Callable] = {
    "Identity": lambda node, x: x, "StopGradient": lambda node, x: x, "Cast": _cast,
    "Neg": lambda node, x: -x, "Square": lambda node, x: x * x,
    "Add": lambda node, x, y: x + y, "AddV2": lambda node, x, y: x + y, "Sub": lambda node, x, y: x - y,
    "Mul": lambda node, x, y: x * y, "Pow": lambda node, x, y: x ** y,
    "Maximum": lambda node, x, y: np.maximum(x, y), "Minimum": lambda node, x, y: np.minimum(x, y),
    "FloorDiv": lambda node, x, y: np.floor_divide(x, y), "FloorMod": lambda node, x, y: np.mod(x, y),
    "Reshape": lambda node, x, shape: np.reshape(x, shape.astype(int)),
    "ExpandDims": lambda node, x, axis: np.expand_dims(x, int(axis)), "Squeeze": _squeezed,
    "Prod": lambda node, x, axis: np.prod(x, **_axes(node, axis)),
    "Sum": lambda node, x, axis: np.sum(x, **_axes(node, axis)),
    "Gather": lambda node, x, which: np.take(x, which.astype(int), 0),
    "GatherV2": lambda node, x, which, axis: np.take(x, which.astype(int), int(axis)),
    "Slice": lambda node, x, begin, size: x[tuple(
        slice(int(at), None if many < 0 else int(at + many)) for at, many in zip(begin, size))]}
# Beyond this a whole number may come round to the other end of its type.
_WRAPS = 2.0 ** 31


def _arithmetic(node: Any, inputs: List[Folded]) -> Optional[np.ndarray]:
    """The value of short arithmetic on numbers, in floats; ``None`` where they might not be what TensorFlow finds."""
    values = [np.asarray(one.value, np.float64) for one in inputs if one.value is not None]
    rule = _picked if node.op == "StridedSlice" else _ARITHMETIC.get(node.op)
    if rule is None or len(values) < len(inputs) or _number(node, "batch_dims"):
        return None
    with np.errstate(all="ignore"):
        try:
            found = np.asarray(rule(node, *values))
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    return found if found.size <= _SMALL and bool((np.abs(found) < _WRAPS).all()) else None


def _number(node: Any, name: str) -> int:
    """A number or a flag among a node's attributes; reading one that is not there may add it."""
    return (node.attr[name].i or node.attr[name].b) if name in node.attr else 0


def _picked(node: Any, values: np.ndarray, begin: np.ndarray, end: np.ndarray, stride: np.ndarray) -> np.ndarray:
    """What is picked out of a short vector."""
    if values.ndim != 1 or begin.size != 1 or _number(node, "new_axis_mask") or _number(node, "ellipsis_mask"):
        raise ValueError("not a slice of a vector")
    first, last, step = (int(np.ravel(one)[0]) for one in (begin, end, stride))
    if _number(node, "shrink_axis_mask"):
        return values[first]
    return values[slice(None if _number(node, "begin_mask") else first, None if _number(node, "end_mask") else last,
                        step)]


def _joined(node: Any, inputs: List[Folded]) -> Folded:
    sizes, value, shape = _sizes(inputs), None, None
    if sizes is None:
        return Folded(None)
    size = sum(sizes)
    known = [np.asarray(one.value, np.float64) for one in inputs if one.value is not None]
    if node.op in ("ConcatV2", "Pack") and inputs and len(known) == len(inputs):
        value = np.stack(known, _number(node, "axis")) if node.op == "Pack" else np.concatenate(
            known[:-1], int(known[-1]))
    elif node.op == "StringJoin":  # single texts are joined to each of many
        shape = inputs[0].shape if len({one.shape for one in inputs}) == 1 else None
        size *= max(sizes) if shape is None else 1
    return Folded(size, shape, value if value is not None and value.size <= _SMALL else None, size)


def _sized(position: int) -> Callable[..., Folded]:
    """A rule for ops whose output has the size that input number ``position`` says."""
    def rule(node: Any, inputs: List[Folded]) -> Folded:
        sizes = inputs[position].value if position < len(inputs) else None
        if sizes is None:
            return Folded(None)
        size: Optional[int] = bounds.product(max(0.0, float(one)) for one in np.ravel(sizes))
        if node.op == "Tile":
            size = None if inputs[0].size is None else (size or 0) * inputs[0].size
        shape = tuple(int(one) for one in np.ravel(sizes)) if node.op != "Tile" else None
        return Folded(size, shape, None, size or 0)
    return rule


def _range(node: Any, inputs: List[Folded]) -> Folded:
    values = [one.value for one in inputs if one.value is not None and one.value.size == 1]
    if len(values) < len(inputs):
        return Folded(None)
    start, limit, step = (float(np.ravel(value)[0]) for value in values)
    count = int(abs(limit - start) / abs(step)) + 1 if step else None
    return Folded(count, None, None, 0)


def _shape_of(node: Any, inputs: List[Folded]) -> Folded:
    shape = inputs[0].shape
    if node.op == "Shape":
        return Folded(8, None if shape is None else (len(shape),), None if shape is None else np.array(shape))
    return Folded(1, (), None)


def _product_of_matrices(node: Any, inputs: List[Folded]) -> Folded:
    one, other = inputs[0], inputs[1]
    if one.shape is None or other.shape is None or min(len(one.shape), len(other.shape)) < 2:
        return Folded(None)
    columns = one.shape[-2] if _number(node, "transpose_a") or _number(node, "adj_x") else one.shape[-1]
    size = (one.size or 0) // max(1, columns) * ((other.size or 0) // max(1, columns))
    shape = ((one.size or 0) // max(1, columns), (other.size or 0) // max(1, columns))
    return Folded(size, shape if len(one.shape) == len(other.shape) == 2 else None, None, size * columns)


_RULES: Dict[str, Callable[..., Folded]] = dict.fromkeys(_SAME, _same)
_RULES["Const"] = _constant
_RULES.update(dict.fromkeys(_BROADCAST, _broadcast))
_RULES.update(dict.fromkeys(("Gather", "GatherV2"), _gathered))
_RULES.update(dict.fromkeys(_JOINS, _joined))
_RULES.update(dict.fromkeys(_PRODUCTS, _product_of_matrices))
_RULES.update({"Fill": _sized(0), "BroadcastTo": _sized(1), "Tile": _sized(1), "Range": _range, "Shape": _shape_of,
               "Size": _shape_of, "Rank": _shape_of})
_RULES["AsString"] = lambda node, inputs: Folded(None if inputs[0].size is None else 24 * inputs[0].size)
