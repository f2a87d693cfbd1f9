"""Tokens that only fill a row up: they stand in no order, and no share of the tokens counts them."""

from typing import List

import numpy as np

from tf1_ig.evaluate.record import Scene
from tf1_ig.evaluate.without import scores, without

UNNOTICED = 1e-6   # of the larger score of a row: what its padding may move


def padding(scene: Scene) -> List[np.ndarray]:
    """By row the tokens that are padding: two or more like the last token of an input, or like its first, without all
    of which the score is what it was."""
    alike = [_alike(scene, row) for row in range(len(scene.tokens))]
    shares = [without(len(tokens), sets) for tokens, sets in zip(scene.tokens, alike)]
    if not any(alike):
        return [np.zeros(0, int)] * len(alike)
    least = UNNOTICED * np.abs(scene.ends).max(axis=0)
    return [np.unique(np.concatenate([np.zeros(0, int)] + [one for one, score in zip(sets, found)
                                                           if abs(score - scene.ends[1][row]) <= least[row]]))
            for row, (sets, found) in enumerate(zip(alike, scores(scene, shares)))]


def _alike(scene: Scene, row: int) -> List[np.ndarray]:
    """Of each input the tokens like its last one, and those like its first, as far as removal moves them."""
    found, start = [], 0
    for column, name in enumerate(scene.at.inputs):
        count, own = int(scene.at.token_counts[row, column]), np.asarray(scene.at.entries[name][row])
        if own.ndim > 1 and count:  # a number of a table stands for itself
            rows = own.reshape(count, -1)
            for end in (rows[-1], rows[0]):
                places = np.intersect1d(start + np.flatnonzero((rows == end).all(axis=1)), scene.moving[row])
                found += [places] if len(places) > 1 else []
        start += count
    return found
