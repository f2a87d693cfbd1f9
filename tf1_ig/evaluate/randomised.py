"""Whether the explanation is of what the model has learnt: the same graph with permuted weights is asked again."""

from typing import Any, Dict, List, Sequence, Tuple

import numpy as np

import graph_tools as gt
from graph_tools import _tf
from graph_tools.errors import GraphToolsError
from graph_tools.graph import names
from graph_tools.graph.walk import reached
from tf1_ig.evaluate.bounds import judge
from tf1_ig.evaluate.record import FEW, Scene, by_chance, mean, spearman
from tf1_ig.result.measured import Measured, Stage

STAGES = 5   # models that are made on the way down; neighbouring scopes are taken together where there are more


def weights_randomised(scene: Scene) -> Measured:
    """Rank correlation with the explanation of the same model after all its weights were permuted, one name scope after
    the other from the output downwards, those above staying permuted (the cascade of Adebayo, Gilmer, Muelly,
    Goodfellow, Hardt, Kim: Sanity Checks for Saliency Maps, arXiv 1810.03292); control: the model as it was trained,
    asked a second time, with another seed where the method draws."""
    resolved, random = scene.explainer.resolved, scene.random("weights randomised")
    inputs, output = [spec.attributed.tensor for spec in resolved.inputs], resolved.output
    model, _ = gt.freeze(resolved.model, [output])
    scopes = weights_by_scope(model, inputs, output)
    if not scopes:
        return Measured("weights randomised", "warn", None, "no weights between the inputs and the output")
    control = mean(_alike(scene, scene.explain(scene.explainer, scene.feed, scene.labels, seed=scene.seed + 1).values))
    evaluations, stages, rows = 0, [], np.zeros(0)
    for group in _groups(list(scopes)):
        model = permuted(model, sum((scopes[scope] for scope in group), []), random)
        try:
            values, spent = _explained_by(model, scene)
        except GraphToolsError as error:
            return Measured("weights randomised", "warn", None, "the model with permuted weights cannot be explained: "
                            "%s" % error, control=control, evaluations=evaluations)
        evaluations, rows = evaluations + spent, _alike(scene, values)
        stages.append(Stage(", ".join(group), mean(rows)))
    value = mean(rows)
    told = judge("weights randomised", value, len(rows))
    advice = "" if told == "ok" else ("the explanation of a model with permuted weights is nearly the same: it shows "
                                      "the input, not what the model has learnt")
    own = [tokens[moving] for tokens, moving in zip(scene.tokens, scene.moving)]
    if told == "fail" and value <= by_chance(list(zip(own, own)), random):
        told, advice = "warn", FEW
    return Measured("weights randomised", told, value, advice, control=control, evaluations=evaluations, rows=rows,
                    stages=tuple(stages))


def weights_by_scope(model: Any, inputs: Sequence[str], output: str) -> Dict[str, List[str]]:
    """Weights between the inputs and the output of a frozen model by their name scope, the nearest to the output first.

    A weight is a constant of more than one floating number. Those outside of any scope, and all where there is only one
    scope, stand for themselves.
    """
    index = model.index
    moving = set()
    for name in inputs:
        moving |= index.descendants_of_tensor(name)
    behind = index.ancestors([output], control=False)
    found: List[str] = []
    seen, todo = set(), [names.parse(output).node]
    while todo:  # breadth first: those nearest to the output come first
        name = todo.pop(0)
        if name in seen or name not in behind:
            continue
        seen.add(name)
        refs = [ref.node for ref in index.data_inputs(name)]
        if name in moving:
            found += [one for ref in refs for one in _constants(index, ref, moving) if one not in found]
        todo += refs
    single = len({_scope(name) for name in found}) == 1
    scopes: Dict[str, List[str]] = {}
    for name in found:
        scopes.setdefault(name if single else _scope(name), []).append(name)
    return scopes


def permuted(model: Any, weights: Sequence[str], random: np.random.RandomState) -> Any:
    """The frozen model with some weights permuted, each among its own numbers."""
    graph_def = _tf.tf.GraphDef()
    graph_def.CopyFrom(model.graph_def)
    nodes = {node.name: node for node in graph_def.node}
    for name in weights:
        held, dtype = nodes[name].attr["value"].tensor, nodes[name].attr["dtype"].type
        value = _tf.tf.make_ndarray(held)
        mixed = random.permutation(value.ravel()).reshape(value.shape)
        held.CopyFrom(_tf.tf.make_tensor_proto(mixed, dtype=dtype))
    return model.with_graph_def(graph_def)


# -- how ---------------------------------------------------------------------------------------------------------------

def _scope(name: str) -> str:
    return name.rpartition("/")[0] or name


def _groups(scopes: List[str]) -> List[List[str]]:
    """At most so many groups of neighbours, the first of a single scope."""
    ends = np.unique(np.linspace(1, len(scopes), min(len(scopes), STAGES)).round().astype(int))
    return [scopes[first:last] for first, last in zip([0] + list(ends[:-1]), ends)]


def _constants(index: Any, name: str, moving: set) -> List[str]:
    """Constants of more than one floating number that a node is or copies."""
    copies = reached([name], lambda one: [
        ref.node for ref in index.data_inputs(one) if ref.node not in moving] if index.op(one) in (
            "Identity", "Enter", "ReadVariableOp", "Reshape", "Cast", "ConcatV2", "Transpose") else [])
    return [one for one in copies if index.op(one) == "Const" and one not in moving and _is_weight(index.nodes[one])]


def _is_weight(node: Any) -> bool:
    shape = node.attr["value"].tensor.tensor_shape
    size = int(np.prod([axis.size for axis in shape.dim])) if shape.dim else 1
    return _tf.tf.as_dtype(node.attr["dtype"].type).is_floating and size > 1


def _alike(scene: Scene, values: Dict[str, Any]) -> np.ndarray:
    """Rank correlations ``[rows]`` with what was said."""
    return np.array([spearman(own[moving], other[moving]) if len(moving) > 1 else np.nan
                     for own, other, moving in zip(scene.tokens, scene.at.by_token(values), scene.moving)])


def _explained_by(model: Any, scene: Scene) -> Tuple[Dict[str, Any], int]:
    """What another model of the same graph says through the same method, and how many rows of it were run."""
    explainer = scene.explainer
    resolved = explainer.resolved
    feed = {resolved.renamed.get(names.tensor_name(key), names.tensor_name(key)): value
            for key, value in scene.feed.items()}
    with type(explainer)(model, resolved.output, [spec.attributed.tensor for spec in resolved.inputs],
                         batch_axis=explainer.batch_axis) as other:
        found = scene.explain(other, feed, scene.labels)
        return {spec.name: found.values[spec.attributed.tensor] for spec in resolved.inputs}, other.evaluations
