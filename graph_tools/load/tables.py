"""Lookup tables: what must run once in a new session so that they hold their vocabulary, and nothing else.

A SavedModel's ``main_op`` or ``legacy_init_op`` is an op of the file's choosing. It is not run; the initialisers of the
tables are looked up in the graph by type, and run when all that they depend on is harmless.
"""

import os
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Set, Tuple

from graph_tools import _tf, variables
from graph_tools.graph import functions, names, ops, walk
from graph_tools.safety import families, files, judge

_STRING = 7  # DT_STRING
# Ops that change other state, or wait for it: an initialiser that depends on one is not run, whatever else it does.
# Placeholders are asked for by name, and a parser only computes.
_OTHER_STATE = ops.ASSIGNS | ops.FILLS | (ops.ORIGINS - ops.PLACEHOLDERS) | {
    "PrintV2", "Print", "ScatterUpdate", "ResourceScatterUpdate", "DeleteSessionTensor"}
# All that a function may do which fills a table from the file whose name it is given.
_FILLING = ops.FROM_FILE | variables.PASSES | ops.CALLS | {"NoOp", "Const"}
_PASSING = ("Identity", "Enter", "Switch")  # a table's handle, on its way to what reads it
_NEAR = 16                                  # nodes behind a lookup that are looked at


class Found(NamedTuple):
    """What to run, what to feed, and what to tell."""

    initializers: Tuple[str, ...]
    assets: Mapping[str, str]
    warnings: Tuple[str, ...]


def initializers(index: walk.GraphIndex, assets: Optional[Mapping[str, str]] = None,
                 values: Optional[Mapping[str, Any]] = None, folder: Optional[str] = None) -> Found:
    """The initialisers of a graph's tables.

    Args:
      index: of the graph.
      assets: file path by the name of the tensor that must hold it.
      values: what is known of variables and mutable tables, by node name.
      folder: where the vocabulary files must be; ``None``: anywhere.
    """
    library_def, values, assets = index.graph_def.library, values or {}, dict(assets or {})
    assets.update(_moved(index, assets, folder))
    library = {function.signature.name: function for function in library_def.function}
    table = functions.calls(library_def)
    run: List[str] = []
    warnings: List[str] = []
    empty: Set[str] = set()
    ready: Set[str] = {node.name for node in index.nodes.values()
                       if node.op in ops.MUTABLE_TABLES and node.name in values}
    for node in index.nodes.values():
        inside = _filled_inside(node, library, table)
        if node.op not in ops.TABLE_INITIALIZERS and not inside:
            continue
        problem = _problem(index, node, assets, folder) or _problem_inside(index, node, inside, assets, folder)
        if problem is None:
            run.append(node.name)
            ready |= _tables_of(index, node)
        elif node.op not in ops.TABLE_IMPORTS:  # a checkpoint's values come otherwise
            empty |= _tables_of(index, node)
            warnings.append(type(problem)("lookup table %s stays empty: %s" % (
                ", ".join(repr(name) for name in sorted(_tables_of(index, node))) or repr(node.name), problem)))
    return Found(tuple(run), assets, tuple(warnings) + _lost(index, ready | empty))


def _moved(index: walk.GraphIndex, assets: Mapping[str, str], folder: Optional[str]) -> Dict[str, str]:
    """Vocabulary files that have moved with their model: path in its folder by the tensor that holds another."""
    found = {}
    for name in index.names_of(ops.FROM_FILE):
        tensor = variables.file_name_tensor(index, name, assets)
        if tensor is None or tensor in assets:
            continue
        path = variables.text_file(index, name, assets)
        if path is not None and files.own(path, folder) != path:
            found[tensor] = files.own(path, folder)
    return found


def _filled_inside(node: Any, library: Dict[str, Any], table: Dict[str, List[str]]) -> list:
    """The nodes of the functions that a node calls, when they do nothing but fill tables (and there is one to fill)."""
    if node.op not in ops.CALLS:
        return []
    nodes = [inner for name in functions.reach(functions.called(node), table) for inner in library[name].node_def]
    fills = any(inner.op in ops.TABLE_INITIALIZERS for inner in nodes)
    return nodes if fills and not any(_has_effect(inner) and inner.op not in library for inner in nodes) else []


def _has_effect(node: Any) -> bool:
    """Whether a node does more than compute, hold or fill (a vocabulary is read by its initialiser alone)."""
    if node.op in _OTHER_STATE:
        return True
    return node.op not in ops.FROM_FILE and families.reaching(node) is not None


def _problem_inside(index: walk.GraphIndex, node: Any, inside: list, assets: Mapping[str, str],
                    folder: Optional[str]) -> Optional[str]:
    """Why a function that fills a table from a file may not, or ``None``: it must be handed the file's name."""
    if folder is None or not any(inner.op in ops.FROM_FILE for inner in inside):
        return None
    if any(inner.op not in _FILLING or (inner.op == "Const" and inner.attr["dtype"].type == _STRING)
           for inner in inside):
        return "its initialiser %r makes up the name of its vocabulary file" % node.name
    known = set(asset_variables(index, assets)) | {names.parse(name).node for name in assets}
    for name in [_source(index, ref) for ref in index.data_inputs(node.name)]:
        if index.op(name) == "Const" and name not in known and index.nodes[name].attr["dtype"].type == _STRING:
            for path in _tf.make_ndarray(index.nodes[name].attr["value"].tensor).ravel():
                why = files.refusal(os.fsdecode(path), folder)
                if why:
                    return files.NotOwn("its vocabulary file " + why)
        elif name not in known and index.op(name) != "Const" and index.op(name) not in ops.TABLES:
            return "its initialiser %r takes the name of its vocabulary file from %r" % (node.name, name)
    return None


def _source(index: walk.GraphIndex, ref: names.TensorRef) -> str:
    """The node that holds a value, behind identities and behind the reading of a variable."""
    name = variables.root(index, ref)
    return variables.root(index, index.data_inputs(name)[0]) if index.op(name) == "ReadVariableOp" else name


def asset_variables(index: walk.GraphIndex, assets: Mapping[str, str]) -> Dict[str, str]:
    """Variables that hold the path of an asset, as TF 2 has them: path by node name, every handle of each."""
    paths = {variables.identity(index.nodes[variables.root(index, index.data_inputs(node.name)[0])]): assets[
        _path_source(index, node)] for node in index.nodes.values()
        if node.op == "AssignVariableOp" and _path_source(index, node) in assets}
    # Another handle of the same variable must not put another path there when the values are restored.
    return {node.name: paths[variables.identity(node)] for node in index.nodes.values()
            if paths and node.op in ops.VARIABLES and variables.identity(node) in paths}


def _path_source(index: walk.GraphIndex, assign: Any) -> str:
    """The tensor that an assignment stores, behind identities."""
    return variables.root(index, index.data_inputs(assign.name)[1]) + ":0"


def _problem(index: walk.GraphIndex, node: Any, assets: Mapping[str, str], folder: Optional[str]) -> Optional[str]:
    """Why an initialiser cannot be run, or ``None``."""
    fed = {names.parse(name).node for name in assets}
    hostile = judge.tainted_functions(index.graph_def.library)
    unsafe = sorted(name for name in index.ancestors([node.name]) if name != node.name and (
        _has_effect(index.nodes[name]) or any(called in hostile for called in functions.called(index.nodes[name])))
        and not (index.op(name) == "AssignVariableOp" and _path_source(index, index.nodes[name]) in assets))
    if unsafe:
        return "its initialiser %r depends on %r, an op %s, which is not run at load" % (
            node.name, unsafe[0], index.op(unsafe[0]))
    ancestors = index.ancestors([node.name])
    holes = [name for name in ancestors if index.op(name) in ops.MUST_BE_FED and name not in fed]
    if holes:
        return "its initialiser %r needs a value for placeholder %r" % (node.name, sorted(holes)[0])
    for name in sorted(ancestors):
        if folder is not None and index.op(name) in ops.FROM_FILE and not variables.text_file(
                index, name, assets):
            return "its initialiser %r computes the name of its vocabulary file" % name
    for path in sorted(_files(index, ancestors, assets)):
        why = files.refusal(path, folder)
        if why:
            return files.NotOwn("its vocabulary file %s; copy it there, or, %s" % (why, judge.TRUSTED))
        if not _tf.tf.io.gfile.exists(path):
            return "its vocabulary file %r is not there; put it there, or feed the ids behind the table" % path
    return None


def _files(index: walk.GraphIndex, ancestors: Set[str], assets: Mapping[str, str]) -> Set[str]:
    """Files that an initialiser with these ancestors reads, as far as the graph tells."""
    paths = {path for name, path in assets.items() if names.parse(name).node in ancestors}
    read = [variables.text_file(index, name, assets) for name in ancestors if index.op(name) in ops.FROM_FILE]
    return paths.union(path for path in read if path is not None)


def _tables_of(index: walk.GraphIndex, node: Any) -> Set[str]:
    """Table nodes that an initialiser, or a call of one, takes."""
    roots = {variables.root(index, ref) for ref in index.data_inputs(node.name)}
    return {name for name in roots if index.op(name) in ops.TABLES}


def _lost(index: walk.GraphIndex, known: Set[str]) -> Tuple[str, ...]:
    """Tables that nothing fills, but ``known`` ones: freezing cut their initialisers off, or a checkpoint has none."""
    filled = {variables.identity(index.nodes[name]) for name in known}
    found = []
    for node in index.nodes.values():
        if node.op not in ops.TABLES:
            continue
        if variables.identity(node) in filled:
            continue
        why = "lost its initialiser when the graph was frozen" if node.op in ops.STATIC_TABLES else "has no content"
        found.append("lookup table %r %s; load the SavedModel or checkpoint it came from, or feed the ids: %s" % (
            node.name, why, _lookups(index, node.name)))
    return tuple(found)


def _lookups(index: walk.GraphIndex, table: str) -> str:
    """The tensors to feed instead of a table, for people: what is looked up, buckets of unknown words included."""
    after = index.descendants([table], control=False,
                              stop=lambda name: name != table and index.op(name) not in _PASSING)
    reads = [name for name in index.nodes if name in after and name != table and index.op(name) not in _PASSING]
    finds = [name for name in reads if index.op(name) in ops.TABLE_FINDS]
    found = [name + ":0" for name in [_joined(index, finds[0], reads)] if name] if finds else []
    return ", ".join(map(repr, found or [name + ":0" for name in finds[:3]])) or "the tensor that is looked up in it"


def _joined(index: walk.GraphIndex, find: str, reads: List[str]) -> Optional[str]:
    """The nearest node behind a lookup, of its type, that all passes through which is computed from some nodes."""
    name, dtype = find, index.nodes[find].attr["Tout"].type
    for _ in range(_NEAR):
        passed = index.descendants(reads, control=False, stop=name.__eq__)
        if all(other == name or index.consumers(other, False) for other in passed):
            return name
        after = [use.node for use in index.consumers(name, False)]
        if not after or index.nodes[after[0]].attr["T"].type != dtype:
            return None
        name = after[0]
    return None
