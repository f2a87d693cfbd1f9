"""One node at a time: what reads a variable is made to read a tensor."""

from typing import Any, Dict, List, NamedTuple

from graph_tools.graph import names
from graph_tools.graph.nodes import STALE, become, constant, forget, new


class Held(NamedTuple):
    """What a tensor stands for: a variable by reference (``"ref"``) or by resource (``"handle"``), and its dtype."""

    kind: str
    dtype: int


def make_constant(node: Any, value: Any) -> None:
    become(node, "Const", **constant(value, node.attr["dtype"].type))


def make_nothing(node: Any) -> None:
    """Makes a node one that does nothing, after all that it took."""
    become(node, "NoOp", sorted({"^" + names.parse(entry).node for entry in node.input}))


def make_true(node: Any) -> None:
    become(node, "Const", sorted({"^" + names.parse(entry).node for entry in node.input}), **constant(True))


def retype(node: Any, inputs: Dict[int, Held]) -> None:
    if node.op == "IdentityN":
        for slot, what in inputs.items():
            node.attr["T"].list.type[slot] = what.dtype
    else:
        node.attr["T"].type = next(iter(inputs.values())).dtype
    forget(node, STALE + ("_handle_shapes", "_handle_dtypes"))


def read(node: Any, dtype: int) -> List[Any]:
    """Makes a read of a variable a read of a tensor, in place; returns nodes to add."""
    op, inputs = node.op, list(node.input)
    attrs = {name: type(value).FromString(value.SerializeToString()) for name, value in node.attr.items()}
    if op == "VarIsInitializedOp":
        make_true(node)
    elif op == "ReadVariableOp":
        become(node, "Identity", inputs, T=dtype)
    elif op == "VariableShape":
        become(node, "Shape", inputs, T=dtype, out_type=attrs.get("out_type", "int32"))
    elif op == "ResourceGatherNd":
        become(node, "GatherNd", inputs, Tparams=dtype, Tindices=attrs["Tindices"])
    else:
        depth = {"batch_dims": attrs["batch_dims"]} if "batch_dims" in attrs and attrs["batch_dims"].i else {}
        become(node, "GatherV2", inputs, Tparams=dtype, Tindices=attrs["Tindices"], Taxis="int32", **depth)
        axis = constant(depth["batch_dims"].i if depth else 0, "int32")
        return [new("Const", node.name + "/axis", device=node.device, **axis)]
    return []
