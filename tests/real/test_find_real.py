"""Embeddings and outputs of models that published packages ship: the right one first, and the split changes nothing."""

import numpy as np
import pytest

import graph_tools as gt
from graph_tools import _tf
from tests.real.packages import fetch_package

pytestmark = pytest.mark.real


def test_fool_seg_table_is_a_concat():
    model = gt.load(str(fetch_package("fool_seg") / "data" / "seg.pb"))
    one = gt.find_embeddings(model).only()
    assert (one.tensor, one.ids, one.table) == ("char_embedding/embedding_lookup:0", "char_inputs:0", "concat:0")
    assert (one.vocab_size, one.dim, one.shape) == (6592, 100, (None, None, 100))
    assert one.per_occurrence and one.owner is None and "ConcatV2 of" in one.why
    assert [(head.tensor, head.kind) for head in gt.find_outputs(model)] == [("project/logits:0", "logits")]
    assert "transitions crf_loss/transitions:0" in gt.find_outputs(model)[0].why
    feed = {"char_inputs:0": [[5, 7, 7], [9, 0, 1]], "lengths:0": [3, 2], "dropout:0": 1.0}
    with model.open_session() as session:
        table, rows = session.run([one.table, one.tensor], feed)
    np.testing.assert_array_equal(rows, table[np.array(feed["char_inputs:0"])])


def test_minlp():
    folder = fetch_package("minlp")
    model = gt.load(str(folder / "minlptokenizer" / "model" / "zh" / "b-fine-cnn-crf-an2cn.pb"))
    one = gt.find_embeddings(model, output="logits:0").only()
    assert (one.tensor, one.ids, one.vocab_size, one.dim) == (
        "embedding_1/embedding_lookup:0", "char_ids_batch:0", 14067, 300)
    assert gt.find_outputs(model).only().tensor == "logits:0"


@pytest.mark.skipif(_tf.version < (2, 0), reason="the graph was written by TensorFlow 2.5, newer than 1.15 can read")
def test_guesslang_two_lookups_of_the_same_bigrams():
    model = gt.load(str(fetch_package("guesslang") / "guesslang" / "data" / "model"))
    head = gt.find_outputs(model).only(kind="softmax")
    assert head.tensor == "head/predictions/probabilities:0" and head.logits == "add:0"
    found = gt.find_embeddings(model, output=head)
    assert [(one.kind, one.vocab_size, one.dim, one.per_occurrence, one.caveat) for one in found] == [
        ("sparse", 5000, 70, False, ""), ("sparse", 5000, 54, False, "")]
    texts = ["def f(x):\n  return x", "", "int main() { int x; }"]
    split = model
    for one in found:
        split, edit = gt.split_occurrences(split, one)
        assert edit.placeholders[one.tensor].endswith("/occurrences/rows:0")
    with model.open_session() as session:
        before = session.run([head.tensor, head.logits], {"Placeholder:0": texts})
    after = gt.find_embeddings(split, output=head)
    assert [one.kind for one in after] == ["occurrences", "occurrences"]
    fetches = [[one.tensor, one.owner, one.strings, one.ids] for one in after]
    with split.open_session() as session:
        same, harvested = session.run([[head.tensor, head.logits], fetches], {"Placeholder:0": texts})
    for was, now in zip(before, same):
        np.testing.assert_allclose(now, was, atol=1e-6)
    for rows, owner, strings, ids in harvested:
        assert len(rows) == len(owner) == len(strings) == len(ids)
        for number, text in enumerate(texts):
            mine = [string.decode() for string in strings[owner == number]]
            assert mine == _bigrams(text)
    assert len(harvested[0][0]) > len(np.unique(harvested[0][3]))  # some bigram occurs twice, and has two rows


def _bigrams(text):
    """Characters in pairs, a blank between them, as the graph joins them; texts are split into characters before."""
    return ["%s %s" % pair for pair in zip(text, text[1:])]
