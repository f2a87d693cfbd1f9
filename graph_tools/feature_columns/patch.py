"""The monkey-patch: columns' and builders' methods are wrapped while anybody watches, and put back afterwards.

What is wrapped are methods of classes, because every caller reaches those: the public functions, canned Estimators
(which never call them), Keras layers, and names that were imported before. One patch serves all watches of the
process; it is counted, so that threads may leave in any order.
"""

import functools
import threading
import types
import weakref
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from graph_tools import _tf
from graph_tools.graph.walk import reached

USES = ("dense", "sequence", "linear")


class Patch(NamedTuple):
    """One replaced attribute."""

    owner: Any
    name: str
    original: Any
    replacement: Any


class Log:
    """What went through one builder (the cache of transformed features that each layer makes for itself)."""

    def __init__(self, features: Any):
        self.features = features
        self.raw: Dict[Any, Any] = {}
        self.reads: Dict[Any, List[Any]] = {}
        self.sparse: Dict[Any, Any] = {}


class Frame:
    """One call of a wrapped method that is under way."""

    def __init__(self, kind: str, subject: Any, log: Log):
        self.kind, self.subject, self.log = kind, subject, log
        self.reads: List[Any] = []
        self.sparse: Any = None
        self.inner: Any = None


class Use(NamedTuple):
    """A column at work in a layer: the call that no other column's call surrounds, and what it gave."""

    kind: str
    column: Any
    log: Log
    reads: Tuple[Any, ...]
    result: Any
    inner: Any
    sparse: Any


_lock = threading.RLock()
_watches: List[Any] = []
_patches: List[Patch] = []
_patched: set = set()
_logs: "weakref.WeakKeyDictionary" = weakref.WeakKeyDictionary()
_thread = threading.local()


def add(watch: Any) -> None:
    """Starts telling ``watch`` what this thread builds; the first watch of the process installs the patch."""
    with _lock:
        if not _watches:
            try:
                _install()
            except BaseException:
                _restore()
                raise
        _watches.append(watch)
        watch.home = _own()
        watch.home.append(watch)


def remove(watch: Any) -> None:
    """Stops telling ``watch``; the last watch of the process takes the patch away."""
    with _lock:
        watch.home[:] = [other for other in watch.home if other is not watch]
        _watches[:] = [other for other in _watches if other is not watch]
        if not _watches:
            _restore()


def _own() -> List[Any]:
    if not hasattr(_thread, "watches"):
        _thread.watches, _thread.frames = [], []
    return _thread.watches


def _listeners() -> Tuple[Any, ...]:
    """Watches that this thread's calls concern: its own, else those that follow the graph it builds in.

    A thread without a watch may still build for one that has: distribution strategies run model functions in threads.
    """
    own = _own()
    if own or not _watches:
        return tuple(own)
    graph = _tf.tf.get_default_graph()
    return tuple(watch for watch in list(_watches) if watch.follows(graph))


def _install() -> None:
    for builder in _tf.feature_column_builders():
        _replace(builder, "__init__", _wrap_builder)
        _replace(builder, "get", functools.partial(_wrap, "get"))
    for module in _tf.feature_column_modules():
        for name, kind in _tf.FEATURE_COLUMN_FUNCTIONS.items():
            _replace(module, name, functools.partial(_wrap, kind))
    _patch_classes()


def _patch_classes() -> None:
    """Wraps the methods of every column class there is by now (a model function may define its own)."""
    for owner in set(reached(_tf.feature_column_bases(), lambda owner: owner.__subclasses__())) - _patched:
        _patched.add(owner)
        for name, kind in _tf.FEATURE_COLUMN_METHODS.items():
            _replace(owner, name, functools.partial(_wrap, kind))


def _replace(owner: Any, name: str, wrap: Callable) -> None:
    original = vars(owner).get(name)
    if isinstance(original, types.FunctionType) and not getattr(original, "__isabstractmethod__", False):
        replacement = wrap(original)
        setattr(owner, name, replacement)
        _patches.append(Patch(owner, name, original, replacement))


def _restore() -> None:
    for patch in reversed(_patches):
        # Where somebody has wrapped our wrapper since, theirs stays: ours does nothing while nobody watches.
        if vars(patch.owner).get(patch.name) is patch.replacement:
            setattr(patch.owner, patch.name, patch.original)
    del _patches[:]
    _patched.clear()


def _wrap_builder(original: Any) -> Any:
    @functools.wraps(original)
    def create(*args: Any, **kwargs: Any) -> Any:
        with _lock:
            if _watches:
                _patch_classes()
        return original(*args, **kwargs)
    return create


def _wrap(kind: str, original: Any) -> Any:
    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        listeners = _listeners()
        if not listeners:
            return original(*args, **kwargs)
        frames = _thread.frames
        frames.append(_open(kind, args, kwargs))
        try:
            result = original(*args, **kwargs)
        except BaseException:
            frames.pop()
            raise
        use = _close(frames, result)
        if use is not None:
            for watch in listeners:
                watch.record(use)
        return result
    return call


def _open(kind: str, args: Any, kwargs: Any) -> Frame:
    builders = _tf.feature_column_builders()
    builder = next((value for value in list(args) + list(kwargs.values()) if isinstance(value, builders)), None)
    if kind == "get":
        subject = args[1] if len(args) > 1 else kwargs.get("key")
    else:
        subject = args[0] if args else kwargs.get("column")
    return Frame(kind, subject, _log(builder))


def _log(builder: Any) -> Log:
    if builder is None:
        return Log({})
    with _lock:
        if builder not in _logs:
            _logs[builder] = Log(_tf.features_of(builder))
        return _logs[builder]


def hashable(column: Any) -> bool:
    """Whether a column can be a key; one with an unhashable field cannot (nor can TensorFlow cache it)."""
    try:
        hash(column)
    except TypeError:
        return False
    return True


def _close(frames: List[Frame], result: Any) -> Optional[Use]:
    """Takes the innermost frame off; tells the one around it what was read; a ``Use`` when no use is around it."""
    frame = frames.pop()
    parent = frames[-1] if frames else None
    log = frame.log
    if frame.kind == "get":
        # Whatever was got can be a key: the builder has looked it up in its own cache.
        if isinstance(frame.subject, str) or frame.subject in log.features:
            log.raw[frame.subject] = result
            frame.reads = [frame.subject]
        else:
            # A second get finds the transformed feature in the cache and reads nothing.
            frame.reads = log.reads.setdefault(frame.subject, frame.reads)
    if frame.kind == "sparse" and hashable(frame.subject):
        log.sparse.setdefault(frame.subject, result)
    if parent is not None:
        parent.reads = parent.reads + [key for key in frame.reads if key not in parent.reads]
        if parent.kind in USES and frame.kind == "sparse" and parent.sparse is None:
            parent.sparse = result
        if parent.kind in USES and frame.kind in USES:
            parent.sparse, parent.inner = parent.sparse or frame.sparse, result
    alone = parent is None if frame.kind == "sparse" else not any(other.kind in USES for other in frames)
    if frame.kind != "get" and alone:
        return Use(frame.kind, frame.subject, log, tuple(frame.reads), result, frame.inner, frame.sparse)
    return None
