"""Measures that ask another theory, or another question."""

import numpy as np

from tf1_ig.evaluate.bounds import judge
from tf1_ig.evaluate.record import Scene, mean, pearson
from tf1_ig.result.measured import Measured


def shapley(scene: Scene) -> Measured:
    """Correlation with Shapley values (exact up to 12 tokens, sampled beyond); control: their standard error."""
    found = scene.explainer.explain_variant("shapley", scene.feed, scene.label, baseline=scene.baseline, **scene.asked)
    theirs = scene.at.by_token(found.values)
    rows = np.array([pearson(own[moving], other[moving]) if len(moving) > 1 else np.nan
                     for own, other, moving in zip(scene.tokens, theirs, scene.moving)])
    value = mean(rows)
    told = judge("shapley", value, len(rows))
    error = found.token_standard_error
    control = 0.0 if error is None else mean(np.concatenate(
        [np.ravel(part) for each in error.values() for part in (each if isinstance(each, list) else [each])]))
    return Measured("shapley", told, value, "" if told == "ok" else "Shapley values of the same tokens say "
                    "otherwise; on a steep model single removals and paths tell different stories", control=control,
                    rows=rows)


def other_label(scene: Scene) -> Measured:
    """How alike the explanation of the runner-up class is: the cosine of the two, 1 when they are the same."""
    if scene.at.weights is not None:
        return Measured("other label", "ok", None, "a weighted sum of outputs was explained, which has no runner-up")
    outputs = scene.at.outputs(scene.at.entries)
    if outputs.ndim != 2 or outputs.shape[1] < 2:
        return Measured("other label", "ok", None, "the output has no other class to explain")
    own = np.asarray(scene.at.label)
    order = np.argsort(-outputs, axis=1)
    other = np.where(order[:, 0] == own, order[:, 1], order[:, 0])
    found = scene.explain(scene.explainer, scene.feed, [int(label) for label in other])
    rows = np.array([_cosine(one, two) for one, two in zip(scene.tokens, scene.at.by_token(found.values))])
    value = mean(rows)
    told = judge("other label", value, len(rows))
    return Measured("other label", told, value, "" if told == "ok" else "another class is explained alike: the map "
                    "tells what stands out in the input, not what speaks for this class", rows=rows)


# -- how ---------------------------------------------------------------------------------------------------------------

def _cosine(one: np.ndarray, two: np.ndarray) -> float:
    norm = np.sqrt((one ** 2).sum() * (two ** 2).sum())
    return float((one * two).sum() / norm) if norm > 0 else float("nan")
