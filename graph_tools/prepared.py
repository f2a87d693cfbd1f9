"""Runs that are looked up once: ``session.run`` checks every name and every feed anew, half a millisecond a run."""

from typing import Any, Callable, List, Mapping, NamedTuple, Tuple

import numpy as np

from graph_tools import _tf


class _Prepared(NamedTuple):
    call: Callable[..., List[Any]]
    fetched: Tuple[str, ...]
    dtypes: Tuple[Any, ...]


class PreparedRuns:
    """``session.run`` for sets of fetches and feeds that come again and again, with the same results and errors.

    What was prepared lives as long as this object, and is of no use once the session is closed.

    Args:
      session: the session, of a graph that is no longer changed.

    Example:
      >>> prepared = PreparedRuns(session)                                    # doctest: +SKIP
      >>> scores, = prepared.run(["scores:0"], {"ids:0": ids})
    """

    def __init__(self, session: Any):
        self._session, self._known = session, {}

    def run(self, fetches: Any, feed: Mapping[str, Any]) -> Any:
        """Values of the fetches, nested as these are.

        Args:
          fetches: a tensor, by name or as ``tf.Tensor``, or lists and tuples of them.
          feed: arrays by tensor name.

        Raises:
          tf.errors.OpError: as ``session.run``.
        """
        wanted = _names(fetches)
        key = tuple(wanted), tuple(feed)
        prepared = self._known.get(key)
        if prepared is None:
            prepared = self._known[key] = self._prepare(wanted, list(feed))
        given = [np.asarray(value, dtype) for value, dtype in zip(feed.values(), prepared.dtypes)]
        found = dict(zip(feed, given))  # a tensor that is fed may be fetched, too
        found.update(zip(prepared.fetched, prepared.call(*given)))
        return _like(fetches, found)

    def _prepare(self, wanted: List[str], fed: List[str]) -> _Prepared:
        fetched = tuple(name for name in dict.fromkeys(wanted) if name not in fed)
        tensors = [self._session.graph.get_tensor_by_name(name) for name in fed]
        call = _tf.make_callable(self._session, fetched, fed) if fetched else lambda *given: []
        return _Prepared(call, fetched, tuple(tensor.dtype.base_dtype.as_numpy_dtype for tensor in tensors))


def _names(fetches: Any) -> List[str]:
    if isinstance(fetches, (list, tuple)):
        return [name for one in fetches for name in _names(one)]
    return [fetches if isinstance(fetches, str) else fetches.name]


def _like(fetches: Any, found: Mapping[str, Any]) -> Any:
    if isinstance(fetches, (list, tuple)):
        return type(fetches)(_like(one, found) for one in fetches)
    return found[fetches if isinstance(fetches, str) else fetches.name]
