"""What is explained: one number per row of an output, its label placeholder and its gradient tensor."""

from typing import Any, List, NamedTuple, Sequence, Tuple

import numpy as np

from graph_tools import _tf
from graph_tools.errors import GradientError
from tf1_ig.errors import LabelError

# The label of an output that has no classes to choose from.
NO_LABEL = -1


class Target(NamedTuple):
    """The explained score of each row as tensors of the operated graph."""

    rows: Any          # placeholder, int32 []: number of rows in the run
    label: Any         # placeholder, int32 [rows]: which element of the flattened output row
    share: Any         # placeholder, [rows]: 1, or 0 for rows whose score is not differentiated
    outputs: Any       # [rows, elements of one output row]
    score: Any         # [rows]
    gradients: List[Any]


def build(output: Any, points: Sequence[Any], output_order: Any = None) -> Target:
    """Adds the label placeholder, the score of each row and its gradient to the graph of ``output``.

    Args:
      output: the tensor to explain, any rank; its rows are reshaped to ``[rows, -1]``, so blocks of several output
        rows per example (one per token) and outputs that lost their batch axis at one row are addressed alike.
      points: tensors to differentiate by.
      output_order: permutation that brings the batch axis of the output to the front, or ``None``.

    Raises:
      GradientError: the output is not a float, or no differentiable path leads from a point to it.
    """
    tf = _tf.tf
    if not output.dtype.is_floating:
        raise GradientError("output %s is %s, and only floats have gradients; explain the scores it was computed from"
                            % (output.name, output.dtype.name))
    rows = tf.placeholder(tf.int32, [], "rows")
    label = tf.placeholder(tf.int32, [None], "label")
    share = tf.placeholder(output.dtype, [None], "share")
    moved = output if output_order is None else tf.transpose(output, output_order)
    outputs = tf.reshape(moved, tf.stack([rows, -1]), "outputs")
    score = tf.gather_nd(outputs, tf.stack([tf.range(rows), label], axis=1), name="score")
    return Target(rows, label, share, outputs, score, gradients(output.name, [score], points, [share]))


def gradients(what: str, scores: Sequence[Any], points: Sequence[Any], weights: Any = None) -> List[Any]:
    """Adds gradients to the graph of ``scores``: one dense tensor for each point, ``None`` where no path leads to it.

    Args:
      what: the differentiated tensor, for the message.
      scores: tensors to differentiate, summed.
      points: tensors to differentiate by.
      weights: of the scores, each of its score's shape (``None``: ones).

    Raises:
      GradientError: an op on the way cannot be differentiated.
    """
    tf = _tf.tf
    try:
        with _tf.control_flow_v1():
            found = tf.gradients(list(scores), list(points), grad_ys=weights)
    except _tf.GRADIENT_REFUSALS as refused:
        raise GradientError("the gradient of %s cannot be built: %s" % (
            what, " ".join(str(refused).split())[:300])) from refused
    return [None if gradient is None else tf.convert_to_tensor(gradient) for gradient in found]


def cut(output: Any, point: Any) -> str:
    """Says which ops keep the gradient of ``output`` from reaching ``point`` (for an error message)."""
    downstream = _downstream(point)
    if output.op not in downstream:
        return "the output does not depend on it"
    cutting, todo, seen = [], [output.op], set()
    while todo:
        op = todo.pop()
        if op in seen or op not in downstream or op is point.op:
            continue
        seen.add(op)
        if _cuts(op):
            cutting.append("%s (%s)" % (op.name, op.type))
        else:
            todo.extend(tensor.op for tensor in op.inputs)
    return "every path is cut at an op without gradient: %s" % ", ".join(sorted(cutting)[:5])


def _downstream(point: Any) -> set:
    seen, todo = set(), [point.op]
    while todo:
        op = todo.pop()
        if op not in seen:
            seen.add(op)
            todo.extend(user for tensor in op.outputs for user in tensor.consumers())
    return seen


def _cuts(op: Any) -> bool:
    try:
        no_gradient = _tf.gradient_function(op) is None
    except LookupError:
        no_gradient = True
    return no_gradient or not any(tensor.dtype.is_floating or tensor.dtype.is_complex
                                  or tensor.dtype in (_tf.tf.resource, _tf.tf.variant) for tensor in op.outputs)


def resolve_label(label: Any, row_shape: Tuple[int, ...], outputs: np.ndarray, output: str) -> Tuple[
        np.ndarray, np.ndarray]:
    """Reads the caller's label: positions in the flattened output rows, and labels as the result reports them.

    Args:
      label: ``None`` (only where a row has one element), a class, one per row, an index tuple such as
        ``(token, class)``, one tuple per row, or ``"top"``.
      row_shape: shape of one row of the output.
      outputs: the output at the caller's input, ``[batch, elements of one row]``.
      output: name of the output, for messages.

    Returns:
      ``(flat, labels)``: int64 ``[batch]``, and int64 ``[batch]`` or ``[batch, axes]``.

    Raises:
      LabelError: see the message.
    """
    batch, size = outputs.shape
    shown = "output %s with rows of shape %s" % (output, list(row_shape))
    axes = [axis for axis, length in enumerate(row_shape) if length != 1]
    if label is None or (not row_shape and isinstance(label, (tuple, list)) and not len(label)):
        if size != 1:
            raise LabelError("%s has %d elements to choose from; pass {argument}, %s, or \"top\"" % (
                shown, size, _form(row_shape)), argument="label", value="CLASS")
        return np.zeros(batch, np.int64), np.full(batch, NO_LABEL, np.int64)
    if not row_shape:
        raise LabelError("output %s has no class axis, so label=%r selects nothing; leave label out" % (output, label))
    if isinstance(label, str):
        if label != "top":
            raise LabelError("label %r is neither an index nor \"top\"" % label)
        return _labels(np.stack(np.unravel_index(np.argmax(outputs, axis=1), row_shape), axis=1), row_shape)
    try:
        given = np.asarray(label)
    except ValueError:
        given = np.empty(0, object)
    if given.dtype.kind not in "iu" or given.size == 0:
        raise LabelError("label %r is not made of whole numbers; pass {argument}, %s, or \"top\"" % (
            label, _form(row_shape)), argument="label", value="CLASS")
    index = _index_rows(label, given.astype(np.int64), row_shape, axes, batch)
    if index is None:
        raise LabelError("label %r does not fit %s and %d rows; pass {argument}, %s, or a list of one such label per "
                         "row" % (label, shown, batch, _form(row_shape)), argument="label", value="CLASS")
    wrong = (index < 0) | (index >= np.array(row_shape))
    if wrong.any():
        row, axis = np.argwhere(wrong)[0]
        raise LabelError("label %d is out of range for axis %d of %s; it must be 0 to %d" % (
            index[row, axis], axis, shown, row_shape[axis] - 1))
    return _labels(index, row_shape)


def _form(row_shape: Tuple[int, ...]) -> str:
    if len(row_shape) == 1:
        return "a class from 0 to %d" % (row_shape[0] - 1)
    return "an index tuple such as (%s) within %s" % (", ".join("0" for _ in row_shape), list(row_shape))


def _index_rows(label, given, row_shape, axes, batch):
    """Index tuples ``[batch, axes of a row]`` from any accepted spelling, or ``None``."""
    rank = len(row_shape)
    if given.ndim == 0 and (rank == 1 or len(axes) <= 1):
        index = np.zeros((batch, rank), np.int64)
        index[:, axes[0] if axes else rank - 1] = given
        return index
    if given.shape == (batch, rank):
        return given
    if given.ndim == 1 and rank == 1 and len(given) == batch:
        return given[:, None]
    # Where both fit, a tuple is an index tuple, and a list or an array has one label per row.
    if given.shape == (batch,) and len(axes) == 1 and not (isinstance(label, tuple) and rank == batch):
        index = np.zeros((batch, rank), np.int64)
        index[:, axes[0]] = given
        return index
    if given.shape == (rank,) and (rank > 1 or isinstance(label, tuple)):
        return np.tile(given, (batch, 1))
    return None


def _labels(index: np.ndarray, row_shape: Tuple[int, ...]) -> Tuple[np.ndarray, np.ndarray]:
    flat = np.ravel_multi_index(tuple(index.T), row_shape).astype(np.int64)
    return flat, index[:, 0] if len(row_shape) == 1 else index
