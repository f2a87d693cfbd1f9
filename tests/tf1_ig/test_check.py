import dataclasses

import numpy as np
import pytest

import tf1_ig
from graph_tools.report import Finding
from tests.tf1_ig.results import result
from tf1_ig.check import CHECKS, check, compare_baselines


def _softmax(rows):
    return np.array(rows, np.float32)


GOOD = {
    "plain": {},
    "softmax": dict(outputs=_softmax([[0.05, 0.95], [0.3, 0.7]]), baseline_output=_softmax([[0.45, 0.55]] * 2),
                    output_kind="softmax", prediction=np.array([1, 1])),
    "many classes": dict(outputs=_softmax([[0.1] * 8 + [0.2]] * 2), baseline_output=_softmax([[1 / 9.0] * 9] * 2),
                         label=np.array([8, 8])),
    "per token": dict(outputs=np.full((2, 3, 4), 0.25), baseline_output=np.full((2, 3, 4), 0.25), output_kind="softmax",
                      label=np.array([[0, 1], [2, 3]]), prediction=np.array([[0, 1], [2, 3]])),
    "sigmoid": dict(outputs=np.array([[0.9], [0.7]]), baseline_output=np.array([[0.5], [0.4]]), output_kind="sigmoid",
                    label=np.zeros((2, 0), np.int64)),
    "one sigmoid among many": dict(outputs=np.full((2, 5), 0.9), baseline_output=np.full((2, 5), 0.02),
                                   output_kind="sigmoid"),
    "regression": dict(outputs=np.array([[210.5], [-3.0]]), baseline_output=np.array([[100.0]] * 2),
                       label=np.zeros((2, 0), np.int64)),
    "a batch baked in": dict(running="in company", coupled=False, notes=(
        "the graph takes exactly 2 rows, and points were run one at a time",)),
    "white space": dict(token_texts=[[" ", "\n", "  "], ["a", " ", "b"]]),
    "fixed steps": dict(tolerance=None, method="gausslegendre", delta=np.array([0.001, 0.0])),
    "ids": dict(ids={"embedding/lookup:0": np.array([[3, 4, 0], [5, 0, 0]])}, values=((0.5, 0.3, 0.4), (0.5, 0.0, 0.0)),
                strings={"embedding/lookup:0": [["a", "b", "c"], ["d", "e", "e"]]}),
    "a mask that does little": dict(baseline_feed_score=np.array([0.21, 0.2])),
    "tokens": dict(token_texts=[["good", "<unk>", "film"], ["<pad>", "a", "b"]],
                   values=((0.75, 0.05, -0.05), (0.01, 0.24, 0.5))),
}


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_sound_result_raises_no_alarm(name):
    report = check(result(**GOOD[name]))
    assert report.ok and report.worst == "ok", str(report)
    assert report["completeness"].value <= 0.01 and report["finite numbers"].value == 0


def test_a_mean_of_random_draws_may_be_off_by_chance():
    report = check(result(
        completeness="in expectation", tolerance=None, delta=np.array([0.02, -0.03]), converged=np.zeros(2, bool),
        error_estimate=np.array([0.02, 0.03]), token_standard_error={"embedding/lookup:0": np.full((2, 3), 0.02)}))
    assert report.worst == "ok" and report["completeness"].value == pytest.approx(0.03 / 0.75)
    assert report["standard error"].value == pytest.approx(0.06 / 0.75)


def test_where_no_sum_is_claimed_none_is_judged():
    found = result(completeness="none", baseline_score=np.full(2, np.nan), delta=np.full(2, np.nan), tolerance=None)
    report = check(found)
    assert report.worst == "ok" and not {"completeness", "convergence", "effect"} & {each.name for each in report}
    assert "baselines agree" not in {each.name for each in check(found, result())}
    wrong = check(dataclasses.replace(found, values={"embedding/lookup:0": np.full((2, 3, 2), np.nan)}))
    assert wrong["finite numbers"].verdict == "fail" and "at the input" in wrong["finite numbers"].advice


BAD = {
    # Name of the check, its verdict, a word of the advice, and the result.
    "off by a lot": ("completeness", "fail", "more steps", dict(
        delta=np.array([0.4, 0.0]), converged=np.array([False, True]))),
    "off by a little": ("completeness", "warn", "sum to", dict(
        delta=np.array([0.02, 0.0]), converged=np.array([False, True]))),
    "off by a little, beside one that only rounding puts off": ("completeness", "warn", "Row 1", dict(
        delta=np.array([0.5, 0.02]), converged=np.array([True, False]))),
    "an input listed twice": ("completeness", "fail", "2 times as much", dict(
        delta=np.array([0.75, 0.75]), converged=np.zeros(2, bool))),
    "a gap that steps cannot close": ("completeness", "fail", "will not help", dict(
        delta=np.array([-0.3, 0.0]), converged=np.array([False, True]), error_estimate=np.array([1e-4, 1e-9]))),
    "a jump": ("completeness", "fail", "jumps", dict(
        delta=np.array([-0.3, 0.0]), converged=np.array([False, True]),
        path=[(np.linspace(0, 1, 20), np.r_[np.zeros(9), np.ones(11)])] * 2)),
    "out of points": ("convergence", "warn", "1 of 2 rows", dict(
        delta=np.array([0.02, 0.0]), converged=np.array([False, True]))),
    "nan": ("finite numbers", "fail", "along the path", dict(
        values=((np.nan, 0.5, 0.5), (0.5, 0.1, 0.15)), score=np.array([1.2, 0.95]),
        delta=np.array([np.nan, 0.0]), converged=np.array([False, True]))),
    "nan at the baseline": ("finite numbers", "fail", "at the baseline", dict(
        baseline_score=np.array([np.nan, 0.2]), delta=np.array([np.nan, 0.0]), converged=np.array([False, True]))),
    "infinite score": ("finite numbers", "fail", "at the input", dict(
        score=np.array([np.inf, 0.95]), delta=np.array([-np.inf, 0.0]), converged=np.array([False, True]))),
    "zero gradient": ("gradient", "fail", "without a gradient", dict(
        values=((0.0, 0.0), (0.0, 0.0)), score=np.array([0.9, 0.9]), delta=np.array([-0.7, -0.7]),
        converged=np.zeros(2, bool))),
    "no effect at all": ("effect", "fail", "no effect", dict(values=((0.0, 0.0), (0.0, 0.0)))),
    "no effect of one row": ("effect", "warn", "Row 1", dict(values=((0.5, 0.1), (0.0, 0.0)))),
    "rounding": ("precision", "warn", "float32", dict(
        values=((4e-6, 1e-6), (0.5, 0.1)), baseline_score=np.array([0.9, 0.2]), score=np.array([0.900005, 0.8]))),
    "cancellation": ("cancellation", "warn", "times larger", dict(values=((5.0, -4.9999), (0.5, 0.1)))),
    "batch statistics": ("row independence", "fail", "inference mode", dict(running="in company", coupled=True)),
    "saved before it was said": ("row independence", "warn", "not known", dict(running="in company", coupled=None)),
    "logits": ("output kind", "warn", "softmax or sigmoid", dict(outputs=np.array([[-3.0, 8.0], [1.0, 2.0]]))),
    "logits that the graph tells": ("output kind", "warn", "softmax or sigmoid", dict(output_kind="logits")),
    "saturated": ("saturation", "warn", "flat", dict(
        score=np.array([0.99999, 0.95]), baseline_score=np.array([0.24999, 0.2]), output_kind="softmax",
        outputs=_softmax([[1e-5, 0.99999], [0.05, 0.95]]))),
    "flat all along": ("saturation", "warn", "from 0.98 to 0.9989 and its log odds by 2.92", dict(
        values=((0.0129, 0.006), (0.5, 0.1)), score=np.array([0.9989, 0.8]), baseline_score=np.array([0.98, 0.2]),
        delta=np.zeros(2), output_kind="softmax", outputs=_softmax([[.0011, .9989], [.2, .8]]),
        baseline_output=_softmax([[0.02, 0.98], [0.8, 0.2]]))),
    "baseline leans": ("baseline", "warn", "two-class", dict(
        outputs=_softmax([[0.05, 0.95]] * 2), baseline_output=_softmax([[0.95, 0.05], [0.5, 0.5]]))),
    "sigmoid baseline leans": ("baseline", "warn", "two-class", dict(
        outputs=np.array([[0.9], [0.8]]), baseline_output=np.array([[0.02], [0.02]]), output_kind="sigmoid",
        label=np.zeros((2, 0), np.int64))),
    "baseline of one sigmoid among many": ("baseline", "warn", "class 1 has 0.90 already", dict(
        outputs=np.full((2, 5), 0.95), baseline_output=np.array([[0.1, 0.9, 0.1, 0.1, 0.1], [0.2] * 5]),
        output_kind="sigmoid")),
    "baseline of many classes": ("baseline", "warn", "class 2 with 0.96", dict(
        outputs=_softmax([[0.1, 0.8, 0.05, 0.05]] * 2), baseline_output=_softmax([[0.01, 0.02, 0.96, 0.01]] * 2))),
    "padding": ("padding", "warn", "mask", dict(
        values=((0.5, 0.1, 0.4), (0.5, 0.0, 0.25)), token_texts=[["good", "film"], ["a", "b"]])),
    "unknown words": ("unknown tokens", "warn", "vocabulary", dict(
        values=((0.5, 0.1, 0.4), (0.5, 0.0, 0.25)), token_texts=[["[UNK]", "b", "c"], ["a", "b", "c"]])),
    "padding told by ids": ("padding", "warn", "id 0", dict(
        values=((0.5, 0.3, 0.4), (0.5, 0.1, 0.25)), ids={"embedding/lookup:0": np.array([[7, 0, 0], [5, 6, 0]])})),
    "words with one id": ("unknown tokens", "warn", "eel, fox, gnu", dict(
        values=((0.5, 0.3, 0.4), (0.5, 0.1, 0.25)), ids={"embedding/lookup:0": np.array([[1, 1, 2], [1, 3, 4]])},
        strings={"embedding/lookup:0": [["eel", "fox", "a"], ["gnu", "b", "c"]]})),
    "a mask that the baseline moves": ("side path gap", "warn", "through mask (NotEqual)", dict(
        baseline_feed_score=np.array([0.1, 0.2]),
        graph_findings=(Finding("side paths", "ok", "mask (NotEqual)", "…"),))),
    "nothing above rounding": ("effect", "fail", "above rounding", dict(
        values=((1e-9, -1e-9), (2e-9, 0.0)), score=np.array([1.0, 1.0]), baseline_score=np.array([1.0, 1.0]))),
    "nan of a known op": ("finite numbers", "fail", "first in the gradient of norm (Sqrt)", dict(
        values=((np.nan, 0.5, 0.5), (0.5, 0.1, 0.15)), delta=np.array([np.nan, 0.0]), converged=np.zeros(2, bool),
        not_finite_at="the gradient of norm (Sqrt)")),
    "gap beyond chance": ("completeness", "fail", "no chance", dict(
        completeness="in expectation", delta=np.array([-0.3, 0.0]), error_estimate=np.array([0.01, 0.01]))),
    "few draws": ("completeness", "warn", "more samples", dict(
        completeness="in expectation", delta=np.array([-0.1, 0.0]), error_estimate=np.array([0.1, 0.01]))),
    "blurred tokens": ("standard error", "warn", "more baselines", dict(
        completeness="exact", token_standard_error={"embedding/lookup:0": np.full((2, 3), 0.3)})),
    "flat at the input": ("gradient", "warn", "Row 1: every gradient is zero", dict(
        values=((0.5, 0.1), (0.0, 0.0)), completeness="none", baseline_score=np.full(2, np.nan),
        delta=np.full(2, np.nan))),
    "cut off": ("cut off", "warn", "2 tokens", dict(token_texts=[list("abcde"), list("abc")])),
    "random": ("repeatability", "fail", "random", dict(
        values=((0.5, 0.1), (0.1, 0.5)), outputs=_softmax([[0.2, 0.8]] * 2), token_texts=[["a", "b"]] * 2)),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_what_is_wrong_is_said(name):
    check_name, verdict, words, fields = BAD[name]
    report = check(result(**fields))
    finding = report[check_name]
    assert finding.verdict == verdict and words in finding.advice, str(report)
    assert report.ok == (verdict != "fail") or report.worst == "fail"
    assert "\n" not in finding.advice and finding.advice[-1] in ".?"


def test_every_check_has_a_case_that_makes_it_speak():
    spoken = set()
    for each in CHECKS:
        for _, _, _, fields in BAD.values():
            with np.errstate(all="ignore"):
                spoken |= {each.__name__ for finding in each(result(**fields)) if finding.verdict != "ok"}
    # Asking about another class than the predicted one is nobody's mistake: that check only ever informs.
    assert spoken == {each.__name__ for each in CHECKS} - {"prediction"}


def test_explaining_another_class_than_the_predicted_is_said_and_is_no_fault():
    finding = check(result(prediction=np.array([1, 0])))["explained label"]
    assert finding.verdict == "ok" and "Row 1" in finding.advice and "predicts 0" in finding.advice


def test_equal_rows_with_equal_attributions_are_no_alarm():
    report = check(result(values=((0.5, 0.1), (0.5, 0.1)), outputs=_softmax([[0.2, 0.8]] * 2),
                          token_texts=[["a", "b"]] * 2))
    assert report.worst == "ok"


def test_baselines_are_compared_with_each_other():
    one = result(values=((1.0, 0.0, 0.1), (0.5, 0.2, 0.1)))
    alike = result(values=((0.9, 0.1, 0.1), (0.5, 0.2, 0.1)), baseline="mean")
    other = result(values=((0.0, 1.0, 0.0), (0.5, 0.2, 0.1)), baseline="noise")
    cosine = 0.91 / np.sqrt(1.01) / np.sqrt(0.83)
    agree = check(one, alike)["baselines agree"]
    assert agree.verdict == "ok" and abs(agree.value - min(cosine, 1.0)) < 1e-12
    assert "zero and the noise" in check(one, alike, other)["baselines agree"].advice
    assert not [finding for finding in check(one) if finding.name == "baselines agree"]


def test_an_explainer_tells_its_own_findings():
    class Explainer:
        def findings(self):
            return [Finding("dropout", "fail", 0.5, "Feed 1.0 to keep:0.")]

    report = check(result(), Explainer())
    assert not report.ok and report["dropout"].value == 0.5 and "keep:0" in str(report)
    with pytest.raises(TypeError, match="not int"):
        check(3)


def test_a_gap_beside_the_attributions_is_told_apart_from_the_quadrature():
    made = result(baseline_feed_score=np.array([-0.3, 0.2]), delta=np.array([0.002, 0.0]))
    advice = check(made)["side path gap"].advice
    assert "moves by 1.25:" in advice and "sum to 0.752" in advice and "misses -0.002" in advice
    assert "and 0.5 is what the feed decides" in advice and check(made)["completeness"].verdict == "ok"


def test_what_the_graph_says_is_in_the_report_of_a_result_once():
    said = Finding("batch norm", "fail", 1, "normed takes the statistics of the batch.")
    one, other = result(graph_findings=(said,)), result(graph_findings=(said,), baseline="mean")
    assert [finding for finding in check(one, other) if finding.name == "batch norm"] == [said]


def test_several_baselines_are_explained_and_compared():
    class Explainer:
        def explain(self, feed, baseline, label):
            sums = {"zero": (1.0, 0.0), "mean": (0.0, 1.0)}[baseline]
            return result(values=(sums,), baseline=baseline, outputs=_softmax([[0.1, 0.9]]), output_kind="softmax",
                          baseline_output=_softmax([[0.02, 0.98] if baseline == "mean" else [0.5, 0.5]]))

    found, report = compare_baselines(Explainer(), {"x": 1}, label="top")
    assert [each.baseline for each in found] == ["zero", "mean"]
    assert [(each.name, each.verdict) for each in report] == [
        ("baseline", "ok"), ("baseline", "warn"), ("baselines agree", "warn")]


def test_the_package_exports_the_check():
    assert tf1_ig.check is check


def test_padding_is_told_once_by_its_name_or_by_its_id():
    known = dict(values=((0.5, 0.3, 0.4), (0.5, 0.1, 0.25)),
                 ids={"embedding/lookup:0": np.array([[7, 0, 0], [5, 6, 0]])})
    for last, words in (("<pad>", "is on padding"), ("the", "is on id 0")):
        report = check(result(strings={"embedding/lookup:0": [["a", last, last], ["b", "c", last]]}, **known))
        finding, = [one for one in report if one.name == "padding"]
        assert words in finding.advice
