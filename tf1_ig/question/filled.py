"""Feeds with fewer rows than a graph takes: filled up with copies of the last row, of which nothing is explained.

The number is that of placeholders which fix it, or of the queue that handed whole batches over. Whether rows are
independent is measured on the filled batch, as ever; where they are not, the copies would have a say and are refused.
"""

from typing import Any, Callable, Container, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from tf1_ig import baselines
from tf1_ig.engine import feeds
from tf1_ig.engine.feeds import RowEntries, as_slice
from tf1_ig.engine.packing import FIXED_BATCH, PACKED
from tf1_ig.errors import BatchError


def wanted(values: Mapping[str, np.ndarray], shapes: Mapping[str, feeds.Shape]) -> Optional[int]:
    """The number of rows that the fed tensors fix, where fewer are fed; ``None`` where nothing is to be filled."""
    short = {(shape[0], len(values[name])) for name, shape in shapes.items()
             if shape and shape[0] is not None and values[name].ndim and 0 < len(values[name]) < shape[0]}
    return next(iter(short))[0] if len(short) == 1 else None


def rows_given(values: Mapping[str, np.ndarray], shapes: Mapping[str, feeds.Shape], rows: int) -> Optional[int]:
    """How many rows are fed instead of ``rows``; ``None`` where that cannot be told."""
    fixed = {len(values[name]) for name, shape in shapes.items() if shape and shape[0] == rows and values[name].ndim}
    found = fixed or {len(value) for name, value in values.items() if value.ndim and shapes.get(name, (None,)) and (
        shapes.get(name) or (None,))[0] is None}
    return found.pop() if len(found) == 1 and 0 < min(found) < rows else None


def fill(values: Mapping[str, np.ndarray], given: int, rows: int, but: Container[str] = ()) -> Dict[str, np.ndarray]:
    """Every feed with a row for each example, filled up with its last row; some are left as they are."""
    return {name: value if name in but else filled_value(value, given, rows) for name, value in values.items()}


def filled_value(value: np.ndarray, given: int, rows: int) -> np.ndarray:
    """One feed, filled up where it has ``given`` rows."""
    if not value.ndim or len(value) != given:
        return value
    return np.concatenate([value, np.repeat(value[-1:], rows - given, axis=0)])


def shared(values: Mapping[str, np.ndarray], shapes: Mapping[str, feeds.Shape], fill_up: Tuple[int, int],
           said: Sequence[str], by_row: Container[str], takes: Callable[[Mapping[str, np.ndarray]], bool]) -> List[str]:
    """Feeds that all examples share although they have as many numbers as there are examples.

    Args:
      fill_up: how many rows are fed, and how many the graph takes.
      said, by_row: those that the caller has decided about.
      takes: whether the graph runs under a feed; asked where a shape does not say what a feed is.

    Raises:
      BatchError: the graph takes a feed either way.
    """
    given, rows = fill_up
    found = list(said)
    for name, value in sorted(values.items()):
        shape = shapes.get(name)
        if name in found or name in by_row or not value.ndim or len(value) != given or (shape and shape[0] == rows):
            continue
        as_row, as_shared = (takes(fill(values, given, rows, one)) for one in (found, found + [name]))
        if as_row and as_shared:
            raise BatchError("feed %s has %d numbers, and %d rows were fed to a graph that takes %d: it may have one "
                             "for each row or be shared by all; pass {argument}" % (name, given, given, rows),
                             argument=("shared_feeds", "row_feeds"), value=name)
        found += [name] if as_shared else []
    return found


def spread(baseline: List[np.ndarray], owner: List[np.ndarray], given: int, rows: int) -> List[np.ndarray]:
    """Baselines of the caller's rows for the filled batch; a copy has that of the last row."""
    asked = np.minimum(np.arange(rows), given - 1)
    found = []
    for entries, own in zip(baseline, owner):
        picked = entries[RowEntries(own[own < given], given).take(asked)[0]]
        placed = np.empty((len(own),) + entries.shape[1:], entries.dtype)
        placed[RowEntries(own, rows).take(np.arange(rows))[0]] = picked
        found.append(placed)
    return found


def first_inputs(inputs: baselines.Inputs, given: int) -> baselines.Inputs:
    """The caller's own rows of the attributed tensors."""
    kept = [np.flatnonzero(own < given) for own in inputs.owner]

    def under(replaced: Mapping[Any, Any]) -> List[np.ndarray]:
        return [entries[as_slice(own)] for entries, own in zip(inputs.under(replaced), kept)]

    return inputs._replace(entries=[entries[as_slice(own)] for entries, own in zip(inputs.entries, kept)],
                           owner=[own[at] for own, at in zip(inputs.owner, kept)], batch=given, under=under)


def first_rows(task: Any, given: int) -> Any:
    """The task of the caller's own rows; runs are filled up again, and nothing of the copies is kept.

    Raises:
      BatchError: rows influence one another, so that the copies would have a say.
    """
    rows = task.batch.count
    if task.probed.running.mode not in (FIXED_BATCH, PACKED):
        raise BatchError("the graph takes exactly %d rows, and they influence one another (batch norm in training "
                         "mode, a mean over the batch, …): a batch filled up with copies would be another one; feed "
                         "%d rows of your own" % (rows, rows))
    first = np.arange(given)
    kept = [np.flatnonzero(own < given) for own in task.batch.owner]

    def cut(arrays: List[Any]) -> List[Any]:
        return [None if array is None else array[as_slice(own)] for array, own in zip(arrays, kept)]

    batch = task.batch._replace(count=given, actual=cut(task.batch.actual), baseline=cut(task.batch.baseline),
                                owner=cut(task.batch.owner), feeds=feeds.of_rows(task.batch.feeds, first, rows))
    note = "%d of the %d rows that the graph takes were fed; runs were filled up with copies of the last one" % (
        given, rows)
    return task._replace(
        batch=batch, outputs=task.outputs[:given], inputs=first_inputs(task.inputs, given), own=cut(task.own),
        probed=task.probed._replace(feeds=batch.feeds, notes=task.probed.notes + (note,)), filled=rows,
        baseline_feeds=None if task.baseline_feeds is None else feeds.of_rows(task.baseline_feeds, first, rows),
        fed=feeds.of_rows(task.fed, first, rows))


def cut_to(array: np.ndarray, given: int, rows: int) -> np.ndarray:
    """What was fetched under a filled feed, for the caller's rows alone."""
    if not rows or not array.ndim or len(array) % rows:
        return array
    return array[:len(array) // rows * given]


def sizes_with(values: Mapping[str, np.ndarray], count: int, rows: int) -> Dict[str, Tuple[int, ...]]:
    """Shapes of a feed of ``count`` rows as they would be with another number of rows."""
    return {name: (len(value) // count * rows,) + value.shape[1:] if value.ndim and len(value) and not (
        len(value) % count) else value.shape for name, value in values.items()}
