"""A result for a terminal: scores, the strongest tokens as bars, and what the checks say."""

import json
from typing import Any, List, Optional, Sequence

from tf1_ig.result.claims import is_finite
from tf1_ig.result.features import totals
from tf1_ig.show import table
from tf1_ig.show.tokens import number

_TOP = 10   # tokens printed per example
_ROWS = 20  # examples printed; all of them are saved
_WIDE = 80  # characters of a token that are printed
_BAR = 16   # characters of the longest bar


def summary(result: Any, report: Any, class_names: Optional[Sequence[str]] = None) -> str:
    """The result for a terminal: scores, the strongest tokens as bars, and what the checks say."""
    lines: List[str] = []
    for row in range(min(len(result), _ROWS)):
        lines += _row_lines(result, row, class_names)
    if len(result) > _ROWS:
        lines.append("… and %d more examples" % (len(result) - _ROWS))
    told = [finding for finding in report if finding.verdict != "ok"]
    lines.append("checks: %d of %d ok" % (len(report) - len(told), len(report)))
    if told:
        lines += ["  " + line for line in str(type(report)(tuple(told))).splitlines()]
    lines += ["held fixed: " + finding.advice for finding in report if finding.name == "held fixed"]
    return "\n".join(lines + ["note: " + note for note in result.notes])


def _visible(text: str) -> str:
    """A token as a line can hold it: in quotes where white space at its ends, or a line break, would not be seen."""
    text = text if len(text) <= _WIDE else text[:_WIDE] + "…"
    if not text.isprintable():
        return json.dumps(text, ensure_ascii=False)
    return text if text == text.strip() else '"%s"' % text


def _row_lines(result: Any, row: int, class_names: Optional[Sequence[str]]) -> List[str]:
    if not is_finite(result, row):
        return ["[%d] %s" % (row, result.scores_text(row))]
    label, predicted = result.label_text(row, class_names), result.prediction_text(row, class_names)
    head = "[%d] " % row + ("%s%s, " % (label, "" if predicted in ("", label) else " (predicted %s)" % predicted)
                            if label else "")
    lines = [head + result.scores_text(row)]
    one = result[row]
    found, joint = list(table.entries(one)), table.together(one, 0)
    if one.features is not None and set(one.values) <= {each.input for each in one.features[0]}:
        named = list(totals(one.features[0]).items())
    elif joint is not None:
        texts = one.texts(next(iter(one.values)), 0) or ["[%d]" % place for place in range(len(joint))]
        named = [(_visible(text) or "[%d]" % place, float(value)) for place, (text, value) in enumerate(zip(
            texts, joint))]
        lines[0] += "; all inputs together:"
    else:
        told = {name for name in one.values if len(one.values) > 1 and one.texts(name, 0) is not None}
        named = [((_visible(text) or "[%s]" % (position,)) + (
            "  in " + one.input_name(name) if name in told else ""), value) for _, name, position, text, value in found]
    bars = table.bars([text for text, _ in named], [value for _, value in named], most=_TOP).rows
    if all(bar.kind == "zero" for bar in bars):
        return lines + ["    every attribution is zero"]
    for bar in (bar for bar in bars if bar.kind != "zero"):
        sign = "−" if bar.kind == "negative" else "+"
        lines.append("    %10s  %-*s  %s" % (number(bar.value), _BAR, sign * int(round(_BAR * bar.share)), bar.text))
    return lines
