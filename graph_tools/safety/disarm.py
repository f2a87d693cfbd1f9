"""Keeps what could do more than compute from TensorFlow: such nodes are cut out of a graph before it is imported.

``import_graph_def`` evaluates constants while it infers shapes, functions and files included, so that judging what is
fetched comes too late. Each refused node becomes a placeholder of its name and type: what depends on it can be built,
differentiated and fed, and running it without a feed is an error that names it.
"""

from typing import Any, Dict, Iterable, List, Optional, Set, Tuple

from graph_tools.graph import functions, nodes
from graph_tools.safety import folding, judge, outputs
from graph_tools.safety.judge import Refusal

SCOPE = "graph_tools_refused"
# Shapes of outputs that a placeholder should not forget, by op: of readers, and of handles.
_SCALARS = frozenset(("ReaderRead", "ReaderReadV2"))
_VECTORS = frozenset(("ReaderReadUpTo", "ReaderReadUpToV2", "MatchingFiles"))
_STRING, _VARIANT, _RESOURCE = 7, 21, 20


def disarm(graph_def: Any, keep: Iterable[str] = ()) -> Dict[str, Refusal]:
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
    gone = set(judge.tainted_functions(graph_def.library)) - kept_functions
    if gone:
        graph_def.library.CopyFrom(functions.without(graph_def.library, gone))
    folding.withhold(graph_def)
    return refused


def _functions_of(graph_def: Any, keep: Set[str]) -> Set[str]:
    """Functions that run when some nodes do."""
    if not keep or not graph_def.library.function:
        return set()
    called = [name for node in graph_def.node if node.name in keep for name in functions.called(node)]
    return functions.reach(called, judge.edges(graph_def.library))


def _cut(graph_def: Any, node: Any, types: List[int]) -> None:
    """Makes a node a placeholder (several outputs: the identity of several; none: an op that waits for one)."""
    name, op = node.name, node.op
    # Its inputs become control inputs, which keep it in the loop or the branch that it was in.
    control = list(dict.fromkeys("^" + entry.lstrip("^").partition(":")[0] for entry in node.input))
    types = [dtype - outputs.REF if dtype > outputs.REF else dtype for dtype in types]
    node.device = ""
    if len(types) == 1:
        nodes.become(node, "Placeholder", control, dtype=types[0], shape=_shape(types[0], op))
        return
    entries = [nodes.add(graph_def, "Placeholder", "%s/%s_%d" % (name, SCOPE, number), control, dtype=dtype,
                         shape=_shape(dtype, op)).name for number, dtype in enumerate(types or [_STRING])]
    nodes.hand_on(node, entries if types else (), types, () if types else ["^" + entry for entry in entries])


def _shape(dtype: int, op: str) -> Optional[Tuple[Optional[int], ...]]:
    """The shape of a placeholder for an output of an op."""
    if op in _VECTORS:
        return (None,)
    return () if op in _SCALARS or dtype in (_VARIANT, _RESOURCE) else None
