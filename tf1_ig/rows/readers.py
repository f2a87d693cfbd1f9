"""Rows from the files that people have: tables, lines, records, pictures, sounds, arrays; one at a time.

A new format is a function ``(path, columns) -> iterator of rows`` and a line in READERS.
"""

import csv
import glob
import gzip
import os
import struct
import zipfile
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence

import numpy as np

from graph_tools import _tf
from graph_tools.errors import FeedError, one_line
from tf1_ig.errors import UNREADABLE, RowError, package
from tf1_ig.rows import json_text, object_arrays
from tf1_ig.rows.record import Row


class Columns(NamedTuple):
    """The column that a file without columns of its own fills: one text a line, one picture, one sound a file."""

    text: str = "text"
    image: str = "image"
    signal: str = "signal"


def columns_of(spec: Any) -> Columns:
    """The columns of a spec that texts, pictures and sounds go into."""
    found: Dict[str, str] = {}
    for one in spec.placeholders.values():
        kind = "text" if one.kind == "string" else one.kind
        if kind in Columns._fields and one.columns:
            found.setdefault(kind, one.columns[0])
    if "image" in found:
        found.setdefault("signal", found["image"])  # an array file
    return Columns(**found)


def read(paths: Any, columns: Columns) -> Iterator[Row]:
    """The rows of files, in order; a file's rows as they stand in it, files of a pattern or a folder by name.

    Args:
      paths: a path, a pattern such as ``"pictures/*.png"``, a folder, or several of them. The end of a name says what
        it is (``READERS``), with ``.gz`` behind it too where it is of lines or records.
      columns: what a file without columns of its own fills.

    Raises:
      FeedError: there is no such file, or it is not what its name says.
      MissingPackageError: Parquet files need pyarrow.
    """
    for path in files(paths):
        for row in _reader(path)(path, columns):
            yield _beside(row, path, columns) if isinstance(row, dict) else row


def _beside(row: Any, path: str, columns: Columns) -> Any:
    """The row with the pictures and sounds that it names found beside the file that it stands in."""
    for column in {columns.image, columns.signal}:
        named = row.get(column)
        if isinstance(named, str) and not os.path.exists(named):
            beside = os.path.join(os.path.dirname(path), named)
            if os.path.isfile(beside):
                row[column] = beside
    return row


def files(paths: Any) -> List[str]:
    """The files that paths, patterns and folders name; those of a pattern or a folder by name.

    Raises:
      FeedError: a path names nothing.
    """
    found: List[str] = []
    for path in [paths] if isinstance(paths, (str, bytes, os.PathLike)) else paths:
        path = os.fsdecode(path)
        if os.path.isdir(path):
            inside = sorted(os.path.join(path, name) for name in os.listdir(path) if _suffix(name) in READERS)
            if not inside:
                raise FeedError("no file of rows in the folder %r; names end in %s" % (path, ", ".join(READERS)))
            found += inside
        elif os.path.exists(path):
            found.append(path)
        else:
            matching = sorted(glob.glob(path))
            if not matching:
                raise FeedError("no file %r; check the path" % path)
            found += matching
    return found


def _suffix(path: str) -> str:
    name = path.lower()
    return os.path.splitext(name[:-3] if name.endswith(".gz") else name)[1]


def _reader(path: str) -> Callable[[str, Columns], Iterator[Row]]:
    suffix = _suffix(path)
    if suffix not in READERS or path.lower().endswith(".gz") and suffix in _WHOLE:
        raise FeedError("%r is no file of rows; its name must end in %s" % (path, ", ".join(READERS)))
    return READERS[suffix]


def parse_row(text: str) -> Row:
    """A row written as a JSON object.

    Raises:
      FeedError: it is something else.
    """
    try:
        row = json_text.loads(text)
    except ValueError as wrong:
        raise FeedError("the row %r is not JSON (%s); write {\"column\": value, …}" % (text, wrong)) from None
    if not isinstance(row, dict):
        raise FeedError("the row %r is not a JSON object; write {\"column\": value, …}" % text)
    return row


# -- the formats -----------------------------------------------------------------------------------------------------

def _open_text(path: str) -> Any:
    try:
        if path.lower().endswith(".gz"):
            return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
        return open(path, encoding="utf-8-sig", newline="")
    except OSError as wrong:
        raise FeedError("%r cannot be read (%s)" % (path, wrong.strerror or wrong)) from wrong


def _lines(path: str) -> Iterator[str]:
    """Lines without their ends; a line ends where a text file's does, not at every separator of Unicode."""
    with _open_text(path) as file:
        try:
            for line in file:
                yield line[:-1].rstrip("\r") if line.endswith("\n") else line
        except (OSError, UnicodeDecodeError, EOFError) as wrong:
            raise FeedError("%r cannot be read on (%s); it holds UTF-8" % (path, wrong)) from wrong


def _texts(path: str, columns: Columns) -> Iterator[Row]:
    for line in _lines(path):
        yield {columns.text: line}


def _separated(delimiter: str) -> Callable[[str, Columns], Iterator[Row]]:
    def rows(path: str, columns: Columns) -> Iterator[Row]:
        with _open_text(path) as file:
            held: List[str] = []  # the lines of the row that is read
            table = csv.reader(_noted(file, held), delimiter=delimiter)
            try:
                head = next(table, [])
                twice = sorted({name for name in head if name and head.count(name) > 1})
                if twice:
                    raise FeedError("%r has the column %r twice in its first line; give each a name of its own" % (
                        path, twice[0]))
                held.clear()
                for cells in table:
                    if _never_closed(held, delimiter):
                        raise csv.Error("a quote is never closed, and the rest of the file would be one cell")
                    held.clear()
                    if any(cells[len(head):]):
                        yield Unreadable("line %d has %d cells and the first line %d; a text that holds %r stands in "
                                         "quotes" % (table.line_num, len(cells), len(head), delimiter))
                    elif cells:
                        # An empty cell holds nothing; one that the line lacks is a column that is missing.
                        yield {name: cell if cell != "" else None for name, cell in zip(head, cells)}
            except (csv.Error, OSError, UnicodeDecodeError, EOFError) as wrong:
                raise FeedError("%r cannot be read on in line %d (%s); it holds cells in UTF-8" % (
                    path, table.line_num + 1, wrong)) from wrong
    return rows


def _noted(lines: Iterable[str], held: List[str]) -> Iterator[str]:
    for line in lines:
        held.append(line)
        yield line


def _never_closed(held: List[str], delimiter: str) -> bool:
    """Whether the lines of a row end within quotes, as only the last of a file can; the reader takes them for whole."""
    if "".join(held).count('"') % 2 == 0:
        return False
    try:
        return not list(csv.reader(held, delimiter=delimiter, strict=True))
    except csv.Error as wrong:
        return "end of data" in str(wrong)


def _json_lines(path: str, columns: Columns) -> Iterator[Any]:
    for line in _lines(path):
        if line.strip():
            try:
                yield json_text.loads(line)
            except ValueError as wrong:
                yield Unreadable("the line is not JSON (%s)" % wrong)


def _json(path: str, columns: Columns) -> Iterator[Any]:
    try:
        tree = json_text.loads("\n".join(_lines(path)))
    except ValueError as wrong:
        raise FeedError("%r is not JSON (%s); write a list of objects" % (path, wrong)) from wrong
    if isinstance(tree, dict):
        tree = [tree]
    if not isinstance(tree, list):
        raise FeedError("%r holds a JSON %s; write a list of objects, one a row" % (path, type(tree).__name__))
    yield from tree


def _parquet(path: str, columns: Columns) -> Iterator[Row]:
    parquet = package("pyarrow.parquet", "to read Parquet files", "'tf1-ig[parquet]'")
    try:
        with open(path, "rb") as file:
            for batch in parquet.ParquetFile(file).iter_batches(batch_size=1024):
                yield from batch.to_pylist()
    # pyarrow's errors derive from ValueError, OSError and others.
    except Exception as wrong:  # noqa: B902
        raise FeedError("%r cannot be read (%s)" % (path, one_line(wrong))) from wrong


def _records(path: str, columns: Columns) -> Iterator[Any]:
    """Records of serialized ``tf.Example``s: length, its checksum, data, its checksum."""
    opened = gzip.open if path.lower().endswith(".gz") else open
    try:
        with opened(path, "rb") as file:
            while True:
                head = file.read(12)
                if not head:
                    return
                data = file.read(struct.unpack("<Q", head[:8])[0]) if len(head) == 12 else b""
                if len(head) < 12 or len(file.read(4)) < 4:
                    raise FeedError("%r ends within a record; it is cut off" % path)
                yield example_row(data)
    except (OSError, EOFError, OverflowError, MemoryError) as wrong:
        raise FeedError("%r cannot be read as TFRecords (%s); it may be of another format, or damaged" % (
            path, str(wrong) or "a record longer than memory")) from wrong


def example_row(data: bytes) -> Any:
    """The features of a serialized ``tf.Example`` as a row: one value, or a list; bytes that are UTF-8 as text."""
    try:
        example = _tf.tf.train.Example.FromString(data)
    except _tf.DecodeError:
        return Unreadable("the record is no tf.Example")
    row = {}
    for name, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        values = [] if kind is None else list(getattr(feature, kind).value)
        if kind == "bytes_list":
            values = [_decoded(value) for value in values]
        if values:
            row[name] = values[0] if len(values) == 1 else values
    return row


def _decoded(value: bytes) -> Any:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value


def _arrays(path: str, columns: Columns) -> Iterator[Row]:
    try:
        if not zipfile.is_zipfile(path):
            raise ValueError("it is no zip archive, as .npz files are")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: object_arrays.member(path, file, name) for name in file.files}
    except FeedError:
        raise
    except UNREADABLE as wrong:
        raise FeedError("%r cannot be read (%s)" % (path, one_line(wrong))) from wrong
    counts = {name: len(array) if array.ndim else -1 for name, array in arrays.items()}
    if len(set(counts.values())) > 1 or -1 in counts.values():
        raise FeedError("the arrays of %r are not of one length: %s; each holds a column, a row an entry" % (
            path, ", ".join("%s %s" % (name, "is a single value" if count < 0 else count)
                            for name, count in counts.items())))
    for row in range(next(iter(counts.values()), 0)):
        yield {name: array[row:row + 1].tolist()[0] if array.ndim == 1 else array[row]
               for name, array in arrays.items()}


def _file_itself(column: str) -> Callable[[str, Columns], Iterator[Row]]:
    return lambda path, columns: iter([{getattr(columns, column): path}])


class Unreadable(dict):
    """Stands for a row that could not be read: it has no columns, and knows why."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


def refuse_unreadable(row: Mapping[str, Any]) -> None:
    """Raises what is wrong with a row that stands for one that could not be read."""
    if isinstance(row, Unreadable):
        raise RowError(row.reason)


READERS: Dict[str, Callable[[str, Columns], Iterator[Any]]] = {
    ".csv": _separated(","), ".tsv": _separated("\t"), ".jsonl": _json_lines, ".ndjson": _json_lines, ".json": _json,
    ".parquet": _parquet, ".tfrecord": _records, ".tfrecords": _records, ".txt": _texts, ".npz": _arrays,
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp"), _file_itself("image")),
    **dict.fromkeys((".wav", ".npy"), _file_itself("signal")),
}
_WHOLE = (".parquet", ".npz", ".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".wav", ".npy")


def taken(rows: Iterator[Row], most: Optional[int]) -> Sequence[Row]:
    """So many rows of the beginning; ``None`` takes all."""
    found: List[Row] = []
    for row in rows:
        if most is not None and len(found) >= most:
            break
        found.append(row)
    return found
