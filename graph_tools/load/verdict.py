"""What a file could do besides computing, said without importing its graph: every graph in it, every function."""

import os
from typing import Any, Dict, List, NamedTuple, Tuple

from graph_tools import _tf
from graph_tools.errors import GraphToolsError, ModelFileMissingError
from graph_tools.graph import scan as torn, walk
from graph_tools.load import load, meta_graph, saved_model
from graph_tools.load.read import Artefact
from graph_tools.safety import files, judge
from graph_tools.safety.judge import Refusal

COMPUTES, BESIDE, NEEDED = "computes", "reaches out beside its outputs", "reaches out"


class Verdict(NamedTuple):
    """What one file could do.

    Attributes:
      path: the file that was read.
      verdict: ``"computes"``: no node could do more; ``"reaches out beside its outputs"``: some could, but no output
        needs them (savers, summaries, readers), and they are kept from TensorFlow; ``"reaches out"``: an output does.
      refused: the nodes that could, with the op, the family and the function that holds it.
      needed: those of them that an output depends on.
      problems: why the model does not load, or what of its files is not read; one sentence each.
    """

    path: str
    verdict: str
    refused: Tuple[Refusal, ...]
    needed: Tuple[Refusal, ...]
    problems: Tuple[str, ...]

    def families(self) -> Dict[str, List[Refusal]]:
        """The refused nodes by what they could do."""
        found: Dict[str, List[Refusal]] = {}
        for refusal in self.refused:
            found.setdefault(refusal.family.name, []).append(refusal)
        return found


def scan(path: Any) -> Verdict:
    """Says what the ops of a model could do to whoever imports or runs it; nothing is imported.

    All graphs of a SavedModel are looked at. An op that this package does not know counts as one that reaches out.

    Args:
      path: as for ``load``.

    Raises:
      ModelFileMissingError, ModelFormatError: there is no model to look at.
      UnsafeModelError: the file that holds the graph is a link out of the model's folder, or no file.

    >>> scan("model.pb").verdict  # doctest: +SKIP
    'computes'
    """
    file = _file(Artefact(os.path.expanduser(os.fsdecode(path))))
    refused: List[Refusal] = []
    needed: List[Refusal] = []
    problems: List[str] = []
    for graph in _graphs(file.message):
        try:
            torn.check(graph.graph_def, file.path)
        except GraphToolsError as broken:
            problems.append(str(broken))
            continue
        found = judge.judge(graph.graph_def)
        refused += found.values()
        left = judge.outlook(graph, walk.GraphIndex(graph.graph_def), found)
        needed += left.needed
        problems += [] if left.hopeless is None else ["no output can be computed without it"]
    problem = _loading(path, problems)
    verdict = NEEDED if needed or problem else BESIDE if refused else COMPUTES
    return Verdict(file.path, verdict, tuple(refused), tuple(needed), tuple(problems) + problem)


def _file(artefact: Artefact) -> Artefact:
    """The file that holds the graph of a model."""
    if saved_model.matches(artefact) and artefact.is_folder:
        found = saved_model.file_of(artefact)
        files.demand(found.path, artefact.folder, "SavedModel %r" % artefact.path)
        return found
    prefix = meta_graph.prefix_for(artefact, artefact.folder)
    if prefix is not None and prefix + ".meta" != artefact.path:
        files.demand_pattern(prefix, artefact.folder, "checkpoint %s" % prefix)
    found = Artefact(prefix + ".meta") if prefix is not None else artefact
    if not found.is_file:
        raise ModelFileMissingError("no file %r to look at; check the path" % found.path)
    return found


def _graphs(message: Any) -> List[Any]:
    if isinstance(message, _tf.SavedModel):
        return list(message.meta_graphs)
    if isinstance(message, _tf.tf.MetaGraphDef):
        return [message]
    meta = _tf.tf.MetaGraphDef()
    meta.graph_def.CopyFrom(message)
    return [meta]


def _loading(path: Any, told: List[str]) -> Tuple[str, ...]:
    """What else stands in the way of loading it, files that are not its own above all."""
    if told:
        return ()
    try:
        model = load(path)
    except GraphToolsError as refused:
        return (str(refused),)
    return tuple(warning for warning in model.warnings if isinstance(warning, files.NotOwn))
