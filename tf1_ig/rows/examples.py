"""Serialized ``tf.Example`` protos made from the columns of a row, for graphs that parse their own input."""

from typing import Any, Mapping, Sequence

import numpy as np

from graph_tools import _tf
from graph_tools.graph.names import nearest
from tf1_ig.errors import RowError
from tf1_ig.rows.files import Files
from tf1_ig.rows.record import Encoder, cell
from tf1_ig.rows.table import as_bytes, as_number, in_dtype, scaled


def example(options: Mapping[str, Any], files: Files) -> Encoder:
    """One proto a row, ``[batch]`` strings, with a feature for each entry of ``"features"``."""
    features = dict(options["features"])
    columns = tuple(dict.fromkeys(one.get("column", name) for name, one in features.items()))
    shape = tuple(options.get("shape", ()))

    def read(row: Any) -> np.ndarray:
        tf = _tf.tf
        made = tf.train.Example()
        for name, one in features.items():
            column = one.get("column", name)
            if one.get("optional", False) and (row.get(column) is None or row[column] != row[column]):
                _refuse_misspelt(row, column, columns)
                continue
            _KINDS[one["type"]](made.features.feature[name], cell(row, column), one, column)
        # A proto's map has no order of its own; equal rows are to be equal bytes.
        return np.array([made.SerializeToString(deterministic=True), None], object)[:1].reshape(shape)

    def stack(cells: Any) -> np.ndarray:
        array = np.empty((len(cells),) + shape, object)
        for row, one in enumerate(cells):
            array[row] = one[()] if one.ndim == 0 else one
        return array

    return Encoder("example", columns, read, stack)


def _refuse_misspelt(row: Any, column: str, read: Sequence[str]) -> None:
    """An optional column may be missing, but not where the row has one of almost its name that nobody reads."""
    others = [name for name in row if isinstance(name, str) and name not in read]
    near = [] if column in row else nearest(column, others)
    if near:
        raise RowError("the column is missing, and %r is in no feature; did you mean it? (If not, give %r as null.)" % (
            near[0], column), column)


def _floats(feature: Any, value: Any, options: Mapping[str, Any], column: str) -> None:
    feature.float_list.value.extend(in_dtype(np.ravel(scaled(as_number(value, column), options)), np.dtype(
        np.float32), column).tolist())


def _integers(feature: Any, value: Any, options: Mapping[str, Any], column: str) -> None:
    found = np.ravel(as_number(value, column, truth=True))
    feature.int64_list.value.extend(in_dtype(found, np.dtype(np.int64), column).tolist())


def _bytes(feature: Any, value: Any, options: Mapping[str, Any], column: str) -> None:
    if isinstance(value, (str, bytes)) and not value:
        raise RowError("the text is empty", column)
    parts = value if isinstance(value, (list, tuple, np.ndarray)) else [value]
    if options.get("split", False):
        parts = [word for part in parts for word in as_bytes(part, column).split()]
    feature.bytes_list.value.extend(as_bytes(one, column) for one in parts)


_KINDS = {"float": _floats, "int64": _integers, "bytes": _bytes}
