"""A sparse matrix times a table, rewritten as what it means: a row for each entry, weighted, added up per example."""

from graph_tools.edit.builder import Builder
from graph_tools.find.embeddings.sparse import OWNER, ROWS
from graph_tools.find.view import View
from graph_tools.graph import names
from graph_tools.graph.names import TensorRef
from graph_tools.graph.nodes import data_type


def split_product(view: View, build: Builder) -> str:
    """Puts gather, product and segment sum in the place of a ``SparseTensorDenseMatMul``; returns the rows' name."""
    old = build.take_out(build.anchor)
    inputs = [names.parse(entry) for entry in old.input]
    indices, values, shape, table = inputs[:4]
    value, index = data_type(view.dtype(table)), data_type(view.dtype(indices))
    ids = _picked(build, "ids", indices, 1, 1, index)
    segments = _picked(build, "segments", indices, 0, 1, index)
    count = _picked(build, "examples", shape, 0, 0, data_type(view.dtype(shape)))
    axis = build.constant("rows/axis", 0, "int32", indices)
    rows = build.add("GatherV2", ROWS, [table, ids, axis], Tparams=value, Tindices=index, Taxis="int32")
    last = build.constant("weights/axis", -1, "int32", indices)
    column = build.add("ExpandDims", "weights", [values, last], T=value, Tdim="int32")
    weighted = build.add("Mul", "weighted", [rows, column], T=value)
    control = [ref for ref in inputs if ref.is_control]
    build.put("UnsortedSegmentSum", build.anchor, [weighted, segments, count] + control, {
        "T": value, "Tindices": index, "Tnumsegments": data_type(view.dtype(shape))})
    if index == data_type("int64"):
        build.add("Identity", OWNER, [segments], T=index)
    else:
        build.add("Cast", OWNER, [segments], SrcT=index, DstT="int64", Truncate=False)
    return str(rows)


def _picked(build: Builder, leaf: str, ref: TensorRef, place: int, axis: int, dtype: int) -> TensorRef:
    """Entry ``place`` along an axis."""
    where = build.constant(leaf + "/place", place, "int32", ref)
    along = build.constant(leaf + "/axis", axis, "int32", ref)
    return build.add("GatherV2", leaf, [ref, where, along], Tparams=dtype, Tindices="int32",
                     Taxis="int32")
