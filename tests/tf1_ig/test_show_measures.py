"""The page of measures names what measures take away: numbers of a plain row, tokens, columns of a looked-up row."""

import re

import numpy as np
import pytest

import tf1_ig
from graph_tools import _tf
from tests.models.small import model_of
from tf1_ig.show import measures

TABLE = np.random.RandomState(2).normal(size=(5, 2)).astype(np.float32)


def mixed():
    """Three numbers, a category and two words; the last number and the last word count."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 3], "x")
    kind, words = (tf.placeholder(tf.int32, shape, name) for name, shape in (("kind", [None]), ("words", [None, 2])))
    one, rows = (tf.nn.embedding_lookup(tf.constant(TABLE), ids, name=name)
                 for ids, name in ((kind, "k"), (words, "w")))
    score = x @ tf.constant([[0.1], [0.2], [9.0]]) + 0.01 * tf.reduce_sum(one, 1, keepdims=True)
    score += 3.0 * tf.abs(tf.reduce_sum(rows[:, 1], 1, keepdims=True))
    tf.concat([score, tf.constant([[1.0]]) + 0 * score], 1, name="y")


@pytest.fixture(scope="module")
def judged():
    feed = {"x:0": np.ones((2, 3), np.float32), "kind:0": np.array([1, 2]), "words:0": np.array([[1, 2], [3, 4]])}
    with tf1_ig.IntegratedGradients(model_of(mixed), "y", ["x", "k", "w"]) as explainer:
        found = explainer.explain(feed, label=0)
        return found, tf1_ig.evaluate(explainer, feed, 0, attribution=found, measures=["deletion", "flip set"])


def test_what_is_taken_away_has_a_name_and_a_mark(judged):
    found, report = judged
    places = [dict(zip("xkw", (0, 3, 5)))[name[0]] for name in found.values]
    assert places == [0, 3, 5]  # the numbering below is of x, k, w
    row = measures._row(report, found, 1, None)
    assert [len(strip.tokens) for strip, _ in row.strips] == [3, 2, 2]
    named = [token.text for strip, _ in row.strips for token in strip.tokens]
    assert named == ["x[0]", "x[1]", "x[2]", "#2[0]", "#2[1]", "#3", "#4"]
    marked = [place + at for (_, marks), at in zip(row.strips, places) for place in marks]
    assert marked == sorted(report["flip set"].positions[1]) and 2 in marked
    assert all("x[2]" in curve.caption for curve in row.curves if curve.name == "deletion")


def test_the_whole_page(judged):
    html = measures.page(judged[1], "Mixed", attribution=judged[0])
    assert re.search(r"#2\[1\]", html) and "x[2]" in html
