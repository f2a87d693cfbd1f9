"""``tf1-ig demo``: explains sentences with the model that comes with the package."""

import argparse

from tf1_ig import demo

HELP = "explain sentences with the model that comes with tf1-ig"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("sentences", nargs="*", metavar="SENTENCE", help="sentences to explain (default: examples)")
    parser.add_argument("--out", default="demo.html", metavar="FILE", help="HTML file to write (default: demo.html)")


def run(options: argparse.Namespace) -> int:
    """Explains, prints and writes the page; returns the exit status."""
    demo.run(options.sentences or None, options.out)
    return 0
