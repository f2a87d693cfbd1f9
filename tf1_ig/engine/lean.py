"""Gradients of the same value that do less than TensorFlow's own, op by op.

In a while loop TensorFlow keeps from every iteration what the gradient of an op may ask for: the sizes of both factors
of a product, since one may be broadcast; the input of a matrix product, for weights that nobody differentiates by.
Where sizes are known to agree, and for what does not move along the path, none of that is needed. A new op is two
functions and a line in ``LEAN``.
"""

from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from graph_tools import _tf
from graph_tools.graph.walk import reached
from graph_tools.symbolic_shapes import Shape, SymbolicShapes, symbolic_shapes


class Place(NamedTuple):
    """An op on the path, before its gradient is built."""

    op: Any
    moving: Tuple[bool, ...]   # by input: whether it moves along the path
    inputs: List[Shape]        # symbolic shapes, see ``graph_tools.symbolic_shapes``; of ops in loops only
    output: Shape
    in_loop: bool
    planned: Set[str]          # ops that have a lean gradient already


class Lean(NamedTuple):
    """One op's gradient: what ``plan`` says of a place is what ``gradient`` is told; ``None``: TensorFlow's own."""

    plan: Callable[[Place], Optional[Sequence[int]]]
    gradient: Callable[[Any, Any, List[int]], List[Any]]   # (op, gradient by its output, plan) -> by its inputs


class Prepared(NamedTuple):
    """The ops that have a lean gradient, and the nodes whose sizes were taken for known in that."""

    ops: Set[str]
    known: Set[str]


def prepare(graph: Any, index: Any, output: Any, points: Mapping[str, Any]) -> Prepared:
    """Chooses lean gradients for ops between points and output of a graph of ours.

    Args:
      graph: the graph in which the gradient is going to be built.
      index: ``GraphIndex`` of the model that was imported into it; its ops have the same names there.
      output: the tensor that will be differentiated.
      points: the tensors it will be differentiated by, by the names of the model's tensors whose place they take.
    """
    moving, needed = _moving(points.values()), index.ancestors([output.op.name])
    ops = [op for op in graph.get_operations() if op.type in LEAN and op.name in needed
           and any(tensor.name in moving for tensor in op.inputs) and op.outputs[0].dtype.is_floating
           and "_gradient_op_type" not in index.nodes[op.name].attr]
    # Ops of one context, the innermost loop or branch, run together.
    together: Dict[Any, List[str]] = {}
    for op in ops:
        if _tf.loop_of(op) is not None:
            together.setdefault(_tf.get_context(op), []).append(op.name)
    shapes = {context: symbolic_shapes(index, names, points)
              for context, names in list(together.items())[:_MOST_ANALYSED]}
    prepared = Prepared(set(), set())
    for op in reversed(ops):  # what takes a value comes before what makes it
        known = shapes.get(_tf.get_context(op), _NOTHING_KNOWN)
        place = Place(op, tuple(tensor.name in moving for tensor in op.inputs),
                      [known.of(tensor.op.name, tensor.value_index) for tensor in op.inputs], known.of(op.name, 0),
                      _tf.loop_of(op) is not None, prepared.ops)
        plan = LEAN[op.type].plan(place)
        if plan is not None:
            _tf.set_string_attr(op, _PLAN, ",".join(map(str, plan)))
            _tf.name_gradient(op, "Tf1IgLean" + op.type, _gradient)
            prepared.ops.add(op.name)
            prepared.known.update(known.nodes)
    return prepared


# Each loop, and each branch in a loop, is analysed by itself; of the others no sizes are known.
_MOST_ANALYSED = 64
_NOTHING_KNOWN = SymbolicShapes({}, set())
_PLAN = "_tf1_ig_plan"


def _gradient(op: Any, grad: Any) -> List[Any]:
    text = op.get_attr(_PLAN).decode()
    return LEAN[op.type].gradient(op, _tf.tf.convert_to_tensor(grad), [int(part) for part in text.split(",") if part])


def _moving(points: Iterable[Any]) -> Set[str]:
    """Names of the tensors that depend on the points."""
    points = list(points)
    ops = reached((op for point in points for op in point.consumers()), lambda op: (
        user for tensor in op.outputs for user in tensor.consumers()))
    return {tensor.name for tensor in points} | {tensor.name for op in ops for tensor in op.outputs}


# -- sums and products of tensors of one shape ----------------------------------------------------------------------


def _nothing_broadcast(place: Place) -> Optional[List[int]]:
    """Which inputs move, when each of those has the shape of the output; only loops gain."""
    same = all(_same(shape, place.output) for shape, moves in zip(place.inputs, place.moving) if moves)
    return [int(moves) for moves in place.moving] if place.in_loop and same else None


def _same(one: Shape, other: Shape) -> bool:
    return one is not None and one == other and -1 not in one


def _of_sum(op: Any, grad: Any, moving: Any) -> Any:
    return [grad if moves else None for moves in moving]


def _of_difference(op: Any, grad: Any, moving: Any) -> Any:
    return [grad if moving[0] else None, -grad if moving[1] else None]


def _of_product(op: Any, grad: Any, moving: Any) -> Any:
    first, second = op.inputs
    return [grad * second if moving[0] else None, grad * first if moving[1] else None]


# -- matrix products ------------------------------------------------------------------------------------------------


def _one_operand(place: Place) -> Optional[List[int]]:
    return [place.moving.index(True)] if place.in_loop and sum(place.moving) == 1 else None


def _of_matmul(op: Any, grad: Any, which: Any) -> Any:
    first, second = op.inputs
    turned, other_turned = op.get_attr("transpose_a"), op.get_attr("transpose_b")
    if which == [0]:
        if turned:
            return [_matmul(second, grad, other_turned, True), None]
        return [_matmul(grad, second, False, not other_turned), None]
    if other_turned:
        return [None, _matmul(grad, first, True, turned)]
    return [None, _matmul(first, grad, not turned, False)]


def _matmul(first: Any, second: Any, turned: Any, other_turned: Any) -> Any:
    return _tf.tf.raw_ops.MatMul(a=first, b=second, transpose_a=turned, transpose_b=other_turned)


# -- joining and choosing -------------------------------------------------------------------------------------------


def _known_sizes(place: Place) -> Optional[List[int]]:
    """The axis of a concatenation and the sizes along it, -1 for the only one that may be unknown."""
    axis, parts = _tf.tf.get_static_value(place.op.inputs[-1]), place.inputs[:-1]
    if axis is None or not place.in_loop or any(part is None or not -len(part) <= axis < len(part) for part in parts):
        return None
    sizes = [max(part[int(axis)], -1) for part in parts if part is not None]
    return [int(axis)] + sizes if sizes.count(-1) <= 1 else None


def _of_concat(op: Any, grad: Any, plan: Any) -> Any:
    return _tf.tf.split(grad, plan[1:], plan[0]) + [None]


def _of_select(op: Any, grad: Any, moving: Any) -> Any:
    nothing, condition = _tf.tf.zeros_like(grad), op.inputs[0]
    chosen = [(grad, nothing), (nothing, grad)]
    return [None] + [_tf.tf.raw_ops.Select(condition=condition, x=x, y=y) if moves else None
                     for moves, (x, y) in zip(moving[1:], chosen)]


def _which_move(place: Place) -> Optional[List[int]]:
    return [int(moves) for moves in place.moving] if place.in_loop else None


# -- extremes -------------------------------------------------------------------------------------------------------


def _known_axes(place: Place) -> Optional[List[int]]:
    """The axes of a maximum, in order and counted from the front."""
    axes, rank = _tf.tf.get_static_value(place.op.inputs[1]), place.op.inputs[0].shape.ndims
    if axes is None or rank is None:
        return None
    return sorted({int(axis) % rank for axis in axes.reshape(-1)})


def _of_extreme(op: Any, grad: Any, axes: Any) -> Any:
    """Equal shares for all that are largest, as TensorFlow's own, but divided before they are spread out."""
    tf = _tf.tf
    extreme = op.outputs[0]
    if not op.get_attr("keep_dims"):
        for axis in axes:
            extreme = tf.expand_dims(extreme, axis)
    grad = tf.reshape(grad, tf.shape(extreme))
    reached = tf.cast(tf.equal(op.inputs[0], extreme), grad.dtype)
    if op.inputs[0].op.type == "Relu":  # which may leave it to us, see _for_an_extreme
        grad *= tf.cast(extreme > 0, grad.dtype)
    return [reached * (grad / tf.reduce_sum(reached, axes, keepdims=True)), None]


def _for_an_extreme(place: Place) -> Optional[List[int]]:
    """Whether a maximum, and nothing else, takes what comes out: only what reaches it gets a gradient, and is equal to
    it, so that the maximum can be asked whether it is positive instead of every element."""
    users = place.op.outputs[0].consumers()
    return [] if len(users) == 1 and users[0].type in ("Max", "Min") and users[0].name in place.planned else None


def _of_relu(op: Any, grad: Any, _: Any) -> Any:
    return [grad]


LEAN: Dict[str, Lean] = {
    "Add": Lean(_nothing_broadcast, _of_sum),
    "AddV2": Lean(_nothing_broadcast, _of_sum),
    "Sub": Lean(_nothing_broadcast, _of_difference),
    "Mul": Lean(_nothing_broadcast, _of_product),
    "MatMul": Lean(_one_operand, _of_matmul),
    "ConcatV2": Lean(_known_sizes, _of_concat),
    "Select": Lean(_which_move, _of_select),
    "Max": Lean(_known_axes, _of_extreme),
    "Min": Lean(_known_axes, _of_extreme),
    "Relu": Lean(_for_an_extreme, _of_relu),
}
