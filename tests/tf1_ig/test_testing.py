"""The brute force that ships: against closed forms, forward only against gradients, and a wrong explainer is caught."""

import dataclasses

import numpy as np
import pytest

import tf1_ig
from tests.models import small
from tf1_ig import testing

X = np.random.RandomState(3).normal(size=(3, 4)).astype(np.float32)
TEXT = {"ids:0": np.array([[3, 1, 4, 1], [9, 2, 6, 5]]), "lengths:0": np.array([4, 3]), "temperature:0": 1.0}


def test_brute_force_of_a_quadratic_is_its_closed_form():
    values, score, start = testing.integrated_gradients(small.model_of(small.quadratic), ["x:0"], "y:0", 0,
                                                        {"x:0": X[:1]}, [np.full(4, 0.5)], steps=400)
    np.testing.assert_allclose(values[0], small.WEIGHTS[:, 0] * (X[:1] ** 2 - 0.25), atol=1e-5)
    assert values[0].sum() == pytest.approx(score - start, abs=1e-4)


def test_forward_only_agrees_with_gradients():
    model = small.model_of(small.masked_text)
    feed = {name: value if np.ndim(value) == 0 else value[:1] for name, value in TEXT.items()}
    (expected,), _, _ = testing.integrated_gradients(model, ["embedding:0"], "scores:0", (0, 1), feed, steps=20)
    found, = testing.token_attributions(model, ["embedding:0"], "scores:0", (0, 1), feed, steps=20)
    np.testing.assert_allclose(found, expected.sum(-1), atol=2e-5)


@pytest.mark.parametrize("build, output, inputs, feed, label", [
    (small.masked_text, "scores", "embedding", TEXT, [1, 2]), (small.batch_normed, "y", "x", {"x:0": X}, 1),
    (small.token_tagger, "scores", "embedding", {"ids:0": TEXT["ids:0"]}, (2, 1))])
def test_explanations_are_held_against_it(build, output, inputs, feed, label):
    with tf1_ig.IntegratedGradients(small.model_of(build), output, inputs) as explainer:
        assert testing.assert_explains(explainer, feed, label, tolerance=0.01, steps=60).converged.all()


def test_a_wrong_explanation_is_caught(monkeypatch):
    with tf1_ig.IntegratedGradients(small.model_of(small.masked_text), "scores", "embedding") as explainer:
        explain = explainer.explain
        monkeypatch.setattr(explainer, "explain", lambda *all, **more: dataclasses.replace(
            explain(*all, **more), values={"embedding:0": 1.05 * explain(*all, **more).values["embedding:0"]}))
        with pytest.raises(AssertionError, match="row 0 is 0.0.* of its size from brute force"):
            testing.assert_explains(explainer, TEXT, 1, steps=60)
