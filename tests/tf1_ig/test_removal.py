"""What a removed token becomes, intervals over rows, other methods asked again, and two reports compared."""

import dataclasses
import time

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from graph_tools import _tf
from tests.models import small
from tf1_ig import demo
from tf1_ig.errors import MethodError
from tf1_ig.evaluate import orders
from tf1_ig.evaluate.paired import LESS
from tf1_ig.evaluate.record import bootstrap, pearson

SENTENCES = ["The plot makes no sense, but the acting is superb.", "Charming, tense and never boring.",
             "A dull and lifeless film that never finds its feet.", "A mess of a film."]
EIGHT = tuple(demo.SENTENCES) + tuple(SENTENCES[1:])
IDS, LENGTHS = "input/dequeue:0", "input/dequeue:1"


@pytest.fixture(scope="module")
def opened():
    ids, lengths = demo.encode([demo.tokenize(text) for text in SENTENCES], demo.load_vocabulary())
    with tf1_ig.IntegratedGradients(gt.load(demo.MODEL), "class/probabilities:0") as explainer:
        yield explainer, {IDS: ids, LENGTHS: lengths}


def test_cutting_out_is_the_sentence_without_the_word(opened):
    explainer, feed = opened
    report = tf1_ig.evaluate(explainer, feed, "top", measures=["leave one out", "flip set"], removal="cut")
    outputs = explainer.outputs(feed)
    top = outputs.argmax(1)
    for row, tokens in enumerate(report["flip set"].positions):
        words = [word for at, word in enumerate(demo.tokenize(SENTENCES[row])) if at not in tokens]
        ids, lengths = demo.encode([words], demo.load_vocabulary())
        flipped = explainer.outputs({IDS: ids, LENGTHS: lengths})[0].argmax() != top[row]
        assert flipped == bool(tokens)
    assert report["leave one out"].value > 0.5 and report["leave one out"].evaluations > 0


def test_a_padding_id_is_its_row_of_the_table(opened):
    explainer, feed = opened
    asked = dict(measures=["leave one out", "subsets", "deletion"], attribution=explainer.explain(feed, "top"))
    with_id = tf1_ig.evaluate(explainer, feed, "top", removal={IDS: 0}, **asked)
    rows = explainer.at(dict(feed, **{IDS: np.zeros_like(feed[IDS])}), 0).entries
    with_rows = tf1_ig.evaluate(explainer, feed, "top", removal=rows, **asked)
    for one, other in zip(with_id, with_rows):
        np.testing.assert_allclose(one.rows, other.rows, atol=1e-6)


def test_tokens_without_a_column_are_not_cut(opened):
    explainer, feed = opened
    with pytest.raises(MethodError, match="cannot be cut out: no feed has a column"):
        tf1_ig.evaluate(explainer, feed, "top", measures="deletion", removal="cut", shared_feeds=[IDS])


def test_intervals_hold_the_mean_and_shrink():
    random = np.random.RandomState(0)
    few, many = (bootstrap(random.normal(size=count), np.random.RandomState(1)) for count in (10, 1000))
    assert few[1] - few[0] > 5 * (many[1] - many[0]) and many[0] < 0.1 and many[1] > -0.1
    # Of 1,000 normal numbers the interval is 1.96 standard errors to both sides.
    assert many[1] - many[0] == pytest.approx(2 * 1.96 / np.sqrt(1000), rel=0.15)
    assert bootstrap([1.0], random) is None and bootstrap([1.0, np.nan], random) is None
    # Of a hundred samples about 95 intervals hold the true mean.
    held = [low < 0 < high for low, high in (bootstrap(random.normal(size=40), random, 400) for _ in range(100))]
    assert 86 <= sum(held) <= 100


def test_correlation_of_what_does_not_vary():
    assert pearson([1, 2, 3], [2, 4, 6]) == pytest.approx(1) and pearson([1, 1, 1], [1, 2, 3]) == 0
    assert np.isnan(pearson([1, 1], [2, 2]))


def test_reports_have_intervals_where_there_are_rows(opened):
    explainer, feed = opened
    report = tf1_ig.evaluate(explainer, feed, "top", measures=["leave one out", "deletion", "completeness"])
    for name in ("leave one out", "deletion"):
        low, high = report[name].interval
        assert low <= report[name].value <= high
    assert report["completeness"].interval is None
    single = tf1_ig.evaluate(explainer, {key: value[:1] for key, value in feed.items()}, "top", measures="deletion")
    assert single["deletion"].interval is None
    curve, = single["deletion"].curves
    assert len(curve.shares) == len(curve.scores) == len(curve.low) and (curve.low <= curve.high).all()
    at = explainer.at({key: value[:1] for key, value in feed.items()}, "top")
    assert curve.scores[0] == pytest.approx(at.score[0], abs=1e-5) and curve.scores[-1] == pytest.approx(
        float(at.scores(at.start())[0]), abs=1e-5)


def test_a_map_of_the_input_alone_is_seen():
    """An edge detector tells what stands out in a picture; no weight and no class changes it."""
    kernel = np.random.RandomState(0).normal(size=(36, 3)).astype(np.float32)

    def build():
        tf = _tf.tf
        x = tf.placeholder(tf.float32, [None, 6, 6, 1], "x")
        tf.nn.softmax(tf.matmul(tf.reshape(x, [-1, 36]), tf.constant(kernel)), name="y")

    pictures = np.random.RandomState(1).uniform(size=(4, 6, 6, 1)).astype(np.float32)

    def edges(explainer, feed, label):
        given = np.asarray(feed["x:0"], np.float64)
        return dataclasses.replace(explainer.explain(feed, label), completeness="none", values={
            explainer.inputs[0]: np.abs(given - np.roll(given, 1, axis=2))})

    measures = ["weights randomised", "other label", "subsets"]
    with tf1_ig.IntegratedGradients(small.model_of(build), "y", inputs="x") as explainer:
        feed = {"x:0": pictures}
        wrong = tf1_ig.evaluate(explainer, feed, "top", measures=measures, explain=edges)
        fine = tf1_ig.evaluate(explainer, feed, "top", measures=measures)
    assert wrong["weights randomised"].value == pytest.approx(1) and wrong["other label"].value == pytest.approx(1)
    assert [finding.verdict for finding in wrong] == ["fail"] * 3
    assert fine.ok


def test_another_method_is_compared_on_the_same_rows(opened):
    explainer, feed = opened
    measures = ["completeness", "leave one out", "other label"]
    one, other = (tf1_ig.evaluate(explainer, feed, "top", measures=measures, explain=method)
                  for method in (None, "gradient"))
    found = tf1_ig.compare_measures(one, other)
    assert [each.name for each in found] == measures and set(LESS) >= {"completeness"}
    worse = found["leave one out"]
    np.testing.assert_allclose(worse.rows, one["leave one out"].rows - other["leave one out"].rows)
    assert worse.value == pytest.approx(worse.rows.mean()) and worse.interval[0] <= worse.value <= worse.interval[1]
    same = tf1_ig.compare_measures(one, one)
    assert all(each.better == 0 and each.value == 0 for each in same)
    shorter = tf1_ig.evaluate(explainer, {key: value[:2] for key, value in feed.items()}, "top", measures=measures)
    with pytest.raises(MethodError, match="4 rows of the one and 2 of the other"):
        tf1_ig.compare_measures(one, shorter)


def test_a_word_is_exchanged_for_its_nearest_neighbour():
    table = np.array([[0, 0], [1, 0], [0.9, 0.1], [0, 1], [0.1, 3.0]], np.float32)

    def build():
        tf = _tf.tf
        ids = tf.placeholder(tf.int32, [None, 2], "ids")
        rows = tf.nn.embedding_lookup(tf.constant(table, name="table"), ids, name="rows")
        tf.reduce_sum(rows * tf.constant([1.0, 2.0]), axis=[1, 2], name="y")

    with tf1_ig.IntegratedGradients(small.model_of(build), "y", inputs="rows") as explainer:
        found, = tf1_ig.evaluate(explainer, {"ids:0": np.array([[1, 3]], np.int32)}, None, "neighbours")
    # The words are worth 1 and 2; their neighbours (0.9, 0.1) and (0.1, 3) are worth 1.1 and 6.1: 4.1 more, of 3.
    assert found.rows[0] == pytest.approx(4.1 / 3, rel=1e-4) and found.control == pytest.approx(4.1 / 3, rel=1e-4)
    with tf1_ig.IntegratedGradients(small.model_of(small.linear), "y", inputs="x") as explainer:
        none, = tf1_ig.evaluate(explainer, {"x:0": np.ones((2, 4), np.float32)}, 0, "neighbours")
    assert none.value is None and none.verdict == "ok"


def test_one_row_of_twenty_tokens_takes_seconds_and_counts_its_runs(opened):
    explainer, _ = opened
    words = demo.tokenize(" ".join(SENTENCES))[:20]
    ids, lengths = demo.encode([words], demo.load_vocabulary())
    feed = {IDS: ids, LENGTHS: lengths}
    explainer.explain(feed, "top")
    start = time.process_time()
    report = tf1_ig.evaluate(explainer, feed, "top")
    assert len(words) == 20 and time.process_time() - start < 20  # 3 s of two cores on a quiet machine
    # Leave one out runs each token once, and the row itself along, to see that rows leave each other alone.
    assert report["leave one out"].evaluations == report["signs"].evaluations == 20 + 1
    assert report["definition"].evaluations == (8 + 16) * (2 * 20 + 1) + 3 and report["subsets"].evaluations == 32 + 1
    assert report["deletion"].evaluations == 21 * (21 + 1) + 1


def test_the_definition_is_seen_forward_only_however_steep():
    """``sigmoid(60 (x1 + 2 x2 - 2))``: the map is 1/3 and 2/3 of the rise; a map of one half each is no such map."""
    def build():
        tf = _tf.tf
        x = tf.placeholder(tf.float32, [None, 2], "x")
        tf.sigmoid(60 * (x[:, 0] + 2 * x[:, 1] - 2), name="y")

    feed = {"x:0": np.ones((1, 2), np.float32)}
    with tf1_ig.IntegratedGradients(small.model_of(build), "y", inputs="x") as explainer:
        right = explainer.explain(feed, None)
        found, = tf1_ig.evaluate(explainer, feed, None, "definition", attribution=right)
        wrong, = tf1_ig.evaluate(explainer, feed, None, "definition", attribution=dataclasses.replace(
            right, values={"x:0": np.full((1, 2), 0.5)}))
        other, = tf1_ig.evaluate(explainer, feed, None, "definition", explain="gradient_x_input")
    assert found.verdict == "ok" and wrong.verdict == "fail" and found.evaluations > 2 * 2 * (8 + 16)
    assert wrong.rows[0] == pytest.approx(1 / 3, abs=0.03)
    assert other.value is None and other.verdict == "ok"


def test_two_maxima_that_are_nearly_equal_all_along_the_path_leave_the_definition_open():
    """``max(x1, x2) + x3`` of 1.001, 1, 1: the map is 1.001, 0, 1; differences of a part see half of each maximum."""
    def build():
        tf = _tf.tf
        x = tf.placeholder(tf.float32, [None, 3], "x")
        tf.add(tf.reduce_max(x[:, :2], axis=1), x[:, 2], name="y")

    feed = {"x:0": np.array([[1.001, 1.0, 1.0]], np.float32)}
    with tf1_ig.IntegratedGradients(small.model_of(build), "y", inputs="x") as explainer:
        right = explainer.explain(feed, None)
        np.testing.assert_allclose(right.values["x:0"], [[1.001, 0, 1]], atol=1e-6)
        found, *wrong = [tf1_ig.evaluate(explainer, feed, None, "definition", attribution=dataclasses.replace(
            right, values={"x:0": np.array([values])}))["definition"] for values in (
                [1.001, 0.0, 1.0], [1.0, 1.0, 0.001], [0.0, 1.0, 1.001 - 0.5], [2.001, -1.0, 1.0])]
    assert found.verdict == "ok" and found.rows[0] == pytest.approx(0.5, abs=0.02)
    assert [one.verdict for one in wrong] == ["fail"] * 3


def test_a_definition_that_cannot_be_told_is_not_ok():
    """128 parts do not follow ``sin(400 w·x)``: nothing that is said of it is shown, the least of all a wrong map."""
    def build():
        tf = _tf.tf
        x = tf.reduce_sum(tf.placeholder(tf.float32, [None, 4], "x") * [0.3, -0.7, 1.1, 0.4], axis=1)
        tf.add(tf.sin(400 * x), 2 * x, name="y")

    feed = {"x:0": np.array([[1.0, 0.9, 1.1, 0.8]], np.float32)}
    with tf1_ig.IntegratedGradients(small.model_of(build), "y", inputs="x") as explainer:
        right = explainer.explain(feed, None)
        found, = tf1_ig.evaluate(explainer, feed, None, "definition", attribution=dataclasses.replace(
            right, values={"x:0": right.values["x:0"][:, [0, 2, 1, 3]]}))
    assert found.verdict in ("warn", "fail") and found.control > 0.07


def test_deletion_beats_all_of_fifty_random_orders_in_each_of_eight_sentences(opened, monkeypatch):
    explainer, _ = opened
    monkeypatch.setattr(orders, "ORDERS", 50)
    ids, lengths = demo.encode([demo.tokenize(text) for text in EIGHT], demo.load_vocabulary())
    found, = tf1_ig.evaluate(explainer, {IDS: ids, LENGTHS: lengths}, "top", "deletion")
    assert len(found.rows) == len(EIGHT) == 8 and found.judged == 1
