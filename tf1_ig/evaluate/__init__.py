"""Is this explanation worth believing? A table of measures, each with its number, its control and its verdict.

``tf1_ig.check`` says whether an integral is right; this says whether what it shows is true of the model, by running the
model. A measure is a function of a ``Scene`` and a line in ``MEASURES``.
"""

import dataclasses
from typing import Any, Callable, Dict, List, Mapping, Sequence, Union

import numpy as np

from graph_tools.report import Report
from tf1_ig import methods
from tf1_ig.errors import MethodError
from tf1_ig.evaluate import cutting
from tf1_ig.evaluate.definition import definition
from tf1_ig.evaluate.model import other_label, shapley, weights_randomised
from tf1_ig.evaluate.neighbours import neighbours
from tf1_ig.evaluate.noise import infidelity, max_sensitivity, stability
from tf1_ig.evaluate.record import Scene, bootstrap
from tf1_ig.evaluate.removal import completeness, deletion, flip_set, insertion, leave_one_out, signs, subsets

MEASURES: Dict[str, Callable[[Scene], Measured]] = {
    "completeness": completeness,
    "definition": definition,
    "leave one out": leave_one_out,
    "signs": signs,
    "subsets": subsets,
    "deletion": deletion,
    "insertion": insertion,
    "shapley": shapley,
    "weights randomised": weights_randomised,
    "stability": stability,
    "neighbours": neighbours,
    "other label": other_label,
    "flip set": flip_set,
    "infidelity": infidelity,
    "max sensitivity": max_sensitivity,
}


BASELINE = "baseline"
WORST = ("completeness", "definition")   # of which the worst row counts, not the mean


def evaluate(explainer: Any, feed: Mapping[Any, Any], label: Any = None, measures: Union[str, Sequence[str]] = "all",
             seed: int = 0, attribution: Any = None, baseline: Any = "zero", removal: Any = BASELINE,
             explain: Any = None, **asked: Any) -> Report:
    """Judges what ``explainer.explain(feed, label)`` says, another method, or an attribution that is given.

    Args:
      explainer: an open ``IntegratedGradients``.
      feed, label, baseline: as for ``explain``.
      measures: ``"all"``, or names in ``tf1_ig.evaluate.MEASURES``.
      seed: of everything that is drawn; each measure draws its own numbers.
      attribution: the ``Attribution`` to judge; ``None``: what ``explain`` gives.
      removal: what a removed token becomes: ``"baseline"``, its own row of the baseline; anything that ``baseline``
        takes, such as ``{"ids:0": 0}``, the row of a padding id; ``"cut"``, nothing: the tokens behind it move up, and
        the length that is fed falls.
      explain: the method that is judged, for the measures that ask it again: ``None``, Integrated Gradients; a name in
        ``tf1_ig.methods.METHODS``; or a function of an explainer, a feed and a label that gives an ``Attribution``.
      asked: ``shared_feeds``, ``row_feeds``, ``batch_size``, ``memory_limit``, as for ``explain``.

    Returns:
      A ``Report`` of ``Measured``: findings with ``control``, ``interval``, ``evaluations`` and, of ``"flip set"``,
      ``positions``.

    Raises:
      MethodError: an unknown measure, tokens that cannot be cut out, or an attribution that is not one of this
        explainer's inputs; and what ``explain`` raises.

    Example:
      >>> report = tf1_ig.evaluate(explainer, {"ids:0": ids}, label="top")                  # doctest: +SKIP
      >>> print(report), report["deletion"].control, report["flip set"].positions           # doctest: +SKIP
    """
    chosen = list(MEASURES) if measures == "all" else [measures] if isinstance(measures, str) else list(measures)
    unknown = [name for name in chosen if name not in MEASURES]
    if unknown:
        raise MethodError("there is no measure %r; there are %s" % (unknown[0], ", ".join(MEASURES)))
    at = explainer.at(feed, label, **asked)
    again = _asked_again(explain, baseline, asked)
    if attribution is None:
        attribution = again(explainer, feed, label)
    lacking = [name for name in at.inputs if name not in attribution.values]
    if lacking:
        raise MethodError("the attribution has no values of input %s; it has %s" % (
            lacking[0], ", ".join(attribution.values)))
    removal = baseline if isinstance(removal, str) and removal == BASELINE else removal
    scene = _scene(Scene(explainer, feed, label, baseline, dict(asked), attribution, at, np.zeros(0), [], [], seed,
                         removal, again))
    return Report(tuple(_with_interval(MEASURES[name](scene), scene) for name in chosen))


def _asked_again(explain: Any, baseline: Any, asked: Mapping[str, Any]) -> Callable[[Any, Any, Any], Any]:
    """A function of explainer, feed and label, by the method that is judged."""
    if callable(explain):
        return explain
    if explain is None:
        return lambda explainer, feed, label: explainer.explain(feed, label, baseline=baseline, **asked)
    takes = methods.options_of(methods.choose(explain, {}, None))
    own = dict(asked, baseline=baseline) if "baseline" in takes else dict(asked)
    return lambda explainer, feed, label: explainer.explain_variant(explain, feed, label, **own)


def _with_interval(found: Measured, scene: Scene) -> Measured:
    if found.verdict == "warn" and found.rows is not None and not np.isfinite(found.rows).any():
        found = dataclasses.replace(found, advice="cannot be told of these rows: too few tokens, or nothing moves")
    if found.rows is None or found.name in WORST:
        return found
    return dataclasses.replace(found, interval=bootstrap(found.rows, scene.random(found.name + " again")))


def _scene(scene: Scene) -> Scene:
    """The scene with its ends, its tokens, and which of them removal moves."""
    at, entries = scene.at, scene.at.entries
    start, gone = at.start(scene.baseline), scene.removal
    if isinstance(gone, str) and gone == cutting.CUT:
        moving = cutting.places(scene)
    else:
        to = start if gone is scene.baseline else at.start(gone)
        away = at.by_token({name: [np.abs(np.asarray(own, np.float64) - base) for own, base in zip(value, to[name])]
                            for name, value in entries.items()})
        moving = [np.flatnonzero(each) for each in away]
    ends: List[np.ndarray] = [at.scores(start), at.score]
    try:
        tokens = at.by_token(scene.attribution.values)
    except (ValueError, IndexError) as error:
        raise MethodError("the attribution is not one of the rows of this feed (%s)" % error) from error
    if len(scene.attribution.score) != len(at) or any(len(one) != count for one, count in zip(tokens, at.tokens)):
        raise MethodError("the attribution has %d rows, the feed has %d" % (len(scene.attribution.score), len(at)))
    return scene._replace(ends=np.stack(ends), tokens=tokens, moving=moving)
