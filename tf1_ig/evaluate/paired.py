"""Two reports of the same rows, measure by measure: what one explanation does better than the other, and how surely."""

import dataclasses
from typing import Any, Optional

import numpy as np

from graph_tools.report import Finding, Report
from tf1_ig.errors import MethodError
from tf1_ig.evaluate.record import bootstrap, mean

ROUNDING = 1e-6    # of a measure's size: a difference below it is none
# Measures of which less is better; of all others more is.
LESS = ("completeness", "definition", "weights randomised", "stability", "neighbours", "other label", "flip set",
        "infidelity", "max sensitivity", "sufficiency")


@dataclasses.dataclass(frozen=True)
class Paired(Finding):
    """One measure of two explanations; ``value`` is the first less the second, over the rows that both have.

    Attributes:
      one, other: the measure's value of each.
      rows: float64 ``[rows]``, the differences.
      interval: 95 % of their mean, by drawing rows again; ``None`` of fewer than two rows.
      better: 1 where the interval says that the first is better, -1 the second, 0 neither.
    """

    one: Any = None
    other: Any = None
    rows: Optional[np.ndarray] = None
    interval: Any = None
    better: int = 0


def compare_measures(one: Report, other: Report, seed: int = 0) -> Report:
    """What ``tf1_ig.evaluate`` said of two methods, baselines or models, on the same rows.

    Args:
      one, other: reports of the same feed, with the same seed.
      seed: of the rows that are drawn again.

    Returns:
      A ``Report`` of ``Paired``, of the measures that both have; ``"warn"`` where the second is surely better.

    Raises:
      MethodError: they are of different numbers of rows.

    Example:
      >>> steep = tf1_ig.evaluate(explainer, feed, "top", explain="gradient_x_input")         # doctest: +SKIP
      >>> print(tf1_ig.compare_measures(tf1_ig.evaluate(explainer, feed, "top"), steep))      # doctest: +SKIP
    """
    names = {finding.name for finding in other}
    return Report(tuple(_paired(each, other[each.name], seed) for each in one if each.name in names))


def _paired(one: Any, other: Any, seed: int) -> Paired:
    if one.rows is None or other.rows is None:
        return Paired(one.name, "ok", None, "%s and %s; there is no number for each row" % (
            one.value_text, other.value_text), one.value, other.value)
    if len(one.rows) != len(other.rows):
        raise MethodError("%r was measured on %d rows of the one and %d of the other; ask both of the same feed" % (
            one.name, len(one.rows), len(other.rows)))
    rows = np.asarray(one.rows, np.float64) - np.asarray(other.rows, np.float64)
    interval = bootstrap(rows, np.random.RandomState(seed))
    least = ROUNDING * max(np.abs(one.rows).max(), np.abs(other.rows).max()) if interval else 0.0
    sign = 0 if interval is None else int(interval[0] > least) - int(interval[1] < -least)
    better = -sign if one.name in LESS else sign
    said = {1: "the first is better", -1: "the second is better", 0: "no sure difference"}[better]
    advice = "%s and %s, %s" % (one.value_text, other.value_text, said) + (
        "" if interval is None else " (95 %% from %.3g to %.3g)" % interval)
    return Paired(one.name, "warn" if better < 0 else "ok", mean(rows), advice, one.value, other.value, rows, interval,
                  better)
