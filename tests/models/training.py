"""A queue-fed training job with a fixed seed: what it learns is the same in every run, unless somebody interferes."""

from typing import Any, NamedTuple

import numpy as np

from graph_tools import _tf

VOCABULARY, WORDS, BATCH = 20, 6, 4
IDS = np.random.RandomState(5).randint(0, VOCABULARY, size=(40, WORDS)).astype(np.int64)
LABELS = (IDS.sum(axis=1) % 2).astype(np.int64)


class Job(NamedTuple):
    """The graph of a job and what one training step fetches."""

    graph: Any
    train: Any
    loss: Any
    ids: Any
    label: Any


def build() -> Job:
    """Embedding, mean, two classes, trained by gradient descent on batches of ``tf.train.batch`` in a fixed order."""
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(11)
        tf.train.create_global_step()
        example = tf.train.slice_input_producer([tf.constant(IDS), tf.constant(LABELS)], shuffle=False)
        ids, label = tf.train.batch(example, BATCH, num_threads=1, capacity=12, name="batch")
        table = tf.get_variable("table", [VOCABULARY, 8], initializer=tf.random_normal_initializer(seed=1))
        rows = tf.nn.embedding_lookup(table, ids, name="rows")
        weights = tf.get_variable("weights", [8, 2], initializer=tf.random_normal_initializer(seed=2))
        with tf.control_dependencies([ids.op]):  # the edge that makes a fed run hang
            logits = tf.matmul(tf.tanh(tf.reduce_mean(rows, 1)), weights, name="logits")
        tf.nn.softmax(logits, name="softmax")
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=label, logits=logits), name="loss")
        train = tf.train.GradientDescentOptimizer(0.5).minimize(loss, tf.train.get_global_step(), name="train")
    return Job(graph, train, loss, ids, label)


def step(session, job: Job):
    """One training step: its loss, and the ids it was given."""
    _, loss, ids = session.run([job.train, job.loss, job.ids], options=_tf.tf.RunOptions(timeout_in_ms=30000))
    return float(loss), ids
