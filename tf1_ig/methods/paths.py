"""Methods that are gradients along straight paths, or at single points of them."""

import functools
from typing import Any, Iterator

import numpy as np

from tf1_ig import baselines as baseline_values
from tf1_ig.baselines import Inputs
from tf1_ig.ensemble import Path
from tf1_ig.errors import MethodError

# Baselines that are kept while others are drawn.
KEPT = 16


def integrated_gradients(inputs: Inputs, baseline: Any = "zero") -> Iterator[Path]:
    """The mean gradient on the straight path from the baseline, times the way (Sundararajan, Taly, Yan: Axiomatic
    Attribution for Deep Networks, ICML 2017, equation 1); sums to the score minus the baseline's score."""
    yield Path(baseline_values.resolve(baseline, inputs), inputs.entries)


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
    starts = baseline_values.several(baselines, inputs, seed)
    return (Path(starts.of(number), inputs.entries) for number in range(starts.size))


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
    chosen, alphas = random.randint(starts.size, size=whole(samples)), random.uniform(size=whole(samples))
    start = functools.lru_cache(maxsize=KEPT)(starts.of)
    return (Path(start(int(number)), inputs.entries, alpha=float(alpha)) for number, alpha in zip(chosen, alphas))


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
            for number in range(whole(samples)))


def gradient(inputs: Inputs) -> Iterator[Path]:
    """The gradient of the score at the input (Simonyan, Vedaldi, Zisserman: Deep Inside Convolutional Networks, 2013),
    with its sign. It says where the score is sensitive and makes no claim about what it is made of."""
    yield Path(inputs.entries, inputs.entries, 1.0, [np.ones_like(entries) for entries in inputs.entries])


def gradient_x_input(inputs: Inputs) -> Iterator[Path]:
    """The gradient at the input times the input (Shrikumar, Greenside, Shcherbina, Kundaje: Not Just a Black Box,
    2016); sums to nothing in particular unless the model is linear without a bias."""
    yield Path(inputs.entries, inputs.entries, 1.0, inputs.entries)


def whole(samples: Any, argument: str = "samples") -> int:
    """A number of draws or points, at least 1."""
    if isinstance(samples, bool) or not isinstance(samples, (int, np.integer)) or samples < 1:
        raise MethodError("{argument} must be a whole number of at least 1, not %r" % (samples,), argument=argument)
    return int(samples)
