"""A frozen graph: one GraphDef in a file, binary or text, its weights in ``Const`` nodes."""

import dataclasses
from typing import Any, Optional

from graph_tools import _tf
from graph_tools.load import build
from graph_tools.load.read import Artefact
from graph_tools.model import Model


def matches(artefact: Artefact) -> bool:
    return artefact.is_file and isinstance(artefact.message, _tf.tf.GraphDef)


def load(artefact: Artefact, tags: Any = None, signature: Optional[str] = None, trusted: bool = False) -> Model:
    """Reads a GraphDef (``.pb``, or text as in ``.pbtxt``)."""
    meta_graph = _tf.tf.MetaGraphDef()
    meta_graph.graph_def.CopyFrom(artefact.message)
    made = build.model(meta_graph, "frozen GraphDef %s" % artefact.path, "frozen", signature=signature,
                       trusted=trusted, folder=artefact.folder)
    return dataclasses.replace(made, sha256=artefact.sha256)
