"""NaN, Inf and jumps are traced to the op that makes them first; every model has a finite twin."""

import re
import warnings

import numpy as np
import pytest

import tf1_ig
from graph_tools import _tf
from tests.models import nonfinite, small
from tf1_ig import cli
from tf1_ig.result import claims
from tf1_ig.show import terminal

X = np.array([[0.4, 0.5, 0.6, 0.7], [1.0, 0.9, 0.8, 1.1]], np.float32)


def _explained(build, feed=None, **options):
    with tf1_ig.IntegratedGradients(small.model_of(build), "y", "x") as explainer:
        return explainer.explain(feed or {"x": X}, **options)


@pytest.mark.dealt
@pytest.mark.parametrize("build, feed, options, first", [
    (nonfinite.logarithm, {"x": -X}, {}, r"^logs \(Log\)$"),
    (nonfinite.division, {"x": X, "lengths": [2.0, 0.0]}, {}, r"^mean \(RealDiv\)$"),
    (nonfinite.exponential, {"x": X}, {}, r"^grown \(Exp\)$"),
    (nonfinite.norm_of_half, {"x": X}, dict(method="trapezoid", steps=5), r"^the gradient of y \(Sqrt\)$"),
    (nonfinite.masked_division, {"x": X}, dict(method="trapezoid", steps=5), r"^inverse \(RealDiv\)$"),
    (nonfinite.in_a_loop, {"x": -2 * X}, {}, r"^an op inside the loop or branch that ends at loop/Exit(_1)? \(Exit\)$"),
    (nonfinite.bad_weights, {"x": X}, {}, r"^the value of weights \(Const\)$"),
    (nonfinite.deep, {"x": X}, {}, r"^root \(Sqrt\)$"),
    (nonfinite.whole, {"x": np.array([[0.1, np.inf, 0.2, 0.3]], np.float32)}, {},
     r"^the input x:0 itself \(not finite as fed: x:0\)$"),
    (nonfinite.division, {"x": X, "lengths": [2.0, np.nan]}, {}, r" \(not finite as fed: lengths:0\)$"),
    (nonfinite.whole, {"x": X}, dict(baseline=np.array([0, 0, np.nan, 0], np.float32)),
     r"^the baseline of x:0 itself$")])
def test_the_first_op_that_is_not_finite_is_named(build, feed, options, first):
    found = _explained(build, feed, **options)
    assert re.search(first, found.not_finite_at), found.not_finite_at
    finding = tf1_ig.check(found)["finite numbers"]
    assert finding.verdict == "fail" and "first in %s" % found.not_finite_at in finding.advice
    assert "\n" not in finding.advice


@pytest.mark.dealt
@pytest.mark.parametrize("build, feed, options", [
    (nonfinite.logarithm, {"x": X}, {}), (nonfinite.division, {"x": X, "lengths": [2.0, 1.0]}, {}),
    (nonfinite.exponential, {"x": X / 100}, {}), (nonfinite.norm_of_half, {"x": X}, dict(baseline=0.75)),
    (nonfinite.masked_division, {"x": X}, dict(baseline=0.1)),
    (nonfinite.in_a_loop, {"x": X}, {}), (nonfinite.deep, {"x": X + 9}, dict(baseline=9.0)),
    (nonfinite.whole, {"x": X}, {})])
def test_its_finite_twin_is_left_in_peace(build, feed, options):
    found = _explained(build, feed, **options)
    assert found.not_finite_at == "" and tf1_ig.check(found)["finite numbers"].verdict == "ok"


def test_the_number_of_runs_is_bounded(monkeypatch):
    from tf1_ig.engine import nonfinite as tracing
    from tf1_ig.engine.operated import Engine

    runs = []
    whole = Engine._run
    monkeypatch.setattr(Engine, "_run", lambda self, *rest: runs.append(1) or whole(self, *rest))
    traced = tracing.origin
    spent = []

    def origin(*arguments):
        before = len(runs)
        found = traced(*arguments)
        spent.append(len(runs) - before)
        return found

    monkeypatch.setattr(tracing, "origin", origin)
    assert _explained(nonfinite.deep, {"x": X}).not_finite_at == "root (Sqrt)"
    assert len(spent) == 1 and spent[0] <= 2 + tracing.RUNS
    _explained(nonfinite.whole)
    assert len(spent) == 1


@pytest.mark.dealt
@pytest.mark.parametrize("variant", ["integrated_gradients", "gradient", "occlusion"])
@pytest.mark.parametrize("name", ["x", "lengths"])
def test_a_feed_that_is_not_finite_is_named_with_its_first_row(variant, name):
    feed = {"x": np.concatenate([X, X]), "lengths": np.array([2.0, 1.0, 3.0, 1.0], np.float32)}
    np.reshape(feed[name], (4, -1))[2, 0] = np.inf
    with tf1_ig.IntegratedGradients(small.model_of(nonfinite.division), "y", "x") as explainer:
        found = explainer.explain(feed) if variant == "integrated_gradients" else explainer.explain_variant(
            variant, feed)
    finding = tf1_ig.check(found)["finite numbers"]
    assert finding.verdict == "fail" and finding.value == 1
    assert finding.advice.startswith("Row 2 ") and "(not finite as fed: %s:0)" % name in finding.advice
    assert "baseline that is not zero" not in finding.advice


def test_an_op_that_is_not_finite_is_not_put_down_to_a_feed_of_another_row():
    feed = {"x": np.array([X[0], -X[1], [np.nan] * 4], np.float32)}
    found = _explained(nonfinite.logarithm, feed)
    assert found.not_finite_at == "logs (Log)"


def _five_rows():
    """Rows 0 and 2 are sound; x of row 1 and the length of row 3 are not finite, row 4 is 0 / 0."""
    x = np.repeat(X[:1], 5, axis=0) + np.arange(5, dtype=np.float32)[:, None] / 10
    x[1, 2] = np.nan
    return {"x": x, "lengths": np.array([2.0, 1.0, 3.0, np.inf, 0.0], np.float32)}


def test_every_row_that_is_not_finite_is_named_with_what_was_fed_so_and_the_others_are_as_alone(tmp_path):
    feed = _five_rows()
    with tf1_ig.IntegratedGradients(small.model_of(nonfinite.division), "y", "x") as explainer:
        found = explainer.explain(feed)
        alone = [explainer.explain({name: rows[[row]] for name, rows in feed.items()}) for row in (0, 2)]
    assert found.finite.tolist() == [True, False, True, False, False]
    assert found.fed_not_finite == {"x:0": [False, True, False, False, False],
                                    "lengths:0": [False, False, False, True, False]}
    for row, one in zip((0, 2), alone):
        np.testing.assert_allclose(found.values["x:0"][row], one.values["x:0"][0], rtol=1e-6)
    report = tf1_ig.check(found)
    assert report["finite numbers"].advice.startswith(
        "Rows 1, 3, 4 are not explained: lengths:0 is not finite as fed in 3; x:0 is not finite as fed in 1. Row 4 is "
        "not finite at the input: first in mean (RealDiv). ")
    assert [finding.name for finding in report if finding.verdict != "ok"] == ["finite numbers"]
    said = terminal.summary(found, report).splitlines()
    assert "[1] not explained: not finite as fed (x:0) (score nan)" in said
    assert "[4] not explained: not finite (score nan)" in said and not any("NOT converged" in line for line in said)
    for name in ("found.npz", "found.json"):
        found.save(str(tmp_path / name))
        again = tf1_ig.load_attribution(str(tmp_path / name))
        assert again.fed_not_finite == found.fed_not_finite and again[[1, 2]].fed_not_finite["x:0"] == [True, False]
        assert str(tf1_ig.check(again)) == str(report)


def test_a_feed_that_is_not_finite_is_told_of_each_position_of_its_example():
    def tagger():
        tf = _tf.tf
        tf.tensordot(tf.tanh(tf.placeholder(tf.float32, [None, 3, 4], "x")), tf.ones([4, 2]), [[2], [0]], name="y")

    x = np.ones((3, 3, 4), np.float32)
    x[1, 2, 0] = np.nan
    with tf1_ig.IntegratedGradients(small.model_of(tagger), "y", "x") as explainer:
        found = explainer.explain({"x": x}, label=1, positions=[0, 2])
    assert found.fed_not_finite == {"x:0": [False, False, True, True, False, False]}


def test_a_command_whose_rows_are_all_not_finite_fails_in_one_line_and_one_that_explains_a_row_does_not(tmp_path,
                                                                                                        capsys):
    model, feed, out = (str(tmp_path / name) for name in ("model.pb", "feed.npz", "found.json"))
    small.model_of(nonfinite.division).save(model)
    rows = _five_rows()
    asked = [model, "--feed", feed, "--output", "y", "--input", "x"]
    for command, *more in (["explain", "--out", out], ["conductance", "--layer", "mean"], ["interactions"]):
        for taken, status in (([0, 1], 0), ([1, 3], 1)):
            np.savez(feed, **{name + ":0": each[taken] for name, each in rows.items()})
            assert cli.main([command] + asked + more) == status
            said = capsys.readouterr()
            assert "not explained: not finite" in said.out
            assert re.match("error: all of the 2 rows are not explained: .*\n$" if status else (
                "warning: finite numbers failed; --strict ends with status 3 then\n$"), said.err)
    assert cli.main(["evaluate"] + asked) == 1
    assert re.match("error: Rows 0, 1 are not explained: .* Leave such rows out", capsys.readouterr().err)


def test_an_entry_that_is_not_finite_is_gone_where_it_is_taken_out():
    feed = {"x": np.array([X[0], [np.inf, 1, np.nan, 2]], np.float32)}
    shares = np.array([[1.0, 1, 1, 1], [0, 1, 0, 1], [0, 0, 0, 0]])
    with tf1_ig.IntegratedGradients(small.model_of(nonfinite.whole), "y", "x") as explainer, (
            warnings.catch_warnings()):
        warnings.simplefilter("error", RuntimeWarning)
        mixed = explainer.at(feed).mixed([shares, shares], "zero")["x:0"]
        found = explainer.explain_variant("occlusion", feed)
    np.testing.assert_array_equal(mixed[:, 1], [feed["x"][1], [0, 1, 0, 2], [0, 0, 0, 0]])
    assert found.finite.tolist() == [True, False]


def test_what_is_infinite_has_not_converged():
    """A rule that touches the baseline, where a root has no slope."""
    def build():
        tf = _tf.tf
        tf.reduce_sum(tf.sqrt(tf.placeholder(tf.float32, [None, 4], "x")), 1, name="y")

    for method, finite in (("left", False), ("gausslegendre", True)):
        found = _explained(build, method=method, steps=512)
        assert np.isinf(found.delta).all() != finite and found.converged.all() == finite
        told = [one.name for one in tf1_ig.check(found) if one.verdict != "ok"]
        assert told == ([] if finite else ["finite numbers"])


# ---- jumps


@pytest.mark.parametrize("build, first, helps", [
    (nonfinite.normalised, r"first in unit\S* \((Rsqrt|Mul)\)$", "choose another baseline"),
    (nonfinite.logarithm_at_zero, r"first in logs \(Log\)$", "choose another baseline"),
    (nonfinite.rounded, r"first in whole \((Round|Rint)\)$", "has no gradient")])
def test_where_no_point_finds_the_error_it_is_said_what_jumps_and_what_helps(build, first, helps):
    found = _explained(build)
    finding = tf1_ig.check(found)["convergence"]
    assert not found.converged.any() and finding.verdict == "warn" and helps in finding.advice
    assert "max_steps" not in finding.advice and "\n" not in finding.advice
    assert len(found.notes) == 1 and re.search(first, found.notes[0]), found.notes


@pytest.mark.dealt
@pytest.mark.parametrize("build, options", [
    (nonfinite.normalised, dict(baseline=0.5)), (nonfinite.logarithm_at_zero, dict(baseline=0.5)),
    (nonfinite.whole, {}), (nonfinite.normalised, dict(method="midpoint", steps=8))])
def test_where_points_find_it_nothing_is_said(build, options):
    found = _explained(build, **options)
    assert not found.notes and ("steps" in options or found.converged.all())


def test_what_jumps_a_little_behind_the_baseline_jumps_there():
    """What keeps a norm from being 0 is a millionth of these numbers."""
    found = _explained(nonfinite.normalised, {"x": 0.4 * X})
    low, _ = claims.jump(found, 0)
    assert 0 < low < claims.AT_START
    assert "choose another baseline" in tf1_ig.check(found)["convergence"].advice


def test_where_points_were_too_few_more_are_what_helps():
    found = _explained(nonfinite.normalised, max_steps=4)
    assert not found.notes and "raise max_steps" in tf1_ig.check(found)["convergence"].advice
