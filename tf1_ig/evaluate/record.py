"""What a measure is given, and the few numbers that all of them compare with."""

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from tf1_ig.engine.at import At

SHUFFLES = 200  # of attributions among the tokens of their rows
FEW = "so few tokens that shuffled ones often stand in the same order; give more rows"


class Scene(NamedTuple):
    """One explanation, and the evaluator at its feed.

    ``tokens``: by row what each token is said to be worth; ``moving``: by row the tokens that differ from the baseline,
    without those that are ``padding``.
    ``removal``: what a removed token becomes, as ``evaluate`` takes it; ``explain(explainer, feed, label)`` asks the
    method that is judged again, from another ``baseline`` or with another ``seed`` where it takes one.
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
    removal: Any
    explain: Any
    padding: Sequence[np.ndarray] = ()

    @property
    def labels(self) -> Any:
        """What is explained of each row as ``explain`` takes it, whatever the scores of another feed or model say."""
        if self.at.weights is not None:
            return [{place if len(place) > 1 else place[0]: weight for place, weight in row} for row in self.at.weights]
        label: Any = [tuple(int(place) for place in one) if np.ndim(one) else int(one) for one in self.at.label]
        return None if any(one == -1 for one in label) else label

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


def by_chance(pairs: Sequence[Tuple[np.ndarray, np.ndarray]], random: np.random.RandomState) -> float:
    """Which mean rank correlation of rows one in twenty reaches by shuffling a row's first side; NaN: of none."""
    drawn = [mean([spearman(random.permutation(one), other) for one, other in pairs if len(one) > 1])
             for _ in range(SHUFFLES)]
    return float(np.nanquantile(drawn, 0.95)) if np.isfinite(drawn).any() else float("nan")


def mean(values: Any) -> float:
    """The mean of what is finite; NaN of nothing."""
    array = np.asarray(values, np.float64)
    return float(array[np.isfinite(array)].mean()) if np.isfinite(array).any() else float("nan")


def pearson(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation; of a side that does not vary 0 where the other does, NaN where neither does."""
    first, second = np.asarray(one, np.float64), np.asarray(other, np.float64)
    first, second = first - first.mean(), second - second.mean()
    sizes = np.array([np.sqrt((first ** 2).sum()), np.sqrt((second ** 2).sum())])
    least = 1e-9 * np.array([np.abs(one).max(), np.abs(other).max()])
    if (sizes <= least).all():
        return float("nan")
    return 0.0 if (sizes <= least).any() else float((first * second).sum() / sizes.prod())


def bootstrap(rows: Any, random: np.random.RandomState, draws: int = 2000) -> Optional[Tuple[float, float]]:
    """The 2.5th and 97.5th percentile of the mean, rows drawn again with replacement; ``None`` of fewer than two."""
    known = np.asarray(rows, np.float64)
    known = known[np.isfinite(known)]
    if len(known) < 2:
        return None
    low, high = np.percentile(known[random.randint(0, len(known), (draws, len(known)))].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)
