"""Data of unknown shape that a layer without a matrix product reads: what it adds up are numbers times weights."""

from typing import Iterable

from graph_tools import variables
from graph_tools.graph.names import TensorRef
from graph_tools.graph.ops import IDENTITIES, VARIABLES
from graph_tools.graph.walk import GraphIndex, reached

_COPIES = IDENTITIES | {"Cast", "ExpandDims", "Reshape", "Squeeze", "Enter"}
_SUMS = frozenset(("Add", "AddV2", "AddN", "Sub"))


def is_weighed(index: GraphIndex, name: str, meets: Iterable[str]) -> bool:
    """Whether a placeholder is multiplied by a weight and does nothing to other data but to be added to them.

    A step of a recurrent cell has ``x * w + state``; a decay, ``mean * decay + batch_mean * (1 - decay)``, multiplies
    data as well and is none.

    Args:
      index: the graph.
      name: the placeholder.
      meets: the nodes where its values meet those of others.
    """
    if not all(index.op(one) in _SUMS for one in meets):
        return False
    copies = reached([name], lambda one: [use.node for use in index.consumers(one, control=False)
                                          if use.slot == 0 and index.op(use.node) in _COPIES])
    return any(_is_weight(index, ref) for one in copies for use in index.consumers(one, control=False)
               if index.op(use.node) == "Mul" for slot, ref in enumerate(index.data_inputs(use.node))
               if slot != use.slot)


def _is_weight(index: GraphIndex, ref: TensorRef) -> bool:
    """Whether a tensor is a variable, or what a freezing tool made of one: a constant behind the op that read it."""
    root = index.origin(ref, variables.PASSES | {"Enter", "ReadVariableOp"}).node
    if index.op(root) in VARIABLES:
        return True
    return index.op(root) == "Const" and root != ref.node and bool(
        index.nodes[root].attr["value"].tensor.tensor_shape.dim)
