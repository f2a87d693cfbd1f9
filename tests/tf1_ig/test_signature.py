"""The attribution signature gives the numbers of IntegratedGradients, in a process that has never seen this library."""

import json
import subprocess
import sys

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from graph_tools import _tf
from tests.models import queues, training
from tf1_ig.errors import BatchError, InputError
from tf1_ig.integrations.signature import PATH_SIGNATURE, SIGNATURE, run_signature

_IDS = training.IDS[:3]
_LABELS = np.array([1, 0, 1])


def _model(build):
    tf = _tf.tf
    with tf.Graph().as_default() as graph, _tf.control_flow_v1():
        build(tf)
    return queues.Case(graph, None).model


def _lookup(tf):
    ids = tf.placeholder(tf.int64, [None, training.WORDS], name="ids")
    table = tf.constant(np.random.RandomState(1).normal(size=(training.VOCABULARY, 4)).astype(np.float32))
    return ids, tf.gather(table, ids, name="rows")


def _classes(tf, features, name="softmax"):
    weights = np.random.RandomState(2).normal(size=(int(features.shape[-1]), 3)).astype(np.float32)
    return tf.nn.softmax(tf.tensordot(features, tf.constant(weights), 1), name=name)


def _mean(tf):
    """A mask of the same ids goes past the embedding, and a scalar is shared by all rows."""
    ids, rows = _lookup(tf)
    scale = tf.placeholder_with_default(1.5, [], name="scale")
    mask = tf.cast(ids > 3, tf.float32)[:, :, tf.newaxis]
    _classes(tf, tf.tanh(tf.reduce_sum(rows * mask, 1) * scale))


def _recurrent(tf):
    """A loop in the graph: its copy has a frame of its own."""
    _, rows = _lookup(tf)
    steps = tf.TensorArray(tf.float32, training.WORDS).unstack(tf.transpose(rows, [1, 0, 2]))
    mixing = tf.constant(np.random.RandomState(3).normal(size=(8, 4)).astype(np.float32))
    state = tf.while_loop(
        lambda time, state: time < training.WORDS,
        lambda time, state: (time + 1, tf.tanh(tf.matmul(tf.concat([steps.read(time), state], 1), mixing))),
        [tf.constant(0), tf.zeros_like(rows[:, 0])],
        shape_invariants=[tf.TensorShape([]), tf.TensorShape([None, 4])])[1]
    state.set_shape([None, 4])
    _classes(tf, state)


def _per_token(tf):
    """An output of rank 3: the label is a token and a class."""
    _, rows = _lookup(tf)
    _classes(tf, tf.tanh(rows + tf.reduce_mean(rows, 1, keepdims=True)))


@pytest.mark.parametrize("build, label", [(_mean, _LABELS), (_recurrent, _LABELS),
                                          (_per_token, np.array([[2, 1], [0, 0], [5, 2]]))])
def test_the_same_numbers_as_integrated_gradients(build, label):
    model = _model(build)
    before = model.meta_graph.SerializeToString(deterministic=True)
    carried = tf1_ig.attribution_signature(model, "softmax:0", "rows:0", steps=20)
    assert model.meta_graph.SerializeToString(deterministic=True) == before
    with tf1_ig.IntegratedGradients(model, "softmax:0", "rows:0") as explainer:
        expected = explainer.explain({"ids:0": _IDS}, label=[tuple(one) for one in label] if label.ndim > 1 else label,
                                     steps=20)
    found = run_signature(carried, {"ids": _IDS}, label)
    np.testing.assert_allclose(found["attributions"], expected.values["rows:0"], atol=1e-5)
    for key in ("score", "baseline_score", "delta"):
        np.testing.assert_allclose(found[key], getattr(expected, key), atol=1e-5)


def test_another_baseline_and_other_points():
    model = _model(_mean)
    carried = tf1_ig.attribution_signature(model, "softmax:0", "rows:0")
    baseline = np.random.RandomState(4).normal(size=(3, training.WORDS, 4)).astype(np.float32)
    alphas, weights = (np.arange(30) + 0.5) / 30, np.full(30, 1 / 30)
    found = run_signature(carried, {"ids": _IDS, "baseline": baseline, "alphas": alphas, "weights": weights}, _LABELS,
                          PATH_SIGNATURE)
    with tf1_ig.IntegratedGradients(model, "softmax:0", "rows:0") as explainer:
        expected = explainer.explain({"ids:0": _IDS}, label=_LABELS, baseline=baseline, method="midpoint", steps=30)
    np.testing.assert_allclose(found["attributions"], expected.values["rows:0"], atol=1e-5)
    assert set(carried.signatures[SIGNATURE].inputs) == {"ids", "scale", "label"}


def test_two_inputs_together_and_an_output_without_classes():
    def build(tf):
        x, z = (tf.placeholder(tf.float32, [None, 2], name=name) for name in ("x", "z"))
        tf.reduce_sum(tf.square(x) * z, 1, name="y")
    model = _model(build)
    carried = tf1_ig.attribution_signature(model, "y:0", ["x:0", "z:0"], steps=8)
    x, z = np.float32([[1, 2], [3, 4]]), np.float32([[5, 6], [7, 8]])
    found = run_signature(carried, {"x": x, "z": z})
    np.testing.assert_allclose(found["attributions/x"], 2 * x ** 2 * z / 3, rtol=1e-5)  # closed form
    np.testing.assert_allclose(found["attributions/z"], x ** 2 * z / 3, rtol=1e-5)
    np.testing.assert_allclose(found["delta"], 0, atol=1e-3)


def test_a_queue_fed_model_is_swapped_and_proven_on_a_feed():
    job = training.build()
    values = {"table": np.random.RandomState(6).normal(size=(training.VOCABULARY, 8)).astype(np.float32),
              "weights": np.random.RandomState(7).normal(size=(8, 2)).astype(np.float32)}
    with job.graph.as_default():
        model = gt.Model(_tf.tf.train.export_meta_graph(graph=job.graph), "job", values)
    carried = tf1_ig.attribution_signature(model, "softmax:0", feed={"batch:0": _IDS}, label=1)
    assert not [node.op for node in carried.index.nodes.values() if "Queue" in node.op or "Variable" in node.op]
    assert "label" in carried.signatures[SIGNATURE].inputs


def test_the_file_hardly_grows():
    def build(tf):
        ids = tf.placeholder(tf.int64, [None, 4], name="ids")
        rows = tf.gather(tf.constant(np.ones([500, 64], np.float32)), ids, name="rows")
        _classes(tf, tf.tanh(tf.matmul(tf.reshape(rows, [-1, 256]), tf.constant(np.ones([256, 300], np.float32)))))
    model = _model(build)
    carried = tf1_ig.attribution_signature(model, "softmax:0", "rows:0")
    assert carried.graph_def.ByteSize() < model.graph_def.ByteSize() + 60000  # weights: 428,000 bytes


def test_rows_that_depend_on_their_company_are_refused():
    def build(tf):
        _, rows = _lookup(tf)
        _classes(tf, tf.tanh(tf.reduce_mean(rows, 1) - tf.reduce_mean(rows, [0, 1])))
    with pytest.raises(BatchError, match="rows of a batch depend on each other"):
        tf1_ig.attribution_signature(_model(build), "softmax:0", "rows:0", feed={"ids:0": _IDS}, label=1)


def test_ragged_rows_are_refused():
    def build(tf):
        words = tf.sparse_placeholder(tf.int64, name="words")
        table = tf.get_variable("table", [training.VOCABULARY, 4], use_resource=False)
        _classes(tf, tf.nn.embedding_lookup_sparse(table, words, None, combiner="mean"))
    model = _model(build)
    model = gt.Model(model.meta_graph, "bag", {"table": np.ones([training.VOCABULARY, 4], np.float32)})
    with pytest.raises(InputError, match="belong to examples by another tensor"):
        tf1_ig.attribution_signature(model, "softmax:0")


_PLAIN = """
import json, sys
import tensorflow.compat.v1 as tf
folder, ids, labels = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
with tf.Session(graph=tf.Graph()) as session:
    meta_graph = tf.saved_model.loader.load(session, ["serve"], folder)
    signature = meta_graph.signature_def["attribution"]
    keys = ["attributions", "score"]
    values = session.run([signature.outputs[key].name for key in keys], {
        signature.inputs["ids"].name: ids, signature.inputs["label"].name: labels})
assert not any(name.split(".")[0] in ("tf1_ig", "graph_tools") for name in sys.modules)
print("RESULT" + json.dumps([value.tolist() for value in values]))
"""


def test_a_process_that_has_never_seen_this_library_explains(tmp_path):
    carried = tf1_ig.attribution_signature(_model(_recurrent), "softmax:0", "rows:0", steps=20)
    folder = str(tmp_path / "served")
    carried.save(folder)
    printed = subprocess.run([sys.executable, "-c", _PLAIN, folder, json.dumps(_IDS.tolist()), json.dumps(
        _LABELS.tolist())], stdout=subprocess.PIPE, check=True, cwd=str(tmp_path), timeout=120).stdout.decode("utf-8")
    attributions, score = json.loads(printed.partition("RESULT")[2])
    expected = run_signature(carried, {"ids": _IDS}, _LABELS)
    np.testing.assert_allclose(attributions, expected["attributions"], atol=1e-6)
    np.testing.assert_allclose(score, expected["score"], atol=1e-6)
