"""Variants against closed forms, against what they are means of, and against the numbers of other libraries."""

import numpy as np
import pytest

import tf1_ig
from graph_tools import _tf
from tests.models import small
from tests.tf1_ig.brute_force import relative_l1
from tf1_ig import cli, ensemble, variants
from tf1_ig.errors import BaselineError, MethodError
from tf1_ig.methods import ALONG_PATHS

RANDOM = np.random.RandomState(11)
A, B, X, ROWS = (RANDOM.normal(size=shape) for shape in ((4, 5), (5, 3), (2, 4), (6, 4)))
TEXT = {"ids:0": np.array([[3, 1, 4, 1, 5], [9, 2, 6, 5, 3], [5, 8, 9, 7, 9]]), "lengths:0": [5, 3, 2],
        "temperature:0": 1.0}
OPTIONS = {"averaged": dict(baselines=ROWS), "expected_gradients": dict(baselines=ROWS, samples=30),
           "smoothgrad": dict(samples=5), "gradient": {}, "gradient_x_input": {}, "occlusion": {}, "shapley": {},
           "guided_ig": {}, "idgi": {}}


def network():
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    hidden = tf.tanh(tf.matmul(x, tf.constant(A.astype(np.float32))))
    tf.nn.softmax(tf.matmul(hidden, tf.constant(B.astype(np.float32))), name="y")


@pytest.fixture(scope="module")
def net():
    with tf1_ig.IntegratedGradients(small.model_of(network), "y", "x") as explainer:
        yield lambda variant, x=X, **more: explainer.explain_variant(variant, {"x:0": x}, label=1, **more)


@pytest.fixture(scope="module")
def text():
    with tf1_ig.IntegratedGradients(small.model_of(small.masked_text), "scores", "embedding") as explainer:
        yield explainer


# -- properties --------------------------------------------------------------------------------------------------------

def test_on_a_linear_model_every_variant_has_its_closed_form():
    x, rows, weights = X.astype(np.float32), ROWS.astype(np.float32), small.WEIGHTS[:, 1]
    expected = {"averaged": weights * (x - rows.mean(0)), "smoothgrad": weights * x,
                "gradient": np.tile(weights, (2, 1)),
                "gradient_x_input": weights * x, "expected_gradients": weights * (x - 0.5),
                "occlusion": weights * x, "shapley": weights * x, "guided_ig": weights * x,
                "idgi": weights ** 2 * (x @ weights)[:, None] / (weights ** 2).sum()}
    options = dict(OPTIONS, smoothgrad=dict(noise_level=0), expected_gradients=dict(baselines=[0.5, [0.5] * 4]))
    assert set(expected) == set(options) == set(variants.VARIANTS) - {"xrai"}  # of pictures: test_xrai.py
    with tf1_ig.IntegratedGradients(small.model_of(small.linear), "y", "x") as explainer:
        for name, values in expected.items():
            found = explainer.explain_variant(name, {"x:0": x}, label=1, **options[name])
            np.testing.assert_allclose(found.values["x:0"], values, atol=2e-6)
            assert found.converged.all() and found.technique == variants.VARIANTS[name].title


def test_the_mean_over_one_baseline_many_times_is_integrated_gradients_without_error(text):
    plain = text.explain(TEXT, label=1, baseline=0.25, steps=12)
    found = text.explain_variant("averaged", TEXT, label=1, baselines=[0.25] * 4, steps=12)
    np.testing.assert_allclose(found.values["embedding:0"], plain.values["embedding:0"], atol=1e-7)
    np.testing.assert_allclose(found.delta, plain.delta, atol=1e-6)
    assert found.token_standard_error["embedding:0"].shape == (3, 5)
    assert found.standard_error["embedding:0"].max() < 1e-7 and (found.evaluations == 48).all()


@pytest.mark.parametrize("more", [{"steps": 20}, {"steps": 30, "method": "midpoint"}, {"tolerance": 1e-4}])
def test_averaged_over_training_ids_is_the_mean_of_explanations_from_each(text, more):
    rows = np.array([[0, 7, 7, 2, 1], [11, 12, 13, 14, 15], [4, 4, 4, 4, 4]])
    found = text.explain_variant("averaged", TEXT, label="top", baselines={"ids:0": rows}, **more)
    each = [text.explain(TEXT, label="top", baseline={"ids:0": np.tile(row, (3, 1))}, **more) for row in rows]
    one_by_one = np.array([one.values["embedding:0"] for one in each])
    np.testing.assert_allclose(found.values["embedding:0"], one_by_one.mean(0), atol=1e-6)
    np.testing.assert_allclose(found.standard_error["embedding:0"], one_by_one.std(0, ddof=1) / 3 ** 0.5, atol=1e-6)
    np.testing.assert_allclose(found.token_standard_error["embedding:0"],
                               one_by_one.sum(-1).std(0, ddof=1) / 3 ** 0.5, atol=1e-6)
    mean_score = np.mean([one.baseline_score for one in each], 0)
    np.testing.assert_allclose(found.baseline_score, mean_score, atol=1e-6)
    np.testing.assert_allclose(found.values["embedding:0"].sum((1, 2)), found.score - mean_score, rtol=1e-2)
    np.testing.assert_allclose(found.baseline_output, np.mean([one.baseline_output for one in each], 0), atol=1e-6)
    assert found.method == each[0].method and found.converged.all()
    # Rows that share a run are rounded otherwise: near what is allowed the last bits decide about another node.
    apart = np.abs(found.evaluations - sum(one.evaluations for one in each))
    assert apart.max() <= (0 if "steps" in more else 2)


def test_expected_gradients_approach_the_average_over_the_same_rows_as_their_standard_error_says(net):
    exact = net("averaged", baselines=ROWS, tolerance=1e-4)
    errors = []
    for samples in (400, 6400):
        found = net("expected_gradients", baselines=ROWS, samples=samples, seed=3)
        away = (found.values["x:0"] - exact.values["x:0"]) / found.standard_error["x:0"]
        assert np.abs(away).max() < 4 and np.sqrt(np.mean(away ** 2)) > 0.2
        assert np.all(np.abs(found.delta) < 4 * found.error_estimate) and (found.evaluations == samples).all()
        errors.append(found.standard_error["x:0"])
    np.testing.assert_allclose(errors[0] / errors[1], 4, rtol=0.25)


def test_smoothgrad_without_noise_is_integrated_gradients_and_with_noise_their_mean(text):
    plain = text.explain(TEXT, label=1, steps=16)
    still = text.explain_variant("smoothgrad", TEXT, label=1, steps=16, noise_level=0, samples=3)
    np.testing.assert_allclose(still.values["embedding:0"], plain.values["embedding:0"], atol=1e-7)
    assert still.standard_error["embedding:0"].max() < 1e-7
    noisy = text.explain_variant("smoothgrad", TEXT, label=1, steps=16, noise_level=0.3, samples=40)
    assert np.abs(noisy.delta).max() < 1e-5 and np.abs(noisy.score - plain.score).max() > 1e-4
    assert not noisy.values["embedding:0"][1, 3:].any(), "masked tokens get nothing"


def test_smoothgrad_draws_noise_of_the_stated_width_around_each_rows_own_input(net):
    # The gradient path is linear in the input's values for a linear model: mean and spread of the noise show.
    with tf1_ig.IntegratedGradients(small.model_of(small.linear), "y", "x") as explainer:
        found = explainer.explain_variant("smoothgrad", {"x:0": X}, label=1, samples=400, noise_level=0.2, steps=1)
    width = 0.2 * (X.max(1) - X.min(1))[:, None] * np.abs(small.WEIGHTS[:, 1])
    np.testing.assert_allclose(found.standard_error["x:0"] * 20, width, rtol=0.15)
    assert np.all(np.abs(found.values["x:0"] - X * small.WEIGHTS[:, 1]) < 4 * width / 20)


def test_gradient_and_gradient_times_input_of_a_quadratic():
    with tf1_ig.IntegratedGradients(small.model_of(small.quadratic), "y", "x") as explainer:
        slope = explainer.explain_variant("gradient", {"x:0": X})
        product = explainer.explain_variant("gradient_x_input", {"x:0": X})
    np.testing.assert_allclose(slope.values["x:0"], 2 * small.WEIGHTS[:, 0] * X, rtol=1e-5)
    np.testing.assert_allclose(product.values["x:0"], 2 * small.WEIGHTS[:, 0] * X ** 2, rtol=1e-5)
    for found in (slope, product):
        assert np.isnan(found.delta).all() and np.isnan(found.baseline_score).all() and found.baseline_output is None
        assert found.completeness == "none" and found.standard_error is None and (found.evaluations == 1).all()


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_a_row_has_the_same_attributions_in_every_batch_and_the_same_draws_again(net, name):
    options = dict(OPTIONS[name], **{"steps": 7} if variants.VARIANTS[name].kind == ALONG_PATHS or name in (
        "guided_ig", "idgi") else {})
    found = net(name, **options)
    for more, part in (({}, found), ({"batch_size": 3}, found), ({"x": X[1:]}, found[1:])):
        again = net(name, **dict(options, **more))
        np.testing.assert_allclose(again.values["x:0"], part.values["x:0"], rtol=1e-5, atol=1e-7)
        if found.standard_error is not None:
            np.testing.assert_allclose(again.standard_error["x:0"], part.standard_error["x:0"], rtol=1e-4, atol=1e-7)


def test_another_seed_draws_others(net):
    for name, options in (("smoothgrad", {}), ("expected_gradients", {"baselines": ROWS}),
                          ("averaged", {"baselines": {"noise": 3}})):
        one, other = (net(name, seed=seed, **options).values["x:0"] for seed in (0, 1))
        assert np.abs(one - other).max() > 1e-4


def test_points_of_different_paths_share_runs_and_little_memory_changes_nothing(net, monkeypatch):
    rows_run = []
    weighted = ensemble.PointRunner.weighted
    monkeypatch.setattr(ensemble.PointRunner, "weighted", lambda self, rows, weights: rows_run.append(
        len(rows.alpha)) or weighted(self, rows, weights))
    at_once = net("expected_gradients", baselines=ROWS, samples=100)
    assert rows_run == [200]
    monkeypatch.setattr(ensemble, "FLOATS_AT_ONCE", 100)
    in_parts = net("expected_gradients", baselines=ROWS, samples=100)
    assert max(rows_run[1:]) <= 25 and sum(rows_run[1:]) == 200
    np.testing.assert_allclose(in_parts.values["x:0"], at_once.values["x:0"], rtol=1e-5, atol=1e-7)


# -- other kinds of rows -----------------------------------------------------------------------------------------------

def test_ragged_rows_keep_their_lists():
    feed = {"bag/indices:0": [[0, 0], [0, 1], [0, 2], [1, 0]], "bag/values:0": [3, 3, 7, 5], "bag/shape:0": [2, 3]}
    with tf1_ig.IntegratedGradients(small.model_of(small.word_bags), "y") as explainer:
        name = explainer.inputs[0]
        found = explainer.explain_variant("averaged", feed, label=1, baselines=[0.1, small.TABLE[2]], steps=20)
        each = [explainer.explain(feed, label=1, baseline=one, steps=20) for one in (0.1, small.TABLE[2])]
        noisy = explainer.explain_variant("smoothgrad", feed, label=1, steps=20)
        alone = explainer.explain_variant("smoothgrad", {
            "bag/indices:0": [[0, 0]], "bag/values:0": [5], "bag/shape:0": [1, 1]}, label=1, steps=20)
    for row in range(2):
        mean = (each[0].values[name][row] + each[1].values[name][row]) / 2
        np.testing.assert_allclose(found.values[name][row], mean, atol=1e-6)
        assert found.standard_error[name][row].shape == mean.shape
        assert found.token_standard_error[name][row].shape == mean.shape[:1]
    np.testing.assert_allclose(alone.values[name][0], noisy.values[name][1], atol=1e-6)


@pytest.mark.parametrize("build,batch_axis,running", [
    (small.fixed_batch, 0, "fixed batch"), (small.batch_normed, 0, "in company"),
    (small.whole_loss, None, "one at a time")])
def test_rows_that_must_keep_company_keep_it(build, batch_axis, running):
    output = "loss" if build is small.whole_loss else "y"
    with tf1_ig.IntegratedGradients(small.model_of(build), output, "x", batch_axis=batch_axis) as explainer:
        label = None if output == "loss" else 1
        found = explainer.explain_variant("averaged", {"x:0": X}, label=label, baselines=[0.0, 0.5], steps=8)
        each = [explainer.explain({"x:0": X}, label=label, baseline=one, steps=8) for one in (0.0, 0.5)]
    assert found.running == running == each[0].running
    np.testing.assert_allclose(found.values["x:0"], (each[0].values["x:0"] + each[1].values["x:0"]) / 2, atol=1e-6)
    np.testing.assert_allclose(found.delta, (each[0].delta + each[1].delta) / 2, atol=1e-6)
    assert found.baseline == "0.0, 0.5"


@pytest.mark.parametrize("variant,options", [
    ("averaged", {"baselines": [0.0, 5.0], "steps": 40}),
    ("smoothgrad", {"noise_level": 5, "samples": 3, "steps": 40}),
    ("expected_gradients", {"baselines": [5.0], "samples": 3})])
def test_company_that_only_the_variants_own_points_disturb_is_noticed(variant, options):
    quiet = np.random.RandomState(3).uniform(-1, 1, (3, 4)).astype(np.float32)
    with tf1_ig.IntegratedGradients(small.model_of(small.loudest_row), "y", "x") as explainer:
        assert explainer.explain({"x": quiet}, label=1, steps=40).running == "packed"
        found = explainer.explain_variant(variant, {"x": quiet}, label=1, **options)
        assert explainer.explain({"x": quiet}, label=1, steps=40).running == "packed"
        if variant == "averaged":
            each = [explainer.explain({"x": quiet}, label=1, baseline=one, steps=40) for one in (0.0, 5.0)]
            mean = (each[0].values["x:0"] + each[1].values["x:0"]) / 2
            np.testing.assert_allclose(found.values["x:0"], mean, atol=1e-6)
    assert found.running == "in company" and "influence" in found.notes[0]


def test_several_inputs_take_their_rows_by_name_and_another_batch_axis_its_own():
    model = small.model_of(small.two_lookups)
    feed = {"words:0": RANDOM.randint(0, 20, (4, 3)), "characters:0": RANDOM.randint(0, 20, (12, 2))}
    rows = {"word_rows:0": RANDOM.normal(size=(3, 3, 4)), "character_rows:0": RANDOM.normal(size=(3, 3, 2, 4))}
    with tf1_ig.IntegratedGradients(model, "scores", list(rows)) as explainer:
        found = explainer.explain_variant("averaged", feed, label=1, baselines=rows, steps=20)
        each = [explainer.explain(feed, label=1, steps=20, baseline={name: rows[name][number] for name in rows})
                for number in range(3)]
    for name in rows:
        assert relative_l1(found.values[name], np.mean([one.values[name] for one in each], 0)) < 1e-5
    with tf1_ig.IntegratedGradients(small.model_of(small.time_major_text), "y", batch_axis=1) as explainer:
        ids = RANDOM.randint(0, 20, (5, 3))
        several = explainer.explain_variant("averaged", {"ids:0": ids}, label=1, steps=9, baselines=["zero", "mean"])
        each = [explainer.explain({"ids:0": ids}, label=1, steps=9, baseline=one) for one in ("zero", "mean")]
        name = explainer.inputs[0]
    np.testing.assert_allclose(several.values[name], (each[0].values[name] + each[1].values[name]) / 2, atol=1e-6)


# -- numbers of other libraries ----------------------------------------------------------------------------------------

# Computed once in float64 for ``softmax(tanh(x A) B)[1]`` at X: captum 0.9.0 (torch 2.13.0): the mean of
# IntegratedGradients (gausslegendre, 64) over ROWS, Saliency (abs=False), InputXGradient.
CAPTUM = {
    "averaged": [[0.07218385742086554, -0.01629553419570141, 0.3401656313479197, -0.17650471234275897],
                 [-0.0487420448211755, -0.029943092766959847, -0.024085859780216518, 0.01840303016735918]],
    "gradient": [[-0.46350687252250633, 0.11299560577252214, 0.23609096830826298, 0.2169364586235101],
                 [0.006062605407372697, 0.003739725458149196, 0.00047688965040542557, -0.018347067424046265]],
    "gradient_x_input": [[-0.029512252655310694, 0.03348592099804832, 0.3311815919138092, -0.33557088739293145],
                         [0.00785482423811711, -0.0008872515319166749, -0.0005876931516450096, 0.0031633970936422915]],
}
# Means over random draws with their standard errors: captum's GradientShap without noise (5 × 20,000 draws), shap
# 0.48.0's GradientExplainer (5 × 2,000), captum's NoiseTunnel over IntegratedGradients from zero (20 × 1,000, noise of
# 15 % of the range) and PAIR saliency 0.2.1's GetSmoothedMask of IntegratedGradients (5 × 400).
DRAWN = {
    ("expected_gradients", "captum"): (
        [[0.07209803734791112, -0.01669095394750987, 0.341582303959134, -0.17768299169236274],
         [-0.049083402798530004, -0.030066019444966258, -0.024214372413076203, 0.018373232517042582]],
        [[0.0003147, 0.0001658, 0.0005723, 0.0004384], [0.0002055, 0.0001068, 0.0000783, 0.0001335]]),
    ("expected_gradients", "shap"): (
        [[0.0721551619178952, -0.018191794403679584, 0.3398856482151475, -0.1763274754466819],
         [-0.049720436450224156, -0.03098810764173447, -0.023398373153013925, 0.01795461960902035]],
        [[0.0018731, 0.0009544, 0.0019177, 0.0012277], [0.0013605, 0.0011951, 0.0003970, 0.0002199]]),
    ("smoothgrad", "captum"): (
        [[-0.019215781118715337, 0.0312988388909841, 0.30254858868998075, -0.1951821289916826],
         [-0.12054668107527103, -0.007524640452654305, -0.05998421704666147, -0.002491704036630735]],
        [[0.0013020, 0.0003564, 0.0009243, 0.0010265], [0.0001464, 0.0000940, 0.0001224, 0.0001244]]),
    ("smoothgrad", "saliency"): (
        [[-0.014334145002067089, 0.030097637325525284, 0.30479151010513306, -0.20222270488739014],
         [-0.12172110378742218, -0.007820738479495049, -0.06046571582555771, -0.0022895473521202803]],
        [[0.0015859, 0.0017437, 0.0027090, 0.0039387], [0.0003249, 0.0001963, 0.0003652, 0.0004797]]),
}


@pytest.mark.parametrize("name", sorted(CAPTUM))
def test_captum_gives_the_same_numbers(net, name):
    found = net(name, **dict(OPTIONS[name], **{"steps": 64} if name == "averaged" else {}))
    np.testing.assert_allclose(found.values["x:0"], CAPTUM[name], atol=2e-6)


@pytest.mark.dealt
@pytest.mark.parametrize("name,library", sorted(DRAWN))
def test_other_libraries_draw_the_same_means(net, name, library):
    if name == "smoothgrad":
        found = net(name, samples=2000, noise_level=0.15, steps=12)
    else:
        found = net(name, baselines=ROWS, samples=20000)
    means, errors = map(np.array, DRAWN[name, library])
    # PAIR saliency gives the ends of the path full weight: with 200 steps half a per cent, seen beside the noise.
    bias = 0.005 * np.abs(means).max() if library == "saliency" else 0.0
    away = np.abs(found.values["x:0"] - means) - bias
    assert np.all(away < 4.5 * np.hypot(errors, found.standard_error["x:0"])), away / errors


def test_captum_beside_us_when_it_is_here(net):
    attr = pytest.importorskip("captum.attr", reason="captum is not installed in this environment")
    torch = pytest.importorskip("torch")
    x = torch.tensor(X)
    model = lambda given: torch.softmax(torch.tanh(given @ torch.tensor(A)) @ torch.tensor(B), 1)  # noqa: E731
    method = attr.IntegratedGradients(model)
    expected = np.mean([method.attribute(x, torch.tensor(row[None]).expand_as(x), target=1, n_steps=30,
                                         method="riemann_trapezoid").numpy() for row in ROWS], 0)
    found = net("averaged", baselines=ROWS, steps=30, method="captum_trapezoid")
    np.testing.assert_allclose(found.values["x:0"], expected, atol=2e-6)
    assert not found.converged.any()


# -- what a result says ------------------------------------------------------------------------------------------------

@pytest.mark.dealt
@pytest.mark.parametrize("suffix", [".npz", ".json"])
@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_a_variant_is_saved_and_loaded(net, tmp_path, name, suffix):
    found = net(name, **OPTIONS[name])
    path = str(tmp_path / ("found" + suffix))
    found.save(path)
    back = tf1_ig.load_attribution(path)
    assert (back.technique, back.completeness, back.method) == (found.technique, found.completeness, found.method)
    for field in ("values", "standard_error", "token_standard_error"):
        one, other = getattr(found, field), getattr(back, field)
        assert (one is None) == (other is None)
        for key in one or ():
            np.testing.assert_array_equal(one[key], other[key])
    np.testing.assert_array_equal(back.delta, found.delta)
    assert len(back[1:]) == 1 and back[1:].technique == found.technique


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_pages_and_checks_claim_no_more_than_the_variant_does(net, name):
    found = net(name, **OPTIONS[name])
    claims, page, report = found.completeness, found.to_html(), tf1_ig.check(found)
    judged = {finding.name for finding in report}
    assert variants.VARIANTS[name].title in page and variants.VARIANTS[name].title in str(found)
    assert ("completeness" in judged) == (claims != "none")
    assert ("no claim about the sum" in page) == (claims == "none") and ("Delta" in page) == (claims != "none")
    assert ("Standard errors" in page or found.standard_error is None or found.tokens["x:0"].ndim < 2)
    assert ("standard error" in judged) == (found.standard_error is not None)
    assert "nan" not in str(found) and not (claims == "none" and "nan" in page.lower())
    assert report.ok, str(report)


def test_frames_have_the_standard_errors_of_their_tokens(text):
    pytest.importorskip("pandas", reason="pandas is not installed in this environment")
    found = text.explain_variant("averaged", TEXT, label=1, baselines=["zero", "mean", 0.3], steps=9)
    frame = found.to_frame()
    np.testing.assert_allclose(frame["standard_error"], found.token_standard_error["embedding:0"].ravel())
    assert "standard_error" not in text.explain(TEXT, label=1, steps=9).to_frame().columns
    assert "Standard errors of the means" in found.to_html()


def test_a_gap_beyond_chance_is_told_from_the_noise_of_drawing():
    with tf1_ig.IntegratedGradients(small.model_of(small.partly_discrete), "y", "x") as explainer:
        found = explainer.explain_variant("expected_gradients", {"x:0": 3 * np.abs(X)}, baselines=[0.0])
        few = explainer.explain_variant("expected_gradients", {"x:0": 3 * np.abs(X)}, baselines=ROWS, samples=4)
    assert tf1_ig.check(found)["completeness"].verdict == "fail"
    assert tf1_ig.check(few)["completeness"].verdict in ("warn", "fail")


# -- wrong calls -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name,options,error,words", [
    ("deeplift", {}, MethodError, "'expected_gradients'"),
    ("averaged", {}, MethodError, "needs baselines; it takes baselines, seed"),
    ("gradient", {"samples": 3}, MethodError, "knows no samples; it takes no options"),
    ("gradient", {"steps": 3}, MethodError, "leave out steps"),
    ("expected_gradients", {"baselines": ROWS, "steps": 9}, MethodError, "how many is another option: samples"),
    ("expected_gradients", {"baselines": ROWS, "samples": 0}, MethodError, "samples must be"),
    ("smoothgrad", {"noise_level": -1}, MethodError, "noise_level"),
    ("averaged", {"baselines": []}, BaselineError, "at least one"),
    ("averaged", {"baselines": 0.5}, BaselineError, "a list, an array"),
    ("averaged", {"baselines": {"noise": 0}}, BaselineError, "whole number"),
    ("averaged", {"baselines": np.zeros((3, 5))}, BaselineError, "must broadcast"),
    ("averaged", {"baselines": ROWS, "method": "lit_trapezoid"}, MethodError, "pass steps="),
])
def test_a_wrong_call_says_what_is_right(net, name, options, error, words):
    with pytest.raises(error, match=words):
        net(name, **options)


def test_training_ids_of_another_length_are_refused(text):
    with pytest.raises(BaselineError, match=r"shape \[4\] for ids:0 does not fit the feed's \[3, 5\]; pad or cut"):
        text.explain_variant("averaged", TEXT, label=1, baselines={"ids:0": np.zeros((2, 4), int)})


def test_the_command_line_takes_variants(tmp_path, capsys):
    model, feed, rows = (str(tmp_path / name) for name in ("net.pb", "feed.npz", "rows.npy"))
    small.model_of(network).save(model)
    np.savez(feed, **{"x:0": X})
    np.save(rows, ROWS)
    call = ["explain", model, "--feed", feed, "--output", "y:0", "--input", "x:0", "--label", "1"]
    out = str(tmp_path / "out.json")
    drawn = ["--variant", "expected_gradients", "--baselines", rows, "--samples", "50"]
    assert cli.main(call + drawn + ["--out", out]) == 0
    assert "Expected gradients of y:0" in capsys.readouterr().out
    assert tf1_ig.load_attribution(out).technique == "Expected gradients"
    assert cli.main(call + ["--variant", "averaged", "--baselines", '{"noise": 3}', "--steps", "5"]) == 0
    assert cli.main(call + ["--variant", "gradient"]) == 0
    assert "baseline" not in capsys.readouterr().out.splitlines()[-2]
    assert cli.main(call + ["--variant", "averaged"]) == 1
    assert "needs --baselines" in capsys.readouterr().err
    assert cli.main(call + ["--samples", "5"]) == 2
    assert "--samples belongs to --variant" in capsys.readouterr().err
