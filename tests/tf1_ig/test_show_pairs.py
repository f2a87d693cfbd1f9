"""Pairs as a page: an arc a pair, from one token to the other; numbers to the scale of the matrix; names escaped."""

import re

import numpy as np
import pytest

from tf1_ig.result.interactions import Interactions, Pair
from tf1_ig.show import pairs


def _found(matrices, texts, drawn, label=None):
    count = len(matrices)
    sums = [matrix.sum(axis=1) for matrix in matrices]
    return Interactions(
        matrices, sums, np.array([each.sum() for each in sums]), np.zeros(count), np.zeros(count), np.zeros(count),
        np.zeros(count), np.ones(count, bool), np.full(count, 3), np.full(count, 9),
        np.zeros(count, int) if label is None else label, "out:0", ("ids:0",),
        np.array([[len(each)] for each in texts]), texts, drawn)


def _middles(html):
    return {text: float(x) for x, text in re.findall(r'<text x="([\d.]+)" y="[\d.]+">([^<]*)</text>', html)}


def _arcs(html):
    found = re.findall(r'<path class="([pn])" d="M([\d.]+) [^"]* ([\d.]+) [\d.]+" stroke-width="([\d.]+)"><title>'
                       r'([^<]*)</title>', html)
    return [(kind, float(start), float(end), float(width), said) for kind, start, end, width, said in found]


def test_an_arc_goes_from_token_to_token_and_says_sign_and_size():
    matrix = np.array([[0.5, -0.2, 0.0, 0.05], [-0.2, 0.1, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.05, 0.0, 0.0, 0.3]])
    html = pairs.page(_found([matrix], [["not", "bad", "", "film"]], ((Pair(0, 1, -0.4, -0.3), Pair(0, 3, 0.1, 0.2)),)))
    middles, (first, second) = _middles(html), _arcs(html)
    assert "" not in middles and list(middles) == ["not", "bad", "film"]    # what does nothing is not drawn
    assert first[:3] == ("n", middles["not"], middles["bad"]) and second[:3] == ("p", middles["not"], middles["film"])
    assert first[3] > second[3] and first[4] == "not × bad −0.4" and second[4] == "not × film +0.1"


@pytest.mark.parametrize("scale, large, small", [(1.0, "+1.00", "0"), (1e-3, "+0.00100", "0"), (250.0, "+250", "+1"),
                                                 (1e-9, "+1e−09", "+4e−12")])
def test_cells_have_the_decimals_of_the_largest(scale, large, small):
    matrix = np.array([[1.0, 0.004], [0.004, 0.1]]) * scale
    html = pairs.page(_found([matrix], [["a", "b"]], ()))
    cells = re.findall(r"<td class=\"\w+\" style=\"--a:[\d.]+\">([^<]*)</td>", html)
    assert cells[0] == large and cells[1] == cells[2] == small
    assert "<svg" not in html        # no pair, no arcs


def test_names_are_escaped_and_the_class_is_said_where_there_is_one():
    matrix = np.array([[0.0, 0.1], [0.1, 0.0]])
    told = (Pair(0, 1, 0.2, 0.2),)
    html = pairs.page(_found([matrix, matrix], [["<b>", "&"], ["映画", "بد"]], (told, told), np.array([1, 0])),
                      class_names=["no", "<i>yes"])
    assert "<b>" not in html and "&lt;b&gt;" in html and "towards class <bdi>&lt;i&gt;yes" in html
    assert "towards class <bdi>no" in html and "映画 × بد" in html
    none = pairs.page(_found([matrix], [["a", "b"]], (told,), np.array([-1])))   # a weighted sum of classes
    assert "towards class" not in none
