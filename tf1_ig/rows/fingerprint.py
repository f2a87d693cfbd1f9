"""Whether a model is still the one that a spec was written for: TensorFlow's own formats notice no flipped bit."""

import glob
import hashlib
import os
from typing import Any, List, Tuple


def sha256(path: str) -> str:
    """One file's own digest; for a folder or a prefix that of the names and digests of its files, in order."""
    if os.path.isfile(path):
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
        return digest.hexdigest()
    lines = ["%s %s" % (os.path.relpath(name, os.path.dirname(path)), sha256(name)) for name in _files(path)]
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def of(model: Any, path: str) -> str:
    """``sha256`` of the path that a model was just loaded from; a frozen file is not opened again for it."""
    return model.sha256 or sha256(path)


def stamp(path: str) -> Tuple[Tuple[str, int, int, int], ...]:
    """Name, size, time and number of each of its files: what changes when they are written again, read in no time."""
    stated = [(name, os.stat(name)) for name in ([path] if os.path.isfile(path) else _files(path))]
    return tuple((name, found.st_size, found.st_mtime_ns, found.st_ino) for name, found in stated)


def _files(path: str) -> List[str]:
    return sorted([os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names] or glob.glob(
        glob.escape(path) + ".*"))
