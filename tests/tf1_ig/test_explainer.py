"""Explanations of small models against brute force, closed forms, and the properties of the method."""

import numpy as np
import pytest

import graph_tools
import graph_tools as gt
import tf1_ig
from graph_tools import _tf
from graph_tools.errors import BlockedRunError, FeedError, GradientError, GraphToolsError, TensorNotFoundError
from tests.models import small
from tests.models.embedding_patterns import patterns
from tests.models.embeddings import live_and_frozen
from tests.models.embeddings_sparse import sparse_feed, weights_of
from tests.tf1_ig.brute_force import integrated_gradients, relative_l1
from tf1_ig import demo
from tf1_ig.errors import BaselineError, BatchError, LabelError, MethodError

RANDOM = np.random.RandomState(7)
X = RANDOM.normal(size=(4, 4)).astype(np.float32)
TEXT = {"ids:0": RANDOM.randint(0, 20, (3, 5)), "lengths:0": [5, 3, 2], "temperature:0": 1.0}


def explain(build, output, inputs, feed, batch_axis=0, **more):
    with tf1_ig.IntegratedGradients(small.model_of(build), output, inputs=inputs, batch_axis=batch_axis) as explainer:
        return explainer.explain(feed, **more)


def test_a_linear_model_is_exact_whatever_the_rule():
    for more in [{}] + [{"method": method, "steps": 3} for method in tf1_ig.quadrature.RULES]:
        found = explain(small.linear, "y", "x", {"x": X}, label=[0, 1, 2, 1], **more)
        np.testing.assert_allclose(found.values["x:0"], X * small.WEIGHTS.T[[0, 1, 2, 1]], atol=1e-6)
        assert np.abs(found.delta).max() < 1e-5 and found.converged.all()


def test_grids_of_other_libraries_run_on_request_and_their_shortfall_shows():
    found = explain(small.linear, "y", "x", {"x": X}, label=1, method="captum_trapezoid", steps=20)
    np.testing.assert_allclose(found.delta, -0.05 * (found.score - found.baseline_score), atol=1e-6)
    assert found.method == "captum_trapezoid" and not found.converged.any()
    advice = [finding.advice for finding in tf1_ig.check(found) if finding.name == "completeness"][0]
    assert "captum_trapezoid" in advice and "More steps" not in advice
    with pytest.raises(MethodError, match="pass steps="):
        explain(small.linear, "y", "x", {"x": X}, label=1, method="captum_trapezoid")


def test_the_papers_relu_example():
    found = explain(small.relu_pair, "y", "x", {"x": [[3.0, 1.0]]}, steps=1000, method="midpoint")
    np.testing.assert_allclose(found.values["x:0"], [[1.5, -0.5]], atol=1e-5)
    for tolerance in (0.01, 1e-6):
        found = explain(small.relu_pair, "y", "x", {"x": [[3.0, 1.0]]}, tolerance=tolerance)
        np.testing.assert_allclose(found.values["x:0"], [[1.5, -0.5]], rtol=tolerance, atol=1e-6)


def test_a_quadratic_model_has_its_closed_form():
    base = np.array([0.5, -1.0, 0.0, 2.0])
    found = explain(small.quadratic, "y", "x", {"x": X}, baseline=base, steps=2)
    np.testing.assert_allclose(found.values["x:0"], small.WEIGHTS[:, 0] * (X ** 2 - base ** 2), atol=2e-6)
    np.testing.assert_allclose(found.score - found.baseline_score, found.values["x:0"].sum(1) - found.delta, atol=1e-12)


@pytest.mark.dealt
@pytest.mark.parametrize("more", [{"steps": 40}, {"tolerance": 1e-4}, {"steps": 200, "method": "midpoint"}])
def test_text_rows_match_brute_force_one_row_and_one_point_at_a_time(more):
    model = small.model_of(small.masked_text)
    with tf1_ig.IntegratedGradients(model, "scores", "embedding") as explainer:
        found = explainer.explain(TEXT, label=[0, 2, 1], **more)
    assert found.running == "packed"
    for row, label in enumerate([0, 2, 1]):
        feed = {"ids:0": TEXT["ids:0"][row:row + 1], "lengths:0": TEXT["lengths:0"][row:row + 1], "temperature:0": 1.0}
        (expected,), score, baseline_score = integrated_gradients(
            model, ["embedding:0"], "scores:0", (0, label), feed, steps=400)
        np.testing.assert_allclose(found.values["embedding:0"][row], expected[0], atol=2e-5)
        assert found.score[row] == pytest.approx(score, abs=1e-6)
        assert found.baseline_score[row] == pytest.approx(baseline_score, abs=1e-6)
    assert not found.values["embedding:0"][1, 3:].any(), "masked tokens get nothing"


def test_several_inputs_move_together_and_blocks_follow_their_rows():
    model = small.model_of(small.two_lookups)
    feed = {"words:0": RANDOM.randint(0, 20, (4, 3)), "characters:0": RANDOM.randint(0, 20, (12, 2))}
    inputs = ["word_rows:0", "character_rows:0"]
    with tf1_ig.IntegratedGradients(model, "scores", inputs) as explainer:
        found = explainer.explain(feed, label="top", tolerance=1e-3)
        assert explainer.inputs == tuple(inputs)
    assert found.values["character_rows:0"].shape == (4, 3, 2, 4) and found.converged.all()
    for row in range(4):
        one = {"words:0": feed["words:0"][row:row + 1], "characters:0": feed["characters:0"][3 * row:3 * row + 3]}
        expected, _, _ = integrated_gradients(model, inputs, "scores:0", (0, int(found.label[row])), one)
        assert relative_l1(found.values["word_rows:0"][row], expected[0][0]) < 1e-3
        assert relative_l1(found.values["character_rows:0"][row], expected[1]) < 1e-3


def test_one_class_at_one_token():
    model = small.model_of(small.token_tagger)
    ids = RANDOM.randint(0, 20, (2, 6))
    with tf1_ig.IntegratedGradients(model, "scores", "auto") as explainer:
        found = explainer.explain({"ids": ids}, label=(3, 1), steps=30)
        per_row = explainer.explain({"ids": ids}, label=[(3, 1), (0, 2)], steps=30)
    for row in range(2):
        (expected,), _, _ = integrated_gradients(
            model, ["embedding:0"], "scores:0", (0, 3, 1), {"ids:0": ids[row:row + 1]})
        np.testing.assert_allclose(found.values["embedding:0"][row], expected[0], atol=3e-5)
    assert not found.values["embedding:0"][:, 4:].any(), "later tokens cannot matter"
    np.testing.assert_allclose(per_row.values["embedding:0"][0], found.values["embedding:0"][0], atol=1e-6)
    assert not per_row.values["embedding:0"][1, 1:].any()


def test_rows_in_one_flat_matrix_come_back_by_example():
    model = small.model_of(small.one_hot_flat)
    ids = RANDOM.randint(0, 20, (2, 3))
    with tf1_ig.IntegratedGradients(model, "scores", "rows") as explainer:
        found = explainer.explain({"ids": ids}, label=2, steps=30)
    assert found.values["rows:0"].shape == (2, 3, 4) and found.running == "packed"
    for row in range(2):
        (expected,), _, _ = integrated_gradients(model, ["rows:0"], "scores:0", (0, 2), {"ids:0": ids[row:row + 1]})
        np.testing.assert_allclose(found.values["rows:0"][row], expected, atol=3e-5)


def test_an_id_that_a_one_hot_product_does_not_know_is_refused():
    with pytest.raises(FeedError, match="20 rows; feed ids from 0 to 19"):
        explain(small.one_hot_flat, "scores", "rows", {"ids": [[1, 2, 20]]}, label=0)


@pytest.mark.dealt
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("how", ["sum", "mean", "sqrtn"])
def test_repeated_words_through_each_combiner(how, weighted):
    """Occurrences of ``good good bad`` have values of their own, and sum to the attributions of the combined rows."""
    built, model, _ = live_and_frozen(patterns()["els_%s%s" % (how, "_weighted" if weighted else "")])
    bags = [[3, 3, 5], [5, 3, 3, 3, 1]]
    feed = sparse_feed(bags)
    if weighted:
        feed.update(sparse_feed(weights_of(bags), "weight"))
    lookup = graph_tools.find_embeddings(model).only()
    model = _with_head(model, lookup.rows_combined_at)
    with tf1_ig.IntegratedGradients(model, "head_score", lookup) as explainer:
        found = explainer.explain(feed, method="gausslegendre", steps=64)
    with tf1_ig.IntegratedGradients(model, "head_score", lookup.rows_combined_at) as explainer:
        combined = explainer.explain(feed, steps=64)
    assert found.running == combined.running == "packed"
    rows, = found.values.values()
    assert [len(row) for row in rows] == [3, 5]
    whole, = combined.values.values()
    for row in range(2):
        np.testing.assert_allclose(rows[row].sum(0), whole[row], atol=1e-5)
        alike = [place for place, one in enumerate(bags[row]) if one == 3]
        if weighted:
            assert not np.allclose(rows[row][alike[0]], rows[row][alike[1]], atol=1e-4)
        else:
            np.testing.assert_allclose(rows[row][alike[0]], rows[row][alike[1]], atol=1e-6)
    assert np.abs(found.delta).max() <= 1e-3 * np.abs(found.score - found.baseline_score).min()


def _with_head(model, tensor):
    """The model with a score that is not linear in the combined rows."""
    tf = _tf.tf
    graph = model.new_graph()
    with graph.as_default():
        tf.reduce_sum(tf.tanh(2.0 * graph.get_tensor_by_name(tensor)), axis=1, name="head_score")
    return model.with_graph_def(graph.as_graph_def())


# -- rows that cannot simply be stacked --------------------------------------------------------------------------------


def test_rows_that_influence_each_other_are_explained_in_their_company():
    model = small.model_of(small.batch_normed)
    with tf1_ig.IntegratedGradients(model, "y", "x") as explainer:
        found = explainer.explain({"x": X}, label=1, tolerance=1e-3)
    assert found.running == "in company" and any("influence each other" in note for note in found.notes)
    tf = _tf.tf
    graph = model.new_graph()
    with graph.as_default(), tf.Session(graph=graph) as session:
        x, y = graph.get_tensor_by_name("x:0"), graph.get_tensor_by_name("y:0")
        for row in range(4):
            gradient = tf.gradients(y[row, 1], x)[0]
            total = np.zeros(4)
            for step in range(300):
                point = X.copy()
                point[row] *= (step + 0.5) / 300
                total += session.run(gradient, {x: point})[row] / 300
            expected = X[row] * total
            np.testing.assert_allclose(found.values["x:0"][row], expected, atol=5e-3 * np.abs(expected).max())
        np.testing.assert_allclose(found.score, session.run(y, {x: X})[:, 1], atol=1e-6)


def _in_company(model, feed, row, label):
    """One row moves, the others stay where they are: the definition, one point at a time."""
    x = np.asarray(feed["x:0"])
    still = np.where(np.arange(len(x)) == row, 0, 1).reshape([-1] + [1] * (x.ndim - 1)) * x
    (expected,), score, start = integrated_gradients(model, ["x:0"], "y:0", (row, label), feed, [still], steps=200)
    return expected[row], score, start


@pytest.mark.dealt
@pytest.mark.parametrize("more", [{"tolerance": 1e-3}, {"steps": 40}])
@pytest.mark.parametrize("first,then", [
    ([5, 5, 5, 5], [2, 3, 5, 2]), ([5, 5, 5, 5], [5, 2, 2, 5]), ([5, 2, 2, 5], None)])
def test_rows_that_influence_each_other_only_in_the_next_feed_are_noticed(first, then, more):
    model = small.model_of(small.cut_to_the_longest)
    x = np.random.RandomState(2).normal(size=(4, 5, 4)).astype(np.float32)
    with tf1_ig.IntegratedGradients(model, "y", "x") as explainer:
        for lengths in (first, then) if then else (first,):
            feed = {"x:0": x, "lengths:0": np.array(lengths)}
            found = explainer.explain(feed, label=1, **more)
    for row in range(4):
        expected, score, start = _in_company(model, feed, row, 1)
        np.testing.assert_allclose(found.values["x:0"][row], expected, atol=1e-3)
        assert [found.score[row], found.baseline_score[row]] == pytest.approx([score, start], abs=1e-6)


@pytest.mark.parametrize("more", [{"tolerance": 1e-3}, {"steps": 200, "method": "midpoint"}])
def test_a_row_in_the_middle_that_influences_all_is_noticed(more):
    model = small.model_of(small.loudest_row)
    quiet = np.random.RandomState(3).uniform(-1, 1, (5, 4)).astype(np.float32)
    loud = quiet.copy()
    loud[2, 0] = 4.0
    with tf1_ig.IntegratedGradients(model, "y", "x") as explainer:
        assert explainer.explain({"x": quiet}, label=1, **more).running == "packed"
        found = explainer.explain({"x": loud}, label=1, **more)
        assert explainer.explain({"x": quiet}, label=1, **more).running == "packed"
    assert found.running == "in company" and "influence" in found.notes[0]
    for row in range(5):
        expected, score, start = _in_company(model, {"x:0": loud}, row, 1)
        np.testing.assert_allclose(found.values["x:0"][row], expected, atol=5e-3)
        assert [found.score[row], found.baseline_score[row]] == pytest.approx([score, start], abs=1e-6)


@pytest.mark.dealt
@pytest.mark.parametrize("rows,steps", [(2, 5), (2, 4), (4, 2), (3, 3)])
def test_an_output_with_its_rows_behind_the_steps(rows, steps):
    x = np.random.RandomState(4).normal(size=(rows, steps, 4)).astype(np.float32)
    found = explain(small.steps_first, "y", "x", {"x": x}, label=(steps - 1, 2), tolerance=1e-4)
    for row in range(rows):
        (expected,), _, _ = integrated_gradients(small.model_of(small.steps_first), ["x:0"], "y:0", (
            steps - 1, row, 2), {"x:0": x})
        np.testing.assert_allclose(found.values["x:0"][row], expected[row], atol=1e-3)
    whole = explain(small.steps_first, "y", "x", {"x": x}, batch_axis=None, label=(1, 0, 2), steps=30)
    (expected,), _, _ = integrated_gradients(small.model_of(small.steps_first), ["x:0"], "y:0", (1, 0, 2), {"x:0": x})
    np.testing.assert_allclose(whole.values["x:0"][0], expected, atol=1e-4)


def test_weights_of_sparse_words_with_an_empty_row_are_not_taken_for_rows_elsewhere():
    rows, weights = [[3], [], [4, 4, 9]], np.array([0.5, 1.5, 1.0, 2.0], np.float32)
    feed = {"bag/indices": [[0, 0], [2, 0], [2, 1], [2, 2]], "bag/values": [3, 4, 4, 9], "bag/shape": [3, 3],
            "weights": weights}
    found = explain(small.weighted_bags, "y", "auto", feed, label=1, steps=30)
    bags = np.array([weights[:1] @ small.TABLE[[3]], np.zeros(4), weights[1:] @ small.TABLE[[4, 4, 9]]])
    np.testing.assert_allclose(found.score, np.tanh(np.tanh(bags) @ small.WEIGHTS[:, 1]), atol=1e-5)
    (values,) = found.values.values()
    assert [len(value) for value in values] == [len(row) for row in rows]
    np.testing.assert_allclose(values[2][0], values[2][1] * 1.5, rtol=1e-4)  # one word twice, of other weight


def test_scores_of_each_row_against_all_have_the_rows_in_front():
    model, x = small.model_of(small.each_against_all), X[:3]
    found = explain(small.each_against_all, "y", "x", {"x": x}, label=[1, 2, 0], steps=30)
    assert found.running == "in company" and len(found.notes) == 1
    for row, label in enumerate([1, 2, 0]):
        np.testing.assert_allclose(found.values["x:0"][row], _in_company(model, {"x:0": x}, row, label)[0], atol=1e-4)


def test_one_row_alone_is_not_taken_for_independent():
    found = explain(small.batch_normed, "y", "x", {"x": X[:1]}, label=1)
    assert found.running == "one at a time" and found.notes


def test_a_batch_baked_in_is_filled():
    found = explain(small.fixed_batch, "y", "x", {"x": X[:2]}, label=1, tolerance=1e-4)
    assert found.running == "fixed batch" and found.converged.all()
    free = explain(lambda: _free_tanh(), "y", "x", {"x": X[:2]}, label=1, tolerance=1e-4)
    np.testing.assert_allclose(found.values["x:0"], free.values["x:0"], atol=1e-5)


def _free_tanh():
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    tf.tanh(tf.matmul(x, tf.constant(small.WEIGHTS)), name="y")


@pytest.mark.parametrize("rows", [1, 4])
def test_an_output_that_loses_its_batch_axis_at_one_row(rows):
    found = explain(small.squeezed, "y", "x", {"x": X[:rows]}, steps=40)
    expected = explain(lambda: _free_tanh(), "y", "x", {"x": X[:rows]}, label=0, steps=40)
    np.testing.assert_allclose(found.values["x:0"], expected.values["x:0"], atol=1e-6)


@pytest.mark.parametrize("rows", [1, 3])
def test_a_shared_vector_is_not_cut_into_rows(rows):
    feed = {"x": X[:rows], "class_weights": [1.0, 2.0, 3.0]}
    found = explain(small.class_weighted, "y", "x", feed, label=1, steps=40)
    expected = explain(lambda: _free_tanh(), "y", "x", {"x": X[:rows]}, label=1, steps=40)
    np.testing.assert_allclose(found.values["x:0"], 2 * expected.values["x:0"], atol=1e-6)
    decided = explain(small.class_weighted, "y", "x", feed, label=1, steps=40, shared_feeds=["class_weights"])
    np.testing.assert_allclose(decided.values["x:0"], found.values["x:0"], atol=1e-6)


def test_a_feed_that_is_one_example():
    found = explain(small.whole_loss, "loss", "x", {"x": X}, batch_axis=None, tolerance=1e-4)
    np.testing.assert_allclose(found.values["x:0"], np.tanh(X)[None], atol=1e-4)
    with pytest.raises(BatchError, match="batch_axis=None"):
        explain(small.whole_loss, "loss", "x", {"x": X})


def test_a_label_indexes_the_whole_output_without_batch_axis():
    found = explain(lambda: _free_tanh(), "y", "x", {"x": X}, batch_axis=None, label=(2, 1), steps=30)
    values = found.values["x:0"][0]
    assert values.shape == X.shape and not values[[0, 1, 3]].any()
    expected = explain(lambda: _free_tanh(), "y", "x", {"x": X}, label=1, steps=30)
    np.testing.assert_allclose(values[2], expected.values["x:0"][2], atol=1e-6)


def test_rows_along_the_second_axis():
    steps_first = RANDOM.normal(size=(5, 3, 4)).astype(np.float32)
    model = small.model_of(small.time_major)
    with tf1_ig.IntegratedGradients(model, "y", "x", batch_axis=1) as explainer:
        found = explainer.explain({"x": steps_first}, label=2, steps=30)
    assert found.values["x:0"].shape == (3, 5, 4) and found.running == "packed"
    for row in range(3):
        (expected,), _, _ = integrated_gradients(model, ["x:0"], "y:0", (0, 2), {"x:0": steps_first[:, row:row + 1]})
        np.testing.assert_allclose(found.values["x:0"][row], expected[:, 0], atol=5e-5)


def test_ids_behind_rows_along_the_second_axis():
    ids = np.arange(6).reshape(3, 2)
    with tf1_ig.IntegratedGradients(small.model_of(small.time_major_text), "y", batch_axis=1) as explainer:
        found = explainer.explain({"ids": ids}, label=1, steps=20)
        square = explainer.explain({"ids": ids[:2]}, label=1, steps=20, baseline=small.TABLE[[4, 7]][:, None])
    assert found.ids["rows:0"].tolist() == ids.T.tolist()
    # A baseline has the layout of the tensor it is for, also where time and batch are equally long.
    expected = np.tanh(np.tanh(small.TABLE[[4, 7]]).sum(0) @ small.WEIGHTS[:, 1])
    np.testing.assert_allclose(square.baseline_score, [expected, expected], atol=1e-6)


# -- baselines ---------------------------------------------------------------------------------------------------------


def test_a_baseline_of_padding_ids_leaves_the_other_feeds_alone():
    model = small.model_of(small.masked_text)
    with tf1_ig.IntegratedGradients(model, "scores", "embedding") as explainer:
        by_ids = explainer.explain(TEXT, label=1, baseline={"ids": 7}, steps=30)
        by_value = explainer.explain(TEXT, label=1, baseline=small.TABLE[7], steps=30)
        whole = explainer.explain(TEXT, label=1, baseline={"ids:0": np.full((3, 5), 7)}, steps=30)
    np.testing.assert_allclose(by_ids.values["embedding:0"], by_value.values["embedding:0"], atol=1e-7)
    np.testing.assert_allclose(by_ids.values["embedding:0"], whole.values["embedding:0"], atol=1e-7)
    assert "7" in by_ids.baseline


def test_the_mean_of_the_rows_or_of_given_rows():
    found = explain(small.quadratic, "y", "x", {"x": X}, baseline="mean", steps=2)
    np.testing.assert_allclose(found.values["x:0"], small.WEIGHTS[:, 0] * (X ** 2 - X.mean(0) ** 2), atol=3e-6)
    given = explain(small.quadratic, "y", "x", {"x": X[:1]}, baseline={"mean": X}, steps=2)
    np.testing.assert_allclose(given.values["x:0"][0], found.values["x:0"][0], atol=1e-6)


def test_the_mean_of_a_table_serves_every_token_and_rows_of_another_width_are_refused():
    with tf1_ig.IntegratedGradients(small.model_of(small.masked_text), "scores", "embedding") as explainer:
        found = explainer.explain(TEXT, label=1, baseline={"mean": small.TABLE}, steps=30)
        expected = explainer.explain(TEXT, label=1, baseline=small.TABLE.mean(0), steps=30)
        with pytest.raises(BaselineError, match="embedding:0.*mean must broadcast"):
            explainer.explain(TEXT, label=1, baseline={"mean": small.TABLE[:, :3]})
    np.testing.assert_allclose(found.values["embedding:0"], expected.values["embedding:0"], atol=1e-6)


def test_the_mean_of_ragged_rows_is_over_all_entries_however_many_there_are():
    with tf1_ig.IntegratedGradients(small.model_of(small.word_bags), "y") as explainer:
        for lengths in ([1, 3], [1, 2], [3, 1]):  # 4 entries could be taken for two of each row
            words = np.arange(3, 3 + sum(lengths))
            indices = [[row, at] for row, length in enumerate(lengths) for at in range(length)]
            found = explainer.explain({"bag/indices": indices, "bag/values": words, "bag/shape": [2, 3]}, label=1,
                                      baseline="mean", steps=4)
            mean = small.TABLE[words].mean(0)
            np.testing.assert_allclose(found.baseline_score, [
                np.tanh(np.tanh(length * mean) @ small.WEIGHTS[:, 1]) for length in lengths], atol=1e-6)


def test_an_infinite_score_has_not_converged():
    found = explain(small.logarithm, "y", "x", {"x": np.abs(X)})
    assert np.isinf(found.baseline_score).all() and not found.converged.any()


@pytest.mark.parametrize("baseline,message", [("black", "'zero', 'mean'"), (np.zeros((4, 5)), "broadcast"),
                                              (["a"], "numbers"), (float("nan"), "x:0 is nan; give a finite number")])
def test_wrong_baselines(baseline, message):
    with pytest.raises(BaselineError, match=message):
        explain(small.linear, "y", "x", {"x": X}, label=0, baseline=baseline)


# -- promises ----------------------------------------------------------------------------------------------------------


def test_packing_changes_nothing():
    model = small.model_of(small.masked_text)
    with tf1_ig.IntegratedGradients(model, "scores", "embedding") as explainer:
        reference = explainer.explain(TEXT, label="top", steps=33)
        for rows in (1, 7, 64):
            found = explainer.explain(TEXT, label="top", steps=33, batch_size=rows)
            assert relative_l1(found.values["embedding:0"], reference.values["embedding:0"]) < 1e-5


def test_the_graph_does_not_grow_and_the_feed_is_not_changed():
    model = small.model_of(small.masked_text)
    before = model.graph_def.SerializeToString(deterministic=True)
    feed = {"ids:0": TEXT["ids:0"].copy(), "lengths:0": [5, 3, 2], "temperature:0": 1.0}
    with tf1_ig.IntegratedGradients(model, "scores", "embedding") as explainer:
        graph = explainer._engine.graph
        count = len(graph.get_operations())
        for _ in range(20):
            explainer.explain(feed, label="top", steps=3)
        assert len(graph.get_operations()) == count and graph.finalized
    assert model.graph_def.SerializeToString(deterministic=True) == before
    np.testing.assert_array_equal(feed["ids:0"], TEXT["ids:0"])
    assert feed["lengths:0"] == [5, 3, 2] and list(feed) == ["ids:0", "lengths:0", "temperature:0"]


def test_a_gradient_that_does_not_exist_at_the_baseline():
    found = explain(small.norm, "y", "x", {"x": X}, tolerance=1e-3)
    expected = X ** 2 / np.linalg.norm(X, axis=1, keepdims=True)
    np.testing.assert_allclose(found.values["x:0"], expected, rtol=2e-3, atol=1e-4)
    assert found.converged.all()


def test_a_row_that_is_not_finite_does_not_touch_the_others():
    broken = X.copy()
    broken[1, 2] = np.nan
    for more in ({"steps": 20}, {}):
        found = explain(lambda: _free_tanh(), "y", "x", {"x": broken}, label=0, **more)
        good = explain(lambda: _free_tanh(), "y", "x", {"x": X}, label=0, **more)
        np.testing.assert_allclose(found.values["x:0"][[0, 2, 3]], good.values["x:0"][[0, 2, 3]], atol=1e-6)
        assert found.converged.tolist() == [True, False, True, True]


def test_live_dropout_is_said():
    found = explain(small.live_dropout, "y", "x", {"x": X}, label=0, steps=5)
    assert any("random" in note for note in found.notes)


def test_a_row_that_cannot_reach_the_tolerance_comes_back_flagged():
    found = explain(small.relu_pair, "y", "x", {"x": [[5.0, 2.0]]}, tolerance=1e-5, max_steps=9)
    assert not found.converged[0] and found.steps[0] <= 9 and abs(found.delta[0]) > 1e-5 * found.score[0]


def test_the_result_says_what_was_done():
    texts = [["a"] * 5, ["b"] * 3, ["c"] * 2]
    found = explain(small.masked_text, "scores", "embedding", TEXT, label="top", tokens=texts)
    assert found.method == "adaptive" and found.tolerance == 0.01 and found.output == "scores:0"
    np.testing.assert_array_equal(found.prediction, found.label)
    np.testing.assert_allclose(found.outputs[np.arange(3), found.label], found.score, atol=1e-6)
    np.testing.assert_allclose(found.baseline_output[np.arange(3), found.label], found.baseline_score, atol=1e-6)
    assert set(found.held_fixed) >= {"lengths:0", "temperature:0"}
    assert found.token_texts[1] == ["b"] * 3
    np.testing.assert_allclose(found.tokens["embedding:0"].sum(1) - (found.score - found.baseline_score), found.delta,
                               atol=1e-12)
    assert explain(small.masked_text, "scores", "embedding", TEXT, label=0, steps=4).tolerance is None


def test_the_default_graph_and_the_tf2_switches_are_left_alone():
    tf = _tf.tf
    before = (tf.executing_eagerly(), tf.control_flow_v2_enabled(), tf.get_default_graph() if not
              tf.executing_eagerly() else None)
    explain(small.masked_text, "scores", "embedding", TEXT, label="top")
    assert before == (tf.executing_eagerly(), tf.control_flow_v2_enabled(), tf.get_default_graph() if not
                      tf.executing_eagerly() else None)


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.dealt
@pytest.mark.parametrize("feed,error,message", [
    ({"ids": TEXT["ids:0"]}, FeedError, "lacks lengths:0.*temperature:0"),
    (dict(TEXT, **{"Lengths": [1]}), TensorNotFoundError, "did you mean 'lengths:0'"),
    (dict(TEXT, **{"lengths": [5, 3, 2]}), FeedError, "fed twice"),
    (dict(TEXT, **{"ids:0": TEXT["ids:0"] + 0.5}), FeedError, "ids:0.*would change"),
    (dict(TEXT, **{"ids:0": TEXT["ids:0"][0]}), FeedError, r"ids:0.*shape \[5\]"),
    (dict(TEXT, **{"ids:0": TEXT["ids:0"] + 100}), GraphToolsError, "not in"),
    ([1, 2], FeedError, "dict")])
def test_wrong_feeds(feed, error, message):
    with pytest.raises(error, match=message) as raised:
        explain(small.masked_text, "scores", "embedding", feed, label=0)
    assert "\n" not in str(raised.value)


@pytest.mark.dealt
@pytest.mark.parametrize("more,error,message", [
    ({"label": 3}, LabelError, "0 to 2"), ({"label": None}, LabelError, "top"), ({"steps": 0}, MethodError, "steps"),
    ({"method": "simpson"}, MethodError, "gausslegendre"), ({"tolerance": 0}, MethodError, "tolerance"),
    ({"batch_size": 0}, MethodError, "batch_size"), ({"max_steps": 2}, MethodError, "max_steps"),
    ({"tokens": [["a"]]}, FeedError, "tokens")])
def test_wrong_arguments(more, error, message):
    with pytest.raises(error, match=message):
        explain(small.masked_text, "scores", "embedding", TEXT, **dict({"label": 0}, **more))


@pytest.mark.parametrize("output,inputs,error,message", [
    ("score", "embedding", TensorNotFoundError, "did you mean 'scores:0'"),
    ("scores", "embeding", TensorNotFoundError, "embedding:0"),
    ("scores", "ids", GradientError, "int32"),
    ("scores", ["embedding", "embedding"], GraphToolsError, "twice"),
    ("scores", ["table", "embedding"], GraphToolsError, "computed from"),
    ("ids", "embedding", GradientError, "int32")])
def test_wrong_tensors(output, inputs, error, message):
    with pytest.raises(error, match=message):
        explain(small.masked_text, output, inputs, TEXT, label=0)


def test_no_gradient_path_names_the_op_that_cuts_it():
    with pytest.raises(GradientError, match=r"x:0.*(hot|winner) \((OneHot|ArgMax)\)"):
        explain(small.argmax_cut, "y", "x", {"x": X}, label=0)


def test_a_candidate_found_before_the_queue_was_swapped_is_found_again():
    model = gt.load(demo.MODEL)
    words = [["a", "superb", "film"]]
    ids, lengths = demo.encode(words, demo.load_vocabulary())
    feed = {demo.IDS: ids, demo.LENGTHS: lengths}
    found = []
    for inputs in (gt.find_embeddings(model).only(), gt.find_embeddings(model), "auto"):
        with tf1_ig.IntegratedGradients(model, gt.find_outputs(model)[0], inputs) as explainer:
            found.append(explainer.explain(feed, label=1, tokens=words))
    for other in found[1:]:
        np.testing.assert_allclose(found[0].tokens["embedding/lookup:0"], other.tokens["embedding/lookup:0"], rtol=1e-6)
        assert found[0].ids["embedding/lookup:0"].tolist() == other.ids["embedding/lookup:0"].tolist()


def test_a_queue_that_is_not_fed_is_swapped_or_named():
    def build():
        tf = _tf.tf
        queue = tf.FIFOQueue(8, [tf.float32], shapes=[[4]], name="queue")
        rows = queue.dequeue_many(2, name="batch")
        with tf.control_dependencies([rows]):
            tf.tanh(tf.matmul(rows, tf.constant(small.WEIGHTS)), name="y")

    with pytest.raises((FeedError, BlockedRunError), match="batch"):
        explain(build, "y", "batch", {}, label=0)
    found = explain(build, "y", "batch", {"batch:0": X[:2]}, label=0, steps=20)
    expected = explain(lambda: _free_tanh(), "y", "x", {"x": X[:2]}, label=0, steps=20)
    np.testing.assert_allclose(found.values["batch:0"], expected.values["x:0"], atol=1e-6)
    with pytest.raises(FeedError, match="fed twice"):
        explain(build, "y", "batch", {"batch:0": X[:2], "batch": X[1:3]}, label=0, steps=20)


def test_a_model_is_wanted_not_a_path():
    with pytest.raises(TypeError, match="gt.load"):
        tf1_ig.IntegratedGradients("model.pb", "y")


def test_last_examples_without_ids_are_said_to_have_no_row():
    def bags():
        tf = _tf.tf
        words = tf.sparse_placeholder(tf.int64, [None, None], "words")
        rows = tf.nn.embedding_lookup_sparse(tf.constant(small.TABLE, name="table"), words, None, combiner="sum")
        tf.nn.softmax(tf.matmul(rows, tf.constant(small.WEIGHTS)), name="y")

    feed = {"words/indices:0": np.array([[0, 0], [1, 0], [1, 1]], np.int64),
            "words/values:0": np.array([3, 5, 7], np.int64), "words/shape:0": np.array([4, 2], np.int64)}
    found = explain(bags, "y", "auto", feed, label=1)
    assert len(found) == 2 and any("says 4 examples and y:0 has 2 rows" in note for note in found.notes)
    feed["words/shape:0"] = np.array([2, 2], np.int64)
    again = explain(bags, "y", "auto", feed, label=1)
    assert not any("examples" in note and "says" in note for note in again.notes)
    np.testing.assert_allclose(list(found.values.values())[0][1], list(again.values.values())[0][1], rtol=1e-5)


def test_what_tensorflow_has_against_a_graph_is_not_said_of_a_name():
    """A frozen assignment: the file loads, its graph cannot be built."""
    model = small.model_of(small.linear)
    broken = model.graph_def
    broken.node.add(name="assigned", op="AssignVariableOp", input=["y", "y"]).attr["dtype"].type = 1
    with pytest.raises(GraphToolsError, match="assigned"):
        tf1_ig.IntegratedGradients(model.with_graph_def(broken), "y", "x")
