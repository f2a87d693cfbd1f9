"""A column of text as ids: tokens or words of characters, padded, with lengths, masks and sparse parts.

Padded entries keep the order of the text; ``Cut`` says of each entry which bytes of the text it is.
"""

from typing import Any, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from graph_tools.graph import names
from tf1_ig.errors import RowError, SpecError
from tf1_ig.rows import tokenizers, vocabulary
from tf1_ig.rows.files import Files
from tf1_ig.rows.record import Cut, Encoder, cell, shown
from tf1_ig.rows.table import told
from tf1_ig.rows.tokenizers import Pieces

_WORDS = {"kind": "whitespace"}
# How a text is padded; what is computed from it is padded alike.
LIMITS = ("length", "longest", "shortest", "pad")


class Limits(NamedTuple):
    """How long a row of ids may be and is made: exactly ``length``, or ``shortest`` to ``longest``."""

    length: Optional[int]
    longest: Optional[int]
    shortest: int
    cuts: bool
    left: bool
    what: str = "tokens"

    def fitted(self, pieces: List[Any], room: int, column: str) -> List[Any]:
        """The pieces that fit beside ``room`` entries of begin and end.

        Raises:
          RowError: there are too many, and the spec does not say that they are cut.
        """
        most = self.length if self.length is not None else self.longest
        if most is None or len(pieces) + room <= most:
            return pieces
        if not self.cuts:
            raise RowError("%d %s, and %d fit in; shorten the text, or let the spec say \"longer\": \"cut\"" % (
                len(pieces) + room, self.what, most), column)
        return pieces[:most - room]

    def size(self, counts: Sequence[int]) -> int:
        """Entries of a padded row."""
        return self.length if self.length is not None else max([self.shortest] + list(counts))

    def start(self, count: int, size: int) -> int:
        """Where a row of ``count`` entries begins in one of ``size``."""
        return size - count if self.left else 0


def _limits(options: Mapping[str, Any], suffix: str = "", what: str = "tokens") -> Limits:
    return Limits(options.get("length" + suffix), options.get("longest" + suffix), options.get("shortest" + suffix, 0),
                  options.get("longer", "refuse") == "cut", options.get("pad", "right") == "left", what)


def text(options: Mapping[str, Any], files: Files) -> Encoder:
    """Ids ``[batch, tokens]``; of ``"characters"`` ``[batch, words, characters]``; ``"flat"``: ``[tokens of all]``."""
    column = options.get("column", "text")
    words = vocabulary.read(options.get("vocabulary"), files.inside("vocabulary"))
    cutter = tokenizers.tokenizer(options.get("tokenizer", _WORDS), files)
    strings = options.get("strings", False)
    if not (strings or words.ids or options.get("tokenizer", _WORDS)["kind"] in tokenizers.KNOW_IDS):
        raise SpecError("%s: the vocabulary is %s; name its file: {\"file\": \"vocab.txt\"}" % (
            files.place(), "empty" if "vocabulary" in options else "missing"))
    of_words = options.get("characters", False)
    limits = _limits(options, what="words" if of_words else "tokens")
    inner = _limits(options, "_of_word", "characters in a word")
    dtype = np.dtype(object if strings else options.get("dtype", "int32"))
    if strings:
        words = words._replace(padding=b"")  # type: ignore[arg-type]  # what is stacked is strings

    def read(row: Any) -> Cut:
        given = cell(row, column)
        source, pieces = _pieces(given, cutter, column)
        if not pieces.tokens:
            raise RowError("the text has no token", column)
        if of_words:
            return _characters(column, source, pieces, words, limits, inner)
        if strings:
            tokens = limits.fitted(pieces.tokens, 0, column)
            return Cut(column, source, [token.encode("utf-8") for token in tokens], tokens,
                       lambda: pieces.find()[:len(tokens)])
        return _tokens(column, source, pieces, words, limits)

    def stack(cuts: Sequence[Cut]) -> np.ndarray:
        if options.get("flat", False):
            return np.array([one for cut in cuts for one in cut.ids], dtype)
        if not of_words:
            return padded([cut.ids for cut in cuts], limits, words.padding, dtype)
        return _padded_words([cut.ids for cut in cuts], limits, inner, words.padding, dtype)

    one_hot = options.get("one_hot")
    return Encoder("text", (column,), read, stack if one_hot is None else lambda cuts: np.eye(
        one_hot, dtype=dtype)[stack(cuts).astype(np.int64)], padding="" if strings else words.names.get(
            words.padding, ""), left=limits.left)


def padded(rows: Sequence[Sequence[Any]], limits: Limits, padding: Any, dtype: Any) -> np.ndarray:
    """Rows of unequal length as one array."""
    size = limits.size([len(row) for row in rows])
    array = np.full((len(rows), size), padding, dtype)
    for line, row in zip(array, rows):
        start = limits.start(len(row), size)
        line[start:start + len(row)] = row
    return array


def _padded_words(rows: Sequence[Any], limits: Limits, inner: Limits, padding: Any, dtype: Any) -> np.ndarray:
    """Rows of words of characters, ``[batch, words, characters]``."""
    sizes = limits.size([len(row) for row in rows]), inner.size([len(word) for row in rows for word in row])
    array = np.full((len(rows),) + sizes, padding, dtype)
    for line, row in zip(array, rows):
        start = limits.start(len(row), sizes[0])
        for place, word in enumerate(row, start):
            begin = inner.start(len(word), sizes[1])
            line[place, begin:begin + len(word)] = word
    return array


def _pieces(given: Any, cutter: Any, column: str) -> Tuple[Optional[str], Pieces]:
    """The text of a cell and its tokens; a list of tokens stands for itself."""
    if isinstance(given, bytes):
        try:
            given = given.decode("utf-8")
        except UnicodeDecodeError as wrong:
            raise RowError("the bytes are not UTF-8 (%s)" % wrong, column) from None
    if isinstance(given, (list, tuple, np.ndarray)) and all(isinstance(one, str) for one in given):
        return None, Pieces(list(map(str, given)), lambda: [(0, 0)] * len(given))
    if not isinstance(given, str):
        raise RowError("%s is not a text" % shown(given), column)
    try:
        given.isascii() or given.encode("utf-8")
    except UnicodeEncodeError as wrong:
        raise RowError("the text is not valid Unicode (%s)" % wrong.reason, column) from None
    try:
        return given, cutter(given)
    except RowError as wrong:
        raise RowError(wrong.reason, column) from wrong


def _tokens(column: Any, source: Any, pieces: Pieces, words: Any, limits: Limits) -> Cut:
    begin, end = ([] if number is None else [number] for number in (words.begin, words.end))
    tokens = limits.fitted(pieces.tokens, len(begin + end), column)
    ids = words.ids_of(tokens, column) if words.ids or pieces.ids is None else pieces.ids[:len(tokens)]
    return Cut(column, source, begin + ids + end, list(map(words.name, begin)) + tokens + list(map(words.name, end)),
               lambda: [None] * len(begin) + pieces.find()[:len(tokens)] + [None] * len(end), None,
               ids.count(words.unknown))


def _characters(column: Any, source: Any, pieces: Pieces, words: Any, limits: Limits, inner: Limits) -> Cut:
    """Words of characters; begin and end go around each word."""
    known = limits.fitted(pieces.tokens, 0, column)
    cuts = [_tokens(column, source, _letters(source, word, *place), words, inner)
            for word, place in zip(known, pieces.find())]
    return Cut(column, source, [cut.ids for cut in cuts], [cut.tokens for cut in cuts],
               lambda: [cut.find() for cut in cuts], known, sum(cut.unknown for cut in cuts))


def _letters(source: Optional[str], word: str, start: int, stop: int) -> Pieces:
    """The characters of a word. One that is not the text itself (in lower case, say) is of as many characters, or their
    place is that of the word."""
    exact = source is not None and len(word) == len(source[start:stop])
    return Pieces(list(word), lambda: [(start + place, start + place + 1) if exact else (start, stop)
                                       for place in range(len(word))])


# -- computed from a text --------------------------------------------------------------------------------------------

def lengths(options: Mapping[str, Any], files: Files) -> Encoder:
    """Entries of each row before padding, ``[batch]``; ``"per": "word"``: characters of each word."""
    dtype = np.dtype(options.get("dtype", "int32"))

    def stack(cuts: Sequence[Cut]) -> np.ndarray:
        if options.get("per", "row") == "row":
            found = np.array([len(cut.ids) for cut in cuts], dtype)
            return found.reshape((len(cuts),) + tuple(options.get("shape", ())))
        counts = [[len(word) for word in cut.ids] for cut in cuts]
        return padded(counts, _limits(options), 0, dtype)

    return Encoder("lengths", (), _nothing, stack, names.tensor_name(options["of"]))


def mask(options: Mapping[str, Any], files: Files) -> Encoder:
    """1 (or ``"value"``) where an entry is of the text, 0 where it is padding, ``[batch, tokens]``."""
    dtype, limits, value = np.dtype(options.get("dtype", "float32")), _limits(options), options.get("value", 1)
    told(value, dtype, files, "value")
    return Encoder("mask", (), _nothing, lambda cuts: padded([[value] * len(cut.ids) for cut in cuts], limits, 0,
                                                             dtype), names.tensor_name(options["of"]))


def sparse(options: Mapping[str, Any], files: Files) -> Encoder:
    """The indices or the shape of a sparse placeholder whose values are a flat text, or numbers that are not zero."""
    def stack(cells: Sequence[Any]) -> np.ndarray:
        if options["part"] == "shape":
            return np.array([len(cells), max([len(cell.ids) if isinstance(cell, Cut) else len(cell)
                                              for cell in cells] + [0])], np.int64)
        return np.array([(row, place) for row, cell in enumerate(cells) for place in (
            range(len(cell.ids)) if isinstance(cell, Cut) else np.flatnonzero(cell))], np.int64).reshape(-1, 2)

    return Encoder("sparse", (), _nothing, stack, names.tensor_name(options["of"]))


def _nothing(row: Any) -> None:
    return None
