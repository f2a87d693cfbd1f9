"""Placeholders, with and without a default; the three of a sparse placeholder are one input."""

from typing import Dict, Iterator, List

from graph_tools.find.inputs.record import Component, Input, Shape, dtype_list, make_input, shape_of
from graph_tools.graph.ops import PLACEHOLDERS
from graph_tools.graph.walk import GraphIndex

_SPARSE = ("indices", "values", "shape")


def inputs(index: GraphIndex) -> Iterator[Input]:
    """One input for each placeholder, and one for the three of a ``tf.sparse_placeholder``."""
    families = _sparse_families(index)
    grouped = {member for members in families.values() for member in members}
    for node in index.nodes.values():
        if node.name in families:
            yield _sparse(index, families[node.name])
        elif node.op in PLACEHOLDERS and node.name not in grouped:
            yield _dense(index, node)


def placeholder_shape(index: GraphIndex, node) -> Shape:
    """The shape that a placeholder declares; below producer 24 an empty one means that the rank is unknown."""
    if "shape" not in node.attr:
        return None
    shape = shape_of(node.attr["shape"].shape)
    if not shape and index.graph_def.versions.producer < 24 and node.op == "Placeholder":
        return None
    return shape


def _component(index: GraphIndex, node, label: str) -> Component:
    return Component(node.name + ":0", dtype_list(node, "dtype")[0], placeholder_shape(index, node), label)


def _dense(index: GraphIndex, node) -> Input:
    component = _component(index, node, node.name.rpartition("/")[2])
    batch = component.shape[0] if component.shape else None
    if node.op != "PlaceholderWithDefault":
        return make_input(index, "placeholder", "a placeholder: it must be fed", (node.name,), [component], batch=batch)
    default = str(index.data_inputs(node.name)[0])
    why = "a placeholder with a default: %r is taken when nothing is fed" % default
    return make_input(index, "placeholder", why, (node.name,), [component], batch=batch, default=default)


def _sparse_families(index: GraphIndex) -> Dict[str, List[str]]:
    """The nodes ``x/indices``, ``x/values``, ``x/shape`` by the one that comes first in the graph."""
    families: Dict[str, List[str]] = {}
    for name in index.nodes:
        scope, _, tail = name.rpartition("/")
        members = [(scope + "/" if scope else "") + part for part in _SPARSE]
        if tail not in _SPARSE or not all(index.op(member) in PLACEHOLDERS for member in members):
            continue
        indices, _, shape = (index.nodes[member] for member in members)
        if dtype_list(indices, "dtype") == ["int64"] and dtype_list(shape, "dtype") == ["int64"]:
            if not any(members == known for known in families.values()):
                families[name] = members
    return families


def _sparse(index: GraphIndex, members: List[str]) -> Input:
    scope = members[0].rpartition("/")[0] or "it"
    components = [_component(index, index.nodes[name], name.rpartition("/")[2]) for name in members]
    return make_input(index, "sparse_placeholder", "the three placeholders of the sparse tensor %r" % scope, members,
                      components)
