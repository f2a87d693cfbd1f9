"""Pairs of tokens as a page: the strongest as arcs over the tokens and in words, and the whole matrix."""

import math
import unicodedata
from typing import Any, List, NamedTuple, Optional, Sequence

import numpy as np

from tf1_ig.result.interactions import Pair
from tf1_ig.show import render

MOST = 60  # tokens of a row that the table and the arcs show
WIDTH, GAP, LINE, RISE = 9, 12, 26, 18  # of a letter, between tokens, of the line of tokens, of an arc a token further


class Cell(NamedTuple):
    text: str
    strength: float  # of the largest, with its sign


class Word(NamedTuple):
    """A token under the arcs: its text, its middle and width, what it does in all as a share of the largest."""

    text: str
    x: float
    width: float
    strength: float


class Arc(NamedTuple):
    path: str
    strength: float
    said: str


class Arcs(NamedTuple):
    width: float
    height: float
    words: List[Word]
    arcs: List[Arc]


class Row(NamedTuple):
    row: int
    label: str
    score: float
    baseline_score: float
    delta: float
    pairs: List[Pair]
    names: List[str]
    arcs: Optional[Arcs]
    texts: List[str]
    cells: List[List[Cell]]
    left_out: int


def page(found: Any, title: str = "", palette: str = "blue-orange", class_names: Optional[Sequence[str]] = None) -> str:
    """One self-contained HTML page of an ``Interactions``.

    >>> html = page(explainer.interactions(feed, label="top"))                              # doctest: +SKIP
    """
    rows = [_row(found, number, class_names) for number in range(len(found.values))]
    return render.render("pairs.html", palette, title=title or "What pairs of tokens do together",
                         subtitle="Integrated Hessians of " + found.output, rows=rows, report=found.check(), line=LINE)


def _row(found: Any, number: int, class_names: Optional[Sequence[str]]) -> Row:
    matrix, names = found.values[number], found.texts(number)
    shown = np.flatnonzero(np.abs(matrix).sum(axis=1) > 0)[:MOST]
    scale = float(np.abs(matrix).max()) if matrix.size else 0.0
    cells = [[Cell(_to_scale(value, scale), value / scale if scale else 0.0) for value in line]
             for line in matrix[np.ix_(shown, shown)].tolist()]
    pairs = list(found.pairs[number]) if found.pairs else []
    drawn = [pair for pair in pairs if pair.first in shown and pair.second in shown]
    return Row(number, found.label_text(number, class_names), float(found.score[number]),
               float(found.baseline_score[number]), float(found.delta[number]), pairs, names,
               _arcs(shown.tolist(), names, found.tokens[number], drawn) if drawn else None,
               [names[place] for place in shown], cells, len(names) - len(shown))


def _to_scale(value: float, scale: float) -> str:
    """A number with as many decimals as the largest of its matrix has at three digits; what vanishes there is 0."""
    if not math.isfinite(value) or not math.isfinite(scale) or scale == 0.0:
        return render.number(value)
    decimals = 2 - math.floor(math.log10(scale))
    if not 0 <= decimals <= 6:
        return render.number(value)
    text = "%+.*f" % (decimals, value)
    return text.replace("-", "−") if float(text) else "0"


def _arcs(shown: List[int], names: List[str], tokens: np.ndarray, pairs: List[Pair]) -> Arcs:
    """Where tokens stand on their line, and the arcs between them, the furthest highest."""
    largest = max([abs(float(tokens[place])) for place in shown] + [1e-30])
    strongest = max(abs(pair.value) for pair in pairs) or 1.0
    rise = max(1.0, min(RISE, 160.0 / max(abs(shown.index(pair.second) - shown.index(pair.first)) for pair in pairs)))
    height = 10 + rise * max(abs(shown.index(pair.second) - shown.index(pair.first)) for pair in pairs)
    words, middles, x = [], {}, 0.0
    for place in shown:
        width = WIDTH * max(1, sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in names[place]))
        middles[place] = x + width / 2.0
        words.append(Word(names[place], middles[place], width, float(tokens[place]) / largest))
        x += width + GAP
    arcs = []
    for pair in pairs:
        left, right = sorted((middles[pair.first], middles[pair.second]))
        top = height - rise * abs(shown.index(pair.second) - shown.index(pair.first))
        arcs.append(Arc("M%.1f %.1f C%.1f %.1f %.1f %.1f %.1f %.1f" % (
            left, height, left, top - (height - top) / 3.0, right, top - (height - top) / 3.0, right, height),
            pair.value / strongest, "%s × %s %s" % (names[pair.first], names[pair.second], render.number(pair.value))))
    return Arcs(x, height, words, arcs)
