"""Every position of an output as a row of its own: which they are, and whether an axis is one of positions at all."""

from typing import Any, Optional, Sequence, Tuple

import numpy as np

from graph_tools.find.inputs.fitting import Fitting
from tf1_ig.engine.feeds import describe
from tf1_ig.errors import LabelError
from tf1_ig.question.class_names import numbered
from tf1_ig.question.effort import Question
from tf1_ig.question.label import NO_LABEL, Label, in_words, resolve
from tf1_ig.question.resolve import Resolved
from tf1_ig.question.task import Task


def label_of(question: Question, task: Task, resolved: Resolved, batch_axis: Optional[int],
             class_names: Optional[Sequence[str]]) -> Label:
    """What is explained of a task: the label, or where positions are asked for, the label at each of them.

    Raises:
      LabelError: the label is none, or the positions are classes.
    """
    label, asked = numbered(question.label, class_names), (task.row_shape, task.outputs, resolved.output)
    if question.positions is None:
        return resolve(label, *asked)
    if len(task.row_shape) == 1:
        _refuse_classes(resolved, task, batch_axis)
    return at_positions(question.positions, label, *asked)


def _refuse_classes(resolved: Resolved, task: Task, batch_axis: Optional[int]) -> None:
    """Refuses an output whose one axis beside the batch has the same size whatever the sizes of the feed: positions
    follow an axis of what is fed, classes the weights. Of a graph that takes this one size only nobody can tell."""
    fitting, fed = Fitting(resolved.model, [resolved.output], list(task.values)), {
        name: value.shape for name, value in task.values.items()}
    shape = fitting.shape_of(resolved.output, {name: (None,) * len(sizes) for name, sizes in fed.items()})
    if not shape or any(size is None and axis != batch_axis for axis, size in enumerate(shape)):
        return
    longer = {name: tuple(size + (size == task.row_shape[0] and axis != batch_axis) for axis, size in enumerate(sizes))
              for name, sizes in fed.items()}
    of_longer = fitting.shape_of(resolved.output, longer)
    if longer == fed or of_longer is not None and of_longer == fitting.shape_of(resolved.output, fed):
        raise LabelError("output %s has no axis of positions: it has %d numbers a row whatever is fed, so these are "
                         "classes; leave {argument} out and choose one by its label" % (
                             describe(resolved.output, task.outputs.dtype, shape), task.row_shape[0]),
                         argument="positions")


def at_positions(positions: Any, label: Any, row_shape: Tuple[int, ...], outputs: np.ndarray, output: str) -> Label:
    """The label at every position of every example: a row for each, those of one example one after the other.

    Args:
      positions: ``"all"``, or indices along the first axis of an output row.
      label: as for ``resolve``, of one position: a class, ``"top"``, weights; one per example in a list.
      row_shape, outputs, output: as for ``resolve``.

    Raises:
      LabelError: positions that are none, and what ``resolve`` raises.
    """
    lead = 0
    while len(row_shape) - lead > 2 and row_shape[lead] == 1:  # a batch axis of one example
        lead += 1
    if len(row_shape) <= lead:
        raise LabelError("%s has no axis of positions; leave positions= out" % in_words(output, row_shape))
    count, inner = row_shape[lead], row_shape[lead + 1:]
    chosen = _chosen(positions, count, in_words(output, row_shape))
    batch, size = len(outputs), int(np.prod(inner, dtype=np.int64))
    rows = np.repeat(np.arange(batch), len(chosen))
    places = np.tile(chosen, batch)
    of_position = outputs.reshape((batch, count, size))[rows, places]
    if isinstance(label, (list, np.ndarray)) and np.shape(label)[:1] == (batch,):
        label = [label[row] for row in rows]
    if label is None and size != 1:
        label = "top"
    found = resolve(label, inner, of_position, output)
    terms = found.terms._replace(index=found.terms.index + places[:, None] * size)
    weights = None if found.weights is None else [[((int(place),) + index, weight) for index, weight in row]
                                                  for place, row in zip(places, found.weights)]
    if found.weights is not None:
        shown = np.full((len(rows), 1 + len(inner)), NO_LABEL, np.int64)
    elif not inner:
        shown = places
    else:
        shown = np.concatenate([places[:, None], found.shown.reshape(len(rows), -1)], axis=1)
        if size == 1 and label is None:
            shown[:, 1:] = 0
    prediction = found.prediction
    if prediction is not None:
        prediction = np.concatenate([places[:, None], prediction.reshape(len(rows), -1)], axis=1)
    return Label(terms, shown, weights, prediction, rows, places)


def _chosen(positions: Any, count: int, shown: str) -> np.ndarray:
    if isinstance(positions, str):
        if positions != "all":
            raise LabelError("positions %r is neither \"all\" nor a list of positions" % positions)
        return np.arange(count)
    chosen = np.atleast_1d(np.asarray(positions))
    if chosen.ndim != 1 or not len(chosen) or chosen.dtype.kind not in "iu":
        raise LabelError("positions %r are no list of whole numbers; pass \"all\", or some of 0 to %d" % (
            positions, count - 1))
    wrong = chosen[(chosen < 0) | (chosen >= count)]
    if len(wrong):
        raise LabelError("position %d is out of range for %s; it must be 0 to %d" % (wrong[0], shown, count - 1))
    return chosen.astype(np.int64)
