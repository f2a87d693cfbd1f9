"""The first five minutes with an unknown graph: what goes in, what comes out, what stands in the way, what to type."""

import argparse
import dataclasses
import json
import os
import shlex
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import graph_tools as gt
from graph_tools.errors import some
from graph_tools.find.candidates import Candidate, Candidates, format_shape
from graph_tools.graph import names
from graph_tools.graph.ops import MUST_BE_FED, WAITING_KINDS
from graph_tools.report import Finding
from tf1_ig.commands import scan as scan_command, write_spec
from tf1_ig.commands.arguments import add_limits, add_model, seed, told_to_wait
from tf1_ig.question import few_rows, proposal as proposals, samples
from tf1_ig.question.pace import Clock
from tf1_ig.question.proposal import Proposal
from tf1_ig.rows import fingerprint

HELP = "what goes in, what comes out, what can be explained"

_SHOWN, _MISSES = 12, 3  # candidates and near misses of one kind printed; --json has them all
_COLUMN = 56             # names longer than this do not push the columns of the others
_FEED, _SERVED, _SERVED_FEED = "feed.npz", "served.pb", "served.npz"
_IDLE = "no output below depends on %s"


class Inspection(NamedTuple):
    """What was found in a model.

    Attributes:
      path: what was inspected, as given.
      format: name of the format (``"frozen"``, ``"saved_model"``, …).
      model: the loaded model.
      inputs, embeddings, outputs: candidates, with near misses.
      output: the likeliest head, which the proposed command explains; ``None`` when none was found.
      proposal: a feed for ``output`` and how to explain it; ``proposal.tried`` says whether the example was explained,
        or, in a large graph, only computed. ``None`` without an output.
      warnings: what a load had to repair, and what stands in the way.
      sha256: of the file, or of all files of the model by name: TensorFlow's own formats notice no flipped bit.
      layers: layers on the way to ``output``, where they were asked for.
    """

    path: str
    format: str
    model: Any
    inputs: Candidates
    embeddings: Candidates
    outputs: Candidates
    output: Optional[Candidate]
    proposal: Optional[Proposal]
    warnings: Tuple[str, ...]
    sha256: str
    seed: int = 0
    layers: Optional[Candidates] = None

    @property
    def findings(self) -> Tuple[Finding, ...]:
        """Facts of the graph that matter for explaining it."""
        return self.proposal.findings if self.proposal is not None else ()

    @property
    def obstacle(self) -> str:
        """Why explaining ``output`` fails, the fix included; ``""`` when the trial went through."""
        return self.proposal.obstacle if self.proposal is not None else ""

    def starts(self, output: Candidate) -> Dict[str, float]:
        """The baseline of what is behind an output and may not start at zero."""
        behind = self.model.index.ancestors([output.tensor])
        return {name: start for name, start in (self.proposal.baseline if self.proposal is not None else ())
                if names.parse(name).node in behind}


def inspect(path: str, seed: int = 0, trusted: bool = False, assets: Sequence[Tuple[str, str]] = ()) -> Inspection:
    """Loads a model, finds its inputs, embeddings and outputs, and tries a made-up example of the likeliest output.

    Args:
      path: the model, as for ``gt.load``.
      seed: of the made-up numbers.
      trusted: as for ``gt.load``.
      assets: as for ``gt.load``, in pairs.

    Raises:
      GraphToolsError: the file cannot be loaded.
    """
    path = os.fspath(path)
    model = gt.load(path, trusted=trusted, assets=dict(assets))
    begun = Clock()
    _ = model.outline  # what TensorFlow refuses is told as that, not as a graph without an output
    outputs = gt.find_outputs(model)
    inputs, embeddings = _told_apart(model, gt.find_inputs(model), outputs), gt.find_embeddings(model)
    output, proposal = proposals.propose_any(model, outputs.distinct(), embeddings, seed, begun) if outputs else (
        None, None)
    warnings = list(model.warnings)
    if not outputs:
        warnings.append("no tensor looks like a prediction; name the one to explain with --output" if inputs else
                        "nothing in the graph is computed from an input: it holds values (variables, and what sets and "
                        "saves them) and no model; inspect the graph that computes with them")
    elif proposal is None or not proposal.attributed and not proposal.obstacle:
        warnings.append("no embedding and no float input: nothing to attribute to was recognised; name a float tensor "
                        "with --input")
    if proposal is not None:
        if proposal.fixed:
            warnings.append(few_rows.told_of_rows(proposal.rows, proposal.cost))
        warnings += [one for one in (proposal.late, proposal.skipped) if one]
        warnings += few_rows.told_of_time(proposal.cost)
        if proposal.leading:
            warnings.append("leading sizes differ: %d row%s stand%s beside %s; feed as many, as the example does" % (
                proposal.rows, "s" * (proposal.rows != 1), "s" * (proposal.rows == 1),
                some(["%d of %s" % (size, name) for name, size in proposal.leading], 4)))
        if proposal.inference_mode:
            warnings.append("the graph is in training mode (dropout or batch statistics that no feed switches off); "
                            "the command below puts it into inference mode")
        if output is not None and output.kind == "logits" and output.same_as:
            warnings.append("%s is certain, or nothing at all, under the example, where gradients vanish: the command "
                            "below explains what it is computed from; of your own rows try --output %s first, it says "
                            "where it is flat" % (output.same_as, output.same_as))
        if proposal.baseline:
            warnings.append("zero is no baseline for %s: the output %s%s; the command below starts at %s, so that it "
                            "runs: put in what says nothing in your data" % (
                                ", ".join("what %s looks up" % name if _is_id(start) else name
                                          for name, start in proposal.baseline if start or _is_id(start)),
                                "jumps right behind it" if proposal.jumps else "is not finite there",
                                ", first in %s" % proposal.singular if proposal.singular else "",
                                "1" if any(start for _, start in proposal.baseline) else "the id 0"))
        warnings += [finding.advice for finding in proposal.findings if finding.verdict != "ok" and finding.advice]
        warnings += [proposal.obstacle] if proposal.obstacle else []
    return Inspection(path, model.format, model, inputs, embeddings, outputs, output, proposal,
                      tuple(dict.fromkeys(warnings)), fingerprint.of(model, path), seed)


def _is_id(start: Any) -> bool:
    return isinstance(start, int)


def _told_apart(model: Any, inputs: Candidates, outputs: Candidates) -> Candidates:
    """The inputs with those last that no prediction depends on: labels, which a loss or a metric waits for; what else
    comes out of a queue with labels tells which they are."""
    heads = [one.tensor for one in outputs]
    needed = model.index.ancestors(heads)
    first, last = [], []
    for one in inputs:
        parts = [part for part in one.components if part.used]
        idle = [part.tensor for part in parts if part.tensor not in heads and needed.isdisjoint(part.consumers)]
        waited_for = any(names.parse(part.tensor).node in needed for part in parts)  # if only by a control edge
        if not idle or not outputs or one.switch or waited_for and len(idle) == len(parts):
            first.append(one)
        elif len(idle) == len(parts):
            last.append(dataclasses.replace(one, why="%s: leave it out (labels, as a rule)" % _IDLE % "it"))
        else:
            mixed = len({names.parse(part.tensor).node for part in parts}) == 1  # not the three of a sparse tensor
            first.append(dataclasses.replace(one, why="%s; %s (a label, as a rule)" % (
                one.why, _IDLE % some(idle, 3))) if mixed else one)
    return Candidates(first + last, inputs.misses, inputs.what)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_model(parser)
    add_limits(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--layers", action="store_true", help="list the layers that tf1-ig conductance can be asked of")
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help="other made-up numbers in the example feed")
    parser.add_argument("--spec", metavar="FILE", help="write an explanation spec (.json), its guesses marked")
    parser.add_argument("--output", metavar="T",
                        help="of the spec or of --layers: tensor to explain (default: the likeliest head)")
    parser.add_argument("--vocab", metavar="FILE", help="of the spec: one token a line, or a .json of token to id")
    parser.add_argument("--classes", metavar="FILE", help="of the spec: names of the classes, one a line")
    parser.set_defaults(check=lambda options: _check(parser, options))


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    for name in ("output", "vocab", "classes"):
        if getattr(options, name) and not options.spec and not (name == "output" and options.layers):
            parser.error("--%s is for --spec FILE; say which file to write" % name)


def run(options: argparse.Namespace) -> int:
    """Inspects and prints, writes a spec where one is asked for; returns the exit status."""
    with told_to_wait("inspecting %s: its graph is searched, and a made-up example is run through it" % options.model):
        found = inspect(options.model, options.seed, options.trust, options.asset)
        if options.layers and found.output is not None:
            found = found._replace(layers=gt.find_layers(found.model, options.output or found.output))
    spec = write_spec.write(found, options) if options.spec else None  # before anything is printed
    print(as_json(found) if options.json else as_text(found) if spec is None else write_spec.as_text(spec, options))
    return 0


# -- for programs ----------------------------------------------------------------------------------------------------

def as_json(found: Inspection) -> str:
    """A JSON object with ``format``, ``inputs``, ``embeddings``, ``outputs``, ``warnings`` and more."""
    tree: Dict[str, Any] = {
        "format": found.format, "source": found.model.source, "path": found.path, "sha256": found.sha256,
        "nodes": len(found.model.index.nodes), "variables": len(found.model.variables),
        "signatures": sorted(found.model.signatures), "trusted": found.model.trusted,
        "refused": scan_command.refusals(found.model.refused.values())}
    listed = (("inputs", found.inputs), ("embeddings", found.embeddings), ("outputs", found.outputs))
    for name, candidates in listed + ((("layers", found.layers),) if found.layers is not None else ()):
        tree[name] = [_candidate_json(one) for one in candidates]
        tree.setdefault("misses", {})[name] = [{"name": miss.name, "why": miss.why} for miss in candidates.misses]
    tree["warnings"] = list(found.warnings)
    tree["findings"] = [{"name": each.name, "verdict": each.verdict, "value": each.value_text, "advice": each.advice}
                        for each in found.findings]
    tree["explained"] = found.output.tensor if found.output is not None else None
    tree["attributed"] = list(found.proposal.attributed) if found.proposal is not None else []
    tree["feed"] = feed_example(found)
    tree["next"] = next_command(found)
    return json.dumps(tree, indent=1, ensure_ascii=False, allow_nan=False)


def _candidate_json(candidate: Candidate) -> Dict[str, Any]:
    fields = {name: getattr(candidate, name) for name in ("tensor", "kind", "why", "dtype", "shape")}
    for name in ("tensors", "ids", "table", "dim", "vocab_size", "per_occurrence", "caveat", "batch", "default",
                 "signatures", "logits", "same_as", "switch", "inference",
                 "units", "whole"):
        if getattr(candidate, name, None) not in (None, "", ()):
            fields[name] = getattr(candidate, name)
    return json.loads(json.dumps(fields, default=str))


# -- for people ------------------------------------------------------------------------------------------------------

def as_text(found: Inspection) -> str:
    """The same as a page for a terminal."""
    model = found.model
    lines = [model.source, "%d nodes%s%s" % (
        len(model.index.nodes),
        ", %d variables" % len(model.variables) if model.variables else "",
        ", signatures: %s" % ", ".join(sorted(model.signatures)) if model.signatures else ""),
             "sha256 " + found.sha256, scan_command.in_one_line(model)]
    lines += _section("What goes in", found.inputs, _input_row, "nothing: no placeholder, queue or iterator")
    lines += _section("Where the embedding is", found.embeddings, _embedding_row, "no embedding was recognised")
    lines += _section("What comes out", found.outputs, _output_row, "no tensor looks like a prediction")
    if found.layers is not None:
        lines += _section("Layers on the way to it", found.layers, _layer_row, "no layer was recognised")
    lines += ["", "What stands in the way"] + (
        ["  - " + warning for warning in found.warnings] or ["  " + _clear(found)])
    lines += ["", "Next"] + ["  " + line for line in _next(found)]
    return "\n".join(lines)


def _clear(found: Inspection) -> str:
    """What is known where nothing stands in the way."""
    if found.proposal is None:
        return "not tried: no output was chosen"
    if not found.proposal.tried:
        return ("nothing so far: %s can be computed from the example; the graph is large, so that no gradient was "
                "built and nothing was explained" % found.output)
    return "nothing: %s can be explained, a gradient reaches every input" % found.output


def _section(title: str, candidates: Candidates, row: Callable[[Any], Tuple[str, ...]], empty: str) -> List[str]:
    """One heading, its candidates in columns as wide as the usual name, and the first near misses."""
    lines = ["", title]
    rows = [row(one) for one in candidates[:_SHOWN]]
    widths = [max([len(cells[column]) for cells in rows if len(cells[column]) <= _COLUMN], default=0)
              for column in range(2)]
    for cells in rows:
        head = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths))
        lines.append("  %s  %s" % (head, cells[2]))
        lines += ["      " + text for text in cells[3:] if text]
    lines += [] if rows else ["  " + empty]
    if len(candidates) > _SHOWN:
        lines.append("  … and %d more (--json lists them)" % (len(candidates) - _SHOWN))
    lines += ["  not %s: %s" % miss for miss in candidates.misses[:_MISSES]]
    if len(candidates.misses) > _MISSES:
        lines.append("  … and %d more near misses (--json lists them)" % (len(candidates.misses) - _MISSES))
    return lines


def _input_row(one: Any) -> Tuple[str, ...]:
    components = [part for part in getattr(one, "components", ()) if part.used]
    more = ["%s  %s %s" % (part.tensor, part.dtype, format_shape(part.shape)) for part in components
            if part.tensor != one.tensor]
    default = getattr(one, "default", None)
    return (one.tensor, "%s %s" % (one.dtype, format_shape(one.shape)), one.kind, one.why,
            "may be left out: default %s" % default if default else "") + tuple(more)


def _embedding_row(one: Any) -> Tuple[str, ...]:
    table = "table %s%s" % (one.table, " [%s, %s]" % (one.vocab_size or "?", one.dim or "?"))
    merged = "" if one.per_occurrence else "repeated ids share a row; explain splits them into one row per occurrence"
    return (one.tensor, format_shape(one.shape), one.kind, "ids %s, %s" % (one.ids, table), one.why, merged, one.caveat)


def _output_row(one: Any) -> Tuple[str, ...]:
    return (one.tensor, ("%s %s" % (one.dtype, format_shape(one.shape))).strip(), one.kind, one.why,
            "the same head as %s" % one.same_as if one.same_as else "")


def _layer_row(one: Any) -> Tuple[str, ...]:
    return (one.tensor, "%s %s" % (one.dtype, format_shape(one.shape)), one.kind, one.why,
            "everything passes through it: its units carry all of the score" if one.whole else "")


def _next(found: Inspection) -> List[str]:
    if found.proposal is None or found.output is None:
        return ["tf1-ig explain %s --feed FILE --output TENSOR --out why.html" % shlex.quote(found.path)]
    steps = ["a feed that fits; put your own rows in its place:", "  " + (feed_example(found) or ""),
             "once that is mended:" if found.obstacle else "then:", "  " + (next_command(found) or "")]
    others = [one for one in found.outputs.distinct() if one.tensor != found.output.tensor][:_SHOWN]
    if others:
        mode = found.proposal.inference_mode
        steps += ["or another prediction:"] + ["  %s%s" % (_command(
            found.path, one, None, as_tried=_as_tried(mode, found.starts(one))), _lacking(found, one))
            for one in others]
    return (["mend what stands in the way first."] if found.obstacle else []) + steps + _served(found)


def _lacking(found: Inspection, output: Candidate) -> str:
    """What the example feed must be given beside its own for another output, as a comment behind the command."""
    fed = {names.parse(name).node for name, _ in found.proposal.samples} if found.proposal is not None else set()
    index = found.model.index
    before = index.ancestors([output.tensor], control=False, stop=lambda node: node in fed)
    lacking = sorted(node for node in before - fed if index.op(node) in MUST_BE_FED)
    return "  # feed %s, too" % ", ".join("%s:0" % node for node in lacking) if lacking else ""


def _served(found: Inspection) -> List[str]:
    """The commands that take a model out of its training job, where a queue feeds it or a loss beside."""
    proposal, output = found.proposal, found.output
    if proposal is None or output is None or not proposal.renamed and all(
            one.kind not in WAITING_KINDS for one in found.inputs):
        return []
    quoted = shlex.quote(output.tensor)
    feed = [(proposal.renamed.get(name, name), sample) for name, sample in proposal.samples]
    return ["or a model without its %s, to keep:" % ("queue" if any(
        one.kind == "queue" for one in found.inputs) else "input pipeline"),
            "  tf1-ig edit %s%s --prune %s --freeze%s --out %s" % (
                shlex.quote(found.path), " --swap-inputs" * bool(proposal.renamed), quoted,
                " --inference-mode" * proposal.inference_mode, _SERVED),
            "  python -c %s" % shlex.quote(samples.line(feed, found.seed, _SERVED_FEED)),
            "  " + _command(_SERVED, output, proposal._replace(inference_mode=False, baseline=tuple(
                (proposal.renamed.get(name, name), start) for name, start in proposal.baseline)), _SERVED_FEED)]


def next_command(found: Inspection) -> Optional[str]:
    """The command that explains this model; ``None`` when no output was found."""
    return None if found.output is None else _command(found.path, found.output, found.proposal)


def _command(path: str, output: Candidate, proposal: Optional[Proposal], feed: str = _FEED, as_tried: str = "") -> str:
    """The command that explains an output, as it was tried or as its shape says; ``as_tried``: more options."""
    if proposal is None:
        # A prediction per position: the first position, the first class, for the reader to change.
        label = ",".join("0" * (len(output.shape) - 1)) if output.shape and len(output.shape) > 2 else None
        axis = None if output.shape == () else 0
    else:
        label, axis = proposal.label, proposal.batch_axis
        as_tried = _as_tried(proposal.inference_mode, dict(proposal.baseline))
    more = " --label " + label if label else ""
    more += "" if axis == 0 else " --batch-axis %s" % ("none" if axis is None else axis)
    return "tf1-ig explain %s --feed %s --output %s%s%s --out why.html" % (
        shlex.quote(path), feed, shlex.quote(output.tensor), more, as_tried)


def _as_tried(inference_mode: bool, baseline: Mapping[str, float]) -> str:
    return " --inference-mode" * inference_mode + (
        " --baseline " + shlex.quote(json.dumps(baseline)) if baseline else "")


def feed_example(found: Inspection) -> Optional[str]:
    """A line of shell that writes a feed file of the right tensors, dtypes and shapes; ``None`` without an output."""
    if found.proposal is None:
        return None
    return "python -c %s" % shlex.quote(samples.line(found.proposal.samples, found.seed, _FEED))
