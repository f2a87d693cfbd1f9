"""The numeric proof of an edit, and runs that cannot hang."""

import subprocess
import sys
import time

import numpy as np
import pytest

import graph_tools as gt
from graph_tools import _tf
from graph_tools.errors import BlockedRunError, FeedError, TensorNotFoundError
from graph_tools.running import runs
from tests.models import queues

_FEEDS = {"dequeue:0": queues.IDS[:4], "dequeue:1": queues.LABELS[:4]}


@pytest.fixture(scope="module")
def blocked():
    """The classifier behind a queue that nothing fills, with a control edge that leads to it."""
    return queues.build({name: build for name, build, _, _ in queues.MECHANISMS}["fifo_dequeue_many"],
                        control=True).model


def _changed(model, node_name, change):
    graph_def = model.graph_def
    change(next(node for node in graph_def.node if node.name == node_name))
    return model.with_graph_def(graph_def)


def _with_weights(model, values):
    return _changed(model, "Const", lambda node: node.attr["value"].tensor.CopyFrom(
        _tf.tf.make_tensor_proto(np.asarray(values, np.float32))))


def test_a_swap_is_proven(blocked):
    edited, edit = gt.swap_inputs(blocked)
    report = gt.verify(blocked, edited, _FEEDS, ["logits", "loss"])
    assert report.ok and [finding.name for finding in report] == ["nothing to wait for", "logits:0", "loss:0"]
    assert report["logits:0"].value == 0
    assert gt.verify(blocked, edited, _FEEDS, "logits", edit=edit).ok
    after = {edit.placeholders[name]: value for name, value in _FEEDS.items()}
    assert gt.verify(blocked, edited, (_FEEDS, after), "logits").ok


def test_a_change_of_one_number_is_seen(blocked):
    edited, _ = gt.swap_inputs(blocked)
    name = [node.name for node in edited.index.nodes.values() if node.op == "Const" and len(
        node.attr["value"].tensor.tensor_shape.dim) == 2 and node.name != "table"][0]
    weights = queues.WEIGHTS.copy()
    weights[2, 1] += 1e-3
    wrong = _changed(edited, name, lambda node: node.attr["value"].tensor.CopyFrom(
        _tf.tf.make_tensor_proto(weights)))
    report = gt.verify(blocked, wrong, _FEEDS, ["logits", "loss"])
    assert not report.ok and report["logits:0"].verdict == "fail"
    expected = np.abs(queues.TABLE[queues.IDS[:4]].mean(axis=1)[:, 2]).max() * 1e-3
    scale = max(1., np.abs(queues.logits_of(queues.IDS[:4])).max())
    assert report["logits:0"].value == pytest.approx(expected / scale, rel=1e-2)
    assert gt.verify(blocked, wrong, _FEEDS, ["logits", "loss"], tolerance=1e-2).ok


def test_nan_equals_nan_and_nothing_else():
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None], name="x")
        tf.log(x, name="y")
        tf.as_string(x, name="text")
    model = queues.Case(graph, None).model
    assert gt.verify(model, model, {"x": [-1., 0., 2.]}, ["y", "text"]).ok
    report = gt.verify(model, model, ({"x": [-1., 2.]}, {"x": [1., 2.]}), ["y", "text"])
    assert report["y:0"].verdict == "fail" and report["y:0"].value == np.inf
    assert report["text:0"].verdict == "fail" and report["text:0"].value == 1
    assert gt.verify(model, model, ({"x": [1.]}, {"x": [1., 2.]}), "y")["y:0"].verdict == "fail"


def test_a_model_that_still_waits_fails_the_proof(blocked):
    with pytest.raises(BlockedRunError, match="'dequeue'.*'rows/axis' waits for it through a control edge"):
        gt.verify(blocked, blocked, _FEEDS, "logits")


def test_what_is_missing_is_named(blocked):
    edited, _ = gt.swap_inputs(blocked)
    with pytest.raises(BlockedRunError, match="nothing is fed for 'dequeue:1'"):
        gt.verify(blocked, edited, {"dequeue:0": queues.IDS}, "loss")
    with pytest.raises(FeedError, match="'dequeu:0' is fed.*did you mean 'dequeue:0'"):
        gt.verify(blocked, edited, {"dequeu:0": queues.IDS}, "loss")
    with pytest.raises(TensorNotFoundError, match="'logit:0'"):
        gt.verify(blocked, edited, _FEEDS, "logit")


# ---- runs


def test_what_a_run_would_wait_for_is_known_before_it_starts(blocked):
    (waiting,) = runs.blocking_producers(blocked, "loss")
    assert waiting.node == "dequeue" and waiting.kind == "queue"
    assert waiting.unfed == ("dequeue:0", "dequeue:1") and waiting.control == ("rows/axis",)
    (waiting,) = runs.blocking_producers(blocked, "logits", _FEEDS)
    assert not waiting.unfed and waiting.control == ("rows/axis",)
    assert not runs.blocking_producers(blocked, "logits", {"rows": None})
    assert not runs.blocking_producers(blocked, "logits", {"rows": None, "rows/axis": None})
    assert not runs.blocking_producers(gt.swap_inputs(blocked)[0], ["logits", "loss"])
    with pytest.raises(BlockedRunError, match="graph_tools.swap_inputs"):
        runs.refuse_if_blocking(blocked, "logits", _FEEDS)


def test_a_run_on_an_empty_queue_ends_and_leaves_the_session_usable(blocked):
    with blocked.open_session() as session:
        start = time.monotonic()
        with pytest.raises(BlockedRunError, match="waited 0.5 s for 'dequeue'.*FIFOQueueV2 'examples'.*swap_inputs"):
            runs.run(session, "logits:0", _FEEDS, timeout=0.5)
        assert time.monotonic() - start < 10
        np.testing.assert_allclose(runs.run(session, "table:0", timeout=10), queues.TABLE)


def test_a_run_of_the_users_own_ends_and_names_the_queue(blocked):
    config = _tf.session_config()
    config.operation_timeout_in_ms = 500
    with pytest.raises(BlockedRunError, match="did not end within 0.5 s.*'dequeue'.*swap_inputs"):
        with blocked.open_session(config) as session:
            session.run("logits:0", _FEEDS)


_INTERRUPTED = """
import os, signal, threading, time
from graph_tools import _tf
from graph_tools.running import runs
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background starts with Ctrl-C ignored
tf = _tf.tf
with tf.Graph().as_default():
    rows = tf.FIFOQueue(2, [tf.float32], shapes=[[3]]).dequeue()
    with tf.Session() as session:
        threading.Timer(1.0, os.kill, [os.getpid(), signal.SIGINT]).start()
        start = time.monotonic()
        try:
            runs.run(session, rows, timeout=60)
        except KeyboardInterrupt:
            print("interrupted after %.1f s" % (time.monotonic() - start), flush=True)
            os._exit(0)  # the run that was left alone would keep the session open until its timeout
"""


def test_control_c_ends_a_run_that_waits():
    """In a process of its own: only a main thread sees Ctrl-C, and a test runner's worker may have none to spare."""
    done = subprocess.run([sys.executable, "-c", _INTERRUPTED], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert float(done.stdout.split()[2]) < 20


def test_other_errors_of_a_run_arrive_as_they_are(blocked):
    edited, edit = gt.swap_inputs(blocked)
    with edited.open_session() as session:
        with pytest.raises(_tf.tf.errors.InvalidArgumentError):
            runs.run(session, "logits:0", {edit.placeholders["dequeue:0"]: [[99, 0, 0]]})
