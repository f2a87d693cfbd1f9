"""Specs from the command line: written by inspect, tried by spec, taken by explain; one line where a row is bad."""

import csv
import json
import os
import shutil
import struct

import jsonschema
import numpy as np
import pytest

import tf1_ig
from graph_tools import _tf
from tests.models.small import model_of
from tf1_ig import cli, demo
from tf1_ig.errors import SpecError
from tf1_ig.rows import readers, reading_vocabulary, schema
from tf1_ig.rows.files import Files

VOCAB = os.path.join(os.path.dirname(demo.MODEL), "vocab.txt")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A copy of the demo model beside a spec that inspect wrote."""
    folder = tmp_path_factory.mktemp("spec")
    shutil.copy(demo.MODEL, str(folder / "model.pb"))
    shutil.copy(VOCAB, str(folder / "vocab.txt"))
    (folder / "classes.txt").write_text("negative\npositive\n", encoding="utf-8")
    assert cli.main(["inspect", str(folder / "model.pb"), "--spec", str(folder / "s.json"), "--vocab", str(
        folder / "vocab.txt"), "--classes", str(folder / "classes.txt")]) == 0
    return folder


def test_inspect_writes_a_spec_that_works_as_it_is(written):
    tree = json.loads((written / "s.json").read_text(encoding="utf-8"))
    jsonschema.validate(tree, schema.load())
    assert tree["model"]["path"] == "model.pb" and tree["classes"] == "classes.txt" and tree["guesses"]
    spec = tf1_ig.load_spec(written / "s.json")
    feed, tokens = spec.feed([{"text": sentence} for sentence in demo.SENTENCES])
    ids, lengths = demo.encode([demo.tokenize(sentence) for sentence in demo.SENTENCES], demo.load_vocabulary())
    assert np.array_equal(feed[demo.IDS], ids) and np.array_equal(feed[demo.LENGTHS], lengths)
    assert tokens == [demo.tokenize(sentence) for sentence in demo.SENTENCES]
    assert spec.output == demo.OUTPUT


def test_three_commands_to_a_picture(written, tmp_path, capsys):
    page = tmp_path / "why.html"
    assert cli.main(["explain", "--spec", str(written / "s.json"), "--text",
                     "The plot makes no sense, but the acting is Superb.", "--out", str(page)]) == 0
    printed = capsys.readouterr().out
    assert "[0] positive, score 0.615" in printed and "superb" in printed
    assert "Superb" in page.read_text(encoding="utf-8")  # the text as it was given


def test_the_result_knows_the_text(written):
    text = "The plot makes no sense,\n but the acting is  Superb."
    found = tf1_ig.load_spec(written / "s.json").explain([{"text": text}, {"text": "Dull."}], label=1)
    name, = found.values
    assert found.raw_texts[name] == [text, "Dull."]
    spans = [text.encode()[start:stop].decode() for start, stop in found.spans[name][0]]
    assert [one.lower() for one in spans] == demo.tokenize(text) == found.strings[name][0]
    assert found.strings[name][1] == ["dull"] + ["<pad>"] * 9 and found.spans[name][1][1:] == [None] * 9
    by_hand = demo.explain([text, "Dull."], label=1)
    assert np.allclose(found.tokens[name], by_hand.tokens[name], atol=1e-7)


def test_options_win_over_the_spec(written, tmp_path, capsys):
    arguments = ["explain", "--spec", str(written / "s.json"), "--text", "A wonderful film."]
    saved = str(tmp_path / "a.npz")
    assert cli.main(arguments + ["--label", "negative", "--steps", "3", "--out", saved]) == 0
    found = tf1_ig.load_attribution(saved)
    assert found.label.tolist() == [0] and found.steps.tolist() == [3]
    assert cli.main(arguments + ["--output", "class/logits:0", "--baseline", "0.1", "--out", saved]) == 0
    found = tf1_ig.load_attribution(saved)
    assert found.output == "class/logits:0" and found.baseline != "zero"
    capsys.readouterr()
    assert cli.main(arguments + ["--label", "neutral"]) == 1
    assert "neutral" in capsys.readouterr().err


def test_a_bad_row_is_one_line(written, tmp_path, capsys):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "Good."}\n{"txt": "Good."}\n', encoding="utf-8")
    assert cli.main(["explain", "--spec", str(written / "s.json"), "--rows", str(path)]) == 1
    error = capsys.readouterr().err
    assert error == "error: row 2, column 'text': the column is missing; the row has 'txt'\n"


@pytest.mark.parametrize("words, told", [
    (["explain", "--text", "x"], "--text needs --spec FILE"),
    (["explain", "model.pb"], "--feed FILE, or --spec FILE"),
    (["explain", "--feed", "x.npz"], "MODEL, or --spec FILE"),
    (["explain", "--spec", "s.json"], "give rows"),
    (["explain", "--spec", "s.json", "--text", "x", "--feed", "x.npz"], "two feeds"),
    (["inspect", "model.pb", "--vocab", "v.txt"], "--vocab is for --spec FILE"),
])
def test_wrong_usage(words, told, capsys):
    assert cli.main(words) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1


def test_spec_shows_rows_before_anything_is_explained(written, tmp_path, capsys):
    path = tmp_path / "rows.csv"
    path.write_text("text,more\nA  Good xyzzy film,1\n,2\nDull,3\n", encoding="utf-8")
    assert cli.main(["spec", str(written / "s.json"), str(path)]) == 1
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) < 24
    for told in ("3 rows, 1 bad", "bad: row 2, column 'text': the value is missing", "int32 [2, 4]",
                 "5 entries, unknown 20 %, padding 38 %", "a | good | xyzzy | film", "guessed: ",
                 "predicts positive 0.", "\"A  Good xyzzy film\""):
        assert told in printed
    assert cli.main(["spec", str(written / "s.json"), "--no-model"]) == 0
    assert "predicts" not in capsys.readouterr().out


def test_a_vocabulary_of_another_model(written, tmp_path, capsys):
    (tmp_path / "long.txt").write_text("\n".join("w%d" % number for number in range(9000)), encoding="utf-8")
    assert cli.main(["inspect", demo.MODEL, "--spec", str(tmp_path / "s.json"), "--vocab", str(
        tmp_path / "long.txt")]) == 1
    assert "has 9000 entries, and the table" in capsys.readouterr().err and not (tmp_path / "s.json").exists()


# -- what inspect makes of other models ------------------------------------------------------------------------------

def many_inputs():
    """A text with mask and segments, a picture, a table, a signal, a keep probability and a switch."""
    tf = _tf.tf
    ids = tf.placeholder(tf.int64, [None, 7], "ids")
    mask = tf.placeholder(tf.float32, [None, 7], "mask")
    segments = tf.placeholder(tf.int32, [None, 7], "segments")
    image = tf.placeholder(tf.float32, [None, 4, 5, 3], "image")
    table = tf.placeholder(tf.float32, [None, 6], "table")
    sound = tf.placeholder(tf.float32, [None, 100], "sound")
    keep = tf.placeholder(tf.float32, [], "keep")
    rows = tf.nn.embedding_lookup(tf.constant(np.random.RandomState(0).normal(size=(9, 3)).astype(np.float32)), ids)
    rows += tf.nn.embedding_lookup(tf.constant(np.random.RandomState(1).normal(size=(2, 3)).astype(np.float32)),
                                   segments)
    parts = [tf.reduce_sum(rows * mask[:, :, None], 1), tf.reduce_mean(image, [1, 2]), table[:, :3], sound[:, :3]]
    tf.nn.softmax(tf.add_n(parts) * keep, name="scores")


def test_every_kind_of_input_is_proposed(tmp_path):
    model_of(many_inputs).save(str(tmp_path / "many.pb"))
    words = ["[PAD]", "[UNK]", "good", "film", "Bad", "!", "it's", "a", "b"]
    (tmp_path / "v.txt").write_text("\n".join(words), encoding="utf-8")
    assert cli.main(["inspect", str(tmp_path / "many.pb"), "--spec", str(tmp_path / "s.json"), "--vocab", str(
        tmp_path / "v.txt")]) == 0
    tree = json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))
    kinds = {tensor: entry["kind"] for tensor, entry in tree["feed"].items()}
    assert kinds == {"ids:0": "text", "mask:0": "mask", "segments:0": "mask", "image:0": "image", "table:0": "numbers",
                     "sound:0": "signal", "keep:0": "constant"}
    assert tree["feed"]["segments:0"]["value"] == 0 and tree["feed"]["keep:0"]["value"] == 1.0
    assert tree["feed"]["ids:0"]["length"] == 7 and tree["feed"]["ids:0"]["dtype"] == "int64"
    assert tree["feed"]["image:0"]["size"] == [4, 5] and "lower" not in tree["feed"]["ids:0"]["tokenizer"]
    assert all(any(guess.startswith("feed[\"%s\"]" % tensor) for guess in tree["guesses"]) for tensor in (
        "mask:0", "segments:0", "keep:0", "sound:0", "image:0"))
    spec = tf1_ig.load_spec(tmp_path / "s.json")
    row = {"text": "a good, Bad film!", "image": np.ones((4, 5, 3)), "table": list(range(6)), "sound": np.ones(90)}
    feed, tokens = spec.feed([row])
    assert tokens == [["a", "good", "Bad", "film", "!"]]
    assert feed["ids:0"].tolist() == [[7, 2, 4, 3, 5, 0, 0]] and feed["mask:0"].tolist() == [[1] * 5 + [0] * 2]
    with spec.open() as explainer:
        found = spec.explain([row], explainer)
    assert found.converged.all() and found.raw_texts["embedding_lookup/Identity:0" if (
        "embedding_lookup/Identity:0" in found.values) else next(iter(found.values))] == ["a good, Bad film!"]


def tagger():
    """Characters to a tag each, beside a signal in the shape of a picture."""
    tf = _tf.tf
    ids = tf.placeholder(tf.int32, [None, None], "ids")
    line = tf.placeholder(tf.float32, [None, 1, 40, 3], "line")
    draw = np.random.RandomState(0)
    rows = tf.nn.embedding_lookup(tf.constant(draw.normal(size=(12, 3)).astype(np.float32)), ids)
    rows += tf.reduce_mean(line, [1, 2])[:, None, :]
    tf.tensordot(rows, tf.constant(draw.normal(size=(3, 4)).astype(np.float32)), 1, name="logits")


def test_a_file_of_several_vocabularies_and_classes(tmp_path, capsys):
    model_of(tagger).save(str(tmp_path / "m.pb"))
    maps = {"chars": {"<PAD>": 0, "<OOV>": 1, "a": 2, "b": 3, "c": 4, "d": 5, "e": 6,
                      "f": 7, "g": 8, "h": 9, "i": 10},
            "words": {"w%d" % number: number for number in range(300)},
            "tags": {"0": "B", "1": "M", "2": "E", "3": "S"}, "other": {"0": "x", "1": "y"}}
    (tmp_path / "maps.json").write_text(json.dumps(maps), encoding="utf-8")
    words = ["inspect", str(tmp_path / "m.pb"), "--spec", str(tmp_path / "s.json"), "--output", "logits",
             "--vocab", str(tmp_path / "maps.json"), "--classes", str(tmp_path / "maps.json")]
    assert cli.main(words) == 0, capsys.readouterr().err
    spec = tf1_ig.load_spec(tmp_path / "s.json")
    assert spec.classes == ("B", "M", "E", "S") and spec.label == "top" and "label" in spec.guesses
    assert spec.tree["feed"]["ids:0"]["vocabulary"] == {
        "file": "maps.json", "key": "chars", "padding": "<PAD>", "unknown": "<OOV>"}
    assert spec.tree["feed"]["line:0"] == {"kind": "signal", "column": "line", "dtype": "float32", "length": 40,
                                           "shape": [1, 40, 3]}
    feed, tokens = spec.feed([{"text": "bada?", "line": np.ones((30, 3))}])
    assert tokens == [list("bada?")] and feed["ids:0"].tolist() == [[3, 2, 5, 2, 1]]
    assert feed["line:0"].shape == (1, 1, 40, 3) and feed["line:0"].sum() == 90
    del maps["chars"]
    (tmp_path / "maps.json").write_text(json.dumps(maps), encoding="utf-8")
    assert cli.main(words) == 1
    assert "'words' of 300" in capsys.readouterr().err
    with pytest.raises(SpecError, match="under 'chars'; it holds several"):
        tf1_ig.load_spec(tmp_path / "s.json")


def _served(names):
    """A model that returns the names of its classes beside its scores, as the heads of Estimators do."""
    def build():
        tf = _tf.tf
        x = tf.placeholder(tf.float32, [None, 4], "x")
        tf.nn.softmax(tf.matmul(x, tf.constant(np.eye(4, 3, dtype=np.float32))), name="scores")
        tf.tile(tf.expand_dims(tf.constant(names), 0), [tf.shape(x)[0], 1], name="classes")

    model = model_of(build)
    utils, graph = _tf.tf.saved_model, model.graph
    with graph.as_default():
        info = {name: utils.utils.build_tensor_info(graph.get_tensor_by_name(name + ":0")) for name in (
            "x", "scores", "classes")}
    model.meta_graph.signature_def["serving_default"].CopyFrom(utils.build_signature_def(
        {"x": info["x"]}, {"scores": info["scores"], "classes": info["classes"]}, "classify"))
    return model


@pytest.mark.parametrize("names, classes", [
    (["red", "green", "blue"], ["red", "green", "blue"]), (["a", "b"], None), (["same", "same", "b"], None)])
def test_names_of_classes_that_the_model_returns(names, classes, tmp_path, capsys):
    _served(names).save(str(tmp_path / "model"))
    assert cli.main(["inspect", str(tmp_path / "model"), "--spec", str(tmp_path / "s.json")]) == 0
    tree = json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))
    assert tree.get("classes") == classes and ("classes" in tree["guesses"]) == (classes is not None)
    if classes:
        assert cli.main(["explain", "--spec", str(tmp_path / "s.json"), "--row", "{\"x\": [1, 2, 3, 4]}", "--label",
                         "green"]) == 0
        assert "[0] green (predicted blue), score" in capsys.readouterr().out


def parsing():
    tf = _tf.tf
    serialized = tf.placeholder(tf.string, [None], "serialized")
    parsed = tf.io.parse_example(serialized, {
        "age": tf.io.FixedLenFeature([1], tf.float32), "words": tf.io.VarLenFeature(tf.string),
        "größe": tf.io.FixedLenFeature([2], tf.int64)})
    hashed = tf.strings.to_hash_bucket_fast(parsed["words"].values, 5)
    rows = tf.math.unsorted_segment_sum(tf.gather(tf.constant(np.eye(5, dtype=np.float32)), hashed),
                                        parsed["words"].indices[:, 0], tf.shape(serialized)[0])
    tf.nn.softmax(rows + parsed["age"] * [1., 2, 3, 4, 5] + tf.cast(parsed["größe"][:, :1], tf.float32), name="scores")


def test_a_parsing_graph(tmp_path):
    model_of(parsing).save(str(tmp_path / "parsing.pb"))
    assert cli.main(["inspect", str(tmp_path / "parsing.pb"), "--spec", str(tmp_path / "s.json")]) == 0
    spec = tf1_ig.load_spec(tmp_path / "s.json")
    assert spec.tree["feed"] == {"serialized:0": {"kind": "example", "features": {
        "words": {"type": "bytes", "optional": True}, "age": {"type": "float"}, "größe": {"type": "int64"}}}}
    row = {"age": "40", "words": ["good", "film"], "größe": [1, 2]}
    tf = _tf.tf
    example = tf.train.Example.FromString(spec.feed([row])[0]["serialized:0"][0])
    assert dict(example.features.feature)["words"].bytes_list.value[:] == [b"good", b"film"]
    assert dict(example.features.feature)["größe"].int64_list.value[:] == [1, 2]
    assert cli.main(["spec", str(tmp_path / "s.json"), "--row", json.dumps(row)]) == 0


def worded(shape, beside):
    """A hashed string, with a tensor beside it: one number a row, a line of numbers, or what keeps a dropout."""
    tf = _tf.tf
    city = tf.reshape(tf.strings.to_hash_bucket_fast(tf.placeholder(tf.string, shape, "city"), 5), [-1])
    rows = tf.gather(tf.constant(np.eye(5, dtype=np.float32)), city)
    if beside == "switch":
        rows = tf.nn.dropout(rows, keep_prob=tf.placeholder(tf.float32, [], "keep"))
    elif beside is not None:
        rows = rows + tf.reduce_sum(tf.reshape(tf.placeholder(tf.float32, beside, "age"), [-1, beside[-1] or 1]), 1,
                                    keepdims=True) * [1., 2, 3, 4, 5]
    tf.nn.softmax(rows, name="scores")


@pytest.mark.dealt
@pytest.mark.parametrize("shape, beside, column", [
    ([None], [None], "city"), ([None, 1], [None, 1], "city"), ([None, 1], [None], "city"), ([None], [None, 20], "text"),
    ([None], None, "text"), ([None, 1], None, "text"), ([None], "switch", "text")])
def test_a_string_is_a_column_of_a_table_beside_numbers_and_else_a_text(shape, beside, column, tmp_path):
    model_of(lambda: worded(shape, beside)).save(str(tmp_path / "model.pb"))
    assert cli.main(["inspect", str(tmp_path / "model.pb"), "--spec", str(tmp_path / "s.json")]) == 0
    tree = json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))
    assert tree["feed"]["city:0"]["column"] == column
    assert ('feed["city:0"].column' in tree["guesses"]) == (column == "city")


@pytest.mark.parametrize("tokens, kind, pattern, lower", [
    (["<pad>", "<unk>", "film", "it's", "!", "?"], "regex", r"\w+(?:'\w+)*|[!?]", True),
    (["film", "n't", "'s", "do", ","], "regex", r"\w+(?=n't\b)|n't\b|'\w+|\w+|[,]", True),
    (["PAD", "film", "Film"], "regex", r"\w+", False),
    (["[PAD]", "[UNK]", "[CLS]", "un", "##want", "##ed"], "wordpiece", None, True),
    (["<OOV>"] + list("abcdefgh"), "characters", None, True),
])
def test_what_a_vocabulary_says(tokens, kind, pattern, lower, tmp_path):
    (tmp_path / "v.txt").write_text("\n".join(tokens), encoding="utf-8")
    found = reading_vocabulary.read(str(tmp_path / "v.txt"), Files(str(tmp_path), "test"))
    assert found.tokenizer["kind"] == kind and found.tokenizer.get("pattern") == pattern
    assert bool(found.tokenizer.get("lower")) == lower and found.count == len(tokens)


# -- files of rows ---------------------------------------------------------------------------------------------------

ROWS = [{"text": "Good, \"quoted\"\u2028film", "age": 40}, {"text": "schön\tx", "age": 2.5}]


def _record(data):
    return struct.pack("<QI", len(data), 0) + data + b"\0\0\0\0"


def _write(path, rows):
    suffix = os.path.splitext(str(path))[1]
    if suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif suffix == ".json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    elif suffix in (".csv", ".tsv"):
        with open(str(path), "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter="," if suffix == ".csv" else "\t")
            writer.writeheader()
            writer.writerows(rows)
    elif suffix == ".npz":
        np.savez(str(path), **{key: np.array([row[key] for row in rows]) for key in rows[0]})
    elif suffix == ".tfrecord":
        tf = _tf.tf
        path.write_bytes(b"".join(_record(tf.train.Example(features=tf.train.Features(feature={
            "text": tf.train.Feature(bytes_list=tf.train.BytesList(value=[row["text"].encode()])),
            "age": tf.train.Feature(float_list=tf.train.FloatList(value=[row["age"]]))})).SerializeToString())
            for row in rows))


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".tsv", ".npz", ".tfrecord"])
def test_rows_come_back(suffix, tmp_path):
    path = tmp_path / ("rows" + suffix)
    _write(path, ROWS)
    found = list(readers.read(str(path), readers.Columns()))
    assert [row["text"] for row in found] == [row["text"] for row in ROWS]
    assert [float(row["age"]) for row in found] == [40, 2.5]


def test_text_lines_pictures_and_patterns(tmp_path):
    (tmp_path / "b.txt").write_bytes("one\r\ntwo \u2028 more\n\nfour".encode())
    assert [row["said"] for row in readers.read(str(tmp_path / "b.txt"), readers.Columns(text="said"))] == [
        "one", "two \u2028 more", "", "four"]
    for name in ("b.png", "a.png", "c.wav"):
        (tmp_path / name).write_bytes(b"")
    found = list(readers.read(str(tmp_path / "*.png"), readers.Columns(image="file")))
    assert [os.path.basename(row["file"]) for row in found] == ["a.png", "b.png"]
    assert len(list(readers.read(str(tmp_path), readers.Columns()))) == 4 + 3


def test_pictures_are_found_beside_the_table_that_names_them(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "rows.csv").write_text("image,text\na.png,x\nb.png,y\n", encoding="utf-8")
    found = list(readers.read(str(tmp_path / "rows.csv"), readers.Columns()))
    assert [row["image"] for row in found] == [str(tmp_path / "a.png"), "b.png"]


@pytest.mark.parametrize("name, content, told", [
    ("none.csv", None, "no file"), ("rows.xyz", b"", "is no file of rows"), ("rows.npz", b"no zip", "cannot be read"),
    ("rows.json", b"{", "is not JSON"), ("rows.csv", b"text\n\xff\n", "cannot be read on"),
    ("rows.tfrecord", struct.pack("<QI", 100, 0) + b"short", "ends within a record")])
def test_files_that_are_no_rows(name, content, told, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(tf1_ig.errors.GraphToolsError, match=told):
        list(readers.read(str(tmp_path / name), readers.Columns()))


def test_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow, the extra for Parquet files, is not installed")
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(ROWS), str(tmp_path / "rows.parquet"))
    assert list(readers.read(str(tmp_path / "rows.parquet"), readers.Columns())) == ROWS


def test_a_spec_is_json(tmp_path):
    with pytest.raises(SpecError, match="does not end in .json"):
        from tf1_ig.commands import write_spec

        write_spec.write(None, type("Options", (), {"spec": "s.yaml"}))


def test_the_spec_command_ends_with_the_error_of_the_first_bad_row(written, tmp_path, capsys):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "Good."}\n{"txt": "Good."}\n{"text": 3}\n', encoding="utf-8")
    assert cli.main(["spec", str(written / "s.json"), str(path), "--no-model"]) == 1
    captured = capsys.readouterr()
    assert captured.err == "error: row 2, column 'text': the column is missing; the row has 'txt'\n"
    assert "3 rows, 2 bad" in captured.out and "bad: row 3, column 'text': " in captured.out


def wired(drop):
    """A linear model behind a dropout that nothing switches off (or none): rows alone tell nothing of it."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 6], "x")
    hidden = tf.nn.dropout(x, rate=0.5) if drop else x
    tf.sigmoid(tf.matmul(hidden, tf.constant([[.4], [-.3], [.2], [.5], [-.6], [.1]])), name="score")


@pytest.mark.dealt
@pytest.mark.parametrize("drop", [True, False])
def test_a_graph_in_training_mode_is_put_right_for_every_command_that_takes_the_spec(drop, tmp_path):
    where = {name: str(tmp_path / name) for name in ("model.pb", "s.json", "rows.jsonl", "out", "why.npz")}
    model_of(lambda: wired(drop)).save(where["model.pb"])
    assert cli.main(["inspect", where["model.pb"], "--spec", where["s.json"]]) == 0
    spec = tf1_ig.load_spec(where["s.json"])
    assert spec.tree["model"].get("inference_mode", False) == drop == ("model.inference_mode" in spec.guesses)
    numbers = [1.0, 2.0, -1.0, 0.5, 1.0, 3.0]
    row = dict.fromkeys(spec.columns, numbers) if len(spec.columns) == 1 else dict(zip(spec.columns, numbers))
    with open(where["rows.jsonl"], "w") as file:
        file.write(json.dumps(row) + "\n" + json.dumps(row) + "\n")
    said = 1 / (1 + np.exp(-np.dot(numbers, [.4, -.3, .2, .5, -.6, .1])))
    with spec.open() as explainer:
        found = explainer.explain(spec.feed([row, row])[0])
    np.testing.assert_allclose(np.ravel(found.score), said, rtol=1e-5)
    out = ["--rows", where["rows.jsonl"], "--out", where["why.npz"]]
    for asked in (["explain"], ["explain", where["model.pb"]], ["explain", "--inference-mode"]):
        assert cli.main(asked + ["--spec", where["s.json"]] + out) == 0
        np.testing.assert_allclose(np.ravel(tf1_ig.load_attribution(where["why.npz"]).score), said, rtol=1e-5)
    pytest.importorskip("pyarrow", reason="pyarrow, the extra for Parquet files, is not installed")
    done = tf1_ig.explain_dataset(where["s.json"], where["rows.jsonl"], where["out"], workers=0)
    assert (done.explained, done.rejected) == (2, 0)
