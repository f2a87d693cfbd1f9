"""How many rows of a run the memory that is free holds: learnt from the runs, of which the first has a single row."""

import sys
from typing import Dict, List, Optional

SHARE = 0.5         # of what is free: others live on the machine, too
# Bytes of a run, however much is free: as many as the weights take, but these at least and at most.
LEAST, MOST = 128 << 20, 384 << 20
_LITTLE = 64 << 20  # bytes of a run that nobody looks at
_PAYS = 0.8         # a run above that is worth its memory when a row takes at most this share of the time


class Room:
    """Keeps runs of an unknown graph within a share of the free memory, and small where larger ones gain nothing.

    What a run takes is told by how far the peak of the process has risen above what it held before the first run. That
    is less than the truth as long as the run fits into what the process had been given before, and more where the peak
    is an older one: so runs grow step by step, in small steps where rows take much, and larger ones are judged by the
    largest so far and by what its last rows took more. Where the system does not tell what a process holds, nothing is
    bounded.

    Args:
      weights: bytes of the model's own numbers, where they are known.
    """

    STEP, SMALL = 4, 2  # times as many rows as the largest run so far; and where rows take much, or the peak never rose

    def __init__(self, weights: Optional[int] = None) -> None:
        self._bound = MOST if weights is None else min(MOST, max(LEAST, weights))
        self._before = self._left = resident()  # without what the runs keep, and when the last of them had ended
        self._peak, self._rose = peak(), False
        self._most, self._took, self._each = 0, 0.0, 0.0  # rows of the largest run, its bytes, and those of a row more
        self._seconds: Dict[int, List[float]] = {}  # for a row, by rows of the run

    def rows(self, wanted: int) -> int:
        """How many of so many rows the next run should hold."""
        if self._little(wanted):
            return wanted
        now = resident()
        if now is None or self._before is None or self._left is None:
            return wanted
        # What others took since the last run is no run's; what went is first what that run had left.
        self._before = min(now, self._before + max(0, now - self._left))
        self._left, self._peak = now, peak()
        if not self._most:
            return 1
        much = self._each > _LITTLE / 8
        wanted = min(wanted, (self.SMALL if much else self.STEP) * self._most)
        if much and len(self._seconds.get(self._most, ())) < 2:
            return min(wanted, self._most)  # the first of a size sets it up: its time says nothing
        if wanted * self._each <= _LITTLE:
            return wanted
        free = available()
        held = max(0, now - self._before)  # what earlier runs took is there again for the next
        bound = self._bound if free is None else min(self._bound, SHARE * (free + held))
        fits = self._most + int((bound - self._took) // self._each)
        if not self._rose:
            return max(1, min(wanted, max(fits, self.SMALL * self._most)))
        worth = max(int(_LITTLE / self._each), 2 * self._most if self._pays() else self._most)
        return max(1, min(wanted, fits, worth))

    def _little(self, rows: int) -> bool:
        """Whether runs as large have been, and took so little that looking at the process costs more than it tells."""
        return rows <= self._most and self._each <= _LITTLE / 8 and rows * self._each <= _LITTLE

    def _pays(self) -> bool:
        """Whether rows took less time in the largest runs than in smaller ones; the first of a size sets it up."""
        large = [one for rows, took in self._seconds.items() if rows > 0.75 * self._most for one in took]
        less = [min(took) for rows, took in self._seconds.items() if rows <= 0.6 * self._most]
        return len(large) > 1 and (not less or min(large) <= _PAYS * min(less))

    def ran(self, rows: int, seconds: float) -> None:
        """A run of so many rows has ended, and took so long."""
        if self._before is None:
            return
        self._seconds[rows] = (self._seconds.get(rows, []) + [seconds / rows])[-4:]
        if self._little(rows):
            return
        highest, self._left = peak() or 0, resident()
        rose = highest > (self._peak or 0)
        if rows > self._most:
            took = max(0, highest - self._before)
            each, more = took / float(rows), (took - self._took) / float(rows - self._most)
            self._each = max(each, more) if rose or not self._most else min(self._each, each)
            self._most, self._took = rows, min(took, rows * self._each)
        self._rose |= rose


def resident() -> Optional[int]:
    """Bytes that the process holds now; ``None`` where the system does not say."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * _page()
    except (OSError, ValueError, IndexError):
        return None


def peak() -> Optional[int]:
    """The most bytes that the process ever held.

    Where the system keeps that for a program, it is asked first: ``getrusage`` begins a new program with the peak of
    the process that started it.
    """
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))
    except (OSError, ValueError, StopIteration):
        pass
    try:
        import resource  # not on every system
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def available() -> Optional[int]:
    """Bytes that can be had: of the machine, or of the container that the process runs in."""
    found = [_machine(), _container("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"), _container(
        "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes")]
    return min((bytes_ for bytes_ in found if bytes_ is not None), default=None)


def _machine() -> Optional[int]:
    try:
        with open("/proc/meminfo") as file:
            return next((int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable:")), None)
    except (OSError, ValueError, IndexError):
        return None


def _container(limit: str, usage: str) -> Optional[int]:
    try:
        with open(limit) as most, open(usage) as now:
            return max(0, int(most.read()) - int(now.read()))
    except (OSError, ValueError):  # there is none, or its limit is "max"
        return None


def _page() -> int:
    import resource

    return resource.getpagesize()
