"""What follows the nodes when they change: function library, collections, signatures, saver and assets."""

from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Set, Tuple, TypeVar

from graph_tools import _tf
from graph_tools.graph import functions, names, nodes

Renamed = Mapping[str, str]
_Model = TypeVar("_Model", bound=Any)  # the Model, which saves itself with what is here


def rebuild(model: _Model, graph_def: Any, renamed: Optional[Renamed] = None) -> Tuple[_Model, List[str]]:
    """The model over ``graph_def``, and a note for each thing that could not follow.

    Args:
      model: the model before the edit; it is left as it is.
      graph_def: the edited GraphDef. Functions of its library that no node calls are dropped from it.
      renamed: new tensor name by old one; signatures and collections of names are rewritten.
    """
    renamed = dict(renamed or {})
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
    nodes.replace_all(meta_graph.asset_file_def, [
        asset for asset in meta_graph.asset_file_def if names.parse(asset.tensor_info.name).node in kept])
    return edited, notes


# ---- signatures


def served(meta_graph: Any) -> List[str]:
    """Tensors that the signatures give, those of TensorFlow's own (an initialiser) left out."""
    return [info.name for key, signature in meta_graph.signature_def.items() if not key.startswith("__saved_model")
            for info in signature.outputs.values() if info.name]


def _rewrite_signatures(meta_graph: Any, kept: Set[str], renamed: Renamed) -> List[str]:
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


def _tensors_of(info: Any) -> List[Tuple[Callable[[], str], Callable[[str], None]]]:
    """Readers and writers of the tensor names in a ``TensorInfo``."""
    if info.WhichOneof("encoding") == "coo_sparse":
        fields = ["values_tensor_name", "indices_tensor_name", "dense_shape_tensor_name"]
        return [_field(info.coo_sparse, field) for field in fields]
    if info.WhichOneof("encoding") == "composite_tensor":
        return [pair for part in info.composite_tensor.components for pair in _tensors_of(part)]
    return [_field(info, "name")]


def _field(message: Any, field: str) -> Any:
    return (lambda: getattr(message, field)), (lambda value: setattr(message, field, value))


# ---- collections


def clean_collections(meta_graph: Any) -> None:
    """Drops, in place, entries that name nodes which are not in the graph: a reader would stumble over them."""
    _rewrite_collections(meta_graph, {node.name for node in meta_graph.graph_def.node}, {}, whole=True)


def _rewrite_collections(meta_graph: Any, kept: Set[str], renamed: Renamed, whole: bool = False) -> None:
    """What is left of each collection; ``whole``: an entry stays only where all that it mentions is there."""
    protos = _protos()
    for key in list(meta_graph.collection_def):
        collection = meta_graph.collection_def[key]
        kind = collection.WhichOneof("kind")
        if kind == "node_list":
            entries = [renamed.get(entry, entry) for entry in collection.node_list.value]
            _replace(collection.node_list.value, [entry for entry in entries if _all_in(kept, [entry])])
        elif kind == "bytes_list" and key in protos:
            entries = [_follow(protos[key], entry, kept, whole) for entry in collection.bytes_list.value]
            _replace(collection.bytes_list.value, [entry for entry in entries if entry is not None])
        if kind and not getattr(collection, kind).value:
            del meta_graph.collection_def[key]


def _all_in(kept: Set[str], mentioned: Iterable[str]) -> bool:
    return all(not name or names.parse(name).node in kept for name in mentioned)


def _replace(repeated: Any, values: Any) -> None:
    values = list(values)
    del repeated[:]
    repeated.extend(values)


class _Reader(NamedTuple):
    """How to read a serialized entry, what of it must be there, and what else it mentions."""

    proto: Any
    required: Callable[[Any], List[str]]
    more: Callable[[Any], List[str]] = lambda entry: []


def _protos() -> Dict[str, _Reader]:
    """The collections whose serialized entries name nodes."""
    keys, contexts = _tf.tf.GraphKeys, _tf.control_flow_pb2
    variable = _Reader(_tf.variable_pb2.VariableDef, lambda entry: [entry.variable_name], lambda entry: [
        entry.initializer_name, entry.snapshot_name, entry.initial_value_name])
    protos = dict.fromkeys((
        keys.GLOBAL_VARIABLES, keys.LOCAL_VARIABLES, keys.MODEL_VARIABLES, keys.TRAINABLE_VARIABLES,
        keys.MOVING_AVERAGE_VARIABLES, keys.METRIC_VARIABLES, keys.CONCATENATED_VARIABLES,
        "trainable_resource_variables", keys.GLOBAL_STEP), variable)
    protos[keys.QUEUE_RUNNERS] = _Reader(_tf.queue_runner_pb2.QueueRunnerDef, lambda entry: [
        entry.queue_name, entry.close_op_name, entry.cancel_op_name] + list(entry.enqueue_op_name))
    protos[keys.SAVERS] = _Reader(_tf.saver_pb2.SaverDef, lambda entry: [
        entry.filename_tensor_name, entry.save_tensor_name, entry.restore_op_name])
    protos[keys.COND_CONTEXT] = _Reader(
        contexts.CondContextDef, lambda entry: [entry.pivot_name, entry.pred_name], _values)
    protos[keys.WHILE_CONTEXT] = _Reader(
        contexts.WhileContextDef, lambda entry: [entry.pivot_name, entry.pivot_for_pred_name],
        lambda entry: list(entry.loop_exit_names) + list(entry.loop_enter_names) + _values(entry))
    return protos


def _values(context: Any) -> List[str]:
    return list(context.values_def.values) + list(context.values_def.external_values.values())


def _follow(reader: _Reader, entry: bytes, kept: Set[str], whole: bool) -> Optional[bytes]:
    """A serialized entry with the names of removed nodes taken out; ``None`` when it makes no sense without them, or
    at all."""
    try:
        message = reader.proto.FromString(entry)
    except _tf.DecodeError:
        return None
    if not _all_in(kept, reader.required(message)) or (whole and not _all_in(kept, reader.more(message))):
        return None
    if whole or not hasattr(message, "nested_contexts"):
        return entry
    _trim_context(message, kept)
    return message.SerializeToString()


def _trim_context(context: Any, kept: Set[str]) -> None:
    """Takes removed nodes out of a control-flow context, its nested ones included."""
    _replace(context.values_def.values, [v for v in context.values_def.values if names.parse(v).node in kept])
    for inner, outer in list(context.values_def.external_values.items()):
        if names.parse(inner).node not in kept or names.parse(outer).node not in kept:
            del context.values_def.external_values[inner]
    nested = [inner for inner in context.nested_contexts
              if names.parse(_inside(inner).pivot_name).node in kept]
    for inner in nested:
        _trim_context(_inside(inner), kept)
    nodes.replace_all(context.nested_contexts, nested)


def _inside(context: Any) -> Any:
    return getattr(context, context.WhichOneof("ctxt"))
