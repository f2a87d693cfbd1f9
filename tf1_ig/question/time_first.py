"""Lookups of ids that the graph transposed: steps stand first in their rows, examples in feed and output."""

from typing import Any, Dict, NamedTuple, Tuple

from graph_tools.edit.examples_first import examples_first
from graph_tools.graph import names
from graph_tools.graph.ops import PLACEHOLDERS
from tf1_ig.engine.failed_run import RunFailed
from tf1_ig.engine.operated import AttributedInput
from tf1_ig.question import views
from tf1_ig.question.resolve import Resolved


class Turned(NamedTuple):
    """A lookup by number of the input: the feed its ids come from, and how the axes of that stand in the rows."""

    fed: str
    axes: Tuple[int, ...]


def turned_lookups(resolved: Resolved) -> Dict[int, Turned]:
    """Attributed lookups whose first axis is another than that of the placeholder with the ids."""
    found = {}
    for number, spec in enumerate(resolved.inputs):
        if spec.ids and spec.kind and spec.attributed.owner is None and spec.id_axes is None:
            way = views.way_back(resolved.model, names.parse(spec.ids))
            fed, axes = way.tensors[-1], way.axes[-1]
            if axes is not None and axes[0] != 0 and not way.reshaped[-1] and (
                    resolved.model.index.op(fed.node) in PLACEHOLDERS):
                found[number] = Turned(str(fed), axes)
    return found


def with_examples_first(resolved: Resolved, lookups: Dict[int, Turned], reader: Any, feed: Any) -> Resolved:
    """Attributes to views of these lookups with the examples first, where the output has as many rows as the feed.

    Args:
      lookups: what ``turned_lookups`` found.
      reader: a ``TaskReader``.
      feed: the caller's.

    Returns:
      ``resolved`` itself where nothing is turned.
    """
    try:
        output, values = reader.raw(feed)
    except RunFailed:
        return resolved  # told when the feed is read
    inputs, model = list(resolved.inputs), resolved.model
    for number, lookup in lookups.items():
        fed, spec = values.get(lookup.fed), inputs[number]
        tensor = spec.attributed.tensor
        rank = model.outline.get_tensor_by_name(tensor).shape.ndims
        if fed is not None and rank is not None and fed.ndim == len(lookup.axes) and len(fed) and output.size and (
                output.ndim and len(output) % len(fed) == 0):
            back = [lookup.axes.index(axis) for axis in range(len(lookup.axes))]
            model, edit = examples_first(model, tensor, back + list(range(len(back), rank)))
            inputs[number] = spec._replace(attributed=AttributedInput(edit.placeholders[tensor]), id_axes=tuple(back))
    return resolved if model is resolved.model else resolved._replace(model=model, inputs=tuple(inputs))
