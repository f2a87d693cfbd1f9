"""Inference mode: a training graph without what only trains, where that is all there is."""

import dataclasses
from typing import Any, Dict, List, Sequence, Tuple

from graph_tools import following
from graph_tools.edit import record
from graph_tools.edit.record import Edit
from graph_tools.find.training_mode.batch_norm import find_batch_norms
from graph_tools.find.training_mode.dropout import find_dropout
from graph_tools.find.view import View, view_of
from graph_tools.graph import nodes
from graph_tools.graph.names import TensorRef
from graph_tools.graph.nodes import entry_of
from graph_tools.model import Model

_SCOPE = "inference_mode"


def inference_mode(model: Model) -> Tuple[Model, Edit]:
    """The model as it would predict: dropout and noise pass values on, batch norm takes its moving averages.

    Tensors keep their names. Dropout is found in the spellings of every release (also in branches, loops and
    recurrent cells), by what is computed and not by names; batch norm, fused or written out, where the model holds
    the moving averages. What could not be changed is told in the notes of the edit, with the reason. A graph that is
    in inference mode already comes back as it is.

    Example:
      >>> model, edit = gt.inference_mode(gt.load("job/model.ckpt-100"))  # doctest: +SKIP
      >>> print(edit)                                                     # doctest: +SKIP
      inference mode: 7 removed, 0 added, 2 rewired
    """
    view = view_of(model)
    dropped, misses = find_dropout(view)
    norms = find_batch_norms(view)
    misses = list(misses) + list(norms.misses)
    notes: List[str] = []
    edited = _Edited(model.graph_def, view)
    for one in dropped:
        edited.becomes(one.output, one.kept)
        notes.append("%s is left out: %s is %s" % (one.why, one.output, one.kept))
    for fused in norms.fused:
        edited.take_averages(fused.node, fused.mean, fused.variance)
        notes.append("batch norm %s takes %s and %s" % (fused.node, fused.mean, fused.variance))
    for average in norms.averages:
        edited.read(average.statistic, average.variable)
        notes.append("%s is the moving average %s" % (average.statistic, average.variable))
    left = tuple("%s stays as it is: %s" % miss for miss in misses)
    if not (dropped or norms.fused or norms.averages):
        return model, Edit("inference mode", notes=left, left=left)
    graph_def = edited.finished(_named(model))
    result, lost = following.rebuild(model, graph_def)
    result = dataclasses.replace(result, source="%s, in inference mode" % model.source)
    return result, record.compare("inference mode", model.meta_graph.graph_def, graph_def,
                                  notes=(*notes, *left, *lost), left=left)


def _named(model: Model) -> List[str]:
    """Nodes that somebody knows by name: those of signatures."""
    return [info.name.partition(":")[0] for signature in model.signatures.values()
            for side in (signature.inputs, signature.outputs) for info in side.values()]


class _Edited:
    """A GraphDef in the making: nodes become others under the names they have."""

    def __init__(self, graph_def: Any, view: View):
        self.graph_def, self.view = graph_def, view
        self.nodes = {node.name: node for node in graph_def.node}
        self._cut: List[str] = []  # what changed nodes no longer take

    def becomes(self, tensor: TensorRef, source: TensorRef) -> None:
        """The node of a tensor hands another tensor on."""
        self._set(tensor.node, "Identity", [entry_of(source)], self.view.dtype(tensor))

    def read(self, tensor: TensorRef, variable: str) -> None:
        """The node of a tensor becomes a read of a variable, in the tensor's shape, wherever the node runs."""
        alive = self._alive(tensor.node)
        dtype, shape = self.view.dtype(tensor), self.view.shape(tensor)
        own = self.view.shape(TensorRef(variable, 0))
        if self.view.op(variable) != "VarHandleOp" and (own == shape or not shape or len(shape) == len(own or shape)):
            self._set(tensor.node, "Identity", [variable] + alive, dtype)
            return
        value = self._value(variable, tensor.node, dtype, alive)
        whole = nodes.constant(list(shape or ()), "int32")
        sizes = self._add("%s/%s/shape" % (tensor.node, _SCOPE), "Const", (), **whole)
        self._set(tensor.node, "Reshape", [value, sizes], dtype, Tshape="int32")

    def take_averages(self, name: str, mean: str, variance: str) -> None:
        """A fused batch norm takes averages instead of the statistics of its batch."""
        alive = self._alive(name)
        node = self.nodes[name]
        node.attr["is_training"].b = False
        for slot, variable in ((3, mean), (4, variance)):
            self._cut.append(node.input[slot].partition(":")[0])
            dtype = self.view.dtype(self.view.inputs(name)[slot])
            node.input[slot] = self._value(variable, "%s/%d" % (name, slot), dtype, alive)

    def _value(self, variable: str, near: str, dtype: str, alive: List[str]) -> str:
        op, key = ("ReadVariableOp", "dtype") if self.view.op(variable) == "VarHandleOp" else ("Identity", "T")
        return self._add("%s/%s/average" % (near, _SCOPE), op, [variable] + alive, **{key: dtype})

    def _alive(self, name: str) -> List[str]:
        """A control edge that lets a node in a branch run when the branch is taken; none outside of branches."""
        view, seen, todo = self.view, set(), [name]
        while todo:
            one = todo.pop(0)
            for ref in view.inputs(one):
                if view.op(ref) == "Switch" and ref.node not in view.loop_nodes:
                    taken = self._add("%s/%s/branch" % (name, _SCOPE), "Identity", [entry_of(ref)], T=view.dtype(ref))
                    return ["^" + taken]
                if ref.node not in seen and view.op(ref) not in ("Merge", "Exit"):
                    seen.add(ref.node)
                    todo.append(ref.node)
        return []

    def _set(self, name: str, op: str, inputs: List[str], dtype: str, **more: str) -> None:
        node = self.nodes[name]
        self._cut += [entry.lstrip("^").partition(":")[0] for entry in node.input]
        nodes.become(node, op, inputs, T=dtype, **more)

    def _add(self, name: str, op: str, inputs: Sequence[str], **attrs: Any) -> str:
        self.nodes[name] = nodes.add(self.graph_def, op, name, inputs, **attrs)
        return name

    def finished(self, kept: List[str]) -> Any:
        """The GraphDef without the nodes that only what was changed has read."""
        used: Dict[str, int] = {}
        for node in self.graph_def.node:
            for entry in node.input:
                source = entry.lstrip("^").partition(":")[0]
                used[source] = used.get(source, 0) + 1
        gone, todo = set(), list(self._cut)
        while todo:
            name = todo.pop()
            node = self.nodes.get(name)
            if node is None or name in gone or used.get(name) or name in kept or node.op.startswith("Placeholder"):
                continue
            gone.add(name)
            for entry in node.input:
                source = entry.lstrip("^").partition(":")[0]
                used[source] -= 1
                todo.append(source)
        nodes.replace_all(self.graph_def.node, [node for node in self.graph_def.node if node.name not in gone])
        return self.graph_def
