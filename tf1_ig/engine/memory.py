"""How many rows of a run the memory that is free holds: learnt from the runs, of which the first has a single row."""

import sys
from typing import Optional

SHARE = 0.5         # of what is free: others live on the machine, too
_LITTLE = 64 << 20  # bytes of a run that nobody looks at


class Room:
    """Keeps runs of an unknown graph within a share of the free memory.

    What a run takes is told by how far the peak of the process has risen above what it held before the first run. That
    is less than the truth as long as the run fits into what the process had been given before, and more where the peak
    is an older one: so runs grow step by step, and the largest so far is what is judged by. Where the system does not
    tell, nothing is bounded.
    """

    STEP, WITHOUT_RISE = 4, 2  # times as many rows as the largest run so far, where the peak has risen and where not

    def __init__(self) -> None:
        self._before, self._peak, self._most, self._each = resident(), peak(), 0, 0.0

    def rows(self, wanted: int) -> int:
        """How many of so many rows the next run should hold."""
        if self._before is None or not self._most:
            return wanted if self._before is None else 1
        wanted = min(wanted, self.STEP * self._most)
        free = available() if wanted * self._each > _LITTLE else None
        if free is None:
            return wanted
        held = max(0, (resident() or 0) - self._before)  # what earlier runs took is there again for the next
        fits = int(SHARE * (free + held) / self._each)
        return max(1, min(wanted, fits if peak() != self._peak else max(fits, self.WITHOUT_RISE * self._most)))

    def ran(self, rows: int) -> None:
        """A run of so many rows has ended."""
        if rows > self._most and self._before is not None:
            self._most, self._each = rows, max(0, (peak() or 0) - self._before) / float(rows)


def resident() -> Optional[int]:
    """Bytes that the process holds now; ``None`` where the system does not say."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * _page()
    except (OSError, ValueError, IndexError):
        return None


def peak() -> Optional[int]:
    """The most bytes that the process ever held."""
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
