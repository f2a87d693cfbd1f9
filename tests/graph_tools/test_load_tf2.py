"""SavedModels that TF 2 wrote: functions, object-based checkpoints, assets and tables held by objects."""

import os

import numpy as np
import pytest

import graph_tools as gt
from graph_tools import _tf
from graph_tools.graph import functions

pytestmark = pytest.mark.skipif(_tf.version < (2, 0), reason="TF 1.15 cannot write these")
WORDS = np.array([[b"a", b"b"], [b"c", b"a"]], object)


def module(vocabulary):
    """Variables, a static table from a file, a mutable table, a loop that captures a variable."""
    tf = _tf.tensorflow

    class Module(tf.Module):
        def __init__(self):
            super().__init__()
            self.ids = tf.lookup.StaticHashTable(tf.lookup.TextFileInitializer(
                vocabulary, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER), 3)
            self.bonus = tf.lookup.experimental.MutableHashTable(tf.string, tf.float32, 0.5)
            self.bonus.insert(tf.constant(["a"]), tf.constant([2.0]))
            numbers = np.random.RandomState(0)
            self.table = tf.Variable(numbers.randn(4, 3).astype(np.float32), name="table")
            self.layers = [tf.Variable(numbers.randn(3, 2).astype(np.float32)),
                           tf.Variable(np.ones(2, np.float32), name="bias")]

        @tf.function(input_signature=[tf.TensorSpec([None, None], tf.string)])
        def predict(self, words):
            hidden = tf.reduce_mean(tf.gather(self.table, self.ids.lookup(words)), 1)
            for _ in tf.range(tf.shape(words)[1]):
                hidden = tf.tanh(hidden * self.layers[0][0, 0])
            hidden = tf.cond(tf.reduce_sum(hidden) > -1e9, lambda: hidden + self.layers[1][0], lambda: hidden)
            return {"y": tf.matmul(hidden, self.layers[0]) + self.layers[1] + tf.reduce_mean(self.bonus.lookup(words))}

    return Module()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tf2")
    vocabulary = str(folder / "vocabulary.txt")
    with open(vocabulary, "w") as file:
        file.write("a\nb\nc\n")
    thing = module(vocabulary)
    path = str(folder / "saved")
    _tf.tensorflow.saved_model.save(thing, path, signatures=thing.predict)
    os.remove(vocabulary)
    return path, thing.predict(_tf.tensorflow.constant(WORDS))["y"].numpy()


def predicted(model):
    signature = model.signatures["serving_default"]
    feed = {info.name: WORDS for info in signature.inputs.values()}
    with model.open_session() as session:
        return session.run([info.name for info in signature.outputs.values()][0], feed)


def test_it_predicts_the_same(saved):
    path, wanted = saved
    model = gt.load(path)
    assert model.warnings == () and model.missing == ()
    np.testing.assert_allclose(predicted(model), wanted, atol=1e-6, rtol=0)


def test_frozen_functions_take_values_for_variables(saved):
    path, wanted = saved
    frozen, edit = gt.freeze(gt.load(path))
    assert not {node.op for node in functions.all_nodes(frozen.graph_def)} & {
        "VarHandleOp", "ReadVariableOp", "ResourceGather", "AssignVariableOp"}
    assert len(edit.notes) == 1 and edit.notes[0].endswith("variables became constants")
    np.testing.assert_allclose(predicted(frozen), wanted, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ("model.pb", "model.pbtxt", "saved"))
def test_it_can_be_saved_in_every_form(saved, tmp_path, name):
    path, wanted = saved
    gt.load(path).save(str(tmp_path / name))
    loaded = gt.load(str(tmp_path / name))
    assert loaded.warnings == ()
    if name == "saved":
        np.testing.assert_allclose(predicted(loaded), wanted, atol=1e-6, rtol=0)
        plain = _tf.tensorflow.saved_model.load(str(tmp_path / name))
        got, = plain.signatures["serving_default"](_tf.tensorflow.constant(WORDS)).values()
        np.testing.assert_allclose(got.numpy(), wanted, atol=1e-6, rtol=0)
    else:
        with loaded.open_session() as session:
            got = session.run("StatefulPartitionedCall:0", {"serving_default_words:0": WORDS})
        np.testing.assert_allclose(got, wanted, atol=1e-6, rtol=0)


def test_keras_models(tmp_path):
    tf = _tf.tensorflow
    keras = tf.keras
    model = keras.Sequential([keras.layers.Embedding(10, 4), keras.layers.LSTM(5),
                              keras.layers.Dense(3, activation="softmax")])
    ids = np.array([[1, 2, 3], [4, 5, 0]])
    wanted = model(ids).numpy()
    tf.saved_model.save(model, str(tmp_path / "keras")) if _tf.version < (2, 16) else model.export(
        str(tmp_path / "keras"), verbose=False)
    loaded = gt.load(str(tmp_path / "keras"))
    assert loaded.warnings == ()
    for each in (loaded, gt.freeze(loaded)[0]):
        signature = each.signatures["serving_default"]
        info, = signature.inputs.values()
        output, = signature.outputs.values()
        with each.open_session() as session:
            got = session.run(output.name, {info.name: ids.astype(_tf.tf.as_dtype(info.dtype).as_numpy_dtype)})
        np.testing.assert_allclose(got, wanted, atol=1e-6, rtol=0)


def test_eager_execution_and_the_default_graph_stay_as_they_were(saved):
    tf = _tf.tensorflow
    before = tf.compat.v1.get_default_graph()
    assert gt.load(saved[0]).graph is not before
    assert tf.executing_eagerly()
    assert tf.compat.v1.get_default_graph() is before
    assert before.get_operations() == []
