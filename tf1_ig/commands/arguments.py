"""What the commands share: how options are written, their types, and how the library's arguments are called here."""

import argparse
import contextlib
import sys
import threading
from typing import Any, Dict, Iterator, Sequence

from graph_tools import errors

DOUBTFUL = 3  # exit status: what was asked for is there, and its verdict is no
_PATIENCE, _LONG = 2.0, 20.0  # seconds before a terminal, and before a log, is told what is being done
# Arguments of the library that take several values are options to be given once for each.
REPEATED = ("inputs", "shared_feeds", "row_feeds")


def option(argument: str, value: str = "") -> str:
    """The option that stands for an argument of the library, and its value as it is typed.

    >>> option("batch_axis", "None"), option("row_feeds"), option("label", "CLASS")
    ('--batch-axis none', '--row-feed', '--label CLASS')
    """
    if argument == "trusted":
        return "--trust"
    name = "--" + (argument[:-1] if argument in REPEATED else argument).replace("_", "-")
    return " ".join([name] + ["none" if value == "None" else value] * bool(value))


def one_line(error: BaseException) -> str:
    """The message of an error in one line, with options for arguments."""
    told = getattr(error, "told", None)
    return errors.one_line(told(option) if told else error)


def progress() -> Any:
    """How a command tells who waits: by a bar on a terminal, else by a line where it takes more than a minute."""
    return sys.stderr.isatty() or (lambda line: print("note: " + line, file=sys.stderr))


@contextlib.contextmanager
def told_to_wait(line: str) -> Iterator[None]:
    """Says what is being done where it takes longer than anybody expects: a terminal soon, a log later."""
    told = threading.Timer(_PATIENCE if sys.stderr.isatty() else _LONG, lambda: print(line, file=sys.stderr))
    told.daemon = True
    told.start()
    try:
        yield
    finally:
        told.cancel()


def add_model(parser: argparse.ArgumentParser, or_spec: bool = False, trust: bool = True) -> None:
    """The model, first of all words; one that a spec names may be left out."""
    may_lack: Dict[str, Any] = {"nargs": "?"} if or_spec else {}
    parser.add_argument("model", metavar="MODEL", **may_lack,
                        help="frozen .pb or .pbtxt, SavedModel folder, checkpoint prefix, .meta")
    parser.add_argument("--asset", action="append", type=_asset, metavar="NAME=FILE", default=[],
                        help="a vocabulary file in the place of one that the model names (repeat for several)")
    if trust:
        add_trust(parser)


def add_trust(parser: argparse.ArgumentParser) -> None:
    """The option of those who know who made the model."""
    parser.add_argument("--trust", action="store_true",
                        help="whoever made the model is trusted: its ops may touch files, call out, run Python")


def add_limits(parser: argparse.ArgumentParser) -> None:
    """What the whole command may take; what takes more is ended with a line that says so."""
    parser.add_argument("--time-limit", type=positive(float), metavar="SECONDS",
                        help="most seconds of the whole command (default: 600)")
    parser.add_argument("--memory-limit", type=positive(int), metavar="BYTES",
                        help="most bytes of memory besides what TensorFlow itself takes (default: the machine's)")
    parser.set_defaults(limited="whole")


def add_strict(parser: argparse.ArgumentParser) -> None:
    """The option of pipelines that must not go on with numbers that failed a check."""
    parser.add_argument("--strict", action="store_true",
                        help="end with status 3 where a check fails; all is printed and written as without")


def judged(failed: Sequence[str], strict: bool) -> int:
    """The exit status of what was explained and failed these checks, which stderr is told."""
    if failed:
        print("warning: %s failed%s" % (", ".join(failed), "" if strict else "; --strict ends with status %d then" % (
            DOUBTFUL)), file=sys.stderr)
    return DOUBTFUL if failed and strict else 0


def _asset(text: str) -> Any:
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise argparse.ArgumentTypeError("%r is not NAME=FILE" % text)
    return name, path


def seed(text: str) -> int:
    """The argparse type of seeds: those that numpy's generators take."""
    if not text.strip().isdigit() or int(text) >= 2 ** 32:
        raise argparse.ArgumentTypeError("%r is not a whole number from 0 to %d" % (text, 2 ** 32 - 1))
    return int(text)


def positive(kind: Any) -> Any:
    """The argparse type of numbers above 0."""
    def checked(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = 0
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError("%r is not a positive %s" % (
                text, "whole number" if kind is int else "number"))
        return value
    return checked
