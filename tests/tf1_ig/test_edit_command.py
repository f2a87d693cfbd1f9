"""``tf1-ig edit``: each edit alone and together, what it prints and what it writes."""

import os

import numpy as np
import pytest

import graph_tools as gt
from graph_tools import _tf
from tests.models import training
from tf1_ig import cli
from tf1_ig.integrations.signature import run_signature


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A checkpoint and ``.meta`` of a queue-fed job, whose code is not needed again."""
    tf = _tf.tf
    job = training.build()
    prefix = str(tmp_path_factory.mktemp("job") / "model")
    with job.graph.as_default(), tf.Session(graph=job.graph) as session:
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, prefix)
    return prefix


def _edit(capsys, *words):
    status = cli.main(["edit"] + [str(word) for word in words])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def _outputs(model, feed):
    with model.open_session() as session:
        return session.run("softmax:0", feed)


def test_a_place_that_is_taken_is_said_before_anything_is_done(checkpoint, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(gt, "load", None)  # nothing is loaded
    (tmp_path / "folder").mkdir()
    for taken in (tmp_path / "page.html", tmp_path / "folder" / "page.html"):
        taken.write_text("a page")
        out = taken if taken.parent == tmp_path else taken.parent
        status, _, err = _edit(capsys, checkpoint, "--freeze", "--out", out)
        assert status and "is there already" in err and taken.read_text() == "a page"


def test_swap_prune_and_freeze_a_checkpoint_into_one_file(checkpoint, tmp_path, capsys):
    out = str(tmp_path / "served.pb")
    status, printed, err = _edit(capsys, checkpoint, "--swap-inputs", "--prune", "softmax", "--freeze", "--out", out)
    assert status == 0, err
    assert "feed batch/component_0:0 instead of batch:0" in printed and "wrote " + out in printed
    assert "\n- " not in printed  # the nodes themselves only with --diff
    edited = gt.load(out)
    assert not [op for op in (node.op for node in edited.index.nodes.values()) if "Queue" in op or "Variable" in op]
    whole, edit = gt.swap_inputs(gt.load(checkpoint))
    feed = {"batch/component_0:0": training.IDS[:7]}
    np.testing.assert_allclose(_outputs(edited, feed), _outputs(whole, feed), atol=1e-6)


def test_the_diff_and_the_graphs_for_tensorboard(checkpoint, tmp_path, capsys):
    status, printed, err = _edit(capsys, checkpoint, "--swap-inputs", "--diff", "--tensorboard", tmp_path / "runs",
                                 "--out", tmp_path / "m.pb")
    assert status == 0, err
    assert "- batch/fifo_queue\n" in printed and "+ batch/component_0\n" in printed
    assert "~ rows" in printed and "tensorboard --logdir" in printed
    for run in ("before", "after"):
        assert any("tfevents" in name for name in os.listdir(str(tmp_path / "runs" / run)))


def test_a_saved_model_that_explains_itself(checkpoint, tmp_path, capsys):
    out = tmp_path / "served"
    status, printed, err = _edit(capsys, checkpoint, "--attribution-signature", "--output", "softmax", "--out", out)
    assert status == 0, err
    assert "attribution signature: 'attribution' explains softmax" in printed and "attributions" in printed
    found = run_signature(gt.load(str(out)), {"batch/component_0": training.IDS[:3]}, [1, 0, 1])
    rise = found["score"] - found["baseline_score"]
    np.testing.assert_allclose(found["attributions"].sum(axis=(1, 2)), rise, atol=1e-5)
    assert np.abs(rise).max() > 1e-3


@pytest.mark.parametrize("words", [[], ["--diff"], ["--attribution-signature", "--out", "x.pb"]])
def test_wrong_usage(checkpoint, capsys, words):
    status, _, err = _edit(capsys, checkpoint, *(words if "--out" in words else words + ["--out", "x.pb"]))
    assert status == 2 and err.startswith("error: ") and "see: tf1-ig edit --help" in err


def test_an_unknown_output_is_one_line(checkpoint, tmp_path, capsys):
    status, _, err = _edit(capsys, checkpoint, "--prune", "softmx", "--out", tmp_path / "m.pb")
    assert status == 1 and err.startswith("error: ") and "did you mean 'softmax:0'" in err and err.count("\n") == 1
    assert not os.path.exists(str(tmp_path / "m.pb"))


def test_what_changed_is_drawn(checkpoint, tmp_path, capsys):
    for name, start in (("edit.svg", "<svg"), ("edit.dot", "digraph")):
        drawn = tmp_path / name
        status, printed, err = _edit(capsys, checkpoint, "--swap-inputs", "--picture", drawn, "--out",
                                     tmp_path / (name + ".out"))
        assert status == 0, err
        assert "wrote %s" % drawn in printed
        text = drawn.read_text(encoding="utf-8")
        assert text.startswith(start) and "batch/component_0" in text
    status, _, err = _edit(capsys, checkpoint, "--swap-inputs", "--picture", "edit.jpg", "--out", tmp_path / "x")
    assert status == 2 and ".svg or .dot" in err
