"""Bytes that are fed arrive byte for byte: lists, object arrays, .npz and .json files; what numpy cut short is told."""

import base64
import json
import os
import pickle

import numpy as np
import pytest

import tf1_ig
from graph_tools import _tf
from graph_tools.errors import FeedError
from graph_tools.running import values
from tests.models import small
from tf1_ig import cli
from tf1_ig.commands import feed_file
from tf1_ig.engine import feeds
from tf1_ig.errors import BatchError, InputError

ROWS = np.array([[1.0, -2.0, 0.5], [0.25, 0.0, 0.0], [0.0, 0.0, 0.0]], np.float32)


def records():
    """Serialized examples; the last two end in NULs, as zeros do."""
    train = _tf.tf.train
    return [train.Example(features=train.Features(feature={"x": train.Feature(float_list=train.FloatList(
        value=row))})).SerializeToString() for row in ROWS.tolist()]


def parsing():
    tf = _tf.tf
    parsed = tf.io.parse_example(tf.identity(tf.placeholder(tf.string, [None], "records")), {
        "x": tf.FixedLenFeature([3], tf.float32)})
    tf.sigmoid(tf.reduce_sum(tf.identity(parsed["x"], "x") * [1.0, 2.0, 3.0], 1), name="y")


@pytest.fixture(scope="module")
def model():
    return small.model_of(parsing)


def _scores(model, fed):
    with tf1_ig.IntegratedGradients(model, "y", "x") as explainer:
        return explainer.explain({"records": fed}, steps=8).score


EXPECTED = 1 / (1 + np.exp(-(ROWS @ np.array([1.0, 2.0, 3.0]))))


def test_the_records_are_what_the_test_is_about():
    assert [one.endswith(b"\0") for one in records()] == [False, True, True]
    assert np.array(records()).tolist() != records()  # numpy's own array of them


@pytest.mark.parametrize("form", [list, tuple, lambda given: np.array(given, object)])
def test_bytes_in_lists_and_object_arrays_are_explained(model, form):
    np.testing.assert_allclose(_scores(model, form(records())), EXPECTED, rtol=1e-5)


def test_what_numpy_cut_short_is_told_with_the_fix(model):
    for fed in (np.array(records()), [one.rstrip(b"\0") for one in records()], [b"\xff\xfe"] * 3):
        with pytest.raises(FeedError, match="records:0 .*list of bytes"):
            _scores(model, fed)
    # Text of another width is no loss.
    assert feeds.as_fed("t:0", np.array([b"a", b"bc", "é".encode("utf-8")]), object, None).tolist() == [
        b"a", b"bc", "é".encode("utf-8")]
    with pytest.raises(FeedError, match="kind 'S'"):
        feeds.as_fed("t:0", np.array([b"\0\1\2\0", b"\0\1\2"]), object, None)
    assert feeds.as_fed("t:0", np.array([b"\0\1\2", b"\0\1\3"]), object, None).tolist() == [b"\0\1\2", b"\0\1\3"]


@pytest.mark.parametrize("value, shape", [
    (b"a\0", ()), ("é", ()), ([b"\xff\0"], (1,)), ([["a", b"b\0"], ["c", "d"]], (2, 2)), ([], (0,)), ([[1, 2]], (1, 2)),
    (np.array(["a"]), (1,)), ([np.array([b"a\0"], object)] * 2, (2, 1))])
def test_as_array_keeps_shape_and_bytes(value, shape):
    found = values.as_array(value)
    assert found.shape == shape
    if shape and not isinstance(value, np.ndarray) and found.dtype == object:
        assert found.tolist() == [one.tolist() if isinstance(one, np.ndarray) else one for one in value]


def test_rows_of_unequal_length_and_numbers_among_strings_are_refused():
    for value in ([[b"a", b"b"], [b"c"]], [b"a", [b"b"]], [b"a", 1], ["a", 2.5], [b"a", None]):
        with pytest.raises(FeedError, match="t:0"):
            feeds.as_fed("t:0", value, object, None)


def test_files_of_feeds_hold_bytes(model, tmp_path):
    np.savez(str(tmp_path / "f.npz"), **{"records:0": np.array(records(), object)})
    (tmp_path / "f.json").write_text(json.dumps({"records:0": [
        {"b64": base64.b64encode(one).decode("ascii")} for one in records()]}))
    model.save(str(tmp_path / "m.pb"))
    for name in ("f.npz", "f.json"):
        assert feed_file.read_feed(str(tmp_path / name))["records:0"].tolist() == records()
        out = str(tmp_path / "r.npz")
        assert cli.main(["explain", str(tmp_path / "m.pb"), "--feed", str(tmp_path / name), "--output", "y", "--input",
                         "x", "--out", out]) == 0
        np.testing.assert_allclose(tf1_ig.load_attribution(out).score, EXPECTED, rtol=1e-5)


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("array", [
    np.array([[b"a\0", "é"], [b"\xff", ""]], object), np.asfortranarray(np.array([["a", "b"], ["c", "d"]], object)),
    np.array([], object), np.array(b"x", object),
    np.array([np.str_("é\U0001f600"), np.bytes_(b"a\xff"), "b", np.str_("")], object),
    np.array([np.array(["x"], ">U3")[0], "y"], object)])
def test_arrays_of_strings_are_read_without_unpickling(tmp_path, array, protocol, monkeypatch):
    plain = pickle.dump
    monkeypatch.setattr(pickle, "dump", lambda *given, **more: plain(*given[:2], protocol=protocol))
    np.savez(str(tmp_path / "f.npz"), **{"a:0": array})
    monkeypatch.setattr(pickle, "load", None)
    monkeypatch.setattr(pickle, "loads", None)
    found = feed_file.read_feed(str(tmp_path / "f.npz"))["a:0"]
    assert found.shape == array.shape and found.tolist() == array.tolist()


class _Hostile:
    def __reduce__(self):
        return os.mkdir, (os.environ["HOSTILE"],)


@pytest.mark.parametrize("held", [_Hostile(), None, 3, [b"a"], {"a": 1}, np.array([b"a"], object)])
def test_other_objects_are_refused_and_nothing_of_them_is_run(tmp_path, monkeypatch, held):
    monkeypatch.setenv("HOSTILE", str(tmp_path / "made"))
    array = np.empty(2, object)
    array[0], array[1] = "text", held
    np.savez(str(tmp_path / "f.npz"), **{"a:0": array})
    with pytest.raises(FeedError, match="'a:0'"):
        feed_file.read_feed(str(tmp_path / "f.npz"))
    assert not (tmp_path / "made").exists()


def test_a_json_file_of_no_base64_or_nested_without_end_is_one_error(tmp_path):
    for text in ('{"a:0": [{"b64": "?"}]}', "[" * 5000, '{"a:0": ' + "[" * 100000, '{"a:0": {"b65": "YQ=="}}'):
        (tmp_path / "f.json").write_text(text)
        with pytest.raises(FeedError, match="f.json"):
            feed_file.read_feed(str(tmp_path / "f.json"))


# ---- what is said of feeds


def _two_feeds():
    tf = _tf.tf
    x, y = tf.placeholder(tf.float32, [None, 2], "x"), tf.placeholder(tf.float32, [None, 2], "y")
    tf.reduce_sum(tf.tanh(tf.concat([x, y], 1)), 1, name="z")


def test_feeds_that_disagree_are_told_by_their_rows():
    with tf1_ig.IntegratedGradients(small.model_of(_two_feeds), "z", "x") as explainer:
        with pytest.raises(BatchError, match=r"x:0 3, y:0 2; feed as many rows in each"):
            explainer.explain({"x": np.ones((3, 2)), "y": np.ones((2, 2))})
        assert explainer.explain({"x": np.ones((3, 2)), "y": np.ones((3, 2))}).converged.all()


def test_no_inputs_are_a_named_error_and_our_own_tensors_are_not_proposed():
    model = small.model_of(_two_feeds)
    with pytest.raises(InputError, match="inputs is empty"):
        tf1_ig.IntegratedGradients(model, "z", [])
    with tf1_ig.IntegratedGradients(model, "z", "x") as explainer:
        ours = [op.outputs[0].name for op in explainer._engine.graph.get_operations()
                if op.name.startswith("tf1_ig/") and op.outputs]
        assert len(ours) > 20
        for name in ours:
            with pytest.raises(KeyError) as error:
                explainer.explain({name.rpartition("/")[2] + "s": 1.0})
            assert "tf1_ig/" not in str(error.value)
