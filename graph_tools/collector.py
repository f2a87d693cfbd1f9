"""Python's garbage collector waits while a graph is read, judged and imported.

Next to nothing of what is made meanwhile is garbage, and each collection of all that TensorFlow's import left takes as
long as judging a graph of thousands of nodes many times: in one process they were a quarter of a load and an import.
"""

import contextlib
import gc
import threading
from typing import Iterator

_lock = threading.Lock()
_inside = 0
_was_on = False


@contextlib.contextmanager
def waits() -> Iterator[None]:
    """No collection starts in the process until the last who is inside leaves (one that is switched off stays so)."""
    global _inside, _was_on
    with _lock:
        if not _inside:
            _was_on = gc.isenabled()
            gc.disable()
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside and _was_on:
                gc.enable()
