"""Arrays of strings out of ``.npz`` files that numpy wrote as pickles, without unpickling anything.

``np.savez`` pickles an array of dtype object. The pickle of one that holds strings, numpy's own among them, names six
functions; here each of them is a stand-in that only takes its arguments in, and any other name is refused.
"""

import codecs
import pickle
import zipfile
from typing import IO, Any, Union

import numpy as np

from graph_tools.errors import FeedError, one_line

_MAKERS = tuple(module + ".multiarray" for module in ("numpy.core", "numpy._core"))


class _Taken:
    """Stands for the array, and for its dtype: keeps what it is given."""

    def __init__(self, *given: Any) -> None:
        self.given, self.state = given, ()  # type: Any, Any

    def __setstate__(self, state: Any) -> None:
        self.state = state


def _encoded(text: Any, encoding: Any) -> bytes:
    """How protocol 2 and below hold bytes."""
    if not isinstance(text, str) or encoding != "latin1":
        raise ValueError("holds something other than strings")
    return codecs.encode(text, "latin1")


def _no_bytes(*given: Any) -> bytes:
    """How protocol 2 and below hold no bytes at all."""
    if given:
        raise ValueError("holds something other than strings")
    return b""


def _numpy_string(dtype: Any, held: Any) -> Union[bytes, str]:
    """A string of numpy's: the dtype says which kind, and in which order its bytes are."""
    kind = str(dtype.given[0])[:1] if isinstance(dtype, _Taken) and dtype.given else ""
    if kind not in "SU" or not kind or not isinstance(held, bytes):
        raise ValueError("holds something other than strings")
    order = dtype.state[1] if isinstance(dtype.state, tuple) and len(dtype.state) > 1 else "<"
    return held if kind == "S" else held.decode("utf-32-be" if order == ">" else "utf-32-le")


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module in _MAKERS and name == "scalar":
            return _numpy_string
        if (module in _MAKERS and name == "_reconstruct") or (module, name) in (
                ("numpy", "ndarray"), ("numpy", "dtype")):
            return _Taken
        if (module, name) == ("_codecs", "encode"):
            return _encoded
        if name == "bytes" and module in ("__builtin__", "builtins"):
            return _no_bytes
        raise ValueError("holds %s.%s, not only strings" % (module, name))


def member(path: str, file: Any, name: str) -> np.ndarray:
    """An array of an open ``.npz`` file: numbers, or strings however they were written.

    Raises:
      FeedError: it holds anything else.
    """
    try:
        return file[name]
    except ValueError as refused:  # an array of objects, which numpy pickles
        try:
            with zipfile.ZipFile(path) as archive, archive.open(name + ".npy") as held:
                return read(held)
        except ValueError as wrong:
            raise FeedError("%r: the array %r %s; numbers and strings can be fed" % (
                path, name, one_line(wrong))) from refused


def read(file: IO[bytes]) -> np.ndarray:
    """The array of the ``.npy`` data in ``file``, where it is pickled; its elements are ``bytes`` or ``str``.

    Raises:
      ValueError: it holds anything else.
    """
    version = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(file)
    if not dtype.hasobject or dtype.kind != "O":
        raise ValueError("is no array of strings")
    try:
        taken = _Reader(file).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, IndexError, KeyError, TypeError, OverflowError,
            RecursionError, UnicodeDecodeError) as wrong:
        raise ValueError("cannot be read (%s)" % wrong) from wrong
    listed = taken.state[-1] if isinstance(taken, _Taken) and isinstance(taken.state, tuple) and taken.state else None
    if not isinstance(listed, list) or not all(isinstance(one, (bytes, str)) for one in listed):
        raise ValueError("holds something other than strings")
    if len(listed) != int(np.prod(shape, dtype=np.int64)):
        raise ValueError("holds %d strings for the shape %s" % (len(listed), list(shape)))
    flat = np.empty(len(listed), object)
    flat[:] = listed
    return flat.reshape(shape)  # in this order whatever the header says of the memory
