"""Characters and sub-words merged into words, their attributions summed: nothing is gained or lost."""

import dataclasses
from typing import Any, Callable, Dict, List, Sequence, Tuple, Union

import numpy as np

from graph_tools.running.values import as_text
from tf1_ig.errors import ShowError


def wordpiece(texts: Sequence[str]) -> List[int]:
    """BERT's pieces: ``##ly`` continues the word before it."""
    return [index for index, text in enumerate(texts) if index == 0 or not text.startswith("##")]


def sentencepiece(texts: Sequence[str]) -> List[int]:
    """Pieces that carry the space before their word as ``▁`` (SentencePiece) or ``Ġ`` (byte-level BPE)."""
    return [index for index, text in enumerate(texts) if index == 0 or text.startswith(("\u2581", "\u0120"))]


def spaces(texts: Sequence[str]) -> List[int]:
    """Characters: a word starts after white space, and white space is a word of its own."""
    return [index for index, text in enumerate(texts)
            if index == 0 or text.isspace() or texts[index - 1].isspace()]


# Name -> where words start.
STYLES: Dict[str, Callable[[Sequence[str]], List[int]]] = {
    "wordpiece": wordpiece,
    "sentencepiece": sentencepiece,
    "spaces": spaces,
}


def merge(texts: Sequence[Any], values: Any, style: Union[str, Sequence[str]] = "wordpiece"
          ) -> Tuple[List[str], np.ndarray]:
    """Words and their attributions.

    Args:
      texts: the tokens of one example.
      values: float ``[tokens]`` or ``[tokens, dim]``; positions beyond the texts (padding) stay as they are.
      style: name of a style (``STYLES``), or the words themselves, which must spell the tokens.

    Returns:
      the words, and their values ``[words]`` or ``[words, dim]``: sums over the tokens of each word.

    Raises:
      ShowError: an unknown style, fewer values than texts, or words that do not spell the tokens.

    >>> words, sums = merge(["un", "##happy", "man"], [0.25, 0.5, -1.0])
    >>> words, sums.tolist()
    (['unhappy', 'man'], [0.75, -1.0])
    """
    texts, values = [as_text(text) for text in texts], np.asarray(values)
    if len(values) < len(texts):
        raise ShowError("%d tokens have %d values; merge before anything is cut off" % (len(texts), len(values)))
    if not texts:
        return [], values
    if isinstance(style, str):
        if style not in STYLES:
            raise ShowError("no style %r; there are: %s, or give the words" % (style, ", ".join(STYLES)))
        starts = STYLES[style](texts)
        words = ["".join(_bare(text, style, index > 0) for index, text in enumerate(texts[start:end]))
                 for start, end in zip(starts, starts[1:] + [len(texts)])]
    else:
        words = [as_text(word) for word in style]
        starts = _starts(texts, words)
    rest = list(range(len(texts), len(values)))
    return words, np.add.reduceat(values, starts + rest, axis=0)


def _bare(text: str, style: str, continues: bool) -> str:
    """The piece without the mark that says how it is joined."""
    if style == "wordpiece":
        return text[2:] if continues and text.startswith("##") else text
    return text.lstrip("\u2581\u0120") if style == "sentencepiece" else text


def _starts(texts: Sequence[str], words: Sequence[str]) -> List[int]:
    """Index of the first token of each word; every word must end where a token ends."""
    starts, index = [], 0
    for word in words:
        starts.append(index)
        spelled = ""
        while len(spelled) < len(word) and index < len(texts):
            spelled += texts[index]
            index += 1
        if spelled != word or not word:
            raise ShowError("word %r does not spell the tokens from position %d on (%r)" % (word, starts[-1], spelled))
    if index != len(texts):
        raise ShowError("the words end before the tokens do, at position %d of %d" % (index, len(texts)))
    return starts


def merge_result(attribution: Any, style: Union[str, Sequence[Sequence[str]]] = "wordpiece") -> Any:
    """The same result by word: every view and file then shows words.

    Args:
      attribution: an ``Attribution`` whose inputs have one entry per token and whose tokens are known.
      style: name of a style, or the words of every row.

    Returns:
      An ``Attribution`` whose values are lists of ``[words, dim]`` arrays; scores and sums are unchanged.

    Raises:
      ShowError: the tokens are not known, or ``merge`` refuses them.
    """
    values: Dict[str, List[np.ndarray]] = {name: [] for name in attribution.values}
    words: List[List[str]] = []
    for row in range(len(attribution)):
        for name, value in attribution.values.items():
            texts = attribution.texts(name, row)
            if texts is None or np.ndim(value[row]) != 2:
                raise ShowError("row %d of %s has no known tokens to merge; explain with {argument}" % (row, name),
                                argument="tokens")
            if row == len(words):
                words.append([])
            words[row], sums = merge(texts, value[row], style if isinstance(style, str) else style[row])
            values[name].append(sums)
    return dataclasses.replace(attribution, values=values, token_texts=words, ids=None, strings=None)
