"""Rows in, output rows out: what LIME, SHAP's kernel explainer and anchors ask of a model."""

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from tf1_ig.rows.spec import ExplanationSpec

ROWS_AT_ONCE = 256


class predict:
    """A model as a function of rows as people have them, by an explanation spec.

    Args:
      spec: an ``ExplanationSpec`` (``tf1_ig.load_spec``).
      column: the column that texts stand in where rows are plain strings (LIME's and anchors' text explainers give
        those); ``None``: the spec's only column.
      empty: the text that stands in for one that has nothing but white space: LIME asks what the model says when all
        words are gone, and most models take no row without a token.

    ``predict(rows)`` takes a list of mappings of column to value, or of texts, and returns float ``[rows, classes]``
    (whatever one output row is). It holds one explainer open (``.explainer``): close it, or use it as a context
    manager.

    Raises:
      RowError: a row that the spec cannot encode; ValueError: texts for a spec of several columns.

    Example:
      >>> with tf1_ig.bridges.predict(tf1_ig.load_spec("spec.json"), empty="?") as classify:           # doctest: +SKIP
      ...     lime.lime_text.LimeTextExplainer().explain_instance("A superb film.", classify)
    """

    def __init__(self, spec: ExplanationSpec, column: Any = None, empty: Optional[str] = None):
        self.spec = spec
        self._column, self._empty = column, empty
        self.explainer = spec.open()

    def __call__(self, rows: Sequence[Any]) -> np.ndarray:
        given = [self._row(row) for row in rows]
        found: List[np.ndarray] = []
        for first in range(0, len(given), ROWS_AT_ONCE):
            feed, _ = self.spec.feed(given[first:first + ROWS_AT_ONCE])
            found.append(self.explainer.outputs(feed))
        return np.concatenate(found) if found else np.zeros(0)

    def feed(self, rows: Sequence[Any]) -> Tuple[Dict[str, Any], Any]:
        """The feed of rows or texts, and their tokens, as ``spec.feed`` has them."""
        return self.spec.feed([self._row(row) for row in rows])

    def _row(self, row: Any) -> Mapping[str, Any]:
        if isinstance(row, Mapping):
            return row
        column = self._column
        if column is None:
            if len(self.spec.columns) != 1:
                raise ValueError("rows are plain values and the spec has the columns %s; pass column=, or rows as "
                                 "mappings of column to value" % ", ".join(self.spec.columns))
            column = self.spec.columns[0]
        if isinstance(row, str):
            row = self._empty if self._empty is not None and not row.strip() else str(row)
        return {column: row}

    def __enter__(self) -> "predict":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Closes the explainer."""
        self.explainer.close()
