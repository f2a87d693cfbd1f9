"""A model whose own loop never ends at the baseline: the run is stopped, the loop named, and Ctrl-C is seen."""

import subprocess
import sys
import time

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from graph_tools import _tf
from tests.models import queues
from tf1_ig import cli

X = np.float32([[1.0, 2.0], [3.0, 0.5]])


def growing(functional: bool = False):
    """``y = x * steps`` where rows are added until each holds 10 (in a loop that zeros never leave)."""
    tf, util = _tf.tf, _tf.control_flow_util
    before, util.ENABLE_CONTROL_FLOW_V2 = util.ENABLE_CONTROL_FLOW_V2, functional
    try:
        with tf.Graph().as_default() as graph:
            x = tf.placeholder(tf.float32, [None, 2], name="x")
            _, total = tf.while_loop(lambda step, total: tf.reduce_any(tf.reduce_sum(total, 1) < 10.0),
                                     lambda step, total: (step + 1, total + x), [0, tf.zeros_like(x)], name="grow")
            tf.reduce_sum(total, 1, name="y")
    finally:
        util.ENABLE_CONTROL_FLOW_V2 = before
    return queues.Case(graph, None).model


@pytest.mark.parametrize("functional", [False, True])
def test_a_loop_that_never_ends_is_stopped_and_named(functional):
    with tf1_ig.IntegratedGradients(growing(functional), "y:0", "x:0", time_limit=2) as explainer:
        start = time.monotonic()
        with pytest.raises(gt.BlockedRunError, match="did not end within 2 s: the loop 'grow.*' does not stop .*"
                                                     "baseline.*time_limit=") as wrong:
            explainer.explain({"x:0": X}, steps=4)
        assert time.monotonic() - start < 30 and "\n" not in str(wrong.value)
        found = explainer.explain({"x:0": X}, baseline=0.5, steps=4)  # and the explainer can be used on
    assert np.isfinite(found.values["x:0"]).all() and np.abs(found.values["x:0"]).max() > 1


def test_the_limit_follows_the_runs_that_ended(monkeypatch):
    monkeypatch.setattr("tf1_ig.engine.operated.LEAST_LIMIT", 0.5)
    monkeypatch.setattr("tf1_ig.engine.operated.SLOWER", 1.0)
    with tf1_ig.IntegratedGradients(growing(), "y:0", "x:0") as explainer:
        with pytest.raises(gt.BlockedRunError, match="did not end within .* s: the loop 'grow"):
            explainer.explain({"x:0": X})


def test_the_command_line_says_it_in_one_line(tmp_path, capsys):
    growing().save(str(tmp_path / "growing.pb"))
    np.savez(str(tmp_path / "feed.npz"), x=X)
    assert cli.main(["explain", str(tmp_path / "growing.pb"), "--feed", str(tmp_path / "feed.npz"), "--output", "y",
                     "--input", "x", "--time-limit", "2"]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("error: the run did not end within 2 s: the loop 'grow")
    assert "--time-limit" in printed and printed.count("\n") == 1


_INTERRUPTED = """
import os, signal, threading, time
import tf1_ig
from tests.tf1_ig.test_time_limit import X, growing
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background starts with Ctrl-C ignored
model = growing()
with tf1_ig.IntegratedGradients(model, "y:0", "x:0") as explainer:
    threading.Timer(3.0, os.kill, [os.getpid(), signal.SIGINT]).start()
    start = time.monotonic()
    try:
        explainer.explain({"x:0": X}, steps=2)
    except KeyboardInterrupt:
        print("interrupted after %.1f s" % (time.monotonic() - start), flush=True)
    print("then", explainer.explain({"x:0": X}, baseline=0.5, steps=2).score[0])
"""


def test_control_c_ends_an_explanation():
    """In a process of its own, which ends by itself: the run that was left alone is stopped as well."""
    done = subprocess.run([sys.executable, "-c", _INTERRUPTED], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert float(done.stdout.split()[2]) < 20 and "then 12.0" in done.stdout
