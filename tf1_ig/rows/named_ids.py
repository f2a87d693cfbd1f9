"""Names and their numbers as JSON files hold them: a list, an object either way round, or an object of several such."""

from typing import Any, Dict, Iterable, List, Optional, Tuple

from tf1_ig.errors import SpecError

_DIGITS = 18  # of a number that an id can be


def ids_of(tree: Any) -> Optional[Dict[str, int]]:
    """Name to number; ``None`` where the tree is nothing of the kind.

    >>> ids_of(["a", "b"]) == ids_of({"a": 0, "b": 1}) == ids_of({"0": "a", "1": "b"}) == {"a": 0, "b": 1}
    True
    """
    if isinstance(tree, list):
        found: Dict[str, int] = {}
        for number, name in enumerate(tree):
            if isinstance(name, (list, dict)):
                return None
            found.setdefault(str(name), number)  # the first of equal names counts
        return found
    if not isinstance(tree, dict):
        return None
    if all(isinstance(number, int) and not isinstance(number, bool) for number in tree.values()):
        return dict(tree)
    if all(isinstance(name, str) and key.isdecimal() and len(key) <= _DIGITS for key, name in tree.items()):
        return ids_of([name for _, name in sorted(tree.items(), key=lambda one: int(one[0]))]) if sorted(
            map(int, tree)) == list(range(len(tree))) else {name: int(key) for key, name in tree.items()}
    return None


def in_order(ids: Dict[str, int]) -> List[str]:
    """The names by number."""
    return sorted(ids, key=lambda name: ids[name])


def member(tree: Any, key: Optional[str], what: str) -> Dict[str, int]:
    """The names of a tree, or of its member of that key.

    Raises:
      SpecError: there is no such member, or it holds no names.
    """
    own = tree.get(key) if key is not None and isinstance(tree, dict) else tree
    found = ids_of(own)
    if found is None:
        raise SpecError("%s holds neither a list of names nor an object of name to number%s" % (
            what, "" if key is None else " under %r" % key) + _told(tree))
    return found


def count_of(ids: Dict[str, int]) -> int:
    """How many numbers there are from 0 to the largest."""
    return max(ids.values(), default=-1) + 1


def fitting(tree: Any, sizes: Iterable[Optional[int]], what: str, spare: int = 0) -> Tuple[Optional[str],
                                                                                         Dict[str, int]]:
    """The names of a tree, or of the one of its members that fits best, with the key of that member.

    Args:
      tree: what a JSON file holds; what: the file, for messages.
      sizes: how many names are wanted; any of them. ``spare``: how many of these may have no name.

    Raises:
      SpecError: it holds none, or several of which none fits, or equally well.
    """
    inside = _members(tree) if ids_of(tree) is None else {}
    left = {key: min([size - count_of(names) for size in sizes if size is not None and size >= count_of(names)],
                     default=spare + 1) for key, names in inside.items()}
    closest = [key for key in inside if left[key] == min(left.values()) and left[key] <= spare]
    if len(closest) == 1:
        return closest[0], inside[closest[0]]
    return None, member(tree, None, what)


def _members(tree: Any) -> Dict[str, Dict[str, int]]:
    found = {key: ids_of(value) for key, value in tree.items()} if isinstance(tree, dict) else {}
    return {key: names for key, names in found.items() if names}


def _told(tree: Any) -> str:
    inside = _members(tree)
    return "" if not inside else "; it holds several (%s): put the one that is meant into a file of its own" % (
        ", ".join("%r of %d" % (key, len(names)) for key, names in list(inside.items())[:8]))
