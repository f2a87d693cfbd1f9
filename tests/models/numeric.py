"""Graphs of plain numbers without feature columns: columns under the names that people give them."""

from typing import Any

import numpy as np

from graph_tools import _tf
from graph_tools.model import Model

_RANDOM = np.random.RandomState(33)
# age and hours are single numbers, gains three side by side; the education is an id.
FEED = {"age": np.array([40, 25], np.int64), "Placeholder": np.array([[38.5], [10.0]], np.float32),
        "gains": _RANDOM.uniform(size=(2, 3)).astype(np.float32), "education": np.array([[1], [4]], np.int32)}


def _weights(*shape):
    return _tf.tf.constant(_RANDOM.normal(size=shape).astype(np.float32))


def _scores(columns, width):
    tf = _tf.tf
    hidden = tf.tanh(tf.matmul(columns, _weights(width, 4)) / 10.0)
    tf.nn.softmax(tf.matmul(hidden, _weights(4, 2)), name="p")


def by_placeholder():
    """Whole numbers that are cast, one that nobody named, three side by side, a lookup."""
    tf = _tf.tf
    age, hours = tf.placeholder(tf.int64, [None], "age"), tf.placeholder(tf.float32, [None, 1])
    gains, ids = tf.placeholder(tf.float32, [None, 3], "gains"), tf.placeholder(tf.int32, [None, 1], "education")
    rows = tf.nn.embedding_lookup(_weights(6, 2), ids, name="rows")
    _scores(tf.concat([tf.expand_dims(tf.cast(age, tf.float32, name="ToFloat"), 1), hours / 40.0, gains,
                       tf.squeeze(rows, [1])], 1), 7)


def joined():
    """Numbers that are joined, then cast: one tensor is the first with a gradient."""
    tf = _tf.tf
    age, gains = tf.placeholder(tf.int64, [None], "age"), tf.placeholder(tf.int64, [None, 2], "gains")
    _scores(tf.cast(tf.concat([tf.expand_dims(age, 1), gains], 1), tf.float32, name="ToFloat"), 3)


def added_up():
    """The twin: of a sum nobody can say which number it is."""
    tf = _tf.tf
    age, gains = tf.placeholder(tf.int64, [None, 2], "age"), tf.placeholder(tf.int64, [None, 2], "gains")
    _scores(tf.cast(age + gains, tf.float32, name="ToFloat"), 2)


def parsed():
    """Features of serialized examples."""
    tf = _tf.tf
    features = tf.parse_example(tf.placeholder(tf.string, [None], "examples"), {
        "age": tf.FixedLenFeature([], tf.int64), "hours per week": tf.FixedLenFeature([2], tf.float32)})
    _scores(tf.concat([tf.expand_dims(tf.to_float(features["age"]), 1), features["hours per week"]], 1), 3)


def example(age, hours) -> bytes:
    """What ``parsed`` is fed."""
    tf = _tf.tf
    return tf.train.Example(features=tf.train.Features(feature={
        "age": tf.train.Feature(int64_list=tf.train.Int64List(value=[age])),
        "hours per week": tf.train.Feature(float_list=tf.train.FloatList(value=hours))})).SerializeToString()


def with_signature(model: Model, **keys: str) -> Model:
    """The model with a signature whose keys are fed to these tensors."""
    meta_graph: Any = _tf.tf.MetaGraphDef()
    meta_graph.CopyFrom(model.meta_graph)
    for key, tensor in keys.items():
        meta_graph.signature_def["serving_default"].inputs[key].name = tensor
    return Model(meta_graph, model.source)
