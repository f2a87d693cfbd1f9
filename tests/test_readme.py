"""Every Python block of the README runs as it stands, in order; every command line it shows is one that exists."""

import json
import pathlib
import re
import shlex

import numpy as np
import pytest

import graph_tools as gt
from graph_tools import _tf
from tf1_ig import cli, demo

README = (pathlib.Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")


def test_the_python_blocks_run_in_order(tmp_path, monkeypatch, capsys):
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) >= 4
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert names["result"].converged.all() and names["report"].ok and names["gradient"] is not None
    np.testing.assert_allclose(names["again"].score, names["result"].score)
    printed = capsys.readouterr().out
    assert "input/dequeue:0" in printed and "embedding/lookup:0" in printed and "fail" not in printed
    assert {"why.html", "why.npz", "served.pb"} <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.dealt
def test_the_commands_run(tmp_path, monkeypatch, capsys):
    ids, lengths = demo.encode([demo.tokenize("A superb film.")], demo.load_vocabulary())
    np.savez(str(tmp_path / "feed.npz"), **{demo.IDS: ids, demo.LENGTHS: lengths})
    (tmp_path / "reviews.txt").write_text("A superb film.\nA dull plot.\n")
    (tmp_path / "vocab.txt").write_bytes((pathlib.Path(demo.MODEL).parent / "vocab.txt").read_bytes())
    monkeypatch.chdir(tmp_path)
    _train(tmp_path)
    lines = [line.lstrip("$ ") for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL)
             for line in block.splitlines() if line.lstrip("$ ").startswith("tf1-ig ")]
    assert {shlex.split(line)[1] for line in lines} == {
        "inspect", "explain", "edit", "demo", "interactions", "evaluate", "explain-many", "report"}
    for line in lines:
        words = [demo.MODEL if word == "model.pb" else word for word in shlex.split(line)[1:]]
        assert cli.main(words) == 0, capsys.readouterr()
        told = capsys.readouterr().out
        if words[0] == "edit" and "job/model.ckpt-100" in words:  # the README says what edit prints
            line, = [line for line in told.splitlines() if line.startswith("feed ")]
            assert line in " ".join(README.split())
    assert {"why.html", "served.pb", "demo.html"} <= {path.name for path in tmp_path.iterdir()}


def test_the_demo_shown_is_the_demo_that_runs(tmp_path, capsys):
    shown = re.search(r"```console\n\$ tf1-ig demo (\".*?\")\n(.*?)```", README, re.DOTALL)
    demo.run([json.loads(shown.group(1))], out=str(tmp_path / "demo.html"))
    printed = capsys.readouterr().out
    shares = r"miss the difference by \S+"  # rounding error: another one on each TensorFlow
    assert re.sub(shares, "", printed).startswith(re.sub(shares, "", shown.group(2)).rstrip("\n"))


@pytest.mark.parametrize("key, words", [("test", "{:.1f} % of the {n} held-out"),
                                        ("test_with_hard_middle", "{:.1f} % of all {n:,}")])
def test_the_accuracy_stated_is_the_accuracy_measured(key, words):
    measured = demo.facts()[key]
    text = " ".join(README.split())
    assert words.format(100 * measured["accuracy"], n=measured["n"]) in text
    assert "majority class {:.1f} %".format(100 * measured["majority"]) in text


def test_make_targets_that_are_named_exist():
    makefile = (pathlib.Path(__file__).resolve().parent.parent / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z0-9-]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z0-9-]+)", README)) - {"and"} <= targets


def _train(folder):
    """The queue-fed job of the README, as a checkpoint with its .meta, and a batch for the graph without the queue."""
    tf = _tf.tf
    with tf.Graph().as_default(), tf.Session() as session:
        batch = tf.FIFOQueue(8, [tf.int32], name="batches").dequeue()
        table = tf.get_variable("table", [100, 8])
        hidden = tf.reduce_mean(tf.nn.embedding_lookup(table, batch), 1)
        tf.nn.softmax(tf.matmul(hidden, tf.get_variable("weights", [8, 3])), name="scores")
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(folder / "job" / "model.ckpt"), global_step=100)
    model, edit = gt.swap_inputs(gt.load(str(folder / "job" / "model.ckpt-100")))
    placeholder, = edit.placeholders.values()
    np.savez(str(folder / "batch.npz"), **{placeholder: np.array([[1, 2, 3]], np.int32)})
