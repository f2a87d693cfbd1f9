"""Whether the fields that came out of a file are those of a result: every type and every length.

A file may have been made by anything. What passes here can be shown, checked and saved again without surprises.
"""

from typing import Any, Callable, Dict

import numpy as np

from graph_tools.report import VERDICTS, Finding
from tf1_ig.result.features import Feature
from tf1_ig.result.measured import Curve, Measured, Stage

# A test takes the value and the number of rows of the result.
Test = Callable[[Any, int], bool]


def problem(fields: Dict[str, Any], completeness: tuple) -> str:
    """What is wrong with the fields of an ``Attribution``, in words; ``""`` where nothing is.

    Args:
      fields: by name; those that are not known here are not looked at.
      completeness: what the field of that name may say.
    """
    score = fields.get("score")
    if not isinstance(score, np.ndarray) or score.ndim != 1 or score.dtype.kind not in "fiu":
        return "score is no vector of numbers"
    for name, test in _TESTS.items():
        if not test(fields[name], len(score)):
            return "%s is not what it is in a result of %d rows" % (name, len(score))
    if fields["completeness"] not in completeness:
        return "completeness is none of %s" % ", ".join(completeness)
    return _together(fields, len(score))


def _together(fields: Dict[str, Any], count: int) -> str:
    """What is wrong between fields that are each right."""
    values = fields["values"]
    for name in _OF_INPUTS:
        if not set(fields[name] or ()) <= set(values):
            return "%s is of a tensor that was not attributed to" % name
    for name, others in (("actual", values), ("standard_error", values)):
        for tensor, value in (fields[name] or {}).items():
            if [np.shape(row) for row in value] != [np.shape(row) for row in others[tensor]]:
                return "%s is not shaped like the values" % name
    if set(fields["spans"] or ()) != set(fields["raw_texts"] or ()):
        return "spans and raw_texts are not of the same tensors"
    if not all(_spans_fit(text, spans, row) for tensor, rows in (fields["spans"] or {}).items()
               for text, spans, row in zip(fields["raw_texts"][tensor], rows, values[tensor])):
        return "spans lie outside of the raw text"
    for path, errors in zip(fields["path"] or (), fields["path_errors"] or ()):
        if len(errors) > 2 * len(path[0]):
            return "path_errors is longer than the path"
    outputs, start = fields["outputs"], fields["baseline_output"]
    if outputs is not None and start is not None and outputs.shape != start.shape:
        return "baseline_output is not shaped like outputs"
    return ""


def _spans_fit(text: str, spans: Any, row: Any) -> bool:
    """Whether the spans of a row lie in its text, an equal number of entries to each."""
    try:
        size = len(text.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        return False
    entries = np.size(row) if np.ndim(row) < 2 else int(np.prod(np.shape(row)[:-1]))
    return not (entries % len(spans) if spans else entries) and all(
        span is None or 0 <= span[0] < span[1] <= size for span in spans)


def _text(value: Any, _: int) -> bool:
    return isinstance(value, str)


def _number(value: Any, _: int) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _may_lack(test: Test) -> Test:
    return lambda value, count: value is None or test(value, count)


def _array(kinds: str, ranks: range) -> Test:
    """An array with an entry for each row."""
    return lambda value, count: (isinstance(value, np.ndarray) and value.dtype.kind in kinds and value.ndim in ranks
                                 and len(value) == count)


def _each(test: Test) -> Test:
    """A list or a tuple of anything like that."""
    return lambda value, count: isinstance(value, (list, tuple)) and all(test(one, count) for one in value)


def _by_row(test: Test) -> Test:
    return lambda value, count: isinstance(value, list) and len(value) == count and all(
        test(one, count) for one in value)


def _by_tensor(test: Test) -> Test:
    return lambda value, count: isinstance(value, dict) and all(
        isinstance(name, str) and test(one, count) for name, one in value.items())


def _vector(value: Any, _: int) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "fiu"


def _entries(kinds: str) -> Test:
    """An array with an entry for each row, or a list with an array for each."""
    def row(value: Any, _: Any) -> bool:
        return isinstance(value, np.ndarray) and value.ndim > 0 and value.dtype.kind in kinds

    return lambda value, count: _array(kinds, range(1, 33))(value, count) or _by_row(row)(value, count)


def _span(value: Any, _: int) -> bool:
    return value is None or (isinstance(value, tuple) and len(value) == 2 and all(type(at) is int for at in value))


def _curve(value: Any, count: int) -> bool:
    return (isinstance(value, tuple) and len(value) == 2 and all(_vector(part, count) for part in value)
            and len(value[0]) == len(value[1]) > 0)


def _feature(value: Any, count: int) -> bool:
    return isinstance(value, Feature) and all(isinstance(part, str) for part in (
        value.column, value.feature, value.category, value.input)) and _number(value.value, count)


def _term(value: Any, count: int) -> bool:
    return len(value) == 2 and isinstance(value[0], tuple) and len(value[0]) > 0 and _number(value[1], count)


def _finding(value: Any, count: int) -> bool:
    return isinstance(value, Finding) and value.verdict in VERDICTS and all(
        isinstance(part, str) for part in (value.name, value.advice)) and (
        value.value is None or isinstance(value.value, (str, bool)) or _number(value.value, count)) and (
        not isinstance(value, Measured) or _measured(value, count))


def _measured(value: Measured, count: int) -> bool:
    """A measure keeps the numbers of all rows that were judged, of which the result may hold some."""
    def curve(one: Any, _: int) -> bool:
        return isinstance(one, Curve) and all(_vector(part, count) and len(part) == len(one[0]) for part in one)

    def places(one: Any, _: int) -> bool:
        return isinstance(one, tuple) and all(type(at) is int and at >= 0 for at in one)

    def stage(one: Any, _: int) -> bool:
        return isinstance(one, Stage) and isinstance(one.scope, str) and _number(one.value, count)

    return value.evaluations >= 0 and all(each is None or test(each, count) for each, test in (
        (value.rows, _vector), (value.interval, lambda pair, count: len(pair) == 2), (value.curves, _each(curve)),
        (value.positions, _each(places)), (value.stages, _each(stage))))


_ROWS, _TEXTS = _array("fiu", range(1, 2)), _each(_text)
# Fields that are by input tensor.
_OF_INPUTS = ("ids", "actual", "standard_error", "token_standard_error", "strings", "raw_texts", "spans")
_TESTS: Dict[str, Test] = {
    "values": lambda value, count: bool(value) and _by_tensor(_entries("fiu"))(value, count),
    "baseline_score": _ROWS, "delta": _ROWS, "steps": _array("iu", range(1, 2)),
    "evaluations": _array("iu", range(1, 2)),
    "converged": _array("b", range(1, 2)),
    "label": _array("iu", range(1, 3)), "prediction": _may_lack(_array("iu", range(1, 3))),
    "error_estimate": _may_lack(_ROWS), "baseline_feed_score": _may_lack(_ROWS),
    "outputs": _may_lack(_array("fiub", range(1, 33))), "baseline_output": _may_lack(_array("fiub", range(1, 33))),
    "output": _text, "method": _text, "baseline": _text, "running": _text, "technique": _text, "completeness": _text,
    "not_finite_at": _text, "output_kind": _may_lack(_text), "logits": _may_lack(_text),
    "fed_not_finite": _may_lack(_by_tensor(_by_row(lambda value, _: isinstance(value, bool)))),
    "tolerance": _may_lack(lambda value, count: _number(value, count) and value > 0),
    "coupled": _may_lack(lambda value, count: isinstance(value, bool)),
    "held_fixed": _TEXTS, "notes": _TEXTS,
    "called": _each(lambda value, count: len(value) == 2 and _text(value[0], count) and _TEXTS(value[1], count)),
    "replaced": _each(lambda value, count: len(value) == 2 and _TEXTS(value, count)),
    "token_texts": _may_lack(_by_row(_TEXTS)), "strings": _may_lack(_by_tensor(_by_row(_TEXTS))),
    "raw_texts": _may_lack(_by_tensor(_by_row(_text))), "spans": _may_lack(_by_tensor(_by_row(_each(_span)))),
    "ids": _may_lack(_by_tensor(_entries("iub"))), "actual": _may_lack(_by_tensor(_entries("fiub"))),
    "standard_error": _may_lack(_by_tensor(_entries("fiu"))),
    "token_standard_error": _may_lack(_by_tensor(_entries("fiu"))),
    "path": _may_lack(_by_row(_curve)), "path_errors": _may_lack(_by_row(_vector)),
    "weights": _may_lack(_by_row(lambda row, count: isinstance(row, list) and bool(row) and _each(_term)(row, count))),
    "rows": _may_lack(_array("iu", range(1, 2))), "positions": _may_lack(_array("iu", range(1, 2))),
    "features": _may_lack(_by_row(_each(_feature))), "graph_findings": _each(_finding),
    "measures": _each(_finding),
}
