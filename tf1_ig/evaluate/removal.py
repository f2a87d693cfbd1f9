"""Measures that take tokens away: one at a time, in the order of the attributions, all but the fewest that matter."""

from typing import List, Tuple

import numpy as np

from tf1_ig.evaluate.record import Measured, Scene, mean, spearman, verdict

SHUFFLES = 200     # of attributions among the tokens of their rows
ORDERS = 20        # random orders that deletion and insertion are compared with
MOST = 64          # tokens of a row that are removed one by one; steps of deletion and insertion
NOTABLE = 0.1      # of the largest effect of a row: tokens below it are left out where signs are compared
POINTS = 512       # entries that are made at once
_CERTAIN = 1 - 1e-9


def completeness(scene: Scene) -> Measured:
    """Whether the attributions sum to the difference of the scores, both taken anew."""
    total = np.array([tokens.sum() for tokens in scene.tokens])
    size = np.maximum(np.abs(scene.rise), 1e-6 * np.abs(scene.ends).max(axis=0))
    rows = np.abs(total - scene.rise) / np.maximum(size, np.finfo(np.float32).tiny)
    value = float(rows.max()) if np.isfinite(rows).all() else float("nan")
    claims = scene.attribution.completeness == "exact"
    told = verdict(value, 0.02, 0.1) if claims else "ok"
    return Measured("completeness", told, value, "" if told == "ok" else "the attributions do not sum to the "
                    "difference of the scores: more steps, or they are not those of this model and feed", rows=rows)


def leave_one_out(scene: Scene) -> Measured:
    """Rank correlation of the attributions with what removing single tokens does; control: shuffled attributions."""
    before, random = scene.at.evaluations, scene.random("leave one out")
    chosen = [_strongest(scene, row, random) for row in range(len(scene.tokens))]
    shares = [_without(len(tokens), [[token] for token in own]) for tokens, own in zip(scene.tokens, chosen)]
    effects = [scene.ends[1][row] - found for row, found in enumerate(_scores(scene, shares))]
    said = [scene.tokens[row][own] for row, own in enumerate(chosen)]
    rows = np.array([spearman(*each) if len(each[0]) > 1 else np.nan for each in zip(said, effects)])
    control = [mean([spearman(random.permutation(one), other) for one, other in zip(said, effects) if len(one) > 1])
               for _ in range(SHUFFLES)]
    signs = [np.sign(one) == np.sign(other) for one, other in ((one[_notable(other)], other[_notable(other)])
                                                              for one, other in zip(said, effects))]
    agreeing = mean(np.concatenate(signs)) if signs and sum(map(len, signs)) else float("nan")
    value, chance = mean(rows), float(np.nanquantile(control, 0.95)) if np.isfinite(control).any() else float("nan")
    told, advice = verdict(value, 0.5, 0.2), ""
    if agreeing < 0.6:
        told, advice = "fail", "removing a token moves the score the other way: signs agree for %.0f %%" % (
            100 * agreeing)
    elif told != "ok":
        advice = "removing tokens one by one ranks them otherwise (signs agree for %.0f %%)" % (100 * agreeing)
    elif value <= chance < _CERTAIN:
        told, advice = "warn", "shuffled attributions do as well in one of twenty (%.2f)" % chance
    elif chance >= _CERTAIN:
        advice = "so few tokens that shuffled ones often stand in the same order; give more rows"
    return Measured("leave one out", told, value, advice, control=chance,
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

def _strongest(scene: Scene, row: int, random: np.random.RandomState) -> np.ndarray:
    """Tokens of a row that are removed one by one: all that move, or the strongest and some others."""
    own = scene.moving[row]
    if len(own) <= MOST:
        return own
    order = own[np.argsort(-np.abs(scene.tokens[row][own]), kind="stable")]
    return np.concatenate([order[:MOST // 2], random.permutation(order[MOST // 2:])[:MOST // 2]])


def _notable(effects: np.ndarray) -> np.ndarray:
    return np.abs(effects) > NOTABLE * np.abs(effects).max() if len(effects) else np.zeros(0, bool)


def _without(count: int, removed) -> np.ndarray:
    """Shares ``[points, tokens]``: 1 but for the tokens that each point lacks."""
    shares = np.ones((len(removed), count))
    for point, tokens in enumerate(removed):
        shares[point, np.asarray(tokens, int)] = 0.0
    return shares


def _padded(shares) -> Tuple[List[np.ndarray], int]:
    most = max(1, max(len(each) for each in shares))
    return [np.concatenate([each, np.ones((most - len(each), each.shape[1]))]) for each in shares], most


def _scores(scene: Scene, shares) -> List[np.ndarray]:
    """Scores of each row's own points."""
    padded, most = _padded(shares)
    found = np.concatenate([scene.at.scores(scene.at.mixed([each[first:first + POINTS] for each in padded],
                                                           scene.baseline)) for first in range(0, most, POINTS)])
    return [found[:len(each), row] for row, each in enumerate(shares)]


def _flips(scene: Scene, shares) -> List[np.ndarray]:
    """Whether the class changes at each row's own points; without classes, whether half the rise is gone."""
    padded, most = _padded(shares)
    own = scene.at.outputs(scene.at.entries)
    if own.ndim != 2 or own.shape[1] < 2:
        return [(scene.ends[1][row] - found) / (scene.rise[row] or 1.0) > 0.5
                for row, found in enumerate(_scores(scene, shares))]
    outputs = np.concatenate([scene.at.outputs(scene.at.mixed([each[first:first + POINTS] for each in padded],
                                                              scene.baseline)) for first in range(0, most, POINTS)])
    top = own.argmax(axis=1)
    return [outputs[:len(each), row].argmax(axis=1) != top[row] for row, each in enumerate(shares)]


def _order(scene: Scene, row: int, values: np.ndarray) -> np.ndarray:
    """Moving tokens of a row, those first that carry most of the rise."""
    own = scene.moving[row]
    return own[np.argsort(-np.sign(scene.rise[row] or 1.0) * values[own], kind="stable")]


def _curves(scene: Scene, orders: List[np.ndarray], removing: bool) -> np.ndarray:
    """Areas by row: how early the score goes (or comes), 1 at once and 0 at the end, for one order of each row."""
    shares = []
    for tokens, order in zip(scene.tokens, orders):
        cuts = np.unique(np.linspace(0, len(order), min(len(order), MOST) + 1).astype(int))
        rest = [order[:cut] if removing else order[cut:] for cut in cuts]
        shares.append(_without(len(tokens), rest))
    found = _scores(scene, shares)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.array([mean((scene.ends[1][row] - scores if removing else scores - scene.ends[0][row])
                              / scene.rise[row]) for row, scores in enumerate(found)])


def _in_order(scene: Scene, name: str, removing: bool) -> Measured:
    before, random = scene.at.evaluations, scene.random(name)
    own = _curves(scene, [_order(scene, row, tokens) for row, tokens in enumerate(scene.tokens)], removing)
    chance = np.stack([_curves(scene, [random.permutation(moving) for moving in scene.moving], removing)
                       for _ in range(ORDERS)])
    # Orders of the same area, as of the same order, take nothing from it; where all are so, nothing can be told.
    beaten = (own >= chance - 1e-6 * np.maximum(np.abs(own), 1.0)).mean(axis=0)
    rows = np.where(np.ptp(np.concatenate([chance, own[None]]), axis=0) > 1e-6, beaten, np.nan)
    percentile = mean(rows)
    told = verdict(percentile, 0.8, 0.5)
    return Measured(name, told, mean(own), "" if told == "ok" else "the order of the attributions beats %.0f %% of "
                    "random orders of the same tokens" % (100 * percentile), control=float(np.nanmean(chance)),
                    evaluations=scene.at.evaluations - before, rows=own)


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
