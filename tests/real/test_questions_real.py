"""More questions to a published frozen tagger: its recurrent output as a layer, pairs of characters, every position."""

import json
import time
import zipfile

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from tests.real.packages import fetch_package
from tf1_ig.engine.operated import Engine

pytestmark = pytest.mark.real
LOGITS, TAG = "project/logits:0", (2, 1)
STATES = "concat_1:0"  # of both directions, all steps
TEXTS = ["这部电影不错", "他来到了网易杭研大厦", "我喜欢吃苹果和香蕉"]
LONG = "结婚的和尚未结婚的都应该在这个城市的图书馆里面阅读关于历史和科学的书籍并且和朋友们一起讨论其中的问题"


@pytest.fixture(scope="module", name="segmenter")
def _segmenter():
    folder = fetch_package("fool_seg")
    path = sorted(folder.rglob("seg.pb"))[0]
    with zipfile.ZipFile(str(path.parent / "map.zip")) as maps:
        number_of = json.loads(maps.read("all_map.json").decode("utf-8"))["char_map"]

    def feed_of(*texts):
        ids = np.zeros((len(texts), max(map(len, texts))), np.int32)
        for row, text in zip(ids, texts):
            row[:len(text)] = [number_of.get(letter, 1) for letter in text]
        return {"char_inputs:0": ids, "lengths:0": np.array([len(text) for text in texts]), "dropout:0": 1.0}

    with tf1_ig.IntegratedGradients(gt.load(str(path)), LOGITS) as explainer:
        yield explainer, feed_of


def test_the_recurrent_output_carries_everything(segmenter):
    explainer, feed_of = segmenter
    feed = feed_of(*TEXTS)
    plain = explainer.explain(feed, label=TAG)
    found = explainer.conductance(feed, STATES, label=TAG)
    rise = found.score - found.baseline_score
    np.testing.assert_allclose(rise, plain.score - plain.baseline_score, atol=1e-5)
    sums = found.values[STATES].reshape(len(TEXTS), -1).sum(axis=1)
    np.testing.assert_allclose(sums, rise, atol=0.01 * np.abs(rise).max())
    assert found.converged.all() and found.notes == () and found.completeness == "exact"
    assert found.evaluations.max() <= plain.evaluations.max()


def test_pairs_of_several_sentences_sum_to_shares_and_scores(segmenter):
    explainer, feed_of = segmenter
    feed = feed_of(*TEXTS)
    found, plain = explainer.interactions(feed, label=TAG), explainer.explain(feed, label=TAG, tolerance=1e-3)
    (shares,) = plain.tokens.values()
    assert found.converged.all()
    for row, matrix in enumerate(found.values):
        np.testing.assert_allclose(matrix.sum(axis=1), shares[row][:len(matrix)], atol=0.01 * np.abs(shares[row]).sum())
    assert (np.abs(found.delta) <= 0.01 * np.abs(found.score - found.baseline_score)).all()


def timed(ask):
    """The answer, and the seconds of the processor: a busy machine adds less to them than to those of the clock."""
    ask()  # sizes of runs are learnt
    start = time.process_time()
    return ask(), time.process_time() - start


@pytest.mark.dealt
@pytest.mark.parametrize("steps, faster", [(None, 3.0), (10, 3.0), (20, 2.0)])
def test_every_position_equals_one_call_a_position_in_less_time(segmenter, monkeypatch, steps, faster):
    explainer, feed_of = segmenter
    feed, count = feed_of(LONG), len(LONG)
    (name,), runs = explainer.inputs, []
    how = dict(steps=steps, batch_size=320)  # learnt from the clock, runs would be smaller on a busy machine
    for way in ("run_gradients", "run_weighted"):
        once = getattr(Engine, way)
        monkeypatch.setattr(Engine, way, lambda *given, once=once: runs.append(1) or once(*given))
    every, all_time = timed(lambda: explainer.explain(feed, positions="all", label=1, **how))
    of_all = len(runs)
    each, each_time = timed(lambda: [explainer.explain(feed, label=(place, 1), **how) for place in range(count)])
    assert len(every) == count and every.positions.tolist() == list(range(count))
    assert len(runs) - of_all >= 5 * of_all and each_time >= faster * all_time
    apart = np.abs(every.values[name] - np.concatenate([one.values[name] for one in each])).max(axis=(1, 2))
    # Some paths cross a cliff of 2e5 a unit: there the rounding of a point to float32 is 0.01 of the score, and by the
    # processor's last bits one of the two asks for another node. Two sets of nodes agree as far as either is right.
    steepest = np.array([np.abs(np.diff(scores) / np.diff(alphas)).max() for alphas, scores in every.path])
    same = np.array([np.array_equal(alphas, one.path[0][0]) for (alphas, _), one in zip(every.path, each)])
    assert (apart <= np.maximum(1e-5, np.finfo(np.float32).eps * steepest))[same].all() and same.mean() >= 0.6
    off = np.array([np.abs(one.values[name][0] - own).sum() for one, own in zip(each, every.values[name])])
    assert (off <= 0.01 * np.abs(every.values[name]).sum(axis=(1, 2))).all()
    assert steps is None or apart.max() <= 1e-5
