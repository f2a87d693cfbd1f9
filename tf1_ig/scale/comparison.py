"""Two folders of explanations side by side: which names count more, which less, and whether that could be chance."""

from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Tuple

import numpy as np

from tf1_ig.scale.aggregates import contributions

LEAST = 5   # rows on each side that a name must occur in


class Change(NamedTuple):
    """A name, its mean contribution on both sides, how much it rose, and the standard error of that."""

    name: str
    before: float
    after: float
    change: float
    standard_error: float


class Comparison(NamedTuple):
    """What differs between two sets of explanations.

    Attributes:
      rank_agreement: Spearman's correlation of the mean contributions of names; NaN for fewer than three.
      changes: the names, those that moved most first.
      probability: how often chance alone moves some name as much as the one that moved most, beside its error.
      paired: whether both sides explain the same rows, so that each row was compared with itself.
      rows: rows of both sides.
    """

    rank_agreement: float
    changes: Tuple[Change, ...]
    probability: float
    paired: bool
    rows: Tuple[int, int]


def compare(before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]], permutations: int = 500,
            seed: int = 0) -> Comparison:
    """Compares rows of ``tf1_ig.scale.SCHEMA`` by a permutation test of the largest change of a mean.

    Args:
      before, after: the rows; where both have the same keys, a row changes sides with its twin only.
      permutations: random assignments to the sides.
      seed: of these.
    """
    names: Dict[str, int] = {}
    sides = [_entries(rows, names) for rows in (before, after)]
    keys = [side[0] for side in sides]
    paired = bool(keys[0]) and sorted(keys[0]) == sorted(keys[1]) and len(set(keys[0])) == len(keys[0])
    count = len(keys[0])
    row = np.concatenate([sides[0][1], sides[1][1] + count]).astype(np.int64)
    name = np.concatenate([sides[0][2], sides[1][2]]).astype(np.int64)
    value = np.concatenate([sides[0][3], sides[1][3]]).astype(np.float64)
    side = np.repeat([False, True], [count, len(keys[1])])
    means, errors, counts = _means(side[row], name, value, len(names))
    shared = (counts >= LEAST).all(axis=0)
    change = means[1] - means[0]
    drawn, observed, above = np.random.RandomState(seed), _largest(change, errors, shared), 0
    twins = _twins(keys) if paired else None
    for _ in range(permutations if shared.any() else 0):
        other = _drawn(side, twins, drawn)
        moved, spread, _ = _means(other[row], name, value, len(names))
        above += _largest(moved[1] - moved[0], spread, shared) >= observed - 1e-12
    order = sorted(np.flatnonzero(shared), key=lambda place: -abs(change[place]))
    texts = list(names)
    return Comparison(
        _spearman(means[0][shared], means[1][shared]),
        tuple(Change(texts[place], means[0][place], means[1][place], change[place], errors[place]) for place in order),
        (1.0 + above) / (1.0 + permutations) if shared.any() else 1.0, paired, (count, len(keys[1])))


def _entries(rows: Iterable[Mapping[str, Any]], names: Dict[str, int]) -> Tuple[List[str], Any, Any, Any]:
    keys: List[str] = []
    row, name, value = [], [], []
    for one in rows:
        for text, number in contributions(one, {}).items():
            row.append(len(keys))
            name.append(names.setdefault(text, len(names)))
            value.append(number)
        keys.append(one["key"])
    return keys, np.array(row, np.int64), np.array(name, np.int64), np.array(value, np.float64)


def _means(after: np.ndarray, name: np.ndarray, value: np.ndarray, size: int) -> Tuple[Any, Any, Any]:
    """Means of each name on both sides, the standard error of their difference, and counts."""
    counts, means, spreads = [], [], []
    for chosen in (~after, after):
        count = np.bincount(name[chosen], minlength=size)
        mean = np.bincount(name[chosen], value[chosen], size) / np.maximum(count, 1)
        squares = np.bincount(name[chosen], (value[chosen] - mean[name[chosen]]) ** 2, size)
        counts.append(count)
        means.append(mean)
        spreads.append(squares / np.maximum(count - 1, 1) / np.maximum(count, 1))
    return np.array(means), np.sqrt(spreads[0] + spreads[1]), np.array(counts)


def _largest(change: np.ndarray, errors: np.ndarray, shared: np.ndarray) -> float:
    if not shared.any():
        return 0.0
    floor = 1e-9 + 1e-3 * np.max(errors[shared])
    return float(np.max(np.abs(change[shared]) / np.maximum(errors[shared], floor)))


def _twins(keys: List[List[str]]) -> Tuple[np.ndarray, np.ndarray]:
    places = {key: place for place, key in enumerate(keys[1])}
    return np.arange(len(keys[0])), np.array([places[key] for key in keys[0]]) + len(keys[0])


def _drawn(side: np.ndarray, twins: Any, drawn: np.random.RandomState) -> np.ndarray:
    if twins is None:
        return drawn.permutation(side)
    swapped, other = drawn.rand(len(twins[0])) < 0.5, side.copy()
    other[twins[0]], other[twins[1]] = swapped, ~swapped
    return other


def _spearman(one: np.ndarray, other: np.ndarray) -> float:
    if len(one) < 3:
        return float("nan")
    ranks = [np.argsort(np.argsort(values)).astype(np.float64) for values in (one, other)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])
