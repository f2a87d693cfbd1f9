"""Static shapes of a graph with a prime in place of its batch: what is a multiple of it depends on the batch."""

import re
from typing import Dict, Iterable, List, Optional, Tuple

from graph_tools import _tf, names
from graph_tools.walk import GraphIndex

PRIME = 1009  # stands for the batch while shapes are inferred
BACK = ("NextIteration", "RefNextIteration")  # a loop's way back


def has_batch(shape: Optional[Iterable[Optional[int]]]) -> bool:
    """Whether a size of a shape depends on the batch."""
    return any(size and size % PRIME == 0 for size in shape or ())


def _without(graph_def, index: GraphIndex, failed: str):
    """The graph without an op and what depends on it; a loop it is in loses its way back, and knows no shape there."""
    gone = index.descendants([failed], stop=lambda name: index.op(name) in BACK)
    left = _tf.tf.GraphDef(versions=graph_def.versions, library=graph_def.library)
    for node in graph_def.node:
        if node.name in gone:
            continue
        left.node.extend([node])
        for slot, entry in enumerate(node.input):
            if names.parse(entry).node in gone:  # only the Merge of a loop can lose an input here
                unknown = left.node.add(name="%s/unknown_%d" % (node.name, slot), op="Placeholder")
                unknown.attr["dtype"].type = node.attr["T"].type
                unknown.attr["shape"].shape.unknown_rank = True
                next(other for other in left.node if other.name == node.name).input[slot] = unknown.name
    return left


def set_batch(graph_def, placeholders: Dict[str, tuple], size: Optional[int]) -> None:
    """Sets the leading dimension of placeholders, in place."""
    for node in graph_def.node:
        if node.name in placeholders:
            node.attr["shape"].shape.CopyFrom(
                _tf.tf.TensorShape((size,) + tuple(placeholders[node.name][1:])).as_proto())


class Inference:
    """The shapes of one graph by tensor name, as far as TensorFlow can infer them.

    Attributes:
      shapes: ``{"a:0": [1009, None, 3]}``; ``None`` for an unknown rank.
      failed: the op that TensorFlow refuses, ``""`` when it accepts all; shapes that do not depend on it are known.
      reason: what TensorFlow says about it.
    """

    def __init__(self, graph_def, placeholders: Dict[str, tuple], size: int):
        self.shapes: Dict[str, Optional[List[Optional[int]]]] = {}
        self.failed, self.reason = "", ""
        graph_def = _copy(graph_def)
        set_batch(graph_def, placeholders, size)
        for node in graph_def.node:
            node.attr.pop("_output_shapes", None)
            node.attr.pop("_class", None)
        refused = self._import(graph_def)
        while refused:
            self.failed, self.reason = refused
            index = GraphIndex(graph_def)
            if self.failed not in index:
                return
            graph_def = _without(graph_def, index, self.failed)
            refused = self._import(graph_def)

    def _import(self, graph_def) -> Optional[Tuple[str, str]]:
        """Reads the shapes of a graph; the op that TensorFlow refuses and what it says, or ``None``."""
        tf = _tf.tf
        graph = tf.Graph()
        try:
            with graph.as_default():
                tf.import_graph_def(graph_def, name="")
        except (ValueError, tf.errors.OpError) as error:
            found = re.search(r"\{\{node ([^}]+)\}\}|for '([^']+)' \(op:", str(error))
            return (next(name for name in found.groups() if name) if found else "", str(error).splitlines()[0])
        self.shapes = {output.name: None if output.shape.rank is None else output.shape.as_list()
                       for op in graph.get_operations() for output in op.outputs}
        return None


def _copy(graph_def):
    copy = _tf.tf.GraphDef()
    copy.CopyFrom(graph_def)
    return copy
