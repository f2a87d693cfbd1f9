"""XRAI: attributions of regions of a picture instead of single pixels."""

from typing import Any, Dict, List, Sequence, Tuple

import numpy as np

from tf1_ig import quadrature
from tf1_ig.engine.at import At
from tf1_ig.ensemble import Found
from tf1_ig.errors import InputError, MethodError, package
from tf1_ig.integrate import Integral
from tf1_ig.methods.paths import whole

# Of the paper, for pictures of 224 × 224 pixels: what the segments' scales, their smallest size, the pixels that a
# segment must add, and the border that is added around each count in.
SCALES, SIZE, SMALLEST, ADDS, BORDER, BLUR = (50, 100, 150, 250, 500, 1200), 224, 150, 50, 5, 0.8
BLACK_AND_WHITE = "black and white"
TOGETHER = 16  # points of a path that are asked for at once


def xrai(at: At, baselines: Any = BLACK_AND_WHITE, steps: int = 32, segments: Any = None,
         scales: Sequence[float] = SCALES) -> Found:
    """Regions of a picture by the attribution per pixel that each adds (Kapishnikov, Bolukbasi, Viégas, Terry: XRAI:
    Better Attributions Through Regions, ICCV 2019, arXiv 1906.02825, algorithm 1). Integrated Gradients averaged over
    the baselines are summed over the colours; segments of several sizes join the covered area one by one, the one with
    the largest mean attribution over the pixels it adds first, and these pixels get that mean. So the sum is that of
    the Integrated Gradients: the score minus the mean of the baselines' scores. (The authors' code takes the largest
    colour instead of the sum, and then claims no sum.)

    Args:
      baselines: a list of baselines as ``explain`` takes them, one at a time; by default black and white, the smallest
        and the largest number of each picture.
      steps: gradients of each path, by Gauss and Legendre's rule.
      segments: labels of segments, int ``[maps, height, width]`` for all rows, or a list of such for each; ``None``:
        those of Felzenszwalb and Huttenlocher (needs scikit-image) at several scales.
      scales: of these segments, for a picture of 224 × 224 pixels; larger ones make larger segments.

    Raises:
      InputError: the input is not one picture ``[rows, height, width, colours]``.
      MissingPackageError: scikit-image is not installed, and no segments were given.
    """
    name, pictures = _pictures(at)
    starts = _starts(at, name, pictures, baselines)
    totals = np.zeros(pictures.shape)
    outputs = []
    for start in starts:
        totals += _path(at, start, whole(steps, "steps")) / len(starts)
        outputs.append(at.outputs(at.start(start)).reshape(len(at), -1))
    values = np.zeros(pictures.shape)
    for row, picture in enumerate(pictures):
        masks = _masks(picture, None if segments is None else _of_row(segments, row, len(pictures), picture.shape),
                       scales)
        regions = by_region(totals[row].sum(axis=-1), masks, _least(picture, ADDS) if segments is None else 1)
        values[row] = regions[..., None] / picture.shape[-1]
    mean, taken = np.mean(outputs, axis=0), np.full(len(at), len(starts) * int(steps))
    scores = np.mean([at.scores_of(each) for each in outputs], axis=0)
    integral = Integral([], at.score, scores, taken, taken, None, None)
    return Found(len(starts), integral, {name: values.astype(np.float64)}, mean)


def by_region(attributions: np.ndarray, masks: Sequence[np.ndarray], adds: int = 1) -> np.ndarray:
    """Attributions ``[height, width]`` of regions: each pixel gets the mean of those that came in with it.

    Args:
      attributions: float ``[height, width]``.
      masks: flat places of the pixels of each segment.
      adds: a segment that would add fewer pixels is left out; what no segment covers comes in last, as one.
    """
    flat = np.ravel(attributions).astype(np.float64)
    found, covered = np.zeros(flat.size), np.zeros(flat.size, bool)
    left = [np.asarray(mask, int) for mask in masks]
    while left:
        left = [mask[~covered[mask]] for mask in left]
        left = [mask for mask in left if len(mask) >= max(1, adds)]
        if not left:
            break
        gains = [flat[mask].mean() for mask in left]
        best = left.pop(int(np.argmax(gains)))
        found[best], covered[best] = max(gains), True
    if not covered.all():
        found[~covered] = flat[~covered].mean()
    return found.reshape(np.shape(attributions))


def _pictures(at: At) -> Tuple[str, np.ndarray]:
    entries = at.entries
    if len(entries) != 1 or isinstance(next(iter(entries.values())), list) or np.ndim(
            next(iter(entries.values()))) != 4:
        raise InputError("xrai explains one input of pictures [rows, height, width, colours], and %s; name that of the "
                         "pixels with {argument}" % ("there are %d inputs" % len(entries) if len(entries) != 1 else (
                             "%s has the shape %s" % (next(iter(entries)), list(np.shape(next(iter(
                                 entries.values()))))))), argument="inputs")
    name, = entries
    return name, np.asarray(entries[name], np.float64)


def _starts(at: At, name: str, pictures: np.ndarray, baselines: Any) -> List[Any]:
    if isinstance(baselines, str) and baselines == BLACK_AND_WHITE:
        axes = (1, 2, 3)
        return [{name: np.broadcast_to(of(pictures, axis=axes, keepdims=True), pictures.shape)}
                for of in (np.min, np.max)]
    if isinstance(baselines, (list, tuple)) and len(baselines):
        return list(baselines)
    raise MethodError("{argument} of xrai are a list of baselines, or %r" % BLACK_AND_WHITE, argument="baselines")


def _path(at: At, start: Any, steps: int) -> np.ndarray:
    """Integrated Gradients of the pictures from one baseline, ``[rows, height, width, colours]``."""
    nodes, weights = quadrature.nodes_and_weights("gausslegendre", steps)
    name, = at.inputs
    way = np.asarray(at.entries[name], np.float64) - np.asarray(at.start(start)[name], np.float64)
    mean = np.zeros(way.shape)
    for first in range(0, steps, TOGETHER):
        points = nodes[first:first + TOGETHER]
        shares = [np.tile(points[:, None], (1, count)) for count in at.tokens]
        _, gradients = at.gradients(at.mixed(shares, start))
        mean += np.tensordot(weights[first:first + TOGETHER], np.asarray(gradients[name], np.float64), 1)
    return way * mean


def _of_row(segments: Any, row: int, rows: int, shape: Tuple[int, ...]) -> np.ndarray:
    labels = np.asarray(segments[row] if isinstance(segments, (list, tuple)) and len(segments) == rows else segments)
    labels = labels[None] if labels.ndim == 2 else labels
    if labels.ndim != 3 or labels.shape[1:] != shape[:2]:
        raise InputError("{argument} have the shape %s; give labels [maps, %d, %d]" % (
            list(labels.shape), shape[0], shape[1]), argument="segments")
    return labels


def _least(picture: np.ndarray, pixels: float) -> int:
    """So many pixels of a picture of 224 × 224, in one of this size."""
    return max(1, int(round(pixels * picture.shape[0] * picture.shape[1] / float(SIZE ** 2))))


def _masks(picture: np.ndarray, labels: Any, scales: Sequence[float]) -> List[np.ndarray]:
    """Flat places of the pixels of every segment; those that are found have a border around them."""
    border = 0
    if labels is None:
        labels = _felzenszwalb(picture, scales)
        border = int(round(BORDER * min(picture.shape[:2]) / float(SIZE)))
    found: Dict[bytes, np.ndarray] = {}
    for each in labels:
        for label in np.unique(each):
            mask = _wider(each == label, border)
            found.setdefault(np.packbits(mask).tobytes(), np.flatnonzero(mask))
    return list(found.values())


def _wider(mask: np.ndarray, border: int) -> np.ndarray:
    """The mask with all pixels within ``border`` rows and columns of it."""
    for axis in (0, 1):
        padded = np.pad(mask, [(border, border) if axis == other else (0, 0) for other in (0, 1)], "constant")
        mask = np.any([np.take(padded, range(shift, shift + mask.shape[axis]), axis) for shift in range(
            2 * border + 1)], axis=0)
    return mask


def _felzenszwalb(picture: np.ndarray, scales: Sequence[float]) -> List[np.ndarray]:
    segmentation = package("skimage.segmentation", "to find regions", "'tf1-ig[regions]', or pass segments=")
    low, high = picture.min(), picture.max()
    scaled = 2 * (picture - low) / ((high - low) or 1.0) - 1
    scaled = scaled if scaled.shape[-1] == 3 else np.repeat(scaled.mean(-1, keepdims=True), 3, axis=-1)
    area = picture.shape[0] * picture.shape[1] / float(SIZE ** 2)
    return [segmentation.felzenszwalb(scaled, scale=scale * area, sigma=BLUR, min_size=_least(picture, SMALLEST))
            for scale in scales]
