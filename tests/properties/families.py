"""Families of models: one graph each, whose weights are drawn and fed."""

import functools
from typing import Any, Callable, Dict, NamedTuple, Tuple

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import tf1_ig
from graph_tools import _tf
from tests.models.small import model_of

FEATURES, HIDDEN, CLASSES, TIME = 4, 3, 2, 3


class Family(NamedTuple):
    """A graph, what is attributed to, the shape of a row of it, and the shapes of the weights that are fed."""

    build: Callable[[], None]
    inputs: Tuple[str, ...]
    row: Tuple[int, ...]
    weights: Dict[str, Tuple[int, ...]]


def _weights(**shapes: Tuple[int, ...]) -> Dict[str, Any]:
    return {name: _tf.tf.placeholder(_tf.tf.float32, shape, name) for name, shape in shapes.items()}


def linear() -> None:
    tf = _tf.tf
    x, w = tf.placeholder(tf.float32, [None, FEATURES], "x"), _weights(w=(FEATURES, CLASSES), b=(CLASSES,))
    tf.add(tf.matmul(x, w["w"]), w["b"], "y")


def smooth() -> None:
    tf = _tf.tf
    x, w = tf.placeholder(tf.float32, [None, FEATURES], "x"), _weights(w=(FEATURES, HIDDEN), v=(HIDDEN, CLASSES))
    tf.identity(tf.matmul(tf.tanh(tf.matmul(x, w["w"])), w["v"]), "y")


def kinked() -> None:
    tf = _tf.tf
    x, w = tf.placeholder(tf.float32, [None, FEATURES], "x"), _weights(w=(FEATURES, HIDDEN), v=(HIDDEN, CLASSES))
    tf.identity(tf.matmul(tf.nn.relu(tf.matmul(x, w["w"])), w["v"]), "y")


def kinked_otherwise() -> None:
    """What ``kinked`` computes, by other ops: ``relu(a) = (a + |a|) / 2``, and the sum over units written out."""
    tf = _tf.tf
    x, w = tf.placeholder(tf.float32, [None, FEATURES], "x"), _weights(w=(FEATURES, HIDDEN), v=(HIDDEN, CLASSES))
    before = tf.reduce_sum(x[:, :, None] * w["w"][None], 1)
    units = 0.5 * (before + tf.abs(before))
    tf.add_n([units[:, number, None] * w["v"][None, number] for number in range(HIDDEN)], "y")


def recurrent() -> None:
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, TIME, FEATURES], "x")
    w = _weights(w=(FEATURES, HIDDEN), u=(HIDDEN, HIDDEN), v=(HIDDEN, CLASSES))
    with _tf.control_flow_v1():
        _, state = tf.while_loop(
            lambda number, state: number < TIME,
            lambda number, state: (number + 1, tf.tanh(tf.matmul(x[:, number], w["w"]) + tf.matmul(state, w["u"]))),
            [0, tf.zeros([tf.shape(x)[0], HIDDEN])],
            shape_invariants=[tf.TensorShape([]), tf.TensorShape([None, HIDDEN])])
    tf.matmul(state, w["v"], name="y")


def two_inputs() -> None:
    tf = _tf.tf
    x, z = (tf.placeholder(tf.float32, [None, FEATURES], name) for name in ("x", "z"))
    w = _weights(w=(FEATURES, HIDDEN), u=(FEATURES, HIDDEN), v=(HIDDEN, CLASSES))
    tf.matmul(tf.sigmoid(tf.matmul(x, w["w"])) * tf.tanh(tf.matmul(z, w["u"])), w["v"], name="y")


def tagger() -> None:
    """An output of classes for each position."""
    tf = _tf.tf
    x, w = tf.placeholder(tf.float32, [None, TIME, FEATURES], "x"), _weights(w=(FEATURES, CLASSES), u=(TIME, TIME))
    heads = tf.tanh(tf.reshape(tf.matmul(tf.reshape(x, [-1, FEATURES]), w["w"]), [-1, TIME, CLASSES]))
    tf.reduce_sum(w["u"][None, :, :, None] * heads[:, None], 2, name="y")


_MLP = {"w:0": (FEATURES, HIDDEN), "v:0": (HIDDEN, CLASSES)}
FAMILIES = {
    "linear": Family(linear, ("x:0",), (FEATURES,), {"w:0": (FEATURES, CLASSES), "b:0": (CLASSES,)}),
    "smooth": Family(smooth, ("x:0",), (FEATURES,), _MLP),
    "kinked": Family(kinked, ("x:0",), (FEATURES,), _MLP),
    "kinked otherwise": Family(kinked_otherwise, ("x:0",), (FEATURES,), _MLP),
    "recurrent": Family(recurrent, ("x:0",), (TIME, FEATURES), dict(_MLP, **{"u:0": (HIDDEN, HIDDEN)})),
    "two inputs": Family(two_inputs, ("x:0", "z:0"), (FEATURES,), dict(_MLP, **{"u:0": (FEATURES, HIDDEN)})),
    "tagger": Family(tagger, ("x:0",), (TIME, FEATURES), {"w:0": (FEATURES, CLASSES), "u:0": (TIME, TIME)}),
}
PLAIN = ("linear", "smooth", "kinked", "recurrent", "two inputs")


@functools.lru_cache(None)
def model(name: str) -> Any:
    return model_of(FAMILIES[name].build)


@functools.lru_cache(None)
def explainer(name: str) -> tf1_ig.IntegratedGradients:
    """One explainer a family, kept for all cases."""
    return tf1_ig.IntegratedGradients(model(name), "y:0", list(FAMILIES[name].inputs))


_NUMBERS = st.integers(-8, 8).map(lambda number: np.float32(number / 4))


def of_shape(shape: Tuple[int, ...]) -> Any:
    """Arrays of quarters between -2 and 2: exact zeros, ties and kinks come often."""
    return arrays.arrays(np.float32, shape, elements=_NUMBERS)


@st.composite
def cases(draw, names: Tuple[str, ...] = PLAIN, rows: int = 3) -> Tuple[str, Dict[str, np.ndarray]]:
    """A family and a feed: inputs of some rows, and the weights."""
    name = draw(st.sampled_from(names))
    family, count = FAMILIES[name], draw(st.integers(1, rows))
    feed = {tensor: draw(of_shape((count,) + family.row)) for tensor in family.inputs}
    feed.update((tensor, draw(of_shape(shape))) for tensor, shape in family.weights.items())
    return name, feed


def explained(name: str, feed: Dict[str, np.ndarray], label: Any = 0, **options: Any) -> Any:
    """The explanation of a case; weights belong to all rows."""
    return explainer(name).explain(feed, label, shared_feeds=list(FAMILIES[name].weights), **options)


def at(name: str, feed: Dict[str, np.ndarray], label: Any = 0) -> Any:
    return explainer(name).at(feed, label, shared_feeds=list(FAMILIES[name].weights))
