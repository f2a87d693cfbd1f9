"""What the caller calls the numbers of an attributed tensor: the feature, the signature's key or the placeholder."""

from typing import Any, Dict, FrozenSet, List, Optional, Set, Tuple

from graph_tools.find.dataflow import CARRIED, LAYERS
from graph_tools.find.inputs import parsing
from graph_tools.graph import names, ops
from graph_tools.graph.names import TensorRef
from graph_tools.graph.walk import GraphIndex, reached
from graph_tools.model import Model
from tf1_ig.result.entries import Called, plain

# Joins of columns, and which of their inputs these are.
_JOINS = {"ConcatV2": slice(None, -1), "Concat": slice(1, None), "Pack": slice(None)}
_COPIES = ops.IDENTITIES | {"Cast", "Reshape", "CheckNumerics", "Snapshot", "EnsureShape"}
# Behind these, numbers stand where they stood.
_IN_PLACE = _COPIES | {"Add", "AddV2", "Sub", "Mul", "RealDiv", "Div", "DivNoNan", "Pow", "Neg", "Maximum", "Minimum",
                       "Exp", "Log", "Log1p", "Sqrt", "Rsqrt", "Square", "Abs", "Sign", "Sigmoid", "Tanh", "Relu",
                       "ClipByValue", "Select", "SelectV2", "ExpandDims", "Squeeze", "StopGradient"}


def called(inputs: Any, model: Model, renamed: Dict[str, str]) -> Called:
    """By input tensor name what is fed behind it: one name for all entries, or one for each where columns are joined.

    Args:
      inputs: ``ResolvedInput`` records of the model.
      model: the model that is explained.
      renamed: new tensor name by old one, where queues were swapped for placeholders.
    """
    queues = {new: old for old, new in renamed.items()}
    found = [(one.name, model.once(_fed_behind, one.ids or one.attributed.tensor, not one.ids)) for one in inputs]
    return tuple((name, tuple(plain(queues.get(fed, fed)) + place for fed, place in behind))
                 for name, behind in found if behind)


def _fed_behind(model: Model, tensor: str, numbers: bool) -> Tuple[Tuple[str, str], ...]:
    """What is fed behind a tensor, with the place of each column where it is one of several; ``numbers``: no layer and
    no table may lie between, they would be the model's, and several of one feed must stand where they were fed."""
    index, ref = model.index, names.parse(tensor)
    between, origins = _origins(index, ref)
    if numbers and between & (LAYERS | ops.GATHERS):
        return ()
    if len(origins) == 1:
        moved = numbers and between - _IN_PLACE and not _is_single(model, origins[0])
        return () if moved else ((_known_as(model, origins[0]), ""),)
    return _by_column(model, ref) if numbers and origins else ()


def _by_column(model: Model, ref: TensorRef) -> Tuple[Tuple[str, str], ...]:
    """The names and places of the numbers of the last axis, where each is of one thing that is fed; else nothing."""
    index, rank = model.index, model.outline.get_tensor_by_name(str(ref)).shape.ndims
    ref = index.origin(ref, _COPIES)
    taken = _JOINS.get(index.op(ref.node))
    if taken is None or rank != 2:  # of a longer one the entries are no columns
        return ()
    found: List[Tuple[str, str]] = []
    for part in index.data_inputs(ref.node)[taken]:
        width = 1 if index.op(ref.node) == "Pack" else _width(model, part)
        behind = _fed_behind(model, str(part), True)
        if width is None or len(behind) not in (1, width):
            return ()
        found += behind if len(behind) == width else [(behind[0][0], "[%d]" % place) for place in range(width)]
    return tuple(found) if len(found) == _width(model, ref) else ()


def _is_single(model: Model, ref: TensorRef) -> bool:
    """Whether what is fed is one number for each row."""
    shape = model.outline.get_tensor_by_name(str(ref)).shape
    return shape.ndims is not None and (shape.ndims < 2 or shape.as_list()[1:] == [1])


def _width(model: Model, ref: TensorRef) -> Optional[int]:
    shape = model.outline.get_tensor_by_name(str(ref)).shape
    return shape.as_list()[-1] if shape.ndims else None


def _origins(index: GraphIndex, ref: TensorRef) -> Tuple[FrozenSet[str], List[TensorRef]]:
    """The ops that compute a tensor, and what is fed or parsed behind it, nearest first."""
    between: Set[str] = set()
    found: List[TensorRef] = []

    def back(one: TensorRef) -> List[TensorRef]:
        op, inputs = index.op(one.node), index.data_inputs(one.node)
        if op in ops.PARSER.takes or op in ops.PLACEHOLDERS:
            found.append(one)
            return []
        between.update([op] if inputs else ())
        slots = CARRIED.get(op, range(len(inputs)))
        return [] if op in ops.SIZES else [inputs[slot] for slot in slots if slot < len(inputs)]

    for _ in reached([ref], back):
        pass
    return frozenset(between), found


def _known_as(model: Model, ref: TensorRef) -> str:
    """The key of a parsed feature, the key of a signature that a placeholder is fed by, or the tensor itself."""
    index, node = model.index, model.index.nodes[ref.node]
    if node.op in ops.PARSER.takes:
        return next((one.key for one in parsing.features(index, node) if one.tensor == str(ref)), str(ref))
    keys = sorted((name != "serving_default", name, key) for name, signature in model.signatures.items()
                  for key, info in signature.inputs.items() if info.name == str(ref))
    return keys[0][2] if keys else str(ref)

