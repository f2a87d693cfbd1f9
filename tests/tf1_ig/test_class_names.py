"""Labels by the names of classes, wherever a number may stand."""

import numpy as np
import pytest

import tf1_ig
from tests.models.small import linear, model_of
from tf1_ig.commands import feed_file
from tf1_ig.errors import LabelError
from tf1_ig.question.class_names import numbered

NAMES = ["bad", "so-so", "good"]
FEED = {"x:0": np.array([[1, 2, 3, 4], [4, 3, 2, 1]], np.float32)}


@pytest.mark.parametrize("label, number", [
    ("good", 2), ("top", "top"), ("second", "second"), (1, 1), (None, None), ((4, "good"), (4, 2)),
    (["good", "bad"], [2, 0]), (np.array(["good", "bad"]), [2, 0]), ({"good": 1, "bad": -.5}, {2: 1, 0: -.5}),
    ([{"good": 1}, "so-so"], [{2: 1}, 1]), ({(1, "bad"): 1}, {(1, 0): 1})])
def test_names_become_numbers(label, number):
    assert numbered(label, NAMES) == number
    if number is label or isinstance(label, int):
        assert numbered(label, None) is label


def test_a_class_called_top_is_itself():
    assert numbered("top", ["bottom", "top"]) == 1


@pytest.mark.parametrize("named, number", [("good", 2), (["good", "bad"], [2, 0]), (tf1_ig.contrast("good", "bad"),
                                                                                     tf1_ig.contrast(2, 0))])
def test_an_explainer_that_knows_the_names(named, number):
    with tf1_ig.IntegratedGradients(model_of(linear), "y:0", class_names=NAMES) as explainer:
        by_name, by_number = explainer.explain(FEED, label=named), explainer.explain(FEED, label=number)
        assert np.array_equal(by_name.values["x:0"], by_number.values["x:0"])
        assert np.allclose(explainer.at(FEED, label=named).score, by_number.score, rtol=1e-6)
        with pytest.raises(LabelError, match="no class is called 'great'; there are: bad, so-so, good"):
            explainer.explain(FEED, label="great")


def test_without_names_a_name_is_refused():
    with tf1_ig.IntegratedGradients(model_of(linear), "y:0") as explainer:
        with pytest.raises(LabelError, match="'good' is neither an index nor"):
            explainer.explain(FEED, label="good")


def test_names_on_the_command_line():
    assert feed_file.parse_label("so-so", NAMES) == 1 and feed_file.parse_label("3,1,good", NAMES) == (3, 1, 2)
    assert feed_file.parse_label("4,1", NAMES) == (4, 1)
    assert feed_file.parse_contrast("good,bad", NAMES) == {2: 1, 0: -1}
    with pytest.raises(LabelError):
        feed_file.parse_label("3,great", NAMES)
