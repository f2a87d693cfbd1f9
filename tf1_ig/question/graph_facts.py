"""What the operated graph itself says against an explanation, read from its nodes without running them.

A fact is a function of the ``Scene`` that yields findings; ``FACTS`` lists them in the order they print.
"""

from typing import Any, Callable, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple

import numpy as np

from graph_tools.find.decided import Decided
from graph_tools.find.inputs.switches import BATCH_NORMS, RANDOM, find_switches
from graph_tools.find.training_mode.dropout import NORMAL, UNIFORM
from graph_tools.graph import functions, names, ops
from graph_tools.graph.walk import GraphIndex
from graph_tools.report import Finding

# Values pass through these, gradients do not. Comparisons, shapes and masks are left out: they gate nearly every
# model and carry no size of their own.
GRADIENT_STOPS = ops.PYTHON_FUNCTIONS | {
    "ArgMax", "ArgMin", "Floor", "Ceil", "Round", "Rint", "Sign", "StopGradient", "PreventGradient", "OneHot",
    "Bucketize", "FakeQuantWithMinMaxVars"}
_INFERENCE = "explain graph_tools.inference_mode(model)[0] (--inference-mode), or export the graph in inference mode"
# float32, float64, bfloat16, float16 as numbered in types.proto.
FLOATS = (1, 2, 14, 19)
# A flipped bit high in a float makes it so many times as large; among fewer weights than this it could be meant.
_PROPORTION, _ENOUGH = 1e12, 8
# What draws something else than the uniform or normal numbers of a dropout: neighbours, an order, words.
_CHOSEN = RANDOM - UNIFORM - NORMAL
_NO_VALUE = ops.SIZES | RANDOM | {"ZerosLike", "OnesLike"}


class Scene(NamedTuple):
    """One explanation's graph: the nodes between the attributed tensors and the output.

    ``upstream`` is everything the output depends on when the attributed tensors are given; ``between`` of that what
    depends on the value of an attributed tensor, and decides about the output; ``behind`` what these are computed from.
    """

    # The graph under the feeds that are known so far: branches that these do not take count for nothing.
    decided: Decided
    output: str
    inputs: Tuple[str, ...]
    ids: Tuple[str, ...]
    # Whether two runs of the same rows agreed so far; ``None``: nothing was run yet.
    steady: Optional[bool]
    # Floats that reach the output and keep their values along the path.
    held: Tuple[str, ...]
    upstream: Set[str]
    between: Set[str]
    behind: Set[str]

    @property
    def index(self) -> GraphIndex:  # type: ignore[override]  # tuples have a method of that name
        return self.decided.index


def scene(decided: Decided, output: str, inputs: Tuple[str, ...], ids: Tuple[str, ...], steady: Optional[bool] = None,
          held: Tuple[str, ...] = ()) -> Scene:
    """The scene of an output and its attributed tensors; each part of the graph is walked once for all facts."""
    index, given = decided.index, {names.parse(tensor).node for tensor in inputs}
    upstream, reached = decided.deciding([output], stop=lambda node: node in given), set()
    for tensor in inputs:
        reached |= index.descendants([use.node for use in index.uses(tensor)], control=False,
                                     stop=lambda node: index.op(node) in _NO_VALUE)
    return Scene(decided, output, inputs, ids, steady, held, upstream, {
        node for node in reached & upstream if index.op(node) not in _NO_VALUE}, decided.deciding(inputs))


def randomness(scene: Scene) -> Iterable[Finding]:
    """Random ops that the output depends on, and the feed that switches them off."""
    found = _of_types(scene, scene.upstream, RANDOM)
    if not found and scene.steady is False:
        yield Finding("randomness", "warn", 0, "Two runs of the same rows differ, though no random op leads to %s: "
                      "look at the Python functions and the state (an iterator, a counter) that it reads, and feed "
                      "the tensor after them." % scene.output)
        return
    switches = _calming(scene) if scene.steady is not True else []
    if not found or scene.steady:
        agreed = "%s had no effect: two runs of the same rows agreed." % _shown(scene.index, found) if found else ""
        if switches:
            agreed = "%s is off unless %s is fed." % (_shown(scene.index, switches[0].calms), _fed(switches, " or "))
        yield Finding("randomness", "ok", 0, agreed)
        return
    switches = [switch for switch in switches if not set(found).isdisjoint(switch.calms)]
    noise = ["%s:0" % node for node in found if scene.index.op(node) in NORMAL]
    hold = "; or feed what is drawn (%s) to hold it, 0 for its mean" % ", ".join(noise[:3]) if noise else ""
    mend = "Nothing that can be fed switches it off: %s%s." % (_INFERENCE, hold)
    drawn = ["%s:0" % node for node in found if scene.index.op(node) in _CHOSEN]
    if drawn:
        mend = "That is no dropout: feed what is drawn (%s) to hold it." % ", ".join(drawn[:3])
    if switches:
        mend = "Feed %s so that nothing is dropped." % _fed(switches, " and ", values=True)
    yield Finding("randomness", "warn", len(found), "%s depends on random op %s (dropout?); explanations are only "
                  "right while it has no effect. %s" % (scene.output, _shown(scene.index, found), mend))


def random_data(scene: Scene) -> Iterable[Finding]:
    """Random ops between what is fed and what is attributed: a picture that is distorted for training."""
    found = _of_types(scene, scene.behind, RANDOM)
    drawn = any(scene.index.op(names.parse(tensor).node) in RANDOM for tensor in scene.inputs)  # noise is the input
    if found and not drawn and _of_types(scene, scene.behind, ops.PLACEHOLDERS):
        yield Finding("random data", "warn", len(found), "What is attributed (%s) is computed from random op %s: each "
                      "run draws other numbers, and explained is one draw. Feed %s itself." % (
                          ", ".join(scene.inputs[:3]), _shown(scene.index, found), scene.inputs[0]))


def _calming(scene: Scene) -> List[Any]:
    """The switches of the output that settle something random, whether they are fed or not."""
    found = find_switches(scene.index, [scene.output]).values()
    return [switch for switch in found if any(scene.index.op(node) in RANDOM for node in switch.calms)]


def _fed(switches: Sequence[Any], between: str, values: bool = False) -> str:
    return between.join("%s%s" % (switch.tensor, " = %s" % switch.value if values else "") for switch in switches[:3])


def batch_norm(scene: Scene) -> Iterable[Finding]:
    """Fused batch norm that uses the statistics of the batch."""
    found = _that(scene, scene.between, lambda node: node.op in BATCH_NORMS and (
        node.attr["is_training"].b or "is_training" not in node.attr))
    if found:
        yield Finding("batch norm", "fail", len(found), "%s takes the statistics of the batch (is_training is true): "
                      "rows depend on their company: %s." % (
                          _shown(scene.index, found), _INFERENCE))


def gradient_stops(scene: Scene) -> Iterable[Finding]:
    """Ops on the way that pass the value on and stop the gradient: their part of the score is not attributed."""
    between = scene.between
    found = [node for node in _of_types(scene, between, GRADIENT_STOPS)
             if not _stops_nothing(scene.index, node, between)]
    found += [node for node in between if scene.index.op(node) == "Cast"
              and scene.index.nodes[node].attr["SrcT"].type in FLOATS
              and scene.index.nodes[node].attr["DstT"].type not in FLOATS]
    if not found:
        yield Finding("differentiable", "ok", 0)
        return
    yield Finding("differentiable", "warn", len(found), "%s let the value through and stop the gradient; what the "
                  "score owes to them is not attributed, and shows as a delta." % _shown(scene.index, sorted(found)))


def _stops_nothing(index: GraphIndex, name: str, between: Set[str]) -> bool:
    """Whether a gradient is stopped at a mean from which the mean square of the distances is taken: it is 0 there.

    That is the variance of ``tf.nn.moments``, in every layer norm: the mean of ``-2 (x - mean)`` over the same axes.
    """
    mean = index.data_inputs(name)[:1] if index.op(name) == "StopGradient" else []
    if not mean or index.op(mean[0].node) != "Mean":
        return False
    of, axes = index.data_inputs(mean[0].node)
    squares = {use.node for use in index.consumers(name, control=False)} & between
    averages = {use.node for square in squares for use in index.consumers(square, control=False)} & between
    return bool(averages) and all(
        index.op(square) == "SquaredDifference" and of in index.data_inputs(square) for square in squares) and all(
        index.op(one) == "Mean" and _same_constant(index, axes, index.data_inputs(one)[1]) for one in averages)


def _same_constant(index: GraphIndex, first: Any, second: Any) -> bool:
    values = [index.nodes[ref.node].attr["value"] for ref in (first, second) if index.op(ref.node) == "Const"]
    return first == second or len(values) == 2 and values[0] == values[1]


def side_paths(scene: Scene) -> Iterable[Finding]:
    """Ids that are used elsewhere on the way to the output: those uses stay fixed along the path."""
    given = {names.parse(tensor).node for tensor in scene.inputs}
    lookups = scene.index.ancestors(list(given), control=False)
    # A feed of which only the shape is used past the embedding decides nothing there.
    decides = scene.index.ancestors([scene.output],
                                    stop=lambda node: node in given or scene.index.op(node) in _NO_VALUE)
    feeds = {node for tensor in scene.ids for node in scene.index.ancestors([tensor], control=False)
             if scene.index.op(node) in ops.PLACEHOLDERS}
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


def held_fixed(scene: Scene) -> Iterable[Finding]:
    """Floats that could be attributed to and keep their values: what they decide is in both scores alike."""
    if scene.held:
        yield Finding("held fixed", "ok", ", ".join(scene.held[:3]), "%s reach%s the output and %s value along the "
                      "path; name %s among the inputs (--input, once for each) to attribute to %s, too." % (
                          ", ".join(scene.held), *(("", "keep their", "them", "them") if len(scene.held) > 1 else (
                              "es", "keeps its", "it", "it"))))


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


FACTS: Tuple[Callable[[Scene], Iterable[Finding]], ...] = (
    randomness, random_data, batch_norm, gradient_stops, side_paths, held_fixed, weights)


def findings(scene: Scene) -> List[Finding]:
    """All facts of a scene, in order."""
    return [found for fact in FACTS for found in fact(scene)]


def _of_types(scene: Scene, nodes: Iterable[str], types: Iterable[str]) -> List[str]:
    return _that(scene, nodes, lambda node: node.op in types)


def _that(scene: Scene, nodes: Iterable[str], wanted: Callable[[Any], bool]) -> List[str]:
    """The nodes that are wanted, and those that call a function with such a node in it."""
    library = scene.index.graph_def.library
    holding = {function.signature.name for function in library.function if any(map(wanted, function.node_def))}
    table = functions.calls(library) if holding else {}
    return sorted(name for name in nodes if wanted(scene.index.nodes[name]) or (
        holding and holding & functions.reach(scene.decided.functions(name), table)))


def _shown(index: GraphIndex, nodes: Sequence[str]) -> str:
    shown = ", ".join("%s (%s)" % (node, index.op(node)) for node in nodes[:3])
    return shown + (" and %d more" % (len(nodes) - 3) if len(nodes) > 3 else "")
