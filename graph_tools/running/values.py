"""Values to feed as arrays, of which numpy must not lose a byte."""

from typing import Any

import numpy as np


def as_array(value: Any) -> np.ndarray:
    """``np.asarray`` for feeds: bytes and texts in lists become an array of objects.

    numpy's own array of ``bytes`` (kind ``S``) has one width and drops the NULs at the end of each value: nearly half
    of all serialized records end in one.

    Raises:
      ValueError: rows of unequal length.

    >>> as_array([b"a\\0", b"bc"]).tolist(), as_array([[1, 2]]).dtype.kind
    ([b'a\\x00', b'bc'], 'i')
    """
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, (list, tuple)) and not _of_texts(value):
        return np.asarray(value)
    if not isinstance(value, (list, tuple, bytes, str)):
        return np.asarray(value)
    array = np.array(value, object)
    wrong = next((one for one in array.ravel().tolist() if isinstance(one, (list, tuple, np.ndarray))), None)
    if wrong is not None:
        raise ValueError("lists of unequal length")
    return array


def _of_texts(value: Any) -> bool:
    """Whether the first thing in nested lists is bytes or a text."""
    while isinstance(value, (list, tuple)) and len(value):
        value = value[0]
    return isinstance(value, (bytes, str)) or isinstance(value, np.ndarray) and value.dtype.kind in "OSU"


def as_text(value: Any) -> str:
    """A word of a graph's (bytes, a text or a number) as text; bytes that are no UTF-8 stay visible.

    >>> as_text("é".encode("utf-8")), as_text("é".encode("utf-8")[:1]), as_text(3)
    ('é', '\\\\xc3', '3')
    """
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def in_dtype(array: np.ndarray, dtype: Any) -> np.ndarray:
    """Numbers in another dtype, as long as they stay what they are: fractions, and what is out of range, do not.

    Raises:
      ValueError: one would become another; says which, where it stands and what to feed.

    >>> in_dtype(np.array([2.0, 3.0]), np.int8)
    array([2, 3], dtype=int8)
    """
    dtype = np.dtype(dtype)
    with np.errstate(all="ignore"):
        cast = array.astype(dtype)
        if dtype.kind in "iub":
            changed = (cast.astype(array.dtype) != array) | ((array < 0) != (cast < 0))
        else:
            changed = np.isfinite(array) & ~np.isfinite(cast.astype(np.float64))
    if np.any(changed):
        where = tuple(int(i) for i in np.argwhere(changed)[0])
        raise ValueError("would change in the cast to %s: %r%s becomes %r; feed %s values" % (
            dtype.name, array[where].item(), " at %s" % list(where) if where else "", cast[where].item(), dtype.name))
    return cast


def cut_short(array: np.ndarray) -> bool:
    """Whether an array of kind ``S`` may have lost NULs: it holds no text, and values shorter than its width."""
    if array.dtype.kind != "S":
        return False
    values = array.ravel().tolist()
    return any(len(one) < array.dtype.itemsize for one in values) and any(not _is_text(one) for one in values)


def _is_text(value: bytes) -> bool:
    try:
        return "\0" not in value.decode("utf-8")
    except UnicodeDecodeError:
        return False
