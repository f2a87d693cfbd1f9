"""What stands between a column's ids and its combined tensor, found by walking the graph that was just built.

The walk needs no patch of the lookup functions: whatever built the rows, they lie on the way from the ids and the
table to the combined tensor.
"""

from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Set, Tuple

from graph_tools.feature_columns.column import Sparse
from graph_tools.graph import ops
from graph_tools.graph.walk import reached

SPARSE_SEGMENTS = {"SparseSegment%s%s" % (how, more): how.lower() for how in ("Sum", "Mean", "SqrtN")
                   for more in ("", "WithNumSegments")}
SEGMENTS = ("SegmentSum", "SegmentMean", "SegmentSumV2", "UnsortedSegmentSum")
CROSSES = ("SparseCross", "SparseCrossHashed", "SparseCrossV2")
UNIQUE = ("Unique", "UniqueV2")
# What may stand between the words of an input and ids, one word to one id.
ELEMENTWISE = ("Identity", "Cast", "Select", "SelectV2", "Add", "AddV2", "Reshape", "Switch", "Merge")


class Lookup(NamedTuple):
    """The way from a table to the combined tensor; fields as in ``Column``."""

    rows: Any = None
    per_occurrence: Optional[bool] = None
    row_index: Any = None
    segment_ids: Any = None
    bags: Any = None
    combiner: Optional[str] = None
    fill: Any = None
    lookups: Tuple[Any, ...] = ()
    table: Tuple[str, ...] = ()

    def fields(self) -> Dict[str, Any]:
        """The lookup as fields of a ``Column``."""
        found = dict(self._asdict())
        fill = found.pop("fill")
        if fill is not None:
            found.update(occurrences=Sparse(fill.outputs[0], fill.outputs[1], fill.inputs[2]), is_empty=fill.outputs[2])
        return found


class Layer(NamedTuple):
    """Where columns come together: the concatenating or summing op, and the input number of each column."""

    op: Any
    places: Dict[int, int]

    def slices(self) -> Dict[int, Optional[Tuple[int, int]]]:
        """``(start, stop)`` on the last axis of a concatenation, by column; ``None`` where widths are not static."""
        widths = [tensor.shape.as_list()[-1] if tensor.shape.ndims else None for tensor in self.op.inputs]
        found: Dict[int, Optional[Tuple[int, int]]] = {}
        for number, slot in self.places.items():
            known = [width for width in widths[:slot + 1] if width is not None]
            found[number] = (sum(known[:-1]), sum(known)) if len(known) == slot + 1 else None
        return found


def find_lookup(combined: Any, ids: Iterable[Any]) -> Lookup:
    """Rows, combiner and table between the id tensors and ``combined``; an empty ``Lookup`` when there is no table.

    Args:
      combined: the dense tensor of a column.
      ids: every tensor from which the walk must not go further up (ids, their indices, weights, raw input).
    """
    sources = {tensor.op for tensor in ids}
    region = _above(combined, sources)
    fed = _fed_by(region, sources)
    gathers = [op for op in region if op.type in ops.GATHERS and op.outputs[0].dtype.is_floating
               and op.inputs[0].op not in fed and op.inputs[1].op in fed]
    direct = [op for op in region if op.type in SPARSE_SEGMENTS and op.inputs[0].op not in fed]
    if not gathers and not direct:
        return Lookup()
    holding = _fed_by(region, set(gathers))
    combiner = next((op for op in region if (op.type in SPARSE_SEGMENTS or op.type in SEGMENTS)
                     and (op in direct or op.inputs[0].op in holding)), None)
    fill = next((op for op in region if op.type == "SparseFillEmptyRows" and op.outputs[1].dtype.is_integer), None)
    once = any(op.type in UNIQUE for gather in gathers for op in _above(gather.inputs[1], sources))
    tables = [op.inputs[0] for op in gathers + direct]
    found = Lookup(fill=fill, lookups=tuple(op.outputs[0] for op in gathers), table=_variables(tables))
    if combiner is None:
        return found._replace(rows=gathers[0].outputs[0] if len(gathers) == 1 else combined, per_occurrence=not once)
    if combiner.type in SPARSE_SEGMENTS:
        return found._replace(rows=combiner.inputs[0], per_occurrence=False, row_index=combiner.inputs[1],
                              segment_ids=combiner.inputs[2], bags=combiner.outputs[0],
                              combiner=SPARSE_SEGMENTS[combiner.type])
    bags, how = _divided(combiner.outputs[0])
    return found._replace(rows=_unweighted(combiner.inputs[0], holding), per_occurrence=True,
                          segment_ids=combiner.inputs[1], bags=bags,
                          combiner="mean" if combiner.type == "SegmentMean" else how)


def _divided(total: Any) -> Tuple[Any, str]:
    """A weighted sum after its division by the weights, where one follows, and how rows are combined by that."""
    uses = [op for op in total.consumers() if op.type in ("RealDiv", "DivNoNan") and op.inputs[0].name == total.name]
    if len(uses) != 1:
        return total, "sum"
    return uses[0].outputs[0], "sqrtn" if uses[0].inputs[1].op.type == "Sqrt" else "mean"


def _unweighted(rows: Any, holding: Set[Any]) -> Any:
    """Rows as they were before each was multiplied with its weight."""
    while rows.op.type in ("Mul", "Cast", "Identity"):
        operands = [tensor for tensor in rows.op.inputs if tensor.op in holding]
        if len(operands) != 1:
            break
        rows = operands[0]
    return rows


def _above(tensor: Any, sources: Set[Any]) -> List[Any]:
    """Ops that ``tensor`` is made from, nearest first, down to ``sources`` (which are left out)."""
    return [op for op in reached([tensor.op], lambda op: () if op in sources else [other.op for other in op.inputs])
            if op not in sources]


def _fed_by(region: List[Any], sources: Set[Any]) -> Set[Any]:
    """Ops of the region that depend on a source, the sources themselves included."""
    consumers: Dict[Any, List[Any]] = {}
    for op in region:
        for tensor in op.inputs:
            consumers.setdefault(tensor.op, []).append(op)
    return set(reached(sources, lambda op: consumers.get(op, ())))


def _variables(tables: Iterable[Any]) -> Tuple[str, ...]:
    names: List[str] = []
    for table in tables:
        # In a frozen graph the variable is a constant of the same name.
        names += [op.name for op in _above(table, set()) if op.name not in names and (
            op.type in ops.VARIABLES or op.type == "Const" and op.outputs[0].dtype.is_floating)]
    return tuple(sorted(names, key=_part))


def table_shape(found: Lookup) -> Tuple[Optional[int], Optional[int]]:
    """Number of rows of the table that was looked up, and their length; ``None`` where the graph does not say."""
    tables = [lookup.op.inputs[0] for lookup in found.lookups] or [found.rows]
    shapes = [_shape_of(table) for table in tables]
    counts = [shape[0] for shape in shapes if shape and shape[0] is not None]
    return sum(counts) if len(counts) == len(shapes) else None, shapes[0][-1] if shapes[0] else None


def _shape_of(table: Any) -> Optional[List[int]]:
    if table.dtype.name != "resource":
        return table.shape.as_list() if table.shape.ndims else None
    shape = table.op.get_attr("shape") if table.op.type == "VarHandleOp" else None
    return [dim.size for dim in shape.dim] if shape is not None else None


def _part(name: str) -> Any:
    """Sorts ``…/part_10`` behind ``…/part_9``."""
    head, _, number = name.rpartition("_")
    return (head, int(number)) if number.isdigit() else (name, -1)


def find_keys(values: Any, sources: Iterable[Any]) -> Any:
    """The tensor of words (or numbers) from which ids were made one by one; ``None`` when they were not.

    A vocabulary with out-of-vocabulary buckets both looks up and hashes each word; the looked up form is the input's.
    """
    stop = {tensor.op for tensor in sources}
    hashed = None
    for op in reached([values.op], lambda op: [tensor.op for tensor in op.inputs] if (
            op.type in ELEMENTWISE and op not in stop) else []):
        if op.type in ops.TABLE_FINDS:
            return op.inputs[1]
        if op.type.startswith("StringToHashBucket") and hashed is None:
            hashed = op.inputs[0]
    return hashed


def find_cross(tensor: Any) -> List[Tuple[Any, Any]]:
    """Indices and values of what is crossed upstream of a tensor (no indices for a dense part); empty: nothing is."""
    op = next((op for op in _above(tensor, set()) if op.type in CROSSES), None)
    if op is None:
        return []
    count, inputs = op.get_attr("N"), list(op.inputs)
    dense = inputs[3 * count:]
    if op.type != "SparseCross":  # the later ops end in the number of buckets, the salt, or a separator
        dense = dense[:len(dense) - (3 if op.type == "SparseCrossHashed" else 1)]
    return list(zip(inputs[:count], inputs[count:2 * count])) + [(None, tensor) for tensor in dense]


def find_layer(parts: List[Any], summed: bool, taken: Set[Any]) -> Optional[Layer]:
    """Where the given tensors, one per column, are concatenated (each reshaped first) or summed.

    With a single column TensorFlow puts an ``Identity`` in place of the op.

    Args:
      parts: dense tensors, or weighted sums of a linear model.
      summed: whether a sum is looked for.
      taken: ops that are the layer of other columns (one raw tensor can be a part of several layers).

    Returns:
      the op that takes most of the parts, with the input number of each (by position in ``parts``).
    """
    joining = {"AddN" if summed else "ConcatV2"} | ({"Identity"} if len(parts) == 1 else set())
    places: Dict[Any, Dict[int, int]] = {}
    for number, part in enumerate(parts):
        flat = [op.outputs[0] for op in part.consumers() if op.type == "Reshape" and op.inputs[0].name == part.name]
        for tensor in [part] if summed or not flat else flat:
            for op in tensor.consumers():
                if op.type in joining and op not in taken:
                    slot = next(slot for slot, other in enumerate(op.inputs) if other.name == tensor.name)
                    places.setdefault(op, {}).setdefault(number, slot)
    if not places:
        return None
    best = max(places, key=lambda op: len(places[op]))
    return Layer(best, places[best])
