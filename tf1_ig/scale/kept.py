"""Columns that are to go along with the explanations, and that no row may have: told whichever engine runs."""

from typing import Any, Callable, Iterable, Mapping, Tuple


class Kept:
    """Watches rows for columns that are to be kept.

    Args:
      columns: their names.
      say: is given a line where none of the rows that are looked at first has one of them.
    """

    def __init__(self, columns: Iterable[str], say: Callable[[str], None]) -> None:
        self._lacking, self._say, self._begun = set(columns), say, False

    @property
    def lacking(self) -> Tuple[str, ...]:
        """The columns that no row has had so far."""
        return tuple(sorted(self._lacking))

    def look(self, rows: Iterable[Any]) -> None:
        """Takes the columns that any of the rows has off those that are lacking."""
        held = list(rows) if self._lacking else []
        for row in held:
            if isinstance(row, Mapping):
                self._lacking.difference_update(row)
        if self._lacking and held and not self._begun:
            self._say("none of the first %d rows has %s, to be kept" % (len(held), ", ".join(map(repr, self.lacking))))
        self._begun = True


def never(columns: Iterable[str]) -> str:
    """What is said at the end of the columns that no row has had; nothing of none.

    >>> never(["age"])
    "no row has the column 'age', which was to be kept"
    """
    return "; ".join("no row has the column %r, which was to be kept" % column for column in columns)
