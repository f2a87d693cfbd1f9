"""Integrated Gradients from the definition, one point a run: what to hold an explanation of your own model against.

Nothing here is shared with how the package explains: the model is loaded, the attributed tensors are fed, and either
``tf.gradients`` on the model's own graph is asked at one point after another (``integrated_gradients``), or the model
only runs forward (``token_attributions``). Slow, and as simple as can be. In a test suite:

  >>> from tf1_ig import testing
  >>> def test_my_models_explanations():                                                    # doctest: +SKIP
  ...     with tf1_ig.IntegratedGradients(model, "scores:0") as explainer:
  ...         testing.assert_explains(explainer, {"ids:0": ids, "lengths:0": lengths}, label=1)
"""

import contextlib
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from graph_tools import _tf
from graph_tools.model import Model


@contextlib.contextmanager
def session_of(model: Model, inputs: Sequence[str], output: str, position: Any) -> Iterator[Tuple[Any, Any, List[Any]]]:
    """A session on the model's own graph, the score ``output[position]`` and its gradients by the inputs.

    Args:
      model: the ``Model``.
      inputs: names of tensors.
      output: name of a tensor; ``position`` indexes it down to one number, its rows included.
    """
    tf = _tf.tf
    graph = model.new_graph()
    with graph.as_default(), _tf.control_flow_v1():
        tensors = [graph.get_tensor_by_name(name) for name in inputs]
        score = graph.get_tensor_by_name(output)[position]
        gradients = [tf.convert_to_tensor(gradient) for gradient in tf.gradients(score, tensors)]
    restore = model.prepare_restore(graph)
    with tf.Session(graph=graph, config=_tf.session_config()) as session:
        restore(session)
        yield session, score, gradients


def integrated_gradients(model: Model, inputs: Sequence[str], output: str, position: Any, feed: Mapping[str, Any],
                         baselines: Optional[Sequence[Any]] = None, steps: int = 200
                         ) -> Tuple[List[np.ndarray], float, float]:
    """``([attributions by input], score, baseline score)`` of a feed that is one example, by ``steps`` midpoints.

    Args:
      model, inputs, output, position: as for ``session_of``.
      feed: everything else that the model is fed.
      baselines: by input, arrays that broadcast to it; ``None``: zeros.
    """
    with session_of(model, inputs, output, position) as (session, score, gradients):
        actual, start = _ends(session, inputs, feed, baselines)

        def at(alpha: float) -> Dict[str, Any]:
            point = dict(feed)
            point.update((name, (base + alpha * (value - base)).astype(np.float32))
                         for name, base, value in zip(inputs, start, actual))
            return point

        total = [np.zeros_like(value) for value in actual]
        for step in range(steps):
            for sums, gradient in zip(total, session.run(gradients, at((step + 0.5) / steps))):
                sums += gradient / steps
        values = [(value - base) * sums for value, base, sums in zip(actual, start, total)]
        return values, session.run(score, at(1.0)), session.run(score, at(0.0))


def token_attributions(model: Model, inputs: Sequence[str], output: str, position: Any, feed: Mapping[str, Any],
                       baselines: Optional[Sequence[Any]] = None, steps: int = 50, width: float = 1e-2
                       ) -> List[np.ndarray]:
    """Integrated Gradients summed over each input's last axis, by differences of scores: no gradient is asked for.

    At every midpoint of the path each token in turn goes ``width`` of its way to either side.

    Args:
      model, inputs, output, position, feed, baselines, steps: as for ``integrated_gradients``.
      width: of the difference, as a share of the way; float32 scores are too coarse for much less.

    Returns:
      By input, an array of its shape without the last axis.
    """
    with model.open_session() as session:
        actual, start = _ends(session, inputs, feed, baselines)
        found = [np.zeros(value.shape[:-1]) for value in actual]

        def score(alpha: float, number: int, token: Any, step: float) -> float:
            point = dict(feed)
            for place, (name, base, value) in enumerate(zip(inputs, start, actual)):
                entries = base + alpha * (value - base)
                if place == number:
                    entries[token] += step * (value - base)[token]
                point[name] = entries.astype(np.float32)
            return float(np.asarray(session.run(output, point))[position])

        for number, sums in enumerate(found):
            for token in np.ndindex(*sums.shape):
                for step in range(steps):
                    ends = [score((step + 0.5) / steps, number, token, side * width) for side in (1, -1)]
                    sums[token] += (ends[0] - ends[1]) / (2 * width) / steps
    return found


def assert_explains(explainer: Any, feed: Mapping[str, Any], label: Any = None, tolerance: float = 0.01,
                    steps: int = 200, **options: Any) -> Any:
    """Explains a feed and holds every row against ``integrated_gradients`` while the other rows stay as fed.

    Args:
      explainer: an ``IntegratedGradients`` whose inputs are dense, with rows along axis 0.
      feed: by the names that the explainer takes.
      label: as for ``explain``, one element a row.
      tolerance: most distance, Σ|difference| over Σ|expected| of a row.
      steps: midpoints of the oracle.
      **options: of ``explain``.

    Returns:
      The ``Attribution``.

    Raises:
      AssertionError: a row differs by more; it names the row and the distance.
    """
    found = explainer.explain(feed, label=label, **options)
    resolved = explainer.resolved
    tensors = [spec.attributed.tensor for spec in resolved.inputs]
    own = {resolved.renamed.get(name, name): value for name, value in feed.items()}
    with resolved.model.open_session() as session:
        whole = [np.asarray(value) for value in session.run(tensors, own)]
    for row in range(len(found)):
        chosen = [int(axis) for axis in np.atleast_1d(found.label[row]) if axis >= 0]
        # The other rows start where they end: only this one moves.
        start = [value.copy() for value in whole]
        for value in start:
            block = len(value) // len(found)
            value[row * block:(row + 1) * block] = 0
        values, _, _ = integrated_gradients(resolved.model, tensors, explainer.output, tuple([row] + chosen), own,
                                            start, steps)
        distance, size = 0.0, 1e-12
        for name, expected in zip(explainer.inputs, values):
            block = len(expected) // len(found)
            mine = np.reshape(found.values[name][row], (block,) + expected.shape[1:])
            distance += float(np.abs(mine - expected[row * block:(row + 1) * block]).sum())
            size += float(np.abs(expected).sum())
        assert distance <= tolerance * size, "row %d is %.2g of its size from brute force" % (row, distance / size)
    return found


def _ends(session: Any, inputs: Sequence[str], feed: Mapping[str, Any], baselines: Optional[Sequence[Any]]
          ) -> Tuple[List[np.ndarray], List[np.ndarray]]:
    actual = [np.asarray(value, np.float64) for value in session.run(list(inputs), dict(feed))]
    return actual, [np.zeros_like(value) for value in actual] if baselines is None else [
        np.broadcast_to(base, value.shape).astype(np.float64) for base, value in zip(baselines, actual)]
