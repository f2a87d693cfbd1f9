"""Results on disk: ``.npz`` (exact) and strict ``.json`` (readable by anything), both without pickle.

Both files hold the same tree: arrays by a path such as ``values/0`` or ``values/0/3`` (row 3 of a ragged input), and
one record of everything that is not an array.
"""

import collections
import json
import os
import zipfile
from typing import Any, Dict, List, Optional, Sequence

import numpy as np

from graph_tools import whole_files
from graph_tools.errors import one_line
from graph_tools.report import Finding
from graph_tools.running.values import as_text
from tf1_ig.errors import UNREADABLE, ResultFileError, ResultFileMissingError
from tf1_ig.result import measured, wellformed
from tf1_ig.result.claims import COMPLETENESS
from tf1_ig.result.features import Feature

FORMAT = "tf1-ig attribution"
# A file may unpack to so many bytes, or to so many times its own size: a few megabytes must not fill the memory.
MOST_BYTES, MOST_TIMES = 1 << 29, 8
VERSION = 1

_ARRAYS = ("score", "baseline_score", "delta", "label", "steps", "evaluations", "converged", "prediction", "outputs",
           "baseline_output", "error_estimate", "baseline_feed_score", "rows", "positions")
_PLAIN = ("output", "method", "tolerance", "baseline", "token_texts", "running", "coupled", "held_fixed", "notes",
          "output_kind", "logits", "strings", "features", "called", "replaced", "raw_texts", "spans", "not_finite_at",
          "fed_not_finite", "graph_findings", "technique", "completeness", "weights", "measures")
# Arrays, or lists of arrays, by the name of the input tensor; only the values are always there.
_BY_INPUT = ("values", "ids", "actual", "standard_error", "token_standard_error")
_RECORD = "record"  # name of the .npz entry that holds the record as UTF-8 JSON


def save(attribution: Any, path: Any, **shown: Any) -> None:
    """Writes an ``Attribution`` to ``path`` as its suffix says; a file that is there is replaced as a whole or not.

    Args:
      attribution: the result.
      path: a file whose suffix is in ``WRITERS``.
      **shown: what a page shows (the options of ``Attribution.to_html``); files of numbers do not need it.
    """
    write = WRITERS[check_path(path)]
    with whole_files.writing(path) as file:
        write(attribution, file, **shown)


def _write_npz(attribution: Any, file: Any, **_: Any) -> None:
    arrays, record = _flatten(attribution)
    text = np.frombuffer(json.dumps(record).encode("utf-8"), np.uint8)
    np.savez_compressed(file, **dict(arrays, **{_RECORD: text}))


def _write_json(attribution: Any, file: Any, **_: Any) -> None:
    tree = _to_json(attribution, *_flatten(attribution))
    try:
        text = json.dumps(tree, allow_nan=False, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:  # what is no UTF-8 in a raw text is a lone surrogate, which JSON can only hold escaped
        text = json.dumps(tree, allow_nan=False).encode("ascii")
    file.write(text)


def _write_html(attribution: Any, file: Any, **shown: Any) -> None:
    file.write(attribution.to_html(**shown).encode("utf-8", "replace"))


def _write_picture(kind: str) -> Any:
    """Writes the first example as a picture."""
    def write(attribution: Any, file: Any, class_names: Optional[Sequence[str]] = None, **_: Any) -> None:
        attribution.to_figure(class_names=class_names).savefig(file, format=kind, dpi=200)
    return write


# By suffix: what writes a result to an open binary file. The command line and its help go by this table.
WRITERS = {
    ".npz": _write_npz,
    ".json": _write_json,
    ".html": _write_html,
    ".png": _write_picture("png"),
    ".svg": _write_picture("svg"),
    ".pdf": _write_picture("pdf"),
}


def check_path(path: Any, suffixes: Any = None) -> str:
    """The suffix of a path that can be saved to (``None``: any in ``WRITERS``); said before the work is done."""
    suffixes = suffixes or tuple(WRITERS)
    path = os.fspath(path)
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in suffixes:
        raise ResultFileError("a result cannot be saved as %r; end the name in %s" % (path, " or ".join(suffixes)))
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise ResultFileMissingError("no folder %r to save the result in; create it first" % folder)
    if os.path.isdir(path):
        raise ResultFileError("%r is a folder; give the result the name of a file" % path)
    if not os.access(path if os.path.exists(path) else folder, os.W_OK):
        raise ResultFileError("%r cannot be written (no permission); choose another place" % path)
    return suffix


def load(path: Any, max_bytes: Optional[int] = None) -> Dict[str, Any]:
    """The fields of the ``Attribution`` that was saved to ``path``, each of the type and the length that it must have.

    Args:
      path: a file that ``save`` wrote.
      max_bytes: most bytes that its arrays may take; ``None``: ``MOST_BYTES``, or ``MOST_TIMES`` the file.
    """
    path = os.fspath(path)
    if not os.path.isfile(path):
        raise ResultFileMissingError("no file %r; save a result with attribution.save(path) first" % path)
    read = _READERS.get(os.path.splitext(path)[1].lower())
    try:
        if read is None:
            raise ResultFileError("not a saved result; those end in %s" % " or ".join(_READERS))
        fields = _unflatten(*read(path, max_bytes or max(MOST_BYTES, MOST_TIMES * os.path.getsize(path))))
        problem = wellformed.problem(fields, COMPLETENESS)
        if problem:
            raise ResultFileError("not a result as attribution.save writes it: " + problem)
        return fields
    except ResultFileError as told:
        raise ResultFileError("%r: %s" % (path, told)) from told
    except (LookupError, TypeError, AttributeError, ArithmeticError, AssertionError) + UNREADABLE as bad:
        # Whatever a reader of zip archives, arrays or JSON says of a file that somebody has changed.
        raise ResultFileError("%r is not a result that attribution.save wrote (%s: %s)" % (
            path, type(bad).__name__, one_line(bad, 200))) from bad


def _read_npz(path: str, most: int) -> Any:
    # Asked first: numpy 1.18 prints a traceback of its own when it drops a file that is no zip archive.
    if not zipfile.is_zipfile(path):
        raise ResultFileError("not a saved result: it is no zip archive, as .npz files are")
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > most:
        raise ResultFileError("it unpacks to %d bytes, more than %d; if you trust it, pass {argument}" % (size, most),
                              argument="max_bytes", value=str(size))
    with np.load(path, allow_pickle=False) as file:
        record = json.loads(bytes(bytearray(file[_RECORD])).decode("utf-8"))
        return {name: file[name] for name in file.files if name != _RECORD}, record


def _read_json(path: str, _: int) -> Any:
    with open(path, encoding="utf-8") as file:
        return _from_json(json.load(file))


_READERS = {".npz": _read_npz, ".json": _read_json}


def _flatten(attribution: Any) -> Any:
    """Arrays by path, and the record: format, plain fields, and which inputs and paths are ragged."""
    arrays = {name: np.asarray(getattr(attribution, name)) for name in _ARRAYS
              if getattr(attribution, name) is not None}
    inputs: List[Dict[str, Any]] = []
    for number, (name, value) in enumerate(attribution.values.items()):
        ragged = isinstance(value, list)
        inputs.append({"tensor": name, "rows": len(value) if ragged else None})
        for kind in _BY_INPUT:
            value = (getattr(attribution, kind) or {}).get(name)
            for row, part in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if part is not None:
                    arrays["%s/%d" % (kind, number) + ("" if row is None else "/%d" % row)] = np.asarray(part)
    for row, (alphas, scores) in enumerate(attribution.path or ()):
        arrays["path/%d/alphas" % row], arrays["path/%d/scores" % row] = np.asarray(alphas), np.asarray(scores)
    for row, errors in enumerate(attribution.path_errors or ()):
        arrays["path/%d/errors" % row] = np.asarray(errors)
    record = {"format": FORMAT, "version": VERSION, "inputs": inputs,
              "path": None if attribution.path is None else len(attribution.path)}
    record.update((name, _plain(getattr(attribution, name))) for name in _PLAIN)
    # A dtype that numpy itself does not have (bfloat16) cannot be written without pickle.
    return {name: array if array.dtype.kind in "biuf" else array.astype(np.float64)
            for name, array in arrays.items()}, record


def _plain(value: Any) -> Any:
    """JSON-ready copy of a plain field: strings, one number, or nested sequences and mappings of strings."""
    if isinstance(value, measured.Measured):
        return measured.to_plain(value)
    if isinstance(value, Finding):
        return [value.name, value.verdict, _plain(value.value), value.advice]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return as_text(value)
    return value if value is None or isinstance(value, (str, bool)) else float(value)


def _unflatten(arrays: Dict[str, np.ndarray], record: Dict[str, Any]) -> Dict[str, Any]:
    if record.get("format") != FORMAT:
        raise ResultFileError("not a saved result: its format is %r, not %r" % (record.get("format"), FORMAT))
    if record["version"] > VERSION:
        raise ResultFileError("the result was saved by a newer tf1-ig (format version %s, this one reads %d); "
                                "pip install --upgrade tf1-ig" % (record["version"], VERSION))
    fields: Dict[str, Any] = {name: arrays.get(name) for name in _ARRAYS}
    fields.update((name, record.get(name)) for name in _PLAIN)
    if fields["features"] is not None:
        fields["features"] = [[Feature(*one)._replace(position=int(one[-1])) for one in row]
                              for row in fields["features"]]
    if fields["weights"] is not None:
        fields["weights"] = [[(tuple(int(axis) for axis in index), float(weight)) for index, weight in row]
                             for row in fields["weights"]]
    if fields["spans"] is not None:
        fields["spans"] = {name: [[span and (int(span[0]), int(span[1])) for span in row] for row in rows]
                           for name, rows in fields["spans"].items()}
    fields["held_fixed"], fields["notes"] = tuple(record["held_fixed"]), tuple(record["notes"])
    rows = collections.Counter(tuple(key.split("/")[:2]) for key in arrays)
    for kind in _BY_INPUT:
        fields[kind] = {each["tensor"]: _by_rows(arrays, "%s/%d" % (kind, number), rows[kind, str(number)])
                        for number, each in enumerate(record["inputs"])
                        if rows[kind, str(number)] or (each["rows"] == 0 and kind in ("values", "ids"))}
    fields.update((kind, fields[kind] or None) for kind in _BY_INPUT[1:])
    # Files of before there were others hold Integrated Gradients.
    fields.update((name, fields[name] or known) for name, known in (("technique", "Integrated Gradients"),
                                                                    ("completeness", "exact")))
    fields["path"] = None if record["path"] is None else [
        (arrays["path/%d/alphas" % row], arrays["path/%d/scores" % row]) for row in range(record["path"])]
    fields["path_errors"] = [arrays["path/%d/errors" % row] for row in range(record["path"] or 0)
                             if "path/%d/errors" % row in arrays] or None
    fields["not_finite_at"] = fields["not_finite_at"] or ""
    fields["called"] = tuple((str(name), tuple(map(str, known))) for name, known in fields["called"] or ())
    fields["replaced"] = tuple((str(new), str(old)) for new, old in fields["replaced"] or ())
    fields["graph_findings"] = tuple(Finding(*each) for each in fields["graph_findings"] or ())
    fields["measures"] = tuple(map(measured.of_plain, fields["measures"] or ()))
    return fields


def _by_rows(arrays: Dict[str, np.ndarray], key: str, count: int) -> Any:
    """The array of that path, or the list of the arrays of its rows."""
    return arrays[key] if key in arrays else [arrays["%s/%d" % (key, row)] for row in range(count)]


def _to_json(attribution: Any, arrays: Any, record: Any) -> Dict[str, Any]:
    """The record with the arrays as nested lists where a reader looks for them, and their dtypes and shapes."""
    tree = dict(record)
    tree.update((name, _numbers(arrays[name])) for name in _ARRAYS if name in arrays)
    tree["values"], tree["tokens"] = {}, {}
    sums = attribution.tokens
    for number, each in enumerate(record["inputs"]):
        name, key = each["tensor"], "values/%d" % number
        ragged = each["rows"] is not None
        keys = ["%s/%d" % (key, row) for row in range(each["rows"])] if ragged else [key]
        lists = [_numbers(arrays[part]) for part in keys]
        tree["values"][name] = lists if ragged else lists[0]
        tree["tokens"][name] = [_numbers(row) for row in sums[name]] if ragged else _numbers(sums[name])
    for kind in _BY_INPUT[1:]:
        tree[kind] = {name: [_numbers(row) for row in value] if isinstance(value, list) else _numbers(value)
                      for name, value in (getattr(attribution, kind) or {}).items()}
    if record["path"] is not None:
        tree["path"] = [{kind: _numbers(arrays["path/%d/%s" % (row, kind)]) for kind in ("alphas", "scores", "errors")
                         if "path/%d/%s" % (row, kind) in arrays} for row in range(record["path"])]
    tree["arrays"] = {name: {"dtype": str(array.dtype), "shape": list(array.shape)} for name, array in arrays.items()}
    return tree


def _from_json(tree: Dict[str, Any]) -> Any:
    if not isinstance(tree, dict) or tree.get("format") != FORMAT:
        raise ResultFileError("holds JSON, but not a saved result (no \"format\": %r)" % FORMAT)
    record = dict(tree, path=None if tree["path"] is None else len(tree["path"]))
    arrays = {}
    for name, kind in tree["arrays"].items():
        parts = name.split("/")
        if parts[0] in _BY_INPUT:
            data = tree[parts[0]][tree["inputs"][int(parts[1])]["tensor"]]
            data = data[int(parts[2])] if len(parts) == 3 else data
        elif parts[0] == "path":
            data = tree["path"][int(parts[1])][parts[2]]
        else:
            data = tree[name]
        # Sizes and names come from the file: numpy converts, nothing is evaluated; "NaN" reads as a float.
        dtype = np.dtype(kind["dtype"])
        if dtype.kind not in "biuf":
            raise ResultFileError("the array %r is of dtype %s" % (name, dtype))
        arrays[name] = np.asarray(data, dtype=dtype).reshape(kind["shape"])
    return arrays, record


def _numbers(array: Any) -> Any:
    """Nested lists of an array; what strict JSON has no number for becomes "NaN", "Infinity" or "-Infinity"."""
    array = np.asarray(array)
    if array.dtype.kind != "f":
        return array.tolist()
    wide = array.astype(np.float64)
    if np.isfinite(wide).all():
        return wide.tolist()
    named = wide.astype(object)
    named[np.isnan(wide)], named[np.isposinf(wide)], named[np.isneginf(wide)] = "NaN", "Infinity", "-Infinity"
    return named.tolist()
