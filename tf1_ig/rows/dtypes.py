"""The dtypes of placeholders of which a spec says none: those that the model declares."""

from typing import Any, Callable, Dict, Mapping

import numpy as np

from graph_tools.errors import GraphToolsError
from graph_tools.graph import names

_FIXED = ("string", "example", "sparse")  # kinds that are fed as one dtype always


def with_declared(feed: Mapping[str, Mapping[str, Any]], load: Callable[[], Any]) -> Dict[str, Mapping[str, Any]]:
    """The entries of a spec's feed, those without a dtype with that of their placeholder.

    Args:
      feed: options by tensor name.
      load: gives the model; only called where an entry lacks its dtype. Where there is none that can be had, or it
        lacks a tensor, entries stay as they are: what is wrong is told when the model is opened.
    """
    found = dict(feed)
    lacking = [tensor for tensor, options in feed.items() if "dtype" not in options and not (
        options["kind"] in _FIXED or options.get("strings"))]
    try:
        model = load() if lacking else None
        for tensor in lacking:
            dtype = names.in_outline(model, tensor).dtype.base_dtype.as_numpy_dtype
            if np.dtype(dtype).kind in "biuf":
                found[tensor] = dict(feed[tensor], dtype=np.dtype(dtype).name)
    except GraphToolsError:
        return found
    return found
