"""A table's category is one entry, named by what was looked up: not the columns of its row."""

import numpy as np
import pytest

import tf1_ig
from graph_tools import _tf
from tests.models.small import model_of
from tf1_ig.show import table, terminal

ROWS = np.array([[0, 0, 0], [1, 2, 3], [-2, .5, 1]], np.float32)


def categories():
    tf = _tf.tf
    tf.nn.softmax(tf.matmul(tf.gather(tf.constant(ROWS), tf.placeholder(tf.int32, [None], "job")), np.eye(
        3, dtype=np.float32)) + tf.placeholder(tf.float32, [None, 3], "numbers"), name="scores")


@pytest.fixture(scope="module")
def result():
    with tf1_ig.IntegratedGradients(model_of(categories), "scores:0") as explainer:
        return explainer.explain({"job:0": [1, 2], "numbers:0": [[.1, .2, .3], [1, 0, 0]]}, label=0)


def test_a_category_is_one_entry_and_numbers_are_entries_of_their_own(result):
    found = [(row, text, value) for row, _, _, text, value in table.entries(result)]
    numbers = ["numbers[%d]" % place for place in range(3)]
    assert [text for _, text, _ in found] == ["#1"] + numbers + ["#2"] + numbers
    looked_up = next(name for name in result.values if name != "numbers:0")
    np.testing.assert_allclose([found[0][2], found[4][2]], result.values[looked_up].sum(-1), rtol=1e-6)
    difference = result.score[0] - result.baseline_score[0]
    np.testing.assert_allclose(sum(value for row, _, value in found if row == 0), difference, atol=1e-3)


def test_it_has_its_name_in_the_terminal_and_on_the_page(result):
    assert "#1" in terminal.summary(result, tf1_ig.check(result)) and "#1" in result.to_html()
