"""A frozen graph: one GraphDef in a file, binary or text, its weights in ``Const`` nodes."""

import dataclasses
from typing import Any, Optional

from graph_tools import _tf
from graph_tools.errors import ModelFileMissingError, some
from graph_tools.graph import ops
from graph_tools.load import build
from graph_tools.load.read import Artefact
from graph_tools.model import Model


def matches(artefact: Artefact) -> bool:
    return artefact.is_file and isinstance(artefact.message, _tf.tf.GraphDef)


def load(artefact: Artefact, tags: Any = None, signature: Optional[str] = None, trusted: bool = False) -> Model:
    """Reads a GraphDef (``.pb``, or text as in ``.pbtxt``).

    Raises:
      ModelFileMissingError: its constants are shapes alone.
    """
    _refuse_if_hollow(artefact)
    meta_graph = _tf.tf.MetaGraphDef()
    meta_graph.graph_def.CopyFrom(artefact.message)
    made = build.model(meta_graph, "frozen GraphDef %s" % artefact.path, "frozen", signature=signature,
                       trusted=trusted, folder=artefact.folder)
    return dataclasses.replace(made, sha256=artefact.sha256)


def _refuse_if_hollow(artefact: Artefact) -> None:
    held = {node.name: node.attr["value"].tensor for node in artefact.message.node if node.op == "Const"}
    shaped = {name: value for name, value in held.items() if value.tensor_shape.dim and all(
        dim.size > 0 for dim in value.tensor_shape.dim)}
    # Zeros may be written so, too: where no variable holds something else, nothing but zeros is no model.
    others = any(node.op in ops.VARIABLES for node in artefact.message.node)
    if len(shaped) > 1 and not others and not any(map(_has_values, shaped.values())):
        raise ModelFileMissingError(
            "frozen GraphDef %s: its %d constants are shapes without values (%s): the weights are in files of their "
            "own, as TensorFlow.js keeps them; put them back in, or load the model that this was converted from" % (
                artefact.path, len(shaped), some(sorted(shaped), 3)))


def _has_values(tensor: Any) -> bool:
    return any(field.name not in ("dtype", "tensor_shape", "version_number") for field, _ in tensor.ListFields())
