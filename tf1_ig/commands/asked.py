"""Rows and the question from an explanation spec, as the options of a command line give them."""

import argparse
from typing import Any, List, Optional, Sequence

from graph_tools.errors import FeedError
from tf1_ig.rows import readers, spec as specs
from tf1_ig.rows.record import Encoded, Row


def add_spec(parser: argparse.ArgumentParser) -> None:
    """The options that say what a row is: a spec, and rows."""
    parser.add_argument("--spec", metavar="FILE", help="explanation spec: how rows become feeds, and what is asked; "
                                                       "tf1-ig inspect MODEL --spec FILE writes one")
    add_rows(parser)


def add_rows(parser: argparse.ArgumentParser) -> None:
    """The options that give rows."""
    parser.add_argument("--text", action="append", metavar="T", default=[],
                        help="a row with this text; repeat for more")
    parser.add_argument("--row", action="append", metavar="JSON", default=[],
                        help="a row: '{\"age\": 40, …}'; repeat for more")
    parser.add_argument("--rows", action="append", metavar="FILE", default=[],
                        help="rows from a file, a folder or a pattern: .csv, .tsv, .jsonl, .json, .parquet, .tfrecord, "
                             ".txt (a text a line), .npz, pictures, sounds")
    parser.add_argument("--allow-code", action="store_true", help="a tokenizer of yours that the spec names may run")


def given(options: argparse.Namespace) -> bool:
    """Whether any row was given."""
    return bool(options.text or options.row or options.rows)


def check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Refuses options that do not go together: rows or a feed, a spec for rows, a model or the spec's."""
    if options.spec is None:
        for name in ("text", "row", "rows", "allow_code"):
            if getattr(options, name):
                parser.error("--%s needs --spec FILE; tf1-ig inspect MODEL --spec FILE writes one" % name.replace(
                    "_", "-"))
        if not options.feed:
            parser.error("the following arguments are required: --feed FILE, or --spec FILE with --text, --rows or "
                         "--row")
        if not options.model:
            parser.error("the following arguments are required: MODEL, or --spec FILE")
    elif given(options) and options.feed:
        parser.error("--feed and rows (--text, --rows, --row) are two feeds; give one")
    elif not given(options) and not options.feed:
        parser.error("give rows: --text \"…\", --rows FILE or --row '{…}'")


def rows_of(options: argparse.Namespace, spec: specs.ExplanationSpec) -> List[Row]:
    """The rows that were given, texts first.

    Raises:
      FeedError: a file cannot be read, or nothing stands in it.
    """
    columns = readers.columns_of(spec)
    found: List[Any] = [{columns.text: text} for text in options.text]
    found += [readers.parse_row(row) for row in options.row]
    found += list(readers.read(options.rows, columns)) if options.rows else []
    if not found:
        raise FeedError("no row in %s" % ", ".join(map(repr, options.rows)))
    return found


def refuse_unexplained(finite: Sequence[bool], why: str = "tf1-ig explain says what is not finite") -> None:
    """Fails where no row is explained, as ``explain-many`` does: one among others that are is told of beside them.

    Raises:
      FeedError: none of the rows is finite.
    """
    if not any(finite):
        raise FeedError("%s not explained: %s" % (
            "the row is" if len(finite) == 1 else "all of the %d rows are" % len(finite), why))


def encoded(options: argparse.Namespace, spec: specs.ExplanationSpec) -> Optional[Encoded]:
    """The rows as a feed; ``None`` where no row was given.

    Raises:
      RowError: a row cannot become a feed; the first is told.
    """
    if not given(options):
        return None
    found = spec.encode(rows_of(options, spec))
    if found.bad:
        raise found.bad[0]
    return found
