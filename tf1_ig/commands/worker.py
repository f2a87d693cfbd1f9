"""A process of its own for whatever TensorFlow does to a model: when it dies or hangs, there is a line to say so.

The child is forked before TensorFlow is imported, so that it costs nothing; it does all the work and prints it. The
parent waits, hands signals on, and says how the child ended.
"""

import argparse
import contextlib
import os
import signal
import sys
import tempfile
import time
import traceback
from typing import Any, Callable, Optional

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

from graph_tools.errors import last_line, one_line
from tf1_ig.commands import own_process

_HANDED_ON = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
_PARENT_DIES = 1  # prctl's PR_SET_PDEATHSIG
_NEARLY = 0.7  # of a limit: the kernel counts CPU time in two ways, which differ on a busy machine
_OWN_OUTPUT = 1000  # bytes of TensorFlow's last words that are read


LIMIT = 600.0  # seconds that inspecting, editing or opening a model may take when nobody says otherwise



def limit(options: argparse.Namespace) -> Optional[float]:
    """Seconds that a command has: until it ends (``limited`` is ``"whole"``), or until it says ``opened``."""
    limited = getattr(options, "limited", None)
    if limited is None:
        return None
    return (options.time_limit or LIMIT) if limited == "whole" else LIMIT


_told = -1  # where the child says that the model is open


def opened() -> None:
    """Says to the parent, if there is one, that the model is open: what follows may take as long as it takes."""
    if _told >= 0:
        with contextlib.suppress(OSError):
            os.write(_told, b"o")


def run(work: Callable[[], int], time_limit: Optional[float], debug: bool) -> int:
    """Does ``work`` in a forked child; returns its exit status, or 1 after a line about how it ended.

    Args:
      work: what the child does; it returns an exit status.
      time_limit: seconds of wall clock after which the child is ended, unless it has said ``opened``; ``None``: none.
      debug: show what TensorFlow said on the error stream before it died.
    """
    aside = tempfile.TemporaryFile()
    sys.stdout.flush()
    sys.stderr.flush()
    parent, (heard, told) = os.getpid(), os.pipe()
    signals = {getattr(signal, name) for name in _HANDED_ON if hasattr(signal, name)}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # none is to come while nobody hands it on
    child = os.fork()
    if not child:
        global _told
        _told = told
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        _work_and_exit(work, aside, parent)
    os.close(told)
    os.set_blocking(heard, False)
    with _signals_to(child, signals):
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        status, late = _wait(child, time_limit, heard)
    os.close(heard)
    if late and time_limit is not None:
        return _fail("it did not end within %g s, and was stopped; allow more with --time-limit SECONDS" % time_limit)
    if not os.WIFSIGNALED(status):
        return os.WEXITSTATUS(status)
    number = os.WTERMSIG(status)
    if number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        return 128 + number
    said = _last_words(aside)
    if debug:
        sys.stderr.write(said.decode("utf-8", "replace"))
    return _fail(_cause(number, said))


def _work_and_exit(work: Callable[[], int], aside: Any, parent: int) -> None:
    """The child: TensorFlow's own words go aside, Python's to the screen; never returns."""
    status = 1
    try:
        os.setpgid(0, 0)  # Ctrl-C reaches it through the parent alone
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        _end_with(parent)
        screen = os.dup(2)
        sys.stderr = open(screen, "w", buffering=1, errors="replace")
        own_process.quote_controls(sys.stderr)
        os.dup2(aside.fileno(), 2)
        status = work()
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        status = 0
    except BaseException:  # what --debug shows, and what is our own mistake
        traceback.print_exc()
    finally:
        os._exit(status)


def _end_with(parent: int) -> None:
    """Asks the kernel to end this process when its parent ends, however that may be."""
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(_PARENT_DIES, signal.SIGKILL)
    if os.getppid() != parent:  # it has ended already
        os._exit(1)


@contextlib.contextmanager
def _signals_to(child: int, signals: Any) -> Any:
    """Hands signals on to the child; it ends by them, and then so do we."""
    def hand_on(number: Any, frame: Any) -> None:
        del frame
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)

    before = {number: signal.signal(number, hand_on) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(child: int, time_limit: Optional[float], heard: int) -> Any:
    """The child's status, and whether it was ended because it took too long."""
    if time_limit is None:
        return os.waitpid(child, 0)[1], False
    deadline, pause = time.monotonic() + time_limit, 0.005
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return status, False
        with contextlib.suppress(BlockingIOError):
            if os.read(heard, 1):
                return os.waitpid(child, 0)[1], False
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            return os.waitpid(child, 0)[1], True
        time.sleep(pause)
        pause = min(0.1, pause * 1.5)


def _last_words(aside: Any) -> bytes:
    aside.seek(0, os.SEEK_END)
    aside.seek(max(0, aside.tell() - _OWN_OUTPUT))
    return aside.read()


def _limit_reached(number: int) -> Optional[int]:
    """The seconds of CPU time that a process may take, where a child ended by a signal because it took them; at a limit
    that is soft and hard (``ulimit -t``) the kernel sends SIGKILL, as it does where memory is short."""
    if resource is None or number not in (signal.SIGXCPU, signal.SIGKILL):
        return None
    limit, used = resource.getrlimit(resource.RLIMIT_CPU)[0], resource.getrusage(resource.RUSAGE_CHILDREN)
    taken = used.ru_utime + used.ru_stime
    return limit if limit >= 0 and (number == signal.SIGXCPU or taken >= _NEARLY * limit) else None


def _cause(number: int, said: bytes) -> str:
    name = signal.Signals(number).name
    told = " (%s)" % last_line(said) if last_line(said) else ""
    seconds = _limit_reached(number)
    if seconds is not None:
        return ("the limit of this shell on CPU time was reached (ulimit -t: %d seconds); allow more with ulimit -t "
                "SECONDS (a hard limit: in a new shell), or ask for less: explain fewer rows, or pass --steps 16"
                % seconds)
    if number == signal.SIGKILL:
        return "TensorFlow's process was killed%s; out of memory? Explain fewer rows, or pass --batch-size" % told
    return ("TensorFlow died of this model, by %s%s; it is damaged or hostile, or more than fits into memory; look at "
            "it with: tf1-ig scan MODEL" % (name, told))


def _fail(message: str) -> int:
    print("error: " + one_line(message), file=sys.stderr)
    return 1
