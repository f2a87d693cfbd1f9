"""Lookup tables: what must run once in a new session so that they hold their vocabulary, and nothing else.

A SavedModel's ``main_op`` or ``legacy_init_op`` is an op of the file's choosing. It is not run; the initialisers of the
tables are looked up in the graph by type, and run when all that they depend on is harmless.
"""

from typing import Dict, List, Mapping, NamedTuple, Optional, Set, Tuple

from graph_tools import _tf, variables
from graph_tools.graph import functions, names, ops, scan, walk

# Ops with an effect, or with a value that a file cannot carry: an initialiser that depends on one is not run.
# Placeholders are asked for by name, and a parser only computes.
_UNSAFE = scan.PYTHON | ops.SAVES | ops.RESTORES | ops.ASSIGNS | ops.FILLS | (ops.ORIGINS - ops.PLACEHOLDERS) | {
    "WriteFile", "ReadFile", "MatchingFiles", "PrintV2", "Print", "Abort", "ScatterUpdate", "DeleteSessionTensor"}


class Found(NamedTuple):
    """What to run, what to feed, and what to tell."""

    initializers: Tuple[str, ...]
    assets: Mapping[str, str]
    warnings: Tuple[str, ...]


def initializers(graph_def, assets: Mapping[str, str] = (), values: Mapping = ()) -> Found:
    """The initialisers of a graph's tables.

    Args:
      graph_def: the graph.
      assets: file path by the name of the tensor that must hold it.
      values: what is known of variables and mutable tables, by node name.
    """
    index = walk.GraphIndex(graph_def)
    assets = dict(assets)
    library = {function.signature.name: function for function in graph_def.library.function}
    table = functions.calls(graph_def.library)
    run: List[str] = []
    warnings: List[str] = []
    empty: Set[str] = set()
    ready: Set[str] = {node.name for node in graph_def.node
                       if node.op in ops.MUTABLE_TABLES and node.name in values}
    for node in graph_def.node:
        inside = _filled_inside(node, library, table)
        if node.op not in ops.TABLE_INITIALIZERS and not inside:
            continue
        problem = _problem(index, node, assets)
        if problem is None:
            run.append(node.name)
            ready |= _tables_of(index, node)
        elif node.op not in ops.TABLE_IMPORTS:  # a checkpoint's values come otherwise
            empty |= _tables_of(index, node)
            warnings.append("lookup table %s stays empty: %s" % (
                ", ".join(repr(name) for name in sorted(_tables_of(index, node))) or repr(node.name), problem))
    return Found(tuple(run), assets, tuple(warnings) + _lost(graph_def, index, ready | empty))


def _filled_inside(node, library, table) -> bool:
    """Whether a node calls a function that does nothing but fill tables (and there is one to fill)."""
    if node.op not in ops.CALLS:
        return False
    inner = {each.op for name in functions.reach(functions.called(node), table) for each in library[name].node_def}
    return bool(inner & ops.TABLE_INITIALIZERS) and not inner & _UNSAFE


def asset_variables(graph_def, assets: Mapping[str, str]) -> Dict[str, str]:
    """Variables that hold the path of an asset, as TF 2 has them: path by node name."""
    index = walk.GraphIndex(graph_def)
    return {variables.root(index, index.data_inputs(node.name)[0]): assets[_path_source(index, node)]
            for node in graph_def.node if node.op == "AssignVariableOp" and _path_source(index, node) in assets}


def _path_source(index: walk.GraphIndex, assign) -> str:
    """The tensor that an assignment stores, behind identities."""
    return variables.root(index, index.data_inputs(assign.name)[1]) + ":0"


def _problem(index: walk.GraphIndex, node, assets: Mapping[str, str]) -> Optional[str]:
    """Why an initialiser cannot be run, or ``None``."""
    fed = {names.parse(name).node for name in assets}
    unsafe = sorted(name for name in index.ancestors([node.name]) if index.op(name) in _UNSAFE and not (
        index.op(name) == "AssignVariableOp" and _path_source(index, index.nodes[name]) in assets))
    if unsafe:
        return "its initialiser %r depends on %r, an op %s, which is not run at load" % (
            node.name, unsafe[0], index.op(unsafe[0]))
    ancestors = index.ancestors([node.name])
    holes = [name for name in ancestors if index.op(name) in ops.MUST_BE_FED and name not in fed]
    if holes:
        return "its initialiser %r needs a value for placeholder %r" % (node.name, sorted(holes)[0])
    for path in sorted(_files(index, ancestors, assets)):
        if not _tf.tf.io.gfile.exists(path):
            return "its vocabulary file %r is not there; put it there, or feed the ids behind the table" % path
    return None


def _files(index: walk.GraphIndex, ancestors: Set[str], assets: Mapping[str, str]) -> Set[str]:
    """Files that an initialiser with these ancestors reads, as far as the graph tells."""
    paths = {path for name, path in assets.items() if names.parse(name).node in ancestors}
    paths |= {variables.text_file(index, name, assets) for name in ancestors if index.op(name) in ops.FROM_FILE}
    return paths - {None}


def _tables_of(index: walk.GraphIndex, node) -> Set[str]:
    """Table nodes that an initialiser, or a call of one, takes."""
    roots = {variables.root(index, ref) for ref in index.data_inputs(node.name)}
    return {name for name in roots if index.op(name) in ops.TABLES}


def _lost(graph_def, index: walk.GraphIndex, known: Set[str]) -> Tuple[str, ...]:
    """Tables that nothing fills, but ``known`` ones: freezing cut their initialisers off, or a checkpoint has none."""
    known = {variables.identity(index.nodes[name]) for name in known}
    found = []
    for node in graph_def.node:
        if node.op not in ops.TABLES:
            continue
        if variables.identity(node) in known:
            continue
        why = "lost its initialiser when the graph was frozen" if node.op in ops.STATIC_TABLES else "has no content"
        found.append("lookup table %r %s; load the SavedModel or checkpoint it came from, or feed the ids: %s" % (
            node.name, why, _lookups(index, node.name)))
    return tuple(found)


def _lookups(index: walk.GraphIndex, table: str) -> str:
    """The tensors that are looked up in a table, for people."""
    todo, seen, found = [table], set(), []
    while todo:
        for use in index.consumers(todo.pop(), control=False):
            if use.node not in seen:
                seen.add(use.node)
                if index.op(use.node) in ops.TABLE_FINDS:
                    found.append(use.node + ":0")
                elif index.op(use.node) in ("Identity", "Enter", "Switch"):
                    todo.append(use.node)
    return ", ".join(repr(name) for name in found[:3]) or "the tensor that is looked up in it"
