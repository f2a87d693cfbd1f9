"""What is wrong with a graph that TensorFlow refuses: nodes that fit neither their op nor each other, and circles.

TensorFlow names the first of it in words for those who build graphs by code; who was handed a file has no such code.
"""

import functools
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from graph_tools import _tf
from graph_tools.graph import names, ops, walk

_Ops = Mapping[str, Any]
_NO_DTYPE = "of no dtype"
_MOST_OUTPUTS = 1 << 20
_OF_TYPES = ("type", "list(type)")
_KINDS = {"string": "s", "bool": "b", "int": "i", "float": "f"}  # of an attribute; all others are called as their field


def fault(graph_def: Any, known: _Ops) -> str:
    """The first fault of a graph, with the node, as half a sentence; ``""``: none is known.

    Args:
      graph_def: the graph; nothing of it is imported.
      known: ``OpDef`` by name of the op.
    """
    known = dict(known, **{function.signature.name: function.signature for function in graph_def.library.function})
    given: Dict[str, Optional[List[int]]] = {}
    for node in graph_def.node:
        wrong = _attribute_fault(node, known[node.op]) if node.op in known else ""
        if wrong:
            return "node %r (%s) %s" % (node.name, node.op, wrong)
        given[node.name] = None if node.op not in known else list(_dtypes(node, known[node.op], "output_arg"))
    for node in graph_def.node:
        wrong = _input_fault(node, known[node.op], given) if node.op in known else ""
        if wrong:
            return "node %r (%s) %s" % (node.name, node.op, wrong)
    return _lost(graph_def) or _circle(graph_def)


class _Needs(NamedTuple):
    """What no node of an op can do without."""

    inputs: int
    attributes: Sequence[Tuple[str, bool, bool]] = ()  # name, required, a type
    numbers: Sequence[Tuple[str, bool]] = ()           # attributes that say how many inputs, or else outputs, there are


class Lacks:
    """Finds the nodes that lack what their op cannot do without (``known``: ``OpDef`` by name of the op).

    Much less than ``fault`` looks at, and quick: what every later stage relies on.
    """

    def __init__(self, known: _Ops):
        self._known = known
        self._needs: Dict[str, _Needs] = {}

    def of(self, node: Any, op: str, attr: Any) -> str:
        """What a node lacks, given its op and its attributes, with its name, as ``fault`` says it; ``""``: nothing."""
        if op == "Const" and "value" in attr and "dtype" in attr:  # most of them, at one look
            dtype = attr["dtype"].type
            if dtype and _is_dtype(dtype) and attr["value"].tensor.dtype == dtype:
                return ""
        needs = self._needs.get(op)
        if needs is None:
            needs = self._needs[op] = _needs(self._known.get(op))
        wrong = self._lack(node, needs, attr)
        if not wrong and op == "Const":
            wrong = _other_dtype(attr)
        return "node %r (%s) %s" % (node.name, op, wrong) if wrong else ""

    def _lack(self, node: Any, needs: _Needs, attr: Any) -> str:
        least, attributes, numbers = needs
        for name, of_inputs in numbers:
            if name in attr and attr[name].i > (len(node.input) if of_inputs else _MOST_OUTPUTS):
                return "has %d %s by its attribute %s" % (attr[name].i, "inputs" if of_inputs else "outputs", name)
        for name, required, is_type in attributes:
            if name not in attr:
                if required:
                    return _attribute_fault(node, self._known[node.op])
            elif is_type:
                dtype = attr[name].type  # 0 where it is no single type
                if not (_is_dtype(dtype) if dtype else _says_types(attr[name])):
                    return "says a type in its attribute %s that is none" % name
        if least:
            entries = node.input
            if len(entries) < least or entries[least - 1][:1] == "^":
                return _input_fault(node, self._known[node.op], {})
        return ""


def _other_dtype(attr: Any) -> str:
    """What is wrong with a constant whose value has another dtype than the constant says."""
    there = "value" in attr and "dtype" in attr
    return "says another dtype than its value has" if there and attr["value"].tensor.dtype != attr["dtype"].type else ""


def _says_types(value: Any) -> bool:
    """Whether an attribute that is no single type is a list of them (or is left open in a function)."""
    return bool(value.placeholder) or all(map(_is_dtype, _types(value)))


def _needs(op: Optional[Any]) -> _Needs:
    if op is None:
        return _Needs(0)
    numbers = {(one.number_attr, of_inputs) for of_inputs, side in ((True, op.input_arg), (False, op.output_arg))
               for one in side if one.number_attr}
    return _Needs(sum(not (one.number_attr or one.type_list_attr) for one in op.input_arg), [
        (attr.name, not attr.HasField("default_value"), attr.type in _OF_TYPES) for attr in op.attr
        if attr.type in _OF_TYPES or not attr.HasField("default_value")], sorted(numbers))


def _types(attr: Any) -> Sequence[int]:
    """The types that an attribute says: one, or those of a list."""
    return attr.list.type if attr.WhichOneof("value") == "list" else (attr.type,)


@functools.lru_cache(maxsize=None)
def _is_dtype(number: int) -> bool:
    return _name(number) != _NO_DTYPE


def _lost(graph_def: Any) -> str:
    there = {node.name for node in graph_def.node}
    for node in graph_def.node:
        for entry in node.input:
            if names.parse(entry).node not in there:
                return "node %r (%s) takes %r, and there is no such node" % (node.name, node.op, entry)
    return ""


def _attributes(node: Any, op: Any) -> Dict[str, Any]:
    """The attributes of a node, those included that it leaves at their default."""
    found = {attr.name: attr.default_value for attr in op.attr if attr.HasField("default_value")}
    found.update({name: node.attr[name] for name in node.attr})
    return found


def _attribute_fault(node: Any, op: Any) -> str:
    values = _attributes(node, op)
    for attr in op.attr:
        if attr.name not in values:
            return "lacks its attribute %s" % attr.name
        is_kind = values[attr.name].WhichOneof("value")
        kind = "list" if attr.type.startswith("list(") else _KINDS.get(attr.type, attr.type)
        if is_kind not in (kind, "placeholder"):
            held = {field: name for name, field in _KINDS.items()}.get(is_kind, is_kind or "nothing")
            return "holds %s in its attribute %s, which is of type %s" % (held, attr.name, attr.type)
    return ""


def _dtypes(node: Any, op: Any, side: str) -> Iterator[int]:
    """The dtypes of a node's inputs (``"input_arg"``) or outputs, in their order."""
    values = _attributes(node, op)
    for one in getattr(op, side):
        if one.type_list_attr:
            for dtype in values[one.type_list_attr].list.type:
                yield dtype
            continue
        dtype = values[one.type_attr].type if one.type_attr else one.type
        for _ in range(values[one.number_attr].i if one.number_attr else 1):
            yield dtype


def _input_fault(node: Any, op: Any, given: Mapping[str, Optional[List[int]]]) -> str:
    refs = [names.parse(entry) for entry in node.input]
    data = [ref for ref in refs if not ref.is_control]
    wanted = list(_dtypes(node, op, "input_arg"))
    if len(data) != len(wanted):
        return "has %d input%s and its op takes %d (%s)" % (
            len(data), "s" * (len(data) != 1), len(wanted), ", ".join(one.name for one in op.input_arg) or "none")
    if any(ref.is_control for ref in refs[:len(data)]):
        return "lists a control input before its data"
    for ref, dtype in zip(data, wanted):
        outputs = given.get(ref.node)
        if outputs is None:  # of an op that nobody knows here, or of no node at all
            continue
        if ref.port >= len(outputs):
            return "takes %r, and that node has %d output%s" % (str(ref), len(outputs), "s" * (len(outputs) != 1))
        if outputs[ref.port] % 100 != dtype % 100:  # a reference is its dtype plus 100
            return "takes %r as %s, and that is %s" % (str(ref), _name(dtype), _name(outputs[ref.port]))
    return ""


def _name(dtype: int) -> str:
    try:
        return _tf.tf.as_dtype(dtype).base_dtype.name
    except TypeError:
        return _NO_DTYPE


def _circle(graph_def: Any) -> str:
    """What is wrong where nodes wait for each other outside of any loop."""
    closing = {node.name for node in graph_def.node if node.op in ops.NEXTS}
    waiting: Dict[str, List[str]] = {}
    for node in graph_def.node:
        before = [names.parse(entry).node for entry in node.input]
        waiting[node.name] = [name for name in before if not (node.op in ops.MERGES and name in closing)]
    return in_circle(walk.in_order(waiting)[1])


def in_circle(nodes: Sequence[str]) -> str:
    """Half a sentence for nodes that wait for each other; ``""`` for none."""
    shown = [repr(name) for name in nodes]
    return "" if not nodes else "nodes %s wait for each other in a circle that is no loop" % " -> ".join(
        shown if len(shown) < 7 else shown[:3] + ["…"] + shown[-3:])
