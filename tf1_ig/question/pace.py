"""The time that a trial may take: nobody waits long for an example, and one whose runs are slow is run few times.

As long as runs are quick nothing is otherwise. After a slow one only what decides whether the example can be explained
is still run, and nothing that would end too late is begun.
"""

import time
from typing import Any, Callable, List, Optional

from graph_tools.errors import UnfinishedRunError, some

SECONDS = 7.0    # of runs, after which none is begun
ALL = 8.5        # of CPU time, whatever for, after which no run is begun
_MORE = 2.0      # the same of few rows that may do as well as many
_SLOW = 0.1      # seconds of a run from which on there is haste
_LEAST = 2.0     # seconds that a run is allowed whatever is left, in haste
_QUICK = 12.0    # the same where runs were quick so far, or none was made
_SLACK = 3.0     # times as long as it is expected that a run may take: others may need the cores
_WARM = 1.0      # seconds below which the first run of a kind is made again: it takes TensorFlow time to prepare it
_AS_LONG = 2.5   # times that a gradient takes as long as the output alone, until one was run
_OTHERS = 3.0    # runs of the output alone that come with the gradient of a whole batch: its ends


class Clock:
    """Begins now."""

    def __init__(self) -> None:
        self._begun = time.process_time(), time.perf_counter()

    @property
    def passed(self) -> float:
        return min(self.computed, time.perf_counter() - self._begun[1])

    @property
    def computed(self) -> float:
        """Seconds of CPU time alone."""
        return time.process_time() - self._begun[0]


class Late(UnfinishedRunError):
    """A run was not begun, since it would end too late."""


class Pace:
    """How long the runs of a trial take, and what is left of its time, which begins with the first run.

    Seconds are of CPU time or of the clock, whichever are fewer: cores share the work, and others share the cores. But
    of CPU time ``ALL`` is the most since ``begun``: where a graph takes long to be searched, less is left for its runs.
    ``hasty``: whether a run was slow. ``forward`` and ``slope``: seconds that the last run of an output, or of a
    gradient, took; 0: there was none. ``answer``: the same of a whole explanation with no haste, and of all that is
    done for each row.
    """

    def __init__(self, begun: Optional[Clock] = None) -> None:
        self.hasty, self.forward, self.slope, self.answer = False, 0.0, 0.0, 0.0
        self._more, self._first, self._last = 0.0, Clock(), Clock()
        self._begun, self._cores = begun or self._first, 1.0
        self._unseen: List[str] = []

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return min(SECONDS + self._more - (self._first.passed if self.forward else 0.0),
                   (ALL + self._more - self._begun.computed) / self._cores)

    def extend(self) -> None:
        """Gives what is worth it some time more."""
        self._more += _MORE

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
        self._last = Clock()
        if not self.forward:
            self._first = self._last
        return max(self.left, _LEAST if self.hasty else _QUICK, _SLACK * self.needed(int(not slopes), int(slopes)))

    def ended(self, slopes: bool) -> bool:
        """A run of points has ended; whether the same has to be run once more, since only that tells if it is slow."""
        seconds = self._last.passed
        self._cores = max(1.0, self._last.computed / max(seconds, 1e-6))
        first = not (self.slope if slopes else self.forward)
        if slopes:
            self.slope = seconds
        else:
            self.forward = seconds
        if first and _SLOW < seconds < _WARM:
            return True
        self.hasty = self.hasty or seconds > _SLOW
        return False

    def of_a_point(self, whole: bool) -> float:
        """Seconds that a run of one point takes with all that comes with it, of a ``whole`` batch or of a row."""
        return self.needed(0, 1) + (_OTHERS if whole else 1.0) * self.forward

    def unless_late(self, run: Callable[[], Any], otherwise: Any, seen: str = "") -> Any:
        """What comes of something, or something else where it would end too late; ``seen``: what that would have shown,
        in words."""
        try:
            return run()
        except UnfinishedRunError:
            if not self.hasty:
                raise
            self._unseen += [seen] if seen and seen not in self._unseen else []
            return otherwise

    def unseen(self) -> str:
        """In a line, what there was no time to see since the last call; "" where there was time for all."""
        told, self._unseen = self._unseen, []
        return told and "a run of the example takes %.1f seconds, and there was no time to see %s" % (
            max(self.forward, self.slope), some(told, 3)) or ""
