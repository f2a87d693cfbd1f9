"""Lookups inside a while loop: whether they can be moved out, because each step only picks its ids from known ones.

Rows that exist step by step can be neither fetched nor fed. But when step i looks up ``ids[i]`` of a tensor that was
there before the loop, ``table[ids[i]]`` is ``table[ids][i]``: one lookup before the loop, and each step picks its rows.
A product of one-hot vectors that a step makes of its ids is such a lookup, too.
"""

import dataclasses
from typing import List, NamedTuple, Optional, Union

from graph_tools.find.candidates import Embedding, short
from graph_tools.find.view import View
from graph_tools.graph.names import TensorRef
from graph_tools.graph.ops import ENTERS, GATHERS

_ON_THE_WAY = frozenset(("Identity", "Cast", "StopGradient"))
_PICKS = frozenset(("TensorArrayReadV3", "Gather", "GatherV2", "StridedSlice"))


class LoopLookup(NamedTuple):
    """A lookup in a loop that can be moved out.

    Attributes:
      gather: the node that looks up, inside.
      table: what it looks up in, outside.
      slot: the input of ``gather`` that is the table.
      pick: the node inside that picks a step's ids.
      casts: nodes between the pick and the lookup, first one first.
      ids: all ids, outside.
      scatter: the node outside that filled the TensorArray the ids are read from; ``""``: they are in a tensor.
    """

    gather: str
    table: TensorRef
    slot: int
    pick: str
    casts: List[str]
    ids: TensorRef
    scatter: str


def mark_loop_lookup(view: View, one: Embedding) -> Embedding:
    """A candidate inside a loop, marked as one that a split moves out, or with the reason why none can."""
    path = loop_lookup(view, one)
    if isinstance(path, str):
        return dataclasses.replace(one, caveat="it runs inside a while loop, where its rows can be neither fetched nor "
                                   "fed, and it cannot be moved out: %s" % path)
    return dataclasses.replace(
        one, per_occurrence=False, ids=str(path.ids),
        why="%s; it runs inside a while loop, each step picking from %s: split_occurrences moves it out" % (
            one.why, short(str(path.ids))))


def loop_lookup(view: View, one: Embedding) -> Union[LoopLookup, str]:
    """How a lookup inside a loop can be moved out, or why it cannot."""
    gather, slot = one.nodes[0], 0
    if one.kind == "one_hot" and _is_plain_product(view, gather):
        slot, ids = 1, view.inputs(view.inputs(gather)[0].node)[0]
    elif one.kind == "gather" and view.op(gather) in GATHERS:
        ids = view.inputs(gather)[1]
    else:
        return "it is no plain gather"
    table = _outside(view, view.inputs(gather)[slot])
    if table is None:
        return "its table is made or changed inside the loop"
    return _picked(view, LoopLookup(gather, table, slot, "", [], ids, ""))


def _is_plain_product(view: View, product: str) -> bool:
    """Whether a product takes ones among zeros, one in each row, and a table as it stands."""
    ref = view.inputs(product)[0]
    if view.op(product) != "MatMul" or view.op(ref) != "OneHot" or any(
            view.flag(product, flag) for flag in ("transpose_a", "transpose_b")) or (
                view.index.nodes[ref.node].attr["axis"].i not in (-1, 1)):
        return False
    on, off = (view.constant(value) for value in view.inputs(ref.node)[2:4])
    return on is not None and off is not None and float(on) == 1 and float(off) == 0


def _picked(view: View, path: LoopLookup) -> Union[LoopLookup, str]:
    """A lookup of which only the ids of a step are known, with where the step picks them."""
    casts: List[str] = []
    ref = path.ids
    while view.op(ref) in _ON_THE_WAY and ref.node in view.loop_nodes:
        casts.insert(0, ref.node)
        ref = view.inputs(ref.node)[0]
    if view.op(ref) not in _PICKS or ref.node not in view.loop_nodes:
        return "its ids are computed inside, by %s %s" % (view.op(ref), short(ref.node))
    if view.op(ref) == "TensorArrayReadV3":
        return _read_from_array(view, path._replace(pick=ref.node, casts=casts))
    if view.op(ref) == "StridedSlice" and view.index.nodes[ref.node].attr["ellipsis_mask"].i:
        return "its ids are picked along their last axes"
    if view.op(ref) == "GatherV2" and not _along_first_axis(view, ref.node):
        return "its ids are picked along another axis than the first"
    ids = _outside(view, view.inputs(ref.node)[0])
    if ids is None:
        return "its ids are computed inside, before %s picks among them" % short(ref.node)
    return path._replace(pick=ref.node, casts=casts, ids=ids)


def _along_first_axis(view: View, node: str) -> bool:
    axis = view.constant(view.inputs(node)[2])
    return axis is not None and int(axis) == 0


def _read_from_array(view: View, path: LoopLookup) -> Union[LoopLookup, str]:
    flow = _outside(view, view.inputs(path.pick)[2])
    scatter = view.origin(flow, ("Identity",)) if flow is not None else None
    if scatter is None or view.op(scatter) != "TensorArrayScatterV3":
        return "its ids come from a TensorArray that is not filled in one go before the loop"
    return path._replace(ids=view.inputs(scatter.node)[2], scatter=scatter.node)


def _outside(view: View, ref: TensorRef) -> Optional[TensorRef]:
    """The tensor before the loop that a tensor inside always is; ``None`` when a step may change it."""
    while ref.node in view.loop_nodes:
        if view.op(ref) in ("Identity", "ReadVariableOp") and view.inputs(ref.node):
            ref = view.inputs(ref.node)[0]
        elif view.op(ref) in ENTERS and view.flag(ref.node, "is_constant"):
            ref = view.inputs(ref.node)[0]
            if ref.node in view.loop_nodes:  # a loop in a loop: the rows would have to enter both
                return None
        else:
            return None
    return ref


def enter_of(view: View, ref: TensorRef) -> str:
    """The Enter node through which a tensor came into the loop."""
    while view.op(ref) not in ENTERS:
        ref = view.inputs(ref.node)[0]
    return ref.node

