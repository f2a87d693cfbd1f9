"""Serialized records that are fed: looked at before TensorFlow parses them.

What cannot be parsed is quoted as it is in TensorFlow's error, and bytes that are no text end the process on 1.15.
"""

from typing import Any, Optional

import numpy as np

from graph_tools import _tf
from graph_tools.errors import FeedError
from graph_tools.graph.walk import reached

# Ops that parse records, and the message that each must be.
PARSERS = {"ParseExample": "Example", "ParseExampleV2": "Example", "ParseSingleExample": "Example",
           "ParseSequenceExample": "SequenceExample", "ParseSequenceExampleV2": "SequenceExample",
           "ParseSingleSequenceExample": "SequenceExample"}
_HANDED_ON = ("Identity", "Reshape", "Squeeze", "ExpandDims")


def check(what: str, tensor: Any, array: np.ndarray) -> None:
    """Refuses records that cannot be parsed by the op that they are for.

    Args:
      what: the tensor for the message.
      tensor: the ``tf.Tensor`` that is fed.
      array: its strings.

    Raises:
      FeedError: which record it is.
    """
    kind = _parsed_as(tensor)
    if kind is None:
        return
    message = getattr(_tf.tf.train, kind)
    for number, record in enumerate(array.ravel().tolist()):
        try:
            message.FromString(record if isinstance(record, bytes) else record.encode("utf-8"))
        except (_tf.DecodeError, UnicodeEncodeError):
            raise FeedError("record %d of the feed for %s is no serialized tf.train.%s (%d bytes; cut short, or made a "
                            "numpy array of kind 'S', which drops NULs at the end?); feed a list of bytes as "
                            "SerializeToString() gives them" % (number, what, kind, len(record))) from None


def _parsed_as(tensor: Any) -> Optional[str]:
    ops = reached(tensor.consumers(), lambda op: [user for output in op.outputs for user in output.consumers()] if (
        op.type in _HANDED_ON) else [])
    return next((PARSERS[op.type] for op in ops if op.type in PARSERS), None)
