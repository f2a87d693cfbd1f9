"""One model in every format: what is loaded computes what TensorFlow computed when it wrote the files."""

import os
import shutil

import numpy as np
import pytest

import graph_tools as gt
from graph_tools import _tf
from graph_tools.load import FORMATS, checkpoint
from tests.models import formats

FIXTURES = os.path.join(os.path.dirname(os.path.dirname(__file__)), "fixtures", "formats")
# field of Written -> the format it must be told to be
KINDS = {"frozen": "frozen", "frozen_text": "frozen", "saved_model": "saved_model", "saved_model_text": "saved_model",
         "checkpoint": "meta_graph"}
STYLES = ("constants", "file", "partitions")


@pytest.fixture(scope="module", params=STYLES)
def written(request, tmp_path_factory):
    return formats.write_style(tmp_path_factory.mktemp(request.param), request.param)


def assert_same(model, outputs, gradients):
    got, got_gradients = formats.recomputed(model)
    np.testing.assert_allclose(got, outputs, atol=1e-6, rtol=0)
    np.testing.assert_allclose(got_gradients, gradients, atol=1e-6, rtol=0)
    with model.open_session() as session:
        assert session.graph is model.graph and session.graph.finalized
        np.testing.assert_allclose(session.run(formats.PROBABILITIES, formats.FEED), outputs, atol=1e-6, rtol=0)


@pytest.mark.dealt
@pytest.mark.parametrize("field", sorted(KINDS))
def test_outputs_and_gradients_survive_every_format(written, field):
    model = gt.load(getattr(written, field))
    assert model.format == KINDS[field]
    assert model.warnings == ()
    assert model.missing == ()
    assert_same(model, written.outputs, written.gradients)


@pytest.mark.dealt
@pytest.mark.parametrize("release", ("1.15.5", "2.21.0"))
@pytest.mark.parametrize("name", ("model.pb", "model.pbtxt", "saved", "model.ckpt-7"))
def test_files_of_another_release(release, name):
    folder = os.path.join(FIXTURES, release)
    wanted = np.load(os.path.join(folder, "wanted.npz"))
    model = gt.load(os.path.join(folder, name))
    assert model.warnings == ()
    assert_same(model, wanted["outputs"], wanted["gradients"])


def test_a_path_may_be_any_file_of_the_model(written):
    folder = os.path.dirname(written.checkpoint)
    for path in (written.checkpoint + ".meta", written.checkpoint + ".index", folder,
                 written.checkpoint + ".data-00000-of-00001"):
        assert gt.load(path).source == "checkpoint %s" % written.checkpoint
    assert gt.load(os.path.join(written.saved_model, "saved_model.pb")).format == "saved_model"


@pytest.mark.parametrize("there", ("/gone/%s", "C:\\\\gone\\\\%s"))
def test_a_folder_that_was_copied(there, written, tmp_path):
    """What the file ``checkpoint`` names was on another machine; the same name beside it is meant."""
    folder, name = os.path.split(written.checkpoint)
    copied = str(tmp_path / "copied")
    shutil.copytree(folder, copied)
    with open(os.path.join(copied, "checkpoint"), "w", encoding="utf-8") as file:
        file.write('model_checkpoint_path: "%s"\n' % (there % name))
    assert gt.load(copied).source == "checkpoint %s" % os.path.join(copied, name)
    with open(os.path.join(copied, "checkpoint"), "w", encoding="utf-8") as file:
        file.write('model_checkpoint_path: "%s"\n' % (there % "other"))
    with pytest.raises(gt.ModelFileMissingError, match="names no checkpoint that is there"):
        gt.load(copied)


def copy_vocabulary(written, folder):
    """A model that moves takes its vocabulary along: files outside of its folder are not read."""
    vocabulary = os.path.join(os.path.dirname(written.frozen), "vocabulary.txt")
    if os.path.exists(vocabulary):
        shutil.copy(vocabulary, str(folder))


@pytest.mark.dealt
def test_content_decides_not_the_name(written, tmp_path):
    copy_vocabulary(written, tmp_path)
    shutil.copy(written.frozen, str(tmp_path / "model.meta"))
    shutil.copy(written.frozen, str(tmp_path / "weights"))
    shutil.copy(written.frozen_text, str(tmp_path / "text.pb"))
    for name in ("model.meta", "weights", "text.pb"):
        assert_same(gt.load(str(tmp_path / name)), written.outputs, written.gradients)
    for suffix in (".index", ".data-00000-of-00001"):
        shutil.copy(written.checkpoint + suffix, str(tmp_path / "graph") + suffix)
    shutil.copy(written.checkpoint + ".meta", str(tmp_path / "graph.pb"))  # a MetaGraphDef under another name
    model = gt.load(str(tmp_path / "graph.pb"))
    assert model.format == "meta_graph"
    assert_same(model, written.outputs, written.gradients)


def test_one_saved_model_below_a_folder_is_taken(written, tmp_path):
    shutil.copytree(written.saved_model, str(tmp_path / "1700000000"))
    assert_same(gt.load(str(tmp_path)), written.outputs, written.gradients)


def test_everything_in_the_file_survives(written):
    model = gt.load(written.saved_model)
    original = _tf.SavedModel()
    with open(os.path.join(written.saved_model, "saved_model.pb"), "rb") as file:
        original.ParseFromString(file.read())
    meta_graph = original.meta_graphs[0]
    assert model.graph_def.versions == meta_graph.graph_def.versions
    assert model.graph_def.versions.producer > 0
    assert model.graph_def.library == meta_graph.graph_def.library
    assert set(model.signatures) == set(meta_graph.signature_def)
    assert dict(model.meta_graph.collection_def) == dict(meta_graph.collection_def)
    assert model.meta_graph.saver_def == meta_graph.saver_def
    assert [node.name for node in model.graph_def.node] == [node.name for node in meta_graph.graph_def.node]


def test_a_signature_can_be_chosen(written):
    model = gt.load(written.saved_model, signature="serving_default")
    assert "serving_default" in model.signatures
    with pytest.raises(gt.errors.ModelFormatError, match="no signature 'other'; it has 'serving_default'"):
        gt.load(written.saved_model, signature="other")


def test_variables_are_read_when_asked_for(written, monkeypatch):
    reads = []
    original = checkpoint.Checkpoint.read
    monkeypatch.setattr(checkpoint.Checkpoint, "read",
                        lambda self, stored: reads.append(stored.key) or original(self, stored))
    model = gt.load(written.saved_model)
    assert "head" in model.variables and len(model.variables) >= 4 and not reads
    assert model.variables["head"].shape == (4, 3)
    assert reads == ["head"]


def test_the_main_op_of_a_saved_model_is_not_run(written, tmp_path):
    """A main op that would fail, and leave a file behind, is put in: nothing of it happens."""
    target = tmp_path / "written_by_the_model"
    folder = str(tmp_path / "copy")
    shutil.copytree(written.saved_model, folder)
    saved_model = _tf.SavedModel()
    path = os.path.join(folder, "saved_model.pb")
    with open(path, "rb") as file:
        saved_model.ParseFromString(file.read())
    meta_graph = saved_model.meta_graphs[0]
    with _tf.tf.Graph().as_default() as graph:
        _tf.tf.raw_ops.WriteFile(filename=str(target), contents="gotcha", name="evil")
    meta_graph.graph_def.node.extend(graph.as_graph_def().node)
    for key in ("saved_model_main_op", "legacy_init_op"):
        meta_graph.collection_def[key].node_list.value[:] = ["evil"]
    with open(path, "wb") as file:
        file.write(saved_model.SerializeToString())
    assert_same(gt.load(folder), written.outputs, written.gradients)
    assert not target.exists()


def test_slices_of_a_partitioned_variable_are_read_by_slice(written):
    model = gt.load(written.checkpoint)
    parts = sorted(name for name in model.variables if name.startswith("embedding"))
    whole = np.concatenate([model.variables[part] for part in parts])
    assert whole.shape == (len(formats.VOCABULARY) + 1, 5)
    with model.open_session() as session:
        for part in parts:
            np.testing.assert_array_equal(session.run(part + ("/read:0")), model.variables[part])


@pytest.mark.parametrize("partitions", (None, 3))
def test_v1_checkpoints(tmp_path, partitions):
    tf = _tf.tf
    prefix = str(tmp_path / "old.ckpt")
    with tf.Graph().as_default(), tf.Session() as session:
        formats.build(partitions=partitions)
        session.run([tf.global_variables_initializer()])
        tf.train.Saver(write_version=tf.train.SaverDef.V1).save(session, prefix)
        wanted = {variable.op.name: session.run(variable) for variable in tf.global_variables()}
    model = gt.load(prefix)
    assert set(model.variables) == set(wanted)
    for name, value in wanted.items():
        np.testing.assert_array_equal(model.variables[name], value)


def test_keys_of_another_name_follow_the_saver(tmp_path):
    """A saver may store a variable under any key, as moving averages are: names alone would get this wrong."""
    tf = _tf.tf
    prefix = str(tmp_path / "swapped")
    with tf.Graph().as_default(), tf.Session() as session:
        one = tf.get_variable("one", initializer=[1.0, 1.0], use_resource=False)
        two = tf.get_variable("two", initializer=[2.0, 2.0], use_resource=True)
        session.run(tf.global_variables_initializer())
        tf.train.Saver({"two": one, "one": two}).save(session, prefix)
    model = gt.load(prefix)
    np.testing.assert_array_equal(model.variables["one"], [1.0, 1.0])
    np.testing.assert_array_equal(model.variables["two"], [2.0, 2.0])


def test_object_based_checkpoints_beside_a_graph(tmp_path):
    """The keys are paths of Python objects; the names that the variables had are written in the checkpoint too."""
    tf = _tf.tf
    with tf.Graph().as_default() as graph, tf.Session() as session:
        value = tf.get_variable("scope/value", initializer=[1.0, 2.0], use_resource=True)
        session.run(tf.global_variables_initializer())
        prefix = tf.train.Checkpoint(thing=value).save(str(tmp_path / "objects"), session=session)
        graph_def = graph.as_graph_def()
    meta_graph = tf.MetaGraphDef()  # without the restore ops, only names are left to go by
    meta_graph.graph_def.node.extend(node for node in graph_def.node if node.name.startswith("scope/value"))
    meta_graph.graph_def.versions.CopyFrom(graph_def.versions)
    with open(prefix + ".meta", "wb") as file:
        file.write(meta_graph.SerializeToString())
    np.testing.assert_array_equal(gt.load(prefix).variables["scope/value"], [1.0, 2.0])


def test_a_missing_value_matters_only_when_it_is_needed(tmp_path):
    tf = _tf.tf
    prefix = str(tmp_path / "partial")
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [None], name="x")
        kept = tf.get_variable("kept", initializer=3.0, use_resource=False)
        lost = tf.get_variable("lost", initializer=5.0, use_resource=True)
        tf.identity(x * kept, name="fine")
        tf.identity(x * lost, name="broken")
        session.run(tf.global_variables_initializer())
        tf.train.Saver([kept]).save(session, prefix)
    model = gt.load(prefix)
    assert model.missing == ("lost",)
    assert any("'lost'" in warning for warning in model.warnings)
    model.require(["fine:0"])
    with pytest.raises(gt.errors.StateError, match="'lost'"):
        model.require(["broken:0"])
    with model.open_session() as session:
        assert session.run("fine:0", {"x:0": [2.0]}) == [6.0]
    with pytest.raises(gt.errors.StateError, match="variable 'lost' has no value"):
        with model.open_session() as session:
            session.run("broken:0", {"x:0": [2.0]})


def test_mutable_tables_come_from_the_checkpoint(tmp_path):
    tf, prefix = _tf.tf, str(tmp_path / "table")
    raw = tf.raw_ops
    with tf.Graph().as_default() as graph, tf.Session() as session:
        table = raw.MutableHashTableV2(key_dtype=tf.int64, value_dtype=tf.float32, shared_name="counts", name="table")
        found = raw.LookupTableFindV2(table_handle=table, keys=tf.placeholder(tf.int64, [None], name="ids"),
                                      default_value=tf.constant(-1.0), name="found")
        session.run(raw.LookupTableInsertV2(table_handle=table, keys=tf.constant([3, 4], tf.int64),
                                            values=tf.constant([0.5, 0.25])))
        keys, values = raw.LookupTableExportV2(table_handle=table, Tkeys=tf.int64, Tvalues=tf.float32)
        names = ["any/name-keys", "any/name-values"]
        session.run(raw.SaveV2(prefix=prefix, tensor_names=names, shape_and_slices=["", ""], tensors=[keys, values]))
        restored = raw.RestoreV2(prefix=prefix, tensor_names=names, shape_and_slices=["", ""],
                                 dtypes=[tf.int64, tf.float32])
        raw.LookupTableImportV2(table_handle=table, keys=restored[0], values=restored[1])
        tf.train.export_meta_graph(prefix + ".meta", graph=graph)
    model = gt.load(prefix)
    assert model.warnings == ()
    with model.open_session() as session:
        np.testing.assert_array_equal(session.run(found.name, {"ids:0": [3, 4, 9]}), [0.5, 0.25, -1.0])


def test_stale_shapes_colocations_and_devices_never_stop_a_load(written, tmp_path):
    copy_vocabulary(written, tmp_path)
    model = gt.load(written.frozen)
    graph_def = model.graph_def
    for node in graph_def.node:
        node.device = "/job:ps/task:3/device:GPU:7"
        node.attr["_class"].list.s.append(b"loc:@somewhere/that/was/pruned")
        node.attr["_output_shapes"].list.shape.add().dim.add().size = 12345
    path = str(tmp_path / "stale.pb")
    with open(path, "wb") as file:
        file.write(graph_def.SerializeToString())
    assert_same(gt.load(path), written.outputs, written.gradients)


def test_formats_are_tried_in_a_visible_order():
    assert all(hasattr(kind, "matches") and hasattr(kind, "load") for kind in FORMATS)
