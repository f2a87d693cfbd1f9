"""A spec with its model and all its files as one archive, for engines that carry files to other machines."""

import copy
import glob
import hashlib
import json
import os
import zipfile
from typing import Any, Dict, Iterator, Tuple

from tf1_ig.rows.spec import PATHS, ExplanationSpec, load_spec

_SPEC = "spec.json"
_ENDS = (".meta", ".index")  # of a checkpoint's files, where the model is called by one of them


def pack(spec: ExplanationSpec, folder: str) -> str:
    """Writes the archive of a spec.

    Args:
      spec: it; a tokenizer that is code of the user's own is not packed.
      folder: where the archive is written.

    Returns:
      its path; its name tells its content, so that equal ones are shipped once.
    """
    files: Dict[str, str] = {}
    tree = copy.deepcopy(dict(spec.tree))
    for place in PATHS:
        _take(spec, tree, place, files)
    text = json.dumps(tree, sort_keys=True, ensure_ascii=False)
    digest = hashlib.sha256(text.encode("utf-8", "backslashreplace"))
    for name in sorted(files):
        digest.update(name.encode("utf-8", "surrogateescape"))
        with open(files[name], "rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
    path = os.path.join(folder, "tf1-ig-%s.zip" % digest.hexdigest()[:16])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_SPEC, text)
        for name in sorted(files):
            archive.write(files[name], name)
    return path


def unpacked(folder: str, allow_code: bool = False) -> ExplanationSpec:
    """The spec of an archive that was unpacked into a folder."""
    return load_spec(os.path.join(folder, _SPEC), allow_code)


def _take(spec: ExplanationSpec, tree: Any, place: Tuple[str, ...], files: Dict[str, str]) -> None:
    """Notes the files named at a place of the tree, and names them there as the archive does, in place."""
    key, rest = place[0], place[1:]
    for each in (list(tree) if key == "*" else [key]) if isinstance(tree, dict) else ():
        if rest:
            _take(spec, tree.get(each), rest, files)
        elif isinstance(tree.get(each), str):
            folder, path = "files/%d" % len(files), spec.path(tree[each])
            files.update(("%s/%s" % (folder, os.path.relpath(name, os.path.dirname(path)).replace(os.sep, "/")), name)
                         for name in _files(path))
            tree[each] = "%s/%s" % (folder, os.path.basename(path))


def _files(path: str) -> Iterator[str]:
    """A file; all files of a folder; those of a checkpoint, which is called by their prefix or by one of them."""
    if os.path.isdir(path):
        for folder, _, names in os.walk(path):
            yield from (os.path.join(folder, name) for name in names)
    elif os.path.isfile(path) and not path.endswith(_ENDS):
        yield path
    else:
        prefix = os.path.splitext(path)[0] if path.endswith(_ENDS) else path
        yield from glob.glob(glob.escape(prefix) + ".*")
