"""Tokens back to the bytes of the raw text: exact where the graph can be asked, never a guess between two places."""

import random

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from graph_tools import _tf
from tests.models import tokenizers
from tf1_ig import byte_spans
from tf1_ig.show import terminal
from tf1_ig.show.raw import raw_strips


def explain(build, texts, **options):
    tf = _tf.tf
    with tf.Graph().as_default() as graph, _tf.control_flow_v1():
        output = build()
        with tf.Session(graph=graph) as session:
            session.run(tf.global_variables_initializer())
            model = gt.from_session(session)
    with tf1_ig.IntegratedGradients(model, output) as explainer:
        return explainer.explain({"text:0": np.array(texts, object)}, label=1, steps=8, **options)


def sources(found, row):
    """``(token, the bytes it came from)`` of one row."""
    (name, texts), = found.raw_texts.items()
    raw = texts[row].encode("utf-8", "surrogateescape")
    return [(token, span and raw[span[0]:span[1]].decode("utf-8", "replace"))
            for token, span in zip(found.strings[name][row], found.spans[name][row])]


def spans(found, row):
    return next(iter(found.spans.values()))[row]


def test_words_repeated():
    found = explain(tokenizers.words, ["good  good bad", "", " bad"])
    assert [spans(found, row) for row in range(3)] == [[(0, 4), (6, 10), (11, 14)], [], [(1, 4)]]
    assert found.raw_texts[next(iter(found.spans))] == ["good  good bad", "", " bad"]


def test_lower_case_and_punctuation():
    found = explain(tokenizers.lowered_words, ["Sehr Gut, SEHR gut!", "ÄRGER? (ärger)"])
    assert sources(found, 0) == [("sehr", "Sehr"), ("gut", "Gut"), ("sehr", "SEHR"), ("gut", "gut")]
    assert sources(found, 1) == [("ärger", "ÄRGER"), ("ärger", "ärger")]
    assert spans(found, 1) == [(0, 6), (9, 15)]


def test_punctuation_marks_are_found_between_words():
    found = explain(tokenizers.words_and_signs, ["Oh! no, no.", "a ! b ! !"])
    assert sources(found, 0) == [("Oh", "Oh"), ("!", "!"), ("no", "no"), (",", ","), ("no", "no"), (".", ".")]
    assert spans(found, 1) == [(0, 1), (2, 3), (4, 5), (6, 7), (8, 9)]


def test_pairs_of_bytes_in_a_loop_over_the_rows():
    texts = ["def f(x):\n  return x", "aaaa", "nä!", "", "x" * 60]
    found = explain(tokenizers.bytes_in_pairs, texts)
    for row, text in enumerate(texts):
        count = min(max(len(text.encode()) - 1, 0), 40)
        assert spans(found, row) == [(start, start + 2) for start in range(count)]


def test_a_matrix_of_substrings():
    found = explain(tokenizers.first_letters, ["abca", "a  a"])
    assert [spans(found, row) for row in range(2)] == [[(0, 1), (1, 2), (2, 3), (3, 4)]] * 2


def test_unicode_characters():
    if not hasattr(_tf.tf.strings, "unicode_split"):
        pytest.skip("this release has no unicode_split")
    found = explain(tokenizers.characters, ["nä一𠀀n", "b"])
    assert spans(found, 0) == [(0, 1), (1, 3), (3, 6), (6, 10), (10, 11)]
    assert spans(found, 1)[0] == (0, 1) and not any(spans(found, 1)[1:])  # padding has no place


def test_dropped_words_leave_the_others_their_places():
    found = explain(tokenizers.without_stop_words, ["the cat and the dog", "a dog a dog"])
    assert sources(found, 0) == [("cat", "cat"), ("and", "and"), ("dog", "dog")]
    assert spans(found, 1) == [(2, 5), (8, 11)]


def test_what_the_graph_does_not_cut_alike_is_placed_only_where_it_must_be():
    found = explain(tokenizers.only_known_words, ["a good film, not bad ", "good or bad", "so goodgood good"])
    assert sources(found, 0) == [("good", "good"), ("bad", "bad")]
    assert spans(found, 1) == [(0, 4), (8, 11)]
    assert spans(found, 2) == [None], "one of three: no guess"
    assert "no certain place" in found.to_html()


def test_serialized_examples_are_opened():
    tf = _tf.tf
    examples = [tf.train.Example(features=tf.train.Features(feature={"words": tf.train.Feature(
        bytes_list=tf.train.BytesList(value=[text]))})).SerializeToString() for text in (b"so good", b"good good")]
    found = explain(tokenizers.serialized_examples, examples)
    assert next(iter(found.raw_texts.values())) == ["so good", "good good"]
    assert [spans(found, row) for row in range(2)] == [[(0, 2), (3, 7)], [(0, 4), (5, 9)]]


def test_categories_are_no_texts():
    found = explain(tokenizers.categories, ["good", "bad"])
    assert found.spans is None and found.raw_texts is None and found.strings


def test_random_texts():
    """The whole of what white space leaves, wherever it stands: against Python's own split."""
    made = random.Random(7)
    parts = ["a", "b", "ab", " ", "  ", "é", "一", "!", "7"]
    texts = ["".join(made.choice(parts) for _ in range(made.randrange(1, 30))) for _ in range(40)]
    found = explain(tokenizers.words, texts)
    for row, text in enumerate(texts):
        expected, start = [], 0
        for word in text.split(" "):
            if word:
                expected.append((start, start + len(word.encode())))
            start += len(word.encode()) + 1
        for mine, right in zip(spans(found, row), expected):
            assert mine in (right, None)
            assert mine is not None or text.encode()[right[0]:right[1]].strip(b"!") == b""


def test_view_and_storage(tmp_path):
    found = explain(tokenizers.bytes_in_pairs, ["def f", b"a\xffb", "if <b>"])
    for name in ("result.json", "result.npz"):
        found.save(str(tmp_path / name))
        again = tf1_ig.load_attribution(str(tmp_path / name))
        assert again.spans == found.spans and again.raw_texts == found.raw_texts
    for row in range(3):
        strip, = raw_strips(found, row)
        assert strip.total == pytest.approx(sum(np.sum(values[row]) for values in found.values.values()), abs=1e-9)
    assert [token.text for token in raw_strips(found, 0)[0].tokens] == list("def f")
    assert found[2:].spans == {name: rows[2:] for name, rows in found.spans.items()}
    assert "raw text" in found.to_html()


def test_bytes_of_one_character_are_shown_as_one():
    found = explain(tokenizers.bytes_in_pairs, ["nä!"])
    assert [token.text for token in raw_strips(found, 0)[0].tokens] == ["n", "ä", "!"]


@pytest.mark.parametrize("build, expected", [
    (tokenizers.single_bytes, ["n", "\\xc3", "\\xa4", "!"]),
    (tokenizers.bytes_in_pairs, ["n \\xc3", "\\xc3 \\xa4", "\\xa4 !"])])
def test_a_byte_that_is_no_character_is_shown_as_what_it_is(build, expected):
    found = explain(build, ["nä!"])
    assert next(iter(found.strings.values())) == [expected]
    said, page = terminal.summary(found, tf1_ig.check(found)), found.to_html()
    assert all(token in said for token in expected) and "\ufffd" not in said + page
    assert [token.text for token in raw_strips(found, 0)[0].tokens] == ["n", "ä", "!"]


def test_by_order_alone():
    assert byte_spans("Ein guter, guter Film", ["ein", "guter", "guter", "film"]) == [
        (0, 3), (4, 9), (11, 16), (17, 21)]
    assert byte_spans("a the", ["[CLS]", "the", ""]) == [None, (2, 5), None]
    assert byte_spans("the cat the", ["the"]) == [None]
    assert byte_spans("A a", ["a"]) == [None], "the token may have been a capital"
    assert byte_spans("A a", ["A"]) == [(0, 1)], "these tokens keep their case"
    assert byte_spans("Café ﬁn", ["cafe", "fin"]) == [(0, 5), (6, 10)]
    assert byte_spans("Cafe\u0301 x", ["cafe", "x"]) == [(0, 6), (7, 8)]
    assert byte_spans(b"a\xff b", [b"a\xff", "b"]) == [(0, 2), (3, 4)]
    assert byte_spans("b a", ["a", "b"]) == [None, None], "not in the order of the text"
    assert byte_spans("", ["a"]) == [None] and byte_spans("a", []) == []
