"""Move a lookup of embeddings out of a while loop: ``table[ids[i]]`` becomes ``table[ids]`` before, picked inside."""

from typing import List

from graph_tools.edit.builder import Builder
from graph_tools.find.embeddings.loop import LoopLookup, enter_of
from graph_tools.find.tables import read_table
from graph_tools.find.view import View
from graph_tools.graph.names import TensorRef
from graph_tools.graph.nodes import data_type


def move_out(view: View, build: Builder, path: LoopLookup) -> str:
    """Rewrites the GraphDef of the builder; returns the name of the rows of all ids, ``[*ids.shape, dim]``.

    Ids that a transpose made time-major before the loop are looked up before it, so that the batch comes first.
    """
    source = view.origin(path.ids, ("Identity",))
    turn = view.constant(view.inputs(source.node)[1]) if view.op(source) == "Transpose" else None
    rows = _look_up(view, build, path, path.ids if turn is None else view.inputs(source.node)[0])
    picked_from = rows if turn is None else _turned(view, build, rows, list(map(int, turn)), path)
    if path.scatter:
        _pick_from_array(view, build, path, picked_from)
    else:
        _pick_from_tensor(view, build, path, picked_from)
    return str(rows)


def _look_up(view: View, build: Builder, path: LoopLookup, ids: TensorRef) -> TensorRef:
    """The lookup of all ids, after the casts that each step applied to its own."""
    for number, cast in enumerate(path.casts):
        ids = build.copy(view.index.nodes[cast], "ids_%d" % number, {0: ids})
    gather, table = view.index.nodes[path.gather], path.table
    if gather.op != "ResourceGather" and view.dtype(table) == "resource":
        read = view.origin(view.inputs(path.gather)[path.slot], ("Identity",))
        table = build.copy(view.index.nodes[read.node], "table", {0: table})
    if path.slot:  # a product of one-hot vectors, whose ids may be of more kinds
        ids = build.add("Cast", "ids", [ids], SrcT=view.dtype(path.ids), DstT="int64")
        return build.add("GatherV2", "rows", [table, ids, build.constant("rows/axis", 0, "int32")], Taxis="int32",
                         Tparams=_row_type(view, path), Tindices="int64")
    inputs = {0: table, 1: ids}
    if gather.op == "GatherV2":
        inputs[2] = build.constant("rows/axis", 0, "int32")
    return build.copy(gather, "rows", inputs)


def _row_type(view: View, path: LoopLookup) -> int:
    return data_type(view.dtype(TensorRef(path.gather, 0)))


def _turned(view: View, build: Builder, rows: TensorRef, order: List[int], path: LoopLookup) -> TensorRef:
    """The rows in the order of the transposed ids; the axes of a row stay last."""
    table = read_table(view, path.table).shape
    row_axes = len(table) - 1 if table is not None else 1
    axes = build.constant("turned/perm", order + [len(order) + axis for axis in range(row_axes)], "int32")
    return build.add("Transpose", "turned", [rows, axes], T=_row_type(view, path), Tperm="int32")


def _pick_from_tensor(view: View, build: Builder, path: LoopLookup, rows: TensorRef) -> None:
    pick, dtype = view.index.nodes[path.pick], _row_type(view, path)
    door = view.index.nodes[enter_of(view, view.inputs(path.pick)[0])]
    entered = build.copy(door, "rows_enter", {0: rows}, {"T": dtype})
    build.replace(path.gather, pick, {0: entered}, {"Tparams" if pick.op.startswith("Gather") else "T": dtype})


def _pick_from_array(view: View, build: Builder, path: LoopLookup, rows: TensorRef) -> None:
    """A second TensorArray, of rows, filled and read as the one of ids is."""
    nodes, dtype = view.index.nodes, _row_type(view, path)
    handle = view.origin(view.inputs(path.scatter)[0], ("Identity",))
    name = (build.scope + "array").encode()
    array = build.copy(nodes[handle.node], "array", {}, {"dtype": dtype, "tensor_array_name": name}, True,
                       ("element_shape",))
    filled = build.copy(nodes[path.scatter], "array_filled", {0: array, 2: rows, 3: array._replace(port=1)},
                        {"T": dtype}, True)
    read = view.inputs(path.pick)
    handle_inside = build.copy(nodes[enter_of(view, read[0])], "array_enter", {0: array})
    flow_inside = build.copy(nodes[enter_of(view, read[2])], "flow_enter", {0: filled})
    build.replace(path.gather, nodes[path.pick], {0: handle_inside, 2: flow_inside}, {"dtype": dtype})
