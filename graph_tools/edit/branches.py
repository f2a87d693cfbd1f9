"""Keeps a placeholder that takes the place of a node inside a ``tf.cond`` branch inside that branch."""

from typing import List, Tuple

from graph_tools.control_flow import where
from graph_tools.graph import nodes
from graph_tools.graph.walk import GraphIndex


def gated(index: GraphIndex, node: str, placeholder: str, dtype: str) -> Tuple[str, List[object]]:
    """The input entry through which consumers read a placeholder that stands for an output of ``node``.

    A node in a branch does not run when the other branch is taken. Its placeholder always does, so it passes through a
    ``Switch`` on the same predicate, as TensorFlow itself brings outer tensors into a branch.

    Returns:
      The entry, and the new Switch nodes (none outside of ``tf.cond``).

    Raises:
      EditError: the node is inside a while loop.
    """
    entry, gates = placeholder, []
    for number, (predicate, port) in enumerate(where.guards(index, node)):
        name = "%s/Switch%s" % (placeholder, "_%d" % number if number else "")
        switch = nodes.new("Switch", name, [entry, predicate], T=dtype)
        entry = switch.name + (":%d" % port if port else "")
        gates.append(switch)
    return entry, gates
