"""In whose company the rows of a feed may be run: measured for each kind of feed, and made sure of for each feed.

A graph that splits texts pads them to the longest of the feed, and masks what it padded. The mask of a row alone is
narrower than its entries, which are as wide as those of its company: run alone it says something else, although no row
notices another. Where the words or ids that the graph made lead to all that, they are fed in the place of the texts;
else rows keep their company, and whole feeds of one row tell whether they need it.
"""

from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from graph_tools.find.inputs.fitting import Fitting
from graph_tools.find.inputs.switches import RANDOM
from graph_tools.graph.ops import CALLS, IFS, PYTHON_FUNCTIONS, WHILES
from graph_tools.graph.walk import GraphIndex, reached
from tf1_ig.engine import probe
from tf1_ig.engine.failed_run import RunFailed
from tf1_ig.engine.feeds import FedTensor, take_rows
from tf1_ig.engine.operated import Engine
from tf1_ig.engine.packing import FIXED_BATCH, IN_COMPANY, ONE_AT_A_TIME, PACKED, Batch, PointRunner, Running
from tf1_ig.integrate import Rows
from tf1_ig.question import filled
from tf1_ig.question.resolve import Resolved, ResolvedInput
from tf1_ig.question.task import Task

_FUSED = frozenset(("BlockLSTM", "BlockLSTMV2"))  # which end the process where there are fewer steps than they are told
_TURNS = frozenset(("Transpose", "Reshape", "ConcatV2"))
_CALLS = CALLS | WHILES | IFS
ROWS = "whether its rows are examples that do not notice one another"
_OTHER_COUNT = 1009  # rows that no graph has baked in
_ALONE = 4           # rows that are run alone beside the shortest and the longest
# Texts that are run alone: the shortest, which have most padding, and as many of all lengths; of later feeds half.
_TEXTS_ALONE = 16
_ALPHAS = (1.0, 0.6, 0.25)
Order = Optional[Tuple[int, ...]]


class Company:
    """What was measured of one engine, kept for the next feed."""

    def __init__(self, engine: Engine, resolved: Resolved, batch_axis: Optional[int]):
        self._engine, self._resolved, self._batch_axis = engine, resolved, batch_axis
        self._probed: Dict[Any, Tuple[int, probe.Probed]] = {}
        self._looked = False  # whether a feed of many texts was looked at for padding that is noticed
        self._dies_of_other_steps = batch_axis == 0 and any(
            _are_steps_of_a_fused_cell(resolved.model.index, spec.attributed.tensor) for spec in resolved.inputs)

    def orders(self, raw: np.ndarray, count: int) -> Sequence[Order]:
        """Orders in which the axes of an output may be taken, likeliest first; ``None``: as they are."""
        return probe.output_orders(raw.shape, count, self._batch_axis or 0) if self._engine.ordered else [None]

    def measure(self, batch: Batch, raw: np.ndarray, values: Mapping[str, np.ndarray], order: Order) -> probe.Probed:
        """How the rows may be run, and by which feeds.

        Args:
          batch: the caller's batch.
          raw: its output as the model shapes it.
          values: the whole feed by tensor name.
          order: one of ``orders``.
        """
        if not self._engine.slopes:  # no points will share a run
            return self._kept(batch, raw, order)
        found = self._measured(batch, raw, values, order)
        if found.running.mode == IN_COMPANY and found.steady:
            for made in self._made_by_the_graph(batch, values):
                other = self._measured(batch._replace(feeds=made), raw, values, order)
                if other.wide:
                    return other
        return found

    def _kept(self, batch: Batch, raw: np.ndarray, order: Order) -> probe.Probed:
        """Rows in the company that they were fed in; whether they give the same outputs twice."""
        running = Running(IN_COMPANY if batch.count > 1 else ONE_AT_A_TIME, output_order=order)
        if self._engine.hasty and not self._may_vary(batch):
            return probe.Probed(running, batch.feeds, (), True)
        again = PointRunner(self._engine, batch, running).outputs(Rows(np.array([0]), np.array([1.0])))
        before = self.output_rows(batch.count, running, raw)[1]
        return probe.Probed(running, batch.feeds, (), probe.agree(again, before[:1], before))

    def _measured(self, batch: Batch, raw: np.ndarray, values: Mapping[str, np.ndarray], order: Order) -> probe.Probed:
        """Measured for each new shape of feed, and made sure of for each feed."""
        key = (batch.count if batch.count <= 2 else 3, order, frozenset(
            (name, fed.axis, fed.block if batch.count > 1 else fed.value.shape, fed.decided,
             fed.value.item() if fed.value.ndim == 0 else None) for name, fed in batch.feeds.items()))
        if key in self._probed:
            count, known = self._probed[key]
            if not self.guessed(batch) and known.steady and (known.running.only is None or count == batch.count) and (
                    known.running.mode in (PACKED, FIXED_BATCH)):
                feeds_now = {name: fed._replace(block=0) if known.feeds[name].block == 0 else fed
                             for name, fed in batch.feeds.items()}
                if self._engine.hasty or probe.holds(self._engine, batch._replace(feeds=feeds_now), known.running,
                               self.output_rows(batch.count, known.running, raw)[1]):
                    return known._replace(feeds=feeds_now)
        asked = batch, self._batch_axis is None, (
            self._count_is_baked_in(values, batch.count) or self._dies_of_other_steps), order
        found = self._hastily(raw, *asked) if self._engine.hasty else probe.probe(self._engine, *asked)
        self._probed[key] = (batch.count, found)
        return found

    def _hastily(self, raw: np.ndarray, batch: Batch, single: bool, fixed: bool, order: Order) -> probe.Probed:
        """The same in as few runs as can be; what there is no time for is not measured."""
        company = Running(ONE_AT_A_TIME if single or batch.count == 1 else IN_COMPANY, output_order=order)
        outputs = self.output_rows(batch.count, company, raw)[1]
        return self._engine.pace.unless_late(
            lambda: probe.hastily(self._engine, batch, single, fixed, order, outputs, self._may_vary(batch)),
            probe.Probed(company._replace(coupled=None), batch.feeds, (), True), ROWS)

    def _may_vary(self, batch: Batch) -> bool:
        """Whether something on the path draws numbers or calls Python, and may give others in another run."""
        graph, types = self._resolved.model.index.graph_def, self._engine.path_ops(
            {name: fed.value for name, fed in batch.feeds.items()})
        if types & _CALLS or any(function.signature.name in types for function in graph.library.function):
            types = types | {node.op for function in graph.library.function for node in function.node_def}
        return bool(types & (RANDOM | PYTHON_FUNCTIONS))

    def _count_is_baked_in(self, values: Mapping[str, np.ndarray], count: int) -> bool:
        """Whether the graph's constants rule out other numbers of rows, as far as TensorFlow tells without a run.

        Kernels of old releases die of some of them, and take the process along.
        """
        if self._batch_axis != 0 or count < 2:
            return False
        fitting = Fitting(self._resolved.model, [self._resolved.output], list(values))
        return fitting.holds(count) and fitting.refusal(filled.sizes_with(values, count, count)) is None and (
            fitting.refusal(filled.sizes_with(values, count, _OTHER_COUNT)) is not None)

    def _made_by_the_graph(self, batch: Batch, values: Mapping[str, np.ndarray]) -> Iterator[Dict[str, FedTensor]]:
        """Feeds of the path with the words, or else the ids, behind the entries in the place of what they are made of.

        A row of them is as wide as the row's entries, whoever it stands beside.
        """
        axis = self._batch_axis or 0
        for kind in ("strings", "ids"):
            named = list(dict.fromkeys(getattr(spec, kind) for spec in self._resolved.inputs if getattr(spec, kind)))
            named = [name for name in named if name not in values]
            made = dict(zip(named, self._engine.fetch_all([self._engine.find_tensor(name) for name in named], values)))
            if any(array.ndim <= axis or array.shape[axis] != batch.count for array in made.values()):
                continue
            needed = self._engine.path_feeds(dict(values, **made))
            if not made.keys().isdisjoint(needed) and needed.keys() - made.keys() < batch.feeds.keys():
                yield {name: FedTensor(name, made[name], axis, 1, decided=True) if name in made else batch.feeds[name]
                       for name in needed}

    def output_rows(self, count: int, running: Running, raw: np.ndarray) -> Tuple[Tuple[int, ...], np.ndarray]:
        """Shape of one output row, and the rows ``[count, elements]`` of an output as the model shapes it."""
        order = running.output_order
        if order is not None:
            raw = probe.in_order(raw, count, order)
        if self._batch_axis is None:
            return raw.shape, raw.reshape(1, -1)
        if raw.ndim and raw.shape[0] == count:
            row_shape = raw.shape[1:]
        elif raw.ndim and raw.shape[0] % count == 0:
            row_shape = (raw.shape[0] // count,) + raw.shape[1:]
        else:  # no rows along the axis, as will be told
            row_shape = raw.shape if count == 1 else (raw.size // count,)
        return row_shape, raw.reshape(count, -1)

    def entries(self, arrays: Sequence[np.ndarray]) -> List[np.ndarray]:
        """Attributed tensors with their entries along the first axis."""
        if self._batch_axis is None:
            return [array[None] for array in arrays]
        return [np.moveaxis(array, self._batch_axis, 0) for array in arrays]

    def raw_output(self, path_feeds: Mapping[str, np.ndarray], entries: Sequence[np.ndarray]) -> np.ndarray:
        """The output as the model shapes it, at these entries."""
        whole = Batch(1, list(entries), list(entries), [np.zeros(len(array), np.int64) for array in entries],
                      {name: FedTensor(name, value) for name, value in path_feeds.items()})
        return self._engine.run_raw_output(
            PointRunner(self._engine, whole, Running(ONE_AT_A_TIME)).points_in_company(0, 1.0))

    # -- what rows of a run have to do with each other -----------------------------------------------------------------

    def told(self, task: Task, turns: bool = False) -> probe.Probed:
        """What was measured; rows that keep their company without noticing it are not called coupled.

        Whole feeds of one row are not made where the entries of rows take ``turns``, nor in haste.
        """
        if self._engine.hasty:
            return task.probed
        if not task.probed.running.coupled and task.probed.steady and self._padding_is_noticed(task):
            return probe.padded(task.probed)
        if not task.probed.running.coupled or not (turns or self._alike_alone(task)) or not self.move_alone(task):
            return task.probed
        return probe.kept_apart(task.probed, task.batch.count)

    def _padding_is_noticed(self, task: Task) -> bool:
        """Whether texts that the graph cuts, and pads to the longest of the feed, have other outputs alone."""
        count, own = task.batch.count, {name: _by_row(fed, task.batch.count) for name, fed in task.fed.items()
                                        if name in task.values}
        if count == 1 or not any(fed.block and fed.value.dtype == object for fed in own.values()):
            return False
        order, half = probe.by_size(task.batch._replace(feeds=own)), _TEXTS_ALONE // 2 // (1 + self._looked)
        self._looked = self._looked or count > _TEXTS_ALONE
        if count > 2 * half:
            order = order[np.append(np.arange(half), np.linspace(half, count - 1, half).astype(int))]
        for row in order:
            found = self._by_itself(own, row, task)
            if found is not None and not _agree(found, (task.outputs[row], task.row_shape), task.outputs):
                return True
        return False

    def _by_itself(self, fed: Mapping[str, FedTensor], row: int, task: Task
                   ) -> Optional[Tuple[np.ndarray, Tuple[int, ...]]]:
        """The output of a row beside no other, with its shape: alone, or where the graph takes so many rows only,
        beside itself; ``None`` where it cannot be had."""
        for copies in (1, task.batch.count):
            values = take_rows(fed, np.full(copies, row), task.batch.count)
            try:
                raw = self.raw_output(self._engine.path_feeds(values), self.entries(self._engine.read(values)[0]))
                shape, found = self.output_rows(copies, task.probed.running, raw)
            except (RunFailed, ValueError, IndexError):
                continue
            return (found[0], shape) if len(shape) == len(task.row_shape) else None
        return None

    def _alike_alone(self, task: Task) -> bool:
        """Whether whole feeds of one row give that row's outputs along its path, as far as both have them."""
        rows = probe.telling_rows(task.batch).tolist() + list(range(min(task.batch.count, _ALONE)))
        try:
            return all(self._is_alike_alone(task, row) for row in dict.fromkeys(rows))
        except (RunFailed, ValueError, IndexError):
            return False

    def _is_alike_alone(self, task: Task, row: int) -> bool:
        count, running = task.batch.count, task.probed.running
        values = take_rows(task.fed, np.array([row]), count)
        actual = self.entries(self._engine.read(values)[0])
        starts = [baseline[entries_of.of(row)] for baseline, entries_of in zip(task.batch.baseline,
                                                                               task.batch.entries_of)]
        if any(np.ndim(one) != np.ndim(start) or any(np.array(one.shape) > start.shape)
               for one, start in zip(actual, starts)):
            return False
        # A row alone is narrower: of what it has in company, the beginning.
        starts = [start[tuple(map(slice, one.shape))] for one, start in zip(actual, starts)]
        fed = {name: FedTensor(name, value) for name, value in self._engine.path_feeds(values).items()}
        batch = Batch(1, actual, starts, [np.zeros(len(one), np.int64) for one in actual], fed)
        alone, among = PointRunner(self._engine, batch, running), PointRunner(self._engine, task.batch, running)
        for alpha in _ALPHAS:
            shapes, outputs = zip(*(self.output_rows(runner.count, running, self._engine.run_raw_output(
                runner.points_in_company(place, alpha))) for runner, place in ((alone, 0), (among, row))))
            if len(shapes[0]) != len(shapes[1]):
                return False
            if not _agree((outputs[0][0], shapes[0]), (outputs[1][row], shapes[1]), task.outputs):
                return False
        return True

    def move_alone(self, task: Task) -> bool:
        """Whether the entries of an example move its output row and no other (looked at for three examples)."""
        batch, running = task.batch, task.probed.running
        runner = PointRunner(self._engine, batch, running)
        for row in {0, batch.count // 2, batch.count - 1}:
            raw = self._engine.run_raw_output(runner.points_in_company(row, 0.0))
            moved = self.output_rows(batch.count, running, raw)[1]
            has_entries = any(row in owner for owner in batch.owner)
            same = [probe.alike(moved[one], task.outputs[one]) for one in range(batch.count)]
            if not all(same[:row] + same[row + 1:]) or same[row] == has_entries:
                return False
        return True

    def follow(self, task: Task, turns: bool = False) -> bool:
        """Whether the output has a row for each example, as far as that can be told (for sure where they take
        ``turns``)."""
        if task.probed.running.mode != IN_COMPANY or not task.probed.steady:
            return True

        def followed() -> bool:
            return not turns and probe.rows_follow(
                self._engine, task.batch, task.probed.running, task.outputs) or self.move_alone(task)

        return self._engine.pace.unless_late(followed, True, ROWS) if self._engine.hasty else followed()

    def guessed(self, batch: Batch) -> List[ResolvedInput]:
        """Inputs with several entries a row where only their number says whose each is: true of this feed at most."""
        return [spec for spec, entries in zip(self._resolved.inputs, batch.actual)
                if spec.attributed.owner is None and len(entries) > batch.count]


def _by_row(fed: FedTensor, count: int) -> FedTensor:
    """Texts of which nobody said that rows share them belong to the rows, of which there are as many for each: a graph
    that reads no more of them than how long the longest is gives the same outputs where all texts stay as they are."""
    texts = fed.value.dtype == object and fed.value.ndim and not (fed.block or fed.decided or len(fed.value) % count)
    return fed._replace(block=len(fed.value) // count, axis=0) if texts and len(fed.value) else fed


def _agree(found: Tuple[np.ndarray, Any], expected: Tuple[np.ndarray, Any], outputs: np.ndarray) -> bool:
    """Whether two output rows, each with its shape, are the same as far as both go."""
    (row, its_shape), (other, shape) = found, expected
    common = tuple(map(slice, map(min, its_shape, shape)))
    return probe.agree(row.reshape(its_shape)[common], other.reshape(shape)[common], outputs)


def _are_steps_of_a_fused_cell(index: GraphIndex, tensor: str) -> bool:
    """Whether the first axis of a tensor is that of the steps of a cell that runs them all in one op."""
    behind = reached(index.uses(tensor), lambda use: (
        [] if index.op(use.node) in _TURNS | _FUSED else index.consumers(use.node, False)))
    return any(index.op(use.node) in _FUSED and use.slot == 1 for use in behind)
