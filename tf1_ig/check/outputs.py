"""Checks of what is explained: the kind of output, a saturated class, a baseline that says something."""

import math
from typing import Any, Iterable, List, Optional

import numpy as np

from graph_tools.report import Finding
from tf1_ig.result.claims import NONE

_SURE = 0.9999     # probability from which a class is saturated in float32 training
_FAR = 2.0         # log odds that are a long way: from 0.5 to 0.88
_FLAT = 0.1        # of the steepest that a softmax is (a quarter of the log odds): less is flat
_INFORMED = 0.5    # normalised entropy under which a baseline already says something
_LEANS = 0.2       # a binary baseline with a class this unlikely leans to the other


def output_kind(result: Any) -> Iterable[Finding]:
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


def saturation(result: Any) -> Iterable[Finding]:
    """A probability so close to 0 or 1 that its gradient is gone, as it is or all along the path."""
    if _kind(result) not in ("softmax", "sigmoid"):
        return
    score, start = (np.asarray(one, np.float64) for one in (result.score, result.baseline_score))
    high = np.flatnonzero(score >= _SURE)
    advice = "Compare with the logits%s." % (", %s (output=\"%s\", --output %s)" % ((result.logits,) * 3) if (
        result.logits) else "")
    if len(high):
        gap = float(1 - score[high[0]])
        yield Finding("saturation", "warn", float(score[high[0]]),
                      "Row %d: the class has probability 1 − %.1g, where the "
                      "softmax is flat; the attributions tell what got it off the baseline, hardly what would undo it. "
                      "%s" % (high[0], gap, advice))
        return
    moves = np.abs(_log_odds(score) - _log_odds(start)) if result.weights is None else np.zeros(len(score))
    flat = np.flatnonzero((moves >= _FAR) & (np.abs(score - start) <= _FLAT * moves / 4))
    if len(flat):
        row = flat[0]
        yield Finding("saturation", "warn", float(score[row]),
                      "Row %d: the probability moves from %.4g to %.4g and its log odds by %.3g: the %s is flat there, "
                      "and what the attributions share out is little. %s" % (
                          row, start[row], score[row], moves[row], _kind(result), advice))
    else:
        yield Finding("saturation", "ok", float(np.max(score[np.isfinite(score)], initial=0.0)))


def _log_odds(probability: np.ndarray) -> np.ndarray:
    """``ln(p / (1 - p))``, as far as float32 can tell ``p`` from 0 and 1; 0 for what is no number."""
    inside = np.clip(np.where(np.isfinite(probability), probability, 0.5), 6e-8, 1 - 6e-8)
    return np.log(inside) - np.log1p(-inside)


def baseline_informed(result: Any) -> Iterable[Finding]:
    """What the model says at the baseline: it should say nothing."""
    kind = _kind(result)
    rows = _probabilities(result, result.baseline_output) if kind in ("softmax", "sigmoid") else None
    if rows is None or not rows.size:
        return
    if kind == "sigmoid" and np.size(result.baseline_output) > len(rows):
        yield _of_one_among_sigmoids(result, rows[:, 1])
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


def _of_one_among_sigmoids(result: Any, chances: np.ndarray) -> Finding:
    """Of classes that do not exclude each other a low chance at the baseline says nothing, a high one does."""
    row = int(np.argmax(chances))
    if chances[row] <= 1 - _LEANS:
        return Finding("baseline", "ok", float(chances[row]))
    return Finding("baseline", "warn", float(chances[row]), "Row %d: at the %s baseline class %s has %.2f already; "
                   "explained is only what moves it from there. Try padding ids, the mean, or averaged noise as the "
                   "baseline." % (row, result.baseline, result.label_text(row), chances[row]))


def prediction(result: Any) -> Iterable[Finding]:
    """Whether the explained label is the predicted one (both are right to ask about)."""
    if result.prediction is None or result.weights is not None or (
            np.shape(result.prediction) != np.shape(result.label)):
        return
    other = np.flatnonzero(result.finite & np.any(np.atleast_2d(
        np.asarray(result.prediction).T != np.asarray(result.label).T), axis=0))
    if len(other):
        yield Finding("explained label", "ok", len(other),
                      "Row %d: the explained label is %s, the model predicts %s." % (
            other[0], result.label_text(other[0]), result.prediction_text(other[0])))


def baselines_agree(results: List[Any]) -> List[Finding]:
    """Cosine similarity of the attributions that different baselines gave to the same rows."""
    lowest, pair = math.inf, ("", "")
    results = [result for result in results if result.completeness != NONE]
    for number, one in enumerate(results):
        for other in results[number + 1:]:
            if len(one) != len(other) or list(one.values) != list(other.values) or not np.array_equal(
                    np.asarray(one.main_label), np.asarray(other.main_label)) or one.weights != other.weights:
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


def _flat(result: Any, row: int) -> np.ndarray:
    return np.concatenate([np.asarray(value[row], np.float64).reshape(-1) for value in result.tokens.values()])


def _kind(result: Any) -> Optional[str]:
    """Kind of the explained output: told by the graph, else by the numbers; ``None`` when neither tells."""
    if result.output_kind:
        return result.output_kind
    if result.outputs is None:
        return None
    rows = np.asarray(result.outputs, np.float64)[result.finite]
    if rows.ndim < 2 or rows.shape[-1] < 2 or not rows.size or not np.isfinite(rows).all():
        return None
    if rows.min() >= 0 and np.allclose(rows.sum(axis=-1), 1, atol=1e-3):
        return "softmax"
    return "logits" if rows.min() < 0 or rows.max() > 1 else None


def _probabilities(result: Any, outputs: Any) -> Optional[np.ndarray]:
    """Rows of probabilities ``[n, classes]`` of softmax or sigmoid outputs, at the explained position."""
    if outputs is None:
        return None
    rows = np.asarray(outputs, np.float64)
    label = result.main_label
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
