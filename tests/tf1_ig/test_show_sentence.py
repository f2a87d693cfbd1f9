"""The sentence on top of a card, words of characters, maps of the caller's own numbers, and padding that is folded."""

import dataclasses

import numpy as np
import pytest

from graph_tools.report import Finding, Report
from tests.tf1_ig.html_reader import Page
from tests.tf1_ig.results import result
from tf1_ig.show import blocks, report, table, tokens as token_view
from tf1_ig.show.sentence import sentence


def strip(texts, values):
    return token_view.strip(texts, values)


def test_what_speaks_for_and_against():
    words = "the plot makes no sense , superb".split()
    found = sentence("good", "good", [strip(words, [0, -.1, .02, -.4, -.3, 0, .8])])
    assert found == ("good", ("superb",), ("no sense",), False)
    assert sentence("good", "bad", [strip(["film"], [.5])]).explains


def test_spaces_between_words_of_a_text_do_not_part_a_phrase():
    cells = ["no", " ", "sense", " ", "superb"]
    assert sentence("", "", [token_view.strip(cells, [-.5, 0, -.4, 0, .9], join="")]) == (
        "", ("superb",), ("no sense",), False)


def test_nothing_that_matters_is_nothing_said():
    assert sentence("good", "", [strip(["a", "b"], [0, 0])])[1:3] == ((), ())
    assert sentence("good", "", [strip(["a", "b"], [np.nan, np.inf])])[1:3] == ((), ())
    assert sentence("good", "", [])[1:3] == ((), ())
    assert sentence("good", "", [strip(["un", "##happy"], [.5, .5])]).because == ("unhappy",)
    bars = table.bars(["age", "fare"], [2., -1.], details=["= 40", "= 7"])
    assert sentence("yes", "", [bars])[1:3] == (("age = 40",), ("fare = 7",))


def test_the_sentence_is_on_the_page_and_hostile_words_stay_text():
    made = result(values=((0.25, 0.5, -1.0), (0.125, 2.0, 0.0)), token_texts=[["a", "<b>x</b>", "no"], ["a", "b", "c"]])
    page = report.page(made, class_names=["negative", "positive"])
    assert 'because of <bdi class="said">&lt;b&gt;x&lt;/b&gt;</bdi> and <bdi class="said">a' not in page
    assert '<b>positive</b> because of <bdi class="said">a &lt;b&gt;x&lt;/b&gt;</bdi>, in spite of <bdi' in page
    Page(page)


def test_checks_that_are_all_ok_are_folded():
    made = result()
    calm = Report((Finding("completeness", "ok", 0.0, ""),))
    worried = Report((Finding("completeness", "warn", 0.0, "look"), Finding("baseline", "ok", 0.0, "")))
    assert "<summary>Checks: all 1 ok</summary>" in report.page(made, report=calm)
    assert "<summary>Checks" not in report.page(made, report=worried)


def test_what_lies_beyond_the_tokens_is_folded():
    found = token_view.strip(["good", "film"], [.5, .25, .125, 0, 0])
    assert [(len(part.tokens), part.folded) for part in found.segments] == [(2, False), (1, True)]
    assert found.total == .875
    unfolded = token_view.strip(["good", "film"], [.5, .25, .125, 0, 0], fold=None)
    assert not any(part.folded for part in unfolded.segments)


def _characters(spans):
    values = np.zeros((1, 3, 4, 2))
    values[0, 0, :2], values[0, 1, :3] = .25, -.125
    return dataclasses.replace(
        result(), values={"chars:0": values}, score=np.array([1.]), baseline_score=np.array([0.]),
        delta=np.array([0.]), label=np.array([1]), steps=np.array([4]), evaluations=np.array([4]),
        converged=np.array([True]), outputs=None, baseline_output=None, prediction=None, path=None, ids=None,
        token_texts=None, error_estimate=None, path_errors=None, strings={"chars:0": [list("ab__xyz_____")]},
        spans=spans,
        raw_texts=None)


@pytest.mark.parametrize("spans", [None, {"chars:0": [[(0, 1), (1, 2), None, None, (3, 4), (4, 5), (5, 6), None] + [
    None] * 4]}])
def test_words_of_characters_are_words_in_colour(spans):
    made = _characters(spans)
    options = report._Options(None, "blue-orange", None, 400, "row", None, None)
    found = blocks.block(made, "chars:0", 0, made.tokens["chars:0"][0], made.texts("chars:0", 0), None, 1.0, 0.0,
                         options)
    told = [(token.text, token.value) for token in found.tokens][:2]
    if spans is not None:
        assert told == [("ab", 1.0), ("xyz", -.75)] and len(found.tokens) == 2
    assert [value for _, value in told] == [1.0, -.75] and found.total == .25
    assert "a +0.5  b +0.5" in found.tokens[0].title
    if spans is not None:
        assert found.tokens[1].parts == tuple(token_view.Part(char, 0.5, "negative") for char in "xyz")
    page = report.page(dataclasses.replace(made, strings={"chars:0": [list("<b__xyz_____")]}))
    assert "&lt;</i><i class=\"c p\"" in page and "the line above each" in page
    assert "style=\"--a:0.500\">x</i>" in page and Page(page)  # -0.25, of 0.5
    assert 'aria-label="Scale from -1.0 to 1.0' in page  # the largest word is in full colour, and no other


def test_a_share_stays_with_its_own_part_where_others_have_no_place_in_the_text():
    """Marks that the graph puts around words are no part of the text; what follows them keeps its own number."""
    values = np.zeros((1, 2, 4, 2))
    values[0, 0, :, 0], values[0, 1, :, 0] = (0, 8, -2, 1), (4, 0, 0, 0)
    made = dataclasses.replace(
        _characters({"chars:0": [[None, (0, 4), (5, 9), None, (10, 13), None, None, None]]}),
        values={"chars:0": values}, strings={"chars:0": [["[CLS]", "play", "jazz", "[SEP]", "now", "", "", ""]]})
    options = report._Options(None, "blue-orange", None, 400, "row", None, None)
    found = blocks.block(made, "chars:0", 0, made.tokens["chars:0"][0], made.texts("chars:0", 0), None, 8.0, 0.0,
                         options)
    assert [token.text for token in found.tokens] == ["play jazz", "now"] and found.tokens[0].value == 7
    assert found.tokens[0].parts == (token_view.Part("play ", 1.0, "positive"),
                                     token_view.Part("jazz", 0.25, "negative"))
    assert "play +8  jazz \u22122" in found.tokens[0].title
    told = [(text, value) for _, _, _, text, value in table.entries(made) if value]
    assert told == [("play", 8.0), ("jazz", -2.0), ("[SEP]", 1.0), ("now", 4.0)]
    single = dataclasses.replace(made, values={"chars:0": values[:, :1]}, strings={"chars:0": [
        made.strings["chars:0"][0][:4]]}, spans=None)
    line = blocks.block(single, "chars:0", 0, single.tokens["chars:0"][0], single.texts("chars:0", 0), None, 8.0, 0.0,
                        options)
    assert [(token.text, token.value) for token in line.tokens] == [
        ("[CLS]", 0), ("play", 8), ("jazz", -2), ("[SEP]", 1)]


def test_own_numbers_of_two_axes_are_a_map_unless_tokens_say_that_they_are_an_embedding():
    values = np.random.RandomState(0).normal(size=(2, 7, 5))
    made = dataclasses.replace(result(), values={"sound:0": values}, actual={"sound:0": values}, ids=None, strings=None,
                               token_texts=None, token_standard_error=None)
    assert blocks.is_map(made, "sound:0", 0)
    assert "axis 1" in report.page(made) and "tokens, sum" not in report.page(made)
    named = dataclasses.replace(made, token_texts=[list("abcdefg")] * 2)
    assert not blocks.is_map(named, "sound:0", 0) and "7 tokens, sum" in report.page(named)
    looked_up = dataclasses.replace(made, actual=None)
    assert not blocks.is_map(looked_up, "sound:0", 0)


def test_examples_with_scales_of_their_own_say_so():
    values = ((0.25, 0.5, -1.0), (0.125, 4.0, 0.0))
    made = result(values=values, token_texts=[["a", "b", "c"]] * 2)
    assert report.page(made).count("Full colour stands for 0.25 of what it stands for in example 1") == 1
    assert "Full colour stands" not in report.page(made, scale="all") + report.page(result(values=(values[0],) * 2))


def test_pictures_of_two_examples_say_by_how_much_their_scales_differ():
    values = np.ones((2, 6, 6, 1))
    values[1] *= 4
    made = dataclasses.replace(result(), values={"pixels:0": values}, token_texts=None)
    assert report.page(made).count('quiet">Full colour stands for 0.25 of what it stands for in example 1.') == 1
    alike = dataclasses.replace(made, values={"pixels:0": values[[1, 1]]})
    assert "Full colour stands" not in report.page(alike)


def test_one_scale_holds_for_raw_texts_too():
    """Overlapping pieces add up in the raw text to more than any token has."""
    made = result(values=((0.5, 0.5), (0.25, 0.25)), token_texts=[["ab", "bc"]] * 2)
    made = dataclasses.replace(made, raw_texts={name: ["abc"] * 2 for name in made.values},
                               spans={name: [[(0, 2), (1, 3)]] * 2 for name in made.values})
    page = report.page(made, scale="all")
    assert page.count('aria-label="Scale from -0.5 to 0.5') == 2 and "Full colour stands" not in page


@pytest.mark.parametrize("tokens, spans, folded", [
    (["a", "good", "film", ""], [(0, 1), (2, 6), (7, 11), None], True),
    (["a", "<unk>", "film", ""], [(0, 1), (2, 6), (7, 11), None], False),
    (["a", "good", "film", "[SEP]"], [(0, 1), (2, 6), (7, 11), None], False),
    (["a good", "good film", "", ""], [(0, 6), (2, 11), None, None], False)])
def test_tokens_that_the_raw_text_shows_already_are_folded_away(tokens, spans, folded):
    values = (0.25, -0.5, 1.0, 0.125 if tokens[-1] == "[SEP]" else 0.0)
    made = result(values=(values,), token_texts=[tokens], label=np.ones(1, np.int64))
    made = dataclasses.replace(made, raw_texts={name: ["A good film"] for name in made.values},
                               spans={name: [spans] for name in made.values})
    page = report.page(made)
    assert ("Token by token: embedding/lookup:0" in page) == folded
    assert {token.value for token in Page(page).tokens} >= set(values)  # it is there for who looks
    assert "Token by token" not in report.page(dataclasses.replace(made, raw_texts=None, spans=None))


def test_inputs_that_read_one_text_are_folded_where_it_shows_their_sum():
    values = np.ones((1, 3, 2)) * [[[1.0], [2.0], [-1.0]]]
    names = ["words:0", "kinds:0"]
    made = dataclasses.replace(
        result(values=((1.0, 2.0, -1.0),), label=np.ones(1, np.int64)), values=dict.fromkeys(names, values),
        strings={name: [["a", "good", "film"]] for name in names}, raw_texts={name: ["A good film"] for name in names},
        spans={name: [[(0, 1), (2, 6), (7, 11)]] for name in names})
    page = report.page(made)
    assert "Token by token: all inputs together" in page and page.count("Token by token") == 1
    other = dataclasses.replace(made, raw_texts={"words:0": ["A good film"]}, spans={"words:0": made.spans["words:0"]})
    assert "Token by token: all inputs" not in report.page(other)


def test_an_empty_text_among_others_has_its_card():
    values = [np.ones((2, 1)), np.zeros((0, 1))]
    made = dataclasses.replace(
        result(values=((1.0, 1.0), (0.0, 0.0)), token_texts=[["good", "film"], []]), values={"words:0": values},
        raw_texts={"words:0": ["good film", ""]}, spans={"words:0": [[(0, 4), (5, 9)], []]})
    assert report.page(made).count("Token by token: words:0") == 2


@pytest.mark.parametrize("of_padding, because", [(0.125, "good"), (3.0, "<pad>")])
def test_the_sentence_is_of_the_tokens_where_padding_outweighs_the_text(of_padding, because):
    tokens, spans = ["good", "film"] + ["<pad>"] * 3, [(0, 4), (5, 9), None, None, None]
    made = result(values=((1.0, 0.25) + (of_padding,) * 3,), token_texts=[tokens], label=np.ones(1, np.int64))
    made = dataclasses.replace(made, raw_texts={name: ["good film"] for name in made.values},
                               spans={name: [spans] for name in made.values})
    page = Page(report.page(made))
    why = "".join(page.text)
    assert "because of %s" % because in " ".join(why.split())


def test_white_space_in_names_is_visible():
    assert [bar.text for bar in table.bars([": \n", " a b ", "x"], [1, 2, 3], order=False).rows] == [
        ":␣↵", "␣a b␣", "x"]
