"""The command line: ``tf1-ig COMMAND …``.

Exit status: 0 done; 1 the graph or the data will not do (one ``error:`` line); 2 wrong usage; 3 the answer is there and
says no (``compare``, ``--strict``); 130 Ctrl-C. Where some
rows of several cannot be explained that is told of them, and the others are: a failure is where that is all.
"""

import argparse
import contextlib
import os
import sys
from typing import Any, NoReturn, Optional, Sequence, Union

from graph_tools.errors import GraphToolsError, one_line
from tf1_ig import __version__
from tf1_ig.commands import (
    arguments,
    compare as compare_command,
    conductance as conductance_command,
    demo as demo_command,
    edit as edit_command,
    evaluate as evaluate_command,
    explain as explain_command,
    explain_many,
    inspect as inspect_command,
    interactions as interactions_command,
    own_process,
    report as report_command,
    scan as scan_command,
    spec as spec_command,
    threads as threads_command,
    worker,
)

# A command is a module with HELP, add_options(parser) and run(options), which returns the exit status.
COMMANDS = {
    "inspect": inspect_command,
    "spec": spec_command,
    "explain": explain_command,
    "explain-many": explain_many,
    "report": report_command,
    "compare": compare_command,
    "evaluate": evaluate_command,
    "conductance": conductance_command,
    "interactions": interactions_command,
    "edit": edit_command,
    "scan": scan_command,
    "threads": threads_command,
    "demo": demo_command,
}


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Runs one command; returns the exit status.

    Args:
      argv: the words after the program's name; ``None`` takes those of the process, and then TensorFlow's own log is
        silenced and Ctrl-C ends the process within a second: it is ours.
    """
    try:
        if argv is not None:
            options = _checked(argv)
            return options if isinstance(options, int) else _run(options)
        own_process.with_streams()
        options = _checked(sys.argv[1:])
        if isinstance(options, int):
            return options
        if not hasattr(os, "fork"):
            return _own(options)
        return worker.run(lambda: _own(options), worker.limit(options), options.debug)
    except KeyboardInterrupt:
        return _interrupted()


def _own(options: argparse.Namespace) -> int:
    """Runs a command in a process that is ours."""
    try:
        with own_process.ctrl_c_obeyed():
            memory = options.memory_limit if getattr(options, "limited", None) == "whole" else None
            return _run(options, lambda: own_process.prepare(memory))
    except KeyboardInterrupt:
        _interrupted()
        os._exit(own_process.INTERRUPTED)  # no waiting for what TensorFlow still computes


def _interrupted() -> int:
    with contextlib.suppress(OSError):
        sys.stderr.write(own_process.INTERRUPTED_LINE)
        sys.stderr.flush()
    return own_process.INTERRUPTED


def _checked(words: Sequence[str]) -> Union[argparse.Namespace, int]:
    """The options, or the exit status of a command line that is wrong, or that asked for help."""
    try:
        options = parsed(words)
        options.check(options)
    except SystemExit as stop:  # argparse has said why
        return int(stop.code or 0)
    except AttributeError as wrong:
        if isinstance(wrong.__context__, KeyboardInterrupt):  # argparse cannot put back what it had not yet put away
            raise KeyboardInterrupt from None
        raise
    return options


def _run(options: argparse.Namespace, before: Any = lambda: None) -> int:
    try:
        before()
        status = options.run(options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # The reader (head, less) has seen enough; nothing more may be written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except GraphToolsError as wrong:
        return _fail(options, arguments.one_line(wrong), wrong)
    except OSError as wrong:
        return _fail(options, "%s (%s); choose another path" % (
            type(wrong).__name__ if wrong.filename is None else "%r cannot be read or written" % wrong.filename,
            wrong.strerror or wrong), wrong)
    except MemoryError as wrong:
        return _fail(options, "out of memory (%s); explain fewer rows, or pass a smaller --batch-size" % wrong, wrong)
    except Exception as wrong:  # noqa: B902 a traceback is no message for a user; --debug shows it
        return _fail(options, "unexpected %s: %s; run again with --debug and report it" % (
            type(wrong).__name__, wrong), wrong)


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """The options of a command line; ``words`` keeps it as it is.

    Raises:
      SystemExit: wrong usage; it has been printed.
    """
    options, unknown = _parser().parse_known_args(words, argparse.Namespace(words=list(words)))
    if unknown:
        options.refuse("unrecognized arguments: %s" % " ".join(unknown))
    return options


def _fail(options: argparse.Namespace, message: str, error: BaseException) -> int:
    if options.debug:
        raise error
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
    print("error: " + one_line(message), file=sys.stderr)
    for candidate in getattr(error, "candidates", ()) if options.all else ():
        print("  %s" % getattr(candidate, "tensor", candidate), file=sys.stderr)
    return 1


class _Parser(argparse.ArgumentParser):
    """Wrong usage is one line, too; the screenful of options is a command away."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, "error: %s; see: %s --help\n" % (message, self.prog))


class _Command(_Parser):
    """The options of one command, which may stand between its other words as well as behind them."""

    _within = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self._within:
            return super().parse_known_args(args, namespace)
        self._within = True  # argparse takes options and other words in two passes, each a call of this
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._within = False


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="tf1-ig", description="Explain predictions of TensorFlow-1 graphs with Integrated Gradients.")
    parser.add_argument("--version", action="version", version="%(prog)s " + __version__)
    commands = parser.add_subparsers(metavar="COMMAND", dest="command", parser_class=_Command)
    commands.required = True
    for name, command in COMMANDS.items():
        one = commands.add_parser(name, help=command.HELP, description=command.HELP)
        one.set_defaults(run=command.run, check=lambda options: None, refuse=one.error)
        one.add_argument("--all", action="store_true", help="with an error: list all that was found, a line each")
        one.add_argument("--debug", action="store_true", help="show the traceback of an error")
        command.add_options(one)
    return parser
