"""Where a graph ends: what is left when training, summaries and shapes are taken away, and which layers come last."""

import functools
import operator
import re
from typing import AbstractSet, Dict, FrozenSet, Iterable, List, Optional, Set, Tuple

from graph_tools.find.dataflow import LAYERS, LEARNED
from graph_tools.find.gradients import differentiated
from graph_tools.find.outputs import arms
from graph_tools.find.view import View
from graph_tools.graph import names
from graph_tools.graph.names import TensorRef
from graph_tools.graph.ops import ENTERS, EXITS, MERGES, NEXTS, PARSER, SHAPE_READERS, SWITCHES, VARIABLES
from graph_tools.graph.walk import Use, reached, spread

LOSSES = frozenset((
    "SparseSoftmaxCrossEntropyWithLogits", "SoftmaxCrossEntropyWithLogits", "CTCLoss", "CTCLossV2", "L2Loss"))
# Values go no further than these as something a gradient can follow.
READOUTS = frozenset((
    "ArgMax", "ArgMin", "TopK", "TopKV2", "InTopK", "InTopKV2", "Equal", "NotEqual", "Less", "LessEqual", "Greater",
    "GreaterEqual", "Where", "OneHot", "Multinomial", "Round", "Floor", "Ceil", "Sign", "Bucketize", "AsString",
    "LookupTableFindV2", "PyFunc", "Assert", "Print", "PrintV2", "CTCGreedyDecoder", "CTCBeamSearchDecoder",
    "GatherTree")) | SHAPE_READERS
# Each of their outputs is a field of a record: a label is one, the features are others.
_FIELDS = PARSER.takes | {"DecodeCSV"}
_KEPT_FINITE = frozenset(("Log", "Log1p", "Add", "AddV2", "Maximum", "Minimum", "ClipByValue", "Sub", "Neg",
                          "Identity"))
_ACCUMULATES = frozenset(("Cumsum", "Cumprod"))
# What control flow leaves behind unused is no end of a model.
_NO_ENDS = SWITCHES | ENTERS | NEXTS | {"TensorArrayWriteV3", "TensorArrayScatterV3"}
_SUMMARIES = re.compile(r"(Summary|SummaryV2)$")
_UPDATES = re.compile(r"^(Resource)?(Sparse)?(Apply|Scatter|Assign)|^Assign|^(Save|SaveV2|MergeV2Checkpoints|NoOp)$"
                      r"|Enqueue|^Stage$|^MapStage$|^AccumulatorApply|^SparseAccumulatorApply")


class Ends:
    """The ends of one graph, and the learned layers with nothing learned after them.

    Attributes:
      training: nodes of gradients, updates and summaries: whatever leads to no other end of the graph.
      layers: nodes of learned layers that data flows through; a product with ones is a sum and none. In a graph without
        layers, where data meets what is learned.
      layered: whether there are layers.
      before: nodes whose values flow into such a layer along a differentiable path.
      tensors: the float tensors that depend on data and that nothing consumes, with whether each is a scalar.
    """

    def __init__(self, view: View):
        self.view = view
        self._sources: Dict[Tuple[str, ...], FrozenSet[str]] = {}
        self._leading: Dict[FrozenSet[str], Dict[str, int]] = {}
        self._labels: Optional[FrozenSet[str]] = None
        self._after_labels: Optional[FrozenSet[str]] = None
        self._trained: Optional[Set[str]] = None
        self.training = self._training_nodes()
        self.layers = [name for name in view.index.names_of(LAYERS)
                       if name not in self.training and view.flow.bits(name) & LEARNED
                       and not any(view.op(view.origin(ref)) == "Fill" for ref in view.inputs(name))]
        self.layered = bool(self.layers)
        # Where all data are single numbers, so is a prediction; not where they come with many rows, a time with a grid.
        self._single = bool(view.flow.own) and all(view.shape(name + ":0") == () for name in view.flow.own) and all(
            (view.shape(name + ":0") or (1,))[0] == 1 for name in self.layers)
        self.layers = self.layers or self._weighted()
        self.before = view.index.ancestors(
            [ref.node for name in self.layers for ref in view.inputs(name)], control=False,
            stop=lambda name: view.op(name) in READOUTS)
        self.tensors: Dict[TensorRef, bool] = {ref: self.is_scalar(ref) for ref in self._loose_tensors()}

    def _weighted(self) -> List[str]:
        """Nodes where data first meets something that is learned."""
        view = self.view
        learned = {name for name in view.index.descendants(
            view.index.names_of(VARIABLES), control=False,
            stop=lambda name: view.op(name) in SHAPE_READERS) if view.op(name) not in SHAPE_READERS}
        return [name for name in view.index.nodes if name in learned and name not in self.training
                and name not in view.gradients and view.flow.is_data(name) and view.tensor_count(name)
                and view.is_float(TensorRef(name, 0)) and any(
                    ref.node in learned and not view.flow.is_data(ref.node) for ref in view.inputs(name))]

    def _training_nodes(self) -> Set[str]:
        """Whatever leads to no end of the model: what nothing consumes, or what training differentiates."""
        index = self.view.index
        gradients = self.view.gradients
        # Where a step of training is part of the model (as in MAML), what comes of it is differentiated itself.
        training = gradients | index.descendants(gradients, control=False) - differentiated(gradients) | {
            name for name, node in index.nodes.items() if _UPDATES.search(node.op) or _SUMMARIES.search(node.op)}
        loose = [name for name in index.nodes if name not in training
                 and all(use.node in training for use in index.consumers(name, control=False))]
        ends = [name for name in loose if not index.consumers(name, control=False)]
        ends += self._losses([name for name in loose if index.consumers(name, control=False)], gradients)
        useful = index.ancestors(ends, control=False)
        if not any(name in useful and name not in training for name in index.names_of(LAYERS)):
            useful = index.ancestors(loose, control=False)
        return {name for name in index.nodes if name not in useful or name in training}

    @property
    def trained(self) -> FrozenSet[str]:
        """Variables behind what is differentiated; a copy of a network that training only copies to has none."""
        if self._trained is None:
            self._trained = self.view.index.ancestors(differentiated(self.view.gradients), control=False
                                                      ).intersection(self.view.index.names_of(VARIABLES))
        return frozenset(self._trained)

    def _losses(self, loose: List[str], gradients: AbstractSet[str]) -> List[str]:
        """Of the nodes that only training and summaries read, those that are differentiated or that end a known loss.

        The loss itself: a mean of activations that a summary shows is none.
        """
        ended = differentiated(gradients)
        after_loss = self.view.index.descendants(
            [name for name in self.view.index.names_of(LOSSES - {"L2Loss"}) if name not in gradients], control=False)
        return [name for name in loose if name in ended or name in after_loss]

    def _loose_tensors(self) -> List[TensorRef]:
        view = self.view
        found = [TensorRef(name, 0) for name, node in view.index.nodes.items()
                if view.flow.is_data(name) and name not in self.training and name not in view.loop_nodes
                and name not in view.flow.sources and node.op not in _NO_ENDS and not _SUMMARIES.search(node.op)
                and view.tensor_count(name) and view.is_float(TensorRef(name, 0)) and not self._consumed(name)]
        in_arms = arms.inside(view)
        return [ref for ref in found if ref.node not in in_arms] or found

    def is_scalar(self, ref: TensorRef) -> bool:
        """Whether a tensor is one number for all rows; what leaves a loop with an unknown shape is what went in."""
        shape = self.view.shape(ref)
        if shape is None and self.view.op(ref) in EXITS:
            shape = self.view.shape(self.view.origin(ref, EXITS | SWITCHES | MERGES | ENTERS))
        return shape == () and not self._single

    def _consumed(self, name: str) -> bool:
        """Whether any output of a node is read for its values."""
        return any(use.node not in self.training and self.view.op(use.node) not in SHAPE_READERS
                   for use in self.view.index.consumers(name, control=False))

    def uses(self, ref: TensorRef) -> List[Use]:
        """Where a tensor's values are consumed by anything but training."""
        return [use for use in self.view.value_uses(ref) if use.node not in self.training]

    def reached(self, ref: TensorRef, scalars: bool) -> List[TensorRef]:
        """The ends that a tensor's values reach."""
        found = self._ends_of([use.node for use in self.view.index.uses(ref)], frozenset())
        return [end for end in found if self.tensors[end] == scalars]

    def followed(self, ref: TensorRef) -> List[TensorRef]:
        """The ends that are computed from a tensor's node as far as a gradient can follow."""
        return self._ends_of([ref.node], READOUTS)

    def _ends_of(self, starts: Iterable[str], without: FrozenSet[str]) -> List[TensorRef]:
        """The ends that some nodes lead to without passing some ops: found for all nodes at the first call."""
        index = self.view.index
        if without not in self._leading:
            self._leading[without] = spread(
                {end.node: 1 << number for number, end in enumerate(self.tensors) if index.op(end.node) not in without},
                index.producers_first()[::-1], lambda name: () if index.op(name) in without else index.readers(name))
        bits = functools.reduce(operator.or_, (self._leading[without].get(name, 0) for name in starts), 0)
        return [end for number, end in enumerate(self.tensors) if bits >> number & 1]

    def sources(self, tensors: Iterable[str]) -> FrozenSet[str]:
        """The tensors that feed data to some tensors: placeholders, what a queue or iterator gives, parsed fields."""
        wanted = tuple(sorted(tensors))
        if wanted not in self._sources:
            self._sources[wanted] = frozenset(self._walk_to_sources(wanted))
        return self._sources[wanted]

    def _walk_to_sources(self, tensors: Iterable[str]) -> Set[str]:
        view = self.view
        behind = reached(map(names.parse, tensors), lambda ref: (
            [] if view.op(ref) in _FIELDS else view.inputs(ref.node)))
        return {str(ref) for ref in behind if ref.node in view.flow.sources or view.op(ref) in _FIELDS}

    def labels(self) -> FrozenSet[str]:
        """Sources that reach an end of the graph and no learned layer: what a loss compares predictions with."""
        if self._labels is None:
            ends = [str(end) for end in self.tensors]
            beside = self.sources(ends) - self.sources(
                str(ref) for name in self.layers for ref in self.view.inputs(name))
            # A single number beside data of many only weighs a part of the loss.
            self._labels = frozenset(one for one in beside if self._single or self.view.shape(one) != ()
                                     or self.view.flow.is_data(names.parse(one).node))
        return self._labels

    def meets_labels(self, ref: TensorRef) -> bool:
        """Whether what first reads a tensor computes it with something made of labels."""
        if self._after_labels is None:
            self._after_labels = frozenset(self.view.index.descendants(self.labels(), control=False))
        return any(other.node in self._after_labels for use in self.uses(ref)
                   for slot, other in enumerate(self.view.inputs(use.node)) if slot != use.slot)

    def compared_with_labels(self, ref: TensorRef) -> Optional[TensorRef]:
        """The tensor computed from ``ref`` alone that first meets a label on the way to a loss; ``None``: none does.

        A logarithm that is taken of it, and what keeps that finite, is the loss's. Where labels are met in an arm of a
        conditional, it is what comes into the arm.
        """
        if not self.labels():
            return None
        seen: Set[str] = set()
        todo: List[Tuple[TensorRef, arms.Entered]] = [(ref, arms.Entered())]
        accumulated = self.view.index.descendants(self.view.index.names_of(_ACCUMULATES))
        while todo:
            one, entered = todo.pop(0)
            for use in self.uses(one):
                if use.node in accumulated and ref.node not in accumulated:
                    continue  # of all rows up to each: a loss's own
                others = {str(other) for other in self.view.inputs(use.node) if other != one}
                if self.sources(others) & self.labels():
                    return self.without_logarithm(entered.by or one)
                if use.node not in seen and self.view.op(use.node) not in READOUTS:
                    seen.add(use.node)
                    after = arms.entered(self.view, entered, one, use.node)
                    todo += [(each, after) for each in self._outputs(use.node) if not self.is_scalar(each)]
        return None

    def _outputs(self, name: str) -> List[TensorRef]:
        return [TensorRef(name, port) for port in range(self.view.tensor_count(name))]

    def without_logarithm(self, ref: TensorRef) -> TensorRef:
        """What a logarithm right before a comparison is taken of, without the clip or the little that is added."""
        found = self.view.origin(ref)
        if self.view.op(found) != "Log":
            return ref
        while self.view.op(found) in _KEPT_FINITE:
            data = [one for one in self.view.inputs(found.node) if self.view.flow.is_data(one.node)]
            if len(data) != 1:
                break
            found = data[0]
        return found

    def scalar_or_label(self, ref: TensorRef, needed: AbstractSet[str]) -> str:
        """Why an end is a loss or a metric and no prediction; ``""`` when nothing says so."""
        labels = self.sources([str(ref)]) - needed
        if labels:
            return "a loss or a metric: it needs %s, which no prediction needs" % listed(labels)
        return "a scalar over the whole batch, not a prediction a row" if self.tensors.get(ref) else ""


def listed(tensors: Iterable[str]) -> str:
    """Tensors for a sentence, in order."""
    return ", ".join(sorted(tensors))
