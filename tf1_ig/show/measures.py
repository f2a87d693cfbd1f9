"""A report of measures as a page: what was tested, each number with its control and interval, curves, flip sets."""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from tf1_ig.result import entries
from tf1_ig.show import render, tokens as token_view
from tf1_ig.show.facts import class_text

_LEFT, _RIGHT, _TOP, _BOTTOM = 8.0, 232.0, 8.0, 92.0   # the template's viewBox is 240 by 100
ROWS = 50                                              # that are drawn; all are counted
_SOME = 12                                             # tokens that are named in a caption
_NAMED = {"deletion": "Tokens removed, those that matter most first",
          "insertion": "Tokens put in, those that matter most first"}


class Drawn(NamedTuple):
    """A curve in drawing units: its polyline, the band of the random orders, and both in words."""

    name: str
    points: str
    band: str
    caption: str


class Row(NamedTuple):
    """One row: what is explained, its tokens with those of the flip set marked, its curves."""

    row: int
    label: str
    strips: Tuple[Any, ...]
    flips: Tuple[int, ...]
    flip_text: str
    curves: Tuple[Drawn, ...]


def page(report: Any, title: str, subtitle: str = "", palette: str = "blue-orange",
         about: Sequence[Tuple[str, str]] = (), attribution: Any = None, class_names: Optional[Sequence[str]] = None,
         paired: Any = None) -> str:
    """One self-contained HTML page.

    Args:
      report: what ``tf1_ig.evaluate`` returned.
      about: names and values of what was tested: rows, seed, digest of the model; an auditor signs for them.
      attribution: what was judged; its texts are shown with the flip set marked.
      class_names: names of the classes by number.
      paired: what ``tf1_ig.compare_measures`` said against another explanation.

    >>> html = page(tf1_ig.evaluate(explainer, feed, "top"), "Is it worth believing?")      # doctest: +SKIP
    """
    rows = [] if attribution is None else [
        _row(report, attribution, row, class_names) for row in range(min(ROWS, len(attribution)))]
    return render.render("measures.html", palette, title=title, subtitle=subtitle, report=report, about=about,
                         rows=rows, more=0 if attribution is None else len(attribution) - len(rows), paired=paired,
                         verdict=statement(report))


def statement(report: Any) -> str:
    """The verdict of a whole report in one sentence.

    >>> from graph_tools.report import Finding, Report
    >>> statement(Report((Finding("deletion", "ok", 0.5), Finding("stability", "warn", 0.4))))
    'Of 2 measures 1 passes, 1 wants a look (stability) and none fails.'
    """
    named = {kind: [one.name for one in report if one.verdict == kind] for kind in ("ok", "warn", "fail")}

    def some(kind: str, one: str, many: str) -> str:
        found = named[kind]
        return "none %s" % one if not found else "%d %s (%s)" % (
            len(found), one if len(found) == 1 else many, ", ".join(found))

    passes = len(named["ok"])
    return "Of %d measures %d %s, %s and %s." % (
        len(report), passes, "passes" if passes == 1 else "pass", some("warn", "wants a look", "want a look"),
        some("fail", "fails", "fail"))


def _row(report: Any, attribution: Any, row: int, class_names: Any) -> Row:
    found: Dict[str, Any] = {one.name: one for one in report}
    flips = found["flip set"].positions[row] if "flip set" in found else ()
    strips: List[Any] = []
    words: List[str] = []
    for name in attribution.tokens:
        values, texts = _judged(attribution, name, row)
        at = len(words)
        strip = token_view.strip(texts, values, name if len(attribution.values) > 1 else "", fold=None)
        strips.append((strip, tuple(place - at for place in flips if at <= place < at + len(values))))
        words += map(token_view.printable, texts)
    told = "" if "flip set" not in found else (
        "Without the marked %s the model decides otherwise: the fewest that were found, run to be sure." % (
            "token" if len(flips) == 1 else "%d tokens" % len(flips)) if flips else
        "No set of tokens was found whose removal changes what the model decides.")
    curves = tuple(_drawn(name, found[name], row, words) for name in _NAMED if name in found and found[name].curves)
    return Row(row, class_text(attribution.label_text(row, class_names)), tuple(strips), tuple(flips), told, curves)


def _judged(attribution: Any, name: str, row: int) -> Tuple[np.ndarray, List[str]]:
    """What measures take away of an input in a row, one by one: its tokens, or the numbers of a plain row; named."""
    values = np.asarray(attribution.tokens[name][row])
    if not values.ndim:
        values = np.ravel(attribution.values[name][row])
    texts = entries.names(attribution, name, row, shape=values.shape)
    if values.size > 1 and entries.is_one_category(attribution, name, row):
        texts = ["%s[%d]" % (texts[0], place) for place in range(values.size)]
    return np.ravel(values), texts


def _drawn(name: str, measured: Any, row: int, words: Sequence[str]) -> Drawn:
    curve = measured.curves[row]
    known = np.isfinite(curve.scores) & np.isfinite(curve.low) & np.isfinite(curve.high)
    across, scores, least, most = (np.asarray(each, np.float64)[known] for each in curve)
    if not len(across):
        return Drawn(name, "", "", _NAMED[name] + ": nothing to draw.")
    low, high = float(min(least.min(), scores.min())), float(max(most.max(), scores.max()))

    def places(x: np.ndarray, y: np.ndarray) -> List[str]:
        up = (y - low) / (high - low) if high > low else np.full(len(y), 0.5)
        return ["%.1f,%.1f" % each for each in zip(_LEFT + (_RIGHT - _LEFT) * x, _BOTTOM - (_BOTTOM - _TOP) * up)]

    caption = "%s: score from %.3g to %.3g (band: random orders); area %.2f. %s" % (
        _NAMED[name], scores[0], scores[-1], measured.rows[row], _until(name, measured.positions[row], words))
    return Drawn(name, " ".join(places(across, scores)),
                 " ".join(places(across, most) + places(across[::-1], least[::-1])), caption)


def _until(name: str, places: Sequence[int], words: Sequence[str]) -> str:
    """Which tokens went or came until the decision changed, in words."""
    if not places:
        return "The decision never changes." if name == "deletion" else "The decision is made without any."
    named = ", ".join(words[place] for place in places[:_SOME])
    return "The decision %s %d token%s: %s%s." % (
        "changes without" if name == "deletion" else "is that of the whole with", len(places), "s" * (len(places) > 1),
        named, ", …" if len(places) > _SOME else "")
