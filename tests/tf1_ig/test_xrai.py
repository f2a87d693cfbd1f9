"""XRAI: against a plain reading of its algorithm, and the sums it keeps."""

import importlib.util
import sys

import numpy as np
import pytest

import tf1_ig
from graph_tools import _tf
from graph_tools.errors import GraphToolsError
from tests.models.small import model_of
from tf1_ig.errors import InputError, MissingPackageError
from tf1_ig.methods import regions

RANDOM = np.random.RandomState(5)


def picture():
    """A score that reacts to two squares, one of them against it, and bends."""
    tf = _tf.tf
    pixels = tf.placeholder(tf.float32, [None, 16, 16, 3], "pixels")
    weights = np.zeros((16, 16, 3), np.float32)
    weights[2:7, 3:8], weights[10:14, 9:14] = 1, -.5
    tf.tanh(tf.reduce_sum(pixels * pixels * weights, [1, 2, 3]) / 20, name="score")


def by_the_book(attributions, masks, adds):
    """Algorithm 1, with masks as they are written there."""
    found, covered = np.zeros(attributions.shape), np.zeros(attributions.shape, bool)
    rest = [mask.copy() for mask in masks]
    while True:
        best, gain = None, -np.inf
        for mask in rest:
            new = mask & ~covered
            if new.sum() >= adds and attributions[new].mean() > gain:
                best, gain = mask, attributions[new].mean()
        if best is None:
            break
        found[best & ~covered] = gain
        covered |= best
        rest = [mask for mask in rest if mask is not best]
    if not covered.all():
        found[~covered] = attributions[~covered].mean()
    return found


@pytest.mark.parametrize("adds", [1, 4])
def test_regions_come_in_as_the_paper_says(adds):
    for _ in range(10):
        attributions = RANDOM.normal(size=(9, 11))
        masks = [RANDOM.uniform(size=(9, 11)) < RANDOM.uniform(.05, .5) for _ in range(12)]
        found = regions.by_region(attributions, [np.flatnonzero(mask) for mask in masks], adds)
        assert np.allclose(found, by_the_book(attributions, masks, adds))
        assert np.isclose(found.sum(), attributions.sum())


def test_the_sum_is_that_of_integrated_gradients_from_black_and_white():
    pixels = RANDOM.uniform(size=(2, 16, 16, 3)).astype(np.float32)
    labels = np.stack([np.arange(16)[:, None] // 4 * 4 + np.arange(16) // 4, RANDOM.randint(0, 5, (16, 16))])
    with tf1_ig.IntegratedGradients(model_of(picture), "score:0", "pixels:0") as explainer:
        found = explainer.explain_variant("xrai", {"pixels:0": pixels}, segments=labels)
        ends = []
        for row in range(2):
            ends.append([explainer.explain({"pixels:0": pixels[row:row + 1]}, baseline=float(of(pixels[row])),
                                           tolerance=1e-4) for of in (np.min, np.max)])
        given = explainer.explain_variant("xrai", {"pixels:0": pixels}, segments=labels, baselines=["zero"])
    assert found.technique.startswith("XRAI") and found.completeness == "exact"
    for row, both in enumerate(ends):
        attributions = np.mean([one.values["pixels:0"][0].sum(-1) for one in both], axis=0)
        masks = [each == label for each in labels for label in np.unique(each)]
        assert np.allclose(found.values["pixels:0"][row].sum(-1), by_the_book(attributions, masks, 1), atol=1e-4)
        assert np.isclose(found.baseline_score[row], np.mean([one.baseline_score[0] for one in both]), atol=1e-6)
    assert np.abs(found.delta).max() < 1e-4 and found.converged.all()
    assert np.allclose(given.baseline_score, 0) and np.abs(given.delta).max() < 1e-4


def test_what_is_no_picture():
    def table():
        tf = _tf.tf
        tf.reduce_sum(tf.placeholder(tf.float32, [None, 4], "x"), 1, name="score")

    with tf1_ig.IntegratedGradients(model_of(table), "score:0") as explainer:
        with pytest.raises(InputError, match="one input of pictures"):
            explainer.explain_variant("xrai", {"x:0": np.ones((1, 4))}, segments=np.zeros((1, 4)))
    with tf1_ig.IntegratedGradients(model_of(picture), "score:0", "pixels:0") as explainer:
        pixels = np.ones((1, 16, 16, 3), np.float32)
        for options in (dict(segments=np.zeros((3, 3), int)), dict(segments=np.zeros((16, 16), int), baselines=3.0)):
            with pytest.raises(GraphToolsError):
                explainer.explain_variant("xrai", {"pixels:0": pixels}, **options)


def test_without_the_package_it_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.segmentation", None)
    with tf1_ig.IntegratedGradients(model_of(picture), "score:0", "pixels:0") as explainer:
        with pytest.raises(MissingPackageError, match="pip install 'tf1-ig\\[regions\\]'"):
            explainer.explain_variant("xrai", {"pixels:0": RANDOM.uniform(size=(1, 16, 16, 3)).astype(np.float32)})


@pytest.mark.skipif(importlib.util.find_spec("skimage") is None, reason="the package scikit-image is not installed")
def test_a_square_is_found_as_a_region():
    pixels = np.full((1, 16, 16, 3), .1, np.float32) + RANDOM.uniform(0, .01, (1, 16, 16, 3)).astype(np.float32)
    pixels[0, 2:7, 3:8] = .9
    with tf1_ig.IntegratedGradients(model_of(picture), "score:0", "pixels:0") as explainer:
        found = explainer.explain_variant("xrai", {"pixels:0": pixels}, baselines=["zero"])
    strongest = found.values["pixels:0"][0].sum(-1)
    inside = np.zeros((16, 16), bool)
    inside[2:7, 3:8] = True
    assert strongest[inside].mean() > 5 * np.abs(strongest[~inside]).max() and np.abs(found.delta).max() < 1e-3


def test_segments_and_scales_are_options_of_the_command(tmp_path, capsys):
    from tf1_ig import cli

    def picture():
        tf = _tf.tf
        pixels = tf.placeholder(tf.float32, [None, 4, 4, 3], "pixels")
        tf.reduce_sum(tf.square(pixels), [1, 2, 3], name="y")

    model_of(picture).save(str(tmp_path / "m.pb"))
    pixels = np.random.RandomState(3).uniform(size=(1, 4, 4, 3)).astype(np.float32)
    halves = np.repeat([[0, 0, 1, 1]], 4, axis=0)[None]
    np.savez(str(tmp_path / "f.npz"), **{"pixels:0": pixels})
    np.save(str(tmp_path / "halves.npy"), halves)
    words = ["explain", str(tmp_path / "m.pb"), "--feed", str(tmp_path / "f.npz"), "--output", "y", "--variant", "xrai"]
    assert cli.main(words + ["--segments", str(tmp_path / "halves.npy"), "--out", str(tmp_path / "r.npz")]) == 0
    found = tf1_ig.load_attribution(tmp_path / "r.npz").values["pixels:0"][0].sum(axis=-1)
    assert len(np.unique(np.round(found, 5))) == 2      # one number for each half
    capsys.readouterr()
    assert cli.main(words + ["--segments", str(tmp_path / "none.npy")]) == 1
    assert "none.npy" in capsys.readouterr().err
    assert cli.main(words + ["--scales", "50,x"]) == 2
    assert "argument --scales: 'x' is not a positive number" in capsys.readouterr().err
    assert cli.main(words[:-2] + ["--scales", "50"]) == 2
    assert "--scales belongs to --variant" in capsys.readouterr().err
