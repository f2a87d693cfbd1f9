"""JSON that people write: a key that stands twice in an object is refused, of which Python's reader takes the last."""

import json
from typing import Any, Callable, Dict, List, Tuple


def loads(text: str, made: Callable[[Dict[str, Any]], Any] = lambda tree: tree) -> Any:
    """What a JSON text holds.

    Args:
      text: the text.
      made: what each object becomes.

    Raises:
      ValueError: it is no JSON, is nested without end, or a key stands twice.

    >>> loads('{"a": 1, "b": [2]}')
    {'a': 1, 'b': [2]}
    """
    try:
        return json.loads(text, object_pairs_hook=lambda pairs: made(_once(pairs)))
    except RecursionError as wrong:
        raise ValueError("it is nested too deeply") from wrong


def load(path: str, made: Callable[[Dict[str, Any]], Any] = lambda tree: tree) -> Any:
    """The same of a file in UTF-8; a byte order mark is no part of it."""
    with open(path, encoding="utf-8-sig") as file:
        return loads(file.read(), made)


def _once(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen = [key for key, _ in pairs]
        raise ValueError("the key %r stands twice in one object" % next(key for key in seen if seen.count(key) > 1))
    return found
