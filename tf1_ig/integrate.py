"""The integral of the gradient along the path, by a fixed rule or adaptively. Plain numpy, no TensorFlow.

Whoever evaluates the model is an ``Evaluator``; here only nodes, weights and errors are decided. Gradients are flat
vectors, one per (example, alpha), so that dense and ragged inputs look alike.

Where the adaptive rule puts its nodes is decided in ``refine.py``, path by path; here paths share the evaluator's runs.
"""

import abc
import itertools
import math
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from tf1_ig import refine
from tf1_ig.paths import Path

# Floats of gradients that paths may hold while they are refined; examples are begun as if each were to hold 16 nodes.
_HELD, _NODES = 1 << 26, 16


class Rows(NamedTuple):
    """Points to evaluate: ``alpha[i]`` of the way from the baseline to the input of example ``example[i]``."""

    example: np.ndarray
    alpha: np.ndarray


class Evaluated(NamedTuple):
    """Score, derivative along the path and flat gradient at each row.

    ``parts`` splits the derivative: how much of it comes from each token (``gradient * (input - baseline)``, summed
    over the last axis of the input); the parts of a row sum to its slope.
    """

    score: np.ndarray
    slope: np.ndarray
    gradient: List[np.ndarray]
    parts: List[np.ndarray]


class Evaluator(abc.ABC):
    """What integration asks of a model; ``tf1_ig.engine`` answers with TensorFlow, the tests with closed forms."""

    count: int
    floats: int = 1  # of one example's gradient

    @property
    def magnitude(self) -> Optional[np.ndarray]:
        """What rounding of each example's scores is a share of, where that is more than the scores: float [count]."""
        return None

    def entries(self, example: int) -> Optional[np.ndarray]:
        """The larger magnitude of each entry at the two ends of an example's path, flat as its gradient, if it is
        known."""
        return None

    @property
    def at_once(self) -> int:
        """Rows that take no longer together than one by one would, but for what a run takes whatever its rows."""
        return 1

    @abc.abstractmethod
    def scores(self, rows: Rows) -> np.ndarray:
        """Scores only (no gradient is computed)."""

    @abc.abstractmethod
    def gradients(self, rows: Rows) -> Evaluated:
        """Score, slope and gradient at each row."""

    def example_done(self) -> None:
        """Told when an example needs no more rows, for who waits."""
        return None

    @abc.abstractmethod
    def weighted(self, rows: Rows, weights: np.ndarray) -> Tuple[np.ndarray, List[np.ndarray]]:
        """Scores by row, and for every example the weighted sum of its gradients (float64)."""


class Integral(NamedTuple):
    """The mean gradient along the path of each example, and what is known of it; arrays are ``[examples]``.

    ``path_errors`` holds the signed error of each interval of ``path`` where it is known, ``size`` what rounding of the
    scores is a share of, where that is more than the scores and what tokens gain and lose.
    """

    gradient: List[np.ndarray]
    score: np.ndarray
    baseline_score: np.ndarray
    steps: np.ndarray
    evaluations: np.ndarray
    error_estimate: Optional[np.ndarray]
    path: Optional[List[Tuple[np.ndarray, np.ndarray]]]
    path_errors: Optional[List[np.ndarray]] = None
    size: Optional[np.ndarray] = None


def joined(parts: Sequence[Integral]) -> Integral:
    """Integrals of slices of the examples as one."""
    if len(parts) == 1:
        return parts[0]
    together: List[Any] = [None if fields[0] is None else sum(fields, []) if isinstance(fields[0], list)
                           else np.concatenate(fields) for fields in zip(*parts)]
    return Integral(*together)


def by_rule(evaluator: Evaluator, alphas: np.ndarray, weights: np.ndarray,
            ends: Optional[np.ndarray] = None) -> Integral:
    """The integral by fixed nodes and weights (both ``[steps]``), the same for every example.

    ``ends`` are the scores at baseline and input, ``[examples, 2]``, where the caller knows them already.
    """
    count, steps = evaluator.count, len(alphas)
    rows = Rows(np.repeat(np.arange(count), steps), np.tile(alphas, count))
    node_scores, gradient = evaluator.weighted(rows, np.tile(weights, count))
    if ends is None:
        ends = _ends(evaluator, range(count))
    places, first = np.unique(np.concatenate([alphas, [0.0, 1.0]]), return_index=True)
    path = [(places, scores) for scores in np.concatenate([node_scores.reshape(count, steps), ends], axis=1)[:, first]]
    size = np.array([_size(evaluator, example, [gradient[example]]) for example in range(count)])
    return Integral(gradient, ends[:, 1], ends[:, 0], np.full(count, steps), np.full(count, steps), None, path,
                    size=size)


def _size(evaluator: Evaluator, example: int, gradients: Sequence[np.ndarray]) -> float:
    """What rounding of an example's scores is a share of.

    Entries are float32: a score cannot be told from those that their last bits make, and these move it by a share of
    ``sum of |gradient * entry|``, however small the score is and however short the path. Along a path from zero that is
    what tokens gain and lose; right beside a baseline that is not zero it is far more. Of several gradients the one
    counts that moves it least: a cliff that one point stands on is not rounding.
    """
    size = 0.0 if evaluator.magnitude is None else float(evaluator.magnitude[example])
    entries = evaluator.entries(example)
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite says nothing
        moved = 0.0 if entries is None else min(float(np.abs(gradient) @ entries) for gradient in gradients)
    return max(size, moved) if math.isfinite(moved) else size


def adaptive(evaluator: Evaluator, tolerance: float, max_steps: int, together: int = 128,
             on_progress: Callable[[int], None] = lambda evaluations: None) -> Integral:
    """The integral with nodes where they are needed, every evaluation used.

    Args:
      evaluator: the model.
      tolerance: stop when the completeness error is at most this share of |score - baseline score|, and the errors
        along the path, added up by runs of one sign, at most this share of the score's total
        variation, and what the tokens' parts are likely off at most this share of their absolute sum.
      max_steps: most nodes per example; an example that has not converged by then is returned as it stands.
      together: examples that are refined at the same time (fewer where gradients are large). Their points share runs,
        and an example that is done makes room for the next, so that late rounds stay full. Where their gradients come
        to more than ``_HELD`` floats, those that hold most go on alone and the others wait.
      on_progress: called with the number of evaluations after each round.
    """
    results: Dict[int, Tuple] = {}
    room = _HELD // evaluator.floats
    together = max(1, min(together, room // _NODES))
    waiting = iter(range(evaluator.count))
    active: Dict[int, Path] = {}
    wanted: Dict[int, List[float]] = {}
    while len(results) < evaluator.count:
        wanted.update((example, refine.FIRST_NODES) for example in itertools.islice(waiting, together - len(wanted)))
        asked = _full_runs(_that_fit(wanted, active, room), active, evaluator.at_once)
        rows = Rows(np.array([example for example, nodes in asked.items() for _ in nodes], np.int64),
                    np.array([alpha for nodes in asked.values() for alpha in nodes], np.float64))
        found = evaluator.gradients(rows)
        new = [example for example in asked if example not in active]
        active.update((example, Path(ends)) for example, ends in zip(new, _ends(evaluator, new) if new else ()))
        for example, alpha, *at in zip(rows.example, rows.alpha.tolist(), *found):
            active[example].add(alpha, *at)
        for example in new:
            active[example].size = _size(evaluator, example, list(active[example].gradient.values()))
        on_progress(len(rows.alpha))
        wanted.update(zip(asked, refine.wanted([active[example] for example in asked], tolerance, max_steps)))
        for example in [example for example in asked if not wanted[example]]:
            del wanted[example]
            done = active.pop(example)
            results[example] = done.result() + (done.size,)
            evaluator.example_done()
    gradient, score, baseline_score, taken, error, path, errors, size = zip(*(
        results[example] for example in range(evaluator.count)))
    steps = np.array(taken)
    return Integral(list(gradient), np.array(score), np.array(baseline_score), steps, steps.copy(), np.array(error),
                    list(path), list(errors), np.array(size))


def _that_fit(wanted: Dict[int, List[float]], active: Dict[int, Path], room: int) -> Dict[int, List[float]]:
    """The examples whose nodes are asked now, at least one: those first that hold most, while there is room for all."""
    held = {example: len(active[example].score) if example in active else 0 for example in wanted}
    left = room - sum(held.values())
    asked: Dict[int, List[float]] = {}
    for example in sorted(wanted, key=lambda one: -held[one]):
        left -= len(wanted[example])
        if asked and left < 0:
            break
        asked[example] = wanted[example]
    return asked


def _full_runs(wanted: Dict[int, List[float]], active: Dict[int, Path], at_once: int) -> Dict[int, List[float]]:
    """Of examples that want more than a run holds those that fill whole runs: first those that have furthest to go.

    The others fill later runs, in which few are left.
    """
    left = sum(map(len, wanted.values()))
    if left <= at_once:
        return wanted
    left -= left % at_once
    asked = {}
    for example in sorted(wanted, key=lambda one: -active[one].beyond if one in active else -np.inf):
        if len(wanted[example]) <= left:
            asked[example] = wanted[example]
            left -= len(wanted[example])
    return asked or wanted


def _ends(evaluator: Evaluator, examples: Sequence[int]) -> np.ndarray:
    """Scores of some examples at baseline and input, ``[examples, 2]``."""
    rows = Rows(np.repeat(np.asarray(examples, np.int64), 2), np.tile([0.0, 1.0], len(examples)))
    return evaluator.scores(rows).reshape(len(examples), 2)
