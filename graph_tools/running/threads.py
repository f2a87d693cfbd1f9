"""Work that is done in another thread, so that the caller's own can see Ctrl-C and the clock.

A thread that has done its work waits a while for more: starting one costs as much as a small run.
"""

import os
import threading
import time
from typing import Any, Callable, Dict, List, Optional

_IDLE = 10.0  # seconds until a thread without work ends
_idle: Dict[int, List["_Thread"]] = {}  # by process: a forked child has none of its parent's threads
_lock = threading.Lock()


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Task:
    """Work that another thread has begun.

    Attributes:
      begun: when, by ``time.monotonic()``.
      error: what it raised, once it has ended.
    """

    def __init__(self, work: Callable[[], Any]):
        self._work, self._done, self._value = work, threading.Lock(), None
        self._done.acquire()
        self.error: Optional[BaseException] = None
        self.begun = time.monotonic()
        _free_thread().do(self)

    def ended(self, timeout: float = -1) -> bool:
        """Whether it has ended, after at most ``timeout`` seconds (-1: wait for it); Ctrl-C interrupts the waiting."""
        if not self._done.acquire(timeout=timeout):
            return False
        self._done.release()
        return True

    def result(self) -> Any:
        """What the work returned, or raises what it raised."""
        self.ended()
        if self.error is not None:
            raise self.error
        return self._value

    def execute(self) -> None:
        """Does the work; in the other thread."""
        try:
            self._value = self._work()
        except BaseException as error:  # handed over to the caller's thread, whatever it is
            self.error = error

    def end(self) -> None:
        """Lets the caller know."""
        self._done.release()


class _Thread(threading.Thread):
    """Does one task after another; a daemon, so that what cannot be stopped does not keep the process alive."""

    def __init__(self) -> None:
        super().__init__(name="graph_tools.run", daemon=True)
        self._begin = threading.Lock()
        self._task: Any = None
        self._begin.acquire()
        self.start()

    def do(self, task: Task) -> None:
        self._task = task
        self._begin.release()

    def run(self) -> None:
        while True:
            if not self._begin.acquire(timeout=_IDLE):
                with _lock:
                    if self in _free():  # else it has just been chosen, and the task is coming
                        _free().remove(self)
                        return
                continue
            task, self._task = self._task, None
            task.execute()
            with _lock:
                _free().append(self)
            task.end()
            del task


def _free() -> List[_Thread]:
    return _idle.setdefault(os.getpid(), [])


def _free_thread() -> _Thread:
    with _lock:
        if _free():
            return _free().pop()
    return _Thread()
