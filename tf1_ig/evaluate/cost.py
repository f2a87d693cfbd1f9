"""What measures are going to cost, so that it can be said before it is paid."""

import time
from typing import Callable, Dict, Sequence

import numpy as np

from tf1_ig.evaluate import noise, orders, randomised, removal
from tf1_ig.evaluate.definition import PARTS
from tf1_ig.evaluate.neighbours import WORDS
from tf1_ig.evaluate.record import Scene
from tf1_ig.methods.coalitions import EXACT_TOKENS, ORDERS

LONG = 60.0      # seconds from which it is said
_BESIDE = 8      # rows that an explanation runs beside its points: ends, and what proves that rows may share runs
_POINTS = 8      # of each row that are run to see how long one takes

# Of a row: how many evaluations, by its tokens, and by those of its explanation.
EXPECTED: Dict[str, Callable[[int, float], float]] = {
    "definition": lambda tokens, own: 2 * min(tokens, removal.MOST) * sum(PARTS[:2]),
    "leave one out": lambda tokens, own: min(tokens, removal.MOST),
    "signs": lambda tokens, own: min(tokens, removal.MOST),
    "subsets": lambda tokens, own: removal.SUBSETS,
    "deletion": lambda tokens, own: (min(tokens, orders.MOST) + 1) * (orders.ORDERS + 1),
    "insertion": lambda tokens, own: (min(tokens, orders.MOST) + 1) * (orders.ORDERS + 1),
    "comprehensiveness": lambda tokens, own: min(tokens, len(orders.SHARES)) / 2 * (orders.ORDERS + 1),
    "sufficiency": lambda tokens, own: min(tokens, len(orders.SHARES)) / 2 * (orders.ORDERS + 1),
    "shapley": lambda tokens, own: 2 ** tokens if tokens <= EXACT_TOKENS else ORDERS * (tokens - 1),
    "weights randomised": lambda tokens, own: (randomised.STAGES + 1) * own,
    "stability": lambda tokens, own: (noise.DRAWS + 1) * own,
    "neighbours": lambda tokens, own: (WORDS + 1) * own,
    "other label": lambda tokens, own: own,
    "flip set": lambda tokens, own: min(tokens, orders.MOST),
    "infidelity": lambda tokens, own: noise.DRAWS,
    "max sensitivity": lambda tokens, own: (noise.DRAWS + 1) * own,
}


def expected(scene: Scene, chosen: Sequence[str]) -> Dict[str, float]:
    """About how many rows each measure is going to run, those that cost most first."""
    own = np.asarray(scene.attribution.evaluations, np.float64) + _BESIDE
    found = {name: sum(EXPECTED[name](len(tokens), cost) for tokens, cost in zip(scene.tokens, own))
             for name in chosen if name in EXPECTED}
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def in_words(scene: Scene, chosen: Sequence[str]) -> str:
    """What is said of it; ``""`` where it takes less than a minute. A few points are run to see how long one takes."""
    count, points = expected(scene, chosen), scene.at.mixed([np.ones((_POINTS, len(one))) for one in scene.tokens])
    begun = time.monotonic()
    scene.at.scores(points)
    seconds = (time.monotonic() - begun) / (_POINTS * len(scene.at)) * sum(count.values())
    if seconds < LONG:
        return ""
    return "evaluate: about %s evaluations, %s; some %.0f minutes. Choose fewer measures, or fewer rows" % (
        format(int(sum(count.values())), ","), ", ".join("%s %s" % (name, format(int(number), ",")) for name, number in
                                                         list(count.items())[:4]), max(1, seconds / 60))
