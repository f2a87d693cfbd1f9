"""Python functions in the graph: their code is not in it, so that what they return must be fed."""

from typing import Iterator

from graph_tools.find.inputs.record import Component, Input, dtype_list, make_input
from graph_tools.graph import names, ops
from graph_tools.graph.walk import GraphIndex


def inputs(index: GraphIndex) -> Iterator[Input]:
    """One input for each call of a Python function that returns something."""
    for node in index.of_ops(ops.PYTHON.takes):
        dtypes = dtype_list(node, "Tout")
        if dtypes:
            token = names.text(node.attr["token"].s)
            components = [Component("%s:%d" % (node.name, port), dtype, None, "output_%d" % port)
                          for port, dtype in enumerate(dtypes)]
            yield make_input(index, "py_func", "what the Python function %r returns; its code is not in the graph"
                             % token, (node.name,), components, producers=(node.name,))
