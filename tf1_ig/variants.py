"""Relatives of Integrated Gradients: several baselines, random ones, noisy inputs, and the plain gradient.

A variant says along which paths gradients are taken: a function that yields ``Path``s, and one line in ``VARIANTS``.
Everything else is done once for all of them: points of different paths share runs, and the attributions are the mean
over the paths, with its standard error. ``IntegratedGradients.explain_variant`` is the door.

What is drawn at random depends on the seed and the number of the path alone, so that a row gets the same attributions
in every batch, on every machine.
"""

import dataclasses
import inspect
from typing import Any, Callable, Dict, Iterator, Mapping, NamedTuple, Optional

import numpy as np

from tf1_ig import baselines as baseline_values
from tf1_ig.baselines import Inputs
from tf1_ig.ensemble import Found, Path
from tf1_ig.errors import MethodError
from tf1_ig.result.attribution import EXACT, IN_EXPECTATION, NONE, Attribution

# -- the variants ------------------------------------------------------------------------------------------------------

def averaged(inputs: Inputs, baselines: Any, seed: int = 0) -> Iterator[Path]:
    """Integrated Gradients averaged over several baselines (Sturmfels, Lundberg, Lee: Visualizing the Impact of Feature
    Attribution Baselines, Distill 2020).

    The attributions sum to the score minus the mean of the baselines' scores; the standard errors say how much the
    choice of the baselines matters.

    Args:
      baselines: a list of what ``explain`` takes as ``baseline``; an array of rows of the attributed tensor;
        ``{tensor: rows}`` for several inputs, or for ids that are fed (training rows); ``{"noise": 20}`` for so many
        rows of uniform noise (``tf1_ig.baselines.several``).
    """
    return (Path(start, inputs.entries) for start in baseline_values.several(baselines, inputs, seed))


def expected_gradients(inputs: Inputs, baselines: Any, samples: int = 200, seed: int = 0) -> Iterator[Path]:
    """Gradients at random points of paths from random baselines (Erion, Janizek, Sturmfels, Lundberg, Lee: Improving
    performance of deep learning models with axiomatic attribution priors and expected gradients, Nature Machine
    Intelligence 2021, equation 3).

    In expectation they are ``averaged`` over the same baselines: as many as one likes, at one evaluation a draw.

    Args:
      baselines: as for ``averaged``; one is drawn for each of the ``samples`` points.
    """
    starts = baseline_values.several(baselines, inputs, seed)
    random = np.random.RandomState(seed)
    chosen, alphas = random.randint(len(starts), size=_count(samples)), random.uniform(size=_count(samples))
    return (Path(starts[number], inputs.entries, alpha=float(alpha)) for number, alpha in zip(chosen, alphas))


def smoothgrad(inputs: Inputs, baseline: Any = "zero", noise_level: float = 0.15, samples: int = 50,
               seed: int = 0) -> Iterator[Path]:
    """Integrated Gradients averaged over noisy copies of the input (Smilkov, Thorat, Kim, Viégas, Wattenberg:
    SmoothGrad: removing noise by adding noise, 2017).

    The attributions sum to the *mean score of the noisy copies* minus the baseline's score; that mean is the result's
    ``score``.

    Args:
      noise_level: standard deviation of the noise as a share of the range (largest minus smallest number) of each
        row's own input.
    """
    if not np.isfinite(noise_level) or noise_level < 0:
        raise MethodError("{argument} must be a number of at least 0 such as 0.15, not %r" % (noise_level,),
                          argument="noise_level")
    start = baseline_values.resolve(baseline, inputs)
    return (Path(start, baseline_values.drawn(
        inputs, (seed, number), "normal", lambda own, low, high, noise: own + noise_level * (high - low) * noise))
            for number in range(_count(samples)))


def gradient(inputs: Inputs) -> Iterator[Path]:
    """The gradient of the score at the input (Simonyan, Vedaldi, Zisserman: Deep Inside Convolutional Networks, 2013),
    with its sign. It says where the score is sensitive and makes no claim about what it is made of."""
    yield Path(inputs.entries, inputs.entries, 1.0, [np.ones_like(entries) for entries in inputs.entries])


def gradient_x_input(inputs: Inputs) -> Iterator[Path]:
    """The gradient at the input times the input (Shrikumar, Greenside, Shcherbina, Kundaje: Not Just a Black Box,
    2016); sums to nothing in particular unless the model is linear without a bias."""
    yield Path(inputs.entries, inputs.entries, 1.0, inputs.entries)


class Variant(NamedTuple):
    """``paths(inputs, **options)``, what the sum of the attributions claims, and what people call it.

    ``single_points``: gradients are taken at one point of each path, not along it.
    """

    paths: Callable[..., Iterator[Path]]
    completeness: str
    title: str
    single_points: bool = False


VARIANTS: Dict[str, Variant] = {
    "averaged": Variant(averaged, EXACT, "Integrated Gradients averaged over baselines"),
    "expected_gradients": Variant(expected_gradients, IN_EXPECTATION, "Expected gradients", single_points=True),
    "smoothgrad": Variant(smoothgrad, EXACT, "SmoothGrad of Integrated Gradients"),
    "gradient": Variant(gradient, NONE, "Gradient", single_points=True),
    "gradient_x_input": Variant(gradient_x_input, NONE, "Gradient × input", single_points=True),
}


# -- choosing one ------------------------------------------------------------------------------------------------------

def choose(variant: str, options: Mapping[str, Any], steps: Optional[int]) -> Variant:
    """The variant of that name, if it takes these options.

    Raises:
      MethodError: there is no such variant, it takes other options, or its paths have single points and no steps.
    """
    if variant not in VARIANTS:
        raise MethodError("no variant %r; choose one of %s" % (variant, ", ".join(map(repr, VARIANTS))))
    takes = _takes(VARIANTS[variant])
    unknown = sorted(set(options) - set(takes))
    lacking = [name for name, one in takes.items() if one.default is one.empty and name not in options]
    if unknown or lacking:
        raise MethodError("variant %r %s {argument}; it takes %s" % (
            variant, "knows no" if unknown else "needs", ", ".join(takes) or "no options"), argument=unknown or lacking)
    if steps is not None and VARIANTS[variant].single_points:
        raise MethodError("variant %r takes the gradient at single points; leave out {argument}%s" % (
            variant, " (how many is another option: samples)" if "samples" in takes else ""), argument="steps")
    return VARIANTS[variant]


def _takes(variant: Variant) -> Dict[str, inspect.Parameter]:
    """The options of a variant: its function's parameters past the inputs."""
    return dict(list(inspect.signature(variant.paths).parameters.items())[1:])


def _count(samples: Any) -> int:
    if isinstance(samples, bool) or not isinstance(samples, (int, np.integer)) or samples < 1:
        raise MethodError("{argument} must be a whole number of at least 1, not %r" % (samples,), argument="samples")
    return int(samples)


def _in_words(value: Any) -> str:
    if not isinstance(value, (list, tuple)):
        return baseline_values.describe(value)
    return ", ".join(map(baseline_values.describe, value)) if len(value) < 4 else "%d baselines" % len(value)


def complete(record: Attribution, variant: Variant, found: Found, options: Mapping[str, Any]) -> Attribution:
    """The record with what a variant adds to it; where no sum is claimed, there is none to be off."""
    said = {name: _in_words(options.get(name, one.default)) for name, one in _takes(variant).items()}
    notes = ("the mean over %d paths: %s" % (found.count, ", ".join("%s %s" % one for one in said.items())),)
    record = dataclasses.replace(
        record, technique=variant.title, completeness=variant.completeness, standard_error=found.standard_error,
        token_standard_error=found.token_standard_error, baseline=said.get("baselines", said.get("baseline", "none")),
        notes=record.notes + (notes if found.count > 1 else ()))
    if variant.completeness != NONE:
        return record
    nothing = np.full(len(record), np.nan)
    return dataclasses.replace(record, baseline_score=nothing, delta=nothing, baseline_output=None, error_estimate=None,
                               converged=np.ones(len(record), bool))
