"""Big models with random weights, written as files: as large as BERT-base, ResNet-50 and the audio tagger musicnn.

``bert``: 12 layers, 768 wide, 128 tokens, 108 million parameters. ``resnet``: 50 layers, 224 x 224 x 3, 25 million.
``musicnn``: tall and wide convolutions over a mel spectrogram of 187 x 96.
"""

import os
from typing import Any, Callable, Dict, NamedTuple, Sequence

import numpy as np

from graph_tools import _tf

WORDS = 30522
Get = Callable[[str, Sequence[int]], Any]  # a weight by name and shape


class Big(NamedTuple):
    build: Callable[[Get], None]    # adds the model to the default graph; the output is "scores"
    fed: str                        # the placeholder
    attributed: str
    example: Callable[[int], np.ndarray]


def _bert(get: Get, tokens: int = 128, layers: int = 12, wide: int = 768, heads: int = 12) -> None:
    tf = _tf.tf
    ids = tf.placeholder(tf.int32, [None, tokens], "ids")
    rows = tf.identity(tf.gather(get("word", [WORDS, wide]), ids), "embedding")

    def norm(value, name):
        mean, variance = tf.nn.moments(value, [-1], keep_dims=True)
        return (value - mean) * tf.math.rsqrt(variance + 1e-12) * get(name + "/scale", [wide]) + get(
            name + "/bias", [wide])

    def split(value):
        return tf.transpose(tf.reshape(value, [-1, tokens, heads, wide // heads]), [0, 2, 1, 3])

    flat = tf.reshape(norm(rows + get("position", [tokens, wide]), "norm"), [-1, wide])
    for layer in range(layers):
        name = "layer_%d/" % layer
        query, key, value = (split(_dense(get, flat, name + part, wide, wide)) for part in ("query", "key", "value"))
        shares = tf.nn.softmax(tf.matmul(query, key, transpose_b=True) / np.float32(np.sqrt(wide // heads)))
        heard = tf.reshape(tf.transpose(tf.matmul(shares, value), [0, 2, 1, 3]), [-1, wide])
        flat = norm(flat + _dense(get, heard, name + "attended", wide, wide), name + "norm_1")
        hidden = _dense(get, flat, name + "inner", wide, 4 * wide)
        hidden = 0.5 * hidden * (1.0 + tf.math.erf(hidden / np.float32(np.sqrt(2))))
        flat = norm(flat + _dense(get, hidden, name + "outer", 4 * wide, wide), name + "norm_2")
    pooled = tf.tanh(_dense(get, tf.reshape(flat, [-1, tokens, wide])[:, 0], "pooler", wide, wide))
    tf.nn.softmax(_dense(get, pooled, "head", wide, 2), name="scores")


def _dense(get: Get, value, name: str, wide: int, units: int):
    tf = _tf.tf
    return tf.nn.bias_add(tf.matmul(value, get(name + "/kernel", [wide, units])), get(name + "/bias", [units]))


def _convolved(get: Get, value, name: str, height: int, width: int, units: int, stride: int = 1,
               padding: str = "SAME"):
    """Convolution and batch norm with moving averages."""
    tf = _tf.tf
    depth = value.shape.as_list()[-1]
    value = tf.nn.conv2d(value, get(name + "/kernel", [height, width, depth, units]), [1, stride, stride, 1], padding)
    scale, shift, mean, variance = (get("%s/%s" % (name, part), [units]) for part in ("scale", "bias", "mean", "scale"))
    return tf.nn.fused_batch_norm(value, scale, shift, mean, variance, is_training=False)[0]


def _resnet(get: Get) -> None:
    tf = _tf.tf
    images = tf.placeholder(tf.float32, [None, 224, 224, 3], "images")
    value = tf.nn.relu(_convolved(get, images, "first", 7, 7, 64, 2))
    value = tf.nn.max_pool(value, [1, 3, 3, 1], [1, 2, 2, 1], "SAME")
    for stage, blocks in enumerate((3, 4, 6, 3)):
        wide = 64 << stage
        for block in range(blocks):
            name, stride = "stage_%d/block_%d/" % (stage, block), 2 if stage and not block else 1
            beside = value if block else _convolved(get, value, name + "beside", 1, 1, 4 * wide, stride)
            value = tf.nn.relu(_convolved(get, value, name + "narrow", 1, 1, wide, stride))
            value = tf.nn.relu(_convolved(get, value, name + "middle", 3, 3, wide))
            value = tf.nn.relu(_convolved(get, value, name + "widen", 1, 1, 4 * wide) * 0.5 + beside)
    tf.nn.softmax(_dense(get, tf.reduce_mean(value, [1, 2]), "head", 2048, 1000), name="scores")


def _musicnn(get: Get) -> None:
    tf = _tf.tf
    sound = tf.placeholder(tf.float32, [None, 187, 96], "sound")
    image = tf.expand_dims(sound, 3)

    def tall(name, bands):  # timbre: all moments, the loudest place on the scale
        padded = tf.pad(image, [[0, 0], [3, 3], [0, 0], [0, 0]])
        return tf.reduce_max(tf.nn.relu(_convolved(get, padded, name, 7, bands, 204, 1, "VALID")), 2)

    def long(name, moments):  # rhythm
        mean = tf.reduce_mean(image, 2, keep_dims=True)
        return tf.nn.relu(_convolved(get, mean, name, moments, 1, 51))[:, :, 0]

    value = tf.concat([tall("tall_86", 86), tall("tall_38", 38), long("long_128", 128), long("long_64", 64),
                       long("long_32", 32)], 2)
    found = [value]
    for layer in range(3):
        value = tf.nn.relu(_convolved(get, value[:, :, None], "middle_%d" % layer, 7, 1, 512))[:, :, 0]
        found.append(value)
    value = tf.concat(found, 2)
    pooled = tf.concat([tf.reduce_max(value, 1), tf.reduce_mean(value, 1)], 1)
    hidden = tf.nn.relu(_dense(get, pooled, "dense", pooled.shape.as_list()[1], 200))
    tf.nn.sigmoid(_dense(get, hidden, "head", 200, 50), name="scores")


def _small(get: Get) -> None:
    """A transformer of as many nodes, of little arithmetic."""
    _bert(get, tokens=16, wide=32, heads=4)


def _words(tokens: int) -> Callable[[int], np.ndarray]:
    return lambda count: np.random.RandomState(1).randint(0, WORDS, (count, tokens)).astype(np.int32)


def _floats(*shape: int) -> Callable[[int], np.ndarray]:
    return lambda count: np.random.RandomState(1).uniform(size=(count,) + shape).astype(np.float32)


BIG = {"bert": Big(_bert, "ids:0", "embedding:0", _words(128)),
       "small": Big(_small, "ids:0", "embedding:0", _words(16)),
       "resnet": Big(_resnet, "images:0", "images:0", _floats(224, 224, 3)),
       "musicnn": Big(_musicnn, "sound:0", "sound:0", _floats(187, 96))}


def paths(name: str, folder: str) -> Dict[str, str]:
    """Where ``write`` writes a model, by form."""
    return {"frozen": os.path.join(folder, name + ".pb"), "checkpoint": os.path.join(folder, name + ".ckpt")}


def write(name: str, folder: str) -> Dict[str, str]:
    """Writes a model in every form; returns the path of each."""
    tf, random, written = _tf.tf, np.random.RandomState(0), paths(name, folder)
    values: Dict[str, np.ndarray] = {}

    def value(key, shape):
        if key not in values:
            fan = np.prod(shape[:-1])
            values[key] = np.zeros(shape, np.float32) if key.endswith(("bias", "mean")) else np.ones(
                shape, np.float32) if key.endswith("scale") else random.normal(
                    size=shape, scale=0.05 if key in ("word", "position") else np.sqrt(2.0 / fan)).astype(np.float32)
        return values[key]

    with tf.Graph().as_default() as graph:
        BIG[name].build(lambda key, shape: tf.constant(value(key, shape), name=key))
        with open(written["frozen"], "wb") as file:
            file.write(graph.as_graph_def().SerializeToString())
    made: Dict[str, Any] = {}

    def variable(key, shape):
        if key not in made:
            made[key] = tf.Variable(tf.zeros(shape), name=key, use_resource=False)
        return made[key]

    with tf.Graph().as_default():
        BIG[name].build(variable)
        with tf.Session() as session:
            for key, one in made.items():
                one.load(values[key], session)
            tf.train.Saver().save(session, written["checkpoint"])
    return written
