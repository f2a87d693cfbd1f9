"""Loops and branches as TF 2 writes them: functional ops, and what lowering makes of those (TF 2 only).

A frozen TF 2 function keeps ``StatelessWhile`` and ``StatelessIf``; freezing with ``lower_control_flow`` or running the
function optimiser turns them into Switch, Merge and Enter, in an order and with control edges of their own.
"""

from typing import Any, Callable, NamedTuple, Tuple

import numpy as np

from graph_tools import _tf
from tests.models.freezing import Frozen


class Function(NamedTuple):
    """A TF 2 function of a ``[2, 3]`` float64 input."""

    name: str
    body: Callable[[Any], Any]


def _repeat(times, body, value):
    tf = _tf.tensorflow
    return tf.while_loop(lambda i, v: i < times, lambda i, v: (i + 1, body(v)), (tf.constant(0), value))[1]


def loop(x):
    return _repeat(3, lambda v: _tf.tensorflow.sin(v) * x, x)


def branch(x):
    tf = _tf.tensorflow
    return tf.cond(tf.reduce_sum(x) > 0, lambda: tf.sin(x), lambda: x * x)


def branch_in_loop(x):
    tf = _tf.tensorflow
    return _repeat(3, lambda v: tf.cond(tf.reduce_sum(v) > 0.5, lambda: tf.sin(v) * x, lambda: v + x), x)


def loop_in_branch(x):
    tf = _tf.tensorflow
    return tf.cond(tf.reduce_sum(x) > 0, lambda: loop(x), lambda: x * x)


def loop_in_loop(x):
    return _repeat(2, lambda v: loop(v) + x, x)


def loop_in_branch_in_loop(x):
    return _repeat(2, lambda v: loop_in_branch(v) + x, x)


def variable_in_loop(x):
    tf = _tf.tensorflow
    return _repeat(3, lambda v: tf.tanh(v @ variable_in_loop.variable), x)


def call(x):
    return _tf.tensorflow.function(lambda v: _tf.tensorflow.sin(v) * v)(x)


FUNCTIONS: Tuple[Function, ...] = tuple(
    Function(body.__name__, body) for body in (
        loop, branch, branch_in_loop, loop_in_branch, loop_in_loop, loop_in_branch_in_loop, variable_in_loop, call))


def freeze(function: Function) -> Frozen:
    """The frozen function, functional, lowered and optimised, with values and gradients from a gradient tape."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    tf = _tf.tensorflow
    variable_in_loop.variable = tf.Variable(np.cos(np.arange(9.0)).reshape(3, 3))

    def scored(x):
        flat = tf.reshape(function.body(x), [-1])
        return tf.reduce_sum(flat * tf.cos(tf.range(6, dtype=tf.float64) * 0.9))

    concrete = tf.function(scored, [tf.TensorSpec([2, 3], tf.float64, name="x")]).get_concrete_function()
    frozen = convert_variables_to_constants_v2(concrete, lower_control_flow=False)
    lowered = convert_variables_to_constants_v2(concrete, lower_control_flow=True)
    x, y = frozen.inputs[0].name, frozen.outputs[0].name
    graphs = {"functional": frozen.graph.as_graph_def(), "lowered": lowered.graph.as_graph_def()}
    graphs["inlined"] = _inlined(graphs["functional"], [x[:-2], y[:-2]])
    if lowered.outputs[0].name != y:
        raise AssertionError("lowering renamed the output: %s, %s" % (lowered.outputs[0].name, y))
    starts = [np.sin(1.7 * np.arange(6)).reshape(2, 3) * scale for scale in (0.8, -0.8)]
    values, gradients = [], []
    for start in starts:
        with tf.GradientTape() as tape:
            point = tf.constant(start)
            tape.watch(point)
            value = tf.function(scored)(point)
        values.append(value.numpy())
        gradients.append([tape.gradient(value, point).numpy()])
    return Frozen("functional_" + function.name, graphs, [x], y, [{x: start} for start in starts], values, gradients,
                  True)


def _inlined(graph_def, keep):
    """What the function optimiser leaves when it is asked to lower."""
    from tensorflow.python.grappler import tf_optimizer

    tf = _tf.tf
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(graph_def, name="")
        marked = graph.as_graph_def()
        nodes = list(marked.node) + [node for function in marked.library.function for node in function.node_def]
        for node in nodes:
            if node.op in ("If", "While", "StatelessIf", "StatelessWhile"):
                node.attr["_lower_using_switch_merge"].b = True
        meta_graph = tf.train.export_meta_graph(graph_def=marked, graph=graph)
    meta_graph.collection_def["train_op"].node_list.value.extend(keep)
    config = tf.ConfigProto()
    config.graph_options.rewrite_options.min_graph_nodes = -1
    config.graph_options.rewrite_options.optimizers.append("function")
    return tf_optimizer.OptimizeGraph(config, meta_graph)
