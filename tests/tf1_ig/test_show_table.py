import dataclasses
import re
import sys

import numpy as np
import pytest

from graph_tools.errors import GraphToolsError
from tests.tf1_ig.html_reader import Page
from tests.tf1_ig.results import result
from tf1_ig.show import path, table


def test_bars_are_ranked_by_size_and_in_proportion():
    drawn = table.bars(["a", "b", "c", "d"], [0.5, -1.0, 0.0, np.nan])
    assert [bar.text for bar in drawn.rows] == ["d", "b", "a", "c"]
    assert [bar.share for bar in drawn.rows] == [0.0, 1.0, 0.5, 0.0]
    assert [bar.kind for bar in drawn.rows] == ["nan", "negative", "positive", "zero"]
    assert [bar.text for bar in table.bars(["a", "b"], [0.1, 0.9], order=False).rows] == ["a", "b"]


def test_what_is_not_drawn_is_counted_and_summed():
    drawn = table.bars(list("abcd"), [4.0, 3.0, -2.0, 1.0], most=2)
    assert len(drawn.rows) == 2 and "2 more, together −1." in drawn.notes[0]


def test_nothing_is_divided_by_zero():
    with np.errstate(all="raise"):
        assert [bar.share for bar in table.bars(["a", "b"], [0.0, 0.0]).rows] == [0.0, 0.0]
        assert table.bars([], []).rows == ()


def test_spreads_share_the_axis():
    drawn = table.bars(["a", "b"], [1.0, -0.5], spreads=[1.0, 0.5])
    assert [bar.share for bar in drawn.rows] == [0.5, 0.25] and [bar.spread for bar in drawn.rows] == [0.5, 0.25]


def test_means_over_rows_are_means_with_their_spread():
    made = result(values=((0.5, -0.25, 0.1), (0.3, 0.75, 0.2)), token_texts=[["a", "b", "c"], ["b", "a", "d"]])
    drawn = {bar.text: bar for bar in table.aggregate(made).rows}
    assert drawn["a"].value == pytest.approx((0.5 + 0.75) / 2) and drawn["b"].value == pytest.approx((0.25 + 0.3) / 2)
    scale = table.aggregate(made).scale
    assert drawn["a"].spread * scale == pytest.approx(0.125) and drawn["a"].detail == "×2"
    signed = {bar.text: bar.value for bar in table.aggregate(made, signed=True).rows}
    assert signed["b"] == pytest.approx((-0.25 + 0.3) / 2)


def test_totals_say_what_each_input_contributes():
    one = result()
    made = dataclasses.replace(one, values={"a:0": one.values["embedding/lookup:0"], "b:0": np.full((2, 3, 2), 0.5)})
    totals = {bar.text: bar.value for bar in table.totals(made, 0).rows}
    assert totals == {"a:0": pytest.approx(0.75), "b:0": pytest.approx(3.0)}


def test_entries_name_positions_of_any_rank():
    made = dataclasses.replace(result(), values={"x:0": np.ones((2, 2, 2, 3)), "f:0": np.ones((2, 2))})
    found = list(table.entries(made))
    assert len(found) == 2 * (4 + 2)
    assert [entry[2] for entry in found[:6]] == [(0, 0), (0, 1), (1, 0), (1, 1), 0, 1]
    assert [entry[3] for entry in found[2:6]] == ["x[1, 0]", "x[1, 1]", "f[0]", "f[1]"]


def test_without_pandas_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas") as caught:
        result().to_frame()
    assert isinstance(caught.value, GraphToolsError)


def test_the_curve_runs_from_the_baseline_to_the_input():
    made = result(path=[(np.array([0.5, 0.0, 1.0]), np.array([0.2, 0.1, 0.9]))] * 2)
    curve = path.curve(made, 0)
    assert curve.points == "8.0,96.0 160.0,85.0 312.0,8.0" and "from 0.1 at the baseline to 0.9" in curve.caption
    assert re.search(r'<polyline points="8\.0,96\.0', made.to_html())


def test_curves_without_a_slope_or_without_points():
    flat = result(path=[(np.array([0.0, 1.0]), np.array([0.5, 0.5]))] * 2)
    with np.errstate(all="raise"):
        assert path.curve(flat, 0).points == "8.0,52.0 312.0,52.0"
    assert path.curve(result(), 0) is None
    assert path.curve(result(path=[(np.array([0.0, 1.0]), np.array([np.nan, 0.5]))] * 2), 0) is None


def _two_inputs(**fields):
    one = result(**fields)
    return dataclasses.replace(one, values={"a:0": one.values["embedding/lookup:0"], "b:0": np.full((2, 3, 2), 0.5)})


def test_inputs_of_the_same_tokens_add_up_token_by_token():
    made = _two_inputs(ids={"a:0": np.array([[4, 5, 6], [7, 8, 9]]), "b:0": np.array([[4, 5, 6], [7, 8, 0]])})
    np.testing.assert_allclose(table.together(made, 0), [1.25, 0.5, 2.0])
    assert table.together(made, 1) is None and table.together(result(), 0) is None
    assert table.together(made, 1, {"a:0": ["x"], "b:0": ["x"]}) is not None
    page = Page(made.to_html())
    np.testing.assert_allclose([token.value for token in page.tokens[:3]], [1.25, 0.5, 2.0])
    assert len(page.tokens) == 9 + 6


def test_entries_are_named_by_tokens_else_strings_else_ids():
    ids = {"a:0": np.array([[4, 5, 6], [7, 8, 9]]), "b:0": np.array([[1, 2, 3]] * 2)}
    strings = {"b:0": [["x", "y", "z"]] * 2}
    assert _two_inputs().texts("a:0", 0) is None
    made = _two_inputs(ids=ids, strings=strings)
    assert made.texts("a:0", 1) == ["#7", "#8", "#9"] and made.texts("b:0", 1) == ["x", "y", "z"]
    assert [token.text for token in Page(made[0].to_html()).tokens] == ["#4", "#5", "#6", "x", "y", "z"]
    told = _two_inputs(ids=ids, strings=strings, token_texts=[["p", "q", "r"]] * 2)
    assert told.texts("b:0", 0) == ["p", "q", "r"]
    assert [entry[3] for entry in table.entries(told)][:3] == ["p", "q", "r"]
