"""How many rows and columns a sparse matrix has that is made up: as many as what it meets wants of it."""

from typing import Callable, List, Optional, Tuple

from graph_tools.find.inputs import Input, placeholders
from graph_tools.find.inputs.fitting import Shape
from graph_tools.graph import names
from graph_tools.graph.walk import GraphIndex

_PRODUCT = "SparseTensorDenseMatMul"
# Entry by entry with a dense matrix: of its size, or of one whose sizes of 1 are repeated.
_CELLWISE = ("SparseDenseCwiseAdd", "SparseDenseCwiseMul", "SparseDenseCwiseDiv", "SparseTensorDenseAdd")
_AS_LARGE = ("SparseAdd", "SparseReorder")  # what comes out is as large as what goes in, its indices first
_DENSE = 3                                  # which input of them is the dense one


def sizes_of(index: GraphIndex, one: Input, shape_of: Callable[[str], Shape], rows: int, columns: int
             ) -> Tuple[int, int]:
    """The rows and columns of a sparse matrix; one that is multiplied with what it has been multiplied with is square.

    Args:
      index, one: a graph, and a sparse placeholder of it.
      shape_of: the shape of a tensor, for all that is known.
      rows, columns: what is usual, where nothing says more.
    """
    met: List[Optional[int]] = [None, None]
    readers = _readers(index, names.parse(one.tensor).node)
    for name in readers:
        if index.op(name) == _PRODUCT:
            met[1] = met[1] or (shape_of(_dense(index, name)) or (None,))[0] or rows
        elif index.op(name) in _CELLWISE:
            shape = shape_of(_dense(index, name)) or ()
            for axis, size in enumerate(shape if len(shape) == 2 else ()):
                met[axis] = met[axis] or (rows if size is None else size if size > 1 else None)
    columns = met[1] or columns
    return columns if _is_applied_again(index, readers) else met[0] or rows, columns


def _dense(index: GraphIndex, reader: str) -> str:
    return str(index.data_inputs(reader)[_DENSE])


def _readers(index: GraphIndex, indices: str) -> List[str]:
    """The nodes that read a sparse matrix, or one as large that is made of it."""
    found: List[str] = []
    todo = [indices]
    for name in todo:  # which grows
        for reader in placeholders.index_readers(index, name):
            if reader not in found:
                found.append(reader)
                todo += [reader] if index.op(reader) in _AS_LARGE else []
    return found


def _is_applied_again(index: GraphIndex, readers: List[str]) -> bool:
    products = [name for name in readers if index.op(name) == _PRODUCT]
    return any(not index.ancestors([_dense(index, name)], control=False).isdisjoint(products) for name in products)
