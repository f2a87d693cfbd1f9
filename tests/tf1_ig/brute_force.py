"""The oracle: Integrated Gradients one example and one point at a time, straight from the definition.

It shares nothing with the package but the loading of the model: the attributed tensor is fed, the gradient is
``tf.gradients`` on the model's own graph, the rule is the midpoint.
"""

import contextlib

import numpy as np

from graph_tools import _tf


@contextlib.contextmanager
def session_of(model, inputs, output, position):
    """A session with gradients of ``output[position]`` by the inputs."""
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


def integrated_gradients(model, inputs, output, position, feed, baselines=None, steps=200):
    """``([attributions], score, baseline score)`` of one feed that is one example."""
    with session_of(model, inputs, output, position) as (session, score, gradients):
        actual = [np.asarray(value, np.float64) for value in session.run(list(inputs), feed)]
        start = [np.zeros_like(value) for value in actual] if baselines is None else [
            np.broadcast_to(base, value.shape) for base, value in zip(baselines, actual)]

        def at(alpha):
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


def relative_l1(found, expected) -> float:
    """Sum of absolute differences over the sum of absolute expected values."""
    return float(np.abs(np.asarray(found) - expected).sum() / np.abs(expected).sum())
