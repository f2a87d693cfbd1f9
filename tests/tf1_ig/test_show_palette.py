import numpy as np
import pytest

from graph_tools.errors import GraphToolsError
from tf1_ig.show.palette import PALETTES, palette

# Linear RGB to what each kind of colour blindness sees (Machado, Oliveira, Fernandes 2009, severity 1.0).
BLINDNESS = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
SHADES = [(each.name, theme, getattr(each, theme)) for each in PALETTES for theme in ("light", "dark")]


def _linear(colour):
    parts = np.array(colour) / 255.0
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def _lab(linear):
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ np.clip(linear, 0, 1)
    scaled = xyz / [0.9505, 1.0, 1.089]
    f = np.where(scaled > 0.008856, np.cbrt(scaled), 7.787 * scaled + 16 / 116.0)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def _blend(shade, strength):
    """The colour of a strength over the page, as the browser will show it."""
    full = shade.positive if strength > 0 else shade.negative
    return np.round(np.array(shade.page) + (np.array(full) - np.array(shade.page)) * abs(strength))


def _luminance(colour):
    """Relative luminance (WCAG 2), 0 to 1."""
    return float(_linear(colour) @ [0.2126, 0.7152, 0.0722])


def _contrast(one, other):
    """Contrast ratio (WCAG 2), 1 to 21; 4.5 is the bound for running text."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name, theme, shade", SHADES)
@pytest.mark.parametrize("strength", [-1, -0.5, 0, 0.5, 1])
def test_text_can_be_read_on_every_strength(name, theme, shade, strength):
    assert _contrast(shade.text, _blend(shade, strength)) >= 4.5
    assert _contrast(shade.quiet, shade.page) >= 4.5 and _contrast(shade.positive_ink, shade.page) >= 4.5
    assert _contrast(shade.negative_ink, shade.page) >= 4.5


@pytest.mark.parametrize("blindness", sorted(BLINDNESS))
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_default_palette_keeps_its_two_sides_apart_for_the_colour_blind(theme, blindness):
    shade = getattr(PALETTES[0], theme)
    seen = np.array(BLINDNESS[blindness])
    for strength in (0.5, 1.0):
        sides = [_lab(seen @ _linear(_blend(shade, sign * strength))) for sign in (1, -1)]
        assert np.linalg.norm(sides[0] - sides[1]) > 20 * strength


@pytest.mark.parametrize("name, theme, shade", SHADES)
def test_colour_moves_from_the_page_in_proportion_to_the_number(name, theme, shade):
    for sign in (1, -1):
        distances = [np.linalg.norm(np.subtract(_blend(shade, sign * part), shade.page)) for part in (0, 0.25, 0.5, 1)]
        np.testing.assert_allclose(distances, distances[-1] * np.array([0, 0.25, 0.5, 1]), atol=1.5)
        # In grey print the order of strengths stays: lightness moves one way only.
        steps = np.diff([_luminance(_blend(shade, sign * part)) for part in np.linspace(0, 1, 11)])
        assert (steps < 0).all() or (steps > 0).all()


def test_an_unknown_palette_lists_those_there_are():
    with pytest.raises(GraphToolsError, match="blue-orange, green-red"):
        palette("rainbow")
