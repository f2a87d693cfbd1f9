"""Which op made a number NaN or infinite first: its ancestors are fetched, in a bounded number of runs."""

import re
from typing import Any, Callable, Dict, List, Mapping, Sequence, Set

import numpy as np

from graph_tools import _tf
from graph_tools.errors import GraphToolsError
from graph_tools.graph.ops import EXITS, IFS, MERGES, SWITCHES, WHILES
from graph_tools.graph.walk import producers_first, reached

RUNS, FEWEST = 32, 64  # at most so many runs, and so many tensors in one where there are fewer
# Where tf.gradients puts the ops of one op's gradient: under that op's own name.
_GRADIENT_OF = re.compile(r"(?:^|/)gradients(?:_\d+)?/(.+)_grad(?:_\d+)?/")


def origin(run: Callable[[Any, Any], Any], wanted: Sequence[Any], feed: Mapping[str, Any],
           given: Mapping[str, str]) -> str:
    """The first op, in the order of the graph, that makes a number not finite from finite ones, in words.

    Args:
      run: runs a list of tensors under a feed.
      wanted: tensors that may not be finite, tried in this order (the score before its gradients).
      feed: arrays by tensor name.
      given: what to call fed tensors of ours, by name; these are looked at before anything is traced.

    Returns:
      ``"norm (Sqrt)"``, ``"the gradient of norm (Sqrt)"``, …; ``""`` when all of ``wanted`` is finite. Values inside
      a loop or a branch cannot be fetched: what such an op hands out is named then, and that it is one.
    """
    for tensor in wanted:
        if not _finite(run([tensor], feed)[0]):
            fed = [words for name, words in given.items() if not _finite(feed[name])]
            if fed:
                return fed[0]
            ops = producers_first([tensor.op], lambda op: (one.op for one in op.inputs if one.name not in feed))
            bad = _not_finite(run, [output for op in ops for output in op.outputs if _fetchable(output)], feed)
            bad.add(tensor.name)
            return _words(_first(tensor.op, ops, bad, feed), tensor.graph, feed)
    return ""


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


def _not_finite(run: Any, tensors: List[Any], feed: Any) -> Set[str]:
    size = max(FEWEST, -(-len(tensors) // RUNS))
    bad: Set[str] = set()
    for start in range(0, len(tensors), size):
        todo = [tensors[start:start + size]]
        while todo:
            part = todo.pop()
            try:
                bad.update(tensor.name for tensor, value in zip(part, run(part, feed)) if not _finite(value))
            except GraphToolsError:  # one of them cannot be computed under this feed; it decided nothing then
                if len(part) > 1:
                    todo += [part[len(part) // 2:], part[:len(part) // 2]]
    return bad


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
