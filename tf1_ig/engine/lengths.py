"""How long the rows of a batch are, as far as what is fed tells.

A loop over tokens runs as often as the longest row of a run needs, and a padded matrix is as wide; rows of about one
length in a run save the rest. Only the order of rows depends on these lengths: a wrong guess costs time, and moves no
number by more than rows in other company do.
"""

from typing import Any, Iterator, List, Mapping, Sequence

import numpy as np

from tf1_ig.engine.feeds import FedTensor


def of_rows(count: int, actual: Sequence[np.ndarray], owner: Sequence[np.ndarray],
            feeds: Mapping[str, FedTensor]) -> np.ndarray:
    """A number for each of ``count`` rows, larger for longer ones: what every input says, each relative to its longest.

    Args:
      count: number of rows.
      actual: the attributed entries of each input.
      owner: the row that each entry belongs to.
      feeds: everything else that is fed.
    """
    total = np.zeros(count)
    for lengths in _all_lengths(count, actual, owner, feeds):
        longest = lengths.max() if len(lengths) else 0
        if longest > lengths.min():
            total += lengths / longest
    return total


def _all_lengths(count: int, actual: Any, owner: Any, feeds: Any) -> Iterator[np.ndarray]:
    widths: List[int] = [0]
    for array, rows in zip(actual, owner):
        entries = np.bincount(rows, minlength=count)
        yield entries
        if len(array) == count and array.ndim > 2 and (entries == 1).all():
            widths.append(array.shape[1])
            yield _used(array)[np.argsort(rows, kind="stable")]
    for tensor in feeds.values():
        if tensor.part == "indices" and (tensor.value[:, 0] >= 0).all():  # else TensorFlow refuses it
            yield np.bincount(tensor.value[:, 0], minlength=count)
    by_row = [np.moveaxis(tensor.value, tensor.axis, 0) for tensor in feeds.values()
              if tensor.block == 1 and not tensor.part]
    for value in by_row:
        if value.ndim > 1:
            widths.append(value.shape[1])
            yield _used(value)
    for value in by_row:
        if value.ndim == 1 and value.dtype.kind in "iu" and value.min() >= 0 and value.max() <= max(widths):
            yield value.astype(np.float64)  # a number that no row is too narrow for is likely its length


def _used(padded: np.ndarray) -> np.ndarray:
    """How much of each row comes before what its end repeats: ``[5, 3, 0, 0]`` is 2 long (and then its padding)."""
    rows, width = padded.shape[:2]
    if not padded.size:
        return np.zeros(rows)
    differs = (padded != padded[:, -1:]).reshape(rows, width, -1).any(axis=2)
    return np.where(differs.any(axis=1), width - np.argmax(differs[:, ::-1], axis=1), 0)
