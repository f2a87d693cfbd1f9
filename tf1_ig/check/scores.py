"""Checks of the scores and the sums: finite, complete, converged, of any effect, above rounding."""

import math
from typing import Any, Iterable

import numpy as np

from graph_tools.errors import some
from graph_tools.report import Finding
from tf1_ig import quadrature
from tf1_ig.result.claims import AT_START, NONE, jump, rows_not_finite

ROUGH = 0.05      # relative completeness error above which the numbers are not to be used (the published guide's 5 %)
CLOSE = 0.01      # … and below which nobody needs to think about it
_NAMED = 8        # rows that a sentence names
ROUNDING = 1e-6   # relative change of a score that float32 arithmetic makes by itself


def finite(result: Any) -> Iterable[Finding]:
    """NaN and Inf in the attributions or the scores: which rows, what is behind the first, and what was fed so."""
    rows = rows_not_finite(result)
    if not rows:
        yield Finding("finite numbers", "ok", 0)
        return
    fed = {name: [row for row in rows if odd[row]] for name, odd in (result.fed_not_finite or {}).items()}
    own = [row for row in rows if not any(row in odd for odd in fed.values())]
    first = own[0] if own else rows[0]
    whole = np.isfinite(result.score[first]) and result.completeness != NONE
    at_start = whole and not np.isfinite(result.baseline_score[first])
    where = "at the baseline" if at_start else "along the path" if whole else "at the input"
    behind = "first in %s" % result.not_finite_at if result.not_finite_at else (
        "a square root, a norm or a division at zero, or a mean of no tokens")
    advice = "No baseline mends that: feed numbers that are finite and that the model takes."
    if whole and own:
        advice = "%sPass a baseline from which it is finite, such as {\"TENSOR\": 1} for the input behind it." % (
            "" if at_start else "An open rule (gausslegendre, midpoint) never touches the ends of the path. ")
    told = "; ".join("%s is not finite as fed in %s" % (name, some(odd, _NAMED)) for name, odd in fed.items())
    all_of_them = "Rows %s are not explained%s. " % (some(rows, _NAMED), told and ": " + told)
    yield Finding("finite numbers", "fail", len(rows), "%sRow %d is not finite %s: %s. %s" % (
        all_of_them * (len(rows) > 1), first, where, behind, advice))


def completeness(result: Any) -> Iterable[Finding]:
    """The sum of the attributions against the score difference, and where a gap comes from."""
    error = _errors(result)
    known = np.isfinite(error)
    if not known.any():
        return
    row = int(np.argmax(np.where(known, error, -1)))
    worst = float(error[row])
    bound = CLOSE if result.tolerance is None else max(float(result.tolerance), 1e-9)
    far = known & ~np.asarray(result.converged, bool)  # of the others only rounding is that far off
    if worst <= bound * (1 + 1e-9) or not far.any():
        yield Finding("completeness", "ok", worst)
        return
    row = int(np.argmax(np.where(far, error, -1)))
    worst = float(error[row])
    verdict = "warn" if worst <= ROUGH else "fail"
    rise = float(difference(result)[row])
    yield Finding("completeness", verdict, worst,
                  "Row %d: the attributions sum to %.4g, the scores differ by %.4g. %s" % (
                      row, rise + float(result.delta[row]), rise, _cause(result, row)))


def side_paths(result: Any) -> Iterable[Finding]:
    """What the ids do past the embedding: the part of the gap to the baseline's own score that steps cannot close."""
    if result.baseline_feed_score is None:
        return
    start = np.asarray(result.baseline_feed_score, np.float64)
    beside = np.asarray(result.baseline_score, np.float64) - start
    whole = np.asarray(result.score, np.float64) - start
    noise = ROUNDING * np.maximum(size_of(result), np.abs(start))
    share = np.where(np.abs(beside) <= noise, 0.0, np.abs(beside) / np.maximum(np.abs(whole), noise))
    if not np.isfinite(share).any():
        return
    row = int(np.argmax(np.where(np.isfinite(share), share, -1)))
    if share[row] <= ROUGH:
        yield Finding("side path gap", "ok", float(beside[row]))
        return
    told = next((" (through %s)" % each.value for each in result.graph_findings
                 if each.name == "side paths" and isinstance(each.value, str)), "")
    yield Finding("side path gap", "warn", float(beside[row]),
                  "Row %d: from the baseline's own feed to this one the score moves by %.6g: the attributions sum to "
                  "%.6g, the quadrature misses %.2g, and %.6g is what the feed decides past the attributed tensors%s. "
                  "More steps will not close that: report it beside the attributions, or choose a baseline with the "
                  "same mask and length." % (row, whole[row], difference(result)[row] + float(result.delta[row]),
                                             0.0 - float(result.delta[row]), beside[row], told))


def convergence(result: Any) -> Iterable[Finding]:
    """Rows that did not reach the tolerance."""
    if result.tolerance is None:
        return
    # Of the others no number of points makes an end.
    missed = np.flatnonzero(~np.asarray(result.converged, bool) & result.finite).tolist()
    if not missed:
        yield Finding("convergence", "ok", 0)
        return
    told = next((_of_jump(result, row, *stretch) for row, stretch in ((row, jump(result, row)) for row in missed)
                 if stretch), "raise max_steps, or read the delta of these rows.")
    yield Finding("convergence", "warn", len(missed),
                  "%d of %d rows did not reach the tolerance %.3g within %d points; %s" % (
                      len(missed), len(result), result.tolerance, int(np.max(result.steps)), told))


def _of_jump(result: Any, row: int, low: float, high: float) -> str:
    alphas, scores = result.path[row]
    moves = float(np.diff(np.asarray(scores, np.float64)[np.searchsorted(alphas, [low, high])])[0])
    told = "row %d moves by %.4g between alpha %.7f and %.7f, where points cannot be closer; more do not help: " % (
        row, moves, low, high)
    return told + ("the model jumps where the path starts, as a norm, a logarithm or a division does at zero; choose "
                   "another baseline." if low < AT_START else "it jumps there, and what makes it jump has no gradient; "
                   "explain a smoother output, or read the delta of these rows.")


def effect(result: Any) -> Iterable[Finding]:
    """Rows where nothing is attributed: no effect, or no gradient."""
    # What is below rounding is nothing: it must not look like an attribution.
    silent, moved_by = mass(result) <= ROUNDING * size_of(result), np.abs(difference(result))
    moved = moved_by > ROUNDING * size_of(result)
    cut = np.flatnonzero(silent & moved)
    if len(cut):
        yield Finding("gradient", "fail", len(cut),
                      "Row %d: the score changes by %.4g but every gradient is zero; the change runs through ops "
                      "without a gradient (rounding, argmax, comparisons), or the class is saturated along the whole "
                      "path." % (cut[0], moved_by[cut[0]]))
    still = np.flatnonzero(silent & ~moved)
    if len(still):
        yield Finding("effect", "fail" if len(still) == len(result) else "warn", len(still),
                      "Row %d: the score is the same at the baseline and no attribution is above rounding. The input "
                      "has no effect on this output, equals the baseline, or the model normalises it away (batch "
                      "statistics of a single row, a softmax summed over its classes): explain one class of more "
                      "rows." % still[0])
    if not silent.any():
        yield Finding("effect", "ok", float(np.min(moved_by[np.isfinite(moved_by)], initial=np.inf)))


def precision(result: Any) -> Iterable[Finding]:
    """Score differences that drown in float32 rounding."""
    ratio = np.abs(difference(result)) / size_of(result)
    low = np.flatnonzero(result.finite & (ratio > 0) & (ratio < 1e-5) & (mass(result) > ROUNDING * size_of(result)))
    if len(low):
        yield Finding("precision", "warn", float(ratio[low[0]]),
                      "Row %d: the scores agree to %.1g of their size, which is about what float32 can tell; explain "
                      "the logits, or choose another baseline." % (low[0], ratio[low[0]]))


def cancellation(result: Any) -> Iterable[Finding]:
    """Attributions of opposite sign that cancel to what float32 can hardly tell from nothing."""
    moved_by = np.abs(difference(result))
    ratio = mass(result) / moved_by
    high = np.flatnonzero(result.finite & (moved_by > 0) & (ratio > 1e-2 / ROUNDING))
    if len(high):
        yield Finding("cancellation", "warn", float(ratio[high[0]]),
                      "Row %d: attributions for and against are %.0f times larger than the difference they explain, "
                      "which rounding blurs by a per cent; choose another baseline." % (high[0], ratio[high[0]]))


def rows_independent(result: Any) -> Iterable[Finding]:
    """Whether points could share a batch."""
    if result.running == "packed":
        if not result.coupled:
            yield Finding("row independence", "ok", "packed")
            return
        yield Finding("row independence", "fail", "packed",
                      "The graph pads texts to the longest of the feed, and reads the padding: alone, or beside other "
                      "texts, a row has another score and another explanation. Explain rows one at a time.")
        return
    if result.coupled is None and result.running == "in company":
        yield Finding("row independence", "warn", result.running,
                      "Each row was explained in the company of this feed's rows, and whether they influence each "
                      "other is not known (something is random, or the result is of an older release).")
        return
    if result.coupled and result.running == "in company":
        yield Finding("row independence", "fail", result.running,
                      "Rows of a batch influence each other (batch norm in training mode, a softmax or a mean over the "
                      "batch); each was explained in the company of this feed's rows, and in another company it is "
                      "another explanation: export the graph in inference mode.")
        return
    reasons = {"in company": "the graph takes rows in this number alone, or as wide as these; points were run one at a "
                             "time",
               "fixed batch": "the graph has a fixed batch size; points were run in batches of that size",
               "one at a time": "points were run one at a time, which is right but slow"}
    yield Finding("row independence", "ok", result.running,
                  _sentence(reasons.get(result.running, "points were run: " + result.running)))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."


def difference(result: Any) -> np.ndarray:
    return np.asarray(result.score, np.float64) - np.asarray(result.baseline_score, np.float64)


def size_of(result: Any) -> np.ndarray:
    """The larger magnitude of the two scores of each row."""
    return np.maximum(np.abs(np.asarray(result.score, np.float64)), np.abs(result.baseline_score))


def mass(result: Any) -> np.ndarray:
    """Σ |values| per row."""
    found = np.zeros(len(result))
    for value in result.values.values():
        found += [np.abs(row).sum(dtype=np.float64) for row in value] if isinstance(value, list) else np.abs(
            value).reshape(len(found), -1).sum(axis=1, dtype=np.float64)
    return found


def _errors(result: Any) -> np.ndarray:
    """|delta| over the score difference; over Σ |values| where the difference is rounding."""
    size, total = np.abs(difference(result)), mass(result)
    scale = np.where(size > 1e-6 * np.where(np.isfinite(total), total, 0), size, total)
    delta = np.abs(np.asarray(result.delta, np.float64))
    return np.where(delta == 0, 0.0, delta / scale)


def _cause(result: Any, row: int) -> str:
    """Why the sum is off, as far as the result tells."""
    if result.method in quadrature.GRIDS:
        return ("%s reproduces the numbers of another library and its error; the rules, or steps=None, do not have it."
                % result.method)
    rise, delta = difference(result)[row], float(result.delta[row])
    times = (rise + delta) / rise if rise else 0.0
    if round(times) >= 2 and abs(times - round(times)) < 0.02:
        return "That is %d times as much: is one input listed twice?" % round(times)
    stops = next((each for each in result.graph_findings if each.name == "differentiable" and each.advice), None)
    if stops is not None:
        return "A part of the score is without a gradient, and no number of steps finds it: " + stops.advice
    if result.error_estimate is not None:
        estimate = float(np.asarray(result.error_estimate)[row])
        if math.isfinite(estimate) and abs(delta) > 3 * estimate:
            return ("More steps will not help: the integral itself is known to %.2g. The rest, %.4g, is a part of the "
                    "score without a gradient, or a jump along the path." % (estimate, abs(delta) - estimate))
    if result.path is not None:
        alphas, scores = result.path[row]
        moves = np.abs(np.diff(np.asarray(scores, np.float64)))
        if len(moves) > 7 and moves.max() > 0.5 * moves.sum() > 0:
            at = int(np.argmax(moves))
            return ("Half of the change lies between alpha %.3g and %.3g: the score jumps there; more steps or a "
                    "tolerance spend points where they are needed." % (alphas[at], alphas[at + 1]))
    return "Use more steps, or steps=None with a tolerance."
