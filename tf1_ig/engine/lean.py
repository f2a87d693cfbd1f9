"""Gradients of the same value that do less than TensorFlow's own, op by op.

TensorFlow's gradients ask for sizes when they run: those of both factors of a product, since one may be broadcast. Such
ops take long to be made, and in a while loop what they ask for is kept from every iteration, as is the input of a
matrix product, for weights that nobody differentiates by. Where sizes are known, and for what does not move along the
path, none of that is needed. A new op is two functions and a line in ``LEAN``.
"""

from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

import numpy as np

from graph_tools import _tf
from graph_tools.graph.walk import reached
from graph_tools.symbolic_shapes import Shape, SymbolicShapes, symbolic_shapes


class Place(NamedTuple):
    """An op on the path, before its gradient is built."""

    op: Any
    moving: Tuple[bool, ...]   # by input: whether it moves along the path
    inputs: List[Shape]        # symbolic shapes, see ``graph_tools.symbolic_shapes``
    output: Shape
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
    # Ops of one context, the innermost loop or branch, run together; and those that are in none.
    together: Dict[Any, List[str]] = {}
    for op in ops:
        together.setdefault(_tf.get_context(op), []).append(op.name)
    shapes = {context: symbolic_shapes(index, names, points)
              for context, names in list(together.items())[:_MOST_ANALYSED]}
    prepared = Prepared(set(), set())
    for op in reversed(ops):  # what takes a value comes before what makes it
        known = shapes.get(_tf.get_context(op), _NOTHING_KNOWN)
        place = Place(op, tuple(tensor.name in moving for tensor in op.inputs),
                      [known.of(tensor.op.name, tensor.value_index) for tensor in op.inputs], known.of(op.name, 0),
                      prepared.ops)
        plan = LEAN[op.type].plan(place)
        if plan is not None:
            _tf.set_string_attr(op, _PLAN, ",".join(map(str, plan)))
            _tf.name_gradient(op, "Tf1IgLean" + op.type, _gradient)
            prepared.ops.add(op.name)
            prepared.known.update(known.nodes)
    return prepared


# Each loop and each branch is analysed by itself; of those beyond so many no sizes are known.
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


# -- sums and products, of which one side may be broadcast -----------------------------------------------------------


def _known_broadcast(place: Place) -> Optional[List[int]]:
    """Which inputs move, how many axes in front each lacks, and over which axes its gradient is summed.

    An axis is written as twice its number, and one more for the second input.
    """
    missing, summed = [0, 0], []
    for which, (shape, moves) in enumerate(zip(place.inputs, place.moving)):
        if not moves:
            continue
        if shape is None or place.output is None or -1 in shape:
            return None
        missing[which] = len(place.output) - len(shape)
        for axis, size in enumerate((1,) * missing[which] + shape):
            if size == 1 and place.output[axis] != 1:
                summed.append(2 * axis + which)
            elif size != place.output[axis]:
                return None
    return [int(moves) for moves in place.moving] + missing + summed


def _each(op: Any, plan: List[int], gradient: Callable[[int], Any]) -> List[Any]:
    """The gradient by each input that moves, summed over what it was broadcast along."""
    tf, found = _tf.tf, []
    for which in range(2):
        whole = gradient(which) if plan[which] else None
        missing = list(range(plan[2 + which]))
        spread = [code // 2 for code in plan[4:] if code % 2 == which and code // 2 not in missing]
        if spread:
            whole = tf.reduce_sum(whole, spread, keepdims=True)
        found.append(tf.reduce_sum(whole, missing) if missing else whole)
    return found


def _of_sum(op: Any, grad: Any, plan: List[int]) -> List[Any]:
    return _each(op, plan, lambda which: grad)


def _of_difference(op: Any, grad: Any, plan: List[int]) -> List[Any]:
    return _each(op, plan, lambda which: -grad if which else grad)


def _of_product(op: Any, grad: Any, plan: List[int]) -> List[Any]:
    return _each(op, plan, lambda which: grad * op.inputs[1 - which])


def _of_quotient(op: Any, grad: Any, plan: List[int]) -> List[Any]:
    return _each(op, plan, lambda which: grad * (-op.outputs[0] / op.inputs[1]) if which else grad / op.inputs[1])


def _of_squared_difference(op: Any, grad: Any, plan: List[int]) -> List[Any]:
    first, second = op.inputs
    twice = 2 * grad * (first - second)
    return _each(op, plan, lambda which: -twice if which else twice)


def _bias_stays(place: Place) -> Optional[List[int]]:
    return [] if place.moving == (True, False) else None


def _of_bias_add(op: Any, grad: Any, _: List[int]) -> List[Any]:
    return [grad, None]


# -- matrix products ------------------------------------------------------------------------------------------------


def _which_move(place: Place) -> Optional[List[int]]:
    return [int(moves) for moves in place.moving]


def _in_one_batch(place: Place) -> Optional[List[int]]:
    """Which inputs move, where both have the leading sizes of the output."""
    same = all(shape is not None and place.output is not None and -1 not in shape[:-2]
               and shape[:-2] == place.output[:-2] for shape in place.inputs)
    return _which_move(place) if same else None


def _of_matmul(op: Any, grad: Any, moving: List[int]) -> List[Any]:
    (first, second), names = op.inputs, _PRODUCTS[op.type]
    turned, other_turned = (op.get_attr(name) for name in names[2:])

    def product(*given: Any) -> Any:
        return getattr(_tf.tf.raw_ops, op.type)(**dict(zip(names, given)))

    by_first = by_second = None
    if moving[0]:
        by_first = product(second, grad, other_turned, True) if turned else product(
            grad, second, False, not other_turned)
    if moving[1]:
        by_second = product(grad, first, True, turned) if other_turned else product(
            first, grad, not turned, False)
    return [by_first, by_second]


_PRODUCTS = {"MatMul": ("a", "b", "transpose_a", "transpose_b"), "BatchMatMul": ("x", "y", "adj_x", "adj_y"),
             "BatchMatMulV2": ("x", "y", "adj_x", "adj_y")}


# -- joining and choosing -------------------------------------------------------------------------------------------


def _known_sizes(place: Place) -> Optional[List[int]]:
    """The axis of a concatenation and the sizes along it, -1 for the only one that may be unknown."""
    axis, parts = _tf.tf.get_static_value(place.op.inputs[-1]), place.inputs[:-1]
    if axis is None or any(part is None or not -len(part) <= axis < len(part) for part in parts):
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


# -- sums and means ---------------------------------------------------------------------------------------------------


def _known_counts(place: Place) -> Optional[List[int]]:
    """The axes of a sum, each followed by its size."""
    axes, shape = _known_axes(place), place.inputs[0]
    if axes is None or shape is None or any(shape[axis] < 0 for axis in axes):
        return None
    return [number for axis in axes for number in (axis, shape[axis])]


def _of_total(op: Any, grad: Any, plan: List[int]) -> List[Any]:
    tf, axes = _tf.tf, plan[::2]
    if not op.get_attr("keep_dims"):
        for axis in axes:
            grad = tf.expand_dims(grad, axis)
    if op.type == "Mean":
        grad /= float(np.prod(plan[1::2]))
    sizes = dict(zip(axes, plan[1::2]))
    return [tf.tile(grad, [sizes.get(axis, 1) for axis in range(op.inputs[0].shape.ndims)]), None]


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
    "Add": Lean(_known_broadcast, _of_sum),
    "AddV2": Lean(_known_broadcast, _of_sum),
    "Sub": Lean(_known_broadcast, _of_difference),
    "Mul": Lean(_known_broadcast, _of_product),
    "RealDiv": Lean(_known_broadcast, _of_quotient),
    "SquaredDifference": Lean(_known_broadcast, _of_squared_difference),
    "BiasAdd": Lean(_bias_stays, _of_bias_add),
    "MatMul": Lean(_which_move, _of_matmul),
    "BatchMatMul": Lean(_in_one_batch, _of_matmul),
    "BatchMatMulV2": Lean(_in_one_batch, _of_matmul),
    "ConcatV2": Lean(_known_sizes, _of_concat),
    "Select": Lean(_which_move, _of_select),
    "Mean": Lean(_known_counts, _of_total),
    "Sum": Lean(_known_counts, _of_total),
    "Max": Lean(_known_axes, _of_extreme),
    "Min": Lean(_known_axes, _of_extreme),
    "Relu": Lean(_for_an_extreme, _of_relu),
}
