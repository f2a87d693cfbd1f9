"""Queues: what comes out of a dequeue op, however the queue is filled."""

from typing import Any, Iterator, List, Optional, Tuple

import numpy as np

from graph_tools import _tf
from graph_tools.find.inputs.record import (
    Input,
    Shape,
    dtype_list,
    free_batch,
    make_input,
    numbered,
    resource_behind,
    shape_of,
)
from graph_tools.graph import ops
from graph_tools.graph.walk import GraphIndex

_ON_THE_WAY = ops.IDENTITIES | ops.ENTERS | ops.SWITCHES


def inputs(index: GraphIndex) -> Iterator[Input]:
    """One input for each dequeue op."""
    for node in index.of_ops(ops.QUEUE.takes):
        yield _dequeue(index, node)


def _dequeue(index: GraphIndex, node: Any) -> Input:
    behind = resource_behind(index, node.name, ops.QUEUE.holds)
    shapes, batch, how = _shapes(index, node, behind)
    dtypes = dtype_list(node, "component_types")
    if node.op.startswith("BarrierTakeMany"):
        dtypes, shapes = ["int64", "string"] + dtypes, [(None,), (None,)] + shapes
    components = numbered(node.name, dtypes, shapes)
    source = " or ".join("%s %r" % (index.op(name), name) for name in behind) or "a queue that is not in the graph"
    return make_input(index, "queue", "%s from %s" % (how, source), (node.name,), components, batch=batch,
                      producers=behind)


def _shapes(index: GraphIndex, node: Any, behind: Any) -> Tuple[List[Shape], Optional[int], str]:
    """Shapes of the components with a free batch, the batch that the graph fixes, and the sort of dequeue."""
    elements = _element_shapes(index, node, behind)
    if "Many" in node.op or "UpTo" in node.op:
        size = constant_int(index, index.data_inputs(node.name)[1])
        shapes = [None if shape is None else (None,) + shape for shape in elements]
        if "UpTo" in node.op:
            return shapes, None, "dequeue_up_to %s" % ("?" if size is None else size)
        return shapes, size, "dequeue_many of %s" % ("?" if size is None else size)
    shapes, batch = free_batch(elements)
    return shapes, batch, "dequeue"


def _element_shapes(index: GraphIndex, node: Any, behind: Any) -> List[Shape]:
    """Shapes of one queue element, from the queue's own attribute: freezing does not touch it."""
    count = len(node.attr["component_types"].list.type)
    agreed = None
    for name in behind:
        shapes = [shape_of(proto) for proto in index.nodes[name].attr["shapes"].list.shape]
        if index.op(name).startswith("PriorityQueue"):
            shapes = [()] + shapes  # the priority, an int64 scalar, is the first component and has no shape attribute
        if len(shapes) != count:
            return [None] * count
        if agreed is not None and agreed != shapes:
            return [None] * count
        agreed = shapes
    return agreed or [None] * count


def constant_int(index: GraphIndex, ref: Any) -> Optional[int]:
    """The value of an integer tensor that is a constant behind identities; ``None`` when it is not."""
    node = index.nodes.get(ref.node)
    while node is not None and node.op in _ON_THE_WAY and node.input:
        node = index.nodes.get(index.inputs(node.name)[0].node)
    if node is None or node.op != "Const":
        return None
    value = _tf.make_ndarray(node.attr["value"].tensor)
    return int(value) if value.size == 1 and np.issubdtype(value.dtype, np.integer) else None
