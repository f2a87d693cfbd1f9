"""Conductance: what the units of a layer carry of the score, along the path of Integrated Gradients.

Conductance of unit ``h`` is ``∫ ∂F/∂h · dh/dα dα`` along the path (Dhamdhere, Sundararajan, Yan: How Important Is a
Neuron?, arXiv 1805.12233); the units of a layer sum to the difference of the scores where the layer cuts every path
from the inputs to the output. Internal influence is ``∫ ∂F/∂h dα`` (Leino, Sen, Datta, Fredrikson, Li: Influence-
Directed Explanations for Deep Convolutional Networks, arXiv 1802.03788), whose sum claims nothing.

Two evaluators answer: one gives the layer at points of the path, the other the gradient of the score at a layer that is
held there, and beside it the gradients by the inputs with the layer held: what passes the layer by.
"""

from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Tuple

import numpy as np

from graph_tools.find.view import view_of
from graph_tools.graph import names
from tf1_ig import quadrature
from tf1_ig.carried import Known, Sums, adaptive
from tf1_ig.engine.at import FLOATS_AT_ONCE, At
from tf1_ig.errors import InputError, MethodError
from tf1_ig.question.resolve import Resolved, Through
from tf1_ig.result.attribution import Attribution
from tf1_ig.result.claims import EXACT, NONE

KINDS = ("conductance", "internal_influence")
_PASSES = 1e-6  # of the largest score: less does not pass a layer by


class Request(NamedTuple):
    """What is asked for, as ``IntegratedGradients.conductance`` takes it."""

    layer: str
    kind: str
    baseline: Any
    method: str
    steps: Optional[int]
    tolerance: float
    max_steps: int


def inputs_around(resolved: Resolved, layer: str, inputs: Tuple[str, ...]) -> Tuple[List[str], Through]:
    """The inputs that a layer is computed from; and the layer as an input of its own, beside those inputs from which
    some path passes it by.

    Raises:
      InputError: the layer is inside a loop, where it has a value in every iteration, or computed from no input.
    """
    inside, index = resolved.renamed.get(layer, layer), resolved.model.index
    node = names.parse(inside).node
    if node in view_of(resolved.model).loop_nodes:
        raise InputError("layer %s is inside a loop and has a value in every iteration; name what leaves the loop (an "
                         "Exit, or the tensor of all steps behind it): tf1-ig inspect MODEL --layers lists those"
                         % layer)
    behind = index.ancestors([inside], control=False)
    past = index.ancestors([resolved.output], control=False, stop=lambda name: name == node) - {node}
    before, beside = (tuple(name for name, spec in zip(inputs, resolved.inputs)
                            if names.parse(spec.attributed.tensor).node in nodes) for nodes in (behind, past))
    if behind and not before:
        raise InputError("layer %s is computed from none of the inputs that are explained (%s); name one that is: "
                         "tf1-ig inspect MODEL --layers lists those" % (layer, ", ".join(inputs)))
    return list(before or inputs), Through(layer, beside)  # a layer that there is not is told where it is looked up


def any_element(outputs: np.ndarray) -> Any:
    """A label that fits these output rows: whatever is asked of a layer, all of it is read."""
    axes = outputs.ndim - 1
    return None if axes == 0 else 0 if axes == 1 else (0,) * axes


def as_fed(below: Any, at: At) -> np.ndarray:
    """The layer under the feed in the shape that it has in the graph, where rows of several tokens may be one axis."""
    layer = at.outputs(at.entries)
    rank = below.resolved.model.outline.get_tensor_by_name(below.output).shape.ndims
    if below.batch_axis is None:
        return layer[0]
    if rank is not None and rank < layer.ndim:
        return layer.reshape((-1,) + layer.shape[layer.ndim - rank + 1:])
    return np.moveaxis(layer, 0, below.batch_axis)


class Path:
    """Points of the path: the layer there, gradients of the score by the layer, and by the inputs with it held.

    Args:
      whole: evaluator of the score by the inputs; below: of the layer by those that it is computed from; above: of the
        score by the layer and, where the layer does not cut every path, the inputs.
      baseline: as ``explain`` takes it.
    """

    def __init__(self, whole: At, below: At, above: At, layer: str, baseline: Any):
        self._whole, self._below, self._above, self.layer, self._baseline = whole, below, above, layer, baseline
        entries, start = whole.entries, whole.start(baseline)
        self._moves = {name: [np.asarray(own, np.float64) - np.asarray(base, np.float64)
                              for own, base in zip(entries[name], start[name])] for name in entries}
        if isinstance(above.entries[layer], list):
            raise InputError("input %s has as many entries in each row as the row needs: no layer of units; explain it"
                             % layer)
        shape = above.entries[layer].shape
        self.rows, self.units = shape[0], shape[1:]
        self._known: List[Dict[float, Tuple[Any, ...]]] = [{} for _ in range(self.rows)]
        self._ends: Optional[np.ndarray] = None

    @property
    def gradients_taken(self) -> np.ndarray:
        """Of each row."""
        return np.array([len(known) for known in self._known])

    def layers(self, alphas: np.ndarray) -> np.ndarray:
        """The layer, float64 ``[points, rows, units]``, at points of the path."""
        every = np.repeat(alphas[:, None], self.rows, axis=1)
        return self._layers(every, np.ones(every.shape, bool)).astype(np.float64).reshape(len(alphas), self.rows, -1)

    def at(self, wanted: Mapping[int, np.ndarray]) -> Dict[int, Known]:
        """Everything at nodes between the ends, by row; what was asked before is not asked again."""
        if self._ends is None:
            self._ends = self.layers(np.array([0.0, 1.0]))
        new = [[node for node in wanted.get(row, np.zeros(0)).tolist() if node not in self._known[row]]
               for row in range(self.rows)]
        alphas = np.ones((max(map(len, new)), self.rows))
        asked = np.arange(len(alphas))[:, None] < [len(own) for own in new]
        alphas.T[asked.T] = np.concatenate(new)
        size = sum(np.size(part) for value in self._above.entries.values()
                   for part in (value if isinstance(value, list) else [value]))
        together = max(1, FLOATS_AT_ONCE // max(1, size))
        for first in range(0, len(alphas), together):
            self._take(alphas[first:first + together], asked[first:first + together])
        return {row: self._of(row, nodes, self._ends[:, row]) for row, nodes in wanted.items()}

    def _of(self, row: int, nodes: np.ndarray, ends: np.ndarray) -> Known:
        layers, gradients, passing, scores = (
            np.stack(part) for part in zip(*(self._known[row][node] for node in nodes.tolist())))
        return Known(np.concatenate([ends[:1], layers, ends[1:]]), gradients, passing, scores)

    def _take(self, alphas: np.ndarray, asked: np.ndarray) -> None:
        layers, mixed = self._layers(alphas, asked), self._mixed(alphas)
        entries = {self.layer: layers}
        past = [name for name in self._above.inputs if name != self.layer]
        entries.update({name: mixed[name] for name in past})
        scores, gradients = self._above.gradients(entries, asked)
        for number, row in np.argwhere(asked).tolist():
            passing = sum(float(np.sum(np.asarray(gradients[name][number][row], np.float64) * self._moves[name][row]))
                          for name in past)
            by_unit = (np.asarray(part[number][row], np.float64).ravel() for part in (layers, gradients[self.layer]))
            self._known[row][float(alphas[number, row])] = (*by_unit, passing, scores[number][row])

    def _layers(self, alphas: np.ndarray, asked: np.ndarray) -> np.ndarray:
        mixed = self._mixed(alphas)
        if self.layer in mixed:
            return np.asarray(mixed[self.layer])
        return self._below.outputs({name: mixed[name] for name in self._below.inputs}, asked).reshape(
            (len(alphas), self.rows) + self.units)

    def _mixed(self, alphas: np.ndarray) -> Dict[str, Any]:
        """Entries at ``[points, rows]`` of the way."""
        return self._whole.mixed([np.repeat(own[:, None], count, axis=1)
                                  for own, count in zip(alphas.T, self._whole.tokens)], self._baseline)


def by_rule(path: Path, method: str, steps: int, close: Callable[[np.ndarray], np.ndarray]) -> Sums:
    """The nodes of a rule; each gradient belongs to the part of the path that its weight is the length of."""
    nodes, weights = quadrature.nodes_and_weights(method, steps)
    changes = np.diff(path.layers(np.clip(np.concatenate([[0.0], np.cumsum(weights)]), 0.0, None)), axis=0)
    known = path.at(dict.fromkeys(range(path.rows), nodes))
    units = np.stack([(known[row].gradients * changes[:, row]).sum(axis=0) for row in range(path.rows)])
    carried, passed = units.sum(axis=1), np.array([weights @ known[row].passing for row in range(path.rows)])
    influence = np.stack([weights @ known[row].gradients for row in range(path.rows)])
    return Sums(units, influence, carried, passed, close(carried + passed))


def answer(path: Path, at: At, request: Request, output: str, notes: Tuple[str, ...]) -> Attribution:
    """The result for the path; ``at`` is the evaluator of the score by the inputs.

    Raises:
      MethodError: steps, tolerance or max_steps out of range, or an unknown kind.
    """
    if request.kind not in KINDS:
        raise MethodError("kind %r is unknown; pass %s" % (request.kind, " or ".join(map(repr, KINDS))))
    ends = at.scores(at.mixed([np.repeat([[0.0], [1.0]], count, axis=1) for count in at.tokens], request.baseline))
    rise = ends[1] - ends[0]
    close = np.maximum(request.tolerance * np.abs(rise), 1e-6 * np.max(np.abs(ends), axis=0))
    if request.steps is not None:
        found = by_rule(path, request.method, request.steps, lambda sums: np.abs(sums - rise) <= close)
    else:
        found = adaptive(path.at, ends, request.tolerance, request.max_steps)
    exact = request.kind == "conductance"
    delta = found.carried - rise
    largest = _PASSES * np.max(np.abs(ends), axis=0)
    told: List[str] = list(notes)
    with np.errstate(invalid="ignore"):  # what is not finite passes nothing that can be told
        whole = exact and not (np.abs(found.passed) > largest).any()
    if exact and not whole:
        told.append("layer %s does not cut every path from the inputs to %s: %s of the score's difference passes it by"
                    % (request.layer, output, ", ".join("%.4g" % each for each in found.passed)))
    rows, taken = len(rise), path.gradients_taken
    return Attribution(
        values={request.layer: (found.units if exact else found.influence).reshape(
            (rows,) + path.units)}, score=ends[1],
        baseline_score=ends[0] if exact else np.full(rows, np.nan), delta=delta if exact else np.full(rows, np.nan),
        label=at.label, steps=taken, evaluations=taken.copy(),
        converged=found.good, output=output,
        method="adaptive" if request.steps is None else request.method,
        tolerance=request.tolerance if request.steps is None else None, running=at.running, coupled=at.coupled,
        weights=at.weights, outputs=at.outputs(at.entries), notes=tuple(told),
        technique="Conductance" if exact else "Internal influence", completeness=EXACT if whole else NONE,
        error_estimate=np.abs(found.carried + found.passed - rise))
