"""Contrasts, weighted outputs, and every position of an output in one call: against single labels and single calls."""

import dataclasses
import re

import numpy as np
import pytest

import tf1_ig
from graph_tools import _tf
from tests.models import small
from tf1_ig import cli, demo
from tf1_ig.errors import LabelError
from tf1_ig.question.label import resolve
from tf1_ig.question.positions import at_positions
from tf1_ig.show import grid

RANDOM = np.random.RandomState(23)
X = RANDOM.normal(size=(4, 4)).astype(np.float32)
TEXT = {"ids:0": RANDOM.randint(0, 20, (3, 5)), "lengths:0": np.array([5, 3, 2]), "temperature:0": 1.0}
TAGS = {"ids:0": RANDOM.randint(0, 20, (3, 4))}
OUTPUTS = np.array([[0.1, 0.7, 0.2], [0.5, 0.1, 0.4]])


@pytest.fixture(scope="module")
def text():
    with tf1_ig.IntegratedGradients(small.model_of(small.masked_text), "scores", "embedding") as explainer:
        yield explainer


@pytest.fixture(scope="module")
def tagger():
    with tf1_ig.IntegratedGradients(small.model_of(small.token_tagger), "scores", "embedding") as explainer:
        yield explainer


def values(found):
    return np.concatenate([np.ravel(each) for each in found.values.values()])


# -- weighted outputs --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("more", [{"steps": 16}, {"steps": 20, "method": "midpoint", "baseline": "mean"}])
def test_a_contrast_is_the_difference_of_two_explanations_at_the_cost_of_one(text, more):
    found = text.explain(TEXT, label=tf1_ig.contrast(2, 0), **more)
    two, zero = (text.explain(TEXT, label=label, **more) for label in (2, 0))
    np.testing.assert_allclose(values(found), values(two) - values(zero), atol=1e-6)
    np.testing.assert_allclose(found.score, two.score - zero.score, atol=1e-6)
    np.testing.assert_allclose(found.baseline_score, two.baseline_score - zero.baseline_score, atol=1e-6)
    np.testing.assert_array_equal(found.evaluations, two.evaluations)
    assert found.label.tolist() == [-1] * 3 and found.label_text(1) == "2 rather than 0"
    assert found.label_text(1, ["cat", "dog", "fish"]) == "fish rather than cat"


def test_any_weights_and_one_label_a_row(text):
    labels = [{0: 0.5, 1: 2.0, 2: -1.0}, 1, tf1_ig.contrast("top", "second")]
    found = text.explain(TEXT, label=labels, steps=16)
    each = [text.explain(TEXT, label=label, steps=16) for label in range(3)]
    outputs = each[0].outputs
    top, second = np.argsort(-outputs[2])[:2]
    expected = [sum(weight * one.values["embedding:0"][0] for weight, one in zip((0.5, 2.0, -1.0), each)),
                each[1].values["embedding:0"][1],
                each[top].values["embedding:0"][2] - each[second].values["embedding:0"][2]]
    np.testing.assert_allclose(found.values["embedding:0"], expected, atol=1e-6)
    assert found.label_text(0) == "0.5 × 0 + 2 × 1 − 1 × 2"
    assert found.label_text(2) == "%d rather than %d" % (top, second)
    assert found.converged.all() and np.abs(found.delta).max() < 1e-4


@pytest.mark.parametrize("label", [lambda top: tf1_ig.contrast("top", top[1]), lambda top: [
    tf1_ig.contrast("second", top[0]), {"top": 2.0, top[1]: -2.0}, tf1_ig.contrast("top", "second")]])
def test_a_contrast_that_cancels_out_names_its_row(text, label):
    top = [int(one) for one in text.explain(TEXT, label="top", steps=3).label]
    first = next(row for row in range(3) if isinstance(label(top), list) and row == 1 or top[row] == top[1])
    with pytest.raises(LabelError, match="row %d .*cancels out, because 'top' is %d there" % (first, top[1])):
        text.explain(TEXT, label=label(top), steps=3)
    kept = text.explain(TEXT, label={"top": 2.0, top[1]: -1.0}, steps=3)  # a twin: something is left
    assert kept.score[1] != 0


def test_a_contrast_of_unlikely_classes_converges():
    def build():
        tf = _tf.tf
        x = tf.placeholder(tf.float32, [None, 4], "x")
        logits = tf.matmul(tf.tanh(x), tf.constant(small.WEIGHTS)) + tf.constant([9.0, 0.0, 0.0])
        tf.nn.softmax(logits, name="y")

    with tf1_ig.IntegratedGradients(small.model_of(build), "y", "x") as explainer:
        found = explainer.explain({"x:0": X}, label=tf1_ig.contrast(1, 2))
        logit = explainer.explain({"x:0": X}, label={1: 1e4, 2: -1e4})
        close = explainer.explain({"x:0": X * 1e-5}, label={0: 1.0, 1: 1.0, 2: 1.0})
    assert found.converged.all() and np.abs(found.score).max() < 1e-2
    np.testing.assert_allclose(logit.score, 1e4 * found.score, rtol=1e-4)
    assert close.converged.all() and close.steps.max() < 60  # the constant 1: nothing but rounding is left


def test_weights_in_the_company_of_others_and_of_index_tuples(tagger):
    with tf1_ig.IntegratedGradients(small.model_of(small.batch_normed), "y", "x") as explainer:
        found = explainer.explain({"x:0": X}, label=tf1_ig.contrast(1, 0), steps=12)
        one, zero = (explainer.explain({"x:0": X}, label=label, steps=12) for label in (1, 0))
        assert found.running == "in company"
        np.testing.assert_allclose(values(found), values(one) - values(zero), atol=1e-6)
    found = tagger.explain(TAGS, label=tf1_ig.contrast((2, 1), (0, 2)), steps=12)
    later, first = (tagger.explain(TAGS, label=label, steps=12) for label in ((2, 1), (0, 2)))
    np.testing.assert_allclose(values(found), values(later) - values(first), atol=1e-5)
    assert found.label.tolist() == [[-1, -1]] * 3 and found.label_text(0) == "(2, 1) rather than (0, 2)"
    assert tagger.explain(TAGS, label={(2, 1): 1, (2, 0): -1}, steps=3).label_text(0) == "1 rather than 0 at 2"


def test_the_evaluator_and_every_method_take_weights(text):
    at = text.at(TEXT, label=tf1_ig.contrast("top", "second"))
    ranked = np.sort(at.outputs(at.entries), axis=1)
    np.testing.assert_allclose(at.scores(at.entries), ranked[:, -1] - ranked[:, -2], atol=1e-6)
    for name, options in (("gradient", {}), ("occlusion", {}), ("smoothgrad", {"steps": 12})):
        found, top, zero = (text.explain_variant(name, TEXT, label=label, **options)
                            for label in (tf1_ig.contrast(1, 0), 1, 0))
        np.testing.assert_allclose(values(found), values(top) - values(zero), atol=1e-5)


def test_results_with_weights_are_saved_shown_and_checked(text, tmp_path):
    found = text.explain(TEXT, label=tf1_ig.contrast(2, 0), tokens=[list("abcde")] * 3)
    for suffix in ("npz", "json"):
        path = str(tmp_path / ("found." + suffix))
        found.save(path)
        again = tf1_ig.load_attribution(path)
        assert again.weights == found.weights and again.label_text(2) == "2 rather than 0"
        assert again[1:].weights == found.weights[1:]
    page = found.to_html(class_names=["cat", "dog", "fish"])
    assert "Why fish rather than cat?" in page and "against fish rather than cat" in page
    assert {finding.name for finding in tf1_ig.check(found)} >= {"completeness", "output kind"}


@pytest.mark.parametrize("label, told", [
    ({}, "names no element"), ({1: "much"}, "the weight of label 1"), ({1: float("nan")}, "the weight of label 1"),
    ({3: 1.0}, "out of range"), ({"best": 1.0}, "neither an index"), ([{0: 1}, {1: 1}, {2: 1}], "3 entries for 2 rows"),
    ({1: True}, "the weight of label 1")])
def test_weights_that_name_nothing_are_told(label, told):
    with pytest.raises(LabelError, match=told):
        resolve(label, (3,), OUTPUTS, "p:0")


def test_a_contrast_with_itself_is_refused_and_second_needs_two():
    with pytest.raises(LabelError, match="with itself"):
        tf1_ig.contrast(1, 1)
    with pytest.raises(LabelError, match="no second"):
        resolve("second", (1,), OUTPUTS[:, :1], "p:0")
    assert resolve("second", (3,), OUTPUTS, "p:0").shown.tolist() == [2, 2]
    assert resolve(["second", 0], (3,), OUTPUTS, "p:0").shown.tolist() == [2, 0]
    with pytest.raises(LabelError, match="no class axis"):
        resolve({0: 1.0}, (), OUTPUTS[:, :1], "p:0")


# -- positions ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("more", [{"steps": 12}, {"tolerance": 1e-3}])
def test_all_positions_are_what_one_call_a_position_gives(tagger, more):
    found = tagger.explain(TAGS, positions="all", **more)
    assert len(found) == 12 and found.rows.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert found.positions.tolist() == [0, 1, 2, 3] * 3
    tops = np.argmax(found.outputs[0], axis=-1)
    assert found.label[:4].tolist() == [[place, top] for place, top in enumerate(tops)]
    np.testing.assert_array_equal(found.prediction, found.label)
    for row in range(12):
        one = tagger.explain({"ids:0": TAGS["ids:0"][found.rows[row]:][:1]}, label=tuple(found.label[row]), **more)
        np.testing.assert_allclose(found.values["embedding:0"][row], one.values["embedding:0"][0], atol=1e-5)
        np.testing.assert_allclose([found.score[row], found.baseline_score[row]],
                                   [one.score[0], one.baseline_score[0]], atol=1e-5)
    np.testing.assert_array_equal(found.ids["embedding:0"], np.repeat(TAGS["ids:0"], 4, axis=0))


def test_a_baseline_for_each_row_of_the_feed_is_that_of_its_positions(tagger):
    rows = tagger.explain(TAGS, label=(0, 0), steps=3).values["embedding:0"].shape
    start = np.random.RandomState(6).normal(size=rows).astype(np.float32)
    found = tagger.explain(TAGS, label=1, positions=[3, 1], steps=9, baseline=start)
    for position in (1, 3):
        one = tagger.explain(TAGS, label=(position, 1), steps=9, baseline=start)
        where = np.flatnonzero(found.positions == position)
        np.testing.assert_allclose(found.values["embedding:0"][where], one.values["embedding:0"], atol=1e-5)
        np.testing.assert_allclose(found.baseline_score[where], one.baseline_score, atol=1e-5)


def test_some_positions_with_a_class_with_weights_and_with_texts(tagger):
    words = [list("abcd"), list("efgh"), list("ijkl")]
    found = tagger.explain(TAGS, label=1, positions=[3, 0], steps=9, tokens=words)
    assert found.label.tolist() == [[3, 1], [0, 1]] * 3 and found.token_texts[2] == list("efgh")
    one = tagger.explain(TAGS, label=(3, 1), steps=9)
    np.testing.assert_allclose(found.values["embedding:0"][::2], one.values["embedding:0"], atol=1e-5)
    weighted = tagger.explain(TAGS, label=tf1_ig.contrast(2, 0), positions=[3], steps=9)
    two, zero = (tagger.explain(TAGS, label=(3, label), steps=9) for label in (2, 0))
    np.testing.assert_allclose(values(weighted), values(two) - values(zero), atol=1e-5)
    assert weighted.label.tolist() == [[-1, -1]] * 3 and weighted.label_text(0) == "2 rather than 0 at 3"
    each = tagger.explain(TAGS, label=[0, 1, 2], positions=[1, 2], steps=9)
    assert each.label.tolist() == [[1, 0], [2, 0], [1, 1], [2, 1], [1, 2], [2, 2]]
    occluded = tagger.explain_variant("occlusion", TAGS, positions=[3], label=1)
    np.testing.assert_allclose(occluded.values["embedding:0"], tagger.explain_variant(
        "occlusion", TAGS, label=(3, 1)).values["embedding:0"], atol=1e-6)


def coupled_tagger():
    """Scores of every token that also see the mean over the batch."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 3, 4], "x")
    seen = tf.tanh(tf.cumsum(x, 1) - tf.reduce_mean(x))
    tf.tensordot(seen, tf.constant(small.WEIGHTS), [[2], [0]], name="y")


def test_positions_of_rows_that_keep_their_company_and_of_a_feed_that_is_one_example(tmp_path):
    x = RANDOM.normal(size=(2, 3, 4)).astype(np.float32)
    with tf1_ig.IntegratedGradients(small.model_of(coupled_tagger), "y", "x") as explainer:
        found = explainer.explain({"x:0": x}, label=1, positions="all", steps=10)
        assert found.running == "in company" and found.rows.tolist() == [0, 0, 0, 1, 1, 1]
        for place in range(3):
            one = explainer.explain({"x:0": x}, label=(place, 1), steps=10)
            np.testing.assert_allclose(found.values["x:0"][place::3], one.values["x:0"], atol=1e-6)
    found.save(str(tmp_path / "found.npz"))
    assert tf1_ig.load_attribution(str(tmp_path / "found.npz")).positions.tolist() == [0, 1, 2] * 2
    with tf1_ig.IntegratedGradients(small.model_of(coupled_tagger), "y", "x", batch_axis=None) as explainer:
        whole = explainer.explain({"x:0": x[:1]}, label=1, positions="all", steps=10)
        assert whole.label.tolist() == [[0, 1], [1, 1], [2, 1]] and whole.rows.tolist() == [0, 0, 0]
        one = explainer.explain({"x:0": x[:1]}, label=(0, 2, 1), steps=10)
        np.testing.assert_allclose(whole.values["x:0"][2], one.values["x:0"][0], atol=1e-6)


def test_positions_of_one_number_each_and_positions_that_are_none():
    label = at_positions("all", None, (4,), np.arange(8.0).reshape(2, 4), "y:0")
    assert label.shown.tolist() == [0, 1, 2, 3] * 2 and label.terms.index[:, 0].tolist() == [0, 1, 2, 3] * 2
    assert label.prediction is None
    for positions, told in (("some", "neither"), ([4], "out of range"), ([-1], "out of range"), ([], "no list"),
                            ([0.5], "no list")):
        with pytest.raises(LabelError, match=told):
            at_positions(positions, None, (4,), np.zeros((2, 4)), "y:0")
    with pytest.raises(LabelError, match="no axis of positions"):
        at_positions("all", None, (), np.zeros((2, 1)), "y:0")


def one_number_a_token(length, pooled=False):
    """A score of every token, ``[batch, tokens]``; ``pooled``: of every class instead, as many."""
    def build():
        tf = _tf.tf
        x = tf.placeholder(tf.float32, [None, length, 4], "x")
        weights = np.resize(small.WEIGHTS, [4, 3 if pooled else 1]).astype(np.float32)
        seen = tf.tensordot(tf.tanh(tf.cumsum(x, 1)), tf.constant(weights), [[2], [0]])
        tf.identity(tf.reduce_mean(seen, 1) if pooled else tf.squeeze(seen, 2), name="y")
    return small.model_of(build)


def one_length_only():
    """A score of every token, ``[batch, tokens]``, of a graph that has their number in its shapes."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 3, 4], "x")
    flat = tf.reshape(tf.tanh(tf.cumsum(x, 1)), [-1, 4])
    tf.reshape(tf.matmul(flat, tf.constant(np.arange(1.0, 5.0, dtype=np.float32)[:, np.newaxis])), [-1, 3], name="y")


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_positions_of_a_graph_that_takes_one_length_only_are_believed(rows):
    x = RANDOM.normal(size=(rows, 3, 4)).astype(np.float32)
    with tf1_ig.IntegratedGradients(small.model_of(one_length_only), "y", "x") as explainer:
        found = explainer.explain({"x:0": x}, positions="all", steps=6)
        assert found.positions.tolist() == [0, 1, 2] * rows
        np.testing.assert_allclose(found.values["x:0"][1], explainer.explain(
            {"x:0": x}, label=1, steps=6).values["x:0"][0], atol=1e-6)


@pytest.mark.parametrize("length", [None, 3])
def test_positions_follow_what_is_fed_and_classes_do_not(length):
    x = RANDOM.normal(size=(2, 3, 4)).astype(np.float32)
    with tf1_ig.IntegratedGradients(one_number_a_token(length), "y", "x") as explainer:
        found = explainer.explain({"x:0": x}, positions="all", steps=6)
        assert found.positions.tolist() == [0, 1, 2] * 2
        np.testing.assert_allclose(found.values["x:0"][4], explainer.explain(
            {"x:0": x}, label=1, steps=6).values["x:0"][1], atol=1e-6)
    with tf1_ig.IntegratedGradients(one_number_a_token(length, True), "y", "x") as explainer:
        with pytest.raises(LabelError, match=r"^output y:0 \(float32, \[\?, 3\]\) has no axis of positions: it has 3 "
                           "numbers a row whatever is fed, so these are classes; leave positions out"):
            explainer.explain({"x:0": x}, positions="all", steps=6)


# -- on the command line -----------------------------------------------------------------------------------------------

def test_a_contrast_on_the_command_line(tmp_path, capsys):
    ids, lengths = demo.encode([demo.tokenize("A superb film.")], demo.load_vocabulary())
    feed = str(tmp_path / "feed.npz")
    np.savez(feed, **{demo.IDS: ids, demo.LENGTHS: lengths})
    (tmp_path / "classes.txt").write_text("bad\ngood\n")
    out = str(tmp_path / "found.json")
    arguments = ["explain", demo.MODEL, "--feed", feed, "--output", demo.OUTPUT, "--out", out]
    assert cli.main(arguments + ["--contrast", "1,0"]) == 0
    assert "1 rather than 0" in capsys.readouterr().out
    found = tf1_ig.load_attribution(out)
    assert found.weights == [[((1,), 1.0), ((0,), -1.0)]]
    assert cli.main(arguments + ["--contrast", "good,bad", "--classes", str(tmp_path / "classes.txt")]) == 0
    assert "good rather than bad" in capsys.readouterr().out
    assert cli.main(arguments + ["--contrast", "top,second"]) == 0
    for wrong in (["--contrast", "1"], ["--contrast", "1,1"], ["--contrast", "1,0", "--label", "1"],
                  ["--positions", "some"]):
        assert cli.main(arguments + wrong) == 2


def test_positions_on_the_command_line(tmp_path, capsys):
    model, feed = str(tmp_path / "tagger.pb"), str(tmp_path / "feed.npz")
    small.model_of(small.token_tagger).save(model)
    np.savez(feed, **TAGS)
    out = str(tmp_path / "found.json")
    arguments = ["explain", model, "--feed", feed, "--output", "scores", "--input", "embedding", "--out", out]
    assert cli.main(arguments + ["--positions", "all"]) == 0
    assert tf1_ig.load_attribution(out).positions.tolist() == [0, 1, 2, 3] * 3
    assert cli.main(arguments + ["--positions", "1,3", "--label", "2"]) == 0
    assert tf1_ig.load_attribution(out).label.tolist() == [[1, 2], [3, 2]] * 3
    assert "(1, 2)" in capsys.readouterr().out


def test_a_page_shows_what_each_token_does_for_each_position(tagger):
    words = [["<b>", "two", "three", "four"], list("efgh"), list("ijkl")]
    found = tagger.explain(TAGS, label=1, positions=[0, 3], steps=9, tokens=words)
    page = found.to_html(class_names=["cat", "dog", "fish"])
    tables = re.findall(r'<table class="grid">.*?</table>', page, re.DOTALL)
    assert len(tables) == 3 and '<th scope="col"><bdi>&lt;b&gt;</bdi></th>' in tables[0]
    numbers = np.array(re.findall(r'data-value="([^"]+)"', tables[0]), float).reshape(2, 4)
    np.testing.assert_allclose(numbers, found.tokens["embedding:0"][:2], rtol=1e-12)
    assert (numbers[0, 1:] == 0).all(), "what comes later does nothing for the first position"
    assert tables[0].count('<th scope="row">') == 2 and "(0, dog)" in tables[0]
    assert 'role="region" tabindex="0"' in page
    assert all(grid.number(value) in tables[0] for value in numbers.ravel())  # for those who hear the page
    assert "class=\"grid\"" in found._repr_html_()
    assert "class=\"grid\"" not in tagger.explain(TAGS, label=(3, 1), steps=3).to_html()


def test_positions_beyond_what_a_table_holds_and_numbers_that_are_none(tagger, monkeypatch):
    found = tagger.explain(TAGS, label=1, positions=[0, 3], steps=9)
    monkeypatch.setattr(grid, "MOST", 3)
    assert grid.grids(found, {"embedding:0": [None] * 6}) == ()
    monkeypatch.undo()
    wrong = dataclasses.replace(found, values={"embedding:0": np.where(
        np.arange(4)[:, None] == 2, np.nan, found.values["embedding:0"])})
    first = grid.grids(wrong, {"embedding:0": [None] * 6})[0]
    assert first.heads == ("0", "1", "2", "3") and first.lines[0].cells[2].kind == "nan"
    assert first.lines[1].cells[0].sign in ("+", "−") and first.scale > 0
