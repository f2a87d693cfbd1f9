"""What can go wrong with a graph: one base class, and a kind for each sort of mistake.

Every message is one line that says what is wrong, with which tensor (name, dtype, shape), and what to do instead.
Each kind also derives from the builtin that fits, so ``except ValueError`` keeps working for callers who have never
heard of this package.
"""

import re
from typing import Any, Callable, Optional, Sequence, Union

ARGUMENT = "{argument}"  # where a message names the argument that helps


class GraphToolsError(Exception):
    """Base of every error that graph_tools and tf1_ig raise on purpose.

    Args:
      message: one line; ``ARGUMENT`` in it stands for the argument.
      argument: the argument of the library that is wrong or would help (``"batch_axis"``), or several.
      value: what to pass for it, as Python writes it (``"None"``); ``""`` where the message says it.
      candidates: everything that was found, where the message lists the first few.

    Who calls the library by other names (a command line) says ``told`` with its own.
    """

    def __init__(self, *message: Any, argument: Union[str, Sequence[str]] = (), value: str = "",
                 candidates: Sequence[Any] = ()) -> None:
        super().__init__(*message)
        self.arguments = (argument,) if isinstance(argument, str) else tuple(argument)
        self.value, self.candidates = value, tuple(candidates)

    def told(self, spell: Callable[[str, str], str]) -> str:
        """The message with each argument as ``spell(argument, value)`` writes it."""
        text = str(self.args[0]) if len(self.args) == 1 else super().__str__()
        return text.replace(ARGUMENT, ", ".join(spell(one, self.value) for one in self.arguments)) if (
            self.arguments) else text

    def __str__(self) -> str:
        # KeyError prints the repr of its argument; a message is for people.
        return self.told(lambda argument, value: "%s=%s" % (argument, value) if value else argument)


_LISTING = re.compile(r"\s*\[\[(\{\{)?node ")  # the nodes that TensorFlow lists behind what it says


def one_line(problem: Any, most: Optional[int] = None) -> str:
    """What an error (or a text) says in one line, without TensorFlow's listing of nodes; its kind where it is silent.

    >>> one_line(ValueError("bad\\n  shape")), one_line(ValueError())
    ('bad shape', 'ValueError')
    """
    text = str(getattr(problem, "message", "") or problem)
    if not isinstance(problem, GraphToolsError):
        text = _LISTING.split(text)[0]
    return (" ".join(text.split()) or type(problem).__name__)[:most]


def last_line(said: bytes, most: Optional[int] = 200) -> str:
    """The last line of what a process wrote, where a traceback says its error; ``""`` where it wrote none."""
    lines = said.decode("utf-8", "replace").split("\n")
    return next((line.strip()[:most] for line in reversed(lines) if line.strip()), "")


def some(items: Sequence[Any], most: int = 5, between: str = ", ") -> str:
    """The first of many for a message, and how many more there are; the error carries them all as ``candidates``.

    >>> some(["a", "b", "c"]), some(["a", "b", "c"], 2)
    ('a, b, c', 'a, b and 1 more')
    """
    shown = between.join(str(item) for item in items[:most])
    return shown if len(items) <= most else "%s and %d more" % (shown, len(items) - most)


class TensorFlowMissingError(GraphToolsError, ImportError):
    """TensorFlow is not installed, or its release is not one this package was checked on."""


class TensorFlowSymbolError(GraphToolsError, ImportError):
    """The running TensorFlow lacks a private symbol that what was asked for needs; everything else goes on working."""


class ModelFileMissingError(GraphToolsError, FileNotFoundError):
    """There is no file, or no variable values, where the model was said to be."""


class ModelFormatError(GraphToolsError, ValueError):
    """The file is there but it is not a model of the expected format (empty, truncated, another format)."""


class ReleaseError(GraphToolsError, ValueError):
    """The graph needs an op, an attribute or a kernel that the running TensorFlow does not have."""


class TensorNotFoundError(GraphToolsError, KeyError):
    """No tensor of that name is in the graph."""


class NoCandidateError(GraphToolsError, LookupError):
    """A search of the graph came back empty."""


class AmbiguousCandidateError(GraphToolsError, LookupError):
    """A search of the graph found several answers and nobody said which."""


class FeedError(GraphToolsError, ValueError):
    """A fed value has the wrong name, dtype, shape or length, or is missing."""


class StateError(GraphToolsError, RuntimeError):
    """A variable or a lookup table has no value to start from."""


class ControlFlowError(GraphToolsError, ValueError):
    """The structure of a loop or a branch cannot be recovered from the graph."""


class GradientError(GraphToolsError, ValueError):
    """TensorFlow cannot differentiate the output with respect to the input."""


class EditError(GraphToolsError, ValueError):
    """An edit of the graph is impossible, or would change what it must not change."""


class BlockedRunError(GraphToolsError, TimeoutError):
    """A run waited for data that never came, for instance on an empty queue."""


class UnfinishedRunError(BlockedRunError):
    """A run was not done when its time was over."""


class ForkedProcessError(GraphToolsError, RuntimeError):
    """TensorFlow ran before this process was forked off: its threads are in the other one, and a run would hang."""


class TooLargeError(GraphToolsError, ValueError):
    """Unfolded, the graph would be of a size that has nothing to do with that of its file."""


class UnsafeModelError(GraphToolsError, PermissionError):
    """The graph could do more than compute on behalf of whoever wrote it: touch files, call out, run other code."""
