"""Which loop and which branch every node of a graph belongs to, read off the graph's structure alone.

TensorFlow keeps this in Python objects (``WhileContext``, ``CondContext``) that a GraphDef does not carry. What a
GraphDef does carry is enough to find them again:

* a *loop* is a connected set of nodes in one frame (``frame_name`` of ``Enter``) around one ``LoopCond``;
* an *arm* is one side of a predicate: nodes behind output ``b`` of a ``Switch`` on that predicate, data and control
  edges alike, up to the ``Merge`` that joins it with the other side;
* a *place* is a loop (or none) and the nested arms inside it; it is what one context object stands for.

Everything here works on :class:`Node` values, so that a GraphDef and a live ``tf.Graph`` are read the same way.
"""

from typing import Any, Dict, FrozenSet, List, NamedTuple, Tuple

from graph_tools.control_flow.arms import Arm, ArmWalk, Place
from graph_tools.control_flow.nodes import Node, Nodes, closes_loop, edges
from graph_tools.errors import ControlFlowError
from graph_tools.graph.groups import Groups
from graph_tools.graph.names import TensorRef
from graph_tools.graph.ops import CONTROL_OPS, ENTERS, EXITS, IDENTITIES, MERGES, SWITCHES
from graph_tools.graph.walk import in_order, reached
from graph_tools.graph.wiring import in_circle


class Variable(NamedTuple):
    """One loop variable; ``exits`` is empty when pruning removed them, ``enter`` when the value is not carried."""

    enter: str
    merge: str
    switch: str
    exits: Tuple[str, ...]


class Loop(NamedTuple):
    """One while loop; ``parent`` is the place of the loop as a whole."""

    pivot: str
    frame: str
    parent: Place
    enters: Tuple[str, ...]
    exits: Tuple[str, ...]
    variables: Tuple[Variable, ...]


class Structure(NamedTuple):
    """Loops, and the place of every node.

    ``place`` is the context that TensorFlow gives the op: that of the loop for its Enters and Exits, that of the
    branch for a Switch that leads into one branch only. ``arms`` are all conditions under which the node runs, those
    of the loops around it included.
    """

    nodes: Nodes
    order: Tuple[str, ...]
    loops: Dict[str, Loop]
    place: Dict[str, Place]
    arms: Dict[str, FrozenSet[Arm]]
    preds: Dict[TensorRef, TensorRef]
    switch_pred: Dict[str, TensorRef]
    uses: Dict[TensorRef, List[Tuple[str, int]]]

    def output_arms(self, ref: TensorRef) -> FrozenSet[Arm]:
        """Conditions under which a tensor has a value."""
        arms = self.arms.get(ref.node, frozenset())
        pred = self.switch_pred.get(ref.node)
        return arms if pred is None or ref.is_control else arms | {Arm(pred, ref.port)}


def analyse(nodes: Nodes) -> Structure:
    """Finds loops and branches.

    Raises:
      ControlFlowError: the graph has a cycle that is no loop, two loops are tangled, or a node lacks its input.
    """
    uses = _uses(nodes)
    if not any(node.op in CONTROL_OPS for node in nodes.values()):
        return Structure(nodes, tuple(nodes), {}, {name: Place() for name in nodes}, {}, {}, {}, uses)
    for node in nodes.values():
        if node.op in CONTROL_OPS and not node.inputs:
            raise ControlFlowError("node %r (%s) has no input; the graph is damaged: freeze the model again" % (
                node.name, node.op))
    order = _topological(nodes)
    paths = _frame_paths(nodes, order)
    loop_of, loop_parent = _loops(nodes, order, paths)
    walk = ArmWalk(nodes, order, loop_of, loop_parent)
    place = {name: walk.place(name, uses) for name in order}
    members: Dict[str, List[Node]] = {pivot: [] for pivot in loop_parent}
    for name in order:
        if loop_of[name]:
            members[loop_of[name]].append(nodes[name])
    loops = {pivot: _loop(pivot, members[pivot], nodes, uses, walk) for pivot in loop_parent}
    return Structure(nodes, order, loops, place, walk.arms, walk.preds, walk.switch_pred, uses)


def _uses(nodes: Nodes) -> Any:
    uses: Dict[TensorRef, List[Tuple[str, int]]] = {}
    for node in nodes.values():
        for slot, ref in enumerate(node.inputs):
            uses.setdefault(ref, []).append((node.name, slot))
    return uses


def _topological(nodes: Nodes) -> Tuple[str, ...]:
    """Node names, inputs first; the edges that close loops do not count."""
    order, circle = in_order({node.name: [
        ref.node for ref in edges(nodes, node) if not closes_loop(nodes, ref, node)] for node in nodes.values()})
    if circle:
        raise ControlFlowError("%s (Enter, Merge, NextIteration); the graph is damaged: freeze the model again" % (
            in_circle(circle)))
    return tuple(order)


def _frame_paths(nodes: Nodes, order: Any) -> Dict[str, Tuple[Tuple[str, ...], Tuple[str, ...]]]:
    """For each node the frames it runs in, and the frames its outputs are in (an Exit's are one level up)."""
    paths: Dict[str, Any] = {}
    for name in order:
        node = nodes[name]
        own: Tuple[str, ...] = ()
        for ref in edges(nodes, node):
            if not closes_loop(nodes, ref, node) and len(paths[ref.node][1]) > len(own):
                own = paths[ref.node][1]
        if node.op in ENTERS:
            own = own + (node.frame,)
        paths[name] = (own, own[:-1] if node.op in EXITS else own)
    return paths


def _loops(nodes: Nodes, order: Any, paths: Any) -> Any:
    """The loop (named by its LoopCond) that every node runs in, and the loop around each loop.

    A frame name alone does not tell loops apart: importing a graph twice gives two loops the same one. What belongs
    together is connected.
    """
    groups = Groups()
    for node in nodes.values():
        own = paths[node.name][0]
        for ref in edges(nodes, node):
            for depth in range(1, min(len(own), len(paths[ref.node][1])) + 1):
                groups.join((depth, node.name), (depth, ref.node))
    pivots: Dict[Tuple[int, str], str] = {}
    for name in order:
        if nodes[name].op == "LoopCond" and paths[name][0]:
            key = groups.find((len(paths[name][0]), name))
            if key in pivots:
                raise ControlFlowError("LoopCond nodes %r and %r are in one loop; the graph is damaged: freeze the "
                                       "model again" % (pivots[key], name))
            pivots[key] = name

    def loop_at(name: Any, depth: Any) -> Any:
        while depth > 0:
            found = pivots.get(groups.find((depth, name)))
            if found:
                return found
            depth -= 1
        return ""

    loop_of = {name: loop_at(name, len(paths[name][0])) for name in order}
    return loop_of, {pivot: loop_at(pivot, len(paths[pivot][0]) - 1) for pivot in pivots.values()}


def _loop(pivot: str, members: List[Node], nodes: Nodes, uses: Any, walk: ArmWalk) -> Loop:
    enters = tuple(node.name for node in members if node.op in ENTERS)
    exits = tuple(node.name for node in members if node.op in EXITS)
    if not enters:
        raise ControlFlowError("the loop of %r has no Enter; the graph is damaged: freeze the model again" % pivot)
    variables = tuple(
        _variable(node, nodes, uses) for node in members
        if node.op in SWITCHES and walk.root(node.inputs[1]) == TensorRef(pivot, 0))
    return Loop(pivot, nodes[enters[0]].frame, walk.loop_place(pivot), enters, exits, variables)


def _variable(switch: Node, nodes: Nodes, uses: Any) -> Variable:
    merge = nodes[_behind(switch.inputs[0], nodes).node]
    enter = ""
    if merge.op in MERGES:
        for ref in merge.inputs:
            source = nodes[_behind(ref, nodes).node]
            if source.op in ENTERS:
                enter = source.name
    copies = reached([TensorRef(switch.name, 0)], lambda ref: [
        TensorRef(name, 0) for name, _ in uses.get(ref, ()) if nodes[name].op in IDENTITIES])
    exits = [name for ref in copies for name, _ in uses.get(ref, ()) if nodes[name].op in EXITS]
    return Variable(enter, merge.name if merge.op in MERGES else "", switch.name, tuple(exits))


def _behind(ref: TensorRef, nodes: Nodes) -> TensorRef:
    while nodes[ref.node].op in IDENTITIES:
        ref = nodes[ref.node].inputs[0]
    return ref
