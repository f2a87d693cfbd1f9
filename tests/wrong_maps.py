"""Wrong maps made of right explanations, for scripts/planted_faults.py: each fault a function of a ``Right``."""

from typing import Any, Callable, Dict, NamedTuple

import numpy as np

import graph_tools as gt
import tf1_ig
from tf1_ig.evaluate.randomised import permuted, weights_by_scope


class Right(NamedTuple):
    """An open explainer, a feed, and its right explanation."""

    name: str
    explainer: Any
    taught: Any
    feed: Dict[str, np.ndarray]
    label: Any
    attribution: Any
    random: np.random.RandomState

    @property
    def input(self) -> str:
        return self.explainer.inputs[0]

    @property
    def values(self) -> np.ndarray:
        return np.asarray(self.attribution.values[self.input], np.float64)

    @property
    def at(self) -> Any:
        return self.explainer.at(self.feed, self.label)


def flat(values: np.ndarray) -> np.ndarray:
    """``[rows, tokens]``."""
    return values.reshape(len(values), -1) if values.ndim == 2 else values.sum(-1).reshape(len(values), -1)


def _spread(right: Right, tokens: np.ndarray) -> np.ndarray:
    """Numbers by token ``[rows, tokens]`` as values."""
    values = right.values
    if values.ndim == 2:
        return tokens.reshape(values.shape)
    return np.repeat(tokens.reshape(values.shape[:-1])[..., None], values.shape[-1], axis=-1) / values.shape[-1]


def _moving(right: Right) -> np.ndarray:
    """Which tokens move, ``[rows, tokens]``."""
    return flat(np.abs(right.at.entries[right.input])) > 0


def _reordered(order: Callable[[Right, int, np.ndarray], np.ndarray]) -> Callable[[Right], np.ndarray]:
    """The tokens that move of each row in another order."""
    def made(right: Right) -> np.ndarray:
        tokens = flat(right.values).copy()
        for row, moving in enumerate(_moving(right)):
            places = np.flatnonzero(moving)
            tokens[row, places] = tokens[row, order(right, row, places)]
        return _spread(right, tokens)
    return made


def _of_tokens(change: Callable[[Right, np.ndarray], np.ndarray]) -> Callable[[Right], np.ndarray]:
    def made(right: Right) -> np.ndarray:
        return _spread(right, np.where(_moving(right), change(right, flat(right.values)), 0.0))
    return made


def _summed(fault: Callable[[Right], np.ndarray]) -> Callable[[Right], np.ndarray]:
    """The same, scaled so that its sum is right: completeness alone cannot see it."""
    def made(right: Right) -> np.ndarray:
        values = np.asarray(fault(right), np.float64)
        own, goal = values.reshape(len(values), -1).sum(1), right.values.reshape(len(values), -1).sum(1)
        scale = goal / np.where(np.abs(own) > 1e-9, own, 1.0)
        return values * scale.reshape((-1,) + (1,) * (values.ndim - 1))
    return made


def _other_label(right: Right) -> Any:
    outputs = right.explainer.outputs(right.feed)
    if outputs.ndim == 3:
        return [(int(place), int((tag + 1) % outputs.shape[2])) for place, tag in right.at.label]
    return [int(one) for one in (outputs.argmax(1) + 1) % outputs.shape[1]]


def _explained(right: Right, label: Any = None, baseline: Any = "zero", variant: Any = None, **asked: Any
               ) -> np.ndarray:
    label = right.label if label is None else label
    if variant is not None:
        found = right.explainer.explain_variant(variant, right.feed, label, **asked)
    else:
        found = right.explainer.explain(right.feed, label, baseline=baseline, **asked)
    return np.asarray(found.values[right.input], np.float64)


def _elsewhere(which: str) -> Callable[[Right], np.ndarray]:
    """Another tensor of the graph is explained, one of its elements in each row."""
    def made(right: Right) -> np.ndarray:
        with tf1_ig.IntegratedGradients(right.taught.model, getattr(right.taught, which), right.input) as other:
            wide = other.outputs(right.feed).shape[-1]
            label = [(int(one[0]), int(one[1]) % wide) if np.ndim(one) else int(one) % wide for one in right.at.label]
            return np.asarray(other.explain(right.feed, label).values[right.input], np.float64)
    return made


def _untrained(right: Right) -> np.ndarray:
    resolved = right.explainer.resolved
    model, _ = gt.freeze(resolved.model, [resolved.output])
    scopes = weights_by_scope(model, [right.input], resolved.output)
    model = permuted(model, sum(scopes.values(), []), right.random)
    feed = {resolved.renamed.get(key, key): value for key, value in right.feed.items()}
    with tf1_ig.IntegratedGradients(model, resolved.output, right.input) as other:
        return np.asarray(other.explain(feed, [tuple(one) if np.ndim(one) else int(one) for one in
                                                     right.at.label]).values[right.input], np.float64)


def _edges(right: Right, tokens: np.ndarray) -> np.ndarray:
    """How much each token differs from the one before."""
    entries = np.asarray(right.at.entries[right.input], np.float64)
    sizes = flat(np.abs(entries))
    del tokens
    return np.abs(sizes - np.roll(sizes, 1, axis=1))


def _smoothed(right: Right, tokens: np.ndarray) -> np.ndarray:
    del right
    return (np.roll(tokens, 1, axis=1) + tokens + np.roll(tokens, -1, axis=1)) / 3


def _weaker_half_away(keep_strong: bool) -> Callable[[Right, np.ndarray], np.ndarray]:
    def change(right: Right, tokens: np.ndarray) -> np.ndarray:
        made = tokens.copy()
        for row, moving in zip(made, _moving(right)):
            places = np.flatnonzero(moving)
            order = places[np.argsort(np.abs(row[places]))]
            half = len(order) // 2
            row[order[:half] if keep_strong else order[-half:]] = 0
        return made
    return change


def _zeroed(right: Right, tokens: np.ndarray) -> np.ndarray:
    made = tokens.copy()
    for row, moving in zip(made, _moving(right)):
        places = right.random.permutation(np.flatnonzero(moving))
        row[places[:len(places) // 2]] = 0
    return made


def _norms(right: Right, tokens: np.ndarray) -> np.ndarray:
    del tokens
    entries = np.asarray(right.at.entries[right.input], np.float64)
    return np.abs(entries).reshape(len(entries), -1) if entries.ndim == 2 else np.sqrt((entries ** 2).sum(-1)).reshape(
        len(entries), -1)


def _gradient(right: Right) -> np.ndarray:
    return _explained(right, variant="gradient")


def _mean_gradient(right: Right) -> np.ndarray:
    entries = np.asarray(right.at.entries[right.input], np.float64)
    return right.values / np.where(entries != 0, entries, 1.0)


def _draw(right: Right, tokens: np.ndarray) -> np.ndarray:
    return right.random.normal(size=tokens.shape) * np.abs(tokens).mean()


def _normalised(right: Right) -> np.ndarray:
    tokens = flat(right.values)
    return right.values / np.abs(tokens).sum(1).reshape((-1,) + (1,) * (right.values.ndim - 1))


_UNSUMMED: Dict[str, Callable[[Right], np.ndarray]] = {
    "absolute values": _of_tokens(lambda right, tokens: np.abs(tokens)),
    "a constant map": _of_tokens(lambda right, tokens: np.ones_like(tokens)),
    "embeddings' norms": _of_tokens(_norms),
    "an edge detector": _of_tokens(_edges),
    "noise": _of_tokens(_draw),
    "the gradient alone": _gradient,
    "the mean gradient, a factor dropped": _mean_gradient,
    "the squared gradient": lambda right: _gradient(right) ** 2,
    "half of the tokens zeroed": _of_tokens(_zeroed),
    "the strong half zeroed": _of_tokens(_weaker_half_away(False)),
    "untrained weights": _untrained,
    "the wrong label": lambda right: _explained(right, _other_label(right)),
    "another layer": _elsewhere("hidden"),
    "smoothed over neighbours": _of_tokens(_smoothed),
    "one step from the left": lambda right: _explained(right, steps=1, method="left"),
    "gradient x input": lambda right: _explained(right, variant="gradient_x_input"),
    "the positive part": _of_tokens(lambda right, tokens: np.maximum(tokens, 0)),
    "squares": _of_tokens(lambda right, tokens: np.sign(tokens) * tokens ** 2),
    "square roots": _of_tokens(lambda right, tokens: np.sign(tokens) * np.sqrt(np.abs(tokens))),
    "falling with the position": _of_tokens(lambda right, tokens: np.arange(tokens.shape[1], 0, -1) + 0 * tokens),
    "all on the first token": _of_tokens(lambda right, tokens: np.eye(1, tokens.shape[1]) + 0 * tokens),
    "another row's map": lambda right: np.roll(right.values, 1, axis=0),
}

FAULTS: Dict[str, Callable[[Right], np.ndarray]] = dict(
    _UNSUMMED,
    **{name + ", its sum made right": _summed(fault) for name, fault in _UNSUMMED.items()},
    **{
        "shuffled tokens": _reordered(lambda right, row, places: right.random.permutation(places)),
        "off by one token": _reordered(lambda right, row, places: np.roll(places, 1)),
        "off by one, the other way": _reordered(lambda right, row, places: np.roll(places, -1)),
        "reversed": _reordered(lambda right, row, places: places[::-1]),
        "halves exchanged": _reordered(lambda right, row, places: np.roll(places, len(places) // 2)),
        "sorted": _reordered(lambda right, row, places: places[np.argsort(flat(right.values)[row, places])]),
        "the sign flipped": lambda right: -right.values,
        "the sign flipped, its sum made right": _of_tokens(
            lambda right, tokens: 2 * (tokens * _moving(right)).sum(1, keepdims=True) / _moving(right).sum(
                1, keepdims=True) - tokens),
        "scaled by two": lambda right: 2 * right.values,
        "the mean of the dimensions": lambda right: right.values / right.values.shape[-1],
        "divided by its size": _normalised,
        "logits instead of the output": _elsewhere("logits"),
        "another baseline": lambda right: _explained(right, baseline="mean"),
    })
