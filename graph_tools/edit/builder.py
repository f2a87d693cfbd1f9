"""Adds, copies and replaces nodes of a GraphDef below one scope; the caller owns the GraphDef (a copy of a model's)."""

from typing import Any, Iterable, List, Mapping, Optional

from graph_tools.graph import names, nodes as making
from graph_tools.graph.names import TensorRef


class Builder:
    """New nodes stand below ``anchor/scope/`` and on the device of the anchor."""

    def __init__(self, graph_def: Any, anchor: str, scope: str):
        self.graph_def = graph_def
        self.anchor = anchor
        self.scope = "%s/%s/" % (anchor, scope)
        self.nodes = {node.name: node for node in graph_def.node}
        self.device = self.nodes[anchor].device

    def add(self, op: str, leaf: str, inputs: List[Any], **attrs: Any) -> TensorRef:
        """A new node in the scope; attributes as ``graph.nodes`` takes them."""
        return self.put(op, self.scope + leaf, inputs, attrs)

    def put(self, op: str, name: str, inputs: List[Any], attrs: Mapping[str, Any]) -> TensorRef:
        """A new node of any name."""
        self.nodes[name] = making.add(self.graph_def, op, name, inputs, self.device, **attrs)
        return TensorRef(name, 0)

    def constant(self, leaf: str, value: Any, dtype: str, beside: Optional[TensorRef] = None) -> TensorRef:
        """A constant; ``beside`` puts it in the control-flow context of that tensor (a branch of a cond)."""
        control = ["^" + beside.node] if beside is not None else []
        return self.add("Const", leaf, control, **making.constant(value, dtype))

    def copy(self, node: Any, leaf: str, inputs: Mapping[int, TensorRef], attrs: Optional[Mapping[str, Any]] = None,
             control: bool = False, drop: Iterable[str] = ()) -> TensorRef:
        """A copy of a node in the scope, with some inputs and attributes replaced; control inputs only on demand."""
        return self._copied(node, self.scope + leaf, inputs, attrs, control, drop)

    def replace(self, name: str, like: Any, inputs: Mapping[int, TensorRef], attrs: Mapping[str, Any]) -> TensorRef:
        """Puts a copy of the node ``like`` in the place of another, whose consumers it then feeds."""
        self.take_out(name)
        return self._copied(like, name, inputs, attrs, True, ())

    def _copied(self, node: Any, name: str, inputs: Any, attrs: Any, control: bool, drop: Any) -> TensorRef:
        entries = [names.parse(entry) for entry in node.input]
        data = [ref for ref in entries if not ref.is_control]
        kept: List[Any] = [inputs.get(slot, ref) for slot, ref in enumerate(data)]
        kept += [ref for ref in entries if ref.is_control and control]
        merged = {key: value for key, value in node.attr.items() if key not in drop and not key.startswith("_")}
        merged.update(attrs or {})
        return self.put(node.op, name, kept, merged)

    def take_out(self, name: str) -> Any:
        """Removes a node and returns a copy of it, so that another may be put in its place."""
        taken = type(self.nodes[name])()
        taken.CopyFrom(self.nodes.pop(name))
        del self.graph_def.node[[node.name for node in self.graph_def.node].index(name)]
        return taken
