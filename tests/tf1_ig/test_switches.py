"""Nothing is attributed to a switch, and what is said of randomness and of branches depends on what is fed."""

import numpy as np
import pytest

import tf1_ig
from graph_tools import _tf
from tests.models import small, switches

X = np.random.RandomState(0).normal(size=(3, 4)).astype(np.float32)


def _explainer(build, **options):
    with _tf.control_flow_v1():
        return tf1_ig.IntegratedGradients(small.model_of(build), "y", **options)


FED = [row for row in switches.SWITCHES if row[2] != "optimiser"]


@pytest.mark.dealt
@pytest.mark.parametrize("build, name, role, value", FED, ids=[row[0].__name__ for row in FED])
def test_a_switch_is_never_attributed_to(build, name, role, value):
    with _explainer(build) as explainer:
        assert explainer.inputs == ("x:0",)
        result = explainer.explain({"x:0": X, name: value}, label=0)
    expected = X @ switches.WEIGHTS[:, 0]
    if role in ("dropout", "branch", "scale") and build not in (
            switches.one_of_several, switches.statistics_by_a_flag):
        np.testing.assert_allclose(result.values["x:0"].sum(1), expected, rtol=1e-4)
    assert tf1_ig.check(result).ok and not result.notes


@pytest.mark.parametrize("build", switches.TWINS[:2])
def test_data_without_a_shape_is_attributed_to(build):
    with _explainer(build) as explainer:
        assert explainer.inputs == ("level:0",)


@pytest.mark.dealt
@pytest.mark.parametrize("build, name, role, value", switches.RANDOM,
                         ids=[row[0].__name__ for row in switches.RANDOM])
def test_the_randomness_check_names_the_switch_and_its_value(build, name, role, value):
    with _explainer(build) as explainer:
        told = tf1_ig.check(explainer)["randomness"]
        assert told.verdict == "warn" and "Feed %s:0 = %s" % (name, value) in told.advice
        explainer.explain({"x:0": X, name: value}, label=0, steps=2)
        assert tf1_ig.check(explainer)["randomness"].verdict == "ok"


def test_checks_judge_the_branch_that_is_taken():
    def build():
        tf = _tf.tf
        x, mode = tf.placeholder(tf.float32, [None, 4], "x"), tf.placeholder(tf.bool, [], "anything")
        tf.matmul(tf.cond(mode, lambda: tf.round(x), lambda: tf.tanh(x)), tf.constant(switches.WEIGHTS), name="y")

    for mode, verdict in ((True, "warn"), (False, "ok")):
        with _explainer(build) as explainer:
            explainer.explain({"x:0": X, "anything": mode}, label=0, steps=2)
            assert tf1_ig.check(explainer)["differentiable"].verdict == verdict


def test_the_floor_of_a_dropout_stops_no_gradient():
    with _explainer(switches.keep_without_shape) as explainer:
        assert tf1_ig.check(explainer)["differentiable"].verdict == "ok"
