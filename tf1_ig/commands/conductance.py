"""``tf1-ig conductance``: what the units of a layer carry of the score."""

import argparse
from typing import Any

import numpy as np

from tf1_ig.check import check
from tf1_ig.commands import asked, explain as explain_command
from tf1_ig.commands.arguments import judged
from tf1_ig.conductance import KINDS
from tf1_ig.result.claims import is_finite

HELP = "what the units of a layer carry of the score along the path"
STRONGEST = 8


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command: those of explain, and the layer."""
    explain_command.add_options(parser)
    parser.set_defaults(one_path=True, of_units=True)
    parser.add_argument("--layer", metavar="T", required=True, help="a tensor between the inputs and the output")
    parser.add_argument("--kind", choices=KINDS, default=KINDS[0], help="default: %s" % KINDS[0])


def run(options: argparse.Namespace) -> int:
    """Explains, prints, writes; returns the exit status."""
    with explain_command.prepared(options) as work:
        question = work.question

        def carried(feed: Any, label: Any) -> Any:
            return work.explainer.conductance(
                feed, options.layer, label, options.kind, question.baseline, options.method, question.steps,
                question.tolerance, options.max_steps, options.batch_size, options.shared_feed, options.row_feed,
                options.memory_limit)

        found = work.ask(carried)
    if options.out:
        found.save(options.out)
    (layer, values), = found.values.items()
    print("%s of %s in %s" % (found.technique, layer, found.output))
    for row, units in enumerate(values):
        if not is_finite(found, row):
            print("row %d: %s" % (row, found.scores_text(row)))
            continue
        flat = np.ravel(units)
        order = np.argsort(-np.abs(flat), kind="stable")[:STRONGEST]
        places = [", ".join(map(str, np.unravel_index(one, units.shape))) if units.ndim else "0" for one in order]
        print("row %d: score %.4g, delta %.2g" % (row, found.score[row], found.delta[row]))
        print("    " + "  ".join("[%s] %+.4g" % (place, flat[one]) for place, one in zip(places, order)))
    for note in found.notes:
        print("note: " + note)
    if options.out:
        print("wrote %s" % options.out)
    asked.refuse_unexplained(found.finite)
    return judged(check(found).failed, options.strict)
