"""Lookups that gather rows: plain, along the first axes (GatherNd), from a resource, from a partitioned table."""

import dataclasses
from typing import Any, List, Optional, Set, Tuple, Union

from graph_tools.find.candidates import Embedding, Miss, format_shape, short
from graph_tools.find.dataflow import CHOSEN, KNOB, LEARNED, MASK, POSITION, VALUE
from graph_tools.find.tables import QUANTISED, Table, read_table
from graph_tools.find.view import FLOATS, View
from graph_tools.graph.names import TensorRef
from graph_tools.graph.ops import COPIES, GATHERS, PLACEHOLDERS, VARIABLES
from graph_tools.graph.walk import reached

Found = Union[Embedding, Miss]

_STITCHES = ("ParallelDynamicStitch", "DynamicStitch")


def gathers(view: View, claimed: Set[str]) -> List[Found]:
    """``Gather``, ``GatherV2`` along axis 0 and ``ResourceGather`` with an input's ids in a table of its own."""
    found = [_gather(view, name) for name in view.index.names_of(GATHERS) if name not in claimed]
    return [one for one in found if one is not None]


def _gather(view: View, name: str) -> Optional[Found]:
    params, ids = view.inputs(name)[:2]
    rejected = reject_lookup(view, name, params, ids) or _wrong_axis(view, name, params)
    if rejected is not None:
        return rejected if rejected.why else None
    return lookup(view, "gather", [name], params, ids, TensorRef(name, 0))


def gather_nd(view: View, claimed: Set[str]) -> List[Found]:
    """``GatherNd`` whose index vectors address whole rows of a table."""
    found: List[Optional[Found]] = []
    for name in view.index.names_of(("GatherNd", "ResourceGatherNd")):
        if name in claimed:
            continue
        params, ids = view.inputs(name)[:2]
        rejected = reject_lookup(view, name, params, ids)
        shape = view.shape(ids)
        if rejected is None and view.shape(TensorRef(name, 0)) is not None and shape is not None:
            depth, table = shape[-1:], read_table(view, params)
            if depth and depth[0] is not None and table.shape is not None and depth[0] >= len(table.shape):
                rejected = Miss(name, "its indices address single entries of %s, not rows" % short(table.name))
        if rejected is not None:
            found.append(rejected if rejected.why else None)
        else:
            found.append(lookup(view, "gather_nd", [name], params, ids, TensorRef(name, 0)))
    return [one for one in found if one is not None]


def partitioned(view: View, claimed: Set[str]) -> List[Found]:
    """One lookup spread over the parts of a table: gathers joined by a dynamic stitch."""
    found: List[Found] = []
    for name in view.index.names_of(_STITCHES):
        inputs = view.inputs(name)
        parts = [view.origin(ref) for ref in inputs[len(inputs) // 2:]]
        if not parts or any(view.op(ref) not in GATHERS for ref in parts):
            continue
        tables = [view.inputs(ref.node)[0] for ref in parts]
        rejections = [reject_lookup(view, ref.node, *view.inputs(ref.node)[:2]) for ref in parts]
        if any(rejections):
            continue
        ids = _ids_before_partition(view, inputs[0]) or view.inputs(parts[0].node)[1]
        rows = _reshaped(view, TensorRef(name, 0))
        claimed.update(ref.node for ref in parts)
        found.append(lookup(view, "partitioned", [ref.node for ref in parts] + [name, rows.node], tables[0], ids, rows,
                            joined_table(view, tables)))
    return found


def joined_table(view: View, handles: List[TensorRef]) -> Table:
    """The table whose rows are those of several parts, one after the other (or dealt out in turn)."""
    parts = [read_table(view, ref) for ref in handles]
    sizes = [part.vocab_size for part in parts if part.vocab_size is not None]
    total = sum(sizes) if len(sizes) == len(parts) else None
    dims = {part.dim for part in parts}
    dim = dims.pop() if len(dims) == 1 else None
    return parts[0]._replace(parts=tuple(part.name for part in parts), shape=(total, dim))


def _ids_before_partition(view: View, positions: TensorRef) -> Optional[TensorRef]:
    """The flat ids that a partitioned lookup deals out: its positions are a range over their size."""
    spread = view.origin(positions)
    if view.op(spread) != "DynamicPartition":
        return None
    count = view.origin(view.inputs(spread.node)[0])
    if view.op(count) != "Range":
        return None
    size = view.origin(view.inputs(count.node)[1], COPIES | {"Cast"})
    if view.op(size) != "Size":
        return None
    return view.inputs(size.node)[0]


def _reshaped(view: View, rows: TensorRef) -> TensorRef:
    """The reshape that gives stitched rows the shape of the ids again, when it is all that follows."""
    uses = view.uses_behind_copies(rows)
    if len(uses) == 1 and uses[0].slot == 0 and view.op(uses[0].node) == "Reshape":
        return TensorRef(uses[0].node, 0)
    return rows


# What speaks for and against a gather being a lookup of embeddings.

def reject_lookup(view: View, name: str, params: TensorRef, ids: TensorRef) -> Optional[Miss]:
    """Why a gather is no lookup of embeddings; ``None`` when it is one.

    A ``Miss`` without a reason is a gather that nobody would take for one (shapes, integer tables).
    """
    flow = view.flow
    if view.op(view.origin(params)) not in VARIABLES and view.dtype(params) not in FLOATS | QUANTISED:
        return Miss(name, "")  # most gathers: not worth a look at all that their tables are made of
    table = read_table(view, params)
    if table.dtype not in FLOATS | QUANTISED:
        return Miss(name, "")
    if flow.is_data(params.node) and not _is_fed_table(view, params):
        return Miss(name, "what it gathers from (%s) depends on the input: it picks among computed values, for "
                    "instance the last step or the masked positions" % short(str(params)))
    if table.shape is not None and len(table.shape) < 2:
        return Miss(name, "%s is a vector of shape %s, it has no rows" % (
            short(table.name), format_shape(table.shape)))
    bits = flow.bits(ids.node)
    if bits & (VALUE | KNOB):
        return None
    if bits & (CHOSEN | LEARNED):
        return Miss(name, "the model itself chooses the indices %s (argmax, sampling or the like)" % short(str(ids)))
    if bits & POSITION:
        return Miss(name, "its indices %s count the entries that are not padding: positions" % short(str(ids)))
    if bits & MASK:
        return None
    return Miss(name, "its indices %s do not depend on the values of any input: positions, or constants" % (
        short(str(ids))))


def _is_fed_table(view: View, params: TensorRef) -> bool:
    """Whether a table is a placeholder with a fixed number of rows (pretrained vectors that are fed each time)."""
    source = view.origin(params, COPIES - {"PlaceholderWithDefault"})
    shape = view.shape(source) if view.op(source) in PLACEHOLDERS else None
    return shape is not None and len(shape) == 2 and None not in shape


def _wrong_axis(view: View, name: str, params: TensorRef) -> Optional[Miss]:
    node = view.index.nodes[name]
    if node.op != "GatherV2":
        return None
    if "batch_dims" in node.attr and node.attr["batch_dims"].i:
        return Miss(name, "each example gathers from a part of its own of %s" % short(str(params)))
    axis = view.constant(view.inputs(name)[2])
    shape = view.shape(params)
    rank = len(shape) if shape is not None else None
    if axis is None:
        return Miss(name, "the axis it gathers along is not a constant")
    if int(axis) == 0 or (rank is not None and int(axis) + rank == 0):
        return None
    return Miss(name, "it gathers along axis %d of %s, not whole rows" % (int(axis), params))


def caveat_of(view: View, ids: TensorRef) -> str:
    """What makes a lookup doubtful although it is one."""
    bits = view.flow.bits(ids.node)
    if bits & CHOSEN:
        return "the model itself chooses some of its ids"
    sampler = _sampler(view, ids)
    if sampler:
        return "some of its ids are drawn by %s: classes of a loss that is computed in training, no input" % (
            short(sampler))
    if bits & MASK and not bits & (VALUE | KNOB):
        return "its ids only say how inputs compare (a mask), not what they are"
    return ""


def _sampler(view: View, ids: TensorRef) -> str:
    """The op that draws some of the ids (``nce_loss``, ``sampled_softmax_loss``); ``""`` when none does."""
    def origin(ref: TensorRef) -> TensorRef:
        return view.origin(ref, COPIES | {"Cast", "Reshape"})

    behind = reached([origin(ids)], lambda ref: map(origin, view.inputs(ref.node)) if (
        view.op(ref) in ("ConcatV2", "Concat")) else ())
    return next((ref.node for ref in behind if view.op(ref).endswith("CandidateSampler")), "")


def lookup(view: View, kind: str, nodes: List[str], params: TensorRef, ids: TensorRef, rows: TensorRef,
           table: Optional[Table] = None) -> Embedding:
    """The candidate for a lookup whose rows first appear at ``rows``; what follows (clip, cast) is read here."""
    table = table or read_table(view, params)
    tensor, after, notes = finish_rows(view, rows)
    why = "%s takes rows of %s, by the ids %s%s" % (
        view.op(nodes[0]), describe_table(table), short(str(ids)), "".join("; " + note for note in notes))
    nodes = nodes + after
    return Embedding(
        tensor=str(tensor), kind=kind, why=why, nodes=tuple(nodes), dtype=view.dtype(tensor),
        shape=view.shape(tensor), ids=str(ids), table=table.name, parts=table.parts, dim=table.dim,
        vocab_size=table.vocab_size, in_loop=any(node in view.loop_nodes for node in nodes),
        caveat=caveat_of(view, ids))


def describe_table(table: Table) -> str:
    """``words:0, 50 x 4``; for a table of several parts, or computed from others, which."""
    of = short(table.name)
    if table.computed and table.parts:
        of = "%s (%s of %s)" % (of, table.computed, ", ".join(short(part) for part in table.parts))
    elif len(table.parts) > 1:
        of = "the %d parts of %s" % (len(table.parts), of)
    return "%s, %s x %s" % (of, _count(table.vocab_size), _count(table.dim))


def _count(size: Optional[int]) -> str:
    return "?" if size is None else str(size)


def finish_rows(view: View, rows: TensorRef) -> Tuple[TensorRef, List[str], List[str]]:
    """The tensor that the model consumes as the rows: after a cast to float, a dequantisation, a clip to a norm.

    Returns:
      ``(tensor, nodes passed, notes)``.
    """
    nodes: List[str] = []
    notes: List[str] = []
    while True:
        step = _cast(view, rows) or _clip(view, rows)
        if step is None:
            return rows, nodes, notes
        rows, passed, note = step
        nodes += passed
        notes.append(note)


def _cast(view: View, rows: TensorRef) -> Optional[Tuple[TensorRef, List[str], str]]:
    dtype = view.dtype(rows)
    if dtype in ("float32", "float64"):
        return None
    uses = view.uses_behind_copies(rows)
    casts = [use for use in uses if view.op(use.node) in ("Cast", "Dequantize") and use.slot == 0
             and view.is_float(TensorRef(use.node, 0))]
    if len(uses) != 1 or not casts:
        return None
    name = casts[0].node
    return TensorRef(name, 0), [name], "%s turns its %s into %s" % (view.op(name), dtype,
                                                                      view.dtype(TensorRef(name, 0)))


def _clip(view: View, rows: TensorRef) -> Optional[Tuple[TensorRef, List[str], str]]:
    """``clip_by_norm``: rows times the limit, divided by the larger of the limit and the row's norm."""
    uses = view.uses_behind_copies(rows)
    copies = set(view.forward_copies(rows))
    squares = [use.node for use in uses if view.op(use.node) == "Square" or (
        view.op(use.node) == "Mul" and all(ref in copies for ref in view.inputs(use.node)))]
    if not squares:
        return None
    norms = view.index.descendants(squares, control=False)
    for use in uses:
        if view.op(use.node) != "Mul" or use.node in squares:
            continue
        for after in view.uses_behind_copies(TensorRef(use.node, 0)):
            divisor: Any = view.inputs(after.node)[1] if view.op(after.node) == "RealDiv" and after.slot == 0 else None
            if divisor is not None and view.op(divisor) == "Maximum" and divisor.node in norms:
                return (TensorRef(after.node, 0), [use.node, after.node],
                        "each row is clipped to a norm at %s" % short(after.node))
    return None


def with_caveat(one: Embedding, caveat: str) -> Embedding:
    """The candidate with one more reason to rank it lower."""
    return dataclasses.replace(one, caveat="; ".join(part for part in (one.caveat, caveat) if part))
