"""Can this result be believed? A table of checks, each with its number, its verdict and what to do.

A check is a function of an ``Attribution`` that returns findings; ``CHECKS`` lists them in the order they print. What
can only be told from the graph (live dropout, ops without gradient, …) is ``tf1_ig.question.graph_facts``: an explainer
tells it by ``findings()``, a result carries it as ``graph_findings``.
"""

from typing import Any, Callable, Dict, Iterable, List, Mapping, Sequence, Tuple

import numpy as np

from graph_tools.report import Finding, Report
from tf1_ig.check.outputs import baseline_informed, baselines_agree, output_kind, prediction, saturation
from tf1_ig.check.sampling import drawn_completeness, standard_error, vanished
from tf1_ig.check.scores import (
    ROUGH,
    ROUNDING,
    cancellation,
    completeness,
    convergence,
    effect,
    finite,
    precision,
    rows_independent,
    side_paths,
)
from tf1_ig.check.texts import ids, tokens, twins
from tf1_ig.result.claims import EXACT, IN_EXPECTATION


def check(*subjects: Any) -> Report:
    """Checks results and explainers.

    Args:
      *subjects: ``Attribution``s, and objects with a ``findings()`` method such as ``tf1_ig.IntegratedGradients``.
        Several results of the same rows from different baselines are also compared with each other.

    Returns:
      A ``Report``; ``report.ok`` is false when one finding fails. Print it for a table.

    >>> print(tf1_ig.check(attribution))                                                  # doctest: +SKIP
    ok    completeness  0.0031
    warn  baseline      0.31    the baseline already predicts class 2 …
    """
    found: List[Finding] = []
    results = []
    told = [subject for subject in subjects if callable(getattr(subject, "findings", None))]
    for subject in subjects:
        if subject in told:
            found += list(subject.findings())
        elif hasattr(subject, "values") and hasattr(subject, "delta"):
            results.append(subject)
            # An explainer that is given as well says the same, as it stands now.
            found += [] if told else [each for each in subject.graph_findings if each not in found]
        else:
            raise TypeError("check takes Attributions and explainers, not %s" % type(subject).__name__)
    for result in results:
        found += _found(result, CHECKS)
    if len(results) > 1:
        found += baselines_agree(results)
    return Report(tuple(found))


def all_rows_well(result: Any) -> bool:
    """Whether every row passes the checks that a single row may fail: one look at many rows instead of one at each."""
    return all(finding.verdict == "ok" for finding in _found(result, OF_ROWS))


def _found(result: Any, checks: Iterable[Callable[[Any], Iterable[Finding]]]) -> List[Finding]:
    with np.errstate(all="ignore"):  # NaN and Inf are what some of the checks look for
        return [finding for each in checks if result.completeness in _CLAIMED.get(each, (result.completeness,))
                for finding in each(result)]


CHECKS: Tuple[Callable[[Any], Iterable[Finding]], ...] = (
    finite, completeness, drawn_completeness, side_paths, convergence, standard_error, effect, vanished, precision,
    cancellation, rows_independent, output_kind, saturation, baseline_informed, prediction, tokens, ids, twins)

OF_ROWS: Tuple[Callable[[Any], Iterable[Finding]], ...] = (finite, completeness, effect, vanished)

# Checks of what only some results claim: a sum, and a score that it starts from.
_CLAIMED: Dict[Callable[[Any], Iterable[Finding]], Tuple[str, ...]] = {
    completeness: (EXACT,), convergence: (EXACT,), side_paths: (EXACT, IN_EXPECTATION),
            effect: (EXACT, IN_EXPECTATION), precision: (EXACT, IN_EXPECTATION), cancellation: (EXACT, IN_EXPECTATION)}


def compare_baselines(explainer: Any, feed: Mapping[Any, Any], baselines: Sequence[Any] = ("zero", "mean"),
                      **arguments: Any) -> Tuple[List[Any], Report]:
    """Explains the same rows from several baselines: what each says, and whether they tell the same story.

    Args:
      explainer: a ``tf1_ig.IntegratedGradients``.
      feed: as for its ``explain``.
      baselines: as for ``explain``, one after the other.
      **arguments: the others of ``explain``, the same for all.

    Returns:
      The results, one per baseline, and a ``Report``: what each baseline alone is predicted as, and the lowest cosine
      between attributions of one row.

    >>> results, report = compare_baselines(explainer, feed, ("zero", "mean"), label="top")   # doctest: +SKIP
    """
    results = [explainer.explain(feed, baseline=baseline, **arguments) for baseline in baselines]
    found = [finding for result in results for finding in baseline_informed(result)]
    return results, Report(tuple(found + baselines_agree(results)))
