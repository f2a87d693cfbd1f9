"""A row that is its own baseline, of models whose scores are rounded otherwise in each place of a run: one score, no
attribution, nothing refined; while another row of the same feed moves."""

import numpy as np
import pytest

import tf1_ig
from graph_tools import _tf
from tests.models import small
from tests.tf1_ig.numpy_engine import NumpyEngine
from tf1_ig.engine.packing import FIXED_BATCH, IN_COMPANY, PACKED, Batch, Fed, PointRunner, Running
from tf1_ig.engine.target import Terms
from tf1_ig.integrate import Rows

RANDOM = np.random.RandomState(5)
SMALL = 1e-4
MOVES, STILL = RANDOM.normal(size=(2, 4)).astype(np.float32) * np.array([[1.0], [SMALL]], np.float32)
X, START = np.stack([MOVES, STILL, STILL]), np.stack([MOVES * 0, STILL, STILL])
IDS = np.array([[3, 1, 4], [7, 7, 7]])


def by_place(scores):
    """A millionth more in every third place, half as much in the next: far below what rows that are coupled show."""
    tf = _tf.tf
    places = tf.cast(tf.range(tf.shape(scores)[0]) % 3, tf.float32)
    return scores + 0.5e-6 * tf.reshape(places, [-1] + [1] * (scores.shape.ndims - 1))


def network():
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    tf.identity(by_place(tf.matmul(tf.tanh(x), tf.constant(small.WEIGHTS))), "y")


def two_inputs():
    tf = _tf.tf
    x, z = (tf.placeholder(tf.float32, [None, 4], name) for name in ("x", "z"))
    tf.identity(by_place(tf.matmul(tf.tanh(x) + tf.tanh(z), tf.constant(small.WEIGHTS))), "y")


def tagger():
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 2, 4], "x")
    tf.identity(by_place(tf.tensordot(tf.tanh(x), tf.constant(small.WEIGHTS), [[2], [0]])), "y")


def words():
    tf = _tf.tf
    ids = tf.placeholder(tf.int32, [None, 3], "ids")
    table = np.concatenate([small.TABLE[:7], small.TABLE[7:8] * 0, small.TABLE[8:]])
    rows = tf.nn.embedding_lookup(tf.constant(table, name="table"), ids, name="rows")
    beside = tf.cast(ids, tf.float32) * [1e-5, 3e-5, 2e-5]  # a score where all rows of the table are zero
    tf.identity(by_place(tf.matmul(tf.reduce_sum(tf.tanh(rows), 1), tf.constant(small.WEIGHTS)) + beside), "y")


def conv():
    """A beginning that is affine and narrows, so that paths run behind it."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    narrow = tf.matmul(x, tf.constant(small.WEIGHTS[:, :1]))
    tf.identity(by_place(tf.tanh(narrow) * tf.constant(small.WEIGHTS[:1])), "y")


CASES = {
    "one input": (network, "x", {"x:0": X}, {"x:0": START}),
    "two inputs": (two_inputs, ["x", "z"], {"x:0": X, "z:0": X[::-1]}, {"x:0": START, "z:0": X[::-1]}),
    "embeddings": (words, "rows", {"ids:0": IDS[[0, 1, 1]]}, "zero"),
    "an affine beginning": (conv, "x", {"x:0": np.concatenate([X] * 120)}, {"x:0": np.concatenate([START] * 120)}),
}
HOW = {"adaptive": {}, "a rule": {"steps": 9}, "a weighted sum": {"label": {0: 1.0, 1: -1.0}}}


def assert_still(found, row):
    assert found.score[row] == found.baseline_score[row] != 0 and found.delta[row] == 0 and found.converged[row]
    assert not any(np.asarray(values[row]).any() for values in found.values.values())


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("case", CASES)
def test_one_score_no_attribution_nothing_refined(case, how):
    build, inputs, feed, baseline = CASES[case]
    with tf1_ig.IntegratedGradients(small.model_of(build), "y", inputs) as explainer:
        found = explainer.explain(feed, **dict({"label": 0, "baseline": baseline}, **HOW[how]))
    assert found.running == "packed"
    for row in (1, 2):
        assert_still(found, row)
        assert found.steps[row] == (9 if how == "a rule" else 3)
        assert set(found.path[row][1].tolist()) == {found.score[row]}
    assert np.array_equal(found.outputs[1], found.baseline_output[1])
    moved = sum(np.sum(values[0]) for values in found.values.values())  # whatever the others do
    assert abs(moved - (found.score[0] - found.baseline_score[0])) < 0.02 * abs(moved) and found.converged[0]
    assert found.score[0] != found.baseline_score[0]


@pytest.mark.parametrize("variant, options", [
    ("averaged", {"baselines": [{"x:0": START}, {"x:0": START}]}), ("shapley", {"baseline": {"x:0": START}}),
    ("guided_ig", {"baseline": {"x:0": START}, "steps": 20}), ("idgi", {"baseline": {"x:0": START}, "steps": 20})])
def test_by_any_method_that_sums_to_a_difference(variant, options):
    with tf1_ig.IntegratedGradients(small.model_of(network), "y", "x") as explainer:
        found = explainer.explain_variant(variant, {"x:0": X}, label=0, **options)
    assert_still(found, 1)
    assert_still(found, 2)
    assert abs(found.score[0] - found.baseline_score[0]) > 0.1 and found.values["x:0"][0].any()


def test_conductance_and_interactions():
    with tf1_ig.IntegratedGradients(small.model_of(network), "y", "x") as explainer:
        layer = next(op.name for op in explainer.resolved.model.outline.get_operations() if op.type == "Tanh")
        carried = explainer.conductance({"x:0": X}, layer, label=0, baseline={"x:0": START})
        pairs = explainer.interactions({"x:0": X}, label=0, baseline={"x:0": START})
    # Slopes of the layer are those of a polynomial, whose weights sum to zero up to the rounding of float64.
    assert carried.score[1] == carried.baseline_score[1] and carried.converged[1] and abs(carried.delta[1]) < 1e-17
    assert np.abs(carried.values[layer + ":0"][1]).max() < 1e-17 < np.abs(carried.values[layer + ":0"][0]).max()
    assert carried.steps[1] == 3
    assert pairs.converged[1] and pairs.delta[1] == 0 and not pairs.values[1].any() and pairs.values[0].any()


def test_every_position():
    feed, start = np.stack([X[:2], X[1:]]), np.stack([START[:2], START[1:]])
    with tf1_ig.IntegratedGradients(small.model_of(tagger), "y", "x") as explainer:
        found = explainer.explain({"x:0": feed}, label=0, baseline={"x:0": start}, positions="all")
    for row in np.flatnonzero(np.asarray(found.rows) == 1):
        assert_still(found, row)
    assert found.score[0] != found.baseline_score[0]


@pytest.mark.parametrize("running", [Running(PACKED), Running(FIXED_BATCH, only=3), Running(IN_COMPANY)], ids=str)
def test_what_is_known_stands_in_the_place_of_what_runs_round(running):
    """However rows are run; the second row is known to give (5, 7), the others are what the model gives."""
    def noisy(inputs, feeds):
        return inputs[0] ** 2

    batch = Batch(3, [np.ones((3, 2))], [np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])], [np.arange(3)], {})
    assert batch.still.tolist() == [False, True, False]
    outputs = np.array([[0.0, 0.0], [5.0, 7.0], [0.0, 0.0]])
    runner = PointRunner(NumpyEngine(noisy), batch, running, Terms.single(np.array([1, 1, 0])),
                         fed=Fed(batch.still, outputs))
    rows = Rows(np.array([0, 1, 2, 1]), np.array([0.5, 0.5, 1.0, 0.0]))
    scores = [1.0, 7.0, 1.0, 7.0]
    assert runner.scores(rows).tolist() == runner.gradients(rows).score.tolist() == scores
    assert runner.weighted(rows, np.ones(4))[0].tolist() == scores
    assert runner.outputs(rows).tolist() == [[0.25, 1.0], [5.0, 7.0], [1.0, 1.0], [5.0, 7.0]]
    assert runner.on(batch, runner.label).scores(rows).tolist() == [1.0, 1.0, 1.0, 1.0]
    assert runner.fed.take(np.array([1, 2])).rows.tolist() == [True, False]


def test_several_entries_of_a_row_in_any_order():
    actual = np.arange(8.0).reshape(4, 2)
    starts = [actual + [[0, 0], [0, 0], [0, 1], [0, 0]], np.array([[1.0], [1.0], [np.nan]])]
    batch = Batch(3, [actual, np.ones((3, 1))], starts, [np.array([1, 0, 1, 2]), np.arange(3)], {})
    assert batch.still.tolist() == [True, False, False]


def test_a_batch_many_times_over_needs_its_outputs_once():
    fed = Fed(np.array([False, True, True, False]), np.array([[1.0], [2.0]]))
    assert fed.into(np.zeros((4, 1)), np.array([3, 2, 1, 0])).tolist() == [[0.0], [1.0], [2.0], [0.0]]
    assert fed.take(np.array([1, 2])).outputs.tolist() == [[2.0], [1.0]]
    with tf1_ig.IntegratedGradients(small.model_of(network), "y", "x") as explainer:
        at = explainer.at({"x:0": X}, label=0)
        points = np.stack([X, X[::-1], X])
        points[0, 0] = 0.0
        scores = at.scores({"x:0": points})
    assert scores[2].tolist() == at.score.tolist() and scores[0, 1:].tolist() == at.score[1:].tolist()
    assert scores[1, 1] == at.score[1] and scores[1, 0] == pytest.approx(at.score[2], abs=2e-6)


@pytest.mark.parametrize("variant", [None, "averaged"])
def test_what_is_random_is_random_for_rows_that_do_not_move(variant):
    """Nobody may take them for one that is not: a dropout that was left on differs by more than by rounding."""
    def build():
        tf = _tf.tf
        x = tf.placeholder(tf.float32, [None, 4], "x")
        scores = tf.matmul(tf.tanh(x), tf.constant(small.WEIGHTS))
        tf.add(scores, tf.random_uniform(tf.shape(scores)), name="y")

    with tf1_ig.IntegratedGradients(small.model_of(build), "y", "x") as explainer:
        start = {"x:0": START}
        found = explainer.explain({"x:0": X}, label=0, baseline=start, steps=2) if variant is None else (
            explainer.explain_variant(variant, {"x:0": X}, label=0, baselines=[start, start], steps=2))
        at = explainer.at({"x:0": X}, label=0)
        scores = at.scores({"x:0": np.stack([X, X])})
    assert any("random" in note for note in found.notes)
    assert found.score[1] != found.baseline_score[1] and scores[0, 1] != scores[1, 1]
