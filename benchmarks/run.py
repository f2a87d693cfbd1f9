"""Compares Integrated Gradients libraries on the same weights, side by side in one run.

Every library runs in a process of its own; the processes take turns, so that a busy machine slows all of them alike,
and times are compared turn by turn (medians of ratios within a turn). Prints a table, writes JSON.

    python -m benchmarks.run [--networks cnn,bilstm,segmenter] [--libraries "NAME;…"] [--rows 64] [--steps 50]
                             [--turns 7] [--python ENVIRONMENT=PATH …] [--folder ENVIRONMENT=PATH …]
                             [--out FILE.json] [--plot FILE.svg]
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
from typing import Any, Dict, List, Optional

import numpy as np

from benchmarks import environments, plot
from benchmarks.libraries import LIBRARIES

ROOT = pathlib.Path(__file__).resolve().parent.parent
DENSE_STEPS = 2000
OF_ONE_ROW = ("tf1_ig", "tf1_ig adaptive", "classic loop")


class Worker:
    """A library in its process."""

    def __init__(self, library: str, network: str, folder: str, ready: environments.Ready):
        start = "import sys; sys.path.append(%r); from benchmarks.worker import main; main(*%r)" % (
            ready.extra or str(ROOT), [library, network, folder])
        quiet = dict(os.environ, TF_CPP_MIN_LOG_LEVEL="2", PYTHONPATH=str(ROOT))
        self._errors = open(os.path.join(folder, "%s.log" % library.replace(" ", "_").replace(",", "")), "w")
        self._process = subprocess.Popen([ready.python, "-W", "ignore", "-c", start], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, stderr=self._errors, universal_newlines=True,
                                         env=quiet, cwd=str(ROOT))
        self.library = library
        self.why_not = self._read().get("failed", "")

    def ask(self, **request: Any) -> Dict[str, Any]:
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> Dict[str, Any]:
        line = self._process.stdout.readline()
        return json.loads(line) if line else {"failed": "the process ended; see %s" % self._errors.name}

    def close(self) -> None:
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()
        self._errors.close()


def compare(network: str, libraries: List[str], folder: str, options) -> Dict[str, Any]:
    """One network: opens the libraries, checks that they are the same function, and lets them take turns."""
    workers, left_out = _open(network, libraries, folder, options)
    try:
        left_out.update(_unlike(workers))
        workers = [worker for worker in workers if worker.library not in left_out]
        found = _take_turns(workers, options)
        reference = _dense(network, folder, options)
        for worker in workers:
            values = os.path.join(folder, "values.npy")
            worker.ask(do="explain", rows=options.rows, steps=options.steps, values=values)
            if os.path.exists(values):
                found[worker.library].update(_errors(np.load(values), reference))
                os.remove(values)
        if options.single:
            _one_row_each(found, [worker for worker in workers if worker.library in OF_ONE_ROW], options)
    finally:
        for worker in workers:
            worker.close()
    return {"libraries": found, "left_out": left_out}


def _open(network, libraries, folder, options):
    workers, left_out = [], {}
    for library in libraries:
        ready = environments.prepare(LIBRARIES[library].environment, options.python, options.folder)
        worker = None if ready.why_not else Worker(library, network, folder, ready)
        if worker is None or worker.why_not:
            left_out[library] = ready.why_not or worker.why_not
        else:
            workers.append(worker)
    return workers, left_out


def _take_turns(workers: List[Worker], options) -> Dict[str, Dict[str, Any]]:
    """Seconds of every turn and evaluations by library; every other turn runs backwards, the first warms up.

    Before it is timed, each explains a few rows: a process that has slept while others took their turns starts slowly.
    """
    found = {worker.library: {"seconds": [], "cpu_seconds": []} for worker in workers}
    for turn in range(options.turns + 1):
        for worker in workers[::-1 if turn % 2 else 1]:
            worker.ask(do="explain", rows=max(1, options.rows // 8), steps=options.steps)
            latest = worker.ask(do="explain", rows=options.rows, steps=options.steps)
            found[worker.library]["evaluations"] = latest["evaluations"]
            if turn:
                for what in ("seconds", "cpu_seconds"):
                    found[worker.library][what].append(latest[what])
    return found


def _one_row_each(found, workers: List[Worker], options) -> None:
    """Latency of a single row: what somebody waits for at a prompt."""
    for turn in range(3 * options.turns + 1):
        for worker in workers:
            took = worker.ask(do="explain", rows=1, start=turn % options.rows, steps=options.steps)["seconds"]
            if turn:
                found[worker.library].setdefault("one_row_seconds", []).append(took)


def _unlike(workers: List[Worker]) -> Dict[str, str]:
    """Libraries whose outputs are not those of the first within 1e-5."""
    wrong, expected = {}, None
    for worker in workers:
        answer = worker.ask(do="forward", rows=16)
        scores = np.array(answer.get("scores", np.nan))
        expected = scores if expected is None else expected
        if scores.shape != expected.shape or not np.abs(scores - expected).max() <= 1e-5:
            wrong[worker.library] = answer.get("failed") or "outputs of another function"
            worker.close()
    return wrong


def _dense(network: str, folder: str, options) -> Dict[str, np.ndarray]:
    """Attributions by many midpoints, kept beside the weights."""
    path = os.path.join(folder, "%s-dense-%d.npz" % (network, options.rows))
    if not os.path.exists(path):
        values = os.path.join(folder, "dense.npy")
        worker = Worker("classic loop", network, folder, environments.prepare("tensorflow", options.python,
                                                                               options.folder))
        worker.ask(do="explain", rows=options.rows, steps=DENSE_STEPS, values=values)
        with np.load(os.path.join(folder, network + ".npz")) as data:
            ids, labels, table = data["ids"][:options.rows], data["labels"][:options.rows], data["embedding"]
        scores = np.array(worker.ask(do="forward", rows=options.rows)["scores"])[np.arange(len(ids)), labels]
        worker.close()
        np.savez(path, values=np.load(values), rise=np.load(values).sum((1, 2)), scores=scores, ids=ids, rows=table[:1])
    with np.load(path) as data:
        return dict(data)


def _errors(values: np.ndarray, reference: Dict[str, np.ndarray]) -> Dict[str, Any]:
    """Completeness error and token error of each row, relative: median, 95th percentile and largest."""
    tokens, dense = values.sum(2), reference["values"].sum(2)
    completeness = np.abs(tokens.sum(1) - dense.sum(1)) / np.abs(dense.sum(1))
    token = np.abs(tokens - dense).sum(1) / np.abs(dense).sum(1)
    return {name: [float(np.percentile(error, share)) for share in (50, 95, 100)]
            for name, error in (("completeness_error", completeness), ("token_error", token))}


def memory_growth(network: str, library: str, folder: str, options) -> Optional[float]:
    """MiB by which the process's peak grows from 20 to 1000 steps."""
    worker = Worker(library, network, folder, environments.prepare(LIBRARIES[library].environment, options.python,
                                                                    options.folder))
    if worker.why_not:
        return None
    try:
        for _ in range(3):
            worker.ask(do="explain", rows=16, steps=20)
        before = worker.ask(do="memory")["peak"]
        worker.ask(do="explain", rows=16, steps=1000)
        return worker.ask(do="memory")["peak"] - before
    finally:
        worker.close()


def ageing(network: str, folder: str, options) -> Optional[float]:
    """Of 1,000 explanations of one row: median time of the last hundred over the first; one before warms up."""
    worker = Worker("tf1_ig", network, folder, environments.prepare("tensorflow", options.python, options.folder))
    if worker.why_not:
        return None
    try:
        took = [worker.ask(do="explain", rows=1, start=number % options.rows, steps=10)["seconds"]
                for number in range(1001)][1:]
        return float(np.median(took[-100:]) / np.median(took[:100]))
    finally:
        worker.close()


def table(result: Dict[str, Any]) -> str:
    """The result as a Markdown table; ratios are medians over turns of this library over the raw gradient."""
    lines = []
    for network, part in result["networks"].items():
        raw = part["libraries"].get("raw gradient")
        lines += ["", "### %s" % network, "", "| library | time over raw cost (spread) | the same of CPU seconds | "
                  "evaluations per row | completeness error, median / 95th / max | "
                  "token L1 error, median / 95th / max | memory growth |",
                  "|---|---|---|---|---|---|---|"]
        for library, found in part["libraries"].items():
            took = [plot.over_raw(found, raw, result, what) for what in ("seconds", "cpu_seconds")]
            ratio, cpu = ("%.2f (%.2f–%.2f)" % tuple(np.percentile(one, [50, 25, 75])) for one in took)
            errors = [" / ".join("%.2f %%" % (100 * error) for error in found[name]) if name in found else ""
                      for name in ("completeness_error", "token_error")]
            growth = part.get("memory_growth", {}).get(library)
            lines.append("| %s | %s | %s | %.1f | %s | %s | %s |" % (
                library, ratio, cpu, found["evaluations"] / result["rows"], errors[0], errors[1],
                "" if growth is None else "%.0f MiB" % growth))
        loop = part["libraries"].get("classic loop", {}).get("one_row_seconds")
        for library in ("tf1_ig", "tf1_ig adaptive"):
            single = part["libraries"].get(library, {}).get("one_row_seconds")
            if single and loop:
                lines += ["", "One row at a time, %s over the classic loop: %.2f" % (
                    library, np.median(np.array(single) / np.array(loop)))]
        if part.get("ageing"):
            lines += ["", "1,000 explanations of one row, the last hundred over the first: %.2f" % part["ageing"]]
        lines += ["", ""] if part["left_out"] else []
        lines += ["Left out: %s (%s)." % item for item in part["left_out"].items()]
    return "\n".join(lines).strip()


def weights_of(network: str, folder: str, rows: int, options) -> None:
    """Trains the network in a process of its own and keeps weights and the sentences to explain."""
    path = os.path.join(folder, network + ".npz")
    if os.path.exists(path):
        return
    program = ("import numpy as np; from benchmarks import models; w = models.train(%r); "
               "ids, labels = models.sentences(%r, 256, 5); np.savez(%r, ids=ids, labels=labels, **w)" % (
                   network, network, path))
    ready = environments.prepare("tensorflow", options.python, options.folder)
    subprocess.run([ready.python, "-W", "ignore", "-c", program], check=True, cwd=str(ROOT),
                   env=dict(os.environ, TF_CPP_MIN_LOG_LEVEL="2", PYTHONPATH=str(ROOT)))


def machine(options) -> Dict[str, Any]:
    model = ""
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as lines:
            model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    versions = {}
    for environment in sorted({entry.environment for entry in LIBRARIES.values()}):
        ready = environments.prepare(environment, options.python, options.folder)
        program = ("import sys; sys.path.append(%r)\nfor name in ('tensorflow', 'torch', 'captum', 'alibi', 'numpy'):\n"
                   "    try: print(name, getattr(__import__(name), '__version__', '?'))\n"
                   "    except Exception: pass" % (ready.extra or ""))
        if ready.python:
            versions[environment] = subprocess.run(
                [ready.python, "-W", "ignore", "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                universal_newlines=True, check=False).stdout.split("\n")[:-1]
    return {"processor": model or platform.processor(), "cores": os.cpu_count(), "system": platform.platform(),
            "load_before": list(os.getloadavg()), "versions": versions}


def _options(arguments: Optional[List[str]]) -> argparse.Namespace:
    def pair(text):
        return tuple(text.split("=", 1))

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", default="cnn,bilstm,segmenter")
    parser.add_argument("--libraries", default=";".join(LIBRARIES), help="separated by semicolons")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--no-memory", dest="memory", action="store_false")
    parser.add_argument("--no-single", dest="single", action="store_false")
    parser.add_argument("--python", type=pair, action="append", default=[], metavar="ENVIRONMENT=PATH")
    parser.add_argument("--folder", type=pair, action="append", default=[], metavar="ENVIRONMENT=PATH")
    parser.add_argument("--work", help="folder for weights and references (default: a temporary one)")
    parser.add_argument("--out", default="benchmarks.json")
    parser.add_argument("--plot", metavar="FILE.svg", help="bars of time over raw cost (needs matplotlib)")
    options = parser.parse_args(arguments)
    options.python, options.folder = dict(options.python), dict(options.folder)
    options.libraries = options.libraries.split(";")
    unknown = [library for library in options.libraries if library not in LIBRARIES]
    if unknown:
        parser.error("no library %r; there are %s" % (unknown[0], "; ".join(LIBRARIES)))
    return options


def main(arguments: Optional[List[str]] = None) -> None:
    options = _options(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.work or temporary
        os.makedirs(folder, exist_ok=True)
        result = {"date": datetime.datetime.now().isoformat(timespec="minutes"), "machine": machine(options),
                  "rows": options.rows, "steps": options.steps, "turns": options.turns, "networks": {}}
        for network in options.networks.split(","):
            try:
                weights_of(network, folder, options.rows, options)
            except subprocess.CalledProcessError:  # it has said why: a package that cannot be had
                print("left out: the network %s" % network, file=sys.stderr)
                continue
            result["networks"][network] = compare(network, options.libraries, folder, options)
            if options.memory:
                result["networks"][network]["memory_growth"] = {
                    library: memory_growth(network, library, folder, options) for library in options.libraries
                    if library in ("tf1_ig", "tf1_ig adaptive", "classic loop")}
            if options.single:
                result["networks"][network]["ageing"] = ageing(network, folder, options)
    with open(options.out, "w") as out:
        json.dump(result, out, indent=1)
    print(table(result))
    print("\nwritten to %s" % options.out, file=sys.stderr)
    if options.plot:
        plot.draw(result, options.plot)


if __name__ == "__main__":
    main()
