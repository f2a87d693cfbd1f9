"""Which shapes fit what is fed: asked of TensorFlow's own shape functions, with nothing run.

The rank of a placeholder that declares none shows in the few ops behind it: a matrix product takes two axes, a
convolution four, ``shape(x)[2]`` three. Those ops are imported alone for each shape that may be, which takes
milliseconds; whether all sizes go together, the import of everything that is to be run says.
"""

import re
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Set, Tuple

import numpy as np

from graph_tools import _tf
from graph_tools.find.dataflow import FLOAT_TYPES
from graph_tools.graph import names, nodes
from graph_tools.graph.names import TensorRef
from graph_tools.graph.ops import CONTROL_OPS, PLACEHOLDERS
from graph_tools.model import Model
from graph_tools.safety import disarm

Shape = Optional[Tuple[Optional[int], ...]]

_NEAR, _DEEP = 48, 9         # ops behind a placeholder that are looked at, and how far behind it
_LARGEST = 1 << 12           # bytes of a constant that may decide a shape
_WHOLE = 2000                # nodes from which on only those are imported whose shapes what is fed decides
_STATE = 64                  # bytes of a matrix that is the same number everywhere


class Refusal(NamedTuple):
    """An op that shapes do not fit, and what TensorFlow says of it."""

    node: str
    reason: str


class Fitting:
    """The part of a model that some outputs need when some tensors are fed.

    Args:
      model: the model.
      outputs: what is to be run.
      fed: names of the tensors that are fed.
    """

    def __init__(self, model: Model, outputs: Iterable[str], fed: Iterable[str]):
        self._model, self._index = model, model.index
        self._fed = {names.parse(tensor) for tensor in fed}
        self._needed = model.index.running(outputs, set(map(str, self._fed)))
        self._near: Dict[str, List[str]] = {}
        self._open: Optional[Set[str]] = None
        self._plain: Optional[Refusal] = None

    @property
    def needed(self) -> Set[str]:
        """Names of the nodes that run; fed placeholders are none."""
        return self._needed

    def accepts(self, tensor: str, shape: Shape) -> bool:
        """Whether the ops right behind a tensor take such a shape (``None``: sizes that are not known)."""
        near = self._behind(tensor)
        graph_def = self._start()
        self._add_fed(graph_def, names.parse(tensor), shape)
        inside = set(near)
        stand_ins: Set[str] = set()
        for name in near:
            node = self._copy(graph_def, name)
            for slot, ref in enumerate(self._index.data_inputs(name)):
                if str(ref) == str(names.parse(tensor)):
                    node.input[slot] = self._fed_name(ref)
                elif ref.node not in inside:
                    node.input[slot] = self._stand_in(graph_def, ref, stand_ins)
        return _refusal(graph_def) is None

    def sizes(self, tensor: str) -> List[int]:
        """Sizes that an axis of a tensor may have, for all that the ops right behind it say, likeliest first."""
        found: List[int] = []
        for name in self._behind(tensor):
            for ref in self._index.data_inputs(name):
                value = self._small(ref)
                if value is not None and value.ndim == 1 and self._index.op(name) == "Reshape":
                    found.append(int(np.prod([size for size in value if size > 0])))
                    found += [int(size) for size in value]
                found += [size for size in self._static(ref) or () if size]
        return [size for size in dict.fromkeys(found) if size > 1]

    def reshaped_to(self, tensor: str) -> Shape:
        """The constant shape that a tensor is given first of all, -1 as ``None``; ``None`` where it is not."""
        for name in self._behind(tensor):
            refs = self._index.data_inputs(name)
            if self._index.op(name) == "Reshape" and refs[0].node in (names.parse(tensor).node,):
                value = self._small(refs[1])
                return None if value is None else tuple(None if size < 0 else int(size) for size in value.ravel())
        return None

    def parts(self, tensor: str) -> List[int]:
        """Into how many equal parts the ops right behind a tensor cut an axis, each number once."""
        of = {"Split": "num_split", "Unpack": "num"}
        near = [self._index.nodes[name] for name in self._behind(tensor)]
        return list(dict.fromkeys(int(node.attr[of[node.op]].i) for node in near if node.op in of))

    def width(self, tensor: str) -> Optional[int]:
        """The last size that a tensor must have for its entries to stay together: of a ``reshape(x, [-1, 3])`` behind.

        What only changes the order of the axes before the last one may stand between them.
        """
        todo = list(self._index.uses(tensor))
        for use in todo:  # which grows: a chain may be longer than calls may nest
            op, refs = self._index.op(use.node), self._index.data_inputs(use.node)
            if use.node not in self._needed or use.slot:
                continue
            if op == "Reshape":
                value = self._small(refs[1])
                if value is not None and value.ndim == 1 and len(value) == 2 and value[0] == -1:
                    return int(value[1])
            order = self._small(refs[1]) if op == "Transpose" else None
            if op in ("Identity", "Cast") or order is not None and order.size and order[-1] == order.size - 1:
                todo += self._index.uses("%s:0" % use.node)
        return None

    def refusal(self, shapes: Mapping[str, Shape]) -> Optional[Refusal]:
        """The op that does not take what is fed in these shapes; ``None`` when all go together."""
        return _refusal(self._whole(shapes))

    def shape_of(self, tensor: str, shapes: Mapping[str, Shape]) -> Shape:
        """The shape of a tensor that is run, for all that shapes of what is fed say; ``None``: nothing is known."""
        if names.parse(tensor).node not in self._decided():
            return self._static(names.parse(tensor))
        try:
            shape = _imported(self._whole(shapes)).get_tensor_by_name(tensor).shape
        except (ValueError, _tf.tf.errors.OpError):
            return None
        return None if shape.ndims is None else tuple(shape.as_list())

    def _whole(self, shapes: Mapping[str, Shape]) -> Any:
        """Everything that is run, with what is fed in these shapes."""
        graph_def = self._start()
        fed = {names.parse(tensor): shape for tensor, shape in shapes.items()}
        for ref, shape in fed.items():
            self._add_fed(graph_def, ref, shape)
        inside, stand_ins = self._decided(), set()  # type: Set[str], Set[str]
        for name in self._index.nodes:
            if name not in inside or all(TensorRef(name, port) in fed for port in (0,)) and (
                    self._index.op(name) in PLACEHOLDERS):
                continue
            node = self._copy(graph_def, name, control=True)
            for slot, ref in enumerate(self._index.inputs(name)):
                if ref in fed:
                    node.input[slot] = self._fed_name(ref)
                elif ref.node not in inside and not ref.is_control:
                    node.input[slot] = self._stand_in(graph_def, ref, stand_ins)
            nodes.set_inputs(node, [entry for entry in node.input
                                    if not entry.startswith("^") or entry[1:] in inside])
        return graph_def

    def _decided(self) -> Set[str]:
        """The nodes whose shapes may be other ones under what is fed, and what their whole numbers are computed from.

        Behind floats whose sizes are known all the same nothing is decided; of a small graph, or in loops and branches,
        that is not looked at.
        """
        if self._open is None:
            self._open = self._needed
            if len(self._needed) >= _WHOLE:
                found = self._behind_fed()
                self._open = self._needed if any(self._index.op(name) in CONTROL_OPS for name in found) else found
        return self._open

    def _behind_fed(self) -> Set[str]:
        index, found = self._index, set()  # type: Any, Set[str]
        todo = [use.node for ref in self._fed for use in index.uses(ref)]
        while todo:
            name = todo.pop()
            if name in self._needed and name not in found:
                found.add(name)
                todo += [use.node for port in index.ports(name) if port >= 0 and self._may_change(TensorRef(name, port))
                         for use in index.uses(TensorRef(name, port))]
        todo = list(found)
        while todo:  # a size may be a number that is computed
            for ref in index.data_inputs(todo.pop()):
                if ref not in self._fed and ref.node not in found and not self._is_float(ref):
                    found.add(ref.node)
                    todo.append(ref.node)
        return found

    def _may_change(self, ref: TensorRef) -> bool:
        return not self._is_float(ref) or not self._tensor(ref).shape.is_fully_defined()

    def _is_float(self, ref: TensorRef) -> bool:
        return self._tensor(ref).dtype.base_dtype.is_floating

    def holds(self, size: int) -> bool:
        """Whether a constant on the way has such a leading size, or is a small vector of sizes with it in it."""
        for name in self._needed:
            node = self._index.nodes[name]
            if node.op == "Const":
                tensor = node.attr["value"].tensor
                if tensor.tensor_shape.dim and tensor.tensor_shape.dim[0].size == size:
                    return True
                if tensor.dtype in (3, 9) and tensor.ByteSize() < 200 and size in _tf.make_ndarray(tensor):
                    return True
        return False

    def made_sizes(self) -> List[int]:
        """Leading sizes of matrices that the graph makes of one number: the states before a first step."""
        found: List[int] = []
        for name in self._needed:
            node = self._index.nodes[name]
            if node.op == "Fill" or node.op == "Const" and node.attr["dtype"].type in FLOAT_TYPES and (
                    node.attr["value"].ByteSize() < _STATE):
                sizes = self._static(TensorRef(name, 0))
                found += [size for size in sizes[:1] if size] if sizes and len(sizes) == 2 else []
        return sorted({size for size in found if size > 1})

    # The parts of a GraphDef.

    def _start(self) -> Any:
        graph_def = _tf.tf.GraphDef(versions=self._index.graph_def.versions, library=self._index.graph_def.library)
        graph_def.versions.producer = max(graph_def.versions.producer, 24)  # below it no sizes mean no rank
        return graph_def

    def _add_fed(self, graph_def: Any, ref: TensorRef, shape: Shape, name: str = "") -> None:
        nodes.add(graph_def, "Placeholder", name or self._fed_name(ref), dtype=self._tensor(ref).dtype.base_dtype,
                  shape=None if shape is None else tuple(shape))

    def _copy(self, graph_def: Any, name: str, control: bool = False) -> Any:
        """A node as TensorFlow infers shapes of it; a large constant only has its shape."""
        original = self._index.nodes[name]
        if original.op == "Const" and original.attr["value"].ByteSize() > _LARGEST:
            return nodes.add(graph_def, "Placeholder", name, dtype=original.attr["dtype"],
                             shape=original.attr["value"].tensor.tensor_shape)
        node = nodes.copied(graph_def, original)
        node.ClearField("device")
        if not control:
            nodes.set_inputs(node, [entry for entry in node.input if not entry.startswith("^")])
        return node

    def _stand_in(self, graph_def: Any, ref: TensorRef, made: Set[str]) -> str:
        """Another input of a near op: itself where it is a small constant, else something of its static shape."""
        name = ref.node if self._small(ref) is not None else "other/%s" % self._fed_name(ref)
        if name not in made:
            made.add(name)
            if name == ref.node:
                self._copy(graph_def, name)
            else:
                self._add_fed(graph_def, ref, self._static(ref), name)
        return name

    def _fed_name(self, ref: TensorRef) -> str:
        return ref.node if self._index.op(ref.node) in PLACEHOLDERS else "%s/fed_%d" % (ref.node, ref.port)

    def _small(self, ref: TensorRef) -> Optional[np.ndarray]:
        node = self._index.nodes.get(ref.node)
        if node is None or node.op != "Const" or node.attr["value"].ByteSize() > _LARGEST:
            return None
        return _tf.make_ndarray(node.attr["value"].tensor)

    def _tensor(self, ref: TensorRef) -> Any:
        return self._model.outline.get_tensor_by_name(str(ref))

    def _static(self, ref: TensorRef) -> Shape:
        shape = self._tensor(ref).shape
        return None if shape.ndims is None else tuple(shape.as_list())

    def _behind(self, tensor: str) -> List[str]:
        """The nodes that read a tensor, and what reads those; up to loops and branches."""
        if tensor not in self._near:
            found: Dict[str, int] = {}
            todo = [(use.node, 1) for use in self._index.uses(tensor)]
            while todo and len(found) < _NEAR:
                name, depth = todo.pop(0)
                if name in found or name not in self._needed or self._index.op(name) in CONTROL_OPS or depth > _DEEP:
                    continue
                found[name] = depth
                todo += [(use.node, depth + 1) for use in self._index.consumers(name, control=False)]
            self._near[tensor] = list(found)
        return self._near[tensor]


def _imported(graph_def: Any) -> Any:
    disarm.disarm(graph_def)
    with _tf.tf.Graph().as_default() as graph:
        _tf.tf.import_graph_def(graph_def, name="")
    return graph


def _refusal(graph_def: Any) -> Optional[Refusal]:
    try:
        _imported(graph_def)
    except (ValueError, _tf.tf.errors.OpError) as error:
        found = re.search(r"\{\{node ([^}]+)\}\}|for '([^']+)' \(op:", str(error))
        return Refusal(next(name for name in found.groups() if name) if found else "", str(error).splitlines()[0])
    return None
