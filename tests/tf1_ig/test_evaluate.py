"""Measures of an explanation: closed forms, controls, planted faults that must be seen, good ones that must pass."""

import dataclasses

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from graph_tools import _tf
from graph_tools.report import Report
from tests.models import small
from tf1_ig import demo
from tf1_ig.errors import MethodError
from tf1_ig.evaluate import MEASURES
from tf1_ig.evaluate.bounds import in_the_light_of_the_definition, verdict
from tf1_ig.evaluate.randomised import permuted, weights_by_scope
from tf1_ig.evaluate.record import spearman
from tf1_ig.result.measured import Measured

SENTENCES = ["The plot makes no sense, but the acting is superb.",
             "A dull and lifeless film that never finds its feet.",
             "This is one of the funniest comedies of the year and a wonderful surprise."]
ROWS = "embedding/lookup:0"


@pytest.fixture(scope="module")
def judged():
    words = [demo.tokenize(text) for text in SENTENCES]
    ids, lengths = demo.encode(words, demo.load_vocabulary())
    feed = {"input/dequeue:0": ids, "input/dequeue:1": lengths}
    with tf1_ig.IntegratedGradients(gt.load(demo.MODEL), "class/probabilities:0") as explainer:
        yield explainer, feed, explainer.explain(feed, "top")


def test_rank_correlation_with_ties():
    assert spearman([1, 2, 3], [10, 20, 30]) == 1 and spearman([1, 2, 3], [3, 2, 1]) == -1
    assert spearman([1, 1, 2], [1, 2, 3]) == pytest.approx(np.sqrt(3) / 2) and np.isnan(spearman([1, 1], [1, 2]))
    assert [verdict(value, 0.5, 0.2) for value in (0.6, 0.3, 0.1, np.nan)] == ["ok", "warn", "fail", "warn"]
    assert [verdict(value, 0.2, 0.5) for value in (0.1, 0.3, 0.6)] == ["ok", "warn", "fail"]


@pytest.mark.dealt
def test_a_right_explanation_of_a_good_model_passes_every_measure(judged):
    explainer, feed, _ = judged
    report = tf1_ig.evaluate(explainer, feed, "top")
    assert [finding.name for finding in report] == list(MEASURES)
    assert {finding.name: finding.verdict for finding in report if finding.verdict != "ok"} == {}
    assert report["leave one out"].value > 0.9 > report["leave one out"].control
    assert (report["deletion"].rows > report["deletion"].control).all()
    assert report["weights randomised"].value < 0.3 and report["other label"].value == pytest.approx(-1, abs=1e-3)
    assert all(finding.evaluations > 0 for finding in report if finding.name != "completeness")
    # The flip set, run by itself: the class changes, and it does not without any one of the set.
    at = explainer.at(feed, "top")
    for row, tokens in enumerate(report["flip set"].positions):
        for removed, flips in [(tokens, True)] + [(tuple(t for t in tokens if t != one), False) for one in tokens
                                                  if len(tokens) > 1]:
            shares = [np.ones((1, count)) for count in at.tokens]
            shares[row][0, list(removed)] = 0
            outputs = at.outputs(at.mixed(shares))[0, row]
            assert (outputs.argmax() != at.label[row]) == flips


def faults(values):
    random = np.random.RandomState(0)
    return {
        "shuffled tokens": np.stack([row[random.permutation(len(row))] for row in values]),
        "absolute values": np.abs(values), "a dropped factor": values / 2, "a constant map": np.full_like(values, 0.01),
        "off by one token": np.roll(values, 1, axis=1), "another row's map": values[::-1], "the wrong sign": -values,
        "noise": random.normal(size=values.shape) * np.abs(values).mean(),
    }


@pytest.mark.parametrize("fault", sorted(faults(np.ones((2, 2, 2)))))
def test_planted_faults_fail(judged, fault):
    explainer, feed, right = judged
    wrong = dataclasses.replace(right, values={ROWS: faults(right.values[ROWS])[fault]})
    report = tf1_ig.evaluate(explainer, feed, "top", attribution=wrong,
                             measures=["completeness", "leave one out", "deletion", "insertion"])
    assert not report.ok, str(report)


def test_numbers_do_not_depend_on_which_measures_run(judged):
    explainer, feed, right = judged
    alone, = tf1_ig.evaluate(explainer, feed, "top", measures="deletion", seed=3, attribution=right)
    among = tf1_ig.evaluate(explainer, feed, "top", measures=["insertion", "deletion"], seed=3, attribution=right)
    assert alone.value == among["deletion"].value and alone.control == among["deletion"].control


def test_a_linear_model_in_closed_form():
    weights = np.array([[1.0, -2.0], [0.5, 1.0], [-1.0, 3.0], [2.0, 0.0]], np.float32)
    x = np.random.RandomState(1).normal(size=(2, 4)).astype(np.float32) + 1

    def build():
        tf = _tf.tf
        tf.matmul(tf.placeholder(tf.float32, [None, 4], name="x"), tf.constant(weights), name="y")

    with tf1_ig.IntegratedGradients(small.model_of(build), "y", inputs="x") as explainer:
        report = tf1_ig.evaluate(explainer, {"x:0": x}, 0, measures=[
            "completeness", "leave one out", "shapley", "infidelity", "stability"])
        sensitivity, = tf1_ig.evaluate(explainer, {"x:0": x}, 0, measures="max sensitivity")
    assert report["leave one out"].value == pytest.approx(1) and report["shapley"].value == pytest.approx(1)
    assert report["infidelity"].value < 1e-8 < report["infidelity"].control
    # The change of w·x under noise of at most 0.02 is at most 0.02 |w|.
    bound = 0.02 * np.linalg.norm(weights[:, 0]) / np.linalg.norm(x * weights[:, 0], axis=1)
    assert (sensitivity.rows <= bound + 1e-5).all() and (sensitivity.rows > 0.2 * bound).all()


@pytest.mark.parametrize("tokens", [2, 3, 4])
def test_few_tokens_of_a_perfect_explanation_fail_nothing(tokens):
    weights = np.array([[1.0], [-2.0], [3.0], [0.5]], np.float32)[:tokens]

    def build():
        tf = _tf.tf
        tf.matmul(tf.placeholder(tf.float32, [None, tokens], name="x"), tf.constant(weights), name="y")

    with tf1_ig.IntegratedGradients(small.model_of(build), "y", inputs="x") as explainer:
        report = tf1_ig.evaluate(explainer, {"x:0": np.ones((1, tokens), np.float32)}, 0, measures=[
            "leave one out", "deletion", "insertion"])
    assert [finding.verdict for finding in report] == ["ok"] * 3, str(report)


def test_two_tokens_cannot_fail_a_rank_correlation_that_shuffled_ones_reach():
    """Both weights stand in the same order after any permutation of nearly equal ones scaled by the input."""
    def build():
        tf = _tf.tf
        tf.matmul(tf.placeholder(tf.float32, [None, 2], name="x"), tf.constant([[1.0], [1.1]]), name="y")

    with tf1_ig.IntegratedGradients(small.model_of(build), "y", inputs="x") as explainer:
        found = tf1_ig.evaluate(explainer, {"x:0": np.array([[1.0, 5.0]], np.float32)}, 0,
                                measures=["weights randomised"])["weights randomised"]
    assert (found.value, found.verdict) == (1.0, "warn") and "few tokens" in found.advice


def report_of(**verdicts):
    return Report(tuple(Measured(name.replace("_", " "), verdict, 0.0, "why") for name, verdict in verdicts.items()))


@pytest.mark.parametrize("definition, told", [("ok", "warn"), ("warn", "fail"), ("fail", "fail")])
def test_other_theories_fail_what_is_not_shown_to_be_its_integral(definition, told):
    report = in_the_light_of_the_definition(report_of(
        completeness="ok", definition=definition, leave_one_out="fail", shapley="fail", weights_randomised="fail"))
    assert [report[name].verdict for name in ("leave one out", "shapley", "weights randomised")] == [told, told, "fail"]


def test_a_contrast_is_judged_as_one(judged):
    explainer, feed, _ = judged
    report = tf1_ig.evaluate(explainer, feed, tf1_ig.contrast(1, 0), measures=["other label", "weights randomised"])
    assert report["other label"].value is None and report["weights randomised"].value is not None


def test_permuted_weights_keep_their_numbers():
    with tf1_ig.IntegratedGradients(gt.load(demo.MODEL), "class/probabilities:0") as explainer:
        resolved = explainer.resolved
    model, _ = gt.freeze(resolved.model, [resolved.output])
    scopes = weights_by_scope(model, [spec.attributed.tensor for spec in resolved.inputs], resolved.output)
    cell = "encoder/bidirectional_rnn/%s/gru_cell/%s"
    assert list(scopes) == ["class/dense"] + [cell % each for each in (
        ("fw", "candidate"), ("fw", "gates"), ("bw", "candidate"), ("bw", "gates"))]  # from the output downwards
    few = permuted(model, scopes["class/dense"], np.random.RandomState(0))
    every = permuted(model, sum(scopes.values(), []), np.random.RandomState(0))

    def constants(of):
        return {node.name: _tf.tf.make_ndarray(node.attr["value"].tensor) for node in of.graph_def.node
                if node.op == "Const" and _tf.tf.as_dtype(node.attr["dtype"].type).is_floating}

    before = constants(model)
    changed = [{name for name in before if not np.array_equal(before[name], constants(after)[name])}
               for after in (few, every)]
    assert changed[0] == {"class/dense/kernel", "class/dense/bias"} < changed[1]
    for name in changed[1]:
        np.testing.assert_array_equal(np.sort(before[name], axis=None), np.sort(constants(every)[name], axis=None))
    table = "embedding/table"
    assert not [name for name in changed[1] if name.startswith(table)]  # what is attributed to stays as it is


def test_wrong_questions_are_named(judged):
    explainer, feed, right = judged
    with pytest.raises(MethodError, match="no measure 'beauty'"):
        tf1_ig.evaluate(explainer, feed, "top", measures=["beauty"])
    with pytest.raises(MethodError, match="has no values of input embedding/lookup:0"):
        tf1_ig.evaluate(explainer, feed, "top", attribution=dataclasses.replace(right, values={"x:0": np.zeros(3)}))
    with pytest.raises(MethodError, match="rows"):
        tf1_ig.evaluate(explainer, feed, "top", attribution=dataclasses.replace(
            right, values={ROWS: right.values[ROWS][:1]}))
