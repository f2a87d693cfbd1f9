"""Rows of one length share runs; nothing but the order of rows depends on what their lengths are taken for."""

import numpy as np
import pytest

import tf1_ig
from tests.models import small
from tf1_ig.engine import lengths
from tf1_ig.engine.feeds import FedTensor

RANDOM = np.random.RandomState(5)


def fed(value, **more):
    value = np.asarray(value)
    return FedTensor("x:0", value, **dict({"block": 1}, **more))


PADDED = [[4, 2, 0, 0], [3, 1, 5, 9], [7, 0, 0, 0]]


@pytest.mark.parametrize("feeds, longest_first", [
    ([fed(PADDED)], [1, 0, 2]),
    ([fed(np.array(PADDED).T, axis=1)], [1, 0, 2]),
    ([fed(np.array(PADDED, str).astype(object))], [1, 0, 2]),
    ([fed(np.array(PADDED)[:, :, None] * [1.0, 0.5])], [1, 0, 2]),
    ([fed([2, 1, 4]), fed(np.ones((3, 4)))], [2, 0, 1]),
    ([fed([[0, 0], [2, 0], [2, 1], [1, 0], [2, 2], [1, 1]], part="indices")], [2, 1, 0]),
])
def test_what_tells_lengths(feeds, longest_first):
    found = lengths.of_rows(3, [], [], {str(number): one for number, one in enumerate(feeds)})
    assert list(np.argsort(-found)) == longest_first


@pytest.mark.parametrize("feeds", [
    [fed([2, 1, 40]), fed(np.ones((3, 4)))],     # longer than any row is wide: no length
    [fed([2, -1, 3]), fed(np.ones((3, 4)))],
    [fed([0.5, 1.0, 2.0]), fed(np.ones((3, 4)))],
    [fed(PADDED, block=0)],                      # shared by all rows
    [fed(np.zeros((3, 0)))],
    [fed([[-1, 0], [2, 0]], part="indices")],    # TensorFlow will refuse it
    [],
])
def test_what_tells_nothing(feeds):
    assert not lengths.of_rows(3, [], [], {str(number): one for number, one in enumerate(feeds)}).any()


def test_entries_of_the_inputs_tell_lengths():
    ragged = lengths.of_rows(3, [np.zeros((6, 2))], [np.array([2, 0, 2, 1, 1, 2])], {})
    assert list(np.argsort(-ragged)) == [2, 1, 0]
    rows = RANDOM.normal(size=(3, 5, 2))
    rows[0, 3:], rows[2, 1:] = rows[0, -1], 0.0
    assert list(np.argsort(-lengths.of_rows(3, [rows], [np.arange(3)], {}))) == [1, 0, 2]


@pytest.mark.parametrize("how", [{"steps": 20}, {"tolerance": 1e-3}])
def test_rows_of_one_length_share_runs(monkeypatch, how):
    """Ten lengths in any order, eight rows a run: hardly a run is longer than its rows need."""
    count, width = 40, 10
    longest_of_run, mean_of_run = [], []
    feed = {"ids:0": RANDOM.randint(0, 20, (count, width)), "temperature:0": 1.0,
            "lengths:0": RANDOM.permutation(np.repeat(np.arange(1, width + 1), count // width))}
    with tf1_ig.IntegratedGradients(small.model_of(small.masked_text), "scores", "embedding") as explainer:
        def watched(run):
            def watching(points, *more):
                longest_of_run.append(points.feeds["lengths:0"].max())
                mean_of_run.append(points.feeds["lengths:0"].mean())
                return run(points, *more)
            return watching

        for name in ("run_weighted", "run_gradients"):
            monkeypatch.setattr(explainer._engine, name, watched(getattr(explainer._engine, name)))
        grouped = explainer.explain(feed, label=1, batch_size=8, **how)
        assert np.sum(longest_of_run) < 1.15 * np.sum(mean_of_run)
        monkeypatch.setattr(lengths, "of_rows", lambda count, *_: np.zeros(count))
        del longest_of_run[:], mean_of_run[:]
        in_order = explainer.explain(feed, label=1, batch_size=8, **how)
        alone = explainer.explain({name: value if np.ndim(value) == 0 else value[7:8] for name, value in feed.items()},
                                  label=1, **how)
    np.testing.assert_allclose(grouped.values["embedding:0"], in_order.values["embedding:0"], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(grouped.values["embedding:0"][7:8], alone.values["embedding:0"], rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(grouped.evaluations, in_order.evaluations)
