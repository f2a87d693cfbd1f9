"""The one door to TensorFlow: every other module of graph_tools and tf1_ig reaches it through this file.

TensorFlow itself is imported at the first use of an attribute, so that ``import tf1_ig`` is quick, a saved result can
be shown on a machine without TensorFlow, and a missing TensorFlow is one clear error. Importing changes nothing in the
process: TF 2 behaviour (eager execution, control flow v2, resource variables) stays as the program set it.

Every private symbol of TensorFlow that the project uses is a line in SYMBOLS: where it is, in the order tried, and what
needs it. It is looked up when it is first used, so that one that a new release has moved or taken away is an error of
what needs it and of nothing else; a place more in its line mends that. Private attributes of TensorFlow's objects are
read by the functions below and nowhere else.
"""

import contextlib
import sys
import threading
from typing import Any, Dict, Iterable, Mapping, NamedTuple, Optional, Set, Tuple

from graph_tools.errors import ModelFormatError, TensorFlowMissingError, TensorFlowSymbolError

CHECKED = "1.15.5, 2.15.1 and 2.21.0"  # the releases on which every line below was checked
_lock = threading.RLock()
_INSTALL = ("pip install 'tf1-ig[tf]' (newest TensorFlow 2.x), or, for Python 3.7, pip install 'tf1-ig[tf1]' "
            "(TensorFlow 1.15)")


class Symbol(NamedTuple):
    """A private symbol.

    Attributes:
      needed: what cannot be done without it.
      places: ``"module:name"`` in the order tried; ``"module"`` is the module itself.
    """

    needed: str
    places: Tuple[str, ...]


def _proto(needed: str, place: str) -> Symbol:
    return Symbol(needed, ("tensorflow.core." + place,))


def _python(needed: str, *places: str) -> Symbol:
    return Symbol(needed, tuple("tensorflow.python." + place for place in places))


_COLUMNS = "feature_column.feature_column"
SYMBOLS: Dict[str, Symbol] = {
    # Messages that have no public name.
    "control_flow_pb2": _proto("loops and branches", "protobuf.control_flow_pb2"),
    "queue_runner_pb2": _proto("edits of a graph with queue runners", "protobuf.queue_runner_pb2"),
    "saver_pb2": _proto("edits of a graph with a saver", "protobuf.saver_pb2"),
    "variable_pb2": _proto("edits of a graph with variables", "framework.variable_pb2"),
    "AssetFileDef": _proto("saving assets", "protobuf.meta_graph_pb2:AssetFileDef"),
    "SavedModel": _proto("SavedModels", "protobuf.saved_model_pb2:SavedModel"),
    "TrackableObjectGraph": _proto("checkpoints of TensorFlow 2",
                                   "protobuf.trackable_object_graph_pb2:TrackableObjectGraph"),
    "_CallableOptions": _proto("running a graph", "protobuf.config_pb2:CallableOptions"),
    "_OpList": _proto("knowing the ops of this release", "framework.op_def_pb2:OpList"),
    # The ops of this process: the first place from 2.15.1 on, the second on 1.15.5.
    "_all_ops": _python("knowing the ops of this release", "client.pywrap_tf_session:TF_GetAllOpList",
                        "pywrap_tensorflow:TF_GetAllOpList"),
    "_buffer": _python("knowing the ops of this release", "client.pywrap_tf_session:TF_GetBuffer",
                       "pywrap_tensorflow:TF_GetBuffer"),
    "kernels_of": _python("knowing the kernels of this release", "framework.kernels:get_registered_kernels_for_op"),
    # Loops and branches.
    "control_flow_util": _python("gradients of loops and branches", "ops.control_flow_util"),
    "context_from_proto": _python("loops and branches", "ops.control_flow_ops:from_control_flow_context_def"),
    "output_context": _python("loops and branches", "ops.control_flow_util:GetOutputContext"),
    "_while_context_of": _python("gradients of loops", "ops.control_flow_util:GetContainingWhileContext"),
    # Functional loops have gradients on 1.15.5 as well, once these are imported; TensorFlow 1.15 itself waits.
    "_cond_v2": _python("gradients of functional branches", "ops.cond_v2"),
    "_while_v2": _python("gradients of functional loops", "ops.while_v2"),
    "gradient_source": _python("gradients of TensorArrays", "ops.tensor_array_grad:_GetGradSource"),
    "_gradient_registry": _python("gradients that a graph names", "framework.ops:_gradient_registry"),
    "gradient_function": _python("lean gradients", "framework.ops:get_gradient_function"),
    # State.
    "_make_ndarray": _python("reading constants", "framework.tensor_util:MakeNdarray"),
    "collection_writer": _python("copying a live session's collections", "framework.ops:get_to_proto_function"),
    "raw_assign_resource": _python("setting variables", "ops.gen_resource_variable_ops:assign_variable_op"),
    "_raw_assign_ref": _python("setting variables", "ops.gen_state_ops:assign"),
    "raw_restore": _python("saving variables", "ops.gen_io_ops:restore_v2"),
    "raw_save": _python("saving variables", "ops.gen_io_ops:save_v2"),
    "raw_table_import": _python("filling lookup tables", "ops.gen_lookup_ops:lookup_table_import_v2"),
    "model_utils": _python("estimators", "saved_model.model_utils"),
    "_graph_item": _python("sizes that agree in loops", "grappler.item:Item"),
    # Feature columns of both generations; FeatureColumn moved to a module of its own after 1.15.5.
    "_columns": _python("feature columns", _COLUMNS),
    "_columns_v2": _python("feature columns", _COLUMNS + "_v2"),
    "_column_base": _python("feature columns", _COLUMNS + ":_FeatureColumn"),
    "_column_base_v2": _python("feature columns", _COLUMNS + "_v2:fc_types.FeatureColumn",
                               _COLUMNS + "_v2:FeatureColumn"),
    "_column_builder": _python("feature columns", _COLUMNS + ":_LazyBuilder"),
    "_column_builder_v2": _python("feature columns", _COLUMNS + "_v2:FeatureTransformationCache"),
}

# Methods of feature columns that are wrapped while they are watched, and what each gives (those of the first generation
# have the underscore); functions likewise.
FEATURE_COLUMN_METHODS = {
    "_get_dense_tensor": "dense",
    "get_dense_tensor": "dense",
    "_get_sequence_dense_tensor": "sequence",
    "get_sequence_dense_tensor": "sequence",
    "_get_sparse_tensors": "sparse",
    "get_sparse_tensors": "sparse",
}
FEATURE_COLUMN_FUNCTIONS = {
    "_create_categorical_column_weighted_sum": "linear",
    "_create_dense_column_weighted_sum": "linear",
}


def __getattr__(name: str) -> Any:
    """First use of any TensorFlow symbol: import TensorFlow, look the symbol up and keep it (PEP 562)."""
    if name.startswith("__"):
        raise AttributeError(name)
    with _lock:
        if "tf" not in globals():
            globals().update(_load())
        if name not in globals() and name in SYMBOLS:
            globals()[name] = _resolve(name, SYMBOLS[name])
    try:
        return globals()[name]
    except KeyError:
        raise AttributeError("graph_tools._tf has no symbol %r" % name) from None


def _load() -> dict:
    """What is public, and the modules that must be imported before a graph is differentiated."""
    try:
        import tensorflow
        import tensorflow.compat.v1 as tf
    except ImportError as missing:
        raise TensorFlowMissingError("TensorFlow cannot be imported (%s); install it: %s" % (missing, _INSTALL)) from (
            missing)
    except TypeError as stripped:  # TensorFlow 1.15 and 2.15 read their docstrings while they are imported
        if sys.flags.optimize < 2:
            raise
        raise TensorFlowMissingError("this TensorFlow cannot be imported under python -OO, which takes its docstrings "
                                     "(%s); use -O, or no such flag" % stripped) from stripped
    from google.protobuf import message, text_format

    for name in ("_cond_v2", "_while_v2"):
        with contextlib.suppress(TensorFlowSymbolError):  # a graph without functional loops does not need them
            _resolve(name, SYMBOLS[name])
    return {
        "tf": tf,
        "tensorflow": tensorflow,
        "version": tuple(int(part) for part in tensorflow.__version__.split(".")[:2]),
        "DecodeError": message.DecodeError,
        "text_format": text_format,
        "TextParseError": text_format.ParseError,
    }


def _resolve(name: str, symbol: Symbol) -> Any:
    for place in symbol.places:
        module, _, path = place.partition(":")
        try:
            package, _, last = module.rpartition(".")
            # As ``from package import module`` does: on 1.15.5 the full name would import a second copy of the module.
            found = getattr(__import__(package, fromlist=[last]), last)
            for part in path.split(".") if path else ():
                found = getattr(found, part)
            return found
        except (ImportError, AttributeError):
            continue
    raise _lost(name.strip("_"), " or ".join(symbol.places), symbol.needed)


def _lost(name: str, places: str, needed: str) -> TensorFlowSymbolError:
    import tensorflow

    return TensorFlowSymbolError(
        "TensorFlow %s has no %s (looked for in %s), which is needed for %s; install a release that was checked: %s" % (
            tensorflow.__version__, name, places, needed, CHECKED))


def _private(owner: Any, name: str, needed: str) -> Any:
    """A private attribute of an object of TensorFlow's."""
    try:
        return getattr(owner, name)
    except AttributeError:
        raise _lost(name, type(owner).__name__, needed) from None


# ---- private attributes of operations, sessions and feature columns


def get_context(op: Any) -> Any:
    """The control-flow context of an op, ``None`` outside of loops and branches."""
    return _private(op, "_get_control_flow_context", "loops and branches")()


def set_context(op: Any, context: Any) -> None:
    _private(op, "_set_control_flow_context", "loops and branches")(context)


def loop_of(op: Any) -> Any:
    """The context of the loop that an op runs in, or ``None``."""
    return __getattr__("_while_context_of")(get_context(op))


def update_input(op: Any, slot: int, tensor: Any) -> None:
    """Gives an op of a live graph another input."""
    _private(op, "_update_input", "repairs of a live graph")(slot, tensor)


def set_string_attr(op: Any, name: str, text: str) -> None:
    """Sets an attribute of an op of a live graph."""
    _private(op, "_set_attr", "gradients of loops")(name, __getattr__("tf").AttrValue(s=text.encode("utf-8")))


def differentiates(op: Any) -> Any:
    """The op that an op was made for by ``tf.gradients``, or ``None``; a graph from a file does not remember."""
    return getattr(op, "_original_op", None)


def inner_session(session: Any) -> Any:
    """The session that a monitored or wrapped session holds, one level in; ``None`` where it holds none."""
    return session._tf_sess() if hasattr(session, "_tf_sess") else getattr(session, "_sess", None)


def is_closed(session: Any) -> bool:
    """Whether a ``tf.Session`` was closed."""
    return bool(_private(session, "_closed", "live sessions"))


def make_callable(session: Any, fetches: Any, feeds: Any) -> Any:
    """A prepared run of a session: names are looked up once."""
    options = __getattr__("_CallableOptions")(fetch=fetches, feed=feeds)
    return _private(session, "_make_callable_from_options", "running a graph")(options)


def raw_assign_ref(ref: Any, value: Any) -> Any:
    """Sets a variable of the first generation, whatever its shape."""
    return __getattr__("_raw_assign_ref")(ref, value, validate_shape=False)


def feature_column_modules() -> Tuple[Any, Any]:
    """The modules of both generations of feature columns."""
    return __getattr__("_columns"), __getattr__("_columns_v2")


def feature_column_builders() -> Tuple[type, type]:
    """What a layer keeps the features in that its columns have transformed."""
    return __getattr__("_column_builder"), __getattr__("_column_builder_v2")


def feature_column_bases() -> Tuple[type, type]:
    """The classes that every feature column is derived from."""
    return __getattr__("_column_base"), __getattr__("_column_base_v2")


def features_of(builder: Any) -> Any:
    """The features that a builder was made with."""
    return _private(builder, "_features", "feature columns")


def make_ndarray(tensor: Any) -> Any:
    """The value of a constant, as a numpy array."""
    try:
        return __getattr__("_make_ndarray")(tensor)
    except (TypeError, ValueError) as problem:  # torn bytes; a type that this release does not read
        raise ModelFormatError("a constant of type number %d cannot be read; the file is damaged, export it again" % (
            tensor.dtype)) from problem


_ops_known: dict = {}


def registered_ops(these: Optional[Iterable[str]] = None) -> Mapping[str, Any]:
    """Every op that the running TensorFlow knows at this moment, as ``OpDef`` by name (custom libraries included).

    TensorFlow takes long to list them; where ``these`` ops are all that is asked for, it is asked again only when one
    of them was not there before.
    """
    if these is None or not all(name in _ops_known for name in these):
        ops = __getattr__("_OpList")()
        ops.ParseFromString(bytes(__getattr__("_buffer")(__getattr__("_all_ops")())))
        _ops_known.update((op.name, op) for op in ops.op)
    return _ops_known


_threads = (0, 0)


@contextlib.contextmanager
def session_threads(intra: int, inter: int) -> Any:
    """Threads of every session that is opened meanwhile, within an op and for ops side by side; 0: TensorFlow's choice.

    TensorFlow takes the first of them from the first session of a process and keeps it, so this is for a process that
    is ours: the command line's.
    """
    global _threads
    before, _threads = _threads, (intra, inter)
    try:
        yield
    finally:
        _threads = before


def session_config() -> Any:
    """The ``tf.ConfigProto`` of every session we open ourselves.

    The meta-optimizer is off: on TF 1.15 it hangs on some restored loops, on 2.x it overflows the stack on very deep
    graphs, and it can reorder float arithmetic between two otherwise equal runs.
    """
    config = __getattr__("tf").ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    config.intra_op_parallelism_threads, config.inter_op_parallelism_threads = _threads
    return config


@contextlib.contextmanager
def control_flow_v1() -> Any:
    """Lowered (v1) control flow while a gradient is built, and nowhere else.

    TF 2 builds TensorArray gradients for functional loops unless this flag is off; a frozen graph holds the lowered
    form. The flag is the process's: it is put back on every exit, and other threads of ours wait their turn.
    """
    util = __getattr__("control_flow_util")
    with _lock:
        before = util.ENABLE_CONTROL_FLOW_V2
        util.ENABLE_CONTROL_FLOW_V2 = False
        try:
            yield
        finally:
            util.ENABLE_CONTROL_FLOW_V2 = before


# How TensorFlow's own code (1.15.5, 2.15.1 and 2.21.0) says that an op has no derivative; nothing of ours raises them
# for that. A test makes TensorFlow raise each: none is registered (truncatemod: LookupError); a loop is differentiated
# twice (TypeError); an option has none (least squares with fast=False: ValueError); its author left a case out (QR and
# singular values of unknown shape: NotImplementedError, of the gradient functions in linalg_grad.py).
GRADIENT_REFUSALS = (LookupError, TypeError, ValueError, NotImplementedError)


def shapes_of_outputs(meta_graph: Any) -> dict:
    """What TensorFlow's graph analyser knows of every node's outputs; nothing of a graph that it refuses.

    It aborts the process when two nodes have one name.
    """
    try:
        return __getattr__("_graph_item")(meta_graph).GetOpProperties()
    except (ValueError, RuntimeError):  # the graph makes no sense; an op is not known (2.15.1, 2.21.0)
        return {}
    except AttributeError:  # the same on 1.15.5, which goes on with what it has not got
        return {}


class _FrozenGradient:
    """Stands for the gradient state of a backward loop that came from a file; its forward loop is not known."""

    class _Unknown:
        outer_context = None
        grad_state = None

    forward_context = _Unknown()


def refuse_gradient(context: Any) -> None:
    """Lets ``tf.gradients`` refuse a loop as it refuses second derivatives of loops that it has built itself."""
    context._grad_state = _FrozenGradient()


def knows_gradient(name: str) -> bool:
    """Whether a gradient function of that name is registered in this process."""
    try:
        __getattr__("_gradient_registry").lookup(name)
    except LookupError:
        return False
    return True


def set_gradient_function(op: Any, gradient: Any) -> None:
    """Lets ``tf.gradients`` use ``gradient`` for this one op, unless somebody gave it one of its own."""
    if hasattr(op, "_gradient_function"):  # from 2.x on; checked on 2.15.1, 2.21.0
        op._gradient_function = op._gradient_function or gradient
        return
    if not __getattr__("control_flow_util").ENABLE_CONTROL_FLOW_V2 or "_gradient_op_type" in op.node_def.attr:
        return
    # 1.15.5 with control flow v2 switched on: an op can only name a registered gradient.
    name_gradient(op, "GraphTools" + op.type, gradient)


def name_gradient(op: Any, name: str, gradient: Any) -> None:
    """Lets ``tf.gradients`` use ``gradient`` for this op, by a name that is registered once for this module.

    TensorFlow forgets no name: a module that is loaded again registers names of its own.
    """
    tf, name = __getattr__("tf"), "%s%x" % (name, id(_registered))
    with _lock:
        if name not in _registered:
            tf.RegisterGradient(name)(gradient)
            _registered.add(name)
    op._set_attr("_gradient_op_type", tf.AttrValue(s=name.encode("utf-8")))


_registered: Set[str] = set()
