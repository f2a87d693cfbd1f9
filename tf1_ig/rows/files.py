"""The files that a spec names: relative to its folder, read once, missing ones told with their place in the spec."""

import json
import os
from typing import Any, List, NamedTuple, Tuple

from tf1_ig.errors import SpecError, SpecFileMissingError
from tf1_ig.rows import named_ids, schema


class Files(NamedTuple):
    """Where the files of a spec are, for one part of it.

    Attributes:
      folder: that of the spec.
      what: the spec, for messages.
      within: the part of the spec that is read (``("feed", "ids:0")``).
      allow_code: functions that the spec names may be imported.
    """

    folder: str
    what: str
    within: Tuple[Any, ...] = ()
    allow_code: bool = False

    def inside(self, *place: Any) -> "Files":
        """The same for a part of this part."""
        return self._replace(within=self.within + place)

    def place(self, inner: str = "") -> str:
        """The spec and a place in it, or an option of the command line, for messages."""
        if inner.startswith("--"):
            return inner
        text = schema.format_place(self.within + tuple(part for part in inner.split(".") if part))
        return "%s: %s" % (self.what, text) if text else self.what

    def path(self, named: str) -> str:
        """The path that a name in the spec means."""
        return os.path.normpath(os.path.join(self.folder, os.path.expanduser(named)))

    def existing(self, named: str, inner: str = "") -> str:
        """The path of a file that must be there."""
        path = self.path(named)
        if not os.path.isfile(path):
            raise SpecFileMissingError("%s: there is no file %r; %s" % (
                self.place(inner), path, "check the path" if inner.startswith("--") else
                "paths are relative to the spec's folder"))
        return path

    def lines(self, path: str) -> List[str]:
        """The lines of a text file; a byte order mark and Windows' line ends are no part of them."""
        try:
            with open(path, encoding="utf-8-sig", newline="") as file:
                text = file.read()
        except (OSError, UnicodeDecodeError) as wrong:
            raise SpecError("%s: %r cannot be read (%s); it holds one entry a line, in UTF-8" % (
                self.place(), path, wrong)) from wrong
        # Not splitlines: characters such as U+2028 are tokens of some vocabularies.
        lines = [line[:-1] if line.endswith("\r") else line for line in text.split("\n")]
        return lines[:-1] if lines and not lines[-1] else lines

    def listed(self, given: Any, inner: str) -> Tuple[Any, ...]:
        """A list that stands in the spec itself, or one entry a line in the file that it names."""
        if not isinstance(given, str):
            return tuple(given)
        path = self.existing(given, inner)
        if not path.lower().endswith(".json"):
            return tuple(self.lines(path))
        return tuple(named_ids.in_order(named_ids.member(
            self.json(path, inner), None, "%s: %r" % (self.place(inner), path))))

    def json(self, path: str, inner: str) -> Any:
        """The content of a JSON file."""
        try:
            with open(path, encoding="utf-8-sig") as file:
                return json.load(file)
        except (OSError, ValueError, RecursionError) as wrong:
            raise SpecError("%s: %r is not JSON (%s)" % (self.place(inner), path, wrong)) from wrong


    def move(self, tree: Any, place: Tuple[str, ...], folder: str) -> None:
        """Makes the paths at a place of a tree (``*``: every key) relative to another folder, in place."""
        key, rest = place[0], place[1:]
        for each in (list(tree) if key == "*" else [key]) if isinstance(tree, dict) else ():
            if rest:
                self.move(tree.get(each), rest, folder)
            elif isinstance(tree.get(each), str) and not os.path.isabs(os.path.expanduser(tree[each])):
                tree[each] = os.path.relpath(self.path(tree[each]), folder).replace(os.sep, "/")


def relative(path: str, folder: str) -> str:
    """A path as it is written into a spec in a folder."""
    return os.path.relpath(os.path.abspath(path), os.path.abspath(folder)).replace(os.sep, "/")
