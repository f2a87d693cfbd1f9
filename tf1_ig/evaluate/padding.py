"""Tokens that only fill a row up: they stand in no order, and no share of the tokens counts them."""

from typing import List

import numpy as np

from tf1_ig.evaluate.cutting import is_cut
from tf1_ig.evaluate.record import Scene
from tf1_ig.evaluate.without import scores, scores_at, without

UNNOTICED = 1e-6   # of the larger score of a row: what it may move to take its padding away
UNREAD = 1e-5      # as much, wherever padding is put: those points are run in other company
REST = (0.0, 0.25, 0.5, 0.75, 1.0)   # shares of all other tokens at which it is put elsewhere
PLACES = (-4.0, 0.0, 1.0, 4.0)       # its own shares: 1 as fed, 0 away


def padding(scene: Scene) -> List[np.ndarray]:
    """By row the tokens that are padding: two or more like the last token of an input, or like its first, that the
    model is seen not to read. Without all of them the score is what it was; and, as a score that is saturated does not
    notice words either, it stays wherever they are put, all along the path of the other tokens."""
    alike = [_alike(scene, row) for row in range(len(scene.tokens))]
    if not any(alike):
        return [np.zeros(0, int)] * len(alike)
    sizes = np.abs(scene.ends).max(axis=0)
    gone = scores(scene, [without(len(tokens), sets) for tokens, sets in zip(scene.tokens, alike)])
    elsewhere = [np.concatenate([np.ones((0, len(tokens)))] + [_elsewhere(len(tokens), own) for own in sets])
                 for tokens, sets in zip(scene.tokens, alike)]
    moved = scores_at(scene, elsewhere, scene.baseline if is_cut(scene.removal) else scene.removal)
    found = []
    for row, sets in enumerate(alike):
        apart = np.ptp(moved[row].reshape(len(sets), len(REST), len(PLACES)), axis=2).max(axis=1)
        unread = (np.abs(gone[row] - scene.ends[1][row]) <= UNNOTICED * sizes[row]) & (apart <= UNREAD * sizes[row])
        found.append(np.unique(np.concatenate([np.zeros(0, int)] + [own for own, so in zip(sets, unread) if so])))
    return found


def _elsewhere(count: int, tokens: np.ndarray) -> np.ndarray:
    """Shares ``[REST · PLACES, count]``: some tokens at each place, the others at each of their shares."""
    shares = np.repeat(np.repeat(REST, len(PLACES))[:, None], count, axis=1)
    shares[:, tokens] = np.tile(PLACES, len(REST))[:, None]
    return shares


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
