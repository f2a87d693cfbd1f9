"""Axes of signals and maps: what runs along them, from where to where, and round numbers to mark."""

import math
from typing import Any, NamedTuple, Tuple

_MOST_TICKS = 7


class Tick(NamedTuple):
    """A mark ``share`` of the way along an axis."""

    share: float
    text: str


class Axis(NamedTuple):
    """What runs along an axis: ``start`` at the beginning of the first entry, ``stop`` at the end of the last.

    >>> [tick.text for tick in Axis("time (s)", 0, 1).ticks]
    ['0', '0.2', '0.4', '0.6', '0.8', '1']
    """

    name: str
    start: float
    stop: float

    @property
    def ticks(self) -> Tuple[Tick, ...]:
        reach = self.stop - self.start
        if not (math.isfinite(reach) and reach):
            return ()
        least = abs(reach) / (_MOST_TICKS - 1)
        power = 10.0 ** math.floor(math.log10(least))
        step = next(power * times for times in (1, 2, 5, 10) if power * times >= least * (1 - 1e-9))
        low, high = sorted((self.start, self.stop))
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        return tuple(Tick((number * step - self.start) / reach, ("%.6g" % (number * step)).replace("-", "\u2212"))
                     for number in range(int(first), int(last) + 1))


class Axes(NamedTuple):
    """The axes of a two-dimensional input ``[rows, columns]``.

    ``upright`` draws the rows' axis across and the columns' upwards, as spectrograms ``[time, frequency]`` are drawn;
    otherwise rows run downwards and columns across, as in an image.

    >>> spectrogram = Axes(Axis("time (s)", 0, 1.2), Axis("frequency (kHz)", 0, 8), upright=True)
    """

    rows: Axis
    columns: Axis
    upright: bool = False

    @property
    def across(self) -> Axis:
        return self.rows if self.upright else self.columns

    @property
    def down(self) -> Axis:
        """The vertical axis, from above to below."""
        return Axis(self.columns.name, self.columns.stop, self.columns.start) if self.upright else self.rows

    def turned(self, array: Any) -> Any:
        """The array ``[rows, columns, …]`` as it is drawn, first entry above."""
        return array.swapaxes(0, 1)[::-1] if self.upright else array
