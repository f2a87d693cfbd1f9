"""One explanation of an example, before anybody is told to try it: what came of it, and as what it has to be asked for.

Of a large graph the output is only computed: building its gradient would take longer than anybody waits.
"""

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from graph_tools import _tf
from graph_tools.errors import FeedError, GraphToolsError, one_line, some
from graph_tools.find.decided import Decided
from graph_tools.graph import names
from graph_tools.model import Model
from graph_tools.report import Finding
from tf1_ig.engine.failed_run import RunFailed
from tf1_ig.errors import BatchError, LabelError
from tf1_ig.explainer import IntegratedGradients
from tf1_ig.question import graph_facts, resolve
from tf1_ig.question.label import top_or_none
from tf1_ig.question.samples import Sample

_SILENT = ("every attribution of the example is zero: the output does not change on the way from the baseline; feed "
           "rows of your own, or choose another output or label")
_UNTRAINED = ("every attribution of the example is zero, and of the weights behind %s %d of %d hold nothing but zeros "
              "(%s), as before the first step of training: load a later checkpoint")
_STEPS = 2                           # points of the trial
_LARGE = 1500                        # nodes behind an output of which no gradient is built
_CERTAIN = 1 - 1e-4                  # of a probability: there single precision hardly knows its gradient
_LIMIT = 60.0                        # most seconds of one run of it


class Rows(NamedTuple):
    """The number of rows of an example, whether the graph fixes it, and the axis of those that have steps, too."""

    count: int  # type: ignore[assignment]  # tuples have a method of that name
    fixed: bool
    axis: int = 0


class Trial(NamedTuple):
    """What came of an example; the fields are those of a ``Proposal``."""

    batch_axis: Optional[int] = 0
    label: Optional[str] = None
    attributed: Tuple[str, ...] = ()
    findings: Tuple[Finding, ...] = ()
    obstacle: str = ""
    renamed: Mapping[str, str] = {}
    silent: bool = False
    saturated: bool = False
    may_fit: bool = True
    tried: bool = True


def may_be_rows(output: Any, count: int) -> bool:
    """Whether the size of an input can be a number of rows: the output says how many it has, or does not know."""
    shape = output.shape
    return shape is None or not shape or shape[0] is None or shape[0] % count == 0


def run(model: Model, output: Any, samples: Mapping[str, Sample], rows: Rows) -> Trial:
    """The explanation of an example, with its first axis as that of the rows, or else as one example."""
    feed = {name: sample.array for name, sample in samples.items()}
    axes: Tuple[Optional[int], ...] = (None,) if output.shape == () or not may_be_rows(output, rows.count) else (
        rows.axis, None)
    tell = _computed if _is_large(model, output.tensor) else _explained
    found: List[Trial] = []
    for axis in axes:
        one, other = tell(model, output, feed, axis)
        found.append(one)
        if not other:
            break
    # Where the whole feed is no example either, the rows were in the way of nothing.
    return next((one for one in reversed(found) if not one.obstacle), found[0])


def _explained(model: Model, output: Any, feed: Dict[str, np.ndarray], axis: Optional[int]) -> Tuple[Trial, bool]:
    """One explanation, and whether the feed may be one example instead of rows."""
    label = _label(output.shape, axis)
    kept: Dict[str, Any] = {"batch_axis": axis, "label": label}
    try:
        with IntegratedGradients(model, output, batch_axis=axis, time_limit=_LIMIT) as trial:
            kept.update(attributed=trial.inputs, findings=tuple(trial.findings()), renamed=trial.resolved.renamed)
            kept["label"], result = _answer(trial, feed, label, output.shape, axis)
            kept.update(findings=tuple(trial.findings()))
            apart = axis is None or result.running != "in company" or _follow(trial, feed)
        silent = not any(np.any(row) for value in result.values.values() for row in value)
        saturated = output.kind in ("softmax", "sigmoid") and bool(np.all(np.asarray(result.score) > _CERTAIN))
        return Trial(obstacle=_why_silent(model, output.tensor) if silent else "", silent=silent, saturated=saturated,
                     **kept), not apart
    except BatchError as wrong:
        return Trial(obstacle=one_line(wrong), **kept), True
    except GraphToolsError as wrong:
        return Trial(obstacle=one_line(wrong), may_fit=isinstance(wrong, (RunFailed, FeedError, LabelError)),
                     **kept), False


def _follow(trial: IntegratedGradients, feed: Dict[str, np.ndarray]) -> bool:
    """Whether rows of a feed that are turned round turn the rows of the output round."""
    before = trial.outputs(feed)
    after = trial.outputs(_turned(feed, len(before)))
    return before.shape == after.shape and np.allclose(before[::-1], after, rtol=1e-3, atol=1e-6)


def _turned(feed: Mapping[str, np.ndarray], rows: int) -> Dict[str, np.ndarray]:
    return {name: value[::-1] if np.ndim(value) and len(value) == rows else value for name, value in feed.items()}


def _answer(trial: IntegratedGradients, feed: Dict[str, np.ndarray], label: Optional[str], shape: Any, axis: Any
            ) -> Tuple[Optional[str], Any]:
    """An explanation, and its label: that of the first element where rows have another shape than is declared."""
    try:
        return label, _asked(trial, feed, label, shape, axis)
    except LabelError:
        row = trial.outputs(feed).shape[1:]
        first = ",".join("0" * len(row))
        if not row or not np.prod(row) or first == label:
            raise
        return first, _asked(trial, feed, first, shape, axis)


def _asked(trial: IntegratedGradients, feed: Dict[str, np.ndarray], label: Optional[str], shape: Any, axis: Any) -> Any:
    if label is not None:
        return trial.explain(feed, label=tuple(int(part) for part in label.split(",")), steps=_STEPS)
    return top_or_none(lambda label: trial.explain(feed, label=label, steps=_STEPS),
                       axis is not None and (shape is None or len(shape) > 1))


def _label(shape: Optional[Sequence[Optional[int]]], axis: Optional[int]) -> Optional[str]:
    """The first position and class of an output that has several, where ``explain`` cannot choose."""
    rank = 0 if shape is None else len(shape) - (axis is not None)
    return ",".join("0" * rank) if rank > 1 or axis is None and rank == 1 else None


def _why_silent(model: Model, output: str) -> str:
    """What to say where every attribution is zero: of a model that never learned anything, that it did not."""
    behind = model.index.ancestors([output], control=False)
    weights = [name for name in model.variables if name in behind and np.ndim(model.variables[name]) > 1]
    zero = [name for name in weights if np.asarray(model.variables[name]).dtype.kind == "f"
            and not np.any(model.variables[name])]
    return _UNTRAINED % (output, len(zero), len(weights), some(zero, 3)) if zero else _SILENT


# -- large graphs ----------------------------------------------------------------------------------------------------

def _is_large(model: Model, output: str) -> bool:
    return len(model.index.ancestors([names.tensor_name(output)], control=False)) > _LARGE


def _computed(model: Model, output: Any, feed: Dict[str, np.ndarray], axis: Optional[int]) -> Tuple[Trial, bool]:
    """One run of an output with no gradient, and whether the feed may be one example instead of rows."""
    kept: Dict[str, Any] = {"batch_axis": axis, "label": _label(output.shape, axis), "tried": False}
    try:
        resolved = resolve.resolve(model, output, "auto")
        known = {name: value for name, value in feed.items() if value.ndim == 0 and value.dtype.kind in "biuf"}
        kept.update(attributed=tuple(spec.name for spec in resolved.inputs), renamed=resolved.renamed)
        kept.update(findings=tuple(graph_facts.findings(graph_facts.Scene(
            Decided(resolved.model.index, known), resolved.output,
            tuple(spec.attributed.tensor for spec in resolved.inputs),
            tuple(spec.ids for spec in resolved.inputs if spec.ids)))))
        fed = {resolved.renamed.get(name, name): value for name, value in feed.items()}
        resolved.model.require([resolved.output], fed)
        with resolved.model.open_session() as session:
            value = np.asarray(session.run(resolved.output, fed))
            rows = len(value) if value.ndim else 1
            turned = _turned(fed, rows)
            apart = axis is None or rows == 1 or all(turned[name] is fed[name] for name in fed) or np.allclose(
                value[::-1], session.run(resolved.output, turned), rtol=1e-3, atol=1e-6)
    except GraphToolsError as wrong:
        return Trial(obstacle=one_line(wrong), **kept), isinstance(wrong, BatchError)
    except (ValueError, _tf.tf.errors.OpError) as wrong:
        return Trial(obstacle="%s; check the values and sizes of the feed" % one_line(wrong, 300), **kept), False
    if not value.size:
        return Trial(obstacle="%s has shape %s under the example: it has no element to explain; feed other sizes" % (
            resolved.output, list(value.shape)), **kept), False
    return Trial(**kept), not apart
