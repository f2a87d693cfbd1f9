"""What can go wrong with a graph: one base class, and a kind for each sort of mistake.

Every message is one line that says what is wrong, with which tensor (name, dtype, shape), and what to do instead.
Each kind also derives from the builtin that fits, so ``except ValueError`` keeps working for callers who have never
heard of this package.
"""


class GraphToolsError(Exception):
    """Base of every error that graph_tools and tf1_ig raise on purpose."""

    def __str__(self):
        # KeyError prints the repr of its argument; a message is for people.
        return str(self.args[0]) if len(self.args) == 1 else super().__str__()


class TensorFlowMissingError(GraphToolsError, ImportError):
    """TensorFlow is not installed, or its release is not one this package was checked on."""


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


class UnsafeModelError(GraphToolsError, PermissionError):
    """Running the graph would write files, or call Python functions, on behalf of whoever wrote it."""
