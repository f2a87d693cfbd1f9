"""Nodes reduced to what control flow needs to know of them, from a GraphDef or from a live graph."""

from typing import Any, Dict, List, NamedTuple, Set, Tuple

from graph_tools import _tf
from graph_tools.graph import names
from graph_tools.graph.names import TensorRef
from graph_tools.graph.ops import CONTROL_OPS, ENTERS, MERGES, NEXTS


class Node(NamedTuple):
    """What control flow needs to know of a node; ``frame``, ``constant`` and ``parallel`` are those of an Enter."""

    name: str
    op: str
    inputs: Tuple[TensorRef, ...]
    controls: Tuple[str, ...] = ()
    dtype: int = 0
    frame: str = ""
    constant: bool = False
    parallel: int = 10


Nodes = Dict[str, Node]


def closes_loop(nodes: Nodes, ref: TensorRef, consumer: Node) -> bool:
    """Whether an edge leads back to the start of an iteration."""
    return consumer.op in MERGES and nodes[ref.node].op in NEXTS


def edges(nodes: Nodes, node: Node) -> Any:
    """Data and control inputs that are in the graph."""
    for ref in node.inputs:
        if ref.node in nodes:
            yield ref
    for name in node.controls:
        if name in nodes:
            yield TensorRef(name, -1)


def read_graph_def(graph_def: Any) -> Nodes:
    """The nodes of a GraphDef (its function library is left out: functions carry their own control flow)."""
    return {node.name: _read(node, [names.parse(entry) for entry in node.input]) for node in graph_def.node}


def _read(node: Any, refs: List[TensorRef]) -> Node:
    found = Node(node.name, node.op, tuple(ref for ref in refs if not ref.is_control),
                 tuple(ref.node for ref in refs if ref.is_control))
    if node.op in CONTROL_OPS:
        found = found._replace(dtype=node.attr["T"].type if "T" in node.attr else 0)
    if node.op in ENTERS:
        frame = node.attr["frame_name"].s.decode("utf-8", "replace")
        parallel = node.attr["parallel_iterations"].i if "parallel_iterations" in node.attr else 10
        found = found._replace(frame=frame, parallel=int(parallel),
                               constant="is_constant" in node.attr and node.attr["is_constant"].b)
    return found


def read_graph(graph: Any) -> Nodes:
    """The nodes of a live ``tf.Graph``, those that ``tf.gradients`` made left out (their contexts are TensorFlow's)."""
    operations = graph.get_operations()
    scopes = _gradient_scopes(operations)
    nodes = {}
    for op in operations:
        if scopes and any(op.name.startswith(scope) for scope in scopes):
            continue
        found = Node(op.name, op.type, tuple(TensorRef(ref.op.name, ref.value_index) for ref in op.inputs),
                     tuple(control.name for control in op.control_inputs))
        if op.type in CONTROL_OPS and op.type != "LoopCond":
            found = found._replace(dtype=op.get_attr("T").base_dtype.as_datatype_enum)
        if op.type in ENTERS:
            found = found._replace(frame=op.get_attr("frame_name").decode("utf-8", "replace"),
                                   constant=bool(op.get_attr("is_constant")),
                                   parallel=int(op.get_attr("parallel_iterations")))
        nodes[op.name] = found
    return nodes


def _gradient_scopes(operations: Any) -> Set[str]:
    """Name scopes of the calls of ``tf.gradients`` in this graph: the ops that they make remember their origin."""
    scopes: Set[str] = set()
    for op in operations:
        origin = _tf.differentiates(op)
        if origin is not None:
            scope, found, _ = op.name.partition(origin.name + "_grad")
            if found and scope:
                scopes.add(scope)
    return scopes
