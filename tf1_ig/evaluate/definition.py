"""Integrated Gradients a second time, by running forward only: does the map hold what its definition says."""

from typing import List

import numpy as np

from tf1_ig.evaluate.bounds import judge
from tf1_ig.evaluate.record import Measured, Scene
from tf1_ig.evaluate.removal import scores_at, strongest

PARTS = 16   # of the path: in each every token goes its part alone, from the middle of the others


def definition(scene: Scene) -> Measured:
    """Largest relative difference, by row, from the integral of central differences along the path: no gradient is
    used, so a wrong gradient, another layer, row, label or baseline, and a map changed afterwards, are seen."""
    if scene.attribution.technique != "Integrated Gradients":
        return Measured("definition", "ok", None, "only Integrated Gradients are computed a second time")
    before, random = scene.at.evaluations, scene.random("definition")
    chosen = [strongest(scene, row, random) for row in range(len(scene.tokens))]
    shares = [_moved(len(tokens), own) for tokens, own in zip(scene.tokens, chosen)]
    found = [_integral(each, len(own)) for each, own in zip(scores_at(scene, shares, scene.baseline), chosen)]
    apart = [np.abs(scene.tokens[row][own] - each).sum() for row, (own, each) in enumerate(zip(chosen, found))]
    least = 1e-6 * np.abs(scene.ends).max(axis=0) + np.finfo(np.float32).tiny
    rows = np.array([one / max(np.abs(each).sum(), small) for one, each, small in zip(apart, found, least)])
    value = float(rows.max()) if np.isfinite(rows).all() and len(rows) else float("nan")
    told = judge("definition", value, len(rows))
    return Measured("definition", told, value, "" if told == "ok" else "central differences along the path, run "
                    "forward only, give another map: more steps, or it is not that of this model, feed and label",
                    evaluations=scene.at.evaluations - before, rows=rows)


def _moved(count: int, tokens: np.ndarray) -> np.ndarray:
    """Shares ``[2 · parts · tokens, count]``: all in the middle of a part, one token at its start, then at its end."""
    middles = (np.arange(PARTS) + 0.5) / PARTS
    made: List[np.ndarray] = []
    for token in tokens:
        for side in (-0.5, 0.5):
            shares = np.repeat(middles[:, None], count, axis=1)
            shares[:, token] += side / PARTS
            made.append(shares)
    return np.concatenate(made) if made else np.ones((0, count))


def _integral(scores: np.ndarray, tokens: int) -> np.ndarray:
    sides = scores.reshape(tokens, 2, PARTS)
    return (sides[:, 1] - sides[:, 0]).sum(axis=1)
