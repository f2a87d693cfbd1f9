"""Dropout and noise in their spellings, each with the tensor that is left of it in inference.

A gate is a comparison of uniform noise with a rate, or the whole part of noise plus a keep probability. What is
multiplied with it, or selected by it, and scaled by one over the probability, was dropped out. That the scale is right
is computed, not read from names: with made-up numbers where a probability is only known in a run.
"""

from typing import Any, Container, Dict, Iterator, List, NamedTuple, Optional, Tuple

import numpy as np

from graph_tools.find.candidates import Miss
from graph_tools.find.training_mode.scalars import scalar
from graph_tools.find.view import View
from graph_tools.graph.names import TensorRef
from graph_tools.graph.walk import Use, reached

UNIFORM = frozenset(("RandomUniform", "StatelessRandomUniform", "StatelessRandomUniformV2", "StatefulUniform"))
NORMAL = frozenset(("RandomStandardNormal", "StatelessRandomNormal", "StatelessRandomNormalV2", "TruncatedNormal",
                    "StatefulStandardNormalV2"))
_CARRY = frozenset(("Identity", "Enter", "Reshape", "Cast", "Switch", "ExpandDims", "Squeeze", "StopGradient"))
_COMPARISONS = frozenset(("Greater", "GreaterEqual", "Less", "LessEqual"))
_ADDS, _DIVIDES = ("Add", "AddV2"), ("RealDiv", "Div")
_CLOSE = 1e-4


class Dropped(NamedTuple):
    """One place to mend: ``output`` becomes ``kept``; ``why`` for people."""

    output: TensorRef
    kept: TensorRef
    why: str


class _Gate(NamedTuple):
    """A tensor that is 1 (or true) with probability ``keep`` and 0 otherwise."""

    ref: TensorRef
    keep: float


def find_dropout(view: View) -> Tuple[List[Dropped], List[Miss]]:
    """Every dropout and noise of a known spelling; gates of data that are none as misses."""
    found: Dict[TensorRef, Dropped] = {}
    misses: List[Miss] = []
    for gate in _gates(view):
        uses = [use for ref in _masks(view, gate.ref) for use in view.value_uses(ref)]
        taken = [one for one in (_dropped(view, gate, use) for use in uses) if one]
        found.update((one.output, one) for one in taken)
        if not taken and any(view.flow.is_data(use.node) for use in uses):
            misses.append(Miss(str(gate.ref), "a random gate of what %s computes, but no scale of one over its "
                                              "probability: no dropout of a known spelling" % uses[0].node))
    for name in view.index.names_of(("Mul",) + _ADDS):
        one = _noise(view, name)
        if one:
            found.setdefault(one.output, one)
    return list(found.values()), misses


# -- gates ------------------------------------------------------------------------------------------------------------

def _gates(view: View) -> Iterator[_Gate]:
    for name, node in view.index.nodes.items():
        inputs = view.inputs(name)
        if node.op == "Floor" and view.op(view.origin(inputs[0])) in _ADDS:
            keep = _offset(view, view.inputs(view.origin(inputs[0]).node))
        elif node.op in _COMPARISONS and len(inputs) == 2:
            keep = _compared(view, node.op, inputs)
        else:
            continue
        if keep is not None:
            yield _Gate(TensorRef(name, 0), keep)


def _offset(view: View, inputs: List[TensorRef]) -> Optional[float]:
    """What is added to noise between 0 and 1."""
    for one, other in (inputs, inputs[::-1]):
        if _affine(view, one, UNIFORM) == (1, 0):
            return scalar(view, other)
    return None


def _compared(view: View, op: str, inputs: List[TensorRef]) -> Optional[float]:
    for slot in (0, 1):
        if _affine(view, inputs[slot], UNIFORM) == (1, 0):
            other = scalar(view, inputs[1 - slot])
            noise_is_larger = op.startswith("Greater") == (slot == 0)
            return None if other is None else 1 - other if noise_is_larger else other
    return None


def _affine(view: View, ref: TensorRef, random: Any) -> Optional[Tuple[float, float]]:
    """The factor and the offset by which a tensor is computed from random numbers; ``None`` when it is not."""
    scale, offset = 1.0, 0.0
    for _ in range(12):
        op, inputs = view.op(ref), view.inputs(ref.node)
        if op in random:
            return round(scale, 6), round(offset, 6)
        if op in _CARRY:
            ref = inputs[0]
            continue
        if op not in _ADDS + ("Mul",):
            return None
        values = [scalar(view, one) for one in inputs]
        if (values[0] is None) == (values[1] is None):
            return None
        slot = 0 if values[0] is None else 1
        ref, value = inputs[slot], values[1 - slot] or 0.0
        if op == "Mul":
            scale *= value
        else:
            offset += scale * value
    return None


def _masks(view: View, ref: TensorRef) -> List[TensorRef]:
    """A gate and its copies: cast, reshaped, in a loop or a branch."""
    return list(reached([ref], lambda one: [
        TensorRef(use.node, port) for use in view.index.uses(one) if use.slot == 0 and view.op(use.node) in _CARRY
        for port in range(view.tensor_count(use.node))]))


# -- what a gate closes -----------------------------------------------------------------------------------------------

def _dropped(view: View, gate: _Gate, use: Use) -> Optional[Dropped]:
    """The dropout at one use of a gate, if it is one."""
    op, inputs = view.op(use.node), view.inputs(use.node)
    out, keep = TensorRef(use.node, 0), gate.keep
    if op == "Mul":
        value = inputs[1 - use.slot]
    elif op in ("Select", "SelectV2") and use.slot == 0 and _is_zero(view, inputs[2]):
        value = inputs[1]
    elif op in ("Select", "SelectV2") and use.slot == 0 and _is_zero(view, inputs[1]):
        value, keep = inputs[2], 1 - keep
    else:
        return None
    for after, behind in _after(view, out):
        for before, ahead in _before(view, value):
            if abs(ahead * behind * keep - 1) < _CLOSE:
                return Dropped(after, before, "dropout at %s" % gate.ref.node)
    return _alpha(view, keep, out, value, gate)


def _is_zero(view: View, ref: TensorRef) -> bool:
    ref = view.origin(ref)
    if view.op(ref) == "ZerosLike":
        return True
    return scalar(view, view.inputs(ref.node)[1] if view.op(ref) == "Fill" else ref) == 0


def _before(view: View, ref: TensorRef) -> Iterator[Tuple[TensorRef, float]]:
    """A tensor and those that it is a multiple of, with the factor."""
    factor = 1.0
    for _ in range(4):
        yield ref, factor
        step = _multiple(view, view.origin(ref, ("Identity",)))
        if step is None:
            return
        ref, factor = step[0], factor * step[1]


def _after(view: View, ref: TensorRef) -> Iterator[Tuple[TensorRef, float]]:
    """A tensor and its multiples, as long as nothing else reads it."""
    factor = 1.0
    for _ in range(3):
        yield ref, factor
        uses = view.value_uses(ref)
        step = _multiple(view, TensorRef(uses[0].node, 0)) if len(uses) == 1 else None
        if step is None or step[0] != ref:
            return
        ref, factor = TensorRef(uses[0].node, 0), factor * step[1]


def _multiple(view: View, ref: TensorRef) -> Optional[Tuple[TensorRef, float]]:
    """The tensor that a product or quotient with a scalar is a multiple of, and the factor."""
    op, inputs = view.op(ref), view.inputs(ref.node)
    if op != "Mul" and op not in _DIVIDES:
        return None
    values = [scalar(view, one) for one in inputs]
    if op in _DIVIDES:
        return (inputs[0], 1 / values[1]) if values[0] is None and values[1] else None
    if (values[0] is None) == (values[1] is None):
        return None
    slot = 0 if values[0] is None else 1
    return inputs[slot], values[1 - slot] or 0.0


def _alpha(view: View, keep: float, product: TensorRef, value: TensorRef, gate: _Gate) -> Optional[Dropped]:
    """Alpha dropout: ``a * (x * gate + c * (1 - gate)) + b``, with ``a`` and ``b`` that keep mean and variance."""
    for use in view.value_uses(product):
        if view.op(use.node) not in _ADDS:
            continue
        other = view.inputs(use.node)[1 - use.slot]
        step = _multiple(view, view.origin(other))
        scaled = _only_use(view, TensorRef(use.node, 0), ("Mul",))
        shifted = scaled and _only_use(view, scaled[0], _ADDS + ("Sub",))
        if step is None or not scaled or not shifted or view.op(view.origin(step[0])) not in ("Sub", "Cast"):
            continue
        c, a, b = step[1], scaled[1], shifted[1]
        right = (keep + c * c * keep * (1 - keep)) ** -0.5
        if np.allclose([a, b], [right, -right * c * (1 - keep)], rtol=1e-3):
            return Dropped(shifted[0], value, "alpha dropout at %s" % gate.ref.node)
    return None


def _only_use(view: View, ref: TensorRef, ops: Container[str]) -> Optional[Tuple[TensorRef, float]]:
    """The one product or sum with a scalar that reads a tensor, and the scalar."""
    uses = view.value_uses(ref)
    if len(uses) != 1 or view.op(uses[0].node) not in ops:
        return None
    value = scalar(view, view.inputs(uses[0].node)[1 - uses[0].slot])
    if value is None or view.op(uses[0].node) == "Sub" and uses[0].slot:
        return None
    return TensorRef(uses[0].node, 0), -value if view.op(uses[0].node) == "Sub" else value


def _noise(view: View, name: str) -> Optional[Dropped]:
    """Normal noise around 1 and multiplied, or around 0 and added, to data, in a size that is fixed or computed."""
    neutral = 1 if view.op(name) == "Mul" else 0
    inputs = view.inputs(name)
    for slot in (0, 1):
        if not view.flow.is_data(inputs[1 - slot].node):
            continue
        found = _affine(view, inputs[slot], NORMAL)
        if found and found[1] == neutral or not neutral and _has_a_computed_size(view, view.origin(inputs[slot])):
            return Dropped(TensorRef(name, 0), inputs[1 - slot], "noise at %s" % name)
    return None


def _has_a_computed_size(view: View, ref: TensorRef) -> bool:
    """Whether a tensor is noise around 0 times what data say, as a variational code's is around its mean."""
    if view.op(ref) != "Mul":
        return False
    factors = view.inputs(ref.node)
    return any((_affine(view, one, NORMAL) or (0, 1))[1] == 0 and view.flow.is_data(other.node)
               for one, other in (factors, factors[::-1]))
