"""Small graphs that import makes large: sizes that small numbers hide.

What a sum, a row, a cast or a number that comes round really is; empty axes that a sum takes away; text that is said
again and again.
"""

import os
from typing import Any, Callable, Dict

import numpy as np

from graph_tools import _tf


def _matrix(*rows: Any) -> Any:
    return np.array(rows, np.int32)


def _filled(tf: Any, dims: Any) -> Any:
    return tf.fill(dims, 1.0)


def _empty(tf: Any, dims: Any) -> Any:
    """A constant without a number, of a shape that the numpy of TensorFlow 1.15 refuses to make."""
    held = tf.AttrValue()
    held.tensor.dtype = 1
    for size in dims:
        held.tensor.tensor_shape.dim.add(size=size)
    return tf.get_default_graph().create_op(
        "Const", [], [tf.float32], attrs={"value": held, "dtype": tf.AttrValue(type=1)}).outputs[0]


# By the edge of what they make: it has as many entries, or bytes of text, as a square.
BOMBS: Dict[str, Callable[[Any, int], Any]] = {
    "sums by axis": lambda tf, n: _filled(tf, tf.reduce_sum(tf.constant(np.full((8, 5), 16, np.int32)), 0)),
    "a row of a matrix": lambda tf, n: _filled(tf, tf.gather(tf.constant(_matrix([1, 1], [n, n])), 1)),
    "a slice of a matrix": lambda tf, n: _filled(tf, tf.constant(_matrix([1, 1], [n, n]))[1]),
    "rows stacked": lambda tf, n: _filled(tf, tf.stack([tf.constant([1, n]), tf.constant([1, n])], 1)[1]),
    "spread over one another": lambda tf, n: tf.ones([n, 1]) + tf.ones([1, n]),
    "compared": lambda tf, n: tf.less(tf.ones([n, 1]), tf.ones([1, n])),
    "one long row taken often": lambda tf, n: tf.gather(tf.ones([1, n]), tf.zeros([n], tf.int32)),
    "a whole number that comes round": lambda tf, n: _filled(
        tf, tf.fill([1], tf.constant(-2 ** 31, tf.int32) - 1)[0][None] + tf.constant([0])),
    "a small type": lambda tf, n: _filled(tf, tf.cast(tf.cast(tf.constant([-1] * 5), tf.uint8), tf.int32)),
    "a part of one": lambda tf, n: _filled(tf, tf.floordiv(
        tf.constant(n * n, tf.int64), tf.cast(tf.constant([1.9]), tf.int64))),
    "a text joined to many": lambda tf, n: tf.strings.join([tf.constant("a" * n), tf.fill([n], "b")]),
    "a product of empty matrices": lambda tf, n: tf.matmul(tf.ones([n, 0]), tf.ones([0, n])),
    "sums over an empty axis": lambda tf, n: tf.reduce_sum(_empty(tf, [n, n, 0]), 2),
    "rows made of nothing": lambda tf, n: tf.reduce_sum(tf.reshape(tf.zeros([0]), tf.cumsum([n, 0, -n])), 2),
    "squared differences": lambda tf, n: tf.math.squared_difference(tf.ones([n, 1]), tf.ones([1, n])),
    "a text repeated": lambda tf, n: tf.fill([n], "a" * n),
    "a text spread": lambda tf, n: tf.broadcast_to(tf.constant("a" * n), [n]),
    "a text taken often": lambda tf, n: tf.gather(tf.constant(["a" * n]), tf.zeros([n], tf.int32)),
    "a text added to many": lambda tf, n: tf.raw_ops.Add(x=tf.constant("a" * n), y=tf.fill([n], "b")),
    "all of a text, often": lambda tf, n: tf.strings.substr("a" * n, tf.zeros([n], tf.int32), tf.fill([n], n)),
    "a text between texts": lambda tf, n: tf.strings.join([tf.fill([n], "a")] * 2, "c" * n),
    "a wide number": lambda tf, n: tf.as_string(tf.constant([1]), width=n * n),
    "a segment far out": lambda tf, n: tf.math.segment_sum(tf.ones([1]), tf.constant([n * n], tf.int64)),
    "rows far apart": lambda tf, n: tf.dynamic_stitch([tf.constant([min(n * n, 2 ** 31 - 2)])], [tf.ones([1])]),
    "what an average was taken of": lambda tf, n: tf.raw_ops.AvgPoolGrad(
        orig_input_shape=[1, n, n, 1], grad=tf.ones([1, 1, 1, 1]), ksize=[1, n, n, 1],
        strides=[1, n, n, 1], padding="VALID"),
    "words written anew": lambda tf, n: tf.strings.regex_replace("a" * n, "a", "b" * n),
    "a product of stacks": lambda tf, n: _filled(tf, tf.stack([tf.shape(tf.matmul(
        tf.ones([1, n, 1]), tf.ones([1, 1, 1])))[1]] * 2)),
}


def graph_def(name: str) -> Any:
    """A graph from ``x`` to ``out`` and ``safe``, and beside them a shape that import must know, made of the bomb."""
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [1], "x")
        tf.tanh(x, "safe")
        tf.negative(x, "out")
        made = BOMBS[name](tf, 1 << 18)
        numbers = tf.strings.length(made) if made.dtype == tf.string else made
        tf.reshape(tf.cast(tf.reduce_sum(tf.cast(numbers, tf.float32)), tf.int32), [1], "dims")
    found = graph.as_graph_def()
    # Were it added above, the bomb went off there.
    shaped = found.node.add(name="shaped", op="Fill", input=["dims", "nought"])
    shaped.attr["T"].type, shaped.attr["index_type"].type = 1, 3
    nought = found.node.add(name="nought", op="Const")
    nought.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(0.0))
    nought.attr["dtype"].type = 1
    return found


def write(name: str, folder: str) -> str:
    """Writes it as a frozen graph; returns its path."""
    path = os.path.join(folder, "model.pb")
    with open(path, "wb") as file:
        file.write(graph_def(name).SerializeToString())
    return path
