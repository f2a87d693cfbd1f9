"""What is reported of each way into a graph: components, dtypes, shapes, what hangs on it, and what is no input."""

import numpy as np
import pytest

import graph_tools as gt
from graph_tools import _tf
from graph_tools.errors import TensorNotFoundError
from graph_tools.running import runs
from tests.models import queues

_newer = pytest.mark.skipif(_tf.version < (2, 0), reason="TensorFlow 1.15 has no ParseExampleV2")


def _model(graph):
    return queues.Case(graph, None).model


def _shapes(found):
    return {component.label: (component.dtype, component.shape) for component in found.components}


def _run(model, fetches, feeds):
    with model.open_session() as session:
        return runs.run(session, fetches, feeds, timeout=20)


# ---- placeholders


def test_placeholders_with_and_without_default_and_scalars_last():
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        keep = tf.placeholder_with_default(1.0, [], name="keep")
        rate = tf.placeholder(tf.float32, [], name="rate")
        x = tf.placeholder(tf.float32, [None, 3], name="x")
        tf.placeholder(tf.int32, [4], name="forgotten")
        tf.identity(x * keep * rate, name="y")
    found = gt.find_inputs(_model(graph))
    assert [(one.tensor, one.kind, one.dtype, one.shape, one.default) for one in found] == [
        ("x:0", "placeholder", "float32", (None, 3), None),
        ("rate:0", "placeholder", "float32", (), None),
        ("keep:0", "placeholder", "float32", (), "keep/input:0")]
    assert [miss.name for miss in found.misses] == ["forgotten:0"]
    assert "nothing reads it" in found.misses[0].why


def test_an_empty_shape_below_producer_24_means_an_unknown_rank():
    with _tf.tf.Graph().as_default() as graph:
        _tf.tf.identity(_tf.tf.placeholder(_tf.tf.float32, [], name="x"))
    model = _model(graph)
    assert gt.find_inputs(model).only().shape == ()
    meta_graph = model.meta_graph
    meta_graph.graph_def.versions.producer = 21
    assert gt.find_inputs(gt.Model(meta_graph, "old")).only().shape is None


def test_the_three_of_a_sparse_placeholder_are_one_input():
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        words = tf.sparse_placeholder(tf.string, name="words")
        tf.sparse.to_dense(words, default_value="", name="dense")
    found = gt.find_inputs(_model(graph)).only()
    assert found.kind == "sparse_placeholder"
    assert set(found.tensors) == {"words/indices:0", "words/values:0", "words/shape:0"}
    assert _shapes(found)["values"] == ("string", (None,))


def test_a_sparse_placeholder_without_a_name_is_told_by_who_reads_its_indices():
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        tf.sparse_tensor_dense_matmul(tf.sparse_placeholder(tf.float32), tf.ones([5, 2]), name="product")
    found = gt.find_inputs(_model(graph)).only()
    assert found.kind == "sparse_placeholder" and len(found.tensors) == 3
    assert _shapes(found)["values"] == ("float32", (None,))
    with tf.Graph().as_default() as graph:  # the twin: lengths, weights and ids that are looked up
        lengths, scale = tf.placeholder(tf.int64, [None]), tf.placeholder(tf.float32, [None])
        rows = tf.gather(tf.ones([5, 2]), tf.placeholder(tf.int64, [None, None]))
        tf.identity(rows * tf.reshape(scale * tf.cast(lengths, tf.float32), [-1, 1, 1]), name="product")
    assert [one.kind for one in gt.find_inputs(_model(graph))] == ["placeholder"] * 3


def test_a_file_that_is_read_by_name_is_an_input():
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        tf.image.decode_png(tf.read_file(tf.placeholder(tf.string, [], "name")), name="picture")
    found = {one.kind: one for one in gt.find_inputs(_model(graph))}
    assert found["file"].dtype == "string" and "'name:0'" in found["file"].why


def test_an_output_keeps_what_it_depends_on():
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        queues.classify(tf.placeholder(tf.int64, [None, 3], "ids"), tf.placeholder(tf.int64, [None], "label"))
    model = _model(graph)
    assert [one.tensor for one in gt.find_inputs(model)] == ["ids:0", "label:0"]
    found = gt.find_inputs(model, "logits")
    assert [one.tensor for one in found] == ["ids:0"]
    assert any(miss.name == "label:0" and "does not depend on it" in miss.why for miss in found.misses)
    with pytest.raises(TensorNotFoundError, match="did you mean 'logits:0'"):
        gt.find_inputs(model, "logit")


def test_what_looks_like_an_input_and_is_none():
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, 4], name="x")
        positions = tf.constant([[0, 1, 2]], name="positions")
        stored = tf.Variable(np.array([1, 2], np.int64), trainable=False, use_resource=False, name="stored")
        table = tf.constant(queues.TABLE)
        rows = tf.reduce_sum(tf.gather(table, positions), [0, 1]) + tf.reduce_sum(tf.gather(table, stored), 0)
        tf.identity(x + rows, name="y")
        tf.train.Saver()
    found = gt.find_inputs(_model(graph))
    assert [one.tensor for one in found] == ["x:0"]
    misses = {miss.name: miss.why for miss in found.misses}
    assert "a constant" in misses["positions:0"] and "a variable" in misses["stored:0"]
    assert any("checkpoint" in why for name, why in misses.items() if name.startswith("save/"))


# ---- queues and iterators


def test_a_queue_reports_components_batch_control_edges_and_readers():
    case = queues.build({name: build for name, build, _, _ in queues.MECHANISMS}["fifo_dequeue_many"],
                        control=True)
    found = gt.find_inputs(case.model).only(kind="queue")
    assert found.tensors == ("dequeue:0", "dequeue:1") and found.tensor == "dequeue:0"
    assert _shapes(found) == {"component_0": ("int64", (None, 3)), "component_1": ("int64", (None,))}
    assert found.batch == 2 and found.producers == ("examples",)
    assert found.control == ("rows/axis",)
    ids, label = found.components
    assert ids.consumers == ("rows",)
    assert label.consumers == ("SparseSoftmaxCrossEntropyWithLogits/SparseSoftmaxCrossEntropyWithLogits",)
    assert "dequeue_many of 2 from FIFOQueueV2 'examples'" in found.why
    misses = {miss.name: miss.why for miss in gt.find_inputs(case.model).misses}
    assert "only feeds the input pipeline ('examples_EnqueueMany')" in misses["fill_ids:0"]


def test_used_and_unused_components():
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        queue = tf.FIFOQueue(9, [tf.int64, tf.float32, tf.string], [[3], [], [2]], name="q")
        ids, weight, _ = queue.dequeue_up_to(5, name="take")
        tf.identity(tf.gather(tf.constant(queues.TABLE), ids), name="rows")
        tf.identity(weight, name="weights")
    model = _model(graph)
    assert [component.used for component in gt.find_inputs(model).only().components] == [True, True, False]
    found = gt.find_inputs(model, "weights").only()
    assert [component.used for component in found.components] == [False, True, False]
    assert (found.tensor, found.dtype, found.shape) == ("take:1", "float32", (None,))


def test_elements_that_are_single_examples_have_no_batch():
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        queue = tf.FIFOQueue(9, [tf.int64, tf.int64], [[3], []], name="q")
        ids, label = queue.dequeue(name="take")
        queues.classify(ids[tf.newaxis], label[tf.newaxis])
    found = gt.find_inputs(_model(graph)).only()
    assert found.batch is None
    assert _shapes(found) == {"component_0": ("int64", (3,)), "component_1": ("int64", ())}


def test_the_producer_side_is_told_from_the_model_side(tmp_path):
    case = queues.build(queues.records_parsed_then_batched, str(tmp_path))
    found = gt.find_inputs(case.model)
    assert [one.tensor for one in found] == ["batch:0"]
    reader, parser = found.misses
    assert reader.name == "ReaderReadV2:0" and "only feeds the input pipeline" in reader.why
    assert parser.name.startswith("ParseSingleExample/")


def test_a_reader_that_feeds_the_model_directly():
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        names = tf.train.string_input_producer(["a.tfrecord"])
        _, record = tf.TFRecordReader(name="records").read(names, name="read")
        numbers = tf.decode_raw(record, tf.int64)
        tf.reduce_sum(tf.gather(tf.constant(queues.TABLE), numbers), 0, name="y")
    model = _model(graph)
    found = gt.find_inputs(model).only()
    assert (found.kind, found.tensor, found.dtype, found.shape) == ("reader", "read:1", "string", ())
    assert found.producers == ("records",)
    edited, edit = gt.swap_inputs(model)
    assert not [node.op for node in edited.index.nodes.values() if "Queue" in node.op or "Reader" in node.op]
    record = np.array([4, 1, 1], np.int64).tobytes()
    np.testing.assert_allclose(_run(edited, "y:0", {edit.placeholders["read:1"]: record}),
                               queues.TABLE[[4, 1, 1]].sum(axis=0), rtol=1e-6)


# ---- sparse components

_INDICES = np.array([[0, 0], [0, 1], [1, 0]], np.int64)
_VALUES = np.array([4, 1, 6], np.int64)


def _bag(words):
    """The sum of the table rows of each example's words."""
    tf = _tf.tf
    dense = tf.sparse.to_dense(words, default_value=-1)
    rows = tf.one_hot(dense, len(queues.TABLE)) @ tf.constant(queues.TABLE)
    return tf.reduce_sum(rows, 1, name="bag")


def _expected_bag():
    return np.stack([queues.TABLE[4] + queues.TABLE[1], queues.TABLE[6]])


def _sparse_queue():
    tf = _tf.tf
    sparse = tf.SparseTensor([[0], [1]], tf.constant([4, 1], tf.int64), [2])
    return tf.train.batch([sparse], 2)


def _sparse_iterator():
    tf = _tf.tf
    data = tf.data.Dataset.from_tensors(tf.SparseTensor(_INDICES, _VALUES, [2, 2]))
    return tf.data.make_initializable_iterator(data).get_next()


def _serialized_sparse_queue():
    tf = _tf.tf
    queue = tf.FIFOQueue(9, [tf.string], [[3]], name="q")
    queue.enqueue([tf.io.serialize_sparse(tf.SparseTensor([[0], [1]], tf.constant([4, 1], tf.int64), [2]))])
    return tf.io.deserialize_many_sparse(queue.dequeue_many(2), tf.int64, rank=2)


@pytest.mark.parametrize("source, kind", [(_sparse_queue, "queue"), (_sparse_iterator, "iterator"),
                                          (_serialized_sparse_queue, "queue")])
def test_a_sparse_component_becomes_three_placeholders(source, kind):
    with _tf.tf.Graph().as_default() as graph:
        words = source()
        _bag(words)
    model = _model(graph)
    found = gt.find_inputs(model).only(kind=kind)
    assert found.tensors[:2] == (words.indices.name, words.values.name)
    assert "sparse or ragged components are opened by" in found.why
    edited, edit = gt.swap_inputs(model)
    assert not [node.op for node in edited.index.nodes.values() if any(
        sort in node.op for sort in ("Queue", "Iterator", "TensorsMap", "erialize", "Dataset"))]
    bag = _run(edited, "bag:0", {edit.placeholders[tensor]: value for tensor, value in zip(
        found.tensors, (_INDICES, _VALUES, [2, 2])) if tensor in edit.placeholders})
    np.testing.assert_allclose(bag, _expected_bag(), rtol=1e-6)


@pytest.mark.skipif(_tf.version < (2, 0), reason="TensorFlow 1.15 iterators hold no ragged tensors in graph mode")
def test_a_ragged_component_becomes_its_splits_and_values():
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        data = tf.data.Dataset.from_tensors(_tf.tensorflow.ragged.constant([[4, 1], [6]]))
        words = tf.data.make_initializable_iterator(data).get_next()
        tf.math.segment_sum(tf.gather(tf.constant(queues.TABLE), words.flat_values), words.value_rowids(), name="bag")
    edited, edit = gt.swap_inputs(_model(graph))
    labels = {new.rpartition("/")[2]: new for new in edit.placeholders.values()}
    bag = _run(edited, "bag:0", {labels["row_splits_0:0"]: [0, 2, 3], labels["values:0"]: [4, 1, 6]})
    np.testing.assert_allclose(bag, _expected_bag(), rtol=1e-6)


# ---- parsers


def _parsed(parse):
    """A model on parsed features: dense ids, and a bag of words."""
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        serialized = tf.placeholder(tf.string, [None], name="serialized")
        features = parse(serialized)
        queues.classify(features["ids"], features["label"])
        if "words" in features:
            _bag(features["words"])
    return _model(graph)


def _parse_example(serialized):
    tf = _tf.tf
    return tf.io.parse_example(serialized, {
        "ids": tf.FixedLenFeature([3], tf.int64), "label": tf.FixedLenFeature([], tf.int64),
        "words": tf.VarLenFeature(tf.int64)})


def _parse_example_v1(serialized):
    """The op that files of TensorFlow 1 hold, which 2.x does not write any more but runs."""
    tf = _tf.tf
    values = _tf.tensorflow.raw_ops.ParseExample if hasattr(_tf.tensorflow, "raw_ops") else None
    outputs = values(serialized=serialized, names=[], sparse_keys=["words"], dense_keys=["ids", "label"],
                     dense_defaults=[tf.constant([], tf.int64)] * 2, sparse_types=[tf.int64],
                     dense_shapes=[[3], []])
    return {"ids": outputs.dense_values[0], "label": outputs.dense_values[1], "words": tf.SparseTensor(
        outputs.sparse_indices[0], outputs.sparse_values[0], outputs.sparse_shapes[0])}


def _example(ids, label, words):
    tf = _tf.tf

    def ints(values):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Example(features=tf.train.Features(feature={
        "ids": ints(ids), "label": ints([label]), "words": ints(words)})).SerializeToString()


@pytest.mark.parametrize("parse", [_parse_example, _parse_example_v1])
def test_parse_example_both_ways(parse):
    model = _parsed(parse)
    found = gt.find_inputs(model)
    parser, placeholder = found.only(kind="parse_example"), found.only(kind="placeholder")
    assert placeholder.tensor == "serialized:0"
    assert _shapes(parser) == {
        "ids": ("int64", (None, 3)), "label": ("int64", (None,)), "words/indices": ("int64", (None, 2)),
        "words/values": ("int64", (None,)), "words/shape": ("int64", (2,))}
    fetches = ["logits:0", "loss:0", "bag:0"]
    protos = [_example(queues.IDS[0], 1, [4, 1]), _example(queues.IDS[1], 0, [6])]
    reference = _run(model, fetches, {"serialized:0": protos})
    np.testing.assert_allclose(reference[0], queues.logits_of(queues.IDS[:2]), atol=1e-5)
    np.testing.assert_allclose(reference[2], _expected_bag(), rtol=1e-6)

    kept, edit = gt.swap_inputs(model)  # serialized protos stay the way in
    assert kept is model and "nothing to replace" in str(edit)
    edited, edit = gt.swap_inputs(model, parsed=True)
    assert "serialized" not in edited.index and not [
        node for node in edited.index.nodes.values() if "Parse" in node.op]
    names = {new.rpartition(parser.node + "/")[2]: new for new in edit.placeholders.values()}
    values = _run(edited, fetches, {
        names["ids:0"]: queues.IDS[:2], names["label:0"]: [1, 0], names["words/indices:0"]: _INDICES,
        names["words/values:0"]: _VALUES, names["words/shape:0"]: [2, 2]})
    for value, expected in zip(values, reference):
        np.testing.assert_array_equal(value, expected)


def test_protos_from_a_queue_keep_the_parser_or_not(tmp_path):
    def mechanism(tf, folder):
        names = tf.train.string_input_producer([queues.write_records(tf, folder)], num_epochs=9)
        _, record = tf.TFRecordReader().read(names)
        parsed = tf.io.parse_example(tf.train.batch([record], 2), queues.features(tf))
        return queues.Pipeline(parsed["ids"], parsed["label"])
    case = queues.build(mechanism, str(tmp_path))
    ids, label, logits, _ = case.run_live()
    model = case.model
    by_protos, edit = gt.swap_inputs(model)
    (placeholder,) = edit.placeholders.values()
    logits_of_two = _run(by_protos, "logits:0", {placeholder: queues.serialized()[:2]})
    np.testing.assert_allclose(logits_of_two, queues.logits_of(queues.IDS[:2]), atol=1e-5)
    by_features, edit = gt.swap_inputs(model, parsed=True)
    assert set(edit.placeholders) == {case.pipeline.ids.name, case.pipeline.label.name}
    assert not [node.op for node in by_features.index.nodes.values() if "Queue" in node.op or "Parse" in node.op]
    np.testing.assert_array_equal(_run(by_features, "logits:0", {edit.placeholders[case.pipeline.ids.name]: ids}),
                                  logits)


def test_a_single_example_and_a_sequence_example_have_no_batch_axis():
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        proto = tf.placeholder(tf.string, [], name="proto")
        one = tf.io.parse_single_example(proto, {"x": tf.FixedLenFeature([2], tf.float32),
                                                 "words": tf.VarLenFeature(tf.string)})
        context, sequence = tf.io.parse_single_sequence_example(
            proto, {"n": tf.FixedLenFeature([], tf.int64)},
            {"tokens": tf.FixedLenSequenceFeature([], tf.int64), "tags": tf.VarLenFeature(tf.string)})
        tf.identity(one["x"]), tf.identity(one["words"].values)
        tf.identity(context["n"]), tf.identity(sequence["tokens"]), tf.identity(sequence["tags"].values)
    single, many = gt.find_inputs(_model(graph)).of_kind("parse_example")
    assert _shapes(single) == {"x": ("float32", (2,)), "words/indices": ("int64", (None, 1)),
                               "words/values": ("string", (None,)), "words/shape": ("int64", (1,))}
    shapes = _shapes(many)
    assert shapes["n"] == ("int64", ()) and shapes["tokens"] == ("int64", (None,))
    assert shapes["tags/indices"] == ("int64", (None, 2))


def test_batched_sequence_examples():
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        protos = tf.placeholder(tf.string, [None], name="protos")
        context, sequence, lengths = tf.io.parse_sequence_example(
            protos, {"n": tf.FixedLenFeature([], tf.int64)},
            {"tokens": tf.FixedLenSequenceFeature([4], tf.int64), "tags": tf.VarLenFeature(tf.string)})
        tf.identity(context["n"]), tf.identity(sequence["tokens"]), tf.identity(lengths["tokens"])
        tf.identity(sequence["tags"].values)
    shapes = _shapes(gt.find_inputs(_model(graph)).only(kind="parse_example"))
    assert shapes["n"] == ("int64", (None,)) and shapes["tokens"] == ("int64", (None, None, 4))
    assert shapes["tokens/lengths"] == ("int64", (None,)) and shapes["tags/indices"] == ("int64", (None, 3))


@_newer
def test_ragged_features():
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        protos = tf.placeholder(tf.string, [None], name="protos")
        parsed = tf.io.parse_example(protos, {"words": tf.io.RaggedFeature(tf.int64)})
        tf.math.segment_sum(tf.gather(tf.constant(queues.TABLE), parsed["words"].flat_values),
                            parsed["words"].value_rowids(), name="bag")
    model = _model(graph)
    edited, edit = gt.swap_inputs(model, parsed=True)
    names = {new.rpartition("/")[2]: new for new in edit.placeholders.values()}
    bag = _run(edited, "bag:0", {names["values:0"]: [4, 1, 6], names["row_splits:0"]: [0, 2, 3]})
    np.testing.assert_allclose(bag, _expected_bag(), rtol=1e-6)


# ---- Python functions


def test_a_python_function_of_something_fed_stays_unless_it_is_asked_for():
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        text = tf.placeholder(tf.string, [None], name="text")
        ids = tf.py_func(lambda texts: queues.IDS[:len(texts)], [text], tf.int64, name="tokenize")
        ids.set_shape([None, 3])
        queues.classify(ids, tf.placeholder(tf.int64, [None], name="label"))
    model = _model(graph)
    found = gt.find_inputs(model).only(kind="py_func")
    assert found.tensor == "tokenize:0" and "code is not in the graph" in found.why
    assert gt.swap_inputs(model)[0] is model
    edited, edit = gt.swap_inputs(model, found)
    assert "text" not in edited.index and "text" in edit.removed
    logits = _run(edited, "logits:0", {edit.placeholders["tokenize:0"]: queues.IDS})
    np.testing.assert_allclose(logits, queues.logits_of(queues.IDS), atol=1e-5)
