"""Make a graph fit the running TensorFlow: drop newer attributes at their default, name what cannot be dropped."""

from typing import Any, List, NamedTuple, Optional, Set, Tuple

from graph_tools import _tf, following
from graph_tools.errors import ReleaseError, some
from graph_tools.graph import functions, nodes, walk
from graph_tools.releases import newer


class Misfit(NamedTuple):
    """A node that the running TensorFlow cannot have: the op (and attribute) it does not know."""

    node: str
    op: str
    attr: str
    value: str
    function: str


def fit(meta_graph: Any, where: str) -> Tuple[str, ...]:
    """Drops, in place, attributes that this TensorFlow does not know and that are at their default; placeholders that
    do not say a shape take the one that is noted for them.

    Args:
      meta_graph: a MetaGraphDef that belongs to the caller.
      where: the file, for messages.

    Returns:
      A warning for each function of the library that had to be left out.

    Raises:
      ReleaseError: the graph itself needs an op or an attribute that this TensorFlow does not have.
    """
    graph_def = meta_graph.graph_def
    _declare_noted_shapes(graph_def)
    library = {function.signature.name for function in graph_def.library.function}
    known = _tf.registered_ops({node.op for node in functions.all_nodes(graph_def)} - library)
    defaults = _writers_defaults(meta_graph)
    misfits = list(filter(None, (_fit_node(node, "", known, library, defaults) for node in graph_def.node)))
    if misfits:
        raise ReleaseError(_explain(misfits, meta_graph, where))
    inside = []
    for function in graph_def.library.function:
        found = [_fit_node(node, function.signature.name, known, library, defaults) for node in function.node_def]
        inside += [misfit for misfit in found if misfit][:1]
    needed = _functions_behind_signatures(meta_graph)
    fatal = [misfit for misfit in inside if misfit.function in needed]
    if fatal:
        raise ReleaseError(_explain(fatal, meta_graph, where))
    _drop_callers(graph_def, {misfit.function for misfit in inside})
    return tuple("function %r is left out, with what calls it: op %s%s is not in TensorFlow %s" % (
        misfit.function, misfit.op, " with attribute %s=%s" % (misfit.attr, misfit.value) if misfit.attr else "",
        _tf.tf.__version__) for misfit in inside)


def _declare_noted_shapes(graph_def: Any) -> None:
    """Gives placeholders of unknown rank, in place, the shape that was noted when the graph was written.

    Old graphs hold it nowhere else, and every release keeps feeds to it; noted shapes are dropped before an import
    (of other nodes they may be stale).
    """
    for node in graph_def.node:
        noted = list(node.attr["_output_shapes"].list.shape) if "_output_shapes" in node.attr else []
        if node.op == "Placeholder" and len(noted) == 1 and noted[0].dim:
            said = node.attr["shape"].shape if "shape" in node.attr else None
            if said is None or said.unknown_rank or not said.dim and graph_def.versions.producer < 24:
                node.attr["shape"].shape.CopyFrom(noted[0])


def _fit_node(node: Any, function: str, known: Any, library: Set[str], defaults: Any) -> Optional[Misfit]:
    """Drops what can be dropped from one node; returns what remains in the way."""
    if node.op in library:
        return None
    op_def = known.get(node.op)
    if op_def is None:
        return Misfit(node.name, node.op, "", "", function)
    attributes = {attribute.name for attribute in op_def.attr}
    for name in [name for name in node.attr if not name.startswith("_") and name not in attributes]:
        value = node.attr[name]
        default = defaults.get((node.op, name))
        at_default = default is not None and value == default
        table = newer.attributes().get((node.op, name))
        if at_default or table is not None and newer.is_default(value, table[0]):
            del node.attr[name]
        else:
            shown = _tf.text_format.MessageToString(value, as_one_line=True).strip()
            return Misfit(node.name, node.op, name, shown, function)
    return None


def _writers_defaults(meta_graph: Any) -> dict:
    """Defaults that the writer recorded with the ops it used (``MetaInfoDef.stripped_op_list``)."""
    return {(op.name, attribute.name): attribute.default_value
            for op in meta_graph.meta_info_def.stripped_op_list.op for attribute in op.attr
            if attribute.HasField("default_value")}


def _functions_behind_signatures(meta_graph: Any) -> Set[str]:
    """Functions that some signature's outputs run; without signatures, all that the graph calls."""
    index = walk.GraphIndex(meta_graph.graph_def)
    outputs = following.served(meta_graph)
    start = index.ancestors(outputs) if outputs else set(index.nodes)
    return functions.reach((name for node in start for name in functions.called(index.nodes[node])),
                           functions.calls(meta_graph.graph_def.library))


def _drop_callers(graph_def: Any, beyond: Set[str]) -> None:
    """Takes functions that this TensorFlow could not even import out of a graph, in place, with what needs them."""
    if not beyond:
        return
    table = functions.calls(graph_def.library)
    beyond = {name for name in table if functions.reach([name], table) & beyond}
    callers = [node.name for node in graph_def.node if set(functions.called(node)) & beyond]
    gone = walk.GraphIndex(graph_def).descendants(callers, control=False)
    kept = [node for node in graph_def.node if node.name not in gone]
    for node in kept:
        nodes.without_control(node, gone)
    rest = type(graph_def)(node=kept, versions=graph_def.versions, library=functions.without(graph_def.library, beyond))
    graph_def.CopyFrom(rest)


def _explain(misfits: List[Misfit], meta_graph: Any, where: str) -> str:
    """One line: the first op in the way, how many more, and which release has it."""
    first = misfits[0]
    writer = meta_graph.meta_info_def.tensorflow_version
    message = "%s: node %r%s needs op %s%s, which TensorFlow %s does not have" % (
        where, first.node, " (in function %r)" % first.function if first.function else "", first.op,
        " with attribute %s={%s}" % (first.attr, first.value) if first.attr else "", _tf.tf.__version__)
    kinds = sorted({"%s.%s" % (misfit.op, misfit.attr) if misfit.attr else misfit.op for misfit in misfits[1:]})
    others = [kind for kind in kinds if kind != ("%s.%s" % (first.op, first.attr) if first.attr else first.op)]
    if others:
        message += " (nor %s)" % some(others, 4)
    return message + "; " + _advice(first, writer)


def _advice(misfit: Misfit, writer: str) -> str:
    release = newer.attributes()[misfit.op, misfit.attr][1] if (misfit.op, misfit.attr) in newer.attributes() else next(
        (release for release, ops in newer.OPS.items() if not misfit.attr and misfit.op in ops), "")
    if release:
        return "load it with TensorFlow %s or newer%s" % (
            release, " (it was written by %s)" % writer if writer else "")
    if misfit.attr:
        return "load it with %s" % ("TensorFlow %s, which wrote it, or newer" % writer if writer else
                                    "a TensorFlow newer than %s" % _tf.tf.__version__)
    return ("if it is a custom op, load its library first (tf.load_op_library(path)%s); otherwise use %s" % (
        ", or import the tf.contrib module that has it" if _tf.version < (2, 0) else "",
        "TensorFlow %s, which wrote the file" % writer if writer else "the TensorFlow release that wrote the file"))
