import dataclasses
import math
import os
import re
import sys
import time

import numpy as np
import pytest

from graph_tools.errors import GraphToolsError
from tests.tf1_ig.html_reader import Page
from tests.tf1_ig.results import result
from tf1_ig.show import compare, render, report, text, tokens

HOSTILE = [
    "<unk>", "<pad>", "</span>", "</bdi>", "<script>alert(1)</script>", "</script>", "</style><script>x</script>",
    "<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>", "&lt;", "&amp;", "&", "&#60;", "&copy", "\"", "'",
    "\" onmouseover=\"alert(1)", "' style='x", "`", "{{ 7*7 }}", "{% raw %}", "${x}", "<!--", "-->", "]]>",
    "<![CDATA[", "<b>", "a<b", "a>b", "<", ">", "\\", "\\u003c", "\x00", "\x07", "\x1b[31m", "\r", "\r\n", "\n",
    "\t", "\x7f", "\x85", "\ud800", "\udfff x", "\uffff", "\ufdd0", "\u202e evil", "\u2066", "\u200f", "\u200b",
    "\ufeff", "", " ", "  a  ", "é", "é", "日本", "한국어", "שלום", "مرحبا", "👩\u200d👩\u200d👧", "ﷺ", "𝒳",
    "javascript:alert(1)", "data-value=\"9\"", "href=x", "<a href=//evil>", "<iframe>", "<base href=//evil>",
    "<meta http-equiv=refresh>", "%3Cscript%3E", "<ſcript>", "＜script＞"]


def _strip_page(texts, values, **options):
    return Page(text.text_html(texts, values, **options))


def test_hostile_tokens_stay_text_and_come_back_exactly():
    values = np.linspace(-1, 1, len(HOSTILE))
    assert len(HOSTILE) >= 50
    page = _strip_page(HOSTILE, values, fold=None)
    assert [token.text for token in page.tokens] == HOSTILE
    assert page.links == [] and "script" not in page.open
    title = text.text_html(["a"], [1.0], title="<script>alert(1)</script>")
    assert "<script" not in title


def test_hostile_names_labels_and_notes_stay_text():
    evil = "<img src=x onerror=alert(1)>"
    made = result(name=evil, output=evil, notes=(evil,), baseline=evil, held_fixed=(evil,), method=evil, running=evil)
    page = Page(made.to_html(class_names=[evil, evil], title=evil))
    assert page.links == [] and sum(part.count(evil) for part in page.text) >= 6


def test_what_is_shown_could_be_written_to_a_file():
    text.text_html(HOSTILE, np.ones(len(HOSTILE))).encode("utf-8")


def test_numbers_and_intensities_equal_the_result():
    values = np.array([0.3, -0.123456789012345, 1e-9, 0.0, -0.6])
    page = _strip_page(list("abcde"), values)
    assert [token.value for token in page.tokens] == values.tolist()
    np.testing.assert_allclose([token.strength for token in page.tokens], np.abs(values) / 0.6, atol=5e-4)
    assert ["p" in token.classes for token in page.tokens] == [True, False, True, False, False]
    assert ["n" in token.classes for token in page.tokens] == [False, True, False, False, True]
    assert page.tokens[1].attributes["title"].startswith("−0.123 ")


def test_a_page_carries_every_token_and_every_fact_of_the_result():
    made = result(token_texts=[["a", "b", "c"], ["d", "e", "f"]], delta=np.array([0.001, -0.002]))
    page = Page(made.to_html())
    np.testing.assert_array_equal([token.value for token in page.tokens],
                                  made.tokens["embedding/lookup:0"].reshape(-1))
    np.testing.assert_allclose(page.facts["Score"], made.score)
    np.testing.assert_allclose(page.facts["Baseline score"], made.baseline_score)
    np.testing.assert_allclose(page.facts["Delta"], made.delta)
    np.testing.assert_allclose(page.facts["Sum of attributions"], made.tokens["embedding/lookup:0"].sum(1) + made.delta)


def test_all_zero_is_said_and_not_coloured():
    page = _strip_page(["a", "b"], [0.0, 0.0])
    assert {token.strength for token in page.tokens} == {0.0} and not any(
        token.classes & {"p", "n"} for token in page.tokens)
    assert "exactly zero" in "".join(page.text)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_hatched_and_the_rest_keeps_its_colour(bad):
    page = _strip_page(["a", "b", "c"], [bad, 0.5, -0.25])
    assert "x" in page.tokens[0].classes and [token.strength for token in page.tokens] == [0.0, 1.0, 0.5]
    assert "1 of 3" in "".join(page.text)
    assert "nothing can be coloured" in "".join(_strip_page(["a"], [bad]).text)


def test_more_tokens_than_numbers_are_shown_without_a_value_and_said():
    page = _strip_page(["a", "b", "c"], [0.5])
    assert [token.text for token in page.tokens] == ["a", "b", "c"]
    assert [token.value for token in page.tokens] == [0.5, None, None]
    assert "3 tokens were given for 1" in "".join(page.text)


def test_more_numbers_than_tokens_are_shown_by_position_unless_they_are_padding():
    page = _strip_page(["a"], [0.5, 0.0, -0.25, 0.0, 0.0])
    assert [token.text for token in page.tokens] == ["a", "[1]", "[2]"] and "shown by number" in "".join(page.text)
    assert [token.text for token in _strip_page(["a"], [0.5, 0.0, 0.0]).tokens] == ["a"]
    assert [token.text for token in _strip_page(["a"], [0.5, float("nan")]).tokens] == ["a", "[1]"]


def test_no_tokens_at_all_is_an_empty_text():
    assert _strip_page([], []).tokens == []


@pytest.mark.parametrize("texts, shown", [
    (["a", "film", "."], "a film ."), (["un", "##happ", "##y", "man"], "un##happ##y man"),
    (list("好的電影"), "好的電影"),
    (["Python", "很", "好", "ok"], "Python 很好 ok"), (["The", " film", " is", " ok"], "The film is ok"),
    (list("letters"), "letters"), (["n", "\\xc3", "\\xa4", "!"], "n\\xc3\\xa4!"),
    (["▁The", "▁film", "s"], "▁The▁films"),
    (["no", " ", "way", " ", "out"], "no way out"),
    (["d e", "e f", "f  ", "  a", "a d"], "d e e f f     a a d"),
    (["a", "", "bc", "\n", "d", "ef", "g", "h"], "a  bc \n d ef g h")])
def test_tokens_are_joined_as_their_script_joins_them(texts, shown):
    drawn = tokens.strip(texts, np.ones(len(texts)))
    assert "".join(token.before + token.text for token in drawn.tokens) == shown


def test_right_to_left_text_runs_right_to_left():
    assert _strip_page(["שלום", "עולם", "ok"], [1, 2, 3]).directions == ["rtl"]
    assert _strip_page(["hello", "שלום", "world"], [1, 2, 3]).directions == ["ltr"]


def test_long_texts_are_folded_to_what_matters_and_lose_nothing():
    values = np.full(5000, 1e-4)
    values[[17, 2500, 4990]] = [1.0, -0.5, 0.2]
    drawn = tokens.strip(["w%d" % number for number in range(5000)], values)
    assert len(drawn.tokens) == 5000 and [token.position for token in drawn.tokens] == list(range(5000))
    shown = [token.position for part in drawn.segments if not part.folded for token in part.tokens]
    assert {17, 2500, 4990} <= set(shown) and len(shown) < 150
    assert math.isclose(sum(part.total for part in drawn.segments), values.sum())
    assert not any(part.folded for part in tokens.strip(["w"] * 5000, values, fold=None).segments)


def test_padding_at_the_end_is_folded_and_stays_in_the_text():
    drawn = tokens.strip(["a", "b"] + ["<pad>"] * 6, [1.0, 0.0] + [0.0] * 6)
    assert [(len(part.tokens), part.folded) for part in drawn.segments] == [(2, False), (6, True)]


def test_several_inputs_have_a_strip_each_and_one_of_their_sum():
    one = result(values=((0.5, -0.25, 0.1), (0.1, 0.2, 0.3)))
    made = dataclasses.replace(one, values=dict(one.values, **{"wide:0": one.values["embedding/lookup:0"] * -0.5}))
    page = Page(made[0].to_html(tokens=["a", "b", "c"]))
    np.testing.assert_allclose([token.value for token in page.tokens],
                               [0.25, -0.125, 0.05, 0.5, -0.25, 0.1, -0.25, 0.125, -0.05])
    assert max(token.strength for token in page.tokens) == 1.0
    np.testing.assert_allclose([token.strength for token in page.tokens[:3]], [0.5, 0.25, 0.1], atol=1e-3)


def test_ragged_rows_and_plain_features_are_shown():
    rows = [np.array([[0.5], [0.25]]), np.zeros((0, 1))]
    made = dataclasses.replace(result(), values={"sparse:0": rows})
    assert [token.value for token in Page(made.to_html()).tokens] == [0.5, 0.25]
    table = dataclasses.replace(result(), values={"x:0": np.array([[0.5, -0.25, 0.0], [0.1, 0.1, 0.9]])})
    html = table.to_html(tokens=[["age", "sex", "fare"]] * 2)
    assert "fare" in html and 'data-value="-0.25"' in html and not Page(html).tokens


def test_scales_are_per_row_or_shared():
    made = result(values=((1.0, 0.5), (0.1, 0.05)), token_texts=[["a", "b"]] * 2)
    assert [token.strength for token in Page(made.to_html()).tokens] == [1.0, 0.5, 1.0, 0.5]
    assert [token.strength for token in Page(made.to_html(scale="all")).tokens] == [1.0, 0.5, 0.1, 0.05]
    assert [token.strength for token in Page(made.to_html(scale=2)).tokens] == [0.5, 0.25, 0.05, 0.025]


@pytest.mark.parametrize("options, words", [
    (dict(tokens=[["a"]]), "1 rows, the result has 2"), (dict(tokens=["a film", "b film"]), "not one string per row"),
    (dict(palette="rainbow"), "blue-orange"), (dict(scale="cell"), "positive number"),
    (dict(scale=-1), "positive number")])
def test_options_that_do_not_fit_are_one_clear_error(options, words):
    with pytest.raises(GraphToolsError, match=words) as caught:
        result().to_html(**options)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("attrs", [np.zeros((2, 2, 2)), 3.0])
def test_attributions_of_another_rank_are_refused(attrs):
    with pytest.raises(GraphToolsError, match="tokens"):
        text.text_html(["a", "b"], attrs)


def test_embedding_rows_are_summed_over_their_dimensions():
    page = _strip_page(["a", "b"], np.array([[0.5, 0.25], [-1.0, 0.0]]))
    assert [token.value for token in page.tokens] == [0.75, -1.0]
    both = _strip_page([["a"], ["b", "c"]], [[0.5], [0.25, -1.0]])
    assert [token.strength for token in both.tokens] == [0.5, 0.25, 1.0]


def test_a_notebook_gets_an_html_object_and_the_page_stands_alone(tmp_path):
    display = pytest.importorskip("IPython.display")
    shown = text.visualize_token_attrs(["good", "<unk>"], [0.5, -0.25])
    assert isinstance(shown, display.HTML) and "&lt;unk&gt;" in shown.data
    html = result().to_html()
    assert "http://" not in html and "https://" not in html and "default-src 'none'" in html
    assert not re.search(r"@import|url\(|<script|<link", html)
    path = tmp_path / "r.html"
    result().save(path)
    assert path.read_text(encoding="utf-8") == html
    assert Page(result()._repr_html_()).tokens[0].text == "[0]"


def test_without_ipython_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython.display", None)
    with pytest.raises(ImportError, match="pip install ipython") as caught:
        text.visualize_token_attrs(["a"], [1.0])
    assert isinstance(caught.value, GraphToolsError)


def test_the_verdict_and_the_labels_are_on_the_page():
    made = result(converged=np.array([True, False]), delta=np.array([0.0, 0.3]), prediction=np.array([1, 0]))
    words = " ".join("".join(Page(made.to_html(class_names=["dull", "good"])).text).split())
    assert "Explained: good predicted good" in words and "Explained: good predicted dull" in words
    assert "complete, off by under 0.01 %" in words and "sum is off by 40 %" in words


def test_everything_strong_can_be_reached_by_keyboard_and_not_everything():
    page = _strip_page(["w%d" % number for number in range(300)], np.linspace(-1, 1, 300), fold=None)
    reachable = [token for token in page.tokens if token.attributes.get("tabindex") == "0"]
    assert 1 <= len(reachable) <= 12 and all(token.strength > 0.9 for token in reachable)


def test_ten_thousand_tokens_are_fast():
    values = np.random.RandomState(0).normal(size=10000)
    made = dataclasses.replace(result(), values={"x:0": np.stack([values, values])[:, :, None]})
    start = time.process_time()
    html = made[0].to_html(tokens=["w%d" % number for number in range(10000)], fold=None)
    assert time.process_time() - start < 5 and len(html) < 3e6


def test_templates_never_switch_escaping_off():
    folder = os.path.join(os.path.dirname(report.__file__), "templates")
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            assert not re.search(r"\|\s*safe|autoescape|Markup", file.read()), name


def test_several_labels_stand_side_by_side_on_one_scale():
    first = result(token_texts=[["a", "b", "c"], ["d", "e", "f"]], label=np.array([0, 0]))
    other = result(values=((-0.5, 2.0, 0.0), (0.1, 0.2, 0.4)))
    page = Page(compare.compare([first, other], class_names=["dull", "good"]))
    sums = np.concatenate([np.stack([first.tokens["embedding/lookup:0"][row], other.tokens["embedding/lookup:0"][row]])
                           for row in range(2)])
    np.testing.assert_allclose([token.value for token in page.tokens], sums.reshape(-1))
    strengths = [token.strength for token in page.tokens[:6]]
    np.testing.assert_allclose(strengths, np.abs(sums[:2]).reshape(-1) / 2, atol=1e-3)
    words = " ".join(page.text)
    assert "for dull" in words and "for good" in words and [token.text for token in page.tokens[3:6]] == ["a", "b", "c"]
    np.testing.assert_allclose(page.facts["Score"], [first.score[0], other.score[0], first.score[1], other.score[1]])


def test_baselines_side_by_side_are_named_and_checked_against_each_other():
    words = " ".join(Page(compare.compare([result(), result(values=((0.0, 1.0, 0.0), (0.5, 0.1, 0.1)),
                                                            baseline="mean")])).text)
    assert "zero baseline" in words and "mean baseline" in words and "baselines agree" in words
    assert "mine" in " ".join(Page(compare.compare([result(), result()], names=["mine", "yours"])).text)


@pytest.mark.parametrize("results, options", [
    ([], {}), ([result(), result(values=((1.0, 2.0, 3.0),))], {}), ([result(), result(values=np.ones((2, 2)))], {}),
    ([result()], dict(names=["a", "b"])),
    ([dataclasses.replace(result(), values={"x:0": np.ones((2, 4, 4, 3))})] * 2, {})])
def test_results_that_cannot_stand_side_by_side_are_refused(results, options):
    with pytest.raises(GraphToolsError):
        compare.compare(results, **options)


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """Compiled templates are kept in a folder of the test's."""
    monkeypatch.setattr(render, "__file__", str(tmp_path / "render.py"))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None, raising=False)
    render._environment.cache_clear()
    yield tmp_path
    render._environment.cache_clear()


def test_compiled_templates_are_kept_and_make_the_same_page(elsewhere, monkeypatch):
    first = text.text_html(["a", "b"], [1.0, -1.0])
    assert list((elsewhere / "__pycache__").glob("*.cache"))
    render._environment.cache_clear()
    monkeypatch.setattr("jinja2.Environment._generate", None)  # what compiles
    assert text.text_html(["a", "b"], [1.0, -1.0]) == first
    for kept in (elsewhere / "__pycache__").glob("*.cache"):
        kept.write_bytes(kept.read_bytes()[:-9])  # what is torn is compiled again
    render._environment.cache_clear()
    with pytest.raises(TypeError):
        text.text_html(["a", "b"], [1.0, -1.0])


def test_where_compiled_templates_cannot_be_kept_there_are_pages_as_well(elsewhere, monkeypatch):
    (elsewhere / "__pycache__").write_text("no folder")
    assert render._compiled() is None and "</" in text.text_html(["a", "b"], [1.0, -1.0])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (elsewhere / "__pycache__").unlink()
    assert render._compiled() is None and not (elsewhere / "__pycache__").exists()


def test_a_full_disk_keeps_no_compiled_templates_and_makes_the_page(elsewhere, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("jinja2.FileSystemBytecodeCache.dump_bytecode", full)
    assert "</" in text.text_html(["a", "b"], [1.0, -1.0])
