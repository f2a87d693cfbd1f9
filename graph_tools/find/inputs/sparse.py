"""Components that carry a whole sparse or ragged tensor: the three (or more) tensors it is opened into."""

from typing import Any, List

from graph_tools.find.inputs.record import Component, Input, dtype_list, make_input
from graph_tools.graph.walk import GraphIndex

_SPARSE = frozenset(("DeserializeSparse", "DeserializeManySparse", "TakeManySparseFromTensorsMap"))
_RESHAPING = frozenset(("Identity", "Squeeze", "Reshape", "ExpandDims"))
_RAGGED = "RaggedTensorFromVariant"


def open_components(index: GraphIndex, found: Input) -> Input:
    """The input with every component that carries a sparse or ragged tensor replaced by what it is opened into.

    A queue carries a sparse tensor as a handle or as serialized strings, an iterator as a variant. A component that
    something else reads as well, or that nothing opens, stays as it is.
    """
    components: List[Component] = []
    openers: List[str] = []
    for component in found.components:
        readers = _openers(index, component.tensor)
        openers += readers
        components += [part for name in readers for part in _parts(index.nodes[name])] or [component]
    if not openers:
        return found
    return make_input(index, found.kind, "%s; sparse or ragged components are opened by %s" % (
        found.why, ", ".join(repr(name) for name in openers)), found.nodes + tuple(openers), components,
                      batch=found.batch, producers=found.producers)


def _openers(index: GraphIndex, tensor: str) -> List[str]:
    """The nodes that open a tensor, when nothing else reads it."""
    found: List[str] = []
    for use in index.uses(tensor):
        op = index.op(use.node)
        inner = [use.node] if op in _SPARSE or op == _RAGGED else (
            _openers(index, use.node + ":0") if op in _RESHAPING else [])
        if not inner:
            return []
        found += inner
    return list(dict.fromkeys(found))


def _parts(node: Any) -> List[Component]:
    if node.op in _SPARSE:
        values = dtype_list(node, "dtype")[0]
        return [Component(node.name + ":0", "int64", (None, None), "indices"),
                Component(node.name + ":1", values, (None,), "values"),
                Component(node.name + ":2", "int64", (None,), "shape")]
    depth = node.attr["output_ragged_rank"].i
    splits = [Component("%s:%d" % (node.name, level), dtype_list(node, "Tsplits")[0], (None,), "row_splits_%d" % level)
              for level in range(depth)]
    return splits + [Component("%s:%d" % (node.name, depth), dtype_list(node, "Tvalues")[0], None, "values")]
