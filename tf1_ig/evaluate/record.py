"""What a measure is given, what it gives back, and the few numbers that all of them compare with."""

import dataclasses
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

import numpy as np

from graph_tools.report import Finding
from tf1_ig.engine.at import At


@dataclasses.dataclass(frozen=True)
class Measured(Finding):
    """A finding about an explanation.

    Attributes:
      control: what chance, or the measure's own error, gives in its place; ``None`` where there is no such thing.
      evaluations: rows that were run for it, forward or forward and backward.
      positions: of ``flip set``: for every row the places of the tokens; ``None`` elsewhere.
      rows: float64 ``[rows]``, the value of each row where there is one.
    """

    control: Any = None
    evaluations: int = 0
    positions: Optional[Tuple[Any, ...]] = None
    rows: Optional[np.ndarray] = None


class Scene(NamedTuple):
    """One explanation, and the evaluator at its feed.

    ``tokens``: by row what each token is said to be worth; ``moving``: by row the tokens that differ from the baseline.
    """

    explainer: Any
    feed: Mapping[Any, Any]
    label: Any
    baseline: Any
    asked: Dict[str, Any]
    attribution: Any
    at: At
    ends: np.ndarray
    tokens: List[np.ndarray]
    moving: List[np.ndarray]
    seed: int

    @property
    def rise(self) -> np.ndarray:
        """Score less baseline score, by row."""
        return self.ends[1] - self.ends[0]

    def random(self, name: str) -> np.random.RandomState:
        """Random numbers of a measure's own, so that the choice of measures changes none."""
        return np.random.RandomState([self.seed] + [ord(letter) for letter in name])


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return ((ends - counts + ends - 1) / 2.0)[place.reshape(-1)]


def spearman(one: np.ndarray, other: np.ndarray) -> float:
    """Rank correlation; NaN where one side does not vary."""
    first, second = ranks(np.asarray(one)), ranks(np.asarray(other))
    first, second = first - first.mean(), second - second.mean()
    norm = np.sqrt((first ** 2).sum() * (second ** 2).sum())
    return float((first * second).sum() / norm) if norm > 0 else float("nan")


def mean(values: Any) -> float:
    """The mean of what is finite; NaN of nothing."""
    array = np.asarray(values, np.float64)
    return float(array[np.isfinite(array)].mean()) if np.isfinite(array).any() else float("nan")


def verdict(value: float, ok: float, fail: float) -> str:
    """``ok`` at one bound or better, ``fail`` at the other or worse (NaN is a warning: it could not be told)."""
    if not np.isfinite(value):
        return "warn"
    if (value >= ok) if ok > fail else (value <= ok):
        return "ok"
    return "fail" if ((value <= fail) if ok > fail else (value >= fail)) else "warn"
