"""Templates to HTML: one jinja2 environment, autoescape always on, templates beside this file."""

import functools
import math
from typing import Any

from tf1_ig.show import palette as palettes
from tf1_ig.show.tokens import number


def plain(value: float) -> str:
    """An unsigned-looking number for people: four significant digits, a true minus sign."""
    return ("%.4g" % value).replace("-", "−") if math.isfinite(value) else number(value)


@functools.lru_cache(maxsize=None)
def _environment() -> Any:
    import jinja2  # many small modules, and most commands write no page

    made = jinja2.Environment(loader=jinja2.PackageLoader("tf1_ig.show", "templates"), autoescape=True,
                              trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    made.filters["number"] = number
    made.filters["plain"] = plain
    return made


def render(template: str, palette: str = "blue-orange", **context: Any) -> str:
    """The template as HTML; every value is escaped on the way in."""
    chosen = palettes.palette(palette)
    return _environment().get_template(template).render(
        light=palettes.variables(chosen.light), dark=palettes.variables(chosen.dark), **context)
