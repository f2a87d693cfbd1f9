"""Is this explanation worth believing? A table of measures, each with its number, its control and its verdict.

``tf1_ig.check`` says whether an integral is right; this says whether what it shows is true of the model, by running the
model. A measure is a function of a ``Scene`` and a line in ``MEASURES``.
"""

from typing import Any, Callable, Dict, List, Mapping, Sequence, Union

import numpy as np

from graph_tools.report import Report
from tf1_ig.errors import MethodError
from tf1_ig.evaluate.model import other_label, shapley, weights_randomised
from tf1_ig.evaluate.noise import infidelity, max_sensitivity, stability
from tf1_ig.evaluate.record import Measured, Scene
from tf1_ig.evaluate.removal import completeness, deletion, flip_set, insertion, leave_one_out

MEASURES: Dict[str, Callable[[Scene], Measured]] = {
    "completeness": completeness,
    "leave one out": leave_one_out,
    "deletion": deletion,
    "insertion": insertion,
    "shapley": shapley,
    "weights randomised": weights_randomised,
    "stability": stability,
    "other label": other_label,
    "flip set": flip_set,
    "infidelity": infidelity,
    "max sensitivity": max_sensitivity,
}


def evaluate(explainer: Any, feed: Mapping[Any, Any], label: Any = None, measures: Union[str, Sequence[str]] = "all",
             seed: int = 0, attribution: Any = None, baseline: Any = "zero", **asked: Any) -> Report:
    """Judges what ``explainer.explain(feed, label)`` says, or an attribution that is given.

    Removing a token means its baseline's row in its place, everything else as it was fed.

    Args:
      explainer: an open ``IntegratedGradients``.
      feed, label, baseline: as for ``explain``.
      measures: ``"all"``, or names in ``tf1_ig.evaluate.MEASURES``.
      seed: of everything that is drawn; each measure draws its own numbers.
      attribution: the ``Attribution`` to judge; ``None``: what ``explainer.explain`` gives.
      asked: ``shared_feeds``, ``row_feeds``, ``batch_size``, ``memory_limit``, as for ``explain``.

    Returns:
      A ``Report`` of ``Measured``: findings with ``control``, ``evaluations`` and, of ``"flip set"``, ``positions``.

    Raises:
      MethodError: an unknown measure, or an attribution that is not one of this explainer's inputs; and what
        ``explain`` raises.

    Example:
      >>> report = tf1_ig.evaluate(explainer, {"ids:0": ids}, label="top")                  # doctest: +SKIP
      >>> print(report), report["deletion"].control, report["flip set"].positions           # doctest: +SKIP
    """
    chosen = list(MEASURES) if measures == "all" else [measures] if isinstance(measures, str) else list(measures)
    unknown = [name for name in chosen if name not in MEASURES]
    if unknown:
        raise MethodError("there is no measure %r; there are %s" % (unknown[0], ", ".join(MEASURES)))
    at = explainer.at(feed, label, **asked)
    if attribution is None:
        attribution = explainer.explain(feed, label, baseline=baseline, **asked)
    lacking = [name for name in at.inputs if name not in attribution.values]
    if lacking:
        raise MethodError("the attribution has no values of input %s; it has %s" % (
            lacking[0], ", ".join(attribution.values)))
    scene = _scene(explainer, feed, label, baseline, asked, attribution, at, seed)
    return Report(tuple(MEASURES[name](scene) for name in chosen))


def _scene(explainer, feed, label, baseline, asked, attribution, at, seed: int) -> Scene:
    start, entries = at.start(baseline), at.entries
    away = at.by_token({name: [np.abs(np.asarray(own, np.float64) - base) for own, base in zip(value, start[name])]
                        for name, value in entries.items()})
    ends: List[np.ndarray] = [at.scores(start), at.score]
    try:
        tokens = at.by_token(attribution.values)
    except (ValueError, IndexError) as error:
        raise MethodError("the attribution is not one of the rows of this feed (%s)" % error) from error
    if len(attribution.score) != len(at) or any(len(one) != count for one, count in zip(tokens, at.tokens)):
        raise MethodError("the attribution has %d rows, the feed has %d" % (len(attribution.score), len(at)))
    return Scene(explainer, feed, label, baseline, dict(asked), attribution, at, np.stack(ends), tokens,
                 [np.flatnonzero(each) for each in away], seed)
