"""A page of what many explanations say: slices side by side, a table and a swarm for each, the rows behind them."""

import collections
import math
import urllib.parse
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from tf1_ig.show import render, tokens as token_view
from tf1_ig.show.tokens import printable

EXAMPLES = 60       # rows that are shown whole
_SLICES = 8         # side by side
_SWARMS = 12        # features of one slice
_DOTS = 150         # of one feature
_ENTRIES = 2000     # of a row that is drawn
_WIDTH, _HEIGHT, _DOT = 640, 46, 4


class Swarm(NamedTuple):
    """A feature's contributions as dots: across what it contributes, darker where the feature's own value is larger."""

    name: str
    dots: Tuple[Tuple[float, float, float], ...]


def page(title: str, by: Any, rows: Mapping[str, int], lines: Sequence[Any], most: int, failed: Sequence[Any] = (),
         judged: Sequence[str] = (), examples: Optional[Mapping[str, Mapping[str, Any]]] = None) -> str:
    """The page, in HTML that stands alone.

    Args:
      title: what it is about.
      by: what the slices are made of.
      rows: rows of each slice.
      lines: ``tf1_ig.scale.aggregates.Line``s, strongest first within a slice.
      most: lines shown of a slice.
      failed: ``tf1_ig.scale.aggregates.Failed``s.
      judged: addresses of pages that say what the explanations are worth.
      examples: rows of ``tf1_ig.scale.SCHEMA`` by key, which the tables link to.
    """
    examples = dict(examples or {})
    anchors = {key: "row-%d" % number for number, key in enumerate(examples)}
    slices = []
    for name in sorted(rows):
        own = [line for line in lines if line.slice == name]
        slices.append({"name": name, "rows": rows[name], "lines": _table(own[:most], anchors),
                       "swarms": _swarms([line for line in own if 2 * line.count >= rows[name]][:_SWARMS])})
    doubtful = [{"name": one.name, "count": one.count, "examples": [(printable(key), anchors.get(key)) for key in
                                                                    one.examples],
                 "more": one.count > len(one.examples)} for one in failed]
    total = sum(rows.values())
    return render.render("many.html", title=title, subtitle="%d explained rows by %s" % (total, by), slices=slices,
                         beside=_beside(rows, lines, most), failed=doubtful, width=_WIDTH, height=_HEIGHT,
                         judged=[(urllib.parse.quote(name), name) for name in judged],
                         examples=[_example(anchors[key], row) for key, row in examples.items()])


def keys_shown(lines: Sequence[Any], most: int, failed: Sequence[Any] = ()) -> List[str]:
    """Keys of the rows that the page of these lines speaks of, as many as are shown whole."""
    shown: Dict[str, int] = {}
    keys: Dict[str, None] = {}
    for line in lines:
        shown[line.slice] = shown.get(line.slice, 0) + 1
        if shown[line.slice] <= most:
            keys.update(dict.fromkeys(key for key, _ in line.examples))
    doubted = [key for one in failed for key in one.examples]
    return list(dict.fromkeys(doubted + list(keys)))[:EXAMPLES]


def _table(shown: Sequence[Any], anchors: Mapping[str, str]) -> List[Dict[str, Any]]:
    top = max([abs(line.mean) for line in shown] + [1e-300])
    return [{"name": printable(line.name), "count": line.count, "mean": line.mean, "absolute": line.mean_absolute,
             "interval": _interval(line), "positive": 100 * line.positive, "low": line.quantiles[0],
             "high": line.quantiles[-1], "width": 100 * abs(line.mean) / top,
             "examples": [(printable(key), value, anchors.get(key)) for key, value in line.examples]} for line in shown]


def _interval(line: Any) -> Any:
    return None if math.isnan(line.standard_error) else 1.96 * line.standard_error


def _beside(rows: Mapping[str, int], lines: Sequence[Any], most: int) -> Any:
    """The strongest names of all slices, a column for each of the largest slices; ``None`` for a single one."""
    names = sorted(sorted(rows, key=lambda name: -rows[name])[:_SLICES])
    if len(names) < 2:
        return None
    by_name: Dict[str, Dict[str, Any]] = {}
    for line in lines:
        if line.slice in names:
            by_name.setdefault(line.name, {})[line.slice] = line
    strongest = {name: max(abs(line.mean) for line in of.values()) for name, of in by_name.items()}
    shown = sorted(by_name, key=lambda name: (-strongest[name], name))[:most]
    top = max([strongest[name] for name in shown] + [1e-300])
    cells = [(printable(name), [None if line is None else (line.mean, _interval(line), abs(line.mean) / top, line.count)
                                for line in (by_name[name].get(where) for where in names)]) for name in shown]
    return {"slices": names, "lines": cells, "left_out": len(rows) - len(names)}


def _swarms(lines: Sequence[Any]) -> Any:
    """The features that most rows have, on one scale; ``None`` where there are fewer than two."""
    samples = [(line.name, line.sample[:_DOTS]) for line in lines]
    values = [value for _, sample in samples for value, _ in sample if math.isfinite(value)]
    if len(samples) < 2 or not values:
        return None
    low, high = min(values + [0.0]), max(values + [0.0])
    reach = (high - low) or 1.0

    def across(value: float) -> float:
        return _DOT + (value - low) / reach * (_WIDTH - 2 * _DOT)

    return {"low": low, "high": high, "zero": across(0.0), "coloured": any(
        given == given for _, sample in samples for _, given in sample),
        "lines": [Swarm(printable(name), tuple(_dots(sample, across))) for name, sample in samples]}


def _dots(sample: Sequence[Tuple[float, float]], across: Any) -> List[Tuple[float, float, float]]:
    """Places of dots, stacked to both sides where they would lie on each other, and how dark each is."""
    known = sorted(given for _, given in sample if given == given)
    stacked: Dict[int, int] = {}
    found = []
    for value, given in sample:
        if not math.isfinite(value):
            continue
        x = across(value)
        place = stacked[round(x / _DOT)] = stacked.get(round(x / _DOT), -1) + 1
        aside = min((place + 1) // 2 * _DOT, _HEIGHT / 2 - _DOT)
        rank = (known.index(given) + 0.5) / len(known) if given == given else 0.5
        found.append((x, _HEIGHT / 2 + (aside if place % 2 else -aside), 0.15 + 0.85 * rank))
    return found


def _example(anchor: str, row: Mapping[str, Any]) -> Dict[str, Any]:
    drawn = len(row["tokens"]) <= _ENTRIES
    several = [name for name, count in collections.Counter(row["inputs"]).items() if count > 1]
    groups: Dict[str, List[Tuple[str, float]]] = {}
    for name, text, value in zip(row["inputs"], row["tokens"], row["attributions"]):
        # Columns of a table are inputs of one number each: they stand side by side.
        groups.setdefault(name if name in several else "", []).append((text, value))
    strips = [token_view.strip([text for text, _ in of], [value for _, value in of], name=name if len(groups) > 1 else
                               "", scale=token_view.largest(row["attributions"]), join=None if name else "  ")
              for name, of in groups.items()] if drawn else []
    return {"anchor": anchor, "key": printable(row["key"]), "label": printable(row["label_name"]), "strips": strips,
            "prediction": printable(row["prediction_name"]), "score": row["score"], "start": row["baseline_score"],
            "checks": ([] if row["converged"] else ["converged"]) + list(row["failing_checks"]),
            "entries": len(row["tokens"])}
