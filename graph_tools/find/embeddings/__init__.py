"""Find the lookups of embeddings in a graph, best first, each with its evidence, and near misses with theirs."""

import dataclasses
from typing import Any, Iterable, List, Optional, Set, Tuple

from graph_tools.find.candidates import Candidates, Embedding, Miss, short
from graph_tools.find.dataflow import FLOAT_TYPES
from graph_tools.find.embeddings.gather import gather_nd, gathers, partitioned, with_caveat
from graph_tools.find.embeddings.loop import mark_loop_lookup
from graph_tools.find.embeddings.onehot import one_hot_features, one_hot_products
from graph_tools.find.embeddings.product import sparse_products
from graph_tools.find.embeddings.sparse import COMBINERS, combined_on_table, read_combination
from graph_tools.find.outputs import find_heads
from graph_tools.find.view import View, ref_of, view_of
from graph_tools.graph import functions, names
from graph_tools.graph.names import TensorRef, refuse_unknown
from graph_tools.graph.ops import COPIES, GATHERS, SHAPE_READERS
from graph_tools.model import Model

# In the order tried: a pattern claims the nodes that a later one must not report again.
PATTERNS = (partitioned, gathers, gather_nd, combined_on_table, sparse_products, one_hot_products, one_hot_features)


def find_embeddings(model: Model, output: Any = None) -> Candidates:
    """Finds the lookups whose rows an attribution can be made to.

    Args:
      model: a ``Model``.
      output: a tensor (name, ``tf.Tensor`` or ``Candidate``); lookups that never reach it become misses.
        ``None``: all are listed, those that reach no likely prediction last.

    Returns:
      ``Candidates`` of ``Embedding``, best first: those nothing speaks against, then larger tables before smaller.

    Raises:
      TensorNotFoundError: there is no such output.

    Example:
      >>> found = find_embeddings(model)      # doctest: +SKIP
      >>> found[0].tensor, found[0].vocab_size  # doctest: +SKIP
      ('embedding_lookup:0', 30522)
    """
    return model.once(_found, None if output is None else ref_of(output))


def _found(model: Model, output: Optional[TensorRef]) -> Candidates:
    found, misses = model.once(_every)
    kept, unreached = _reaching(view_of(model), found, output)
    return Candidates(sorted(kept, key=_rank), misses + unreached, what="embedding")


def _every(model: Model) -> Tuple[List[Embedding], List[Miss]]:
    """All lookups of a graph, whatever they reach, and what only looks like one."""
    view = view_of(model)
    found: List[Embedding] = []
    misses: List[Miss] = []
    claimed: Set[str] = set()
    for pattern in PATTERNS:
        for one in pattern(view, claimed):
            if isinstance(one, Miss):
                misses.append(one)
            else:
                found += [mark_loop_lookup(view, one)] if one.in_loop else read_combination(view, one)
    misses += _inside_functions(view)
    own = {node for one in found for node in one.nodes}
    misses = [miss for miss in misses if miss.name not in own and names.parse(miss.name).node not in view.gradients]
    found = [one for one in found if names.parse(one.tensor).node not in view.gradients]
    return _with_sums(view, found), misses


def _reaching(view: View, found: List[Embedding], output: Optional[TensorRef]) -> Tuple[List[Embedding], List[Miss]]:
    if output is None:
        return _doubtful_where_unreached(view, found), []
    refuse_unknown(view.model, str(output))
    needed = _needed(view, [output])
    kept = [one for one in found if ref_of(one).node in needed]
    return kept, [Miss(one.tensor, "it never reaches %s (%s)" % (output, one.why)) for one in found if one not in kept]


def _inside_functions(view: View) -> List[Miss]:
    """Calls of functions whose bodies hold something that may be a lookup; a search does not look inside."""
    library = view.index.graph_def.library
    table, misses = functions.calls(library), []
    holding = {function.signature.name: [node.name for node in function.node_def if _may_look_up(node)]
               for function in library.function}
    for name, node in view.index.nodes.items() if table else ():
        inside = [one for one in sorted(functions.reach(functions.called(node), table)) if holding[one]]
        if inside and view.flow.is_data(name):
            misses.append(Miss(name, "it calls function %s, whose %s may be a lookup; rows inside a function can be "
                               "neither fetched nor fed: search gt.inline_calls(model) (not for loops)" % (
                                   inside[0], holding[inside[0]][0])))
    return misses


def _may_look_up(node: Any) -> bool:
    if node.op in COMBINERS:
        return True
    return node.op in GATHERS and any(key in node.attr and node.attr[key].type in FLOAT_TYPES
                                      for key in ("Tparams", "dtype"))


# Rows may be reshaped and scaled on the way to the sum with other rows.
_TO_SUMS = COPIES | {"Reshape", "ExpandDims", "Squeeze", "Cast", "Transpose", "Mul", "Slice", "StridedSlice"}
_SUMS = ("Add", "AddV2", "AddN")
_FEW_ROWS = 16


def _with_sums(view: View, found: List[Embedding]) -> List[Embedding]:
    """Says of a smaller table that its rows are added to those of a larger one: token types, segments, positions."""
    sums = {one.tensor: _sums(view, one) for one in found}
    noted = []
    for one in found:
        larger = [other for other in found if (other.vocab_size or 0) > 4 * (one.vocab_size or 0)
                  and sums[one.tensor] & sums[other.tensor]]
        if larger and one.vocab_size:
            what = "token types" if one.vocab_size <= _FEW_ROWS else "positions that are fed"
            one = dataclasses.replace(one, why="%s; they are added to the rows of %s, so perhaps %s" % (
                one.why, short(larger[0].table), what))
        noted.append(one)
    return noted


def _sums(view: View, one: Embedding) -> Set[str]:
    """Additions that the rows reach through reshapes, scales and further additions."""
    start = ref_of(one).node
    after = view.index.descendants([start], control=False, stop=lambda name: (
        name != start and view.op(name) not in _SUMS and view.op(name) not in _TO_SUMS))
    return {name for name in after - {start} if view.op(name) in _SUMS}


def _needed(view: View, outputs: Iterable[TensorRef]) -> Set[str]:
    """Nodes whose values (not only their shapes) the outputs are computed from."""
    return view.index.ancestors([str(one) for one in outputs], control=False,
                                stop=lambda name: view.op(name) in SHAPE_READERS)


def _doubtful_where_unreached(view: View, found: List[Embedding]) -> List[Embedding]:
    """The candidates, with a caveat for those that reach none of the likely predictions."""
    heads = find_heads(view)
    needed = _needed(view, [head.tensor for head in heads])
    if not heads:
        return found
    return [one if ref_of(one).node in needed else with_caveat(
        one, "it reaches none of the likely predictions (%s)" % ", ".join(head.tensor for head in heads[:3]))
            for one in found]


def _rank(one: Any) -> Tuple[bool, bool, bool, int, int]:
    return bool(one.caveat), one.in_loop, not one.table, -(one.vocab_size or 0), -(one.dim or 0)
