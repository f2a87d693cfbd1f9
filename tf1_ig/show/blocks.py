"""Which view fits one input of one example: tokens, a picture, a map with axes, a signal, or signed bars."""

from typing import Any, Mapping, Optional, Sequence, Tuple

import numpy as np

from tf1_ig.show import image, signal, table, tokens as token_view
from tf1_ig.show.axes import Axes, Axis

_SIGNAL = 256  # plain numbers from which a row without names is drawn as a signal


def axes_of(axes: Any, name: str) -> Any:
    """The ``Axes`` or ``Axis`` of one input: one for all, by input name, or ``None``."""
    return axes.get(name) if isinstance(axes, Mapping) else axes


def is_picture(attribution, name: str, row: int, picture: Any, axes: Any = None) -> bool:
    """Whether an example is drawn as a map: ``[height, width, channels]``, of the given picture, or with two axes."""
    shape = np.shape(attribution.values[name][row])
    return len(shape) == 3 or len(shape) == 2 and (
        isinstance(axes, Axes) or (picture is not None and shape[:2] == np.shape(picture)[:2]))


def is_signal(attribution, name: str, row: int, texts: Any, axes: Any = None) -> bool:
    """Whether an example is drawn along one axis: numbers of the caller's own, many and without names, or with one."""
    shape = np.shape(attribution.values[name][row])
    plain = len(shape) == 1 or (len(shape) == 2 and shape[1] <= 2)
    return plain and shape[0] > 0 and (isinstance(axes, Axis) or (
        texts is None and shape[0] > _SIGNAL and name in (attribution.actual or {})))


def is_drawn(attribution, name: str, row: int, texts: Any, picture: Any, options) -> bool:
    """Whether an input has a picture or a signal, with a scale of its own."""
    axes = axes_of(options.axes, name)
    return is_picture(attribution, name, row, picture, axes) or is_signal(attribution, name, row, texts, axes)


def block(attribution, name: str, row: int, sums: np.ndarray, texts: Optional[Sequence[Any]], picture: Any,
          scale: float, above: float, options) -> Any:
    """What a card shows of one input; ``above`` is the magnitude that rounding reaches."""
    values, axes = np.asarray(attribution.values[name][row]), axes_of(options.axes, name)
    known = None if attribution.actual is None else attribution.actual.get(name)
    actual = None if known is None else np.asarray(known[row])
    if is_picture(attribution, name, row, picture, axes):
        ground = next((each for each in (picture, actual) if _fits(each, values)), None)
        return image.pictures(values, ground, name, options.palette, options.outlines,
                              axes if isinstance(axes, Axes) else None, above)
    if is_signal(attribution, name, row, texts, axes):
        return signal.wave(values, actual, name, axes if isinstance(axes, Axis) else None,
                           0 if np.abs(values).max() <= above else None)
    if sums.ndim == 1:
        strip = token_view.strip(texts, sums, name, scale, options.join, options.fold)
        return strip._replace(notes=strip.notes + _blur(attribution, name, row))
    if sums.ndim == 0:
        details = None if actual is None else ["= %.4g" % number for number in actual.reshape(-1)]
        return table.features(values, texts, name, details, scale)
    return table.largest_entries(sums, name, scale)


def _fits(picture: Any, values: np.ndarray) -> bool:
    shape = np.shape(picture)
    return picture is not None and shape[:2] == values.shape[:2] and (len(shape) == 2 or shape[2] in (1, 3, 4))


def _blur(attribution, name: str, row: int) -> Tuple[str, ...]:
    """The standard errors of one input's tokens in words, where the result is a mean over several paths."""
    if attribution.token_standard_error is None:
        return ()
    errors = np.asarray(attribution.token_standard_error[name][row], np.float64).reshape(-1)
    most, median = (token_view.number(of(errors)).lstrip("+") if len(errors) else "" for of in (np.max, np.median))
    return ("Standard errors of the means: %s at most, median %s." % (most, median),) if most else ()
