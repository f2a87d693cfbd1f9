"""An end for what would try every way to read a text: patterns are somebody else's, and Python bounds none of them."""

import contextlib
import signal
import threading
from typing import Callable, Iterator


@contextlib.contextmanager
def at_most(seconds: float, late: Callable[[], Exception]) -> Iterator[None]:
    """Raises ``late()`` after so many seconds of work, which a busy machine makes no longer.

    Only a process's main thread can be interrupted so, and not on Windows; elsewhere the work takes what it takes. A
    caller who has set this clock for himself keeps it.
    """
    mine = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    if not mine or signal.getitimer(signal.ITIMER_VIRTUAL)[0]:
        yield
        return

    def ring(number: int, frame: object) -> None:
        raise late()

    before = signal.signal(signal.SIGVTALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        signal.signal(signal.SIGVTALRM, signal.SIG_DFL if before is None else before)
