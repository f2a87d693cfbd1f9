"""Lookups written as a product of one-hot vectors and a table (TPU code, BERT, tensordot, einsum)."""

import dataclasses
from typing import List, Optional, Set

from graph_tools.find.candidates import Miss
from graph_tools.find.dataflow import CHOSEN, KNOB, MASK, VALUE
from graph_tools.find.embeddings_gather import Found, lookup
from graph_tools.find.tables import Table, read_table
from graph_tools.find.view import COPIES, FLOATS, View
from graph_tools.names import TensorRef

PRODUCTS = frozenset(("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "Einsum"))
# A one-hot vector stays one behind these.
_KEEPS_ONE_HOT = COPIES | {"Reshape", "Transpose", "Cast", "Squeeze", "ExpandDims"}


def one_hot_products(view: View, claimed: Set[str]) -> List[Found]:
    """``OneHot`` of an input's ids, perhaps reshaped, times a matrix that no input touches."""
    found: List[Found] = []
    for name, node in view.index.nodes.items():
        inputs = view.inputs(name)
        if node.op not in PRODUCTS or len(inputs) != 2:
            continue
        for slot in (0, 1):
            source = view.origin(inputs[slot], _KEEPS_ONE_HOT)
            if view.op(source) == "OneHot":
                one = _one_hot(view, name, source, inputs[1 - slot], slot)
                found += [one] if one is not None else []
    return found


def _one_hot(view: View, name: str, source: TensorRef, matrix: TensorRef, slot: int) -> Optional[Found]:
    ids = view.inputs(source.node)[0]
    if view.flow.is_data(matrix.node):
        return Miss(name, "it multiplies the one-hot vectors of %s with %s, which depends on the input" % (ids, matrix))
    bits = view.flow.bits(ids.node)
    if not bits & (VALUE | KNOB | MASK):
        reason = "the model itself chooses" if bits & CHOSEN else "no input's values are in"
        return Miss(name, "%s the indices %s of its one-hot vectors" % (reason, ids))
    table = _table(view, name, matrix, slot)
    if table.dtype not in FLOATS:
        return None
    depth = view.constant(view.inputs(source.node)[1])
    if depth is not None and table.vocab_size is not None and int(depth) != table.vocab_size:
        return Miss(name, "the one-hot vectors of %s have %d entries but %s has %d rows" % (
            ids, int(depth), table.name, table.vocab_size))
    one = lookup(view, "one_hot", [name, source.node], matrix, ids, TensorRef(name, 0), table)
    return dataclasses.replace(one, why="%s multiplies one-hot vectors of the ids %s (%s) with the table %s, %s x %s" % (
        view.op(name), ids, source.node, table.name, table.vocab_size or "?", table.dim or "?"))


def _table(view: View, name: str, matrix: TensorRef, slot: int) -> Table:
    """The table with one row per id: turned round where the product turns it or takes it from the left."""
    table = read_table(view, matrix)
    flags = ("transpose_b", "adj_y") if slot == 0 else ("transpose_a", "adj_x")
    turned = any(view.flag(name, flag) for flag in flags) != (slot == 1)
    if turned and table.shape is not None and len(table.shape) >= 2:
        return table._replace(shape=table.shape[:-2] + (table.shape[-1], table.shape[-2]))
    return table
