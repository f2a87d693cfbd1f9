"""Attributions over an image or another two-dimensional input: polarity, clipping, clean-up, outlines, overlay.

The pipeline follows the IG authors' published visualisation: the strengths are clipped at shares of the attribution
mass and mapped linearly; small specks can be removed and regions outlined. Nothing is divided by a flat map's zero.
"""

from typing import Any, List, NamedTuple, Optional, Tuple

import numpy as np

from tf1_ig.errors import ShowError
from tf1_ig.show import palette as palettes, tokens as token_view
from tf1_ig.show.axes import Axes
from tf1_ig.show.png import png_base64

POLARITIES = ("both", "positive", "negative")
CLIP_ABOVE = 99.9     # per cent of the attribution mass that keeps its own strength
_WIDTH = 420          # CSS pixels of a picture: half of a page
_SMALLEST_SIDE = 160  # pixels: smaller pictures are enlarged by whole factors, so that single pixels can be seen


class Picture(NamedTuple):
    """A PNG as base64, with words for those who cannot see it; sizes in CSS pixels, marks where there are axes."""

    caption: str
    png: str
    width: int
    height: int
    axes: Optional[Axes] = None

    @property
    def marks(self) -> Tuple[Tuple[str, Tuple[Tuple[str, str], ...]], ...]:
        """Name and ``(place in pixels, text)`` of the ticks of the horizontal and of the vertical axis."""
        both = () if self.axes is None else ((self.axes.across, self.width), (self.axes.down, self.height))
        return tuple((axis.name, tuple(("%.1f" % (tick.share * length), tick.text) for tick in axis.ticks))
                     for axis, length in both)


class Pictures(NamedTuple):
    """The pictures of one input of one example; ``full`` is the magnitude from which the colour is full."""

    name: str
    pictures: Tuple[Picture, ...]
    total: float
    full: float
    notes: Tuple[str, ...] = ()


def strengths(attributions: Any, polarity: str = "both", clip_above: float = CLIP_ABOVE, clip_below: float = 0.0,
              low: float = 0.0) -> np.ndarray:
    """Signed strengths in [−1, 1] of a map of attributions.

    Args:
      attributions: float ``[height, width]``, or ``[height, width, channels]`` which is summed over channels.
      polarity: ``"both"``, or only ``"positive"`` or ``"negative"`` values.
      clip_above: share of the attribution mass, in per cent, that gets less than the full strength: what the smallest
        part of the remaining mass holds is clipped to it. 100 clips nothing.
      clip_below: share of the mass that is shown as nothing, its smallest values first.
      low: strength of the smallest value that is shown, so that it can be seen.

    Returns:
      float64 ``[height, width]``; all zeros for a map without any effect; NaN and Inf count as zero.
    """
    values = flat(attributions)
    if polarity not in POLARITIES:
        raise ShowError("polarity is one of %s, not %r" % (", ".join(POLARITIES), polarity))
    if not 0 <= clip_below < clip_above <= 100 or not 0 <= low < 1:
        raise ShowError("clip_below and clip_above are per cent with 0 <= below < above <= 100, low is in [0, 1)")
    values = {"both": values, "positive": np.maximum(values, 0), "negative": np.minimum(values, 0)}[polarity]
    size = np.abs(values)
    top = _mass_threshold(size, 100 - clip_above)
    if top <= 0:
        return np.zeros_like(values)
    bottom = _mass_threshold(size, 100 - clip_below) if clip_below > 0 else 0.0
    # Where all that is shown is equal there is no range to map: it is all at full strength.
    part = np.clip((size - bottom) / (top - bottom), 0, 1) if top > bottom else np.ones_like(size)
    return np.where((size > 0) & (size >= bottom), np.sign(values) * (low + (1 - low) * part), 0.0)


def flat(attributions: Any) -> np.ndarray:
    """A map of attributions as float64 ``[height, width]``: channels summed, NaN and Inf as zero."""
    values = np.asarray(attributions, np.float64)
    if values.ndim not in (2, 3):
        raise ShowError("a map of attributions is [height, width] or [height, width, channels], not %s" %
                        (list(np.shape(attributions)),))
    values = values.sum(axis=2) if values.ndim == 3 else values
    return np.where(np.isfinite(values), values, 0.0)


def _mass_threshold(size: np.ndarray, share: float) -> float:
    """The smallest value of those that together hold ``share`` per cent of the mass, largest first."""
    ordered = np.sort(size, axis=None)[::-1]
    if not ordered.size or ordered[0] == 0:
        return 0.0
    if share >= 100:
        return float(ordered[ordered > 0][-1])
    reached = np.cumsum(ordered)
    wanted = reached[-1] * share / 100.0 * (1 - 1e-9)  # a share that is reached up to rounding is reached
    return float(ordered[int(np.searchsorted(reached, wanted))])


def clean(mask: np.ndarray) -> np.ndarray:
    """A bool mask without holes and specks: closing, then opening, with a 3 × 3 square."""
    closed = _erode(_dilate(mask))
    return _dilate(_erode(closed))


def matter(values: np.ndarray, share: float = 90.0) -> np.ndarray:
    """The 8-connected regions of one sign that hold ``share`` per cent of the strength: 1 and −1 there, else 0.

    Pixels are taken strongest first until they hold the share; the regions they make are cleaned, and taken largest
    first until *they* hold it.
    """
    size = np.abs(values)
    strong = (size > 0) & (size >= _mass_threshold(size, share))
    found = [regions(clean(strong & (values * sign > 0))) for sign in (1, -1)]
    masses = [np.bincount(labels.reshape(-1), size.reshape(-1), count + 1)[1:] for labels, count in found]
    every = np.sort(np.concatenate(masses))[::-1]
    if not every.size or every[0] == 0:
        return np.zeros(values.shape, np.int8)
    before = np.cumsum(every) - every
    least = every[np.flatnonzero(before < every.sum() * share / 100.0)[-1]]
    first, second = (np.isin(labels, np.flatnonzero(mass >= least) + 1) for (labels, _), mass in zip(found, masses))
    return first.astype(np.int8) - second


def regions(mask: np.ndarray) -> Tuple[np.ndarray, int]:
    """8-connected regions of a bool mask: int labels ``[height, width]`` (0 outside) and how many there are."""
    labels = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    while True:
        # Every pixel takes the largest label around it, until nothing changes; then row and column runs are filled.
        spread = np.where(mask, _neighbourhood(labels).max(axis=0), 0)
        spread = np.where(mask, _spread_runs(_spread_runs(spread, mask).T, mask.T).T, 0)
        if np.array_equal(spread, labels):
            break
        labels = spread
    kept, numbered = np.unique(labels, return_inverse=True)
    offset = 0 if kept.size and kept[0] == 0 else 1
    return numbered.reshape(mask.shape) + offset, int(kept.size) - 1 + offset


def _spread_runs(labels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The largest label of each horizontal run of the mask, all along the run."""
    starts = mask & ~np.pad(mask, ((0, 0), (1, 0)), "constant")[:, :-1]
    run = np.cumsum(starts.reshape(-1)).reshape(mask.shape)  # a run never crosses a row: each row starts its own
    most = np.zeros(int(run.max()) + 1 if run.size else 1, labels.dtype)
    np.maximum.at(most, run[mask], labels[mask])
    return np.where(mask, most[run], 0)


def _neighbourhood(array: np.ndarray) -> np.ndarray:
    """The array shifted to its nine neighbours (zeros come in from outside): ``[9, height, width]``."""
    height, width = array.shape
    padded = np.pad(array, 1, "constant")
    return np.stack([padded[row:row + height, column:column + width] for row in range(3) for column in range(3)])


def _dilate(mask: np.ndarray) -> np.ndarray:
    return np.asarray(_neighbourhood(mask).any(axis=0))


def _erode(mask: np.ndarray) -> np.ndarray:
    # Outside counts as inside, so that a region at the border keeps its border.
    return ~_dilate(~mask)


def pixels(image: Any) -> np.ndarray:
    """An image as uint8 ``[height, width, 3]``: grey or colour; uint8 as it is, floats mapped from their own range."""
    array = np.asarray(image)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise ShowError("an image is [height, width] with 1, 3 or 4 channels, not %s" % (list(np.shape(image)),))
    array = np.repeat(array, 3, axis=2) if array.shape[2] == 1 else array[:, :, :3]
    if array.dtype == np.uint8:
        return array
    array = np.where(np.isfinite(array), array, 0).astype(np.float64)
    lowest, highest = float(array.min()), float(array.max())
    if lowest < 0 or highest > 255:
        array = (array - lowest) / ((highest - lowest) or 1.0) * 255
    elif highest <= 1:
        array = array * 255
    return np.round(array).astype(np.uint8)


def overlay(attributions: Any, image: Any = None, palette: str = "blue-orange", fade: float = 0.35,
            **options: Any) -> np.ndarray:
    """The attributions in colour over a faded grey copy of the image (or over white).

    Args:
      attributions: float ``[height, width]`` or ``[height, width, channels]``.
      image: the input itself, same height and width; ``None`` draws on white.
      palette: name of a palette; ``"green-red"`` is what the published guide draws.
      fade: brightness kept of the image under the colours, 0 to 1.
      **options: of ``strengths``.

    Returns:
      uint8 ``[height, width, 3]``.
    """
    values = strengths(attributions, **options)
    shade = palettes.palette(palette).light
    if image is None:
        ground = np.full(values.shape + (3,), 255.0)
    else:
        picture = pixels(image)
        if picture.shape[:2] != values.shape:
            raise ShowError("the image is %s, the attributions are %s; both have the same height and width" % (
                list(picture.shape[:2]), list(values.shape)))
        grey = picture @ np.array([0.299, 0.587, 0.114])
        ground = np.repeat((255 - (255 - grey) * fade)[:, :, None], 3, axis=2)
    alpha = np.abs(values)[:, :, None]
    positive, negative = np.array(shade.positive, np.float64), np.array(shade.negative, np.float64)
    colour = np.where(values[:, :, None] >= 0, positive, negative)
    return np.round(ground * (1 - alpha) + colour * alpha).astype(np.uint8)


def outlined(picture: np.ndarray, signs: np.ndarray, shade: Any) -> np.ndarray:
    """A picture with lines along the borders of regions, inside of them, and a white one outside so that they are seen.

    Args:
      picture: uint8 ``[height, width, 3]``, as large as it is shown: the lines are fine, whatever a pixel was.
      signs: 1, −1 or 0 for each of its pixels, as ``matter`` has them; the border of what is negative is dashed.
      shade: of a palette.
    """
    drawn, (rows, columns) = picture.copy(), np.indices(signs.shape)
    for sign, colour in ((1, shade.positive), (-1, shade.negative)):
        region = signs == sign
        drawn[_dilate(region) & (signs == 0)] = 255
        line = region & ~_erode(_erode(region))
        drawn[line] = colour
        if sign < 0:
            drawn[line & ((rows + columns) % 8 < 3)] = shade.negative_ink
    return drawn


def enlarge(picture: np.ndarray, least: int = _SMALLEST_SIDE) -> np.ndarray:
    """Every pixel repeated a whole number of times, so that the shorter side is at least ``least``."""
    factor = max(1, -(-least // max(1, min(picture.shape[:2]))))
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


class Frame(NamedTuple):
    """A drawn picture, uint8 ``[height, width, 3]``, and the size in CSS pixels that it has on a page."""

    caption: str
    pixels: np.ndarray
    width: int
    height: int


def frames(attributions: Any, image: Any = None, palette: str = "blue-orange", outlines: Optional[bool] = False,
           axes: Optional[Axes] = None, **options: Any) -> List[Frame]:
    """The original, the attributions over it and the regions that matter, as far as there are any; see ``pictures``."""
    signed, ink = strengths(attributions, **options), palettes.palette(palette).light.negative_ink
    found = [] if image is None else [_frame("input", pixels(image), axes)]
    found.append(_frame("attributions", overlay(attributions, image, palette, **options), axes, signed, ink))
    if outlines or outlines is None and image is not None and axes is None:
        found.append(_regions(signed, image, palettes.palette(palette).light, axes, found[-1]))
    return found


def pictures(attributions: Any, image: Any = None, name: str = "", palette: str = "blue-orange",
             outlines: Optional[bool] = False,
             axes: Optional[Axes] = None, above: float = 0.0, **options: Any) -> Pictures:
    """What a page shows of one two-dimensional input: the original, the overlay, and the outlines when asked for.

    Args:
      attributions, image, palette: as for ``overlay``.
      name: a heading.
      outlines: add a picture of the regions that matter; ``None``: where there is an image.
      axes: what runs along rows and columns, for inputs that are no photographs; their marks are drawn.
      above: a map of which nothing is larger is not drawn (rounding).
      **options: of ``strengths``.
    """
    values = flat(attributions)
    drawn = attributions if np.abs(values).max(initial=0.0) > above else np.zeros_like(values)
    found = [Picture(one.caption, png_base64(one.pixels), one.width, one.height, axes)
             for one in frames(drawn, image, palette, outlines, axes, **options)]
    missing = int(np.sum(~np.isfinite(np.asarray(attributions, np.float64))))
    size = np.size(attributions)
    notes = ["Not finite numbers, drawn as nothing: %d of %d." % (missing, size)] if missing else []
    if not np.any(drawn):
        notes.append("%s: the score does not react to this input; nothing is drawn." % token_view.nothing(values))
    else:
        # In words too: in grey print, and to those who hear the page, the colours tell no sign.
        notes += [_strongest(values * sign, axes, sign) for sign in (1, -1) if (values * sign > 0).any()]
    full = _mass_threshold(np.abs(flat(drawn)), 100 - options.get("clip_above", CLIP_ABOVE))
    return Pictures(name, tuple(found), float(values.sum()), full, tuple(notes))


def _strongest(values: np.ndarray, axes: Optional[Axes], sign: int) -> str:
    row, column = np.unravel_index(int(np.argmax(values)), values.shape)
    where = "row %d, column %d" % (row, column) if axes is None else ", ".join(
        "%s %.4g" % (axis.name, axis.start + (at + 0.5) / count * (axis.stop - axis.start))
        for axis, at, count in zip((axes.rows, axes.columns), (row, column), values.shape))
    return "Strongest %s: %s at %s." % ("for" if sign > 0 else "against", token_view.number(
        float(sign * values[row, column])), where)


def hatched(picture: np.ndarray, signed: np.ndarray, ink: palettes.Colour, period: int = 6) -> np.ndarray:
    """The picture with fine slanted lines through what is negative, so that print in grey keeps the sign.

    Args:
      picture: uint8 ``[height, width, 3]``.
      signed: strengths in [−1, 1], ``[height, width]``; a line is as strong as what it runs through.
      ink: colour of the lines; period: pixels from one to the next.
    """
    rows, columns = np.indices(signed.shape)
    share = np.where((rows + columns) % period < max(1, period // 5), np.maximum(-signed, 0), 0.0)[:, :, None]
    return np.round(picture * (1 - share) + np.array(ink, np.float64) * share).astype(np.uint8)


def _regions(signed: np.ndarray, image: Any, shade: Any, axes: Optional[Axes], like: Frame) -> Frame:
    """The regions that matter, outlined over the picture (or over white) in the size of another frame."""
    ground = np.full(signed.shape + (3,), 255, np.uint8) if image is None else pixels(image)
    picture, signs = (one if axes is None else axes.turned(one) for one in (ground, matter(signed)))
    high, wide = -(-like.height // signs.shape[0]), -(-like.width // signs.shape[1])
    picture, signs = (one.repeat(high, axis=0).repeat(wide, axis=1) for one in (picture, signs))
    return Frame("regions", outlined(picture, signs, shade), like.width, like.height)


def _frame(caption: str, array: np.ndarray, axes: Optional[Axes] = None, signed: Optional[np.ndarray] = None,
           ink: palettes.Colour = (0, 0, 0)) -> Frame:
    turned = array if axes is None else axes.turned(array)
    shown = enlarge(turned)
    height, width = shown.shape[:2]
    if axes is None and width < _WIDTH:  # half of a page; the browser enlarges pixel by pixel
        height, width = round(height * _WIDTH / width), _WIDTH
    if axes is not None:  # long and thin maps fill a box that can be read
        height, width = min(max(height, _SMALLEST_SIDE), 300), min(max(width, 2 * _SMALLEST_SIDE), 640)
    if signed is not None:  # lines finer than a pixel of a small picture
        least = -(-_WIDTH // turned.shape[1]) * min(turned.shape[:2])
        shown = enlarge(turned, max(_SMALLEST_SIDE, least))
        signed = enlarge(signed if axes is None else axes.turned(signed), max(_SMALLEST_SIDE, least))
        shown = hatched(shown, signed, ink, max(3, round(6 * shown.shape[1] / width)))
    return Frame(caption, shown, width, height)
