"""Baselines: the input that stands for *nothing there*. One function and one line in ``BASELINES`` for each named one.

The baseline is a value of the attributed tensors (embedding rows, pixels); everything else that is fed stays as the
caller fed it, so that score and baseline score differ by the attributed tensors alone.
"""

from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from graph_tools.graph import names
from tf1_ig.engine.feeds import RowEntries
from tf1_ig.errors import BaselineError


class Inputs(NamedTuple):
    """The attributed tensors at the caller's input: entries along axis 0, and the row each entry belongs to."""

    names: Sequence[str]
    entries: Sequence[np.ndarray]
    owner: Sequence[np.ndarray]
    batch: int
    # The same tensors under the caller's feed with some values replaced.
    under: Callable[[Mapping[Any, Any]], List[np.ndarray]]
    # The axis of the rows in the tensors themselves (the entries have it in front).
    axis: int = 0
    # The inputs of the whole feed, where these are some of its rows, and what takes those of arrays like its entries.
    whole: Optional[Tuple[Any, Callable[[List[np.ndarray]], List[np.ndarray]]]] = None

    def block(self, number: int) -> int:
        """How many entries each row has, where all have equally many; else 0."""
        owner = np.asarray(self.owner[number])
        block = len(owner) // self.batch
        return block if np.array_equal(owner, np.repeat(np.arange(self.batch), block)) else 0


def zero(inputs: Inputs) -> List[np.ndarray]:
    """All zeros."""
    return [np.zeros_like(entries) for entries in inputs.entries]


def mean(inputs: Inputs) -> List[np.ndarray]:
    """The mean over the rows of the feed, position by position where rows are equally long, else over all entries."""
    return [_mean(entries, entries, inputs, number) for number, entries in enumerate(inputs.entries)]


BASELINES: Dict[str, Callable[[Inputs], List[np.ndarray]]] = {
    "zero": zero,
    "mean": mean,
}


def _mean(rows: np.ndarray, like: np.ndarray, inputs: Inputs, number: int) -> np.ndarray:
    block = inputs.block(number)
    try:
        if block and len(rows) % block == 0:
            means = rows.reshape((-1, block) + rows.shape[1:]).mean(axis=0)
            return np.broadcast_to(means, (inputs.batch, block) + like.shape[1:]).reshape(like.shape).astype(like.dtype)
        return np.broadcast_to(rows.mean(axis=0), like.shape).astype(like.dtype)
    except ValueError:
        raise BaselineError("rows of shape %s were given for the baseline of %s; their mean must broadcast to %s" % (
            list(rows.shape), inputs.names[number], list(like.shape[1:]))) from None


def describe(baseline: Any) -> str:
    """A baseline in words: its name or number, else what shapes it has."""
    if isinstance(baseline, str):
        return baseline
    if isinstance(baseline, Mapping):
        return "{%s}" % ", ".join("%s: %s" % (key if isinstance(key, str) else names.tensor_name(key), value if np.ndim(
            value) == 0 else "array %s" % (list(np.shape(value)),)) for key, value in baseline.items())
    if isinstance(baseline, (list, tuple)) and any(isinstance(each, str) or np.ndim(each) for each in baseline):
        return ", ".join(map(describe, baseline)) if len(baseline) < 4 else "%d baselines" % len(baseline)
    return str(baseline) if np.ndim(baseline) == 0 else "array %s" % (list(np.shape(baseline)),)


class Several(NamedTuple):
    """How many baselines there are, and each as ``resolve`` returns it, made when it is asked for."""

    size: int
    of: Callable[[int], List[np.ndarray]]


def several(given: Any, inputs: Inputs, seed: int = 0) -> Several:
    """Several baselines; one at a time is laid out.

    Args:
      given: a list of what ``resolve`` takes; an array with one row of the attributed tensor along its first axis for
        each baseline; ``{tensor: such an array}``, where the tensor may also be one that is fed, such as the ids; or
        ``{"noise": n}`` for ``n`` rows of uniform noise between the smallest and the largest number of each example's
        own input.
      inputs: the attributed tensors at the caller's input.
      seed: of the noise.

    Raises:
      BaselineError: none at all, arrays of unequal length, or what does not fit.
    """
    if isinstance(given, Mapping) and set(given) == {"noise"}:
        if isinstance(given["noise"], bool) or not isinstance(given["noise"], int) or given["noise"] < 1:
            raise BaselineError("{'noise': n} takes a whole number of rows, not %r" % (given["noise"],))
        return Several(given["noise"], lambda number: drawn(
            inputs, (seed, number), "uniform", lambda own, low, high, noise: low + (high - low) * noise))
    if isinstance(given, Mapping):
        lengths = {len(np.atleast_1d(np.asarray(rows))) for rows in given.values()}
        if len(lengths) != 1:
            raise BaselineError("the arrays of several baselines have %s rows; give equally many of each tensor" % (
                " and ".join(map(str, sorted(lengths))) or "no"))
        each = [{tensor: np.asarray(rows)[number] for tensor, rows in given.items()} for number in range(lengths.pop())]
    elif isinstance(given, (list, tuple)) or np.ndim(given) > 0:
        each = list(given)
    else:
        raise BaselineError("several baselines are a list, an array with a row for each, or {tensor: array}, not %s" %
                            describe(given))
    if not each:
        raise BaselineError("the list of baselines is empty; give at least one")
    return Several(len(each), lambda number: resolve(each[number], inputs))


def drawn(inputs: Inputs, seed: Sequence[int], kind: str, make: Callable[..., np.ndarray]) -> List[np.ndarray]:
    """Entries made from those of each row, its smallest and its largest number, and random numbers.

    The random numbers of a row are the beginning of one stream for each input, whatever other rows there are.
    """
    found = []
    for number, (entries, owner) in enumerate(zip(inputs.entries, inputs.owner)):
        entries_of = RowEntries(owner, inputs.batch)
        rows = [entries_of.of(row) for row in np.unique(owner)]
        random = np.random.RandomState(list(seed) + [number])
        stream = getattr(random, kind)(size=(max(map(len, rows), default=0),) + entries.shape[1:])
        made = np.zeros(entries.shape, entries.dtype)
        for row in rows:
            own = entries[row].astype(np.float64)
            made[row] = make(own, own.min(initial=np.inf), own.max(initial=-np.inf), stream[:len(row)])
        found.append(made)
    return found


def resolve(baseline: Any, inputs: Inputs) -> List[np.ndarray]:
    """The baseline as one array per attributed tensor, shaped like its entries.

    Args:
      baseline: a name in ``BASELINES``; a number or an array that broadcasts to the attributed tensor or to one row of
        it; ``{"mean": rows}`` for the mean of given rows of the attributed tensor; ``{tensor: value}`` where the tensor
        is an attributed one (its baseline value) or any other tensor that can be fed, such as the ids
        (``{"ids:0": 0}``: the rows which padding would look up, everything else unchanged).
      inputs: the attributed tensors at the caller's input.

    Raises:
      BaselineError: an unknown name, or a shape that does not fit.
    """
    if inputs.whole is not None:
        feed, taken = inputs.whole
        return taken(resolve(baseline, feed))
    if isinstance(baseline, str):
        if baseline not in BASELINES:
            raise BaselineError("no baseline %r; choose one of %s, an array, or {tensor: value}" % (
                baseline, ", ".join(map(repr, BASELINES))))
        return BASELINES[baseline](inputs)
    if isinstance(baseline, Mapping):
        return _from_mapping(baseline, inputs)
    given = list(baseline) if isinstance(baseline, (list, tuple)) and len(inputs.names) > 1 else [baseline]
    if len(given) == 1 and len(inputs.names) > 1 and np.ndim(given[0]) == 0:
        given = given * len(inputs.names)
    if len(given) != len(inputs.names):
        raise BaselineError("%d inputs are explained together (%s) but %d baseline was given; pass {tensor: baseline}"
                            % (len(inputs.names), ", ".join(inputs.names), len(given)))
    return [_fit(value, inputs, number) for number, value in enumerate(given)]


def _from_mapping(baseline: Mapping[Any, Any], inputs: Inputs) -> List[np.ndarray]:
    if set(baseline) == {"mean"}:
        return [_mean(_rows_in_front(np.asarray(baseline["mean"], np.float64), entries, inputs.axis), entries, inputs,
                      number) for number, entries in enumerate(inputs.entries)]
    named = {names.tensor_name(tensor): value for tensor, value in baseline.items()}
    direct = {name: value for name, value in named.items() if name in inputs.names}
    fed = {tensor: value for tensor, value in baseline.items() if names.tensor_name(tensor) not in direct}
    arrays = inputs.under(fed) if fed else zero(inputs)
    for name, entries, array in zip(inputs.names, inputs.entries, arrays):
        if array.shape != entries.shape:
            raise BaselineError("with the baseline feed, %s has shape %s instead of %s; keep the feed's shape" % (
                name, list(array.shape), list(entries.shape)))
    return [_fit(direct[name], inputs, number) if name in direct else array
            for number, (name, array) in enumerate(zip(inputs.names, arrays))]


def _rows_in_front(array: np.ndarray, entries: np.ndarray, axis: int) -> np.ndarray:
    """An array in the layout of the attributed tensor, with its rows brought to the front as in the entries."""
    if not axis or array.ndim != entries.ndim:
        return array
    moved = np.moveaxis(array, axis, 0)
    return moved if all(size in (1, wanted) for size, wanted in zip(moved.shape[1:], entries.shape[1:])) else array


def _fit(value: Any, inputs: Inputs, number: int) -> np.ndarray:
    name, entries = inputs.names[number], inputs.entries[number]
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise BaselineError("the baseline for %s holds %s values; give numbers" % (name, array.dtype))
    if not array.ndim and not np.isfinite(array):
        raise BaselineError("the baseline for %s is %s; give a finite number" % (name, array))
    array = _rows_in_front(array, entries, inputs.axis)
    block, shapes = inputs.block(number), [entries.shape]
    if block:
        shapes.append((inputs.batch, block) + entries.shape[1:])
    for shape in shapes:
        try:
            return np.broadcast_to(array, shape).reshape(entries.shape).astype(entries.dtype)
        except ValueError:
            continue
    raise BaselineError("the baseline for %s has shape %s; it must broadcast to %s" % (
        name, list(array.shape), list(shapes[-1] if block != 1 else entries.shape)))
