"""How many rows a run should hold: what the caller says, and what is learnt from the runs themselves."""

import threading
from typing import Dict, List, NamedTuple, Optional

import numpy as np

from tf1_ig.engine import memory
from tf1_ig.errors import MethodError


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
