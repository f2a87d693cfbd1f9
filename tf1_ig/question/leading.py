"""Leading sizes that inputs have each for itself, where no common number of rows goes together.

What is looked up by one input is reshaped to ``[128, 18, 64]``, another input has 128 rows: the first has 2304 entries.
What TensorFlow's shape functions say of each alone, while no other leading size is known, tells by how much it is off.
"""

import functools
import re
from math import gcd
from typing import Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from graph_tools.find.inputs.fitting import Fitting, Shape

_MOST, _ASKED = 1 << 16, 8           # the largest leading size, and how many are asked about for one input
_RESHAPED = re.compile(r"Cannot reshape a tensor with (\d+) elements to shape \[[\d,]*\] \((\d+) elements\)")
_DIVIDED = re.compile(r"evenly divisible by (\d+) but is (\d+)")
_UNEQUAL = re.compile(r"must be equal, but are (\d+) and (\d+)")


class Leading(NamedTuple):
    """The leading size of each input that has free rows, and the number of rows that all of them hold together."""

    rows: int
    sizes: Mapping[str, int]


def leading(fitting: Fitting, output: str, shapes: Mapping[str, Tuple[int, ...]], free: Sequence[str],
            in_time: Callable[[], bool]) -> Optional[Leading]:
    """Leading sizes that go together; ``None`` where nothing says them, or the time is over.

    Args:
      fitting: tells what fits.
      output: what is run.
      shapes: of all that is fed, in a common number of rows.
      free: what of it may have another leading size.
      in_time: whether there is time to ask once more.
    """
    unknown: Dict[str, Shape] = {tensor: (None,) + shape[1:] if tensor in free else shape
                                 for tensor, shape in shapes.items()}
    if not free or not in_time() or fitting.refusal(unknown) is not None:
        return None  # whatever the leading sizes are
    own: Dict[str, int] = {}
    for tensor in free:
        size = _size(fitting, unknown, tensor, shapes[tensor][0], in_time)
        if size is None:
            return None
        if size != shapes[tensor][0]:
            own[tensor] = size
    if not own:
        return None
    usual = [shapes[tensor][0] for tensor in free]
    said = _leading(fitting, output, _with(unknown, own))
    counted = _common(list(own.values()) + said)
    # What says nothing by itself has the rows of the output, or what it was going to have.
    for rest in dict.fromkeys([counted] + said + usual if said else usual + [counted]):
        sizes = {tensor: own.get(tensor, rest) for tensor in free}
        together = _with(shapes, sizes)
        if in_time() and fitting.refusal(together) is None:
            return Leading(_common(list(own.values()) + _leading(fitting, output, together)), sizes)
    return None


def _size(fitting: Fitting, unknown: Mapping[str, Shape], tensor: str, size: int, in_time: Callable[[], bool]
          ) -> Optional[int]:
    """The first leading size of one input that is not refused, from a given one on."""
    todo = [size]
    for tried in todo:  # which grows
        if not in_time():
            return None
        refused = fitting.refusal(_with(unknown, {tensor: tried}))
        if refused is None:
            return tried
        todo += [other for other in _wanted(tried, refused.reason) if other not in todo][:_ASKED - len(todo)]
    return None


def _wanted(size: int, reason: str) -> Iterator[int]:
    """What a leading size would have to be for a refusal to fall away, where it goes into what is counted there."""
    reshaped, divided, unequal = (pattern.search(reason) for pattern in (_RESHAPED, _DIVIDED, _UNEQUAL))
    ratios = []
    if reshaped:
        ratios = [(int(reshaped.group(2)), int(reshaped.group(1)))]
    elif divided:
        of, given = int(divided.group(1)), int(divided.group(2))
        ratios = [(of, gcd(of, given))]
    elif unequal:
        one, other = int(unequal.group(1)), int(unequal.group(2))
        ratios = [(other, one), (one, other)]
    for wanted, given in ratios:
        if given and size * wanted % given == 0 and 0 < size * wanted // given <= _MOST:
            yield size * wanted // given


def _leading(fitting: Fitting, output: str, shapes: Mapping[str, Shape]) -> List[int]:
    """The leading size of an output, where it is known."""
    shape = fitting.shape_of(output, shapes)
    return [shape[0]] if shape and shape[0] else []


def _common(sizes: Sequence[int]) -> int:
    return functools.reduce(gcd, sizes, 0) or 1


def _with(shapes: Mapping[str, Shape], sizes: Mapping[str, int]) -> Dict[str, Shape]:
    return {tensor: (sizes[tensor],) + tuple(shape or ())[1:] if tensor in sizes else shape
            for tensor, shape in shapes.items()}
