"""Training graphs that end in a loss and nothing else: the head is what the loss compares with labels."""

import numpy as np

from graph_tools import _tf
from tests.models.outputs import Heads, hidden, inputs, labels, layer, weights

_POINTS = np.linspace(-1, 1, 5).astype(np.float32)


def _trained(loss):
    _tf.tf.summary.scalar("loss_summary", loss)
    _tf.tf.train.GradientDescentOptimizer(0.1).minimize(loss)


def _batch(dtype, width):
    """Features and labels from one dequeue, as input pipelines give them."""
    tf = _tf.tf
    queue = tf.FIFOQueue(8, [tf.float32, dtype], [[5, 4], [5, width] if width else [5]], name="batches")
    return queue.dequeue(name="batch")


def _cross_entropy(logits, truth):
    return _tf.tf.reduce_mean(_tf.tf.nn.sparse_softmax_cross_entropy_with_logits(labels=truth, logits=logits))


def tutorial():
    """Queue, summaries of activations, losses in a collection with moving averages; no softmax, no accuracy."""
    tf = _tf.tf
    x, truth = _batch(tf.int32, 0)
    first = tf.nn.relu(layer(x, 4), name="local")
    tf.summary.histogram("activations", first)
    tf.summary.scalar("sparsity", tf.nn.zero_fraction(first))
    logits = layer(first, name="logits")
    tf.summary.scalar("sparsity_of_logits", tf.nn.zero_fraction(logits))
    penalty = tf.multiply(tf.nn.l2_loss(tf.trainable_variables()[0]), 0.004, name="penalty")
    loss = tf.add_n([_cross_entropy(logits, truth), penalty], name="total_loss")
    averages = tf.train.ExponentialMovingAverage(0.9)
    averaged = averages.apply([loss])
    tf.summary.scalar("average", averages.average(loss))
    with tf.control_dependencies([averaged]):
        _trained(loss)


def two_vectors():
    """Softmax cross entropy against one-hot labels."""
    tf = _tf.tf
    x, truth = _batch(tf.float32, 3)
    logits = layer(tf.tanh(layer(x, 4)), name="logits")
    _trained(tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits_v2(labels=truth, logits=logits)))


def logistic():
    tf = _tf.tf
    x, truth = _batch(tf.float32, 3)
    logits = layer(tf.tanh(layer(x, 4)), name="logits")
    _trained(tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=truth, logits=logits)))


def log_loss_by_hand():
    """A product with the logarithm of clipped probabilities."""
    tf = _tf.tf
    x, truth = _batch(tf.float32, 3)
    probable = tf.nn.softmax(layer(tf.tanh(layer(x, 4)), name="logits"), name="probabilities")
    _trained(-tf.reduce_mean(tf.reduce_sum(truth * tf.math.log(tf.clip_by_value(probable, 1e-10, 1.0)), 1)))


def squared_error():
    tf = _tf.tf
    x, truth = _batch(tf.float32, 1)
    value = layer(tf.tanh(layer(x, 4)), 1, name="value")
    _trained(tf.reduce_mean(tf.square(value - truth)))


def squared_error_of_an_activation():
    """The loss compares the exponential: that is the prediction, in the unit of the labels."""
    tf = _tf.tf
    x, truth = _batch(tf.float32, 1)
    price = tf.exp(layer(tf.tanh(layer(x, 4)), 1, name="value"), name="price")
    _trained(tf.reduce_mean(tf.math.squared_difference(price, truth)))


def softplus_by_hand():
    """Probabilities that no known op makes: the logarithm that the loss takes of them is no part of the prediction."""
    tf = _tf.tf
    x, truth = _batch(tf.float32, 1)
    value = tf.exp(-layer(tf.tanh(layer(x, 4)), 1))
    probable = tf.divide(1.0, 1.0 + value, name="probable")
    _trained(-tf.reduce_mean(truth * tf.math.log(probable + 1e-8) + (1 - truth) * tf.math.log(1 - probable + 1e-8)))


def hinge():
    tf = _tf.tf
    x, truth = _batch(tf.float32, 1)
    margin = layer(tf.tanh(layer(x, 4)), 1, name="margin")
    _trained(tf.reduce_mean(tf.nn.relu(1 - truth * margin)))


def top_k():
    """The evaluation of the tutorial: only a sum of hits that a summary shows."""
    tf = _tf.tf
    x, truth = _batch(tf.int32, 0)
    logits = layer(tf.tanh(layer(x, 4)), name="logits")
    right = tf.reduce_sum(tf.cast(tf.nn.in_top_k(logits, truth, 1), tf.float32), name="right")
    tf.summary.scalar("precision", right)


def auxiliary():
    """A second classifier on an earlier layer that only the loss reads: a head too, after the deeper one."""
    tf = _tf.tf
    x, truth = _batch(tf.int32, 0)
    first = tf.nn.relu(layer(x, 4))
    side = layer(first, name="side")
    main = layer(tf.nn.relu(layer(first, 4)), name="main")
    _trained(_cross_entropy(main, truth) + 0.3 * _cross_entropy(side, truth))


def clipped_gradients():
    """Norms of gradients are ends of the graph, and no ends of the model."""
    tf = _tf.tf
    x, truth = _batch(tf.int32, 0)
    loss = _cross_entropy(layer(tf.tanh(layer(x, 4)), name="logits"), truth)
    optimizer = tf.train.GradientDescentOptimizer(0.1)
    pairs = optimizer.compute_gradients(loss)
    clipped, norm = tf.clip_by_global_norm([pair[0] for pair in pairs], 1.0)
    tf.identity(norm, name="norm")
    optimizer.apply_gradients(zip(clipped, [pair[1] for pair in pairs]))


def sampled():
    """Candidate sampling: the score of the label that is fed is column 0 of what the loss takes."""
    tf = _tf.tf
    ids = tf.placeholder(tf.int32, [5], "ids")
    truth = tf.placeholder(tf.int64, [5, 1], "labels")
    rows = tf.nn.embedding_lookup(weights(20, 4, "table"), ids, name="rows")
    bias = tf.get_variable("bias", [20], use_resource=False)
    _trained(tf.reduce_mean(tf.nn.nce_loss(weights(20, 4, "out"), bias, truth, rows, 3, 20)))


def activation_summaries():
    """The twin: predictions are there, so that what only summaries read stays training."""
    tf = _tf.tf
    x = inputs()
    first = hidden(x)
    tf.summary.scalar("mean", tf.reduce_mean(layer(first, 2, name="probe")))
    logits = layer(first, name="logits")
    tf.nn.softmax(logits, name="probabilities")
    _trained(_cross_entropy(logits, labels()))


# Heads that no layer ends in.

def _rows(name, size=6):
    tf = _tf.tf
    return tf.nn.embedding_lookup(tf.get_variable(name + "_table", [size, 3]), tf.placeholder(tf.int32, [None], name))


def factorisation():
    """Products of looked-up rows, with biases and a penalty on the rows themselves."""
    tf = _tf.tf
    user, item = _rows("user"), _rows("item")
    bias = tf.gather(tf.get_variable("biases", [6]), tf.get_default_graph().get_tensor_by_name("user:0"))
    rating = tf.add(tf.reduce_sum(user * item, 1), bias, name="rating")
    _trained(tf.nn.l2_loss(rating - tf.placeholder(tf.float32, [None], "truth")) + 0.1 * tf.nn.l2_loss(user))


def pairs_of_words():
    """A cross entropy spelled out over one score of two rows."""
    tf = _tf.tf
    score = tf.reduce_sum(_rows("word") * _rows("context"), 1, name="score")
    _trained(tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(
        labels=tf.placeholder(tf.float32, [None], "truth"), logits=score)))


def line():
    """A number times a number, without any shape: no scale of anything, since there are no other data."""
    tf = _tf.tf
    x, y = tf.placeholder(tf.float32, name="x"), tf.placeholder(tf.float32, name="truth")
    fitted = tf.add(x * tf.get_variable("slope", []), tf.get_variable("offset", []), name="fitted")
    _trained(tf.reduce_sum(tf.square(fitted - y)))
    tf.train.Saver()


def distances():
    """No labels: a margin between two distances, a row each."""
    tf = _tf.tf
    near = tf.reduce_sum(tf.abs(_rows("head") - _rows("tail")), 1)
    far = tf.reduce_sum(tf.abs(_rows("other_head") - _rows("other_tail")), 1)
    _trained(tf.reduce_sum(tf.maximum(near - far + 1.0, 0.0, name="margin")))


def lengths_of_capsules():
    """Classes by the length of a vector, which an argmax reads; what else comes out needs the label."""
    tf = _tf.tf
    vectors = tf.reshape(layer(hidden(), 4), [-1, 2, 2])
    length = tf.sqrt(tf.reduce_sum(tf.square(vectors), 2) + 1e-9, name="length")
    truth = tf.placeholder(tf.float32, [None, 2], "truth")
    tf.argmax(length, 1, name="class")
    again = tf.sigmoid(layer(tf.reshape(vectors * tf.expand_dims(truth, 2), [-1, 4]), 4, name="again_logits"), "again")
    _trained(tf.reduce_sum(truth * tf.square(tf.maximum(0.0, 0.9 - length))) + tf.reduce_sum(tf.square(again)))


def unused_choice():
    """The twin: an argmax of logits, whose softmax is the head."""
    tf = _tf.tf
    logits = layer(hidden(), name="logits")
    tf.argmax(tf.nn.softmax(logits, name="probabilities"), 1)
    tf.argmax(logits, 1)
    _trained(_cross_entropy(logits, labels()))


def followed():
    """Two networks alike on inputs of their own, of which one is trained and copied to the other."""
    tf = _tf.tf
    now, later = tf.placeholder(tf.float32, [None, 4], "now"), tf.placeholder(tf.float32, [None, 4], "later")
    layer(tf.tanh(layer(later, 4)), name="copied")
    worth = layer(tf.tanh(layer(now, 4)), name="worth")
    _trained(tf.reduce_mean(tf.squared_difference(tf.placeholder(tf.float32, [None, 3], "aim"), worth)))


def risks():
    """A partial likelihood: each row's risk against that of all rows up to it, which is the loss's own."""
    tf = _tf.tf
    risk = layer(tf.tanh(layer(inputs(), 4)), name="risk")
    total = tf.log(tf.cumsum(tf.exp(risk)), name="total")
    seen = tf.placeholder(tf.float32, [None, 3], "seen")
    _trained(-tf.reduce_mean(tf.subtract(risk, total, name="likelihood") * seen))


def nearest():
    """Nothing is learned: distances to what is fed, of which an argmin takes the least."""
    tf = _tf.tf
    known, asked = tf.placeholder(tf.float32, [None, 4], "known"), tf.placeholder(tf.float32, [4], "asked")
    tf.argmin(tf.reduce_sum(tf.abs(known - asked), 1, name="distance"), 0)


def adapted():
    """A step of training is part of the model (MAML): the weights that predict have a gradient taken from them."""
    tf = _tf.tf
    first = weights(4, 3)
    loss = tf.reduce_mean(tf.square(tf.matmul(inputs(), first) - tf.placeholder(tf.float32, [None, 3], "truth")))
    second = first - 0.1 * tf.gradients(loss, first)[0]
    asked, answer = (tf.placeholder(tf.float32, [None, width], name) for width, name in ((4, "asked"), (3, "answer")))
    _trained(tf.reduce_mean(tf.square(tf.matmul(asked, second, name="adapted") - answer)))


def line_of_numbers():
    """Single numbers, one at a time: nothing else is data."""
    tf = _tf.tf
    x, truth = tf.placeholder(tf.float32, [], "x"), tf.placeholder(tf.float32, [], "truth")
    slope, shift = (tf.get_variable(name, [], use_resource=False) for name in ("slope", "shift"))
    _trained(tf.square(tf.add(x * slope, shift, name="fitted") - truth))


def line_of_constants():
    """The points that a line is fitted to are in the graph."""
    tf = _tf.tf
    points = tf.constant(_POINTS, name="points")
    slope, shift = (tf.get_variable(name, [1], use_resource=False) for name in ("slope", "shift"))
    _trained(tf.reduce_mean(tf.square(tf.add(slope * points, shift, name="fitted") - tf.constant(3 * _POINTS))))


def signs():
    """Only the sign of the last layer is handed out; what it decides has no gradient."""
    margin = layer(hidden(), 1, name="logits")
    _tf.tf.cast(_tf.tf.greater(margin, 0.0), _tf.tf.float32, name="decided")
    _trained(_tf.tf.reduce_mean(_tf.tf.maximum(0.0, 1.0 - margin * _tf.tf.placeholder(_tf.tf.float32, [None, 1]))))


def by_cases():
    """The twin: a comparison chooses between two values that both have a gradient."""
    margin = layer(hidden(), 1, name="logits")
    _tf.tf.where(_tf.tf.greater(margin, 0.0), margin, 0.1 * margin, name="decided")


def looped():
    """A loop adds the loss up, class by class: what leaves it is a single number, and what it compares is inside."""
    tf = _tf.tf
    logits, truth = layer(hidden(), name="logits"), tf.placeholder(tf.float32, [None, 3], "truth")
    _trained(tf.while_loop(lambda step, loss: step < 3, lambda step, loss: (
        step + 1, loss + tf.reduce_mean(tf.square(logits[:, step] - truth[:, step]))), (0, 0.0))[1])


def mixed():
    """A gradient penalty: the critic of what is drawn at random between two inputs comes after that of the inputs."""
    tf = _tf.tf
    first, second, other = weights(4, 4), weights(4, 1), tf.placeholder(tf.float32, [None, 4], "other")
    x, share = inputs(), tf.random_uniform([2, 1])

    def critic(points, name):
        return tf.matmul(tf.tanh(tf.matmul(points, first)), second, name=name)

    between = share * x + (1 - share) * other
    steep = tf.gradients(critic(between, "of_between"), between)[0]
    _trained(tf.reduce_mean(critic(x, "worth")) - tf.reduce_mean(critic(other, "others")) + tf.reduce_mean(
        tf.square(steep)))


def own_scope():
    """A user's scope that is only called like that of the gradients, and theirs beside it."""
    with _tf.tf.name_scope("gradient"):
        logits = layer(hidden(), name="logits")
    _trained(_cross_entropy(logits, labels()))


def their_scope():
    """The twin: a scope of that name holds the training alone, with its norm as an end."""
    logits = layer(hidden(), name="logits")
    loss = _cross_entropy(logits, labels())
    with _tf.tf.name_scope("gradient"):
        _tf.tf.norm(_tf.tf.gradients(loss, _tf.tf.trainable_variables())[0], name="norm")
        _trained(loss)


def hanging():
    """A head that a loss reads, and another that is computed from it."""
    tf = _tf.tf
    kind = layer(hidden(), 4, name="kind")
    size = layer(tf.tanh(layer(tf.nn.softmax(kind, name="kinds"), 4, name="between")), name="size")
    truth = tf.placeholder(tf.float32, [None, 3], "truth")
    _trained(_cross_entropy(kind, labels()) + tf.reduce_mean(tf.square(size - truth)))


def in_turn():
    """The twin of it: nothing compares the softmax with anything, it weighs."""
    tf = _tf.tf
    size = layer(tf.tanh(layer(tf.nn.softmax(layer(hidden(), 4, name="kind"), name="kinds"), 4)), name="size")
    _trained(tf.reduce_mean(tf.square(size - tf.placeholder(tf.float32, [None, 3], "truth"))))


def _drawn_from(log_odds, scores):
    """A loss, number by number, of the action that is drawn; what is left of the policy's gradients is fed."""
    tf = _tf.tf
    action = tf.one_hot(tf.reshape(tf.random.categorical(log_odds, 1), [-1]), 3)
    loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=action, logits=scores, name="loss")
    tf.gradients(loss, tf.trainable_variables())


def drawn():
    """An action is drawn by scores."""
    logits = layer(_batch(_tf.tf.float32, 6)[0], name="logits")
    _drawn_from(logits, logits)


def drawn_of_some():
    """An action is drawn by odds of which a feature strikes some out."""
    tf = _tf.tf
    x, _ = _batch(tf.float32, 6)
    scores = layer(x)
    _drawn_from(tf.log(tf.multiply(1 - tf.abs(x[:, :3]), tf.exp(scores), name="odds")), scores)


LOGITS = ("logits:0", "logits")

TRAINING_HEADS = {heads.build.__name__: heads for heads in (
    Heads(tutorial, (LOGITS,), (("ExponentialMovingAverage/AssignMovingAvg/mul:0", "batch:1"),)),
    Heads(two_vectors, (LOGITS,)), Heads(logistic, (LOGITS,)),
    Heads(log_loss_by_hand, (("probabilities:0", "softmax"), LOGITS)),
    Heads(squared_error, (("value:0", "logits"),)),
    Heads(squared_error_of_an_activation, (("price:0", "exp"), ("value:0", "logits"))),
    Heads(softplus_by_hand, (("probable:0", "prediction"), ("BiasAdd_1:0", "logits"))),
    Heads(hinge, (("margin:0", "logits"),)),
    Heads(top_k, (LOGITS,), (("right:0", "batch:1"),)),
    Heads(auxiliary, (("main:0", "logits"), ("side:0", "logits"))),
    Heads(clipped_gradients, (LOGITS,)),
    Heads(sampled, (("nce_loss/add:0", "label_logits"),), (("nce_loss/add_1:0", "by chance"),)),
    Heads(factorisation, (("rating:0", "prediction"),)), Heads(pairs_of_words, (("score:0", "prediction"),)),
    Heads(line, (("fitted:0", "prediction"),)), Heads(distances, (("margin:0", "prediction"),)),
    Heads(lengths_of_capsules, (("length:0", "prediction"), ("again:0", "sigmoid"), ("again_logits:0", "logits"))),
    Heads(unused_choice, (("probabilities:0", "softmax"), LOGITS)),
    Heads(followed, (("worth:0", "logits"), ("copied:0", "logits"))), Heads(risks, (("risk:0", "logits"),)),
    Heads(looped, (LOGITS,)), Heads(mixed, (("worth:0", "logits"), ("others:0", "logits"), ("of_between:0", "logits"))),
    Heads(signs, (LOGITS,)), Heads(by_cases, (("decided:0", "select"),)),
    Heads(nearest, (("distance:0", "prediction"),)), Heads(adapted, (("adapted:0", "logits"),)),
    Heads(line_of_numbers, (("fitted:0", "prediction"),)), Heads(line_of_constants, (("fitted:0", "prediction"),)),
    Heads(own_scope, (("gradient/logits:0", "logits"),)), Heads(their_scope, (LOGITS,)),
    Heads(hanging, (("kinds:0", "softmax"), ("size:0", "logits"), ("kind:0", "logits"))),
    Heads(drawn, (LOGITS,)), Heads(drawn_of_some, (("odds:0", "prediction"),), (("loss:0", "by chance"),)),
    Heads(in_turn, (("size:0", "logits"),), (("kinds:0", "attention"),)),
    Heads(activation_summaries, (("probabilities:0", "softmax"), LOGITS)))}
