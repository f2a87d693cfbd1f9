"""From what a method found to the record that the caller gets."""

import dataclasses
import sys
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from graph_tools.errors import FeedError
from graph_tools.graph import names
from graph_tools.graph.ops import SIZES
from graph_tools.running.values import as_text
from tf1_ig import integrate, methods, paths
from tf1_ig.engine import feeds
from tf1_ig.engine.packing import PointRunner
from tf1_ig.ensemble import Found
from tf1_ig.question import entries, raw_text
from tf1_ig.question.effort import Question
from tf1_ig.question.label import Label
from tf1_ig.question.resolve import Resolved
from tf1_ig.question.task import Task
from tf1_ig.result import features
from tf1_ig.result.attribution import Attribution, joined, row_sums, rows_of
from tf1_ig.result.claims import JUMPS, jump, rows_not_finite

_MANY, _LONG = 48, 60.0  # points of an example that are many, seconds that are long
_TRIED = 64  # points of a path that are looked at for the one where the gradient is not finite


class Asked(NamedTuple):
    """What was asked, by which method, and what stands behind the entries of the caller's rows."""

    resolved: Resolved
    question: Question
    name: str
    method: methods.Method
    options: Dict[str, Any]
    behind: Dict[str, Any]


def behind(engine: Any, resolved: Resolved, task: Task, batch_axis: Optional[int], question: Question, shown: bool
           ) -> Dict[str, Any]:
    """Ids, words and texts of the tokens, by the rows of the caller's feed; where they are ``shown``, spans, too."""
    return dict(entries.behind(engine, resolved, task, batch_axis), token_texts=texts(
        question.tokens, task.batch.count), **(raw_text.of_inputs(engine, resolved, task) if shown else {}))


def by_position(label: Label, count: int, found: Callable[[Label], Attribution]) -> Attribution:
    """The result of ``count`` rows that keep their company, asked about one position after the other."""
    order = np.lexsort((np.asarray(label.rows), np.asarray(label.positions)))
    parts = [found(label.of_rows(of_one)) for of_one in np.split(order, len(order) // count)]
    return joined(parts)[np.argsort(order).tolist()]


def record(asked: Asked, task: Task, label: Label, found: Found, runner: PointRunner) -> Attribution:
    """The result of one task; ``runner`` runs it."""
    effort, integral, values = asked.question.effort, found.integral, found.values
    rise = integral.score - integral.baseline_score
    total = sum(row_sums(value) for value in values.values())
    delta = total - rise
    with np.errstate(invalid="ignore"):
        mass = sum(row_sums([np.abs(row) for row in value] if isinstance(value, list) else np.abs(value))
                   for value in values.values())
        size = label.terms.size if integral.size is None else integral.size
        rounding = paths.ROUNDING * np.max([
            np.abs(integral.score), np.abs(integral.baseline_score), size, mass], axis=0)
        converged = np.isfinite(delta) & (np.abs(delta) <= np.maximum(effort.tolerance * np.abs(rise), rounding))
    shape = (task.batch.count,) + tuple(task.row_shape)
    told = asked.behind if label.rows is None else {
        name: rows_of(value, label.rows.tolist()) for name, value in asked.behind.items()}
    along = asked.method.kind == methods.ALONG_PATHS
    adaptive = along and effort.rule is None
    made = Attribution(
        values=values, score=integral.score, baseline_score=integral.baseline_score, delta=delta, label=label.shown,
        steps=integral.steps, evaluations=integral.evaluations, converged=converged, output=asked.resolved.output,
        method=asked.name if not along else "adaptive" if adaptive else effort.method,
        tolerance=effort.tolerance if adaptive else None, prediction=label.prediction,
        outputs=task.outputs.reshape(shape), baseline_output=found.start_outputs.reshape(shape),
        running=task.probed.running.mode, coupled=task.probed.running.coupled,
        held_fixed=_held(asked.resolved, task), replaced=_replaced(asked.resolved, task),
        called=asked.resolved.called,
        notes=asked.resolved.notes + task.probed.notes, error_estimate=integral.error_estimate, path=integral.path,
        path_errors=integral.path_errors, output_kind=asked.resolved.output_kind, logits=asked.resolved.logits,
        actual=_own_numbers(asked.resolved, task, values), weights=label.weights, rows=label.rows,
        positions=label.positions, features=features.by_feature(
            values, asked.resolved.columns, told["ids"], told["strings"]), **told)
    made = methods.complete(made, asked.method, found, asked.options)
    at_feed = None
    if task.baseline_feeds is not None and asked.name == "integrated_gradients":
        at_feed = runner.on(task.batch._replace(feeds=task.baseline_feeds), label.terms).scores(integrate.Rows(
            np.arange(task.batch.count), np.zeros(task.batch.count)))
    fed = _fed_not_finite(made, task)
    return dataclasses.replace(made, baseline_feed_score=at_feed, fed_not_finite=fed or None,
                               not_finite_at=_first_not_finite(found, made, fed),
                               notes=made.notes + _jumps(found, made))


def _jumps(found: Found, made: Attribution) -> Tuple[str, ...]:
    """A note on the op by which the score of the first row jumps that does so."""
    stretches = ((row, jump(made, row)) for row in np.flatnonzero(~made.converged).tolist())
    row, stretch = next(((row, stretch) for row, stretch in stretches if stretch), (0, None))
    op = found.runner.first_jump(row, *stretch) if stretch and found.runner is not None else ""
    return (JUMPS + op,) if op else ()


def _held(resolved: Resolved, task: Task) -> Tuple[str, ...]:
    """The feeds that decide past the attributed tensors, where they keep their values along the path."""
    index = resolved.model.index
    attributed = {spec.attributed.tensor for spec in resolved.inputs}
    given = {names.parse(tensor).node for tensor in attributed}
    decides = index.ancestors([resolved.output], stop=lambda name: name in given or index.op(name) in SIZES)
    return tuple(sorted(name for name in set(task.values) - attributed if names.parse(name).node in decides
                        and not all(index.op(use.node) in SIZES for use in index.uses(name))))


def _replaced(resolved: Resolved, task: Task) -> Tuple[Tuple[str, str], ...]:
    """What the caller calls the tensors whose placeholders the result names."""
    named = set(task.values) | {spec.name for spec in resolved.inputs} | {resolved.output}
    return tuple(sorted((new, old) for old, new in resolved.renamed.items() if new in named))


def _own_numbers(resolved: Resolved, task: Task, values: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    """What was attributed to, where it is the caller's own numbers and not rows of a table."""
    found = {spec.name: actual.reshape(np.shape(values[spec.name])) for spec, actual in zip(
        resolved.inputs, task.batch.actual) if not spec.ids and spec.attributed.owner is None}
    return found or None


def _fed_not_finite(made: Attribution, task: Task) -> Dict[str, List[bool]]:
    """Of the rows that are not finite, those that were fed a NaN or an infinity, by what the caller fed it to."""
    bad, called = rows_not_finite(made), dict(made.replaced)
    told: Dict[str, List[bool]] = {}
    for name, fed in sorted(task.fed.items()) if bad else ():
        if name not in task.values or fed.value.dtype.kind != "f" or np.isfinite(fed.value).all():
            continue
        wrong = {row for row in bad if not np.isfinite(feeds.take_rows(
            {name: fed}, np.array([row]), task.batch.count)[name]).all()}
        if wrong:
            told[called.get(name, name)] = [row in wrong for row in range(len(made))]
    return told


def _first_not_finite(found: Found, made: Attribution, fed: Dict[str, List[bool]]) -> str:
    """The op behind the first row that is not finite though its feed is, else behind the first and what was fed so, in
    words; ``""`` when all are finite."""
    rows = rows_not_finite(made)
    if not rows:
        return ""
    words, row = "", next((one for one in rows if not any(odd[one] for odd in fed.values())), rows[0])
    if found.runner is not None and made.path is not None and not np.isfinite(made.delta[row]):
        alphas, scores = made.path[row]
        wrong = alphas[~np.isfinite(scores)]
        some = np.unique(np.linspace(0, len(alphas) - 1, _TRIED).astype(int))
        words = found.runner.first_not_finite(row, wrong[:1] if len(wrong) else alphas[some])
    odd = [name for name, of_rows in fed.items() if of_rows[row]]
    return "%s (not finite as fed: %s)" % (words or "the feed", ", ".join(odd)) if odd else words


def texts(tokens: Any, count: int) -> Optional[List[List[str]]]:
    if tokens is None:
        return None
    rows = list(tokens)
    if count == 1 and rows and all(isinstance(token, (str, bytes)) for token in rows):
        rows = [rows]
    if len(rows) != count:
        raise FeedError("tokens has %d rows, the feed has %d; pass one list of texts per row" % (len(rows), count))
    return [[as_text(token) for token in row] for row in rows]


def waited_for(asked: Asked, examples: int) -> "progress":
    """The progress of an answer for so many examples."""
    effort, along = asked.question.effort, asked.method.kind == methods.ALONG_PATHS
    return progress(asked.question.progress, examples * effort.steps if along and effort.steps else None, examples,
                    most=effort.max_steps if along and not effort.steps else None)


class progress:
    """Called with numbers of evaluated rows: a bar on the screen, a word on what takes long, or nothing.

    Args:
      shown: whether there is a bar, which is gone when the work is done; or a function, which is given a line where the
        work is going to take more than a minute.
      total: how many evaluations there will be, where that is known; else the examples that are done tell how long the
        others will take.
      examples: how many there are.
      doing, what: what is done, and what it is done to, in words.
      most: most evaluations of an example, where they are many only if they must be.
    """

    def __init__(self, shown: Any, total: Optional[int], examples: int = 1, doing: str = "explain",
                 what: str = "examples", most: Optional[int] = None):
        self._bar, self._examples, self._done, self._begun = None, examples, 0, time.monotonic()
        self._known, self._what, self._most, self._ran = total is not None, what, most, 0
        self._told = shown if callable(shown) else None
        if shown and not callable(shown):
            import tqdm  # only who wants a bar needs it

            self._bar = tqdm.tqdm(total=total, unit=" evaluations", desc=doing, leave=False)

    def __enter__(self) -> "progress":
        return self

    def __exit__(self, *_: Any) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, rows: int) -> None:
        self._ran += rows
        if self._bar is not None:
            self._bar.update(rows)
        if self._most is not None and self._ran >= _MANY * self._examples and not self._done:
            each, most, self._most = (time.monotonic() - self._begun) / self._ran, self._most, None
            if each * most * self._examples > _LONG:
                self.say("%d points took %.0f s and are not enough; up to %d may be asked, which takes %.0f minutes. A "
                         "larger tolerance takes fewer; 16 steps take %.0f s" % (
                             self._ran, each * self._ran, most * self._examples, each * most * self._examples / 60,
                             max(1, 16 * each * self._examples)))

    def say(self, line: str) -> None:
        """Tells whoever waits a line; nothing where there is none."""
        if self._bar is not None and line:
            self._bar.write(line, file=sys.stderr)
        elif self._told is not None and line:
            self._told(line)

    def example_done(self) -> None:
        """An example needs no more evaluations."""
        self._done += 1
        if self._bar is not None and not self._known:
            left = (time.monotonic() - self._begun) / self._done * (self._examples - self._done)
            self._bar.set_postfix_str("%d of %d %s, %.0f s left" % (self._done, self._examples, self._what, left),
                                      refresh=False)
