"""How a placeholder is filled from the columns of a row.

A new kind is a function ``(options, Files) -> Encoder``, a line here, and its options in ``tf1_ig/spec.schema.json``.
"""

from typing import Any, Callable, Dict, Mapping

from tf1_ig.rows.examples import example
from tf1_ig.rows.files import Files
from tf1_ig.rows.pictures import image, signal
from tf1_ig.rows.record import Encoder
from tf1_ig.rows.table import category, constant, numbers, string
from tf1_ig.rows.text import lengths, mask, sparse, text

__all__ = ["ENCODERS", "encoder"]

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


def encoder(options: Mapping[str, Any], files: Files) -> Encoder:
    """The encoder that one entry of a spec's ``feed`` asks for."""
    return ENCODERS[options["kind"]](options, files)
