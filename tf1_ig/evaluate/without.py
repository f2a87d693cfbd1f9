"""Points of the rows in which some tokens are away: scores, outputs and decisions at them."""

from typing import Any, List, Sequence, Tuple

import numpy as np

from tf1_ig.evaluate import cutting
from tf1_ig.evaluate.record import Scene

POINTS = 512       # points that are made at once
FLOATS = 1 << 22   # of their entries together


def without(count: int, removed: Sequence[Any]) -> np.ndarray:
    """Shares ``[points, tokens]``: 1 but for the tokens that each point lacks."""
    shares = np.ones((len(removed), count))
    for point, tokens in enumerate(removed):
        shares[point, np.asarray(tokens, int)] = 0.0
    return shares


def scores(scene: Scene, shares: List[np.ndarray]) -> List[np.ndarray]:
    """Scores of each row's own points; NaN where nothing would be left to run."""
    return scores_at(scene, shares, scene.removal)


def scores_at(scene: Scene, shares: List[np.ndarray], to: Any) -> List[np.ndarray]:
    """Scores of each row's own points, each token its share of the way from ``to`` to the feed."""
    if cutting.is_cut(to):
        found = np.concatenate([cutting.scores(scene, part) for part in _parts(scene, shares)])
    else:
        found = np.concatenate([scene.at.scores(scene.at.mixed(part, to)) for part in _parts(scene, shares)])
    return [found[:len(each), row] for row, each in enumerate(shares)]


def decided(scene: Scene, shares: List[np.ndarray]) -> Tuple[List[np.ndarray], List[np.ndarray]]:
    """Scores of each row's own points, and whether the class is another there (without classes: half the rise gone)."""
    found = np.concatenate([cutting.outputs(scene, part) if cutting.is_cut(scene.removal) else scene.at.outputs(
        scene.at.mixed(part, scene.removal)) for part in _parts(scene, shares)])
    said, own = np.stack([scene.at.scores_of(each) for each in found]), scene.at.outputs(scene.at.entries)
    if own.ndim == 2 and own.shape[1] > 1:
        otherwise = (found.argmax(axis=2) != own.argmax(axis=1)) & np.isfinite(found).all(axis=2)
    else:
        with np.errstate(invalid="ignore"):
            otherwise = (scene.ends[1] - said) / np.where(scene.rise == 0, 1.0, scene.rise) > 0.5
    counts = list(enumerate(map(len, shares)))
    return [said[:count, row] for row, count in counts], [otherwise[:count, row] for row, count in counts]


# -- how ---------------------------------------------------------------------------------------------------------------

def _parts(scene: Scene, shares: List[np.ndarray]) -> List[List[np.ndarray]]:
    """A few points of all rows at a time; a row without more stays as it was fed."""
    most = max(1, max(len(each) for each in shares))
    padded = [np.concatenate([each, np.ones((most - len(each), each.shape[1]))]) for each in shares]
    floats = sum(len(vector) for vector in scene.at.vectors(scene.at.entries))
    together = max(1, min(POINTS, FLOATS // max(1, floats)))
    return [[each[first:first + together] for each in padded] for first in range(0, most, together)]
