"""What one fed value settles in a graph: nodes that decided about some tensors and do not any more.

One graph may have a thousand switches. So it is walked once for what decides while nothing is fed, counting who needs
what. Of a value only what follows from it is looked at: a tensor that becomes known needs nothing, and what nobody
needs decides nothing.
"""

from collections import Counter
from typing import Any, Dict, List, Optional, Set, Tuple

import numpy as np

from graph_tools.find.decided import Decided, Span, span_of
from graph_tools.graph import names
from graph_tools.graph.names import TensorRef
from graph_tools.graph.ops import IFS, NEXTS, SWITCHES
from graph_tools.graph.walk import GraphIndex, spread

# What looks at an input's value otherwise than by arithmetic: branches that die, functions that are called, axes.
_LOOKS = SWITCHES | IFS | {"Mean"}
_TIMES = 8  # that one tensor may be computed anew while a value is followed


def nothing_fed(index: GraphIndex) -> Decided:
    """What is decided before anything is fed; ``index.once`` of it is for who holds the index alone."""
    return Decided(index, {})


class Under(Decided):
    """A graph under one value, beside what it is while nothing is fed.

    Attributes:
      changed: the tensors of which more is known.
      whole: whether they are all that changes; else a ``Decided`` of its own tells.
    """

    def __init__(self, base: Decided, tensor: str, value: Any):
        self.index, self.dead = base.index, base.dead
        self._base, self._known = base, {names.parse(tensor): span_of(value)}
        self.whole = True
        self._follow(names.parse(tensor))
        self.changed = list(self._known)

    def _follow(self, start: TensorRef) -> None:
        todo, times = [start], Counter([start])
        while todo and self.whole:
            changed = todo.pop()
            for use in self.index.uses(changed):
                op = self.index.op(use.node)
                if op in _LOOKS and not (op in SWITCHES and use.slot == 0):
                    self.whole = False
                for port in self.index.ports(use.node):
                    ref = TensorRef(use.node, port)
                    found = None if port < 0 else self._computed(self.index.nodes[use.node], 1)
                    if found is not None and not _same(found, self._span(ref, 0)):
                        self._known[ref] = found
                        times[ref] += 1
                        self.whole = self.whole and times[ref] < _TIMES
                        todo.append(ref)

    def _span(self, ref: TensorRef, depth: int) -> Optional[Span]:
        return self._known[ref] if ref in self._known else self._base._span(ref, depth)


def _same(one: Span, other: Optional[Span]) -> bool:
    return other is not None and np.array_equal(one.low, other.low) and np.array_equal(one.high, other.high)


def _circles(index: GraphIndex) -> Set[str]:
    """The nodes of loops: who needs each other in a circle is not counted out."""
    steps = index.names_of(NEXTS)
    return index.descendants(steps, control=False) & index.ancestors(steps, control=False) if steps else set()


class Deciding:
    """What decides about some tensors while nothing is fed, and by how many of them each is needed."""

    def __init__(self, index: GraphIndex, outputs: Tuple[str, ...]):
        self.decided, self._circles = index.once(nothing_fed), index.once(_circles)
        self._count: Dict[TensorRef, int] = Counter(map(names.parse, outputs))
        self._needs: Dict[TensorRef, Tuple[TensorRef, ...]] = {}
        self._of_node: Dict[str, List[TensorRef]] = {}
        todo = list(self._count)
        while todo:
            ref = todo.pop()
            if ref in self._needs or ref.node not in index or ref in self.decided.dead:
                continue
            self._needs[ref] = self._needed(self.decided, ref)
            self._of_node.setdefault(ref.node, []).append(ref)
            self._count.update(self._needs[ref])
            todo += self._needs[ref]

    @staticmethod
    def _needed(decided: Decided, ref: TensorRef) -> Tuple[TensorRef, ...]:
        return () if decided.value(ref) is not None else tuple(decided.needed(ref.node))

    def settled(self, under: Under) -> Optional[Set[str]]:
        """The nodes that decide nothing any more under a value; ``None``: counting does not tell."""
        gone: Set[TensorRef] = set()
        less: Dict[TensorRef, int] = Counter()
        kept = {ref: self._needed(under, ref) for ref in self._touched(under)}
        lost = [one for ref, left in kept.items() for one in (Counter(self._needs[ref]) - Counter(left)).elements()]
        while lost:
            ref = lost.pop()
            less[ref] += 1
            if less[ref] == self._count[ref] and ref in self._needs:
                gone.add(ref)
                lost += kept.get(ref, self._needs[ref])
        if any(ref.node in self._circles for ref in less if ref not in gone):
            return None
        return {ref.node for ref in gone if gone.issuperset(self._of_node[ref.node])}

    def _touched(self, under: Under) -> List[TensorRef]:
        """The tensors that became known, and those that are computed from one that did."""
        nodes = dict.fromkeys(name for changed in under.changed for name in (
            changed.node, *(use.node for use in self.decided.index.uses(changed))))
        return [ref for name in nodes for ref in self._of_node.get(name, ())]


class Ends:
    """The nodes whose outputs nobody takes, by the nodes that they are computed from."""

    def __init__(self, index: GraphIndex):
        order = index.producers_first()[::-1]
        self.names = [name for name in order if not index.readers(name)]
        self._behind = spread({name: 1 << number for number, name in enumerate(self.names)}, order, index.readers)

    def behind(self, name: str) -> List[str]:
        """The ends that depend on a node."""
        bits, found = self._behind.get(name, 0), []
        while bits:
            found.append(self.names[(bits & -bits).bit_length() - 1])
            bits &= bits - 1
        return found
