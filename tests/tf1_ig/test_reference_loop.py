"""``ig_text`` on a session of the caller's."""

import numpy as np
import pytest

import tf1_ig
from graph_tools import _tf
from graph_tools.errors import FeedError, GradientError
from tests.models import small
from tf1_ig.errors import BaselineError

FEED = {"ids:0": np.array([[1, 2, 3], [4, 4, 5]]), "lengths:0": [3, 2], "temperature:0": 1.0}


@pytest.fixture(name="held")
def _held():
    """A caller's session with t_embedding, t_label and t_grad."""
    tf = _tf.tf
    graph = tf.Graph()
    with graph.as_default():
        small.masked_text()
        embedding, scores = graph.get_tensor_by_name("embedding:0"), graph.get_tensor_by_name("scores:0")
        label = tf.placeholder(tf.int32, [None], "label")
        chosen = tf.gather_nd(scores, tf.stack([tf.range(tf.shape(scores)[0]), label], 1))
        gradient = tf.gradients(chosen, embedding)[0]
    with tf.Session(graph=graph) as session:
        yield session, embedding, label, gradient


@pytest.mark.parametrize("label", [1, [0, 2]])
def test_the_loop_agrees_with_the_packed_engine_and_adds_no_op(held, label):
    session, embedding, t_label, gradient = held
    before = len(session.graph.get_operations())
    found = tf1_ig.ig_text(FEED, label, embedding, t_label, gradient, baseline=None, steps=30, session=session)
    assert len(session.graph.get_operations()) == before
    with tf1_ig.IntegratedGradients(small.model_of(small.masked_text), "scores", "embedding") as explainer:
        expected = explainer.explain(FEED, label=label, steps=30)
    np.testing.assert_allclose(found, expected.values["embedding:0"], atol=1e-6)


def test_an_embedding_in_hand_and_the_default_session(held):
    session, embedding, t_label, gradient = held
    rows = small.TABLE[FEED["ids:0"]]
    partial = _tf.tf.gradients(_tf.tf.reduce_sum(_tf.tf.tanh(embedding)), embedding)[0]
    with session.as_default(), session.graph.as_default():
        found = tf1_ig.ig_text(rows, None, embedding, None, partial, steps=40)
        based = tf1_ig.ig_text(rows, None, embedding, None, partial, rows[:1, :1], 40)
    np.testing.assert_allclose(found, np.tanh(rows), atol=1e-5)
    np.testing.assert_allclose(based, np.tanh(rows) - np.tanh(rows[:1, :1]), atol=1e-5)


def test_what_is_wrong_is_said(held):
    session, embedding, t_label, gradient = held
    with _tf.tf.Graph().as_default(), pytest.raises(GradientError, match="None"):
        tf1_ig.ig_text(FEED, 1, embedding, t_label, None, session=session)
    with pytest.raises(GradientError, match="None"):
        tf1_ig.ig_text(FEED, 1, embedding, t_label, None, session=session)
    with pytest.raises(BaselineError, match="broadcast"):
        tf1_ig.ig_text(FEED, 1, embedding, t_label, gradient, np.zeros(7), session=session)
    with pytest.raises(FeedError, match="one per row"):
        tf1_ig.ig_text(FEED, [1, 1, 1], embedding, t_label, gradient, session=session)
    with pytest.raises(GradientError, match="shape"):
        tf1_ig.ig_text(FEED, 1, embedding, t_label, gradient[0], session=session)


def test_without_any_session():
    with pytest.raises(FeedError, match="session="):
        tf1_ig.ig_text(FEED, 1, "embedding:0", "label:0", "gradient:0")
