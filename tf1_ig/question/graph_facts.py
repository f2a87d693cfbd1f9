"""What the operated graph itself says against an explanation, read from its nodes without running them.

A fact is a function of the ``Scene`` that yields findings; ``FACTS`` lists them in the order they print.
"""

from typing import Any, Callable, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple

import numpy as np

from graph_tools.graph import functions, names
from graph_tools.graph.walk import GraphIndex
from graph_tools.report import Finding

RANDOM_OPS = ("RandomUniform", "RandomUniformInt", "RandomStandardNormal", "TruncatedNormal", "Multinomial",
              "RandomShuffle", "RandomGamma", "RandomPoisson", "RandomPoissonV2", "ParameterizedTruncatedNormal",
              "StatefulUniform", "StatefulUniformInt", "StatefulUniformFullInt", "StatefulStandardNormal",
              "StatefulStandardNormalV2", "StatefulTruncatedNormal", "StatefulRandomBinomial")
BATCH_NORM_OPS = ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
# Values pass through these, gradients do not. Comparisons, shapes and masks are left out: they gate nearly every
# model and carry no size of their own.
GRADIENT_STOPS = ("ArgMax", "ArgMin", "Floor", "Ceil", "Round", "Rint", "Sign", "StopGradient", "PreventGradient",
                  "OneHot", "Bucketize", "PyFunc", "PyFuncStateless", "EagerPyFunc", "FakeQuantWithMinMaxVars")
# float32, float64, bfloat16, float16 as numbered in types.proto.
FLOATS = (1, 2, 14, 19)
# A flipped bit high in a float makes it so many times as large; among fewer weights than this it could be meant.
_PROPORTION, _ENOUGH = 1e12, 8
_NO_VALUE = ("Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike")


class Scene(NamedTuple):
    """One explanation's graph: the nodes between the attributed tensors and the output."""

    index: GraphIndex
    output: str
    inputs: Tuple[str, ...]
    ids: Tuple[str, ...]
    # Whether two runs of the same rows agreed so far; ``None``: nothing was run yet.
    steady: Optional[bool] = None

    @property
    def upstream(self) -> Set[str]:
        """Everything the output depends on when the attributed tensors are given."""
        given = {names.parse(tensor).node for tensor in self.inputs}
        return self.index.ancestors([self.output], stop=lambda node: node in given)

    @property
    def between(self) -> Set[str]:
        """What depends on an attributed tensor's value and decides about the output."""
        reached: Set[str] = set()
        for tensor in self.inputs:
            reached |= self.index.descendants([use.node for use in self.index.uses(tensor)], control=False,
                                              stop=lambda node: self.index.op(node) in _NO_VALUE)
        return {node for node in reached & self.upstream if self.index.op(node) not in _NO_VALUE}


def randomness(scene: Scene) -> Iterable[Finding]:
    """Random ops that the output depends on, and the feed that may switch them off."""
    found = _of_types(scene.index, scene.upstream, RANDOM_OPS)
    if not found and scene.steady is False:
        yield Finding("randomness", "warn", 0, "Two runs of the same rows differ, though no random op leads to %s: "
                      "look at the Python functions and the state (an iterator, a counter) that it reads, and feed "
                      "the tensor after them." % scene.output)
        return
    if not found or scene.steady:
        agreed = "%s had no effect: two runs of the same rows agreed." % _shown(scene.index, found)
        yield Finding("randomness", "ok", 0, agreed if found else "")
        return
    behind = scene.index.descendants(found, control=False) & scene.upstream
    switches = sorted({name for node in behind for ref in scene.index.data_inputs(node)
                       for name in scene.index.ancestors([ref.node], stop=lambda node: node in found)
                       if scene.index.op(name) in ("Placeholder", "PlaceholderWithDefault") and _is_scalar(
                           scene.index.nodes[name])})
    if scene.steady is None and switches and all(_off_by_default(scene.index, name) for name in switches):
        yield Finding("randomness", "ok", 0, "%s is off unless %s is fed." % (
            _shown(scene.index, found), " or ".join("%s:0" % name for name in switches[:3])))
        return
    mend = "Nothing that can be fed switches it off: export the graph in inference mode."
    if switches:
        mend = "Feed %s so that nothing is dropped." % " or ".join("%s:0" % name for name in switches[:3])
    yield Finding("randomness", "warn", len(found), "%s depends on random op %s (dropout?); explanations are only "
                  "right while it has no effect. %s" % (scene.output, _shown(scene.index, found), mend))


def batch_norm(scene: Scene) -> Iterable[Finding]:
    """Fused batch norm that uses the statistics of the batch."""
    found = _that(scene.index, scene.between, lambda node: node.op in BATCH_NORM_OPS and (
        node.attr["is_training"].b or "is_training" not in node.attr))
    if found:
        yield Finding("batch norm", "fail", len(found), "%s takes the statistics of the batch (is_training is true): "
                      "rows depend on their company. Export the graph in inference mode." % (
                          _shown(scene.index, found)))


def gradient_stops(scene: Scene) -> Iterable[Finding]:
    """Ops on the way that pass the value on and stop the gradient: their part of the score is not attributed."""
    between = scene.between
    found = _of_types(scene.index, between, GRADIENT_STOPS)
    found += [node for node in between if scene.index.op(node) == "Cast"
              and scene.index.nodes[node].attr["SrcT"].type in FLOATS
              and scene.index.nodes[node].attr["DstT"].type not in FLOATS]
    if not found:
        yield Finding("differentiable", "ok", 0)
        return
    yield Finding("differentiable", "warn", len(found), "%s let the value through and stop the gradient; what the "
                  "score owes to them is not attributed, and shows as a delta." % _shown(scene.index, sorted(found)))


def side_paths(scene: Scene) -> Iterable[Finding]:
    """Ids that are used elsewhere on the way to the output: those uses stay fixed along the path."""
    given = {names.parse(tensor).node for tensor in scene.inputs}
    lookups = scene.index.ancestors(list(given), control=False)
    # A feed of which only the shape is used past the embedding decides nothing there.
    decides = scene.index.ancestors([scene.output],
                                    stop=lambda node: node in given or scene.index.op(node) in _NO_VALUE)
    feeds = {node for tensor in scene.ids for node in scene.index.ancestors([tensor], control=False)
             if scene.index.op(node).startswith("Placeholder")}
    also = sorted(feeds & decides)
    if scene.ids and not also:
        yield Finding("side paths", "ok", 0)
    if also:
        users = sorted({use.node for feed in also for use in scene.index.consumers(feed, control=False)
                        if use.node in decides and scene.index.op(use.node) not in _NO_VALUE and (
                            use.node not in lookups or use.node in scene.between)})
        through = _shown(scene.index, users)
        yield Finding("side paths", "ok", through or len(also), "%s also reaches the output past the embedding%s (a "
                      "mask, a length?); that use keeps its value along the path, in the score and in the baseline "
                      "score alike." % (", ".join("%s:0" % feed for feed in also),
                                        " through %s" % through if users else ""))


def weights(scene: Scene) -> Iterable[Finding]:
    """Constants with a value that is no number, or out of all proportion: a GraphDef has no checksum."""
    wrong = []
    for name in sorted(node for node in scene.upstream if scene.index.op(node) == "Const"):
        tensor = scene.index.nodes[name].attr["value"].tensor
        size = np.abs(np.frombuffer(tensor.tensor_content, "<f4")) if tensor.dtype == 1 else np.zeros(0)
        if not np.isfinite(size).all():
            wrong.append(name)
        elif len(size) >= _ENOUGH:
            second, first = np.partition(size, len(size) - 2)[-2:]
            wrong += [name] if second > 0 and first / _PROPORTION > second else []
    if wrong:
        yield Finding("weights", "warn", len(wrong), "%s holds a value that is no number or %.0e times as large as all "
                      "others: a damaged file? Compare its SHA-256 (tf1-ig inspect) with where it came from." % (
                          _shown(scene.index, wrong), _PROPORTION))


FACTS: Tuple[Callable[[Scene], Iterable[Finding]], ...] = (randomness, batch_norm, gradient_stops, side_paths, weights)


def findings(scene: Scene) -> List[Finding]:
    """All facts of a scene, in order."""
    return [found for fact in FACTS for found in fact(scene)]


def _of_types(index: GraphIndex, nodes: Iterable[str], types: Sequence[str]) -> List[str]:
    return _that(index, nodes, lambda node: node.op in types)


def _that(index: GraphIndex, nodes: Iterable[str], wanted: Callable[[Any], bool]) -> List[str]:
    """The nodes that are wanted, and those that call a function with such a node in it."""
    library = index.graph_def.library
    holding = {function.signature.name for function in library.function if any(map(wanted, function.node_def))}
    table = functions.calls(library) if holding else {}
    return sorted(name for name in nodes if wanted(index.nodes[name]) or (
        holding and holding & functions.reach(functions.called(index.nodes[name]), table)))


def _is_scalar(node) -> bool:
    shape = node.attr["shape"].shape
    return not shape.unknown_rank and not shape.dim and node.attr["dtype"].type in FLOATS + (10,)  # 10: bool


def _off_by_default(index: GraphIndex, name: str) -> bool:
    """Whether a placeholder's default keeps everything: a keep probability of 1, a training flag of false."""
    node = index.nodes[name]
    if node.op != "PlaceholderWithDefault" or index.op(index.inputs(name)[0].node) != "Const":
        return False
    tensor = index.nodes[index.inputs(name)[0].node].attr["value"].tensor
    if tensor.dtype == 10:
        return not any(tensor.bool_val)
    return tensor.dtype == 1 and list(tensor.float_val) == [1.0]


def _shown(index: GraphIndex, nodes: Sequence[str]) -> str:
    shown = ", ".join("%s (%s)" % (node, index.op(node)) for node in nodes[:3])
    return shown + (" and %d more" % (len(nodes) - 3) if len(nodes) > 3 else "")
