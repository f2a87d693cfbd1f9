"""``tf1-ig explain-many``: explains every row of files into a folder, and goes on where an earlier try ended."""

import argparse
import dataclasses
from typing import Any

import numpy as np

from tf1_ig.commands import feed_file
from tf1_ig.commands.arguments import add_strict, judged, positive
from tf1_ig.rows.spec import ExplanationSpec, load_spec
from tf1_ig.scale import explain_dataset, folder
from tf1_ig.scale.dataset import ROWS

HELP = "explain whole data sets into a folder of Parquet files"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--spec", metavar="FILE", required=True, help="explanation spec: how rows become feeds, and "
                                                                      "what is asked")
    parser.add_argument("--input", metavar="FILES", required=True, nargs="+", action="append",
                        help="files, folders or patterns: .parquet, .tfrecord, .jsonl, .csv, .tsv, .txt (a text a "
                             "line), .npz, pictures; .gz of lines and records")
    parser.add_argument("--out", metavar="FOLDER", required=True,
                        help="where part-*.parquet and dead-letter-*.jsonl go")
    parser.add_argument("--resume", action="store_true", help="go on in a folder that this command began")
    parser.add_argument("--workers", type=int, metavar="N", help="processes that explain (default: one a core)")
    parser.add_argument("--key", metavar="COLUMN", help="the column that rows are known by (default: FILE:ROW)")
    parser.add_argument("--keep", metavar="COLUMN", action="append", default=[],
                        help="a column that goes along, to slice by; repeat for more")
    parser.add_argument("--rows-per-shard", type=positive(int), default=ROWS, metavar="N",
                        help="most rows of one file (default: %d)" % ROWS)
    effort = parser.add_mutually_exclusive_group()
    effort.add_argument("--tolerance", type=positive(float), metavar="R", help="relative completeness error to reach")
    effort.add_argument("--steps", type=positive(int), metavar="N", help="a fixed number of points instead")
    parser.add_argument("--label", metavar="L", help="what is explained, instead of the spec's: top, second, a class")
    parser.add_argument("--output", metavar="T", help="tensor to explain, instead of the spec's")
    parser.add_argument("--baseline", metavar="B",
                        help="instead of the spec's: zero, a number, a .npy file, or '{\"ids:0\": 0}'")
    parser.add_argument("--allow-code", action="store_true", help="a tokenizer of yours that the spec names may run")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    add_strict(parser)
    parser.set_defaults(check=lambda options: _check(parser, options))


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if options.workers is not None and options.workers < 0:
        parser.error("argument --workers: %d is below 0" % options.workers)


def _spec(options: argparse.Namespace) -> ExplanationSpec:
    """The spec with what the options say instead; that is part of what another try in the folder must ask again."""
    spec, changes = load_spec(options.spec, options.allow_code), {}
    if options.output:
        changes["output"] = options.output
    if options.baseline:
        changes["baseline"] = _plain(feed_file.parse_baseline(options.baseline))
    return dataclasses.replace(spec, tree=dict(spec.tree, **changes)) if changes else spec


def _plain(baseline: Any) -> Any:
    """A baseline as a spec writes it."""
    if isinstance(baseline, dict):
        return {name: _plain(value) for name, value in baseline.items()}
    return baseline.tolist() if isinstance(baseline, np.ndarray) else baseline


def run(options: argparse.Namespace) -> int:
    """Explains and prints the summary, with the first bad row; bad rows are no failure unless all are."""
    spec = _spec(options)
    asked = {}
    if options.label is not None:
        asked["label"] = feed_file.parse_label(options.label, spec.classes)
    if options.tolerance is not None:
        asked.update(tolerance=options.tolerance, steps=None)
    if options.steps is not None:
        asked.update(steps=options.steps)
    summary = explain_dataset(
        spec, [path for paths in options.input for path in paths], options.out, options.resume, options.workers,
        options.key, options.rows_per_shard, options.keep, not options.quiet, **asked)
    print("%s: %s" % (options.out, summary))
    if summary.rejected:
        print("first rejected: %s" % folder.first_rejected(options.out))
    if summary.rejected and not summary.explained:
        return 1
    return judged(["a check of %d rows" % summary.doubtful] * bool(summary.doubtful), options.strict)
