"""What each op of TensorFlow can do: families that compute, and families that reach out of the graph.

An op that is in no family is refused like those that reach out: nobody has said what it does.
"""

import functools
from typing import Any, Callable, Dict, FrozenSet, NamedTuple, Optional, Tuple

from graph_tools.safety import computing


class Family(NamedTuple):
    """Ops that can do the same thing to whoever imports or runs them.

    Attributes:
      name: a word for programs.
      could: what an op of it could do, to be read after "that"; ``""`` for families that only compute.
      ops: their names.
      parts: an op whose name holds one of these belongs here, too (``"^"``: starts with it).
    """

    name: str
    could: str
    ops: FrozenSet[str]
    parts: Tuple[str, ...] = ()


def _ops(text: str) -> FrozenSet[str]:
    return frozenset(text.split())


COMPUTING = (
    Family("computes", "", computing.PURE),
    Family("controls", "", computing.CONTROL),
    Family("random", "", computing.RANDOM),
    Family("state", "", computing.STATE),
    Family("pipeline", "", computing.PIPELINES),
)

# In the order tried: the first that fits says what the op could do.
REACHING = (
    Family("reads files", "could read any file", _ops("""
        CSVDataset CSVDatasetV2 DecodeAudio DecodeAudioV2 DecodeVideo EncodeAudio EncodeAudioV2
        FixedLengthRecordDataset FixedLengthRecordDatasetV2 FixedLengthRecordReader FixedLengthRecordReaderV2
        GenerateVocabRemapping IdentityReader IdentityReaderV2 ImmutableConst InitializeTableFromTextFile
        InitializeTableFromTextFileV2 LMDBDataset LMDBReader ListSnapshotChunksDataset LoadAndRemapMatrix
        LoadDataset MatchingFiles MatchingFilesDataset NegTrain ReadFile RecordInput Restore RestoreSlice RestoreV2
        SequenceFileDataset Skipgram SnapshotChunkDataset SnapshotDatasetReader SnapshotNestedDatasetReader
        SqlDataset TFRecordDataset TFRecordDatasetV2 TFRecordReader TFRecordReaderV2 TextLineDataset TextLineReader
        TextLineReaderV2 WholeFileReader WholeFileReaderV2
        """), ("^Reader", "SqlDataset", "LMDBDataset", "CSVDataset", "MatchingFilesDataset")),
    Family("writes files", "could write files", _ops("""
        AnonymousMemoryCache CacheDataset CacheDatasetV2 CalibrationStatisticsSaver CloseSummaryWriter
        CreateSummaryDbWriter CreateSummaryFileWriter CustomAggregator DatasetToTFRecord DeleteMemoryCache
        DistributedSave DummyMemoryCache DumpTensor FlushSummaryWriter ImportEvent MergeV2Checkpoints Save
        SaveDataset SaveDatasetV2 SaveSlices SaveV2 SnapshotDataset SnapshotDatasetV2
        StatsAggregatorSetSummaryWriter StoreMinibatchStatisticsInFdo SummaryWriter WriteAudioSummary WriteFile
        WriteGraphSummary WriteHistogramSummary WriteImageSummary WriteRawProtoSummary WriteScalarSummary
        WriteSummary
        """), ("DatasetToTFRecord", "^StatsAggregator", "SetStatsAggregator")),
    Family("network", "could open a connection", _ops("""
        BigQueryReader DatasetToBigtable DeleteRpcFutureResource FileSystemSetConfiguration GcsConfigureBlockCache
        GcsConfigureCredentials GenerateBigQueryReaderPartitions IgniteDataset KafkaDataset KinesisDataset Recv
        RegisterDataset RegisterDatasetV2 RemoteCall Rpc Send TryRpc WorkerHeartbeat
        """), ("^Collective", "Nccl", "^DataServiceDataset", "^Rpc", "^Bigtable")),
    Family("python", "calls a Python function that is not in the file", _ops("""
        EagerPyFunc PyFunc PyFuncStateless
        """)),
    Family("process", "could end or stall the process", _ops("""
        GetDeadline Abort GetOptions SleepIdentityOp SleepOp SyncDevice
        """), ("SleepDataset", "ThreadPool")),
    Family("debug", "could write or send whatever passes through it", _ops("""
        Copy CopyHost DebugIdentity DebugIdentityV2 DebugIdentityV3 DebugNanCount DebugNumericSummary
        DebugNumericSummaryV2
        """)),
    Family("accelerator", "needs hardware that a session here does not have", _ops("""
        AllToAll CrossReplicaSum ComputeDedupDataSize ComputeDedupDataSizeV2 ComputeDedupDataTupleMask
        ComputeDedupDataTupleMaskV2 ConvertToCooTensor GlobalIterId MergeDedupData Prelinearize PrelinearizeTuple
        SplitDedupData GetMinibatchSplitsWithPhysicalReplica GetMinibatchesInCsrWithPhysicalReplica
        UpdateTaskIdAndGlobalCoreArray ReadVariableXlaSplitND AssignVariableXlaConcatND
        """), ("TPU", "Tpu", "SparseCore", "^Infeed", "^Outfeed")),
    Family("code", "could run code that is hidden in its attributes", _ops("""
        CreateTRTResourceHandle DatasetFromGraph GetCalibrationDataOp InitializeTRTResource MlirPassthroughOp
        RemoteFusedGraphExecute TRTEngineOp TfLiteSubgraphExecute
        CopyToMesh CopyToMeshGrad Relayout RelayoutLike
        """), ("^Xla", "^DTensor", "^TRT", "^Risc")),
    Family("other pipelines", "could read, write or start threads for a data set", _ops("""
        DatasetToGraph DatasetToGraphV2 DeserializeIterator GetElementAtIndex IteratorGetModelProto SerializeIterator
        """), ("Dataset", "^Experimental")),
    Family("contrib training", "could change models that are kept outside of the graph", _ops("""
        Batch Unbatch UnbatchGrad BytesInUse BytesLimit MaxBytesInUse
        """), ("StatsAccumulator", "Quantile", "Fertile", "TreeV4", "InputV4", "ModelV4", "^TreeEnsemble", "^Tree",
               "Inequality", "EqualitySplits", "TreeEnsemble", "FinalizeTree", "FeatureUsageCounts",
               "SkipGramGenerate", "SingleImageRandomDot")),
    Family("internal", "is made by TensorFlow for itself and stands in no file that it writes", frozenset(), ("^_",)),
    Family("tests", "is there for TensorFlow's own tests", _ops("""
        A Attr AttrBool AttrBoolList AttrDefault AttrEmptyListDefault AttrEnum AttrEnumList AttrFloat
        AttrListDefault AttrListMin AttrListTypeDefault AttrMin AttrPartialShape AttrPartialShapeList AttrShape
        AttrShapeList AttrTypeDefault B Binary CheckPinned ComplexStruct ConstructionFails CopyOp DefaultAttrs
        DevicePlacementOp DtypeWithDefaultOp DummyIterationCounter Fact FakeQueue FiveFloatOutputs FloatInput
        FloatOutput FloatOutputStringOutput Foo1 Foo2 Foo3 FuncAttr FuncListAttr GraphDefVersion HostConst
        InPolymorphicTwice Int64Output IntAttr IntInput IntInputFloatInput IntInputIntOutput IntOutput
        IntOutputFloatOutput IsResourceHandleRefCounting IsTensorFloat32Enabled KernelLabel KernelLabelRequired
        ListInput ListOutput MakeWeakResourceHandle MixedStruct NInPolymorphicTwice NInTwice NInTwoTypeVariables
        NIntsIn NIntsOut NIntsOutDefault NPolymorphicIn NPolymorphicOut NPolymorphicOutDefault
        NPolymorphicRestrictIn NPolymorphicRestrictOut Namespace>TestStringOutput None Old OpWithDefaultAttr
        OpWithFutureDefaultAttr OutT OutTypeList OutTypeListRestrict Polymorphic PolymorphicDefaultOut
        PolymorphicOut RefIn RefInputFloatInput RefInputFloatInputIntOutput RefInputIntInput RefOut RefOutput
        RefOutputFloatOutput RequiresOlderGraphVersion ReservedAttr ReservedInput ResourceCreateOp
        ResourceInitializedOp ResourceUsingOp Restrict Simple SimpleStruct StubResourceHandleOp TestAttr
        TestStringOutput TwoFloatInputs TwoFloatInputsFloatOutput TwoFloatInputsIntOutput TwoFloatOutputs
        TwoIntInputs TwoIntOutputs TwoRefsIn TypeList TypeListRestrict TypeListTwice Unary
        """)),
)

UNKNOWN = Family("unknown", "is not one that this package knows, so that it could do anything", frozenset())


def _text(node: Any, name: str) -> bytes:
    return node.attr[name].s if name in node.attr else b""  # reading an attribute that is not there may add it


def _to_screen(node: Any) -> bool:
    return not _text(node, "output_stream").startswith(b"file:")


def _no_descriptor_file(node: Any) -> bool:
    source = _text(node, "descriptor_source")
    return source in (b"", b"local://") or source.startswith(b"bytes://")


def _no_vocabulary_file(node: Any) -> bool:
    return not _text(node, "vocab_file")


# Ops that compute unless an attribute makes them reach out: whether this node only computes, and the family if not.
CONDITIONAL: Dict[str, Tuple[Callable, str]] = {
    "PrintV2": (_to_screen, "writes files"),
    "DecodeProtoV2": (_no_descriptor_file, "reads files"),
    "EncodeProto": (_no_descriptor_file, "reads files"),
    "FixedUnigramCandidateSampler": (_no_vocabulary_file, "reads files"),
}

ALLOWED = frozenset().union(*(family.ops for family in COMPUTING))
_BY_NAME = {family.name: family for family in COMPUTING + REACHING}


def reaching(node: Any) -> Optional[Family]:
    """The family of a node that could do more than compute; ``None`` for one that cannot (calls: see ``judge``)."""
    if node.op in ALLOWED:
        return None
    if node.op in CONDITIONAL:
        harmless, family = CONDITIONAL[node.op]
        return None if harmless(node) else _BY_NAME[family]
    return of(node.op)


@functools.lru_cache(1 << 12)  # a file names what it likes
def of(op: str) -> Family:
    """The family of an op by its name."""
    for family in COMPUTING + REACHING:
        if op in family.ops:
            return family
    for family in REACHING:
        if any(op.startswith(part[1:]) if part[0] == "^" else part in op for part in family.parts):
            return family
    return _BY_NAME["computes"] if op in CONDITIONAL else UNKNOWN
