"""Numbers that reach an output: floats that are fed, or the first ones behind what has no gradient.

A decoded picture or sound, an integer column that is cast, a parsed field: the first float tensor behind it is where
an attribution can begin. What only gates others (a mask, weights of rows) is told from what is a feature itself.
"""

from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Set, Tuple

from graph_tools import _tf
from graph_tools.errors import GraphToolsError
from graph_tools.find.dataflow import CARRIED, KNOB, LAYERS, MASK, POSITION, VALUE
from graph_tools.find.inputs.parsing import PARSERS
from graph_tools.find.outputs.ends import READOUTS
from graph_tools.find.view import FLOATS, SHAPE_READERS, View, view_of
from graph_tools.graph import names
from graph_tools.graph.names import TensorRef
from graph_tools.graph.ops import EXITS
from graph_tools.graph.walk import Use

# The values that TopK chooses have a gradient, which place they stood at has none.
_STOPS = READOUTS - {"TopK", "TopKV2"} | SHAPE_READERS | {"StopGradient", "PreventGradient", "Rint"}
_COLLECTS = frozenset(("TensorArrayGatherV3", "TensorArrayConcatV3", "TensorListStack", "TensorListConcatV2"))
# What a gradient can be of on its way: a spectrum is complex.
_CARRIES = FLOATS | {"complex64", "complex128", "resource", "variant"}
_GATES = frozenset(("Mul", "RealDiv", "Div", "Select", "SelectV2", "DivNoNan"))


class Number(NamedTuple):
    """A float tensor that an attribution can be made to.

    Attributes:
      tensor: its name.
      sources: what is fed behind it (itself, where it is fed).
      feature: whether it is read as data; False where it only gates or weighs other data.
    """

    tensor: str
    sources: Tuple[str, ...]
    feature: bool


def find_numbers(model: Any, output: Any, beyond: Iterable[Any] = (), switches: Iterable[str] = (),
                 any_kind: bool = False) -> List[Number]:
    """Floats that reach an output along a path with a gradient.

    Args:
      model: a ``Model``.
      output: the tensor that is explained.
      beyond: tensors that are attributed to already: what reaches the output only through them is left out.
      switches: names of placeholders that are no data.
      any_kind: floats that say what data are, and not how large, count, too: one-hot vectors, what comparisons and
        flags are made of, sums of a loop. Where there is nothing else they are what decides.
    """
    view = view_of(model)
    end = names.parse(names.tensor_name(output))
    given = {names.parse(names.tensor_name(one)).node for one in beyond}
    needed = view.index.ancestors([str(end)], control=False, stop=lambda name: name in given) - given
    # What an attributed tensor is computed from, or from which one is, cannot move along the path beside it.
    needed_at = needed - view.index.descendants(given, control=False) - view.index.ancestors(given, control=False)
    found: List[Number] = []
    onward = _Onward(view)
    for ref in _starts(view, needed_at, {names.parse(name).node for name in switches}, any_kind):
        reached = _reach(onward, ref, end, needed)
        if reached is not None:
            found.append(Number(str(ref), tuple(sorted(_sources(view, ref))), reached))
    behind: Set[str] = set().union(*[view.index.descendants_of_tensor(one.tensor) for one in found if one.feature])
    return [one for one in found if not one.feature or names.parse(one.tensor).node not in behind]


def _starts(view: View, needed: Set[str], switches: Set[str], any_kind: bool) -> List[TensorRef]:
    """Floats of the input's own values before which nothing has a gradient, in the order of the graph."""
    found: List[TensorRef] = []
    for name, node in view.index.nodes.items():
        if name not in needed or name in view.gradients or name in switches:
            continue
        bits = view.flow.bits(name)
        if not bits & (VALUE | MASK | POSITION if any_kind else VALUE) and not (
                bits & KNOB and node.op == "Placeholder" and view.shape(name + ":0") is None):
            continue
        if not (name in view.flow.sources or node.op in PARSERS or node.op == "OneHot" and any_kind) and (
                not _is_first(view, name)):
            continue
        for port in range(view.tensor_count(name)):
            ref = TensorRef(name, port)
            if view.dtype(ref) in FLOATS and view.index.uses(ref) and (
                    view.shape(ref) != () or name in view.flow.own):
                found += [ref] if name not in view.loop_nodes else _collected(view, ref, any_kind)
    return list(dict.fromkeys(found))


def _collected(view: View, ref: TensorRef, any_kind: bool) -> List[TensorRef]:
    """What the steps of a loop make of a float, as one tensor behind it: pictures that are decoded one by one."""
    after = view.index.descendants_of_tensor(ref)
    outside = [TensorRef(name, 0) for name in view.index.nodes
               if name in after and name not in view.loop_nodes and view.is_float(TensorRef(name, 0))]
    return [one for one in outside if any_kind and view.op(one) in EXITS or view.op(one) in _COLLECTS and any(
        view.op(other) in EXITS for other in view.inputs(one.node))]


def _is_first(view: View, name: str) -> bool:
    """Whether no gradient leads from a float tensor of data through a node."""
    data = [ref for ref in view.inputs(name) if view.flow.is_data(ref.node)]
    floats = [ref for ref in data if view.dtype(ref) in _CARRIES]
    if view.op(name) in ("OneHot", "Switch", "Merge", "TensorArrayScatterV3", "Enter", "Exit") or any(
            view.dtype(ref) in ("variant", "resource") for ref in data) or _calls(view, name):
        return False
    return not floats or not _has_gradient(view, name)


def _calls(view: View, name: str) -> bool:
    """Whether a node computes by a function of the library: a model of its own, perhaps."""
    return any(value.HasField("func") for value in view.index.nodes[name].attr.values())


def _has_gradient(view: View, name: str) -> bool:
    try:
        return _tf.gradient_function(view.model.outline.get_operation_by_name(name)) is not None
    except (LookupError, GraphToolsError):
        return False


class _Onward(Dict[Use, Tuple[TensorRef, ...]]):
    """The tensors that a gradient leads back from to an input of a node, for each of these that is asked for."""

    def __init__(self, view: View):
        super().__init__()
        self.view = view

    def __missing__(self, use: Use) -> Tuple[TensorRef, ...]:
        self[use] = tuple(_carried(self.view, use.node)) if _is_differentiable(self.view, use) else ()
        return self[use]


def _reach(onward: _Onward, ref: TensorRef, end: TensorRef, needed: Set[str]) -> Optional[bool]:
    """Whether a gradient leads back from the output: as a feature (True), only as a gate (False), not at all (None)."""
    view = onward.view
    seen: Dict[Tuple[TensorRef, bool], bool] = {}
    todo: List[Tuple[TensorRef, bool, bool]] = [(ref, False, False)]
    reached: Optional[bool] = None
    while todo:
        one, gate, layer = todo.pop()
        if one == end:
            if not gate:
                return True
            reached = False
            continue
        if seen.get((one, gate)):
            continue
        seen[(one, gate)] = True
        for use in view.index.uses(one):
            if use.node in needed and onward[use]:
                gates = gate or not layer and _is_gate(view, use, one)
                todo += [(out, gates, layer or view.op(use.node) in LAYERS) for out in onward[use]]
    return reached


def _is_differentiable(view: View, use: Use) -> bool:
    op = view.op(use.node)
    if op in _STOPS or use.node in view.gradients or use.slot not in CARRIED.get(op, (use.slot,)) or (
            not _has_gradient(view, use.node)):
        return False
    if op in ("Gather", "GatherV2", "GatherNd", "ResourceGather") and use.slot != 0:
        return False
    if op in ("Switch", "Select", "SelectV2") and use.slot == (1 if op == "Switch" else 0):
        return False
    return op not in ("Cast",) or view.is_float(TensorRef(use.node, 0))


def _carried(view: View, name: str) -> List[TensorRef]:
    """The tensors of a node that a gradient can be of."""
    return [ref for ref in (TensorRef(name, port) for port in range(view.tensor_count(name)))
            if view.dtype(ref) in _CARRIES]


def _is_gate(view: View, use: Use, ref: TensorRef) -> bool:
    """Whether a tensor is spread over others that it is multiplied with: a mask or a weight a row."""
    if view.op(use.node) not in _GATES:
        return False
    mine = view.shape(ref)
    for slot, other in enumerate(view.inputs(use.node)):
        its = view.shape(other)
        if slot == use.slot or not view.flow.is_data(other.node) or mine is None or its is None:
            continue
        if len(mine) < len(its) or mine and its and mine[-1] == 1 and its[-1] != 1:
            return True
    return False


def _sources(view: View, ref: TensorRef) -> Set[str]:
    if ref.node in view.flow.sources or view.op(ref) in PARSERS:
        return {str(ref)}
    return {str(one) for name in view.index.ancestors([ref.node], control=False) for one in [TensorRef(name, 0)]
            if name in view.flow.sources}
