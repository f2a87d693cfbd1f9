"""Rows that a process ended with: each is tried alone, and left out when a process ended with it alone twice."""

import json
import os
import threading
from typing import Any, Dict, FrozenSet, List, Optional, Tuple

from graph_tools import whole_files

_ALONE = 2  # so many processes that ended with a row alone: whoever kills processes at random hardly meets it again


class Suspects:
    """How many processes ended while they explained a row alone, by what the row is called; threads may share it.

    Args:
      path: the file that it is kept in, so that the next try knows it, too; ``None``: none.
    """

    def __init__(self, path: Optional[str] = None) -> None:
        self._path, self._lock = path, threading.Lock()
        self._ends: Dict[str, int] = {}
        if path is not None and os.path.exists(path):
            # It is not worth a failure: what is not known is found again.
            try:
                with open(path, encoding="utf-8", errors="surrogateescape") as file:
                    self._ends = {str(name): int(ends) for name, ends in json.load(file).items()}
            except (OSError, ValueError, AttributeError, TypeError, OverflowError, RecursionError):
                self._ends = {}

    def ended(self, in_hand: List[str]) -> None:
        """A process ended with these rows in hand."""
        if not in_hand:
            return
        with self._lock:
            for name in in_hand:
                self._ends[name] = self._ends.get(name, 0) + (len(in_hand) == 1)
            if self._path is not None:
                with whole_files.writing(self._path, "w", encoding="utf-8", errors="surrogateescape") as file:
                    json.dump(self._ends, file, indent=1, ensure_ascii=False)

    def of(self, one: Any) -> Tuple[FrozenSet[str], FrozenSet[str]]:
        """Of a range of rows: those that are to be explained alone, and those that are left out."""
        with self._lock:
            mine = [(name, self._ends[name]) for name, _ in one.rows if name in self._ends]
        return (frozenset(name for name, ends in mine if ends < _ALONE),
                frozenset(name for name, ends in mine if ends >= _ALONE))
