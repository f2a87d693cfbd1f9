"""Pairs of models that differ in one thing: what makes TensorFlow answer wrongly without a word. Output ``scores``."""

import numpy as np

from graph_tools import _tf

TABLE = np.random.RandomState(3).normal(size=(20, 6)).astype(np.float32)
INTO = (np.random.RandomState(5).normal(size=(6, 5)) / 2).astype(np.float32)
HEAD = (np.random.RandomState(4).normal(size=(5, 3)) / 2).astype(np.float32)


def _x():
    return _tf.tf.placeholder(_tf.tf.float32, [None, 6], "x")


def _hidden(x):
    return _tf.tf.matmul(x, _tf.tf.constant(INTO), name="hidden")


def _scores(hidden, scale=1.0):
    logits = _tf.tf.matmul(hidden, _tf.tf.constant(HEAD * np.float32(scale)), name="logits")
    return _tf.tf.nn.softmax(logits, name="scores")


def batch_norm_op(training):
    tf = _tf.tf
    image = tf.reshape(_hidden(_x()), [-1, 1, 1, 5])
    ones, zeros = tf.ones([5]), tf.zeros([5])
    known = {} if training else {"mean": zeros, "variance": ones}
    normed = tf.nn.fused_batch_norm(image, ones, zeros, is_training=training, name="normed", **known)[0]
    _scores(tf.tanh(tf.reshape(normed, [-1, 5])))


def moments(axis):
    """Batch norm by hand over axis 0, layer norm over axis 1."""
    tf = _tf.tf
    hidden = _hidden(_x())
    centred = hidden - tf.reduce_mean(hidden, axis, keepdims=True)
    variance = tf.reduce_mean(tf.square(centred), axis, keepdims=True)
    _scores(tf.tanh(centred / tf.sqrt(variance + 0.1)))


def softmax_over(axis):
    tf = _tf.tf
    x = _x()
    logits = tf.matmul(tf.tanh(_hidden(x)), tf.constant(HEAD))
    exp = tf.exp(logits)
    tf.divide(exp, tf.reduce_sum(exp, axis, keepdims=True), name="scores")


def mean_over(axis):
    tf = _tf.tf
    hidden = tf.tanh(_hidden(_x()))
    _scores(hidden - tf.reduce_mean(hidden, axis, keepdims=True))


def dropout(kind):
    """``kind``: ``live``, ``keep`` (a fed probability), ``flag`` (a fed switch around a branch), ``none``."""
    tf = _tf.tf
    hidden = tf.tanh(_hidden(_x()))
    if kind == "live":
        hidden = hidden * tf.floor(tf.random_uniform(tf.shape(hidden)) + 0.5)
    elif kind == "keep":
        keep = tf.placeholder(tf.float32, [], "keep")
        hidden = hidden / keep * tf.floor(keep + tf.random_uniform(tf.shape(hidden)))
    elif kind == "flag":
        training = tf.placeholder(tf.bool, [], "training")
        with _tf.control_flow_v1():
            hidden = tf.cond(training, lambda: hidden * tf.floor(tf.random_uniform(tf.shape(hidden)) + 0.5),
                             lambda: tf.identity(hidden))
    _scores(hidden)


def looked_up(how, mask):
    """Ids looked up by ``"gather"`` or ``"one_hot"``; a mask from the ``"ids"``, from fed ``"lengths"``, or none."""
    tf = _tf.tf
    ids = tf.placeholder(tf.int32, [None, None], "ids")
    table = tf.constant(TABLE, name="table")
    if how == "gather":
        rows = tf.nn.embedding_lookup(table, ids, name="embedding")
    else:
        flat = tf.matmul(tf.one_hot(tf.reshape(ids, [-1]), 20), table)
        rows = tf.reshape(flat, [tf.shape(ids)[0], tf.shape(ids)[1], 6], name="embedding")
    if mask == "ids":
        kept = tf.cast(tf.not_equal(ids, 0, name="is_word"), tf.float32)[:, :, None]
    elif mask == "lengths":
        lengths = tf.placeholder(tf.int32, [None], "lengths")
        kept = tf.cast(tf.sequence_mask(lengths, tf.shape(ids)[1]), tf.float32)[:, :, None]
    else:
        kept = tf.ones_like(rows[:, :, :1])
    mean = tf.divide(tf.reduce_sum(rows * kept, 1), tf.reduce_sum(kept, 1), name="mean")
    _scores(tf.tanh(tf.matmul(mean, tf.constant(INTO))))


def norm(guarded):
    """The length of a row decides: it has no gradient at a zero baseline, unless a small constant guards it."""
    tf = _tf.tf
    x = _x()
    length = tf.sqrt(tf.reduce_sum(tf.square(x), 1, keepdims=True) + (1e-3 if guarded else 0.0), name="length")
    _scores(tf.tanh(_hidden(x)) + length)


def decided(by_argmax):
    """Scores to which an argmax adds a step, or the soft twin of it."""
    tf = _tf.tf
    x = _x()
    plain = _scores(tf.tanh(_hidden(x)))
    soft = tf.nn.softmax(tf.matmul(x, tf.constant(INTO[:, :3])))
    chosen = tf.one_hot(tf.argmax(soft, 1, name="winner"), 3) if by_argmax else soft
    tf.add(0.5 * plain, 0.5 * chosen, name="mixed")


def summed(scale):
    """A softmax, its sum over classes (``total``, always 1), and the softmax of logits ``scale`` times as large."""
    tf = _tf.tf
    scores = _scores(tf.tanh(_hidden(_x())), scale)
    tf.reduce_sum(scores, 1, name="total")
