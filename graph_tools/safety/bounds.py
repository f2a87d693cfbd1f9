"""What a graph would cost before anybody runs it: constants, and functions that multiply as they unfold.

All of it is counted on the bytes. What import would compute meanwhile is in ``folding``.
"""

from typing import Any, Iterable, Optional

from graph_tools.errors import TooLargeError
from graph_tools.graph import functions, walk

UNFOLDED = 4 << 30     # bytes of constants that the file does not hold, but says that they are so large
NODES = 5000000        # nodes when every call is unfolded
DEPTH = 200            # calls within calls
NAME = 4096            # characters of a node's name: what is read off names takes longer the longer they are
AXES = 254             # of a constant: TensorFlow takes no more, and their product takes longer the more they are
SIDE_BY_SIDE = 1 << 20  # iterations of a loop at a time: the executor makes room for all of them
# Bytes of an entry by type, where that is more than one; of text, handles and variants: of the object that is kept.
_WIDTHS = {1: 4, 2: 8, 3: 4, 5: 2, 7: 24, 8: 8, 9: 8, 13: 4, 14: 2, 15: 2, 16: 2, 17: 2, 18: 16, 19: 2, 20: 64, 21: 16,
           22: 4, 23: 8}


class Bounds:
    """What nodes say that they are, added up while somebody else looks at them, too; judged at the end.

    ``check`` raises ``TooLargeError`` for a graph whose size, unfolded, has nothing to do with the size of its file.
    """

    def __init__(self, where: str):
        self._where = where
        self._declared = 0
        self._beyond: Optional[TooLargeError] = None

    def add(self, node: Any, op: str, attr: Any) -> None:
        """Counts a node (of a function or not), given its op and its attributes."""
        if self._beyond is None:
            try:
                self._declared += _counted(node, op, attr, self._where)
            except TooLargeError as beyond:
                self._beyond = beyond

    def check(self, graph_def: Any) -> None:
        """Raises the ``TooLargeError`` of the first node that is out of bounds, or of all together."""
        if self._beyond is not None:
            raise self._beyond
        if self._declared > UNFOLDED:  # else what the file holds, as long to count as to write, makes no difference
            _check_constants(graph_def, self._where)
        _check_calls(graph_def, self._where)


def _counted(node: Any, op: str, attr: Any, where: str) -> int:
    """Bytes that a node says it has; it is all that most files cost."""
    if len(node.name) > NAME:
        raise TooLargeError("%s: the name of a node (%s), %r…, has %d characters; the file is damaged or hostile"
                            % (where, op, node.name[:40], len(node.name)))
    if "parallel_iterations" in attr and not 1 <= attr["parallel_iterations"].i <= SIDE_BY_SIDE:
        raise TooLargeError("%s: node %r (%s) wants %d iterations of its loop at a time; the file is damaged or "
                            "hostile" % (where, node.name, op, attr["parallel_iterations"].i))
    return _declared(attr["value"].tensor, node, where) if op == "Const" and "value" in attr else 0


def _declared(tensor: Any, node: Any, where: str) -> int:
    """Bytes that a constant says it has."""
    count, dims = 1, tensor.tensor_shape.dim
    if len(dims) > AXES:
        raise TooLargeError("%s: constant %r has %d axes; the file is damaged or hostile" % (
            where, node.name, len(dims)))
    for dim in dims:
        size = dim.size
        if size < 0:
            raise TooLargeError("%s: constant %r has a negative size %s; the file is damaged or hostile" % (
                where, node.name, [dim.size for dim in dims]))
        count *= size
    return count * _WIDTHS.get(tensor.dtype, 1) + text(tensor)


def _check_constants(graph_def: Any, where: str) -> None:
    """Bytes that constants say they have and the file does not hold."""
    total = 0
    for node in functions.all_nodes(graph_def):
        if node.op != "Const" or "value" not in node.attr:
            continue
        tensor = node.attr["value"].tensor
        declared = _declared(tensor, node, where)
        total += max(0, declared - tensor.ByteSize())
        if total > UNFOLDED:
            declared, all_of_them = min(declared, 10 ** 300), min(total, 10 ** 300)  # beyond there are no floats
            raise TooLargeError("%s: constant %r says that it is %s, %.3g bytes that the file does not hold (%.3g in "
                                "all); the file is damaged or hostile" % (
                                    where, node.name, [dim.size for dim in tensor.tensor_shape.dim], declared,
                                    all_of_them))


def _check_calls(graph_def: Any, where: str) -> None:
    """Counts nodes as if every call were replaced by what it calls (the library does not call itself: see ``scan``)."""
    sizes = {function.signature.name: len(function.node_def) for function in graph_def.library.function}
    if not sizes:
        return
    called = {function.signature.name: [name for node in function.node_def for name in functions.called(node)
                                        if name in sizes] for function in graph_def.library.function}
    total, depth = dict(sizes), dict.fromkeys(sizes, 1)
    for name in walk.producers_first(called, called.__getitem__):
        total[name] += sum(total[other] for other in called[name])
        depth[name] += max([depth[other] for other in called[name]] + [0])
        if total[name] > NODES or depth[name] > DEPTH:
            raise TooLargeError("%s: function %r unfolds to %.3g nodes, %d calls deep; the file is damaged or hostile"
                                % (where, name, total[name], depth[name]))
    everything = len(graph_def.node) + sum(total[name] for node in graph_def.node for name in functions.called(node)
                                           if name in total)
    if everything > NODES:
        raise TooLargeError("%s: its calls unfold to %.3g nodes; the file is damaged or hostile" % (where, everything))


def text(tensor: Any) -> int:
    """Bytes of text in a constant: the last one stands for all that it does not hold."""
    held = tensor.string_val
    if not held:
        return 0
    more = product(dim.size for dim in tensor.tensor_shape.dim) - len(held)
    return sum(map(len, held)) + max(0, more) * len(held[-1])


def product(sizes: Iterable[float]) -> int:
    found = 1
    for size in sizes:
        found *= int(size)
    return found
