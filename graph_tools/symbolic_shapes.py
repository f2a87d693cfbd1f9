"""Shapes in which unknown sizes have names, so that it can be told which of them are equal whenever an op runs.

The shape of an imported tensor says ``[?, 32]``, and inside a loop nothing at all. TensorFlow's graph analyser follows
sizes through ops and around loops, and gives sizes that must agree one negative number. It concludes that from every op
it is shown, so it is only shown ops that have run by then: those that an op has its inputs from, and so on. That ends
at the Merge of a branch, which needs but one of its inputs, and at the Exit of a loop that may have run no time at all.
"""

from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Set, Tuple

from graph_tools import _tf
from graph_tools.graph import nodes
from graph_tools.graph.names import TensorRef
from graph_tools.graph.ops import EXITS, MERGES, NEXTS, PLACEHOLDERS

Shape = Optional[Tuple[int, ...]]

# Values of constants larger than this decide no shape; they are not copied.
_LARGEST = 1 << 10


class SymbolicShapes(NamedTuple):
    """What is known of some ops and of all that they are computed from.

    Attributes:
      outputs: by node a shape for each output: sizes, negative ones unknown and below -1 equal to those of the same
        number; ``None`` where not even the rank is known. Empty when the analyser refuses the graph.
      nodes: the nodes it was concluded from; it holds as long as none but placeholders among them is fed.
    """

    outputs: Dict[str, List[Shape]]
    nodes: Set[str]

    def of(self, node: str, port: int) -> Shape:
        """The shape of one output; ``None`` when nothing is known of it."""
        known = self.outputs.get(node, [])
        return known[port] if port < len(known) else None


def symbolic_shapes(index: Any, wanted: Iterable[str], given: Mapping[str, Any]) -> SymbolicShapes:
    """Sizes that are equal whenever some ops run.

    Args:
      index: a ``GraphIndex``.
      wanted: names of nodes that run together: in the same loop, and in the same branch.
      given: tensors that take the place of some of the graph's, by the names of those.

    Example:
      >>> symbolic_shapes(model.index, ["loop/cell"], {}).of("loop/cell", 0)  # doctest: +SKIP
      (-7, 32)
    """
    wanted = list(wanted)
    copy = _Copy(index, given)
    copy.add(wanted)
    copy.meta_graph.collection_def["train_op"].node_list.value.append(wanted[0])  # the analyser wants a fetch
    found = _tf.shapes_of_outputs(copy.meta_graph)
    return SymbolicShapes({name: [_shape(one.shape) for one in outputs] for name, outputs in found.items()}, copy.done)


class _Copy:
    """The part of a graph that some ops are computed from, as far back as it has run whenever they run."""

    def __init__(self, index: Any, given: Mapping[str, Any]):
        self._index, self._given = index, given
        self._names: Dict[str, str] = {}   # what is new -> its name
        self.done: Set[str] = set()
        self.meta_graph = _tf.tf.MetaGraphDef()
        self._graph_def = self.meta_graph.graph_def
        self._graph_def.versions.CopyFrom(index.graph_def.versions)
        self._graph_def.library.CopyFrom(index.graph_def.library)

    def add(self, wanted: Iterable[str]) -> None:
        todo = list(wanted)
        while todo:
            name = todo.pop()
            if name not in self.done and name in self._index:
                self.done.add(name)
                todo += self._add(self._index.nodes[name])

    def _add(self, node: Any) -> List[str]:
        """Copies one node without what has no say in shapes; returns those that it needs."""
        if node.op in PLACEHOLDERS:
            # In graphs of old producers no sizes at all mean an unknown rank.
            return self._anything(node.name, node.attr["dtype"].type, node.attr["shape"].shape)
        if node.op == "Const" and node.attr["value"].ByteSize() > _LARGEST:
            nodes.add(self._graph_def, "ImmutableConst", node.name, dtype=node.attr["dtype"],
                      shape=node.attr["value"].tensor.tensor_shape, memory_region_name=b"none")
            return []
        inputs = [self._input(ref) for ref in self._index.data_inputs(node.name)]
        nodes.set_inputs(nodes.copied(self._graph_def, node), inputs)
        return [ref.node for ref in inputs]

    def _input(self, ref: TensorRef) -> TensorRef:
        """Where the copy takes an input from."""
        tensor, node = self._given.get(str(ref)), self._index.nodes.get(ref.node)
        if tensor is not None:
            return self._stand_in(str(ref), tensor.dtype.base_dtype.as_datatype_enum, tensor.shape.as_proto())
        if node is not None and (node.op in EXITS or (node.op in MERGES and not self._starts_iteration(node))):
            # The second output of a Merge says which input it was.
            return self._stand_in(str(ref), _tf.tf.int32.as_datatype_enum if ref.port else node.attr["T"].type)
        return ref

    def _starts_iteration(self, merge: Any) -> bool:
        return any(self._index.op(ref.node) in NEXTS for ref in self._index.data_inputs(merge.name))

    def _stand_in(self, of: str, dtype: int, shape: Any = None) -> TensorRef:
        if of not in self._names:
            self._anything(self._new_name(of), dtype, shape)
        return TensorRef(self._names[of], 0)

    def _anything(self, name: str, dtype: int, shape: Any = None) -> List[str]:
        """A node of which only the shape is known, if that."""
        fed = name
        if shape is not None and shape.dim:
            # The analyser takes a placeholder for something of any shape, since anything may be fed.
            fed = self._new_name(name + ":fed")
            nodes.add(self._graph_def, "EnsureShape", name, [fed], T=dtype, shape=shape)
        nodes.add(self._graph_def, "Placeholder", fed, dtype=dtype, shape=None)
        return []

    def _new_name(self, of: str) -> str:
        name = of.replace(":", "/")
        while name in self._index or name in self._names.values():
            name += "_"
        self._names[of] = name
        return name


def _shape(shape: Any) -> Shape:
    return None if shape.unknown_rank else tuple(dim.size for dim in shape.dim)
