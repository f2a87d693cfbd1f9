"""One explanation of an example, before anybody is told to try it: what came of it, and as what it has to be asked for.

Of a large graph the output is only computed: building its gradient would take longer than anybody waits.
"""

import contextlib
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Type

import numpy as np

from graph_tools.errors import FeedError, GraphToolsError, UnfinishedRunError, one_line
from graph_tools.graph import names
from graph_tools.model import Model
from graph_tools.report import Finding
from tf1_ig.engine.failed_run import RunFailed
from tf1_ig.engine.packing import IN_COMPANY
from tf1_ig.errors import BatchError, LabelError
from tf1_ig.explainer import IntegratedGradients
from tf1_ig.question import samples, silent, start
from tf1_ig.question.company import ROWS
from tf1_ig.question.label import top_or_none
from tf1_ig.question.pace import Clock, Late, Pace
from tf1_ig.question.samples import Sample
from tf1_ig.question.tried import Reader, Rows, Tried

_ONE = "an input of %s has a leading size of its own, whatever the rows: they are one example"
_NOT_FINITE = "%s is not finite on the way from the baseline to the example: first in %s; feed rows of your own, or " \
              "choose a baseline from which it is"
_JUMPS = "%s jumps right behind the baseline, where no integral of its gradient says by what: first in %s; choose " \
         "another baseline"
_LATE = "the example was computed, in %.1f seconds, and not explained: a gradient takes longer than inspect waits; " \
        "the command below waits for it (--time-limit SECONDS: for each run)"
_UNFINISHED = "the example was not run to its end: %s; the command below waits longer (--time-limit SECONDS: for " \
              "each run)"
_FEWER = 2                           # runs of an output that tell whether fewer rows do
STEPS = 2                            # points of the trial
_LARGE = 1500                        # nodes behind an output of which no gradient is built
_LIMIT = 60.0                        # most seconds of one run of it


class Trial(NamedTuple):
    """What came of an example; the fields are those of a ``Proposal``."""

    rows: int = 1
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
    baseline: start.Start = ()
    singular: str = ""
    jumps: str = ""
    late: str = ""
    skipped: str = ""


def may_be_rows(output: Any, count: int) -> bool:
    """Whether the size of an input can be a number of rows: the output says how many it has, or does not know."""
    shape = output.shape
    return shape is None or not shape or shape[0] is None or shape[0] % count == 0


class Trials(contextlib.ExitStack):
    """Trials of one output of a model, with feeds of several sizes; what is opened for them is closed at the end.
    ``begun``: when that began whose time they share."""

    def __init__(self, model: Model, output: Any, begun: Optional[Clock] = None):
        super().__init__()
        self._model, self._output = model, output
        self._pace = Pace(begun)
        large = _is_large(model, output.tensor)
        self._tell = self._computed if large else self._explained
        self._kind: Type[Tried] = Reader if large else Tried
        self._open: Dict[Optional[int], Tried] = {}

    def run(self, made: Mapping[str, Sample], rows: Rows) -> Trial:
        """The explanation of an example, with its first axis as that of the rows, or another, or else as one example.
        """
        feed = {name: sample.array for name, sample in made.items()}
        found: List[Trial] = []
        for one in _ways(self._output, feed, rows):
            trial, other = self._tell(feed, one)
            found.append(trial._replace(skipped=self._pace.unseen()))
            if not other:
                break
        # Where the whole feed is no example either, the rows were in the way of nothing; one of which every attribution
        # is zero may be one with other values.
        return next((one for one in reversed(found) if not one.obstacle), next(
            (one for one in found if one.silent), found[0]))

    def computed(self, axis: Optional[int]) -> bool:
        """Whether the output of the last example was computed, if nothing else."""
        return axis in self._open and self._open[axis].was_read

    def again(self, axis: Optional[int], label: Optional[str], baseline: start.Start
              ) -> Tuple[str, Callable[..., Any], Callable[..., np.ndarray], Pace]:
        """How points of the last example were run; what explains it in some steps, by what a ``Trial`` says of it; what
        tells its outputs, or those of another feed; and how long its runs take."""
        tried = self._open[axis]
        feed = tried.feed

        def explained(steps: int) -> Any:
            return _labelled(lambda one: tried.explain(feed, one, dict(baseline) or "zero", steps=steps), label,
                             self._output.shape, axis)

        def outputs(other: Optional[Dict[str, np.ndarray]] = None) -> np.ndarray:
            return tried.outputs(feed if other is None else other)

        return tried.running, explained, outputs, self._pace

    def _along(self, axis: Optional[int]) -> "Tried":
        """What tries feeds whose rows are along an axis: their graph and its gradient are made once for all feeds."""
        if axis in self._open and not self._open[axis].as_made:
            self._open.pop(axis).close()  # before another takes as much memory
        if axis not in self._open:
            self._open[axis] = self._kind(self._model, self._output, batch_axis=axis, time_limit=_LIMIT)
            self._open[axis].keeps(self._pace)
            self.enter_context(self._open[axis])
        return self._open[axis]

    def _explained(self, feed: Dict[str, np.ndarray], rows: Rows) -> Tuple[Trial, bool]:
        """One explanation, and whether the rows may be others, or the feed one example instead."""
        model, output, axis = self._model, self._output, rows.axis
        label = _label(output.shape, axis)
        kept: Dict[str, Any] = {"batch_axis": axis, "label": label, "rows": rows.count}
        try:
            trial = self._along(axis)
            kept.update(attributed=trial.inputs, renamed=trial.resolved.renamed)
            if trial.is_one(rows):
                return Trial(obstacle=_ONE % trial.output, **kept), True
            kept["label"], result = _with_findings(
                trial, kept, lambda: self._in_few_runs(trial, feed, label, axis))
            if kept["label"] is not None and _is_silent(result):  # of a first element that nothing moves
                kept["label"], result = self._pace.unless_late(
                    lambda: _answer(trial, feed, _moved(trial, feed, axis), output.shape, axis),
                    (kept["label"], result))
            about = _about(trial, feed, kept["label"], output.shape, axis)
            kept["jumps"] = self._jumps(about, result, rows) if np.all(
                result.finite) and not _is_silent(result) else ""
            if kept["jumps"] or not np.all(result.finite):
                kept["singular"] = kept["jumps"] or result.not_finite_at
                other = self._pace.unless_late(
                    lambda: start.smooth(about) if kept["jumps"] else start.finite(about), None)
                if other is None:
                    return Trial(obstacle=(_JUMPS if kept["jumps"] else _NOT_FINITE) % (
                        output.tensor, kept["singular"] or "it"), **kept), False
                kept["baseline"], result = other
            apart = self._are_apart(trial, feed, axis)
            if _is_silent(result):
                obstacle, learnt = silent.why(model, output.tensor)
                return Trial(obstacle=obstacle, silent=True, may_fit=learnt, **kept), not apart
            return Trial(saturated=silent.is_certain(output, result.score), **kept), not apart
        except BatchError as wrong:
            return Trial(obstacle=one_line(wrong), **kept), True
        except GraphToolsError as wrong:
            if isinstance(wrong, UnfinishedRunError) and not self._pace.forward:
                return Trial(late=_UNFINISHED % one_line(wrong), tried=False, **kept), False
            if isinstance(wrong, UnfinishedRunError) and self._pace.hasty:
                return self._computed(feed, rows, _LATE % self._pace.forward if isinstance(wrong, Late) else
                                      _UNFINISHED % one_line(wrong))
            return Trial(obstacle=one_line(wrong), may_fit=isinstance(wrong, (RunFailed, FeedError, LabelError)),
                         **kept), False

    def _in_few_runs(self, trial: Tried, feed: Dict[str, np.ndarray], label: Optional[str], axis: Optional[int]
                     ) -> Tuple[Optional[str], Any]:
        """``_answer``; in haste one point tells, and where nothing moves it, those of any trial."""
        trial.outputs(feed)  # which tells whether there is haste
        if not self._pace.hasty:
            clock = Clock()
            quick = _answer(trial, feed, label, self._output.shape, axis)
            self._pace.answer = clock.passed
            return quick
        each = len(trial.outputs(feed)) if trial.running == IN_COMPANY else 1
        self._pace.require(each, each)
        found = _answer(trial, feed, label, self._output.shape, axis, 1)
        return self._pace.unless_late(
            lambda: _answer(trial, feed, found[0], self._output.shape, axis), found) if _is_silent(found[1]) else found

    def _jumps(self, about: start.Ask, result: Any, rows: Rows) -> str:
        """The op by which the score jumps, as far as there is time; whether fewer rows do comes first."""
        def found() -> str:
            self._pace.require(1 + _FEWER * (rows.count > 1), 0)
            return start.jumps(about, result)

        return self._pace.unless_late(found, "", "whether the score jumps right behind the baseline")

    def _are_apart(self, trial: Tried, feed: Dict[str, np.ndarray], axis: Optional[int]) -> bool:
        """Whether rows are examples, as far as there is time to look where they only run in company."""
        def follow() -> bool:
            self._pace.require(1, 0)
            return axis is not None and trial.kept(lambda: _follow(trial, feed, axis))

        return axis is None or trial.running != IN_COMPANY or self._pace.unless_late(follow, True, ROWS)

    def _computed(self, feed: Dict[str, np.ndarray], rows: Rows, late: str = "") -> Tuple[Trial, bool]:
        """Runs of an output with no gradient, and whether the rows may be others, or the feed one example instead.

        ``late``: what took too long, in a line, where that is why there is no gradient.
        """
        output, axis = self._output, rows.axis
        kept: Dict[str, Any] = {"batch_axis": axis, "label": _label(output.shape, axis), "rows": rows.count,
                                "tried": False}
        try:
            trial = self._along(axis)
            kept.update(attributed=trial.inputs, renamed=trial.resolved.renamed)
            if trial.is_one(rows):
                return Trial(obstacle=_ONE % trial.output, **kept), True
            found = _with_findings(trial, kept, lambda: trial.outputs(feed))
            if output.shape is None:
                kept["label"] = _label(found.shape[axis is None:], axis)
            if not found.size:
                return Trial(obstacle="%s has rows of shape %s under the example: it has no element to explain; feed "
                             "other sizes" % (trial.output, list(found.shape[1:])), **kept), False
            if late:
                kept.update(saturated=silent.is_certain(output, silent.scores(found, kept["label"])), late=late)
            return Trial(**kept), not (rows.count == 1 or self._are_apart(trial, feed, axis))
        except UnfinishedRunError as wrong:
            return Trial(late=_UNFINISHED % one_line(wrong), **kept), False
        except GraphToolsError as wrong:
            return Trial(obstacle=one_line(wrong), may_fit=isinstance(wrong, (RunFailed, FeedError, LabelError)),
                         **kept), isinstance(wrong, BatchError)


def _with_findings(trial: IntegratedGradients, kept: Dict[str, Any], run: Callable[[], Any]) -> Any:
    """What a run gives; the facts of the graph are kept as they are after it, whether it fails or not."""
    try:
        return run()
    finally:
        kept["findings"] = tuple(trial.findings())


def _ways(output: Any, feed: Mapping[str, np.ndarray], rows: Rows) -> List[Rows]:
    """Along which axis the rows may stand; where sizes are fixed, all that is fed may have its steps first."""
    if output.shape == ():
        return [rows._replace(axis=None)]
    found = [rows]
    second = {value.shape[1] for value in feed.values() if value.ndim > 1}
    if rows.fixed and not rows.axis and len(second) == 1 and not rows.several:
        found.append(rows._replace(count=second.pop(), axis=1))
    return [one for one in found if may_be_rows(output, one.count)] + [rows._replace(axis=None)]


def _is_silent(result: Any) -> bool:
    return not any(np.any(row) for value in result.values.values() for row in value)


def _moved(trial: IntegratedGradients, feed: Dict[str, np.ndarray], axis: Optional[int]) -> Optional[str]:
    """The label of an element of the output that may move where its first does not: of a whole output the largest, of
    positions the first of the last one."""
    output = np.abs(trial.outputs(feed)[0])
    if axis is None:
        return ",".join(map(str, np.unravel_index(np.argmax(output), output.shape))) if output.ndim else None
    return ",".join([str(size - 1) for size in output.shape[:-1]] + ["0"])


def _follow(trial: IntegratedGradients, feed: Dict[str, np.ndarray], axis: int) -> bool:
    """Whether rows of a feed that are turned round turn the rows of the output round."""
    before = trial.outputs(feed)
    return _are_turned(before, trial.outputs(_turned(feed, len(before), axis)))


def _turned(feed: Mapping[str, np.ndarray], rows: int, axis: int) -> Dict[str, np.ndarray]:
    return {name: np.flip(value, axis) if np.ndim(value) > axis and np.shape(value)[axis] == rows else value
            for name, value in feed.items()}


def _are_turned(before: np.ndarray, after: np.ndarray) -> bool:
    return before.shape == after.shape and np.allclose(before[::-1], after, rtol=1e-3, atol=1e-6)


def _answer(trial: IntegratedGradients, feed: Dict[str, np.ndarray], label: Optional[str], shape: Any, axis: Any,
            steps: int = STEPS) -> Tuple[Optional[str], Any]:
    """An explanation, and its label: that of the first element where rows have another shape than is declared."""
    try:
        return label, _asked(trial, feed, label, shape, axis, steps)
    except LabelError:
        row = trial.outputs(feed).shape[1:]
        first = ",".join("0" * len(row))
        if not row or not np.prod(row) or first == label:
            raise
        return first, _asked(trial, feed, first, shape, axis, steps)


def _asked(trial: IntegratedGradients, feed: Dict[str, np.ndarray], label: Optional[str], shape: Any, axis: Any,
           steps: int) -> Any:
    return _labelled(lambda label: trial.explain(feed, label, steps=steps), label, shape, axis)


def _labelled(ask: Callable[[Any], Any], label: Optional[str], shape: Any, axis: Any) -> Any:
    """The answer for a label, or for the largest element of each row."""
    if label is not None:
        return ask(tuple(int(part) for part in label.split(",")))
    return top_or_none(ask, axis is not None and (shape is None or len(shape) > 1))


def _about(trial: Tried, feed: Dict[str, np.ndarray], label: Optional[str], shape: Any, axis: Any) -> start.Ask:
    """An example, as other baselines of it are asked for."""
    specs, index, called = trial.resolved.inputs, trial.resolved.model.index, trial.resolved.renamed
    numbers = [spec.name for spec in specs if not spec.ids and spec.attributed.owner is None]

    def ids() -> List[str]:
        whole = {name: names.parse(called.get(name, name)) for name, value in feed.items()
                 if value.ndim and value.dtype.kind == "i"}
        found = [[name for name in whole if spec.ids and whole[name] in samples.behind(index, spec.ids)]
                 for spec in specs if spec.name not in numbers]
        return [name for name in whole if any(name in some for some in found)] if all(found) else []

    return start.Ask(
        lambda baseline, **more: _labelled(
            lambda one: trial.explain(feed, one, baseline, **{"steps": STEPS, **more}), label, shape, axis),
        lambda baseline, *at: _labelled(lambda one: trial.near(feed, one, baseline, *at), label, shape, axis),
        numbers, [spec.name for spec in specs if spec.name not in numbers], ids)


def _label(shape: Optional[Sequence[Optional[int]]], axis: Optional[int]) -> Optional[str]:
    """The first position and class of an output that has several, where ``explain`` cannot choose."""
    rank = 0 if shape is None else len(shape) - (axis is not None)
    return ",".join("0" * rank) if rank > 1 or axis is None and rank == 1 else None


# -- large graphs ----------------------------------------------------------------------------------------------------

def _is_large(model: Model, output: str) -> bool:
    return len(model.index.ancestors([names.tensor_name(output)], control=False)) > _LARGE


