"""Which op made a number NaN or infinite first, or jump: its ancestors are fetched, in a bounded number of runs."""

import re
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Sequence, Set

import numpy as np

from graph_tools import _tf
from graph_tools.errors import GraphToolsError
from graph_tools.graph.ops import EXITS, IFS, MERGES, SWITCHES, WHILES
from graph_tools.graph.walk import producers_first, reached

RUNS, FEWEST = 32, 64  # at most so many runs, and so many tensors in one where there are fewer
_JUMP = 0.01  # share of its way that a value may make where its inputs hardly move
# Where tf.gradients puts the ops of one op's gradient: under that op's own name.
_GRADIENT_OF = re.compile(r"(?:^|/)gradients(?:_\d+)?/(.+)_grad(?:_\d+)?/")


class Traced(NamedTuple):
    """A run that is looked into.

    Args:
      run: runs a list of tensors under a feed.
      score, gradients: what may not be as it should.
      feed: arrays by tensor name.
      given: what to call fed tensors of ours, by name; these are looked at before anything is traced.
    """

    run: Callable[[Any, Any], Any]
    score: Any
    gradients: Sequence[Any]
    feed: Mapping[str, Any]
    given: Mapping[str, str]


def origin(traced: Traced) -> str:
    """The first op, in the order of the graph, that makes a number not finite from finite ones, in words.

    Returns:
      ``"norm (Sqrt)"``, ``"the gradient of norm (Sqrt)"``, …; ``""`` when the score and its gradients are finite.
      Values inside a loop or a branch cannot be fetched: what such an op hands out is named then, and that it is one.
    """
    run, feed = traced.run, traced.feed
    for tensor in (traced.score, *traced.gradients):
        if not _finite(run([tensor], feed)[0]):
            fed = [words for name, words in traced.given.items() if not _finite(feed[name])]
            if fed:
                return fed[0]
            ops, bad = _told(run, tensor, [feed], lambda value: not _finite(value))
            bad.add(tensor.name)
            return _words(_first(tensor.op, ops, bad, feed), tensor.graph, feed)
    return ""


def jump(along: Sequence[Traced]) -> str:
    """The first op whose values jump between the middle two of four points, in words.

    Args:
      along: one row at the start of its path, at both sides of a stretch on which the inputs hardly move, and at the
        path's end.

    Returns:
      As ``origin``; ``""`` where the score does not jump there.
    """
    score, feeds = along[0].score, [one.feed for one in along]
    ops, jumping = _told(along[0].run, score, feeds, _jumps)
    return _words(_first(score.op, ops, jumping, feeds[1]), score.graph, feeds[1]) if score.name in jumping else ""


def _jumps(*values: Any) -> bool:
    if len({np.shape(value) for value in values}) > 1:
        return False
    with np.errstate(all="ignore"):
        ways = [float(np.abs(after - before).sum(dtype=np.float64)) for before, after in zip(values, values[1:])]
    return ways[1] > _JUMP * sum(ways)


def _told(run: Any, wanted: Any, feeds: Sequence[Mapping[str, Any]], what: Callable[..., bool]) -> Any:
    """The ops behind a tensor, those that come first first; and the names of their outputs of which it is true."""
    ops = producers_first([wanted.op], lambda op: (one.op for one in op.inputs if one.name not in feeds[0]))
    tensors = [output for op in ops for output in op.outputs if _fetchable(output)]
    size = max(FEWEST, -(-len(tensors) // RUNS))
    true: Set[str] = set()
    for start in range(0, len(tensors), size):
        todo = [tensors[start:start + size]]
        while todo:
            part = todo.pop()
            try:
                found = zip(*(run(part, feed) for feed in feeds))
                true.update(tensor.name for tensor, values in zip(part, found) if what(*values))
            except GraphToolsError:  # one of them cannot be computed under this feed; it decided nothing then
                if len(part) > 1:
                    todo += [part[len(part) // 2:], part[:len(part) // 2]]
    return ops, true


def _finite(value: Any) -> bool:
    value = np.asarray(value)
    return value.dtype.kind in "biuOSU" or bool(np.isfinite(value.astype(np.complex128 if value.dtype.kind == "c" else
                                                                            np.float64)).all())


def _fetchable(tensor: Any) -> bool:
    """Whether a run can hand the tensor out: a float, in no loop, and in no branch that may not be taken."""
    context = _tf.get_context(tensor.op)
    if tensor.op.type == "Exit" and any(tensor is last for last in getattr(context, "loop_exits", ())):
        context = context.outer_context  # the loop's own exits stand outside
    return (tensor.dtype.is_floating or tensor.dtype.is_complex) and tensor.op.type not in SWITCHES and (
        context is None) and tensor.graph.is_fetchable(tensor)


def _first(last: Any, ops: List[Any], bad: Set[str], feed: Any) -> Any:
    """The first op of which an output is not finite and no known input: on the way to ``last``."""
    found = set(reached([last], lambda op: [tensor.op for tensor in op.inputs
                                            if tensor.name in bad and tensor.name not in feed]))
    return next((op for op in ops if op in found and not any(tensor.name in bad for tensor in op.inputs)), last)


def _words(op: Any, graph: Any, feed: Any) -> str:
    fed: Dict[str, Any] = {tensor.name: feed[tensor.name] for tensor in op.inputs if tensor.name in feed}
    for name, value in fed.items():
        if not _finite(value):
            return "the feed for %s" % name
    kind, name, of = op.type, op.name, ""
    inside = any(not _fetchable(tensor) and tensor.dtype.is_floating for tensor in op.inputs)
    gradient = _GRADIENT_OF.search(op.name)
    if gradient:
        of, name = "the gradient of ", gradient.group(1)
        try:
            kind = graph.get_operation_by_name(name).type
        except KeyError:
            kind = op.type
    if not op.inputs:
        return "the value of %s (%s)" % (name, kind)
    text = "%s%s (%s)" % (of, name, kind)
    return "an op inside the loop or branch that ends at %s" % text if inside or op.type in (
        EXITS | MERGES | WHILES | IFS) else text
