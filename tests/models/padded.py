"""Texts that the graph splits and pads to the longest of the feed; and outputs whose first axis is not that of rows."""

import numpy as np

from graph_tools import _tf

TABLE = np.random.RandomState(8).normal(size=(40, 4)).astype(np.float32)
WEIGHTS = np.random.RandomState(9).normal(size=(4, 3)).astype(np.float32)


def texts(masked_by="words", coupled=False):
    """Texts, split at spaces; the mean of their words' rows times weights: what a word adds is known in closed form.

    Args:
      masked_by: ``"words"``, ``"ids"``, or ``"lengths"``, which are counted before anything is padded; ``"nothing"``:
        the padding is read like any word.
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
        mask = tf.cast(tf.not_equal(words, "") if masked_by == "words" else tf.greater(ids, 0), tf.float32)
    mean = tf.reduce_sum(rows * mask[:, :, tf.newaxis], 1) / tf.reduce_sum(mask, 1, keepdims=True)
    mean = mean - tf.reduce_mean(mean, 0) if coupled else mean
    tf.matmul(mean, tf.constant(WEIGHTS), name="scores")


def tagged(steps_first, flat):
    """A score of three classes for each id, the steps before the rows or behind them, in three axes or in two."""
    tf = _tf.tf
    ids = tf.placeholder(tf.int32, [None, None], "ids")
    rows = tf.nn.embedding_lookup(tf.constant(TABLE, name="table"), ids, name="embedding")
    rows = tf.transpose(rows, [1, 0, 2]) if steps_first else rows
    scores = tf.matmul(tf.reshape(tf.square(rows), [-1, 4]), tf.constant(WEIGHTS))
    tf.identity(scores if flat else tf.reshape(scores, tf.concat([tf.shape(rows)[:2], [3]], 0)), name="scores")
