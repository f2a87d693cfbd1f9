"""From rows that are explained together to one record each, and from records to a batch of columns."""

import math
from typing import Any, Dict, Iterator, List, Sequence, Tuple

import numpy as np

from graph_tools.errors import AmbiguousCandidateError, GradientError, NoCandidateError, UnsafeModelError
from tf1_ig.check import check
from tf1_ig.errors import ClosedError, InputError, LabelError, MethodError, MissingPackageError, RowError, SpecError
from tf1_ig.rows import told
from tf1_ig.scale import schemas

# What is wrong with the question is wrong for every row; no row is to blame.
OF_THE_QUESTION = (SpecError, LabelError, MethodError, InputError, ClosedError, MissingPackageError, GradientError,
                   NoCandidateError, AmbiguousCandidateError, UnsafeModelError)


def explain(spec: Any, explainer: Any, lines: Sequence[Any], options: Dict[str, Any]) -> List[Dict[str, Any]]:
    """The records of rows that can be explained together."""
    encoded = spec.together([line.cells for line in lines])
    result = explainer.explain(encoded.feed, **dict(spec.arguments(), **options))
    result = told.annotate(result, spec, encoded, explainer)
    failing = sorted({finding.name for finding in result.graph_findings if finding.verdict == "fail"})
    return [_record(spec, result, row, line, encoded, failing) for row, line in enumerate(lines)]


def rejected(key: str, wrong: RowError, extra: str = "{}") -> Dict[str, Any]:
    """The record of a row that could not be explained."""
    return dict(schemas.NOTHING, key=key, reason=wrong.reason, column=wrong.column, extra=extra)


def row_error(wrong: BaseException, spec: Any) -> RowError:
    """What went wrong with a row in one line, with its column where the model reads only one."""
    text = " ".join(str(getattr(wrong, "message", None) or wrong).split()) or type(wrong).__name__
    columns = spec.columns
    return RowError(text[:500], columns[0] if len(columns) == 1 else "")


def batch(found: Sequence[Dict[str, Any]]) -> Any:
    """Records as a ``pyarrow.RecordBatch``."""
    pa, schema = schemas.arrow(), schemas.explained()
    return pa.RecordBatch.from_arrays(
        [pa.array([record[field.name] for record in found], field.type) for field in schema], schema=schema)


def _record(spec: Any, result: Any, row: int, line: Any, encoded: Any, failing: List[str]) -> Dict[str, Any]:
    numbers = [float(getattr(result, name)[row]) for name in ("score", "baseline_score", "delta")]
    entries = list(_entries(result, row, _own_size(spec, encoded, row)))
    values = [value for _, _, value in entries]
    if not all(map(math.isfinite, numbers)) or not np.all(np.isfinite(values)):
        where = " from %s on" % result.not_finite_at if result.not_finite_at else ""
        return rejected(line.key, row_error(ValueError(
            "the model's score or gradient of this row is not finite%s" % where), spec), line.extra)
    converged = bool(result.converged[row])
    if not converged:
        failing = sorted(set(failing) | {one.name for one in check(result[[row]]) if one.verdict == "fail"})
    label, prediction = _number(result.label, row), _number(result.prediction, row)
    return dict(
        key=line.key, status=schemas.EXPLAINED, label=label, label_name=_name(spec, label), prediction=prediction,
        prediction_name=_name(spec, prediction), score=numbers[0], baseline_score=numbers[1], delta=numbers[2],
        converged=converged, evaluations=int(result.evaluations[row]), tokens=[text for _, text, _ in entries],
        attributions=values, inputs=[name for name, _, _ in entries], failing_checks=failing, extra=line.extra,
        reason="", column="")


def _number(labels: Any, row: int) -> int:
    """A class; the last part of an index tuple; -1 where there are no classes."""
    return -1 if labels is None else int(np.ravel(labels[row])[-1])


def _name(spec: Any, number: int) -> str:
    known = spec.classes is not None and 0 <= number < len(spec.classes)
    return str(spec.classes[number]) if known else "" if number < 0 else str(number)


def _own_size(spec: Any, encoded: Any, row: int) -> Dict[int, Tuple[int, int]]:
    """Of each padded width in the feed: where this row's own entries begin, and how many there are."""
    found: Dict[int, Tuple[int, int]] = {}
    for tensor, cuts in encoded.cuts.items():
        one, array = spec.placeholders[tensor], encoded.feed[tensor]
        if spec.batch_axis is None or array.ndim < 2 or cuts[row].words is not None:
            continue
        width = np.moveaxis(array, spec.batch_axis, 0).shape[1]
        own = np.shape(one.stack([cuts[row]]))[1]
        found[width] = (width - own if one.left else 0, own)
    return found


def _entries(result: Any, row: int, own: Dict[int, Tuple[int, int]]) -> Iterator[Tuple[str, str, float]]:
    """Input, name and value of every entry of a row, without the padding that the company asked for."""
    for name, tokens in result.tokens.items():
        values = np.asarray(tokens[row], np.float64)
        texts = result.texts(name, row)
        if texts is None or len(texts) != values.size:
            texts = _places(name, values.shape)
        start, count = own.get(values.size, (0, values.size)) if values.ndim == 1 else (0, values.size)
        for text, value in zip(texts[start:start + count], values.ravel()[start:start + count].tolist()):
            yield name, str(text), value


def _places(name: str, shape: Tuple[int, ...]) -> List[str]:
    if not shape or shape == (1,):
        return [name]
    return [",".join(map(str, place)) for place in np.ndindex(*shape)]
