"""Staging areas: batches that were moved to a device ahead of time."""

from typing import Any, Dict, Iterator, List

from graph_tools.find.inputs import iterators, placeholders, queues
from graph_tools.find.inputs.record import Component, Input, Shape, dtype_list, free_batch, make_input, numbered
from graph_tools.graph import names, ops
from graph_tools.graph.walk import GraphIndex


def inputs(index: GraphIndex) -> Iterator[Input]:
    """One input for each op that takes a staged element."""
    for node in index.of_ops(ops.STAGING_AREA.takes):
        yield _unstage(index, node)


def _unstage(index: GraphIndex, node: Any) -> Input:
    dtypes = dtype_list(node, "dtypes")
    stages = [other for other in index.of_ops(ops.STAGING_AREA.fills) if area(other) == area(node)]
    shapes, batch = free_batch(_staged_shapes(index, stages, len(dtypes)))
    components = numbered(node.name, dtypes, shapes)
    if node.op.endswith("NoKey"):
        components = [Component(node.name + ":0", "int64", (), "key")] + numbered(node.name, dtypes, shapes, first=1)
    name = names.text(node.attr["shared_name"].s) or node.name
    return make_input(index, "staging_area", "an element of the staging area %r" % name, (node.name,), components,
                      batch=batch, producers=tuple(stage.name for stage in stages))


def area(node: Any) -> Any:
    """What tells one staging area from another: there is no handle, its ops share a container and a name."""
    return node.attr["container"].s, node.attr["shared_name"].s or node.name.encode("utf-8")


def _staged_shapes(index: GraphIndex, stages: Any, count: int) -> List[Shape]:
    """Shapes of what is put in, where its producer says them: Unstage itself keeps none."""
    known: Dict[str, Shape] = {}
    for mechanism in (placeholders, queues, iterators):
        for one in mechanism.inputs(index):
            known.update((component.tensor, component.shape) for component in one.components)
    for stage in stages:
        values = index.data_inputs(stage.name)[-count:]
        shapes = [known.get(str(index.origin(ref, ("Identity",)))) for ref in values]
        if any(shape is not None for shape in shapes):
            return shapes
    return [None] * count
