"""An Estimator becomes a model: predictions as Estimator.predict gives them, columns by name, nothing disturbed."""

import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import graph_tools as gt
from graph_tools.errors import ModelFileMissingError, ReleaseError
from tests.models import feature_columns as models

needs_estimator = pytest.mark.skipif(not models.HAS_ESTIMATOR, reason="TensorFlow 2.16 and later have no Estimator")
FEED = {"age:0": [[20.], [50.], [79.]], "education:0": [["HS"], ["Bachelors"], ["unheard of"]],
        "job:0": [["nurse"], ["clerk"], ["smith"]]}


def predict_input_fn():
    return tf.data.Dataset.from_tensor_slices(
        {name.split(":")[0]: np.array(value) if name != "age:0" else np.array(value, np.float32)
         for name, value in FEED.items()}).batch(3)


def config(folder):
    return tf.estimator.RunConfig(model_dir=str(folder), tf_random_seed=3, save_summary_steps=1000)


def wide_and_deep(folder):
    wide, deep = models.wide_and_deep_columns()
    return tf.estimator.DNNLinearCombinedClassifier(
        linear_feature_columns=wide, dnn_feature_columns=deep, dnn_hidden_units=[8], config=config(folder))


def wide_and_deep_v2(folder):
    import tensorflow
    wide, deep = models.wide_and_deep_columns()
    return tensorflow.estimator.DNNLinearCombinedClassifier(
        linear_feature_columns=wide, dnn_feature_columns=deep, dnn_hidden_units=[8], config=config(folder))


def deep(folder):
    return tf.estimator.DNNClassifier([8], models.wide_and_deep_columns()[1], config=config(folder),
                                      input_layer_partitioner=tf.fixed_size_partitioner(2))


def linear(folder):
    return tf.estimator.LinearClassifier(models.wide_and_deep_columns()[0], config=config(folder))


def model_fn(features, labels, mode, params):
    """A hand-written model, whose checkpoint is restored into moving averages by a saver of its own."""
    net = tf.feature_column.input_layer(features, params["columns"])
    # A seed of its own for each layer: what another run draws may saturate the softmax, or be dead, for every age.
    hidden = tf.layers.dense(net, 8, tf.nn.leaky_relu, kernel_initializer=tf.random_normal_initializer(0, .1, seed=5))
    logits = tf.layers.dense(hidden, 2, kernel_initializer=tf.random_normal_initializer(0, .2, seed=6))
    predictions = {"probabilities": tf.nn.softmax(logits)}
    averages = tf.train.ExponentialMovingAverage(.5)
    if mode == tf.estimator.ModeKeys.PREDICT:
        return tf.estimator.EstimatorSpec(
            mode, predictions, export_outputs={"mine": tf.estimator.export.PredictOutput(predictions)},
            scaffold=tf.train.Scaffold(saver=tf.train.Saver(averages.variables_to_restore())))
    loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
    # Rows are shuffled, and ages of 80 drive larger steps anywhere, to where two rows get the same score.
    step = tf.train.GradientDescentOptimizer(1e-4).minimize(loss, tf.train.get_global_step())
    with tf.control_dependencies([step]):
        return tf.estimator.EstimatorSpec(mode, predictions, loss, averages.apply(tf.trainable_variables()))


def by_hand(folder):
    return tf.estimator.Estimator(model_fn, config=config(folder),
                                  params={"columns": models.wide_and_deep_columns()[1]})


def without_columns(folder):
    def plain(features, labels, mode):
        logits = tf.layers.dense(features["age"] / 50., 2)
        loss = None if labels is None else tf.losses.sparse_softmax_cross_entropy(labels, logits)
        train = None if labels is None else tf.train.GradientDescentOptimizer(.1).minimize(
            loss, tf.train.get_global_step())
        return tf.estimator.EstimatorSpec(mode, {"probabilities": tf.nn.softmax(logits)}, loss, train)

    return tf.estimator.Estimator(plain, config=config(folder))


BUILDERS = [wide_and_deep, deep, linear, by_hand, without_columns]
if models.HAS_ESTIMATOR and not models.HAS_CONTRIB:
    BUILDERS.append(wide_and_deep_v2)


@pytest.fixture(scope="module", params=BUILDERS if models.HAS_ESTIMATOR else [],
                ids=[build.__name__ for build in BUILDERS] if models.HAS_ESTIMATOR else [])
def trained(request, tmp_path_factory):
    estimator = request.param(tmp_path_factory.mktemp(request.param.__name__))
    estimator.train(models.train_input_fn, steps=20)
    return request.param.__name__, estimator, gt.from_estimator(estimator, models.serving_input_receiver_fn)


def probabilities_of(model):
    signatures = [signature for signature in model.signatures.values() if "probabilities" in signature.outputs]
    return signatures[0].outputs["probabilities"].name


def known(model, feed):
    return {name: value for name, value in feed.items() if name.split(":")[0] in model.index}


@needs_estimator
def test_predicts_what_the_estimator_predicts(trained):
    _, estimator, model = trained
    expected = np.array([row["probabilities"] for row in estimator.predict(predict_input_fn)])
    with model.open_session() as session:
        got = session.run(probabilities_of(model), known(model, FEED))
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    odds = np.log(got.astype(np.float64)[:, 1]) - np.log(got.astype(np.float64)[:, 0])  # near 1 all scores look alike
    assert len(np.unique(np.round(odds, 4))) == 3, "rows that do not differ would prove nothing"
    assert model.format == "estimator"
    assert not [warning for warning in model.warnings if "no value" in warning or "stays empty" in warning]


@needs_estimator
def test_equals_the_export(trained, tmp_path):
    """The same signatures, and the same numbers from the SavedModel without any of the Estimator's code."""
    _, estimator, model = trained
    export = (estimator.export_saved_model if hasattr(estimator, "export_saved_model") else estimator.export_savedmodel)
    exported = gt.load(tf.compat.as_text(export(str(tmp_path), models.serving_input_receiver_fn)))
    assert set(exported.signatures) - {"__saved_model_init_op"} == set(model.signatures)
    name = probabilities_of(model)
    values = []
    for one in (model, exported):
        with one.open_session() as session:
            values.append(session.run(name, known(one, FEED)))
    np.testing.assert_array_equal(*values)


@needs_estimator
def test_columns_are_harvested(trained):
    kind, _, model = trained
    wide, deep_columns = [{column.name for column in group} for group in models.wide_and_deep_columns()]
    expected = {"wide_and_deep": wide | deep_columns, "wide_and_deep_v2": wide | deep_columns,
                "deep": deep_columns, "linear": wide, "by_hand": deep_columns, "without_columns": set()}[kind]
    assert {column.name for column in model.columns.values()} == expected
    if kind.startswith("wide_and_deep"):
        assert len(model.columns) == len(wide) + len(deep_columns), "age_bucketized is in both, in two layers"
    for column in model.columns.values():
        assert all(table in model.variables for table in column.table)
        with model.open_session() as session:
            combined, layer = session.run([column.combined, column.layer], known(model, FEED))
        if column.slice:
            np.testing.assert_array_equal(combined.reshape(3, -1), layer[:, slice(*column.slice)])


@needs_estimator
def test_rows_are_in_the_table(trained):
    _, _, model = trained
    for column in model.columns.values():
        if column.rows is None:
            continue
        with model.open_session() as session:
            rows, ids = session.run([column.rows, column.occurrences.values], known(model, FEED))
            index = session.run(column.row_index, known(model, FEED)) if column.row_index else np.arange(len(rows))
        table = np.concatenate([model.variables[name] for name in column.table])
        np.testing.assert_allclose(rows[index], table[ids])


@needs_estimator
def test_the_estimator_is_left_alone(trained):
    _, estimator, _ = trained
    files = sorted(os.listdir(estimator.model_dir))
    before = dict(vars(estimator))
    params = sorted(estimator.params)
    again = gt.from_estimator(estimator, models.serving_input_receiver_fn)
    assert sorted(os.listdir(estimator.model_dir)) == files
    assert all(vars(estimator)[key] is value for key, value in before.items()) and len(vars(estimator)) == len(before)
    assert sorted(estimator.params) == params
    assert probabilities_of(again)
    estimator.train(models.train_input_fn, steps=1)


@needs_estimator
def test_columns_survive_an_edit(trained):
    _, _, model = trained
    assert model.with_graph_def(model.graph_def).columns.keys() == model.columns.keys()


@needs_estimator
def test_untrained(tmp_path):
    with pytest.raises(ModelFileMissingError, match="train it first"):
        gt.from_estimator(linear(tmp_path), models.serving_input_receiver_fn)


@needs_estimator
def test_not_an_estimator():
    with pytest.raises(TypeError, match="needs a tf.estimator.Estimator"):
        gt.from_estimator("model", models.serving_input_receiver_fn)


@pytest.mark.skipif(models.HAS_ESTIMATOR, reason="this release has Estimator")
def test_a_release_without_estimator():
    with pytest.raises(ReleaseError, match="removed in 2.16"):
        gt.from_estimator(object(), lambda: None)
