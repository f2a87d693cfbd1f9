"""What the values of nodes are made of, as bits."""

from graph_tools import _tf
from graph_tools.find.dataflow import Dataflow
from graph_tools.graph import nodes
from graph_tools.graph.walk import GraphIndex


def test_bits_depend_on_no_name():
    def bits(number):
        graph_def = _tf.tf.GraphDef()
        ids, floats = ("%s_%d" % (name, number) for name in ("ids", "floats"))
        nodes.add(graph_def, "Placeholder", ids, dtype="int32")
        nodes.add(graph_def, "Placeholder", floats, dtype="float32")
        nodes.add(graph_def, "Less", "mask", [ids, ids], T="int32")
        nodes.add(graph_def, "Mul", "both", ["mask", floats], T="float32")
        nodes.add(graph_def, "Cumsum", "places", ["both", "mask"], T="float32")
        flow = Dataflow(GraphIndex(graph_def))
        return [flow.bits(node.name) for node in graph_def.node]

    assert len(set(map(tuple, map(bits, range(20))))) == 1
