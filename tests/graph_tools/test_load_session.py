"""A live session is copied: the copy computes the same, and the session notices nothing."""

import threading

import numpy as np
import pytest

import graph_tools as gt
from graph_tools import _tf
from tests.models import formats


def snapshot(graph) -> bytes:
    return graph.as_graph_def().SerializeToString(deterministic=True)


class Job:
    """A training job: the classifier, labels from a queue with its own thread, Adam, a global step."""

    def __enter__(self):
        tf = _tf.tf
        self.graph = tf.Graph()
        with self.graph.as_default():
            tf.add_to_collection(tf.GraphKeys.TABLE_INITIALIZERS, formats.build())
            queue = tf.train.range_input_producer(10 ** 6, shuffle=False)
            self.taken = tf.to_float(queue.dequeue(name="taken"))
            step = tf.train.get_or_create_global_step()
            probabilities = self.graph.get_tensor_by_name(formats.PROBABILITIES)
            with _tf.control_flow_v1():
                loss = tf.reduce_mean(probabilities[:, 0]) * self.taken
                self.train = tf.train.AdamOptimizer(0.01).minimize(loss, global_step=step)
            tf.get_variable("never_resource", [3], use_resource=True, collections=["mine"])
            tf.get_variable("never_ref", [3], use_resource=False, collections=["mine"])
        return self

    def __exit__(self, *_):
        return False

    def outputs(self, session):
        return session.run(formats.PROBABILITIES, formats.FEED)


def test_a_plain_session():
    tf = _tf.tf
    with tf.Graph().as_default() as graph, tf.Session() as session:
        session.run([formats.build(), tf.global_variables_initializer()])
        outputs, gradients = formats.values_of(session, graph)
        before = snapshot(graph)
        model = gt.from_session(session)
        assert snapshot(graph) == before
    assert model.format == "session" and model.warnings == () and model.missing == ()
    got, got_gradients = formats.recomputed(model)
    np.testing.assert_allclose(got, outputs, atol=1e-6, rtol=0)
    np.testing.assert_allclose(got_gradients, gradients, atol=1e-6, rtol=0)


def test_a_monitored_training_session_goes_on_undisturbed():
    """No op is added to the finalized graph, no hook is called, no step made, nothing taken from the queue."""
    tf = _tf.tf

    class Counter(tf.train.SessionRunHook):
        calls = 0

        def before_run(self, run_context):
            Counter.calls += 1

    with Job() as job, job.graph.as_default(), tf.train.MonitoredTrainingSession(hooks=[Counter()]) as session:
        taken = [session.run([job.train, job.taken], formats.FEED)[1] for _ in range(3)]
        calls, before = Counter.calls, snapshot(job.graph)
        model = gt.from_session(session)
        assert Counter.calls == calls and snapshot(job.graph) == before and job.graph.finalized
        wanted = job.outputs(session._tf_sess())
        taken += [session.run([job.train, job.taken], formats.FEED)[1] for _ in range(3)]
    assert taken == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert model.variables["global_step"] == 3
    assert set(model.missing) == {"never_ref", "never_resource"}
    assert any("not initialised in the session" in warning for warning in model.warnings)
    with model.open_session() as session:
        np.testing.assert_allclose(job.outputs(session), wanted, atol=1e-6, rtol=0)
    with pytest.raises(gt.errors.StateError, match="'never_ref' has no value"):
        with model.open_session() as session:
            session.run("never_ref/read:0")


def test_inside_a_hook_between_two_steps():
    tf = _tf.tf
    taken = []

    class Copy(tf.train.SessionRunHook):
        def after_run(self, run_context, run_values):
            taken.append(gt.from_session(run_context.session))

    with Job() as job, job.graph.as_default(), tf.train.MonitoredTrainingSession(hooks=[Copy()]) as session:
        for _ in range(3):
            session.run(job.train, formats.FEED)
    assert [model.variables["global_step"] for model in taken] == [1, 2, 3]
    assert not np.array_equal(taken[0].variables["embedding"], taken[2].variables["embedding"])


@pytest.mark.skipif(not hasattr(_tf.tf, "estimator"), reason="this release has no Estimator")
def test_inside_a_hook_of_an_estimator(tmp_path):
    tf = _tf.tf
    taken = []

    class Copy(tf.train.SessionRunHook):
        def after_run(self, run_context, run_values):
            taken.append(gt.from_session(run_context.session))

    def model_fn(features, labels, mode):
        weights = tf.get_variable("weights", [2, 1])
        prediction = tf.identity(tf.matmul(features, weights), name="prediction")
        loss = tf.losses.mean_squared_error(labels, prediction)
        train = tf.train.GradientDescentOptimizer(0.1).minimize(loss, tf.train.get_global_step())
        return tf.estimator.EstimatorSpec(mode, prediction, loss, train)

    data = np.array([[1.0, 2.0]] * 4, np.float32), np.array([[1.0]] * 4, np.float32)
    estimator = tf.estimator.Estimator(model_fn, str(tmp_path))
    estimator.train(lambda: tf.data.Dataset.from_tensors(data).repeat(), hooks=[Copy()], steps=2)
    np.testing.assert_allclose(taken[-1].variables["weights"], estimator.get_variable_value("weights"))
    with taken[-1].open_session() as session:
        assert session.run("weights/Read/ReadVariableOp:0" if "weights/Read/ReadVariableOp" in taken[-1].index
                           else "weights/read:0").shape == (2, 1)


def test_while_another_thread_trains():
    tf = _tf.tf
    with Job() as job, job.graph.as_default(), tf.train.MonitoredTrainingSession() as session:
        taken, stop = [], threading.Event()

        def work():
            while not stop.is_set():
                taken.append(session.run([job.train, job.taken], formats.FEED)[1])

        worker = threading.Thread(target=work)
        worker.start()
        try:
            models = [gt.from_session(session) for _ in range(5)]
        finally:
            stop.set()
            worker.join()
    steps = [int(model.variables["global_step"]) for model in models]
    assert steps == sorted(steps)
    assert taken == [float(number) for number in range(len(taken))]  # no batch was lost


def test_reads_with_side_effects_are_left_alone():
    """The only read of a variable comes after an assignment: fetching it would change the job's variable."""
    tf = _tf.tf
    raw = tf.raw_ops
    with tf.Graph().as_default() as graph, tf.Session() as session:
        handle = raw.VarHandleOp(dtype=tf.float32, shape=[], shared_name="counter", name="counter")
        start = raw.AssignVariableOp(resource=handle, value=tf.constant(1.0))
        with tf.control_dependencies([raw.AssignAddVariableOp(resource=handle, value=tf.constant(1.0))]):
            bumped = raw.ReadVariableOp(resource=handle, dtype=tf.float32)
        session.run(start)
        model = gt.from_session(session)
        assert model.missing == ("counter",)
        assert any("'counter' cannot be copied" in warning for warning in model.warnings)
        assert session.run(bumped) == 2.0  # it was 1 until now
        assert len(graph.get_operations()) == len(model.graph_def.node)


def test_mutable_tables_without_an_export_are_named():
    tf = _tf.tf
    with tf.Graph().as_default(), tf.Session() as session:
        table = tf.raw_ops.MutableHashTableV2(key_dtype=tf.int64, value_dtype=tf.float32, name="table")
        tf.raw_ops.LookupTableFindV2(table_handle=table, keys=tf.placeholder(tf.int64, [None], name="ids"),
                                     default_value=tf.constant(-1.0), name="found")
        model = gt.from_session(session)
        assert any("lookup table 'table' cannot be copied" in warning for warning in model.warnings)
        session.run(tf.raw_ops.LookupTableInsertV2(
            table_handle=table, keys=tf.constant([5], tf.int64), values=tf.constant([0.5])))
        tf.raw_ops.LookupTableExportV2(table_handle=table, Tkeys=tf.int64, Tvalues=tf.float32)
        model = gt.from_session(session)
    with model.open_session() as session:
        np.testing.assert_array_equal(session.run("found:0", {"ids:0": [5, 6]}), [0.5, -1.0])


def test_what_is_no_open_session():
    tf = _tf.tf
    with pytest.raises(gt.errors.ModelFormatError, match="needs an open tf.Session"):
        gt.from_session("session")
    with tf.Graph().as_default():
        tf.constant(1.0)
        session = tf.Session()
        session.close()
        with pytest.raises(gt.errors.StateError, match="closed"):
            gt.from_session(session)
    with tf.Session(graph=tf.Graph()) as session, pytest.raises(gt.errors.StateError, match="empty"):
        gt.from_session(session)
