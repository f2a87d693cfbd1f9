"""``tf1-ig evaluate``: is this explanation worth believing, by running the model."""

import json
from typing import Any, Dict

import numpy as np

from graph_tools.whole_files import writing
from tf1_ig.commands import explain as explain_command
from tf1_ig.evaluate import MEASURES, evaluate
from tf1_ig.show import measures as page

HELP = "judge an explanation by running the model: removal, noise, other labels, theories and weights"


def add_options(parser) -> None:
    """The options of the command: those of explain, and which measures."""
    explain_command.add_options(parser)
    parser.set_defaults(out_kinds=(".html", ".json"), takes=("seed",))
    parser.add_argument("--measure", action="append", metavar="M", choices=list(MEASURES),
                        help="one of: %s; repeat for more (default: all)" % ", ".join(MEASURES))


def run(options) -> int:
    """Measures, prints, writes; exit status 1 when a measure fails."""
    with explain_command.prepared(options) as work:
        question = work.question

        def judged(feed, label):
            return evaluate(work.explainer, feed, label, options.measure or "all", seed=options.seed or 0,
                            baseline=question.baseline, shared_feeds=options.shared_feed, row_feeds=options.row_feed,
                            batch_size=options.batch_size, memory_limit=options.memory_limit)

        report = work.ask(judged)
        rows = len(next(iter(question.feed.values()))) if question.feed else 0
    told = dict(output=work.explainer.output, seed=options.seed or 0, rows=rows)
    if options.out:
        with writing(options.out, "w", encoding="utf-8") as file:
            if options.out.endswith(".json"):
                json.dump(dict(told, measures=[_record(each) for each in report]), file, indent=1)
            else:
                file.write(page.page(report, "Is the explanation of %s worth believing?" % told["output"],
                                     "%d rows of the feed, seed %d" % (rows, told["seed"])))
    print(report)
    if options.out:
        print("wrote %s" % options.out)
    return 0 if report.ok else 1


def _record(measured) -> Dict[str, Any]:
    def plain(value):
        if isinstance(value, (np.floating, np.integer, float)):
            return float(value) if np.isfinite(value) else None
        return value

    return dict(name=measured.name, verdict=measured.verdict, value=plain(measured.value), advice=measured.advice,
                control=plain(measured.control), evaluations=measured.evaluations, positions=measured.positions,
                rows=None if measured.rows is None else [plain(one) for one in measured.rows])
