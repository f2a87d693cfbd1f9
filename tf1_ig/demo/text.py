"""From a sentence to what the demo model reads: tokens, then rows of vocabulary ids."""

import os
import re
from typing import Dict, List, Sequence, Tuple

import numpy as np

PADDING, UNKNOWN = "<pad>", "<unk>"
_TOKEN = re.compile(r"[a-z]+(?:'[a-z]+)*|[0-9]+|[!?]")
_FOLDER = os.path.dirname(os.path.abspath(__file__))


def tokenize(sentence: str) -> List[str]:
    """Words (lower case, inner apostrophes kept), numbers, and the marks ``!`` and ``?``.

    >>> tokenize("It wasn't half bad!")
    ['it', "wasn't", 'half', 'bad', '!']
    """
    return _TOKEN.findall(sentence.lower().replace("\u2019", "'"))


def load_vocabulary() -> Dict[str, int]:
    """Token to id, as the demo model has them: id 0 is padding, 1 an unknown word."""
    with open(os.path.join(_FOLDER, "vocab.txt"), encoding="utf-8") as file:
        return {line.rstrip("\n"): number for number, line in enumerate(file)}


def encode(sentences: Sequence[Sequence[str]], vocabulary: Dict[str, int]) -> Tuple[np.ndarray, np.ndarray]:
    """Ids and lengths of tokenized sentences, padded to the longest.

    Returns:
      ids int32 [batch, tokens] and lengths int32 [batch].

    >>> encode([["good"], ["not", "good"]], {"<pad>": 0, "<unk>": 1, "good": 2})
    (array([[2, 0],
           [1, 2]], dtype=int32), array([1, 2], dtype=int32))
    """
    lengths = np.array([len(sentence) for sentence in sentences], np.int32)
    ids = np.zeros((len(sentences), max(lengths, default=0)), np.int32)
    for row, sentence in zip(ids, sentences):
        row[:len(sentence)] = [vocabulary.get(token, vocabulary[UNKNOWN]) for token in sentence]
    return ids, lengths
