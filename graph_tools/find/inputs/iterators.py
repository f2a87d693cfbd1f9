"""``tf.data`` iterators of every sort: what comes out of their next element."""

from typing import Iterator

from graph_tools.find.inputs.record import (
    Component,
    Input,
    dtype_list,
    free_batch,
    make_input,
    resource_behind,
    shape_list,
)
from graph_tools.graph.walk import GraphIndex

FROM_HANDLE = frozenset(("IteratorFromStringHandle", "IteratorFromStringHandleV2"))
ITERATORS = FROM_HANDLE | frozenset((
    "Iterator", "IteratorV2", "OneShotIterator", "AnonymousIterator", "AnonymousIteratorV2", "AnonymousIteratorV3",
    "MultiDeviceIterator", "AnonymousMultiDeviceIterator", "AnonymousMultiDeviceIteratorV3",
    "MultiDeviceIteratorFromStringHandle", "FunctionBufferingResource"))
NEXTS = frozenset(("IteratorGetNext", "IteratorGetNextSync", "OptionalGetValue", "DatasetToSingleElement",
                   "MultiDeviceIteratorGetNextFromShard", "FunctionBufferingResourceGetNext"))
_SORTS = {"OneShotIterator": "a one-shot iterator", "IteratorFromStringHandle": "a feedable iterator",
          "IteratorFromStringHandleV2": "a feedable iterator", "MultiDeviceIterator": "a multi-device iterator"}


def iterators(index: GraphIndex) -> Iterator[Input]:
    """One input for each op that takes the next element."""
    for node in index.nodes.values():
        if node.op in NEXTS:
            yield _next(index, node)


def _next(index: GraphIndex, node) -> Input:
    dtypes = dtype_list(node, "output_types")
    shapes, batch = free_batch(shape_list(node, len(dtypes), "output_shapes"))
    components = [Component("%s:%d" % (node.name, port), dtype, shape, "component_%d" % port)
                  for port, (dtype, shape) in enumerate(zip(dtypes, shapes))]
    behind = resource_behind(index, node.name, ITERATORS)
    return make_input(index, "iterator", "the next element of %s" % _sort(index, node, behind), (node.name,),
                      components, batch=batch, producers=behind)


def _sort(index: GraphIndex, node, behind) -> str:
    if node.op == "DatasetToSingleElement":
        return "a data set that has only one"
    if not behind:
        return "an iterator that is not in the graph"
    made = [use.node for name in behind for use in index.consumers(name) if index.op(use.node) == "MakeIterator"]
    sort = _SORTS.get(index.op(behind[0]))
    if sort is None:
        sort = "a reinitializable iterator" if len(made) > 1 else "an initializable iterator"
    return "%s (%s)" % (sort, ", ".join(repr(name) for name in behind))
