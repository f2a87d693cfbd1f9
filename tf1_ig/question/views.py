"""A tensor that somebody names because it is the natural one, and the lookup that it is a view of."""

from typing import Any, List, NamedTuple, Optional, Tuple

import graph_tools as gt
from graph_tools import _tf
from graph_tools.find.candidates import Embedding
from graph_tools.find.embeddings.onehot import VECTORS
from graph_tools.graph import names
from graph_tools.graph.names import TensorRef
from graph_tools.model import Model

# Ops that hand the numbers of their first input on, in their order and with their axes.
_SAME_AXES = frozenset(("Identity", "Cast", "CheckNumerics", "Snapshot", "DeepCopy", "EnsureShape"))
_SAME_ORDER = _SAME_AXES | {"Reshape", "ExpandDims", "Squeeze"}


class Viewed(NamedTuple):
    """The lookup behind a tensor, and in which order the axes of its ids stand there (``None``: in their own)."""

    lookup: Embedding
    axes: Optional[Tuple[int, ...]]


class Way(NamedTuple):
    """From a tensor back to what it is a view of: each tensor on the way, with the transposition of it so far."""

    tensors: Tuple[TensorRef, ...]
    axes: Tuple[Optional[Tuple[int, ...]], ...]
    reshaped: Tuple[bool, ...]


def lookup_behind(model: Model, name: str) -> Optional[Viewed]:
    """The one lookup that a tensor is a view of: a reshape, transpose or cast of it, or the plain op beneath it.

    Only of lookups with a row for each occurrence of an id; ``None`` where there is none, where rows are no longer
    whole (an axis that merges them), or where axes were both reordered and reshaped.
    """
    way = way_back(model, names.parse(name))
    found: List[Viewed] = []
    for one in gt.find_embeddings(model):
        if not one.per_occurrence or one.owner or one.in_loop or one.rows_combined_at or one.kind in VECTORS or not (
                one.ids):
            continue
        other = way_back(model, names.parse(one.tensor))
        common = next((ref for ref in way.tensors if ref in other.tensors), None)
        if common is None:
            continue
        here, there = way.tensors.index(common), other.tensors.index(common)
        axes = way.axes[here]
        if other.axes[there] is not None or axes is not None and (way.reshaped[here] or other.reshaped[there]):
            continue
        if _rows_whole(model, name, one) and (axes is None or axes[-1] == len(axes) - 1):
            found.append(Viewed(one, None if axes is None else axes[:-1]))
    lookups = {viewed.lookup.tensor for viewed in found}
    return found[0] if len(lookups) == 1 else None


def way_back(model: Model, start: TensorRef) -> Way:
    """From a tensor back through copies, transpositions and reshapes."""
    tensors, reshaped = [start], [False]
    axes: List[Optional[Tuple[int, ...]]] = [None]
    while True:
        node, last = model.index.nodes[tensors[-1].node], axes[-1]
        inputs = model.index.data_inputs(node.name)
        if not inputs or tensors[-1].port != 0:
            break
        if node.op == "Transpose":
            order = _constant(model, inputs[1])
            if order is None or last is not None and len(last) != len(order):
                break
            # Axis i of what is here is axis order[i] of what is beneath.
            last = order if last is None else tuple(order[place] for place in last)
        elif node.op not in _SAME_ORDER:
            break
        tensors.append(inputs[0])
        axes.append(None if last is not None and last == tuple(range(len(last))) else last)
        reshaped.append(reshaped[-1] or node.op in _SAME_ORDER - _SAME_AXES)
    return Way(tuple(tensors), tuple(axes), tuple(reshaped))


def _constant(model: Model, ref: Any) -> Optional[Tuple[int, ...]]:
    node = model.index.nodes.get(ref.node)
    if node is None or node.op != "Const":
        return None
    return tuple(int(one) for one in _tf.make_ndarray(node.attr["value"].tensor).ravel())


def _rows_whole(model: Model, name: str, lookup: Embedding) -> bool:
    """Whether the last axis of a tensor is a row of the table."""
    shape = model.outline.get_tensor_by_name(name).shape
    return shape.ndims is not None and shape.ndims >= 2 and lookup.dim is not None and (
        shape.as_list()[-1] == lookup.dim)
