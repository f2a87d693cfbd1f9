"""Load any TensorFlow-1 artefact as a ``Model``; one format a file, tried in the order of ``FORMATS``."""

import os
from typing import Any, Mapping, Optional

from graph_tools import collector
from graph_tools.errors import ModelFileMissingError, ModelFormatError, some
from graph_tools.graph import names
from graph_tools.load import frozen, isolated, meta_graph, saved_model, vocabulary_files
from graph_tools.load.read import Artefact
from graph_tools.load.session import from_session
from graph_tools.model import Model

FORMATS = (meta_graph, saved_model, frozen)


def load(path: Any, tags: Any = None, signature: Optional[str] = None, trusted: bool = False,
         isolate: bool = False, time_limit: Optional[float] = None, memory_limit: Optional[int] = None,
         assets: Optional[Mapping[str, Any]] = None) -> Model:
    """Loads a model from a file or folder; what it is, its content says, not its name.

    Args:
      path: a frozen graph (``.pb``, ``.pbtxt``), a SavedModel folder (or the ``saved_model.pb`` in it), the prefix of
        a checkpoint with a ``.meta`` beside it (or the ``.meta``), a training folder (its latest checkpoint is taken).
      tags: the tags of the graph to take from a SavedModel, as a set or a comma-separated string; ``None`` takes the
        only graph, or the one tagged ``serve``.
      signature: name of the one signature to keep; ``None`` keeps all.
      trusted: whether whoever made the file is trusted. If not, ops that could do more than compute (touch files, open
        connections, call Python, end the process) are kept from TensorFlow: it sees placeholders in their place. What
        depends on them must be fed or is refused, and files are only read below the model's folder.
      isolate: first load the model and import its graph in a process of its own, so that a file which TensorFlow dies
        of, or hangs on, is an error here. It costs an import of TensorFlow and of the graph.
      time_limit, memory_limit: of that process, in seconds (default: 600) and in bytes besides what TensorFlow itself
        takes (default: what the machine has).
      assets: paths of vocabulary files that take the place of those the model names, by file name (``"words.txt"``) or
        by the tensor that holds the path.

    Returns:
      A ``Model``. What had to be repaired or left out is in ``model.warnings``.

    Raises:
      ModelFileMissingError: there is nothing at that path, or the variables are missing.
      ModelFormatError: what is there is not a model, is damaged, or has no such tags, signature or asset.
      UnsafeModelError: no output can be computed without an op that could do more than compute, or a file of the
        model is elsewhere; not raised with ``trusted=True``.
      ReleaseError: the running TensorFlow lacks an op or an attribute of the graph.

    >>> model = load("model.pb")  # doctest: +SKIP
    """
    path = os.path.expanduser(os.fsdecode(path))
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        raise ModelFileMissingError("the path %a cannot be read as text here (LC_ALL=C?); set LC_ALL=C.UTF-8, or "
                                    "rename it" % path) from None
    if isolate:
        isolated.check(path, tags, signature, trusted, time_limit, memory_limit)
    with collector.waits():
        return _loaded(path, tags, signature, trusted, assets or {})


def _loaded(path: str, tags: Any, signature: Optional[str], trusted: bool, assets: Mapping[str, Any]) -> Model:
    artefact = Artefact(path)
    for kind in FORMATS:
        if kind.matches(artefact):
            model = kind.load(artefact, tags=tags, signature=signature, trusted=trusted)
            return vocabulary_files.put(model, dict(assets), None if trusted else artefact.folder)
    if artefact.is_folder:
        there = artefact.files()
        raise ModelFormatError("folder %r holds no saved_model.pb and no checkpoint (%s); give the path of a model in "
                               "it" % (artefact.path, some(there) or "it is empty"), candidates=there)
    raise ModelFileMissingError("no file or folder %r; %s" % (artefact.path, _advice(artefact.path)))


def _advice(path: str) -> str:
    """What to try instead of a path that is not there: the names in its folder that look like it."""
    folder, _, name = path.rpartition("/")
    there = Artefact(folder or ("/" if path.startswith("/") else "."))
    if not there.is_folder:
        return "there is no folder %r either; check the path" % folder
    parts = {meta_graph.prefix_of(other) for other in there.files()}
    found = [other for other in sorted(parts) if name and other.startswith(name)] or names.nearest(name, sorted(parts))
    return "did you mean %s?" % " or ".join(repr(other) for other in found[:3]) if found else "check the path"
