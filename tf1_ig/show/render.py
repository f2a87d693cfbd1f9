"""Templates to HTML: one jinja2 environment, autoescape always on, templates beside this file."""

import contextlib
import functools
import math
import os
import sys
from typing import Any

from tf1_ig.show import palette as palettes
from tf1_ig.show.tokens import number


def plain(value: float) -> str:
    """An unsigned-looking number for people: four significant digits, a true minus sign."""
    return ("%.4g" % value).replace("-", "−") if math.isfinite(value) else number(value)


def _compiled() -> Any:
    """Where compiled templates are kept: beside Python's own modules, by interpreter; ``None``: nowhere.

    Each is known by the digest of its source, and takes a tenth of a second to be compiled.
    """
    import jinja2

    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__pycache__")
    if sys.dont_write_bytecode or getattr(sys, "pycache_prefix", None):
        return None
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError:
        return None
    if not os.access(folder, os.W_OK):
        return None

    class Kept(jinja2.FileSystemBytecodeCache):
        def dump_bytecode(self, bucket: Any) -> None:
            with contextlib.suppress(OSError):  # a full disk: the page may go to another one
                super().dump_bytecode(bucket)

    return Kept(folder, "%%s.%s.cache" % sys.implementation.cache_tag)


@functools.lru_cache(maxsize=None)
def _environment() -> Any:
    import jinja2  # many small modules, and most commands write no page

    made = jinja2.Environment(loader=jinja2.PackageLoader("tf1_ig.show", "templates"), autoescape=True,
                              trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined,
                              bytecode_cache=_compiled())
    made.filters["number"] = number
    made.filters["plain"] = plain
    return made


def render(template: str, palette: str = "blue-orange", **context: Any) -> str:
    """The template as HTML; every value is escaped on the way in."""
    chosen = palettes.palette(palette)
    return _environment().get_template(template).render(
        light=palettes.variables(chosen.light), dark=palettes.variables(chosen.dark), **context)
