"""Graphs with heads of every kind among losses, metrics, attention, gates, summaries and training ops."""

from typing import Callable, NamedTuple, Tuple

import numpy as np

from graph_tools import _tf
from graph_tools.model import Model

_RANDOM = np.random.RandomState(12)


class Heads(NamedTuple):
    """A builder, and what must be found.

    Attributes:
      expected: ``(tensor, kind)`` of every candidate, best first.
      rejected: names that must be among the misses, and what must be said there.
    """

    build: Callable[[], None]
    expected: Tuple[Tuple[str, str], ...]
    rejected: Tuple[Tuple[str, str], ...] = ()


def model_of(heads: Heads) -> Model:
    tf = _tf.tf
    graph = tf.Graph()
    with graph.as_default(), _tf.control_flow_v1():
        heads.build()
    meta_graph = tf.MetaGraphDef()
    meta_graph.graph_def.CopyFrom(graph.as_graph_def())
    return Model(meta_graph, heads.build.__name__)


def weights(rows, columns, name=None):
    return _tf.tf.get_variable(name or "weights_%d" % _RANDOM.randint(10 ** 6), initializer=_tf.tf.constant(
        _RANDOM.normal(size=(rows, columns)).astype(np.float32)), use_resource=False)


def inputs(width=4):
    return _tf.tf.placeholder(_tf.tf.float32, [None, width], "x")


def hidden(x=None):
    return _tf.tf.tanh(_tf.tf.matmul(x if x is not None else inputs(), weights(4, 4)), name="hidden")


def layer(features, width=3, name=None):
    bias = _tf.tf.get_variable("bias_%d" % _RANDOM.randint(10 ** 6), [width], use_resource=False)
    return _tf.tf.nn.bias_add(_tf.tf.matmul(features, weights(4, width)), bias, name=name)


def labels():
    return _tf.tf.placeholder(_tf.tf.int32, [None], "labels")


def softmax():
    _tf.tf.nn.softmax(layer(hidden(), name="logits"), name="probabilities")


def sigmoid():
    _tf.tf.sigmoid(layer(hidden(), name="logits"), name="probabilities")


def log_softmax():
    _tf.tf.nn.log_softmax(layer(hidden(), name="logits"), name="log_probabilities")


def bare_logits():
    layer(hidden(), name="logits")


def named_identity():
    _tf.tf.identity(layer(hidden()), name="logits")


def argmax_only():
    _tf.tf.argmax(layer(hidden(), name="logits"), 1, name="class")


def regression():
    _tf.tf.squeeze(layer(hidden(), 1, name="value"), 1, name="price")


def bounded_regression():
    _tf.tf.tanh(layer(hidden(), 1, name="value"), name="score")


def tagger():
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, None, 4], "x")
    flat = layer(hidden(tf.reshape(x, [-1, 4])))
    tf.reshape(flat, [-1, tf.shape(x)[1], 3], name="logits")


def whole_training():
    """Softmax, argmax, cross entropy, regularisation, accuracy, streaming metric, summaries, Adam, saver."""
    tf = _tf.tf
    logits = layer(hidden(), name="logits")
    probabilities = tf.nn.softmax(logits, name="probabilities")
    truth = labels()
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=truth, logits=logits), name="loss")
    penalty = tf.add_n([tf.nn.l2_loss(one) for one in tf.trainable_variables()], name="penalty")
    right = tf.equal(tf.argmax(logits, 1, output_type=tf.int32), truth)
    tf.reduce_mean(tf.cast(right, tf.float32), name="accuracy")
    tf.metrics.accuracy(truth, tf.argmax(probabilities, 1), name="streaming")
    tf.summary.scalar("loss_summary", loss)
    tf.summary.histogram("hidden_summary", tf.get_default_graph().get_tensor_by_name("hidden:0"))
    tf.train.AdamOptimizer().minimize(tf.add(loss, 1e-3 * penalty, name="total"))
    tf.train.Saver()


def training_logits_only():
    """No softmax anywhere: the loss takes the logits, and the optimiser is there."""
    tf = _tf.tf
    logits = layer(hidden(), name="logits")
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels(), logits=logits), name="loss")
    tf.train.GradientDescentOptimizer(0.1).minimize(loss)


def training_sigmoid_only():
    """Sigmoid cross entropy, written out in elementary ops by TensorFlow."""
    tf = _tf.tf
    logits = layer(hidden(), name="logits")
    truth = tf.placeholder(tf.float32, [None, 3], "labels")
    tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=truth, logits=logits), name="loss")


def attention():
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 5, 4], "x")
    scores = tf.squeeze(tf.tensordot(x, weights(4, 1), [[2], [0]]), 2)
    pooled = tf.reduce_sum(x * tf.expand_dims(tf.nn.softmax(scores, name="attention"), 2), 1)
    tf.nn.softmax(layer(hidden(pooled), name="logits"), name="probabilities")


def gated():
    tf = _tf.tf
    x = inputs()
    gate = tf.sigmoid(layer(x, 4), name="gate")
    tf.nn.softmax(layer(hidden(x) * gate, name="logits"), name="probabilities")


def recurrent():
    """A recurrent network in a while loop, its gates written out."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 5, 4], "x")
    steps = tf.transpose(x, [1, 0, 2])
    kernel, gates = weights(4, 4), weights(4, 4)

    def step(number, state):
        now = tf.gather(steps, number)
        gate = tf.sigmoid(tf.matmul(state + now, gates))
        return number + 1, gate * state + (1 - gate) * tf.tanh(tf.matmul(now, kernel))

    _, state = tf.while_loop(lambda number, _: number < 5, step, [0, tf.zeros_like(steps[0])])
    tf.nn.softmax(layer(tf.ensure_shape(state, [None, 4]), name="logits"),
                  name="probabilities")


def decoder_in_loop(written=lambda logits, number: logits):
    """Logits of each step, written to a TensorArray and stacked outside the loop."""
    tf = _tf.tf
    x, kernel = inputs(), weights(4, 3, "kernel")

    def step(number, state, array):
        state = tf.tanh(state + 0.5 * x)
        return number + 1, state, array.write(number, written(tf.matmul(state, kernel), number))

    _, _, array = tf.while_loop(lambda number, *_: number < 4, step,
                                [0, tf.zeros_like(x), tf.TensorArray(tf.float32, 4)])
    tf.transpose(array.stack(), [1, 0, 2], name="logits")


def decoder_until_an_end():
    """The same with lengths: zeros are written for the rows that have ended, as decoders of whole batches do."""
    lengths = _tf.tf.placeholder(_tf.tf.int32, [None], "lengths")
    decoder_in_loop(lambda logits, number: _tf.tf.where(number < lengths, logits, _tf.tf.zeros_like(logits)))


def training_tokens_only():
    """Token logits flattened for the loss, and no softmax: the tensor before the reshape is the head."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 5, 4], "x")
    logits = tf.tensordot(hidden_tokens(x), weights(4, 3), [[2], [0]], name="logits")
    truth = tf.placeholder(tf.int32, [None, 5], "labels")
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=tf.reshape(truth, [-1]), logits=tf.reshape(logits, [-1, 3])), name="loss")
    tf.train.GradientDescentOptimizer(0.1).minimize(loss)


def hidden_tokens(x):
    return _tf.tf.tanh(_tf.tf.tensordot(x, weights(4, 4), [[2], [0]]))


def greedy_decoder():
    """Each step's argmax goes back in; the logits are stacked."""
    tf = _tf.tf
    x, kernel, words = inputs(), weights(4, 3, "kernel"), weights(3, 4, "words")

    def step(number, state, word, array):
        logits = tf.matmul(tf.tanh(state + tf.gather(words, word)), kernel)
        return number + 1, state, tf.argmax(logits, 1, output_type=tf.int32), array.write(number, logits)

    start = tf.zeros([tf.shape(x)[0]], tf.int32)
    array = tf.while_loop(lambda number, *_: number < 4, step, [0, x, start, tf.TensorArray(tf.float32, 4)])[-1]
    tf.transpose(array.stack(), [1, 0, 2], name="logits")


def unrolled_cell():
    """A gated cell unrolled by hand whose state is the prediction: its gates are no heads."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 2, 4], "x")
    state = tf.zeros_like(x[:, 0])
    kernel, gates = weights(4, 4, "kernel"), weights(4, 4, "gates")
    for step in range(2):
        gate = tf.sigmoid(tf.matmul(x[:, step] + state, gates), name="gate_%d" % step)
        state = tf.add(gate * state, (1 - gate) * tf.tanh(tf.matmul(x[:, step], kernel)), name="state_%d" % step)


def unused_branches():
    """What control flow leaves unused is no end: the head is the energy."""
    tf = _tf.tf
    x = inputs()
    flag = tf.placeholder_with_default(False, [], "flag")
    value = tf.cond(flag, lambda: tf.sin(x), lambda: x * 2)
    _, state, _ = tf.while_loop(lambda step, *_: step < 3, lambda step, state, other: (
        step + 1, state + tf.sin(state), other * state), [0, value, value])
    tf.reduce_sum(tf.square(state), 1, name="energy")


def crf_decoded_in_a_loop():
    """Viterbi scores of a loop over the steps: the tags are decoded from the logits, which are the head."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 5, 4], "x")
    unary = tf.reshape(layer(hidden(tf.reshape(x, [-1, 4]))), [-1, 5, 3], name="logits")
    transitions = weights(3, 3, "transitions")
    _, best = tf.while_loop(lambda step, _: step < 5, lambda step, best: (
        step + 1, tf.reduce_max(tf.expand_dims(best, 2) + transitions, 1) + unary[:, step]), [1, unary[:, 0]])
    tf.reduce_max(best, 1, name="best_score")


def two_tasks():
    tf = _tf.tf
    shared = hidden()
    tf.sigmoid(layer(shared, 1, name="click_logits"), name="click")
    tf.nn.softmax(layer(shared, name="topic_logits"), name="topic")


def wide_and_deep():
    """Two linear ends added up are one head."""
    tf = _tf.tf
    x = inputs()
    tf.nn.softmax(tf.add(layer(x), layer(hidden(x)), name="logits"), name="probabilities")


def temperature():
    tf = _tf.tf
    scaled = tf.divide(layer(hidden()), tf.placeholder_with_default(2.0, [], "temperature"), name="scaled")
    tf.nn.softmax(scaled, name="probabilities")


def per_example_loss():
    """A loss per row, in the shape of a prediction, given away by the labels it needs."""
    tf = _tf.tf
    logits = layer(hidden(), name="logits")
    tf.nn.softmax(logits, name="probabilities")
    tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels(), logits=logits, name="losses")
    tf.identity(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels_again(), logits=logits), name="row_losses")


def labels_again():
    return _tf.tf.get_default_graph().get_tensor_by_name("labels:0")


def no_layer():
    """Nothing is learned: the end of the graph is all there is."""
    tf = _tf.tf
    tf.reduce_sum(tf.square(inputs()), 1, name="energy")


def only_a_scalar():
    tf = _tf.tf
    tf.reduce_sum(tf.square(inputs()), name="energy")


def two_class_column():
    """A canned binary classifier: the logistic of one logit, and the softmax of (0, logit)."""
    tf = _tf.tf
    logits = layer(hidden(), 1, name="logits")
    tf.sigmoid(logits, name="logistic")
    tf.nn.softmax(tf.concat([tf.zeros_like(logits), logits], 1, name="two_class_logits"), name="probabilities")


def saliency_in_graph():
    """A gradient by the input, left in the graph."""
    tf = _tf.tf
    x = inputs()
    scores = tf.nn.softmax(layer(hidden(x), name="logits"), name="probabilities")
    tf.gradients(scores[:, 0], x)


def crf_tagger():
    """Unary scores and the log-likelihood of a linear-chain CRF over them, which needs the tags."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 5, 4], "x")
    unary = tf.reshape(layer(hidden(tf.reshape(x, [-1, 4]))), [-1, 5, 3], name="logits")
    tags = tf.placeholder(tf.int32, [None, 5], "tags")
    transitions = weights(3, 3, "transitions")
    alpha = unary[:, 0]
    for step in range(1, 5):
        alpha = tf.reduce_logsumexp(tf.expand_dims(alpha, 2) + transitions, 1) + unary[:, step]
    chosen = tf.reduce_sum(unary * tf.one_hot(tags, 3), [1, 2]) + tf.reduce_sum(
        tf.gather_nd(transitions, tf.stack([tags[:, :-1], tags[:, 1:]], 2)), 1)
    tf.reduce_mean(tf.reduce_logsumexp(alpha, 1) - chosen, name="loss")


def crf_for_any_length():
    """A loss of a CRF with an arm of its own for texts of one token, and a start before all of them."""
    tf = _tf.tf
    x, tags = tf.placeholder(tf.float32, [None, None, 4], "x"), tf.placeholder(tf.int32, [None, None], "tags")
    unary = tf.reshape(layer(hidden(tf.reshape(x, [-1, 4]))), [-1, tf.shape(x)[1], 3])
    unary = tf.concat([tf.fill([tf.shape(x)[0], 1, 3], -9.0), unary], 1, name="logits")
    tags = tf.concat([tf.zeros_like(tags[:, :1]), tags], 1)

    def alone():
        rows = tf.range(tf.shape(x)[0])
        return tf.gather_nd(tf.squeeze(unary, [1], name="alone"), tf.stack([rows, tags[:, 0]], 1))

    def several():
        tf.negative(unary, name="unused")
        chosen = tf.cond(tf.shape(x)[0] > 4, lambda: unary[:, 1:], lambda: unary[:, :-1])
        return tf.reduce_sum(chosen * tf.one_hot(tags[:, 1:], 3), [1, 2]) + tf.reduce_logsumexp(unary[:, -1], 1)

    tf.reduce_mean(tf.cond(tf.equal(tf.shape(unary)[1], 1), alone, several), name="loss")


def heads_of_two_arms():
    """Layers in the arms of a conditional; what merges them is the head."""
    tf = _tf.tf
    first, flag = hidden(), tf.placeholder_with_default(False, [], "flag")
    one, other = weights(4, 3), weights(4, 3)
    merged = tf.cond(flag, lambda: tf.matmul(first, one), lambda: tf.matmul(tf.nn.relu(first), other))
    tf.nn.softmax(merged, name="probabilities")


PROBABILITIES, LOGITS = ("probabilities:0", "softmax"), ("logits:0", "logits")

HEADS = {heads.build.__name__: heads for heads in (
    Heads(softmax, (PROBABILITIES, LOGITS)),
    Heads(sigmoid, (("probabilities:0", "sigmoid"), LOGITS)),
    Heads(log_softmax, (("log_probabilities:0", "log_softmax"), LOGITS)),
    Heads(bare_logits, (LOGITS,)), Heads(named_identity, (LOGITS,)), Heads(argmax_only, (LOGITS,)),
    Heads(regression, (("price:0", "logits"),)),
    Heads(bounded_regression, (("score:0", "tanh"), ("value:0", "logits"))),
    Heads(tagger, (LOGITS,)),
    Heads(whole_training, (PROBABILITIES, LOGITS), (("total:0", "labels:0"), ("accuracy:0", "labels:0"))),
    Heads(training_logits_only, (LOGITS,), (("loss:0", "labels:0"),)),
    Heads(training_sigmoid_only, (LOGITS,), (("loss:0", "labels:0"),)),
    Heads(attention, (PROBABILITIES, LOGITS), (("attention:0", "attention"),)),
    Heads(gated, (PROBABILITIES, LOGITS), (("gate:0", "gate"),)),
    Heads(training_tokens_only, (LOGITS,), (("loss:0", "labels:0"),)), Heads(greedy_decoder, (LOGITS,)),
    Heads(crf_decoded_in_a_loop, (LOGITS, ("best_score:0", "max"))),
    Heads(unused_branches, (("energy:0", "sum"),)),
    Heads(unrolled_cell, (("state_1:0", "add"),), (("gate_1:0", "gate"),)),
    Heads(recurrent, (PROBABILITIES, LOGITS)), Heads(decoder_in_loop, (LOGITS,)),
    Heads(decoder_until_an_end, (LOGITS,)),
    Heads(two_tasks, (("topic:0", "softmax"), ("click:0", "sigmoid"), ("click_logits:0", "logits"),
                      ("topic_logits:0", "logits"))),
    Heads(wide_and_deep, (PROBABILITIES, LOGITS)),
    Heads(temperature, (PROBABILITIES, ("scaled:0", "logits"))),
    Heads(per_example_loss, (PROBABILITIES, LOGITS), (("row_losses:0", "labels:0"),)),
    Heads(no_layer, (("energy:0", "sum"),)), Heads(only_a_scalar, (("energy:0", "sum"),)),
    Heads(two_class_column, (PROBABILITIES, ("logistic:0", "sigmoid"), LOGITS, ("two_class_logits:0", "logits"))),
    Heads(saliency_in_graph, (PROBABILITIES, LOGITS)),
    Heads(crf_tagger, (LOGITS,), (("loss:0", "tags:0"),)),
    Heads(crf_for_any_length, (LOGITS,), (("loss:0", "tags:0"),)),
    Heads(heads_of_two_arms, (PROBABILITIES, ("cond/Merge:0", "logits"))))}


def with_signatures() -> Model:
    """The softmax model with a signature over an identity of the probabilities, the logits and the class."""
    tf = _tf.tf
    graph = tf.Graph()
    with graph.as_default():
        softmax()
        tf.identity(graph.get_tensor_by_name("probabilities:0"), name="exported")
        tf.argmax(graph.get_tensor_by_name("logits:0"), 1, name="class")
        tf.reduce_sum(graph.get_tensor_by_name("hidden:0"), 1, name="activity")
    meta_graph = tf.MetaGraphDef()
    meta_graph.graph_def.CopyFrom(graph.as_graph_def())
    for key, name in (("scores", "exported:0"), ("classes", "class:0"), ("activity", "activity:0"),
                      ("gone", "not_there:0")):
        meta_graph.signature_def["predict"].outputs[key].name = name
    return Model(meta_graph, "signatures")
