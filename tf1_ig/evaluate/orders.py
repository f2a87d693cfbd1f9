"""Measures that take tokens away in the order of the attributions: one after the other, by shares, the fewest."""

from typing import List, Tuple

import numpy as np

from tf1_ig.evaluate.bounds import judge
from tf1_ig.evaluate.record import Scene, mean
from tf1_ig.evaluate.without import decided, scores, without
from tf1_ig.result.measured import Curve, Measured

ORDERS = 20                          # random orders that are compared with
MOST = 64                            # steps of an order
SHARES = np.arange(0.1, 1.1, 0.1)    # of the tokens that a rationale may hold
Places = Tuple[int, ...]


def deletion(scene: Scene) -> Measured:
    """Area of the score as tokens go in the order of the attributions, and which go until the class is another;
    control: random orders of the same row."""
    return _in_order(scene, "deletion", removing=True)


def insertion(scene: Scene) -> Measured:
    """Area of the score as tokens come, from the baseline, in the order of the attributions, and which come until the
    class is that of the row; control as above."""
    return _in_order(scene, "insertion", removing=False)


def flip_set(scene: Scene) -> Measured:
    """The fewest tokens found whose removal changes the class (of an output without classes: takes half the rise)."""
    orders = _orders(scene)
    growing = [without(len(tokens), [order[:count] for count in range(1, min(len(order), MOST) + 1)] or [[]])
               for tokens, order in zip(scene.tokens, orders)]
    found = []
    for row, (order, flips) in enumerate(zip(orders, decided(scene, growing)[1])):
        first = np.flatnonzero(flips[:len(order)])
        found.append(_fewest(scene, row, tuple(int(token) for token in order[:first[0] + 1]) if len(first) else ()))
    rows = np.array([len(own) or np.nan for own in found], np.float64)
    value = mean(rows)
    told = "ok" if np.isfinite(rows).all() else "warn"
    return Measured("flip set", told, value, "" if told == "ok" else "no removal in the order of the attributions "
                    "changes the class in %d of %d rows" % (int(np.isnan(rows).sum()), len(rows)),
                    positions=tuple(found), rows=rows)


def comprehensiveness(scene: Scene) -> Measured:
    """How far the score falls without the tokens that are said to matter most: the mean over 10 %, 20 %, … of the
    tokens, those above 0, equal sets once (DeYoung, Jain, Rajani, Lehman, Xiong, Socher, Wallace: ERASER, ACL 2020,
    arXiv 1911.03429; ``AOPC_Comprehensiveness_Evaluation`` of ferret); control: shuffled attributions."""
    return _by_rationales(scene, "comprehensiveness", keeping=False)


def sufficiency(scene: Scene) -> Measured:
    """How far the score falls where nothing but those tokens is kept, as above; less is better
    (``AOPC_Sufficiency_Evaluation`` of ferret)."""
    return _by_rationales(scene, "sufficiency", keeping=True)


# -- how ---------------------------------------------------------------------------------------------------------------

def _orders(scene: Scene) -> List[np.ndarray]:
    """By row the tokens that move, those first that carry most of the rise."""
    return [own[np.argsort(-np.sign(rise or 1.0) * values[own], kind="stable")]
            for own, rise, values in zip(scene.moving, scene.rise, scene.tokens)]


def _steps(scene: Scene, orders: List[np.ndarray], removing: bool) -> List[np.ndarray]:
    """Shares by row as tokens go (or come) in one order of each row."""
    return [without(len(tokens), [order[:cut] if removing else order[cut:] for cut in _cuts(order)])
            for tokens, order in zip(scene.tokens, orders)]


def _cuts(order: np.ndarray) -> np.ndarray:
    return np.unique(np.linspace(0, len(order), min(len(order), MOST) + 1).astype(int))


def _areas(scene: Scene, curves: List[np.ndarray], removing: bool) -> np.ndarray:
    """How early the score goes (or comes), by row: 1 at once and 0 at the end."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.array([mean((scene.ends[1][row] - curve if removing else curve - scene.ends[0][row])
                              / scene.rise[row]) for row, curve in enumerate(curves)])


def _in_order(scene: Scene, name: str, removing: bool) -> Measured:
    random, orders = scene.random(name), _orders(scene)
    curves, otherwise = decided(scene, _steps(scene, orders, removing))
    others = [scores(scene, _steps(scene, [random.permutation(moving) for moving in scene.moving], removing))
              for _ in range(ORDERS)]
    own, chance = _areas(scene, curves, removing), np.stack([_areas(scene, each, removing) for each in others])
    # Orders of the same area, as of the same order, take nothing from it; where all are so, nothing can be told.
    beaten = (own >= chance - 1e-6 * np.maximum(np.abs(own), 1.0)).mean(axis=0)
    beaten = np.where(np.ptp(np.concatenate([chance, own[None]]), axis=0) > 1e-6, beaten, np.nan)
    percentile = mean(beaten)
    told = judge(name, percentile, len(own))
    drawn = tuple(Curve(_cuts(order) / max(len(order), 1.0), curve, np.min([each[row] for each in others], axis=0),
                        np.max([each[row] for each in others], axis=0))
                  for row, (order, curve) in enumerate(zip(orders, curves)))
    until = tuple(_until(order, flips == removing) for order, flips in zip(orders, otherwise))
    return Measured(name, told, mean(own), "" if told == "ok" else "the order of the attributions beats %.0f %% of "
                    "random orders of the same tokens" % (100 * percentile), control=mean(chance),
                    rows=own, judged=percentile, curves=drawn, positions=until)


def _until(order: np.ndarray, there: np.ndarray) -> Places:
    """The tokens of an order up to the first step at which something is so; none where it never is."""
    first = np.flatnonzero(there)
    return tuple(int(token) for token in order[:_cuts(order)[first[0]]]) if len(first) else ()


def _fewest(scene: Scene, row: int, tokens: Places) -> Places:
    """The set without those that are not needed, each tried in turn from the weakest."""
    for token in sorted(tokens, key=lambda one: abs(scene.tokens[row][one])):
        less = tuple(one for one in tokens if one != token)
        if less:
            shares = [np.ones((1, len(other))) for other in scene.tokens]
            shares[row] = without(len(scene.tokens[row]), [less])
            if decided(scene, shares)[1][row][0]:
                tokens = less
    return tokens


def _by_rationales(scene: Scene, name: str, keeping: bool) -> Measured:
    random, said = scene.random(name), [tokens[moving] for tokens, moving in zip(scene.tokens, scene.moving)]
    rows = _falls(scene, said, keeping)
    control = mean([_falls(scene, [random.permutation(own) for own in said], keeping) for _ in range(ORDERS)])
    value = mean(rows)
    worse = (value - control if keeping else control - value) > 1e-6
    return Measured(name, "warn" if worse or not np.isfinite(value) else "ok", value, "" if not worse else
                    "tokens drawn at random do better than those that are said to matter most", control=control,
                    rows=rows)


def _falls(scene: Scene, said: List[np.ndarray], keeping: bool) -> np.ndarray:
    """By row the mean fall of the score over the rationales of ``said``; as in ferret 0 and 1 where there is none."""
    chosen = [_rationales(own) for own in said]
    shares = [without(len(tokens), [np.setdiff1d(moving, moving[each]) if keeping else moving[each] for each in sets])
              for tokens, moving, sets in zip(scene.tokens, scene.moving, chosen)]
    return np.array([mean(scene.ends[1][row] - found) if len(found) else float(keeping)
                     for row, found in enumerate(scores(scene, shares))])


def _rationales(said: np.ndarray) -> List[np.ndarray]:
    """Places of the strongest 10 %, 20 %, … of the numbers, those above 0, each set once."""
    found: List[np.ndarray] = []
    order = np.argsort(said)[::-1]
    for count in (SHARES * len(said)).astype(int):
        own = order[:count][said[order[:count]] > 0]
        if len(own) and (not found or len(own) > len(found[-1])):
            found.append(own)
    return found
