"""Errors of tf1_ig that are not about a graph; all derive from ``graph_tools.errors.GraphToolsError``."""

from graph_tools.errors import GraphToolsError


class ResultFileMissingError(GraphToolsError, FileNotFoundError):
    """There is no saved result where it was said to be, or no folder to save it to."""


class ResultFormatError(GraphToolsError, ValueError):
    """The file, or the suffix, is not one that a result is saved as."""


class MissingPackageError(GraphToolsError, ImportError):
    """An optional package (pandas, IPython, matplotlib) is needed for what was asked and is not installed."""


class ShowError(GraphToolsError, ValueError):
    """What was given to a view does not fit the result (number of tokens, rows, classes)."""
