"""What the ids of a lookup or of a one-hot tensor stand for, read from the ops that make them."""

from typing import Any, List, NamedTuple, Optional, Tuple

import numpy as np

from graph_tools import _tf, variables, vocabulary
from graph_tools.errors import ModelFileMissingError, ModelFormatError
from graph_tools.feature_columns import structure
from graph_tools.feature_columns.column import Categories, CrossPart
from graph_tools.graph import names, ops
from graph_tools.graph.walk import reached
from graph_tools.model import Model
from graph_tools.running.values import as_text

_HASHES = ("StringToHashBucketFast", "StringToHashBucket", "StringToHashBucketStrong")
# Nearest first; a cross is made of other ids, a vocabulary with spare buckets both looks up and hashes.
_MAKERS = (structure.CROSSES, ops.TABLE_FINDS, _HASHES, ("Bucketize",))


class Made(NamedTuple):
    """How ids are made (the kind of a feature column: ``"hashed"``, …) and what they stand for."""

    kind: str
    categories: Categories


def of_ids(model: Model, tensor: Any, count: Optional[int]) -> Made:
    """What the ids on the way to a tensor stand for.

    Args:
      model: the model of whose ``graph`` ``tensor`` is.
      tensor: a combined embedding or a one-hot tensor.
      count: number of different ids.
    """
    makers = _nearest(tensor.op)
    for kinds in _MAKERS:
        op = next((op for op in makers if op.type in kinds), None)
        if op is None:
            continue
        if kinds is structure.CROSSES:
            return Made("crossed", Categories("hashed", count or 0))
        if kinds is _HASHES:
            return Made("hashed", Categories("hashed", count or int(op.get_attr("num_buckets"))))
        if kinds is ops.TABLE_FINDS:
            words, from_file = table_words(model, op.inputs[0].op)
            return Made("vocabulary_file" if from_file else "vocabulary_list",
                        Categories("vocabulary", max(count or 0, len(words)), words))
        boundaries = tuple(float(boundary) for boundary in op.get_attr("boundaries"))
        return Made("bucketized", Categories("buckets", count or len(boundaries) + 1, boundaries))
    return Made("identity", Categories("identity", count or 0))


def of_cross(model: Model, tensor: Any) -> Tuple[CrossPart, ...]:
    """The parts of the cross on the way to a tensor; none where nothing is crossed."""
    return tuple(CrossPart(indices, values, None if values.dtype.name == "string" else
                           of_ids(model, values, None).categories)
                 for indices, values in structure.find_cross(tensor))


def elements(tensor: Any) -> Categories:
    """The elements of a numeric tensor ``[batch, width]``."""
    width = (tensor.shape.as_list()[-1] if tensor.shape.ndims else None) or 1
    return Categories("elements", width, (width,))


def _nearest(start: Any) -> List[Any]:
    """Ops that make ids upstream of an op, none of them behind another."""
    wanted = {kind for kinds in _MAKERS for kind in kinds}
    return [op for op in reached([start], lambda op: () if op.type in wanted else [tensor.op for tensor in op.inputs])
            if op.type in wanted]


def table_words(model: Model, table: Any) -> Tuple[Tuple[str, ...], bool]:
    """The words of a static table in the order of their ids, and whether they are in a file.

    Nothing where the table's content cannot be read: its ids are then shown as numbers.
    """
    if not table.type.startswith("HashTable"):
        return (), False
    for op in table.outputs[0].consumers():
        if op.name not in model.index.nodes:  # of the whole, of which this is a part
            continue
        if op.type in ops.FROM_TENSORS:
            keys, values = [_static(tensor) for tensor in list(op.inputs)[1:3]]
            if keys is not None and values is not None:
                return _in_order(keys, values), False
        if op.type in ops.FROM_FILE:
            return _from_file(model, op, table), True
    return (), False


def _from_file(model: Model, op: Any, table: Any) -> Tuple[str, ...]:
    path = variables.text_file(model.index, op.name, model.assets)
    if path is None:
        return ()
    types = [_tf.tf.as_dtype(table.get_attr(name)) for name in ("key_dtype", "value_dtype")]
    try:
        return _in_order(*vocabulary.read(model.index.nodes[names.parse(op.name).node], path, *types))
    except (ModelFileMissingError, ModelFormatError):
        return ()


def _static(tensor: Any) -> Optional[np.ndarray]:
    """The value of a tensor that is computed from constants alone (ids are often a range)."""
    while tensor.op.type == "Identity":
        tensor = tensor.op.inputs[0]
    value = _tf.tf.get_static_value(tensor)
    return None if value is None else np.ravel(value)


def _in_order(keys: Any, values: Any) -> Tuple[str, ...]:
    """Words by id; nothing unless ids are 0, 1, 2, …"""
    by_id = dict(zip((int(value) for value in values), keys))
    if sorted(by_id) != list(range(len(by_id))):
        return ()
    return tuple(as_text(word) for _, word in sorted(by_id.items()))
