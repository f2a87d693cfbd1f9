"""Outputs that share nearly everything: the same head several times, or several heads of one trunk."""

from typing import Callable, Dict, NamedTuple, Tuple

from graph_tools import _tf
from tests.models.outputs import hidden, inputs, layer


class Many(NamedTuple):
    """A builder, the tensors of the distinct heads, best first, and of the others the head that they repeat."""

    build: Callable[[], None]
    heads: Tuple[str, ...]
    repeated: Dict[str, str]


def five_attributes():
    """One trunk, five classifiers."""
    trunk = hidden()
    for number in range(5):
        _tf.tf.nn.softmax(layer(trunk, 2, name="logits_%d" % number), name="attribute_%d" % number)


def canned_binary():
    """What a canned binary classifier exports of one logit."""
    tf = _tf.tf
    logit = layer(hidden(), 1, name="logits")
    tf.sigmoid(logit, name="logistic")
    tf.nn.softmax(tf.concat([tf.zeros_like(logit), logit], 1, name="two_class_logits"), name="probabilities")


def spelled_out():
    """The softmax written by hand, and its logits shifted for no reason: a diamond that one tensor goes into."""
    tf = _tf.tf
    logits = tf.identity(layer(hidden()), name="logits")
    powers = tf.exp(logits)
    tf.divide(powers, tf.reduce_sum(powers, 1, keepdims=True), name="by_hand")
    tf.nn.softmax(tf.concat([logits, tf.zeros_like(logits)], 1), name="with_zeros")


def boxes():
    """Parts of one convolution: where a thing is and what it is are two predictions."""
    tf = _tf.tf
    image = tf.placeholder(tf.float32, [None, 8, 8, 3], "image")
    kernel = tf.get_variable("kernel", [3, 3, 3, 9], use_resource=False)
    grid = tf.reshape(tf.nn.conv2d(image, kernel, [1, 1, 1, 1], "SAME"), [-1, 64, 9], name="grid")
    tf.exp(grid[:, :, :4], name="sizes")
    tf.sigmoid(grid[:, :, 4:], name="classes")


def wide_beside_deep():
    """Two layers added up are one head, and each of them alone is another."""
    tf = _tf.tf
    x = inputs()
    deep = layer(hidden(x), 1, name="deep")
    tf.sigmoid(tf.add(layer(x, 1), deep, name="sum"), name="together")
    tf.sigmoid(deep, name="deep_alone")


MANY_HEADS = {many.build.__name__: many for many in (
    Many(five_attributes, tuple("attribute_%d:0" % number for number in range(5)),
         {"logits_%d:0" % number: "attribute_%d:0" % number for number in range(5)}),
    Many(canned_binary, ("probabilities:0",), dict.fromkeys(
        ("logistic:0", "logits:0", "two_class_logits:0"), "probabilities:0")),
    Many(spelled_out, ("with_zeros:0",), {"by_hand:0": "with_zeros:0", "concat:0": "with_zeros:0"}),
    Many(boxes, ("classes:0", "sizes:0"), {"strided_slice_1:0": "classes:0"}),
    Many(wide_beside_deep, ("together:0", "deep_alone:0"), {"sum:0": "together:0", "deep:0": "deep_alone:0"}))}
