"""Which candidates are one head: ``softmax([0, z])``, ``sigmoid(z)`` and ``z`` say the same thing three times.

Two candidates are one head when one tensor decides both: going back from each, through points that everything passes,
a point is common to them. Halves of one tensor (the boxes and the classes of a detector) are two heads.
"""

import dataclasses
import heapq
from typing import Dict, FrozenSet, List, NamedTuple, Sequence

from graph_tools.find.candidates import Output
from graph_tools.find.dataflow import LAYERS, SOURCES
from graph_tools.find.view import View
from graph_tools.graph import names
from graph_tools.graph.names import TensorRef

# What takes a part of a tensor: another part of it is another matter.
_PARTS = frozenset(("Slice", "StridedSlice", "Split", "SplitV", "Unpack", "Gather", "GatherV2", "GatherNd"))
_WHOLE = ("softmax", "sigmoid", "log_softmax")
_MOST = 400  # nodes behind an output that are looked at


class _Back(NamedTuple):
    """The tensors that all of an output's data passes through, back to its last layer; those before any part."""

    passed: FrozenSet[str]
    whole: FrozenSet[str]


def grouped(view: View, ranked: Sequence[Output]) -> List[Output]:
    """The candidates, best first as they came, each with the better one that is the same head (``same_as``)."""
    back = {one.tensor: _back(view, names.parse(one.tensor)) for one in ranked}
    heads: List[List[Output]] = []
    found: List[Output] = []
    for one in ranked:
        same = [head for head in heads if any(_are_one(one, other, back) for other in head)]
        merged = [one] if not same else sum(same, []) + [one]
        heads = [head for head in heads if head not in same] + [merged]
    first = {one.tensor: min(head, key=ranked.index).tensor for head in heads for one in head}
    for one in ranked:
        best = first[one.tensor]
        found.append(one if best == one.tensor else dataclasses.replace(one, same_as=best))
    return found


def passed(view: View, end: TensorRef) -> FrozenSet[str]:
    """The tensors that all data behind an output passes through, back to its last layer; itself included."""
    return _back(view, end).passed


def _are_one(one: Output, other: Output, back: Dict[str, _Back]) -> bool:
    mine, its = back[one.tensor], back[other.tensor]
    return bool(mine.whole & its.whole) or (other.kind in _WHOLE and other.tensor in mine.passed) or (
        one.kind in _WHOLE and one.tensor in its.passed)


def _back(view: View, end: TensorRef) -> _Back:
    """Back from an output, always from the node that comes last in the graph: where one is left, all passes it."""
    order = _order(view, end)
    passed, whole, cut = [], [], False
    todo = [(-order[end.node], end)]
    while todo:
        _, ref = heapq.heappop(todo)
        while todo and todo[0][1] == ref:
            heapq.heappop(todo)
        if not todo:
            passed.append(str(ref))
            whole += [] if cut else [str(ref)]
        op = view.op(ref)
        if op in LAYERS or op in SOURCES or op in ("Exit", "RefExit", "Merge") or len(passed) > _MOST:
            break
        cut = cut or op in _PARTS
        for source in view.inputs(ref.node):
            if source.node in order:
                heapq.heappush(todo, (-order[source.node], source))
    return _Back(frozenset(passed), frozenset(whole))


def _order(view: View, end: TensorRef) -> Dict[str, int]:
    """The nodes of data behind an output, back to layers and loops, each after what it is computed from."""
    order: Dict[str, int] = {}
    todo, entered = [(end.node, False)], set()
    while todo:
        name, done = todo.pop()
        if done:
            order.setdefault(name, len(order))
            continue
        if name in entered:
            continue
        entered.add(name)
        todo.append((name, True))
        if view.op(name) in LAYERS or view.op(name) in ("Exit", "RefExit", "Merge") or len(entered) > _MOST:
            continue
        todo += [(ref.node, False) for ref in view.inputs(name) if view.flow.is_data(ref.node)]
    return order
