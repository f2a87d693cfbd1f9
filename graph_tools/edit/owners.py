"""Which example each row of a lookup belongs to, as a tensor added to the graph."""

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from graph_tools.edit.builder import Builder
from graph_tools.find.embeddings.ragged import Matrix
from graph_tools.find.embeddings.sparse import OWNER
from graph_tools.find.view import View
from graph_tools.graph.names import TensorRef
from graph_tools.graph.nodes import data_type
from graph_tools.graph.ops import COPIES
from graph_tools.graph.walk import reached

_CASTS = COPIES | {"Cast"}


class _Filling(NamedTuple):
    """How a ``safe_`` lookup or a sequence column prepared the segments.

    Attributes:
      empty: flags of the rows that had no id and got a filler whose result is discarded; ``None``: there are none.
      flat: shape of the matrix that the sparse input was reshaped to; ``None``: it was not reshaped.
      original: shape of the sparse input before, its first entry the number of examples.
    """

    empty: Optional[TensorRef]
    flat: Optional[TensorRef]
    original: Optional[TensorRef]


def _read_filling(view: View, segments: TensorRef) -> _Filling:
    column = view.origin(segments, _CASTS | {"Squeeze", "Reshape"})
    if view.op(column) not in ("StridedSlice", "Slice"):
        return _Filling(None, None, None)
    indices = view.origin(view.inputs(column.node)[0], _CASTS)
    empty, shape = None, None
    if view.op(indices) == "SparseFillEmptyRows":
        node = indices.node
        empty = TensorRef(node, 2) if _discards_fillers(view, TensorRef(node, 2)) else None
        shape = view.origin(view.inputs(node)[2], _CASTS)
    else:
        pruned = view.origin(indices, _CASTS | {"Gather", "GatherV2"})
        if view.op(pruned) == "SparseReshape":
            shape = TensorRef(pruned.node, 1)
    if shape is None or view.op(shape) != "SparseReshape":
        return _Filling(empty, None, None)
    flat = shape
    while view.op(shape) == "SparseReshape":
        shape = view.origin(view.inputs(shape.node)[1], _CASTS)
    return _Filling(empty, flat, shape)


def _discards_fillers(view: View, empty: TensorRef) -> bool:
    """Whether the flags of empty rows choose, after the combination, between the result and zeros."""
    def spread(ref: TensorRef) -> List[TensorRef]:
        return [TensorRef(use.node, 0) for use in view.value_uses(ref) if use.slot == 0 and view.op(use.node) in (
            "Reshape", "Tile", "Identity", "ExpandDims", "BroadcastTo", "Cast")]

    return any(use.slot == 0 and view.op(use.node) in ("Select", "SelectV2")
               for ref in reached([empty], spread) for use in view.value_uses(ref))


def of_segments(view: View, build: Builder, segments: TensorRef) -> None:
    """``owner = segment // (segments per example)``, inverted for fillers."""
    filling, int64 = _read_filling(view, segments), data_type("int64")
    steps: List[Tuple[str, List[Any], dict]] = []
    owner = segments
    if view.dtype(segments) != "int64":
        steps.append(("Cast", [], {"SrcT": data_type(view.dtype(segments)), "DstT": int64, "Truncate": False}))
    if filling.flat is not None:
        per_example = _segments_per_example(view, build, filling)
        steps.append(("FloorDiv", [per_example], {"T": int64}))
    for number, (op, others, attrs) in enumerate(steps):
        owner = build.add(op, "owner_%d" % number, [owner] + others, **attrs)
    if filling.empty is None:
        build.add("Identity", OWNER, [owner], T=int64)
        return
    axis = build.constant("is_filler/axis", 0, "int32", segments)
    flags = build.add("GatherV2", "is_filler", [filling.empty, segments, axis], Tparams="bool",
                      Tindices=view.dtype(segments), Taxis="int32")
    filled = build.add("Invert", "owner_of_filler", [owner], T=int64)
    build.add("Select", OWNER, [flags, filled, owner], T=int64)


def _segments_per_example(view: View, build: Builder, filling: _Filling) -> TensorRef:
    """Rows of the flattened matrix over examples of the original shape (1, or the steps of a sequence), at least 1."""
    int64 = data_type("int64")
    first = [_first_entry(view, build, shape, leaf) for shape, leaf in (
        (filling.flat, "segments_count"), (filling.original, "examples_count"))]
    one = build.constant("one", 1, "int64", first[0])
    examples = build.add("Maximum", "examples_or_one", [first[1], one], T=int64)
    each = build.add("FloorDiv", "segments_each", [first[0], examples], T=int64)
    return build.add("Maximum", "segments_each_or_one", [each, one], T=int64)


def _first_entry(view: View, build: Builder, shape: Any, leaf: str) -> TensorRef:
    zero = build.constant(leaf + "/zero", 0, "int32", shape)
    axis = build.constant(leaf + "/axis", 0, "int32", shape)
    entry = build.add("GatherV2", leaf, [shape, zero, axis], Tparams=view.dtype(shape),
                      Tindices="int32", Taxis="int32")
    if view.dtype(shape) == "int64":
        return entry
    return build.add("Cast", leaf + "_cast", [entry], SrcT=view.dtype(shape), DstT="int64",
                     Truncate=False)


# Rows that are spread over a padded matrix.

def of_matrix(view: View, build: Builder, matrix: Matrix, rows: TensorRef) -> None:
    """``owner[row] = example`` where the matrix shows the row; -1 for a row that the matrix cuts off."""
    int64, int32 = data_type("int64"), data_type("int32")
    zero, one = build.constant("zero", 0, "int64", rows), build.constant("one", 1, "int64", rows)
    count = _length(build, rows, data_type(view.dtype(rows)), "rows_count", zero)
    unsplit = _Unsplit(view, build, rows)
    if matrix.padded is None or matrix.positions is None:
        numbers = build.add("Range", "numbers", [zero, count, one], Tidx=int64)
        nothing = build.constant("nothing", -1, "int64", rows)
        inputs = {slot: unsplit.of(ref) for slot, ref in enumerate(view.inputs(matrix.node))}
        inputs.update(_outer_shape(view, build, view.inputs(matrix.node)[0], rows))
        inputs.update({1: numbers, 2: nothing})
        positions = build.copy(view.index.nodes[matrix.node], "positions", inputs, {"T": int64})
        total = count
    else:
        positions, total = unsplit.of(matrix.positions), _length(
            build, unsplit.of(matrix.padded), data_type(view.dtype(rows)), "padded_count", zero)
        if view.dtype(matrix.positions) != "int64":
            kind = data_type(view.dtype(matrix.positions))
            positions = build.add("Cast", "positions", [positions], SrcT=kind, DstT=int64, Truncate=False)
    shape = build.add("Shape", "matrix_shape", [positions], T=int64, out_type=int64)
    axis = build.constant("axis", 0, "int32", rows)
    examples = build.add("GatherV2", "examples", [shape, zero, axis], Tparams=int64, Tindices=int64, Taxis=int32)
    places = build.add("Size", "places", [positions], T=int64, out_type=int64)
    each = build.add("FloorDiv", "places_each", [places, build.add(
        "Maximum", "examples_or_one", [examples, one], T=int64)], T=int64)
    example = build.add("FloorDiv", "example_of_place", [
        build.add("Range", "all_places", [zero, places, one], Tidx=int64),
        build.add("Maximum", "places_each_or_one", [each, one], T=int64)], T=int64)
    flat = build.add("Reshape", "flat_positions", [positions, build.constant("flat", [-1], "int32", rows)], T=int64,
                     Tshape=int32)
    owner = build.add("UnsortedSegmentMax", "owner_or_least", [example, flat, total], T=int64, Tindices=int64,
                      Tnumsegments=int64)
    own = build.add("Slice", "owner_of_rows", [owner, build.constant("start", [0], "int64", rows), build.add(
        "Reshape", "rows_count_list", [count, build.constant("list", [1], "int32", rows)], T=int64, Tshape=int32)],
                    T=int64, Index=int64)
    build.add("Maximum", OWNER, [own, build.constant("cut_off", -1, "int64", rows)], T=int64)


class _Unsplit(NamedTuple):
    """Tensors as they were before the rows were split off: computed from the lookup's own rows, if from rows at all."""

    view: View
    build: Builder
    rows: TensorRef

    def of(self, ref: TensorRef) -> TensorRef:
        index = self.view.index
        below = index.descendants([self.rows.node], control=False) - {self.rows.node}
        if ref.node not in below:
            return ref
        leaf = "unsplit/" + ref.node
        if self.build.scope + leaf not in self.build.nodes:
            inputs = {slot: self.of(entry) for slot, entry in enumerate(self.view.inputs(ref.node))}
            self.build.copy(index.nodes[ref.node], leaf, inputs)
        return TensorRef(self.build.scope + leaf, ref.port)


def _outer_shape(view: View, build: Builder, given: TensorRef, rows: TensorRef) -> Dict[int, TensorRef]:
    """The shape that the matrix is given, if any, without the axes of a row."""
    sizes = view.shape(given)
    if not sizes or sizes[0] is None:
        return {}
    inner = len(view.shape(rows) or (None, None)) - 1
    kind = data_type(view.dtype(given))
    outer = build.constant("outer_axes", [sizes[0] - inner], "int32", rows)
    return {0: build.add("Slice", "outer_shape", [given, build.constant("outer_start", [0], "int32", rows), outer],
                         T=kind, Index="int32")}


def _length(build: Builder, ref: TensorRef, kind: int, leaf: str, zero: TensorRef) -> TensorRef:
    """The leading length of a tensor, int64."""
    shape = build.add("Shape", leaf + "_shape", [ref], T=kind, out_type="int64")
    axis = build.constant(leaf + "_axis", 0, "int32", ref)
    return build.add("GatherV2", leaf, [shape, zero, axis], Tparams="int64", Tindices="int64",
                     Taxis="int32")
