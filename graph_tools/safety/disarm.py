"""Keeps what could do more than compute from TensorFlow: such nodes are cut out of a graph before it is imported.

``import_graph_def`` evaluates constants while it infers shapes, functions and files included, so that judging what is
fetched comes too late. Each refused node becomes a placeholder of its name and type: what depends on it can be built,
differentiated and fed, and running it without a feed is an error that names it.
"""

from typing import Dict, Iterable, List, Set

from graph_tools.graph import functions
from graph_tools.safety import folding, judge, outputs
from graph_tools.safety.judge import Refusal

SCOPE = "graph_tools_refused"
# Shapes of outputs that a placeholder should not forget, by op: of readers, and of handles.
_SCALARS = frozenset(("ReaderRead", "ReaderReadV2"))
_VECTORS = frozenset(("ReaderReadUpTo", "ReaderReadUpToV2", "MatchingFiles"))
_STRING, _VARIANT, _RESOURCE = 7, 21, 20


def disarm(graph_def, keep: Iterable[str] = ()) -> Dict[str, Refusal]:
    """Cuts out, in place, every node that could do more than compute, and every function that could.

    Args:
      graph_def: the graph; it is changed.
      keep: nodes that stay although they reach out: initialisers of tables whose files have been looked at.

    Returns:
      What was refused, by node name.
    """
    refused, keep = judge.judge(graph_def), set(keep)
    refused = {name: refusal for name, refusal in refused.items() if name not in keep}
    kept_functions = _functions_of(graph_def, keep)
    if refused:
        definitions = outputs.Definitions(graph_def)
        for node in [node for node in graph_def.node if node.name in refused]:
            _cut(graph_def, node, definitions.types(node))
    _drop_functions(graph_def.library, set(judge.tainted_functions(graph_def.library)) - kept_functions)
    folding.withhold(graph_def)
    return refused


def _functions_of(graph_def, keep: Set[str]) -> Set[str]:
    """Functions that run when some nodes do."""
    if not keep or not graph_def.library.function:
        return set()
    called = [name for node in graph_def.node if node.name in keep for name in functions.called(node)]
    return functions.reach(called, judge.edges(graph_def.library))


def _drop_functions(library, gone: Set[str]) -> None:
    if not gone:
        return
    kept = [function for function in library.function if function.signature.name not in gone]
    gradients = [gradient for gradient in library.gradient
                 if not {gradient.function_name, gradient.gradient_func} & gone]
    rest = type(library)(function=kept, gradient=gradients)
    library.CopyFrom(rest)


def _cut(graph_def, node, types: List[int]) -> None:
    """Makes a node a placeholder (several outputs: the identity of several; none: an op that waits for one)."""
    name, op = node.name, node.op
    # Its inputs become control inputs, which keep it in the loop or the branch that it was in.
    control = list(dict.fromkeys("^" + entry.lstrip("^").partition(":")[0] for entry in node.input))
    node.Clear()
    node.name = name
    if len(types) == 1:
        _placeholder(node, types[0], op, control)
        return
    entries = []
    for number, dtype in enumerate(types or [_STRING]):
        stand_in = graph_def.node.add(name="%s/%s_%d" % (name, SCOPE, number))
        _placeholder(stand_in, dtype, op, control)
        entries.append(stand_in.name)
    if types:
        node.op = "IdentityN"
        node.input.extend(entries)
        node.attr["T"].list.type.extend(dtype - outputs.REF if dtype > outputs.REF else dtype for dtype in types)
    else:
        node.op = "NoOp"
        node.input.extend("^" + entry for entry in entries)


def _placeholder(node, dtype: int, op: str, control: List[str]) -> None:
    node.op = "Placeholder"
    node.input.extend(control)
    node.attr["dtype"].type = dtype - outputs.REF if dtype > outputs.REF else dtype
    shape = node.attr["shape"].shape
    if op in _VECTORS:
        shape.dim.add(size=-1)
    elif op not in _SCALARS and dtype not in (_VARIANT, _RESOURCE):
        shape.unknown_rank = True
