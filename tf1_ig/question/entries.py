"""What stands behind the attributed entries: ids, words, categories, and ids that no row belongs to."""

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from graph_tools.errors import FeedError
from graph_tools.graph.ops import MUST_BE_FED
from graph_tools.running.values import as_text
from tf1_ig.question import filled
from tf1_ig.result import features


def behind(engine: Any, resolved: Any, task: Any, batch_axis: Optional[int]) -> Dict[str, Any]:
    """The fields ``ids`` and ``strings`` of an ``Attribution``."""
    ids: Dict[str, Any] = {}
    strings: Dict[str, Any] = {}
    count = task.batch.count

    def fetch_all(wanted: List[str]) -> List[Any]:
        found = engine.fetch_all([engine.find_tensor(name) for name in wanted], task.values)
        return [filled.cut_to(np.asarray(one), count, task.filled) for one in found]

    wanted = list(dict.fromkeys(name for spec in resolved.inputs for name in (spec.ids, spec.strings)
                                if name and _is_told(resolved, name, task.values)))
    told = dict(zip(wanted, fetch_all(wanted)))
    for spec, entries_of, actual, own in zip(resolved.inputs, task.batch.entries_of, task.batch.actual, task.own):
        entries = [entries_of.of(example) for example in range(count)]
        entries = entries if own is None else [each[own[each]] for each in entries]
        rows: Dict[str, List[np.ndarray]] = {}
        for kind, name in (("ids", spec.ids), ("strings", spec.strings)):
            found = _in_order(told[name], spec.id_axes) if name in told else None
            if found is None or not found.size or found.size % max(1, len(actual)):
                continue
            if batch_axis and found.ndim > batch_axis:
                found = np.moveaxis(found, batch_axis, 0)
            by_entry = found.reshape((len(actual), -1))
            rows[kind] = [by_entry[each].ravel() for each in entries]
        words = [[as_text(word) for word in row] for row in rows["strings"]] if "strings" in rows else None
        crossed = features.crossed_words(spec.name, resolved.columns, lambda name: fetch_all([name])[0], count)
        if spec.categories is not None and actual.ndim == 2:
            known = words if crossed is None else crossed
            if known is not None and "ids" in rows:
                strings[spec.name] = _by_category(rows["ids"], known, spec.categories)
            continue
        if spec.categories is not None and any(len(row) != np.prod(actual.shape[1:-1]) for row in rows.get("ids", ())):
            continue
        if crossed is not None and [len(row) for row in crossed] == [len(each) for each in entries]:
            words = crossed
        if words is not None:
            strings[spec.name] = words
        if "ids" in rows:
            ids[spec.name] = rows["ids"] if spec.attributed.owner is not None else np.stack(rows["ids"])
    return {"ids": ids or None, "strings": strings or None}


def named(engine: Any, resolved: Any, task: Any, batch_axis: Optional[int]) -> Dict[str, Any]:
    """What the entries are called by: the fields ``ids``, ``strings`` and ``called`` of an ``Attribution``."""
    found = behind(engine, resolved, task, batch_axis)
    return dict(ids=found["ids"], strings=found["strings"], called=resolved.called)


def _is_told(resolved: Any, name: str, fed: Mapping[str, Any]) -> bool:
    """Whether a tensor can be computed from a feed: whoever feeds ids need not feed the words that they are of."""
    index = resolved.model.index
    return not any(index.op(node) in MUST_BE_FED for node in index.running([name], fed))


def _in_order(found: np.ndarray, axes: Optional[Sequence[int]]) -> np.ndarray:
    """What is behind a lookup, with its axes as a transposed view of that has them."""
    return found if axes is None or found.ndim != len(axes) else np.transpose(found, axes)


def _by_category(ids: Sequence[np.ndarray], words: Sequence[Sequence[str]], count: int) -> List[List[str]]:
    """What each category of each row is called: the words of the row that it stands for, else its number."""
    numbers = [features.unnamed(number) for number in range(count)]
    found = []
    for row, told in zip(ids, words):
        texts = list(numbers)
        named: Dict[int, List[str]] = {}
        # A cross has its words without the padding that its ids have.
        row = row if len(row) == len(told) else row[row >= 0]
        for one, word in zip(row, told):
            if 0 <= one < count and word not in named.setdefault(int(one), []):
                named[int(one)].append(word)
        for one, each in named.items():
            texts[one] = " / ".join(each)
        found.append(texts)
    return found


def check_ids(engine: Any, values: Any, inputs: Any) -> Tuple[str, ...]:
    """Refuses ids that find a row of zeros in a one-hot product or layer without a word (a gather would complain).

    Args:
      engine: the operated graph, with its session.
      values: the feed, by tensor name.
      inputs: ``ResolvedInput`` records.

    Returns:
      notes on ids of -1 before a layer: they stand for no category, which may be meant.

    Raises:
      FeedError: any other id is out of range.
    """
    notes = []
    for spec in inputs:
        rows = spec.one_hot_rows
        if not spec.ids or rows is None:
            continue
        ids = engine.fetch(engine.find_tensor(spec.ids), values)
        least = 0 if spec.kind == "one_hot" else -1
        wrong = ids[(ids < least) | (ids >= rows)]
        if wrong.size:
            raise FeedError("id %d in %s is out of range: the table behind %s has %d rows; feed ids from 0 to %d" % (
                wrong.flat[0], spec.ids, spec.name, rows, rows - 1))
        if (ids < 0).any() and spec.kind == "one_hot_features":
            notes.append("%d ids of %s are -1: they stand for no category, a row of zeros" % (
                np.sum(ids < 0), spec.ids))
    return tuple(notes)


def owner_of(given: Optional[np.ndarray], entries: int, count: int, turns: bool = False) -> np.ndarray:
    """The row of each entry, from the graph's own owners (fillers are marked by the inverse) or in equal blocks;
    ``turns``: in as many equal parts as a row has entries, each with one entry of every row (halves that are pairs)."""
    if given is None:
        return np.tile(np.arange(count), entries // count) if turns else np.repeat(np.arange(count), entries // count)
    given = np.asarray(given, np.int64).reshape(-1)
    return np.where(given < 0, ~given, given)
