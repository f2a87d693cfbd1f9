"""The one door to TensorFlow: every other module of graph_tools and tf1_ig reaches it through this file.

TensorFlow itself is imported at the first use of an attribute, so that ``import tf1_ig`` is quick, a saved result can
be shown on a machine without TensorFlow, and a missing TensorFlow is one clear error. Importing changes nothing in the
process: TF 2 behaviour (eager execution, control flow v2, resource variables) stays as the program set it.

Every private symbol of TensorFlow that the project uses is named in ``_load`` with the releases it was checked on;
a new release of TensorFlow should change this file and no other.
"""

import contextlib
import threading
from typing import Any

from graph_tools.errors import TensorFlowMissingError

_lock = threading.RLock()
_INSTALL = ("pip install 'tf1-ig[tf]' (newest TensorFlow 2.x), or, for Python 3.7, pip install 'tf1-ig[tf1]' "
            "(TensorFlow 1.15)")


def __getattr__(name: str) -> Any:
    """First use of any TensorFlow symbol: import TensorFlow and fill this module (PEP 562)."""
    if name.startswith("__"):
        raise AttributeError(name)
    with _lock:
        if "tf" not in globals():
            globals().update(_load())
    try:
        return globals()[name]
    except KeyError:
        raise AttributeError("graph_tools._tf has no symbol %r" % name) from None


def _load() -> dict:
    try:
        import tensorflow
        import tensorflow.compat.v1 as tf
    except ImportError as missing:
        raise TensorFlowMissingError("TensorFlow cannot be imported (%s); install it: %s" % (missing, _INSTALL)) from (
            missing)
    from google.protobuf import message, text_format

    # Private, checked on 1.15.5, 2.15.1, 2.21.0.
    from tensorflow.core.framework import function_pb2, variable_pb2
    from tensorflow.core.protobuf import (
        config_pb2,
        control_flow_pb2,
        meta_graph_pb2,
        queue_runner_pb2,
        saved_model_pb2,
        saver_pb2,
        trackable_object_graph_pb2,
    )
    from tensorflow.python.feature_column import feature_column, feature_column_v2
    from tensorflow.python.framework import op_def_registry, ops, tensor_util
    from tensorflow.python.grappler import item as grappler_item

    # Functional loops have gradients on 1.15 as well, once this module is imported; TensorFlow 1.15 itself waits.
    from tensorflow.python.ops import (
        cond_v2,
        control_flow_ops,
        control_flow_util,
        gen_io_ops,
        gen_lookup_ops,
        gen_resource_variable_ops,
        gen_state_ops,
        tensor_array_grad,
        while_v2,
    )
    from tensorflow.python.saved_model import model_utils

    return {
        "tf": tf,
        "tensorflow": tensorflow,
        "version": tuple(int(part) for part in tensorflow.__version__.split(".")[:2]),
        "function_pb2": function_pb2,
        "control_flow_pb2": control_flow_pb2,
        "queue_runner_pb2": queue_runner_pb2,
        "saver_pb2": saver_pb2,
        "variable_pb2": variable_pb2,
        "op_def_registry": op_def_registry,
        "ops": ops,
        "control_flow_ops": control_flow_ops,
        "control_flow_util": control_flow_util,
        "functional_control_flow": (cond_v2, while_v2),
        "context_from_proto": control_flow_ops.from_control_flow_context_def,
        "get_context": lambda op: op._get_control_flow_context(),
        "output_context": control_flow_util.GetOutputContext,
        "loop_of": lambda op: control_flow_util.GetContainingWhileContext(op._get_control_flow_context()),
        "set_context": lambda op, context: op._set_control_flow_context(context),
        "update_input": lambda op, slot, tensor: op._update_input(slot, tensor),
        "set_string_attr": lambda op, name, text: op._set_attr(name, tf.AttrValue(s=text.encode("utf-8"))),
        "refuse_gradient": _refuse_gradient,
        "set_gradient_function": _set_gradient_function,
        "name_gradient": _name_gradient,
        "graph_analyser": grappler_item.Item,
        "gradient_source": tensor_array_grad._GetGradSource,
        "feature_column_modules": (feature_column, feature_column_v2),
        "feature_column_builders": (feature_column._LazyBuilder, feature_column_v2.FeatureTransformationCache),
        # FeatureColumn moved to a module of its own after 1.15.
        "feature_column_bases": (feature_column._FeatureColumn,
                                 getattr(feature_column_v2, "fc_types", feature_column_v2).FeatureColumn),
        "raw_assign_resource": gen_resource_variable_ops.assign_variable_op,
        "raw_assign_ref": lambda ref, value: gen_state_ops.assign(ref, value, validate_shape=False),
        "gradient_function": ops.get_gradient_function,
        "make_ndarray": tensor_util.MakeNdarray,
        "make_callable": lambda session, fetches, feeds: session._make_callable_from_options(
            config_pb2.CallableOptions(fetch=fetches, feed=feeds)),
        "model_utils": model_utils,
        "raw_restore": gen_io_ops.restore_v2,
        "raw_save": gen_io_ops.save_v2,
        "raw_table_import": gen_lookup_ops.lookup_table_import_v2,
        "AssetFileDef": meta_graph_pb2.AssetFileDef,
        "SavedModel": saved_model_pb2.SavedModel,
        "TrackableObjectGraph": trackable_object_graph_pb2.TrackableObjectGraph,
        "DecodeError": message.DecodeError,
        "text_format": text_format,
        "TextParseError": text_format.ParseError,
    }


def registered_ops() -> dict:
    """Every op that the running TensorFlow knows at this moment, as ``OpDef`` by name (custom libraries included)."""
    from tensorflow.core.framework import op_def_pb2
    try:  # 2.15.1, 2.21.0
        from tensorflow.python.client.pywrap_tf_session import TF_GetAllOpList, TF_GetBuffer
    except ImportError:  # 1.15.5
        from tensorflow.python.pywrap_tensorflow import TF_GetAllOpList, TF_GetBuffer
    ops = op_def_pb2.OpList()
    ops.ParseFromString(bytes(TF_GetBuffer(TF_GetAllOpList())))
    return {op.name: op for op in ops.op}


_threads = (0, 0)


@contextlib.contextmanager
def session_threads(intra: int, inter: int):
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


def session_config():
    """The ``tf.ConfigProto`` of every session we open ourselves.

    The meta-optimizer is off: on TF 1.15 it hangs on some restored loops, on 2.x it overflows the stack on very deep
    graphs, and it can reorder float arithmetic between two otherwise equal runs.
    """
    config = __getattr__("tf").ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    config.intra_op_parallelism_threads, config.inter_op_parallelism_threads = _threads
    return config


@contextlib.contextmanager
def control_flow_v1():
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


def shapes_of_outputs(meta_graph) -> dict:
    """What TensorFlow's graph analyser knows of every node's outputs; nothing of a graph that it refuses.

    It aborts the process when two nodes have one name.
    """
    try:
        return __getattr__("graph_analyser")(meta_graph).GetOpProperties()
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


def _refuse_gradient(context) -> None:
    """Lets ``tf.gradients`` refuse a loop as it refuses second derivatives of loops that it has built itself."""
    context._grad_state = _FrozenGradient()


def _set_gradient_function(op, gradient) -> None:
    """Lets ``tf.gradients`` use ``gradient`` for this one op, unless somebody gave it one of its own."""
    if hasattr(op, "_gradient_function"):  # from 2.x on; checked on 2.15.1, 2.21.0
        op._gradient_function = op._gradient_function or gradient
        return
    if not __getattr__("control_flow_util").ENABLE_CONTROL_FLOW_V2 or "_gradient_op_type" in op.node_def.attr:
        return
    # 1.15.5 with control flow v2 switched on: an op can only name a registered gradient.
    _name_gradient(op, "GraphTools" + op.type, gradient)


def _name_gradient(op, name: str, gradient) -> None:
    """Lets ``tf.gradients`` use ``gradient`` for this op, by a name that is registered once for this module.

    TensorFlow forgets no name: a module that is loaded again registers names of its own.
    """
    tf, name = __getattr__("tf"), "%s%x" % (name, id(_registered))
    with _lock:
        if name not in _registered:
            tf.RegisterGradient(name)(gradient)
            _registered.add(name)
    op._set_attr("_gradient_op_type", tf.AttrValue(s=name.encode("utf-8")))


_registered = set()
