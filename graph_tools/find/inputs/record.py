"""What is known of one way into a graph: its components, their dtypes and shapes, and what hangs on it."""

import dataclasses
from typing import Any, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from graph_tools import _tf
from graph_tools.find.candidates import Candidate
from graph_tools.graph import names
from graph_tools.graph.names import TensorRef
from graph_tools.graph.walk import GraphIndex

Shape = Optional[Tuple[Optional[int], ...]]


class Component(NamedTuple):
    """One tensor that comes out of an input mechanism.

    Attributes:
      tensor: its name in the graph, ``"batch:1"``.
      dtype: name of its dtype, ``"int64"``.
      shape: best-known shape with the batch free, ``(None, 40)``; ``None`` when the rank is unknown.
      label: a short readable name, from the graph where it has one (``"words/values"``), else ``"component_1"``.
      used: the model (or the explained output) depends on it.
      consumers: names of the nodes that read it.
    """

    tensor: str
    dtype: str
    shape: Shape
    label: str
    used: bool = True
    consumers: Tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Input(Candidate):
    """One way into the graph: a placeholder, a dequeue, an iterator, a parser, …

    ``tensor``, ``dtype`` and ``shape`` are those of the first component that is used.

    Attributes:
      components: every tensor that comes out of it, used or not, in order.
      batch: the number of rows that the graph fixes, ``None`` when it is free.
      control: nodes with a control edge to it: feeding its output does not keep it from running for them.
      producers: the queue, iterator, reader or Python function behind it.
      default: the tensor that is taken when nothing is fed (placeholders with default).
      switch: what it does where it is no data but says how the graph computes (``"dropout"``, ``"noise"``,
        ``"branch"``, ``"scale"``, ``"optimiser"``), ``""`` for data.
      inference: what to feed a switch so that nothing is random and nothing depends on the batch; ``None`` for data.
      calms: nodes that decide nothing any more once that is fed.
    """

    components: Tuple[Component, ...] = ()
    batch: Optional[int] = None
    control: Tuple[str, ...] = ()
    producers: Tuple[str, ...] = ()
    default: Optional[str] = None
    switch: str = ""
    inference: Any = None
    calms: Tuple[str, ...] = ()

    @property
    def tensors(self) -> Tuple[str, ...]:
        """Names of all its tensors, in order."""
        return tuple(component.tensor for component in self.components)

    @property
    def consumers(self) -> Tuple[str, ...]:
        """Names of the nodes that read any of its tensors."""
        return tuple(dict.fromkeys(name for component in self.components for name in component.consumers))

    @property
    def node(self) -> str:
        """Name of the node that hands the data over (the first one matched)."""
        return self.nodes[0]


def make_input(index: GraphIndex, kind: str, why: str, nodes: Sequence[str], components: Iterable[Component],
               **details: Any) -> Input:
    """An ``Input`` whose consumers and control edges are read off the graph; all components count as used."""
    components = tuple(component._replace(consumers=_readers(index, component.tensor)) for component in components)
    control = dict.fromkeys(use.node for node in nodes for use in index.uses(TensorRef(node, -1)))
    first = components[0]
    return Input(first.tensor, kind, why, tuple(nodes), first.dtype, first.shape, components=components,
                 control=tuple(control), **details)


def numbered(node_name: str, dtypes: Sequence[str], shapes: Sequence[Shape], first: int = 0) -> List[Component]:
    """The outputs of a node from number ``first`` on, labelled ``component_1`` by their number."""
    return [Component("%s:%d" % (node_name, port), dtype, shape, names.component(port))
            for port, (dtype, shape) in enumerate(zip(dtypes, shapes), first)]


def mark_used(found: Input, needed: Any, output: Optional[str] = None) -> Input:
    """The same input with ``used`` set by ``needed(consumer node)``; its ``tensor`` is the first used one."""
    components = tuple(
        component._replace(used=component.tensor == output or any(needed(node) for node in component.consumers))
        for component in found.components)
    first = next((component for component in components if component.used), components[0])
    return dataclasses.replace(found, tensor=first.tensor, dtype=first.dtype, shape=first.shape, components=components)


def _readers(index: GraphIndex, tensor: str) -> Tuple[str, ...]:
    return tuple(dict.fromkeys(use.node for use in index.uses(tensor)))


def dtype_name(number: int) -> str:
    """``"float32"`` for the number of a ``DataType``."""
    return _tf.tf.as_dtype(number).name


def dtype_list(node: Any, *attributes: str) -> List[str]:
    """Dtype names of the first attribute that the node has, list or single."""
    for attribute in attributes:
        if attribute in node.attr:
            value = node.attr[attribute]
            return [dtype_name(number) for number in ([value.type] if value.type else value.list.type)]
    return []


def shape_of(proto: Any) -> Shape:
    """A ``TensorShapeProto`` as a tuple; ``None`` when the rank is unknown."""
    if proto.unknown_rank:
        return None
    return tuple(None if dim.size < 0 else dim.size for dim in proto.dim)


def shape_list(node: Any, count: int, *attributes: str) -> List[Shape]:
    """``count`` shapes from the first list attribute that the node has; unknown ones where it has none."""
    for attribute in attributes:
        if attribute in node.attr and len(node.attr[attribute].list.shape) == count:
            return [shape_of(proto) for proto in node.attr[attribute].list.shape]
    return [None] * count


def free_batch(shapes: Sequence[Shape]) -> Tuple[List[Shape], Optional[int]]:
    """The shapes with the common leading size freed, and that size (``None``: there is none to free).

    Components of one element of a queue or a data set hold rows of the same examples when all of them have the same
    leading size; a scalar among them says that an element is one example, whose leading axis is its own.
    """
    leading = {shape[0] if shape else 1 for shape in shapes if shape is not None}
    if len(leading) != 1 or any(shape == () for shape in shapes):
        return list(shapes), None
    batch = leading.pop()
    return [shape if shape is None else (None,) + shape[1:] for shape in shapes], batch


def resource_behind(index: GraphIndex, node: str, ops: Any) -> Tuple[str, ...]:
    """The nodes of the given op types that a node's first input leads back to (through Switch, Enter, Identity, …)."""
    handle = index.data_inputs(node)[:1]
    found = index.ancestors([ref.node for ref in handle], control=False, stop=lambda name: index.op(name) in ops)
    return tuple(name for name in index.nodes if name in found and index.op(name) in ops)
