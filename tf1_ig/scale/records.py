"""From rows that are explained together to one record each, and from records to a batch of columns."""

import math
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence, Set, Tuple

import numpy as np

from graph_tools.errors import AmbiguousCandidateError, GradientError, NoCandidateError, UnsafeModelError, one_line
from tf1_ig.check import all_rows_well, check
from tf1_ig.errors import ClosedError, InputError, LabelError, MethodError, MissingPackageError, RowError, SpecError
from tf1_ig.result import entries, features
from tf1_ig.result.claims import NONE
from tf1_ig.rows import told
from tf1_ig.scale import groups, schemas

# What is wrong with the question is wrong for every row; no row is to blame.
OF_THE_QUESTION = (SpecError, LabelError, MethodError, InputError, ClosedError, MissingPackageError, GradientError,
                   NoCandidateError, AmbiguousCandidateError, UnsafeModelError)


class Entries(NamedTuple):
    """Of every entry of a row: the input that it is of, what it is called, what is attributed to it."""

    inputs: List[str]
    texts: List[str]
    values: List[float]


def explain(spec: Any, explainer: Any, lines: Sequence[Any], options: Dict[str, Any]) -> List[Dict[str, Any]]:
    """The records of rows that can be explained together; of rows that influence each other, one by one."""
    encoded = spec.together([line.cells for line in lines])
    result = spec.ask(explainer, encoded.feed, **options)
    if groups.seen(explainer, result.running, result.coupled) and len(lines) > 1:
        return [record for line in lines for record in explain(spec, explainer, [line], options)]
    result = told.annotate(result, spec, encoded, explainer, in_text=False)
    failing = {finding.name for finding in result.graph_findings if finding.verdict == "fail"}
    if groups.coupled(explainer):
        failing.add("row independence")
    sources = {one.name: told.source_of(one, spec, explainer.resolved) for one in explainer.resolved.inputs}
    doubted, sums, padded = not all_rows_well(result), result.tokens, _padded(spec, encoded, sources)
    by_feature = None if padded or not features.cover(sums, explainer.resolved.columns) else result.features
    columns = [name for name, tensor in sources.items() if tensor and spec.placeholders[tensor].kind != "text"]
    return [_record(spec, result, row, line, _by_feature(by_feature[row]) if by_feature else _entries(
        result, sums, row, _own_parts(padded, line), columns), failing, doubted) for row, line in enumerate(lines)]


def _by_feature(found: Sequence[Any]) -> Entries:
    """The entries of a row of feature columns: ``city=Lima``, ``age=[40, 50)``."""
    return Entries([one.input for one in found], [one.label for one in found], [one.value for one in found])


def rejected(key: str, wrong: RowError, extra: str = "{}") -> Dict[str, Any]:
    """The record of a row that could not be explained."""
    return dict(schemas.NOTHING, key=key, reason=wrong.reason, column=wrong.column, extra=extra)


def row_error(wrong: BaseException, spec: Any) -> RowError:
    """What went wrong with a row in one line, with its column where the model reads only one."""
    columns = spec.columns
    return RowError(one_line(wrong, 500), columns[0] if len(columns) == 1 else "")


def batch(found: Sequence[Dict[str, Any]]) -> Any:
    """Records as a ``pyarrow.RecordBatch``; half a character, which JSON can hold, stands there as JSON spells it."""
    pa, schema = schemas.arrow(), schemas.explained()

    def column(field: Any) -> Any:
        values = [record[field.name] for record in found]
        try:
            return pa.array(values, field.type)
        except UnicodeEncodeError:
            return pa.array(_encodable(values), field.type)

    return pa.RecordBatch.from_arrays([column(field) for field in schema], schema=schema)


def _encodable(value: Any) -> Any:
    """A text, or lists of such, as UTF-8 can hold it."""
    if isinstance(value, list):
        return list(map(_encodable, value))
    return value.encode("utf-8", "backslashreplace").decode("utf-8") if isinstance(value, str) else value


def _record(spec: Any, result: Any, row: int, line: Any, own: Entries, failing: Set[str],
            doubted: bool) -> Dict[str, Any]:
    numbers = [float(getattr(result, name)[row]) for name in ("score", "baseline_score", "delta")]
    claimed = numbers[:1] if result.completeness == NONE else numbers  # no sum is claimed, so none is known
    if not all(map(math.isfinite, claimed + own.values)):
        fed = [name for name, rows in (result.fed_not_finite or {}).items() if rows[row]]
        where = ", as fed to %s" % ", ".join(fed) if fed else " from %s on" % (
            result.not_finite_at) if result.not_finite_at else ""
        return rejected(line.key, row_error(ValueError(
            "the model's score or gradient of this row is not finite%s" % where), spec), line.extra)
    converged = bool(result.converged[row])
    if doubted or not converged:
        failing = failing | {one.name for one in check(result[[row]]) if one.verdict == "fail"}
    label, prediction = _number(result.label, row), _number(result.prediction, row)
    return dict(
        key=line.key, status=schemas.EXPLAINED, label=label, label_name=_name(spec, label), prediction=prediction,
        prediction_name=_name(spec, prediction), score=numbers[0], baseline_score=numbers[1], delta=numbers[2],
        converged=converged, evaluations=int(result.evaluations[row]), tokens=own.texts,
        attributions=own.values, inputs=own.inputs, failing_checks=sorted(failing), extra=line.extra,
        reason="", column="")


def _number(labels: Any, row: int) -> int:
    """A class; the last part of an index tuple; -1 where there are no classes."""
    return -1 if labels is None else int(np.ravel(labels[row])[-1])


def _name(spec: Any, number: int) -> str:
    known = spec.classes is not None and 0 <= number < len(spec.classes)
    return str(spec.classes[number]) if known else "" if number < 0 else str(number)


class _Padded(NamedTuple):
    """An attributed input that is a padded text: the placeholder, how wide it is for all rows, whether it is filled up
    before the text."""

    tensor: str
    width: int
    left: bool


def _padded(spec: Any, encoded: Any, sources: Mapping[str, Any]) -> Dict[str, _Padded]:
    """The attributed inputs that are one."""
    found: Dict[str, _Padded] = {}
    for name, tensor in sources.items():
        if tensor not in encoded.cuts or spec.batch_axis is None or encoded.cuts[tensor][0].words is not None:
            continue
        array = encoded.feed[tensor]
        if array.ndim > 1:
            width = np.moveaxis(array, spec.batch_axis, 0).shape[1]
            found[name] = _Padded(tensor, width, spec.placeholders[tensor].left)
    return found


def _own_parts(padded: Mapping[str, _Padded], line: Any) -> Dict[str, Tuple[int, int, int]]:
    """Of each of them its width, where a row's own entries begin, and how many these are."""
    sizes = dict(line.size)
    return {name: (one.width, one.width - sizes[one.tensor][1] if one.left else 0, sizes[one.tensor][1])
            for name, one in padded.items()}


def _entries(result: Any, sums: Mapping[str, Any], row: int, own: Mapping[str, Tuple[int, int, int]],
             columns: Sequence[str]) -> Entries:
    """The entries of a row, without the padding that the company asked for; ``sums`` are ``result.tokens``. What one of
    several ``columns`` holds is called by both, ``school=#2``: another column's ``#2`` is something else."""
    found = Entries([], [], [])
    for name in sums:
        values = np.asarray(entries.of_row(result, name, row, sums), np.float64)
        texts = entries.names(result, name, row, shape=values.shape)
        if len(texts) == 1 and len(sums) > 1 and name in columns and result.texts(name, row) is not None:
            called = result.input_name(name)
            texts = texts if texts == [called] else ["%s=%s" % (called, texts[0])]
        width, start, count = own.get(name, (values.size, 0, values.size))
        if values.ndim != 1 or width != values.size:
            start, count = 0, values.size
        found.inputs.extend([name] * count)
        found.texts.extend(texts[start:start + count])
        found.values.extend(values.ravel()[start:start + count].tolist())
    return found
