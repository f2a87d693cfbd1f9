"""Back from tokens that a graph computes to the bytes of its raw text: the graph is run on text that says where it is.

How a graph cuts text (split, n-grams, substrings, regular expressions, a function mapped over the rows) cannot be read
off its tokens: ``"a a"`` may be two words or two letters with a separator. So the graph itself is asked. Every
character is replaced by a sign for one decimal digit of its position, once per digit; what then comes out as a token
spells the positions that its characters came from. A further run holds a digit that no constant can imitate (so a
separator is told from text), and every position must hold the character that the real token has there, or one equal
but for case and accents. First all bytes are replaced, then whole characters; where the graph then cuts otherwise (it
looks for white space or punctuation), letters and digits only.
"""

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

import numpy as np

from graph_tools.graph import names
from graph_tools.graph.ops import PARSER
from tf1_ig.engine.failed_run import RunFailed
from tf1_ig.question.spans import Span, Text, byte_spans, folded, read_text

_SIGNS = {1: "abcdefghij", 2: "".join(chr(0x430 + digit) for digit in range(10)),
          3: "".join(chr(0x4E00 + digit) for digit in range(10)),
          4: "".join(chr(0x20000 + digit) for digit in range(10))}
_NUMBERS = "0123456789"
_DIGIT = {sign: digit for signs in list(_SIGNS.values()) + [_SIGNS[1].upper(), _SIGNS[2].upper(), _NUMBERS]
          for digit, sign in enumerate(signs)}
_LONGEST = 10 ** 6  # characters of a text; one longer is left alone

# Texts, one a row, to the tokens of each row; ``None`` where the graph cannot run on such texts.
Run = Callable[[Sequence[bytes]], Optional[List[List[bytes]]]]


class RawText(NamedTuple):
    """The raw text of each row, and the bytes ``[start, stop)`` of it that each token came from (``None``: unknown)."""

    texts: List[str]
    spans: List[List[Optional[Span]]]


def trace(texts: Sequence[bytes], run: Run) -> Optional[RawText]:
    """The bytes of each row's text that the tokens of that row were made from.

    Args:
      texts: UTF-8 bytes, one per row.
      run: the graph.

    Returns:
      ``None`` where each text is a token as it is: nothing was cut.
    """
    tokens = run(texts)
    if tokens is None or all(row in ([], [text]) for row, text in zip(tokens, texts)) or (
            max(map(len, texts)) > _LONGEST):
        return None
    found: List[Optional[List[Optional[Span]]]] = [None] * len(texts)
    for mode in _MODES:
        if any(spans is None for spans in found):
            read = [mode.read(text) for text in texts]
            turns = _run_coded(read, run, mode)
            found = [spans if spans is not None else _read_row(
                text, [mode.read(token).chars for token in row], [turn[number] for turn in turns], mode.everything)
                     for number, (spans, text, row) in enumerate(zip(found, read, tokens))]
    return RawText([read_text(text).chars for text in texts], [
        byte_spans(text, row) if spans is None else spans for text, row, spans in zip(texts, tokens, found)])


def _by_byte(text: bytes) -> Text:
    return Text(text.decode("latin-1"), tuple(range(len(text) + 1)))


class _Mode(NamedTuple):
    """How a text is coded: by byte or by character, and everything or letters and digits only."""

    read: Callable[[bytes], Text]
    encoding: str
    everything: bool


_MODES = (_Mode(_by_byte, "latin-1", True), _Mode(read_text, "utf-8", True), _Mode(read_text, "utf-8", False))


def _run_coded(read: Sequence[Text], run: Run, mode: _Mode) -> List[List[List[str]]]:
    """Tokens by row, once per digit of the positions and once for the check digit; nothing where a run fails."""
    places = len(str(max(1, max(len(text.chars) for text in read) - 1)))
    turns = []
    for turn in range(places + 1):
        tokens = run([_coded(text, turn, places, mode) for text in read])
        if tokens is None:
            return []
        turns.append([[mode.read(token).chars for token in row] for row in tokens])
    return turns


def _coded(text: Text, turn: int, places: int, mode: _Mode) -> bytes:
    """The text with one digit of its position in place of each character of which as many bytes are left."""
    signs = []
    for position, char in enumerate(text.chars):
        # The check digit is never the last digit: what shows the same sign in every run is a constant.
        digit = position // 10 ** turn % 10 if turn < places else (position + 5) % 10
        if not (mode.everything or char.isalnum()):
            signs.append(char)
        elif char in _NUMBERS and not mode.everything:
            signs.append(_NUMBERS[digit])
        else:
            sign = _SIGNS[text.starts[position + 1] - text.starts[position]][digit]
            signs.append(sign.upper() if char.isupper() and not mode.everything else sign)
    return "".join(signs).encode(mode.encoding, "surrogateescape")


def _read_row(text: Text, words: Sequence[str], turns: Sequence[Sequence[str]], everything: bool) -> Optional[
        List[Optional[Span]]]:
    """The spans of one row's tokens; ``None`` where the coded text was not cut as the text is."""
    if not turns or any([len(word) for word in turn] != [len(word) for word in words] for turn in turns):
        return None
    found: List[Optional[Span]] = []
    for number, word in enumerate(words):
        origins = _origins(text, word, [turn[number] for turn in turns])
        if origins is None:
            return None
        found.append(_span(text, word, origins))
    return found if everything else _between(text, words, found)


def _origins(text: Text, word: str, coded: Sequence[str]) -> Optional[List[Optional[int]]]:
    """The position each character of a token came from, ``None`` for a constant or one that was left as it is.

    ``None`` where a position holds another character than the token: the coded text was cut in another way.
    """
    found: List[Optional[int]] = []
    for offset, char in enumerate(word):
        signs = [each[offset] for each in coded]
        digits = [_DIGIT[sign] for sign in signs if sign in _DIGIT]
        if len(digits) == len(signs) and digits[-1] == (digits[0] + 5) % 10:
            position = sum(digit * 10 ** turn for turn, digit in enumerate(digits[:-1]))
            if position >= len(text.chars) or not _alike(text.chars[position], char):
                return None
            found.append(position)
        elif any(sign != char for sign in signs):
            return None
        else:
            found.append(None)
    return found


def _alike(one: str, other: str) -> bool:
    return one == other or folded(one) == folded(other) != ""


def _span(text: Text, word: str, origins: Sequence[Optional[int]]) -> Optional[Span]:
    """The piece of text that a token is; where separators stand in it, from its first to its last character there."""
    known = [(offset, place) for offset, place in enumerate(origins) if place is not None]
    if not known:
        return None
    start = known[0][1] - known[0][0]
    if all(place - offset == start for offset, place in known) and start >= 0 and start + len(word) <= len(
            text.chars) and all(map(_alike, text.chars[start:start + len(word)], word)):
        return text.span(start, start + len(word))
    places = [place for _, place in known]
    return text.span(min(places), max(places) + 1)


def _between(text: Text, words: Sequence[str], found: List[Optional[Span]]) -> List[Optional[Span]]:
    """The spans with those of punctuation, which has no code, found between those of its neighbours."""
    placed = {number: span for number, span in enumerate(found) if span is not None}
    spans = list(placed.values())
    if any(one[1] > other[0] for one, other in zip(spans, spans[1:])):
        return found
    raw = text.chars.encode("utf-8", "surrogateescape")
    edges = [-1] + list(placed) + [len(words)]
    for before, after in zip(edges, edges[1:]):
        if after - before > 1:
            start = placed[before][1] if before >= 0 else 0
            stop = placed[after][0] if after < len(words) else len(raw)
            for number, span in zip(range(before + 1, after), byte_spans(raw[start:stop], words[before + 1:after])):
                found[number] = span and (span[0] + start, span[1] + start)
    return found


# In the operated graph of an explanation.

def of_inputs(engine: Any, resolved: Any, task: Any) -> Dict[str, Any]:
    """The fields ``raw_texts`` and ``spans`` of an ``Attribution``: of the inputs whose strings the graph computes."""
    found: Dict[str, RawText] = {}
    for spec in resolved.inputs:
        if spec.strings and spec.categories is None:
            traced = [(source, _traced(engine, spec, source, task))
                      for source in _sources(engine, resolved.model.index, spec.strings, task)]
            known = [raw for _, raw in traced if raw is not None and any(map(any, raw.spans))]
            if len(known) == 1:
                found[spec.name] = known[0]
    return {"raw_texts": {name: raw.texts for name, raw in found.items()} or None,
            "spans": {name: raw.spans for name, raw in found.items()} or None}


def _sources(engine: Any, index: Any, strings: str, task: Any) -> List[Any]:
    """Tensors with one string per row from which the tokens are computed; a feed of serialized examples is opened."""
    upstream = index.ancestors([strings], control=False)
    found = []
    for name in task.values:
        tensor = engine.find_tensor(name)
        if tensor.op.name not in upstream or tensor.dtype.base_dtype.name != "string":
            continue
        parsers = [op for op in tensor.consumers() if op.type in PARSER.takes and op.name in upstream]
        opened = [output for op in parsers for output in op.outputs if output.dtype.base_dtype.name == "string"]
        found += opened if parsers else [tensor]
    return [tensor for tensor in found if tensor.name != names.tensor_name(strings)]


def _traced(engine: Any, spec: Any, source: Any, task: Any) -> Optional[RawText]:
    count = task.batch.count
    given = task.values[source.name] if source.name in task.values else engine.fetch(source, task.values)
    if given.size != count:
        return None
    fetches = [engine.find_tensor(name) for name in (spec.strings, spec.attributed.owner) if name]

    def run(texts: Any) -> Any:
        fed = np.array(list(texts) + [None], object)[:-1].reshape(given.shape)
        try:
            strings, *owner = engine.fetch_all(fetches, dict(task.values, **{source.name: fed}))
        except RunFailed:
            return None
        if owner:
            return [list(strings.ravel()[owner[0].ravel() == row]) for row in range(count)]
        return None if strings.size % count else [list(row) for row in strings.reshape(count, -1)]

    return trace([text if isinstance(text, bytes) else str(text).encode("utf-8") for text in given.ravel()], run)
