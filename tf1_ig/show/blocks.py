"""Which view fits one input of one example: tokens, a picture, a map with axes, a signal, or signed bars."""

from typing import Any, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from graph_tools.running.values import as_text
from tf1_ig.result import entries
from tf1_ig.show import image, raw, signal, table, tokens as token_view
from tf1_ig.show.axes import Axes, Axis

_SIGNAL = 256  # plain numbers from which a row without names is drawn as a signal


def axes_of(axes: Any, name: str) -> Any:
    """The ``Axes`` or ``Axis`` of one input: one for all, by input name, or ``None``."""
    return axes.get(name) if isinstance(axes, Mapping) else axes


def is_picture(attribution: Any, name: str, row: int, picture: Any, axes: Any = None) -> bool:
    """Whether an example is drawn as a map: ``[height, width, channels]``, of the given picture, or with two axes."""
    shape = np.shape(_line(attribution.values[name][row]))
    looked_up = name in (attribution.ids or {}) or name in (attribution.strings or {})
    return len(shape) == 3 and not looked_up or len(shape) == 2 and (
        isinstance(axes, Axes) or (picture is not None and shape[:2] == np.shape(picture)[:2])
        or is_map(attribution, name, row))


def is_map(attribution: Any, name: str, row: int) -> bool:
    """Whether an example is a table of the caller's own numbers, such as a spectrogram, and no row of an embedding.

    Tokens say that the last axis is an embedding.
    """
    shape = np.shape(attribution.values[name][row])
    return (len(shape) == 2 and min(shape) > 2 and name in (attribution.actual or {})
            and attribution.texts(name, row) is None)


def is_signal(attribution: Any, name: str, row: int, texts: Any, axes: Any = None) -> bool:
    """Whether an example is drawn along one axis: numbers of the caller's own, many and without names, or with one, or
    in the shape of a picture of one line."""
    values = attribution.values[name][row]
    shape = np.shape(_line(values))
    line = len(shape) < np.ndim(values)
    plain = len(shape) == 1 or (len(shape) == 2 and (line or shape[1] <= 2))
    return plain and shape[0] > 0 and (isinstance(axes, Axis) or (
        texts is None and (line or shape[0] > _SIGNAL) and name in (attribution.actual or {})))


def is_words(sums: np.ndarray, texts: Optional[Sequence[Any]]) -> bool:
    """Whether an example is drawn as words of characters, ``sums [words, characters]`` with a text for each."""
    return np.ndim(sums) == 2 and texts is not None and len(texts) == np.size(sums)


def is_drawn(attribution: Any, name: str, row: int, texts: Any, picture: Any, options: Any) -> bool:
    """Whether an input has a picture or a signal, with a scale of its own."""
    axes = axes_of(options.axes, name)
    return is_picture(attribution, name, row, picture, axes) or is_signal(attribution, name, row, texts, axes)


def ground_of(attribution: Any, name: str, row: int, picture: Any = None) -> Any:
    """The picture beneath a map: the given one, or the input itself where it is a picture; else ``None``."""
    values = np.asarray(attribution.values[name][row])
    return next((each for each in (picture, _actual(attribution, name, row)) if _fits(each, values)), None)


def _actual(attribution: Any, name: str, row: int) -> Optional[np.ndarray]:
    known = None if attribution.actual is None else attribution.actual.get(name)
    return None if known is None else np.asarray(known[row])


def _own_range(ground: Any) -> np.ndarray:
    known = np.where(np.isfinite(ground), ground, 0.0).astype(np.float64)
    return (known - known.min()) / ((known.max() - known.min()) or 1.0)


def _line(values: Any) -> np.ndarray:
    """Numbers ``[1, n, channels]`` or ``[n, 1, channels]`` as ``[n, channels]``; others as they are."""
    shape = np.shape(values)
    return np.reshape(values, (-1, shape[2])) if len(shape) == 3 and (shape[0] == 1) != (shape[1] == 1) else (
        np.asarray(values))


def _plain_axes(rows: int, columns: int) -> Axes:
    return Axes(Axis("axis 1", 0, rows), Axis("axis 2", 0, columns))


def block(attribution: Any, name: str, row: int, sums: np.ndarray, texts: Optional[Sequence[Any]], picture: Any,
          scale: float, above: float, options: Any) -> Any:
    """What a card shows of one input; ``above`` is the magnitude that rounding reaches."""
    values, axes, title = np.asarray(attribution.values[name][row]), axes_of(options.axes, name), (
        attribution.input_name(name))
    actual = _actual(attribution, name, row)
    if is_picture(attribution, name, row, picture, axes):
        ground = ground_of(attribution, name, row, picture)
        if not isinstance(axes, Axes):
            axes = _plain_axes(*values.shape) if is_map(attribution, name, row) else None
        if ground is not None and axes is not None:  # no photograph: from its smallest to its largest number
            ground = _own_range(ground)
        return image.pictures(values, ground, title, options.palette, options.outlines, axes, above)
    if is_signal(attribution, name, row, texts, axes):
        return signal.wave(_line(values), None if actual is None else _line(actual), title,
                           axes if isinstance(axes, Axis) else None, 0 if np.abs(values).max() <= above else None)
    if sums.ndim == 2 and sums.shape[0] == 1 and is_words(sums, texts):  # one line, and its words
        sums = sums[0]
    if sums.ndim == 1:
        strip = token_view.strip(texts, sums, title, scale, options.join, options.fold)
        return strip._replace(notes=strip.notes + _blur(attribution, name, row),
                              told=raw.shows_all(attribution, [name], row))
    if is_words(sums, texts):
        return _words_of_characters(attribution, name, row, sums, texts, scale, options)
    names, numbers, details = _bars(attribution, name, row, texts)
    return table.bars(names, numbers, title, details, scale=scale)


def _bars(attribution: Any, name: str, row: int, texts: Any) -> Tuple[List[str], np.ndarray, List[str]]:
    """Names and numbers of the entries of a row, and in words the caller's own number where one is behind each."""
    values, actual = entries.of_row(attribution, name, row), _actual(attribution, name, row)
    own = [] if actual is None or actual.size != values.size or entries.is_one_category(
        attribution, name, row) else ["= %.4g" % number for number in actual.reshape(-1)]
    return entries.names(attribution, name, row, texts, values.shape), values.reshape(-1), own or [""] * values.size


def by_column(attribution: Any, row: int, texts: Mapping[str, Any], shown: Mapping[str, Any], scale: float
              ) -> List[Any]:
    """The blocks of a card: numbers and single categories, which are columns of a table, in one list of bars.

    Args:
      texts: of the row, by input; shown: the block of each input; scale: the magnitude of a full bar.
    """
    columns = [name for name, one in shown.items() if isinstance(one, table.Bars) or isinstance(
        one, token_view.Strip) and one.count == 1 and not one.told]
    if len(columns) < 2:
        return list(shown.values())
    found: List[Tuple[str, float, str]] = []
    for name in columns:
        names, values, details = _bars(attribution, name, row, texts[name])
        if len(names) == 1 and texts[name] is not None and names != [attribution.input_name(name)]:
            names, details = [attribution.input_name(name)], ["= " + names[0]]
        found += zip(names, values, details)
    texts_of, numbers, own = zip(*found)
    bars = table.bars(texts_of, numbers, "By column", own, scale=scale)
    blurred = tuple("%s: %s" % (attribution.input_name(name), note) for name in columns
                    for note in _blur(attribution, name, row))
    bars = bars._replace(notes=bars.notes + blurred)
    return [bars] + [one for name, one in shown.items() if name not in columns]


def _words_of_characters(attribution: Any, name: str, row: int, sums: np.ndarray, texts: Any, scale: float,
                         options: Any) -> token_view.Strip:
    """Words in colour, each the sum of its characters, which carry their own share; ``sums [words, characters]``."""
    spans = None if attribution.spans is None else attribution.spans.get(name)
    size, words = sums.shape[1], []
    for start in range(0, len(texts), size):
        parts = [(as_text(texts[start + place]), float(sums[start // size, place])) for place in range(size)
                 if spans is None or spans[row][start + place] is not None]
        while spans is None and len(parts) > 1 and parts[-1] == (parts[-2][0], 0.0):
            parts.pop()
        words.append(parts)
    while words and not any(text for text, _ in words[-1]) and not np.any(sums[len(words) - 1]):
        words.pop()
    # Lines of words are written with spaces, words of characters without.
    between = " " if any(len(text) > 1 for parts in words for text, _ in parts) else ""
    strip = token_view.strip([between.join(text for text, _ in parts) for parts in words], np.sum(sums, axis=1),
                             attribution.input_name(name), scale, options.join, options.fold)
    top = token_view.largest(sums)

    def parted(token: token_view.Token) -> token_view.Token:
        place = token.position
        return token if place >= len(words) else _with_parts(token, words[place], between, top)

    return strip._replace(
        segments=tuple(part._replace(tokens=tuple(map(parted, part.tokens))) for part in strip.segments),
        notes=strip.notes + ("A %s is coloured by the sum of its %s; the line above each is as strong as its share of "
                             "the strongest one." % (("line", "words") if between else ("word", "characters")),))


def _with_parts(token: token_view.Token, parts: Sequence[Tuple[str, float]], between: str, scale: float
                ) -> token_view.Token:
    """A word with its characters, each drawn and told with its own value."""
    told = "  ".join("%s %s" % (text, token_view.number(value)) for text, value in parts)
    return token._replace(title="%s · %s" % (token.title, told), parts=tuple(
        token_view.Part(token_view.printable(text) + between * (place + 1 < len(parts)),
                        *token_view.strength_of(value, scale)) for place, (text, value) in enumerate(parts)))


def _fits(picture: Any, values: np.ndarray) -> bool:
    shape = np.shape(picture)
    return picture is not None and shape[:2] == values.shape[:2] and (len(shape) == 2 or shape[2] in (1, 3, 4))


def _blur(attribution: Any, name: str, row: int) -> Tuple[str, ...]:
    """The standard errors of one input's tokens in words, where the result is a mean over several paths."""
    if attribution.token_standard_error is None:
        return ()
    errors = np.asarray(attribution.token_standard_error[name][row], np.float64).reshape(-1)
    most, median = (token_view.number(of(errors)).lstrip("+") if len(errors) else "" for of in (np.max, np.median))
    return ("Standard errors of the means: %s at most, median %s." % (most, median),) if most else ()
