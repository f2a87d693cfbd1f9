"""Labels: every accepted spelling, and the message for every wrong one; gradients that do not exist."""

import os
import traceback

import numpy as np
import pytest

from graph_tools import _tf
from graph_tools.errors import GradientError
from tf1_ig.engine import target
from tf1_ig.errors import LabelError
from tf1_ig.question import label as labels_module

OUTPUTS = np.array([[0.1, 0.7, 0.2], [0.5, 0.4, 0.1]])
TOKENS = np.arange(24.0).reshape(2, 12)


def resolve_label(label, row_shape, outputs, output):
    """Places in the flattened output rows, and the labels as a result reports them."""
    found = labels_module.resolve(label, row_shape, outputs, output)
    assert found.terms.index.shape == (len(outputs), 1) and (found.terms.weight == 1).all()
    return found.terms.index[:, 0], found.shown


@pytest.mark.parametrize("label,expected", [
    (1, [1, 1]), ([2, 0], [2, 0]), (np.array([0, 1]), [0, 1]), ((2,), [2, 2]), ([[1], [2]], [1, 2]),
    ("top", [1, 0]), (np.int64(2), [2, 2])])
def test_labels_of_a_class_output(label, expected):
    flat, labels = resolve_label(label, (3,), OUTPUTS, "p:0")
    assert flat.tolist() == labels.tolist() == expected


@pytest.mark.parametrize("label,expected", [
    ((1, 2), [[1, 2], [1, 2]]), ([(0, 1), (3, 0)], [[0, 1], [3, 0]]), ("top", [[3, 2], [3, 2]])])
def test_index_tuples_of_a_token_output(label, expected):
    flat, labels = resolve_label(label, (4, 3), TOKENS, "p:0")
    assert labels.tolist() == expected
    assert flat.tolist() == [token * 3 + tag for token, tag in expected]


@pytest.mark.parametrize("label,expected", [([1, 0], [1, 0]), ([0, 1], [0, 1]), ((0, 1), [1, 1]), (2, [2, 2])])
def test_a_list_has_one_label_per_row_even_where_the_output_has_as_many_axes(label, expected):
    assert resolve_label(label, (1, 3), OUTPUTS, "p:0")[0].tolist() == expected


def test_an_output_without_classes_takes_no_label():
    flat, labels = resolve_label(None, (), OUTPUTS[:, :1], "p:0")
    assert flat.tolist() == [0, 0] and labels.tolist() == [-1, -1]
    with pytest.raises(LabelError, match="no class axis"):
        resolve_label(1, (), OUTPUTS[:, :1], "p:0")


def test_a_single_column_is_its_own_label():
    for label in (None, 0, "top"):
        assert resolve_label(label, (1,), OUTPUTS[:, :1], "p:0")[0].tolist() == [0, 0]


@pytest.mark.parametrize("label,row_shape,message", [
    (None, (3,), 'label=CLASS.*"top"'), (3, (3,), "out of range.*0 to 2"), (-1, (3,), "out of range"),
    ([0, 1, 2], (3,), "one such label per row"), (1.5, (3,), "whole numbers"), ("best", (3,), "top"),
    ([[0, 1], [0]], (3,), "label"), ([], (3,), "whole numbers"), (True, (3,), "whole numbers")])
def test_wrong_labels_of_a_class_output(label, row_shape, message):
    with pytest.raises(LabelError, match=message):
        resolve_label(label, row_shape, OUTPUTS, "p:0")


@pytest.mark.parametrize("label,message", [(1, "index tuple"), ((4, 0), "axis 0.*0 to 3"), ((0, 3), "axis 1.*0 to 2"),
                                           ((0, 1, 2), "index tuple")])
def test_wrong_labels_of_a_token_output(label, message):
    with pytest.raises(LabelError, match=message):
        resolve_label(label, (4, 3), TOKENS, "p:0")


def _twice_through_a_loop(tf, x):
    total = tf.while_loop(lambda i, _: i < 3, lambda i, a: (i + 1, a * x), (tf.constant(0), tf.ones_like(x)))[1]
    return tf.gradients(total, x)[0]


@pytest.mark.parametrize("build, refusal", [
    (lambda tf, x: tf.truncatemod(x, 2.0), LookupError),
    (_twice_through_a_loop, TypeError),
    (lambda tf, x: tf.matrix_solve_ls(x, tf.ones_like(x), fast=False), ValueError),
    # TensorFlow's own exception for a case that its gradient function leaves out; nothing here is left to be written.
    (lambda tf, x: tf.linalg.qr(x)[0], NotImplementedError)],
    ids=["none registered", "second order", "an option without one", "left out by TensorFlow"])
def test_each_way_in_which_tensorflow_refuses_a_gradient_is_one_error(build, refusal):
    tf = _tf.tf
    with tf.Graph().as_default(), _tf.control_flow_v1():
        x = tf.placeholder(tf.float32, [None, None], "x")
        y = tf.identity(build(tf, x), "y")
    with y.graph.as_default():
        with pytest.raises(GradientError, match="the gradient of y:0 cannot be built: .") as told:
            target.gradients("y:0", [y], [x])
    cause = told.value.__cause__
    assert isinstance(cause, refusal)
    raised_in = traceback.extract_tb(cause.__traceback__)[-1].filename
    packages = os.path.dirname(os.path.dirname(_tf.tensorflow.__file__))
    assert raised_in.startswith(os.path.join(packages, "tensorflow"))  # its own refusal, and no fault of ours


def test_an_op_that_no_gradient_goes_through_is_named():
    tf = _tf.tf
    with tf.Graph().as_default():
        point = tf.placeholder(tf.float32, [None, 4], name="point")
        low, high = tf.constant(-1.0), tf.constant(1.0)
        coded = tf.quantization.quantize(tf.tanh(point), low, high, tf.quint8, name="coded")
        score = tf.reduce_sum(tf.quantization.dequantize(coded.output, coded.output_min, coded.output_max, name="back"))
        beside = tf.reduce_sum(tf.square(point))
        with pytest.raises(GradientError, match=r"no gradient goes through \S*back\S* \(Dequantize\)"):
            target.gradients("score:0", [score], [point], None)
        assert target.gradients("beside:0", [beside], [point], None)[0] is not None
