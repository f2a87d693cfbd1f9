"""Conductance: what the units of a layer carry of the score, along the path of Integrated Gradients.

Conductance of unit ``h`` is ``∫ ∂F/∂h · dh/dα dα`` along the path (Dhamdhere, Sundararajan, Yan: How Important Is a
Neuron?, arXiv 1805.12233); the units of a layer sum to the difference of the scores where the layer cuts every path
from the inputs to the output. Internal influence is ``∫ ∂F/∂h dα`` (Leino, Sen, Datta, Fredrikson, Li: Influence-
Directed Explanations for Deep Convolutional Networks, arXiv 1802.03788), whose sum claims nothing.

Two evaluators answer: one gives the layer at points of the path, the other the gradient of the score at a layer that is
held there, and beside it the gradients by the inputs with the layer held: what passes the layer by.
"""

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from graph_tools.find.view import view_of
from graph_tools.graph import names
from tf1_ig import quadrature
from tf1_ig.engine.at import FLOATS_AT_ONCE, At
from tf1_ig.errors import InputError, MethodError
from tf1_ig.question.resolve import Resolved, Through
from tf1_ig.result.attribution import Attribution
from tf1_ig.result.claims import EXACT, NONE

KINDS = ("conductance", "internal_influence")
PANELS = 4  # of three points each, at first; then twice as many, until the sum is right
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


class Sums(NamedTuple):
    """By row: units of the layer as asked for, what the layer carries, and what passes it by (float64 ``[rows]``)."""

    values: np.ndarray
    carried: np.ndarray
    passed: np.ndarray
    points: int


def inputs_beside(resolved: Resolved, layer: str, inputs: Tuple[str, ...]) -> Through:
    """The layer as an input of its own, beside the inputs where some path from them passes it by.

    Raises:
      InputError: the layer is inside a loop, where it has a value in every iteration.
    """
    inside = resolved.renamed.get(layer, layer)
    if names.parse(inside).node in view_of(resolved.model).loop_nodes:
        raise InputError("layer %s is inside a loop and has a value in every iteration; name what leaves the loop (an "
                         "Exit, or the tensor of all steps behind it): tf1-ig inspect MODEL --layers lists those"
                         % layer)
    whole = cuts(resolved.model, inside, tuple(spec.attributed.tensor for spec in resolved.inputs), resolved.output)
    return Through(layer, () if whole else inputs)


def cuts(model: Any, layer: str, inputs: Tuple[str, ...], output: str) -> bool:
    """Whether every path from the inputs to the output leads through the layer."""
    node = names.parse(layer).node
    behind = model.index.ancestors([output], control=False, stop=lambda name: name == node)
    return not any(names.parse(one).node in behind - {node} for one in inputs)


def any_element(outputs: np.ndarray) -> Any:
    """A label that fits these output rows: whatever is asked of a layer, all of it is read."""
    axes = outputs.ndim - 1
    return None if axes == 0 else 0 if axes == 1 else (0,) * axes


def as_fed(below: Any, at: At) -> np.ndarray:
    """The layer under the feed in the shape that it has in the graph, where rows of several tokens may be one axis."""
    layer = at.outputs(at.entries)
    rank = below.resolved.model.graph.get_tensor_by_name(below.output).shape.ndims
    if below.batch_axis is None:
        return layer[0]
    if rank is not None and rank < layer.ndim:
        return layer.reshape((-1,) + layer.shape[layer.ndim - rank + 1:])
    return np.moveaxis(layer, 0, below.batch_axis)


class Path:
    """Points of the path: the layer there, gradients of the score by the layer, and by the inputs with it held.

    Args:
      below: evaluator of the layer by the inputs; above: evaluator of the score by the layer and, where the layer does
        not cut every path, the inputs.
      baseline: as ``explain`` takes it.
    """

    def __init__(self, below: At, above: At, layer: str, baseline: Any):
        self._below, self._above, self.layer, self._baseline = below, above, layer, baseline
        entries, start = below.entries, below.start(baseline)
        self._moves = {name: [np.asarray(own, np.float64) - np.asarray(base, np.float64)
                              for own, base in zip(entries[name], start[name])] for name in entries}
        if isinstance(above.entries[layer], list):
            raise InputError("input %s has as many entries in each row as the row needs: no layer of units; explain it"
                             % layer)
        shape = above.entries[layer].shape
        self.rows, self.units = shape[0], shape[1:]
        self._known: Dict[float, Tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
        self.gradients_taken = 0

    def layers(self, alphas: np.ndarray) -> np.ndarray:
        """The layer ``[points, rows, …units]`` at points of the path."""
        if self.layer in self._below.inputs:
            return np.asarray(self._mixed(alphas)[self.layer])
        return self._below.outputs(self._mixed(alphas)).reshape((len(alphas), self.rows) + self.units)

    def at(self, alphas: np.ndarray) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The layer and the gradient by it ``[points, rows, …units]``, and slopes past it ``[points, rows]``."""
        new = np.array([alpha for alpha in alphas if alpha not in self._known])
        size = sum(np.size(part) for value in self._above.entries.values()
                   for part in (value if isinstance(value, list) else [value]))
        together = max(1, FLOATS_AT_ONCE // max(1, size))
        for first in range(0, len(new), together):
            self._take(new[first:first + together])
        return tuple(np.stack([self._known[alpha][part] for alpha in alphas])  # type: ignore[return-value]
                     for part in range(3))

    def _take(self, alphas: np.ndarray) -> None:
        layers, mixed = self.layers(alphas), self._mixed(alphas)
        entries = {self.layer: layers}
        past = [name for name in self._above.inputs if name != self.layer]
        entries.update({name: mixed[name] for name in past})
        _, gradients = self._above.gradients(entries)
        self.gradients_taken += len(alphas)
        for number, alpha in enumerate(alphas):
            passing = np.array([sum(float(np.sum(np.asarray(gradients[name][number][row], np.float64)
                                                 * self._moves[name][row])) for name in past)
                                for row in range(self.rows)])
            self._known[alpha] = (layers[number].astype(np.float64),
                                  np.asarray(gradients[self.layer][number], np.float64), passing)

    def _mixed(self, alphas: np.ndarray) -> Dict[str, Any]:
        return self._below.mixed([np.repeat(alphas[:, None], count, axis=1) for count in self._below.tokens],
                                 self._baseline)


def by_panels(path: Path, panels: int, kind: str) -> Sums:
    """Panels of three points: layer and gradient are taken for parabolas, whose product Simpson's rule integrates."""
    alphas = np.linspace(0.0, 1.0, 2 * panels + 1)
    layers, gradients, passing = path.at(alphas)
    weights = np.ones(len(alphas))
    weights[1:-1:2], weights[2:-1:2] = 4.0, 2.0
    weights = (weights / (6.0 * panels)).reshape((-1,) + (1,) * (layers.ndim - 1))
    h0, hm, h1 = layers[:-1:2], layers[1::2], layers[2::2]
    g0, gm, g1 = gradients[:-1:2], gradients[1::2], gradients[2::2]
    carried = (g0 * (4 * hm - 3 * h0 - h1) + 4 * gm * (h1 - h0) + g1 * (h0 - 4 * hm + 3 * h1)).sum(axis=0) / 6.0
    values = carried if kind == "conductance" else (weights * gradients).sum(axis=0)
    return _sums(values, carried, (weights.reshape(-1, 1) * passing).sum(axis=0), len(alphas))


def by_rule(path: Path, method: str, steps: int, kind: str) -> Sums:
    """The nodes of a rule; each gradient belongs to the part of the path that its weight is the length of."""
    nodes, weights = quadrature.nodes_and_weights(method, steps)
    edges = np.clip(np.concatenate([[0.0], np.cumsum(weights)]), 0.0, None)
    _, gradients, passing = path.at(nodes)
    layers = path.layers(edges).astype(np.float64)
    carried = (gradients * np.diff(layers, axis=0)).sum(axis=0)
    mean = (weights.reshape((-1,) + (1,) * (gradients.ndim - 1)) * gradients).sum(axis=0)
    return _sums(carried if kind == "conductance" else mean, carried, weights @ passing, steps)


def _sums(values: np.ndarray, carried: np.ndarray, passed: np.ndarray, points: int) -> Sums:
    return Sums(values, carried.reshape(len(carried), -1).sum(axis=1), passed, points)


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
        found = by_rule(path, request.method, request.steps, request.kind)
    else:
        panels = PANELS
        found = by_panels(path, panels, request.kind)
        while not (np.abs(found.carried + found.passed - rise) <= close).all() and 4 * panels + 1 <= request.max_steps:
            panels *= 2
            found = by_panels(path, panels, request.kind)
    exact = request.kind == "conductance"
    delta = found.carried - rise
    largest = _PASSES * np.max(np.abs(ends), axis=0)
    told: List[str] = list(notes)
    whole = exact and not (np.abs(found.passed) > largest).any()
    if exact and not whole:
        told.append("layer %s does not cut every path from the inputs to %s: %s of the score's difference passes it by"
                    % (request.layer, output, ", ".join("%.4g" % each for each in found.passed)))
    rows = len(rise)
    return Attribution(
        values={request.layer: found.values}, score=ends[1],
        baseline_score=ends[0] if exact else np.full(rows, np.nan), delta=delta if exact else np.full(rows, np.nan),
        label=at.label, steps=np.full(rows, found.points), evaluations=np.full(rows, path.gradients_taken),
        converged=np.abs(found.carried + found.passed - rise) <= close, output=output,
        method="adaptive" if request.steps is None else request.method,
        tolerance=request.tolerance if request.steps is None else None, running=at.running, coupled=at.coupled,
        weights=at.weights, outputs=at.outputs(at.entries), notes=tuple(told),
        technique="Conductance" if exact else "Internal influence", completeness=EXACT if whole else NONE,
        error_estimate=np.abs(found.carried + found.passed - rise))
