"""``IntegratedGradients``: one object per (model, output, inputs) that explains batch after batch."""

import copy
import dataclasses
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from graph_tools.errors import FeedError
from graph_tools.find.decided import Decided
from graph_tools.model import Model
from graph_tools.report import Finding
from tf1_ig import baselines, ensemble, integrate, quadrature, variants
from tf1_ig.engine import prefix, probe, target
from tf1_ig.engine.at import At, Scene
from tf1_ig.engine.layout import Layout
from tf1_ig.engine.operated import Engine
from tf1_ig.engine.packing import IN_COMPANY, ONE_AT_A_TIME, Batch, PointRunner, RunLimits, RunSizes
from tf1_ig.errors import MethodError
from tf1_ig.question import entries, graph_facts, resolve
from tf1_ig.question.task import Task, TaskReader
from tf1_ig.result import features
from tf1_ig.result.attribution import Attribution

# Most rows in one run, and most floats of attributed tensors in one run: how many are best is learnt below that. Loops
# gain a little more from more rows, at the cost of memory.
ROWS_PER_RUN = 320
FLOATS_PER_RUN = 1 << 21
_TRIED = 64  # points of a path that are looked at for the one where the gradient is not finite


class IntegratedGradients:
    """Integrated Gradients of one output of a model by one or several of its tensors.

    ``attribution = (input - baseline) * mean over the path of d score / d input`` (Sundararajan, Taly, Yan: Axiomatic
    Attribution for Deep Networks, ICML 2017, equation 1), computed on a copy of the graph that is operated on once;
    the model, the caller's graph and the caller's session are never touched.

    Args:
      model: a ``graph_tools.Model``.
      output: the tensor to explain, by name, as a ``tf.Tensor`` or as a ``Candidate``.
      inputs: one tensor or several, interpolated together: embedding rows, pixels, numeric columns; by name, as
        ``tf.Tensor`` or as ``Candidate``. ``"auto"``: every embedding that reaches the output, or where there is none
        the float placeholders that do.
      batch_axis: the axis of the examples in feeds and attributed tensors; ``None``: the feed is one example.
      config: ``tf.ConfigProto`` of the session.
      time_limit: most seconds that one run of the graph may take before it is stopped (a loop of the model may never
        end at a baseline). ``None``: 200 times the longest run so far and at least a minute; ten minutes for the
        first.

    Raises:
      BlockedRunError: a run did not end (by ``explain``); it names the loop.
      GraphToolsError: the kind and the message say what: an unknown tensor, no gradient path, an ambiguous choice.

    Example:
      >>> with tf1_ig.IntegratedGradients(gt.load("model.pb"), "scores:0") as explainer:      # doctest: +SKIP
      ...     result = explainer.explain({"ids:0": ids}, label="top")
      ...     result.tokens
    """

    def __init__(self, model: Model, output: Any, inputs: Any = "auto", batch_axis: Optional[int] = 0,
                 config: Any = None, time_limit: Optional[float] = None) -> None:
        self.resolved = resolve.resolve(model, output, inputs)
        self.batch_axis = batch_axis
        self._options = config, time_limit
        self._opened: List[Any] = []
        self._steady: Optional[bool] = None
        self._facts: Dict[Any, List[Finding]] = {}
        self._fed: Dict[str, np.ndarray] = {}   # the last feed's scalars: they may decide which branch is taken
        self._sizes: Dict[Tuple[str, int], RunSizes] = {}
        self._open()

    def _open(self, leaner: bool = True) -> None:
        """Makes the engine; one that there is already stays open, since another thread may be using it."""
        inputs = [spec.attributed for spec in self.resolved.inputs]
        engine = Engine(self.resolved.model, self.output, inputs, self.batch_axis, *self._options, leaner=leaner)
        self._opened += [engine]
        self._engine, self._reader = engine, TaskReader(engine, self.resolved, self.batch_axis)
        self._prefix = prefix.OptionalPrefix(self.resolved.model, engine, *self._options)
        self._opened += [self._prefix]

    @property
    def output(self) -> str:
        """Name of the explained tensor."""
        return self.resolved.output

    @property
    def inputs(self) -> Tuple[str, ...]:
        """Names of the attributed tensors, as they were given."""
        return tuple(spec.name for spec in self.resolved.inputs)

    def __enter__(self) -> "IntegratedGradients":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def findings(self) -> List[Finding]:
        """What the graph itself says against explanations: random ops, batch statistics, ops that stop gradients."""
        key = self._steady, tuple(sorted((name, value.tobytes()) for name, value in self._fed.items()))
        if key not in self._facts:
            self._facts[key] = graph_facts.findings(graph_facts.Scene(
                Decided(self.resolved.model.index, self._fed), self.resolved.output,
                tuple(spec.attributed.tensor for spec in self.resolved.inputs),
                tuple(spec.ids for spec in self.resolved.inputs if spec.ids), self._steady))
        return list(self._facts[key])

    def close(self) -> None:
        """Closes the session."""
        for opened in self._opened:
            opened.close()

    def explain(self, feed: Mapping[Any, Any], label: Any = None, baseline: Any = "zero",
                method: str = "gausslegendre", steps: Optional[int] = None, tolerance: float = 0.01,
                max_steps: int = 1024, batch_size: Optional[int] = None, tokens: Any = None, progress: bool = False,
                shared_feeds: Sequence[Any] = (), row_feeds: Sequence[Any] = (),
                memory_limit: Optional[int] = None) -> Attribution:
        """Explains every row of a feed.

        Args:
          feed: arrays by tensor (name, ``tf.Tensor`` or ``Candidate``), as for ``session.run``; it is not changed.
          label: which element of an output row: a class, one per row, an index tuple for outputs of rank > 2 such as
            ``(token, class)``, one such tuple per row, or ``"top"``; ``None`` where a row has a single element.
          baseline: ``"zero"``, ``"mean"``, an array, ``{"mean": rows}``, or ``{tensor: value}`` (also
            ``{"ids:0": padding_id}``); see ``tf1_ig.baselines.resolve``.
          method: the rule of a fixed number of steps: ``"gausslegendre"``, ``"midpoint"``, ``"trapezoid"``,
            ``"left"``, ``"right"``; or a grid of another library (``tf1_ig.quadrature.GRIDS``).
          steps: number of nodes of that rule; ``None``: nodes are placed where they are needed until the completeness
            error is within ``tolerance``, whatever ``method`` says.
          tolerance: relative completeness error, ``|delta| / |score - baseline_score|``.
          max_steps: most nodes for one row; a row that needs more comes back with ``converged`` false.
          batch_size: most rows in one run.
          tokens: texts to show, one list per row (or one list for a single row).
          progress: show a progress bar.
          shared_feeds: feeds that all rows share although their length is a multiple of the batch.
          row_feeds: feeds whose leading axis follows the rows although it could be taken for a constant.
          memory_limit: most bytes that the tensors of one run may take together (weights not counted): runs hold so
            many rows as fit. Measured by TensorFlow's own trace of a few rows; a run holds less than that at a time.

        Returns:
          An ``Attribution``.

        Raises:
          FeedError, LabelError, BaselineError, MethodError, BatchError: what is wrong and what to pass instead.
        """
        rule = _rule(method, steps, tolerance, max_steps)
        limits = RunLimits(batch_size, memory_limit).checked()
        task, flat_label, labels, sizes = self._begin(feed, label, baseline, limits, shared_feeds, row_feeds)
        with _progress(progress, task.batch.count * steps if rule else None) as advance:
            task, runner, baseline_outputs, integral = self._surely(
                task, flat_label, _integral_of(rule, tolerance, max_steps), steps, limits, advance)
        found = self._attribution(task, baseline_outputs, integral, labels, "adaptive" if rule is None else method,
                                  tolerance, rule is None, baselines.describe(baseline), tokens)
        at_feed = None if task.baseline_feeds is None else PointRunner(
            self._engine, task.batch._replace(feeds=task.baseline_feeds), task.probed.running, flat_label,
            sizes).scores(integrate.Rows(np.arange(task.batch.count), np.zeros(task.batch.count)))
        return dataclasses.replace(found, baseline_feed_score=at_feed, not_finite_at=_first_not_finite(runner, found),
                                   graph_findings=tuple(self.findings()))

    def explain_variant(self, variant: str, feed: Mapping[Any, Any], label: Any = None,
                        method: str = "gausslegendre", steps: Optional[int] = None, tolerance: float = 0.01,
                        max_steps: int = 1024, batch_size: Optional[int] = None, tokens: Any = None,
                        progress: bool = False, shared_feeds: Sequence[Any] = (), row_feeds: Sequence[Any] = (),
                        memory_limit: Optional[int] = None, **options: Any) -> Attribution:
        """Explains every row of a feed by a relative of Integrated Gradients.

        Args:
          variant: a name in ``tf1_ig.variants.VARIANTS``: ``"averaged"`` (over several baselines),
            ``"expected_gradients"``, ``"smoothgrad"``, ``"gradient"``, ``"gradient_x_input"``. Its function there says
            which ``options`` it takes (``baselines``, ``samples``, ``seed``, …).
          feed, label, method, steps, tolerance, max_steps, batch_size, tokens, progress, shared_feeds, row_feeds,
            memory_limit: as for ``explain``; steps and tolerance are those of each single path.

        Returns:
          An ``Attribution``: the mean over the variant's paths. ``technique`` says what it is, ``completeness`` what
          its sum claims; ``standard_error`` and ``token_standard_error`` are those of the mean.

        Raises:
          MethodError: an unknown variant or option; and what ``explain`` raises.

        Example:
          >>> explainer.explain_variant("expected_gradients", {"ids:0": ids}, label="top",  # doctest: +SKIP
          ...                           baselines={"ids:0": training_ids}, samples=200, seed=0)
        """
        chosen = variants.choose(variant, options, steps)
        rule = _rule(method, steps, tolerance, max_steps)
        limits = RunLimits(batch_size, memory_limit).checked()
        task, flat_label, labels, sizes = self._begin(feed, label, "zero", limits, shared_feeds, row_feeds)
        integral_of = _integral_of(rule, tolerance, max_steps)
        with _progress(progress, None) as advance:
            def along(paths, task):
                runner = PointRunner(self._engine, task.batch, task.probed.running, flat_label, sizes, advance)
                return ensemble.run(paths, ensemble.Integrand(
                    runner, task, self._values, lambda many, fed, ends: self._integrate(
                        task._replace(fed=fed), many, lambda evaluator, examples: integral_of(
                            evaluator, ends[examples]), steps, limits)))

            try:
                found = along(chosen.paths(task.inputs, **options), task)
            except ensemble.Coupled:
                task = task._replace(probed=probe.in_company(task.probed, task.batch.count))
                found = along(chosen.paths(task.inputs, **options), task)
        adaptive = rule is None and not chosen.single_points
        how = variant if chosen.single_points else "adaptive" if adaptive else method
        record = self._attribution(task, found.start_outputs, found.integral, labels, how, tolerance, adaptive, "",
                                   tokens, found.values)
        record = dataclasses.replace(record, graph_findings=tuple(self.findings()))
        return variants.complete(record, chosen, found, options)

    def at(self, feed: Mapping[Any, Any], label: Any = None, shared_feeds: Sequence[Any] = (),
           row_feeds: Sequence[Any] = (), batch_size: Optional[int] = None, memory_limit: Optional[int] = None) -> At:
        """The evaluator: scores, gradients and outputs at any entries of the attributed inputs.

        ``explain`` is the integral of its gradients; other methods, measures and libraries ask it what they like.

        Args:
          feed, label, shared_feeds, row_feeds, batch_size, memory_limit: as for ``explain``. The feed is copied, and
            ``"top"`` is decided once, at the feed.

        Returns:
          An ``At``; it is of use as long as the explainer is open.

        Raises:
          what ``explain`` raises.

        Example:
          >>> at = explainer.at({"ids:0": ids}, label="top")                                  # doctest: +SKIP
          >>> halfway = {name: 0.5 * rows for name, rows in at.entries.items()}               # doctest: +SKIP
          >>> scores, gradients = at.gradients(halfway)                                       # doctest: +SKIP
        """
        limits = RunLimits(batch_size, memory_limit).checked()
        own = {key: copy.deepcopy(value) for key, value in feed.items()} if isinstance(feed, Mapping) else feed
        task, flat_label, labels, sizes = self._begin(own, label, "zero", limits, shared_feeds, row_feeds)
        runner = PointRunner(self._engine, task.batch, task.probed.running, flat_label, sizes)
        return At(Scene(runner, Layout(self.inputs, task.batch, task.own), task.probed, task.outputs, task.row_shape,
                        labels, lambda baseline: baselines.resolve(baseline, task.inputs)))

    def _begin(self, feed, label, baseline, limits, shared_feeds, row_feeds):
        """The task, the labels, flat and as the caller counts them, and the sizes of runs."""
        task = self._reader.read(feed, shared_feeds, row_feeds, baseline)
        if self._engine.knows_otherwise(task.values):
            self._open(leaner=False)
            task = self._reader.read(feed, shared_feeds, row_feeds, baseline)
        self._steady = task.probed.steady and self._steady is not False
        self._fed = {name: value for name, value in task.values.items() if value.ndim == 0 and value.dtype != object
                     and name not in self.inputs}
        flat_label, labels = target.resolve_label(label, task.row_shape, task.outputs, self.output)
        return task, flat_label, labels, self._run_sizes(task.batch, limits)

    # -- doing it ----------------------------------------------------------------------------------------------------

    def _surely(self, task: Task, label: np.ndarray, integral_of, steps, limits, advance):
        """Task, runner, baseline outputs, integral; in the caller's own company where points that share runs differ."""
        every, running = np.arange(task.batch.count), task.probed.running
        runner = PointRunner(self._engine, task.batch, running, label, self._run_sizes(task.batch, limits), advance)
        starts = runner.outputs(integrate.Rows(every, np.zeros(len(every))))
        ends = np.stack([starts[every, label], task.outputs[every, label]], axis=1).astype(np.float64)
        alone = running.mode in (IN_COMPANY, ONE_AT_A_TIME)
        integral = self._integrate(task, runner, lambda evaluator, examples: integral_of(
            evaluator, ends[examples] if alone else None), steps, limits)
        # What the probe saw of a few rows is true of all only if every score is what it is without the other points.
        if alone or probe.agree(np.stack([integral.baseline_score, integral.score], axis=1), ends,
                                np.concatenate([task.outputs, starts])):
            return task, runner, starts, integral
        return self._surely(task._replace(probed=probe.in_company(task.probed, len(every))), label, integral_of, steps,
                            limits, advance)

    def _integrate(self, task: Task, plain: PointRunner, integral_of, steps: Optional[int],
                   limits: RunLimits) -> integrate.Integral:
        """The integral of every example, behind the affine beginning of the model where that is worth it."""
        every = np.arange(task.batch.count)
        behind = self._prefix.for_work(plain, task.fed, steps)
        if behind is None:
            return integral_of(plain, every)
        found = []
        for carried in behind.slices(plain, task.fed):
            runner = carried.runner(sizes=self._run_sizes(carried.batch, limits, "prefix"), on_rows=plain.on_rows)
            integral = integral_of(runner, carried.examples)
            found.append(integral._replace(gradient=carried.pull_back(integral.gradient)))
        return integrate.joined(found)

    def _run_sizes(self, batch: Batch, limits: RunLimits, engine: str = "plain") -> RunSizes:
        """What is learnt about the size of runs is kept, for rows of about the same length."""
        floats = max(1, sum(array.size for array in batch.actual) // batch.count)
        most = max(1, min(ROWS_PER_RUN, FLOATS_PER_RUN // floats))
        if limits != RunLimits():
            return RunSizes(most, limits)
        return self._sizes.setdefault((engine, floats.bit_length()), RunSizes(most))

    def _attribution(self, task, baseline_outputs, integral, labels, method, tolerance, adaptive, baseline,
                     texts, values=None) -> Attribution:
        batch = task.batch
        values = self._values(task, integral.gradient) if values is None else values
        rise = integral.score - integral.baseline_score
        total = sum(np.array([np.sum(row) for row in value], np.float64) for value in values.values())
        delta = total - rise
        with np.errstate(invalid="ignore"):
            rounding = integrate.ROUNDING * np.maximum(np.abs(integral.score), np.abs(integral.baseline_score))
            converged = np.isfinite(rise) & (np.abs(delta) <= np.maximum(tolerance * np.abs(rise), rounding))
        shape = (batch.count,) + tuple(task.row_shape)
        behind = entries.behind(self._engine, self.resolved, task, self.batch_axis)
        return Attribution(
            values=values, score=integral.score, baseline_score=integral.baseline_score, delta=delta, label=labels,
            steps=integral.steps, evaluations=integral.evaluations, converged=converged, output=self.output,
            method=method, tolerance=tolerance if adaptive else None, baseline=baseline,
            prediction=_prediction(task.outputs, task.row_shape, labels), outputs=task.outputs.reshape(shape),
            baseline_output=baseline_outputs.reshape(shape), token_texts=_texts(texts, batch.count),
            running=task.probed.running.mode, coupled=task.probed.running.coupled,
            held_fixed=tuple(sorted(task.values)), replaced=self._replaced(task),
            notes=self.resolved.notes + task.probed.notes, error_estimate=integral.error_estimate,
            path=integral.path, path_errors=integral.path_errors, output_kind=self.resolved.output_kind,
            actual=self._own_numbers(task, values),
            features=features.by_feature(values, self.resolved.columns, behind["ids"], behind["strings"]), **behind)

    def _replaced(self, task: Task) -> Tuple[Tuple[str, str], ...]:
        """What the caller calls the tensors whose placeholders the result names."""
        named = set(task.values) | set(self.inputs) | {self.output}
        return tuple(sorted((new, old) for old, new in self.resolved.renamed.items() if new in named))

    def _own_numbers(self, task: Task, values: Dict[str, Any]) -> Optional[Dict[str, Any]]:
        """What was attributed to, where it is the caller's own numbers and not rows of a table."""
        found = {spec.name: actual.reshape(np.shape(values[spec.name])) for spec, actual in zip(
            self.resolved.inputs, task.batch.actual) if not spec.ids and spec.attributed.owner is None}
        return found or None

    def _values(self, task: Task, gradient: List[np.ndarray]) -> Dict[str, Any]:
        """``(input - baseline) * mean gradient`` by input, in the caller's layout (float64)."""
        values: Dict[str, Any] = {}
        batch, taken = task.batch, [0] * task.batch.count
        for spec, actual, base, own, entries_of in zip(self.resolved.inputs, batch.actual, batch.baseline, task.own,
                                                       batch.entries_of):
            rows = []
            for example in range(batch.count):
                entries = entries_of.of(example)
                shape = (len(entries),) + actual.shape[1:]
                size = int(np.prod(shape))
                mean = gradient[example][taken[example]:taken[example] + size].reshape(shape)
                taken[example] += size
                rows.append((actual[entries].astype(np.float64) - base[entries]) * mean)
                if own is not None:
                    rows[-1] = rows[-1][own[entries]]
            if own is None:
                block = len(actual) // batch.count
                values[spec.name] = np.stack([row[0] if block == 1 else row for row in rows])
            else:
                values[spec.name] = rows
        return values


def _integral_of(rule, tolerance: float, max_steps: int):
    """How the paths of an evaluator are integrated, given the scores at their ends where they are known."""
    if rule is None:
        return lambda evaluator, ends: integrate.adaptive(evaluator, tolerance, max_steps)
    return lambda evaluator, ends: integrate.by_rule(evaluator, *rule, ends=ends)


def _rule(method, steps, tolerance, max_steps):
    """Nodes and weights of a fixed rule, or ``None`` for adaptive; wrong arguments stop here."""
    if method in quadrature.GRIDS and steps is None:
        raise MethodError("method %r reproduces the numbers of another library, which had a fixed number of nodes; "
                          "pass {argument} as it was there" % method, argument="steps", value="NUMBER")
    if method not in quadrature.RULES:
        quadrature.nodes_and_weights(method, steps or 2)
    if not isinstance(tolerance, (int, float, np.floating)) or not tolerance > 0:
        raise MethodError("tolerance must be a number above 0 such as 0.01 (one per cent), not %r" % (tolerance,))
    if steps is not None:
        return quadrature.nodes_and_weights(method, steps)
    if not isinstance(max_steps, (int, np.integer)) or max_steps < 3:
        raise MethodError("{argument} must be a whole number of at least 3, not %r" % (max_steps,),
                          argument="max_steps")
    return None


def _first_not_finite(runner: PointRunner, found: Attribution) -> str:
    """The op behind the first row that is not finite, in words; ``""`` when all are."""
    for row in np.flatnonzero(~np.isfinite(found.delta)):
        alphas, scores = found.path[row]
        wrong = alphas[~np.isfinite(scores)]
        some = np.unique(np.linspace(0, len(alphas) - 1, _TRIED).astype(int))
        return runner.first_not_finite(int(row), wrong[:1] if len(wrong) else alphas[some])
    return ""


def _prediction(outputs: np.ndarray, row_shape: Tuple[int, ...], labels: np.ndarray) -> Optional[np.ndarray]:
    """The top class of each row; for outputs of higher rank the top class at the explained position."""
    if not row_shape or row_shape[-1] < 2:
        return None
    shaped = outputs.reshape((len(outputs),) + tuple(row_shape))
    if len(row_shape) == 1:
        return np.argmax(shaped, axis=1)
    found = labels.copy()
    for row, label in enumerate(labels):
        found[row, -1] = np.argmax(shaped[(row,) + tuple(label[:-1])])
    return found


def _texts(tokens: Any, count: int) -> Optional[List[List[str]]]:
    if tokens is None:
        return None
    rows = list(tokens)
    if count == 1 and rows and all(isinstance(token, (str, bytes)) for token in rows):
        rows = [rows]
    if len(rows) != count:
        raise FeedError("tokens has %d rows, the feed has %d; pass one list of texts per row" % (len(rows), count))
    return [[token.decode("utf-8", "replace") if isinstance(token, bytes) else str(token) for token in row]
            for row in rows]


class _progress:
    """A progress bar over evaluated rows, or nothing."""

    def __init__(self, shown: bool, total: Optional[int]):
        self._bar = None
        if shown:
            import tqdm

            self._bar = tqdm.tqdm(total=total, unit="rows", desc="explain")

    def __enter__(self):
        return self._bar.update if self._bar is not None else (lambda rows: None)

    def __exit__(self, *_):
        if self._bar is not None:
            self._bar.close()
