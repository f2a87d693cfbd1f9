"""Gradients along many paths for every row: points of different paths share runs, and what they give is averaged."""

import itertools
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional

import numpy as np

from tf1_ig import integrate
from tf1_ig.engine.feeds import repeated
from tf1_ig.engine.packing import FIXED_BATCH, PACKED, Batch, PointRunner
from tf1_ig.engine.probe import agree
from tf1_ig.question.task import Task
from tf1_ig.result.attribution import token_sums

Entries = List[np.ndarray]
# Floats of attributed tensors that are laid out at once, a copy for each path.
FLOATS_AT_ONCE = 1 << 22


class Path(NamedTuple):
    """One path for every row of a batch, by input and shaped like the batch's entries.

    ``alpha``: the gradient is taken at this one point; ``None``: its mean along the whole path. ``times``: what the
    gradient is multiplied by; ``None``: ``end - start``.
    """

    start: Entries
    end: Entries
    alpha: Optional[float] = None
    times: Optional[Entries] = None


class Integrand(NamedTuple):
    """What is integrated along each path, and how.

    ``runner`` runs the caller's batch; ``values(task, gradient)`` multiplies gradients with ``actual - baseline`` of
    the task's batch; ``integral(runner, fed, ends)`` integrates along the paths of a runner, given its whole feed and
    the scores at both ends.
    """

    runner: PointRunner
    task: Task
    values: Callable[[Task, List[np.ndarray]], Dict[str, Any]]
    integral: Callable[[PointRunner, Mapping[str, Any], np.ndarray], integrate.Integral]


class Coupled(Exception):
    """Points that shared a run changed each other's outputs."""


class Found(NamedTuple):
    """Means over ``count`` paths, and their standard errors (``None`` of a single path).

    ``integral.error_estimate`` is the mean error of the integrals where that is known; of single points it is the
    standard error of the sum of the values over the scores' difference.
    """

    count: int
    integral: integrate.Integral
    values: Dict[str, Any]
    start_outputs: np.ndarray
    standard_error: Optional[Dict[str, Any]]
    token_standard_error: Optional[Dict[str, Any]]


def run(paths: Iterator[Path], integrand: Integrand) -> Found:
    """Takes the gradients along paths, as many at once as memory allows; all have single points or none has.

    Raises:
      Coupled: rows that were taken to be independent are not; they must keep their own company.
    """
    task, means = integrand.task, _Means()
    floats = max(1, sum(actual.size for actual in task.batch.actual))
    together = max(1, FLOATS_AT_ONCE // floats) if _wide(task) else 1
    for chunk in iter(lambda: list(itertools.islice(paths, together)), []):
        single_points = chunk[0].alpha is not None
        _run_together(chunk, integrand, means)
    count, (start, end) = means.values.count, means.ends.mean
    steps = np.full(len(end), count) if single_points else np.max(means.steps, axis=0)
    errors = means.residual.standard_error if single_points else means.errors.mean if means.errors.count else None
    return Found(count, integrate.Integral([], end, start, steps, sum(means.evaluations), errors, None),
                 _like(means.values.mean, means.template), means.outputs.mean,
                 None if count < 2 else _like(means.values.standard_error, means.template),
                 None if count < 2 else _like(means.sums.standard_error, token_sums(means.template)))


class _Tally:
    """Mean of vectors that come one by one, and its standard error (Welford, 1962: nothing cancels)."""

    def __init__(self):
        self.count, self.mean, self._squares = 0, 0.0, 0.0

    def add(self, vector: np.ndarray) -> None:
        self.count += 1
        with np.errstate(invalid="ignore"):  # an infinite score is told by check
            away = vector - self.mean
            self.mean = self.mean + away / self.count
            self._squares = self._squares + away * (vector - self.mean)

    @property
    def standard_error(self) -> Optional[np.ndarray]:
        return None if self.count < 2 else np.sqrt(self._squares / (self.count - 1) / self.count)


class _Means:
    """What is averaged over paths: flat values, their sums by token, scores ``[2, batch]`` at start and end, …"""

    def __init__(self):
        self.values, self.sums, self.ends, self.outputs = _Tally(), _Tally(), _Tally(), _Tally()
        self.residual, self.errors = _Tally(), _Tally()
        self.steps, self.evaluations = [], []
        self.template: Dict[str, Any] = {}


def _wide(task: Task) -> bool:
    """Whether rows may stand in a larger batch; others go path by path, just as they were fed."""
    return task.probed.running.mode in (PACKED, FIXED_BATCH)


def _run_together(paths: List[Path], integrand: Integrand, means: _Means) -> None:
    """Runs a few paths as one batch that holds the caller's rows once for each path."""
    task, count, label = integrand.task, integrand.task.batch.count, integrand.runner.label
    at = _outputs_at(paths, integrand)
    ends = np.array([[at[id(corner)][np.arange(count), label] for corner in (path.start, path.end)] for path in paths],
                    np.float64)
    stacked = _stacked(task.batch, [path.end for path in paths], [path.start for path in paths])
    found = _integrate(integrand.runner.on(stacked, np.tile(label, len(paths))), paths, ends, integrand)
    products = stacked if paths[0].times is None else stacked._replace(
        actual=[np.concatenate(each) for each in zip(*(path.times for path in paths))],
        baseline=[np.zeros_like(each) for each in stacked.baseline])
    own = [None if each is None else np.tile(each, len(paths)) for each in task.own]
    values = integrand.values(task._replace(batch=products, own=own), found.gradient)
    for number, path in enumerate(paths):
        part = slice(number * count, (number + 1) * count)
        one = {name: value[part] for name, value in values.items()}
        means.template = one
        means.values.add(_flat(one))
        means.sums.add(_flat(token_sums(one)))
        means.ends.add(ends[number])
        means.outputs.add(at[id(path.start)].astype(np.float64))
        total = sum(np.array([np.sum(row) for row in value], np.float64) for value in one.values())
        means.residual.add(total - (ends[number, 1] - ends[number, 0]))
        if found.error_estimate is not None:
            means.errors.add(found.error_estimate[part])
        means.steps.append(found.steps[part])
        means.evaluations.append(found.evaluations[part])


def _outputs_at(paths: List[Path], integrand: Integrand) -> Dict[int, np.ndarray]:
    """Output rows where paths start and end, by the identity of their entries; each is run once."""
    task, own = integrand.task, integrand.task.inputs.entries
    found = {id(own): task.outputs}
    wanted = {id(corner): (path.end, corner) for path in paths for corner in (path.start, path.end)
              if id(corner) not in found}
    if not _wide(task):
        # Rows that keep company stand where their path ends while one of them goes to the corner.
        for key, (end, corner) in wanted.items():
            found[key] = _outputs(integrand, [end], [corner])
        return found
    # The caller's own rows run along: in this company, too, they must give what they gave by themselves.
    among, *others = np.split(_outputs(integrand, [own] + [end for end, _ in wanted.values()],
                                       [own] + [corner for _, corner in wanted.values()]), len(wanted) + 1)
    if not agree(among, task.outputs, task.outputs):
        raise Coupled()
    found.update(zip(wanted, others))
    return found


def _outputs(integrand: Integrand, ends: List[Entries], corners: List[Entries]) -> np.ndarray:
    batch = _stacked(integrand.task.batch, ends, corners)
    return integrand.runner.on(batch, None).outputs(integrate.Rows(np.arange(batch.count), np.zeros(batch.count)))


def _integrate(runner: PointRunner, paths: List[Path], ends: np.ndarray, integrand: Integrand) -> integrate.Integral:
    corners = np.moveaxis(ends, 1, 2).reshape(-1, 2)
    if paths[0].alpha is not None:
        every, once = np.arange(runner.count), np.ones(runner.count, int)
        alphas = np.repeat([path.alpha for path in paths], runner.count // len(paths))
        _, gradient = runner.weighted(integrate.Rows(every, alphas), np.ones(runner.count))
        return integrate.Integral(gradient, corners[:, 1], corners[:, 0], once, once, None, [])
    task = integrand.task
    return integrand.integral(runner, repeated(task.fed, task.batch.count, len(paths)), corners)


def _stacked(batch: Batch, actual: List[Entries], baseline: List[Entries]) -> Batch:
    """The batch once for each path, one whole copy after the other."""
    times = len(actual)
    return Batch(batch.count * times, [np.concatenate(each) for each in zip(*actual)],
                 [np.concatenate(each) for each in zip(*baseline)],
                 [np.concatenate([owner + number * batch.count for number in range(times)]) for owner in batch.owner],
                 repeated(batch.feeds, batch.count, times))


def _flat(values: Mapping[str, Any]) -> np.ndarray:
    return np.concatenate([np.ravel(part) for value in values.values()
                           for part in (value if isinstance(value, list) else [value])]).astype(np.float64)


def _like(vector: np.ndarray, template: Mapping[str, Any]) -> Dict[str, Any]:
    """The inverse of ``_flat``: the vector cut into arrays shaped like the template's."""
    found, taken = {}, 0
    for name, value in template.items():
        parts = []
        for part in value if isinstance(value, list) else [value]:
            parts.append(vector[taken:taken + np.size(part)].reshape(np.shape(part)))
            taken += np.size(part)
        found[name] = parts if isinstance(value, list) else parts[0]
    return found
