"""An explainer of made-up feeds, which are tried before anybody is told of them."""

from math import gcd
from typing import Any, Callable, Dict, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from tf1_ig.explainer import IntegratedGradients
from tf1_ig.integrate import Rows as PathRows
from tf1_ig.question import start
from tf1_ig.question.effort import Question, effort
from tf1_ig.question.pace import Pace


class Rows(NamedTuple):
    """The number of rows of an example, whether the graph fixes it, and their axis; ``None``: it is one example.

    ``several``: leading sizes differ, and so no other axis is that of the rows.
    """

    count: int  # type: ignore[assignment]  # tuples have a method of that name
    fixed: bool
    axis: Optional[int] = 0
    several: bool = False


class Tried(IntegratedGradients):
    """Reads a feed once, however often it is asked about it: nobody changes the example's meanwhile."""

    pace: Optional[Pace] = None
    _shown = False
    _kept: Tuple[Sequence[Any], Any] = ((), None)
    _made: Any = None

    def _open(self, **wanted: bool) -> None:
        self._made = self._made or (self.resolved, self._turned)
        super()._open(**wanted)
        self._engine.pace = self.pace

    def keeps(self, pace: Pace) -> None:
        """Runs of this engine, and of others that take its place, are in haste with all of a trial."""
        self.pace = self._engine.pace = pace

    @property
    def as_made(self) -> bool:
        """Whether no feed has made it another one, nor kept it from becoming one for the next feed."""
        return self.resolved is self._made[0] and not self._made[1] and len(self._opened) == 2

    @property
    def feed(self) -> Any:
        """The feed that was read last."""
        return self._kept[0][0]

    def kept(self, run: Callable[[], Any]) -> Any:
        """What comes of runs of other feeds; afterwards the feed that was read before them is the last one again."""
        before = self._kept
        try:
            return run()
        finally:
            self._kept = before

    @property
    def was_read(self) -> bool:
        """Whether the feed that was asked about last was read to its end."""
        return bool(self._kept[0])

    @property
    def running(self) -> str:
        """How points of the last feed are run, in the words of a result."""
        return self._kept[1].probed.running.mode

    def is_one(self, rows: Rows) -> bool:
        """Whether an input has a size along the axis of the rows that no more than one of them can share."""
        dense = [spec.attributed.tensor for spec in self.resolved.inputs if spec.attributed.owner is None]
        sizes = [shape[rows.axis] for shape in self._engine.static_shapes(dense).values()
                 if shape is not None and rows.axis is not None and len(shape) > rows.axis]
        return rows.count > 1 and any(size and gcd(size, rows.count) == 1 for size in sizes)

    def near(self, feed: Dict[str, np.ndarray], label: Any, baseline: Any, at: Any = start.NEAR) -> np.ndarray:
        """The scores of a feed right behind a baseline, or at points of the rows' paths."""
        question = Question(feed, label, effort())
        task, found = self._begin(question, baseline)
        rows = np.arange(task.batch.count)
        return self._runner(task, found, question).scores(PathRows(rows, np.broadcast_to(at, rows.shape)))

    def _read(self, *asked: Any) -> Any:
        before, task = self._kept
        if not before or any(one is not other for one, other in zip(asked, before)):
            self._kept = (), None
            task = super()._read(*asked)
            self._kept = asked, task
        return task


class Reader(Tried):
    """What reads feeds and tells rows apart as an explanation does, with no gradient."""

    _slopes = False
