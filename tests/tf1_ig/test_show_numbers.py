"""Numbers on a page, read back as a reader sees them, are the numbers of the result to the digits that are shown."""

import dataclasses
import re

import numpy as np
import pytest

from tests.tf1_ig.html_reader import Page
from tests.tf1_ig.results import result
from tf1_ig.result.features import Feature
from tf1_ig.show import compare, image, table

R = np.random.RandomState(3)


def _number(text):
    return float(text.replace("−", "-"))


def _to_digits(shown, true, digits=3):
    """Whether each shown number is the true one to so many significant digits."""
    shown, true = [_number(text) for text in shown], np.ravel(true)
    np.testing.assert_allclose(shown, true, rtol=0.51 * 10.0 ** (1 - digits), atol=1e-300)


def _legends(html):
    return [(_number(low), _number(high)) for low, high in re.findall(
        r'<div class="legend[^"]*"[^>]*>\s*<span><span class="sample n">[^<]*</span> ([^<]*)</span><span class="ramp">'
        r'</span><span>([^ <]*) <span', html)]


@pytest.mark.parametrize("size", [1.0, 1e-4, 1e6])
def test_tokens_on_hover_in_the_list_in_the_table_and_in_the_legend(size):
    values = R.normal(size=(2, 9)) * size
    made = result(values=values, token_texts=[list("abcdefghi"), list("jklmnopqr")])
    html = made.to_html()
    page, sums = Page(html), made.tokens["embedding/lookup:0"]
    assert [token.value for token in page.tokens] == sums.ravel().tolist()
    _to_digits([token.attributes["title"].split(" · ")[0] for token in page.tokens], sums)
    strengths = np.array([token.strength for token in page.tokens]).reshape(2, 9)
    np.testing.assert_allclose(strengths, np.abs(sums) / np.abs(sums).max(1, keepdims=True), atol=6e-4)
    largest = np.abs(sums).max(1)
    np.testing.assert_allclose(_legends(html), np.stack([-largest, largest], 1), rtol=6e-3)
    cells = re.findall(r"<tr><td>(\d+)</td><th scope=\"row\"><bdi>(.)</bdi></th><td>([^<]*)</td></tr>", html)
    assert [text for _, text, _ in cells] == list("abcdefghijklmnopqr")
    _to_digits([shown for _, _, shown in cells], sums)
    _to_digits(re.findall(r'<td class="num" data-value="[^"]*">([^<]*)</td>', html),
               [row[at] for row in sums for at in np.argsort(-np.abs(row))[:8]])
    shown = {name: [] for name in page.facts}
    for name, text in re.findall(r'<dd data-fact="([^"]*)"[^>]*>([^<]*)</dd>', html):
        shown[name].append(text)
    _to_digits(shown["Score"], made.score, 4)
    _to_digits(shown["Baseline score"], made.baseline_score, 4)
    _to_digits(shown["Difference"], made.score - made.baseline_score)
    _to_digits(shown["Sum of attributions"], sums.sum(1) + made.delta)


def test_features_their_values_their_bars_and_the_legend():
    values, actual = R.normal(size=(2, 5)), R.uniform(10, 90, (2, 5))
    made = dataclasses.replace(result(), values={"x:0": values}, actual={"x:0": actual}, features=[
        [Feature("job", "job", "nurse", 0.25, "x:0"), Feature("job_x", "job", "nurse", 0.5, "x:0"),
         Feature("age", "age", "", -0.125, "x:0")]] * 2)
    html = made.to_html(tokens=[list("abcde")] * 2)
    told_by = set("abcde").__contains__
    rows = re.findall(r'<bdi>(.*?)</bdi>(?: <span class="quiet">= ([^<]*)</span>)?</th>\s*<td class="axis"[^>]*>'
                      r'<i class="([pn])"><b style="--w:([\d.]+)"></b></i></td>\s*'
                      r'<td class="num" data-value="([^"]*)">([^<]*)</td>', html)
    assert len(rows) == 14
    assert [(text, float(value)) for text, _, _, _, value, _ in rows if not told_by(text)] == [
        ("job=nurse", 0.75), ("age", -0.125)] * 2
    for at, (text, told, kind, share, value, shown) in enumerate(row for row in rows if told_by(row[0])):
        example, feature = at // 5, "abcde".index(text)
        assert float(value) == values[example, feature] and kind == "np"[int(values[example, feature] > 0)]
        _to_digits([shown], values[example, feature])
        _to_digits([told], actual[example, feature], 4)
        assert abs(float(share) - abs(float(value)) / np.abs(values[example]).max()) < 6e-4
    np.testing.assert_allclose(_legends(html), [(-size, size) for size in np.abs(values).max(1)], rtol=6e-3)


def test_aggregates_as_html_and_as_a_figure():
    made = result(values=R.normal(size=(4, 3)), token_texts=[["a", "b", "c"]] * 4)
    drawn = table.aggregate(made)
    html = table.bars_html(drawn, title="All")
    Page(html)
    values = dict(zip("abc", np.abs(made.tokens["embedding/lookup:0"]).mean(0)))
    found = re.findall(r'<bdi>(.)</bdi>.*?data-value="([^"]*)">([^<]*)</td>', html, re.S)
    for text, value, shown in found:
        assert float(value) == pytest.approx(values[text])
        _to_digits([shown], values[text])
    assert len(found) == 3


@pytest.mark.parametrize("clip_above", [99.9])
def test_the_legend_of_a_picture_is_the_magnitude_of_its_full_colour(clip_above):
    values = R.normal(size=(1, 8, 8, 1))
    made = dataclasses.replace(result(values=((0.1,),)), values={"x:0": values})
    html = made.to_html()
    (low, high), = _legends(html)
    full = high
    strengths = image.strengths(values[0])
    at = np.unravel_index(np.argmin(np.abs(np.abs(strengths) - 0.5)), strengths.shape)
    assert abs(strengths[at]) * full == pytest.approx(abs(values[0][at][0]), rel=6e-3) and low == -high
    _to_digits(re.findall(r'data-total="[^"]*">([^<]*)<', html), values.sum())
    flat = values[0, :, :, 0]
    words = " ".join(Page(html).text)
    for sign, name in ((1, "for"), (-1, "against")):
        shown, row, column = re.search(r"Strongest %s: (\S+) at row (\d+), column (\d+)" % name, words).groups()
        assert (int(row), int(column)) == np.unravel_index(np.argmax(sign * flat), flat.shape)
        _to_digits([shown], sign * (sign * flat).max())


def test_errors_along_the_path_are_the_results():
    alphas, errors = np.array([0, 0.25, 0.5, 1.0]), np.array([1e-3, -2e-3, 0.0])
    made = result(path=[(alphas, alphas ** 2)] * 2, path_errors=[errors] * 2)
    html = made[0].to_html()
    shown = re.findall(r'class="bar [pn]" data-value="([^"]*)"><title>error ([^<]*)</title>', html)
    assert [float(value) for value, _ in shown] == errors.tolist()
    _to_digits([text for _, text in shown], errors)
    assert "Largest error of an interval −0.002, from alpha 0.25 to 0.5." in html
    assert "(largest −0.002)" in html and ">baseline 0<" in html and ">input 1<" in html


def test_words_on_a_page_have_the_sums_of_their_pieces():
    made = result(values=((0.25, 0.5, -1.0),))
    page = Page(made.to_html(tokens=["un", "##happy", "man"], words="wordpiece"))
    assert [(token.text, token.value) for token in page.tokens] == [("unhappy", 0.75), ("man", -1.0)]
    assert len(made.tokens["embedding/lookup:0"][0]) == 3


def test_results_side_by_side_share_one_legend():
    first, other = result(), result(values=((-0.5, 2.0, 0.0), (0.1, 0.2, 0.4)), label=np.array([0, 0]))
    np.testing.assert_allclose(_legends(compare.compare([first, other])), [(-2, 2), (-0.5, 0.5)])


@pytest.mark.parametrize("values", [np.full((1, 3), 1e-9), np.zeros((1, 3))])
def test_what_is_below_rounding_is_never_stretched_to_full_colours(values):
    score = dict(score=np.array([0.9]), baseline_score=np.array([0.9]), delta=np.zeros(1))
    tokens = result(values=values, **score)
    assert {token.strength for token in Page(tokens.to_html()).tokens} == {0.0}
    columns = dataclasses.replace(tokens, values={"x:0": values})
    pictures = dataclasses.replace(tokens, values={"x:0": np.full((1, 4, 4, 1), values[0, 0])})
    sound = dataclasses.replace(tokens, values={"x:0": np.full((1, 300), values[0, 0])},
                                actual={"x:0": np.ones((1, 300))})
    for made, gone in ((columns, "--w:"), (pictures, "class=\"ramp\""), (sound, "class=\"ramp\"")):
        html = made.to_html()
        assert gone not in html.partition("</style>")[2] and "does not react" in html


def test_those_who_hear_the_page_get_every_number():
    """Pictures have words, tables headings, every token is in a table, the strongest are reached by keyboard."""
    values = R.normal(size=(1, 9))
    made = result(values=values, token_texts=[list("abcdefghi")], path=[(np.array([0.0, 1.0]), np.array([0.2, 0.9]))])
    pixels = dataclasses.replace(made, values={"x:0": R.normal(size=(1, 5, 5, 1))},
                                 actual={"x:0": np.ones((1, 5, 5, 1))})
    sound = dataclasses.replace(made, values={"x:0": R.normal(size=(1, 300))}, actual={"x:0": np.ones((1, 300))},
                                token_texts=None)
    for html in (made.to_html(), pixels.to_html(outlines=True), sound.to_html()):
        body = html.partition("</style>")[2]
        assert "<html lang=" in html
        for tag in re.findall(r"<(?:svg|img)[^>]*>", body):
            words = re.search(r'(?:aria-label|alt)="([^"]*)"', tag)
            assert words and len(words.group(1)) > 10, tag
        assert not re.search(r"<th(?! scope)[ >]", body)
        assert body.count("<details") == body.count("<summary")
    body = made.to_html()
    assert body.count('tabindex="0"') == 8 and body.count('<tr><td>') == 9
    assert "Strongest for:" in pixels.to_html() and "strongest" in sound.to_html()
