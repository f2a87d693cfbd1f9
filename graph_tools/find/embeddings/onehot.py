"""One-hot vectors: lookups written as a product with a table (BERT, tensordot, einsum), and one-hot features."""

import dataclasses
from typing import List, Optional, Set

from graph_tools.find.candidates import Embedding, Miss, short
from graph_tools.find.dataflow import CHOSEN, KNOB, LAYERS, MASK, VALUE
from graph_tools.find.embeddings.gather import Found, describe_table, lookup
from graph_tools.find.embeddings.sparse import aligned_strings
from graph_tools.find.tables import Table, read_table
from graph_tools.find.view import FLOATS, View, ref_of
from graph_tools.graph.names import TensorRef
from graph_tools.graph.ops import COPIES
from graph_tools.graph.walk import reached

PRODUCTS = frozenset(("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "Einsum"))
# A one-hot vector stays one behind these.
_KEEPS_ONE_HOT = COPIES | {"Reshape", "Transpose", "Cast", "Squeeze", "ExpandDims"}


def one_hot_products(view: View, claimed: Set[str]) -> List[Found]:
    """``OneHot`` of an input's ids, perhaps reshaped, times a matrix that no input touches."""
    found: List[Found] = []
    for name in view.index.names_of(PRODUCTS):
        inputs = view.inputs(name)
        if len(inputs) != 2:
            continue
        for slot in (0, 1):
            source = view.origin(inputs[slot], _KEEPS_ONE_HOT)
            if view.op(source) == "OneHot":
                one = _one_hot(view, name, source, inputs[1 - slot], slot)
                claimed.add(source.node)
                found += [one] if one is not None else []
    return found


def _one_hot(view: View, name: str, source: TensorRef, matrix: TensorRef, slot: int) -> Optional[Found]:
    ids = view.inputs(source.node)[0]
    if view.flow.is_data(matrix.node):
        return Miss(name, "it multiplies the one-hot vectors of %s with %s, which depends on the input" % (
            short(str(ids)), short(str(matrix))))
    bits = view.flow.bits(ids.node)
    if not bits & (VALUE | KNOB | MASK):
        reason = "the model itself chooses" if bits & CHOSEN else "no input's values are in"
        return Miss(name, "%s the indices %s of its one-hot vectors" % (reason, short(str(ids))))
    table = _table(view, name, matrix, slot)
    if table.dtype not in FLOATS:
        return None
    depth = view.constant(view.inputs(source.node)[1])
    if depth is not None and table.vocab_size is not None and int(depth) != table.vocab_size:
        return Miss(name, "the one-hot vectors of %s have %d entries but %s has %d rows" % (
            short(str(ids)), int(depth), short(table.name), table.vocab_size))
    one = lookup(view, "one_hot", [name, source.node], matrix, ids, TensorRef(name, 0), table)
    return dataclasses.replace(one, why="%s multiplies one-hot vectors (%s) of the ids %s with the table %s" % (
        view.op(name), short(source.node), short(str(ids)), describe_table(table)))


def _table(view: View, name: str, matrix: TensorRef, slot: int) -> Table:
    """The table with one row per id: turned round where the product turns it or takes it from the left."""
    table = read_table(view, matrix)
    flags = ("transpose_b", "adj_y") if slot == 0 else ("transpose_a", "adj_x")
    turned = any(view.flag(name, flag) for flag in flags) != (slot == 1)
    if turned and table.shape is not None and len(table.shape) >= 2:
        return table._replace(shape=table.shape[:-2] + (table.shape[-1], table.shape[-2]))
    return table


# One-hot and multi-hot vectors that a layer reads (indicator, bucketized and crossed columns, characters).

# Kinds of candidates whose last axis counts categories.
VECTORS = ("one_hot_features", "multi_hot")
_TO_LAYER = COPIES | {"Reshape", "Transpose", "Cast", "Squeeze", "ExpandDims", "ConcatV2", "Concat", "Pack",
                      # into the steps of a loop, or of one that is unrolled
                      "TensorArrayScatterV3", "TensorArrayReadV3", "Unpack", "Split", "SplitV", "Slice", "StridedSlice",
                      "ReverseV2", "ReverseSequence"}


def one_hot_features(view: View, claimed: Set[str]) -> List[Found]:
    """One-hot vectors of an input's ids, perhaps summed to multi-hot ones, that a layer with its own weights reads."""
    found: List[Found] = []
    for name in view.index.names_of(["OneHot"]):
        if name in claimed:
            continue
        ids = view.inputs(name)[0]
        if view.flow.bits(ids.node) & (VALUE | KNOB) and name not in view.loop_nodes:
            one = _vectors(view, name, ids)
            found += [one] if one is not None else []
    return found


def _vectors(view: View, name: str, ids: TensorRef) -> Optional[Embedding]:
    rows, nodes = TensorRef(name, 0), [name]
    if not view.is_float(rows):
        uses = view.uses_behind_copies(rows)
        if len(uses) != 1 or view.op(uses[0].node) != "Cast" or not view.is_float(TensorRef(uses[0].node, 0)):
            return None
        rows, nodes = TensorRef(uses[0].node, 0), nodes + [uses[0].node]
    uses, combined = view.uses_behind_copies(rows), ""
    if len(uses) == 1 and view.op(uses[0].node) == "Sum" and uses[0].slot == 0 and _keeps_classes(view, uses[0].node):
        combined = uses[0].node + ":0"
        nodes.append(uses[0].node)
    layer = _layer_reached(view, TensorRef(uses[0].node, 0) if combined else rows)
    depth = view.constant(view.inputs(name)[1])
    if layer is None:
        return None
    size = None if depth is None else int(depth)
    tensor = combined or str(rows)
    return Embedding(
        tensor=tensor, kind="multi_hot" if combined else "one_hot_features", nodes=tuple(nodes + [layer]),
        why="%s makes %s vectors of the ids %s, which %s %s multiplies with weights: entry k is category k" % (
            short(name), "multi-hot" if combined else "one-hot", short(str(ids)), view.op(layer), short(layer)),
        dtype=view.dtype(ref_of(tensor)), shape=view.shape(ref_of(tensor)), ids=str(ids), dim=size, vocab_size=size,
        per_occurrence=not combined, strings=aligned_strings(view, ids))


def _keeps_classes(view: View, sum_node: str) -> bool:
    """Whether a sum over one-hot vectors leaves their last axis (the categories) alone."""
    axes = view.constant(view.inputs(sum_node)[1])
    shape = view.shape(view.inputs(sum_node)[0])
    if axes is None:
        return False
    last = {-1} if shape is None else {-1, len(shape) - 1}
    return not last & {int(axis) for axis in axes.reshape(-1)}


def _layer_reached(view: View, rows: TensorRef) -> Optional[str]:
    """The layer with weights of its own that the vectors reach through reshapes and concatenations only."""
    def onward(ref: TensorRef) -> List[TensorRef]:
        return [TensorRef(use.node, port) for use in view.value_uses(ref) if view.op(use.node) in _TO_LAYER
                for port in range(view.tensor_count(use.node))]

    for use in (use for ref in reached([rows], onward) for use in view.value_uses(ref) if view.op(use.node) in LAYERS):
        others = [other for slot, other in enumerate(view.inputs(use.node)) if slot != use.slot]
        if others and not any(view.flow.is_data(other.node) for other in others):
            return use.node
    return None
