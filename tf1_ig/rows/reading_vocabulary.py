"""What a vocabulary file says of how texts were cut: its tokens are what the tokenizer made."""

import re
from collections import Counter
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from tf1_ig.errors import SpecError
from tf1_ig.rows import named_ids
from tf1_ig.rows.files import Files, relative

# What entries that stand for something are called, without brackets and case.
_SPECIAL = {
    "padding": ("pad", "padding", "blank", "null"),
    "unknown": ("unk", "unknown", "oov", "outofvocabulary"),
    "begin": ("cls", "bos", "s", "start", "go"),
    "end": ("sep", "eos", "end"),
}
_BRACKETED = re.compile(r"[<\[{_#(].*[>\]}_#)]$", re.DOTALL)
_SPARE = 4   # rows of a table that no entry of its vocabulary needs
_FEW = 0.02  # a share of entries that may be otherwise


class Reading(NamedTuple):
    """A vocabulary file, and the tokenizer that fits it.

    Attributes:
      path: the file; count: its entries, or what its largest id needs.
      tokenizer: the entry for a spec.
      special: padding, unknown, begin and end as far as they are in it.
      first: the token with id 0.
      why: why this tokenizer.
      curled: apostrophes stand in the entries as they are typed, never as they are set.
      key: which of several in the file it is.
    """

    path: str
    count: int  # type: ignore[assignment]  # tuples have a method of that name
    tokenizer: Dict[str, Any]
    special: Dict[str, str]
    first: str
    why: str
    curled: bool = False
    key: Optional[str] = None

    def entry(self, folder: str) -> Dict[str, Any]:
        """The keys ``tokenizer`` and ``vocabulary`` of a spec in a folder."""
        tokenizer = dict(self.tokenizer)
        if "file" in tokenizer:
            tokenizer["file"] = relative(self.path, folder)
        if self.curled:
            tokenizer["replace"] = {"\u2019": "'"}
        vocabulary: Dict[str, Any] = {"file": relative(self.path, folder)}
        if self.key is not None:
            vocabulary["key"] = self.key
        kept = self.special if self.tokenizer["kind"] == "wordpiece" else {
            key: token for key, token in self.special.items() if key in ("padding", "unknown")}
        return {"tokenizer": tokenizer, "vocabulary": dict(vocabulary, **kept)}

    def guesses(self, rows: Optional[int]) -> Iterator[Tuple[str, str]]:
        """What is a guess, and why, for a table of so many rows."""
        yield "tokenizer", self.why
        if self.key is not None:
            yield "vocabulary.key", "of several in the file the one that fits a table of %s rows" % rows
        if "padding" not in self.special:
            yield "vocabulary", "no entry is called padding: id 0 (%r) fills rows up" % self.first
        if "unknown" not in self.special:
            yield "vocabulary.unknown", "no entry is called unknown: a word that is not listed is an error"
        if rows is not None and rows != self.count:
            yield "vocabulary.first", "%d entries and %d rows in the table: the first entry is taken for id 0" % (
                self.count, rows)


def read(path: str, files: Files, sizes: Sequence[Optional[int]] = ()) -> Reading:
    """Reads a vocabulary file and says what its entries show.

    Args:
      path: one token a line, or .json; files: for messages.
      sizes: rows of the tables it may be for, by which one of several vocabularies in a file is chosen.

    Raises:
      SpecError: it cannot be read, or is empty.
    """
    if path.lower().endswith(".json"):
        key, ids = named_ids.fitting(files.json(path, "--vocab"), sizes, "--vocab %r" % path, _SPARE)
        tokens, count = named_ids.in_order(ids), named_ids.count_of(ids)
    else:
        key, tokens = None, files.lines(path)
        count = len(tokens)
    if not tokens:
        raise SpecError("--vocab %r is empty; it holds one token a line" % path)
    special = _special(tokens)
    words = [token for token in tokens if token not in special.values() and not _BRACKETED.match(token)]
    tokenizer, why = _tokenizer(words or tokens, path)
    curled = tokenizer["kind"] == "regex" and any("'" in word for word in words) and not any(
        "\u2019" in word for word in words)
    return Reading(path, count, tokenizer, special, tokens[0], why, curled, key)


def _special(tokens: Sequence[str]) -> Dict[str, str]:
    found: Dict[str, str] = {}
    for token in tokens:
        name = re.sub(r"[\W_]+", "", token).lower()
        bare = re.match(r"[A-Za-z]{3,}$", token)
        for key, names in _SPECIAL.items():
            if name in names and key not in found and (_BRACKETED.match(token) or bare and token.isupper()):
                closing = "/" in token
                found["end" if closing and key in ("begin", "end") else key] = token
    return found


def _tokenizer(words: List[str], path: str) -> Tuple[Dict[str, Any], str]:
    lower = not any(char.isupper() for word in words for char in word)
    how = ", in lower case as they are" if lower else ""
    pieces = sum(word.startswith("##") for word in words)
    if pieces > _FEW * len(words):
        return {"kind": "wordpiece", "file": path, "lower": lower}, (
            "%d entries begin with ##: pieces of words%s" % (pieces, how))
    if sum(len(word) == 1 for word in words) >= (1 - _FEW) * len(words):
        return _with({"kind": "characters"}, lower), "the entries are single characters%s" % how
    return _with({"kind": "regex", "pattern": pattern_of(words)}, lower), (
        "words and signs of the forms that the entries have%s" % how)


def _with(options: Dict[str, Any], lower: bool) -> Dict[str, Any]:
    if lower:
        options["lower"] = True
    return options


def pattern_of(words: Sequence[str]) -> str:
    """A regular expression that cuts a text into tokens of the forms that are in a vocabulary.

    Words are letters, digits and the signs that stand within entries; a sign that is an entry is a token, and one that
    is not stands between tokens.

    >>> pattern_of(["film", "wasn't", "!", "?"])
    "\\\\w+(?:'\\\\w+)*|[!?]"
    """
    inner = Counter(char for word in words for char in word[1:-1] if not (char.isalnum() or char == "_"))
    enough = max(2, _FEW * 0.05 * len(words)) if len(words) > 200 else 1
    within = "".join(sorted(re.escape(char) for char, count in inner.items() if count >= enough and char in "'-."))
    signs = sorted({word for word in words if len(word) == 1 and not (word.isalnum() or word == "_" or word.isspace())})
    runs = any(len(word) > 1 and not any(char.isalnum() for char in word) for word in words)
    pattern = r"\w+"
    if "n't" in words:  # ends of words were cut off: "was n't", "film 's"
        pattern = r"\w+(?=n't\b)|n't\b|'\w+|\w+"
    elif within:
        pattern += r"(?:%s\w+)*" % (within if len(within) == 1 else "[%s]" % within)
    if signs:
        pattern += "|[%s]" % "".join("\\" + sign if sign in "\\]^-[" else sign for sign in signs)
    return pattern + (r"|[^\w\s]+" if runs and not signs else "")
