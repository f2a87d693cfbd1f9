"""A Model over an edited GraphDef: function library, collections, signatures, saver and assets follow the nodes."""

from typing import Callable, Dict, List, Mapping, Set, Tuple

from graph_tools import _tf
from graph_tools.graph import functions, names

Renamed = Mapping[str, str]


def rebuild(model, graph_def, renamed: Renamed = ()) -> Tuple[object, List[str]]:
    """The model over ``graph_def``, and a note for each thing that could not follow.

    Args:
      model: the model before the edit; it is left as it is.
      graph_def: the edited GraphDef. Functions of its library that no node calls are dropped from it.
      renamed: new tensor name by old one; signatures and collections of names are rewritten.
    """
    renamed = dict(renamed)
    graph_def.library.CopyFrom(functions.trimmed(graph_def.library, graph_def.node))
    edited = model.with_graph_def(graph_def)
    meta_graph, kept = edited.meta_graph, {node.name for node in graph_def.node}
    notes = _rewrite_signatures(meta_graph, kept, renamed)
    _rewrite_collections(meta_graph, kept, renamed)
    if meta_graph.saver_def.filename_tensor_name and not all(
            names.parse(name).node in kept for name in (meta_graph.saver_def.filename_tensor_name,
                                                        meta_graph.saver_def.save_tensor_name,
                                                        meta_graph.saver_def.restore_op_name)):
        meta_graph.ClearField("saver_def")
    assets = [asset for asset in meta_graph.asset_file_def if names.parse(asset.tensor_info.name).node in kept]
    del meta_graph.asset_file_def[:]
    meta_graph.asset_file_def.extend(assets)
    return edited, notes


# ---- signatures


def _rewrite_signatures(meta_graph, kept: Set[str], renamed: Renamed) -> List[str]:
    notes = []
    for key in sorted(meta_graph.signature_def):
        signature = meta_graph.signature_def[key]
        infos = [info for side in (signature.inputs, signature.outputs) for info in side.values()]
        tensors = [tensor for info in infos for tensor in _tensors_of(info)]
        lost = [name for get, _ in tensors for name in [renamed.get(get(), get())]
                if name and names.parse(name).node not in kept]
        if lost:
            notes.append("signature %r is dropped: %s is not in the graph any more" % (key, ", ".join(sorted(lost))))
            del meta_graph.signature_def[key]
            continue
        for get, put in tensors:
            if get() in renamed:
                put(renamed[get()])
    return notes


def _tensors_of(info) -> List[Tuple[Callable[[], str], Callable[[str], None]]]:
    """Readers and writers of the tensor names in a ``TensorInfo``."""
    if info.WhichOneof("encoding") == "coo_sparse":
        fields = ["values_tensor_name", "indices_tensor_name", "dense_shape_tensor_name"]
        return [_field(info.coo_sparse, field) for field in fields]
    if info.WhichOneof("encoding") == "composite_tensor":
        return [pair for part in info.composite_tensor.components for pair in _tensors_of(part)]
    return [_field(info, "name")]


def _field(message, field: str):
    return (lambda: getattr(message, field)), (lambda value: setattr(message, field, value))


# ---- collections


def _rewrite_collections(meta_graph, kept: Set[str], renamed: Renamed) -> None:
    for key in list(meta_graph.collection_def):
        collection = meta_graph.collection_def[key]
        kind = collection.WhichOneof("kind")
        if kind == "node_list":
            entries = [renamed.get(entry, entry) for entry in collection.node_list.value]
            _replace(collection.node_list.value, [e for e in entries if names.parse(e).node in kept])
            left = len(collection.node_list.value)
        elif kind == "bytes_list" and key in _protos():
            entries = [_follow(_protos()[key], entry, kept) for entry in collection.bytes_list.value]
            _replace(collection.bytes_list.value, [entry for entry in entries if entry is not None])
            left = len(collection.bytes_list.value)
        else:
            continue
        if not left:
            del meta_graph.collection_def[key]


def _replace(repeated, values) -> None:
    values = list(values)
    del repeated[:]
    repeated.extend(values)


def _protos() -> Dict[str, Tuple[type, Callable]]:
    """How to read the serialized entries of the collections that name nodes, and what of an entry must be there."""
    tf, control_flow_pb2 = _tf.tf, _tf.control_flow_pb2
    keys = tf.GraphKeys
    variables = {key: (_tf.variable_pb2.VariableDef, lambda entry: [entry.variable_name]) for key in (
        keys.GLOBAL_VARIABLES, keys.LOCAL_VARIABLES, keys.MODEL_VARIABLES, keys.TRAINABLE_VARIABLES,
        keys.MOVING_AVERAGE_VARIABLES, keys.METRIC_VARIABLES, keys.CONCATENATED_VARIABLES,
        "trainable_resource_variables", keys.GLOBAL_STEP)}
    return dict(variables, **{
        keys.QUEUE_RUNNERS: (_tf.queue_runner_pb2.QueueRunnerDef, lambda entry: [
            entry.queue_name, entry.close_op_name, entry.cancel_op_name] + list(entry.enqueue_op_name)),
        keys.SAVERS: (_tf.saver_pb2.SaverDef, lambda entry: [
            entry.filename_tensor_name, entry.save_tensor_name, entry.restore_op_name]),
        keys.COND_CONTEXT: (control_flow_pb2.CondContextDef, lambda entry: [entry.pivot_name, entry.pred_name]),
        keys.WHILE_CONTEXT: (control_flow_pb2.WhileContextDef, lambda entry: [
            entry.pivot_name, entry.pivot_for_pred_name]),
    })


def _follow(reader, entry: bytes, kept: Set[str]):
    """A serialized entry with the names of removed nodes taken out; ``None`` when it makes no sense without them, or
    at all."""
    proto, required = reader
    try:
        message = proto.FromString(entry)
    except _tf.DecodeError:
        return None
    if not all(names.parse(name).node in kept for name in required(message) if name):
        return None
    if hasattr(message, "nested_contexts"):
        _trim_context(message, kept)
        return message.SerializeToString()
    return entry


def _trim_context(context, kept: Set[str]) -> None:
    """Takes removed nodes out of a control-flow context, its nested ones included."""
    _replace(context.values_def.values, [v for v in context.values_def.values if names.parse(v).node in kept])
    for inner, outer in list(context.values_def.external_values.items()):
        if names.parse(inner).node not in kept or names.parse(outer).node not in kept:
            del context.values_def.external_values[inner]
    nested = [inner for inner in context.nested_contexts
              if names.parse(_inside(inner).pivot_name).node in kept]
    for inner in nested:
        _trim_context(_inside(inner), kept)
    copies = [type(inner).FromString(inner.SerializeToString()) for inner in nested]
    del context.nested_contexts[:]
    context.nested_contexts.extend(copies)


def _inside(context):
    return getattr(context, context.WhichOneof("ctxt"))
