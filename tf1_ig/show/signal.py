"""Attributions along a one-dimensional signal, such as sound: the signal, and signed bars under it, with an axis."""

from typing import Any, NamedTuple, Optional, Tuple

import numpy as np

from tf1_ig.errors import ShowError
from tf1_ig.show import tokens as token_view
from tf1_ig.show.axes import Axis

_LEFT, _RIGHT = 46.0, 712.0        # the drawing's box; the template's viewBox is 720 by 210
_TOP, _FLOOR = 12.0, 92.0          # of the signal
_MIDDLE, _HALF = 138.0, 36.0       # of the bars
_MOST_BARS, _MOST_POINTS = 180, 660


class SignalBar(NamedTuple):
    """The sum of the attributions of samples ``first`` to ``last``, in drawing units."""

    x: str
    y: str
    width: str
    height: str
    kind: str
    value: float
    first: int
    last: int


class Wave(NamedTuple):
    """A signal with its attributions; ``line`` is empty where the signal is not known."""

    name: str
    line: str
    low: str
    high: str
    bars: Tuple[SignalBar, ...]
    axis: str
    ticks: Tuple[Tuple[str, str], ...]
    total: float
    full: float
    caption: str
    notes: Tuple[str, ...] = ()


def wave(values: Any, samples: Any = None, name: str = "", axis: Optional[Axis] = None,
         scale: Optional[float] = None) -> Wave:
    """What a page shows of one one-dimensional input.

    Args:
      values: attributions, float ``[samples]`` or ``[samples, channels]`` (summed over channels).
      samples: the signal itself, the same shape; ``None`` draws the bars alone.
      name: a heading.
      axis: what runs along it; ``None`` counts samples.
      scale: the magnitude of a full bar; ``None`` takes the largest bar, 0 draws none.

    Raises:
      ShowError: attributions of another rank, or samples of another length.
    """
    values = _channels(values)
    finite = np.where(np.isfinite(values), values, 0.0)
    if samples is not None and len(samples) != len(values):
        raise ShowError("the signal has %d samples, its attributions %d; both have the same length" % (
            len(samples), len(values)))
    axis = axis or Axis("sample", 0, len(values))
    edges = np.linspace(0, len(values), min(_MOST_BARS, len(values)) + 1).astype(int)
    sums = np.add.reduceat(finite, edges[:-1]) if len(values) else np.zeros(0)
    full = token_view.largest(sums) if scale is None or scale > 0 else 0.0
    bars = tuple(_bar(value, full, first, last, len(values)) for value, first, last in zip(sums, edges, edges[1:]))
    line, low, high = ("", "", "") if samples is None else _line(_channels(samples, np.mean))
    strongest = int(np.argmax(np.abs(sums))) if len(sums) else 0
    notes = [] if len(values) == len(sums) else ["Every bar is the sum of about %d samples." % (
        round(len(values) / len(sums)))]
    if np.any(~np.isfinite(values)):
        notes.append("Not finite numbers, drawn as nothing: %d of %d." % (np.sum(~np.isfinite(values)), len(values)))
    if not full:
        notes.append("%s: the score does not react to this input; nothing is drawn." % token_view.nothing(finite))
    caption = "%d samples, sum %s" % (len(values), token_view.number(float(finite.sum())))
    if full:
        caption += "; strongest %s from sample %d to %d" % (
            token_view.number(float(sums[strongest])), edges[strongest], edges[strongest + 1] - 1)
    ticks = tuple((_x(tick.share), tick.text) for tick in axis.ticks)
    return Wave(name, line, low, high, bars, axis.name, ticks, float(finite.sum()), full, caption + ".", tuple(notes))


def _channels(array: Any, merged: Any = np.sum) -> np.ndarray:
    array = np.asarray(array, np.float64)
    if array.ndim not in (1, 2):
        raise ShowError("a signal is [samples] or [samples, channels], not %s" % (list(array.shape),))
    return merged(array, axis=1) if array.ndim == 2 else array


def _bar(value: float, full: float, first: int, last: int, count: int) -> SignalBar:
    height = _HALF * abs(value) / full if full else 0.0
    kind = "" if height == 0 else "p" if value > 0 else "n"
    left = _LEFT + (_RIGHT - _LEFT) * first / count
    return SignalBar("%.2f" % left, "%.2f" % (_MIDDLE - height if value > 0 else _MIDDLE),
                     "%.2f" % ((_RIGHT - _LEFT) * (last - first) / count), "%.2f" % height, kind, float(value),
                     int(first), int(last))


def _line(samples: np.ndarray) -> Tuple[str, str, str]:
    """The signal as points of a polyline: of a long one the lowest and the highest value of each stretch."""
    known = np.where(np.isfinite(samples), samples, 0.0)
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    at = np.arange(len(known))
    if len(known) > _MOST_POINTS:
        edges = np.linspace(0, len(known), _MOST_POINTS // 2 + 1).astype(int)[:-1]
        at = np.repeat(edges, 2)
        known = np.stack([np.minimum.reduceat(known, edges), np.maximum.reduceat(known, edges)], axis=1).reshape(-1)
    up = (known - low) / (high - low) if high > low else np.full(len(known), 0.5)
    points = ("%s,%.1f" % (_x((place + 0.5) / len(samples)), _FLOOR - (_FLOOR - _TOP) * share)
              for place, share in zip(at, up))
    return " ".join(points), token_view.number(low), token_view.number(high)


def _x(share: float) -> str:
    return "%.1f" % (_LEFT + (_RIGHT - _LEFT) * share)
