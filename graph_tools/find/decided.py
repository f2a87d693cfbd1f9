"""What some fed values decide in a graph before it runs: small values, branches that are not taken, nodes that count.

Scalars and short vectors are followed as intervals, so that ``floor(1 + uniform)`` is known to be 1 although the
uniform is not: a dropout that keeps everything decides nothing. Branches die as TensorFlow kills them: the output of
a Switch that its predicate does not choose, and whatever needs it, up to a Merge that has another input.
"""

from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

import numpy as np

from graph_tools import _tf
from graph_tools.graph import names
from graph_tools.graph.names import TensorRef
from graph_tools.graph.ops import COPIES, IFS, MERGES, NEXTS, SIZES, SWITCHES
from graph_tools.graph.walk import GraphIndex

UNIFORM = frozenset(("RandomUniform", "StatelessRandomUniform", "StatelessRandomUniformV2"))
# Their outputs say how large something is, never what it holds.
OF_THE_SIZE = SIZES | {"ZerosLike", "OnesLike"}

_LARGEST, _DEEPEST, _ROUNDS = 16, 80, 4
_NUMBERS = frozenset((1, 2, 3, 4, 5, 6, 9, 10, 14, 19))  # floats, integers and bool, as numbered in types.proto
_BOOL, _FLOATS = 10, (1, 2, 14, 19)


class Span(NamedTuple):
    """The least and the greatest that a value may be, element by element; equal where it is known."""

    low: np.ndarray
    high: np.ndarray

    @property
    def known(self) -> bool:
        return bool((self.low == self.high).all())


def _span(low: Any, high: Any = None) -> Span:
    """A span of float64 arrays; a single element has rank 0, whatever shape it came in."""
    low, high = np.asarray(low, np.float64), np.asarray(low if high is None else high, np.float64)
    return Span(low.reshape(()), high.reshape(())) if low.size == 1 == high.size else Span(low, high)


def _corners(of: Callable[[Any, Any], Any], one: Span, other: Span) -> Span:
    """The span of a monotone operation on two spans; nothing times anything is nothing."""
    with np.errstate(all="ignore"):
        found = np.stack([of(first, second) for first in one for second in other])
    found[np.isnan(found)] = 0.0
    return _span(found.min(axis=0), found.max(axis=0))


def _quotient(one: Span, other: Span) -> Optional[Span]:
    return None if ((other.low <= 0) & (other.high >= 0)).any() else _corners(np.divide, one, other)


def _monotone(of: Callable[[Any], Any]) -> Callable[[Span], Span]:
    return lambda one: _span(of(one.low), of(one.high))


def _less(one: Span, other: Span) -> Optional[Span]:
    if (one.high < other.low).all():
        return _span(1.0)
    return _span(0.0) if (one.low >= other.high).all() else None


def _opposite(found: Optional[Span]) -> Optional[Span]:
    return None if found is None else _span(1 - found.high, 1 - found.low)


def _equal(one: Span, other: Span) -> Optional[Span]:
    if one.known and other.known:
        return _span(np.asarray(one.low == other.low, np.float64))
    return _span(0.0) if ((one.high < other.low) | (other.high < one.low)).all() else None


_UNARY: Dict[str, Callable[[Span], Optional[Span]]] = {
    "Floor": _monotone(np.floor), "Round": _monotone(np.round), "Neg": lambda one: _span(-one.high, -one.low),
    "LogicalNot": _opposite, "Sqrt": _monotone(lambda value: np.sqrt(np.maximum(value, 0))),
    "Reciprocal": lambda one: _quotient(_span(1.0), one), "Inv": lambda one: _quotient(_span(1.0), one),
}
_BINARY: Dict[str, Callable[[Span, Span], Optional[Span]]] = {
    "Add": lambda one, other: _span(one.low + other.low, one.high + other.high),
    "Sub": lambda one, other: _span(one.low - other.high, one.high - other.low),
    "Mul": lambda one, other: _corners(np.multiply, one, other),
    "RealDiv": _quotient, "Div": _quotient,
    "Maximum": lambda one, other: _span(np.maximum(one.low, other.low), np.maximum(one.high, other.high)),
    "Minimum": lambda one, other: _span(np.minimum(one.low, other.low), np.minimum(one.high, other.high)),
    "Less": _less, "GreaterEqual": lambda one, other: _opposite(_less(one, other)),
    "Greater": lambda one, other: _less(other, one), "LessEqual": lambda one, other: _opposite(_less(other, one)),
    "Equal": _equal, "NotEqual": lambda one, other: _opposite(_equal(one, other)),
}
_BINARY["AddV2"] = _BINARY["Add"]
# Ops that hand their first input on, as far as its elements go.
PASSING = COPIES - {"ReadVariableOp", "PlaceholderWithDefault"} | {"Reshape", "ExpandDims", "Squeeze"}


class Decided:
    """One graph under some fed values.

    Args:
      index: the graph.
      given: values by tensor name; large ones only say that what is behind them does not count.

    Attributes:
      dead: the tensors that are not computed, as far as the given values decide it.
    """

    def __init__(self, index: GraphIndex, given: Mapping[str, Any]):
        self.index = index
        self._given = {names.parse(name): value for name, value in given.items()}
        self.dead: Set[TensorRef] = set()
        self._known: Dict[TensorRef, Optional[Span]] = {}
        switches = index.names_of(SWITCHES)
        chosen: Dict[str, bool] = {}
        for _ in range(_ROUNDS if switches else 0):
            self._known.clear()
            now = {name: bool(value) for name, value in (
                (name, self.value(index.data_inputs(name)[1])) for name in switches) if value is not None}
            if now == chosen:
                break
            chosen = now
            self._kill(chosen)

    def value(self, tensor: Any) -> Optional[Any]:
        """The value of a scalar (a number) or of a short vector (an array) that is decided; else ``None``."""
        span = self._span(tensor if isinstance(tensor, TensorRef) else names.parse(tensor), 0)
        if span is None or not span.known:
            return None
        return float(span.low) if span.low.ndim == 0 else span.low

    def deciding(self, outputs: Iterable[str], stop: Callable[[str], bool] = lambda node: False) -> Set[str]:
        """Names of the nodes whose values still decide about some tensors; those of branches not taken are none."""
        seen: Set[TensorRef] = set()
        todo = [names.parse(name) for name in outputs]
        found: Set[str] = set()
        while todo:
            ref = todo.pop()
            if ref in seen or ref.node not in self.index or ref in self.dead:
                continue
            seen.add(ref)
            known = self.value(ref) is not None
            if not known or self.index.op(ref.node) == "Const":
                found.add(ref.node)
            if not known:
                if ref not in self._given and not stop(ref.node):
                    todo += self.needed(ref.node)
        return found

    def functions(self, node_name: str) -> List[str]:
        """Names of the functions that a node may call under these values."""
        if not self.index.graph_def.library.function:
            return []
        node = self.index.nodes[node_name]
        taken = self.value(self.index.data_inputs(node_name)[0]) if node.op in IFS else None
        branches = ("then_branch", "else_branch") if taken is None else ("then_branch" if taken else "else_branch",)
        kept = [attr for name, attr in node.attr.items() if name not in ("then_branch", "else_branch")
                or name in branches]
        return [func.name for attr in kept for func in ([attr.func] if attr.HasField("func") else attr.list.func)]

    def needed(self, name: str) -> Sequence[TensorRef]:
        """What decides about the outputs of a node under these values."""
        op, inputs = self.index.op(name), self.index.data_inputs(name)
        if op in OF_THE_SIZE:
            return ()
        if op in ("Select", "SelectV2") and len(inputs) == 3:
            chosen = self.value(inputs[0])
            if isinstance(chosen, float):
                return (inputs[1] if chosen else inputs[2],)
        if op in SWITCHES and self.value(inputs[1]) is not None:
            return inputs[:1]
        return inputs

    # Values.

    def _span(self, ref: TensorRef, depth: int) -> Optional[Span]:
        if ref in self._known:
            return self._known[ref]
        node = self.index.nodes.get(ref.node)
        if node is None or depth > _DEEPEST:
            return None
        self._known[ref] = None  # until it is known: a loop leads back here
        if ref in self._given:
            found = span_of(self._given[ref])
        elif node.op == "Const":
            found = self._constant(node)
        elif node.op in UNIFORM:
            found = _span(0.0, 1.0 - 2.0 ** -24)
        else:
            found = self._computed(node, depth + 1)
        self._known[ref] = found
        return found

    def _constant(self, node: Any) -> Optional[Span]:
        known = self.index.once(_constants)  # of all that is asked of one graph
        if node.name not in known:
            known[node.name] = _constant(node)
        return known[node.name]

    def _computed(self, node: Any, depth: int) -> Optional[Span]:
        inputs, op = self.index.data_inputs(node.name), node.op
        if op in PASSING or op == "PlaceholderWithDefault":
            return self._span(inputs[0], depth) if inputs else None
        if op == "Cast":
            return _cast(self._span(inputs[0], depth), node.attr["DstT"].type)
        if op in _UNARY:
            one = self._span(inputs[0], depth)
            return None if one is None else _UNARY[op](one)
        if op in ("LogicalAnd", "LogicalOr"):
            return self._logical(op == "LogicalOr", [self._span(ref, depth) for ref in inputs])
        if op in _BINARY and len(inputs) == 2:
            return self._binary(op, self._span(inputs[0], depth), self._span(inputs[1], depth))
        if op in MERGES:
            return self._merged([self._span(ref, depth) for ref in inputs if ref not in self.dead])
        if op == "StridedSlice":
            return self._element(node, [self._span(ref, depth) for ref in inputs])
        if op in ("Select", "SelectV2") and len(inputs) == 3:
            chosen = self._span(inputs[0], depth)
            if chosen is not None and chosen.known and chosen.low.ndim == 0:
                return self._span(inputs[1 if chosen.low else 2], depth)
        return None

    @staticmethod
    def _binary(op: str, one: Optional[Span], other: Optional[Span]) -> Optional[Span]:
        if op == "Mul" and any(each is not None and each.known and not each.low.any() for each in (one, other)):
            return _span(0.0)
        if one is None or other is None or one.low.ndim and other.low.ndim and one.low.shape != other.low.shape:
            return None
        return _BINARY[op](one, other)

    @staticmethod
    def _logical(either: bool, parts: Sequence[Optional[Span]]) -> Optional[Span]:
        """Or (``either``) and And: one part may decide alone."""
        decided = [bool(part.low) for part in parts if part is not None and part.known and part.low.ndim == 0]
        if either in decided:
            return _span(float(either))
        return _span(float(not either)) if len(decided) == len(parts) else None

    @staticmethod
    def _merged(parts: Sequence[Optional[Span]]) -> Optional[Span]:
        first = parts[0] if parts else None
        if first is None or any(part is None or part.low.shape != first.low.shape for part in parts):
            return None
        return _span(np.min([part.low for part in parts if part], 0), np.max([part.high for part in parts if part], 0))

    @staticmethod
    def _element(node: Any, parts: Sequence[Optional[Span]]) -> Optional[Span]:
        """One element of a known vector."""
        if "shrink_axis_mask" not in node.attr or not node.attr["shrink_axis_mask"].i:
            return None
        vector, begin = parts[:2]
        if vector is None or begin is None or vector.low.ndim > 1 or begin.low.ndim or not begin.known:
            return None
        at = int(begin.low)
        if vector.low.ndim == 0:  # a vector of one
            return vector if at in (0, -1) else None
        return _span(vector.low[at], vector.high[at]) if -len(vector.low) <= at < len(vector.low) else None

    # Branches.

    def _kill(self, chosen: Mapping[str, bool]) -> None:
        """All tensors that are not computed when these Switches choose so."""
        self.dead = set()
        todo = [TensorRef(name, 0 if value else 1) for name, value in chosen.items()]
        gone: Set[str] = set()
        while todo:
            ref = todo.pop()
            if ref in self.dead:
                continue
            self.dead.add(ref)
            for use in self.index.uses(ref):
                if use.node not in gone and self._dies(use.node, ref):
                    gone.add(use.node)
                    todo += [TensorRef(use.node, port) for port in self._ports(use.node)]

    def _dies(self, name: str, of: TensorRef) -> bool:
        if self.index.op(name) not in MERGES:
            return True
        inputs = [ref for ref in self.index.data_inputs(name) if self.index.op(ref.node) not in NEXTS]
        return not of.is_control and all(ref in self.dead for ref in inputs)

    def _ports(self, name: str) -> Tuple[int, ...]:
        return tuple({-1, 0}.union(self.index.ports(name)))


def span_of(value: Any) -> Optional[Span]:
    """The span of a value that is fed; ``None``: it is no small number."""
    array = np.asarray(value)
    return _span(array) if array.size <= _LARGEST and array.size and array.dtype.kind in "biuf" else None


def _constants(index: GraphIndex) -> Dict[str, Optional[Span]]:
    return {}


def _constant(node: Any) -> Optional[Span]:
    tensor = node.attr["value"].tensor
    size = int(np.prod([dim.size for dim in tensor.tensor_shape.dim], dtype=np.int64))
    if tensor.dtype not in _NUMBERS or not 0 < size <= _LARGEST:
        return None
    return _span(np.asarray(_tf.make_ndarray(tensor), np.float64))


def _cast(one: Optional[Span], dtype: int) -> Optional[Span]:
    if one is None or dtype in _FLOATS:
        return one
    if dtype == _BOOL:
        return _span(one.low != 0) if one.known else None
    return _span(np.trunc(one.low), np.trunc(one.high))
