"""Can this result be believed? A table of checks, each with its number, its verdict and what to do.

A check is a function of an ``Attribution`` that returns findings; ``CHECKS`` lists them in the order they print. What
can only be told from the graph (live dropout, ops without gradient, …) comes from the explainer's own ``findings()``.
"""

import math
from typing import Any, Callable, Iterable, List, Optional, Tuple

import numpy as np

from graph_tools.report import Finding, Report
from tf1_ig import quadrature

ROUGH = 0.05       # relative completeness error above which the numbers are not to be used (the published guide's 5 %)
_CLOSE = 0.01      # … and below which nobody needs to think about it
_ROUNDING = 1e-6   # relative change of a score that float32 arithmetic makes by itself
_SURE = 0.9999     # probability from which a class is saturated in float32 training
_INFORMED = 0.5    # normalised entropy under which a baseline already says something
_LEANS = 0.2       # a binary baseline with a class this unlikely leans to the other
_PADDING = {"", "<pad>", "[pad]", "<blank>", "</s>", "<eos>", "[sep]"}
_UNKNOWN = {"<unk>", "[unk]", "unk", "<oov>", "[oov]", "oov", "<unknown>"}


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
    for subject in subjects:
        if callable(getattr(subject, "findings", None)):
            found += list(subject.findings())
        elif hasattr(subject, "values") and hasattr(subject, "delta"):
            results.append(subject)
        else:
            raise TypeError("check takes Attributions and explainers, not %s" % type(subject).__name__)
    with np.errstate(all="ignore"):  # NaN and Inf are what some of the checks look for
        for result in results:
            for each in CHECKS:
                found += each(result)
    if len(results) > 1:
        found += baselines_agree(results)
    return Report(tuple(found))


def finite(result) -> Iterable[Finding]:
    """NaN and Inf in the attributions or the scores."""
    rows = [row for row in range(len(result)) if not (np.isfinite(result.delta[row]) and all(
        np.isfinite(value[row]).all() for value in result.values.values()))]
    if not rows:
        yield Finding("finite numbers", "ok", 0)
        return
    whole = [row for row in rows if np.isfinite(result.score[row])]
    where = "at the baseline" if whole and not np.isfinite(result.baseline_score[whole[0]]) else (
        "along the path" if whole else "at the input")
    yield Finding("finite numbers", "fail", len(rows),
                  "Row %d is not finite %s: a square root, a norm or a division at zero, or a mean of no tokens. "
                  "An open rule (gausslegendre, midpoint) never touches the baseline itself; otherwise choose a "
                  "baseline that is not zero there." % (rows[0], where))


def completeness(result) -> Iterable[Finding]:
    """The sum of the attributions against the score difference, and where a gap comes from."""
    error = _errors(result)
    known = np.isfinite(error)
    if not known.any():
        return
    row = int(np.argmax(np.where(known, error, -1)))
    worst = float(error[row])
    bound = _CLOSE if result.tolerance is None else max(float(result.tolerance), 1e-9)
    if worst <= bound * (1 + 1e-9) or bool(np.all(np.asarray(result.converged, bool)[known])):
        yield Finding("completeness", "ok", worst)
        return
    verdict = "warn" if worst <= ROUGH else "fail"
    difference = float(_difference(result)[row])
    yield Finding("completeness", verdict, worst,
                  "Row %d: the attributions sum to %.4g, the scores differ by %.4g. %s" % (
                      row, difference + float(result.delta[row]), difference, _cause(result, row)))


def convergence(result) -> Iterable[Finding]:
    """Rows that did not reach the tolerance."""
    missed = int(np.sum(~np.asarray(result.converged, bool)))
    if result.tolerance is None:
        return
    if not missed:
        yield Finding("convergence", "ok", 0)
        return
    yield Finding("convergence", "warn", missed,
                  "%d of %d rows did not reach the tolerance %.3g within %d points; raise "
                  "max_steps, or read the delta of these rows." % (
                      missed, len(result), result.tolerance, int(np.max(result.steps))))


def effect(result) -> Iterable[Finding]:
    """Rows where nothing is attributed: no effect, or no gradient."""
    silent, difference = _mass(result) == 0, np.abs(_difference(result))
    moved = difference > _ROUNDING * _size(result)
    cut = np.flatnonzero(silent & moved)
    if len(cut):
        yield Finding("gradient", "fail", len(cut),
                      "Row %d: the score changes by %.4g but every gradient is zero; the change runs through ops "
                      "without a gradient (rounding, argmax, comparisons), or the class is saturated along the whole "
                      "path." % (cut[0], difference[cut[0]]))
    still = np.flatnonzero(silent & ~moved)
    if len(still):
        yield Finding("effect", "fail" if len(still) == len(result) else "warn", len(still),
                      "Row %d: the score is the same at the baseline and every attribution is zero. The input has no "
                      "effect on this output, equals the baseline, or the model normalises it away (batch statistics "
                      "of a single row)." % still[0])
    if not silent.any():
        yield Finding("effect", "ok", float(np.min(difference[np.isfinite(difference)], initial=np.inf)))


def precision(result) -> Iterable[Finding]:
    """Score differences that drown in float32 rounding."""
    ratio = np.abs(_difference(result)) / _size(result)
    low = np.flatnonzero((ratio > 0) & (ratio < 1e-5) & (_mass(result) > 0))
    if len(low):
        yield Finding("precision", "warn", float(ratio[low[0]]),
                      "Row %d: the scores agree to %.1g of their size, which is about what float32 can tell; explain "
                      "the logits, or choose another baseline." % (low[0], ratio[low[0]]))


def cancellation(result) -> Iterable[Finding]:
    """Large attributions of opposite sign that nearly cancel."""
    difference = np.abs(_difference(result))
    ratio = _mass(result) / difference
    high = np.flatnonzero((difference > 0) & (ratio > 100))
    if len(high):
        yield Finding("cancellation", "warn", float(ratio[high[0]]),
                      "Row %d: attributions for and against are %.0f times "
                      "larger than the difference they explain; small errors of each decide the picture." % (
                          high[0], ratio[high[0]]))


def rows_independent(result) -> Iterable[Finding]:
    """Whether points could share a batch."""
    if result.running == "packed":
        yield Finding("row independence", "ok", "packed")
        return
    reasons = {"in company": "rows of a batch influence each other (batch statistics, a softmax over the batch); "
                             "points were run in the company of the other rows, and explain that batch",
               "fixed batch": "the graph has a fixed batch size; points were run in batches of that size",
               "one at a time": "points were run one at a time, which is right but slow"}
    verdict = "warn" if result.running == "in company" else "ok"
    yield Finding("row independence", verdict, result.running,
                  _sentence(reasons.get(result.running, "points were run: " + result.running)))


def output_kind(result) -> Iterable[Finding]:
    """Probabilities rather than logits; one prediction per row."""
    kind = _kind(result)
    if kind is None:
        return
    if kind == "logits":
        yield Finding("output kind", "warn", "logits", "%s holds logits: a logit can rise while its class becomes less "
                      "likely. Explain the softmax or sigmoid after it, unless the logit is what you ask about." %
                      result.output)
    else:
        yield Finding("output kind", "ok", kind)


def saturation(result) -> Iterable[Finding]:
    """A probability so close to 0 or 1 that its gradient is gone."""
    if _kind(result) not in ("softmax", "sigmoid"):
        return
    score = np.asarray(result.score, np.float64)
    high = np.flatnonzero(score >= _SURE)
    if len(high):
        gap = float(1 - score[high[0]])
        yield Finding("saturation", "warn", float(score[high[0]]),
                      "Row %d: the class has probability 1 − %.1g, where the "
                      "softmax is flat; the attributions tell what got it off the baseline, hardly what would undo it. "
                      "Compare with the logits." % (high[0], gap))
    else:
        yield Finding("saturation", "ok", float(np.max(score, initial=0.0)))


def baseline_informed(result) -> Iterable[Finding]:
    """What the model says at the baseline: it should say nothing."""
    kind = _kind(result)
    rows = _probabilities(result, result.baseline_output) if kind in ("softmax", "sigmoid") else None
    if rows is None or not rows.size:
        return
    bits = -np.sum(np.where(rows > 0, rows * np.log(rows), 0.0), axis=-1) / math.log(rows.shape[-1])
    row = int(np.argmin(bits))
    top = int(np.argmax(rows[row]))
    sure, lean = float(rows[row][top]), float(np.min(rows[row]))
    if rows.shape[-1] == 2 and lean < _LEANS:
        yield Finding("baseline", "warn", float(bits[row]), "The %s baseline is predicted as class %d with %.2f. In a "
                      "two-class model a baseline that leans to one class explains only what moves the score away from "
                      "it: explain the other class, or try a second baseline." % (result.baseline, top, sure))
    elif bits[row] < _INFORMED:
        yield Finding("baseline", "warn", float(bits[row]), "The %s baseline is predicted as class %d with %.2f; it "
                      "should look like no information. Try padding ids, the mean, or averaged noise as the "
                      "baseline." % (result.baseline, top, sure))
    else:
        yield Finding("baseline", "ok", float(bits[row]))


def prediction(result) -> Iterable[Finding]:
    """Whether the explained label is the predicted one (both are right to ask about)."""
    if result.prediction is None or np.shape(result.prediction) != np.shape(result.label):
        return
    other = np.flatnonzero(np.any(np.atleast_2d(np.asarray(result.prediction).T != np.asarray(result.label).T), axis=0))
    if len(other):
        yield Finding("explained label", "ok", len(other),
                      "Row %d: the explained label is %s, the model predicts %s." % (
            other[0], result.label_text(other[0]), result.prediction_text(other[0])))


def tokens(result) -> Iterable[Finding]:
    """Tokens that are padding, unknown to the model, or cut off."""
    for name, value in result.tokens.items():
        texts = [result.texts(name, row) for row in range(len(result))]
        shares = [_token_shares(text, np.asarray(each, np.float64)) for text, each in zip(texts, value)
                  if text is not None]
        shares = [each for each in shares if each is not None]
        if not shares:
            continue
        padding, unknown, cut = (max(each) for each in zip(*shares))
        if padding > 0.1:
            yield Finding("padding", "warn", padding, "Up to %.0f %% of the attribution of %s is on padding: the model "
                          "reads the length, or a mask is missing." % (100 * padding, name))
        if unknown > 0.25:
            yield Finding("unknown tokens", "warn", unknown,
                          "Up to %.0f %% of the attribution of %s is on tokens that are "
                          "not in the vocabulary; the model cannot tell such words apart." % (100 * unknown, name))
        if cut > 0:
            yield Finding("cut off", "warn", cut, "%d tokens of one text are beyond the %d that the model reads." % (
                cut, max(len(each) for each in value)))


def twins(result) -> Iterable[Finding]:
    """Rows with equal outputs and equal tokens must have equal attributions, else something is random."""
    if result.outputs is None or result.token_texts is None or len(result) < 2:
        return
    first, sums = {}, list(result.tokens.values())
    for row in range(len(result)):
        key = (np.asarray(result.outputs[row]).tobytes(), tuple(map(str, result.token_texts[row])),
               tuple(np.atleast_1d(np.asarray(result.label)[row]).tolist()))
        other = first.setdefault(key, row)
        for each in sums if other != row else ():
            gap = np.abs(np.asarray(each[row], np.float64) - np.asarray(each[other], np.float64)).sum()
            size = np.abs(np.asarray(each[other], np.float64)).sum()
            if gap > 0.05 * size and gap > 1e-6:
                yield Finding("repeatability", "fail", float(gap / size) if size else math.inf,
                              "Rows %d and %d are the same and got different attributions: something in the model is "
                              "random (dropout left on?)." % (other, row))
                return


CHECKS: Tuple[Callable[[Any], Iterable[Finding]], ...] = (
    finite, completeness, convergence, effect, precision, cancellation, rows_independent, output_kind, saturation,
    baseline_informed, prediction, tokens, twins)


def baselines_agree(results: List[Any]) -> List[Finding]:
    """Cosine similarity of the attributions that different baselines gave to the same rows."""
    lowest, pair = math.inf, ("", "")
    for number, one in enumerate(results):
        for other in results[number + 1:]:
            if len(one) != len(other) or list(one.values) != list(other.values) or not np.array_equal(
                    np.asarray(one.label), np.asarray(other.label)):
                continue
            for row in range(len(one)):
                left, right = _flat(one, row), _flat(other, row)
                size = np.linalg.norm(left) * np.linalg.norm(right)
                if left.shape == right.shape and size > 0 and np.dot(left, right) / size < lowest:
                    lowest, pair = float(np.dot(left, right) / size), (one.baseline, other.baseline)
    if not math.isfinite(lowest):
        return []
    if lowest >= 0.5:
        return [Finding("baselines agree", "ok", lowest)]
    return [Finding("baselines agree", "warn", lowest,
                    "The %s and the %s baseline tell different stories (cosine %.2f): say "
                    "which one the picture is for, or average several." % (pair + (lowest,)))]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."


def _difference(result) -> np.ndarray:
    return np.asarray(result.score, np.float64) - np.asarray(result.baseline_score, np.float64)


def _size(result) -> np.ndarray:
    """The larger magnitude of the two scores of each row."""
    return np.maximum(np.abs(np.asarray(result.score, np.float64)), np.abs(result.baseline_score))


def _flat(result, row: int) -> np.ndarray:
    return np.concatenate([np.asarray(value[row], np.float64).reshape(-1) for value in result.tokens.values()])


def _mass(result) -> np.ndarray:
    """Σ |values| per row."""
    return np.array([sum(float(np.sum(np.abs(np.asarray(value[row], np.float64)))) for value in result.values.values())
                     for row in range(len(result))])


def _errors(result) -> np.ndarray:
    """|delta| over the score difference; over Σ |values| where the difference is rounding."""
    size, mass = np.abs(_difference(result)), _mass(result)
    scale = np.where(size > 1e-6 * np.where(np.isfinite(mass), mass, 0), size, mass)
    delta = np.abs(np.asarray(result.delta, np.float64))
    return np.where(delta == 0, 0.0, delta / scale)


def _cause(result, row: int) -> str:
    """Why the sum is off, as far as the result tells."""
    difference, delta = _difference(result)[row], float(result.delta[row])
    times = (difference + delta) / difference if difference else 0.0
    if round(times) >= 2 and abs(times - round(times)) < 0.02:
        return "That is %d times as much: is one input listed twice?" % round(times)
    if result.method in quadrature.GRIDS:
        return ("%s reproduces the numbers of another library and its error; the rules, or steps=None, do not have it."
                % result.method)
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


def _kind(result) -> Optional[str]:
    """Kind of the explained output: told by the graph, else by the numbers; ``None`` when neither tells."""
    if result.output_kind:
        return result.output_kind
    if result.outputs is None:
        return None
    rows = np.asarray(result.outputs, np.float64)
    if rows.ndim < 2 or rows.shape[-1] < 2 or not np.isfinite(rows).all():
        return None
    if rows.min() >= 0 and np.allclose(rows.sum(axis=-1), 1, atol=1e-3):
        return "softmax"
    return "logits" if rows.min() < 0 or rows.max() > 1 else None


def _probabilities(result, outputs) -> Optional[np.ndarray]:
    """Rows of probabilities ``[n, classes]`` of softmax or sigmoid outputs, at the explained position."""
    if outputs is None:
        return None
    rows = np.asarray(outputs, np.float64)
    label = np.asarray(result.label)
    if _kind(result) == "sigmoid":
        flat = rows.reshape(len(rows), -1)
        column = label.astype(int) if label.ndim == 1 and flat.shape[1] > 1 else np.zeros(len(rows), int)
        picked = np.clip(flat[np.arange(len(rows)), np.clip(column, 0, flat.shape[1] - 1)], 0, 1)
        return np.stack([1 - picked, picked], axis=-1)
    axes = label.shape[1] - 1 if label.ndim == 2 else 0
    if rows.ndim < axes + 2 or len(label) != len(rows):
        return None
    for axis in range(axes):
        rows = rows[np.arange(len(rows)), label[:, axis]]
    return rows if rows.ndim == 2 and rows.shape[1] > 1 and np.isfinite(rows).all() else None


def _token_shares(texts, sums) -> Optional[Tuple[float, float, int]]:
    """Shares of Σ |attribution| on padding and on unknown tokens, and how many tokens were cut off."""
    if sums.ndim != 1:
        return None
    size = np.abs(np.where(np.isfinite(sums), sums, 0))
    total = float(size.sum())
    if total == 0:
        return 0.0, 0.0, max(0, len(texts) - len(sums))
    known = [str(text).lower() for text in texts[:len(sums)]]  # not stripped: white space can be a token of its own
    padding = float(size[len(known):].sum() + sum(size[at] for at, text in enumerate(known) if text in _PADDING))
    unknown = float(sum(size[at] for at, text in enumerate(known) if text in _UNKNOWN))
    return padding / total, unknown / total, max(0, len(texts) - len(sums))
