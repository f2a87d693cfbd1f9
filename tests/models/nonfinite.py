"""Models with a NaN, an infinity or a jump at one known op; each function builds into the default graph, output ``y``.
"""

import numpy as np

from graph_tools import _tf

WEIGHTS = np.random.RandomState(4).normal(size=(4, 3)).astype(np.float32)


def _head(hidden):
    _tf.tf.identity(_tf.tf.reduce_sum(hidden, axis=1), name="y")


def logarithm():
    """log of a number that is negative for some inputs: NaN forward."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    _head(tf.tanh(tf.log(tf.matmul(x, tf.ones([4, 3]), name="sum"), name="logs")))


def division():
    """x / (a mean over no tokens): 0 / 0 where the length is 0."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    lengths = tf.placeholder(tf.float32, [None], "lengths")
    _head(tf.divide(x * lengths[:, None], lengths[:, None], name="mean"))


def exponential():
    """exp overflows: infinite forward."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    _head(tf.exp(100.0 * x, name="grown"))


def norm_of_half():
    """A square root that is 0 half way along the path from zero: its gradient does not exist there."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    tf.sqrt(tf.reduce_sum(tf.square(tf.nn.relu(x - 0.5)), 1), name="y")


def masked_division():
    """tf.where hides the infinity of 1 / x forward; the gradient of the hidden branch is 0 · ∞."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    safe = tf.where(tf.greater(x, 0.5), tf.divide(1.0, tf.nn.relu(x), name="inverse"), tf.square(x))
    _head(safe)


def in_a_loop():
    """A logarithm inside a while loop: of a negative number for inputs below -1."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    with _tf.control_flow_v1():
        _, last = tf.while_loop(lambda step, state: step < 3, lambda step, state: (step + 1, tf.log(state + 1.0)),
                                [0, x], name="loop")
    _head(last)


def bad_weights():
    """A constant that holds a NaN."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    weights = WEIGHTS.copy()
    weights[1, 2] = np.nan
    _head(tf.matmul(x, tf.constant(weights, name="weights")))


def deep():
    """Three hundred ops, and a square root of a negative number in the middle."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    for number in range(300):
        x = tf.sqrt(x, name="root") if number == 150 else tf.add(x, -0.01, name="step_%d" % number)
    _head(x)


def whole():
    """Nothing that is not finite, square root and division included."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    _head(tf.divide(x, tf.sqrt(tf.reduce_sum(tf.square(x), 1, keepdims=True) + 1e-6), name="unit"))


def normalised():
    """A direction: the zero baseline has none, and what is next to it has the input's."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    _head(tf.tanh(tf.matmul(tf.nn.l2_normalize(x, 1, name="unit"), tf.constant(WEIGHTS))))


def logarithm_at_zero():
    """A logarithm that a number too small to matter keeps finite at zero."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    _head(tf.log(tf.square(x) + 1e-30, name="logs"))


def rounded():
    """Half of the score goes through a rounding, which has no gradient."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    _head(x + tf.round(tf.reduce_sum(x, 1, keepdims=True), name="whole"))


def towers(norm=True):
    """How near the direction of a few words is to another one, weighed by numbers; its twin takes their place."""
    tf = _tf.tf
    ids, x = tf.placeholder(tf.int32, [None, 2], "ids"), tf.placeholder(tf.float32, [None, 3], "x")
    table = tf.constant(np.random.RandomState(6).normal(size=(5, 3)).astype(np.float32), name="table")
    words = tf.reduce_sum(tf.nn.embedding_lookup(table, ids), 1)
    words = tf.nn.l2_normalize(words, 1, name="unit") if norm else words
    tf.reduce_sum(words * (1.0 + tf.tanh(x)) * WEIGHTS[0], 1, name="y")


def steep():
    """Almost all of the way right behind zero, and yet no jump."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    _head(tf.nn.softsign(tf.matmul(x, tf.constant(np.abs(WEIGHTS) * np.float32(200.0)))))
