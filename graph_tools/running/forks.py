"""Sessions do not survive a fork: TensorFlow's threads stay in the parent, and a run in the child waits for ever."""

import os
from typing import List

from graph_tools.errors import ForkedProcessError

_opened: List[int] = []  # the process in which the first session was opened


def refuse_in_child() -> None:
    """To be called before a session is opened.

    Raises:
      ForkedProcessError: this process was forked off one that had opened sessions.
    """
    if not _opened:
        _opened.append(os.getpid())
    refuse_elsewhere(_opened[0])


def refuse_elsewhere(process: int) -> None:
    """Raises ``ForkedProcessError`` in any other process than this one."""
    if process != os.getpid():
        raise ForkedProcessError(
            "process %d was forked off process %d, in which TensorFlow runs already: its threads are not here, and a "
            "run would wait for ever; start processes with multiprocessing's method \"spawn\", and open models in them"
            % (os.getpid(), process))
