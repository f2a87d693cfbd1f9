"""What holds state in a graph: variables and tables that can change, and how TensorFlow tells them apart."""

import os
from typing import Any, Callable, Iterable, Iterator, List, Mapping, Optional, Tuple

import numpy as np

from graph_tools import _tf
from graph_tools.graph import names, ops, walk
from graph_tools.graph.ops import IDENTITIES

# Ops whose output is their first input, as far as where a value comes from is concerned.
PASSES = IDENTITIES | {"IdentityN", "Reshape", "Cast", "StopGradient"}


def as_array(value: Any) -> np.ndarray:
    """A value of a variable as an array; a scalar string stays whole (NumPy's own type would cut trailing zeros)."""
    return np.array(value, object) if isinstance(value, (bytes, str)) else np.asarray(value)


def identity(node: Any) -> Tuple[str, str, str]:
    """What TensorFlow knows a variable by: nodes with equal identity share one value."""
    shared = node.attr["shared_name"].s if "shared_name" in node.attr else b""
    container = node.attr["container"].s if "container" in node.attr else b""
    return node.op, names.text(container), names.text(shared) or node.name


def shape(node: Any) -> Optional[tuple]:
    """The static shape of a variable, or ``None`` when it is not known."""
    if "shape" not in node.attr or node.attr["shape"].shape.unknown_rank:
        return None
    shape = tuple(dim.size for dim in node.attr["shape"].shape.dim)
    # A scalar shape and a forgotten one look alike in old files: only trust a shape that says something.
    return None if -1 in shape or (not shape and node.op != "VarHandleOp") else shape


def root(index: walk.GraphIndex, ref: names.TensorRef) -> str:
    """The node behind identities (never round a loop: a node is visited once)."""
    return index.origin(ref, PASSES).node


def file_name_tensor(index: walk.GraphIndex, initializer: str, assets: Mapping[str, str]) -> Optional[str]:
    """The tensor, an asset or a constant, that holds the path of an initialiser's vocabulary file; else ``None``."""
    ref = index.data_inputs(initializer)[1]
    while str(ref) not in assets:
        op = index.op(ref.node)
        if op == "Const":
            return str(ref)
        if op not in ("Identity", "PlaceholderWithDefault"):
            return None
        ref = index.data_inputs(ref.node)[0]
    return str(ref)


def text_file(index: walk.GraphIndex, initializer: str, assets: Mapping[str, str]) -> Optional[str]:
    """Path of the vocabulary file of an ``InitializeTableFromTextFile`` node; ``None`` when it is computed."""
    tensor = file_name_tensor(index, initializer, assets)
    if tensor is None:
        return None
    if tensor in assets:
        return assets[tensor]
    node = index.nodes[names.parse(tensor).node]
    return os.fsdecode(_tf.make_ndarray(node.attr["value"].tensor).item())


def empty_tables(index: walk.GraphIndex, reads: Iterable[str], initializers: Iterable[str]) -> List[str]:
    """Tables that nothing fills, of those that some nodes read: what does not change must be filled at start."""
    filled = {identity(index.nodes[name]) for node in initializers for ref in index.data_inputs(node)
              for name in [root(index, ref)] if index.op(name) in ops.TABLES}
    read = {root(index, index.data_inputs(name)[0]) for name in reads}
    return sorted(name for name in read if index.op(name) in ops.STATIC_TABLES and (
        identity(index.nodes[name]) not in filled))


class Lazy(Mapping):
    """Values by key, each made when it is asked for; it pickles where ``value_of`` does."""

    def __init__(self, keys: Iterable[str], value_of: Callable[[str], Any]):
        self._keys, self._value_of = dict.fromkeys(keys), value_of

    def __getitem__(self, key: str) -> Any:
        if key not in self._keys:
            raise KeyError(key)
        return self._value_of(key)

    def __contains__(self, key: Any) -> bool:  # a Mapping would make the value to find out
        return key in self._keys

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)
