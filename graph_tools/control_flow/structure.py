"""Which loop and which branch every node of a graph belongs to, read off the graph's structure alone.

TensorFlow keeps this in Python objects (``WhileContext``, ``CondContext``) that a GraphDef does not carry. What a
GraphDef does carry is enough to find them again:

* a *loop* is a connected set of nodes in one frame (``frame_name`` of ``Enter``) around one ``LoopCond``;
* an *arm* is one side of a predicate: nodes behind output ``b`` of a ``Switch`` on that predicate, data and control
  edges alike, up to the ``Merge`` that joins it with the other side;
* a *place* is a loop (or none) and the nested arms inside it; it is what one context object stands for.

Everything here works on :class:`Node` values, so that a GraphDef and a live ``tf.Graph`` are read the same way.
"""

from collections import deque
from typing import Dict, FrozenSet, List, NamedTuple, Optional, Set, Tuple

from graph_tools import names
from graph_tools.errors import ControlFlowError
from graph_tools.names import TensorRef

ENTERS = ("Enter", "RefEnter")
EXITS = ("Exit", "RefExit")
MERGES = ("Merge", "RefMerge")
SWITCHES = ("Switch", "RefSwitch")
NEXTS = ("NextIteration", "RefNextIteration")
IDENTITIES = ("Identity", "RefIdentity")
CONTROL_OPS = ENTERS + EXITS + MERGES + SWITCHES + NEXTS + ("LoopCond",)


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


class Arm(NamedTuple):
    """One side of a predicate: ``branch`` 1 is the side of *true*."""

    pred: TensorRef
    branch: int


class Place(NamedTuple):
    """Where a node runs: ``loop`` names the LoopCond of the innermost loop (``""``: none), ``arms`` from outside in."""

    loop: str = ""
    arms: Tuple[Arm, ...] = ()


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
      ControlFlowError: the graph has a cycle that is no loop, or two loops are tangled.
    """
    order = _topological(nodes)
    uses = _uses(nodes)
    if not any(node.op in CONTROL_OPS for node in nodes.values()):
        return Structure(nodes, order, {}, {name: Place() for name in nodes}, {}, {}, {}, uses)
    paths = _frame_paths(nodes, order)
    loop_of, loop_parent = _loops(nodes, order, paths)
    walk = _ArmWalk(nodes, order, loop_of, loop_parent)
    place = {name: walk.place(name, uses) for name in order}
    loops = {pivot: _loop(pivot, nodes, order, uses, loop_of, walk) for pivot in loop_parent}
    return Structure(nodes, order, loops, place, walk.arms, walk.preds, walk.switch_pred, uses)


def closes_loop(nodes: Nodes, ref: TensorRef, consumer: Node) -> bool:
    """Whether an edge leads back to the start of an iteration."""
    return consumer.op in MERGES and nodes[ref.node].op in NEXTS


def _uses(nodes: Nodes):
    uses: Dict[TensorRef, List[Tuple[str, int]]] = {}
    for node in nodes.values():
        for slot, ref in enumerate(node.inputs):
            uses.setdefault(ref, []).append((node.name, slot))
    return uses


def _edges(nodes: Nodes, node: Node):
    """Data and control inputs that are in the graph."""
    for ref in node.inputs:
        if ref.node in nodes:
            yield ref
    for name in node.controls:
        if name in nodes:
            yield TensorRef(name, -1)


def _topological(nodes: Nodes) -> Tuple[str, ...]:
    """Node names, inputs first; the edges that close loops do not count."""
    waits: Dict[str, int] = {}
    consumers: Dict[str, List[str]] = {}
    for node in nodes.values():
        refs = [ref for ref in _edges(nodes, node) if not closes_loop(nodes, ref, node)]
        waits[node.name] = len(refs)
        for ref in refs:
            consumers.setdefault(ref.node, []).append(node.name)
    ready = deque(name for name, count in waits.items() if not count)
    order = []
    while ready:
        name = ready.popleft()
        order.append(name)
        for consumer in consumers.get(name, ()):
            waits[consumer] -= 1
            if not waits[consumer]:
                ready.append(consumer)
    if len(order) < len(nodes):
        stuck = next(name for name, count in waits.items() if count)
        raise ControlFlowError("node %r depends on itself, and not through a loop (Enter, Merge, NextIteration); the "
                               "graph is damaged: freeze the model again" % stuck)
    return tuple(order)


def _frame_paths(nodes: Nodes, order) -> Dict[str, Tuple[Tuple[str, ...], Tuple[str, ...]]]:
    """For each node the frames it runs in, and the frames its outputs are in (an Exit's are one level up)."""
    paths = {}
    for name in order:
        node = nodes[name]
        own: Tuple[str, ...] = ()
        for ref in _edges(nodes, node):
            if not closes_loop(nodes, ref, node) and len(paths[ref.node][1]) > len(own):
                own = paths[ref.node][1]
        if node.op in ENTERS:
            own = own + (node.frame,)
        paths[name] = (own, own[:-1] if node.op in EXITS else own)
    return paths


def _loops(nodes: Nodes, order, paths):
    """The loop (named by its LoopCond) that every node runs in, and the loop around each loop.

    A frame name alone does not tell loops apart: importing a graph twice gives two loops the same one. What belongs
    together is connected.
    """
    groups: Dict[Tuple[int, str], Tuple[int, str]] = {}

    def find(key):
        root = key
        while groups.setdefault(root, root) != root:
            root = groups[root]
        while groups[key] != root:
            groups[key], key = root, groups[key]
        return root

    for node in nodes.values():
        own = paths[node.name][0]
        for ref in _edges(nodes, node):
            for depth in range(1, min(len(own), len(paths[ref.node][1])) + 1):
                groups[find((depth, node.name))] = find((depth, ref.node))
    pivots: Dict[Tuple[int, str], str] = {}
    for name in order:
        if nodes[name].op == "LoopCond" and paths[name][0]:
            key = find((len(paths[name][0]), name))
            if key in pivots:
                raise ControlFlowError("LoopCond nodes %r and %r are in one loop; the graph is damaged: freeze the "
                                       "model again" % (pivots[key], name))
            pivots[key] = name

    def loop_at(name, depth):
        while depth > 0:
            found = pivots.get(find((depth, name)))
            if found:
                return found
            depth -= 1
        return ""

    loop_of = {name: loop_at(name, len(paths[name][0])) for name in order}
    return loop_of, {pivot: loop_at(pivot, len(paths[pivot][0]) - 1) for pivot in pivots.values()}


class _ArmWalk:
    """Conditions under which nodes run, carried forward along all edges until nothing changes."""

    def __init__(self, nodes: Nodes, order, loop_of, loop_parent):
        self.nodes, self.order, self.loop_of, self.loop_parent = nodes, order, loop_of, loop_parent
        self.arms: Dict[str, FrozenSet[Arm]] = {}
        self.roots: Dict[TensorRef, TensorRef] = {}
        self.switch_pred: Dict[str, TensorRef] = {}
        self.preds: Dict[TensorRef, TensorRef] = {}
        # What every Enter of a loop has in common with the loop: a loop one of whose values is missing does not run.
        self.floor: Dict[str, FrozenSet[Arm]] = {pivot: frozenset() for pivot in loop_parent}
        self._depth: Dict[TensorRef, Tuple[int, int]] = {}
        while self._pass():
            pass
        self._rank()

    def _pass(self) -> bool:
        floor = dict(self.floor)
        self.roots, self.switch_pred, self.preds = {}, {}, {}
        for name in self.order:
            node = self.nodes[name]
            loop = self.loop_of[name]
            arms = self._gather(node)
            if node.op in ENTERS and loop:
                floor[loop] = floor[loop] | arms
            if loop:
                arms = arms | self.floor[loop]
            if node.op in EXITS:
                arms = self.floor[loop] if loop else arms
            elif node.op == "ControlTrigger":  # waits for its inputs, and runs whether or not they had a value
                arms = self.floor[loop] if loop else frozenset()
            self.arms[name] = arms
            if node.op in SWITCHES and len(node.inputs) > 1:
                self._switch(node)
        changed = floor != self.floor
        self.floor = floor
        return changed

    def _gather(self, node: Node) -> FrozenSet[Arm]:
        incoming = [self._output(ref) for ref in node.inputs
                    if ref.node in self.nodes and not closes_loop(self.nodes, ref, node)]
        if node.op in MERGES and incoming:
            return frozenset.intersection(*incoming)  # a Merge waits for control edges, but dead ones do not stop it
        arms = frozenset().union(*incoming)
        for name in node.controls:
            if name in self.nodes:
                arms = arms | self.arms[name]
        return arms

    def _output(self, ref: TensorRef) -> FrozenSet[Arm]:
        pred = self.switch_pred.get(ref.node)
        arms = self.arms[ref.node]
        return arms if pred is None else arms | {Arm(pred, ref.port)}

    def _switch(self, node: Node) -> None:
        pred = node.inputs[1]
        root = self.root(pred)
        if root.node in self.nodes and self.nodes[root.node].op == "LoopCond":
            return
        self.switch_pred[node.name] = root
        self.preds.setdefault(root, pred)

    def root(self, ref: TensorRef) -> TensorRef:
        """The tensor behind Identity nodes: one predicate may be known under several names."""
        found = self.roots.get(ref)
        if found is None:
            found = ref
            node = self.nodes.get(found.node)
            while node is not None and node.op in IDENTITIES and node.inputs[0].node in self.nodes:
                behind = node.inputs[0]
                if self._output(behind) != self.arms[node.name]:
                    break  # a control edge makes this name of the predicate live in fewer cases
                found, node = behind, self.nodes[behind.node]
            self.roots[ref] = found
        return found

    def _rank(self) -> None:
        """How deep each predicate is nested in others of the same loop, to order arms from outside in."""
        for number, name in enumerate(self.order):
            root = self.switch_pred.get(name)
            if root is not None:
                loop = self.loop_of[name]
                depth = sum(1 for arm in self.arms[name] if self._arm_loop(arm) == loop)
                self._depth[root] = min(self._depth.get(root, (depth, number)), (depth, number))

    def _arm_loop(self, arm: Arm) -> str:
        node = self.nodes.get(arm.pred.node)
        if node is None:
            return ""
        loop = self.loop_of[node.name]
        return self.loop_parent.get(loop, "") if node.op in EXITS else loop

    def chain(self, arms, loop: str) -> Tuple[Arm, ...]:
        """Those arms that are inside a loop and in no loop inside it, from outside in."""
        inside = [arm for arm in arms if self._arm_loop(arm) == loop]
        return tuple(sorted(inside, key=lambda arm: (self._depth[arm.pred], arm.branch)))

    def place(self, name: str, uses) -> Place:
        arms = self.arms[name]
        pred = self.switch_pred.get(name)
        if pred is not None:
            ports = [port for port in (0, 1) if uses.get(TensorRef(name, port))]
            if len(ports) == 1:
                arms = arms | {Arm(pred, ports[0])}
        loop = self.loop_of[name]
        return Place(loop, self.chain(arms, loop))

    def loop_place(self, pivot: str) -> Place:
        parent = self.loop_parent[pivot]
        return Place(parent, self.chain(self.floor[pivot], parent))


def _loop(pivot: str, nodes: Nodes, order, uses, loop_of, walk: _ArmWalk) -> Loop:
    members = [nodes[name] for name in order if loop_of[name] == pivot]
    enters = tuple(node.name for node in members if node.op in ENTERS)
    exits = tuple(node.name for node in members if node.op in EXITS)
    if not enters:
        raise ControlFlowError("the loop of %r has no Enter; the graph is damaged: freeze the model again" % pivot)
    variables = tuple(
        _variable(node, nodes, uses) for node in members
        if node.op in SWITCHES and walk.root(node.inputs[1]) == TensorRef(pivot, 0))
    return Loop(pivot, nodes[enters[0]].frame, walk.loop_place(pivot), enters, exits, variables)


def _variable(switch: Node, nodes: Nodes, uses) -> Variable:
    merge = nodes[_behind(switch.inputs[0], nodes).node]
    enter = ""
    if merge.op in MERGES:
        for ref in merge.inputs:
            source = nodes[_behind(ref, nodes).node]
            if source.op in ENTERS:
                enter = source.name
    exits: List[str] = []
    todo, seen = [TensorRef(switch.name, 0)], set()  # type: List[TensorRef], Set[TensorRef]
    while todo:
        ref = todo.pop()
        seen.add(ref)
        for name, _ in uses.get(ref, ()):
            if nodes[name].op in EXITS:
                exits.append(name)
            elif nodes[name].op in IDENTITIES and TensorRef(name, 0) not in seen:
                todo.append(TensorRef(name, 0))
    return Variable(enter, merge.name if merge.op in MERGES else "", switch.name, tuple(exits))


def _behind(ref: TensorRef, nodes: Nodes) -> TensorRef:
    while nodes[ref.node].op in IDENTITIES:
        ref = nodes[ref.node].inputs[0]
    return ref


def read_graph_def(graph_def) -> Nodes:
    """The nodes of a GraphDef (its function library is left out: functions carry their own control flow)."""
    return {node.name: _read(node, [names.parse(entry) for entry in node.input]) for node in graph_def.node}


def _read(node, refs: List[TensorRef]) -> Node:
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


def read_graph(graph) -> Nodes:
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


def _gradient_scopes(operations) -> Set[str]:
    """Name scopes of the calls of ``tf.gradients`` in this graph: the ops that they make remember their origin."""
    scopes: Set[str] = set()
    for op in operations:
        origin = getattr(op, "_original_op", None)
        if origin is not None:
            scope, found, _ = op.name.partition(origin.name + "_grad")
            if found and scope:
                scopes.add(scope)
    return scopes
