"""Methods that only ask for scores: tokens are replaced by the baseline, alone or in coalitions."""

import math
from typing import Any, Dict, List, NamedTuple, Tuple

import numpy as np

from tf1_ig.engine.at import At
from tf1_ig.ensemble import Found
from tf1_ig.integrate import Integral
from tf1_ig.methods.paths import whole

# Tokens up to which all coalitions are run: 4096 of them.
EXACT_TOKENS = 12
# Points that are laid out at once.
TOGETHER = 512


def occlusion(at: At, baseline: Any = "zero") -> Found:
    """How much the score falls when one token is replaced by the baseline (Zeiler, Fergus: Visualizing and
    Understanding Convolutional Networks, ECCV 2014). Tokens that stand in for each other all get little, so the sum
    claims nothing. A token's number is spread evenly over its row.
    """
    tokens = at.tokens
    most = int(tokens.max(initial=0))
    shares = [1 - np.eye(most)[:, :count] for count in tokens]
    scores, full = _scores(at, shares, baseline), at.score
    numbers = [full[row] - scores[:count, row] for row, count in enumerate(tokens)]
    return answer(at, numbers, baseline, tokens)


def shapley(at: At, baseline: Any = "zero", samples: int = 200, seed: int = 0) -> Found:
    """Shapley values of the tokens in the game whose coalitions keep their tokens while the others are the baseline's
    (Shapley, 1953; Štrumbelj, Kononenko: Explaining prediction models and individual predictions with feature
    contributions, KAIS 2014). Up to 12 tokens all coalitions are run; for longer rows ``samples`` orders are drawn, and
    the standard errors are those of the mean. Either way the numbers sum to the score minus the baseline's score.
    """
    tokens, samples = at.tokens, whole(samples)
    games = [_exact(count) if count <= EXACT_TOKENS else _drawn(count, samples, seed) for count in tokens]
    most = max(len(game.coalitions) for game in games)
    shares = [np.concatenate([game.coalitions, np.ones((most - len(game.coalitions), count))])
              for game, count in zip(games, tokens)]
    scores = _scores(at, shares, baseline)
    found = [_means(game, scores[:len(game.coalitions), row]) for row, game in enumerate(games)]
    errors = None if all(count <= EXACT_TOKENS for count in tokens) else [error for _, error in found]
    return answer(at, [number for number, _ in found], baseline, [len(game.coalitions) for game in games], errors)


class _Game(NamedTuple):
    """Coalitions of a row, and what each token's value is made of.

    ``gains`` are ``(with, without, weight)`` of every token: places of coalitions, ``[tokens, terms]`` each; ``drawn``:
    terms are draws of equal weight.
    """

    coalitions: np.ndarray   # [coalitions, tokens] of 0 and 1
    gains: Tuple[np.ndarray, np.ndarray, np.ndarray]
    drawn: bool


def _exact(count: int) -> _Game:
    """All coalitions, by the bits of their place."""
    places = np.arange(1 << count)
    coalitions = (places[:, None] >> np.arange(count)) & 1
    size = coalitions.sum(1)
    having, lacking, weight = [], [], []
    for token in range(count):
        without = places[coalitions[:, token] == 0]
        having.append(without | (1 << token))
        lacking.append(without)
        weight.append([1.0 / (count * math.factorial(count - 1) // (
            math.factorial(others) * math.factorial(count - 1 - others))) for others in size[without]])
    shape = (count, (1 << count) // 2)
    return _Game(coalitions.astype(np.float64), (np.array(having, int).reshape(shape), np.array(lacking, int).reshape(
        shape), np.array(weight, np.float64).reshape(shape)), False)


def _drawn(count: int, samples: int, seed: int) -> _Game:
    """Tokens joining one by one, in orders that are drawn at random: the empty and the full coalition are run once."""
    random = np.random.RandomState(seed)
    coalitions: List[np.ndarray] = [np.zeros((1, count)), np.ones((1, count))]
    having, lacking = np.zeros((2, count, samples), int)
    for draw in range(samples):
        order = random.permutation(count)
        joined = np.tril(np.ones((count, count)))[:count - 1]     # after 1, 2, … tokens
        rows = np.zeros((count - 1, count))
        rows[:, order] = joined
        first = 2 + draw * (count - 1)
        coalitions.append(rows)
        after = np.append(first + np.arange(count - 1), 1)
        having[order, draw] = after
        lacking[order, draw] = np.concatenate([[0], after[:-1]])
    return _Game(np.concatenate(coalitions), (having, lacking, np.full((count, samples), 1.0 / samples)), True)


def _means(game: _Game, scores: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    having, lacking, weight = game.gains
    gains = scores[having] - scores[lacking]
    draws = gains.shape[1]
    errors = gains.std(axis=1, ddof=1) / math.sqrt(draws) if game.drawn and draws > 1 else np.zeros(len(gains))
    return (gains * weight).sum(axis=1), errors


def _scores(at: At, shares: List[np.ndarray], baseline: Any) -> np.ndarray:
    """Scores ``[points, rows]`` of many mixtures, laid out a few at a time."""
    points = len(shares[0])
    found = [at.scores(at.mixed([each[start:start + TOGETHER] for each in shares], baseline))
             for start in range(0, points, TOGETHER)]
    return np.concatenate(found) if found else np.zeros((0, len(at)))


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
    def summed(error):
        return error if np.ndim(error) < 2 else np.sum(error, axis=-1)

    return {name: [summed(row) for row in error] if isinstance(error, list) else
            np.zeros(len(error)) if np.ndim(error) == 2 else summed(error) for name, error in spread.items()}
