"""One node at a time: what reads a variable is made to read a tensor."""

from typing import Any, Dict, List, NamedTuple, Set

from graph_tools import _tf
from graph_tools.graph import names


class Held(NamedTuple):
    """What a tensor stands for: a variable by reference (``"ref"``) or by resource (``"handle"``), and its dtype."""

    kind: str
    dtype: int


def make_constant(node, value) -> None:
    dtype = node.attr["dtype"].type
    device, name = node.device, node.name
    node.Clear()
    node.name, node.device, node.op = name, device, "Const"
    node.attr["dtype"].type = dtype
    node.attr["value"].tensor.CopyFrom(_tf.tf.make_tensor_proto(value, dtype=_tf.tf.as_dtype(dtype).base_dtype))


def make_true(node) -> None:
    controls = ["^" + names.parse(entry).node for entry in node.input]
    del node.input[:]
    node.input.extend(sorted(set(controls)))
    node.op = "Const"
    node.attr.clear()
    node.attr["dtype"].type = 10  # DT_BOOL
    node.attr["value"].tensor.CopyFrom(_tf.tf.make_tensor_proto(True))


def retype(node, inputs: Dict[int, Held]) -> None:
    if node.op == "IdentityN":
        for slot, what in inputs.items():
            node.attr["T"].list.type[slot] = what.dtype
    else:
        node.attr["T"].type = next(iter(inputs.values())).dtype
    for attr in ("_output_shapes", "_handle_shapes", "_handle_dtypes", "_class"):
        node.attr.pop(attr, None)


def read(node, dtype: int) -> List[Any]:
    """Makes a read of a variable a read of a tensor, in place; returns nodes to add."""
    op, attrs = node.op, {name: type(value).FromString(value.SerializeToString()) for name, value in node.attr.items()}
    node.attr.clear()
    if op == "VarIsInitializedOp":
        make_true(node)
        return []
    if op == "ReadVariableOp":
        node.op = "Identity"
        node.attr["T"].type = dtype
        return []
    if op == "VariableShape":
        node.op = "Shape"
        node.attr["T"].type = dtype
        node.attr["out_type"].type = attrs["out_type"].type if "out_type" in attrs else 3  # DT_INT32
        return []
    node.attr["Tparams"].type = dtype
    node.attr["Tindices"].CopyFrom(attrs["Tindices"])
    if op == "ResourceGatherNd":
        node.op = "GatherNd"
        return []
    node.op = "GatherV2"
    node.attr["Taxis"].type = 3  # DT_INT32
    batch_dims = attrs["batch_dims"].i if "batch_dims" in attrs else 0
    if batch_dims:
        node.attr["batch_dims"].i = batch_dims
    axis = type(node)(name=node.name + "/axis", op="Const", device=node.device)
    axis.attr["dtype"].type = 3
    axis.attr["value"].tensor.CopyFrom(_tf.tf.make_tensor_proto(batch_dims, dtype=_tf.tf.int32))
    return [axis]


def without_control(node, gone: Set[str]):
    """The node without control edges from nodes that are gone (in place)."""
    kept = [entry for entry in node.input if not (entry.startswith("^") and entry[1:] in gone)]
    if len(kept) != len(node.input):
        del node.input[:]
        node.input.extend(kept)
    return node
