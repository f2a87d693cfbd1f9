"""Texts and signed bars as matplotlib figures, for papers and slides (SVG, PNG, PDF); no window, no global state."""

from typing import Any, Dict, Optional, Sequence

import numpy as np

from tf1_ig.errors import package
from tf1_ig.show import blocks, facts, image, palette as palettes, raw, sentence, table, tokens as token_view
from tf1_ig.show.table import Bars
from tf1_ig.show.tokens import Strip, number

_LETTER, _LINE, _SIZE = 0.085, 0.34, 10  # inches of a letter and of a line, points of the font


def figure(bars: Bars, palette: str = "blue-orange", width: float = 6.4) -> Any:
    """Bars (``tf1_ig.show.table``: ``features``, ``aggregate``, ``totals``, ``bars``) as a ``matplotlib`` ``Figure``.

    Args:
      bars: what to draw.
      palette: name of a palette.
      width: inches; the height follows the number of bars.

    Raises:
      MissingPackageError: matplotlib is not installed.

    >>> figure(table.aggregate(attribution)).savefig("features.svg")                       # doctest: +SKIP
    """
    Figure = _figure_class()
    shade = palettes.palette(palette).light
    drawn = Figure(figsize=(width, 0.8 + 0.26 * max(1, len(bars.rows))))
    axes = drawn.add_subplot(111)
    places = range(len(bars.rows))
    finite = [bar.value if bar.kind in ("positive", "negative") else 0.0 for bar in bars.rows]
    colours = [_hex(shade.positive if value > 0 else shade.negative) for value in finite]
    spreads = [(bar.spread or 0.0) * bars.scale for bar in bars.rows]
    drawn_bars = axes.barh(places, finite, color=colours, height=0.7, xerr=spreads if any(spreads) else None,
                           ecolor=_hex(shade.quiet))
    for value, patch in zip(finite, drawn_bars.patches):
        if value < 0:
            patch.set(linewidth=0, **_hatched(shade))
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
    for edge in ("top", "right", "left"):
        axes.spines[edge].set_visible(False)
    axes.tick_params(axis="y", length=0)
    drawn.subplots_adjust(left=0.32, right=0.97, top=1 - 0.3 / drawn.get_figheight(),
                          bottom=0.5 / drawn.get_figheight())
    return drawn


def of_result(attribution: Any, row: int = 0, class_names: Optional[Sequence[str]] = None,
              palette: str = "blue-orange", width: float = 6.4) -> Any:
    """One example as a ``matplotlib`` ``Figure``: its text in colour (the text as it was given where that is known),
    its picture, or signed bars where it has neither, under the sentence that says what speaks for the class and what
    against it.

    Args:
      attribution: the result; row: which example of it.
      class_names, palette: as for ``tf1_ig.show.report.page``.
      width: inches.

    Raises:
      MissingPackageError: matplotlib is not installed.

    >>> of_result(attribution, class_names=["negative", "positive"]).savefig("why.svg")     # doctest: +SKIP
    """
    strips = raw.raw_strips(attribution, row, fold=None)
    for name, each in attribution.tokens.items():
        texts = attribution.texts(name, row)
        if not strips and texts is not None and np.ndim(each[row]) == 1:
            strips.append(token_view.strip(texts, np.asarray(each[row]), fold=None))
    label = facts.class_text(attribution.label_text(row, class_names))
    predicted = facts.class_text(attribution.prediction_text(row, class_names))
    if strips:
        told = sentence.in_words(sentence.sentence(label, predicted, strips[:1]))
        return text_figure(strips[0], told or label, palette, width)
    drawn = [name for name in attribution.values if blocks.is_picture(attribution, name, row, None)]
    if drawn:
        return picture_figure(attribution.values[drawn[0]][row], blocks.ground_of(attribution, drawn[0], row), label,
                              palette, width)
    found = list(table.entries(attribution[row]))
    bars = table.bars([one[3] for one in found], [one[4] for one in found], label, most=20)
    return figure(bars._replace(name=sentence.in_words(sentence.sentence(label, predicted, [bars])) or label), palette,
                  width)


def picture_figure(values: Any, ground: Any = None, title: str = "", palette: str = "blue-orange",
                   width: float = 6.4) -> Any:
    """A map of attributions as a ``matplotlib`` ``Figure``: the picture, the attributions over it, the regions.

    Args:
      values: float ``[height, width]`` or ``[height, width, channels]``.
      ground: the picture itself, or ``None``.
      title, palette, width: as for ``text_figure``.
    """
    shown = image.frames(values, ground, palette, None)
    each, first = (width - 0.2) / len(shown), shown[0]
    height = min(each * first.height / first.width, 2 * each) + 0.75
    drawn = _figure_class()(figsize=(width, height))
    for place, one in enumerate(shown):
        left, wide = (0.1 + each * place) / width, 0.96 * each / width
        axes = drawn.add_axes([left, 0.05 / height, wide, (height - 0.7) / height])
        axes.imshow(one.pixels, aspect="auto", interpolation="nearest")
        axes.set_title(one.caption, fontsize=8, loc="left", pad=3)
        axes.axis("off")
    drawn.text(0.1 / width, 1 - 0.08 / height, title.replace("$", r"\$"), fontsize=_SIZE, va="top")
    return drawn


def text_figure(strip: Strip, title: str = "", palette: str = "blue-orange", width: float = 6.4) -> Any:
    """A strip of tokens as a ``matplotlib`` ``Figure``: words in colour, those against the class underlined.

    Args:
      strip: what ``tf1_ig.show.tokens.strip`` returns.
      title: above it.
      palette: name of a palette; width: inches, the height follows the text.
    """
    shade, places, x, line = palettes.palette(palette).light, [], 0.0, 0
    for token in strip.tokens:
        x += _LETTER * len(token.before)
        breaks, long = "\n" in token.text, _LETTER * max(1, len(token.text))
        if breaks or x and x + long > width - 0.3:
            x, line = 0.0, line + 1
        if token.text.strip():
            places.append((token, x, line))
        x += 0.0 if breaks else long
    height = 0.55 + _LINE * (line + 1)
    drawn = _figure_class()(figsize=(width, height))
    axes = drawn.add_axes([0.15 / width, 0, 1 - 0.3 / width, (height - 0.4) / height])
    axes.set_xlim(0, width - 0.3)
    axes.set_ylim(height - 0.4, 0)
    axes.axis("off")
    for token, left, at in places:
        colour = shade.positive if token.kind == "positive" else shade.negative
        against = token.kind == "negative" and token.strength > 0.1  # so that print in grey keeps the sign
        box = _hatched(shade, token.strength) if against else {"edgecolor": "none"}
        axes.text(left, _LINE * (at + 0.6), token.text.replace("$", r"\$"), fontsize=_SIZE, family="monospace",
                  va="center", zorder=3, bbox=dict(box, facecolor=_mixed(colour, token.strength), linewidth=0, pad=1.5)
                  if token.strength else None)
        if against:
            axes.plot([left, left + _LETTER * len(token.text)], [_LINE * (at + 0.95)] * 2, color=_hex(shade.quiet),
                      linewidth=0.8, linestyle="dashed")
    drawn.text(0.15 / width, 1 - 0.08 / height, title.replace("$", r"\$"), fontsize=_SIZE, va="top")
    return drawn


def _hatched(shade: palettes.Shade, strength: float = 1.0) -> Dict[str, Any]:
    """How a patch looks that speaks against: print in grey keeps the sign."""
    return {"hatch": "////", "edgecolor": _mixed(shade.negative_ink, 0.7 * strength)}


def _mixed(colour: palettes.Colour, strength: float) -> str:
    """A colour of a strength over white paper."""
    return _hex(tuple(int(round(255 - (255 - part) * strength)) for part in colour))


def _figure_class() -> Any:
    return package("matplotlib.figure", "for a figure", "matplotlib, or save the result as .html").Figure


def _hex(colour: Any) -> str:
    return "#%02x%02x%02x" % colour
