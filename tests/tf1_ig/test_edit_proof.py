"""Before ``tf1-ig edit`` writes a file it has compared the outputs; a file that changes them is not written."""

import os
import re

import numpy as np
import pytest

import graph_tools as gt
from graph_tools import _tf
from graph_tools.errors import EditError, FeedError
from tests.models import queues
from tf1_ig import cli
from tf1_ig.commands import edit_proof

_SAID = "%s is the same before and after: largest relative difference 0, on "


@pytest.mark.dealt
@pytest.mark.parametrize("name", [name for name, _, _, _ in queues.MECHANISMS])
def test_every_mechanism_is_compared_on_values_that_are_made_up(name, tmp_path):
    build, batch = next((build, batch) for one, build, _, batch in queues.MECHANISMS if one == name)
    case = queues.build(build, str(tmp_path), control=name != "behind_default")
    edited, _ = gt.swap_inputs(case.model)
    proof = edit_proof.prove(case.model, edited, ["logits:0", "loss:0"])
    assert [line.startswith(_SAID % output) for line, output in zip(proof.lines, ("logits:0", "loss:0"))] == [True] * 2
    (ids,) = [value for value in proof.feed.values() if value.ndim == 2]
    assert len(ids) == (batch or 2) and set(ids.ravel()) == {0, 1}


def test_a_batch_may_go_by_old_or_by_new_names(tmp_path):
    case = queues.build(queues.train_batch, control=True)
    edited, edit = gt.swap_inputs(case.model)
    old = {"batch:0": queues.IDS[:2], "batch:1": queues.LABELS[:2]}
    new = {edit.placeholders[name]: value for name, value in old.items()}
    assert edit_proof.prove(case.model, edited, ["loss:0"], old).lines == edit_proof.prove(
        case.model, edited, ["loss:0"], new).lines == ((_SAID % "loss:0") + "the given batch",)
    with pytest.raises(FeedError, match="did you mean"):
        edit_proof.prove(case.model, edited, ["loss:0"], {"bach:0": queues.IDS[:2]})


def _graph(build):
    with _tf.tf.Graph().as_default() as graph, _tf.control_flow_v1():
        build(_tf.tf)
    return queues.Case(graph, None).model


def test_serialized_examples_and_sparse_features():
    def build(tf):
        parsed = tf.parse_example(tf.placeholder(tf.string, [None], name="examples"), {
            "size": tf.FixedLenFeature([2], tf.float32), "words": tf.VarLenFeature(tf.string)})
        length = tf.reduce_sum(tf.to_float(tf.strings.length(tf.sparse.to_dense(parsed["words"], ""))), 1)
        tf.sigmoid(tf.reduce_sum(parsed["size"], 1) + length, name="y")
    model = _graph(build)
    for parsed in (True, False):
        edited, _ = gt.swap_inputs(model, parsed=parsed)
        (line,) = edit_proof.prove(model, edited, ["y:0"]).lines
        assert line.startswith(_SAID % "y:0"), line


def test_what_cannot_be_compared_is_said():
    def dropped(tf):
        x = tf.placeholder(tf.float32, [None, 50], name="x")
        tf.reduce_sum(x * tf.round(tf.random_uniform(tf.shape(x))), 1, name="y")

    def unset(tf):
        tf.matmul(tf.placeholder(tf.float32, [None, 2]), tf.get_variable("weights", [2, 2]), name="y")

    def strict(tf):
        x = tf.placeholder(tf.float32, [None, 2], name="x")
        with tf.control_dependencies([tf.assert_greater(x, 5.0)]):
            tf.identity(x, name="y")
    for build, why in ((dropped, "y:0 differ from run to run"), (unset, "'weights' has no value"),
                       (strict, "assertion failed.*--feed FILE")):
        model = _graph(build)
        (line,) = edit_proof.prove(model, model, ["y:0"]).lines
        assert line.startswith("not compared before and after: ")
        assert re.search(why, line), line
    assert "name one with --output" in edit_proof.prove(model, model, []).lines[0]
    assert edit_proof.prove(model, model, ["y:0"], {"x": [[6.0, 7.0]]}).feed is not None


@pytest.fixture
def broken_prune(monkeypatch):
    """An edit with a fault: a weight of the classifier is another one."""
    def prune(model, outputs):
        graph_def = model.graph_def
        table = next(node for node in graph_def.node if node.name == "table")
        table.attr["value"].tensor.CopyFrom(_tf.tf.make_tensor_proto(queues.TABLE * 1.001))
        return model.with_graph_def(graph_def), gt.prune_as_it_is(model, outputs)[1]
    monkeypatch.setattr(gt, "prune_as_it_is", gt.prune, raising=False)
    monkeypatch.setattr(gt, "prune", prune)


def test_an_edit_that_changes_an_output_writes_nothing(tmp_path, capsys, broken_prune):
    model = queues.build(queues.train_batch, control=True).model
    model.save(str(tmp_path / "job.pb"))
    edited, _ = gt.prune(model, "logits")
    with pytest.raises(EditError, match="changes logits:0 on made-up values.*before .*, after "):
        edit_proof.prove(model, edited, ["logits:0"])
    assert cli.main(["edit", str(tmp_path / "job.pb"), "--swap-inputs", "--prune", "logits", "--out",
                     str(tmp_path / "served.pb")]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("error: the edit changes logits:0") and printed.count("\n") == 1
    assert os.listdir(str(tmp_path)) == ["job.pb"]


def test_the_command_says_what_it_compared(tmp_path, capsys):
    queues.build(queues.train_batch, control=True).model.save(str(tmp_path / "job.pb"))
    np.savez(str(tmp_path / "batch.npz"), **{"batch:0": queues.IDS[:2]})
    for words, said in ((["--swap-inputs"], "made-up values for batch:0 int64 [2, 3]"),
                        (["--prune", "logits"], "[2, 3] in place of what the queue holds"),
                        (["--swap-inputs", "--output", "logits", "--feed", str(tmp_path / "batch.npz")],
                         "the given batch")):
        status = cli.main(["edit", str(tmp_path / "job.pb"), "--out", str(tmp_path / "served.pb")] + words)
        printed = capsys.readouterr()
        assert status == 0, printed.err
        assert (_SAID % "logits:0") in printed.out and said in printed.out


def _split_by_hand(tf):
    """A batch of four that an attribute of an op fixes, which no edit of constants frees; and a twin that is free."""
    rows, = tf.train.batch([tf.random_uniform([3])], 4, name="batch"),
    tf.sigmoid(tf.reduce_sum(tf.concat(tf.split(rows, 4, 0), 0), 1), name="y")
    tf.sigmoid(tf.reduce_sum(tf.reshape(rows, [4, 3]), 1), name="free")


def test_a_batch_that_is_not_free_is_put_back_and_a_claim_that_it_is_is_not_written(tmp_path, capsys):
    _graph(_split_by_hand).save(str(tmp_path / "job.pb"))
    words = ["edit", str(tmp_path / "job.pb"), "--swap-inputs", "--out", str(tmp_path / "out.pb"), "--output"]
    assert cli.main(words + ["y", "--relax-batch"]) == 1
    error = capsys.readouterr().err
    assert "batch of 4 rows is not free" in error and error.count("\n") == 1 and os.listdir(str(tmp_path)) == ["job.pb"]
    for output, rows in (("y", 4), ("free", None)):
        assert cli.main(words + [output, "--prune", output]) == 0
        assert ("take 4 rows alone" in capsys.readouterr().out) == (rows == 4)
        (one,) = gt.find_inputs(gt.load(str(tmp_path / "out.pb")))
        assert one.batch == rows and one.shape == (rows, 3)


def test_a_signature_that_was_not_compared_is_not_written(tmp_path, capsys):
    def strict(tf):
        table = tf.constant(queues.TABLE)
        ids = tf.placeholder(tf.int32, [None, 3], name="ids")
        with tf.control_dependencies([tf.assert_greater(ids, 1)]):
            rows = tf.gather(table, tf.identity(ids), name="rows")
        tf.sigmoid(tf.reduce_sum(rows, [1, 2]), name="y")
    _graph(strict).save(str(tmp_path / "m.pb"))
    np.savez(str(tmp_path / "feed.npz"), **{"ids:0": np.array([[2, 3, 2]])})
    words = ["edit", str(tmp_path / "m.pb"), "--attribution-signature", "--output", "y", "--out",
             str(tmp_path / "served")]
    assert cli.main(words) == 1
    assert "--feed FILE" in capsys.readouterr().err and not os.path.exists(str(tmp_path / "served"))
    assert cli.main(words + ["--feed", str(tmp_path / "feed.npz")]) == 0
    assert os.path.isdir(str(tmp_path / "served"))


@pytest.mark.parametrize("more", [["--picture", "nowhere/a.svg"], ["--tensorboard", "job.pb"], ["--out", "full"]])
def test_places_are_looked_at_before_anything_is_done(tmp_path, capsys, monkeypatch, more):
    monkeypatch.chdir(str(tmp_path))
    queues.build(queues.train_batch, control=True).model.save("job.pb")
    os.makedirs("full/of")
    assert cli.main(["edit", "job.pb", "--swap-inputs", "--out", "out.pb"] + more) == 1
    printed = capsys.readouterr()
    assert more[1].split("/")[0] in printed.err and printed.err.count("\n") == 1 and not printed.out.strip()
    assert sorted(os.listdir(".")) == ["full", "job.pb"]
