"""One feature column as it stands in a graph: which tensors are its raw input, ids, rows and combined value.

Plain records without TensorFlow: a result that is shown on another machine can still say "education=Bachelors".
"""

import dataclasses
import json
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Tuple

# The collection of a MetaGraphDef that carries columns: one JSON object (bytes) per column.
COLLECTION = "graph_tools/feature_columns"


class Sparse(NamedTuple):
    """The three tensors of a ``tf.SparseTensor``: int64 ``[n, rank]``, ``[n]``, int64 ``[rank]``."""

    indices: Any
    values: Any
    dense_shape: Any


class Categories(NamedTuple):
    """What the ids of a categorical column, or the elements of a dense one, stand for.

    ``kind`` decides what ``values`` holds: words of a ``"vocabulary"``, boundaries of ``"buckets"``, the shape of
    ``"elements"``; nothing for an ``"identity"`` or for ``"hashed"`` ids, whose words only the input knows. A
    ``count`` of 0: nobody knows how many there are.
    """

    kind: str
    count: int  # type: ignore[assignment]  # tuples have a method of that name
    values: Tuple[Any, ...] = ()

    def label(self, index: int) -> str:
        """The text of one id or element.

        >>> Categories("buckets", 3, (18.0, 65.0)).label(1), Categories("vocabulary", 3, ("a", "b")).label(2)
        ('[18, 65)', '(not in the vocabulary)')
        """
        index = int(index)
        if index < 0 or 0 < self.count <= index:
            return "(no category %d of %d)" % (index, self.count)
        if self.kind == "vocabulary" and self.values:
            return self._word(index)
        if self.kind == "buckets":
            return self._interval(index)
        if self.kind == "elements":
            return _element(index, self.values)
        return "bucket %d" % index if self.kind == "hashed" else str(index)

    def _word(self, index: int) -> str:
        if index < len(self.values):
            return str(self.values[index])
        if self.count - len(self.values) <= 1:
            return "(not in the vocabulary)"
        return "(not in the vocabulary, bucket %d)" % (index - len(self.values))

    def _interval(self, index: int) -> str:
        element, bucket = divmod(index, len(self.values) + 1)
        low = "[%g" % self.values[bucket - 1] if bucket else "(-inf"
        high = "%g)" % self.values[bucket] if bucket < len(self.values) else "inf)"
        several = self.count > len(self.values) + 1
        return "%s%s, %s" % ("[%d] in " % element if several else "", low, high)


def _element(index: int, shape: Tuple[int, ...]) -> str:
    """``"[1, 0]"`` for the flat index of an element; nothing where there is only one."""
    place = []
    for size in reversed(shape):
        index, inside = divmod(index, size)
        place.append(inside)
    return "[%s]" % ", ".join(str(part) for part in reversed(place)) if any(size > 1 for size in shape) else ""


class CrossPart(NamedTuple):
    """One of the features that a crossed column crosses.

    ``values`` are strings or ids, ``[n]`` at the ``indices`` ``[n, 2]`` of a sparse tensor, or a matrix ``[batch, n]``
    where ``indices`` is ``None``; ``categories`` says what ids stand for, ``None`` for strings.
    """

    indices: Any
    values: Any
    categories: Optional[Categories]


@dataclasses.dataclass(frozen=True, eq=False)
class Column:
    """The tensors of one feature column in one layer of one graph.

    A watch gives live ``tf.Tensor`` objects; ``by_name()`` gives the same record with tensor names, which is what
    a ``Model`` carries and what can be stored.

    Attributes:
      name: the column's name (``"word_embedding"``).
      kind: its outermost sort: ``"numeric"``, ``"bucketized"``, ``"indicator"``, ``"embedding"``,
        ``"shared_embedding"``, ``"sequence_numeric"``, in a linear model also ``"vocabulary_list"``,
        ``"vocabulary_file"``, ``"hashed"``, ``"identity"``, ``"weighted"``, ``"crossed"``; ``"custom"`` for a class
        of the user's own.
      chain: the sorts from the outermost to the innermost column (``("embedding", "weighted", "hashed")``).
      feature: what people call it: the name without the wrappings (``"word"``).
      raw: the input by feature key, a tensor or a ``Sparse``: what the model function was given.
      combined: the column's dense float tensor below the layer: ``[batch, …]`` or ``[batch, time, …]``; the weighted
        sum ``[batch, units]`` for a categorical column of a linear model.
      ids: ``Sparse`` integer ids, one per value of the input; ``None`` for a numeric column.
      keys: the strings (or integers) the ids were made from, ``[n]``, one per id; ``None`` where ids are not made
        from single keys.
      weights: float ``[n]`` weights of the ids; ``None`` where there are none.
      rows: float ``[n, dim]`` rows below the combiner; ``None`` where no table is looked up. With
        ``per_occurrence`` false it holds each distinct id once (or the whole table), and ``row_index`` says which row
        each occurrence takes: ``graph_tools.split_occurrences`` gives them rows of their own.
      per_occurrence: whether ``rows`` has one row per occurrence; ``None`` without rows.
      row_index: int ``[n]``, the row of each occurrence; ``None`` where rows are per occurrence.
      segment_ids: int ``[n]``, the bag (example, or example and time step) into which each occurrence is combined.
      bags: float ``[bags, dim]``, the rows of each bag combined.
      occurrences: ``Sparse`` ids aligned with ``row_index`` (or with rows that are per occurrence): what is left of
        ``ids`` when invalid ones are dropped and every empty bag has got a filler.
      is_empty: bool ``[bags]``, true where the bag holds nothing but a filler.
      lookups: the gathered rows, one tensor per partition of the table.
      table: names of the variables that are looked up, one per partition.
      shared_with: names of the other columns that look up the same table.
      combiner: ``"mean"``, ``"sum"``, ``"sqrtn"``, or ``None``.
      sequence_length: int ``[batch]`` for a sequence column.
      part: what of the column enters the layer, float ``[batch, width]``; unlike ``combined``, which can be the very
        placeholder that other columns read too, it is the column's own.
      layer: the tensor in which the columns of one layer come together (concatenated, or summed in a linear model).
      slice: ``(start, stop)`` on the last axis of ``layer``; ``None`` where columns are summed.
      width: number of elements per example (and time step) in ``combined``.
      categories: what ids or elements stand for.
      cross: the parts of a crossed column, in the order of TensorFlow's product: the last varies fastest.
    """

    name: str
    kind: str
    chain: Tuple[str, ...]
    feature: str
    raw: Mapping[str, Any]
    combined: Any
    ids: Optional[Sparse] = None
    keys: Any = None
    weights: Any = None
    rows: Any = None
    per_occurrence: Optional[bool] = None
    row_index: Any = None
    segment_ids: Any = None
    bags: Any = None
    occurrences: Optional[Sparse] = None
    is_empty: Any = None
    lookups: Tuple[Any, ...] = ()
    table: Tuple[str, ...] = ()
    shared_with: Tuple[str, ...] = ()
    combiner: Optional[str] = None
    sequence_length: Any = None
    part: Any = None
    layer: Any = None
    slice: Optional[Tuple[int, int]] = None
    width: Optional[int] = None
    categories: Categories = Categories("elements", 1, (1,))
    cross: Tuple[CrossPart, ...] = ()

    def describe(self, index: int, key: Optional[str] = None) -> str:
        """One id or element in words: ``"education=Bachelors"``, ``"age=[18, 65)"``, ``"income"``, ``"pixel[3]"``.

        Args:
          index: an id of a categorical column, or a flat position in ``combined``.
          key: the word the id was made from, where the reader of ``keys`` knows it (a hash bucket has no name).
        """
        if self.categories.kind == "elements":
            return self.feature + self.categories.label(index)
        return "%s=%s" % (self.feature, self.category(index, key))

    def category(self, index: int, key: Optional[str] = None) -> str:
        """The text of one id: its label, or the word it was made from where ids have no names of their own."""
        label = self.categories.label(index)
        if key is None or self.categories.kind != "vocabulary" or not self.categories.values:
            return label if key is None else key
        return label if int(index) < len(self.categories.values) else "%s %s" % (key, label)

    def by_name(self) -> "Column":
        """The same record with tensor names in place of tensors."""
        changes = {field: _named(getattr(self, field)) for field in _TENSOR_FIELDS}
        cross = tuple(part._replace(indices=_named(part.indices), values=_named(part.values)) for part in self.cross)
        return dataclasses.replace(self, cross=cross, **changes)

    def to_json(self) -> str:
        """The record (with names) as one JSON object; ``from_json`` reads it back."""
        return json.dumps(dataclasses.asdict(self.by_name()), ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Column":
        entry = json.loads(text)
        for field in ("ids", "occurrences"):
            entry[field] = None if entry[field] is None else Sparse(*entry[field])
        entry["raw"] = {key: Sparse(*value) if isinstance(value, list) else value
                        for key, value in entry["raw"].items()}
        entry["categories"] = _categories(entry["categories"])
        entry["cross"] = tuple(CrossPart(indices, values, made and _categories(made))
                               for indices, values, made in entry["cross"])
        for field in ("chain", "lookups", "table", "shared_with"):
            entry[field] = tuple(entry[field])
        entry["slice"] = None if entry["slice"] is None else tuple(entry["slice"])
        return cls(**entry)


def _categories(entry: Any) -> Categories:
    kind, count, values = entry
    return Categories(kind, count, tuple(values))


_TENSOR_FIELDS = ("raw", "combined", "ids", "keys", "weights", "rows", "row_index", "segment_ids", "bags",
                  "occurrences", "is_empty", "lookups", "sequence_length", "part", "layer")


def _named(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Sparse):
        return Sparse(*[_named(part) for part in value])
    if isinstance(value, tuple):
        return tuple(_named(part) for part in value)
    if isinstance(value, dict):
        return {key: _named(part) for key, part in value.items()}
    return value.name


def store(columns: Mapping[str, Column], meta_graph: Any) -> None:
    """Writes columns into the collection ``COLLECTION`` of a MetaGraphDef (in place; what was there is replaced)."""
    entries = meta_graph.collection_def[COLLECTION]
    del entries.bytes_list.value[:]
    entries.bytes_list.value.extend(
        json.dumps([key, column.to_json()], ensure_ascii=False).encode("utf-8") for key, column in columns.items())


def stored(meta_graph: Any) -> Dict[str, Column]:
    """The columns that a MetaGraphDef carries, with tensor names; empty when it carries none."""
    if COLLECTION not in meta_graph.collection_def:
        return {}
    entries: Iterable[List[str]] = (
        json.loads(entry.decode("utf-8")) for entry in meta_graph.collection_def[COLLECTION].bytes_list.value)
    return {key: Column.from_json(text) for key, text in entries}
