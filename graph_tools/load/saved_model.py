"""A SavedModel: a folder with ``saved_model.pb`` or ``.pbtxt``, variables and assets, of TF 1 or TF 2."""

import functools
import os
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from graph_tools import _tf
from graph_tools.errors import ModelFormatError, some
from graph_tools.graph import ops
from graph_tools.load import build, checkpoint
from graph_tools.load.read import Artefact, join
from graph_tools.model import Model
from graph_tools.safety import files

FILES = ("saved_model.pb", "saved_model.pbtxt")


def matches(artefact: Artefact) -> bool:
    if artefact.is_folder:
        return any(name in FILES for name in artefact.files()) or bool(_versions(artefact))
    return artefact.is_file and isinstance(artefact.message, _tf.SavedModel)


def load(artefact: Artefact, tags: Any = None, signature: Optional[str] = None, trusted: bool = False) -> Model:
    """Reads one MetaGraph of a SavedModel.

    Its ``main_op`` is not run; variables are read from the checkpoint in the folder, tables are initialised from the
    assets.
    """
    folder, file = _find(artefact)
    own = None if trusted else folder
    if not artefact.is_file:  # a link that was named by the user may lead anywhere
        files.demand(file.path, own, "SavedModel %r" % folder)
    message = file.message
    if not isinstance(message, _tf.SavedModel):
        raise ModelFormatError("%r is a %s under the name of a SavedModel; rename the file and give its path" % (
            file.path, type(message).__name__))
    chosen = _choose(message, tags, folder)
    meta_graph = _tf.tf.MetaGraphDef()
    meta_graph.CopyFrom(chosen)
    source = "SavedModel %s (tags %s)" % (folder, _shown(chosen))
    values: Callable[[], Mapping[str, Any]] = dict
    if any(node.op in ops.VARIABLES or node.op in ops.MUTABLE_TABLES for node in meta_graph.graph_def.node):
        prefix = join(folder, "variables", "variables")
        files.demand_pattern(prefix, own, "SavedModel %r" % folder)
        if checkpoint.exists(prefix) or any(node.op in ops.VARIABLES for node in meta_graph.graph_def.node):
            values = functools.partial(checkpoint.values, meta_graph.graph_def, meta_graph.saver_def,
                                       checkpoint.open_checkpoint(prefix, source))
    return build.model(meta_graph, source, "saved_model", values, _assets(meta_graph, folder), signature,
                       trusted=trusted, folder=folder)


def _find(artefact: Artefact) -> Tuple[str, Artefact]:
    """The folder of the SavedModel and its protobuf file."""
    if artefact.is_file:
        return os.path.dirname(artefact.path) or ".", artefact
    here = artefact.files()
    for name in FILES:
        if name in here:
            return artefact.path, Artefact(join(artefact.path, name))
    below = _versions(artefact)
    if len(below) > 1:
        raise ModelFormatError("%r holds %d SavedModels (%s); give the path of one of them" % (
            artefact.path, len(below), some(below)), candidates=below)
    return _find(Artefact(join(artefact.path, below[0])))


def file_of(artefact: Artefact) -> Artefact:
    """The protobuf file of a SavedModel."""
    return _find(artefact)[1]


def _versions(artefact: Artefact) -> List[str]:
    """Sub-folders that are SavedModels, as exports and model servers have them."""
    exists = _tf.tf.io.gfile.exists
    return [name for name in artefact.files() if any(exists(join(artefact.path, name, file)) for file in FILES)]


def _choose(saved_model: Any, tags: Any, folder: str) -> Any:
    """The MetaGraph with exactly these tags; without tags the only one, or the one for serving."""
    graphs = list(saved_model.meta_graphs)
    there = "; ".join(_shown(graph) for graph in graphs)
    if tags is None:
        serving = [graph for graph in graphs if set(graph.meta_info_def.tags) == {"serve"}]
        fitting = graphs if len(graphs) == 1 else serving
    else:
        wanted = set(tags.split(",") if isinstance(tags, str) else tags) - {""}
        fitting = [graph for graph in graphs if set(graph.meta_info_def.tags) == wanted]
    if len(fitting) != 1:
        raise ModelFormatError("SavedModel %r has no graph for %s; the tags there: %s; pass tags=" % (
            folder, "tags %s" % sorted(wanted) if tags is not None else "serving alone", there))
    return fitting[0]


def _shown(meta_graph: Any) -> str:
    return ",".join(sorted(meta_graph.meta_info_def.tags)) or "none"


def _assets(meta_graph: Any, folder: str) -> Dict[str, str]:
    """Path of the asset by the name of the tensor that must hold it."""
    found = {}
    for asset in _asset_files(meta_graph):
        parts = asset.filename.replace("\\", "/").split("/")
        if ".." in parts or asset.filename.startswith("/"):
            raise ModelFormatError("SavedModel %r names an asset outside of its folder: %r; the file is damaged or "
                                   "hostile" % (folder, asset.filename))
        found[asset.tensor_info.name] = join(folder, "assets", asset.filename)
    known = {node.name for node in meta_graph.graph_def.node}
    return {name: path for name, path in found.items() if name.partition(":")[0] in known}


def _asset_files(meta_graph: Any) -> List:
    """Asset definitions of a MetaGraph, from its field or, in older files, from its collection."""
    if meta_graph.asset_file_def:
        return list(meta_graph.asset_file_def)
    found = []
    for packed in meta_graph.collection_def["saved_model_assets"].any_list.value if (
            "saved_model_assets" in meta_graph.collection_def) else ():
        asset = _tf.AssetFileDef()
        try:
            if packed.Unpack(asset):
                found.append(asset)
        except _tf.DecodeError as damaged:
            raise ModelFormatError("an asset of the SavedModel is damaged (%s); export it again" % damaged) from damaged
    return found
