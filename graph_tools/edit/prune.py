"""Keep what the outputs need, and nothing else."""

from typing import Any, Iterable, List, Set, Tuple

from graph_tools import following
from graph_tools.edit.record import Edit, compare
from graph_tools.errors import EditError
from graph_tools.graph import names
from graph_tools.graph.nodes import replace_all
from graph_tools.graph.walk import GraphIndex
from graph_tools.model import Model


def prune(model: Model, outputs: Any) -> Tuple[Model, Edit]:
    """Drops every node that the outputs do not depend on.

    Control inputs count as dependence. The initialisers of the lookup tables that remain are kept; functions,
    signatures, collections, variables and assets follow. Nodes keep their names, order and versions.

    Args:
      model: the ``Model``; it is not changed.
      outputs: a tensor, or several.

    Returns:
      The new ``Model`` and the ``Edit``.

    Raises:
      TensorNotFoundError: an output is not in the graph.
      EditError: there are no outputs.

    Example:
      >>> small, edit = gt.prune(model, ["softmax:0"])  # doctest: +SKIP
    """
    index = model.index
    wanted = names.tensor_names(outputs)
    if not wanted:
        raise EditError("prune needs at least one output; find them with: graph_tools.find_outputs(model)")
    names.refuse_unknown(model, *wanted)
    kept = index.ancestors(wanted)
    kept |= index.ancestors(_initializers(index, model.initializers, kept))
    graph_def = model.graph_def
    nodes = [node for node in graph_def.node if node.name in kept]
    if len(nodes) == len(graph_def.node):
        return model, Edit("prune", notes=("nothing to drop: the outputs need every node",))
    replace_all(graph_def.node, nodes)
    edited, notes = following.rebuild(model, graph_def)
    return edited, compare("prune", model.meta_graph.graph_def, graph_def, notes=tuple(notes))


def _initializers(index: GraphIndex, initializers: Iterable[str], kept: Set[str]) -> List[str]:
    """The initialisers that set up something that is kept: their first input leads to it."""
    return [name for name in initializers
            if any(ref.node in kept for ref in index.data_inputs(names.parse(name).node)[:1])]
