"""The table behind a lookup: which variables or constants its rows come from, how many there are, how long."""

import itertools
from typing import List, NamedTuple, Optional, Tuple

from graph_tools import _tf
from graph_tools.find.view import FLOATS, Shape, View, ref_of
from graph_tools.graph.names import TensorRef
from graph_tools.graph.ops import COPIES, VARIABLES
from graph_tools.graph.walk import reached

_MOST = 500  # tensors behind a table that are looked at
_ENTRY_BY_ENTRY = frozenset(("Mul", "RealDiv", "Add", "AddV2", "Sub", "Select", "SelectV2", "MulNoNan"))
QUANTISED = frozenset(("uint8", "int8", "int16", "uint16", "quint8", "qint8", "quint16", "qint16", "qint32"))


class Table(NamedTuple):
    """A matrix of rows.

    Attributes:
      name: the variable or constant it is, or the tensor that is computed from several.
      parts: the variables and constants it is made of.
      shape: static shape; ``None`` when unknown.
      dtype: of a row's entries.
      computed: the op that computes it from its parts (``"ConcatV2"``), ``""`` when it is a variable or a constant.
    """

    name: str
    parts: Tuple[str, ...]
    shape: Shape
    dtype: str
    computed: str

    @property
    def vocab_size(self) -> Optional[int]:
        return self.shape[0] if self.shape else None

    @property
    def dim(self) -> Optional[int]:
        return self.shape[-1] if self.shape and len(self.shape) > 1 else None


def read_table(view: View, ref: TensorRef) -> Table:
    """The table that a lookup reads at ``ref`` (a value, or the handle of a resource variable)."""
    source = view.origin(ref)
    op = view.op(source)
    if op in VARIABLES:
        attr = view.index.nodes[source.node].attr
        shape = attr["shape"].shape
        sizes: Shape = None if shape.unknown_rank else tuple(
            None if dim.size < 0 else int(dim.size) for dim in shape.dim)
        if op == "VarHandleOp" or view.shape(ref) is None:
            return Table(str(source), (str(source),), sizes, _dtype_name(view, source, op), "")
    if op in VARIABLES or op == "Const":
        return Table(str(source), (str(source),), view.shape(ref), view.dtype(ref), "")
    parts, shape = _parts(view, source), view.shape(ref)
    if shape is None and op in _ENTRY_BY_ENTRY and len(parts) == 1:  # dropout by a rate of unknown shape, for instance
        shape = read_table(view, ref_of(parts[0])).shape
    return Table(str(source), tuple(parts), shape, view.dtype(ref), op)


def _dtype_name(view: View, source: TensorRef, op: str) -> str:
    if op != "VarHandleOp":
        return view.dtype(source)
    return _tf.tf.as_dtype(view.index.nodes[source.node].attr["dtype"].type).name


def _parts(view: View, ref: TensorRef) -> List[str]:
    """Variables and constants of rank two or more that a computed table is made of, in the order met."""
    def before(one: TensorRef) -> List[TensorRef]:
        return [] if _is_part(view, one) else [view.origin(ref, COPIES) for ref in view.inputs(one.node)]

    behind = itertools.islice(reached([view.origin(ref, COPIES)], before), _MOST)
    return [str(one) for one in behind if _is_part(view, one) and _is_matrix(view, one, view.op(one))]


def _is_part(view: View, ref: TensorRef) -> bool:
    return view.op(ref) in VARIABLES or view.op(ref) == "Const"


def _is_matrix(view: View, ref: TensorRef, op: str) -> bool:
    if op == "VarHandleOp":
        return len(view.index.nodes[ref.node].attr["shape"].shape.dim) >= 2
    shape = view.shape(ref)
    return shape is not None and len(shape) >= 2 and view.dtype(ref) in FLOATS | QUANTISED
