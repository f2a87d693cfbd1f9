"""One text classifier with every kind of state, written in every format that TensorFlow has.

Words are looked up in a vocabulary table, embedded (a ref variable), run through a recurrent ``while`` loop whose
weights are a resource variable, and classified. TensorFlow alone writes the files: nothing of ours takes part.
"""

import os
import shutil
from typing import NamedTuple

import numpy as np

from graph_tools import _tf

VOCABULARY = ("the", "film", "was", "good", "bad", "not", "very")
WORDS, LENGTHS, ROWS, PROBABILITIES = "words:0", "lengths:0", "rows:0", "probabilities:0"
FEED = {WORDS: np.array([[b"the", b"film", b"was", b"good"], [b"not", b"very", b"bad", b"odd"]], object),
        LENGTHS: np.array([4, 3], np.int32)}


class Written(NamedTuple):
    """Paths of one model in every format, and what it computes."""

    frozen: str
    frozen_text: str
    saved_model: str
    saved_model_text: str
    checkpoint: str
    outputs: np.ndarray
    gradients: np.ndarray


def build(vocabulary_file=None, partitions=None):
    """Adds the classifier to the default graph; returns the op that initialises its table."""
    tf = _tf.tf
    words = tf.placeholder(tf.string, [None, None], name="words")
    lengths = tf.placeholder(tf.int32, [None], name="lengths")
    ids, initializer = _lookup(words, vocabulary_file)
    table = tf.get_variable("embedding", [len(VOCABULARY) + 1, 5], use_resource=False,
                            partitioner=tf.fixed_size_partitioner(partitions) if partitions else None,
                            initializer=tf.random_normal_initializer(seed=1))
    rows = tf.identity(tf.nn.embedding_lookup(table, ids, partition_strategy="div"), name="rows")
    weights = tf.get_variable("cell/weights", [9, 4], use_resource=True,
                              initializer=tf.random_normal_initializer(seed=2))
    bias = tf.get_variable("cell/bias", [4], use_resource=False, initializer=tf.random_normal_initializer(seed=3))
    with _tf.control_flow_v1():
        state = _recurrent(rows, lengths, weights, bias)
    head = tf.get_variable("head", [4, 3], use_resource=True, initializer=tf.random_normal_initializer(seed=4))
    tf.nn.softmax(tf.matmul(state, head), name="probabilities")
    return initializer


def _lookup(words, vocabulary_file):
    """Ids by a hash table, filled from constants or from a file (an asset)."""
    tf = _tf.tf
    if vocabulary_file is None:
        source = tf.lookup.KeyValueTensorInitializer(
            tf.constant(VOCABULARY), tf.range(len(VOCABULARY), dtype=tf.int64))
    else:
        tf.add_to_collection(tf.GraphKeys.ASSET_FILEPATHS, tf.constant(vocabulary_file))
        source = tf.lookup.TextFileInitializer(
            tf.get_collection(tf.GraphKeys.ASSET_FILEPATHS)[0], tf.string, tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER)
    table = tf.lookup.StaticHashTable(source, len(VOCABULARY))
    return table.lookup(words), getattr(table, "initializer", None) or table._initializer


def _recurrent(rows, lengths, weights, bias):
    """A plain recurrent cell over time, masked by length: ``[batch, time, 5] -> [batch, 4]``."""
    tf = _tf.tf
    batch, time = tf.shape(rows)[0], tf.shape(rows)[1]

    def step(number, state):
        new = tf.tanh(tf.matmul(tf.concat([rows[:, number], state], 1), weights) + bias)
        alive = tf.cast(number < lengths, tf.float32)[:, None]
        return number + 1, alive * new + (1. - alive) * state

    return tf.while_loop(lambda number, _: number < time, step, [0, tf.zeros([batch, 4])],
                         shape_invariants=[tf.TensorShape([]), tf.TensorShape([None, 4])])[1]


def write(folder, vocabulary_file=None, partitions=None) -> Written:
    """Writes the classifier in every format below ``folder``."""
    tf = _tf.tf
    paths = Written(*[os.path.join(folder, name) for name in (
        "model.pb", "model.pbtxt", "saved", "saved_text", "model.ckpt-7")], outputs=None, gradients=None)
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        initializer = build(vocabulary_file, partitions)
        session.run([tf.global_variables_initializer(), initializer])
        _write_frozen(session, initializer, paths)
        saver = tf.train.Saver()
        _write_saved_model(session, initializer, paths)
        saver.save(session, os.path.join(folder, "model.ckpt"), global_step=7)
        outputs, gradients = values_of(session, graph)
    return paths._replace(outputs=outputs, gradients=gradients)


def write_style(folder, style) -> Written:
    """The classifier with its vocabulary in ``"constants"``, in a ``"file"``, or with its table in ``"partitions"``."""
    vocabulary = None
    if style == "file":
        vocabulary = os.path.join(str(folder), "vocabulary.txt")
        with open(vocabulary, "w") as file:
            file.write("\n".join(VOCABULARY) + "\n")
    return write(str(folder), vocabulary, 2 if style == "partitions" else None)


def recomputed(model):
    """Outputs and gradients of a loaded model."""
    graph = model.new_graph()
    restore = model.prepare_restore(graph)
    with _tf.tf.Session(graph=graph, config=_tf.session_config()) as session:
        restore(session)
        return values_of(session, graph)


def values_of(session, graph):
    """What the model computes for ``FEED``: probabilities and the gradient of the first with respect to the rows."""
    with graph.as_default(), _tf.control_flow_v1():
        gradient = _tf.tf.gradients(graph.get_tensor_by_name(PROBABILITIES)[:, 0], graph.get_tensor_by_name(ROWS))[0]
    return session.run([PROBABILITIES, gradient], FEED)


def _write_frozen(session, initializer, paths) -> None:
    """The initialiser of the table is an output too, so that freezing keeps it."""
    tf = _tf.tf
    frozen = tf.graph_util.convert_variables_to_constants(
        session, session.graph.as_graph_def(), ["probabilities", initializer.name])
    tf.train.write_graph(frozen, *os.path.split(paths.frozen), as_text=False)
    tf.train.write_graph(frozen, *os.path.split(paths.frozen_text), as_text=True)


def _write_saved_model(session, initializer, paths) -> None:
    tf = _tf.tf
    graph = session.graph
    builder = tf.saved_model.Builder(paths.saved_model)
    signature = tf.saved_model.predict_signature_def(
        {"words": graph.get_tensor_by_name(WORDS), "lengths": graph.get_tensor_by_name(LENGTHS)},
        {"probabilities": graph.get_tensor_by_name(PROBABILITIES)})
    builder.add_meta_graph_and_variables(
        session, ["serve"], {"serving_default": signature}, main_op=tf.group(initializer),
        assets_collection=graph.get_collection(tf.GraphKeys.ASSET_FILEPATHS) or None)
    builder.save(as_text=False)
    shutil.copytree(paths.saved_model, paths.saved_model_text)
    os.remove(os.path.join(paths.saved_model_text, "saved_model.pb"))
    builder.save(as_text=True)
    shutil.move(os.path.join(paths.saved_model, "saved_model.pbtxt"), paths.saved_model_text)
