"""Small models for the attribution tests: each function builds into the default graph and names its tensors."""

import numpy as np

from graph_tools import _tf
from graph_tools.model import Model

TABLE = np.random.RandomState(3).normal(size=(20, 4)).astype(np.float32)
WEIGHTS = np.random.RandomState(4).normal(size=(4, 3)).astype(np.float32)


def model_of(build) -> Model:
    """The graph that ``build()`` makes, as a ``Model``."""
    graph = _tf.tf.Graph()
    with graph.as_default():
        build()
    meta_graph = _tf.tf.MetaGraphDef()
    meta_graph.graph_def.CopyFrom(graph.as_graph_def())
    return Model(meta_graph, "%s built in code" % build.__name__)


def linear():
    x = _tf.tf.placeholder(_tf.tf.float32, [None, 4], "x")
    _tf.tf.matmul(x, _tf.tf.constant(WEIGHTS), name="y")


def relu_pair():
    """``relu(relu(x1) - 1 - relu(x2))``: at (3, 1) IG is (1.5, -0.5) (Sundararajan et al., 2017, appendix)."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 2], "x")
    tf.nn.relu(tf.nn.relu(x[:, 0]) - 1 - tf.nn.relu(x[:, 1]), name="y")


def quadratic():
    """``sum of w * x^2``: IG of feature i from zero is ``w_i x_i^2``."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    tf.reduce_sum(tf.square(x) * tf.constant(WEIGHTS[:, 0]), axis=1, name="y")


def masked_text():
    """Ids that feed an embedding and nothing else, a length that masks, a temperature that all rows share."""
    tf = _tf.tf
    ids = tf.placeholder(tf.int32, [None, None], "ids")
    lengths = tf.placeholder(tf.int32, [None], "lengths")
    temperature = tf.placeholder(tf.float32, [], "temperature")
    rows = tf.nn.embedding_lookup(tf.constant(TABLE, name="table"), ids, name="embedding")
    mask = tf.expand_dims(tf.cast(tf.sequence_mask(lengths, tf.shape(ids)[1]), tf.float32), 2)
    mean = tf.reduce_sum(tf.tanh(rows) * mask, 1) / tf.reduce_sum(mask, 1)
    tf.nn.softmax(tf.matmul(mean, tf.constant(WEIGHTS)) / temperature, name="scores")


def two_lookups():
    """Words and characters looked up in two tables, deciding together; characters are four to a word row."""
    tf = _tf.tf
    words = tf.placeholder(tf.int32, [None, 3], "words")
    characters = tf.placeholder(tf.int32, [None, 2], "characters")
    first = tf.nn.embedding_lookup(tf.constant(TABLE, name="word_table"), words, name="word_rows")
    second = tf.nn.embedding_lookup(tf.constant(TABLE[::-1], name="character_table"), characters, name="character_rows")
    second = tf.reshape(second, [-1, 3, 2, 4])
    joint = tf.reduce_sum(tf.tanh(first + tf.reduce_sum(second, 2)) * tf.tanh(first), 1)
    tf.sigmoid(tf.matmul(joint, tf.constant(WEIGHTS)), name="scores")


def token_tagger():
    """Scores ``[batch, tokens, 3]`` in which every token sees those before it."""
    tf = _tf.tf
    ids = tf.placeholder(tf.int32, [None, None], "ids")
    rows = tf.nn.embedding_lookup(tf.constant(TABLE, name="table"), ids, name="embedding")
    seen = tf.tanh(tf.cumsum(rows, 1))
    tf.tensordot(seen, tf.constant(WEIGHTS), [[2], [0]], name="scores")


def one_hot_flat():
    """BERT's one-hot lookup: rows of all tokens in one matrix ``[batch * tokens, dim]``."""
    tf = _tf.tf
    ids = tf.placeholder(tf.int32, [None, 3], "ids")
    flat = tf.matmul(tf.one_hot(tf.reshape(ids, [-1]), 20), tf.constant(TABLE, name="table"), name="rows")
    rows = tf.reshape(flat, [-1, 3, 4])
    tf.tanh(tf.matmul(tf.reduce_sum(tf.tanh(rows), 1), tf.constant(WEIGHTS)), name="scores")


def batch_normed():
    """Statistics of the batch in training mode: every row depends on all others."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    hidden = tf.tanh(tf.matmul(x, tf.constant(WEIGHTS)))
    centred = hidden - tf.reduce_mean(hidden, 0)
    tf.tanh(centred / tf.sqrt(tf.reduce_mean(tf.square(centred), 0) + 1e-2), name="y")


def fixed_batch():
    """A batch of two baked in."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [2, 4], "x")
    tf.reshape(tf.tanh(tf.matmul(tf.reshape(x, [2, 4]), tf.constant(WEIGHTS))), [2, 3], name="y")


def squeezed():
    """An output that loses its batch axis at one row."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    tf.squeeze(tf.tanh(tf.matmul(x, tf.constant(WEIGHTS[:, :1]))), name="y")


def class_weighted():
    """A vector that all rows share, and that looks like one value per row when there are as many rows."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    weights = tf.placeholder(tf.float32, [None], "class_weights")
    tf.multiply(tf.tanh(tf.matmul(x, tf.constant(WEIGHTS))), weights, name="y")


def whole_loss():
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    tf.reduce_sum(tf.tanh(x), name="loss")


def time_major():
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, None, 4], "x")
    tf.tanh(tf.matmul(tf.reduce_sum(tf.tanh(x), 0), tf.constant(WEIGHTS)), name="y")


def time_major_text():
    tf = _tf.tf
    ids = tf.placeholder(tf.int32, [None, None], "ids")
    rows = tf.nn.embedding_lookup(tf.constant(TABLE, name="table"), ids, name="rows")
    tf.tanh(tf.matmul(tf.reduce_sum(tf.tanh(rows), 0), tf.constant(WEIGHTS)), name="y")


def word_bags():
    """Sums of rows of a table, as many to an example as it has words."""
    tf = _tf.tf
    parts = [tf.placeholder(tf.int64, shape, "bag/" + part)
             for part, shape in (("indices", [None, 2]), ("values", [None]), ("shape", [2]))]
    bags = tf.nn.embedding_lookup_sparse(tf.constant(TABLE, name="table"), tf.SparseTensor(*parts), None,
                                         combiner="sum", name="bags")
    tf.tanh(tf.matmul(tf.tanh(bags), tf.constant(WEIGHTS)), name="y")


def weighted_bags():
    """The same with a weight for each word, and rows that may be empty."""
    tf = _tf.tf
    indices, ids, shape = [tf.placeholder(tf.int64, shape, "bag/" + part)
                           for part, shape in (("indices", [None, 2]), ("values", [None]), ("shape", [2]))]
    weights = tf.placeholder(tf.float32, [None], "weights")
    bags = tf.nn.safe_embedding_lookup_sparse(
        [tf.constant(TABLE, name="table")], tf.SparseTensor(indices, ids, shape),
        tf.SparseTensor(indices, weights, shape), combiner="sum")
    tf.tanh(tf.matmul(tf.tanh(bags), tf.constant(WEIGHTS)), name="y")


def logarithm():
    """Minus infinity at a zero baseline."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    tf.log(tf.reduce_sum(x, 1), name="y")


def norm():
    """Euclidean length: its gradient does not exist at a zero baseline."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    tf.sqrt(tf.reduce_sum(tf.square(x), 1), name="y")


def live_dropout():
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    tf.matmul(x * tf.floor(tf.random_uniform(tf.shape(x)) + 0.5), tf.constant(WEIGHTS), name="y")


def argmax_cut():
    """Scores that come from an argmax: no gradient."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    tf.one_hot(tf.argmax(x, axis=1, name="winner"), 4, name="hot")
    tf.multiply(tf.get_default_graph().get_tensor_by_name("hot:0"), 2.0, name="y")


def cut_to_the_longest():
    """Means over as many steps as the longest row of the batch has: rows couple only where lengths differ."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, None, 4], "x")
    lengths = tf.placeholder(tf.int32, [None], "lengths")
    mean = tf.reduce_mean(tf.tanh(x[:, :tf.reduce_max(lengths)]), 1)
    tf.tanh(tf.matmul(mean, tf.constant(WEIGHTS)), name="y")


def loudest_row():
    """A row in which something is large changes all others, rows without such a thing are independent."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    tf.tanh(tf.matmul(x, tf.constant(WEIGHTS)) - tf.nn.relu(tf.reduce_max(x) - 3.0), name="y")


def steps_first():
    """Rows first in, steps first out: ``[tokens, batch, 3]``."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, None, 4], "x")
    seen = tf.tanh(tf.cumsum(tf.transpose(x, [1, 0, 2]), 0))
    tf.tensordot(seen, tf.constant(WEIGHTS), [[2], [0]], name="y")


def each_against_all():
    """Scores ``[batch, batch]`` of each row against every row."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    hidden = tf.tanh(x)
    tf.matmul(hidden, hidden, transpose_b=True, name="y")


def fused_batch_norm(training):
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    hidden = tf.reshape(tf.matmul(x, tf.constant(WEIGHTS)), [-1, 1, 1, 3])
    ones, zeros = tf.ones([3]), tf.zeros([3])
    arguments = {} if training else {"mean": zeros + 0.1, "variance": ones}
    normed = tf.nn.fused_batch_norm(hidden, ones, zeros, is_training=training, name="normed", **arguments)[0]
    tf.tanh(tf.reshape(normed, [-1, 3]), name="y")


def columns_at_random():
    """Two columns in an order that is drawn: no dropout, and no mode of a graph settles it."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    order = tf.random_shuffle(tf.range(4), name="order")
    tf.matmul(tf.gather(x, order[:2], axis=1), tf.constant(WEIGHTS[:2]), name="y")


def dropout_by_placeholder():
    """Dropout that a fed keep probability of 1 switches off."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    keep = tf.placeholder(tf.float32, [], "keep")
    mask = tf.floor(keep + tf.random_uniform(tf.shape(x)))
    tf.matmul(x / keep * mask, tf.constant(WEIGHTS), name="y")


def partly_discrete():
    """``sum of x + 10 argmax(x)``: only the sum has a gradient."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    tf.add(tf.reduce_sum(x, 1), 10 * tf.cast(tf.argmax(x, axis=1, name="winner"), tf.float32), name="y")


def layer_norm():
    """``tf.nn.moments`` stops the gradient at the mean in its variance, where it is zero anyway."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    mean, variance = tf.nn.moments(x, [1], keep_dims=True)
    tf.matmul(tf.tanh((x - mean) / tf.sqrt(variance + 0.5)), tf.constant(WEIGHTS), name="y")


def distance_from_a_stopped_mean():
    """The twin of ``layer_norm`` in which something is lost: the sum of odd powers is not zero."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    mean = tf.stop_gradient(tf.reduce_mean(x, [1], keepdims=True), name="stopped")
    spread = tf.reduce_mean(tf.squared_difference(x, mean), [1], keepdims=True)
    tf.matmul(tf.tanh(x - mean * mean * spread), tf.constant(WEIGHTS), name="y")


def ids_in_a_mask():
    """Ids that feed the embedding and a mask: padding (id 0) is left out of the mean."""
    tf = _tf.tf
    ids = tf.placeholder(tf.int32, [None, None], "ids")
    rows = tf.nn.embedding_lookup(tf.constant(TABLE, name="table"), ids, name="embedding")
    mask = tf.expand_dims(tf.cast(tf.not_equal(ids, 0), tf.float32), 2)
    mean = tf.reduce_sum(tf.tanh(rows) * mask, 1) / tf.maximum(tf.reduce_sum(mask, 1), 1.0)
    tf.nn.softmax(tf.matmul(mean, tf.constant(WEIGHTS)), name="scores")
