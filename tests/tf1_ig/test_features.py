"""Attributions by feature column: what adds up, what it is called, and that export and freezing change nothing."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import graph_tools as gt
import tf1_ig
from graph_tools.feature_columns import Categories, Column, CrossPart
from tests.graph_tools import test_estimator
from tests.graph_tools.test_estimator import FEED, needs_estimator, probabilities_of
from tests.models import feature_columns as models
from tf1_ig.result.features import Feature, by_feature, crossed_words, totals


def column(name, feature, **fields):
    known = dict(name=name, kind="indicator", chain=("indicator",), feature=feature, raw={}, combined=name + "/c:0",
                 part=name + "/p:0", width=3, categories=Categories("vocabulary", 3, ("HS", "BA")), layer="layer:0")
    known.update(fields)
    return Column(**known)


def labels(row):
    return [(one.label, one.value) for one in row]


def test_dense_parts():
    columns = {"education_indicator": column("education_indicator", "education"),
               "age": column("age", "age", width=1, categories=Categories("elements", 1, (1,))),
               "pixels": column("pixels", "pixels", width=2, categories=Categories("elements", 2, (2,)))}
    found = by_feature({"education_indicator/p:0": np.array([[0, .5, 0], [0, 0, 0]]), "age/c:0": np.array([[1.], [2.]]),
                        "pixels/p:0": np.array([[3., 0.], [0., 4.]]), "else:0": np.ones([2, 5])}, columns)
    assert labels(found[0]) == [("education=BA", .5), ("age", 1.), ("pixels[0]", 3.), ("pixels[1]", 0.)]
    assert labels(found[1]) == [("education", 0.), ("age", 2.), ("pixels[0]", 0.), ("pixels[1]", 4.)]


def test_a_layer_as_a_whole():
    columns = {"education_indicator": column("education_indicator", "education", slice=(1, 4)),
               "age": column("age", "age", width=1, categories=Categories("elements", 1, (1,)), slice=(0, 1)),
               "job_embedding": column("job_embedding", "job", width=2, slice=(4, 6), table=("t",),
                                       categories=Categories("hashed", 9))}
    found = by_feature({"layer:0": np.array([[7., 0, 0, .25, 1., 2.]])}, columns)
    assert labels(found[0]) == [("education=(not in the vocabulary)", .25), ("age", 7.), ("job", 3.)]


def test_occurrences():
    columns = {"word_embedding": column("word_embedding", "word", lookups=("rows:0",), table=("t",), width=2,
                                        categories=Categories("hashed", 9))}
    values = {"rows:0": [np.array([[1., 2.], [3., 4.]]), np.zeros([0, 2])]}
    ids = {"rows:0": [np.array([5, 5]), np.zeros(0, int)]}
    first, second = by_feature(values, columns, ids)
    assert labels(first) == [("word=bucket 5", 3.), ("word=bucket 5", 7.)] and second == []
    assert [one.position for one in first] == [0, 1]
    first, _ = by_feature(values, columns, ids, {"rows:0": [["good", "bad"], []]})
    assert labels(first) == [("word=good", 3.), ("word=bad", 7.)]


def test_a_word_outside_of_the_vocabulary_keeps_its_name():
    columns = {"education": column("education", "education", lookups=("rows:0",), table=("t",), width=1)}
    found, = by_feature({"rows:0": [np.array([[1.], [2.]])]}, columns, {"rows:0": [np.array([1, 2])]},
                        {"rows:0": [["BA", "DPhil"]]})
    assert labels(found) == [("education=BA", 1.), ("education=DPhil (not in the vocabulary)", 2.)]


def test_words_of_a_cross():
    ages = Categories("buckets", 3, (18., 65.))
    columns = {"age_X_job": column("age_X_job", "age_X_job", lookups=("rows:0",), table=("t",), cross=(
        CrossPart("i:0", "v:0", ages), CrossPart(None, "job:0", None)))}
    fed = {"i:0": np.array([[0, 0], [1, 0], [1, 1]]), "v:0": np.array([1, 0, 2]),
           "job:0": np.array([[b"nurse"], [b"clerk"]], object)}
    assert crossed_words("rows:0", columns, fed.get, 2) == [
        ["[18, 65) & nurse"], ["(-inf, 18) & clerk", "[65, inf) & clerk"]]
    assert crossed_words("other:0", columns, fed.get, 2) is None


def test_totals_add_up_over_layers():
    row = [Feature("a_indicator", "a", "x", .25, "t:0"), Feature("a", "a", "x", .5, "u:0"),
           Feature("b", "b", "", -2., "v:0")]
    assert totals(row) == {"b": -2., "a=x": .75}
    assert list(totals(row)) == ["b", "a=x"]
    assert totals(row, by="column") == {"b": -2., "a": .5, "a_indicator": .25}
    assert totals(row, by="feature") == {"b": -2., "a": .75}


def test_no_columns():
    assert by_feature({"rows:0": np.ones([1, 2])}, {}) is None


@pytest.fixture(scope="module", params=[build for build in test_estimator.BUILDERS if models.HAS_ESTIMATOR],
                ids=[build.__name__ for build in test_estimator.BUILDERS if models.HAS_ESTIMATOR])
def explained(request, tmp_path_factory):
    """One Estimator live, exported and frozen, each explained with everything left to be found."""
    folder = tmp_path_factory.mktemp(request.param.__name__)
    estimator = request.param(folder / "model")
    estimator.train(models.train_input_fn, steps=30)
    live = gt.from_estimator(estimator, models.serving_input_receiver_fn)
    exported = gt.load(tf.compat.as_text(estimator.export_saved_model(str(folder), models.serving_input_receiver_fn)))
    frozen, _ = gt.freeze(exported, [probabilities_of(exported)])
    results = []
    for model in (live, exported, frozen):
        with tf1_ig.IntegratedGradients(model, probabilities_of(model)) as explainer:
            feed = {name: value for name, value in FEED.items() if name.split(":")[0] in model.index}
            results.append(explainer.explain(feed, label=1, steps=64))
    return live, results


@needs_estimator
def test_live_exported_and_frozen_are_equal(explained):
    _, (live, exported, frozen) = explained
    for other in (exported, frozen):
        assert list(other.values) == list(live.values)
        assert other.features == live.features or all(
            one._replace(value=0) == two._replace(value=0) and abs(one.value - two.value) <= 1e-5
            for row, rows in zip(live.features, other.features) for one, two in zip(row, rows))


@needs_estimator
def test_every_column_counts_once(explained):
    model, results = explained
    if not model.columns:
        assert results[0].features is None
        return
    for row in results[0].features:
        assert {one.column for one in row} == set(model.columns)
        crossed = [one for one in row if one.column == "education_X_job"]
        assert all(sorted(one.category.split(" & ")) == sorted([FEED["education:0"][0][0], FEED["job:0"][0][0]])
                   for one in crossed if row is results[0].features[0])
    for number, row in enumerate(results[0].features):
        total = sum(np.sum(value[number]) for value in results[0].values.values())
        assert sum(one.value for one in row) == pytest.approx(total, abs=1e-6)
        assert abs(results[0].delta[number]) <= 2e-2 * abs(results[0].score - results[0].baseline_score).max()
        assert "education=unheard of (not in the vocabulary)" in {one.label for one in row} or number != 2 or not any(
            one.column == "education_indicator" for one in row)


@needs_estimator
def test_features_are_saved(explained, tmp_path):
    _, results = explained
    for name in ("result.json", "result.npz"):
        results[0].save(str(tmp_path / name))
        assert tf1_ig.load_attribution(str(tmp_path / name)).features == results[0].features


def test_one_column_as_input_against_finite_differences():
    """A linear model is its own gradient: the attribution of a word is its weight."""
    with tf.Graph().as_default(), tf.Session() as session:
        features = models.features()
        columns = models.linear_columns()
        with gt.watch_feature_columns() as watch:
            logits = tf.feature_column.linear_model(features, [columns["age"], columns["word"]])
        session.run([tf.global_variables_initializer(), tf.tables_initializer()])
        for variable in tf.trainable_variables():
            shape = variable.shape.as_list()
            variable.load(np.random.RandomState(0).uniform(-1, 1, shape).astype(np.float32), session)
        table = {variable.op.name: session.run(variable) for variable in tf.trainable_variables()}
        model = gt.from_session(session)
        feed = {name: value for name, value in models.feed().items() if name.startswith(("age", "word"))}
        ids = session.run(watch.columns["word"].ids.values, feed)
    word, age = watch.columns["word"], watch.columns["age"]
    with tf1_ig.IntegratedGradients(model, logits.name, inputs=[word, age]) as explainer:
        result = explainer.explain(feed, steps=2)
    weights = table[word.table[0]][ids, 0]
    assert [one.label for one in result.features[0]] == ["word=good", "word=good", "word=bad", "age"]
    np.testing.assert_allclose([one.value for one in result.features[0][:3]], weights[:3], rtol=1e-5)
    assert [one.label for one in result.features[2]] == ["age"], "an empty bag has no words"
    kernel = next(value for name, value in table.items() if "/age/" in name)
    np.testing.assert_allclose(result.features[2][0].value, 70. * kernel[0, 0], rtol=1e-5)


def test_categories_of_one_hot_columns_have_the_words_of_the_example():
    """Hashed, crossed and vocabulary columns as indicators: live and frozen, the bucket's own word is told."""
    fc = tf.feature_column
    with tf.Graph().as_default(), tf.Session() as session:
        given = {"word": tf.placeholder(tf.string, [None, None], "word"), "job": tf.placeholder(
            tf.string, [None, 1], "job"), "age": tf.placeholder(tf.float32, [None, 1], "age")}
        hashed = fc.categorical_column_with_hash_bucket("word", 6)
        crossed = fc.crossed_column(["job", fc.bucketized_column(fc.numeric_column("age"), [18, 65])], 10)
        listed = fc.categorical_column_with_vocabulary_list("job", ["nurse", "clerk"], num_oov_buckets=2)
        layer = fc.input_layer(given, [fc.indicator_column(one) for one in (hashed, crossed, listed)])
        weights = tf.constant(np.random.RandomState(0).normal(size=(int(layer.shape[-1]), 2)), tf.float32)
        tf.nn.softmax(tf.matmul(layer, weights), name="scores")
        session.run(tf.tables_initializer())
        live = gt.from_session(session)
    frozen, _ = gt.freeze(live, ["scores:0"])
    feed = {"word:0": np.array([["good", "bad", "good"], ["bad", "", ""]], object),
            "job:0": np.array([["nurse"], ["pilot"]], object), "age:0": np.array([[20.], [70.]])}
    for model in (live, frozen):
        with tf1_ig.IntegratedGradients(model, "scores") as explainer:
            first, second = explainer.explain(feed, label=1, steps=8).features
        assert {one.label for one in first} == {"word=good", "word=bad", "age_bucketized_X_job=[18, 65) & nurse",
                                                "job=nurse"}
        assert {one.label for one in second} == {"word=bad", "age_bucketized_X_job=[65, inf) & pilot",
                                                 "job=pilot (not in the vocabulary, bucket 0)"}


def test_words_that_share_a_bucket_are_all_told():
    columns = {"word_indicator": column("word_indicator", "word", categories=Categories("hashed", 3))}
    found, = by_feature({"word_indicator/p:0": np.array([[0., .5, -1.]])}, columns,
                        strings={"word_indicator/p:0": [["[0]", "good / film", "[2]"]]})
    assert labels(found) == [("word=good / film", .5), ("word=bucket 2", -1.)]
