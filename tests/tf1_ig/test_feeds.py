"""Fed values: cast without loss, and repeated along with the rows they belong to."""

import numpy as np
import pytest

import tf1_ig
from graph_tools.errors import FeedError
from tests.models import small
from tf1_ig.engine import feeds
from tf1_ig.engine.failed_run import RunFailed
from tf1_ig.errors import BatchError


@pytest.mark.parametrize("value,dtype", [
    (1.7, np.int32), (np.nan, np.int32), (2 ** 33 + 5, np.int32), (1e300, np.float32), (-1, np.uint8),
    (np.array([1, 300]), np.uint8), ("word", np.int32), (b"1", np.float32), (True, np.int32), (1, np.bool_),
    (3.5, object), (1j, np.float32), ([[1, 2], [3]], np.int32),
    (np.array([200], np.uint8), np.int8), (np.array([2 ** 63 + 5], np.uint64), np.int64), (2 ** 70, np.int64),
    (np.array(["2020-01-01"], "datetime64[D]"), np.float32),
    ([None, 1.0], np.float32), ([b"word", None], object), (None, np.float32)])
def test_a_cast_that_would_change_the_value_is_refused_with_the_tensors_name(value, dtype):
    with pytest.raises(FeedError, match="a/b:0"):
        feeds.as_fed("a/b:0", value, dtype, None)


@pytest.mark.parametrize("value,dtype", [
    (2.0, np.int32), (7, np.float32), (0.1, np.float32), (np.inf, np.float32), (np.nan, np.float16), (5, np.int64),
    (["a", b"b"], object), (u"\u00e9", object), (True, np.bool_)])
def test_a_cast_that_keeps_the_value_is_made(value, dtype):
    cast = feeds.as_fed("a:0", value, dtype, None)
    assert cast.dtype == np.dtype(dtype)
    if dtype is not object:
        np.testing.assert_array_equal(cast, np.asarray(value, dtype))


def test_a_shape_that_does_not_fit_names_both_shapes():
    with pytest.raises(FeedError, match=r"ids:0 \(int32, \[\?, 3\]\) has shape \[2, 4\]"):
        feeds.as_fed("ids:0", np.zeros((2, 4)), np.int32, (None, 3))
    assert feeds.as_fed("ids:0", np.zeros((2, 3)), np.int32, (None, 3)).shape == (2, 3)


def _belong(values, batch, **more):
    more.setdefault("batch_axis", 0)
    more.setdefault("free_batch", True)
    return feeds.belong({name: np.asarray(value) for name, value in values.items()}, more.pop("shapes", {}), batch,
                        **more)


def test_rows_blocks_and_shared_values_are_told_apart():
    fed = _belong({"rows:0": np.arange(4), "blocks:0": np.arange(8), "scalar:0": 1.0, "odd:0": np.arange(3),
                   "fixed:0": np.arange(4)}, 4, shapes={"fixed:0": (4,)})
    assert {name: tensor.block for name, tensor in fed.items()} == {
        "rows:0": 1, "blocks:0": 2, "scalar:0": 0, "odd:0": 0, "fixed:0": 0}
    taken = feeds.take_rows(fed, np.array([3, 0, 0]), 4)
    assert taken["rows:0"].tolist() == [3, 0, 0]
    assert taken["blocks:0"].tolist() == [6, 7, 0, 1, 0, 1]
    assert taken["odd:0"].tolist() == [0, 1, 2]


def test_what_the_caller_decides_is_not_guessed():
    fed = _belong({"a:0": np.arange(4), "b:0": np.arange(4)}, 4, shapes={"b:0": (4,)}, shared=["a:0"], by_row=["b:0"])
    assert (fed["a:0"].block, fed["b:0"].block) == (0, 1)
    with pytest.raises(FeedError, match="row_feeds"):
        _belong({"a:0": np.arange(5)}, 4, by_row=["a:0"])


def test_rows_along_another_axis():
    fed = _belong({"steps:0": np.arange(6).reshape(3, 2), "lengths:0": np.arange(2)}, 2, batch_axis=1)
    taken = feeds.take_rows(fed, np.array([1, 1, 0]), 2)
    assert taken["steps:0"].tolist() == [[1, 1, 0], [3, 3, 2], [5, 5, 4]]
    assert taken["lengths:0"].tolist() == [1, 1, 0]


def test_a_sparse_triple_repeats_by_its_first_index():
    fed = _belong({"x/indices:0": np.array([[0, 0], [0, 1], [2, 0]], np.int64), "x/values:0": np.array([7, 8, 9]),
                   "x/shape:0": np.array([3, 2], np.int64)}, 3)
    taken = feeds.take_rows(fed, np.array([2, 0, 1, 2]), 3)
    assert taken["x/indices:0"].tolist() == [[0, 0], [1, 0], [1, 1], [3, 0]]
    assert taken["x/values:0"].tolist() == [9, 7, 8, 9]
    assert taken["x/shape:0"].tolist() == [4, 2]


def test_sparse_triples_are_told_by_lengths_where_names_follow_no_custom():
    fed = _belong({"bag_indices:0": np.array([[0, 0], [1, 0], [1, 1]], np.int64), "bag_values:0": np.array([4, 5, 6]),
                   "bag_shape:0": np.array([2, 2], np.int64), "weight_indices:0": np.array([[0, 0], [1, 0], [1, 1]]),
                   "weight_values:0": np.array([.1, .2, .3]), "weight_shape:0": np.array([2, 2], np.int64),
                   "lengths:0": np.array([1, 2], np.int64)}, 2)
    assert fed["bag_values:0"].mates == ("bag_indices:0", "bag_values:0", "bag_shape:0")
    assert fed["weight_values:0"].mates == ("weight_indices:0", "weight_values:0", "weight_shape:0")
    assert fed["lengths:0"].block == 1 and not fed["lengths:0"].part
    assert feeds.take_rows(fed, np.array([1]), 2)["weight_values:0"].tolist() == [.2, .3]


def test_ragged_rows_keep_their_order():
    entries, position = feeds.RowEntries(np.array([1, 0, 1, 3]), 4).take(np.array([1, 2, 3, 1]))
    assert entries.tolist() == [0, 2, 3, 0, 2] and position.tolist() == [0, 0, 2, 3, 3]


def _jobs():
    tf = small._tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    found = [tf.nn.embedding_lookup(tf.ones([size, 4]), ids) for size, ids in (
        (20, tf.placeholder(tf.int32, [None], "job")), (40, tf.placeholder(tf.int32, [None], "town")),
        (10, tf.placeholder(tf.int32, [None], "year") - 1900))]
    tf.matmul(tf.tanh(x + sum(found)), tf.constant(small.WEIGHTS), name="y")


def _failure(kind, **changed):
    feed = dict({"x": np.ones((3, 4)), "job": [0, 1, 19], "town": [33, 0, 39], "year": [1900, 1901, 1909]}, **changed)
    with tf1_ig.IntegratedGradients(small.model_of(_jobs), "y:0", "x:0") as explainer:
        with pytest.raises(kind) as failed:
            explainer.explain(feed, label=1)
    assert "\n" not in str(failed.value)
    return str(failed.value)


@pytest.mark.parametrize("changed, said", [
    ({"job": [0, 33, 0]}, "feed ids from 0 to 19 for job:0, which holds 33"),
    ({"job": [0, -1, 0]}, "feed ids from 0 to 19 for job:0, which holds -1"),
    ({"town": [0, 0, 40]}, "feed ids from 0 to 39 for town:0, which holds 40"),
    ({"year": [1900, 1999, 1900]}, "feed ids from 0 to 9 (they come from year:0)")])
def test_an_id_beyond_its_table_names_the_feed_that_it_came_from(changed, said):
    assert _failure(RunFailed, **changed).endswith(said)


@pytest.mark.parametrize("name, empty", [("x", np.ones((0, 4))), ("job", np.zeros(0, int))])
def test_a_feed_without_rows_is_named(name, empty):
    assert _failure(BatchError, **{name: empty}).startswith("%s:0 has no rows (it is fed as [0" % name)
    none = {other: np.zeros(0, int) for other in ("job", "town", "year")}
    assert "%s:0 has no rows" % name in _failure(FeedError, **dict(none, x=np.ones((0, 4))))
    with tf1_ig.IntegratedGradients(small.model_of(_jobs), "y:0", "x:0", batch_axis=None) as explainer:
        with pytest.raises(BatchError, match="^%s:0 has no rows" % name):
            explainer.explain(dict({"x": np.ones((3, 4)), "job": [0, 1, 2], "town": [0] * 3, "year": [1900] * 3},
                                   **{name: empty}), label=(0, 1))


def test_feeds_of_different_numbers_of_rows_are_still_counted():
    assert "different numbers of rows: x:0 3, job:0 2" in _failure(BatchError, job=[0, 1])
