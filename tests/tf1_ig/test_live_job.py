"""A queue-fed training job, its threads running, is explained meanwhile: it learns the same, and loses no batch."""

import threading
import time

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from graph_tools import _tf
from tests.models import training

_FEED = {"batch:0": training.IDS[:3]}


def _expected_batches(count):
    order = np.arange(count * training.BATCH) % len(training.IDS)
    return training.IDS[order].reshape(count, training.BATCH, training.WORDS)


def _train(steps=None, seconds=None, beside=None):
    """Trains; ``beside(session, stop)`` runs in another thread meanwhile. Returns losses, batches, ops added."""
    tf = _tf.tf
    job = training.build()
    losses, batches, failures, stop = [], [], [], threading.Event()
    with tf.Session(graph=job.graph) as session:
        with job.graph.as_default():
            session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
            coordinator = tf.train.Coordinator()
            threads = tf.train.start_queue_runners(session, coordinator)
        ops = len(job.graph.get_operations())
        before = job.graph.as_graph_def().SerializeToString(deterministic=True)

        def work():
            try:
                beside(session, stop)
            except BaseException as error:  # handed over to the test
                failures.append(error)
        helper = threading.Thread(target=work, daemon=True)
        if beside is not None:
            helper.start()
        deadline = time.monotonic() + (seconds or 0)
        while (len(losses) < steps) if steps else (time.monotonic() < deadline or len(losses) < 50):
            loss, ids = training.step(session, job)
            losses.append(loss)
            batches.append(ids)
        stop.set()
        if beside is not None:
            helper.join(120)
        added = len(job.graph.get_operations()) - ops
        assert job.graph.as_graph_def().SerializeToString(deterministic=True) == before
        coordinator.request_stop()
        for runner in job.graph.get_collection(tf.GraphKeys.QUEUE_RUNNERS):
            session.run(runner.cancel_op)
        coordinator.join(threads, stop_grace_period_secs=10, ignore_live_threads=True)
    if failures:
        raise failures[0]
    return losses, batches, added


def _explain_again_and_again(found, least):
    def beside(session, stop):
        while not stop.is_set() or len(found) < least:
            model = gt.from_session(session)
            with tf1_ig.IntegratedGradients(model, "softmax:0") as explainer:
                found.append(explainer.explain(_FEED, label=1, steps=32))
    return beside


def _check_undisturbed(losses, batches, added, found):
    reference, same_batches, _ = _train(steps=len(losses))
    assert added == 0
    assert losses == reference  # bit for bit
    np.testing.assert_array_equal(batches, _expected_batches(len(batches)))
    np.testing.assert_array_equal(same_batches, batches)
    for attribution in found:
        assert attribution.converged.all()
    assert not np.allclose(found[0].score, found[-1].score)  # it watched the model change


def test_a_running_job_is_explained_from_another_thread():
    found = []
    losses, batches, added = _train(steps=1500, beside=_explain_again_and_again(found, least=2))
    _check_undisturbed(losses, batches, added, found)


@pytest.mark.dealt
@pytest.mark.slow
def test_a_running_job_is_explained_for_a_minute():
    found = []
    losses, batches, added = _train(seconds=60, beside=_explain_again_and_again(found, least=5))
    _check_undisturbed(losses, batches, added, found)
    assert len(found) >= 5


# ---- the hook


def _train_monitored(hooks, steps=60):
    tf = _tf.tf
    job = training.build()
    with job.graph.as_default():
        with tf.train.MonitoredTrainingSession(hooks=hooks, log_step_count_steps=0) as session:
            ops = len(job.graph.get_operations())
            losses = [training.step(session, job)[0] for _ in range(steps)]
            added = len(job.graph.get_operations()) - ops
    return losses, added


def test_the_hook_watches_an_explanation_evolve(tmp_path):
    tf = _tf.tf
    folder = str(tmp_path / "explained")
    hook = tf1_ig.ExplainHook("softmax:0", _FEED, folder, every_steps=20, label=1, steps=32,
                              tokens=[["w%d" % number for number in range(training.WORDS)]] * 3)
    assert isinstance(hook, tf.train.SessionRunHook) and isinstance(hook, tf1_ig.ExplainHook)
    losses, added = _train_monitored([hook])
    reference, _ = _train_monitored([])
    assert not hook.errors and losses == reference and added == 0
    assert len(hook.written) >= 2 and hook.written[-1].endswith("attribution-60.npz")
    first, last = tf1_ig.load_attribution(hook.written[0]), tf1_ig.load_attribution(hook.written[-1])
    assert first.converged.all() and last.converged.all() and not np.allclose(first.score, last.score)

    (events,) = tmp_path.glob("explained/*.explanations") if len(hook.written) == 1 else [
        sorted(tmp_path.glob("explained/*.explanations"))[-1]]
    values = {value.tag: value for event in tf.train.summary_iterator(str(events)) for value in event.summary.value}
    np.testing.assert_allclose(values["explanation/0/score"].simple_value, last.score[0], rtol=1e-6)
    (name,) = last.values
    table = values["explanation/0/" + name.rpartition(":")[0]].tensor.string_val[0].decode("utf-8")
    assert "| w3 | %+.4g |" % last.tokens[name][0, 3] in table


def test_the_last_explanation_is_of_the_trained_model(tmp_path):
    """Brute force on the values that the training ended with."""
    hook = tf1_ig.ExplainHook("logits:0", _FEED, str(tmp_path), every_steps=1000, label=1, steps=64)
    tf = _tf.tf
    job = training.build()
    with job.graph.as_default(), tf.train.MonitoredTrainingSession(hooks=[hook], log_step_count_steps=0) as session:
        for _ in range(30):
            training.step(session, job)
        table, weights = session.run(["table:0" if job.graph.get_operation_by_name("table").type == "VariableV2"
                                      else "table/Read/ReadVariableOp:0",
                                      "weights:0" if job.graph.get_operation_by_name("weights").type == "VariableV2"
                                      else "weights/Read/ReadVariableOp:0"])
    assert not hook.errors
    last = tf1_ig.load_attribution(hook.written[-1])
    rows = table[training.IDS[:3]].astype(np.float64)
    alphas = (np.arange(2000) + 0.5) / 2000
    mean = rows.mean(axis=1)  # the path scales the mean; tanh'(x) = 1 - tanh(x)²
    slope = np.mean(1 - np.tanh(alphas[:, None, None] * mean) ** 2, axis=0) * weights[:, 1]
    np.testing.assert_allclose(last.values[list(last.values)[0]], rows * slope[:, None] / training.WORDS, atol=1e-5)


def test_a_wrong_name_is_said_before_training_starts(tmp_path):
    hook = tf1_ig.ExplainHook("softmx:0", _FEED, str(tmp_path))
    with pytest.raises(gt.TensorNotFoundError, match="did you mean 'softmax:0'"):
        _train_monitored([hook], steps=1)


def test_a_failed_explanation_does_not_end_the_training(tmp_path):
    hook = tf1_ig.ExplainHook("softmax:0", _FEED, str(tmp_path), label=7)
    with pytest.warns(RuntimeWarning, match="could not be explained"):
        losses, _ = _train_monitored([hook], steps=5)
    assert len(losses) == 5 and hook.errors and not hook.written


def test_the_number_of_steps_must_be_positive(tmp_path):
    with pytest.raises(ValueError, match="at least 1, not 0"):
        tf1_ig.ExplainHook("softmax:0", _FEED, str(tmp_path), every_steps=0)
