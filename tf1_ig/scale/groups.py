"""Which rows are explained by one call: those of one shape, or that share padding which nobody notices."""

import functools
import operator
import weakref
from typing import Any, List, Mapping, Optional, Tuple

import numpy as np

from tf1_ig.engine.packing import IN_COMPANY

ROWS = 256       # of one call
_AGREE = 1e-7    # what padding may change of a probability or a logit, beside its size

_TRIED = 4       # rows that are tried before a model is taken for one that runs them alone only

_shared: "weakref.WeakKeyDictionary[Any, bool]" = weakref.WeakKeyDictionary()
_coupled: "weakref.WeakKeyDictionary[Any, Optional[bool]]" = weakref.WeakKeyDictionary()

# The shape of each placeholder's part of a row that stands alone.
Size = Tuple[Tuple[str, Tuple[int, ...]], ...]


def size(spec: Any, cells: Mapping[str, Any]) -> Size:
    """The shapes that a row's feed has when it is alone; lengths and masks follow their text.

    Raises:
      RowError: no array can be made of it.
    """
    return tuple((tensor, np.shape(one.array([cells[tensor]]))) for tensor, one in spec.filling.items()
                 if one.kind not in ("constant", "string", "example", "lengths", "mask"))


def cut(spec: Any, explainer: Any, sizes: Mapping[int, Size], cells: Mapping[int, Any],
        most: int) -> List[List[int]]:
    """Places of rows, group by group, short rows first; one that has no equal is a group of its own.

    Args:
      spec, explainer: whose rows these are, and who explains them.
      sizes: of each place, what ``size`` says.
      cells: of each place, what ``spec.read`` returned.
      most: numbers in the feed of one group.
    """
    if spec.batch_axis is None or coupled(explainer) is not False:
        return [[place] for place in sorted(sizes)]
    numbers = {place: _numbers(shapes) for place, shapes in sizes.items()}
    order = sorted(sizes, key=lambda place: (numbers[place], sizes[place], place))
    shares = _tells_lengths(spec) and len({_ranks(sizes[place]) for place in order}) < 2 and (
        _padding_is_unnoticed(spec, explainer, sizes, cells, order))
    found: List[List[int]] = []
    for place in order:
        together = found and (shares or sizes[found[-1][0]] == sizes[place]) and len(found[-1]) < ROWS and (
            (len(found[-1]) + 1) * numbers[place] <= most)
        if together:
            found[-1].append(place)
        else:
            found.append([place])
    return found


def coupled(explainer: Any) -> Optional[bool]:
    """Whether rows of this model were seen to influence each other; ``None``: it could not be told."""
    return _coupled.get(explainer, False)


def seen(explainer: Any, running: str, found: Optional[bool]) -> bool:
    """Notes how rows were run, and whether they have to be explained one by one."""
    alone = bool(found) or running == IN_COMPANY and found is not False
    if alone:
        _coupled[explainer] = found or coupled(explainer) or None
    return alone


def measure_company(spec: Any, explainer: Any, cells: Mapping[int, Any], label: Any) -> None:
    """Measured once an explainer, with a row beside itself: whether rows influence each other, however they are cut."""
    if spec.batch_axis is None or explainer in _coupled:
        return
    for place in sorted(cells)[:_TRIED]:
        # A row that the model refuses is told of when it is explained.
        try:
            probed = explainer.at(spec.together([cells[place]] * 2).feed, label=label).probed
        except Exception:  # noqa: B902
            continue
        _coupled[explainer] = False
        seen(explainer, probed.running.mode, probed.running.coupled)
        return


def _numbers(shapes: Size) -> int:
    return sum(functools.reduce(operator.mul, shape, 1) for _, shape in shapes)


def _ranks(shapes: Size) -> Tuple[int, ...]:
    return tuple(len(shape) for _, shape in shapes)


def _tells_lengths(spec: Any) -> bool:
    """Whether every text that is padded comes with its length or a mask, and all else has one shape."""
    texts = {tensor for tensor, one in spec.placeholders.items() if one.kind == "text"}
    told = {one.of for one in spec.placeholders.values() if one.kind in ("lengths", "mask")}
    others = {one.kind for one in spec.placeholders.values()} - {"text", "lengths", "mask", "constant", "category",
                                                                 "string", "example"}
    return bool(texts) and texts <= told and not others


def _padding_is_unnoticed(spec: Any, explainer: Any, sizes: Mapping[int, Size], cells: Mapping[int, Any],
                          order: List[int]) -> bool:
    """Measured once an explainer: short rows give the same outputs alone and beside the longest."""
    if explainer in _shared:
        return _shared[explainer]
    if not order or sizes[order[0]] == sizes[order[-1]]:
        return True
    longest = order[-1]
    tried = [place for place in order[:: max(1, len(order) // 4)] if sizes[place] != sizes[longest]][:4]
    agree = True
    for place in tried:
        # A model that cannot run them so is one whose rows are explained with their equals.
        try:
            alone, beside = (_outputs(spec, explainer, rows) for rows in (
                [cells[place]], [cells[place], cells[longest]]))
        except Exception:  # noqa: B902
            agree = False
            break
        agree = agree and bool(np.allclose(alone, beside[:1], rtol=_AGREE * 10, atol=_AGREE, equal_nan=True))
    _shared[explainer] = agree
    return agree


def _outputs(spec: Any, explainer: Any, cells: List[Any]) -> np.ndarray:
    at = explainer.at(spec.together(cells).feed, label=spec.label)
    return np.asarray(at.outputs(at.entries))
