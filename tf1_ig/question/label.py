"""Which element of an output row is explained, or which weighted sum of several, as the caller may say it."""

import math
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from tf1_ig.engine.target import Terms
from tf1_ig.errors import LabelError, RowLabelError

# The label of an output that has no classes to choose from, and of a weighted sum.
NO_LABEL = -1
# Elements that are chosen by their rank among those of the output row at the feed.
RANKED = ("top", "second")
# One row's weighted sum: index tuples within the output row, each with its weight.
Weighted = List[Tuple[Tuple[int, ...], float]]


class Label(NamedTuple):
    """What is explained of each row.

    ``shown`` are the labels as the result reports them: int64 ``[rows]``, or ``[rows, axes]`` of index tuples;
    ``weights`` one list a row where labels are weighted sums. ``prediction`` is the top class of each row, for outputs
    of higher rank that at the explained position; ``None`` without classes. ``rows`` and ``positions`` are set where
    every row is one position of an example: which example, and where in its output.
    """

    terms: Terms
    shown: np.ndarray
    weights: Optional[List[Weighted]] = None
    prediction: Optional[np.ndarray] = None
    rows: Optional[np.ndarray] = None
    positions: Optional[np.ndarray] = None

    def of_rows(self, rows: np.ndarray) -> "Label":
        """The label of some of the rows."""
        def of(field: Optional[np.ndarray]) -> Optional[np.ndarray]:
            return None if field is None else field[rows]

        return Label(self.terms.take(rows), self.shown[rows],
                     None if self.weights is None else [self.weights[row] for row in rows],
                     of(self.prediction), of(self.rows), of(self.positions))


def contrast(one: Any, other: Any) -> Dict[Any, float]:
    """The label that asks why ``one`` rather than ``other``: the difference of their scores.

    Args:
      one, other: a class, an index tuple, ``"top"`` or ``"second"`` (decided for each row, at the feed).

    Raises:
      LabelError: both are the same.

    >>> contrast(2, 0)
    {2: 1.0, 0: -1.0}
    """
    if one == other:
        raise LabelError("a contrast of %r with itself is nothing; name two classes" % (one,))
    return {one: 1.0, other: -1.0}


def resolve(label: Any, row_shape: Tuple[int, ...], outputs: np.ndarray, output: str, first: int = 0) -> Label:
    """Reads the caller's label.

    Args:
      label: ``None`` (only where a row has one element), a class, one per row, an index tuple such as
        ``(token, class)``, one tuple per row, ``"top"`` or ``"second"``; or ``{any of these: weight}``, one for all
        rows or a list with one per row.
      row_shape: shape of one row of the output.
      outputs: the output at the caller's input, ``[batch, elements of one row]``.
      output: name of the output, for messages.
      first: number of the first row, for messages.

    Raises:
      LabelError: see the message.
    """
    if isinstance(label, Mapping):
        return _weighted(label, row_shape, outputs, output, first)
    if isinstance(label, (list, tuple)) and any(isinstance(each, (Mapping, str)) for each in label):
        return _each(label, row_shape, outputs, output)
    if label is None or (not row_shape and isinstance(label, (tuple, list)) and not len(label)):
        if outputs.shape[1] != 1:
            raise LabelError("%s has %d elements to choose from; pass {argument}, %s, or \"top\"" % (
                in_words(output, row_shape), outputs.shape[1], _form(row_shape)), argument="label", value="CLASS")
        flat = np.zeros(len(outputs), np.int64)
        return Label(Terms.single(flat), np.full(len(outputs), NO_LABEL, np.int64))
    index = _index(label, row_shape, outputs, output)
    return Label(Terms.single(_flat(index, row_shape)), index[:, 0] if len(row_shape) == 1 else index, None,
                 _prediction(outputs, row_shape, index))


def top_or_none(ask: Callable[[Optional[str]], Any], has_classes: bool) -> Any:
    """What ``ask`` says of the label ``"top"`` where the output has classes, of ``None`` where it has none, or of the
    other one: of an unknown rank, or of rows that share one axis with their classes, nobody knows."""
    likely, other = ("top", None) if has_classes else (None, "top")
    try:
        return ask(likely)
    except LabelError as wrong:
        try:
            return ask(other)
        except LabelError:
            raise wrong from None


# -- several elements --------------------------------------------------------------------------------------------------

def _weighted(label: Mapping[Any, Any], row_shape: Tuple[int, ...], outputs: np.ndarray, output: str, first: int
              ) -> Label:
    if not label:
        raise LabelError("label {} names no element of %s; pass {class: weight, …}" % in_words(output, row_shape))
    for key, weight in label.items():
        if isinstance(weight, (bool, np.bool_)) or not isinstance(weight, (int, float, np.integer, np.floating)) or (
                not math.isfinite(weight)):
            raise LabelError("the weight of label %r is %r; pass a finite number" % (key, weight))
    if not row_shape:
        raise LabelError("output %s has no class axis, so label=%r selects nothing; leave label out" % (output, label))
    indices = [_index(key, row_shape, outputs, output) for key in label]
    weights = [float(weight) for weight in label.values()]
    index = np.stack([_flat(each, row_shape) for each in indices], axis=1)
    weight = np.tile(np.array(weights), (len(outputs), 1))
    rows = [[(tuple(each[row].tolist()), one) for each, one in zip(indices, weights)] for row in range(len(outputs))]
    _refuse_nothing(label, rows, in_words(output, row_shape), first)
    shown = np.full((len(outputs),) + (() if len(row_shape) == 1 else (len(row_shape),)), NO_LABEL, np.int64)
    main = indices[int(np.argmax(np.abs(weights)))]
    return Label(_sized(index, weight, outputs), shown, rows, _prediction(outputs, row_shape, main))


def _refuse_nothing(label: Mapping[Any, Any], rows: List[Weighted], shown: str, first: int) -> None:
    """A rank may turn out to be the very class that it is held against, and nothing is left to explain."""
    for row, weighted in enumerate(rows):
        left: Dict[Tuple[int, ...], float] = {}
        for index, weight in weighted:
            left[index] = left.get(index, 0.0) + weight
        if len(left) < len(weighted) and not any(left.values()):
            index = next(iter(left))
            reason = " and ".join("%r is %s" % (key, ",".join(map(str, at))) for key, (at, _) in zip(label, weighted)
                                  if isinstance(key, str)) or "%s is named twice" % ",".join(map(str, index))
            raise RowLabelError("row %d of %s: in label %r everything cancels out, because %s there; leave the row "
                                "out, or give it another label" % (first + row, shown, label, reason))


def _each(label: Sequence[Any], row_shape: Tuple[int, ...], outputs: np.ndarray, output: str) -> Label:
    """One label per row, of any kind each."""
    if len(label) != len(outputs):
        raise LabelError("label has %d entries for %d rows of output %s; pass one per row" % (
            len(label), len(outputs), output))
    found = [resolve(each, row_shape, outputs[row:row + 1], output, row) for row, each in enumerate(label)]
    most = max(each.terms.index.shape[1] for each in found)

    def padded(array: np.ndarray, mode: Any, **more: Any) -> np.ndarray:
        return np.pad(array, ((0, 0), (0, most - array.shape[1])), mode=mode, **more)

    index = np.concatenate([padded(each.terms.index, "edge") for each in found])
    weight = np.concatenate([padded(each.terms.weight, "constant") for each in found])
    shown = np.concatenate([each.shown for each in found])
    prediction = None if found[0].prediction is None else np.concatenate([each.prediction for each in found])
    if all(each.weights is None for each in found):
        return Label(Terms.single(index[:, 0]), shown, None, prediction)
    weights = [each.weights[0] if each.weights is not None else [(tuple(np.atleast_1d(each.shown[0]).tolist()), 1.0)]
               for each in found]
    return Label(_sized(index, weight, outputs), shown, weights, prediction)


def _sized(index: np.ndarray, weight: np.ndarray, outputs: np.ndarray) -> Terms:
    return Terms(index, weight, np.abs(np.take_along_axis(outputs, index, axis=1) * weight).sum(axis=1))


# -- one element -------------------------------------------------------------------------------------------------------

def _index(label: Any, row_shape: Tuple[int, ...], outputs: np.ndarray, output: str) -> np.ndarray:
    """Index tuples ``[batch, axes of a row]`` of a label that names one element of each row."""
    shown = in_words(output, row_shape)
    axes = [axis for axis, length in enumerate(row_shape) if length != 1]
    if not row_shape:
        raise LabelError("output %s has no class axis, so label=%r selects nothing; leave label out" % (output, label))
    if isinstance(label, str):
        return np.stack(np.unravel_index(_ranked(label, outputs, shown), row_shape), axis=1).astype(np.int64)
    try:
        given = np.asarray(label)
    except ValueError:
        given = np.empty(0, object)
    if given.dtype.kind not in "iu" or given.size == 0:
        raise LabelError("label %r is not made of whole numbers; pass {argument}, %s, or \"top\"" % (
            label, _form(row_shape)), argument="label", value="CLASS")
    index = _index_rows(label, given.astype(np.int64), row_shape, axes, len(outputs))
    if index is None:
        raise LabelError("label %r does not fit %s and %d rows; pass {argument}, %s, or a list of one such label per "
                         "row" % (label, shown, len(outputs), _form(row_shape)), argument="label", value="CLASS")
    wrong = (index < 0) | (index >= np.array(row_shape))
    if wrong.any():
        row, axis = np.argwhere(wrong)[0]
        raise LabelError("label %d is out of range for axis %d of %s; it must be 0 to %d" % (
            index[row, axis], axis, shown, row_shape[axis] - 1))
    return index


def _ranked(label: str, outputs: np.ndarray, shown: str) -> np.ndarray:
    if label not in RANKED:
        raise LabelError("label %r is neither an index nor %s" % (label, " nor ".join('"%s"' % one for one in RANKED)))
    top = np.argmax(outputs, axis=1)
    if label == "top":
        return top
    if outputs.shape[1] < 2:
        raise LabelError("%s has no second element" % shown)
    others = np.array([np.delete(np.arange(outputs.shape[1]), one) for one in top])
    return others[np.arange(len(top)), np.argmax(np.take_along_axis(outputs, others, axis=1), axis=1)]


def _prediction(outputs: np.ndarray, row_shape: Tuple[int, ...], index: np.ndarray) -> Optional[np.ndarray]:
    """The top class of each row; for outputs of higher rank the top class at the position of ``index``."""
    if not row_shape or row_shape[-1] < 2:
        return None
    if len(row_shape) == 1:
        return np.argmax(outputs, axis=1)
    shaped, found = outputs.reshape((len(outputs),) + tuple(row_shape)), index.copy()
    for row, place in enumerate(index):
        found[row, -1] = np.argmax(shaped[(row,) + tuple(place[:-1])])
    return found


def in_words(output: str, row_shape: Tuple[int, ...]) -> str:
    """An output and what a row of it is, for messages."""
    return "output %s with rows of shape %s" % (output, list(row_shape))


def _flat(index: np.ndarray, row_shape: Tuple[int, ...]) -> np.ndarray:
    return np.ravel_multi_index(tuple(index.T), row_shape).astype(np.int64)


def _form(row_shape: Tuple[int, ...]) -> str:
    if len(row_shape) == 1:
        return "a class from 0 to %d" % (row_shape[0] - 1)
    return "an index tuple such as (%s) within %s" % (", ".join("0" for _ in row_shape), list(row_shape))


def _index_rows(label: Any, given: np.ndarray, row_shape: Tuple[int, ...], axes: List[int], batch: int
                ) -> Optional[np.ndarray]:
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
