"""Methods that only ask for scores: tokens are replaced by the baseline, alone or in coalitions."""

import math
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from tf1_ig.engine.at import FLOATS_AT_ONCE, At
from tf1_ig.ensemble import Found
from tf1_ig.integrate import Integral
from tf1_ig.methods.paths import whole

# Tokens up to which all coalitions are run: 4096 of them.
EXACT_TOKENS = 12
# Orders drawn of longer rows.
ORDERS = 200
# Points that are laid out at once.
TOGETHER = 512


def occlusion(at: At, baseline: Any = "zero") -> Found:
    """How much the score falls when one token is replaced by the baseline (Zeiler, Fergus: Visualizing and
    Understanding Convolutional Networks, ECCV 2014). Tokens that stand in for each other all get little, so the sum
    claims nothing. A token's number is spread evenly over its row.
    """
    tokens = at.tokens
    scores, full = _scores(at, [_without_one(count) for count in tokens], baseline), at.score
    numbers = [full[row] - scores[:count, row] for row, count in enumerate(tokens)]
    return answer(at, numbers, baseline, tokens)


def shapley(at: At, baseline: Any = "zero", samples: Optional[int] = None, seed: int = 0) -> Found:
    """Shapley values of the tokens in the game whose coalitions keep their tokens while the others are the baseline's
    (Shapley, 1953; Štrumbelj, Kononenko: Explaining prediction models and individual predictions with feature
    contributions, KAIS 2014). Up to 12 tokens all coalitions are run; for longer rows, and where ``samples`` is given,
    that many orders (200) are drawn, and the standard errors are those of the mean. Either way the numbers sum to the
    score minus the baseline's score.
    """
    tokens, draws = at.tokens, ORDERS if samples is None else whole(samples)
    most = EXACT_TOKENS if samples is None else 1
    games = [_exact(count) if count <= most else _drawn(count, draws, seed) for count in tokens]
    scores = _scores(at, games, baseline)
    found = [_means(game, scores[:game.points, row]) for row, game in enumerate(games)]
    errors = None if all(count <= most for count in tokens) else [error for _, error in found]
    return answer(at, [number for number, _ in found], baseline, [game.points for game in games], errors)


class _Game(NamedTuple):
    """The coalitions of a row, made when they are run, and what each token's value is made of.

    ``made(places)`` are coalitions by their number, ``[places, tokens]`` of 0 and 1. ``gains`` are ``(with, without,
    weight)`` of every token: numbers of coalitions, ``[tokens, terms]`` each; ``drawn``: terms are equal draws.
    """

    points: int
    made: Callable[[np.ndarray], np.ndarray]
    gains: Tuple[np.ndarray, np.ndarray, np.ndarray]
    drawn: bool = False


NO_GAINS = (np.zeros((0, 0), int), np.zeros((0, 0), int), np.zeros((0, 0)))


def _without_one(count: int) -> _Game:
    """Each token left out in turn."""
    return _Game(count, lambda places: 1.0 * (places[:, None] != np.arange(count)), NO_GAINS)


def _exact(count: int) -> _Game:
    """All coalitions, by the bits of their number."""
    def made(places: np.ndarray) -> np.ndarray:
        return ((places[:, None] >> np.arange(count)) & 1).astype(np.float64)

    numbers = np.arange(1 << count)
    size = made(numbers).sum(axis=1).astype(int)
    weights = np.array([math.factorial(others) * math.factorial(count - 1 - others) / math.factorial(count)
                        for others in range(count)])
    lacking = np.array([numbers[(numbers >> token) & 1 == 0] for token in range(count)], int).reshape(
        count, (1 << count) // 2)
    having = lacking | (1 << np.arange(count))[:, None]
    return _Game(1 << count, made, (having, lacking, weights[size[lacking]] if count else np.zeros((0, 0))))


def _drawn(count: int, samples: int, seed: int) -> _Game:
    """Tokens joining one by one, in orders drawn at random. Numbers 0 and 1 are the empty and the full coalition."""
    random = np.random.RandomState(seed)
    orders = np.array([random.permutation(count) for _ in range(samples)])
    rank = np.argsort(orders, axis=1)   # when each token joins

    def made(places: np.ndarray) -> np.ndarray:
        draw, joined = np.divmod(places - 2, count - 1)
        rows = 1.0 * (rank[draw] <= joined[:, None])
        rows[places < 2] = places[places < 2][:, None]
        return rows

    after = np.concatenate([2 + np.arange(samples)[:, None] * (count - 1) + np.arange(count - 1), np.ones(
        (samples, 1), int)], axis=1)
    before = np.concatenate([np.zeros((samples, 1), int), after[:, :-1]], axis=1)
    having, lacking = (np.take_along_axis(each, rank, axis=1).T for each in (after, before))
    return _Game(2 + samples * (count - 1), made, (having, lacking, np.full((count, samples), 1.0 / samples)), True)


def _means(game: _Game, scores: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    having, lacking, weight = game.gains
    gains = scores[having] - scores[lacking]
    draws = gains.shape[1]
    errors = gains.std(axis=1, ddof=1) / math.sqrt(draws) if game.drawn and draws > 1 else np.zeros(len(gains))
    return (gains * weight).sum(axis=1), errors


def _scores(at: At, games: List[_Game], baseline: Any) -> np.ndarray:
    """Scores ``[points, rows]`` of the rows' coalitions, laid out a few at a time; a row without more stays as fed."""
    points, found = max(game.points for game in games), [np.zeros((0, len(at)))]
    floats = sum(len(vector) for vector in at.vectors(at.entries))
    together = max(1, min(TOGETHER, FLOATS_AT_ONCE // max(1, floats)))
    for start in range(0, points, together):
        places, shares = np.arange(start, min(points, start + together)), []
        for game, count in zip(games, at.tokens):
            shares.append(np.ones((len(places), count)))
            own = places < game.points
            shares[-1][own] = game.made(places[own])
        found.append(at.scores(at.mixed(shares, baseline)))
    return np.concatenate(found)


def answer(at: At, numbers: List[np.ndarray], baseline: Any, points: Any, errors: Any = None) -> Found:
    """One number a token as what a method gives.

    Args:
      at: what was asked.
      numbers: for every row ``[tokens]``; spread evenly over each token's row.
      baseline: what stands for nothing there.
      points: how many points were run of each row.
      errors: standard errors ``[tokens]`` of each row's numbers.
    """
    outputs, points = at.outputs(at.start(baseline)), np.asarray(points, int)
    outputs = outputs.reshape(len(at), -1)
    integral = Integral([], at.score, at.scores_of(outputs), points, points, None, None)
    values = at.spread(numbers)
    if errors is None:
        return Found(1, integral, values, outputs)
    spread = at.spread(errors)
    return Found(1, integral, values, outputs, spread, _of_tokens(spread, values))


def _of_tokens(spread: Dict[str, Any], values: Dict[str, Any]) -> Dict[str, Any]:
    """Errors of the tokens themselves: numbers of one token are one draw, so their errors add; features' are apart."""
    def summed(error: np.ndarray) -> np.ndarray:
        return error if np.ndim(error) < 2 else np.sum(error, axis=-1)

    return {name: [summed(row) for row in error] if isinstance(error, list) else
            np.zeros(len(error)) if np.ndim(error) == 2 else summed(error) for name, error in spread.items()}
