"""Gradients of the same value that do less than TensorFlow's own, op by op.

In a while loop TensorFlow keeps from every iteration what the gradient of an op may ask for: the sizes of both factors
of a product, since one may be broadcast; the input of a matrix product, for weights that nobody differentiates by.
Where sizes are known to agree, and for what does not move along the path, none of that is needed. A new op is two
functions and a line in ``LEAN``.
"""

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from graph_tools import _tf
from graph_tools.symbolic_shapes import Shape, symbolic_shapes


class Place(NamedTuple):
    """An op on the path, before its gradient is built."""

    op: Any
    moving: Tuple[bool, ...]   # by input: whether it moves along the path
    inputs: List[Shape]        # symbolic shapes, see ``graph_tools.symbolic_shapes``
    output: Shape
    in_loop: bool


class Lean(NamedTuple):
    """One op's gradient: what ``plan`` says of a place is what ``gradient`` is told; ``None``: TensorFlow's own."""

    plan: Callable[[Place], Optional[Sequence[int]]]
    gradient: Callable[[Any, Any, List[int]], List[Any]]   # (op, gradient by its output, plan) -> by its inputs


def prepare(graph: Any, index: Any, output: Any, points: Sequence[Any]) -> int:
    """Chooses lean gradients for ops between ``points`` and ``output`` of a graph of ours; returns for how many.

    Args:
      graph: the graph in which the gradient is going to be built.
      index: ``GraphIndex`` of the model that was imported into it; its ops have the same names there.
      output: the tensor that will be differentiated.
      points: the tensors it will be differentiated by.
    """
    moving, needed = _moving(points), index.ancestors([output.op.name])
    ops = [op for op in graph.get_operations() if op.type in LEAN and op.name in needed and any(
        tensor.name in moving for tensor in op.inputs) and "_gradient_op_type" not in index.nodes[op.name].attr]
    loops = {op.name: _tf.in_loop(op) for op in ops}
    shapes = symbolic_shapes(index, output.op.name) if any(loops.values()) else {}
    count = 0
    for op in reversed(ops):  # what takes a value comes before what makes it
        plan = LEAN[op.type].plan(Place(op, tuple(tensor.name in moving for tensor in op.inputs), [
            _shape_of(tensor, shapes) for tensor in op.inputs], _shape_of(op.outputs[0], shapes), loops[op.name]))
        if plan is not None and op.outputs[0].dtype.is_floating:
            _tf.set_string_attr(op, _PLAN, ",".join(map(str, plan)))
            _tf.name_gradient(op, "Tf1IgLean" + op.type, _gradient)
            count += 1
    return count


_PLAN = "_tf1_ig_plan"


def _gradient(op: Any, grad: Any) -> List[Any]:
    return LEAN[op.type].gradient(op, _tf.tf.convert_to_tensor(grad), _planned(op))


def _planned(op: Any) -> Optional[List[int]]:
    try:
        text = op.get_attr(_PLAN).decode()
    except ValueError:
        return None
    return [int(part) for part in text.split(",") if part]


def _moving(points: Sequence[Any]) -> Set[str]:
    """Names of the tensors that depend on the points."""
    found, todo = {point.name for point in points}, list(points)
    while todo:
        for op in todo.pop().consumers():
            new = [tensor for tensor in op.outputs if tensor.name not in found]
            found.update(tensor.name for tensor in new)
            todo += new
    return found


def _shape_of(tensor: Any, shapes: Dict[str, List[Shape]]) -> Shape:
    known = shapes.get(tensor.op.name, [])
    return known[tensor.value_index] if tensor.value_index < len(known) else None


# -- sums and products of tensors of one shape ----------------------------------------------------------------------


def _nothing_broadcast(place: Place) -> Optional[List[int]]:
    """Which inputs move, when each of those has the shape of the output; only loops gain."""
    same = all(_same(shape, place.output) for shape, moves in zip(place.inputs, place.moving) if moves)
    return [int(moves) for moves in place.moving] if place.in_loop and same else None


def _same(one: Shape, other: Shape) -> bool:
    return one is not None and one == other and -1 not in one


def _of_sum(op, grad, moving):
    return [grad if moves else None for moves in moving]


def _of_difference(op, grad, moving):
    return [grad if moving[0] else None, -grad if moving[1] else None]


def _of_product(op, grad, moving):
    first, second = op.inputs
    return [grad * second if moving[0] else None, grad * first if moving[1] else None]


# -- matrix products ------------------------------------------------------------------------------------------------


def _one_operand(place: Place) -> Optional[List[int]]:
    return [place.moving.index(True)] if place.in_loop and sum(place.moving) == 1 else None


def _of_matmul(op, grad, which):
    first, second = op.inputs
    turned, other_turned = op.get_attr("transpose_a"), op.get_attr("transpose_b")
    if which == [0]:
        if turned:
            return [_matmul(second, grad, other_turned, True), None]
        return [_matmul(grad, second, False, not other_turned), None]
    if other_turned:
        return [None, _matmul(grad, first, True, turned)]
    return [None, _matmul(first, grad, not turned, False)]


def _matmul(first, second, turned, other_turned):
    return _tf.tf.raw_ops.MatMul(a=first, b=second, transpose_a=turned, transpose_b=other_turned)


# -- joining and choosing -------------------------------------------------------------------------------------------


def _known_sizes(place: Place) -> Optional[List[int]]:
    """The axis of a concatenation and the sizes along it, -1 for the only one that may be unknown."""
    axis, parts = _tf.tf.get_static_value(place.op.inputs[-1]), place.inputs[:-1]
    if axis is None or not place.in_loop or any(part is None or not -len(part) <= axis < len(part) for part in parts):
        return None
    sizes = [max(part[int(axis)], -1) for part in parts]
    return [int(axis)] + sizes if sizes.count(-1) <= 1 else None


def _of_concat(op, grad, plan):
    return _tf.tf.split(grad, plan[1:], plan[0]) + [None]


def _of_select(op, grad, moving):
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


def _of_extreme(op, grad, axes):
    """Equal shares for all that are largest, as TensorFlow's own, but divided before they are spread out."""
    tf = _tf.tf
    extreme = op.outputs[0]
    if not op.get_attr("keep_dims"):
        for axis in axes:
            extreme, grad = tf.expand_dims(extreme, axis), tf.expand_dims(grad, axis)
    reached = tf.cast(tf.equal(op.inputs[0], extreme), grad.dtype)
    if op.inputs[0].op.type == "Relu" and _planned(op.inputs[0].op) is not None:
        grad *= tf.cast(extreme > 0, grad.dtype)
    return [reached * (grad / tf.reduce_sum(reached, axes, keepdims=True)), None]


def _for_an_extreme(place: Place) -> Optional[List[int]]:
    """Whether a maximum, and nothing else, takes what comes out: only what reaches it gets a gradient, and is equal to
    it, so that the maximum can be asked whether it is positive instead of every element."""
    users = place.op.outputs[0].consumers()
    return [] if len(users) == 1 and users[0].type in ("Max", "Min") and _planned(users[0]) is not None else None


def _of_relu(op, grad, _):
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
