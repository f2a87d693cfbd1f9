"""The command line: ``tf1-ig COMMAND …``.

Exit status: 0 done; 1 the graph or the data will not do (one ``error:`` line); 2 wrong usage; 130 Ctrl-C.
"""

import argparse
import contextlib
import os
import sys
from typing import Optional, Sequence

from graph_tools.errors import GraphToolsError
from tf1_ig import __version__
from tf1_ig.commands import (
    arguments,
    demo as demo_command,
    edit as edit_command,
    explain as explain_command,
    inspect as inspect_command,
    own_process,
    spec as spec_command,
    threads as threads_command,
)

# A command is a module with HELP, add_options(parser) and run(options), which returns the exit status.
COMMANDS = {
    "inspect": inspect_command,
    "spec": spec_command,
    "explain": explain_command,
    "edit": edit_command,
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
            return _run(argv)
        own_process.with_streams()
        with own_process.ctrl_c_obeyed():
            return _run(sys.argv[1:], own_process.prepare)
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):
            sys.stderr.write(own_process.INTERRUPTED_LINE)
            sys.stderr.flush()
        if argv is None:  # no waiting for what TensorFlow still computes
            os._exit(own_process.INTERRUPTED)
        return own_process.INTERRUPTED


def _run(words: Sequence[str], before=lambda: None) -> int:
    try:
        options = parsed(words)
        options.check(options)
    except SystemExit as stop:  # argparse has said why
        return int(stop.code or 0)
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
            "%r cannot be read or written" % wrong.filename if wrong.filename else type(wrong).__name__,
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
    return _parser().parse_args(words, argparse.Namespace(words=list(words)))


def _fail(options, message: str, error: BaseException) -> int:
    if options.debug:
        raise error
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
    print("error: " + " ".join(message.split()), file=sys.stderr)
    return 1


class _Parser(argparse.ArgumentParser):
    """Wrong usage is one line, too; the screenful of options is a command away."""

    def error(self, message: str):
        self.exit(2, "error: %s; see: %s --help\n" % (message, self.prog))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="tf1-ig", description="Explain predictions of TensorFlow-1 graphs with Integrated Gradients.")
    parser.add_argument("--version", action="version", version="%(prog)s " + __version__)
    commands = parser.add_subparsers(metavar="COMMAND", dest="command")
    commands.required = True
    for name, command in COMMANDS.items():
        one = commands.add_parser(name, help=command.HELP, description=command.HELP)
        one.set_defaults(run=command.run, check=lambda options: None)
        one.add_argument("--debug", action="store_true", help="show the traceback of an error")
        command.add_options(one)
    return parser
