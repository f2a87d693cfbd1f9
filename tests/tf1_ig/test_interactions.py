"""Pairs of tokens: closed forms, sums, symmetry, loops, and discrete removals."""

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from graph_tools import _tf
from tests.models import small
from tf1_ig import demo
from tf1_ig.errors import MethodError
from tf1_ig.interactions import gauss, nearest

X = np.array([[1.0, 2.0, 3.0], [0.5, -1.0, 2.0]], np.float32)


def found_for(function, feed=X, **options):
    def build():
        tf = _tf.tf
        tf.identity(function(tf.placeholder(tf.float32, [None, feed.shape[1]], name="x")), name="y")

    with tf1_ig.IntegratedGradients(small.model_of(build), "y", inputs="x") as explainer:
        return explainer.interactions({"x:0": feed}, **options)


@pytest.mark.parametrize("count", [1, 2, 8, 32])
def test_the_gauss_rule_is_exact_to_its_degree(count):
    rule = gauss(count)
    for degree in {0, 1, count, 2 * count - 1}:
        assert (rule.first * rule.points ** degree).sum() == pytest.approx(1.0 / (degree + 1) ** 2, abs=1e-13)
    for degree in {0, 2 * count - 2}:
        assert (rule.second * rule.points ** degree).sum() == pytest.approx(1.0 / (degree + 2) ** 2, abs=1e-13)
    assert (rule.plain * rule.points ** (count - 1)).sum() == pytest.approx(1.0 / count, abs=1e-12)


def test_a_product_in_closed_form():
    found = found_for(lambda x: x[:, 0] * x[:, 1])
    for matrix, row in zip(found.values, X):
        whole = row[0] * row[1]
        wanted = np.zeros((3, 3))
        wanted[:2, :2] = whole / 4
        np.testing.assert_allclose(matrix, wanted, atol=1e-4 * abs(whole))


def test_a_square_times_a_number_in_closed_form():
    found = found_for(lambda x: x[:, 0] ** 2 * x[:, 1])
    for matrix, row in zip(found.values, X):
        whole = row[0] ** 2 * row[1]
        # ∫ -t ln t · 2t dt = 2/9 off the diagonal; 2/9 + 2 ∫ -t² ln t dt = 4/9 and 1/9 on it.
        wanted = np.array([[4 / 9, 2 / 9, 0], [2 / 9, 1 / 9, 0], [0, 0, 0]]) * whole
        np.testing.assert_allclose(matrix, wanted, atol=1e-4 * abs(whole))
        assert np.abs(found.delta).max() < 1e-5


def test_what_is_added_does_not_interact():
    found = found_for(lambda x: _tf.tf.tanh(x[:, 0]) + x[:, 1] ** 3 + x[:, 2])
    for matrix in found.values:
        assert np.abs(matrix - np.diag(np.diag(matrix))).max() < 1e-5 * np.abs(matrix).max()


def test_both_orders_agree_and_rows_sum_to_integrated_gradients():
    weights = np.random.RandomState(3).normal(size=(5, 4)).astype(np.float32)
    feed = np.random.RandomState(4).normal(size=(6, 5)).astype(np.float32)

    def build():
        tf = _tf.tf
        x = tf.placeholder(tf.float32, [None, 5], name="x")
        tf.reduce_sum(tf.sigmoid(tf.matmul(x, tf.constant(weights))), 1, name="y")

    with tf1_ig.IntegratedGradients(small.model_of(build), "y", inputs="x") as explainer:
        found = explainer.interactions({"x:0": feed})
        plain = explainer.explain({"x:0": feed}, steps=64)
    for row, matrix in enumerate(found.values):
        assert found.asymmetry[row] <= 1e-4 * np.abs(matrix).max()
        np.testing.assert_allclose(matrix.sum(axis=1), plain.values["x:0"][row], atol=1e-3)
    assert found.converged.all() and (found.steps == 8).all() and found.check().ok
    # Against second derivatives in closed form at many points: sigmoid'' = s (1 - s) (1 - 2 s).
    points = (np.arange(20000) + 0.5) / 20000
    s = 1 / (1 + np.exp(-np.outer(points, feed[0] @ weights)))
    second = np.einsum("t,tk,ik,jk->ij", -points * np.log(points) / 20000, s * (1 - s) * (1 - 2 * s), weights, weights)
    wanted = second * np.outer(feed[0], feed[0])
    off = ~np.eye(5, dtype=bool)
    np.testing.assert_allclose(found.values[0][off], wanted[off], atol=1e-3 * np.abs(wanted).max())


def log_part(t):
    """``∫ -ln t`` from 0 to t."""
    return t - t * np.log(t) if t > 0 else 0.0


def kinks(weights, bias, top, x):
    """Γ of ``relu(x w + bias) top`` in closed form: each unit's second derivative is a jump where its sign changes."""
    matrix, z = np.zeros((len(x), len(x))), x @ weights
    for unit, (slope, start) in enumerate(zip(z, bias)):
        moves, crossing = x * weights[:, unit], -start / slope
        on = (0.0, float(start + slope / 2 > 0))
        if 0 < crossing < 1:
            on = (crossing, 1.0) if slope > 0 else (0.0, crossing)
            matrix += top[unit] * -crossing * np.log(crossing) * np.outer(moves, moves) / abs(slope)
        matrix[np.diag_indices(len(x))] += top[unit] * moves * (log_part(on[1]) - log_part(on[0]))
    return matrix


@pytest.mark.parametrize("curved", [False, True])
def test_a_layer_of_kinks_against_its_closed_form(curved):
    random = np.random.RandomState(5)
    weights, bias = random.normal(size=(6, 60)), random.uniform(-1, 0, 60)
    top, x = random.normal(size=60), random.normal(size=(3, 6)).astype(np.float32)

    def network(tensor):
        tf = _tf.tf
        hidden = tf.nn.relu(tf.matmul(tensor, tf.constant(weights, tf.float32)) + tf.constant(bias, tf.float32))
        score = tf.reduce_sum(hidden * tf.constant(top, tf.float32), 1)
        return tf.tanh(0.4 * score) if curved else score

    found = found_for(network, x)
    for row in range(3):
        own = x[row].astype(float)
        wanted = curved_kinks(weights, bias, top, own) if curved else kinks(weights, bias, top, own)
        off = np.abs(found.values[row] - wanted).sum()
        assert off <= (0.02 if curved else 0.001) * np.abs(wanted).sum()
        # What is told of the error is of its size.
        assert found.error_estimate[row] > 0.5 * off
        np.testing.assert_allclose(found.tokens[row], wanted.sum(axis=1), atol=1e-3 * np.abs(wanted.sum(axis=1)).sum())
    assert found.converged.all() or curved


def curved_kinks(weights, bias, top, x):
    """Γ of ``tanh(0.4 relu(x w + bias) top)``: the jumps in closed form, what lies between them by a fine sum."""
    t = (np.arange(200000) + 0.5) / 200000

    def at(shares):
        z = np.outer(shares, x @ weights) + bias
        bent = np.tanh(0.4 * (np.maximum(z, 0) @ top))
        return bent, ((z > 0) * top) @ weights.T * x

    bent, slopes = at(t)
    matrix = np.einsum("n,ni,nj->ij", t * np.log(t) / len(t) * 0.32 * bent * (1 - bent ** 2), slopes, slopes)
    matrix[np.diag_indices(len(x))] += (-np.log(t) / len(t) * 0.4 * (1 - bent ** 2)) @ slopes
    for unit, (slope, start) in enumerate(zip(x @ weights, bias)):
        crossing = -start / slope
        if 0 < crossing < 1:
            moves = x * weights[:, unit]
            matrix += 0.4 * (1 - at([crossing])[0][0] ** 2) * top[unit] * -crossing * np.log(crossing) * np.outer(
                moves, moves) / abs(slope)
    return matrix


def test_a_text_cnn_in_one_batch_sums_to_shares_and_scores():
    random = np.random.RandomState(8)
    table, filters, top = (random.normal(size=shape).astype(np.float32) * scale for shape, scale in (
        ((30, 6), 0.7), ((3, 6, 20), 0.4), ((20, 2), 0.4)))

    def build():
        tf = _tf.tf
        ids = tf.placeholder(tf.int32, [None, 9], name="ids")
        rows = tf.gather(tf.constant(table), ids, name="rows")
        found = tf.nn.relu(tf.nn.bias_add(tf.nn.conv1d(rows, tf.constant(filters), 1, "VALID"), tf.fill([20], 0.1)))
        tf.nn.softmax(tf.matmul(tf.reduce_max(found, 1), tf.constant(top)), name="y")

    feed = {"ids:0": random.randint(1, 30, (3, 9))}
    with tf1_ig.IntegratedGradients(small.model_of(build), "y", inputs="rows") as explainer:
        found = explainer.interactions(feed, label=1)
        plain = explainer.explain(feed, label=1, tolerance=1e-3, max_steps=4096)
    for row, matrix in enumerate(found.values):
        shares = plain.tokens["rows:0"][row]
        np.testing.assert_allclose(matrix.sum(axis=1), shares, atol=0.01 * np.abs(shares).sum())
        assert (matrix == matrix.T).all()
    assert (np.abs(found.delta) <= 0.01 * np.abs(found.score - found.baseline_score)).all()


def test_maxima_that_tie_at_the_baseline_do_not_pair_tokens():
    """All kinks meet at zero and the path stays between them: the gradient is the same everywhere on it."""
    weights = np.random.RandomState(9).normal(size=(6, 40, 30)).astype(np.float32)
    feed = np.random.RandomState(10).normal(size=(2, 6)).astype(np.float32)
    found = found_for(lambda x: _tf.tf.reduce_sum(_tf.tf.reduce_max(_tf.tf.tensordot(x, weights, 1), 2), 1), feed)
    for matrix, row in zip(found.values, feed.astype(float)):
        chosen = np.einsum("i,ijk->jk", row, weights).argmax(axis=1)
        wanted = np.diag(row * weights[:, np.arange(40), chosen].sum(axis=1))
        assert np.abs(matrix - wanted).sum() <= 0.005 * np.abs(wanted).sum()
    assert found.converged.all()


def test_the_nearest_matrix_has_the_sums_and_keeps_zeros():
    matrix = np.array([[1.0, 0.0, 2.0], [0.0, 3.0, -1.0], [2.0, -1.0, 0.0]])
    sums = np.array([3.5, 1.0, 1.5])
    found = nearest(matrix, sums)
    np.testing.assert_allclose(found.sum(axis=1), sums, atol=1e-12)
    assert (found[matrix == 0] == 0).all() and (found == found.T).all()
    # No other change with these sums is smaller in the measure that is minimised.
    change, weights = found - matrix, np.abs(matrix)
    used = weights > 0
    for seed in range(20):
        other = np.random.RandomState(seed).normal(size=(3, 3)) * used
        other = other + other.T
        direction = nearest(found + 0.1 * other, sums) - found
        trial = change + direction
        np.testing.assert_allclose(trial.sum(axis=1), change.sum(axis=1), atol=1e-9)
        assert (trial[used] ** 2 / weights[used]).sum() >= (change[used] ** 2 / weights[used]).sum() - 1e-12


def test_words_through_frozen_loops():
    words = [demo.tokenize(text) for text in ("This film wasn't bad.", "A bad film.")]
    ids, lengths = demo.encode(words, demo.load_vocabulary())
    feed = {"input/dequeue:0": ids, "input/dequeue:1": lengths}
    with tf1_ig.IntegratedGradients(gt.load(demo.MODEL), "class/probabilities:0") as explainer:
        found = explainer.interactions(feed, label=1, tokens=words)
        plain = explainer.explain(feed, label=1, tolerance=1e-4)
        at = explainer.at(feed, label=1)
        best = found.pairs[0][0]
        shares = np.ones((3, len(found.tokens[0])))  # discrete removals, one by one
        shares[0, best.first] = shares[1, best.second] = shares[2, best.first] = shares[2, best.second] = 0
        one, other, none = at.scores(at.mixed([shares, np.ones((3, len(found.tokens[1])))]))[:, 0]
    for row in range(2):
        tokens = plain.tokens["embedding/lookup:0"][row]
        np.testing.assert_allclose(found.tokens[row], tokens, atol=0.01 * np.abs(tokens).sum())
        assert found.asymmetry[row] <= 1e-4 * np.abs(found.values[row]).max()
    assert (np.abs(found.delta) <= 0.01 * np.abs(found.score - found.baseline_score)).all()
    assert {found.texts(0)[place] for place in best[:2]} == {"wasn't", "bad"} and best.value > 0
    assert best.discrete == pytest.approx(found.score[0] - one - other + none, abs=1e-6)
    assert "wasn't × bad" in str(found) and len(found.to_frame()) == sum(
        count * (count + 1) // 2 for count in map(len, found.tokens))


def test_tokens_that_do_not_move_do_nothing():
    found = found_for(lambda x: x[:, 0] * x[:, 1] + x[:, 2], np.array([[2.0, 3.0, 0.0]], np.float32))
    assert (found.values[0][2] == 0).all() and found.evaluations[0] == 8 * 5


BENT = np.random.RandomState(11).normal(size=(3, 20)), np.random.RandomState(12).uniform(-1, 0, 20)


def bent(x):
    """A layer of kinks."""
    weights, bias = (_tf.tf.constant(part, _tf.tf.float32) for part in BENT)
    return _tf.tf.reduce_sum(_tf.tf.nn.relu(_tf.tf.matmul(x, weights) + bias), 1)


@pytest.mark.parametrize("steps", [None, 8])
def test_a_row_whose_score_is_no_number_leaves_the_others_alone(steps):
    feed = np.array([[1.0, 2.0, 3.0], [-3.0, 1.0, 2.0]], np.float32)
    alone, found = (found_for(lambda x: bent(x) + _tf.tf.sqrt(x[:, 0] + 1), rows, steps=steps)
                    for rows in (feed[:1], feed))
    np.testing.assert_allclose(found.values[0], alone.values[0], atol=1e-4 * np.abs(alone.values[0]).sum())
    assert found.converged.tolist() == [steps is None, False] and np.isnan(found.score[1])


def test_a_norm_has_no_gradient_at_its_zero_baseline_and_needs_none():
    found = found_for(lambda x: bent(x) + 10 * _tf.tf.norm(x, axis=1))
    assert (found.steps > 32).all() and found.check().ok
    for matrix, row in zip(found.values, X.astype(float)):
        # Second derivatives of a norm fall with 1 / t, its gradients stay: ∫ -ln t dt = 1 of either.
        size, squares = np.linalg.norm(row), row ** 2
        wanted = kinks(*BENT, np.ones(20), row) + 10 * (
            2 * np.diag(squares) / size - np.outer(squares, squares) / size ** 3)
        np.testing.assert_allclose(matrix, wanted, atol=0.002 * np.abs(wanted).sum())


@pytest.mark.parametrize("steps", [8, 16, 32])
def test_few_points_do_not_reach_the_ends_of_the_path(steps):
    """The gradient of a root is infinite at zero: no token may be moved there from a point that is close."""
    feed = np.array([[1.0, 4.0], [9.0, 0.25]], np.float32)
    found = found_for(lambda x: _tf.tf.sqrt(x[:, 0]) * _tf.tf.sqrt(x[:, 1]), feed, steps=steps)
    for matrix, row in zip(found.values, feed):
        # Off the diagonal ∫ -ln t dt / 4 = 1/4 of the root, and rows sum to half of it.
        np.testing.assert_allclose(matrix, np.full((2, 2), 0.25) * np.sqrt(row.prod()), rtol=0.01)


def test_many_points_stay_on_the_path():
    """Roots of what is below zero are no numbers."""
    feed = np.array([[1.0, 2.0]], np.float32)
    found = found_for(lambda x: x[:, 0] ** 1.5 * x[:, 1] ** 1.5, feed, steps=600)
    # ∫ -t ln t · 9/4 t dt = 1/4 off the diagonal, and rows sum to a half.
    np.testing.assert_allclose(found.values[0], np.full((2, 2), 2 ** 1.5 / 4), rtol=0.01)


@pytest.mark.parametrize("options, words", [
    ({"steps": 0}, "steps must be a whole number"), ({"max_steps": 3}, "max_steps must be"),
    ({"tolerance": 0}, "tolerance must be a number above 0")])
def test_wrong_arguments_are_named(options, words):
    with pytest.raises(MethodError, match=words):
        found_for(lambda x: x[:, 0], **options)
