"""A saved result that somebody has changed is a result or one error of ours; what loads can be shown and checked."""

import dataclasses
import io
import json
import zipfile

import numpy as np
import pytest

import tf1_ig
from graph_tools.errors import GraphToolsError
from graph_tools.report import Finding
from tests.tf1_ig.results import result
from tf1_ig.errors import ResultFileError
from tf1_ig.result import storage
from tf1_ig.result.features import Feature
from tf1_ig.show import terminal

WRONG = [None, True, -1, 0, 3, 1.5, 1e308, "x", "", "NaN", [], {}, [[]], [None], ["a", 1], {"a": 1}, [1, 2, 3, 4],
         [[1.0, 2.0], [3.0]], "\udcff", "float32", "O", "U1000000000", 10 ** 30]


def _whole():
    one = result(token_texts=[["a", "b", "c"], ["d", "e", "f"]],
                 notes=("One.",), held_fixed=("lengths:0",), coupled=True, running="in company",
                 outputs=np.array([[0.1, 0.9], [0.4, 0.6]]), prediction=np.array([1, 1]),
                 baseline_output=np.full((2, 2), 0.5), output_kind="softmax", error_estimate=np.full(2, 1e-9),
                 path=[(np.array([0.0, 0.5, 1.0]), np.array([0.1, 0.2, 0.3]))] * 2, path_errors=[np.zeros(2)] * 2,
                 raw_texts={"embedding/lookup:0": ["a b c", "d e f"]},
                 spans={"embedding/lookup:0": [[(0, 1), (2, 3), None]] * 2},
                 ids={"embedding/lookup:0": np.arange(6).reshape(2, 3)},
                 strings={"embedding/lookup:0": [["a", "b", "c"], ["d", "e", "f"]]},
                 features=[[Feature("word", "word", "a", 0.5, "embedding/lookup:0")], []],
                 graph_findings=(Finding("side paths", "warn", "Size", "Look."),), baseline_feed_score=np.full(2, 0.2),
                 replaced=(("lengths:0", "queue:1"),))
    spread = {name: np.abs(value) for name, value in one.values.items()}
    return dataclasses.replace(one, standard_error=spread, actual=one.values,
                               token_standard_error={name: value.sum(-1) for name, value in spread.items()})


def _places(tree, at=()):
    """Every place in nested lists and objects (of long lists the first and the last)."""
    yield at
    if isinstance(tree, dict):
        for key in list(tree):
            yield from _places(tree[key], at + (key,))
    elif isinstance(tree, list):
        for number in sorted({0, len(tree) - 1} if tree else ()):
            yield from _places(tree[number], at + (number,))


def _changed(tree, at, value):
    """A copy with another value at one place, or (``...``) without it."""
    if not at:
        return value
    copied = dict(tree) if isinstance(tree, dict) else list(tree)
    if value is ... and len(at) == 1:
        del copied[at[0]]
    else:
        copied[at[0]] = _changed(tree[at[0]], at[1:], value)
    return copied


def _use(path):
    """Loads and does all that is done with results; only errors of ours may come out."""
    try:
        one = tf1_ig.load_attribution(path)
    except ResultFileError as wrong:
        assert "\n" not in str(wrong) and path.name in str(wrong)
        return False
    try:
        report = tf1_ig.check(one)
        for text in (str(one), terminal.summary(one, report), one.to_html(), one[:1].to_html(), str(report)):
            assert text
        one.save(path)
    except GraphToolsError:
        pass
    return True


def test_the_whole_result_is_one(tmp_path):
    for suffix in (".json", ".npz"):
        path = tmp_path / ("r" + suffix)
        _whole().save(path)
        assert _use(path) and tf1_ig.load_attribution(path).replaced == (("lengths:0", "queue:1"),)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("part", range(8))
def test_a_changed_json_file_is_a_result_or_one_error(tmp_path, part):
    path = tmp_path / "r.json"
    _whole().save(path)
    tree = json.loads(path.read_text(encoding="utf-8"))
    random = np.random.RandomState(part)
    trials = [(at, value) for at in _places(tree) if at for value in WRONG + [...]]
    refused = 0
    for number in random.permutation(len(trials))[:150]:
        path.write_text(json.dumps(_changed(tree, *trials[number])), encoding="utf-8")
        refused += not _use(path)
    assert 75 < refused <= 150


def _npz(members, path):
    with zipfile.ZipFile(str(path), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def _npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("part", range(2))
def test_a_changed_archive_is_a_result_or_one_error(tmp_path, part):
    path = tmp_path / "r.npz"
    _whole().save(path)
    with zipfile.ZipFile(str(path)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    random, wrong = np.random.RandomState(part), [
        np.zeros((2, 3, 2), np.complex64), np.array("text"), np.zeros(0), np.zeros((3, 3)), np.ones(2, bool),
        np.zeros((2, 0)), np.full(2, np.nan), np.array(3.0), np.array([2 ** 62] * 2), np.zeros((2, 4, 2))]
    trials = [(name, data) for name in members for data in [_npy(array) for array in wrong] + [
        members[name][:40], members[name][:-3], b"", b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'shape': (9" + b"9" * 30]]
    record = json.loads(np.load(str(path))["record"].tobytes().decode("utf-8"))
    trials += [("record.npy", _npy(np.frombuffer(json.dumps(_changed(record, at, value)).encode("utf-8"), np.uint8)))
               for at in _places(record) if at for value in WRONG + [...]]
    for number in random.permutation(len(trials))[:150]:
        name, data = trials[number]
        _npz(dict(members, **{name: data}), path)
        _use(path)
    whole = path.read_bytes()
    for _ in range(60):  # flipped bits and torn ends
        data = bytearray(whole)
        data[random.randint(len(data))] ^= 1 << random.randint(8)
        path.write_bytes(bytes(data[:random.choice([len(data), random.randint(len(data))])]))
        _use(path)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "r.npz"
    _whole().save(path)
    with zipfile.ZipFile(str(path)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = members["values/0.npy"].replace(b"(2, 3, 2)", b"(2, 3, %d)" % (2 ** 24))
    _npz(dict(members, **{"values/0.npy": header[:128] + bytes(6 * 8 * 2 ** 24)}), path)
    assert path.stat().st_size < 2 ** 21
    with pytest.raises(ResultFileError, match="unpacks to 8.*max_bytes=8"):
        tf1_ig.load_attribution(path)


@pytest.mark.parametrize("text", ["[" * 100000, '{"format": ' + "[" * 100000, '{"a": ' * 5000 + "1" + "}" * 5000])
def test_a_file_nested_without_end_is_one_error(tmp_path, text):
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(ResultFileError, match="r.json"):
        tf1_ig.load_attribution(tmp_path / "r.json")


def test_a_file_of_many_inputs_is_read_in_one_go():
    """Arrays are looked for by name: a file of ten thousand inputs would take an hour otherwise."""
    class Counted(dict):
        walks = 0

        def __iter__(self):
            Counted.walks += 1
            return super().__iter__()

    arrays, record = storage._flatten(result())
    walks = []
    for count in (1, 200):
        more = {"values/%d" % number: arrays["values/0"] for number in range(count)}
        inputs = [dict(record["inputs"][0], tensor="t%d:0" % number) for number in range(count)]
        Counted.walks = 0
        fields = storage._unflatten(Counted(arrays, **more), dict(record, inputs=inputs))
        assert len(fields["values"]) == count
        walks.append(Counted.walks)
    assert walks[0] == walks[1]
