"""Queues, iterators, readers and staging areas become placeholders; what filled them goes."""

from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple

from graph_tools import following
from graph_tools.edit import batch, branches, producers
from graph_tools.edit.record import REPLACES, Edit, compare
from graph_tools.errors import EditError
from graph_tools.find.inputs import Input, needed_nodes, scan
from graph_tools.find.inputs.record import Component, Shape, mark_used, shape_of
from graph_tools.graph import names, nodes, ops
from graph_tools.graph.walk import GraphIndex
from graph_tools.model import Model


def swap_inputs(model: Model, inputs: Any = None, parsed: bool = False) -> Tuple[Model, Edit]:
    """Replaces queues, iterators, readers and staging areas by placeholders, and removes what filled them.

    Every component that the model uses becomes a placeholder of its dtype and best-known shape, its batch dimension
    free; sparse components become three. Control edges to what is replaced are dropped, so that nothing can block.

    Args:
      model: the ``Model``; it is not changed.
      inputs: which to replace: ``Input`` candidates, or tensors that come out of them (names, ``tf.Tensor``s);
        ``None`` replaces every queue, iterator, staging area and reader that the model takes data from.
      parsed: with ``inputs=None``, put the placeholders after ``parse_example`` (one or three for each feature)
        instead of before it (serialized protos).

    Returns:
      The new ``Model`` and an ``Edit``, whose ``placeholders`` gives the new tensor name by the old one. Where there
      is nothing to replace, the model itself and an ``Edit`` that says so.

    Raises:
      EditError: a tensor of ``inputs`` does not come out of anything that can be replaced, or comes out of a
        dequeue inside a loop, which takes another batch in each iteration.

    Example:
      >>> model, edit = gt.swap_inputs(model)  # doctest: +SKIP
      >>> edit.placeholders["batch:0"]  # doctest: +SKIP
      'batch/component_0:0'
    """
    index = model.index
    found = scan(index)
    chosen = _choose(index, found, inputs, parsed)
    if not chosen:
        return model, Edit("swap inputs", notes=(
            "nothing to replace: no queue, iterator, staging area or reader feeds this model",))
    plan = _plan(index, chosen)
    cut = {node for one in chosen for node in one.nodes}
    read = {names.parse(entry).node for node in plan.added for entry in node.input}
    removed = producers.dead_after(index, cut, set(plan.tensors), read, producers.queue_runners_of(model.meta_graph))
    removed -= set(plan.in_place)
    graph_def = _rewrite(model.graph_def, plan, removed)
    freed = _free_batches(graph_def, chosen, plan)
    edited, notes = following.rebuild(model, graph_def, plan.tensors)
    notes += ["%r fixed a batch of %d; the placeholders take any" % (one.node, one.batch)
              for one in chosen if one.batch is not None] + freed
    return edited, compare("swap inputs", model.meta_graph.graph_def, graph_def, plan.tensors, tuple(notes))


# ---- which inputs


def _choose(index: GraphIndex, found: Sequence[Input], inputs: Any, parsed: bool) -> List[Input]:
    """The inputs to replace, their used components marked."""
    if inputs is not None:
        asked = [inputs] if isinstance(inputs, (str, Input)) or not isinstance(inputs, Iterable) else list(inputs)
        wanted = list(dict.fromkeys(_owner(found, one) for one in asked))
    else:
        kinds = ops.kinds_swapped(ops.ALWAYS) + (ops.kinds_swapped(ops.PARSED) if parsed else ())
        wanted = [one for one in found if one.kind in kinds or (
            one.kind in ops.kinds_swapped(ops.ALONE) and not _depends_on_another(index, one, found))]
    needed = needed_nodes(index, found, sources=wanted)
    marked = [mark_used(one, needed.__contains__) for one in wanted if one.kind not in ops.PLACEHOLDER_KINDS]
    return [one for one in marked if inputs is not None or any(component.used for component in one.components)]


def _depends_on_another(index: GraphIndex, one: Input, found: Sequence[Input]) -> bool:
    others = {node for other in found if other is not one for node in other.nodes}
    return not others.isdisjoint(index.ancestors(one.nodes, control=False))


def _owner(found: Sequence[Input], asked: Any) -> Input:
    """The input that a tensor (or a candidate) comes out of."""
    tensor = names.tensor_name(asked)
    for one in found:
        if tensor in one.tensors or names.parse(tensor).node in one.nodes or names.parse(tensor).node in one.producers:
            return one
    raise EditError("%r does not come out of a queue, an iterator or another input that can be replaced; there are: %s"
                    % (tensor, ", ".join("%r (%s)" % (one.tensor, one.kind) for one in found) or "none"))


# ---- the plan


class _Plan(NamedTuple):
    tensors: Dict[str, str]  # new tensor name by old one
    sources: Dict[str, str]  # what the consumers of an old tensor read instead
    added: List[Any]  # new NodeDefs
    in_place: Dict[str, Any]  # NodeDefs that take the place of a node of the same name


def _plan(index: GraphIndex, chosen: Sequence[Input]) -> _Plan:
    plan = _Plan({}, {}, [], {})
    taken: Set[str] = set(index.nodes)
    for one in chosen:
        for component in one.components:
            if component.used or (component.consumers and not any(each.used for each in one.components)):
                _place(index, one, component, plan, taken)
    return plan


def _place(index: GraphIndex, one: Input, component: Component, plan: _Plan, taken: Set[str]) -> None:
    """Plans the placeholder of one component."""
    shield = _shield(index, component)
    if shield is not None:
        plan.in_place[shield.name] = _placeholder(shield.name, component, _shielded_shape(shield, component, one.batch))
        plan.tensors[component.tensor] = shield.name + ":0"
        return
    name = nodes.free_name("%s/%s" % (names.parse(component.tensor).node, component.label), taken)
    taken.add(name)
    plan.added.append(_placeholder(name, component, component.shape))
    plan.tensors[component.tensor] = name + ":0"
    source, gates = branches.gated(index, names.parse(component.tensor).node, name, component.dtype)
    plan.added.extend(gates)
    plan.sources[component.tensor] = source


def _shield(index: GraphIndex, component: Component) -> Any:
    """The ``placeholder_with_default`` that alone reads a component: it becomes the placeholder, under its name."""
    readers = [index.nodes[name] for name in component.consumers]
    return readers[0] if len(readers) == 1 and readers[0].op == "PlaceholderWithDefault" else None


def _shielded_shape(shield: Any, component: Component, fixed: Optional[int]) -> Shape:
    shape = shape_of(shield.attr["shape"].shape)
    if shape is None:
        return component.shape
    return (None,) + shape[1:] if shape and fixed is not None and shape[0] == fixed else shape


def _placeholder(name: str, component: Component, shape: Shape) -> Any:
    replaces: Dict[str, Any] = {REPLACES: component.tensor.encode("utf-8")}
    return nodes.new("Placeholder", name, dtype=component.dtype, shape=shape, **replaces)


# ---- the new graph


def _rewrite(graph_def: Any, plan: _Plan, removed: Set[str]) -> Any:
    """The GraphDef without the removed nodes, its consumers on the placeholders (``graph_def`` is changed)."""
    kept = [plan.in_place.get(node.name, node) for node in graph_def.node if node.name not in removed]
    nodes.replace_all(graph_def.node, plan.added + kept)
    for node in graph_def.node:
        if node.name in plan.in_place:
            continue
        entries = [_rewired(entry, plan, removed) for entry in node.input]
        lost = [entry for entry, new in zip(node.input, entries) if new is None and not entry.startswith("^")]
        if lost and node.op not in producers.VARIADIC:
            raise EditError("node %r would lose its input %r" % (node.name, lost[0]))
        if lost:
            node.attr["N"].i -= len(lost)
        nodes.set_inputs(node, [entry for entry in entries if entry is not None])
    return graph_def


def _free_batches(graph_def: Any, chosen: Sequence[Input], plan: _Plan) -> List[str]:
    """Frees the fixed batches of the chosen inputs where the rest of the graph has them baked in; returns notes."""
    sizes: Dict[int, Dict[str, tuple]] = {}
    for one in chosen:
        for component in one.components:
            if one.batch is not None and component.shape and component.tensor in plan.tensors:
                node = names.parse(plan.tensors[component.tensor]).node
                sizes.setdefault(one.batch, {})[node] = component.shape
    return [note for size, placeholders in sizes.items()
            for note in batch.free_constants(graph_def, placeholders, size)]


def _rewired(entry: str, plan: _Plan, removed: Set[str]) -> Optional[str]:
    ref = names.parse(entry)
    if not ref.is_control and str(ref) in plan.sources:
        return plan.sources[str(ref)]
    return None if ref.node in removed else entry
