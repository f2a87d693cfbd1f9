"""Lookups that combine rows: ``embedding_lookup_sparse`` and its relatives, in both forms TensorFlow writes.

Two forms are in the wild. Older releases, and resource, partitioned, clipped or weighted tables: ``Unique`` merges the
ids of the whole batch, a gather takes one row per distinct id, ``SparseSegmentSum/Mean/SqrtN`` (with weights: a second
gather, a product and ``SegmentSum``) combines them. Releases 2.x else: ``SparseSegment…`` reads the table itself.
"""

import dataclasses
from typing import Any, Dict, List, NamedTuple, Optional, Set

from graph_tools.find.candidates import Embedding, short
from graph_tools.find.embeddings.gather import Found, finish_rows, lookup, reject_lookup, with_caveat
from graph_tools.find.embeddings.ragged import mark_matrix
from graph_tools.find.view import View, ref_of
from graph_tools.graph.names import TensorRef
from graph_tools.graph.ops import COPIES

COMBINERS = {
    "SparseSegmentSum": "sum", "SparseSegmentMean": "mean", "SparseSegmentSqrtN": "sqrtn",
    "SparseSegmentSumWithNumSegments": "sum", "SparseSegmentMeanWithNumSegments": "mean",
    "SparseSegmentSqrtNWithNumSegments": "sqrtn"}
_DENSE_COMBINERS = frozenset(("SegmentSum", "SegmentMean", "SegmentMax", "UnsortedSegmentSum", "UnsortedSegmentMax"))
_UNIQUES = frozenset(("Unique", "UniqueV2", "UniqueWithCounts", "UniqueWithCountsV2"))
_GATHERS = frozenset(("Gather", "GatherV2"))
_RESHAPES = COPIES | {"Cast", "Reshape"}

# Names below the scope in which split_occurrences puts what it adds; find reads them again.
SPLIT_SCOPE = "occurrences"
ROWS, OWNER, STRINGS = "rows", "owner", "strings"


class Combined(NamedTuple):
    """Where rows, one an occurrence, are combined.

    Attributes:
      node: the segment op that adds them up.
      result: the tensor in which they are combined; for weighted means, after the division.
      segments: its segment ids.
      weights: what each row was multiplied with before, if anything.
    """

    node: str
    result: TensorRef
    segments: TensorRef
    weights: Optional[TensorRef]


def combined_on_table(view: View, claimed: Set[str]) -> List[Found]:
    """``SparseSegment…`` ops that read the table themselves: no tensor has a row per occurrence."""
    found: List[Found] = []
    for name in view.index.names_of(COMBINERS):
        table, ids, segments = view.inputs(name)[:3]
        rejected = reject_lookup(view, name, table, ids)
        if rejected is not None:  # rows that were looked up before are the other form, no near miss
            found += [rejected] if rejected.why and not view.flow.is_data(table.node) else []
            continue
        one = lookup(view, "sparse_on_table", [name], table, ids, TensorRef(name, 0))
        found.append(dataclasses.replace(
            one, tensor=name + ":0", per_occurrence=False, rows_combined_at=name + ":0", segments=str(segments),
            strings=aligned_strings(view, ids),
            why="%s; it combines them (%s) as it reads them, so no tensor has a row per id" % (
                one.why, COMBINERS[view.op(name)])))
    return found


def read_combination(view: View, one: Embedding) -> List[Embedding]:
    """A lookup with what becomes of its rows: merged repeats, a second gather, the combiner, the owner of each row."""
    if one.kind in ("sparse_on_table", "sparse_product"):
        return [one]
    if one.kind in ("multi_hot", "one_hot_features"):
        return [dataclasses.replace(one, strings=one.strings or _added_strings(view, one))]
    unique = view.origin(ref_of(one.ids), _RESHAPES)
    if view.op(unique) in _UNIQUES and unique.port == 0:
        return _merged(view, one, unique)
    if one.kind == "one_hot":
        return [one]
    combined = combination_of(view, ref_of(one.tensor))
    if combined is not None and _one_id_a_row(view, one):
        one = _with_owner(view, one, combined)
    elif _one_id_a_row(view, one):
        split = next((copy for copy in view.forward_copies(ref_of(one.tensor)) if is_split(view, copy.node)), None)
        one = mark_matrix(view, one) if split is None else dataclasses.replace(
            one, tensor=str(split), kind="occurrences", **_siblings(view, split.node))
    return [dataclasses.replace(one, strings=one.strings or aligned_strings(view, ref_of(one.ids)) or
                                _added_strings(view, one))]


def _added_strings(view: View, one: Embedding) -> Optional[str]:
    """The strings that ``split_occurrences`` added below a lookup that needed nothing else."""
    name = "%s/%s/%s" % (ref_of(one.tensor).node, SPLIT_SCOPE, STRINGS)
    return name + ":0" if name in view.index else None


def _merged(view: View, one: Embedding, unique: TensorRef) -> List[Embedding]:
    """The candidates for rows of distinct ids: one per place where they are spread over the occurrences again."""
    ids = view.inputs(unique.node)[0]
    why = "%s, the distinct ones of %s" % (one.why, short(str(ids)))
    base = dataclasses.replace(one, kind="sparse", ids=str(ids), per_occurrence=False, why=why,
                               strings=aligned_strings(view, ids), nodes=one.nodes + (unique.node,))
    merged = "%s merged repeats over the whole batch" % short(unique.node)
    spread = TensorRef(unique.node, 1)
    found: List[Embedding] = []
    for use in view.uses_behind_copies(ref_of(one.tensor)):
        inputs = view.inputs(use.node)
        if use.slot != 0 or len(inputs) < 2 or view.origin(inputs[1], _RESHAPES) != spread:
            continue
        if view.op(use.node) in COMBINERS:
            found.append(dataclasses.replace(
                base, rows_combined_at=use.node + ":0", segments=str(inputs[2]), nodes=base.nodes + (use.node,),
                why="%s; %s, and %s combines the rows" % (why, merged, short(use.node))))
        elif view.op(use.node) in _GATHERS:
            found.append(_spread_again(view, base, use.node, merged))
    if found:
        return found
    return [with_caveat(dataclasses.replace(base, why="%s; %s" % (why, merged)),
                        "repeats are merged, and what spreads them over their places again is not known")]


def _spread_again(view: View, base: Embedding, gather: str, merged: str) -> Embedding:
    """A second gather gives each occurrence its row; mostly because weights follow."""
    rows, nodes, notes = finish_rows(view, TensorRef(gather, 0))
    one = dataclasses.replace(
        base, tensor=str(rows), dtype=view.dtype(rows), shape=view.shape(rows), per_occurrence=True,
        nodes=base.nodes + (gather,) + tuple(nodes),
        why="%s; %s, and %s gives each occurrence its row again%s" % (
            base.why, merged, short(gather), "".join("; " + note for note in notes)))
    combined = combination_of(view, rows)
    return _with_owner(view, one, combined) if combined is not None else dataclasses.replace(one, kind="gather_unique")


def _with_owner(view: View, one: Embedding, combined: Combined) -> Embedding:
    """The candidate with the segment ids that say whose each row is, and the weights."""
    for copy in view.forward_copies(ref_of(one.tensor)):
        if is_split(view, copy.node):
            one = dataclasses.replace(one, tensor=str(copy))
    node = ref_of(one.tensor).node
    kind = "sparse_weighted" if combined.weights is not None else "sparse" if one.kind == "sparse" else "ragged"
    added = _siblings(view, node) if is_split(view, node) else {}
    return dataclasses.replace(
        one, kind="occurrences" if added else kind, rows_combined_at=str(combined.result),
        segments=str(combined.segments), owner=added.get(OWNER, str(combined.segments)),
        strings=added.get(STRINGS) if added else one.strings,
        weights=str(combined.weights) if combined.weights is not None else None, nodes=one.nodes + (combined.node,),
        why="%s; %s combines the rows" % (one.why, short(combined.node)))


def _siblings(view: View, node: str) -> Dict[str, Any]:
    """The owner and the strings that ``split_occurrences`` put beside a node of rows."""
    scope = node.rpartition("/")[0]
    return {name: "%s/%s:0" % (scope, name) for name in (OWNER, STRINGS) if "%s/%s" % (scope, name) in view.index}


def is_split(view: View, node_name: str) -> bool:
    """Whether a node of rows is one that ``split_occurrences`` added."""
    scope, _, leaf = node_name.rpartition("/")
    return leaf == ROWS and scope.rpartition("/")[2] == SPLIT_SCOPE and scope + "/" + OWNER in view.index


def combination_of(view: View, rows: TensorRef) -> Optional[Combined]:
    """The segment op that combines rows (perhaps weighted), when one does."""
    for use in view.uses_behind_copies(rows):
        op = view.op(use.node)
        if op in _DENSE_COMBINERS and use.slot == 0:
            return Combined(use.node, TensorRef(use.node, 0), view.inputs(use.node)[1], None)
        if op == "Mul":
            other = view.inputs(use.node)[1 - use.slot]
            for after in view.uses_behind_copies(TensorRef(use.node, 0)):
                if view.op(after.node) in _DENSE_COMBINERS and after.slot == 0:
                    return Combined(after.node, _normalised(view, TensorRef(after.node, 0)),
                                    view.inputs(after.node)[1], view.origin(other, _RESHAPES))
    return None


def _normalised(view: View, total: TensorRef) -> TensorRef:
    """A weighted sum after its division by the sum (or the root of the squares) of the weights, when there is one."""
    uses = view.uses_behind_copies(total)
    if len(uses) == 1 and uses[0].slot == 0 and view.op(uses[0].node) in ("RealDiv", "DivNoNan"):
        return TensorRef(uses[0].node, 0)
    return total


def _one_id_a_row(view: View, one: Embedding) -> bool:
    """Whether the ids are a flat list, so that rows can belong to examples in any number."""
    shape = view.shape(ref_of(one.ids))
    return shape is None or len(shape) == 1


# Strings behind the ids.

_ELEMENTWISE = {  # op: the input slot whose entries become the output's, one for one
    "Identity": 0, "Cast": 0, "StringToHashBucketFast": 0, "StringToHashBucketStrong": 0, "StringToHashBucket": 0,
    "LookupTableFindV2": 1, "LookupTableFind": 1, "StringToNumber": 0, "StopGradient": 0, "EnsureShape": 0}
_ARITHMETIC = frozenset(("Add", "AddV2", "Sub", "Mul", "FloorMod", "Mod", "Maximum", "Minimum", "FloorDiv"))


def aligned_strings(view: View, ids: TensorRef) -> Optional[str]:
    """The string tensor whose entries became the ids, when nothing dropped or moved entries on the way."""
    path = string_path(view, ids)
    return str(path.strings) if path is not None and not path.moves else None


class StringPath(NamedTuple):
    """From strings to ids: the string tensor, and the nodes that dropped, added or moved entries, first one first."""

    strings: TensorRef
    moves: List[TensorRef]


# Ops that drop, add or move entries, with the slot of the entries; a copy of the node does the same to strings.
MOVES = {"Gather": 0, "GatherV2": 0, "GatherNd": 0, "Reshape": 0, "SparseFillEmptyRows": 1, "Squeeze": 0,
         "ExpandDims": 0, "StridedSlice": 0, "Slice": 0, "Transpose": 0, "Tile": 0, "SparseToDense": 2,
         "RaggedTensorToTensor": 1}
# Where they say what fills gaps: for strings, an empty one.
FILLERS = {"SparseFillEmptyRows": 3, "SparseToDense": 3, "RaggedTensorToTensor": 2}


def string_path(view: View, ids: TensorRef, depth: int = 0) -> Optional[StringPath]:
    """Back from ids to the strings they were hashed or looked up from; ``None`` when they come from no strings."""
    if view.dtype(ids) == "string":
        return StringPath(ids, [])
    op, inputs = view.op(ids), view.inputs(ids.node)
    if depth > 60 or not inputs or not view.flow.is_data(ids.node):
        return None
    if op in _ELEMENTWISE:
        return string_path(view, inputs[_ELEMENTWISE[op]], depth + 1)
    if op in ("Select", "SelectV2"):
        return string_path(view, inputs[1], depth + 1) or string_path(view, inputs[2], depth + 1)
    if op in _ARITHMETIC:
        data = [ref for ref in inputs if view.flow.is_data(ref.node)]
        return string_path(view, data[0], depth + 1) if len(data) == 1 else None
    if op in MOVES and (ids.port == 0 or op == "SparseFillEmptyRows" and ids.port == 1):
        if not view.flow.is_data(inputs[MOVES[op]].node):  # an integer table: entries follow the index
            return string_path(view, inputs[1], depth + 1) if op in _GATHERS else None
        before = string_path(view, inputs[MOVES[op]], depth + 1)
        return StringPath(before.strings, before.moves + [ids]) if before is not None else None
    return None
