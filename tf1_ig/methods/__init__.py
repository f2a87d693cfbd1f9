"""The methods: each a function and one line in ``METHODS``. Integrated Gradients is the first.

A method either yields ``Path``s along which gradients are taken (points of different paths share runs, and the
attributions are the mean over the paths, with its standard error), or asks an ``At`` what it likes: gradients to choose
its path by, or scores only. ``IntegratedGradients.explain`` is the first line, ``explain_variant`` any.

What is drawn at random depends on the seed and the number of the draw alone, so that a row gets the same attributions
in every batch, on every machine.
"""

import dataclasses
import inspect
from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional

import numpy as np

from tf1_ig import baselines as baseline_values
from tf1_ig.ensemble import Found
from tf1_ig.errors import MethodError
from tf1_ig.methods.coalitions import occlusion, shapley
from tf1_ig.methods.paths import (
    averaged,
    expected_gradients,
    gradient,
    gradient_x_input,
    integrated_gradients,
    smoothgrad,
)
from tf1_ig.methods.regions import xrai
from tf1_ig.methods.steps import guided_ig, idgi
from tf1_ig.result.attribution import Attribution
from tf1_ig.result.claims import EXACT, IN_EXPECTATION, NONE


class Method(NamedTuple):
    """A function, what the sum of the attributions claims, and what people call it.

    ``kind``: what the function is given and gives.
    """

    function: Callable[..., Any]
    completeness: str
    title: str
    kind: str


# ``function(inputs, **options) -> Iterator[Path]``: gradients along whole paths, or at one point of each;
# ``function(at, **options) -> Found``: asks for scores and gradients itself.
ALONG_PATHS, AT_POINTS, ASKS = "along paths", "at single points", "asks"

METHODS: Dict[str, Method] = {
    "integrated_gradients": Method(integrated_gradients, EXACT, "Integrated Gradients", ALONG_PATHS),
    "averaged": Method(averaged, EXACT, "Integrated Gradients averaged over baselines", ALONG_PATHS),
    "expected_gradients": Method(expected_gradients, IN_EXPECTATION, "Expected gradients", AT_POINTS),
    "smoothgrad": Method(smoothgrad, EXACT, "SmoothGrad of Integrated Gradients", ALONG_PATHS),
    "gradient": Method(gradient, NONE, "Gradient", AT_POINTS),
    "gradient_x_input": Method(gradient_x_input, NONE, "Gradient × input", AT_POINTS),
    "occlusion": Method(occlusion, NONE, "Occlusion", ASKS),
    "shapley": Method(shapley, EXACT, "Shapley values", ASKS),
    "guided_ig": Method(guided_ig, EXACT, "Guided Integrated Gradients", ASKS),
    "idgi": Method(idgi, EXACT, "Important-direction gradient integration", ASKS),
    "xrai": Method(xrai, EXACT, "XRAI (regions)", ASKS),
}


def choose(name: str, options: Mapping[str, Any], steps: Optional[int]) -> Method:
    """The method of that name, if it takes these options.

    Raises:
      MethodError: there is no such method, it takes other options, or it takes no steps.
    """
    if name not in METHODS:
        raise MethodError("no variant %r; choose one of %s" % (name, ", ".join(map(repr, METHODS))))
    takes = options_of(METHODS[name])
    unknown = sorted(set(options) - set(takes))
    lacking = [option for option, one in takes.items() if one.default is one.empty and option not in options]
    if unknown or lacking:
        raise MethodError("variant %r %s {argument}; it takes %s" % (
            name, "knows no" if unknown else "needs", ", ".join(takes) or "no options"), argument=unknown or lacking)
    if steps is not None and METHODS[name].kind != ALONG_PATHS and "steps" not in _parameters(METHODS[name]):
        raise MethodError("variant %r %s; leave out {argument}%s" % (
            name, "takes the gradient at single points" if METHODS[name].kind == AT_POINTS else "has no steps",
            " (how many is another option: samples)" if "samples" in takes else ""), argument="steps")
    return METHODS[name]


def options_of(method: Method) -> Dict[str, inspect.Parameter]:
    """The options of a method: its function's parameters past the first, without the steps that all methods know."""
    found = _parameters(method)
    found.pop("steps", None)
    return found


def called(method: Method, given: Any, options: Mapping[str, Any], steps: Optional[int]) -> Any:
    """What the method's function returns for its inputs, or its ``At``."""
    more = {"steps": steps} if steps is not None and "steps" in _parameters(method) else {}
    return method.function(given, **dict(options, **more))


def start_of(method: Method, options: Mapping[str, Any]) -> Any:
    """The baseline that the method starts from; zero where it knows none of its own."""
    one = options_of(method).get("baseline")
    return "zero" if one is None else options.get("baseline", one.default)


def _parameters(method: Method) -> Dict[str, inspect.Parameter]:
    return dict(list(inspect.signature(method.function).parameters.items())[1:])


def complete(record: Attribution, method: Method, found: Found, options: Mapping[str, Any]) -> Attribution:
    """The record with what a method adds to it; where no sum is claimed, there is none to be off."""
    said = {name: _in_words(options.get(name, one.default)) for name, one in options_of(method).items()}
    notes = ("the mean over %d paths: %s" % (found.count, ", ".join("%s %s" % one for one in said.items())),)
    record = dataclasses.replace(
        record, technique=method.title, completeness=method.completeness, standard_error=found.standard_error,
        token_standard_error=found.token_standard_error, baseline=said.get("baselines", said.get("baseline", "none")),
        notes=record.notes + (notes if found.count > 1 else ()))
    if method.completeness != NONE:
        return record
    nothing = np.full(len(record), np.nan)
    return dataclasses.replace(record, baseline_score=nothing, delta=nothing, baseline_output=None, error_estimate=None,
                               converged=np.ones(len(record), bool))


def _in_words(value: Any) -> str:
    if not isinstance(value, (list, tuple)):
        return baseline_values.describe(value)
    return ", ".join(map(baseline_values.describe, value)) if len(value) < 4 else "%d baselines" % len(value)
