"""The first five minutes with an unknown graph: what goes in, what comes out, what stands in the way, what to type."""

import json
import os
import shlex
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

import graph_tools as gt
from graph_tools.errors import GraphToolsError
from graph_tools.find.candidates import Candidate, Candidates, format_shape
from graph_tools.report import Finding
from tf1_ig import explainer
from tf1_ig.commands import write_spec
from tf1_ig.commands.arguments import add_model, one_line
from tf1_ig.rows import fingerprint

HELP = "what goes in, what comes out, what can be explained"

_SHOWN, _MISSES = 12, 3  # candidates and near misses of one kind printed; --json has them all
_COLUMN = 56             # names longer than this do not push the columns of the others
_TOKENS = 8              # tokens in the example feed


class Inspection(NamedTuple):
    """What was found in a model.

    Attributes:
      path: what was inspected, as given.
      format: name of the format (``"frozen"``, ``"saved_model"``, …).
      model: the loaded model.
      inputs, embeddings, outputs: candidates, with near misses.
      output: the likeliest head, which the proposed command explains; ``None`` when none was found.
      findings: facts of the graph that matter for explaining it.
      obstacle: why explaining ``output`` would fail, the fix included; ``""`` when a trial went through.
      warnings: what a load had to repair, and what stands in the way.
      sha256: of the file, or of all files of the model by name: TensorFlow's own formats notice no flipped bit.
    """

    path: str
    format: str
    model: Any
    inputs: Candidates
    embeddings: Candidates
    outputs: Candidates
    output: Optional[Candidate]
    findings: Tuple[Finding, ...]
    obstacle: str
    warnings: Tuple[str, ...]
    sha256: str


def inspect(path) -> Inspection:
    """Loads a model and finds its inputs, embeddings and outputs; tries whether the likeliest output can be explained.

    Nothing of the model is run but the import of its graph and, for the trial, the restoring of its variables.

    Raises:
      GraphToolsError: the file cannot be loaded.
    """
    path = os.fspath(path)
    model = gt.load(path)
    outputs = gt.find_outputs(model)
    output = outputs.likely() if outputs else None
    inputs, embeddings = gt.find_inputs(model), gt.find_embeddings(model)
    findings, obstacle = _trial(model, output)
    warnings = list(model.warnings)
    if not outputs:
        warnings.append("no tensor looks like a prediction; name the one to explain with --output")
    if not embeddings and not any(one.dtype.startswith("float") for one in inputs):
        warnings.append("no embedding and no float input: nothing to attribute to was recognised; name a float tensor "
                        "with --input")
    warnings += [finding.advice for finding in findings if finding.verdict != "ok" and finding.advice]
    if obstacle:
        warnings.append(obstacle)
    return Inspection(path, model.format, model, inputs, embeddings, outputs, output, findings, obstacle,
                      tuple(dict.fromkeys(warnings)), fingerprint.sha256(path))


def _trial(model, output: Optional[Candidate]) -> Tuple[Tuple[Finding, ...], str]:
    """Facts of the graph, and the error that an explanation of this output would meet."""
    if output is None:
        return (), ""
    try:
        with explainer.IntegratedGradients(model, output) as trial:
            return tuple(trial.findings()), ""
    except GraphToolsError as wrong:
        return (), one_line(wrong)


def add_options(parser) -> None:
    """The options of the command."""
    add_model(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--spec", metavar="FILE", help="write an explanation spec (.json), its guesses marked")
    parser.add_argument("--output", metavar="T", help="of the spec: tensor to explain (default: the likeliest head)")
    parser.add_argument("--vocab", metavar="FILE", help="of the spec: one token a line, or a .json of token to id")
    parser.add_argument("--classes", metavar="FILE", help="of the spec: names of the classes, one a line")
    parser.set_defaults(check=lambda options: _check(parser, options))


def _check(parser, options) -> None:
    for name in ("output", "vocab", "classes"):
        if getattr(options, name) and not options.spec:
            parser.error("--%s is for --spec FILE; say which file to write" % name)


def run(options) -> int:
    """Inspects and prints, writes a spec where one is asked for; returns the exit status."""
    found = inspect(options.model)
    spec = write_spec.write(found, options) if options.spec else None  # before anything is printed
    print(as_json(found) if options.json else as_text(found) if spec is None else write_spec.as_text(spec, options))
    return 0


# -- for programs ----------------------------------------------------------------------------------------------------

def as_json(found: Inspection) -> str:
    """A JSON object with ``format``, ``inputs``, ``embeddings``, ``outputs``, ``warnings`` and more."""
    tree: Dict[str, Any] = {
        "format": found.format, "source": found.model.source, "path": found.path, "sha256": found.sha256,
        "nodes": len(found.model.index.nodes), "variables": len(found.model.variables),
        "signatures": sorted(found.model.signatures)}
    for name, candidates in (("inputs", found.inputs), ("embeddings", found.embeddings), ("outputs", found.outputs)):
        tree[name] = [_candidate_json(one) for one in candidates]
        tree.setdefault("misses", {})[name] = [{"name": miss.name, "why": miss.why} for miss in candidates.misses]
    tree["warnings"] = list(found.warnings)
    tree["findings"] = [{"name": each.name, "verdict": each.verdict, "value": each.value_text, "advice": each.advice}
                        for each in found.findings]
    tree["explained"] = found.output.tensor if found.output is not None else None
    tree["next"] = next_command(found)
    return json.dumps(tree, indent=1, ensure_ascii=False, allow_nan=False)


def _candidate_json(candidate: Candidate) -> Dict[str, Any]:
    fields = {name: getattr(candidate, name) for name in ("tensor", "kind", "why", "dtype", "shape")}
    for name in ("tensors", "ids", "table", "dim", "vocab_size", "per_occurrence", "caveat", "batch", "default",
                 "signatures", "logits", "same_as"):
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
             "sha256 " + found.sha256]
    lines += _section("What goes in", found.inputs, _input_row, "nothing: no placeholder, queue or iterator")
    lines += _section("Where the embedding is", found.embeddings, _embedding_row, "no embedding was recognised")
    lines += _section("What comes out", found.outputs, _output_row, "no tensor looks like a prediction")
    clear = "not tried: no output was chosen" if found.output is None else (
        "nothing: %s can be explained, a gradient reaches every input" % found.output)
    lines += ["", "What stands in the way"] + (["  - " + warning for warning in found.warnings] or ["  " + clear])
    lines += ["", "Next"] + ["  " + line for line in _next(found)]
    return "\n".join(lines)


def _section(title: str, candidates: Candidates, row, empty: str) -> List[str]:
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


def _input_row(one) -> Tuple[str, ...]:
    components = [part for part in getattr(one, "components", ()) if part.used]
    more = ["%s  %s %s" % (part.tensor, part.dtype, format_shape(part.shape)) for part in components
            if part.tensor != one.tensor]
    default = getattr(one, "default", None)
    return (one.tensor, "%s %s" % (one.dtype, format_shape(one.shape)), one.kind, one.why,
            "may be left out: default %s" % default if default else "") + tuple(more)


def _embedding_row(one) -> Tuple[str, ...]:
    table = "table %s%s" % (one.table, " [%s, %s]" % (one.vocab_size or "?", one.dim or "?"))
    merged = "" if one.per_occurrence else "repeated ids share a row; explain splits them into one row per occurrence"
    return (one.tensor, format_shape(one.shape), one.kind, "ids %s, %s" % (one.ids, table), one.why, merged, one.caveat)


def _output_row(one) -> Tuple[str, ...]:
    return (one.tensor, ("%s %s" % (one.dtype, format_shape(one.shape))).strip(), one.kind, one.why,
            "the same head as %s" % one.same_as if one.same_as else "")


def _next(found: Inspection) -> List[str]:
    if not found.outputs:
        return ["tf1-ig explain %s --feed FILE --output TENSOR --out why.html" % shlex.quote(found.path)]
    steps = ["a feed that fits; put your own rows in its place:", "  " + feed_example(found),
             "then:", "  " + next_command(found)]
    others = list(found.outputs.distinct())[1:_SHOWN]
    if others:
        steps += ["or another prediction:"] + ["  " + _command(found.path, one) for one in others]
    return (["mend what stands in the way first."] if found.obstacle else []) + steps


def next_command(found: Inspection) -> Optional[str]:
    """The command that explains this model; ``None`` when no output was found."""
    return None if found.output is None else _command(found.path, found.output)


def _command(path: str, output: Candidate) -> str:
    # A prediction per position: the first position, the first class, for the reader to change.
    more = " --label " + ",".join("0" * (len(output.shape) - 1)) if output.shape and len(output.shape) > 2 else ""
    more += " --batch-axis none" if output.shape == () else ""
    return "tf1-ig explain %s --feed feed.npz --output %s%s --out why.html" % (
        shlex.quote(path), shlex.quote(output.tensor), more)


def feed_example(found: Inspection) -> str:
    """A line of shell that writes a feed file of the right tensors, dtypes and shapes: one made-up example."""
    ids = {one.ids: one.vocab_size for one in found.embeddings}
    parts = []
    for one in gt.find_inputs(found.model, output=found.output):
        if getattr(one, "default", None):
            continue
        for part in getattr(one, "components", ()) or (one,):
            if getattr(part, "used", True):
                parts.append("%s: %s" % (json.dumps(part.tensor), _example_array(
                    part.dtype, part.shape, part.tensor in ids, ids.get(part.tensor))))
    return "python -c %s" % shlex.quote("import numpy as np; np.savez(\"feed.npz\", **{%s})" % ", ".join(parts))


def _example_array(dtype: str, shape, is_ids: bool, vocabulary: Optional[int]) -> str:
    """An array of one example; where the graph tells no shape, ids are ``[1, tokens]`` and floats a switch at 1.0."""
    if shape is None:
        shape = (1, _TOKENS) if is_ids else () if dtype.startswith("float") else (1,)
    sizes = tuple((1 if axis == 0 else _TOKENS) if size is None else size for axis, size in enumerate(shape))
    if dtype == "string":
        return "np.full(%s, \"text\")" % (sizes,)
    if is_ids and dtype.startswith("int"):
        count = int(np.prod(sizes, dtype=np.int64))
        if vocabulary is None or vocabulary > count:
            return "np.arange(1, %d, dtype=\"%s\").reshape(%s)" % (count + 1, dtype, sizes)
    elif dtype.startswith("int") and len(sizes) == 1:
        return "np.full(%s, %d, \"%s\")" % (sizes, _TOKENS, dtype)  # lengths of the examples, most often
    return "np.%s(%s, \"%s\")" % ("ones" if sizes == () else "zeros", sizes, dtype)
