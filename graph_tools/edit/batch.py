"""Free a batch size that was baked into a graph: into placeholders, reshapes, initial states, tiles.

How it is proven: TensorFlow's own shape inference runs with a large prime in place of the batch. A dimension that is a
multiple of the prime depends on the batch, one that is not does not. A constant is replaced only where that tells
what it must become; the first op that still turns a batch of any size into the old one is named.
"""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

import numpy as np

from graph_tools import _tf, following
from graph_tools.control_flow import where
from graph_tools.edit.batch_shapes import PRIME, Inference, free_elements, has_batch, set_batch
from graph_tools.edit.builder import Builder
from graph_tools.edit.record import REPLACES, Edit, compare
from graph_tools.errors import EditError
from graph_tools.find.inputs.placeholders import placeholder_shape
from graph_tools.find.inputs.record import dtype_name
from graph_tools.graph import names, ops
from graph_tools.graph.names import TensorRef
from graph_tools.graph.nodes import data_type, entry_of, free_name
from graph_tools.graph.walk import GraphIndex
from graph_tools.model import Model

_ROUNDS = 60  # each mends at least one constant and infers again
# Ops that make a tensor of a given size, and which input says it.
_SIZED = {"Fill": 0, "Tile": 1, "BroadcastTo": 1, "RandomUniform": 0, "RandomStandardNormal": 0, "TruncatedNormal": 0}

# Their output is about the shape of what they read: its own size says nothing of the batch.
_SHAPES_ONLY = ops.SIZES


def _sliced(node: Any, parts: Any) -> Any:
    """A slice of a vector of sizes, or one of them."""
    vector, begin, end, stride = parts
    shrink, no_begin, no_end = (name in node.attr and node.attr[name].i & 1  # to read a missing key is to add it
                                for name in ("shrink_axis_mask", "begin_mask", "end_mask"))
    if shrink:
        return vector[int(begin[0])]
    return vector[None if no_begin else int(begin[0]):None if no_end else int(end[0]):int(stride[0])]


# How sizes are put together from constants, as far as that matters here.
_CONSTANT_FOLDS = {
    "Identity": lambda node, parts: parts[0],
    "Enter": lambda node, parts: parts[0],
    "ExpandDims": lambda node, parts: np.expand_dims(parts[0], int(parts[1])),
    "Pack": lambda node, parts: np.stack(parts),
    "ConcatV2": lambda node, parts: np.concatenate(parts[:-1], int(parts[-1])),
    "StridedSlice": _sliced,
    "Cast": lambda node, parts: parts[0].astype(_tf.tf.as_dtype(node.attr["DstT"].type).as_numpy_dtype),
}


def relax_batch(model: Model, inputs: Any = None) -> Tuple[Model, Edit]:
    """Lets placeholders take a batch of any size, and frees it where the graph had the old one baked in.

    Args:
      model: the ``Model``; it is not changed.
      inputs: the placeholders whose leading dimension is the batch; ``None`` takes those that fix one.

    Returns:
      The new ``Model`` and an ``Edit``. Its notes name the op that keeps the batch fixed, where one does.

    Raises:
      EditError: the placeholders fix different sizes, or a tensor of ``inputs`` is no placeholder.
    """
    index = model.index
    chosen = _placeholders(index, inputs)
    sizes = {shape[0] for shape in chosen.values()}
    if not chosen:
        return model, Edit("relax batch", notes=("nothing to free: no placeholder fixes the size of its batch",))
    if len(sizes) > 1:
        raise EditError("placeholders fix different leading sizes: %s; say which share the batch: inputs=[…]" % (
            ", ".join("%r %s" % (name, list(shape)) for name, shape in chosen.items())))
    graph_def = model.graph_def
    set_batch(graph_def, chosen, None)
    notes = free_constants(graph_def, {name: (None,) + shape[1:] for name, shape in chosen.items()}, sizes.pop())
    edited, more = following.rebuild(model, graph_def)
    return edited, compare("relax batch", model.meta_graph.graph_def, graph_def, notes=tuple(notes + more))


def fix_batch(model: Model, rows: int) -> Model:
    """The model with ``rows`` rows in the placeholders that an edit made: where other numbers turned out to fail."""
    graph_def = model.graph_def
    shapes = {node.name: placeholder_shape(model.index, node) for node in graph_def.node if REPLACES in node.attr}
    set_batch(graph_def, {name: shape for name, shape in shapes.items() if shape and shape[0] is None}, rows)
    return model.with_graph_def(graph_def)


def _placeholders(index: GraphIndex, inputs: Any) -> Dict[str, tuple]:
    if inputs is None:
        wanted = index.names_of(ops.PLACEHOLDERS)
    else:
        wanted = [names.parse(name).node for name in names.tensor_names(inputs)]
    chosen = {}
    for name in wanted:
        if index.op(name) not in ops.PLACEHOLDERS:
            raise EditError("%r is no placeholder; its batch cannot be freed (swap_inputs first?)" % name)
        shape = placeholder_shape(index, index.nodes[name])
        if shape and shape[0] is not None and (shape[0] > 1 or inputs is not None):
            chosen[name] = shape
    return chosen


def free_constants(graph_def: Any, placeholders: Dict[str, tuple], batch: int) -> List[str]:
    """Frees, in place, the constants that hold the batch; returns notes, the last one about what could not be freed.

    Args:
      graph_def: its placeholders have a free leading dimension already.
      placeholders: their shapes by node name.
      batch: the size that the graph was built for.
    """
    if batch <= 1:
        return []
    work = _Work(graph_def, placeholders, batch)
    for _ in range(_ROUNDS):
        work.infer(PRIME)
        # What is refused for good may be an optimizer's; the prediction beside it is freed all the same.
        if not any([work.mend_refused(), work.mend_reshapes(), work.mend_loops()]):
            if work.refused:
                return work.notes + [work.why_not()]
            stuck = work.stuck()
            return work.notes + (["%r keeps the batch at %d" % (stuck, batch)] if stuck else [])
    return work.notes + ["the batch of %d is baked into too many places; the last one looked at was %r" % (
        batch, "".join(list(work.refused)[-1:]))]


class _Baked(NamedTuple):
    """A constant vector of sizes that an op takes as input ``slot``."""

    node: str
    slot: int
    value: np.ndarray
    constant: str


class _Work:
    """One graph while its batch is freed: the GraphDef, and its shapes under the last inference."""

    def __init__(self, graph_def: Any, placeholders: Dict[str, tuple], batch: int):
        self.graph_def, self.placeholders, self.batch = graph_def, placeholders, batch
        self.first = next(iter(placeholders))
        self.notes: List[str] = free_elements(GraphIndex(graph_def), placeholders, batch)
        self.shapes: Dict[str, Optional[List[Optional[int]]]] = {}
        self.refused: Dict[str, str] = {}
        self._reindex()
        self.in_loop = where.loop_nodes(self.index)  # what is added stands in none

    def _reindex(self) -> None:
        self.index = GraphIndex(self.graph_def)

    def infer(self, size: int) -> None:
        """Infers all shapes with a batch of ``size``."""
        inference = Inference(self.graph_def, self.placeholders, size)
        self.shapes, self.refused = inference.shapes, inference.refused

    # ---- reshapes

    def mend_reshapes(self) -> bool:
        """Mends every reshape of a tensor with the batch in it to a constant shape without; true if there was one."""
        mended = [name for name in self.index.nodes if self.index.op(name) == "Reshape" and self._mend_reshape(name)]
        if mended:
            self._reindex()
        return bool(mended)

    def _mend_reshape(self, name: str) -> bool:
        baked, source = self._baked(name, 1), self.index.data_inputs(name)[0]
        shape = self.shapes.get(str(source))
        if baked is None or not shape:
            return False
        position = _position(shape, baked.value, self.batch, self._before(source, set()))
        return position is not None and self._free(baked, position)

    def _before(self, ref: TensorRef, seen: Set[str]) -> Optional[int]:
        """How many elements stand before the batch in row-major order (steps, where they come first); reshapes keep it.

        ``None``: the dimension that holds the batch holds more, and where that comes from is not known.
        """
        shape: Any = self.shapes.get(str(ref)) or ()
        at = [axis for axis, size in enumerate(shape) if size and size % PRIME == 0]
        if len(at) != 1 or ref.node in seen or None in shape[:at[0]]:
            return None
        if shape[at[0]] == PRIME:
            return int(np.prod(shape[:at[0]], dtype=np.int64))
        seen.add(ref.node)
        sources = self.index.data_inputs(ref.node)
        if self.index.op(ref.node) == "Reshape":
            return self._before(sources[0], seen)
        found = [self._before(source, seen) for source in sources
                 if list(self.shapes.get(str(source)) or ())[:at[0] + 1] == list(shape[:at[0] + 1])]
        return next((before for before in found if before is not None), None)

    # ---- operands that have the old batch

    def mend_refused(self) -> bool:
        """Frees what gives the ops that are refused an input of the old batch; true if something was freed."""
        return sum(map(self._mend_operands, self.refused)) > 0

    def _mend_operands(self, name: str) -> bool:
        if self.index.op(name) == "Reshape":
            mended = self._mend_reshape(name)
        else:
            operands = self.index.data_inputs(name)
            axes = [axis for ref in operands for axis, size in enumerate(self.shapes.get(str(ref)) or ())
                    if size and size % PRIME == 0]
            mended = bool(axes) and any(self._mend_source(ref.node, axes[0], set()) for ref in operands)
        if mended:
            self._reindex()
        return mended

    def mend_loops(self) -> bool:
        """Frees the initial values of loop variables whose next value has the batch in it; true if there was one.

        Where no shape tells (what a loop reads from a TensorArray has none), it must at least be computed from the
        fed data, and the initial value have one equal row for each example. What one variable grows by does not
        depend on the start of another, so that one inference serves for all.
        """
        mended = False
        for name in self.index.names_of(ops.MERGES):
            inputs = self.index.data_inputs(name)
            if self.index.op(inputs[-1].node) not in ops.NEXTS:
                continue
            enter = self.index.data_inputs(inputs[0].node)  # an Enter itself has no static shape
            start, following = self.shapes.get(str(enter[0])) if enter else None, self.shapes.get(str(inputs[-1]))
            if not start or self.batch not in start:
                continue
            size = following[start.index(self.batch)] if following and len(following) == len(start) else None
            if size is not None:
                grows = size % PRIME == 0
            else:
                grows = start[0] == self.batch and not self.index.ancestors(
                    [inputs[-1].node], control=False).isdisjoint(self.placeholders)
            if grows and self._mend_source(inputs[0].node, start.index(self.batch), set()):
                self._reindex()
                mended = True
        return mended

    def _mend_source(self, name: str, axis: int, seen: Set[str]) -> bool:
        """Walks up through ops of the old batch to what made it, and frees its axis that has the batch."""
        if name in seen or name not in self.index or has_batch(self.shapes.get(name + ":0")):
            return False
        seen.add(name)
        op = self.index.op(name)
        if op == "Const":
            return axis == 0 and self._free_rows(name)
        if op in _SIZED:
            baked = self._baked(name, _SIZED[op])
            return baked is not None and axis < len(baked.value) and baked.value[axis] == self.batch and (
                self._free(baked, axis))
        if op == "Reshape":
            return self._mend_reshape(name)
        if op in ops.PLACEHOLDERS:
            return False
        return any(self._mend_source(ref.node, axis, seen) for ref in self.index.data_inputs(name))

    # ---- how a constant is freed

    def _baked(self, name: str, slot: int) -> Optional[_Baked]:
        inputs = self.index.data_inputs(name)
        value = self._value(inputs[slot].node) if len(inputs) > slot else None
        if value is None or value.ndim != 1 or not value.size:
            return None
        return _Baked(name, slot, value, inputs[slot].node)

    def _value(self, name: str) -> Optional[np.ndarray]:
        """The value of a tensor of sizes that is put together from constants; ``None`` when it is not constant."""
        node = self.index.nodes.get(name)
        if node is None:
            return None
        if node.op == "Const":
            return _tf.make_ndarray(node.attr["value"].tensor)
        if node.op not in _CONSTANT_FOLDS:
            return None
        parts = [self._value(ref.node) for ref in self.index.data_inputs(name)]
        return None if not parts or any(part is None for part in parts) else _CONSTANT_FOLDS[node.op](node, parts)

    def _free(self, baked: _Baked, position: int) -> bool:
        """Puts the batch of the fed data at one position of a constant vector of sizes."""
        if self.index.op(baked.node) == "Reshape" and -1 not in baked.value:
            value = baked.value.copy()
            value[position] = -1
            beside = TensorRef(baked.constant, 0) if self._control(baked.constant) else None
            source = self._builder(baked.node).constant("sizes", value, value.dtype.name, beside)
        elif baked.node in self.in_loop:
            return False
        else:
            source = self._sizes(self._builder(baked.node), baked.value, position)
        self.index.nodes[baked.node].input[baked.slot] = entry_of(source)
        self.notes.append("%r had a batch of %d in %s; it takes any now" % (
            baked.node, self.batch, [int(size) for size in baked.value]))
        return True

    def _free_rows(self, name: str) -> bool:
        """Replaces a constant of equal rows, one for each example, by one row repeated."""
        node = self.index.nodes[name]
        value = _tf.make_ndarray(node.attr["value"].tensor)
        if not value.ndim or len(value) != self.batch or name in self.in_loop or not all(
                np.array_equal(row, value[0]) for row in value[1:]):
            return False
        builder = self._builder(name)
        row = builder.constant("row", value[:1], dtype_name(node.attr["dtype"].type))
        sizes = self._sizes(builder, np.array([self.batch] + [1] * (value.ndim - 1), np.int32), 0)
        rows = builder.add("Tile", "rows", [row, sizes], T=node.attr["dtype"].type, Tmultiples="int32")
        for use in self.index.uses(name + ":0"):
            self.index.nodes[use.node].input[use.slot] = entry_of(rows)
        self.notes.append("constant %r had %d equal rows; it has one for each example now" % (name, self.batch))
        return True

    def _sizes(self, builder: Builder, value: np.ndarray, position: int) -> TensorRef:
        """A vector of sizes with (a multiple of) the size of the fed batch at one position."""
        dtype, number = value.dtype.name, data_type(value.dtype.name)
        fed = self.index.nodes[self.first]
        shape = builder.add("Shape", "shape", [self.first], T=fed.attr["dtype"].type, out_type=number)
        bounds = [builder.constant(leaf, [at], "int32") for leaf, at in (("begin", 0), ("end", 1), ("stride", 1))]
        batch = builder.add("StridedSlice", "batch", [shape] + bounds, T=number, Index="int32")
        factor = int(value[position]) // self.batch
        if factor > 1:
            batch = builder.add("Mul", "product", [batch, builder.constant("times", [factor], dtype)], T=number)
        parts = [builder.constant(leaf, some, dtype) if leaf else batch for leaf, some in (
            ("before", value[:position]), ("", value), ("after", value[position + 1:])) if len(some)]
        if len(parts) == 1:
            return batch
        return builder.add("ConcatV2", "sizes", parts + [builder.constant("axis", 0, "int32")], T=number,
                           Tidx="int32", N=_tf.tf.AttrValue(i=len(parts)))

    def _builder(self, name: str) -> Builder:
        scopes = {other[len(name) + 1:].split("/")[0] for other in self.index.nodes if other.startswith(name + "/")}
        return Builder(self.graph_def, name, free_name("free_batch", scopes))

    def _control(self, name: str) -> List[str]:
        return [str(ref) for ref in self.index.inputs(name) if ref.is_control]

    # ---- what is left

    def why_not(self) -> str:
        """What keeps the batch fixed: the op that failed, unless it does so with the old batch as well."""
        failed, reason = list(self.refused.items())[-1]
        self.infer(self.batch)
        if self.refused:
            return "the batch of %d could not be traced: %s" % (self.batch, list(self.refused.values())[-1])
        return "%r keeps the batch at %d: %s" % (failed, self.batch, reason)

    def stuck(self) -> str:
        """The first op that turns a tensor with the batch in it into one of the old batch (``""``: there is none)."""
        suspects = [(node.name, self.shapes.get(node.name + ":0")) for node in self.graph_def.node
                    if self._takes_one_example(node)]
        for node in self.graph_def.node:
            now = self.shapes.get(node.name + ":0")
            if node.op not in _SHAPES_ONLY and now and now[0] == self.batch and any(
                    has_batch(self.shapes.get(str(ref))) for ref in self.index.data_inputs(node.name)):
                suspects.append((node.name, now))
        if not suspects:
            return ""
        self.infer(self.batch)
        return next((name for name, now in suspects if self.shapes.get(name + ":0") == now), "") if (
            not self.refused) else ""

    def _takes_one_example(self, node: Any) -> bool:
        """Whether a slice begins at another example than the first: rows that were written out one by one."""
        ellipsis, added, open_end = (node.attr[name].i if name in node.attr else 0
                                     for name in ("ellipsis_mask", "new_axis_mask", "end_mask"))
        if node.op != "StridedSlice" or ellipsis or added:
            return False
        source, begin = (ref for ref in self.index.data_inputs(node.name)[:2])
        at = [axis for axis, size in enumerate(self.shapes.get(str(source)) or ()) if size and size % PRIME == 0]
        value = self._value(begin.node)
        return (len(at) == 1 and value is not None and at[0] < len(value) and bool(value[at[0]])
                and not open_end >> at[0] & 1)


def _position(shape: Sequence[Optional[int]], target: np.ndarray, batch: int, before: Optional[int]) -> Optional[int]:
    """Which entry of a constant target shape is the batch, given the shape of what is reshaped.

    A reshape keeps the row-major order, so the dimension that holds the batch must have as many elements before it
    as the batch has in the source (``before``, where that is known). ``None``: the source has no batch, the target has
    it already, or it is not certain.
    """
    at = [axis for axis, size in enumerate(shape) if size and size % PRIME == 0]
    if len(at) != 1 or any(int(size) % PRIME == 0 for size in target if size > 0):
        return None
    outer = [size for size in shape[:at[0]] if size is not None]
    if len(outer) < at[0]:
        return None
    known, elements, found = before is not None, 1, []
    before = before if before is not None else int(np.prod(outer, dtype=np.int64))
    for position, size in enumerate(int(size) for size in target):
        if size <= 0:
            break
        if size % batch == 0 and before % elements == 0 and (elements * size) % (before * batch) == 0:
            found.append(position)
        elements *= size
    return found[0] if len(found) == 1 or known and found else None
