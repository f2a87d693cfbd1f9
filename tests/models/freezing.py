"""Freezes a small live graph, optimises the frozen one, and keeps both with the live graph's values and gradients."""

import contextlib
import json
from typing import Any, Dict, List, NamedTuple

import numpy as np

from graph_tools import _tf
from tests.models.control_flow import Kind


class Frozen(NamedTuple):
    """A kind as a file holds it, and what the live graph gave.

    ``graphs``: GraphDef by variant (``"frozen"``, ``"trained"`` after ``remove_training_nodes``, ``"grappler"``, …).
    ``feeds``: by tensor name; ``gradients[feed][input]``, empty where the live graph has none.
    """

    name: str
    graphs: Dict[str, Any]
    inputs: List[str]
    output: str
    feeds: List[Dict[str, np.ndarray]]
    values: List[np.ndarray]
    gradients: List[List[np.ndarray]]
    exact: bool


def freeze(kind: Kind, variants=("frozen", "trained", "grappler")) -> Frozen:
    """Builds a kind live, takes values and gradients from the live graph, freezes it and optimises the frozen graph.

    A variant that cannot run on the same feeds is left out: TF 1.15's TransformGraph drops default values.
    """
    tf = _tf.tf
    graph = tf.Graph()
    with graph.as_default(), _tf.control_flow_v1():
        tf.set_random_seed(7)
        case = kind.build()
        gradients = dense_gradients(case.output, case.inputs) if kind.live else []
        initializer = tf.global_variables_initializer()
    with tf.Session(graph=graph, config=_tf.session_config()) as session:
        session.run(initializer)
        values = [session.run(case.output, feed) for feed in case.feeds]
        derivatives = [session.run(gradients, feed) for feed in case.feeds]
        with _quiet():
            constant = tf.graph_util.convert_variables_to_constants(session, graph.as_graph_def(),
                                                                    [case.output.op.name])
    there = {node.name for node in constant.node}
    feeds = [{tensor.name: np.asarray(value) for tensor, value in feed.items() if tensor.op.name in there}
             for feed in case.feeds]
    keep = [case.output.op.name] + [x.op.name for x in case.inputs] + [name[:-2] for feed in feeds for name in feed]
    graphs = {variant: _without_colocation(OPTIMIZERS[variant](constant, keep)) for variant in variants}
    kept = {variant: graph_def for variant, graph_def in graphs.items()
            if variant != "transforms" or _runs(graph_def, case.output.name, feeds)}
    return Frozen(kind.name, kept, [x.name for x in case.inputs], case.output.name, feeds, values, derivatives,
                  kind.exact)


def dense_gradients(output, inputs):
    """``tf.gradients`` with the slices of gathers summed up."""
    return [_tf.tf.convert_to_tensor(gradient) for gradient in _tf.tf.gradients(output, inputs)]


def imported(graph_def, **kwargs):
    """A fresh graph of a GraphDef, as a user imports it."""
    graph = _tf.tf.Graph()
    with graph.as_default():
        _tf.tf.import_graph_def(graph_def, **dict({"name": ""}, **kwargs))
    return graph


def _runs(graph_def, output, feeds) -> bool:
    with _tf.tf.Session(graph=imported(graph_def), config=_tf.session_config()) as session:
        try:
            for feed in feeds:
                session.run(output, feed)
        except _tf.tf.errors.InvalidArgumentError:  # a default value was dropped, so that a feed is missing
            return False
    return True


def _without_colocation(graph_def):
    """TF 1.15 cannot import colocation with a node that an optimiser took away."""
    for node in graph_def.node:
        node.attr.pop("_class", None)
    return graph_def


@contextlib.contextmanager
def _quiet():
    logger = _tf.tf.logging
    before = logger.get_verbosity()
    logger.set_verbosity(logger.ERROR)
    try:
        yield
    finally:
        logger.set_verbosity(before)


def _trained(graph_def, keep):
    with _quiet():
        return _tf.tf.graph_util.remove_training_nodes(graph_def, protected_nodes=keep[:1])


def _grappler(graph_def, keep):
    """What TensorFlow's own graph optimisers leave of a frozen graph."""
    from tensorflow.python.grappler import tf_optimizer

    tf = _tf.tf
    graph = imported(graph_def)
    meta_graph = tf.train.export_meta_graph(graph=graph, graph_def=graph.as_graph_def())
    meta_graph.collection_def["train_op"].node_list.value.extend(sorted(set(keep)))
    config = tf.ConfigProto()
    config.graph_options.rewrite_options.min_graph_nodes = -1
    return tf_optimizer.OptimizeGraph(config, meta_graph)


def _transforms(graph_def, keep):
    """TF 1.15's offline graph transforms."""
    from tensorflow.tools.graph_transforms import TransformGraph

    return TransformGraph(graph_def, sorted(set(keep[1:])), keep[:1], [
        "remove_nodes(op=Identity, op=CheckNumerics)", "fold_constants(ignore_errors=true)", "merge_duplicate_nodes",
        "sort_by_execution_order"])


OPTIMIZERS = {
    "frozen": lambda graph_def, keep: graph_def,
    "trained": _trained,
    "grappler": _grappler,
    "transforms": _transforms,
}


def save(frozen: Frozen, path) -> None:
    """Writes one ``.npz`` with the graphs as bytes."""
    arrays = {"graph/" + variant: np.frombuffer(graph_def.SerializeToString(deterministic=True), np.uint8)
              for variant, graph_def in frozen.graphs.items()}
    for number, feed in enumerate(frozen.feeds):
        arrays.update({"feed/%d/%s" % (number, name): value for name, value in feed.items()})
        arrays["value/%d" % number] = frozen.values[number]
        for place, gradient in enumerate(frozen.gradients[number]):
            arrays["gradient/%d/%d" % (number, place)] = gradient
    about = {"name": frozen.name, "inputs": frozen.inputs, "output": frozen.output, "exact": frozen.exact,
             "feeds": len(frozen.feeds), "tensorflow": _tf.tensorflow.__version__}
    np.savez_compressed(str(path), about=json.dumps(about), **arrays)


def load(path) -> Frozen:
    """Reads what :func:`save` wrote."""
    with np.load(str(path)) as file:
        arrays = dict(file)
    about = json.loads(str(arrays["about"]))
    numbers = range(about["feeds"])
    graphs = {}
    for name in arrays:
        if name.startswith("graph/"):
            graphs[name[len("graph/"):]] = _tf.tf.GraphDef.FromString(arrays[name].tobytes())
    feeds = [{name.split("/", 2)[2]: value for name, value in arrays.items() if name.startswith("feed/%d/" % number)}
             for number in numbers]
    gradients = [[arrays["gradient/%d/%d" % (number, place)] for place in range(len(about["inputs"]))
                  if "gradient/%d/%d" % (number, place) in arrays] for number in numbers]
    return Frozen(about["name"], graphs, about["inputs"], about["output"], feeds,
                  [arrays["value/%d" % number] for number in numbers], gradients, about["exact"])
