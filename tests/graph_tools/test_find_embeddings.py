"""Every pattern of lookup, live and frozen: found, the right tensor, the right ``per_occurrence``."""

import numpy as np
import pytest

import graph_tools as gt
from graph_tools import _tf
from graph_tools.errors import TensorNotFoundError
from tests.models import embeddings as models
from tests.models.embedding_patterns import patterns

PATTERNS = patterns()


@pytest.fixture(scope="module")
def made():
    """Builds each pattern once."""
    cache = {}

    def get(name):
        if name not in cache:
            cache[name] = models.live_and_frozen(PATTERNS[name])
        return cache[name]
    return get


def _buildable(name):
    pattern = PATTERNS[name]
    return pytest.param(name, marks=pytest.mark.skipif(bool(pattern.lacking), reason=pattern.lacking or "-"))


def run(model, fetches, feed):
    """Runs a model under a feed of which freezing may have pruned some placeholders."""
    feed = {name: value for name, value in feed.items() if name.split(":")[0] in model.index}
    with model.open_session() as session:
        return session.run(fetches, feed)


@pytest.mark.dealt
@pytest.mark.parametrize("name", [_buildable(name) for name in PATTERNS])
@pytest.mark.parametrize("state", ["live", "frozen"])
def test_pattern(made, name, state):
    built, live, frozen = made(name)
    model = live if state == "live" else frozen
    if model is None:  # freezing loses what fills a lookup table: there is no frozen form to search
        return
    found = gt.find_embeddings(model, output=built.output)
    assert len(found) == len(built.lookups), str(found)
    for one, expected in zip(_matched(model, built, found), built.lookups):
        assert one.kind in expected.kind, str(found)
        if one.kind == "sparse_on_table":
            assert _tf.version >= (2, 0) or "on_table" in name
        assert one.per_occurrence == expected.per_occurrence
        assert (one.vocab_size, one.dim) == expected.table.shape[-2:] or one.kind == "gather_nd"
        assert one.dtype == "float32" and one.why and not (one.caveat and not one.in_loop)
        if expected.rows is not None:
            for feed, rows in zip(built.feeds, expected.rows):
                np.testing.assert_allclose(run(model, one.tensor, feed), rows, atol=1e-6)
        for feed, combined in zip(built.feeds, expected.combined or ()):
            np.testing.assert_allclose(run(model, one.rows_combined_at, feed), combined, atol=1e-6)


def _matched(model, built, found):
    """Candidates in the order of the expected lookups: told apart by their dim, or by their number of ids."""
    if len(found) < 2:
        return list(found)
    left = list(found)
    ordered = []
    for expected in built.lookups:
        rows, _ = expected.occurrences[0]
        ids = [run(model, one.ids, built.feeds[0]) for one in left]
        best = [place for place, one in enumerate(left) if one.dim == rows.shape[1]
                and np.allclose(expected.table[ids[place]], rows, atol=1e-6)]
        ordered.append(left.pop(best[0]))
    return ordered


TRAINED = ("lookup_refvar", "lookup_resvar", "lookup_part2_mod", "lookup_max_norm", "half_table", "els_mean",
           "els_mean_weighted", "els_mean_resource", "safe_els_sqrtn", "column_input_layer_mean", "one_hot_bert",
           "bert_gather", "two_tables_one_bag")


@pytest.mark.dealt
@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("optimiser", ["AdamOptimizer", "GradientDescentOptimizer"])
def test_a_training_graph_holds_the_same_lookups(name, optimiser):
    """Gradients gather too, and optimisers look up slots: nothing of that is found, and the split still works."""
    tf = _tf.tf
    graph = tf.Graph()
    with graph.as_default(), _tf.control_flow_v1():
        built = PATTERNS[name].build()
        plain = models.of_graph(graph)
        labels = tf.placeholder(tf.int32, [None], "labels")
        scores = graph.get_tensor_by_name(built.output)
        loss = tf.reduce_mean(-tf.log(tf.reduce_sum(scores * tf.one_hot(labels, 3), 1)))
        tf.summary.scalar("loss", loss)
        getattr(tf.train, optimiser)(0.1).minimize(loss)
        trained = models.of_graph(graph)
    before, after = gt.find_embeddings(plain), gt.find_embeddings(trained)
    assert [(one.tensor, one.kind, one.owner, one.rows_combined_at, one.caveat) for one in after] == [
        (one.tensor, one.kind, one.owner, one.rows_combined_at, one.caveat) for one in before], str(after)
    assert [(one.tensor, one.kind) for one in gt.find_outputs(trained)] == [
        (one.tensor, one.kind) for one in gt.find_outputs(plain)]
    assert not any("gradients/" in miss.name for miss in after.misses)


def test_lookup_inside_a_function_is_a_miss_with_advice():
    tf = _tf.tf
    graph = tf.Graph()
    with graph.as_default():
        table = tf.constant(models.TABLE)

        @_tf.tensorflow.function
        def look_up(ids):
            return tf.gather(table, ids)

        models.head(tf.ensure_shape(look_up(models.ids_placeholder()), [None, 3, 4]))
    found = gt.find_embeddings(models.of_graph(graph))
    assert not found and "inline_calls" in found.misses[0].why, str(found)


def test_shared_output_filter_names_the_output():
    built, live, _ = models.live_and_frozen(PATTERNS["lookup_refvar"])
    with pytest.raises(TensorNotFoundError, match="scores"):
        gt.find_embeddings(live, output="score:0")
    assert gt.find_embeddings(live, output=gt.find_outputs(live)[0])[0].ids == "ids:0"
    assert not gt.find_embeddings(live, output="table:0") and built.output == "scores:0"


def test_nothing_is_changed():
    _, live, _ = models.live_and_frozen(PATTERNS["two_tables_one_bag"])
    before = live.meta_graph.SerializeToString(deterministic=True)
    gt.find_embeddings(live)
    gt.find_outputs(live)
    assert live.meta_graph.SerializeToString(deterministic=True) == before
