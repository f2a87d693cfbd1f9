"""A stranger's graph: what could do more than compute never reaches TensorFlow, and what is harmless passes."""

import ctypes
import glob
import os
import pathlib
import re
import shutil
import struct

import numpy as np
import pytest

import graph_tools as gt
from graph_tools import _tf
from graph_tools.errors import GraphToolsError, UnsafeModelError
from graph_tools.graph import functions
from graph_tools.safety import computing, families, judge
from tests.models import formats, hostile, queues

X = {"x:0": np.ones(1, np.float32)}


class Watched:
    """Whether a file, or one in a folder, was opened, as the kernel tells (inotify)."""

    def __init__(self, path):
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._handle = self._libc.inotify_init1(os.O_NONBLOCK)
        assert self._libc.inotify_add_watch(self._handle, path.encode(), 0x20 | 0x1) >= 0  # opened, read

    def opened(self):
        try:
            return len(os.read(self._handle, 4096)) >= struct.calcsize("iIII")
        except BlockingIOError:
            return False
        finally:
            os.close(self._handle)


class Scene:
    """A place for one attack, and what came of it."""

    def __init__(self, folder):
        self.socket = hostile.listening()
        os.makedirs(os.path.join(folder, "outside"))
        secret = os.path.join(folder, "outside", "secret")
        with open(secret, "w") as file:
            file.write("12\n")
        self.place = hostile.Place(os.path.join(folder, "outside", "target"), secret, self.socket.getsockname()[1])
        self.watched = Watched(os.path.dirname(secret))  # the folder: whatever is opened or looked up in it

    def harm(self):
        """What happened, in words; ``""``: nothing."""
        happened = []
        if self.watched.opened():
            happened.append("opened")
        if glob.glob(self.place.target + "*"):
            happened.append("written")
        try:
            self.socket.accept()
            happened.append("connected")
        except BlockingIOError:
            pass
        self.socket.close()
        return " ".join(happened)


def plain(graph_def, run):
    """What plain TensorFlow does with it: the harm is what counts."""
    tf = _tf.tf
    try:
        with tf.Graph().as_default() as graph:
            tf.import_graph_def(graph_def, name="")
            if run:
                with tf.Session(graph=graph) as session:
                    session.run("out:0", X)
    except (ValueError, tf.errors.OpError):
        pass


@pytest.mark.parametrize("name", sorted(name for name, attack in hostile.ATTACKS.items() if attack.control))
def test_the_controls_fire(name, tmp_path):
    scene = Scene(str(tmp_path))
    attack = hostile.ATTACKS[name]
    plain(hostile.graph_def(attack, scene.place), attack.control == "run")
    assert scene.harm()


def name_not_fed(op):
    """Whether an op stands for one that was cut out (one whose attributes made it harmless stays as it is)."""
    return op.type in ("Placeholder", "NoOp", "IdentityN")


def everything(path, out):
    """All that is done with a model before anybody trusts it; errors of ours are as good as results."""
    told = []

    def attempt(what):
        try:
            return what()
        except GraphToolsError as refused:
            told.append(str(refused))
            return None

    model = attempt(lambda: gt.load(path))
    if model is None:
        return told
    attempt(lambda: model.graph)
    attempt(lambda: model.new_graph())
    attempt(lambda: gt.find_inputs(model))
    attempt(lambda: gt.find_embeddings(model))
    attempt(lambda: gt.find_outputs(model))
    attempt(lambda: gt.swap_inputs(model))
    attempt(lambda: gt.relax_batch(model))
    attempt(lambda: gt.freeze(model, ["out:0"]))
    attempt(lambda: gt.verify(model, model, X, ["out:0"]))
    attempt(lambda: model.save(out + ".pb"))
    attempt(lambda: model.save(out))
    attempt(lambda: model.require(["out:0"], ["x:0"]))

    def run():
        with model.open_session() as session:
            try:
                session.run("out:0", X)
            except _tf.tf.errors.OpError as failed:
                told.append(str(failed))
            for op in session.graph.get_operations():
                if op.name == "harm" and name_not_fed(op):
                    with pytest.raises(_tf.tf.errors.InvalidArgumentError):
                        session.run(op)
    attempt(run)
    return told


def written(folder, graph_def):
    os.makedirs(folder)
    path = os.path.join(folder, "model.pb")
    with open(path, "wb") as file:
        file.write(graph_def.SerializeToString())
    return path


@pytest.mark.parametrize("beside", (False, True))
@pytest.mark.parametrize("name", sorted(hostile.ATTACKS))
def test_no_harm_comes_of_an_attack(name, beside, tmp_path):
    """As all that a graph has, and beside a harmless output, which lets the model load."""
    scene = Scene(str(tmp_path))
    graph_def = hostile.graph_def(hostile.ATTACKS[name], scene.place)
    if beside:
        hostile.node(graph_def, "harmless", "Tanh", "x", T=float)
    told = everything(written(str(tmp_path / "model"), graph_def), str(tmp_path / "edited"))
    assert scene.harm() == ""
    assert any("trust" in line or "refused" in line or "initialized" in line for line in told), told
    if beside:
        with gt.load(str(tmp_path / "model" / "model.pb")).open_session() as session:
            np.testing.assert_allclose(session.run("harmless:0", X), np.tanh(X["x:0"]), rtol=1e-6)


def test_the_refusal_names_node_op_and_the_way_out(tmp_path):
    scene = Scene(str(tmp_path))
    path = written(str(tmp_path / "model"), hostile.graph_def(hostile.ATTACKS["write_two_functions_deep"], scene.place))
    with pytest.raises(UnsafeModelError, match="'call', an op WriteFile .*'body'.* could write files; .*trusted=True"):
        gt.load(path)
    with gt.load(path, trusted=True).open_session() as session:
        assert session.run("out:0", X) == 2.0
    assert scene.harm() == "opened written"


def test_a_session_is_its_callers_and_what_it_saves_is_judged(tmp_path):
    tf = _tf.tf
    target = str(tmp_path / "written")
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [1], name="x")
        with tf.control_dependencies([tf.write_file(target, "mine")]):
            tf.tanh(x, name="out")
        model = gt.from_session(session)
    with model.open_session() as session:
        session.run("out:0", X)
    assert os.path.exists(target)
    os.remove(target)
    model.save(str(tmp_path / "saved.pb"))
    with pytest.raises(UnsafeModelError, match="WriteFile"):
        gt.load(str(tmp_path / "saved.pb"))
    assert not os.path.exists(target)


@pytest.mark.parametrize("name", ("records_parsed_then_batched", "csv_lines_batched", "python_function", "generator",
                                  "one_shot", "train_shuffle_batch"))
def test_a_training_graph_loads_and_its_readers_are_swapped(name, tmp_path):
    """Its saver, its summaries, its readers and its Python functions are cut out, or gone with the input pipeline."""
    tf = _tf.tf
    build = next(pipeline[1] for pipeline in queues.MECHANISMS if pipeline[0] == name)
    with tf.Graph().as_default(), tf.Session() as session:
        pipeline = build(tf, str(tmp_path))
        weights = tf.get_variable("weights", [3], initializer=tf.ones_initializer())
        ids = tf.cast(tf.reshape(pipeline.ids, [-1, 1]), tf.float32)
        score = tf.reduce_sum(ids * weights, name="score")
        tf.summary.scalar("loss", score)
        session.run(tf.global_variables_initializer())
        prefix = tf.train.Saver().save(session, str(tmp_path / "run" / "model.ckpt"))
    model = gt.load(prefix)
    assert any(one.op == "SaveV2" for one in model.refused.values())
    assert model.graph.get_operation_by_name("save/SaveV2").type == "NoOp"
    edited, edit = gt.swap_inputs(model)
    edited.require(["score:0"], list(edit.placeholders.values()))
    small, _ = gt.prune(edited, ["score:0"])
    assert not small.refused


def test_every_op_of_this_release_is_in_a_family():
    unknown = [name for name in _tf.registered_ops() if families.of(name) is families.UNKNOWN]
    assert not unknown, "say in graph_tools/safety what they can do: %s" % unknown


def test_no_op_is_in_two_families():
    everything = families.COMPUTING + families.REACHING
    names = [op for family in everything for op in family.ops]
    assert len(names) == len(set(names))
    assert not set(families.CONDITIONAL) & set(names)


def test_what_tensorflow_calls_harmful_is_not_allowed():
    """An oracle of its own: ops whose documented names say file, save, write, print, debug, python, rpc or dataset."""
    allowed = set().union(*(family.ops for family in families.COMPUTING)) - computing.PIPELINES
    for word in ("File", "Save", "Write", "PyFunc", "Rpc", "Record", "Checkpoint", "Xla", "TPU", "Service", "Debug"):
        assert {op for op in allowed if word in op} <= {
            "TensorArrayWrite", "TensorArrayWriteV2", "TensorArrayWriteV3", "DebugGradientIdentity",
            "DebugGradientRefIdentity", "BoostedTreesExampleDebugOutputs", "ShardedFilename", "ShardedFilespec"}, word


def test_conditional_ops_compute_unless_an_attribute_says_otherwise():
    graph = _tf.tf.GraphDef()
    screen = hostile.node(graph, "a", "PrintV2", "x", output_stream=b"stderr")
    file = hostile.node(graph, "b", "PrintV2", "x", output_stream=b"file:///tmp/a")
    inline = hostile.node(graph, "c", "DecodeProtoV2", "x", descriptor_source=b"local://")
    named = hostile.node(graph, "d", "DecodeProtoV2", "x", descriptor_source=b"/tmp/descriptor")
    assert [families.reaching(node) is None for node in (screen, file, inline, named)] == [True, False, True, False]


def test_every_import_of_a_graph_asks_first():
    """A new call of ``import_graph_def`` cuts out what reaches out, or is added here with the reason."""
    imported_already = {"signature.py"}  # what it copies has come from an import
    root = pathlib.Path(gt.__file__).resolve().parent.parent
    found = {path.name: path.read_text(encoding="utf-8") for package in ("graph_tools", "tf1_ig")
             for path in (root / package).rglob("*.py")
             if re.search(r"^(?! *(>>>|\.\.\.)).*import_graph_def\(", path.read_text(encoding="utf-8"), re.M)}
    assert found and all("disarm" in text for name, text in found.items() if name not in imported_already)


def test_functions_handed_to_functions_are_seen():
    graph = _tf.tf.GraphDef()
    node = graph.node.add(name="call", op="PartitionedCall")
    node.attr["f"].func.name = "outer"
    node.attr["f"].func.attr["g"].func.name = "inner"
    assert set(functions.called(node)) == {"PartitionedCall", "outer", "inner"}


def _named(name):
    """A graph whose node calls a function of that name, which does nothing."""
    graph = _tf.tf.GraphDef()
    body = graph.library.function.add()
    body.signature.name = name
    outer = graph.library.function.add()
    outer.signature.name = "outer"
    outer.node_def.add(name="inner", op=name)
    graph.node.add(name="call", op=name)
    graph.node.add(name="around", op="outer")
    return graph


@pytest.mark.parametrize("op", ["ReadFile", "WriteFile", "PyFunc", "PrintV2", "SomeNewDataset", "_Recv"])
def test_a_function_named_after_an_op_exempts_nothing(op):
    graph = _named(op)
    if op == "PrintV2":
        for node in (graph.node[0], graph.library.function[1].node_def[0]):
            node.attr["output_stream"].s = b"file://somewhere"
    assert set(judge.judge(graph)) == {"call", "around"}


@pytest.mark.parametrize("name", ["Innocent", "__inference_ReadFile_12", "Dataset_map_f_3", "MyFn", "Identity"])
def test_a_function_of_ones_own_name_is_a_call(name):
    assert judge.judge(_named(name)) == {}


# ---- files


@pytest.fixture(scope="module")
def with_file(tmp_path_factory):
    return formats.write_style(tmp_path_factory.mktemp("file"), "file")


def moved(with_file, tmp_path):
    folder = str(tmp_path / "saved")
    shutil.copytree(with_file.saved_model, folder)
    return folder


def test_an_asset_that_is_a_link_to_elsewhere_is_not_read(with_file, tmp_path):
    folder, outside = moved(with_file, tmp_path), str(tmp_path / "outside.txt")
    asset = glob.glob(os.path.join(folder, "assets", "*"))[0]
    shutil.move(asset, outside)
    os.symlink(outside, asset)
    watched = Watched(outside)
    model = gt.load(folder)
    assert any("is not in the model's folder" in warning and "link" in warning for warning in model.warnings)
    model.save(str(tmp_path / "copy"))
    assert not watched.opened()
    assert not glob.glob(str(tmp_path / "copy" / "assets" / "*"))
    with gt.load(folder, trusted=True).open_session() as session:
        np.testing.assert_allclose(session.run(formats.PROBABILITIES, formats.FEED), with_file.outputs, atol=1e-6)


def test_a_link_within_the_folder_is_read(with_file, tmp_path):
    folder = moved(with_file, tmp_path)
    asset = glob.glob(os.path.join(folder, "assets", "*"))[0]
    shutil.move(asset, asset + ".real")
    os.symlink(os.path.basename(asset) + ".real", asset)
    assert gt.load(folder).warnings == ()


def test_shards_that_are_links_to_elsewhere_are_refused(with_file, tmp_path):
    folder = moved(with_file, tmp_path)
    shard = glob.glob(os.path.join(folder, "variables", "*.data-*"))[0]
    shutil.move(shard, str(tmp_path / "elsewhere"))
    os.symlink(str(tmp_path / "elsewhere"), shard)
    with pytest.raises(UnsafeModelError, match="is not in the model's folder"):
        gt.load(folder)
    assert gt.load(folder, trusted=True).warnings == ()


def test_a_checkpoint_file_that_points_elsewhere_is_refused(with_file, tmp_path):
    folder = tmp_path / "training"
    folder.mkdir()
    (folder / "checkpoint").write_text('model_checkpoint_path: "%s"\n' % with_file.checkpoint)
    with pytest.raises(UnsafeModelError, match="another model's checkpoint"):
        gt.load(str(folder))
    assert gt.load(str(folder), trusted=True).format == "meta_graph"


def test_a_meta_graph_that_names_a_file_by_its_full_path_ships_nothing(with_file, tmp_path):
    secret = tmp_path / "outside" / "secret"
    secret.parent.mkdir()
    secret.write_text("mine")
    meta_graph = _tf.tf.MetaGraphDef()
    with open(with_file.checkpoint + ".meta", "rb") as file:
        meta_graph.ParseFromString(file.read())
    tensor = next(node.name + ":0" for node in meta_graph.graph_def.node
                  if node.op == "Const" and node.attr["dtype"].type == 7)
    asset = meta_graph.asset_file_def.add(filename=str(secret))
    asset.tensor_info.name = tensor
    folder = tmp_path / "model"
    shutil.copytree(os.path.dirname(with_file.checkpoint), str(folder))
    path = str(folder / os.path.basename(with_file.checkpoint)) + ".meta"
    with open(path, "wb") as file:
        file.write(meta_graph.SerializeToString())
    watched = Watched(str(secret))
    model = gt.load(path)
    assert any("is not read" in warning for warning in model.warnings)
    model.save(str(tmp_path / "shipped"))
    model.save(str(tmp_path / "shipped.pb"))
    assert not watched.opened() and not glob.glob(str(tmp_path / "shipped" / "assets" / "secret"))


def test_a_refusal_is_judged_in_a_pass(tmp_path):
    """Judging costs little beside importing: a graph of many nodes, each looked at once."""
    graph = _tf.tf.GraphDef()
    for number in range(20000):
        hostile.node(graph, "n%d" % number, "NoOp")
    assert judge.judge(graph) == {}


# ---- bounds


def splat(graph, name, shape):
    """A constant that says it is large, and holds one number."""
    node = graph.node.add(name=name, op="Const")
    node.attr["dtype"].type = node.attr["value"].tensor.dtype = 1
    node.attr["value"].tensor.float_val.append(1.0)
    for size in shape:
        node.attr["value"].tensor.tensor_shape.dim.add(size=size)
    return name


def empty():
    graph = _tf.tf.GraphDef()
    graph.versions.producer = 27
    hostile.node(graph, "x", "Placeholder", dtype=float, shape=[1])
    return graph


def shaped_by(graph, entry):
    """An output whose shape is the sum of a matrix: import has to know it."""
    hostile.constant(graph, "axes", [0, 1])
    hostile.node(graph, "sum", "Sum", entry, "axes", T=float, Tidx=int, keep_dims=False)
    hostile.node(graph, "whole", "Cast", "sum", SrcT=float, DstT=int)
    hostile.node(graph, "dims", "Reshape", "whole", hostile.constant(graph, "one", [1]), T=int, Tshape=int)
    hostile.node(graph, "out", "Fill", "dims", hostile.constant(graph, "zero", 0.0), T=float)


def products(size, count):
    graph = empty()
    entry = splat(graph, "m", [size, size])
    for number in range(count):
        hostile.node(graph, "p%d" % number, "MatMul", entry, "m", T=float, transpose_a=False, transpose_b=False)
        entry = "p%d" % number
    shaped_by(graph, entry)
    return graph


def filled(sizes):
    graph = empty()
    hostile.constant(graph, "a", sizes)
    hostile.node(graph, "sizes", "Maximum", "a", "a", T=int)
    hostile.node(graph, "f", "Fill", "sizes", hostile.constant(graph, "v", 1.0), T=float)
    shaped_by(graph, "f")
    return graph


def doubled(times):
    graph = empty()
    entry = hostile.constant(graph, "s", "ab" * 500)
    for number in range(times):
        hostile.node(graph, "s%d" % number, "StringJoin", entry, entry, N=2)
        entry = "s%d" % number
    hostile.sized_by(graph, entry)
    return graph


def tiled(times):
    graph = empty()
    hostile.node(graph, "t", "Tile", splat(graph, "m", [100, 100]), hostile.constant(graph, "times", [times, times]),
                 T=float, Tmultiples=int)
    shaped_by(graph, "t")
    return graph


BOMBS = {"products": products(3000, 6), "filled": filled([1 << 20, 1 << 20]), "doubled": doubled(40),
         "tiled": tiled(10000)}
SMALL = {"products": products(20, 3), "filled": filled([4, 5]), "doubled": doubled(2), "tiled": tiled(2)}


@pytest.mark.parametrize("name", sorted(BOMBS))
def test_what_import_would_fold_for_ever_is_withheld(name, tmp_path):
    model = gt.load(written(str(tmp_path / "model"), BOMBS[name]))
    assert model.graph.get_tensor_by_name("out:0").shape.num_elements() is None


@pytest.mark.parametrize("name", sorted(SMALL))
def test_what_is_folded_quickly_is_folded(name, tmp_path):
    tf = _tf.tf
    model = gt.load(written(str(tmp_path / "model"), SMALL[name]))
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(SMALL[name], name="")
    assert model.graph.get_tensor_by_name("out:0").shape.as_list() == graph.get_tensor_by_name(
        "out:0").shape.as_list() != [None]
    assert len(model.graph.get_operations()) == len(graph.get_operations())


def test_constants_that_the_file_does_not_hold(tmp_path):
    graph = empty()
    hostile.node(graph, "out", "Neg", splat(graph, "m", [1 << 20, 1 << 20]), T=float)
    with pytest.raises(gt.TooLargeError, match="constant 'm' says that it is"):
        gt.load(written(str(tmp_path / "model"), graph))


@pytest.mark.parametrize("count, refused", ((10, False), (1, False), (-1 << 31, True), (1 << 40, True), (0, True)))
def test_iterations_of_a_loop_at_a_time(count, refused, tmp_path):
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, (), name="x")
        loop = tf.while_loop(lambda step, _: step < 3, lambda step, total: (step + 1, total * 2.0), (0, x))
        tf.identity(loop[1], name="out")
    graph_def = graph.as_graph_def()
    entered = [node for node in graph_def.node if "parallel_iterations" in node.attr]
    assert entered
    for node in entered:
        node.attr["parallel_iterations"].i = count
    path = written(str(tmp_path / "model"), graph_def)
    if refused:
        with pytest.raises(gt.TooLargeError, match=r"wants %d iterations of its loop at a time" % count):
            gt.load(path)
        return
    with gt.load(path).open_session() as session:
        assert session.run("out:0", {"x:0": 1.5}) == 12.0


def calling(depth, width):
    """Functions that call the next one ``width`` times; the last one negates."""
    graph = empty()
    for number in range(depth):
        body = hostile.function(graph, "f%d" % number, "y", "n%d:y:0" % (width - 1))
        body.signature.input_arg.add(name="x", type=1)
        entry = "x"
        for call in range(width):
            if number:
                hostile.node(body, "n%d" % call, "f%d" % (number - 1), entry)
            else:
                hostile.node(body, "n%d" % call, "Neg", entry, T=float)
            entry = "n%d:y:0" % call
    hostile.node(graph, "out", "f%d" % (depth - 1), "x")
    return graph


@pytest.mark.parametrize("depth, width", ((40, 2), (300, 1)))
def test_functions_that_multiply_or_nest_without_end(depth, width, tmp_path):
    with pytest.raises(gt.TooLargeError, match="unfolds to"):
        gt.load(written(str(tmp_path / "model"), calling(depth, width)))


def test_functions_within_bounds(tmp_path):
    with gt.load(written(str(tmp_path / "model"), calling(4, 2))).open_session() as session:
        assert session.run("out:0", X) == 1.0


# ---- scan


def test_scan_tells_what_reaches_out_and_whether_it_matters(tmp_path):
    scene = Scene(str(tmp_path))
    graph = hostile.graph_def(hostile.ATTACKS["write_in_function"], scene.place)
    found = gt.scan(written(str(tmp_path / "needed"), graph))
    assert found.verdict == "reaches out" and [one.node for one in found.needed] == ["call"]
    assert list(found.families()) == ["writes files"] and found.refused[0].inside == "body"
    beside = empty()
    hostile.node(beside, "harm", "WriteFile", hostile.constant(beside, "path", scene.place.target),
                 hostile.constant(beside, "text", "gotcha"))
    hostile.node(beside, "out", "Neg", "x", T=float)
    found = gt.scan(written(str(tmp_path / "beside"), beside))
    assert found.verdict == "reaches out beside its outputs" and not found.needed and not found.problems
    harmless = empty()
    hostile.node(harmless, "out", "Neg", "x", T=float)
    assert gt.scan(written(str(tmp_path / "harmless"), harmless))[1:] == ("computes", (), (), ())
    assert scene.harm() == ""


def test_scan_looks_at_every_form_of_a_model(with_file):
    for path in (with_file.frozen, with_file.frozen_text, with_file.saved_model, with_file.checkpoint):
        assert gt.scan(path).verdict in ("computes", "reaches out beside its outputs"), path


# ---- a process of its own


@pytest.mark.dealt
@pytest.mark.slow
def test_isolated_loads_raise_what_the_other_process_raised(tmp_path, with_file):
    assert gt.load(with_file.frozen, isolate=True).format == "frozen"
    scene = Scene(str(tmp_path))
    path = written(str(tmp_path / "model"), hostile.graph_def(hostile.ATTACKS["write_file"], scene.place))
    with pytest.raises(UnsafeModelError, match="WriteFile"):
        gt.load(path, isolate=True)
    with pytest.raises(gt.TooLargeError, match="not done importing it after 0.01 s"):
        gt.load(path, isolate=True, time_limit=0.01)
