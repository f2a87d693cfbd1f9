"""What makes two tries the same job: model, spec, settings, version, inputs; and the ranges that its rows fall into."""

import hashlib
import os
import sys
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

import numpy as np

from tf1_ig.rows import fingerprint, readers
from tf1_ig.rows.spec import ExplanationSpec
from tf1_ig.scale.folder import Range

_WHOLE = 64 << 20   # bytes of a file that are all looked at; of a larger one its size, its ends and pieces between
_PIECE = 1 << 20
_PIECES = 32
_RANGE_BYTES = 64 << 20  # about so many bytes of rows at most are one range


def plan(spec: ExplanationSpec, files: Sequence[str], settings: Mapping[str, Any], version: str,
         model: Any = None) -> Dict[str, Any]:
    """What is asked, as the folder keeps it; ``model`` is the spec's, where this process has loaded it already."""
    path = spec.model_path
    return {"version": version, "model": fingerprint.sha256(path) if model is None else fingerprint.of(
        model, path), "spec": {
        "tree": {key: value for key, value in spec.tree.items() if key not in ("guesses", "model")},
        "model": {key: value for key, value in spec.tree["model"].items() if key not in ("path", "sha256")},
        "files": [_digest(path) for path in _named_files(spec)]},
        "settings": dict(settings), "inputs": [[path, _digest(path)] for path in files]}


def _named_files(spec: ExplanationSpec) -> List[str]:
    """The files beside the model that a spec reads: vocabularies, classes, categories."""
    found: List[str] = []

    def walk(tree: Any) -> None:
        for value in tree.values() if isinstance(tree, Mapping) else tree if isinstance(tree, list) else ():
            if isinstance(value, str) and value and "\0" not in value and os.path.isfile(spec.path(value)):
                found.append(spec.path(value))
            walk(value)

    walk({key: value for key, value in spec.tree.items() if key != "model"})
    return sorted(set(found))


def _digest(path: str) -> str:
    """Whether a file is still the same, at a price that does not grow with its size."""
    size = os.path.getsize(path)
    if size <= _WHOLE:
        return fingerprint.sha256(path)
    digest = hashlib.sha256(b"%d" % size)
    with open(path, "rb") as file:
        for start in np.linspace(0, size - _PIECE, _PIECES).astype(np.int64).tolist():
            file.seek(start)
            digest.update(file.read(_PIECE))
    return "sampled:" + digest.hexdigest()


def rows(spec: ExplanationSpec, files: Sequence[str]) -> Iterator[Tuple[str, Any]]:
    """The rows of files, each called ``FILE:ROW``, counted from 1."""
    columns = readers.columns_of(spec)
    for path in files:
        for number, row in enumerate(readers.read([path], columns), 1):
            yield "%s:%d" % (path, number), row


def ranges(found: Iterator[Tuple[str, Any]], most: int) -> Iterator[Range]:
    """Rows in ranges of so many, or fewer where these are large; the same ranges at every try."""
    number, held, size = 0, [], 0
    for one in found:
        held.append(one)
        size += _bytes(one[1])
        if len(held) >= most or size >= _RANGE_BYTES:
            yield Range(number, held)
            number, held, size = number + 1, [], 0
    if held:
        yield Range(number, held)


def _bytes(value: Any) -> int:
    if isinstance(value, Mapping):
        return sum(map(_bytes, value.values()))
    if isinstance(value, (list, tuple)):
        return sum(map(_bytes, value)) if len(value) < 100 else 8 * len(value)
    return getattr(value, "nbytes", None) or sys.getsizeof(value)
