"""Bags of words as a sparse matrix times a table: each entry of the matrix takes a row, weighted by its value."""

import dataclasses
from typing import List, Set

from graph_tools.find.candidates import short
from graph_tools.find.dataflow import KNOB, VALUE
from graph_tools.find.embeddings.gather import Found, describe_table, lookup
from graph_tools.find.tables import read_table
from graph_tools.find.view import FLOATS, View
from graph_tools.graph.names import TensorRef

SPARSE_PRODUCT = "SparseTensorDenseMatMul"


def sparse_products(view: View, claimed: Set[str]) -> List[Found]:
    """``SparseTensorDenseMatMul`` of an input with a matrix that no input touches; its ids are the columns."""
    found: List[Found] = []
    for name in view.index.names_of([SPARSE_PRODUCT]):
        if view.flag(name, "adjoint_a") or view.flag(name, "adjoint_b"):
            continue
        indices, values, _, matrix = view.inputs(name)[:4]
        table = read_table(view, matrix)
        if view.flow.is_data(matrix.node) or table.dtype not in FLOATS:
            continue
        if not view.flow.bits(indices.node) & (VALUE | KNOB):
            continue
        one = lookup(view, "sparse_product", [name], matrix, indices, TensorRef(name, 0), table)
        found.append(dataclasses.replace(
            one, tensor=name + ":0", per_occurrence=False, rows_combined_at=name + ":0", segments=str(indices),
            weights=str(values), why="%s adds up rows of %s, by the columns of the sparse matrix %s, weighted by %s; "
            "no tensor has a row per entry" % (short(name), describe_table(table), short(str(indices)),
                                               short(str(values)))))
    return found
