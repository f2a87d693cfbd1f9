"""Builds ``WhileContext`` and ``CondContext`` objects on a live graph from its structure."""

import threading
from typing import Any, Dict, FrozenSet, List, Optional

from graph_tools import _tf
from graph_tools.control_flow import repair, rewrite, tensor_arrays
from graph_tools.control_flow.arms import Place
from graph_tools.control_flow.nodes import read_graph
from graph_tools.control_flow.places import outer_place, pivots, places
from graph_tools.control_flow.structure import Structure, analyse
from graph_tools.errors import ControlFlowError
from graph_tools.graph.names import TensorRef
from graph_tools.graph.ops import EXITS, IDENTITIES

_lock = threading.Lock()


def restore_control_flow(graph: Any) -> int:
    """Rebuilds the contexts of loops and branches on anybody's ``tf.Graph``; after it, ``tf.gradients`` works.

    Structure that gradients need and that the graph has lost (Exits of loop variables, the Identity behind a loop
    Switch, pivots of branches) is added, and frame names that two imports share are told apart. Contexts that exist
    are left alone, so a second call does nothing. Values of fetches do not change, but for those that an optimiser had
    left to chance (a branch's constant that is no longer tied to its branch): they become what was meant. No global of
    TensorFlow is touched: under TF 2, gradients of these loops can be built with control flow v2 on or off.

    A session that has run ops of this graph refuses to run them again when they had to be rewired (TensorFlow's own
    message says so); make a new session.

    Args:
      graph: a ``tf.Graph``; whatever loaded it.

    Returns:
      The number of contexts made: one per loop, one per branch (true and false count separately); 0 when there was
      nothing to do.

    Raises:
      ControlFlowError: the graph is damaged, or it is finalized and lacks nodes that gradients need.

    >>> with tf.Graph().as_default() as graph:                                       # doctest: +SKIP
    ...     tf.import_graph_def(frozen, name="")
    ...     gt.restore_control_flow(graph)
    ...     gradient, = tf.gradients(graph.get_tensor_by_name("score:0"), graph.get_tensor_by_name("rows:0"))
    """
    with _lock:
        nodes = read_graph(graph)
        structure = analyse(nodes)
        leave = _restored(graph, structure)
        frames = frozenset(nodes[name].frame for name in leave if nodes[name].frame)
        changes, structure = repair.plan(structure, leave, frames)
        if changes and graph.finalized:
            raise ControlFlowError(
                "the graph is finalized, and gradients of its loops need nodes that it has not (%d, such as %r); "
                "restore control flow before finalize(), or load it with graph_tools" % (
                    len(changes), _first(changes)))
        rewrite.apply_to_graph(graph, changes)
        tensor_arrays.use_version_1(graph)
        _claim_names(graph, nodes)
        return _Builder(graph, structure, leave).build()


def _first(changes: Any) -> str:
    change = changes[0]
    return change.node.name if isinstance(change, repair.Add) else change.node


def _claim_names(graph: Any, nodes: Any) -> None:
    """Keeps new gradients apart from loops and gradient arrays that are in the graph.

    ``tf.gradients`` names its loops and arrays after its own scope, which it takes to be free; in a graph that was
    frozen with gradients in it, it is not, and two loops of one name are one loop to the executor.
    """
    names = {node.frame for node in nodes.values() if node.frame}
    names.update(graph.get_operation_by_name(name).get_attr("source").decode("utf-8", "replace")
                 for name, node in nodes.items() if node.op.startswith("TensorArrayGrad"))
    with graph.as_default(), _tf.tf.name_scope(None):
        for name in sorted(names):
            if graph.unique_name(name, mark_as_used=False) == name:
                graph.unique_name(name)


def _restored(graph: Any, structure: Structure) -> FrozenSet[str]:
    """Ops whose context says the loop that they are in (one imported inside a live loop has that loop's)."""
    found = set()
    for name, place in structure.place.items():
        context = _tf.get_context(graph.get_operation_by_name(name))
        if context is not None:
            loop = context.GetWhileContext()
            if (loop.pivot.op.name if loop is not None else "") == place.loop:
                found.add(name)
    return frozenset(found)


class _Builder:
    """Makes the contexts of one graph, outer ones first."""

    def __init__(self, graph: Any, structure: Structure, leave: FrozenSet[str]):
        self.graph, self.structure, self.leave = graph, structure, leave
        self.pivots = pivots(structure)
        self.made: Dict[Place, object] = {}
        self.members: Dict[Place, List] = {}
        for name in structure.order:
            self.members.setdefault(structure.place[name], []).append(graph.get_operation_by_name(name))
        self.inside = self._inside()

    def build(self) -> int:
        count = 0
        for place in places(self.structure):
            self.made[place] = self._existing(place)
            if self.made[place] is None:
                self.made[place] = self._make(place)
                count += 1
        for place, context in self.made.items():
            for op in self.members.get(place, ()):
                if op.name not in self.leave:
                    _tf.set_context(op, context)
        return count

    def _inside(self) -> Dict[Place, List]:
        """For each place the ops of branches nested in it, and the Exits of loops in it: it sees their outputs."""
        inside: Dict[Place, List] = {}
        for place, ops in self.members.items():
            seen = ops
            around: Optional[Place] = place
            while around is not None and around != Place():
                outer = outer_place(self.structure, around)
                if not around.arms:  # out of a loop, only its Exits are seen
                    seen = [op for op in ops if op.type in EXITS] if around == place else []
                if outer is not None:
                    inside.setdefault(outer, []).extend(seen)
                around = outer
        return inside

    def _existing(self, place: Place) -> Any:
        """The context that ops of this place have already, if any."""
        for op in self.members.get(place, ()):
            if op.name in self.leave:
                context = _tf.get_context(op)
                while context is not None:
                    if place.arms:
                        if context.IsCondContext() and context.branch == place.arms[-1].branch:
                            return context
                    elif context.IsWhileContext() and context.pivot.op.name == place.loop:
                        return context
                    context = context.outer_context
        return None

    def _make(self, place: Place) -> Any:
        around = outer_place(self.structure, place)
        outer: Any = self.made.get(around) if around is not None else None
        definition = self._branch(place) if place.arms else self._loop(place)
        # Without control dependencies a graph has no context of its own either.
        with self.graph.as_default(), _tf.tf.control_dependencies(None):
            if outer is not None:
                outer.Enter()
            try:
                context = _tf.context_from_proto(definition)
            finally:
                if outer is not None:
                    outer.Exit()
        if not place.arms and self._runs_backward(place):
            _tf.refuse_gradient(context)
        if outer is None:
            keys = _tf.tf.GraphKeys
            # get_collection_ref, because a finalized graph takes no more through add_to_collection
            self.graph.get_collection_ref(keys.COND_CONTEXT if place.arms else keys.WHILE_CONTEXT).append(context)
        return context

    def _loop(self, place: Place) -> Any:
        structure, loop = self.structure, self.structure.loops[place.loop]
        definition = _tf.control_flow_pb2.ControlFlowContextDef()
        proto = definition.while_ctxt
        variables = [variable for variable in loop.variables if variable.merge]
        if not variables:
            raise ControlFlowError("the loop of %r carries no value from one iteration to the next; the graph is "
                                   "damaged: freeze the model again" % loop.pivot)
        proto.context_name = loop.frame
        proto.parallel_iterations = max(structure.nodes[enter].parallel for enter in loop.enters)
        proto.back_prop = True  # a GraphDef does not record back_prop=False
        proto.pivot_name = loop.pivot + ":0"
        proto.pivot_for_pred_name = variables[0].merge + ":0"
        proto.pivot_for_body_name = self._body(loop) + ":0"
        proto.loop_exit_names.extend(name + ":0" for name in loop.exits)
        proto.loop_enter_names.extend(name + ":0" for name in loop.enters if not structure.nodes[name].constant)
        self._values(proto.values_def, place)
        for name in loop.enters:
            if structure.nodes[name].constant:
                value = str(structure.nodes[name].inputs[0])
                proto.values_def.values.append(value)
                proto.values_def.external_values[value] = name + ":0"
        return definition

    def _runs_backward(self, place: Place) -> bool:
        """Whether a loop is itself a gradient: it pops what the loop forward has pushed.

        Nothing flows through a stack for ``tf.gradients``, so a second derivative would silently lack terms.
        """
        return any(op.type in ("StackPop", "StackPopV2") for op in self.members.get(place, ()))

    def _body(self, loop: Any) -> str:
        """The Identity that stands at the start of the body."""
        for variable in loop.variables:
            for reader, _ in self.structure.uses.get(TensorRef(variable.switch, 1), ()):
                if self.structure.nodes[reader].op in IDENTITIES:
                    return reader
        raise ControlFlowError("the body of the loop of %r reads no loop variable; the graph is damaged: freeze the "
                               "model again" % loop.pivot)

    def _branch(self, place: Place) -> Any:
        pred, branch = place.arms[-1]
        definition = _tf.control_flow_pb2.ControlFlowContextDef()
        proto = definition.cond_ctxt
        with self.graph.as_default(), _tf.tf.name_scope(None):
            proto.context_name = self.graph.unique_name(pred.node + "/cond_text")
        proto.pred_name = str(self.structure.preds[pred])
        proto.pivot_name = self.pivots[place] + ":0"
        proto.branch = branch
        self._values(proto.values_def, place)
        proto.values_def.values.append(proto.pred_name)
        proto.values_def.external_values[proto.pred_name] = proto.pred_name
        for op in self.members.get(place, ()):
            if self.structure.switch_pred.get(op.name) == pred and op.name not in self.leave:
                proto.values_def.external_values[op.inputs[0].name] = op.outputs[branch].name
                proto.values_def.values.append(op.inputs[0].name)
        return definition

    def _values(self, values_def: Any, place: Place) -> None:
        own = [output.name for op in self.members.get(place, ()) for output in op.outputs]
        values_def.values.extend(own)
        for op in self.inside.get(place, ()):
            for output in op.outputs:
                values_def.values.append(output.name)
                if op.type in EXITS:
                    # Belongs to the loop inside; known here, so that it is not taken for a value from outside.
                    values_def.external_values[output.name] = output.name
