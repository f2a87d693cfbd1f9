"""A tensor whose axes stand in another order than the examples' feed, and the same numbers with the examples first."""

from typing import Any, Sequence, Tuple

from graph_tools.edit.builder import Builder
from graph_tools.edit.record import Edit, compare
from graph_tools.graph import names
from graph_tools.graph.nodes import data_type


def examples_first(model: Any, tensor: str, order: Sequence[int]) -> Tuple[Any, Edit]:
    """Puts a transposed tensor, and one that is transposed back, between a tensor and all that read it.

    Args:
      model: a ``Model``.
      tensor: name of a tensor outside of loops.
      order: axis ``i`` of the new tensor is axis ``order[i]`` of the old.

    Returns:
      ``(new model, Edit)``; ``edit.placeholders`` maps the old tensor to the new one.
    """
    old, graph_def = names.parse(tensor), model.graph_def
    dtype = data_type(model.outline.get_tensor_by_name(tensor).dtype.base_dtype.name)
    build = Builder(graph_def, old.node, "examples_first")
    for node in graph_def.node:
        for slot, entry in enumerate(node.input):
            if names.parse(entry) == old:
                node.input[slot] = build.scope + "back"
    back = [list(order).index(axis) for axis in range(len(order))]
    turned = build.add("Transpose", "rows", [old, build.constant("order", list(order), "int32")],
                       T=dtype, Tperm="int32")
    build.add("Transpose", "back", [turned, build.constant("order_back", back, "int32")],
              T=dtype, Tperm="int32")
    return model.with_graph_def(graph_def), compare(
        "examples first", model.meta_graph.graph_def, graph_def, {tensor: str(turned)})
