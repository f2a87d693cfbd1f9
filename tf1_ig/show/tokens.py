"""Tokens as a view draws them: safe text, strength, spacing, direction, and long texts folded to what matters.

Nothing is computed here but the scale of the colours: a token's strength is its value over the largest one.
"""

import json
import math
import re
import unicodedata
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from graph_tools.running.values import as_text
from tf1_ig.errors import ShowError

FOLD_ABOVE = 400      # tokens; a shorter text is shown whole
_CONTEXT = 12         # tokens kept on each side of one that matters
_SHORTEST_FOLD = 40   # a quiet stretch shorter than this is not worth a fold
_MATTERS = 0.1        # strength from which a token is kept visible
_AT_AN_END = re.compile("^ +| +$| +(?=[↵⇥])|(?<=[↵⇥]) +")
_A_BYTE = re.compile(r"\\x[89a-f][0-9a-f]$")  # of a character that was cut, as ``as_text`` writes it
_STRONGEST = 8        # tokens listed beside the text


class Token(NamedTuple):
    """One token, ready to draw.

    ``kind`` is ``positive``, ``negative``, ``zero``, ``nan`` (not a finite number) or ``none`` (no value was given);
    ``original`` is the JSON of the text where it cannot be put into HTML as it is, else ``None``; ``parts`` are the
    characters of a word where they have values of their own.
    """

    text: str
    before: str
    value: Optional[float]
    strength: float
    kind: str
    title: str
    position: int
    strongest: bool
    original: Optional[str]
    parts: Tuple["Part", ...] = ()

    @property
    def blank(self) -> bool:
        """True where the reader would see nothing."""
        return not any(unicodedata.category(char) not in ("Zs", "Zl", "Zp", "Cc", "Cf") for char in self.text)


class Part(NamedTuple):
    """A character of a word, with a value of its own."""

    text: str
    strength: float
    kind: str


class Segment(NamedTuple):
    """A stretch of tokens; a folded one is shown as one line that opens."""

    tokens: Tuple[Token, ...]
    folded: bool
    total: float


class Strip(NamedTuple):
    """The tokens of one example and one input."""

    name: str
    segments: Tuple[Segment, ...]
    scale: float
    total: float
    count: int  # type: ignore[assignment]  # tuples have a method of that name
    direction: str
    strongest: Tuple[Token, ...]
    notes: Tuple[str, ...]
    raw: bool = False  # cells of a text as it was given, with the spaces between its words
    told: bool = False  # the raw text above shows every one of them

    @property
    def tokens(self) -> List[Token]:
        return [token for segment in self.segments for token in segment.tokens]

    @property
    def mass(self) -> float:
        """Σ |value| of what is a finite number."""
        return math.fsum(abs(token.value) for token in self.tokens if token.value is not None and math.isfinite(
            token.value))


def number(value: float) -> str:
    """A signed number for people: three significant digits, a true minus sign."""
    if not math.isfinite(value):
        return {"nan": "not a number", "inf": "+∞", "-inf": "−∞"}[str(float(value))]
    return "0" if value == 0 else ("%+.3g" % value).replace("-", "−")


def largest(*arrays: Any) -> float:
    """The largest finite magnitude in the arrays; 0.0 when there is none."""
    sizes = [np.max(np.abs(found)) for found in (np.asarray(each, np.float64)[np.isfinite(each)] for each in arrays)
             if found.size]
    return float(max(sizes, default=0.0))


def nothing(values: Any) -> str:
    """Why a map on the scale 0 is not drawn."""
    return "No attribution is above rounding" if np.any(values) else "Every attribution is exactly zero"


def strip(texts: Optional[Sequence[Any]], values: Any, name: str = "", scale: Optional[float] = None,
          join: Optional[str] = None, fold: Optional[int] = FOLD_ABOVE) -> Strip:
    """What a view needs to draw one row of tokens.

    Args:
      texts: the tokens, str or bytes; ``None`` shows positions.
      values: float ``[tokens]``; may be longer or shorter than ``texts``, which is then said.
      name: a heading, such as the input tensor's name.
      scale: the magnitude that gets the full colour; ``None`` takes the largest of the values, 0 colours nothing.
      join: what is written between tokens; ``None`` decides by the tokens (nothing between CJK characters, before
        ``##pieces`` and between tokens that carry their own spaces; else a space).
      fold: texts longer than this many tokens are folded; ``None`` never folds.
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 1:
        raise ShowError("a strip of tokens takes one number per token, shape [tokens], not %s" % (list(values.shape),))
    given = None if texts is None else len(texts)
    texts, notes, shown = _fit(texts, values)
    scale = largest(values) if scale is None else float(scale)
    finite = values[np.isfinite(values)]
    mass = float(np.sum(np.abs(finite)))
    if len(values) and not len(finite):
        notes.append("No attribution is a finite number; nothing can be coloured.")
    elif len(values) and scale == 0:
        notes.append("%s: the score does not react to these tokens; nothing is coloured." % nothing(values))
    elif len(finite) < len(values):
        notes.append("Not finite numbers, hatched: %d of %d attributions." % (len(values) - len(finite), len(values)))
    strongest = set(np.argsort(-np.abs(np.where(np.isfinite(values), values, 0)), kind="stable")[:_STRONGEST].tolist())
    befores = _spacing(texts, join)
    tokens = [_token(texts[index], befores[index], values[index] if index < len(values) else None, scale, mass, index,
                     index in strongest) for index in range(shown)]
    ranked = sorted((token for token in tokens if token.strongest and token.kind in ("positive", "negative")),
                    key=lambda token: -abs(token.value or 0.0))
    return Strip(name, _segments(tokens, fold, given), scale, float(np.sum(finite)), shown, direction(texts),
                 tuple(ranked), tuple(notes))


def printable(text: str) -> str:
    """The text with what HTML cannot hold (controls, lone surrogates) replaced by visible signs."""
    if text.isprintable():
        return text
    kept = []
    for char in text:
        code = ord(char)
        if code < 0x20 and char not in "\n\t":
            char = chr(0x2400 + code)
        elif code == 0x7F:
            char = "\u2421"
        elif 0x80 <= code < 0xA0 or 0xD800 <= code < 0xE000 or code & 0xFFFE == 0xFFFE or 0xFDD0 <= code < 0xFDF0:
            char = "\ufffd"
        kept.append(char)
    return "".join(kept)


def visible(text: str) -> str:
    """A name as a table can hold it: breaks, tabs and the white space at its ends as signs.

    >>> visible(": \\n"), visible("a b")
    (':␣↵', 'a b')
    """
    signed = text.replace("\n", "↵").replace("\t", "⇥")
    return printable(_AT_AN_END.sub(lambda blank: "␣" * len(blank.group()), signed))


def direction(texts: Sequence[str]) -> str:
    """``"rtl"`` when more letters run right to left than left to right, else ``"ltr"``."""
    right = left = 0
    for text in texts:
        for char in text:
            kind = unicodedata.bidirectional(char)
            right += kind in ("R", "AL")
            left += kind == "L"
    return "rtl" if right > left else "ltr"


def _fit(texts: Any, values: Any) -> Tuple[List[str], List[str], int]:
    """Texts for every position that is shown, notes on a mismatch, and how many positions are shown."""
    if texts is None:
        return ["[%d]" % index for index in range(len(values))], [], len(values)
    texts = [as_text(text) for text in texts]
    given, notes = len(texts), []
    if given > len(values):
        notes.append("%d tokens were given for %d attributions: the last %d have no value (cut off by the model's "
                     "length?)." % (given, len(values), given - len(values)))
        return texts, notes, given
    beyond = np.flatnonzero(values[given:] != 0)  # NaN counts
    shown = given + (int(beyond[-1]) + 1 if len(beyond) else 0)
    if len(beyond):
        notes.append("%d tokens were given for %d attributions: positions from %d on are shown by number."
                     % (given, len(values), given))
    return texts + ["[%d]" % index for index in range(given, shown)], notes, shown


def _token(text: Any, before: Any, value: Any, scale: Any, mass: Any, position: Any, strongest: Any) -> Token:
    safe = printable(text)
    original = None if safe == text else json.dumps(text)
    if value is None:
        return Token(safe, before, None, 0.0, "none", "no attribution · position %d" % position, position, False,
                     original)
    value = float(value)
    title = "%s · position %d" % (number(value), position)
    if not math.isfinite(value):
        return Token(safe, before, value, 0.0, "nan", title, position, False, original)
    strength, kind = strength_of(value, scale)
    if kind == "zero":
        return Token(safe, before, value, 0.0, kind, title, position, False, original)
    if mass > 0:
        title = "%s · %.1f %% of all attribution · position %d" % (number(value), 100 * abs(value) / mass, position)
    return Token(safe, before, value, strength, kind, title, position, strongest, original)


def strength_of(value: float, scale: float) -> Tuple[float, str]:
    """The strength of a finite value, and whether it is positive, negative or nothing."""
    if value == 0 or scale == 0 or not math.isfinite(value):
        return 0.0, "zero"
    return min(abs(value) / scale, 1.0), "positive" if value > 0 else "negative"


def _spacing(texts: Sequence[str], join: Optional[str]) -> List[str]:
    """What is written before each token."""
    if join is not None:
        return [""] + [join] * (len(texts) - 1) if texts else []
    words = [text for text in texts if text]
    carry = sum(text[:1].isspace() or text[-1:].isspace() or text[0] in "\u2581\u0120" for text in words)
    grams = sum(any(char.isspace() for char in text.strip()) for text in words)  # "d e": several parts, not a piece
    spaced = carry > 0.2 * len(words) and grams <= 0.2 * len(words)
    letters = len(texts) > 3 and all(len(text) <= 1 or _A_BYTE.match(text) for text in texts)
    if spaced or letters:
        return [""] * len(texts)
    befores = [""]
    for last, this in zip(texts, texts[1:]):
        glued = this.startswith("##") or (_unspaced(last[-1:]) and _unspaced(this[:1]))
        befores.append("" if glued else " ")
    return befores[:len(texts)]


def _unspaced(char: str) -> bool:
    """Scripts that write no spaces between words: CJK, kana, Thai, Lao, Khmer, Myanmar, and their punctuation."""
    code = ord(char) if char else 0
    return (0x2E80 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF or 0xFF00 <= code <= 0xFFEF
            or 0x20000 <= code <= 0x3FFFF or 0x0E00 <= code <= 0x0EFF or 0x1000 <= code <= 0x109F
            or 0x1780 <= code <= 0x17FF)


def _segments(tokens: List[Token], fold: Optional[int], given: Optional[int]) -> Tuple[Segment, ...]:
    """The tokens in stretches, those that do not matter folded: quiet parts of a long text, and padding at its end.

    Padding are equal tokens without effect, and whatever stands beyond the ``given`` texts.
    """
    keep = np.ones(len(tokens), bool)
    if fold is not None and len(tokens) > fold:
        keep[:] = False
        for token in tokens:
            if token.strength >= _MATTERS or token.kind == "nan":
                keep[max(0, token.position - _CONTEXT):token.position + _CONTEXT + 1] = True
        if not keep.any():
            keep[:2 * _CONTEXT] = True
    beyond = 0 if given is None else max(0, len(tokens) - given)
    padding = 0 if fold is None else beyond or _padding(tokens)
    keep[len(tokens) - padding:] = False
    edges = [0] + (np.flatnonzero(np.diff(keep)) + 1).tolist() + [len(tokens)]
    found: List[Segment] = []
    for start, end in zip(edges, edges[1:]):
        part = tuple(tokens[start:end])
        folded = bool(part) and not keep[start] and (len(part) >= _SHORTEST_FOLD or end - start == padding)
        if found and not folded and not found[-1].folded:
            part = found.pop().tokens + part
        found.append(Segment(part, folded, _total(part)))
    return tuple(found)


def _padding(tokens: List[Token]) -> int:
    """How many equal tokens without any effect the text ends with; 0 when they are few, or all there is."""
    count = 0
    while count < len(tokens) and tokens[-1 - count].kind == "zero" and tokens[-1 - count].text == tokens[-1].text:
        count += 1
    return count if 3 <= count < len(tokens) else 0


def _total(tokens: Sequence[Token]) -> float:
    return float(sum(token.value for token in tokens if token.value is not None and math.isfinite(token.value)))
