"""Which candidates are one head, against a comparison of all pairs; and how long it takes where there are many."""

import dataclasses
import itertools

import numpy as np
import pytest

import graph_tools as gt
from graph_tools import _tf
from graph_tools.find.candidates import Output
from graph_tools.find.outputs import one_head
from graph_tools.find.view import view_of
from graph_tools.graph import names
from tests.models.small import model_of


def pairwise(view, ranked):
    """The best of each candidate's head: joined while any two candidates of two heads are one."""
    back = [one_head._back(view, names.parse(one.tensor)) for one in ranked]

    def are_one(one, other):
        return bool(back[one].whole & back[other].whole) or any(
            ranked[there].kind in one_head._WHOLE and ranked[there].tensor in back[here].passed
            for here, there in ((one, other), (other, one)))

    heads = [{place} for place in range(len(ranked))]
    joined = True
    while joined:
        joined = False
        for one, other in itertools.combinations(heads, 2):
            if any(are_one(*pair) for pair in itertools.product(one, other)):
                heads = [head for head in heads if head not in (one, other)] + [one | other]
                joined = True
                break
    return [ranked[min(next(head for head in heads if place in head))].tensor for place in range(len(ranked))]


def drawn(random):
    """Layers, activations and halves, each of something before it."""
    tf = _tf.tf
    made = [tf.placeholder(tf.float32, [None, 4], "x")]
    for _ in range(14):
        source = made[random.randint(max(0, len(made) - 6), len(made))]
        ways = [lambda t: tf.matmul(t, tf.constant(np.eye(4, dtype=np.float32))), tf.nn.softmax, tf.sigmoid,
                tf.nn.log_softmax, tf.identity, lambda t: tf.tile(t[:, :2], [1, 2]), lambda t: t + made[0]]
        made.append(ways[random.randint(len(ways))](source))


@pytest.mark.parametrize("seed", range(12))
def test_heads_are_those_of_all_pairs(seed):
    model = model_of(lambda: drawn(np.random.RandomState(seed)))
    ranked = list(gt.find_outputs(model))
    plain = [dataclasses.replace(one, same_as="") for one in ranked]
    random = np.random.RandomState(seed)
    for order in (np.arange(len(ranked)), random.permutation(len(ranked))):
        asked = [plain[place] for place in order]
        found = one_head.grouped(view_of(model), asked)
        assert [one.same_as or one.tensor for one in found] == pairwise(view_of(model), asked)


def test_hundreds_of_heads_are_compared_with_none(monkeypatch):
    """400 candidates were compared with each other 16 million times: a minute, and hours for 3,000."""
    def many():
        tf = _tf.tf
        x = tf.placeholder(tf.float32, [None, 4], "x")
        for number in range(300):
            tf.nn.softmax(x[:, :2] * float(number), name="p%d" % number)

    compared = []
    monkeypatch.setattr(Output, "__eq__", lambda one, other: bool(compared.append(1)) or one is other)
    assert len(gt.find_outputs(model_of(many))) >= 300 and len(compared) < 3000
