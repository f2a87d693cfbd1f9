"""Write a model so that plain TensorFlow of any release loads it: a frozen file, or a SavedModel folder."""

import os
from typing import Any, Callable, Dict, List, Sequence

import numpy as np

from graph_tools import _tf, constants, following, variables, vocabulary, whole_files
from graph_tools.errors import EditError, ModelFormatError
from graph_tools.graph import names, nodes, ops, walk
from graph_tools.releases import portable
from graph_tools.running import forks

_SCOPE = "graph_tools_save"
_INIT = "__saved_model_init_op"


def write(model: Any, path: Any) -> None:
    """Writes a model to ``path``; the kind of file is told by its ending (see ``Model.save``)."""
    path = os.path.expanduser(os.fspath(path))
    if path.endswith(".pb"):
        _write_file(path, _frozen(model).SerializeToString())
    elif path.endswith(".pbtxt"):
        _write_file(path, _tf.text_format.MessageToString(_frozen(model)).encode("utf-8"))
    else:
        _write_saved_model(model, path)


def _frozen(model: Any) -> Any:
    graph_def = constants.of_model(model).graph_def
    vocabulary.import_tables(graph_def, _tables(model))
    there = {node.name for node in graph_def.node}
    vocabulary.inline(graph_def, {name: path for name, path in model.assets.items()
                                  if names.parse(name).node in there}, model.initializers)
    portable.strip(graph_def)
    if graph_def.ByteSize() > 2 ** 31 - 2 ** 20:
        raise EditError("the graph is more than 2 GB, which no file of one GraphDef can hold; save a SavedModel folder")
    return graph_def


def _tables(model: Any) -> Dict[str, Any]:
    """Keys and values of mutable tables."""
    return {node.name: model.variables[node.name] for node in model.meta_graph.graph_def.node
            if node.op in ops.MUTABLE_TABLES and node.name in model.variables}


def _write_file(path: str, data: bytes) -> None:
    """Writes all or nothing: a reader never sees half a file, and an error leaves none behind."""
    folder = os.path.dirname(path)
    if "://" not in path:
        os.makedirs(folder or ".", exist_ok=True)
        with whole_files.writing(path) as file:
            file.write(data)
        return
    files = _tf.tf.io.gfile  # a file system of TensorFlow's
    if folder:
        files.makedirs(folder)
    try:
        with files.GFile(path + ".part", "wb") as file:
            file.write(data)
        files.rename(path + ".part", path, overwrite=True)
    except BaseException:
        if files.exists(path + ".part"):
            files.remove(path + ".part")
        raise


def _write_saved_model(model: Any, folder: str) -> None:
    """Writes all or nothing: an error leaves the folder as it was, absent or empty."""
    files = _tf.tf.io.gfile
    if files.exists(folder) and (not files.isdir(folder) or files.listdir(folder)):
        raise ModelFormatError("%r is there already and a SavedModel needs a folder of its own; give a new path, or "
                               "one that ends in .pb for a frozen file" % folder)
    empty = files.exists(folder)
    if "://" not in folder:
        with whole_files.writing_folder(folder) as aside:
            _fill(model, aside)
        return
    try:
        _fill(model, folder)
    except BaseException:
        if files.exists(folder):
            files.rmtree(folder)
        if empty:
            files.makedirs(folder)
        raise


def _fill(model: Any, folder: str) -> None:
    """Variables in a checkpoint, assets copied, a main op that initialises the tables."""
    files = _tf.tf.io.gfile
    meta_graph = _tf.tf.MetaGraphDef()
    meta_graph.CopyFrom(model.meta_graph)
    portable.strip(meta_graph.graph_def)
    following.clean_collections(meta_graph)
    # The checkpoint goes by node names: TF 2's object graph would send its loader after keys that are not there.
    meta_graph.ClearField("object_graph_def")
    meta_graph.meta_info_def.ClearField("tags")
    meta_graph.meta_info_def.tags.append("serve")
    files.makedirs(folder)
    imports = vocabulary.import_tables(meta_graph.graph_def, _tables(model))
    _add_saver(meta_graph, model, folder)
    _add_assets(meta_graph, model, folder)
    _add_main_op(meta_graph, model.initializers + imports)
    saved_model = _tf.SavedModel(saved_model_schema_version=1, meta_graphs=[meta_graph])
    _write_file(folder.rstrip("/") + "/saved_model.pb", saved_model.SerializeToString())


def _add_saver(meta_graph: Any, model: Any, folder: str) -> None:
    """Adds save and restore ops for the variables that have values, and writes the checkpoint they belong to."""
    meta_graph.ClearField("saver_def")
    stored = [node for node in meta_graph.graph_def.node if node.op in ops.VARIABLES
              and node.name in model.variables]
    if not stored:
        return
    graph_def = meta_graph.graph_def
    add = _adder(graph_def)
    default = add("filename/default", "Const", **nodes.constant(np.array("model", object)))
    filename = add("filename", "PlaceholderWithDefault", [default], dtype="string", shape=())
    keys = add("keys", "Const", **nodes.constant(np.array([node.name for node in stored], object)))
    slices = add("slices", "Const", **nodes.constant(np.array([""] * len(stored), object)))
    types = [_tf.tf.as_dtype(node.attr["dtype"].type).base_dtype for node in stored]
    values = [add("read_%d" % number, "ReadVariableOp", [node.name], dtype=types[number])
              if node.op == "VarHandleOp" else node.name for number, node in enumerate(stored)]
    saved = add("save", "SaveV2", [filename, keys, slices] + values, dtypes=types)
    restored = add("restore", "RestoreV2", [filename, keys, slices], dtypes=types)
    assigned = []
    for number, node in enumerate(stored):
        value = add("value_%d" % number, "Identity", ["%s:%d" % (restored, number)], T=types[number])
        if node.op == "VarHandleOp":
            assigned.append(add("assign_%d" % number, "AssignVariableOp", [node.name, value], dtype=types[number]))
        else:
            assigned.append(add("assign_%d" % number, "Assign", [node.name, value], T=types[number],
                                validate_shape=False))
    saver = meta_graph.saver_def
    saver.filename_tensor_name = filename + ":0"
    saver.save_tensor_name = add("saved", "Identity", [filename, "^" + saved], T="string") + ":0"
    saver.restore_op_name = add("restore_all", "NoOp", ["^" + name for name in assigned])
    saver.version = 2
    _write_checkpoint(model, stored, types, folder)


def _write_checkpoint(model: Any, stored: List[Any], types: List[Any], folder: str) -> None:
    """Writes ``variables/variables`` with an op of our own, in a graph of its own."""
    tf = _tf.tf
    tf.io.gfile.makedirs(folder.rstrip("/") + "/variables")
    with tf.Graph().as_default(), tf.device("/cpu:0"):
        values = [tf.placeholder(dtype) for dtype in types]
        names_ = [node.name for node in stored]
        save = _tf.raw_save(folder.rstrip("/") + "/variables/variables", names_, [""] * len(names_), values)
        forks.refuse_in_child()
        with tf.Session(config=_tf.session_config()) as session:
            session.run(save, {value: model.variables[node.name] for value, node in zip(values, stored)})


def _add_assets(meta_graph: Any, model: Any, folder: str) -> None:
    """Copies vocabulary files into the folder, those that the graph names by a constant path too."""
    index = walk.GraphIndex(meta_graph.graph_def)
    assets: Dict[str, str] = dict(model.assets)
    for name in model.initializers:
        for node_name in index.ancestors([name]):
            if index.op(node_name) in ops.FROM_FILE:
                tensor = variables.file_name_tensor(index, node_name, assets)
                path = variables.text_file(index, node_name, assets)
                if tensor is not None and path is not None:
                    assets.setdefault(tensor, path)
    del meta_graph.asset_file_def[:]
    files = _tf.tf.io.gfile
    taken: Dict[str, str] = {}
    for tensor, path in sorted(assets.items()):
        base = os.path.basename(path)
        while taken.setdefault(base, path) != path:
            base = "_" + base
        files.makedirs(folder.rstrip("/") + "/assets")
        files.copy(path, "%s/assets/%s" % (folder.rstrip("/"), base), overwrite=True)
        # TF 2 cannot load tables that hang off a placeholder; loaders overwrite the constant with their own path.
        vocabulary.hold_path(index.nodes[names.parse(tensor).node], base)
        asset = meta_graph.asset_file_def.add(filename=base)
        asset.tensor_info.name = tensor
        asset.tensor_info.dtype = 7  # DT_STRING
    if "saved_model_assets" in meta_graph.collection_def:
        del meta_graph.collection_def["saved_model_assets"]


def _add_main_op(meta_graph: Any, initializers: Any) -> None:
    """A main op that runs the table initialisers, where all releases look for it; whatever was there goes."""
    for key in ("saved_model_main_op", "legacy_init_op"):
        if key in meta_graph.collection_def:
            del meta_graph.collection_def[key]
    if _INIT in meta_graph.signature_def:
        del meta_graph.signature_def[_INIT]
    if not initializers:
        return
    add = _adder(meta_graph.graph_def)
    init = add("init_tables", "NoOp", ["^" + name for name in initializers])
    meta_graph.collection_def["saved_model_main_op"].node_list.value.append(init)
    meta_graph.signature_def[_INIT].outputs[_INIT].name = init


def _adder(graph_def: Any) -> Callable[..., str]:
    """Adds nodes to a GraphDef under a scope of our own; returns their names."""
    scope = nodes.free_name(_SCOPE, {node.name.split("/")[0] for node in graph_def.node})

    def add(name: str, op: str, inputs: Sequence[str] = (), **attrs: Any) -> str:
        return nodes.add(graph_def, op, "%s/%s" % (scope, name), inputs, **attrs).name

    return add
