"""NaN and Inf are traced to the op that makes them first, forward and backward; every model has a finite twin."""

import re

import numpy as np
import pytest

import tf1_ig
from tests.models import nonfinite, small

X = np.array([[0.4, 0.5, 0.6, 0.7], [1.0, 0.9, 0.8, 1.1]], np.float32)


def _explained(build, feed=None, **options):
    with tf1_ig.IntegratedGradients(small.model_of(build), "y", "x") as explainer:
        return explainer.explain(feed or {"x": X}, **options)


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
