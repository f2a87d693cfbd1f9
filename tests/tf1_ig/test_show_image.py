import base64
import dataclasses
import re
import struct
import zlib

import numpy as np
import pytest

from graph_tools.errors import GraphToolsError
from tests.tf1_ig.html_reader import Page
from tests.tf1_ig.results import result
from tf1_ig.show import image
from tf1_ig.show.palette import palette
from tf1_ig.show.png import png


def _read_png(data):
    """Pixels of a PNG by the specification, every checksum looked at."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    place, found = 8, {}
    while place < len(data):
        length, kind = struct.unpack(">I4s", data[place:place + 8])
        body = data[place + 8:place + 8 + length]
        assert struct.unpack(">I", data[place + 8 + length:place + 12 + length])[0] == zlib.crc32(kind + body)
        found[kind] = body
        place += 12 + length
    width, height, depth, kind = struct.unpack(">IIBB", found[b"IHDR"][:10])
    channels = {2: 3, 6: 4}[kind]
    lines = np.frombuffer(zlib.decompress(found[b"IDAT"]), np.uint8).reshape(height, 1 + width * channels)
    assert depth == 8 and not lines[:, 0].any() and list(found) == [b"IHDR", b"IDAT", b"IEND"]
    return lines[:, 1:].reshape(height, width, channels)


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 5, 3), (7, 2, 4)])
def test_a_png_holds_the_pixels(shape):
    pixels = np.random.RandomState(0).randint(0, 256, shape).astype(np.uint8)
    np.testing.assert_array_equal(_read_png(png(pixels)), pixels)


@pytest.mark.parametrize("pixels", [np.zeros((2, 2)), np.zeros((2, 2, 3)), np.zeros((0, 2, 3), np.uint8)])
def test_what_is_no_picture_is_refused(pixels):
    with pytest.raises(GraphToolsError, match="uint8"):
        png(pixels)


def test_strengths_are_in_proportion_to_the_numbers():
    values = np.array([[0.5, -0.25], [0.0, 1.0]])
    np.testing.assert_allclose(image.strengths(values, clip_above=100), values)
    np.testing.assert_allclose(image.strengths(values * 1e-30, clip_above=100), values)
    np.testing.assert_allclose(image.strengths(np.stack([values, values], -1), clip_above=100), values)


def test_polarity_keeps_one_sign():
    values = np.array([[0.5, -1.0], [0.0, 0.25]])
    np.testing.assert_allclose(image.strengths(values, "positive", 100), [[1.0, 0.0], [0.0, 0.5]])
    np.testing.assert_allclose(image.strengths(values, "negative", 100), [[0.0, -1.0], [0.0, 0.0]])


def test_clipping_is_by_share_of_the_mass():
    # Mass 10: 6 + 2 + 1 + 1. The top 60 % is the 6 alone; the top 80 % needs the 2 as well.
    values = np.array([[6.0, -2.0], [1.0, 1.0]])
    np.testing.assert_allclose(image.strengths(values, clip_above=20), [[1, -1], [0.5, 0.5]])
    np.testing.assert_allclose(image.strengths(values, clip_above=100, clip_below=20), [[1, 0], [0, 0]], atol=1e-12)
    shown = image.strengths(values, clip_above=100, clip_below=20, low=0.2)
    np.testing.assert_allclose(shown, [[1, -0.2], [0, 0]])


@pytest.mark.parametrize("values", [
    np.zeros((3, 4)), np.full((3, 4), 0.7), np.full((3, 4), np.nan), np.zeros((3, 4, 0))])
@pytest.mark.parametrize("options", [{}, dict(clip_below=50, low=0.2), dict(clip_above=50)])
def test_flat_maps_divide_nothing_by_zero(values, options):
    with np.errstate(all="raise"):
        shown = image.strengths(values, **options)
    assert shown.shape == (3, 4) and (shown == (1.0 if np.nanmax(np.append(values, 0)) > 0 else 0.0)).all()


@pytest.mark.parametrize("values, options", [
    (np.zeros(3), {}), (np.zeros((2, 2)), dict(polarity="up")), (np.zeros((2, 2)), dict(clip_above=0)),
    (np.zeros((2, 2)), dict(clip_below=90, clip_above=50)), (np.zeros((2, 2)), dict(low=1.0))])
def test_options_that_make_no_picture_are_refused(values, options):
    with pytest.raises(GraphToolsError):
        image.strengths(values, **options)


def _flood(mask):
    """Regions by flood fill, the slow and obvious way."""
    labels, count = np.zeros(mask.shape, int), 0
    for start in zip(*np.nonzero(mask)):
        if labels[start]:
            continue
        count += 1
        todo = [start]
        while todo:
            row, column = todo.pop()
            inside = 0 <= row < mask.shape[0] and 0 <= column < mask.shape[1]
            if inside and mask[row, column] and not labels[row, column]:
                labels[row, column] = count
                todo += [(row + down, column + right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    return labels, count


@pytest.mark.parametrize("seed", range(12))
def test_regions_are_those_of_a_flood_fill(seed):
    mask = np.random.RandomState(seed).uniform(size=(17, 23)) < 0.1 + 0.06 * seed
    labels, count = image.regions(mask)
    expected, expected_count = _flood(mask)
    assert count == expected_count and ((labels == 0) == ~mask).all()
    pairs = set(zip(labels[mask].tolist(), expected[mask].tolist()))
    assert len(pairs) == count


def test_a_spiral_is_one_region():
    mask = np.zeros((21, 21), bool)
    row = column = 10
    for turn in range(20):
        down, right = [(0, 1), (1, 0), (0, -1), (-1, 0)][turn % 4]
        for _ in range(turn // 2 * 2 + 2):
            if 0 <= row < 21 and 0 <= column < 21:
                mask[row, column] = True
            row, column = row + down, column + right
    assert image.regions(mask)[1] == _flood(mask)[1]
    assert image.regions(np.ones((5, 5), bool))[1] == 1 and image.regions(np.zeros((5, 5), bool))[1] == 0


def test_clean_up_fills_holes_and_removes_specks():
    mask = np.zeros((12, 12), bool)
    mask[2:9, 2:9] = True
    mask[5, 5] = False
    mask[11, 0] = True
    cleaned = image.clean(mask)
    expected = np.zeros((12, 12), bool)
    expected[2:9, 2:9] = True
    np.testing.assert_array_equal(cleaned, expected)


def test_the_regions_that_matter_hold_the_share():
    values = np.zeros((20, 20))
    values[2:8, 2:8] = 1.0
    values[12:16, 12:16] = 0.01
    expected = np.zeros((20, 20))
    expected[2:8, 2:8] = 1
    np.testing.assert_array_equal(image.matter(values, share=90), expected)
    np.testing.assert_array_equal(image.matter(-values, share=90), -expected)
    assert image.matter(values, share=100)[12:16, 12:16].sum() == 16
    assert not image.matter(np.zeros((4, 4))).any()


@pytest.mark.parametrize("side", [8, 28, 600])
def test_outlines_hide_little_of_the_picture(side):
    """A third of the side of a square: its border is two pixels of the page wide, however large a pixel is."""
    values, photo = np.zeros((side, side)), np.random.RandomState(0).randint(0, 256, (side, side, 3)).astype(np.uint8)
    values[side // 3:2 * side // 3, side // 3:2 * side // 3] = 1.0
    shown = image.pictures(values, photo, outlines=True).pictures
    regions, plain = (_read_png(base64.b64decode(one.png)) for one in (shown[-1], shown[0]))
    assert (shown[-1].width, shown[-1].height) == (shown[0].width, shown[0].height)
    times = len(regions) // side
    kept = photo.repeat(times, axis=0).repeat(times, axis=1)
    assert 0 < np.mean((regions != kept).any(axis=2)) < 0.03
    assert np.array_equal(plain[::len(plain) // side, ::len(plain) // side], photo)


def test_an_overlay_has_the_colours_of_the_palette_at_full_strength():
    for name in ("blue-orange", "green-red"):
        drawn = image.overlay(np.array([[1.0, -1.0, 0.0]]), palette=name, clip_above=100)
        shade = palette(name).light
        assert drawn[0].tolist() == [list(shade.positive), list(shade.negative), [255, 255, 255]]


def test_an_overlay_without_attributions_is_the_faded_image():
    grey = np.full((2, 2, 3), 100, np.uint8)
    np.testing.assert_array_equal(image.overlay(np.zeros((2, 2)), grey, fade=1.0), grey)
    assert (image.overlay(np.zeros((2, 2)), grey, fade=0.0) == 255).all()
    with pytest.raises(GraphToolsError, match=r"image is \[3, 2\]"):
        image.overlay(np.zeros((2, 2)), np.zeros((3, 2)))


@pytest.mark.parametrize("given, expected", [
    (np.array([[0.0, 1.0]]), [0, 255]), (np.array([[-1.0, 1.0]]), [0, 255]), (np.array([[0.0, 255.0]]), [0, 255]),
    (np.array([[7, 200]], np.uint8), [7, 200]), (np.array([[5.0, 5.0]]), [5, 5]), (np.array([[-3.0, -3.0]]), [0, 0])])
def test_images_of_any_range_become_bytes(given, expected):
    assert image.pixels(given)[0, :, 0].tolist() == expected
    with pytest.raises(GraphToolsError, match="channels"):
        image.pixels(np.zeros((2, 2, 7)))


def test_small_pictures_are_enlarged_by_whole_factors():
    small = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    large = image.enlarge(small, 5)
    assert large.shape == (6, 6, 3)
    np.testing.assert_array_equal(large[::3, ::3], small)
    assert image.enlarge(np.zeros((200, 300, 3), np.uint8)).shape == (200, 300, 3)


def test_a_page_shows_the_picture_beside_its_attributions():
    values = np.random.RandomState(1).normal(size=(2, 8, 9, 3))
    made = dataclasses.replace(result(), values={"pixels:0": values})
    photos = np.random.RandomState(2).uniform(size=(2, 8, 9, 3))
    html = made.to_html(images=photos)
    page = Page(html)
    assert len(page.links) == 6 and all(link.startswith("data:image/png;base64,") for link in page.links)
    drawn = _read_png(base64.b64decode(page.links[0].partition(",")[2]))
    np.testing.assert_array_equal(drawn[::drawn.shape[0] // 8, ::drawn.shape[1] // 9], image.pixels(photos[0]))
    drawn = _read_png(base64.b64decode(page.links[1].partition(",")[2]))
    side = drawn.shape[0] // 8
    np.testing.assert_array_equal(drawn[side - 1::side, ::side][values[0].sum(axis=2) > 0],
                                  image.overlay(values[0], photos[0])[values[0].sum(axis=2) > 0])
    totals = [float(found) for found in re.findall(r'data-total="([^"]*)"', html)]
    np.testing.assert_allclose(totals, values.sum(axis=(1, 2, 3)))
    assert len(Page(made.to_html()).links) == 2
    with pytest.raises(GraphToolsError, match="images were given for 1 rows"):
        made.to_html(images=photos[:1])


def _grey(picture):
    return picture @ np.array([0.299, 0.587, 0.114])


def test_in_grey_the_sign_is_told_by_lines_through_what_is_negative():
    values = np.array([[-1.0, 1.0, 0.0, -0.5]])
    shown = image.pictures(values, name="a").pictures[0]
    drawn = _grey(_read_png(base64.b64decode(shown.png)))
    against, towards, nothing, half = np.split(drawn, 4, axis=1)
    assert towards.std() == 0 and nothing.std() == 0
    assert against.std() > 10 and 0.5 < half.std() / against.std() < 0.9
    assert 0.1 < np.mean(against < against.max() - 5) < 0.3  # lines, the colour between them is as it was
    assert against.max() == pytest.approx(_grey(np.array(palette().light.negative)), abs=1)


def test_borders_of_what_is_negative_are_dashed():
    values = np.zeros((12, 24))
    values[3:9, 3:9], values[3:9, 15:21] = 1.0, -1.0
    shown = image.pictures(values, np.ones((12, 24)), outlines=True).pictures[-1]
    drawn = _read_png(base64.b64decode(shown.png)).astype(int)
    left, right = np.split(drawn, 2, axis=1)
    assert shown.caption == "regions" and len(np.unique(_grey(left))) == 2 and len(np.unique(_grey(right))) == 3


def test_a_spectrogram_is_a_picture_when_it_is_given_as_one():
    made = dataclasses.replace(result(), values={"sound:0": np.random.RandomState(1).normal(size=(2, 8, 9))})
    assert not Page(made.to_html()).links and len(Page(made.to_html(images=np.zeros((2, 8, 9)))).links) == 6


def test_a_map_without_effect_is_said():
    made = dataclasses.replace(result(), values={"pixels:0": np.zeros((2, 4, 4, 1))})
    assert "nothing is drawn" in made.to_html()
    values = np.ones((2, 4, 4, 1))
    values[0, 0, 0] = np.nan
    assert "drawn as nothing: 1 of 16" in dataclasses.replace(made, values={"pixels:0": values}).to_html()
