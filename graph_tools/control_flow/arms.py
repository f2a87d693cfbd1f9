"""The conditions under which every node runs: sides of predicates, carried along data and control edges."""

from typing import Any, Dict, FrozenSet, NamedTuple, Tuple

from graph_tools.control_flow.nodes import Node, Nodes, closes_loop
from graph_tools.graph.names import TensorRef
from graph_tools.graph.ops import ENTERS, EXITS, IDENTITIES, MERGES, SWITCHES


class Arm(NamedTuple):
    """One side of a predicate: ``branch`` 1 is the side of *true*."""

    pred: TensorRef
    branch: int


class Place(NamedTuple):
    """Where a node runs: ``loop`` names the LoopCond of the innermost loop (``""``: none), ``arms`` from outside in."""

    loop: str = ""
    arms: Tuple[Arm, ...] = ()


class ArmWalk:
    """Conditions under which nodes run, carried forward along all edges until nothing changes."""

    def __init__(self, nodes: Nodes, order: Any, loop_of: Any, loop_parent: Any):
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

    def chain(self, arms: Any, loop: str) -> Tuple[Arm, ...]:
        """Those arms that are inside a loop and in no loop inside it, from outside in."""
        inside = [arm for arm in arms if self._arm_loop(arm) == loop]
        return tuple(sorted(inside, key=lambda arm: (self._depth[arm.pred], arm.branch)))

    def place(self, name: str, uses: Any) -> Place:
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
