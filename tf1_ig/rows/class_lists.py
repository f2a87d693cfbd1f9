"""Names of the classes of an output: those in a file that was given, or those that the model itself returns."""

from typing import Any, List, Optional, Sequence, Tuple

from graph_tools import _tf
from graph_tools.graph import names
from graph_tools.running.values import as_text
from tf1_ig.rows import named_ids
from tf1_ig.rows.files import Files


def in_file(path: str, count: Optional[int], files: Files) -> Tuple[Sequence[str], bool]:
    """The names in a file, and whether they are one of several lists in it: that of as many as the output has.

    Raises:
      SpecError: it cannot be read, or holds no names.
    """
    if not path.lower().endswith(".json"):
        return files.listed(path, "--classes"), False
    key, ids = named_ids.fitting(files.json(files.existing(path, "--classes"), "--classes"), [count],
                                 "--classes %r" % path)
    return named_ids.in_order(ids), key is not None


def in_graph(model: Any, count: Optional[int]) -> Optional[List[str]]:
    """The names that the model returns beside its scores: constant strings, one a class, behind an output of a
    signature that holds strings; ``None`` where there are none, or different ones."""
    found = {}
    for signature in model.signatures.values():
        for tensor in signature.outputs.values():
            name = names.parse(tensor.name).node
            for node in model.index.ancestors([name + ":0"], control=False) if name in model.index else ():
                content = _strings(model.index.nodes[node], count)
                if content is not None:
                    found[content] = node
    return list(next(iter(found))) if len(found) == 1 else None


def _strings(node: Any, count: Optional[int]) -> Optional[Tuple[str, ...]]:
    """The content of a constant of so many different strings."""
    if count is None or count < 2 or node.op != "Const" or node.attr["dtype"].type != _tf.tf.string.as_datatype_enum:
        return None
    array = _tf.make_ndarray(node.attr["value"].tensor).reshape(-1)
    texts = tuple(as_text(one) for one in array)
    return texts if len(set(texts)) == len(texts) == count else None
