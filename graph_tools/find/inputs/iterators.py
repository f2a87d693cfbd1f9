"""``tf.data`` iterators of every sort: what comes out of their next element."""

from typing import Any, Iterator

from graph_tools.find.inputs.record import (
    Input,
    dtype_list,
    free_batch,
    make_input,
    numbered,
    resource_behind,
    shape_list,
)
from graph_tools.graph import ops
from graph_tools.graph.walk import GraphIndex

_SORTS = {"OneShotIterator": "a one-shot iterator", "IteratorFromStringHandle": "a feedable iterator",
          "IteratorFromStringHandleV2": "a feedable iterator", "MultiDeviceIterator": "a multi-device iterator"}


def inputs(index: GraphIndex) -> Iterator[Input]:
    """One input for each op that takes the next element."""
    for node in index.of_ops(ops.ITERATOR.takes):
        yield _next(index, node)


def _next(index: GraphIndex, node: Any) -> Input:
    dtypes = dtype_list(node, "output_types")
    shapes, batch = free_batch(shape_list(node, len(dtypes), "output_shapes"))
    components = numbered(node.name, dtypes, shapes)
    behind = resource_behind(index, node.name, ops.ITERATOR.holds)
    return make_input(index, "iterator", "the next element of %s" % _sort(index, node, behind), (node.name,),
                      components, batch=batch, producers=behind)


def _sort(index: GraphIndex, node: Any, behind: Any) -> str:
    if node.op == "DatasetToSingleElement":
        return "a data set that has only one"
    if not behind:
        return "an iterator that is not in the graph"
    made = [use.node for name in behind for use in index.consumers(name) if index.op(use.node) == "MakeIterator"]
    sort = _SORTS.get(index.op(behind[0]))
    if sort is None:
        sort = "a reinitializable iterator" if len(made) > 1 else "an initializable iterator"
    return "%s (%s)" % (sort, ", ".join(repr(name) for name in behind))
