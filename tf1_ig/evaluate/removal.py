"""Measures that take tokens away: one at a time, some at once, in the order of the attributions, all but the fewest."""

from typing import Any, List, Tuple

import numpy as np

from tf1_ig.evaluate import cutting
from tf1_ig.evaluate.bounds import judge
from tf1_ig.evaluate.record import Scene, mean, pearson, spearman
from tf1_ig.result.measured import Curve, Measured

SHUFFLES = 200     # of attributions among the tokens of their rows
ORDERS = 20        # random orders that deletion and insertion are compared with
SUBSETS = 32       # of a row's tokens that are removed together
MOST = 64          # tokens of a row that are removed one by one; steps of deletion and insertion
NOTHING = 0.02     # of the largest of a row: numbers below it count as equal where ranks are compared
NOTABLE = 0.1      # of the largest effect of a row: tokens below it are left out where signs are compared
POINTS = 512       # points that are made at once
FLOATS = 1 << 22   # of their entries together
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
    before, random = scene.at.evaluations, scene.random("leave one out")
    said, effects = ([_told(each) for each in found] for found in _single(scene, random))
    rows = np.array([spearman(*each) if len(each[0]) > 1 else np.nan for each in zip(said, effects)])
    control = [mean([spearman(random.permutation(one), other) for one, other in zip(said, effects) if len(one) > 1])
               for _ in range(SHUFFLES)]
    value, chance = mean(rows), float(np.nanquantile(control, 0.95)) if np.isfinite(control).any() else float("nan")
    told, advice = judge("leave one out", value, len(rows)), ""
    if told != "ok":
        advice = "removing tokens one by one ranks them otherwise"
    elif value <= chance < _CERTAIN:
        told, advice = "warn", "shuffled attributions do as well in one of twenty (%.2f)" % chance
    elif chance >= _CERTAIN:
        advice = "so few tokens that shuffled ones often stand in the same order; give more rows"
    return Measured("leave one out", told, value, advice, control=chance,
                    evaluations=scene.at.evaluations - before, rows=rows)


def signs(scene: Scene) -> Measured:
    """For how many of the tokens that matter removing moves the score the way that is said; control: shuffled ones."""
    before, random = scene.at.evaluations, scene.random("signs")
    pairs = [(one[_notable(other)], other[_notable(other)]) for one, other in zip(*_single(scene, random))]
    rows = np.array([mean(np.sign(one) == np.sign(other)) for one, other in pairs])
    control = mean([mean(np.sign(one)[:, None] == np.sign(other)[None]) for one, other in pairs])
    value = mean(rows)
    told = judge("signs", value, len(rows))
    return Measured("signs", told, value, "" if told == "ok" else "removing a token moves the score the other way: "
                    "signs agree for %.0f %%" % (100 * value), control=control,
                    evaluations=scene.at.evaluations - before, rows=rows)


def subsets(scene: Scene) -> Measured:
    """Correlation of sums of attributions with what removing those tokens together does (sensitivity-n: Ancona,
    Ceolini, Öztireli, Gross: Towards better understanding of gradient-based attribution methods, arXiv 1711.06104);
    control: shuffled attributions."""
    before, random = scene.at.evaluations, scene.random("subsets")
    chosen = [_drawn(len(moving), random) for moving in scene.moving]
    shares = [_without(len(tokens), [moving[one] for one in each])
              for tokens, moving, each in zip(scene.tokens, scene.moving, chosen)]
    effects = [scene.ends[1][row] - found for row, found in enumerate(_scores(scene, shares))]
    said = [tokens[moving] for tokens, moving in zip(scene.tokens, scene.moving)]
    rows = np.array([_of_subsets(own, each, effect) for own, each, effect in zip(said, chosen, effects)])
    control = [mean([_of_subsets(random.permutation(own), each, effect)
                     for own, each, effect in zip(said, chosen, effects)]) for _ in range(SHUFFLES)]
    chance = float(np.nanquantile(control, 0.95)) if np.isfinite(control).any() else float("nan")
    value = mean(rows)
    told = judge("subsets", value, len(rows))
    return Measured("subsets", told, value, "" if told == "ok" else "what several tokens are said to be worth together "
                    "is not what removing them together takes", control=chance,
                    evaluations=scene.at.evaluations - before, rows=rows)


def deletion(scene: Scene) -> Measured:
    """Area of the score as tokens go in the order of the attributions; control: random orders of the same row."""
    return _in_order(scene, "deletion", removing=True)


def insertion(scene: Scene) -> Measured:
    """Area of the score as tokens come, from the baseline, in the order of the attributions; control as above."""
    return _in_order(scene, "insertion", removing=False)


def flip_set(scene: Scene) -> Measured:
    """The fewest tokens found whose removal changes the class (of an output without classes: takes half the rise)."""
    before = scene.at.evaluations
    orders = [_order(scene, row, scene.tokens[row]) for row in range(len(scene.tokens))]
    growing = [_without(len(tokens), [order[:count] for count in range(1, min(len(order), MOST) + 1)] or [[]])
               for tokens, order in zip(scene.tokens, orders)]
    found: List[Tuple[int, ...]] = []
    flips = _flips(scene, growing)
    for row, order in enumerate(orders):
        first = np.flatnonzero(flips[row])
        found.append(tuple(int(token) for token in order[:first[0] + 1]) if len(first) and len(order) else ())
    found = [_fewest(scene, row, own) for row, own in enumerate(found)]
    rows = np.array([len(own) or np.nan for own in found], np.float64)
    value = mean(rows)
    told = "ok" if np.isfinite(rows).all() else "warn"
    return Measured("flip set", told, value, "" if told == "ok" else "no removal in the order of the attributions "
                    "changes the class in %d of %d rows" % (int(np.isnan(rows).sum()), len(rows)),
                    evaluations=scene.at.evaluations - before, positions=tuple(found), rows=rows)


# -- how ---------------------------------------------------------------------------------------------------------------

def _single(scene: Scene, random: np.random.RandomState) -> Tuple[List[np.ndarray], List[np.ndarray]]:
    """By row what single tokens are said to be worth, and how far the score falls without each."""
    chosen = [strongest(scene, row, random) for row in range(len(scene.tokens))]
    shares = [_without(len(tokens), [[token] for token in own]) for tokens, own in zip(scene.tokens, chosen)]
    effects = [scene.ends[1][row] - found for row, found in enumerate(_scores(scene, shares))]
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


def strongest(scene: Scene, row: int, random: np.random.RandomState) -> np.ndarray:
    """Tokens of a row that are removed one by one: all that move, or the strongest and some others."""
    own = scene.moving[row]
    if len(own) <= MOST:
        return own
    order = own[np.argsort(-np.abs(scene.tokens[row][own]), kind="stable")]
    return np.concatenate([order[:MOST // 2], random.permutation(order[MOST // 2:])[:MOST // 2]])


def _told(values: np.ndarray) -> np.ndarray:
    """The values, those of next to nothing all nothing: their order is chance."""
    return np.where(np.abs(values) > NOTHING * np.abs(values).max(), values, 0.0) if len(values) else values


def _notable(effects: np.ndarray) -> np.ndarray:
    return np.abs(effects) > NOTABLE * np.abs(effects).max() if len(effects) else np.zeros(0, bool)


def _without(count: int, removed) -> np.ndarray:
    """Shares ``[points, tokens]``: 1 but for the tokens that each point lacks."""
    shares = np.ones((len(removed), count))
    for point, tokens in enumerate(removed):
        shares[point, np.asarray(tokens, int)] = 0.0
    return shares


def _parts(scene: Scene, shares: List[np.ndarray]) -> List[List[np.ndarray]]:
    """A few points of all rows at a time; a row without more stays as it was fed."""
    most = max(1, max(len(each) for each in shares))
    padded = [np.concatenate([each, np.ones((most - len(each), each.shape[1]))]) for each in shares]
    floats = sum(len(vector) for vector in scene.at.vectors(scene.at.entries))
    together = max(1, min(POINTS, FLOATS // max(1, floats)))
    return [[each[first:first + together] for each in padded] for first in range(0, most, together)]


def is_cut(removal: Any) -> bool:
    """Whether tokens are cut out rather than replaced."""
    return isinstance(removal, str) and removal == cutting.CUT


def _scores(scene: Scene, shares) -> List[np.ndarray]:
    """Scores of each row's own points; NaN where nothing would be left to run."""
    return scores_at(scene, shares, scene.removal)


def scores_at(scene: Scene, shares: List[np.ndarray], to: Any) -> List[np.ndarray]:
    """Scores of each row's own points, each token its share of the way from ``to`` to the feed."""
    if is_cut(to):
        found = np.concatenate([cutting.scores(scene, part) for part in _parts(scene, shares)])
    else:
        found = np.concatenate([scene.at.scores(scene.at.mixed(part, to)) for part in _parts(scene, shares)])
    return [found[:len(each), row] for row, each in enumerate(shares)]


def _flips(scene: Scene, shares) -> List[np.ndarray]:
    """Whether the class changes at each row's own points; without classes, whether half the rise is gone."""
    own = scene.at.outputs(scene.at.entries)
    if own.ndim != 2 or own.shape[1] < 2:
        return [(scene.ends[1][row] - found) / (scene.rise[row] or 1.0) > 0.5
                for row, found in enumerate(_scores(scene, shares))]
    outputs = np.concatenate([cutting.outputs(scene, part) if is_cut(scene.removal) else scene.at.outputs(
        scene.at.mixed(part, scene.removal)) for part in _parts(scene, shares)])
    top = own.argmax(axis=1)
    return [(outputs[:len(each), row].argmax(axis=1) != top[row]) & np.isfinite(outputs[:len(each), row]).all(axis=1)
            for row, each in enumerate(shares)]


def _order(scene: Scene, row: int, values: np.ndarray) -> np.ndarray:
    """Moving tokens of a row, those first that carry most of the rise."""
    own = scene.moving[row]
    return own[np.argsort(-np.sign(scene.rise[row] or 1.0) * values[own], kind="stable")]


def _curves(scene: Scene, orders: List[np.ndarray], removing: bool) -> List[np.ndarray]:
    """Scores by row as tokens go (or come) in one order of each row."""
    shares = []
    for tokens, order in zip(scene.tokens, orders):
        shares.append(_without(len(tokens), [order[:cut] if removing else order[cut:] for cut in _cuts(order)]))
    return _scores(scene, shares)


def _cuts(order: np.ndarray) -> np.ndarray:
    return np.unique(np.linspace(0, len(order), min(len(order), MOST) + 1).astype(int))


def _areas(scene: Scene, curves: List[np.ndarray], removing: bool) -> np.ndarray:
    """How early the score goes (or comes), by row: 1 at once and 0 at the end."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.array([mean((scene.ends[1][row] - scores if removing else scores - scene.ends[0][row])
                              / scene.rise[row]) for row, scores in enumerate(curves)])


def _in_order(scene: Scene, name: str, removing: bool) -> Measured:
    before, random = scene.at.evaluations, scene.random(name)
    orders = [_order(scene, row, tokens) for row, tokens in enumerate(scene.tokens)]
    curves = _curves(scene, orders, removing)
    others = [_curves(scene, [random.permutation(moving) for moving in scene.moving], removing) for _ in range(ORDERS)]
    own, chance = _areas(scene, curves, removing), np.stack([_areas(scene, each, removing) for each in others])
    # Orders of the same area, as of the same order, take nothing from it; where all are so, nothing can be told.
    beaten = (own >= chance - 1e-6 * np.maximum(np.abs(own), 1.0)).mean(axis=0)
    beaten = np.where(np.ptp(np.concatenate([chance, own[None]]), axis=0) > 1e-6, beaten, np.nan)
    percentile = mean(beaten)
    told = judge(name, percentile, len(own))
    drawn = tuple(Curve(_cuts(order) / max(len(order), 1.0), scores, np.min([each[row] for each in others], axis=0),
                        np.max([each[row] for each in others], axis=0))
                  for row, (order, scores) in enumerate(zip(orders, curves)))
    return Measured(name, told, mean(own), "" if told == "ok" else "the order of the attributions beats %.0f %% of "
                    "random orders of the same tokens" % (100 * percentile), control=mean(chance),
                    evaluations=scene.at.evaluations - before, rows=own, judged=percentile, curves=drawn)


def _fewest(scene: Scene, row: int, tokens: Tuple[int, ...]) -> Tuple[int, ...]:
    """The set without those that are not needed, each tried in turn from the weakest."""
    for token in sorted(tokens, key=lambda one: abs(scene.tokens[row][one])):
        less = tuple(one for one in tokens if one != token)
        if less:
            shares = [np.ones((1, len(other))) for other in scene.tokens]
            shares[row] = _without(len(scene.tokens[row]), [less])
            if _flips(scene, shares)[row][0]:
                tokens = less
    return tokens
