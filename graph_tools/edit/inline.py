"""Bring out the nodes of called functions, so that what they compute can be searched, fetched, fed and attributed to.

``tf.function`` and SavedModels of TF 2 put a model into functions that one node calls; the op of a call may be the name
of the function itself (``Defun``). The call's body takes its place, below its name; the call itself becomes an
``Identity`` of the same name, so that every tensor outside keeps its own.
"""

from typing import Any, Container, List, Optional, Sequence, Tuple

from graph_tools import _tf, following
from graph_tools.edit.record import Edit, compare
from graph_tools.graph import functions, names, nodes as making, ops

# What owns state under its own name cannot be moved: the model knows it by that name.
_OWNERS = ops.VARIABLES | ops.TABLES


def inline_calls(model: Any, outputs: Optional[Sequence[Any]] = None) -> Tuple[Any, Edit]:
    """The model with the bodies of called functions in its graph; forward values stay the same.

    Functions of loops and branches (``While``, ``If``) stay functions, and so do calls that cannot be moved: of a
    function with a gradient of its own, with types left open, or with variables or tables inside; a note names them.

    Args:
      model: a ``Model``.
      outputs: only calls that these tensors depend on; ``None``: all.

    Returns:
      ``(new model, Edit)``; a model without calls comes back as it is.

    Example:
      >>> inlined, edit = gt.inline_calls(gt.load("keras_export"))                        # doctest: +SKIP
      >>> gt.find_embeddings(inlined).only().tensor                                       # doctest: +SKIP
      'StatefulPartitionedCall/StatefulPartitionedCall/sequential/embedding/embedding_lookup:0'
    """
    graph_def = model.graph_def
    library = {function.signature.name: function for function in graph_def.library.function}
    with_gradient = {entry.function_name for entry in graph_def.library.gradient}
    sizes, notes = _Sizes(library), []
    needed = None if outputs is None else model.index.ancestors([names.tensor_name(one) for one in outputs])
    todo = [node.name for node in graph_def.node if _called(node, library) and (needed is None or node.name in needed)]
    if not todo:
        return model, Edit("inline calls")
    while todo:
        nodes = {node.name: node for node in graph_def.node}
        call = nodes[todo.pop()]
        function = library[_called(call, library)]
        why = "it has a gradient of its own" if function.signature.name in with_gradient else _stays(function)
        if why:
            notes.append("%s calls %s, which stays a function: %s" % (
                call.name, function.signature.name, why))
            continue
        todo += _inline(graph_def, nodes, call, function, sizes)
    inlined, lost = following.rebuild(model, graph_def)
    return inlined, compare("inline calls", model.meta_graph.graph_def, graph_def, {}, tuple(notes + lost))


def _called(node: Any, library: Container[str]) -> str:
    """The function whose body a node is computed by; ``""`` for other ops."""
    return node.attr["f"].func.name if node.op in ops.CALLS else node.op if node.op in library else ""


def _stays(function: Any) -> str:
    """Why the nodes of a function cannot be moved into the graph; ``""`` when they can."""
    for node in function.node_def:
        if node.op in _OWNERS:
            return "%s in it owns a state" % node.name
        if any(value.WhichOneof("value") == "placeholder" for value in node.attr.values()):
            return "its types are left open"
    signature = function.signature
    if any(not one.type or one.number_attr or one.type_list_attr
           for one in list(signature.input_arg) + list(signature.output_arg)):
        return "its types are left open"
    return ""


class _Sizes:
    """How many tensors each named output of an op has: inside a function they are numbered by name."""

    def __init__(self, library: Any):
        self.library = library

    def flat(self, node: Any, output: str, index: int) -> int:
        """The number among all outputs of a node of tensor ``index`` of a named output."""
        # Asked for one, TensorFlow need not list them all, which takes it a twentieth of a second.
        op = self.library[node.op].signature if node.op in self.library else _tf.registered_ops([node.op])[node.op]
        before = 0
        for argument in op.output_arg:
            if argument.name == output:
                return before + index
            before += self._count(node, op, argument)
        raise KeyError(output)

    def _count(self, node: Any, op: Any, argument: Any) -> int:
        name = argument.number_attr or argument.type_list_attr
        if not name:
            return 1
        value = node.attr[name] if name in node.attr else next(
            attr.default_value for attr in op.attr if attr.name == name)
        return int(value.i) if argument.number_attr else len(value.list.type)


def _inline(graph_def: Any, nodes: Any, call: Any, function: Any, sizes: Any) -> List[str]:
    """Puts a body in the place of a call; returns the names of the calls in it."""
    scope = call.name + "/"
    while any(scope + node.name in nodes for node in function.node_def):
        scope = scope[:-1] + "_/"
    entries = [names.parse(entry) for entry in call.input]
    given = dict(zip([argument.name for argument in function.signature.input_arg],
                     [ref for ref in entries if not ref.is_control]))
    control = ["^" + ref.node for ref in entries if ref.is_control]
    # Where there are loops, a node without inputs follows the inputs of the call: it must run in the same frame.
    looping = any(node.op in ops.ENTERS for node in nodes.values())
    follow = ["^" + ref.node for ref in entries] if looping else control
    body = {node.name: node for node in function.node_def}

    def outside(entry: str) -> str:
        inside = functions.tensor_of(entry)
        if entry.startswith("^"):
            return "^" + (given[inside.node].node if inside.node in given else scope + inside.node)
        if not inside.name:
            return str(given[inside.node]) if inside.node in given else "%s:%d" % (scope + inside.node, inside.index)
        return "%s:%d" % (scope + inside.node, sizes.flat(body[inside.node], inside.name, inside.index))

    outputs = [outside(function.ret[argument.name]) for argument in function.signature.output_arg]
    after = ["^" + scope + name for name in function.control_ret.values()]
    types = [argument.type for argument in function.signature.output_arg]
    for node in function.node_def:
        made = making.copied(graph_def, node)
        made.name, made.device = scope + node.name, node.device or call.device
        inputs = [outside(entry) for entry in node.input]
        making.set_inputs(made, inputs + sorted(set(control if node.input else follow) - set(inputs)))
    making.hand_on(call, outputs, types, sorted(set(after or control)))
    return [scope + node.name for node in function.node_def if _called(node, sizes.library)]
