"""The entries of an input in one row of a result: their numbers, and what each is called. Every view asks here."""

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from graph_tools.find.candidates import short
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


def names(result: Any, name: str, row: int, given: Optional[Sequence[Any]] = None,
          shape: Optional[Tuple[int, ...]] = None) -> List[str]:
    """What the entries of a row are called: their texts, else ``"age"``, ``"pixels[3]"``, ``"map[2, 5]"``.

    Args:
      given: texts; ``None``: those of the result (``Attribution.texts``).
      shape: of the entries, where it is known already.
    """
    shape = of_row(result, name, row).shape if shape is None else shape
    return numbered(result.called, name, shape, result.texts(name, row) if given is None else given)


def texts(name: str, row: int, token_texts: Any, strings: Any, ids: Any) -> Optional[List[str]]:
    """What is known of the entries of an input in words: the given tokens, the strings or the ids behind them.

    Args:
      token_texts, strings, ids: as an ``Attribution`` has them.
    """
    if token_texts is not None:
        return list(token_texts[row])
    if strings is not None and name in strings:
        return list(strings[name][row])
    if ids is not None and name in ids:
        return ["#%d" % number for number in np.asarray(ids[name][row]).reshape(-1).tolist()]
    return None


def numbered(called: Called, name: str, shape: Sequence[int], known: Optional[Sequence[Any]] = None) -> List[str]:
    """What the entries of an input are called: by what is fed, and their place; by their texts where these are known.

    >>> numbered((("ToFloat:0", ("age",)),), "ToFloat:0", (1,)), numbered((), "x:0", (2,))
    (['age'], ['x[0]', 'x[1]'])
    """
    fed = dict(called).get(name, ())
    size = int(np.prod(shape))
    base = fed[0] if len(fed) == 1 else plain(name)
    found = list(fed) if len(fed) == size > 1 else [base] if size == 1 else [
        "%s[%s]" % (base, ", ".join(map(str, place))) for place in np.ndindex(*shape)]
    if known is not None and (len(shape) == 1 or len(known) == size):
        found[:len(known)] = map(as_text, known[:size])
    return found


def input_name(called: Called, name: str) -> str:
    """An input as the caller knows it: what is fed, where that is one thing; with the end of the tensor's name where
    other inputs come from it, too."""
    bases: Dict[str, str] = {tensor: known[0] for tensor, known in called if len(known) == 1}
    base = bases.get(name)
    if base is None:
        return name
    return base if list(bases.values()).count(base) == 1 else "%s (%s)" % (base, short(plain(name)))


def plain(name: str) -> str:
    """A tensor name as people write it: without the ``:0`` of a first output."""
    return name[:-2] if name.endswith(":0") else name
