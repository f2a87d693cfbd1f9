"""The function library of a GraphDef: which node calls which function, and what a function reaches.

Inside a function a tensor is named ``"node:output_name:index"`` and an argument by its bare name; see ``tensor_of``.
"""

from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Set

from graph_tools.graph.walk import reached


class Inside(NamedTuple):
    """A tensor inside a function: output ``name`` number ``index`` of a node, or an argument (empty ``name``)."""

    node: str
    name: str
    index: int  # type: ignore[assignment]  # tuples have a method of that name


def all_nodes(graph_def: Any) -> Iterator[Any]:
    """Nodes of the graph and of the functions in its library."""
    for node in graph_def.node:
        yield node
    for function in graph_def.library.function:
        for node in function.node_def:
            yield node


def called(node: Any) -> List[str]:
    """Names of the functions that a node refers to: by its op type, or in an attribute (branch, body, f, …)."""
    found = [node.op]
    values = list(node.attr.values())
    for value in values:
        kind = value.WhichOneof("value")
        for func in [value.func] if kind == "func" else value.list.func if kind == "list" else ():
            found.append(func.name)
            values.extend(func.attr.values())  # a function that is handed over can be handed functions itself
    return found


def calls(library: Any) -> Dict[str, List[str]]:
    """For each function of a library, the functions of that library that its body refers to."""
    known = {function.signature.name for function in library.function}
    return {function.signature.name: sorted({name for node in function.node_def for name in called(node)} & known)
            for function in library.function}


def reach(start: Iterable[str], table: Dict[str, List[str]]) -> Set[str]:
    """The functions that can run once those of ``start`` do, themselves included."""
    return set(reached((name for name in start if name in table) if table else (), lambda name: (
        other for other in table[name] if other in table)))


def trimmed(library: Any, nodes: Iterable[Any]) -> Any:
    """The library without what some nodes cannot reach: by calls, through one another, or as gradients of those."""
    table = calls(library)
    for gradient in library.gradient:
        table.setdefault(gradient.function_name, []).append(gradient.gradient_func)
    used = reach((name for node in nodes for name in called(node)), table)
    left = type(library)()
    left.function.extend(function for function in library.function if function.signature.name in used)
    left.gradient.extend(gradient for gradient in library.gradient if gradient.function_name in used)
    return left


def without(library: Any, gone: Set[str]) -> Any:
    """The library without some functions, and without what says of others that those are their gradients."""
    return type(library)(
        function=[function for function in library.function if function.signature.name not in gone],
        gradient=[gradient for gradient in library.gradient
                  if not {gradient.function_name, gradient.gradient_func} & gone])


def recursion(library: Any) -> Optional[List[str]]:
    """A chain of functions that calls itself (first and last name equal), or ``None``.

    TensorFlow dies of such a library while importing it, so the search does without recursion of its own.
    """
    table = calls(library)
    done: Set[str] = set()
    for root in table:
        path: List[str] = []
        on_path: Set[str] = set()
        todo = [(root, False)]
        while todo:
            name, leaving = todo.pop()
            if leaving:
                path.pop()
                on_path.discard(name)
                done.add(name)
            elif name in on_path:
                return path[path.index(name):] + [name]
            elif name not in done:
                path.append(name)
                on_path.add(name)
                todo.append((name, True))
                todo.extend((other, False) for other in table[name])
    return None


def tensor_of(entry: str) -> Inside:
    """Reads an input of a node inside a function.

    >>> tensor_of("restore:tensors:3"), tensor_of("argument"), tensor_of("^node")
    (Inside(node='restore', name='tensors', index=3), Inside(node='argument', name='', index=0), \
Inside(node='node', name='^', index=-1))
    """
    if entry.startswith("^"):
        return Inside(entry[1:], "^", -1)
    parts = entry.split(":")
    if len(parts) == 1:
        return Inside(entry, "", 0)
    return Inside(parts[0], parts[1] if len(parts) > 2 else "", int(parts[-1]) if parts[-1].isdigit() else 0)
