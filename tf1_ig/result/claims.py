"""What the sum of the attributions of a result claims to be, and where it is no number."""

from typing import Any, List

import numpy as np

# The difference of the scores; that difference on the average over random draws; nothing.
EXACT, IN_EXPECTATION, NONE = "exact", "in expectation", "none"
COMPLETENESS = (EXACT, IN_EXPECTATION, NONE)


def rows_not_finite(result: Any) -> List[int]:
    """The rows of an ``Attribution`` of which a value, the score, or the gap where a sum is claimed, is NaN or Inf."""
    return [row for row in range(len(result.score)) if not is_finite(result, row)]


def is_finite(result: Any, row: int) -> bool:
    """Whether a row is explained: its values are numbers, and so is its score, or the gap where a sum is claimed."""
    total = result.score if result.completeness == NONE else result.delta
    return bool(np.isfinite(total[row])) and all(np.isfinite(value[row]).all() for value in result.values.values())
