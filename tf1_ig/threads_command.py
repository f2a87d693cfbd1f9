"""``tf1-ig threads``: measures how many threads are best for explaining this model on this machine.

TensorFlow takes the number of threads within an op from the first session of a process and keeps it, so every setting
is measured in a process of its own. The processes take turns, so that what else the machine does slows all of them.
"""

import json
import os
import subprocess
import sys
import time
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

import numpy as np

from graph_tools.errors import GraphToolsError
from tf1_ig import explain_command

# A setting is recommended when it takes at most this share of the time of TensorFlow's own choice.
WORTH = 0.9
_CHILD = "import sys; from tf1_ig import threads_command; threads_command.answer(sys.argv[1], sys.argv[2:])"


class Timing(NamedTuple):
    """One setting: threads within an op and for ops side by side, median seconds, and time over TensorFlow's own.

    ``shares`` are the lower quartile, the median and the upper quartile over the turns.
    """

    threads: Tuple[int, int]
    seconds: float
    shares: Tuple[float, float, float]


def add_options(parser) -> None:
    """The options of the command: those of ``explain``, whose work is what is measured."""
    explain_command.add_options(parser)
    alone = parser.get_default("check")

    def check(options) -> None:
        alone(options)
        if options.threads != (0, 0):
            parser.error("--threads is what is measured; leave it out")

    parser.set_defaults(check=check)
    parser.add_argument("--turns", type=explain_command.positive(int), default=5, metavar="N",
                        help="times that each setting is measured (default: 5)")


def run(options) -> int:
    """Measures and prints; returns the exit status."""
    timings = measure(options.words, settings(os.cpu_count() or 1), options.turns)
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
        seconds = np.array([[worker.seconds() for worker in workers] for _ in range(turns + 2)])[2:]
    finally:
        for worker in workers:
            worker.close()
    return [Timing(threads, float(np.median(took)), tuple(np.percentile(took / seconds[:, 0], [25, 50, 75]).tolist()))
            for threads, took in zip(compared, seconds.T)]


def _name(threads: Tuple[int, int]) -> str:
    return "its own" if threads == (0, 0) else "%d,%d" % threads


class _Worker:
    """A process that explains whenever it is asked to, and says how long it took."""

    def __init__(self, threads: Tuple[int, int], words: Sequence[str]):
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CHILD, "%d,%d" % threads, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, universal_newlines=True,
            env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)))
        self._read()

    def seconds(self) -> float:
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._read()["seconds"]

    def _read(self) -> Dict[str, Any]:
        line = self._process.stdout.readline()
        answer = json.loads(line) if line else {"failed": "a process that was to be measured ended by itself"}
        if "failed" in answer:
            raise GraphToolsError(answer["failed"])
        return answer

    def close(self) -> None:
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


def answer(threads: str, words: Sequence[str]) -> None:
    """The other side of a worker: explains for each line that comes in, and answers with a JSON object."""
    from tf1_ig import cli

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever is printed must not mix with the answers

    def tell(**found):
        answers.write(json.dumps(found) + "\n")
        answers.flush()

    try:
        options = cli.parsed(words)
        options.threads = tuple(map(int, threads.split(",")))
        with explain_command.prepared(options) as work:
            tell(opened=True)
            for _ in sys.stdin:
                begun = time.perf_counter()
                work.explain()
                tell(seconds=time.perf_counter() - begun)
    except GraphToolsError as wrong:
        tell(failed=str(wrong))
