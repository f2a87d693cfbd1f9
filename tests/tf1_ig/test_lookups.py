"""Lookups through an explanation: rows of their own examples; ids, weights and bags that are out of the ordinary."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import graph_tools as gt
import tf1_ig
from tests.models import embedding_patterns, embeddings
from tests.models.embeddings_sparse import sparse_feed
from tf1_ig.errors import BatchError

RAGGED = ("ragged_matrix_by_splits", "ragged_matrix_by_rows", "ragged_segment_mean")


@pytest.mark.dealt
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


# -- ids, weights and bags out of the ordinary, through every pattern and combiner, live and frozen: an error or what a
# -- closed form says, never a row of zeros without a word.

PATTERNS = embedding_patterns.patterns()
BAGS = [name for name, pattern in PATTERNS.items() if not pattern.lacking and name.startswith(
    ("els_", "safe_els_", "num_segments_", "sparse_product"))]
QUICK = ("els_mean", "els_sqrtn_weighted", "safe_els_sum", "num_segments_mean_on_table", "els_mean_weighted_two_parts")
# Bags, and their weights; which ids and weights are wrong, and an example without ids in every place.
WRONG_IDS = [[[3, 8], [1]], [[3], [1, 100]], [[3, -1], [1, 2]], [[-1], [1, 2]]]
EMPTY = [[[], [1, 2], [3]], [[1, 2], [], [3]], [[1, 2], [3], []], [[], []]]
WEIGHTS = [([[3, 5], [1, 2]], [[0., 2.], [1., 1.]]), ([[3, 5], [1, 2]], [[-1., 2.], [1., 1.]]),
           ([[3, 5], [1, 2]], [[0., 0.], [1., 1.]])]


def _score(features):
    """Class 1 of ``embeddings.head``, for complex features."""
    logits = np.tanh(features) @ embeddings.HEAD.astype(np.float64)
    return np.exp(logits[1]) / np.exp(logits).sum()


def _expected(rows, weights, how):
    """IG of each row of one bag: with ``f = Σ c_i x_i``, ``c_i x_i`` times the mean slope on the way from 0 to f."""
    weights = np.asarray(weights, np.float64)
    scale = {"sum": 1.0, "mean": weights.sum(), "sqrtn": np.sqrt((weights ** 2).sum())}[how]
    # A bag whose weights are all zero is zero where TensorFlow divides without NaN.
    shares = rows * (weights / scale if scale else 0 * weights)[:, None]
    features, slope = shares.sum(0), np.zeros(shares.shape[1])
    for node, part in zip(*np.polynomial.legendre.leggauss(40)):
        point = features * (node + 1) / 2
        for entry in range(len(slope)):
            step = point.astype(complex)
            step[entry] += 1e-20j
            slope[entry] += part / 2 * _score(step).imag / 1e-20
    return shares @ slope


def _feed(model, name, bags, weights):
    feed = sparse_feed([list(bag) for bag in bags])
    feed["bag_indices:0"] = feed["bag_indices:0"].reshape(-1, 2)
    feed["bag_values:0"] = np.array(feed["bag_values:0"], np.int64)
    if name == "sparse_product":  # its columns are the ids, its values the weights
        feed["bag_indices:0"][:, 1] = feed["bag_values:0"]
        feed.update({"bag_values:0": np.array([one for bag in weights for one in bag], np.float32),
                     "bag_shape:0": np.array([len(bags), embeddings.ROWS])})
    elif "weighted" in name:
        feed.update(sparse_feed(weights, "weight"))
        feed["weight_indices:0"] = feed["weight_indices:0"].reshape(-1, 2)
    return {tensor: value for tensor, value in feed.items() if tensor.split(":")[0] in model.index}


@pytest.mark.dealt
@pytest.mark.parametrize("name", [
    name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in BAGS])
@pytest.mark.parametrize("frozen", [False, True])
def test_out_of_the_ordinary_bags(name, frozen):
    built, live, copy = embeddings.live_and_frozen(PATTERNS[name])
    model, safe = copy if frozen else live, name.startswith("safe")
    how = next((how for how in ("sqrtn", "mean") if how in name), "sum")
    with tf1_ig.IntegratedGradients(model, built.output) as explainer:
        def check(bags, weights, **effort):
            kept = [[place for place, one in enumerate(bag) if not safe or one >= 0 and (
                how == "sum" or weights[row][place] > 0)] for row, bag in enumerate(bags)]
            found = explainer.explain(_feed(model, name, bags, weights), label=1, **effort or {"steps": 40})
            values = [rows.sum(-1) for rows in next(iter(found.values.values()))]
            # A lookup that is not safe has no rows for the last examples when they are empty: nor has its result.
            assert len(values) == len(bags) or name.startswith("els") and not any(bags[len(values):])
            for row, mine in enumerate(values):
                rows = embeddings.TABLE[np.array([bags[row][place] for place in kept[row]], int)]
                rows = embeddings.clipped(rows) if "max_norm" in name else rows
                expected = _expected(rows.astype(np.float64), [weights[row][place] for place in kept[row]], how)
                if np.isnan(mine).any():  # release 1.15 divides by the sum of the weights
                    assert not any(weights[row]) and not found.converged[row] and not tf1_ig.check(found).ok
                else:
                    np.testing.assert_allclose(mine, expected, atol=1e-5)

        for bags in WRONG_IDS:
            if safe and all(one < embeddings.ROWS for bag in bags for one in bag):
                check(bags, [[1.0] * len(bag) for bag in bags])
            else:
                with pytest.raises(gt.errors.GraphToolsError, match=r"is not in \[0, \d\)"):
                    explainer.explain(_feed(model, name, bags, [[1.0] * len(bag) for bag in bags]), label=1)
        for bags in EMPTY:
            if name.startswith("els") and not any(bags):
                with pytest.raises(gt.errors.FeedError, match="no example"):
                    explainer.explain(_feed(model, name, bags, bags), label=1)
            else:
                check(bags, [[1.0] * len(bag) for bag in bags])
                check(bags, [[1.0] * len(bag) for bag in bags], tolerance=1e-5)
        for bags, weights in WEIGHTS if "weighted" in name or name == "sparse_product" else ():
            check(bags, weights)


@pytest.mark.parametrize("name", ["els_mean", "num_segments_mean_on_table", "ragged_segment_mean"])
def test_bags_of_a_whole_feed_are_one_example(name):
    """The score of one bag of three, with the rows of the others, which move nothing."""
    built, live, _ = embeddings.live_and_frozen(PATTERNS[name])
    bags = [[1, 3], [5], [2, 2, 7]]
    with tf1_ig.IntegratedGradients(live, built.output, batch_axis=None) as explainer:
        found = explainer.explain(_feed(live, name, bags, [[1.0] * len(bag) for bag in bags]), label=(2, 1), steps=40)
    (values,), = found.values.values()
    assert values.shape == (6, embeddings.TABLE.shape[1]) and not values[:3].any()
    expected = _expected(embeddings.TABLE[bags[2]].astype(np.float64), [1.0] * 3, "mean")
    np.testing.assert_allclose(values[3:].sum(-1), expected, atol=1e-5)


DENSE = [name for name, pattern in PATTERNS.items() if not pattern.lacking and name not in BAGS and name.startswith((
    "lookup_", "gather_", "one_hot_", "bert_", "flat_ids", "loop_"))]


@pytest.mark.dealt
@pytest.mark.parametrize("name", DENSE)
def test_ids_out_of_range_of_a_matrix(name):
    built, live, frozen = embeddings.live_and_frozen(PATTERNS[name])
    found = gt.find_embeddings(live, output=built.output)
    if not found or all(one.caveat for one in found):  # nothing that rows can be fed to
        return
    with tf1_ig.IntegratedGradients(live, built.output) as explainer:
        for wrong in (embeddings.ROWS, -1):
            feed = dict(built.feeds[0], **{"ids:0": np.array([[1, wrong, 3], [0, 5, 1]])})
            if name == "one_hot_characters" and wrong == -1:  # a mask, perhaps: said, not refused
                assert any("no category" in note for note in explainer.explain(feed, label=1, steps=4).notes)
            else:
                with pytest.raises(gt.errors.GraphToolsError, match="is not in|out of range|does not index"):
                    explainer.explain(feed, label=1)
    del frozen


@pytest.mark.parametrize("count, said", [
    (1, "bag0:0 merges or combines the rows of its ids; attributions are to one row per occurrence"),
    (5, "bag0:0, bag1:0, bag2:0 and 2 more merge or combine the rows of their ids; attributions are to one row per "
        "occurrence")])
def test_merged_lookups_are_told_in_one_note(count, said):
    feed = {}
    with tf.Graph().as_default():
        total = 0.0
        for number in range(count):
            words = tf.sparse_placeholder(tf.int64, [None, None], "words%d" % number)
            total += tf.nn.embedding_lookup_sparse(tf.constant(np.eye(6, 2, dtype=np.float32)), words, None,
                                                   combiner="sum", name="bag%d" % number)
            feed.update({words.indices.name: [[0, 0], [0, 1], [1, 0]], words.values.name: [3, 3, 1],
                         words.dense_shape.name: [2, 2]})
        tf.reduce_sum(tf.tanh(total), 1, name="score")
        model = gt.from_session(tf.Session())
    with tf1_ig.IntegratedGradients(model, "score", list(gt.find_embeddings(model))) as explainer:
        notes = explainer.explain(feed, steps=2).notes
    assert sum("per occurrence" in note for note in notes) == 1
    assert any(note.replace("/embedding_lookup", "") == said for note in notes), notes
