"""Producers, consumers and ancestors over a GraphDef, without importing it.

Nothing here runs or imports the graph: a GraphDef from a stranger can be read safely.
"""

import threading
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


class Kept:
    """What is made of something once, by whichever thread asks first; a pickled or copied one begins anew."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._values: Dict[Any, Any] = {}

    def get(self, key: Any, make: Callable[[], Any]) -> Any:
        """What is kept under a key; made by ``make`` while every other thread waits."""
        with self._lock:
            if key not in self._values:
                self._values[key] = make()
            return self._values[key]

    def __reduce__(self) -> Tuple[Any, ...]:
        return Kept, ()


class GraphIndex:
    """Read-only index of one GraphDef: nodes by name, inputs, consumers, ancestors and descendants.

    The index refers to the GraphDef it was made from; it goes stale when that GraphDef is changed. ``nodes``: its
    nodes, where they are not all in it.
    """

    def __init__(self, graph_def: Any, nodes: Optional[Iterable[Any]] = None):
        self.graph_def = graph_def
        self.nodes = {node.name: node for node in (graph_def.node if nodes is None else nodes)}
        self._inputs: Dict[str, List[TensorRef]] = {}
        self._kept = Kept()
        self._consumers: Optional[Dict[str, Dict[int, List[Use]]]] = None
        self._neighbours: Dict[bool, Dict[str, Tuple[str, ...]]] = {}
        self._readers: Dict[bool, Dict[str, List[str]]] = {}

    def __contains__(self, node_name: str) -> bool:
        return node_name in self.nodes

    def op(self, node_name: str) -> str:
        """The op type of a node, or ``""`` when there is no such node."""
        node = self.nodes.get(node_name)
        return node.op if node is not None else ""

    def once(self, make: Callable[..., Any], *given: Any) -> Any:
        """``make(index, *given)``, made once and kept: not for an index whose GraphDef is being changed."""
        return self._kept.get((make,) + given, lambda: make(self, *given))

    def of_ops(self, ops: Container[str]) -> List[Any]:
        """The nodes of some op types, in the order of the graph."""
        return [node for node in self.nodes.values() if node.op in ops]

    def names_of(self, ops: Container[str]) -> List[str]:
        """The names of the nodes of some op types, in the order of the graph."""
        return [node.name for node in self.of_ops(ops)]

    def inputs(self, node_name: str) -> List[TensorRef]:
        """Data and control inputs of a node, in order; inputs that name no node are kept."""
        found = self._inputs.get(node_name)
        if found is None:
            node = self.nodes.get(node_name)
            found = [names.parse(entry) for entry in node.input] if node is not None else []
            self._inputs[node_name] = found
        return found

    def data_inputs(self, node_name: str) -> List[TensorRef]:
        return [ref for ref in self.inputs(node_name) if not ref.is_control]

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
        return self._consumer_table().get(ref.node, {}).get(ref.port, [])

    def consumers(self, node_name: str, control: bool = True) -> List[Use]:
        """Every place where any output of a node is consumed."""
        ports = self._consumer_table().get(node_name, {})
        return [use for port, found in ports.items() if control or port >= 0 for use in found]

    def ports(self, node_name: str) -> List[int]:
        """The outputs of a node that something consumes, -1 for control edges."""
        return list(self._consumer_table().get(node_name, {}))

    def _consumer_table(self) -> Dict[str, Dict[int, List[Use]]]:
        if self._consumers is None:
            table: Dict[str, Dict[int, List[Use]]] = {}
            for name in self.nodes:
                for slot, ref in enumerate(self.inputs(name)):
                    table.setdefault(ref.node, {}).setdefault(ref.port, []).append(Use(name, slot))
            self._consumers = {name: dict(sorted(ports.items())) for name, ports in table.items()}
        return self._consumers

    def ancestors(self, outputs: Iterable[str], control: bool = True,
                  stop: Optional[Callable[[str], bool]] = None) -> Set[str]:
        """Node names that the given tensors or nodes depend on, themselves included.

        A node for which ``stop`` is true is included but not walked through.
        """
        return self._closure((names.parse(name).node for name in outputs), stop, self._around(control, forward=False))

    def descendants(self, inputs: Iterable[str], control: bool = True,
                    stop: Optional[Callable[[str], bool]] = None) -> Set[str]:
        """Node names that depend on the given nodes (any output of theirs), themselves included."""
        return self._closure((names.parse(name).node for name in inputs), stop, self._around(control, forward=True))

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

    def _around(self, control: bool, forward: bool) -> Callable[[str], Sequence[str]]:
        """The nodes before or behind a node, each once; looked up once."""
        if forward:
            if control not in self._readers:
                self._readers[control] = self._read(control)
            readers = self._readers[control]
            return lambda name: readers.get(name, ())
        table = self._neighbours.setdefault(control, {})

        def around(name: str) -> Sequence[str]:
            found = table.get(name)
            if found is None:
                found = table[name] = tuple(dict.fromkeys(ref.node for ref in self.inputs(name) if (
                    control or ref.port >= 0) and ref.node in self.nodes))
            return found

        return around

    def _read(self, control: bool) -> Dict[str, List[str]]:
        """The nodes that take something of a node, one that takes it twice side by side."""
        readers: Dict[str, List[str]] = {}
        for name in self.nodes:
            for ref in self.inputs(name):
                if control or ref.port >= 0:
                    readers.setdefault(ref.node, []).append(name)
        return readers

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


def in_order(waiting: Mapping[str, Sequence[str]]) -> Tuple[List[str], List[str]]:
    """Names with those that each waits for before it; and those of a circle, where some wait for each other.

    >>> in_order({"a": ["b"], "b": []}), in_order({"a": ["b"], "b": ["a"], "c": []})
    ((['b', 'a'], []), (['c'], ['b', 'a', 'b']))
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
