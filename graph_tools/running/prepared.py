"""Runs that are looked up once: ``session.run`` checks every name and every feed anew, half a millisecond a run."""

from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Tuple

import numpy as np

from graph_tools import _tf


class _Feed(NamedTuple):
    name: str
    dtype: Any
    shape: Any   # tf.TensorShape

    def array(self, value: Any) -> np.ndarray:
        """The value as it is fed; what the graph says of its shape is checked, since a run itself does not."""
        array = np.asarray(value, self.dtype)
        if not self.shape.is_compatible_with(array.shape):
            raise ValueError("cannot feed a value of shape %s for tensor %s, which has shape %s" % (
                array.shape, self.name, self.shape))
        return array


class _Prepared(NamedTuple):
    call: Callable[..., List[Any]]
    fetched: Tuple[str, ...]
    feeds: Tuple[_Feed, ...]


class PreparedRuns:
    """``session.run`` for sets of fetches and feeds that come again and again.

    What was prepared lives as long as this object, and is of no use once the session is closed.

    Args:
      session: the session, of a graph that is no longer changed.

    Example:
      >>> prepared = PreparedRuns(session)                                    # doctest: +SKIP
      >>> scores, = prepared.run(["scores:0"], {"ids:0": ids})
    """

    def __init__(self, session: Any):
        self._session = session
        self._known: Dict[Any, Any] = {}

    def run(self, fetches: Any, feed: Mapping[str, Any]) -> Any:
        """Values of the fetches, nested as these are; arrays of their own, which may be written to.

        Args:
          fetches: a tensor, by name or as ``tf.Tensor``, or lists and tuples of them.
          feed: arrays by tensor name, of numbers that the tensor's dtype holds.

        Raises:
          ValueError: an array does not have the shape that the graph says, or a tensor cannot be fed.
          tf.errors.OpError: as ``session.run``.
        """
        wanted = _names(fetches)
        key = tuple(wanted), tuple(feed)
        prepared = self._known.get(key)
        if prepared is None:
            prepared = self._known[key] = self._prepare(wanted, list(feed))
        given = [fed.array(value) for fed, value in zip(prepared.feeds, feed.values())]
        found = {name: np.array(array) for name, array in zip(feed, given) if name in wanted}  # fed and fetched
        found.update(zip(prepared.fetched, map(_own, prepared.call(*given))))
        return _like(fetches, found)

    def _prepare(self, wanted: List[str], fed: List[str]) -> _Prepared:
        graph = self._session.graph
        feeds = []
        for tensor in map(graph.get_tensor_by_name, fed):
            if not graph.is_feedable(tensor):
                raise ValueError("tensor %s cannot be fed (%s)" % (tensor.name, tensor.op.type))
            feeds.append(_Feed(tensor.name, tensor.dtype.base_dtype.as_numpy_dtype, tensor.shape))
        fetched = tuple(name for name in dict.fromkeys(wanted) if name not in fed)
        call = _tf.make_callable(self._session, fetched, fed) if fetched else lambda *given: []
        return _Prepared(call, fetched, tuple(feeds))


def _own(value: Any) -> Any:
    """The value in memory of its own: a run may hand out that of a constant, a variable or a feed."""
    return np.array(value) if isinstance(value, np.ndarray) and not value.flags.owndata else value


def _names(fetches: Any) -> List[str]:
    if isinstance(fetches, (list, tuple)):
        return [name for one in fetches for name in _names(one)]
    return [fetches if isinstance(fetches, str) else fetches.name]


def _like(fetches: Any, found: Mapping[str, Any]) -> Any:
    if isinstance(fetches, (list, tuple)):
        return type(fetches)(_like(one, found) for one in fetches)
    return found[fetches if isinstance(fetches, str) else fetches.name]
