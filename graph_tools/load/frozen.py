"""A frozen graph: one GraphDef in a file, binary or text, its weights in ``Const`` nodes."""

import os

from graph_tools import _tf
from graph_tools.errors import ModelFormatError
from graph_tools.load import read
from graph_tools.model import Model


def matches(path: str) -> bool:
    return os.path.isfile(path)


def load(path: str, tags=None, signature=None) -> Model:
    """Reads a GraphDef (``.pb``, or ``.pbtxt`` in text)."""
    data = read.read_bytes(path)
    if read.is_text(data):
        try:
            graph_def = read.parse_text(_tf.tf.GraphDef, data)
        except (_tf.TextParseError, UnicodeDecodeError) as problem:
            raise ModelFormatError("%r is not a GraphDef in text form (%s); export it again" % (
                path, str(problem).splitlines()[0])) from problem
    else:
        graph_def = read.parse_binary(_tf.tf.GraphDef, data)
    if graph_def is None or not graph_def.node or not all(node.name and node.op for node in graph_def.node):
        raise ModelFormatError("%r holds no GraphDef; it is truncated or not a TensorFlow graph; export it again" % path)
    meta_graph = _tf.tf.MetaGraphDef()
    meta_graph.graph_def.CopyFrom(graph_def)
    return Model(meta_graph, "frozen GraphDef %s" % path)
