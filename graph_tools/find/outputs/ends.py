"""Where a graph ends: what is left when training, summaries and shapes are taken away, and which layers come last."""

import re
from typing import Dict, Iterable, List, Set

from graph_tools.find.dataflow import LAYERS, LEARNED, SOURCES
from graph_tools.find.view import GRADIENT_SCOPE, SHAPE_READERS, View
from graph_tools.graph.names import TensorRef
from graph_tools.graph.walk import Use

LOSSES = frozenset((
    "SparseSoftmaxCrossEntropyWithLogits", "SoftmaxCrossEntropyWithLogits", "CTCLoss", "CTCLossV2", "L2Loss"))
# Values go no further than these as something a gradient can follow.
READOUTS = frozenset((
    "ArgMax", "ArgMin", "TopK", "TopKV2", "InTopK", "InTopKV2", "Equal", "NotEqual", "Less", "LessEqual", "Greater",
    "GreaterEqual", "Where", "OneHot", "Multinomial", "Round", "Floor", "Ceil", "Sign", "Bucketize", "AsString",
    "LookupTableFindV2", "PyFunc", "Assert", "Print", "PrintV2", "CTCGreedyDecoder", "CTCBeamSearchDecoder",
    "GatherTree")) | SHAPE_READERS
# What control flow leaves behind unused is no end of a model.
_NO_ENDS = frozenset(("Switch", "RefSwitch", "Enter", "RefEnter", "NextIteration", "TensorArrayWriteV3",
                      "TensorArrayScatterV3"))
_SUMMARIES = re.compile(r"(Summary|SummaryV2)$")
_UPDATES = re.compile(r"^(Resource)?(Sparse)?(Apply|Scatter|Assign)|^Assign|^(Save|SaveV2|MergeV2Checkpoints|NoOp)$"
                      r"|Enqueue|^Stage$|^MapStage$|^AccumulatorApply|^SparseAccumulatorApply")


class Ends:
    """The ends of one graph, and the learned layers with nothing learned after them.

    Attributes:
      training: nodes of gradients, updates and summaries: whatever leads to no other end of the graph.
      layers: nodes of learned layers that data flows through.
      before: nodes whose values flow into such a layer along a differentiable path.
      tensors: the float tensors that depend on data and that nothing consumes, with whether each is a scalar.
    """

    def __init__(self, view: View):
        self.view = view
        self.training = self._training_nodes()
        self.layers = [name for name, node in view.index.nodes.items()
                       if node.op in LAYERS and name not in self.training and view.flow.bits(name) & LEARNED]
        self.before = view.index.ancestors(
            [ref.node for name in self.layers for ref in view.inputs(name)], control=False,
            stop=lambda name: view.op(name) in READOUTS)
        self.tensors: Dict[TensorRef, bool] = {ref: view.shape(ref) == () for ref in self._loose_tensors()}

    def _training_nodes(self) -> Set[str]:
        index = self.view.index
        ends = [name for name, node in index.nodes.items()
                if not index.consumers(name, control=False) and not _UPDATES.search(node.op)
                and not _SUMMARIES.search(node.op) and not GRADIENT_SCOPE.search(name)]
        useful = index.ancestors(ends, control=False)
        return {name for name in index.nodes if name not in useful or GRADIENT_SCOPE.search(name)}

    def _loose_tensors(self) -> List[TensorRef]:
        view = self.view
        return [TensorRef(name, 0) for name, node in view.index.nodes.items()
                if view.flow.is_data(name) and name not in self.training and name not in view.loop_nodes
                and node.op not in SOURCES and node.op not in _NO_ENDS and not _SUMMARIES.search(node.op)
                and view.tensor_count(name) and view.is_float(TensorRef(name, 0)) and not self._consumed(name)]

    def _consumed(self, name: str) -> bool:
        """Whether any output of a node is read for its values."""
        return any(use.node not in self.training and self.view.op(use.node) not in SHAPE_READERS
                   for use in self.view.index.consumers(name, control=False))

    def uses(self, ref: TensorRef) -> List[Use]:
        """Where a tensor's values are consumed by anything but training."""
        return [use for use in self.view.value_uses(ref) if use.node not in self.training]

    def reached(self, ref: TensorRef, scalars: bool) -> List[TensorRef]:
        """The ends that a tensor's values reach."""
        after = self.view.index.descendants_of_tensor(ref)
        return [end for end, is_scalar in self.tensors.items() if end.node in after and is_scalar == scalars]

    def sources(self, tensors: Iterable[str]) -> Set[str]:
        """The nodes that feed data to some tensors."""
        return {name for name in self.view.index.ancestors(tensors, control=False) if self.view.op(name) in SOURCES}

    def scalar_or_label(self, ref: TensorRef, needed: Set[str]) -> str:
        """Why an end is a loss or a metric and no prediction; ``""`` when nothing says so."""
        labels = self.sources([str(ref)]) - needed
        if labels:
            return "a loss or a metric: it needs %s, which no prediction needs" % listed(labels)
        return "a scalar over the whole batch, not a prediction a row" if self.tensors.get(ref) else ""


def listed(nodes: Iterable[str]) -> str:
    """Nodes as tensor names, in order."""
    return ", ".join(node + ":0" for node in sorted(nodes))
