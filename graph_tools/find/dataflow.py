"""What the values of each node are made of: the input's own values, a mask of them, learned floats, a model's choice.

A lookup of embeddings is a gather whose *indices* carry the values of an input and whose *table* does not. Many other
gathers look alike: positions (the indices come from a range or a shape), the last step of a sequence (the gathered
tensor depends on the input), a decoder that feeds back its own argmax. What separates them is where the values come
from, so this module propagates that, forward, over a GraphDef, as bits per node. Loops are walked until nothing
changes; a bit is only ever added, so that ends.
"""

from typing import Any, Dict, Iterable, Set

from graph_tools.graph import ops
from graph_tools.graph.walk import GraphIndex, reached

VALUE = 1  # an input's own values (ids, strings, numbers), perhaps hashed, looked up in an integer table, reshaped
MASK = 2  # the outcome of comparing them: which entries are padding, how many there are
POSITION = 4  # a running count over such a mask
LEARNED = 8  # floats that a layer or a table of embeddings computed from them
CHOSEN = 16  # a discrete choice made from learned floats: argmax, sampling, non-maximum suppression
KNOB = 32  # a scalar of the caller's that is no data: keep probability, training flag

_MADE_OF_DATA = VALUE | MASK | POSITION | LEARNED | CHOSEN

# Where values come into the graph: the mechanisms of input, and what hands over as they do but is no input that a
# placeholder could stand for (a function's argument, a file, what another device sends).
SOURCES = ops.ORIGINS | {"RecvTPUEmbeddingActivations", "_Arg", "_Recv", "_HostRecv"}

# Their outputs say how large something is, or what a checkpoint holds, never what is fed.
SHAPE_OPS = ops.SHAPE_READERS | ops.SERVES | ops.RESTORES | {
    "BroadcastGradientArgs", "BroadcastArgs", "TensorArrayV3", "TensorArrayV2", "TensorArray", "TensorListReserve",
    "TensorListLength", "EmptyTensorList", "LookupTableSizeV2", "NoOp", "Assert",
    "RandomUniform", "RandomStandardNormal", "TruncatedNormal", "RandomUniformInt", "StatelessRandomUniform"}

# The inputs whose values reach the output; the others only say how many, where to, or along which axis.
CARRIED: Dict[str, Iterable[int]] = {
    "Reshape": (0,), "ExpandDims": (0,), "Squeeze": (0,), "Tile": (0,), "Transpose": (0,), "Slice": (0, 1),
    "StridedSlice": (0, 1), "Pad": (0,), "PadV2": (0,), "MirrorPad": (0,), "BroadcastTo": (0,), "Fill": (1,),
    "Range": (0, 2), "LinSpace": (0,), "OneHot": (0,), "Cumsum": (0,), "Cumprod": (0,), "ArgMax": (0,), "ArgMin": (0,),
    "Multinomial": (0,), "TopK": (0,), "TopKV2": (0,), "ReverseV2": (0,), "ReverseSequence": (0,), "Split": (1,),
    "SplitV": (0,), "Sum": (0,), "Mean": (0,), "Max": (0,), "Min": (0,), "Prod": (0,), "Any": (0,), "All": (0,),
    "GatherV2": (0, 1), "Switch": (0,), "RefSwitch": (0,), "UniqueV2": (0,), "Roll": (0,), "Bincount": (0,),
    "ResizeBilinear": (0,), "SegmentSum": (0,), "SegmentMean": (0,), "SegmentMax": (0,),
    "UnsortedSegmentSum": (0,), "DynamicPartition": (0,), "TensorArrayReadV3": (2,), "TensorArrayGatherV3": (2,),
    "TensorArrayConcatV3": (2,), "TensorArrayWriteV3": (2, 3), "TensorArrayScatterV3": (2, 3),
    "TensorArraySplitV3": (1, 3), "TensorListGetItem": (0,), "TensorListSetItem": (0, 2), "TensorListStack": (0,),
    "TensorListFromTensor": (0,), "TensorListPushBack": (0, 1), "InvertPermutation": (0,), "SpaceToBatchND": (0,),
    "BatchToSpaceND": (0,), "SparseReshape": (0,), "LookupTableFindV2": (1, 2), "LookupTableFind": (1, 2),
}

COMPARISONS = frozenset((
    "Equal", "NotEqual", "Less", "LessEqual", "Greater", "GreaterEqual", "LogicalAnd", "LogicalOr", "LogicalNot",
    "ApproximateEqual", "Sign", "IsNan", "IsInf", "IsFinite", "Where", "Any", "All", "InTopK", "InTopKV2", "LoopCond",
    "RegexFullMatch", "StaticRegexFullMatch"))

_CHOICES = frozenset((
    "ArgMax", "ArgMin", "TopK", "TopKV2", "Multinomial", "StatelessMultinomial", "NonMaxSuppression",
    "NonMaxSuppressionV2", "NonMaxSuppressionV3", "NonMaxSuppressionV4", "NonMaxSuppressionV5",
    "NonMaxSuppressionWithOverlaps", "CombinedNonMaxSuppression", "CTCGreedyDecoder", "CTCBeamSearchDecoder",
    "Bucketize", "RandomCategorical", "GatherTree", "LearnedUnigramCandidateSampler", "BeamSearchStep"))

_SELECTS = frozenset(("Select", "SelectV2"))

LAYERS = frozenset((
    "MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "Conv1D", "Conv2D", "Conv3D", "DepthwiseConv2dNative",
    "Conv2DBackpropInput", "Einsum", "SparseTensorDenseMatMul", "SparseMatMul", "QuantizedMatMul", "QuantizedConv2D",
    "_FusedMatMul", "_FusedConv2D", "LSTMBlockCell", "BlockLSTM", "BlockLSTMV2", "LSTMBlockFusedCell", "GRUBlockCell",
    "CudnnRNN", "CudnnRNNV2", "CudnnRNNV3", "XlaDot", "XlaDotV2"))

_GATHERS = ops.GATHERS | {"GatherNd", "ResourceGatherNd"}
FLOAT_TYPES = frozenset((1, 2, 14, 19))  # DT_FLOAT, DT_DOUBLE, DT_BFLOAT16, DT_HALF
_NUMBERS_OR_BOOL = FLOAT_TYPES | {10}  # and DT_BOOL


class Dataflow:
    """Bits per node of one GraphDef, computed once; see the constants of this module.

    Args:
      index: the graph.
      knobs: nodes of placeholders that are known to be switches, whatever their shape.
      own: nodes that count as data where nothing else is, as in ``graph_tools.find.own``.

    Attributes:
      sources: the nodes that data comes from, ``own`` included.

    Example:
      >>> flow = Dataflow(model.index)                # doctest: +SKIP
      >>> bool(flow.bits("embedding_lookup") & LEARNED)  # doctest: +SKIP
      True
    """

    def __init__(self, index: GraphIndex, knobs: Iterable[str] = (), own: Iterable[str] = ()):
        self.index = index
        self._knobs, self.own = frozenset(knobs), frozenset(own)
        self.sources = self.own.union(index.names_of(SOURCES))
        self._data = self._reached_by_data()
        self._bits: Dict[str, int] = {}
        todo = [name for name in index.nodes if name in self.sources]  # which bits come first decides some of them
        while todo:
            name = todo.pop()
            bits = self._bits_of(name)
            if bits & ~self._bits.get(name, 0):
                self._bits[name] = self._bits.get(name, 0) | bits
                todo.extend(use.node for use in index.consumers(name, control=False))

    def _reached_by_data(self) -> Set[str]:
        """Nodes whose values depend on data at all; known first, since a gather is judged by what it gathers from."""
        starts = [name for name in self.sources if self._source_bits(self.index.nodes[name]) & _MADE_OF_DATA]
        return set(reached(starts, lambda name: [use.node for use in self.index.consumers(name, control=False)
                                                 if self._carries(use.node, use.slot)]))

    def _carries(self, name: str, slot: int) -> bool:
        """Whether the values of an input reach the output of a node."""
        op = self.index.op(name)
        return op not in SHAPE_OPS and slot in CARRIED.get(op, (slot,))

    def bits(self, node_name: str) -> int:
        """What the values of a node are made of; 0: not of any input."""
        return self._bits.get(node_name, 0)

    def is_data(self, node_name: str) -> bool:
        """Whether the values of a node depend on data that is fed (a knob such as a keep probability is not data)."""
        return node_name in self._data

    def _source_bits(self, node: Any) -> int:
        """KNOB for a switch, for a scalar float or flag; VALUE for all else."""
        if node.name in self.own:
            return VALUE
        if node.name in self._knobs:
            return KNOB
        if node.op in ops.PLACEHOLDERS and "dtype" in node.attr and (
                node.attr["dtype"].type in _NUMBERS_OR_BOOL):
            shape: Any = node.attr["shape"].shape if "shape" in node.attr else None
            if shape is not None and not shape.unknown_rank and not shape.dim and _has_scalars(self.index):
                return KNOB
        return VALUE

    def _bits_of(self, name: str) -> int:
        node = self.index.nodes[name]
        op = node.op
        if name in self.sources:
            # A default that is computed (the bottleneck of a retrained network) is what is taken as a rule.
            return self._source_bits(node) | sum(self.bits(ref.node) for ref in self.index.data_inputs(name)[:1]
                                                 if op == "PlaceholderWithDefault")
        if op in SHAPE_OPS:
            return 0
        inputs = self.index.data_inputs(name)
        if op in _GATHERS and len(inputs) >= 2 and _gathers_floats(node):
            return self._gathered(inputs)
        slots = CARRIED.get(op)
        coming = [self.bits(ref.node) for ref in inputs]
        if op in _SELECTS and len(coming) == 3:
            return _compared(coming[0]) | coming[1] | coming[2]
        if slots is not None:
            coming = [coming[slot] for slot in slots if slot < len(coming)]
        bits = 0
        for one in coming:
            bits |= one
        return self._transferred(node, bits)

    def _transferred(self, node: Any, bits: int) -> int:
        op = node.op
        if op in COMPARISONS:
            return _compared(bits)
        if op in _CHOICES and (bits & LEARNED or "NonMaxSuppression" in op and bits & _MADE_OF_DATA):
            return CHOSEN
        if op == "Cast" and bits & LEARNED and "DstT" in node.attr and (
                node.attr["DstT"].type not in FLOAT_TYPES):
            return bits & ~LEARNED | CHOSEN
        if op in ("Cumsum", "Cumprod") and bits & MASK and not bits & VALUE:
            return bits & ~MASK | POSITION
        if op in LAYERS:
            return LEARNED if bits & (_MADE_OF_DATA | KNOB) else 0
        return bits

    def _gathered(self, inputs: Any) -> int:
        """Rows of a table by an input's ids are learned floats; entries picked from data stay what they were."""
        params, indices = self.bits(inputs[0].node), self.bits(inputs[1].node)
        if self.is_data(inputs[0].node):
            return params
        return LEARNED if indices & (_MADE_OF_DATA | KNOB) else params


def _compared(bits: int) -> int:
    """What remains of some values once they were compared."""
    found = bits & KNOB
    if bits & (VALUE | MASK | POSITION):
        found |= MASK
    if bits & (LEARNED | CHOSEN):
        found |= CHOSEN
    return found


def _has_scalars(index: GraphIndex) -> bool:
    """Whether a shape without sizes is that of a scalar; below producer 24 it says that the rank is unknown."""
    return index.graph_def.versions.producer >= 24


def _gathers_floats(node: Any) -> bool:
    for attr in ("Tparams", "dtype"):
        if attr in node.attr:
            return node.attr[attr].type in FLOAT_TYPES
    return False
