"""Rebuild the While and Cond contexts that a GraphDef does not carry, so that gradients exist again."""


def normalize(graph_def):
    """The GraphDef with the structure that gradients of loops need (pure; placeholder until the module is built)."""
    return graph_def


def restore_control_flow(graph) -> int:
    """Rebuilds the control-flow contexts of a graph; returns how many."""
    return 0
