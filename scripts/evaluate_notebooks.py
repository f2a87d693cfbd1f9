"""Judges the first explanation of each notebook, where it is made: python scripts/evaluate_notebooks.py [NAME …].

The cells of a notebook run up to that explanation, in this process and in a folder of their own. Prints a table in
Markdown, which docs/evaluation.md holds.
"""

import os
import pathlib
import sys
import tempfile
from typing import Any, Dict, List

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "notebooks")]

import nbformat  # noqa: E402

import tf1_ig  # noqa: E402

MEASURES = ("completeness", "definition", "leave one out", "signs", "subsets", "deletion", "insertion", "shapley",
            "weights randomised", "stability", "other label")
ROWS = 8       # of an explanation that are judged
SHOWN = ("leave one out", "subsets", "deletion", "shapley", "weights randomised", "stability")


class Judged(BaseException):
    """The explanation was judged: nothing behind it needs to run."""


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
    """The report of the first explanation that a notebook makes, and how many rows it is of."""
    plain, found = tf1_ig.IntegratedGradients.explain, []

    def explain(self, feed, label=None, *more, **asked):
        result = plain(self, feed, label, *more, **asked)
        if not found:
            found.append(None)  # evaluate explains, too
            found[0] = judge(self, result, feed, label, dict(zip(("baseline",), more), **asked)), min(ROWS, len(result))
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
