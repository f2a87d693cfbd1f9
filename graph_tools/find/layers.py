"""Layers between the inputs and a prediction: tensors whose units can be asked what they carry, and be explained."""

import dataclasses
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Set, Tuple

from graph_tools.find.candidates import Candidate, Candidates, Miss
from graph_tools.find.dataflow import LAYERS, LEARNED
from graph_tools.find.narrows import narrows
from graph_tools.find.outputs import find_heads
from graph_tools.find.view import Shape, View, view_of
from graph_tools.graph import names
from graph_tools.graph.names import TensorRef
from graph_tools.graph.ops import EXITS, IDENTITIES, MERGES
from graph_tools.graph.walk import reached

CONVOLUTIONS = frozenset(("Conv1D", "Conv2D", "Conv3D", "DepthwiseConv2dNative", "Conv2DBackpropInput",
                          "QuantizedConv2D", "_FusedConv2D"))
# Recurrent layers as one op; others are loops, whose states leave by an Exit.
RECURRENT = frozenset(("LSTMBlockCell", "BlockLSTM", "BlockLSTMV2", "LSTMBlockFusedCell", "GRUBlockCell", "CudnnRNN",
                       "CudnnRNNV2", "CudnnRNNV3"))
POOLS = frozenset(("MaxPool", "MaxPoolV2", "MaxPool3D", "AvgPool", "AvgPool3D"))
REDUCTIONS = frozenset(("Max", "Mean", "Sum"))
# What follows a product in one layer, where its other operands are weights, and ends it.
_LINEAR = IDENTITIES | {"BiasAdd", "Add", "AddV2", "Sub", "Mul", "RealDiv", "FusedBatchNorm", "FusedBatchNormV2",
                        "FusedBatchNormV3", "Reshape", "Squeeze", "ExpandDims"}
_SUMS = frozenset(("Add", "AddV2", "AddN", "Sub"))
_NONLINEAR = frozenset(("Sigmoid", "Tanh", "Relu", "Relu6", "Elu", "Selu", "Softplus", "Softsign", "LeakyRelu"))
# From where the steps of a loop lie together to where the rows come first.
_STEPS = frozenset(("TensorArrayGatherV3", "TensorArrayConcatV3", "TensorListStack"))
_TURNS = IDENTITIES | {"Transpose"}


@dataclasses.dataclass(frozen=True)
class Layer(Candidate):
    """A tensor between the inputs and a prediction.

    Attributes:
      units: size of the last axis: units of a dense layer, channels of a convolution; ``None``: the graph does not say.
      whole: whether all data that reaches the prediction passes through it: then its units carry all of the score.
    """

    units: Optional[int] = None
    whole: bool = False


class _Found(NamedTuple):
    ref: TensorRef
    kind: str
    why: str
    node: str


def find_layers(model: Any, output: Any = None) -> Candidates:
    """Finds the layers on the way to a prediction, outside loops, those nearest to it first.

    Args:
      model: a ``Model``.
      output: the prediction, by name, as a ``tf.Tensor`` or ``Candidate``; ``None``: the likeliest head.

    Returns:
      ``Candidates`` of ``Layer``, each once: ``"dense"`` and ``"convolution"`` (behind bias, batch norm and
      activation), ``"pooled"`` (a maximum or mean over positions), ``"recurrent"`` (the last state of a loop, or its
      states at all steps). The prediction's own logits and layers inside loops are in ``misses``. ``whole`` is not
      looked for beyond a loop.

    Raises:
      TensorNotFoundError: no such output; NoCandidateError: none was given and none was found.

    Example:
      >>> [(one.tensor, one.units) for one in find_layers(model).of_kind("pooled")]           # doctest: +SKIP
      [('pool/max:0', 128)]
    """
    view = view_of(model)
    end = names.parse(names.tensor_name(output) if output is not None else find_heads(view).likely().tensor)
    names.refuse_unknown(model, str(end))
    behind = view.index.ancestors([str(end)], control=False)
    distance = _distances(view, end, behind)
    head = _head(view, end, behind)
    narrow = {str(ref) for ref in narrows(view, end, lambda name: view.op(name) in EXITS | MERGES)}
    found: Dict[str, _Found] = {}
    misses: List[Miss] = []
    for name in sorted(behind, key=lambda name: distance.get(name, len(behind))):
        if not view.flow.bits(name) & LEARNED or not view.flow.is_data(name):
            continue
        for one in _of_node(view, name, behind):
            why_not = _refused(view, one, head)
            if why_not:
                misses.append(Miss(str(one.ref), why_not))
            else:
                found.setdefault(str(one.ref), one)
    return Candidates([_layer(view, one, narrow) for one in found.values()], misses, what="layer")


def _layer(view: View, one: _Found, narrow: Set[str]) -> Layer:
    shape = view.shape(one.ref)
    return Layer(str(one.ref), one.kind, one.why, (one.node,), view.dtype(one.ref), shape, _units(shape),
                 str(one.ref) in narrow)


def _units(shape: Shape) -> Optional[int]:
    return None if not shape else shape[-1]


def _distances(view: View, end: TensorRef, behind: Iterable[str]) -> Dict[str, int]:
    """How many ops lie between each node and the prediction."""
    found, edge, inside = {end.node: 0}, [end.node], set(behind)
    while edge:
        following = []
        for name in edge:
            for ref in view.inputs(name):
                if ref.node not in found and ref.node in inside:
                    found[ref.node] = found[name] + 1
                    following.append(ref.node)
        edge = following
    return found


def _head(view: View, end: TensorRef, behind: Set[str]) -> Set[str]:
    """The prediction and what is only activated, reshaped or shifted on the way to it: its own logits."""
    def moving(name: str) -> List[str]:
        data = [] if view.op(name) in LAYERS | POOLS | REDUCTIONS | EXITS else [
            one.node for one in view.inputs(name) if view.flow.is_data(one.node)]
        return data if len(data) == 1 or view.op(name) in _SUMS else []

    return set(reached([end.node], moving))


def _of_node(view: View, name: str, behind: Set[str]) -> List[_Found]:
    """The layers that begin at a node; none for most."""
    op, ref = view.op(name), TensorRef(name, 0)
    if op in RECURRENT:
        return [_Found(ref, "recurrent", "what the %s gives" % op, name)]
    if op in LAYERS:
        kind = "convolution" if op in CONVOLUTIONS else "dense"
        last, passed = _activated(view, ref, behind)
        return [_Found(last, kind, "%s%s" % (op, " behind " + ", ".join(passed) if passed else ""), name)]
    if op in POOLS:
        return [_Found(ref, "pooled", "a %s over positions" % op, name)]
    if op in REDUCTIONS and name not in view.loop_nodes:
        return _reduced(view, ref, op)
    if op in EXITS:
        return _left(view, ref)
    if op in _STEPS and name not in view.loop_nodes:
        return [_Found(_turned(view, ref, behind), "recurrent", "the states of a loop at all of its steps", name)]
    return []


def _reduced(view: View, ref: TensorRef, op: str) -> List[_Found]:
    """A maximum, mean or sum over positions, which leaves rows of units; shapes that are unknown may be such."""
    before, after = view.shape(view.inputs(ref.node)[0]), view.shape(ref)
    axes = view.constant(view.inputs(ref.node)[1])
    if axes is None or not axes.size or any(axis in (0, -1, len(before or ()) - 1) for axis in axes.ravel().tolist()):
        return []
    if before is not None and len(before) < 3 or after is not None and (len(after) < 2 or after[-1] == 1):
        return []
    return [_Found(ref, "pooled", "a %s over axis %s" % (op, ", ".join(str(axis) for axis in axes.ravel())), ref.node)]


def _left(view: View, ref: TensorRef) -> List[_Found]:
    """The last state of a loop, where rows of units leave it."""
    shape = view.shape(ref)
    if not view.is_float(ref) or shape is None or len(shape) < 2:
        return []
    return [_Found(ref, "recurrent", "the last state of a loop", ref.node)]


def _turned(view: View, ref: TensorRef, behind: Set[str]) -> TensorRef:
    """The steps of a loop are its first axis; where they are turned so that rows come first, that tensor."""
    while True:
        turned = [use.node for use in view.value_uses(ref)
                  if view.op(use.node) in _TURNS and use.slot == 0 and use.node in behind]
        if not turned:
            return ref
        ref = TensorRef(turned[0], 0)


def _activated(view: View, ref: TensorRef, behind: Set[str]) -> Tuple[TensorRef, List[str]]:
    """Where the layer of a product ends: behind bias, batch norm and activation; and the ops on the way there."""
    passed: List[str] = []
    while True:
        uses = [use for use in view.value_uses(ref) if use.node in behind]
        if len({use.node for use in uses}) != 1:
            return ref, passed
        node = uses[0].node
        op = view.op(node)
        others = [one for one in view.inputs(node) if one.node != ref.node and view.flow.is_data(one.node)]
        if op not in _LINEAR | _NONLINEAR or others or view.shape(TensorRef(node, 0)) is None:
            return ref, passed
        ref, passed = TensorRef(node, 0), passed + ([] if op in IDENTITIES else [op])
        if op in _NONLINEAR:
            return ref, passed


def _refused(view: View, one: _Found, head: Set[str]) -> str:
    """Why a layer is none that can be asked; ``""`` where it can."""
    if one.ref.node in head:
        return "the prediction itself, or its logits"
    if one.ref.node in view.loop_nodes:
        return "inside a loop, where it has a value in every iteration; what leaves the loop can be asked"
    return "" if view.is_float(one.ref) else "of dtype %s, which has no gradient" % view.dtype(one.ref)
