"""What looks like an input and is none: constants and variables of ids, queues and iterators nobody takes from."""

from typing import Any, Iterator

from graph_tools.find.candidates import Miss
from graph_tools.find.inputs.record import dtype_list, shape_of
from graph_tools.graph.ops import VARIABLES
from graph_tools.graph.walk import GraphIndex

_ID_READERS = {"Gather": 1, "GatherV2": 1, "ResourceGather": 1, "LookupTableFind": 1, "LookupTableFindV2": 1,
               "OneHot": 0}
_PASSING = frozenset(("Identity", "Cast", "Reshape", "ExpandDims", "Squeeze"))
_VARIABLES = VARIABLES | {"ReadVariableOp"}  # what is looked up may be the value of a resource, which has its dtype


def misses(index: GraphIndex, output: Any = None) -> Iterator[Miss]:
    """Constants and variables of integers or strings, of rank 1 or more, that the model looks up as ids."""
    reached = index.ancestors([output], control=False) if output is not None else index.nodes
    for name in index.nodes:
        slot = _ID_READERS.get(index.op(name))
        if slot is None or name not in reached or len(index.data_inputs(name)) <= slot:
            continue
        node = index.nodes.get(index.data_inputs(name)[slot].node)
        while node is not None and node.op in _PASSING and node.input:
            node = index.nodes.get(index.inputs(node.name)[0].node)
        if node is not None and _holds_ids(node):
            what = "constant" if node.op == "Const" else "variable"
            yield Miss(node.name + ":0", "a %s that %r looks up: positions, or an input that was stored in the graph; "
                       "it can still be fed by name" % (what, name))


def _holds_ids(node: Any) -> bool:
    dtypes = dtype_list(node, "dtype")
    if dtypes not in (["int32"], ["int64"], ["string"]):
        return False
    if node.op == "Const":
        return bool(len(node.attr["value"].tensor.tensor_shape.dim))
    return node.op in _VARIABLES and shape_of(node.attr["shape"].shape) != ()
