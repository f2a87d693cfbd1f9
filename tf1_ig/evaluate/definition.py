"""Integrated Gradients a second time, by running forward only: does the map hold what its definition says."""

from typing import List, Tuple

import numpy as np

from tf1_ig.evaluate.bounds import BOUNDS, judge
from tf1_ig.evaluate.record import Scene
from tf1_ig.evaluate.removal import strongest
from tf1_ig.evaluate.without import scores_at
from tf1_ig.result.measured import Measured

PARTS = (8, 16, 32, 64, 128)   # of the path; twice as many until two in a row agree
AGREE = 0.03                   # of the size of a row's map


def definition(scene: Scene) -> Measured:
    """Largest relative difference, by row, from the integral of central differences along the path: no gradient is
    used, so a wrong gradient, another layer, row, label or baseline, and a map changed afterwards, are seen. Control:
    how far the integral's last two refinements are apart. That is taken off before it is judged, and so is as much of
    each token as the differences on its two sides leave open: where two maxima are nearly equal all along the path,
    either may be the one that counts."""
    if scene.attribution.technique != "Integrated Gradients":
        return Measured("definition", "ok", None, "only Integrated Gradients are computed a second time")
    random = scene.random("definition")
    # Padding, too: what is attributed to it is wrong.
    chosen = [strongest(values, np.union1d(moving, fills).astype(int), random)
              for values, moving, fills in zip(scene.tokens, scene.moving, scene.padding)]
    said = [scene.tokens[row][own] for row, own in enumerate(chosen)]
    found, _ = _refined(scene, chosen, PARTS[0])
    for parts in PARTS[1:]:
        last, (found, open_to) = found, _refined(scene, chosen, parts)
        error = _apart(scene, last, found)
        if not (error > AGREE).any():
            break
    rows = _apart(scene, said, found)
    within = _apart(scene, [np.clip(each, of - wide, of + wide) for each, of, wide in zip(said, found, open_to)], found)
    known = np.isfinite(rows).all() and np.isfinite(error).all() and len(rows)
    value, judged = (float(rows.max()), float((rows - within - error).max())) if known else (float("nan"),) * 2
    told = judge("definition", judged, len(rows))
    advice = "" if told == "ok" else ("central differences along the path, run forward only, give another map: more "
                                      "steps, or it is not that of this model, feed and label")
    if told == "ok" and error.max() > BOUNDS["definition"].ok:
        told, advice = "warn", "the score is too steep along the path for %d parts of it to tell" % parts
    return Measured("definition", told, value, advice,
                    control=float(error.max()) if len(error) else None, rows=rows)


def _refined(scene: Scene, chosen: List[np.ndarray], parts: int) -> Tuple[List[np.ndarray], List[np.ndarray]]:
    """By row the integral for each chosen token, and how far on either side of it the slopes of the two sides are."""
    shares = [_moved(len(tokens), own, parts) for tokens, own in zip(scene.tokens, chosen)]
    scores = scores_at(scene, shares, scene.baseline)
    middles, sides = [each[:parts] for each in scores], [
        each[parts:].reshape(len(own), 2, parts) for each, own in zip(scores, chosen)]
    return [(each[:, 1] - each[:, 0]).sum(axis=1) for each in sides], [
        np.abs(each[:, 0] + each[:, 1] - 2 * middle).sum(axis=1) for each, middle in zip(sides, middles)]


def _apart(scene: Scene, one: List[np.ndarray], other: List[np.ndarray]) -> np.ndarray:
    """How far two maps are apart in each row, as a share of the size of the second."""
    least = 1e-6 * np.abs(scene.ends).max(axis=0) + np.finfo(np.float32).tiny
    return np.array([np.abs(first - second).sum() / max(np.abs(second).sum(), small)
                     for first, second, small in zip(one, other, least)])


def _moved(count: int, tokens: np.ndarray, parts: int) -> np.ndarray:
    """Shares ``[parts + 2 · parts · tokens, count]``: all in the middle of a part; then one token at its start, and at
    its end."""
    middles = np.repeat((np.arange(parts)[:, None] + 0.5) / parts, count, axis=1)
    made = [middles]
    for token in tokens:
        for side in (-0.5, 0.5):
            shares = middles.copy()
            shares[:, token] += side / parts
            made.append(shares)
    return np.concatenate(made)
