"""Tokens to ids and back, with the ids that stand for padding, for what is not known, and for begin and end."""

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

from tf1_ig.errors import RowError, SpecError
from tf1_ig.rows import named_ids
from tf1_ig.rows.files import Files


class Vocabulary(NamedTuple):
    """Ids of tokens.

    Attributes:
      ids: token to id; empty where the tokenizer gives the ids.
      names: id to token, for what stands in the feed and was no piece of the text.
      padding: the id that fills rows up.
      unknown: the id of a token that is not listed; ``None``: such a token is an error.
      begin, end: ids put around the tokens; ``None``: nothing is put there.
    """

    ids: Mapping[str, int]
    names: Mapping[int, str]
    padding: int = 0
    unknown: Optional[int] = None
    begin: Optional[int] = None
    end: Optional[int] = None

    def ids_of(self, tokens: Sequence[str], column: str) -> List[Any]:
        """The ids of tokens.

        Raises:
          RowError: one is not listed, and nothing stands for such tokens.
        """
        found: List[Any] = list(map(self.ids.get, tokens))
        if None in found:
            found = [self.unknown if number is None else number for number in found]
        if None in found:
            raise RowError("%r is not in the vocabulary; add it, or say in the spec which entry is for unknown ones" % (
                tokens[found.index(None)],), column)
        return found

    def name(self, number: Optional[int]) -> str:
        """What an id is called."""
        return "" if number is None else self.names.get(number, "[id %d]" % number)


def read(options: Optional[Mapping[str, Any]], files: Files) -> Vocabulary:
    """The vocabulary that a spec gives; without one the tokenizer must know the ids.

    Raises:
      SpecError: the file cannot be read, or a special entry is not in it.
    """
    options = options or {}
    ids: Dict[str, int] = {}
    if "file" in options or "words" in options:
        ids = _ids(options, files)
    names = {number: token for token, number in reversed(list(ids.items()))}

    def special(key: str, otherwise: Optional[int]) -> Optional[int]:
        given = options.get(key, otherwise)
        if not isinstance(given, str):
            return given
        if given not in ids:
            raise SpecError("%s: %r is not in the vocabulary; give one of its entries, or an id" % (
                files.place(key), given))
        return ids[given]

    return Vocabulary(ids, names, special("padding", 0) or 0, special("unknown", None), special("begin", None),
                      special("end", None))


def _ids(options: Mapping[str, Any], files: Files) -> Dict[str, int]:
    first = options.get("first", 0)
    if "words" in options:
        return _numbered(options["words"], first)
    path = files.existing(options["file"], "file")
    if path.lower().endswith(".json"):
        tree = files.json(path, "file")
        found = named_ids.member(tree, options.get("key"), "%s: %r" % (files.place("file"), path))
        return {token: number + first for token, number in found.items()} if isinstance(tree, list) else found
    lines = files.lines(path)
    if "separator" in options:
        field = options.get("field", 0)
        cut = [line.split(options["separator"]) for line in lines]
        lines = [parts[field] if field < len(parts) else "" for parts in cut]
    return _numbered(lines, first)


def _numbered(tokens: List[str], first: int) -> Dict[str, int]:
    """Ids by line; the first of equal lines counts."""
    found: Dict[str, int] = {}
    for number, token in enumerate(tokens):
        found.setdefault(token, number + first)
    return found
