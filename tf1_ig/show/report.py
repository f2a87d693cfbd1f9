"""The page of a result: one card per example with its text, images or features, the facts and the checks."""

import dataclasses
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from graph_tools.report import Report
from tf1_ig.check import check
from tf1_ig.check.scores import ROUNDING, size_of
from tf1_ig.errors import ShowError
from tf1_ig.result.claims import EXACT, NONE
from tf1_ig.show import blocks, grid, path, raw, render, table, tokens as token_view
from tf1_ig.show.facts import Fact, class_text, facts, texts_by_input, verdict
from tf1_ig.show.sentence import Sentence, sentence
from tf1_ig.show.words import merge_result

_FRAGMENT_ROWS = 5  # a notebook cell shows the first examples; the page shows all


class _Options(NamedTuple):
    class_names: Optional[Sequence[str]]
    palette: str
    join: Optional[str]
    fold: Optional[int]
    scale: Any
    axes: Any
    outlines: Optional[bool]


class Card(NamedTuple):
    """One example, ready to draw."""

    row: int
    label: str
    prediction: str
    verdict: str
    verdict_text: str
    facts: Tuple[Fact, ...]
    sentence: Sentence
    raws: Tuple[token_view.Strip, ...]  # the text as it was given, coloured in place
    blocks: Tuple[Any, ...]
    scale: Optional[float]
    strongest: Tuple[token_view.Strip, ...]
    totals: Optional[table.Bars]
    features: Optional[table.Bars]
    by_tensor_folded: bool  # the features say it all: tensors are for who wants to look behind them
    path: Optional[path.Curve]
    apart: str = ""  # where other examples have another scale: by how much


def page(attribution: Any, tokens: Optional[Sequence[Any]] = None, class_names: Optional[Sequence[str]] = None,
         title: Optional[str] = None, palette: str = "blue-orange", join: Optional[str] = None,
         fold: Optional[int] = token_view.FOLD_ABOVE, scale: Any = "row", images: Any = None,
         axes: Any = None, outlines: Optional[bool] = None, words: Any = None, report: Optional[Report] = None) -> str:
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
        attributions; ``None`` takes the attributed values where they are a picture.
      axes: what runs along inputs that are no photographs: an ``Axis`` for a signal, ``Axes`` for a map such as a
        spectrogram (``tf1_ig.show.axes``), for all inputs or by input name.
      outlines: also outline the regions of a picture that matter.
      words: a style of ``tf1_ig.show.words`` (``"wordpiece"``, ``"sentencepiece"``, ``"spaces"``), or the words of
        every row: pieces and characters are shown merged into words, their attributions summed.
      report: what the checks said; ``None`` checks the result (a report of the explainer too knows more of the graph).

    Raises:
      ShowError: tokens or images for another number of rows, an unknown palette.
    """
    options = _Options(class_names, palette, join, fold, scale, axes, outlines)
    context = _context(attribution, tokens, images, words, options, len(attribution), report)
    return render.render("page.html", palette, title=title or _question(attribution, class_names),
                         subtitle="%s of %s, attributed to %s" % (
                             attribution.technique, attribution.output,
                             ", ".join(map(attribution.input_name, attribution.values))),
                         **context)


def fragment(attribution: Any, tokens: Optional[Sequence[Any]] = None, class_names: Optional[Sequence[str]] = None,
             palette: str = "blue-orange", join: Optional[str] = None, fold: Optional[int] = token_view.FOLD_ABOVE,
             scale: Any = "row", images: Any = None, axes: Any = None, outlines: Optional[bool] = None,
             words: Any = None) -> str:
    """The same as one HTML element for a notebook cell, first examples only; its styles stay inside it."""
    options = _Options(class_names, palette, join, fold, scale, axes, outlines)
    context = _context(attribution, tokens, images, words, options, min(_FRAGMENT_ROWS, len(attribution)))
    return render.render("fragment.html", palette, **context)


def _context(attribution: Any, tokens: Any, images: Any, words: Any, options: Any, most: Any,
             report: Any = None) -> Any:
    report = check(attribution) if report is None else report
    if words is not None:
        if tokens is not None:
            given = texts_by_input(attribution, tokens)
            attribution = dataclasses.replace(attribution, token_texts=next(iter(given.values())))
        attribution, tokens = merge_result(attribution, words), None
    texts = texts_by_input(attribution, tokens)
    if images is not None and len(images) != len(attribution):
        raise ShowError("images were given for %d rows, the result has %d; give one per row" % (
            len(images), len(attribution)))
    sums = attribution.tokens
    cards = [_card(attribution, sums, texts, None if images is None else images[row], row, options)
             for row in range(most)]
    cards = _scales_told(cards)
    asked = ("tolerance %.3g" % attribution.tolerance if attribution.tolerance is not None else
             "fixed steps" if attribution.completeness == EXACT else "single points")
    words = "Method %s (%s), baseline %s, points run %s." % (
        attribution.method, asked, attribution.baseline, attribution.running)
    held = ("Held at their own values along the path: %s." % ", ".join(
        attribution.known_as(name) for name in attribution.held_fixed),)
    return {"cards": cards, "report": report, "measures": attribution.measures,
            "grids": grid.grids(attribution, texts, options.class_names, most),
            "more": len(attribution) - most, "method_text": words,
            "notes": (held if attribution.held_fixed else ()) + tuple(attribution.notes)}


def _scales_told(cards: List[Card]) -> List[Card]:
    """The cards with a word on their scales, where the full colour of another example stands for something else."""
    texts = _against_widest({card.row: card.scale for card in cards if card.scale}, "; scale=\"all\" draws one scale")
    by_input: Dict[str, Dict[int, float]] = {}
    for card in cards:
        for block in card.blocks:
            if getattr(block, "full", 0):  # of a picture or a signal
                by_input.setdefault(block.name, {})[card.row] = block.full
    drawn = {name: _against_widest(scales, "") for name, scales in by_input.items()}

    def told(block: Any, row: int) -> Any:
        more = drawn.get(block.name, {}).get(row) if getattr(block, "full", 0) else None
        return block if more is None else block._replace(notes=block.notes + (more,))

    return [card._replace(apart=texts.get(card.row, ""), blocks=tuple(told(block, card.row) for block in card.blocks))
            for card in cards]


def _against_widest(scales: Dict[int, float], more: str) -> Dict[int, str]:
    """What is said of each example's scale, but of the one that reaches furthest; nothing where they are alike."""
    if not scales or max(scales.values()) < 1.2 * min(scales.values()):
        return {}
    widest = max(scales, key=lambda row: scales[row])
    return {row: "Full colour stands for %.2g of what it stands for in example %d%s." % (
        scale / scales[widest], widest, more) for row, scale in scales.items() if row != widest}


def _question(attribution: Any, class_names: Optional[Sequence[str]]) -> str:
    labels = {class_text(attribution.label_text(row, class_names)) for row in range(len(attribution))}
    if len(labels) == 1 and labels != {""}:
        return "Why %s?" % labels.pop()
    return "What decides %s?" % attribution.output


def _scale(attribution: Any, sums: Any, texts: Any, row: Any, picture: Any, options: Any) -> float:
    """The magnitude of the full colour; pictures and signals have a scale of their own."""
    if options.scale in ("row", "all"):
        rows = [row] if options.scale == "row" else range(len(attribution))
        return max(_reach(attribution, sums, {name: of[at] for name, of in texts.items()}, at, picture, options)
                   for at in rows)
    if isinstance(options.scale, (int, float)) and options.scale > 0:
        return float(options.scale)
    raise ShowError("scale is \"row\", \"all\" or a positive number, not %r" % (options.scale,))


def _reach(attribution: Any, sums: Any, texts: Any, row: Any, picture: Any, options: Any) -> float:
    """The largest magnitude that is shown of an example: of a token, of all inputs together, of a piece of raw text."""
    drawn = _drawn(attribution, sums, texts, row, picture, options)
    together = None if drawn else table.together(attribution, row, texts)
    shown = [each[row] if np.ndim(each[row]) else attribution.values[name][row] for name, each in sums.items()
             if name not in drawn] + ([] if together is None else [together])
    shown += [np.sum(each[row], axis=1) for name, each in sums.items() if blocks.is_words(each[row], texts[name])]
    return max([token_view.largest(*shown)] + [strip.scale for strip in raw.raw_strips(attribution, row)])


def _carrying(raws: List[token_view.Strip], shown: List[Any]) -> List[token_view.Strip]:
    """The raw texts that hold the better part of what the tokens say; the rest may be on padding."""
    most = max([block.mass for block in shown if isinstance(block, token_view.Strip)] + [0.0])
    return [one for one in raws if 2 * one.mass >= most]


def _drawn(attribution: Any, sums: Any, texts: Any, row: Any, picture: Any, options: Any) -> Any:
    return {name for name in sums if blocks.is_drawn(attribution, name, row, texts[name], picture, options)}


def _card(attribution: Any, sums: Any, every_text: Any, picture: Any, row: Any, options: Any) -> Card:
    texts = {name: rows[row] for name, rows in every_text.items()}
    drawn = _drawn(attribution, sums, texts, row, picture, options)
    together = None if drawn else table.together(attribution, row, texts)
    scale = _scale(attribution, sums, every_text, row, picture, options)
    # Below rounding there is nothing to see: noise must not be stretched to full colours.
    above = 0.0 if attribution.completeness == NONE else ROUNDING * float(size_of(attribution)[row])
    scale = scale if scale > above else 0.0
    raws = raw.raw_strips(attribution, row, scale, options.fold)
    shown = blocks.by_column(attribution, row, texts, {
        name: blocks.block(attribution, name, row, np.asarray(each[row]), texts[name], picture, scale, above, options)
        for name, each in sums.items()}, scale)
    if together is not None:
        shown.insert(0, token_view.strip(texts[next(iter(sums))], together, "all inputs together", scale, options.join,
                                         options.fold)._replace(told=raw.shows_all(attribution, list(sums), row)))
    ranked = shown[:1] if together is not None else [block for block in shown if isinstance(block, token_view.Strip)]
    by_feature = table.by_category(attribution, row)
    label = class_text(attribution.label_text(row, options.class_names))
    prediction = class_text(attribution.prediction_text(row, options.class_names))
    return Card(
        row, label, prediction, *verdict(attribution, row),
        facts=facts(attribution, row), sentence=sentence(label, prediction, _carrying(raws, shown) + [
            by_feature] * (by_feature is not None) + shown), raws=tuple(raws), blocks=tuple(shown),
        scale=scale if len(drawn) < len(sums) else None,
        strongest=tuple(strip for strip in ranked if strip.strongest and strip.count > 4),
        totals=table.totals(attribution, row) if len(sums) > 1 else None,
        features=by_feature, path=path.curve(attribution, row),
        by_tensor_folded=attribution.features is not None and set(attribution.values) <= {
            one.input for one in attribution.features[row]})
