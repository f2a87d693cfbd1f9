"""Find what a graph predicts: softmax, sigmoid and logits heads, the outputs of signatures; best first, with evidence.

A head is where the learned layers end. A softmax whose values flow on into another layer is attention or a gate; a
scalar that needs labels is a loss; what only variables' updates consume is training. Those are near misses, with the
reason.
"""

import dataclasses
import re
from typing import Dict, Iterable, List, NamedTuple, Optional, Set

from graph_tools import names
from graph_tools.find.candidates import Candidate, Candidates, Miss, format_shape, short
from graph_tools.find.dataflow import LAYERS, LEARNED, SOURCES
from graph_tools.find.tables import VARIABLES, read_table
from graph_tools.find.view import FLOATS, GRADIENT_SCOPE, SHAPE_READERS, View, ref_of
from graph_tools.names import TensorRef
from graph_tools.walk import Use

HEADS = {"Softmax": "softmax", "Sigmoid": "sigmoid", "LogSoftmax": "log_softmax"}
_ORDER = ("softmax", "sigmoid", "log_softmax", "logits")

_LOSSES = frozenset((
    "SparseSoftmaxCrossEntropyWithLogits", "SoftmaxCrossEntropyWithLogits", "CTCLoss", "CTCLossV2", "L2Loss"))
# Values go no further than these as something a gradient can follow.
_READOUTS = frozenset((
    "ArgMax", "ArgMin", "TopK", "TopKV2", "InTopK", "InTopKV2", "Equal", "NotEqual", "Less", "LessEqual", "Greater",
    "GreaterEqual", "Where", "OneHot", "Multinomial", "Round", "Floor", "Ceil", "Sign", "Bucketize", "AsString",
    "LookupTableFindV2", "PyFunc", "Assert", "Print", "PrintV2", "CTCGreedyDecoder", "CTCBeamSearchDecoder",
    "GatherTree")) | SHAPE_READERS
_LOGIT_READERS = frozenset(("ArgMax", "TopK", "TopKV2", "InTopK", "InTopKV2", "Multinomial")) | _LOSSES | set(HEADS)
_SUMMARIES = re.compile(r"(Summary|SummaryV2)$")
_UPDATES = re.compile(r"^(Resource)?(Sparse)?(Apply|Scatter|Assign)|^Assign|^(Save|SaveV2|MergeV2Checkpoints|NoOp)$"
                      r"|Enqueue|^Stage$|^MapStage$|^AccumulatorApply|^SparseAccumulatorApply")
# A linear head may be reshaped, shifted or collected from the steps of a loop before anything reads it.
_LINEAR = frozenset((
    "Identity", "Reshape", "Squeeze", "ExpandDims", "Transpose", "BiasAdd", "Add", "AddV2", "AddN", "Exit", "RefExit",
    "Merge", "Switch", "NextIteration", "Enter", "TensorArrayWriteV3", "TensorArrayGatherV3", "TensorArrayConcatV3",
    "Pack", "ConcatV2", "StopGradient", "CheckNumerics", "Mul", "RealDiv", "Cast"))


@dataclasses.dataclass(frozen=True)
class Output(Candidate):
    """A likely prediction.

    Attributes:
      signatures: ``"signature/key"`` of every signature output that this tensor is.
      logits: the tensor a softmax or sigmoid was computed from.
    """

    signatures: tuple = ()
    logits: Optional[str] = None


def find_outputs(model) -> Candidates:
    """Finds the tensors that are likely predictions, best first.

    Those that a signature names come first; then softmax, sigmoid, log-softmax, logits, other ends of the graph.

    Returns:
      ``Candidates`` of ``Output``; losses, metrics, attention, gates and training ops are in ``misses``.

    Example:
      >>> find_outputs(model).only(kind="softmax").tensor  # doctest: +SKIP
      'head/predictions/probabilities:0'
    """
    return find_heads(View(model))


def find_heads(view: View) -> Candidates:
    """``find_outputs`` on a view that is there already."""
    search = _Search(view)
    found: Dict[str, Output] = {}
    for one in search.heads():
        found.setdefault(one.tensor, one)
    for one in search.linear_heads(set(found)):
        found.setdefault(one.tensor, one)
    for one in search.loss_logits(set(found)):
        found.setdefault(one.tensor, one)
    if not found:
        for one in search.other_ends(scalars=False) or search.other_ends(scalars=True):
            found.setdefault(one.tensor, one)
    else:
        search.reject_other_ends(set(found))
    search.add_signatures(found)
    return Candidates(sorted(found.values(), key=_rank), search.misses, what="output")


def _rank(one: Output):
    kind = _ORDER.index(one.kind) if one.kind in _ORDER else len(_ORDER)
    return not one.signatures, kind


class _Layers(NamedTuple):
    """Nodes of learned layers, and all nodes whose values flow into one along a differentiable path."""

    layers: List[str]
    before: Set[str]


class _Search:
    """One search for outputs: the view, what was already rejected."""

    def __init__(self, view: View):
        self.view = view
        self.misses: List[Miss] = []
        self._only_in_losses: List[Output] = []
        self._training = self._training_nodes()
        self._layers = self._learned_layers()

    def _training_nodes(self) -> Set[str]:
        """Nodes of gradients, updates and summaries: everything that leads to no other end of the graph."""
        index = self.view.index
        ends = [name for name, node in index.nodes.items()
                if not index.consumers(name, control=False) and not _UPDATES.search(node.op)
                and not _SUMMARIES.search(node.op) and not GRADIENT_SCOPE.search(name)]
        useful = index.ancestors(ends, control=False)
        return {name for name in index.nodes if name not in useful or GRADIENT_SCOPE.search(name)}

    def _learned_layers(self) -> _Layers:
        view = self.view
        layers = [name for name, node in view.index.nodes.items()
                  if node.op in LAYERS and name not in self._training and view.flow.bits(name) & LEARNED]
        before = view.index.ancestors([ref.node for name in layers for ref in view.inputs(name)], control=False,
                                      stop=lambda name: view.op(name) in _READOUTS)
        return _Layers(layers, before)

    def _uses(self, ref: TensorRef) -> List[Use]:
        return [use for use in self.view.value_uses(ref) if use.node not in self._training]

    def _output(self, ref: TensorRef, kind: str, why: str, nodes: Iterable[str],
                logits: Optional[str] = None) -> Output:
        shape = self.view.shape(ref)
        if shape is not None and len(shape) > 2:
            why += "; it has shape %s: one prediction a position, a label is an index tuple" % format_shape(shape)
            why += self._transitions(shape[-1])
        return Output(str(ref), kind, why, tuple(nodes), self.view.dtype(ref), shape, logits=logits)

    def _transitions(self, tags: Optional[int]) -> str:
        """What to say when the graph holds transition scores of a CRF over as many tags (and a start, and an end)."""
        sizes = () if tags is None else (tags, tags + 1, tags + 2)
        for name, node in self.view.index.nodes.items():
            if "transition" in name.rpartition("/")[2].lower() and (node.op in VARIABLES or node.op == "Const"):
                if read_table(self.view, TensorRef(name, 0)).shape in [(size, size) for size in sizes]:
                    return "; a CRF decodes the tags from it, with the transitions %s:0" % name
        return ""

    def heads(self) -> List[Output]:
        """Softmax, sigmoid and log-softmax after the last layer, each with the logits it was computed from."""
        view, found = self.view, []
        for name, node in view.index.nodes.items():
            if node.op not in HEADS or not view.flow.is_data(name):
                continue
            ref = TensorRef(name, 0)
            if GRADIENT_SCOPE.search(name):
                continue
            if name in self._layers.before and name in view.loop_nodes and node.op == "Sigmoid":
                continue  # a gate of a recurrent cell, which nobody takes for a prediction
            elif name in self._layers.before:
                self.misses.append(Miss(str(ref), "its values flow on into another layer: attention or a gate"))
            elif name in view.loop_nodes:
                self.misses.append(Miss(str(ref), "it runs inside a while loop, where it cannot be fetched"))
            else:
                source = view.inputs(name)[0]
                found.append(self._output(ref, HEADS[node.op], "%s of %s after the last layer" % (
                    node.op, short(str(source))),
                                          [name], logits=str(source)))
                found.append(self._output(source, "logits", "it is what %s %s is computed from" % (
                    node.op, short(str(ref))),
                                          [source.node]))
        return found

    def linear_heads(self, taken: Set[str]) -> List[Output]:
        """Where the last linear layers end: logits that nothing, an argmax or a loss reads; not those of ``taken``."""
        found = []
        within = self.view.index.ancestors(taken, control=False, stop=lambda name: self.view.op(name) in _READOUTS)
        for name in self._layers.layers:
            if name in self._layers.before:
                continue
            ref = self._end_of_linear(TensorRef(name, 0))
            if ref is None or ref.node in self.view.loop_nodes or not self.view.is_float(ref):
                continue
            if ref.node in within:
                continue
            readers = sorted({"a cross entropy" if self._flattens_for_loss(use) else self.view.op(use.node)
                              for use in self._uses(ref)})
            shape = self.view.shape(ref)
            if shape == ():
                self.misses.append(Miss(str(ref), "it is a scalar: a loss, a metric or a regularisation term"))
            elif not readers:
                found.append(self._output(ref, "logits", "the last layer, %s %s, ends here and nothing consumes it" % (
                    self.view.op(name), short(name)), [name, ref.node]))
            elif any(reader in _LOGIT_READERS or reader == "a cross entropy" for reader in readers):
                found.append(self._output(ref, "logits", "the last layer, %s %s, ends here; it is read by %s" % (
                    self.view.op(name), short(name), ", ".join(readers)), [name, ref.node]))
            else:
                found += self._activation(ref, readers)
        return found

    def _activation(self, ref: TensorRef, readers: List[str]) -> List[Output]:
        """A last layer read by ops that are no known head: its end when that is one tensor, itself when a loss is."""
        uses = self._uses(ref)
        if len(uses) == 1 and not self._uses(TensorRef(uses[0].node, 0)):
            end = TensorRef(uses[0].node, 0)
            if self.view.is_float(end) and self.view.shape(end) != ():
                return [self._output(end, self.view.op(end).lower(), "%s of the last layer, and nothing consumes it" % (
                    self.view.op(end)), [end.node]),
                        self._output(ref, "logits", "it is what %s is computed from" % (end,), [ref.node])]
        self._only_in_losses.append(self._output(
            ref, "logits", "the last layer ends here; it is read by %s" % ", ".join(readers), [ref.node]))
        return []

    def loss_logits(self, taken: Set[str]) -> List[Output]:
        """Last layers that only a loss in elementary ops reads; those with labels of their own are misses."""
        needed, found = self._sources(taken), []
        scalars = [str(ref) for ref in self._ends() if self.view.shape(ref) == ()]
        to_a_loss = self.view.index.ancestors(scalars, control=False)
        for one in self._only_in_losses:
            if taken and ref_of(one).node not in to_a_loss:
                continue  # a step of a recurrent cell that Keras builds once and leaves unused
            labels = sorted(self._sources([one.tensor]) - needed) if taken else []
            if labels:
                self.misses.append(Miss(one.tensor, "it needs %s, which no other prediction needs: part of a loss" % (
                    ", ".join(label + ":0" for label in labels))))
            else:
                found.append(one)
        return found

    def _end_of_linear(self, ref: TensorRef) -> Optional[TensorRef]:
        """Forward from a layer's product through bias, sums, reshapes and the exit of a loop."""
        seen = set()
        while ref not in seen:
            seen.add(ref)
            uses, inner = self._uses(ref), ref.node in self.view.loop_nodes
            if not inner and any(self.view.op(use.node) in _LOGIT_READERS or self._flattens_for_loss(use)
                                 for use in uses):
                return ref
            onward = [use for use in uses if self._is_linear_step(use)]
            if not onward or (len(onward) != len(uses) and not inner) or (len(onward) > 1 and not inner):
                return ref
            fresh = [use for use in onward if TensorRef(use.node, 0) not in seen]
            leaving = [use for use in fresh if self.view.op(use.node) in ("Exit", "TensorArrayWriteV3")]
            if not fresh:
                return ref
            ref = TensorRef((leaving or fresh)[0].node, 0)
        return ref

    def _flattens_for_loss(self, use: Use) -> bool:
        """Whether a use is the reshape that a cross entropy makes of its logits."""
        return self.view.op(use.node) == "Reshape" and any(
            self.view.op(after.node) in _LOSSES for after in self._uses(TensorRef(use.node, 0)))

    def _is_linear_step(self, use: Use) -> bool:
        op = self.view.op(use.node)
        if op not in _LINEAR or not self.view.is_float(TensorRef(use.node, 0)):
            return False
        if op in ("Mul", "RealDiv"):  # a temperature or a scale, not a mask or labels
            return all(not self.view.flow.is_data(ref.node) for slot, ref in enumerate(self.view.inputs(use.node))
                       if slot != use.slot)
        if op in ("Add", "AddV2", "AddN", "ConcatV2", "Pack"):
            return all(not self.view.flow.is_data(ref.node) or self.view.flow.bits(ref.node) & LEARNED
                       for ref in self.view.inputs(use.node))
        return True

    def other_ends(self, scalars: bool) -> List[Output]:
        """Any float end of the graph that was computed from the input, when no head of a known form was found."""
        found = []
        for ref in self._ends():
            shape = self.view.shape(ref)
            if (shape == ()) == scalars:
                what = "a scalar that" if scalars else "a float tensor that"
                found.append(self._output(ref, self.view.op(ref).lower(), "%s is computed from the input and that "
                                          "nothing consumes" % what, [ref.node]))
        return found

    def reject_other_ends(self, taken: Set[str]) -> None:
        """Ends of the graph that are no head: losses and metrics, with the labels they need."""
        needed = self._sources(taken)
        for ref in self._ends():
            if str(ref) in taken or ref.node in self._layers.before:
                continue
            labels = sorted(self._sources([str(ref)]) - needed)
            if labels:
                self.misses.append(Miss(str(ref), "a loss or a metric: it needs %s, which no prediction needs" % (
                    ", ".join(label + ":0" for label in labels))))
            elif self.view.shape(ref) == ():
                self.misses.append(Miss(str(ref), "a scalar over the whole batch, not a prediction a row"))

    def _ends(self) -> List[TensorRef]:
        view = self.view
        return [TensorRef(name, 0) for name, node in view.index.nodes.items()
                if view.flow.is_data(name) and name not in self._training and name not in view.loop_nodes
                and node.op not in SOURCES and view.tensor_count(name) and view.is_float(TensorRef(name, 0))
                and not self._uses(TensorRef(name, 0)) and not _SUMMARIES.search(node.op)]

    def _sources(self, tensors: Iterable[str]) -> Set[str]:
        view = self.view
        return {name for name in view.index.ancestors(tensors, control=False) if view.op(name) in SOURCES}

    def add_signatures(self, found: Dict[str, Output]) -> None:
        """Marks the candidates that a signature names; adds float outputs of signatures that no rule found."""
        for signature, definition in sorted(self.view.model.signatures.items()):
            for key, info in sorted(definition.outputs.items()):
                if info.name:
                    self._add_signature("%s/%s" % (signature, key), names.parse(info.name), found)

    def _add_signature(self, label: str, ref: TensorRef, found: Dict[str, Output]) -> None:
        view = self.view
        if ref.node not in view.index:
            self.misses.append(Miss(str(ref), "signature output %s names it but it is not in the graph" % label))
            return
        dtype = view.dtype(ref)
        if dtype not in FLOATS or not view.flow.bits(ref.node):
            reason = "of dtype %s, which has no gradient" % dtype if dtype not in FLOATS else (
                "does not depend on any input")
            self.misses.append(Miss(str(ref), "signature output %s, but %s" % (label, reason)))
            return
        known = found.get(str(ref)) or found.get(str(view.origin(ref, ("Identity",))))
        if known is None:
            known = self._output(ref, "signature", "a float output that depends on the input", [ref.node])
        found.pop(known.tensor, None)
        found[str(ref)] = dataclasses.replace(
            known, tensor=str(ref), why="%s; it is signature output %s" % (known.why, label),
            signatures=known.signatures + (label,))
