"""Rows that leave each other alone are not called coupled, whatever the graph makes of a whole feed; others are."""

import functools

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from tests.models import padded, small
from tf1_ig.errors import BatchError
from tf1_ig.question import company

TEXTS = ["good film", "a very good film with a long and dull end", "no", "not a good film"]


def model(build, *given):
    made = functools.partial(build, *given)
    made.__name__ = build.__name__
    return small.model_of(made)


def explained(build, *given, label=1, feed=None, **how):
    with tf1_ig.IntegratedGradients(model(build, *given), "scores:0", **how) as explainer:
        found = explainer.explain({"texts:0": np.array(TEXTS, object)} if feed is None else feed, label=label)
        return found, tf1_ig.check(found, explainer)["row independence"]


def by_hand(texts, label):
    """What each word adds to a linear score of the mean."""
    ids = hashed(texts)
    return [padded.TABLE[row] @ padded.WEIGHTS[:, label] / len(row) for row in ids]


def hashed(texts):
    with model(padded.texts).open_session() as session:
        return [session.run("ids:0", {"texts:0": [text]})[0] for text in texts]


@pytest.mark.parametrize("masked_by, running", [("words", "packed"), ("ids", "packed"), ("lengths", "in company")])
def test_texts_that_the_graph_pads_are_no_company(masked_by, running):
    found, told = explained(padded.texts, masked_by)
    assert found.running == running and found.coupled is False and told.verdict == "ok"
    for row, expected in enumerate(by_hand(TEXTS, 1)):
        mine = found.tokens["embedding:0"][row]
        np.testing.assert_allclose(mine[:len(expected)], expected, rtol=1e-4, atol=1e-6)
        assert not np.any(mine[len(expected):])
    assert any("no row of the feed notices" in note for note in found.notes) == (running != "packed")


@pytest.mark.parametrize("masked_by", ["words", "ids", "lengths"])
def test_texts_that_do_notice_each_other_are_coupled(masked_by):
    """The twin: the same graph, the mean of all texts taken off."""
    found, told = explained(padded.texts, masked_by, True)
    assert found.running == "in company" and found.coupled and told.verdict == "fail"
    for row, expected in enumerate(by_hand(TEXTS, 1)):
        np.testing.assert_allclose(found.tokens["embedding:0"][row][:len(expected)], expected * 3 / 4, rtol=1e-4,
                                   atol=1e-6)


def test_padding_of_the_graph_that_is_read_is_company():
    """Another twin: alone, the short text has another score; in this feed its padding has its share."""
    found, told = explained(padded.texts, "nothing")
    assert found.coupled and told.verdict == "fail" and any("pads texts" in note for note in found.notes)
    with tf1_ig.IntegratedGradients(model(padded.texts, "nothing"), "scores:0") as explainer:
        alone = [explainer.explain({"texts:0": np.array([text], object)}, label=1) for text in TEXTS]
        alike = explainer.explain({"texts:0": np.array(["good film", "not good"], object)}, label=1)
    assert not alike.coupled and not any(one.coupled for one in alone)
    apart = [abs(one.score[0] - found.score[row]) > 1e-3 for row, one in enumerate(alone)]
    assert apart == [True, False, True, True]  # the longest has no padding


def test_the_few_texts_that_notice_their_padding_are_found_among_many():
    """Of 200 texts the two shortest alone are moved by padding: 16 by chance would mostly miss them."""
    drawn = np.random.RandomState(5)
    texts = [" ".join(drawn.choice(["good", "film", "dull", "end"], drawn.randint(4, 20))) for _ in range(200)]
    texts[90], texts[133] = "no", "bad"
    found, told = explained(padded.texts, "short ones alone", feed={"texts:0": np.array(texts, object)})
    assert found.coupled and told.verdict == "fail"
    texts[90], texts[133] = texts[0], texts[1]
    found, told = explained(padded.texts, "short ones alone", feed={"texts:0": np.array(texts, object)})
    assert found.coupled is False and told.verdict == "ok"


def test_texts_of_which_a_graph_only_counts_the_longest_are_looked_at():
    """The texts decide a single number that all rows share, so that any points may stand beside them as they are."""
    feed = {"texts:0": np.array(TEXTS, object), "x:0": np.ones((4, 3), np.float32)}
    with tf1_ig.IntegratedGradients(model(padded.by_the_longest), "scores:0", "x:0") as explainer:
        found = explainer.explain(feed, label=0)
        alone = explainer.explain({name: rows[:1] for name, rows in feed.items()}, label=0)
        alike = explainer.explain(dict(feed, **{"texts:0": np.array(["a b", "c d", "e f", "g h"], object)}), label=0)
    assert abs(found.score[0] - alone.score[0]) > 1e-3
    assert found.coupled and tf1_ig.check(found)["row independence"].verdict == "fail"
    assert not alike.coupled


def test_a_second_feed_of_other_widths_is_measured_again():
    with tf1_ig.IntegratedGradients(model(padded.texts), "scores:0") as explainer:
        for texts in (TEXTS, ["dull", "a b c d e f g h i j k"], TEXTS[::-1], ["one two", "three four"]):
            found = explainer.explain({"texts:0": np.array(texts, object)}, label=2)
            assert found.running == "packed"
            for row, expected in enumerate(by_hand(texts, 2)):
                np.testing.assert_allclose(found.tokens["embedding:0"][row][:len(expected)], expected, rtol=1e-4,
                                           atol=1e-6)


@pytest.mark.parametrize("steps_first", [True, False])
@pytest.mark.parametrize("flat", [True, False])
def test_rows_of_the_output_behind_its_steps(steps_first, flat):
    """A label is the step and the class, wherever the rows stand; what a token adds is w·x² of its own step."""
    ids = np.random.RandomState(1).randint(0, 40, (3, 5)).astype(np.int32)
    found, told = explained(padded.tagged, steps_first, flat, label=(2, 1), feed={"ids:0": ids})
    assert told.verdict == "ok" and found.outputs.shape == (3, 5, 3)
    expected = np.zeros((3, 5))
    expected[:, 2] = np.square(padded.TABLE[ids[:, 2]]) @ padded.WEIGHTS[:, 1]
    np.testing.assert_allclose(found.tokens["embedding:0"], expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.outputs, np.square(padded.TABLE[ids]) @ padded.WEIGHTS, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("steps", [3, 4])
def test_as_many_steps_as_rows(steps):
    """Sizes do not tell then; moving a row does."""
    ids = np.random.RandomState(2).randint(0, 40, (3, steps)).astype(np.int32)
    for flat in (True, False):
        found, _ = explained(padded.tagged, True, flat, label=(0, 2), feed={"ids:0": ids})
        np.testing.assert_allclose(found.tokens["embedding:0"][:, 0], np.square(
            padded.TABLE[ids[:, 0]]) @ padded.WEIGHTS[:, 2], rtol=1e-4, atol=1e-6)
        assert not np.any(found.tokens["embedding:0"][:, 1:])


def test_an_output_of_unknown_rank_has_its_rows_behind_its_steps():
    def shaped():
        padded.tagged(True, True)
        tf = gt._tf.tf
        sizes = tf.placeholder_with_default([-1, 3], None, name="sizes")
        tf.reshape(tf.get_default_graph().get_tensor_by_name("scores:0"), sizes, name="shaped")

    ids = np.random.RandomState(4).randint(0, 40, (3, 5)).astype(np.int32)
    with tf1_ig.IntegratedGradients(small.model_of(shaped), "shaped:0") as explainer:
        assert explainer.resolved.model.outline.get_tensor_by_name("shaped:0").shape.ndims is None
        found = explainer.explain({"ids:0": ids}, label=(2, 1)).tokens["embedding:0"]
    np.testing.assert_allclose(found[:, 2], np.square(padded.TABLE[ids[:, 2]]) @ padded.WEIGHTS[:, 1], rtol=1e-4,
                               atol=1e-6)


def test_an_output_of_no_rows_is_still_refused():
    """The twin: each step's scores, summed over the rows, have no row for an example."""
    def summed():
        padded.tagged(True, False)
        graph = gt._tf.tf.get_default_graph()
        gt._tf.tf.reduce_sum(graph.get_tensor_by_name("scores:0"), 1, name="summed")

    ids = np.random.RandomState(3).randint(0, 40, (3, 3)).astype(np.int32)
    with tf1_ig.IntegratedGradients(small.model_of(summed), "summed:0") as explainer:
        with pytest.raises(BatchError, match="change places"):
            explainer.explain({"ids:0": ids}, label=1)


@pytest.mark.parametrize("steps_first", [True, False])
def test_other_steps_of_a_fused_cell_are_never_tried(steps_first):
    """Its kernel ends the process where there are fewer steps than it is told."""
    def fused():
        tf = gt._tf.tf
        x = tf.placeholder(tf.float32, [6, None, 4] if steps_first else [None, 6, 4], "x")
        steps = x if steps_first else tf.transpose(x, [1, 0, 2])
        state, peep = tf.zeros([tf.shape(steps)[1], 3]), tf.zeros([3])
        cell = tf.raw_ops.BlockLSTM(
            seq_len_max=tf.constant(6, tf.int64), x=tf.tanh(steps), cs_prev=state, h_prev=state,
            w=tf.constant(padded.TABLE[:7].repeat(3, 1)), wci=peep, wcf=peep, wco=peep, b=tf.zeros([12]))
        tf.identity(cell[6][5], name="scores")

    built = small.model_of(fused)
    assert company._are_steps_of_a_fused_cell(built.index, "x:0") is steps_first
    x = np.random.RandomState(1).normal(size=(6, 8 if steps_first else 6, 4)).astype(np.float32)
    with tf1_ig.IntegratedGradients(built, "scores:0") as explainer:
        if steps_first:
            with pytest.raises(BatchError):
                explainer.explain({"x:0": x}, label=1)
        else:
            assert explainer.explain({"x:0": x}, label=1).running == "packed"


def pairs(coupled=False, width=2):
    """Halves of a batch that are compared, row by row: squared distances of a hidden layer, and their classes."""
    tf = gt._tf.tf
    first, second = tf.split(tf.placeholder(tf.float32, [None, 4], "x"), 2)
    distance = tf.square(first - second)
    distance = distance - tf.reduce_mean(distance, 0) if coupled else distance
    tf.matmul(distance, tf.constant(padded.WEIGHTS[:4, :width]), name="scores")


@pytest.mark.parametrize("count", [2, 3, 5])
def test_rows_of_two_halves_are_pairs(count):
    x = np.random.RandomState(5).normal(size=(2 * count, 4)).astype(np.float32)
    found, told = explained(pairs, feed={"x:0": x})
    assert len(found) == count and told.verdict == "ok" and not found.coupled
    for row in range(count):
        # w (a - b)^2: along a straight line each side has its share of the difference.
        first, second = x[row].astype(np.float64), x[count + row].astype(np.float64)
        expected = np.stack([first, -second]) * (first - second) * padded.WEIGHTS[:4, 1]
        np.testing.assert_allclose(found.values["x:0"][row], expected, rtol=2e-2, atol=1e-3)


def test_pairs_that_notice_each_other_are_refused_as_before():
    """The twin: the mean over all pairs is taken off."""
    x = np.random.RandomState(5).normal(size=(6, 4)).astype(np.float32)
    with pytest.raises(BatchError, match="batch_axis=None"):
        explained(pairs, True, feed={"x:0": x})
