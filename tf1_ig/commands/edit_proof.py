"""What ``tf1-ig edit`` proves before it writes anything: the same values, the same outputs before and after."""

from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

import graph_tools as gt
from graph_tools import _tf
from graph_tools.edit.record import replaced
from graph_tools.errors import BlockedRunError, EditError, GraphToolsError, one_line
from graph_tools.graph import names
from graph_tools.running import runs
from tf1_ig.errors import BatchError
from tf1_ig.integrations import signature

# Rows, and entries along every other axis whose length the graph leaves open; the first that goes through is taken.
_SIZES = ((2, 3), (2, 1), (1, 1))
# Ranks of tensors of unknown rank: of the first, and of the others.
_RANKS = ((2, 1), (2, 2), (1, 1))
_SPARSE = ("indices", "values", "shape")


class Proof(NamedTuple):
    """The outcome: lines for people, and the feed (by names in the model before) that both models took."""

    lines: Tuple[str, ...]
    feed: Optional[Mapping[str, np.ndarray]]


def prove(before: Any, after: Any, outputs: Sequence[str], feed: Optional[Mapping[str, Any]] = None) -> Proof:
    """Compares the outputs of a model before and after its edits.

    Args:
      before: the ``Model`` before all edits.
      after: the ``Model`` after all of them.
      outputs: tensors that are in both.
      feed: a batch, by the names of either model; ``None`` makes values up.

    Returns:
      A ``Proof``; where nothing could be computed its lines say why, and what would help.

    Raises:
      EditError: an output changed.
      GraphToolsError: the given feed cannot be run.
    """
    if not outputs:
        return Proof(("not compared before and after: no output is known; name one with --output",), None)
    if feed is not None:
        old_names = {new: old for old, new in replaced(after.index).items()}
        feed = {names.tensor_name(name): np.asarray(value) for name, value in feed.items()}
        return _compared(before, after, outputs, {old_names.get(name, name): value for name, value in feed.items()},
                         "the given batch")
    why = ""
    for tried in made_up(before, outputs):
        try:
            return _compared(before, after, outputs, tried, "made-up values for %s" % _described(tried))
        except EditError:
            raise
        except (GraphToolsError, ValueError, _tf.tf.errors.OpError) as refused:
            why = why or one_line(refused, 200)
            if isinstance(refused, BlockedRunError):
                break
    return Proof(("not compared before and after: %s; give a batch with --feed FILE" % why,), None)


def prove_inference(before: Any, after: Any, edit: Any, outputs: Sequence[str], feed: Optional[Mapping[str,
                    Any]] = None) -> List[str]:
    """Lines: what lies before the first dropout and batch norm is as it was; the outputs no longer change by chance.

    Raises:
      EditError: something before them changed.
    """
    changed = {node for node, _, _ in edit.rewired}
    first = [name for name in dict.fromkeys(was for node, was, _ in edit.rewired if was and not was.startswith("^"))
             if not before.index.ancestors([name], control=False) & changed and names.parse(name).node in after.index]
    unchanged = [names.tensor_name(name) for name in first if before.outline.get_tensor_by_name(
        names.tensor_name(name)).dtype.is_floating and not _has_random(before, name)][:3]
    lines = list(prove(before, after, unchanged, feed).lines) if unchanged else []
    served = gt.swap_inputs(after)[0]
    for tried in made_up(after, outputs) if feed is None else [feed]:
        try:
            steady = gt.verify(after, served, tried, list(outputs)).ok
        except (GraphToolsError, ValueError, _tf.tf.errors.OpError):
            continue
        return lines + ["%s %s" % (", ".join(outputs[:3]), "agree in two runs" if steady else
                                   "still differ from run to run: something else is random")]
    return lines


def _has_random(model: Any, name: str) -> bool:
    return any("Random" in model.index.op(node) for node in model.index.ancestors([name], control=False))


def _compared(before: Any, after: Any, outputs: Any, feed: Any, on_what: str) -> Proof:
    if runs.blocking_producers(after, outputs, [replaced(after.index).get(name, name) for name in feed]):
        # A queue that was to stay: for the comparison alone a copy is fed in its place.
        after, on_what = gt.swap_inputs(after)[0], on_what + " in place of what the queue holds"
    report = gt.verify(before, after, feed, list(outputs))
    if report.ok:
        return Proof(tuple("%s is the same before and after: largest relative difference %.2g, on %s" % (
            name, report[name].value if isinstance(report[name].value, float) else 0.0, on_what)
            for name in outputs), feed)
    if not gt.verify(before, gt.swap_inputs(before)[0], feed, list(outputs)).ok:
        return Proof(("not compared before and after: %s differ from run to run (dropout, random ops)" % (
            ", ".join(outputs)),), None)
    failed = next(finding for finding in report if finding.verdict == "fail")
    raise EditError("the edit changes %s on %s: %s; nothing was written" % (failed.name, on_what, failed.advice))


class KeptRows(NamedTuple):
    """The one number of rows that a model takes although its placeholders say any, and what speaks against others."""

    rows: int
    why: str


def kept_rows(before: Any, after: Any, outputs: Sequence[str]) -> Optional[KeptRows]:
    """Whether a batch that edits freed is free: ``after`` is run with another number of rows than ``before`` fixed.

    ``None``: it is, or nothing was fixed or freed, or no values were found that go through at all.
    """
    fixed, still = ({one.batch for output in outputs for one in gt.find_inputs(model, output) if one.batch}
                    for model in (before, after))
    if len(fixed) != 1 or still:
        return None
    rows, why = fixed.pop(), ""
    for size in (rows + 1, rows):
        for tried in made_up(after, outputs, size):
            refused = _refusal(after, outputs, tried)
            if not refused:
                return None if size != rows else KeptRows(rows, why)
            why = why or refused
    return None


def _refusal(model: Any, outputs: Sequence[str], feed: Any) -> str:
    """What stands against a run, in short; ``""`` when it goes through."""
    try:
        runs.refuse_if_blocking(model, outputs, feed)
        with model.open_session() as session:
            runs.run(session, list(outputs), feed)
        return ""
    except (GraphToolsError, ValueError, _tf.tf.errors.OpError) as refused:
        return one_line(refused, 200)


def _described(feed: Mapping[str, np.ndarray]) -> str:
    return ", ".join("%s %s %s" % (name, "string" if value.dtype == object else value.dtype, list(value.shape))
                     for name, value in feed.items()) or "nothing"


def prove_attributions(model: Any, carried: Any, output: str, inputs: Any, feed: Optional[Mapping[str,
                       Any]] = None) -> str:
    """One line: how far an attribution signature is from ``IntegratedGradients``, on a batch or on made-up values.

    Raises:
      GraphToolsError: the attributions differ, or the given feed cannot be explained.
      EditError: no feed was given, and no made-up values go through: there is no proof.
    """
    why, rank = "", model.outline.get_tensor_by_name(names.tensor_name(output)).shape.ndims
    for tried in made_up(model, [output]) if feed is None else [feed]:
        try:
            error = signature.compare(model, carried, output, inputs, tried, "top" if rank != 1 else None)
            return "attributions are those of IntegratedGradients: largest difference %.2g of the largest" % error
        except (GraphToolsError, ValueError, _tf.tf.errors.OpError) as refused:
            if feed is not None or isinstance(refused, BatchError):
                raise
            why = why or one_line(refused, 200)
    raise EditError("the attributions of the signature could not be compared with IntegratedGradients (%s), so nothing "
                    "was written; give a batch with --feed FILE" % why)


# ---- values that most graphs accept


def made_up(model: Any, outputs: Sequence[str], rows: Optional[int] = None) -> Iterator[Dict[str, np.ndarray]]:
    """Feeds for everything that the outputs need, one for each choice of the sizes that the graph leaves open.

    Whole numbers are 0 and 1, which are in every vocabulary; scalars are 1 (a keep probability) or false (training).
    """
    found = {one.node: one for output in outputs for one in gt.find_inputs(model, output) if one.default is None}
    fixed = next((one.batch for one in found.values() if one.batch), rows)
    known = all(part.shape is not None for one in found.values() for part in one.components)
    for ranks in _RANKS[:1] if known else _RANKS:
        for rows, other in _SIZES if fixed is None else [(fixed, other) for other in (3, 1)]:
            yield dict(_values([part for one in found.values() for part in one.components], rows, other, ranks))


def _values(components: List[Any], rows: int, other: int, ranks: Tuple[int, int]) -> Iterator[Tuple[str, np.ndarray]]:
    rank, later = ranks
    while components:
        if tuple(part.label.rpartition("/")[2] for part in components[:3]) == _SPARSE:
            indices, values, shape = (part.tensor for part in components[:3])
            yield indices, np.stack([np.arange(rows), np.zeros(rows)], 1).astype(np.int64)
            yield values, _array(components[1].dtype, (rows,))
            yield shape, np.array([rows, other], np.int64)
            del components[:3]
            continue
        part = components.pop(0)
        if part.used:
            shape, rank = ((None,) * rank, later) if part.shape is None else (part.shape, rank)
            yield part.tensor, _array(part.dtype, tuple(
                size if size is not None else other if axis else rows for axis, size in enumerate(shape)))


def _array(dtype: str, sizes: Tuple[int, ...]) -> np.ndarray:
    if dtype == "string":
        return np.full(sizes, b"", object)
    kind = np.dtype(_tf.tf.as_dtype(dtype).as_numpy_dtype)
    if kind.kind == "b":
        return np.zeros(sizes, kind)
    if not sizes:
        return np.ones((), kind)
    count = int(np.prod(sizes))
    numbers = np.arange(count) % 2 if kind.kind in "iu" else np.random.RandomState(0).uniform(size=count)
    return numbers.reshape(sizes).astype(kind)
