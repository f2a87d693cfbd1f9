"""An end for what would try every way to read a text: patterns are somebody else's, and Python bounds none of them."""

import contextlib
import signal
import threading
import time
from typing import Callable, Iterator


@contextlib.contextmanager
def at_most(seconds: float, late: Callable[[], Exception]) -> Iterator[None]:
    """Raises ``late()`` after so many seconds of this thread's work, which a busy machine makes no longer.

    Only a process's main thread can be interrupted so, and not on Windows; elsewhere the work takes what it takes. A
    caller who has set this clock for himself keeps it, and so does a library that hears it.
    """
    mine = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    if not mine or signal.getitimer(signal.ITIMER_VIRTUAL)[0] or signal.getsignal(signal.SIGVTALRM) is None:
        yield
        return
    began = time.thread_time()

    def ring(number: int, frame: object) -> None:
        left = seconds - (time.thread_time() - began)
        if left <= 0:
            raise late()
        signal.setitimer(signal.ITIMER_VIRTUAL, max(left, 0.01))  # the clock runs for all threads of the process

    before = signal.signal(signal.SIGVTALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        signal.signal(signal.SIGVTALRM, before)
