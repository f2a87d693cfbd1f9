import base64
import dataclasses
import re

import numpy as np
import pytest

from graph_tools.errors import GraphToolsError
from tests.tf1_ig.html_reader import Page
from tests.tf1_ig.results import result
from tests.tf1_ig.test_show_image import _read_png
from tf1_ig.show import image, signal
from tf1_ig.show.axes import Axes, Axis

SPECTROGRAM = Axes(Axis("time (s)", 0.0, 1.2), Axis("frequency (kHz)", 0.0, 8.0), upright=True)


def _explained(values, actual=None, **fields):
    made = result(values=((0.1,),) * len(values), **fields)
    return dataclasses.replace(made, values={"x:0": values}, actual=None if actual is None else {"x:0": actual})


@pytest.mark.parametrize("axis, shown", [
    (Axis("t", 0, 1), ["0", "0.2", "0.4", "0.6", "0.8", "1"]), (Axis("t", 0, 8), ["0", "2", "4", "6", "8"]),
    (Axis("t", 8, 0), ["0", "2", "4", "6", "8"]), (Axis("t", -1, 1), ["−1", "−0.5", "0", "0.5", "1"]),
    (Axis("t", 0, 0.0035), ["0", "0.001", "0.002", "0.003"]), (Axis("t", 3, 3), []), (Axis("t", 0, float("inf")), [])])
def test_axes_are_marked_at_round_numbers(axis, shown):
    assert [tick.text for tick in axis.ticks] == shown
    for tick in axis.ticks:
        place = axis.start + tick.share * (axis.stop - axis.start)
        assert abs(place - float(tick.text.replace("−", "-"))) < 1e-9 and -1e-9 <= tick.share <= 1 + 1e-9


@pytest.mark.parametrize("count", [1, 7, 180, 181, 8000])
def test_bars_add_samples_up_and_lose_none(count):
    values = np.random.RandomState(count).normal(size=count)
    drawn = signal.wave(values, np.sin(np.arange(count)))
    np.testing.assert_allclose([bar.value for bar in drawn.bars], [
        values[bar.first:bar.last].sum() for bar in drawn.bars], atol=1e-12)
    assert sum(bar.value for bar in drawn.bars) == pytest.approx(values.sum()) == pytest.approx(drawn.total)
    assert drawn.bars[0].first == 0 and drawn.bars[-1].last == count
    heights = np.array([float(bar.height) for bar in drawn.bars])
    sums = np.array([bar.value for bar in drawn.bars])
    np.testing.assert_allclose(heights / heights.max(), np.abs(sums) / drawn.full, atol=2e-4)
    assert all((bar.kind == "p") == (bar.value > 0) for bar in drawn.bars)


def test_the_line_keeps_every_peak():
    samples = np.zeros(50000)
    samples[[777, 40001]] = 1.0, -2.0
    drawn = signal.wave(np.zeros(50000), samples)
    heights = [float(point.split(",")[1]) for point in drawn.line.split()]
    assert min(heights) == 12.0 and max(heights) == 92.0 and (drawn.low, drawn.high) == ("−2", "+1")
    assert "exactly zero" in drawn.notes[1]


def test_signals_that_make_no_picture():
    with np.errstate(all="raise"):
        assert "drawn as nothing: 1 of 3" in signal.wave([np.nan, 1.0, 2.0]).notes[0]
        assert signal.wave([0.0, 0.0], [3.0, 3.0]).full == 0.0
        assert "above rounding" in signal.wave([1e-12, 0.0], scale=0).notes[0]
    for values, samples in ((np.zeros((2, 2, 2)), None), (np.zeros(3), np.zeros(4))):
        with pytest.raises(GraphToolsError):
            signal.wave(values, samples)


def test_a_page_draws_sound_along_its_axis_and_its_numbers_are_the_results():
    values = np.random.RandomState(0).normal(size=(2, 900, 1))
    made = _explained(values, np.cos(np.arange(1800)).reshape(2, 900, 1))
    html = made.to_html(axes={"x:0": Axis("time (s)", 0, 0.5)})
    Page(html)
    assert "time (s)" in html and html.count("class=\"line\"") == 2
    bars = [float(found) for found in re.findall(r'class="bar [pn]?" data-value="([^"]+)"', html)]
    totals = [float(found) for found in re.findall(r'data-total="([^"]+)"', html)]
    np.testing.assert_allclose([sum(bars[:180]), sum(bars[180:])], values.sum(axis=(1, 2)))
    np.testing.assert_allclose(totals, values.sum(axis=(1, 2)))
    assert "class=\"line\"" in made.to_html() and ">sample<" in made.to_html()  # numbers without names, many
    assert "<svg class=\"signal\"" not in made.to_html(tokens=[["a"] * 900] * 2, fold=None)


def test_a_spectrogram_stands_upright_with_time_across():
    values = np.random.RandomState(1).normal(size=(1, 12, 5))
    made = _explained(values, np.arange(60.0).reshape(1, 12, 5))
    page = Page(made.to_html(axes=SPECTROGRAM))
    assert len(page.links) == 2
    words = " ".join(page.text)
    assert "time (s)" in words and "frequency (kHz)" in words
    drawn = _read_png(base64.b64decode(page.links[1].partition(",")[2]))
    expected = image.overlay(values[0], np.arange(60.0).reshape(12, 5) / 59).swapaxes(0, 1)[::-1]
    towards = values[0].T[::-1] > 0  # what is negative is hatched, the turned way round, too
    np.testing.assert_array_equal(drawn[::drawn.shape[0] // 5, ::drawn.shape[1] // 12][towards], expected[towards])
    cells = drawn.reshape(5, drawn.shape[0] // 5, 12, drawn.shape[1] // 12, 3).std(axis=(1, 3)).max(axis=2)
    assert not cells[towards].any() and cells[~towards].all()
    row, column = np.unravel_index(np.argmax(values[0]), (12, 5))
    assert "time (s) %.4g, frequency (kHz) %.4g" % ((row + 0.5) / 12 * 1.2, (column + 0.5) / 5 * 8) in words


@pytest.mark.parametrize("shape", [(1, 1, 40, 3), (1, 40, 1, 3)])
def test_a_line_in_the_shape_of_a_picture_is_a_signal(shape):
    values = np.random.RandomState(1).normal(size=shape)
    page = _explained(values, np.ones(shape)).to_html()
    assert "<svg class=\"signal\"" in page and not Page(page).links
    bars = [float(found) for found in re.findall(r'class="bar [pn]?" data-value="([^"]+)"', page)]
    np.testing.assert_allclose(bars[:40], values.reshape(40, 3).sum(axis=1))


def test_an_image_of_the_callers_own_numbers_needs_no_second_feed():
    photo = np.random.RandomState(2).uniform(size=(1, 6, 6, 3))
    made = _explained(np.random.RandomState(1).normal(size=(1, 6, 6, 3)), photo)
    assert Page(made.to_html()).links == Page(made.to_html(images=photo)).links
    assert len(Page(made.to_html(outlines=True)).links) == 3
