"""The demo model as a real user's model: frozen by TensorFlow 1.15 with its queue and loops in the graph."""

import glob
import os

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from graph_tools import _tf
from graph_tools.errors import FeedError
from tf1_ig import demo

EMBEDDING = "embedding/lookup:0"
SENTENCES = ["The plot makes no sense, but the acting is superb.", "This movie wasn't bad at all!"]


@pytest.fixture(scope="module")
def encoded():
    return demo.encode([demo.tokenize(sentence) for sentence in SENTENCES], demo.load_vocabulary())


@pytest.fixture(scope="module")
def raw_session():
    """The model as TensorFlow reads it: none of our own code between the file and the numbers."""
    graph_def = _tf.tf.GraphDef()
    with open(demo.MODEL, "rb") as file:
        graph_def.ParseFromString(file.read())
    with _tf.tf.Graph().as_default() as graph:
        _tf.tf.import_graph_def(graph_def, name="")
        with _tf.tf.Session(graph=graph) as session:
            yield session


def test_tokens_are_words_numbers_and_loud_marks():
    assert demo.tokenize("It wasn\u2019t half BAD, 10/10!?") == ["it", "wasn't", "half", "bad", "10", "10", "!", "?"]
    assert demo.tokenize(" ...  ") == []


def test_encoding_pads_and_keeps_lengths():
    vocabulary = {"<pad>": 0, "<unk>": 1, "good": 2}
    ids, lengths = demo.encode([["good"], ["good", "grief", "good"]], vocabulary)
    assert ids.tolist() == [[2, 0, 0], [2, 1, 2]] and lengths.tolist() == [1, 3]
    assert ids.dtype == lengths.dtype == np.int32


def test_vocabulary_is_a_bijection_with_padding_first():
    vocabulary = demo.load_vocabulary()
    assert vocabulary["<pad>"] == 0 and vocabulary["<unk>"] == 1
    assert sorted(vocabulary.values()) == list(range(len(vocabulary)))
    assert len(vocabulary) == demo.facts()["vocabulary"]


def test_the_model_is_small_and_still_has_its_queue_and_its_loops():
    folder = os.path.dirname(demo.MODEL)
    assert sum(os.path.getsize(path) for path in glob.glob(os.path.join(folder, "[mv]*.*"))) < 3e6
    ops = [node.op for node in gt.load(demo.MODEL).graph_def.node]
    assert ops.count("FIFOQueueV2") == 1 and ops.count("QueueDequeueV2") == 1 and ops.count("LoopCond") == 2


def test_scores_are_those_of_the_raw_graph(encoded, raw_session):
    attribution = demo.explain(SENTENCES, label=[0, 1])
    expected = raw_session.run(demo.OUTPUT, dict(zip((demo.IDS, demo.LENGTHS), encoded)))
    np.testing.assert_allclose(attribution.score, expected[[0, 1], [0, 1]], atol=1e-6)
    no_words = np.zeros(encoded[0].shape + (32,), np.float32)
    expected = raw_session.run(demo.OUTPUT, {demo.IDS: encoded[0], demo.LENGTHS: encoded[1],
                                             _behind(raw_session, EMBEDDING): no_words})
    np.testing.assert_allclose(attribution.baseline_score, expected[[0, 1], [0, 1]], atol=1e-6)


def test_the_same_with_the_queue_in_the_graph_as_without_it(encoded):
    options = dict(label=1, method="gausslegendre", steps=20)
    without = demo.explain(SENTENCES, **options)
    with tf1_ig.IntegratedGradients(gt.load(demo.MODEL), demo.OUTPUT, EMBEDDING) as explainer:
        with_queue = explainer.explain(dict(zip((demo.IDS, demo.LENGTHS), encoded)), **options)
    (ours,), (theirs,) = without.values.values(), with_queue.values.values()
    assert np.abs(ours).max() > 0.01
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    np.testing.assert_allclose(without.score, with_queue.score, atol=1e-6)


def test_attributions_equal_a_brute_force_that_only_runs_forward(encoded, raw_session):
    """A word's share is the path integral of its directional derivative; here by central differences, in numpy."""
    (ids,), (length,) = encoded[0][1:], encoded[1][1:]
    rows = _behind(raw_session, EMBEDDING)
    ids = ids[:length]
    words = raw_session.run(rows, {demo.IDS: [ids]})[0]  # [tokens, dim]
    points, step = (np.arange(50) + 0.5) / 50, 0.02
    nudges = step * words[None] * np.eye(length)[:, :, None]  # [token, tokens, dim]
    path = points[:, None, None, None] * words
    ends = np.concatenate([path + nudges, path - nudges]).reshape((-1,) + words.shape)
    scores = raw_session.run(demo.OUTPUT, {rows: ends, demo.IDS: np.tile(ids, (len(ends), 1)),
                                           demo.LENGTHS: np.repeat(length, len(ends))})[:, 0]
    up, down = scores.astype(np.float64).reshape(2, len(points), length)
    expected = ((up - down) / (2 * step)).mean(0)
    attribution = demo.explain(SENTENCES[1:], label=0, tolerance=1e-3)
    np.testing.assert_allclose(attribution.tokens[EMBEDDING][0], expected, atol=0.01 * np.abs(expected).sum())
    assert np.abs(attribution.tokens[EMBEDDING][0] - expected).sum() < 0.01 * np.abs(expected).sum()


def test_padding_gets_nothing_and_company_changes_nothing():
    alone, together = demo.explain(SENTENCES[1:], label=0), demo.explain(SENTENCES, label=0)
    length = len(alone.token_texts[0])
    assert np.all(together.tokens[EMBEDDING][1, length:] == 0)
    np.testing.assert_allclose(together.tokens[EMBEDDING][1, :length], alone.tokens[EMBEDDING][0], atol=2e-3)


def test_run_prints_a_summary_and_writes_one_page(tmp_path, capsys):
    out = tmp_path / "page.html"
    attribution = demo.run(["A truly superb zorblax."], out=str(out))
    printed = capsys.readouterr().out
    assert "positive" in printed and "superb +" in printed and "not in the vocabulary: zorblax" in printed
    assert "%.1f %%" % (100 * demo.facts()["test"]["accuracy"]) in printed
    page = out.read_text(encoding="utf-8")
    assert "zorblax" in page and "positive" in page and "<script" not in page
    assert attribution.converged.all()


def test_default_sentences_all_converge(tmp_path):
    attribution = demo.run(out=str(tmp_path / "page.html"))
    assert len(attribution) == len(demo.SENTENCES) and attribution.converged.all()
    assert attribution.relative_delta.max() <= 0.01


@pytest.mark.parametrize("sentences", [[], "one sentence", ["good", "..."]])
def test_what_is_no_list_of_sentences_is_refused_before_anything_is_written(sentences, tmp_path, capsys):
    with pytest.raises(FeedError):
        demo.run(sentences, out=str(tmp_path / "page.html"))
    assert capsys.readouterr().out == "" and not list(tmp_path.iterdir())


def _behind(session, tensor):
    """The tensor that the model computes on: a lookup's Identity, where there is one."""
    consumer = [op for op in session.graph.get_tensor_by_name(tensor).consumers() if op.type == "Identity"]
    return consumer[0].outputs[0] if consumer else tensor
