"""What only served to fill the queues and iterators that an edit has replaced, and can go with them."""

from typing import Iterable, Iterator, Set

from graph_tools import _tf, names
from graph_tools.find.inputs import production
from graph_tools.find.inputs.iterators import FROM_HANDLE, ITERATORS
from graph_tools.find.inputs.queues import QUEUES
from graph_tools.walk import GraphIndex

# What is done to a stateful node without using what it holds, by its op type.
_VARIABLE_SERVICES = frozenset(("Assign", "AssignVariableOp", "VarIsInitializedOp", "IsVariableInitialized",
                                "DestroyResourceOp"))
_TABLE_SERVICES = frozenset(name + version for version in ("", "V2") for name in (
    "InitializeTable", "InitializeTableFromTextFile", "LookupTableImport", "LookupTableSize", "LookupTableExport"))
_SERVICES_OF = dict(
    [(op, production.DELIVERIES | production.SERVICES) for op in QUEUES | ITERATORS]
    + [(op, _VARIABLE_SERVICES) for op in ("Variable", "VariableV2", "VarHandleOp")]
    + [(op + version, _TABLE_SERVICES) for op in ("HashTable", "MutableHashTable", "MutableDenseHashTable",
                                                  "MutableHashTableOfTensors") for version in ("", "V2")])
# Ops that take any number of equal inputs: they lose the removed ones and stay.
VARIADIC = frozenset(("MergeSummary",))


def dead_after(index: GraphIndex, cut: Iterable[str], replaced: Set[str], queue_runners=()) -> Set[str]:
    """Nodes to remove once the ``replaced`` tensors of the ``cut`` nodes come from elsewhere, those nodes included.

    Downstream: what reads something of a removed node that is not replaced (the size of a queue and its summary).
    Upstream: what nothing reads any more, where initialising or filling does not count as reading. Placeholders that
    only filled a queue go, the variables of the model stay.
    """
    removed: Set[str] = set(cut)
    todo = list(cut) + list(_staged(index, cut))
    removed.update(todo)
    while True:
        while todo:
            name = todo.pop()
            found = set(_downstream(index, name, replaced, removed)) | set(_upstream(index, name, removed))
            todo += found - removed
            removed |= found
        todo = [name for name in _left_over(index, removed, queue_runners) if name not in removed]
        if not todo:
            return removed
        removed.update(todo)


def queue_runners_of(meta_graph) -> list:
    """The ``QueueRunnerDef`` messages of a meta graph."""
    entries = meta_graph.collection_def[_tf.tf.GraphKeys.QUEUE_RUNNERS].bytes_list.value if (
        _tf.tf.GraphKeys.QUEUE_RUNNERS in meta_graph.collection_def) else ()
    return [_tf.queue_runner_pb2.QueueRunnerDef.FromString(entry) for entry in entries]


def _staged(index: GraphIndex, cut) -> Iterator[str]:
    """Staging areas have no handle: the ops of one area share a name."""
    areas = {_area(index.nodes[name]) for name in cut if "stage" in index.op(name).lower()}
    if areas:
        yield from (name for name, node in index.nodes.items()
                    if node.op in production.DELIVERIES | production.SERVICES and "shared_name" in node.attr
                    and _area(node) in areas)


def _area(node):
    return node.attr["container"].s, node.attr["shared_name"].s


def _downstream(index: GraphIndex, name: str, replaced: Set[str], removed: Set[str]) -> Iterator[str]:
    for use in index.consumers(name, control=False):
        if str(index.inputs(use.node)[use.slot]) in replaced:
            continue
        if index.op(use.node) not in VARIADIC or all(ref.node in removed for ref in index.data_inputs(use.node)):
            yield use.node


def _upstream(index: GraphIndex, name: str, removed: Set[str]) -> Iterator[str]:
    for ref in index.inputs(name):
        if ref.node in index and _unused(index, ref.node, removed):
            yield ref.node


def _unused(index: GraphIndex, name: str, removed: Set[str]) -> bool:
    services = _SERVICES_OF.get(index.op(name), frozenset())
    stateful = bool(services)
    return all(use.node in removed or index.op(use.node) in services
               or (stateful and index.op(use.node) in ("Identity", "ReadVariableOp")
                   and not index.consumers(use.node))
               for use in index.consumers(name))


def _left_over(index: GraphIndex, removed: Set[str], queue_runners) -> Iterator[str]:
    """Queues and iterators that nothing takes from any more, and the ops that ran their threads."""
    handles_left = any(node.op in FROM_HANDLE and name not in removed for name, node in index.nodes.items())
    for name, node in index.nodes.items():
        if name not in removed and node.op in QUEUES | ITERATORS and not (node.op in ITERATORS and handles_left):
            if _unused(index, name, removed):
                yield name
    for runner in queue_runners:
        if names.parse(runner.queue_name).node in removed:
            for op_name in list(runner.enqueue_op_name) + [runner.close_op_name, runner.cancel_op_name]:
                if op_name and names.parse(op_name).node in index and not index.consumers(names.parse(op_name).node):
                    yield names.parse(op_name).node
