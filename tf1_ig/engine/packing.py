"""Points of several examples packed into one run, or run in whatever narrower way is right for the graph."""

import threading
import time
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

import numpy as np

from tf1_ig.engine import lengths, memory
from tf1_ig.engine.feeds import FedTensor, RowEntries, as_slice, end_to_end, take_rows
from tf1_ig.engine.operated import Engine, PathPoints
from tf1_ig.engine.target import Terms
from tf1_ig.errors import MethodError, OutOfMemoryError
from tf1_ig.integrate import Evaluated, Evaluator, Rows

# How points were run, in the words of the result.
PACKED = "packed"
FIXED_BATCH = "fixed batch"
IN_COMPANY = "in company"
ONE_AT_A_TIME = "one at a time"
# Most rows in one run, and most floats of attributed tensors in one run: how many are best is learnt below that. Loops
# gain a little more from more rows, at the cost of memory.
ROWS_PER_RUN, FLOATS_PER_RUN = 320, 1 << 21
# Rows of the two runs whose difference tells what a row takes.
_TRACED_ROWS = (4, 8)


class Batch(NamedTuple):
    """The caller's batch: attributed entries, the row each belongs to, and the other feeds."""

    count: int  # type: ignore[assignment]  # tuples have a method of that name
    actual: List[np.ndarray]
    baseline: List[np.ndarray]
    owner: List[np.ndarray]
    feeds: Dict[str, FedTensor]

    @property
    def entries_of(self) -> List[RowEntries]:
        return [RowEntries(owner, self.count) for owner in self.owner]


class Running(NamedTuple):
    """How rows may be run: any number of them, a fixed number, or only the caller's own batch."""

    mode: str
    # Least number of rows in a run (a graph that squeezes its batch away at one row needs two).
    least: int = 1
    # The only number of rows the graph takes, or ``None``.
    only: Optional[int] = None
    # Of the output's axes: brings the rows to the front; one longer than those, where the first is steps and rows.
    output_order: Optional[Tuple[int, ...]] = None
    # Whether a row notices which others are in its run; ``None``: it could not be measured.
    coupled: Optional[bool] = False


class RunLimits(NamedTuple):
    """What the caller says about the size of runs.

    Raises (by ``checked``):
      MethodError: it is not a positive whole number.
    """

    batch_size: Optional[int] = None
    memory: Optional[int] = None    # bytes of all tensors of a run

    def checked(self) -> "RunLimits":
        for name, value in (("batch_size", self.batch_size), ("memory_limit", self.memory)):
            if value is not None and (not isinstance(value, (int, np.integer)) or value < 1):
                raise MethodError("{argument} must be a whole number of at least 1, or None, not %r" % (value,),
                                  argument=name)
        return self


NO_LIMITS = RunLimits()


class RunSizes:
    """How many rows a run should hold, learnt from the runs themselves: none is made for the measurement alone.

    320 rows are compared with 160; where the larger run clearly pays, larger ones are tried (loops gain up to a
    thousand rows), where it clearly does not, smaller ones; where both are alike memory decides and nothing larger is
    tried. Rows that are left over are spread over runs of equal size, so that no tail runs as a tiny batch.

    Args:
      most: never more rows than this (bounds memory).
      limits: a ``batch_size`` is taken as it is, nothing is learnt; with a limit of memory nothing larger is tried.
        Without either, runs stay within what ``memory.Room`` finds.
      weights: bytes of the model's own numbers.
    """

    FIRST, LEAST = 320, 32
    # Turns of four runs; the first of them sets up the memory of both sizes and does not count.
    TURNS = 3
    # A size is better than another when it saves more than this share of the time.
    PAYS = 0.05

    def __init__(self, most: int, limits: RunLimits = NO_LIMITS, weights: Optional[int] = None):
        self.most = max(1, int(limits.batch_size or most))
        self.best = limits.batch_size or min(self.most, self.FIRST)
        self.memory = limits.memory
        self.room = memory.Room(weights) if limits == NO_LIMITS else None
        self._seconds: Dict[int, List[float]] = {}
        self._trying: List[int] = []
        self._lock = threading.Lock()  # explanations in several threads learn together
        if limits == NO_LIMITS and self.best >= 2 * self.LEAST:
            self._try(self.best // 2)

    def bound(self, fixed: int, each: int) -> None:
        """Keeps runs within the limit of memory: so many bytes whatever the rows, and so many for each row.

        Raises:
          MethodError: not even one row fits.
        """
        if self.memory is None:
            return
        if fixed + each > self.memory:
            raise MethodError("{argument} bytes is less than a run of a single row takes (%d bytes); allow more" % (
                fixed + each), argument="memory_limit", value=str(self.memory))
        self.most = min(self.most, (self.memory - fixed) // each)
        self.best, self.memory = min(self.best, self.most), None

    def next(self, left: int) -> int:
        """Rows of the next run when ``left`` rows are still to be run."""
        trying = self._trying[:1]
        if trying and left >= trying[0]:
            return trying[0]
        return -(-left // -(-left // self.best))

    def took(self, rows: int, seconds: float) -> None:
        """A run of that many rows took so long."""
        with self._lock:
            if rows != (self._trying or [0])[0]:
                return
            self._seconds.setdefault(rows, []).append(seconds / rows)
            self._trying.pop(0)
            if not self._trying:
                self._compare()

    def _try(self, rows: int) -> None:
        """Runs of the best size and of another take turns, so that whatever else the machine does slows both.

        To and fro, because rows get shorter from run to run.
        """
        self._rival, self._trying = rows, [self.best, rows, rows, self.best] * self.TURNS

    def _compare(self) -> None:
        best, new = (sum(self._seconds[rows][2 - 2 * self.TURNS:]) for rows in (self.best, self._rival))
        further = 0
        if new < (1 - self.PAYS) * best:
            further = 2 * self._rival if self._rival > self.best else self._rival // 2
            self.best = self._rival
        elif self._rival < self.best and best < (1 - self.PAYS) * new:
            further = 2 * self.best
        known = any(abs(further - size) <= 1 for size in self._seconds)  # half of 171 and twice that are 85 and 170
        if self.LEAST <= further <= self.most and not known:
            self._try(further)

    def exhausted(self, rows: int) -> None:
        """A run of that many rows did not fit into memory."""
        self.most = max(1, rows // 2)
        self.best = min(self.best, self.most)
        self._trying = []


class KeptSizes:
    """What one explainer has learnt about the size of its runs, by engine and for rows of about the same length."""

    def __init__(self, weights: Optional[int] = None) -> None:
        self._known: Dict[Tuple[str, int], RunSizes] = {}
        self._weights = weights  # bytes

    def of(self, batch: Batch, limits: RunLimits, engine: str = "plain") -> RunSizes:
        """The sizes for rows like those of a batch; with limits of the caller's own nothing is learnt."""
        floats = max(1, sum(array.size for array in batch.actual) // batch.count)
        most = max(1, min(ROWS_PER_RUN, FLOATS_PER_RUN // floats))
        if limits != NO_LIMITS:
            return RunSizes(most, limits)
        return self._known.setdefault((engine, floats.bit_length()), RunSizes(most, weights=self._weights))


class PointRunner(Evaluator):
    """Evaluates rows of a batch through an engine."""

    def __init__(self, engine: Engine, batch: Batch, running: Running, label: Optional[Terms] = None,
                 sizes: Optional[RunSizes] = None, on_rows: Callable[[int], None] = lambda rows: None,
                 row_lengths: Optional[np.ndarray] = None):
        self.engine, self.batch, self.running = engine, batch, running
        self.label, self.scored = label or Terms.single(np.zeros(0)), label is not None
        self.count = batch.count
        self.sizes = sizes or RunSizes(RunSizes.FIRST, RunLimits(RunSizes.FIRST))
        self.on_rows = on_rows
        self._entries_of, self._lengths = batch.entries_of, row_lengths

    @property
    def floats(self) -> int:  # type: ignore[override]
        return max(1, sum(actual.size for actual in self.batch.actual) // max(1, self.count))

    @property
    def magnitude(self) -> Optional[np.ndarray]:
        return self.label.size if self.scored else None

    @property
    def lengths(self) -> np.ndarray:
        """How long each row of the batch is, in numbers that only compare."""
        if self._lengths is None:
            batch = self.batch
            self._lengths = lengths.of_rows(batch.count, batch.actual, batch.owner, batch.feeds)
        return self._lengths

    def on(self, batch: Batch, label: Optional[Terms], running: Optional[Running] = None) -> "PointRunner":
        """The same on another batch of the same kind of rows; without a label rows do not count as progress."""
        return PointRunner(self.engine, batch, running or self.running, label, self.sizes,
                           self.on_rows if label is not None else lambda rows: None)

    def example_done(self) -> None:
        told = getattr(self.on_rows, "example_done", None)
        if told is not None:
            told()

    # -- what integration asks ---------------------------------------------------------------------------------------

    def outputs(self, rows: Rows) -> np.ndarray:
        """Output rows ``[rows, elements]``."""
        return np.concatenate([found[run.taken] for run, found in self._runs(
            rows, lambda run: self.engine.run_outputs(run.points, self.running.output_order))])

    def scores(self, rows: Rows) -> np.ndarray:
        return np.concatenate([found[run.taken] for run, found in self._runs(
            rows, lambda run: self.engine.run_scores(run.points, self.running.output_order,
                                                     self.label.take(run.rows.example)))]).astype(np.float64)

    def gradients(self, rows: Rows) -> Evaluated:
        count = len(rows.example)
        scores, slopes, nothing = np.zeros(count), np.zeros(count), np.zeros(0, np.float32)
        vectors, parts = [nothing] * count, [nothing] * count
        for run, (score, by_input) in self._runs(rows, lambda run: self.engine.run_gradients(
                run.points, self.running.output_order, self.label.take(run.rows.example), run.share), along_path=True):
            for place, of_row in zip(run.asked, zip(*(run.entries_by_row(number) for number in range(len(by_input))))):
                # Copies: a view would keep the whole run in memory as long as one of its rows is refined.
                parts[place] = _copied([part[some] for some, (part, _) in zip(of_row, by_input)])
                vectors[place] = _copied([vector[some] for some, (_, vector) in zip(of_row, by_input)])
            scores[run.asked] = score[run.taken]
            for position, (part, _) in zip(run.position, by_input):
                slopes[run.asked] += np.bincount(position, part.sum(axis=1, dtype=np.float64), len(score))[run.taken]
            self.on_rows(len(run.taken))
        return Evaluated(scores, slopes, vectors, parts)

    def weighted(self, rows: Rows, weights: np.ndarray) -> Tuple[np.ndarray, List[np.ndarray]]:
        totals = [np.zeros(actual.shape, np.float64) for actual in self.batch.actual]
        scores = np.zeros(len(rows.example))

        def execute(run: "_Run") -> Any:
            padded = np.zeros(len(run.rows.example))
            padded[run.taken] = weights[run.asked]
            return self.engine.run_weighted(run.points, self.running.output_order, self.label.take(run.rows.example),
                                            run.share, [padded[position] for position in run.position])

        for run, (score, by_input) in self._runs(rows, execute, along_path=True):
            scores[run.asked] = score[run.taken]
            for total, held, part in zip(totals, run.held, by_input):
                total[as_slice(held)] += part
            self.on_rows(len(run.taken))
        flat = [end_to_end([total[as_slice(entries_of.of(example))]
                            for total, entries_of in zip(totals, self._entries_of)])
                for example in range(self.count)]
        return scores, flat

    def first_not_finite(self, example: int, alphas: np.ndarray) -> str:
        """The op that makes the score or the gradient of one example not finite at the first of these points."""
        points = Rows(np.full(len(alphas), example), np.asarray(alphas, np.float64))
        found = self.gradients(points)
        for alpha, score, vector in zip(alphas, found.score, found.gradient):
            if not (np.isfinite(score) and np.isfinite(vector).all()):
                runs = self._runs(Rows(np.array([example]), np.array([alpha])), lambda run: (
                    self.engine.first_not_finite(run.points, self.running.output_order,
                                                 self.label.take(run.rows.example), run.share)))
                return next(words for _, words in runs)
        return ""

    # -- how rows become runs ----------------------------------------------------------------------------------------

    def _runs(self, rows: Rows, execute: Callable[["_Run"], Any], along_path: bool = False
              ) -> Iterator[Tuple["_Run", Any]]:
        """Runs that make up the rows, with what ``execute`` found; one that does not fit into memory is halved.

        ``along_path``: it is much work. Long rows come first, those of one length together, those of one example side
        by side, and what it takes is learnt from. Other runs keep the order that they were asked in: who is next to
        whom is what the probe tries.
        """
        if self.running.mode in (IN_COMPANY, ONE_AT_A_TIME):
            for place, (example, alpha) in enumerate(zip(rows.example, rows.alpha)):
                run = self._in_company(int(example), float(alpha))._replace(asked=np.array([place]))
                yield run, execute(run)
            return
        order = np.lexsort((rows.example, -self.lengths[rows.example])) if along_path else np.arange(len(rows.example))
        start, least = 0, self.running.only or self.running.least
        if self.sizes.memory is not None and self.scored:
            self.sizes.bound(*self._bytes())
        while start < len(rows.example):
            size = self.running.only or self.sizes.next(len(rows.example) - start)
            room = self.sizes.room if along_path and not self.running.only else None
            size = size if room is None else room.rows(size)
            asked = order[start:start + size]
            run = self.packed(Rows(rows.example[asked], rows.alpha[asked]), least)._replace(asked=asked)
            begun = time.perf_counter()
            try:
                found = execute(run)
            except OutOfMemoryError:
                if size <= least:
                    raise
                self.sizes.exhausted(size)
                continue
            seconds = time.perf_counter() - begun
            if along_path and not self.running.only:
                self.sizes.took(size, seconds)
            if room is not None:
                room.ran(size, seconds)
            start += size
            yield run, found

    def _bytes(self) -> Tuple[int, int]:
        """Bytes of all tensors that a run with gradients makes whatever its rows, and for each of the longest rows."""
        entries = np.sum([np.bincount(owner, minlength=self.count) for owner in self.batch.owner], axis=0)
        longest = np.lexsort((-self.lengths, -entries))
        few, more = (self.engine.traced_bytes(run.points, self.running.output_order, self.label.take(run.rows.example),
                                              run.share)
                     for run in (self.packed(Rows(np.sort(np.resize(longest, rows)), np.ones(rows)))
                                 for rows in _TRACED_ROWS))
        each = -(-(more - few) // (_TRACED_ROWS[1] - _TRACED_ROWS[0]))
        return max(0, few - each * _TRACED_ROWS[0]), max(1, each)

    def packed(self, rows: Rows, least: Optional[int] = None) -> "_Run":
        """One run of these rows, filled up to the least number of rows that the graph takes."""
        least = self.running.least if least is None else least
        taken = np.arange(len(rows.example))
        lacking = max(least - len(taken), 0)
        # Rows that only fill the batch repeat the last one, with weight 0 and the same example, so that nothing of
        # one example can leak into another.
        rows = Rows(np.concatenate([rows.example, np.repeat(rows.example[-1:], lacking)]),
                    np.concatenate([rows.alpha, np.repeat(rows.alpha[-1:], lacking)]))
        examples = np.unique(rows.example)
        actual, baseline, entry, alpha, positions, holds = [], [], [], [], [], []
        for number, entries_of in enumerate(self._entries_of):
            held, _ = entries_of.take(examples)
            place = np.empty(len(self.batch.actual[number]), np.int32)
            place[held] = np.arange(len(held))
            entries, position = entries_of.take(rows.example)
            actual.append(self.batch.actual[number][as_slice(held)])
            baseline.append(self.batch.baseline[number][as_slice(held)])
            entry.append(place[entries])
            alpha.append(rows.alpha[position])
            positions.append(position)
            holds.append(held)
        feeds = take_rows(self.batch.feeds, rows.example, self.count)
        share = np.zeros(len(rows.example))
        share[taken] = 1.0
        return _Run(PathPoints(actual, baseline, entry, alpha, len(rows.example), feeds), rows, taken, share, positions,
                    holds, taken)

    def points_in_company(self, example: int, alpha: float) -> PathPoints:
        """The caller's own feed, with one row part of the way to its baseline."""
        return self._in_company(example, alpha).points

    def _in_company(self, example: int, alpha: float) -> "_Run":
        """The caller's own feed, with one row part of the way to its baseline and the others where they are."""
        everyone = np.arange(self.count)
        share = (everyone == example).astype(np.float64)
        rows = Rows(everyone, np.where(everyone == example, alpha, 1.0))
        points = PathPoints(self.batch.actual, self.batch.baseline,
                            [np.arange(len(owner), dtype=np.int32) for owner in self.batch.owner],
                            [rows.alpha[owner] for owner in self.batch.owner], self.count,
                            {name: fed.value for name, fed in self.batch.feeds.items()})
        return _Run(points, rows, np.array([example]), share, list(self.batch.owner),
                    [np.arange(len(owner)) for owner in self.batch.owner], np.zeros(1, int))


def _copied(arrays: List[np.ndarray]) -> np.ndarray:
    """Arrays as one flat one of their own."""
    return arrays[0].flatten() if len(arrays) == 1 else np.concatenate([array.ravel() for array in arrays])


class _Run(NamedTuple):
    points: PathPoints
    rows: Rows                   # every row of the run, filling included
    taken: np.ndarray            # the rows that were asked for
    share: np.ndarray
    position: List[np.ndarray]   # by input: the row each point belongs to
    held: List[np.ndarray]       # by input: the batch's entries behind ``points.actual``
    asked: np.ndarray            # where each row of ``taken`` is among the rows that were asked for

    def entries_by_row(self, number: int) -> List[Any]:
        """Points of input ``number`` for each row that was asked for: what to index them by."""
        position = self.position[number]
        if (np.diff(position) >= 0).all():
            ends = np.cumsum(np.bincount(position, minlength=len(self.rows.example))).tolist()
            return [slice(ends[row - 1] if row else 0, ends[row]) for row in self.taken.tolist()]
        entries_of = RowEntries(position, len(self.rows.example))
        return [entries_of.of(row) for row in self.taken]
