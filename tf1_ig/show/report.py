"""The page of a result: one card per example with its text, images or features, the facts and the checks."""

from typing import Any, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from graph_tools.report import Report
from tf1_ig.attribution import EXACT
from tf1_ig.check import check
from tf1_ig.errors import ShowError
from tf1_ig.show import image, path, raw, render, table, tokens as token_view
from tf1_ig.show.facts import Fact, class_text, facts, texts_by_input, verdict

_FRAGMENT_ROWS = 5  # a notebook cell shows the first examples; the page shows all


class _Options(NamedTuple):
    class_names: Optional[Sequence[str]]
    palette: str
    join: Optional[str]
    fold: Optional[int]
    scale: Any


class Card(NamedTuple):
    """One example, ready to draw."""

    row: int
    label: str
    prediction: str
    verdict: str
    verdict_text: str
    facts: Tuple[Fact, ...]
    blocks: Tuple[Any, ...]
    scale: Optional[float]
    strongest: Tuple[token_view.Strip, ...]
    totals: Optional[table.Bars]
    path: Optional[path.Curve]


def page(attribution, tokens: Optional[Sequence[Any]] = None, class_names: Optional[Sequence[str]] = None,
         title: Optional[str] = None, palette: str = "blue-orange", join: Optional[str] = None,
         fold: Optional[int] = token_view.FOLD_ABOVE, scale: Any = "row", images: Any = None,
         report: Optional[Report] = None) -> str:
    """One self-contained HTML page: no script, no network, light and dark.

    Args:
      attribution: the result to show.
      tokens: texts, a list per row (or one list when there is one row); ``None`` takes what the result knows
        (``attribution.texts``), else positions.
      class_names: names of the classes by number.
      title: heading of the page.
      palette: name of a palette (``tf1_ig.show.palette.PALETTES``).
      join: what stands between tokens; ``None`` decides by the tokens.
      fold: texts longer than this are folded to the passages that matter; ``None`` never folds.
      scale: the magnitude that gets the full colour: ``"row"`` (largest of each example), ``"all"`` or a number.
      images: the pictures that were explained, ``[batch, height, width]`` or with channels, shown beside their
        attributions.
      report: what the checks said; ``None`` checks the result (a report of the explainer too knows more of the graph).

    Raises:
      ShowError: tokens or images for another number of rows, an unknown palette.
    """
    options = _Options(class_names, palette, join, fold, scale)
    context = _context(attribution, tokens, images, options, len(attribution), report)
    return render.render("page.html", palette, title=title or _question(attribution, class_names),
                         subtitle="%s of %s, attributed to %s" % (
                             attribution.technique, attribution.output, ", ".join(attribution.values)), **context)


def fragment(attribution, tokens: Optional[Sequence[Any]] = None, class_names: Optional[Sequence[str]] = None,
             palette: str = "blue-orange", join: Optional[str] = None, fold: Optional[int] = token_view.FOLD_ABOVE,
             scale: Any = "row", images: Any = None) -> str:
    """The same as one HTML element for a notebook cell, first examples only; its styles stay inside it."""
    options = _Options(class_names, palette, join, fold, scale)
    context = _context(attribution, tokens, images, options, min(_FRAGMENT_ROWS, len(attribution)))
    return render.render("fragment.html", palette, **context)


def _context(attribution, tokens, images, options, most, report=None):
    texts = texts_by_input(attribution, tokens)
    if images is not None and len(images) != len(attribution):
        raise ShowError("images were given for %d rows, the result has %d; give one per row" % (
            len(images), len(attribution)))
    sums = attribution.tokens
    cards = [_card(attribution, sums, {name: rows[row] for name, rows in texts.items()},
                   None if images is None else images[row], row, options) for row in range(most)]
    asked = ("tolerance %.3g" % attribution.tolerance if attribution.tolerance is not None else
             "fixed steps" if attribution.completeness == EXACT else "single points")
    words = "Method %s (%s), baseline %s, points run %s." % (
        attribution.method, asked, attribution.baseline, attribution.running)
    held = ("Held at their own values along the path: %s." % ", ".join(attribution.held_fixed),)
    return {"cards": cards, "report": check(attribution) if report is None else report,
            "more": len(attribution) - most, "method_text": words,
            "notes": (held if attribution.held_fixed else ()) + tuple(attribution.notes)}


def _question(attribution, class_names) -> str:
    labels = {class_text(attribution.label_text(row, class_names)) for row in range(len(attribution))}
    if len(labels) == 1 and labels != {""}:
        return "Why %s?" % labels.pop()
    return "What decides %s?" % attribution.output


def _scale(sums, row, scale) -> float:
    if scale == "row":
        return token_view.largest(*[each[row] for each in sums.values()])
    if scale == "all":
        return token_view.largest(*[part for each in sums.values() for part in each])
    if isinstance(scale, (int, float)) and scale > 0:
        return float(scale)
    raise ShowError("scale is \"row\", \"all\" or a positive number, not %r" % (scale,))


def _card(attribution, sums, texts, picture, row, options) -> Card:
    scale = _scale(sums, row, options.scale)
    pictures = {name for name in sums if _is_picture(attribution, name, row, picture)}
    together = None if pictures else table.together(attribution, row, texts)
    if together is not None:
        scale = max(scale, token_view.largest(together))
    raws = raw.raw_strips(attribution, row)
    scale = max([scale] + [strip.scale for strip in raws])
    raws = raw.raw_strips(attribution, row, scale, options.fold)
    blocks = [_block(attribution, name, row, np.asarray(each[row]), texts[name], picture, scale, options)
              for name, each in sums.items()]
    if together is not None:
        blocks.insert(0, token_view.strip(texts[next(iter(sums))], together, "all inputs together", scale,
                                          options.join, options.fold))
    ranked = blocks[:1] if together is not None else [block for block in blocks if isinstance(block, token_view.Strip)]
    blocks = raws + blocks
    return Card(
        row, class_text(attribution.label_text(row, options.class_names)),
        class_text(attribution.prediction_text(row, options.class_names)), *verdict(attribution, row),
        facts=facts(attribution, row), blocks=tuple(blocks), scale=scale if len(pictures) < len(sums) else None,
        strongest=tuple(strip for strip in ranked if strip.strongest and strip.count > 4),
        totals=table.totals(attribution, row) if len(sums) > 1 else None, path=path.curve(attribution, row))


def _blur(attribution, name, row) -> Tuple[str, ...]:
    """The standard errors of one input's tokens in words, where the result is a mean over several paths."""
    if attribution.token_standard_error is None:
        return ()
    errors = np.asarray(attribution.token_standard_error[name][row], np.float64).reshape(-1)
    return ("Standard errors of the means: %s at most, median %s." % (
        token_view.number(errors.max()), token_view.number(np.median(errors))),) if len(errors) else ()


def _is_picture(attribution, name, row, picture) -> bool:
    """Whether one example of an input is drawn as a picture: ``[height, width, channels]``, or of the given picture."""
    shape = np.shape(attribution.values[name][row])
    return len(shape) == 3 or (picture is not None and shape[:2] == np.shape(picture)[:2] and len(shape) == 2)


def _block(attribution, name, row, sums, texts, picture, scale, options):
    """The view that fits the shape of one input: a strip of tokens, pictures, or signed bars."""
    if _is_picture(attribution, name, row, picture):
        fits = picture is not None and np.shape(picture)[:2] == np.shape(attribution.values[name][row])[:2]
        return image.pictures(attribution.values[name][row], picture if fits else None, name, options.palette)
    if sums.ndim == 1:
        strip = token_view.strip(texts, sums, name, scale, options.join, options.fold)
        return strip._replace(notes=strip.notes + _blur(attribution, name, row))
    if sums.ndim == 0:
        return table.features(np.asarray(attribution.values[name][row]), texts, name)
    return table.largest_entries(sums, name)
