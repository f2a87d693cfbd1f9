"""Tokens with their places: the original text is had back exactly, whatever it is written in."""

import importlib.util
import json
import signal
import threading
import time

import numpy as np
import pytest

from tf1_ig.errors import MissingPackageError, RowError, SpecError
from tf1_ig.rows import tokenizers
from tf1_ig.rows.files import Files
from tf1_ig.rows.patience import at_most
from tf1_ig.rows.spec import ExplanationSpec
from tf1_ig.rows.tokenizers import TOKENIZERS, fold, tokenizer

TEXTS = {
    "composed": "Ein schöner, früher Filmé!",
    "decomposed": "Ein scho\u0308ner, fru\u0308her Filme\u0301!",
    "emoji": "So good \U0001F60D\U0001F3FD \U0001F468\u200d\U0001F469\u200d\U0001F467 film",
    "right to left": "\u05e1\u05e8\u05d8 \u05d8\u05d5\u05d1, \u0641\u064a\u0644\u0645 \u062c\u064a\u062f",
    "CJK": "\u4e00\u4e2a\u50bb\u5b50\u5728\u5317\u4eac\u3002",
    "mixed": "\u0130stanbul STRASSE \ufb01lm \u5317\u4eac\tWORD\u00a0\u2028x \u0391\u03a3 12",
    "empty": "",
    "10,000 words": " ".join("Word%d" % number for number in range(10000)),
}
KINDS = ({"kind": "whitespace"}, {"kind": "characters"}, {"kind": "regex", "pattern": r"\w+|[^\w\s]"})


@pytest.mark.dealt
@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("options", KINDS, ids=lambda options: options["kind"])
def test_places_give_the_text_back(name, options):
    text = TEXTS[name]
    for more in ({}, {"lower": True}):
        pieces = tokenizer(dict(options, **more), Files(".", "spec"))(text)
        places = pieces.find()
        assert [text[start:stop].lower() if more else text[start:stop] for start, stop in places] == pieces.tokens or (
            more and "\u0391\u03a3" in text)  # a final sigma depends on what follows it
        starts = [start for start, _ in places]
        assert starts == sorted(starts) and all(start < stop for start, stop in places)
        # Between the tokens nothing is lost; one character may become two ("\u0130" in lower case).
        spans = sorted(set(places))
        edges = [0] + [edge for span in spans for edge in span] + [len(text)]
        assert edges == sorted(edges)
        whole = "".join(text[start:stop] for start, stop in zip(edges, edges[1:]))
        assert whole == text
        if options["kind"] == "characters":
            assert len(places) == len(text.lower() if more else text)


@pytest.mark.parametrize("name", [name for name in TEXTS if name != "empty"])
def test_spans_are_bytes_of_the_text(name):
    spec = ExplanationSpec({"version": 1, "model": {"path": "m"}, "output": "y:0", "feed": {"x:0": {
        "kind": "text", "vocabulary": {"words": ["_", "?"], "unknown": 1}}}})
    cut, = spec.encode([{"text": TEXTS[name]}]).cuts["x:0"]
    raw = TEXTS[name].encode("utf-8")
    assert cut.text == TEXTS[name] and [raw[start:stop].decode("utf-8") for start, stop in cut.spans] == cut.tokens
    assert cut.tokens == TEXTS[name].split() and cut.unknown == len(cut.tokens)


def test_lower_case_is_that_of_the_whole_text():
    for text in TEXTS.values():
        folded = fold(text, True, {})
        assert folded.text == text.lower() and len(folded.places) == len(folded.text) + 1
        for place, char in zip(folded.places, folded.text):
            assert char in text[place].lower() or char == "\u03c2"
    assert fold("a\u2019b", False, {"\u2019": "''"}) == ("a''b", (0, 1, 1, 2, 3))


def test_words_of_characters_know_their_places():
    spec = ExplanationSpec({"version": 1, "model": {"path": "m"}, "output": "y:0", "feed": {"x:0": {
        "kind": "text", "characters": True, "vocabulary": {"words": ["_", "?"], "unknown": 1},
        "tokenizer": {"kind": "whitespace", "lower": True}}}})
    cut, = spec.encode([{"text": "Früh \u5317\u4eac"}]).cuts["x:0"]
    raw = "Früh \u5317\u4eac".encode("utf-8")
    assert cut.words == ["früh", "\u5317\u4eac"] and cut.tokens == [list("früh"), ["\u5317", "\u4eac"]]
    assert [[raw[start:stop].decode("utf-8") for start, stop in word] for word in cut.spans] == [
        list("Früh"), ["\u5317", "\u4eac"]]


def shout(text):
    """A tokenizer of a user's: lower-case words, found again in the text; the last with its place."""
    words = text.lower().split()
    return words[:-1] + [(words[-1], len(text) - len(words[-1]), len(text))] if words else []


def test_a_function_of_the_user_s(monkeypatch):
    tree = {"version": 1, "model": {"path": "m"}, "output": "y:0", "feed": {"x:0": {
        "kind": "text", "vocabulary": {"words": ["good", "film"]},
        "tokenizer": {"kind": "function", "function": __name__ + ":shout"}}}}
    cut, = ExplanationSpec(tree, allow_code=True).encode([{"text": "Good  FILM"}]).cuts["x:0"]
    assert cut.tokens == ["good", "film"] and cut.spans == [(0, 4), (6, 10)] and cut.ids == [0, 1]


def test_tokens_instead_of_a_text():
    spec = ExplanationSpec({"version": 1, "model": {"path": "m"}, "output": "y:0", "feed": {"x:0": {
        "kind": "text", "vocabulary": {"words": ["good", "film"]}}}})
    found = spec.encode([{"text": ["film", "good"]}, {"text": np.array(["film"])}])
    assert found.feed["x:0"].tolist() == [[1, 0], [1, 0]] and found.cuts["x:0"][0].text is None


WORDPIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "un", "##want", "##ed", "film", "schon", ",", "\u5317", "\u4eac"]


@pytest.mark.skipif(importlib.util.find_spec("tokenizers") is None, reason="the package tokenizers is not installed")
def test_word_pieces(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(WORDPIECES), encoding="utf-8")
    spec = ExplanationSpec({"version": 1, "model": {"path": "m"}, "output": "y:0", "feed": {"x:0": {
        "kind": "text", "tokenizer": {"kind": "wordpiece", "file": "vocab.txt", "lower": True},
        "vocabulary": {"file": "vocab.txt", "padding": "[PAD]", "unknown": "[UNK]", "begin": "[CLS]",
                       "end": "[SEP]"}}}}, str(tmp_path))
    text = "Unwanted Film, sch\u00f6n \u5317\u4eac xyz"
    found = spec.encode([{"text": text}])
    cut, raw = found.cuts["x:0"][0], text.encode("utf-8")
    assert cut.tokens == ["[CLS]", "un", "##want", "##ed", "film", ",", "schon", "\u5317", "\u4eac", "[UNK]", "[SEP]"]
    assert found.feed["x:0"].tolist() == [[2, 4, 5, 6, 7, 9, 8, 10, 11, 1, 3]] and cut.unknown == 1
    assert [span and raw[span[0]:span[1]].decode("utf-8") for span in cut.spans] == [
        None, "Un", "want", "ed", "Film", ",", "sch\u00f6n", "\u5317", "\u4eac", "xyz", None]


def test_without_the_package_it_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setitem(importlib.sys.modules, "tokenizers", None)
    with pytest.raises(MissingPackageError, match="pip install 'tf1-ig\\[tokenizers\\]'"):
        tokenizer({"kind": "wordpiece", "file": "vocab.txt"}, Files(str(tmp_path), "spec"))
    assert set(TOKENIZERS) >= {"wordpiece", "bpe", "tokenizers"}


def test_a_pattern_that_tries_every_way_to_read_a_text_ends(monkeypatch):
    """A repeat inside a repeat: each more character doubles the ways, 2⁶⁰ here."""
    monkeypatch.setattr(tokenizers, "SECONDS", 0.3)
    cut = tokenizer({"kind": "regex", "pattern": r"(?:a+)+\b(?!b|$)"}, Files(".", "spec"))
    with pytest.raises(RowError, match=r"more than 0.3 s for a text of 61 characters"):
        cut("a" * 60 + "b")
    assert cut("aa bb a ").tokens == ["aa", "a"]  # the clock is put away
    found = []
    thread = threading.Thread(target=lambda: found.append(cut("aaa a")))
    thread.start()
    thread.join()
    assert found[0].tokens == ["aaa"]


def test_work_of_other_threads_is_not_counted(monkeypatch):
    """The clock runs for all threads, and rings for this one only."""
    with at_most(5.0, lambda: RowError("late")):
        ring = signal.getsignal(signal.SIGVTALRM)
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        ring(signal.SIGVTALRM, None)
        assert 0.0 < signal.getitimer(signal.ITIMER_VIRTUAL)[0] < 50.0  # it waits for the rest
        now = time.thread_time()
        monkeypatch.setattr(time, "thread_time", lambda: now + 5.0)
        with pytest.raises(RowError, match="late"):
            ring(signal.SIGVTALRM, None)
    monkeypatch.setattr(signal, "getsignal", lambda number: None)  # as where it was set from C
    before = signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
    with at_most(5.0, lambda: RowError("late")):
        assert not signal.getitimer(signal.ITIMER_VIRTUAL)[0]
    signal.signal(signal.SIGVTALRM, before)


def test_a_clock_of_the_callers_own_is_kept():
    def rings(number, frame):
        raise AssertionError("it rang")

    before = signal.signal(signal.SIGVTALRM, rings)
    signal.setitimer(signal.ITIMER_VIRTUAL, 100.0)
    try:
        with at_most(5.0, lambda: RowError("late")):
            assert signal.getitimer(signal.ITIMER_VIRTUAL)[0] > 50.0
        assert signal.getsignal(signal.SIGVTALRM) is rings and signal.getitimer(signal.ITIMER_VIRTUAL)[0] > 50.0
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        signal.signal(signal.SIGVTALRM, before)
    with at_most(5.0, lambda: RowError("late")):
        assert 0.0 < signal.getitimer(signal.ITIMER_VIRTUAL)[0] < 50.0
    assert signal.getitimer(signal.ITIMER_VIRTUAL)[0] == 0.0 and signal.getsignal(signal.SIGVTALRM) == before


@pytest.mark.skipif(importlib.util.find_spec("tokenizers") is None, reason="the package tokenizers is not installed")
def test_files_of_the_package_that_it_cannot_follow(tmp_path):
    """A pattern without end, where it panics by an error that is no ``Exception``; and files that are none of its."""
    saved = {"version": "1.0", "added_tokens": [], "pre_tokenizer": {
        "type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": False},
        "model": {"type": "WordLevel", "vocab": {"a": 0, "?": 1}, "unk_token": "?"}}
    (tmp_path / "saved.json").write_text(json.dumps(saved), encoding="utf-8")
    cut = tokenizer({"kind": "tokenizers", "file": "saved.json"}, Files(str(tmp_path), "spec"))
    assert cut("a").tokens == ["a"]
    with pytest.raises(RowError, match="the tokenizer cannot read the text"):
        cut("a" * 60 + "b")
    (tmp_path / "none.json").write_text("[1, 2", encoding="utf-8")
    for options in ({"kind": "bpe", "file": "none.json", "merges": "none.json"},
                    {"kind": "tokenizers", "file": "none.json"}):
        with pytest.raises(SpecError, match="is not a file of the tokenizers package"):
            tokenizer(options, Files(str(tmp_path), "spec"))
