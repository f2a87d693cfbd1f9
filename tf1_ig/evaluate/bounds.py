"""What a verdict takes for enough; ``scripts/planted_faults.py choose`` chose it, on models no fault is counted on."""

import dataclasses
from typing import Dict, NamedTuple

import numpy as np

from graph_tools.report import Report


class Bound(NamedTuple):
    """``ok`` at one bound or better, ``fail`` at the other or worse, ``fail_few`` in its place below ``MANY`` rows."""

    ok: float
    fail: float
    fail_few: float


MANY = 4     # rows from which a mean says something of a method rather than of a row

BOUNDS: Dict[str, Bound] = {
    "completeness": Bound(0.02, 0.1, 0.1),
    "definition": Bound(0.07, 0.14, 0.14),
    "leave one out": Bound(0.52, 0.30, 0.26),
    "signs": Bound(0.93, 0.82, 0.63),
    "subsets": Bound(0.72, 0.59, 0.36),
    "deletion": Bound(0.95, 0.83, 0.70),
    "insertion": Bound(0.95, 0.84, 0.75),
    "shapley": Bound(0.80, 0.67, 0.53),
    "weights randomised": Bound(0.5, 0.9, 0.9),
    "stability": Bound(0.25, 1.0, 1.0),
    "other label": Bound(0.9, 0.99, 0.99),
}

OTHER_THEORIES = ("leave one out", "signs", "subsets", "deletion", "insertion", "shapley")


def in_the_light_of_the_definition(report: Report) -> Report:
    """The report, in which a map that was shown to be the integral that it claims to be fails no other theory.

    Where tokens act together, removing them and Shapley values say otherwise than the path does, and all are right.
    """
    verdicts = {one.name: one.verdict for one in report if one.value is not None}
    if any(verdicts.get(name) != "ok" for name in ("completeness", "definition")):
        return report
    return Report(tuple(dataclasses.replace(
        one, verdict="warn", advice="%s; the map is the integral that it claims to be" % one.advice)
        if one.verdict == "fail" and one.name in OTHER_THEORIES else one for one in report))


def judge(name: str, value: float, rows: int) -> str:
    """The verdict of a measure's number over so many rows.

    >>> judge("leave one out", 0.9, 8), judge("leave one out", 0.0, 8), judge("leave one out", float("nan"), 8)
    ('ok', 'fail', 'warn')
    """
    bound = BOUNDS[name]
    return verdict(value, bound.ok, bound.fail if rows >= MANY else bound.fail_few)


def verdict(value: float, ok: float, fail: float) -> str:
    """``ok`` at one bound or better, ``fail`` at the other or worse (NaN is a warning: it could not be told)."""
    if not np.isfinite(value):
        return "warn"
    if (value >= ok) if ok > fail else (value <= ok):
        return "ok"
    return "fail" if ((value <= fail) if ok > fail else (value >= fail)) else "warn"
