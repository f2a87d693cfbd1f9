"""What stands beside a picture: scores, verdict, names of classes and of tokens."""

import math
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from tf1_ig.check import ROUGH
from tf1_ig.errors import ShowError
from tf1_ig.result.claims import IN_EXPECTATION, NONE
from tf1_ig.show import render, tokens as token_view


class Fact(NamedTuple):
    """A number with its name; ``text`` is how it is shown."""

    name: str
    text: str
    value: Optional[float] = None


def facts(attribution: Any, row: int) -> Tuple[Fact, ...]:
    """The numbers of one example that belong beside its picture."""
    points = Fact("Points", str(int(attribution.evaluations[row])), float(attribution.evaluations[row]))
    if attribution.completeness == NONE:
        score = float(attribution.score[row])
        return (Fact("Score", render.plain(score), score), points)
    score, baseline = float(attribution.score[row]), float(attribution.baseline_score[row])
    delta = float(attribution.delta[row])
    return (Fact("Score", render.plain(score), score),
            Fact("Baseline score", render.plain(baseline), baseline),
            Fact("Difference", token_view.number(score - baseline), score - baseline),
            Fact("Sum of attributions", token_view.number(score - baseline + delta), score - baseline + delta),
            Fact("Delta", token_view.number(delta), delta),
            points if attribution.completeness == IN_EXPECTATION else Fact(
                "Steps", str(int(attribution.steps[row])), float(attribution.steps[row])))


def verdict(attribution: Any, row: int) -> Tuple[str, str]:
    """``"ok"``, ``"warn"`` or ``"fail"`` and a few words: how complete one example's attributions are.

    The verdict is ``""`` where the sum claims nothing, or only on the average over random draws.
    """
    if attribution.completeness == NONE:
        return "", "no claim about the sum"
    relative = float(attribution.relative_delta[row])
    if not math.isfinite(float(attribution.delta[row])):
        return "fail", "not a number"
    percent = 100 * relative
    share = ("%.2g" % abs(attribution.delta[row]) if not math.isfinite(relative) else
             "under 0.01 %" if percent < 0.01 else "%.2g %%" % percent)
    if attribution.completeness == IN_EXPECTATION:
        return "", "drawn at random, sum off by %s" % share
    if attribution.converged[row]:
        return "ok", "complete, off by %s" % share
    return ("warn" if relative <= ROUGH else "fail"), "sum is off by %s" % share


def class_text(label: str) -> str:
    """A bare class number says that it is one."""
    return "class " + label if label.lstrip("-").isdigit() else label


def texts_by_input(attribution: Any, tokens: Any) -> Dict[str, List[Any]]:
    """The texts of every row, by input: those that were given for all inputs, else what the result knows."""
    if tokens is None:
        return {name: [attribution.texts(name, row) for row in range(len(attribution))] for name in attribution.values}
    tokens = list(tokens)
    if len(attribution) == 1 and tokens and not isinstance(tokens[0], (list, tuple, np.ndarray)):
        tokens = [tokens]
    if len(tokens) != len(attribution):
        raise ShowError("tokens were given for %d rows, the result has %d; give one list of tokens per row"
                        % (len(tokens), len(attribution)))
    if any(isinstance(row, (str, bytes)) for row in tokens):
        raise ShowError("tokens are a list of texts per row, not one string per row; split the strings first")
    return dict.fromkeys(attribution.values, tokens)
