"""Placeholders, with and without a default; the three of a sparse placeholder are one input."""

from typing import Any, Dict, Iterator, List, Tuple

from graph_tools.find.inputs.record import Component, Input, Shape, dtype_list, make_input, shape_of
from graph_tools.graph.ops import PLACEHOLDERS
from graph_tools.graph.walk import GraphIndex

_SPARSE = ("indices", "values", "shape")
_INDEX_READERS = frozenset(("StridedSlice", "Shape", "CTCLoss", "CTCLossV2", "EditDistance", "GatherNd", "Where"))
_GATHERS = frozenset(("Gather", "GatherV2"))


def inputs(index: GraphIndex) -> Iterator[Input]:
    """One input for each placeholder, and one for the three of a ``tf.sparse_placeholder``."""
    families = _sparse_families(index)
    grouped = {member for members in families.values() for member in members}
    for node in index.nodes.values():
        if node.name in families:
            yield _sparse(index, families[node.name])
        elif node.op in PLACEHOLDERS and node.name not in grouped:
            yield _dense(index, node)


def placeholder_shape(index: GraphIndex, node: Any) -> Shape:
    """The shape that a placeholder declares; below producer 24 an empty one means that the rank is unknown."""
    if "shape" not in node.attr:
        return None
    shape = shape_of(node.attr["shape"].shape)
    if not shape and index.graph_def.versions.producer < 24 and node.op == "Placeholder":
        return None
    return shape


def _component(index: GraphIndex, node: Any, label: str) -> Component:
    return Component(node.name + ":0", dtype_list(node, "dtype")[0], placeholder_shape(index, node), label)


def _dense(index: GraphIndex, node: Any) -> Input:
    component = _component(index, node, node.name.rpartition("/")[2])
    batch = component.shape[0] if component.shape else None
    if node.op != "PlaceholderWithDefault":
        return make_input(index, "placeholder", "a placeholder: it must be fed", (node.name,), [component], batch=batch)
    default = str(index.data_inputs(node.name)[0])
    why = "a placeholder with a default: %r is taken when nothing is fed" % default
    return make_input(index, "placeholder", why, (node.name,), [component], batch=batch, default=default)


def _sparse_families(index: GraphIndex) -> Dict[str, List[str]]:
    """Indices, values and shape of each sparse placeholder by the one of them that comes first in the graph.

    They are called ``x/indices``, ``x/values``, ``x/shape``; without a name for ``x``, they are three placeholders one
    after the other of which one is read as indices. Where the shape is a constant, there are two.
    """
    there = index.names_of(PLACEHOLDERS)
    families: Dict[str, List[str]] = {}
    for at, name in enumerate(there):
        scope, _, tail = name.rpartition("/")
        members = [(scope + "/" if scope else "") + part for part in _SPARSE]
        if tail not in _SPARSE or not all(index.op(member) in PLACEHOLDERS for member in members):
            members = _without_name(index, there[at:at + 3], (2, 1, 0), (1, 0, 2)) or _without_name(
                index, there[at:at + 2], (1, 0), (0, 1))
        if members and all(dtype_list(index.nodes[member], "dtype") == ["int64"] for member in members[::2]):
            if not any(set(members) & set(known) for known in families.values()):
                families[name] = members
    return families


def _without_name(index: GraphIndex, few: List[str], *orders: Tuple[int, ...]) -> List[str]:
    """Two or three placeholders as indices, values and shape, where ``tf.sparse_placeholder`` made them; else none."""
    for order in orders if len(few) == len(orders[0]) else ():
        members = [few[at] for at in order]
        ranks = [len(shape or ()) for shape in (placeholder_shape(index, index.nodes[name]) for name in members)]
        if ranks == [2, 1, 1][:len(few)] and index_readers(index, members[0]):
            return members
    return []


def index_readers(index: GraphIndex, name: str) -> List[str]:
    """The nodes that read a tensor as the indices of a sparse one, of which a dropout may take some first; none where
    something else reads it."""
    found: List[str] = []
    seen, todo = {name}, [name]
    while todo:
        uses = index.consumers(todo.pop(), control=False)
        if not uses:
            return []
        for use in uses:
            op = index.op(use.node)
            if op in _INDEX_READERS or op.startswith("Sparse"):
                found.append(use.node)
            elif op not in _GATHERS or use.slot:
                return []
            elif use.node not in seen:
                seen.add(use.node)
                todo.append(use.node)
    return list(dict.fromkeys(found))


def _sparse(index: GraphIndex, members: List[str]) -> Input:
    name = members[0].rpartition("/")[0] or members[0]
    components = [_component(index, index.nodes[member], part) for member, part in zip(members, _SPARSE)]
    return make_input(index, "sparse_placeholder", "the %s placeholders of the sparse tensor %r" % (
        "three" if len(members) == 3 else "two", name), members, components)
