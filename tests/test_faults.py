"""An error at any step leaves session, graph, variables, default stacks, flags, patches and files as they were.

Every step is tried: each place in our code that calls TensorFlow raises once (see tests/faults.py).
"""

import functools
import os
import shutil
import tempfile

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from graph_tools import _tf
from tests import faults
from tests.models import training

_FEED = {"batch:0": training.IDS[:3]}
_COUNTED = {}


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """A session of the queue-fed job with values, its model, and the model in every format."""
    tf = _tf.tf
    folder = tmp_path_factory.mktemp("job")
    graph = training.build().graph
    with graph.as_default():
        initializer, saver = tf.global_variables_initializer(), tf.train.Saver()
        weights = [graph.get_tensor_by_name(name + ":0") for name in (
            ("table/Read/ReadVariableOp", "weights/Read/ReadVariableOp") if "table/Read/ReadVariableOp" in {
                op.name for op in graph.get_operations()} else ("table", "weights"))]
    graph.finalize()
    with tf.Session(graph=graph) as session:
        session.run(initializer)
        saver.save(session, str(folder / "model"), write_meta_graph=False)
        tf.train.export_meta_graph(str(folder / "model.meta"), graph=graph)
        model = gt.from_session(session)
    served, _ = gt.swap_inputs(model)
    served.save(str(folder / "served.pb"))
    served.save(str(folder / "saved"))
    with tf.Session(graph=graph) as session:
        session.run(initializer)
        yield session, model, folder, weights


def _again(model):
    """The same model with nothing cached."""
    return model.with_graph_def(model.graph_def)


def _watched_columns():
    tf = _tf.tf
    with tf.Graph().as_default(), gt.watch_feature_columns():
        words = tf.feature_column.categorical_column_with_hash_bucket("word", 50)
        tf.feature_column.input_layer({"word": tf.constant([["good", "film"]])},
                                      [tf.feature_column.embedding_column(words, 4)])


def _explain(model):
    with tf1_ig.IntegratedGradients(model, "softmax:0", "rows:0") as explainer:
        explainer.explain(_FEED, label=1, steps=4)


# By name: what is done with (session, model, folder of the model's files, an empty folder).
WORK = {
    "load frozen": lambda session, model, files, out: gt.load(str(files / "served.pb")).graph,
    "load saved model": lambda session, model, files, out: dict(gt.load(str(files / "saved")).variables),
    "load checkpoint": lambda session, model, files, out: dict(gt.load(str(files / "model")).variables),
    "from session": lambda session, model, files, out: gt.from_session(session),
    "find": lambda session, model, files, out: (
        gt.find_inputs(_again(model)), gt.find_embeddings(_again(model)), gt.find_outputs(_again(model))),
    "swap": lambda session, model, files, out: gt.swap_inputs(_again(model)),
    "relax": lambda session, model, files, out: gt.relax_batch(gt.swap_inputs(_again(model))[0]),
    "prune": lambda session, model, files, out: gt.prune(_again(model), "softmax"),
    "freeze": lambda session, model, files, out: gt.freeze(_again(model), ["softmax"]),
    "verify": lambda session, model, files, out: gt.verify(
        _again(model), gt.swap_inputs(model)[0], dict(_FEED, **{"batch:0": training.IDS[:4]}), "softmax"),
    "save frozen": lambda session, model, files, out: _again(model).save(os.path.join(out, "model.pb")),
    "save text": lambda session, model, files, out: _again(model).save(os.path.join(out, "model.pbtxt")),
    "save saved model": lambda session, model, files, out: _again(model).save(os.path.join(out, "saved")),
    "explain": lambda session, model, files, out: _explain(_again(model)),
    "signature": lambda session, model, files, out: tf1_ig.attribution_signature(_again(model), "softmax:0"),
    "watch columns": lambda session, model, files, out: _watched_columns(),
}
QUICK = 6  # steps of each work that are tried in the quick run, spread over all of them


@pytest.fixture
def trial(job, tmp_path, monkeypatch):
    """``trial(name, steps)``: does the work with an error at each of some steps; returns how many there were."""
    session, model, files, weights = job
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("TMPDIR", str(temporary))

    def run(name, choose):
        out = str(tmp_path / "out")
        os.mkdir(out)
        work = functools.partial(WORK[name], session, model, files, out)
        steps = faults.steps_of(work)
        shutil.rmtree(out)
        os.mkdir(out)
        state, changed, tried = faults.State(session, model, tmp_path, weights), {}, 0
        for number in choose(len(steps)):
            with faults.Steps(number) as injecting:
                try:
                    work()
                except faults.Injected:
                    pass
            tried += injecting.raised
            if injecting.raised and state.changed():
                changed[steps[number]] = state.changed()
            if not injecting.raised:  # fewer steps than at the first time: something is cached; the work was done
                shutil.rmtree(out)
                os.mkdir(out)
        work()  # and it can be done afterwards
        return tried, len(steps), changed
    return run


def _spread(count):
    return sorted({int(number) for number in np.linspace(0, count - 1, min(count, QUICK))})


@pytest.mark.dealt
@pytest.mark.parametrize("name", sorted(WORK))
def test_an_error_at_some_steps_changes_nothing(trial, name):
    tried, count, changed = trial(name, _spread)
    assert changed == {}
    assert tried >= min(count, QUICK) / 2


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", sorted(WORK))
def test_an_error_at_every_step_changes_nothing(trial, name, record_property):
    tried, count, changed = trial(name, range)
    record_property("steps", "%d of %d" % (tried, count))
    print("%s: an error at %d of %d steps" % (name, tried, count))
    assert changed == {}
    assert tried >= 0.6 * count  # what TensorFlow does once in a process is not done again


# ---- the hook: whatever goes wrong while it explains, the training does not notice


def _train(folder, fail_at=None, hook=True):
    """Losses of twenty steps, with an error of TensorFlow's at one step of the hook's work."""
    tf, job = _tf.tf, training.build()
    default = tf.get_default_session()
    watching = faults.Steps(fail_at, lambda message: tf.errors.InternalError(None, None, message))
    explaining = tf1_ig.ExplainHook("softmax:0", _FEED, folder, every_steps=10, label=1, steps=4, inputs="rows:0")
    with job.graph.as_default():
        with tf.train.MonitoredTrainingSession(hooks=[explaining] * hook, log_step_count_steps=0) as session:
            before = job.graph.as_graph_def().SerializeToString(deterministic=True)
            watching.__enter__()
            losses = [training.step(session, job)[0] for _ in range(20)]
        watching.__exit__()
        assert job.graph.as_graph_def().SerializeToString(deterministic=True) == before
    assert tf.get_default_session() is default and faults.free(_tf._lock)
    return losses, watching, explaining


def _try_the_hook(folder, choose):
    reference, _, _ = _train(folder, hook=False)
    losses, watched, explaining = _train(folder)
    assert losses == reference and not explaining.errors and len(explaining.written) >= 1
    tried = 0
    for number in choose(len(watched.found)):
        losses, injecting, explaining = _train(folder, number)
        tried += injecting.raised
        assert losses == reference, watched.found[number]
        assert explaining.errors or explaining.written, watched.found[number]
    return tried, len(watched.found)


@pytest.mark.dealt
@pytest.mark.filterwarnings("ignore:.*could not be explained")
def test_the_training_does_not_notice_an_error_of_the_hook(tmp_path):
    tried, _ = _try_the_hook(str(tmp_path), lambda count: _spread(count)[1::4])
    assert tried >= 1


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore:.*could not be explained")
def test_the_training_does_not_notice_an_error_of_the_hook_at_every_third_step(tmp_path):
    tried, count = _try_the_hook(str(tmp_path), lambda count: range(0, count, 3))
    print("hook: an error at %d of %d steps" % (tried, count))
    assert tried > 0.2 * count
