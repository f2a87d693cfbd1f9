"""The networks of the benchmark. Two are trained once on a made-up task; their weights go into every library alike.

``cnn``: 100 tokens, embedding 50, Conv1D 250 x 3, max over tokens, dense 250, softmax 2 (the Keras text CNN).
``bilstm``: 40 tokens, embedding 64, BiLSTM 32 + 32 as two while loops, dense 16, softmax 4.
``segmenter``: a published model, see ``benchmarks.published``; only libraries that take a graph can have it.

The task: words of each class are scattered in a sentence of noise, and the class with most of them is the label.
"""

from typing import Any, Callable, Dict, NamedTuple

import numpy as np

from benchmarks import published
from graph_tools import _tf
from graph_tools.model import Model

VOCABULARY, SIGNAL_WORDS = 2000, 40


class Network(NamedTuple):
    tokens: int
    classes: int
    shapes: Dict[str, Any]    # of the weights; empty for a network that is not trained here
    scores: Callable          # (rows [batch, tokens, dim], weights) -> [batch, classes]


def _cnn(rows, weights):
    tf = _tf.tf
    hidden = tf.nn.relu(tf.nn.bias_add(tf.nn.conv1d(rows, weights["kernel"], 1, "VALID"), weights["bias"]))
    hidden = tf.reduce_max(hidden, 1)
    hidden = tf.nn.relu(tf.nn.bias_add(tf.matmul(hidden, weights["dense"]), weights["dense_bias"]))
    return tf.nn.softmax(tf.nn.bias_add(tf.matmul(hidden, weights["head"]), weights["head_bias"]))


def _bilstm(rows, weights):
    tf = _tf.tf
    by_time = tf.transpose(rows, [1, 0, 2])
    states = [_lstm(by_time, weights["forward"], weights["forward_recurrent"], weights["forward_bias"], "forward"),
              _lstm(tf.reverse(by_time, [0]), weights["backward"], weights["backward_recurrent"],
                    weights["backward_bias"], "backward")]
    hidden = tf.nn.relu(tf.nn.bias_add(tf.matmul(tf.concat(states, 1), weights["dense"]), weights["dense_bias"]))
    return tf.nn.softmax(tf.nn.bias_add(tf.matmul(hidden, weights["head"]), weights["head_bias"]))


def _lstm(by_time, kernel, recurrent, bias, name):
    """The last state of an LSTM (gates i, f, g, o) as the while loop that ``dynamic_rnn`` makes."""
    tf = _tf.tf
    steps, units = tf.shape(by_time)[0], recurrent.shape.as_list()[0]
    inputs = tf.TensorArray(tf.float32, steps, name=name + "_inputs").unstack(by_time)
    both = tf.concat([kernel, recurrent], 0)
    nothing = tf.zeros(tf.stack([tf.shape(by_time)[1], units]))

    def step(time, cell, hidden):
        gates = tf.nn.bias_add(tf.matmul(tf.concat([inputs.read(time), hidden], 1), both), bias)
        enter, keep, new, out = tf.split(gates, 4, 1)
        cell = tf.sigmoid(keep) * cell + tf.sigmoid(enter) * tf.tanh(new)
        return time + 1, cell, tf.sigmoid(out) * tf.tanh(cell)

    return tf.while_loop(lambda time, *_: time < steps, step, (tf.constant(0), nothing, nothing), name=name)[2]


NETWORKS = {
    "cnn": Network(100, 2, {
        "embedding": (VOCABULARY, 50), "kernel": (3, 50, 250), "bias": (250,), "dense": (250, 250),
        "dense_bias": (250,), "head": (250, 2), "head_bias": (2,)}, _cnn),
    "bilstm": Network(40, 4, {
        "embedding": (VOCABULARY, 64), "forward": (64, 128), "forward_recurrent": (32, 128), "forward_bias": (128,),
        "backward": (64, 128), "backward_recurrent": (32, 128), "backward_bias": (128,), "dense": (64, 16),
        "dense_bias": (16,), "head": (16, 4), "head_bias": (4,)}, _bilstm),
    "segmenter": Network(published.TOKENS, published.CLASSES, {}, published.scores),
}


def sentences(name: str, count: int, seed: int):
    """Ids ``[count, tokens]`` and labels ``[count]``."""
    if not NETWORKS[name].shapes:
        return published.sentences(count, seed)
    network, random = NETWORKS[name], np.random.RandomState(seed)
    ids = random.randint(network.classes * SIGNAL_WORDS, VOCABULARY, (count, network.tokens))
    shares = random.dirichlet(np.ones(network.classes), count)
    owner = np.array([random.choice(network.classes, network.tokens, p=share) for share in shares])
    signal = random.uniform(size=ids.shape) < 0.25
    ids[signal] = (owner * SIGNAL_WORDS + random.randint(0, SIGNAL_WORDS, ids.shape))[signal]
    votes = np.stack([(ids // SIGNAL_WORDS == one).sum(1) for one in range(network.classes)], 1)
    return ids.astype(np.int32), votes.argmax(1)


def train(name: str, rounds: int = 300, batch: int = 64) -> Dict[str, np.ndarray]:
    """Weights by name, trained with Adam from a fixed seed."""
    if not NETWORKS[name].shapes:
        return published.weights()
    tf, network, random = _tf.tf, NETWORKS[name], np.random.RandomState(0)
    with tf.Graph().as_default(), _tf.control_flow_v1():
        weights = {}
        for key, shape in network.shapes.items():
            scale = 0.0 if key.endswith("bias") else 0.5 if key == "embedding" else np.sqrt(2.0 / sum(shape[-2:]))
            start = random.normal(size=shape, scale=scale).astype(np.float32)
            weights[key] = tf.Variable(start, use_resource=False)
        ids, labels = tf.placeholder(tf.int32, [None, None]), tf.placeholder(tf.int64, [None])
        scores = network.scores(tf.gather(weights["embedding"], ids), weights)
        chosen = tf.reduce_sum(tf.one_hot(labels, network.classes) * scores, 1)
        update = tf.train.AdamOptimizer(2e-3).minimize(-tf.reduce_mean(tf.log(chosen + 1e-7)))
        with tf.Session(config=_tf.session_config()) as session:
            session.run(tf.global_variables_initializer())
            for number in range(rounds):
                given, wanted = sentences(name, batch, 1000 + number)
                session.run(update, {ids: given, labels: wanted})
            return session.run(weights)


def frozen(name: str, weights: Dict[str, np.ndarray]) -> Model:
    """The frozen model: ``ids:0`` -> ``embedding:0`` -> ``scores:0``."""
    tf, graph = _tf.tf, _tf.tf.Graph()
    with graph.as_default(), _tf.control_flow_v1():
        constants = {key: tf.constant(value, name="weights/" + key) for key, value in weights.items()}
        ids = tf.placeholder(tf.int32, [None, NETWORKS[name].tokens], "ids")
        rows = tf.identity(tf.gather(constants["embedding"], ids), "embedding")
        tf.identity(NETWORKS[name].scores(rows, constants), "scores")
    meta_graph = tf.MetaGraphDef()
    meta_graph.graph_def.CopyFrom(graph.as_graph_def())
    return Model(meta_graph, "benchmark network %s" % name)
