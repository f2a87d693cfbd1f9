"""Variables turned into constants: a pure rewrite of a GraphDef, loops, branches and functions included.

A ``Const`` takes the place and the name of each variable. What read the variable reads the constant; what changed it
is dropped, with what depended on the change. A resource handle that travels through a loop, a branch or into a
function becomes the value itself, and the function is copied for it.
"""

from typing import Any, Dict, List, Mapping, NamedTuple, Set, Tuple

from graph_tools import _tf, variables
from graph_tools.constants.library import Library
from graph_tools.constants.nodes import Held, make_constant
from graph_tools.constants.scope import ASSIGNS, READS, REF_ASSIGNS, Finished, Scope, Tensor, graph_tensor
from graph_tools.errors import EditError
from graph_tools.graph import functions, names, ops
from graph_tools.graph.nodes import without_control
from graph_tools.graph.walk import GraphIndex


class Frozen(NamedTuple):
    """A GraphDef without the variables whose values were given, and the nodes that were dropped for it."""

    graph_def: Any
    dropped: Tuple[str, ...]


def freeze(graph_def: Any, values: Mapping[str, Any], keep: Any = (), prefer: Any = ()) -> Frozen:
    """Replaces variables by constants.

    Args:
      graph_def: the graph; it is not changed.
      values: array by the name of the variable's node.
      keep: names of tensors or nodes that must survive.
      prefer: names of tensors or nodes that survive where they can.

    Raises:
      EditError: something in ``keep`` depends on a change of a variable, or the graph would exceed 2 GB.
    """
    result = _tf.tf.GraphDef()
    result.CopyFrom(graph_def)
    library = Library(result)
    held: Dict[Tensor, Held] = {}
    total = 0
    for node in result.node:
        if node.name in values and node.op in ops.VARIABLES:
            kind = "handle" if node.op == "VarHandleOp" else "ref"
            held[node.name, 0] = Held(kind, node.attr["dtype"].type)
            value = values[node.name]
            total += value.nbytes
            if total > 2 ** 31 - 2 ** 20:
                raise EditError("the variables are more than 2 GB, which no GraphDef can hold; save a SavedModel "
                                "folder instead of one file")
            make_constant(node, value)
    scope = Scope(list(result.node), library, graph_tensor)
    gone = scope.rewrite(scope.spread(held))
    wanted = {names.parse(name).node for name in keep}
    lost = sorted(wanted & gone)
    if lost:
        raise EditError("%r cannot be kept: it depends on an op that changes a variable; give outputs= without it" % (
            lost[0],))
    gone = _with_dead_ends(result.node, scope.added, gone, wanted | {names.parse(name).node for name in prefer})
    return Frozen(_assemble(result, scope, gone), tuple(node.name for node in graph_def.node if node.name in gone))


def finish(graph_def: Any) -> Finished:
    """Finishes, in place, what a freezing tool left half done: constants that are still read as variables.

    TensorFlow 1's own tool turned a resource variable into a constant and left the ``Enter`` that takes it into a loop,
    and the ``ReadVariableOp`` behind it, as they were, and other tools leave initialisers that assign to constants; no
    release imports such a graph. That of TensorFlow 2 leaves
    what is assigned in a branch, and makes a lookup in a loop one whose axis is outside of it, which no release runs.
    A constant that is read after it was assigned to is no constant: it is left for TensorFlow to refuse.
    """
    finished = Finished([], [], [])
    fixed = {node.name for node in graph_def.node if node.op == "Const"}
    if any(node.op in READS | ASSIGNS or node.op in REF_ASSIGNS and fixed.intersection(node.input[:1])
           for node in graph_def.node):
        scope = Scope(list(graph_def.node), Library(graph_def), graph_tensor)
        finished = scope.finish()
        graph_def.node.extend(scope.added)
    return finished._replace(changed=finished.changed + _into_loops(graph_def))


def _into_loops(graph_def: Any) -> List[str]:
    """Gives, in place, nodes of a loop that take a constant from outside as if it were inside one of their own."""
    index = GraphIndex(graph_def)
    enters = index.names_of(ops.ENTERS)
    inside = index.descendants(enters, stop=lambda name: index.op(name) in ops.EXITS) if enters else set()
    changed = []
    for name in sorted(name for name in inside if index.op(name) not in ops.ENTERS | ops.EXITS):
        for slot, ref in enumerate(index.inputs(name)):
            outside = index.nodes[ref.node]
            if ref.is_control or outside.op != "Const" or outside.input:
                continue
            graph_def.node.add().CopyFrom(outside)
            own = graph_def.node[-1]
            own.name = "%s/%s_%d" % (name, "inside", slot)
            own.input.append("^" + next(other.node for other in index.inputs(name) if other.node in inside))
            index.nodes[name].input[slot] = own.name
            changed.append(name)
    return changed


def of_model(model: Any, keep: Any = ()) -> Frozen:
    """The graph of a model with its variables frozen; signatures and table initialisers survive where they can."""
    outputs = [info.name for signature in model.meta_graph.signature_def.values()
               for info in list(signature.outputs.values()) + list(signature.inputs.values()) if info.name]
    graph_def = model.graph_def
    values = {node.name: model.variables[node.name] for node in graph_def.node
              if node.op in ops.VARIABLES and node.name in model.variables}
    return freeze(graph_def, values, keep, outputs + list(model.initializers) + list(model.assets))


def _with_dead_ends(nodes: Any, added: Any, gone: Set[str], wanted: Set[str]) -> Set[str]:
    """The nodes that go, and those that fed nothing but them: initial values, gradients, updates."""
    gone = set(gone)
    by_name = {node.name: node for node in list(nodes) + list(added)}
    left = dict.fromkeys(by_name, 0)
    for node in by_name.values():
        for entry in node.input:
            left[names.parse(entry).node] += 1
    todo = list(gone)
    while todo:
        for entry in by_name[todo.pop()].input:
            name = names.parse(entry).node
            left[name] -= 1
            if left[name] == 0 and name not in gone and name not in wanted:
                gone.add(name)
                todo.append(name)
    return gone


def _assemble(result: Any, scope: Scope, gone: Set[str]) -> Any:
    """The new GraphDef: nodes that stay, nodes that were added, the functions that are still called."""
    graph_def = _tf.tf.GraphDef()
    graph_def.versions.CopyFrom(result.versions)
    for node in scope.nodes + scope.added:
        if node.name not in gone:
            without_control(node, gone)
            graph_def.node.add().CopyFrom(node)
    library = result.library
    library.function.extend(scope.library.new)
    graph_def.library.CopyFrom(functions.trimmed(library, graph_def.node))
    return graph_def
