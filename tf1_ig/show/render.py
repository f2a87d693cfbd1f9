"""Templates to HTML: one jinja2 environment, autoescape always on, templates beside this file."""

import math

import jinja2

from tf1_ig.show import palette as palettes
from tf1_ig.show.tokens import number


def plain(value: float) -> str:
    """An unsigned-looking number for people: four significant digits, a true minus sign."""
    return ("%.4g" % value).replace("-", "−") if math.isfinite(value) else number(value)


_environment = jinja2.Environment(loader=jinja2.PackageLoader("tf1_ig.show", "templates"), autoescape=True,
                                  trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
_environment.filters["number"] = number
_environment.filters["plain"] = plain


def render(template: str, palette: str = "blue-orange", **context) -> str:
    """The template as HTML; every value is escaped on the way in."""
    chosen = palettes.palette(palette)
    return _environment.get_template(template).render(
        light=palettes.variables(chosen.light), dark=palettes.variables(chosen.dark), **context)
