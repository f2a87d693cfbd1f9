"""What a graph must have before its loops and branches can be differentiated, and the changes that put it there.

``tf.gradients`` relies on the exact shape in which ``tf.while_loop`` and ``tf.cond`` write a graph. Pruning and
optimisers keep what a forward run needs and no more:

* a loop variable whose final value nobody reads loses its Exit, and with it its gradient;
* the Identity behind a loop Switch is dropped, and a Switch with several readers is visited with part of its
  gradient: no error, wrong numbers;
* equal Switches of the two branches are merged into one, which belongs to neither branch;
* the Identity that other nodes of a branch are tied to (its pivot) is gone;
* a constant of a branch loses the control edge that ties it there, so that it has a value whichever branch is taken,
  and its Merge passes on whichever value comes first: an output that differs from run to run;
* a Merge written by another builder lists *true* before *false*, or the next iteration before the first.

A plan of changes is made on plain values; it is carried out on a GraphDef (``normalize``) or on a live graph.
"""

import functools
from typing import Any, Dict, FrozenSet, Iterable, Iterator, List, NamedTuple, Tuple

from graph_tools.control_flow.arms import Arm, Place
from graph_tools.control_flow.nodes import Node, Nodes, closes_loop, edges
from graph_tools.control_flow.places import pivots, places
from graph_tools.control_flow.structure import Structure, analyse
from graph_tools.graph.names import TensorRef
from graph_tools.graph.nodes import free_name
from graph_tools.graph.ops import EXITS, IDENTITIES, MERGES, NEXTS
from graph_tools.graph.walk import reached

# DataType numbers through which gradients flow (half, float, double, bfloat16, complex, resource, variant) and 0 for
# unknown; their reference types are 100 higher. A Switch on anything else may serve both branches.
_DIFFERENTIABLE = frozenset((0, 1, 2, 8, 14, 18, 19, 20, 21))
_FLOATS_BUT_FLOAT32 = frozenset((2, 8, 14, 18, 19))


class Add(NamedTuple):
    """Add a node; its ``dtype`` is the attribute ``T``."""

    node: Node


class Rewire(NamedTuple):
    """Let input ``slot`` of ``node`` read another tensor."""

    node: str
    slot: int
    tensor: TensorRef


class Rename(NamedTuple):
    """Give an Enter another frame name."""

    node: str
    frame: str


class Plan(NamedTuple):
    """Changes in the order they are to be made, and the structure that they lead to."""

    changes: Tuple
    structure: Structure


def plan(structure: Structure, leave: FrozenSet[str] = frozenset(), frames: FrozenSet[str] = frozenset()) -> Plan:
    """The changes that make loops and branches differentiable (none for a graph that is as TensorFlow wrote it).

    Args:
      structure: the graph as it is; not changed.
      leave: nodes that must stay as they are, because they have a context already.
      frames: frame names that are taken.
    """
    nodes = dict(structure.nodes)
    changes: List = []
    for step in (_gate_merges, _order_merges, _single_use, _carry_dtype, _add_exits, _split_switches, _guard_enters,
                 _add_pivots, functools.partial(_rename_frames, frames=frames)):
        found = list(step(structure, leave))
        if found:
            _change(nodes, found)
            changes += found
            structure = analyse(nodes)
    return Plan(tuple(changes), structure)


def _change(nodes: Nodes, changes: Any) -> None:
    for change in changes:
        if isinstance(change, Add):
            nodes[change.node.name] = change.node
        elif isinstance(change, Rewire):
            node = nodes[change.node]
            inputs = node.inputs[:change.slot] + (change.tensor,) + node.inputs[change.slot + 1:]
            nodes[change.node] = node._replace(inputs=inputs)
        else:
            nodes[change.node] = nodes[change.node]._replace(frame=change.frame)


class _Names:
    """Names for new nodes that are free in the graph and among themselves."""

    def __init__(self, nodes: Nodes):
        self._taken = set(nodes)

    def __call__(self, wish: str) -> str:
        name = free_name(wish, self._taken)
        self._taken.add(name)
        return name


def _ref(node: Node) -> str:
    """Prefix of the op types that go with a node: those on reference types have their own."""
    return "Ref" if node.op.startswith("Ref") else ""


def _merges(structure: Structure, leave: Any) -> List[Node]:
    """The Merges of two inputs that may be changed."""
    return [node for node in structure.nodes.values()
            if node.op in MERGES and len(node.inputs) == 2 and node.name not in leave]


def _variables(structure: Structure, leave: Any) -> List[Tuple[int, Any]]:
    """The variables of the loops that may be changed, each with its number in its loop."""
    return [each for loop in structure.loops.values() if loop.pivot not in leave for each in enumerate(loop.variables)]


def _instead(readers: Iterable[Tuple[str, int]], node: Node) -> List[Rewire]:
    """The first output of a node for what read another tensor."""
    return [Rewire(reader, slot, TensorRef(node.name, 0)) for reader, slot in readers]


def _gate_merges(structure: Structure, leave: Any) -> Iterator:
    """Each input of a Merge has a value on its own side only.

    TF 1.15's TransformGraph (``remove_nodes(op=Identity)``) ties a branch's constant to the Switch in place of the
    branch. Where one input surely has a value whenever the other one has, the innermost condition of the other is the
    Merge's, and the input belongs to its opposite. Where both lost theirs, nothing says which was which; they stay.
    """
    nodes, free = structure.nodes, _Names(structure.nodes)
    for node in _merges(structure, leave):
        if any(nodes[ref.node].op in NEXTS for ref in node.inputs):
            continue
        for slot, source in enumerate(node.inputs):
            here, other = structure.output_arms(source), node.inputs[1 - slot]
            if not here < structure.output_arms(other) or not _as_its_arms_say(nodes, source):
                continue
            arms = [arm for arm in _outside_in(structure, other) if arm not in here]
            last = arms[-1]
            if not set(arms[:-1]) <= structure.output_arms(structure.preds[last.pred]):
                continue  # which condition is the innermost is a guess
            for pred, branch in arms[:-1] + [Arm(last.pred, 1 - last.branch)]:
                switch = Node(free(source.node + "_gate"), _ref(node) + "Switch", (source, structure.preds[pred]),
                              dtype=node.dtype)
                yield Add(switch)
                source = TensorRef(switch.name, branch)
            yield Rewire(node.name, slot, source)


def _as_its_arms_say(nodes: Nodes, ref: TensorRef) -> bool:
    """Whether a tensor has a value in every case in which its arms hold.

    Arms are what must hold. Behind a Merge more may have to: it has a value when any of its inputs has one.
    """
    def before(name: str) -> List[str]:
        return [one.node for one in edges(nodes, nodes[name]) if not closes_loop(nodes, one, nodes[name])]

    for name in reached([ref.node], before):
        starts_loop = any(closes_loop(nodes, one, nodes[name]) for one in nodes[name].inputs)
        if nodes[name].op in EXITS | {"_SwitchN"} or (nodes[name].op in MERGES and not starts_loop):
            return False
    return True


def _outside_in(structure: Structure, ref: TensorRef) -> List[Arm]:
    """Conditions under which a tensor has a value, outermost first."""
    nested = list(structure.place[ref.node].arms)
    return nested + sorted(arm for arm in structure.output_arms(ref) if arm not in nested)


def _order_merges(structure: Structure, leave: Any) -> Iterator:
    """Inputs of a Merge in the order that its gradient takes for granted: (false, true), (first, next iteration)."""
    nodes, free = structure.nodes, _Names(structure.nodes)
    for node in _merges(structure, leave):
        first, second = node.inputs
        if nodes[first.node].op in NEXTS:
            wrong = nodes[second.node].op not in NEXTS
        else:
            here, there = structure.output_arms(first), structure.output_arms(second)
            wrong = (any(arm.branch == 1 and Arm(arm.pred, 0) in there for arm in here) and
                     not any(arm.branch == 0 and Arm(arm.pred, 1) in there for arm in here))
        if not wrong:
            continue
        yield Rewire(node.name, 0, second)
        yield Rewire(node.name, 1, first)
        readers = structure.uses.get(TensorRef(node.name, 1), ())
        if readers:  # output 1 says which input came: 0 becomes 1 and 1 becomes 0
            int32, index = 3, TensorRef(node.name, 1)
            one = Node(free(node.name + "_one"), "OnesLike", (index,), dtype=int32)
            other = Node(free(node.name + "_other"), "Sub", (TensorRef(one.name, 0), index), dtype=int32)
            yield Add(one)
            yield Add(other)
            yield from _instead(readers, other)


def _single_use(structure: Structure, leave: Any) -> Iterator:
    """Each output of a loop Switch has one reader, the one into the body an Identity.

    ``tf.gradients`` takes the second visit to a loop Switch for the last one.
    """
    nodes, uses, free = structure.nodes, structure.uses, _Names(structure.nodes)
    for number, variable in _variables(structure, leave):
        switch = nodes[variable.switch]
        for port, suffix in ((0, "_final"), (1, "_body")):
            output = TensorRef(switch.name, port)
            readers = uses.get(output, [])
            alone = len(readers) == 1 and (port == 0 or _plain_identity(nodes[readers[0][0]]))
            # The first variable's Identity is what the body's constants are tied to.
            if alone or not readers and (port == 0 or number > 0):
                continue
            identity = Node(free(switch.name + suffix), _ref(switch) + "Identity", (output,), dtype=switch.dtype)
            yield Add(identity)
            yield from _instead(readers, identity)


def _carry_dtype(structure: Structure, leave: Any) -> Iterator:
    """A gradient, be it zero, from each iteration of a variable that is not float32 to the one before.

    Where the next value does not depend on the last one, TensorFlow (1.15 to 2.21) fills in zeros, and takes them for
    float32. Passing both through one IdentityN gives zeros of the right kind, and leaves the values alone.
    """
    nodes, uses, free = structure.nodes, structure.uses, _Names(structure.nodes)
    for _, variable in _variables(structure, leave):
        switch = nodes[variable.switch]
        if not variable.merge or switch.dtype not in _FLOATS_BUT_FLOAT32:
            continue
        for slot, entry in enumerate(nodes[variable.merge].inputs):
            following = nodes[entry.node]
            if following.op not in NEXTS or nodes[following.inputs[0].node].op == "IdentityN":
                continue
            last = TensorRef(switch.name, 1)
            if uses.get(last):
                last = TensorRef(uses[last][0][0], 0)
            else:
                body = Node(free(switch.name + "_body"), "Identity", (last,), dtype=switch.dtype)
                yield Add(body)
                last = TensorRef(body.name, 0)
            both = Node(free(following.name + "_carry"), "IdentityN", (following.inputs[0], last), dtype=switch.dtype)
            yield Add(both)
            if len(uses[entry]) > 1:  # two variables with the same next value share it; their gradients differ
                own = following._replace(name=free(following.name + "_own"), inputs=(TensorRef(both.name, 0),))
                yield Add(own)
                yield Rewire(variable.merge, slot, TensorRef(own.name, 0))
            else:
                yield Rewire(following.name, 0, TensorRef(both.name, 0))


def _plain_identity(node: Node) -> bool:
    return node.op in IDENTITIES and not node.controls


def _add_exits(structure: Structure, leave: Any) -> Iterator:
    """An Exit for every loop variable: gradients enter the backward loop through it."""
    nodes, free = structure.nodes, _Names(structure.nodes)
    for _, variable in _variables(structure, leave):
        if not variable.exits:
            switch = nodes[variable.switch]
            readers = structure.uses.get(TensorRef(switch.name, 0))
            final = TensorRef(readers[0][0], 0) if readers and _plain_identity(nodes[readers[0][0]]) else (
                TensorRef(switch.name, 0))
            yield Add(Node(free(switch.name + "_exit"), _ref(switch) + "Exit", (final,), dtype=switch.dtype))


def _split_switches(structure: Structure, leave: Any) -> Iterator:
    """One Switch per branch where a differentiable value goes into both."""
    nodes, uses, free = structure.nodes, structure.uses, _Names(structure.nodes)
    split: Dict[TensorRef, TensorRef] = {}
    for name in structure.switch_pred:  # inputs first
        node = nodes[name]
        readers = uses.get(TensorRef(name, 0))
        if (name in leave or not readers or not uses.get(TensorRef(name, 1)) or
                node.dtype % 100 not in _DIFFERENTIABLE):
            continue
        twin = node._replace(name=free(name + "_false"), inputs=tuple(split.get(ref, ref) for ref in node.inputs))
        split[TensorRef(name, 0)] = TensorRef(twin.name, 0)
        yield Add(twin)
        yield from _instead(readers, twin)


def _guard_enters(structure: Structure, leave: Any) -> Iterator:
    """All values of a loop enter it under the same conditions.

    An optimiser that drops control edges lets a counter start in a branch that is not taken; forward nobody notices,
    backward the loop waits for values that never come. Loops that let such a counter out are left as they are.
    """
    nodes, free = structure.nodes, _Names(structure.nodes)
    for loop in structure.loops.values():
        lacking = {}
        for name in loop.enters:
            source = nodes[name].inputs[0]
            here = structure.output_arms(source).union(*(structure.arms[control] for control in nodes[name].controls))
            lacking[name] = [arm for arm in loop.parent.arms if arm not in here]
        read = {variable.enter for variable in loop.variables
                if any(structure.uses.get(TensorRef(name, 0)) for name in variable.exits)}
        if loop.pivot in leave or any(lacking.get(enter) for enter in read):
            continue
        for name, arms in lacking.items():
            source = nodes[name].inputs[0]
            for arm in arms:
                switch = Node(free(name + "_guard"), "Switch", (source, structure.preds[arm.pred]),
                              dtype=nodes[name].dtype)
                yield Add(switch)
                source = TensorRef(switch.name, arm.branch)
            if arms:
                yield Rewire(name, 0, source)


def _add_pivots(structure: Structure, leave: Any) -> Iterator:
    """Something to tie new nodes of a branch to, in every branch."""
    free, known = _Names(structure.nodes), pivots(structure)
    lively = {place for name, place in structure.place.items() if name not in leave}
    switches: Dict[Tuple[TensorRef, Place], str] = {}
    for place in places(structure):
        if not place.arms or place in known or place not in lively:
            continue
        pred, branch = place.arms[-1]
        read, around = structure.preds[pred], place._replace(arms=place.arms[:-1])
        if (pred, around) not in switches:
            switch = Node(free(pred.node + "_pivot"), "Switch", (read, read), dtype=10)
            switches[pred, around] = switch.name
            yield Add(switch)
        name = switches[pred, around]
        # A predicate from outside the branch around says nothing of that branch; tie the pivot to both.
        inside = set(around.arms) <= structure.output_arms(read)
        controls = () if inside or around not in known else (known[around],)
        pivot = Node(free("%s_%s" % (name, "ft"[branch])), "Identity", (TensorRef(name, branch),), controls, dtype=10)
        known[place] = pivot.name
        yield Add(pivot)


def _rename_frames(structure: Structure, leave: Any, frames: Any) -> Iterator:
    """A frame name of its own for every loop: the executor tells loops apart by it."""
    taken = set(frames) | {loop.frame for loop in structure.loops.values() if loop.pivot in leave}
    wished = {loop.frame for loop in structure.loops.values()}
    for loop in structure.loops.values():
        if loop.pivot in leave:
            continue
        name, number = loop.frame, 1
        while name in taken or (number > 1 and name in wished):
            name, number = "%s_%d" % (loop.frame, number), number + 1
        taken.add(name)
        if name != loop.frame or any(structure.nodes[enter].frame != name for enter in loop.enters):
            for enter in loop.enters:
                yield Rename(enter, name)
