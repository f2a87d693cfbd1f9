"""Arrays as other libraries stack them, any number of rows one after another, as points of an evaluator."""

from typing import Any, List, Optional, Sequence, Tuple

import numpy as np

from tf1_ig.engine.at import At
from tf1_ig.errors import InputError


class Stacked:
    """Rows that somebody stacked: which of the evaluator's rows each is, and where it goes among the points.

    Libraries repeat a batch: whole copies one after the other (captum's integrals, ablations), or each row several
    times (captum's NoiseTunnel). The first is taken for granted where ``rows`` does not say which row each one is.

    Args:
      at: the evaluator; its inputs are dense.
      arrays: one ``[stacked, …]`` for each input, in the order of ``at.inputs``.
      rows: int ``[stacked]``, the evaluator's row of each.

    Raises:
      InputError: an input is sparse or missing, a shape does not fit, or it cannot be told whose rows they are.
    """

    def __init__(self, at: At, arrays: Sequence[np.ndarray], rows: Optional[np.ndarray] = None):
        self._at, self._entries = at, at.entries
        ragged = [name for name, value in self._entries.items() if isinstance(value, list)]
        if ragged:
            raise InputError("input %s has rows of different lengths, which no stacked tensor can hold; use at.scores "
                             "and at.gradients with lists" % ragged[0])
        if len(arrays) != len(at.inputs):
            raise InputError("%d tensors were given for the inputs %s; pass one for each, in this order" % (
                len(arrays), ", ".join(at.inputs)))
        for name, array in zip(at.inputs, arrays):
            if array.shape[1:] != self._entries[name].shape[1:] or len(array) != len(arrays[0]):
                raise InputError("input %s was given with shape %s; pass [rows, %s, equally many rows for each input"
                                 % (name, list(array.shape), str(list(self._entries[name].shape[1:]))[1:]))
        self.rows = self._rows(len(arrays[0]), rows)
        order = np.argsort(self.rows, kind="stable")
        counts = np.bincount(self.rows, minlength=len(at))
        self.points = int(counts.max()) if len(order) else 0
        self._point = np.empty(len(order), int)
        self._point[order] = np.concatenate([np.arange(count) for count in counts]) if len(order) else order
        self._arrays = arrays

    def _rows(self, stacked: int, rows: Optional[np.ndarray]) -> np.ndarray:
        count = len(self._at)
        if rows is not None:
            found = np.asarray(rows).astype(int).reshape(-1)
            if len(found) != stacked or (found.size and (found.min() < 0 or found.max() >= count)):
                raise InputError("row numbers are %d numbers for %d stacked rows; pass one below %d for each" % (
                    len(found), stacked, count))
            return found
        if stacked % count:
            raise InputError("%d rows were stacked, which are no whole copies of the %d of the feed; pass the number "
                             "of the row of each as the last argument" % (stacked, count))
        return np.tile(np.arange(count), stacked // count)

    def points_of(self) -> Any:
        """Entries ``[points, rows, …]`` by input; a row with fewer points than others stays as fed in the rest."""
        found = {}
        for name, array in zip(self._at.inputs, self._arrays):
            own = self._entries[name]
            points = np.repeat(own[None], self.points, axis=0)
            points[self._point, self.rows] = array.astype(own.dtype, copy=False)
            found[name] = points
        return found

    def back(self, values: np.ndarray) -> np.ndarray:
        """Of what is known for ``[points, rows, …]`` that of the stacked rows."""
        return np.asarray(values)[self._point, self.rows]


def scores(at: At, arrays: Sequence[np.ndarray], rows: Optional[np.ndarray] = None) -> np.ndarray:
    """Scores ``[stacked]``."""
    stacked = Stacked(at, arrays, rows)
    return stacked.back(at.scores(stacked.points_of())) if stacked.points else np.zeros(0)


def gradients(at: At, arrays: Sequence[np.ndarray], rows: Optional[np.ndarray] = None
              ) -> Tuple[np.ndarray, List[np.ndarray]]:
    """Scores ``[stacked]``, and gradients shaped like the arrays."""
    stacked = Stacked(at, arrays, rows)
    if not stacked.points:
        return np.zeros(0), [np.zeros_like(array) for array in arrays]
    found, by_input = at.gradients(stacked.points_of())
    return stacked.back(found), [stacked.back(by_input[name]) for name in at.inputs]
