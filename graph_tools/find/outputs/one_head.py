"""Which candidates are one head: ``softmax([0, z])``, ``sigmoid(z)`` and ``z`` say the same thing three times.

Two candidates are one head when one tensor decides both: going back from each, through points that everything passes,
a point is common to them. Halves of one tensor (the boxes and the classes of a detector) are two heads.
"""

import dataclasses
from typing import Dict, FrozenSet, List, NamedTuple, Sequence

from graph_tools.find.candidates import Output
from graph_tools.find.dataflow import LAYERS
from graph_tools.find.narrows import narrows
from graph_tools.find.view import View
from graph_tools.graph import names
from graph_tools.graph.groups import Groups
from graph_tools.graph.names import TensorRef
from graph_tools.graph.ops import EXITS

# What takes a part of a tensor: another part of it is another matter.
_PARTS = frozenset(("Slice", "StridedSlice", "Split", "SplitV", "Unpack", "Gather", "GatherV2", "GatherNd"))
_WHOLE = ("softmax", "sigmoid", "log_softmax")
_LAST = LAYERS | EXITS | {"Merge"}


class _Back(NamedTuple):
    """The tensors that all of an output's data passes through, back to its last layer; those before any part."""

    passed: FrozenSet[str]
    whole: FrozenSet[str]


def grouped(view: View, ranked: Sequence[Output]) -> List[Output]:
    """The candidates, best first as they came, each with the better one that is the same head (``same_as``)."""
    groups, whole = Groups(), {one.tensor for one in ranked if one.kind in _WHOLE}
    for one in ranked:
        back = _back(view, names.parse(one.tensor))
        for tensor in back.whole | back.passed & whole:
            groups.join(one.tensor, tensor)
    first: Dict[str, str] = {}
    best = [first.setdefault(groups.find(one.tensor), one.tensor) for one in ranked]
    return [one if tensor == one.tensor else dataclasses.replace(one, same_as=tensor)
            for one, tensor in zip(ranked, best)]


def passed(view: View, end: TensorRef) -> FrozenSet[str]:
    """The tensors that all data behind an output passes through, back to its last layer; itself included."""
    return _back(view, end).passed


def _back(view: View, end: TensorRef) -> _Back:
    found = narrows(view, end, lambda name: view.op(name) in _LAST or name in view.flow.sources)
    cut = next((number for number, ref in enumerate(found) if view.op(ref) in _PARTS), len(found))
    return _Back(frozenset(map(str, found)), frozenset(map(str, found[:cut + 1])))
