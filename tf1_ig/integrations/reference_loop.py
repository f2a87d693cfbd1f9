"""The loop everybody writes first, on a session of the caller's: for people who already hold their own tensors."""

from typing import Any, Mapping, Optional

import numpy as np

from graph_tools import _tf
from graph_tools.errors import FeedError, GradientError
from graph_tools.graph import names
from tf1_ig import quadrature
from tf1_ig.errors import BaselineError


def ig_text(inp: Any, label: Any, t_embedding: Any, t_label: Any, t_grad: Any, baseline: Any = None, steps: int = 50,
            session: Any = None, method: str = "gausslegendre") -> np.ndarray:
    """Integrated Gradients by feeding interpolated embeddings to a session, one run per step.

    ``(embedding - baseline) * sum of weight * t_grad`` over the nodes of the rule (Sundararajan, Taly, Yan, ICML 2017).
    Nothing is added to the graph. Unlike ``IntegratedGradients`` this trusts the caller: rows must be independent, and
    ``t_grad`` must be the gradient of the explained score by ``t_embedding``.

    Args:
      inp: the feed (a dict, as for ``session.run``) from which ``t_embedding`` is computed, or the embedding itself as
        an array ``[batch, tokens, dim]``.
      label: fed to ``t_label``; one class for all rows, or one per row.
      t_embedding: the tensor of embedding rows, ``[batch, tokens, dim]``; it is fed.
      t_label: placeholder of the label (``None``: the gradient needs no label).
      t_grad: gradient of the explained score by ``t_embedding``, of its shape.
      baseline: array that broadcasts to the embedding; ``None`` is zero.
      steps: number of nodes.
      session: a ``tf.Session``; ``None`` takes the default session of the moment.
      method: a rule of ``tf1_ig.quadrature.RULES``.

    Returns:
      Attributions, float64, of the embedding's shape.

    Raises:
      FeedError: no session, or a label of the wrong length; GradientError: ``t_grad`` is ``None`` or of another shape;
      BaselineError: the baseline does not broadcast to the embedding; MethodError: wrong ``method`` or ``steps``.

    Example:
      >>> t_grad = tf.gradients(tf.gather(probs, t_label, axis=1), t_embedding)[0]               # doctest: +SKIP
      >>> ig_text({t_ids: ids}, 1, t_embedding, t_label, t_grad, session=session).sum(-1)        # doctest: +SKIP
    """
    session = session if session is not None else _tf.tf.get_default_session()
    if session is None:
        raise FeedError("there is no default session; pass session=")
    if t_grad is None:
        raise GradientError("t_grad is None: no gradient path leads from the score to t_embedding; check the tensors "
                            "given to tf.gradients")
    alphas, weights = quadrature.nodes_and_weights(method, steps)
    feed = dict(inp) if isinstance(inp, Mapping) else {}
    embedding = np.asarray(session.run(t_embedding, feed) if feed else inp)
    start = _baseline(baseline, embedding)
    if t_label is not None:
        feed[names.tensor_name(t_label)] = _label(label, t_label, len(embedding) if embedding.ndim else 1)
    total = np.zeros(embedding.shape, np.float64)
    for alpha, weight in zip(alphas, weights):
        feed[names.tensor_name(t_embedding)] = ((1.0 - alpha) * start + alpha * embedding).astype(embedding.dtype)
        gradient = _dense(session.run(t_grad, feed))
        if gradient.shape != embedding.shape:
            raise GradientError("t_grad has shape %s and t_embedding %s; pass the gradient by t_embedding itself" % (
                list(gradient.shape), list(embedding.shape)))
        total += weight * gradient
    return (embedding - start) * total


def _baseline(baseline: Any, embedding: np.ndarray) -> np.ndarray:
    if baseline is None or (isinstance(baseline, str) and baseline == "zero"):
        return np.zeros(embedding.shape, np.float64)
    try:
        return np.broadcast_to(np.asarray(baseline, np.float64), embedding.shape)
    except ValueError:
        raise BaselineError("the baseline has shape %s; it must broadcast to the embedding's %s" % (
            list(np.shape(baseline)), list(embedding.shape))) from None


def _label(label: Any, t_label: Any, rows: int) -> Any:
    """The label as ``t_label`` takes it: a class for all rows is repeated where one per row is wanted."""
    rank: Optional[int] = getattr(getattr(t_label, "shape", None), "ndims", None)
    if rank == 1 and np.ndim(label) == 0:
        return np.repeat(label, rows)
    if rank == 1 and np.shape(label) != (rows,):
        raise FeedError("label has shape %s for %d rows; pass one class, or one per row" % (
            list(np.shape(label)), rows))
    return label


def _dense(gradient: Any) -> np.ndarray:
    if not (hasattr(gradient, "indices") and hasattr(gradient, "dense_shape")):
        return np.asarray(gradient)
    dense = np.zeros(gradient.dense_shape, gradient.values.dtype)
    np.add.at(dense, gradient.indices, gradient.values)
    return dense
