"""Measures how the rows of a batch may be run: alone, in any company, in a fixed number, or only as they came.

Stacking path points into one batch is right only when no row influences another (batch norm in training mode, a mean
over the batch, … couple them silently). This is proven by running rows alone and in company and comparing outputs,
never assumed. The same measurement tells which feeds repeat with the rows and which are shared by all.
"""

import itertools
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from tf1_ig.engine.failed_run import RunFailed
from tf1_ig.engine.feeds import FedTensor
from tf1_ig.engine.operated import Engine
from tf1_ig.engine.packing import FIXED_BATCH, IN_COMPANY, ONE_AT_A_TIME, PACKED, Batch, PointRunner, Running
from tf1_ig.integrate import Rows

# Batch norm in training mode moves outputs by 5e-3 and more, different kernels for different batch sizes by about
# 1e-6 (both relative to the largest output); the border lies between, nearer to the noise.
SAME = 5e-5


class Probed(NamedTuple):
    """What was measured: how to run, how feeds belong to the rows, and what the reader must know."""

    running: Running
    feeds: Dict[str, FedTensor]
    notes: Tuple[str, ...]
    steady: bool

    @property
    def wide(self) -> bool:
        """Whether rows may stand in another batch than the caller's; others keep their company."""
        return self.running.mode in (PACKED, FIXED_BATCH)


class Coupled(Exception):
    """Points that shared a run changed each other's outputs: rows must keep the company that they were fed in."""


# TensorFlow (2.21 too) dies of row partitions that do not fit the values: other rows must not even be tried.
_DEADLY = "RaggedTensorToTensor"


def probe(engine: Engine, batch: Batch, single: bool, fixed: bool = False, order: Optional[Tuple[int, ...]] = None
          ) -> Probed:
    """Finds the widest way of running rows of ``batch`` that gives every row the output it has in the caller's batch.

    Args:
      engine: the operated graph.
      batch: the caller's batch; its feeds carry the likeliest way in which they belong to the rows.
      single: the feed is one example without a batch axis.
      fixed: the graph is known to take this number of rows only; no other is tried.
      order: of the output's axes, as ``output_orders`` has it.
    """
    company = Running(ONE_AT_A_TIME if single or batch.count == 1 else IN_COMPANY, output_order=order)
    whole = PointRunner(engine, batch, company)
    expected = _Expected(whole)
    unknown = company._replace(coupled=None)
    if not expected.steady:
        return Probed(unknown, batch.feeds, (
            "two runs of the same input give outputs that differ by %.2g: something in the graph is random (dropout "
            "left on?), and so are these attributions; feed what switches it off" % expected.unsteadiness,), False)
    if single:
        return Probed(company, batch.feeds, (), True)
    if _DEADLY in engine.path_ops({name: fed.value for name, fed in batch.feeds.items()}):
        return Probed(unknown, batch.feeds, ("the path contains a %s, which only takes the rows as they were fed; "
                                             "points were run one at a time" % _DEADLY,), True)
    coupled = False
    ways = _ways_to_run(batch.count, fixed)
    for running, feeds in itertools.product(ways, _ways_to_belong(batch.feeds)):
        running = running._replace(output_order=order)
        outcome = expected.compare(PointRunner(engine, batch._replace(feeds=feeds), running))
        if outcome == MET:
            return Probed(running, feeds, _notes(running, batch.count), True)
        # With the likeliest feeds the graph took other rows along, and they changed what came out.
        coupled = coupled or (outcome == DIFFERENT and feeds == batch.feeds)
    company = company._replace(coupled=coupled and company.mode == IN_COMPANY)
    return Probed(company, batch.feeds, _notes(company, batch.count), True)


def hastily(engine: Engine, batch: Batch, single: bool, fixed: bool, order: Optional[Tuple[int, ...]],
            outputs: np.ndarray, may_vary: bool) -> Probed:
    """The same in one run for each way of running, where runs take long: rows at the caller's input in strange company.

    Args:
      engine, batch, single, fixed, order: as for ``probe``.
      outputs: the output rows ``[batch, elements]`` of the caller's own batch.
      may_vary: whether the graph may give others in another run.
    """
    company = Running(ONE_AT_A_TIME if single or batch.count == 1 else IN_COMPANY, output_order=order)
    if may_vary:
        again = PointRunner(engine, batch, company).outputs(Rows(np.array([0]), np.array([1.0])))
        if not agree(again, outputs[:1], outputs):
            return Probed(company._replace(coupled=None), batch.feeds, (), False)
    if company.mode == ONE_AT_A_TIME or _DEADLY in engine.path_ops(
            {name: fed.value for name, fed in batch.feeds.items()}):
        return Probed(company, batch.feeds, (), True)
    first, last = telling_rows(batch)
    strangers = Rows(np.array([last, first, first, last, last]), np.array([1.0, 0.25, 1.0, 0.6, 1.0]))
    asked = strangers.alpha == 1.0
    for running, feeds in itertools.product(_ways_to_run(batch.count, fixed), _ways_to_belong(batch.feeds)):
        running = running._replace(output_order=order)
        try:
            found = PointRunner(engine, batch._replace(feeds=feeds), running).outputs(strangers)
            if agree(found[asked], outputs[strangers.example[asked]], outputs):
                return Probed(running, feeds, _notes(running, batch.count), True)
        except (RunFailed, ValueError, IndexError):
            continue
    return Probed(company, batch.feeds, (), True)


MET, DIFFERENT, REFUSED = "met", "different", "refused"


class _Expected:
    """Outputs of a few rows in the caller's own batch, and the test whether another way of running agrees."""

    def __init__(self, whole: PointRunner):
        self.rows = Rows(np.tile(telling_rows(whole.batch), 2), np.array([1.0, 1.0, 0.6, 0.25]))
        self.outputs = np.asarray(whole.outputs(self.rows), np.float64)
        # Of a single row the first two points are one, run twice.
        again, before = (self.outputs[1], self.outputs[0]) if whole.count == 1 else (
            np.asarray(whole.outputs(self.rows), np.float64), self.outputs)
        self.unsteadiness = _difference(again, before)
        self.steady = self.unsteadiness <= SAME * _size(self.outputs)

    def compare(self, runner: PointRunner) -> str:
        """Whether rows alone, and the same rows in strange company, give the outputs that they should."""
        alone = [Rows(self.rows.example[[i]], self.rows.alpha[[i]]) for i in range(len(self.rows.alpha))]
        if runner.count == 1 and runner.running == Running(PACKED, output_order=runner.running.output_order):
            alone = []  # a single row was alone
        mixed = np.array([2, 0, 3, 1, 2])
        strangers = Rows(self.rows.example[mixed], self.rows.alpha[mixed])
        try:
            same = [self._same(runner.outputs(rows), [i]) for i, rows in enumerate(alone)]
            same.append(self._same(runner.outputs(strangers), mixed))
        except (RunFailed, ValueError, IndexError):
            return REFUSED
        return MET if all(same) else DIFFERENT

    def _same(self, outputs: np.ndarray, which: Any) -> bool:
        return agree(outputs, self.outputs[which], self.outputs)


def telling_rows(batch: Batch) -> np.ndarray:
    """The rows with least and with most in them: those that feel their company most."""
    return by_size(batch)[[0, -1]]


def by_size(batch: Batch) -> np.ndarray:
    """The rows of a batch, those with least in them first, by lengths, masks, texts.

    A graph that cuts or pads to the longest row of the batch couples nothing while all are equally long, nor the
    longest row ever; feeds with few numbers a row (lengths) decide before those with many. Not ``lengths.of_rows``:
    that guesses how long a row takes, while here any number by which rows differ may matter, masks and flags too.
    """
    sizes = [np.bincount(owner, minlength=batch.count)[:batch.count, None] for owner in batch.owner]
    for fed in batch.feeds.values():
        if fed.part == "indices":
            sizes.append(np.bincount(fed.value[:, 0], minlength=batch.count)[:batch.count, None])
        elif fed.block and not fed.part and fed.value.size and fed.value.dtype.kind in "biufO":
            numbers = fed.value if fed.value.dtype.kind != "O" else np.vectorize(len)(fed.value)
            sizes.append(np.moveaxis(numbers, fed.axis, 0).reshape(batch.count, -1))
    sizes.sort(key=lambda each: -each.shape[1])
    return np.lexsort([np.arange(batch.count)] + [np.nan_to_num(each.sum(1, dtype=np.float64)) for each in sizes])


def holds(engine: Engine, batch: Batch, running: Running, outputs: np.ndarray) -> bool:
    """Whether a way of running that was right for another feed is right for this one, by its telling rows alone.

    Args:
      outputs: the output rows ``[batch, elements]`` of the caller's own batch.
    """
    runner = PointRunner(engine, batch, running)
    try:
        return all(agree(runner.outputs(Rows(np.array([row]), np.array([1.0]))), outputs[[row]], outputs)
                   for row in (telling_rows(batch) if batch.count > 1 else ()))
    except (RunFailed, ValueError, IndexError):
        return False


def rows_follow(engine: Engine, batch: Batch, running: Running, outputs: np.ndarray) -> bool:
    """Whether examples that change places take their output rows along (else the output has its batch elsewhere).

    The elements within a row may change places too, as scores of each example against all others do.
    """
    if any(not fed.block and fed.value.ndim and len(fed.value) > 1 for fed in batch.feeds.values()):
        return True  # cannot be told: that feed may follow the rows in a way that is not known
    moved = np.roll(np.arange(batch.count), 1)
    for feeds in _ways_to_belong(batch.feeds):
        runner = PointRunner(engine, batch._replace(feeds=feeds), running._replace(mode=PACKED, only=batch.count))
        try:
            found = runner.outputs(Rows(moved, np.ones(batch.count)))
            if agree(np.sort(found, axis=1), np.sort(outputs[moved], axis=1), outputs):
                return True
        except (RunFailed, ValueError, IndexError):
            return True  # cannot be told
    return False


def agree(found: np.ndarray, expected: np.ndarray, outputs: np.ndarray) -> bool:
    """Whether scores or output rows are the same but for rounding, given what size outputs have."""
    return np.shape(found) == np.shape(expected) and _difference(
        np.asarray(found, np.float64), np.asarray(expected, np.float64)) <= SAME * _size(outputs)


def in_company(probed: Probed, count: int) -> Probed:
    """What is left to do where points that shared a run gave other scores than the rows by themselves."""
    running = Running(IN_COMPANY if count > 1 else ONE_AT_A_TIME, output_order=probed.running.output_order,
                      coupled=True)
    return probed._replace(running=running, notes=probed.notes + _notes(running, count))


def kept_apart(probed: Probed, count: int) -> Probed:
    """The same where rows keep their company, and whole feeds of one row show that none of them notices it."""
    coupled = _notes(probed.running, count)
    return probed._replace(running=probed.running._replace(coupled=False), notes=tuple(
        _APART if note in coupled else note for note in probed.notes))


def padded(probed: Probed) -> Probed:
    """The same where the graph pads rows to the longest of the feed, and they notice."""
    return probed._replace(running=probed.running._replace(coupled=True), notes=probed.notes + (_PADDED,))


def alike(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two runs gave the same outputs, but for what kernels for different batch sizes do."""
    return _difference(np.asarray(first, np.float64), second) <= SAME * _size(np.asarray(second))


def _difference(first: np.ndarray, second: np.ndarray) -> float:
    """Largest difference; two values that are not finite in the same way are the same."""
    same = (first == second) | (np.isnan(first) & np.isnan(second))
    with np.errstate(invalid="ignore"):
        difference = np.where(same, 0.0, np.abs(np.asarray(first, np.float64) - second))
    return float(np.max(np.where(np.isnan(difference), np.inf, difference))) if difference.size else 0.0


def _size(outputs: np.ndarray) -> float:
    finite = np.abs(outputs[np.isfinite(outputs)])
    return float(finite.max()) if finite.size and finite.max() > 0 else 1.0


def _ways_to_run(count: int, fixed: bool) -> List[Running]:
    wide = [] if fixed else [Running(PACKED), Running(PACKED, least=2)]
    return wide + ([Running(FIXED_BATCH, only=count)] if count > 1 else [])


def _ways_to_belong(feeds: Dict[str, FedTensor]) -> List[Dict[str, FedTensor]]:
    """The likeliest way first, then with each undecided feed (and with all of them) shared by all rows."""
    undecided = [name for name, fed in feeds.items() if not fed.decided]
    ways = [dict(feeds)]
    for names in [[name] for name in undecided] + ([undecided] if len(undecided) > 1 else []):
        ways.append({name: fed._replace(block=0) if name in names else fed for name, fed in feeds.items()})
    return ways


def output_orders(shape: Sequence[int], count: int, batch_axis: int) -> List[Tuple[int, ...]]:
    """Orders of an output's axes in which its rows may come first, likeliest first, told by its sizes.

    One that is longer than the shape means that the rows take turns along the first axis, which is two:
    ``[steps * rows, classes]`` of steps that were put one below the other.
    """
    axes = [axis for axis in range(len(shape)) if shape[axis] == count]
    axes.sort(key=lambda axis: axis != batch_axis if len(shape) > 2 else axis)
    found = [tuple([axis] + [other for other in range(len(shape)) if other != axis]) for axis in axes]
    if shape and shape[0] > count and shape[0] % count == 0:
        found.append((1, 0) + tuple(range(2, len(shape) + 1)))
    return found or [tuple(range(len(shape)))]


def in_order(raw: np.ndarray, count: int, order: Sequence[int]) -> np.ndarray:
    """An output with its axes in one of ``output_orders``, rows first."""
    if len(order) > raw.ndim:
        raw = raw.reshape((-1, count) + raw.shape[1:])
    return raw.transpose(order)


_PADDED = ("the graph pads texts to the longest of the feed, and reads the padding: alone, or beside other texts, a "
           "row has another score; each row was explained as it is in this feed")
_APART = ("no row of the feed notices the others, but other rows cannot share a run (the graph pads them to the longest"
          ", or counts them): each row was run beside the others, one point at a time")


def _notes(running: Running, count: int) -> Tuple[str, ...]:
    if running.mode == FIXED_BATCH:
        return ("the graph takes exactly %s rows; points were run %s at a time" % (running.only, running.only),)
    if running.mode == PACKED:
        return ()
    if not running.coupled:
        return ("the graph takes exactly %d row%s, and points were run one at a time" % (count, "s" * (count != 1)),)
    return ("rows of a batch influence each other (batch norm in training mode, a mean over the batch, …): each row "
            "was explained in the company of the other rows of the feed, which were held fixed, one point at a time",)
