"""Measures that take tokens away one at a time, or some at once."""

from typing import List, Tuple

import numpy as np

from tf1_ig.evaluate.bounds import judge
from tf1_ig.evaluate.record import FEW, SHUFFLES, Scene, by_chance, mean, pearson, spearman
from tf1_ig.evaluate.without import scores, without
from tf1_ig.result.measured import Measured

SUBSETS = 32       # of a row's tokens that are removed together
MOST = 64          # tokens of a row that are removed one by one
NOTHING = 0.02     # of the largest of a row: numbers below it count as equal where ranks are compared
NOTABLE = 0.1      # of the largest effect of a row: tokens below it are left out where signs are compared
_CERTAIN = 1 - 1e-9


def completeness(scene: Scene) -> Measured:
    """Whether the attributions sum to the difference of the scores, both taken anew."""
    total = np.array([tokens.sum() for tokens in scene.tokens])
    size = np.maximum(np.abs(scene.rise), 1e-6 * np.abs(scene.ends).max(axis=0))
    rows = np.abs(total - scene.rise) / np.maximum(size, np.finfo(np.float32).tiny)
    value = float(rows.max()) if np.isfinite(rows).all() else float("nan")
    claims = scene.attribution.completeness == "exact"
    told = judge("completeness", value, len(rows)) if claims else "ok"
    return Measured("completeness", told, value, "" if told == "ok" else "the attributions do not sum to the "
                    "difference of the scores: more steps, or they are not those of this model and feed", rows=rows)


def leave_one_out(scene: Scene) -> Measured:
    """Rank correlation of the attributions with what removing single tokens does; control: shuffled attributions."""
    random = scene.random("leave one out")
    said, effects = ([_told(each) for each in found] for found in _single(scene, random))
    rows = np.array([spearman(*each) if len(each[0]) > 1 else np.nan for each in zip(said, effects)])
    value, chance = mean(rows), by_chance(list(zip(said, effects)), random)
    told, advice = judge("leave one out", value, len(rows)), ""
    if told != "ok":
        advice = "removing tokens one by one ranks them otherwise"
    elif value <= chance < _CERTAIN:
        told, advice = "warn", "shuffled attributions do as well in one of twenty (%.2f)" % chance
    elif chance >= _CERTAIN:
        advice = FEW
    return Measured("leave one out", told, value, advice, control=chance, rows=rows)


def signs(scene: Scene) -> Measured:
    """For how many of the tokens that matter removing moves the score the way that is said; control: shuffled ones."""
    random = scene.random("signs")
    pairs = [(one[_notable(other)], other[_notable(other)]) for one, other in zip(*_single(scene, random))]
    rows = np.array([mean(np.sign(one) == np.sign(other)) for one, other in pairs])
    control = mean([mean(np.sign(one)[:, None] == np.sign(other)[None]) for one, other in pairs])
    value = mean(rows)
    told = judge("signs", value, len(rows))
    return Measured("signs", told, value, "" if told == "ok" else "removing a token moves the score the other way: "
                    "signs agree for %.0f %%" % (100 * value), control=control, rows=rows)


def subsets(scene: Scene) -> Measured:
    """Correlation of sums of attributions with what removing those tokens together does (sensitivity-n: Ancona,
    Ceolini, Öztireli, Gross: Towards better understanding of gradient-based attribution methods, arXiv 1711.06104);
    control: shuffled attributions."""
    random = scene.random("subsets")
    chosen = [_drawn(len(moving), random) for moving in scene.moving]
    shares = [without(len(tokens), [moving[one] for one in each])
              for tokens, moving, each in zip(scene.tokens, scene.moving, chosen)]
    effects = [scene.ends[1][row] - found for row, found in enumerate(scores(scene, shares))]
    said = [tokens[moving] for tokens, moving in zip(scene.tokens, scene.moving)]
    rows = np.array([_of_subsets(own, each, effect) for own, each, effect in zip(said, chosen, effects)])
    control = [mean([_of_subsets(random.permutation(own), each, effect)
                     for own, each, effect in zip(said, chosen, effects)]) for _ in range(SHUFFLES)]
    chance = float(np.nanquantile(control, 0.95)) if np.isfinite(control).any() else float("nan")
    value = mean(rows)
    told = judge("subsets", value, len(rows))
    return Measured("subsets", told, value, "" if told == "ok" else "what several tokens are said to be worth together "
                    "is not what removing them together takes", control=chance, rows=rows)


# -- how ---------------------------------------------------------------------------------------------------------------

def _single(scene: Scene, random: np.random.RandomState) -> Tuple[List[np.ndarray], List[np.ndarray]]:
    """By row what single tokens are said to be worth, and how far the score falls without each."""
    chosen = [strongest(*each, random) for each in zip(scene.tokens, scene.moving)]
    shares = [without(len(tokens), [[token] for token in own]) for tokens, own in zip(scene.tokens, chosen)]
    effects = [scene.ends[1][row] - found for row, found in enumerate(scores(scene, shares))]
    return [scene.tokens[row][own] for row, own in enumerate(chosen)], effects


def _drawn(count: int, random: np.random.RandomState) -> List[np.ndarray]:
    """Sets of some of so many tokens, of all sizes but none and all."""
    if count < 2:
        return []
    return [random.permutation(count)[:random.randint(1, count)] for _ in range(SUBSETS)]


def _of_subsets(said: np.ndarray, chosen: List[np.ndarray], effects: np.ndarray) -> float:
    known = np.isfinite(effects)
    if known.sum() < 3:
        return float("nan")
    return pearson(np.array([said[one].sum() for one in chosen])[known], effects[known])


def strongest(values: np.ndarray, own: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """Tokens of a row, of ``own``, that are removed one by one: all, or those of the largest values and some others."""
    if len(own) <= MOST:
        return own
    order = own[np.argsort(-np.abs(values[own]), kind="stable")]
    return np.concatenate([order[:MOST // 2], random.permutation(order[MOST // 2:])[:MOST // 2]])


def _told(values: np.ndarray) -> np.ndarray:
    """The values, those of next to nothing all nothing: their order is chance."""
    return np.where(np.abs(values) > NOTHING * np.abs(values).max(), values, 0.0) if len(values) else values


def _notable(effects: np.ndarray) -> np.ndarray:
    return np.abs(effects) > NOTABLE * np.abs(effects).max() if len(effects) else np.zeros(0, bool)
