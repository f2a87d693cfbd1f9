"""Entries of a batch as its owner sees them: by input, rows first; and what counts as one token.

Inside, the entries of all rows of an input lie in one array, with the row of each. Outside, a dense input is an array
``[rows, …, dim]`` and a sparse lookup a list with one array ``[occurrences, dim]`` a row. A set of entries may have one
more axis in front, ``[points, rows, …]``; for sparse lookups that is a list of points, each a list of rows.
"""

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from tf1_ig.engine.feeds import RowEntries, row_vectors
from tf1_ig.engine.packing import Batch
from tf1_ig.errors import InputError


class Part(NamedTuple):
    """One input: its entries in the batch, and which of them are whose; ``own`` is ``None`` where rows are dense.

    ``own`` tells apart entries that were put in to fill an empty row: nobody outside sees those.
    """

    name: str
    entries: np.ndarray
    of: RowEntries
    own: Optional[np.ndarray]

    def shown(self, row: int) -> np.ndarray:
        """Positions of the entries of a row that are shown."""
        positions = self.of.of(row)
        return positions if self.own is None else positions[self.own[positions]]


class Layout:
    """How the entries of a batch are laid out for whoever asked.

    Args:
      names: of the inputs.
      batch: the batch.
      own: by input, which entries are a row's own (``None``: dense).
    """

    def __init__(self, names: Sequence[str], batch: Batch, own: Sequence[Optional[np.ndarray]]):
        self.count = batch.count
        self.parts = [Part(*each) for each in zip(names, batch.actual, batch.entries_of, own)]

    @property
    def floats(self) -> int:
        """Numbers of all entries."""
        return sum(part.entries.size for part in self.parts)

    # -- from inside to outside --------------------------------------------------------------------------------------

    def show(self, arrays: Sequence[np.ndarray]) -> Dict[str, Any]:
        """Arrays that are laid out like the batch's entries, by input and row (copies)."""
        return {part.name: np.array(array).reshape(self.shape(part)) if part.own is None else [
            array[part.shown(row)] for row in range(self.count)] for part, array in zip(self.parts, arrays)}

    def show_points(self, stacked: Sequence[np.ndarray], points: int) -> Dict[str, Any]:
        """The same of entries of several points, one whole copy after the other, with an axis of points in front."""
        found: Dict[str, Any] = {}
        for part, array in zip(self.parts, stacked):
            copies = array.reshape((points,) + part.entries.shape)
            found[part.name] = copies.reshape((points,) + self.shape(part)) if part.own is None else [
                [copy[part.shown(row)] for row in range(self.count)] for copy in copies]
        return found

    def of_vectors(self, vectors: Sequence[np.ndarray], points: Optional[int] = None) -> Dict[str, Any]:
        """One flat vector for each row (its entries of the first input, then of the next) by input and row.

        With ``points`` there are the rows of one point after those of another, and each array has an axis of points.
        """
        if len(vectors) and all(part.own is None and part.of.even for part in self.parts):
            return self._of_even_vectors(np.array(vectors), points)
        found: Dict[str, Any] = {}
        taken = [0] * self.count
        for part in self.parts:
            rows, wide = [], int(np.prod(part.entries.shape[1:]))
            for row in range(self.count):
                positions = part.of.of(row)
                shape = (len(positions),) + part.entries.shape[1:]
                size = len(positions) * wide
                blocks = [vector[taken[row]:taken[row] + size].reshape(shape) for vector in vectors[row::self.count]]
                taken[row] += size
                rows.append(blocks if part.own is None else [block[part.own[positions]] for block in blocks])
            # rows holds [row][point]; points come first outside.
            if part.own is None:
                dense = np.array(rows).reshape((self.count, -1) + self.shape(part)[1:]) if vectors else np.zeros(
                    (self.count, 0) + self.shape(part)[1:], np.float32)
                found[part.name] = dense[:, 0] if points is None else np.moveaxis(dense, 1, 0)
            else:
                found[part.name] = [row[0] for row in rows] if points is None else [list(point) for point in zip(*rows)]
        return found

    def _of_even_vectors(self, vectors: np.ndarray, points: Optional[int]) -> Dict[str, Any]:
        found, taken = {}, 0
        for part in self.parts:
            size = part.entries.size // self.count
            dense = np.ascontiguousarray(vectors[:, taken:taken + size]).reshape((-1,) + self.shape(part))
            found[part.name] = dense[0] if points is None else dense
            taken += size
        return found

    def shown_vectors(self, vectors: Sequence[np.ndarray]) -> Dict[str, Any]:
        """One flat vector for each row, of what is shown of it alone (no fillers), by input and row."""
        found: Dict[str, Any] = {}
        taken = [0] * self.count
        for part in self.parts:
            rows = []
            for row, vector in enumerate(vectors):
                like = self._row_shape(part, row)
                size = int(np.prod(like))
                rows.append(vector[taken[row]:taken[row] + size].reshape(like))
                taken[row] += size
            found[part.name] = np.array(rows) if part.own is None else rows
        return found

    def vectors(self, arrays: Sequence[np.ndarray]) -> List[np.ndarray]:
        """Arrays laid out like the batch's entries as one flat vector for each row (``of_vectors`` backwards)."""
        return row_vectors(arrays, [part.of for part in self.parts], self.count)

    def shape(self, part: Part) -> Tuple[int, ...]:
        block = len(part.entries) // self.count
        return (self.count,) + ((block,) if block != 1 else ()) + part.entries.shape[1:]

    # -- from outside to inside --------------------------------------------------------------------------------------

    def read(self, given: Mapping[str, Any]) -> Tuple[Optional[int], List[np.ndarray]]:
        """How many points there are (``None``: no such axis), and the entries of all, one whole copy after the other.

        Raises:
          InputError: an input is missing, unknown, or has another shape.
        """
        names = [part.name for part in self.parts]
        if not isinstance(given, Mapping):
            raise InputError("entries are given as a %s; pass {input: entries} for %s" % (
                type(given).__name__, ", ".join(names)))
        named = {_name(key, names): value for key, value in given.items()}
        for name in names:
            if name not in named:
                raise InputError("entries lack input %s; pass entries for each of %s" % (name, ", ".join(names)))
        points: Optional[int] = None
        found = []
        for number, part in enumerate(self.parts):
            many, entries = (self._dense if part.own is None else self._ragged)(part, named[part.name])
            if number and many != points:
                raise InputError("input %s has %s points and input %s %s; pass entries of the same points for each" % (
                    names[0], "no axis of" if points is None else points, part.name, "none" if many is None else many))
            points = many
            found.append(entries)
        return points, found

    def _dense(self, part: Part, given: Any) -> Tuple[Optional[int], np.ndarray]:
        shape = self.shape(part)
        try:
            array = np.asarray(given)
        except ValueError:
            array = np.empty(0, object)
        wanted = "%s or [points, %s" % (list(shape), str(list(shape))[1:])
        if array.dtype.kind not in "fiub":
            raise InputError("entries of input %s are %s; pass numbers of shape %s" % (
                part.name, "rows of unequal length" if not array.size else array.dtype, wanted))
        if array.shape != shape and array.shape[1:] != shape:
            raise InputError("entries of input %s have shape %s; pass %s" % (part.name, list(array.shape), wanted))
        many = None if array.ndim == len(shape) else len(array)
        return many, array.reshape((-1,) + part.entries.shape[1:]).astype(part.entries.dtype, copy=False)

    def _ragged(self, part: Part, given: Any) -> Tuple[Optional[int], np.ndarray]:
        rank = part.entries.ndim
        depth = _depth(given)
        if depth not in (rank + 1, rank + 2) and not (isinstance(given, (list, tuple)) and not len(given)):
            raise InputError("entries of input %s have %d axes; pass a list with one array of %d axes a row, or a list "
                             "of such lists, one a point" % (part.name, depth, rank))
        points = [given] if depth == rank + 1 else list(given)
        found = []
        for point in points:
            if len(point) != self.count:
                raise InputError("entries of input %s have %d rows; the feed has %d" % (
                    part.name, len(point), self.count))
            entries = part.entries.copy()
            for row, rows in enumerate(point):
                shown, rows = part.shown(row), np.asarray(rows)
                if rows.shape != (len(shown),) + part.entries.shape[1:]:
                    raise InputError("entries of input %s have shape %s in row %d; pass %s" % (
                        part.name, list(rows.shape), row, [len(shown)] + list(part.entries.shape[1:])))
                entries[shown] = rows
            found.append(entries)
        many = None if depth == rank + 1 else len(points)
        return many, np.concatenate(found) if found else part.entries[:0]

    # -- tokens ------------------------------------------------------------------------------------------------------

    def token_counts(self) -> np.ndarray:
        """How many tokens each input has in each row, int ``[rows, inputs]``."""
        return np.array([[self._tokens(part, row) for part in self.parts] for row in range(self.count)])

    def by_token(self, values: Mapping[str, Any]) -> List[np.ndarray]:
        """What is shaped like entries as sums by token: an array ``[tokens]`` for every row, input after input."""
        return [np.concatenate([_token_rows(np.asarray(values[part.name][row])).sum(axis=1, dtype=np.float64)
                                for part in self.parts]) for row in range(self.count)]

    def spread(self, numbers: Sequence[np.ndarray]) -> Dict[str, Any]:
        """The inverse of ``by_token``: each token's number in equal shares over the numbers of its row (float64)."""
        found: Dict[str, Any] = {}
        taken = [0] * self.count
        for part in self.parts:
            rows = []
            for row in range(self.count):
                like = self._row_shape(part, row)
                tokens = self._tokens(part, row)
                own = np.asarray(numbers[row], np.float64)[taken[row]:taken[row] + tokens]
                taken[row] += tokens
                width = int(np.prod(like)) // max(1, tokens)
                rows.append(np.repeat(own / max(1, width), width).reshape(like))
            found[part.name] = np.array(rows) if part.own is None else rows
        return found

    def mixed(self, starts: Sequence[np.ndarray], shares: Sequence[np.ndarray]) -> List[np.ndarray]:
        """Entries in which every token is its share of the way from the start to the batch's entries.

        Args:
          starts: arrays laid out like the batch's entries.
          shares: for every row ``[points, tokens]``; equally many points for each.

        Returns:
          the entries of all points, one whole copy after the other; exact at shares of 0 and 1.
        """
        points, taken, found = len(shares[0]), [0] * self.count, []
        for part, start in zip(self.parts, starts):
            made = np.empty((points,) + part.entries.shape, part.entries.dtype)
            made[:] = part.entries
            for row in range(self.count):
                shown, tokens = part.shown(row), self._tokens(part, row)
                share = np.asarray(shares[row], np.float64)[:, taken[row]:taken[row] + tokens]
                taken[row] += tokens
                block = (len(shown),) + part.entries.shape[1:]
                width = int(np.prod(block)) // max(1, tokens)
                share = np.repeat(share, width, axis=1).reshape((points,) + block)
                made[:, shown] = _part_of(1 - share, start[shown]) + _part_of(share, part.entries[shown])
            found.append(made.reshape((-1,) + part.entries.shape[1:]))
        return found

    def _row_shape(self, part: Part, row: int) -> Tuple[int, ...]:
        return self.shape(part)[1:] if part.own is None else (
            len(part.shown(row)),) + part.entries.shape[1:]

    def _tokens(self, part: Part, row: int) -> int:
        shape = self._row_shape(part, row)
        return int(np.prod(shape if len(shape) < 2 else shape[:-1]))


def _part_of(entries_share: np.ndarray, entries: np.ndarray) -> np.ndarray:
    """Shares of entries; a share of 0 is nothing, also of an entry that is not finite (0 · ∞ is no number)."""
    return np.multiply(entries_share, entries, where=entries_share != 0, out=np.zeros(entries_share.shape))


def _token_rows(values: np.ndarray) -> np.ndarray:
    return values.reshape((-1, values.shape[-1] if values.ndim > 1 else 1))


def _name(key: Any, names: Sequence[str]) -> str:
    """The input that a key means: its name, with or without ``:0``, or a tensor or candidate of that name."""
    text = key if isinstance(key, str) else str(getattr(key, "name", None) or getattr(key, "tensor", key))
    for name in (text, text + ":0"):
        if name in names:
            return name
    raise InputError("entries are given for %s, which is no input of this explainer; its inputs are %s" % (
        text, ", ".join(names)))


def _depth(value: Any) -> int:
    """Axes of nested lists of arrays, told by their first elements."""
    if isinstance(value, (list, tuple)):
        return 1 + (_depth(value[0]) if len(value) else 0)
    return np.ndim(value)
