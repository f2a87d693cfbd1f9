"""What to type to explain a model that nobody described: an output, a feed that the graph takes, a proof that it runs.

Shapes that are not declared are those that TensorFlow's shape functions accept; values are made from what the graph
knows. The example is explained once, before anybody is told to; of a large graph it is only computed.
"""

import dataclasses
import time
from typing import Any, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import graph_tools as gt
from graph_tools.find import columns, own
from graph_tools.graph import names
from graph_tools.model import Model
from graph_tools.report import Finding
from tf1_ig.question import few_rows, training_mode, trial
from tf1_ig.question.example_feeds import Plan, Setting
from tf1_ig.question.pace import Clock
from tf1_ig.question.samples import Sample
from tf1_ig.question.start import Start

_SECONDS = 5.0                       # of computing after which no other sizes, and no other output, are tried
_HEADS = 4                           # outputs that are tried until one can be explained
_MENDED = 4                          # times that a run may say which sizes it wants
_SMALLER = 0.7                       # part of a graph from which on leaving the rest away is worth it


class Proposal(NamedTuple):
    """How a model could be explained.

    Attributes:
      samples: what to feed, by tensor name.
      rows: how many rows that holds; more than one only where the graph fixes their number (then as many, or the few
        that ``cost`` tells of).
      fixed: whether the graph fixes it.
      batch_axis: axis of the rows, ``None`` where the feed is one example.
      label: what to explain of the output, as a command line says it; ``None``: what ``explain`` takes by itself.
      attributed: the tensors that are attributed to.
      findings: facts of the graph.
      obstacle: why an explanation of the example fails, the fix included; ``""``: what was ``tried`` went through.
      renamed: the placeholder that takes the place of each tensor of a queue or an iterator.
      inference_mode: whether the graph is to be put into inference mode first.
      silent: whether it went through and every attribution was zero, which is an obstacle, too.
      saturated: whether it went through and every score was that of a certainty, where gradients vanish.
      may_fit: whether other values or sizes may be no obstacle.
      tried: whether the example was explained; of a large graph it was only computed, and no gradient was built.
      baseline: what may not start at zero, where the output is not finite or jumps, and what it started at.
      singular: the op that is not finite there, or jumps, in words.
      jumps: the same where it jumps.
      late: what took too long, in words, where the example was not run to its end; the rest says what is known.
      skipped: what there was no time to see, in words, where it was.
      cost: what it takes to explain the example, where that was measured; ``None``: not much.
      leading: inputs whose leading size is another one than the number of rows, and that size.
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
    saturated: bool = False
    may_fit: bool = True
    tried: bool = True
    baseline: Start = ()
    singular: str = ""
    jumps: str = ""
    late: str = ""
    skipped: str = ""
    cost: Optional[few_rows.Cost] = None
    leading: Tuple[Tuple[str, int], ...] = ()


def propose(model: Model, output: Any, embeddings: Sequence[Any] = (), seed: int = 0, since: Optional[Clock] = None
            ) -> Proposal:
    """A feed for one output of a model, tried.

    Args:
      model: the model.
      output: a ``Candidate`` of ``find_outputs``.
      embeddings: the model's lookups, as far as they are known.
      seed: of the made-up numbers.
      since: when that began whose time this shares; ``None``: now.
    """
    model = _needed(model, [output])
    plan = Plan(model, output.tensor, embeddings, seed)
    setting = plan.setting()
    begun = time.process_time()

    last = setting, 0.0

    def tried(chosen: Any) -> Proposal:
        nonlocal last
        samples = tuple(plan.samples(chosen))
        own = tuple(one for one in chosen.leading if one[1] != chosen.rows)
        rows = trial.Rows(chosen.rows, plan.fixed == chosen.rows, int(chosen.steps_first), bool(own))
        found, seconds = few_rows.timed(lambda: trials.run(dict(samples), rows))
        last = chosen, seconds
        return Proposal(samples, fixed=rows.fixed and trial.may_be_rows(output, found.rows), leading=own,
                        **found._asdict())

    with trial.Trials(model, output, since) as trials:
        found = [tried(setting)]
        for _ in range(_MENDED):
            other = plan.mended(setting, found[-1].obstacle) if found[-1].may_fit else None
            if other is None or time.process_time() - begun > _SECONDS:
                break
            setting = other
            found.append(tried(setting))
        for other in plan.variations(setting, found[0].silent):
            if not found[-1].obstacle or not found[-1].may_fit or time.process_time() - begun > _SECONDS:
                break
            varied = tried(other)
            if varied.late:  # which says less about it than an obstacle of the first
                break
            found.append(varied)
        return found[0] if found[-1].obstacle else _in_time(found[-1], trials, *last)


def _in_time(found: Proposal, trials: trial.Trials, setting: Setting, seconds: float) -> Proposal:
    """A proposal that went through its trial in so many seconds, with what it costs to explain it, and with few rows
    where the graph fixes many and that takes long."""
    if not found.tried and not (found.late and trials.computed(found.batch_axis)):
        return found
    running, explained, outputs, pace = trials.again(found.batch_axis, found.label, found.baseline)
    by_rows = found.fixed and found.batch_axis == 0 and not (
        setting.steps_first or setting.rows_inside or found.leading)
    chosen, cost = few_rows.looked_at(few_rows.Example(
        found.samples, found.rows, by_rows, explained, outputs, running, pace), seconds)
    return found._replace(samples=chosen, cost=cost, rows=few_rows.FEW if cost and cost.takes else found.rows)


def _needed(model: Model, outputs: Sequence[Any], before: Optional[Model] = None) -> Model:
    """The part of a model that outputs are computed from, where that is much less than all of it; which numbers that a
    graph holds are its data, its training tells. ``before``: what it was made of, of which that is known."""
    wanted, known = [names.tensor_name(output) for output in outputs], before or model
    if len(model.index.ancestors(wanted)) > _SMALLER * len(model.index.nodes) or own.flow_of(known.index).own:
        return model
    # Parts of a sparse placeholder that the output does not need tell what the others are.
    part = gt.prune(model, wanted + [tensor for one in gt.find_inputs(known) if one.kind == "sparse_placeholder"
                                     for tensor in one.tensors])[0]
    if not columns.shows_layers(part):
        part.read_as(model)
    return part


def propose_any(model: Model, outputs: Sequence[Any], embeddings: Sequence[Any] = (), seed: int = 0,
                since: Optional[Clock] = None) -> Tuple[Any, Proposal]:
    """The first of some outputs that can be explained, and how; the first of all where none can.

    Args:
      model, embeddings, seed, since: as for ``propose``.
      outputs: candidates, best first; a few are tried, and those to which nothing leads are none of them.
    """
    found: List[Tuple[Any, Proposal]] = []
    begun, since = time.process_time(), since or Clock()
    for output in outputs:
        variants = [output] + _logits(model, output)
        part = _needed(model, variants)  # once for both
        for one in variants:
            if found and one.same_as == found[-1][0].tensor and found[-1][1].saturated and not found[-1][1].silent:
                # What could be explained behind an activation can be explained before it.
                return one, found[-1][1]._replace(saturated=False)
            proposal = _in_best_mode(model, part, one, embeddings, seed, since)
            if not proposal.obstacle and not proposal.saturated:
                return one, proposal
            found.append((one, proposal))
            if not (proposal.silent and proposal.may_fit) and not proposal.saturated:
                break  # logits help where a probability is flat
        tried = {one.tensor for one, proposal in found if proposal.attributed}
        if len(tried) >= _HEADS or time.process_time() - begun > _SECONDS:
            break
    # A head with nothing to attribute to says less about what stands in the way than one with an obstacle.
    return min(found, key=lambda one: (bool(one[1].obstacle), not one[1].attributed))


def _logits(model: Model, output: Any) -> List[Any]:
    """What a probability is computed from, as a candidate: of two classes the one logit that decides between them where
    there is one, as beside it stands a constant, which may be the larger."""
    logits = getattr(output, "logits", None)
    single = [one for one in (gt.find_outputs(model) if logits else ()) if one.same_as == output.tensor
              and one.kind == "logits" and one.shape and one.shape[-1] == 1]
    return single[:1] or ([dataclasses.replace(
        output, tensor=logits, kind="logits", logits=None, signatures=(), same_as=output.tensor,
        why="it is what %s is computed from" % output.tensor)] if logits else [])


def _in_best_mode(model: Model, part: Model, output: Any, embeddings: Sequence[Any], seed: int, since: Clock
                  ) -> Proposal:
    """The proposal for the graph in inference mode, where nothing that is fed puts it there and that helps; else as
    it is.

    Args:
      model: all of it: moving averages are no part of what an output needs.
      part: what the output needs.
      output, embeddings, seed, since: as for ``propose``.
    """
    found = training_mode.mended(model, output, part, lambda served: _needed(served, [output], model))
    if found is not None:
        served = propose(found[0], output, gt.find_embeddings(found[0]), seed, since)
        if not served.obstacle and not _trains(served):
            return served._replace(inference_mode=True)
    return propose(part, output, embeddings, seed, since)


def _trains(proposal: Proposal) -> bool:
    return any(finding.name in ("randomness", "batch norm") and finding.verdict != "ok"
               for finding in proposal.findings)
