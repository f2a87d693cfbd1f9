"""Points of several examples packed into one run, or run in whatever narrower way is right for the graph."""

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from graph_tools import _tf
from tf1_ig.engine import Engine, PathPoints
from tf1_ig.feeds import FedTensor, ragged_take, rows_of, take_rows
from tf1_ig.integrate import Evaluated, Evaluator, Rows

# How points were run, in the words of the result.
PACKED = "packed"
FIXED_BATCH = "fixed batch"
IN_COMPANY = "in company"
ONE_AT_A_TIME = "one at a time"


class Batch(NamedTuple):
    """The caller's batch: attributed entries, the row each belongs to, and the other feeds."""

    count: int
    actual: List[np.ndarray]
    baseline: List[np.ndarray]
    owner: List[np.ndarray]
    feeds: Dict[str, FedTensor]

    @property
    def entries_of(self) -> List[Dict[int, np.ndarray]]:
        return [rows_of(owner) for owner in self.owner]


class Running(NamedTuple):
    """How rows may be run: any number of them, a fixed number, or only the caller's own batch."""

    mode: str
    # Least number of rows in a run (a graph that squeezes its batch away at one row needs two).
    least: int = 1
    # The only number of rows the graph takes, or ``None``.
    only: Optional[int] = None
    output_order: Optional[Tuple[int, ...]] = None


class PointRunner(Evaluator):
    """Evaluates rows of a batch through an engine."""

    def __init__(self, engine: Engine, batch: Batch, running: Running, label: Optional[np.ndarray] = None,
                 rows_per_run: int = 256, on_rows: Callable[[int], None] = lambda rows: None):
        self.engine, self.batch, self.running, self.label = engine, batch, running, label
        self.count = batch.count
        self.rows_per_run = rows_per_run
        self._on_rows = on_rows
        self._entries_of = batch.entries_of

    # -- what integration asks ---------------------------------------------------------------------------------------

    def outputs(self, rows: Rows) -> np.ndarray:
        """Output rows ``[rows, elements]``."""
        return np.concatenate([
            self.engine.run_outputs(run.points, self.running.output_order)[run.taken] for run in self._runs(rows)])

    def scores(self, rows: Rows) -> np.ndarray:
        return np.concatenate([
            self.engine.run_scores(run.points, self.running.output_order, self.label[run.rows.example])[run.taken]
            for run in self._runs(rows)]).astype(np.float64)

    def gradients(self, rows: Rows) -> Evaluated:
        scores, slopes, vectors = [], [], []
        for run in self._runs(rows):
            score, by_input = self.engine.run_gradients(run.points, self.running.output_order,
                                                        self.label[run.rows.example], run.share)
            slope = sum(np.bincount(position, slope, len(run.rows.example)) for position, (slope, _) in zip(
                run.position, by_input))
            parts = [[gradient[entries] for entries in run.entries_by_row(number)]
                     for number, (_, gradient) in enumerate(by_input)]
            vectors += [np.concatenate([part[row].ravel() for part in parts]) for row in range(len(run.taken))]
            scores.append(score[run.taken])
            slopes.append(slope[run.taken])
            self._on_rows(len(run.taken))
        return Evaluated(np.concatenate(scores).astype(np.float64), np.concatenate(slopes), vectors)

    def weighted(self, rows: Rows, weights: np.ndarray) -> Tuple[np.ndarray, np.ndarray, List[np.ndarray]]:
        totals = [np.zeros(actual.shape, np.float64) for actual in self.batch.actual]
        scores, slopes, start = [], [], 0
        for run in self._runs(rows):
            padded = np.zeros(len(run.rows.example))
            padded[run.taken] = weights[start:start + len(run.taken)]
            start += len(run.taken)
            score, by_input = self.engine.run_weighted(
                run.points, self.running.output_order, self.label[run.rows.example], run.share,
                [padded[position] for position in run.position])
            slopes.append(sum(np.bincount(position, slope, len(run.rows.example)) for position, (slope, _) in zip(
                run.position, by_input))[run.taken])
            scores.append(score[run.taken])
            for total, held, (_, part) in zip(totals, run.held, by_input):
                total[held] += part
            self._on_rows(len(run.taken))
        flat = [np.concatenate([total[entries_of.get(example, ())].ravel() if example in entries_of else np.zeros(0)
                                for total, entries_of in zip(totals, self._entries_of)])
                for example in range(self.count)]
        return np.concatenate(scores).astype(np.float64), np.concatenate(slopes), flat

    # -- how rows become runs ----------------------------------------------------------------------------------------

    def _runs(self, rows: Rows):
        if self.running.mode in (IN_COMPANY, ONE_AT_A_TIME):
            for example, alpha in zip(rows.example, rows.alpha):
                yield self._in_company(int(example), float(alpha))
            return
        size = self.running.only or max(self.rows_per_run, self.running.least)
        for start in range(0, len(rows.example), size):
            part = Rows(rows.example[start:start + size], rows.alpha[start:start + size])
            yield self._packed(part, self.running.only or self.running.least)

    def _packed(self, rows: Rows, least: int) -> "_Run":
        taken = np.arange(len(rows.example))
        lacking = max(least - len(taken), 0)
        # Rows that only fill the batch repeat the last one, with weight 0 and the same example, so that nothing of
        # one example can leak into another.
        rows = Rows(np.concatenate([rows.example, np.repeat(rows.example[-1:], lacking)]),
                    np.concatenate([rows.alpha, np.repeat(rows.alpha[-1:], lacking)]))
        examples, local = np.unique(rows.example, return_inverse=True)
        actual, baseline, entry, alpha, positions, holds = [], [], [], [], [], []
        for number, entries_of in enumerate(self._entries_of):
            held, _ = ragged_take(entries_of, examples)
            place = np.empty(len(self.batch.actual[number]), np.int32)
            place[held] = np.arange(len(held))
            entries, position = ragged_take(entries_of, rows.example)
            actual.append(self.batch.actual[number][held])
            baseline.append(self.batch.baseline[number][held])
            entry.append(place[entries])
            alpha.append(rows.alpha[position])
            positions.append(position)
            holds.append(held)
        feeds = take_rows(self.batch.feeds, rows.example, self.count)
        share = np.zeros(len(rows.example))
        share[taken] = 1.0
        return _Run(PathPoints(actual, baseline, entry, alpha, len(rows.example), feeds), rows, taken, share, positions,
                    holds)

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
                    [np.arange(len(owner)) for owner in self.batch.owner])


class _Run(NamedTuple):
    points: PathPoints
    rows: Rows                   # every row of the run, filling included
    taken: np.ndarray            # the rows that were asked for
    share: np.ndarray
    position: List[np.ndarray]   # by input: the row each point belongs to
    held: List[np.ndarray]       # by input: the batch's entries behind ``points.actual``

    def entries_by_row(self, number: int) -> List[np.ndarray]:
        """Points of input ``number`` for each row that was asked for."""
        found = rows_of(self.position[number])
        return [found.get(int(row), np.zeros(0, np.int64)) for row in self.taken]
