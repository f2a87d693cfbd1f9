import dataclasses
import sys

import numpy as np
import pytest

from graph_tools.errors import GraphToolsError
from tests.tf1_ig.results import result
from tf1_ig.show import figure, image, table


def test_a_figure_has_a_bar_of_the_right_length_for_every_number(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed in this environment")
    bars = table.bars(["age", "$ income $", "<b>"], [0.25, -0.5, float("nan")], "loan", ["40", "2000", "?"],
                      spreads=[0.1, 0.1, 0.0])
    drawn = figure.figure(bars)
    axes = drawn.axes[0]
    assert [patch.get_width() for patch in axes.patches] == [0.0, -0.5, 0.25]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["<b> ?", r"\$ income \$ 2000", "age 40"]
    assert axes.patches[1].get_facecolor() != axes.patches[2].get_facecolor()
    assert [bool(patch.get_hatch()) for patch in axes.patches] == [False, True, False]  # grey print keeps the sign
    for suffix in ("svg", "png"):
        drawn.savefig(str(tmp_path / ("bars." + suffix)))
    svg, png = (tmp_path / "bars.svg").read_text(encoding="utf-8"), (tmp_path / "bars.png").read_bytes()
    assert "<svg" in svg and "<script" not in svg and png[:4] == b"\x89PNG"


@pytest.mark.parametrize("values", [np.zeros((2, 3)), np.ones((2, 60))])
def test_empty_effects_and_many_features_are_drawn_too(tmp_path, values):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed in this environment")
    made = result(values=values)
    figure.figure(table.aggregate(made, tokens=[["f%d" % number for number in range(values.shape[1])]] * 2)).savefig(
        str(tmp_path / "f.png"))
    assert (tmp_path / "f.png").read_bytes()[:4] == b"\x89PNG"


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match="pip install matplotlib") as caught:
        figure.figure(table.bars(["a"], [1.0]))
    assert isinstance(caught.value, GraphToolsError)


def test_a_result_is_a_picture_for_a_paper(tmp_path):
    tokens = [["$a", "good\nfilm", "no"], ["a", "b", "c"]]
    made = result(values=((0.25, 0.5, -1.0), (0.125, 2.0, 0.0)), token_texts=tokens)
    drawn = made.to_figure(class_names=["negative", "positive"])
    texts = [text.get_text() for text in drawn.axes[0].texts]
    assert texts == [r"\$a", "good\nfilm", "no"]
    assert drawn.texts[0].get_text() == "positive because of \\$a good\nfilm, in spite of no"
    assert len(drawn.axes[0].lines) == 1  # what speaks against it is underlined, and hatched
    assert [bool(text.get_bbox_patch().get_hatch()) for text in drawn.axes[0].texts] == [False, False, True]
    for suffix, start in ((".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")):
        made.save(str(tmp_path / ("why" + suffix)), class_names=["negative", "positive"])
        assert (tmp_path / ("why" + suffix)).read_bytes().startswith(start)
    bars = result(values=((0.25, 0.5, -1.0), (0.125, 2.0, 0.0)), token_texts=None, ids=None, strings=None).to_figure(1)
    assert len(bars.axes[0].patches) == 3


def test_a_picture_is_a_figure_of_pictures(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed in this environment")
    values = np.random.RandomState(0).normal(size=(2, 6, 9, 3))
    made = dataclasses.replace(result(), values={"pixels:0": values}, actual={"pixels:0": np.abs(values)},
                               token_texts=None)
    drawn = made.to_figure(1, class_names=["cat", "dog"])
    assert [axes.get_title(loc="left") for axes in drawn.axes] == ["input", "attributions", "regions"]
    shown = drawn.axes[1].images[0].get_array()
    side = shown.shape[0] // 6
    towards = values[1].sum(axis=2) > 0
    np.testing.assert_array_equal(shown[::side, ::side][towards], image.overlay(values[1], np.abs(values[1]))[towards])
    assert drawn.texts[0].get_text() == "dog"
    made.save(str(tmp_path / "why.png"))
    assert (tmp_path / "why.png").read_bytes().startswith(b"\x89PNG")
