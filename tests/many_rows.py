"""What the tests and campaigns of whole data sets share: reviews for the demo model, its spec, readers of folders."""

import argparse
import contextlib
import json
import os
import tempfile

import numpy as np

import tf1_ig
from tf1_ig import cli, demo

WORDS = "a wonderful film that never bores and the worst plot i have seen in years not good but bad".split()


def demo_spec(folder):
    """The path of a spec of the demo model, which is written into a folder."""
    path = os.path.join(str(folder), "spec.json")
    vocabulary = os.path.join(os.path.dirname(demo.__file__), "vocab.txt")
    assert cli.main(["inspect", demo.MODEL, "--spec", path, "--vocab", vocabulary]) == 0
    return path


def reviews(count, seed=0, key="key", longest=30):
    """Rows of a key and a text of drawn words."""
    drawn = np.random.RandomState(seed)
    return [{key: "k%d" % row, "text": " ".join(drawn.choice(WORDS, drawn.randint(1, longest)))}
            for row in range(count)]


def drawn_texts(count):
    """Rows of a key and a text of 3 to 60 drawn words of the demo's own vocabulary."""
    known = [word for word in demo.load_vocabulary() if word.isalpha()]
    drawn = np.random.RandomState(0)
    return [{"key": "k%d" % row, "text": " ".join(drawn.choice(known, drawn.randint(3, 61)))} for row in range(count)]


@contextlib.contextmanager
def campaign(words, document, count):
    """As many drawn texts as the command line says (``--rows``), a folder for the time being, the demo's spec in it."""
    parser = argparse.ArgumentParser(description=document.split("\n")[0])
    parser.add_argument("--rows", type=int, default=count)
    rows = drawn_texts(parser.parse_args(words).rows)
    with tempfile.TemporaryDirectory() as folder:
        yield rows, folder, demo_spec(folder)


def lines(path, rows):
    """The path of a file that holds rows as JSON lines."""
    with open(str(path), "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return str(path)


def explained(spec, given, **options):
    """The records of batches, in order."""
    return [row for batch in tf1_ig.explain_batches(spec, given, **options) for row in batch.to_pylist()]


def written(path):
    """Rows and dead letters of a folder, read by pyarrow and json alone."""
    import pyarrow.parquet as parquet
    names = sorted(os.listdir(str(path)))
    rows = [row for name in names if name.startswith("part-") and name.endswith(".parquet")
            for row in parquet.ParquetFile(os.path.join(str(path), name)).read().to_pylist()]
    letters = []
    for name in names:
        if name.startswith("dead-letter-") and name.endswith(".jsonl"):
            with open(os.path.join(str(path), name), encoding="utf-8") as file:
                letters += [json.loads(line) for line in file]
    return rows, letters


def largest_difference(found, known):
    """Between explained rows and those of the same keys: of scores and attributions; infinite where tokens differ."""
    most = 0.0
    for row in found:
        other = known[row["key"]]
        if row["tokens"] != other["tokens"] or row["label"] != other["label"]:
            return float("inf")
        most = max([most, abs(row["score"] - other["score"])] + [
            abs(one - two) for one, two in zip(row["attributions"], other["attributions"])])
    return most


def deadly(folder, key, monkeypatch):
    """Makes processes that explain end without a word when they have the row of a key in hand."""
    from tf1_ig.scale import worker
    (folder / "deadly.py").write_text(
        "import os\nfrom tf1_ig.scale import batches, worker\nreal = batches.records.explain\n"
        "def explain(spec, explainer, of, options):\n"
        "    if any(line.key == %r for line in of):\n"
        "        os._exit(9)\n"
        "    return real(spec, explainer, of, options)\n"
        "batches.records.explain = explain\nworker.main()\n" % key, encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(worker, "_CHILD", "import sys; del sys.path[0]; import deadly")
