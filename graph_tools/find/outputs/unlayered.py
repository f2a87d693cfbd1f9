"""Heads that stand behind no layer: scores made of rows of tables alone, and what is chosen from by its size.

A factorisation multiplies two looked-up rows, a line multiplies an input by a number that is learned, a capsule is
chosen by its length: nothing there is a matrix product, a head is what a loss compares with labels all the same.
"""

from typing import List, Set

from graph_tools.find.dataflow import LEARNED
from graph_tools.find.outputs.ends import READOUTS, Ends
from graph_tools.find.view import View
from graph_tools.graph.names import TensorRef
from graph_tools.graph.walk import reached

_CHOICES = frozenset(("ArgMax", "ArgMin", "TopK", "TopKV2", "Multinomial"))
# Back from a loss to what it adds up, row by row.
_TOTALS = frozenset(("Sum", "Mean", "L2Loss", "Add", "AddV2", "AddN", "Sub", "Neg", "Mul", "RealDiv", "Identity"))


def chosen_from(view: View, ends: Ends, taken: Set[str], learned: bool = True) -> List[TensorRef]:
    """What an argmax or a draw chooses from, where no head that is known has to do with it.

    ``learned``: by something learned.
    """
    index, found = view.index, []
    related = index.ancestors(taken, control=False, stop=lambda name: view.op(name) in READOUTS) | index.descendants(
        taken, control=False)
    for node in index.of_ops(_CHOICES):
        ref = ends.without_logarithm(view.inputs(node.name)[0])
        if ref.node in related or ref.node in view.loop_nodes or node.name in view.loop_nodes or (
                node.name in view.gradients or not view.is_float(ref) or not view.flow.bits(ref.node)):
            continue
        if view.flow.is_data(ref.node) and view.shape(ref) != () and (
                not learned or view.flow.bits(ref.node) & LEARNED
                or ref.node in index.descendants(ends.layers, control=False)):
            found.append(ref)
    return list(dict.fromkeys(found))


def added_up(view: View, ends: Ends) -> List[TensorRef]:
    """The scores a row that a loss without labels adds up: those with the most behind them."""
    def before(ref: TensorRef) -> List[TensorRef]:
        ends_here = not view.flow.is_data(ref.node) or view.shape(ref) != () or view.op(ref) not in _TOTALS
        return [] if ends_here else view.inputs(ref.node)

    found = {ref: len(ends.sources([str(ref)])) for ref in reached(
        [ref for ref, is_scalar in ends.tensors.items() if is_scalar], before)
             if view.flow.is_data(ref.node) and view.shape(ref) != ()}
    return [ref for ref, count in found.items() if count == max(found.values())]
