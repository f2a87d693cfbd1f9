"""The affine beginning of a model, computed once per example instead of once per point.

On a straight path everything affine stays straight: the integral can run over the last affine tensors, and the
transpose of the affine part, applied once to the summed gradient, gives the gradient by the attributed tensors (the
chain rule, exact). Which tensors these are, ``tf1_ig.engine.affine`` tells from the graph; before it is used, scores
and gradients of a few points are compared with those of the whole model, and where they differ it is not used.
"""

from typing import Any, Dict, Iterator, List, Optional, Sequence

import numpy as np

from graph_tools import held
from graph_tools.errors import GradientError, GraphToolsError
from tf1_ig import integrate
from tf1_ig.engine import affine, feeds
from tf1_ig.engine.failed_run import RunFailed
from tf1_ig.engine.feeds import FedTensor, end_to_end
from tf1_ig.engine.operated import AttributedInput, Engine
from tf1_ig.engine.packing import PACKED, Batch, KeptSizes, PointRunner
from tf1_ig.integrate import Rows

# Examples that are carried to the frontier and back in one run.
EXAMPLES_PER_RUN = 128
# Floats of frontier tensors that may be held for one slice of examples.
FLOATS_HELD = 1 << 24
# Most floats at the frontier for one at the inputs: where matrix products lie before it, and where none does.
WIDER, NARROWER = 8.0, 0.5
# Evaluations below which a second session is not worth its setting up, and what an adaptive run takes for a row.
WORTH_BUILDING, USUAL_STEPS = 1000, 30
# Most weights that are held a second time.
MOST_WEIGHTS = 50 << 20
# Scores and gradients must agree with those of the whole model within these shares (float32 noise is about 1e-6).
SAME_SCORE, SAME_GRADIENT = 2e-5, 1e-4


class OptionalPrefix:
    """The prefix of an engine, built when the first work comes that is worth it; ``None`` where there is none, or where
    none is ``sought``, as no more work will come."""

    def __init__(self, model: Any, plain: Engine, config: Any = None, time_limit: Optional[float] = None,
                 sought: bool = True):
        self._model, self._plain, self._options = model, plain, (config, time_limit)
        self._frontier: Any = None  # an affine.Frontier, once it was found
        self._prefix: Optional[Prefix] = None
        self._looked = not sought

    def integral(self, runner: PointRunner, fed: Dict[str, FedTensor], ends: Optional[np.ndarray], effort: Any,
                 sizes: KeptSizes) -> integrate.Integral:
        """The integral of every example, behind the affine beginning of the model where that is worth it."""
        behind = self.for_work(runner, fed, effort.steps)
        if behind is None:
            return effort.integral(runner, ends)
        found = []
        for carried in behind.slices(runner, fed):
            inner = carried.runner(sizes=sizes.of(carried.batch, effort.limits, "prefix"), on_rows=runner.on_rows)
            integral = effort.integral(inner, None if ends is None else ends[carried.examples])
            found.append(integral._replace(gradient=carried.pull_back(integral.gradient)))
        return integrate.joined(found)

    def for_work(self, runner: PointRunner, fed: Dict[str, FedTensor], steps: Optional[int]) -> Optional["Prefix"]:
        """The prefix, where it makes explaining the runner's batch cheaper and provably changes nothing."""
        if runner.count * (steps or USUAL_STEPS) < WORTH_BUILDING or runner.running.mode != PACKED:
            return None
        if not self._looked:
            self._looked, self._frontier = True, self._find()
        if self._frontier is None or self._growth(runner) > self._allowed(adaptive=steps is None):
            return None
        if self._prefix is None:
            self._prefix = self._build()
        return self._prefix if self._prefix is not None and self._prefix.fits(runner, fed, steps is None) else None

    def _find(self) -> Optional[affine.Frontier]:
        if self._plain.batch_axis != 0 or held.weights(self._model.index) > MOST_WEIGHTS:
            return None
        return affine.frontier(self._model.index, [spec.tensor for spec in self._plain.inputs],
                               self._plain.output_name)

    def _growth(self, runner: PointRunner) -> float:
        """How many times as many floats there are at the frontier as at the inputs."""
        points = runner.packed(Rows(np.zeros(1, int), np.ones(1))).points
        before = {spec.tensor: len(entry) * array[:1].size
                  for spec, entry, array in zip(self._plain.inputs, points.entry, points.actual)}
        computed = self._plain.run_tensors([name for name in self._frontier.tensors if name not in before], points)
        behind = sum(before.get(name, 0) for name in self._frontier.tensors) + sum(array.size for array in computed)
        return behind / max(1, sum(before.values()))

    def _allowed(self, adaptive: bool) -> float:
        if not self._frontier.products:
            return NARROWER
        return 1.0 if adaptive else WIDER  # an adaptive run fetches what is there for every point

    def _build(self) -> Optional["Prefix"]:
        try:
            return Prefix(self._model, self._plain, self._frontier, *self._options)
        except GradientError:  # a frontier of another kind than the inputs, which has no gradient of its own
            self._frontier = None
            return None

    @property
    def evaluations(self) -> int:
        """Rows that were run behind it."""
        return 0 if self._prefix is None else self._prefix.engine.evaluations

    def close(self) -> None:
        if self._prefix is not None:
            self._prefix.close()


class Prefix:
    """A second engine whose inputs are the last affine tensors; they are computed from those of ``plain``."""

    def __init__(self, model: Any, plain: Engine, frontier: affine.Frontier, config: Any = None,
                 time_limit: Optional[float] = None):
        self.engine = Engine(model, plain.output_name, [AttributedInput(name) for name in frontier.tensors], 0, config,
                             time_limit, [spec.tensor for spec in plain.inputs], plain.leaner, plain.ordered)

    def close(self) -> None:
        self.engine.close()

    def fits(self, runner: PointRunner, fed: Dict[str, FedTensor], adaptive: bool = False) -> bool:
        """Whether going through the frontier provably gives what the whole model gives.

        An adaptive rule goes by how far the parts of the derivative are known, which must be the tokens': of the units
        of a layer they say little where what tokens bring to a unit cancels in it.
        """
        try:
            return _proven(Slice(self.engine, runner, fed, _PROBED * (runner.count - 1)), runner, adaptive)
        except (NotByRows, RunFailed, ValueError):  # a size that is fixed without a placeholder's saying so
            return False

    def slices(self, runner: PointRunner, fed: Dict[str, FedTensor]) -> Iterator["Slice"]:
        """The runner's batch in slices of examples, each carried to the frontier, so many as memory should hold."""
        start, size = 0, EXAMPLES_PER_RUN
        while start < runner.count:
            carried = Slice(self.engine, runner, fed, np.arange(start, min(runner.count, start + size)))
            yield carried
            start, size = start + size, max(1, FLOATS_HELD // carried.floats)


class Slice:
    """Some examples of a batch at the frontier."""

    def __init__(self, engine: Engine, runner: PointRunner, fed: Dict[str, FedTensor], examples: np.ndarray):
        self._engine, self._plain, self.examples = engine, runner, examples
        needed = engine.path_feeds({name: one.value for name, one in fed.items()})
        of_examples = feeds.of_rows({name: fed[name] for name in needed}, examples, runner.count)
        count, actual, baseline = len(examples), self._carry(1.0), self._carry(0.0)
        self.batch = Batch(count, actual, baseline,
                           [np.repeat(np.arange(count), len(array) // count) for array in actual], of_examples)
        self.floats = sum(array.size for array in actual) // count

    def runner(self, **more: Any) -> PointRunner:
        """Evaluates points of these examples at the frontier."""
        return PointRunner(self._engine, self.batch, self._plain.running, self._plain.label.take(self.examples),
                           row_lengths=self._plain.lengths[self.examples], fed=self._plain.fed.take(self.examples),
                           **more)

    def _carry(self, alpha: float) -> List[np.ndarray]:
        """The frontier tensors of every example at one end of the path."""
        found = []
        for examples, run in self._runs():
            ends = run.points.actual if alpha else run.points.baseline
            values = self._engine.from_sources([array[entry] for array, entry in zip(ends, run.points.entry)],
                                               run.points.feeds)
            if any(not len(value) or len(value) % len(run.rows.example) for value in values):
                raise NotByRows
            # Rows that only fill the run come last.
            found.append([value[:len(value) // len(run.rows.example) * len(examples)] for value in values])
        return [np.concatenate(arrays) for arrays in zip(*found)]

    def pull_back(self, gradients: Sequence[np.ndarray]) -> List[np.ndarray]:
        """Flat gradients by the frontier tensors, one per example, as flat gradients by the attributed tensors."""
        found: List[np.ndarray] = []
        for _, run in self._runs():
            rows, start, cotangents = gradients[len(found):len(found) + len(run.taken)], 0, []
            for array in self.batch.actual:
                block = (len(array) // self.batch.count,) + array.shape[1:]
                size = int(np.prod(block))
                cotangent = np.zeros((len(run.rows.example), size), array.dtype)
                for place, row in zip(run.taken, rows):
                    cotangent[place] = row[start:start + size]
                cotangents.append(cotangent.reshape((-1,) + array.shape[1:]))
                start += size
            pulled = self._engine.pull_back(
                cotangents, [array[entry] for array, entry in zip(run.points.actual, run.points.entry)],
                run.points.feeds)
            found += [end_to_end([array[entries] for array, entries in zip(pulled, of_row)])
                      for of_row in zip(*(run.entries_by_row(number) for number in range(len(pulled))))]
        return found

    def _runs(self) -> Any:
        for start in range(0, len(self.examples), EXAMPLES_PER_RUN):
            examples = self.examples[start:start + EXAMPLES_PER_RUN]
            yield examples, self._plain.packed(Rows(examples, np.ones(len(examples))))


class NotByRows(GraphToolsError, ValueError):
    """The frontier's tensors do not have one block of entries per row."""


# The points that are compared: 1 for the last example, 0 for the first; each has a row of its own.
_PROBED, _PROBED_ALPHAS = np.array([1, 0, 1, 0, 0]), np.array([0.25, 1.0, 0.6, 0.05, 0.3])


def _proven(ends: Slice, plain: PointRunner, by_token: bool = False) -> bool:
    """Whether scores and gradients of a few points, in strange company, are those of the whole model; ``by_token``: and
    the parts of the derivative as well."""
    whole = plain.gradients(Rows(ends.examples, _PROBED_ALPHAS))
    behind = ends.runner().gradients(Rows(np.arange(len(ends.examples)), _PROBED_ALPHAS))
    if not np.abs(behind.score - whole.score).max() <= SAME_SCORE * np.abs(whole.score).max():
        return False
    if by_token and not _same(behind.parts, whole.parts):
        return False
    return _same(ends.pull_back(behind.gradient), whole.gradient)


def _same(found: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> bool:
    return all(own.shape == other.shape and np.linalg.norm(own - other) <= SAME_GRADIENT * np.linalg.norm(other)
               for own, other in zip(found, expected))
