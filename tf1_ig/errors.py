"""What can go wrong while explaining; every kind derives from ``graph_tools.GraphToolsError``."""

import importlib
import struct
import tokenize
import zipfile
import zlib
from typing import Any, Tuple

from graph_tools.errors import GraphToolsError

# What numpy and the readers of archives say of a file of arrays that is damaged, or none.
UNREADABLE = (OSError, ValueError, EOFError, RuntimeError, MemoryError, SyntaxError, tokenize.TokenError, struct.error,
              zlib.error, zipfile.BadZipFile)


class LabelError(GraphToolsError, ValueError):
    """The label is missing, out of range, or does not fit the axes of the output."""


class RowLabelError(LabelError):
    """The label does not fit one of the rows: what it names cancels out there. Other rows have no part in it."""


class InputError(GraphToolsError, ValueError):
    """The tensors to attribute to do not go together."""


class BaselineError(GraphToolsError, ValueError):
    """The baseline has the wrong shape, or cannot be computed from the feed."""


class MethodError(GraphToolsError, ValueError):
    """There is no quadrature rule of that name, or not with that many steps."""


class BatchError(GraphToolsError, ValueError):
    """How the rows of the feed, of the attributed tensor and of the output belong together cannot be told."""


class OutOfMemoryError(GraphToolsError, MemoryError):
    """A run does not fit into memory, however few rows it holds."""


class ClosedError(GraphToolsError, RuntimeError):
    """The explainer was closed, and its session with it."""


class ResultFileError(GraphToolsError, ValueError):
    """A file of attributions cannot be written or read."""


class ResultFileMissingError(GraphToolsError, FileNotFoundError):
    """There is no saved result where it was said to be, or no folder to save it to."""


class MissingPackageError(GraphToolsError, ImportError):
    """An optional package (pandas, IPython, matplotlib) is needed for what was asked and is not installed."""


def package(module: str, why: str, install: str) -> Any:
    """A module of an optional package, imported where it is first needed.

    Args:
      module: ``"skimage.segmentation"``.
      why: ``"to find regions"``.
      install: what to give ``pip install``.

    Raises:
      MissingPackageError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as missing:
        raise MissingPackageError("the package %s is needed %s (%s); install it: pip install %s" % (
            module.partition(".")[0], why, missing, install)) from missing


class ShowError(GraphToolsError, ValueError):
    """What was given to a view does not fit the result (number of tokens, rows, classes)."""


class SpecError(GraphToolsError, ValueError):
    """An explanation spec cannot be read, is not one, or does not fit its model; the message names the place."""


class SpecFileMissingError(SpecError, FileNotFoundError):
    """There is no spec, or no vocabulary, list or model where a spec says there is one."""


class RowError(GraphToolsError, ValueError):
    """A row cannot become a feed.

    Attributes:
      row: its number among the rows that were given, from 1.
      column: the column that is wrong, ``""`` where it is the row as a whole.
      reason: what is wrong and what to do, without row and column.
    """

    def __init__(self, reason: str, column: str = "", row: int = 0) -> None:
        place = ", ".join(part for part in ("row %d" % row if row else "", "column %r" % column if column else "")
                          if part)
        super().__init__("%s: %s" % (place, reason) if place else reason)
        self.reason, self.column, self.row = reason, column, row

    def __reduce__(self) -> Tuple[Any, ...]:
        return type(self), (self.reason, self.column, self.row)

    def at(self, row: int) -> "RowError":
        """The same, of the row with this number."""
        return type(self)(self.reason, self.column, row)


class FolderError(GraphToolsError, OSError):
    """A folder of explanations is used, belongs to another job, or another process writes to it."""


class WorkerError(GraphToolsError, RuntimeError):
    """A process that was to explain ends before it takes a row."""
