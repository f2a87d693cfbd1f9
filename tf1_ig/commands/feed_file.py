"""Feeds, tokens, class names and baselines from files and from the words of a command line."""

import argparse
import ast
import base64
import os
import re
import zipfile
from typing import Any, Dict, List, Optional, Sequence

import numpy as np

from graph_tools.errors import FeedError, one_line
from graph_tools.running.values import as_array
from tf1_ig.errors import UNREADABLE, BaselineError, LabelError
from tf1_ig.question.label import RANKED, contrast
from tf1_ig.rows import json_text, object_arrays
from tf1_ig.rows.table import holds_truth


def read_feed(path: str) -> Dict[str, Any]:
    """The feed in a ``.npz`` file (one array per tensor name) or a ``.json`` file (an object of nested lists).

    Bytes are arrays of dtype object in ``.npz``, and ``{"b64": "…"}`` in ``.json``, as TensorFlow Serving has them.

    Raises:
      FeedError: no such file, another format, or pickled objects other than strings inside.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in (".npz", ".json"):
        raise FeedError("feed file %r is neither .npz nor .json; write it with np.savez('feed.npz', **{'ids:0': ids})" %
                        path)
    try:
        if suffix == ".json":
            return _json_object(path)
        # Asked first: numpy 1.18 prints a traceback of its own when it drops a file that is no zip archive.
        if os.path.isfile(path) and not zipfile.is_zipfile(path):
            raise ValueError("it is no zip archive, as .npz files are")
        with np.load(path, allow_pickle=False) as file:
            return {name: object_arrays.member(path, file, name) for name in file.files}
    except FileNotFoundError:
        raise FeedError("no feed file %r; check the path" % path) from None
    except FeedError:
        raise
    except UNREADABLE as wrong:
        raise FeedError("feed file %r cannot be read (%s: %s)" % (
            path, type(wrong).__name__, one_line(wrong))) from wrong


def _json_object(path: str) -> Dict[str, Any]:
    tree = json_text.load(path, _bytes)
    if not isinstance(tree, dict):
        raise FeedError("feed file %r holds a JSON %s, not an object; write {\"tensor:0\": [[…]]}" % (
            path, type(tree).__name__))
    return {name: _array(path, name, value) for name, value in tree.items()}


def _bytes(tree: Dict[str, Any]) -> Any:
    """Bytes where the object is ``{"b64": …}``."""
    if list(tree) != ["b64"] or not isinstance(tree["b64"], str):
        return tree
    return base64.b64decode(tree["b64"], validate=True)


def _array(path: str, name: str, value: Any) -> np.ndarray:
    """Nested lists as an array; JSON has no dtype, so whole numbers stay whole and the model's tensor decides."""
    try:
        array = as_array(value)
    except ValueError:
        array = np.array(None)
    texts = array.ravel().tolist() if array.dtype.kind == "O" else ()
    if array.dtype.kind not in "biufO" or not all(isinstance(one, (bytes, str)) for one in texts) or (
            array.dtype.kind != "b" and holds_truth(value)):
        raise FeedError("feed file %r: %r is not a regular array of numbers, of truth values or of strings (%s)" % (
            path, name, _oddity(value)))
    return array


def _oddity(value: Any) -> str:
    """What is wrong with nested lists that are no array of one kind, and what to do."""
    leaves, todo = [], [value]
    while todo:
        one = todo.pop()
        if isinstance(one, list):
            todo += one
        else:
            leaves.append(one)
    kinds = {type(one).__name__ for one in leaves}
    if kinds & {"NoneType", "dict"}:
        return "it holds %s; give a value for each element" % ("null" if "NoneType" in kinds else "an object")
    large = [one for one in leaves if isinstance(one, int) and not -2 ** 63 <= one < 2 ** 64]
    if large:
        return "%d is more than 64 bits hold" % large[0]
    if len(kinds - {"int", "float"}) + bool(kinds & {"int", "float"}) > 1:
        return "it holds values of the kinds %s; give one kind" % ", ".join(sorted(kinds))
    return "its rows are of unequal length; pad them"


def read_lines(path: str) -> List[str]:
    """Lines of a text file, such as a vocabulary (line number = id) or class names."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            return [line.rstrip("\r\n") for line in file]
    except (OSError, UnicodeDecodeError) as wrong:
        raise FeedError("file %r cannot be read (%s); it holds one token or class a line, in UTF-8" % (
            path, wrong)) from wrong


def read_tokens(path: str) -> List[List[str]]:
    """Tokens of every row: ``.json`` with a list of lists, or text with one row a line, tokens between spaces."""
    if not path.lower().endswith(".json"):
        return [line.split() for line in read_lines(path)]
    try:
        rows = json_text.load(path)
    except (OSError, ValueError, RecursionError) as wrong:
        raise FeedError("token file %r cannot be read (%s)" % (path, wrong)) from wrong
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise FeedError("token file %r is not a list of lists of texts; write [[\"good\", \"film\"], …]" % path)
    return [[str(token) for token in row] for row in rows]


def decode(ids: Any, vocabulary: List[str]) -> List[List[str]]:
    """Texts of rows of ids; an id outside of the vocabulary is shown as itself."""
    return [[vocabulary[number] if 0 <= number < len(vocabulary) else "[id %d]" % number
             for number in np.asarray(row).reshape(-1).tolist()] for row in np.asarray(ids)]


def parse_label(text: Optional[str], class_names: Optional[Sequence[str]] = None) -> Any:
    """A label from the command line: ``top``, ``none``, ``3``, ``4,1`` (an index tuple), ``[0,1,1]`` (one per row).

    Where the classes have names, the name of one is its number.
    """
    word = (text or "").strip()
    if word in (class_names or ()):
        return list(class_names or ()).index(word)
    if word.lower() == "none":
        return None
    if word.lower() in RANKED:
        return word.lower()
    try:
        value = ast.literal_eval(word)
        if _is_label(value):
            return value
    except (ValueError, SyntaxError):
        pass
    places, _, name = word.rpartition(",")  # an index tuple that ends in a name
    if name.strip() in (class_names or ()) and re.match(r"\(?\s*\d+(\s*,\s*\d+)*$", places):
        return tuple(int(part) for part in re.findall(r"\d+", places)) + (list(class_names or ()).index(name.strip()),)
    classes = ", or a class: %s" % ", ".join(class_names[:20]) if class_names else ""
    raise LabelError("label %r is none of: top, second, none, a class such as %d, an index tuple such as 4,1, one "
                     "class per row such as [0,1,1]%s" % (text, min(3, len(class_names or range(4)) - 1), classes))


def parse_contrast(text: str, class_names: Optional[List[str]] = None) -> Any:
    """A contrast from the command line: ``2,0``, ``top,second``, or names of classes (which may hold commas)."""
    parts = text.split(",")
    for cut in range(1, len(parts)):
        try:
            one, other = (parse_label(",".join(part), class_names) for part in (parts[:cut], parts[cut:]))
        except LabelError:
            continue
        if None not in (one, other) and not isinstance(one, (list, tuple)) and not isinstance(other, (list, tuple)):
            return contrast(one, other)
    raise LabelError("contrast %r is not two classes, such as 2,0 or top,second%s" % (
        text, ", or two of: %s" % ", ".join(class_names[:20]) if class_names else ""))


def parse_positions(text: str) -> Any:
    """Positions from the command line: ``all``, or ``0,3``."""
    word = text.strip().lower()
    if word == "all":
        return word
    if not re.match(r"[0-9]{1,9}(,[0-9]{1,9})*$", word):
        raise argparse.ArgumentTypeError("%r is neither all nor positions such as 0,3" % text)
    return [int(place) for place in word.split(",")]


def _is_label(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return bool(value) and all(_is_label(part) for part in value)
    return isinstance(value, int) and not isinstance(value, bool)


def read_array(path: str) -> np.ndarray:
    """The array of a ``.npy`` file.

    Raises:
      FeedError: it cannot be read.
    """
    try:
        return np.load(path, allow_pickle=False)
    except UNREADABLE as wrong:
        raise FeedError("%r cannot be read (%s); give a .npy file" % (path, one_line(wrong))) from wrong


def parse_baseline(text: str) -> Any:
    """A baseline from the command line: a name, a number, a ``.npy``/``.npz``/``.json`` file, or ``{"ids:0": 0}``."""
    word = text.strip()
    suffix = os.path.splitext(word)[1].lower()
    try:
        if word.startswith(("{", "[")):
            value = json_text.loads(word)
            return value if isinstance(value, dict) else np.array(value)
        if suffix == ".npy":
            return np.load(word, allow_pickle=False)
        if suffix in (".npz", ".json"):
            return read_feed(word)
    except UNREADABLE as wrong:
        raise BaselineError("baseline %r cannot be read (%s); give zero, mean, a number, a .npy file, or "
                            "'{\"ids:0\": 0}'" % (text, one_line(wrong))) from wrong
    try:
        value = float(word)
    except ValueError:
        return word
    if not np.isfinite(value):
        raise BaselineError("baseline %s is not finite; give a number" % word)
    return value
