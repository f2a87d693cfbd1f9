"""Files of feeds, rows and names as people write them: what is damaged, or says two things, is told in one line."""

import struct
import zipfile

import numpy as np
import pytest

import tf1_ig
from graph_tools.errors import FeedError
from tf1_ig.commands import feed_file
from tf1_ig.errors import BaselineError, ResultFileError, RowError, SpecError
from tf1_ig.rows import pictures, readers, table
from tf1_ig.rows.spec import load_spec


def _damaged(path, offset, value):
    """An archive with a byte of its directory changed: 8 is the flags (1: encrypted), 10 the way it is packed."""
    np.savez(path, ids=np.arange(4), lengths=np.arange(4))
    data = bytearray(open(path, "rb").read())
    data[data.index(b"PK\x01\x02") + offset] = value
    with open(path, "wb") as file:
        file.write(data)
    return path


@pytest.mark.parametrize("offset, value, said", [(8, 1, "encrypted"), (10, 99, "compression")])
def test_archives_that_zipfile_refuses_by_a_runtime_error(tmp_path, offset, value, said):
    path = _damaged(str(tmp_path / "feed.npz"), offset, value)
    with pytest.raises(FeedError, match="cannot be read .*%s" % said):
        feed_file.read_feed(path)
    with pytest.raises(FeedError, match="cannot be read .*%s" % said):
        list(readers._arrays(path, None))


def test_a_whole_archive_is_read(tmp_path):
    path = str(tmp_path / "feed.npz")
    np.savez(path, ids=np.arange(4))
    assert feed_file.read_feed(path)["ids"].tolist() == [0, 1, 2, 3]


COLUMNS = readers.Columns()


def _file(path, text):
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_line_with_more_cells_than_columns_is_no_row(tmp_path):
    """A text with a comma and without quotes was cut off at it in silence."""
    path = _file(tmp_path / "rows.csv", "text,age\r\ngood, a film,3\r\n\"dull, long\",4\r\nfine,5,\r\n")
    first, *others = readers.read(path, COLUMNS)
    with pytest.raises(RowError, match="line 2 has 3 cells and the first line 2; a text that holds ',' stands in "):
        readers.refuse_unreadable(first)
    assert others == [{"text": "dull, long", "age": "4"}, {"text": "fine", "age": "5"}]


def test_a_column_or_a_key_that_stands_twice_is_refused(tmp_path):
    path = _file(tmp_path / "rows.csv", "text,age,text\na,1,b\n")
    with pytest.raises(FeedError, match="has the column 'text' twice in its first line"):
        list(readers.read(path, COLUMNS))
    assert len(list(readers.read(_file(tmp_path / "b.csv", "text,,\na,,\n"), COLUMNS))) == 1  # columns without a name
    twice = '{"x:0": [1], "x:0": [2]}'
    with pytest.raises(FeedError, match="the key 'x:0' stands twice"):
        feed_file.read_feed(_file(tmp_path / "feed.json", twice))
    with pytest.raises(FeedError, match="the key 'x:0' stands twice"):
        readers.parse_row(twice)
    first, second = readers.read(_file(tmp_path / "rows.jsonl", twice + '\n{"x": {"a": 1, "b": 1}}\n'), COLUMNS)
    assert "the key 'x:0' stands twice" in first.reason and second == {"x": {"a": 1, "b": 1}}
    one = '{"kind": "constant", "value": 1}'
    for feed in ('"x:0": %s, "x:0": %s' % (one, one), '"x": %s, "x:0": %s' % (one, one)):
        with pytest.raises(SpecError, match="x:0'? stands (there )?twice"):
            load_spec(_file(tmp_path / "spec.json", '{"version": 1, "model": {"path": "m.pb"}, "output": "y:0", '
                                                    '"feed": {%s}}' % feed))


def test_a_line_that_is_nested_without_end_is_no_row(tmp_path):
    deep = "[" * 100000
    path = _file(tmp_path / "rows.jsonl", '{"text": "a"}\n%s\n{"text": "b"}\n' % deep)
    first, bad, last = readers.read(path, COLUMNS)
    assert (first, last) == ({"text": "a"}, {"text": "b"}) and "nested too deeply" in bad.reason
    with pytest.raises(FeedError, match="nested too deeply"):
        readers.parse_row(deep)
    with pytest.raises(FeedError, match="nested too deeply"):
        list(readers.read(_file(tmp_path / "rows.json", deep), COLUMNS))
    with pytest.raises(SpecError, match="nested too deeply"):
        load_spec(_file(tmp_path / "spec.json", deep))
    with pytest.raises(RowError, match="is not a number"):
        table.as_number(deep, "c")


def test_a_byte_order_mark_is_no_part_of_a_name_or_a_feed(tmp_path):
    assert feed_file.read_lines(_file(tmp_path / "classes.txt", "\ufeffgood\r\nbad\r\n")) == ["good", "bad"]
    assert feed_file.read_feed(_file(tmp_path / "feed.json", "\ufeff{\"x:0\": [1]}"))["x:0"].tolist() == [1]
    assert feed_file.read_tokens(_file(tmp_path / "tokens.json", "\ufeff[[\"a\"]]")) == [["a"]]


@pytest.mark.parametrize("inside", [b"\x1a", b"(" * 300, b"'", b"\xff", b"0o9", b"\\"])
def test_a_header_that_python_cannot_read_is_one_error(tmp_path, inside):
    """numpy reads the header of an array as Python spells it, and lets pass what Python says of one that it is not."""
    header = b"{'descr': '<f8', 'shape': (1L,), %s }" % inside
    data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(8)
    with zipfile.ZipFile(str(tmp_path / "a.npz"), "w") as archive:
        archive.writestr("record.npy", data)
    (tmp_path / "a.npy").write_bytes(data)
    arrays, one = str(tmp_path / "a.npz"), str(tmp_path / "a.npy")
    for wanted, read in (
            (FeedError, lambda: feed_file.read_feed(arrays)), (FeedError, lambda: feed_file.read_array(one)),
            (BaselineError, lambda: feed_file.parse_baseline(arrays)),
            (BaselineError, lambda: feed_file.parse_baseline(one)),
            (FeedError, lambda: list(readers.read(arrays, readers.Columns()))),
            (RowError, lambda: pictures._array_file(one, "c")),
            (ResultFileError, lambda: tf1_ig.load_attribution(arrays))):
        with pytest.raises(wanted) as wrong:
            read()
        assert "\n" not in str(wrong.value)


@pytest.mark.parametrize("value, said", [
    ("[[1, 2], [3]]", "its rows are of unequal length; pad them"), ("[1, null]", "it holds null"),
    ("[1, {}]", "it holds an object"), ("[1, \"2\"]", "it holds values of the kinds int, str"),
    ("[1, true]", "it holds values of the kinds bool, int"),
    ("[1, 1%s]" % ("0" * 20), "10{20} is more than 64 bits hold")])
def test_what_is_no_array_of_one_kind_is_told_by_what_it_holds(tmp_path, value, said):
    path = _file(tmp_path / "feed.json", '{"x:0": %s}' % value)
    with pytest.raises(FeedError, match="'x:0' is not a regular array .* \\(%s" % said):
        feed_file.read_feed(path)


def test_what_is_an_array_of_one_kind_is_read(tmp_path):
    path = _file(tmp_path / "feed.json", '{"a": [1, 2.5], "b": [true, false], "c": ["x"], "d": 3, "e": true, "f": []}')
    assert {name: array.dtype.kind for name, array in feed_file.read_feed(path).items()} == {
        "a": "f", "b": "b", "c": "O", "d": "i", "e": "b", "f": "f"}


def test_a_quote_that_is_never_closed_does_not_swallow_the_file(tmp_path):
    path = _file(tmp_path / "rows.csv", 'text,age\n5" pipe,1\n"a ""b"" c",2\n"dull,3\nfine,4\n')
    found = readers.read(path, COLUMNS)
    assert [next(found), next(found)] == [{"text": '5" pipe', "age": "1"}, {"text": 'a "b" c', "age": "2"}]
    with pytest.raises(FeedError, match="a quote is never closed"):
        next(found)
    whole = _file(tmp_path / "whole.csv", 'text\n"one\ntwo"\n5"')
    assert [row["text"] for row in readers.read(whole, COLUMNS)] == ["one\ntwo", '5"']


def test_strings_in_an_array_of_objects_are_rows_and_a_single_value_is_told(tmp_path):
    path = str(tmp_path / "rows.npz")
    np.savez(path, text=np.array(["good", b"\xff"], object))
    assert [row["text"] for row in readers.read(path, COLUMNS)] == ["good", b"\xff"]
    np.savez(path, text=np.array(["good", {"a": 1}], object))
    with pytest.raises(FeedError, match="the array 'text' holds something other than strings"):
        list(readers.read(path, COLUMNS))
    np.savez(path, text=np.array(["a"]), age=3)
    with pytest.raises(FeedError, match="text 1, age is a single value"):
        list(readers.read(path, COLUMNS))
