"""A run that sets what its own output reads begins every time with the state that the model came with."""

import dataclasses

import numpy as np
import pytest

import tf1_ig
from graph_tools import _tf
from graph_tools.edit.hold_state import hold_state
from graph_tools.running import runs
from tests.models import small

STATE = np.linspace(-1, 1, 6).reshape(2, 3).astype(np.float32)
ROWS = np.random.RandomState(2).normal(size=(2, 3)).astype(np.float32)


def _state(resource, shape=(2, 3)):
    return _tf.tf.get_variable("state", shape, trainable=False, use_resource=resource)


def before(resource):
    """A language model's: the output waits until the next state is set, and is computed from the last one."""
    tf = _tf.tf
    x, state = tf.placeholder(tf.float32, [2, 3], "x"), _state(resource)
    following = tf.tanh(x * (2.0 + state))
    with tf.control_dependencies([tf.assign(state, following)]):
        tf.identity(following, name="y")


def after(resource):
    """What was just set is read again."""
    tf = _tf.tf
    x, state = tf.placeholder(tf.float32, [2, 3], "x"), _state(resource)
    following = tf.tanh(x * (2.0 + state))
    with tf.control_dependencies([tf.assign(state, following)]):
        tf.identity(state.read_value() if resource else tf.identity(state), name="y")


def beside(resource):
    """The twin: a moving average that the output does not read."""
    tf = _tf.tf
    x, state = tf.placeholder(tf.float32, [2, 3], "x"), _state(resource)
    with tf.control_dependencies([tf.assign(state, 0.9 * state + 0.1 * x)]):
        tf.tanh(2.0 * x, name="y")


def counted(resource):
    """The twin: a count of the runs that the output reads after it went up."""
    tf = _tf.tf
    x, state = tf.placeholder(tf.float32, [2, 3], "x"), _state(resource)
    with tf.control_dependencies([tf.assign_add(state, tf.ones([2, 3]))]):
        tf.multiply(x, state.read_value() if resource else tf.identity(state), name="y")


def _model(build, resource):
    return dataclasses.replace(small.model_of(lambda: build(resource)), variables={"state": STATE})


def _runs(model, count):
    with model.open_session() as session:
        return [runs.run(session, "y:0", {"x:0": ROWS}, timeout=20) for _ in range(count)]


@pytest.mark.parametrize("resource", [False, True])
@pytest.mark.parametrize("build", [before, after])
def test_every_run_is_the_first(build, resource):
    model = _model(build, resource)
    first, second = _runs(model, 2)
    assert np.abs(first - second).max() > 1e-3
    held, edit = hold_state(model, ["y:0"])
    for found in _runs(held, 2):
        np.testing.assert_allclose(found, np.tanh(ROWS * (2.0 + STATE)), rtol=1e-5)
        np.testing.assert_allclose(found, first, rtol=1e-5)
    assert "state" in edit.notes[0]


@pytest.mark.parametrize("resource", [False, True])
@pytest.mark.parametrize("build", [beside, counted])
def test_other_assignments_stay(build, resource):
    model = _model(build, resource)
    assert hold_state(model, ["y:0"])[0] is model


@pytest.mark.parametrize("build", [before, after])
def test_it_is_explained_from_the_state_it_came_with(build):
    model = _model(build, False)
    with tf1_ig.IntegratedGradients(model, "y:0", inputs=["x:0"]) as explainer:
        result = explainer.explain({"x:0": ROWS}, label=1, tolerance=1e-4)
    wanted = np.zeros_like(ROWS)
    wanted[:, 1] = np.tanh(ROWS * (2.0 + STATE))[:, 1]  # a function of one number is its own attribution
    np.testing.assert_allclose(result.values["x:0"], wanted, atol=1e-4)
    assert any("state is set by every run" in note for note in result.notes)
