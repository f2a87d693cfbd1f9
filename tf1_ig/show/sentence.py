"""One sentence in words: what speaks for the explained class in an example, and what against it."""

from typing import Any, List, NamedTuple, Sequence, Tuple

from tf1_ig.show import table, tokens as token_view

_FOR, _AGAINST = 3, 2       # phrases named
_SPEAKS, _JOINS = 0.4, 0.25  # strength, as a share of the strongest, from which a token is named, and joins a neighbour


class Sentence(NamedTuple):
    """``label``, what it is because of and what it is in spite of; ``explains`` tells a class that is not predicted."""

    label: str
    because: Tuple[str, ...]
    despite: Tuple[str, ...]
    explains: bool


def sentence(label: str, prediction: str, shown: Sequence[Any]) -> Sentence:
    """The sentence of one example.

    Args:
      label, prediction: in words; ``""`` where there are no classes.
      shown: the views of the example, the one that is to be read first in front.

    >>> found = sentence("good", "", [token_view.strip(["no", "bad", "film"], [-.1, -.8, .5])])
    >>> found.because, found.despite
    (('film',), ('bad',))
    """
    for one in shown:
        phrases = _of_strip(one) if isinstance(one, token_view.Strip) else _of_bars(one) if isinstance(
            one, table.Bars) else []
        if phrases:
            because = [text for value, text in phrases if value > 0][:_FOR]
            despite = [text for value, text in phrases if value < 0][:_AGAINST]
            return Sentence(label, tuple(because), tuple(despite), prediction not in ("", label))
    return Sentence(label, (), (), False)


def in_words(found: Sentence) -> str:
    """The sentence as plain text; ``""`` where nothing speaks.

    >>> in_words(Sentence("good", ("superb",), ("no sense",), False))
    'good because of superb, in spite of no sense'
    """
    because, despite = " and ".join(found.because), " and ".join(found.despite)
    if found.explains or not found.label:
        parts = ["for %s: %s" % (found.label or "the score", because)] * bool(because)
        return "; ".join(parts + ["against it: " + despite] * bool(despite))
    parts = ["because of " + because] * bool(because) + ["in spite of " + despite] * bool(despite)
    return (found.label + " " + ", ".join(parts)) if parts else ""


def _of_strip(strip: token_view.Strip) -> List[Tuple[float, str]]:
    """Values and phrases, strongest first: neighbours of one sign that both speak are one phrase."""
    most = max([token.strength for token in strip.tokens if token.kind in ("positive", "negative")] + [0.0])
    if not most:
        return []
    found: List[Tuple[float, str]] = []
    run: List[token_view.Token] = []
    for token in [*strip.tokens, None]:
        if token is not None and run and not token.text.strip() and token.strength < _JOINS * most:
            run.append(token)
            continue
        joins = token if token is not None and token.kind in ("positive", "negative") and (
            token.strength >= _JOINS * most) else None
        if run and not (joins and joins.kind == run[0].kind and joins.position == run[-1].position + 1):
            _close(run, most, found)
            run = []
        if joins:
            run.append(joins)
    return sorted(found, key=lambda phrase: -abs(phrase[0]))


def _close(run: List[token_view.Token], most: float, found: List[Tuple[float, str]]) -> None:
    """Takes the phrase of a run of tokens, where any of them is strong enough."""
    if max(token.strength for token in run) < _SPEAKS * most:
        return
    told = [token for place, token in enumerate(run) if not place or token.text != run[place - 1].text]  # once: padding
    text = "".join((token.before if place else "") + (token.text[2:] if place and token.text.startswith("##") else
                                                      token.text) for place, token in enumerate(told)).strip()
    if text:
        found.append((sum(token.value or 0.0 for token in run), text))


def _of_bars(bars: table.Bars) -> List[Tuple[float, str]]:
    most = max([bar.share for bar in bars.rows] + [0.0])
    return [(bar.value, " ".join(part for part in (bar.text, bar.detail) if part)) for bar in bars.rows
            if bar.kind in ("positive", "negative") and bar.share >= _SPEAKS * most]
