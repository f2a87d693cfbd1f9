"""A page of what many explanations say: a table for each slice, a bar for each mean with its interval."""

import math
import urllib.parse
from typing import Any, Mapping, Sequence

from tf1_ig.show import render
from tf1_ig.show.tokens import printable


def page(title: str, by: Any, rows: Mapping[str, int], lines: Sequence[Any], most: int,
         failed: Sequence[Any] = (), judged: Sequence[str] = ()) -> str:
    """The page, in HTML that stands alone.

    Args:
      title: what it is about.
      by: what the slices are made of.
      rows: rows of each slice.
      lines: ``tf1_ig.scale.aggregates.Line``s, strongest first within a slice.
      most: lines shown of a slice.
      failed: ``tf1_ig.scale.aggregates.Failed``s.
      judged: addresses of pages that say what the explanations are worth.
    """
    slices = []
    for name in sorted(rows):
        shown = [line for line in lines if line.slice == name][:most]
        top = max([abs(line.mean) for line in shown] + [1e-300])
        slices.append({"name": name, "rows": rows[name], "lines": [
            {"name": printable(line.name), "count": line.count, "mean": line.mean, "absolute": line.mean_absolute,
             "interval": 0.0 if math.isnan(line.standard_error) else 1.96 * line.standard_error,
             "known": not math.isnan(line.standard_error), "positive": 100 * line.positive,
             "low": line.quantiles[0], "high": line.quantiles[-1], "width": 100 * abs(line.mean) / top,
             "examples": ", ".join("%s (%+.3f)" % example for example in line.examples)} for line in shown]})
    doubtful = [{"name": one.name, "count": one.count, "examples": ", ".join(map(printable, one.examples)),
                 "more": one.count > len(one.examples)} for one in failed]
    return render.render("many.html", title=title, by=by, slices=slices, total=sum(rows.values()), failed=doubtful,
                         judged=[(urllib.parse.quote(name), name) for name in judged])
