"""Checks of results that are means over random draws, and of those that claim no sum."""

from typing import Any, Iterable

import numpy as np

from graph_tools.report import Finding
from tf1_ig.check.scores import CLOSE, ROUGH, difference
from tf1_ig.result.claims import IN_EXPECTATION, NONE

_BEYOND_CHANCE = 5.0  # standard errors: even of a million rows only a few are further off by chance
_BLURRED = 0.2        # standard errors of the tokens together, as a share of their attributions


def drawn_completeness(result: Any) -> Iterable[Finding]:
    """Whether the sum of a mean over draws is off by more than chance, and how well it is known."""
    if result.completeness != IN_EXPECTATION or result.error_estimate is None:
        return
    delta, chance = np.abs(np.asarray(result.delta, np.float64)), np.asarray(result.error_estimate, np.float64)
    rise = np.abs(difference(result))
    away = np.where(delta <= CLOSE * rise, 0.0, delta / chance)
    if not np.isfinite(away).any():
        return
    row = int(np.nanargmax(away))
    if away[row] > _BEYOND_CHANCE:
        yield Finding("completeness", "fail", float(away[row]),
                      "Row %d: the attributions sum to %.4g, the scores differ by %.4g; that is %.0f standard errors "
                      "and no chance: a part of the score has no gradient, or jumps." % (
                          row, difference(result)[row] + float(result.delta[row]), difference(result)[row], away[row]))
        return
    known = np.where(rise > 0, chance / rise, 0.0)
    row = int(np.argmax(known))
    if known[row] <= ROUGH:
        yield Finding("completeness", "ok", float(known[row]))
    else:
        yield Finding("completeness", "warn", float(known[row]),
                      "Row %d: the sum of the attributions is known to ± %.2g of the difference of the scores only; "
                      "draw more samples." % (row, known[row]))


def standard_error(result: Any) -> Iterable[Finding]:
    """How far the mean over the paths is from what many more paths would give."""
    if result.token_standard_error is None:
        return
    shares = []
    for row in range(len(result)):
        size = sum(float(np.sum(np.abs(each[row]))) for each in result.tokens.values())
        error = sum(float(np.sum(each[row])) for each in result.token_standard_error.values())
        shares.append(error / size if size else 0.0)
    if not shares or not np.isfinite(shares).any():
        return
    row = int(np.nanargmax(shares))
    if shares[row] <= _BLURRED:
        yield Finding("standard error", "ok", shares[row])
    else:
        yield Finding("standard error", "warn", shares[row],
                      "Row %d: the standard errors of the tokens add up to %.2g of their attributions; average over "
                      "more baselines or samples before ranking tokens that are close." % (row, shares[row]))


def vanished(result: Any) -> Iterable[Finding]:
    """Gradients that are zero everywhere, where there is no score difference to tell by."""
    if result.completeness != NONE:
        return
    zero = [row for row in range(len(result)) if not any(np.any(value[row]) for value in result.values.values())]
    if zero:
        yield Finding("gradient", "fail" if len(zero) == len(result) else "warn", len(zero),
                      "Row %d: every gradient is zero: the output is flat there (a saturated class, a ReLU that is "
                      "off), or the input has no effect. Integrated Gradients look at the whole path." % zero[0])
    else:
        yield Finding("gradient", "ok", 0)
