"""A trial in a process of its own: a file that TensorFlow dies of, or hangs on, harms nobody else."""

import json
import os
import signal
import subprocess
import sys
from typing import Any, Optional

from graph_tools import errors
from graph_tools.errors import ARGUMENT, GraphToolsError, ModelFormatError, TooLargeError

TIME_LIMIT = 600.0  # seconds
_CHILD = """
import json, sys
from graph_tools import _tf, errors, load
from graph_tools.safety import memory
asked = json.loads(sys.argv[1])
_tf.tf
memory.limit(asked.pop("memory_limit"))
try:
    load(**asked).graph
except errors.GraphToolsError as refused:
    print(json.dumps({"kind": type(refused).__name__, "message": str(refused)}))
"""


def check(path: str, tags: Any, signature: Optional[str], trusted: bool, time_limit: Optional[float] = None,
          memory_limit: Optional[int] = None) -> None:
    """Loads a model and imports its graph in another process; returns when that went well.

    Args:
      path, tags, signature, trusted: as for ``load``.
      time_limit: seconds that it may take; ``None``: ten minutes.
      memory_limit: bytes that it may take besides TensorFlow's own; ``None``: what the machine has.

    Raises:
      GraphToolsError: what ``load`` raises there.
      TooLargeError: it took longer.
      ModelFormatError: TensorFlow died of it.
    """
    limit = time_limit or TIME_LIMIT
    asked = {"path": path, "tags": sorted(tags) if isinstance(tags, (set, frozenset)) else tags,
             "signature": signature, "trusted": trusted, "memory_limit": memory_limit}
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, sys.path)), TF_CPP_MIN_LOG_LEVEL="3")
    try:
        done = subprocess.run([sys.executable, "-c", _CHILD, json.dumps(asked)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=limit, env=environment)
    except subprocess.TimeoutExpired as late:
        raise TooLargeError("%s: TensorFlow was not done importing it after %g s; the file is damaged or hostile, or "
                            "pass a larger %s" % (path, limit, ARGUMENT), argument="time_limit") from late
    if done.returncode:
        raise ModelFormatError("%s: TensorFlow died of importing it (%s); the file is damaged or hostile" % (
            path, _ending(done)))
    if done.stdout.strip():
        told = json.loads(errors.last_line(done.stdout, None))
        kind = getattr(errors, told["kind"], GraphToolsError)
        raise kind(told["message"])


def _ending(done: Any) -> str:
    if done.returncode < 0:
        return signal.Signals(-done.returncode).name
    return errors.last_line(done.stderr) or "exit status %d" % done.returncode
