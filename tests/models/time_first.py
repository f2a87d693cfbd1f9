"""A recurrent reader over ids that the graph transposes: its lookup has steps first, its feed and output examples."""

import numpy as np

from graph_tools import _tf

TABLE = np.random.RandomState(3).normal(size=(12, 3)).astype(np.float32)
INTO = (np.random.RandomState(4).normal(size=(6, 4)) / 2).astype(np.float32)
HEAD = np.random.RandomState(5).normal(size=(4, 3)).astype(np.float32)


def reader(fed_time_first=False, looked_up_time_first=True):
    """``state = tanh([row, state] W)`` from the first step to the last; feeds ``ids`` and ``lengths``."""
    tf = _tf.tf
    ids = tf.placeholder(tf.int32, [None, None], "ids")
    lengths = tf.placeholder(tf.int32, [None], "lengths")
    looked_up = ids if fed_time_first == looked_up_time_first else tf.transpose(ids, [1, 0])
    rows = tf.nn.embedding_lookup(tf.constant(TABLE, name="table"), looked_up, name="embedding")
    steps = rows if looked_up_time_first else tf.transpose(rows, [1, 0, 2])

    def step(state, row_and_number):
        row, number = row_and_number
        new = tf.tanh(tf.matmul(tf.concat([row, state], 1), tf.constant(INTO)))[:, :3]
        return tf.where(number < lengths, new, state)

    numbers = tf.tile(tf.expand_dims(tf.range(tf.shape(steps)[0]), 1), [1, tf.shape(steps)[1]])
    states = tf.scan(step, (steps, numbers), initializer=tf.zeros_like(steps[0]))
    tf.nn.softmax(tf.matmul(states[-1], tf.constant(HEAD[:3])), name="scores")
