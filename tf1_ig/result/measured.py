"""What a measure of an explanation found, as a value: its number, its control, its interval, its curves."""

import dataclasses
from typing import Any, Dict, NamedTuple, Optional, Tuple

import numpy as np

from graph_tools.report import Finding


class Curve(NamedTuple):
    """Scores of one row as its tokens go or come, and those of random orders of the same tokens.

    ``shares`` of the tokens that are gone (have come), ``scores`` at them, ``low`` and ``high`` the least and the most
    of the random orders there; all float64 of one length.
    """

    shares: np.ndarray
    scores: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Stage(NamedTuple):
    """One step of a cascade: the name scope whose weights are random from here on, and the correlation that is left."""

    scope: str
    value: float


@dataclasses.dataclass(frozen=True, eq=False)
class Measured(Finding):
    """A finding about an explanation.

    Attributes:
      control: what chance, or the measure's own error, gives in its place; ``None`` where there is no such thing.
      evaluations: rows of the graph that were run for it, forward or forward and backward.
      positions: for every row the places of some tokens: of ``flip set`` those of the set, of ``deletion`` and
        ``insertion`` those that went (came) until the decision changed; ``None`` elsewhere.
      rows: float64 ``[rows]``, the value of each row where there is one.
      interval: 95 % of the mean over the rows, by drawing rows again (bootstrap); ``None`` of fewer than two rows.
      judged: the number that the verdict rests on where it is not ``value`` (of an area the share of random orders that
        it beats).
      curves: of deletion and insertion, for every row a ``Curve``.
      stages: of ``weights randomised``, the scopes from the output downwards, each a ``Stage``.
    """

    control: Any = None
    evaluations: int = 0
    positions: Optional[Tuple[Any, ...]] = None
    rows: Optional[np.ndarray] = None
    interval: Optional[Tuple[float, float]] = None
    judged: Any = None
    curves: Optional[Tuple[Curve, ...]] = None
    stages: Optional[Tuple[Stage, ...]] = None


def to_plain(measured: Measured) -> Dict[str, Any]:
    """The measure as strict JSON: arrays as lists, and numbers that JSON lacks by name (``"NaN"``)."""
    return {field.name: strict(getattr(measured, field.name)) for field in dataclasses.fields(Measured)}


def of_plain(given: Any) -> Finding:
    """The inverse of ``to_plain``; of a list, as files of before there were controls hold it, a ``Finding``."""
    if not isinstance(given, dict):
        return Finding(*given)
    told = {name: given[name] for name in ("name", "verdict", "advice")}
    value, control, judged = (None if given[name] is None else float(given[name])
                              for name in ("value", "control", "judged"))
    positions, rows, curves, stages = (given[name] for name in ("positions", "rows", "curves", "stages"))
    low, high = given["interval"] or (None, None)
    return Measured(
        value=value, control=control, judged=judged, evaluations=int(given["evaluations"]),
        positions=None if positions is None else tuple(tuple(int(place) for place in row) for row in positions),
        rows=None if rows is None else _array(rows),
        interval=None if low is None or high is None else (float(low), float(high)),
        curves=None if curves is None else tuple(Curve(*map(_array, curve)) for curve in curves),
        stages=None if stages is None else tuple(Stage(str(scope), float(left)) for scope, left in stages), **told)


def strict(value: Any) -> Any:
    """Numbers, texts, arrays and sequences of them as strict JSON has them."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[
            str(float(value))]
    return [strict(one) for one in value]


def _array(numbers: Any) -> np.ndarray:
    return np.array([float(number) for number in numbers], np.float64)
