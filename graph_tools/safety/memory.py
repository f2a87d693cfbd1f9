"""How much memory this process may take: what is beyond is an error in it, and harms no other."""

import contextlib
import os
from typing import Optional


def limit(more: Optional[int] = None) -> None:
    """Lets this process grow by so many bytes of address space and no more (default: what the machine has).

    To be called after TensorFlow's import, which reserves a lot that it never uses.
    """
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        used = int(_field("/proc/self/statm").split()[0]) * resource.getpagesize()
        most = used + (more or _machine())
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        if soft == resource.RLIM_INFINITY or soft > most:
            resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def _machine() -> int:
    """Bytes that this process may hope for: the machine's memory, or that of its control group."""
    found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            found = min(found, int(_field(path)))
    return found


def _field(path: str) -> str:
    with open(path) as file:
        return file.read().strip()
