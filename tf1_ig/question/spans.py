"""Where tokens stand in the text they were made from, in bytes: by the one order-keeping way to place them."""

import unicodedata
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

# Bytes [start, stop) of the UTF-8 text.
Span = Tuple[int, int]


class Text(NamedTuple):
    """A text by character, with the byte each starts at (and, last, where the text ends)."""

    chars: str
    starts: Sequence[int]

    def span(self, first: int, stop: int) -> Span:
        """The bytes of characters ``[first, stop)``."""
        return self.starts[first], self.starts[stop]


def read_text(text: Any) -> Text:
    """A text (str or bytes) by character; bytes that are no UTF-8 are characters of their own."""
    chars = text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else str(text)
    if chars.isascii():  # a byte each
        return Text(chars, range(len(chars) + 1))
    starts = [0]
    for char in chars:
        starts.append(starts[-1] + len(char.encode("utf-8", "surrogateescape")))
    return Text(chars, tuple(starts))


def folded(char: str) -> str:
    """A character without case, accents and compatibility forms; nothing for a mark that only modifies."""
    if char.isascii():
        return char.lower()
    return "".join(part for part in unicodedata.normalize("NFKD", char).casefold()
                   if not unicodedata.combining(part))


def byte_spans(text: Any, tokens: Sequence[Any]) -> List[Optional[Span]]:
    """The bytes ``[start, stop)`` of a text that each token was cut from.

    Tokens are taken to be pieces of the text, one after the other; what lies between them was dropped. Where every
    token is in lower case and without accents, the text's case and accents do not count. A token that is nowhere in
    the text (``"[CLS]"``) has no place. The others have one only where there is no second way to place them all in
    order: a token that could be one of two equal words is ``None``, never a guess.

    Args:
      text: str, or UTF-8 bytes.
      tokens: str or bytes, in the order of the text.

    Returns:
      one ``(start, stop)`` or ``None`` per token; ``text.encode()[start:stop]`` is the token's source.

    >>> byte_spans("Ein guter, guter Film", ["ein", "guter", "guter", "film"])
    [(0, 3), (4, 9), (11, 16), (17, 21)]
    >>> byte_spans("to be or not to be", ["to", "[UNK]"])
    [None, None]
    """
    read, words = read_text(text), [read_text(token).chars for token in tokens]
    keeps_case = any("".join(map(folded, word)) != word for word in words)
    shown, places = [], []  # the text as it is compared, and the character each part of it comes from
    for place, char in enumerate(read.chars):
        part = char if keeps_case else folded(char)
        shown.append(part)
        places += [place] * len(part)
    line = "".join(shown)
    known = [number for number, word in enumerate(words) if word and word in line]
    first = _place(line, [words[number] for number in known])
    last = [len(line) - start - len(words[number]) for start, number in zip(
        reversed(_place(line[::-1], [words[number][::-1] for number in reversed(known)])), known)]
    found: List[Optional[Span]] = [None] * len(words)
    for number, start, other in zip(known, first, last):
        if start == other:
            stop = places[start + len(words[number]) - 1] + 1
            while stop < len(shown) and not shown[stop]:  # marks of the last character
                stop += 1
            found[number] = read.span(places[start], stop)
    return found


def _place(line: str, words: Sequence[str]) -> List[int]:
    """Starts of the words, each as far left as those before it let it be; none at all when one finds no place."""
    starts, cursor = [], 0
    for word in words:
        start = line.find(word, cursor)
        if start < 0:
            return []
        starts.append(start)
        cursor = start + len(word)
    return starts
