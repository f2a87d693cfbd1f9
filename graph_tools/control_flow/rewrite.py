"""Carries out a repair plan on a GraphDef value or on a live graph."""

from typing import Any

from graph_tools import _tf
from graph_tools.control_flow import repair
from graph_tools.control_flow.nodes import read_graph_def
from graph_tools.control_flow.structure import analyse
from graph_tools.graph.names import TensorRef
from graph_tools.graph.nodes import add, entry_of


def normalize(graph_def: Any) -> Any:
    """The GraphDef with the structure that gradients of loops and branches need; equal values for every fetch.

    (But for a fetch that an optimiser had left to chance: a branch's constant is tied to its branch again.)

    Adds the Exits, Identities, pivots and Switches that are missing, and makes frame names unique. Pure: the argument
    is not changed, and a graph that lacks nothing is returned as it is. Needs no TensorFlow.

    Args:
      graph_def: a ``GraphDef``.

    Returns:
      A ``GraphDef``; the same object when there is nothing to repair.

    Raises:
      ControlFlowError: loops and branches cannot be told apart, because the graph is damaged.
    """
    changes = repair.plan(analyse(read_graph_def(graph_def))).changes
    if not changes:
        return graph_def
    changed = type(graph_def)()
    changed.CopyFrom(graph_def)
    nodes = {node.name: node for node in changed.node}
    for change in changes:
        if isinstance(change, repair.Add):
            made, dtype = change.node, change.node.dtype
            nodes[made.name] = add(
                changed, made.op, made.name, list(made.inputs) + ["^" + control for control in made.controls],
                nodes[made.inputs[0].node].device, T=[dtype] * len(made.inputs) if made.op == "IdentityN" else dtype)
        elif isinstance(change, repair.Rewire):
            nodes[change.node].input[change.slot] = entry_of(change.tensor)
        else:
            nodes[change.node].attr["frame_name"].s = change.frame.encode("utf-8")
    return changed


def apply_to_graph(graph: Any, changes: Any) -> None:
    """Carries out a plan on a live ``tf.Graph``."""
    with graph.as_default(), _tf.tf.control_dependencies(None), _tf.tf.name_scope(None), graph.device(None):
        for change in changes:
            if isinstance(change, repair.Add):
                _add(graph, change.node)
            elif isinstance(change, repair.Rewire):
                _tf.update_input(graph.get_operation_by_name(change.node), change.slot, _tensor(graph, change.tensor))
            else:
                _tf.set_string_attr(graph.get_operation_by_name(change.node), "frame_name", change.frame)


def _add(graph: Any, node: Any) -> None:
    """One op, in the context of what it reads (a loop around an import has one); types are those a plan can hold."""
    raw, inputs = _tf.tf.raw_ops, [_tensor(graph, ref) for ref in node.inputs]
    make = getattr(raw, node.op)
    controls = [graph.get_operation_by_name(name) for name in node.controls]
    arguments = {"Sub": ("x", "y"), "OnesLike": ("x",), "Identity": ("input",), "RefIdentity": ("input",)}.get(
        node.op, ("data", "pred")[:len(inputs)])
    context = _tf.output_context(inputs[0].op)
    with graph.control_dependencies(controls), graph.device(inputs[0].op.device):
        if context is not None:
            context.Enter()
        try:
            made = make(name=node.name, **(
                {"input": inputs} if node.op == "IdentityN" else dict(zip(arguments, inputs))))
        finally:
            if context is not None:
                context.Exit()
    made = made[0] if isinstance(made, (list, tuple)) else made
    assert made.op.name == node.name  # names were chosen to be free


def _tensor(graph: Any, ref: TensorRef) -> Any:
    return graph.get_operation_by_name(ref.node).outputs[ref.port]
