"""Other libraries on the operated graph; those that are not installed are said to be missing."""

import itertools
import json
import os
from types import SimpleNamespace

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from graph_tools import _tf
from graph_tools.errors import StateError
from tests.models import small
from tf1_ig import bridges, demo
from tf1_ig.bridges import stacked
from tf1_ig.errors import InputError, RowError

SENTENCES = ["The plot makes no sense, but the acting is superb.", "A dull film.", "This film wasn't bad at all."]


@pytest.fixture(scope="module")
def demo_at():
    words = [demo.tokenize(text) for text in SENTENCES]
    ids, lengths = demo.encode(words, demo.load_vocabulary())
    with tf1_ig.IntegratedGradients(gt.load(demo.MODEL), "class/probabilities:0") as explainer:
        feed = {"input/dequeue:0": ids, "input/dequeue:1": lengths}
        yield explainer.at(feed, label=1), explainer, feed


ROWS = "embedding/lookup:0"


def test_stacked_rows_go_to_their_own_feeds(demo_at):
    at, _, _ = demo_at
    own = at.entries[ROWS]
    tiled = np.concatenate([0.5 * own, own])
    each = np.repeat(own, 2, axis=0) * np.tile([0.5, 1.0], 3)[:, None, None]
    halves, wholes = at.scores({ROWS: 0.5 * own}), at.score
    np.testing.assert_allclose(stacked.scores(at, [tiled]), np.concatenate([halves, wholes]), atol=1e-6)
    numbered = stacked.scores(at, [each], np.repeat(np.arange(3), 2))
    np.testing.assert_allclose(numbered, np.stack([halves, wholes], 1).ravel(), atol=1e-6)
    scores, (gradient,) = stacked.gradients(at, [each[:3]], np.array([0, 0, 1]))
    np.testing.assert_allclose(scores, [halves[0], wholes[0], halves[1]], atol=1e-6)
    np.testing.assert_allclose(gradient[2], at.gradients({ROWS: 0.5 * own})[1][ROWS][1], atol=1e-6)
    assert stacked.scores(at, [own[:0]]).shape == (0,)


@pytest.mark.parametrize("arrays, rows, words", [
    ([np.zeros((2, 9, 32))], None, "was given with shape"), ([], None, "0 tensors were given for the inputs"),
    ("four", None, "no whole copies of the 3"), ("four", np.array([0, 1, 2, 3]), "one below 3 for each")])
def test_what_does_not_fit_is_told(demo_at, arrays, rows, words):
    at, _, _ = demo_at
    if isinstance(arrays, str):
        arrays = [np.concatenate([at.entries[ROWS], at.entries[ROWS][:1]])]
    with pytest.raises(InputError, match=words):
        stacked.scores(at, arrays, rows)


def test_eager_tensors_have_gradients(demo_at):
    at, _, _ = demo_at
    if not _tf.tf.executing_eagerly():
        with pytest.raises(StateError, match="eager execution is off"):
            bridges.eager_function(at)
        return
    import tensorflow

    function = bridges.eager_function(at)
    entries = tensorflow.constant(0.7 * at.entries[ROWS])
    with tensorflow.GradientTape() as tape:
        tape.watch(entries)
        total = tensorflow.reduce_sum(function(entries) * tensorflow.constant([1.0, 2.0, -1.0]))
    _, wanted = at.gradients({ROWS: 0.7 * at.entries[ROWS]})
    np.testing.assert_allclose(tape.gradient(total, entries).numpy(),
                               wanted[ROWS] * np.array([1, 2, -1])[:, None, None], atol=1e-6)


@pytest.fixture
def demo_spec(tmp_path):
    path = str(tmp_path / "spec.json")
    from tf1_ig import cli
    assert cli.main(["inspect", demo.MODEL, "--spec", path, "--vocab", os.path.join(
        os.path.dirname(demo.MODEL), "vocab.txt")]) == 0
    assert json.load(open(path))["version"] == 1
    return tf1_ig.load_spec(path)


def test_texts_and_rows_are_predicted(demo_at, demo_spec):
    _, explainer, feed = demo_at
    with bridges.predict(demo_spec) as classify:
        texts = classify(SENTENCES)
        rows = classify([{demo_spec.columns[0]: text} for text in SENTENCES])
        assert classify([]).shape == (0,)
        with pytest.raises(RowError, match="has no token"):
            classify(["  "])
    np.testing.assert_allclose(texts, rows, atol=1e-6)
    np.testing.assert_allclose(texts, explainer.outputs(feed), atol=1e-5)


def test_captum_runs_on_the_frozen_graph(demo_at):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    attr = pytest.importorskip("captum.attr", reason="captum is not installed")
    from captum.metrics import infidelity
    at, explainer, feed = demo_at
    function, entries = bridges.torch_function(at), torch.tensor(at.entries[ROWS])
    theirs = attr.IntegratedGradients(function).attribute(entries, n_steps=50, method="gausslegendre")
    ours = explainer.explain(feed, label=1, method="gausslegendre", steps=50)
    np.testing.assert_allclose(theirs.numpy(), ours.values[ROWS], atol=1e-6)
    mask = torch.arange(entries.shape[1])[None, :, None].expand(1, entries.shape[1], entries.shape[2])
    ablated = attr.FeatureAblation(function).attribute(entries, feature_mask=mask, perturbations_per_eval=4)
    occluded = explainer.explain_variant("occlusion", feed, label=1)
    np.testing.assert_allclose(ablated.numpy()[:, :, 0], occluded.tokens[ROWS], atol=1e-5)
    numbers = torch.arange(len(at))
    noisy = attr.NoiseTunnel(attr.Saliency(function)).attribute(entries, nt_samples=3, stdevs=0.0, abs=False,
                                                                additional_forward_args=numbers)
    np.testing.assert_allclose(noisy.numpy(), at.gradients(at.entries)[1][ROWS], atol=1e-6)
    one = explainer.at({name: value[:1] for name, value in feed.items()}, label=1)
    single = bridges.torch_function(one)
    shap = attr.KernelShap(single).attribute(torch.tensor(one.entries[ROWS]), feature_mask=mask[:, :entries.shape[1]],
                                             n_samples=200)
    whole = float(one.score[0] - one.scores({ROWS: 0 * one.entries[ROWS]})[0])
    assert shap[0, :, 0].sum() == pytest.approx(whole, abs=1e-3)
    found = infidelity(function, lambda x: (0.01 * torch.randn_like(x),) * 2, entries,
                       theirs.to(entries.dtype) / entries.clamp(min=1e9), n_perturb_samples=2)
    assert found.shape == (3,) and torch.isfinite(found).all()


def test_lime_takes_the_predictions(demo_spec):
    text = pytest.importorskip("lime.lime_text", reason="lime is not installed")
    with bridges.predict(demo_spec, empty="nosuchword") as classify:
        explained = text.LimeTextExplainer(random_state=0).explain_instance(
            "A superb film but dull", classify, num_samples=200, labels=[1])
        weights = dict(explained.as_list(label=1))
    assert weights["superb"] > 0 > weights["dull"]


def test_anchors_takes_the_predictions(demo_spec):
    """The words that hold the prediction, and how often they do on texts that keep them, counted again here."""
    anchors = pytest.importorskip("anchor.anchor_text", reason="anchor-exp is not installed")
    with bridges.predict(demo_spec, empty="nosuchword") as classify:
        def words_of(text):
            found, start = [], 0
            for word in text.split():
                found.append(SimpleNamespace(text=word, idx=text.index(word, start)))
                start = found[-1].idx + len(word)
            return found

        np.random.seed(0)
        explained = anchors.AnchorText(words_of, ["negative", "positive"]).explain_instance(
            "this film is superb", lambda texts: classify(list(texts)).argmax(axis=1), threshold=0.9)
        kept = explained.names()
        others = [word for word in "this film is superb".split() if word not in kept]
        texts = [" ".join(word for word in "this film is superb".split() if word in kept or word in some)
                 for some in itertools.chain.from_iterable(
                     itertools.combinations(others, count) for count in range(len(others) + 1))]
        held = (classify(texts).argmax(axis=1) == 1).mean()
    assert "superb" in kept and held >= 0.9 and explained.precision() >= 0.9


def test_shap_takes_the_predictions(demo_spec):
    """Kernel SHAP over which of four words are there, against Shapley values by all subsets of the same function."""
    shap = pytest.importorskip("shap", reason="shap is not installed")
    words = ["superb", "film", "but", "dull"]
    with bridges.predict(demo_spec, empty="nosuchword") as classify:
        def scores(masks):
            texts = [" ".join(word for word, there in zip(words, mask) if there) for mask in np.asarray(masks)]
            return classify(texts)[:, 1]

        found = shap.KernelExplainer(scores, np.zeros((1, 4))).shap_values(np.ones(4), nsamples=100, silent=True)
        subsets = np.array(list(itertools.product([0, 1], repeat=4)))
        known = {tuple(mask): score for mask, score in zip(subsets.tolist(), scores(subsets))}
    wanted = np.zeros(4)
    for order in itertools.permutations(range(4)):
        there = [0, 0, 0, 0]
        for word in order:
            before = known[tuple(there)]
            there[word] = 1
            wanted[word] += (known[tuple(there)] - before) / 24
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert wanted[0] > 0 > wanted[3]


def test_lit_shows_predictions_and_shares(demo_at, demo_spec):
    pytest.importorskip("lit_nlp", reason="lit_nlp is not installed")
    from lit_nlp.api import dataset, types
    from lit_nlp.components import lime_explainer
    _, explainer, feed = demo_at
    model = bridges.lit_model(demo_spec, empty="nosuchword")
    try:
        column = demo_spec.columns[0]
        given = dataset.Dataset({column: types.TextSegment()}, [{column: text} for text in SENTENCES])
        assert model.is_compatible_with_dataset(given)
        found = list(model.predict(given.examples))
        ours = explainer.explain(feed, label="top")
        for row, one in enumerate(found):
            np.testing.assert_allclose(one["probabilities"], ours.outputs[row], atol=1e-5)
            count = len(one["tokens"])
            np.testing.assert_allclose(one["token_attributions"].salience, ours.tokens[ROWS][row][:count], atol=1e-4)
            assert list(one["token_attributions"].tokens) == one["tokens"]
        for field, spec in model.output_spec().items():
            spec.validate_output(found[0][field], model.output_spec(), found[0], model.input_spec(), given.spec(),
                                 given.examples[0])
        lime = lime_explainer.LIME()
        assert lime.is_compatible(model, given)
        salience = lime.run([{column: "A superb film but dull"}], model, given,
                           config={"_salience_target": {"field": "probabilities", "index": 1}, "Seed": 0,
                                   "Number of samples": 200})[0]
        weights = dict(zip(salience[column].tokens, salience[column].salience))
        assert weights["superb"] > 0 > weights["dull"]
        assert list(model.predict([])) == []
    finally:
        model.close()


def test_sparse_inputs_are_refused_by_name():
    feed = {"bag/indices:0": np.array([[0, 0], [1, 0], [1, 1]]), "bag/values:0": np.array([1, 2, 3]),
            "bag/shape:0": np.array([2, 2])}
    with tf1_ig.IntegratedGradients(small.model_of(small.word_bags), "y") as explainer:
        with pytest.raises(InputError, match="rows of different lengths"):
            stacked.scores(explainer.at(feed, label=1), [np.zeros((2, 3))])
