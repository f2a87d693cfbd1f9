"""What is explained: one number per row of an output, its label placeholder and its gradient tensor."""

from typing import Any, List, NamedTuple, Sequence

import numpy as np

from graph_tools import _tf
from graph_tools.errors import GradientError, one_line, some
from graph_tools.graph.walk import reached


class Terms(NamedTuple):
    """What is explained of each row: a weighted sum of a few elements of its flattened output row.

    Rows of fewer terms than others repeat one with weight 0. ``size`` is what the terms of a sum add up to by their
    magnitudes: the score is rounded at that size, however small it is.
    """

    index: np.ndarray    # type: ignore[assignment]  # int64 [rows, terms]; tuples have a method of that name
    weight: np.ndarray   # float64 [rows, terms]
    size: np.ndarray     # float64 [rows]; 0 for single elements

    @classmethod
    def single(cls, flat: np.ndarray) -> "Terms":
        """One element of each row."""
        index = np.asarray(flat, np.int64)[:, None]
        return cls(index, np.ones(index.shape), np.zeros(len(index)))

    @property
    def reach(self) -> float:
        """How many times as large as an output a score may be."""
        return float(np.abs(self.weight).sum(axis=1).max())

    def take(self, rows: np.ndarray) -> "Terms":
        return Terms(*(field[rows] for field in self))

    def repeated(self, times: int) -> "Terms":
        return self if times == 1 else Terms(*(np.concatenate([field] * times) for field in self))

    def of(self, outputs: np.ndarray) -> np.ndarray:
        """The scores ``[rows]`` of output rows ``[rows, elements]``, float64."""
        return (np.take_along_axis(outputs, self.index, axis=1).astype(np.float64) * self.weight).sum(axis=1)


class Target(NamedTuple):
    """The explained score of each row as tensors of the operated graph."""

    rows: Any          # placeholder, int32 []: number of rows in the run
    label: Any         # placeholder, int32 [rows, terms]: elements of the flattened output row
    weight: Any        # placeholder, [rows, terms]: what each counts
    share: Any         # placeholder, [rows]: 1, or 0 for rows whose score is not differentiated
    outputs: Any       # [rows, elements of one output row]
    score: Any         # [rows]
    gradients: List[Any]


def build(output: Any, points: Sequence[Any], output_order: Any = None) -> Target:
    """Adds the label placeholder, the score of each row and its gradient to the graph of ``output``.

    Args:
      output: the tensor to explain, any rank; its rows are reshaped to ``[rows, -1]``, so blocks of several output
        rows per example (one per token) and outputs that lost their batch axis at one row are addressed alike.
      points: tensors to differentiate by; none: no gradient is built.
      output_order: permutation that brings the batch axis of the output to the front, or ``None``; of one axis more
        than the output has, where rows take turns along the first.

    Raises:
      GradientError: the output is not a float, or no differentiable path leads from a point to it.
    """
    tf = _tf.tf
    if not output.dtype.is_floating:
        raise GradientError("output %s is %s, and only floats have gradients; explain the scores it was computed from"
                            % (output.name, output.dtype.name))
    rows = tf.placeholder(tf.int32, [], "rows")
    label = tf.placeholder(tf.int32, [None, None], "label")
    weight = tf.placeholder(output.dtype, [None, None], "label_weight")
    share = tf.placeholder(output.dtype, [None], "share")
    moved = output if output_order is None else _in_order(output, output_order, rows)
    outputs = tf.reshape(moved, tf.stack([rows, -1]), "outputs")
    each = tf.tile(tf.range(rows)[:, tf.newaxis], tf.stack([1, tf.shape(label)[1]]))
    terms = tf.gather_nd(outputs, tf.stack([each, label], axis=2))
    score = tf.reduce_sum(terms * weight, 1, name="score")
    return Target(rows, label, weight, share, outputs, score,
                  gradients(output.name, [score], points, [share]) if points else [])


def _in_order(output: Any, order: Any, rows: Any) -> Any:
    tf = _tf.tf
    more = tf.size(order) - tf.rank(output)
    split = tf.stack([-1, rows])[:2 * more]  # nothing, or the steps and the rows that take turns
    return tf.transpose(tf.reshape(output, tf.concat([split, tf.shape(output)[more:]], 0)), order)


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
        lost = ["%s (%s)" % (op.name, op.type) for op in _without_gradient(scores, points)]
        if lost:
            raise GradientError("the gradient of %s cannot be built: no gradient goes through %s; explain a tensor "
                                "before it, attribute to one behind it, or take the float model where the file is "
                                "quantised" % (what, some(lost, 3))) from refused
        raise GradientError("the gradient of %s cannot be built: %s" % (
            what, one_line(refused, 300))) from refused
    return [None if gradient is None else tf.convert_to_tensor(gradient) for gradient in found]


def _without_gradient(scores: Sequence[Any], points: Sequence[Any]) -> List[Any]:
    """The ops between points and scores that TensorFlow knows no gradient of, those nearest to the scores first."""
    downstream = set().union(*[_downstream(point) for point in points])
    ops = reached((score.op for score in scores), lambda op: [
        tensor.op for tensor in op.inputs if tensor.op in downstream])
    return [op for op in ops if op in downstream and not _has_gradient(op)]


def _has_gradient(op: Any) -> bool:
    try:
        _tf.gradient_function(op)
        return True
    except LookupError:
        return False


def cut(output: Any, point: Any) -> str:
    """Says which ops keep the gradient of ``output`` from reaching ``point`` (for an error message)."""
    downstream = _downstream(point)
    if output.op not in downstream:
        return "the output does not depend on it"
    ops = reached([output.op], lambda op: () if _cuts(op) else [
        tensor.op for tensor in op.inputs if tensor.op in downstream and tensor.op is not point.op])
    return "every path is cut at an op without gradient: %s" % ", ".join(sorted(
        "%s (%s)" % (op.name, op.type) for op in ops if op is not point.op and _cuts(op))[:5])


def _downstream(point: Any) -> set:
    return set(reached([point.op], lambda op: (user for tensor in op.outputs for user in tensor.consumers())))


def _cuts(op: Any) -> bool:
    try:
        no_gradient = _tf.gradient_function(op) is None
    except LookupError:
        no_gradient = True
    return no_gradient or not any(tensor.dtype.is_floating or tensor.dtype.is_complex
                                  or tensor.dtype in (_tf.tf.resource, _tf.tf.variant) for tensor in op.outputs)
