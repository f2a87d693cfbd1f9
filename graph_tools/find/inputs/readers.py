"""Readers: records that a reader takes from the files whose names are in a queue."""

from typing import Iterator

from graph_tools.find.inputs.record import Component, Input, make_input, resource_behind
from graph_tools.graph.walk import GraphIndex

READERS = frozenset(kind + version for kind in (
    "WholeFileReader", "TextLineReader", "TFRecordReader", "FixedLengthRecordReader", "IdentityReader", "LMDBReader",
    "BigQueryReader") for version in ("", "V2"))
_READS = frozenset(kind + version for kind in ("ReaderRead", "ReaderReadUpTo") for version in ("", "V2"))


def readers(index: GraphIndex) -> Iterator[Input]:
    """One input for each op that reads a record, or several."""
    for node in index.nodes.values():
        if node.op in _READS:
            shape = (None,) if "UpTo" in node.op else ()
            components = [Component(node.name + ":0", "string", shape, "key"),
                          Component(node.name + ":1", "string", shape, "value")]
            behind = resource_behind(index, node.name, READERS)
            why = "a record from %s" % (" or ".join("%s %r" % (index.op(name), name) for name in behind) or "a reader")
            yield make_input(index, "reader", why, (node.name,), components, producers=behind)
