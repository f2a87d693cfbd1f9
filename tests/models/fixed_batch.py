"""Graphs that fix many rows, as a training job with its batch baked in: functions that build, up to ``y``."""

import numpy as np

from graph_tools import _tf

ROWS = 24
WEIGHTS = np.random.RandomState(4).normal(size=(12, 3)).astype(np.float32)


def _end(hidden):
    return _tf.tf.matmul(hidden, _tf.tf.constant(WEIGHTS), name="y")


def rows_apart():
    """``tanh(x) W`` of so many rows; a state of as many is added."""
    tf = _tf.tf
    _end(tf.tanh(tf.placeholder(tf.float32, [ROWS, 12], "x") + tf.zeros([ROWS, 12])))


def rows_together():
    """The same less the mean over the batch."""
    tf = _tf.tf
    hidden = tf.tanh(tf.placeholder(tf.float32, [ROWS, 12], "x"))
    _end(hidden - tf.reduce_mean(hidden, 0))


def with_a_switch_and_a_size():
    """Two inputs with a row each, a switch that drops half of them, and how many rows there are."""
    tf = _tf.tf
    x, bias = tf.placeholder(tf.float32, [ROWS, 12], "x"), tf.placeholder(tf.float32, [ROWS], "bias")
    count, training = tf.placeholder(tf.int32, [], "count"), tf.placeholder(tf.bool, [], "training")
    dropped = tf.cond(training, lambda: tf.nn.dropout(x, rate=0.5), lambda: tf.identity(x))
    _end(tf.tanh(tf.reshape(dropped, tf.stack([count, 12])) + tf.expand_dims(bias, 1)))


def drawn_anew():
    """Something is drawn for each run that moves the scores of all rows a little."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [ROWS, 12], "x")
    _end(tf.tanh(x) * (1 + 4e-5 * tf.random_uniform([])))


def few_already():
    """As many rows as an example has at most."""
    tf = _tf.tf
    _end(tf.tanh(tf.placeholder(tf.float32, [8, 12], "x") + tf.zeros([8, 12])))


def steps_first():
    """Six steps of so many rows, steps before rows."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [6, ROWS, 12], "x")
    _end(tf.tanh(tf.reduce_sum(x, 0)))


def any_rows():
    """No number of rows is fixed."""
    tf = _tf.tf
    _end(tf.tanh(tf.placeholder(tf.float32, [None, 12], "x")))
