"""Lookups of a flat list of ids whose rows are then spread over a padded matrix (``RaggedTensor.to_tensor``)."""

import dataclasses
from typing import NamedTuple, Optional

from graph_tools.find.candidates import Embedding, short
from graph_tools.find.view import View, ref_of
from graph_tools.graph.names import TensorRef

_GATHERS = ("Gather", "GatherV2")


class Matrix(NamedTuple):
    """Where flat rows are spread over examples.

    Attributes:
      node: ``RaggedTensorToTensor``, or (release 1.15) the gather from the rows with a row of padding behind them.
      padded: those rows and the padding; ``None`` for ``RaggedTensorToTensor``, which pads by itself.
      positions: for the gather its indices ``[batch, time]``: which row, or the padding, stands where.
    """

    node: str
    padded: Optional[TensorRef]
    positions: Optional[TensorRef]


def matrix_of(view: View, rows: TensorRef) -> Optional[Matrix]:
    """The op that spreads flat rows over a padded matrix, when one does."""
    for use in view.uses_behind_copies(rows):
        op = view.op(use.node)
        if op == "RaggedTensorToTensor" and use.slot == 1:
            return Matrix(use.node, None, None)
        if op == "ConcatV2" and use.slot == 0:
            padded = TensorRef(use.node, 0)
            for after in view.uses_behind_copies(padded):
                if view.op(after.node) in _GATHERS and after.slot == 0:
                    positions = view.inputs(after.node)[1]
                    if len(view.shape(positions) or ()) > 1:
                        return Matrix(after.node, padded, positions)
    return None


def mark_matrix(view: View, one: Embedding) -> Embedding:
    """A lookup of flat ids, marked as one whose rows belong to examples in any number."""
    matrix = matrix_of(view, ref_of(one.tensor))
    if matrix is None:
        return one
    return dataclasses.replace(one, kind="ragged", nodes=one.nodes + (matrix.node,),
                               why="%s; %s spreads the rows over the examples" % (one.why, short(matrix.node)))
