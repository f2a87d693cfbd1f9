"""Switches are told from data by what they do; what is said of them is held against runs of the graph."""

import numpy as np
import pytest

import graph_tools as gt
from graph_tools import _tf
from graph_tools.find import settled
from graph_tools.find.decided import Decided
from graph_tools.find.inputs.switches import find_switches, unsettled
from graph_tools.graph.walk import GraphIndex
from tests.models import small, switches

X = np.random.RandomState(0).normal(size=(5, 4)).astype(np.float32)


def _model(build):
    """With the loops and branches that training jobs of TensorFlow 1 have, on every release."""
    with _tf.control_flow_v1():
        return small.model_of(build)


def _named(rows):
    return dict(argvalues=rows, ids=[row[0].__name__ for row in rows])


@pytest.mark.parametrize("build, name, role, value", **_named(switches.SWITCHES))
def test_a_switch_is_known_by_what_it_does(build, name, role, value):
    found = {one.tensor: one for one in gt.find_inputs(_model(build))}
    assert found[name + ":0"].switch == role and found[name + ":0"].inference == value
    assert found["x:0"].switch == "" and found["x:0"].inference is None


@pytest.mark.parametrize("build", switches.TWINS)
def test_data_is_no_switch_whatever_its_shape(build):
    assert not any(one.switch for one in gt.find_inputs(_model(build)))


def test_what_weights_are_multiplied_by_is_data_after_freezing_too():
    frozen, _ = gt.freeze(_model(switches.steps_without_shape), outputs=["y"])
    assert [(one.tensor, one.switch) for one in gt.find_inputs(frozen, output="y")] == [
        ("first:0", ""), ("second:0", ""), ("third:0", "")]


@pytest.mark.parametrize("build, name, role, value", **_named(switches.RANDOM))
def test_what_is_to_be_fed_makes_runs_agree_and_another_value_does_not(build, name, role, value):
    model = _model(build)
    one, = [found for found in gt.find_inputs(model, output="y") if found.switch]
    other = type(value)(1 - value) if role == "branch" else np.full(np.shape(value), 0.5)
    with model.open_session() as session:
        def differ(fed):
            first, second = (session.run("y:0", {"x:0": X, one.tensor: fed}) for _ in range(2))
            return not np.array_equal(first, second)

        assert not differ(one.inference) and differ(other)
    assert all("andom" in model.index.op(node) for node in one.calms) and one.calms


def test_the_mode_that_takes_no_statistics_of_the_batch_is_inference():
    model = _model(switches.statistics_by_a_flag)
    with model.open_session() as session:
        def alone(mode):
            whole = session.run("y:0", {"x:0": X, "mode:0": mode})
            return np.allclose(session.run("y:0", {"x:0": X[:2], "mode:0": mode}), whole[:2], atol=1e-6)

        assert alone(False) and not alone(True)


@pytest.mark.parametrize("expression, value", [
    (lambda tf, s: tf.floor(s + tf.random_uniform([3])), 1.0), (lambda tf, s: (1 - s) * 4 + 2, 2.0),
    (lambda tf, s: tf.cast(tf.random_uniform([3]) < s, tf.float32), 1.0),
    (lambda tf, s: tf.random_normal([3]) * (1 - s), 0.0), (lambda tf, s: tf.maximum(s, 3.0) / 2, 1.5),
    (lambda tf, s: tf.where(s > 0.5, tf.constant(7.0), tf.constant(8.0)), 7.0)])
def test_what_is_decided_is_what_runs_give(expression, value):
    def build():
        tf = _tf.tf
        tf.identity(expression(tf, tf.placeholder(tf.float32, [], "s")), name="y")

    model = small.model_of(build)
    assert Decided(model.index, {"s:0": 1.0}).value("y:0") == value
    with model.open_session() as session:
        np.testing.assert_allclose(session.run("y:0", {"s:0": 1.0}), value, rtol=1e-6)


@pytest.mark.parametrize("expression", [
    lambda tf, s: tf.floor(s * 0.5 + tf.random_uniform([3])), lambda tf, s: tf.random_normal([3]) * s,
    lambda tf, s: s / (tf.random_uniform([3]) - 0.5)])
def test_what_is_not_decided_is_not_known(expression):
    def build():
        tf = _tf.tf
        tf.identity(expression(tf, tf.placeholder(tf.float32, [], "s")), name="y")

    assert Decided(small.model_of(build).index, {"s:0": 1.0}).value("y:0") is None


def test_a_branch_that_is_not_taken_decides_nothing():
    index = _model(switches.training_flag).index
    taken = {flag: Decided(index, {"mode:0": flag}).deciding(["y:0"]) for flag in (True, False)}
    ops = {flag: {index.op(node) for node in nodes} for flag, nodes in taken.items()}
    assert "RandomUniform" in ops[True] and "RandomUniform" not in ops[False]
    assert "x" in taken[True] and "x" in taken[False]


@pytest.mark.parametrize("build, value", [
    (switches.training_flag, False), (switches.inference_flag, True), (switches.phase_number, 0)])
def test_branches_that_are_functions_are_told_apart_too(build, value):
    model = small.model_of(build)
    one, = [found for found in gt.find_inputs(model, output="y") if found.switch]
    assert one.inference == value and one.calms


def test_a_default_that_is_computed_leads_to_the_real_input():
    found = gt.find_inputs(small.model_of(switches.default_in_the_middle), output="scores")
    assert [one.tensor for one in found] == ["picture:0"]
    assert any(miss.name == "bottleneck:0" and "computed from another input" in miss.why for miss in found.misses)
    found = gt.find_inputs(small.model_of(switches.default_at_the_door), output="scores")
    assert [one.tensor for one in found] == ["picture:0"] and found[0].default


def _many(count):
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        hidden = switches._x()
        for number in range(count):
            hidden = switches._dropped(hidden, tf.placeholder(tf.float32, name="level%d" % number))
        switches._end(hidden)
    return graph.as_graph_def()


def test_a_thousand_rates_of_dropout_are_told_apart_by_work_that_grows_with_them(monkeypatch):
    """Looks at a node: what it computes from known values, and what it needs."""
    looked = []
    for method in ("_computed", "needed"):
        plain = getattr(Decided, method)
        monkeypatch.setattr(Decided, method, lambda self, *given, plain=plain: looked.append(0) or plain(
            self, *given))
    work = []
    for count in (8, 32):  # deeper than 80 ops values are not followed
        del looked[:]
        found = find_switches(GraphIndex(_many(count)))
        assert len(found) == count and {one.value for one in found.values()} == {1.0}
        assert len({one.calms for one in found.values()}) == count  # each settles its own noise
        work.append(len(looked))
    assert work[1] < 4.4 * work[0], work


@pytest.mark.parametrize("build", [one[0] for one in switches.SWITCHES], ids=lambda build: build.__name__)
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_what_is_counted_out_is_what_a_walk_does_not_find(build, value):
    """Nodes that are random: needed by nobody any more, or reached no more from the output.

    Counting answers of all numbers, but where a branch or the axes of a mean hang on the value, and of noise that is
    multiplied away within a loop, whose nodes need each other in a circle.
    """
    index = _model(build).index
    noise = {one[0]: one for one in switches.RANDOM}
    for name in index.names_of({"Placeholder"}):
        under = settled.Under(index.once(settled.nothing_fed), name + ":0", value)
        found = settled.Deciding(index, ("y:0",)).settled(under) if under.whole else None
        before, after = (set(unsettled(Decided(index, given), ["y:0"])) for given in ({}, {name + ":0": value}))
        silent = name == "mode" or build is switches.statistics_by_a_flag or (
            build is switches.keep_in_a_loop and name == "level" and value == 0)
        assert (found is None) == silent
        assert silent or found & before == before - after
        if build in noise and not silent and (name, value) == tuple(noise[build][i] for i in (1, 3)):
            assert found & before  # something is counted out at all
