"""Judges an explanation of each notebook, where it is made: python scripts/evaluate_notebooks.py [NAME …].

The cells of a notebook run up to that explanation, in this process and in a folder of their own. Where the notebook
explains a single row, the first of its held-out rows are explained in the same way. Prints a table in Markdown, which
docs/evaluation.md holds.
"""

import os
import pathlib
import sys
import tempfile
from typing import Any, Callable, Dict, List, Sequence

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "notebooks")]

import nbformat  # noqa: E402

import tf1_ig  # noqa: E402

MEASURES = ("completeness", "definition", "leave one out", "signs", "subsets", "deletion", "insertion", "shapley",
            "weights randomised", "stability", "other label")
ROWS = 8       # of an explanation that are judged


def _held_out(names: Sequence[str], *keys: str) -> Callable[[Dict[str, Any]], Dict[str, Any]]:
    """The first held-out rows of a notebook as the feed of its model."""
    return lambda space: {key: np.asarray(space[name])[:ROWS] for name, key in zip(names, keys)}


def _tweets(space: Dict[str, Any]) -> Dict[str, Any]:
    ids, lengths = space["encode"]([words for words, _ in space["held_out"][:ROWS]])
    return {"batch:0": ids, "batch:1": lengths}


# By notebook: which of its explanations (the first made while the model is hardly trained is not the one), and the
# feed of more rows.
MORE: Dict[str, Any] = {
    "02_queue_fed_training": (2, _tweets),
    "05_average_pooling": (0, _held_out(["test_ids"], "ids:0")),
    "06_bilstm_topics": (0, _held_out(["test_ids", "test_lengths"], "ids:0", "lengths:0")),
}
SHOWN = ("leave one out", "subsets", "deletion", "shapley", "weights randomised", "stability")


class Judged(BaseException):
    """The explanation was judged: nothing behind it needs to run."""


def more_rows(explainer: Any, feed: Dict[Any, Any], asked: Dict[str, Any]) -> Any:
    """The report of other rows than those that were asked about, of the class that the model says."""
    baseline = asked.get("baseline", "zero")
    if isinstance(baseline, dict):  # that of one row becomes that of each: padding
        baseline = dict.fromkeys(baseline, 0)
    return tf1_ig.evaluate(explainer, feed, "top", MEASURES, baseline=baseline)


def judge(explainer: Any, result: Any, feed: Dict[Any, Any], label: Any, asked: Dict[str, Any]) -> Any:
    """The report of the first rows of an explanation."""
    rows = len(result)
    some = {key: np.asarray(value)[:ROWS] if np.ndim(value) and len(value) == rows else value
            for key, value in feed.items()}
    own = result.label[:ROWS]
    of_rows = label if label is None or isinstance(label, str) else [
        tuple(int(place) for place in one) if np.ndim(one) else int(one) for one in own]
    baseline = asked.get("baseline", "zero")
    if isinstance(baseline, dict):
        baseline = {key: np.asarray(value)[:ROWS] if np.ndim(value) and len(value) == rows else value
                    for key, value in baseline.items()}
    kept = {name: asked[name] for name in ("shared_feeds", "row_feeds") if name in asked}
    return tf1_ig.evaluate(explainer, some, of_rows, MEASURES, baseline=baseline, **kept)


def first(path: pathlib.Path, folder: str) -> Any:
    """The report of an explanation that a notebook makes, the first as a rule, and how many rows it is of."""
    plain, found = tf1_ig.IntegratedGradients.explain, []
    which, rows_of = MORE.get(path.stem, (0, None))

    def explain(self, feed, label=None, *more, **asked):
        result = plain(self, feed, label, *more, **asked)
        found.append(None)
        if len(found) == which + 1:  # evaluate explains, too
            told = dict(zip(("baseline",), more), **asked)
            report = judge(self, result, feed, label, told) if rows_of is None else more_rows(
                self, rows_of(space), told)
            found[:] = [(report, ROWS if rows_of else min(ROWS, len(result)))]
            raise Judged()
        return result

    before, space = os.getcwd(), {"__name__": "__main__", "display": lambda *shown: None}  # type: Any
    tf1_ig.IntegratedGradients.explain = explain
    try:
        os.chdir(folder)
        for cell in nbformat.read(str(path), as_version=4).cells:
            if cell.cell_type == "code":
                exec(compile(cell.source, path.name, "exec"), space)  # noqa: S102
    except Judged:
        return found[0]
    finally:
        os.chdir(before)
        tf1_ig.IntegratedGradients.explain = plain
    return None


def told(measured: Any) -> str:
    """A number with its interval."""
    if measured.value is None or not np.isfinite(measured.value):
        return "–"
    text = "%.2f" % measured.value
    return text if measured.interval is None else "%s (%.2f to %.2f)" % ((text,) + measured.interval)


def main(wanted: List[str]) -> None:
    print("| notebook | rows | %s | not ok |" % " | ".join(SHOWN))
    print("|---" * (len(SHOWN) + 3) + "|")
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        if wanted and not any(path.name.startswith(name) for name in wanted):
            continue
        with tempfile.TemporaryDirectory() as folder:
            found = first(path, folder)
        if found is None:
            print("| %s | no explanation |" % path.stem, flush=True)
            continue
        report, rows = found
        doubtful = ", ".join("%s %s (%s)" % (one.name, one.verdict, one.value_text) for one in report
                             if one.verdict != "ok")
        print("| %s | %d | %s | %s |" % (path.stem, rows, " | ".join(told(report[name]) for name in SHOWN),
                                         doubtful or "–"), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
