"""Small rules of the numeric core, each against what numpy or TensorFlow itself says; mutants of them lived before."""

import numpy as np
import pytest

from graph_tools import _tf
from tf1_ig.engine import probe
from tf1_ig.engine.affine import AFFINE

NAN, INF = np.nan, np.inf


@pytest.mark.parametrize("first, second, same", [
    ([1.0], [1.0], True), ([1.0], [1.5], False), ([NAN], [NAN], True), ([NAN], [1.0], False), ([1.0], [NAN], False),
    ([INF], [INF], True), ([INF], [-INF], False), ([1.0, NAN], [1.0, NAN], True), ([1.0, NAN], [NAN, 1.0], False),
    ([], [], True)])
def test_outputs_that_are_not_finite_are_alike_where_both_are(first, second, same):
    assert probe.alike(np.array(first), np.array(second)) == same


def selected(moving, alpha):
    """What a choice gives at a point of a path along which some operands move."""
    start, end = [np.array([0.0, 1.0]), np.array([1.0, 2.0]), np.array([3.0, 5.0])], [
        np.array([1.0, 0.0]), np.array([4.0, 4.0]), np.array([0.0, 7.0])]
    now = [(1 - alpha) * one + alpha * other if number in moving else one
           for number, (one, other) in enumerate(zip(start, end))]
    return np.where(now[0] > 0.3, now[1], now[2])


@pytest.mark.parametrize("op", ("Select", "SelectV2"))
@pytest.mark.parametrize("moving", ({1}, {2}, {1, 2}, {0}, {0, 1}, {0, 1, 2}))
def test_a_choice_is_affine_in_what_is_chosen_alone(op, moving):
    halfway, mean = selected(moving, 0.5), (selected(moving, 0) + selected(moving, 1)) / 2
    assert AFFINE[op](None, frozenset(moving)) == np.allclose(halfway, mean)


@pytest.mark.parametrize("op", ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"))
def test_batch_norm_is_affine_in_its_input_at_inference(op):
    """A stripped attribute has the default of TensorFlow's own definition."""
    default = next(one.default_value.b for one in _tf.registered_ops()[op].attr if one.name == "is_training")
    for told in (True, False, None):
        node = _tf.tf.NodeDef(op=op)
        if told is not None:
            node.attr["is_training"].b = told
        training = default if told is None else told
        assert AFFINE[op](node, frozenset([0])) is (not training)
        assert not AFFINE[op](node, frozenset([0, 1])) and not AFFINE[op](node, frozenset([1]))
