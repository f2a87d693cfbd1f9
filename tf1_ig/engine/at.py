"""Score, gradient and output of the operated graph at any entries: what every question to a model is made of."""

import threading
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from tf1_ig.engine.feeds import repeated
from tf1_ig.engine.layout import Layout
from tf1_ig.engine.packing import Batch, Fed, PointRunner
from tf1_ig.engine.probe import Coupled, Probed, agree, in_company
from tf1_ig.errors import InputError
from tf1_ig.integrate import Rows
from tf1_ig.result import entries

# Floats of attributed tensors that are laid out at once, a copy for each point.
FLOATS_AT_ONCE = 1 << 22
# Calls of fewer points prove once only that rows leave each other alone; with more it costs next to nothing.
MANY_POINTS = 8


# Scores first, then anything by row.
Ask = Callable[[PointRunner, Rows], Tuple[Any, ...]]


class Scene(NamedTuple):
    """One feed and what is asked of it, as ``At`` keeps them; nothing in it changes.

    ``runner`` runs the caller's batch, ``outputs`` are the output rows ``[rows, elements]`` under the feed, ``labels``
    the explained elements as a result reports them, ``start(baseline)`` the entries of a baseline. ``own_company``: the
    rows stand as they were fed, so that they can keep their company where they turn out to need it. ``weights``: of
    weighted sums, as a result reports them. ``named()``: what entries are called by, ``ids``, ``strings``, ``called``.
    """

    runner: PointRunner
    layout: Layout
    probed: Probed
    outputs: np.ndarray
    row_shape: Tuple[int, ...]
    labels: np.ndarray
    start: Callable[[Any], List[np.ndarray]]
    own_company: bool = True
    weights: Any = None
    named: Callable[[], Dict[str, Any]] = lambda: dict(called=(), strings=None, ids=None)


class At:
    """The model at any entries of the attributed inputs, everything else as it was fed (``IntegratedGradients.at``).

    Entries are ``{input: array [rows, …, dim]}`` shaped like ``entries`` (sparse lookups: a list with one
    ``[occurrences, dim]`` array a row), or with one more axis in front: ``[points, rows, …]`` (a list of points, each a
    list of rows). However many points, and however the rows may run: points share runs where rows are proven to leave
    each other alone; where they do not, row ``i`` of the entries moves alone and the other rows stay as fed.

    It keeps a copy of the feed and the label that was chosen at the feed, whatever is asked of the explainer later.
    Several threads may use one.

    Attributes:
      label: the explained element of each row, as ``Attribution.label`` has it.
      evaluations: rows that were run, forward or forward and backward.

    Example:
      >>> at = explainer.at({"ids:0": ids}, label="top")                                # doctest: +SKIP
      >>> scores, gradients = at.gradients(at.entries)                                  # doctest: +SKIP
      >>> at.scores(at.mixed([[[1, 0, 1]]]))      # without the second of three tokens  # doctest: +SKIP
    """

    def __init__(self, scene: Scene):
        self._scene, self._probed, self._proven = scene, scene.probed, False
        self._lock = threading.Lock()
        self.evaluations = 0

    def __len__(self) -> int:
        """Number of rows."""
        return self._scene.layout.count

    @property
    def inputs(self) -> Tuple[str, ...]:
        """Names of the attributed inputs."""
        return tuple(part.name for part in self._scene.layout.parts)

    @property
    def entries(self) -> Dict[str, Any]:
        """The inputs as they are under the feed, rows first (a new copy each time)."""
        layout = self._scene.layout
        return layout.show([part.entries for part in layout.parts])

    @property
    def label(self) -> np.ndarray:
        return np.array(self._scene.labels)

    @property
    def weights(self) -> Any:
        """Of weighted sums the elements and weights of each row, as ``Attribution.weights`` has them; else ``None``."""
        return self._scene.weights

    @property
    def coupled(self) -> Optional[bool]:
        """Whether rows influence each other; ``None`` where that was not told."""
        return self._probed.running.coupled

    @property
    def score(self) -> np.ndarray:
        """Scores under the feed itself, float64 ``[rows]``."""
        return self._scene.runner.label.of(self._scene.outputs)

    @property
    def running(self) -> str:
        """How points are run: ``"packed"``, ``"fixed batch"``, ``"in company"`` or ``"one at a time"``."""
        return self._probed.running.mode

    @property
    def probed(self) -> Probed:
        """What was measured of the way rows may be run."""
        return self._probed

    @property
    def notes(self) -> Tuple[str, ...]:
        """What the reader must know about the way points are run."""
        return self._probed.notes

    # -- the questions -----------------------------------------------------------------------------------------------

    def scores(self, entries: Mapping[str, Any]) -> np.ndarray:
        """Scores, float64 ``[rows]`` or ``[points, rows]``.

        Raises:
          InputError: an input is missing, unknown or ill-shaped.
        """
        points, found = self._ask(entries, lambda runner, rows: (runner.scores(rows),))
        scores = np.concatenate([each[0] for each in found])
        return scores if points is None else scores.reshape(points, len(self))

    def gradients(self, entries: Mapping[str, Any], wanted: Optional[np.ndarray] = None
                  ) -> Tuple[np.ndarray, Dict[str, Any]]:
        """Scores as ``scores`` has them, and gradients of each row's score by its entries, shaped like these.

        Args:
          wanted: bool ``[points, rows]``, some of each point: what is run; the others come back as zeros.

        Raises:
          InputError: an input is missing, unknown or ill-shaped.
        """
        def ask(runner: PointRunner, rows: Rows) -> Tuple[Any, ...]:
            evaluated = runner.gradients(rows)
            return evaluated.score, evaluated.gradient

        points, found = self._ask(entries, ask, wanted)
        scores = np.concatenate([each[0] for each in found])
        gradients = self._scene.layout.of_vectors([vector for each in found for vector in each[1]], points)
        return scores if points is None else scores.reshape(points, len(self)), gradients

    def outputs(self, entries: Mapping[str, Any], wanted: Optional[np.ndarray] = None) -> np.ndarray:
        """Output rows ``[rows, …output row]`` or ``[points, rows, …output row]``; ``wanted`` as for ``gradients``.

        Raises:
          InputError: an input is missing, unknown or ill-shaped.
        """
        def ask(runner: PointRunner, rows: Rows) -> Tuple[Any, ...]:
            outputs = runner.outputs(rows)
            return runner.label.take(rows.example).of(outputs), outputs

        points, found = self._ask(entries, ask, wanted)
        outputs = np.concatenate([each[1] for each in found])
        return outputs.reshape((() if points is None else (points,)) + (len(self),) + tuple(self._scene.row_shape))

    # -- tokens ------------------------------------------------------------------------------------------------------

    @property
    def tokens(self) -> np.ndarray:
        """How many tokens each row has, int ``[rows]``, those of all inputs.

        A token is a row of the entries (all but their last axis); in a dense ``[rows, features]`` input each feature.
        """
        return self._scene.layout.token_counts().sum(axis=1)

    @property
    def token_counts(self) -> np.ndarray:
        """How many of them each input has, int ``[rows, inputs]``."""
        return self._scene.layout.token_counts()

    def texts(self) -> List[List[str]]:
        """What each token of each row is called, input after input: a word, an id, else what is fed there."""
        by = self._scene.named()
        return [[text for name, count in zip(self.inputs, counts) for text in entries.numbered(
            by["called"], name, (int(count),), entries.texts(name, row, None, by["strings"], by["ids"]))]
            for row, counts in enumerate(self.token_counts)]

    def by_token(self, values: Mapping[str, Any]) -> List[np.ndarray]:
        """Sums by token of what is shaped like ``entries``: a float64 ``[tokens]`` array a row, input after input."""
        return self._scene.layout.by_token(values)

    def spread(self, numbers: Sequence[np.ndarray]) -> Dict[str, Any]:
        """One number a token as values shaped like ``entries``, in equal shares along the last axis."""
        return self._scene.layout.spread(numbers)

    def vectors(self, values: Mapping[str, Any]) -> List[np.ndarray]:
        """What is shaped like ``entries`` as one flat float64 vector a row, input after input."""
        return [np.concatenate([np.ravel(values[name][row]) for name in self.inputs]).astype(np.float64)
                for row in range(len(self))]

    def of_vectors(self, vectors: Sequence[np.ndarray]) -> Dict[str, Any]:
        """The inverse of ``vectors``."""
        return self._scene.layout.shown_vectors(vectors)

    def scores_of(self, outputs: np.ndarray) -> np.ndarray:
        """The explained scores, float64 ``[rows]``, of output rows as ``outputs`` has them."""
        return self._scene.runner.label.of(np.asarray(outputs).reshape(len(self), -1))

    def start(self, baseline: Any = "zero") -> Dict[str, Any]:
        """The entries of a baseline (as ``explain`` takes it), shaped like ``entries``.

        Raises:
          BaselineError: it does not fit.
        """
        return self._scene.layout.show(self._scene.start(baseline))

    def mixed(self, shares: Sequence[Any], baseline: Any = "zero") -> Dict[str, Any]:
        """Entries with points in front, in which each token is its share of the way from the baseline to the feed.

        Args:
          shares: for every row ``[points, tokens]``: 1 is the token as fed, 0 the token of the baseline, between them
            a point of the straight line; equally many points for each row.
          baseline: as ``explain`` takes it.

        Returns:
          Entries as ``scores``, ``gradients`` and ``outputs`` take them.

        Raises:
          InputError: shares that are not ``[points, tokens]`` for each row; BaselineError: the baseline does not fit.

        Example: each token of a single row replaced by the baseline in turn.
          >>> at.scores(at.mixed([1 - np.eye(at.tokens[0])]))                           # doctest: +SKIP
        """
        layout = self._scene.layout
        arrays = [np.asarray(each, np.float64) for each in shares]
        tokens = self.tokens
        if len(arrays) != len(self) or any(each.ndim != 2 or each.shape[1] != tokens[row] or len(each) != len(
                arrays[0]) for row, each in enumerate(arrays)):
            raise InputError("shares have the shapes %s; pass [points, tokens] for each row, with %s tokens" % (
                ", ".join(str(list(each.shape)) for each in arrays), ", ".join(map(str, tokens))))
        return layout.show_points(layout.mixed(self._scene.start(baseline), arrays), len(arrays[0]))

    def arrays(self, entries: Mapping[str, Any]) -> Dict[str, np.ndarray]:
        """Entries as the attributed tensors hold them, by input: those of all rows along the first axis.

        Raises:
          InputError: an input is missing, unknown or ill-shaped.
        """
        _, stacked = self._scene.layout.read(entries)
        return dict(zip(self.inputs, stacked))

    # -- doing it ----------------------------------------------------------------------------------------------------

    def _ask(self, entries: Mapping[str, Any], ask: Ask, wanted: Optional[np.ndarray] = None
             ) -> Tuple[Any, List[Tuple[Any, ...]]]:
        """Points, and what ``ask`` found for a few of them at a time: scores first, then anything by row."""
        points, stacked = self._scene.layout.read(entries)
        if points == 0:
            _, one = self._ask(self.entries, ask)
            return points, [tuple(each[:0] for each in one[0])]
        many = 1 if points is None else points
        wanted = np.ones((many, len(self)), bool) if wanted is None else wanted
        with self._lock:
            self.evaluations += int(wanted.sum())
        probed = self._probed
        if probed.wide:
            try:
                return points, self._wide(stacked, wanted, ask)
            except Coupled:
                if not self._scene.own_company:
                    raise
                probed = self._probed = in_company(probed, len(self))
        return points, self._narrow(probed, stacked, wanted, ask)

    def _wide(self, stacked: List[np.ndarray], wanted: np.ndarray, ask: Ask) -> List[Tuple[Any, ...]]:
        """Points share runs; ``Coupled`` where the caller's own rows, which run along, notice it."""
        scene, count, many = self._scene, len(self), len(wanted)
        sizes = [len(part.entries) for part in scene.layout.parts]
        together = max(1, FLOATS_AT_ONCE // max(1, scene.layout.floats))
        found = []
        for first in range(0, many, together):
            last = min(many, first + together)
            arrays = [array[first * size:last * size] for array, size in zip(stacked, sizes)]
            prove = not self._proven or (first == 0 and many >= MANY_POINTS)
            if prove:
                arrays = [np.concatenate([array, part.entries]) for array, part in zip(arrays, scene.layout.parts)]
            times = last - first + prove
            batch = stacked_batch(scene.runner.batch, arrays, arrays, times)
            fed = Fed(batch._replace(baseline=[np.concatenate([part.entries] * times) for part in scene.layout.parts]
                                     ).still, scene.outputs)
            fed.rows[count * (last - first):] = False  # those are run to see what they give in this company
            runner = scene.runner.on(batch, scene.runner.label.repeated(times), fed=fed)
            rows = np.flatnonzero(np.append(wanted[first:last], np.ones(prove * count, bool)))
            answer = _laid_out(ask(runner, Rows(rows, np.ones(len(rows)))), rows, runner.batch)
            if prove:
                if not agree(answer[0][-count:], self.score, scene.runner.label.reach * scene.outputs):
                    raise Coupled()
                self._proven = True
                answer = tuple(each[:-count] for each in answer)
            found.append(answer)
        return found

    def _narrow(self, probed: Probed, stacked: List[np.ndarray], wanted: np.ndarray, ask: Ask
                ) -> List[Tuple[Any, ...]]:
        """One row at a time goes to its entries, in the company of the others as they were fed."""
        scene, found = self._scene, []
        batch, sizes = scene.runner.batch, [len(part.entries) for part in scene.layout.parts]
        for point, asked in enumerate(wanted):
            moved = [array[point * size:(point + 1) * size] for array, size in zip(stacked, sizes)]
            there = batch._replace(baseline=moved)
            fed = Fed(there.still & probed.steady, scene.outputs)
            runner = scene.runner.on(there, scene.runner.label, probed.running, fed)
            rows = np.flatnonzero(asked)
            found.append(_laid_out(ask(runner, Rows(rows, np.zeros(len(rows)))), rows, batch))
        return found


def _laid_out(answer: Tuple[Any, ...], rows: np.ndarray, batch: Batch) -> Tuple[Any, ...]:
    """What was found for some rows of a batch as what is known of all: zeros where nothing was asked."""
    if len(rows) == batch.count:
        return answer
    sizes = np.sum([np.bincount(owner, minlength=batch.count) * int(np.prod(array.shape[1:]))
                    for owner, array in zip(batch.owner, batch.actual)], axis=0)
    found: List[Any] = []
    for part in answer:
        every: Any = [np.zeros(size) for size in sizes] if isinstance(part, list) else np.zeros(
            (batch.count,) + part.shape[1:], part.dtype)
        for row, own in zip(rows.tolist(), part):
            every[row] = own
        found.append(every)
    return tuple(found)


def stacked_batch(batch: Batch, actual: List[np.ndarray], baseline: List[np.ndarray], times: int) -> Batch:
    """The batch several times, one whole copy after the other, with entries of its own in each."""
    owner = list(batch.owner) if times == 1 else [
        np.concatenate([each + number * batch.count for number in range(times)]) for each in batch.owner]
    return Batch(batch.count * times, actual, baseline, owner, repeated(batch.feeds, batch.count, times))
