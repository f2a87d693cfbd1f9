"""Which nodes ``tf.gradients`` and the optimisers built: those in a scope with the gradient of a node of the graph.

They put them under ``gradients`` (a tape under ``gradient_tape``), each in a scope named after the op that it
differentiates. A scope of somebody's own that is only called like that holds none and is part of the model.
"""

import itertools
import re
from typing import Dict, FrozenSet, Iterable, Iterator, Set

from graph_tools.graph.walk import GraphIndex

_SCOPE = re.compile(r"(?<![^/])(gradients?|gradient_tape)(_\d+)?/")
_NESTED = 16  # scopes within scopes that are looked at: gradients of gradients of gradients


def nodes(index: GraphIndex) -> FrozenSet[str]:
    """Names of the nodes that differentiate others; found once for an index."""
    return index.once(_nodes)


def differentiated(gradients: Iterable[str]) -> Set[str]:
    """The nodes that gradients are named after: where ``tf.gradients`` puts what differentiates an op."""
    return {op for op in map(differentiated_by, gradients) if op}


def differentiated_by(name: str) -> str:
    """The op in whose gradient a node is, by its name alone; ``""``: in none.

    >>> differentiated_by("tower/gradients_1/tower/dense/MatMul_grad/MatMul_1")
    'tower/dense/MatMul'
    """
    scope = next((found for found in _SCOPE.finditer(name) if found.group(1) != "gradient_tape"), None)
    behind = name[scope.end():] if scope else ""
    return behind[:max(0, behind.find("_grad/", 1))]


def _nodes(index: GraphIndex) -> FrozenSet[str]:
    inside: Dict[str, Set[str]] = {}
    for name in index.nodes:
        for found in itertools.islice(_SCOPE.finditer(name), _NESTED):
            inside.setdefault(name[:found.end()], set()).add(name)
    return frozenset().union(*[members for scope, members in inside.items() if any(
        ended in index for name in members for ended in _may_differentiate(scope, name[len(scope):]))])


def _may_differentiate(scope: str, rest: str) -> Iterator[str]:
    """The nodes that a node of a scope may be the gradient of; a graph that was imported has a prefix before them."""
    prefix, _, last = scope[:-1].rpartition("/")
    parts = rest.split("/")[:-1]
    for count, part in enumerate(parts, 1):
        end = part[:-len("_grad")] if part.endswith("_grad") else part if last.startswith("gradient_tape") else ""
        if end:
            name = "/".join(parts[:count - 1] + [end])
            yield name
            if prefix:
                yield "%s/%s" % (prefix, name)
