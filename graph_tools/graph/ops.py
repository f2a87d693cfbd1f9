"""Families of ops, and the mechanisms that bring data into a graph: the one home of what an op belongs to.

A ``Mechanism`` is one record; a new one is a line in INPUTS (and a module of ``find/inputs`` that reads its nodes), a
new op of a known one is a word in its record. Whoever needs a set of ops derives it from here, or says why not.
"""

from typing import FrozenSet, Iterable, NamedTuple, Tuple

Ops = FrozenSet[str]
_NONE: Ops = frozenset()


def _versions(*kinds: str) -> Ops:
    return frozenset(kind + version for kind in kinds for version in ("", "V2"))


# ---- copies, shapes, lookups

IDENTITIES: Ops = frozenset(("Identity", "RefIdentity"))
# What only asks how large a tensor is.
SIZES: Ops = frozenset(("Shape", "ShapeN", "Size", "Rank"))
SHAPE_READERS: Ops = SIZES | {"ZerosLike", "OnesLike", "TensorArraySizeV3"}
GATHERS: Ops = frozenset(("Gather", "GatherV2", "ResourceGather"))
CALLS: Ops = frozenset(("PartitionedCall", "StatefulPartitionedCall"))
PYTHON_FUNCTIONS: Ops = frozenset(("PyFunc", "PyFuncStateless", "EagerPyFunc"))

# ---- control flow

ENTERS: Ops = frozenset(("Enter", "RefEnter"))
EXITS: Ops = frozenset(("Exit", "RefExit"))
MERGES: Ops = frozenset(("Merge", "RefMerge"))
SWITCHES: Ops = frozenset(("Switch", "RefSwitch"))
NEXTS: Ops = frozenset(("NextIteration", "RefNextIteration"))
CONTROL_OPS: Ops = ENTERS | EXITS | MERGES | SWITCHES | NEXTS | {"LoopCond"}
# Functions as loops and as branches.
WHILES: Ops = frozenset(("While", "StatelessWhile"))
IFS: Ops = frozenset(("If", "StatelessIf"))

# Ops that hand their first input on unchanged.
COPIES: Ops = IDENTITIES | ENTERS | EXITS | SWITCHES | {
    "StopGradient", "PreventGradient", "CheckNumerics", "Snapshot", "DeepCopy", "ReadVariableOp", "EnsureShape",
    "PlaceholderWithDefault"}

# ---- state: variables, tables, checkpoints

VARIABLES: Ops = frozenset(("VariableV2", "Variable", "VarHandleOp", "AutoReloadVariable"))
# Ops that set a variable, and those that change what it holds.
SETS: Ops = frozenset(("Assign", "AssignVariableOp"))
ASSIGNS: Ops = SETS | {"AssignAdd", "AssignSub", "AssignAddVariableOp", "AssignSubVariableOp"}
INITIALIZED: Ops = frozenset(("VarIsInitializedOp", "IsVariableInitialized"))

STATIC_TABLES: Ops = frozenset(("HashTable", "HashTableV2", "AnonymousHashTable"))
# Tables that can change, so that a checkpoint holds their content: keys and values.
MUTABLE_TABLES: Ops = _versions("MutableHashTable", "MutableHashTableOfTensors", "MutableDenseHashTable")
TABLES: Ops = STATIC_TABLES | MUTABLE_TABLES
TABLE_IMPORTS: Ops = _versions("LookupTableImport")
# Initialisers that read a vocabulary file, those that take keys and values, and all.
FROM_FILE: Ops = _versions("InitializeTableFromTextFile")
FROM_TENSORS: Ops = _versions("InitializeTable") | TABLE_IMPORTS
TABLE_INITIALIZERS: Ops = FROM_FILE | FROM_TENSORS | {"InitializeTableFromDataset"}
TABLE_FINDS: Ops = _versions("LookupTableFind")
TABLE_READS: Ops = TABLE_FINDS | _versions("LookupTableSize")

SAVES: Ops = frozenset(("Save", "SaveV2", "SaveSlices", "MergeV2Checkpoints"))
RESTORES: Ops = frozenset(("Restore", "RestoreV2", "RestoreSlice"))


# ---- how data come in

ALWAYS, ALONE, PARSED, NEVER = "always", "alone", "parsed", "never"


class Mechanism(NamedTuple):
    """One way into a graph.

    Attributes:
      finder: how it is found: the module of ``graph_tools.find.inputs`` whose ``inputs(index)`` yields an ``Input``
        for every node that hands data over.
      kinds: kinds of those.
      takes: ops that hand data over.
      holds: the resources behind them (queues, iterators, readers).
      fills: ops that put data in: there they leave the side of input production.
      serves: what else is done to it without taking data out.
      waits: a run that takes from it waits for something that another run, thread or machine must do.
      swap: when ``swap_inputs`` that is not told what puts a placeholder in its place: ALWAYS; ALONE, where it depends
        on no other input; PARSED, when placeholders after the parser are asked for; NEVER, since it is one.
    """

    finder: str
    kinds: Tuple[str, ...]
    takes: Ops
    holds: Ops = _NONE
    fills: Ops = _NONE
    serves: Ops = _NONE
    waits: bool = False
    swap: str = ALONE


MUST_BE_FED: Ops = frozenset(("Placeholder", "PlaceholderV2"))
PLACEHOLDER = Mechanism("placeholders", ("placeholder", "sparse_placeholder"),
                        takes=MUST_BE_FED | {"PlaceholderWithDefault"}, swap=NEVER)

QUEUE = Mechanism(
    "queues", ("queue",), waits=True, swap=ALWAYS,
    takes=_versions("QueueDequeue", "QueueDequeueMany", "QueueDequeueUpTo", "BarrierTakeMany"),
    holds=_versions("FIFOQueue", "PaddingFIFOQueue", "RandomShuffleQueue", "PriorityQueue", "Barrier"),
    fills=_versions("QueueEnqueue", "QueueEnqueueMany") | {"BarrierInsertMany"},
    serves=_versions("QueueClose", "QueueSize", "QueueIsClosed") | {
        "BarrierClose", "BarrierIncompleteSize", "BarrierReadySize"})

FROM_HANDLE: Ops = _versions("IteratorFromStringHandle")
ITERATOR = Mechanism(
    "iterators", ("iterator",), waits=True, swap=ALWAYS,
    takes=frozenset(("IteratorGetNext", "IteratorGetNextSync", "OptionalGetValue", "DatasetToSingleElement",
                     "MultiDeviceIteratorGetNextFromShard", "FunctionBufferingResourceGetNext")),
    holds=FROM_HANDLE | {
        "Iterator", "IteratorV2", "OneShotIterator", "AnonymousIterator", "AnonymousIteratorV2", "AnonymousIteratorV3",
        "MultiDeviceIterator", "AnonymousMultiDeviceIterator", "AnonymousMultiDeviceIteratorV3",
        "MultiDeviceIteratorFromStringHandle", "FunctionBufferingResource"},
    fills=frozenset(("MakeIterator", "MultiDeviceIteratorInit")),
    serves=frozenset(("IteratorToStringHandle", "SerializeIterator", "DeserializeIterator", "DeleteIterator",
                      "IteratorGetDevice", "ExperimentalIteratorGetDevice", "IteratorGetModelProto",
                      "MultiDeviceIteratorToStringHandle", "DeleteMultiDeviceIterator",
                      "FunctionBufferingResourceReset")))

_AREAS = ("Map", "OrderedMap")
STAGING_AREA = Mechanism(
    "staging", ("staging_area",), waits=True, swap=ALWAYS,
    takes=frozenset(area + take for area in _AREAS for take in ("Unstage", "UnstageNoKey", "Peek")) | {
        "Unstage", "StagePeek"},
    fills=frozenset(("Stage", "MapStage", "OrderedMapStage")),
    serves=frozenset(area + what for area in _AREAS + ("Stage",) for what in ("Size", "Clear", "IncompleteSize")))

INFEED = Mechanism(
    "infeeds", ("infeed",), waits=True, swap=ALWAYS, takes=frozenset(("InfeedDequeue", "InfeedDequeueTuple")),
    fills=frozenset(("InfeedEnqueue", "InfeedEnqueueTuple", "InfeedEnqueuePrelinearizedBuffer")))

READER = Mechanism(
    "readers", ("reader",), waits=True, swap=ALWAYS,
    takes=_versions("ReaderRead", "ReaderReadUpTo"),
    holds=_versions("WholeFileReader", "TextLineReader", "TFRecordReader", "FixedLengthRecordReader", "IdentityReader",
                    "LMDBReader", "BigQueryReader"),
    serves=_versions("ReaderReset", "ReaderNumRecordsProduced", "ReaderNumWorkUnitsCompleted", "ReaderSerializeState",
                     "ReaderRestoreState"))

PARSER = Mechanism(
    "parsing", ("parse_example",), swap=PARSED,
    takes=frozenset(("ParseExample", "ParseExampleV2", "ParseSingleExample", "ParseSingleSequenceExample",
                     "ParseSequenceExample", "ParseSequenceExampleV2")))

PYTHON = Mechanism("python_functions", ("py_func",), takes=PYTHON_FUNCTIONS)

FILE = Mechanism("files", ("file",), takes=frozenset(("ReadFile",)))

# In the order tried.
INPUTS: Tuple[Mechanism, ...] = (PLACEHOLDER, QUEUE, ITERATOR, STAGING_AREA, INFEED, READER, PARSER, PYTHON, FILE)


def _all(sets: Iterable[Ops]) -> Ops:
    return frozenset().union(*sets)


def _kinds(mechanisms: Iterable[Mechanism]) -> Tuple[str, ...]:
    return tuple(kind for one in mechanisms for kind in one.kinds)


PLACEHOLDERS: Ops = PLACEHOLDER.takes
PRODUCERS: Ops = _all(one.holds for one in INPUTS)
FILLS: Ops = _all(one.fills for one in INPUTS)
SERVES: Ops = _all(one.serves for one in INPUTS)
# What comes out of an iterator this way is no tensor of data yet: OptionalGetValue opens it.
_NEXT_OPTIONAL: Ops = frozenset(("IteratorGetNextAsOptional",))
# Ops that wait for data that something else must put there.
WAITING: Ops = _all(one.takes for one in INPUTS if one.waits) | _NEXT_OPTIONAL
# Ops whose values come from outside of the graph; a parser's are made of its serialized input.
ORIGINS: Ops = _all(one.takes for one in INPUTS if one.swap != PARSED) | _NEXT_OPTIONAL

PLACEHOLDER_KINDS = PLACEHOLDER.kinds
WAITING_KINDS = _kinds(one for one in INPUTS if one.waits)


def kinds_swapped(when: str) -> Tuple[str, ...]:
    """Kinds of input whose mechanism is swapped on one of the conditions ALWAYS, ALONE, PARSED."""
    return _kinds(one for one in INPUTS if one.swap == when)


def is_data_set(op: str) -> bool:
    """Whether an op makes a ``tf.data`` data set."""
    return "Dataset" in op and not op.startswith("DatasetTo")
