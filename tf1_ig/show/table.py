"""Features as signed bars, and results as a table (a pandas frame, totals per input, means over rows)."""

from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from graph_tools.running.values import as_text
from tf1_ig.errors import package
from tf1_ig.result import entries as named
from tf1_ig.result.features import totals as totals_by_label
from tf1_ig.show import render, tokens as token_view

_MOST_BARS = 40


class Bar(NamedTuple):
    """One signed bar; ``spread`` is a half-width (one standard deviation) as a share of the axis, or ``None``."""

    text: str
    value: float
    share: float
    kind: str
    detail: str
    spread: Optional[float] = None


class Bars(NamedTuple):
    """A titled list of bars on one symmetric scale."""

    name: str
    rows: Tuple[Bar, ...]
    scale: float
    notes: Tuple[str, ...] = ()


def bars(texts: Sequence[Any], values: Any, name: str = "", details: Optional[Sequence[str]] = None,
         spreads: Optional[Sequence[float]] = None, order: bool = True, most: int = _MOST_BARS,
         scale: Optional[float] = None) -> Bars:
    """Signed bars of named numbers, largest magnitude first.

    Args:
      texts: names, one per value.
      values: float ``[n]``.
      name: a heading.
      details: a short text per value, such as the feature's own value or category.
      spreads: standard deviations, one per value.
      order: false keeps the given order.
      most: so many are drawn; the rest is counted in a note.
      scale: the magnitude of a full bar; ``None`` takes the largest, 0 draws none.
    """
    values = np.asarray(values, np.float64)
    size = np.where(np.isfinite(values), np.abs(values), np.inf)
    rank = np.argsort(-size, kind="stable") if order else np.arange(len(values))
    reach = np.abs(values) + (0 if spreads is None else np.asarray(spreads, np.float64))
    told = scale is not None
    scale = float(scale) if scale is not None else token_view.largest(reach)
    rows = []
    for index in rank[:most]:
        value = float(values[index])
        finite = bool(np.isfinite(value))
        kind = "nan" if not finite else "zero" if value == 0 or scale == 0 else "positive" if value > 0 else "negative"
        rows.append(Bar(token_view.visible(as_text(texts[index])), value,
                        min(1.0, abs(value) / scale) if kind in ("positive", "negative") else 0.0, kind,
                        "" if details is None else token_view.printable(str(details[index])),
                        None if spreads is None or scale == 0 else float(spreads[index]) / scale))
    rest = values[rank[most:]]
    notes: Tuple[str, ...] = ()
    if len(rest):
        notes += ("%d more, together %s." % (len(rest), token_view.number(float(np.nansum(rest)))),)
    if told and not scale and len(values):
        notes += ("%s: the score does not react to these; nothing is drawn." % token_view.nothing(values),)
    return Bars(name, tuple(rows), scale, notes)


def by_category(attribution: Any, row: int) -> Optional[Bars]:
    """Bars of what each feature, with its category, contributes to one example; ``None`` without feature columns."""
    if attribution.features is None:
        return None
    found = totals_by_label(attribution.features[row])
    return bars(list(found), list(found.values()), "By feature")


def totals(attribution: Any, row: int) -> Bars:
    """Bars of what each input tensor contributes to one example in all."""
    names = list(attribution.values)
    return bars(list(map(attribution.input_name, names)), [
        float(np.sum(np.asarray(attribution.values[name][row], np.float64))) for name in names],
                "Total per input")


def together(attribution: Any, row: int, texts: Optional[Mapping[str, Any]] = None) -> Optional[np.ndarray]:
    """Token by token sums over all inputs of one example, ``[tokens]``; ``None`` when their tokens are not the same.

    Args:
      texts: the texts of this row by input; ``None`` takes ``attribution.texts``.
    """
    sums = [np.asarray(each[row], np.float64) for each in attribution.tokens.values()]
    texts = {name: attribution.texts(name, row) for name in attribution.values} if texts is None else texts
    told = [texts[name] for name in attribution.values]
    alike = all(each.ndim == 1 and each.shape == sums[0].shape for each in sums) and all(one == told[0] for one in told)
    return np.sum(sums, axis=0) if len(sums) > 1 and alike else None


def aggregate(attribution: Any, tokens: Optional[Sequence[Sequence[Any]]] = None, signed: bool = False) -> Bars:
    """Mean attribution per token text (or per position) over all rows, with its spread.

    Args:
      attribution: a result with several rows.
      tokens: texts, a list per row; ``None`` takes ``attribution.texts``, else positions.
      signed: the mean of the signed values instead of the mean of their magnitudes.
    """
    groups: Dict[Any, Any] = {}
    for _, _, _, text, value in entries(attribution, tokens):
        if np.isfinite(value):
            groups.setdefault(text, []).append(value if signed else abs(value))
    names = list(groups)
    return bars(names, [float(np.mean(groups[name])) for name in names],
                "Mean %sattribution" % ("" if signed else "absolute "), ["×%d" % len(groups[name]) for name in names],
                [float(np.std(groups[name])) for name in names])


def bars_html(*tables: Bars, title: str = "", palette: str = "blue-orange") -> str:
    """Bars (``aggregate``, ``totals``, ``bars``) as one HTML element, for a notebook or a page.

    >>> html = bars_html(aggregate(attribution), title="All examples")                     # doctest: +SKIP
    """
    return render.render("bars.html", palette, tables=tables, title=title)


def entries(attribution: Any, tokens: Optional[Sequence[Sequence[Any]]] = None
            ) -> Iterable[Tuple[int, str, Any, str, float]]:
    """``(example, input, position, text, attribution)`` of every token, in order.

    For an input that is a plain row of features the entries are its features.
    """
    return _entries(attribution, tokens, attribution.tokens, attribution.values)


def _entries(attribution: Any, tokens: Any, sums: Any, values: Any) -> Any:
    for row in range(len(attribution)):
        for name in sums:
            part = named.of_row(attribution, name, row, sums, values)
            called = named.names(attribution, name, row, None if tokens is None else tokens[row], part.shape)
            for place, index in enumerate(np.ndindex(*part.shape)):
                yield row, name, index[0] if len(index) == 1 else index, called[place], float(part[index])


def frame(attribution: Any, tokens: Optional[Sequence[Sequence[Any]]] = None) -> Any:
    """The entries as a ``pandas.DataFrame``, with the label and the scores of their example, and a column of standard
    errors where the result has them."""
    pandas = package("pandas", "for a frame", "pandas")
    found: List[Tuple[Any, ...]] = [
        entry + (attribution.label_text(entry[0]), float(attribution.score[entry[0]]),
                 float(attribution.baseline_score[entry[0]])) for entry in entries(attribution, tokens)]
    table = pandas.DataFrame(found, columns=["example", "input", "position", "token", "attribution", "label", "score",
                                             "baseline_score"])
    if attribution.standard_error is not None:
        errors = _entries(attribution, tokens, attribution.token_standard_error, attribution.standard_error)
        table["standard_error"] = [error for _, _, _, _, error in errors]
    return table
