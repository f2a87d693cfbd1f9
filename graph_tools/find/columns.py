"""Feature columns of a graph whose code is gone: read from the scopes and ops that TensorFlow's builders leave.

``input_layer`` and ``DenseFeatures`` put each column in ``<layer>/<column>/`` and end in ``<layer>/concat``; a linear
model ends each column in ``<column>/weighted_sum`` and adds them up in ``weighted_sum_no_bias``. These names are
TensorFlow's own; they survive export and freezing.
"""

import dataclasses
import re
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

from graph_tools.feature_columns import structure
from graph_tools.feature_columns.column import Column
from graph_tools.find import categories
from graph_tools.graph import names, ops
from graph_tools.model import Model

# A layer of one column ends in concat/concat.
_CONCAT = re.compile(r"^(?P<scope>.*?)/concat(_\d+)?(/concat)?$")
_SUM = re.compile(r"^(?P<scope>.*)/weighted_sum_no_bias(_\d+)?$")
_PART = re.compile(r"^(?P<scope>.*)/(?P<column>[^/]+)/Reshape(_\d+)?$")
_TERM = re.compile(r"^(?P<scope>.*)/(?P<column>[^/]+)/weighted_sum(_\d+)?(/.*)?$")
_LAYER = re.compile(r"(^|/)(input_layer|dense_features|sequence_features|sequence_input_layer)(_\d+)?$")
_SHARED = re.compile(r"^(.+_shared_embedding)(_\d+)?$")
_WRAPPED = re.compile(r"(_weighted_by_.*|_bucketized|_indicator|_shared_embedding|_embedding)$", re.DOTALL)


class _Member(NamedTuple):
    """One column of a layer, as the layer's inputs show it: its scope's name, the tensor, the input's number."""

    name: str
    tensor: Any
    slot: int


def find_columns(model: Model, output: Any = None) -> Dict[str, Column]:
    """Feature columns by name, with tensor names: those that the model carries, else those that its graph shows.

    A column read from a graph has its part of the layer, its rows, table and categories. Its raw input, ids and keys
    are left out (``find_embeddings`` gives the ids of a lookup).

    Args:
      model: any model; an exported or frozen Estimator in particular.
      output: keep only columns that reach this tensor.

    >>> gt.find_columns(gt.load("export/1577836800"))["education_indicator"].describe(3)  # doctest: +SKIP
    'education=Bachelors'
    """
    found = model.columns or _read(model)
    if output is not None:
        reaching = model.index.ancestors([names.tensor_name(output)])
        found = {key: column for key, column in found.items()
                 if column.part is not None and names.parse(column.part).node in reaching}
    return found


def shows_layers(model: Model) -> bool:
    """Whether names of the graph are those of layers of feature columns, whose ops are followed forwards, too."""
    return any(_CONCAT.match(name) or _SUM.match(name) for name in model.index.nodes)


def _read(model: Model) -> Dict[str, Column]:
    if not shows_layers(model):
        return {}
    found: List[Column] = []
    linear: List[Column] = []
    operations = model.outline.get_operations()
    sources = [op.outputs[0] for op in operations if op.outputs and _is_source(op)]
    for op in operations:
        if op.type in ("ConcatV2", "Identity", "AddN"):
            concat, summed = _CONCAT.match(op.name), _SUM.match(op.name)
            if concat or summed:
                scope = next(one for one in (concat, summed) if one).group("scope")
                (linear if summed else found).extend(_columns(model, op, scope, bool(summed), sources))
    return _by_name(found + linear)


def _is_source(op: Any) -> bool:
    """Whether the values of an example come in here (a table's handle, a constant or a variable is none)."""
    return not op.inputs and op.type not in ops.VARIABLES | {"Const", "NoOp"} and "HashTable" not in op.type


def _members(op: Any, scope: str, summed: bool) -> List[_Member]:
    """The columns that a layer's op takes; none when one of its inputs is no column of the same layer."""
    inputs = list(op.inputs)[:-1] if op.type == "ConcatV2" else list(op.inputs)
    found = []
    for slot, tensor in enumerate(inputs):
        matched = (_TERM if summed else _PART).match(tensor.op.name)
        if not matched or matched.group("scope") != scope or not summed and tensor.op.type != "Reshape":
            return []
        found.append(_Member(matched.group("column"), tensor, slot))
    return _without_numbers(found)


def _without_numbers(members: List[_Member]) -> List[_Member]:
    """Members without the number that TensorFlow puts behind a scope that is entered again.

    It is the same for all columns of a layer, and no column's own name when a wrapping stands before it.
    """
    tails = [re.search(r"_\d+$", member.name) for member in members]
    numbers = {tail.group() if tail else "" for tail in tails}
    again = len(members) > 1 and len(numbers) == 1
    return [member._replace(name=member.name[:tail.start()]) if tail and (
        again or _WRAPPED.search(member.name[:tail.start()])) else member for member, tail in zip(members, tails)]


def _columns(model: Model, op: Any, scope: str, summed: bool, sources: Any) -> Iterator[Column]:
    members = _members(op, scope, summed)
    layer = structure.Layer(op, {number: member.slot for number, member in enumerate(members)})
    slices = layer.slices() if members and not summed else {}
    found = [_column(model, member, summed, sources) for member in members]
    # Anybody may concatenate what was reshaped in scopes: a layer of numbers only is one by its name.
    if summed or _LAYER.search(scope) or any(column.kind != "numeric" for column in found):
        for number, column in enumerate(found):
            yield dataclasses.replace(column, layer=op.outputs[0].name, slice=slices.get(number))


def _column(model: Model, member: _Member, summed: bool, sources: Any) -> Column:
    part, combined = member.tensor, member.tensor
    if summed and part.op.type == "MatMul":
        part = part.op.inputs[0]
    # A looked up term of a linear model ends in a Reshape of its own.
    if part.op.type == "Reshape" and (not summed or part is not member.tensor):
        combined = part.op.inputs[0]
    found = structure.find_lookup(combined, sources)
    width = part.shape.as_list()[-1] if part.shape.ndims else None
    count = width
    if found.table:
        count, dim = structure.table_shape(found)
        width = width or dim
    made = categories.of_ids(model, combined, count)
    name, chain = _kind(member.name, found, made.kind, summed and combined is member.tensor)
    return Column(
        name=name, kind=chain[0], chain=chain, feature=_WRAPPED.sub("", _WRAPPED.sub("", name)), raw={},
        combined=combined, part=part, width=width,
        categories=categories.elements(part) if chain[0] == "numeric" else made.categories,
        cross=categories.of_cross(model, combined) if made.kind == "crossed" else (), **found.fields()).by_name()


def _kind(scope: str, found: structure.Lookup, made: str, in_linear_model: bool) -> Tuple[str, Tuple[str, ...]]:
    """The column's name and its sorts, outermost first."""
    weighted = ("weighted",) if "_weighted_by_" in scope else ()
    if in_linear_model:
        return scope, weighted + (made,)
    if found.table:
        # Columns over a shared table have the collection's scope around one of their own.
        scopes = found.bags.op.name.split("/") if found.bags is not None else []
        shared = [matched.group(1) for matched in map(_SHARED.match, scopes) if matched]
        if shared:
            return shared[-1], ("shared_embedding",) + weighted + (made,)
        return scope, ("embedding",) + weighted + (made,)
    if scope.endswith("_indicator"):
        return scope, ("indicator",) + weighted + (made,)
    return scope, ("bucketized",) if scope.endswith("_bucketized") and made == "bucketized" else ("numeric",)


def _by_name(found: List[Column]) -> Dict[str, Column]:
    columns: Dict[str, Column] = {}
    for column in found:
        key = column.name
        if key in columns:
            key = "%s@%s" % (key, (column.layer or "").rpartition("/")[0])
        columns[key] = dataclasses.replace(column, shared_with=tuple(sorted(
            {other.name for other in found if other.table and other.table == column.table} - {column.name})))
    return columns
