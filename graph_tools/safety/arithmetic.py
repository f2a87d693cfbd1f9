"""Values of short arithmetic on constants, as TensorFlow finds them: by these it is known how large others are."""

from typing import Any, Callable, Dict, List, Optional

import numpy as np


def followed(node: Any, known: List[np.ndarray]) -> Optional[np.ndarray]:
    """The value of a node by those of its inputs, in floats; ``None`` where it might not be what TensorFlow finds."""
    rule = _ARITHMETIC[node.op]
    with np.errstate(all="ignore"):
        try:
            found = np.asarray(rule(node, *(np.asarray(one, np.float64) for one in known)))
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    return found if bool((np.abs(found) < _WRAPS).all()) else None


def follows(node: Any) -> bool:
    """Whether there is a rule for the value of a node."""
    return node.op in _ARITHMETIC and not number(node, "batch_dims")


def number(node: Any, name: str) -> int:
    """A number or a flag among a node's attributes; reading one that is not there may add it."""
    return (node.attr[name].i or node.attr[name].b) if name in node.attr else 0


def _picked(node: Any, values: np.ndarray, begin: np.ndarray, end: np.ndarray, stride: np.ndarray) -> np.ndarray:
    """What is picked out of a short vector."""
    if values.ndim != 1 or begin.size != 1 or number(node, "new_axis_mask") or number(node, "ellipsis_mask"):
        raise ValueError("not a slice of a vector")
    first, last, step = (int(np.ravel(one)[0]) for one in (begin, end, stride))
    if number(node, "shrink_axis_mask"):
        return values[first]
    return values[slice(None if number(node, "begin_mask") else first, None if number(node, "end_mask") else last,
                        step)]


def _axes(node: Any, axis: np.ndarray) -> Dict[str, Any]:
    return {"axis": tuple(np.ravel(axis).astype(int)), "keepdims": bool(number(node, "keep_dims"))}


def _cast(node: Any, x: np.ndarray) -> np.ndarray:
    kind = node.attr["DstT"].type if "DstT" in node.attr else 0
    if kind not in (1, 2, 3, 9):
        raise ValueError("numbers of a type that does not hold them all")
    return np.trunc(x) if kind in (3, 9) else x


def _squeezed(node: Any, x: np.ndarray) -> np.ndarray:
    axes = tuple(node.attr["squeeze_dims"].list.i) if "squeeze_dims" in node.attr else ()
    return np.squeeze(x, axes or None)


_ARITHMETIC: Dict[str, Callable] = {
    "StridedSlice": _picked, "Identity": lambda node, x: x, "StopGradient": lambda node, x: x, "Cast": _cast,
    "Neg": lambda node, x: -x, "Square": lambda node, x: x * x,
    "Add": lambda node, x, y: x + y, "AddV2": lambda node, x, y: x + y, "Sub": lambda node, x, y: x - y,
    "Mul": lambda node, x, y: x * y, "Pow": lambda node, x, y: x ** y,
    "Maximum": lambda node, x, y: np.maximum(x, y), "Minimum": lambda node, x, y: np.minimum(x, y),
    "FloorDiv": lambda node, x, y: np.floor_divide(x, y), "FloorMod": lambda node, x, y: np.mod(x, y),
    "Reshape": lambda node, x, shape: np.reshape(x, shape.astype(int)),
    "ExpandDims": lambda node, x, axis: np.expand_dims(x, int(axis)), "Squeeze": _squeezed,
    "Prod": lambda node, x, axis: np.prod(x, **_axes(node, axis)),
    "Sum": lambda node, x, axis: np.sum(x, **_axes(node, axis)),
    "Gather": lambda node, x, which: np.take(x, which.astype(int), 0),
    "GatherV2": lambda node, x, which, axis: np.take(x, which.astype(int), int(axis)),
    "Slice": lambda node, x, begin, size: x[tuple(
        slice(int(at), None if many < 0 else int(at + many)) for at, many in zip(begin, size))]}
# Beyond this a whole number may come round to the other end of its type.
_WRAPS = 2.0 ** 31
