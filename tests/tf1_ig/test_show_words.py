import numpy as np
import pytest

from graph_tools.errors import GraphToolsError
from tests.tf1_ig.html_reader import Page
from tests.tf1_ig.results import result
from tf1_ig.show.words import STYLES, merge, merge_result


@pytest.mark.parametrize("style, texts, words", [
    ("wordpiece", ["un", "##happ", "##y", "man", "!"], ["unhappy", "man", "!"]),
    ("wordpiece", ["##odd", "start"], ["##odd", "start"]),
    ("sentencepiece", ["▁un", "happy", "▁man"], ["unhappy", "man"]),
    ("sentencepiece", ["The", "Ġfilm", "s"], ["The", "films"]),
    ("spaces", list("no way"), ["no", " ", "way"]),
    (["一个", "傻子", "在", "北京"], list("一个傻子在北京"), ["一个", "傻子", "在", "北京"]),
    (["whole"], ["whole"], ["whole"])])
def test_words_are_put_together_and_their_sums_kept(style, texts, words):
    values = np.random.RandomState(0).normal(size=(len(texts), 3))
    found, sums = merge(texts, values, style)
    assert found == words and sums.shape == (len(words), 3)
    np.testing.assert_allclose(sums.sum(axis=0), values.sum(axis=0), rtol=1e-12)


def test_each_word_has_the_sum_of_its_own_tokens():
    _, sums = merge(["a", "##b", "c", "##d", "##e"], [1.0, 2.0, 4.0, 8.0, 16.0])
    assert sums.tolist() == [3.0, 28.0]


def test_padding_beyond_the_tokens_stays():
    words, sums = merge(["a", "##b"], [1.0, 2.0, 0.25, 0.5])
    assert words == ["ab"] and sums.tolist() == [3.0, 0.25, 0.5]
    assert merge([], [])[0] == []


@pytest.mark.parametrize("words", [["ab", "d"], ["a"], ["abcd", "e"], ["ab", "", "cd"], ["abc"]])
def test_words_that_do_not_spell_the_tokens_are_refused(words):
    with pytest.raises(GraphToolsError, match="spell|end before"):
        merge(["a", "b", "cd"], [1.0, 1.0, 1.0], words)


def test_other_misuse_is_refused():
    with pytest.raises(GraphToolsError, match=", ".join(STYLES)):
        merge(["a"], [1.0], "syllables")
    with pytest.raises(GraphToolsError, match="2 tokens have 1 values"):
        merge(["a", "b"], [1.0])


def test_a_whole_result_is_shown_by_word_with_its_sums_kept(tmp_path):
    made = result(values=((0.25, 0.5, -1.0), (0.125, 2.0, 0.0)), token_texts=[["un", "##happy", "man"], ["a", "b"]])
    merged = merge_result(made)
    assert merged.token_texts == [["unhappy", "man"], ["a", "b"]]
    assert [row.tolist() for row in merged.tokens["embedding/lookup:0"]] == [[0.75, -1.0], [0.125, 2.0, 0.0]]
    assert [token.text for token in Page(merged.to_html()).tokens] == ["unhappy", "man", "a", "b"]
    merged.save(tmp_path / "words.npz")
    given = merge_result(made[0], [["un##happy", "man"]])
    assert given.token_texts == [["un##happy", "man"]] and len(made.token_texts[0]) == 3
    with pytest.raises(GraphToolsError, match="explain with tokens"):
        merge_result(result())
