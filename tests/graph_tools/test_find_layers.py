"""Layers on the way to a prediction: what is listed can be asked, and nothing else is."""

import json

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from graph_tools import _tf
from tests.models import small
from tf1_ig import cli, demo


def variable(seed, *shape):
    return _tf.tf.constant(np.random.RandomState(seed).normal(size=shape).astype(np.float32))


def text_cnn():
    """Gather, convolution with bias and ReLU, maximum over positions, a dense layer, and the head."""
    tf = _tf.tf
    ids = tf.placeholder(tf.int32, [None, 7], name="ids")
    rows = tf.gather(variable(1, 20, 4), ids, name="rows")
    wide = tf.nn.conv2d(rows[:, :, None, :], variable(2, 3, 1, 4, 6), [1, 1, 1, 1], "VALID")
    wide = tf.nn.relu(tf.nn.bias_add(wide, variable(3, 6)), name="wide")
    pooled = tf.reduce_max(wide, [1, 2], name="pooled")
    hidden = tf.tanh(tf.matmul(pooled, variable(4, 6, 5)) + variable(5, 5), name="hidden")
    tf.nn.softmax(tf.matmul(hidden, variable(6, 5, 3)) + variable(7, 3), name="classes")


def two_ways():
    """A layer that half of the data passes by."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], name="x")
    deep = tf.nn.relu(tf.matmul(x, variable(1, 4, 8)), name="deep")
    tf.sigmoid(tf.matmul(deep, variable(2, 8, 1)) + tf.matmul(x, variable(3, 4, 1)), name="score")


def test_layers_of_a_text_cnn():
    found = gt.find_layers(small.model_of(text_cnn))
    assert [(one.tensor, one.kind, one.units, one.whole) for one in found] == [
        ("hidden:0", "dense", 5, True), ("pooled:0", "pooled", 6, True), ("wide:0", "convolution", 6, True)]
    assert "BiasAdd, Relu" in found[2].why and found[1].shape == (None, 6)
    assert any("its logits" in miss.why for miss in found.misses)


def test_what_passes_a_layer_by_is_told():
    found = gt.find_layers(small.model_of(two_ways), "score")
    assert [(one.tensor, one.whole) for one in found] == [("deep:0", False)]


def test_every_layer_that_is_listed_can_be_asked():
    model = small.model_of(text_cnn)
    feed = {"ids:0": np.array([[1, 2, 3, 4, 5, 6, 7], [7, 7, 3, 2, 2, 9, 11]])}
    with tf1_ig.IntegratedGradients(model, "classes") as explainer:
        for one in gt.find_layers(model):
            found = explainer.conductance(feed, one, label=1)
            carried = found.values[one.tensor].reshape(2, -1).sum(axis=1)
            rise = found.score - found.baseline_score
            np.testing.assert_allclose(carried, rise, atol=0.01 * np.abs(rise).max())


def test_a_unit_is_explained_in_one_call():
    model, feed = small.model_of(text_cnn), {"ids:0": np.array([[1, 2, 3, 4, 5, 6, 7]])}
    pooled, = gt.find_layers(model).of_kind("pooled")
    with tf1_ig.IntegratedGradients(model, pooled) as neuron, model.open_session() as session:
        found = neuron.explain(feed, label=4, tolerance=0.001)
        assert found.score[0] == pytest.approx(session.run("pooled:0", feed)[0, 4], rel=1e-5)
    assert found.values["rows:0"].sum() == pytest.approx(found.score[0] - found.baseline_score[0], rel=0.002, abs=1e-4)


def test_what_leaves_the_loops_of_the_demo_is_listed_and_what_is_inside_is_not():
    model = gt.load(demo.MODEL)
    found = gt.find_layers(model)
    assert {one.kind for one in found} == {"pooled", "recurrent"}
    assert [one.units for one in found.of_kind("recurrent")] == [24, 24]
    assert all("/while/" not in one.tensor for one in found)
    assert any("inside a loop" in miss.why and "/while/" in miss.name for miss in found.misses)


def test_what_is_no_layer():
    with pytest.raises(gt.TensorNotFoundError, match="nosuch"):
        gt.find_layers(small.model_of(text_cnn), "nosuch")
    assert list(gt.find_layers(small.model_of(small.linear), "y")) == []


def test_the_command_lists_them(tmp_path, capsys):
    path = str(tmp_path / "m.pb")
    small.model_of(text_cnn).save(path)
    assert cli.main(["inspect", path, "--layers"]) == 0
    printed = capsys.readouterr().out
    assert "Layers on the way to it" in printed and "pooled:0" in printed and "[?, 6]" in printed
    assert cli.main(["inspect", path, "--layers", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["tensor"] for one in told["layers"]] == ["hidden:0", "pooled:0", "wide:0"]
    assert told["layers"][1]["units"] == 6 and told["layers"][1]["whole"] is True
    assert cli.main(["inspect", path, "--json"]) == 0
    assert "layers" not in json.loads(capsys.readouterr().out)
