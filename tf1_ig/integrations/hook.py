"""Explain given examples again and again while a model is trained, without disturbing the training."""

import os
import threading
import warnings
from typing import Any, List, Mapping, Optional

import numpy as np

import graph_tools as gt
from graph_tools import _tf
from graph_tools.graph import names
from graph_tools.running.values import as_array
from tf1_ig.errors import MethodError
from tf1_ig.explainer import IntegratedGradients
from tf1_ig.result import entries
from tf1_ig.result.attribution import Attribution


class ExplainHook:
    """A ``SessionRunHook`` that explains the same examples every N steps and writes what it finds.

    Training waits only while the variables are read: the graph and a copy of their values are taken between two steps
    (nothing is added to the graph, no batch is taken from a queue), and a thread explains the copy. Where an
    explanation takes longer than N steps, the steps that come due meanwhile are passed over; the last step is always
    explained. A failure never ends the training: it is a warning, and is kept in ``errors``.

    Args:
      output: the tensor to explain, by name or as a ``tf.Tensor``.
      feed: the examples, as for ``IntegratedGradients.explain``; for a queue-fed model keyed by the tensors that come
        out of the queue (``"batch:0"``).
      folder: where ``attribution-<step>.npz`` and a TensorBoard event file go; made when it is not there.
      inputs: what to attribute to, as for ``IntegratedGradients``.
      every_steps: the N.
      batch_axis: as for ``IntegratedGradients``.
      options: the other arguments of ``IntegratedGradients.explain`` (``label``, ``baseline``, ``tokens``, …).

    Attributes:
      written: paths of the files that were written, in order.
      errors: what went wrong, as ``(step, exception)``.

    Raises:
      MethodError: ``every_steps`` is not positive.
      TensorNotFoundError: when training begins, and the output or a fed tensor is not in the graph.

    Example:
      >>> hook = tf1_ig.ExplainHook("softmax:0", {"batch:0": ids}, "explained", label=1)  # doctest: +SKIP
      >>> with tf.train.MonitoredTrainingSession(hooks=[hook]) as session:                # doctest: +SKIP
      ...     while not session.should_stop():
      ...         session.run(train_op)
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        # A real SessionRunHook, as Estimators ask for, though TensorFlow is not imported before one is made.
        if not issubclass(cls, _tf.tf.train.SessionRunHook):
            cls = type(cls.__name__, (cls, _tf.tf.train.SessionRunHook), {})
        return super().__new__(cls)

    def __init__(self, output: Any, feed: Mapping[Any, Any], folder: str, inputs: Any = "auto", every_steps: int = 100,
                 batch_axis: Optional[int] = 0, **options: Any) -> None:
        if every_steps < 1:
            raise MethodError("every_steps is the number of steps between explanations, at least 1, not %r" % (
                every_steps,))
        self._output, self._inputs, self._batch_axis = names.tensor_name(output), inputs, batch_axis
        self._feed = {names.tensor_name(tensor): np.array(as_array(value)) for tensor, value in feed.items()}
        self._folder, self._every, self._options = os.fspath(folder), every_steps, options
        self._asked: Any = None
        self._runs, self._explained = 0, -1
        self._thread: Optional[threading.Thread] = None
        self.written: List[str] = []
        self.errors: List[tuple] = []

    # ---- what TensorFlow calls

    def begin(self) -> None:
        """Checks the names at the door, before a long training starts."""
        graph = _tf.tf.get_default_graph()
        known = {tensor.name for op in graph.get_operations() for tensor in op.outputs}
        for name in [self._output] + sorted(self._feed):
            if name not in known:
                raise names.unknown_tensor(name, known, "the graph that is trained")
        step = graph.get_collection(_tf.tf.GraphKeys.GLOBAL_STEP)
        self._asked = _tf.tf.train.SessionRunArgs({"step": step[0]}) if step else None
        os.makedirs(self._folder, exist_ok=True)

    def before_run(self, run_context: Any) -> Any:
        """Asks for the global step along with the training step (a tensor of the graph; none is added)."""
        return self._asked

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Takes a copy of the model when it is due and the thread is free."""
        self._runs += 1
        step = int(run_values.results["step"]) if run_values.results else self._runs
        due = self._explained < 0 or step - self._explained >= self._every
        try:
            if due and not self._busy():
                self._explained = step
                self._start(step, gt.from_session(run_context.session))
        except Exception as error:  # the training goes on whatever happens here
            self._failed(step, error)

    def end(self, session: Any) -> None:
        """Explains the trained model and waits until everything is written."""
        self._wait()
        step = self._runs
        try:
            step = self._last_step(session)
            if step != self._explained:
                self._start(step, gt.from_session(session))
                self._wait()
        except Exception as error:  # the model is trained, and shall be saved
            self._failed(step, error)

    # ---- explaining

    def _busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _wait(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def _last_step(self, session: Any) -> int:
        return int(session.run(self._asked.fetches["step"])) if self._asked else self._runs

    def _start(self, step: int, model: gt.Model) -> None:
        self._thread = threading.Thread(target=self._work, args=(step, model), name="tf1_ig.ExplainHook", daemon=True)
        self._thread.start()

    def _work(self, step: int, model: gt.Model) -> None:
        try:
            with IntegratedGradients(model, self._output, self._inputs, self._batch_axis) as explainer:
                attribution = explainer.explain(self._feed, **self._options)
            path = os.path.join(self._folder, "attribution-%d.npz" % step)
            attribution.save(path)
            _write_summary(self._folder, step, attribution)
            self.written.append(path)
        except Exception as error:
            self._failed(step, error)

    def _failed(self, step: int, error: Exception) -> None:
        self.errors.append((step, error))
        warnings.warn("step %d could not be explained: %s" % (step, error), RuntimeWarning, stacklevel=3)


def _write_summary(folder: str, step: int, attribution: Attribution) -> None:
    """One event: score, delta and the value of every token as scalars, and a table of the tokens as text."""
    tf = _tf.tf
    summary = tf.Summary()
    for row in range(len(attribution)):
        scope = "explanation/%d" % row
        for tag, value in (("score", attribution.score), ("baseline_score", attribution.baseline_score),
                           ("delta", attribution.delta)):
            summary.value.add(tag="%s/%s" % (scope, tag), simple_value=float(value[row]))
        for name in attribution.values:
            table = _token_table(attribution, name, row)
            metadata = tf.SummaryMetadata(plugin_data=tf.SummaryMetadata.PluginData(plugin_name="text"))
            summary.value.add(tag="%s/%s" % (scope, names.parse(name).node), metadata=metadata,
                              tensor=tf.make_tensor_proto([table], tf.string, shape=[1]))
    # In a graph of its own: an event writer is refused where a TF 2 program runs eagerly.
    with tf.Graph().as_default():
        writer = tf.summary.FileWriter(folder, filename_suffix=".explanations")
        writer.add_summary(summary, step)
        writer.close()


def _token_table(attribution: Attribution, name: str, row: int) -> str:
    """A Markdown table of one row's tokens and their attributions."""
    lines = ["| token | attribution |", "|---|---|"]
    for text, value in zip(attribution.names(name, row), entries.of_row(attribution, name, row).reshape(-1)):
        lines.append("| %s | %+.4g |" % (text.replace("|", "\\|"), value))
    return "\n".join(lines)
