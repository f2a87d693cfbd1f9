"""Rebuild the While and Cond contexts that a GraphDef does not carry, so that gradients exist again.

A frozen graph with ``tf.while_loop`` or ``tf.cond`` runs forward, but ``tf.gradients`` needs the contexts in which the
ops were made, and those are Python objects (TensorFlow issue 7404). They are found again from structure alone:

* :mod:`~graph_tools.control_flow.structure` tells which loop and which branch every node belongs to
  (:mod:`~graph_tools.control_flow.nodes` reads them, :mod:`~graph_tools.control_flow.arms` follows the branches),
* :mod:`~graph_tools.control_flow.repair` plans the nodes that pruning and optimisers took away,
* :mod:`~graph_tools.control_flow.rewrite` carries the plan out, on a GraphDef or on a live graph,
* :mod:`~graph_tools.control_flow.contexts` builds the contexts on a live graph,
* :mod:`~graph_tools.control_flow.tensor_arrays` gives TensorArray ops gradients that hold under either control flow.
"""

from graph_tools.control_flow.contexts import restore_control_flow
from graph_tools.control_flow.rewrite import normalize

__all__ = ["normalize", "restore_control_flow"]
