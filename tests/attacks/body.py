"""Graphs and functions built node by node, so that every release writes the same bytes."""

import functools
from typing import Any, Dict, FrozenSet, NamedTuple

import numpy as np

from graph_tools import _tf

# DataType numbers by the Python type that stands for them here.
FLOAT, STRING, INT, LONG, FLAG, DOUBLE, VARIANT, RESOURCE = 1, 7, 3, 9, 10, 2, 21, 20


class Dtype(int):
    """The number of a type, as an attribute."""


class Shape(tuple):
    """A shape, as an attribute."""


class Function(str):
    """The name of a function, as an attribute."""


F, S, N, L, B, D = (Dtype(number) for number in (FLOAT, STRING, INT, LONG, FLAG, DOUBLE))


class Body(NamedTuple):
    """A graph, or a function in its library, that nodes are added to."""

    graph: Any
    function: Any = None

    @property
    def nodes(self) -> Any:
        return self.graph.node if self.function is None else self.function.node_def

    def add(self, name: str, op: str, *inputs: str, **attrs: Any) -> str:
        """Adds a node; inputs are names of nodes (first output), ``(name, output)`` pairs, or ``"^name"``."""
        made = self.nodes.add(name=name, op=op)
        made.input.extend(self._entry(entry) for entry in inputs)
        for key, value in attrs.items():
            _set(made.attr[key], value)
        return name

    def const(self, name: str, value: Any, dtype: Any = None) -> str:
        made = self.nodes.add(name=name, op="Const")
        made.attr["value"].tensor.CopyFrom(_tf.tf.make_tensor_proto(value, dtype))
        made.attr["dtype"].type = made.attr["value"].tensor.dtype
        return name

    def _entry(self, entry: Any) -> str:
        name, number = (entry, 0) if isinstance(entry, str) else entry
        if name.startswith("^") or self.function is None or ":" in name:
            return name if not number else "%s:%d" % (name, number)
        if any(argument.name == name for argument in self.function.signature.input_arg):
            return name
        node = next(node for node in self.nodes if node.name == name)
        return _inside(node, number, {one.signature.name: one.signature for one in self.graph.library.function})

    def returns(self, entry: Any, result: str = "y", kind: int = FLOAT) -> None:
        """Says what the function returns."""
        self.function.signature.output_arg.add(name=result, type=kind)
        self.function.ret[result] = self._entry(entry)

    def define(self, name: str, *arguments: int) -> "Body":
        """A new function of the library whose arguments are ``a0``, ``a1``, … of these types."""
        made = self.graph.library.function.add()
        made.signature.name = name
        for number, kind in enumerate(arguments):
            made.signature.input_arg.add(name="a%d" % number, type=kind)
        return Body(self.graph, made)


def _inside(node, number: int, own: Dict[str, Any]) -> str:
    """How an output is called inside a function: by the name of the output in the op's definition."""
    signature = own.get(node.op) or _tf.registered_ops([node.op])[node.op]
    for output in signature.output_arg:
        width = 1
        if output.number_attr:
            width = node.attr[output.number_attr].i
        elif output.type_list_attr:
            width = len(node.attr[output.type_list_attr].list.type)
        if number < width:
            return "%s:%s:%d" % (node.name, output.name, number)
        number -= width
    raise IndexError(node.name)


def _set(attr, value) -> None:
    for kind, write in _WRITERS:
        if isinstance(value, kind):
            write(attr, value)
            return
    raise TypeError(value)


def _list(attr, values) -> None:
    attr.list.SetInParent()
    for value in values:
        if isinstance(value, Dtype):
            attr.list.type.append(value)
        elif isinstance(value, Function):
            attr.list.func.add(name=value)
        elif isinstance(value, Shape):
            made = attr.list.shape.add()
            for size in value:
                made.dim.add(size=size)
        else:
            attr.list.s.append(value)


def _shape(attr, value) -> None:
    attr.shape.SetInParent()
    for size in value:
        attr.shape.dim.add(size=size)


_WRITERS = (
    (Dtype, lambda attr, value: setattr(attr, "type", value)),
    (Function, lambda attr, value: setattr(attr.func, "name", value)),
    (bool, lambda attr, value: setattr(attr, "b", value)),
    (int, lambda attr, value: setattr(attr, "i", value)),
    (float, lambda attr, value: setattr(attr, "f", value)),
    (bytes, lambda attr, value: setattr(attr, "s", value)),
    (Shape, _shape),
    (list, _list),
)


def empty() -> Body:
    """A graph with an input ``x`` and a harmless output ``safe``, its hyperbolic tangent."""
    graph = _tf.tf.GraphDef()
    graph.versions.producer = 27 if _tf.version < (2, 0) else 1000
    body = Body(graph)
    body.add("x", "Placeholder", dtype=F, shape=Shape((1,)))
    body.add("safe", "Tanh", "x", T=F)
    return body


def known(*ops: str) -> bool:
    """Whether the running release has these ops."""
    return _known().issuperset(ops)


@functools.lru_cache(maxsize=None)
def _known() -> FrozenSet[str]:
    """TensorFlow takes a twentieth of a second to list them, and every harm asks."""
    return frozenset(_tf.registered_ops())


X = {"x:0": np.ones(1, np.float32)}
