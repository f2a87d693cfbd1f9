"""What TensorFlow says of a run that failed, in one line, with the feeds that it may be about."""

import re
from typing import Any, Dict, List, Mapping, Optional

import numpy as np

from graph_tools.errors import GraphToolsError
from graph_tools.graph.walk import reached
from graph_tools.running import runs

_SHOWN = 3  # fed tensors named


class RunFailed(GraphToolsError, RuntimeError):
    """TensorFlow refused a run; the message is its own, in one line."""


def one_line(failed: Any, scope: str, fed: Optional[Mapping[str, str]] = None, graph: Any = None,
             feed: Optional[Mapping[Any, Any]] = None) -> str:
    """What TensorFlow said, without the listings around it: the line above ``[[node …]]``, and the node.

    Args:
      failed: the ``tf.errors.OpError``.
      scope: what is below it is ours: it says nothing to who made the graph.
      fed: words for each tensor that was fed, by name; those nearest to the node are told.
      graph: the ``tf.Graph`` that was run.
      feed: what was fed, by tensor or name: it tells which of ``fed`` holds an id that is out of range.
    """
    lines = [line.strip() for line in (failed.message or str(failed)).splitlines() if line.strip()]
    marks = [number for number, line in enumerate(lines) if line.startswith(("[[{{node", "[[node"))]
    if marks and marks[0]:
        told = lines[marks[0] - 1]
    elif lines and "[[" in lines[0]:
        told = lines[0].partition("[[")[0].strip()
    else:
        told = next((line for line in lines if not line.endswith(":")), type(failed).__name__)
    node = runs.failed_node(failed.message or "")
    told = told[:300] + ("" if not node or node in told or node.startswith(scope + "/") else " (at node %s)" % node)
    beyond = re.search(r" = (-?\d+) is not in \[0, (\d+)\)", told)
    if beyond:
        values = {name: value for name, value in _by_name(feed).items() if name in (fed or {})}
        return told + "; feed ids from 0 to %d" % (int(beyond.group(2)) - 1) + _fed_by(
            graph, node, values, int(beyond.group(1)))
    return told + "; check the values and sizes of %s" % (_nearest(graph, node, fed or {}) or "the feed")


def _by_name(feed: Optional[Mapping[Any, Any]]) -> Dict[str, np.ndarray]:
    return {key if isinstance(key, str) else key.name: np.asarray(value) for key, value in (feed or {}).items()}


def _fed_by(graph: Any, node: str, values: Mapping[str, np.ndarray], bad: int) -> str:
    """The fed integers that a node's ids come from, in words: the one that holds the bad id, or all that lead there."""
    ops = reached(_operation(graph, node), lambda op: [one.op for one in op.inputs if one.name not in values])
    leading = sorted({one.name for op in ops for one in op.inputs
                      if one.name in values and values[one.name].dtype.kind in "iu"})
    holding = [name for name in leading if (values[name] == bad).any()]
    if len(holding) == 1:
        return " for %s, which holds %d" % (holding[0], bad)
    return " (they come from %s)" % " and ".join((holding or leading)[:_SHOWN]) if leading else ""


def _operation(graph: Any, node: str) -> List[Any]:
    try:
        return [graph.get_operation_by_name(node)] if graph is not None and node else []
    except (KeyError, ValueError):  # of a function that was lowered
        return []


def _nearest(graph: Any, node: str, fed: Mapping[str, str]) -> str:
    """The nearest fed tensors that a node is computed from."""
    found: Dict[str, str] = {}
    layer = _operation(graph, node)
    seen = set(layer)
    while layer and not found:
        tensors = [tensor for one in layer for tensor in one.inputs]
        found = {tensor.name: fed[tensor.name] for tensor in tensors if tensor.name in fed}
        layer = list({tensor.op for tensor in tensors} - seen)
        seen.update(layer)
    return " and ".join(list(dict.fromkeys(found.values()))[:_SHOWN])
