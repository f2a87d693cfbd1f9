"""The content of lookup tables taken into the graph, so that one frozen file is all that a model needs."""

import copy
import os
from typing import Any, List, Mapping, Sequence, Tuple

import numpy as np

from graph_tools import _tf, variables
from graph_tools.errors import ModelFileMissingError, ModelFormatError
from graph_tools.graph import functions, names, nodes, ops, walk

_WHOLE_LINE, _LINE_NUMBER = -2, -1


def inline(graph_def: Any, assets: Mapping[str, str], initializers: Sequence[str]) -> None:
    """Replaces, in place, table initialisers that read a file by ones that hold its content.

    One that reads it in a function becomes an initialiser in the graph.

    Args:
      graph_def: the graph.
      assets: file path by the name of the tensor that must hold it.
      initializers: the initialisers that may be run; the file that any other names is not looked at.

    Raises:
      ModelFileMissingError: a vocabulary file is not there.
      ModelFormatError: a line of it is not what the table needs.
    """
    index = walk.GraphIndex(graph_def)
    for node in list(graph_def.node):
        if node.op in ops.FROM_FILE and node.name in initializers:
            path = variables.text_file(index, node.name, assets)
            table = index.nodes.get(variables.root(index, index.data_inputs(node.name)[0]))
            if path is not None and table is not None and "key_dtype" in table.attr:
                _hold(graph_def, node, node, table, path)
        elif node.op in ops.CALLS and node.name in initializers:
            _hold_called(graph_def, index, node, assets)
    for name, path in assets.items():
        hold_path(index.nodes[names.parse(name).node], path)


def hold_path(node: Any, path: str) -> None:
    """Makes the node that the path of a file is fed to a constant, in place."""
    node.device = ""
    nodes.become(node, "Const", **nodes.constant(path))


def import_tables(graph_def: Any, contents: Mapping[str, Tuple[Any, Any]]) -> Tuple[str, ...]:
    """Adds to the graph, in place, an op for each mutable table that fills it; returns their names.

    Args:
      graph_def: the graph.
      contents: keys and values by the name of the table's node.
    """
    added = []
    for node in list(graph_def.node):
        if node.name not in contents:
            continue
        fill = "%s/graph_tools_import" % node.name
        inputs = [node.name] + _constants(graph_def, fill, *contents[node.name])
        nodes.add(graph_def, "LookupTableImportV2" if node.op.endswith("V2") else "LookupTableImport", fill, inputs,
                  Tin=node.attr["key_dtype"], Tout=node.attr["value_dtype"])
        added.append(fill)
    return tuple(added)


def _constants(graph_def: Any, scope: str, keys: Any, values: Any) -> List[str]:
    """Adds two constants; returns their names."""
    return [nodes.add(graph_def, "Const", "%s/%s" % (scope, name), **nodes.constant(content)).name
            for name, content in (("keys", keys), ("values", values))]


def _hold_called(graph_def: Any, index: walk.GraphIndex, node: Any, assets: Mapping[str, str]) -> None:
    """The same for an initialiser that calls a function with the table and the path of its file."""
    library = {function.signature.name: function for function in graph_def.library.function}
    reached = functions.reach(functions.called(node), functions.calls(graph_def.library))
    reads = [inner for name in reached for inner in library[name].node_def if inner.op in ops.FROM_FILE]
    if len(reads) != 1:  # its keys are constants, not the lines of a file
        return
    roots = [variables.root(index, ref) for ref in index.data_inputs(node.name)]
    tables = [index.nodes[root] for root in roots if "key_dtype" in index.nodes[root].attr]
    paths = [assets.get(root + ":0") or os.fsdecode(_tf.make_ndarray(index.nodes[root].attr["value"].tensor).item())
             for root in roots if index.op(root) == "Const" and index.nodes[root].attr["dtype"].type == 7]
    if len(tables) == len(paths) == 1 and not index.consumers(node.name, control=False):
        control = [entry for entry in node.input if entry.startswith("^")]
        node.input[:] = [tables[0].name] + control
        _hold(graph_def, node, reads[0], tables[0], paths[0])


def _hold(graph_def: Any, node: Any, reader: Any, table: Any, path: str) -> None:
    """Makes one initialiser hold the keys and values of its file, as ``reader`` (it or one in a function) reads it."""
    tf = _tf.tf
    keys, values = read(reader, path, tf.as_dtype(table.attr["key_dtype"].type),
                        tf.as_dtype(table.attr["value_dtype"].type))
    own = {name: copy.deepcopy(value) for name, value in node.attr.items() if name.startswith("_")}
    inputs = node.input[:1] + _constants(graph_def, node.name, keys, values) + [
        entry for entry in node.input if entry.startswith("^")]
    nodes.become(node, "InitializeTableV2" if reader.op.endswith("V2") else "InitializeTable", inputs,
                 Tkey=table.attr["key_dtype"].type, Tval=table.attr["value_dtype"].type, **own)


def read(node: Any, path: str, key_type: Any, value_type: Any) -> Tuple[np.ndarray, np.ndarray]:
    """Keys and values as the op reads them: the whole line, its number, or a column of it."""
    try:
        with _tf.tf.io.gfile.GFile(path, "rb") as file:
            lines = file.read().split(b"\n")
    except _tf.tf.errors.OpError as problem:
        raise ModelFileMissingError("vocabulary file %r of %r cannot be read (%s); put it there" % (
            path, node.name, problem.message)) from problem
    if lines and not lines[-1]:
        lines.pop()
    size = node.attr["vocab_size"].i if "vocab_size" in node.attr else -1
    offset = node.attr["offset"].i if "offset" in node.attr else 0
    lines = lines[:size] if size >= 0 else lines
    delimiter = node.attr["delimiter"].s if "delimiter" in node.attr else b"\t"

    def column(which: int, dtype: Any) -> np.ndarray:
        if which == _LINE_NUMBER:
            found: List[Any] = [number + offset for number in range(len(lines))]
        else:
            found = lines if which == _WHOLE_LINE else [line.split(delimiter)[which] for line in lines]
        if dtype == _tf.tf.string:
            return np.array(found, object)
        return np.array([float(each) if dtype.is_floating else int(each) for each in found], dtype.as_numpy_dtype)

    try:
        return column(node.attr["key_index"].i, key_type), column(node.attr["value_index"].i, value_type)
    except (IndexError, ValueError, OverflowError) as problem:
        raise ModelFormatError("vocabulary file %r does not fit table %r (%s); mend the file" % (
            path, node.name, problem)) from problem
