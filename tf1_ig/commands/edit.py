"""``tf1-ig edit``: writes a changed copy of a graph, and shows what changed."""

import argparse
import os
from typing import Any, List

import graph_tools as gt
from graph_tools import picture, whole_files
from graph_tools.edit import batch, serving
from graph_tools.errors import EditError
from graph_tools.graph import names
from graph_tools.releases import portable
from tf1_ig.commands import edit_proof, feed_file
from tf1_ig.commands.arguments import add_limits, add_model
from tf1_ig.integrations import signature
from tf1_ig.rows.spec import load_spec

HELP = "write a changed copy of a graph"

_EDITS = ("inference_mode", "swap_inputs", "relax_batch", "prune", "freeze", "attribution_signature")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command; the edits are done in the order of ``_chosen``."""
    add_model(parser, or_spec=True)
    add_limits(parser)
    parser.add_argument("--spec", metavar="FILE", help="explanation spec: its model, if none is named, and its output")
    parser.add_argument("--inference-mode", action="store_true",
                        help="dropout becomes identity, batch norm takes its moving averages")
    parser.add_argument("--swap-inputs", action="store_true",
                        help="queues, iterators, readers and staging areas become placeholders")
    parser.add_argument("--parsed", action="store_true",
                        help="with --swap-inputs: feed parsed features instead of serialized protos")
    parser.add_argument("--relax-batch", action="store_true", help="placeholders of a fixed batch take any")
    parser.add_argument("--prune", action="append", metavar="T", default=[],
                        help="keep only what this output needs (repeat for several)")
    parser.add_argument("--freeze", action="store_true", help="variables become constants")
    parser.add_argument("--attribution-signature", action="store_true",
                        help="the saved graph computes its own attributions; save it as a SavedModel folder")
    parser.add_argument("--output", metavar="T", help="the output to explain, to compare before and after, and to "
                        "put into the signature of a model that has none (default: those of --prune, or likely heads)")
    parser.add_argument("--input", action="append", metavar="T", help="with --attribution-signature: what to "
                        "attribute to (default: every embedding that reaches the output)")
    parser.add_argument("--feed", metavar="FILE", help=".npz or .json: a batch to compare the outputs on, before and "
                        "after (default: made-up values)")
    parser.add_argument("--diff", action="store_true", help="print every node that was removed, added or rewired")
    parser.add_argument("--picture", metavar="FILE", help="draw what changed: .svg, or .dot for Graphviz")
    parser.add_argument("--tensorboard", metavar="DIR", help="write the graph before and after for TensorBoard")
    parser.add_argument("--out", required=True, metavar="PATH", help=".pb, .pbtxt, or a folder for a SavedModel")
    parser.set_defaults(check=lambda options: _check(parser, options))


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if not (options.model or options.spec):
        parser.error("the following arguments are required: MODEL, or --spec FILE")
    if options.picture and not options.picture.endswith((".svg", ".dot")):
        parser.error("--picture FILE ends in .svg or .dot, not %r" % options.picture)
    if not any(getattr(options, edit) for edit in _EDITS):
        parser.error("say what to do: one or more of %s" % ", ".join(
            "--" + edit.replace("_", "-") for edit in _EDITS))
    if options.attribution_signature and options.out.endswith((".pb", ".pbtxt")):
        parser.error("a signature needs a SavedModel: with --attribution-signature, --out is a folder")


def run(options: argparse.Namespace) -> int:
    """Does the edits, proves them, writes the model, prints what was done and what to feed.

    Nothing is written of an edit whose proof fails; what was found until then is printed all the same.
    """
    told: List[str] = []
    try:
        _edit(options, told.append)
    finally:  # after the files: the reader may be gone (head)
        print("\n".join(told))
    return 0


def _edit(options: argparse.Namespace, tell: Any) -> None:
    _check_places(options)
    if options.spec:
        spec = load_spec(options.spec)
        options.model = options.model or spec.model_path
        options.output = options.output or spec.output
    feed = feed_file.read_feed(options.feed) if options.feed else None
    original = model = gt.load(options.model, trusted=options.trust, assets=dict(options.asset))
    fed = {}
    if options.inference_mode:  # first: what updates the averages tells which they are
        model, edit = gt.inference_mode(original)
        tell(str(edit) if options.diff else _summary(edit))
        for line in edit_proof.prove_inference(original, model, edit, _outputs(options, original, model), feed):
            tell(line)
        original = model  # the outputs change with it, and must not change again
    for edit_of in _chosen(options):
        model, edit = edit_of(model)
        fed.update(edit.placeholders)
        tell(str(edit) if options.diff else _summary(edit))
    if options.attribution_signature:
        model = _explaining(model, options, feed, tell)
    outputs = _outputs(options, original, model)
    for line in edit_proof.prove(original, model, outputs, feed).lines:
        tell(line)
    model = _of_kept_rows(edit_proof.kept_rows(original, model, outputs), model, options, tell)
    if not options.out.endswith((".pb", ".pbtxt")) and not model.signatures and outputs:
        model = _signed(model, outputs, tell)
    model.save(options.out)
    _draw(options, original, model, tell)
    for old, new in fed.items():
        tell("feed %s instead of %s" % (new, old))
    for need in portable.needs(model.meta_graph.graph_def):
        tell("note: " + need)
    tell("wrote %s" % options.out)


def _of_kept_rows(kept: Any, model: Any, options: argparse.Namespace, tell: Any) -> Any:
    """The model with placeholders of the only number of rows that TensorFlow takes, where there is one."""
    if kept is None:
        return model
    if options.relax_batch:
        raise EditError("the batch of %d rows is not free although the placeholders are: with %d TensorFlow refuses "
                        "(%s); nothing was written; leave out --relax-batch, and feed %d rows" % (
                            kept.rows, kept.rows + 1, kept.why, kept.rows))
    tell("the placeholders take %d rows alone: with %d TensorFlow refuses (%s)" % (kept.rows, kept.rows + 1, kept.why))
    return batch.fix_batch(model, kept.rows)


def _check_places(options: argparse.Namespace) -> None:
    """What is to be written must have a place: said before anything is done."""
    folder = os.path.dirname(os.path.abspath(options.picture)) if options.picture else ""
    if folder and not os.path.isdir(folder):
        raise EditError("no folder %r to draw the picture in; create it first" % folder)
    if options.tensorboard and os.path.exists(options.tensorboard) and not os.path.isdir(options.tensorboard):
        raise EditError("%r is a file; TensorBoard needs a folder" % options.tensorboard)
    if not options.out.endswith((".pb", ".pbtxt")) and os.path.exists(options.out) and (
            not os.path.isdir(options.out) or os.listdir(options.out)):
        raise EditError("%r is there already and a SavedModel needs a folder of its own; give a new path" % options.out)


def _draw(options: argparse.Namespace, original: Any, model: Any, tell: Any) -> None:
    if options.picture:
        draw = picture.svg if options.picture.endswith(".svg") else picture.dot
        with whole_files.writing(options.picture, "w", encoding="utf-8") as file:
            file.write(draw(original, model))
        tell("wrote %s" % options.picture)
    if options.tensorboard:
        tell("wrote %s and %s; see them with: tensorboard --logdir %s" % (
            picture.tensorboard(options.tensorboard, original, model) + (options.tensorboard,)))


def _outputs(options: argparse.Namespace, original: Any, model: Any) -> Any:
    """The outputs to compare: those that were named, else those of the signatures, else the likely heads."""
    named = ([options.output] if options.output else []) + options.prune
    if named:
        return list(dict.fromkeys(map(names.tensor_name, named)))
    return [one.tensor for one in gt.find_outputs(original) if names.parse(one.tensor).node in model.index]


def _signed(model: Any, outputs: Any, tell: Any) -> Any:
    """The model with a signature: a SavedModel without one cannot be served."""
    model = serving.with_signature(model, outputs)
    tell("signature %r: %s -> %s" % (serving.KEY, ", ".join(sorted(model.signatures[serving.KEY].inputs)),
                                     ", ".join(sorted(model.signatures[serving.KEY].outputs))))
    return model


def _chosen(options: argparse.Namespace) -> Any:
    if options.prune:  # first: what only training needs is neither replaced nor judged
        yield lambda model: gt.prune(model, options.prune)
    if options.swap_inputs:
        yield lambda model: gt.swap_inputs(model, parsed=options.parsed)
    if options.relax_batch:
        yield gt.relax_batch
    if options.freeze:
        yield gt.freeze


def _summary(edit: Any) -> str:
    lines = str(edit).splitlines()
    return "\n".join([lines[0]] + ["  " + note for note in edit.notes])


def _explaining(model: Any, options: argparse.Namespace, feed: Any, tell: Any) -> Any:
    found = gt.find_outputs(model)
    output = options.output or found.only().tensor
    carried = signature.attribution_signature(model, output, options.input or "auto")
    tell("attribution signature: %r explains %s" % (signature.SIGNATURE, output))
    for side, infos in (("in", carried.signatures[signature.SIGNATURE].inputs),
                        ("out", carried.signatures[signature.SIGNATURE].outputs)):
        for key in sorted(infos):
            tell("  %-3s  %s  (%s)" % (side, key, infos[key].name))
    tell(edit_proof.prove_attributions(model, carried, output, options.input or "auto", feed))
    return carried
