"""Connected sets: what is joined to what, by union-find."""

from typing import Any, Dict


class Groups:
    """Sets of keys, each at first a set of its own.

    >>> groups = Groups()
    >>> groups.join("a", "b")
    >>> groups.find("a") == groups.find("b"), groups.find("a") == groups.find("c")
    (True, False)
    """

    def __init__(self) -> None:
        self._links: Dict[Any, Any] = {}

    def find(self, key: Any) -> Any:
        """The key that stands for all of this one's set."""
        root = key
        while self._links.setdefault(root, root) != root:
            root = self._links[root]
        while self._links[key] != root:
            self._links[key], key = root, self._links[key]
        return root

    def join(self, one: Any, other: Any) -> None:
        self._links[self.find(one)] = self.find(other)
