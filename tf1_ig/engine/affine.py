"""Where a model stops being affine: the tensors up to which a straight path stays a straight path.

Between the attributed tensors and the first op that bends (an activation, a product of two moving tensors, a loop)
everything is affine: it need be computed once per example, not once per point. Told by the ops alone, from the
GraphDef; ``tf1_ig.engine.prefix`` computes with it and proves it on numbers. A new affine op is a line in ``AFFINE``.
"""

from typing import Any, Callable, Dict, FrozenSet, List, NamedTuple, Optional, Sequence, Set

from graph_tools.graph import names
from graph_tools.graph.names import TensorRef
from graph_tools.graph.ops import SIZES

# Which data inputs of the node move along the path -> whether its outputs move affinely with them.
Rule = Callable[[Any, FrozenSet[int]], bool]


class Frontier(NamedTuple):
    """The last affine tensors (everything that moves reaches the output through them), and what lies before them."""

    tensors: List[str]
    nodes: FrozenSet[str]
    # Nodes before the frontier whose work is worth doing once only.
    products: FrozenSet[str]


def _any(node: Any, moving: Any) -> bool:
    return True


def _one(node: Any, moving: Any) -> bool:
    return len(moving) == 1


def _only(*slots: int) -> Rule:
    return lambda node, moving: moving <= set(slots)


def _inference(node: Any, moving: Any) -> bool:
    # An attribute that was stripped has its default, and that is training.
    return moving == {0} and "is_training" in node.attr and not node.attr["is_training"].b


_DATA = _only(0)
AFFINE: Dict[str, Rule] = {
    **dict.fromkeys(("Identity", "IdentityN", "Neg", "Add", "AddV2", "AddN", "Sub", "BiasAdd", "BiasAddV1", "ConcatV2",
                     "Concat", "Pack", "Unpack", "Split", "SplitV", "ParallelConcat"), _any),
    **dict.fromkeys(("Mul", "MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "Einsum"), _one),
    **dict.fromkeys(("RealDiv", "Div", "Reshape", "ExpandDims", "Squeeze", "Transpose", "Pad", "MirrorPad", "Slice",
                     "StridedSlice", "Tile", "Sum", "Mean", "Cumsum", "ReverseV2", "Gather", "GatherV2", "GatherNd",
                     "SegmentSum", "SegmentMean", "UnsortedSegmentSum", "SparseSegmentSum", "SparseSegmentMean",
                     "SparseSegmentSqrtN", "SparseSegmentSumWithNumSegments", "SparseSegmentMeanWithNumSegments",
                     "SparseSegmentSqrtNWithNumSegments", "Conv2D", "Conv3D", "DepthwiseConv2dNative", "AvgPool",
                     "AvgPool3D", "SpaceToBatchND", "BatchToSpaceND", "SpaceToDepth", "DepthToSpace", "ResizeBilinear",
                     "ResizeNearestNeighbor"), _DATA),
    "PadV2": _only(0, 2),
    "Conv2DBackpropInput": _only(2),
    "Select": _only(1, 2),
    "SelectV2": _only(1, 2),
    "FusedBatchNorm": _inference,
    "FusedBatchNormV2": _inference,
    "FusedBatchNormV3": _inference,
}
PRODUCTS = frozenset(("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "Einsum", "Conv2D", "Conv3D",
                      "DepthwiseConv2dNative", "Conv2DBackpropInput"))
# Ops whose value does not move although their input does.
OF_THE_SHAPE = SIZES | {"ZerosLike", "OnesLike"}


def frontier(index: Any, inputs: Sequence[str], output: str) -> Optional[Frontier]:
    """The last affine tensors between the inputs and the output; ``None`` when nothing lies before them.

    Args:
      index: a ``graph_tools.graph.walk.GraphIndex``.
      inputs: names of the attributed tensors.
      output: name of the explained tensor.
    """
    sources = [names.parse(name) for name in inputs]
    moving = _moving(index, sources, names.parse(output).node)
    affine = _affine_nodes(index, sources, moving, names.parse(output).node)
    tensors = sorted({ref for ref in _affine_tensors(index, sources, moving, affine) if any(
        use.node in moving and use.node not in affine for use in index.uses(ref))})
    found = [str(ref) for ref in tensors]
    before = affine & index.ancestors(found, control=False)
    if not before:
        return None
    return Frontier(found, frozenset(before), frozenset(name for name in before if index.op(name) in PRODUCTS))


def _moving(index: Any, sources: Sequence[TensorRef], output: str) -> Set[str]:
    """Nodes whose values move along the path and reach the output."""
    found = index.descendants([use.node for source in sources for use in index.uses(source)], control=False,
                              stop=lambda name: index.op(name) in OF_THE_SHAPE)
    return {name for name in found & index.ancestors([output], control=False) if index.op(name) not in OF_THE_SHAPE}


def _affine_nodes(index: Any, sources: Sequence[TensorRef], moving: Set[str], output: str) -> Set[str]:
    """Those of them that are affine in the sources, in the order of the flow; the output itself is left out."""
    affine: Set[str] = set()
    todo = [use.node for source in sources for use in index.uses(source)]
    while todo:
        name = todo.pop()
        if name in affine or name not in moving or name == output:
            continue
        moves = frozenset(slot for slot, ref in enumerate(index.data_inputs(name))
                          if ref in sources or ref.node in moving)
        known = all(ref in sources or ref.node in affine for ref in
                    (index.data_inputs(name)[slot] for slot in moves))
        node, rule = index.nodes[name], AFFINE.get(index.op(name))
        if known and rule and rule(node, moves) and "_gradient_op_type" not in node.attr:
            affine.add(name)
            todo += [use.node for use in index.consumers(name, control=False)]
    return affine


def _affine_tensors(index: Any, sources: Any, moving: Any, affine: Any) -> Set[TensorRef]:
    inner = {ref for name in moving for ref in index.data_inputs(name) if ref.node in affine}
    return inner | set(sources)
