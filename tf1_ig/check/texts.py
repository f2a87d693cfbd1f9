"""Checks of the tokens: padding, words the model does not know, text it did not read, equal rows that differ."""

import math
from typing import Any, Dict, Iterable, List, Optional, Set, Tuple

import numpy as np

from graph_tools.report import Finding

_PADDING = {"", "<pad>", "[pad]", "<blank>", "</s>", "<eos>", "[sep]"}
_UNKNOWN = {"<unk>", "[unk]", "unk", "<oov>", "[oov]", "oov", "<unknown>"}


def tokens(result: Any) -> Iterable[Finding]:
    """Tokens that are padding, unknown to the model, or cut off."""
    for name, value in result.tokens.items():
        texts = [result.texts(name, row) for row in range(len(result))]
        shares = [_token_shares(text, np.asarray(each, np.float64)) for text, each in zip(texts, value)
                  if text is not None]
        shares = [each for each in shares if each is not None]
        if not shares:
            continue
        padding, unknown, cut = (max(each) for each in zip(*shares))
        if padding > 0.1:
            yield Finding("padding", "warn", padding, "Up to %.0f %% of the attribution of %s is on padding: the model "
                          "reads the length, or a mask is missing." % (100 * padding, name))
        if unknown > 0.25:
            yield Finding("unknown tokens", "warn", unknown,
                          "Up to %.0f %% of the attribution of %s is on tokens that are "
                          "not in the vocabulary; the model cannot tell such words apart." % (100 * unknown, name))
        if cut > 0:
            yield Finding("cut off", "warn", cut, "%d tokens of one text are beyond the %d that the model reads; they "
                          "decided nothing: explain the rest as a text of its own." % (
                              cut, max(len(each) for each in value)))


def ids(result: Any) -> Iterable[Finding]:
    """Padding and unknown words where nobody named the tokens: told by the ids and the strings behind them."""
    for name, value in (result.ids or {}).items() if result.token_texts is None else ():
        sums = result.tokens.get(name)
        if sums is None or np.ndim(sums[0]) != 1:
            continue
        sizes = [np.abs(np.where(np.isfinite(each), each, 0)).astype(np.float64) for each in sums]
        rows = [np.asarray(row).reshape(-1) for row in value]
        if any(len(size) != len(row) for size, row in zip(sizes, rows)):
            continue
        strings = (result.strings or {}).get(name)
        # Strings that are called padding have been told of.
        padding = max((_share(size, _trailing_zeros(row)) for place, (size, row) in enumerate(zip(sizes, rows))
                       if strings is None or str((strings[place] or [""])[-1]).lower() not in _PADDING), default=0.0)
        if padding > 0.1:
            yield Finding("padding", "warn", padding, "Up to %.0f %% of the attribution of %s is on id 0 at the end of "
                          "its row: if that is padding, the model reads the length, or a mask is missing." % (
                              100 * padding, name))
        merged, words = _merged(rows, strings)
        unknown = max((_share(size, np.isin(row, merged)) for size, row in zip(sizes, rows)), default=0.0)
        if unknown > 0.25:
            yield Finding("unknown tokens", "warn", unknown, "Up to %.0f %% of the attribution of %s is on different "
                          "words with one id (%s): out of the vocabulary, or one hash bucket; the model cannot tell "
                          "them apart, so read it as theirs together." % (100 * unknown, name, ", ".join(words[:3])))


def twins(result: Any) -> Iterable[Finding]:
    """Rows with equal outputs and equal tokens must have equal attributions, else something is random."""
    if result.outputs is None or result.token_texts is None or len(result) < 2:
        return
    first: Dict[Any, int] = {}
    sums = list(result.tokens.values())
    for row in range(len(result)):
        key = (np.asarray(result.outputs[row]).tobytes(), tuple(map(str, result.token_texts[row])),
               tuple(np.atleast_1d(np.asarray(result.label)[row]).tolist()), result.label_text(row))
        other = first.setdefault(key, row)
        for each in sums if other != row else ():
            gap = np.abs(np.asarray(each[row], np.float64) - np.asarray(each[other], np.float64)).sum()
            size = np.abs(np.asarray(each[other], np.float64)).sum()
            if gap > 0.05 * size and gap > 1e-6:
                yield Finding("repeatability", "fail", float(gap / size) if size else math.inf,
                              "Rows %d and %d are the same and got different attributions: something in the model is "
                              "random (dropout left on?)." % (other, row))
                return


def _token_shares(texts: Any, sums: Any) -> Optional[Tuple[float, float, int]]:
    """Shares of Σ |attribution| on padding and on unknown tokens, and how many tokens were cut off."""
    if sums.ndim != 1:
        return None
    size = np.abs(np.where(np.isfinite(sums), sums, 0))
    total = float(size.sum())
    if total == 0:
        return 0.0, 0.0, max(0, len(texts) - len(sums))
    known = [str(text).lower() for text in texts[:len(sums)]]  # not stripped: white space can be a token of its own
    padding = float(size[len(known):].sum() + sum(size[at] for at, text in enumerate(known) if text in _PADDING))
    unknown = float(sum(size[at] for at, text in enumerate(known) if text in _UNKNOWN))
    return padding / total, unknown / total, max(0, len(texts) - len(sums))


def _share(size: np.ndarray, chosen: np.ndarray) -> float:
    total = float(size.sum())
    return float(size[chosen].sum()) / total if total else 0.0


def _trailing_zeros(row: np.ndarray) -> np.ndarray:
    """Where a row ends in at least two ids 0 (one may be a word like any other)."""
    used = np.flatnonzero(row)
    start = int(used[-1]) + 1 if len(used) else len(row)
    return np.arange(len(row)) >= (start if len(row) - start > 1 else len(row))


def _merged(rows: List[np.ndarray], strings: Optional[List[List[str]]]) -> Tuple[List[int], List[str]]:
    """Ids that at least three different strings have, and strings of the first such id."""
    known: Dict[int, Set[str]] = {}
    for row, texts in zip(rows, strings or ()):
        for number, text in zip(row.tolist(), texts):
            known.setdefault(number, set()).add(text)
    merged = [number for number, texts in known.items() if len(texts) > 2]
    return merged, sorted(known[merged[0]]) if merged else []
