"""Runs that change nothing: what a run assigns to state that its own output reads is left away.

A language model that keeps its state in a variable sets it before it gives its output, so that every run begins where
the last one ended. Here all runs begin with the state that the model came with. An output that reads what was just
assigned reads the new value itself.
"""

from typing import Dict, Sequence, Set, Tuple

from graph_tools.control_flow import where
from graph_tools.edit.record import Edit, compare
from graph_tools.graph import names, nodes as making, ops
from graph_tools.graph.names import TensorRef
from graph_tools.graph.walk import GraphIndex, reached
from graph_tools.model import Model


def hold_state(model: Model, outputs: Sequence[str]) -> Tuple[Model, Edit]:
    """The model in which no run of some tensors assigns to the variables that they are computed from.

    Returns:
      ``(new model, Edit)``; the model itself where nothing is assigned, and where only running tells what comes out: a
      sum is added to what the run then reads, or a loop or a branch assigns.
    """
    index = model.index
    needed, read = index.ancestors(outputs), index.ancestors(outputs, control=False)
    assigned = {name: index.origin(index.data_inputs(name)[0], ops.IDENTITIES).node
                for name in index.names_of(ops.ASSIGNS) if name in needed}
    assigned = {name: variable for name, variable in assigned.items() if variable in read}
    value: Dict[TensorRef, TensorRef] = {}
    for name, variable in assigned.items():
        new = {name} | _reads(index, variable) & index.descendants([name])
        if not new.isdisjoint(read) and index.op(name) not in ops.SETS or _decides_later(index, name, new):
            return model, Edit("hold state")
        value.update((TensorRef(one, 0), index.data_inputs(name)[1]) for one in new)
    if not assigned:
        return model, Edit("hold state")
    graph_def = model.graph_def
    for node in graph_def.node:
        if node.name in needed:
            making.set_inputs(node, [_held(ref, value) for ref in map(names.parse, node.input)
                                     if not (ref.is_control and ref.node in assigned)])
    return model.with_graph_def(graph_def), compare("hold state", model.meta_graph.graph_def, graph_def, notes=(
        "%s is set by every run of %s; it is held at what the model came with" % (
            ", ".join(sorted(set(assigned.values()))), ", ".join(outputs)),))


def _reads(index: GraphIndex, variable: str) -> Set[str]:
    """What reads a variable, and copies of that: they may stand for what it holds later."""
    return set(reached([variable], lambda name: [use.node for use in index.consumers(name, control=False)
                                                 if use.slot == 0 and index.op(use.node) in ops.COPIES])) - {variable}


def _decides_later(index: GraphIndex, name: str, new: Set[str]) -> bool:
    """Whether an assignment is part of a loop or a branch, so that another step may read it, or nothing may."""
    return name in where.loop_nodes(index) or bool(where.guards(index, name)) or not new.isdisjoint(
        index.ancestors([ref.node for ref in index.inputs(name)]))


def _held(ref: TensorRef, value: Dict[TensorRef, TensorRef]) -> TensorRef:
    """What is read in the place of what was assigned."""
    while ref in value:
        ref = value[ref]
    return ref
