"""Diverging palettes: how a signed strength becomes a colour that everybody can tell apart.

A strength is a number in [−1, 1]. It sets the opacity of one fully saturated colour over the page, so that the
distance from the page's own colour is proportional to the number; 0 is no colour at all. The text on top keeps one
colour at every strength. Sign is never told by hue alone: the views also underline (solid for, dashed against).
"""

from typing import Dict, NamedTuple, Tuple

from tf1_ig.errors import ShowError

Colour = Tuple[int, int, int]


class Shade(NamedTuple):
    """The colours of one theme (light or dark): sRGB, 0–255."""

    page: Colour
    panel: Colour
    text: Colour
    quiet: Colour
    line: Colour
    positive: Colour
    negative: Colour
    positive_ink: Colour
    negative_ink: Colour


class Palette(NamedTuple):
    name: str
    light: Shade
    dark: Shade


_LIGHT = dict(page=(255, 255, 255), panel=(248, 249, 251), text=(27, 31, 36), quiet=(87, 96, 106), line=(208, 215, 222))
_DARK = dict(page=(18, 21, 26), panel=(27, 31, 38), text=(236, 239, 243), quiet=(160, 169, 180), line=(58, 65, 75))

PALETTES = (
    # Blue against orange stays apart under all three kinds of colour blindness.
    Palette("blue-orange",
            Shade(positive=(86, 164, 232), negative=(243, 146, 62), positive_ink=(9, 90, 168),
                  negative_ink=(160, 72, 0), **_LIGHT),
            Shade(positive=(34, 98, 176), negative=(163, 80, 14), positive_ink=(122, 184, 255),
                  negative_ink=(255, 171, 97), **_DARK)),
    # What the published guide draws; kept for people who compare pictures.
    Palette("green-red",
            Shade(positive=(86, 190, 110), negative=(242, 122, 112), positive_ink=(20, 108, 46),
                  negative_ink=(176, 32, 32), **_LIGHT),
            Shade(positive=(28, 112, 52), negative=(168, 48, 44), positive_ink=(110, 212, 134),
                  negative_ink=(255, 140, 132), **_DARK)),
)


def palette(name: str = "blue-orange") -> Palette:
    """The palette of that name; the first, colour-blind-safe one is every view's default."""
    for each in PALETTES:
        if each.name == name:
            return each
    raise ShowError("no palette %r; there are: %s" % (name, ", ".join(each.name for each in PALETTES)))


def variables(shade: Shade) -> Dict[str, str]:
    """CSS custom properties of a theme, as ``"r g b"`` triples for ``rgb(… / alpha)``."""
    return {"--" + name.replace("_", "-"): "%d %d %d" % colour for name, colour in shade._asdict().items()}
