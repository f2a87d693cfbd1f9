"""``tf1-ig report``: what a folder of explanations says together, as a page."""

import argparse
import glob
import os
from typing import Any

from graph_tools import whole_files
from graph_tools.errors import FeedError
from tf1_ig.commands.arguments import positive
from tf1_ig.result import storage
from tf1_ig.rows import json_text
from tf1_ig.scale import aggregates, schemas
from tf1_ig.show import many

HELP = "a page of what many explanations say: strongest words and features, by class or any column"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("folder", metavar="FOLDER", help="what explain-many wrote")
    parser.add_argument("--out", metavar="FILE", required=True, help="the page to write, .html")
    parser.add_argument("--by", metavar="COLUMN", default="label_name",
                        help="slices: label_name (default), prediction_name, or a column given to explain-many --keep")
    parser.add_argument("--groups", metavar="FILE", help="JSON: names that count as one, '{\"family\": [\"wife\"]}'")
    parser.add_argument("--least", type=positive(int), default=5, metavar="N",
                        help="rows that a name must occur in (default: 5)")
    parser.add_argument("--most", type=positive(int), default=30, metavar="N",
                        help="names shown of a slice (default: 30)")
    parser.set_defaults(check=lambda options: options.out.lower().endswith(".html") or parser.error(
        "argument --out: %r does not end in .html" % options.out))


def run(options: argparse.Namespace) -> int:
    """Gathers and writes the page."""
    storage.check_path(options.out, (".html",))
    found = aggregates.aggregate(options.folder, options.by, _groups(options.groups))
    if set(found.rows) == {"None"} and options.by not in schemas.explained().names:
        raise FeedError("no row in %r holds the column %r; tf1-ig explain-many --keep %s carries it along" % (
            options.folder, options.by, options.by))
    lines, failed = found.lines(options.least), found.failed()
    page = many.page(options.folder, options.by, found.rows, lines, options.most, failed,
                     _judged(options.folder, os.path.dirname(os.path.abspath(options.out))),
                     aggregates.rows_of(options.folder, many.keys_shown(lines, options.most, failed)))
    with whole_files.writing(options.out, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(page)
    print("wrote %s: %d rows, %d slices" % (options.out, sum(found.rows.values()), len(found.rows)))
    return 0


def _judged(folder: str, beside: str) -> Any:
    """Pages that tf1-ig evaluate wrote into the folder (evaluate*.html), as they are called from another folder."""
    return [os.path.relpath(os.path.abspath(path), beside).replace(os.sep, "/")
            for path in sorted(glob.glob(os.path.join(glob.escape(folder), "evaluate*.html")))]


def _groups(path: Any) -> Any:
    if path is None:
        return None
    try:
        tree = json_text.load(path)
        if not isinstance(tree, dict) or not all(isinstance(of, list) for of in tree.values()):
            raise ValueError("it is no object of lists")
        return tree
    except (OSError, ValueError) as wrong:
        raise FeedError("%r holds no groups (%s); write {\"group\": [\"name\", …]}" % (path, wrong)) from wrong
