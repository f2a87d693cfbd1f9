"""A report of measures as a page: number, control, verdict, cost and advice of each."""

from typing import Any

from tf1_ig.show import render


def page(report: Any, title: str, subtitle: str = "", palette: str = "blue-orange") -> str:
    """One self-contained HTML page.

    Args:
      report: what ``tf1_ig.evaluate`` returned.

    >>> html = page(tf1_ig.evaluate(explainer, feed, "top"), "Is it worth believing?")      # doctest: +SKIP
    """
    return render.render("measures.html", palette, title=title, subtitle=subtitle, report=report)
