"""Texts that the graph splits and pads to the longest of the feed; and outputs whose first axis is not that of rows."""

import numpy as np

from graph_tools import _tf

TABLE = np.random.RandomState(8).normal(size=(40, 4)).astype(np.float32)
WEIGHTS = np.random.RandomState(9).normal(size=(4, 3)).astype(np.float32)


def texts(masked_by="words", coupled=False):
    """Texts, split at spaces; the mean of their words' rows times weights: what a word adds is known in closed form.

    Args:
      masked_by: ``"words"``, ``"ids"``, or ``"lengths"``, which are counted before anything is padded; ``"nothing"``:
        the padding is read like any word; ``"short ones alone"``: in texts of fewer than three words.
      coupled: whether the mean of all texts is taken off.
    """
    tf = _tf.tf
    split = tf.string_split(tf.placeholder(tf.string, [None], "texts"))
    words = tf.sparse_tensor_to_dense(split, default_value="", name="words")
    ids = tf.where(tf.equal(words, ""), tf.zeros_like(words, tf.int64), 1 + tf.string_to_hash_bucket_fast(words, 39),
                   name="ids")
    rows = tf.nn.embedding_lookup(tf.constant(TABLE, name="table"), ids, name="embedding")
    if masked_by == "lengths":
        ones = tf.ones_like(split.indices[:, 0])
        mask = tf.sequence_mask(tf.segment_sum(ones, split.indices[:, 0]), dtype=tf.float32)
    elif masked_by == "nothing":
        mask = tf.ones_like(rows[:, :, 0])
    else:
        mask = tf.cast(tf.greater(ids, 0) if masked_by == "ids" else tf.not_equal(words, ""), tf.float32)
        if masked_by == "short ones alone":
            mask = tf.maximum(mask, tf.cast(tf.reduce_sum(mask, 1, keepdims=True) < 3, tf.float32))
    mean = tf.reduce_sum(rows * mask[:, :, tf.newaxis], 1) / tf.reduce_sum(mask, 1, keepdims=True)
    mean = mean - tf.reduce_mean(mean, 0) if coupled else mean
    tf.matmul(mean, tf.constant(WEIGHTS), name="scores")


def by_the_longest():
    """Numbers over how many words the longest text of the feed has."""
    tf = _tf.tf
    words = tf.sparse_tensor_to_dense(tf.string_split(tf.placeholder(tf.string, [None], "texts")), default_value="")
    x = tf.placeholder(tf.float32, [None, 3], "x")
    tf.divide(tf.matmul(tf.tanh(x), tf.constant(WEIGHTS[:3])), tf.cast(tf.shape(words)[1], tf.float32), name="scores")


def tagged(steps_first, flat):
    """A score of three classes for each id, the steps before the rows or behind them, in three axes or in two."""
    tf = _tf.tf
    ids = tf.placeholder(tf.int32, [None, None], "ids")
    rows = tf.nn.embedding_lookup(tf.constant(TABLE, name="table"), ids, name="embedding")
    rows = tf.transpose(rows, [1, 0, 2]) if steps_first else rows
    scores = tf.matmul(tf.reshape(tf.square(rows), [-1, 4]), tf.constant(WEIGHTS))
    tf.identity(scores if flat else tf.reshape(scores, tf.concat([tf.shape(rows)[:2], [3]], 0)), name="scores")
