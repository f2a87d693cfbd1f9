import sys

import numpy as np
import pytest

from graph_tools.errors import GraphToolsError
from tests.tf1_ig.results import result
from tf1_ig.show import figure, table


def test_a_figure_has_a_bar_of_the_right_length_for_every_number(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed in this environment")
    bars = table.bars(["age", "$ income $", "<b>"], [0.25, -0.5, float("nan")], "loan", ["40", "2000", "?"],
                      spreads=[0.1, 0.1, 0.0])
    drawn = figure.figure(bars)
    axes = drawn.axes[0]
    assert [patch.get_width() for patch in axes.patches] == [0.0, -0.5, 0.25]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["<b> ?", r"\$ income \$ 2000", "age 40"]
    assert axes.patches[1].get_facecolor() != axes.patches[2].get_facecolor()
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
