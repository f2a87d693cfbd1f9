"""The core that every engine runs: batches of rows in, batches of explanations out, in the same order.

Rows are read and encoded a window at a time and explained beside rows of about their length. Nobody's numbers depend on
the company: padding is only shared where the feed says how long a row is, and only as long as a measurement agrees;
rows that influence each other are explained one by one; a baseline that is the mean of the company is refused.
"""

import atexit
import itertools
import json
import os
import threading
import warnings
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from graph_tools import _tf
from tf1_ig.errors import RowError, RowLabelError, SpecError
from tf1_ig.explainer import IntegratedGradients
from tf1_ig.rows import fingerprint
from tf1_ig.rows.spec import ExplanationSpec, load_spec
from tf1_ig.scale import groups, records, schemas
from tf1_ig.scale.kept import Kept, never

WINDOW = 4096
BY_PLACE = "\0place"  # as key: what rows are called without one, also where there is a column called key
_FLOATS = 1 << 22  # of the cells of the rows that are explained by one call

_explainers: Dict[Tuple[Any, ...], Tuple[Any, IntegratedGradients]] = {}  # with the stamp of the model's files
_opening = threading.Lock()


class Asked(NamedTuple):
    """What is asked of every row.

    Attributes:
      key: the column that rows are known by; ``None``: ``key`` where a row has it, else its number from 1.
      keep: columns that go along in ``extra``.
      options: arguments of ``explain`` that replace those of the spec.
      apart: names of rows that are explained alone; one of them may have ended a process.
      suspects: names of rows that ended a process; they are rejected.
      before: called with the names of the rows that are explained next.
      reading: ``before`` is called with each row that is read, too; an earlier process ended while it read.
      threads: TensorFlow's, within an op; 0: its own choice.
    """

    key: Optional[str] = None
    keep: Tuple[str, ...] = ()
    options: Tuple[Tuple[str, Any], ...] = ()
    apart: frozenset = frozenset()
    suspects: frozenset = frozenset()
    before: Callable[[List[str]], None] = lambda names: None
    reading: bool = False
    threads: int = 0


class Line(NamedTuple):
    """A row on its way: its place in the input, its key, the columns kept of it, its cells and the shapes that they
    have in a feed, or what is wrong with it."""

    name: str
    key: str
    extra: str
    cells: Optional[Mapping[str, Any]]
    wrong: Optional[RowError]
    size: groups.Size = ()


def explain_batches(spec: Any, batches: Iterable[Any], key: Optional[str] = None, window: int = WINDOW,
                    keep: Sequence[str] = (), **options: Any) -> Iterator[Any]:
    """Explains every row of a stream of batches; the numbers do not depend on how it is cut into batches.

    A row that cannot be explained comes back with ``status`` ``"rejected"``, a reason and the column it is about; the
    others are as they would be without it. Where rows influence each other they are explained one by one, and their
    ``failing_checks`` say ``"row independence"``.

    Args:
      spec: an ``ExplanationSpec``, or the path of one.
      batches: ``pyarrow.RecordBatch``es or tables, or lists of mappings of column to value.
      key: the column that rows are known by; ``None``: the column ``key`` where a row has it, else its number from 1.
      window: most rows that are held at a time.
      keep: columns that go along, as JSON, in ``extra``; one that no row has is told by a warning.
      **options: arguments of ``IntegratedGradients.explain`` that replace those of the spec (``steps``, ``label``).

    Yields:
      ``pyarrow.RecordBatch`` of ``tf1_ig.scale.SCHEMA``: every row once, in order.

    Raises:
      SpecError: the baseline is ``"mean"``, that of whatever rows stand together; give ``{"mean": rows}``.
      SpecError, LabelError, MethodError: what is asked does not fit the model.
      MissingPackageError: pyarrow is not installed.

    >>> for batch in tf1_ig.explain_batches("spec.json", [[{"key": "a", "text": "A fine film."}]]):   # doctest: +SKIP
    ...     batch.to_pandas()
    """
    schemas.arrow()
    spec = spec if isinstance(spec, ExplanationSpec) else load_spec(spec)
    refuse_mean(spec, options)
    return _batches(spec, numbered(batches), Asked(key, tuple(keep), tuple(sorted(options.items()))), window)


def _batches(spec: ExplanationSpec, rows: Iterable[Tuple[str, Any]], asked: Asked, window: int) -> Iterator[Any]:
    kept = Kept(asked.keep, warnings.warn)

    def looked_at() -> Iterator[Tuple[str, Any]]:
        for held in windows(rows, window):
            kept.look(row for _, row in held)
            yield from held

    for found in explained(spec, looked_at(), asked, window):
        yield records.batch(found)
    if kept.lacking:
        warnings.warn(never(kept.lacking), stacklevel=2)


def refuse_mean(spec: ExplanationSpec, options: Mapping[str, Any]) -> None:
    """Refuses the baseline that is the mean of the rows of a call: which these are is nobody's choice.

    Raises:
      SpecError: it is asked for.
    """
    if spec.batch_axis is not None and _names_mean(options.get("baseline", spec.baseline)):
        raise SpecError("the baseline \"mean\" is the mean of the rows that happen to be explained together; give "
                        "{\"mean\": rows}, the mean of rows of your own choice")


def _names_mean(baseline: Any) -> bool:
    if isinstance(baseline, (list, tuple)):
        return any(map(_names_mean, baseline))
    return isinstance(baseline, str) and baseline == "mean"


def numbered(batches: Iterable[Any]) -> Iterator[Tuple[str, Any]]:
    """The rows of batches, each with its number from 1."""
    number = 0
    for batch in batches:
        for row in batch.to_pylist() if hasattr(batch, "to_pylist") else batch:
            number += 1
            yield str(number), row


def explained(spec: ExplanationSpec, rows: Iterable[Tuple[str, Any]], asked: Asked,
              window: int = WINDOW) -> Iterator[List[Dict[str, Any]]]:
    """The records of rows, a list for each window; the rows come with what they are called without a key."""
    for held in windows((_read(spec, name, row, asked) for name, row in rows), window):
        if asked.reading:
            asked.before([])
        yield _of_window(spec, held, asked)


def windows(of: Iterable[Any], most: int) -> Iterator[List[Any]]:
    """Lists of so many, and one of what is left."""
    of = iter(of)
    held = list(itertools.islice(of, most))
    while held:
        yield held
        held = list(itertools.islice(of, most))


def opened(spec: ExplanationSpec, threads: int = 0) -> IntegratedGradients:
    """The explainer of a spec: one a process, closed at its end, or when the files of its model are others."""
    known = (os.getpid(), threads, spec.model_path, spec.output, spec.classes, json.dumps(
        spec.tree, sort_keys=True, default=str))
    with _opening:
        stamp = fingerprint.stamp(spec.model_path)
        before, explainer = _explainers.get(known, (None, None))
        if explainer is not None and before != stamp:
            del _explainers[known]
            atexit.unregister(explainer.close)
            explainer.close()
            explainer = None
        if explainer is None:
            explainer = spec.open(**_threads(threads))
            _explainers[known] = stamp, explainer
            atexit.register(explainer.close)
        return explainer


def _threads(threads: int) -> Dict[str, Any]:
    if not threads:
        return {}
    with _tf.session_threads(threads, 1):
        return {"config": _tf.session_config()}


def _read(spec: ExplanationSpec, name: str, row: Any, asked: Asked) -> Line:
    key, extra = name, "{}"
    try:
        if isinstance(row, Mapping):
            key = _key(row, name, asked.key)
            extra = json.dumps({column: row.get(column) for column in asked.keep}, default=str, ensure_ascii=False)
        if name in asked.suspects:
            raise RowError("a process that explained this row alone ended without a word; it is left out")
        if asked.reading:
            asked.before([name])
        cells = spec.read(row)
        return Line(name, key, extra, cells, None, groups.size(spec, cells))
    except RowError as wrong:
        return Line(name, key, extra, None, wrong)


def _key(row: Mapping[str, Any], name: str, column: Optional[str]) -> str:
    value = row.get("key" if column is None else column)
    if column == BY_PLACE:
        return name
    if value is None:
        if column is not None and not hasattr(row, "reason"):  # else why the row is no row is told
            raise KeyMissing("the row has no key", column)
        return name
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


class KeyMissing(RowError):
    """A row lacks what it is to be known by."""


def _of_window(spec: ExplanationSpec, lines: List[Line], asked: Asked) -> List[Dict[str, Any]]:
    found: List[Any] = [
        None if line.wrong is None else records.rejected(line.key, line.wrong, line.extra) for line in lines]
    read = {place: line.cells for place, line in enumerate(lines) if line.wrong is None and line.cells is not None}
    if read:
        explainer = opened(spec, asked.threads)
        alone = [place for place in read if lines[place].name in asked.apart]
        groups.measure_company(spec, explainer, read, dict(spec.arguments(), **dict(asked.options))["label"])
        together = groups.cut(spec, explainer, {place: lines[place].size for place in read if place not in set(alone)},
                              read, _FLOATS)
        known, todo = groups.coupled(explainer), [[place] for place in alone] + together
        while todo:
            for place, record in _halving(spec, explainer, lines, todo.pop(0), asked):
                found[place] = record
            if groups.coupled(explainer) != known:  # seen late: rows of the groups before stood beside others
                known, todo = groups.coupled(explainer), [[place] for group in together for place in group]
    return found


def _halving(spec: ExplanationSpec, explainer: Any, lines: Sequence[Line], group: List[int],
             asked: Asked) -> Iterator[Tuple[int, Dict[str, Any]]]:
    """The records of a group; where it cannot be explained together, of its halves: one bad row is found alone."""
    asked.before([lines[place].name for place in group])
    try:
        made = records.explain(spec, explainer, [lines[place] for place in group], dict(asked.options))
    # Whatever the engine, TensorFlow or numpy say of a row that none of them foresaw.
    except Exception as wrong:  # noqa: B902
        if isinstance(wrong, records.OF_THE_QUESTION) and not isinstance(wrong, RowLabelError):
            raise
        if len(group) == 1:
            line = lines[group[0]]
            yield group[0], records.rejected(line.key, records.row_error(wrong, spec), line.extra)
            return
        for half in (group[:len(group) // 2], group[len(group) // 2:]):
            yield from _halving(spec, explainer, lines, half, asked)
        return
    yield from zip(group, made)
