"""What passes between the readers of columns and the spec: cells, pieces of text, encoders, an encoded batch."""

from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from graph_tools.errors import one_line
from tf1_ig.errors import RowError
from tf1_ig.question.spans import read_text

Row = Mapping[str, Any]


class Cut(NamedTuple):
    """A text of one row as it goes into the feed, entry by entry (for words of characters ``[words, characters]``).

    Attributes:
      column: where the text is from.
      text: the text as it was given; ``None`` where the row had tokens instead.
      ids: one list of ids, or one a word.
      tokens: what each entry is called; of the same form as ``ids``.
      find: the characters ``[start, stop)`` of the text that each entry is from, in the same form; ``None`` for one
        that was put there. Called where somebody looks at the text.
      words: of words of characters, the words; their spans are those from the first to the last of their characters.
      unknown: how many entries stand for a token that is not in the vocabulary.
    """

    column: str
    text: Optional[str]
    ids: List[Any]
    tokens: List[Any]
    find: Callable[[], List[Any]]
    words: Optional[List[str]] = None
    unknown: int = 0

    @property
    def spans(self) -> List[Any]:
        """The bytes ``[start, stop)`` of the text that each entry is from, ``None`` where there are none."""
        starts: Any = None if self.text is None else read_text(self.text).starts

        def of(places: Sequence[Any]) -> List[Any]:
            return [None if place is None or starts is None or place[1] <= place[0] else (
                starts[place[0]], starts[place[1]]) for place in places]

        return of(self.find()) if self.words is None else list(map(of, self.find()))


class Encoder(NamedTuple):
    """How one placeholder is filled.

    Attributes:
      kind: its line in ``ENCODERS``.
      columns: those of the row that it reads.
      read: from a row to its cell; raises ``RowError``.
      stack: from the cells of all rows to the array that is fed.
      of: the placeholder whose cells it is computed from, where it reads no column of its own.
      names: what the entries of a row are called, where that is the same for all rows.
      padding: of a text, what its padding is called; left: whether that stands before the text.
      ragged: the cells of a batch may be of different lengths; ``stack`` fills up the shorter ones.
    """

    kind: str
    columns: Tuple[str, ...]
    read: Callable[[Row], Any]
    stack: Callable[[Sequence[Any]], np.ndarray]
    of: Optional[str] = None
    names: Optional[Tuple[str, ...]] = None
    padding: str = ""
    left: bool = False
    ragged: bool = False

    def array(self, cells: Sequence[Any]) -> np.ndarray:
        """What ``stack`` makes of cells.

        Raises:
          RowError: that is too large, or an id is: what the spec says and the rows hold make no array.
        """
        try:
            return self.stack(cells)
        except (MemoryError, OverflowError, IndexError) as wrong:
            raise RowError("no array can be made of it as the spec says (%s)" % one_line(wrong),
                           self.columns[0] if self.columns else "") from wrong


class Encoded(NamedTuple):
    """Rows as a feed, and the rows that cannot be one.

    Attributes:
      feed: arrays by placeholder, a row for each of ``rows``.
      tokens: what the tokens of each row are called, for ``explain(tokens=…)``; ``None`` where no text is fed.
      rows: places, from 0, of the rows that are in the feed.
      bad: what is wrong with the others, in order.
      cuts: by placeholder of a text, the ``Cut`` of each row in the feed.
    """

    feed: Dict[str, np.ndarray]
    tokens: Optional[List[List[str]]]
    rows: Tuple[int, ...]
    bad: Tuple[RowError, ...]
    cuts: Dict[str, List[Cut]]


def cell(row: Row, column: str) -> Any:
    """What a row holds in a column.

    Raises:
      RowError: there is no such column, or nothing in it.
    """
    try:
        value = row[column]
    except (KeyError, IndexError):
        raise RowError("the column is missing; the row has %s" % (
            ", ".join(repr(name) for name in list(row)[:8]) or "none"), column) from None
    if value is None or isinstance(value, float) and value != value:
        raise RowError("the value is missing (%s)" % ("null" if value is None else "NaN"), column)
    return value


def shown(value: Any) -> str:
    """A value for a message: its repr, not too long, and its type."""
    text = repr(value)
    return "%s (%s)" % (text if len(text) <= 40 else text[:37] + "…", type(value).__name__)
