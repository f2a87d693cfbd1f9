"""The convergence view: the score along the path, the error of each interval, and where points went."""

from typing import Any, NamedTuple, Optional, Tuple

import numpy as np

from tf1_ig.show.tokens import number

# The drawing's box; the template's viewBox is 320 by 160. Errors stand below, up and down from their middle.
_LEFT, _RIGHT, _TOP, _BOTTOM = 8.0, 312.0, 8.0, 96.0
_MIDDLE, _HALF = 122.0, 14.0


class Interval(NamedTuple):
    """The integration error of one interval of the path, as a bar in drawing units."""

    x: str
    y: str
    width: str
    height: str
    value: float


class Curve(NamedTuple):
    """A polyline in drawing units, the places of its nodes, the errors between them, and the same in words.

    ``start`` and ``end`` are the scores at the baseline and at the input, ``largest`` the largest error.
    """

    points: str
    nodes: Tuple[Tuple[str, str], ...]
    errors: Tuple[Interval, ...]
    caption: str
    start: float
    end: float
    largest: Optional[float] = None


def curve(attribution: Any, row: int) -> Optional[Curve]:
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
    caption = "Score from %.4g at the baseline to %.4g at the input, lowest %.4g, highest %.4g, %d points." % (
        scores[0], scores[-1], low, high, len(scores))
    errors = None if attribution.path_errors is None else np.asarray(attribution.path_errors[row], np.float64)
    bars: Tuple[Interval, ...] = ()
    largest = None
    if errors is not None and len(errors) == len(alphas) - 1 and np.isfinite(errors).all():
        worst = int(np.argmax(np.abs(errors)))
        largest = float(errors[worst])
        caption += " Largest error of an interval %s, from alpha %.3g to %.3g." % (
            number(largest), alphas[worst], alphas[worst + 1])
        bars = tuple(_interval(error, abs(largest), left, right)
                     for error, left, right in zip(errors, across, across[1:]))
    return Curve(" ".join(",".join(pair) for pair in pairs), tuple(pairs), bars, caption, float(scores[0]),
                 float(scores[-1]), largest)


def _interval(error: float, largest: float, left: float, right: float) -> Interval:
    height = _HALF * (abs(error) / largest) if largest else 0.0
    return Interval("%.2f" % left, "%.2f" % (_MIDDLE - height if error > 0 else _MIDDLE), "%.2f" % (right - left),
                    "%.2f" % height, float(error))
