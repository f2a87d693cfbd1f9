"""A spec written from what ``tf1-ig inspect`` found, and what to type next."""

import os
import shlex
from typing import Any

import graph_tools as gt
from graph_tools.errors import NoCandidateError
from graph_tools.find.candidates import Candidate
from tf1_ig.errors import SpecError
from tf1_ig.rows import proposal, spec as specs

# What a row of one column of a kind is, where it is a file.
_FILES = {"image": "--rows picture.png", "signal": "--rows array.npy"}


def write(found: Any, options: Any) -> specs.ExplanationSpec:
    """Writes the spec of a model that was inspected.

    Args:
      found: the ``Inspection``.
      options: ``spec``, ``output``, ``vocab`` and ``classes``.

    Raises:
      SpecError: a file cannot be read, or fits nothing in the model.
      NoCandidateError: nothing looks like a prediction, and none was named.
    """
    if not options.spec.lower().endswith(".json"):
        raise SpecError("--spec %r does not end in .json" % options.spec)
    output = _named(found.model, options.output) if options.output else found.output
    if output is None:
        raise NoCandidateError("no tensor of %s looks like a prediction; name the one to explain with --output" % (
            found.path))
    why, heads = "", list(found.outputs.distinct())
    if not options.output and len(heads) > 1:
        why = "%d tensors look like a prediction: this is the likeliest; others are %s" % (
            len(heads), ", ".join(one.tensor for one in heads if one is not output)[:200])
    folder = os.path.dirname(os.path.abspath(options.spec))
    tree = proposal.propose(
        found.model, gt.find_inputs(found.model, output=output.tensor),
        gt.find_embeddings(found.model, output=output.tensor), output, folder, found.path, options.vocab,
        options.classes, why)
    starts = found.starts(output)
    if starts:
        tree["baseline"] = starts
        tree["guesses"]["baseline"] = "zero is none, the output %s; put in what says nothing" % (
            "jumps there" if found.proposal is not None and found.proposal.jumps else "is not finite there")
    if found.proposal is not None and found.proposal.inference_mode:
        tree["model"]["inference_mode"] = True
        tree["guesses"]["model.inference_mode"] = "dropout or batch statistics of the graph are switched off by no feed"
    made = specs.ExplanationSpec(tree, folder, name=os.path.basename(options.spec))
    made.save(options.spec)
    return made


def _named(model: Any, name: str) -> Candidate:
    """A tensor that was named, as a candidate."""
    found = proposal.named(model, name, "it was named")
    return next((one for one in gt.find_outputs(model) if one.tensor == found.tensor), found)


def as_text(made: specs.ExplanationSpec, options: Any) -> str:
    """What was written, what was guessed, and the next commands."""
    file = shlex.quote(options.spec)
    lines = ["wrote %s" % options.spec, "  explains %s" % made.output]
    lines += ["  " + line.strip() for line in str(made).splitlines()[1:]]
    if made.guesses:
        lines += ["guessed; look at these in the file:"] + ["  %s: %s" % guess for guess in made.guesses.items()]
    kinds = {one.kind for one in made.placeholders.values() if one.columns}
    row = "--row '{%s}'" % ", ".join("\"%s\": …" % column for column in made.columns)
    if made.columns == ("text",):
        row = "--text \"…\""
    elif len(made.columns) == 1 and len(kinds) == 1:
        row = _FILES.get(kinds.pop(), row)
    return "\n".join(lines + ["next: tf1-ig spec %s %s" % (file, row),
                              "then: tf1-ig explain --spec %s %s --out why.html" % (file, row)])
