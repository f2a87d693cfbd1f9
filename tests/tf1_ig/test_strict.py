"""What fails a check is said on stderr, and is the exit status where a pipeline asks for it; what is flat says so."""

import json
import os

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from graph_tools import _tf
from tests.models import small
from tf1_ig import cli
from tf1_ig.scale import dataset

ROW = np.array([[1.0, 2.0, 3.0, 4.0]], np.float32)
ROUGH, FINE = ["--steps", "1", "--method", "right"], []


def cubic():
    x = _tf.tf.placeholder(_tf.tf.float32, [None, 4], "x")
    _tf.tf.reduce_sum(x * x * x, 1, name="y")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("cubic")
    small.model_of(cubic).save(str(path / "model.pb"))
    np.savez(str(path / "feed.npz"), **{"x:0": ROW})
    (path / "spec.json").write_text(json.dumps(dict(version=1, model={"path": "model.pb"}, output="y:0",
                                                    label=None, feed={"x:0": {"kind": "numbers", "column": "x"}})))
    (path / "rows.jsonl").write_text(json.dumps({"x": ROW[0].tolist()}) + "\n")
    return path


def explain(folder, *more):
    return cli.main(["explain", str(folder / "model.pb"), "--feed", str(folder / "feed.npz"), "--output", "y"] + list(
        more))


def many(folder, out, *more):
    pytest.importorskip("pyarrow")
    return cli.main(["explain-many", "--spec", str(folder / "spec.json"), "--input", str(folder / "rows.jsonl"),
                     "--workers", "0", "--out", str(out)] + list(more))


def test_a_check_that_fails_is_told_and_ends_a_strict_run_with_three(folder, tmp_path, capsys):
    assert explain(folder, *ROUGH) == 0
    told = capsys.readouterr()
    assert told.err == "warning: completeness failed; --strict ends with status 3 then\n"
    assert "[0] score 100" in told.out
    out = str(tmp_path / "why.json")
    assert explain(folder, *ROUGH, "--strict", "--out", out) == 3
    assert capsys.readouterr().err == "warning: completeness failed\n" and os.path.exists(out)
    assert explain(folder, *FINE, "--strict") == 0 and capsys.readouterr().err == ""


def test_explain_many_counts_the_rows_that_fail(folder, tmp_path, capsys):
    assert many(folder, tmp_path / "rough", "--steps", "1") == 0
    err = capsys.readouterr().err
    assert err == "warning: a check of 1 rows failed; --strict ends with status 3 then\n"
    # What is there already counts, too.
    assert many(folder, tmp_path / "rough", "--steps", "1", "--resume", "--strict") == 3
    assert many(folder, tmp_path / "fine", "--strict") == 0


def test_explain_many_takes_another_output_and_baseline(folder, tmp_path, capsys):
    assert many(folder, tmp_path / "out", "--baseline", "1") == 0
    row, = tf1_ig.scale.aggregates.rows(str(tmp_path / "out"))
    assert row["baseline_score"] == pytest.approx(4.0)
    np.testing.assert_allclose(row["attributions"], ROW[0] ** 3 - 1, rtol=1e-2)
    assert many(folder, tmp_path / "out", "--baseline", "0.5", "--resume") == 1
    assert "another spec" in capsys.readouterr().err
    assert many(folder, tmp_path / "other", "--output", "nothing") == 1 and "nothing" in capsys.readouterr().err


def test_where_nobody_watches_progress_is_a_line_now_and_then(folder, tmp_path, capsys, monkeypatch):
    pytest.importorskip("pyarrow")
    spec, rows = str(folder / "spec.json"), str(folder / "rows.jsonl")
    tf1_ig.explain_dataset(spec, rows, str(tmp_path / "short"), workers=0, progress=True)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(dataset, "EACH", -1.0)
    tf1_ig.explain_dataset(spec, rows, str(tmp_path / "long"), workers=0, progress=True)
    line, = capsys.readouterr().err.splitlines()
    assert line.startswith("1 rows, ") and "\r" not in line


def test_an_unknown_option_leads_to_the_help_of_its_command(capsys):
    for words in (["explain", "m.pb", "--bogus"], ["spec", "s.json", "--bogus"]):
        assert cli.main(words) == 2
        assert capsys.readouterr().err == "error: unrecognized arguments: --bogus; see: tf1-ig %s --help\n" % words[0]


def heads(size):
    def build():
        tf = _tf.tf
        x = tf.placeholder(tf.float32, [None, 4], "x")
        tf.nn.softmax(tf.matmul(tf.reduce_sum(x, 1, keepdims=True) * size + 4.0, [[0.0, 1.0, 0.0]], name="logits"),
                      name="p")
    return build


@pytest.mark.parametrize("size, told", [(0.75, True), (-0.75, False), (0.01, False), (3.0, True)])
def test_a_flat_probability_names_its_logits(size, told):
    feed = {"x:0": np.ones((1, 4), np.float32)}  # logits from 4 to 7, 1, 4.04, 16
    with tf1_ig.IntegratedGradients(small.model_of(heads(size)), "p") as explainer:
        found = explainer.explain(feed, label=1)
    assert found.logits == "logits:0"
    finding = tf1_ig.check(found)["saturation"]
    assert (finding.verdict == "warn" and "--output logits:0" in finding.advice) == told


def test_labels_are_no_input_of_the_prediction(tmp_path, capsys):
    def training():
        tf = _tf.tf
        x, y = tf.placeholder(tf.float32, [None, 4], "x"), tf.placeholder(tf.int32, [None], "y")
        logits = tf.matmul(x, tf.constant(small.WEIGHTS), name="logits")
        tf.nn.softmax(logits, name="p")
        tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits), name="loss")

    path = str(tmp_path / "model.pb")
    small.model_of(training).save(path)
    assert cli.main(["inspect", path, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["tensor"], "must be fed" in one["why"]) for one in found["inputs"]] == [("x:0", True), ("y:0", False)]
    assert len(gt.find_inputs(gt.load(path))) == 2


def test_pairs_of_a_row_that_is_not_finite_warn_of_nothing(recwarn):
    with tf1_ig.IntegratedGradients(small.model_of(cubic), "y") as explainer:
        found = explainer.interactions({"x": np.array([[np.nan, 1, 1, 1], [1, 2, 3, 4]], np.float32)})
    assert found.converged.tolist() == [False, True]
    assert not [one for one in recwarn if issubclass(one.category, RuntimeWarning)]
