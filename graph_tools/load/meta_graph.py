"""A training checkpoint: a MetaGraphDef in a ``.meta`` file and the values in the checkpoint beside it."""

import functools
import os
import re
from typing import Any, Callable, Mapping, Optional

from graph_tools import _tf
from graph_tools.errors import ModelFileMissingError, ModelFormatError, one_line
from graph_tools.graph import ops
from graph_tools.load import build, checkpoint
from graph_tools.load.read import Artefact, join
from graph_tools.model import Model
from graph_tools.safety import files

_PART = re.compile(r"(\.meta|\.index|\.data-\d{5}-of-\d{5}|-\d{5}-of-\d{5})$")


def matches(artefact: Artefact) -> bool:
    if _is_training_folder(artefact) or (not artefact.is_folder and prefix_for(artefact) is not None):
        return True
    return artefact.is_file and isinstance(artefact.message, _tf.tf.MetaGraphDef)


def load(artefact: Artefact, tags: Any = None, signature: Optional[str] = None, trusted: bool = False) -> Model:
    """Reads a MetaGraphDef and, lazily, the variables of its checkpoint.

    The path is the prefix of the checkpoint, any file of it (``.meta``, ``.index``, ``.data-…``), or a folder with a
    ``checkpoint`` file, of which the latest checkpoint is taken. The graph's own restore op is not run.
    """
    folder = artefact.folder
    own = None if trusted else folder
    prefix = prefix_for(artefact, own)
    if prefix is not None and artefact.is_folder:
        _demand_inside(prefix, own)
    if prefix is None:  # a MetaGraphDef under any other name
        prefix, file = os.path.splitext(artefact.path)[0], artefact
    else:
        file = Artefact(prefix + ".meta")
    source = "checkpoint %s" % prefix
    files.demand_pattern(prefix, own, source)
    if not file.is_file:
        raise ModelFileMissingError(_no_graph(prefix))
    meta_graph = _tf.tf.MetaGraphDef()
    if isinstance(file.message, _tf.tf.MetaGraphDef):
        meta_graph.CopyFrom(file.message)
    elif isinstance(file.message, _tf.tf.GraphDef):
        meta_graph.graph_def.CopyFrom(file.message)
    else:
        raise ModelFormatError("%r is a SavedModel, not the graph of a checkpoint; give the path of its folder" % (
            file.path,))
    values: Callable[[], Mapping[str, Any]] = dict
    no_value = "has no value"
    if checkpoint.exists(prefix) or checkpoint.has_parts(prefix):
        values = functools.partial(checkpoint.values, meta_graph.graph_def, meta_graph.saver_def,
                                   checkpoint.open_checkpoint(prefix, "graph %r" % file.path))
    elif any(node.op in ops.VARIABLES for node in meta_graph.graph_def.node):
        source = "graph %s" % file.path
        no_value = "has no value (there is no checkpoint %s.index; copy it beside the .meta)" % prefix
    return build.model(meta_graph, source, "meta_graph", values, _assets(meta_graph), signature, no_value=no_value,
                       trusted=trusted, folder=folder)


def _is_training_folder(artefact: Artefact) -> bool:
    return artefact.is_folder and "checkpoint" in artefact.files() and "saved_model.pb" not in artefact.files()


def prefix_for(artefact: Artefact, folder: Optional[str] = None) -> Optional[str]:
    """The checkpoint prefix that a path stands for, or ``None`` when it stands for none.

    Args:
      artefact: the path; of a folder, the file ``checkpoint`` is read.
      folder: where that file must be; ``None``: anywhere.
    """
    if artefact.is_folder:
        if not _is_training_folder(artefact):
            return None
        files.demand(join(artefact.path, "checkpoint"), folder, "folder %r" % artefact.path)
        try:
            latest = _latest(artefact.path) or _moved(artefact.path)
        except (ValueError, _tf.tf.errors.OpError) as damaged:  # bytes that are no text, a path that no file can have
            raise ModelFormatError("the file %r is damaged (%s); give the prefix of a checkpoint" % (
                join(artefact.path, "checkpoint"), one_line(damaged, 120))) from damaged
        if latest is None:
            raise ModelFileMissingError("the file %r names no checkpoint that is there; give the prefix of one" % (
                join(artefact.path, "checkpoint"),))
        return latest
    part = _PART.search(artefact.path)
    if part and artefact.is_file:
        return artefact.path[:part.start()]
    exists = _tf.tf.io.gfile.exists
    if exists(artefact.path + ".meta") or exists(artefact.path + ".index"):
        return artefact.path
    return None


def _latest(folder: str) -> Optional[str]:
    try:
        return _tf.tf.train.latest_checkpoint(folder)
    except _tf.tf.errors.NotFoundError:  # by 1.15, where the folder that it names is not there either
        return None


def _moved(folder: str) -> Optional[str]:
    """The checkpoint of a folder that was copied: the file ``checkpoint`` still says where it was written."""
    state = _tf.tf.train.get_checkpoint_state(folder)
    if state is None:
        return None
    prefix = join(folder, re.split(r"[\\/]", state.model_checkpoint_path)[-1])
    return prefix if checkpoint.exists(prefix) or _tf.tf.io.gfile.exists(prefix + ".meta") else None


def _demand_inside(prefix: str, folder: Optional[str]) -> None:
    """The file ``checkpoint`` may name a checkpoint anywhere on the machine; only one in its folder is taken."""
    for ending in (".index", ".meta", ""):
        if _tf.tf.io.gfile.exists(prefix + ending):
            files.demand(prefix + ending, folder, "the file %r names another model's checkpoint" % (
                join(folder or "", "checkpoint")))


def prefix_of(name: str) -> str:
    """The checkpoint that a file belongs to by its name; other names are returned as they are."""
    return _PART.sub("", name)


def _no_graph(prefix: str) -> str:
    """The error line for a checkpoint that has no ``.meta`` beside it."""
    if not checkpoint.exists(prefix):
        return "no file %r and no checkpoint of that name; check the path" % (prefix + ".meta")
    folder = os.path.dirname(os.path.dirname(prefix)) or "."
    if os.path.basename(os.path.dirname(prefix)) == "variables" and any(
            _tf.tf.io.gfile.exists(join(folder, name)) for name in ("saved_model.pb", "saved_model.pbtxt")):
        return "%r are the values of a SavedModel; give the path of its folder, %r" % (prefix, folder)
    if checkpoint.OBJECT_GRAPH in checkpoint.Checkpoint(prefix).keys:
        return ("checkpoint %r was written by tf.train.Checkpoint (TF 2) and holds values only, no graph; export a "
                "SavedModel with the program that built the model, and give its folder" % prefix)
    return ("checkpoint %r has no graph: %s.meta is missing; copy it beside the checkpoint, or export a SavedModel "
            "with the program that built the model" % (prefix, prefix))


def _assets(meta_graph: Any) -> dict:
    """Vocabulary files that a ``.meta`` names are constants of the graph; only definitions with a full path count."""
    return {asset.tensor_info.name: asset.filename for asset in meta_graph.asset_file_def
            if os.path.isabs(asset.filename)}
