"""The arms of conditionals: what is computed in one is an end of nothing, it runs only where the arm is taken."""

from typing import FrozenSet, Iterable, List, Tuple

from graph_tools.find.view import View
from graph_tools.graph.names import TensorRef
from graph_tools.graph.ops import MERGES, SWITCHES
from graph_tools.graph.walk import reached

Entered = Tuple[TensorRef, ...]


def inside(view: View) -> FrozenSet[str]:
    """Names of the nodes that are computed in an arm of a conditional, loops apart: behind a switch and before what
    merges the arms again."""
    def onward(at: Tuple[str, int]) -> Iterable[Tuple[str, int]]:
        node, depth = at
        for use in view.index.consumers(node, control=False):
            if use.node in view.gradients:
                continue
            after = depth + _step(view, use.node)
            if after > 0:
                yield use.node, after

    starts: List[Tuple[str, int]] = [(name, 1) for name in view.index.names_of(SWITCHES) if _step(view, name)]
    return frozenset(node for node, _ in reached(starts, onward))


def entered(view: View, before: Entered, ref: TensorRef, node: str) -> Entered:
    """The tensors by which a value has come into the arms that it is in, outermost first, once ``node`` has read it.

    Args:
      before: the same of ``ref``, which the node reads.
    """
    step = _step(view, node)
    return before + (ref,) if step > 0 else before[:-1] if step else before


def _step(view: View, node: str) -> int:
    """How much deeper in conditionals the outputs of a node are than what it reads."""
    if node in view.loop_nodes:
        return 0
    return (view.op(node) in SWITCHES) - (view.op(node) in MERGES)
