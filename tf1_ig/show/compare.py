"""The same examples explained several times, side by side: other labels, other baselines, other models."""

from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from tf1_ig.check import check
from tf1_ig.errors import ShowError
from tf1_ig.show import facts, render, table, tokens as token_view


class Column(NamedTuple):
    """One explanation of one example."""

    name: str
    strip: token_view.Strip
    verdict: str
    verdict_text: str
    numbers: Tuple[facts.Fact, ...]


class Row(NamedTuple):
    row: int
    columns: Tuple[Column, ...]
    scale: float


def compare(attributions: Sequence[Any], tokens: Optional[Sequence[Any]] = None,
            class_names: Optional[Sequence[str]] = None, names: Optional[Sequence[str]] = None,
            title: str = "Side by side", palette: str = "blue-orange", join: Optional[str] = None,
            fold: Optional[int] = token_view.FOLD_ABOVE) -> str:
    """One self-contained HTML page with every example once per result, on one scale.

    Args:
      attributions: results of the same rows, one sum per token each (several inputs are added up).
      tokens: texts, a list per row; ``None`` takes what the first result knows.
      class_names: names of the classes by number.
      names: a heading for each result; ``None`` takes its label, and its baseline where labels are equal.
      title, palette, join, fold: as in ``tf1_ig.show.report.page``.

    Raises:
      ShowError: results of different numbers of rows or tokens, or with a picture among them.

    >>> html = compare([result_for_class_0, result_for_class_1])                           # doctest: +SKIP
    """
    attributions = list(attributions)
    if not attributions or len({len(each) for each in attributions}) != 1:
        raise ShowError("give several results of the same rows, not of %s rows" % (
            " and ".join(str(len(each)) for each in attributions) or "no"))
    if names is not None and len(names) != len(attributions):
        raise ShowError("%d names were given for %d results" % (len(names), len(attributions)))
    texts = [facts.texts_by_input(each, tokens if tokens is not None else _told(attributions[0]))
             for each in attributions]
    rows = [_row(attributions, texts, row, names, class_names, join, fold) for row in range(len(attributions[0]))]
    return render.render("compare.html", palette, title=title, rows=rows, report=check(*attributions),
                         subtitle=", ".join(dict.fromkeys("%s of %s" % (
                             each.technique, each.output) for each in attributions)))


def _told(attribution: Any) -> Optional[List[List[str]]]:
    name = next(iter(attribution.values))
    found = [attribution.texts(name, row) for row in range(len(attribution))]
    return None if any(each is None for each in found) else found


def _row(attributions: Any, texts: Any, row: Any, names: Any, class_names: Optional[Sequence[str]], join: Any,
         fold: Any) -> Row:
    sums = [_sums(each, row) for each in attributions]
    if len({each.shape for each in sums}) != 1:
        raise ShowError("row %d has %s tokens in the results; compare explanations of the same input" % (
            row, " and ".join(str(len(each)) for each in sums)))
    scale = token_view.largest(*sums)
    columns = []
    for number, (each, values, told) in enumerate(zip(attributions, sums, texts)):
        name = names[number] if names is not None else _name(attributions, each, row, class_names)
        strip = token_view.strip(told[next(iter(told))][row], values, "", scale, join, fold)
        columns.append(Column(name, strip, *facts.verdict(each, row), numbers=facts.facts(each, row)))
    return Row(row, tuple(columns), scale)


def _sums(attribution: Any, row: int) -> np.ndarray:
    if len(attribution.values) > 1:
        values = table.together(attribution, row, dict.fromkeys(attribution.values))
    else:
        values = np.asarray(next(iter(attribution.tokens.values()))[row], np.float64)
    if values is None or values.ndim != 1:
        raise ShowError("only explanations with one number per token can stand side by side; show the others with "
                        "to_html")
    return values


def _name(attributions: Any, attribution: Any, row: int, class_names: Optional[Sequence[str]]) -> str:
    label = facts.class_text(attribution.label_text(row, class_names))
    alike = len({each.label_text(row) for each in attributions}) == 1
    parts = ["for " + label] if label else []
    return ", ".join(parts + (["%s baseline" % attribution.baseline] if alike or not parts else []))
