"""Read a GraphDef from a stranger before TensorFlow does: what is torn, what TensorFlow would die of.

Nothing here imports or runs anything. What the graph could do besides computing is judged in ``graph_tools.safety``.
"""

from typing import Any, Iterable, Set

from graph_tools import _tf
from graph_tools.errors import ModelFormatError
from graph_tools.graph import functions, names, wiring
from graph_tools.safety import bounds


def check(graph_def: Any, where: str) -> None:
    """Raises ModelFormatError for a graph that is torn or calls itself; TooLargeError for one out of bounds."""
    seen = {node.name for node in graph_def.node}
    if len(seen) < len(graph_def.node):
        raise ModelFormatError("%s: two nodes are named %r; the file is damaged, export it again" % (
            where, _first_twice(node.name for node in graph_def.node)))
    plain = names.plain(seen)
    torn = [(node.name, entry) for node in graph_def.node if not plain.issuperset(node.input) for entry in node.input
            if entry not in plain and names.parse(entry).node not in seen]
    if torn:
        raise ModelFormatError(
            "%s: node %r takes %r, which is not in the file (%d such input%s); the file was cut short or pruned "
            "too far, export it again" % (where, torn[0][0], torn[0][1], len(torn), "s" if len(torn) > 1 else ""))
    circle = functions.recursion(graph_def.library)
    if circle:
        raise ModelFormatError("%s: function %s calls itself, and TensorFlow dies of that; the file is damaged or "
                               "hostile" % (where, " -> ".join(repr(name) for name in circle[:5])))
    own = {function.signature.name for function in graph_def.library.function}
    lacks = wiring.Lacks(_tf.registered_ops({node.op for node in functions.all_nodes(graph_def)} - own))
    within = bounds.Bounds(where)
    for node in functions.all_nodes(graph_def):  # one pass: to ask a message for what is in it is what takes the time
        op, attr = node.op, node.attr
        lacking = lacks.of(node, op, attr)
        if lacking:
            raise ModelFormatError("%s: %s; the file is damaged, export it again" % (where, lacking))
        within.add(node, op, attr)
    within.check(graph_def)


def _first_twice(those: Iterable[str]) -> str:
    seen: Set[str] = set()
    for one in those:
        if one in seen:
            return one
        seen.add(one)
    raise AssertionError("each is there once")
