"""Batch norm on the statistics of the batch, and the moving averages that inference takes instead.

A moving average is a variable that is assigned something computed from itself and one statistic of the batch, and that
would stay as it is if it were equal to that statistic. Where no such update is in the graph (a pruned or frozen one),
the names of the layer's other variables are the evidence: ``…/moving_mean`` beside ``…/gamma``.
"""

from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

import numpy as np

from graph_tools.find.candidates import Miss
from graph_tools.find.narrows import narrows
from graph_tools.find.training_mode.scalars import scalar
from graph_tools.find.view import View
from graph_tools.graph.names import TensorRef
from graph_tools.graph.ops import ASSIGNS, ENTERS, IDENTITIES, SETS, SWITCHES, VARIABLES
from graph_tools.graph.walk import reached

FUSED = frozenset(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"))
_READS = IDENTITIES | ENTERS | SWITCHES | {"ReadVariableOp"}
_MOST = 40  # nodes between a statistic and the update of its average


class Average(NamedTuple):
    """A statistic of the batch and the node of the variable (or constant) that is its moving average."""

    statistic: TensorRef
    variable: str


class Fused(NamedTuple):
    """A fused batch norm in training mode and its moving averages."""

    node: str
    mean: str
    variance: str


class BatchNorms(NamedTuple):
    averages: Tuple[Average, ...]
    fused: Tuple[Fused, ...]
    misses: Tuple[Miss, ...]


def find_batch_norms(view: View) -> BatchNorms:
    """Statistics of the batch that have moving averages; batch norm in training mode without any is a miss."""
    averages = {one.statistic: one.variable for one in _updates(view)}
    fused, misses = _fused(view, averages)
    spelled = {ref: variable for ref, variable in averages.items() if view.op(ref) not in FUSED}
    for ref, leaf in _moments(view):
        found = spelled.get(ref) or _beside(view, ref, leaf)
        if found is None:
            misses.append(Miss(str(ref), "a mean over the batch, and no moving average of it is in the model"))
        else:
            spelled[ref] = found
    kept = [Average(ref, variable) for ref, variable in spelled.items() if ref.node not in view.loop_nodes]
    return BatchNorms(tuple(kept), tuple(fused), tuple(misses))


def _fused(view: View, averages: Dict[TensorRef, str]) -> Tuple[List[Fused], List[Miss]]:
    fused, misses = [], []
    for name in view.index.names_of(FUSED):
        node = view.index.nodes[name]
        if name in view.gradients or not _trains(node):
            continue
        pair = [averages.get(TensorRef(name, port)) for port in (1, 2)]
        mean, variance = (one or _by_name(view, view.inputs(name)[1:3], leaf) for one, leaf in zip(
            pair, ("moving_mean", "moving_variance")))
        if mean is None or variance is None:
            misses.append(Miss(name, "batch norm (%s) on the statistics of the batch, and no moving averages of them "
                                     "are in the model" % node.op))
        elif name in view.loop_nodes:
            misses.append(Miss(name, "batch norm inside a while loop, which is left as it is"))
        else:
            fused.append(Fused(name, mean, variance))
    return fused, misses


def _trains(node: Any) -> bool:
    return "is_training" not in node.attr or node.attr["is_training"].b


# -- by the update ----------------------------------------------------------------------------------------------------

def _updates(view: View) -> Iterator[Average]:
    """The moving averages that the graph updates, each with the statistic it follows."""
    for name in view.index.names_of(ASSIGNS):
        inputs = view.inputs(name)
        if len(inputs) < 2 or not view.flow.is_data(inputs[1].node):
            continue
        variable = view.origin(inputs[0], _READS).node
        found = _statistics(view, inputs[1], variable)
        if not any(_follows(view, view.op(name), inputs[1], variable, one) for one in found):
            continue
        average = _debiased(view, variable) or variable
        yield Average(found[-1], average)
        if view.op(found[-1]) == "Merge":  # of a branch that trains and one that does not
            for ref in view.inputs(found[-1].node):
                if view.op(ref) in FUSED:
                    yield Average(ref, average)


def _statistics(view: View, value: TensorRef, variable: str) -> List[TensorRef]:
    """What a new value is computed from, and no other data: of the variable's size, the statistic itself last."""
    size = _size(view, TensorRef(variable, 0))
    if size is None or not _is_closed(view, value):
        return []
    return [ref for ref in narrows(view, value, lambda name: _is_statistic(view, name)) if _size(view, ref) == size]


def _is_statistic(view: View, name: str) -> bool:
    """Whether a node reduces over the batch: a fused batch norm, or a mean over the first axis among others."""
    op = view.op(name)
    if op in FUSED:
        return True
    if op not in ("Mean", "Sum") or not view.flow.is_data(view.inputs(name)[0].node):
        return False
    axes = view.constant(view.inputs(name)[1])
    return axes is not None and 0 in np.ravel(axes)


def _is_closed(view: View, value: TensorRef) -> bool:
    """Whether a value is computed from statistics of the batch and from no other data, within few nodes."""
    def before(name: str) -> List[str]:
        return [] if _is_statistic(view, name) else [
            ref.node for ref in view.inputs(name) if view.flow.is_data(ref.node)]

    looked_at, closed = 0, False
    for name in reached([value.node] if view.flow.is_data(value.node) else [], before):
        looked_at += 1
        if _is_statistic(view, name):
            closed = True
        elif not view.inputs(name) or name in view.flow.sources or looked_at > _MOST or name in view.gradients:
            return False
    return closed


def _size(view: View, ref: TensorRef) -> Optional[int]:
    shape: Any = view.shape(ref)
    if view.op(ref) == "VarHandleOp":
        attr = view.index.nodes[ref.node].attr
        shape = tuple(dim.size for dim in attr["shape"].shape.dim) if "shape" in attr else None
    return None if shape is None or None in shape or -1 in shape else int(np.prod(shape, dtype=np.int64))


def _follows(view: View, op: str, value: TensorRef, variable: str, statistic: TensorRef) -> bool:
    """Whether an average that equals its statistic stays as it is, and another one moves a part of the way."""
    reads = dict.fromkeys(_reads(view, variable), 0.375)
    still, moved = (scalar(view, value, {**reads, statistic: number}) for number in (0.375, 1.375))
    own = 0.375 if op in SETS else 0.0
    return still is not None and moved is not None and abs(still - own) < 1e-6 < abs(moved - own) < 1 - 1e-6


def _reads(view: View, variable: str) -> List[TensorRef]:
    return list(reached([TensorRef(variable, 0)], lambda one: [
        TensorRef(use.node, port) for use in view.index.uses(one) if view.op(use.node) in _READS and use.slot == 0
        for port in range(view.tensor_count(use.node))]))


def _debiased(view: View, biased: str) -> Optional[str]:
    """The average that is computed from a sum that starts at zero (``ExponentialMovingAverage`` keeps both)."""
    if not biased.endswith("/biased"):
        return None
    after = view.index.descendants([biased], control=False)
    for name in after:
        if view.op(name) in ASSIGNS:
            variable = view.origin(view.inputs(name)[0], _READS).node
            if variable != biased and biased.rpartition("/")[0].endswith(variable):
                return variable
    return None


# -- by name ----------------------------------------------------------------------------------------------------------

def _moments(view: View) -> List[Tuple[TensorRef, str]]:
    """Means and variances over the batch as ``tf.nn.moments`` spells them, and what their averages are called."""
    found: Dict[TensorRef, str] = {}
    for name in view.index.names_of(["SquaredDifference"]):
        if name in view.gradients:
            continue
        mean = next((view.origin(ref) for ref in view.inputs(name) if view.op(view.origin(ref)) == "Mean"), None)
        spread = next((TensorRef(use.node, 0) for use in view.index.uses(TensorRef(name, 0))
                       if view.op(use.node) == "Mean"), None)
        if mean and spread and _is_statistic(view, mean.node) and _is_statistic(view, spread.node):
            found[mean], found[spread] = "moving_mean", "moving_variance"
    return [(ref, leaf) for ref, leaf in found.items() if (view.shape(ref) or (0,)) != ()]


def _beside(view: View, ref: TensorRef, leaf: str) -> Optional[str]:
    """The average of a statistic by name, in the scope of what it is scaled with."""
    after = view.index.descendants([ref.node], control=False, stop=lambda name: view.op(name) in ("Relu", "MatMul"))
    for name in sorted(after, key=len):
        if view.op(name) in ("Mul", "Sub", "Add", "AddV2") and name not in view.gradients:
            found = _by_name(view, view.inputs(name), leaf)
            if found and _size(view, TensorRef(found, 0)) == _size(view, ref):
                return found
    return None


def _by_name(view: View, weights: List[TensorRef], leaf: str) -> Optional[str]:
    """A variable of the scope that holds one of the weights of the layer, called as TensorFlow's layers call it."""
    for ref in weights:
        scope = view.origin(ref, _READS).node.rpartition("/")[0]
        for name in ("%s/%s" % (scope, leaf), "%s/%s" % (scope, leaf.replace("moving", "running"))):
            if scope and view.op(name) in VARIABLES | {"Const"}:
                return name
    return None
