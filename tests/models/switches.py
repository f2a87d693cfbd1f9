"""Graphs with switches, each with a twin that is data: functions that build into the default graph, up to ``y``."""

import numpy as np

from graph_tools import _tf

WEIGHTS = np.random.RandomState(4).normal(size=(4, 3)).astype(np.float32)


def _x(shape=(None, 4)):
    return _tf.tf.placeholder(_tf.tf.float32, shape, "x")


def _end(hidden):
    return _tf.tf.matmul(hidden, _tf.tf.constant(WEIGHTS), name="y")


def _dropped(x, keep):
    """Dropout as releases before 1.13 spell it."""
    tf = _tf.tf
    dropped = x / keep * tf.floor(keep + tf.random_uniform(tf.shape(x)))
    dropped.set_shape(x.shape)
    return dropped


def keep_without_shape():
    """The commonest of all: a keep probability of unknown rank."""
    _end(_dropped(_x(), _tf.tf.placeholder(_tf.tf.float32, name="level")))


def rate_without_shape():
    """The same by what is dropped, as later releases spell it."""
    tf = _tf.tf
    x, rate = _x(), tf.placeholder(tf.float32, name="level")
    kept = tf.cast(tf.random_uniform(tf.shape(x)) >= rate, tf.float32)
    _end(x * (1 / (1 - rate)) * kept)


def keep_with_a_bad_default():
    """A keep probability that is a half when nobody feeds it."""
    _end(_dropped(_x(), _tf.tf.placeholder_with_default(np.float32(0.5), [], "level")))


def keep_of_two_layers():
    """A vector of keep probabilities, one a layer."""
    tf = _tf.tf
    keep = tf.placeholder(tf.float32, [2], name="level")
    _end(_dropped(_dropped(_x(), keep[0]), keep[1]))


def keep_of_any_layers():
    """The same of a vector that does not say how long it is."""
    tf = _tf.tf
    keep = tf.placeholder(tf.float32, [None], name="level")
    _end(_dropped(_dropped(_x(), keep[0]), keep[2]))


def keep_in_a_loop():
    """Dropout within the steps of a loop."""
    tf = _tf.tf
    x, keep = _x(), tf.placeholder(tf.float32, name="level")
    _end(tf.while_loop(lambda i, h: i < 3, lambda i, h: (i + 1, _dropped(h, keep)), [0, x])[1])


def training_flag():
    """A branch with a dropout in it, and one without."""
    tf = _tf.tf
    x = _x()
    flag = tf.placeholder(tf.bool, name="mode")
    _end(tf.cond(flag, lambda: _dropped(x, 0.5), lambda: tf.identity(x)))


def inference_flag():
    """The same the other way round: true is inference."""
    tf = _tf.tf
    x = _x()
    flag = tf.placeholder(tf.bool, [], name="mode")
    _end(tf.cond(flag, lambda: tf.identity(x), lambda: _dropped(x, 0.5)))


def phase_number():
    """A branch on a number: 1 is training."""
    tf = _tf.tf
    x = _x()
    phase = tf.placeholder(tf.int32, name="mode")
    _end(tf.cond(tf.equal(phase, 1), lambda: _dropped(x, 0.5), lambda: tf.identity(x)))


def one_of_several():
    """A number that must be one of three."""
    tf = _tf.tf
    x, scale = _x(), tf.placeholder(tf.float32, [], name="mode")
    cases = [(tf.equal(scale, float(number)), lambda number=number: x * number) for number in (2, 3, 4)]
    _end(tf.case(cases, exclusive=True))


def just_one():
    """A number that must be the one that is known: anything else fails a check."""
    tf = _tf.tf
    x, scale = _x(), tf.placeholder(tf.float32, name="mode")
    _end(tf.case([(tf.equal(scale, 4.0), lambda: tf.identity(x))], exclusive=True))


def keep_chosen_by_a_flag():
    """The branches only hold the keep probabilities."""
    tf = _tf.tf
    x = _x()
    flag = tf.placeholder(tf.bool, [], name="mode")
    _end(_dropped(x, tf.cond(flag, lambda: tf.constant(0.5), lambda: tf.constant(1.0))))


def statistics_by_a_flag():
    """Batch norm by moments of the batch where a flag says so, by constants otherwise."""
    tf = _tf.tf
    x = _x()
    flag = tf.placeholder(tf.bool, [], name="mode")
    mean, spread = tf.cond(flag, lambda: tuple(tf.nn.moments(x, [0])),
                           lambda: (tf.constant([0.1, 0.2, 0.3, 0.4]), tf.constant([1.0, 2.0, 3.0, 4.0])))
    _end((x - mean) * tf.math.rsqrt(spread + 1e-3))


def noise_level():
    """Noise of a fed size that is added to what is computed."""
    tf = _tf.tf
    x = _x()
    _end(tf.tanh(x) + tf.random_normal(tf.shape(x)) * tf.placeholder(tf.float32, name="level"))


def temperature_without_shape():
    """A number that scales what is computed from data."""
    tf = _tf.tf
    tf.divide(tf.matmul(_x(), tf.constant(WEIGHTS)), tf.placeholder(tf.float32, name="level"), name="y")


def decay_of_a_state():
    """How much of a state that was kept counts, and how much of the batch: it multiplies a weight, and data."""
    tf = _tf.tf
    x, decay = _x(), tf.placeholder(tf.float32, name="level")
    kept = tf.identity(tf.constant(WEIGHTS[:, 0]), name="kept/read")
    _end(x - (kept * decay + tf.reduce_max(x, 0) * (1 - decay)))


def learning_rate():
    """What only the optimiser reads."""
    tf = _tf.tf
    weights = tf.get_variable("weights", initializer=tf.constant(WEIGHTS), use_resource=False)
    y = tf.matmul(_x(), weights, name="y")
    loss = tf.reduce_mean(tf.square(y - tf.placeholder(tf.float32, [None, 3], "target")))
    tf.train.GradientDescentOptimizer(tf.placeholder(tf.float32, name="level")).minimize(loss)


# Twins: data, whatever their shape says.

def data_without_shape():
    """Rows of unknown rank that a layer takes, scaled and shifted first."""
    tf = _tf.tf
    _end((tf.placeholder(tf.float32, name="level") - 0.5) * 2.0)


def noisy_data():
    """Rows of unknown rank with noise added to them."""
    tf = _tf.tf
    data = tf.placeholder(tf.float32, name="level")
    _end(data + 0.1 * tf.random_normal(tf.shape(data)))


def compared_pictures():
    """Two arrays of unknown rank of which the distance is taken: each scales the other, both are data."""
    tf = _tf.tf
    first, second = tf.placeholder(tf.float32, name="level"), tf.placeholder(tf.float32, name="other")
    tf.multiply(first, second, name="y")


def mask():
    """Which entries count: bools by row and position."""
    tf = _tf.tf
    x, chosen = _x(), tf.placeholder(tf.bool, [None, 4], "level")
    _end(tf.where(chosen, x, tf.zeros_like(x)))


def steps_without_shape():
    """A cell of which each step has a number a row, of unknown rank, times weights, added to the state; trained."""
    tf = _tf.tf
    weights = tf.get_variable("weights", initializer=tf.constant(WEIGHTS[:1]), use_resource=False)
    inner = tf.get_variable("inner", initializer=tf.constant(WEIGHTS[:3]), use_resource=False)
    state = tf.ones([2, 3])
    for name in ("first", "second", "third"):
        state = tf.tanh(tf.matmul(state, inner) + tf.placeholder(tf.float32, name=name) * weights)
    y = tf.matmul(state, tf.constant(WEIGHTS.T), name="y")
    tf.train.GradientDescentOptimizer(0.1).minimize(tf.reduce_mean(tf.square(y)))


# Graph, the switch, its role, what to feed.
SWITCHES = (
    (keep_without_shape, "level", "dropout", 1.0), (rate_without_shape, "level", "dropout", 0.0),
    (keep_with_a_bad_default, "level", "dropout", 1.0), (keep_of_two_layers, "level", "dropout", [1.0, 1.0]),
    (keep_of_any_layers, "level", "dropout", [1.0, 1.0, 1.0]),
    (keep_in_a_loop, "level", "dropout", 1.0), (training_flag, "mode", "branch", False),
    (one_of_several, "mode", "branch", 2.0), (just_one, "mode", "branch", 4.0),
    (inference_flag, "mode", "branch", True), (phase_number, "mode", "branch", 0),
    (keep_chosen_by_a_flag, "mode", "branch", False), (statistics_by_a_flag, "mode", "branch", False),
    (noise_level, "level", "noise", 0.0), (temperature_without_shape, "level", "scale", 1.0),
    (decay_of_a_state, "level", "scale", 1.0), (learning_rate, "level", "optimiser", 1.0))
RANDOM = tuple(row for row in SWITCHES if row[2] in ("dropout", "noise") or row[1] == "mode" and (
    row[0] not in (statistics_by_a_flag, one_of_several, just_one)))
TWINS = (data_without_shape, noisy_data, compared_pictures, mask, steps_without_shape)


def default_in_the_middle():
    """A retrained network: the bottleneck may be fed, and is computed from the picture as a rule."""
    tf = _tf.tf
    picture = tf.placeholder(tf.float32, [None, 2, 2], "picture")
    bottleneck = tf.tanh(tf.reshape(picture, [-1, 4]))
    tf.nn.softmax(_end(tf.placeholder_with_default(bottleneck, [None, 4], "bottleneck")), name="scores")


def default_at_the_door():
    """The twin: what is taken when nothing is fed is a constant."""
    tf = _tf.tf
    tf.nn.softmax(_end(tf.placeholder_with_default(np.ones((1, 4), np.float32), [None, 4], "picture")), name="scores")
