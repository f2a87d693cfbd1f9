"""A graph that carries its own explanations: a signature that takes a feed and returns attributions.

A plain serving process, which has never seen this package, can then explain as it predicts.
"""

import dataclasses
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

import numpy as np

import graph_tools as gt
from graph_tools import _tf, control_flow
from graph_tools.errors import GradientError
from graph_tools.find.decided import Decided
from graph_tools.graph import names, nodes
from graph_tools.graph.ops import ENTERS, PLACEHOLDERS, SWITCHES
from graph_tools.graph.walk import GraphIndex
from tf1_ig import quadrature
from tf1_ig.engine import path as path_of, target
from tf1_ig.errors import BatchError, InputError
from tf1_ig.explainer import IntegratedGradients
from tf1_ig.question import graph_facts, resolve

SIGNATURE, PATH_SIGNATURE = "attribution", "attribution_path"
_SCOPE = "attribution"
_FRAMES = ENTERS | SWITCHES


class _Parts(NamedTuple):
    """Tensors of the signature, by what they are called there."""

    feeds: Dict[str, Any]
    path: Dict[str, Any]
    outputs: Dict[str, Any]


def attribution_signature(model: gt.Model, output: Any, inputs: Any = "auto", steps: int = 50,
                          feed: Optional[Mapping] = None, label: Any = None) -> gt.Model:
    """A model whose graph computes its own Integrated Gradients.

    The copy of the graph that runs along the path shares the constants of the model, so that the file hardly grows.
    The signature ``"attribution"`` takes what the model is fed and ``label`` (int64 ``[batch]``; ``[batch, k]`` index
    tuples for an output of rank k + 1; none for an output of rank 1) and returns ``attributions`` (one for each
    input), ``score``, ``baseline_score`` and ``delta``. ``"attribution_path"`` also takes ``baseline`` (zeros by
    default; one for each input), ``alphas`` and ``weights`` (Gauss-Legendre by default). A run holds
    ``(len(alphas) + 2) * batch`` rows.

    Args:
      model: the ``Model``; it is not changed.
      output: the tensor to explain; its first axis is the batch.
      inputs: what to attribute to, as for ``IntegratedGradients``.
      steps: number of default alphas.
      feed: examples to prove the new graph on, as for ``IntegratedGradients.explain``: its numbers must be those of
        ``IntegratedGradients``, which proves rows to be independent.
      label: their label.

    Returns:
      A ``Model``, frozen; save it as a SavedModel to serve it.

    Raises:
      InputError: an input has no batch axis (rows of sparse lookups belong to examples by another tensor).
      BatchError: rows depend on their company, or the proof on ``feed`` failed.
      GradientError: no gradient path leads from the output to an input.
      UnsafeModelError: the output depends on an op that could do more than compute.

    Example:
      >>> served = tf1_ig.attribution_signature(model, "softmax:0")  # doctest: +SKIP
      >>> served.save("served_with_explanations")                    # doctest: +SKIP
    """
    resolved = resolve.resolve(model, output, inputs)
    resolved.model.refuse([resolved.output])
    _refuse(resolved)
    tensors = [spec.attributed.tensor for spec in resolved.inputs]
    base = _base(resolved.model, [resolved.output] + tensors)
    graph = base.new_graph()
    with graph.as_default():
        parts = _build(graph, resolved.output, tensors, quadrature.nodes_and_weights("gausslegendre", steps))
    carried = _with_signatures(base, graph, parts)
    if feed is not None:
        compare(model, carried, output, inputs, feed, label, steps)
    return carried


def _refuse(resolved: Any) -> None:
    for spec in resolved.inputs:
        if spec.attributed.owner:
            raise InputError("the rows of %s belong to examples by another tensor (%s), which a signature cannot "
                             "repeat along a path; choose a dense input" % (spec.name, spec.attributed.owner))
    facts = graph_facts.findings(graph_facts.scene(
        Decided(resolved.model.index, {}), resolved.output,
        tuple(spec.attributed.tensor for spec in resolved.inputs), ()))
    failed = [fact for fact in facts if fact.verdict == "fail"]
    if failed:
        raise BatchError("no signature can explain %s: %s" % (resolved.output, failed[0].advice))


def _base(model: Any, tensors: Sequence[str]) -> Any:
    """The model frozen, with what its signatures and the explanation need and nothing else."""
    frozen, _ = gt.freeze(model, tensors)
    served = [info.name for signature in frozen.signatures.values() for info in signature.outputs.values()
              if info.name and names.parse(info.name).node in frozen.index]
    return gt.prune(frozen, list(dict.fromkeys(list(tensors) + served)))[0]


# ---- the path


def _build(graph: Any, output: str, tensors: Sequence[str], nodes: Tuple[np.ndarray, np.ndarray]) -> _Parts:
    tf = _tf.tf
    index = GraphIndex(graph.as_graph_def())
    given = [names.parse(tensor).node for tensor in tensors]
    needed = index.ancestors([output])
    feeds = [graph.get_tensor_by_name(name + ":0") for name in index.nodes
             if index.op(name) in PLACEHOLDERS and name in needed]
    with tf.name_scope(_SCOPE):
        path = {"alphas": tf.placeholder_with_default(nodes[0].astype(np.float32), [None], "alphas"),
                "weights": tf.placeholder_with_default(nodes[1].astype(np.float32), [None], "weights")}
        # The two ends of the path ride along at weight 0: their scores are the score and the baseline score.
        alphas = tf.concat([path["alphas"], [0.0, 1.0]], 0)
        count = tf.size(alphas)
        actual = [graph.get_tensor_by_name(tensor) for tensor in tensors]
        baselines, points = [], []
        for position, tensor in enumerate(actual):
            key = "baseline" if len(actual) == 1 else "baseline/" + given[position]
            baselines.append(tf.placeholder_with_default(tf.zeros_like(tensor), tensor.shape, "baseline"))
            path[key] = baselines[-1]
            points.append(path_of.points(tensor, tf.zeros_like(tensor) + baselines[-1], *_laid_out(alphas, tensor)))
            points[-1].set_shape([None] + tensor.shape.as_list()[1:] if tensor.shape.ndims else None)
        stands = {feed.name: _repeated(feed, count) for feed in feeds if _per_row(feed)}
        stands.update(zip(tensors, points))
    explained = _copy_along_path(graph, index, output, set(given), stands)
    with tf.name_scope(_SCOPE):
        score, labels = _score(explained, count)
        gradients = target.gradients(output, [score], points)
        if any(gradient is None for gradient in gradients):
            lost = [position for position, gradient in enumerate(gradients) if gradient is None][0]
            raise GradientError("no gradient path from output %s to input %s: %s" % (
                output, tensors[lost], target.cut(explained, points[lost])))
        outputs = _outputs(actual, baselines, gradients, score, path["weights"], count, given)
    return _Parts(dict({feed.op.name: feed for feed in feeds}, **labels), path, outputs)


def _per_row(feed: Any) -> bool:
    """Whether a placeholder has a row for each example: one of a fixed length or a scalar is shared."""
    return feed.shape.ndims is None or (feed.shape.ndims > 0 and feed.shape.as_list()[0] is None)


def _laid_out(numbers: Any, actual: Any) -> Any:
    """``[alphas * batch]``: every row of the batch at the first alpha, then at the next; and each one's number."""
    tf = _tf.tf
    rows = tf.shape(actual)[0]
    return tf.tile(tf.range(rows), [tf.size(numbers)]), tf.reshape(
        tf.tile(numbers[:, tf.newaxis], tf.stack([1, rows])), [-1])


def _repeated(feed: Any, count: Any) -> Any:
    tf = _tf.tf
    times = tf.concat([[count], tf.ones([tf.rank(feed) - 1], tf.int32)], 0)
    repeated = tf.tile(feed, times)
    repeated.set_shape(feed.shape)
    return repeated


def _copy_along_path(graph: Any, index: GraphIndex, output: str, given: Set[str], stands: Mapping[str, Any]) -> Any:
    """Imports a copy of what depends on the rows, and of whole loops and branches; the rest is shared.

    Args:
      graph: the graph that holds the model.
      index: of the same graph.
      output: the tensor whose copy is returned.
      given: nodes of the attributed tensors.
      stands: what the copy reads instead, by the name of a tensor in the model.
    """
    tf = _tf.tf
    needed = index.ancestors([output], stop=given.__contains__)
    starts = {use.node for tensor in stands for use in index.uses(tensor)}
    starts |= {name for name in needed if index.op(name) in _FRAMES}
    fixed = {names.parse(tensor).node for tensor in stands}
    copied = (index.descendants(starts) & needed) - fixed
    if names.parse(output).node not in copied:
        raise GradientError("output %s does not depend on what it is to be attributed to" % output)
    scope = _SCOPE + "/path/"
    copy, mapped = tf.GraphDef(versions=index.graph_def.versions), {}
    for name in index.nodes:
        if name not in copied:
            continue
        node = nodes.copied(copy, index.nodes[name])
        node.name = scope + name
        if "frame_name" in node.attr:
            node.attr["frame_name"].s = scope.encode("utf-8") + node.attr["frame_name"].s
        del node.input[:]
        for ref in index.inputs(name):
            if ref.node in copied:
                node.input.append(str(names.TensorRef(scope + ref.node, ref.port)))
            elif not ref.is_control:  # a control edge from what is shared orders nothing along the path
                node.input.append(str(ref))
                mapped[str(ref)] = stands[str(ref)] if str(ref) in stands else graph.get_tensor_by_name(str(ref))
    tf.import_graph_def(copy, input_map=mapped, name="")
    control_flow.restore_control_flow(graph)
    return graph.get_tensor_by_name(scope + output)


# ---- what comes out


def _score(explained: Any, count: Any) -> Tuple[Any, Dict[str, Any]]:
    """The explained number of each row along the path, and the label placeholder where there are classes."""
    tf = _tf.tf
    rank = explained.shape.ndims
    if rank is None or rank < 1:
        raise BatchError("output %s has %s; a signature explains outputs whose first axis is the batch" % (
            explained.op.name, "an unknown rank" if rank is None else "no axis"))
    if rank == 1:
        return tf.identity(explained, "scores"), {}
    label = tf.placeholder(tf.int64, [None] if rank == 2 else [None, rank - 1], "label")
    where = tf.reshape(label, [-1, rank - 1])
    rows = tf.range(tf.shape(explained, out_type=tf.int64)[0])
    places = tf.concat([rows[:, tf.newaxis], tf.tile(where, tf.stack([count, 1]))], 1)
    return tf.gather_nd(explained, places, name="scores"), {"label": label}


def _outputs(actual: Any, baselines: Any, gradients: Any, score: Any, weights: Any, count: Any,
             given: Sequence[str]) -> Dict[str, Any]:
    tf = _tf.tf
    scores = tf.reshape(score, tf.stack([count, -1]))
    found = {"score": tf.identity(scores[-1], "score"), "baseline_score": tf.identity(scores[-2], "baseline_score")}
    weights = tf.concat([weights, [0.0, 0.0]], 0)
    total: Any = 0.0
    for name, tensor, baseline, gradient in zip(given, actual, baselines, gradients):
        entry, weight = _laid_out(weights, tensor)
        mean = path_of.summed(tf.convert_to_tensor(gradient), weight, entry, tf.shape(tensor)[0])
        values = tf.multiply(tensor - baseline, mean, name="attributions")
        found["attributions" if len(actual) == 1 else "attributions/" + name] = values
        total += tf.reduce_sum(tf.reshape(values, tf.stack([tf.shape(tensor)[0], -1])), 1)
    rise = found["score"] - found["baseline_score"]
    found["delta"] = tf.subtract(total, tf.cast(rise, total.dtype), name="delta")
    return found


def _with_signatures(base: Any, graph: Any, parts: _Parts) -> Any:
    """The model over the larger graph, with the two new signatures besides its own."""
    tf = _tf.tf
    meta_graph = tf.MetaGraphDef()
    meta_graph.CopyFrom(base.meta_graph)
    meta_graph.graph_def.CopyFrom(graph.as_graph_def())
    with graph.as_default():
        for key, inputs in ((SIGNATURE, parts.feeds), (PATH_SIGNATURE, dict(parts.feeds, **parts.path))):
            meta_graph.signature_def[key].CopyFrom(
                tf.saved_model.predict_signature_def(inputs=inputs, outputs=parts.outputs))
    return dataclasses.replace(base, meta_graph=meta_graph)


# ---- the proof


def compare(model: Any, carried: Any, output: Any, inputs: Any, feed: Mapping, label: Any, steps: int = 50) -> float:
    """How far the attributions of the signature are from ``IntegratedGradients``, relative to the largest.

    Args:
      model: what ``attribution_signature`` was given, with the same ``output``, ``inputs`` and ``steps``.
      carried: what it returned.
      feed, label: as for ``IntegratedGradients.explain``, whose own probe proves rows to be independent.

    Raises:
      BatchError: by more than a thousandth.
    """
    with IntegratedGradients(model, output, inputs) as explainer:
        expected, resolved = explainer.explain(feed, label=label, steps=steps), explainer.resolved
    found = run_signature(carried, {resolved.renamed.get(names.tensor_name(key), names.tensor_name(key)): value
                                    for key, value in feed.items()}, expected.label)
    keys = [key for key in sorted(found) if key.startswith("attributions")]
    wanted = {"attributions" if len(keys) == 1 else "attributions/" + names.parse(spec.attributed.tensor).node:
              expected.values[spec.name] for spec in resolved.inputs}
    errors = [0.0]
    for key in keys:
        size = max(1e-12, float(np.abs(wanted[key]).max()))
        errors.append(float(np.abs(found[key] - wanted[key]).max()) / size)
        if not errors[-1] <= 1e-3:
            raise BatchError("the signature's %s differ from IntegratedGradients by %.2g of the largest: rows of a "
                             "batch depend on each other, or a feed does not follow the rows" % (key, errors[-1]))
    return max(errors)


def run_signature(model: Any, feed: Mapping[str, Any], label: Any = None, key: str = SIGNATURE) -> Dict[str,
                  np.ndarray]:
    """Runs one of the signatures: arrays by output key. ``feed`` is keyed by tensor name or by signature key."""
    signature = model.signatures[key]
    values = {signature.inputs[name].name if name in signature.inputs else names.tensor_name(name): value
              for name, value in feed.items()}
    if "label" in signature.inputs:
        values[signature.inputs["label"].name] = label
    fetches: List[str] = sorted(signature.outputs)
    model.refuse([signature.outputs[name].name for name in fetches], values)
    with model.open_session() as session:
        return dict(zip(fetches, session.run([signature.outputs[name].name for name in fetches], values)))
