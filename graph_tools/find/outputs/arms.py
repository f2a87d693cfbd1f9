"""The arms of conditionals: what is computed in one is an end of nothing, it runs only where the arm is taken."""

from typing import Dict, FrozenSet, NamedTuple, Optional

from graph_tools.find.view import View
from graph_tools.graph.names import TensorRef
from graph_tools.graph.ops import MERGES, SWITCHES


class Entered(NamedTuple):
    """How deep in conditionals a value is, and by which tensor it has come into the outermost arm."""

    depth: int = 0
    by: Optional[TensorRef] = None


def inside(view: View) -> FrozenSet[str]:
    """Names of the nodes that are computed in an arm of a conditional, loops apart: behind a switch and before what
    merges the arms again."""
    depths: Dict[str, int] = {}
    for name in view.index.producers_first():
        if name not in view.gradients:
            before = max((depths.get(ref.node, 0) for ref in view.inputs(name)), default=0)
            depths[name] = max(0, before + _step(view, name))
    return frozenset(name for name, depth in depths.items() if depth)


def entered(view: View, before: Entered, ref: TensorRef, node: str) -> Entered:
    """Where a value is in conditionals once ``node`` has read ``ref``, which is at ``before``."""
    depth = max(0, before.depth + _step(view, node))
    return Entered(depth, (before.by or ref) if depth else None)


def _step(view: View, node: str) -> int:
    """How much deeper in conditionals the outputs of a node are than what it reads."""
    if node in view.loop_nodes:
        return 0
    return (view.op(node) in SWITCHES) - (view.op(node) in MERGES)
