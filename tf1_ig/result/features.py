"""Attributions by feature and category: ``education=Bachelors``, ``age=[18, 65)``, ``word=good``. Numpy only."""

import dataclasses
import itertools
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence

import numpy as np

from graph_tools.running.values import as_text


class Feature(NamedTuple):
    """What one category of one feature column, or one number of a numeric one, contributed in one example.

    ``column`` is the column's name as ``graph_tools.find_columns`` has it, ``feature`` the name without wrappings
    (``"pixels[3]"`` for an element), ``category`` empty where there is none or it cannot be told; ``position`` is the
    number of the occurrence in the example, or its time step; ``input`` names the attributed tensor.
    """

    column: str
    feature: str
    category: str
    value: float
    input: str
    position: int = 0

    @property
    def label(self) -> str:
        """``"education=Bachelors"``, ``"age"``, ``"pixels[3]"``."""
        return "%s=%s" % (self.feature, self.category) if self.category else self.feature


def by_feature(values: Mapping[str, Any], columns: Mapping[str, Any], ids: Optional[Mapping[str, Any]] = None,
               strings: Optional[Mapping[str, Any]] = None) -> Optional[List[List[Feature]]]:
    """The attributions of each example, told by feature column.

    Args:
      values: as ``Attribution.values``.
      columns: ``graph_tools.feature_columns.Column`` records (with tensor names) by name.
      ids: as ``Attribution.ids``: the id behind each attributed row of a table.
      strings: as ``Attribution.strings``: the word behind each of them.

    Returns:
      one list per example, in the order of the inputs; ``None`` when no input belongs to a feature column.
    """
    found: List[List[Feature]] = []
    for tensor, value in values.items():
        for name, column in _owners(tensor, columns):
            rows = _rows(tensor, value, name, column, (ids or {}).get(tensor), (strings or {}).get(tensor))
            for number, row in enumerate(rows):
                while len(found) <= number:
                    found.append([])
                found[number].extend(row)
    return found or None


def crossed_words(tensor: str, columns: Mapping[str, Any], fetch: Callable[[str], np.ndarray], count: int) -> Optional[
        List[List[str]]]:
    """The words behind each attributed row of a crossed column, ``"HS & nurse"``; ``None`` for any other tensor.

    Args:
      tensor: name of an attributed tensor.
      columns: ``Column`` records by name.
      fetch: gives the value of a tensor under the feed that is explained.
      count: number of examples.
    """
    cross = next((column.cross for _, column in _owners(tensor, columns) if column.cross), ())
    if not cross:
        return None
    parts = [_part_words(part, fetch, count) for part in cross]
    # TensorFlow's product: the last part varies fastest.
    return [[" & ".join(words) for words in itertools.product(*[part[number] for part in parts])]
            for number in range(count)]


def _part_words(part: Any, fetch: Any, count: int) -> List[List[str]]:
    """One part of a cross as words, a list per example."""
    values = fetch(part.values)
    if part.indices is None:
        rows: List[List[Any]] = [list(row) for row in np.reshape(values, (count, -1))]
    else:
        rows = [[] for _ in range(count)]
        for place, value in zip(fetch(part.indices), values):
            rows[int(place[0])].append(value)
    return [[as_text(value) if part.categories is None else part.categories.label(value) for value in row]
            for row in rows]


def unnamed(category: int) -> str:
    """What ``strings`` call a category of a one-hot vector that no word of the example stands for."""
    return "[%d]" % category


def totals(features: Iterable[Feature], by: str = "label") -> Dict[str, float]:
    """Sums of one example's features by ``"label"``, ``"feature"`` or ``"column"``, largest magnitude first.

    >>> totals([Feature("a_indicator", "a", "x", .1, "t:0"), Feature("a", "a", "x", .2, "u:0")])["a=x"]
    0.30000000000000004
    """
    sums: Dict[str, float] = {}
    for one in features:
        key = getattr(one, by)
        sums[key] = sums.get(key, 0.0) + one.value
    return dict(sorted(sums.items(), key=lambda item: -abs(item[1])))


def cover(tensors: Iterable[str], columns: Mapping[str, Any]) -> bool:
    """Whether each of some attributed tensors belongs to a feature column, so that features say it all."""
    return all(_owners(tensor, columns) for tensor in tensors)


def inputs_of(columns: Mapping[str, Any], embeddings: Sequence[Any]) -> List[Any]:
    """What to attribute to so that every column counts, once: its lookup where it has one, else its part of the layer.

    Args:
      columns: ``Column`` records by name.
      embeddings: ``Embedding`` candidates; those of no column are kept.
    """
    chosen: List[Any] = list(embeddings)
    for column in columns.values():
        mine = input_of(column, embeddings)
        if mine is not None and mine not in chosen:
            chosen.append(mine)
    return chosen


def input_of(column: Any, embeddings: Sequence[Any]) -> Optional[Any]:
    """What to attribute to for one column: the candidate for its rows, else the name of its part of the layer."""
    return next((found for found in embeddings if _is_lookup(found, column)), column.part)


def with_names(columns: Mapping[str, Any], inputs: Iterable[Any]) -> Dict[str, Any]:
    """Columns that know their rows by the name of the candidate, too (of a partitioned table it is one of several)."""
    lookups = [found for found in inputs if hasattr(found, "rows_combined_at")]
    return {name: dataclasses.replace(column, lookups=column.lookups + tuple(
        found.tensor for found in lookups if _is_lookup(found, column) and found.tensor not in column.lookups))
        for name, column in columns.items()}


def _is_lookup(embedding: Any, column: Any) -> bool:
    return bool(column.table) and (embedding.tensor in _row_tensors(column) or
                                   bool(column.bags) and embedding.rows_combined_at == column.bags)


def _row_tensors(column: Any) -> List[str]:
    """Names under which rows of this column alone are attributed to (a table that is read whole is shared)."""
    return [name for name in (column.bags, column.rows if column.per_occurrence else None) + tuple(column.lookups)
            if name]


def _owners(tensor: str, columns: Mapping[str, Any]) -> List[Any]:
    """The columns that an attributed tensor speaks for: one, or all of a layer that is attributed to as a whole."""
    for mine in (lambda one: tensor in _row_tensors(one) or tensor == one.part, lambda one: tensor == one.combined):
        for name, column in columns.items():
            if mine(column):
                return [(name, column)]
    return [(name, column) for name, column in columns.items() if tensor == column.layer and column.slice is not None]


def _rows(tensor: str, value: Any, name: str, column: Any, ids: Any, strings: Any) -> Iterator[List[Feature]]:
    """One list of features per example."""
    if isinstance(value, list):
        for number, row in enumerate(value):
            words = None if strings is None else strings[number]
            numbers = None if ids is None else np.reshape(ids[number], -1)
            yield _occurrences(tensor, np.sum(row, axis=-1), name, column, numbers, words)
        return
    whole = tensor == column.layer and column.slice is not None and tensor not in (column.part, column.combined)
    part = value[..., column.slice[0]:column.slice[1]] if whole else value
    found: List[List[Feature]] = []
    for row in np.reshape(part, (len(part), -1, column.width or part.shape[-1])):
        words = strings[len(found)] if strings is not None else None
        found.append([one for step, elements in enumerate(row)
                      for one in _elements(tensor, elements, name, column, step, words if len(row) == 1 else None)])
    yield from found


def _occurrences(tensor: str, row: Any, name: str, column: Any, ids: Any, words: Any) -> List[Feature]:
    found = []
    for position, value in enumerate(np.reshape(row, -1)):
        word = words[position] if words is not None and len(words) > position else None
        category = column.category(ids[position], word) if ids is not None and len(ids) > position else word or ""
        found.append(Feature(name, column.feature, category, float(value), tensor, position))
    return found


def _elements(tensor: str, row: Any, name: str, column: Any, step: int, words: Any) -> List[Feature]:
    """Elements of a dense column: the categories that contributed, or the sum where elements have no meaning."""
    if column.table or column.categories.count != len(row):
        return [Feature(name, column.feature, "", float(np.sum(row)), tensor, step)]
    if column.categories.kind == "elements":
        return [Feature(name, column.describe(number), "", float(value), tensor, step)
                for number, value in enumerate(row)]
    # A category that is absent, in the example and in the baseline, contributes exactly nothing.
    return [Feature(name, column.feature, _category(column, int(number), words), float(row[number]), tensor, step)
            for number in np.flatnonzero(row)] or [Feature(name, column.feature, "", 0.0, tensor, step)]


def _category(column: Any, number: int, words: Any) -> str:
    """A category in the example's own words, where they are known."""
    word = words[number] if words is not None and len(words) == column.categories.count else unnamed(number)
    return column.category(number, None if word == unnamed(number) else word)
