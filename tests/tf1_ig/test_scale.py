"""Whole data sets: order, independence of company, bad rows alone, and folders that survive what happens to them."""

import contextlib
import ctypes
import json
import os
import signal
import struct
import subprocess
import sys
import time
import warnings
import weakref

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from graph_tools import _tf
from graph_tools._tf import tf
from tests.many_rows import deadly, demo_spec, explained, largest_difference, lines, reviews, written
from tf1_ig import cli, demo
from tf1_ig.errors import ClosedError, FolderError, LabelError, RowError, SpecError, WorkerError
from tf1_ig.scale import batches, folder, groups, plan, records, schemas, suspects, worker

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    return demo_spec(tmp_path_factory.mktemp("spec"))


@pytest.mark.dealt
def test_batches_keep_their_order_and_agree_with_one_row_at_a_time(spec):
    rows = reviews(60)
    found = explained(spec, [rows[:7], [], pa.RecordBatch.from_arrays(
        [pa.array([row[name] for row in rows[7:]]) for name in ("key", "text")], ["key", "text"])])
    assert [row["key"] for row in found] == [row["key"] for row in rows]
    read = tf1_ig.load_spec(spec)
    with read.open() as explainer:
        for place in range(0, 60, 9):
            alone = read.explain([rows[place]], explainer)
            row, (name, values), = found[place], next(iter(alone.tokens.items()))
            assert row["tokens"] == alone.texts(name, 0) and set(row["inputs"]) == {name}
            assert np.allclose(row["attributions"], values[0], atol=1e-6)
            assert abs(row["score"] - alone.score[0]) < 1e-6 and row["label"] == alone.label[0]
            assert abs(sum(row["attributions"]) - row["score"] + row["baseline_score"] - row["delta"]) < 1e-6


@pytest.mark.dealt
def test_the_cut_into_batches_changes_nothing(spec):
    rows = reviews(80)
    known = {row["key"]: row for row in explained(spec, [rows])}
    order = np.random.RandomState(1).permutation(80)
    for size, window in ((1, 1), (1, 3), (33, 50), (4096, 4096)):
        shuffled = [rows[place] for place in order]
        found = explained(spec, [shuffled[start:start + size] for start in range(0, 80, size)], window=window)
        assert [row["key"] for row in found] == [row["key"] for row in shuffled]
        for row in found:
            assert row["tokens"] == known[row["key"]]["tokens"]
            assert np.allclose(row["attributions"], known[row["key"]]["attributions"], atol=1e-6)


def test_the_cut_into_files_changes_nothing(spec, tmp_path):
    rows = reviews(60)
    known = {row["key"]: row for row in explained(spec, [rows])}
    order = np.random.RandomState(2).permutation(60)
    for files, of_a_shard in ((1, 13), (7, 1), (20, 4096)):
        folder = tmp_path / str(files)
        folder.mkdir()
        for number in range(files):
            lines(folder / ("%d.jsonl" % number), [rows[place] for place in order[number::files]])
        tf1_ig.explain_dataset(spec, str(folder), str(folder / "out"), workers=0, key="key", rows_per_shard=of_a_shard)
        found, letters = written(folder / "out")
        assert sorted(row["key"] for row in found) == sorted(known) and not letters
        assert largest_difference(found, known) < 1e-6


def test_no_more_than_a_window_is_held(spec):
    taken = []

    def endless():
        for row in reviews(10 ** 4):
            taken.append(row)
            yield [row]

    stream = tf1_ig.explain_batches(spec, endless(), window=16)
    assert next(stream).num_rows == 16 and len(taken) == 16


POISON = [
    {"text": None}, {"text": 5}, {"text": ""}, {"text": "   "}, {"txt": "a film"}, {"text": {"a": 1}},
    {"text": float("nan")}, {"text": b"\xff\xfe"}, {"text": "\ud800 film"}, "a film", 7, None, {"text": [1, 2]}]


def test_bad_rows_are_told_and_the_others_are_as_without_them(spec):
    rows = reviews(40)
    clean = explained(spec, [rows])
    mixed = list(rows)
    for place, bad in enumerate(POISON):
        mixed.insert(3 * place, bad)
    found = explained(spec, [mixed])
    assert [row["status"] == "rejected" for row in found] == [row not in rows for row in mixed]
    assert all(row["reason"] for row in found if row["status"] == "rejected")
    assert [row["column"] for row, given in zip(found, mixed) if isinstance(given, dict) and given not in rows] == (
        ["text"] * 10)
    good = [row for row in found if row["status"] == "explained"]
    for row, other in zip(good, clean):
        assert row["tokens"] == other["tokens"]
        assert np.allclose(row["attributions"], other["attributions"], atol=1e-6)


def test_a_row_that_the_model_refuses_is_found_by_halving(spec, monkeypatch):
    rows, asked = reviews(32), []
    real = batches.records.explain

    def refuses(spec, explainer, of, options):
        asked.append(len(of))
        if any(line.key in ("k5", "k20") for line in of):
            raise ValueError("indices[3,4] = 99 is not in [0, 9)")
        return real(spec, explainer, of, options)

    monkeypatch.setattr(batches.records, "explain", refuses)
    found = explained(spec, [rows])
    assert [row["key"] for row in found if row["status"] == "rejected"] == ["k5", "k20"]
    assert "99 is not in" in found[5]["reason"] and found[5]["column"] == "text"
    assert len(asked) <= 2 * 2 * 6


def test_what_is_wrong_with_the_question_blames_no_row(spec):
    with pytest.raises(LabelError):
        explained(spec, [reviews(2)], label=7)


def test_a_contrast_that_cancels_out_rejects_its_rows_alone(spec):
    rows = reviews(24, seed=3)
    plain = explained(spec, [rows], label="top")
    found = explained(spec, [rows], label=tf1_ig.contrast("top", 1))
    tops = [row["label"] for row in plain]
    assert set(tops) == {0, 1}
    assert [row["status"] == "rejected" for row in found] == [top == 1 for top in tops]
    assert all("cancels out" in row["reason"] for row in found if row["status"] == "rejected")


@pytest.mark.parametrize("variant", ["gradient_x_input", "occlusion"])
def test_a_method_that_claims_no_sum_explains_its_rows(variant, spec, tmp_path):
    """It has no delta and no score of a baseline: NaN there says so, and is no row's fault."""
    with open(spec, encoding="utf-8") as file:
        tree = dict(json.load(file), variant={"name": variant})
    tree["model"] = dict(tree["model"], path=demo.MODEL)
    path = str(tmp_path / "own.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(tree, file)
    found = explained(path, [reviews(3)])
    assert [row["status"] for row in found] == ["explained"] * 3
    assert all(np.isfinite(row["attributions"]).all() and np.isnan(row["delta"]) for row in found)


def test_schemas_hold_no_nulls_and_read_as_they_are(spec, tmp_path):
    rows = reviews(5) + [{"key": "bad", "text": None}]
    table = pa.Table.from_batches(list(tf1_ig.explain_batches(spec, [rows], keep=["key"])))
    assert table.schema.equals(tf1_ig.scale.SCHEMA) and all(column.null_count == 0 for column in table.columns)
    frame = table.to_pandas()
    assert frame["label"].dtype == np.int64 and frame["score"].dtype == np.float64
    assert json.loads(frame["extra"][0]) == {"key": "k0"}
    assert tf1_ig.scale.REJECTED.names == ["key", "reason", "column"]
    with pytest.raises(AttributeError, match="NOTHING"):
        tf1_ig.scale.NOTHING  # noqa: B018


def test_padding_is_shared_only_where_nobody_notices():
    class Explainer:
        pass

    assert schemas.arrow() is pa
    for agrees, count in ((True, 1), (False, 3)):
        explainer = Explainer()
        groups._shared[explainer] = agrees
        spec = _Kinds({"ids:0": ("text", None), "lengths:0": ("lengths", "ids:0")})
        sizes = {place: (("ids:0", (1, size)), ("lengths:0", (1,))) for place, size in enumerate((3, 1, 2))}
        found = groups.cut(spec, explainer, sizes, {}, 1 << 20)
        assert len(found) == count and [place for group in found for place in group] == [1, 2, 0]
        without = _Kinds({"ids:0": ("text", None)})
        assert len(groups.cut(without, explainer, sizes, {}, 1 << 20)) == 3


def test_rows_that_stood_beside_others_before_it_was_seen_that_they_notice_are_explained_again(spec, monkeypatch):
    asked, whole = [], records.explain

    def explain(spec, explainer, held, options):
        asked.append([line.key for line in held])
        if len(asked) == 2:
            groups._coupled[explainer] = True
        return whole(spec, explainer, held, options)

    monkeypatch.setattr(records, "explain", explain)
    monkeypatch.setattr(groups, "_coupled", weakref.WeakKeyDictionary())
    monkeypatch.setattr(groups, "ROWS", 2)
    rows = reviews(6)
    assert [row["key"] for row in explained(spec, [rows])] == [row["key"] for row in rows]
    assert list(map(len, asked)) == [2, 2] + [1] * 6 and {key for key, in asked[2:]} == {row["key"] for row in rows}


class _Kinds:
    """What ``groups`` asks of a spec."""

    batch_axis = 0

    def __init__(self, kinds):
        self.placeholders = {name: type("One", (), {"kind": kind, "of": of}) for name, (kind, of) in kinds.items()}


# -- folders ---------------------------------------------------------------------------------------------------------

def test_a_data_set_becomes_a_folder(spec, tmp_path, capsys):
    rows = reviews(25) + [{"key": "bad", "text": None}]
    first, second = lines(tmp_path / "a.jsonl", rows[:10]), lines(tmp_path / "b.jsonl", rows[10:])
    out = tmp_path / "out"
    words = ["explain-many", "--spec", spec, "--input", str(tmp_path / "*.jsonl"), "--out", str(out), "--workers", "0",
             "--rows-per-shard", "8"]
    assert cli.main(words + ["--key", "key"]) == 0
    said = capsys.readouterr().out
    assert "26 rows: 25 explained (0 not converged), 1 rejected" in said
    assert "first rejected: bad, column 'text': the value is missing (null) (" in said
    found, letters = written(out)
    assert [row["key"] for row in found] == [row["key"] for row in rows[:-1]]
    assert letters == [{"key": "bad", "reason": "the value is missing (null)", "column": "text"}]
    before = _bytes_of(out)
    assert cli.main(words + ["--key", "key"]) == 1 and "--resume" in capsys.readouterr().err
    assert cli.main(words + ["--resume"]) == 1 and "another settings" in capsys.readouterr().err
    assert _bytes_of(out) == before
    again = tf1_ig.explain_dataset(spec, [first, second], str(tmp_path / "plain"), workers=0)
    assert (again.rows, again.explained, again.rejected) == (26, 25, 1)
    found, letters = written(tmp_path / "plain")
    assert found[10]["key"] == second + ":1" and letters[0]["key"] == second + ":16"


def test_a_data_set_of_which_no_row_can_be_explained_is_a_failure_that_says_why(spec, tmp_path, capsys):
    source = lines(tmp_path / "a.jsonl", [{"words": "good"}, {"words": "bad"}])
    assert cli.main(["explain-many", "--spec", spec, "--input", source, "--out", str(tmp_path / "out"), "--workers",
                     "0"]) == 1
    said = capsys.readouterr().out
    assert "2 rows: 0 explained (0 not converged), 2 rejected" in said
    assert "first rejected: %s:1, column 'text': the column is missing" % source in said


def test_a_folder_of_a_job_that_was_refused_is_free_for_the_next(spec, tmp_path):
    source, out = lines(tmp_path / "rows.jsonl", reviews(3)), str(tmp_path / "out")
    with pytest.raises(LabelError, match="out of range"):
        tf1_ig.explain_dataset(spec, source, out, workers=0, label=9)
    assert tf1_ig.explain_dataset(spec, source, out, workers=0, label=1).explained == 3
    with pytest.raises(FolderError, match="is not empty"):
        tf1_ig.explain_dataset(spec, source, out, workers=0, label=1)
    with pytest.raises(FolderError, match="begun with another settings"):
        tf1_ig.explain_dataset(spec, source, out, workers=0, label=0, resume=True)


def test_a_column_to_keep_that_no_row_has_is_told_at_once_and_at_the_end(spec, tmp_path, capsys):
    rows = reviews(6)
    rows[5]["late"] = 1
    found = tf1_ig.explain_dataset(spec, lines(tmp_path / "rows.jsonl", rows), str(tmp_path / "out"), workers=0,
                                   rows_per_shard=3, keep=["key", "late", "rating"], progress=True)
    assert found.lacking == ("rating",)
    assert str(found).endswith("; no row has the column 'rating', which was to be kept")
    assert "none of the first 3 rows has 'late', 'rating', to be kept" in capsys.readouterr().err
    assert json.loads((tmp_path / "out" / "_summary.json").read_text())["lacking"] == ["rating"]
    found = tf1_ig.explain_dataset(spec, str(tmp_path / "rows.jsonl"), str(tmp_path / "other"), workers=0,
                                   keep=["key", "late"], progress=True)
    assert found.lacking == () and "to be kept" not in str(found) + capsys.readouterr().err


def test_the_core_tells_of_a_column_to_keep_that_no_row_has(spec):
    rows = reviews(4)
    rows[3]["late"] = 1
    with pytest.warns(UserWarning) as told:
        found = explained(spec, [rows], window=2, keep=["key", "late", "rating"])
    assert [str(one.message) for one in told] == [
        "none of the first 2 rows has 'late', 'rating', to be kept",
        "no row has the column 'rating', which was to be kept"]
    assert [json.loads(row["extra"])["late"] for row in found] == [None, None, None, 1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        explained(spec, [rows], window=2, keep=["key"])


def test_a_data_set_without_a_bad_row_says_nothing_of_one(spec, tmp_path, capsys):
    source = lines(tmp_path / "a.jsonl", reviews(2))
    assert cli.main(["explain-many", "--spec", spec, "--input", source, "--out", str(tmp_path / "out"), "--workers",
                     "0"]) == 0
    assert "first rejected" not in capsys.readouterr().out


def _bytes_of(path):
    return {name: (path / name).read_bytes() for name in os.listdir(str(path))}


def test_what_is_broken_is_written_again_and_nothing_else(spec, tmp_path):
    rows = reviews(20)
    rows[3]["text"] = rows[9]["text"] = ""
    source, out = lines(tmp_path / "rows.jsonl", rows), tmp_path / "out"
    options = dict(workers=0, rows_per_shard=5, key="key")
    whole = tf1_ig.explain_dataset(spec, source, str(out), **options)
    before, stamps = written(out), {name: os.stat(str(out / name)).st_mtime_ns for name in os.listdir(str(out))}
    torn = (out / folder.part_name(3)).read_bytes()
    (out / folder.part_name(3)).write_bytes(torn[:len(torn) // 2])
    (out / folder.dead_letter_name(0)).write_bytes(b'{"key": "k3"')
    (out / folder.part_name(2)).unlink()
    (out / (folder.part_name(2) + ".0123abcd.part")).write_bytes(b"half")
    again = tf1_ig.explain_dataset(spec, source, str(out), resume=True, **options)
    assert written(out) == before and again.rows == whole.rows == 20 and again.rejected == 2
    assert not [name for name in os.listdir(str(out)) if name.endswith(".part")]
    assert os.stat(str(out / folder.part_name(1))).st_mtime_ns == stamps[folder.part_name(1)]


def test_another_input_is_another_job(spec, tmp_path):
    source, out = lines(tmp_path / "rows.jsonl", reviews(4)), tmp_path / "out"
    tf1_ig.explain_dataset(spec, source, str(out), workers=0)
    lines(tmp_path / "rows.jsonl", reviews(4, seed=1))
    before = _bytes_of(out)
    with pytest.raises(FolderError, match="another inputs"):
        tf1_ig.explain_dataset(spec, source, str(out), resume=True, workers=0)
    assert _bytes_of(out) == before


def test_two_at_once(spec, tmp_path):
    out = str(tmp_path / "out")
    with folder.taken(out, {"version": "1"}, False):
        with pytest.raises(FolderError, match="another process"):
            with folder.taken(out, {"version": "1"}, True):
                pass
    with folder.taken(out, {"version": "1"}, True):
        pass


def test_ranges_are_the_same_at_every_try():
    rows = [("f:%d" % place, {"x": np.zeros(place % 7 * 10 ** 6)}) for place in range(40)]
    one, other = ([(found.number, [name for name, _ in found.rows]) for found in plan.ranges(iter(rows), 16)]
                  for _ in range(2))
    assert one == other and [name for _, names in one for name in names] == [name for name, _ in rows]
    assert max(len(names) for _, names in one) <= 16 and len(one) > 3


@pytest.mark.dealt
def test_a_row_that_ends_the_process_is_left_out(spec, tmp_path, monkeypatch):
    real = batches.records.explain
    deadly(tmp_path, "k6", monkeypatch)
    source = lines(tmp_path / "rows.jsonl", reviews(10))
    summary = tf1_ig.explain_dataset(spec, source, str(tmp_path / "out"), workers=1, key="key")
    found, letters = written(tmp_path / "out")
    assert [row["key"] for row in letters] == ["k6"] and "ended without a word" in letters[0]["reason"]
    assert [row["key"] for row in found] == ["k%d" % row for row in range(10) if row != 6] and summary.rejected == 1
    assert batches.records.explain is real
    (tmp_path / "out" / folder.part_name(0)).unlink()
    starts = []
    monkeypatch.setattr(worker.Worker, "_start", lambda self, start=worker.Worker._start: starts.append(start(self)))
    tf1_ig.explain_dataset(spec, source, str(tmp_path / "out"), workers=1, key="key", resume=True)
    assert written(tmp_path / "out") == (found, letters) and len(starts) == 1  # the list of suspects is kept


@pytest.mark.dealt
def test_a_row_that_ends_the_process_while_it_is_read_is_left_out(spec, tmp_path, monkeypatch):
    (tmp_path / "deadly.py").write_text(
        "import os\ndef words(text):\n    if 'plot' in text:\n        os._exit(9)\n    return text.split()\n",
        encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    read = tf1_ig.load_spec(spec)
    tree = json.loads(json.dumps(read.tree))
    tree["feed"]["input/dequeue:0"]["tokenizer"] = {"kind": "function", "function": "deadly:words"}
    rows = [{"key": "k%d" % row, "text": "a plot" if row == 4 else "a film"} for row in range(6)]
    tf1_ig.explain_dataset(tf1_ig.ExplanationSpec(tree, os.path.dirname(spec), allow_code=True), lines(
        tmp_path / "rows.jsonl", rows), str(tmp_path / "out"), workers=1, key="key")
    found, letters = written(tmp_path / "out")
    assert [row["key"] for row in letters] == ["k4"] and len(found) == 5


@pytest.mark.dealt
@pytest.mark.slow
def test_killed_again_and_again(spec, tmp_path):
    rows = reviews(240)
    rows[17]["text"] = ""
    source, out = lines(tmp_path / "rows.jsonl", rows), tmp_path / "out"
    words = [sys.executable, "-m", "tf1_ig", "explain-many", "--spec", spec, "--input", source, "--out", str(out),
             "--workers", "2", "--rows-per-shard", "8", "--key", "key", "--resume"]
    drawn, kills = np.random.RandomState(3), 0
    for _ in range(4):
        process = subprocess.Popen(words, start_new_session=True, stdout=subprocess.DEVNULL)
        deadline = time.time() + 120
        count = len(written_names(out))
        while process.poll() is None and len(written_names(out)) <= count and time.time() < deadline:
            time.sleep(0.01)
        time.sleep(drawn.uniform(0, 0.3))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
    assert kills > 0
    assert subprocess.call(words, stdout=subprocess.DEVNULL) == 0
    found, letters = written(out)
    assert [row["key"] for row in found] == [row["key"] for place, row in enumerate(rows) if place != 17]
    assert [row["key"] for row in letters] == ["k17"]


def written_names(path):
    return [name for name in (os.listdir(str(path)) if path.exists() else []) if name.endswith(".parquet")]


def test_errors_travel():
    assert str(worker._sendable(RowError("odd", "c", 3))) == str(RowError("odd", "c", 3))

    class Local(Exception):
        pass

    assert "Local: x" in str(worker._sendable(Local("x")))


# -- what a row's numbers and entries depend on ----------------------------------------------------------------------

def saved(folder, build, name="m.pb"):
    """A graph of float32 ``x`` of three columns and what ``build`` makes of it, as a file."""
    graph = tf.Graph()
    with graph.as_default():
        build()
    with tf.Session(graph=graph) as session:
        gt.from_session(session).save(os.path.join(str(folder), name))


def numbers_spec(folder, output, **more):
    feed = {"x:0": {"kind": "numbers", "columns": ["a", "b", "c"]}}
    return tf1_ig.ExplanationSpec(dict({"version": 1, "model": {"path": "m.pb"}, "output": output, "inputs": ["x:0"],
                                        "label": 0, "feed": feed}, **more), str(folder))


def of_numbers(count, seed=0):
    return [dict(zip("abc", map(float, row))) for row in np.random.RandomState(seed).randn(count, 3)]


WEIGHTS = np.random.RandomState(0).randn(3, 2).astype(np.float32)


def own_and_coupled():
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    tf.nn.softmax(tf.matmul(x, tf.constant(WEIGHTS)), name="own")
    centred = x - tf.reduce_mean(tf.tanh(x), 0, keepdims=True)
    tf.nn.softmax(tf.matmul(centred, tf.constant(WEIGHTS)), name="coupled")


def test_two_texts_of_one_padded_width_keep_their_own_tokens(tmp_path):
    drawn = np.random.RandomState(0)

    def build():
        total = 0.0
        for name in "ab":
            ids = tf.placeholder(tf.int32, [None, None], name=name)
            length = tf.placeholder(tf.int32, [None], name=name + "_len")
            rows = tf.gather(tf.constant(drawn.randn(9, 4).astype(np.float32)), ids, name="emb_" + name)
            mask = tf.sequence_mask(length, tf.shape(ids)[1], dtype=tf.float32)
            total += tf.reduce_sum(rows * tf.expand_dims(mask, 2), 1)
        tf.nn.softmax(tf.matmul(tf.tanh(total), tf.constant(drawn.randn(4, 2).astype(np.float32))), name="o")

    saved(tmp_path, build)
    (tmp_path / "v.txt").write_text("\n".join("pad unk p q r s t u v".split()), encoding="utf-8")
    feed = {}
    for name in "ab":
        feed[name + ":0"] = {"kind": "text", "column": name, "vocabulary": {"file": "v.txt"}}
        feed[name + "_len:0"] = {"kind": "lengths", "of": name + ":0"}
    texts = tf1_ig.ExplanationSpec({"version": 1, "model": {"path": "m.pb"}, "output": "o:0", "label": 0,
                                    "feed": feed}, str(tmp_path))
    rows = [{"a": "p q r", "b": "s"}, {"a": "t", "b": "u v p"}]
    for window in (2, 1):
        for found, tokens in zip(explained(texts, [rows], window=window), (list("pqrs"), list("tuvp"))):
            assert found["tokens"] == tokens
            assert abs(sum(found["attributions"]) - found["score"] + found["baseline_score"]) < 1e-3


def test_the_mean_of_the_company_is_no_baseline(tmp_path):
    saved(tmp_path, own_and_coupled)
    for asked, options in ((numbers_spec(tmp_path, "own:0", baseline="mean"), {}),
                           (numbers_spec(tmp_path, "own:0"), {"baseline": "mean"})):
        with pytest.raises(SpecError, match='{"mean": rows}'):
            tf1_ig.explain_batches(asked, [of_numbers(2)], **options)
        with pytest.raises(SpecError, match='{"mean": rows}'):
            tf1_ig.explain_dataset(asked, lines(tmp_path / "r.jsonl", of_numbers(2)), str(tmp_path / "out"), **options)
    assert not (tmp_path / "out").exists()
    own = {"mean": [[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]}
    whole, cut = (explained(numbers_spec(tmp_path, "own:0", baseline=own), [of_numbers(6)], window=window)
                  for window in (6, 1))
    middle = np.exp(np.full(3, 2.0) @ WEIGHTS)
    for one, other in zip(whole, cut):
        assert abs(one["baseline_score"] - (middle / middle.sum())[0]) < 1e-6
        assert np.allclose(one["attributions"], other["attributions"], atol=1e-6)


def test_rows_that_influence_each_other_are_explained_one_by_one_and_that_is_told(tmp_path):
    saved(tmp_path, own_and_coupled)
    for output, failing in (("coupled:0", ["row independence"]), ("own:0", [])):
        rows = of_numbers(6)
        known = explained(numbers_spec(tmp_path, output), [rows])
        for window in (2, 1):
            for one, other in zip(known, explained(numbers_spec(tmp_path, output), [rows], window=window)):
                assert one["status"] == "explained" and one["failing_checks"] == other["failing_checks"] == failing
                assert np.allclose(one["attributions"], other["attributions"], atol=1e-6)
        given = np.array([rows[0][name] for name in "abc"])
        alone = np.exp((given - (np.tanh(given) if failing else 0)) @ WEIGHTS)
        assert abs(known[0]["score"] - (alone / alone.sum())[0]) < 1e-6


def test_a_model_that_was_written_again_is_read_again(tmp_path):
    def times(factor):
        return lambda: tf.matmul(tf.placeholder(tf.float32, [None, 3], name="x"),
                                 tf.constant(np.full((3, 2), factor, np.float32)), name="o")

    asked = numbers_spec(tmp_path, "o:0")
    row = dict(a=1.0, b=1.0, c=1.0)
    saved(tmp_path, times(1.0))
    assert explained(asked, [[row]])[0]["score"] == 3.0
    first = batches.opened(asked)
    assert batches.opened(numbers_spec(tmp_path, "o:0")) is first
    saved(tmp_path, times(5.0))
    assert explained(asked, [[row]])[0]["score"] == 15.0
    with pytest.raises(ClosedError):
        first.explain({"x:0": np.ones((1, 3))}, label=0)


class _Dead:
    """A process that ended."""

    stdin = stdout = None

    def kill(self):
        pass

    def wait(self):
        return -9


@pytest.mark.parametrize("killed", [True, False])
def test_a_process_that_was_told_to_end_died_of_no_row(killed, monkeypatch):
    tries, rows = [], folder.Range(0, [("row 7", {})])
    one = worker.Worker(None)

    def asked(of, in_hand, reading):
        tries.append([set(found) for found in one._suspects.of(of)])
        if len(tries) > 2:
            return "written"
        one._process = _Dead()
        in_hand[:] = ["row 7"]
        if killed:
            one.kill()
        raise EOFError

    monkeypatch.setattr(one, "_asked", asked)
    if not killed:
        assert one.explain(rows) == "written"
        assert tries == [[set(), set()], [{"row 7"}, set()], [set(), {"row 7"}]]
        return
    with pytest.raises(WorkerError, match="told to end"):
        one.explain(rows)
    assert tries == [[set(), set()]]
    monkeypatch.undo()
    monkeypatch.setattr(worker.subprocess, "Popen", lambda *given, **options: pytest.fail("another was started"))
    one._process = None
    with pytest.raises(WorkerError, match="told to end"):
        one.explain(rows)
    one.close()


# -- what is seen from outside ---------------------------------------------------------------------------------------

@contextlib.contextmanager
def opens_of(path):
    """Counts, by the kernel, how often a file is opened, by whatever process; a list as long as that at the end."""
    libc, found = ctypes.CDLL(None, use_errno=True), []
    watching = libc.inotify_init1(os.O_NONBLOCK)
    assert libc.inotify_add_watch(watching, str(path).encode(), 0x30) > 0  # IN_OPEN, IN_CLOSE_NOWRITE
    try:
        yield found
        with contextlib.suppress(BlockingIOError):
            while True:
                events = struct.iter_unpack("iIII", os.read(watching, 1 << 16))  # two equal ones in a row would be one
                found += [mask for _, mask, _, _ in events if mask & 0x20]
    finally:
        os.close(watching)


@pytest.mark.dealt
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="inotify is Linux's")
@pytest.mark.parametrize("workers, opens", [(0, 1), (1, 2)])
def test_the_model_file_is_opened_once_a_process(workers, opens, spec, tmp_path):
    model = tmp_path / "model.pb"
    model.write_bytes(open(demo.MODEL, "rb").read())
    tree = dict(tf1_ig.load_spec(spec).tree)
    tree["model"] = dict(tree["model"], path=str(model))
    own = tf1_ig.ExplanationSpec(tree, os.path.dirname(spec))
    with opens_of(model) as twice:
        for _ in range(2):
            model.read_bytes()
    assert len(twice) == 2
    with opens_of(model) as seen:
        tf1_ig.explain_dataset(own, lines(tmp_path / "rows.jsonl", reviews(9)), str(tmp_path / "out"), workers=workers,
                               rows_per_shard=4)
    assert len(seen) == opens  # with workers one more: the parent takes its digest
    model.write_bytes(open(demo.MODEL, "rb").read().replace(b"class/probabilities", b"class/probabilitie2"))
    with pytest.raises(SpecError, match="not the one that the spec was written for"):
        own.open()


def test_a_worker_runs_the_graph_as_explain_runs_it():
    """A meta-optimizer fuses a product with its ReLU, and the fused one takes NaN for 0: another score."""
    config = batches._threads(3)["config"]
    assert config.graph_options == _tf.session_config().graph_options
    assert (config.intra_op_parallelism_threads, config.inter_op_parallelism_threads) == (3, 1)


@pytest.mark.parametrize("text", ["[]", "5", "null", '"abc"', '["ab"]', "[" * 100000, ""])
def test_a_folder_whose_plan_is_none_is_not_resumed(tmp_path, text):
    (tmp_path / folder.PLAN).write_text(text)
    with pytest.raises(FolderError):
        with folder.taken(str(tmp_path), {"a": 1}, resume=True):
            pass


@pytest.mark.parametrize("text, alone", [
    ('{"a": 1}', True), ('{"a": Infinity}', False), ("[1]", False), ("[" * 100000, False), ('{"a": [1]}', False)])
def test_what_is_said_of_suspects_is_a_number_or_nothing(tmp_path, text, alone):
    (tmp_path / folder.SUSPECTS).write_text(text)
    found = suspects.Suspects(str(tmp_path / folder.SUSPECTS))
    assert found.of(folder.Range(0, [("a", None)])) == (frozenset(["a"] if alone else ()), frozenset())


@pytest.mark.dealt
@pytest.mark.parametrize("more, keep, key, extra", [
    ({"key": "\ud800"}, (), "\\ud800", {}), ({"key": "b", "note": "\ud800"}, ("note",), "b", {"note": "\ud800"}),
    ({"key": "é"}, (), "é", {})])
def test_half_a_character_ends_no_job(tmp_path, more, keep, key, extra):
    rows = [{"key": "a", "text": "A good film."}, dict({"text": "A bad film."}, **more)]
    batch, = tf1_ig.explain_batches(demo_spec(tmp_path), [rows], keep=keep, steps=2)
    assert batch.to_pydict()["status"] == ["explained"] * 2 and batch.to_pydict()["key"] == ["a", key]
    assert json.loads(batch.to_pydict()["extra"][1]) == extra


@pytest.mark.parametrize("more, status", [({}, "explained"), ({"length": 10 ** 17}, "rejected")])
def test_rows_are_measured_as_they_are_fed(tmp_path, more, status):
    """Ids that the model's placeholder holds and the type of most does not; sizes that no array has."""
    with tf.Graph().as_default() as graph:
        vectors = tf.constant(np.random.RandomState(0).normal(size=(5, 3)), tf.float32)
        rows = tf.nn.embedding_lookup(vectors, tf.floormod(tf.placeholder(tf.int64, [None, None], "ids"), 5))
        tf.reduce_sum(tf.tanh(rows), 1, name="y")
    (tmp_path / "model.pb").write_bytes(graph.as_graph_def().SerializeToString())
    ids = dict({"kind": "text", "vocabulary": {"file": "words.json"}}, **more)
    (tmp_path / "words.json").write_text(json.dumps({"big": 2 ** 40 + 1, "film": 4}))
    (tmp_path / "spec.json").write_text(json.dumps(
        {"version": 1, "model": {"path": "model.pb"}, "output": "y:0", "feed": {"ids:0": ids}}))
    batch, = tf1_ig.explain_batches(str(tmp_path / "spec.json"), [[{"text": "big film"}, {"text": "film"}]], label=0,
                                    steps=2)
    assert batch.to_pydict()["status"] == [status] * 2


@pytest.mark.parametrize("text", ["", "[]\n", "{}\n"])
def test_a_dead_letter_that_is_none_is_named(tmp_path, text):
    path = tmp_path / folder.dead_letter_name(0)
    path.write_text(text)
    assert folder.first_rejected(str(tmp_path)).startswith("%s cannot be read" % path)
    path.write_text('{"key": "a", "column": "b", "reason": "c"}\n')
    assert folder.first_rejected(str(tmp_path)) == "a, column 'b': c (%s)" % path
