"""Points of several examples packed into one run, or run in whatever narrower way is right for the graph."""

import time
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

import numpy as np

from tf1_ig.engine import lengths, nonfinite
from tf1_ig.engine.feeds import FedTensor, RowEntries, as_slice, row_vectors, take_rows
from tf1_ig.engine.operated import Engine, PathPoints
from tf1_ig.engine.run_sizes import NO_LIMITS, RunLimits, RunSizes
from tf1_ig.engine.target import Terms
from tf1_ig.errors import OutOfMemoryError
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

    @property
    def still(self) -> np.ndarray:
        """The rows whose path is a single point, as their entries are those of the baseline: bool ``[count]``."""
        moves = np.zeros(self.count, bool)
        for own, start, owner in zip(self.actual, self.baseline, self.owner):
            moves[owner[(own != start).any(axis=tuple(range(1, own.ndim)))]] = True
        return ~moves


class Fed(NamedTuple):
    """The rows of a batch that stand where they were fed, wherever on their path, bool ``[count]``; and what came out.

    What such a row scores is one number, while two runs of it differ by rounding; where they differ by more, as
    something is random, nothing is known of any row. ``outputs`` are the output rows of
    the whole batch under the feed, ``[count, elements]``; of the caller's batch, where this is that many times over.
    """

    rows: np.ndarray
    outputs: np.ndarray

    def take(self, examples: np.ndarray) -> "Fed":
        return Fed(self.rows[examples], self._outputs(examples))

    def into(self, found: np.ndarray, example: np.ndarray, label: Optional[Terms] = None) -> np.ndarray:
        """Output rows of some examples, or their scores under a label, with what is known written over it."""
        known = np.flatnonzero(self.rows[example])
        if len(known):
            outputs = self._outputs(example[known])
            found[known] = outputs if label is None else label.take(example[known]).of(outputs)
        return found

    def _outputs(self, examples: np.ndarray) -> np.ndarray:
        return self.outputs[examples % max(1, len(self.outputs))]


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
    """Evaluates rows of a batch through an engine; ``fed`` tells what is known of rows that do not move."""

    def __init__(self, engine: Engine, batch: Batch, running: Running, label: Optional[Terms] = None,
                 sizes: Optional[RunSizes] = None, on_rows: Callable[[int], None] = lambda rows: None,
                 row_lengths: Optional[np.ndarray] = None, fed: Optional[Fed] = None):
        self.engine, self.batch, self.running = engine, batch, running
        self.label, self.scored = label or Terms.single(np.zeros(0)), label is not None
        self.count = batch.count
        self.sizes = sizes or RunSizes(RunSizes.FIRST, RunLimits(RunSizes.FIRST))
        self.on_rows, self.fed = on_rows, fed or Fed(np.zeros(batch.count, bool), np.zeros((batch.count, 0)))
        self._entries_of, self._lengths = batch.entries_of, row_lengths
        self._larger: List[np.ndarray] = []  # by row, the larger magnitude of each entry at the ends of its path

    @property
    def floats(self) -> int:  # type: ignore[override]
        return max(1, sum(actual.size for actual in self.batch.actual) // max(1, self.count))

    @property
    def magnitude(self) -> Optional[np.ndarray]:
        return self.label.size if self.scored else None

    def entries(self, example: int) -> np.ndarray:
        if not self._larger:
            self._larger = row_vectors([np.maximum(np.abs(own), np.abs(start)) for own, start in zip(
                self.batch.actual, self.batch.baseline)], self._entries_of, self.count)
        return self._larger[example]

    @property
    def at_once(self) -> int:
        return 1 if self.running.mode in (IN_COMPANY, ONE_AT_A_TIME) else self.running.only or self.sizes.next(1 << 30)

    @property
    def lengths(self) -> np.ndarray:
        """How long each row of the batch is, in numbers that only compare."""
        if self._lengths is None:
            batch = self.batch
            self._lengths = lengths.of_rows(batch.count, batch.actual, batch.owner, batch.feeds)
        return self._lengths

    def on(self, batch: Batch, label: Optional[Terms], running: Optional[Running] = None, fed: Optional[Fed] = None
           ) -> "PointRunner":
        """The same on another batch of the same kind of rows; without a label rows do not count as progress."""
        return PointRunner(self.engine, batch, running or self.running, label, self.sizes,
                           self.on_rows if label is not None else lambda rows: None, fed=fed)

    def example_done(self) -> None:
        told = getattr(self.on_rows, "example_done", None)
        if told is not None:
            told()

    # -- what integration asks ---------------------------------------------------------------------------------------

    def outputs(self, rows: Rows) -> np.ndarray:
        """Output rows ``[rows, elements]``."""
        return self.fed.into(np.concatenate([found[run.taken] for run, found in self._runs(
            rows, lambda run: self.engine.run_outputs(run.points, self.running.output_order))]), rows.example)

    def scores(self, rows: Rows) -> np.ndarray:
        scores = np.concatenate([found[run.taken] for run, found in self._runs(
            rows, lambda run: self.engine.run_scores(run.points, self.running.output_order,
                                                     self.label.take(run.rows.example)))]).astype(np.float64)
        return self.fed.into(scores, rows.example, self.label)

    def gradients(self, rows: Rows) -> Evaluated:
        count = len(rows.example)
        scores, slopes, nothing = np.zeros(count), np.zeros(count), np.zeros(0, np.float32)
        vectors, parts = [nothing] * count, [nothing] * count
        for run, (score, by_input) in self._runs(rows, lambda run: self.engine.run_gradients(
                run.points, self.running.output_order, self.label.take(run.rows.example), run.share), along_path=True):
            # Copies: a view would keep the whole run in memory as long as one of its rows is refined.
            split = [run.entries_by_row(number) for number in range(len(by_input))]
            for found, which in ((parts, 0), (vectors, 1)):
                pieces = [[arrays[which][some].ravel() for some in of_rows] for of_rows, arrays in zip(split, by_input)]
                of_row = (np.concatenate(row) for row in zip(*pieces))
                for place, vector in zip(run.asked.tolist(), of_row):
                    found[place] = vector
            scores[run.asked] = score[run.taken]
            for position, (part, _) in zip(run.position, by_input):
                slopes[run.asked] += np.bincount(position, part.sum(axis=1, dtype=np.float64), len(score))[run.taken]
            self.on_rows(len(run.taken))
        return Evaluated(self.fed.into(scores, rows.example, self.label), slopes, vectors, parts)

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
        flat = row_vectors(totals, self._entries_of, self.count)
        return self.fed.into(scores, rows.example, self.label), flat

    def first_not_finite(self, example: int, alphas: np.ndarray) -> str:
        """The op that makes the score or the gradient of one example not finite at the first of these points."""
        def first() -> str:
            found = self.gradients(Rows(np.full(len(alphas), example), np.asarray(alphas, np.float64)))
            for alpha, score, vector in zip(alphas, found.score, found.gradient):
                if not (np.isfinite(score) and np.isfinite(vector).all()):
                    return nonfinite.origin(self._traced(example, alpha))
            return ""

        pace = self.engine.pace
        return first() if pace is None else pace.unless_late(first, "", "which op is the first that is not finite")

    def first_jump(self, example: int, low: float, high: float) -> str:
        """The op that makes the score of one example jump between two points of its path."""
        return nonfinite.jump([self._traced(example, alpha) for alpha in (0.0, low, high, 1.0)])

    def _traced(self, example: int, alpha: float) -> nonfinite.Traced:
        run = self._alone(example, alpha)
        return self.engine.traced(run.points, self.running.output_order, self.label.take(run.rows.example), run.share)

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
                run = self._alone(int(example), float(alpha))._replace(asked=np.array([place]))
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

    def _alone(self, example: int, alpha: float) -> "_Run":
        """A run that asks a single row."""
        if self.running.mode in (IN_COMPANY, ONE_AT_A_TIME):
            return self._in_company(example, alpha)
        return self.packed(Rows(np.array([example]), np.array([alpha])), self.running.only or self.running.least)

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
