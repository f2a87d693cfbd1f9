"""Every position of an output against every token of the input: one table an example, where a result has positions."""

from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from graph_tools.running.values import as_text
from tf1_ig.show.facts import class_text
from tf1_ig.show.tokens import largest, number, printable

MOST = 200     # positions, and tokens, of a table; more is what the single texts are for
_SEEN = 0.05   # strength from which a cell shows its sign


class Cell(NamedTuple):
    """What one token does for one position. ``sign`` says it again where colours cannot be told apart."""

    value: float
    strength: float
    kind: str
    sign: str
    title: str


class Line(NamedTuple):
    """One position of the output."""

    position: int
    label: str
    cells: Tuple[Cell, ...]


class Grid(NamedTuple):
    """One example and one input; ``scale`` is the magnitude of the full colour."""

    caption: str
    heads: Tuple[str, ...]
    lines: Tuple[Line, ...]
    scale: float


def grids(attribution: Any, texts: Any, class_names: Optional[Sequence[str]] = None, most: Optional[int] = None
          ) -> Tuple[Grid, ...]:
    """The tables of a result with ``positions``; none for another, and none for pictures or very long texts.

    Args:
      attribution: the result.
      texts: by input, the texts of each row (``tf1_ig.show.facts.texts_by_input``).
      class_names: names of the classes by number.
      most: examples that are shown; ``None``: all.
    """
    if attribution.positions is None or attribution.rows is None:
        return ()
    found: List[Grid] = []
    for example in list(dict.fromkeys(attribution.rows.tolist()))[:most]:
        rows = np.flatnonzero(attribution.rows == example).tolist()
        for name, sums in attribution.tokens.items():
            values = [np.asarray(sums[row], np.float64) for row in rows]
            width = max(np.size(value) for value in values)
            if all(value.shape == (width,) for value in values) and 1 < width <= MOST >= len(rows):
                found.append(_grid(attribution, name, example, rows, np.stack(values), texts[name][rows[0]],
                                   class_names))
    return tuple(found)


def _grid(attribution: Any, name: str, example: int, rows: List[int], values: np.ndarray, texts: Any,
          class_names: Optional[Sequence[str]]) -> Grid:
    heads = [printable(as_text(text)) for text in texts or ()][:values.shape[1]]
    heads += [str(place) for place in range(len(heads), values.shape[1])]
    scale = largest(values)
    lines = []
    for row, of_row in zip(rows, values):
        label = class_text(attribution.label_text(row, class_names))
        lines.append(Line(int(attribution.positions[row]), label, tuple(
            _cell(value, scale, "%s for %s" % (head, label)) for head, value in zip(heads, of_row.tolist()))))
    return Grid("Example %d: what each token of %s does for each position of %s" % (example, name, attribution.output),
                tuple(heads), tuple(lines), scale)


def _cell(value: float, scale: float, what: str) -> Cell:
    finite = np.isfinite(value)
    strength = min(1.0, abs(value) / scale) if finite and scale > 0 else 0.0
    kind = "nan" if not finite else "positive" if value > 0 else "negative" if value < 0 else "zero"
    sign = "" if strength < _SEEN else "+" if value > 0 else "−"
    return Cell(value, strength, kind, sign, "%s: %s" % (what, number(value)))
