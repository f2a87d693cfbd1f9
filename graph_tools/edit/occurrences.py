"""Give each occurrence of an id its own row, where a lookup merged repeats or combined rows straight off the table.

``embedding_lookup_sparse`` takes one row per *distinct* id of the whole batch, and a 2.x release none at all: nothing
there can be interpolated per example or per word. The rewrite puts a tensor between, ``Gather(rows, indices)``, then
the dense segment op that computes the same sum, mean, or sum over the root of the count. Forward values stay the same.
"""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from graph_tools import _tf, following
from graph_tools.edit import owners
from graph_tools.edit.builder import Builder
from graph_tools.edit.loops import move_out
from graph_tools.edit.products import split_product
from graph_tools.edit.record import Edit, compare
from graph_tools.errors import EditError, NoCandidateError
from graph_tools.find.candidates import Candidates, Embedding
from graph_tools.find.embeddings import find_embeddings
from graph_tools.find.embeddings.loop import loop_lookup
from graph_tools.find.embeddings.onehot import VECTORS
from graph_tools.find.embeddings.product import SPARSE_PRODUCT
from graph_tools.find.embeddings.ragged import Matrix, matrix_of
from graph_tools.find.embeddings.sparse import COMBINERS, FILLERS, MOVES, ROWS, SPLIT_SCOPE, STRINGS, string_path
from graph_tools.find.view import View, ref_of, view_of
from graph_tools.graph import names
from graph_tools.graph.names import TensorRef
from graph_tools.graph.nodes import data_type
from graph_tools.model import Model


def split_occurrences(model: Model, embedding: Any) -> Tuple[Model, Edit]:
    """Gives each occurrence of an id a row, where ``Unique`` had merged repeats or an op combines rows of the table.

    Three tensors are new, below the node that combines the rows (``C``):

    * ``C/occurrences/rows:0``, ``[occurrences, dim]``: the rows, to be attributed to;
    * ``C/occurrences/owner:0``, ``[occurrences]`` int64: the example each row belongs to, counted from 0; ``~example``
      (-1 for example 0, -2 for example 1, …) for the row that a ``safe_`` lookup puts into an empty example and later
      discards (also the padding of a sequence column);
    * ``C/occurrences/strings:0``, ``[occurrences]``: the string behind each id, where the graph has one.

    A lookup inside a while loop whose steps pick their ids from known ones is moved out; its rows,
    ``[*ids.shape, dim]``, stand before the loop, below the lookup's own name.

    ``find_embeddings`` on the new model reports them as one candidate of kind ``"occurrences"``.

    Args:
      model: a ``Model``.
      embedding: an ``Embedding`` of ``find_embeddings(model)``, or the name of its tensor; or a list of several, which
        are split in one go.

    Returns:
      ``(new model, Edit)``; ``edit.placeholders`` maps each old tensor to the new rows. A lookup that needs no split
      is mapped to itself, and where none does, the model comes back as it is (but for the strings behind its ids,
      where the graph has them only before they were put in their places).

    Raises:
      NoCandidateError: the tensor is no lookup of embeddings.
      EditError: what combines the rows is not known, or the lookup is in a while loop and cannot be moved out.

    Example:
      >>> split, edit = split_occurrences(model, found[0])  # doctest: +SKIP
      >>> edit.placeholders  # doctest: +SKIP
      {'els/embedding_lookup:0': 'els/occurrences/rows:0'}
    """
    several = list(embedding) if isinstance(embedding, (list, tuple, Candidates)) else [embedding]
    left, split = [_resolve(model, one) for one in several], model
    placeholders: Dict[str, str] = {}
    notes: List[str] = []
    while left:
        now, left = _at_once(left)
        view, graph_def = view_of(split), split.graph_def
        found = [_split(view, graph_def, one) for one in now]
        for one in found:
            placeholders.update(one.placeholders)
            notes += one.notes
        if any(one.changed for one in found):
            split, lost = following.rebuild(split, graph_def)
            notes += lost
    return split, compare("split occurrences", model.meta_graph.graph_def, split.meta_graph.graph_def, placeholders,
                          tuple(notes))


class _Split(NamedTuple):
    """The new rows by the old tensor, what there is to say, and whether the graph was edited."""

    placeholders: Dict[str, str]
    notes: Tuple[str, ...] = ()
    changed: bool = True


def _at_once(several: Sequence[Embedding]) -> Tuple[List[Embedding], List[Embedding]]:
    """Lookups that can be split of one and the same graph, and the others: in a loop, or combined by the same node."""
    now: Dict[str, Embedding] = {}
    for one in several:
        if not one.in_loop:
            now.setdefault(one.rows_combined_at or one.tensor, one)
    chosen = list(now.values()) or list(several[:1])
    return chosen, [one for one in several if not any(one is other for other in chosen)]


def _split(view: View, graph_def: Any, one: Embedding) -> _Split:
    """Splits a lookup of the graph that is seen, in place in a copy of its GraphDef."""
    matrix = matrix_of(view, ref_of(one.tensor)) if one.kind == "ragged" and not one.rows_combined_at else None
    if one.in_loop:
        return _out_of_loop(view, graph_def, one)
    if matrix is not None:
        return _own_rows_of_a_matrix(view, graph_def, one, matrix)
    if one.kind in ("occurrences", "multi_hot") or one.per_occurrence and not one.rows_combined_at:
        return _strings_only(view, graph_def, one)
    if not one.rows_combined_at:
        raise EditError("cannot split %r: %s; attribute to a tensor after the rows are spread over their places "
                        "again" % (one.tensor, one.caveat or "nothing combines its rows"))
    build = Builder(graph_def, names.parse(one.rows_combined_at).node, SPLIT_SCOPE)
    if view.op(build.anchor) == SPARSE_PRODUCT:
        return _Split({one.tensor: split_product(view, build)})
    rows = _split_combiner(view, build) if view.op(build.anchor) in COMBINERS else _split_rows(build, one)
    owners.of_segments(view, build, ref_of(one.segments))
    return _Split({one.tensor: rows}, _add_strings(view, build, ref_of(one.ids)))


def _strings_only(view: View, graph_def: Any, one: Embedding) -> _Split:
    """A lookup that needs no split; the strings behind its ids are added where the graph only has them elsewhere."""
    each = "column per category" if one.kind == "multi_hot" else "row per occurrence"
    notes: Tuple[str, ...] = ("%s needs no split: it has one %s" % (one.tensor, each),)
    path = string_path(view, ref_of(one.ids)) if one.strings is None and (one.table or one.kind in VECTORS) else None
    if path is not None:
        notes += _add_strings(view, Builder(graph_def, ref_of(one.tensor).node, SPLIT_SCOPE), ref_of(one.ids))
    return _Split({one.tensor: one.tensor}, notes, path is not None)


def _out_of_loop(view: View, graph_def: Any, one: Embedding) -> _Split:
    path = loop_lookup(view, one)
    if isinstance(path, str):
        raise EditError("the lookup %r runs inside a while loop and cannot be moved out: %s; attribute to a tensor "
                        "outside the loop" % (one.tensor, path))
    rows = move_out(view, Builder(graph_def, path.gather, SPLIT_SCOPE), path)
    return _Split({one.tensor: rows}, ("the lookup was moved out of the loop; each step picks its rows",))


def _own_rows_of_a_matrix(view: View, graph_def: Any, one: Embedding, matrix: Matrix) -> _Split:
    build = Builder(graph_def, ref_of(one.tensor).node, SPLIT_SCOPE)
    # First the rows: their owners are computed from the lookup's own tensor, which an attribution leaves as it is.
    rows = _split_rows(build, one)
    owners.of_matrix(view, build, matrix, ref_of(one.tensor))
    return _Split({one.tensor: rows}, _add_strings(view, build, ref_of(one.ids)))


def _resolve(model: Any, embedding: Any) -> Embedding:
    if isinstance(embedding, Embedding):
        names.refuse_unknown(model, embedding.tensor)
        return embedding
    wanted, found = names.tensor_name(embedding), find_embeddings(model)
    for one in found:
        if wanted in (one.tensor, one.rows_combined_at):
            return one
    names.refuse_unknown(model, wanted)
    raise NoCandidateError("tensor %r is no lookup of embeddings; found were: %s" % (
        wanted, ", ".join(repr(one.tensor) for one in found) or "none"))


def _split_combiner(view: View, build: Builder) -> str:
    """``SparseSegment…(data, indices, segments)`` becomes a gather and the dense segment op of the same values."""
    old = build.take_out(build.anchor)
    inputs = [names.parse(entry) for entry in old.input]
    data, indices, segments = inputs[:3]
    value, index, segment = (data_type(view.dtype(ref)) for ref in (data, indices, segments))
    axis = build.constant("rows/axis", 0, "int32", indices)
    rows = build.add("GatherV2", ROWS, [data, indices, axis], Tparams=value, Tindices=index, Taxis="int32")
    number = inputs[3] if old.op.endswith("WithNumSegments") else None
    combine = _Combine(view, build, segments, segment, number, value)
    control = [ref for ref in inputs if ref.is_control]
    how = COMBINERS[old.op]
    if how == "sum":
        combine.total(build.anchor, rows, control)
    elif how == "mean" and number is None:
        build.put("SegmentMean", build.anchor, [rows, segments] + control, {"T": value, "Tindices": segment})
    else:
        total = combine.total(build.scope + "sum", rows)
        count = combine.counted(len(view.shape(data) or (None, None)))
        if how == "sqrtn":
            count = build.add("Sqrt", "sqrt_count", [count], T=value)
        build.put("RealDiv", build.anchor, [total, count] + control, {"T": value})
    return str(rows)


class _Combine(NamedTuple):
    """Sums over segments, with the number of segments given or read off the last segment id."""

    view: View
    build: Builder
    segments: TensorRef
    segment: int
    number: Optional[TensorRef]
    value: int

    def total(self, name: str, rows: TensorRef, control: Any = ()) -> TensorRef:
        if self.number is None:
            return self.build.put("SegmentSum", name, [rows, self.segments] + list(control),
                                  {"T": self.value, "Tindices": self.segment})
        return self.build.put("UnsortedSegmentSum", name, [rows, self.segments, self.number] + list(control), {
            "T": self.value, "Tindices": self.segment, "Tnumsegments": data_type(self.view.dtype(self.number))})

    def counted(self, rank: int) -> TensorRef:
        """How many rows each segment has, at least 1, as ``[segments, 1, …]``."""
        build = self.build
        dtype = _tf.tf.as_dtype(self.value).name
        ones = build.add("OnesLike", "ones", [self.segments], T=self.segment)
        ones = build.add("Cast", "ones_cast", [ones], SrcT=self.segment, DstT=self.value, Truncate=False)
        count = self.total(build.scope + "count", ones)
        least = build.constant("count/least", 1, dtype, self.segments)
        count = build.add("Maximum", "count_or_one", [count, least], T=self.value)
        shape = build.constant("count/shape", [-1] + [1] * (rank - 1), "int32", self.segments)
        return build.add("Reshape", "count_column", [count, shape], T=self.value, Tshape="int32")


def _split_rows(build: Builder, one: Embedding) -> str:
    """Rows that exist already get a name of their own, which every consumer reads from now on."""
    tensor = names.parse(one.tensor)
    for node in build.graph_def.node:
        for slot, entry in enumerate(node.input):
            if names.parse(entry) == tensor:
                node.input[slot] = build.scope + ROWS
    return str(build.add("Identity", ROWS, [tensor], T=data_type(one.dtype)))


# The string behind each id.

def _add_strings(view: View, build: Builder, ids: TensorRef) -> Tuple[str, ...]:
    """Sends the strings through the same selections as the ids made from them; returns a note."""
    path = string_path(view, ids)
    if path is None:
        return ()
    strings = path.strings
    for number, move in enumerate(path.moves):
        node, leaf = view.index.nodes[move.node], "strings_%d" % number
        inputs = {MOVES[node.op]: strings}
        if node.op in FILLERS:
            inputs[FILLERS[node.op]] = build.constant(leaf + "/filler", b"", "string", strings)
        key = "Tparams" if "Tparams" in node.attr else "T"
        strings = build.copy(node, leaf, inputs, {key: data_type("string")}, True)._replace(port=move.port)
    build.add("Identity", STRINGS, [strings], T="string")
    return ("the strings behind the ids come from %s" % str(path.strings),)
