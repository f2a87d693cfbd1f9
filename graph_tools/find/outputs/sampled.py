"""Losses over sampled candidates (NCE, sampled softmax): no score of all classes exists, but that of the label does."""

from typing import Dict, List

from graph_tools.find.candidates import Miss, Output
from graph_tools.find.view import View
from graph_tools.graph import names
from graph_tools.graph.names import TensorRef

WHY = "the score of the label that is fed, before a loss over sampled candidates; the graph scores no other class"


def _samplers(view: View) -> List[str]:
    return [name for name, node in view.index.nodes.items() if node.op.endswith("CandidateSampler")]


def without_candidates(view: View, found: Dict[str, Output], misses: List[Miss]) -> Dict[str, Output]:
    """The candidates that are no scores of classes drawn by chance, nor of an action that is drawn where there are
    others; those that are become misses."""
    for draws, what, always in ((_samplers(view), "classes that %s draws", True),
                                (view.index.names_of(("Multinomial",)), "what %s draws", False)):
        after = view.index.descendants(draws, control=False)
        drawn = [name for name in found if names.parse(name).node in after]
        if always or len(drawn) < len(found):
            misses += [Miss(name, "it depends on %s by chance: part of a loss" % (what % draws[0])) for name in drawn]
            found = {name: one for name, one in found.items() if name not in drawn}
    return found


def label_scores(view: View) -> List[TensorRef]:
    """Sums of products of a row and the weights of its label: products with ones, of a product behind a sampler."""
    samplers = _samplers(view)
    after = view.index.descendants(samplers, control=False) if samplers else ()
    return [TensorRef(name, 0) for name in view.index.nodes if name in after and view.op(name) == "MatMul"
            and view.op(view.origin(view.inputs(name)[1])) == "Fill"
            and view.op(view.origin(view.inputs(name)[0], ("Reshape", "Identity"))) == "Mul"]
