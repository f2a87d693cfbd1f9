"""What the sum of the attributions of a result claims to be, where it is no number, and where no point finds it."""

from typing import Any, List, Optional, Tuple

import numpy as np

from tf1_ig.halves import LEAST_WIDTH

# The difference of the scores; that difference on the average over random draws; nothing.
EXACT, IN_EXPECTATION, NONE = "exact", "in expectation", "none"
COMPLETENESS = (EXACT, IN_EXPECTATION, NONE)
AT_START = 1e-4       # of a path: what jumps before, jumps at its baseline; a norm is kept from 0 by a small number
# How the note on a jump begins; the op follows.
JUMPS = "along the path the score jumps, first in "


def rows_not_finite(result: Any) -> List[int]:
    """The rows of an ``Attribution`` of which a value, the score, or the gap where a sum is claimed, is NaN or Inf."""
    return np.flatnonzero(~finite(result)).tolist()


def finite(result: Any) -> np.ndarray:
    """Which rows are explained (``is_finite``), bool ``[rows]``."""
    found = np.isfinite(_claimed(result))
    for value in result.values.values():
        found = found & (np.array([np.isfinite(row).all() for row in value], bool) if isinstance(value, list) else
                         np.isfinite(value).all(axis=tuple(range(1, np.ndim(value)))))
    return found


def is_finite(result: Any, row: int) -> bool:
    """Whether a row is explained: its values are numbers, and so is its score, or the gap where a sum is claimed."""
    return bool(np.isfinite(_claimed(result)[row])) and all(
        np.isfinite(value[row]).all() for value in result.values.values())


def _claimed(result: Any) -> np.ndarray:
    return result.score if result.completeness == NONE else result.delta


def jump(result: Any, row: int) -> Optional[Tuple[float, float]]:
    """Where the error of a row mostly sits that has not converged, as far as points there cannot be closer.

    ``None`` where it has, where the error is elsewhere, or where nothing is known of it.
    """
    if result.converged[row] or result.path is None or result.path_errors is None:
        return None
    alphas, errors = np.asarray(result.path[row][0], np.float64), np.abs(result.path_errors[row])
    if not np.isfinite(errors).all():
        return None
    low, high = alphas[int(np.argmax(errors)):][:2].tolist()
    return (low, high) if high - low < LEAST_WIDTH else None
