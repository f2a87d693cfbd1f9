"""Staging areas and infeeds: batches that were moved to a device ahead of time."""

from typing import Dict, Iterator, List

from graph_tools.find.inputs.iterators import iterators
from graph_tools.find.inputs.placeholders import placeholders
from graph_tools.find.inputs.queues import queues
from graph_tools.find.inputs.record import (
    Component,
    Input,
    Shape,
    dtype_list,
    free_batch,
    make_input,
    shape_list,
    shape_of,
)
from graph_tools.graph.walk import GraphIndex

UNSTAGES = frozenset(area + take for area in ("Map", "OrderedMap") for take in ("Unstage", "UnstageNoKey", "Peek")
                     ) | frozenset(("Unstage", "StagePeek"))
INFEEDS = frozenset(("InfeedDequeue", "InfeedDequeueTuple"))
_STAGES = frozenset(("Stage", "MapStage", "OrderedMapStage"))


def staging_areas(index: GraphIndex) -> Iterator[Input]:
    """One input for each op that takes a staged element."""
    for node in index.nodes.values():
        if node.op in UNSTAGES:
            yield _unstage(index, node)


def infeeds(index: GraphIndex) -> Iterator[Input]:
    """One input for each op that takes an element from the infeed of an accelerator."""
    for node in index.nodes.values():
        if node.op in INFEEDS:
            dtypes = dtype_list(node, "dtypes", "dtype")
            shapes = [shape_of(node.attr["shape"].shape)] if "shape" in node.attr else (
                shape_list(node, len(dtypes), "shapes"))
            shapes, batch = free_batch(shapes)
            yield make_input(index, "infeed", "what the host sends to the device", (node.name,),
                             _numbered(node.name, dtypes, shapes), batch=batch)


def _numbered(node_name: str, dtypes: List[str], shapes: List[Shape], first: int = 0) -> List[Component]:
    return [Component("%s:%d" % (node_name, port), dtype, shape, "component_%d" % port)
            for port, (dtype, shape) in enumerate(zip(dtypes, shapes), first)]


def _unstage(index: GraphIndex, node) -> Input:
    dtypes = dtype_list(node, "dtypes")
    stages = [other for other in index.nodes.values() if other.op in _STAGES and area(other) == area(node)]
    shapes, batch = free_batch(_staged_shapes(index, stages, len(dtypes)))
    components = _numbered(node.name, dtypes, shapes)
    if node.op.endswith("NoKey"):
        components = [Component(node.name + ":0", "int64", (), "key")] + _numbered(node.name, dtypes, shapes, first=1)
    name = node.attr["shared_name"].s.decode("utf-8") or node.name
    return make_input(index, "staging_area", "an element of the staging area %r" % name, (node.name,), components,
                      batch=batch, producers=tuple(stage.name for stage in stages))


def area(node):
    """What tells one staging area from another: there is no handle, its ops share a container and a name."""
    return node.attr["container"].s, node.attr["shared_name"].s or node.name.encode("utf-8")


def _staged_shapes(index: GraphIndex, stages, count: int) -> List[Shape]:
    """Shapes of what is put in, where its producer says them: Unstage itself keeps none."""
    known: Dict[str, Shape] = {}
    for mechanism in (placeholders, queues, iterators):
        for one in mechanism(index):
            known.update((component.tensor, component.shape) for component in one.components)
    for stage in stages:
        values = index.data_inputs(stage.name)[-count:]
        shapes = [known.get(str(_through(index, ref))) for ref in values]
        if any(shape is not None for shape in shapes):
            return shapes
    return [None] * count


def _through(index: GraphIndex, ref):
    while index.op(ref.node) == "Identity":
        ref = index.data_inputs(ref.node)[0]
    return ref
