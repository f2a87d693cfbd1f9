"""``tf.io.parse_example`` and its relatives: the tensors that come out of serialized protos, by feature name."""

from typing import Any, Dict, Iterator, List, NamedTuple

from graph_tools import _tf
from graph_tools.find.inputs.placeholders import placeholder_shape
from graph_tools.find.inputs.record import Component, Input, Shape, dtype_name, make_input, shape_of
from graph_tools.graph import names, ops
from graph_tools.graph.walk import GraphIndex


class _Outputs(NamedTuple):
    """Consecutive outputs of a parser, one for each feature of a group.

    Attributes:
      keys: input (one tensor for each key, or one for all) or attribute that holds the names of the features.
      part: what of the feature it is, ``""`` for a dense one.
      types: attribute with the dtypes; their number is the number of outputs.
      fixed: the dtype whatever ``types`` says (indices, shapes, splits, lengths).
      shapes: attribute with the shapes of one example, where there is one.
      axes: free axes before the axes of one example, without the batch.
    """

    keys: str
    part: str
    types: str
    fixed: str = ""
    shapes: str = ""
    axes: int = 0


def _sparse(scope: str, types: str, axes: int = 0) -> List[_Outputs]:
    keys = scope + "sparse_keys"
    return [_Outputs(keys, "indices", types, "int64", axes=axes), _Outputs(keys, "values", types, axes=axes),
            _Outputs(keys, "shape", types, "int64", axes=axes)]


def _ragged(scope: str, splits: Any = ("row_splits",)) -> List[_Outputs]:
    keys = scope + "ragged_keys"
    return [_Outputs(keys, "values", scope + "ragged_value_types")] + [
        _Outputs(keys, part, scope + "ragged_split_types") for part in splits]


def _sequence(lengths: bool, ragged: bool) -> List[_Outputs]:
    outputs = _sparse("context_", "context_sparse_types")
    outputs += [_Outputs("context_dense_keys", "", "Tcontext_dense", shapes="context_dense_shapes")]
    outputs += _ragged("context_") if ragged else []
    outputs += _sparse("feature_list_", "feature_list_sparse_types", axes=1)
    outputs += [_Outputs("feature_list_dense_keys", "", "feature_list_dense_types", axes=1,
                         shapes="feature_list_dense_shapes")]
    if lengths:
        outputs += [_Outputs("feature_list_dense_keys", "lengths", "feature_list_dense_types", "int64")]
    return outputs + (_ragged("feature_list_", ("outer_splits", "inner_splits")) if ragged else [])


_EXAMPLE = _sparse("", "sparse_types") + [_Outputs("dense_keys", "", "Tdense", shapes="dense_shapes")]


class Feature(NamedTuple):
    """A feature that a parser takes out of a serialized proto.

    Attributes:
      key: its name in the proto.
      dtype: ``"string"``, ``"int64"`` or ``"float32"``.
      optional: whether it may be missing (a sparse or ragged one).
      shape: of one example (of one step, in a sequence); ``None``: any number of values.
      tensor: the parsed values.
      sequence: whether it is a list of steps.
    """

    key: str
    dtype: str
    optional: bool
    shape: Shape
    tensor: str
    sequence: bool


# The outputs of every parser (an op of ops.PARSER), in their order.
PARSERS = {
    "ParseExample": _EXAMPLE,
    "ParseExampleV2": _EXAMPLE + _ragged(""),
    "ParseSingleExample": _EXAMPLE,
    "ParseSingleSequenceExample": _sequence(lengths=False, ragged=False),
    "ParseSequenceExample": _sequence(lengths=True, ragged=False),
    "ParseSequenceExampleV2": _sequence(lengths=True, ragged=True),
}
# Inputs that hold feature names: position of the first and the attribute that counts them; "" is one vector of names.
_KEY_INPUTS = {
    "ParseExample": (2, (("sparse_keys", "sparse_types"), ("dense_keys", "Tdense"))),
    "ParseExampleV2": (2, (("sparse_keys", ""), ("dense_keys", ""), ("ragged_keys", ""))),
    "ParseSingleSequenceExample": (2, (
        ("context_sparse_keys", "context_sparse_types"), ("context_dense_keys", "Tcontext_dense"),
        ("feature_list_sparse_keys", "feature_list_sparse_types"),
        ("feature_list_dense_keys", "feature_list_dense_types"))),
    "ParseSequenceExampleV2": (2, tuple((scope + sort, "") for scope in ("context_", "feature_list_")
                                        for sort in ("sparse_keys", "dense_keys", "ragged_keys"))),
}


def inputs(index: GraphIndex) -> Iterator[Input]:
    """One input for each op that parses serialized protos."""
    for node in index.of_ops(ops.PARSER.takes):
        serialized = index.data_inputs(node.name)[0]
        components = _components(index, node, _one_by_one(index, node, serialized))
        if components:
            yield make_input(index, "parse_example", "%s: features parsed from %s" % (node.op, str(serialized)),
                             (node.name,), components, producers=(serialized.node,))


def features(index: GraphIndex, node: Any) -> List[Feature]:
    """What a proto must hold for a parser, once a feature."""
    found: List[Feature] = []
    port = 0
    for outputs in PARSERS[node.op]:
        dtypes = [dtype_name(number) for number in node.attr[outputs.types].list.type]
        keys = _keys(index, node, outputs.keys)
        for number, dtype in enumerate(dtypes):
            if outputs.part in ("", "values") and number < len(keys):
                shapes = node.attr[outputs.shapes].list.shape if outputs.shapes else ()
                found.append(Feature(keys[number], dtype, outputs.part == "values",
                                     shape_of(shapes[number]) if number < len(shapes) else None,
                                     "%s:%d" % (node.name, port), "feature_list" in outputs.keys))
            port += 1
    return found


def parsed_features(index: GraphIndex, serialized: str) -> List[Feature]:
    """The features, by their own names, that parsers of a tensor of serialized ``tf.Example``s take out."""
    found: Dict[str, Any] = {}
    for node in index.of_ops(ops.PARSER.takes):
        if "Sequence" in node.op or not index.data_inputs(node.name):
            continue
        ref = index.data_inputs(node.name)[0]
        if names.parse(serialized).node in index.ancestors([str(ref)], control=False):
            found.update((feature.key, feature) for feature in features(index, node))
    return list(found.values())


def _one_by_one(index: GraphIndex, node: Any, serialized: Any) -> bool:
    """Whether it parses one proto, so that its outputs have no batch axis."""
    if "Single" in node.op:
        return True
    source = index.nodes.get(serialized.node)
    return node.op.endswith("V2") and source is not None and source.op in ops.PLACEHOLDERS and (
        placeholder_shape(index, source) == ())


def _components(index: GraphIndex, node: Any, single: bool) -> List[Component]:
    components: List[Component] = []
    for outputs in PARSERS[node.op]:
        dtypes = [dtype_name(number) for number in node.attr[outputs.types].list.type]
        keys = _keys(index, node, outputs.keys)
        for number, dtype in enumerate(dtypes):
            key = keys[number] if number < len(keys) else "feature_%d" % number
            label = "/".join(part for part in (_readable(key), outputs.part) if part)
            components.append(Component("%s:%d" % (node.name, len(components)), outputs.fixed or dtype,
                                        _shape(node, outputs, number, single), label))
    return components


def _shape(node: Any, outputs: _Outputs, number: int, single: bool) -> Shape:
    axes = outputs.axes + (0 if single else 1)
    if outputs.shapes:
        shapes = node.attr[outputs.shapes].list.shape
        one = shape_of(shapes[number]) if number < len(shapes) else None
        return None if one is None else (None,) * axes + one
    if "ragged" in outputs.keys or outputs.part == "values":
        return (None,)
    return {"indices": (None, axes + 1), "shape": (axes + 1,), "lengths": (None,)}[outputs.part]


def _keys(index: GraphIndex, node: Any, name: str) -> List[str]:
    """Names of the features of one group, from an attribute or from constant inputs."""
    if name in node.attr:
        return [key.decode("utf-8", "replace") for key in node.attr[name].list.s]
    first, groups = _KEY_INPUTS.get(node.op, (0, ()))
    slot = first
    for group, types in groups:
        count = len(node.attr[types].list.type) if types else 1
        if group == name:
            found = [_strings(index, ref) for ref in index.data_inputs(node.name)[slot:slot + count]]
            return [key for keys in found for key in keys]
        slot += count
    return []


def _strings(index: GraphIndex, ref: Any) -> List[str]:
    node = index.nodes.get(ref.node)
    if node is None or node.op != "Const":
        return []
    return [bytes(key).decode("utf-8", "replace") for key in _tf.make_ndarray(node.attr["value"].tensor).ravel()]


def _readable(key: str) -> str:
    """A feature's name as a part of a node name."""
    return "".join(sign if (sign.isalnum() and sign.isascii()) or sign in "_.-" else "_"
                   for sign in key) if key else "feature"
