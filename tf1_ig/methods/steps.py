"""Methods that walk from the baseline to the input step by step and ask for the gradient at each."""

import math
from typing import Any, List, NamedTuple

import numpy as np

from tf1_ig.engine.at import At
from tf1_ig.ensemble import Found
from tf1_ig.errors import MethodError
from tf1_ig.integrate import Integral
from tf1_ig.methods.paths import whole

# Shares of the way that count as the same; points of a path that are asked for at once.
SAME, TOGETHER = 1e-9, 16


def guided_ig(at: At, baseline: Any = "zero", steps: int = 200, fraction: float = 0.25,
              max_dist: float = 0.02) -> Found:
    """Integrated Gradients on a path that goes first where the gradient is small (Kapishnikov, Venugopalan, Avci,
    Wedin, Terry, Bolukbasi: Guided Integrated Gradients: an Adaptive Path Method for Removing Noise, CVPR 2021,
    arXiv 2106.09788, algorithm 1). Sums to the score minus the baseline's score up to the error of its steps.

    Args:
      steps: gradients that are taken; the path's L1 distance to the input shrinks by as much with each.
      fraction: share of the numbers, those with the smallest gradients, that may move at a time.
      max_dist: how far, as a share of the way, a number may be ahead of or behind the straight path.
    """
    if not 0 < fraction <= 1 or not 0 < max_dist <= 1:
        raise MethodError("fraction=%r and max_dist=%r must be shares above 0, at most 1" % (fraction, max_dist))
    walks = [_Walk(start, end, np.zeros(len(end))) for start, end in zip(
        at.vectors(at.start(baseline)), at.vectors(at.entries))]
    places = [walk.start.copy() for walk in walks]
    for step in range(whole(steps, "steps")):
        _, gradients = at.gradients(at.of_vectors(places))
        for row, gradient in enumerate(at.vectors(gradients)):
            places[row] = _advance(walks[row], places[row], gradient, step, steps, fraction, max_dist)
    return _answer(at, [walk.total for walk in walks], baseline, steps)


class _Walk(NamedTuple):
    """One row's way, flat, and what has been attributed on it so far (written to)."""

    start: np.ndarray
    end: np.ndarray
    total: np.ndarray

    def at(self, share: float) -> np.ndarray:
        return self.start + (self.end - self.start) * share


def _advance(walk: _Walk, place: np.ndarray, gradient: np.ndarray, step: int, steps: int, fraction: float,
             max_dist: float) -> np.ndarray:
    """Where the row stands after a step: numbers of small gradient went as far as they may until the step is made."""
    moves = walk.end != walk.start
    way = np.where(moves, walk.end - walk.start, 1.0)
    distance, done = np.abs(walk.end - walk.start).sum(), (step + 1.0) / steps
    if not distance > 0 or not np.isfinite(distance):
        return place
    left = distance * (1 - done)
    low, high = walk.at(max(done - max_dist, 0.0)), walk.at(min(done + max_dist, 1.0))
    size = np.abs(gradient)
    place = place.copy()
    for _ in range(len(place) + 2):
        before = place.copy()
        behind = moves & ((place - walk.start) / way < max(done - max_dist, 0.0))
        place[behind] = low[behind]
        gap = np.abs(walk.end - place).sum() - left
        if gap <= SAME * max(1.0, distance):
            walk.total[:] += (place - before) * gradient
            break
        size = np.where(place == high, np.inf, size)
        chosen = (size <= _lower_quantile(size, fraction)) & np.isfinite(size)
        reach = np.abs((high - place)[chosen]).sum()
        share = gap / reach if reach > 0 else math.inf
        if share > 1:
            place[chosen] = high[chosen]
        else:
            place[chosen] += (high - place)[chosen] * share
        walk.total[:] += (place - before) * gradient
        if share <= 1 or not chosen.any():
            break
    return place


def _lower_quantile(numbers: np.ndarray, share: float) -> float:
    return float(np.sort(numbers)[int(math.floor(share * (len(numbers) - 1)))])


def idgi(at: At, baseline: Any = "zero", steps: int = 64) -> Found:
    """Integrated Gradients in the direction of the gradient alone (Yang, Wang, Bilgic: IDGI: A Framework to Eliminate
    Explanation Noise from Integrated Gradients, CVPR 2023, arXiv 2303.14242, algorithm 1): what the score gains on each
    step of the straight path is shared out by the squares of the gradient. Sums to the score minus the baseline's score
    wherever the gradient is not zero.

    Args:
      steps: equal steps of the path; the gradient is taken where each begins.
    """
    alphas, totals = np.arange(whole(steps, "steps")) / steps, [np.zeros(len(end)) for end in at.vectors(at.entries)]
    scores: List[np.ndarray] = []
    shares: List[List[np.ndarray]] = []
    for start in range(0, steps, TOGETHER):
        points = alphas[start:start + TOGETHER]
        shared = [np.tile(points[:, None], (1, count)) for count in at.tokens]
        found, gradients = at.gradients(at.mixed(shared, baseline))
        scores += list(found)
        for number in range(len(points)):
            squares = [vector ** 2 for vector in at.vectors({name: each[number] for name, each in gradients.items()})]
            shares.append([square / square.sum() if square.sum() > 0 else square for square in squares])
    for gain, rows in zip(np.diff(np.stack(scores + [at.score]), axis=0), shares):
        for row, share in enumerate(rows):
            totals[row] += share * gain[row]
    return _answer(at, totals, baseline, steps)


def _answer(at: At, totals: List[np.ndarray], baseline: Any, steps: int) -> Found:
    outputs, taken = at.outputs(at.start(baseline)).reshape(len(at), -1), np.full(len(at), steps)
    return Found(1, Integral([], at.score, at.scores_of(outputs), taken, taken, None, None),
                 at.of_vectors(totals), outputs)
