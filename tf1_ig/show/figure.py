"""Signed bars as a matplotlib figure, for papers and slides (SVG, PNG, PDF); no window, no global state."""

from tf1_ig.errors import MissingPackageError
from tf1_ig.show import palette as palettes
from tf1_ig.show.table import Bars
from tf1_ig.show.tokens import number


def figure(bars: Bars, palette: str = "blue-orange", width: float = 6.4):
    """Bars (``tf1_ig.show.table``: ``features``, ``aggregate``, ``totals``, ``bars``) as a ``matplotlib`` ``Figure``.

    Args:
      bars: what to draw.
      palette: name of a palette.
      width: inches; the height follows the number of bars.

    Raises:
      MissingPackageError: matplotlib is not installed.

    >>> figure(table.aggregate(attribution)).savefig("features.svg")                       # doctest: +SKIP
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as missing:
        raise MissingPackageError("matplotlib is needed for a figure (%s); install it: pip install matplotlib, or save "
                                  "the result as .html" % missing) from missing
    shade = palettes.palette(palette).light
    drawn = Figure(figsize=(width, 0.8 + 0.26 * max(1, len(bars.rows))))
    axes = drawn.add_subplot(111)
    places = range(len(bars.rows))
    finite = [bar.value if bar.kind in ("positive", "negative") else 0.0 for bar in bars.rows]
    colours = [_hex(shade.positive if value > 0 else shade.negative) for value in finite]
    spreads = [(bar.spread or 0.0) * bars.scale for bar in bars.rows]
    axes.barh(places, finite, color=colours, height=0.7, xerr=spreads if any(spreads) else None,
              ecolor=_hex(shade.quiet))
    for place, bar in zip(places, bars.rows):
        side = 1 if finite[place] >= 0 else -1
        axes.annotate(number(bar.value), (finite[place] + side * spreads[place], place), xytext=(4 * side, 0),
                      textcoords="offset points", ha="left" if side > 0 else "right", va="center", fontsize=8)
    axes.set_yticks(list(places))
    # A dollar sign would be read as mathematics.
    axes.set_yticklabels([" ".join(filter(None, (bar.text, bar.detail))).replace("$", r"\$") for bar in bars.rows])
    axes.invert_yaxis()
    axes.axvline(0, color=_hex(shade.quiet), linewidth=0.8)
    axes.set_xlabel("attribution")
    axes.set_title(bars.name.replace("$", r"\$"), fontsize=10, loc="left")
    axes.margins(x=0.18)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
    drawn.subplots_adjust(left=0.32, right=0.97, top=1 - 0.3 / drawn.get_figheight(),
                          bottom=0.5 / drawn.get_figheight())
    return drawn


def _hex(colour) -> str:
    return "#%02x%02x%02x" % colour
