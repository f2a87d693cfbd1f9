"""One row per occurrence: forward values stay, rows and owners are the right ones, for feeds of any number of rows."""

import numpy as np
import pytest

import graph_tools as gt
from graph_tools import _tf
from graph_tools.edit.occurrences import split_occurrences
from graph_tools.errors import EditError, NoCandidateError, TensorNotFoundError
from tests.graph_tools.test_find_embeddings import _matched, run
from tests.models import embeddings as models
from tests.models.embedding_patterns import patterns
from tests.models.embeddings_sparse import sparse_feed, weights_of

PATTERNS = patterns()
COMBINED = [name for name, pattern in PATTERNS.items() if name.startswith((
    "els", "safe", "num", "column", "sequence", "sparse_hashed", "sparse_product", "ragged", "two_tables", "one_table"))
            and name not in ("column_indicator", "column_bucketized_one_hot")]


@pytest.mark.dealt
@pytest.mark.parametrize("name", [
    pytest.param(name, marks=pytest.mark.skipif(bool(PATTERNS[name].lacking), reason=PATTERNS[name].lacking or "-"))
    for name in COMBINED])
def test_split(name):
    built, live, frozen = models.live_and_frozen(PATTERNS[name])
    for model in (live, frozen):
        if model is not None:
            _check(model, built)


def by_name(model):
    return {node.name: node for node in model.graph_def.node}


def _check(model, built):
    untouched = model.graph_def
    split = model
    names = []
    matched = _matched(model, built, gt.find_embeddings(model, output=built.output))
    for one in matched:
        split, edit = split_occurrences(split, one)
        names.append(edit.placeholders[one.tensor])
        assert "/occurrences/rows" in names[-1] and edit.added
    together, edit = split_occurrences(model, matched)
    assert [edit.placeholders[one.tensor] for one in matched] == names
    assert by_name(together) == by_name(split)
    assert model.graph_def == untouched
    found = {one.tensor: one for one in gt.find_embeddings(split, output=built.output)}
    assert set(found) == set(names)
    for number, feed in enumerate(built.feeds):
        before, after = run(model, built.output, feed), run(split, built.output, feed)
        np.testing.assert_allclose(after, before, atol=1e-6)
        assert np.ptp(before, axis=0).max() > 1e-3  # the examples differ: equality says something
        for name, expected in zip(names, built.lookups):
            one = found[name]
            assert one.kind == "occurrences" and one.per_occurrence and one.owner is not None
            rows, owner, ids = run(split, [one.tensor, one.owner, one.ids], feed)
            np.testing.assert_allclose(rows, expected.occurrences[number][0], atol=1e-6)
            np.testing.assert_array_equal(owner, expected.occurrences[number][1])
            assert len(ids) == len(rows)
            if expected.strings is not None:
                assert list(run(split, one.strings, feed)) == expected.strings[number]
    assert split_occurrences(split, found[names[0]])[0] is split


@pytest.mark.parametrize("how", ["sum", "mean", "sqrtn"])
@pytest.mark.parametrize("weighted", [False, True])
def test_repeated_words_have_values_of_their_own(how, weighted):
    """``good good bad``: IG of a quadratic score over the rows has a closed form for each occurrence."""
    name = "els_%s%s" % (how, "_weighted" if weighted else "")
    _, live, _ = models.live_and_frozen(PATTERNS[name])
    (one,) = gt.find_embeddings(live)
    split, edit = split_occurrences(live, one)
    rows_name = edit.placeholders[one.tensor]
    bags = [[3, 3, 5], [5, 3, 3, 3]]
    feed = sparse_feed(bags)
    if weighted:
        feed.update(sparse_feed(weights_of(bags), "weight"))
    graph = split.new_graph()
    with graph.as_default():
        tf = _tf.tf
        combined = graph.get_tensor_by_name(one.rows_combined_at)
        rows = graph.get_tensor_by_name(rows_name)
        score = tf.reduce_sum(tf.square(combined))
        with _tf.control_flow_v1():
            gradient = tf.gradients(score, rows)[0]
    with tf.Session(graph=graph, config=_tf.session_config()) as session:
        with split.open_session() as ready:
            table_rows = ready.run(rows_name, feed)
        attributions = np.zeros_like(table_rows)
        for alpha in (np.arange(64) + 0.5) / 64:
            slope = session.run(gradient, dict(feed, **{rows_name: alpha * table_rows}))
            attributions += slope * table_rows / 64
    _compare_with_closed_form(attributions.sum(1), bags, how, weighted, table_rows)


def _compare_with_closed_form(attributions, bags, how, weighted, rows):
    """For ``F = |Σ c_i x_i|²`` along the straight line from zero, IG of occurrence i is ``c_i x_i · Σ c_j x_j``."""
    start = 0
    for bag, weights in zip(bags, weights_of(bags)):
        weights = np.array(weights if weighted else [1.0] * len(bag))
        mine = rows[start:start + len(bag)]
        scale = {"sum": 1.0, "mean": weights.sum(), "sqrtn": np.sqrt((weights ** 2).sum())}[how]
        shares = mine * (weights / scale)[:, None]
        expected = (shares * shares.sum(0)).sum(1)
        np.testing.assert_allclose(attributions[start:start + len(bag)], expected, atol=1e-4)
        start += len(bag)
    assert start == len(attributions)


def test_strings_of_a_padded_matrix():
    built, live, frozen = models.live_and_frozen(PATTERNS["sparse_words_made_dense"])
    for model in (live, frozen):
        one = gt.find_embeddings(model).only()
        assert one.strings is None
        split, edit = split_occurrences(model, one)
        assert edit.placeholders == {one.tensor: one.tensor} and not edit.removed and not edit.rewired
        after = gt.find_embeddings(split).only()
        assert (after.tensor, after.kind, after.per_occurrence) == (one.tensor, one.kind, True)
        for feed, strings in zip(built.feeds, built.lookups[0].strings):
            np.testing.assert_array_equal(run(split, after.strings, feed), strings)
        assert split_occurrences(split, after)[0] is split


def test_dense_lookup_comes_back_as_it_is():
    _, live, _ = models.live_and_frozen(PATTERNS["lookup_refvar"])
    one = gt.find_embeddings(live)[0]
    split, edit = split_occurrences(live, one)
    assert split is live and edit.placeholders == {one.tensor: one.tensor} and not edit.added


def test_by_name_and_errors():
    built, live, _ = models.live_and_frozen(PATTERNS["els_mean"])
    one = gt.find_embeddings(live)[0]
    for name in (one.tensor, one.rows_combined_at):
        assert len(gt.find_embeddings(split_occurrences(live, name)[0]).of_kind("occurrences")) == 1
    with pytest.raises(NoCandidateError, match="bag_values:0"):
        split_occurrences(live, "bag_values:0")
    with pytest.raises(TensorNotFoundError, match="bag_values"):
        split_occurrences(live, "bag_value:0")
    del built


LOOPS = ("loop_map", "loop_map_resource", "loop_time_major_array", "loop_slice", "loop_gather")


@pytest.mark.dealt
@pytest.mark.parametrize("name", LOOPS)
def test_lookups_are_moved_out_of_loops(name):
    """Rows stand before the loop, forward values stay, and the gradient by the rows agrees with finite differences."""
    built, live, frozen = models.live_and_frozen(PATTERNS[name])
    # TensorFlow's own freezing of a resource gather in a loop leaves a constant outside of the frame: it cannot run.
    for model in (live,) if "resource" in name or name == "loop_gather" else (live, frozen):
        one = gt.find_embeddings(model, output=built.output).only()
        assert one.in_loop and not one.caveat and "moves it out" in one.why
        split, edit = split_occurrences(model, one)
        after = gt.find_embeddings(split, output=built.output).only()
        assert after.tensor == edit.placeholders[one.tensor]
        assert after.kind == "gather" and after.per_occurrence and not after.in_loop and not after.caveat
        for feed, (rows, _) in zip(built.feeds, built.lookups[0].occurrences):
            np.testing.assert_allclose(run(split, built.output, feed), run(model, built.output, feed), atol=1e-6)
            np.testing.assert_array_equal(run(split, after.tensor, feed), rows)
            np.testing.assert_array_equal(run(split, after.ids, feed), feed["ids:0"])
        if model is frozen:
            _check_gradient(split, after.tensor, built)


def _check_gradient(model, rows_name, built):
    graph = model.new_graph()
    with graph.as_default(), _tf.control_flow_v1():
        tf = _tf.tf
        score = tf.reduce_sum(graph.get_tensor_by_name(built.output)[:, 0])
        gradient = tf.gradients(score, graph.get_tensor_by_name(rows_name))[0]
    with tf.Session(graph=graph, config=_tf.session_config()) as session:
        rows, slope = session.run([rows_name, gradient], built.feeds[0])
        direction = np.random.RandomState(0).normal(size=rows.shape).astype(np.float32)
        ends = [session.run(score, dict(built.feeds[0], **{rows_name: rows + sign * 1e-2 * direction}))
                for sign in (1, -1)]
    np.testing.assert_allclose((ends[0] - ends[1]) / 2e-2, np.sum(slope * direction), rtol=2e-2, atol=1e-4)


def test_lookup_that_must_stay_in_its_loop():
    _, live, _ = models.live_and_frozen(PATTERNS["loop_shifted_ids"])
    one = gt.find_embeddings(live).only()
    assert one.in_loop and "computed inside, by FloorMod" in one.caveat
    with pytest.raises(EditError, match="cannot be moved out.*FloorMod"):
        split_occurrences(live, one)
