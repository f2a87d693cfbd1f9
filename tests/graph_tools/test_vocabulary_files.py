"""A vocabulary file that is not there: said at load, told at once by a run, and another can be put in its place."""

import os

import pytest

import graph_tools as gt
from graph_tools import _tf, vocabulary
from graph_tools.errors import ModelFileMissingError, ModelFormatError, StateError

WORDS = ("the", "film", "good")


@pytest.fixture
def written(tmp_path):
    """A ``.meta`` without variables that looks words up in a file, the file, and the path it had."""
    tf = _tf.tf
    there = tmp_path / "words.txt"
    there.write_text("\n".join(WORDS) + "\n")
    graph = tf.Graph()
    with graph.as_default():
        table = tf.lookup.StaticHashTable(tf.lookup.TextFileInitializer(
            str(there), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER), -1)
        tf.identity(table.lookup(tf.placeholder(tf.string, [None], "words")), name="ids")
        tf.add(tf.placeholder(tf.float32, [None], "x"), 1.0, name="y")
        tf.train.export_meta_graph(str(tmp_path / "model.meta"))
    elsewhere = str(tmp_path / "elsewhere.txt")
    os.rename(str(there), elsewhere)
    return str(tmp_path / "model.meta"), elsewhere, str(there)


def _ids(model):
    with model.open_session() as session:
        return session.run("ids:0", {"words:0": ["good", "unknown", "the"]}).tolist()


def test_it_is_said_at_load_and_told_before_a_run(written):
    model = gt.load(written[0])
    assert any("words.txt" in warning for warning in model.warnings)
    with pytest.raises(StateError, match="lookup table .*assets="):
        model.require(["ids"])
    model.require(["y"])
    model.require(["ids"], ["ids"])


def test_another_file_takes_its_place_by_name_or_path(written):
    path, elsewhere, was = written
    for name in ("words.txt", was):
        model = gt.load(path, assets={name: elsewhere})
        assert not model.warnings and _ids(model) == [2, -1, 0]
        model.require(["ids"])


def test_a_file_that_is_there_needs_nothing(written):
    path, elsewhere, was = written
    os.rename(elsewhere, was)
    model = gt.load(path)
    assert not model.warnings and _ids(model) == [2, -1, 0]


def test_names_and_paths_that_are_wrong_are_told(written):
    path, elsewhere, _ = written
    with pytest.raises(ModelFormatError, match="'word.txt'; it reads 'words.txt'"):
        gt.load(path, assets={"word.txt": elsewhere})
    with pytest.raises(ModelFileMissingError, match="nowhere"):
        gt.load(path, assets={"words.txt": "nowhere"})


@pytest.mark.parametrize("number, fine", [(b"7", True), (b"9" * 30, False), (b"nan", False)])
def test_a_number_that_no_table_can_hold_is_one_line(tmp_path, number, fine):
    (tmp_path / "words.txt").write_bytes(b"a\t" + number + b"\n")
    node = _tf.tf.NodeDef(name="fill", op="InitializeTableFromTextFileV2")
    node.attr["key_index"].i, node.attr["value_index"].i = 0, 1
    if fine:
        keys, values = vocabulary.read(node, str(tmp_path / "words.txt"), _tf.tf.string, _tf.tf.int64)
        assert (keys.tolist(), values.tolist()) == ([b"a"], [7])
    else:
        with pytest.raises(ModelFormatError, match="does not fit table 'fill'"):
            vocabulary.read(node, str(tmp_path / "words.txt"), _tf.tf.string, _tf.tf.int64)
