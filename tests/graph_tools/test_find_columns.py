"""Columns read from a graph alone are those that a watch harvested while it was built."""

import dataclasses

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import graph_tools as gt
from tests.graph_tools import test_estimator, test_feature_columns
from tests.graph_tools.test_estimator import needs_estimator
from tests.models import feature_columns as models

trained = test_estimator.trained
# What a graph does not tell as a watch does: which placeholder has which key, and the ids as the column made them.
UNKNOWN = ("raw", "ids", "keys", "weights")


def assert_equal(found, watched):
    found = dict(found)
    assert list(found) == list(watched)
    for name, column in watched.items():
        # How many ids a part of a cross has, its ops do not say.
        found[name], column = [dataclasses.replace(one, cross=tuple(
            part._replace(categories=part.categories and part.categories._replace(count=0)) for part in one.cross))
            for one in (found[name], column)]
        differing = {field: (value, vars(found[name])[field]) for field, value in vars(column.by_name()).items()
                     if field not in UNKNOWN and vars(found[name])[field] != value}
        assert not differing, name


@needs_estimator
def test_exported_and_frozen_estimators(trained, tmp_path):
    _, estimator, model = trained
    exported = gt.load(tf.compat.as_text(estimator.export_saved_model(str(tmp_path), models.serving_input_receiver_fn)))
    frozen, _ = gt.freeze(exported, [test_estimator.probabilities_of(exported)])
    assert not exported.columns and not frozen.columns, "they carry none: what is found is read from the graph"
    assert_equal(gt.find_columns(exported), model.columns)
    assert_equal(gt.find_columns(frozen), model.columns)
    assert_equal(gt.find_columns(model), model.columns)


LAYERS = [case for case in test_feature_columns.CASES if "equence" not in case[0]]


@pytest.mark.parametrize("case", LAYERS, ids=[case[0] for case in LAYERS])
def test_layers_of_a_live_session(case):
    _, build, make = case
    with tf.Graph().as_default():
        features = models.features()
        with gt.watch_feature_columns() as watch:
            build(features, make())
        with tf.Session() as session:
            session.run([tf.global_variables_initializer(), tf.tables_initializer()])
            model = gt.from_session(session)
    found = gt.find_columns(model)
    assert set(found) == set(watch.columns)
    for name, column in watch.columns.items():
        assert found[name].chain == column.chain
        assert found[name].categories == column.categories
    assert_equal({name: found[name] for name in watch.columns}, watch.columns)


def test_output_keeps_what_reaches_it():
    with tf.Graph().as_default():
        features = models.features()
        columns = models.columns()
        tf.reduce_sum(tf.feature_column.input_layer(features, [columns["age"], columns["city_indicator"]]), name="one")
        tf.reduce_sum(tf.feature_column.input_layer(features, [columns["pixels"]]), name="two")
        with tf.Session() as session:
            model = gt.from_session(session)
    assert set(gt.find_columns(model)) == {"age", "pixels", "city_indicator"}
    assert set(gt.find_columns(model, output="one:0")) == {"age", "city_indicator"}
    assert set(gt.find_columns(model, output="two")) == {"pixels"}


def test_a_concatenation_of_reshaped_tensors_is_no_layer():
    with tf.Graph().as_default() as graph:
        image = tf.placeholder(tf.float32, [None, 4, 4, 2], name="image")
        with tf.name_scope("net"):
            parts = []
            for branch in ("left", "right"):
                with tf.name_scope(branch):
                    parts.append(tf.reshape(tf.nn.relu(image), [-1, 32]))
            tf.concat(parts, 1)
        with tf.Session() as session:
            model = gt.from_session(session)
    assert "net/concat" in model.index and "net/left/Reshape" in model.index
    assert gt.find_columns(model) == {}
    del graph


def test_vocabulary_file(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("alpha\nbeta\n", encoding="utf-8")
    with tf.Graph().as_default():
        words = tf.feature_column.categorical_column_with_vocabulary_file("word", str(path), 2, num_oov_buckets=1)
        tf.feature_column.input_layer({"word": tf.placeholder(tf.string, [None, 1])},
                                      [tf.feature_column.indicator_column(words)])
        with tf.Session() as session:
            session.run(tf.tables_initializer())
            model = gt.from_session(session)
    column = gt.find_columns(model)["word_indicator"]
    assert [column.describe(number) for number in range(3)] == [
        "word=alpha", "word=beta", "word=(not in the vocabulary)"]
    path.unlink()
    np.testing.assert_equal(column.categories.count, 3)
    assert gt.find_columns(model)["word_indicator"].describe(1) == "word=1", "without the file ids are numbers"
