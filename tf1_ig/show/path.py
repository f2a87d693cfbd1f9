"""The convergence view: the score along the path from the baseline to the input, and where points went."""

from typing import NamedTuple, Optional, Tuple

import numpy as np

_LEFT, _RIGHT, _TOP, _BOTTOM = 8.0, 312.0, 8.0, 110.0  # the drawing's box; the template's viewBox is 320 by 130


class Curve(NamedTuple):
    """A polyline in drawing units, the places of its nodes, and the same in words."""

    points: str
    nodes: Tuple[Tuple[str, str], ...]
    caption: str


def curve(attribution, row: int) -> Optional[Curve]:
    """The curve of one example; ``None`` when the result kept no path or fewer than two finite points of it."""
    if attribution.path is None:
        return None
    alphas, scores = (np.asarray(each, np.float64) for each in attribution.path[row])
    known = np.isfinite(scores) & np.isfinite(alphas)
    order = np.argsort(alphas[known], kind="stable")
    alphas, scores = alphas[known][order], scores[known][order]
    if len(alphas) < 2:
        return None
    low, high = float(scores.min()), float(scores.max())
    across = _LEFT + (_RIGHT - _LEFT) * np.clip(alphas, 0, 1)
    # A constant score is a line in the middle, not a division by zero.
    up = (scores - low) / (high - low) if high > low else np.full(len(scores), 0.5)
    down = _BOTTOM - (_BOTTOM - _TOP) * up
    pairs = [("%.1f" % x, "%.1f" % y) for x, y in zip(across, down)]
    return Curve(" ".join(",".join(pair) for pair in pairs), tuple(pairs),
                 "Score from %.4g at the baseline to %.4g at the input, lowest %.4g, highest %.4g, %d points." % (
                     scores[0], scores[-1], low, high, len(scores)))
