"""What the adaptive rule delivers for what is asked, and how many evaluations that takes, by kind of model.

Errors are of the tokens' shares, relative to their absolute sum, against many nodes of a fixed rule. Evaluations are
compared with the fewest nodes of Gauss-Legendre that leave no larger error, chosen with hindsight row by row.

    python -m benchmarks.calibration [--models demo,bilstm,cnn,segmenter] [--tolerances 0.01,0.001] [--rows 16]
"""

import argparse
from typing import Any, Callable, Dict, List, Tuple

import numpy as np

import graph_tools as gt
import tf1_ig
from benchmarks import models
from tf1_ig import demo
from tf1_ig.demo import text

DENSE, MOST = 2000, 64  # midpoints of the reference; nodes that hindsight may choose


def _demo(rows: int) -> Tuple[Any, str, Any, Dict[str, Any]]:
    model, edit = gt.swap_inputs(gt.load(demo.MODEL))
    words = [word for sentence in demo.SENTENCES for word in text.tokenize(sentence)]
    random = np.random.RandomState(0)
    sentences = [list(random.choice(words, random.randint(4, 20))) for _ in range(rows)]
    ids, lengths = demo.encode(sentences, demo.load_vocabulary())
    return model, demo.OUTPUT, gt.find_embeddings(model, demo.OUTPUT).only(), {
        edit.placeholders[demo.IDS]: ids, edit.placeholders[demo.LENGTHS]: lengths}


def _network(name: str) -> Callable[[int], Tuple[Any, str, Any, Dict[str, Any]]]:
    def made(rows: int) -> Tuple[Any, str, Any, Dict[str, Any]]:
        frozen = models.frozen(name, models.train(name))
        return frozen, "scores", "embedding", {"ids:0": models.sentences(name, rows, 7)[0]}

    return made


MODELS = {"demo": _demo, "bilstm": _network("bilstm"), "cnn": _network("cnn"), "segmenter": _network("segmenter")}


def calibrate(name: str, tolerances: List[float], rows: int) -> None:
    """Prints a line for each tolerance."""
    model, output, inputs, feed = MODELS[name](rows)
    with tf1_ig.IntegratedGradients(model, output, inputs) as explainer:
        def shares(**effort: Any) -> Tuple[np.ndarray, Any]:
            found = explainer.explain(feed, label="top", **effort)
            tokens, = found.tokens.values()
            return np.asarray(tokens, np.float64), found

        dense, _ = shares(steps=DENSE, method="midpoint")

        def error(tokens: np.ndarray) -> np.ndarray:
            return np.abs(tokens - dense).sum(axis=1) / np.abs(dense).sum(axis=1)

        by_nodes = np.array([error(shares(steps=nodes)[0]) for nodes in range(1, MOST + 1)])
        for tolerance in tolerances:
            tokens, found = shares(tolerance=tolerance)
            off = error(tokens)
            enough = by_nodes <= np.maximum(off, 1e-5)
            hindsight = np.where(enough.any(axis=0), enough.argmax(axis=0) + 1, MOST + 1)
            share = off[found.converged] / tolerance
            print("%-10s %7g %12.1f %12.1f %7.2f   %6.3f %6.3f %6.3f   %d of %d" % (
                name, tolerance, found.evaluations.mean(), hindsight.mean(),
                found.evaluations.sum() / hindsight.sum(), *np.percentile(share, [50, 95, 100]),
                found.converged.sum(), len(found)), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="demo,bilstm,cnn", help="of %s" % ", ".join(MODELS))
    parser.add_argument("--tolerances", default="0.01,0.001")
    parser.add_argument("--rows", type=int, default=16)
    options = parser.parse_args()
    print("%-10s %7s %12s %12s %7s   %s   %s" % ("model", "asked", "evaluations", "hindsight", "ratio",
                                                 "error over asked: median, 95 %, largest", "converged"))
    for name in options.models.split(","):
        calibrate(name, [float(one) for one in options.tolerances.split(",")], options.rows)


if __name__ == "__main__":
    main()
