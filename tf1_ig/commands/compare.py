"""``tf1-ig compare``: whether two folders of explanations say the same; for pipelines by its exit status."""

import argparse
import math

from tf1_ig.commands.arguments import DOUBTFUL, positive
from tf1_ig.errors import FolderError
from tf1_ig.scale import aggregates, comparison
from tf1_ig.show.tokens import printable

HELP = "compare two folders of explanations; exit status 3 when they differ by more than chance"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("folder", metavar="FOLDER", help="what explain-many wrote")
    parser.add_argument("other", metavar="FOLDER", help="another")
    parser.add_argument("--level", type=positive(float), default=0.05, metavar="P",
                        help="differ when chance does so in fewer cases than this (default: 0.05)")
    parser.add_argument("--most", type=positive(int), default=20, metavar="N", help="names shown (default: 20)")


def run(options: argparse.Namespace) -> int:
    """Prints what rose and fell."""
    found = comparison.compare(aggregates.rows(options.folder), aggregates.rows(options.other))
    if not found.changes:
        raise FolderError("folders %r (%d rows) and %r (%d rows) share no token or feature that is in at least %d rows "
                          "of each: nothing can be compared; explain more rows into them" % (
                              options.folder, found.rows[0], options.other, found.rows[1], comparison.LEAST))
    agreement = "" if math.isnan(found.rank_agreement) else "; rank agreement %.3f" % found.rank_agreement
    print("%d and %d rows%s; %d names%s" % (
        found.rows + (" (the same)" if found.paired else "", len(found.changes), agreement)))
    for one in found.changes[:options.most]:
        print("  %-24s %+.4f -> %+.4f   %+.4f +- %.4f" % (
            printable(one.name), one.before, one.after, one.change, 1.96 * one.standard_error))
    different = found.probability < options.level
    print("%s (probability by chance %.3f)" % ("they differ" if different else "no difference", found.probability))
    return DOUBTFUL if different else 0
