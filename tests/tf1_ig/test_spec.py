"""The explanation spec: what it refuses and where, that nothing is lost in writing it, and which model it is for."""

import copy
import json
import os
import pickle

import jsonschema
import numpy as np
import pytest

import tf1_ig
from graph_tools.errors import GraphToolsError
from tests.models.small import masked_text, model_of
from tf1_ig import demo
from tf1_ig.errors import LabelError, RowError, SpecError, SpecFileMissingError
from tf1_ig.question import class_names
from tf1_ig.rows import fingerprint, schema
from tf1_ig.rows.spec import ExplanationSpec

FOLDER = os.path.dirname(demo.MODEL)
TEXT = {"kind": "text", "vocabulary": {"file": "vocab.txt", "padding": "<pad>", "unknown": "<unk>"},
        "tokenizer": {"kind": "regex", "pattern": "[a-z]+(?:'[a-z]+)*|[0-9]+|[!?]", "lower": True,
                      "replace": {"\u2019": "'"}}}
TREE = {"version": 1, "model": {"path": "model.pb", "sha256": fingerprint.sha256(demo.MODEL)}, "output": demo.OUTPUT,
        "classes": ["negative", "positive"], "label": "top",
        "feed": {demo.IDS: TEXT, demo.LENGTHS: {"kind": "lengths", "of": demo.IDS}},
        "guesses": {"label": "no one said"}}
EVERY_KIND = {
    "ids:0": {"kind": "text", "vocabulary": {"words": ["", "good", "film"], "unknown": 1}, "length": 4, "pad": "left",
              "longer": "cut"},
    "lengths:0": {"kind": "lengths", "of": "ids:0", "dtype": "int64"},
    "mask:0": {"kind": "mask", "of": "ids:0"},
    "flat/values:0": {"kind": "text", "flat": True, "vocabulary": {"words": ["good", "film"]}},
    "flat/indices:0": {"kind": "sparse", "of": "flat/values:0", "part": "indices"},
    "numbers:0": {"kind": "numbers", "columns": ["age", "fare"], "subtract": [30, 10.5], "divide": 2},
    "sex:0": {"kind": "category", "column": "sex", "categories": ["f", "m"], "unknown": "m", "one_hot": True},
    "raw:0": {"kind": "string", "shape": [1]},
    "keep_prob:0": {"kind": "constant", "value": 1.0},
    "image:0": {"kind": "image", "column": "file", "size": [2, 3], "colours": "BGR", "divide": 255},
    "sound:0": {"kind": "signal", "column": "sound", "length": 16},
    "proto:0": {"kind": "example", "features": {"age": {"type": "float"}, "words": {"type": "bytes", "split": True}}},
}


def spec_of(**changes):
    return ExplanationSpec(dict(copy.deepcopy(TREE), **changes), FOLDER)


@pytest.mark.parametrize("tree", [TREE, dict(TREE, feed=EVERY_KIND), dict(
    TREE, inputs=["embedding/lookup:0"], label=None, contrast=["positive", "negative"], baseline={"a:0": [1]},
    tolerance=0.1, steps=5, batch_axis=None)])
def test_what_is_taken_fits_the_published_schema(tree):
    jsonschema.Draft7Validator.check_schema(schema.load())
    jsonschema.validate(tree, schema.load())
    ExplanationSpec(tree, FOLDER)


WRONG = [
    ({"labell": 3}, "labell: unknown key; did you mean 'label'?"),
    ({"version": 2}, "version: 2 is not 1; a later tf1-ig wrote it"),
    ({"tolerance": 0}, "tolerance: 0 is not above 0"),
    ({"tolerance": "1%"}, "tolerance: \"1%\" is not a number"),
    ({"inputs": ["rows:0", 3]}, "inputs[1]: 3 is not a string"),
    ({"contrast": ["positive"]}, "contrast: [\"positive\"] has fewer than 2"),
    ({"steps": True}, "steps: true is not an integer or null"),
    ({"feed": {"x:0": {"kind": "txt"}}}, "feed[\"x:0\"].kind: \"txt\" is none of"),
    ({"feed": {"x:0": dict(TEXT, lenght=3)}}, "feed[\"x:0\"].lenght: unknown key; did you mean 'length'?"),
    ({"feed": {"x:0": dict(TEXT, tokenizer={"kind": "regex"})}}, "feed[\"x:0\"].tokenizer: 'pattern' is missing"),
    ({"feed": {"x:0": {"kind": "image", "column": "file", "size": [2]}}}, "feed[\"x:0\"].size: [2] has fewer than 2"),
    ({"feed": {"x:0": {"column": "text"}}}, "feed[\"x:0\"]: 'kind' is missing"),
    ({"feed": {"x:0": dict(EVERY_KIND["proto:0"], features={"age": {"type": "double"}})}},
     "feed[\"x:0\"].features.age.type: \"double\" is none of"),
]


@pytest.mark.parametrize("changes, told", WRONG)
def test_a_mistake_is_told_with_its_place(changes, told):
    with pytest.raises(SpecError) as wrong:
        spec_of(**changes)
    assert told in str(wrong.value) and "\n" not in str(wrong.value)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(dict(TREE, **changes), schema.load())


def test_a_key_that_is_missing_is_told():
    for key in ("version", "model", "output", "feed"):
        tree = {other: value for other, value in TREE.items() if other != key}
        with pytest.raises(SpecError, match="%r is missing" % key):
            ExplanationSpec(tree, FOLDER)


def test_every_word_of_the_schema_is_understood():
    words = set()

    def walk(rule):
        if isinstance(rule, dict):
            for key, value in rule.items():
                if key in ("properties", "definitions"):
                    for one in value.values():
                        walk(one)
                elif key not in ("const", "enum", "required"):
                    words.add(key)
                    walk(value)
        elif isinstance(rule, list):
            for one in rule:
                walk(one)

    walk(schema.load())
    assert words - schema._NOTES - set(schema._WORDS) == set()


@pytest.mark.parametrize("changes, told", [
    ({"label": "neutral"}, "label: no class is called 'neutral'; there are: negative, positive"),
    ({"label": "positive", "classes": None}, "label: the class 'positive' cannot be found"),
    ({"contrast": ["positive", "neutral"]}, "contrast: no class is called 'neutral'"),
    ({"feed": {"x:0": {"kind": "text"}}}, "feed[\"x:0\"]: the vocabulary is missing"),
    ({"feed": {"x:0": dict(TEXT, tokenizer={"kind": "regex", "pattern": "("})}}, "is not a regular expression"),
    ({"feed": {"x:0": {"kind": "lengths", "of": "y:0"}}}, "feed[\"x:0\"].of: 'y:0' is not a text of this spec"),
    ({"feed": {"x:0": dict(TEXT, vocabulary={"file": "vocab.txt", "unknown": "[UNK]"})}},
     "feed[\"x:0\"].vocabulary.unknown: '[UNK]' is not in the vocabulary"),
    ({"feed": {"x:0": dict(TEXT, tokenizer={"kind": "function", "function": "os:listdir"})}},
     "'os:listdir' is code; it is loaded only when you say so"),
    ({"feed": {"x:0": {"kind": "constant", "value": {"a": 1}}}},
     "feed[\"x:0\"].value: {'a': 1} is no value of this type"),
    ({"feed": {"x:0": {"kind": "constant", "value": [[1.0], [2.0, 3.0]]}}}, "is no value of this type"),
    ({"feed": {"x:0": {"kind": "constant", "value": 2 ** 70, "dtype": "int8"}}}, "is no value of this type"),
    ({"feed": {"x:0": {"kind": "constant", "value": "\udcff"}}}, "feed[\"x:0\"].value: '\\udcff' is no value"),
])
def test_what_the_schema_cannot_say_is_told_too(changes, told):
    with pytest.raises(SpecError) as wrong:
        spec_of(**changes)
    assert told in str(wrong.value)


def test_files_that_are_not_there():
    for changes in ({"classes": "none.txt"}, {"feed": {"x:0": dict(TEXT, vocabulary={"file": "none.txt"})}}):
        with pytest.raises(SpecFileMissingError, match="none.txt"):
            spec_of(**changes)
    with pytest.raises(SpecFileMissingError, match="tf1-ig inspect MODEL --spec FILE"):
        tf1_ig.load_spec("no such spec.json")
    with pytest.raises(FileNotFoundError, match="model.path"):
        spec_of(model={"path": "none.pb"}).open()


def test_written_loaded_and_saved_it_is_the_same(tmp_path):
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    spec_of().save(first)
    loaded = tf1_ig.load_spec(first)
    loaded.save(second)
    assert first.read_bytes() == second.read_bytes()
    assert json.loads(first.read_text(encoding="utf-8")) == dict(loaded.tree)
    jsonschema.validate(json.loads(first.read_text(encoding="utf-8")), schema.load())
    # Its paths are relative to where it is now; nothing else was touched.
    moved = json.loads(first.read_text(encoding="utf-8"))
    assert os.path.samefile(str(tmp_path / moved["model"]["path"]), demo.MODEL)
    moved["model"]["path"], moved["feed"][demo.IDS]["vocabulary"]["file"] = "model.pb", "vocab.txt"
    assert moved == TREE and spec_of().tree == TREE
    (tmp_path / "deeper").mkdir()
    loaded.save(tmp_path / "deeper" / "third.json")
    assert tf1_ig.load_spec(tmp_path / "deeper" / "third.json").feed([{"text": "good"}])[1] == [["good"]]


def test_it_can_be_sent_to_another_process():
    sent = pickle.loads(pickle.dumps(spec_of()))
    assert sent.tree == TREE and sent.feed([{"text": "Good!"}])[1] == [["good", "!"]]


def test_a_caller_s_tree_is_not_shared():
    tree = copy.deepcopy(TREE)
    made = ExplanationSpec(tree, FOLDER)
    tree["output"] = "other:0"
    made.guesses["label"] = "changed"
    assert made.output == demo.OUTPUT and made.guesses == TREE["guesses"]


@pytest.mark.parametrize("asked, label", [
    ({}, "top"), ({"label": "positive"}, 1), ({"label": 0}, 0), ({"label": None}, None), ({"label": [4, 1]}, (4, 1)),
    ({"label": [4, "positive"]}, (4, 1)), ({"contrast": ["positive", "negative"]}, {1: 1.0, 0: -1.0}),
    ({"contrast": [0, 1], "classes": None}, {0: 1.0, 1: -1.0}), ({"label": "second"}, "second"),
    ({"contrast": ["top", "second"]}, {"top": 1.0, "second": -1.0}),
    ({"contrast": ["top", "negative"]}, {"top": 1.0, 0: -1.0}),
    ({"label": "second", "classes": ["first", "second"]}, 1)])
def test_labels_are_names_or_numbers(asked, label):
    assert spec_of(**asked).label == label


def test_names_of_classes_from_a_file(tmp_path):
    (tmp_path / "classes.txt").write_text("bad\r\ngood\r\n", encoding="utf-8")
    made = ExplanationSpec(dict(TREE, classes="classes.txt", label="good", feed={}), str(tmp_path))
    assert (made.classes, made.label) == (("bad", "good"), 1)
    with pytest.raises(LabelError):
        class_names.number_of("fine", made.classes)


def test_the_demo_explained_by_its_spec_is_the_demo_explained_by_hand():
    made = spec_of()
    sentences = ["The plot makes no sense, but the acting is superb.", "Dull, slow and far too long."]
    feed, tokens = made.feed([{"text": sentence} for sentence in sentences])
    ids, lengths = demo.encode([demo.tokenize(sentence) for sentence in sentences], demo.load_vocabulary())
    assert feed[demo.IDS].dtype == ids.dtype and feed[demo.LENGTHS].dtype == lengths.dtype
    assert np.array_equal(feed[demo.IDS], ids) and np.array_equal(feed[demo.LENGTHS], lengths)
    assert tokens == [demo.tokenize(sentence) for sentence in sentences]
    with made.open() as explainer:
        found = explainer.explain(feed, tokens=tokens, **made.arguments())
    by_hand = demo.explain(sentences)
    assert np.allclose(found.tokens["embedding/lookup:0"], by_hand.tokens["embedding/lookup:0"], atol=1e-7)
    assert found.token_texts == by_hand.token_texts


def test_what_no_longer_fits_the_model_is_one_line():
    for changes, told in (
            ({"model": dict(TREE["model"], sha256="0" * 64)}, "model.sha256: the model"),
            ({"output": "class/probabilitys:0"}, "output: no tensor 'class/probabilitys:0'"),
            ({"inputs": ["embedding/lookups:0"]}, "inputs: no tensor"),
            ({"feed": {"inputs:0": TEXT}}, "feed: no tensor 'inputs:0'"),
            ({"classes": ["a", "b", "c"]}, "classes: 3 classes are named, and the output class/probabilities:0 has 2")):
        with pytest.raises(SpecError) as wrong:
            spec_of(**changes).open()
        assert told in str(wrong.value) and "\n" not in str(wrong.value)


def test_a_model_at_hand_can_be_used():
    made = ExplanationSpec({"version": 1, "model": {"path": "none.pb"}, "output": "scores:0", "label": 1, "feed": {
        "ids:0": {"kind": "text", "vocabulary": {"words": ["", "good", "film"]}},
        "lengths:0": {"kind": "lengths", "of": "ids:0"}, "temperature:0": {"kind": "constant", "value": 2}}})
    feed, tokens = made.feed([{"text": "good good film"}, {"text": "film"}])
    assert feed["temperature:0"].shape == () and tokens == [["good", "good", "film"], ["film"]]
    with made.open(model_of(masked_text)) as explainer:
        found = explainer.explain(feed, tokens=tokens, **made.arguments())
    assert found.converged.all() and found.tokens["embedding:0"].shape == (2, 3)


BAD = [({}, "the column is missing"), ({"text": 3}, "3 (int) is not a text"), ({"text": ""}, "no token"),
       ({"text": None}, "the value is missing"), ({"text": float("nan")}, "the value is missing (NaN)"),
       ({"text": "\ud800"}, "not valid Unicode"), ({"text": b"\xff"}, "not UTF-8")]


@pytest.mark.parametrize("row, told", BAD)
def test_a_bad_row_is_told_with_row_and_column(row, told):
    with pytest.raises(RowError) as wrong:
        spec_of().feed([{"text": "good"}, row])
    assert (wrong.value.row, wrong.value.column) == (2, "text")
    assert str(wrong.value) == "row 2, column 'text': " + wrong.value.reason and told in wrong.value.reason
    assert isinstance(wrong.value, (GraphToolsError, ValueError)) and "\n" not in str(wrong.value)
    assert str(pickle.loads(pickle.dumps(wrong.value))) == str(wrong.value)


def test_bad_rows_are_left_out_and_the_others_are_as_they_were():
    rows = [{"text": "A wonderful film."}] + [row for row, _ in BAD] + ["no row", {"text": "Dull and slow."}]
    found, alone = spec_of().encode(rows), spec_of().encode([rows[0], rows[-1]])
    assert found.rows == (0, len(rows) - 1) and [wrong.row for wrong in found.bad] == list(range(2, len(rows)))
    assert all(np.array_equal(found.feed[name], alone.feed[name]) for name in alone.feed)
    assert found.tokens == alone.tokens
    assert spec_of().encode([]).feed == {} and spec_of().encode([{}]).rows == ()
