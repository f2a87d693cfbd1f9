"""Files that are there as a whole or not at all: written beside the place that they are to take, then put there.

Whatever happens in between (a full disk, a kill, an error of the writer's) the file that was there before still is.
"""

import contextlib
import os
import shutil
import stat
import uuid
from typing import Any, Iterator, Set

_unfinished: Set[str] = set()  # files and folders that are being written


@contextlib.contextmanager
def writing(path: Any, mode: str = "wb", **options: Any) -> Iterator[Any]:
    """A file to write to, which takes its place at the end of the block, synced to the disk.

    Args:
      path: where it is to be. A link is followed; what is no file (``/dev/stdout``, a pipe) is written to as it is.
      mode, **options: as for ``open``.

    Raises:
      OSError: it cannot be written; what was there is as it was.

    Example:
      >>> with writing("page.html", "w", encoding="utf-8") as file:      # doctest: +SKIP
      ...     file.write(page)
    """
    path = os.path.realpath(os.fspath(path))
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, mode, **options) as file:
            yield file
        return
    with _beside(path) as aside:
        with open(aside, mode.replace("w", "x"), **options) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(path):
            os.chmod(aside, stat.S_IMODE(os.stat(path).st_mode))
        os.replace(aside, path)


@contextlib.contextmanager
def writing_folder(path: str) -> Iterator[str]:
    """A folder to fill, which takes its place at the end of the block; the place is free or an empty folder.

    Raises:
      OSError: it cannot be written; what was there is as it was.
    """
    path = os.path.realpath(path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with _beside(path) as aside:
        os.mkdir(aside)
        yield aside
        for folder, _, names in os.walk(aside):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    os.fsync(file.fileno())
            _sync_folder(folder)
        os.rename(aside, path)  # an empty folder gives way


@contextlib.contextmanager
def _beside(path: str) -> Iterator[str]:
    """A place beside a path, from which the block moves what it wrote there; what is left in it by an error goes."""
    aside = _aside(path)
    _unfinished.add(aside)
    try:
        yield aside
        _sync_folder(os.path.dirname(path))
    except BaseException:
        _remove(aside)
        raise
    finally:
        _unfinished.discard(aside)


def drop_unfinished() -> None:
    """Removes what is being written, before the process ends in the middle of it."""
    for aside in list(_unfinished):
        _remove(aside)


def _remove(aside: str) -> None:
    if os.path.isdir(aside):
        shutil.rmtree(aside, ignore_errors=True)
        return
    with contextlib.suppress(OSError):
        os.remove(aside)


def _aside(path: str) -> str:
    """A name of our own beside a path."""
    folder, name = os.path.split(path)
    return os.path.join(folder, "%s.%s.part" % (name[:100], uuid.uuid4().hex[:8]))


def _sync_folder(folder: str) -> None:
    """So that the new name outlives a power cut; not every file system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
