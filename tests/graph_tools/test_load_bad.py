"""Bad input: each mistake is one line of one kind of error that names the file and the fix."""

import os
import shutil

import numpy as np
import pytest

import graph_tools as gt
from graph_tools import _tf
from graph_tools.errors import (
    GraphToolsError,
    ModelFileMissingError,
    ModelFormatError,
    ReleaseError,
    StateError,
    UnsafeModelError,
)
from graph_tools.load import read
from tests.models import formats


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return formats.write(str(tmp_path_factory.mktemp("model")))


def refused(kind, path, *words, **arguments):
    """Loads, expects an error of that kind whose one line names the path (or its parts) and the words."""
    with pytest.raises(kind) as caught:
        gt.load(path, **arguments)
    message = str(caught.value)
    assert isinstance(caught.value, GraphToolsError)
    assert "\n" not in message
    for word in words or (str(path),):
        assert word in message, message
    return message


def put(path, data) -> str:
    with open(str(path), "wb") as file:
        file.write(data)
    return str(path)


def content(path) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def save_graph(path, graph_def) -> str:
    return put(path, graph_def.SerializeToString())


def test_missing(tmp_path):
    refused(ModelFileMissingError, str(tmp_path / "nothing.pb"), "nothing.pb", "check")
    with pytest.raises(FileNotFoundError):
        gt.load(str(tmp_path / "nothing"))
    put(tmp_path / "model.ckpt-12.meta", b"x")
    refused(ModelFileMissingError, str(tmp_path / "model.ckpt"), "did you mean 'model.ckpt-12'?")
    refused(ModelFileMissingError, str(tmp_path / "there" / "model.pb"), "no folder")
    refused(ModelFileMissingError, "https://example.com/model.tar.gz", "download")


def test_empty(tmp_path):
    refused(ModelFormatError, put(tmp_path / "model.pb", b""), "model.pb", "empty")
    os.mkdir(str(tmp_path / "folder"))
    refused(ModelFormatError, str(tmp_path / "folder"), "folder", "empty")
    put(tmp_path / "folder" / "readme.txt", b"hello")
    refused(ModelFormatError, str(tmp_path / "folder"), "readme.txt", "saved_model.pb")


@pytest.mark.parametrize("share", (0.1, 0.5, 0.9, 0.999))
def test_truncated(written, tmp_path, share):
    data = content(written.frozen)
    path = put(tmp_path / "cut.pb", data[:int(len(data) * share)])
    refused(ModelFormatError, path, "cut.pb")
    text = content(written.frozen_text)
    refused(ModelFormatError, put(tmp_path / "cut.pbtxt", text[:int(len(text) * share)]), "cut.pbtxt", "text")


def test_cut_between_two_nodes_where_it_shows(written, tmp_path):
    graph_def = gt.load(written.frozen).graph_def
    del graph_def.node[0]
    refused(ModelFormatError, save_graph(tmp_path / "cut.pb", graph_def), "cut.pb", "not in the file")


def test_two_nodes_of_one_name(written, tmp_path):
    graph_def = gt.load(written.frozen).graph_def
    graph_def.node.add().CopyFrom(graph_def.node[0])
    refused(ModelFormatError, save_graph(tmp_path / "twice.pb", graph_def), "twice.pb", graph_def.node[0].name)


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes(tmp_path, seed):
    data = np.random.RandomState(seed).bytes(2000)
    refused(ModelFormatError, put(tmp_path / "noise.pb", data), "noise.pb")


@pytest.mark.parametrize("name,data,word", (
    ("model.h5", b"\x89HDF\r\n\x1a\n" + b"\0" * 64, "Keras"),
    ("model.tflite", b"\x1c\0\0\0TFL3" + b"\0" * 64, "Lite"),
    ("model.onnx", b"\x08\x07\x12\x07pytorch" + b"\0" * 9, "ONNX"),
    ("model.keras", b"PK\x03\x04" + b"\0" * 64, "zip"),
    ("model.tar.gz", b"\x1f\x8b\x08" + b"\0" * 64, "gzip"),
    ("model.pb", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git lfs pull"),
    ("model.pb", b"<!DOCTYPE html><html></html>", "web page"),
    ("model.pkl", b"\x80\x04\x95" + b"\0" * 30, "pickle"),
    ("model.pb", b"Hello, this is a text about something else.\n", "text form"),
))
def test_files_of_other_libraries(tmp_path, name, data, word):
    refused(ModelFormatError, put(tmp_path / name, data), name, word)


def test_larger_than_a_protobuf(tmp_path):
    path = str(tmp_path / "huge.pb")
    with open(path, "wb") as file:  # sparse: takes no room on the disk
        file.truncate(read.LARGEST + 10)
    refused(ModelFormatError, path, "huge.pb", "2 GB")


def test_a_saved_model_given_as_a_lone_file(written, tmp_path):
    path = str(tmp_path / "lonely.pb")
    shutil.copy(os.path.join(written.saved_model, "saved_model.pb"), path)
    refused(ModelFileMissingError, path, "variables/variables", "SavedModel")


def test_constants_that_are_shapes_alone_are_told_as_weights_that_are_elsewhere(written, tmp_path):
    graph_def, path = _tf.tf.GraphDef(), str(tmp_path / "hollow.pb")
    with open(written.frozen, "rb") as file:
        graph_def.ParseFromString(file.read())
    held = [node.attr["value"].tensor for node in graph_def.node if node.op == "Const" and node.attr[
        "value"].tensor.tensor_shape.dim]
    for tensor in held[1:]:
        tensor.CopyFrom(type(tensor)(dtype=tensor.dtype, tensor_shape=tensor.tensor_shape))
    with open(path, "wb") as file:
        file.write(graph_def.SerializeToString())
    gt.load(path)  # a single one that holds something: what the others lack may be zeros
    held[0].CopyFrom(type(held[0])(dtype=held[0].dtype, tensor_shape=held[0].tensor_shape))
    with open(path, "wb") as file:
        file.write(graph_def.SerializeToString())
    refused(ModelFileMissingError, path, "shapes without values", "files of their own")
    graph_def.node.add(name="held", op="VariableV2")  # which may hold all that is learned
    graph_def.node[-1].attr["dtype"].type = held[0].dtype
    graph_def.node[-1].attr["shape"].shape.SetInParent()
    with open(path, "wb") as file:
        file.write(graph_def.SerializeToString())
    assert gt.load(path).missing == ("held",)


def test_a_frozen_graph_under_the_name_of_a_saved_model(written, tmp_path):
    shutil.copy(written.frozen, str(tmp_path / "saved_model.pb"))
    refused(ModelFormatError, str(tmp_path), "saved_model.pb", "GraphDef", "rename")


def test_a_saved_model_without_its_variables(written, tmp_path):
    shutil.copytree(written.saved_model, str(tmp_path / "half"))
    shutil.rmtree(str(tmp_path / "half" / "variables"))
    refused(ModelFileMissingError, str(tmp_path / "half"), "half/variables/variables")


def test_the_values_of_a_saved_model_given_as_a_checkpoint(written):
    refused(ModelFileMissingError, os.path.join(written.saved_model, "variables", "variables"), "folder",
            repr(written.saved_model))


def test_graph_without_values_and_values_without_graph(written, tmp_path):
    shutil.copy(written.checkpoint + ".meta", str(tmp_path / "only.meta"))
    graph = gt.load(str(tmp_path / "only.meta"))  # to look at and to edit; what needs values says so
    assert graph.missing and any("only.index" in warning for warning in graph.warnings)
    assert gt.find_outputs(graph) and gt.swap_inputs(graph)[0].missing == graph.missing
    with pytest.raises(StateError, match=graph.missing[0]):
        graph.require([graph.missing[0]])
    with graph.open_session() as session, pytest.raises(_tf.tf.errors.FailedPreconditionError):
        session.run(graph.missing[0] + ":0")
    (tmp_path / "torn.data-00000-of-00001").write_bytes(b"")
    shutil.copy(written.checkpoint + ".meta", str(tmp_path / "torn.meta"))
    refused(ModelFileMissingError, str(tmp_path / "torn.meta"), "torn.index")
    for suffix in (".index", ".data-00000-of-00001"):
        shutil.copy(written.checkpoint + suffix, str(tmp_path / "values") + suffix)
    refused(ModelFileMissingError, str(tmp_path / "values"), "values.meta")
    refused(ModelFileMissingError, str(tmp_path / "values.index"), "values.meta")


def test_a_checkpoint_with_a_file_missing_or_cut(written, tmp_path):
    for suffix in (".meta", ".index"):
        shutil.copy(written.checkpoint + suffix, str(tmp_path / "torn") + suffix)
    refused(ModelFormatError, str(tmp_path / "torn"), "torn", ".data")
    data = content(written.checkpoint + ".data-00000-of-00001")
    put(tmp_path / "torn.data-00000-of-00001", data[:len(data) // 2])
    with pytest.raises(ModelFormatError, match="torn"):
        model = gt.load(str(tmp_path / "torn"))
        [model.variables[name] for name in model.variables]


def test_a_checkpoint_of_another_graph(written, tmp_path):
    tf, prefix = _tf.tf, str(tmp_path / "other")
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable("head", [7, 7], use_resource=True)
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, prefix)
    shutil.copy(written.checkpoint + ".meta", prefix + ".meta")
    model = gt.load(prefix)
    assert set(model.missing) == {"embedding", "cell/weights", "cell/bias"}
    with pytest.raises(ModelFormatError, match=r"'head' has shape \[7, 7\].*\[4, 3\]"):
        model.variables["head"]


@pytest.mark.skipif(not hasattr(_tf.tf.train, "Checkpoint"), reason="no object-based checkpoints in this release")
def test_an_object_based_checkpoint(tmp_path):
    tf = _tf.tf
    with tf.Graph().as_default(), tf.Session() as session:
        value = tf.get_variable("value", [2], use_resource=True)
        session.run(tf.global_variables_initializer())
        prefix = tf.train.Checkpoint(value=value).save(str(tmp_path / "objects"), session=session)
    refused(ModelFileMissingError, prefix, "tf.train.Checkpoint", "SavedModel")


def test_a_latest_checkpoint_that_is_gone(tmp_path):
    put(tmp_path / "checkpoint", b'model_checkpoint_path: "gone-1"\n')
    refused(ModelFileMissingError, str(tmp_path), "checkpoint", "prefix")


def test_several_saved_models(written, tmp_path):
    for name in ("1600000000", "1700000000"):
        shutil.copytree(written.saved_model, str(tmp_path / name))
    refused(ModelFormatError, str(tmp_path), "1600000000", "1700000000")


def test_wrong_tags(written):
    refused(ModelFormatError, written.saved_model, "'train'", "serve", tags={"train"})
    assert gt.load(written.saved_model, tags="serve").format == "saved_model"


def test_tags_must_be_chosen_where_none_is_for_serving_alone(written, tmp_path):
    folder = str(tmp_path / "several")
    shutil.copytree(written.saved_model, folder)
    saved_model = _tf.SavedModel.FromString(content(os.path.join(folder, "saved_model.pb")))
    saved_model.meta_graphs.add().CopyFrom(saved_model.meta_graphs[0])
    for graph, tags in zip(saved_model.meta_graphs, (["train"], ["serve", "gpu"])):
        graph.meta_info_def.tags[:] = tags
    put(os.path.join(folder, "saved_model.pb"), saved_model.SerializeToString())
    refused(ModelFormatError, folder, "train; gpu,serve", "tags=")
    assert "gpu,serve" in gt.load(folder, tags={"gpu", "serve"}).source


def test_a_saved_model_without_tags(written, tmp_path):
    """As TF-Hub modules are."""
    folder = str(tmp_path / "module")
    shutil.copytree(written.saved_model, folder)
    saved_model = _tf.SavedModel.FromString(content(os.path.join(folder, "saved_model.pb")))
    saved_model.meta_graphs[0].meta_info_def.tags[:] = []
    put(os.path.join(folder, "saved_model.pb"), saved_model.SerializeToString())
    assert gt.load(folder).missing == ()
    assert gt.load(folder, tags=()).missing == ()


def test_unknown_op(written, tmp_path):
    graph_def = gt.load(written.frozen).graph_def
    graph_def.node.add(name="mine", op="MyVeryOwnOp")
    refused(ReleaseError, save_graph(tmp_path / "custom.pb", graph_def), "custom.pb", "'mine'", "MyVeryOwnOp",
            "load_op_library")


def test_assets_outside_of_the_folder(written, tmp_path):
    folder = str(tmp_path / "escape")
    shutil.copytree(written.saved_model, folder)
    saved_model = _tf.SavedModel.FromString(content(os.path.join(folder, "saved_model.pb")))
    asset = saved_model.meta_graphs[0].asset_file_def.add(filename="../../secret")
    asset.tensor_info.name = "words:0"
    put(os.path.join(folder, "saved_model.pb"), saved_model.SerializeToString())
    refused(ModelFormatError, folder, "../../secret")


def test_a_missing_vocabulary_is_a_warning_until_it_is_needed(tmp_path):
    vocabulary = put(tmp_path / "words.txt", "\n".join(formats.VOCABULARY).encode())
    written = formats.write(str(tmp_path), vocabulary)
    os.remove(vocabulary)
    model = gt.load(written.checkpoint)
    assert any("words.txt" in warning and "feed" in warning for warning in model.warnings)
    with pytest.raises(StateError, match="not initialized"):
        with model.open_session() as session:
            session.run(formats.PROBABILITIES, formats.FEED)
    assert gt.load(written.saved_model).warnings == ()  # the SavedModel brought its own copy


def test_a_table_that_freezing_emptied(written, tmp_path):
    graph_def = gt.load(written.frozen).graph_def
    nodes = [node for node in graph_def.node if not node.op.startswith(("LookupTableImport", "InitializeTable"))]
    del graph_def.node[:]
    graph_def.node.extend(nodes)
    model = gt.load(save_graph(tmp_path / "lost.pb", graph_def))
    assert len(model.warnings) == 1
    assert "lost its initialiser" in model.warnings[0]
    lookup = [node.name for node in graph_def.node if node.op == "LookupTableFindV2"][0]
    assert lookup + ":0" in model.warnings[0]
    with model.open_session() as session:  # the fix that the warning names
        ids = np.array([[0, 1, 2, 3], [5, 6, 4, -1 % 7]])
        assert session.run(formats.PROBABILITIES, {lookup + ":0": ids, formats.LENGTHS: [4, 4]}).shape == (2, 3)


def test_a_function_that_calls_itself(written, tmp_path):
    graph_def = gt.load(written.frozen).graph_def
    for name, other in (("ping", "pong"), ("pong", "ping")):
        function = graph_def.library.function.add()
        function.signature.name = name
        function.node_def.add(name="call", op=other)
    graph_def.node.add(name="start", op="ping")
    refused(ModelFormatError, save_graph(tmp_path / "loop.pb", graph_def), "loop.pb", "'ping'", "'pong'")


def test_importing_reads_no_file(tmp_path):
    """Import evaluates constants: without a guard the static shape would hold what the file says."""
    tf = _tf.tf
    secret = put(tmp_path / "secret.txt", b"7")
    with tf.Graph().as_default() as graph:
        size = tf.string_to_number(tf.read_file(tf.constant(secret)), tf.int32)
        tf.fill(tf.reshape(size, [1]), 1.0, name="leak")
        assert graph.get_tensor_by_name("leak:0").shape.as_list() == [7]  # plain TensorFlow has read it by now
    path = save_graph(tmp_path / "hostile.pb", graph.as_graph_def())
    refused(UnsafeModelError, path, "hostile.pb", "'ReadFile'", "could read any file", "trusted=True")
    with gt.load(path, trusted=True).open_session() as session:
        assert session.run("leak:0").shape == (7,)
    with graph.as_default():
        tf.identity(tf.placeholder(tf.float32, [None], name="x"), name="harmless")
    model = gt.load(save_graph(tmp_path / "both.pb", graph.as_graph_def()))
    assert any("could read any file" in warning for warning in model.warnings)
    assert model.graph.get_tensor_by_name("leak:0").shape.as_list() == [None]
    with pytest.raises(UnsafeModelError, match="ReadFile"), model.open_session() as session:
        assert session.run("leak:0", {"ReadFile:0": b"3"}).shape == (3,)
        session.run("leak:0")


def test_outputs_with_side_effects_are_named_before_they_run(tmp_path):
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None], name="x")
        with tf.control_dependencies([tf.write_file(str(tmp_path / "out"), "gotcha")]):
            tf.identity(x, name="writes")
        tf.identity(tf.py_func(lambda value: value, [x], tf.float32), name="calls")
        tf.identity(x, name="harmless")
    model = gt.load(save_graph(tmp_path / "effects.pb", graph.as_graph_def()))
    assert any("Python function" in warning for warning in model.warnings)
    model.require(["harmless:0"])
    with pytest.raises(UnsafeModelError, match="WriteFile that could write files"):
        model.require(["writes:0"])
    with pytest.raises(UnsafeModelError, match="PyFunc that calls a Python function"):
        model.require(["calls:0"])
    model.require(["calls:0"], fed=["PyFunc:0"])


def test_feeding_one_output_does_not_excuse_another(tmp_path):
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None], name="x")
        one, two = tf.py_func(lambda value: (value, value), [x], [tf.float32, tf.float32], name="both")
        tf.add(one, two, name="sum")
        with tf.control_dependencies([one]):
            tf.identity(x, name="after")
    model = gt.load(save_graph(tmp_path / "both.pb", graph.as_graph_def()))
    model.require(["sum:0"], fed=[one.name, two.name])
    for output, fed in (("sum:0", [one.name]), ("after:0", [one.name, two.name])):
        with pytest.raises(UnsafeModelError):
            model.require([output], fed=fed)


@pytest.mark.parametrize("form", ["saved_model", "checkpoint"])
def test_a_graph_that_is_not_whole_is_refused_before_its_values_are_looked_for(form, tmp_path):
    """Restore ops say where they are; these have lost their inputs."""
    written = formats.write(str(tmp_path))
    served = form == "saved_model"
    path = os.path.join(written.saved_model, "saved_model.pb") if served else written.checkpoint + ".meta"
    message = _tf.SavedModel.FromString(content(path)) if served else _tf.tf.MetaGraphDef.FromString(content(path))
    for node in (message.meta_graphs[0] if served else message).graph_def.node:
        if node.op == "RestoreV2":
            del node.input[1:]
    put(path, message.SerializeToString())
    refused(ModelFormatError, getattr(written, form), "(RestoreV2) has 1 input and its op takes 3")
