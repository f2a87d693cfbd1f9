"""Keeps a placeholder that takes the place of a node inside a ``tf.cond`` branch inside that branch."""

from typing import List, Tuple

from graph_tools import _tf
from graph_tools.errors import EditError
from graph_tools.graph.names import TensorRef
from graph_tools.graph.ops import ENTERS, EXITS, MERGES, SWITCHES
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
    for number, (predicate, port) in enumerate(_guards(index, node)):
        switch = _tf.tf.NodeDef(name="%s/Switch%s" % (placeholder, "_%d" % number if number else ""), op="Switch")
        switch.input.extend([entry, predicate])
        switch.attr["T"].type = _tf.tf.as_dtype(dtype).as_datatype_enum
        entry = switch.name + (":%d" % port if port else "")
        gates.append(switch)
    return entry, gates


def _guards(index: GraphIndex, node: str) -> List[Tuple[str, int]]:
    """Predicate and port of the Switches that decide whether a node runs."""
    guards, seen, todo = {}, set(), list(index.inputs(node))
    while todo:
        ref = todo.pop()
        op = index.op(ref.node)
        if op in ENTERS:
            raise EditError(
                "%r runs inside the loop %r and takes another batch in each iteration; no placeholder can stand for "
                "it: move it out of the loop, or prune the graph to an output that does not need the loop" % (
                    node, index.nodes[ref.node].attr["frame_name"].s.decode("utf-8")))
        if op in SWITCHES:
            predicate = index.data_inputs(ref.node)[1]
            guards.setdefault((str(_through_identity(index, predicate)), max(ref.port, 0)), _entry(predicate))
        elif op not in MERGES | EXITS and ref not in seen:
            seen.add(ref)
            todo += index.inputs(ref.node)
    return [(entry, port) for (_, port), entry in guards.items()]


def _through_identity(index: GraphIndex, ref: TensorRef) -> TensorRef:
    while index.op(ref.node) == "Identity":
        ref = index.data_inputs(ref.node)[0]
    return ref


def _entry(ref: TensorRef) -> str:
    return ref.node if ref.port == 0 else str(ref)
