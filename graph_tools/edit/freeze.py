"""Freeze a model: its variables become constants, so that one file holds everything."""

import dataclasses
from typing import Sequence, Tuple

from graph_tools import constants, following
from graph_tools.edit import record
from graph_tools.edit.record import Edit
from graph_tools.graph import names
from graph_tools.graph.ops import VARIABLES
from graph_tools.model import Model


def freeze(model: Model, outputs: Sequence = ()) -> Tuple[Model, Edit]:
    """Turns the variables of a model into constants; nothing that is computed from them changes.

    Resource variables inside loops, branches and functions are followed. Ops that change variables (training, saving)
    go, with what depends on them; loops, functions, lookup tables and their initialisers stay. A variable without a
    value stays a variable.

    Args:
      model: the model; it is not changed.
      outputs: tensors that must survive, besides those of the signatures.

    Raises:
      EditError: an output depends on a change of a variable, or the graph would be more than 2 GB.

    >>> frozen, edit = freeze(model)  # doctest: +SKIP
    """
    frozen = constants.of_model(model, [names.tensor_name(tensor) for tensor in outputs])
    result, notes = following.rebuild(model, frozen.graph_def)
    missing = [name for name in result.missing if not result.signatures or name in result.index.ancestors(
        info.name for signature in result.signatures.values() for info in signature.outputs.values() if info.name)]
    result = dataclasses.replace(result, variables={
        name: value for name, value in result.variables.items() if isinstance(value, tuple)})
    left = {node.name for node in frozen.graph_def.node if node.op in VARIABLES}
    notes.append("%d variables became constants" % sum(
        node.op in VARIABLES and node.name not in left for node in model.meta_graph.graph_def.node))
    notes += ["variable %r has no value and stays a variable" % name for name in missing]
    return result, record.compare("freeze", model.meta_graph.graph_def, frozen.graph_def, notes=tuple(notes))
