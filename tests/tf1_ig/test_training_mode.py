"""Explaining and editing what only a training job left: with ``--inference-mode`` it is what the served twin gives."""

import json
import shlex

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from tests.models.training_mode import CASES, LEFT, model_of
from tf1_ig import cli
from tf1_ig.question import training_mode

X = np.random.RandomState(4).normal(size=(3, 4)).astype(np.float32)


@pytest.mark.parametrize("name", ["of_the_release", "spelled_out", "fused_in_a_branch", "in_a_loop"])
def test_explain_in_inference_mode_is_the_explanation_of_the_network_built_for_it(name, tmp_path, capsys):
    path, feed, out = str(tmp_path / "job"), str(tmp_path / "feed.npz"), str(tmp_path / "why.npz")
    model_of(CASES[name].build, True).save(path)
    np.savez(feed, x=X)
    assert cli.main(["explain", path, "--feed", feed, "--output", "scores", "--input", "x", "--label", "1",
                     "--inference-mode", "--out", out]) == 0
    assert "inference mode: " in capsys.readouterr().out
    result = tf1_ig.load_attribution(out)
    with tf1_ig.IntegratedGradients(model_of(CASES[name].build, False), "scores", "x") as explainer:
        expected = explainer.explain({"x": X}, label=1)
    np.testing.assert_allclose(result.values["x:0"], expected.values["x:0"], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(result.score, expected.score, rtol=1e-5)


@pytest.mark.parametrize("name", ["of_the_release", "fused"])
def test_edit_writes_what_explains_and_proves_what_must_not_change(name, tmp_path, capsys):
    path, out = str(tmp_path / "job"), str(tmp_path / "served.pb")
    model_of(CASES[name].build, True).save(path)
    assert cli.main(["edit", path, "--inference-mode", "--prune", "scores", "--freeze", "--out", out]) == 0
    told = capsys.readouterr().out
    assert "agree in two runs" in told and "is the same before and after" in told
    with gt.load(out).open_session() as session, model_of(CASES[name].build, False).open_session() as other:
        np.testing.assert_allclose(session.run("scores:0", {"x:0": X}), other.run("scores:0", {"x:0": X}), rtol=1e-5)


def test_it_is_proposed_where_it_is_needed_and_helps():
    for name in ("of_the_release", "spelled_out", "fused", "in_a_loop"):
        served, edit = training_mode.mended(model_of(CASES[name].build, True), "scores")
        assert edit.rewired and "inference mode" in training_mode.told(edit)[0]
        assert training_mode.mended(served, "scores") is None
    for name in ("in_a_branch", "fed_probability"):  # a switch does it
        assert training_mode.mended(model_of(CASES[name].build, True), "scores") is None
    for name in LEFT:
        assert training_mode.mended(model_of(LEFT[name].build, True), "scores") is None


def test_the_part_that_is_asked_for_is_all_that_is_looked_at():
    model, asked = model_of(CASES["spelled_out"].build, True), []

    def needed(served):
        asked.append(served)
        return gt.prune(served, ["scores"])[0]

    part = gt.prune(model, ["scores"])[0]
    served, edit = training_mode.mended(model, "scores", part, needed)
    assert edit.rewired and len(asked) == 1 and set(served.index.nodes) < set(asked[0].index.nodes)
    assert training_mode.mended(served, "scores", needed=needed) is None and len(asked) == 1


def test_inspect_proposes_it_and_the_command_runs_as_it_stands(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model_of(CASES["of_the_release"].build, True).save("job.pb")
    assert cli.main(["inspect", "job.pb", "--json"]) == 0
    tree = json.loads(capsys.readouterr().out)
    assert tree["next"].split()[-3:] == ["--inference-mode", "--out", "why.html"]
    assert any("inference mode" in warning for warning in tree["warnings"])
    exec(shlex.split(tree["feed"])[2])  # the line that writes the feed
    assert cli.main(shlex.split(tree["next"])[1:]) == 0
    assert "inference mode: " in capsys.readouterr().out
    model_of(CASES["of_the_release"].build, False).save("served.pb")
    assert cli.main(["inspect", "served.pb", "--json"]) == 0
    tree = json.loads(capsys.readouterr().out)
    assert "--inference-mode" not in tree["next"] and not tree["warnings"]
