"""What another release wrote: defaults are dropped, the rest is one error that names op, attribute and release."""

import pytest

import graph_tools as gt
from graph_tools import _tf
from graph_tools.errors import ReleaseError
from graph_tools.releases import fit as release, newer, portable
from tests.models import queues


def meta_graph(op="Relu", writer="", **attrs):
    """A MetaGraphDef of one node."""
    result = _tf.tf.MetaGraphDef()
    result.meta_info_def.tensorflow_version = writer
    node = result.graph_def.node.add(name="node", op=op)
    for name, text in attrs.items():
        _tf.text_format.Parse(text, node.attr[name])
    return result


def test_an_attribute_at_the_default_that_the_writer_recorded_is_dropped():
    graph = meta_graph(from_the_future="b: true", T="type: DT_FLOAT")
    op = graph.meta_info_def.stripped_op_list.op.add(name="Relu")
    _tf.text_format.Parse("b: true", op.attr.add(name="from_the_future").default_value)
    assert release.fit(graph, "here") == ()
    assert list(graph.graph_def.node[0].attr) == ["T"]


def test_one_that_is_not_at_its_default_is_an_error():
    graph = meta_graph(writer="9.8.7", from_the_future="b: false")
    op = graph.meta_info_def.stripped_op_list.op.add(name="Relu")
    _tf.text_format.Parse("b: true", op.attr.add(name="from_the_future").default_value)
    with pytest.raises(ReleaseError) as caught:
        release.fit(graph, "model.pb")
    for word in ("model.pb", "'node'", "Relu", "from_the_future={b: false}", _tf.tf.__version__, "9.8.7"):
        assert word in str(caught.value)


def test_internal_attributes_pass():
    graph = meta_graph(_anything="b: true")
    assert release.fit(graph, "here") == ()
    assert "_anything" in graph.graph_def.node[0].attr


@pytest.mark.parametrize("producer, declared, taken", [
    (21, None, (1, 6, None)), (100, None, (1, 6, None)),
    (21, "shape { }", (1, 6, None)), (100, "shape { unknown_rank: true }", (1, 6, None)),
    (100, "shape { }", ()), (21, "shape { dim { size: 2 } }", (2,))])
def test_a_placeholder_without_a_shape_has_the_one_that_the_file_notes(producer, declared, taken):
    meta = meta_graph("Placeholder", dtype="type: DT_FLOAT", _output_shapes=(
        "list { shape { dim { size: 1 } dim { size: 6 } dim { size: -1 } } }"))
    meta.graph_def.versions.producer = producer
    _tf.text_format.Parse("type: DT_FLOAT", meta.graph_def.node.add(
        name="read", op="Identity", input=["node"]).attr["T"])
    if declared is not None:
        _tf.text_format.Parse(declared, meta.graph_def.node[0].attr["shape"])
    with _tf.tf.Graph().as_default() as graph:  # what TensorFlow says, where the file does not contradict itself
        if taken and len(taken) > 1:
            _tf.tf.import_graph_def(meta.graph_def, name="")
            assert graph.get_tensor_by_name("node:0").shape.as_list() == list(taken)
    assert release.fit(meta, "here") == ()
    assert gt.find_inputs(gt.Model(meta, "here")).only().shape == taken


@pytest.mark.dealt
@pytest.mark.parametrize("entry", newer.ATTRIBUTES, ids=lambda entry: entry.name)
def test_every_listed_attribute_has_a_default_that_its_op_agrees_with(entry):
    known = _tf.registered_ops()
    default = newer.attributes()[entry.ops.split()[0], entry.name][0]
    for op in entry.ops.split():
        registered = {attr.name: attr for attr in known[op].attr} if op in known else {}
        if entry.name in registered and default is not None:
            assert registered[entry.name].default_value == default


@pytest.mark.skipif(_tf.version >= (2, 0), reason="these ops and attributes are in this release")
@pytest.mark.parametrize("op,attrs,words", (
    ("SparseSegmentMean", {"Tsegmentids": "type: DT_INT64"}, ("Tsegmentids", "2.15")),
    ("SegmentSumV2", {}, ("SegmentSumV2", "2.15")),
    ("GatherNd", {"bad_indices_policy": "s: \"IGNORE\""}, ("bad_indices_policy", "2.21")),
))
def test_old_releases_name_the_release_that_is_needed(op, attrs, words):
    with pytest.raises(ReleaseError) as caught:
        release.fit(meta_graph(op, **attrs), "model.pb")
    for word in words:
        assert word in str(caught.value)


def test_several_misfits_make_one_error():
    graph = meta_graph("NoSuchOpA")
    graph.graph_def.node.add(name="second", op="NoSuchOpB")
    with pytest.raises(ReleaseError, match="NoSuchOpA.*nor NoSuchOpB"):
        release.fit(graph, "model.pb")


def test_a_function_that_nothing_needs_may_be_beyond_this_release():
    """As the functions are that save and restore: a serving signature does not run them."""
    graph = meta_graph("NoOp")
    function = graph.graph_def.library.function.add()
    function.signature.name = "saver"
    function.node_def.add(name="inner", op="NoSuchOp")
    graph.graph_def.node.add(name="call", op="saver")
    graph.graph_def.node.add(name="output", op="NoOp")
    graph.signature_def["serving"].outputs["y"].name = "output:0"
    warnings = release.fit(graph, "here")
    assert len(warnings) == 1 and "NoSuchOp" in warnings[0] and "'saver'" in warnings[0]
    assert [node.name for node in graph.graph_def.node] == ["node", "output"]
    assert not graph.graph_def.library.function


def test_a_function_that_a_signature_needs_may_not():
    graph = meta_graph("NoOp")
    function = graph.graph_def.library.function.add()
    function.signature.name = "saver"
    function.node_def.add(name="inner", op="NoSuchOp")
    graph.graph_def.node.add(name="call", op="saver")
    graph.signature_def["serving"].outputs["y"].name = "call:0"
    with pytest.raises(ReleaseError, match="in function 'saver'"):
        release.fit(graph, "here")


def test_portable_graphs_lose_newer_defaults_only():
    graph = meta_graph("TopKV2", index_type="type: DT_INT32", Tk="type: DT_INT64", sorted="b: true").graph_def
    portable.strip(graph)
    assert sorted(graph.node[0].attr) == ["Tk", "sorted"]


def test_tensorflow_refusing_an_import_is_a_release_error_too(tmp_path):
    """An attribute that every release knows, with a value that none allows."""
    graph = meta_graph("Relu", T="type: DT_STRING").graph_def
    graph.node.add(name="text", op="Placeholder").attr["dtype"].type = 7
    graph.node[0].input.append("text")
    path = str(tmp_path / "odd.pb")
    with open(path, "wb") as file:
        file.write(graph.SerializeToString())
    with pytest.raises(ReleaseError, match="odd.pb"):
        gt.load(path).new_graph()


def test_what_only_newer_releases_read_is_told():
    graph = meta_graph("GatherNd", bad_indices_policy='s: "IGNORE"').graph_def
    graph.node.add(name="sums", op="SegmentSumV2")
    graph.node.add(name="product", op="MatMul").attr["grad_a"].b = True
    portable.strip(graph)
    assert portable.needs(graph) == [
        "only TensorFlow 2.15 or newer can read this: op SegmentSumV2 (node 'sums')",
        "only TensorFlow 2.21 or newer can read this: attribute bad_indices_policy of op GatherNd (node 'node')"]


@pytest.mark.skipif(_tf.version < (2, 0), reason="this release writes the older parser itself")
def test_a_parser_is_written_as_the_first_release_reads_it(tmp_path):
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        protos = tf.placeholder(tf.string, [None], name="protos")
        parsed = tf.io.parse_example(protos, {
            "ids": tf.FixedLenFeature([3], tf.int64), "none": tf.FixedLenFeature([], tf.int64, 5),
            "label": tf.VarLenFeature(tf.int64), "nothing": tf.VarLenFeature(tf.string)})
        tf.identity(tf.reduce_sum(parsed["ids"], 1) * parsed["none"], name="y")
        tf.identity(tf.sparse.to_dense(parsed["label"], -1), name="label")
        tf.identity(tf.shape(parsed["nothing"].indices), name="nothing")
    model = queues.Case(graph, None).model
    model.save(str(tmp_path / "model.pb"))
    written = gt.load(str(tmp_path / "model.pb"))
    ops = {node.op for node in written.graph_def.node}
    assert "ParseExampleV2" not in ops and "ParseExample" in ops and portable.needs(written.graph_def) == []
    with model.open_session() as before, written.open_session() as after:
        for name in ("y:0", "label:0", "nothing:0"):
            found = after.run(name, {"protos:0": queues.serialized()})
            assert (found == before.run(name, {"protos:0": queues.serialized()})).all() and found.size
