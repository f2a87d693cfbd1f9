"""Makes the n-th call that our code makes into TensorFlow raise, and compares a process with what it was before.

A profile function sees every call. A step is a place in our code that calls a function of TensorFlow's; steps are told
apart by file, line and callee, and numbered in the order they are first reached.
"""

import os
import sys
import tempfile
import threading

import numpy as np

from graph_tools import _tf
from graph_tools.running import threads

_OURS = tuple(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), package) + os.sep
              for package in ("graph_tools", "tf1_ig"))
_THEIRS = tuple(os.sep + package + os.sep for package in ("tensorflow", "tensorflow_core", "tensorflow_estimator"))

# Clean-up of TensorFlow's own, which nobody can do in its stead; in 1.15 the lambdas are destructors.
_CLEANING = ("__exit__", "__del__", "<lambda>")


class Injected(BaseException):
    """Not an ``Exception``: like Ctrl-C, it may not be swallowed, and can come at any moment."""


class Steps:
    """The steps of a piece of work; at one of them, if asked to, raises."""

    def __init__(self, fail_at=None, error=Injected):
        self.found, self.raised, self._fail_at, self._error = [], False, fail_at, error

    def __enter__(self):
        threads._idle.clear()  # threads that are started from now on are watched as well
        threading.setprofile(self._watch)
        sys.setprofile(self._watch)
        return self

    def __exit__(self, *_):
        sys.setprofile(None)
        threading.setprofile(None)
        threads._idle.clear()

    def _watch(self, frame, event, _):
        caller = frame.f_back
        if event != "call" or caller is None or frame.f_code.co_name in _CLEANING or (
                not caller.f_code.co_filename.startswith(_OURS)) or not any(
                part in frame.f_code.co_filename for part in _THEIRS):
            return
        step = (caller.f_code.co_filename, caller.f_lineno, frame.f_code.co_name)
        if step not in self.found:
            self.found.append(step)
            if len(self.found) - 1 == self._fail_at:
                self.raised = True
                raise self._error("injected at %s:%d, calling %s" % step)


def steps_of(work):
    """All steps of a piece of work, none of which fails."""
    with Steps() as steps:
        work()
    return steps.found


class State:
    """What may not change: a session, its graph and variables, a model, the process, a folder for temporary files."""

    def __init__(self, session, model, folder, variables):
        self._session, self._model, self._folder = session, model, str(folder)
        self._variables = variables
        self.before = self.now()

    def now(self):
        tf, graph = _tf.tf, self._session.graph
        found = {
            "graph": graph.as_graph_def().SerializeToString(deterministic=True),
            "ops": len(graph.get_operations()), "finalized": graph.finalized, "version": graph.version,
            "variables": [value.tobytes() for value in self._session.run(self._variables)],
            "model": self._model.meta_graph.SerializeToString(deterministic=True),
            "default session": tf.get_default_session(), "eager": tf.executing_eagerly(),
            # Outside of every graph: asking for the default graph would make one.
            "graph stack": list(_graph_stack().stack), "name": graph.get_name_scope(),
            "control flow v2": _tf.control_flow_util.ENABLE_CONTROL_FLOW_V2,
            "patched": patched(), "lock": free(_tf._lock),
            "temporary files": sorted(os.listdir(tempfile.gettempdir())), "files": _files(self._folder),
            "environment": dict(os.environ), "random": np.random.get_state()[1].tolist(), "numpy": np.geterr(),
        }
        return found

    def changed(self):
        """Names of what is not as it was."""
        now = self.now()
        return [key for key, value in self.before.items() if now[key] != value]


def _graph_stack():
    from tensorflow.python.framework import ops
    return ops._default_graph_stack


def patched():
    """Everything that the watch over feature columns may replace."""
    return [(owner, name, vars(owner).get(name)) for owner in _tf.feature_column_modules() +
            _tf.feature_column_builders() + _tf.feature_column_bases() for name in sorted(vars(owner))
            if callable(vars(owner).get(name))]


def free(lock):
    """Whether another thread could take a lock."""
    found = []

    def ask():
        found.append(lock.acquire(timeout=5))
        if found[0]:
            lock.release()
    asking = threading.Thread(target=ask)
    asking.start()
    asking.join()
    return found[0]


def _files(folder):
    return sorted(os.path.relpath(os.path.join(at, name), folder) for at, _, names in os.walk(folder) for name in names)
