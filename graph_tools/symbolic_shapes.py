"""Shapes in which unknown sizes have names, so that it can be told which of them are equal whatever is fed.

The shape of an imported tensor says ``[?, 32]``, and inside a loop nothing at all. TensorFlow's graph analyser follows
sizes through ops and around loops, and gives sizes that must agree one negative number.
"""

from typing import Any, Dict, List, Optional, Tuple

from graph_tools import _tf

Shape = Optional[Tuple[int, ...]]

# Values of constants larger than this decide no shape; they are not copied.
_LARGEST = 1 << 10


def symbolic_shapes(index: Any, output: str) -> Dict[str, List[Shape]]:
    """Shapes of the outputs of every node that ``output`` needs, by the node's name.

    Args:
      index: a ``GraphIndex``.
      output: name of a node.

    Returns:
      For each node a shape for each output: sizes, negative ones unknown and below -1 equal to those of the same
      number; ``None`` where not even the rank is known. A node that is left out is not known at all; nothing is when
      the analyser refuses the graph.

    Example:
      >>> symbolic_shapes(model.index, "loop/cell")["loop/cell"]              # doctest: +SKIP
      [(-7, 32)]
    """
    meta_graph = _tf.tf.MetaGraphDef()
    graph_def = meta_graph.graph_def
    graph_def.versions.CopyFrom(index.graph_def.versions)
    graph_def.library.CopyFrom(index.graph_def.library)
    for name in sorted(index.ancestors([output])):
        _add(index.nodes[name], graph_def)
    meta_graph.collection_def["train_op"].node_list.value.append(output)  # the analyser wants something to fetch
    found = _tf.shapes_of_outputs(meta_graph)
    return {name: [_shape(one.shape) for one in outputs] for name, outputs in found.items()}


def _add(node: Any, graph_def: Any) -> None:
    """The node without what has no say in shapes: control edges, values of large constants, hints of its writer."""
    to = graph_def.node.add()
    if node.op == "Const" and node.attr["value"].ByteSize() > _LARGEST:
        to.name, to.op = node.name, "ImmutableConst"
        to.attr["dtype"].CopyFrom(node.attr["dtype"])
        to.attr["shape"].shape.CopyFrom(node.attr["value"].tensor.tensor_shape)
        to.attr["memory_region_name"].s = b"none"
        return
    to.CopyFrom(node)
    for name in ("_output_shapes", "_class"):
        to.attr.pop(name, None)
    del to.input[:]
    to.input.extend(name for name in node.input if not name.startswith("^"))
    if node.op == "Placeholder" and node.attr["shape"].shape.dim:
        # The analyser takes a placeholder for something of any shape, since anything may be fed. (In old graphs no
        # sizes at all mean an unknown rank.)
        to.name, told = "%s/of_any_shape" % node.name, graph_def.node.add()
        told.name, told.op = node.name, "EnsureShape"
        told.input.append(to.name)
        told.attr["T"].CopyFrom(node.attr["dtype"])
        told.attr["shape"].CopyFrom(node.attr["shape"])


def _shape(shape: Any) -> Shape:
    return None if shape.unknown_rank else tuple(dim.size for dim in shape.dim)
