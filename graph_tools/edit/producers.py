"""What only served to fill the queues and iterators that an edit has replaced, and can go with them."""

from typing import AbstractSet, Any, FrozenSet, Iterable, Iterator, Set

from graph_tools import _tf
from graph_tools.find.inputs import production
from graph_tools.find.inputs.staging import area
from graph_tools.graph import names, ops
from graph_tools.graph.walk import GraphIndex

# What is done to a stateful node without using what it holds, by its op type.
_TABLE_SERVICES = ops.FROM_FILE | ops.FROM_TENSORS | frozenset(
    "LookupTable" + what + version for what in ("Size", "Export") for version in ("", "V2"))
_SERVICES_OF = dict([(op, ops.FILLS | ops.SERVES) for op in ops.PRODUCERS]
                    + [(op, ops.SETS | ops.INITIALIZED | {"DestroyResourceOp"}) for op in ops.VARIABLES]
                    + [(op, _TABLE_SERVICES) for op in ops.TABLES])
_HANDLE_PASSING = ops.SWITCHES | ops.ENTERS | {"Identity"}
# Ops that take any number of equal inputs: they lose the removed ones and stay.
VARIADIC = frozenset(("MergeSummary",))


def dead_after(index: GraphIndex, cut: Iterable[str], replaced: Set[str], spared: AbstractSet[str] = frozenset(),
               queue_runners: Any = ()) -> Set[str]:
    """Nodes to remove once the ``replaced`` tensors of the ``cut`` nodes come from elsewhere, those nodes included.

    Downstream: what reads something of a removed node that is not replaced (the size of a queue and its summary).
    Upstream: what nothing reads any more, where initialising or filling does not count as reading. Placeholders that
    only filled a queue go, the variables of the model stay, and so do the ``spared`` nodes, which the new nodes read.
    """
    removed: Set[str] = set(cut)
    todo = list(cut) + list(_staged(index, cut))
    removed.update(todo)
    delivering = production.deliveries(index)
    while True:
        while todo:
            name = todo.pop()
            found = set(_downstream(index, name, replaced, removed))
            behind = {ref.node for ref in index.inputs(name) if ref.node in index} - spared
            found.update(other for other in behind if _unused(index, other, removed, delivering))
            todo += found - removed
            removed |= found
        todo = [name for name in _left_over(index, removed, delivering, queue_runners) if name not in removed]
        if not todo:
            return removed
        removed.update(todo)


def queue_runners_of(meta_graph: Any) -> list:
    """The ``QueueRunnerDef`` messages of a meta graph."""
    entries = meta_graph.collection_def[_tf.tf.GraphKeys.QUEUE_RUNNERS].bytes_list.value if (
        _tf.tf.GraphKeys.QUEUE_RUNNERS in meta_graph.collection_def) else ()
    return [_tf.queue_runner_pb2.QueueRunnerDef.FromString(entry) for entry in entries]


def _staged(index: GraphIndex, cut: Any) -> Iterator[str]:
    """Staging areas have no handle: the ops of one area share a name."""
    areas = {area(index.nodes[name]) for name in cut if index.op(name) in ops.STAGING_AREA.takes}
    if areas:
        yield from (name for name in index.names_of(ops.STAGING_AREA.fills | ops.STAGING_AREA.serves)
                    if area(index.nodes[name]) in areas)


def _downstream(index: GraphIndex, name: str, replaced: Set[str], removed: Set[str]) -> Iterator[str]:
    for use in index.consumers(name, control=False):
        if str(index.inputs(use.node)[use.slot]) in replaced:
            continue
        if index.op(use.node) not in VARIADIC or all(ref.node in removed for ref in index.data_inputs(use.node)):
            yield use.node


def _unused(index: GraphIndex, name: str, removed: Set[str], delivering: FrozenSet[str]) -> bool:
    """Whether all that reads a node is removed, or does not count as reading."""
    services = _SERVICES_OF.get(index.op(name))
    if services is None:
        return all(use.node in removed for use in index.consumers(name))
    return _only_serves(index, name, removed, services, delivering)


def _only_serves(index: GraphIndex, name: str, removed: Any, services: Any, delivering: Any) -> bool:
    """Whether a resource goes nowhere but to removed nodes and to services, through Switch and the like."""
    for use in index.consumers(name):
        op = index.op(use.node)
        if use.node in removed or op in services or (use.node in delivering and services & ops.FILLS):
            continue
        if op in ("Identity", "ReadVariableOp") and not index.consumers(use.node):
            continue
        if op not in _HANDLE_PASSING or not _only_serves(index, use.node, removed, services, delivering):
            return False
    return True


def _left_over(index: GraphIndex, removed: Set[str], delivering: Any, queue_runners: Any) -> Iterator[str]:
    """Queues, iterators and data sets that nothing takes from any more, and the ops that ran their threads."""
    handles_left = not removed.issuperset(index.names_of(ops.FROM_HANDLE))
    for name, node in index.nodes.items():
        producer = node.op in ops.QUEUE.holds or ops.is_data_set(node.op) or (
            node.op in ops.ITERATOR.holds and not handles_left)
        if producer and name not in removed and _unused(index, name, removed, delivering):
            yield name
    for runner in queue_runners:
        if names.parse(runner.queue_name).node in removed:
            for op_name in list(runner.enqueue_op_name) + [runner.close_op_name, runner.cancel_op_name]:
                if op_name and names.parse(op_name).node in index and not index.consumers(names.parse(op_name).node):
                    yield names.parse(op_name).node
