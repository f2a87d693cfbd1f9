"""From a feed to a task: its rows told apart, their entries and baselines read, the way they may be run measured."""

import contextlib
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

import numpy as np

from graph_tools.errors import FeedError, GraphToolsError
from graph_tools.graph import names
from graph_tools.running.runs import refuse_if_blocking
from tf1_ig import baselines
from tf1_ig.engine import feeds
from tf1_ig.engine.failed_run import RunFailed
from tf1_ig.engine.operated import Engine
from tf1_ig.engine.packing import Batch
from tf1_ig.errors import BaselineError, BatchError
from tf1_ig.question import filled
from tf1_ig.question.company import Company
from tf1_ig.question.entries import check_ids, owner_of
from tf1_ig.question.resolve import Resolved
from tf1_ig.question.task import Task

WHOLE_FEED = {"argument": "batch_axis", "value": "None"}  # what an error proposes where rows cannot be told apart


class RowsElsewhere(Exception):
    """The first axis of the output is not that of the examples: an engine that orders its axes may find which is."""


class TaskReader:
    """Turns feeds into tasks; what was measured about the graph on the way is kept for the next feed."""

    def __init__(self, engine: Engine, resolved: Resolved, batch_axis: Optional[int]):
        self._engine, self._resolved, self._batch_axis = engine, resolved, batch_axis
        self._company = Company(engine, resolved, batch_axis)
        self._required: Set[frozenset] = set()

    def _require(self, values: Mapping[str, np.ndarray]) -> None:
        """Before the first run with these feeds: variables have values, nothing unsafe runs, nothing waits for data."""
        fed = frozenset(values)
        if fed not in self._required:
            wanted = [self._resolved.output]
            for spec in self._resolved.inputs:
                wanted += [name for name in (spec.attributed.tensor, spec.attributed.owner) if name]
            self._resolved.model.require(wanted, fed)
            refuse_if_blocking(self._resolved.model, wanted, fed)
            self._required.add(fed)

    def _renamed(self, feed: Mapping[Any, Any]) -> Any:
        """The feed with old names of swapped inputs (a dequeue) replaced by their placeholders."""
        if not isinstance(feed, Mapping) or not self._resolved.renamed:
            return feed
        found: Dict[Any, Any] = {}
        for key, value in feed.items():
            new = self._resolved.renamed.get(name_or_self(key), key)
            if new in found:
                raise FeedError("tensor %s is fed twice (under two names?); feed it once" % name_or_self(key))
            found[new] = value
        return found

    @contextlib.contextmanager
    def _rows_told(self, values: Mapping[str, np.ndarray]) -> Iterator[None]:
        """Where a run fails and feeds have no rows, or different numbers of rows, that is what is said."""
        try:
            yield
        except RunFailed as failed:
            empty = self._without_any(values)
            if empty:
                raise BatchError("%s; feed at least one, and as many in each (TensorFlow: %s)" % (
                    empty, failed)) from failed
            rows = feeds.rows_of(values, self._engine.static_shapes(values), self._batch_axis)
            if len(set(rows.values())) < 2:
                raise
            told = ", ".join("%s %d" % (self._known(name), count) for name, count in rows.items())
            raise BatchError("the feeds have different numbers of rows: %s; feed as many rows in each (TensorFlow: %s)"
                             % (told, failed)) from failed

    def _known(self, name: str) -> str:
        """What the caller calls a fed tensor."""
        return next((old for old, new in self._resolved.renamed.items() if new == name), name)

    def _without_any(self, values: Mapping[str, np.ndarray]) -> str:
        """The feeds without a single row, in words; ``""`` where each has one."""
        rows = feeds.rows_of(values, self._engine.static_shapes(values), self._batch_axis or 0)
        return ", ".join("%s has no rows (it is fed as %s)" % (self._known(name), list(values[name].shape))
                         for name, count in rows.items() if not count)

    def read(self, feed: Any, shared_feeds: Any, row_feeds: Any, baseline: Any) -> Task:
        """Reads the attributed tensors, tells the rows apart and proves how they may be run.

        Args:
          feed: the caller's feed.
          shared_feeds, row_feeds: names of feeds that the caller has decided about.
          baseline: as for ``tf1_ig.baselines.resolve``.
        """
        feed = self._renamed(feed)
        arrays = self._arrays(feed)
        shapes = self._engine.static_shapes(arrays)
        rows = filled.wanted(arrays, shapes)
        try:
            if rows is None:
                return self._read(feed, shared_feeds, row_feeds, baseline)
        except (RunFailed, BatchError):
            rows = self._resolved.rows  # a queue handed over whole batches, and the graph relies on that
            if rows is None or filled.rows_given(arrays, shapes, rows) is None:
                raise
        given = filled.rows_given(arrays, shapes, rows)
        if given is None:
            return self._read(feed, shared_feeds, row_feeds, baseline)
        # What a queue handed over together has a row for each example.
        by_row = set(self._named(row_feeds)) | set(self._resolved.renamed.values())
        shared = filled.shared(arrays, shapes, (given, rows), self._named(shared_feeds), by_row, self._takes)
        found = self._read(filled.fill(arrays, given, rows, shared), shared, row_feeds, baseline, (given, rows))
        return filled.first_rows(found, given)

    def raw(self, feed: Any) -> Tuple[np.ndarray, Dict[str, np.ndarray]]:
        """The output under a feed as the model shapes it, and the feed by tensor name."""
        values = self._engine.prepare_feed(self._renamed(feed))
        self._require(values)
        return self._company.raw_output(self._engine.path_feeds(values), self._entries_under(values)), values

    def _takes(self, feed: Mapping[str, Any]) -> bool:
        """Whether the graph runs under a feed."""
        try:
            self.raw(feed)
        except (RunFailed, BatchError):
            return False
        return True

    def _arrays(self, feed: Any) -> Dict[str, np.ndarray]:
        """The feed as arrays by tensor name, as far as it is one; what is wrong with it is told when it is read."""
        if self._batch_axis != 0 or not isinstance(feed, Mapping):
            return {}
        try:
            return {self._engine.find_tensor(key).name: np.asarray(value) for key, value in feed.items()
                    if not hasattr(value, "dense_shape")}
        except (GraphToolsError, TypeError, ValueError):
            return {}

    def _read(self, feed: Any, shared_feeds: Any, row_feeds: Any, baseline: Any, fill: Any = (0, 0)) -> Task:
        """``read`` of a feed that has all rows; ``fill``: how many of them are the caller's, and how many there are."""
        values = self._engine.prepare_feed(feed)
        self._require(values)
        notes = check_ids(self._engine, values, self._resolved.inputs)
        with self._rows_told(values):
            actual, owners = self._engine.read(values)
        if self._batch_axis is None:
            owners = [None] * len(owners)  # all entries are the one example's
        axis = self._batch_axis or 0
        self._refuse_without_axis(actual)
        entries = self._company.entries(actual)
        moved: Dict[str, np.ndarray] = {}

        def under(replaced: Any) -> Any:
            moved.update(self._feed_under(values, replaced, fill))
            return self._entries_under(moved)

        path_feeds = self._engine.path_feeds(values)
        with self._rows_told(values):
            raw = self._company.raw_output(path_feeds, entries)
        unlike = []
        counts = [fill[1]] if fill[1] else self._counts(raw, entries, owners, values)
        for count, order, turns in [(each, order, turns) for each in counts for order in self._company.orders(raw, each)
                                    for turns in _ways_to_share(entries, owners, each)]:
            owner = [owner_of(given, len(array), count, turns) for given, array in zip(owners, entries)]
            inputs = baselines.Inputs([spec.name for spec in self._resolved.inputs], entries, owner, count, under, axis)
            # All feeds are looked at: ids of a sparse feed, which the path no longer needs, tell what its indices are.
            fed = feeds.belong(values, self._engine.static_shapes(values), count, self._batch_axis, self._free_batch(),
                               self._named(shared_feeds), self._named(row_feeds))
            start = baselines.resolve(baseline, filled.first_inputs(inputs, fill[0]) if fill[0] else inputs)
            batch = Batch(count, entries, filled.spread(start, owner, *fill) if fill[0] else start, owner,
                          {name: fed[name] for name in path_feeds})
            probed = self._company.measure(batch, raw, values, order)
            probed = probed._replace(notes=probed.notes + notes + self._without_rows(values, count))
            row_shape, outputs = self._company.output_rows(count, probed.running, raw)
            found = Task(batch._replace(feeds=probed.feeds), probed, row_shape, outputs, values, inputs,
                         [None if given is None else np.ravel(given) >= 0 for given in owners],
                         self._feeds_under(moved, probed.feeds), dict(fed, **probed.feeds))
            if self._company.follow(found, turns):
                return found._replace(probed=self._company.told(found, turns))
            unlike.append(found)
        return self._with_rows_elsewhere(unlike, raw, axis)

    def _refuse_without_axis(self, actual: List[np.ndarray]) -> None:
        for spec, array in zip(self._resolved.inputs, actual):
            if self._batch_axis is not None and array.ndim <= self._batch_axis:
                raise BatchError("input %s has shape %s and no axis %d; pass {argument} when the feed is one "
                                 "example" % (spec.name, list(array.shape), self._batch_axis), **WHOLE_FEED)

    def _feeds_under(self, moved: Mapping[str, np.ndarray], fed: Mapping[str, feeds.FedTensor]) -> Optional[Dict]:
        """The feeds of the path under a baseline's; ``None`` where that is no feed."""
        return {name: one._replace(value=moved[name] if name in moved else self._engine.fetch(
            self._engine.find_tensor(name), moved)) for name, one in fed.items()} if moved else None

    def _without_rows(self, values: Mapping[str, np.ndarray], count: int) -> Tuple[str, ...]:
        """What to say where the last examples of a sparse feed have no ids, and so no output row."""
        said = feeds.sparse_examples(values) if self._batch_axis == 0 else 0
        if said <= count:
            return ()
        return ("the feed says %d examples and %s has %d rows: the graph counts examples up to the last that has an "
                "id, those after it are not explained" % (said, self._resolved.output, count),)

    def _with_rows_elsewhere(self, tried: List[Task], raw: np.ndarray, axis: int) -> Task:
        """Where examples that change places keep no output rows: an error if the output's shape says why, else a note.

        A batch with something of its own baked in for each row is right as it is; steps before examples are not.
        """
        if raw.ndim and not self._engine.ordered:
            raise RowsElsewhere()
        at = axis if raw.ndim > axis else 0
        others = raw.shape[:at] + raw.shape[at + 1:]
        if raw.ndim and any(raw.shape[at] % found.batch.count or found.batch.count in others for found in tried):
            raise BatchError("examples that change places in the feed do not take their part of output %s, shape %s, "
                             "along: its axis %d is not that of the examples; explain a tensor that has them there, or "
                             "pass {argument} and a label that indexes the whole output" % (
                                 self._resolved.output, list(raw.shape), at), **WHOLE_FEED)
        self._refuse_foreign_entries(tried[0])
        probed = tried[0].probed
        return tried[0]._replace(probed=probed._replace(notes=probed.notes + (
            "examples that change places do not take their outputs along: is axis %d of the feeds, of the input and of "
            "the output that of the examples?" % axis,)))

    def _refuse_foreign_entries(self, task: Task) -> None:
        """Where rows cannot be run alone, equal blocks of entries are only a guess: a block must move its own example.

        Raises:
          BatchError: moving the entries of one example moves the output of another.
        """
        for spec in self._company.guessed(task.batch):
            if not self._company.move_alone(task):
                raise BatchError("which example each of the %d entries of input %s belongs to cannot be told from the "
                                 "graph: in equal blocks, those of one example change the output of others; pass "
                                 "{argument} to explain the whole feed as one example, or feed one example" % (
                                     len(task.batch.actual[self._resolved.inputs.index(spec)]), spec.name),
                                 **WHOLE_FEED)

    def _named(self, tensors: Any) -> List[str]:
        return [self._engine.find_tensor(self._resolved.renamed.get(name_or_self(tensor), tensor)).name
                for tensor in tensors]

    def _feed_under(self, values: Any, replaced: Any, fill: Any = (0, 0)) -> Dict[str, np.ndarray]:
        """The feed with some values replaced (a scalar fills the shape, a row serves every row); ``fill`` as in
        ``_read``: a value with a row for each of the caller's examples is filled up as the feed was."""
        feed = dict(values)
        for key, value in self._renamed(replaced).items():
            tensor = self._engine.find_tensor(key)
            for name in self._resolved.computed_from(tensor.name):
                feed.pop(name, None)
            if np.ndim(value) == 0:
                like = values[tensor.name] if tensor.name in values else self._engine.fetch(tensor, values)
                value = np.full(like.shape, value, dtype=None if like.dtype == object else like.dtype)
            elif tensor.name in values and np.ndim(value) < values[tensor.name].ndim:
                value = _for_every_row(tensor.name, value, values[tensor.name])
            elif fill[0] and tensor.name in values and np.ndim(value) and len(values[tensor.name]) == fill[1]:
                value = filled.filled_value(np.asarray(value), *fill)
            feed[tensor.name] = self._engine.fed_value(tensor, value)
        return feed

    def _entries_under(self, feed: Any) -> List[np.ndarray]:
        """The attributed tensors under a feed, entries along their first axis."""
        return self._company.entries(self._engine.read(feed)[0])

    def _counts(self, raw: np.ndarray, entries: Any, owners: Any, values: Any) -> List[int]:
        """Numbers of examples the feed may hold, likeliest first; which is right, the probe says."""
        if self._batch_axis is None:
            return [1]
        dense = [len(array) for array, owner in zip(entries, owners) if owner is None]
        lengths = [raw.shape[0]] if raw.ndim else []
        if self._batch_axis and raw.ndim > self._batch_axis:
            lengths.append(raw.shape[self._batch_axis])
        lengths += sorted(set(dense), reverse=True)
        if 0 in lengths:
            empty = self._without_any(values)
            raise FeedError("the feed holds no example: %soutput %s has shape %s, inputs have leading sizes %s; feed "
                            "at least one%s" % (empty and empty + ", ", self._resolved.output, list(raw.shape), dense,
                                                "" if dense else " with an id (the graph counts examples up to the "
                                                "last that has one)"))
        lengths += sorted({value.shape[0] for value in values.values() if value.ndim and len(value)}, reverse=True)
        least = 1 + max([int(owner_of(owner, 0, 1).max()) for owner in owners if owner is not None and owner.size],
                        default=0)
        # The number of examples divides every leading length, and the output has at least one element for each.
        found = [count for count in dict.fromkeys(lengths) if count >= least and not any(
            length % count for length in dense) and raw.size % count == 0]
        if not found:
            raise BatchError("output %s has shape %s, which has no batch axis for inputs with leading sizes %s; pass "
                             "{argument} to explain the whole feed as one example" % (
                                 self._resolved.output, list(raw.shape), dense or [least]), **WHOLE_FEED)
        return found

    def _free_batch(self) -> bool:
        shapes = self._engine.static_shapes(spec.attributed.tensor for spec in self._resolved.inputs)
        axis = self._batch_axis or 0
        return all(shape is None or len(shape) <= axis or shape[axis] is None for shape in shapes.values())


def _ways_to_share(entries: Sequence[np.ndarray], owners: Sequence[Any], count: int) -> List[bool]:
    """In which ways to try entries that are more than rows: in blocks first, then whether they take turns."""
    guessed = count > 1 and any(owner is None and len(array) > count for array, owner in zip(entries, owners))
    return [False, True] if guessed else [False]


def _for_every_row(name: str, row: Any, like: np.ndarray) -> np.ndarray:
    try:
        return np.broadcast_to(row, like.shape)
    except ValueError:
        raise BaselineError("a row of shape %s for %s does not fit the feed's %s; pad or cut it to that length" % (
            list(np.shape(row)), name, list(like.shape))) from None


def name_or_self(tensor: Any) -> Any:
    """The canonical name of a tensor; what is no tensor is left for others to complain about."""
    try:
        return names.tensor_name(tensor)
    except TypeError:
        return tensor
