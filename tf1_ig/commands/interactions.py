"""``tf1-ig interactions``: what pairs of tokens or features do together."""

import argparse
import json
from typing import Any

from graph_tools.whole_files import writing
from tf1_ig.commands import asked, explain as explain_command
from tf1_ig.commands.arguments import judged, progress, told_to_wait
from tf1_ig.rows import told
from tf1_ig.show import pairs as page

HELP = "what pairs of tokens or features do together (Integrated Hessians)"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command: those of explain."""
    explain_command.add_options(parser)
    parser.set_defaults(out_kinds=(".html", ".json"), one_path=True)


def run(options: argparse.Namespace) -> int:
    """Explains, prints, writes; returns the exit status."""
    with explain_command.prepared(options) as work:
        question = work.question
        texts = work.texts()

        def paired(feed: Any, label: Any) -> Any:
            return work.explainer.interactions(
                feed, label, question.baseline, question.steps, question.tolerance, min(options.max_steps, 256),
                options.batch_size, texts, progress(), options.shared_feed, options.row_feed, options.memory_limit)

        with told_to_wait("every entry is differentiated by every other: twice as many take four times as long"):
            found = work.ask(paired)
        if question.encoded is not None and texts is None:
            found = told.named(found, question.spec, question.encoded, work.explainer)
    if options.out:
        with writing(options.out, "w", encoding="utf-8") as file:
            if options.out.endswith(".json"):
                json.dump(dict(output=found.output, inputs=found.inputs, rows=[dict(
                    tokens=found.texts(row), values=matrix.tolist(), score=float(found.score[row]),
                    baseline_score=float(found.baseline_score[row]), delta=float(found.delta[row]),
                    asymmetry=float(found.asymmetry[row]), error_estimate=float(found.error_estimate[row]))
                    for row, matrix in enumerate(found.values)]), file, indent=1)
            else:
                file.write(page.page(found, class_names=work.class_names))
    print("\n".join(["pairs of %s" % found.output] + work.told))
    print(found)
    print(found.check())
    if options.out:
        print("wrote %s" % options.out)
    asked.refuse_unexplained(found.finite)
    return judged(found.check().failed, options.strict)
