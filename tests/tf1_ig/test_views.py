"""A tensor named because it is the natural one keeps the ids of the lookup that it is a view of."""

import numpy as np
import pytest

import tf1_ig
from graph_tools import _tf
from graph_tools.errors import FeedError
from tests.models.small import model_of
from tf1_ig.question import views

TABLE = np.random.RandomState(3).normal(size=(9, 4)).astype(np.float32)
IDS = np.array([[1, 2, 3], [4, 4, 8]], np.int32)


def _head(rows, axis=1):
    tf = _tf.tf
    weights = tf.constant(np.random.RandomState(4).normal(size=(4, 2)).astype(np.float32))
    tf.nn.softmax(tf.matmul(tf.tanh(tf.reduce_sum(rows, axis)), weights), name="scores")


def one_hot():
    """The table as a product with one-hot vectors, flattened for it and put back."""
    tf = _tf.tf
    ids = tf.placeholder(tf.int32, [None, 3], "ids")
    flat = tf.matmul(tf.one_hot(tf.reshape(ids, [-1]), 9), tf.constant(TABLE, name="table"), name="product")
    _head(tf.reshape(flat, [-1, 3, 4], name="emb"))


def tensordot():
    tf = _tf.tf
    ids = tf.placeholder(tf.int32, [None, 3], "ids")
    rows = tf.tensordot(tf.one_hot(ids, 9), tf.constant(TABLE, name="table"), [[2], [0]])
    _head(tf.identity(tf.reshape(rows, [-1, 3, 4]), name="emb"))


def gathered():
    tf = _tf.tf
    ids = tf.placeholder(tf.int32, [None, 3], "ids")
    rows = tf.gather(tf.constant(TABLE, name="table"), ids, name="rows")
    _head(tf.identity(tf.cast(tf.expand_dims(rows, 1), tf.float32), name="emb")[:, 0])


def beneath():
    """The op that was named is beneath the one that the search finds."""
    tf = _tf.tf
    ids = tf.placeholder(tf.int32, [None, 3], "ids")
    rows = tf.gather(tf.constant(TABLE, name="table"), ids, name="emb")
    _head(tf.identity(tf.identity(rows)))


def time_first():
    tf = _tf.tf
    ids = tf.placeholder(tf.int32, [None, 3], "ids")
    rows = tf.gather(tf.constant(TABLE, name="table"), ids, name="rows")
    _head(tf.transpose(rows, [1, 0, 2], name="emb"), 0)


def scaled():
    """Twice the rows are no view of them."""
    tf = _tf.tf
    ids = tf.placeholder(tf.int32, [None, 3], "ids")
    _head(tf.multiply(tf.gather(tf.constant(TABLE, name="table"), ids, name="rows"), 2., name="emb"))


def flattened():
    """Rows one after another are no rows any more."""
    tf = _tf.tf
    ids = tf.placeholder(tf.int32, [None, 3], "ids")
    rows = tf.reshape(tf.gather(tf.constant(TABLE, name="table"), ids, name="rows"), [-1, 12], name="emb")
    _head(tf.reshape(rows, [-1, 3, 4]))


@pytest.mark.parametrize("build", [one_hot, tensordot, gathered, beneath])
def test_ids_and_words_follow_the_view(build):
    with tf1_ig.IntegratedGradients(model_of(build), "scores:0", "emb:0") as named:
        found = named.explain({"ids:0": IDS}, label=1)
    assert [np.asarray(row).ravel().tolist() for row in found.ids["emb:0"]] == IDS.tolist()
    assert found.texts("emb:0", 1) == ["#4", "#4", "#8"]
    with tf1_ig.IntegratedGradients(model_of(build), "scores:0") as chosen:
        own = chosen.explain({"ids:0": IDS}, label=1)
    assert np.allclose(np.ravel(found.tokens["emb:0"]), np.ravel(next(iter(own.tokens.values()))), atol=1e-6)


@pytest.mark.parametrize("build", [one_hot, tensordot])
def test_an_id_beyond_the_table_is_refused(build):
    with tf1_ig.IntegratedGradients(model_of(build), "scores:0", "emb:0") as explainer:
        with pytest.raises(FeedError, match="id 9 in .* is out of range: the table behind emb:0 has 9 rows"):
            explainer.explain({"ids:0": IDS + 1}, label=1)


def test_time_first_ids_stand_where_their_rows_stand():
    assert views.lookup_behind(model_of(time_first), "emb:0").axes == (1, 0)
    with tf1_ig.IntegratedGradients(model_of(time_first), "scores:0", "emb:0", batch_axis=None) as explainer:
        found = explainer.explain({"ids:0": IDS[:1]}, label=(0, 1))
    assert np.ravel(found.ids["emb:0"][0]).tolist() == IDS[0].tolist()


@pytest.mark.parametrize("build", [scaled, flattened])
def test_what_is_no_view_has_no_ids(build):
    assert views.lookup_behind(model_of(build), "emb:0") is None
    with tf1_ig.IntegratedGradients(model_of(build), "scores:0", "emb:0") as explainer:
        assert explainer.explain({"ids:0": IDS}, label=1).ids is None
