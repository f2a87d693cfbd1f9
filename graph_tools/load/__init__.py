"""Load any TensorFlow-1 artefact as a ``Model``; one format a file, tried in the order of ``FORMATS``."""

import os
from typing import Any, Optional

from graph_tools.errors import ModelFileMissingError, ModelFormatError
from graph_tools.graph import names
from graph_tools.load import frozen, meta_graph, saved_model
from graph_tools.load.read import Artefact
from graph_tools.load.session import from_session
from graph_tools.model import Model

FORMATS = (meta_graph, saved_model, frozen)


def load(path: Any, tags: Any = None, signature: Optional[str] = None) -> Model:
    """Loads a model from a file or folder; what it is, its content says, not its name.

    Args:
      path: a frozen graph (``.pb``, ``.pbtxt``), a SavedModel folder (or the ``saved_model.pb`` in it), the prefix of
        a checkpoint with a ``.meta`` beside it (or the ``.meta``), a training folder (its latest checkpoint is taken).
      tags: the tags of the graph to take from a SavedModel, as a set or a comma-separated string; ``None`` takes the
        only graph, or the one tagged ``serve``.
      signature: name of the one signature to keep; ``None`` keeps all.

    Returns:
      A ``Model``. What had to be repaired or left out is in ``model.warnings``.

    Raises:
      ModelFileMissingError: there is nothing at that path, or the variables are missing.
      ModelFormatError: what is there is not a model, is damaged, or has no such tags or signature.
      ReleaseError: the running TensorFlow lacks an op or an attribute of the graph.

    >>> model = load("model.pb")  # doctest: +SKIP
    """
    path = os.path.expanduser(os.fsdecode(path))
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        raise ModelFileMissingError("the path %a cannot be read as text here (LC_ALL=C?); set LC_ALL=C.UTF-8, or "
                                    "rename it" % path) from None
    artefact = Artefact(path)
    for kind in FORMATS:
        if kind.matches(artefact):
            return kind.load(artefact, tags=tags, signature=signature)
    if artefact.is_folder:
        there = artefact.files()
        raise ModelFormatError("folder %r holds no saved_model.pb and no checkpoint (%s); give the path of a model in "
                               "it" % (artefact.path, ", ".join(there[:5]) + (", …" if len(there) > 5 else "")
                                       if there else "it is empty"))
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
