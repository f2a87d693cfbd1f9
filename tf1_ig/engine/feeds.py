"""How fed values belong to the rows of a batch, and feeds for other sets of rows made from them.

The points of a path are run as rows of one large batch, so everything else that is fed must be repeated along: row by
row, in equal blocks (several entries a row), as a sparse triple, or not at all.
"""

import os
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from graph_tools.errors import FeedError
from graph_tools.graph import names
from graph_tools.running.values import as_array, cut_short, in_dtype

Shape = Optional[Tuple[Optional[int], ...]]


def describe(name: str, dtype: Any, shape: Shape) -> str:
    """A tensor for an error message: name, dtype and shape."""
    sizes = "unknown shape" if shape is None else "[%s]" % ", ".join("?" if n is None else str(n) for n in shape)
    return "%s (%s, %s)" % (name, np.dtype(dtype).name if dtype is not object else "string", sizes)


def as_fed(name: str, value: Any, dtype: Any, shape: Shape) -> np.ndarray:
    """The value as an array of the tensor's dtype, or a ``FeedError`` where that would change it.

    Args:
      name: the tensor's name, for the message.
      value: what the caller feeds; anything ``np.asarray`` takes, and lists of ``bytes``, which it would cut short.
      dtype: the tensor's numpy dtype (``object`` for strings).
      shape: its static shape, ``None`` for unknown dimensions or rank.
    """
    what = describe(name, dtype, shape)
    try:
        array = as_array(value)
        if array.dtype == object and any(one is None for one in array.ravel().tolist()):
            raise FeedError("the feed for %s holds None; feed a value for each element" % what)
        if array.dtype == object and dtype is not object and not _has_texts(array):
            array = np.asarray(value, dtype)
    except (TypeError, ValueError, OverflowError) as wrong:
        raise FeedError("the feed for %s is not an array (rows of unequal length?): %s; pad the rows to one length"
                        % (what, wrong)) from None
    array = _cast(what, array, dtype)
    fits = shape is None or (len(shape) == array.ndim and all(
        size is None or size == given for size, given in zip(shape, array.shape)))
    if not fits:
        raise FeedError("the feed for %s has shape %s; feed an array of the tensor's shape" % (
            what, list(array.shape)))
    return array


def _has_texts(array: np.ndarray) -> bool:
    return any(isinstance(one, (bytes, str)) for one in array.ravel().tolist())


def _cast(what: str, array: np.ndarray, dtype: Any) -> np.ndarray:
    if dtype is object:
        wrong = array.dtype if array.dtype.kind not in "OSU" else next((
            type(one).__name__ for one in array.ravel().tolist() if not isinstance(one, (bytes, str))), None)
        if wrong is not None:
            raise FeedError("the feed for %s holds %s values; feed strings" % (what, wrong))
        if cut_short(array):
            raise FeedError("the feed for %s is a numpy array of kind 'S', which drops the NULs that binary values end "
                            "in; feed a list of bytes, or an array of dtype object" % what)
        return array.astype(object)
    dtype = np.dtype(dtype)
    if array.dtype == dtype:
        return array
    if array.dtype.kind in "OSU":
        raise FeedError("the feed for %s holds strings; feed %s values" % (what, dtype.name))
    if (array.dtype.kind == "b") != (dtype.kind == "b") or array.dtype.kind not in "biuf":
        raise FeedError("the feed for %s holds %s values; feed %s values" % (what, array.dtype, dtype.name))
    try:
        return in_dtype(array, dtype)
    except ValueError as wrong:
        raise FeedError("the feed for %s %s" % (what, wrong)) from None


class FedTensor(NamedTuple):
    """A fed value and how it belongs to the batch.

    ``block`` entries along ``axis`` belong to each row; a block of 0 means that all rows share the value.
    ``part`` is ``"indices"``, ``"values"`` or ``"shape"`` for the three tensors of a sparse feed, ``mates`` their names
    in that order, and ``indices`` the indices, whose first column is the row.
    """

    name: str
    value: np.ndarray
    axis: int = 0
    block: int = 0
    part: str = ""
    mates: Tuple[str, str, str] = ("", "", "")
    indices: Optional[np.ndarray] = None
    decided: bool = False


def belong(values: Mapping[str, np.ndarray], shapes: Mapping[str, Shape], batch: int, batch_axis: Optional[int],
           free_batch: bool, shared: Iterable[str] = (), by_row: Iterable[str] = ()) -> Dict[str, FedTensor]:
    """The likeliest way in which each fed value belongs to ``batch`` rows; what the caller says is decided.

    Args:
      values: arrays by tensor name.
      shapes: static shapes by tensor name.
      batch: number of examples.
      batch_axis: axis of the rows, ``None`` when the feed is one example.
      free_batch: whether the graph takes any number of rows; then a feed whose static leading size is fixed is shared.
      shared, by_row: names the caller has decided.
    """
    triples = _sparse_triples(values, batch) if batch_axis == 0 else {}
    fed = {}
    for name, value in values.items():
        axis = batch_axis if batch_axis is not None and value.ndim > batch_axis else 0
        if batch_axis is None or value.ndim == 0 or name in shared:
            fed[name] = FedTensor(name, value, decided=True)
        elif name in triples:
            part, mates = triples[name]
            fed[name] = FedTensor(name, value, 0, 1, part, mates, values[mates[0]], True)
        elif name in by_row:
            if value.shape[axis] % batch:
                raise FeedError("the feed for %s has %d entries along axis %d, not a multiple of the %d rows; leave it "
                                "out of {argument}" % (name, value.shape[axis], axis, batch), argument="row_feeds")
            fed[name] = FedTensor(name, value, axis, value.shape[axis] // batch, decided=True)
        else:
            fed[name] = _guess(name, value, axis, shapes.get(name), batch, free_batch)
    return fed


def _guess(name: str, value: np.ndarray, axis: int, shape: Shape, batch: int, free_batch: bool) -> FedTensor:
    size = value.shape[axis]
    fixed = shape is not None and len(shape) > axis and shape[axis] is not None
    if size % batch or size == 0 or (fixed and free_batch):
        return FedTensor(name, value, decided=True)
    return FedTensor(name, value, axis, size // batch)


def _sparse_triples(values: Mapping[str, np.ndarray], batch: int) -> Dict[str, Tuple[str, Tuple[str, str, str]]]:
    """Three feeds that make a SparseTensor of ``batch`` rows, whatever they are called: by their dtypes and lengths.

    Where several fit, names decide (``p/indices``, ``p/values``, ``p/shape`` as sparse_placeholder calls them share
    more of their name with each other than with others'); the probe tells whether the choice was right.
    """
    found: Dict[str, Tuple[str, Tuple[str, str, str]]] = {}
    for name, value in values.items():
        if value.ndim != 2 or value.dtype != np.int64 or (value.size and value[:, 0].max() >= batch):
            continue
        entries, axes = value.shape
        lists = [other for other, one in values.items() if one.ndim == 1 and len(one) == entries and other not in found]
        shapes = [other for other, one in values.items() if one.ndim == 1 and len(one) == axes and one.dtype == np.int64
                  and one[0] == batch and other not in found]
        shape = _most_alike(name, shapes)
        mates = (name, _most_alike(name, [other for other in lists if other != shape]), shape)
        if all(mates):
            found.update((mate, (part, mates)) for part, mate in zip(("indices", "values", "shape"), mates))
    return found


def sparse_examples(values: Mapping[str, np.ndarray]) -> int:
    """The most examples that a sparse feed says it has in its shape; 0 when nothing sparse is fed."""
    said = [int(value[0]) for value in values.values()
            if value.ndim == 1 and value.dtype == np.int64 and len(value) > 1]
    return max((count for count in said if count > 0 and _sparse_triples(values, count)), default=0)


def _most_alike(name: str, others: Sequence[str]) -> str:
    """The name that shares the longest beginning with ``name``; ``""`` when there is none."""
    return max(others, key=lambda other: len(os.path.commonprefix([name, other])), default="")


def rows_of(values: Mapping[str, np.ndarray], shapes: Mapping[str, Shape], batch_axis: Optional[int]) -> Dict[str, int]:
    """Lengths along the batch axis of the feeds that may have any; those of sparse feeds are no rows."""
    found = {}
    sparse = _sparse_triples(values, sparse_examples(values))
    for name, value in values.items():
        shape = shapes.get(name)
        if batch_axis is not None and value.ndim > batch_axis and name not in sparse and (
                shape is None or shape[batch_axis] is None):
            found[name] = value.shape[batch_axis]
    return found


def take_rows(fed: Mapping[str, FedTensor], rows: np.ndarray, batch: int) -> Dict[str, np.ndarray]:
    """The feed of a batch whose row ``i`` is row ``rows[i]`` of the caller's batch."""
    whole = len(rows) == batch and np.array_equal(rows, np.arange(batch))
    return {name: tensor.value if whole or not tensor.block else _take(tensor, rows, batch)
            for name, tensor in fed.items()}


def of_rows(fed: Mapping[str, FedTensor], rows: np.ndarray, batch: int) -> Dict[str, FedTensor]:
    """``take_rows`` for feeds that are to be taken from again."""
    values = take_rows(fed, rows, batch)
    return {name: tensor._replace(value=values[name], indices=values[tensor.mates[0]] if tensor.part else None)
            for name, tensor in fed.items()}


def _take(tensor: FedTensor, rows: np.ndarray, batch: int) -> np.ndarray:
    if tensor.part:
        return _take_sparse(tensor, rows)
    moved = np.moveaxis(tensor.value, tensor.axis, 0)
    blocks = moved.reshape((batch, tensor.block) + moved.shape[1:])[rows]
    return np.moveaxis(blocks.reshape((-1,) + moved.shape[1:]), 0, tensor.axis)


def _take_sparse(tensor: FedTensor, rows: np.ndarray) -> np.ndarray:
    if tensor.part == "shape":
        return np.concatenate([np.array([len(rows)], tensor.value.dtype), tensor.value[1:]])
    indices = np.asarray(tensor.indices)
    owner = indices[:, 0]
    entries, position = RowEntries(owner, int(np.max(rows, initial=-1)) + 1).take(rows)
    if tensor.part == "values":
        return tensor.value[entries]
    return np.concatenate([position[:, None].astype(np.int64), indices[entries, 1:]], axis=1)


def repeated(fed: Mapping[str, FedTensor], batch: int, times: int) -> Dict[str, FedTensor]:
    """The feed of a batch that holds the caller's rows several times, one whole copy after the other."""
    rows = np.tile(np.arange(batch), times)
    return dict(fed) if times == 1 else {name: tensor if not tensor.block else tensor._replace(
        value=_take(tensor, rows, batch),
        indices=None if tensor.indices is None else _take_sparse(tensor._replace(part="indices"), rows))
            for name, tensor in fed.items()}


class RowEntries:
    """Which entries belong to each row, in their order.

    Args:
      owner: the row of each entry.
      count: how many rows there are, those without entries included.

    >>> entries = RowEntries(np.array([1, 0, 1]), 3)
    >>> entries.of(1), entries.of(2)
    (array([0, 2]), array([], dtype=int64))
    """

    def __init__(self, owner: np.ndarray, count: int):
        self._order = np.argsort(owner, kind="stable")
        self._counts = np.bincount(owner, minlength=count)
        self._starts = np.cumsum(self._counts) - self._counts

    def of(self, row: int) -> np.ndarray:
        """Positions of the entries of one row."""
        return self._order[self._starts[row]:self._starts[row] + self._counts[row]]

    def take(self, rows: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        """Entries of the given rows one after the other, and for each entry the position of its row in ``rows``."""
        counts = self._counts[rows]
        ends = np.cumsum(counts)
        position = np.repeat(np.arange(len(rows)), counts)
        first = self._starts[rows] - (ends - counts)
        return self._order[first[position] + np.arange(len(position))], position

    @property
    def even(self) -> bool:
        """Whether all rows have equally many entries and these lie row after row."""
        return bool((self._counts == self._counts[:1]).all() and (self._order == np.arange(len(self._order))).all())


def row_vectors(arrays: Sequence[np.ndarray], entries_of: Sequence[RowEntries], count: int) -> List[np.ndarray]:
    """For each of ``count`` rows its entries of all arrays, one after the other, as a flat vector."""
    if all(each.even for each in entries_of):
        flat = [array.reshape((count, -1)) for array in arrays]
        return list(flat[0] if len(flat) == 1 else np.concatenate(flat, axis=1))
    return [end_to_end([array[as_slice(each.of(row))] for array, each in zip(arrays, entries_of)])
            for row in range(count)]


def as_slice(positions: np.ndarray) -> Any:
    """The positions as a slice where they follow one another, so that what they pick is a view and not a copy.

    >>> as_slice(np.array([3, 4, 5])), as_slice(np.array([3, 5]))
    (slice(3, 6, None), array([3, 5]))
    """
    count = len(positions)
    if count == 1:  # of each row of each input: all else takes many times as long
        return slice(int(positions[0]), int(positions[0]) + 1)
    if count and positions[-1] - positions[0] == count - 1 and (positions[1:] > positions[:-1]).all():
        return slice(int(positions[0]), int(positions[-1]) + 1)
    return positions


def end_to_end(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """The arrays as one flat vector; a single one is not copied."""
    return arrays[0].ravel() if len(arrays) == 1 else np.concatenate([array.ravel() for array in arrays])


def unpack_sparse(key: Any, value: Any) -> List[Tuple[Any, Any]]:
    """A SparseTensor fed by its placeholder, or a SparseTensorValue by the placeholder's name, as three feeds."""
    parts = ("indices", "values", "dense_shape")
    if not all(hasattr(value, part) for part in parts):
        return [(key, value)]
    if all(hasattr(key, part) for part in parts):
        tensors = [getattr(key, part) for part in parts]
    else:
        stem = names.parse(names.tensor_name(key)).node
        tensors = [stem + suffix + ":0" for suffix in ("/indices", "/values", "/shape")]
    return [(tensor, getattr(value, part)) for tensor, part in zip(tensors, parts)]
