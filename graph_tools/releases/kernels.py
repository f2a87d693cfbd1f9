"""Ops that the running TensorFlow knows and cannot compute: told with their node before anything runs."""

from typing import Any, Dict, Iterable, List, Tuple

from graph_tools import _tf
from graph_tools.errors import ReleaseError
from graph_tools.graph import functions
from graph_tools.graph.walk import GraphIndex

_OWN = ("CPU", "DEFAULT")  # devices that every machine has
# Ops without a kernel in any release: a pass over the graph replaces them before anything is placed.
_REWRITTEN = frozenset(("AccumulateNV2",))
_known: Dict[str, Tuple[Any, ...]] = {}


def require(index: GraphIndex, running: Iterable[str], where: str) -> None:
    """Raises ``ReleaseError`` when some node that is to run has no kernel on this machine.

    Args:
      index: the graph.
      running: names of the nodes that are to run.
      where: the model, for the message.
    """
    library = index.graph_def.library
    defined = {function.signature.name for function in library.function}
    seen: Dict[Tuple[Any, ...], Any] = {}
    for node in _with_bodies([index.nodes[name] for name in running], library):
        dtypes = tuple(sorted((key, value.type) for key, value in node.attr.items() if value.type))
        if node.op not in defined and node.op not in _REWRITTEN:
            seen.setdefault((node.op,) + dtypes, node)
    for node in sorted(seen.values(), key=lambda one: one.name):
        if not _has_kernel(node):
            raise ReleaseError("%s: node %r needs op %s, for which TensorFlow %s has no kernel here%s; run it where it "
                               "was made to run (another release, a GPU, a TPU), or feed a tensor behind it" % (
                                   where, node.name, node.op, _tf.tf.__version__, _kinds(node)))


def config_for(index: GraphIndex, config: Any) -> Any:
    """A ``tf.ConfigProto`` for sessions of a graph: where it holds ops without a kernel, only what a run needs is
    placed, so that they are in nobody's way beside it (each run is then placed anew, which takes longer).
    """
    library = {function.signature.name for function in index.graph_def.library.function}
    if all(any(kernel.device_type in _OWN for kernel in registered(op))
           for op in {node.op for node in index.nodes.values()} - library - _REWRITTEN):
        return config
    made = type(config)()
    made.CopyFrom(config)
    made.graph_options.place_pruned_graph = True
    return made


def _with_bodies(running: List[Any], library: Any) -> List[Any]:
    """Some nodes, and those of the functions of the library that they call."""
    if not library.function:
        return running
    called = functions.reach([name for node in running for name in functions.called(node)], functions.calls(library))
    return running + [node for function in library.function if function.signature.name in called
                      for node in function.node_def]


def registered(op: str) -> Tuple[Any, ...]:
    """The kernels of an op in this process, as ``KernelDef``; a library that is loaded later may bring some."""
    if not _known.get(op):
        _known[op] = tuple(_tf.kernels_of(op).kernel)
    return _known[op]


def _has_kernel(node: Any) -> bool:
    fitting = {kernel.device_type for kernel in registered(node.op) if _fits(kernel, node)}
    return bool(fitting.intersection(_OWN)) or bool(fitting) and has_accelerator()


def has_accelerator() -> bool:
    """Whether TensorFlow sees a device here besides CPUs."""
    devices = {device.device_type for device in _tf.tf.config.experimental.list_physical_devices()}
    return any(device != "CPU" and not device.startswith("XLA") for device in devices)


def _fits(kernel: Any, node: Any) -> bool:
    """Whether the dtypes of a node are among those of a kernel."""
    return all(constraint.name not in node.attr or not node.attr[constraint.name].type or
               node.attr[constraint.name].type in constraint.allowed_values.list.type
               for constraint in kernel.constraint)


def _kinds(node: Any) -> str:
    dtypes = sorted({_tf.tf.as_dtype(value.type).name for value in node.attr.values() if value.type})
    return " for %s" % ", ".join(dtypes) if dtypes and registered(node.op) else ""
