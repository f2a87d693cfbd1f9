import dataclasses
import json
import os
import subprocess
import sys

import numpy as np
import pytest

import tf1_ig
from graph_tools.errors import GraphToolsError
from tests.tf1_ig.results import result
from tf1_ig.result.attribution import Attribution, load_attribution


def _full():
    rows = 2
    return result(
        values=[[0.1, np.nan, -0.0], [1e-310, np.inf, -np.inf]],
        outputs=np.array([[0.1, 0.9], [1 / 3, 2 / 3]], np.float32), prediction=np.array([1, 1]),
        baseline_output=np.full((rows, 2), 0.5, np.float32), token_texts=[["a", "<unk>"], ["é\u0000", "字", "x"]],
        held_fixed=("lengths:0",), notes=("One.", "Two — with \"quotes\"."), error_estimate=np.array([1e-9, np.nan]),
        path=[(np.array([0.0, 1.0]), np.array([0.1, 0.2])), (np.array([0.0, 0.5, 1.0]), np.array([1.0, np.nan, 3.0]))],
        label=np.array([[0, 1], [2, 1]]), output_kind="softmax", running="in company", coupled=True,
        replaced=(("batch/component_1:0", "batch:1"),))


def _ragged():
    rows = [np.arange(6, dtype=np.float32).reshape(3, 2) / 7, np.zeros((0, 2), np.float32)]
    return dataclasses.replace(result(), values={"wide/a:0": rows, "deep/b:0": np.ones((2, 3, 1), np.float16)})


def _same(one, other):
    for field in dataclasses.fields(Attribution):
        _equal(getattr(one, field.name), getattr(other, field.name), field.name)


def _equal(one, other, where):
    if isinstance(one, dict):
        assert list(one) == list(other), where
        for key in one:
            _equal(one[key], other[key], where)
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype and one.shape == other.shape, where
        np.testing.assert_array_equal(one, other, where)
        assert np.array_equal(np.signbit(one[one == one]), np.signbit(other[one == one])), where
    elif isinstance(one, (list, tuple)):
        assert type(one) is type(other) and len(one) == len(other), where
        for left, right in zip(one, other):
            _equal(left, right, where)
    else:
        assert one == other, where


@pytest.mark.parametrize("suffix", [".npz", ".json"])
@pytest.mark.parametrize("make", [result, _full, _ragged], ids=["plain", "full", "ragged"])
def test_saving_and_loading_gives_back_every_field_bit_for_bit(tmp_path, make, suffix):
    path = str(tmp_path / ("r" + suffix))
    make().save(path)
    _same(make(), load_attribution(path))


def test_json_is_strict_and_readable_by_anything(tmp_path):
    path = tmp_path / "r.json"
    _full().save(path)

    def refuse(constant):
        raise AssertionError("%s is not JSON" % constant)

    tree = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert tree["values"]["embedding/lookup:0"][0][0] == [0.1 * 0.75, 0.1 * 0.25]
    assert tree["tokens"]["embedding/lookup:0"][0][1] == "NaN" and tree["label"] == [[0, 1], [2, 1]]


def test_token_sums_are_sums_over_the_last_axis_for_arrays_and_ragged_rows():
    tokens = _ragged().tokens
    np.testing.assert_allclose(tokens["wide/a:0"][0], [1 / 7, 5 / 7, 9 / 7], rtol=1e-6)
    assert tokens["wide/a:0"][1].shape == (0,) and tokens["deep/b:0"].shape == (2, 3)


def test_an_input_with_one_number_a_row_has_nothing_to_sum():
    made = dataclasses.replace(result(), values={"age:0": np.array([0.5, -1.0]), "w:0": [np.ones(3), np.ones(0)]})
    assert made.tokens["age:0"].tolist() == [0.5, -1.0] and made.tokens["w:0"][0].tolist() == [1.0, 1.0, 1.0]
    assert 'data-value="-1.0"' in made.to_html() and tf1_ig.check(made)["finite numbers"].verdict == "ok"
    pytest.importorskip("pandas")
    assert made.to_frame().attribution.tolist() == [0.5, 1.0, 1.0, 1.0, -1.0]


def test_a_row_or_a_slice_is_a_result_of_its_own():
    whole = _full()
    one = whole[1]
    assert len(whole) == 2 and len(one) == 1 and one.token_texts == [whole.token_texts[1]]
    assert one.label.tolist() == [[2, 1]] and len(one.path[0][0]) == 3 and one.notes == whole.notes
    assert _ragged()[:0].finite.tolist() == whole[:0].finite.tolist() == []
    assert len(whole[-1:]) == 1 and len(whole[[1, 0]]) == 2 and len(_ragged()[0].values["wide/a:0"]) == 1
    with pytest.raises(IndexError):
        whole[2]


def test_relative_delta_is_defined_where_nothing_changed():
    made = result(delta=np.array([0.0075, 0.0]), score=np.array([0.95, 0.2]))
    np.testing.assert_allclose(made.relative_delta, [0.01, 0.0])
    assert np.isinf(result(delta=np.array([0.1, 0.1]), score=np.array([0.2, 0.2])).relative_delta).all()


@pytest.mark.parametrize("label, texts", [
    (np.array([3, 0]), ["cat", "0"]), (np.array([[4, 3], [4, 0]]), ["(4, cat)", "(4, 0)"]),
    (np.zeros((2, 0), np.int64), ["", ""])])
def test_labels_have_a_name_a_number_or_no_text(label, texts):
    names = None
    made = result(label=label)
    assert [made.label_text(row, ["", "b", "c", "cat"] if row == 0 else names) for row in range(2)] == texts


def test_the_text_form_says_what_a_reader_must_know():
    text = str(result(converged=np.array([True, False]), notes=("Dropout is on.",)))
    assert "probabilities:0" in text and "NOT converged" in text and "Dropout is on." in text
    assert "and 90 more" in str(result(values=np.ones((100, 2))))


@pytest.mark.parametrize("name, kind", [
    ("r.txt", ValueError), ("r", ValueError), ("nowhere/r.npz", FileNotFoundError)])
def test_a_place_that_cannot_be_saved_to_is_one_clear_error(tmp_path, name, kind):
    with pytest.raises(GraphToolsError) as caught:
        result().save(str(tmp_path / name))
    assert isinstance(caught.value, kind) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name, content", [
    ("r.npz", b""), ("r.npz", b"PK\x03\x04 not really"), ("r.json", b"[1, 2]"), ("r.json", b"{"),
    ("r.json", b'{"format": "tf1-ig attribution", "version": 1}'), ("r.pkl", b"x"), ("r.json", b"\xff\xfe")])
def test_a_file_that_is_no_result_is_one_clear_error(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(GraphToolsError) as caught:
        load_attribution(path)
    assert isinstance(caught.value, ValueError) and name in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError):
        load_attribution(tmp_path / "none.npz")


def test_nothing_pickled_is_ever_read(tmp_path):
    path = tmp_path / "r.npz"
    np.savez(str(path), record=np.array([{"format": "tf1-ig attribution"}], dtype=object))
    with pytest.raises(GraphToolsError, match="allow_pickle|pickle"):
        load_attribution(path)


def test_a_result_from_a_newer_release_says_so(tmp_path):
    path = tmp_path / "r.json"
    result().save(path)
    tree = json.loads(path.read_text(encoding="utf-8"))
    tree["version"] = 99
    path.write_text(json.dumps(tree), encoding="utf-8")
    with pytest.raises(GraphToolsError, match="newer tf1-ig"):
        load_attribution(path)


def test_a_frame_holds_every_token_with_its_number():
    pandas = pytest.importorskip("pandas")
    made = result(token_texts=[["a", "b", "c"], ["d", "e"]])
    frame = made.to_frame()
    assert isinstance(frame, pandas.DataFrame) and len(frame) == 6
    assert frame.token.tolist() == ["a", "b", "c", "d", "e", "embedding/lookup[2]"]
    assert frame.position.tolist() == [0, 1, 2] * 2
    np.testing.assert_allclose(frame.groupby("example").attribution.sum(), made.score - made.baseline_score)


def test_a_result_is_loaded_and_shown_where_tensorflow_cannot_be_imported(tmp_path):
    path = str(tmp_path / "r.npz")
    result(token_texts=[["a", "b", "c"], ["d", "e", "f"]]).save(path)
    code = ("import sys; sys.modules['tensorflow'] = None; import tf1_ig; a = tf1_ig.load_attribution(%r); "
            "a.save(%r); print(tf1_ig.check(a).ok, len(a._repr_html_()) > 1000)" % (path, str(tmp_path / "r.html")))
    root = os.path.dirname(os.path.dirname(os.path.abspath(tf1_ig.__file__)))
    done = subprocess.run([sys.executable, "-c", code], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=60, check=False)
    assert done.stdout.decode().strip() == "True True", done.stderr.decode()
