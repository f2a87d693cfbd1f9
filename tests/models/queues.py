"""Every input mechanism in front of one small classifier, with what it takes to run it for real.

The classifier is ``mean(table[ids]) @ weights`` with fixed numbers, so that numpy knows its answer for any batch.
"""

import os
from typing import Any, Callable, NamedTuple, Tuple

import numpy as np

from graph_tools import _tf
from graph_tools.model import Model

IDS = np.array([[1, 2, 3], [4, 5, 6], [0, 2, 4], [6, 6, 1], [3, 0, 5], [2, 1, 0]], np.int64)
LABELS = np.array([0, 1, 1, 0, 1, 0], np.int64)
TABLE = np.random.RandomState(7).normal(size=(7, 4)).astype(np.float32)
WEIGHTS = np.random.RandomState(8).normal(size=(4, 2)).astype(np.float32)


class Pipeline(NamedTuple):
    """What a mechanism hands over, and how to make it do so in a session."""

    ids: Any
    label: Any
    start: Callable = lambda session: None


class Case(NamedTuple):
    """A graph with a mechanism in front of the classifier."""

    graph: Any
    pipeline: Pipeline

    @property
    def model(self) -> Model:
        """The whole training graph, collections included."""
        with self.graph.as_default():
            return Model(_tf.tf.train.export_meta_graph(graph=self.graph), "test graph")

    @property
    def frozen(self) -> Model:
        """What the outputs need and nothing else, as ``convert_variables_to_constants`` leaves it."""
        meta_graph = _tf.tf.MetaGraphDef()
        meta_graph.graph_def.CopyFrom(_tf.tf.graph_util.extract_sub_graph(
            self.graph.as_graph_def(), ["logits", "loss"]))
        return Model(meta_graph, "frozen test graph")

    def run_live(self) -> Tuple[np.ndarray, ...]:
        """One real step: ``(ids, label, logits, loss)`` of whatever batch came."""
        tf = _tf.tf
        with tf.Session(graph=self.graph, config=_tf.session_config()) as session:
            coordinator = tf.train.Coordinator()
            with self.graph.as_default():
                session.run(_initializers(self.graph))
                self.pipeline.start(session)
                threads = tf.train.start_queue_runners(session, coordinator)
            fetches = [self.pipeline.ids, self.pipeline.label, "logits:0", "loss:0"]
            values = session.run(fetches, options=tf.RunOptions(timeout_in_ms=20000))
            coordinator.request_stop()
            for runner in self.graph.get_collection(tf.GraphKeys.QUEUE_RUNNERS):
                session.run(runner.cancel_op)
            coordinator.join(threads, stop_grace_period_secs=10, ignore_live_threads=True)
        return tuple(np.asarray(value) for value in values)


def _initializers(graph):
    tf = _tf.tf
    return [variable.initializer for key in (tf.GraphKeys.GLOBAL_VARIABLES, tf.GraphKeys.LOCAL_VARIABLES)
            for variable in graph.get_collection(key)]


def build(mechanism: Callable, folder: str = "", control: bool = False) -> Case:
    """The classifier behind a mechanism; ``control`` adds a control edge from what hands the ids over."""
    graph = _tf.tf.Graph()
    with graph.as_default():
        pipeline = mechanism(_tf.tf, folder)
        classify(pipeline.ids, pipeline.label, control)
    return Case(graph, pipeline)


def classify(ids, label, control: bool = False):
    tf = _tf.tf
    table = tf.constant(TABLE, name="table")
    with tf.control_dependencies([ids.op] if control else []):
        rows = tf.gather(table, ids, name="rows")
    logits = tf.matmul(tf.reduce_mean(rows, 1), tf.constant(WEIGHTS), name="logits")
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=label, logits=logits)
    return tf.reduce_mean(losses, name="loss")


def logits_of(ids) -> np.ndarray:
    """The classifier in numpy."""
    return TABLE[np.asarray(ids)].mean(axis=1) @ WEIGHTS


def loss_of(ids, label) -> float:
    logits = logits_of(ids).astype(np.float64)
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return -logs[np.arange(len(logits)), np.asarray(label)].mean()


# ---- queues


def _filled(tf, queue, ids, label) -> Callable:
    """Fills a queue of batches (shapes with a batch axis) or of rows; a separate enqueue op for each."""
    batches = queue.shapes[0].rank in (None, 2)
    feeds = [tf.placeholder(tf.int64, name="fill_ids"), tf.placeholder(tf.int64, name="fill_label")]
    enqueue = queue.enqueue(feeds) if batches else queue.enqueue_many(feeds)

    def start(session):
        for first in range(0, len(ids), 2):
            session.run(enqueue, dict(zip(feeds, (ids[first:first + 2], label[first:first + 2]))))
    return start


def fifo_dequeue_unknown(tf, folder):
    queue = tf.FIFOQueue(20, [tf.int64, tf.int64], name="examples")
    ids, label = queue.dequeue(name="dequeue")
    ids.set_shape([None, 3])
    label.set_shape([None])
    return Pipeline(ids, label, _filled(tf, queue, IDS, LABELS))


def fifo_dequeue_batches(tf, folder):
    queue = tf.FIFOQueue(20, [tf.int64, tf.int64], [[2, 3], [2]], name="examples")
    ids, label = queue.dequeue(name="dequeue")
    return Pipeline(ids, label, _filled(tf, queue, IDS, LABELS))


def _rows(kind, take, size=2):
    def mechanism(tf, folder):
        queue = kind(tf)
        ids, label = getattr(queue, take)(size, name="dequeue")
        return Pipeline(ids, label, _filled(tf, queue, IDS, LABELS))
    return mechanism


def _fifo(tf):
    return tf.FIFOQueue(20, [tf.int64, tf.int64], [[3], []], name="examples")


def _padding(tf):
    return tf.PaddingFIFOQueue(20, [tf.int64, tf.int64], [[None], []], name="examples")


def _shuffle(tf):
    return tf.RandomShuffleQueue(20, 0, [tf.int64, tf.int64], [[3], []], name="examples", seed=3)


def priority_dequeue_many(tf, folder):
    queue = tf.PriorityQueue(20, [tf.int64, tf.int64], [[3], []], name="examples")
    feeds = [tf.placeholder(tf.int64, name=name) for name in ("fill_priority", "fill_ids", "fill_label")]
    enqueue = queue.enqueue_many(feeds)
    _, ids, label = queue.dequeue_many(2, name="dequeue")

    def start(session):
        session.run(enqueue, dict(zip(feeds, (np.arange(len(IDS))[::-1], IDS, LABELS))))
    return Pipeline(ids, label, start)


# ---- the queue functions of tf.train


def _example(tf, shuffle=False):
    return tf.train.slice_input_producer([tf.constant(IDS), tf.constant(LABELS)], num_epochs=20, shuffle=shuffle)


def train_batch(tf, folder):
    return Pipeline(*tf.train.batch(_example(tf), 2))


def train_batch_smaller_final(tf, folder):
    return Pipeline(*tf.train.batch(_example(tf), 2, allow_smaller_final_batch=True))


def train_batch_dynamic_pad(tf, folder):
    ids, label = _example(tf)
    ids = ids[:tf.cast(label, tf.int32) + 2]
    return Pipeline(*tf.train.batch([ids, label], 2, dynamic_pad=True))


def train_batch_enqueue_many(tf, folder):
    return Pipeline(*tf.train.batch([tf.constant(IDS), tf.constant(LABELS)], 2, enqueue_many=True))


def train_shuffle_batch(tf, folder):
    return Pipeline(*tf.train.shuffle_batch(_example(tf), 2, 20, 2, seed=1))


def train_batch_join(tf, folder):
    return Pipeline(*tf.train.batch_join([_example(tf), _example(tf, shuffle=True)], 2))


def train_shuffle_batch_join(tf, folder):
    return Pipeline(*tf.train.shuffle_batch_join([_example(tf), _example(tf)], 2, 20, 2, seed=1))


def train_maybe_batch(tf, folder):
    ids, label = _example(tf)
    return Pipeline(*tf.train.maybe_batch([ids, label], tf.equal(label, 1), 2))


def train_maybe_shuffle_batch(tf, folder):
    ids, label = _example(tf)
    return Pipeline(*tf.train.maybe_shuffle_batch([ids, label], 2, 20, 2, tf.equal(label, 1), seed=1))


def barrier_take_many(tf, folder):
    """A barrier holds an element back until all of its parts have been put in, under one key."""
    barrier = _data_flow_ops().Barrier((tf.int64, tf.int64), shapes=((3,), ()), name="barrier")
    keys = tf.placeholder(tf.string, [None], name="fill_keys")
    fills = [tf.placeholder(tf.int64, name="fill_ids"), tf.placeholder(tf.int64, name="fill_label")]
    puts = [barrier.insert_many(part, keys, values) for part, values in enumerate(fills)]
    _, _, values = barrier.take_many(2, name="take")

    def start(session):
        names = [("%d" % number).encode() for number in range(len(IDS))]
        session.run(puts, {keys: names, fills[0]: IDS, fills[1]: LABELS})
    return Pipeline(values[0], values[1], start)


# ---- files, readers, decoders


def write_records(tf, folder) -> str:
    path = os.path.join(folder, "examples.tfrecord")
    with tf.python_io.TFRecordWriter(path) as writer:
        for example in serialized():
            writer.write(example)
    return path


def serialized():
    """The rows as serialized ``tf.train.Example`` protos."""
    tf = _tf.tf

    def feature(values):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return [tf.train.Example(features=tf.train.Features(feature={
        "ids": feature(ids), "label": feature([label])})).SerializeToString() for ids, label in zip(IDS, LABELS)]


def features(tf):
    return {"ids": tf.FixedLenFeature([3], tf.int64), "label": tf.FixedLenFeature([], tf.int64)}


def records_parsed_then_batched(tf, folder):
    names = tf.train.string_input_producer([write_records(tf, folder)], num_epochs=20)
    _, record = tf.TFRecordReader().read(names)
    parsed = tf.parse_single_example(record, features(tf))
    return Pipeline(*tf.train.batch([parsed["ids"], parsed["label"]], 2))


def csv_lines_batched(tf, folder):
    path = os.path.join(folder, "examples.csv")
    with open(path, "w") as lines:
        lines.writelines("%d,%d,%d,%d\n" % (tuple(ids) + (label,)) for ids, label in zip(IDS, LABELS))
    names = tf.train.string_input_producer([path], num_epochs=20)
    _, line = tf.TextLineReader(skip_header_lines=0).read(names)
    columns = tf.decode_csv(line, [[0]] * 4)
    return Pipeline(*tf.train.batch([tf.cast(tf.stack(columns[:3]), tf.int64), tf.cast(columns[3], tf.int64)], 2))


# ---- tf.data


def _data(tf, drop_remainder=False):
    return tf.data.Dataset.from_tensor_slices((IDS, LABELS)).repeat().batch(2, drop_remainder=drop_remainder)


def one_shot(tf, folder):
    return Pipeline(*tf.data.make_one_shot_iterator(_data(tf)).get_next(name="next"))


def one_shot_fixed_batch(tf, folder):
    return Pipeline(*tf.data.make_one_shot_iterator(_data(tf, drop_remainder=True)).get_next(name="next"))


def initializable(tf, folder):
    iterator = tf.data.make_initializable_iterator(_data(tf))
    ids, label = iterator.get_next(name="next")
    return Pipeline(ids, label, lambda session: session.run(iterator.initializer))


def reinitializable(tf, folder):
    first, second = _data(tf), _data(tf).skip(1)
    iterator = tf.data.Iterator.from_structure(tf.data.get_output_types(first), tf.data.get_output_shapes(first))
    initializers = [iterator.make_initializer(first, name="train"), iterator.make_initializer(second, name="valid")]
    ids, label = iterator.get_next(name="next")
    return Pipeline(ids, label, lambda session: session.run(initializers[1]))


def feedable(tf, folder):
    source = tf.data.make_initializable_iterator(_data(tf))
    handle = tf.placeholder_with_default(source.string_handle(), [], name="handle")
    iterator = tf.data.Iterator.from_string_handle(
        handle, tf.data.get_output_types(_data(tf)), tf.data.get_output_shapes(_data(tf)))
    ids, label = iterator.get_next(name="next")
    return Pipeline(ids, label, lambda session: session.run(source.initializer))


def generator(tf, folder):
    data = tf.data.Dataset.from_generator(lambda: zip(IDS, LABELS), (tf.int64, tf.int64), ([None], []))
    iterator = tf.data.make_initializable_iterator(data.padded_batch(2, ([None], [])))
    ids, label = iterator.get_next(name="next")
    return Pipeline(ids, label, lambda session: session.run(iterator.initializer))


def behind_default(tf, folder):
    ids, label = tf.data.make_one_shot_iterator(_data(tf)).get_next(name="next")
    return Pipeline(tf.placeholder_with_default(ids, [None, 3], name="ids"),
                    tf.placeholder_with_default(label, [None], name="label"))


def single_element(tf, folder):
    return Pipeline(*tf.data.experimental.get_single_element(_data(tf).take(1)))


def optional_value(tf, folder):
    """``get_next_as_optional``, whose value is taken out by an op of its own."""
    iterator = tf.data.make_initializable_iterator(_data(tf))
    ids, label = tf.data.experimental.get_next_as_optional(iterator).get_value()
    return Pipeline(ids, label, lambda session: session.run(iterator.initializer))


# ---- devices


def _staged(put_and_get):
    def mechanism(tf, folder):
        ids = tf.placeholder(tf.int64, [2, 3], name="fill_ids")
        label = tf.placeholder(tf.int64, [2], name="fill_label")
        put, (got_ids, got_label) = put_and_get(tf, ids, label)
        return Pipeline(got_ids, got_label, lambda session: session.run(put, {ids: IDS[:2], label: LABELS[:2]}))
    return mechanism


def _staging_area(tf, ids, label):
    area = _data_flow_ops().StagingArea([tf.int64, tf.int64], [[2, 3], [2]])
    return area.put([ids, label]), area.get()


def _map_staging_area(tf, ids, label):
    area = _data_flow_ops().MapStagingArea([tf.int64, tf.int64], [[2, 3], [2]])
    put = area.put(tf.constant(5, tf.int64), [ids, label], indices=[0, 1])
    _, got = area.get()
    return put, got


def _data_flow_ops():
    from tensorflow.python.ops import data_flow_ops
    return data_flow_ops


def _peeked(kind):
    """A staging area that is looked into: what is there stays."""
    def put_and_get(tf, ids, label):
        if kind == "StagingArea":
            area = _data_flow_ops().StagingArea([tf.int64, tf.int64], [[2, 3], [2]])
            return area.put([ids, label]), area.peek(0)
        area = _data_flow_ops().MapStagingArea([tf.int64, tf.int64], [[2, 3], [2]], ordered=kind == "ordered")
        return area.put(tf.constant(5, tf.int64), [ids, label], indices=[0, 1]), area.peek(tf.constant(5, tf.int64))
    return put_and_get


def multi_device_shard(tf, folder):
    """The op of one device, which ``MultiDeviceIterator`` itself puts into a function."""
    from tensorflow.python.ops import gen_dataset_ops
    types, shapes = [tf.int64, tf.int64], [tf.TensorShape([None, 3]), tf.TensorShape([None])]
    source = gen_dataset_ops.multi_device_iterator(["/cpu:0"], "shared", "box", types, shapes)
    with tf.device("/cpu:0"):
        incarnation = gen_dataset_ops.multi_device_iterator_init(_data(tf)._variant_tensor, source, 4)
        ids, label = gen_dataset_ops.multi_device_iterator_get_next_from_shard(
            source, tf.constant(0), incarnation, types, shapes, name="next")
    ids.set_shape([None, 3])
    return Pipeline(ids, label)


def multi_device(tf, folder):
    from tensorflow.python.data.ops import multi_device_iterator_ops
    source = multi_device_iterator_ops.MultiDeviceIterator(_data(tf), ["/cpu:0"])
    ids, label = source.get_next()[0]
    return Pipeline(ids, label, lambda session: session.run(source.initializer))


# ---- Python


def python_function(tf, folder):
    ids, label = tf.py_func(lambda: (IDS[:2], LABELS[:2]), [], [tf.int64, tf.int64], name="load")
    return Pipeline(ids, label)


# The name, the builder, the kind that is found, and the fixed batch that is reported (None: it is free).
MECHANISMS = (
    ("fifo_dequeue_unknown", fifo_dequeue_unknown, "queue", None),
    ("fifo_dequeue_batches", fifo_dequeue_batches, "queue", 2),
    ("fifo_dequeue_many", _rows(_fifo, "dequeue_many"), "queue", 2),
    ("fifo_dequeue_up_to", _rows(_fifo, "dequeue_up_to"), "queue", None),
    ("padding_dequeue_many", _rows(_padding, "dequeue_many"), "queue", 2),
    ("shuffle_dequeue_many", _rows(_shuffle, "dequeue_many"), "queue", 2),
    ("shuffle_dequeue_up_to", _rows(_shuffle, "dequeue_up_to"), "queue", None),
    ("priority_dequeue_many", priority_dequeue_many, "queue", 2),
    ("barrier_take_many", barrier_take_many, "queue", 2),
    ("train_batch", train_batch, "queue", 2),
    ("train_batch_smaller_final", train_batch_smaller_final, "queue", None),
    ("train_batch_dynamic_pad", train_batch_dynamic_pad, "queue", 2),
    ("train_batch_enqueue_many", train_batch_enqueue_many, "queue", 2),
    ("train_shuffle_batch", train_shuffle_batch, "queue", 2),
    ("train_batch_join", train_batch_join, "queue", 2),
    ("train_shuffle_batch_join", train_shuffle_batch_join, "queue", 2),
    ("train_maybe_batch", train_maybe_batch, "queue", 2),
    ("train_maybe_shuffle_batch", train_maybe_shuffle_batch, "queue", 2),
    ("records_parsed_then_batched", records_parsed_then_batched, "queue", 2),
    ("csv_lines_batched", csv_lines_batched, "queue", 2),
    ("one_shot", one_shot, "iterator", None),
    ("one_shot_fixed_batch", one_shot_fixed_batch, "iterator", 2),
    ("initializable", initializable, "iterator", None),
    ("reinitializable", reinitializable, "iterator", None),
    ("feedable", feedable, "iterator", None),
    ("generator", generator, "iterator", None),
    ("single_element", single_element, "iterator", None),
    ("optional_value", optional_value, "iterator", None),
    ("behind_default", behind_default, "iterator", None),
    ("staging_area", _staged(_staging_area), "staging_area", 2),
    ("map_staging_area", _staged(_map_staging_area), "staging_area", 2),
    ("staging_area_peek", _staged(_peeked("StagingArea")), "staging_area", 2),
    ("map_staging_area_peek", _staged(_peeked("unordered")), "staging_area", 2),
    ("ordered_map_staging_area_peek", _staged(_peeked("ordered")), "staging_area", 2),
    ("multi_device_shard", multi_device_shard, "iterator", None),
    ("multi_device", multi_device, "iterator", None),
    ("python_function", python_function, "py_func", None),
)
