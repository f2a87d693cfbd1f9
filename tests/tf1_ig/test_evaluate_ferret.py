"""Comprehensiveness and sufficiency against ferret's own evaluators, on the same function; and against the paper."""

import types

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from tf1_ig import demo

SENTENCES = ["The plot makes no sense, but the acting is superb.", "Charming, tense and never boring.",
             "A dull and lifeless film that never finds its feet.",
             "This is one of the funniest comedies of the year and a wonderful surprise."]
IDS, LENGTHS, MASK = "input/dequeue:0", "input/dequeue:1", 0


@pytest.fixture(scope="module")
def opened():
    ids, lengths = demo.encode([demo.tokenize(text) for text in SENTENCES], demo.load_vocabulary())
    with tf1_ig.IntegratedGradients(gt.load(demo.MODEL), "class/probabilities:0") as explainer:
        yield explainer, {IDS: ids, LENGTHS: lengths}


class Words:
    """Ids as ferret's tokenizer gives them: a text is the ids in digits."""

    mask_token_id, cls_token = MASK, "none"

    def __call__(self, texts, **_):
        torch = pytest.importorskip("torch")
        rows = [[int(word) for word in text.split()] for text in ([texts] if isinstance(texts, str) else texts)]
        wide = max(map(len, rows))
        return {"input_ids": torch.tensor([row + [0] * (wide - len(row)) for row in rows]),
                "attention_mask": torch.tensor([[1] * len(row) + [0] * (wide - len(row)) for row in rows])}

    def decode(self, ids):
        return " ".join(str(int(one)) for one in ids)


def classifier(explainer):
    """The frozen graph as ferret's model: probabilities as logits of their own."""
    torch = pytest.importorskip("torch")

    class Model:
        device = "cpu"

        def __call__(self, input_ids, attention_mask, output_hidden_states=False):
            said = explainer.outputs({IDS: input_ids.numpy().astype(np.int32),
                                      LENGTHS: attention_mask.sum(1).numpy().astype(np.int32)})
            return types.SimpleNamespace(logits=torch.tensor(np.log(said.astype(np.float64))))

    return Model()


@pytest.mark.parametrize("removal", ["cut", {IDS: MASK}])
def test_both_are_those_of_ferret(opened, removal):
    pytest.importorskip("torch", reason="ferret runs on PyTorch: pip install tf1-ig[bridges]")
    ferret = pytest.importorskip("ferret", reason="pip install tf1-ig[bridges]")
    explanation = pytest.importorskip("ferret.explainers.explanation").Explanation
    explainer, feed = opened
    top = explainer.outputs(feed).argmax(1)
    result = explainer.explain(feed, "top")
    found = tf1_ig.evaluate(explainer, feed, "top", ["comprehensiveness", "sufficiency"], attribution=result,
                            removal=removal)
    model, tokenizer = classifier(explainer), Words()
    for name, evaluator in (("comprehensiveness", ferret.AOPC_Comprehensiveness_Evaluation),
                            ("sufficiency", ferret.AOPC_Sufficiency_Evaluation)):
        for row, count in enumerate(feed[LENGTHS]):
            ids = feed[IDS][row, :count]
            told = explanation(tokenizer.decode(ids), [str(one) for one in ids],
                               np.array(result.tokens["embedding/lookup:0"][row, :count]), "ours", int(top[row]))
            theirs = evaluator(model, tokenizer).compute_evaluation(
                told, target=int(top[row]), remove_first_last=False, removal_args={"remove_tokens": removal == "cut"})
            assert found[name].rows[row] == pytest.approx(float(theirs.score), abs=1e-5), (name, row)
    assert (found["comprehensiveness"].rows > 0.1).all()


def test_both_are_the_mean_over_tenths_of_the_words_by_hand(opened):
    """As the paper has it: the score less that without the rationale, and less that of the rationale alone."""
    explainer, feed = opened
    result = explainer.explain(feed, "top")
    found = tf1_ig.evaluate(explainer, feed, "top", ["comprehensiveness", "sufficiency"], attribution=result,
                            removal="cut")

    def score(words, of):
        ids, lengths = demo.encode([words], demo.load_vocabulary())
        return explainer.outputs({IDS: ids, LENGTHS: lengths})[0, of]

    for row, text in enumerate(SENTENCES):
        words, values = demo.tokenize(text), result.tokens["embedding/lookup:0"][row]
        top = explainer.outputs(feed)[row].argmax()
        ranked = sorted((at for at in range(len(words)) if values[at] > 0), key=lambda at: -values[at])
        sizes = sorted({min(tenth * len(words) // 10, len(ranked)) for tenth in range(1, 11)} - {0})
        without = [score([word for at, word in enumerate(words) if at not in ranked[:size]], top) for size in sizes]
        alone = [score([word for at, word in enumerate(words) if at in ranked[:size]], top) for size in sizes]
        assert found["comprehensiveness"].rows[row] == pytest.approx(score(words, top) - np.mean(without), abs=1e-5)
        assert found["sufficiency"].rows[row] == pytest.approx(score(words, top) - np.mean(alone), abs=1e-5)
    for one in found:
        assert one.verdict == "ok" and one.interval[0] <= one.value <= one.interval[1]
    assert found["comprehensiveness"].value > found["comprehensiveness"].control
    assert found["sufficiency"].value < found["sufficiency"].control


def test_random_words_that_do_better_are_told(opened):
    explainer, feed = opened
    right = explainer.explain(feed, "top")
    wrong = right.__class__(**dict(vars(right), values={name: -value for name, value in right.values.items()}))
    found = tf1_ig.evaluate(explainer, feed, "top", ["comprehensiveness", "sufficiency"], attribution=wrong)
    assert [one.verdict for one in found] == ["warn", "warn"]
    against = {name: -np.abs(value) for name, value in right.values.items()}
    nothing = right.__class__(**dict(vars(right), values=against))
    found = tf1_ig.evaluate(explainer, feed, "top", ["comprehensiveness", "sufficiency"], attribution=nothing)
    assert [one.value for one in found] == [0, 1]  # as ferret has it where no word is said to speak for the class
