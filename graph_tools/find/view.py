"""What the searches look at: one model's nodes, where their values come from, their static shapes and dtypes."""

from typing import Any, Dict, Iterable, List, Optional, Tuple

from graph_tools import _tf
from graph_tools.control_flow import where
from graph_tools.find import gradients, own
from graph_tools.graph import names
from graph_tools.graph.names import TensorRef
from graph_tools.graph.ops import COPIES, ENTERS, EXITS, SHAPE_READERS, SWITCHES
from graph_tools.graph.walk import Use, reached

Shape = Optional[Tuple[Optional[int], ...]]

FLOATS = frozenset(("float16", "bfloat16", "float32", "float64"))


class View:
    """One model as the searches see it; ``view_of`` makes it once for a model.

    Attributes:
      model, index, flow: the model, its ``GraphIndex`` and the ``Dataflow`` over it.
      loop_nodes: names of the nodes that run inside a while loop.
      gradients: names of the nodes that differentiate others.
    """

    def __init__(self, model: Any):
        self.model = model
        self.index = model.index
        self.flow = own.flow_of(self.index)
        self.loop_nodes = where.loop_nodes(self.index)
        self.gradients = gradients.nodes(self.index)
        self._tensors: Dict[str, Any] = {}

    def tensor(self, ref: Any) -> Any:
        """The ``tf.Tensor`` of the imported graph."""
        name = str(ref)
        if name not in self._tensors:
            self._tensors[name] = self.model.outline.get_tensor_by_name(name)
        return self._tensors[name]

    def tensor_count(self, node_name: str) -> int:
        """How many outputs a node has."""
        return len(self.model.outline.get_operation_by_name(node_name).outputs)

    def shape(self, ref: Any) -> Shape:
        """Static shape; ``None`` when the rank is unknown."""
        shape = self.tensor(ref).shape
        if shape.ndims is None:
            return None
        return tuple(None if size is None else int(size) for size in shape.as_list())

    def dtype(self, ref: Any) -> str:
        """Name of the dtype, without the mark of a reference (``"float32"``)."""
        return self.tensor(ref).dtype.base_dtype.name

    def is_float(self, ref: Any) -> bool:
        return self.dtype(ref) in FLOATS

    def op(self, ref: Any) -> str:
        return self.index.op(ref.node if isinstance(ref, TensorRef) else ref)

    def flag(self, node_name: str, attribute: str) -> bool:
        """A boolean attribute of a node; False where it has none (reading must not add it to the message)."""
        attr = self.index.nodes[node_name].attr
        return attribute in attr and attr[attribute].b

    def inputs(self, node_name: str) -> List[TensorRef]:
        return self.index.data_inputs(node_name)

    def origin(self, ref: TensorRef, ops: Iterable[str] = COPIES) -> TensorRef:
        """Back through ops that hand their first input on (a value that only passes through)."""
        return self.index.origin(ref, (frozenset(ops) | {"IdentityN"}) - {"PlaceholderWithDefault"})

    def constant(self, ref: TensorRef) -> Optional[Any]:
        """The value of a tensor that is a constant behind copies, as a numpy array; ``None`` when it is not one."""
        ref = self.origin(ref)
        if self.op(ref) != "Const":
            return None
        return _tf.make_ndarray(self.index.nodes[ref.node].attr["value"].tensor)

    def value_uses(self, ref: TensorRef) -> List[Use]:
        """Where the values of a tensor are consumed; not by gradients, nor where only its shape is asked for."""
        return [use for use in self.index.uses(ref) if self.index.op(use.node) not in SHAPE_READERS
                and use.node not in self.gradients]

    def forward_copies(self, ref: TensorRef) -> List[TensorRef]:
        """The tensor and every tensor that is the same value behind copies (Identity and the like)."""
        def copies(one: TensorRef) -> List[TensorRef]:
            uses = [(use, self.index.op(use.node)) for use in self.index.uses(one)]
            return [TensorRef(use.node, 0) for use, op in uses
                    if use.slot == 0 and op in COPIES - SWITCHES - ENTERS - EXITS] + [
                        TensorRef(use.node, use.slot) for use, op in uses if op == "IdentityN"]

        return list(reached([ref], copies))

    def uses_behind_copies(self, ref: TensorRef) -> List[Use]:
        """Where the values of a tensor, or of a copy of it, are consumed by anything but a copy."""
        copies = self.forward_copies(ref)
        nodes = {copy.node for copy in copies}
        return [use for copy in copies for use in self.value_uses(copy)
                if not (use.node in nodes and use.slot == 0)]


def view_of(model: Any) -> View:
    """The view of a model, made at the first call: searches only read it."""
    return model.once(View)


def ref_of(tensor: Any) -> TensorRef:
    """A tensor name or Candidate as a ``TensorRef``."""
    return names.parse(names.tensor_name(tensor))
