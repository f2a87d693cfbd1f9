"""Gradients along the paths of a method, for every row of a batch: one path, or the mean over many that share runs."""

import itertools
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Union

import numpy as np

from tf1_ig import integrate
from tf1_ig.engine.at import FLOATS_AT_ONCE, stacked_batch
from tf1_ig.engine.feeds import FedTensor, repeated
from tf1_ig.engine.layout import Layout
from tf1_ig.engine.packing import Batch, Fed, PointRunner
from tf1_ig.engine.probe import Coupled, agree
from tf1_ig.question.task import Task
from tf1_ig.result.attribution import row_sums, token_sums

Entries = Sequence[np.ndarray]


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

    ``runner`` runs the task's batch; ``integral(runner, fed, ends)`` integrates along the paths of a runner, given its
    whole feed and the scores at both ends where they are known.
    """

    runner: PointRunner
    task: Task
    integral: Callable[[PointRunner, Dict[str, FedTensor], Optional[np.ndarray]], integrate.Integral]


class Found(NamedTuple):
    """What a method gives: values, means over ``count`` paths with their standard errors (``None`` of a single one).

    ``integral.error_estimate`` is the mean error of the integrals where that is known; of single points it is the
    standard error of the sum of the values over the scores' difference. ``runner`` evaluates a single path.
    """

    count: int  # type: ignore[assignment]  # tuples have a method of that name
    integral: integrate.Integral
    values: Dict[str, Any]
    start_outputs: np.ndarray
    standard_error: Optional[Dict[str, Any]] = None
    token_standard_error: Optional[Dict[str, Any]] = None
    runner: Optional[PointRunner] = None


def run(paths: Iterator[Path], integrand: Integrand) -> Found:
    """Takes the gradients along paths, as many at once as memory allows; all have single points or none has.

    Raises:
      Coupled: rows that were taken to be independent are not; they must keep their own company.
    """
    task, means = integrand.task, _Means()
    first = list(itertools.islice(paths, 2))
    if len(first) == 1 and first[0].alpha is None and first[0].end is task.inputs.entries:
        return _along(first[0], integrand)
    floats = max(1, sum(actual.size for actual in task.batch.actual))
    together = max(1, FLOATS_AT_ONCE // floats) if task.probed.wide else 1
    paths, single_points = itertools.chain(first, paths), first[0].alpha is not None
    for chunk in iter(lambda: list(itertools.islice(paths, together)), []):
        _run_together(chunk, integrand, means)
    count, (start, end) = means.values.count, means.ends.mean
    steps = np.full(len(end), count) if single_points else np.max(means.steps, axis=0)
    errors = means.residual.standard_error if single_points else means.errors.mean if means.errors.count else None
    return Found(count, integrate.Integral([], end, start, steps, np.sum(means.evaluations, axis=0), errors, None),
                 like(means.values.mean, means.template), means.outputs.mean,
                 _errors(means.values, means.template), _errors(means.sums, token_sums(means.template)))


# -- one path ----------------------------------------------------------------------------------------------------------

def _along(path: Path, integrand: Integrand) -> Found:
    """One path to the caller's own input: nothing is copied, its own scores tell whether rows leave each other alone.

    What the probe saw of a few rows is true of all only if every score is what it is without the other points.
    """
    task, label = integrand.task, integrand.runner.label
    batch = task.batch._replace(actual=list(path.end), baseline=list(path.start))
    runner = integrand.runner.on(batch, label, fed=Fed(batch.still & task.probed.steady, task.outputs))
    starts = runner.outputs(integrate.Rows(np.arange(runner.count), np.zeros(runner.count)))
    ends = np.stack([label.of(starts), label.of(task.outputs)], axis=1)
    proven = task.probed.wide and not runner.engine.hasty
    integral = integrand.integral(runner, task.fed, None if proven else ends)
    if proven and not agree(np.stack([integral.baseline_score, integral.score], axis=1), ends,
                                      label.reach * np.concatenate([task.outputs, starts])):
        raise Coupled()
    return Found(1, integral, _products(task, path.end, path.start, integral.gradient), starts, runner=runner)


def _products(task: Task, actual: Entries, baseline: Entries, gradient: List[np.ndarray]) -> Dict[str, Any]:
    """``(input - baseline) * mean gradient`` by input, in the caller's layout (float64)."""
    layout = Layout(task.inputs.names, task.batch, task.own)
    with np.errstate(invalid="ignore"):  # what is not finite is told by check
        way = [end.astype(np.float64) - start for end, start in zip(actual, baseline)]
        return layout.of_vectors([each * slope for each, slope in zip(layout.vectors(way), gradient)])


# -- many paths --------------------------------------------------------------------------------------------------------

class _Tally:
    """Mean of vectors that come one by one, and its standard error (Welford, 1962: nothing cancels)."""

    def __init__(self) -> None:
        self.count = 0
        self._mean: Union[float, np.ndarray] = 0.0
        self._squares: Union[float, np.ndarray] = 0.0

    def add(self, vector: np.ndarray) -> None:
        self.count += 1
        with np.errstate(invalid="ignore"):  # an infinite score is told by check
            away = vector - self._mean
            self._mean = self._mean + away / self.count
            self._squares = self._squares + away * (vector - self._mean)

    @property
    def mean(self) -> np.ndarray:
        return np.asarray(self._mean)

    @property
    def standard_error(self) -> Optional[np.ndarray]:
        return None if self.count < 2 else np.asarray(np.sqrt(self._squares / (self.count - 1) / self.count))


def _errors(tally: _Tally, template: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    return None if tally.standard_error is None else like(tally.standard_error, template)


class _Means:
    """What is averaged over paths: flat values, their sums by token, scores ``[2, batch]`` at start and end, …"""

    def __init__(self) -> None:
        self.values, self.sums, self.ends, self.outputs = _Tally(), _Tally(), _Tally(), _Tally()
        self.residual, self.errors = _Tally(), _Tally()
        self.steps: List[np.ndarray] = []
        self.evaluations: List[np.ndarray] = []
        self.template: Dict[str, Any] = {}


def _run_together(paths: List[Path], integrand: Integrand, means: _Means) -> None:
    """Runs a few paths as one batch that holds the caller's rows once for each path."""
    task, count, label = integrand.task, integrand.task.batch.count, integrand.runner.label
    at = _outputs_at(paths, integrand)
    stacked = _stacked(task, [path.end for path in paths], [path.start for path in paths])
    first, last = (np.concatenate([at[id(corner)] for corner in corners]) for corners in zip(*(
        (path.start, path.end) for path in paths)))
    label, fed = label.repeated(len(paths)), Fed(stacked.still & task.probed.steady, last)
    first = fed.into(first, np.arange(stacked.count))
    ends = np.stack([label.of(first), label.of(last)], axis=1)
    found = _integrate(integrand.runner.on(stacked, label, fed=fed), paths, ends, integrand)
    for number, path in enumerate(paths):
        part = slice(number * count, (number + 1) * count)
        times, zero = (path.end, path.start) if path.times is None else (
            path.times, [np.zeros_like(each) for each in path.times])
        one = _products(task, times, zero, found.gradient[part])
        means.template = one
        means.values.add(_flat(one))
        means.sums.add(_flat(token_sums(one)))
        means.ends.add(ends[part].T)
        means.outputs.add(first[part].astype(np.float64))
        total = sum(row_sums(value) for value in one.values())
        means.residual.add(total - (ends[part, 1] - ends[part, 0]))
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
    if not task.probed.wide:
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
    batch = _stacked(integrand.task, ends, corners)
    return integrand.runner.on(batch, None).outputs(integrate.Rows(np.arange(batch.count), np.zeros(batch.count)))


def _integrate(runner: PointRunner, paths: List[Path], ends: np.ndarray, integrand: Integrand) -> integrate.Integral:
    if paths[0].alpha is not None:
        every, once = np.arange(runner.count), np.ones(runner.count, int)
        alphas = np.repeat([path.alpha for path in paths], runner.count // len(paths))
        _, gradient = runner.weighted(integrate.Rows(every, alphas), np.ones(runner.count))
        return integrate.Integral(gradient, ends[:, 1], ends[:, 0], once, once, None, [])
    task = integrand.task
    return integrand.integral(runner, repeated(task.fed, task.batch.count, len(paths)), ends)


def _stacked(task: Task, actual: List[Entries], baseline: List[Entries]) -> Batch:
    """The task's batch once for each path, one whole copy after the other."""
    def together(sets: List[Entries]) -> List[np.ndarray]:
        return list(sets[0]) if len(sets) == 1 else [np.concatenate(each) for each in zip(*sets)]

    return stacked_batch(task.batch, together(actual), together(baseline), len(actual))


def _flat(values: Mapping[str, Any]) -> np.ndarray:
    return np.concatenate([np.ravel(part) for value in values.values()
                           for part in (value if isinstance(value, list) else [value])]).astype(np.float64)


def like(vector: np.ndarray, template: Mapping[str, Any]) -> Dict[str, Any]:
    """The inverse of flattening: the vector cut into arrays shaped like the template's."""
    found, taken = {}, 0
    for name, value in template.items():
        parts = []
        for part in value if isinstance(value, list) else [value]:
            parts.append(vector[taken:taken + np.size(part)].reshape(np.shape(part)))
            taken += np.size(part)
        found[name] = parts if isinstance(value, list) else parts[0]
    return found
