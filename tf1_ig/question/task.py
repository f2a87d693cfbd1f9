"""What there is to explain in one feed: the rows, their entries and baselines, and how they may be run."""

import contextlib
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Set, Tuple

import numpy as np

from graph_tools.errors import FeedError, GraphToolsError
from graph_tools.find.inputs.fitting import Fitting
from graph_tools.graph import names
from graph_tools.running.runs import refuse_if_blocking
from tf1_ig import baselines
from tf1_ig.engine import feeds, probe
from tf1_ig.engine.failed_run import RunFailed
from tf1_ig.engine.operated import Engine
from tf1_ig.engine.packing import ONE_AT_A_TIME, Batch, PointRunner, Running
from tf1_ig.errors import BaselineError, BatchError
from tf1_ig.question import filled
from tf1_ig.question.entries import check_ids, owner_of
from tf1_ig.question.resolve import Resolved, ResolvedInput

WHOLE_FEED = {"argument": "batch_axis", "value": "None"}  # what an error proposes where rows cannot be told apart


_OTHER_COUNT = 1009  # rows that no graph has baked in


class Task(NamedTuple):
    """One feed, ready to be explained.

    ``row_shape`` is the shape of one output row, ``outputs`` the output rows ``[batch, elements]`` at the caller's
    input, ``values`` the whole feed by tensor name.
    """

    batch: Batch
    probed: probe.Probed
    row_shape: Tuple[int, ...]
    outputs: np.ndarray
    values: Dict[str, np.ndarray]
    # What baselines are made from.
    inputs: baselines.Inputs
    # By ragged input: the entries that are the example's own, not put in to fill an empty one and discarded later.
    own: List[Optional[np.ndarray]]
    # Where the baseline is given as a feed: all feeds of the path under it, masks and lengths included.
    baseline_feeds: Optional[Dict[str, Any]]
    # How every fed value belongs to the rows, also where the path does not depend on it.
    fed: Dict[str, feeds.FedTensor]
    # The rows of ``values`` where the feed was filled up to the number that the graph takes; else 0.
    filled: int = 0

    def at_rows(self, rows: np.ndarray) -> "Task":
        """The task with these of its rows, each as often as it is named; ``values`` stay those of the whole feed."""
        batch, count = self.batch, self.batch.count
        taken = [entries_of.take(rows) for entries_of in batch.entries_of]

        def of(arrays: Any) -> Any:
            return [array[entries] for array, (entries, _) in zip(arrays, taken)]

        actual, owner = of(batch.actual), [position for _, position in taken]
        under, fed = self.inputs.under, feeds.of_rows(self.fed, rows, count)
        return self._replace(
            batch=Batch(len(rows), actual, of(batch.baseline), owner, {name: fed[name] for name in batch.feeds}),
            outputs=self.outputs[rows], fed=fed,
            own=[own if own is None else own[entries] for own, (entries, _) in zip(self.own, taken)],
            inputs=self.inputs._replace(entries=actual, owner=owner, batch=len(rows),
                                        under=lambda replaced: of(under(replaced))),
            baseline_feeds=self.baseline_feeds and {name: fed[name]._replace(value=value) for name, value in (
                feeds.take_rows(self.baseline_feeds, rows, count).items())})


class TaskReader:
    """Turns feeds into tasks; what was measured about the graph on the way is kept for the next feed."""

    def __init__(self, engine: Engine, resolved: Resolved, batch_axis: Optional[int]):
        self._engine, self._resolved, self._batch_axis = engine, resolved, batch_axis
        self._probed: Dict[Any, Tuple[int, probe.Probed]] = {}
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
        """Where a run fails and the feeds have different numbers of rows, that is what is said."""
        try:
            yield
        except RunFailed as failed:
            rows = feeds.rows_of(values, self._engine.static_shapes(values), self._batch_axis)
            if len(set(rows.values())) < 2:
                raise
            known = {new: old for old, new in self._resolved.renamed.items()}
            told = ", ".join("%s %d" % (known.get(name, name), count) for name, count in rows.items())
            raise BatchError("the feeds have different numbers of rows: %s; feed as many rows in each (TensorFlow: %s)"
                             % (told, failed)) from failed

    def read(self, feed: Any, shared_feeds: Any, row_feeds: Any, baseline: Any) -> "Task":
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
        return self._raw_output(self._engine.path_feeds(values), self._entries_under(values)), values

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

    def _read(self, feed: Any, shared_feeds: Any, row_feeds: Any, baseline: Any, fill: Any = (0, 0)) -> "Task":
        """``read`` of a feed that has all rows; ``fill``: how many of them are the caller's, and how many there are."""
        values = self._engine.prepare_feed(feed)
        self._require(values)
        notes = check_ids(self._engine, values, self._resolved.inputs)
        with self._rows_told(values):
            actual, owners = self._engine.read(values)
        axis = self._batch_axis or 0
        if self._batch_axis is None:
            entries = [array[None] for array in actual]
        else:
            for spec, array in zip(self._resolved.inputs, actual):
                if array.ndim <= axis:
                    raise BatchError("input %s has shape %s and no axis %d; pass {argument} when the feed is one "
                                     "example" % (spec.name, list(array.shape), axis), **WHOLE_FEED)
            entries = [np.moveaxis(array, axis, 0) for array in actual]
        moved: Dict[str, np.ndarray] = {}

        def under(replaced: Any) -> Any:
            moved.update(self._feed_under(values, replaced, fill))
            return self._entries_under(moved)

        path_feeds = self._engine.path_feeds(values)
        shared, by_row = self._named(shared_feeds), self._named(row_feeds)
        with self._rows_told(values):
            raw = self._raw_output(path_feeds, entries)
        unlike = []
        for count in [fill[1]] if fill[1] else self._counts(raw, entries, owners, values):
            owner = [owner_of(given, len(array), count) for given, array in zip(owners, entries)]
            inputs = baselines.Inputs([spec.name for spec in self._resolved.inputs], entries, owner, count, under, axis)
            # All feeds are looked at: ids of a sparse feed, which the path no longer needs, tell what its indices are.
            fed = feeds.belong(values, self._engine.static_shapes(values), count, self._batch_axis, self._free_batch(),
                               shared, by_row)
            start = baselines.resolve(baseline, filled.first_inputs(inputs, fill[0]) if fill[0] else inputs)
            batch = Batch(count, entries, filled.spread(start, owner, *fill) if fill[0] else start, owner,
                          {name: fed[name] for name in path_feeds})
            probed = self._probe(batch, raw, values)
            probed = probed._replace(notes=probed.notes + notes + self._without_rows(values, count))
            row_shape, outputs = self._outputs(batch, probed.running, raw)
            found = Task(batch._replace(feeds=probed.feeds), probed, row_shape, outputs, values, inputs,
                         [None if given is None else np.ravel(given) >= 0 for given in owners],
                         {name: one._replace(value=moved[name]) for name, one in probed.feeds.items()}
                         if moved else None, dict(fed, **probed.feeds))
            if probed.running.mode != probe.IN_COMPANY or not probed.steady or probe.rows_follow(
                    self._engine, found.batch, probed.running, outputs) or self._rows_move_alone(found):
                return found
            unlike.append(found)
        return self._with_rows_elsewhere(unlike, raw, axis)

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

    def _guessed(self, batch: Batch) -> List[ResolvedInput]:
        """Inputs with several entries a row where only their number says whose each is: true of this feed at most."""
        return [spec for spec, entries in zip(self._resolved.inputs, batch.actual)
                if spec.attributed.owner is None and len(entries) > batch.count]

    def _refuse_foreign_entries(self, task: "Task") -> None:
        """Where rows cannot be run alone, equal blocks of entries are only a guess: a block must move its own example.

        Raises:
          BatchError: moving the entries of one example moves the output of another.
        """
        for spec in self._guessed(task.batch):
            if not self._rows_move_alone(task):
                raise BatchError("which example each of the %d entries of input %s belongs to cannot be told from the "
                                 "graph: in equal blocks, those of one example change the output of others; pass "
                                 "{argument} to explain the whole feed as one example, or feed one example" % (
                                     len(task.batch.actual[self._resolved.inputs.index(spec)]), spec.name),
                                 **WHOLE_FEED)

    def _rows_move_alone(self, task: "Task") -> bool:
        """Whether the entries of an example move its output row and no other (looked at for three examples)."""
        batch = task.batch
        runner = PointRunner(self._engine, batch, task.probed.running)
        for row in {0, batch.count // 2, batch.count - 1}:
            raw = self._engine.run_raw_output(runner.points_in_company(row, 0.0))
            moved = self._outputs(batch, task.probed.running, raw)[1]
            has_entries = any(row in owner for owner in batch.owner)
            same = [probe.alike(moved[one], task.outputs[one]) for one in range(batch.count)]
            if not all(same[:row] + same[row + 1:]) or same[row] == has_entries:
                return False
        return True

    def _named(self, tensors: Any) -> List[str]:
        return [self._engine.find_tensor(self._resolved.renamed.get(name_or_self(tensor), tensor)).name
                for tensor in tensors]

    def _raw_output(self, path_feeds: Any, entries: Any) -> np.ndarray:
        """The output as the model shapes it, at these entries."""
        whole = Batch(1, entries, entries, [np.zeros(len(array), np.int64) for array in entries],
                      {name: feeds.FedTensor(name, value) for name, value in path_feeds.items()})
        return self._engine.run_raw_output(
            PointRunner(self._engine, whole, Running(ONE_AT_A_TIME)).points_in_company(0, 1.0))

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
        actual, _ = self._engine.read(feed)
        if self._batch_axis is None:
            return [array[None] for array in actual]
        return [np.moveaxis(array, self._batch_axis, 0) for array in actual]

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
            raise FeedError("the feed holds no example: output %s has shape %s, inputs have leading sizes %s; feed at "
                             "least one%s" % (self._resolved.output, list(raw.shape), dense, "" if dense else
                                              " with an id (the graph counts examples up to the last that has one)"))
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

    def _count_is_baked_in(self, values: Mapping[str, np.ndarray], count: int) -> bool:
        """Whether the graph's constants rule out other numbers of rows, as far as TensorFlow tells without a run.

        Kernels of old releases die of some of them, and take the process along.
        """
        if self._batch_axis != 0 or count < 2:
            return False
        fitting = Fitting(self._resolved.model, [self._resolved.output], list(values))
        return fitting.holds(count) and fitting.refusal(filled.sizes_with(values, count, count)) is None and (
            fitting.refusal(filled.sizes_with(values, count, _OTHER_COUNT)) is not None)

    def _probe(self, batch: Batch, raw: np.ndarray, values: Mapping[str, np.ndarray]) -> probe.Probed:
        """How the rows may be run: measured for each new shape of feed, and made sure of for each feed."""
        key = (batch.count if batch.count <= 2 else 3, frozenset(
            (name, fed.axis, fed.block if batch.count > 1 else fed.value.shape, fed.decided,
             fed.value.item() if fed.value.ndim == 0 else None) for name, fed in batch.feeds.items()))
        if key in self._probed:
            count, known = self._probed[key]
            if not self._guessed(batch) and known.steady and (known.running.only is None or count == batch.count) and (
                    known.running.mode in (probe.PACKED, probe.FIXED_BATCH)):
                feeds_now = {name: fed._replace(block=0) if known.feeds[name].block == 0 else fed
                             for name, fed in batch.feeds.items()}
                if probe.holds(self._engine, batch._replace(feeds=feeds_now), known.running,
                               self._outputs(batch, known.running, raw)[1]):
                    return known._replace(feeds=feeds_now)
        found = probe.probe(self._engine, batch, self._batch_axis is None,
                            self._count_is_baked_in(values, batch.count))
        self._probed[key] = (batch.count, found)
        return found

    def _outputs(self, batch: Batch, running: Running, raw: np.ndarray) -> Any:
        """Shape of one output row, and the output rows ``[batch, elements]`` at the caller's input."""
        order = running.output_order
        moved = raw if order is None else raw.transpose(order)
        if self._batch_axis is None:
            return raw.shape, moved.reshape(1, -1)
        if moved.ndim and moved.shape[0] == batch.count:
            row_shape = moved.shape[1:]
        elif moved.ndim and moved.shape[0] % batch.count == 0:
            row_shape = (moved.shape[0] // batch.count,) + moved.shape[1:]
        else:
            row_shape = moved.shape
        return row_shape, moved.reshape(batch.count, -1)


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
