"""With inputs="auto" all that reaches the output moves along the path together; what does not is said."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import graph_tools as gt
import tf1_ig
from graph_tools.errors import GraphToolsError
from graph_tools.find import numbers
from tests.models.joint_inputs import FLOATS, IDS, JOINT, model_of
from tf1_ig.show import terminal


def _moved(model, feed, replaced):
    """The score where attributed tensors are replaced, by the network alone."""
    with model.open_session() as session:
        return session.run("p:0", dict({name + ":0": value for name, value in feed.items()}, **replaced))


@pytest.mark.parametrize("name", list(JOINT))
def test_all_that_reaches_the_output_is_taken_jointly(name):
    joint = JOINT[name]
    model = model_of(joint.build)
    axis = None if name == "spectrogram" else 0
    label = (0, 1) if axis is None else 1
    with tf1_ig.IntegratedGradients(model, "p", batch_axis=axis) as explainer:
        assert explainer.inputs == joint.attributed
        result = explainer.explain(joint.feed, label=label)
        said = [finding for finding in explainer.findings() if finding.name == "held fixed"]
    # Completeness against two runs of the untouched graph: as fed, and with every attributed tensor at zero.
    with model.open_session() as session:
        feed = {key + ":0": value for key, value in joint.feed.items()}
        zeros = {tensor: np.zeros_like(session.run(tensor, feed)) for tensor in joint.attributed}
    rise = _moved(model, joint.feed, {})[:, 1] - _moved(model, joint.feed, zeros)[:, 1]
    total = sum(np.reshape(value, (len(rise), -1)).sum(1) for value in result.values.values())
    np.testing.assert_allclose(total, rise, rtol=0.02, atol=1e-4)
    assert tuple(tensor for tensor in joint.held if tensor in result.held_fixed) == joint.held
    assert not set(joint.attributed) & set(result.held_fixed)
    assert [finding.value for finding in said] == ([", ".join(joint.held)] if joint.held else [])
    if joint.held:
        assert "held fixed: " + joint.held[0] in terminal.summary(result, tf1_ig.check(result))


def test_what_the_caller_leaves_out_is_said_and_can_be_taken_in():
    model = model_of(JOINT["numbers_beside_words"].build)
    with tf1_ig.IntegratedGradients(model, "p", ["rows", "x"]) as explainer:
        finding, = [one for one in explainer.findings() if one.name == "held fixed"]
        assert "y:0" in finding.advice and "counted:0" in finding.advice and finding.verdict == "ok"
    with tf1_ig.IntegratedGradients(model, "p", ["rows", "x", "y", "counted"]) as explainer:
        assert not [one for one in explainer.findings() if one.name == "held fixed"]
        explainer.explain(dict(FLOATS, ids=IDS), label=0)


def test_where_an_attribution_begins_behind_a_picture_is_said():
    joint = JOINT["picture"]
    with tf1_ig.IntegratedGradients(model_of(joint.build), "p") as explainer:
        result = explainer.explain(joint.feed, label=0)
    assert any("resized:0" in note and "image:0" in note for note in result.notes)
    joint = JOINT["product_of_two"]
    with tf1_ig.IntegratedGradients(model_of(joint.build), "p") as explainer:
        assert not explainer.explain(joint.feed, label=0).notes


def test_anchors_are_no_embedding():
    assert not gt.find_embeddings(model_of(JOINT["boxes_of_anchors"].build))


def test_the_values_that_a_sort_puts_out_reach_back_and_their_places_do_not():
    """A served head may be the sorted probabilities; what is computed of the places has no gradient."""
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, 3], "x")
        found = tf.nn.top_k(tf.nn.softmax(tf.matmul(x, tf.constant(np.eye(3, 4, dtype=np.float32) * 2.0))), 2)
        tf.identity(found.values, name="p")
        tf.identity(tf.cast(found.indices, tf.float32) * 0.1, name="places")
        model = gt.from_session(tf.Session(graph=graph))
    feed = {"x:0": np.array([[1.0, 0.5, -0.2], [0.1, 0.0, 2.0]], np.float32)}
    with tf1_ig.IntegratedGradients(model, "p") as explainer:
        assert explainer.inputs == ("x:0",)
        result = explainer.explain(feed, label=0)
    np.testing.assert_allclose(result.values["x:0"].sum(axis=1), result.score - result.baseline_score, rtol=0.01)
    with pytest.raises(GraphToolsError, match="no gradient path from output places:0 to input x:0"):
        tf1_ig.IntegratedGradients(model, "places").explain(feed, label=0)


def test_decoded_pictures_are_found_behind_the_values_of_a_sort_and_not_behind_their_places():
    with tf.Graph().as_default() as graph:
        picture = tf.image.decode_png(tf.placeholder(tf.string, [], "picture"), channels=1)
        pixels = tf.reshape(tf.cast(picture, tf.float32), [1, 16], name="pixels") / 255.0
        found = tf.nn.top_k(tf.nn.softmax(tf.matmul(pixels, tf.constant(np.eye(16, 4, dtype=np.float32)))), 2)
        tf.identity(found.values, name="p")
        tf.identity(tf.cast(found.indices, tf.float32) * 0.1, name="places")
        model = gt.from_session(tf.Session(graph=graph))
    assert [one.sources for one in numbers.find_numbers(model, "p")] == [("picture:0",)]
    assert not numbers.find_numbers(model, "places")
