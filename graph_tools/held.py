"""Large constants as state: a GraphDef without their bytes, and variables that are given them once in a session.

A session copies the graph it is opened on, and every kind of run keeps each constant that it reads: the weights of a
frozen model are in memory five and more times. As variables they are there once, whatever runs.
"""

from typing import Any, Container, Iterable, List, Set

import numpy as np

from graph_tools import _tf
from graph_tools.graph import nodes
from graph_tools.graph.ops import ENTERS, IDENTITIES, SHAPE_READERS, VARIABLES

LARGE = 1 << 20  # bytes
_VARIABLE = "/graph_tools_held"


def variable_of(constant: str) -> str:
    """Name of the node that holds the value of a large constant."""
    return constant + _VARIABLE


def large(graph_def: Any) -> List[Any]:
    """Nodes of the numeric constants of so many bytes that nothing else decides about."""
    return [node for node in graph_def.node if node.op == "Const" and not node.input and _is_large(
        node.attr["value"].tensor)]


def _is_large(tensor: Any) -> bool:
    return len(tensor.tensor_content) >= LARGE and 8 * int(np.prod(
        [dim.size for dim in tensor.tensor_shape.dim], dtype=np.float64)) >= LARGE


def not_folded(index: Any, constants: Iterable[str]) -> Set[str]:
    """Those of some constants of which TensorFlow computes nothing before the first run, such as a cast."""
    return {name for name in constants if not any(
        all(index.op(index.origin(ref, IDENTITIES).node) == "Const" for ref in index.data_inputs(user))
        for user in _users(index, name))}


def _users(index: Any, name: str) -> Set[str]:
    """Nodes that compute with a constant, or with a copy of it."""
    users = index.descendants([name], control=False, stop=lambda one: one != name and index.op(one) not in IDENTITIES)
    return {one for one in users - {name} if index.op(one) not in IDENTITIES | SHAPE_READERS | ENTERS}


def without(graph_def: Any, constants: Container[str]) -> Any:
    """A copy of the GraphDef that lacks some nodes."""
    rest = _tf.tf.GraphDef(versions=graph_def.versions, library=graph_def.library)
    rest.node.extend(node for node in graph_def.node if node.name not in constants)
    return rest


def as_variables(graph_def: Any, constants: Container[str]) -> Any:
    """A copy of the GraphDef in which some constants read variables of theirs; their bytes are copied nowhere."""
    light = without(graph_def, constants)
    for node in graph_def.node:
        if node.name in constants:
            dtype, shape = node.attr["dtype"].type, node.attr["value"].tensor.tensor_shape
            nodes.add(light, "VariableV2", variable_of(node.name), dtype=dtype, shape=shape)
            nodes.add(light, "Identity", node.name, [variable_of(node.name)], T=dtype)
    return light


def value(node: Any) -> np.ndarray:
    """The array of a large constant, over its bytes: read only."""
    tensor = node.attr["value"].tensor
    return np.frombuffer(tensor.tensor_content, _tf.tf.as_dtype(tensor.dtype).as_numpy_dtype).reshape(
        [dim.size for dim in tensor.tensor_shape.dim])


def weights(index: Any) -> int:
    """Numbers in the constants and variables of a graph, as far as their shapes are known."""
    shapes = [node.attr["value"].tensor.tensor_shape if node.op == "Const" else node.attr["shape"].shape
              for node in index.of_ops(VARIABLES | {"Const"})]
    return int(sum(np.prod([max(0, dim.size) for dim in shape.dim], dtype=np.float64) for shape in shapes))
