"""What to type to explain a model that nobody described: an output, a feed that the graph takes, a proof that it runs.

Shapes that are not declared are those that TensorFlow's shape functions accept; values are made from what the graph
knows. The example is explained once, before anybody is told to; of a large graph it is only computed.
"""

import time
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

import graph_tools as gt
from graph_tools import _tf
from graph_tools.errors import FeedError, GraphToolsError
from graph_tools.find.decided import Decided
from graph_tools.model import Model
from graph_tools.report import Finding
from tf1_ig.engine.failed_run import RunFailed
from tf1_ig.errors import BatchError, LabelError
from tf1_ig.explainer import IntegratedGradients
from tf1_ig.question import graph_facts, resolve, training_mode
from tf1_ig.question.example_feeds import Plan
from tf1_ig.question.samples import Sample

_SILENT = ("every attribution of the example is zero: the output does not change on the way from the baseline; feed "
           "rows of your own, or choose another output or label")
_SECONDS = 5.0                       # after which no other sizes, and no other output, are tried
_HEADS = 4                           # outputs that are tried until one can be explained
_STEPS = 2                           # points of the trial
_LARGE = 1500                        # nodes behind an output of which no gradient is built
_TRIAL_LIMIT = 60.0                  # most seconds of one run of it


class Proposal(NamedTuple):
    """How a model could be explained.

    Attributes:
      samples: what to feed, by tensor name.
      rows: how many rows that holds; more than one only where the graph fixes their number.
      fixed: whether the graph fixes it.
      batch_axis: axis of the rows, ``None`` where the feed is one example.
      label: what to explain of the output, as a command line says it; ``None``: what ``explain`` takes by itself.
      attributed: the tensors that are attributed to.
      findings: facts of the graph.
      obstacle: why an explanation of the example fails, the fix included; ``""``: what was ``tried`` went through.
      renamed: the placeholder that takes the place of each tensor of a queue or an iterator.
      inference_mode: whether the graph is to be put into inference mode first.
      silent: whether it went through and every attribution was zero, which is an obstacle, too.
      may_fit: whether other values or sizes may be no obstacle.
      tried: whether the example was explained; of a large graph it was only computed, and no gradient was built.
    """

    samples: Tuple[Tuple[str, Sample], ...]
    rows: int
    fixed: bool
    batch_axis: Optional[int]
    label: Optional[str]
    attributed: Tuple[str, ...]
    findings: Tuple[Finding, ...]
    obstacle: str
    renamed: Mapping[str, str] = {}
    inference_mode: bool = False
    silent: bool = False
    may_fit: bool = True
    tried: bool = True


def propose(model: Model, output: Any, embeddings: Sequence[Any] = (), seed: int = 0) -> Proposal:
    """A feed for one output of a model, tried.

    Args:
      model: the model.
      output: a ``Candidate`` of ``find_outputs``.
      embeddings: the model's lookups, as far as they are known.
      seed: of the made-up numbers.
    """
    plan = Plan(model, output.tensor, embeddings, seed)
    setting = plan.setting()
    begun = time.perf_counter()
    found = [_tried(model, output, plan.samples(setting), setting.rows, plan.fixed == setting.rows)]
    for tried in plan.variations(setting, found[0].silent):
        if not found[-1].obstacle or not found[-1].may_fit or time.perf_counter() - begun > _SECONDS:
            break
        found.append(_tried(model, output, plan.samples(tried), tried.rows, plan.fixed == tried.rows))
    return found[-1] if not found[-1].obstacle else found[0]


def propose_any(model: Model, outputs: Sequence[Any], embeddings: Sequence[Any] = (), seed: int = 0
                ) -> Tuple[Any, Proposal]:
    """The first of some outputs that can be explained, and how; the first of all where none can.

    Args:
      model, embeddings, seed: as for ``propose``.
      outputs: candidates, best first; a few are tried.
    """
    found: List[Tuple[Any, Proposal]] = []
    begun = time.perf_counter()
    for output in list(outputs)[:_HEADS]:
        proposal = in_inference_mode(model, output, propose(model, output, embeddings, seed), seed)
        if not proposal.obstacle:
            return output, proposal
        found.append((output, proposal))
        if time.perf_counter() - begun > _SECONDS:
            break
    return found[0]


def in_inference_mode(model: Model, output: Any, proposal: Proposal, seed: int) -> Proposal:
    """The proposal for the graph in inference mode, where nothing that is fed puts it there and that helps."""
    found = training_mode.mended(model, output)
    if found is None:
        return proposal
    again = propose(found[0], output, gt.find_embeddings(found[0]), seed)
    return proposal if again.obstacle or _trains(again) else again._replace(inference_mode=True)


def _trains(proposal: Proposal) -> bool:
    return any(finding.name in ("randomness", "batch norm") and finding.verdict != "ok"
               for finding in proposal.findings)


def _tried(model: Model, output: Any, samples, rows: int, fixed: bool) -> Proposal:
    """The proposal, after one explanation of it."""
    feed = {name: sample.array for name, sample in samples}
    shape = output.shape
    attributed: Tuple[str, ...] = ()
    findings: Tuple[Finding, ...] = ()
    obstacle, label = "", None
    renamed: Mapping[str, str] = {}
    silent, may_fit = False, True
    axes: Tuple[Optional[int], ...] = (None,) if shape == () else (0, None)
    axis = axes[0]
    if _is_large(model, output.tensor):
        return _run_forward(model, output, samples, rows, fixed, axis)
    for axis in axes:  # noqa: B007 the last one tried is what is proposed
        label = _label(shape, axis)
        try:
            with IntegratedGradients(model, output, batch_axis=axis, time_limit=_TRIAL_LIMIT) as trial:
                attributed, findings = trial.inputs, tuple(trial.findings())
                renamed = trial.resolved.renamed
                result = _explained(trial, feed, label, shape, axis)
                findings = tuple(trial.findings())
            silent = not any(np.any(row) for value in result.values.values() for row in value)
            obstacle = _SILENT if silent else ""
            break
        except BatchError as wrong:
            obstacle = obstacle or one_line(wrong)
        except GraphToolsError as wrong:
            obstacle, may_fit = obstacle or one_line(wrong), isinstance(wrong, (RunFailed, FeedError, LabelError))
            break
    return Proposal(tuple(samples), rows, fixed, axis, label, attributed, findings, obstacle, renamed,
                    silent=silent, may_fit=may_fit)


def _is_large(model: Model, output: str) -> bool:
    """Whether building the gradient would take longer than anybody waits for a first look."""
    return len(model.index.ancestors([output], control=False)) > _LARGE


def _run_forward(model: Model, output: Any, samples, rows: int, fixed: bool, axis: Optional[int]) -> Proposal:
    """The proposal for a large graph, of which only the output was run."""
    feed = {name: sample.array for name, sample in samples}
    attributed: Tuple[str, ...] = ()
    findings: Tuple[Finding, ...] = ()
    obstacle, renamed = "", {}
    try:
        resolved = resolve.resolve(model, output, "auto")
        attributed, renamed = tuple(spec.name for spec in resolved.inputs), resolved.renamed
        known = {name: value for name, value in feed.items() if value.ndim == 0 and value.dtype.kind in "biuf"}
        findings = tuple(graph_facts.findings(graph_facts.Scene(
            Decided(resolved.model.index, known), resolved.output,
            tuple(spec.attributed.tensor for spec in resolved.inputs),
            tuple(spec.ids for spec in resolved.inputs if spec.ids))))
        fed = {resolved.renamed.get(name, name): value for name, value in feed.items()}
        resolved.model.require([resolved.output], fed)
        with resolved.model.open_session() as session:
            session.run(resolved.output, fed)
    except GraphToolsError as wrong:
        obstacle = one_line(wrong)
    except (ValueError, _tf.tf.errors.OpError) as wrong:
        obstacle = "%s; check the values and sizes of the feed" % one_line(getattr(wrong, "message", wrong))[:300]
    return Proposal(tuple(samples), rows, fixed, axis, _label(output.shape, axis), attributed, findings, obstacle,
                    renamed, tried=False)


def _explained(trial: IntegratedGradients, feed: Dict[str, np.ndarray], label: Optional[str], shape, axis) -> Any:
    if label is not None:
        return trial.explain(feed, label=tuple(int(part) for part in label.split(",")), steps=_STEPS)
    likely, other = ("top", None) if axis is not None and (shape is None or len(shape) > 1) else (None, "top")
    try:
        return trial.explain(feed, label=likely, steps=_STEPS)
    except LabelError as wrong:
        try:
            return trial.explain(feed, label=other, steps=_STEPS)
        except LabelError:
            raise wrong from None


def _label(shape: Optional[Tuple[Optional[int], ...]], axis: Optional[int]) -> Optional[str]:
    """The first position and class of an output that has several, where ``explain`` cannot choose."""
    rank = 0 if shape is None else len(shape) - (axis is not None)
    return ",".join("0" * rank) if rank > 1 or axis is None and rank == 1 else None


def one_line(error: Any) -> str:
    """The message of an error in one line."""
    return " ".join(str(error).split())
