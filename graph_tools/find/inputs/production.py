"""Which nodes only serve to produce input (fill a queue, reset an iterator) and are no part of the model itself."""

from typing import Set

from graph_tools.walk import GraphIndex


def _versions(*kinds: str):
    return [kind + version for kind in kinds for version in ("", "V2")]


# Where data leaves the production side: enqueued, staged, made the data set of an iterator.
DELIVERIES = frozenset(
    _versions("QueueEnqueue", "QueueEnqueueMany") + ["BarrierInsertMany", "Stage", "MapStage", "OrderedMapStage",
                                                     "MakeIterator", "MultiDeviceIteratorInit"])
# What else is done to a producer without taking data out of it.
SERVICES = frozenset(
    _versions("QueueClose", "QueueSize", "QueueIsClosed", "ReaderReset", "ReaderNumRecordsProduced",
              "ReaderNumWorkUnitsCompleted", "ReaderSerializeState", "ReaderRestoreState")
    + ["BarrierClose", "BarrierIncompleteSize", "BarrierReadySize", "IteratorToStringHandle", "SerializeIterator",
       "DeserializeIterator", "DeleteIterator", "MultiDeviceIteratorToStringHandle", "DeleteMultiDeviceIterator"]
    + [area + what for area in ("Stage", "MapStage", "OrderedMapStage") for what in ("Size", "Clear", "IncompleteSize")
       ] + ["MapSize", "MapClear", "MapIncompleteSize", "OrderedMapSize", "OrderedMapClear", "OrderedMapIncompleteSize"])
SUMMARIES = frozenset((
    "ScalarSummary", "HistogramSummary", "ImageSummary", "AudioSummary", "AudioSummaryV2", "TensorSummary",
    "TensorSummaryV2", "MergeSummary", "WriteSummary", "WriteScalarSummary", "WriteHistogramSummary"))
# The saver's ops: a string placeholder that leads to one names a checkpoint file.
CHECKPOINTING = frozenset(("Save", "SaveV2", "SaveSlices", "Restore", "RestoreV2", "RestoreSlice",
                           "MergeV2Checkpoints", "ShardedFilename"))
# Setting state at the start is no use of what is assigned; a gradient step (AssignSub, Apply…) is.
_SETTERS = frozenset(("Assign", "AssignVariableOp", "InitializeTable", "InitializeTableV2",
                      "InitializeTableFromTextFile", "InitializeTableFromTextFileV2", "LookupTableImport",
                      "LookupTableImportV2"))
_NO_END = DELIVERIES | SERVICES | SUMMARIES | CHECKPOINTING | _SETTERS | frozenset(("NoOp",))


def model_side(index: GraphIndex, boundary) -> Set[str]:
    """Nodes that something other than input production or a summary depends on.

    Args:
      index: the graph.
      boundary: true for the name of a node that hands data over (a dequeue, an iterator's next): it counts, what
        is behind it does not.
    """
    ends = [name for name in index.nodes if not index.consumers(name, control=False)
            and index.op(name) not in _NO_END]
    return index.ancestors(ends, control=False, stop=boundary)
