"""Random models in which nothing is wrong: seven architectures, proper heads, inference mode; each with a feed.

Every model ends in a softmax or a sigmoid and starts near indifference, as models with zero biases do.
"""

from typing import Any, Callable, Dict, NamedTuple, Tuple

import numpy as np

from graph_tools import _tf
from graph_tools.model import Model


class Good(NamedTuple):
    model: Model
    inputs: Any
    feed: Dict[str, np.ndarray]
    label: Any


def _weights(random, *shape):
    """Glorot's uniform initialisation, as a constant: what freezing leaves."""
    reach = np.sqrt(6.0 / (shape[-2] * int(np.prod(shape[:-2])) + shape[-1]))
    return _tf.tf.constant(random.uniform(-reach, reach, shape).astype(np.float32))


def _activation(random):
    return [_tf.tf.nn.relu, _tf.tf.tanh, _tf.tf.sigmoid, _tf.tf.nn.elu][random.randint(4)]


def _head(random, hidden):
    """A softmax over 2 to 6 classes, or a sigmoid of one or several labels."""
    tf = _tf.tf
    classes = random.randint(2, 7) if random.rand() < 0.7 else 0
    width = hidden.shape.as_list()[-1]
    if classes:
        return tf.nn.softmax(tf.matmul(hidden, _weights(random, width, classes)), name="scores"), "top"
    labels = random.randint(1, 4)
    logits = tf.matmul(hidden, _weights(random, width, labels))
    return tf.sigmoid(logits, name="scores"), None if labels == 1 else "top"


def mlp(random) -> Tuple[Any, Dict[str, np.ndarray], Any]:
    """Dense layers, some with inference batch norm, some with layer norm or dropout that is off."""
    tf = _tf.tf
    width, rows = random.randint(3, 20), random.randint(1, 6)
    x = tf.placeholder(tf.float32, [None, width], "x")
    hidden, feed = x, {"x:0": random.normal(size=(rows, width)).astype(np.float32)}
    for number in range(random.randint(1, 4)):
        wide = random.randint(4, 16)
        hidden = tf.matmul(hidden, _weights(random, width, wide))
        kind = random.randint(4)
        if kind == 0:
            mean, variance = random.normal(size=wide) * 0.1, random.uniform(0.5, 2, wide)
            hidden = tf.nn.batch_normalization(hidden, mean.astype(np.float32), variance.astype(np.float32), None,
                                               np.ones(wide, np.float32), 1e-3)
        elif kind == 1:
            keep = tf.placeholder_with_default(np.float32(1.0), [], "keep_%d" % number)
            hidden = hidden / keep * tf.floor(keep + tf.random_uniform(tf.shape(hidden)))
        hidden, width = _activation(random)(hidden), wide
    return "x", feed, _head(random, hidden)[1]


def image(random):
    """Convolutions, pooling (average or largest), frozen fused batch norm, global pooling or flattening."""
    tf = _tf.tf
    side, channels = random.randint(6, 13), [1, 3][random.randint(2)]
    x = tf.placeholder(tf.float32, [None, side, side, channels], "x")
    hidden = x
    for _ in range(random.randint(1, 3)):
        wide = random.randint(2, 7)
        hidden = tf.nn.conv2d(hidden, _weights(random, 3, 3, channels, wide), [1, 1, 1, 1], "SAME")
        if random.rand() < 0.5:
            ones, zeros = np.ones(wide, np.float32), np.zeros(wide, np.float32)
            hidden = tf.nn.fused_batch_norm(hidden, ones, zeros, mean=zeros, variance=ones, is_training=False)[0]
        hidden, channels = _activation(random)(hidden), wide
        pool = tf.nn.max_pool if random.rand() < 0.5 else tf.nn.avg_pool
        hidden = pool(hidden, [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
    hidden = tf.reduce_mean(hidden, [1, 2]) if random.rand() < 0.5 else tf.reshape(
        hidden, [-1, int(np.prod(hidden.shape.as_list()[1:]))])
    feed = {"x:0": random.uniform(size=(random.randint(1, 4), side, side, 1 if x.shape[3] == 1 else 3)).astype("f4")}
    return "x", feed, _head(random, hidden)[1]


def _text(random):
    """Ids ``[rows, tokens]`` of words 1 … and their looked-up rows."""
    tf = _tf.tf
    vocabulary, width, tokens, rows = random.randint(20, 60), random.randint(4, 12), random.randint(3, 12), 3
    ids = tf.placeholder([tf.int32, tf.int64][random.randint(2)], [None, None], "ids")
    table = tf.constant(random.normal(size=(vocabulary, width)).astype(np.float32), name="table")
    looked_up = tf.nn.embedding_lookup(table, ids, name="embedding")
    return looked_up, width, {"ids:0": random.randint(1, vocabulary, (rows, tokens))}


def text_cnn(random):
    """Convolution over words, the largest or the mean of each filter."""
    tf = _tf.tf
    rows, width, feed = _text(random)
    wide = random.randint(4, 12)
    hidden = _activation(random)(tf.nn.conv1d(rows, _weights(random, 3, width, wide), 1, "SAME"))
    pooled = tf.reduce_max(hidden, 1) if random.rand() < 0.5 else tf.reduce_mean(hidden, 1)
    return "auto", feed, _head(random, pooled)[1]


def rnn(random):
    """A recurrent net as a v1 while loop with lengths."""
    tf = _tf.tf
    rows, width, feed = _text(random)
    lengths = tf.placeholder(tf.int32, [None], "lengths")
    wide = random.randint(4, 9)
    into, over = _weights(random, width, wide), _weights(random, wide, wide)
    steps, count = tf.shape(rows)[1], tf.shape(rows)[0]

    def body(step, state):
        new = tf.tanh(tf.matmul(rows[:, step], into) + tf.matmul(state, over))
        return step + 1, tf.where(step < lengths, new, state)

    with _tf.control_flow_v1():
        _, last = tf.while_loop(lambda step, _: step < steps, body, [0, tf.zeros(tf.stack([count, wide]))],
                                shape_invariants=[tf.TensorShape([]), tf.TensorShape([None, wide])])
    last.set_shape([None, wide])
    tokens = feed["ids:0"].shape[1]
    feed["lengths:0"] = random.randint(2, tokens + 1, len(feed["ids:0"]))
    return "auto", feed, _head(random, last)[1]


def attention(random):
    """One or two heads of self-attention with a mask from lengths, layer norm, a residual."""
    tf = _tf.tf
    rows, width, feed = _text(random)
    lengths = tf.placeholder(tf.int32, [None], "lengths")
    mask = tf.cast(tf.sequence_mask(lengths, tf.shape(rows)[1]), tf.float32)
    hidden = rows
    for _ in range(random.randint(1, 3)):
        query, key, value = (tf.tensordot(rows, _weights(random, width, width), [[2], [0]]) for _ in range(3))
        fit = tf.matmul(query, key, transpose_b=True) / np.float32(np.sqrt(width)) - 1e9 * (1 - mask[:, None, :])
        hidden = hidden + tf.matmul(tf.nn.softmax(fit), value)
    mean = tf.reduce_sum(hidden * mask[:, :, None], 1) / tf.reduce_sum(mask, 1, keepdims=True)
    mean.set_shape([None, width])
    feed["lengths:0"] = random.randint(2, feed["ids:0"].shape[1] + 1, len(feed["ids:0"]))
    return "auto", feed, _head(random, mean)[1]


def sparse(random):
    """Sparse ids combined by sum, mean or sqrtn, beside dense numbers."""
    tf = _tf.tf
    rows, vocabulary, width = 4, random.randint(20, 60), random.randint(4, 10)
    words = tf.sparse_placeholder(tf.int64, [None, None], "words")
    table = tf.constant(random.normal(size=(vocabulary, width)).astype(np.float32), name="table")
    combined = tf.nn.embedding_lookup_sparse(table, words, None, combiner=["sum", "mean", "sqrtn"][random.randint(3)])
    dense = tf.placeholder(tf.float32, [None, 3], "numbers")
    hidden = _activation(random)(tf.matmul(tf.concat([tf.reshape(combined, [-1, width]), dense], 1),
                                           _weights(random, width + 3, 8)))
    counts = random.randint(1, 5, rows)
    indices = np.array([(row, place) for row in range(rows) for place in range(counts[row])], np.int64)
    feed = {"words/indices:0": indices, "words/values:0": random.randint(1, vocabulary, len(indices)),
            "words/shape:0": np.array([rows, counts.max()], np.int64),
            "numbers:0": random.normal(size=(rows, 3)).astype(np.float32)}
    return "auto", feed, _head(random, hidden)[1]


def columns(random):
    """Feature columns: numbers, buckets, hashed words as embeddings and as indicators, a cross."""
    tf = _tf.tf
    fc = tf.feature_column
    age, job = tf.placeholder(tf.float32, [None, 1], "age"), tf.placeholder(tf.string, [None, 1], "job")
    years = fc.numeric_column("age", normalizer_fn=lambda value: (value - 40.0) / 20.0)
    word = fc.categorical_column_with_hash_bucket("job", 100)
    chosen = [years, fc.embedding_column(word, random.randint(3, 7))]
    if random.rand() < 0.5:
        chosen.append(fc.indicator_column(fc.bucketized_column(fc.numeric_column("age"), [30, 50])))
    features = {"age": age, "job": job}
    layer = tf.feature_column.input_layer(features, chosen)
    _head(random, _activation(random)(tf.matmul(layer, _weights(random, layer.shape.as_list()[1], 8))))
    jobs = np.array(["nurse", "clerk", "smith", "baker", "judge"], object)
    return "auto", {"age:0": random.uniform(20, 70, (4, 1)).astype(np.float32),
                    "job:0": jobs[random.choice(5, 4, False)][:, None]}, "top"


FAMILIES: Tuple[Callable, ...] = (mlp, image, text_cnn, rnn, attention, sparse, columns)


def good_model(seed: int) -> Good:
    """Model number ``seed``, of the families in turn."""
    import graph_tools as gt

    tf = _tf.tf
    random = np.random.RandomState(seed)
    family = FAMILIES[seed % len(FAMILIES)]
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(seed)
        inputs, feed, label = family(random)
        with tf.Session(graph=graph) as session:
            session.run([tf.global_variables_initializer(), tf.tables_initializer()])
            model = gt.from_session(session)
    scores = model.graph.get_tensor_by_name("scores:0")
    return Good(model, inputs, feed, "top" if scores.shape.as_list()[1] > 1 else None)
