"""Load any TensorFlow-1 artefact as a ``Model``; one format a file, tried in the order of ``FORMATS``."""

import os

from graph_tools.errors import ModelFileMissingError
from graph_tools.load import frozen
from graph_tools.model import Model

FORMATS = (frozen,)


def load(path, tags=None, signature=None) -> Model:
    """Loads a model from a file or folder, whatever its format.

    Args:
      path: a frozen graph (``.pb``, ``.pbtxt``), a SavedModel folder, a checkpoint prefix or its ``.meta``.
      tags: the tags of the MetaGraph to take from a SavedModel (``None``: the serving one, or the only one).
      signature: name of the signature to keep (``None``: all).

    Raises:
      ModelFileMissingError: there is nothing at that path.
      ModelFormatError: what is there is not a model, or is broken.

    >>> model = load("model.pb")  # doctest: +SKIP
    """
    path = os.fspath(path)
    for kind in FORMATS:
        if kind.matches(path):
            return kind.load(path, tags=tags, signature=signature)
    raise ModelFileMissingError("no file or folder %r; check the path" % path)
