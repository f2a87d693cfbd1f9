"""Fuzzing as a command.

    python -m tests.fuzz [--seeds 0-8] [--files N] [--kinds WORD] [--time-limit SECONDS] [--report FILE]

``--files`` is how many damaged files of each kind a seed gets. One line for each that was not answered by an error of
ours: kind, seed and number find it again.
"""

import argparse
import glob
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
from typing import Any, Dict, List, NamedTuple, Optional

import numpy as np

from graph_tools import _tf
from graph_tools.errors import GraphToolsError
from graph_tools.safety import memory
from tests.fuzz.kinds import KINDS, Kind, write_whole

_BYTES = 6 << 30  # of address space that a child may take beyond what it has
_QUIET = 60.0  # seconds in which a child must be done with one file
_BEGIN, _END = "<!-- fuzz %s -->", "<!-- /fuzz %s -->"


class Wrong(NamedTuple):
    """A file that was answered by something else than an error of ours."""

    kind: str
    seed: int
    number: int
    what: str


def one(kind: Kind, whole: str, folder: str, seed: int, number: int) -> None:
    """Damages one file and reads it."""
    random = np.random.RandomState([seed, number])
    shutil.rmtree(folder, ignore_errors=True)
    for pattern in kind.beside + (kind.file,):
        for path in glob.glob(os.path.join(whole, pattern), recursive=True):
            there = os.path.join(folder, os.path.relpath(path, whole))
            if os.path.isfile(path):
                os.makedirs(os.path.dirname(there), exist_ok=True)
                shutil.copy(path, there)
    path = os.path.join(folder, kind.file)
    with open(path, "rb") as file:
        data = file.read()
    with open(path, "wb") as file:
        file.write(kind.ways[random.randint(len(kind.ways))](data, random))
    try:
        kind.read(folder)
    except GraphToolsError as refused:
        if "\n" in str(refused):
            raise AssertionError("more than one line: %r" % str(refused)) from refused


def run(name: str, seed: int, files: int, whole: str, deadline: float) -> Any:
    """Reads many damaged files of a kind in forked children; returns how many, and what went wrong."""
    done, wrong = 0, []
    while done < files and time.monotonic() < deadline:
        heard, told = os.pipe()
        child = os.fork()
        if not child:
            _child(KINDS[name], seed, range(done, files), whole, told, deadline)
        os.close(told)
        done, what = _watched(child, heard, done, deadline)
        os.close(heard)
        if what:
            wrong.append(Wrong(name, seed, done, what))
            done += 1
    return min(done, files), wrong


def _child(kind: Kind, seed: int, numbers: range, whole: str, told: int, deadline: float) -> None:
    os.setpgid(0, 0)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    folder = tempfile.mkdtemp(prefix="fuzz")
    memory.limit(_BYTES)
    try:
        for number in numbers:
            os.write(told, b"%d\n" % number)
            one(kind, whole, folder, seed, number)
            if time.monotonic() > deadline:
                break
        os.write(told, b"done\n")
    except BaseException:  # that it is none of ours is what this looks for
        os.write(told, b"!" + traceback.format_exc()[-600:].encode("utf-8", "replace").replace(b"\n", b" | ") + b"\n")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(0)


def _watched(child: int, heard: int, done: int, deadline: float) -> Any:
    """The number that the child came to, and what was wrong there, if anything."""
    os.set_blocking(heard, False)
    said, last, ended = b"", time.monotonic(), False
    while True:
        ended = ended or bool(os.waitpid(child, os.WNOHANG)[0])
        try:
            more = os.read(heard, 65536)
        except BlockingIOError:
            more = None
        if more:
            said, last = said + more, time.monotonic()
        elif ended or time.monotonic() - last > _QUIET or time.monotonic() > deadline + _QUIET:
            break
        else:
            time.sleep(0.01)
    lines = said.split(b"\n")
    numbers = [int(line) for line in lines if line.isdigit()]
    done = numbers[-1] if numbers else done
    if b"done" in lines:
        return done + 1, None
    trouble: Optional[str] = next((line[1:].decode("utf-8", "replace") for line in lines if line[:1] == b"!"), None)
    if not ended:
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        trouble = "it hung"
    return done, trouble or "the process died"


def summary(counts: Dict[str, int], wrong: List[Wrong], seconds: float) -> str:
    return "TensorFlow %s: %d files, %d answered by something else than an error of ours, %.0f s (CPU: %.0f s)" % (
        _tf.tf.__version__, sum(counts.values()), len(wrong), seconds, sum(os.times()[:4]))


def report(path: str, counts: Dict[str, int], wrong: List[Wrong], seeds: List[int], seconds: float) -> None:
    """Writes the figures of this release to its place in a page; a time limit may have cut the last seed short."""
    release = _tf.tf.__version__
    lines = ["%s; seeds %d to %d." % (summary(counts, wrong, seconds), seeds[0], seeds[-1]), "",
             "| kind | files | not answered |", "|---|---|---|"]
    lines += ["| %s | %d | %d |" % (name, count, sum(each.kind == name for each in wrong))
              for name, count in counts.items()]
    begin, end = _BEGIN % release, _END % release
    with open(path, encoding="utf-8") as file:
        text = file.read()
    block = "\n".join([begin] + lines + [end])
    found = re.search(re.escape(begin) + ".*?" + re.escape(end), text, re.S)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace(found.group(0), block) if found else text.rstrip("\n") + "\n\n" + block + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seeds", default="0-8", help="the first and the last")
    parser.add_argument("--files", type=int, default=40, help="of each kind and seed")
    parser.add_argument("--kinds", default="", help="those with this word in their name")
    parser.add_argument("--time-limit", type=float, default=3600.0, help="seconds, then it stops and reports")
    parser.add_argument("--report", help="a page whose figures of this release are written anew")
    options = parser.parse_args()
    first, _, last = options.seeds.partition("-")
    seeds, start = list(range(int(first), int(last or first) + 1)), time.monotonic()
    print("TensorFlow %s" % _tf.tf.__version__, flush=True)  # imported here, not by each child
    whole = tempfile.mkdtemp(prefix="whole")
    child = os.fork()  # it runs sessions, which this process must not
    if not child:
        write_whole(whole)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        return 2
    counts, wrong, begun = dict.fromkeys((name for name in KINDS if options.kinds in name), 0), [], []
    for seed in seeds:
        if time.monotonic() - start > options.time_limit:
            break
        begun.append(seed)
        for name in counts:
            count, found = run(name, seed, options.files, whole, start + options.time_limit)
            counts[name] += count
            wrong += found
            for each in found:
                print("%s, seed %d, number %d: %s" % each, flush=True)
        print("%s, seeds %d to %d" % (summary(counts, wrong, time.monotonic() - start), begun[0], seed), flush=True)
    shutil.rmtree(whole)
    if options.report:
        report(options.report, counts, wrong, begun, time.monotonic() - start)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
