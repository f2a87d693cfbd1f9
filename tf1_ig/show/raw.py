"""The raw text of an example, coloured by the tokens that the graph cut from it."""

from typing import Any, Dict, List, Optional, Sequence

import numpy as np

from graph_tools.running.values import as_text
from tf1_ig.question.spans import read_text
from tf1_ig.show import tokens as token_view


def raw_strips(attribution: Any, row: int, scale: Optional[float] = None,
               fold: Optional[int] = token_view.FOLD_ABOVE) -> List[token_view.Strip]:
    """The raw texts of one example as strips: one for all inputs that were cut from the same text, summed.

    A token's attribution is spread evenly over its bytes; where tokens overlap (n-grams) their shares add up. Nothing
    is gained or lost but what has no certain place in the text, and a note says how much that is.
    """
    by_text: Dict[str, List[str]] = {}
    for name, texts in (attribution.raw_texts or {}).items():
        by_text.setdefault(texts[row], []).append(name)
    return [_strip(attribution, row, text, names, scale, fold) for text, names in by_text.items()]


def shows_all(attribution: Any, names: Sequence[str], row: int) -> bool:
    """Whether the raw text alone tells what the tokens of inputs do together: it is the text of these and of no others,
    and each token is a piece of it, in any case of its letters.

    Padding stands nowhere in the text, and counts where it has no share.
    """
    given = attribution.raw_texts or {}
    return set(names) == {name for name in given if given[name][row] == given.get(names[0], {row: None})[row]} and all(
        _in_pieces(attribution, name, row) for name in names)


def _in_pieces(attribution: Any, name: str, row: int) -> bool:
    """Whether an input's tokens are pieces of the text, one after the other."""
    spans, tokens = attribution.spans[name][row], attribution.texts(name, row)
    raw, end = attribution.raw_texts[name][row].encode("utf-8", "surrogateescape"), 0
    for span, token, value in zip(spans, tokens or (), _by_span(attribution, name, row)):
        if span is None and value == 0:
            continue
        if span is None or span[0] < end or as_text(raw[span[0]:span[1]]).lower() != (
                as_text(token).lower()):
            return False
        end = span[1]
    return tokens is not None


def _by_span(attribution: Any, name: str, row: int) -> Any:
    """What each span of an input carries: it stands for a string, whatever axes these have. An empty text has none."""
    spans = attribution.spans[name][row]
    return np.reshape(attribution.tokens[name][row], (len(spans), -1)).sum(axis=1) if spans else ()


def _strip(attribution: Any, row: int, text: str, names: List[str], scale: Optional[float],
           fold: Optional[int]) -> token_view.Strip:
    starts = np.array(read_text(text).starts)
    shares, edges, lost = np.zeros(starts[-1]), {0, int(starts[-1])}, []
    for name in names:
        for span, value in zip(attribution.spans[name][row], _by_span(attribution, name, row)):
            if span is None:
                lost.append(float(value))
                continue
            shares[span[0]:span[1]] += value / (span[1] - span[0])
            # A character that was cut into bytes is shown whole.
            edges |= {int(starts[np.searchsorted(starts, span[0], "right") - 1]),
                      int(starts[np.searchsorted(starts, span[1])])}
    cuts = sorted(edges)
    raw = text.encode("utf-8", "surrogateescape")
    cells = [raw[start:stop] for start, stop in zip(cuts, cuts[1:])]
    values = [float(np.sum(shares[start:stop])) for start, stop in zip(cuts, cuts[1:])]
    found = token_view.strip(cells, values, "raw text", scale, "", fold)._replace(raw=True)
    if any(lost):
        found = found._replace(notes=found.notes + (
            "%d of %d tokens have no certain place in the text, together %s." % (
                len(lost), sum(len(attribution.spans[name][row]) for name in names),
                token_view.number(float(np.sum(lost)))),))
    return found
