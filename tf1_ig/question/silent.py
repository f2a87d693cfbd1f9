"""Why an example that went through has nothing but zeros to tell, or next to nothing."""

from typing import Any, Optional, Tuple

import numpy as np

from graph_tools.errors import some
from graph_tools.model import Model

_SILENT = ("every attribution of the example is zero: the output does not change on the way from the baseline; feed "
           "rows of your own, or choose another output or label")
_UNTRAINED = ("every attribution of the example is zero, and of the weights behind %s %d of %d hold nothing but zeros "
              "(%s), as before the first step of training: load a later checkpoint")
_DIVERGED = ("every attribution of the example is zero, and of the weights behind %s %d of %d hold numbers beyond "
             "1e+15 (%s), as after a training that diverged: load an earlier checkpoint")
_BEYOND = 1e15        # what no weight is after a training that went well
_CERTAIN = 1 - 1e-4   # of a probability: there single precision hardly knows its gradient


def why(model: Model, output: str) -> Tuple[str, bool]:
    """What to say where every attribution is zero: of a model that never learned anything, or whose weights grew beyond
    all bounds, that it did; and whether any of its weights hold something else, so that other values may move it."""
    behind = model.index.ancestors([output], control=False)
    count, zero, wild = 0, [], []
    for name in model.variables:
        value = np.asarray(model.variables[name]) if name in behind else np.zeros(())
        count += value.ndim > 1
        if value.ndim > 1 and value.dtype.kind == "f":
            zero += [] if np.any(value) else [name]
            wild += [name] if value.size and np.max(np.abs(value)) > _BEYOND else []
    for told, lost in ((_UNTRAINED, zero), (_DIVERGED, wild)):
        if lost:
            return told % (output, len(lost), count, some(lost, 3)), len(lost) < count
    return _SILENT, True


def is_certain(output: Any, scores: Any) -> bool:
    """Whether all scores of an output, a ``Candidate``, are those of a certainty, where gradients vanish."""
    chance = np.asarray(scores)
    return output.kind in ("softmax", "sigmoid") and bool(np.all((chance > _CERTAIN) | (chance < 1 - _CERTAIN)))


def scores(outputs: np.ndarray, label: Optional[str]) -> np.ndarray:
    """The elements of output rows that a label names, or the largest of each."""
    at = tuple(map(int, label.split(","))) if label is not None else ()
    if len(at) == outputs.ndim - 1:
        return outputs[(slice(None),) + at]
    return outputs.reshape(len(outputs), -1).max(axis=1)
