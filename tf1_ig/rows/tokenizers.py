"""From a text to its tokens, each with the characters of the text that it was cut from.

A new kind is a function ``(options, Files) -> tokenizer`` and a line in TOKENIZERS; a tokenizer takes a text and
returns its ``Pieces``.
"""

import importlib
import operator
import re
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from graph_tools.errors import one_line
from tf1_ig.errors import RowError, SpecError, package
from tf1_ig.rows.files import Files
from tf1_ig.rows.patience import at_most

SECONDS = 10.0  # of work that a pattern may take for one text
_WHOLE = operator.methodcaller("group")  # of a match, what it matched
# The characters ``[start, stop)`` of a text.
Place = Tuple[int, int]


class Pieces(NamedTuple):
    """The tokens of a text, in order.

    Attributes:
      tokens: what the vocabulary knows them by.
      find: their places in the text; called where somebody looks at the text.
      ids: their ids, of a tokenizer that has some.
    """

    tokens: List[str]
    find: Callable[[], List[Place]]
    ids: Optional[List[int]] = None


Tokenizer = Callable[[str], Pieces]


class Folded(NamedTuple):
    """A text as the tokenizer reads it; its character ``i`` is from character ``places[i]`` of the original."""

    text: str
    places: Sequence[int]

    def original(self, start: int, stop: int) -> Tuple[int, int]:
        """The characters of the original behind ``[start, stop)``."""
        return (self.places[start], self.places[stop - 1] + 1) if stop > start else (self.places[start],) * 2


def fold(text: str, lower: bool, replace: Mapping[str, str]) -> Folded:
    """The text in lower case and with characters replaced, and where each character is from.

    >>> fold("Don\u2019t", True, {"\u2019": "'"}).text
    "don't"
    """
    lowered = text.lower() if lower else text
    swapped = {one: other for one, other in replace.items() if one in lowered}
    if len(lowered) == len(text) and all(len(other) == len(one) == 1 for one, other in swapped.items()):
        # Lower case never takes characters away: as many as before are one for one.
        same = lowered.translate({ord(one): other for one, other in swapped.items()}) if swapped else lowered
        return Folded(same, range(len(text) + 1))
    shown, places, cursor = [], [], 0
    for place, char in enumerate(text):
        size = len(char.lower()) if lower else 1
        part = "".join(replace.get(one, one) for one in lowered[cursor:cursor + size])
        cursor += size
        shown.append(part)
        places += [place] * len(part)
    return Folded("".join(shown), tuple(places) + (len(text),))


def tokenizer(options: Mapping[str, Any], files: Files) -> Tokenizer:
    """The tokenizer that a spec asks for.

    Raises:
      SpecError: a file is missing, a pattern is none, or it is code of the user's and nobody said that it may run.
    """
    return TOKENIZERS[options["kind"]](options, files)


# -- the kinds -------------------------------------------------------------------------------------------------------

def _by_pattern(pattern: str) -> Callable[[Mapping[str, Any], Files], Tokenizer]:
    def build(options: Any, files: Any) -> Any:
        return _of_pattern(re.compile(pattern, re.DOTALL), options)
    return build


def _regex(options: Any, files: Any) -> Tokenizer:
    try:
        pattern = re.compile(options["pattern"])
    except (re.error, RecursionError, OverflowError) as wrong:
        raise SpecError("%s: %r is not a regular expression (%s)" % (
            files.place("tokenizer.pattern"), options["pattern"], wrong)) from None
    return _of_pattern(pattern, options)


def _of_pattern(pattern: Any, options: Any) -> Tokenizer:
    lower, replace = options.get("lower", False), options.get("replace", {})

    def cut(text: str) -> Pieces:
        folded = fold(text, lower, replace)

        def late() -> RowError:
            return RowError("the pattern %s takes more than %g s for a text of %d characters: it tries too many ways "
                            "to read it (a repeat inside a repeat?); write it so that there is one" % (
                                one_line(repr(pattern.pattern), 80), SECONDS, len(text)))

        def find() -> List[Place]:
            with at_most(SECONDS, late):
                return [folded.original(*one.span()) for one in pattern.finditer(folded.text) if one.group()]

        with at_most(SECONDS, late):
            return Pieces(list(filter(None, map(_WHOLE, pattern.finditer(folded.text)))), find)
    return cut


def _wordpiece(options: Any, files: Any) -> Tokenizer:
    library = _package()
    path = files.existing(options["file"], "tokenizer.file")
    lower = options.get("lower", False)
    unknown = options.get("unknown", "[UNK]")
    made = library.Tokenizer(library.models.WordPiece(
        {line: number for number, line in enumerate(files.lines(path))}, unk_token=unknown,
        max_input_chars_per_word=200))
    made.normalizer = library.normalizers.BertNormalizer(
        lowercase=lower, strip_accents=options.get("strip_accents", lower), clean_text=True, handle_chinese_chars=True)
    made.pre_tokenizer = library.pre_tokenizers.BertPreTokenizer()
    return _encoding(made)


def _byte_pairs(options: Any, files: Any) -> Tokenizer:
    library = _package()
    path, merges = (files.existing(options[name], "tokenizer." + name) for name in ("file", "merges"))
    made = library.Tokenizer(_of_file(files, path, lambda: library.models.BPE.from_file(path, merges)))
    made.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=options.get("prefix_space", False))
    if options.get("lower", False):
        made.normalizer = library.normalizers.Lowercase()
    return _encoding(made)


def _saved(options: Any, files: Any) -> Tokenizer:
    library = _package()
    path = files.existing(options["file"], "tokenizer.file")
    made = _of_file(files, path, lambda: library.Tokenizer.from_file(path))
    made.no_truncation()
    made.no_padding()
    return _encoding(made)


def _package() -> Any:
    return package("tokenizers", "for WordPiece and byte-pair files", "'tf1-ig[tokenizers]'")


def _of_file(files: Files, path: str, read: Callable[[], Any]) -> Any:
    return _asked(read, lambda why: SpecError("%s: %r is not a file of the tokenizers package (%s)" % (
        files.place("tokenizer.file"), path, why)))


def _asked(ask: Callable[[], Any], error: Callable[[str], Exception]) -> Any:
    """What the package answers; it raises bare ``Exception``, and an error below ``BaseException`` where it panics."""
    try:
        return ask()
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as wrong:  # noqa: B902
        raise error(one_line(wrong, 200)) from wrong


def _encoding(made: Any) -> Tokenizer:
    def cut(text: str) -> Pieces:
        encoded = _asked(lambda: made.encode(text, add_special_tokens=False), lambda why: RowError(
            "the tokenizer cannot read the text (%s)" % why))
        return Pieces(encoded.tokens, lambda: encoded.offsets, encoded.ids)
    return cut


def _function(options: Any, files: Any) -> Tokenizer:
    named = options["function"]
    if not files.allow_code:
        raise SpecError("%s: %r is code; it is loaded only when you say so: --allow-code, or load_spec(path, "
                        "allow_code=True)" % (files.place("tokenizer.function"), named))
    module, _, name = named.partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as wrong:
        raise SpecError("%s: %r cannot be loaded (%s); write module:function, of a module that can be imported" % (
            files.place("tokenizer.function"), named, wrong)) from wrong
    return lambda text: _pieces_of(text, function(text), named)


def _pieces_of(text: str, given: Sequence[Any], named: str) -> Pieces:
    """What a user's function returned: tokens that are looked for in the text in order, or (token, start, stop)s."""
    tokens: List[str] = []
    places: List[Place] = []
    cursor = 0
    for one in given:
        if not isinstance(one, str):
            try:
                token, start, stop = one
                tokens.append(str(token))
                places.append((int(start), int(stop)))
                continue
            except (TypeError, ValueError):
                raise RowError("%s returned %r; a token is a text, or (text, start, stop)" % (named, one)) from None
        start = text.find(one, cursor)
        if start < 0:
            start = text.lower().find(one.lower(), cursor) if len(text.lower()) == len(text) else -1
        tokens.append(one)
        # A token that is nowhere in the text has no characters of it.
        places.append((start, start + len(one)) if start >= 0 else (cursor, cursor))
        cursor = max(cursor, places[-1][1])
    return Pieces(tokens, lambda: places)


TOKENIZERS: Dict[str, Callable[[Mapping[str, Any], Files], Tokenizer]] = {
    "whitespace": _by_pattern(r"\S+"),
    "characters": _by_pattern("."),
    "regex": _regex,
    "wordpiece": _wordpiece,
    "bpe": _byte_pairs,
    "tokenizers": _saved,
    "function": _function,
}
# Those that come with a vocabulary of their own.
KNOW_IDS = ("wordpiece", "bpe", "tokenizers")
