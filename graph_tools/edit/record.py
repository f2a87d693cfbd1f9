"""What an edit did: nodes removed, added and rewired, printable as a diff."""

import dataclasses
from typing import Any, Dict, List, Mapping, Optional, Tuple

from graph_tools.graph import names

# Attribute of a placeholder that an edit made: the name of the tensor it stands for.
REPLACES = "_replaces"


def replaced(index: Any) -> Dict[str, str]:
    """New tensor name by the old one that it stands for, as the placeholders of a graph (a ``GraphIndex``) say."""
    return {names.text(node.attr[REPLACES].s): node.name + ":0" for node in index.nodes.values()
            if REPLACES in node.attr}


@dataclasses.dataclass(frozen=True)
class Edit:
    """The record of one edit of a graph.

    Attributes:
      name: what was done, in a word or two (``"swap inputs"``).
      removed: names of the nodes that are gone.
      added: names of the nodes that are new.
      rewired: ``(node, old input, new input)`` for every input that changed; an empty new input was dropped.
      placeholders: new tensor name by the old tensor name it stands for.
      notes: what the reader should know, one sentence each (an op that keeps a batch fixed, …).
      left: those of the notes that tell what could not be changed.
    """

    name: str
    removed: Tuple[str, ...] = ()
    added: Tuple[str, ...] = ()
    rewired: Tuple[Tuple[str, str, str], ...] = ()
    placeholders: Mapping[str, str] = dataclasses.field(default_factory=dict)
    notes: Tuple[str, ...] = ()
    left: Tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = ["%s: %d removed, %d added, %d rewired" % (
            self.name, len(self.removed), len(self.added), len(self.rewired))]
        lines += ["- " + node for node in self.removed]
        lines += ["+ " + node for node in self.added]
        lines += ["~ %s: %s -> %s" % (node, old, new or "(dropped)") for node, old, new in self.rewired]
        return "\n".join(lines + ["# " + note for note in self.notes])


def compare(name: str, before: Any, after: Any, placeholders: Optional[Mapping[str, str]] = None,
            notes: Tuple[str, ...] = (), left: Tuple[str, ...] = ()) -> Edit:
    """The Edit that leads from one GraphDef to another, found by comparing them node by node."""
    old: Dict[str, List[str]] = {node.name: list(node.input) for node in before.node}
    new: Dict[str, List[str]] = {node.name: list(node.input) for node in after.node}
    rewired = []
    for node, inputs in new.items():
        if node in old and old[node] != inputs:
            gone = [entry for entry in old[node] if entry not in inputs]
            come = [entry for entry in inputs if entry not in old[node]]
            come += [""] * (len(gone) - len(come))
            gone += [""] * (len(come) - len(gone))
            rewired += [(node, was, now) for was, now in zip(gone, come)]
    return Edit(name, tuple(node for node in old if node not in new), tuple(node for node in new if node not in old),
                tuple(rewired), dict(placeholders or {}), tuple(notes), left)
