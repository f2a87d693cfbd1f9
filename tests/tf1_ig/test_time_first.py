"""Ids that the graph transposes for a recurrent layer are explained with the examples first, as they are fed."""

import functools

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from graph_tools import _tf
from graph_tools.edit.examples_first import examples_first
from tests.models import small, time_first

STEPS = 8
SIZES = [(3, 5), (4, 4), (2, 8), (6, 3), (1, 5)]


def _model(**how):
    build = functools.partial(time_first.reader, **how)
    build.__name__ = "reader"
    with _tf.control_flow_v1():
        return small.model_of(build)


def _feed(examples, steps, time_is_first=False):
    random = np.random.RandomState(examples)
    ids = random.randint(0, 12, (examples, steps))
    return {"ids:0": ids.T if time_is_first else ids, "lengths:0": random.randint(1, steps + 1, examples)}


def _alone(model, feed, label):
    """Each example by itself, a point at a time, by the gradients of the model's own graph."""
    graph = model.new_graph()
    found = []
    with graph.as_default(), _tf.control_flow_v1():
        rows, scores = graph.get_tensor_by_name("embedding:0"), graph.get_tensor_by_name("scores:0")
        gradient, = _tf.tf.gradients(scores[:, label], rows)
        with _tf.tf.Session(graph=graph) as session:
            for ids, length in zip(feed["ids:0"], feed["lengths:0"]):
                one = {"ids:0": [ids], "lengths:0": [length]}
                actual = session.run(rows, one)
                slopes = [session.run(gradient, dict(one, **{"embedding:0": actual * (point + 0.5) / STEPS}))
                          for point in range(STEPS)]
                found.append((actual * np.mean(slopes, 0))[:, 0])
    return np.array(found)


@pytest.mark.dealt
@pytest.mark.parametrize("examples,steps", SIZES)
def test_rows_of_a_transposed_lookup_come_back_by_example(examples, steps):
    model, feed = _model(), _feed(examples, steps)
    with tf1_ig.IntegratedGradients(model, "scores:0") as explainer:
        result = explainer.explain(feed, label=1, method="midpoint", steps=STEPS)
        at = explainer.at(feed, label=1)
        scores, gradients = at.gradients(at.entries)
        assert tf1_ig.check(result, explainer)["row independence"].verdict == "ok"
    assert result.values["embedding:0"].shape == (examples, steps, 3) and not result.notes
    np.testing.assert_allclose(result.values["embedding:0"], _alone(model, feed, 1), atol=2e-6)
    np.testing.assert_allclose(at.entries["embedding:0"], time_first.TABLE[feed["ids:0"]], atol=1e-6)
    np.testing.assert_allclose(scores, result.score, atol=1e-6)
    assert gradients["embedding:0"].shape == (examples, steps, 3)


@pytest.mark.parametrize("how,axis", [({"looked_up_time_first": False}, 0),
                                      ({"fed_time_first": True}, 1)])
def test_lookups_in_the_order_of_their_feed_are_left_as_they_are(how, axis):
    feed, plain = _feed(4, 4, axis == 1), _feed(4, 4)
    with tf1_ig.IntegratedGradients(_model(**how), "scores:0", batch_axis=axis) as explainer:
        model = explainer.resolved.model
        result = explainer.explain(feed, label=1, method="midpoint", steps=STEPS)
        assert explainer.resolved.model is model
    with tf1_ig.IntegratedGradients(_model(), "scores:0") as explainer:
        turned = explainer.explain(plain, label=1, method="midpoint", steps=STEPS)
    np.testing.assert_allclose(result.values["embedding:0"], turned.values["embedding:0"], atol=2e-6)


def test_steps_that_are_fed_first_and_turned_by_the_graph_are_left_alone_where_the_output_says_so():
    model, feed = _model(fed_time_first=True, looked_up_time_first=False), _feed(3, 5, True)
    with tf1_ig.IntegratedGradients(model, "scores:0") as explainer:
        result = explainer.explain(feed, label=1, method="midpoint", steps=STEPS)
    expected = _alone(_model(), _feed(3, 5), 1)
    np.testing.assert_allclose(result.values["embedding:0"], expected, atol=2e-6)


def test_the_edit_changes_no_number():
    model = _model()
    turned, edit = examples_first(model, "embedding:0", [1, 0, 2])
    assert edit.placeholders["embedding:0"] == "embedding/examples_first/rows:0"
    assert gt.verify(model, turned, _feed(3, 5), "scores:0", edit).ok
