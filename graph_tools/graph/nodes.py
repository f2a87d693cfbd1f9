"""One maker of nodes: what is added to a GraphDef, or takes the place of a node of it.

Whoever calls owns the GraphDef (a copy of a model's). Attributes are said by value: a bool is a flag; a dtype, its
number or its name a type; bytes a string; a tuple or ``None`` a shape (``None``: of unknown rank); a list the types of
several; a message itself.
"""

from typing import Any, Container, Iterable, Sequence, Union

from graph_tools import _tf
from graph_tools.graph.names import TensorRef

STALE = ("_output_shapes", "_class")  # what no longer holds of a node in another graph
_FIELDS = {"TensorProto": "tensor", "TensorShapeProto": "shape"}


def data_type(dtype: Any) -> int:
    """The number of a dtype (a dtype, its name or its number) in a GraphDef."""
    return int(_tf.tf.as_dtype(dtype).as_datatype_enum)


def entry_of(ref: Union[str, TensorRef]) -> str:
    """A ``NodeDef.input`` entry; port 0 is written without its number, as TensorFlow does."""
    return ref.node if isinstance(ref, TensorRef) and ref.port == 0 else str(ref)


def add(graph_def: Any, op: str, name: str, inputs: Iterable[Union[str, TensorRef]] = (), device: str = "",
        **attrs: Any) -> Any:
    """A new node at the end of a GraphDef."""
    return _fill(graph_def.node.add(name=name, device=device), op, inputs, attrs)


def new(op: str, name: str, inputs: Iterable[Union[str, TensorRef]] = (), device: str = "", **attrs: Any) -> Any:
    """A node of no GraphDef yet."""
    return _fill(_tf.tf.NodeDef(name=name, device=device), op, inputs, attrs)


def become(node: Any, op: str, inputs: Iterable[Union[str, TensorRef]] = (), **attrs: Any) -> Any:
    """Makes a node another under its name and on its device, in place."""
    inputs, name, device = list(inputs), node.name, node.device
    node.Clear()
    node.name, node.device = name, device
    return _fill(node, op, inputs, attrs)


def constant(value: Any, dtype: Any = None) -> Any:
    """What a ``"Const"`` is made of: ``add(graph_def, "Const", name, **constant(3, "int32"))``."""
    tensor = _tf.tf.make_tensor_proto(value, None if dtype is None else _tf.tf.as_dtype(dtype).base_dtype)
    return {"dtype": tensor.dtype if dtype is None else dtype, "value": tensor}


def hand_on(node: Any, entries: Sequence[Union[str, TensorRef]], types: Sequence[Any],
            controls: Iterable[str] = ()) -> None:
    """Makes a node hand on other tensors, in place: their identity, or an op that only waits where there are none."""
    inputs = list(entries) + list(controls)
    if not types:
        become(node, "NoOp", inputs)
    elif len(types) == 1:
        become(node, "Identity", inputs, T=types[0])
    else:
        become(node, "IdentityN", inputs, T=list(types))


def copied(graph_def: Any, node: Any) -> Any:
    """A copy of a node at the end of a GraphDef, without what no longer holds there."""
    copy = graph_def.node.add()
    copy.CopyFrom(node)
    forget(copy)
    return copy


def replace_all(repeated: Any, made: Iterable[Any]) -> None:
    """Puts messages in the place of those of a repeated field (the nodes of a graph), which may be among them."""
    copies = [type(one).FromString(one.SerializeToString()) for one in made]
    del repeated[:]
    repeated.extend(copies)


def forget(node: Any, names: Iterable[str] = STALE) -> None:
    """Takes attributes from a node, in place."""
    for name in names:
        node.attr.pop(name, None)


def set_inputs(node: Any, inputs: Iterable[Union[str, TensorRef]]) -> None:
    """Gives a node other inputs, in place."""
    entries = [entry_of(ref) for ref in inputs]
    del node.input[:]
    node.input.extend(entries)


def without_control(node: Any, gone: Container[str]) -> bool:
    """Takes the control edges from some nodes from a node, in place; whether it had any."""
    kept = [entry for entry in node.input if not (entry.startswith("^") and entry[1:] in gone)]
    had = len(kept) < len(node.input)
    if had:
        set_inputs(node, kept)
    return had


def free_name(wanted: str, taken: Container[str]) -> str:
    """The name, or the first of ``name_1``, ``name_2``, … that is not taken."""
    name, number = wanted, 0
    while name in taken:
        number += 1
        name = "%s_%d" % (wanted, number)
    return name


def _fill(node: Any, op: str, inputs: Iterable[Union[str, TensorRef]], attrs: Any) -> Any:
    node.op = op
    node.input.extend(entry_of(ref) for ref in inputs)
    for key, value in attrs.items():
        _set(node.attr[key], value)
    return node


def _set(attr: Any, value: Any) -> None:
    if isinstance(value, bool):
        attr.b = value
    elif isinstance(value, bytes):
        attr.s = value
    elif value is None or isinstance(value, tuple):
        attr.shape.CopyFrom(_tf.tf.TensorShape(value).as_proto())
    elif isinstance(value, list):
        attr.list.type.extend(map(data_type, value))
    elif hasattr(value, "DESCRIPTOR"):
        field = _FIELDS.get(value.DESCRIPTOR.name)
        (getattr(attr, field) if field else attr).CopyFrom(value)
    else:
        attr.type = data_type(value)
