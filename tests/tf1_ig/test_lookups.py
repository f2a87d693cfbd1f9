"""Lookups through an explanation: rows of their own examples, and ids, weights and bags that are out of the ordinary."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import graph_tools as gt
import tf1_ig
from tests.models import embedding_patterns, embeddings
from tests.models.embeddings_sparse import sparse_feed
from tf1_ig.errors import BatchError

RAGGED = ("ragged_matrix_by_splits", "ragged_matrix_by_rows", "ragged_segment_mean")


@pytest.mark.parametrize("name", RAGGED)
def test_rows_of_a_ragged_lookup_belong_to_their_own_examples(name):
    """As many rows as two for each of three examples, but two, none and four: each example's sum is its own rise."""
    built, live, frozen = embeddings.live_and_frozen(embedding_patterns.patterns()[name])
    if name == "ragged_segment_mean":
        feed = {name: value for name, value in sparse_feed([[1, 3], [5], [2, 2, 7]]).items() if "shape" not in name}
        counts = [2, 1, 3]
    else:
        by_rows = name.endswith("rows")
        feed = {"flat:0": [1, 3, 5, 2, 2, 7], "parts:0": [0, 0, 2, 2, 2, 2] if by_rows else [0, 2, 2, 6]}
        counts = [2, 0, 4]
    for model in (live, frozen):
        with tf1_ig.IntegratedGradients(model, built.output) as explainer:
            found = explainer.explain(feed, label=1, steps=64)
        (values,), = [found.values.values()]
        assert [len(rows) for rows in values] == counts
        np.testing.assert_allclose([np.sum(rows) for rows in values], found.score - found.baseline_score, atol=1e-3)
        assert [len(rows) for rows in found.ids[explainer.inputs[0]]] == counts


def test_rows_that_cannot_be_told_apart_by_example_are_refused():
    """Bags cut out of a running sum by their lengths: nothing in the graph says whose each row is."""
    with tf.Graph().as_default(), tf.Session() as session:
        flat, lengths = tf.placeholder(tf.int64, [None], "flat"), tf.placeholder(tf.int32, [None], "lengths")
        sums = tf.concat([tf.zeros([1, 4]), tf.cumsum(tf.gather(tf.constant(embeddings.TABLE), flat))], 0)
        ends = tf.cumsum(lengths)
        output = embeddings.head(tf.gather(sums, ends) - tf.gather(sums, ends - lengths))
        model = gt.from_session(session)
    ids = [1, 3, 5, 2, 2, 7]
    with tf1_ig.IntegratedGradients(model, output) as explainer:
        for lengths in ([2, 2, 2], [2, 0, 4], [2, 2, 2]):
            feed = {"flat:0": ids, "lengths:0": lengths}
            if lengths == [2, 2, 2]:
                assert explainer.explain(feed, label=1).converged.all()
            else:
                with pytest.raises(BatchError, match="batch_axis=None"):
                    explainer.explain(feed, label=1)
    with tf1_ig.IntegratedGradients(model, output, batch_axis=None) as explainer:
        found = explainer.explain({"flat:0": ids, "lengths:0": [2, 0, 4]}, label=(2, 1))
    assert found.converged.all() and not found.tokens[explainer.inputs[0]][0, :2].any()
