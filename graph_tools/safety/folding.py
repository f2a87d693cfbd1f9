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


def withhold(graph_def) -> List[str]:
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
    "Identity", "Add", "AddV2", "AddN", "Sub", "Mul", "Div", "RealDiv", "FloorDiv", "FloorMod", "Mod", "Maximum",
    "Minimum", "Pow", "Square", "Sqrt", "Rsqrt", "Exp", "Log", "Tanh", "Sigmoid", "Relu", "Neg", "Abs", "Sign", "Cast",
    "Reshape", "Transpose", "Squeeze", "ExpandDims", "StopGradient", "ZerosLike", "OnesLike", "Softmax", "Floor",
    "Greater", "Less", "Equal", "LogicalAnd", "LogicalOr", "LogicalNot", "Select", "SelectV2", "BiasAdd", "Reverse",
    "ReverseV2", "Sum", "Prod", "Mean", "Max", "Min", "Slice", "StridedSlice", "Snapshot", "PreventGradient",
    "StringUpper", "StringLower", "StringStrip", "Substr", "GatherV2",
    "Gather", "Squeeze", "Unpack", "Split", "SplitV"))
_KEEP_SHAPE = frozenset(("Identity", "Cast", "Square", "Tanh", "Relu", "Neg", "Exp", "Add", "AddV2", "Sub", "Mul",
                         "Maximum", "Minimum"))
_JOINS = frozenset(("ConcatV2", "Concat", "Pack", "StringJoin", "ReduceJoin", "StringFormat"))
_PRODUCTS = frozenset(("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"))


def _fold(graph_def) -> Dict[str, Folded]:
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


def _folded(node, inputs: List[Folded]) -> Folded:
    """What is known of one node: by the rule of its op, or as large as what goes in, unless its op makes more of it."""
    if node.op == "Const":
        return _constant(node)
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


def _constant(node) -> Folded:
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


def _same(node, inputs: List[Folded]) -> Folded:
    sizes = _sizes(inputs)
    size = max(sizes) if sizes else None
    shape = inputs[0].shape if node.op in _KEEP_SHAPE and len({one.shape for one in inputs}) == 1 else None
    return Folded(size, shape, _arithmetic(node, inputs), (size or 0) * len(inputs))


_ARITHMETIC: Dict[str, Callable] = {
    "Identity": lambda x: x, "Cast": lambda x: x, "Add": np.add, "AddV2": np.add, "Sub": np.subtract,
    "Mul": np.multiply, "Maximum": np.maximum, "Minimum": np.minimum, "Neg": np.negative, "Pow": np.power,
    "Prod": lambda x, axis: np.asarray(np.prod(x)), "Square": np.square, "FloorDiv": np.floor_divide,
    "FloorMod": np.mod, "Reshape": lambda x, shape: x, "ExpandDims": lambda x, axis: x, "Squeeze": lambda x: x,
    "Sum": lambda x, axis: np.asarray(np.sum(x)), "StopGradient": lambda x: x}


def _arithmetic(node, inputs: List[Folded]) -> Optional[np.ndarray]:
    """The value of short arithmetic on numbers, in floats that do not overflow silently."""
    values = [one.value for one in inputs]
    if (node.op not in _ARITHMETIC and node.op not in _PICKS) or any(value is None for value in values):
        return None
    with np.errstate(all="ignore"):
        try:
            numbers = [np.asarray(value, np.float64) for value in values]
            found = np.asarray(_picked(node, *numbers) if node.op in _PICKS else _ARITHMETIC[node.op](*numbers))
        except (ValueError, TypeError, IndexError):
            return None
    return found if found.size <= _SMALL else None


def _number(node, name: str) -> int:
    """A number or a flag among a node's attributes; reading one that is not there may add it."""
    return (node.attr[name].i or node.attr[name].b) if name in node.attr else 0


_PICKS = ("StridedSlice", "Slice", "Gather", "GatherV2")


def _picked(node, values: np.ndarray, first: np.ndarray, *rest: np.ndarray) -> np.ndarray:
    """What is picked out of a short vector."""
    flat, first = np.ravel(values), np.ravel(first).astype(np.int64)
    if node.op.startswith("Gather"):
        return flat[first]
    last = np.ravel(rest[0]).astype(np.int64)
    if node.op == "Slice":
        return flat[first[0]:len(flat) if last[0] < 0 else first[0] + last[0]]
    if len(first) != 1 or _number(node, "new_axis_mask") or _number(node, "ellipsis_mask"):
        raise ValueError("not a slice of a vector")
    if _number(node, "shrink_axis_mask"):
        return flat[first[0]]
    return flat[slice(None if _number(node, "begin_mask") else first[0], None if _number(node, "end_mask") else last[0],
                      int(np.ravel(rest[1])[0]))]


def _joined(node, inputs: List[Folded]) -> Folded:
    sizes, value = _sizes(inputs), None
    size = None if sizes is None else sum(sizes)
    known = [one.value for one in inputs if one.value is not None]
    if node.op in ("ConcatV2", "Pack") and len(known) == len(inputs):
        parts = known[:-1] if node.op == "ConcatV2" else known
        value = np.concatenate([np.ravel(part) for part in parts]) if parts else None
    return Folded(size, None, value if value is not None and value.size <= _SMALL else None, size or 0)


def _sized(position: int) -> Callable[..., Folded]:
    """A rule for ops whose output has the size that input number ``position`` says."""
    def rule(node, inputs: List[Folded]) -> Folded:
        sizes = inputs[position].value if position < len(inputs) else None
        if sizes is None:
            return Folded(None)
        size: Optional[int] = bounds.product(max(0.0, float(one)) for one in np.ravel(sizes))
        if node.op == "Tile":
            size = None if inputs[0].size is None else (size or 0) * inputs[0].size
        shape = tuple(int(one) for one in np.ravel(sizes)) if node.op != "Tile" else None
        return Folded(size, shape, None, size or 0)
    return rule


def _range(node, inputs: List[Folded]) -> Folded:
    values = [one.value for one in inputs if one.value is not None and one.value.size == 1]
    if len(values) < len(inputs):
        return Folded(None)
    start, limit, step = (float(np.ravel(value)[0]) for value in values)
    return Folded(int(abs(limit - start) / abs(step)) if step else None, None, None, 0)


def _shape_of(node, inputs: List[Folded]) -> Folded:
    shape = inputs[0].shape
    if node.op == "Shape":
        return Folded(8, None if shape is None else (len(shape),), None if shape is None else np.array(shape))
    return Folded(1, (), None)


def _product_of_matrices(node, inputs: List[Folded]) -> Folded:
    one, other = inputs[0], inputs[1]
    if one.shape is None or other.shape is None or min(len(one.shape), len(other.shape)) < 2:
        return Folded(None)
    columns = one.shape[-2] if _number(node, "transpose_a") or _number(node, "adj_x") else one.shape[-1]
    size = (one.size or 0) // max(1, columns) * ((other.size or 0) // max(1, columns))
    rows = (one.size or 0) // max(1, columns)
    return Folded(size, (rows, (other.size or 0) // max(1, columns)), None, size * columns)


_RULES: Dict[str, Callable[..., Folded]] = dict.fromkeys(_SAME, _same)
_RULES.update(dict.fromkeys(_JOINS, _joined))
_RULES.update(dict.fromkeys(_PRODUCTS, _product_of_matrices))
_RULES.update({"Fill": _sized(0), "BroadcastTo": _sized(1), "Tile": _sized(1), "Range": _range, "Shape": _shape_of,
               "Size": _shape_of, "Rank": _shape_of})
_RULES["AsString"] = lambda node, inputs: Folded(None if inputs[0].size is None else 24 * inputs[0].size)
