"""The time that a trial may take: nobody waits long for an example, and one whose runs are slow is run few times.

As long as runs are quick nothing is otherwise. After a slow one only what decides whether the example can be explained
is still run, and nothing that would end too late is begun.
"""

import time
from typing import Any, Callable

from graph_tools.errors import BlockedRunError

SECONDS = 7.0    # of runs, after which none is begun
_MORE = 2.0      # the same of few rows that may do as well as many
_SLOW = 0.1      # seconds of a run from which on there is haste
_LEAST = 2.0     # seconds that a run is allowed whatever is left, in haste
_QUICK = 8.0     # the same where runs were quick so far, or none was made
_AS_LONG = 2.5   # times that a gradient takes as long as the output alone, until one was run
_OTHERS = 3.0    # runs of the output alone that come with the gradient of a whole batch: its ends


class _Clock:
    """Begins now."""

    def __init__(self) -> None:
        self._begun = time.process_time(), time.perf_counter()

    @property
    def passed(self) -> float:
        return min(time.process_time() - self._begun[0], time.perf_counter() - self._begun[1])


class Late(BlockedRunError):
    """A run was not begun, since it would end too late."""


class Pace:
    """How long the runs of a trial take, and what is left of its time, which begins with the first run.

    Seconds are of CPU time or of the clock, whichever are fewer: cores share the work, and others share the cores.
    ``hasty``: whether a run was slow. ``forward`` and ``slope``: seconds that the last run of an output, or of a
    gradient, took; 0: there was none.
    """

    def __init__(self) -> None:
        self.hasty, self.forward, self.slope = False, 0.0, 0.0
        self._seconds, self._first, self._last = SECONDS, _Clock(), _Clock()

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self._seconds - (self._first.passed if self.forward else 0.0)

    def extend(self) -> None:
        """Gives what is worth it some time more."""
        self._seconds += _MORE

    def needed(self, forward: int, slopes: int) -> float:
        """Seconds that so many runs of an output, and of its gradient, are going to take."""
        return forward * self.forward + slopes * (self.slope or _AS_LONG * self.forward)

    def require(self, forward: int, slopes: int) -> None:
        """Raises ``Late`` where there is haste and no time for so many runs of an output, and of its gradient."""
        if self.hasty and self.needed(forward, slopes) > max(0.0, self.left):
            raise Late("%d more runs would take about %.1f s, which is too long" % (
                forward + slopes, self.needed(forward, slopes)))

    def begin(self, slopes: bool, points: bool = True) -> float:
        """Most seconds that a run may take that begins now; ``points``: it is no other than those that are known.

        Raises:
          Late: it would end too late.
        """
        self.require(int(points and not slopes), int(points and slopes))
        self._last = _Clock()
        if not self.forward:
            self._first = self._last
        return max(self.left, _LEAST if self.hasty else _QUICK)

    def ended(self, slopes: bool) -> None:
        """A run of points has ended."""
        seconds = self._last.passed
        self.hasty = self.hasty or seconds > _SLOW
        if slopes:
            self.slope = seconds
        else:
            self.forward = seconds

    def of_a_point(self, whole: bool) -> float:
        """Seconds that a run of one point takes with all that comes with it, of a ``whole`` batch or of a row."""
        return self.needed(0, 1) + (_OTHERS if whole else 1.0) * self.forward

    def unless_late(self, run: Callable[[], Any], otherwise: Any) -> Any:
        """What comes of something, or something else where it would end too late."""
        try:
            return run()
        except BlockedRunError:
            if not self.hasty:
                raise
            return otherwise
