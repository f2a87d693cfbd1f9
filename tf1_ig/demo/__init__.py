"""The demo: why a small TensorFlow-1 model finds a sentence positive or negative.

The model is as a training job leaves it: frozen with its input queue still in the graph, a bidirectional GRU as two
while loops, dropout as a keep-probability placeholder. ``scripts/train_demo.py`` made it; ``model.json`` says on what
and how well it does.
"""

import json
import os
from typing import Any, Dict, List, Optional, Sequence

import graph_tools as gt
import tf1_ig
from graph_tools.errors import FeedError
from tf1_ig.demo.text import encode, load_vocabulary, tokenize
from tf1_ig.result import storage

__all__ = ["MODEL", "OUTPUT", "SENTENCES", "encode", "explain", "facts", "load_vocabulary", "run", "tokenize"]

_FOLDER = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.join(_FOLDER, "model.pb")
OUTPUT = "class/probabilities:0"
IDS, LENGTHS = "input/dequeue:0", "input/dequeue:1"  # what the queue delivers, by the names of the training graph

SENTENCES = (
    "A wonderful, funny film that never loses its nerve.",
    "The plot makes no sense, but the acting is superb.",
    "I wanted to love this film, but it bored me to tears.",
    "Dull, slow and far too long.",
    "This movie wasn't bad at all!",
)
_SHOWN = 4  # tokens per sentence in the terminal


def facts() -> Dict[str, Any]:
    """What the training script measured: test accuracy and size, classes, corpus, seed (``model.json``)."""
    with open(os.path.join(_FOLDER, "model.json"), encoding="utf-8") as file:
        return json.load(file)


def explain(sentences: Sequence[str], label: Any = "top", **options: Any) -> Any:
    """Attributions of the words of sentences: the queue swapped for placeholders, then Integrated Gradients.

    Args:
      sentences: texts.
      label: 0 negative, 1 positive, one per sentence, or ``"top"``.
      **options: further arguments of ``IntegratedGradients.explain``.

    Returns:
      A ``tf1_ig.Attribution`` whose tokens are float ``[sentences, tokens]``.

    Raises:
      FeedError: no sentence, or one without a single word.
    """
    tokens = _tokens(sentences)
    model, edit = gt.swap_inputs(gt.load(MODEL))
    ids, lengths = encode(tokens, load_vocabulary())
    feed = {edit.placeholders[IDS]: ids, edit.placeholders[LENGTHS]: lengths}
    with tf1_ig.IntegratedGradients(model, OUTPUT, gt.find_embeddings(model, OUTPUT).only()) as explainer:
        return explainer.explain(feed, label=label, tokens=tokens, **options)


def run(sentences: Optional[Sequence[str]] = None, out: str = "demo.html") -> Any:
    """Explains sentences (or those of the demo), prints a summary and writes a page; returns the ``Attribution``.

    Args:
      sentences: texts; ``None`` takes ``SENTENCES``.
      out: the HTML file to write.

    Raises:
      FeedError: no sentence, or one without a single word.
      ResultFileError: ``out`` does not end in ``.html`` or cannot be written.
    """
    sentences = SENTENCES if sentences is None else sentences
    storage.check_path(out, (".html",))
    _tokens(sentences)  # a sentence that will not do is told before anything is printed
    known = facts()
    print(_introduction(known))
    attribution = explain(sentences)
    vocabulary = load_vocabulary()
    for row, sentence in enumerate(sentences):
        print(_summary(attribution, row, sentence, known["classes"], vocabulary))
    attribution.save(out, class_names=known["classes"], title="Why does the demo model say that?")
    print("\nEvery word in colour: %s" % os.path.abspath(out))
    return attribution


def _tokens(sentences: Sequence[str]) -> List[List[str]]:
    if isinstance(sentences, str) or not len(sentences):
        raise FeedError("the demo explains a list of sentences, not %r" % (sentences,))
    tokens = [tokenize(sentence) for sentence in sentences]
    for sentence, found in zip(sentences, tokens):
        if not found:
            raise FeedError("no word to explain in %r; give a sentence in English" % sentence)
    return tokens


def _introduction(known: Any) -> str:
    test = known["test"]
    return ("A bidirectional GRU frozen by %s with its input queue in the graph;\n"
            "right on %.1f %% of %d held-out movie snippets (majority class %.1f %%).\n"
            "The queue becomes placeholders, the loops get their gradients back, and each word its share:" % (
                known["trained_with"], 100 * test["accuracy"], test["n"], 100 * test["majority"]))


def _summary(attribution: Any, row: int, sentence: str, classes: Sequence[str], vocabulary: Dict[str, int]) -> str:
    tokens = attribution.token_texts[row]
    values, = attribution.tokens.values()
    shares = sorted(zip(values[row], tokens), key=lambda share: -abs(share[0]))[:_SHOWN]
    lines = ["", "%-8s %.2f  %s" % (attribution.label_text(row, classes), attribution.score[row], sentence),
             "    %s" % "  ".join("%s %+.2f" % (token, value) for value, token in shares),
             "    from %.2f without words; the shares miss the difference by %.1g%s" % (
                 attribution.baseline_score[row], abs(attribution.delta[row]),
                 "" if attribution.converged[row] else " (NOT within tolerance)")]
    unknown = [token for token in tokens if token not in vocabulary]
    if unknown:
        lines.append("    not in the vocabulary: %s" % ", ".join(unknown))
    return "\n".join(lines)
