"""Is this explanation worth believing? A table of measures, each with its number, its control and its verdict.

``tf1_ig.check`` says whether an integral is right; this says whether what it shows is true of the model, by running the
model. A measure is a function of a ``Scene`` and a line in ``MEASURES``.
"""

import dataclasses
import inspect
from typing import Any, Callable, Dict, List, Mapping, Sequence, Union

import numpy as np

from graph_tools.report import Report
from tf1_ig import answer, methods
from tf1_ig.errors import MethodError
from tf1_ig.evaluate import cost, cutting
from tf1_ig.evaluate.bounds import in_the_light_of_the_definition
from tf1_ig.evaluate.definition import definition
from tf1_ig.evaluate.neighbours import neighbours
from tf1_ig.evaluate.noise import infidelity, max_sensitivity, stability
from tf1_ig.evaluate.orders import comprehensiveness, deletion, flip_set, insertion, sufficiency
from tf1_ig.evaluate.others import other_label, shapley
from tf1_ig.evaluate.padding import padding
from tf1_ig.evaluate.randomised import weights_randomised
from tf1_ig.evaluate.record import Scene, bootstrap
from tf1_ig.evaluate.removal import completeness, leave_one_out, signs, subsets
from tf1_ig.result.measured import Measured

MEASURES: Dict[str, Callable[[Scene], Measured]] = {
    "completeness": completeness,
    "definition": definition,
    "leave one out": leave_one_out,
    "signs": signs,
    "subsets": subsets,
    "deletion": deletion,
    "insertion": insertion,
    "comprehensiveness": comprehensiveness,
    "sufficiency": sufficiency,
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
             explain: Any = None, progress: Any = False, **asked: Any) -> Report:
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
        One that also takes ``baseline`` or ``seed`` is told them. Moved rows come as a feed that holds the attributed
        tensors themselves.
      progress: show a progress bar, with the time that is left; or a function, which is given a line where it takes
        more than a minute.
      asked: ``shared_feeds``, ``row_feeds``, ``batch_size``, ``memory_limit``, as for ``explain``.

    Returns:
      A ``Report`` of ``Measured``: findings with ``control``, ``interval``, ``evaluations`` (rows that the engine ran)
      and, of ``"flip set"``, ``positions``.

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
    found = []
    with answer.progress(progress, None, len(chosen), "evaluate", "measures") as advance:
        if progress:
            advance.say(cost.in_words(scene, chosen))
        for name in chosen:
            found.append(_measured(name, scene))
            advance(found[-1].evaluations)
            advance.example_done()
    return in_the_light_of_the_definition(Report(tuple(found)))


def _asked_again(explain: Any, baseline: Any, asked: Mapping[str, Any]) -> Callable[..., Any]:
    """A function of explainer, feed and label by the method that is judged; it is told of ``own`` what it takes."""
    takes: Mapping[str, Any]
    if callable(explain):
        takes, method = inspect.signature(explain).parameters, explain
    else:
        name = explain or "integrated_gradients"
        takes = methods.options_of(methods.choose(name, {}, None))

        def method(explainer: Any, feed: Any, label: Any, **own: Any) -> Any:
            return explainer.explain_variant(name, feed, label, **dict(asked, **own))

    def again(explainer: Any, feed: Any, label: Any, **own: Any) -> Any:
        told = dict({"baseline": baseline}, **own)
        return method(explainer, feed, label, **{key: value for key, value in told.items() if key in takes})

    return again


def _measured(name: str, scene: Scene) -> Measured:
    """What a measure found, with its interval, and the rows that were run meanwhile."""
    before = scene.explainer.evaluations
    found = _with_interval(MEASURES[name](scene), scene)
    return dataclasses.replace(found, evaluations=found.evaluations + scene.explainer.evaluations - before)


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
    if cutting.is_cut(gone):
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
    scene = scene._replace(ends=np.stack(ends), tokens=tokens, moving=moving)
    fills = padding(scene)
    return scene._replace(moving=[np.setdiff1d(*each) for each in zip(moving, fills)], padding=fills)
