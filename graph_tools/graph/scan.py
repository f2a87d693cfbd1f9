"""Read a GraphDef from a stranger before TensorFlow does: what is broken, what would run by merely importing it.

``import_graph_def`` evaluates constants while it infers shapes, files included, and dies of some function libraries.
Nothing here imports or runs anything.
"""

from typing import List, Optional, Set, Tuple

from graph_tools.errors import ModelFormatError
from graph_tools.graph import functions, names, walk

# Ops that reach out of the graph and that TensorFlow does not mark as stateful: it runs them while importing, when
# all that they depend on is constant.
EVALUATED = frozenset(("ReadFile", "MatchingFiles", "ImmutableConst", "PyFuncStateless"))
# Ops that call back into the Python process that made the graph: what they do is not in the file.
PYTHON = frozenset(("PyFunc", "PyFuncStateless", "EagerPyFunc"))
# Ops that write files.
WRITES = frozenset(("WriteFile", "SaveV2", "Save", "SaveSlices", "MergeV2Checkpoints", "DatasetToTFRecord",
                    "ExperimentalDatasetToTFRecord"))
# Ops whose value is not known before a run, so that nothing behind them is evaluated on import.
_OPEN = frozenset(("Placeholder", "PlaceholderV2", "PlaceholderWithDefault", "_Arg", "Enter", "Merge", "Iterator",
                   "IteratorV2", "IteratorGetNext", "QueueDequeueV2", "QueueDequeueManyV2", "ReaderReadV2",
                   "VariableV2", "VarHandleOp", "ReadVariableOp", "PyFunc", "EagerPyFunc"))


def check(graph_def, where: str) -> None:
    """Raises ModelFormatError for a graph that is torn or that would take the process down."""
    seen: Set[str] = set()
    for node in graph_def.node:
        if node.name in seen:
            raise ModelFormatError("%s: two nodes are named %r; the file is damaged, export it again" % (
                where, node.name))
        seen.add(node.name)
    torn = [(node.name, entry) for node in graph_def.node for entry in node.input
            if names.parse(entry).node not in seen]
    if torn:
        raise ModelFormatError(
            "%s: node %r takes %r, which is not in the file (%d such input%s); the file was cut short or pruned "
            "too far, export it again" % (where, torn[0][0], torn[0][1], len(torn), "s" if len(torn) > 1 else ""))
    circle = functions.recursion(graph_def.library)
    if circle:
        raise ModelFormatError("%s: function %s calls itself, and TensorFlow dies of that; the file is damaged or "
                               "hostile" % (where, " -> ".join(repr(name) for name in circle[:5])))


def unsafe(graph_def, running: Set[str], python: bool = True) -> Optional[Tuple[str, str, str]]:
    """The first node among those that will run that writes files or (if ``python``) calls back into Python.

    Functions that the nodes call are looked into.

    Returns:
      The node, the op, and what it does; ``None`` when all is harmless.
    """
    table = functions.calls(graph_def.library)
    inside = {function.signature.name: {node.op for node in function.node_def}
              for function in graph_def.library.function}
    refused = [(WRITES, "writes a file")] + ([(PYTHON, "calls a Python function that is not in the file")]
                                             if python else [])
    for node in graph_def.node:
        if node.name not in running:
            continue
        ops = {node.op}.union(*(inside[name] for name in functions.reach(functions.called(node), table)))
        for kinds, what in refused:
            if ops & kinds:
                return node.name, sorted(ops & kinds)[0], what
    return None


def evaluated_on_import(graph_def) -> List[str]:
    """Nodes that read files or call Python as soon as the graph is imported, nothing being run."""
    suspects = [node.name for node in graph_def.node if node.op in EVALUATED]
    if not suspects:
        return []
    index = walk.GraphIndex(graph_def)
    return [name for name in suspects
            if not any(index.op(other) in _OPEN for other in index.ancestors([name], control=False) if other != name)]


def withhold(graph_def) -> None:
    """Keeps import from evaluating anything that reaches out of the graph, in place; what a run computes is the same.

    The output of each such node passes through a ``PlaceholderWithDefault``, which TensorFlow never folds.
    """
    reaching = set(evaluated_on_import(graph_def))
    if not reaching:
        return
    gates = {}
    for node in list(graph_def.node):
        for slot, entry in enumerate(node.input):
            ref = names.parse(entry)
            if ref.node in reaching and not ref.is_control:
                gates.setdefault(ref, "%s/graph_tools_gate_%d" % (ref.node, ref.port))
                node.input[slot] = gates[ref]
    types = {node.name: _output_types(node) for node in graph_def.node if node.name in reaching}
    for ref, name in gates.items():
        gate = graph_def.node.add(name=name, op="PlaceholderWithDefault")
        gate.input.append(str(ref))
        gate.attr["dtype"].type = types[ref.node][ref.port]
        gate.attr["shape"].shape.unknown_rank = True


def _output_types(node) -> List[int]:
    """Types (``DataType`` numbers) of the outputs of an op of ``EVALUATED``."""
    if node.op == "ImmutableConst":
        return [node.attr["dtype"].type]
    if node.op == "PyFuncStateless":
        return list(node.attr["Tout"].list.type)
    return [7]  # DT_STRING


def warnings(graph_def) -> Tuple[str, ...]:
    """What the reader of an unknown graph should know: Python callbacks, files that a run would read."""
    found = []
    callers = sorted({node.name for node in functions.all_nodes(graph_def) if node.op in PYTHON})
    if callers:
        found.append("node %r%s calls a Python function that is not in the file; outputs that depend on it cannot be "
                     "computed" % (callers[0], _more(callers)))
    readers = evaluated_on_import(graph_def)
    if readers:
        found.append("node %r%s reads a file whose name is in the graph; it is read only if what you run depends on "
                     "it" % (readers[0], _more(readers)))
    return tuple(found)


def _more(nodes) -> str:
    return " (and %d more)" % (len(nodes) - 1) if len(nodes) > 1 else ""
