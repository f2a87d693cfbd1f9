"""What whole processes take: the first answer from the command line, and big models, against what they need anyway.

Times are CPU seconds (user and system, children included), which other work on the machine changes less than the
clock; memory is the largest resident size.

    python -m benchmarks.whole_process [--parts first,hundred,stream,big] [--turns 5] [--models bert,resnet,musicnn]
                                       [--forms frozen,checkpoint] [--rows 8]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from typing import Any, Callable, Dict, List, NamedTuple, Sequence

import numpy as np

MIB = float(1 << 20)
FEW, MANY = 200, 2200  # rows of a stream
STEPS = 4  # of big models: 8 rows of them are minutes of a processor


class Took(NamedTuple):
    cpu: float
    wall: float
    peak: float    # MiB
    said: str


def process(words: Sequence[str]) -> Took:
    """Runs Python with some words to its end.

    Raises:
      RuntimeError: it ended with another status than 0.
    """
    begun = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        started = subprocess.Popen([sys.executable, "-W", "ignore", *words], stdout=said, stderr=subprocess.STDOUT,
                                   env=dict(os.environ, TF_CPP_MIN_LOG_LEVEL="2", PYTHONDONTWRITEBYTECODE=""))
        _, status, used = os.wait4(started.pid, 0)
        started.returncode = status
        said.seek(0)
        text = said.read()
    if status:
        raise RuntimeError("%s: %s" % (" ".join(words)[:80], text[-400:]))
    unit = 1.0 if sys.platform == "darwin" else 1024.0
    return Took(used.ru_utime + used.ru_stime, time.perf_counter() - begun, used.ru_maxrss * unit / MIB, text)


def over(words: Sequence[str], turns: int, without: float = 0.0) -> str:
    """CPU seconds of a command over those of TensorFlow's own import, in turn: quartiles over the turns."""
    found = []
    for turn in range(turns + 1):
        bare, whole = process(["-c", "import tensorflow.compat.v1"]), process(words)
        if turn:  # the first compiles what is not compiled yet
            found.append(whole.cpu - bare.cpu - without)
    return "%+.2f (%+.2f to %+.2f) s over TensorFlow's import" % tuple(np.percentile(found, [50, 25, 75]))


def first_answer(folder: str, turns: int) -> List[str]:
    """One row of the demo, explained and written as a page; and its model inspected."""
    from tf1_ig import demo
    feed = os.path.join(folder, "one.npz")
    ids, lengths = demo.encode([demo.tokenize(demo.SENTENCES[1])], demo.load_vocabulary())
    np.savez(feed, **{demo.IDS: ids, demo.LENGTHS: lengths})
    page = os.path.join(folder, "why.html")
    return ["explain, one row of the demo: " + over(["-m", "tf1_ig", "explain", demo.MODEL, "--feed", feed, "--out",
                                                      page], turns),
            "inspect, the demo's model: " + over(["-m", "tf1_ig", "inspect", demo.MODEL], turns)]


def hundred_rows(folder: str, turns: int) -> List[str]:
    """100 rows of a model of about a thousand nodes, over import and what the second call of ``explain`` takes."""
    import graph_tools as gt
    import tf1_ig
    from benchmarks import big_models
    path, feed = big_models.write("small", folder)["frozen"], os.path.join(folder, "hundred.npz")
    ids = big_models.BIG["small"].example(100)
    np.savez(feed, **{"ids:0": ids})
    model = gt.load(path)
    with tf1_ig.IntegratedGradients(model, "scores:0", "embedding:0") as explainer:
        explainer.explain({"ids:0": ids}, label="top")
        begun = time.process_time()
        explainer.explain({"ids:0": ids}, label="top")
        engine = time.process_time() - begun
    return ["explain, 100 rows of a graph of %d nodes: %s and %.1f s of engine" % (
        len(model.index.nodes), over(["-m", "tf1_ig", "explain", path, "--feed", feed, "--output", "scores:0"],
                                     turns, engine), engine)]


def stream(folder: str, turns: int) -> List[str]:
    """CPU seconds that one more row of text takes in ``explain-many``, from a file of lines to Parquet."""
    from tf1_ig import demo
    random, spec = np.random.RandomState(0), os.path.join(folder, "spec.json")
    words = [word for sentence in demo.SENTENCES for word in demo.tokenize(sentence)]
    process(["-m", "tf1_ig", "inspect", demo.MODEL, "--spec", spec, "--vocab",
             os.path.join(os.path.dirname(demo.MODEL), "vocab.txt")])
    took = []
    for turn in range(turns):
        cpu = []
        for rows in FEW, MANY:
            lines = os.path.join(folder, "%d.txt" % rows)
            with open(lines, "w") as file:
                file.writelines(" ".join(random.choice(words, random.randint(3, 40))) + "\n" for _ in range(rows))
            out = os.path.join(folder, "out-%d-%d" % (turn, rows))
            cpu.append(process(["-m", "tf1_ig", "explain-many", "--spec", spec, "--input", lines, "--out", out]).cpu)
        took.append(1000 * (cpu[1] - cpu[0]) / (MANY - FEW))
    return ["explain-many, the demo's model: %.1f ms of a processor a row (%.1f to %.1f)" % tuple(
        np.percentile(took, [50, 25, 75]))]


def big(folder: str, names: Sequence[str], forms: Sequence[str], rows: int) -> List[str]:
    """Big models: loading, opening, explaining; the gradient alone and the classic loop; peaks."""
    lines = []
    for name in names:
        process(["-m", "benchmarks.whole_process", "--do", "write", name, folder])
        for form in forms:
            answers = {what: process(["-m", "benchmarks.whole_process", "--do", what, name, folder, form, str(rows)])
                       for what in ("explain", "loop")}
            told: Dict[str, Any] = {what: json.loads(took.said.splitlines()[-1]) for what, took in answers.items()}
            weights, peak = told["explain"]["weights"], answers["explain"].peak
            lines.append("%s, %s, %d rows, %d steps: load %.1f s, open %.1f s, explain %.1f s (%.2f of the loop, %.2f "
                         "of the gradient alone); peak %.0f MiB, %.1f x weights (%.0f MiB) + 1 GiB; the loop's %.0f" % (
                             name, form, rows, STEPS, told["explain"]["load"], told["explain"]["open"],
                             told["explain"]["explain"], told["explain"]["explain"] / told["loop"]["loop"],
                             told["explain"]["explain"] / told["loop"]["alone"], peak, (peak - 1024) / weights, weights,
                             answers["loop"].peak))
            print(lines[-1], flush=True)
    return lines


def _explain(name: str, folder: str, form: str, rows: str) -> Dict[str, float]:
    import graph_tools as gt
    import tf1_ig
    from benchmarks import big_models
    from graph_tools import held
    kind, times = big_models.BIG[name], [time.perf_counter()]
    model = gt.load(big_models.paths(name, folder)[form])
    times.append(time.perf_counter())
    with tf1_ig.IntegratedGradients(model, "scores:0", kind.attributed) as explainer:
        times.append(time.perf_counter())
        explainer.explain({kind.fed: kind.example(int(rows))}, label="top", steps=STEPS, method="midpoint")
        times.append(time.perf_counter())
    return dict(zip(("load", "open", "explain"), np.diff(times).tolist()), weights=4 * held.weights(model.index) / MIB)


def _loop(name: str, folder: str, form: str, rows: str) -> Dict[str, float]:
    """The loop that everybody writes, on the graph itself; and its gradient alone at the best of three sizes."""
    import graph_tools as gt
    from benchmarks import big_models
    from graph_tools import _tf
    tf, kind = _tf.tf, big_models.BIG[name]
    model = gt.load(big_models.paths(name, folder)[form])
    graph = model.new_graph()
    with graph.as_default(), _tf.control_flow_v1():
        entries = graph.get_tensor_by_name(kind.attributed)
        gradient, = tf.gradients(tf.reduce_max(graph.get_tensor_by_name("scores:0"), 1), entries)
    restore = model.prepare_restore(graph)
    with tf.Session(graph=graph, config=_tf.session_config()) as session:
        restore(session)
        values = session.run(entries, {kind.fed: kind.example(int(rows))})
        session.run(gradient, {entries: values[:1]})
        begun = time.perf_counter()
        total = np.zeros_like(values)
        for step in range(STEPS):
            total += session.run(gradient, {entries: values * (step + 0.5) / STEPS})
        took = time.perf_counter() - begun
        alone = min(_seconds(lambda size=size: session.run(gradient, {entries: values[:size]})) / size
                    for size in (1, 2, 4))
    return {"loop": took, "alone": alone * STEPS * len(values)}


def _seconds(work: Callable[[], Any]) -> float:
    work()
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _write(name: str, folder: str) -> Dict[str, float]:
    from benchmarks import big_models
    big_models.write(name, folder)
    return {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default="first,hundred,stream,big")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--models", default="bert,resnet,musicnn")
    parser.add_argument("--forms", default="frozen,checkpoint")
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--do", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.do:
        work = {"write": _write, "explain": _explain, "loop": _loop}[options.do[0]]
        print(json.dumps(work(*options.do[1:])))
        return
    with tempfile.TemporaryDirectory() as folder:
        parts = {"first": lambda: first_answer(folder, options.turns),
                 "hundred": lambda: hundred_rows(folder, options.turns),
                 "stream": lambda: stream(folder, options.turns),
                 "big": lambda: big(folder, options.models.split(","), options.forms.split(","), options.rows)}
        for part in options.parts.split(","):
            found = parts[part]()
            if part != "big":  # which has told each as it came
                print("\n".join(found), flush=True)


if __name__ == "__main__":
    main()
