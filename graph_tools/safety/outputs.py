"""How many outputs a node has and of which types, by the definition of its op or of the function that it calls."""

from typing import Any, List

from graph_tools import _tf

REF = 100  # a DataType number above this is a reference to one below it


class Definitions:
    """The definitions of ops that a graph can use: TensorFlow's (asked when one is needed), and its own functions."""

    def __init__(self, graph_def: Any):
        self._functions = {function.signature.name: function.signature for function in graph_def.library.function}

    def types(self, node: Any) -> List[int]:
        """Types of the outputs of a node (``DataType`` numbers); none where nobody knows its op."""
        if node.op in self._functions:
            return output_types(node, self._functions[node.op])
        return output_types(node, _tf.registered_ops([node.op]).get(node.op))


def output_types(node: Any, signature: Any) -> List[int]:
    """Types of the outputs of a node by its definition (an ``OpDef``)."""
    if signature is None:
        return []
    defaults = {attribute.name: attribute.default_value for attribute in signature.attr}

    def value(name: str) -> Any:
        return node.attr[name] if name in node.attr else defaults[name]

    found: List[int] = []
    for output in signature.output_arg:
        if output.type_list_attr:
            found.extend(value(output.type_list_attr).list.type)
            continue
        dtype = value(output.type_attr).type if output.type_attr else output.type
        if output.is_ref and dtype < REF:
            dtype += REF
        found.extend([dtype] * (value(output.number_attr).i if output.number_attr else 1))
    return found
