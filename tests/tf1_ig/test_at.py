"""The evaluator against native gradients, one row and one point a run, on every family of graphs."""

import threading

import numpy as np
import pytest

import tf1_ig
from graph_tools import _tf
from tests.models import good, small
from tests.tf1_ig.brute_force import session_of
from tests.tf1_ig.test_prefix import conv
from tf1_ig.engine import at as at_module
from tf1_ig.errors import BaselineError, ClosedError, InputError, LabelError

RANDOM = np.random.RandomState(17)
X = RANDOM.normal(size=(4, 4)).astype(np.float32)
TEXT = {"ids:0": RANDOM.randint(0, 20, (3, 5)), "lengths:0": np.array([5, 3, 2]), "temperature:0": 1.0}
BAGS = {"bag/indices:0": np.array([[0, 0], [0, 1], [0, 2], [1, 0], [2, 0], [2, 1]]),
        "bag/values:0": np.array([1, 2, 1, 7, 4, 0]), "bag/shape:0": np.array([3, 3])}
FAMILIES = {
    "packed": (small.linear, "y", "x", {"x:0": X}, {"label": [0, 1, 2, 1]}),
    "kinked": (small.relu_pair, "y", "x", {"x:0": [[3.0, 1.0], [0.2, 2.0]]}, {}),
    "text with lengths": (small.masked_text, "scores", "embedding", TEXT, {"label": 1}),
    "ids of its own": (small.ids_in_a_mask, "scores", "embedding", {"ids:0": [[1, 2, 0], [3, 0, 0]]}, {"label": 0}),
    "two inputs": (small.two_lookups, "scores", ["word_rows", "character_rows"], {
        "words:0": RANDOM.randint(0, 20, (3, 3)), "characters:0": RANDOM.randint(0, 20, (9, 2))}, {"label": 2}),
    "flat entries": (small.one_hot_flat, "scores", "rows", {"ids:0": RANDOM.randint(0, 20, (4, 3))}, {"label": 1}),
    "a token's class": (small.token_tagger, "scores", "embedding", {"ids:0": RANDOM.randint(0, 20, (2, 4))},
                        {"label": (2, 1)}),
    "fixed batch": (small.fixed_batch, "y", "x", {"x:0": X[:2]}, {"label": [2, 0]}),
    "in company": (small.batch_normed, "y", "x", {"x:0": X}, {"label": 1}),
    "squeezed": (small.squeezed, "y", "x", {"x:0": X}, {}),
    "steps first": (small.time_major, "y", "x", {"x:0": RANDOM.normal(size=(3, 4, 4))}, {"label": 1, "batch_axis": 1}),
    "one example": (small.whole_loss, "loss", "x", {"x:0": X}, {"batch_axis": None}),
    "ragged": (small.word_bags, "y", "auto", BAGS, {"label": 1}),
    "affine beginning": (conv, "y", "x", {"x:0": RANDOM.normal(size=(3, 6, 4))}, {"label": 2}),
}
RUNNING = {"fixed batch": "fixed batch", "in company": "in company", "one example": "one at a time"}


def explainer_of(build, output, inputs, batch_axis=0):
    return tf1_ig.IntegratedGradients(small.model_of(build), output, inputs=inputs, batch_axis=batch_axis)


def moved(values, random):
    """Other entries of the same shape."""
    if isinstance(values, list):
        return [moved(each, random) for each in values]
    return (values * random.uniform(0, 1.5) + random.normal(scale=0.3, size=values.shape)).astype(values.dtype)


class Native:
    """Score and gradient of one row while the others stay as fed: ``tf.gradients`` on the model's own graph."""

    def __init__(self, explainer, feed, at, batch_axis):
        self.model, self.output, self.axis = explainer.resolved.model, explainer.output, batch_axis
        self.feed = {explainer.resolved.renamed.get(name, name): value for name, value in feed.items()}
        self.specs = [spec.attributed for spec in explainer.resolved.inputs]
        with self.model.open_session() as session:
            self.fed = session.run([spec.tensor for spec in self.specs], self.feed)
            self.owners = [None if not spec.owner else np.ravel(session.run(spec.owner, self.feed))
                           for spec in self.specs]
            self.raw = session.run(self.output, self.feed)
        self.rows = len(at)

    def of(self, row, label, entries):
        """``(score, [gradient by input])`` with row ``row`` at its entries (one array an input)."""
        feed, places = dict(self.feed), []
        for spec, fed, owner, own in zip(self.specs, self.fed, self.owners, entries):
            value = np.array(fed)
            if self.axis is None:
                place = ()
            elif owner is not None:
                place = np.flatnonzero(owner == row)
            elif self.axis:
                place = (slice(None), row)
            else:
                block = len(fed) // self.rows
                place = slice(row * block, (row + 1) * block)
            value[place] = np.asarray(own).reshape(value[place].shape)
            feed[spec.tensor] = value
            places.append(place)
        position = () if self.axis is None or self.raw.ndim == 0 else (row,) + (
            () if self.raw.ndim == 1 else tuple(np.atleast_1d(label)))
        with session_of(self.model, [spec.tensor for spec in self.specs], self.output, position) as (
                session, score, gradients):
            score, *found = session.run([score] + gradients, feed)
        return score, [gradient[place] for gradient, place in zip(found, places)]


@pytest.mark.dealt
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_rows_that_are_not_wanted_are_not_run(family):
    build, output, inputs, feed, how = FAMILIES[family]
    with explainer_of(build, output, inputs, how.get("batch_axis", 0)) as explainer:
        at = explainer.at(feed, label=how.get("label"))
        many = at.mixed([np.linspace(0.2, 0.8, 3)[:, None] * np.ones(count) for count in at.tokens])
        wanted = np.ones((3, len(at)), bool)
        wanted[1:, 1:], wanted[0, :-1] = False, False  # one row of each point
        scores, gradients = at.gradients(many)
        outputs, before = at.outputs(many), at.evaluations
        some_scores, some = at.gradients(many, wanted)
        some_outputs = at.outputs(many, wanted)
        assert at.evaluations == before + 2 * wanted.sum()
    np.testing.assert_allclose(some_scores, np.where(wanted, scores, 0), rtol=1e-5, atol=1e-6)
    for point, row in np.ndindex(*wanted.shape):
        asked = wanted[point, row]
        np.testing.assert_allclose(some_outputs[point, row], asked * outputs[point, row], rtol=1e-5, atol=1e-5)
        for name, found in some.items():
            np.testing.assert_allclose(found[point][row], asked * gradients[name][point][row], rtol=1e-4, atol=1e-5)


@pytest.mark.dealt
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_scores_gradients_and_outputs_are_those_of_the_models_own_graph(family):
    build, output, inputs, feed, how = FAMILIES[family]
    axis, label = how.get("batch_axis", 0), how.get("label")
    random = np.random.RandomState(5)
    with explainer_of(build, output, inputs, axis) as explainer:
        at = explainer.at(feed, label=label)
        native = Native(explainer, feed, at, axis)
        points = [{name: moved(values, random) for name, values in at.entries.items()} for _ in range(2)]
        points.append(at.entries)
        many = {name: [point[name] for point in points] if isinstance(points[0][name], list) else np.stack(
            [point[name] for point in points]) for name in points[0]}
        scores, gradients = at.gradients(many)
        outputs = at.outputs(many)
        np.testing.assert_allclose(at.scores(many), scores, rtol=1e-5, atol=1e-6)
        assert scores.shape == (3, len(at)) and scores.dtype == np.float64 and at.running == RUNNING.get(
            family, "packed")
        labels = [None if label is None else at.label[row] for row in range(len(at))]
        for number, point in enumerate(points):
            one_scores, one_gradients = at.gradients(point)
            np.testing.assert_allclose(one_scores, scores[number], rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(at.outputs(point), outputs[number], rtol=1e-4, atol=1e-5)
            for row in range(len(at)):
                score, expected = native.of(row, labels[row], [point[name][row] for name in explainer.inputs])
                np.testing.assert_allclose(scores[number, row], score, rtol=1e-5, atol=1e-6)
                place = () if axis is None or outputs.ndim == 2 else tuple(np.atleast_1d(labels[row]))
                np.testing.assert_allclose(outputs[number, row][place], score, rtol=1e-5, atol=1e-6)
                for name, gradient in zip(explainer.inputs, expected):
                    for found in (gradients[name][number][row], one_gradients[name][row]):
                        assert np.shape(found) == np.shape(point[name][row])
                        np.testing.assert_allclose(np.reshape(found, gradient.shape), gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.dealt
@pytest.mark.parametrize("seed", range(7))
def test_random_good_models_agree_with_one_point_a_run(seed):
    made = good.good_model(seed)
    with tf1_ig.IntegratedGradients(made.model, "scores", made.inputs) as explainer:
        at = explainer.at(made.feed, label=made.label)
        native, entries = Native(explainer, made.feed, at, 0), at.entries
        halves = {name: [0.5 * row for row in rows] if isinstance(rows, list) else rows * np.float32(0.5)
                  for name, rows in entries.items()}
        scores, gradients = at.gradients(halves)
        row = len(at) - 1
        label = None if made.label is None else at.label[row]
        score, expected = native.of(row, label, [halves[name][row] for name in explainer.inputs])
        np.testing.assert_allclose(scores[row], score, rtol=1e-5, atol=1e-6)
        for name, gradient in zip(explainer.inputs, expected):
            size = max(1e-6, float(np.abs(gradient).max()))
            np.testing.assert_allclose(np.reshape(gradients[name][row], gradient.shape), gradient, atol=1e-4 * size)


def test_explain_is_the_integral_of_its_gradients():
    with explainer_of(small.masked_text, "scores", "embedding") as explainer:
        found = explainer.explain(TEXT, label="top", steps=12)
        at = explainer.at(TEXT, label="top")
        nodes, weights = tf1_ig.quadrature.nodes_and_weights("gausslegendre", 12)
        rows = at.entries["embedding:0"]
        _, gradients = at.gradients({"embedding": nodes[:, None, None, None] * rows})
    values = rows * np.tensordot(weights, gradients["embedding:0"], 1)
    np.testing.assert_allclose(found.values["embedding:0"], values, atol=1e-6)
    np.testing.assert_array_equal(found.label, at.label)
    np.testing.assert_allclose(found.score, at.score, rtol=1e-6)


def test_it_keeps_its_feed_and_label_whatever_happens_afterwards():
    feed = {"x:0": X.copy()}
    with explainer_of(small.linear, "y", "x") as explainer:
        at = explainer.at(feed, label="top")
        before, label = at.scores(at.entries), at.label
        feed["x:0"][:] = 7
        at.entries["x:0"][:] = 9
        at.label[:] = 0
        explainer.explain({"x:0": -X}, label="top", steps=3)
        explainer.at({"x:0": -X}, label=0)
        np.testing.assert_array_equal(at.scores({"x": X}), before)
        np.testing.assert_array_equal(at.entries["x:0"], X)
        np.testing.assert_array_equal(at.label, label)
        np.testing.assert_allclose(before, (X @ small.WEIGHTS).max(1), rtol=1e-5)
    with pytest.raises(ClosedError):
        at.scores(at.entries)


def test_several_threads_use_one():
    with explainer_of(small.masked_text, "scores", "embedding") as explainer:
        at = explainer.at(TEXT, label=1)
        rows = at.entries["embedding:0"]
        points = [{"embedding:0": rows * np.float32(share)} for share in np.linspace(0, 1, 8)]
        expected = [at.gradients(point) for point in points]
        wrong = []

        def work(number):
            for _ in range(5):
                scores, gradients = at.gradients(points[number])
                same = np.allclose(scores, expected[number][0], atol=1e-6) and np.allclose(
                    gradients["embedding:0"], expected[number][1]["embedding:0"], atol=1e-6)
                wrong.extend([] if same else [number])

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def test_rows_that_turn_out_to_notice_each_other_are_asked_again_in_company():
    # As fed nothing is large: the probe sees independent rows. A point with something large changes all others.
    with explainer_of(small.loudest_row, "y", "x") as explainer:
        at = explainer.at({"x:0": 0.3 * X}, label=1)
        assert at.running == "packed"
        points = np.stack([0.3 * X, 9 * np.ones_like(X)])
        scores = at.scores({"x:0": points})
        assert at.running == "in company" and any("influence" in note for note in at.notes)
    expected = np.array([[np.tanh(row @ small.WEIGHTS[:, 1] - max(0.0, row.max() - 3)) for row in point]
                         for point in points])
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-6)


def test_many_points_are_laid_out_a_few_at_a_time_and_counted(monkeypatch):
    with explainer_of(small.linear, "y", "x") as explainer:
        at = explainer.at({"x:0": X}, label=1)
        points = RANDOM.normal(size=(50, 4, 4))
        whole = at.scores({"x": points})
        monkeypatch.setattr(at_module, "FLOATS_AT_ONCE", 48)
        np.testing.assert_allclose(at.scores({"x": points}), whole, rtol=1e-5)
        assert at.evaluations == 400
        np.testing.assert_allclose(whole, points @ small.WEIGHTS[:, 1], rtol=1e-4, atol=1e-5)
        scores, gradients = at.gradients({"x": points[:0]})
        assert scores.shape == (0, 4) and gradients["x:0"].shape == (0, 4, 4)


# -- tokens ------------------------------------------------------------------------------------------------------------

def test_a_token_is_a_row_and_in_a_dense_input_each_feature():
    with explainer_of(small.linear, "y", "x") as explainer:
        assert explainer.at({"x:0": X}, label=1).tokens.tolist() == [4] * 4
    with explainer_of(small.two_lookups, "scores", ["word_rows", "character_rows"]) as explainer:
        at = explainer.at(FAMILIES["two inputs"][3], label=0)
        assert at.tokens.tolist() == [9] * 3  # three words, and three rows of two characters
        entries = at.entries
        sums = at.by_token(entries)
        assert [each.shape for each in sums] == [(9,)] * 3
        np.testing.assert_allclose(sums[1][:3], entries["word_rows:0"][1].sum(-1), rtol=1e-5)
        again = at.by_token(at.spread(sums))
        np.testing.assert_allclose(again, sums, rtol=1e-6)
    with explainer_of(small.word_bags, "y", "auto") as explainer:
        at = explainer.at(BAGS, label=0)
        assert at.tokens.tolist() == [3, 1, 2]
        assert [row.shape for row in at.spread([np.ones(3), np.ones(1), np.ones(2)])[explainer.inputs[0]]] == [
            (3, 4), (1, 4), (2, 4)]


def test_tokens_are_mixed_with_those_of_a_baseline():
    with explainer_of(small.masked_text, "scores", "embedding") as explainer:
        at = explainer.at(TEXT, label=1)
        start = at.start({"ids:0": 0})["embedding:0"]
        np.testing.assert_allclose(start, np.broadcast_to(small.TABLE[0], start.shape))
        mixed = at.mixed([1 - np.eye(5), np.zeros((5, 5)), np.full((5, 5), 0.25)], {"ids:0": 0})["embedding:0"]
        rows = at.entries["embedding:0"]
        assert mixed.shape == (5,) + rows.shape
        np.testing.assert_array_equal(mixed[2, 0, 2], start[0, 2])
        np.testing.assert_array_equal(mixed[2, 0, [0, 1, 3, 4]], rows[0, [0, 1, 3, 4]])
        np.testing.assert_array_equal(mixed[3, 1], start[1])
        np.testing.assert_allclose(mixed[3, 2], 0.75 * start[2] + 0.25 * rows[2], rtol=1e-5)
        left_out = at.scores(at.mixed([1 - np.eye(5)] * 3))
        assert left_out.shape == (5, 3)
        np.testing.assert_allclose(left_out[3:, 1], at.score[1], rtol=1e-5)  # masked tokens make no difference
    with explainer_of(small.word_bags, "y", "auto") as explainer:
        at = explainer.at(BAGS, label=0)
        mixed = at.mixed([[[0, 0, 1]], [[0]], [[1, 0]]])[explainer.inputs[0]]
        np.testing.assert_array_equal(mixed[0][0], [[0] * 4, [0] * 4, small.TABLE[1]])
        np.testing.assert_array_equal(mixed[0][2], [small.TABLE[4], [0] * 4])


# -- what does not fit -------------------------------------------------------------------------------------------------

@pytest.mark.dealt
@pytest.mark.parametrize("entries, told", [
    ({}, "lack input word_rows:0"), ([1, 2], "given as a list"),
    ({"word_rows": 0, "character_rows:0": 0}, r"word_rows:0 have shape \[\]; pass \[3, 3, 4\] or \[points, 3, 3, 4\]"),
    ({"nothing": 0}, "nothing, which is no input of this explainer; its inputs are word_rows:0, character_rows:0"),
    ({"word_rows": np.zeros((3, 3, 4)), "character_rows": np.zeros((2, 3, 3, 2, 4))}, "no axis of points"),
    ({"word_rows": np.full((3, 3, 4), "a"), "character_rows": 0}, "pass numbers"),
    ({"word_rows": [[1], [1, 2]], "character_rows": 0}, "word_rows:0")])
def test_entries_that_do_not_fit_are_an_error_that_names_the_input(entries, told):
    with explainer_of(small.two_lookups, "scores", ["word_rows", "character_rows"]) as explainer:
        at = explainer.at(FAMILIES["two inputs"][3], label=0)
        for ask in (at.scores, at.gradients, at.outputs):
            with pytest.raises(InputError, match=told):
                ask(entries)


def test_ragged_entries_shares_labels_and_baselines_that_do_not_fit_are_told():
    with explainer_of(small.word_bags, "y", "auto") as explainer:
        at, name = explainer.at(BAGS, label=0), explainer.inputs[0]
        rows = at.entries[name]
        for wrong, told in ((rows[:2], "2 rows; the feed has 3"),
                            (rows[::-1], r"shape \[2, 4\] in row 0; pass \[3, 4\]"),
                            (np.zeros(4), "1 axes"), (3.0, "0 axes")):
            with pytest.raises(InputError, match=told):
                at.scores({name: wrong})
        with pytest.raises(InputError, match=r"with 3, 1, 2 tokens"):
            at.mixed([np.ones((1, 3))] * 3)
        with pytest.raises(BaselineError):
            at.start("nothing")
        with pytest.raises(LabelError):
            explainer.at(BAGS)


def test_a_graph_in_double_precision_keeps_it():
    def build():
        tf = _tf.tf
        x = tf.placeholder(tf.float64, [None, 3], "x")
        tf.reduce_sum(x ** 3, 1, name="y")

    x = RANDOM.normal(size=(2, 3))
    with explainer_of(build, "y", "x") as explainer:
        at = explainer.at({"x:0": x})
        assert at.entries["x:0"].dtype == np.float64
        scores, gradients = at.gradients({"x:0": x})
    np.testing.assert_allclose(scores, (x ** 3).sum(1), rtol=1e-12)
    np.testing.assert_allclose(gradients["x:0"], 3 * x ** 2, rtol=1e-6)
