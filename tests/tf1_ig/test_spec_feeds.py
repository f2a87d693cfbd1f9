"""Feeds made by a spec equal those made by hand, kind by kind, and bad cells are told with their column."""

import io
import os
import wave

import numpy as np
import pytest

from graph_tools import _tf
from tests.models import small
from tf1_ig.errors import RowError, SpecError
from tf1_ig.rows import readers
from tf1_ig.rows.spec import ExplanationSpec


def spec_of(feed, **more):
    return ExplanationSpec(dict({"version": 1, "model": {"path": "model.pb"}, "output": "y:0", "feed": feed}, **more))


def array_of(options, rows, **more):
    """What one entry makes of rows."""
    return spec_of({"x:0": options}, **more).feed(rows)[0]["x:0"]


def same(found, expected):
    assert found.dtype == expected.dtype and found.shape == expected.shape and np.array_equal(found, expected)


WORDS = {"words": ["<pad>", "<unk>", "<s>", "</s>", "a", "good", "film"], "padding": "<pad>", "unknown": "<unk>"}


def test_padded_text_with_lengths_and_mask():
    found, tokens = spec_of({
        "ids:0": {"kind": "text", "vocabulary": WORDS, "tokenizer": {"kind": "whitespace", "lower": True}},
        "lengths:0": {"kind": "lengths", "of": "ids:0"},
        "mask:0": {"kind": "mask", "of": "ids"}}).feed([{"text": " A  good film"}, {"text": "bad"}])
    same(found["ids:0"], np.array([[4, 5, 6], [1, 0, 0]], np.int32))
    same(found["lengths:0"], np.array([3, 1], np.int32))
    same(found["mask:0"], np.array([[1, 1, 1], [1, 0, 0]], np.float32))
    assert tokens == [["a", "good", "film"], ["bad"]]


@pytest.mark.parametrize("options, expected", [
    ({"length": 5}, [[4, 5, 6, 0, 0], [6, 0, 0, 0, 0]]),
    ({"length": 5, "pad": "left"}, [[0, 0, 4, 5, 6], [0, 0, 0, 0, 6]]),
    ({"shortest": 4, "longest": 9}, [[4, 5, 6, 0], [6, 0, 0, 0]]),
    ({"longest": 2, "longer": "cut"}, [[4, 5], [6, 0]]),
    ({"length": 2, "longer": "cut"}, [[4, 5], [6, 0]]),
    ({"vocabulary": dict(WORDS, begin="<s>", end="</s>")}, [[2, 4, 5, 6, 3], [2, 6, 3, 0, 0]]),
    ({"vocabulary": dict(WORDS, begin="<s>", end=3), "longest": 4, "longer": "cut"}, [[2, 4, 5, 3], [2, 6, 3, 0]]),
])
def test_lengths_of_padded_text(options, expected):
    rows = [{"text": "a good film"}, {"text": "film"}]
    same(array_of(dict({"kind": "text", "vocabulary": WORDS}, **options), rows), np.array(expected, np.int32))


def test_tokens_stand_where_their_ids_stand():
    rows = [{"text": "a good film"}, {"text": "bad"}]
    for options in ({"pad": "left"}, {"length": 6, "pad": "left"}, {"vocabulary": dict(WORDS, begin="<s>")}, {}):
        feed, tokens = spec_of({"x:0": dict({"kind": "text", "vocabulary": WORDS}, **options)}).feed(rows)
        for ids, row in zip(feed["x:0"], tokens):
            assert [WORDS["words"].index(token) if token in WORDS["words"] else 1 for token in row if token] == [
                number for number, token in zip(ids, row) if token]
            assert not any(number for number, token in zip(ids, row) if not token)


def test_words_of_characters():
    found, tokens = spec_of({
        "chars:0": {"kind": "text", "characters": True, "vocabulary": {"words": list("_?aefgilmod"), "unknown": 1},
                    "tokenizer": {"kind": "whitespace", "lower": True}, "length_of_word": 5},
        "counts:0": {"kind": "lengths", "of": "chars:0", "per": "word"},
        "words:0": {"kind": "lengths", "of": "chars:0"}}).feed([{"text": "Good film"}, {"text": "a"}])
    number = {char: place for place, char in enumerate("_?aefgilmod")}
    expected = np.zeros((2, 2, 5), np.int32)
    expected[0, 0, :4] = [number[char] for char in "good"]
    expected[0, 1, :4] = [number[char] for char in "film"]
    expected[1, 0, 0] = number["a"]
    same(found["chars:0"], expected)
    same(found["counts:0"], np.array([[4, 4], [1, 0]], np.int32))
    same(found["words:0"], np.array([2, 1], np.int32))
    assert tokens == [["good", "film"], ["a"]]


def test_a_sparse_placeholder():
    found = spec_of({
        "s/values:0": {"kind": "text", "flat": True, "vocabulary": WORDS, "dtype": "int64"},
        "s/indices:0": {"kind": "sparse", "of": "s/values:0", "part": "indices"},
        "s/shape:0": {"kind": "sparse", "of": "s/values:0", "part": "shape"}}).feed(
            [{"text": "good film"}, {"text": "a good film"}])[0]
    same(found["s/values:0"], np.array([5, 6, 4, 5, 6]))
    same(found["s/indices:0"], np.array([[0, 0], [0, 1], [1, 0], [1, 1], [1, 2]]))
    same(found["s/shape:0"], np.array([2, 3]))


def test_time_first_and_one_row_alone():
    rows = [{"text": "a good film"}, {"text": "film"}]
    entry = {"kind": "text", "vocabulary": WORDS}
    same(array_of(entry, rows, batch_axis=1), np.array([[4, 6], [5, 0], [6, 0]], np.int32))
    same(array_of(entry, rows[:1], batch_axis=None), np.array([4, 5, 6], np.int32))
    with pytest.raises(RowError, match="one row at a time"):
        array_of(entry, rows, batch_axis=None)


def test_one_hot_text():
    found = array_of({"kind": "text", "vocabulary": WORDS, "one_hot": 7, "dtype": "float32"}, [{"text": "a film"}])
    same(found, np.eye(7, dtype=np.float32)[[4, 6]][None])


def test_numbers():
    rows = [{"age": 40, "fare": "7.5"}, {"age": 20.5, "fare": np.float32(1)}]
    same(array_of({"kind": "numbers", "column": "age"}, rows), np.array([40, 20.5], np.float32))
    same(array_of({"kind": "numbers", "columns": ["age", "fare"], "subtract": [30, 1], "divide": [2, 1]}, rows),
         np.array([[5, 6.5], [-4.75, 0]], np.float32))
    same(array_of({"kind": "numbers", "column": "age", "shape": [1], "dtype": "float64"}, rows), np.array(
        [[40], [20.5]]))
    same(array_of({"kind": "numbers", "column": "x", "divide": 10}, [{"x": [[1, 2], [3, 4]]}]), np.array(
        [[[.1, .2], [.3, .4]]], np.float32))
    same(array_of({"kind": "numbers", "column": "age", "dtype": "int64"}, rows[:1]), np.array([40]))


def test_categories():
    rows = [{"sex": "m"}, {"sex": b"f"}]
    entry = {"kind": "category", "column": "sex", "categories": ["f", "m"]}
    same(array_of(entry, rows), np.array([1, 0], np.int32))
    same(array_of(dict(entry, first=1, shape=[1], dtype="int64"), rows), np.array([[2], [1]]))
    same(array_of(dict(entry, one_hot=True), rows), np.array([[0, 1], [1, 0]], np.float32))
    same(array_of(dict(entry, unknown=7), [{"sex": "?"}]), np.array([7], np.int32))
    numbers = {"kind": "category", "column": "pclass", "categories": [1, 2, 3]}
    same(array_of(numbers, [{"pclass": 3}, {"pclass": "2"}, {"pclass": 1.0}]), np.array([2, 1, 0], np.int32))


def test_strings_and_constants():
    found = spec_of({"raw:0": {"kind": "string"}, "one:0": {"kind": "string", "columns": ["text"]},
                     "keep:0": {"kind": "constant", "value": 1}, "train:0": {
                         "kind": "constant", "value": False, "dtype": "bool", "per_row": True}}).feed(
        [{"text": "schön\0"}, {"text": b"\xff"}])[0]
    assert found["raw:0"].tolist() == ["schön\0".encode(), b"\xff"] and found["raw:0"].dtype == object
    assert found["one:0"].shape == (2, 1)
    same(found["keep:0"], np.array(1, np.float32))
    same(found["train:0"], np.array([False, False]))


def _png(array):
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(array).save(file, "png")
    return file.getvalue()


def test_images(tmp_path):
    pixels = np.random.RandomState(0).randint(0, 256, (4, 6, 3)).astype(np.uint8)
    (tmp_path / "one.png").write_bytes(_png(pixels))
    path, entry = str(tmp_path / "one.png"), {"kind": "image", "column": "file"}
    for given in (path, _png(pixels), pixels, pixels.tolist()):
        same(array_of(entry, [{"file": given}]), pixels[None].astype(np.float32))
    same(array_of(dict(entry, colours="BGR", subtract=[1, 2, 3]), [{"file": path}]),
         (pixels[None, ..., ::-1].astype(np.float64) - [1, 2, 3]).astype(np.float32))
    same(array_of(dict(entry, divide=255, channels_first=True), [{"file": path}]),
         np.moveaxis((pixels / 255).astype(np.float32), -1, 0)[None])
    grey = np.arange(24, dtype=np.uint8).reshape(4, 6)
    same(array_of(dict(entry, colours="gray"), [{"file": _png(grey)}]), grey[None, ..., None].astype(np.float32))
    same(array_of(dict(entry, colours="gray", channel_axis=False, shape=[24]), [{"file": _png(grey)}]),
         grey.reshape(1, 24).astype(np.float32))
    small = array_of(dict(entry, size=[2, 3], resize="nearest"), [{"file": path}, {"file": pixels[:2, :3]}])
    assert small.shape == (2, 2, 3, 3) and {tuple(one) for one in small[0].reshape(-1, 3)} <= {
        tuple(one) for one in pixels.reshape(-1, 3)}
    np.save(str(tmp_path / "one.npy"), pixels)
    same(array_of(entry, [{"file": str(tmp_path / "one.npy")}]), pixels[None].astype(np.float32))


def test_signals(tmp_path):
    entry, samples = {"kind": "signal", "column": "sound"}, np.array([0, 16384, -32768, 8192], "<i2")
    with wave.open(str(tmp_path / "one.wav"), "wb") as file:
        file.setnchannels(1), file.setsampwidth(2), file.setframerate(8000), file.writeframes(samples.tobytes())
    rows = [{"sound": str(tmp_path / "one.wav")}, {"sound": [0.5, 0.25]}]
    same(array_of(entry, rows), np.array([[0, .5, -1, .25], [.5, .25, 0, 0]], np.float32))
    same(array_of(dict(entry, length=6, divide=0.5), rows[:1]), np.array([[0, 1, -2, .5, 0, 0]], np.float32))
    same(array_of(dict(entry, length=3, longer="cut"), rows[:1]), np.array([[0, .5, -1]], np.float32))
    np.save(str(tmp_path / "one.npy"), np.ones((5, 2)))
    same(array_of(entry, [{"sound": str(tmp_path / "one.npy")}]), np.ones((1, 5, 2), np.float32))


def test_ids_without_a_vocabulary_are_filled_up_only_where_the_spec_says_with_what(tmp_path):
    entry = {"kind": "signal", "column": "ids", "dtype": "int64"}
    rows = [{"ids": "[27, 30, 16]"}, {"ids": [1, 2 ** 60 + 1, 3, 4]}]
    same(array_of(dict(entry, length=4, padding=-1), rows), np.array([[27, 30, 16, -1], [1, 2 ** 60 + 1, 3, 4]]))
    same(array_of(dict(entry, padding=0), rows), np.array([[27, 30, 16, 0], [1, 2 ** 60 + 1, 3, 4]]))
    same(array_of(dict(entry, length=3), rows[:1]), np.array([[27, 30, 16]]))
    found = spec_of({"x:0": entry}).encode(rows)
    assert found.rows == (0,) and "the first row's is [3]; give rows of one shape, or let the spec" in str(found.bad[0])
    (tmp_path / "rows.csv").write_text('ids\n"[1, 2, 3]"\n', encoding="utf-8")
    same(array_of(entry, list(readers.read([str(tmp_path / "rows.csv")], readers.Columns()))), np.array([[1, 2, 3]]))


def test_large_whole_numbers_keep_their_last_digits():
    entry = {"kind": "numbers", "column": "id", "dtype": "int64"}
    same(array_of(entry, [{"id": 2 ** 60 + 1}, {"id": str(2 ** 60 + 1)}]), np.array([2 ** 60 + 1] * 2))
    same(array_of(dict(entry, sparse=True), [{"id": 2 ** 60 + 1}]), np.array([2 ** 60 + 1]))


def test_truth_values_are_fed_as_truth_values():
    rows = [{"on": True}, {"on": 0}, {"on": "1"}]
    same(array_of({"kind": "numbers", "column": "on", "dtype": "bool"}, rows), np.array([True, False, True]))


def test_a_division_by_nothing_is_refused_with_its_place():
    for options in ({"kind": "numbers", "column": "c", "divide": 0},
                    {"kind": "numbers", "columns": ["c", "d"], "divide": [1, 0]},
                    {"kind": "example", "features": {"c": {"type": "float", "divide": 0}}}):
        with pytest.raises(SpecError, match="divide: 0 divides nothing"):
            spec_of({"x:0": options})


@pytest.mark.parametrize("value, dtype, becomes", [(1.5, "int32", 1), (300, "uint8", 44)])
@pytest.mark.parametrize("options, key", [
    ({"kind": "constant"}, "value"), ({"kind": "mask", "of": "ids:0"}, "value"),
    ({"kind": "signal", "column": "c"}, "padding")])
def test_a_number_of_the_spec_that_its_dtype_would_change(options, key, value, dtype, becomes):
    text = {"kind": "text", "vocabulary": WORDS}
    with pytest.raises(SpecError, match="%s: .*would change in the cast to %s: %s becomes %s" % (
            key, dtype, value, becomes)):
        spec_of({"ids:0": text, "x:0": dict(options, dtype=dtype, **{key: value})})
    spec_of({"ids:0": text, "x:0": dict(options, dtype=dtype, **{key: 1})})


def test_serialized_examples():
    found = array_of({"kind": "example", "features": {
        "age": {"type": "float", "subtract": 10}, "id": {"type": "int64", "column": "key"},
        "words": {"type": "bytes", "split": True}, "more": {"type": "int64", "optional": True}}},
        [{"age": "40.5", "key": 2 ** 60 + 1, "words": "a schöner film"}])
    assert found.shape == (1,) and found.dtype == object
    tf = _tf.tf
    by_hand = tf.train.Example(features=tf.train.Features(feature={
        "age": tf.train.Feature(float_list=tf.train.FloatList(value=[30.5])),
        "id": tf.train.Feature(int64_list=tf.train.Int64List(value=[2 ** 60 + 1])),
        "words": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"a", "schöner".encode(), b"film"]))}))
    assert tf.train.Example.FromString(found[0]) == by_hand


OPTIONAL = {"kind": "example", "features": {
    "city": {"type": "bytes", "optional": True}, "City 2": {"type": "bytes", "optional": True},
    "age": {"type": "float"}}}


@pytest.mark.parametrize("more", [
    {}, {"city": None}, {"City": "O", "city": None, "City 2": None}, {"City 2": "Rome"}, {"key": "a-17", "income": 3}])
def test_an_optional_column_may_be_missing(more):
    found, = array_of(OPTIONAL, [dict({"age": 4}, **more)])
    assert sorted(_tf.tf.train.Example.FromString(found).features.feature) == sorted(
        {"age"} | {name for name in ("City 2",) if more.get(name)})


def test_but_not_where_its_name_is_misspelt():
    with pytest.raises(RowError, match="city.*missing, and 'City' is in no feature; did you mean it"):
        array_of(OPTIONAL, [{"age": 4, "City": "Oslo"}])


@pytest.mark.parametrize("dtype", ["int64", "int32", "float64", "bool"])
def test_a_placeholder_is_fed_in_its_own_dtype_where_the_spec_says_none(tmp_path, dtype):
    def build():
        tf = _tf.tf
        tf.cast(tf.placeholder(dtype, [None], "x"), tf.float32, name="y")

    small.model_of(build).save(str(tmp_path / "model.pb"))
    given = {"int64": 2 ** 53 + 1, "int32": 2 ** 24 + 1, "float64": 0.1, "bool": True}[dtype]
    for options, row in (({"kind": "numbers", "column": "c"}, {"c": given}), ({"kind": "constant", "value": given}, {}),
                         ({"kind": "signal", "column": "c"}, {"c": [given]})):
        spec = ExplanationSpec({"version": 1, "model": {"path": "model.pb"}, "output": "y:0", "feed": {"x": options}},
                               str(tmp_path))
        found = spec.feed([row])[0]["x:0"]
        assert found.dtype == dtype and found.ravel()[0] == np.dtype(dtype).type(given)
    told = ExplanationSpec(dict(spec.tree, feed={"x": dict(options, dtype="float32")}), str(tmp_path))
    assert told.feed([{"c": [1]}] if dtype != "bool" else [{"c": [0.5]}])[0]["x:0"].dtype == "float32"
    if dtype == "int64":  # ids: 0 is one like the others
        with pytest.raises(RowError, match="is of shape"):
            spec.feed([{"c": [1, 2, 3]}, {"c": [1, 2]}])


BAD = [
    ({"kind": "numbers", "column": "c"}, {}, "the column is missing; the row has 'other'"),
    ({"kind": "numbers", "column": "c"}, {"c": "many"}, "'many' (str) is not a number"),
    ({"kind": "numbers", "column": "c"}, {"c": float("nan")}, "the value is missing (NaN)"),
    ({"kind": "numbers", "column": "c"}, {"c": "inf"}, "is not finite"),
    ({"kind": "numbers", "column": "c"}, {"c": [1, float("nan")]}, "1 of 2 numbers are not finite"),
    ({"kind": "numbers", "column": "c", "shape": [3]}, {"c": [1, 2]}, "is of shape [2]; the model takes [3]"),
    ({"kind": "numbers", "column": "c", "dtype": "int32"}, {"c": 1.5},
     "would change in the cast to int32: 1.5 becomes 1; feed int32 values"),
    ({"kind": "numbers", "column": "c", "dtype": "int32"}, {"c": [1, 2 ** 33 + 5]},
     "would change in the cast to int32: 8589934597 at [1] becomes 5; feed int32 values"),
    ({"kind": "numbers", "column": "c", "dtype": "uint8"}, {"c": "-1"},
     "would change in the cast to uint8: -1 becomes 255"),
    ({"kind": "numbers", "column": "c"}, {"c": 1e300}, "would change in the cast to float32: 1e+300 becomes inf"),
    ({"kind": "numbers", "columns": ["other", "c"], "dtype": "int8"}, {"c": 300}, "300 becomes 44"),
    ({"kind": "numbers", "columns": ["other", "c"], "dtype": "int8", "sparse": True}, {"c": 0.5}, "0.5 becomes 0"),
    ({"kind": "numbers", "column": "c", "dtype": "bool"}, {"c": 2}, "would change in the cast to bool: 2 becomes True"),
    ({"kind": "numbers", "column": "c"}, {"c": True}, "True (bool) is not a number"),
    ({"kind": "numbers", "column": "c"}, {"c": [1, [True]]}, "is not a number"),
    ({"kind": "numbers", "column": "c"}, {"c": [2.5, True]}, "[2.5, True] (list) is not a number"),
    ({"kind": "numbers", "column": "c"}, {"c": np.array([True])}, "is not a number"),
    ({"kind": "numbers", "column": "c"}, {"c": 10 ** 400}, "is not a number"),
    ({"kind": "numbers", "column": "c"}, {"c": "[1, 2"}, "'[1, 2' (str) is not a number"),
    ({"kind": "category", "column": "c", "categories": ["f", "m"], "first": 127, "dtype": "int8"}, {"c": "m"},
     "would change in the cast to int8: 128 becomes -128"),
    ({"kind": "string", "column": "c"}, {"c": ""}, "the text is empty"),
    ({"kind": "string", "columns": ["d", "c"]}, {"c": b"", "d": "x"}, "the text is empty"),
    ({"kind": "example", "features": {"c": {"type": "bytes"}}}, {"c": ""}, "the text is empty"),
    ({"kind": "image", "column": "c", "dtype": "uint8"}, {"c": np.full((1, 1, 3), 12.7)},
     "would change in the cast to uint8: 12.7 at [0, 0, 0] becomes 12"),
    ({"kind": "signal", "column": "c", "length": 5, "dtype": "int64"}, {"c": [1, 2, 3, 4, 5.5]},
     "would change in the cast to int64: 5.5 at [4] becomes 5; feed int64 values"),
    ({"kind": "signal", "column": "c", "length": 5, "dtype": "int64"}, {"c": [1, 2, 3]},
     "3 entries, and the model takes 5; give as many, or let the spec say what fills them up: \"padding\": 0"),
    ({"kind": "example", "features": {"c": {"type": "int64"}}}, {"c": [1, 2.5]}, "2.5 at [1] becomes 2"),
    ({"kind": "example", "features": {"c": {"type": "int64"}}}, {"c": 1e30}, "would change in the cast to int64"),
    ({"kind": "example", "features": {"c": {"type": "float"}}}, {"c": 1e300}, "would change in the cast to float32"),
    ({"kind": "category", "column": "c", "categories": ["f", "m"]}, {"c": "x"},
     "unknown category 'x'; known are: f, m"),
    ({"kind": "category", "column": "c", "categories": ["f", "m"]}, {"c": {}}, "is not a category"),
    ({"kind": "string", "column": "c"}, {"c": 5}, "5 (int) is not a text"),
    ({"kind": "image", "column": "c"}, {"c": "none.png"}, "the picture 'none.png' cannot be read"),
    ({"kind": "image", "column": "c"}, {"c": b"no picture"}, "cannot be read"),
    ({"kind": "image", "column": "c", "size": [2, 3]}, {"c": np.ones((4, 4, 3))}, "the model takes 2 × 3"),
    ({"kind": "signal", "column": "c"}, {"c": "none.wav"}, "the sound 'none.wav' cannot be read"),
    ({"kind": "signal", "column": "c", "length": 2}, {"c": [1, 2, 3]}, "3 samples, and 2 fit in"),
    ({"kind": "example", "features": {"c": {"type": "int64"}}}, {"c": "x"}, "is not a number"),
    ({"kind": "example", "features": {"c": {"type": "bytes"}}}, {"c": 7}, "is not a text"),
    ({"kind": "text", "column": "c", "vocabulary": {"words": ["a"]}}, {"c": "a b"}, "'b' is not in the vocabulary"),
    ({"kind": "text", "column": "c", "vocabulary": WORDS, "longest": 2}, {"c": "a a a"}, "3 tokens, and 2 fit in"),
]


@pytest.mark.parametrize("options, row, told", BAD)
def test_a_bad_cell(options, row, told):
    with pytest.raises(RowError) as wrong:
        array_of(options, [dict(row, other=1)])
    assert (wrong.value.row, wrong.value.column) == (1, "c") and told in str(wrong.value)
    assert "\n" not in str(wrong.value)


def test_rows_of_other_shapes_than_the_first():
    found = spec_of({"x:0": {"kind": "numbers", "column": "c"}}).encode([{"c": [1, 2]}, {"c": [1]}, {"c": [3, 4]}])
    same(found.feed["x:0"], np.array([[1, 2], [3, 4]], np.float32))
    assert found.rows == (0, 2) and "the first row's is [2]" in str(found.bad[0]) and found.bad[0].row == 2
    found = spec_of({"x:0": {"kind": "signal", "column": "c"}}).encode([{"c": [1, 2]}, {"c": [[1, 2]]}, {"c": [3]}])
    same(found.feed["x:0"], np.array([[1, 2], [3, 0]], np.float32))
    assert "is of shape [1, 2]" in str(found.bad[0])


@pytest.mark.timeout(60)
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names")
@pytest.mark.parametrize("kind, ending", [("image", ".png"), ("image", ".npy"), ("signal", ".npy"), ("signal", ".wav")])
def test_a_row_that_names_a_pipe_is_not_waited_for(tmp_path, kind, ending):
    path = str(tmp_path / ("pipe" + ending))
    os.mkfifo(path)
    with pytest.raises(RowError, match="is no regular file"):
        array_of({"kind": kind, "column": "c"}, [{"c": path}])


@pytest.mark.parametrize("text", [
    "[" * 100000, '{"%s": "a"}' % ("1" * 6000), '{"a": NaN}', '{"a": ' * 5000 + "1" + "}" * 5000])
def test_a_vocabulary_that_is_none_is_one_line(tmp_path, text):
    (tmp_path / "words.json").write_text(text)
    with pytest.raises(SpecError) as wrong:
        array_of({"kind": "text", "vocabulary": {"file": str(tmp_path / "words.json")}}, [{"text": "a"}])
    assert "words.json" in str(wrong.value) and "\n" not in str(wrong.value)


@pytest.mark.parametrize("more", [
    {"length": 10 ** 17}, {"shortest": 10 ** 17}, {"one_hot": 10 ** 9}, {"one_hot": 1},
    {"vocabulary": dict(WORDS, first=10 ** 30)}, {"vocabulary": dict(WORDS, padding=10 ** 30), "length": 9}])
def test_sizes_that_no_array_can_have_are_one_line(more):
    options = {"kind": "text", "vocabulary": WORDS}
    assert array_of(options, [{"text": "a good film"}]).shape == (1, 3)
    with pytest.raises(RowError, match="column 'text': no array can be made of it as the spec says") as wrong:
        array_of(dict(options, **more), [{"text": "a good film"}])
    assert "\n" not in str(wrong.value)


@pytest.mark.parametrize("pattern", ["(" * 5000 + ")" * 5000, "a{99999999999}", "("])
def test_a_pattern_that_is_none_is_one_line(pattern):
    with pytest.raises(SpecError, match="is not a regular expression"):
        spec_of({"x:0": {"kind": "text", "vocabulary": WORDS, "tokenizer": {"kind": "regex", "pattern": pattern}}})


def test_a_column_of_a_vocabulary_that_no_line_has_is_empty(tmp_path):
    (tmp_path / "words.txt").write_text("a\t1\nb\t2\n")
    words = {"file": str(tmp_path / "words.txt"), "separator": "\t"}
    same(array_of({"kind": "text", "vocabulary": dict(words, field=0)}, [{"text": "b"}]), np.array([[1]], np.int32))
    with pytest.raises(RowError, match="'b' is not in the vocabulary"):
        array_of({"kind": "text", "vocabulary": dict(words, field=10 ** 12)}, [{"text": "b"}])
