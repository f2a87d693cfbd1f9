"""From where the path of an example may start: zero as a rule, and what else where no integral from there exists.

A logarithm is not finite at zero, and what is divided by its own norm jumps right behind it.
"""

from typing import Any, Callable, Dict, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from tf1_ig.halves import LEAST_WIDTH
from tf1_ig.result.claims import AT_START, JUMPS, jump

Start = Tuple[Tuple[str, Union[int, float]], ...]

NEAR = AT_START       # of the path: there a score that is smooth has hardly moved
_STEEP = 0.01         # of the way of a score, from which on it is looked at more closely
_ROUNDING = 1e-5      # of a score
_STAYS = 0.1          # of what a score goes there, on a stretch where it may be a jump: else it only is steep
_POINTS = 128         # with which a jump is told from a steep beginning
_MANY = 6             # inputs of which it is tried one by one whether they may start at zero


class Ask(NamedTuple):
    """An example, and how it is asked about.

    Attributes:
      explained: the result from a baseline, with what else ``explain`` is told.
      near: the scores right behind a baseline, or at a point of each row's path.
      numbers: the attributed inputs that are numbers themselves.
      rows: the others: rows of tables.
      ids: tells the whole numbers that are fed and look up all of those.
    """

    explained: Callable[..., Any]
    near: Callable[..., np.ndarray]
    numbers: Sequence[str]
    rows: Sequence[str]
    ids: Callable[[], Sequence[str]]


def finite(ask: Ask) -> Optional[Tuple[Start, Any]]:
    """The numbers that may not start at zero, with a one instead, and the result from there; ``None``: it is not that.
    """
    def holds(start: Dict[str, Any]) -> Any:
        found = ask.explained(start)
        return found if np.all(found.finite) else None

    return _fewest(dict.fromkeys(ask.numbers, 1.0), holds)


def jumps(ask: Ask, result: Any) -> str:
    """The op by which the score of an example jumps right behind zero, in words; ``""``: it does not.

    Args:
      ask: the example.
      result: of a few points from zero.
    """
    if not _is_steep(ask, "zero", result) or not _may_jump(ask, "zero", np.asarray(result.baseline_score)):
        return ""
    close = ask.explained("zero", steps=None, max_steps=_POINTS)
    stretches = [jump(close, row) for row in range(len(close.score))]
    if not any(stretch is not None and stretch[0] < AT_START for stretch in stretches):
        return ""
    return next((note[len(JUMPS):] for note in close.notes if note.startswith(JUMPS)), "an op before it")


def smooth(ask: Ask) -> Optional[Tuple[Start, Any]]:
    """What may not start at zero, where a score jumps behind it, and the result from elsewhere: the rows of the id 0,
    else ones; ``None``: that does not help.
    """
    def holds(start: Dict[str, Any]) -> Any:
        found = ask.explained(start)
        if not np.all(found.finite) or _is_steep(ask, start, found):
            return None
        least = _ROUNDING * np.max(np.abs(found.score))
        return found if any(np.abs(row).sum() > least for value in found.values.values() for row in value) else None

    ids = ask.ids()
    for number in (0.0, 1.0) if ids else ():
        # All of them: what is not named would stay as it is fed.
        start: Dict[str, Any] = {**dict.fromkeys(ask.numbers, number), **dict.fromkeys(ids, 0)}
        found = holds(start)
        if found is not None:
            return tuple(start.items()), found
    return _fewest(dict.fromkeys([*ask.numbers, *ask.rows], 1.0), holds)


def _is_steep(ask: Ask, baseline: Any, found: Any) -> bool:
    """Whether a score goes a part of its way right behind a baseline, where a few points do not find all of it."""
    before, after = np.asarray(found.baseline_score), np.asarray(found.score)
    least = np.maximum(_STEEP * np.abs(after - before), _ROUNDING * np.maximum(np.abs(before), np.abs(after)))
    return bool(np.any(np.abs(found.delta) > least)) and bool(np.any(np.abs(ask.near(baseline) - before) > least))


def _may_jump(ask: Ask, baseline: Any, before: np.ndarray) -> bool:
    """Whether a score goes much of its way behind a baseline on one half of that, and on one half of this, and so on.

    What only is steep does not, and hundreds of gradients less are taken of it.
    """
    low, high = np.zeros(len(before)), np.full(len(before), NEAR)
    at_low, at_high = before, ask.near(baseline)
    least = np.maximum(_STAYS * np.abs(at_high - at_low), _ROUNDING * np.maximum(np.abs(at_low), np.abs(at_high)))
    while (high - low).max() > LEAST_WIDTH and np.any(np.abs(at_high - at_low) > least):
        middle = (low + high) / 2
        between = ask.near(baseline, middle)
        first = np.abs(between - at_low) >= np.abs(at_high - between)
        low, high = np.where(first, low, middle), np.where(first, middle, high)
        at_low, at_high = np.where(first, at_low, between), np.where(first, between, at_high)
    return not np.all(np.abs(at_high - at_low) <= least)


def _fewest(start: Dict[str, Any], holds: Callable[[Dict[str, Any]], Any]) -> Optional[Tuple[Start, Any]]:
    """The part of a start that is needed for a result that holds, and that result; ``None``: all of it is not enough.
    """
    found = holds(start) if start else None
    if found is None:
        return None
    for name in list(start) if len(start) <= _MANY else ():
        fewer = {key: value for key, value in start.items() if key != name}
        other = holds(fewer) if fewer else None
        if other is not None:
            start, found = fewer, other
    return tuple(start.items()), found
