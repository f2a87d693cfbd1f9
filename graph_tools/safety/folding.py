"""Keeps import from computing what would cost too much.

``import_graph_def`` evaluates what depends on constants alone while it infers shapes. What that would take too long or
too much memory for is put behind a placeholder with that value as its default, which nothing folds: what a run computes
is the same.
"""

from typing import Any, Callable, Container, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from graph_tools.graph import names, nodes
from graph_tools.safety import arithmetic, bounds, computing, outputs
from graph_tools.safety.arithmetic import number

FOLDED = 1 << 27       # steps of arithmetic, or bytes, that one folded node may take
_NUMBERS = {1: (np.float32, "float_val"), 3: (np.int32, "int_val"), 9: (np.int64, "int64_val")}  # none holds text
_BYTES = {1: 4, 3: 4, 9: 8}
_SMALL = 64            # values of constants no longer than this are followed, empty axes counted as 1
_SCOPE = "graph_tools_gate"
_UNKNOWN = object()


class Folded(NamedTuple):
    """What is known of a tensor that depends on constants alone.

    Attributes:
      size: how many entries it has at most, or bytes of text, empty axes counted as 1 (a sum over one leaves the
        others); ``None``: nobody knows.
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
    "StridedSlice", "Snapshot", "PreventGradient", "Unpack", "Split", "SplitV"))
# Ops whose outputs, with what they take to compute, are within a factor of what goes in. Those that stand nowhere here
# may make more of it, by values or attributes that are not followed.
_BOUNDED = frozenset("""
    Acos Acosh All Angle Any ArgMax ArgMin Asin Asinh Atan Atanh Bitcast BroadcastGradientArgs Bucketize Ceil
    ComplexAbs ConcatOffset Conj Cos Cosh Cumprod Cumsum DataFormatDimMap DataFormatVecPermute DepthToSpace Digamma
    Elu EnsureShape Erf Erfc EuclideanNorm Expm1 IdentityN Imag Inv Invert InvertPermutation IsFinite IsInf IsNan
    L2Loss Lgamma ListDiff Log1p LogSoftmax ParallelConcat Real Reciprocal Relu6 Rint Roll Round Selu ShapeN
    ShardedFilename ShardedFilespec Sin Sinh Softplus Softsign SpaceToDepth StringLength StringLower StringStrip
    StringToHashBucketFast StringToNumber StringUpper Tan TopK TopKV2 Unique UniqueV2 UniqueWithCounts Where
""".split())
_FACTOR = 16
_KEEP_SHAPE = frozenset(("Identity", "Cast", "Square", "Sqrt", "Rsqrt", "Exp", "Log", "Tanh", "Sigmoid", "Relu", "Neg",
                         "Abs", "Sign", "Floor", "StopGradient", "ZerosLike", "OnesLike", "LogicalNot", "Snapshot",
                         "PreventGradient", "Softmax"))
# Ops whose inputs are spread over one another.
_BROADCAST = frozenset("""
    Add AddV2 Atan2 BitwiseAnd BitwiseOr BitwiseXor ClipByValue Complex Div DivNoNan Equal FloorDiv FloorMod Greater
    GreaterEqual LeftShift Less LessEqual LogicalAnd LogicalOr Maximum Minimum Mod Mul MulNoNan NextAfter NotEqual Pow
    RealDiv RightShift SelectV2 SquaredDifference Sub Substr TruncateDiv TruncateMod Xdivy Xlog1py Xlogy
""".split())
_JOINS = frozenset(("ConcatV2", "Concat", "Pack", "StringJoin", "ReduceJoin"))
_PRODUCTS = frozenset(("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"))


def _fold(graph_def: Any) -> Dict[str, Folded]:
    """Of each node that import could fold, what it would be: those that depend on constants alone.

    Of a constant that no such node takes, its size is known and nothing else.
    """
    library = {function.signature.name for function in graph_def.library.function}
    known: Dict[str, Optional[Folded]] = {}         # ``None``: it is not folded
    waiting: Dict[str, List[Tuple[Any, int]]] = {}  # each at its first input that stands further behind in the file
    unread: Dict[str, int] = {}                     # places of constants of which the size is known
    of_size: Dict[int, Folded] = {}
    for place, first in enumerate(graph_def.node):
        if not waiting and _is_no_constant(first, known, library):
            known[first.name] = None
            continue
        todo = [(first, 0)]
        while todo:
            node, slot = todo.pop()
            op, name, found = node.op, node.name, None
            size = _plain_size(node) if op == "Const" else None
            if size is not None:
                unread[name] = place
                if size not in of_size:
                    of_size[size] = Folded(size)
                found = of_size[size]
            elif op in computing.PURE or _has_rule(op, library):
                entries = node.input
                slot = _lacking(entries, slot, known)
                if slot == len(entries):
                    sources = [_source(entry) for entry in entries if entry[:1] != "^"]
                    for source in sources:
                        if source in unread:
                            known[source] = _folded(graph_def.node[unread.pop(source)], [])
                    # Without inputs and a rule: handles, which are not folded.
                    found = _folded(node, list(filter(None, map(known.get, sources)))) if (
                        sources or _has_rule(op, library)) else None
                elif _source(entries[slot]) not in known:
                    waiting.setdefault(_source(entries[slot]), []).append((node, slot))
                    continue
            known[name] = found
            if waiting:
                todo += waiting.pop(name, ())
    return {name: folded for name, folded in known.items() if folded is not None}


def _is_no_constant(node: Any, known: Mapping[str, Any], library: Container[str]) -> bool:
    """Whether its op or its first input says at once that a node is not folded: what most nodes are."""
    op = node.op
    if op == "Const":
        return False
    if op not in computing.PURE and not _has_rule(op, library):
        return True
    first = next(iter(node.input), "^")
    return first[:1] != "^" and known.get(_source(first), _UNKNOWN) is None


def _has_rule(op: str, library: Container[str]) -> bool:
    return op in _RULES or op in _CALLS or op in library


def _source(entry: str) -> str:
    return entry.partition(":")[0]


def _lacking(entries: Sequence[str], slot: int, known: Mapping[str, Any]) -> int:
    """The place of the first data input, from ``slot`` on, that is not known; behind the last where all are."""
    count = len(entries)
    while slot < count:
        entry = entries[slot]
        if entry[:1] != "^" and known.get(_source(entry)) is None:
            break
        slot += 1
    return slot


def _folded(node: Any, inputs: List[Folded]) -> Folded:
    """What is known of one node, by the rule of its op: nothing where there is none."""
    try:
        return _RULES[node.op](node, inputs) if node.op in _RULES else Folded(None)
    except (IndexError, ValueError, TypeError, OverflowError):  # it lacks an input, or says what makes no sense
        return Folded(None)


_CALLS = frozenset(("PartitionedCall", "StatelessIf", "StatelessCase", "StatelessWhile", "SymbolicGradient",
                    "MapDefun", "For"))


def _plain_size(node: Any) -> Optional[int]:
    """The size of a constant of which nothing else need be read now; ``None``: its value has to be looked at."""
    attr = node.attr
    if "value" not in attr:
        return None
    tensor, size, least = attr["value"].tensor, 1, 0
    for dim in tensor.tensor_shape.dim:
        one = dim.size
        least = min(least, one)
        size *= max(1, one)
    dtype = tensor.dtype
    if dtype not in _NUMBERS:
        return max(size, bounds.text(tensor))
    if size <= _SMALL and (least < 0 or len(tensor.tensor_content) % _BYTES[dtype]):
        return None
    return size


def _constant(node: Any, inputs: List[Folded]) -> Folded:
    if "value" not in node.attr:
        return Folded(None)
    tensor = node.attr["value"].tensor
    dtype, shape = tensor.dtype, tuple([dim.size for dim in tensor.tensor_shape.dim])
    size, value = _count(shape), None
    if dtype in _NUMBERS and size <= _SMALL:
        width, field = _NUMBERS[dtype]
        content = tensor.tensor_content
        flat = np.frombuffer(content, width) if content else np.array(getattr(tensor, field)[:], width)
        count = bounds.product(shape)
        if flat.size == count:
            value = flat.reshape(shape)
        elif flat.size:
            value = np.resize(np.concatenate([flat, np.repeat(flat[-1:], max(0, count - flat.size))])[:count], shape)
    return Folded(size if dtype in _NUMBERS else max(size, bounds.text(tensor)), shape, value)


def _count(shape: Iterable[int]) -> int:
    """Entries of a shape, empty axes counted as 1."""
    count = 1
    for size in shape:
        if size > 1:
            count *= size
    return count


def _of_entry(one: Folded) -> int:
    """The largest size of a single entry: 1 of numbers, all there is of text, or where nobody knows."""
    return 1 if one.shape is not None and one.size == _count(one.shape) else one.size or 0


def _sizes(inputs: List[Folded]) -> Optional[List[int]]:
    """The sizes of all; ``None``: one of them is not known."""
    known = [one.size for one in inputs if one.size is not None]
    return known if len(known) == len(inputs) else None


def _same(node: Any, inputs: List[Folded]) -> Folded:
    sizes = _sizes(inputs)
    size, first = max(sizes) if sizes else None, inputs[0].shape
    if node.op == "Reshape" and inputs[1].value is None and (first is None or 0 in first):
        return Folded(None)  # of nothing any number of empty rows can be made
    shape = first if node.op in _KEEP_SHAPE else None
    if first is not None and node.op in _RESHAPES and inputs[-1].value is not None:
        shape = _reshaped(node.op, first, inputs[-1].value)
    return Folded(size, shape, _arithmetic(node, inputs), (size or 0) * len(inputs))


def _broadcast(node: Any, inputs: List[Folded]) -> Folded:
    """As large as all inputs spread over one another; text, or what has no known shape, as if all of each met all."""
    sizes, shapes = _sizes(inputs), [one.shape for one in inputs if one.shape is not None]
    if sizes is None:
        return Folded(None)
    shape = None
    if len(shapes) == len(inputs):
        rank = max(map(len, shapes))
        shape = tuple(max(axis) for axis in zip(*((1,) * (rank - len(one)) + one for one in shapes)))
    numbers = shape is not None and all(_of_entry(one) == 1 for one in inputs)
    size = _count(shape or ()) if numbers else bounds.product(sizes) * len(inputs)
    return Folded(size, shape, _arithmetic(node, inputs), size * len(inputs))


def _gathered(node: Any, inputs: List[Folded]) -> Folded:
    """As many rows as there are indices, each at most all that they are taken from (of a vector: one entry)."""
    taken, indices = inputs[0], inputs[1].size
    row = _of_entry(taken) if taken.shape is not None and len(taken.shape) == 1 else taken.size
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


def _arithmetic(node: Any, inputs: List[Folded]) -> Optional[np.ndarray]:
    """The value of short arithmetic on numbers, where that is followed."""
    known = [one.value for one in inputs if one.value is not None]
    if len(known) < len(inputs) or not arithmetic.follows(node):
        return None
    found = arithmetic.followed(node, known)
    return found if found is not None and _count(found.shape) <= _SMALL else None


def _joined(node: Any, inputs: List[Folded]) -> Folded:
    sizes, value, shape = _sizes(inputs), None, None
    if sizes is None:
        return Folded(None)
    size = sum(sizes) * (1 + len(node.attr["separator"].s if "separator" in node.attr else b""))
    known = [np.asarray(one.value, np.float64) for one in inputs if one.value is not None]
    if node.op in ("ConcatV2", "Pack") and inputs and len(known) == len(inputs):
        value = np.stack(known, number(node, "axis")) if node.op == "Pack" else np.concatenate(
            known[:-1], int(known[-1]))
    elif node.op == "StringJoin":  # single texts are joined to each of many
        shape = inputs[0].shape if len({one.shape for one in inputs}) == 1 else None
        size *= max(sizes) if shape is None else 1
    return Folded(size, shape, value if value is not None and _count(value.shape) <= _SMALL else None, size)


def _sized(position: int) -> Callable[..., Folded]:
    """A rule for ops whose output has the size that input number ``position`` says, made of the other one."""
    def rule(node: Any, inputs: List[Folded]) -> Folded:
        sizes, made_of = inputs[position].value, inputs[1 - position]
        if sizes is None or made_of.size is None:
            return Folded(None)
        shape = tuple(int(one) for one in np.ravel(sizes))
        size = _count(shape) * (made_of.size if node.op == "Tile" else _of_entry(made_of))
        return Folded(size, None if node.op == "Tile" else shape, None, size)
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
    one, other = inputs[0].shape, inputs[1].shape
    if one is None or other is None or min(len(one), len(other)) < 2:
        return Folded(None)
    rows, columns = one[:-3:-1] if number(node, "transpose_a") or number(node, "adj_x") else one[-2:]
    last = other[-2] if number(node, "transpose_b") or number(node, "adj_y") else other[-1]
    size = _count(one[:-2] + other[:-2] + (rows, last))
    return Folded(size, (rows, last) if len(one) == len(other) == 2 else None, None, size * max(1, columns))


def _stitched(node: Any, inputs: List[Folded]) -> Folded:
    """As many rows as the largest index says, each at most all that rows are taken from."""
    half = len(inputs) // 2
    known = [int(one.value.max()) for one in inputs[:half] if one.value is not None and one.value.size]
    sizes = _sizes(inputs[half:])
    size = None if sizes is None or len(known) < half else (1 + max(known)) * max(sizes)
    return Folded(size, None, None, size or 0)


def _as_text(node: Any, inputs: List[Folded]) -> Folded:
    """The longest number in text: 1e308 with all its digits, and what is asked for beside them."""
    each = 320 + max(0, number(node, "width")) + max(0, number(node, "precision"))
    return Folded(None if inputs[0].size is None else each * inputs[0].size)


def _bounded(node: Any, inputs: List[Folded]) -> Folded:
    sizes = _sizes(inputs)
    return Folded(None) if sizes is None else Folded(sum(sizes), None, None, _FACTOR * sum(sizes))


_RULES: Dict[str, Callable[..., Folded]] = {**dict.fromkeys(_SAME, _same), **dict.fromkeys(_BOUNDED, _bounded)}
_RULES.update(dict.fromkeys(_BROADCAST, _broadcast))
_RULES.update(dict.fromkeys(("Gather", "GatherV2"), _gathered))
_RULES.update(dict.fromkeys(_JOINS, _joined))
_RULES.update(dict.fromkeys(_PRODUCTS, _product_of_matrices))
_RULES.update({"Const": _constant, "Fill": _sized(0), "BroadcastTo": _sized(1), "Tile": _sized(1), "Range": _range,
               "Shape": _shape_of, "Size": _shape_of, "Rank": _shape_of, "DynamicStitch": _stitched,
               "ParallelDynamicStitch": _stitched, "AsString": _as_text})
