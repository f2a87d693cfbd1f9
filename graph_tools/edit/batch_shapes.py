"""Static shapes of a graph with a prime in place of its batch: what is a multiple of it depends on the batch.

And the shapes that TensorArrays promise of their elements, which are held to when the graph runs.
"""

import re
from typing import Any, Dict, Iterable, List, Optional, Tuple

from graph_tools import _tf
from graph_tools.graph import names, nodes, ops
from graph_tools.graph.walk import GraphIndex, reached
from graph_tools.safety import disarm

PRIME = 1009  # stands for the batch while shapes are inferred


def has_batch(shape: Optional[Iterable[Optional[int]]]) -> bool:
    """Whether a size of a shape depends on the batch."""
    return any(size and size % PRIME == 0 for size in shape or ())


def _without(graph_def: Any, index: GraphIndex, failed: str) -> Any:
    """The graph without an op and what depends on it; a loop it is in loses its way back, and knows no shape there."""
    gone = index.descendants([failed], stop=lambda name: index.op(name) in ops.NEXTS)
    left = _tf.tf.GraphDef(versions=graph_def.versions, library=graph_def.library)
    for node in graph_def.node:
        if node.name in gone:
            continue
        kept = nodes.copied(left, node)
        for slot, entry in enumerate(node.input):
            if names.parse(entry).node in gone:  # only the Merge of a loop can lose an input here
                kept.input[slot] = nodes.add(left, "Placeholder", "%s/unknown_%d" % (node.name, slot),
                                             dtype=node.attr["T"].type, shape=None).name
    return left


# Ops on a TensorArray, and which input is the value they put into it.
_WRITES = {"TensorArrayWriteV2": 2, "TensorArrayWriteV3": 2, "TensorArrayScatterV2": 2, "TensorArrayScatterV3": 2}


def free_elements(index: GraphIndex, placeholders: Iterable[str], batch: int) -> List[str]:
    """Lets TensorArrays of elements with a row for each example take any number of rows, in place; returns notes.

    ``dynamic_rnn`` and ``map_fn`` promise the shape of what they write and read, ``[batch, …]``. Only arrays that
    what is fed is written to are touched, and a promise less changes no value.
    """
    fed, notes = index.descendants(placeholders, control=False), []
    for name in index.names_of(("TensorArrayV2", "TensorArrayV3")):
        if _promised(index.nodes[name]) != batch:
            continue
        users = _users(index, name)
        if any(index.data_inputs(user)[_WRITES[index.op(user)]].node in fed for user in users
               if index.op(user) in _WRITES):
            for other in [name] + users:
                if _promised(index.nodes[other]) == batch:
                    index.nodes[other].attr["element_shape"].shape.dim[0].size = -1
            notes.append("%r had elements with a batch of %d; they take any now" % (name, batch))
    return notes


def _promised(node: Any) -> Optional[int]:
    """The leading size that a node promises for the elements of a TensorArray."""
    sizes = node.attr["element_shape"].shape.dim if "element_shape" in node.attr else ()
    return sizes[0].size if sizes else None


def _users(index: GraphIndex, array: str) -> List[str]:
    """The ops that take the handle of a TensorArray, or of its gradient's, through the doors of loops."""
    def takers(name: str) -> List[str]:
        return [use.node for use in index.uses(name + ":0") if use.slot == 0]

    return list(reached(takers(array), lambda name: takers(name) if index.op(name) in (
        "Enter", "Identity", "TensorArrayGradV2", "TensorArrayGradV3") else []))


def set_batch(graph_def: Any, placeholders: Dict[str, tuple], size: Optional[int]) -> None:
    """Sets the leading dimension of placeholders, in place."""
    for node in graph_def.node:
        if node.name in placeholders:
            node.attr["shape"].shape.CopyFrom(
                _tf.tf.TensorShape((size,) + tuple(placeholders[node.name][1:])).as_proto())


class Inference:
    """The shapes of one graph by tensor name, as far as TensorFlow can infer them.

    Attributes:
      shapes: ``{"a:0": [1009, None, 3]}``; ``None`` for an unknown rank.
      refused: the ops that TensorFlow refuses and what it says about each, the last one found last; shapes that do not
        depend on them are known.
    """

    def __init__(self, graph_def: Any, placeholders: Dict[str, tuple], size: int):
        self.shapes: Dict[str, Optional[List[Optional[int]]]] = {}
        self.refused: Dict[str, str] = {}
        graph_def = _copy(graph_def)
        set_batch(graph_def, placeholders, size)
        for node in graph_def.node:
            nodes.forget(node)
        disarm.disarm(graph_def)
        refused = self._import(graph_def)
        while refused:
            failed, reason = refused
            self.refused[failed] = reason
            index = GraphIndex(graph_def)
            if failed not in index:
                return
            graph_def = _without(graph_def, index, failed)
            refused = self._import(graph_def)

    def _import(self, graph_def: Any) -> Optional[Tuple[str, str]]:
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


def _copy(graph_def: Any) -> Any:
    copy = _tf.tf.GraphDef()
    copy.CopyFrom(graph_def)
    return copy
