"""What a node can do besides computing: each writes, reads, calls out, calls Python or ends the process.

A harm adds its nodes to a body; the one called ``harm`` does it when it runs.
"""

from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple

import numpy as np

from graph_tools import _tf
from tests.attacks.body import Body, D, Dtype, F, Function, L, N, S, Shape, known
from tests.models.hostile import Place

LONG = "int64"


class Harm(NamedTuple):
    """How it is built, which ops it needs, and the type of its first output, where that is a tensor."""

    build: Callable[[Body, Place], Any]
    ops: Tuple[str, ...]
    gives: Optional[Any] = None


HARMS: Dict[str, Harm] = {}


def _simple(name: str, op: str, inputs: Callable[[Body, Place], tuple], gives=None, **attrs: Any) -> None:
    def build(body: Body, place: Place) -> None:
        made = {key: value(place) if callable(value) else value for key, value in attrs.items()}
        body.add("harm", op, *inputs(body, place), **made)
    HARMS[name] = Harm(build, (op,), gives)


def _const(name: str, value: Any, dtype: Any = None) -> Callable[[Body, Place], str]:
    return lambda body, place: body.const(name, value(place) if callable(value) else value, dtype)


def _consts(*makers: Callable[[Body, Place], str]) -> Callable[[Body, Place], tuple]:
    return lambda body, place: tuple(make(body, place) for make in makers)


def _target(place: Place) -> str:
    return place.target


def _secret(place: Place) -> str:
    return place.secret


def _url(place: Place) -> list:
    return [b"file://" + place.target.encode()]


def _grpc(place: Place) -> list:
    return [b"grpc://localhost:%d" % place.port]


TO, FROM, TEXT = _const("path", _target), _const("path", _secret), _const("text", "gotcha")
NUMBER, NAMES, SLICES = _const("number", [3.0]), _const("names", ["a"]), _const("slices", [""])
PLAIN, ZERO = _const("plain", ""), _const("zero", 0, LONG)

# ---- writing
_simple("write_file", "WriteFile", _consts(TO, TEXT))
_simple("print_to_file", "PrintV2", _consts(TEXT), output_stream=lambda place: b"file://" + place.target.encode())
_simple("save_v2", "SaveV2", _consts(TO, NAMES, SLICES, NUMBER), dtypes=[F])
_simple("save_slices", "SaveSlices", _consts(TO, NAMES, SLICES, NUMBER), T=[F])
_simple("save_v1", "Save", _consts(TO, NAMES, NUMBER), T=[F])

# ---- reading
_simple("read_file", "ReadFile", _consts(FROM), S)
_simple("matching_files", "MatchingFiles", _consts(_const("path", lambda place: place.secret + "*")), S)
_simple("immutable_const", "ImmutableConst", _consts(), F, dtype=F, shape=Shape((1,)),
        memory_region_name=lambda place: place.secret.encode())
_simple("vocabulary_remapping", "GenerateVocabRemapping", _consts(FROM, _const("old", _secret)), L,
        new_vocab_offset=0, num_new_vocab=1, old_vocab_size=-1)
_simple("restore_v2", "RestoreV2", _consts(FROM, NAMES, SLICES), F, dtypes=[F])
_simple("restore_v1", "Restore", _consts(FROM, _const("name", "a")), F, dt=F)
_simple("restore_slice", "RestoreSlice", _consts(FROM, _const("name", "a"), PLAIN), F, dt=F)
_simple("load_and_remap_matrix", "LoadAndRemapMatrix", _consts(
    FROM, _const("name", "a"), _const("rows", [0], LONG), _const("columns", [0], LONG),
    _const("initial", [], "float32")), F, num_rows=1, num_cols=1)
_simple("merge_checkpoints", "MergeV2Checkpoints", _consts(_const("parts", lambda place: [place.secret]), TO))
_simple("sampler_vocabulary", "FixedUnigramCandidateSampler", _consts(_const("classes", [[0]], LONG)), L, num_true=1,
        num_sampled=1, unique=False, range_max=2, vocab_file=lambda place: place.secret.encode())
_simple("record_input", "RecordInput", _consts(), S, file_pattern=lambda place: place.secret.encode(), batch_size=1)
_simple("decode_proto", "DecodeProtoV2", _consts(_const("bytes", [""])), N, message_type=b"a.B", field_names=[b"c"],
        output_types=[N], descriptor_source=lambda place: place.secret.encode())
_simple("encode_proto", "EncodeProto", _consts(_const("sizes", [[1]]), _const("values", [[1]])), S,
        message_type=b"a.B", field_names=[b"c"], Tinput_types=[N],
        descriptor_source=lambda place: place.secret.encode())
_simple("skipgram", "Skipgram", _consts(), S, filename=lambda place: place.secret.encode(), batch_size=1)

# ---- what passes through
_DEBUG = dict(device_name=b"", tensor_name=b"a:0")
_simple("debug_identity", "DebugIdentity", _consts(NUMBER), F, T=F, debug_urls=_url, gated_grpc=False, **_DEBUG)
_simple("debug_identity_grpc", "DebugIdentity", _consts(NUMBER), F, T=F, debug_urls=_grpc, gated_grpc=False, **_DEBUG)
_simple("debug_nan_count", "DebugNanCount", _consts(NUMBER), L, T=F, debug_urls=_url, gated_grpc=False, **_DEBUG)
_simple("debug_summary", "DebugNumericSummary", _consts(NUMBER), D, T=F, debug_urls=_url, gated_grpc=False, **_DEBUG)
_simple("debug_identity_v2", "DebugIdentityV2", _consts(NUMBER), F, T=F, tensor_debug_mode=4, op_name=b"a",
        tfdbg_run_id=b"run", circular_buffer_size=0, debug_urls=_url)
_simple("debug_identity_v3", "DebugIdentityV3", _consts(NUMBER), F, T=F, debug_urls=_url, gated_grpc=False, **_DEBUG)

# ---- Python, the process, other processes
_simple("py_func", "PyFunc", _consts(), F, Tin=[], Tout=[F], token=b"pyfunc_0")
_simple("py_func_stateless", "PyFuncStateless", _consts(), F, Tin=[], Tout=[F], token=b"pyfunc_0")
_simple("abort", "Abort", _consts(), error_msg=b"gotcha", exit_without_error=True)


def _remote_call(body: Body, place: Place) -> None:
    inner = body.define("remote_body")
    HARMS["write_file"].build(inner, place)
    inner.const("one", 1.0)
    inner.add("after", "Identity", "one", "^harm", T=F)
    inner.returns("after")
    body.add("harm", "RemoteCall", body.const("where", "/cpu:0"), Tin=[], Tout=[F], f=Function("remote_body"))


HARMS["remote_call"] = Harm(_remote_call, ("RemoteCall",), F)


# ---- data sets


def _elements(body: Body, kind=F, value: Any = (1.0,)) -> str:
    return body.add("data", "TensorDataset", body.const("element", value), Toutput_types=[kind],
                    output_shapes=[Shape((1,))])


def _taken(body: Body, source: str, kind=F, shape=(1,)) -> None:
    body.add("harm", "DatasetToSingleElement", source, output_types=[kind], output_shapes=[Shape(shape)])


_TYPED = dict(output_types=[F], output_shapes=[Shape((1,))])


def _cached(body: Body, place: Place) -> None:
    _taken(body, body.add("cached", "CacheDataset", _elements(body), TO(body, place), **_TYPED))


def _cached_v2(body: Body, place: Place) -> None:
    _taken(body, body.add("cached", "CacheDatasetV2", _elements(body), TO(body, place),
                          body.add("memory", "DummyMemoryCache"), **_TYPED))


def _snapshot(body: Body, place: Place) -> None:
    _taken(body, body.add("snapshot", "SnapshotDataset", _elements(body), TO(body, place), **_TYPED))


def _shards(body: Body) -> None:
    sharding = body.define("sharding", 1)
    sharding.const("shard", 0, LONG)
    sharding.add("first", "Identity", "shard", T=L)
    sharding.returns("first", kind=9)


def _snapshot_v2(body: Body, place: Place) -> None:
    _shards(body)
    reading = body.define("reading", 21)
    reading.add("same", "Identity", "a0", T=Dtype(21))
    reading.returns("same", kind=21)
    _taken(body, body.add(
        "snapshot", "SnapshotDatasetV2", _elements(body), TO(body, place), reader_func=Function("reading"),
        shard_func=Function("sharding"), Treader_func_args=[], Tshard_func_args=[], **_TYPED))


def _save_data_set(body: Body, place: Place) -> None:
    _shards(body)
    body.add("harm", "SaveDataset", _elements(body), TO(body, place), shard_func=Function("sharding"),
             use_shard_func=False, Tshard_func_args=[])


def _save_data_set_v2(body: Body, place: Place) -> None:
    _shards(body)
    _taken(body, body.add("saved", "SaveDatasetV2", _elements(body), TO(body, place), shard_func=Function("sharding"),
                          use_shard_func=False, Tshard_func_args=[], **_TYPED))


def _to_records(op: str) -> Callable[[Body, Place], None]:
    def build(body: Body, place: Place) -> None:
        body.const("element", "gotcha")
        body.add("data", "TensorDataset", "element", Toutput_types=[S], output_shapes=[Shape(())])
        body.add("harm", op, "data", TO(body, place), PLAIN(body, place))
    return build


def _register(op: str) -> Callable[[Body, Place], None]:
    def build(body: Body, place: Place) -> None:
        body.add("harm", op, _elements(body), body.const("address", "localhost:%d" % place.port),
                 body.const("protocol", "grpc"), external_state_policy=1)
    return build


def _distributed_save(body: Body, place: Place) -> None:
    body.add("harm", "DistributedSave", _elements(body), TO(body, place),
             body.const("address", "localhost:%d" % place.port))


def _files(op: str, kind: Any, *inputs: Callable[[Body, Place], str], **attrs: Any):
    def build(body: Body, place: Place) -> None:
        _taken(body, body.add("files", op, *[make(body, place) for make in inputs], **attrs), kind, ())
    return build


def _sql(op: str) -> Callable[[Body, Place], None]:
    def build(body: Body, place: Place) -> None:
        _taken(body, body.add("files", op, body.const("driver", "sqlite"), body.const("source", place.secret),
                              body.const("query", "select 1"), output_types=[N], output_shapes=[Shape(())]), N, ())
    return build


def _csv(op: str) -> Callable[[Body, Place], None]:
    def build(body: Body, place: Place) -> None:
        inputs = [FROM(body, place), PLAIN(body, place), body.const("buffer", 16, LONG), body.const("header", False),
                  body.const("comma", ","), body.const("quoted", False), body.const("none", ""),
                  body.const("columns", [], LONG), body.const("default", [0.0])]
        if op == "CSVDatasetV2":
            inputs.append(body.const("excluded", [], LONG))
        _taken(body, body.add("files", op, *inputs, output_types=[F], output_shapes=[Shape(())]), F, ())
    return build


BUFFER = _const("buffer", 0, LONG)
_FIXED = [FROM, _const("header", 0, LONG), _const("record", 3, LONG), _const("footer", 0, LONG), BUFFER]
_LOAD = dict(output_types=[F], output_shapes=[Shape(())])
for _name, _ops, _build, _gives in (
        ("cached_data_set", ("CacheDataset",), _cached, F),
        ("cached_data_set_v2", ("CacheDatasetV2", "DummyMemoryCache"), _cached_v2, F),
        ("snapshot", ("SnapshotDataset",), _snapshot, F),
        ("snapshot_v2", ("SnapshotDatasetV2",), _snapshot_v2, F),
        ("save_data_set", ("SaveDataset",), _save_data_set, None),
        ("save_data_set_v2", ("SaveDatasetV2",), _save_data_set_v2, F),
        ("to_records", ("DatasetToTFRecord",), _to_records("DatasetToTFRecord"), None),
        ("to_records_1", ("ExperimentalDatasetToTFRecord",), _to_records("ExperimentalDatasetToTFRecord"), None),
        ("register_data_set", ("RegisterDataset",), _register("RegisterDataset"), L),
        ("register_data_set_v2", ("RegisterDatasetV2",), _register("RegisterDatasetV2"), S),
        ("distributed_save", ("DistributedSave",), _distributed_save, None),
        ("text_lines", ("TextLineDataset",), _files("TextLineDataset", S, FROM, PLAIN, BUFFER), S),
        ("records", ("TFRecordDataset",), _files("TFRecordDataset", S, FROM, PLAIN, BUFFER), S),
        ("fixed_length", ("FixedLengthRecordDataset",), _files("FixedLengthRecordDataset", S, *_FIXED), S),
        ("lmdb", ("LMDBDataset",), _files("LMDBDataset", S, FROM, **_LOAD), S),
        ("lmdb_1", ("ExperimentalLMDBDataset",), _files("ExperimentalLMDBDataset", S, FROM, **_LOAD), S),
        ("matching_data_set", ("MatchingFilesDataset",), _files("MatchingFilesDataset", S, FROM), S),
        ("matching_data_set_1", ("ExperimentalMatchingFilesDataset",),
         _files("ExperimentalMatchingFilesDataset", S, FROM), S),
        ("sql", ("SqlDataset",), _sql("SqlDataset"), N), ("sql_1", ("ExperimentalSqlDataset",),
                                                          _sql("ExperimentalSqlDataset"), N),
        ("csv_1", ("ExperimentalCSVDataset",), _csv("ExperimentalCSVDataset"), F),
        ("csv_2", ("CSVDatasetV2",), _csv("CSVDatasetV2"), F)):
    HARMS[_name] = Harm(_build, _ops + ("DatasetToSingleElement",), _gives)

# ---- summaries, readers, tables


def _writer(body: Body) -> str:
    return body.add("writer", "SummaryWriter", shared_name=b"w", container=b"")


def _file_writer(body: Body, place: Place, name: str = "harm") -> str:
    return body.add(name, "CreateSummaryFileWriter", _writer(body), TO(body, place), body.const("queue", 1),
                    body.const("wait", 1), body.const("suffix", ".x"))


def _data_base(body: Body, place: Place) -> None:
    body.add("harm", "CreateSummaryDbWriter", _writer(body), body.const("uri", "file:" + place.target),
             body.const("e", "e"), body.const("r", "r"), body.const("u", "u"))


def _scalar_summary(body: Body, place: Place) -> None:
    made = _file_writer(body, place, "made")
    body.add("harm", "WriteScalarSummary", "writer", body.const("step", 1, LONG), body.const("tag", "t"),
             body.const("value", 1.0), "^" + made, T=F)


def _reader(op: str) -> Callable[[Body, Place], None]:
    def build(body: Body, place: Place) -> None:
        queue = body.add("queue", "FIFOQueueV2", component_types=[S])
        body.add("filled", "QueueEnqueueV2", queue, FROM(body, place), Tcomponents=[S])
        reader = body.add("reader", op, container=b"", shared_name=b"r")
        body.add("harm", "ReaderReadV2", reader, queue, "^filled")
    return build


def _table(body: Body, place: Place) -> None:
    table = body.add("hidden_table", "HashTableV2", key_dtype=S, value_dtype=L, shared_name=b"hidden")
    body.add("harm", "InitializeTableFromTextFileV2", table, FROM(body, place), key_index=-2, value_index=-1,
             vocab_size=-1, delimiter=b"\t")


for _name, _ops, _build, _gives in (
        ("summary_writer", ("CreateSummaryFileWriter",), _file_writer, None),
        ("summary_data_base", ("CreateSummaryDbWriter",), _data_base, None),
        ("scalar_summary", ("WriteScalarSummary",), _scalar_summary, None),
        ("whole_file_reader", ("WholeFileReaderV2",), _reader("WholeFileReaderV2"), S),
        ("text_line_reader", ("TextLineReaderV2",), _reader("TextLineReaderV2"), S),
        ("record_reader", ("TFRecordReaderV2",), _reader("TFRecordReaderV2"), S),
        ("table_file", ("InitializeTableFromTextFileV2",), _table, None)):
    HARMS[_name] = Harm(_build, _ops, _gives)


def there() -> Dict[str, Harm]:
    """The harms that the running release knows the ops of."""
    return {name: harm for name, harm in HARMS.items() if known(*harm.ops)}


def python_of_ours(place: Place) -> Any:
    """Registers a Python function of this process, as a program that uses ``tf.py_func`` does; it writes the target."""
    def mine() -> np.ndarray:
        with open(place.target, "w", encoding="utf-8") as file:
            file.write("called")
        return np.ones((), np.float32)

    with _tf.tf.Graph().as_default():
        return _tf.tf.py_func(mine, [], _tf.tf.float32)
