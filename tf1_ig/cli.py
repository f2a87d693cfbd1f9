"""The command line: ``tf1-ig inspect | explain | edit | threads | demo``.

Exit status: 0 done; 1 the graph or the data will not do (one ``error:`` line); 2 wrong usage.
"""

import argparse
import logging
import os
import sys
import tempfile
import warnings
from typing import Optional, Sequence

from graph_tools.errors import GraphToolsError
from tf1_ig import __version__
from tf1_ig.commands import edit as edit_command, explain as explain_command, threads as threads_command

_OPTIONS = (("batch_axis=None", "--batch-axis none"), ('label="top"', "--label top"), ("label= ", "--label "),
            ("inputs=TENSOR", "--input TENSOR"), ("shared_feeds", "--shared-feed"), ("row_feeds", "--row-feed"),
            ("tokens=", "--tokens"), ("batch_size", "--batch-size"), ("max_steps", "--max-steps"),
            ("pass steps=", "pass --steps"), ("out steps=", "out --steps"), ("baselines=", "--baselines"),
            ("samples=", "--samples"), ("seed=", "--seed"), ("noise_level=", "--noise-level"),
            ("time_limit=", "--time-limit "), ("memory_limit=", "--memory-limit "))


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Runs one command; returns the exit status.

    Args:
      argv: the words after the program's name; ``None`` takes those of the process, and then TensorFlow's own log is
        silenced: the process is ours.
    """
    try:
        options = parsed(sys.argv[1:] if argv is None else argv)
        options.check(options)
    except SystemExit as stop:  # argparse has said why
        return int(stop.code or 0)
    try:
        if argv is None:
            _own_process()
        return options.run(options)
    except BrokenPipeError:
        # The reader (head, less) has seen enough; nothing more may be written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    except GraphToolsError as wrong:
        return _fail(options, _as_options(str(wrong)), wrong)
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
    sys.stdout.flush()
    print("error: " + " ".join(message.split()), file=sys.stderr)
    return 1


def _as_options(message: str) -> str:
    """The message with the library's arguments named as the options they are here."""
    for argument, option in _OPTIONS:
        message = message.replace(argument, option)
    return message


def _own_process() -> None:
    """Quietens what TensorFlow and its friends print at import and at run; only ever called in our own process."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.simplefilter("ignore")
    for name in ("tensorflow", "absl", "h5py"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    _import_quietly()


def _import_quietly() -> None:
    """Imports TensorFlow with its C++ chatter kept aside (2.21 prints some at any log level), shown if it fails."""
    from graph_tools import _tf

    sys.stderr.flush()
    screen = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            _tf.tf  # noqa: B018 the first use imports
        except BaseException:
            aside.seek(0)
            os.write(screen, aside.read())
            raise
        finally:
            os.dup2(screen, 2)
            os.close(screen)


class _Parser(argparse.ArgumentParser):
    """Wrong usage is one line, too; the screenful of options is a command away."""

    def error(self, message: str):
        self.exit(2, "error: %s; see: %s --help\n" % (message, self.prog))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="tf1-ig", description="Explain predictions of TensorFlow-1 graphs with Integrated Gradients.")
    parser.add_argument("--version", action="version", version="%(prog)s " + __version__)
    parser.set_defaults(debug=False, check=lambda options: None)
    commands = parser.add_subparsers(metavar="COMMAND", dest="command")
    commands.required = True

    inspect = commands.add_parser("inspect", help="what goes in, what comes out, what can be explained")
    inspect.set_defaults(run=_inspect)
    _model(inspect)
    inspect.add_argument("--json", action="store_true", help="print one JSON object")

    explain = commands.add_parser("explain", help="attribute a prediction to the parts of its input")
    explain.set_defaults(run=explain_command.run)
    _model(explain)
    explain_command.add_options(explain)

    edit = commands.add_parser("edit", help="write a changed copy of a graph")
    edit.set_defaults(run=edit_command.run)
    _model(edit)
    edit_command.add_options(edit)

    threads = commands.add_parser("threads", help="measure how many threads explain fastest: explain's command line "
                                                  "with this word for explain")
    threads.set_defaults(run=threads_command.run)
    _model(threads)
    threads_command.add_options(threads)

    demo = commands.add_parser("demo", help="explain sentences with the model that comes with tf1-ig")
    demo.set_defaults(run=_demo)
    demo.add_argument("sentences", nargs="*", metavar="SENTENCE", help="sentences to explain (default: examples)")
    demo.add_argument("--out", default="demo.html", metavar="FILE", help="HTML file to write (default: demo.html)")
    demo.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def _model(parser) -> None:
    parser.add_argument("model", metavar="MODEL",
                        help="frozen .pb or .pbtxt, SavedModel folder, checkpoint prefix, .meta")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


# -- commands --------------------------------------------------------------------------------------------------------

def _inspect(options) -> int:
    from tf1_ig.commands import inspect as inspection

    found = inspection.inspect(options.model)
    print(inspection.as_json(found) if options.json else inspection.as_text(found))
    return 0


def _demo(options) -> int:
    from tf1_ig import demo

    demo.run(options.sentences or None, options.out)
    return 0
