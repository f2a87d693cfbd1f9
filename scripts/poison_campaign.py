"""Plants rows that cannot be explained, 1 % and 30 %, of many kinds; the rejected are to be these and no others.

    python scripts/poison_campaign.py --rows 3000

A model of text, category, numbers, ids and pictures is explained from JSON lines and from TFRecords; folders are read
by pyarrow and by DuckDB (where it is installed), and good rows compared with those of a run without poison.
"""

import argparse
import glob
import importlib.util
import json
import os
import pathlib
import struct
import sys
import tempfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import graph_tools as gt  # noqa: E402
import tf1_ig  # noqa: E402
from graph_tools._tf import tf  # noqa: E402
from tests.many_rows import WORDS, largest_difference, written  # noqa: E402
from tf1_ig.show.png import png  # noqa: E402

HOSTILE = "<script>alert(1)</script>"
LONGEST = 40


def changed(**more):
    """A kind of poison that changes columns of a row; the column that is to be blamed goes first."""
    return lambda row: dict(row, **more)


def without(column):
    """A kind of poison that takes a column away."""
    return lambda row: {name: value for name, value in row.items() if name != column}


# A row of JSON lines becomes another row, or the line itself; beside it what the reason or the column must hold.
KINDS = {
    "wrong type": (changed(text=5), "text"),
    "an object for a text": (changed(text={"a": 1}), "text"),
    "markup for a number": (changed(b=HOSTILE), "b"),
    "markup for a category": (changed(shop=HOSTILE), "shop"),
    "missing column": (without("a"), "a"),
    "null": (changed(text=None), "text"),
    "unknown category": (changed(shop="elsewhere"), "shop"),
    "id out of range": (changed(item=99), "99"),
    "negative id": (changed(item=-3), "-3"),
    "NaN": (changed(c=float("nan")), "c"),
    "infinite": (changed(c=float("inf")), "c"),
    "empty": (changed(text=" "), "text"),
    "too long": (changed(text=" ".join(["film"] * (LONGEST + 1))), "text"),
    "no Unicode": (changed(text="\ud800 film"), "text"),
    "broken picture": (changed(picture="broken.png"), "picture"),
    "no picture": (changed(picture="nowhere.png"), "picture"),
    "half a line": (lambda row: json.dumps(row)[:20], "not JSON"),
    "no object": (lambda row: "7", "mapping"),
}
RECORDS = ("missing column", "unknown category", "id out of range", "empty", "too long", "broken picture")


def model(folder):
    """The spec of a model that reads all of these columns."""
    drawn = np.random.RandomState(0)

    def weights(*shape):
        return tf.constant(drawn.randn(*shape).astype(np.float32))

    graph = tf.Graph()
    with graph.as_default():
        ids, length = tf.placeholder(tf.int32, [None, None], "ids"), tf.placeholder(tf.int32, [None], "length")
        shop, item = tf.placeholder(tf.int32, [None], "shop"), tf.placeholder(tf.int32, [None], "item")
        x, picture = tf.placeholder(tf.float32, [None, 3], "x"), tf.placeholder(tf.float32, [None, 4, 4, 1], "picture")
        mask = tf.expand_dims(tf.sequence_mask(length, tf.shape(ids)[1], dtype=tf.float32), 2)
        text = tf.reduce_sum(tf.gather(weights(len(WORDS) + 1, 6), ids) * mask, 1)
        parts = [text, tf.gather(weights(3, 6), shop), tf.gather(weights(10, 6), item), tf.matmul(x, weights(3, 6)),
                 tf.matmul(tf.reshape(picture, [-1, 16]), weights(16, 6))]
        tf.nn.softmax(tf.matmul(tf.tanh(0.2 * tf.add_n(parts)), weights(6, 2)), name="o")
    with tf.Session(graph=graph) as session:
        gt.from_session(session).save(os.path.join(folder, "m.pb"))
    with open(os.path.join(folder, "v.txt"), "w", encoding="utf-8") as file:
        file.write("\n".join(["<pad>"] + sorted(set(WORDS))))
    feed = {"ids:0": {"kind": "text", "vocabulary": {"file": "v.txt", "padding": "<pad>"}, "longest": LONGEST},
            "length:0": {"kind": "lengths", "of": "ids:0"},
            "shop:0": {"kind": "category", "column": "shop", "categories": ["north", "south", "web"]},
            "item:0": {"kind": "numbers", "column": "item", "dtype": "int32"},
            "x:0": {"kind": "numbers", "columns": ["a", "b", "c"]},
            "picture:0": {"kind": "image", "column": "picture", "colours": "gray", "size": [4, 4], "divide": 255}}
    return tf1_ig.ExplanationSpec({"version": 1, "model": {"path": "m.pb"}, "output": "o:0", "label": "top", "inputs": [
        "x:0"], "feed": feed}, folder)


def good(count, folder):
    """Rows without poison, and the pictures that they name."""
    drawn = np.random.RandomState(1)
    for number in range(5):
        data = png(drawn.randint(0, 255, (4, 4, 3)).astype(np.uint8))
        pathlib.Path(folder, "p%d.png" % number).write_bytes(data)
    pathlib.Path(folder, "broken.png").write_bytes(data[:len(data) // 2])
    return [dict(key="<b>k%d" % row, text=" ".join(drawn.choice(WORDS, drawn.randint(1, LONGEST))), shop=str(
        drawn.choice(["north", "south", "web"])), item=int(drawn.randint(10)), picture="p%d.png" % drawn.randint(5), **{
            name: float(drawn.randn()) for name in "abc"}) for row in range(count)]


def as_lines(path, rows):
    """JSON lines of rows, or of what stands for one."""
    with open(path, "w", encoding="utf-8") as file:
        file.writelines((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)


def as_records(path, rows):
    """TFRecords of ``tf.Example``s; a text stands for a record that is none. The checksums are left empty."""
    with open(path, "wb") as file:
        for row in rows:
            data = row.encode() if isinstance(row, str) else _example(row)
            file.write(struct.pack("<Q", len(data)) + b"\0" * 4 + data + b"\0" * 4)


def _example(row):
    made = tf.train.Example()
    for name, value in row.items():
        feature = made.features.feature[name]
        if isinstance(value, str):
            feature.bytes_list.value.append(value.encode())
        elif isinstance(value, int):
            feature.int64_list.value.append(value)
        else:
            feature.float_list.value.append(value)
    return made.SerializeToString()


def planted(rows, share, kinds, drawn):
    """Rows with poison in them; kind and place of each that was planted."""
    places = drawn.choice(len(rows), max(len(kinds), int(share * len(rows))), replace=False)
    found, where = list(rows), {}
    for number, place in enumerate(places):
        where[place] = kinds[number % len(kinds)]
        found[place] = KINDS[where[place]][0](rows[place]) if where[place] in KINDS else "no proto"
    return found, where


def by_duckdb(out):
    """Keys of explained and of rejected rows by another reader, and whether there is one."""
    if importlib.util.find_spec("duckdb") is None:
        return None
    import duckdb
    found = []
    for reader, names in (("read_parquet", "part-*.parquet"), ("read_json", "dead-letter-*.jsonl")):
        paths = os.path.join(out, names)
        keys = duckdb.sql("select key from %s('%s')" % (reader, paths)).fetchall() if glob.glob(paths) else []
        found.append(sorted(key for key, in keys))
    return found


def judged(out, path, rows, where, known):
    """What is wrong with a folder of poisoned rows; an empty list: nothing."""
    explained, letters = written(out)
    keys = {place: row["key"] if isinstance(row, dict) else "%s:%d" % (path, place + 1)
            for place, row in enumerate(rows)}
    wrong = []
    if sorted(row["key"] for row in letters) != sorted(keys[place] for place in where):
        wrong.append("rejected and planted differ: %s" % sorted(
            {row["key"] for row in letters} ^ {keys[place] for place in where})[:3])
    if sorted(row["key"] for row in explained) != sorted(keys[place] for place in set(keys) - set(where)):
        wrong.append("rows are lost or doubled")
    told = {row["key"]: row for row in letters}
    for place, kind in where.items():
        letter, must = told.get(keys[place], {}), KINDS[kind][1] if kind in KINDS else "tf.Example"
        if must not in (letter.get("column"), ) and must not in letter.get("reason", ""):
            wrong.append("%s: %s" % (kind, letter))
    moved = largest_difference(explained, known) if known else 0.0
    other = by_duckdb(out)
    if other is not None and other != [sorted(row["key"] for row in found) for found in (explained, letters)]:
        wrong.append("DuckDB reads something else")
    return wrong + (["a good row moved by %.1e" % moved] if moved > 1e-5 else []), moved


def main(words=None):
    """Runs the campaign; 1 where a folder is not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(words)
    drawn, failed = np.random.RandomState(options.seed), 0
    with tempfile.TemporaryDirectory() as folder:
        spec, rows = model(folder), good(options.rows, folder)
        for name, write, kinds in (("rows.jsonl", as_lines, list(KINDS)),
                                   ("rows.tfrecord", as_records, list(RECORDS) + ["no proto"])):
            path, known = os.path.join(folder, name), None
            for share in (0.0, 0.01, 0.3):
                mixed, where = planted(rows, share, kinds, drawn) if share else (rows, {})
                write(path, mixed)
                out = os.path.join(folder, "out-%s-%g" % (name, share))
                tf1_ig.explain_dataset(spec, path, out, workers=1, key="key")
                wrong, moved = judged(out, path, mixed, where, known)
                known = known or {row["key"]: row for row in written(out)[0]}
                failed += bool(wrong)
                print("%s, %g %%: %d of %d kinds planted in %d rows, good rows within %.0e: %s" % (
                    name, 100 * share, len(set(where.values())), len(kinds), len(where), moved, "; ".join(wrong[:5]) or
                    "the rejected are the planted"), flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
