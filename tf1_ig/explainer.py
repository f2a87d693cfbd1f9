"""``IntegratedGradients``: one object per (model, output, inputs) that explains batch after batch."""

import copy
import dataclasses
import threading
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from graph_tools import held
from graph_tools.find.decided import Decided
from graph_tools.graph import names
from graph_tools.model import Model
from graph_tools.report import Finding
from tf1_ig import answer, baselines, conductance as layers, ensemble, interactions as pairwise, methods
from tf1_ig.engine import prefix, probe
from tf1_ig.engine.at import At, Scene
from tf1_ig.engine.layout import Layout
from tf1_ig.engine.operated import Engine
from tf1_ig.engine.packing import KeptSizes, PointRunner
from tf1_ig.question import entries, graph_facts, resolve, time_first
from tf1_ig.question.effort import Question, effort
from tf1_ig.question.label import Label
from tf1_ig.question.positions import label_of
from tf1_ig.question.reader import RowsElsewhere, TaskReader
from tf1_ig.question.task import Task
from tf1_ig.result.attribution import Attribution
from tf1_ig.result.interactions import Interactions


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
      time_limit: most seconds that one run of the graph may take before it is stopped (a loop may never end at a
        baseline). ``None``: 200 times the longest run so far, at least a minute; ten minutes for the first.
      class_names: names of the classes; wherever a label may stand as a number, its name may then.

    Raises:
      BlockedRunError: a run did not end (by ``explain``); it names the loop.
      GraphToolsError: the kind and the message say what: an unknown tensor, no gradient path, an ambiguous choice.

    Example:
      >>> with tf1_ig.IntegratedGradients(gt.load("model.pb"), "scores:0") as explainer:      # doctest: +SKIP
      ...     result = explainer.explain({"ids:0": ids}, label="top")
      ...     result.tokens
    """

    _slopes = True  # whether anything will be explained, for which gradients are needed
    _shown = True   # whether results are looked at, and more are to come; a trial only has to go through

    def __init__(self, model: Model, output: Any, inputs: Any = "auto", batch_axis: Optional[int] = 0,
                 config: Any = None, time_limit: Optional[float] = None,
                 class_names: Optional[Sequence[str]] = None) -> None:
        self.resolved = resolve.resolve(model, output, inputs)
        self._asked = model, output
        self._layers: Dict[str, Tuple["IntegratedGradients", "IntegratedGradients"]] = {}
        self.batch_axis = batch_axis
        self.class_names = None if class_names is None else tuple(class_names)
        self._options = config, time_limit
        self._opened: List[Any] = []
        self._facts: Dict[Any, List[Finding]] = {}
        self._last = threading.local()  # of this thread: scalars it fed last, whether scores of one feed ever differed
        self._sizes = KeptSizes(4 * held.weights(model.index))
        self._wanted: Dict[str, Any] = dict(leaner=True, ordered=False, slopes=self._slopes, products=self._shown)
        self._turned = time_first.turned_lookups(self.resolved) if batch_axis == 0 else {}
        self._open()

    def _open(self, **wanted: bool) -> None:
        """Makes the engine; one that there is already stays open, since another thread may be using it."""
        self._wanted = {**self._wanted, **wanted}
        inputs = [spec.attributed for spec in self.resolved.inputs]
        engine = Engine(self.resolved.model, self.output, inputs, self.batch_axis, *self._options, **self._wanted)
        self._engine, self._reader = engine, TaskReader(engine, self.resolved, self.batch_axis)
        self._prefix = prefix.OptionalPrefix(self.resolved.model, engine, *self._options, sought=self._shown)
        self._opened += [engine, self._prefix]

    @property
    def output(self) -> str:
        """Name of the explained tensor."""
        return self.resolved.output

    @property
    def inputs(self) -> Tuple[str, ...]:
        """Names of the attributed tensors, as they were given."""
        return tuple(spec.name for spec in self.resolved.inputs)

    @property
    def evaluations(self) -> int:
        """Rows of the model that were run so far, whatever for: points of paths, their ends, and what was measured."""
        return sum(opened.evaluations for opened in self._opened)

    def __enter__(self) -> "IntegratedGradients":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def findings(self) -> List[Finding]:
        """What the graph itself says against explanations: random ops, batch statistics, ops that stop gradients.

        Scalars of the feed that this thread explained last decide which branches count.
        """
        fed: Mapping[str, np.ndarray] = getattr(self._last, "scalars", {})
        steady: Optional[bool] = getattr(self._last, "steady", None)
        key = steady, tuple(sorted((name, value.tobytes()) for name, value in fed.items()))
        if key not in self._facts:
            self._facts[key] = graph_facts.findings(graph_facts.scene(
                Decided(self.resolved.model.index, fed), self.resolved.output,
                tuple(spec.attributed.tensor for spec in self.resolved.inputs),
                tuple(spec.ids for spec in self.resolved.inputs if spec.ids), steady, self.resolved.held))
        return list(self._facts[key])

    def close(self) -> None:
        """Closes the session."""
        for opened in self._opened:
            opened.close()

    def explain(self, feed: Mapping[Any, Any], label: Any = None, baseline: Any = "zero",
                method: str = "gausslegendre", steps: Optional[int] = None, tolerance: float = 0.01,
                max_steps: int = 1024, batch_size: Optional[int] = None, tokens: Any = None, progress: Any = False,
                shared_feeds: Sequence[Any] = (), row_feeds: Sequence[Any] = (),
                memory_limit: Optional[int] = None, positions: Any = None) -> Attribution:
        """Explains every row of a feed.

        Args:
          feed: arrays by tensor (name, ``tf.Tensor`` or ``Candidate``), as for ``session.run``; it is not changed.
          label: which element of an output row: a class, one per row, an index tuple for outputs of rank > 2 such as
            ``(token, class)``, ``"top"`` or ``"second"`` of the row's elements, or one of these per row; or a weighted
            sum, ``{any of these: weight}`` (``tf1_ig.contrast(2, 0)``), one for all rows or a list with one per row.
            ``None`` where a row has a single element.
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
          progress: show a progress bar; or a function, which is given a line where it takes more than a minute.
          shared_feeds: feeds that all rows share although their length is a multiple of the batch.
          row_feeds: feeds whose leading axis follows the rows although it could be taken for a constant.
          memory_limit: most bytes that the tensors of one run may take together (weights not counted): runs hold so
            many rows as fit. Measured by TensorFlow's own trace of a few rows; a run holds less than that at a time.
          positions: for outputs with an axis of positions in front of the classes: ``"all"`` or a list of positions.
            Each becomes a row of the result (``attribution.rows``, ``.positions``), and ``label`` is that of one
            position: a class, weights, or ``"top"`` (also for ``None``).

        Returns:
          An ``Attribution``.

        Raises:
          FeedError, LabelError, BaselineError, MethodError, BatchError: what is wrong and what to pass instead.
        """
        asked = effort(method, steps, tolerance, max_steps, batch_size, memory_limit)
        return self._answer("integrated_gradients", {"baseline": baseline}, Question(
            feed, label, asked, positions, shared_feeds, row_feeds, tokens, progress))

    def explain_variant(self, variant: str, feed: Mapping[Any, Any], label: Any = None,
                        method: str = "gausslegendre", steps: Optional[int] = None, tolerance: float = 0.01,
                        max_steps: int = 1024, batch_size: Optional[int] = None, tokens: Any = None,
                        progress: Any = False, shared_feeds: Sequence[Any] = (), row_feeds: Sequence[Any] = (),
                        memory_limit: Optional[int] = None, positions: Any = None, **options: Any) -> Attribution:
        """Explains every row of a feed by a relative of Integrated Gradients.

        Args:
          variant: a name in ``tf1_ig.methods.METHODS``: ``"averaged"`` (over several baselines),
            ``"expected_gradients"``, ``"smoothgrad"``, ``"gradient"``, ``"gradient_x_input"``, ``"occlusion"``,
            ``"shapley"``, ``"guided_ig"``, ``"idgi"``, ``"xrai"``. Its function there says which ``options`` it takes.
          feed, label and the others: as for ``explain``; steps and tolerance are those of each single path.

        Returns:
          An ``Attribution``: the mean over the variant's paths. ``technique`` says what it is, ``completeness`` what
          its sum claims; ``standard_error`` and ``token_standard_error`` are those of the mean.

        Raises:
          MethodError: an unknown variant or option; and what ``explain`` raises.

        Example:
          >>> explainer.explain_variant("expected_gradients", {"ids:0": ids}, label="top",  # doctest: +SKIP
          ...                           baselines={"ids:0": training_ids}, samples=200, seed=0)
        """
        asked = effort(method, steps, tolerance, max_steps, batch_size, memory_limit)
        return self._answer(variant, options, Question(
            feed, label, asked, positions, shared_feeds, row_feeds, tokens, progress))

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
        own = {key: copy.deepcopy(value) for key, value in feed.items()} if isinstance(feed, Mapping) else feed
        question = Question(own, label, effort(batch_size=batch_size, memory_limit=memory_limit), None, shared_feeds,
                            row_feeds)
        task, found = self._begin(question, "zero")
        return At(self._scene(task, found, self._runner(task, found, question)))

    def outputs(self, feed: Mapping[Any, Any], shared_feeds: Sequence[Any] = (), row_feeds: Sequence[Any] = ()
                ) -> np.ndarray:
        """The output rows ``[rows, …output row]`` under a feed: what the model says, with nothing explained.

        Args:
          feed, shared_feeds, row_feeds: as for ``explain``.

        Raises:
          what ``explain`` raises of a feed.
        """
        task = self._task(feed, shared_feeds, row_feeds, "zero")
        return task.outputs.reshape((task.batch.count,) + tuple(task.row_shape))

    def conductance(self, feed: Mapping[Any, Any], layer: Any, label: Any = None, kind: str = "conductance",
                    baseline: Any = "zero", method: str = "gausslegendre", steps: Optional[int] = None,
                    tolerance: float = 0.01, max_steps: int = 1024, batch_size: Optional[int] = None,
                    shared_feeds: Sequence[Any] = (), row_feeds: Sequence[Any] = (),
                    memory_limit: Optional[int] = None) -> Attribution:
        """What the units of a layer carry of the score along the path from the baseline to the input.

        Args:
          feed, label, baseline, batch_size, shared_feeds, row_feeds, memory_limit: as for ``explain``.
          layer: a tensor between the inputs and the output, outside loops, with the rows on its first axis; or an
            input itself, whose conductance is Integrated Gradients.
          kind: ``"conductance"`` (arXiv 1805.12233), whose units sum to the difference of the scores where the layer
            cuts every path; or ``"internal_influence"`` (arXiv 1802.03788), the mean gradient by the layer.
          method, steps: a rule of a fixed number of nodes; ``steps=None``: as many nodes as ``tolerance`` needs,
            each row's own, asked for as those of Integrated Gradients are, units in the place of tokens.
          tolerance: of what the layer carries and what passes it by against the difference of the scores, of the
            errors along the path, and of the units.
          max_steps: most points.

        Returns:
          An ``Attribution`` whose ``values[layer]`` is float64 ``[rows, …units]``. Where the layer does not cut every
          path, ``delta`` is minus what passes it by, a note says how much, and ``completeness`` is ``"none"``; for
          internal influence it is that always, and ``delta`` is NaN.

        Raises:
          InputError: the layer is inside a loop, or nothing leads through it; and what ``explain`` raises.

        Example:
          >>> found = explainer.conductance({"ids:0": ids}, "pooled:0", label="top")         # doctest: +SKIP
          >>> found.values["pooled:0"]                                                       # doctest: +SKIP
        """
        effort(method, steps, tolerance, max_steps, batch_size, memory_limit)
        name = names.tensor_name(layer)
        asked: Dict[str, Any] = dict(shared_feeds=shared_feeds, row_feeds=row_feeds, batch_size=batch_size,
                                     memory_limit=memory_limit)
        first = held = plain = self.at(feed, label, **asked)
        if name not in self.inputs:
            below, above = self._through(name)
            first = below.at(feed, layers.any_element(below.outputs(feed, shared_feeds, row_feeds)), **asked)
            held = above.at(dict(feed, **{name: layers.as_fed(below, first)}), label, **asked)
        found = layers.answer(layers.Path(plain, first, held, name, baseline), plain, layers.Request(
            name, kind, baseline, method, steps, tolerance, max_steps), self.output, self.resolved.notes + held.notes)
        return dataclasses.replace(found, graph_findings=tuple(self.findings()), output_kind=self.resolved.output_kind)

    def _through(self, name: str) -> Tuple["IntegratedGradients", "IntegratedGradients"]:
        """Explainers of a layer by the inputs, and of the output by the layer and what passes it by."""
        if name not in self._layers:
            before, beside = layers.inputs_around(self.resolved, name, self.inputs)
            options = (self.batch_axis,) + self._options + (self.class_names,)
            self._layers[name] = (IntegratedGradients(self._asked[0], name, before, *options),
                                  IntegratedGradients(self._asked[0], self._asked[1], beside, *options))
            self._opened += self._layers[name]
        return self._layers[name]

    def interactions(self, feed: Mapping[Any, Any], label: Any = None, baseline: Any = "zero",
                     steps: Optional[int] = None, tolerance: float = 0.01, max_steps: int = 256,
                     batch_size: Optional[int] = None, tokens: Any = None, progress: bool = False,
                     shared_feeds: Sequence[Any] = (), row_feeds: Sequence[Any] = (),
                     memory_limit: Optional[int] = None) -> Interactions:
        """What pairs of tokens (or features) do together: Integrated Hessians, from gradients alone.

        It takes ``2 * tokens + 1`` gradients at every point of the path; smooth models need 8 points, kinked ones 64 or
        256, and up to 16 times as many single gradients, by which the kinks are found.

        Args:
          feed, label, baseline, batch_size, tokens, progress, shared_feeds, row_feeds, memory_limit: as for
            ``explain``.
          steps: points of the path; ``None``: as many as ``tolerance`` needs.
          tolerance: relative, of the sum of all interactions and of the sums of rows.
          max_steps: most points.

        Returns:
          An ``Interactions``: by row an array ``[tokens, tokens]`` whose rows sum to Integrated Gradients.

        Raises:
          MethodError: steps, tolerance or max_steps out of range; and what ``explain`` raises.

        Example:
          >>> found = explainer.interactions({"ids:0": ids}, label="top", tokens=words)       # doctest: +SKIP
          >>> found.pairs[0][0]                                                               # doctest: +SKIP
          Pair(first=3, second=4, value=0.069, discrete=0.144)
        """
        at = self.at(feed, label, shared_feeds, row_feeds, batch_size, memory_limit)
        return pairwise.answer(at, pairwise.Request(baseline, steps, tolerance, max_steps), self.output, tokens,
                               progress, self.resolved.notes)

    # -- doing it ----------------------------------------------------------------------------------------------------

    def _read(self, *asked: Any) -> Task:
        """The task of a feed, by an engine that is made again where the feed shows that it must be another."""
        try:
            task = self._reader.read(*asked)
        except RowsElsewhere:
            self._open(ordered=True)
            return self._read(*asked)
        if self._engine.knows_otherwise({**task.values, **task.batch.feeds}):
            self._open(leaner=False)
            return self._read(*asked)
        return task

    def _task(self, feed: Any, *asked: Any) -> Task:
        """What there is to explain in a feed; views of lookups that steps come first in are made for the first one."""
        if self._turned:
            turned = time_first.with_examples_first(self.resolved, self._turned, self._reader, feed)
            if turned is not self.resolved:
                self.resolved, self._turned = turned, {}
                self._open()
        task = self._read(feed, *asked)
        self._turned = {}
        self._last.steady = task.probed.steady and getattr(self._last, "steady", True)
        self._last.scalars = {name: value for name, value in task.values.items() if value.ndim == 0
                              and value.dtype != object and name not in self.inputs}
        return task

    def _begin(self, question: Question, baseline: Any) -> Tuple[Task, Label]:
        """What there is to explain in the feed, and which elements of its outputs."""
        task = self._task(question.feed, question.shared_feeds, question.row_feeds, baseline)
        return task, label_of(question, task, self.resolved, self.batch_axis, self.class_names)

    def _answer(self, name: str, options: Dict[str, Any], question: Question) -> Attribution:
        """Any question by any method: the one way from arguments to a result."""
        chosen = methods.choose(name, options, question.effort.steps)
        task, label = self._begin(question, methods.start_of(chosen, options))
        asked = answer.Asked(self.resolved, question, name, chosen, options, answer.behind(
            self._engine, self.resolved, task, self.batch_axis, question, self._shown))
        with answer.waited_for(asked, len(label.shown)) as advance:
            def made(task: Task) -> Attribution:
                if label.rows is None or task.probed.wide:
                    return self._found(asked, task if label.rows is None else task.at_rows(label.rows), label, advance)
                return answer.by_position(label, task.batch.count, lambda one: self._found(asked, task, one, advance))

            try:
                found = made(task)
            except probe.Coupled:
                found = made(task._replace(probed=probe.in_company(task.probed, task.batch.count)))
        return dataclasses.replace(found, graph_findings=tuple(self.findings()))

    def _found(self, asked: answer.Asked, task: Task, label: Label, advance: Callable[[int], None]) -> Attribution:
        """The result of one task by the method that was chosen."""
        question, chosen = asked.question, asked.method
        runner = self._runner(task, label, question, advance)
        if chosen.kind == methods.ASKS:
            at = At(self._scene(task, label, runner))
            found = methods.called(chosen, at, asked.options, question.effort.steps)
            task = task._replace(probed=at.probed)
        else:
            found = ensemble.run(
                methods.called(chosen, task.inputs, asked.options, None), ensemble.Integrand(
                    runner, task, lambda many, fed, ends: self._prefix.integral(
                        many, fed, ends, question.effort, self._sizes)))
        return answer.record(asked, task, label, found, runner)

    def _runner(self, task: Task, label: Label, question: Question,
                advance: Callable[[int], None] = lambda rows: None) -> PointRunner:
        return PointRunner(self._engine, task.batch, task.probed.running, label.terms,
                           self._sizes.of(task.batch, question.effort.limits), advance)

    def _scene(self, task: Task, label: Label, runner: PointRunner) -> Scene:
        return Scene(runner, Layout(self.inputs, task.batch, task.own), task.probed, task.outputs, task.row_shape,
                     label.shown, lambda baseline: baselines.resolve(baseline, task.inputs), label.rows is None,
                     label.weights, lambda: entries.named(self._engine, self.resolved, task, self.batch_axis))
