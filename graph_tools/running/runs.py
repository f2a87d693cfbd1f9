"""Runs that cannot hang: what a run would wait for is known before it starts, and a run that waits is ended."""

import re
import time
from typing import Any, Callable, Iterable, List, Mapping, NamedTuple, Optional, Tuple

from graph_tools import _tf
from graph_tools.errors import BlockedRunError, UnfinishedRunError
from graph_tools.find.inputs import Input, scan
from graph_tools.graph import names, ops
from graph_tools.graph.walk import GraphIndex
from graph_tools.running import threads


class Waiting(NamedTuple):
    """A producer that a run would take data from.

    Attributes:
      node: the op that takes it (a dequeue, an iterator's next).
      kind: ``"queue"``, ``"staging_area"``, ``"infeed"``, ``"reader"`` or ``"iterator"``.
      why: what is behind it.
      unfed: those of its tensors that the run reads and nobody feeds.
      control: nodes of the run that wait for it through a control edge: feeding its tensors does not help them.
    """

    node: str
    kind: str
    why: str
    unfed: Tuple[str, ...]
    control: Tuple[str, ...]

    def __str__(self) -> str:
        if self.unfed:
            reason = "nothing is fed for %s" % ", ".join(repr(name) for name in self.unfed)
        else:
            reason = "%s waits for it through a control edge, which feeding does not cut" % (
                ", ".join(repr(name) for name in self.control[:3]) or "a fetch")
        return "%r (%s): %s" % (self.node, self.why, reason)


def blocking_producers(model: Any, fetches: Any, feeds: Iterable = ()) -> List[Waiting]:
    """The queues, iterators and the like that a run would take data from; nothing is run to find out.

    Args:
      model: a ``Model`` or a ``GraphIndex``.
      fetches: tensors or ops, by name or as TensorFlow objects.
      feeds: tensors that will be fed (a feed dictionary will do).

    Example:
      >>> for waiting in blocking_producers(model, ["logits:0"], {"ids:0": ids}):  # doctest: +SKIP
      ...     print(waiting)
    """
    index = model if isinstance(model, GraphIndex) else model.index
    fed = {names.tensor_name(tensor) for tensor in feeds}
    fetched = names.tensor_names(fetches)
    reached = index.running(fetched, fed)
    read = {name for name in fetched + [str(ref) for node in reached for ref in index.data_inputs(node)]
            if name not in fed}
    return [_waiting(one, node, reached, read) for one in scan(index) if one.kind in ops.WAITING_KINDS
            for node in one.nodes[:1] if node in reached]


def refuse_if_blocking(model: Any, fetches: Any, feeds: Iterable = ()) -> None:
    """Raises ``BlockedRunError``, with the fix, when a run would take data from a queue or an iterator."""
    waiting = blocking_producers(model, fetches, feeds)
    if waiting:
        raise BlockedRunError("the run would wait for %s; %s" % ("; ".join(map(str, waiting)), _FIX))


_FIX = "replace it by a placeholder first: model, edit = graph_tools.swap_inputs(model)"


def run(session: Any, fetches: Any, feed_dict: Optional[Mapping] = None, timeout: float = 60.0) -> Any:
    """``session.run`` that ends: with its result, an error, at the timeout, or at Ctrl-C.

    TensorFlow does not see Ctrl-C while it waits for a queue, so the run has a thread of its own. The session can be
    used afterwards in every case; a run that Ctrl-C left alone ends at its timeout, or when the session is closed.

    Args:
      session: the session.
      fetches: as for ``session.run``.
      feed_dict: as for ``session.run``.
      timeout: seconds.

    Raises:
      BlockedRunError: it took longer; the message names what it waited for.
    """
    options = _tf.tf.RunOptions(timeout_in_ms=max(1, int(timeout * 1000)))
    task = threads.Task(lambda: session.run(fetches, feed_dict, options=options))
    try:
        return task.result()
    except _tf.tf.errors.DeadlineExceededError as late:
        raise BlockedRunError(_blocked(session.graph, fetches, feed_dict or {}, timeout)) from late


def run_or_close(session: Any, fetches: Any, feed_dict: Optional[Mapping] = None, timeout: float = 60.0,
                 run_session: Optional[Callable[[Any, Any], Any]] = None) -> Any:
    """``run`` in a session of one's own, which is closed when the run does not end: then nothing of it goes on.

    TensorFlow tells what it was doing when the session was closed, so that the error can name the loop.

    Args:
      session, fetches, feed_dict, timeout: as for ``run``.
      run_session: what runs the session with fetches and feeds, where that is not ``session.run``.

    Raises:
      UnfinishedRunError: it took longer than ``timeout`` seconds, or a limit of the session's; the session is closed.
      KeyboardInterrupt: Ctrl-C; the session is closed.
    """
    task = threads.Task(lambda: (run_session or session.run)(fetches, feed_dict))
    try:
        if task.ended(timeout):
            return task.result()
        error: Any = None
    except _tf.tf.errors.DeadlineExceededError as late:  # the limit of a session that was opened with one
        error, timeout = late, time.monotonic() - task.begun
    except BaseException:
        if not task.ended(0):  # Ctrl-C; closing waits for the kernel that works, and the caller does not wait for that
            threads.Task(session.close).ended(_TO_CLOSE)
        raise
    session.close()
    if error is None and task.ended(_TO_STOP):
        error = task.error
    raise UnfinishedRunError(_unfinished(session.graph, fetches, feed_dict or {}, timeout, error),
                             argument="time_limit", value="SECONDS") from error


_TO_CLOSE = 0.5  # seconds
_TO_STOP = 10.0  # seconds; a loop and a queue see at once that the session is closed, a kernel that works does not
_LOOPS = ops.WHILES | {"LoopCond"}
_NODE = re.compile(r"\[\[(?:\{\{)?node ([^\s}]+)")


def failed_node(message: str) -> str:
    """The node that an error of TensorFlow's names (the first); ``""`` when it names none."""
    told = _NODE.search(message)
    return told.group(1) if told else ""


def _unfinished(graph: Any, fetches: Any, feeds: Any, seconds: float, error: Any) -> str:
    """What to say of a run in a session that was closed, from the error that it ended with."""
    node = failed_node(str(error)) if error is not None else ""
    # A functional loop is lowered under its own name: loop/LoopCond/_12.
    loop = next((name for name in (node, node.rpartition("/LoopCond")[0]) if _type_of(graph, name) in _LOOPS), "")
    loop = loop or node.partition("/LoopCond")[0] * ("/LoopCond" in node)
    if loop:
        return ("the run did not end within %.3g s: the loop %r does not stop for these values; when they are a "
                "baseline, choose another one, or allow more time with {argument}" % (
                    seconds, re.sub("/LoopCond$", "", loop)))
    return _blocked(graph, fetches, feeds, seconds)


def _type_of(graph: Any, name: str) -> str:
    try:
        return graph.get_operation_by_name(name).type
    except (KeyError, ValueError):
        return ""


def _blocked(graph: Any, fetches: Any, feeds: Any, timeout: float) -> str:
    nested = _tf.tf.nest.flatten(fetches)
    waiting = blocking_producers(GraphIndex(graph.as_graph_def()), nested, feeds)
    if not waiting:
        return "the run took longer than %.3g s; give it more time, or feed less at once" % timeout
    return "the run waited %.3g s for %s; fill it, or %s" % (timeout, "; ".join(map(str, waiting)), _FIX)


def _waiting(one: Input, node: str, reached: Any, read: Any) -> Waiting:
    unfed = tuple(sorted(name for name in read if names.parse(name).node == node))
    control = tuple(name for name in one.control if name in reached)
    return Waiting(node, one.kind, one.why, unfed, control)
