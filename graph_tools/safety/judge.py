"""Judges a graph by its bytes: which nodes could do more than compute, functions that they call included.

Nothing is imported and nothing runs. The answer is the same for every import and every session of ours: what is
refused here never reaches TensorFlow (see ``disarm``).
"""

import re
from typing import Any, Callable, Collection, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Set

from graph_tools.errors import ARGUMENT
from graph_tools.graph import functions, walk
from graph_tools.safety import computing as computing_ops, families
from graph_tools.safety.families import Family

TRUST = "if you trust whoever made the file, load it with " + ARGUMENT
TRUSTED = TRUST.replace(ARGUMENT, "trusted=True")  # in a warning, which no command line spells anew
# Where a model takes its data from: what lies behind is fed instead, so that it says nothing about the model.
_SOURCES = frozenset(("python",))
_TAKES = ("QueueDequeue", "IteratorGetNext", "OptionalGetValue", "ReaderRead", "Unstage", "MapUnstage",
          "OrderedMapUnstage", "Placeholder", "MultiDeviceIteratorGetNext", "_Arg")
# How ops are spelled; names that TensorFlow makes for functions (``__inference_f_12``, ``Dataset_map_f``) are not.
_SPELLED = re.compile(r"_?[A-Z][A-Za-z0-9>]*$")
# Ends of a graph that are no outputs of a model: what fills, starts or tells.
_NO_GOAL = frozenset(("NoOp", "Const", "Placeholder", "PlaceholderV2", "PlaceholderWithDefault", "MergeSummary",
                      "ScalarSummary", "HistogramSummary", "ImageSummary", "AudioSummary", "AudioSummaryV2",
                      "TensorSummary", "TensorSummaryV2", "ShardedFilename", "Print", "PrintV2", "Assert"))
_GOALS = (computing_ops.PURE | computing_ops.CONTROL) - _NO_GOAL
# What every training graph has beside its model, and what nobody needs here: not worth a warning.
_SERVICES = frozenset(("Save", "SaveSlices", "SaveV2", "Restore", "RestoreSlice", "RestoreV2", "MergeV2Checkpoints"))


class Refusal(NamedTuple):
    """A node that could do more than compute.

    Attributes:
      node: its name.
      op: the op that reaches out (one inside a function, where the node calls one).
      family: what that op could do.
      inside: the function that holds the op; ``""`` when it is the node itself.
    """

    node: str
    op: str
    family: Family
    inside: str = ""

    def __str__(self) -> str:
        called = " (in the function %r that it calls)" % self.inside if self.inside else ""
        return "node %r, an op %s%s that %s" % (self.node, self.op, called, self.family.could)


def judge(graph_def: Any) -> Dict[str, Refusal]:
    """The nodes of a graph that could do more than compute, by name, in the graph's order.

    >>> judge(graph_def)["save/SaveV2"].family.could  # doctest: +SKIP
    'could write files'
    """
    hostile = tainted_functions(graph_def.library)
    library = {function.signature.name for function in graph_def.library.function}
    found = {}
    for node in graph_def.node:
        op = node.op
        # What most nodes are: ops that only compute, whatever function is named after them.
        family = None if op in families.ALLOWED else _reaching(node, library)
        if family is not None:
            found[node.name] = Refusal(node.name, op, family)
        elif hostile:
            bad = next((hostile[name] for name in functions.called(node) if name in hostile), None)
            if bad is not None:
                found[node.name] = bad._replace(node=node.name)
    return found


def _reaching(node: Any, library: Collection[str]) -> Optional[Family]:
    """What a node could do beside calling a function of the library.

    A function that is named after an op makes nothing of it harmless: which of both runs is TensorFlow's choice.
    """
    calls = node.op in library and (families.of(node.op) is families.UNKNOWN or not _SPELLED.match(node.op))
    return None if calls else families.reaching(node)


def tainted_functions(library: Any) -> Dict[str, Refusal]:
    """Functions that could do more than compute, themselves or through what they call, their gradients included."""
    if not library.function:
        return {}
    known = {function.signature.name for function in library.function}
    found: Dict[str, Refusal] = {}
    for function in library.function:
        for node in function.node_def:
            family = _reaching(node, known)
            if family is not None:
                found[function.signature.name] = Refusal(node.name, node.op, family, function.signature.name)
                break
    callers: Dict[str, List[str]] = {}
    for name, called in edges(library).items():
        for other in called:
            callers.setdefault(other, []).append(name)
    todo = list(found)
    while todo:
        name = todo.pop()
        for caller in callers.get(name, ()):
            if caller not in found:
                found[caller] = found[name]
                todo.append(caller)
    return found


def edges(library: Any) -> Dict[str, List[str]]:
    """For each function those that its body refers to, and the one that is registered as its gradient."""
    table = functions.calls(library)
    for gradient in library.gradient:
        if gradient.function_name in table and gradient.gradient_func in table:
            table[gradient.function_name] = table[gradient.function_name] + [gradient.gradient_func]
    return table


class Outlook(NamedTuple):
    """What refusals leave of a graph.

    Attributes:
      needed: those that some output of the graph depends on, and all calls of Python.
      hopeless: why no output can be computed, or ``None``: each depends on a node that is refused.
    """

    needed: Sequence[Refusal] = ()
    hopeless: Optional[Refusal] = None


def outlook(meta_graph: Any, index: walk.GraphIndex, refused: Dict[str, Refusal]) -> Outlook:
    """What can be computed without the nodes that are refused.

    Outputs are those of the signatures, or the ends of the graph that compute something. What lies behind a dequeue,
    an iterator, a placeholder or a Python function is input, which can be fed instead.
    """
    if not refused:
        return Outlook()
    goals, source = _goals(meta_graph, index, refused), _is_source(index, refused)
    wires = index.once(walk.Wires)
    told = {name: refusal for name, refusal in refused.items() if refusal.op not in _SERVICES}
    reached: Set[str] = wires.before(goals, source) if told else set()
    needed = [refusal for name, refusal in told.items() if refusal.family.name == "python" or name in reached]
    spoiled = wires.behind([name for name in refused if not source(name)], source)
    if not goals or any(goal not in spoiled or source(goal) for goal in goals):
        return Outlook(needed)
    return Outlook(needed, next(refused[name] for name in sorted(wires.before(goals[:1], source))
                                if name in refused and not source(name)))


def _goals(meta_graph: Any, index: walk.GraphIndex, refused: Dict[str, Refusal]) -> List[str]:
    outputs = [info.name.partition(":")[0] for key, signature in meta_graph.signature_def.items()
               if not key.startswith("__saved_model") for info in signature.outputs.values() if info.name]
    known = [name for name in dict.fromkeys(outputs) if name in index]
    if known:
        return known
    wires, computing = index.once(walk.Wires), index.names_of(_GOALS)
    taken = wires.taken({name for name in computing if name not in refused})
    found = [name for name in computing if name not in refused and name not in taken]
    services = {name for name, refusal in refused.items() if refusal.op in _SERVICES}
    behind = wires.behind(services, lambda name: False) if services else set()
    return [name for name in found if name not in behind] or found


def _is_source(index: walk.GraphIndex, refused: Dict[str, Refusal]) -> Callable[[str], bool]:
    """Whether a node hands over data that can be fed in its place (a file whose name is fed counts)."""
    takes: Dict[str, bool] = {}

    def source(name: str) -> bool:
        op = index.op(name)
        if op not in takes:
            takes[op] = op.startswith(_TAKES)
        if takes[op] or name not in refused:
            return takes[op]
        return refused[name].family.name in _SOURCES or (
            op in ("ReadFile", "MatchingFiles") and _named_from_outside(index, name))
    return source


def _named_from_outside(index: walk.GraphIndex, name: str) -> bool:
    return any(index.op(other).startswith(_TAKES) for other in index.ancestors([name], control=False))


def warnings(needed: Sequence[Refusal]) -> tuple:
    """What the reader of an unknown graph should know: a sentence for each family that outputs depend on."""
    by_family: Dict[str, List[Refusal]] = {}
    for refusal in needed:
        by_family.setdefault(refusal.family.name, []).append(refusal)
    return tuple("%s%s; it is kept from TensorFlow, and what depends on it is computed only when a tensor behind it is "
                 "fed" % (found[0], " (and %d more)" % (len(found) - 1) if len(found) > 1 else "")
                 for found in by_family.values())


def first_of(refused: Mapping[str, Refusal], names: Iterable[str]) -> Optional[Refusal]:
    """The first refusal, in the graph's order, among some nodes."""
    there = set(names)
    return next((refusal for name, refusal in refused.items() if name in there), None)
