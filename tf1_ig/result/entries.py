"""The entries of an input in one row of a result: their numbers, and what each is called. Every view asks here."""

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from graph_tools.running.values import as_text

# By input tensor name: one name for all of its entries, or one for each.
Called = Tuple[Tuple[str, Tuple[str, ...]], ...]


def is_one_category(result: Any, name: str, row: int) -> bool:
    """Whether one looked-up row stands for the whole of an input in an example: it is one entry, not its columns."""
    known = [each[name][row] for each in (result.strings, result.ids) if each is not None and name in each]
    return np.ndim(result.values[name][row]) == 1 and bool(known) and np.size(known[0]) == 1


def of_row(result: Any, name: str, row: int, sums: Optional[Mapping[str, Any]] = None,
           values: Optional[Mapping[str, Any]] = None) -> np.ndarray:
    """The numbers of a row's entries, in the places that they have: sums by token, or the numbers of a plain row.

    Args:
      sums: what is summed by token; ``None``: the attributions (``result.tokens``).
      values: the same before it was summed; ``None``: ``result.values``.
    """
    part = np.asarray((result.tokens if sums is None else sums)[name][row])
    if part.ndim:
        return part
    return np.reshape(part if is_one_category(result, name, row) else (
        result.values if values is None else values)[name][row], -1)


def names(result: Any, name: str, row: int, texts: Optional[Sequence[Any]] = None,
          shape: Optional[Tuple[int, ...]] = None) -> List[str]:
    """What the entries of a row are called: their texts, else ``"age"``, ``"pixels[3]"``, ``"map[2, 5]"``.

    Args:
      texts: given ones; ``None``: those of the result (``Attribution.texts``).
      shape: of the entries, where it is known already.
    """
    shape = of_row(result, name, row).shape if shape is None else shape
    found, texts = numbered(result.called, name, shape), result.texts(name, row) if texts is None else texts
    if texts is not None and (len(shape) == 1 or len(texts) == len(found)):
        found[:len(texts)] = map(as_text, texts[:len(found)])
    return found


def numbered(called: Called, name: str, shape: Sequence[int]) -> List[str]:
    """What the entries of an input are called that no text names: by what is fed, and their place.

    >>> numbered((("ToFloat:0", ("age",)),), "ToFloat:0", (1,)), numbered((), "x:0", (2,))
    (['age'], ['x[0]', 'x[1]'])
    """
    known = dict(called).get(name, ())
    size = int(np.prod(shape))
    if len(known) == size and size > 1:
        return list(known)
    base = known[0] if len(known) == 1 else plain(name)
    return [base] if size == 1 else ["%s[%s]" % (base, ", ".join(map(str, place))) for place in np.ndindex(*shape)]


def input_name(called: Called, name: str) -> str:
    """An input as the caller knows it: what is fed, where that is one thing, and no other input comes from it."""
    bases: Dict[str, str] = {tensor: known[0] for tensor, known in called if len(known) == 1}
    base = bases.get(name)
    return name if base is None or list(bases.values()).count(base) > 1 else base


def plain(name: str) -> str:
    """A tensor name as people write it: without the ``:0`` of a first output."""
    return name[:-2] if name.endswith(":0") else name
