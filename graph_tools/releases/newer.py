"""Ops and attributes that TensorFlow gained after 1.15.

Found by comparing the op registries of 1.15.5, 2.15.1 and 2.21.0. Left out: internal ops (leading underscore), and
those of TPU, XLA and MKL, which an older release could not run anyway.
"""

from typing import Any, Dict, NamedTuple, Optional, Tuple

from graph_tools import _tf


class NewerAttribute(NamedTuple):
    """An attribute that ops gained: its name, its default, a release that has it, and the ops.

    At the default (an ``AttrValue`` in text form) it means what the op did before it had the attribute, so an older
    TensorFlow can do without it. An empty default marks a mere label that can go whatever its value.
    """

    name: str
    default: str
    release: str
    ops: str


ATTRIBUTES = (
    NewerAttribute("Tcomplex", "type: DT_COMPLEX64", "2.15", (
        "IRFFT IRFFT2D IRFFT3D RFFT RFFT2D RFFT3D")),
    NewerAttribute("Tk", "type: DT_INT32", "2.15", "TopKV2"),
    NewerAttribute("Treal", "type: DT_FLOAT", "2.15", "IRFFT IRFFT2D IRFFT3D RFFT RFFT2D RFFT3D"),
    NewerAttribute("Tsegmentids", "type: DT_INT32", "2.15", (
        "SparseSegmentMean SparseSegmentMeanGrad SparseSegmentMeanWithNumSegments SparseSegmentSqrtN "
        "SparseSegmentSqrtNGrad SparseSegmentSqrtNWithNumSegments SparseSegmentSum "
        "SparseSegmentSumWithNumSegments")),
    NewerAttribute("Tshape", "type: DT_INT32", "2.21", "TensorListGetItem"),
    NewerAttribute("allow_missing_files", "b: false", "2.15", "MergeV2Checkpoints"),
    NewerAttribute("allow_stateful", "b: false", "2.15", "DatasetToGraph"),
    NewerAttribute("allowed_devices", "list {}", "2.15", "VarHandleOp"),
    NewerAttribute("auto_shard_policy", "i: 0", "2.15", (
        "AutoShardDataset ExperimentalAutoShardDataset")),
    NewerAttribute("axis", "i: -1", "2.15", (
        "Dequantize QuantizeAndDequantizeV2 QuantizeAndDequantizeV3 QuantizeV2")),
    NewerAttribute("bad_indices_policy", 's: ""', "2.21", (
        "GatherNd ResourceScatterNdAdd ResourceScatterNdMax ResourceScatterNdMin ResourceScatterNdSub "
        "ResourceScatterNdUpdate ScatterNd ScatterNdAdd ScatterNdMax ScatterNdMin ScatterNdNonAliasingAdd "
        "ScatterNdSub ScatterNdUpdate TensorScatterAdd TensorScatterMax TensorScatterMin TensorScatterSub "
        "TensorScatterUpdate")),
    NewerAttribute("batch_padding_policy", 's: "PAD_UP"', "2.21", "BatchFunction"),
    NewerAttribute("blank_index", "i: -1", "2.15", "CTCGreedyDecoder"),
    NewerAttribute("buffer_size_min", "i: 0", "2.15", "PrefetchDataset"),
    NewerAttribute("cardinality_options", 's: ""', "2.15", "DatasetCardinality"),
    NewerAttribute("debug_name", "", "2.15", "VarHandleOp"),
    NewerAttribute("drop_remainder", "b: true", "2.15", "SlidingWindowDataset"),
    NewerAttribute("dtype", "type: DT_FLOAT", "2.15", "Dequantize"),
    NewerAttribute("enable_large_batch_splitting", "b: false", "2.15", "BatchFunction"),
    NewerAttribute("ensure_minimum_range", "f: 0.01", "2.15", "QuantizeV2"),
    NewerAttribute("explicit_paddings", "list {}", "2.15", (
        "DepthwiseConv2dNative DepthwiseConv2dNativeBackpropFilter DepthwiseConv2dNativeBackpropInput MaxPool "
        "MaxPoolGrad")),
    NewerAttribute("exponential_avg_factor", "f: 1.0", "2.15", (
        "FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3")),
    NewerAttribute("external_state_policy", "i: 0", "2.15", "SerializeIterator"),
    NewerAttribute("force_synchronous", "b: false", "2.21", "ExperimentalMapDataset MapDataset"),
    # Which operand is a gradient: a hint for low-precision kernels, set in every gradient of a product.
    NewerAttribute("grad_a", "", "2.21", "MatMul"),
    NewerAttribute("grad_b", "", "2.21", "MatMul"),
    NewerAttribute("grad_x", "", "2.21", "BatchMatMul BatchMatMulV2 BatchMatMulV3"),
    NewerAttribute("grad_y", "", "2.21", "BatchMatMul BatchMatMulV2 BatchMatMulV3"),
    NewerAttribute("index_type", "type: DT_INT32", "2.15", "TopKV2"),
    NewerAttribute("is_files", "b: false", "2.15", "TensorSliceDataset"),
    NewerAttribute("log_warning", "b: false", "2.15", (
        "ExperimentalIgnoreErrorsDataset IgnoreErrorsDataset")),
    NewerAttribute("logits_dimension", "i: 1", "2.15", "BoostedTreesUpdateEnsembleV2"),
    NewerAttribute("low_priority_allowed_batch_sizes", "list {}", "2.15", "BatchFunction"),
    NewerAttribute("low_priority_batch_timeout_micros", "i: 0", "2.15", "BatchFunction"),
    NewerAttribute("low_priority_max_batch_size", "i: 0", "2.15", "BatchFunction"),
    NewerAttribute("low_priority_max_enqueued_batches", "i: 0", "2.15", "BatchFunction"),
    NewerAttribute("metadata", "", "2.15", (
        "BatchDataset BatchDatasetV2 CacheDataset CacheDatasetV2 ConcatenateDataset DatasetToSingleElement "
        "FilterDataset FixedLengthRecordDataset FixedLengthRecordDatasetV2 FlatMapDataset GeneratorDataset "
        "GroupByWindowDataset InterleaveDataset MapAndBatchDataset MapDataset PaddedBatchDataset "
        "PaddedBatchDatasetV2 ParallelInterleaveDataset ParallelInterleaveDatasetV2 ParallelMapDataset "
        "PrefetchDataset RandomDataset RangeDataset ReduceDataset RepeatDataset ScanDataset ShardDataset "
        "ShuffleAndRepeatDataset ShuffleDataset ShuffleDatasetV2 SkipDataset TFRecordDataset TakeDataset "
        "TakeWhileDataset TensorDataset TensorSliceDataset TextLineDataset UnbatchDataset UniqueDataset "
        "WindowDataset ZipDataset")),
    NewerAttribute("mixed_priority_policy", 's: "low_priority_padding_with_max_batch_size"', "2.21", (
        "BatchFunction")),
    NewerAttribute("mode", 's: "auto"', "2.15", "SnapshotDataset"),
    NewerAttribute("multiply_linear_by_lr", "b: false", "2.15", (
        "ApplyFtrl ApplyFtrlV2 ResourceApplyFtrl ResourceApplyFtrlV2 ResourceSparseApplyFtrl "
        "ResourceSparseApplyFtrlV2 SparseApplyFtrl SparseApplyFtrlV2")),
    NewerAttribute("narrow_range", "b: false", "2.15", "Dequantize QuantizeV2"),
    NewerAttribute("num_bins", "i: 0", "2.21", "CustomAggregator"),
    NewerAttribute("num_groups", "i: 1", "2.15", "BoostedTreesUpdateEnsembleV2"),
    NewerAttribute("num_replicas", "i: 0", "2.15", "AutoShardDataset"),
    NewerAttribute("offset", "i: 0", "2.15", (
        "InitializeTableFromTextFile InitializeTableFromTextFileV2")),
    NewerAttribute("padding_list", "list {}", "2.15", (
        "QuantizedDepthwiseConv2DWithBiasAndRelu QuantizedDepthwiseConv2DWithBiasAndReluAndRequantize")),
    NewerAttribute("perturb_singular", "b: false", "2.15", "TridiagonalSolve"),
    NewerAttribute("ragged_keys", "list {}", "2.15", "ParseExampleDataset"),
    NewerAttribute("ragged_split_types", "list {}", "2.15", "ParseExampleDataset"),
    NewerAttribute("ragged_value_types", "list {}", "2.15", "ParseExampleDataset"),
    NewerAttribute("ram_budget", "i: 0", "2.15", "ModelDataset"),
    NewerAttribute("replicate_on_split", "b: false", "2.15", "RangeDataset TensorSliceDataset"),
    NewerAttribute("reshuffle_each_iteration", "b: true", "2.15", "ShuffleAndRepeatDataset"),
    NewerAttribute("resize_if_index_out_of_bounds", "b: false", "2.15", "TensorListSetItem"),
    NewerAttribute("seed", "i: 0", "2.15", "SnapshotDataset"),
    NewerAttribute("seed2", "i: 0", "2.15", "SnapshotDataset"),
    NewerAttribute("shape_type", "type: DT_INT32", "2.15", "ConcatOffset"),
    NewerAttribute("shuffle_on_read", "b: false", "2.15", "SnapshotDataset"),
    NewerAttribute("snapshot_name", 's: ""', "2.15", "SnapshotDataset"),
    NewerAttribute("sparse_gradient", "b: false", "2.15", (
        "SparseSegmentMean SparseSegmentMeanWithNumSegments SparseSegmentSqrtN "
        "SparseSegmentSqrtNWithNumSegments SparseSegmentSum SparseSegmentSumWithNumSegments")),
    NewerAttribute("stop_on_empty_dataset", "b: false", "2.15", "DirectedInterleaveDataset"),
    NewerAttribute("strip_device_assignment", "b: false", "2.15", "DatasetToGraph"),
    NewerAttribute("timeout_seconds", "f: 0.0", "2.15", (
        "CollectiveBcastRecv CollectiveBcastSend CollectiveGather CollectiveReduce")),
    NewerAttribute("use_default_device", "b: true", "2.15", "ScanDataset"),
    NewerAttribute("use_unbounded_threadpool", "b: false", "2.21", "ParallelMapDatasetV2"),
    NewerAttribute("validate_shape", "b: false", "2.15", "AssignVariableOp"),
)

# Ops by a release that has them while the one compared before it has not.
OPS = {
    "2.15": """
        AnonymousHashTable AnonymousIteratorV3 AnonymousMultiDeviceIteratorV3 AnonymousMutableDenseHashTable
        AnonymousMutableHashTable AnonymousMutableHashTableOfTensors AnonymousSeedGenerator ApproxTopK
        AssertCardinalityDataset AssertPrevDataset BandedTriangularSolve BatchMatMulV3 BesselI0 BesselI1
        BesselJ0 BesselJ1 BesselK0 BesselK0e BesselK1 BesselK1e BesselY0 BesselY1
        BoostedTreesCalculateBestFeatureSplitV2 CSRSparseMatrixComponents CSRSparseMatrixToDense
        CSRSparseMatrixToSparseTensor CSVDatasetV2 CTCLossV2 CheckNumericsV2 CollectiveAllToAllV2
        CollectiveAllToAllV3 CollectiveAssignGroupV2 CollectiveBcastRecvV2 CollectiveBcastSendV2
        CollectiveGatherV2 CollectiveInitializeCommunicator CollectiveReduceScatterV2 CollectiveReduceV2
        CollectiveReduceV3 CompositeTensorVariantFromComponents CompositeTensorVariantToComponents
        CompressElement ComputeBatchSize ComputeDedupDataTupleMask Conv Conv2DBackpropFilterV2
        Conv2DBackpropInputV2 CopyToMesh CopyToMeshGrad CustomAggregator DataServiceDataset DataServiceDatasetV2
        DataServiceDatasetV3 DataServiceDatasetV4 DatasetToGraphV2 Dawsn DebugIdentityV2 DebugIdentityV3
        DebugNumericSummaryV2 DecodeImage DeleteRpcFutureResource DeleteSeedGenerator DenseBincount
        DenseCountSparseOutput DenseToCSRSparseMatrix DeviceIndex DisableCopyOnRead DistributedSave
        DtypeWithDefaultOp DumpTensor Eig EmptyTensorMap Erfinv Expint ExtractGlimpseV2 FFTND
        FileSystemSetConfiguration FinalizeDataset FresnelCos FresnelSin GenerateBoundingBoxProposals
        GetDeadline GetElementAtIndex GetOptions IFFTND IRFFTND ImageProjectiveTransformV2
        ImageProjectiveTransformV3 InitializeTableFromDataset IsResourceHandleRefCounting IsTensorFloat32Enabled
        IsotonicRegression KthOrderStatistic LegacyParallelInterleaveDatasetV2 ListDataset LoadDataset
        MakeUnique MakeWeakResourceHandle MatrixDiagPartV3 MatrixDiagV3 MatrixSetDiagV3 MergeDedupData Ndtri
        OptimizeDatasetV2 OptionsDataset OutfeedDequeueTupleV2 OutfeedDequeueV2 ParallelBatchDataset
        ParallelFilterDataset ParallelInterleaveDatasetV3 ParallelInterleaveDatasetV4 ParallelMapDatasetV2
        ParseExampleDatasetV2 ParseExampleV2 ParseSequenceExampleV2 QuantizeAndDequantizeV4
        QuantizeAndDequantizeV4Grad QuantizedConcatV2 QuantizedMatMulWithBiasAndDequantize
        QuantizedMatMulWithBiasAndRequantize RFFTND RaggedBincount RaggedCountSparseOutput RaggedCross
        RaggedFillEmptyRows RaggedFillEmptyRowsGrad RaggedTensorToVariantGradient RandomDatasetV2
        RandomIndexShuffle RebatchDatasetV2 Recv RegisterDataset RegisterDatasetV2 Relayout RelayoutLike
        ResourceScatterNdMax ResourceScatterNdMin RewriteDataset RngReadAndSkip RpcCall RpcCheckStatus RpcClient
        RpcGetValue RpcServer RpcServerRegister RpcServerStart SaveDataset SaveDatasetV2 ScatterNdMax
        ScatterNdMin SegmentMaxV2 SegmentMinV2 SegmentProdV2 SegmentSumV2 Send ShuffleAndRepeatDatasetV2
        ShuffleDatasetV3 SleepIdentityOp SleepOp SnapshotChunkDataset SnapshotDatasetReader SnapshotDatasetV2
        SnapshotNestedDatasetReader SobolSample SparseBincount SparseCountSparseOutput SparseCrossHashed
        SparseCrossV2 SparseMatrixAdd SparseMatrixMatMul SparseMatrixMul SparseMatrixNNZ SparseMatrixOrderingAMD
        SparseMatrixSoftmax SparseMatrixSoftmaxGrad SparseMatrixSparseCholesky SparseMatrixSparseMatMul
        SparseMatrixTranspose SparseMatrixZeros SparseSegmentMeanGradV2 SparseSegmentSqrtNGradV2
        SparseSegmentSumGrad SparseSegmentSumGradV2 SparseTensorToCSRSparseMatrix Spence SplitDedupData
        StatelessCase StatelessParameterizedTruncatedNormal StatelessRandomBinomial StatelessRandomGammaV2
        StatelessRandomGammaV3 StatelessRandomGetAlg StatelessRandomGetKeyCounter
        StatelessRandomGetKeyCounterAlg StatelessRandomNormalV2 StatelessRandomPoisson
        StatelessRandomUniformFullInt StatelessRandomUniformFullIntV2 StatelessRandomUniformIntV2
        StatelessRandomUniformV2 StatelessSampleDistortedBoundingBox StatelessShuffle StatelessTruncatedNormalV2
        StochasticCastToInt SyncDevice TFRecordDatasetV2 TensorMapErase TensorMapHasKey TensorMapInsert
        TensorMapLookup TensorMapSize TensorMapStackKeys TensorScatterMax TensorScatterMin TfLiteSubgraphExecute
        ToBool TopKUnique TopKWithUnique UncompressElement UniformDequantize UniformQuantize UniformQuantizedAdd
        UniformQuantizedClipByValue UniformQuantizedConvolution UniformQuantizedConvolutionHybrid
        UniformQuantizedDot UniformQuantizedDotHybrid UniformRequantize WindowOp Xlog1py
    """.split(),
    "2.21": """
        CalibrationStatisticsSaver CheckPinned ComputeDedupDataSize ComputeDedupDataSizeV2
        ComputeDedupDataTupleMaskV2 ConvertToCooTensor ConvertToListOfSparseCoreCooTensors
        ConvertToSparseCoreCsrWrappedCooTensor DatasetFingerprint DecodeJxl DecodeWebP
        GetMinibatchSplitsWithPhysicalReplica GetMinibatchesInCsrWithPhysicalReplica
        GetStatsFromListOfSparseCoreCooTensors GlobalIterId GlobalShuffleDataset IndexFlatMapDataset
        IteratorGetModelProto ListSnapshotChunksDataset SortListOfSparseCoreCooTensors
        StoreMinibatchStatisticsInFdo UpdateTaskIdAndGlobalCoreArray WeightedFlatMapDataset
    """.split(),
}

_table: Dict[Tuple[str, str], Tuple[Optional[Any], str]] = {}


def attributes() -> Dict[Tuple[str, str], Tuple[Optional[Any], str]]:
    """``ATTRIBUTES`` by (op, attribute): the default as an ``AttrValue`` (``None``: any value), and the release."""
    if not _table:
        filled = {}
        for entry in ATTRIBUTES:
            default = _tf.text_format.Parse(entry.default, _tf.tf.AttrValue()) if entry.default else None
            filled.update({(op, entry.name): (default, entry.release) for op in entry.ops.split()})
        _table.update(filled)
    return _table


def is_default(value: Any, default: Optional[Any]) -> bool:
    return default is None or value == default
