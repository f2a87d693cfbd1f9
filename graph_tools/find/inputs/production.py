"""Which nodes only serve to produce input (fill a queue, reset an iterator) and are no part of the model itself."""

from typing import FrozenSet, Set

from graph_tools.graph import functions, ops
from graph_tools.graph.walk import GraphIndex

SUMMARIES = frozenset((
    "ScalarSummary", "HistogramSummary", "ImageSummary", "AudioSummary", "AudioSummaryV2", "TensorSummary",
    "TensorSummaryV2", "MergeSummary", "WriteSummary", "WriteScalarSummary", "WriteHistogramSummary"))
# The saver's ops: a string placeholder that leads to one names a checkpoint file.
CHECKPOINTING = ops.SAVES | ops.RESTORES | {"ShardedFilename"}
# Setting state at the start is no use of what is assigned; a gradient step (AssignSub, Apply…) is.
_SETTERS = ops.SETS | ops.FROM_FILE | ops.FROM_TENSORS
_PASSING = frozenset(("Merge", "Identity", "NoOp"))
_NO_END = ops.FILLS | ops.SERVES | SUMMARIES | CHECKPOINTING | _SETTERS | frozenset(("NoOp",))


def model_side(index: GraphIndex, handovers: Set[str]) -> Set[str]:
    """Nodes that something other than input production depends on.

    A summary counts when it depends on data that goes no further into input production: the loss counts, how full a
    queue is and the single examples that are batched later do not.

    Args:
      index: the graph.
      handovers: nodes that hand data over (placeholders, dequeues, an iterator's next): they count, what is behind
        them does not.
    """
    delivering = deliveries(index)
    ends = [name for name, node in index.nodes.items() if not index.consumers(name, control=False)
            and node.op not in _NO_END and name not in delivering and not ops.is_data_set(node.op)
            and not _waits_for(index, name, delivering)]
    last = handovers - index.ancestors(delivering, control=False)
    from_last = index.descendants(last, control=False)
    ends += [name for name in from_last if index.op(name) in SUMMARIES]
    return index.ancestors(ends, control=False, stop=handovers.__contains__)


def deliveries(index: GraphIndex) -> FrozenSet[str]:
    """Nodes where data leaves the production side, ``tf.cond``s of TF 2 included whose function does so."""
    library = index.graph_def.library
    table = functions.calls(library)
    bodies = {function.signature.name: function.node_def for function in library.function}
    doers = {name for name, body in bodies.items() if any(node.op in ops.FILLS for node in body)}
    callers = {name for name in table if not doers.isdisjoint(functions.reach([name], table))}
    return frozenset(name for name, node in index.nodes.items() if node.op in ops.FILLS
                     or (callers and not callers.isdisjoint(functions.called(node)) and not ops.is_data_set(node.op)))


def _waits_for(index: GraphIndex, name: str, delivering: FrozenSet[str]) -> bool:
    """Whether a node is what ``tf.cond`` returns for a branch that enqueues: it carries no data of the model."""
    if index.op(name) not in _PASSING:
        return False
    waited_for = index.ancestors([name], stop=lambda other: index.op(other) not in _PASSING)
    return not waited_for.isdisjoint(delivering)
