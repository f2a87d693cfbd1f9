"""Measures that ask another question, another theory, or another model."""

from typing import Any, List

import numpy as np

import graph_tools as gt
from graph_tools import _tf
from graph_tools.errors import GraphToolsError
from graph_tools.graph import names
from tf1_ig.evaluate.bounds import judge
from tf1_ig.evaluate.record import Scene, mean, pearson, spearman
from tf1_ig.result.measured import Measured


def shapley(scene: Scene) -> Measured:
    """Correlation with Shapley values (exact up to 12 tokens, sampled beyond); control: their standard error."""
    found = scene.explainer.explain_variant("shapley", scene.feed, scene.label, baseline=scene.baseline, **scene.asked)
    theirs = scene.at.by_token(found.values)
    rows = np.array([pearson(own[moving], other[moving]) if len(moving) > 1 else np.nan
                     for own, other, moving in zip(scene.tokens, theirs, scene.moving)])
    value = mean(rows)
    told = judge("shapley", value, len(rows))
    error = found.token_standard_error
    control = 0.0 if error is None else mean(np.concatenate(
        [np.ravel(part) for each in error.values() for part in (each if isinstance(each, list) else [each])]))
    return Measured("shapley", told, value, "" if told == "ok" else "Shapley values of the same tokens say "
                    "otherwise; on a steep model single removals and paths tell different stories", control=control,
                    evaluations=int(np.sum(found.evaluations)), rows=rows)


def other_label(scene: Scene) -> Measured:
    """How alike the explanation of the runner-up class is: the cosine of the two, 1 when they are the same."""
    if scene.at.weights is not None:
        return Measured("other label", "ok", None, "a weighted sum of outputs was explained, which has no runner-up")
    outputs = scene.at.outputs(scene.at.entries)
    if outputs.ndim != 2 or outputs.shape[1] < 2:
        return Measured("other label", "ok", None, "the output has no other class to explain")
    own = np.asarray(scene.at.label)
    order = np.argsort(-outputs, axis=1)
    other = np.where(order[:, 0] == own, order[:, 1], order[:, 0])
    found = scene.explain(scene.explainer, scene.feed, [int(label) for label in other])
    rows = np.array([_cosine(one, two) for one, two in zip(scene.tokens, scene.at.by_token(found.values))])
    value = mean(rows)
    told = judge("other label", value, len(rows))
    return Measured("other label", told, value, "" if told == "ok" else "another class is explained alike: the map "
                    "tells what stands out in the input, not what speaks for this class",
                    evaluations=int(np.sum(found.evaluations)), rows=rows)


def weights_randomised(scene: Scene) -> Measured:
    """Rank correlation with the explanation of the same model after all its weights were permuted (Adebayo, Gilmer,
    Muelly, Goodfellow, Hardt, Kim: Sanity Checks for Saliency Maps, arXiv 1810.03292); control: weights nearest the
    output alone, which change less."""
    resolved = scene.explainer.resolved
    inputs, output = [spec.attributed.tensor for spec in resolved.inputs], resolved.output
    evaluations, found = 0, []
    for share in (0.25, 1.0):
        model = permuted(resolved.model, inputs, output, scene.random("weights randomised"), share)
        if model is None:
            return Measured("weights randomised", "warn", None, "no weights between the inputs and the output")
        try:
            tokens, spent = _explained_by(model, scene)
        except GraphToolsError as error:
            return Measured("weights randomised", "warn", None, "the model with permuted weights cannot be explained: "
                            "%s" % error)
        evaluations += spent
        found.append(np.array([spearman(own[moving], other[moving]) if len(moving) > 1 else np.nan
                               for own, other, moving in zip(scene.tokens, tokens, scene.moving)]))
    value, control = mean(found[1]), mean(found[0])
    told = judge("weights randomised", value, len(found[1]))
    advice = ("the explanation of a model with permuted weights is nearly the same: it shows the input, not what the "
              "model has learnt")
    return Measured("weights randomised", told, value, "" if told == "ok" else advice, control=control,
                    evaluations=evaluations, rows=found[1])


def permuted(model: Any, inputs: List[str], output: str, random: np.random.RandomState, share: float) -> Any:
    """The frozen model with the weights between the inputs and the output permuted, each among its own numbers.

    Args:
      share: how many of them, those nearest to the output first.

    Returns:
      ``None`` where there are none.
    """
    frozen, _ = gt.freeze(model, [output])
    index = frozen.index
    moving = set()
    for name in inputs:
        moving |= index.descendants_of_tensor(name)
    behind = index.ancestors([output], control=False)
    weights: List[str] = []
    seen, todo = set(), [names.parse(output).node]
    while todo:  # breadth first: those nearest to the output come first
        name = todo.pop(0)
        if name in seen or name not in behind:
            continue
        seen.add(name)
        refs = [ref.node for ref in index.data_inputs(name)]
        if name in moving:
            weights += [one for ref in refs for one in _constants(index, ref, moving) if one not in weights]
        todo += refs
    if not weights:
        return None
    chosen = set(weights[:max(1, int(round(share * len(weights))))])
    graph_def = _tf.tf.GraphDef()
    graph_def.CopyFrom(frozen.graph_def)
    for node in graph_def.node:
        if node.name in chosen:
            value = _tf.tf.make_ndarray(node.attr["value"].tensor)
            mixed = random.permutation(value.ravel()).reshape(value.shape)
            node.attr["value"].tensor.CopyFrom(_tf.tf.make_tensor_proto(mixed, dtype=node.attr["dtype"].type))
    return frozen.with_graph_def(graph_def)


def _constants(index: Any, name: str, moving: set) -> List[str]:
    """Constants of more than one floating number that a node is or copies."""
    found, todo, seen = [], [name], set()
    while todo:
        one = todo.pop()
        if one in seen or one in moving or one not in index:
            continue
        seen.add(one)
        node = index.nodes[one]
        if node.op == "Const":
            shape = node.attr["value"].tensor.tensor_shape
            size = int(np.prod([axis.size for axis in shape.dim])) if shape.dim else 1
            if _tf.tf.as_dtype(node.attr["dtype"].type).is_floating and size > 1:
                found.append(one)
        elif node.op in ("Identity", "Enter", "ReadVariableOp", "Reshape", "Cast", "ConcatV2", "Transpose"):
            todo += [ref.node for ref in index.data_inputs(one)]
    return found


def _explained_by(model: Any, scene: Scene):
    """Tokens by another model of the same graph through the same method, and how many evaluations that took."""
    explainer = scene.explainer
    resolved = explainer.resolved
    feed = {resolved.renamed.get(names.tensor_name(key), names.tensor_name(key)): value
            for key, value in scene.feed.items()}
    label: Any = [tuple(int(place) for place in one) if np.ndim(one) else int(one) for one in scene.at.label]
    if scene.at.weights is not None:
        label = [{place if len(place) > 1 else place[0]: weight for place, weight in row} for row in scene.at.weights]
    elif any(one == -1 for one in label):
        label = None
    with type(explainer)(model, resolved.output, [spec.attributed.tensor for spec in resolved.inputs],
                         batch_axis=explainer.batch_axis) as other:
        found = scene.explain(other, feed, label)
    by_name = {spec.name: found.values[spec.attributed.tensor] for spec in resolved.inputs}
    return scene.at.by_token(by_name), int(np.sum(found.evaluations))


def _cosine(one: np.ndarray, two: np.ndarray) -> float:
    norm = np.sqrt((one ** 2).sum() * (two ** 2).sum())
    return float((one * two).sum() / norm) if norm > 0 else float("nan")
