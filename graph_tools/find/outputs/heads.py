"""Heads: what stands after the last learned layer of a graph, and what only looks like it.

A softmax whose values flow on into another layer is attention; a sigmoid that weighs other values is a gate; a scalar
that needs labels is a loss. Those are near misses, with the reason.
"""

import re
from typing import AbstractSet, Dict, Iterable, List, NamedTuple, Optional, Set, Tuple

from graph_tools.find.candidates import Miss, Output, format_shape, short
from graph_tools.find.dataflow import LEARNED
from graph_tools.find.inputs.switches import RANDOM
from graph_tools.find.outputs import sampled, unlayered
from graph_tools.find.outputs.ends import LOSSES, READOUTS, Ends, listed
from graph_tools.find.outputs.one_head import passed
from graph_tools.find.tables import read_table
from graph_tools.find.view import View
from graph_tools.graph.names import TensorRef
from graph_tools.graph.ops import CONTROL_OPS, EXITS, VARIABLES
from graph_tools.graph.walk import Use

HEADS = {"Softmax": "softmax", "Sigmoid": "sigmoid", "LogSoftmax": "log_softmax"}
_CROSS_ENTROPY = "a cross entropy"
_LOGIT_READERS = frozenset(("ArgMax", "TopK", "TopKV2", "InTopK", "InTopKV2", "Multinomial", _CROSS_ENTROPY)) | (
    LOSSES | set(HEADS))
_JUDGES = LOSSES - {"L2Loss"} | {_CROSS_ENTROPY}
# A linear head may be reshaped, shifted or collected from the steps of a loop before anything reads it.
_LINEAR = CONTROL_OPS - {"LoopCond"} | {
    "Identity", "Reshape", "Squeeze", "ExpandDims", "Transpose", "BiasAdd", "Add", "AddV2", "AddN", "Pack", "ConcatV2",
    "TensorArrayWriteV3", "TensorArrayGatherV3", "TensorArrayConcatV3", "StopGradient", "CheckNumerics", "Mul",
    "RealDiv", "Cast"}
_ACTIVATIONS = frozenset(("Tanh", "Relu", "Relu6", "Elu", "Selu", "Exp", "Softplus", "Softsign", "LeakyRelu", "Square"))
ACTIVATIONS = tuple(sorted(op.lower() for op in _ACTIVATIONS))  # as kinds


class Open(NamedTuple):
    """A last layer that no known head, argmax or cross entropy reads: its node, where it ends, what reads it."""

    layer: str
    ref: TensorRef
    readers: List[str]


class HeadSearch:
    """One search: the ends of a graph, and the misses so far."""

    def __init__(self, view: View):
        self.view = view
        self.ends = Ends(view)
        self.misses: List[Miss] = []
        self._open: List[Open] = []
        self._shared: List[Open] = []  # last layers of heads that are found already
        self._no_heads: Set[str] = set()
        self.chosen: Set[str] = set()  # what an argmax chooses from
        self.random = frozenset(view.index.names_of(RANDOM)) - view.flow.own

    def run(self) -> List[Output]:
        """All heads, in the order found; what only looked like one is in ``misses``."""
        found: Dict[str, Output] = {}
        for one in self._activated():
            found.setdefault(one.tensor, one)
        for one in self._linear(set(found)):
            found.setdefault(one.tensor, one)
        for one in self._undecided(set(found)) + self._beside(set(found)) or ([] if found else self._added_up()):
            found.setdefault(one.tensor, one)
        for one in self._chosen(set(found)) or ([] if found else self._other_ends() or self._chosen(set(), False)):
            found.setdefault(one.tensor, one)
        found = sampled.without_candidates(self.view, found, self.misses)
        for ref in sampled.label_scores(self.view) if not found else ():  # where the classes have scores, they are it
            end = self._end_of_linear(ref)
            found.setdefault(str(end), self.output(end, "label_logits", sampled.WHY, [ref.node, end.node]))
        self._reject_ends(set(found))
        return list(found.values())

    def output(self, ref: TensorRef, kind: str, why: str, nodes: Iterable[str], logits: Optional[str] = None) -> Output:
        """A candidate; says so when there is one prediction a position, and when a CRF stands behind it."""
        shape = self.view.shape(ref)
        if shape is not None and len(shape) > 2:
            why += "; it has shape %s: one prediction a position, a label is an index tuple" % format_shape(shape)
            why += self._transitions(shape[-1])
        return Output(str(ref), kind, why, tuple(nodes), self.view.dtype(ref), shape, logits=logits)

    def _transitions(self, tags: Optional[int]) -> str:
        """What to say when the graph holds transition scores of a CRF over as many tags (and a start, and an end)."""
        sizes = () if tags is None else (tags, tags + 1, tags + 2)
        for name in self.view.index.names_of(VARIABLES | {"Const"}):
            if "transition" in name.rpartition("/")[2].lower():
                if read_table(self.view, TensorRef(name, 0)).shape in [(size, size) for size in sizes]:
                    return "; a CRF decodes the tags from it, with the transitions %s:0" % name
        return ""

    def _kind(self, ref: TensorRef) -> str:
        """The op of an end as a kind, without the version it has (``"add"`` for ``AddV2``)."""
        return re.sub(r"v\d$", "", self.view.op(ref).lower())

    # Softmax, sigmoid, log-softmax.

    def _activated(self) -> List[Output]:
        """Softmax, sigmoid and log-softmax after the last layer, each with the logits it was computed from."""
        view, found = self.view, []
        for name in view.index.names_of(HEADS):
            if not view.flow.is_data(name) or name in view.gradients:
                continue
            ref, source = TensorRef(name, 0), view.inputs(name)[0]
            reason = self._no_head(ref)
            if reason is None:
                found.append(self.output(ref, HEADS[view.op(name)], "%s of %s after the last layer" % (
                    view.op(name), short(str(source))), [name], logits=str(source)))
                found.append(self.output(source, "logits", "it is what %s %s is computed from" % (
                    view.op(name), short(str(ref))), [source.node]))
            else:
                self._no_heads.add(name)
                self.misses += [Miss(str(ref), reason)] if reason else []
        return found

    def _no_head(self, ref: TensorRef) -> Optional[str]:
        """Why a softmax or sigmoid is no head; ``""`` when nobody would take it for one, ``None`` when it is one."""
        in_loop = ref.node in self.view.loop_nodes
        if ref.node in self.ends.before:
            if in_loop and self.view.op(ref) == "Sigmoid":
                return ""  # a gate of a recurrent cell
            if in_loop or not (self._is_judged(ref) or self._is_judged(self.view.inputs(ref.node)[0])):
                return ("its values flow on into another layer: attention or a gate; name it with --output if it is "
                        "a prediction")
        if in_loop:
            return "it runs inside a while loop, where it cannot be fetched"
        return "it only weighs other computed values: a gate" if self._is_gate(ref) else None

    def _is_judged(self, ref: TensorRef) -> bool:
        """Whether a loss reads a tensor, or compares it with labels, whatever else is computed from it."""
        return not _JUDGES.isdisjoint(map(self._reader, self.view.value_uses(ref))) or self.ends.meets_labels(ref)

    def _is_gate(self, ref: TensorRef) -> bool:
        """Whether a head is multiplied with other learned values, on the way to something other than a loss."""
        view = self.view
        own = view.index.descendants_of_tensor(ref)
        for use in view.uses_behind_copies(ref):
            if view.op(use.node) != "Mul" or use.node in self.ends.training:
                continue
            other = view.inputs(use.node)[1 - use.slot]
            if other.node not in own and view.flow.bits(other.node) & LEARNED:
                if self.ends.reached(TensorRef(use.node, 0), scalars=False):
                    return True
        return False

    # Last layers.

    def _linear(self, taken: Set[str]) -> List[Output]:
        """Where the last layers end: logits that nothing, an argmax or a loss reads; not those within ``taken``."""
        view, found = self.view, []
        within = view.index.ancestors(taken, control=False, stop=lambda name: view.op(name) in READOUTS)
        for name in self.ends.layers:
            ref, hangs = self._end_of_linear(TensorRef(name, 0)), name in self.ends.before
            if ref.node in view.loop_nodes or not view.is_float(ref) or hangs and not (
                    self.ends.layered and self._is_judged(ref)):
                continue
            if ref.node in within and not hangs:
                self._shared.append(Open(name, ref, []))
                continue
            readers = sorted({self._reader(use) for use in self.ends.uses(ref)})
            if not self.ends.layered:
                self._open.append(Open(name, TensorRef(name, 0), readers))
            elif self.ends.is_scalar(ref):
                self.misses.append(Miss(str(ref), "it is a scalar: a loss, a metric or a regularisation term"))
            elif hangs or not readers or _LOGIT_READERS & set(readers):
                found.append(self.output(ref, "logits", "the last layer, %s %s, ends here; %s" % (
                    view.op(name), short(name), "it is read by %s" % ", ".join(readers) if readers else
                    "nothing consumes it"), [name, ref.node]))
            else:
                self._open.append(Open(name, ref, readers))
        return found

    def _end_of_linear(self, ref: TensorRef) -> TensorRef:
        """Forward from a layer's product through bias, sums, reshapes and the exit of a loop; not to stay in one."""
        seen, outside = set(), None
        while ref not in seen:
            seen.add(ref)
            uses, inner = self.ends.uses(ref), ref.node in self.view.loop_nodes
            outside = outside if inner else ref
            if not inner and any(self._reader(use) in _LOGIT_READERS for use in uses):
                break
            onward = [use for use in uses if self._is_linear_step(use)]
            if not onward or (not inner and len(uses) > 1):
                break
            fresh = [use for use in onward if TensorRef(use.node, 0) not in seen]
            leaving = [use for use in fresh if self.view.op(use.node) in ("Exit", "TensorArrayWriteV3")]
            if not fresh:
                break
            ref = TensorRef((leaving or fresh)[0].node, 0)
        return outside if outside is not None and ref.node in self.view.loop_nodes else ref

    def _reader(self, use: Use) -> str:
        """What reads a tensor: an op, or the cross entropy behind a reshape, or a gate that is no head."""
        op = self.view.op(use.node)
        if op == "Reshape" and any(self.view.op(after.node) in LOSSES
                                   for after in self.ends.uses(TensorRef(use.node, 0))):
            return _CROSS_ENTROPY
        return "a gate" if use.node in self._no_heads else op

    def _is_linear_step(self, use: Use) -> bool:
        op, flow = self.view.op(use.node), self.view.flow
        if op in ("Select", "SelectV2"):  # zeros once a sequence has ended
            return use.slot > 0 and not flow.bits(self.view.inputs(use.node)[3 - use.slot].node)
        if op not in _LINEAR or not self.view.is_float(TensorRef(use.node, 0)):
            return False
        if op in ("Mul", "RealDiv"):  # a temperature or a scale, not a mask or labels
            return self._alone(use)
        if op in ("Add", "AddV2", "AddN", "ConcatV2", "Pack"):
            return all(not flow.is_data(ref.node) or flow.bits(ref.node) & LEARNED
                       for ref in self.view.inputs(use.node))
        return True

    def _alone(self, use: Use) -> bool:
        """Whether the other inputs of a use depend on no data."""
        return not any(self.view.flow.is_data(ref.node) for slot, ref in enumerate(self.view.inputs(use.node))
                       if slot != use.slot)

    # Last layers that something unknown reads.

    def _undecided(self, taken: Set[str]) -> List[Output]:
        """Activations and other ends after a last layer; logits that only a loss in elementary ops reads."""
        needed, found = self.ends.sources(taken), []
        for one in self._open:
            if self._is_unused_copy(one.layer):
                continue
            ends = [end for end in self.ends.reached(one.ref, scalars=False)
                    if not self.ends.sources([str(end)]) - self.ends.sources([str(one.ref)]) - needed]
            followed = self.ends.followed(one.ref)
            near = [end for end in ends if end in followed]
            if ends and not near and self.ends.layered:
                found.append(self._last(one))  # all that comes of it is decided by it, with no gradient
            elif ends:
                for end in near or ends:
                    found += self._after_layer(one, end)
                if self._is_decoded(one):
                    found += self._read_by_loss(one, None)
            else:
                found += self._read_by_loss(one, needed if taken else None)
        return found

    def _beside(self, taken: Set[str]) -> List[Output]:
        """Ends that share the last layer of a head and pass it by: the boxes of a detector beside its classes."""
        index = self.view.index
        needed, behind = self.ends.sources(taken), index.descendants(taken, control=False)
        found: List[Output] = []
        for one in self._shared:
            followed = self.ends.followed(one.ref)
            for end in self.ends.reached(one.ref, scalars=False):
                if end in followed and end.node not in behind and not self.ends.sources([str(end)]) - needed:
                    found += self._after_layer(one, end)[:1]
        return found

    def _last(self, one: Open) -> Output:
        return self.output(one.ref, "logits", "the last layer, %s %s, ends here; it is read by %s" % (
            self.view.op(one.layer), short(one.layer), ", ".join(one.readers)), [one.layer, one.ref.node])

    def _after_layer(self, one: Open, end: TensorRef) -> List[Output]:
        activation = self._activation_between(one.ref, end)
        kind = self._kind(activation or end)
        why = "%s of the last layer" % self.view.op(activation) if activation else "computed from the last layer"
        found = [self.output(end, kind, "%s, %s %s; nothing consumes it" % (
            why, self.view.op(one.layer), short(one.layer)), [one.layer, end.node],
                             str(one.ref) if activation else None)]
        if activation:
            found.append(self.output(one.ref, "logits", "it is what %s %s is computed from" % (
                self.view.op(activation), short(str(end))), [one.layer, one.ref.node]))
        return found

    def _is_decoded(self, one: Open) -> bool:
        """Whether a last layer is read by a loss, or by a loop that decodes it (a CRF's), besides what ends there."""
        if "a gate" in one.readers:
            return False
        after = self.view.index.descendants_of_tensor(one.ref)
        return bool(after & self.view.loop_nodes) or bool(self.ends.reached(one.ref, scalars=True))

    def _activation_between(self, ref: TensorRef, end: TensorRef) -> Optional[TensorRef]:
        """The one activation that leads from a layer to an end, everything else on the way being linear."""
        activation: Optional[TensorRef] = None
        while ref != end:
            uses = self.ends.uses(ref)
            if len(uses) != 1:
                return None
            op, ref = self.view.op(uses[0].node), TensorRef(uses[0].node, 0)
            if op in _ACTIVATIONS and activation is None:
                activation = ref
            elif not (op in _LINEAR and self._alone(uses[0])):
                return None
        return activation

    def _read_by_loss(self, one: Open, needed: Optional[AbstractSet[str]]) -> List[Output]:
        labels = self.ends.sources([str(one.ref)]) - needed if needed is not None else set()
        # What only reaches layers is the data of another head.
        if labels and (labels & self.ends.labels() or self.ends.compared_with_labels(one.ref) is None):
            self.misses.append(Miss(str(one.ref), "it needs %s, which no other prediction needs: part of a loss" % (
                listed(labels))))
            return []
        compared = self.ends.compared_with_labels(one.ref)
        if compared is not None and compared.node not in self.view.loop_nodes and (
                compared != one.ref or not self.ends.layered):
            return self._compared(one, compared)
        if not self.ends.layered:
            return []
        return [self._last(one)]

    def _compared(self, one: Open, compared: TensorRef) -> List[Output]:
        """What a loss compares with labels, and the last layer when nothing else goes into it."""
        activation = self._activation_between(one.ref, compared)
        kind = self._kind(activation) if activation else "prediction"
        why = "computed from %s, %s %s; a loss compares it with %s" % (
            "the last layer" if self.ends.layered else "learned numbers", self.view.op(one.layer), short(one.layer),
            listed(self.ends.labels()))
        before = str(one.ref) in passed(self.view, compared)
        found = [self.output(compared, kind, why, [one.layer, compared.node], str(one.ref) if before else None)]
        if before:
            found.append(self.output(one.ref, "logits", "it is what %s %s is computed from" % (
                self.view.op(compared), short(str(compared))), [one.layer, one.ref.node]))
        return found

    def _is_unused_copy(self, layer: str) -> bool:
        """Whether another layer that does lead on has the same weights: Keras builds a step of a cell it never uses."""
        weights = self._weights(layer)
        return bool(weights) and any(self._weights(other) == weights for other in self.ends.layers
                                     if other != layer and other in self.view.loop_nodes)

    def _weights(self, layer: str) -> Tuple[str, ...]:
        view = self.view
        return tuple(sorted(part for ref in view.inputs(layer) if not view.flow.is_data(ref.node)
                            for part in read_table(view, ref).parts))

    # Heads that no layer ends in.

    def _chosen(self, taken: Set[str], learned: bool = True) -> List[Output]:
        """What an argmax or a draw chooses from, where no other head has to do with it."""
        found = [self.output(ref, "prediction", "an argmax or a draw chooses from it", [ref.node])
                 for ref in unlayered.chosen_from(self.view, self.ends, taken, learned)]
        self.chosen.update(one.tensor for one in found)
        return found

    def _added_up(self) -> List[Output]:
        """The scores that a loss adds up, where nothing is compared with labels and no layer is last."""
        return [] if self.ends.layered or not self.ends.layers else [
            self.output(ref, "prediction", "a score a row, which a loss adds up", [ref.node])
            for ref in unlayered.added_up(self.view, self.ends)]

    # Ends that are no head.

    def _other_ends(self) -> List[Output]:
        """Float ends of the graph, when no head of a known form was found: tensors, else scalars, else loop states."""
        unused = self.view.index.descendants(
            [name for name in self.ends.layers if name not in self.ends.before and self._is_unused_copy(name)])
        ends = {ref: is_scalar for ref, is_scalar in self.ends.tensors.items() if ref.node not in unused}
        states = [ref for ref in ends if self.view.op(ref) in EXITS]
        tensors = [ref for ref, is_scalar in ends.items() if not is_scalar and ref not in states]
        scalars = [ref for ref, is_scalar in ends.items() if is_scalar and ref not in states]
        return [self.output(ref, self._kind(ref), "%s that is computed from the input and that nothing "
                            "consumes" % ("a scalar" if ends[ref] else "a float tensor"), [ref.node])
                for ref in tensors or scalars or states]

    def _reject_ends(self, taken: Set[str]) -> None:
        """Ends of the graph that are no head: losses and metrics, with the labels they need."""
        needed = self.ends.sources(taken)
        for ref in self.ends.tensors:
            reason = self.ends.scalar_or_label(ref, needed)
            if reason and str(ref) not in taken and ref.node not in self.ends.before:
                self.misses.append(Miss(str(ref), reason))
