"""Graphs with one true lookup of embeddings and one thing that looks like another: what must be said of the latter.

A trap builds into the default graph beside the true lookup and returns the tensor of scores. It gets ``ids``
``[batch, 3]``, their ``rows`` ``[batch, 3, 4]`` looked up in ``words``, and ``pooled`` ``[batch, 4]``.
"""

from typing import Any, Callable, NamedTuple

import numpy as np

from graph_tools import _tf
from graph_tools.model import Model

_RANDOM = np.random.RandomState(11)


class Trap(NamedTuple):
    """A builder and what must be said.

    Attributes:
      verdict: ``"miss"``: no candidate reads the table, a near miss or nothing at all names it; ``"below"``: a
        candidate after the true one; ``"unreached"``: a candidate with a caveat, gone once the output is named.
      reason: must occur in the miss, the caveat or the ``why``; ``""``: no need to mention it.
    """

    build: Callable[[Any, Any, Any], Any]
    verdict: str
    reason: str


def model_of(trap: Trap) -> Model:
    tf = _tf.tf
    graph = tf.Graph()
    with graph.as_default(), _tf.control_flow_v1():
        ids = tf.placeholder(tf.int32, [None, 3], "ids")
        rows = tf.nn.embedding_lookup(table("words", 50), ids, name="true_lookup")
        scores = trap.build(ids, rows, tf.reduce_sum(tf.tanh(rows), 1))
        tf.nn.softmax(tf.identity(scores), name="scores")
    meta_graph = tf.MetaGraphDef()
    meta_graph.graph_def.CopyFrom(graph.as_graph_def())
    return Model(meta_graph, trap.build.__name__)


def table(name, rows, dim=4):
    return _tf.tf.constant(_RANDOM.normal(size=(rows, dim)).astype(np.float32), name=name)


def trap_table(rows=20, dim=4):
    return table("trap", rows, dim)


def dense(features, width=3):
    return _tf.tf.matmul(features, table("dense", 4, width))


def pooled(rows):
    return dense(_tf.tf.reduce_sum(_tf.tf.tanh(rows), 1))


# Positions.

def constant_positions(ids, rows, pool):
    return pooled(rows + _tf.tf.gather(trap_table(), [0, 1, 2]))


def shape_positions(ids, rows, pool):
    tf = _tf.tf
    return pooled(rows + tf.gather(trap_table(), tf.range(tf.shape(ids)[1])))


def longest_positions(ids, rows, pool):
    """Positions up to the longest of the fed lengths: a value of an input, but only as a limit."""
    tf = _tf.tf
    lengths = tf.placeholder(tf.int32, [None], "lengths")
    return pooled(rows + tf.gather(trap_table(), tf.minimum(tf.range(tf.reduce_max(lengths)), 2))[:3])


def tiled_positions(ids, rows, pool):
    tf = _tf.tf
    places = tf.tile(tf.expand_dims(tf.range(tf.shape(ids)[1]), 0), [tf.shape(ids)[0], 1])
    return pooled(rows + tf.nn.embedding_lookup(trap_table(), places))


def positions_like_ids(ids, rows, pool):
    """``zeros_like(ids) + range``: touches the ids for their shape only."""
    tf = _tf.tf
    return pooled(rows + tf.gather(trap_table(), tf.zeros_like(ids) + tf.range(3)))


def sliced_positions(ids, rows, pool):
    tf = _tf.tf
    return pooled(rows + trap_table()[:tf.shape(ids)[1]])


def padding_aware_positions(ids, rows, pool):
    tf = _tf.tf
    mask = tf.cast(tf.not_equal(ids, 0), tf.int32)
    return pooled(rows + tf.gather(trap_table(), tf.cumsum(mask, 1) * mask))


def one_hot_positions(ids, rows, pool):
    tf = _tf.tf
    hot = tf.one_hot(tf.range(tf.shape(ids)[1]), 20)
    return pooled(rows + tf.matmul(hot, trap_table()))


def relative_positions(ids, rows, pool):
    tf = _tf.tf
    steps = tf.range(tf.shape(ids)[1])
    bias = tf.gather(trap_table(20, 1), tf.abs(tf.expand_dims(steps, 0) - tf.expand_dims(steps, 1)))
    attention = tf.nn.softmax(tf.matmul(rows, rows, transpose_b=True) + tf.squeeze(bias, -1))
    return pooled(tf.matmul(attention, rows))


def loop_counter(ids, rows, pool):
    """A loop as long as the input says, whose counter picks a row at each step."""
    tf = _tf.tf
    longest = tf.reduce_max(tf.placeholder(tf.int32, [None], "lengths"))
    trap = trap_table()
    _, total = tf.while_loop(lambda step, _: step < longest,
                             lambda step, state: (step + 1, state + tf.gather(trap, step)), [0, tf.zeros([4])])
    return dense(pool + total)


# Gathers of what was computed.

def last_step(ids, rows, pool):
    tf = _tf.tf
    lengths = tf.placeholder(tf.int32, [None], "lengths")
    places = tf.stack([tf.range(tf.shape(ids)[0]), lengths - 1], 1)
    return dense(tf.gather_nd(tf.tanh(rows), places))


def masked_language_model(ids, rows, pool):
    tf = _tf.tf
    places = tf.placeholder(tf.int32, [None], "masked_positions")
    return dense(tf.gather(tf.reshape(tf.tanh(rows), [-1, 4]), places))


def boolean_mask(ids, rows, pool):
    tf = _tf.tf
    return dense(tf.boolean_mask(tf.tanh(rows), tf.not_equal(ids, 0)))


def reversed_sequence(ids, rows, pool):
    tf = _tf.tf
    order = tf.range(tf.shape(ids)[1] - 1, -1, -1)
    return pooled(rows + tf.gather(rows, order, axis=1))


def shuffled_batch(ids, rows, pool):
    tf = _tf.tf
    order = tf.random.shuffle(tf.range(tf.shape(ids)[0]))
    return dense(pool + 0.1 * tf.gather(pool, order))


# Choices of the model itself.

def beam_gather(ids, rows, pool):
    tf = _tf.tf
    _, parents = tf.nn.top_k(dense(pool, 6), 2)
    return dense(tf.reduce_sum(tf.gather(trap_table(), parents), 1) + pool)


def argmax_decoder(ids, rows, pool):
    """A greedy decoder: the next word is what the model said last."""
    tf = _tf.tf
    trap, weights = trap_table(), table("decoder", 4, 20)

    def step(number, state, word):
        state = tf.tanh(state + tf.gather(trap, word))
        return number + 1, state, tf.argmax(tf.matmul(state, weights), 1, output_type=tf.int32)

    start = tf.fill([tf.shape(ids)[0]], 1)
    _, state, _ = tf.while_loop(lambda number, *_: number < 3, step, [0, pool, start])
    return dense(state)


def sampled_decoder(ids, rows, pool):
    tf = _tf.tf
    word = tf.random.categorical(tf.matmul(pool, table("sampler", 4, 20)), 1)
    return dense(pool + tf.gather(trap_table(), word[:, 0]))


def mixture_of_experts(ids, rows, pool):
    tf = _tf.tf
    expert = tf.argmax(tf.matmul(pool, table("gate", 4, 20)), 1)
    return dense(pool * tf.gather(trap_table(), expert))


def anchors(ids, rows, pool):
    """Boxes kept by non-maximum suppression of computed scores."""
    tf = _tf.tf
    boxes = trap_table(20, 4)
    scores = tf.reshape(tf.matmul(pool[:1], table("box_scores", 4, 20)), [-1])
    kept = tf.image.non_max_suppression(boxes, scores, 3)
    return dense(pool + tf.reduce_sum(tf.gather(boxes, kept), 0))


def scheduled_sampling(ids, rows, pool):
    """Now the given word, now the model's own: ids all the same, but not only the caller's."""
    tf = _tf.tf
    said = tf.argmax(tf.matmul(pool, table("sampler", 4, 20)), 1, output_type=tf.int32)
    word = tf.where(tf.random.uniform(tf.shape(said)) < 0.5, ids[:, 0], said)
    return dense(pool + tf.gather(trap_table(), word))


# Vectors, integer tables, shapes, labels, masks.

def class_weights(ids, rows, pool):
    tf = _tf.tf
    labels = tf.placeholder(tf.int32, [None], "labels")
    logits = dense(pool)
    weights = tf.gather(tf.constant([0.2, 0.3, 0.5], name="trap"), labels)
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    tf.reduce_mean(weights * loss, name="loss")
    return logits


def crf_flat(ids, rows, pool):
    tf = _tf.tf
    tags = tf.placeholder(tf.int32, [None, 3], "tags")
    transitions = tf.reshape(tf.constant(np.eye(3, dtype=np.float32), name="trap"), [-1])
    tf.reduce_sum(tf.gather(transitions, tags[:, :-1] * 3 + tags[:, 1:]), name="loss")
    return dense(pool)


def crf_matrix(ids, rows, pool):
    """Transition scores by the true tags: only the loss needs them."""
    tf = _tf.tf
    tags = tf.placeholder(tf.int32, [None, 3], "tags")
    following = tf.gather(trap_table(3, 3), tags[:, :-1])
    tf.reduce_sum(following * tf.one_hot(tags[:, 1:], 3), name="loss")
    return dense(pool)


def sampled_softmax_labels(ids, rows, pool):
    """Noise-contrastive estimation looks up output weights by the labels: only the loss needs them."""
    tf = _tf.tf
    labels = tf.placeholder(tf.int64, [None, 1], "labels")
    tf.reduce_mean(tf.nn.nce_loss(trap_table(), tf.zeros([20]), labels, pool, 5, 20), name="loss")
    return dense(pool)


def integer_table(ids, rows, pool):
    """Ids renumbered by a table of integers, then looked up: one lookup, not two."""
    tf = _tf.tf
    numbers = tf.gather(tf.constant(np.arange(50)[::-1].astype(np.int32), name="trap"), ids)
    return pooled(rows * 0.5 + tf.cast(tf.expand_dims(numbers, -1), tf.float32))


def shape_gather(ids, rows, pool):
    tf = _tf.tf
    sizes = tf.gather(tf.shape(rows), [0, 2], name="trap")
    return dense(tf.reshape(pool, sizes))


def token_types(ids, rows, pool):
    tf = _tf.tf
    types = tf.placeholder(tf.int32, [None, 3], "types")
    return pooled(rows + tf.gather(trap_table(2), types))


def padding_flags(ids, rows, pool):
    """A row for padding and one for all else: says which ids are 0, nothing more."""
    tf = _tf.tf
    return pooled(rows + tf.gather(trap_table(2), tf.cast(tf.not_equal(ids, 0), tf.int32)))


def label_smoothing(ids, rows, pool):
    """Soft labels looked up by the label: only the loss needs them."""
    tf = _tf.tf
    labels = tf.placeholder(tf.int32, [None], "labels")
    logits = dense(pool)
    tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(
        labels=tf.gather(trap_table(3, 3), labels), logits=logits), name="loss")
    return logits


def one_hot_of_own_choice(ids, rows, pool):
    tf = _tf.tf
    said = tf.argmax(tf.matmul(pool, table("sampler", 4, 20)), 1)
    return dense(pool + tf.matmul(tf.one_hot(said, 20), trap_table()))


def columns_of_a_matrix(ids, rows, pool):
    tf = _tf.tf
    picked = tf.gather(trap_table(4, 50), ids[:, 0], axis=1)
    return dense(pool + tf.transpose(picked))


def single_entries(ids, rows, pool):
    tf = _tf.tf
    places = tf.stack([ids[:, 0], tf.zeros_like(ids[:, 0])], 1)
    return dense(pool * tf.expand_dims(tf.gather_nd(trap_table(50, 4), places), 1))


NOT_OF_INPUT, COMPUTED, OWN_CHOICE = "do not depend on the values of any input", "depends on the input", "model itself"
UNREACHED = "reaches none of the likely predictions"

TRAPS = {trap.build.__name__: trap for trap in (
    Trap(constant_positions, "miss", NOT_OF_INPUT), Trap(shape_positions, "miss", NOT_OF_INPUT),
    Trap(longest_positions, "miss", NOT_OF_INPUT), Trap(tiled_positions, "miss", NOT_OF_INPUT),
    Trap(positions_like_ids, "miss", NOT_OF_INPUT), Trap(sliced_positions, "miss", ""),
    Trap(padding_aware_positions, "miss", "positions"), Trap(one_hot_positions, "miss", "no input's values"),
    Trap(relative_positions, "miss", NOT_OF_INPUT), Trap(loop_counter, "miss", NOT_OF_INPUT),
    Trap(last_step, "miss", COMPUTED), Trap(masked_language_model, "miss", COMPUTED),
    Trap(boolean_mask, "miss", COMPUTED), Trap(reversed_sequence, "miss", COMPUTED),
    Trap(shuffled_batch, "miss", COMPUTED), Trap(beam_gather, "miss", OWN_CHOICE),
    Trap(argmax_decoder, "miss", OWN_CHOICE), Trap(sampled_decoder, "miss", OWN_CHOICE),
    Trap(mixture_of_experts, "miss", OWN_CHOICE), Trap(anchors, "miss", OWN_CHOICE),
    Trap(scheduled_sampling, "below", "chooses some of its ids"), Trap(class_weights, "miss", "vector"),
    Trap(crf_flat, "miss", "vector"), Trap(crf_matrix, "unreached", UNREACHED),
    Trap(sampled_softmax_labels, "unreached", UNREACHED), Trap(integer_table, "miss", ""),
    Trap(shape_gather, "miss", ""), Trap(token_types, "below", "added to the rows of"),
    Trap(padding_flags, "below", "a mask"), Trap(label_smoothing, "unreached", UNREACHED),
    Trap(one_hot_of_own_choice, "miss", OWN_CHOICE), Trap(columns_of_a_matrix, "miss", "along axis 1"),
    Trap(single_entries, "miss", "single entries"))}
