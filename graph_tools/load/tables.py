"""Lookup tables: what must run once in a new session so that they hold their vocabulary, and nothing else.

A SavedModel's ``main_op`` or ``legacy_init_op`` is an op of the file's choosing. It is not run; the initialisers of the
tables are looked up in the graph by type, and run when all that they depend on is harmless.
"""

import os
from typing import Dict, List, Mapping, NamedTuple, Optional, Set, Tuple

from graph_tools import functions, names, scan, variables, walk

INITIALIZERS = frozenset((
    "InitializeTable", "InitializeTableV2", "InitializeTableFromTextFile", "InitializeTableFromTextFileV2",
    "InitializeTableFromDataset", "LookupTableImport", "LookupTableImportV2"))
STATIC_TABLES = frozenset(("HashTable", "HashTableV2", "AnonymousHashTable"))
_CALLS = frozenset(("PartitionedCall", "StatefulPartitionedCall"))
# Ops with an effect, or with a value that a file cannot carry: an initialiser that depends on one is not run.
_UNSAFE = scan.PYTHON | frozenset((
    "WriteFile", "SaveV2", "Save", "SaveSlices", "RestoreV2", "Restore", "RestoreSlice", "MergeV2Checkpoints",
    "ReadFile", "MatchingFiles", "PrintV2", "Print", "Assign", "AssignAdd", "AssignSub", "AssignVariableOp",
    "AssignAddVariableOp", "AssignSubVariableOp", "QueueDequeue", "QueueDequeueV2", "QueueDequeueMany",
    "QueueDequeueManyV2", "QueueEnqueueV2", "QueueEnqueueManyV2", "ReaderReadV2", "Abort",
    "ScatterUpdate", "DeleteSessionTensor"))


class Found(NamedTuple):
    """What to run, what to feed, and what to tell."""

    initializers: Tuple[str, ...]
    assets: Mapping[str, str]
    warnings: Tuple[str, ...]


def initializers(graph_def, assets: Mapping[str, str] = ()) -> Found:
    """The initialisers of a graph's tables.

    Args:
      graph_def: the graph.
      assets: file path by the name of the tensor that must hold it.
    """
    index = walk.GraphIndex(graph_def)
    assets = dict(assets)
    library = {function.signature.name: function for function in graph_def.library.function}
    table = functions.calls(graph_def.library)
    run: List[str] = []
    warnings: List[str] = []
    ready: Set[str] = set()
    for node in graph_def.node:
        if node.op in INITIALIZERS:
            ops = {index.op(name) for name in index.ancestors([node.name])}
        elif node.op in _CALLS and _initializes(node, library, table):
            ops = {index.op(name) for name in index.ancestors([node.name])}
            ops |= {inner.op for name in functions.reach(functions.called(node), table)
                    for inner in library[name].node_def}
        else:
            continue
        problem = _problem(index, node, ops, assets)
        if problem is None:
            run.append(node.name)
            ready |= _tables_of(index, node)
        elif node.op not in ("LookupTableImport", "LookupTableImportV2"):  # a checkpoint's values come otherwise
            warnings.append("lookup table %s stays empty: %s" % (
                ", ".join(repr(name) for name in sorted(_tables_of(index, node))) or repr(node.name), problem))
    return Found(tuple(run), assets, tuple(warnings) + _lost(graph_def, index, ready, warnings))


def _initializes(node, library, table) -> bool:
    """Whether a call does nothing but fill tables (and there is one to fill)."""
    inner = [inner for name in functions.reach(functions.called(node), table) for inner in library[name].node_def]
    return any(each.op in INITIALIZERS for each in inner) and not any(each.op in _UNSAFE for each in inner)


def _problem(index: walk.GraphIndex, node, ops: Set[str], assets: Mapping[str, str]) -> Optional[str]:
    """Why an initialiser cannot be run, or ``None``."""
    fed = {names.parse(name).node for name in assets}
    unsafe = sorted(ops & _UNSAFE)
    if unsafe:
        return "its initialiser %r depends on %s, which is not run at load" % (node.name, unsafe[0])
    ancestors = index.ancestors([node.name])
    holes = [name for name in ancestors if index.op(name) in ("Placeholder", "PlaceholderV2") and name not in fed]
    if holes:
        return "its initialiser %r needs a value for placeholder %r" % (node.name, sorted(holes)[0])
    for name in sorted(ancestors):
        if index.op(name) in variables.FROM_FILE:
            path = variables.text_file(index, name, assets)
            if path is not None and not os.path.exists(path):
                return "its vocabulary file %r is not there; put it there, or feed the ids tensor behind it" % path
    return None


def _tables_of(index: walk.GraphIndex, node) -> Set[str]:
    """Table nodes that an initialiser, or a call of one, takes."""
    roots = {variables.root(index, ref) for ref in index.data_inputs(node.name)}
    return {name for name in roots if index.op(name) in STATIC_TABLES or index.op(name) in variables.MUTABLE_TABLES}


def _lost(graph_def, index: walk.GraphIndex, ready: Set[str], told: List[str]) -> Tuple[str, ...]:
    """Static tables that nothing fills: freezing cut their initialisers off."""
    shared: Dict[Tuple, bool] = {}
    for name in ready:
        shared[variables.identity(index.nodes[name])] = True
    empty = [node.name for node in graph_def.node if node.op in STATIC_TABLES and node.name not in ready
             and variables.identity(node) not in shared
             and not any(repr(node.name) in warning for warning in told)]
    return tuple("lookup table %r lost its initialiser when the graph was frozen; load the SavedModel it came from, or "
                 "feed the ids: %s" % (name, _lookups(index, name)) for name in empty)


def _lookups(index: walk.GraphIndex, table: str) -> str:
    """The tensors that are looked up in a table, for people."""
    todo, seen, found = [table], set(), []
    while todo:
        for use in index.consumers(todo.pop(), control=False):
            if use.node not in seen:
                seen.add(use.node)
                if index.op(use.node).startswith("LookupTableFind"):
                    found.append(use.node + ":0")
                elif index.op(use.node) in ("Identity", "Enter", "Switch"):
                    todo.append(use.node)
    return ", ".join(repr(name) for name in found[:3]) or "the tensor that is looked up in it"
