"""The narrows of a graph: going back from a tensor, the tensors that all of its data passes through."""

import heapq
from typing import Callable, Dict, List

from graph_tools.find.view import View
from graph_tools.graph.names import TensorRef

_MOST = 400  # nodes behind a tensor that are looked at


def narrows(view: View, end: TensorRef, stop: Callable[[str], bool]) -> List[TensorRef]:
    """The tensors that all data behind ``end`` passes through, ``end`` first; not beyond nodes where ``stop`` is true.

    Always back from the node that comes last in the graph: where one is left, all passes it.
    """
    order = _order(view, end, stop)
    found: List[TensorRef] = []
    todo = [(-order[end.node], end)]
    while todo:
        _, ref = heapq.heappop(todo)
        while todo and todo[0][1] == ref:
            heapq.heappop(todo)
        if not todo:
            found.append(ref)
        if stop(ref.node) or len(found) > _MOST:
            break
        for source in view.inputs(ref.node):
            if source.node in order:
                heapq.heappush(todo, (-order[source.node], source))
    return found


def _order(view: View, end: TensorRef, stop: Callable[[str], bool]) -> Dict[str, int]:
    """The nodes of data behind a tensor, as far as they are looked at, each after what it is computed from."""
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
        if not stop(name) and len(entered) <= _MOST:
            todo += [(ref.node, False) for ref in view.inputs(name) if view.flow.is_data(ref.node)]
    return order
