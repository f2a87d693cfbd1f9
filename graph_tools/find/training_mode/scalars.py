"""Values of scalars that a graph computes, with a made-up number for each that is only known in a run.

Two scalars that depend on the same keep probability are compared this way whatever it is: made up from the tensor's
name, it is the same number wherever the tensor is read.
"""

import math
import zlib
from typing import Callable, Dict, Mapping, Optional

from graph_tools.find.view import View
from graph_tools.graph.names import TensorRef
from graph_tools.graph.ops import ENTERS, SWITCHES

_PASSES = SWITCHES | ENTERS | {"Identity", "StopGradient", "Cast", "Reshape", "Squeeze", "ExpandDims", "ReadVariableOp",
                               "Snapshot"}
_RULES: Dict[str, Callable[..., float]] = {
    "Neg": lambda a: -a, "Reciprocal": lambda a: 1 / a, "Inv": lambda a: 1 / a, "Sqrt": math.sqrt,
    "Rsqrt": lambda a: 1 / math.sqrt(a), "Square": lambda a: a * a, "Log": math.log, "Exp": math.exp,
    "Add": lambda a, b: a + b, "AddV2": lambda a, b: a + b, "Sub": lambda a, b: a - b, "Mul": lambda a, b: a * b,
    "RealDiv": lambda a, b: a / b, "Div": lambda a, b: a / b, "DivNoNan": lambda a, b: a / b if b else 0.0,
    "Pow": lambda a, b: a ** b, "Maximum": max, "Minimum": min}
_DEEPEST = 30


def scalar(view: View, ref: TensorRef, given: Optional[Mapping[TensorRef, float]] = None) -> Optional[float]:
    """The value of a scalar (or of an array that is one number throughout); ``None`` for data and for other arrays.

    Args:
      view: the graph.
      ref: the tensor.
      given: values of tensors that are known here.
    """
    return _Values(view, dict(given or {})).of(ref, 0)


class _Values:
    def __init__(self, view: View, known: Dict[TensorRef, Optional[float]]):
        self.view, self.known = view, known

    def of(self, ref: TensorRef, depth: int) -> Optional[float]:
        if ref not in self.known:
            self.known[ref] = None  # for a tensor that depends on itself, round a loop
            self.known[ref] = self._compute(ref, depth)
        return self.known[ref]

    def _compute(self, ref: TensorRef, depth: int) -> Optional[float]:
        view, op, inputs = self.view, self.view.op(ref), self.view.inputs(ref.node)
        if depth > _DEEPEST:
            return None
        if op == "Const":
            array = view.constant(ref)
            flat = None if array is None or array.dtype.kind not in "fiub" else array.ravel()
            return float(flat[0]) if flat is not None and flat.size and (flat == flat[0]).all() else None
        if op in _PASSES:
            return self.of(inputs[0], depth + 1)
        if op in _RULES:
            values = [self.of(one, depth + 1) for one in inputs]
            if None in values:
                return None
            try:
                return float(_RULES[op](*values))
            except (ValueError, ZeroDivisionError, OverflowError):
                return None
        if view.flow.is_data(ref.node) or op.startswith("Random") or view.shape(ref) not in ((), None):
            return None
        return 0.2 + 0.7 * (zlib.crc32(str(ref).encode("utf-8")) % 99991) / 99991
