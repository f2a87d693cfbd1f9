"""Producers, consumers and ancestors over a GraphDef, without importing it.

Nothing here runs or imports the graph: a GraphDef from a stranger can be read safely.
"""

import weakref
from collections import deque
from typing import (
    Any,
    Callable,
    Container,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
    TypeVar,
)

from graph_tools.graph import names
from graph_tools.graph.kept import Kept
from graph_tools.graph.names import TensorRef

Thing = TypeVar("Thing")


class Use(NamedTuple):
    """One place where a tensor is consumed: input number ``slot`` of the node ``node``."""

    node: str
    slot: int


def reached(starts: Iterable[Thing], onward: Callable[[Thing], Iterable[Thing]]) -> Iterator[Thing]:
    """Some things and all that one comes to from them, each once, nearest first.

    What a thing leads on to is asked after it was handed out, and not at all of the last one that is taken.

    >>> list(reached(["c"], {"a": "", "b": "a", "c": "ab"}.get))
    ['c', 'a', 'b']
    """
    seen: Set[Thing] = set()
    todo = deque(starts)
    while todo:
        one = todo.popleft()
        if one not in seen:
            seen.add(one)
            yield one
            todo.extend(onward(one))


def producers_first(starts: Iterable[Any], sources: Callable[[Any], Iterable[Any]]) -> List[Any]:
    """Some things and all that they come from, each after its sources (a way back in a circle does not count).

    >>> producers_first(["c"], {"a": "", "b": "a", "c": "ab"}.get)
    ['a', 'b', 'c']
    """
    order: List[Any] = []
    seen: Set[Any] = set()
    for start in starts:
        todo = [(start, False)]
        while todo:
            one, done = todo.pop()
            if done:
                order.append(one)
            elif one not in seen:
                seen.add(one)
                todo.append((one, True))
                todo.extend((source, False) for source in sources(one) if source not in seen)
    return order


def spread(marks: Mapping[str, int], order: Iterable[str], sources: Callable[[str], Iterable[str]]) -> Dict[str, int]:
    """Marks (bits) of things, and of all that they come from: for who asks of many what one asks by a walk of its own.
    In any ``order``; where each stands behind its sources, one pass does.

    >>> spread({"a": 1, "b": 2}, "abc", {"a": "", "b": "a", "c": "b"}.get)
    {'a': 1, 'b': 3, 'c': 3}
    """
    found, changed = dict(marks), True
    while changed:
        read: Set[str] = set()
        changed = False
        for one in order:
            before = after = found.get(one, 0)
            for source in sources(one):
                read.add(source)
                after |= found.get(source, 0)
            if after != before:
                found[one], changed = after, changed or one in read
    return found


class _Made(Dict[str, Thing]):
    """A dictionary that makes what it lacks of an index; this goes with the last who uses it, and its GraphDef too."""

    def __init__(self, index: Any, make: Callable[[Any, str], Thing]):
        super().__init__()
        self._index, self._make = weakref.ref(index), make

    def __missing__(self, key: str) -> Thing:
        made = self[key] = self._make(self._index(), key)
        return made


class GraphIndex:
    """Read-only index of one GraphDef: nodes by name, inputs, consumers, ancestors and descendants.

    The index refers to the GraphDef it was made from; it goes stale when that GraphDef is changed. What it gives is its
    own, to be read. ``nodes``: its nodes, where they are not all in it.
    """

    def __init__(self, graph_def: Any, nodes: Optional[Iterable[Any]] = None):
        self.graph_def = graph_def
        self.nodes = {node.name: node for node in (graph_def.node if nodes is None else nodes)}
        self._ops: Dict[str, str] = {name: node.op for name, node in self.nodes.items()}
        self._inputs = _Made(self, GraphIndex._read_inputs)
        self._data_inputs = _Made(self, lambda index, name: [ref for ref in index.inputs(name) if ref.port >= 0])
        self._kept = Kept()
        self._uses: Optional[Dict[str, Dict[int, List[Use]]]] = None
        self._consumers = {control: _Made(self, _all_uses(control)) for control in (False, True)}
        self._before = {control: _Made(self, _neighbours(control)) for control in (False, True)}
        self._behind: Dict[bool, Dict[str, List[str]]] = {}

    def __contains__(self, node_name: str) -> bool:
        return node_name in self.nodes

    def op(self, node_name: str) -> str:
        """The op type of a node, or ``""`` when there is no such node."""
        return self._ops.get(node_name, "")

    def once(self, make: Callable[..., Any], *given: Any) -> Any:
        """``make(index, *given)``, made once and kept: not for an index whose GraphDef is being changed."""
        return self._kept.get((make,) + given, lambda: make(self, *given))

    def of_ops(self, ops: Container[str]) -> List[Any]:
        """The nodes of some op types, in the order of the graph."""
        return [self.nodes[name] for name in self.names_of(ops)]

    def names_of(self, ops: Container[str]) -> List[str]:
        """The names of the nodes of some op types, in the order of the graph."""
        there, by_op = self.once(_by_op)
        return [there[place] for place in sorted(place for op, held in by_op.items() if op in ops for place in held)]

    def inputs(self, node_name: str) -> List[TensorRef]:
        """Data and control inputs of a node, in order; inputs that name no node are kept."""
        return self._inputs[node_name]

    def _read_inputs(self, node_name: str) -> List[TensorRef]:
        return list(map(names.parse, self.nodes[node_name].input)) if node_name in self.nodes else []

    def data_inputs(self, node_name: str) -> List[TensorRef]:
        return self._data_inputs[node_name]

    def producers_first(self) -> List[str]:
        """All nodes, each after those that give it data (a way back in a circle does not count); made once."""
        return self.once(_ordered)

    def readers(self, node_name: str) -> List[str]:
        """The nodes that take data of a node, one that takes it twice side by side."""
        return self._readers(False)[node_name]

    def origin(self, ref: TensorRef, passing: Container[str]) -> TensorRef:
        """The tensor behind nodes of some op types, back through their first inputs (through an ``IdentityN``, the one
        of the same number); never round a loop."""
        seen = set()
        while self.op(ref.node) in passing and ref not in seen and self.data_inputs(ref.node):
            seen.add(ref)
            ref = self.data_inputs(ref.node)[ref.port if self.op(ref.node) == "IdentityN" else 0]
        return ref

    def uses(self, tensor: Any) -> List[Use]:
        """Where a tensor (a ``TensorRef`` or a name; port -1 for control edges) is consumed."""
        ref = tensor if isinstance(tensor, TensorRef) else names.parse(tensor)
        return self._by_port(ref.node).get(ref.port, [])

    def consumers(self, node_name: str, control: bool = True) -> List[Use]:
        """Every place where any output of a node is consumed."""
        return self._consumers[control][node_name]

    def ports(self, node_name: str) -> List[int]:
        """The outputs of a node that something consumes, -1 for control edges."""
        return list(self._by_port(node_name))

    def _by_port(self, node_name: str) -> Dict[int, List[Use]]:
        """Where the outputs of a node are consumed, by their numbers, lowest first."""
        if self._uses is None:
            table: Dict[str, Dict[int, List[Use]]] = {}
            for name in self.nodes:
                for slot, ref in enumerate(self._inputs[name]):
                    table.setdefault(ref.node, {}).setdefault(ref.port, []).append(Use(name, slot))
            self._uses = {name: dict(sorted(ports.items())) for name, ports in table.items()}
        return self._uses.get(node_name, {})

    def ancestors(self, outputs: Iterable[str], control: bool = True,
                  stop: Optional[Callable[[str], bool]] = None) -> Set[str]:
        """Node names that the given tensors or nodes depend on, themselves included.

        A node for which ``stop`` is true is included but not walked through.
        """
        return self._closure((names.parse(name).node for name in outputs), stop, self._before[control].__getitem__)

    def descendants(self, inputs: Iterable[str], control: bool = True,
                    stop: Optional[Callable[[str], bool]] = None) -> Set[str]:
        """Node names that depend on the given nodes (any output of theirs), themselves included."""
        return self._closure((names.parse(name).node for name in inputs), stop, self._readers(control).__getitem__)

    def descendants_of_tensor(self, tensor: Any) -> Set[str]:
        """Node names whose values depend on one output of a node (the node itself only when a loop leads back)."""
        return self.descendants([use.node for use in self.uses(tensor)], control=False)

    def running(self, fetches: Iterable[str], fed: Container[str]) -> Set[str]:
        """Node names that a run of some tensors executes; a fed one is not computed, but a control edge to its node
        still runs that."""
        def around(name: str) -> List[str]:
            return [ref.node for ref in self.inputs(name)
                    if ref.node in self.nodes and (ref.is_control or str(ref) not in fed)]

        return self._closure((names.parse(name).node for name in fetches if name not in fed), None, around)

    def _readers(self, control: bool) -> Dict[str, List[str]]:
        """The nodes that take something of each node, one that takes it twice side by side."""
        if control not in self._behind:
            readers: Dict[str, List[str]] = {name: [] for name in self.nodes}
            for name in self.nodes:
                for ref in self._inputs[name]:
                    if (control or ref.port >= 0) and ref.node in readers:
                        readers[ref.node].append(name)
            self._behind[control] = readers
        return self._behind[control]

    def _closure(self, start: Iterable[str], stop: Optional[Callable[[str], bool]],
                 around: Callable[[str], Iterable[str]]) -> Set[str]:
        seen: Set[str] = set()
        todo = [name for name in start if name in self.nodes]
        while todo:
            name = todo.pop()
            if name not in seen:
                seen.add(name)
                if stop is None or not stop(name):
                    todo.extend(around(name))
        return seen

    def tensor_names(self) -> Iterator[str]:
        """A first-output name for every node (how many outputs a node has, only its op definition knows)."""
        return (name + ":0" for name in self.nodes)


class Wires:
    """Who takes what in a graph, by numbers: for a few walks through all of it.

    A ``GraphIndex`` makes a list for each node that is passed, which pays for who walks often; these are a handful of
    lists whatever the graph. Read when it is made: ``index.once(Wires)`` for who changes no inputs meanwhile.
    """

    def __init__(self, index: GraphIndex):
        self._names = list(index.nodes)
        self._places = places = {name: number for number, name in enumerate(self._names)}
        plain = {name: places[name] for name in names.plain(places)}
        self._starts = starts = [0]                  # of each node's own among the wires
        self._from: List[int] = []                   # the node that gives, its complement where it is a control edge
        self._to: List[int] = []                     # the node that takes
        gives, takes = self._from.append, self._to.append
        for number, node in enumerate(index.nodes.values()):
            for entry in node.input:
                giver = plain.get(entry)
                if giver is None:
                    ref = names.parse(entry)
                    if ref.node not in places:
                        continue
                    giver = places[ref.node] if ref.port >= 0 else ~places[ref.node]
                gives(giver)
                takes(number)
            starts.append(len(self._to))
        self._chains: Optional[Tuple[List[int], List[int]]] = None

    def before(self, starts: Iterable[str], stop: Callable[[str], bool]) -> Set[str]:
        """As ``GraphIndex.ancestors``."""
        def onward(number: int, todo: List[int]) -> None:
            for wire in range(self._starts[number], self._starts[number + 1]):
                giver = self._from[wire]
                todo.append(giver if giver >= 0 else ~giver)

        return self._closure(starts, stop, onward)

    def behind(self, starts: Iterable[str], stop: Callable[[str], bool]) -> Set[str]:
        """As ``GraphIndex.descendants``."""
        if self._chains is None:
            self._chains = self._chained()
        first, following = self._chains

        def onward(number: int, todo: List[int]) -> None:
            wire = first[number]
            while wire >= 0:
                todo.append(self._to[wire])
                wire = following[wire]

        return self._closure(starts, stop, onward)

    def taken(self, takers: Container[str]) -> Set[str]:
        """Nodes of which some others take data."""
        takes = [name in takers for name in self._names]
        return {self._names[giver] for giver in {giver for giver, taker in zip(self._from, self._to) if takes[taker]}
                if giver >= 0}

    def _chained(self) -> Tuple[List[int], List[int]]:
        """The last wire that leaves each node, and for each wire the one before it from the same; -1: none."""
        first, following = [-1] * len(self._names), [-1] * len(self._from)
        for wire, giver in enumerate(self._from):
            giver = giver if giver >= 0 else ~giver
            first[giver], following[wire] = wire, first[giver]
        return first, following

    def _closure(self, starts: Iterable[str], stop: Callable[[str], bool],
                 onward: Callable[[int, List[int]], None]) -> Set[str]:
        seen = bytearray(len(self._names))
        todo = [self._places[name] for name in map(_node_of, starts) if name in self._places]
        found = set()
        while todo:
            number = todo.pop()
            if not seen[number]:
                seen[number] = 1
                found.add(self._names[number])
                if not stop(self._names[number]):
                    onward(number, todo)
        return found


def _by_op(index: GraphIndex) -> Tuple[List[str], Dict[str, List[int]]]:
    """All nodes, and by op type their places: numbers, of which no collection looks at any."""
    found: Dict[str, List[int]] = {}
    for place, op in enumerate(index._ops.values()):
        found.setdefault(op, []).append(place)
    return list(index._ops), found


def _ordered(index: GraphIndex) -> List[str]:
    return producers_first(index.nodes, lambda name: [
        ref.node for ref in index.data_inputs(name) if ref.node in index.nodes])


def _node_of(name: str) -> str:
    return names.parse(name).node


def _all_uses(control: bool) -> Callable[[Any, str], List[Use]]:
    return lambda index, name: [use for port in index.ports(name) if control or port >= 0
                                for use in index.uses(TensorRef(name, port))]


def _neighbours(control: bool) -> Callable[[Any, str], Sequence[str]]:
    """What gives the nodes before a node, each once."""
    return lambda index, name: tuple(dict.fromkeys(ref.node for ref in index.inputs(name) if (
        control or ref.port >= 0) and ref.node in index.nodes))


def in_order(waiting: Mapping[str, Sequence[str]]) -> Tuple[List[str], List[str]]:
    """Names with those that each waits for before it; and those of a circle, where some wait for each other.

    >>> in_order({"a": ["b"], "b": []}), in_order({"a": ["b"], "b": ["a"], "c": []})
    ((['b', 'a'], []), (['c'], ['a', 'b', 'a']))
    """
    readers: Dict[str, List[str]] = {}
    for name, before in waiting.items():
        for other in before:
            readers.setdefault(other, []).append(name)
    lacking = {name: len(before) for name, before in waiting.items()}
    ready = deque(name for name, count in lacking.items() if not count)
    order: List[str] = []
    while ready:
        order.append(ready.popleft())
        for reader in readers.get(order[-1], ()):
            lacking[reader] -= 1
            if not lacking[reader]:
                ready.append(reader)
    path = [name for name, count in lacking.items() if count][:1]
    while path and path[-1] not in path[:-1]:
        path.append(next(name for name in waiting[path[-1]] if lacking[name]))
    return order, path[path.index(path[-1]):][::-1] if path else []
