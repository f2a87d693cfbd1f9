"""Graphs where several kinds of inputs decide together: lookups, floats, integers, pictures, sounds, masks."""

from typing import Any, Callable, Dict, NamedTuple, Tuple

import numpy as np

from graph_tools import _tf
from graph_tools.model import Model

_RANDOM = np.random.RandomState(21)
IDS = np.array([[1, 2, 3], [4, 5, 5]], np.int32)
X = np.random.RandomState(1).normal(size=(2, 5)).astype(np.float32)


class Joint(NamedTuple):
    """A builder of ``p:0``, its feed, what is attributed to jointly, and what is held and said."""

    build: Callable[[], Any]
    feed: Dict[str, Any]
    attributed: Tuple[str, ...]
    held: Tuple[str, ...] = ()


def model_of(build) -> Model:
    """The graph of a builder, its loops in the old form."""
    graph, meta_graph = _tf.tf.Graph(), _tf.tf.MetaGraphDef()
    with graph.as_default(), _tf.control_flow_v1():
        build()
    meta_graph.graph_def.CopyFrom(graph.as_graph_def())
    return Model(meta_graph, build.__name__)


def _weights(*shape):
    return _tf.tf.constant(_RANDOM.normal(size=shape).astype(np.float32))


def _scores(parts, width):
    tf = _tf.tf
    hidden = tf.tanh(tf.matmul(tf.concat(parts, 1), _weights(width, 6)))
    return tf.nn.softmax(tf.matmul(hidden, _weights(6, 3)), name="p")


def _words():
    tf = _tf.tf
    return tf.nn.embedding_lookup(_weights(10, 4), tf.placeholder(tf.int32, [None, 3], "ids"), name="rows")


def numbers_beside_words():
    """Floats that are normalised, a column of single numbers, integers that are cast."""
    tf = _tf.tf
    x, y = tf.placeholder(tf.float32, [None, 5], "x"), tf.placeholder(tf.float32, [None], "y")
    count = tf.placeholder(tf.int64, [None, 1], "count")
    return _scores([tf.reduce_sum(_words(), 1), (x - 0.3) / 2.0, tf.expand_dims(tf.square(y), 1),
                    tf.cast(count, tf.float32, name="counted")], 11)


def mask_of_words():
    """A mask that is fed as floats gates the rows: it is no feature, and is held."""
    tf = _tf.tf
    mask = tf.placeholder(tf.float32, [None, 3], "mask")
    return _scores([tf.reduce_sum(_words() * tf.expand_dims(mask, 2), 1)], 4)


def mask_from_ids():
    """The twin: everything that reaches the output past the rows is made of the ids; nothing is held."""
    tf = _tf.tf
    ids = tf.placeholder(tf.int32, [None, 3], "ids")
    rows = tf.nn.embedding_lookup(_weights(10, 4), ids, name="rows")
    return _scores([tf.reduce_sum(rows * tf.expand_dims(tf.cast(tf.not_equal(ids, 0), tf.float32), 2), 1)], 4)


def labels_and_switches():
    """A keep probability and labels that only the loss reads are no inputs of the prediction."""
    tf = _tf.tf
    x, keep = tf.placeholder(tf.float32, [None, 5], "x"), tf.placeholder(tf.float32, name="keep")
    truth = tf.placeholder(tf.float32, [None, 3], "truth")
    dropped = tf.div(x, keep) * tf.floor(keep + tf.random_uniform(tf.shape(x)))
    scores = _scores([tf.reduce_sum(_words(), 1), dropped], 9)
    tf.reduce_mean(tf.square(scores - truth), name="loss")


def picture():
    """Bytes of a picture that a resize makes floats of."""
    tf = _tf.tf
    image = tf.placeholder(tf.uint8, [None, 4, 4, 3], "image")
    large = tf.raw_ops.ResizeBilinear(images=image, size=[8, 8], name="resized")
    pooled = tf.reduce_mean(tf.nn.relu(tf.nn.conv2d(large / 255.0, _weights(3, 3, 3, 4), [1, 1, 1, 1], "SAME")), [1, 2])
    return _scores([pooled], 4)


def pictures_one_by_one():
    """Bytes that a loop decodes, a picture a step: the floats that it collects are where a gradient begins."""
    tf = _tf.tf
    content = tf.placeholder(tf.string, [None], "content")

    def pixels(one):
        return tf.raw_ops.ResizeBilinear(images=tf.expand_dims(tf.image.decode_png(one, 3), 0), size=[4, 4])[0]

    pictures = tf.map_fn(pixels, content, tf.float32, name="each")
    return _scores([tf.reshape(tf.reshape(pictures, [-1, 48])[:, :6] / 255.0, [-1, 6])], 6)


def spectrogram():
    """Samples of a sound, of which only what comes after the spectrogram has a gradient."""
    tf = _tf.tf
    samples = tf.placeholder(tf.float32, [256, 1], "samples")
    spectrum = tf.raw_ops.AudioSpectrogram(input=samples, window_size=64, stride=64, name="spectrum")
    return _scores([tf.reshape(spectrum, [1, -1])], 4 * 33)


def samples_of_a_sound():
    """Whole numbers, made floats and turned into a spectrum, which is complex on its way."""
    tf = _tf.tf
    heard = tf.cast(tf.placeholder(tf.int32, [None, 16], "heard"), tf.float32, name="wave")
    _scores([tf.abs(tf.signal.rfft(heard / 100.0))], 9)


def bins():
    """Whole numbers that fall into bins, of which a layer sees flags."""
    tf = _tf.tf
    ages = tf.placeholder(tf.int32, [None, 2], "ages")
    _scores([tf.reshape(tf.one_hot(tf.minimum(ages // 10, 4), 5, name="bin"), [-1, 10])], 10)


def flags():
    """Flags that choose between two numbers."""
    tf = _tf.tf
    there = tf.placeholder(tf.bool, [None, 3], "there")
    _scores([tf.where(there, tf.ones_like(there, tf.float32), -tf.ones_like(there, tf.float32), name="sign")], 3)


def letters_alike():
    """Comparisons with each letter, as floats."""
    tf = _tf.tf
    letters = tf.placeholder(tf.int32, [None, 1], "letters")
    _scores([tf.cast(tf.equal(letters, tf.range(6)[None]), tf.float32, name="same")], 6)


def flags_beside_numbers():
    """The twin: where floats are fed, what is compared only gates them."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 5], "x")
    letters = tf.placeholder(tf.int32, [None, 1], "letters")
    _scores([x * tf.cast(tf.equal(letters, 1), tf.float32, name="same")], 5)


def added_up_in_a_loop():
    """A sum that a loop makes of whole numbers, step by step."""
    tf = _tf.tf
    counts = tf.placeholder(tf.int32, [None, 3], "counts")
    _, total = tf.while_loop(lambda step, total: step < 3, lambda step, total: (
        step + 1, total + tf.cast(counts[:, step], tf.float32)[:, None] * tf.ones([1, 2])),
                             (0, tf.zeros([tf.shape(counts)[0], 2])),
                             shape_invariants=(tf.TensorShape([]), tf.TensorShape([None, 2])))
    _scores([tf.identity(total, name="total") / 10.0], 2)


def table_of_actions():
    """One-hot vectors times a table, and nothing else: the rows are the output itself."""
    tf = _tf.tf
    states = tf.placeholder(tf.int32, [None], "states")
    return tf.matmul(tf.one_hot(states, 6, name="state"), _weights(6, 3), name="p")


def one_hot_steps():
    """One-hot vectors of characters that a loop reads step by step."""
    tf = _tf.tf
    ids = tf.placeholder(tf.int32, [None, 3], "ids")
    array = tf.TensorArray(tf.float32, 3).unstack(tf.transpose(tf.one_hot(ids, 7, name="letters"), [1, 0, 2]))
    kernel = _weights(11, 4)
    _, state = tf.while_loop(lambda step, _: step < 3, lambda step, state: (
        step + 1, tf.tanh(tf.matmul(tf.concat([array.read(step), state], 1), kernel))),
        [0, tf.zeros([tf.shape(ids)[0], 4])])
    return _scores([tf.reshape(state, [-1, 4])], 4)


def product_of_two():
    """No lookup: two floats that are multiplied are both data."""
    tf = _tf.tf
    x, y = tf.placeholder(tf.float32, [None, 5], "x"), tf.placeholder(tf.float32, [None, 1], "y")
    return _scores([tf.multiply(x, y)], 5)


def boxes_of_anchors():
    """Rows of a constant, picked by the indices that a suppression of overlaps chose: no embedding."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 5], "x")
    boxes = tf.placeholder(tf.float32, [6, 4], "boxes")
    scores = tf.placeholder(tf.float32, [6], "scores")
    chosen = tf.image.non_max_suppression(boxes, scores, 2)
    anchors = tf.gather(_weights(6, 4), chosen)
    return _scores([x, tf.tile(tf.reshape(anchors, [1, 8]), [tf.shape(x)[0], 1])], 13)


def picture_file(side):
    """A PNG of one colour."""
    tf = _tf.tf
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(tf.image.encode_png(tf.constant(np.full((side, side, 3), 20 * side, np.uint8))))


FLOATS = {"x": X, "y": np.array([1.0, 2.0], np.float32), "count": np.array([[3], [9]], np.int64)}
JOINT = {joint.build.__name__: joint for joint in (
    Joint(numbers_beside_words, dict(FLOATS, ids=IDS), ("rows:0", "x:0", "y:0", "counted:0")),
    Joint(mask_of_words, dict(ids=IDS, mask=np.ones((2, 3), np.float32)), ("rows:0",), ("mask:0",)),
    Joint(mask_from_ids, dict(ids=IDS), ("rows:0",)),
    Joint(labels_and_switches, dict(ids=IDS, x=X, keep=1.0), ("rows:0", "x:0")),
    Joint(picture, dict(image=np.arange(96, dtype=np.uint8).reshape(2, 4, 4, 3)), ("resized:0",)),
    Joint(pictures_one_by_one, dict(content=np.array([picture_file(8), picture_file(6)], object)), (
        "each/TensorArrayStack/TensorArrayGatherV3:0",)),
    Joint(spectrogram, dict(samples=np.sin(np.arange(256.0)).astype(np.float32).reshape(256, 1)), ("spectrum:0",)),
    Joint(samples_of_a_sound, dict(heard=np.random.RandomState(3).randint(-90, 90, (2, 16))), ("wave:0",)),
    Joint(bins, dict(ages=np.array([[31, 8], [77, 12]], np.int32)), ("bin:0",)),
    Joint(flags, dict(there=np.array([[True, False, True], [False, False, True]])), ("sign:0",)),
    Joint(letters_alike, dict(letters=np.array([[2], [5]], np.int32)), ("same:0",)),
    Joint(flags_beside_numbers, dict(x=X, letters=np.array([[1], [1]], np.int32)), ("x:0",)),
    Joint(added_up_in_a_loop, dict(counts=np.array([[2, 5, 1], [0, 3, 3]], np.int32)), ("while/Exit_1:0",)),
    Joint(table_of_actions, dict(states=np.array([2, 5], np.int32)), ("state:0",)),
    Joint(one_hot_steps, dict(ids=IDS), ("letters:0",)),
    Joint(product_of_two, dict(x=X, y=np.array([[1.0], [2.0]], np.float32)), ("x:0", "y:0")),
    Joint(boxes_of_anchors, dict(x=X, boxes=np.random.RandomState(2).uniform(size=(6, 4)).astype(np.float32),
                                 scores=np.arange(6, dtype=np.float32)), ("x:0",)))}
