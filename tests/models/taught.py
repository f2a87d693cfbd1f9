"""Small models that have learnt a rule we know, so that a right explanation is worth believing; trained in seconds.

Every training set is drawn from a rule; a share of the tokens is taken away while training, so that a removed token is
something that the model has seen.
"""

from typing import Any, Callable, Dict, NamedTuple

import numpy as np

import graph_tools as gt
from graph_tools import _tf
from graph_tools.model import Model

WORDS, LONGEST, CLASSES = 120, 12, 3
FEATURES = 10
SIDE = 8


class Taught(NamedTuple):
    """A trained model and what to ask it.

    ``draw(random, rows)`` gives a feed of fresh rows, ``label(outputs)`` what to explain of each row, ``accuracy`` is
    that on fresh rows; ``logits`` and ``hidden`` are tensors that are not the output, for faults.
    """

    model: Model
    output: str
    inputs: Any
    draw: Callable[[np.random.RandomState, int], Dict[str, np.ndarray]]
    label: Callable[[np.ndarray], Any]
    logits: str
    hidden: str
    accuracy: float


def topics(random, rows: int):
    """Words of three topics among others; the topic with most words is right."""
    ids = random.randint(1, WORDS, (rows, LONGEST))
    lengths = random.randint(6, LONGEST + 1, rows)
    ids[np.arange(LONGEST) >= lengths[:, None]] = 0
    counts = np.stack([((ids > 20 * topic) & (ids <= 20 * (topic + 1))).sum(1) for topic in range(CLASSES)], 1)
    return {"ids:0": ids.astype(np.int32), "lengths:0": lengths.astype(np.int32)}, counts.argmax(1)


def moods(random, rows: int):
    """Good words (1 to 30) and bad words (31 to 60), which count the other way behind a ``not`` (61 to 66)."""
    ids = random.randint(1, WORDS, (rows, LONGEST))
    lengths = random.randint(6, LONGEST + 1, rows)
    ids[np.arange(LONGEST) >= lengths[:, None]] = 0
    worth = np.where(ids == 0, 0, np.where(ids <= 30, 1, np.where(ids <= 60, -1, 0)))
    turned = np.zeros(ids.shape, bool)
    turned[:, 1:] = (ids[:, :-1] > 60) & (ids[:, :-1] <= 66)
    sums = (worth * np.where(turned, -1, 1)).sum(1)
    return {"ids:0": ids.astype(np.int32), "lengths:0": lengths.astype(np.int32)}, (sums > 0).astype(int)


def tags(random, rows: int):
    """A tag for each word: its kind (the id in thirds), and that of the word before where the id is the tenth."""
    ids = random.randint(1, WORDS, (rows, LONGEST))
    kind = (ids - 1) * CLASSES // (WORDS - 1)
    told = kind.copy()
    for at in range(1, LONGEST):
        told[:, at] = np.where(ids[:, at] % 4 == 0, told[:, at - 1], kind[:, at])
    return {"ids:0": ids.astype(np.int32)}, told


def table(random, rows: int):
    """Ten numbers: four that add, two that multiply, one that counts above a bound, three of no use."""
    x = random.normal(size=(rows, FEATURES)).astype(np.float32)
    worth = 1.5 * x[:, 0] - x[:, 1] + 0.7 * x[:, 2] - 0.5 * x[:, 3] + x[:, 4] * x[:, 5] + 2 * np.maximum(
        x[:, 6] - 0.5, 0)
    return {"x:0": x}, (worth > 0.3).astype(int)


def bars(random, rows: int):
    """Pictures of 8 × 8 with a bar that lies, stands or leans, in noise."""
    pictures, kinds = random.uniform(0, 0.3, (rows, SIDE, SIDE, 1)), random.randint(0, 3, rows)
    for picture, kind in zip(pictures, kinds):
        row, column, long = random.randint(2, 6), random.randint(0, 4), np.arange(5)
        if kind == 0:
            picture[row, column + long % 5] += 0.7
        elif kind == 1:
            picture[column + long % 5, row] += 0.7
        else:
            picture[column + long % 5, (row + long) % SIDE] += 0.7
    return {"x:0": pictures.astype(np.float32)}, kinds


# -- what the models are -----------------------------------------------------------------------------------------------

def _weights(name: str, *shape: int):
    reach = np.sqrt(6.0 / (np.prod(shape[:-1]) + shape[-1]))
    return _tf.tf.get_variable(name, initializer=np.random.RandomState(len(name) + sum(shape)).uniform(
        -reach, reach, shape).astype(np.float32))


def _dense(name: str, x, wide: int, activation=None):
    made = _tf.tf.matmul(x, _weights(name, x.shape.as_list()[-1], wide)) + _tf.tf.get_variable(
        name + "_bias", initializer=np.zeros(wide, np.float32))
    return made if activation is None else activation(made)


def _looked_up(keep):
    """Ids, their rows, and a copy of these in which some words are away while training."""
    tf = _tf.tf
    ids = tf.placeholder(tf.int32, [None, LONGEST], "ids")
    rows = tf.nn.embedding_lookup(_weights("table", WORDS, 16), ids, name="rows")
    there = tf.floor(keep + tf.random_uniform(tf.shape(rows)[:2], seed=1))
    return ids, rows * tf.expand_dims(there, 2)


def _recurrent(x, units: int, name: str):
    """States ``[batch, time, units]`` of a gated loop over ``[batch, time, dim]``."""
    tf = _tf.tf
    wide = x.shape.as_list()[-1] + units
    gate, state = _weights(name + "_gate", wide, 2 * units), _weights(name + "_state", wide, units)

    def step(held, row):
        update, reset = tf.split(tf.sigmoid(tf.matmul(tf.concat([row, held], 1), gate)), 2, axis=1)
        new = tf.tanh(tf.matmul(tf.concat([row, reset * held], 1), state))
        return update * held + (1 - update) * new

    time_first = tf.transpose(x, [1, 0, 2])
    return tf.transpose(tf.scan(step, time_first, tf.zeros([tf.shape(x)[0], units])), [1, 0, 2])


def _mean_of_words(keep):
    tf = _tf.tf
    _, rows = _looked_up(keep)
    lengths = tf.placeholder(tf.int32, [None], "lengths")
    mask = tf.expand_dims(tf.sequence_mask(lengths, LONGEST, tf.float32), 2)
    mean = tf.reduce_sum(rows * mask, 1) / tf.reduce_sum(mask, 1)
    return tf.identity(_dense("hidden", mean, 16, tf.tanh), "between")


def _gated(keep):
    tf = _tf.tf
    _, rows = _looked_up(keep)
    lengths = tf.placeholder(tf.int32, [None], "lengths")
    mask = tf.expand_dims(tf.sequence_mask(lengths, LONGEST, tf.float32), 2)
    return tf.identity(tf.reduce_sum(_recurrent(rows, 20, "loop") * mask, 1) / 4, "between")


def _text_cnn(keep):
    tf = _tf.tf
    _, rows = _looked_up(keep)
    lengths = tf.placeholder(tf.int32, [None], "lengths")
    mask = tf.expand_dims(tf.sequence_mask(lengths, LONGEST, tf.float32), 2)
    found = tf.nn.relu(tf.nn.conv1d(rows * mask, _weights("filters", 2, 16, 48), 1, "SAME"))
    return tf.identity(tf.concat([tf.reduce_max(found, 1), tf.reduce_sum(found, 1) / 4], 1), "between")


def _tagger(keep):
    tf = _tf.tf
    _, rows = _looked_up(keep)
    back = tf.reverse(_recurrent(tf.reverse(rows, [1]), 16, "backward"), [1])
    states = tf.concat([_recurrent(rows, 24, "forward"), back], 2)
    return tf.identity(states, "between")


def _numbers(keep):
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, FEATURES], "x")
    x = x * tf.floor(keep + tf.random_uniform(tf.shape(x), seed=1))
    return tf.identity(_dense("second", _dense("first", x, 32, tf.nn.relu), 16, tf.nn.relu), "between")


def _smooth_numbers(keep):
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, FEATURES], "x")
    x = x * tf.floor(keep + tf.random_uniform(tf.shape(x), seed=1))
    return tf.identity(_dense("first", x, 32, tf.tanh), "between")


def _pictures(keep):
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, SIDE, SIDE, 1], "x")
    x = x * tf.floor(keep + tf.random_uniform(tf.shape(x), seed=1))
    found = tf.nn.relu(tf.nn.conv2d(x, _weights("filters", 3, 3, 1, 16), strides=[1, 1, 1, 1], padding="SAME"))
    return tf.identity(_dense("second", tf.reshape(found, [-1, SIDE * SIDE * 16]), 24, tf.nn.relu), "between")


class _Kind(NamedTuple):
    body: Any
    rule: Any
    classes: int
    inputs: Any
    steps: int = 400


# Thresholds are chosen on the first, faults are counted on the second.
CHOSEN_ON = {
    "mean of words": _Kind(_mean_of_words, topics, 3, "rows"),
    "gated loop": _Kind(_gated, topics, 3, "rows"),
    "gated loop of moods": _Kind(_gated, moods, 2, "rows", 600),
    "smooth table": _Kind(_smooth_numbers, table, 2, "x", 800),
    "pictures": _Kind(_pictures, bars, 3, "x"),
}
COUNTED_ON = {
    "text CNN": _Kind(_text_cnn, moods, 2, "rows", 600),
    "table": _Kind(_numbers, table, 2, "x", 600),
    "tagger": _Kind(_tagger, tags, 3, "rows", 600),
}


def train(name: str, seed: int = 0) -> Taught:
    """The model of that name, trained anew."""
    tf, kind = _tf.tf, dict(CHOSEN_ON, **COUNTED_ON)[name]
    random, graph = np.random.RandomState(seed), tf.Graph()
    with graph.as_default():
        tf.set_random_seed(seed)
        keep = tf.placeholder_with_default(np.float32(1), [], "keep")
        between = kind.body(keep)
        last = _dense("last", tf.reshape(between, [-1, between.shape.as_list()[-1]]), kind.classes)
        logits = tf.reshape(last, [-1, LONGEST, kind.classes]) if kind.rule is tags else last
        logits = tf.identity(logits, "logits")
        probabilities = tf.nn.softmax(logits, name="probabilities")
        right = tf.placeholder(tf.int32, [None] * (logits.shape.ndims - 1), "right")
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=right, logits=logits))
        minimise = tf.train.AdamOptimizer(5e-3).minimize(loss)
        start = tf.global_variables_initializer()
    with tf.Session(graph=graph) as session:
        session.run(start)
        for _ in range(kind.steps):
            feed, told = kind.rule(random, 128)
            session.run(minimise, dict(feed, **{right.name: told, "keep:0": random.choice([0.5, 0.75, 1.0])}))
        feed, told = kind.rule(np.random.RandomState(seed + 1), 500)
        accuracy = float((session.run(probabilities, feed).argmax(-1) == told).mean())
        model, _ = gt.freeze(gt.from_session(session), ["probabilities:0", "logits:0", "between:0"])
    return Taught(model, "probabilities:0", kind.inputs, lambda random, rows: kind.rule(random, rows)[0],
                  _of_fourth_word if kind.rule is tags else lambda outputs: "top", "logits:0", "between:0", accuracy)


def _of_fourth_word(outputs: np.ndarray):
    """The tag of the fourth word in the first row, of the fifth in the second, and so on."""
    at = 3 + np.arange(len(outputs)) % (LONGEST - 4)
    return [(int(place), int(tag)) for place, tag in zip(at, outputs[np.arange(len(outputs)), at].argmax(-1))]
