"""Infidelity, sensitivity and Shapley values against captum's own, on the same function and the same perturbations."""

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from graph_tools import _tf
from tests.models import small
from tf1_ig import demo
from tf1_ig.evaluate import noise

torch = pytest.importorskip("torch", reason="captum runs on PyTorch: pip install tf1-ig[bridges]")
metrics = pytest.importorskip("captum.metrics", reason="pip install tf1-ig[bridges]")


@pytest.fixture(scope="module")
def opened():
    weights = np.random.RandomState(0).normal(size=(5, 8)).astype(np.float32)
    out = np.random.RandomState(1).normal(size=(8, 3)).astype(np.float32)

    def build():
        tf = _tf.tf
        x = tf.placeholder(tf.float32, [None, 5], "x")
        tf.nn.softmax(tf.matmul(tf.tanh(tf.matmul(x, tf.constant(weights))), tf.constant(out)), name="y")

    with tf1_ig.IntegratedGradients(small.model_of(build), "y", inputs="x") as explainer:
        yield explainer, {"x:0": np.random.RandomState(2).normal(size=(3, 5)).astype(np.float32)}


def recorded(monkeypatch):
    """What our measure draws, for captum to take."""
    draws = []
    ours = noise._moved

    def moved(scene, function):
        draws.append({name: np.array(value) for name, value in ours(scene, function).items()})
        return draws[-1]

    monkeypatch.setattr(noise, "_moved", moved)
    return draws


def test_infidelity_is_that_of_captum(opened, monkeypatch):
    explainer, feed = opened
    draws, right = recorded(monkeypatch), explainer.explain(feed, 1)
    found, = tf1_ig.evaluate(explainer, feed, 1, "infidelity", attribution=right)
    at, x, own = explainer.at(feed, 1), feed["x:0"].astype(np.float64), iter(list(draws))

    def perturbed(inputs):
        there = next(own)["x:0"]
        return torch.tensor(x - there), torch.tensor(there)

    # captum multiplies the perturbation with what says how the score falls by unit of input.
    slopes = torch.tensor(np.asarray(right.values["x:0"], np.float64) / x)
    theirs = metrics.infidelity(lambda rows: torch.tensor(at.scores({"x:0": rows.numpy()})), perturbed, torch.tensor(x),
                                slopes, n_perturb_samples=len(draws), max_examples_per_batch=len(x))
    np.testing.assert_allclose(found.rows, theirs.numpy(), rtol=1e-5, atol=1e-10)


def test_sensitivity_is_that_of_captum(opened, monkeypatch):
    explainer, feed = opened
    draws = recorded(monkeypatch)
    found, = tf1_ig.evaluate(explainer, feed, 1, "max sensitivity")
    own, x = iter(list(draws)), feed["x:0"].astype(np.float64)

    def explained(inputs):
        values = np.asarray(inputs[0].numpy() if isinstance(inputs, tuple) else inputs.numpy())
        result = explainer.explain({"x:0": values}, 1)
        return (torch.tensor(np.asarray(result.values["x:0"], np.float64)),)

    theirs = metrics.sensitivity_max(explained, torch.tensor(x), perturb_func=lambda inputs: (torch.tensor(
        next(own)["x:0"]),), n_perturb_samples=len(draws), max_examples_per_batch=len(x))
    np.testing.assert_allclose(found.rows, theirs.numpy(), rtol=1e-5)


def test_the_demo_in_the_words_of_captum(monkeypatch):
    ids, lengths = demo.encode([demo.tokenize("A dull film, but superb acting.")], demo.load_vocabulary())
    feed = {"input/dequeue:0": ids, "input/dequeue:1": lengths}
    with tf1_ig.IntegratedGradients(gt.load(demo.MODEL), "class/probabilities:0") as explainer:
        draws, right = recorded(monkeypatch), explainer.explain(feed, "top")
        found, = tf1_ig.evaluate(explainer, feed, "top", "infidelity", attribution=right)
        at, own = explainer.at(feed, "top"), iter(list(draws))
        name, = at.inputs
        x = np.asarray(at.entries[name], np.float64)

        def perturbed(inputs):
            there = next(own)[name]
            return torch.tensor(x - there), torch.tensor(there)

        away = np.where(x != 0, x, 1.0)
        slopes = torch.tensor(np.where(x != 0, np.asarray(right.values[name], np.float64) / away, 0.0))
        theirs = metrics.infidelity(lambda rows: torch.tensor(at.scores({name: rows.numpy()})), perturbed,
                                    torch.tensor(x), slopes, n_perturb_samples=len(draws), max_examples_per_batch=1)
    np.testing.assert_allclose(found.rows, theirs.numpy(), rtol=1e-5, atol=1e-12)
