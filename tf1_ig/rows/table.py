"""Columns of a table: numbers with their scaling, categories, raw strings, and what is the same for every row."""

from typing import Any, Dict, Mapping, Sequence, Tuple

import numpy as np

from graph_tools.running import values
from tf1_ig.errors import RowError, SpecError
from tf1_ig.rows import json_text
from tf1_ig.rows.files import Files
from tf1_ig.rows.record import Encoder, cell, shown


def scaled(array: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    """``(array − subtract) / divide``, in float64; numbers, or one for each entry of the last axis."""
    if "subtract" not in options and "divide" not in options:
        return array
    return (np.asarray(array, np.float64) - np.asarray(options.get("subtract", 0.0), np.float64)) / np.asarray(
        options.get("divide", 1.0), np.float64)


def columns_of(options: Mapping[str, Any], files: Files) -> Tuple[str, ...]:
    """The columns that an entry of the spec reads."""
    if "columns" in options:
        return tuple(options["columns"])
    if "column" not in options:
        raise SpecError("%s: 'column' is missing; name the column of the row that goes in here" % files.place())
    return (options["column"],)


def listed(value: Any) -> Any:
    """What a cell holds; a text that is a list in JSON, as CSV files hold them, is that list."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            return json_text.loads(value)
        except ValueError:
            return value
    return value


def as_number(value: Any, column: str, truth: bool = False) -> np.ndarray:
    """A finite number, or an array of such, from a cell; texts as CSV files hold them are read.

    Whole numbers stay whole numbers: large ids lose their last digits as floats. Others are float64.

    Args:
      value: the cell; column: where it is from.
      truth: a truth value is a number too, 0 or 1.

    Raises:
      RowError: it is something else.
    """
    given = listed(value.strip() if isinstance(value, str) else value)
    try:
        array = np.asarray(given, np.float64)
        exact = np.asarray(int(given) if isinstance(given, str) and given.lstrip("+-").isdigit() else given)
    except (TypeError, ValueError, OverflowError):
        raise RowError("%s is not a number" % shown(value), column) from None
    if exact.dtype.kind in "cmM" or not truth and holds_truth(given):
        raise RowError("%s is not a number" % shown(value), column)
    if exact.dtype.kind in "iu":
        return exact
    if not np.all(np.isfinite(array)):
        raise RowError("%s is not finite" % shown(value) if not array.ndim else "%d of %d numbers are not finite" % (
            np.sum(~np.isfinite(array)), array.size), column)
    return array


def holds_truth(value: Any) -> bool:
    """Whether something in nested lists is a truth value, which numpy takes for 0 or 1 beside numbers."""
    if isinstance(value, (list, tuple)):
        return any(map(holds_truth, value))
    return isinstance(value, (bool, np.bool_)) or isinstance(value, np.ndarray) and value.dtype.kind == "b"


def in_dtype(array: np.ndarray, dtype: np.dtype, column: str) -> np.ndarray:
    """The numbers in the dtype of the placeholder.

    Raises:
      RowError: one would become another.
    """
    try:
        return values.in_dtype(array, dtype)
    except ValueError as wrong:
        raise RowError(str(wrong), column) from None


def told(value: Any, dtype: np.dtype, files: Files, place: str) -> np.ndarray:
    """Numbers that stand in the spec itself, in the dtype of the placeholder; a text in UTF-8.

    Raises:
      SpecError: they are none, or one would become another.
    """
    try:
        if isinstance(value, str):
            return np.array([value.encode("utf-8"), None], object)[0:1].reshape(())
        return values.in_dtype(np.asarray(value), dtype)
    except (TypeError, ValueError, OverflowError) as wrong:
        raise SpecError("%s: %.80r is no value of this type (%s)" % (files.place(place), value, wrong)) from wrong


def numbers(options: Mapping[str, Any], files: Files) -> Encoder:
    """Numbers of one column or several, scaled: ``[batch]`` or ``[batch, columns]`` unless the spec gives a shape.

    With ``"sparse"`` those that are not zero, row after row, ``[numbers]``: values of a sparse placeholder. A column
    that a row lacks is zero there.
    """
    if options.get("sparse"):
        return _sparse_numbers(options, files)
    columns, several = columns_of(options, files), "columns" in options
    dtype = np.dtype(options.get("dtype", "float32"))

    def read(row: Any) -> np.ndarray:
        parts = [as_number(cell(row, column), column, dtype.kind == "b") for column in columns]
        if any(part.shape != parts[0].shape for part in parts):
            raise RowError("is of shape %s, and that of %r %s; give arrays of one shape" % (
                list(parts[-1].shape), columns[0], list(parts[0].shape)), columns[-1])
        array = scaled(np.stack(parts, axis=-1) if several else parts[0], options)
        cast = [in_dtype(one, dtype, column) for one, column in zip(
            np.moveaxis(array, -1, 0) if several else [array], columns)]
        return in_shape(np.stack(cast, axis=-1) if several else cast[0], options.get("shape"), columns[0])

    return Encoder("numbers", columns, read, np.stack, names=columns if several else None)


def _sparse_numbers(options: Mapping[str, Any], files: Files) -> Encoder:
    columns, dtype = columns_of(options, files), np.dtype(options.get("dtype", "float32"))

    def read(row: Any) -> np.ndarray:
        given = [as_number(row[column], column) if row.get(column) is not None else np.array(0) for column in columns]
        if not any(column in row for column in columns):
            raise RowError("no column of %s is in the row" % ", ".join(columns), columns[0])
        for column, value in zip(columns, given):
            if np.ndim(value):
                raise RowError("%s is not one number" % shown(row[column]), column)
        array = scaled(np.stack(given), options)
        return np.stack([in_dtype(one, dtype, column) for one, column in zip(array, columns)])

    return Encoder("numbers", columns, read, lambda cells: np.concatenate([cell[cell != 0] for cell in cells]))


def in_shape(array: np.ndarray, shape: Any, column: str) -> np.ndarray:
    """The array in the shape of one row of the placeholder, where the spec gives it.

    Raises:
      RowError: it has another number of entries.
    """
    if shape is None or list(array.shape) == list(shape):
        return array
    if array.size != int(np.prod(shape)):
        raise RowError("is of shape %s; the model takes %s" % (list(array.shape), list(shape)), column)
    return array.reshape(shape)


def category(options: Mapping[str, Any], files: Files) -> Encoder:
    """The place of a value in a list: ids ``[batch]`` (or of the given shape), or one-hot ``[batch, categories]``."""
    column, = columns_of(options, files)
    listed = files.listed(options["categories"], "categories")
    ids: Dict[Any, int] = {}
    for number, one in enumerate(listed):
        ids.setdefault(_key(one), number + options.get("first", 0))
    unknown = options.get("unknown")
    one_hot = options.get("one_hot", False)
    dtype = np.dtype(options.get("dtype", "float32" if one_hot else "int32"))
    if isinstance(unknown, str):
        if unknown not in ids:
            raise SpecError("%s: %r is not among the categories" % (files.place("unknown"), unknown))
        unknown = ids[unknown]

    def number_of(value: Any) -> int:
        if not isinstance(value, (str, bytes, int, float, np.generic)):
            raise RowError("%s is not a category" % shown(value), column)
        found = ids.get(_key(value), unknown)
        if found is None:
            raise RowError("unknown category %r; known are: %s%s" % (
                value, ", ".join(map(str, listed[:8])), ", …" if len(listed) > 8 else ""), column)
        return found

    def read(row: Any) -> np.ndarray:
        value = cell(row, column)
        found = np.array([number_of(one) for one in value] if isinstance(value, (list, tuple, np.ndarray))
                         else number_of(value), np.int64)
        if one_hot:
            found = np.eye(len(listed))[found - options.get("first", 0)]
        return in_dtype(in_shape(found, options.get("shape"), column), dtype, column)

    return Encoder("category", (column,), read, np.stack,
                   names=tuple("%s=%s" % (column, one) for one in listed) if one_hot else None)


def _key(value: Any) -> str:
    """What categories are compared by: a CSV file holds ``"3"`` where a Parquet file holds 3 or 3.0."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        value = int(value)
    return str(value)


def string(options: Mapping[str, Any], files: Files) -> Encoder:
    """A raw string for graphs that cut or look up themselves, in UTF-8: ``[batch]`` or of the given shape."""
    columns = tuple(options["columns"]) if "columns" in options else (options.get("column", "text"),)

    def read(row: Any) -> np.ndarray:
        found = [as_bytes(cell(row, column), column) for column in columns]
        if b"" in found:
            raise RowError("the text is empty", columns[found.index(b"")])
        array = np.array(found + [None], object)[:-1]  # numpy cuts zero bytes off the end of its own strings
        return array.reshape(options.get("shape", () if len(found) == 1 and "columns" not in options else (-1,)))

    def stack(cells: Sequence[np.ndarray]) -> np.ndarray:
        array = np.empty((len(cells),) + cells[0].shape if cells else (0,), object)
        for row, one in enumerate(cells):
            array[row] = one[()] if one.ndim == 0 else one
        return array

    return Encoder("string", columns, read, stack)


def as_bytes(value: Any, column: str) -> bytes:
    """A text, or bytes, as bytes.

    Raises:
      RowError: it is neither, or no valid Unicode.
    """
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise RowError("%s is not a text" % shown(value), column)
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError as wrong:
        raise RowError("the text is not valid Unicode (%s)" % wrong.reason, column) from None


def constant(options: Mapping[str, Any], files: Files) -> Encoder:
    """The same value whatever the row; ``"per_row"`` gives every row its own copy."""
    array = told(options["value"], np.dtype(options.get("dtype", "float32")), files, "value")
    per_row = options.get("per_row", False)

    def stack(cells: Sequence[Any]) -> np.ndarray:
        return np.stack([array] * len(cells)) if per_row else array

    return Encoder("constant", (), lambda row: None, stack)
