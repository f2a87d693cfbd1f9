"""``tf1-ig threads``: measures how many threads are best for explaining this model on this machine.

TensorFlow takes the number of threads within an op from the first session of a process and keeps it, so every setting
is measured in a process of its own. The processes take turns, so that what else the machine does slows all of them.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

import numpy as np

from graph_tools.errors import GraphToolsError, last_line
from graph_tools.running.threads import cores
from tf1_ig.commands import explain as explain_command
from tf1_ig.commands.arguments import positive

HELP = "measure how many threads explain fastest: explain's command line with this word for explain"
# A setting is recommended when it takes at most this share of the time of TensorFlow's own choice.
WORTH = 0.9
# The folder that -c puts first on the path is not where packages are to be found.
_CHILD = ("import sys; del sys.path[0]; from tf1_ig import cli; from tf1_ig.commands import threads; "
          "threads.answer(sys.argv[1], cli.parsed(sys.argv[2:]))")
_TO_END = 5.0  # seconds that a process may take to end by itself


class Timing(NamedTuple):
    """One setting: threads within an op and for ops side by side, median seconds, and time over TensorFlow's own.

    ``shares`` are the lower quartile, the median and the upper quartile over the turns.
    """

    threads: Tuple[int, int]
    seconds: float
    shares: Tuple[float, float, float]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command: those of ``explain``, whose work is what is measured."""
    explain_command.add_options(parser, strict=False)  # the model is among them
    parser.set_defaults(limited=None)  # it explains many times over
    alone = parser.get_default("check")

    def check(options: argparse.Namespace) -> None:
        alone(options)
        if options.threads != (0, 0):
            parser.error("--threads is what is measured; leave it out")
        if options.out:
            parser.error("--out is for explain; leave it out")

    parser.set_defaults(check=check)
    parser.add_argument("--turns", type=positive(int), default=5, metavar="N",
                        help="times that each setting is measured (default: 5)")


def run(options: argparse.Namespace) -> int:
    """Measures and prints; returns the exit status."""
    timings = measure(options.words, settings(cores()), options.turns)
    print("threads       seconds   over TensorFlow's own (quartiles)")
    for timing in timings:
        low, middle, high = timing.shares
        print("%-12s  %7.3f   %.2f (%.2f to %.2f)" % (_name(timing.threads), timing.seconds, middle, low, high))
    print(advice(timings))
    return 0


def settings(cores: int) -> List[Tuple[int, int]]:
    """(threads within an op, ops side by side) to compare on so many cores, TensorFlow's own choice first.

    >>> settings(2)
    [(0, 0), (2, 1), (1, 2), (1, 1)]
    """
    found = [(0, 0), (cores, 1), (1, cores), (1, 1)]
    if cores >= 4:
        found += [(cores // 2, 1), (cores // 2, 2)]
    return list(dict.fromkeys(found))


def advice(timings: Sequence[Timing]) -> str:
    """What to do, in one line; a gain that not even three turns in four have is none."""
    best = min(timings[1:], key=lambda timing: timing.shares[1])
    if best.shares[1] > WORTH or best.shares[2] >= 1:
        return "TensorFlow's own choice is as good as any"
    return ("explain with --threads %d,%d: %.0f %% of the time; in Python, intra_op_parallelism_threads=%d and "
            "inter_op_parallelism_threads=%d in the tf.ConfigProto of the process's first session" % (
                best.threads + (100 * best.shares[1],) + best.threads))


def measure(words: Sequence[str], compared: Sequence[Tuple[int, int]], turns: int) -> List[Timing]:
    """Seconds of each setting, and how they compare with the first one's, turn by turn.

    Args:
      words: the command line, as ``tf1-ig`` got it.
      compared: settings, TensorFlow's own first.
      turns: times that each is measured, after two that warm up.

    Raises:
      GraphToolsError: what a process said that could not explain.
    """
    workers: List[_Worker] = []
    try:
        for threads in compared:
            workers.append(_Worker(threads, words))
            workers[-1].opened()
        seconds = []
        for turn in range(turns + 2):
            order = workers[::-1] if turn % 2 else workers
            took = {worker: worker.seconds() for worker in order}
            seconds.append([took[worker] for worker in workers])
    except BaseException:
        for worker in workers:
            worker.kill()
        raise
    finally:
        for worker in workers:
            worker.close()
    measured = np.array(seconds[2:])
    return [Timing(threads, float(np.median(took)), tuple(np.percentile(took / measured[:, 0], [25, 50, 75]).tolist()))
            for threads, took in zip(compared, measured.T)]


def _name(threads: Tuple[int, int]) -> str:
    return "its own" if threads == (0, 0) else "%d,%d" % threads


class _Worker:
    """A process that explains whenever it is asked to, and says how long it took."""

    def __init__(self, threads: Tuple[int, int], words: Sequence[str]):
        self._said = tempfile.TemporaryFile()
        self._process: Any = subprocess.Popen(
            [sys.executable, "-c", _CHILD, "%d,%d" % threads, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._said, universal_newlines=True, env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)))

    def opened(self) -> None:
        """Waits until the model is open."""
        self._read()

    def seconds(self) -> float:
        """What one explanation took."""
        try:
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        except OSError:  # the process has ended; what it left to be read says why
            pass
        return self._read()["seconds"]

    def _read(self) -> Dict[str, Any]:
        for line in self._process.stdout:
            if line.startswith("{"):  # else something that a start-up file of Python's prints
                answer = json.loads(line)
                if "failed" in answer:
                    raise GraphToolsError(answer["failed"])
                return answer
        self._process.wait()
        self._said.seek(0)
        last = last_line(self._said.read(), None) or "it said nothing"
        raise GraphToolsError("a process that was to be measured ended with status %d (%s); is there memory for as "
                              "many copies of the model as there are settings?" % (self._process.returncode, last))

    def kill(self) -> None:
        """Ends it at once, whatever it is doing."""
        self._process.kill()

    def close(self) -> None:
        """Lets it end, or ends it."""
        try:
            self._process.stdin.close()
        except OSError:
            pass
        try:
            self._process.wait(_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._said.close()


def answer(threads: str, options: Any) -> None:
    """The other side of a worker: explains for each line that comes in, and answers with a JSON object."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever is printed must not mix with the answers

    def tell(**found: Any) -> None:
        answers.write(json.dumps(found) + "\n")
        answers.flush()

    options.threads = tuple(map(int, threads.split(",")))
    try:
        with explain_command.prepared(options) as work:
            tell(opened=True)
            for _ in sys.stdin:
                begun = time.perf_counter()
                work.explain()
                tell(seconds=time.perf_counter() - begun)
    except GraphToolsError as wrong:
        tell(failed=str(wrong))
    except Exception as wrong:  # noqa: B902 whatever it is, the other process tells it
        tell(failed="%s: %s" % (type(wrong).__name__, wrong))
