"""A frozen graph as a function of TensorFlow 2's eager mode, with gradients (``tf.custom_gradient``)."""

from typing import Any, Callable

import numpy as np

from graph_tools import _tf
from graph_tools.errors import StateError
from tf1_ig.bridges import stacked
from tf1_ig.engine.at import At


def eager_function(at: At) -> Callable[..., Any]:
    """The scores of an evaluator as a function of eager tensors, which ``tf.GradientTape`` differentiates.

    Args:
      at: ``explainer.at(feed, label)``, of dense inputs.

    Returns:
      ``function(*entries, rows=None)`` as ``torch_function`` has it: float32 scores ``[stacked]``.

    Raises:
      StateError: eager execution is off (TensorFlow 1.15, or a TF 2 program that turned it off).

    Example:
      >>> scores = tf1_ig.bridges.eager_function(at)                                        # doctest: +SKIP
      >>> with tensorflow.GradientTape() as tape:                                           # doctest: +SKIP
      ...     tape.watch(entries)
      ...     y = scores(entries)
      >>> tape.gradient(y, entries)                                                         # doctest: +SKIP
    """
    tf = _tf.tf
    if not tf.executing_eagerly():
        raise StateError("eager execution is off here, so there is no tape to differentiate with; use at.scores and "
                         "at.gradients, or tf.gradients on model.new_graph()")

    def function(*entries: Any, rows: Any = None) -> Any:
        @tf.custom_gradient
        def scored(*tensors: Any) -> Any:
            arrays = [tensor.numpy() for tensor in tensors]
            found = stacked.scores(at, arrays, rows)

            def backward(upstream: Any) -> Any:
                _, gradients = stacked.gradients(at, arrays, rows)
                weights = upstream.numpy()
                return [tf.constant(np.asarray(one, array.dtype) * weights.reshape((-1,) + (1,) * (array.ndim - 1)),
                                    array.dtype) for one, array in zip(gradients, arrays)]

            return tf.constant(found.astype(np.float32)), backward

        return scored(*[tf.convert_to_tensor(entry) for entry in entries])

    return function
