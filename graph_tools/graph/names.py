"""Names of tensors and nodes: ``"a/b:0"`` is a tensor, ``"a/b"`` its node, ``"^a/b"`` a control input."""

import difflib
import functools
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Set

from graph_tools.errors import TensorNotFoundError


class TensorRef(NamedTuple):
    """Output ``port`` of the node ``node``; port -1 is a control edge."""

    node: str
    port: int

    @property
    def is_control(self) -> bool:
        return self.port < 0

    def __str__(self) -> str:
        return "^" + self.node if self.is_control else "%s:%d" % (self.node, self.port)


@functools.lru_cache(1 << 16)  # every index of a graph reads the same names
def parse(name: str) -> TensorRef:
    """Reads a tensor name or a ``NodeDef.input`` entry: ``"a"`` means ``"a:0"``, ``"^a"`` a control edge.

    >>> parse("a/b"), parse("a:1"), parse("^a")
    (TensorRef(node='a/b', port=0), TensorRef(node='a', port=1), TensorRef(node='a', port=-1))
    """
    if name.startswith("^"):
        return TensorRef(name[1:], -1)
    node, colon, port = name.rpartition(":")
    if colon and port.isdigit():
        return TensorRef(node, int(port))
    return TensorRef(name, 0)


def plain(known: Iterable[str]) -> Set[str]:
    """Those names of nodes that mean, as an input, output 0 of the node of that name; others are to be parsed."""
    return {name for name in known if ":" not in name and "^" not in name}


def text(name: bytes) -> str:
    """A name that stands in a graph as bytes; in a damaged file they may be any."""
    return name.decode("utf-8", "replace")


def tensor_name(tensor: Any) -> str:
    """The canonical name (``"a/b:0"``) of a tensor given by name, as a ``tf.Tensor`` or as a ``Candidate``.

    >>> tensor_name("a/b")
    'a/b:0'
    """
    if isinstance(tensor, bytes):
        tensor = text(tensor)
    if isinstance(tensor, str):
        try:
            tensor.encode("utf-8")
        except UnicodeEncodeError:
            raise TensorNotFoundError("no graph has a tensor %r, which is no text; give its name" % tensor) from None
        return str(parse(tensor))
    name = getattr(tensor, "tensor", None) or getattr(tensor, "name", None)
    if not isinstance(name, str):
        raise TypeError("a tensor is given by name, as a tf.Tensor or as a Candidate, not as %r" % (tensor,))
    return str(parse(name))


def tensor_names(tensors: Any) -> List[str]:
    """The canonical names of one tensor or several (a list, a tuple, the values of a mapping).

    >>> tensor_names("a"), tensor_names(["a", "b:1"])
    (['a:0'], ['a:0', 'b:1'])
    """
    if isinstance(tensors, Mapping):
        tensors = tensors.values()
    one = isinstance(tensors, (str, bytes)) or hasattr(tensors, "tensor") or hasattr(tensors, "name")
    return [tensor_name(tensor) for tensor in ([tensors] if one else tensors)]


def nearest(wrong: str, known: Iterable[str], most: int = 3) -> List[str]:
    """The known names that look most like a wrong one, best first (empty when none is similar)."""
    known = list(known)
    lowered: Dict[str, str] = {}
    for name in known:
        lowered.setdefault(name.lower(), name)
    found = [lowered[match] for match in difflib.get_close_matches(wrong.lower(), list(lowered), most, 0.6)]
    tail = wrong.lower().rpartition("/")[2]
    found += [name for name in known if tail and name.lower().rpartition("/")[2] == tail and name not in found]
    return found[:most]


def component(number: int) -> str:
    """What the placeholder of an output of a queue or an iterator is called behind its node, where the graph does not
    name it."""
    return "component_%d" % number


def _in_its_place(wrong: str, known: List[str]) -> List[str]:
    """The placeholder of a queue's tensor that was swapped: others look more alike, and hold something else."""
    ref = parse(wrong)
    name = "%s/%s:0" % (ref.node, component(ref.port))
    return [name] if name in known else []


def unknown_tensor(wrong: str, known: Iterable[str], where: str) -> TensorNotFoundError:
    """The error for a name that is not in the graph; it shows the nearest names that are."""
    known = list(known)
    found = _in_its_place(wrong, known) or nearest(wrong, known)
    hint = "did you mean %s?" % " or ".join(repr(name) for name in found) if found else (
        "list the names with: tf1-ig inspect MODEL")
    return TensorNotFoundError("no tensor %r in %s; %s" % (wrong, where, hint))


def refuse_unknown(model: Any, *tensors: str) -> None:
    """Refuses tensors by name whose nodes the graph of a model does not have."""
    for name in tensors:
        if parse(name).node not in model.index:
            raise unknown_tensor(name, model.index.tensor_names(), model.source)


def in_outline(model: Any, tensor: Any) -> Any:
    """A tensor, however it is named, in the outline of a model, or the error for a wrong name."""
    name, graph = tensor_name(tensor), model.outline  # what TensorFlow has against the graph is another error
    try:
        return graph.get_tensor_by_name(name)
    except (KeyError, ValueError):
        raise unknown_tensor(name, model.index.tensor_names(), model.source) from None
