"""How a placeholder is filled from the columns of a row.

A new kind is a function ``(options, Files) -> Encoder``, a line here, and its options in ``tf1_ig/spec.schema.json``.
"""

from typing import Any, Callable, Dict, Mapping

import numpy as np

from graph_tools.graph import names
from tf1_ig.errors import SpecError
from tf1_ig.rows.examples import example
from tf1_ig.rows.files import Files
from tf1_ig.rows.pictures import image, signal
from tf1_ig.rows.record import Encoder
from tf1_ig.rows.table import category, constant, numbers, string
from tf1_ig.rows.text import LIMITS, lengths, mask, sparse, text

__all__ = ["ENCODERS", "by_tensor", "encoders_of"]

ENCODERS: Dict[str, Callable[[Mapping[str, Any], Files], Encoder]] = {
    "text": text,
    "lengths": lengths,
    "mask": mask,
    "sparse": sparse,
    "numbers": numbers,
    "category": category,
    "string": string,
    "constant": constant,
    "image": image,
    "signal": signal,
    "example": example,
}


def by_tensor(feed: Mapping[str, Any], files: Files) -> Dict[str, Any]:
    """The entries of a spec's ``feed`` by the whole name of their tensor.

    Raises:
      SpecError: two entries are of one tensor (``"ids"`` and ``"ids:0"``).
    """
    found: Dict[str, Any] = {}
    for tensor, options in feed.items():
        if names.tensor_name(tensor) in found:
            raise SpecError("%s: tensor %s stands there twice; fill it once" % (
                files.place("feed"), names.tensor_name(tensor)))
        found[names.tensor_name(tensor)] = options
    return found


def encoders_of(feed: Mapping[str, Mapping[str, Any]], files: Files) -> Dict[str, Encoder]:
    """The encoder that each entry of a spec's ``feed`` asks for, by its tensor."""
    found = {}
    for tensor, options in feed.items():
        inside = files.inside("feed", tensor)
        for of in [options, *options.get("features", {}).values()]:
            if not np.all(of.get("divide", 1)):
                raise SpecError("%s: 0 divides nothing; give another number" % inside.place("divide"))
        found[tensor] = ENCODERS[options["kind"]](_with_limits(options, feed, inside), inside)
    return found


def _with_limits(options: Mapping[str, Any], feed: Mapping[str, Any], files: Files) -> Mapping[str, Any]:
    """The options of an entry; one that is computed from a text is padded as that text is."""
    if "of" not in options:
        return options
    source = feed.get(names.tensor_name(options["of"]), {})
    if options["kind"] == "sparse" and source.get("sparse"):
        return options
    if source.get("kind") != "text":
        raise SpecError("%s: %r is not a text of this spec" % (files.place("of"), options["of"]))
    return dict({key: source[key] for key in LIMITS if key in source}, **options)
