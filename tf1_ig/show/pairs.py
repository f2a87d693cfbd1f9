"""Pairs of tokens as a page: the strongest in words, and the whole matrix as a table with coloured cells."""

from typing import Any, List, NamedTuple

import numpy as np

from tf1_ig.result.interactions import Pair
from tf1_ig.show import render

MOST = 60  # tokens of a row that the table shows


class Row(NamedTuple):
    row: int
    score: float
    baseline_score: float
    delta: float
    pairs: List[Pair]
    texts: List[str]
    cells: List[List[Any]]
    left_out: int


def page(found: Any, title: str = "", palette: str = "blue-orange") -> str:
    """One self-contained HTML page of an ``Interactions``.

    >>> html = page(explainer.interactions(feed, label="top"))                              # doctest: +SKIP
    """
    rows = []
    for number, matrix in enumerate(found.values):
        texts = found.texts(number)
        shown = np.flatnonzero(np.abs(matrix).sum(axis=1) > 0)[:MOST]
        scale = float(np.abs(matrix).max()) if matrix.size else 0.0
        cells = [[(float(matrix[one, other]), float(matrix[one, other]) / scale if scale else 0.0) for other in shown]
                 for one in shown]
        rows.append(Row(number, float(found.score[number]), float(found.baseline_score[number]),
                        float(found.delta[number]), list(found.pairs[number]) if found.pairs else [],
                        [texts[place] for place in shown], cells, len(texts) - len(shown)))
    return render.render("pairs.html", palette, title=title or "What pairs of tokens do together",
                         subtitle="Integrated Hessians of " + found.output, rows=rows, names=[
                             found.texts(number) for number in range(len(rows))], report=found.check())
