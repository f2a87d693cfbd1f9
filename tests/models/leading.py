"""Inputs whose leading sizes differ, each fixed by what the graph reshapes it to."""

import numpy as np

from graph_tools import _tf

ROWS, EACH, WIDE = 6, 3, 4           # rows, entries of an id in each, and what an entry looks up
TABLE = np.random.RandomState(3).normal(size=(20, WIDE)).astype(np.float32)
HEAD = np.random.RandomState(4).normal(size=(WIDE + 2, 3)).astype(np.float32)


def entries_of_rows(place="", rows=ROWS):
    """Three ids a row, 18 in all, and two numbers of each of 6 rows.

    Args:
      place: ``"looked up"``: one id is looked up beside them for all rows; ``"shared"``: what is fed for all
        rows leaves entries away.
      rows: how many there are; ``None``: any number, in the entries and in the numbers.
    """
    tf = _tf.tf
    ids, numbers = tf.placeholder(tf.int32, [None], "ids"), tf.placeholder(tf.float32, [None, 2], "numbers")
    table = tf.constant(TABLE, name="table")
    found = tf.reshape(tf.nn.embedding_lookup(table, ids, name="looked_up"), [-1 if rows is None else rows, EACH, WIDE])
    found = tf.reduce_sum(tf.tanh(found), 1)
    if place == "looked up":
        found += tf.tanh(tf.nn.embedding_lookup(table, tf.placeholder(tf.int32, [1], "place"), name="placed"))
    elif place == "shared":
        kept = tf.tile(tf.placeholder(tf.bool, [1, WIDE], "place"), [rows, 1])
        found = tf.where(kept, found, tf.zeros_like(found))
    given = numbers if rows is None else tf.reshape(numbers, [rows, 2])
    tf.matmul(tf.concat([found, given], 1), tf.constant(HEAD), name="y")


def sides():
    """Three rows against four columns: no number of rows is common to both, and each pair of them has a score."""
    tf = _tf.tf
    one, other = (tf.placeholder(tf.float32, [None, 2], name) for name in ("one", "other"))
    weights = tf.constant(HEAD[:2, :2])
    tf.matmul(tf.matmul(tf.reshape(one, [3, 2]), weights), tf.reshape(other, [4, 2]), transpose_b=True, name="y")


def joined(rows=ROWS):
    """Numbers stand beside a constant of 6 rows, ids are three to each of those."""
    tf = _tf.tf
    ids, numbers = tf.placeholder(tf.int32, [None], "ids"), tf.placeholder(tf.float32, [None, 2], "numbers")
    found = tf.nn.embedding_lookup(tf.constant(TABLE, name="table"), ids, name="looked_up")
    found = tf.reduce_sum(tf.reshape(tf.tanh(found), [rows, EACH, WIDE]), 1)
    tf.matmul(tf.concat([found, numbers, tf.zeros([rows, 0])], 1), tf.constant(HEAD), name="y")


def nothing_said():
    """Two inputs are seven rows together: neither alone says how many of them are its own."""
    tf = _tf.tf
    one, other = (tf.placeholder(tf.float32, [None, 4], name) for name in ("one", "other"))
    tf.matmul(tf.reshape(tf.concat([one, other], 0), [7, 4]), tf.constant(HEAD[:4]), name="y")


def common(rows=ROWS):
    """The twin of one id a row: six of everything fit."""
    tf = _tf.tf
    ids, numbers = tf.placeholder(tf.int32, [None], "ids"), tf.placeholder(tf.float32, [None, 2], "numbers")
    found = tf.nn.embedding_lookup(tf.constant(TABLE, name="table"), ids, name="looked_up")
    given = [tf.reshape(found, [rows, WIDE]), tf.reshape(numbers, [rows, 2])]
    tf.matmul(tf.concat(given, 1), tf.constant(HEAD), name="y")
