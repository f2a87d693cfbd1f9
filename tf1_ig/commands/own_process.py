"""What is only done to a process that is ours: standard streams that are there, a quiet TensorFlow, Ctrl-C obeyed."""

import contextlib
import gc
import logging
import os
import signal
import sys
import tempfile
import threading
import time
import warnings
from typing import Any, Iterator, Optional

from graph_tools import _tf, whole_files
from graph_tools.safety import memory

INTERRUPTED = 130  # the exit status of a command that Ctrl-C ended
# Seconds that Python has to end by itself: what is in the middle of TensorFlow does not see Ctrl-C.
_GRACE = 0.6
# Objects that are made before Python's collector looks at the young ones: a graph is made of hundreds of thousands, of
# which next to none is garbage.
_YOUNG = 10000


def prepare(memory_limit: Optional[int] = None) -> None:
    """Quietens what TensorFlow and its friends print at import and at run, and imports it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.simplefilter("ignore")
    for name in ("tensorflow", "absl", "h5py"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    with _kept_for_good():
        _import_quietly()
    memory.limit(memory_limit)


def with_streams() -> None:
    """Puts the null device where a standard stream was closed (``2>&-``): else the next file takes its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", closefd=False, errors="replace"))
    quote_controls(sys.stdout, "\t\n")
    quote_controls(sys.stderr)


# By what a name in a stranger's file could speak to a terminal: control characters, and those that turn a line round.
_CONTROLS = (*range(32), *range(127, 160), *range(0x202a, 0x202f), *range(0x2066, 0x206a))


def quote_controls(stream: Any, kept: str = "\t\n\r") -> None:
    """Makes a stream of text show control characters, all but some, as JSON spells them."""
    write, shown = stream.write, {code: "\\u%04x" % code for code in _CONTROLS if chr(code) not in kept}
    stream.write = lambda text: write(text.translate(shown))


@contextlib.contextmanager
def _kept_for_good() -> Iterator[None]:
    """No garbage is looked for in what is made meanwhile, nor later: of the million objects that TensorFlow's import
    leaves, none goes, and every collection would walk them all. Those of what is made later are rarer, too."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])
        gc.enable()


def _import_quietly() -> None:
    """Imports TensorFlow with its C++ chatter kept aside (2.21 prints some at any log level), shown if it fails."""
    sys.stderr.flush()
    screen = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            _tf.tf  # noqa: B018 the first use imports
        except Exception:
            aside.seek(0)
            os.write(screen, aside.read())
            raise
        finally:
            os.dup2(screen, 2)
            os.close(screen)


@contextlib.contextmanager
def ctrl_c_obeyed() -> Iterator[None]:
    """Ends the process soon after Ctrl-C, whatever its main thread is in the middle of.

    Python raises ``KeyboardInterrupt`` when its main thread is next in Python; within an import of TensorFlow, or of a
    large graph, that may take a minute. Another thread learns of the signal at once.
    """
    if threading.current_thread() is not threading.main_thread() or os.name != "posix":
        yield
        return
    heard, told = os.pipe()
    os.set_blocking(told, False)
    # In the middle of TensorFlow's import an exception may be swallowed: first the other thread is to know.
    before = signal.set_wakeup_fd(told)
    screen = os.dup(sys.stderr.fileno() if hasattr(sys.stderr, "fileno") else 2)
    threading.Thread(target=_end_when_told, args=(heard, screen), name="tf1_ig.ctrl_c", daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(told)


def _end_when_told(heard: int, screen: int) -> None:
    """Waits for the signal, and a moment more for the main thread; then ends the process."""
    while True:
        numbers = os.read(heard, 1)
        if not numbers:
            return
        if numbers[0] == signal.SIGINT:
            time.sleep(_GRACE)
            whole_files.drop_unfinished()
            os.write(screen, INTERRUPTED_LINE.encode("ascii"))
            os._exit(INTERRUPTED)


INTERRUPTED_LINE = "interrupted\n"
