"""Networks with dropout or batch norm in training mode, and the same ones in inference mode from the same weights."""

from typing import Callable, NamedTuple, Tuple

import numpy as np

from graph_tools import _tf
from graph_tools.model import Model

KEEP = 0.8
_ALPHA = -1.7580993408473766


class Case(NamedTuple):
    """``build(x, training)`` gives the output; ``left`` is what the notes must say of what stays as it is."""

    build: Callable
    left: Tuple[str, ...] = ()


def _weights(rows, columns, seed):
    return _tf.tf.constant(np.random.RandomState(seed).normal(size=(rows, columns)).astype(np.float32))


def _noise(x):
    return _tf.tf.random_uniform(_tf.tf.shape(x), seed=7)


def _through(x, drop):
    """A network with something between its two layers."""
    tf = _tf.tf
    hidden = tf.tanh(tf.matmul(x, _weights(4, 5, 1)))
    return tf.nn.softmax(tf.matmul(drop(hidden), _weights(5, 3, 2)), name="scores")


def of_the_release(x, training):
    return _through(x, lambda h: _tf.tf.nn.dropout(h, rate=1 - KEEP) if training else h)


def floor(x, training):
    """The spelling until 1.12."""
    tf = _tf.tf
    return _through(x, lambda h: tf.div(h, KEEP) * tf.floor(KEEP + _noise(h)) if training else h)


def product(x, training):
    """The spelling of 1.13 to 2.2: scaled, then multiplied with the mask."""
    tf = _tf.tf
    return _through(x, lambda h: (h * (1 / (1 - tf.constant(1 - KEEP)))) * tf.cast(
        _noise(h) >= 1 - KEEP, tf.float32) if training else h)


def selected(x, training):
    """The spelling of newer releases."""
    tf = _tf.tf
    return _through(x, lambda h: tf.where_v2(_noise(h) >= 1 - KEEP, h * (1 / KEEP), 0.0) if training else h)


def scaled_after(x, training):
    """By hand: the mask first, the scale afterwards, noise compared the other way round."""
    tf = _tf.tf
    return _through(x, lambda h: (h * tf.cast(tf.less(_noise(h), KEEP), tf.float32)) / KEEP if training else h)


def fed_probability(x, training):
    """A keep probability that would have to be fed; its value does not matter any more."""
    tf = _tf.tf
    keep = tf.placeholder_with_default(np.float32(0.5), [], "keep")
    return _through(x, lambda h: tf.div(h, keep) * tf.floor(keep + _noise(h)) if training else h)


def in_a_branch(x, training):
    """A flag that is on by default."""
    tf = _tf.tf
    flag = tf.placeholder_with_default(True, [], "training")
    return _through(x, lambda h: tf.cond(flag, lambda: tf.nn.dropout(h, rate=1 - KEEP), lambda: tf.identity(h))
                    if training else h)


def whole_rows(x, training):
    tf = _tf.tf
    return _through(x, lambda h: tf.nn.dropout(h, rate=1 - KEEP, noise_shape=[tf.shape(h)[0], 1]) if training else h)


def alpha(x, training):
    """Alpha dropout, which keeps mean and variance of scaled exponential units."""
    tf = _tf.tf
    scale = (KEEP + _ALPHA ** 2 * KEEP * (1 - KEEP)) ** -0.5

    def drop(h):
        kept = tf.cast(tf.greater_equal(_noise(h), 1 - KEEP), tf.float32)
        return scale * (h * kept + _ALPHA * (1 - kept)) - scale * _ALPHA * (1 - KEEP)

    return _through(x, lambda h: drop(h) if training else h)


def gaussian(x, training):
    tf = _tf.tf
    return _through(x, lambda h: h * tf.random_normal(tf.shape(h), 1.0, 0.5) + tf.random_normal(
        tf.shape(h), 0.0, 0.1) if training else h)


def in_a_loop(x, training):
    """Dropout on the state of a recurrent network, inside a while loop."""
    tf = _tf.tf
    kernel = _weights(4, 4, 3)

    def step(number, state):
        state = tf.tanh(tf.matmul(state, kernel) + x)
        return number + 1, tf.div(state, KEEP) * tf.floor(KEEP + _noise(state)) if training else state

    _, state = tf.while_loop(lambda number, _: number < 3, step, [0, tf.zeros_like(x)])
    return tf.nn.softmax(tf.matmul(tf.ensure_shape(state, [None, 4]), _weights(4, 3, 2)), name="scores")


def one_mask_for_all_steps(x, training):
    """Variational dropout: the noise is drawn outside of the loop."""
    tf = _tf.tf
    kernel, noise = _weights(4, 4, 3), _noise(x)

    def step(number, state):
        state = tf.tanh(tf.matmul(state, kernel) + x)
        return number + 1, tf.div(state, KEEP) * tf.floor(KEEP + noise) if training else state

    _, state = tf.while_loop(lambda number, _: number < 3, step, [0, tf.zeros_like(x)])
    return tf.nn.softmax(tf.matmul(tf.ensure_shape(state, [None, 4]), _weights(4, 3, 2)), name="scores")


# -- batch norm -------------------------------------------------------------------------------------------------------

def _variable(name, values, resource=False):
    return _tf.tf.get_variable(name, initializer=np.asarray(values, np.float32), use_resource=resource)


def _norm_variables(resource=False):
    random = np.random.RandomState(5)
    return [_variable("norm/" + name, values, resource) for name, values in (
        ("gamma", random.uniform(0.5, 1.5, 5)), ("beta", random.normal(size=5)),
        ("moving_mean", random.normal(size=5)), ("moving_variance", random.uniform(0.5, 2, 5)))]


def _update(average, statistic):
    return _tf.tf.assign_sub(average, (average - statistic) * (1 - 0.9))


def spelled_out(x, training, resource=False):
    """Moments, moving averages by subtraction, ``tf.nn.batch_normalization``."""
    tf = _tf.tf

    def norm(h):
        gamma, beta, mean, variance = _norm_variables(resource)
        if not training:
            return tf.nn.batch_normalization(h, mean, variance, beta, gamma, 1e-3)
        now, spread = tf.nn.moments(h, [0])
        with tf.control_dependencies([_update(mean, now), _update(variance, spread)]):
            return tf.nn.batch_normalization(h, now, spread, beta, gamma, 1e-3)

    return _through(x, norm)


def resource_variables(x, training):
    return spelled_out(x, training, True)


def _fused(x, training, update=True, resource=False, cond=False):
    tf = _tf.tf

    def norm(h):
        gamma, beta, mean, variance = _norm_variables(resource)
        picture = tf.reshape(h, [-1, 1, 1, 5])

        def as_trained():
            return tf.nn.fused_batch_norm(picture, gamma, beta, epsilon=1e-3, is_training=True)

        def as_served():
            return tf.nn.fused_batch_norm(picture, gamma, beta, mean, variance, epsilon=1e-3, is_training=False)

        if not training:
            found = as_served()
        elif cond:
            found = tf.cond(tf.placeholder_with_default(True, [], "training"), as_trained, as_served)
        else:
            found = as_trained()
        if training and update:
            _update(mean, tf.reshape(found[1], [5]))
            _update(variance, tf.reshape(found[2], [5]))
        return tf.reshape(found[0], [-1, 5])

    return _through(x, norm)


def fused(x, training):
    return _fused(x, training)


def fused_with_resources(x, training):
    return _fused(x, training, resource=True)


def fused_by_name(x, training):
    """The updates are pruned away: the averages are found beside gamma and beta."""
    return _fused(x, training, update=False)


def fused_in_a_branch(x, training):
    return _fused(x, training, cond=True)


def averages_of_means(x, training):
    """The recipe of many answers: a moving average object over the moments, read by the other branch."""
    tf = _tf.tf

    def norm(h):
        flag = tf.placeholder_with_default(True, [], "training")
        gamma, beta, _, _ = _norm_variables()
        now, spread = tf.nn.moments(h, [0], name="moments")
        averages = tf.train.ExponentialMovingAverage(decay=0.5)

        def updated():
            with tf.control_dependencies([averages.apply([now, spread])]):
                return tf.identity(now), tf.identity(spread)

        mean, variance = tf.cond(flag, updated, lambda: (averages.average(now), averages.average(spread)))
        if not training:
            mean, variance = averages.average(now), averages.average(spread)
        return tf.nn.batch_normalization(h, mean, variance, beta, gamma, 1e-3)

    return _through(x, norm)


# -- layers of the release --------------------------------------------------------------------------------------------

def layers(x, training):
    """Layers of ``tf.layers`` with a flag that was true when the graph was built."""
    tf = _tf.tf
    flag = bool(training)

    def both(h):
        h = tf.layers.batch_normalization(tf.reshape(h, [-1, 1, 1, 5]), training=flag, name="fused")
        h = tf.layers.batch_normalization(tf.reshape(h, [-1, 5]), training=flag, name="spelled", fused=False)
        return tf.layers.dropout(h, rate=1 - KEEP, training=flag)

    return _through(x, both)


def layers_with_a_flag(x, training):
    """The same with a flag that is fed."""
    tf = _tf.tf
    flag = tf.placeholder_with_default(True, [], "training") if training else False

    def both(h):
        h = tf.layers.batch_normalization(tf.reshape(h, [-1, 1, 1, 5]), training=flag, name="fused")
        h = tf.layers.batch_normalization(tf.reshape(h, [-1, 5]), training=flag, name="spelled", fused=False)
        return tf.layers.dropout(h, rate=1 - KEEP, training=flag)

    return _through(x, both)


def recurrent(x, training):
    """A cell in a dropout wrapper, run by ``dynamic_rnn``."""
    tf = _tf.tf
    cell = tf.nn.rnn_cell.GRUCell(4)
    if training:
        cell = tf.nn.rnn_cell.DropoutWrapper(cell, input_keep_prob=KEEP, output_keep_prob=KEEP, state_keep_prob=KEEP)
    outputs, _ = tf.nn.dynamic_rnn(cell, tf.stack([x, x, x], 1), dtype=tf.float32)
    return tf.nn.softmax(tf.matmul(outputs[:, -1], _weights(4, 3, 2)), name="scores")


# -- what stays as it is ----------------------------------------------------------------------------------------------

def not_scaled(x, training):
    """A random mask that nothing makes up for: what inference would be is not known."""
    tf = _tf.tf
    return _through(x, lambda h: h * tf.floor(KEEP + _noise(h)))


def without_averages(x, training):
    tf = _tf.tf
    return _through(x, lambda h: tf.nn.batch_normalization(h, *tf.nn.moments(h, [0]), None, None, 1e-3))


def sampled_code(x, training):
    """A variational code, drawn around its mean in a size that the network computes: predicted from, it is the mean."""
    tf = _tf.tf
    return _through(x, lambda h: h + tf.exp(0.5 * h) * tf.random_normal(tf.shape(h)) if training else h)


def sampled_off_centre(x, training):
    """Noise of such a size that is not around zero is a part of the model."""
    tf = _tf.tf
    return _through(x, lambda h: h + tf.exp(0.5 * h) * tf.random_normal(tf.shape(h), 0.5))


def nothing_random(x, training):
    """Nor is what a saver restores, or what is assigned as it is fed, an average of anything."""
    tf = _tf.tf
    plain = tf.get_variable("plain", [4], use_resource=False)
    tf.train.Saver([plain])
    tf.assign(plain, x[0])
    tf.assign(plain, tf.reduce_mean(x, 0))
    return _through(x, lambda h: h * 0.5)


LAYERS = {case.build.__name__: case for case in map(Case, (layers, layers_with_a_flag, recurrent))}
CASES = {case.build.__name__: case for case in map(Case, (
    of_the_release, floor, product, selected, scaled_after, fed_probability, in_a_branch, whole_rows, alpha, gaussian,
    in_a_loop, one_mask_for_all_steps, spelled_out, resource_variables, fused, fused_with_resources, fused_by_name,
    fused_in_a_branch, averages_of_means, sampled_code))}
LEFT = {case.build.__name__: case for case in (
    Case(not_scaled, ("no scale",)), Case(without_averages, ("no moving average",)), Case(sampled_off_centre),
    Case(nothing_random))}


def model_of(build, training: bool) -> Model:
    """The model of a case with the values of its variables; a moving average has moved before it is stored."""
    tf = _tf.tf
    graph = tf.Graph()
    with graph.as_default(), _tf.control_flow_v1():
        build(tf.placeholder(tf.float32, [None, 4], "x"), training)
        variables = tf.global_variables()
        with tf.Session(graph=graph) as session:
            session.run(tf.global_variables_initializer())
            values = dict(zip([one.op.name for one in variables], session.run(variables)))
    for number, name in enumerate(sorted(values)):
        if "kernel" in name or "moving" in name and "Expo" not in name and "norm/" not in name:
            values[name] = np.random.RandomState(number).uniform(0.5, 1.5, values[name].shape).astype(np.float32)
        if "ExponentialMovingAverage" in name and not name.endswith(("local_step", "biased")):
            values[name] = np.linspace(0.5, 1.5, values[name].size).astype(np.float32)
    meta_graph = tf.MetaGraphDef()
    meta_graph.graph_def.CopyFrom(graph.as_graph_def())
    return Model(meta_graph, build.__name__, values)
