"""A process that explains ranges of rows and writes them: what it dies of is one row, and the others go on.

It is started afresh, never forked: TensorFlow does not survive a fork. Pickles go in and out over its own pipes,
between a program and itself.
"""

import contextlib
import gc
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any, List, NamedTuple, Optional

from graph_tools.errors import GraphToolsError, last_line
from tf1_ig.errors import WorkerError
from tf1_ig.scale import batches, folder
from tf1_ig.scale.batches import Asked
from tf1_ig.scale.folder import Range
from tf1_ig.scale.suspects import Suspects

# The folder that -c puts first on the path is not where packages are to be found.
_CHILD = "import sys; del sys.path[0]; from tf1_ig.scale import worker; worker.main()"
_STARTS = 3       # tries to start a process that ends before it takes a row
_LOOK = 0.5       # seconds between two looks whether the parent is still there


class Job(NamedTuple):
    """What a worker needs to know before the first range; without a folder it answers with the records."""

    spec: Any
    asked: Asked
    folder: Optional[str]


def answer(job: Job, one: Range, asked: Asked) -> Any:
    """Explains a range, and writes its files: the ``Summary``; or, where there is no folder for them, its records."""
    found: List[Any] = []
    for records in batches.explained(job.spec, one.rows, asked, max(1, len(one.rows))):
        found += records
    return found if job.folder is None else folder.write(job.folder, one.number, found)


class Worker:
    """A process of ours; it is started when it is first needed, and again after it died."""

    def __init__(self, job: Job, suspects: Optional[Suspects] = None) -> None:
        self._job = job
        self._suspects = Suspects() if suspects is None else suspects
        self._process: Any = None  # the subprocess, while it runs
        self._said: Any = None
        self._killed = False
        self._starting = threading.Lock()

    def explain(self, one: Range) -> Any:
        """Has a range explained, as ``answer`` says; a row that ends the process is found, alone, and left out.

        Raises:
          WorkerError: the process ends before it takes a row, or ``kill`` was called.
          GraphToolsError, OSError: what it failed of.
        """
        fruitless = 0
        while True:
            in_hand: List[str] = []
            try:
                return self._asked(one, in_hand, fruitless > 0)
            except (EOFError, BrokenPipeError, pickle.UnpicklingError):
                self._refuse_killed()  # it died of no row
                status = self._ended()
            fruitless = 0 if in_hand else fruitless + 1
            if fruitless >= _STARTS:
                raise WorkerError("a process that was to explain ended with status %s (%s)" % (
                    status, self._last_words()))
            self._suspects.ended(in_hand)

    def _asked(self, one: Range, in_hand: List[str], reading: bool) -> Any:
        if self._process is None:
            self._start()
        apart, suspects = self._suspects.of(one)
        _send(self._process.stdin, (one, apart, suspects, reading))
        while True:
            kind, told = pickle.load(self._process.stdout)
            if kind == "hand":
                in_hand[:] = told
            elif kind == "failed":
                raise told
            else:
                return told

    def _start(self) -> None:
        self._said = tempfile.TemporaryFile()
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join(path or os.getcwd() for path in sys.path))
        environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        with self._starting:
            self._refuse_killed()
            self._process = subprocess.Popen([sys.executable, "-c", _CHILD], stdin=subprocess.PIPE,
                                             stdout=subprocess.PIPE, stderr=self._said, env=environment)
        told = self._job.asked._replace(before=None)  # type: ignore[arg-type]  # the child has its own
        _send(self._process.stdin, self._job._replace(asked=told))

    def _refuse_killed(self) -> None:
        if self._killed:
            raise WorkerError("the process that was to explain was told to end")

    def _ended(self) -> Any:
        status, self._process = self._process.wait(), None
        return status

    def _last_words(self) -> str:
        self._said.seek(0)
        return last_line(self._said.read()) or "it said nothing"

    def kill(self) -> None:
        """Ends it at once, for good."""
        with self._starting:
            self._killed = True
            if self._process is not None:
                self._process.kill()

    def close(self) -> None:
        """Lets it end."""
        if self._process is not None:
            with contextlib.suppress(BrokenPipeError):  # what it was being told when it was ended
                self._process.stdin.close()
            self._process.wait()
            self._process.stdout.close()
            self._process = None
        if self._said is not None:
            self._said.close()


def _send(file: Any, what: Any) -> None:
    pickle.dump(what, file, pickle.HIGHEST_PROTOCOL)
    file.flush()


# -- the other side --------------------------------------------------------------------------------------------------

def main() -> None:
    """Explains range after range until there is nobody to ask for one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever is printed must not mix with the answers
    job = pickle.load(sys.stdin.buffer)
    while True:
        try:
            one, apart, suspects, reading = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        asked = job.asked._replace(apart=apart, suspects=suspects, reading=reading, before=lambda names: _send(
            answers, ("hand", names)))
        try:
            said = "done", answer(job, one, asked)
        # Whatever it is, the parent is to know.
        except Exception as wrong:  # noqa: B902
            said = "failed", _sendable(wrong)
        _send(answers, said)
        if not gc.get_freeze_count():
            gc.collect()
            gc.freeze()  # modules and the model's graph are not looked at again and again: a tenth of the time


def _sendable(wrong: BaseException) -> BaseException:
    try:
        pickle.loads(pickle.dumps(wrong))
        return wrong
    # An error of another library's that does not pickle.
    except Exception:  # noqa: B902
        return GraphToolsError("%s: %s" % (type(wrong).__name__, wrong))


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK)
    os._exit(1)
