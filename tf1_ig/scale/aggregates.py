"""What many explanations say together: one number a row and name, gathered in one pass, mergeable.

A name is a token or a feature, or a group of them; what it contributes to a row is the sum of its entries there, so
that rows, which are independent, are what is counted.
"""

import dataclasses
import glob
import hashlib
import heapq
import json
import math
import os
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from graph_tools.errors import one_line
from tf1_ig.errors import FolderError
from tf1_ig.scale import schemas

_SAMPLE = 256   # values of a name that its quantiles are taken from: those of the rows with the smallest digests
_EXAMPLES = 3
_FAILED = 12     # keys of rows that failed a check
# Where the explained rows of a folder are: explain-many's; Spark's; those of a stream of Spark's, batch by batch.
_PLACES = ("", "status=explained", "batch=*", os.path.join("batch=*", "status=explained"))
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class Line(NamedTuple):
    """A name in a slice.

    Attributes:
      slice, name: what it is about.
      count: rows it occurs in.
      mean, mean_absolute, standard_error: of its contributions to these; the error is NaN for one row.
      positive: share of rows where it contributes more than 0.
      quantiles: of its contributions, at ``QUANTILES``; of a sample of rows where there are more than 256.
      examples: keys of the rows that it contributes most to, with its contribution.
      sample: contributions to up to 256 rows, each with the number that the row holds in a column of that name, where
        it was kept (``keep=``); NaN where not.
    """

    slice: str
    name: str
    count: int  # type: ignore[assignment]  # tuples have a method of that name
    mean: float
    mean_absolute: float
    standard_error: float
    positive: float
    quantiles: Tuple[float, ...]
    examples: Tuple[Tuple[str, float], ...]
    sample: Tuple[Tuple[float, float], ...] = ()


class Failed(NamedTuple):
    """A check that rows failed, how many, and the keys of some; ``"converged"`` is that of the tolerance."""

    name: str
    count: int  # type: ignore[assignment]  # tuples have a method of that name
    examples: Tuple[str, ...]


@dataclasses.dataclass
class _Sums:
    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    absolute: float = 0.0
    positive: int = 0
    sample: List[Tuple[int, float, float]] = dataclasses.field(default_factory=list)   # heap: −digest, value, given
    most: List[Tuple[float, str, float]] = dataclasses.field(default_factory=list)

    def add(self, value: float, key: str, digest: int, given: float) -> None:
        self.count += 1
        self.total += value
        self.squares += value * value
        self.absolute += abs(value)
        self.positive += value > 0
        _push(self.sample, (-digest, value, given), _SAMPLE)
        _push(self.most, (abs(value), key, value), _EXAMPLES)

    def merge(self, other: "_Sums") -> None:
        for name in ("count", "total", "squares", "absolute", "positive"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for one in other.sample:
            _push(self.sample, one, _SAMPLE)
        for each in other.most:
            _push(self.most, each, _EXAMPLES)


def _push(heap: List[Any], item: Any, most: int) -> None:
    if len(heap) < most:
        heapq.heappush(heap, item)
    elif item > heap[0]:
        heapq.heapreplace(heap, item)


class Aggregate:
    """Sums over explained rows; two of different rows add up to that of all.

    Args:
      by: the column that slices are made of, or a column kept in ``extra``; ``None``: one slice, ``""``.
      groups: names that count as one: ``{"family": ["husband", "wife"]}``; these stand beside their members.
    """

    def __init__(self, by: Optional[str] = "label_name", groups: Optional[Mapping[str, Sequence[str]]] = None) -> None:
        self.by, self.groups = by, {name: tuple(of) for name, of in (groups or {}).items()}
        self._member: Dict[str, List[str]] = {}
        for group, members in self.groups.items():
            for member in members:
                self._member.setdefault(member, []).append(group)
        self._sums: Dict[Tuple[str, str], _Sums] = {}
        self._failed: Dict[str, Failed] = {}
        self.rows: Dict[str, int] = {}

    def add(self, row: Mapping[str, Any]) -> None:
        """Takes in a row of ``tf1_ig.scale.SCHEMA``; rejected ones are left out."""
        if row["status"] != schemas.EXPLAINED:
            return
        kept = json.loads(row["extra"]) if row["extra"] != "{}" else {}
        where = "" if self.by is None else str(row[self.by] if self.by in row else kept.get(self.by))
        self.rows[where] = self.rows.get(where, 0) + 1
        for check in [*row["failing_checks"], *([] if row["converged"] else ["converged"])]:
            self._fail(Failed(check, 1, (row["key"],)))
        digest = int.from_bytes(hashlib.blake2b(row["key"].encode("utf-8", "replace"), digest_size=8).digest(), "big")
        for name, value in contributions(row, self._member).items():
            given = kept.get(name)
            self._sums.setdefault((where, name), _Sums()).add(
                value, row["key"], digest, float(given) if isinstance(given, (int, float)) else math.nan)

    def _fail(self, more: Failed) -> None:
        known = self._failed.get(more.name, Failed(more.name, 0, ()))
        self._failed[more.name] = Failed(more.name, known.count + more.count, tuple(
            sorted(known.examples + more.examples)[:_FAILED]))

    def __add__(self, other: "Aggregate") -> "Aggregate":
        made = Aggregate(self.by, self.groups)
        for one in (self, other):
            for where, count in one.rows.items():
                made.rows[where] = made.rows.get(where, 0) + count
            for name, sums in one._sums.items():
                made._sums.setdefault(name, _Sums()).merge(sums)
            for failed in one._failed.values():
                made._fail(failed)
        return made

    def failed(self) -> List[Failed]:
        """The checks that rows failed, the most frequent first."""
        return sorted(self._failed.values(), key=lambda one: (-one.count, one.name))

    def lines(self, least: int = 1) -> List[Line]:
        """A line for every slice and name in at least so many rows, strongest first."""
        found = [_line(where, name, sums) for (where, name), sums in self._sums.items() if sums.count >= least]
        return sorted(found, key=lambda one: (one.slice, -abs(one.mean), one.name))


def _line(where: str, name: str, sums: _Sums) -> Line:
    count, mean = sums.count, sums.total / sums.count
    spread = max(0.0, sums.squares - count * mean * mean) / (count - 1) if count > 1 else math.nan
    return Line(where, name, count, mean, sums.absolute / count, math.sqrt(spread / count), sums.positive / count,
                tuple(np.quantile([value for _, value, _ in sums.sample], QUANTILES).tolist()),
                tuple((key, value) for _, key, value in sorted(sums.most, reverse=True)),
                tuple((value, given) for _, value, given in sorted(sums.sample, reverse=True)))


def contributions(row: Mapping[str, Any], member: Mapping[str, Sequence[str]]) -> Dict[str, float]:
    """What each name, and each group of names, contributes to a row."""
    found: Dict[str, float] = {}
    for name, value in zip(row["tokens"], row["attributions"]):
        for one in [name, *member.get(name, ())]:
            found[one] = found.get(one, 0.0) + value
    return found


def aggregate(folder: Any, by: Optional[str] = "label_name",
              groups: Optional[Mapping[str, Sequence[str]]] = None) -> Aggregate:
    """Gathers a folder of explanations in one pass.

    Args:
      folder: what ``explain_dataset`` wrote.
      by, groups: as of ``Aggregate``.

    Raises:
      FolderError: there are no explanations in it.

    >>> for line in tf1_ig.aggregate("explained").lines(least=20)[:10]:                            # doctest: +SKIP
    ...     print(line.slice, line.name, line.mean, line.standard_error)
    """
    made = Aggregate(by, groups)
    for row in rows(folder):
        made.add(row)
    return made


def rows_of(folder: Any, keys: Sequence[str]) -> Dict[str, Dict[str, Any]]:
    """The explained rows of these keys, in the order of the keys."""
    wanted = dict.fromkeys(keys)
    for row in rows(folder) if wanted else ():
        if row["key"] in wanted:
            wanted[row["key"]] = row
    return {key: row for key, row in wanted.items() if row is not None}


def rows(folder: Any) -> Iterator[Dict[str, Any]]:
    """The explained rows of a folder, whoever wrote it, a batch of a file in memory at a time.

    Raises:
      FolderError: there are none, or a file cannot be read.
    """
    schemas.arrow()
    import pyarrow.parquet as parquet
    inside = glob.escape(os.fspath(folder))
    paths = sorted(path for place in _PLACES for path in glob.glob(os.path.join(inside, place, "part-*.parquet")))
    if not paths:
        raise FolderError("no explanations (part-*.parquet) in the folder %r; tf1-ig explain-many writes them" % (
            os.fspath(folder),))
    for path in paths:
        # pyarrow's errors derive from ValueError, OSError and others.
        try:
            with open(path, "rb") as file:
                for batch in parquet.ParquetFile(file).iter_batches(batch_size=1024):
                    # In a folder of Spark's the status is the folder's name.
                    yield from (dict({"status": schemas.EXPLAINED}, **row) for row in batch.to_pylist())
        except Exception as wrong:  # noqa: B902
            raise FolderError("%r cannot be read (%s); explain-many --resume writes it again" % (
                path, one_line(wrong))) from wrong
