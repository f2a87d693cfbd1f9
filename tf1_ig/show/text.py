"""Tokens coloured by their signed strength, for any tokens and numbers (no result record needed)."""

from typing import Any, Optional, Sequence

import numpy as np

from tf1_ig.errors import ShowError, package
from tf1_ig.show import render, tokens as token_view


def text_html(tokens: Sequence[Any], attrs: Any, title: str = "", palette: str = "blue-orange",
              join: Optional[str] = None, fold: Optional[int] = token_view.FOLD_ABOVE,
              scale: Optional[float] = None) -> str:
    """An HTML element with the tokens coloured by strength, a legend, and the numbers on hover.

    Args:
      tokens: texts (str or bytes), or one list of texts per example.
      attrs: float ``[tokens]``, or ``[tokens, dim]`` which is summed over ``dim``; a list of such per example.
      title: a heading.
      palette, join, fold: as in ``tf1_ig.show.report.page``.
      scale: the magnitude that gets the full colour; ``None`` takes the largest of all.

    Raises:
      ShowError: another number of token lists than of attribution rows, or attributions of a rank above 2.

    >>> html = text_html(["good", "<unk>"], [0.5, -0.25])
    >>> "&lt;unk&gt;" in html and 'data-value="-0.25"' in html
    True
    """
    tokens = list(tokens)
    several = bool(tokens) and isinstance(tokens[0], (list, tuple, np.ndarray))
    texts = tokens if several else [tokens]
    rows = [_row(each) for each in (attrs if several else [attrs])]
    if len(texts) != len(rows):
        raise ShowError("%d lists of tokens were given with %d rows of attributions; give one list per row"
                        % (len(texts), len(rows)))
    scale = token_view.largest(*rows) if scale is None else float(scale)
    strips = [token_view.strip(text, row, "", scale, join, fold) for text, row in zip(texts, rows)]
    return render.render("strips.html", palette, strips=strips, title=title, scale=scale)


def visualize_token_attrs(tokens: Sequence[Any], attrs: Any, **options: Any) -> Any:
    """The tokens coloured by strength as an ``IPython.display.HTML``.

    Args:
      tokens: texts, or one list of texts per example.
      attrs: float ``[tokens]`` or ``[tokens, dim]``, or a list of such per example.
      **options: as in ``text_html``.

    Raises:
      MissingPackageError: IPython is not installed (``text_html`` needs none).

    >>> visualize_token_attrs(["not", "bad"], [-0.4, 0.9])                                # doctest: +SKIP
    """
    display = package("IPython.display", "to show HTML in a notebook", "ipython, or call tf1_ig.show.text.text_html")
    return display.HTML(text_html(tokens, attrs, **options))


def _row(attrs: Any) -> np.ndarray:
    row = np.asarray(attrs, np.float64)
    if row.ndim not in (1, 2):
        raise ShowError("attributions of one example have the shape [tokens] or [tokens, dim], not %s"
                        % (list(row.shape),))
    return row if row.ndim == 1 else np.sum(row, axis=-1)
