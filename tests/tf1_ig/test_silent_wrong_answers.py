"""What TensorFlow answers wrongly without a word: each is refused or said, and each has a twin where nothing is."""

import functools
import json
import os

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from graph_tools import _tf
from graph_tools.errors import GraphToolsError
from tests.models import silent, small
from tf1_ig.commands import inspect as inspection

X = np.random.RandomState(8).normal(size=(4, 6)).astype(np.float32)
IDS = np.array([[3, 4, 5, 6], [7, 8, 9, 1], [2, 5, 11, 12]])


def _model(build, *arguments):
    made = functools.partial(build, *arguments)
    made.__name__ = build.__name__
    return small.model_of(made)


def _report(model, feed, output="scores", inputs="x", label=1, **options):
    with tf1_ig.IntegratedGradients(model, output, inputs) as explainer:
        found = explainer.explain(feed, label=label, **options)
    return found, tf1_ig.check(found)


def _quiet(report):
    assert report.worst == "ok", str(report)


@pytest.mark.parametrize("build, bad, good", [
    (silent.batch_norm_op, True, False), (silent.moments, 0, 1), (silent.softmax_over, 0, 1), (silent.mean_over, 0, 1)])
def test_rows_that_influence_each_other(build, bad, good):
    found, report = _report(_model(build, bad), {"x": X})
    assert report["row independence"].verdict == "fail" and found.running == "in company"
    assert abs(found.values["x:0"]).sum() > 0.01  # one row at a time would have given zeros
    alone, report = _report(_model(build, bad), {"x": X[:1]})
    assert not report.ok, str(report)
    found, report = _report(_model(build, good), {"x": X}, label="top")
    assert found.running == "packed"
    _quiet(report)


@pytest.mark.parametrize("kind, bad, good, named", [
    ("live", {}, None, "inference mode"), ("keep", {"keep": 0.5}, {"keep": 1.0}, "Feed keep:0"),
    ("flag", {"training": True}, {"training": False}, "Feed training:0")])
def test_dropout_left_on(kind, bad, good, named):
    model = _model(silent.dropout, kind)
    finding = _report(model, dict(bad, x=X), steps=4)[1]["randomness"]
    assert finding.verdict == "warn" and named in finding.advice
    found, report = _report(_model(silent.dropout, "none"), {"x": X})
    _quiet(report)
    if good is not None:
        off, report = _report(model, dict(good, x=X))
        np.testing.assert_allclose(off.values["x:0"], found.values["x:0"], atol=2e-3)
        _quiet(report)


@pytest.mark.parametrize("tensor, bad, good", [
    ("ids", 1.7, 2.0), ("ids", np.nan, 3), ("ids", 2 ** 33 + 5, 5), ("x", 1e300, np.float64(1.1))])
def test_a_feed_that_a_cast_would_change(tensor, bad, good):
    if tensor == "ids":
        model, inputs, feed = _model(silent.looked_up, "gather", None), "embedding", lambda value: np.where(
            IDS == 5, value, IDS.astype(np.asarray(value).dtype))
    else:
        model, inputs, feed = _model(silent.mean_over, 1), "x", lambda value: np.where(
            X == X[0, 0], value, X.astype(np.float64))
    with pytest.raises(GraphToolsError, match="would change in the cast"):
        _report(model, {tensor: feed(bad)}, inputs=inputs)
    _quiet(_report(model, {tensor: feed(good)}, inputs=inputs)[1])


@pytest.mark.parametrize("label", [3, -1, [0, 1, 2, 3]])
def test_a_label_out_of_range(label):
    model = _model(silent.mean_over, 1)
    with pytest.raises(GraphToolsError, match="out of range .* 0 to 2"):
        _report(model, {"x": X}, label=label)
    _quiet(_report(model, {"x": X}, label=[0, 1, 2, 0])[1])


@pytest.mark.parametrize("how", ["one_hot", "gather"])
def test_an_id_out_of_range(how):
    model = _model(silent.looked_up, how, None)
    with pytest.raises(GraphToolsError, match="(?i)out of range|not in"):
        _report(model, {"ids": np.where(IDS == 5, 20, IDS)}, inputs="auto")
    _quiet(_report(model, {"ids": IDS}, inputs="auto")[1])


def test_the_same_tensor_fed_twice():
    model = _model(silent.mean_over, 1)
    with pytest.raises(GraphToolsError, match="fed twice"):
        _report(model, {"x": X, "x:0": X + 1})
    _quiet(_report(model, {"x:0": X})[1])


def test_a_mean_of_no_tokens_and_a_division_by_a_zero_baseline():
    model = _model(silent.looked_up, "gather", "lengths")
    finding = _report(model, {"ids": IDS, "lengths": [4, 0, 2]}, inputs="embedding")[1]["finite numbers"]
    assert finding.verdict == "fail" and "Row 1" in finding.advice and "mean (RealDiv)" in finding.advice
    _quiet(_report(model, {"ids": IDS, "lengths": [4, 1, 2]}, inputs="embedding")[1])
    finding = _report(_model(silent.norm, False), {"x": X}, method="trapezoid", steps=9)[1]["finite numbers"]
    assert finding.verdict == "fail" and "the gradient of length (Sqrt)" in finding.advice
    _quiet(_report(_model(silent.norm, False), {"x": X})[1])
    _quiet(_report(_model(silent.norm, True), {"x": X}, method="gausslegendre", steps=64)[1])


def test_a_part_of_the_score_that_is_not_differentiable():
    found, report = _report(_model(silent.decided, True), {"x": X}, output="mixed")
    assert report["differentiable"].verdict == "warn" and "winner (ArgMax)" in report["differentiable"].advice
    assert not found.converged.all() and report["completeness"].verdict == "fail"
    assert "without a gradient" in report["completeness"].advice
    _quiet(_report(_model(silent.decided, False), {"x": X}, output="mixed")[1])


def test_a_softmax_without_a_class_and_a_saturated_one():
    found, report = _report(_model(silent.summed, 1.0), {"x": X}, output="total", label=None)
    assert report["effect"].verdict == "fail" and "explain one class" in report["effect"].advice
    drawn = found.to_html()
    assert "above rounding" in drawn and "--w:1" not in drawn and "--a:1" not in drawn
    with pytest.raises(GraphToolsError, match="3 elements to choose from"):
        _report(_model(silent.summed, 1.0), {"x": X}, label=None)
    report = _report(_model(silent.summed, 40.0), {"x": X}, label="top")[1]
    assert report["saturation"].verdict == "warn"
    _quiet(_report(_model(silent.summed, 1.0), {"x": X}, label="top")[1])


def test_explaining_through_an_assignment_moves_no_variable_of_the_user():
    tf = _tf.tf
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [None, 6], "x")
        scale = tf.get_variable("scale", initializer=1.0, use_resource=False)
        for name, read in (("assigned", tf.assign(scale, 50.0)), ("plain", scale)):
            tf.nn.softmax(tf.matmul(tf.tanh(x * read / 50.0), tf.constant(silent.INTO[:, :3])), name=name)
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            model = gt.from_session(session)
            moved = _report(model, {"x": X}, output="assigned")[0]
            assert session.run(scale) == 1.0
            still, report = _report(model, {"x": 50 * X}, output="plain", label="top")
            assert session.run(scale) == 1.0
    again = _report(model, {"x": 50 * X}, output="plain")[0]  # nor a value of the model
    np.testing.assert_allclose(moved.score, again.score, atol=1e-6)
    _quiet(report)


def test_a_file_cut_between_nodes_and_one_with_a_flipped_bit(tmp_path):
    model = _model(silent.mean_over, 1)
    whole = str(tmp_path / "whole.pb")
    model.save(whole)
    for gone in range(len(model.graph_def.node)):
        cut = _tf.tf.GraphDef()
        cut.CopyFrom(model.graph_def)
        del cut.node[gone:]
        path = str(tmp_path / "cut.pb")
        with open(path, "wb") as file:
            file.write(cut.SerializeToString())
        with pytest.raises(GraphToolsError):
            _report(gt.load(path), {"x": X})
    with open(whole, "rb") as file:
        data = bytearray(file.read())
    place = data.find(silent.HEAD.tobytes())
    data[place + 3] ^= 0x40
    flipped = str(tmp_path / "flipped.pb")
    with open(flipped, "wb") as file:
        file.write(data)
    # A GraphDef has no checksum: the file's own is what can be compared, and a weight out of all proportion is said.
    one, other = (json.loads(inspection.as_json(inspection.inspect(path))) for path in (whole, flipped))
    assert one["sha256"] != other["sha256"] and len(one["sha256"]) == 64
    assert [finding["name"] for finding in other["findings"] if finding["verdict"] != "ok"] == ["weights"]
    assert all(finding["verdict"] == "ok" for finding in one["findings"]) and one["warnings"] == []


def test_a_frozen_graph_named_like_a_saved_model(tmp_path):
    model = _model(silent.mean_over, 1)
    folder = tmp_path / "model"
    os.mkdir(str(folder))
    model.save(str(tmp_path / "frozen.pb"))
    os.rename(str(tmp_path / "frozen.pb"), str(folder / "saved_model.pb"))
    with pytest.raises(GraphToolsError, match="saved_model.pb"):
        gt.load(str(folder))
    _quiet(_report(gt.load(str(folder / "saved_model.pb")), {"x": X})[1])


def test_ids_that_also_feed_a_mask_are_named_and_their_part_is_exact():
    """``score - F(baseline ids)`` is attributions + quadrature + mask: each checked against the model itself."""
    model = _model(silent.looked_up, "gather", "ids")
    ids = np.where(IDS == 1, 0, IDS)
    found, report = _report(model, {"ids": ids}, inputs="embedding", baseline={"ids": 0}, steps=40)
    assert not np.isfinite(found.baseline_feed_score).any()  # a mean of no tokens, said as such
    found, report = _report(model, {"ids": ids}, inputs="embedding", baseline={"ids": np.array([[4, 0, 0, 0]] * 3)},
                            steps=40)
    with model.open_session() as session:
        score = session.run("scores:0", {"ids:0": ids})[:, 1]
        base_ids = np.array([[4, 0, 0, 0]] * 3)
        rows = session.run("embedding:0", {"ids:0": base_ids})
        here = session.run("scores:0", {"ids:0": ids, "embedding:0": rows})[:, 1]
        away = session.run("scores:0", {"ids:0": base_ids})[:, 1]
    sums = found.tokens["embedding:0"].sum(1)
    np.testing.assert_allclose(found.baseline_feed_score, away, atol=1e-6)
    np.testing.assert_allclose(found.baseline_score - found.baseline_feed_score, here - away, atol=1e-6)
    np.testing.assert_allclose((score - away) - sums, (here - away) - found.delta, atol=1e-6)
    finding = report["side path gap"]
    assert finding.verdict == "warn" and "is_word (NotEqual)" in finding.advice
    assert abs(finding.value - (here - away)[int(finding.advice.split()[1].rstrip(":"))]) < 1e-6
    assert report["completeness"].verdict == "ok"  # the quadrature's own part
    twin = _model(silent.looked_up, "gather", "lengths")
    found, report = _report(twin, {"ids": ids, "lengths": [4, 3, 4]}, inputs="embedding", baseline={"ids": 4})
    np.testing.assert_allclose(found.baseline_feed_score, found.baseline_score, atol=1e-6)
    _quiet(report)
    assert all("mask" not in each.advice for each in report)
