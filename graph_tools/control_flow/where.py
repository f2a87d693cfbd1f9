"""Where a node runs, read off a GraphDef: in how many loops, and under which predicates.

For searches and edits, which need an answer for every graph, a damaged one too; the contexts that TensorFlow wants back
are :mod:`~graph_tools.control_flow.structure`'s.
"""

from typing import Dict, FrozenSet, List, NamedTuple

from graph_tools.errors import EditError
from graph_tools.graph import names
from graph_tools.graph.names import TensorRef
from graph_tools.graph.ops import ENTERS, EXITS, MERGES, SWITCHES
from graph_tools.graph.walk import GraphIndex


class Guard(NamedTuple):
    """A node runs when ``predicate`` is false (port 0) or true (port 1)."""

    predicate: TensorRef
    port: int


def loop_nodes(index: GraphIndex) -> FrozenSet[str]:
    """Names of the nodes whose outputs are inside a while loop (of an Exit they are outside)."""
    return index.once(_loop_nodes)


def _loop_nodes(index: GraphIndex) -> FrozenSet[str]:
    """How many loops deep each node runs, by propagation from the Enter nodes; those deeper than none."""
    depth: Dict[str, int] = {}
    todo = index.names_of(ENTERS)
    while todo:
        name = todo.pop()
        op = index.op(name)
        step = 1 if op in ENTERS else -1 if op in EXITS else 0
        found = max([depth.get(ref.node, 0) for ref in index.inputs(name)] + [0]) + step
        if found > depth.get(name, 0):
            depth[name] = found
            todo.extend(use.node for use in index.consumers(name))
    return frozenset(depth)


def guards(index: GraphIndex, node: str) -> List[Guard]:
    """The sides of predicates on which a node in branches of ``tf.cond`` runs.

    Raises:
      EditError: the node is inside a while loop.
    """
    found: Dict[Guard, Guard] = {}
    seen, todo = set(), list(index.inputs(node))
    while todo:
        ref = todo.pop()
        op = index.op(ref.node)
        if op in ENTERS:
            raise EditError(
                "%r runs inside the loop %r and takes another batch in each iteration; no placeholder can stand for "
                "it: move it out of the loop, or prune the graph to an output that does not need the loop" % (
                    node, names.text(index.nodes[ref.node].attr["frame_name"].s)))
        if op in SWITCHES:
            predicate = index.data_inputs(ref.node)[1]
            side = Guard(index.origin(predicate, ("Identity",)), max(ref.port, 0))
            found.setdefault(side, side._replace(predicate=predicate))
        elif op not in MERGES | EXITS and ref not in seen:
            seen.add(ref)
            todo += index.inputs(ref.node)
    return list(found.values())
