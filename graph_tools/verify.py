"""Numeric proof that an edit changed nothing it should not: the same feeds, the same outputs, before and after."""

from typing import Any, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from graph_tools.edit.record import Edit, replaced
from graph_tools.errors import FeedError
from graph_tools.graph import names, nodes
from graph_tools.model import Model
from graph_tools.report import Finding, Report
from graph_tools.running import runs

_TIMEOUT = 300.0


def verify(before: Model, after: Model, feeds: Any, fetches: Any, edit: Optional[Edit] = None,
           tolerance: float = 1e-6) -> Report:
    """Runs two models on the same values and compares what they return.

    Args:
      before: the ``Model`` before an edit.
      after: the ``Model`` after it.
      feeds: values by tensor name in ``before``; a name that an edit replaced is fed to its placeholder in ``after``.
        Or a pair of such mappings, one for each model.
      fetches: a tensor, or several, by their names in ``before``.
      edit: the ``Edit``, where its ``placeholders`` are needed to find the new names (``swap_inputs`` and ``prune``
        leave them in the graph).
      tolerance: largest accepted difference, relative to the larger of 1 and the largest value of the tensor.

    Returns:
      A ``Report`` with a finding for each fetch, whose value is the largest relative difference, and one that says
      what the runs would still wait for. Control edges from fed tensors' producers are dropped in the run of
      ``before``: they are what makes it hang.

    Raises:
      BlockedRunError: ``before`` needs data from a queue or an iterator that is not fed.
      FeedError: a fed tensor is in neither model.

    Example:
      >>> edited, edit = gt.swap_inputs(model)  # doctest: +SKIP
      >>> print(gt.verify(model, edited, {"batch:0": ids}, ["logits:0"]))  # doctest: +SKIP
      ok    logits:0  0
    """
    fetched = names.tensor_names(fetches)
    renamed = dict(replaced(after.index), **(dict(edit.placeholders) if edit is not None else {}))
    if isinstance(feeds, Mapping):
        feeds = {names.tensor_name(tensor): value for tensor, value in feeds.items()}
        pair = (feeds, {renamed.get(name, name): value for name, value in feeds.items()})
    else:
        first, second = ({names.tensor_name(tensor): value for tensor, value in one.items()} for one in feeds)
        pair = first, second
    _check_feeds(before, after, *pair)
    findings = _free_of_producers(after, [renamed.get(name, name) for name in fetched], pair[1])
    old = _values(_without_control(before, pair[0]), fetched, pair[0])
    new = _values(after, [renamed.get(name, name) for name in fetched], pair[1])
    for name, was, now in zip(fetched, old, new):
        findings.append(_compare(name, was, now, tolerance))
    return Report(tuple(findings))


def _check_feeds(before: Any, after: Any, old: Mapping, new: Mapping) -> None:
    for (was, _), (now, _) in zip(old.items(), new.items()):
        if names.parse(was).node not in before.index and names.parse(now).node not in after.index:
            raise FeedError("%r is fed, but it is in neither model; did you mean %s?" % (
                was, " or ".join(map(repr, names.nearest(was, before.index.tensor_names()))) or "another tensor"))


def _free_of_producers(model: Any, fetches: Sequence[str], feeds: Mapping) -> List[Finding]:
    waiting = runs.blocking_producers(model, fetches, feeds)
    if not waiting:
        return [Finding("nothing to wait for", "ok", 0)]
    return [Finding("nothing to wait for", "fail", len(waiting), "the edited model still waits for %s" % (
        "; ".join(map(str, waiting))))]


def _without_control(model: Any, feeds: Mapping) -> Any:
    """The model without the control edges from nodes whose outputs are fed (the model itself where there are none)."""
    fed = {names.parse(name).node for name in feeds}
    graph_def, dropped = model.graph_def, 0
    for node in graph_def.node:
        dropped += nodes.without_control(node, fed)
    return model.with_graph_def(graph_def) if dropped else model


def _values(model: Any, fetches: Sequence[str], feeds: Mapping) -> List[np.ndarray]:
    feeds = {name: value for name, value in feeds.items() if names.parse(name).node in model.index}
    names.refuse_unknown(model, *fetches)
    runs.refuse_if_blocking(model, fetches, feeds)
    model.refuse(fetches, feeds)
    with model.open_session() as session:
        return [np.asarray(value) for value in runs.run(session, list(fetches), feeds, _TIMEOUT)]


def _compare(name: str, was: np.ndarray, now: np.ndarray, tolerance: float) -> Finding:
    if was.shape != now.shape or was.dtype != now.dtype:
        return Finding(name, "fail", "%s %s" % (now.dtype, now.shape), "it was %s %s before" % (was.dtype, was.shape))
    if not np.issubdtype(was.dtype, np.number):
        different = int(np.sum(was != now))
        return Finding(name, "fail" if different else "ok", different, "entries differ" if different else "")
    error, where = _largest_difference(was, now)
    if error <= tolerance:
        return Finding(name, "ok", error)
    return Finding(name, "fail", error, "before %s, after %s at %s; more than %g" % (
        was[where], now[where], list(where or ()), tolerance))


def _largest_difference(was: np.ndarray, now: np.ndarray) -> Tuple[float, Optional[tuple]]:
    """The largest difference relative to the larger of 1 and the tensor's largest value; NaN equals NaN."""
    if not was.size:
        return 0.0, None
    same = (was == now) | ((was != was) & (now != now))
    with np.errstate(invalid="ignore"):
        apart = np.where(same, 0.0, np.abs(was.astype(np.complex128) - now.astype(np.complex128)))
    apart = np.where(np.isnan(apart), np.inf, apart)
    finite = np.abs(was[np.isfinite(was)])
    where = np.unravel_index(int(np.argmax(apart)), was.shape)
    return float(apart[where]) / max(1.0, float(finite.max()) if finite.size else 1.0), where
