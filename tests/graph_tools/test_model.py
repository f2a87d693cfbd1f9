"""A Model is a value: what it computes survives saving and freezing, and nothing changes it."""

import os

import numpy as np
import pytest

import graph_tools as gt
from graph_tools import _tf, model as module
from graph_tools.errors import EditError, ModelFormatError, StateError
from tests.models import formats

VARIABLE_OPS = {"VariableV2", "VarHandleOp", "ReadVariableOp", "ResourceGather", "ResourceGatherNd", "VariableShape",
                "VarIsInitializedOp", "AssignVariableOp", "Assign", "SaveV2", "RestoreV2"}


@pytest.fixture(scope="module", params=("constants", "file"))
def written(request, tmp_path_factory):
    return formats.write_style(tmp_path_factory.mktemp(request.param), request.param)


def assert_same(model, written):
    got, gradients = formats.recomputed(model)
    np.testing.assert_allclose(got, written.outputs, atol=1e-6, rtol=0)
    np.testing.assert_allclose(gradients, written.gradients, atol=1e-6, rtol=0)


def plainly(path, as_folder):
    """What TensorFlow alone makes of a saved model."""
    tf = _tf.tf
    with tf.Graph().as_default() as graph, tf.Session() as session:
        if as_folder:
            tf.saved_model.loader.load(session, ["serve"], path)
        else:
            with open(path, "rb") as file:
                tf.import_graph_def(tf.GraphDef.FromString(file.read()), name="")
            session.run([op for op in graph.get_operations()
                         if op.type in ("LookupTableImportV2", "InitializeTableV2")])
        return session.run(formats.PROBABILITIES, formats.FEED)


def session_model(build):
    """The model of a session after ``build()`` and all initialisers."""
    tf = _tf.tf
    with tf.Graph().as_default(), tf.Session() as session:
        with _tf.control_flow_v1():
            build()
        session.run(tf.global_variables_initializer())
        return gt.from_session(session)


# ---- save


@pytest.mark.dealt
@pytest.mark.parametrize("source", ("frozen", "saved_model", "checkpoint"))
@pytest.mark.parametrize("name", ("model.pb", "model.pbtxt", "saved"))
def test_saving_keeps_outputs_and_gradients(written, tmp_path, source, name):
    path = str(tmp_path / "below" / name)
    gt.load(getattr(written, source)).save(path)
    model = gt.load(path)
    assert model.warnings == ()
    assert_same(model, written)
    if not name.endswith("txt"):
        np.testing.assert_allclose(plainly(path, name == "saved"), written.outputs, atol=1e-6, rtol=0)
    if name == "saved" and source != "frozen":
        assert set(model.variables) == {"embedding", "cell/weights", "cell/bias", "head"}


def test_a_frozen_file_carries_its_vocabulary(tmp_path):
    vocabulary = str(tmp_path / "vocabulary.txt")
    with open(vocabulary, "w") as file:
        file.write("\n".join(formats.VOCABULARY) + "\n")
    written = formats.write(str(tmp_path), vocabulary)
    gt.load(written.checkpoint).save(str(tmp_path / "alone.pb"))
    os.remove(vocabulary)
    model = gt.load(str(tmp_path / "alone.pb"))
    assert model.warnings == ()
    assert_same(model, written)


def test_a_saved_model_is_saved_twice(written, tmp_path):
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    gt.load(written.saved_model).save(first)
    gt.load(first).save(second)
    assert_same(gt.load(second), written)


@pytest.mark.skipif(_tf.version < (2, 0), reason="TF 1.15 has the loader of TF 1 only")
def test_tf2_loads_what_is_saved(written, tmp_path):
    tf = _tf.tensorflow
    gt.load(written.saved_model).save(str(tmp_path / "saved"))
    serve = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"]
    got = serve(words=tf.constant(formats.FEED[formats.WORDS]), lengths=tf.constant(formats.FEED[formats.LENGTHS]))
    np.testing.assert_allclose(got["probabilities"].numpy(), written.outputs, atol=1e-6, rtol=0)


def test_a_folder_that_is_in_use_is_left_alone(written, tmp_path):
    with open(str(tmp_path / "precious"), "w") as file:
        file.write("data")
    with pytest.raises(ModelFormatError, match="there already"):
        gt.load(written.frozen).save(str(tmp_path))
    assert os.listdir(str(tmp_path)) == ["precious"]


def test_collections_of_what_is_gone_are_not_written(written, tmp_path):
    model = gt.load(written.checkpoint)
    graph_def = model.graph_def
    gone = [node.name for node in graph_def.node if node.name.startswith("save/")]
    kept = [node for node in graph_def.node if node.name not in gone]
    assert gone
    del graph_def.node[:]
    graph_def.node.extend(kept)
    edited = model.with_graph_def(graph_def)
    edited.meta_graph.collection_def["mine"].node_list.value.extend(["words:0", gone[0] + ":0"])
    edited.save(str(tmp_path / "saved"))
    assert list(gt.load(str(tmp_path / "saved")).meta_graph.collection_def["mine"].node_list.value) == ["words:0"]
    np.testing.assert_allclose(plainly(str(tmp_path / "saved"), True), written.outputs, atol=1e-6, rtol=0)


# ---- freeze


@pytest.mark.dealt
@pytest.mark.parametrize("source", ("saved_model", "checkpoint"))
def test_freezing_keeps_outputs_and_gradients(written, source):
    model = gt.load(getattr(written, source))
    before = model.graph_def.SerializeToString(deterministic=True)
    frozen, edit = gt.freeze(model)
    assert model.graph_def.SerializeToString(deterministic=True) == before
    assert not frozen.variables
    assert not {node.op for node in frozen.graph_def.node} & VARIABLE_OPS
    assert_same(frozen, written)
    assert "embedding/Assign" in edit.removed and "freeze" in str(edit)


@pytest.mark.parametrize("resource", (False, True))
def test_variables_read_in_loops_and_branches(resource):
    tf = _tf.tf

    def build():
        x = tf.placeholder(tf.float32, [None, 3], name="x")
        ids = tf.placeholder(tf.int32, [None], name="ids")
        weights = tf.get_variable("weights", [3, 3], use_resource=resource,
                                  initializer=tf.random_normal_initializer(seed=1))
        table = tf.get_variable("table", [5, 3], use_resource=resource,
                                initializer=tf.random_normal_initializer(seed=2))
        other = tf.get_variable("other", initializer=[0.5, 1.0, 2.0], use_resource=resource)

        def body(step, state):
            state = tf.tanh(tf.matmul(state, weights) + tf.gather(table, ids))
            return step + 1, tf.cond(tf.equal(step % 2, 0), lambda: state * other, lambda: state + tf.gather(other, 1))

        looped = tf.while_loop(lambda step, _: step < 4, body, [0, x])[1]
        near = tf.cond(tf.reduce_sum(x) > 0, lambda: tf.gather_nd(table, ids[:, None]), lambda: tf.matmul(x, weights))
        tf.identity(looped + near + tf.to_float(tf.shape(table)[0]), name="y")

    model = session_model(build)
    frozen, _ = gt.freeze(model, ["y:0"])
    assert not {node.op for node in frozen.graph_def.node} & VARIABLE_OPS
    for sign in (1.0, -1.0):
        feed = {"x:0": sign * np.arange(6.0).reshape(2, 3), "ids:0": [4, 0]}
        values = []
        for each in (model, frozen):
            graph = each.new_graph()
            restore = each.prepare_restore(graph)
            with graph.as_default(), _tf.control_flow_v1():
                y, x = graph.get_tensor_by_name("y:0"), graph.get_tensor_by_name("x:0")
                gradient = tf.gradients(y, x)[0]
            with tf.Session(graph=graph, config=_tf.session_config()) as session:
                restore(session)
                values.append(session.run([y, gradient], feed))
        np.testing.assert_allclose(values[0][0], values[1][0], atol=1e-6, rtol=0)
        np.testing.assert_allclose(values[0][1], values[1][1], atol=1e-6, rtol=0)
        assert np.abs(values[0][1]).max() > 0


def test_training_goes_and_prediction_stays():
    tf = _tf.tf

    def build():
        x = tf.placeholder(tf.float32, [None, 2], name="x")
        weights = tf.get_variable("weights", [2, 1], use_resource=True)
        bias = tf.get_variable("bias", [1], use_resource=False)
        y = tf.add(tf.matmul(x, weights), bias, name="y")
        train = tf.train.AdamOptimizer().minimize(tf.reduce_sum(y ** 2))
        with tf.control_dependencies([train]):
            tf.identity(y, name="after_training")
        tf.assign_add(bias, [1.0], name="changed")

    model = session_model(build)
    frozen, edit = gt.freeze(model)
    ops = {node.op for node in frozen.graph_def.node}
    assert not ops & VARIABLE_OPS and not any("Apply" in op for op in ops)
    assert any(name.startswith("Adam/") for name in edit.removed)
    with model.open_session() as session:
        wanted = session.run("y:0", {"x:0": [[1.0, 2.0]]})
    with frozen.open_session() as session:
        np.testing.assert_allclose(session.run(["y:0", "after_training:0"], {"x:0": [[1.0, 2.0]]}), [wanted, wanted])
    with pytest.raises(EditError, match="'changed' cannot be kept"):
        gt.freeze(model, ["changed:0"])


@pytest.mark.dealt
@pytest.mark.parametrize("resource", (False, True))
@pytest.mark.parametrize("dtype,value", (
    ("float16", 3.0), ("bfloat16", 3.0), ("float64", 1e300), ("int64", 2 ** 40), ("bool", True),
    ("string", b"ends in zero\0"), ("complex64", 1 + 2j)))
def test_every_dtype_survives(tmp_path, dtype, value, resource):
    tf, prefix = _tf.tf, str(tmp_path / "values")
    with tf.Graph().as_default(), tf.Session() as session:
        variable = tf.get_variable("v", initializer=tf.constant(value, getattr(tf, dtype)), use_resource=resource)
        tf.identity(variable, name="y")
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, prefix)
        models = [gt.from_session(session), gt.load(prefix)]
    for model in models:
        for name in ("copy.pb", "copy_%d" % models.index(model)):
            model.save(str(tmp_path / name))
            for each in (model, gt.freeze(model, ["y:0"])[0], gt.load(str(tmp_path / name))):
                with each.open_session() as session:
                    assert session.run("y:0") == value


def test_devices_of_the_machine_that_trained_do_not_matter(tmp_path):
    tf = _tf.tf
    with tf.Graph().as_default(), tf.Session(config=tf.ConfigProto(allow_soft_placement=True)) as session:
        with tf.device("/job:localhost/task:0/device:GPU:7"):
            tf.identity(tf.get_variable("v", initializer=2.0, use_resource=True), name="y")
        session.run(tf.global_variables_initializer())
        model = gt.from_session(session)
    model.save(str(tmp_path / "saved"))
    with model.open_session() as session:
        assert session.run("y:0") == 2.0
    with tf.Graph().as_default(), tf.Session() as session:
        tf.saved_model.loader.load(session, ["serve"], str(tmp_path / "saved"))
        assert session.run("y:0") == 2.0


def test_a_variable_without_a_value_stays_and_is_noted():
    tf = _tf.tf
    with tf.Graph().as_default(), tf.Session() as session:
        one = tf.get_variable("one", initializer=1.0, use_resource=True)
        two = tf.get_variable("two", initializer=2.0, use_resource=True)
        tf.add(one, 1.0, name="y")
        tf.add(two, 1.0, name="z")
        session.run(one.initializer)
        model = gt.from_session(session)
    frozen, edit = gt.freeze(model)
    assert any("'two'" in note for note in edit.notes)
    assert frozen.missing == ("two",)
    with frozen.open_session() as session:
        assert session.run("y:0") == 2.0


# ---- the value


def test_no_way_to_change_a_model(written):
    model = gt.load(written.saved_model)
    copy = model.graph_def
    del copy.node[:]
    assert len(model.graph_def.node) > 0
    model.signatures.clear()
    assert model.signatures
    with pytest.raises(AttributeError):
        model.source = "elsewhere"
    assert "meta_graph" not in repr(model)


def test_new_graph_is_mutable_and_graph_is_not(written):
    model = gt.load(written.frozen)
    assert model.new_graph() is not model.new_graph()
    with model.new_graph().as_default():
        _tf.tf.constant(1.0)
    with model.graph.as_default(), pytest.raises(RuntimeError):
        _tf.tf.constant(1.0)
    assert model.graph is model.graph


def test_opening_sessions_adds_no_op(written):
    model = gt.load(written.saved_model)
    count = len(model.graph.get_operations())
    for _ in range(3):
        with model.open_session() as session:
            session.run(formats.PROBABILITIES, formats.FEED)
    assert len(model.graph.get_operations()) == count


@pytest.mark.parametrize("together, runs", [(1 << 22, 1), (30, 2), (1, 4)])
def test_small_variables_are_set_in_one_run(monkeypatch, together, runs):
    """Each of the four takes 16 bytes."""
    tf, expected = _tf.tf, [np.full(4, number, np.float32) for number in range(4)]

    def build():
        for number, value in enumerate(expected):
            tf.get_variable("v%d" % number, initializer=value, use_resource=bool(number % 2))

    model, ran, plain = session_model(build), [], tf.Session.run
    monkeypatch.setattr(module, "_TOGETHER", together)
    monkeypatch.setattr(tf.Session, "run", lambda self, *given: ran.append(given) or plain(self, *given))
    with model.open_session() as session:
        assert len(ran) == runs
        found = session.run(["v0:0", "v1/Read/ReadVariableOp:0", "v2:0", "v3/Read/ReadVariableOp:0"])
    np.testing.assert_array_equal(found, expected)


def test_sessions_do_not_share_state():
    tf = _tf.tf

    def build():
        bumped = tf.assign_add(tf.get_variable("v", initializer=1.0, use_resource=True), 1.0)
        tf.identity(bumped, name="bump")

    model = session_model(build)
    with model.open_session() as first, model.open_session() as second:
        assert first.run("bump:0") == 2.0
        assert second.run("v/Read/ReadVariableOp:0") == 1.0
        assert first.run("v/Read/ReadVariableOp:0") == 2.0


def test_a_vocabulary_that_does_not_fit_is_a_state_error(tmp_path):
    vocabulary = str(tmp_path / "vocabulary.txt")
    with open(vocabulary, "w") as file:
        file.write("\n".join(formats.VOCABULARY) + "\n")
    written = formats.write(str(tmp_path), vocabulary)
    with open(vocabulary, "w") as file:
        file.write("same\nsame\nother\n")
    with pytest.raises(StateError, match="lookup table cannot be initialised"):
        with gt.load(written.checkpoint).open_session():
            raise AssertionError("the session must not open")


def test_a_saved_model_names_no_local_variable_that_is_gone(tmp_path):
    """What other programs read is left out of every collection of variables where a node that it mentions is gone."""
    tf = _tf.tf
    with tf.Graph().as_default(), tf.Session() as session:
        weights = tf.get_variable("weights", initializer=2.0)
        seen = tf.get_variable("seen", initializer=0.0, collections=[tf.GraphKeys.LOCAL_VARIABLES])
        x = tf.placeholder(tf.float32, [None], "x")
        tf.multiply(x, weights, name="y")
        session.run([tf.global_variables_initializer(), seen.initializer])
        model = gt.from_session(session)
    assert "local_variables" in model.meta_graph.collection_def
    pruned, _ = gt.prune(model, "y")
    assert "local_variables" not in pruned.meta_graph.collection_def
    pruned.save(str(tmp_path / "saved"))
    with tf.Session(graph=tf.Graph()) as session:
        tf.saved_model.loader.load(session, ["serve"], str(tmp_path / "saved"))
        assert not tf.local_variables() and session.run("y:0", {"x:0": [1.5]}) == [3.0]
