"""Which files of a model may be read: its own, below its folder, links resolved, of a size that makes sense."""

import os
import stat
import sys
from typing import Optional

from graph_tools.errors import UnsafeModelError
from graph_tools.safety import judge

LARGEST = 4 << 30  # bytes of one vocabulary or asset


def is_remote(path: str) -> bool:
    """Whether a path names another file system than the machine's (``gs://…``)."""
    return "://" in path


class NotOwn(str):
    """What is said of a file that a model names and that is not read; the words say why."""


def refusal(path: str, folder: Optional[str], most: int = LARGEST) -> str:
    """Why a file that a model names is not read; ``""`` when it may be.

    Args:
      path: the file.
      folder: the model's folder; ``None`` for a trusted model, which may read any.
      most: bytes that it may have.
    """
    if folder is None:
        return ""
    if "\0" in path:
        return "%r is the path of no file" % path
    if is_remote(path) or is_remote(folder):
        here = is_remote(path) and path.startswith(folder.rstrip("/") + "/") and "/../" not in path + "/"
        return "" if here else "%r is not in the model's folder %r" % (path, folder)
    real, root = os.path.realpath(path), os.path.realpath(folder or ".")
    if os.path.commonpath([real, root]) != root:
        led = " (it is a link to %r)" % real if real != os.path.abspath(path) else ""
        return "%r is not in the model's folder %r%s" % (path, folder or ".", led)
    try:
        found = os.stat(real)
    except OSError:
        return ""  # that it is not there is for others to say
    if not stat.S_ISREG(found.st_mode):
        return "%r is not a regular file" % path
    if found.st_size > most:
        return "%r is %.1f GB, more than a vocabulary can be" % (path, found.st_size / 1e9)
    return ""


def own(path: str, folder: Optional[str]) -> str:
    """The file that stands for a path: itself, or one of its name in the model's folder when it may not be read."""
    if folder is not None and refusal(path, folder):
        for there in (folder.rstrip("/") + "/", folder.rstrip("/") + "/assets/"):
            copy = there + os.path.basename(path)
            if not refusal(copy, folder) and os.path.isfile(copy):
                return copy
    return path


def demand(path: str, folder: Optional[str], what: str, most: int = LARGEST) -> None:
    """Raises ``UnsafeModelError`` for a file that may not be read; ``what`` says whose it is."""
    why = refusal(path, folder, most)
    if why:
        raise UnsafeModelError("%s: %s; copy it there, or, %s" % (what, why, judge.TRUST), argument="trusted",
                               value="True")


def demand_pattern(prefix: str, folder: Optional[str], what: str) -> None:
    """The same for every file whose name begins with ``prefix`` (a checkpoint's, of any size), pipes included."""
    if folder is None or is_remote(prefix):
        return
    parent = os.path.dirname(prefix) or "."
    try:
        there = sorted(os.listdir(parent))
    except OSError:
        return  # that it is not there is for others to say
    base = os.path.basename(prefix)
    for name in there:
        full = os.path.join(parent, name)
        if (name == base or name.startswith((base + ".", base + "-"))) and not os.path.isdir(full):
            demand(full, folder, what, sys.maxsize)
